""".NET: the published folder on the ASP.NET, the .NET or the dependencies image of the SDK's own version.

What the SDK image said of ports and cultures and the smaller one says otherwise is written out. Sources:
dotnet/dotnet-docker's Dockerfiles and samples.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace

from msrefactor import shell
from msrefactor.code.csharp import ENDINGS, dotnet_needs
from msrefactor.code.needs import CodeNeeds
from msrefactor.contract import Start, evidence_of, starts
from msrefactor.facts import Effect, Fact, StageFacts, is_under
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._dotnet_base import base_of
from msrefactor_transforms.ecosystems._dotnet_commands import DotnetBuild, interpret
from msrefactor_transforms.ecosystems._dotnet_files import build_files, run_time_files, source_folders
from msrefactor_transforms.splitting.bases import saved_by_base
from msrefactor_transforms.splitting.moves import origin_of
from msrefactor_transforms.splitting.needs import Wants, wanted
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, SplitPlan

_NEED_THE_SDK = frozenset("run watch test ef build publish msbuild restore new pack add tool script".split())


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds a .NET program is split."""
    made = [(fact, effect) for fact, effect in facts.effects() if effect.tool == "dotnet" and effect.detail]
    is_sdk = facts.base.family == "dotnet" and facts.base.variant == "sdk"
    if not made and not is_sdk:
        return None
    launched = list(_launches(view, facts))
    for argv, evidence in launched:
        if len(argv) > 1 and argv[1] in _NEED_THE_SDK:
            detail = f"`dotnet {argv[1]}` needs the SDK when the container starts"
            remedy = "start the published program: `dotnet publish` in the build, then `dotnet App.dll`"
            return Refused("compiles-at-start", detail, (evidence,), remedy)
    builds = [
        (fact, build)
        for fact, effect in made
        for build in (effect.detail if isinstance(effect.detail, tuple) else (effect.detail,))
        if isinstance(build, DotnetBuild)
    ]
    if not view.context.known and made:
        return Refused("context-unknown", "which project is published is in its project file")
    wants = wanted(view, facts)
    used = _used(facts, builds, wants, launched)
    refusal = next((_with_place(view, f, e) for f, e in made if e.refusal is not None), None)
    if refusal is not None and not used:
        return refusal
    if not used:
        return _nothing_started(facts, builds, launched)
    needs = _code(view, used)
    base = base_of(view, facts, used, starts_dotnet=bool(launched))
    if isinstance(base, Refused):
        return base
    last = max(fact.index for fact, build in builds if build in used)
    passed_on = _passed_on(facts, used, wants, launched)
    unneeded = frozenset(build.output for _, build in builds if build not in used or build in passed_on)
    return SplitPlan(
        ecosystem="dotnet",
        level=base.level,
        runtime_image=base.image,
        runtime_prelude=base.prelude,
        artifacts=(*_tools(made, wants), *run_time_files(view, facts, used, needs, last)),
        dropped=source_folders(facts, used),
        build_files=build_files(facts),
        packages=base.packages,
        build_packages=base.build_packages,
        code=needs,
        provides=lambda command: _provided(facts, command, used),
        unneeded=unneeded,
        explicit_workdir=facts.end.cwd not in ("", "/"),
        reason=f"publish in a builder stage; the final stage is {base.image} with the published program",
        evidence=(evidence_of(builds[0][0].instruction, view.name),),
        saved_mb=saved_by_base(view, facts, base.image),
    )


def _with_place(view: View, fact: Fact, effect: Effect) -> Refused:
    refusal = effect.refusal
    assert refusal is not None  # noqa: S101 - asked for before
    return replace(refusal, evidence=(evidence_of(fact.instruction, view.name),))


def _launches(view: View, facts: StageFacts) -> Iterator[tuple[tuple[str, ...], Evidence]]:
    """Yield the words of every `dotnet` command that the container starts, in scripts of the context too."""
    for start in starts(view, facts):
        if start.argv is not None:
            yield from _dotnet_words(start.argv, start.evidence)
        for text in _texts(view, facts, start):
            script = shell.parse_script(text)
            for item in script.items if script is not None else ():
                for command in item.commands:
                    words = tuple(word.literal or word.text for word in command.words)
                    yield from _dotnet_words(words, start.evidence)


def _texts(view: View, facts: StageFacts, start: Start) -> Iterator[str]:
    if start.shell is not None:
        yield start.shell
        return
    words = start.argv or ()
    if len(words) > 2 and posixpath.basename(words[0]) in ("sh", "bash", "ash", "dash") and words[1] == "-c":
        yield words[2]
        return
    for word in words[:2]:
        text = facts.end.read(facts.end.path(word))
        if text is not None and (text.startswith("#!") or word.endswith(".sh")):
            yield text


def _dotnet_words(argv: Sequence[str], evidence: Evidence) -> Iterator[tuple[tuple[str, ...], Evidence]]:
    words = tuple(argv)
    while words and posixpath.basename(words[0]) in ("exec", "tini", "dumb-init", "--", "env", "gosu"):
        words = words[1:]
    if words and posixpath.basename(words[0]) == "dotnet":
        yield (("dotnet", *words[2:]) if words[1:2] == ("exec",) else words), evidence


def _used(
    facts: StageFacts,
    builds: Sequence[tuple[Fact, DotnetBuild]],
    wants: Wants,
    launched: Sequence[tuple[tuple[str, ...], Evidence]],
) -> list[DotnetBuild]:
    """Return the builds whose program is started; all that are published where that isn't seen."""
    found: list[DotnetBuild] = []
    for _, build in builds:
        assembly = build.source.assembly
        names = {build.source.name, assembly} if assembly else {build.source.name}
        for argv, _ in launched:
            path = origin_of(facts, facts.end.path(argv[1])) if len(argv) > 1 else ""
            if posixpath.dirname(path) == build.output and (
                assembly is None or posixpath.basename(path) == f"{assembly}.dll"
            ):
                found.append(build)
        commands = [origin_of(facts, name) for name, _ in wants.commands]
        if any(posixpath.split(one) == (build.output, name) for one in commands for name in names):
            found.append(build)
    is_seen = any(len(argv) > 1 and argv[1].endswith(".dll") and "$" not in argv[1] for argv, _ in launched)
    if not found and not is_seen:
        found = [build for _, build in builds if build.action == "publish"]
    # a later build into the same folder is the one that is started
    return list({build.output: build for build in found}.values())


def _passed_on(
    facts: StageFacts,
    used: Sequence[DotnetBuild],
    wants: Wants,
    launched: Sequence[tuple[tuple[str, ...], Evidence]],
) -> list[DotnetBuild]:
    """Return the builds that are started from where `cp` or `mv` brought them, and only from there."""
    named = [facts.end.path(argv[1]) for argv, _ in launched if len(argv) > 1]
    named += [name for name, _ in wants.commands if "/" in name]
    return [
        build
        for build in used
        if not is_under(facts.end.cwd, build.output)
        and not any(is_under(path, build.output) for path in named)
        and any(is_under(origin_of(facts, path), build.output) for path in named)
    ]


def _nothing_started(
    facts: StageFacts,
    builds: Sequence[tuple[Fact, DotnetBuild]],
    launched: Sequence[tuple[tuple[str, ...], Evidence]],
) -> Refused | None:
    for argv, evidence in launched:
        if len(argv) > 1 and argv[1].endswith(".dll"):
            path = facts.end.path(argv[1])
            left = ", ".join(
                posixpath.join(build.output, f"{build.source.assembly or '?'}.dll") for _, build in builds
            )
            detail = f"{path} is started, and no build step is seen to leave it"
            return Refused("need-not-found", f"{detail} (they leave {left})" if left else detail, (evidence,))
    return None


def _code(view: View, builds: Sequence[DotnetBuild]) -> CodeNeeds:
    """Return what the projects' sources use; the libraries that they load are the same in both images."""
    folders = {project.folder for build in builds for project in build.everything}
    paths = [
        file
        for folder in sorted(folders)
        for file in view.context.files(folder)
        if file.endswith(ENDINGS) and not {"bin", "obj"} & set(file.split("/"))
    ]
    needs = dotnet_needs(view.context, tuple(dict.fromkeys(paths)))
    return replace(needs, unknown_libraries=())


def _tools(made: Sequence[tuple[Fact, Effect]], wants: Wants) -> list[Artifact]:
    """Return the folder of global tools, where one of them could be started."""
    started = {posixpath.dirname(name) for name, _ in wants.commands if "/" in name}
    bare = {name for name, _ in wants.commands if "/" not in name}
    known = {"dotnet", "sh", "bash", "curl", "wget"}
    return [
        Artifact(effect.detail, fact.index, "tools that can be started")
        for fact, effect in made
        if isinstance(effect.detail, str)
        and effect.refusal is None
        and (effect.detail in started or bare - known or wants.unknown)
    ]


def _provided(facts: StageFacts, command: str, builds: Sequence[DotnetBuild]) -> str | None:
    for build in builds:
        if posixpath.dirname(origin_of(facts, command)) == build.output:
            return f"{command}, copied"
    return None


ECOSYSTEM = Ecosystem("dotnet", interpret, plan, programs=frozenset({"dotnet"}))
