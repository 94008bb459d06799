"""A summary in Markdown, for `$GITHUB_STEP_SUMMARY` or a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msrefactor.explain import printable
from msrefactor.report.formats.findings import findings
from msrefactor.report.model import Report, Totals

MAX_BYTES = 1_000_000
"""GitHub refuses a longer summary as a whole (its limit is 1 MiB)."""
_ACTIVE = re.compile(r"[^\w\s,;.()'\"…=+%:/-]|_|:(?=/)|(?<=www)\.", re.IGNORECASE)
"""Characters that Markdown, HTML or GitHub could take for more than themselves."""
_NAME = 300
"""Characters of a name or text that are shown."""


def as_markdown(report: Report) -> str:
    """Return the totals, and tables of the failures, patterns and obstacles; the last rows may be cut."""
    lines = ["### msrefactor", "", _totals(report), ""]
    used = sum(len(line.encode()) + 1 for line in lines)
    for title, head, rows in _tables(report):
        if not rows:
            continue
        begin = [f"#### {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        used += sum(len(line.encode()) + 1 for line in begin) + 100
        lines += begin
        for number, row in enumerate(rows):
            line = f"| {' | '.join(row)} |"
            used += len(line.encode()) + 1
            if used > MAX_BYTES - 10_000:
                lines += ["", f"… and {len(rows) - number} more; a summary has no place for them"]
                break
            lines.append(line)
        lines.append("")
    return "\n".join(lines)


def _tables(report: Report) -> Iterator[tuple[str, tuple[str, ...], Sequence[tuple[str, ...]]]]:
    """Yield title, head and rows of each table."""
    failures = [
        (_name(file.path), f"{item.line}:{item.column}", _plain(item.text))
        for file in report.files
        for item in findings(file)
        if item.kind in {"error", "warning"}
    ]
    yield "Errors", ("file", "line", "what"), failures
    patterns = [
        (
            str(pattern.files),
            "<br>".join(
                f"<code>{transform}</code> {_plain(reason)}" for transform, reason in pattern.changes
            ),
            "" if pattern.saved_mb is None else f"{pattern.saved_mb:.0f} MB",
            _name(pattern.example),
        )
        for pattern in report.patterns
    ]
    yield "Changes", ("files", "what", "less", "for example"), patterns
    obstacles = [
        (str(number), f"<code>{obstacle.code}</code>", f"<code>{transform}</code> {_plain(detail)}")
        for obstacle in report.obstacles
        for transform, detail, number in obstacle.details
    ]
    yield "Refusals", ("files", "obstacle", "what was met"), obstacles


def _totals(report: Report) -> str:
    totals: Totals = report.totals
    counts = (
        (totals.changed, "changed" if report.mode == "write" else "would change"),
        (totals.unchanged, "unchanged"),
        (totals.refused, "refused"),
        (totals.failed, "failed"),
        (totals.internal_error, "with an internal error"),
        (totals.files - totals.done, "not looked at"),
    )
    files = "1 file" if totals.files == 1 else f"{totals.files} files"
    parts = ", ".join(f"{number} {name}" for number, name in counts if number)
    saved = f"; about {totals.saved_mb:.0f} MB less" if totals.saved_mb >= 1 else ""
    return f"**{files}{': ' if parts else ''}{parts}**{saved}"


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is, and that links and mentions nothing."""
    shown = _cut(printable(text))
    return _ACTIVE.sub(lambda match: f"&#{ord(match[0])};", shown).replace("&#64;", "&#64;&#8203;")


def _name(path: str) -> str:
    """Return a path in type of fixed width, where GitHub looks for no mentions."""
    return f"<code>{_ACTIVE.sub(lambda match: f'&#{ord(match[0])};', _cut(printable(path)))}</code>"


def _cut(text: str) -> str:
    return text if len(text) <= _NAME else f"{text[:_NAME]}…"
