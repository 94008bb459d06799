"""A program linked with a C library that the final image doesn't have: glibc on musl, a newer glibc, none.

Sources: the documentation of cmd/cgo and of package net, rustc's platform support (`*-linux-gnu` is linked
dynamically), the release notes of glibc 2.34 (`__libc_start_main` has a new version there), the Dockerfiles
of golang and rust; Go 1.24 and Rust 1.85 were measured.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from msrefactor.commands import PackageCall
from msrefactor.facts import Effect, Fact, StageFacts, is_under
from msrefactor.knowledge.images import BaseImage
from msrefactor.model import Change, Evidence, Refused, View
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.layers import commands_of
from msrefactor_transforms.ecosystems._go_commands import GoBuild
from msrefactor_transforms.ecosystems._go_sources import sources_of
from msrefactor_transforms.ecosystems._rust_commands import CargoBuild
from msrefactor_transforms.knowledge.native import go_native
from msrefactor_transforms.repairing.kinds import NOTHING, Found, Place, change, edited, reached, seen
from msrefactor_transforms.splitting.copies import Copied, copied
from msrefactor_transforms.splitting.needs import wanted

_SINCE_2_34 = frozenset({"bookworm", "trixie", "jammy", "noble"})
_BEFORE_2_34 = frozenset({"jessie", "stretch", "buster", "bullseye", "xenial", "bionic", "focal"})
_WITH_CGO = frozenset(
    "net net/http net/http/httputil net/http/pprof net/rpc net/smtp crypto/tls crypto/x509 os/user "
    "log/syslog expvar".split()
)
"""Packages of the standard library that are linked with the C library where a C compiler is there."""
_GLIBC_ON_ALPINE = frozenset({"gcompat", "libc6-compat", "glibc", "glibc-bin"})


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Build a Go program without C where nothing of it is C; tell the others."""
    if len(reached(view, stages)) > 1:
        return NOTHING
    final = stages[-1]
    for copy, fact, effect in _started(view, stages):
        builder = stages[copy.stage]
        lacking = _lacking(builder.base, final)
        if not lacking or not _is_dynamic(view, builder, fact, effect):
            continue
        evidence = (seen(view, copy.fact), seen(view, fact))
        program = posixpath.basename(effect.writes[0])
        detail = f"{program} is linked with the C library of {builder.base.reference.text}, {lacking}"
        if isinstance(effect.detail, GoBuild):
            changes, replaced = _without_c(view, builder, copy.stage, lacking)
            if changes:
                return Found(edited(view, changes, replaced))
            remedy = (
                "build with CGO_ENABLED=0 where no package needs C, or use the same system in both stages"
            )
        else:
            remedy = "build for a target with musl, or use the same system in both stages"
        return Found(told=(Refused("runtime-library", detail, evidence, remedy),))
    return NOTHING


def _started(view: View, stages: Sequence[StageFacts]) -> Iterator[tuple[Copied, Fact, Effect]]:
    """Yield the programs that the final stage starts and an earlier stage links, each with its copy."""
    final = stages[-1]
    names = [name for name, _ in wanted(view, final).commands]
    for copy in copied(view, len(stages) - 1, final):
        for fact, effect in stages[copy.stage].effects():
            if not isinstance(effect.detail, GoBuild | CargoBuild):
                continue
            for path in effect.writes:
                if not is_under(path, copy.source):
                    continue
                target = copy.fact.instruction.words[-1].text if copy.fact.instruction.words else ""
                is_file = path == copy.source
                base = posixpath.basename(path)
                inside = base if is_file else posixpath.relpath(path, copy.source)
                into = target.endswith("/") or target == "." or not is_file
                place = posixpath.join(copy.destination, inside) if into else copy.destination
                if any(name in (place, posixpath.basename(place)) for name in names):
                    yield copy, fact, effect


def _lacking(builder: BaseImage, final: StageFacts) -> str:
    """Say why the final image can't load a program that is linked with the builder's glibc; empty: it can."""
    base = final.base
    name = base.reference.text
    if builder.system != "debian" or builder.family not in ("golang", "rust"):
        return ""
    if base.system == "alpine":
        return "" if _brings_glibc(final) else f"and {name} has musl instead of glibc"
    if base.system == "scratch":
        return "" if _brings_glibc(final) else "and scratch has none"
    if base.system == "distroless" and base.reference.repository.startswith("distroless/static"):
        return "" if _brings_glibc(final) else f"and {name} has none"
    here, there = set(builder.releases), set(base.releases)
    if here and there and here <= _SINCE_2_34 and there <= _BEFORE_2_34 and not _brings_glibc(final):
        return f"which is newer than that of {name}"
    return ""


def _brings_glibc(final: StageFacts) -> bool:
    """Whether something may bring a C library, or something that stands in for it."""
    for fact in final.facts:
        if fact.destination is not None and any(
            is_under(path, fact.destination) or is_under(fact.destination, path)
            for path in ("/lib", "/lib64", "/usr/lib", "/usr/glibc-compat")
        ):
            return True
        if fact.keyword == "RUN" and any(
            word in fact.instruction.source for word in ("glibc", "ld-linux", "libc.so")
        ):
            return True
        for effect in fact.effects:
            if isinstance(effect.detail, PackageCall) and effect.detail.action == "install":
                names = {(one or "gcompat").partition("=")[0] for one in effect.detail.names}
                if names & _GLIBC_ON_ALPINE:
                    return True
    return False


def _is_dynamic(view: View, builder: StageFacts, fact: Fact, effect: Effect) -> bool:
    """Whether the program is surely linked with the C library."""
    build = effect.detail
    if isinstance(build, CargoBuild):
        given = (fact.scope.variables.get("CARGO_BUILD_TARGET", ""), build.target)
        plain = not build.crate and all(not one or one.endswith("-linux-gnu") for one in given)
        whole = "crt-static" not in build.flags + fact.instruction.source and "musl" not in _text(builder)
        return plain and whole and build.project is not None
    if not isinstance(build, GoBuild) or build.cgo is False or build.is_external or build.packages is None:
        return False
    commands = fact.script.commands if fact.script is not None else ()
    if not any(command.name == "go" for command in commands):
        return False  # a Makefile may set more than is seen here
    if (
        "-static" in build.linker_flags
        or "GOARCH" in fact.scope.variables
        or "GOARCH" in fact.instruction.source
    ):
        return False
    text = _text(builder)
    if any(word in text for word in ("CGO_ENABLED=0", "netgo", "osusergo", "musl", "extldflags", "CC=")):
        return False
    sources = sources_of(view, [(fact, effect, build)])
    return sources.is_found and bool(sources.imports & _WITH_CGO)


def _text(facts: StageFacts) -> str:
    return "\n".join(fact.instruction.source for fact in facts.facts)


def _without_c(
    view: View, builder: StageFacts, stage: int, lacking: str
) -> tuple[list[Change], dict[Place, Instruction]]:
    """Return the edits that switch cgo off in every build of a stage; nothing where a package may need it."""
    builds = [(f, e, e.detail) for f, e in builder.effects() if isinstance(e.detail, GoBuild)]
    own = [entry for entry in builds if not entry[2].is_external]
    sources = sources_of(view, own)
    named = sources.required | sources.unseen | sources.imports
    native = any((known := go_native(name)) is not None and known.state != "pure" for name in named)
    if not sources.is_found or "C" in sources.imports or native or any(one.cgo for _, _, one in own):
        return [], {}
    if any(one.needs_loader for _, _, one in own):
        return [], {}
    replaced: dict[Place, Instruction] = {}
    changes: list[Change] = []
    for fact in builder.runs():
        edits = []
        for _, command, effect in commands_of(fact):
            if command is None or not isinstance(effect.detail, GoBuild) or effect.detail.is_external:
                continue
            if fact.offset is None or not command.words or command.words[0].literal != "go":
                return [], {}
            start, _ = fact.offset(command.words[0].start, command.words[0].end)
            edits.append((start, start, "CGO_ENABLED=0 "))
        if edits:
            replaced[(stage, fact.index)] = fact.instruction.replaced(edits)
            reason = f"link the program without the C library, {lacking}"
            imported = sorted(sources.imports & _WITH_CGO)[0]
            why = Evidence("go.mod", None, f"import of {imported}, and nothing that needs C")
            changes.append(change(view, reason, fact, why))
    return changes, replaced
