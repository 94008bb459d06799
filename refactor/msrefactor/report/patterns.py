"""What many files have in common: changes that read the same, and obstacles that are the same."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

from msrefactor.model import REFUSALS
from msrefactor.report.model import FileReport, Obstacle, Pattern, ReportedRefusal

_MARK = "…"
_QUOTED = re.compile(r"`[^`]*`")
_PARTICULAR = re.compile(r"(?=\S*[0-9/_@=$*<>]|\S*\.[^\s.,;:()])[^\s,;:()…](?:[^\s,;()…]*[^\s,;:().…])?")
"""A word with a digit or a sign that plain words don't have: a path, version, image, file or variable."""
_SEVERAL = re.compile(rf"{_MARK}(?:(?:, | and ){_MARK})+")


def shape(text: str) -> str:
    """Return a reason or detail with its names, paths and versions replaced by `…`."""
    masked = _PARTICULAR.sub(_MARK, _QUOTED.sub(_MARK, text))
    return _SEVERAL.sub(_MARK, masked)


def shapes(report: FileReport) -> tuple[tuple[str, str], ...]:
    """Return transform and shape of each change, in order, each once."""
    return tuple(dict.fromkeys((change.transform, shape(change.reason)) for change in report.changes))


def pattern_id(changes: tuple[tuple[str, str], ...]) -> str:
    """Return a short name that is the same in every run of the same version."""
    return hashlib.sha256(repr(changes).encode("utf-8", "surrogatepass")).hexdigest()[:12]


class Grouping:
    """Collects what the files of a run have in common; keeps no file."""

    def __init__(self) -> None:
        self._patterns: dict[tuple[tuple[str, str], ...], _Group] = {}
        self._obstacles: dict[str, _Refusals] = {}

    def add(self, report: FileReport) -> str | None:
        """Count one file, and return the id of its pattern."""
        for code, refusals in _by_code(report.refusals).items():
            group = self._obstacles.setdefault(code, _Refusals())
            group.files += 1
            group.details.update({(refusal.transform, shape(refusal.detail)) for refusal in refusals})
        if not report.changes:
            return None
        key = shapes(report)
        found = self._patterns.setdefault(key, _Group(pattern_id(key), report.path))
        found.files += 1
        found.edits.add(_edits_hash(report))
        if report.saved_mb is not None:
            found.saved_mb = (found.saved_mb or 0.0) + report.saved_mb
        return found.id

    def patterns(self) -> tuple[Pattern, ...]:
        """Return the patterns, most frequent first."""
        found = (
            Pattern(group.id, key, group.files, len(group.edits), group.example, group.saved_mb)
            for key, group in self._patterns.items()
        )
        return tuple(sorted(found, key=lambda pattern: (-pattern.files, pattern.changes)))

    def obstacles(self) -> tuple[Obstacle, ...]:
        """Return the obstacles, most frequent first."""
        found = (
            Obstacle(
                code,
                REFUSALS.get(code, ("", ""))[0],
                group.files,
                tuple(
                    (transform, detail, number)
                    for (transform, detail), number in sorted(
                        group.details.items(), key=lambda item: (-item[1], item[0])
                    )
                ),
            )
            for code, group in self._obstacles.items()
        )
        return tuple(sorted(found, key=lambda obstacle: (-obstacle.files, obstacle.code)))


class _Group:
    """Files of one pattern."""

    __slots__ = ("edits", "example", "files", "id", "saved_mb")

    def __init__(self, name: str, example: str) -> None:
        self.id = name
        self.example = example
        self.files = 0
        self.edits: set[bytes] = set()
        self.saved_mb: float | None = None


class _Refusals:
    """Files that met one obstacle."""

    __slots__ = ("details", "files")

    def __init__(self) -> None:
        self.files = 0
        self.details: Counter[tuple[str, str]] = Counter()


def _by_code(refusals: Iterable[ReportedRefusal]) -> dict[str, list[ReportedRefusal]]:
    found: dict[str, list[ReportedRefusal]] = {}
    for refusal in refusals:
        found.setdefault(refusal.code, []).append(refusal)
    return found


def _edits_hash(report: FileReport) -> bytes:
    """Return what is the same for files that are edited identically, wherever the lines stand."""
    everything = [(edit.before, edit.after) for edit in report.edits]
    for other in report.others:
        everything += [(edit.before, edit.after) for edit in other.edits]
    return hashlib.sha256(repr(everything).encode("utf-8", "surrogatepass")).digest()[:12]
