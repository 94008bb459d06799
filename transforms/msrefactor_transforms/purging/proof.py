"""The proof that a container doesn't need what builds: by the same lookups as the split's."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from msrefactor.commands import SHELL_BUILTINS, PackageCall
from msrefactor.contract import starts
from msrefactor.facts import StageFacts
from msrefactor.knowledge import packages as knowledge
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._python_commands import Install as PythonInstall
from msrefactor_transforms.purging.users import brought_by, commands_gone
from msrefactor_transforms.splitting import needs as wants_of
from msrefactor_transforms.splitting.flattened import flattened
from msrefactor_transforms.splitting.joining import joined, plans_of, running_languages
from msrefactor_transforms.splitting.packages import bare_name
from msrefactor_transforms.splitting.plan import RuntimePackage, SplitPlan

_COMPILING = frozenset(
    "cmdstanpy deepspeed pyximport pymc pymc3 pystan pytensor theano torch triton vllm xformers".split()
)
"""Python modules that compile while they run, or may."""
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "fish"})


@dataclass(frozen=True, slots=True)
class Container:
    """What is known of a container of the file."""

    view: View
    """The file with its stages put into one."""
    facts: StageFacts
    wants: wants_of.Wants
    build_only: frozenset[str]
    """Packages of the author's that are proved to serve the build only."""
    languages: frozenset[str]
    """Those whose programs are started."""
    refusal: Refused | None = None
    """That a language builds when the container starts, or that people work in there."""


def container_of(view: View, stages: Sequence[StageFacts]) -> Container:
    """Return what a container of the final stage starts and uses."""
    flat_view, flat = flattened(view, stages)
    plans = plans_of(flat_view, flat)
    plan = joined(flat_view, flat, plans) if plans else None
    languages, wants = running_languages(flat_view, flat, {one.name: plan for one, plan in plans})
    build_only = plan.build_packages if isinstance(plan, SplitPlan) else frozenset[str]()
    refused = (one for _, one in plans if isinstance(one, Refused))
    refusal = next((one for one in refused if one.code in ("compiles-at-start", "development-image")), None)
    return Container(flat_view, flat, wants, build_only, frozenset(languages), refusal)


@dataclass(frozen=True, slots=True)
class Verdict:
    """That the container can do without, and under which conditions."""

    packages: tuple[RuntimePackage, ...]
    """What has to be installed by its own name: it came along with what goes."""
    assumptions: tuple[str, ...]
    evidence: tuple[Evidence, ...]


def verdict(container: Container, names: Collection[str], has_libraries: bool) -> Verdict | Refused:
    """Say whether the container can do without build packages of these names.

    `has_libraries`: whether shared libraries are among what they bring, which stay under their own names.
    """
    facts, wants = container.facts, container.wants
    refusal = (
        container.refusal or _interactive(container) or wants_of.start_refusal(container.view, facts, wants)
    )
    if refusal is not None:
        return refusal
    base = facts.base
    present = knowledge.commands_in(base)
    gone = commands_gone(names)
    along = brought_by(names)
    kept = {bare_name(name) for name in _listed(facts)} - set(names)
    stranger = _stranger(container, present, kept)
    if stranger is not None:
        return stranger
    packages: dict[str, RuntimePackage] = {}
    for name, evidence in wants.commands:
        command = posixpath.basename(name)
        if command not in gone or command in present or wants_of.placed_path(facts, name) is not None:
            continue
        holders = [one for one in along if command == one or command in knowledge.commands_of(one)]
        if not holders:
            detail = f"`{command}` is started, which only builds should need"
            return Refused("compiles-at-start", detail, (evidence,))
        for holder in holders:
            if holder not in kept:
                packages[holder] = RuntimePackage(holder, evidence, f"`{command}` is started")
    assumptions: list[str] = []
    doubtful = list(wants.unknown)
    assumptions.extend(f"the program started at {_place(one)} is no compiler" for one in wants.unknown)
    compiling = sorted(_COMPILING & _python_names(container))
    assumptions.extend(f"{one} compiles nothing when it runs" for one in compiling)
    if has_libraries and not container.languages:
        detail = (
            "whether what is started loads a library by the name that only its -dev package has isn't known"
        )
        return Refused("need-not-found", detail, remedy="install the run-time package instead")
    if has_libraries:
        for name, evidence in wants.code.libraries:
            if "/" not in name and _is_bare(name, evidence):
                detail = f"the library {name} is loaded by the name that only its -dev package has"
                return Refused("need-not-found", detail, (evidence,), "load it by its soname")
        doubtful.extend(wants.code.unknown_libraries)
        assumptions.extend(
            f"the library loaded at {_place(one)} is loaded by its soname"
            for one in wants.code.unknown_libraries
        )
    return Verdict(tuple(packages.values()), tuple(dict.fromkeys(assumptions)), tuple(doubtful))


def _stranger(container: Container, present: Collection[str], kept: Collection[str]) -> Refused | None:
    """Return the obstacle that a program is started whose source nobody sees, and that no package brings."""
    if container.languages:
        return None
    known = {command for name in kept for command in (name, *knowledge.commands_of(name))}
    for name, evidence in container.wants.commands:
        command = posixpath.basename(name)
        if command in present or command in known or command in SHELL_BUILTINS:
            continue
        if wants_of.placed_path(container.facts, name) is None:
            detail = f"`{name}` is started, and what it needs when it runs isn't known"
            return Refused("need-not-found", detail, (evidence,), "build it in a stage of its own")
    return None


def _interactive(container: Container) -> Refused | None:
    """Return the obstacle that a shell is all that is started: people work in there."""
    for start in starts(container.view, container.facts):
        words = start.argv or tuple((start.shell or "").removeprefix("exec ").split())
        operands = [word for word in words[1:] if not word.startswith("-")]
        if start.kind == "command" and words and posixpath.basename(words[0]) in _SHELLS and not operands:
            return Refused("development-image", "the container only starts a shell", (start.evidence,))
    return None


def _listed(facts: StageFacts) -> list[str]:
    return [
        name
        for _, effect in facts.effects()
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
        for name in effect.detail.names
        if name is not None
    ]


def _python_names(container: Container) -> frozenset[str]:
    """Return the modules that Python source imports, and the packages that are installed."""
    installed = (
        name
        for _, effect in container.facts.effects()
        if isinstance(effect.detail, PythonInstall)
        for name, _ in effect.detail.names
    )
    return container.wants.code.imports.union(installed)


def _place(evidence: Evidence) -> str:
    return evidence.file if evidence.line is None else f"{evidence.file}:{evidence.line}"


def _is_bare(name: str, evidence: Evidence) -> bool:
    """Whether a library is looked for without its version; Python's `find_library` adds that."""
    return name.endswith(".so") or ("." not in name and not evidence.file.endswith(".py"))
