"""What fails nowhere and isn't what its author will have meant: only `--explain` tells it.

Instructions of a stage that nobody runs, tests that nobody builds, layers that are written twice, packages
with headers in the final stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msrefactor.commands import PackageCall
from msrefactor.contract import stage_index
from msrefactor.facts import Fact, Role, StageFacts, base_image_text, is_under
from msrefactor.knowledge.packages import runtime_packages
from msrefactor.model import Refused, View
from msrefactor_transforms.repairing.kinds import Found, name_of, reached, seen
from msrefactor_transforms.splitting.copies import copied
from msrefactor_transforms.splitting.packages import bare_name

_OF_THE_CONTAINER = ("HEALTHCHECK", "EXPOSE", "VOLUME", "STOPSIGNAL")
_AT_RUN_TIME = frozenset(
    "LANG LC_ALL TZ PYTHONUNBUFFERED NODE_ENV RAILS_ENV RACK_ENV ASPNETCORE_ENVIRONMENT JAVA_OPTS "
    "JAVA_TOOL_OPTIONS SPRING_PROFILES_ACTIVE GIN_MODE RUST_LOG MIX_ENV APP_ENV".split()
)
"""Variables that the running program reads, rather than the build alone."""
_BAKE = ("docker-bake.hcl", "docker-bake.json", "docker-bake.override.hcl")


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Remark them all."""
    return Found(
        remarks=(
            *_of_nobody(view, stages),
            *_variables(view, stages),
            *_gates(view, stages),
            *_owners(view, stages),
            *_headers(view, stages),
        )
    )


def _sources(view: View, stages: Sequence[StageFacts]) -> frozenset[int]:
    """Return the stages that the final stage only copies from, and that nobody names as a target."""
    copies = copied(view, len(stages) - 1, stages[-1])
    targets = {use.value for use in view.uses if use.kind == "target"}
    chain = reached(view, stages)
    return frozenset(
        copy.stage
        for copy in copies
        if copy.stage not in chain and view.dockerfile.stages[copy.stage].name not in targets
    )


def _of_nobody(view: View, stages: Sequence[StageFacts]) -> Iterator[Refused]:
    """Yield what describes the container in a stage that starts nothing and that the final one lacks."""
    own = {fact.keyword for index in reached(view, stages) for fact in stages[index].facts}
    for index in sorted(_sources(view, stages)):
        facts = stages[index].facts
        if any(fact.keyword in ("CMD", "ENTRYPOINT") for fact in facts):
            continue  # it may be built to be run
        for fact in facts:
            if fact.keyword in _OF_THE_CONTAINER and fact.keyword not in own:
                name = name_of(view, index)
                detail = f"{fact.keyword} of the stage {name} isn't part of the image, which has none"
                yield Refused("no-effect", detail, (seen(view, fact),), "move it to the final stage")


def _variables(view: View, stages: Sequence[StageFacts]) -> Iterator[Refused]:
    final = stages[-1]
    there = {*final.base.env, *final.end.variables}
    for index in sorted(_sources(view, stages)):
        for fact in stages[index].facts:
            names = [name for name, _ in fact.instruction.pairs] if fact.keyword == "ENV" else []
            lost = [name for name in names if name in _AT_RUN_TIME and name not in there]
            if lost and final.base.family == stages[index].base.family:
                detail = f"{lost[0]} of the stage {name_of(view, index)} isn't set when the container runs"
                yield Refused("no-effect", detail, (seen(view, fact),), "set it in the final stage, too")


def _gates(view: View, stages: Sequence[StageFacts]) -> Iterator[Refused]:
    """Yield tests of stages that the final stage doesn't need: BuildKit doesn't build them."""
    needed = _needed(view, stages)
    targets = {use.value for use in view.uses if use.kind == "target"}
    if any(view.context.project.exists(name) for name in _BAKE):
        return  # its targets build stages by their names
    for index, facts in enumerate(stages):
        name = view.dockerfile.stages[index].name
        if index in needed or name in targets or any(n > index for n in _built_on(view, stages, index)):
            continue
        for fact in facts.runs():
            if any(effect.role is Role.GATE for effect in fact.effects):
                shown = name or str(index)
                detail = f"the tests of the stage {shown} don't run in a build: nothing needs the stage"
                remedy = f"build it with --target {shown}, or copy something from it"
                yield Refused("no-effect", detail, (seen(view, fact),), remedy)
                break


def _needed(view: View, stages: Sequence[StageFacts]) -> frozenset[int]:
    found = {len(stages) - 1}
    for index in range(len(stages) - 1, -1, -1):
        if index not in found:
            continue
        found |= set(_references(view, stages, index))
    return frozenset(found)


def _built_on(view: View, stages: Sequence[StageFacts], index: int) -> list[int]:
    return [other for other in range(len(stages)) if index in _references(view, stages, other)]


def _references(view: View, stages: Sequence[StageFacts], index: int) -> list[int]:
    """Return the stages that a stage builds on, copies from or mounts."""
    stage = view.dockerfile.stages[index]
    names = [base_image_text(view.dockerfile, stage)]
    for fact in stages[index].facts:
        if fact.from_stage is not None:
            names.append(fact.from_stage)
        for flag in fact.instruction.flags:
            fields = dict(part.partition("=")[::2] for part in (flag.value or "").split(","))
            if flag.name == "mount" and fields.get("from"):
                names.append(fields["from"])
    found = [stage_index(view.dockerfile, name, len(stages)) for name in names]
    return [one for one in found if one is not None]


def _owners(view: View, stages: Sequence[StageFacts]) -> Iterator[Refused]:
    """Yield a `chown -R` of what the final stage copied: every file is in the image twice."""
    placed: list[Fact] = []
    for fact in stages[-1].facts:
        if fact.keyword == "COPY" and fact.destination is not None and fact.instruction.flag("chown") is None:
            placed.append(fact)
        if fact.keyword != "RUN" or fact.script is None:
            continue
        for command in fact.script.commands:
            words = [word.literal or "" for word in command.words]
            if words[:1] != ["chown"] or not {"-R", "--recursive"} & set(words):
                continue
            paths = [
                fact.scope.path(word) for word in words[1:] if word.startswith("/") or word in (".", "./")
            ]
            twice = next((one for one in placed for p in paths if is_under(one.destination or "", p)), None)
            if twice is not None:
                detail = f"the chown writes what was copied to {twice.destination} a second time"
                yield Refused("no-effect", detail, (seen(view, fact), seen(view, twice)), "use COPY --chown")
                return


def _headers(view: View, stages: Sequence[StageFacts]) -> Iterator[Refused]:
    """Yield packages with headers in a final stage that compiles nothing."""
    final = stages[-1]
    compiles = (Role.BUILD, Role.OPAQUE, Role.FETCH)
    if final.base.system != "debian" or any(effect.role in compiles for _, effect in final.effects()):
        return
    releases = (final.base.release,) if final.base.release else final.base.releases
    for fact, effect in final.effects():
        call = effect.detail
        names = call.names if isinstance(call, PackageCall) and call.action == "install" else ()
        for name in names:
            bare = bare_name(name or "")
            known = runtime_packages(bare, "debian", releases) if bare.endswith("-dev") and releases else None
            if known:
                detail = f"{bare} brings headers, which nothing in the final stage compiles with"
                yield Refused("no-effect", detail, (seen(view, fact),), f"install {' '.join(known)} instead")
                return
