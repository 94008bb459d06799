"""The plan for a program that a compiler makes: its base, its libraries, its files, and what stays behind.

The language says which binaries its commands leave, what they are linked with and which files its source
opens. Everything else follows here, the same for every language: a plain base of the builder's release where
the compiler's image was the base, the slim variant of a full Debian, the same image elsewhere; scratch only
for what is proved static and asks nothing of the system.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from msrefactor.contract import evidence_of
from msrefactor.facts import Role, StageFacts, image_text, is_under
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import describe, pinned
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.splitting.bases import saved_by_base, slim_base
from msrefactor_transforms.splitting.needs import Wants, placed_path, wanted
from msrefactor_transforms.splitting.opened import Opened, run_time_files, values_given
from msrefactor_transforms.splitting.packages import bare_name, fate
from msrefactor_transforms.splitting.plan import Artifact, Level, RuntimePackage, SplitPlan
from msrefactor_transforms.splitting.question import is_install
from msrefactor_transforms.splitting.references import beside

PLAIN_BASES: Mapping[str, str] = {
    "alpine": "alpine:{}",
    "debian": "debian:{}-slim",
    "ubuntu": "ubuntu:{}",
}
"""The plain image of a release, by system."""
_FILE_TOOLS = frozenset({"mkdir", "chmod", "cp", "mv", "ln", "touch", "install", ""})
"""Set-up that can be done in the builder, and copied."""


@dataclass(frozen=True, slots=True)
class Binary:
    """A program that a build command leaves."""

    path: str
    after: int
    """Index of the instruction that builds it."""
    is_static: bool = False
    """Whether it is proved to need no loader and no library."""
    is_tool: bool = False
    """Whether it is some other project's program: it is copied only when something starts it."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a language knows of the programs that a stage builds."""

    ecosystem: str
    toolchains: frozenset[str]
    """Families of base images that are the language's compiler: the final stage starts from a plain base."""
    binaries: tuple[Binary, ...]
    sources: tuple[str, ...]
    """Folders of the image that hold only source and what the build leaves beside the binaries."""
    opened: Opened
    certificates: Evidence | None = None
    """Where it is seen, or can't be ruled out, that the program checks certificates; None: it doesn't."""
    zones: Evidence | None = None
    """Where it reads the system's time zones."""
    libraries: tuple[RuntimePackage, ...] = ()
    """Packages that hold the libraries the binaries load, beside those of the author's `-dev` packages."""
    beside: tuple[Artifact, ...] = ()
    """Other paths that the build leaves and the program uses."""
    build_packages: frozenset[str] = frozenset()
    """Packages that only the compiler uses, where the program is seen to start none of them."""
    build_environment: frozenset[str] = frozenset()
    development: frozenset[str] = frozenset()
    """Commands that compile when the container starts."""
    runtime_image: str | None = None
    """The final stage's base where the language has one of its own."""
    is_self_sufficient: bool = False
    """Whether all source is seen, and it asks nothing of the system but certificates."""
    path_folders: tuple[str, ...] = ()
    """Folders of PATH that only the compiler's image has."""
    assumptions: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    why: str = ""
    """What is said of the binary in the report, behind a comma."""


@dataclass(frozen=True, slots=True)
class _Base:
    level: Level
    image: str
    builder: str | None = None


def plan_of(view: View, facts: StageFacts, program: Program) -> SplitPlan | Refused:
    """Return how the stage is split, or the obstacle."""
    obstacle = _unfit(view, facts)
    if obstacle is not None:
        return obstacle
    wants = wanted(view, facts, program.opened.needs)
    own = [binary for binary in program.binaries if not binary.is_tool]
    outputs = tuple(dict.fromkeys(binary.path for binary in own))
    obstacle = started_while_compiling(wants, program.development) or _missing_command(
        facts, program, wants, outputs
    )
    if obstacle is not None:
        return obstacle
    base = _base_of(view, facts, program, wants)
    if isinstance(base, Refused):
        return base
    last = max((*(binary.after for binary in own), *(one.after for one in program.beside)), default=0)
    artifacts = [
        *run_time_files(view, facts, replace(program.opened, needs=wants.code), outputs, last),
        *_started_scripts(facts, program, wants, last),
        *program.beside,
        *_started_tools(program, wants),
        *_files_of_scratch(facts, program, base, last),
    ]
    unneeded = _unneeded(view, facts, wants, outputs)
    folders = tuple(folder for folder in dict.fromkeys(program.sources) if folder != "/")
    return SplitPlan(
        ecosystem=program.ecosystem,
        level=base.level,
        runtime_image=base.image,
        builder_image=base.builder,
        runtime_prelude=(
            *_locale_prelude(view, facts, base),
            *_path_prelude(program, outputs, unneeded, artifacts),
        ),
        artifacts=tuple(artifacts),
        dropped=(*folders, *beside(facts.end, folders, program.opened.kind.is_source)),
        packages=_packages(facts, program, base),
        build_packages=_build_packages(program, wants),
        code=program.opened.needs,
        provides=lambda command: _provided(facts, command, (*outputs, *(one.path for one in artifacts))),
        unneeded=unneeded,
        build_environment=program.build_environment,
        explicit_workdir=facts.end.cwd == facts.base.workdir and facts.base.workdir not in ("", "/"),
        assumptions=program.assumptions,
        evidence=program.evidence,
        reason=f"build in a builder stage; the final stage is {base.image} with the binary{program.why}",
        saved_mb=saved_by_base(view, facts, base.image),
    )


def started_while_compiling(wants: Wants, commands: frozenset[str]) -> Refused | None:
    """Return the obstacle that one of a language's own tools runs when the container starts."""
    for name, evidence in wants.commands:
        command = posixpath.basename(name)
        if command in commands:
            detail = f"`{command}` compiles when the container starts"
            return Refused("compiles-at-start", detail, (evidence,))
    return None


def _unfit(view: View, facts: StageFacts) -> Refused | None:
    place = (evidence_of(facts.facts[0].instruction, view.name),)
    if facts.base.system == "unknown":
        return Refused("base-unknown", f"nothing is known about {facts.base.reference.text}", place)
    if not view.context.known:
        return Refused("context-unknown", "which files the program opens is in its source")
    for fact, effect in facts.effects():
        if effect.refusal is not None and effect.refusal.code == "unknown-artifact":
            evidence = evidence_of(fact.instruction, view.name)
            return Refused(effect.refusal.code, effect.refusal.detail, (evidence,), effect.refusal.remedy)
    return None


def _missing_command(
    facts: StageFacts, program: Program, wants: Wants, outputs: Sequence[str]
) -> Refused | None:
    """Return the obstacle that a start command lies among the sources, where no build step leaves it."""
    for name, evidence in wants.commands:
        if not name.startswith("/") or name in outputs:
            continue
        if not any(is_under(name, folder) and folder != "/" for folder in program.sources):
            continue
        written = any(is_under(name, path) for _, effect in facts.effects() for path in effect.writes)
        if placed_path(facts, name) is None and not written:
            detail = f"`{name}` is started, and no build step leaves it"
            return Refused("need-not-found", detail, (evidence,))
    return None


def _base_of(view: View, facts: StageFacts, program: Program, wants: Wants) -> _Base | Refused:
    base = facts.base
    if program.runtime_image is not None:
        return _Base(Level.RUNTIME, program.runtime_image)
    if base.family not in program.toolchains:
        level, image = slim_base(facts, "debian")
        return _Base(level, image)
    if _may_be_scratch(view, facts, program, wants):
        return _Base(Level.MINIMAL, "scratch")
    form = PLAIN_BASES.get(base.system)
    if form is None:
        return _Base(Level.SHARED, facts.stage.image)
    return _plain(view, facts, program, form)


def _plain(view: View, facts: StageFacts, program: Program, form: str) -> _Base | Refused:
    """Return the plain base of the builder's release, written out in the builder where its tag floats."""
    base = facts.base
    if base.release is not None and base.release in (base.reference.tag or ""):
        return _Base(Level.RUNTIME, form.format(base.release))
    own = [binary for binary in program.binaries if not binary.is_tool]
    if own and all(binary.is_static for binary in own) and not program.libraries:
        # any release will do; where the builder's isn't known, today's newest
        releases = base.releases or describe(form.partition(":")[0]).releases
        return _Base(Level.RUNTIME, form.format(releases[-1]))
    written = pinned(base.reference.text)
    release = describe(written).release if written is not None else base.release
    if release is None or "$" in facts.stage.image:
        place = evidence_of(facts.facts[0].instruction, view.name)
        detail = f"the binary is linked with the libc of {base.reference.text}, and its release isn't known"
        return Refused("unknown-release", detail, (place,), "write the release into the tag")
    return _Base(Level.RUNTIME, form.format(release), written)


def _may_be_scratch(view: View, facts: StageFacts, program: Program, wants: Wants) -> bool:
    """Whether only the static binaries are started and nothing else of a system is asked for."""
    own = [binary for binary in program.binaries if not binary.is_tool]
    paths = [binary.path for binary in own]
    if not own or not all(binary.is_static for binary in own) or view.settings.runtime == "slim":
        return False
    code = wants.code
    asks = wants.unknown or code.libraries or code.unknown_libraries or code.writes_temp or program.libraries
    if asks or not program.is_self_sufficient or program.zones is not None:
        return False
    if facts.end.user not in ("root", "0", ""):
        return False
    for _, effect in facts.effects():
        names = effect.detail.names if is_install(effect) else ()
        if any(name is None or fate(name, facts.base, frozenset()).runtime for name in names):
            return False
    if any(effect.role is Role.SETUP and effect.tool not in _FILE_TOOLS for _, effect in facts.effects()):
        return False
    return all(_provided(facts, name, paths) is not None for name, _ in wants.commands)


def _started_tools(program: Program, wants: Wants) -> list[Artifact]:
    started = {posixpath.basename(name) for name, _ in wants.commands}
    return [
        Artifact(binary.path, binary.after, "a tool that is started")
        for binary in program.binaries
        if binary.is_tool and (posixpath.basename(binary.path) in started or wants.unknown)
    ]


def _files_of_scratch(facts: StageFacts, program: Program, base: _Base, last: int) -> list[Artifact]:
    if base.level is not Level.MINIMAL or program.certificates is None:
        return []
    return [Artifact("/etc/ssl/certs/ca-certificates.crt", last, "TLS needs the certificates")]


def _packages(facts: StageFacts, program: Program, base: _Base) -> tuple[RuntimePackage, ...]:
    """Return what has to be installed beside the author's packages: the plain base lacks it."""
    if base.level is Level.MINIMAL:
        return ()
    installed = {
        bare_name(name)
        for _, effect in facts.effects()
        if is_install(effect)
        for name in effect.detail.names
        if name
    }
    found = [one for one in program.libraries if one.name not in installed]
    # a plain distribution has none before and after: only the compilers' images bring them
    is_brought = facts.base.family in program.toolchains or facts.base.contents == "full"
    if program.certificates is not None and is_brought and "ca-certificates" not in installed:
        found.append(RuntimePackage("ca-certificates", program.certificates, "the program may speak TLS"))
    had_zones = facts.base.system != "alpine" and facts.base.variant == "full"
    had_zones = had_zones or "tzdata" in facts.base.installs
    if program.zones is not None and had_zones and "tzdata" not in installed:
        found.append(RuntimePackage("tzdata", program.zones, "the program reads time zones"))
    return tuple({one.name: one for one in reversed(found)}.values())[::-1]


def _locale_prelude(view: View, facts: StageFacts, base: _Base) -> tuple[str, ...]:
    """Return the locale that the builder's base sets: without it, a program may read text as ASCII."""
    image = image_text(view.dockerfile, base.image)
    inherited = describe(image).env
    written = {key for fact in facts.facts if fact.keyword == "ENV" for key, _ in fact.instruction.pairs}
    return tuple(
        f"ENV {key}={value}\n"
        for key in ("LANG", "LC_ALL")
        if (value := facts.base.env.get(key)) and key not in written and inherited.get(key) != value
    )


def _path_prelude(
    program: Program, outputs: Sequence[str], unneeded: frozenset[str], artifacts: Sequence[Artifact]
) -> tuple[str, ...]:
    """Return the ENV that keeps a program found by its bare name, where the base's PATH named its folder."""
    kept = [*(path for path in outputs if path not in unneeded), *(one.path for one in artifacts)]
    for path in kept:
        folder = posixpath.dirname(path)
        if folder in program.path_folders:
            return (f'ENV PATH="{folder}:$PATH"\n',)
    return ()


def _build_packages(program: Program, wants: Wants) -> frozenset[str]:
    """Return the packages that only the compiler uses: nothing that is started comes from one of them."""
    if wants.unknown:
        return frozenset()
    started = {posixpath.basename(name) for name, _ in wants.commands}
    return frozenset(
        name
        for name in program.build_packages
        if name not in started and not started & set(knowledge.commands_of(name))
    )


def _unneeded(view: View, facts: StageFacts, wants: Wants, outputs: Sequence[str]) -> frozenset[str]:
    """Return the binaries that nothing starts, when something starts another of them, or a copy of one.

    One that is named where the container is started may be started by what comes before it.
    """
    folders = facts.end.variables.get("PATH", "").split(":")
    made = {
        path: effect.reads
        for _, effect in facts.effects()
        if effect.tool in ("cp", "mv", "install")
        for path in effect.writes
    }
    started: set[str] = set()
    is_any = False
    for name, _ in wants.commands:
        paths = [name] if "/" in name else [posixpath.join(folder, name) for folder in folders if folder]
        found = next((path for path in paths if path in outputs or path in made), None)
        if found in outputs:
            started.add(str(found))
        is_copy = found is not None and any(path in outputs for path in made.get(found, ()))
        is_any = is_any or is_copy or found in outputs
    for word in values_given(view, facts):
        started.update(path for path in outputs if path == facts.end.path(word))
        started.update(path for path in outputs if posixpath.basename(path) == word)
    return frozenset(set(outputs) - started) if is_any and not wants.unknown else frozenset()


def _started_scripts(facts: StageFacts, program: Program, wants: Wants, last: int) -> list[Artifact]:
    """Return the scripts among the source that are started, and those that they run."""
    named = [name for name, _ in wants.commands if name.startswith("/")] + [path for path, _ in wants.files]
    return [
        Artifact(path, last, "it is started")
        for path in dict.fromkeys(named)
        if placed_path(facts, path) == path and any(is_under(path, folder) for folder in program.sources)
    ]


def _provided(facts: StageFacts, command: str, paths: Sequence[str]) -> str | None:
    found = {posixpath.join(folder, command) for folder in facts.end.variables.get("PATH", "").split(":")}
    return next((f"{path}, copied" for path in paths if path == command or path in found), None)
