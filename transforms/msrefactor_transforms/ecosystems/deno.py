"""Deno: what is run from source with all that Deno has fetched, and programs that `deno compile` makes.

Deno's own images have little beside Deno. Where it is run from source, a split saves what the author installs
for the build, or what another image has that Deno was put into. A compiled program has the runtime in it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from msrefactor.contract import evidence_of, starts
from msrefactor.facts import Effect, Fact, StageFacts
from msrefactor.installers import ToolInstall
from msrefactor.knowledge.images import describe
from msrefactor.knowledge.packages import lost_commands
from msrefactor.manifests import json_value
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.cleaning.layers import is_mounted
from msrefactor_transforms.ecosystems._deno_commands import (
    DenoStep,
    interpret,
    programs_of,
    tasks_at,
)
from msrefactor_transforms.ecosystems._javascript_programs import Compiler, plan_of_programs
from msrefactor_transforms.ecosystems._node_globals import globals_of
from msrefactor_transforms.ecosystems._node_projects import NodeInstall
from msrefactor_transforms.ecosystems._node_system import source_needs
from msrefactor_transforms.ecosystems._plain_program import builds_of
from msrefactor_transforms.knowledge.native import node_native
from msrefactor_transforms.splitting.bases import saved_by_base, slim_base, with_values
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, Level, RuntimePackage, SplitPlan

COMPILER = Compiler(name="deno", development=frozenset({"deno"}), systems=("debian",))
_TESTS = frozenset({"test", "bench", "lint", "fmt", "check"})
_BUILDS = frozenset({"compile", "bundle", "cache", "install", "add", "vendor"})
_WRAPPERS = frozenset({"/tini", "tini", "--", "docker-entrypoint.sh", "exec", "dumb-init"})


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage is split in which Deno fetches, builds or compiles."""
    own = list(_own(facts))
    if not own and not builds_of(facts, "deno"):
        return None
    place = evidence_of((own or builds_of(facts, "deno"))[0][0].instruction, view.name)
    for fact, effect in own:
        if effect.refusal is not None:
            return replace(effect.refusal, evidence=(evidence_of(fact.instruction, view.name),))
    if facts.base.system == "unknown":
        return Refused("base-unknown", f"nothing is known about {facts.base.reference.text}", (place,))
    if not view.context.known:
        return Refused("context-unknown", "deno.json can't be seen", (place,))
    compiled = plan_of_programs(view, facts, COMPILER)
    if isinstance(compiled, SplitPlan):
        return replace(compiled, unneeded=compiled.unneeded | _embedded(own))
    if compiled is not None:
        return compiled
    programs = list(_started(view, facts))
    obstacle = _development(programs)
    if obstacle is not None:
        return obstacle
    return _from_source(view, facts, programs, place)


def _own(facts: StageFacts) -> Iterator[tuple[Fact, Effect]]:
    for fact, effect in facts.effects():
        install = effect.detail
        is_deno = isinstance(install, DenoStep) or (
            isinstance(install, ToolInstall) and install.language == "deno"
        )
        is_global = isinstance(install, NodeInstall) and install.is_global and "deno" in install.packages
        if is_deno or is_global or (effect.refusal is not None and effect.ecosystem == "deno"):
            yield fact, effect


def _embedded(own: Sequence[tuple[Fact, Effect]]) -> frozenset[str]:
    """Return what was fetched: a program has in it what it uses of that."""
    steps = [(effect, effect.detail) for _, effect in own if isinstance(effect.detail, DenoStep)]
    if all(step.is_fetch for _, step in steps):
        return frozenset(path for effect, _ in steps for path in effect.writes)
    return frozenset(step.cache for _, step in steps)


def _from_source(
    view: View, facts: StageFacts, programs: Sequence[tuple[tuple[str, ...], Evidence]], place: Evidence
) -> SplitPlan | Refused | None:
    """Return the plan for programs that Deno runs: what it fetched comes along as the builder has it."""
    code = source_needs(view, facts)
    named = [(words[0], evidence) for words, evidence in programs if words and "/" not in words[0]]
    code = replace(code, commands=(*code.commands, *named))
    wants = wanted(view, facts, code)
    names = frozenset(posixpath.basename(name) for name, _ in wants.commands)
    if "deno" not in names and not builds_of(facts, "deno"):
        return None
    level, runtime = slim_base(facts, facts.base.family)
    packages: list[RuntimePackage] = []
    if level is Level.SLIM and lost_commands(facts.base, describe(with_values(view, runtime))):
        for name in _packages_of_npm(view, facts):
            native = node_native(name)
            needed = native.packages(facts.base.system, facts.base.releases) if native is not None else ()
            if needed is None:
                detail = f"which libraries {name} needs on {runtime} isn't known"
                return Refused("runtime-library", detail, (place,))
            packages.extend(RuntimePackage(one, place, f"{name} loads it") for one in needed)
    outputs = {path for _, build in builds_of(facts, "deno") for path in build.outputs}
    shared = globals_of(facts, names)
    if shared.refusal is not None:
        return shared.refusal
    return SplitPlan(
        ecosystem="deno",
        level=level,
        runtime_image=runtime,
        artifacts=(*shared.artifacts, *_fetched(facts)),
        replayed=shared.replayed,
        unneeded=_never_kept(facts),
        packages=tuple(packages),
        code=code,
        provides=lambda command: f"{command}, copied" if command in outputs else None,
        reason=f"fetch and build in a builder stage; the final stage starts from {runtime}",
        saved_mb=saved_by_base(view, facts, runtime),
    )


def _fetched(facts: StageFacts) -> Iterator[Artifact]:
    """Yield the caches: they look like waste, and Deno runs what it has there."""
    for fact, effect in facts.effects():
        if isinstance(effect.detail, DenoStep) and not is_mounted(fact, effect.detail.cache):
            yield Artifact(effect.detail.cache, fact.index, "what deno fetched")


def _never_kept(facts: StageFacts) -> frozenset[str]:
    """Return the caches that are mounted whenever deno runs."""
    steps = [(f, e.detail.cache) for f, e in facts.effects() if isinstance(e.detail, DenoStep)]
    kept = {cache for fact, cache in steps if not is_mounted(fact, cache)}
    return frozenset(cache for _, cache in steps if cache not in kept)


def _packages_of_npm(view: View, facts: StageFacts) -> tuple[str, ...]:
    """Return the names of npm's packages in deno.json, deno.lock and package.json, wherever they are."""
    from msrefactor.code.node_package import plain_json

    found: dict[str, None] = {}
    for file in view.context.files():
        base = posixpath.basename(file)
        if base not in ("deno.json", "deno.jsonc", "deno.lock", "package.json") or "node_modules/" in file:
            continue
        document = json_value(plain_json(view.context.read_text(file) or "{}"))
        for name in _named(document):
            found.setdefault(name)
    return tuple(found)


def _named(document: object) -> Iterator[str]:
    if not isinstance(document, dict):
        return
    for key in ("dependencies", "optionalDependencies", "npm"):
        section = document.get(key)
        for name in section if isinstance(section, dict) else ():
            yield _bare(name)
    imports = document.get("imports")
    for value in imports.values() if isinstance(imports, dict) else ():
        if isinstance(value, str) and value.startswith("npm:"):
            yield _bare(value.removeprefix("npm:").lstrip("/"))


def _bare(name: str) -> str:
    head, at, _ = name[1:].partition("@")
    return name[:1] + head if at else name


def _started(view: View, facts: StageFacts) -> Iterator[tuple[tuple[str, ...], Evidence]]:
    """Yield the commands that start with the container, tasks of deno.json followed."""
    tasks: Mapping[str, str] = tasks_at(facts.end.cwd, facts.end)
    for start in starts(view, facts):
        words = list(start.argv or (start.shell or "").split())
        while words and words[0] in _WRAPPERS:
            words.pop(0)
        name = next((word for word in words[2:] if not word.startswith("-")), "")
        if words[:2] in (["deno", "task"], ["deno", "run"]) and name in tasks:
            yield ("deno",), start.evidence
            for program in programs_of(tasks, name):
                yield program, start.evidence
        else:
            yield tuple(words), start.evidence


def _development(programs: Sequence[tuple[tuple[str, ...], Evidence]]) -> Refused | None:
    for words, evidence in programs:
        if not words or posixpath.basename(words[0]) != "deno":
            continue
        if any(word.startswith("--watch") for word in words):
            return Refused(
                "development-image", "`deno` restarts the program when its source changes", (evidence,)
            )
        action = next((word for word in words[1:] if not word.startswith("-")), "")
        if action in _TESTS:
            return Refused("development-image", f"the container runs `deno {action}`", (evidence,))
        if action in _BUILDS:
            return Refused(
                "compiles-at-start", f"`deno {action}` runs when the container starts", (evidence,)
            )
    return None


ECOSYSTEM = Ecosystem("deno", interpret, plan, programs=frozenset({"deno"}), code=source_needs)
