"""How Go's binaries are linked: what is static, what needs the builder's C library, and what else it loads.

Sources: the documentation of cmd/cgo and of package net ("Name Resolution"), the release notes of Go 1.20
(cgo is off where no C compiler is found), docker-library/golang (the Alpine image has none).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.commands import PackageCall
from msrefactor.facts import StageFacts
from msrefactor.model import Evidence, View
from msrefactor_transforms.ecosystems._go_commands import version_of
from msrefactor_transforms.ecosystems._go_sources import OwnBuild, Sources
from msrefactor_transforms.knowledge.native import go_native
from msrefactor_transforms.splitting.plan import RuntimePackage

_COMPILERS = ("gcc", "g++", "clang", "build-base", "alpine-sdk", "musl-dev", "libc-dev")
_PLAIN_C = ("github.com/mattn/go-sqlite3", "gorm.io/driver/sqlite")
"""Modules whose C needs no library beside the C library."""


@dataclass(frozen=True, slots=True)
class Linking:
    """What is known of how the binaries are linked."""

    is_static: bool
    packages: tuple[RuntimePackage, ...] = ()
    why: str = ""
    evidence: tuple[Evidence, ...] = ()


def linking_of(view: View, facts: StageFacts, builds: Sequence[OwnBuild], sources: Sources) -> Linking:
    """Return how the binaries are linked; what isn't proved static counts as linked with the C library."""
    base = facts.base
    fact, _, build = builds[-1]
    place = (Evidence(view.name, fact.line, " ".join(fact.instruction.source.split())[:120]),)
    settings = {one.cgo for _, _, one in builds}
    if any(one.needs_loader for _, _, one in builds):
        return Linking(is_static=False, packages=_of_cplusplus(facts, sources))
    if settings == {False}:
        return Linking(is_static=True, why=", which is static: cgo is off", evidence=place)
    has_compiler = installs(facts, *_COMPILERS)
    if base.family == "golang" and base.system == "alpine" and not has_compiler and True not in settings:
        version = version_of_base(facts)
        if version is None or version >= (1, 20):
            return Linking(is_static=True, why=", which is static: the builder has no C compiler")
    if "-static" in build.linker_flags and len(builds) == 1:
        # glibc still opens modules of its own to look names up: only musl is static through and through
        return Linking(is_static=base.system == "alpine", why=", which is linked statically", evidence=place)
    return Linking(is_static=False, packages=_of_cplusplus(facts, sources))


def version_of_base(facts: StageFacts) -> tuple[int, int] | None:
    """Return the version of Go in the base; None: the newest."""
    return version_of(facts.facts[0].scope)


def _of_cplusplus(facts: StageFacts, sources: Sources) -> tuple[RuntimePackage, ...]:
    """Return Alpine's C++ library where a C++ compiler was there to link it: the plain base hasn't got it."""
    if facts.base.system != "alpine" or not installs(facts, "g++", "build-base", "alpine-sdk", "clang"):
        return ()
    known = [
        name for name in sources.required | sources.unseen if (n := go_native(name)) and n.state != "pure"
    ]
    if sources.is_found and all(name.startswith(_PLAIN_C) for name in known) and "C" not in sources.imports:
        return ()
    evidence = Evidence("go.mod", None, ", ".join(sorted(known)) or "cgo")
    return (RuntimePackage("libstdc++", evidence, "a C++ compiler may have linked it"),)


def installs(facts: StageFacts, *names: str) -> bool:
    """Whether the Dockerfile installs one of these packages."""
    return any(
        name is not None and name.partition("=")[0].partition("~")[0] in names
        for _, effect in facts.effects()
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
        for name in effect.detail.names
    )
