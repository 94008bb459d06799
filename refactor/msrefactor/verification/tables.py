"""The verdicts of a run for people, as JSON and as JUnit's XML."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from msrefactor.verification.verdict import Side, Status, Verdict, as_json

HEADING = ("file", "verdict", "MB before", "after", "build s before", "after", "cached RUNs before", "after")
REBUILD = ("rebuild s before", "after", "cached RUNs before", "after")
MEGABYTE = 1_000_000
_ENCODING = "utf-8"


def table(verdicts: Sequence[tuple[Path, Verdict]]) -> str:
    """Return the table: one line a file, sizes in 10^6 bytes, times in seconds."""
    has_rebuild = any(verdict.before.rebuild_seconds is not None for _, verdict in verdicts)
    rows = [HEADING + (REBUILD if has_rebuild else ())]
    for path, verdict in verdicts:
        before, after = verdict.before, verdict.after
        row = [str(path), said(verdict)]
        for pair in (
            (_size(before), _size(after)),
            (_first(before), _first(after)),
            (_cached(before), _cached(after)),
        ):
            row += pair
        if has_rebuild:
            row += [_seconds(before.rebuild_seconds), _seconds(after.rebuild_seconds)]
            row += [_number(before.rebuild_cached_steps), _number(after.rebuild_cached_steps)]
        rows.append(tuple(row))
    return aligned(rows)


def said(verdict: Verdict) -> str:
    """Return the verdict in a few words."""
    if verdict.takes_part:
        return f"proved without {', '.join(verdict.culprits)}"
    return verdict.status.value


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as columns: the first two are text, the others are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            c.rjust(w) if at > 1 else c.ljust(w) for at, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def _size(side: Side) -> str:
    return "-" if side.size is None else f"{side.size / MEGABYTE:.0f}"


def _first(side: Side) -> str:
    return _seconds(side.build_seconds)


def _cached(side: Side) -> str:
    return _number(side.cached_steps)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def details(path: str, verdict: Verdict) -> list[str]:
    """Return what a reader has to know beside the table, one clause a line."""
    if verdict.status is Status.UNPROVED:
        return [f"{path}:1:1: not verified: {verdict.reason}", *_logs(path, verdict)]
    lines = [f"{path}:1:1: differs ({one.level.value}): {one}" for one in verdict.differences]
    if verdict.culprits:
        names = ", ".join(verdict.culprits)
        lines.append(f"{path}:1:1: the difference comes from {names}" + _offer(verdict, names))
    return [*lines, *_logs(path, verdict)]


def explained(path: str, verdict: Verdict) -> list[str]:
    """Return what `--explain` tells beside: what was compared, the layers, and what is gone."""
    compared = ", ".join(level.value for level in verdict.levels) or "nothing"
    lines = [f"{path}: verified: {said(verdict)}; compared: {compared}"]
    lines += [f"  {note}" for note in verdict.notes]
    for side, measured in (("before", verdict.before), ("after", verdict.after)):
        if measured.layers:
            lines.append(f"  layers {side}, MB:")
            lines += [
                f"    {size / MEGABYTE:8.1f}  {' '.join(words.split())[:90]}".rstrip()
                for size, words in measured.layers
            ]
    for kind, names in verdict.removed:
        lines.append(f"  {kind} packages that are gone: {len(names)}")
        lines += [f"    {line}" for line in textwrap.wrap(", ".join(names), 100)]
    return lines


def _offer(verdict: Verdict, names: str) -> str:
    if verdict.takes_part:
        return "; the rest is proved and taken"
    if verdict.has_part:
        return f"; the rest is proved: --ignore {names.replace(' ', '')} or --proved-part takes it"
    return ""


def _logs(path: str, verdict: Verdict) -> list[str]:
    return [f"{path}:1:1: the logs are in {verdict.logs}"] if verdict.logs else []


def write_report(file: Path, verdicts: Sequence[tuple[Path, Verdict]], engine: str) -> None:
    """Write JUnit's XML to a file that ends with .xml, JSON to any other; raises OSError."""
    if file.suffix == ".xml":
        file.write_bytes(as_junit(verdicts))
        return
    rows = [{"path": str(path), **as_json(verdict)} for path, verdict in verdicts]
    text = json.dumps({"version": 1, "engine": engine, "files": rows}, indent=2, ensure_ascii=False)
    file.write_text(text + "\n", encoding=_ENCODING)


def as_junit(verdicts: Sequence[tuple[Path, Verdict]]) -> bytes:
    """Return the verdicts as a test suite: a difference is a failure, what can't be compared an error."""
    counts = [verdict.status for _, verdict in verdicts]
    suite = ElementTree.Element(
        "testsuite",
        name="msrefactor --verify",
        tests=str(len(counts)),
        failures=str(counts.count(Status.DIFFERENT)),
        errors=str(counts.count(Status.UNPROVED)),
        skipped="0",
    )
    for path, verdict in verdicts:
        seconds = (verdict.before.build_seconds or 0) + (verdict.after.build_seconds or 0)
        case = ElementTree.SubElement(
            suite, "testcase", classname="msrefactor.verify", name=_xml(str(path)), time=f"{seconds:.1f}"
        )
        if verdict.status is not Status.PROVED:
            kind = "failure" if verdict.status is Status.DIFFERENT else "error"
            first = verdict.reason or str(verdict.differences[0])
            ElementTree.SubElement(case, kind, message=_xml(first)).text = _xml(
                "\n".join(details(str(path), verdict))
            )
    text: bytes = ElementTree.tostring(suite, encoding=_ENCODING, xml_declaration=True)
    return text + b"\n"


def _xml(text: str) -> str:
    """Return a text without the characters that XML has no place for."""
    return "".join(char if char in "\t\n" or char.isprintable() else "\ufffd" for char in text)
