"""Unified diffs that `git apply` takes: any line ends, any path, with or without a final newline."""

from __future__ import annotations

import posixpath
from typing import Final, TypeAlias

_CONTEXT: Final = 3  # unchanged lines around a change
_NO_NEWLINE: Final = "\\ No newline at end of file\n"
_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
}

# "equal" or a kind of change, from and to in the old lines, from and to in the new ones.
_Change: TypeAlias = tuple[str, int, int, int, int]


def unified_diff(before: str | None, after: str, path: str) -> str:
    """Return the diff from before (None: no such file) to after, "" when equal.

    `path` is relative to where the diff is applied.
    """
    if before == after:
        return ""
    path = posixpath.normpath(path).lstrip("/")
    old_name = "/dev/null" if before is None else _quoted("a/" + path)
    pieces = [f"--- {old_name}\n", f"+++ {_quoted('b/' + path)}\n"]
    old, new = lines_of(before or ""), lines_of(after)
    for group in _groups(old, new):
        old_start, old_end = group[0][1], group[-1][2]
        new_start, new_end = group[0][3], group[-1][4]
        pieces.append(f"@@ -{_range(old_start, old_end)} +{_range(new_start, new_end)} @@\n")
        for tag, from_old, to_old, from_new, to_new in group:
            if tag == "equal":
                pieces.extend(_marked(" ", old[from_old:to_old]))
            else:
                pieces.extend(_marked("-", old[from_old:to_old]))
                pieces.extend(_marked("+", new[from_new:to_new]))
    return "".join(pieces)


def lines_of(text: str) -> list[str]:
    """Return the lines with their ends, as git counts them; the last may have none."""
    # Not str.splitlines, which also splits at form feeds, U+2028 and others.
    lines = text.split("\n")
    last = lines.pop()
    whole = [line + "\n" for line in lines]
    return [*whole, last] if last else whole


def _marked(mark: str, lines: list[str]) -> list[str]:
    return [mark + line if line.endswith("\n") else f"{mark}{line}\n{_NO_NEWLINE}" for line in lines]


def _range(start: int, end: int) -> str:
    count = end - start
    if count == 1:
        return str(start + 1)
    # An empty range is named by the line before it.
    return f"{start + 1 if count else start},{count}"


def changed_lines(old: list[str], new: list[str]) -> list[tuple[int, int, int, int]]:
    """Return the changes as places between lines, from 0: old start and end, new start and end."""
    return [change[1:] for change in _changes(old, new)]


def _groups(old: list[str], new: list[str]) -> list[list[_Change]]:
    """Return the changes in groups, each with its unchanged lines around it."""
    groups: list[list[_Change]] = []
    for change in _changes(old, new):
        if groups and change[1] - groups[-1][-1][2] <= 2 * _CONTEXT:
            last = groups[-1][-1]
            groups[-1] += [("equal", last[2], change[1], last[4], change[3]), change]
        else:
            groups.append([change])
    for group in groups:
        _, old_start, _, new_start, _ = group[0]
        _, _, old_end, _, new_end = group[-1]
        before = min(_CONTEXT, old_start)
        after = min(_CONTEXT, len(old) - old_end)
        group.insert(0, ("equal", old_start - before, old_start, new_start - before, new_start))
        group.append(("equal", old_end, old_end + after, new_end, new_end + after))
    return groups


def _changes(old: list[str], new: list[str]) -> list[_Change]:
    from difflib import SequenceMatcher

    # What both ends share needs no matching, which is slow for long files.
    shortest = min(len(old), len(new))
    head = 0
    while head < shortest and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shortest - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    matcher = SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail])
    return [
        (tag, from_old + head, to_old + head, from_new + head, to_new + head)
        for tag, from_old, to_old, from_new, to_new in matcher.get_opcodes()
        if tag != "equal"
    ]


def _quoted(name: str) -> str:
    """Return a file name as git writes it in a header."""
    data = name.encode("utf-8", "surrogateescape")
    if any(byte < 0x20 or byte >= 0x7F or byte in b'"\\' for byte in data):
        return '"' + "".join(_ESCAPES.get(chr(byte)) or _escaped(byte) for byte in data) + '"'
    # The tab ends the name for git and patch, which otherwise end it at the blank.
    return name + "\t" if " " in name else name


def _escaped(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}"
