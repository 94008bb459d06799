"""A COPY of a folder written again for some of its files only."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from msrefactor.facts import Fact, Placed, is_under
from msrefactor.tree import Instruction

_NEEDS_QUOTES = frozenset("*?[]\\\"'$ \t#<>")
"""Characters by which a name would be read as something else than a name."""


def is_configuration(path: str) -> bool:
    """Whether tools look at the path unasked: the system's folders, and hidden files of a home folder."""
    if any(is_under(path, folder) for folder in ("/etc", "/usr", "/lib", "/bin")):
        return True
    parts = path.split("/")
    return (parts[1] == "root" and parts[2:3] != [] and parts[2].startswith(".")) or (
        parts[1] == "home" and parts[3:4] != [] and parts[3].startswith(".")
    )


def source_at(placed: Iterable[Placed], path: str) -> str | None:
    """Return the context path that copies put at an image path, whether or not the context has it."""
    for one in reversed(tuple(placed)):
        if one.destination == path:
            return one.source
        if one.is_folder and is_under(path, one.destination):
            inside = posixpath.relpath(path, one.destination)
            return posixpath.normpath(posixpath.join(one.source, inside))
    return None


def narrowed(fact: Fact, files: Iterable[str], folders: Iterable[str] = ()) -> tuple[Instruction, ...] | None:
    """Return copies of these image paths alone, in this order, with the flags of one COPY.

    None: it can't be written so.
    """
    instruction = fact.instruction
    destination = fact.destination
    if instruction.exec_form or instruction.flag("parents") is not None or destination is None:
        return None
    if not fact.scope.context.known:
        return None
    words = instruction.words
    target = words[-1].text
    start = instruction.source[: words[0].start].lstrip()
    groups: dict[str, list[str]] = {}
    lines: list[str] = []
    for path in dict.fromkeys(files):
        source = source_at(fact.placed, path)
        if source is None or _NEEDS_QUOTES & set(source):
            return None
        if path == destination:
            lines.append(f"{source} {target}")
        else:
            inside = posixpath.relpath(path, destination)
            groups.setdefault(posixpath.dirname(inside), []).append(source)
    for parent, sources in sorted(groups.items()):
        place = target
        if parent:
            place = posixpath.join(target, parent) + "/"
        elif (len(sources) > 1 or place != ".") and not place.endswith("/"):
            # a single file would become the folder that it is to lie in; several ask for a slash
            place = place + "/"
        lines.append(" ".join((*sources, place)))
    for path in dict.fromkeys(folders):
        source = source_at(fact.placed, path)
        if source is None or _NEEDS_QUOTES & set(source):
            return None
        lines.append(f"{source}/ {posixpath.join(target, posixpath.relpath(path, destination))}/")
    made = []
    for line in lines:
        try:
            made.append(Instruction.new(f"{start}{line}{instruction.newline}", instruction.escape))
        except ValueError:
            return None
    return tuple(made)
