"""`file:line:column: severity: message`, the GNU Coding Standards' form for errors, which editors jump to."""

from __future__ import annotations

from msrefactor.explain import printable
from msrefactor.report.formats.findings import findings
from msrefactor.report.model import FileReport


def as_gnu(file: FileReport) -> str:
    """Return one line for each finding of a file."""
    path = printable(file.path)
    return "".join(
        f"{path}:{item.line}:{item.column}: {item.severity}: {item.rule}: {item.text}\n"
        for item in findings(file)
        if not item.is_asked_for
    )
