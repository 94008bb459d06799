"""What the files of a run have in common, in words for people."""

from __future__ import annotations

from collections.abc import Iterator

from msrefactor.explain import Paint, printable, unpainted
from msrefactor.report.model import Obstacle, Pattern, Report

_DETAILS = 5
"""How many ways of meeting an obstacle are told."""
_PATTERNS = 20
"""How many patterns are told; the report has them all."""


def groups(report: Report, paint: Paint = unpainted) -> str:
    """Return the patterns of the changes and the obstacles, most frequent first; "" where there are none."""
    lines = [*_patterns(report.patterns, paint), *_obstacles(report.obstacles, paint)]
    return "".join(f"{line}\n" for line in lines)


def _patterns(patterns: tuple[Pattern, ...], paint: Paint) -> Iterator[str]:
    if not patterns:
        return
    yield paint("bold", "changes that are the same but for names, paths and versions:")
    for pattern in patterns[:_PATTERNS]:
        yield f"  {_files(pattern.files)}{_alike(pattern)}, such as {printable(pattern.example)}"
        for transform, reason in pattern.changes:
            yield f"    {paint('green', transform)}: {printable(reason)}"
    if len(patterns) > _PATTERNS:
        rest = patterns[_PATTERNS:]
        yield f"  {sum(pattern.files for pattern in rest)} files in {len(rest)} more patterns"


def _alike(pattern: Pattern) -> str:
    if pattern.files == 1:
        return ""
    if pattern.distinct_edits == 1:
        return ", edited identically"
    return f", with {pattern.distinct_edits} different edits"


def _obstacles(obstacles: tuple[Obstacle, ...], paint: Paint) -> Iterator[str]:
    if not obstacles:
        return
    yield paint("bold", "obstacles:")
    for obstacle in obstacles:
        meaning = f": {obstacle.meaning}" if obstacle.meaning else ""
        yield f"  {paint('yellow', obstacle.code)}{meaning} ({_files(obstacle.files)})"
        for transform, detail, number in obstacle.details[:_DETAILS]:
            yield f"    {number} x {transform}: {printable(detail)}"
        rest = obstacle.details[_DETAILS:]
        if rest:
            yield f"    {sum(number for _, _, number in rest)} more, each told another way"


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"
