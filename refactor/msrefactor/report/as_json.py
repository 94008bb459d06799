"""The report as JSON; `schema.json` beside this module says what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from msrefactor.model import Evidence, Need, Removal
from msrefactor.report.model import (
    SCHEMA_VERSION,
    Edit,
    FileReport,
    Obstacle,
    Pattern,
    Report,
    ReportedChange,
    ReportedError,
    ReportedOther,
    ReportedRefusal,
    Totals,
)

SCHEMA = Path(__file__).with_name("schema.json")
SCHEMA_ID = f"https://msrefactor.dev/schemas/report-{SCHEMA_VERSION}.json"
"""A name; nothing is fetched from there."""


def as_dict(report: Report) -> dict[str, object]:
    """Return the report as JSON values, always in the same order."""
    return {
        "$schema": SCHEMA_ID,
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "msrefactor", "version": report.tool_version},
        "mode": report.mode,
        "settings": dict(report.settings),
        "complete": report.is_complete,
        "totals": totals_as_dict(report.totals),
        "patterns": [_pattern(pattern) for pattern in report.patterns],
        "obstacles": [_obstacle(obstacle) for obstacle in report.obstacles],
        "files": [file_as_dict(file) for file in report.files],
    }


def as_json(report: Report) -> str:
    """Return the report as JSON text in ASCII, so that no reader's encoding can break it."""
    return _ascii(json.dumps(as_dict(report), indent=1)) + "\n"


def as_json_line(file: FileReport) -> str:
    """Return one file as one line of JSON: what `files` of the whole report has."""
    return _ascii(json.dumps(file_as_dict(file), separators=(",", ":"))) + "\n"


def file_as_dict(file: FileReport) -> dict[str, object]:
    """Return the part of one file."""
    return {
        "path": _text(file.path),
        "status": file.status.value,
        "written": file.is_written,
        "before_sha256": file.before_sha256,
        "after_sha256": file.after_sha256,
        "saved_mb": _rounded(file.saved_mb),
        "pattern": file.pattern,
        "settings": [_text(origin) for origin in file.origins],
        "warnings": [_text(warning) for warning in file.warnings],
        "error": None if file.error is None else _error(file.error),
        "changes": [_change(change) for change in file.changes],
        "removals": [_removal(transform, removal) for transform, removal in file.removals],
        "suggestions": [_change(change) for change in file.suggestions],
        "refusals": [_refusal(refusal) for refusal in file.refusals],
        "needs": [_need(need) for need in file.needs],
        "edits": _edits(file.edits),
        "other_files": [_other(other) for other in file.others],
    }


def totals_as_dict(totals: Totals) -> dict[str, object]:
    """Return the numbers."""
    return {
        "files": totals.files,
        "changed": totals.changed,
        "unchanged": totals.unchanged,
        "refused": totals.refused,
        "failed": totals.failed,
        "internal_error": totals.internal_error,
        "not_looked_at": totals.files - totals.done,
        "written": totals.written,
        "with_refusals": totals.with_refusals,
        "excluded": totals.excluded,
        "saved_mb": totals.saved_mb,
    }


def _pattern(pattern: Pattern) -> dict[str, object]:
    return {
        "id": pattern.id,
        "files": pattern.files,
        "distinct_edits": pattern.distinct_edits,
        "saved_mb": _rounded(pattern.saved_mb),
        "example": _text(pattern.example),
        "changes": [
            {"transform": transform, "reason": _text(reason)} for transform, reason in pattern.changes
        ],
    }


def _obstacle(obstacle: Obstacle) -> dict[str, object]:
    return {
        "code": obstacle.code,
        "meaning": obstacle.meaning,
        "files": obstacle.files,
        "details": [
            {"transform": transform, "detail": _text(detail), "files": files}
            for transform, detail, files in obstacle.details
        ],
    }


def _change(change: ReportedChange) -> dict[str, object]:
    return {
        "transform": change.transform,
        "line": change.line,
        "reason": _text(change.reason),
        "risk": change.risk.value,
        "assumptions": [_text(assumption) for assumption in change.assumptions],
        "evidence": _evidence(change.evidence),
        "saved_mb": _rounded(change.saved_mb),
    }


def _removal(transform: str, removal: Removal) -> dict[str, object]:
    return {"transform": transform, "line": removal.line, "reason": _text(removal.reason)}


def _refusal(refusal: ReportedRefusal) -> dict[str, object]:
    return {
        "transform": refusal.transform,
        "line": refusal.line,
        "code": refusal.code,
        "by_pragma": refusal.is_asked_for,
        "detail": _text(refusal.detail),
        "remedy": _text(refusal.remedy),
        "evidence": _evidence(refusal.evidence),
    }


def _error(error: ReportedError) -> dict[str, object]:
    return {"line": error.line, "column": error.column, "message": _text(error.message)}


def _need(need: Need) -> dict[str, object]:
    return {
        "kind": need.kind.value,
        "name": _text(need.name),
        "evidence": _evidence((need.evidence,))[0],
        "provider": None if need.provider is None else _text(need.provider),
    }


def _edits(edits: Iterable[Edit]) -> list[Mapping[str, object]]:
    return [
        {
            "line": edit.line,
            "column": edit.column,
            "end_line": edit.end_line,
            "end_column": edit.end_column,
            "before": _text(edit.before),
            "after": _text(edit.after),
        }
        for edit in edits
    ]


def _other(other: ReportedOther) -> dict[str, object]:
    return {
        "path": _text(other.path),
        "before_sha256": other.before_sha256,
        "after_sha256": other.after_sha256,
        "edits": _edits(other.edits),
    }


def _evidence(evidence: Iterable[Evidence]) -> list[Mapping[str, object]]:
    return [{"file": _text(item.file), "line": item.line, "text": _text(item.text)} for item in evidence]


def _ascii(text: str) -> str:
    """Escape the one control character that JSON allows as it is."""
    return text.replace("\x7f", "\\u007f")


def _text(text: str) -> str:
    r"""Return the text with a byte that is no UTF-8 as `�`: a lone surrogate is no JSON that others read."""
    if text.isascii():
        return text
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a pair, which JSON's `\ud800` in a manifest can give us
        data = text.encode("utf-8", "surrogatepass")
    return data.decode("utf-8", "replace")


def _rounded(size: float | None) -> float | None:
    return None if size is None else round(size, 1)
