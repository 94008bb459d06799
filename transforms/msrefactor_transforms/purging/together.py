"""Which RUNs have to become one so that build packages never reach a layer, and whether they can."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from msrefactor import variables
from msrefactor.commands import PackageCall
from msrefactor.facts import Effect, Fact, Role, overlaps, script_of
from msrefactor.knowledge import packages as knowledge
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.editing import Style, can_join, comments_in, joined
from msrefactor_transforms.purging.users import installs_tools

_PASSIVE = frozenset(
    "WORKDIR LABEL EXPOSE VOLUME STOPSIGNAL CMD ENTRYPOINT HEALTHCHECK MAINTAINER ARG ENV COPY ADD".split()
)
_SYSTEM = ("/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr/bin", "/usr/include", "/usr/lib", "/usr/sbin")
"""Folders that packages write to."""
_ACCOUNTS = frozenset({"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"})
_SYSTEM_VARIABLES = ("LD_", "APT_", "DPKG_", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Group:
    """RUNs that become one."""

    parts: tuple[Fact, ...]
    """In the order of the file."""
    place: int
    """The index of the instruction where the one RUN stands."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Why the RUNs can't become one, and the instruction that it lies in."""

    detail: str
    fact: Fact


def group_of(
    facts: Sequence[Fact], installs: Sequence[Fact], users: Sequence[Fact], removal: Fact | None = None
) -> Group | Apart:
    """Return the RUNs that install, those that use what is installed, and the one that removes it.

    What uses it stays where it is; an install moves down to it, and a removal up, past instructions that
    have nothing to do with it.
    """
    first, last = min(fact.index for fact in users), max(fact.index for fact in users)
    between = next((fact for fact in facts[first : last + 1] if fact.keyword != "RUN"), None)
    if between is not None:
        detail = (
            f"lines {facts[first].line} and {facts[last].line} both build, and the {between.keyword} of line "
            f"{between.line} stands between them"
        )
        return Apart(detail, facts[last])
    before = [fact for fact in installs if fact.index < first]
    after = [removal] if removal is not None and removal.index > last else []
    parts = (*before, *facts[first : last + 1], *after)
    chosen = {fact.index for fact in parts}
    for fact in (*before, *after):
        start, stop = sorted((fact.index, first if fact.index < first else last))
        for other in facts[start + 1 : stop]:
            if other.index in chosen:
                continue
            if not _is_movable(fact) or not _is_passable(other, fact):
                here = f"line {facts[first].line}"
                detail = (
                    f"line {fact.line} can't be joined with {here}: line {other.line} stands between them"
                )
                return Apart(detail, other)
    scope = facts[first].scope
    placed = tuple(replace(fact, scope=scope) if fact in (*before, *after) else fact for fact in parts)
    for one, other in itertools.pairwise(placed):
        if not can_join(one, other):
            return Apart(f"the RUNs of lines {one.line} and {other.line} can't be joined", other)
    return Group(placed, first)


def _is_movable(fact: Fact) -> bool:
    """Whether a RUN does the same further down or up: it calls the package manager and cleans up."""
    return all(
        isinstance(effect.detail, PackageCall)
        or effect.role is Role.NOTHING
        or (effect.role is Role.CLEAN and all(path.startswith(("/var/", "/tmp")) for path in effect.removes))
        for effect in fact.effects
    ) and not any(isinstance(e.detail, PackageCall) and e.detail.action == "other" for e in fact.effects)


def _is_passable(other: Fact, moved: Fact) -> bool:
    """Whether an instruction and a RUN of the package manager may change places."""
    if other.keyword == "RUN":
        known = knowledge.minimal_commands(other.scope.base.system, other.scope.base.release)
        has_python = other.scope.base.family == "python"
        return all(
            _is_plain(effect, known) or (has_python and installs_tools(effect)) for effect in other.effects
        )
    if other.keyword not in _PASSIVE:
        return False
    if other.keyword in ("ENV", "ARG"):
        used = variables.references(moved.instruction.source)
        names = {name for name, _ in other.instruction.pairs}
        return not names & used and not any(name.upper().startswith(_SYSTEM_VARIABLES) for name in names)
    if other.keyword in ("COPY", "ADD"):
        target = other.destination
        paths = [target, *(placed.destination for placed in other.placed)]
        return all(path is not None and not _is_of_the_system(path) for path in paths)
    return True


def _is_plain(effect: Effect, known: Collection[str]) -> bool:
    """Whether a command only prepares folders, files or users with what every image has."""
    if effect.role not in (Role.NOTHING, Role.SETUP, Role.CLEAN) or isinstance(effect.detail, PackageCall):
        return False
    paths = (*effect.writes, *effect.removes)
    if any(_is_of_the_system(path) and path not in _ACCOUNTS for path in paths):
        return False
    return not effect.tool or posixpath.basename(effect.tool) in known


def _is_of_the_system(path: str) -> bool:
    return path in ("/", "/usr", "/var") or any(overlaps(path, folder) for folder in (*_SYSTEM, "/var/lib"))


def one_run(group: Group, edits: dict[int, Instruction], style: Style) -> Fact | None:
    """Return the RUN that has the commands of all; `edits` holds RUNs that were changed before, by index."""
    parts = [again(fact, edits.get(fact.index, fact.instruction)) for fact in group.parts]
    made = parts[0]
    for fact in parts[1:]:
        instruction = joined(made, fact, style, comments_in(fact.instruction.leading))
        if instruction is None:
            return None
        made = again(made, instruction)
    place = next(fact for fact in parts if fact.index == group.place)
    leading = made.instruction.leading
    if place.instruction.leading[:1] in ("\n", "\r") and leading[:1] not in ("\n", "\r"):
        leading = made.instruction.newline + leading
    return replace(made, instruction=made.instruction.with_leading(leading))


def again(fact: Fact, instruction: Instruction) -> Fact:
    """Return the fact with another text of its RUN."""
    script, offset = script_of(instruction, fact.scope)
    return replace(fact, instruction=instruction, script=script, offset=offset)
