"""What a format tells of one file, one finding after the other, and where files lie."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from msrefactor.explain import printable
from msrefactor.report.model import FileReport, Status


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell. Its text is printable, in one line."""

    kind: Literal["error", "warning", "change", "suggestion", "refusal"]
    rule: str
    """The transform, the code of the obstacle, `failed`, `internal-error` or `pragma`."""
    text: str
    line: int
    column: int = 1
    is_asked_for: bool = False
    """Whether a pragma of the file asks for this refusal."""

    @property
    def severity(self) -> Literal["error", "warning", "note"]:
        """Return the word that compilers use."""
        return "note" if self.kind not in ("error", "warning") else self.kind


def findings(file: FileReport) -> Iterator[Finding]:
    """Yield the error, the pragmas' faults, the changes, the suggestions and the refusals of a file."""
    if file.error is not None:
        message = printable(file.error.message)
        if file.status is Status.INTERNAL_ERROR:
            message = f"internal error, the file is left alone: {message}"
        yield Finding("error", file.status.value, message, file.error.line, file.error.column)
    for warning in file.warnings:
        line, column, text = warning.split(":", 2)
        yield Finding("warning", "pragma", printable(text.strip()), int(line), int(column))
    for change in file.changes:
        yield Finding("change", change.transform, printable(change.reason), change.line or 1)
    for change in file.suggestions:
        text = f"suggested: {printable(change.reason)}"
        yield Finding("suggestion", change.transform, text, change.line or 1)
    for refusal in file.refusals:
        text = f"refused by {refusal.transform}: {refusal.detail}"
        text = printable(f"{text}; {refusal.remedy}" if refusal.remedy else text)
        yield Finding("refusal", refusal.code, text, refusal.line, is_asked_for=refusal.is_asked_for)


def place(path: str, root: str) -> tuple[str, bool]:
    """Return the path from the folder `root`, and True; of a file elsewhere the absolute path, and False."""
    whole = posixpath.normpath(posixpath.join(root, path))
    if whole == root or whole.startswith(posixpath.join(root, "")):
        return posixpath.relpath(whole, root), True
    return whole, False
