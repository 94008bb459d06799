"""Whether the final stage of a result has what a `Need` says, found in its instructions alone.

The proof of the needs is made a second time here, from the other end: a transform says where it put a thing,
and this looks whether an instruction of the final stage, or its base, brings it. It knows no transform.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.commands import PackageCall
from msrefactor.facts import Role, StageFacts, is_under, overlaps
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage
from msrefactor.model import Need, NeedKind


@dataclass(frozen=True, slots=True)
class Final:
    """What the final stage's instructions bring, those of the stages that it builds on included."""

    before: BaseImage
    """The base image of the original's final stage."""
    base: BaseImage
    packages: frozenset[str]
    """Names that its package managers install, without versions and architectures."""
    has_unknown_packages: bool
    """Whether an install's names aren't all known."""
    destinations: tuple[str, ...]
    """What COPY and ADD put there, and what commands write: absolute paths of files or folders."""
    path: tuple[str, ...]
    """PATH at the end."""
    brought: tuple[str, ...]
    """What the original's instructions put into its final stage."""
    users: frozenset[str]
    lost: frozenset[str]
    """Commands that the original's base has and this one lacks."""
    lost_libraries: frozenset[str]
    """Packages with libraries, the same."""

    @property
    def is_same_base(self) -> bool:
        """Whether the final stage starts from the image that the original started from."""
        return self.before.reference == self.base.reference


def final_of(old: Sequence[StageFacts], lineage: Sequence[StageFacts]) -> Final:
    """Read the final stage; both have the stages that it builds on before it, the first one first."""
    before, base = old[0].base, lineage[0].base
    packages: set[str] = set()
    is_unknown = False
    users: set[str] = set()
    for facts in lineage:
        for fact in facts.facts:
            for effect in fact.effects:
                users.update(effect.users)
                if not isinstance(effect.detail, PackageCall) or effect.role is not Role.PACKAGES:
                    continue
                if effect.detail.action == "install":
                    is_unknown = is_unknown or None in effect.detail.names
                    packages.update(_bare(name) for name in effect.detail.names if name)
                elif effect.detail.action == "remove":
                    packages.difference_update(_bare(name) for name in effect.detail.names if name)
    return Final(
        before,
        base,
        frozenset(packages),
        is_unknown,
        _destinations(lineage),
        tuple(filter(None, lineage[-1].end.variables.get("PATH", "").split(":"))),
        _destinations(old),
        frozenset(users),
        frozenset(knowledge.lost_commands(before, base)),
        knowledge.lost_libraries(before, base),
    )


def _destinations(lineage: Sequence[StageFacts]) -> tuple[str, ...]:
    found: list[str] = []
    for facts in lineage:
        for fact in facts.facts:
            found += [placed.destination for placed in fact.placed]
            if fact.destination is not None:
                found.append(fact.destination)
            for effect in fact.effects:
                found += [*effect.writes, *effect.appends]
    return tuple(dict.fromkeys(found))


def has(final: Final, need: Need) -> bool:
    """Whether the final stage has what is needed, as far as its instructions and its base tell."""
    if need.kind is NeedKind.PACKAGE:
        return _has_package(final, need.name)
    if need.kind is NeedKind.PATH:
        return _has_path(final, need.name)
    if need.kind is NeedKind.COMMAND:
        return _has_command(final, need.name)
    if need.kind is NeedKind.LIBRARY:
        return _has_library(final, need.name)
    if need.kind is NeedKind.USER:
        return need.name in final.users or final.base.family != "scratch"
    return True  # the environment is part of the configuration, which is compared as a whole


def _bare(name: str) -> str:
    """Return a package's name without its version, architecture or release: `curl=7.*`, `libc6:i386`."""
    return name.partition("=")[0].partition(":")[0].partition("/")[0].partition("~")[0].partition(">")[0]


def _has_package(final: Final, name: str) -> bool:
    name = _bare(name)
    if name in final.packages or name in final.base.installs or final.has_unknown_packages:
        return True
    releases = (final.base.release,) if final.base.release else final.base.releases
    return bool(releases) and all(name in knowledge.packages_in(final.base, one) for one in releases)


def _has_path(final: Final, path: str) -> bool:
    if any(overlaps(path, one) for one in final.destinations):
        return True
    # what no instruction brought is the base image's, or comes when the container starts: before as after
    return final.base.family != "scratch" and not any(overlaps(path, one) for one in final.brought)


def _has_command(final: Final, name: str) -> bool:
    command = posixpath.basename(name)
    if any(command == one or command in knowledge.commands_of(one) for one in final.packages):
        return True
    if "/" in name:
        is_lost = command in final.lost and not any(is_under(name, one) for one in final.destinations)
        return not is_lost and _has_path(final, name)
    for folder in final.path:
        for one in final.destinations:
            if posixpath.join(folder, name) == one or is_under(folder, one) or one == folder:
                return True
    return final.base.family != "scratch" and (final.is_same_base or name not in final.lost)


def _has_library(final: Final, name: str) -> bool:
    stem = posixpath.basename(name).partition(".so")[0].lower().replace("_", "-")
    stem = stem if stem.startswith("lib") else f"lib{stem}"
    gone = {one for one in final.lost_libraries if one.startswith(stem)}
    return not gone or bool(gone & final.packages) or final.has_unknown_packages
