"""From the result of one file to its part of the report."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from msrefactor.diff import changed_lines, lines_of
from msrefactor.explain import line_of, refusals_of, remedy_of, saved_mb
from msrefactor.model import Change, Changed, OtherFile, Result, Step, Suggested
from msrefactor.report.model import (
    Edit,
    FileReport,
    ReportedChange,
    ReportedError,
    ReportedOther,
    ReportedRefusal,
    Status,
)
from msrefactor.source import encode


def file_report(
    result: Result, path: str, problem: str | None = None, *, is_written: bool = False
) -> FileReport:
    """Return the report of one file; `problem` says why a change could not be written."""
    refusals = tuple(
        ReportedRefusal(
            step.transform,
            refusal.code,
            refusal.detail,
            remedy_of(refusal),
            line_of(path, refusal),
            refusal.evidence,
            refusal.is_asked_for,
        )
        for step in result.steps
        for refusal in refusals_of(step)
    )
    error = _error(result, problem)
    is_read = result.error is None or bool(result.before)
    before_sha256 = sha256(result.before) if is_read else None
    if error is not None or not result.is_changed:
        return FileReport(
            path,
            _status(result, problem, has_refusal=any(not refusal.is_asked_for for refusal in refusals)),
            suggestions=_suggestions(result.steps),
            refusals=refusals,
            before_sha256=before_sha256,
            after_sha256=before_sha256,
            error=error,
            warnings=result.warnings,
            origins=result.origins,
        )
    changed = [(step, step.outcome) for step in result.steps if isinstance(step.outcome, Changed)]
    return FileReport(
        path,
        Status.CHANGED,
        is_written=is_written,
        changes=tuple(
            _change(step.transform, change) for step, outcome in changed for change in outcome.changes
        ),
        removals=tuple(
            (step.transform, removal) for step, outcome in changed for removal in outcome.removals
        ),
        suggestions=_suggestions(result.steps),
        refusals=refusals,
        needs=tuple(need for _, outcome in changed for need in outcome.needs),
        edits=edits(result.before, result.after),
        others=tuple(map(_other, result.others)),
        before_sha256=before_sha256,
        after_sha256=sha256(result.after),
        saved_mb=saved_mb(result),
        warnings=result.warnings,
        origins=result.origins,
        before=result.before,
        after=result.after,
    )


def unlisted(path: str, problem: str) -> FileReport:
    """Return the report of a folder that could not be walked."""
    return FileReport(path, Status.FAILED, error=ReportedError(f"can't be listed: {problem}"))


def edits(before: str, after: str) -> tuple[Edit, ...]:
    """Return the edits that make the new text of the old one, from the top to the bottom."""
    old, new = lines_of(before), lines_of(after)
    return tuple(
        Edit(
            *_place(old, from_old),
            *_place(old, to_old),
            "".join(old[from_old:to_old]),
            "".join(new[from_new:to_new]),
        )
        for from_old, to_old, from_new, to_new in changed_lines(old, new)
    )


def applied(text: str, changes: Sequence[Edit]) -> str:
    """Return the text after the edits."""
    lines = lines_of(text)
    pieces: list[str] = []
    done = 0
    for edit in changes:
        start = min(edit.line - 1, len(lines)) if edit.column == 1 else len(lines)
        pieces += [*lines[done:start], edit.after]
        done = start + len(lines_of(edit.before))
    return "".join([*pieces, *lines[done:]])


def sha256(text: str) -> str:
    """Return the SHA-256 of the text's bytes, in hexadecimal."""
    return hashlib.sha256(encode(text)).hexdigest()


def _place(lines: Sequence[str], number: int) -> tuple[int, int]:
    """Return line and column before the line of this number, from 0; the last line may have no end."""
    if number == len(lines) and lines and not lines[-1].endswith("\n"):
        return number, len(lines[-1]) + 1
    return number + 1, 1


def _status(result: Result, problem: str | None, *, has_refusal: bool) -> Status:
    if result.internal_error is not None:
        return Status.INTERNAL_ERROR
    if result.error is not None or problem is not None:
        return Status.FAILED
    return Status.REFUSED if has_refusal else Status.UNCHANGED


def _error(result: Result, problem: str | None) -> ReportedError | None:
    if result.error is not None:
        line, column, text = result.error.split(":", 2)
        return ReportedError(text.strip(), int(line), int(column))
    message = result.internal_error or problem
    return None if message is None else ReportedError(message)


def _change(transform: str, change: Change) -> ReportedChange:
    return ReportedChange(
        transform,
        change.reason,
        change.risk,
        change.line,
        change.evidence,
        change.assumptions,
        change.saved_mb,
    )


def _suggestions(steps: Sequence[Step]) -> tuple[ReportedChange, ...]:
    return tuple(_suggested(steps))


def _suggested(steps: Sequence[Step]) -> Iterator[ReportedChange]:
    for step in steps:
        if isinstance(step.outcome, Suggested):
            for change in step.outcome.changes:
                yield _change(step.transform, change)


def _other(other: OtherFile) -> ReportedOther:
    return ReportedOther(
        str(other.path),
        None if other.before is None else sha256(other.before),
        sha256(other.after),
        edits(other.before or "", other.after),
        other.before or "",
        other.after,
    )
