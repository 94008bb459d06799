"""Which copies a build step reaches outside of the folders that it is known to read.

A project refers to others beside it: `replace lib => ../lib` in a go.mod, `"lib": "file:../lib"` in a
package.json, a ProjectReference. All such names are looked at in every file that the step reads, whatever the
language; and what lies above a project may be read unnamed: the parent's pom, a workspace's manifest.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator

from msrefactor.facts import Fact, Role, Scope, is_under, overlaps
from msrefactor_transforms.splitting.question import Question

_OUTSIDE = re.compile(r"(?:\.\.[/\\]+)+[\w.@+/\\-]*")
_MOST_FILES = 3000
_MOST_BYTES = 262_144
_UNREAD = frozenset(["node_modules", ".git"])


def reached(question: Question, kept: Iterable[int]) -> frozenset[int]:
    """Return the copies among the kept instructions that build steps reach by such names."""
    facts = [question.facts.facts[index] for index in sorted(kept)]
    found: set[int] = set()
    for fact in facts:
        if fact.keyword != "RUN":
            continue
        reads = [
            path
            for effect in fact.effects
            if effect.role in (Role.BUILD, Role.GATE) and effect.reads_only
            for path in effect.reads
        ]
        copies = [one for one in facts if one.index < fact.index and _is_copy(one)]
        if reads and copies:
            found |= _reached_from(reads, copies, fact.scope)
    return frozenset(found)


def _is_copy(fact: Fact) -> bool:
    return fact.keyword in ("COPY", "ADD") and fact.from_stage is None and bool(fact.placed)


def _reached_from(reads: Iterable[str], copies: list[Fact], scope: Scope) -> set[int]:
    found: set[int] = set()
    waiting = list(dict.fromkeys(reads))
    seen: set[str] = set()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        named = tuple(_named_outside(place, scope))
        base = posixpath.dirname(place) if scope.is_file(place) else place
        for copy in copies:
            if copy.index in found:
                continue
            is_named = any(overlaps(one.destination, path) for one in copy.placed for path in named)
            if is_named or any(_is_above(one.destination, base) for one in copy.placed if not one.is_folder):
                found.add(copy.index)
                waiting.extend(one.destination for one in copy.placed)
    return found


def _is_above(file: str, base: str) -> bool:
    """Whether a file lies in a folder above this one; what lies in the root belongs to everybody."""
    folder = posixpath.dirname(file)
    return folder not in ("/", base) and is_under(base, folder)


def _named_outside(place: str, scope: Scope) -> Iterator[str]:
    """Yield the paths outside of a folder that its files name, or those that a file names."""
    files = {".": scope.origin(place) or ""} if scope.is_file(place) else scope.files(place)
    folder = posixpath.dirname(place) if scope.is_file(place) else place
    if len(files) > _MOST_FILES:
        yield "/"
        return
    for inside, source in files.items():
        if _UNREAD & set(inside.split("/")) or not source or scope.context.size(source) > _MOST_BYTES:
            continue
        here = folder if inside == "." else posixpath.dirname(posixpath.join(folder, inside))
        for match in _OUTSIDE.finditer(scope.context.read_text(source) or ""):
            path = posixpath.normpath(posixpath.join(here, match[0].replace("\\", "/")))
            if not is_under(path, place):
                yield path


def beside(scope: Scope, folders: Iterable[str], is_source: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the folders of nothing but source that were copied beside these, and that these name."""
    found: dict[str, None] = {}
    waiting = list(folders)
    while waiting:
        place = waiting.pop()
        named = tuple(path for path in _named_outside(place, scope) if path != "/")
        for placed in scope.placed:
            folder = placed.destination
            if not placed.is_folder or folder in found or any(is_under(folder, one) for one in folders):
                continue
            if any(is_under(path, folder) for path in named) and all(map(is_source, scope.files(folder))):
                found[folder] = None
                waiting.append(folder)
    return tuple(found)
