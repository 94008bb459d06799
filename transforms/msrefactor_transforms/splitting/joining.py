"""Several ecosystems in one stage: whose programs run in the container, and what the others built for them.

The ecosystem whose programs are started (the *host*) gives the final stage its base. Of one that only builds,
the outputs come along; its tools, and what only these read, stay in the builder.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from msrefactor import variables
from msrefactor.code.needs import CONTEXT_MARK, EMPTY, merged_needs
from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, Role, StageFacts, is_under, overlaps
from msrefactor.installers import ToolInstall
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import describe
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.splitting.needs import Wants, placed_path, wanted
from msrefactor_transforms.splitting.packages import bare_name
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, Level, SplitPlan, ecosystems

SUPERVISORS = frozenset(
    "supervisord circusd s6-svscan runsvdir runit monit foreman honcho init systemd my_init crond "
    "cron".split()
)
"""Programs that start others by configuration files: any language of the image may be among them."""
Plans = Sequence[tuple[Ecosystem, SplitPlan | Refused]]


def plans_of(view: View, facts: StageFacts) -> Plans:
    """Return what the languages say; a last resort is asked where none of them builds anything."""
    for is_last_resort in (False, True):
        asked = (one for one in ecosystems() if one.is_last_resort is is_last_resort)
        plans = [(one, plan) for one in asked if (plan := one.plan(view, facts)) is not None]
        if plans:
            return plans
    return []


def joined(view: View, facts: StageFacts, plans: Plans) -> SplitPlan | Refused:
    """Return the one plan for a stage that several ecosystems have a part in."""
    for _, plan in plans:
        if isinstance(plan, SplitPlan) and plan.replacement is not None:
            return plan  # nothing else runs in the container, whoever built the files
    running, wants = running_languages(view, facts, {one.name: plan for one, plan in plans})
    hosts = [(one, plan) for one, plan in plans if one.name in running]
    if len(plans) == 1 and not running:
        return plans[0][1]
    if not hosts and not running:
        hosts = list(plans)  # what is started is none of them by name: it may be any of them
    for _, plan in hosts:
        if isinstance(plan, Refused) or plan.replacement is not None:
            return plan
    unsure = _placed_unseen(view, facts, running)
    if unsure is not None:
        return unsure
    understood = [(one, plan) for one, plan in hosts if isinstance(plan, SplitPlan)]
    host = _together(facts, understood) if understood else _as_it_is(facts, running, wants)
    builders = [one for one in ecosystems() if one.name not in running and _builds(facts, one)]
    builders = [one for one in builders if not one.is_last_resort]
    builders = [one for one in builders if all(one is not other for other, _ in hosts)]
    compiled = [
        plan for one, plan in plans if one in builders and not one.programs and isinstance(plan, SplitPlan)
    ]
    return _with_builders(view, facts, host, builders, compiled, wants, running)


def running_languages(
    view: View, facts: StageFacts, plans: Mapping[str, SplitPlan | Refused]
) -> tuple[Mapping[str, Evidence], Wants]:
    """Return the ecosystems whose programs are started, by the container or by one that it starts."""
    found: dict[str, Evidence] = {}
    code = EMPTY
    while True:
        wants = wanted(view, facts, code)
        new = [
            (one, evidence)
            for one in ecosystems()
            if one.name not in found
            and (one.name in plans or not one.shares_programs)
            and (
                (evidence := _started(facts, wants, one, plans.get(one.name))) is not None
                or (evidence := _installed_by(facts, wants, one, plans)) is not None
            )
        ]
        if not new:
            return found, wants
        found.update((one.name, evidence) for one, evidence in new)
        for one, _ in new:
            plan = plans.get(one.name)
            used = plan.code if isinstance(plan, SplitPlan) else one.code(view, facts)
            code = merged_needs((code, used))


def _started(
    facts: StageFacts, wants: Wants, ecosystem: Ecosystem, plan: SplitPlan | Refused | None
) -> Evidence | None:
    """Return what starts a program of the ecosystem."""
    for name, evidence in wants.commands:
        command = posixpath.basename(name)
        if command in ecosystem.programs or command.rstrip("0123456789.") in ecosystem.programs:
            return evidence
        if plan is not None and command in SUPERVISORS:
            return evidence
        if isinstance(plan, SplitPlan) and plan.provides(name) is not None:
            return evidence
        if _interpreter(facts, name) in ecosystem.programs:
            return evidence
        if any(
            effect.ecosystem == ecosystem.name and not ecosystem.programs and name in effect.writes
            for _, effect in facts.effects()
        ):
            return evidence
    return None


def _installed_by(
    facts: StageFacts, wants: Wants, ecosystem: Ecosystem, plans: Mapping[str, SplitPlan | Refused]
) -> Evidence | None:
    """Return what starts a command that nothing else is known to bring than this language's installer.

    `pip install yt-dlp` beside a compiled program that starts `yt-dlp`.
    """
    if not ecosystem.programs or ecosystem.name not in plans:
        return None
    if any(one.programs and one.name in plans for one in ecosystems() if one is not ecosystem):
        return None  # another installer's commands can't be told from this one's
    base = facts.base
    release = base.release or (base.releases[-1] if base.releases else None)
    packages = [
        bare_name(name)
        for _, effect in facts.effects()
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
        for name in effect.detail.names
        if name
    ]
    has_more = base.variant not in ("slim", "alpine")
    others = [plan for name, plan in plans.items() if name != ecosystem.name]
    for name, evidence in wants.commands:
        if (
            "/" in name
            or name in knowledge.minimal_commands(base.system, release)
            or name in base.commands
            or (has_more and knowledge.package_of_command(name, base.system) is not None)
            or any(name == package or name in knowledge.commands_of(package) for package in packages)
            or any(isinstance(plan, SplitPlan) and plan.provides(name) is not None for plan in others)
            or placed_path(facts, name) is not None
            or any(
                posixpath.basename(path) == name for _, effect in facts.effects() for path in effect.writes
            )
        ):
            continue
        return evidence
    return None


def _interpreter(facts: StageFacts, name: str) -> str:
    """Return the interpreter that the first line of a script of the context names."""
    path = placed_path(facts, name)
    text = facts.end.read(path) if path else None
    first = (text or "").partition("\n")[0]
    words = first[2:].split() if first.startswith("#!") else []
    tools = [posixpath.basename(word) for word in words if not word.startswith("-")]
    if tools[:1] == ["env"]:
        tools = tools[1:]
    return tools[0].rstrip("0123456789.") if tools else ""


def _builds(facts: StageFacts, ecosystem: Ecosystem) -> bool:
    return any(
        effect.ecosystem == ecosystem.name and effect.role in (Role.BUILD, Role.FETCH, Role.GATE)
        for _, effect in facts.effects()
    )


def _as_it_is(facts: StageFacts, running: Iterable[str], wants: Wants) -> SplitPlan:
    """Return the plan for programs that need nothing built for them by their own tools."""
    image = facts.stage.image
    return SplitPlan(
        ecosystem=" and ".join(running),
        level=Level.SHARED,
        runtime_image=image,
        code=wants.code,
        reason=f"build in a builder stage; the final stage is {image} with what was built",
    )


def _together(facts: StageFacts, hosts: Sequence[tuple[Ecosystem, SplitPlan]]) -> SplitPlan:
    """Return one plan for all that run. What needs an interpreter decides on the base."""
    if len(hosts) == 1:
        return hosts[0][1]
    interpreted = [plan for one, plan in hosts if one.programs]
    plans = [plan for _, plan in hosts]
    chief = interpreted[0] if interpreted else plans[0]
    others = [plan for plan in plans if plan is not chief]
    is_agreed = len({plan.runtime_image for plan in plans}) == 1 and chief.builder_image is None
    if len(interpreted) != 1 and not is_agreed:
        # no base is known to have what all of them need, but the author's
        chief = replace(chief, level=Level.SHARED, runtime_image=facts.stage.image, packages=(), saved_mb=0.0)
        others = [replace(plan, packages=()) for plan in others]
    preludes = [plan for plan in plans if plan.prelude_before is not None]
    provided = tuple(plan.provides for plan in plans)
    names = " and ".join(plan.ecosystem for plan in plans)
    return replace(
        chief,
        ecosystem=names,
        build_prelude=tuple(line for plan in preludes for line in plan.build_prelude),
        prelude_before=min((plan.prelude_before or 0 for plan in preludes), default=None),
        build_epilogue=tuple(line for plan in plans for line in plan.build_epilogue),
        epilogue_reads=tuple(path for plan in plans for path in plan.epilogue_reads),
        runtime_prelude=tuple(line for plan in plans for line in plan.runtime_prelude),
        runtime_opening=chief.runtime_opening,
        artifacts=(
            *chief.artifacts,
            *(
                one
                for plan in others
                for one in plan.artifacts
                if not one.path.startswith(("/etc", "/usr/share"))
            ),
        ),
        # each knows only what its own programs don't need
        dropped=(),
        build_files=frozenset.intersection(*(plan.build_files for plan in plans)),
        build_environment=frozenset.intersection(*(plan.build_environment for plan in plans)),
        build_packages=frozenset.intersection(*(plan.build_packages for plan in plans)),
        replayed=frozenset().union(*(plan.replayed for plan in plans)),
        unneeded=frozenset().union(*(plan.unneeded for plan in plans)),
        edits=_merged_edits(plans),
        packages=(*chief.packages, *(one for plan in others for one in plan.packages)),
        provides=lambda command: next((say for ask in provided if (say := ask(command)) is not None), None),
        code=merged_needs(plan.code for plan in plans),
        has_libraries=any(plan.has_libraries for plan in plans),
        proved=frozenset.intersection(*(plan.proved for plan in plans)),
        explicit_workdir=chief.explicit_workdir,
        assumptions=tuple(dict.fromkeys(text for plan in plans for text in plan.assumptions)),
        evidence=tuple(dict.fromkeys(one for plan in plans for one in plan.evidence)),
        reason=f"build in a builder stage; the final stage is {chief.runtime_image}, for {names}",
    )


def _merged_edits(plans: Iterable[SplitPlan]) -> dict[int, tuple[tuple[int, int, str], ...]]:
    """Return the edits of all; where several change the same instruction, in the order of its text."""
    found: dict[int, tuple[tuple[int, int, str], ...]] = {}
    for plan in plans:
        for index, edits in plan.edits.items():
            found[index] = tuple(sorted({*found.get(index, ()), *edits}))
    return found


def _with_builders(
    view: View,
    facts: StageFacts,
    host: SplitPlan,
    builders: Sequence[Ecosystem],
    compiled: Sequence[SplitPlan],
    wants: Wants,
    running: Iterable[str],
) -> SplitPlan:
    """Return the host's plan with what those leave it that only build."""
    tools = [*_copied_tools(facts, builders), *_installed_tools(facts, running)]
    if not builders and not tools:
        return host
    own = frozenset(one.name for one in builders)
    spared = [one.spared(view, facts, wants.code) for one in builders]
    removed = [path for one in spared for path in one.removed]
    packages = frozenset().union(*(one.packages for one in builders))
    names = " and ".join(one.name for one in builders if _is_named(facts, one))
    opened = _opened(facts, host, own, wants)
    inputs = {
        path
        for _, effect in facts.effects()
        if effect.ecosystem in own
        for path in effect.writes
        if any(is_under(path, tree) for tree in host.dropped) and path not in {one.path for one in opened}
    }
    assumptions = [
        f"the program started at {evidence.file}:{evidence.line} is none of {names or 'the build'}"
        for evidence in dict.fromkeys(wants.unknown)
        if packages or tools or any(one.unneeded or one.dropped for one in spared)
    ]
    return replace(
        host,
        artifacts=(*host.artifacts, *opened, *(one for plan in compiled for one in plan.artifacts)),
        dropped=(*host.dropped, *(path for one in spared for path in one.dropped)),
        tools=(*host.tools, *tools),
        unneeded=host.unneeded.union(inputs, *(one.unneeded for one in spared)),
        removed=(*host.removed, *(path for path in removed if not _holds(host, path))),
        build_packages=host.build_packages | (_listed(facts) & packages),
        packages=(*host.packages, *(one for plan in compiled for one in plan.packages)),
        has_libraries=host.has_libraries or any(plan.has_libraries for plan in compiled),
        assumptions=tuple(dict.fromkeys((*host.assumptions, *assumptions))),
        reason=f"{host.reason}; {names} only build{'' if ' and ' in names else 's'}"
        if names
        else host.reason,
        saved_mb=host.saved_mb + sum(one.saved_mb for one in spared),
    )


def _holds(plan: SplitPlan, path: str) -> bool:
    """Whether a plan asks for what lies in a folder."""
    return any(is_under(one.path, path) for one in plan.artifacts)


def _placed_unseen(view: View, facts: StageFacts, running: Mapping[str, Evidence]) -> Refused | None:
    """Return the obstacle that what runs was installed by a manager of versions, in a folder of its own."""
    for fact, effect in facts.effects():
        install = effect.detail
        if isinstance(install, ToolInstall) and install.language in running and not install.is_exact:
            return Refused(
                "install-mode",
                f"{install.language} runs in the container, and where {install.url} puts it isn't known",
                (evidence_of(fact.instruction, view.name),),
                f"start from an image that has {install.language}, or install its package",
            )
    return None


def _is_named(facts: StageFacts, ecosystem: Ecosystem) -> bool:
    return any(e.ecosystem == ecosystem.name and e.role >= Role.FETCH for _, e in facts.effects())


def _listed(facts: StageFacts) -> frozenset[str]:
    """Return the distribution's packages that the author installs, as they are written."""
    names = [
        name
        for _, effect in facts.effects()
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
        for name in effect.detail.names
        if name
    ]
    return frozenset((*names, *map(bare_name, names)))


def _installed_tools(facts: StageFacts, running: Iterable[str]) -> list[str]:
    """Return where installers put tools of languages that nothing of the container runs on."""
    on = {one.name for one in ecosystems() if one.name in running and one.programs}
    return [
        place
        for _, effect in facts.effects()
        if isinstance(effect.detail, ToolInstall) and effect.detail.language not in on
        for place in effect.detail.places
    ]


def _copied_tools(facts: StageFacts, builders: Sequence[Ecosystem]) -> list[str]:
    """Return where tools of these ecosystems are copied to from their images."""
    families = frozenset[str]().union(*(one.images or frozenset({one.name}) for one in builders))
    found: list[str] = []
    for fact in facts.facts:
        if fact.from_stage is None or fact.destination is None:
            continue
        image = variables.expand(fact.from_stage, fact.scope.variables, fact.scope.escape)
        if describe(image).family in families:
            found.extend(_copied_paths(fact))
    return found


def _copied_paths(fact: Fact) -> list[str]:
    """Return what a copy from another image brings: files into a folder, or a folder's content."""
    words = [word.text for word in fact.instruction.words]
    target = fact.destination or "/"
    into = words[-1].endswith("/") or len(words) > 2 or target in ("/usr/local/bin", "/usr/bin", "/bin")
    return [
        posixpath.join(target, posixpath.basename(word))
        if into and posixpath.basename(word) != posixpath.basename(target)
        else target
        for word in words[:-1]
    ]


def _opened(facts: StageFacts, host: SplitPlan, own: frozenset[str], wants: Wants) -> list[Artifact]:
    """Return what the running program opens of the builds of others, where its own folder stays behind."""
    written = [
        (path, fact.index)
        for fact, effect in facts.effects()
        if effect.ecosystem in own
        for path in effect.writes
        if any(is_under(path, tree) for tree in host.dropped)
    ]
    if not written:
        return []
    last = max(index for _, index in written)
    named = [(name, f"opened at {one.file}:{one.line}") for name, one in wants.code.paths]
    for fact in facts.facts:
        if fact.keyword in ("CMD", "ENTRYPOINT", "ENV"):
            words = fact.instruction.exec_form or [word.text for word in fact.instruction.words]
            named.extend(
                (word.rpartition("=")[2].strip("\"'"), "named where the container is started")
                for word in words
            )
    found: list[Artifact] = []
    for name, why in named:
        if not name or name.startswith(CONTEXT_MARK) or "*" in name:
            continue
        path = posixpath.normpath(posixpath.join(facts.end.cwd, name))
        if any(path == tree for tree in host.dropped) or path == "/":
            continue
        if any(overlaps(path, place) for place, _ in written):
            found.append(Artifact(path, last, why))
    if wants.code.unknown_paths and not found:
        place = wants.code.unknown_paths[0]
        found.extend(
            Artifact(path, index, f"may be opened at {place.file}:{place.line}") for path, index in written
        )
    return found
