"""Go: binaries by `go build`, `go install` and plain Makefiles; scratch where everything is seen and static.

Where not all is seen, the final stage is the builder's own Debian or Alpine without the compiler. Files that
are opened at run time come along. Sources: the `go` command's documentation, docker-library/docs golang.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import replace

from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Fact, StageFacts, is_under
from msrefactor.model import Refused, View
from msrefactor_transforms.ecosystems._go_base import (
    base_of,
    fetching_packages,
    files_of_the_system,
    packages_of_the_system,
)
from msrefactor_transforms.ecosystems._go_commands import GoBuild, interpret
from msrefactor_transforms.ecosystems._go_files import SOURCE_KIND, run_time_files
from msrefactor_transforms.ecosystems._go_linking import linking_of
from msrefactor_transforms.ecosystems._go_sources import OwnBuild, Sources, sources_of
from msrefactor_transforms.splitting.bases import saved_by_base
from msrefactor_transforms.splitting.needs import Wants, placed_path, wanted
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, Level, RuntimePackage, SplitPlan
from msrefactor_transforms.splitting.references import beside

TOOLCHAIN_ENVIRONMENT = frozenset(
    "CGO_ENABLED GO111MODULE GOFLAGS GOOS GOARCH GOARM GOPROXY GOSUMDB GOPRIVATE GONOSUMDB GONOPROXY "
    "GOCACHE GOMODCACHE GOTOOLCHAIN GOEXPERIMENT GOINSECURE GOAMD64 GOARM64 GO386 GOBIN GOTMPDIR "
    "GOVCS".split()
)
"""Variables that the go command reads and a program doesn't."""
_DEVELOPMENT = frozenset("go air reflex CompileDaemon realize fresh dlv modd gow bee buffalo".split())


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds Go binaries is split."""
    builds = [(f, e, e.detail) for f, e in facts.effects() if isinstance(e.detail, GoBuild)]
    if not builds and facts.base.family != "golang":
        return None
    obstacle = _go_at_start(view, facts)
    if obstacle is not None:
        return obstacle
    own = [entry for entry in builds if not entry[2].is_external]
    if not own:
        return None
    obstacle = _unfit(view, facts, own)
    if obstacle is not None:
        return obstacle
    sources = sources_of(view, own)
    wants = wanted(view, facts, sources.needs)
    outputs = tuple(path for _, effect, _ in own for path in effect.writes)
    obstacle = _missing_command(facts, wants, outputs, sources)
    if obstacle is not None:
        return obstacle
    linking = linking_of(view, facts, own, sources)
    base = base_of(view, facts, wants, sources, linking)
    if isinstance(base, Refused):
        return base
    last = max(fact.index for fact, _, _ in own)
    place = evidence_of(own[0][0].instruction, view.name)
    artifacts = [
        *run_time_files(view, facts, sources, outputs, last),
        *_tools_of(builds, wants),
        *files_of_the_system(view, facts, sources, base, last),
    ]
    packages: list[RuntimePackage] = [
        *(linking.packages if base.level is Level.RUNTIME else ()),
        *packages_of_the_system(view, facts, sources, base, place),
    ]
    return SplitPlan(
        ecosystem="go",
        level=base.level,
        runtime_image=base.image,
        builder_image=base.builder,
        runtime_prelude=_path_prelude(wants, outputs),
        artifacts=tuple(artifacts),
        dropped=_dropped(facts, sources),
        packages=tuple(packages),
        build_packages=fetching_packages(wants, sources, base.level),
        code=sources.needs,
        provides=lambda command: _provided(command, outputs, artifacts),
        unneeded=_unneeded(wants, outputs),
        build_environment=TOOLCHAIN_ENVIRONMENT,
        explicit_workdir=_needs_workdir(facts),
        assumptions=_assumptions(facts, own, sources),
        reason=f"build in a builder stage; the final stage is {base.image} with the binary{linking.why}",
        evidence=linking.evidence,
        saved_mb=saved_by_base(view, facts, base.image),
    )


def _go_at_start(view: View, facts: StageFacts) -> Refused | None:
    for name, evidence in wanted(view, facts).commands:
        command = posixpath.basename(name)
        if command in _DEVELOPMENT:
            return Refused(
                "compiles-at-start", f"`{command}` compiles when the container starts", (evidence,)
            )
    return None


def _unfit(view: View, facts: StageFacts, own: Sequence[OwnBuild]) -> Refused | None:
    base = facts.base
    if base.system == "unknown":
        place = (evidence_of(facts.facts[0].instruction, view.name),)
        return Refused("base-unknown", f"nothing is known about {base.reference.text}", place)
    if not view.context.known:
        return Refused("context-unknown", "which files the program opens is in its source")
    for fact, effect, _ in own:
        if effect.refusal is not None:
            return replace(effect.refusal, evidence=(evidence_of(fact.instruction, view.name),))
    return None


def _missing_command(
    facts: StageFacts, wants: Wants, outputs: Sequence[str], sources: Sources
) -> Refused | None:
    """Return the obstacle that a start command lies where nothing is built or copied."""
    for name, evidence in wants.commands:
        is_among_sources = any(is_under(name, module) and module != "/" for module in sources.modules)
        if name.startswith("/") and is_among_sources and name not in outputs:
            written = any(name in effect.writes for _, effect in facts.effects())
            if placed_path(facts, name) is None and not written:
                return Refused(
                    "need-not-found", f"`{name}` is started, and no build step leaves it", (evidence,)
                )
    return None


def _assumptions(facts: StageFacts, own: Sequence[OwnBuild], sources: Sources) -> tuple[str, ...]:
    if sources.is_found:
        return ()
    output = own[-1][2].output
    return (f"{output}, whose source isn't in the build context, opens no file that only the builder has",)


def _tools_of(builds: Sequence[tuple[Fact, Effect, GoBuild]], wants: Wants) -> list[Artifact]:
    started = {posixpath.basename(name) for name, _ in wants.commands}
    return [
        Artifact(build.output, fact.index, "a tool that is started")
        for fact, _, build in builds
        if build.is_external and (posixpath.basename(build.output) in started or wants.unknown)
    ]


def _path_prelude(wants: Wants, outputs: Sequence[str]) -> tuple[str, ...]:
    """Return the ENV that keeps a program found by its bare name, where the base's PATH named its folder."""
    unneeded = _unneeded(wants, outputs)
    for output in outputs:
        folder = posixpath.dirname(output)
        if folder == "/go/bin" and output not in unneeded:
            return (f'ENV PATH="{folder}:$PATH"\n',)
    return ()


def _dropped(facts: StageFacts, sources: Sources) -> tuple[str, ...]:
    """Return the folders of the image that hold source."""
    folders = [module for module in sources.modules if module != "/"]
    if any(is_under(module, "/go/src") for module in folders) or not is_under(facts.end.cwd, "/go/src"):
        folders.append("/go/src")
    folders.extend(beside(facts.end, folders, SOURCE_KIND.is_source))
    return tuple(dict.fromkeys(folders))


def _needs_workdir(facts: StageFacts) -> bool:
    return facts.end.cwd == facts.base.workdir and facts.base.workdir not in ("", "/")


def _unneeded(wants: Wants, outputs: Sequence[str]) -> frozenset[str]:
    """Return the binaries that nothing starts, when something starts another of them."""
    started = {
        output
        for output in outputs
        for name, _ in wants.commands
        if name == output or ("/" not in name and posixpath.basename(output) == name)
    }
    return frozenset(set(outputs) - started) if started and not wants.unknown else frozenset()


def _provided(command: str, outputs: Sequence[str], artifacts: Sequence[Artifact]) -> str | None:
    for output in (*outputs, *(artifact.path for artifact in artifacts)):
        if command == output or ("/" not in command and posixpath.basename(output) == command):
            return f"{output}, copied"
    return None


ECOSYSTEM = Ecosystem("go", interpret, plan, images=frozenset({"golang"}))
