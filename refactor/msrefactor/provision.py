"""Whether the final stage of a result has what a `Need` says, found in its instructions alone.

The proof of the needs is made a second time here, from the other end: a transform says where it put a thing,
and this looks whether an instruction of the final stage, or its base, brings it. It knows no transform.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.commands import PackageCall
from msrefactor.facts import Role, Scope, StageFacts, is_under, overlaps
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage
from msrefactor.model import COPIED, COPIED_FROM_BUILDER, Need, NeedKind


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
    other_packages: frozenset[str]
    """Those that the original's instructions install, and the result's other stages."""
    destinations: tuple[str, ...]
    """What COPY and ADD put there, and what commands write: absolute paths of files or folders."""
    path: tuple[str, ...]
    """PATH at the end."""
    brought: tuple[str, ...]
    """What the original's instructions put into its final stage, and the result's into its other stages."""
    users: frozenset[str]
    lost: frozenset[str]
    """Commands that the original's base has and this one lacks."""
    lost_libraries: frozenset[str]
    """Packages with libraries, the same."""

    scope: Scope
    """What holds at the end of the original's final stage."""

    def lacks_placed(self, name: str) -> bool:
        """Whether a program that the original has from the build context isn't copied here."""
        for folder in self.path:
            path = posixpath.join(folder, name)
            if self.scope.is_file(path):
                return not any(is_under(path, one) for one in self.destinations)
        return False

    @property
    def is_same_base(self) -> bool:
        """Whether the final stage starts from the image that the original started from."""
        return self.before.reference == self.base.reference


def final_of(old: Sequence[StageFacts], lineage: Sequence[StageFacts], others: Sequence[StageFacts]) -> Final:
    """Read the final stage; `old` and `lineage` have the stages that it builds on before it.

    `others` are the result's other stages.
    """
    before, base = old[0].base, lineage[0].base
    packages, is_unknown = _packages(lineage)
    users = {user for facts in lineage for _, effect in facts.effects() for user in effect.users}
    return Final(
        before,
        base,
        packages,
        is_unknown,
        _packages([*old, *others])[0],
        _destinations(lineage),
        tuple(filter(None, lineage[-1].end.variables.get("PATH", "").split(":"))),
        _destinations([*old, *others]),
        frozenset(users),
        frozenset(knowledge.lost_commands(before, base)),
        knowledge.lost_libraries(before, base),
        old[-1].end,
    )


def _packages(stages: Sequence[StageFacts]) -> tuple[frozenset[str], bool]:
    """Return the packages that are there in the end, and whether others are installed by unknown names."""
    found: set[str] = set()
    is_unknown = False
    calls = [
        effect.detail
        for facts in stages
        for _, effect in facts.effects()
        if isinstance(effect.detail, PackageCall) and effect.role is Role.PACKAGES
    ]
    for call in calls:
        if call.action == "install":
            is_unknown = is_unknown or None in call.names
            found.update(knowledge.bare(name) for name in call.names if name)
        elif call.action == "remove":
            found.difference_update(knowledge.bare(name) for name in call.names if name)
    return frozenset(found), is_unknown


def _destinations(stages: Sequence[StageFacts]) -> tuple[str, ...]:
    found: list[str] = []
    for facts in stages:
        for fact in facts.facts:
            found += [placed.destination for placed in fact.placed]
            if fact.destination is not None and not fact.placed:
                found.append(fact.destination)
            for effect in fact.effects:
                if effect.role is not Role.PACKAGES:
                    found += [*effect.writes, *effect.appends]
    return tuple(dict.fromkeys(found))


def has(final: Final, need: Need) -> bool:
    """Whether the final stage has what is needed, as far as its instructions and its base tell."""
    if need.kind is NeedKind.PACKAGE:
        return _has_package(final, need.name)
    if need.kind is NeedKind.PATH:
        return _has_path(final, need.name, is_copied=need.provider in (COPIED, COPIED_FROM_BUILDER))
    if need.kind is NeedKind.COMMAND:
        path = (need.provider or "").removesuffix(", copied")
        if path != need.provider and path.startswith("/") and "/" not in need.name:
            # a script of the project may put the folder on PATH
            return any(is_under(path, one) for one in final.destinations)
        return _has_command(final, need.name)
    if need.kind is NeedKind.LIBRARY:
        return _has_library(final, need.name)
    if need.kind is NeedKind.USER:
        return need.name in final.users
    return True  # the environment is part of the configuration, which is compared as a whole


def _has_package(final: Final, name: str) -> bool:
    name = knowledge.bare(name)
    if name in final.packages or name in final.base.installs or final.has_unknown_packages:
        return True
    return knowledge.surely_holds(final.base, name)


def _has_path(final: Final, path: str, *, is_copied: bool = False) -> bool:
    if any(is_under(path, one) for one in final.destinations):
        return True
    if is_copied:
        return False
    # what no instruction brought is the base image's, or comes when the container starts: before as after
    return final.base.family != "scratch" and not any(overlaps(path, one) for one in final.brought)


def _has_command(final: Final, name: str) -> bool:
    command = posixpath.basename(name)
    if any(command in (one, *knowledge.commands_of(one)) for one in final.packages):
        return True
    if "/" in name:
        is_lost = command in final.lost and not any(is_under(name, one) for one in final.destinations)
        return not is_lost and _has_path(final, name)
    base = final.base
    if any(posixpath.join(folder, name) in final.destinations for folder in final.path):
        return True
    if base.family != "scratch" and _is_in_base(base, name):
        return True
    if any(name in (one, *knowledge.commands_of(one)) for one in final.other_packages):
        return False
    if _is_in_base(final.before, name) or final.lacks_placed(name):
        return False
    if any(_may_hold(one, folder, name) for one in final.destinations for folder in final.path):
        return True
    if base.family == "scratch" or name in final.lost:
        return False
    return not any(_may_hold(one, folder, name) for one in final.brought for folder in final.path)


def _is_in_base(base: BaseImage, name: str) -> bool:
    if name in base.commands or name in knowledge.minimal_commands(base.system, base.release):
        return True
    return knowledge.surely_has(base, name)


def _may_hold(brought: str, folder: str, name: str) -> bool:
    """Whether what is brought is the program, or the folder of PATH that the program may lie in."""
    return brought == posixpath.join(folder, name) or is_under(folder, brought)


def _has_library(final: Final, name: str) -> bool:
    stem = posixpath.basename(name).partition(".so")[0].lower().replace("_", "-")
    stem = stem if stem.startswith("lib") else f"lib{stem}"
    gone = {one for one in final.lost_libraries if one.startswith(stem)}
    return not gone or bool(gone & final.packages) or final.has_unknown_packages
