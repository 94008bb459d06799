"""Workflow commands of GitHub Actions, which the runner turns into annotations.

Source: docs.github.com, "Workflow commands for GitHub Actions"; the escapes are those of `command.ts` in
actions/toolkit. GitHub keeps ten annotations of each kind a step and drops the rest without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msrefactor.explain import printable
from msrefactor.report.formats.findings import Finding, findings, place
from msrefactor.report.model import FileReport, Report

MAX_OF_A_KIND = 10


@dataclass(frozen=True, slots=True)
class _Annotation:
    command: str
    path: str
    kind: str
    title: str
    texts: tuple[str, ...]
    line: int
    column: int


def as_github(report: Report, root: str) -> str:
    """Return the commands: errors, warnings, then notices, of which the changes come before the refusals."""
    every = [item for file in report.files for item in _annotations(file, root)]
    lines: list[str] = []
    for command in ("error", "warning", "notice"):
        found = [item for item in every if item.command == command]
        # what could be done is told before what couldn't: the latter may be most of the files
        found.sort(key=lambda item: item.kind in {"suggestion", "refusal"})
        shown = found if len(found) <= MAX_OF_A_KIND else found[: MAX_OF_A_KIND - 1]
        lines += [_command(item) for item in shown]
        if len(shown) < len(found):
            lines.append(_rest(command, found[len(shown) :]))
            lines += [line for item in found[len(shown) :] for line in _logged(item)]
    return "".join(f"{line}\n" for line in lines)


def _annotations(file: FileReport, root: str) -> list[_Annotation]:
    """Return one annotation for each kind of finding that a file has; a suggestion counts as a change."""
    by_kind: dict[str, list[Finding]] = {}
    for item in findings(file):
        if not item.is_asked_for:
            by_kind.setdefault(item.kind, []).append(item)
    path, _ = place(file.path, root)
    titles = {"change": "changed" if file.is_written else "would change", "refusal": "refused"}
    return [
        _Annotation(
            {"note": "notice"}.get(items[0].severity, items[0].severity),
            path,
            kind,
            titles.get(kind, kind),
            tuple(f"{item.rule}: {item.text}" for item in items),
            items[0].line,
            items[0].column,
        )
        for kind, items in by_kind.items()
    ]


def _command(item: _Annotation) -> str:
    place_ = f"file={_property(item.path)},line={item.line},col={item.column}"
    return f"::{item.command} {place_},title={_property(f'msrefactor: {item.title}')}::{_data(item.texts)}"


def _rest(command: str, left_out: Sequence[_Annotation]) -> str:
    """Sum up what GitHub would drop."""
    counts: dict[str, int] = {}
    for item in left_out:
        counts[item.title] = counts.get(item.title, 0) + 1
    text = ", ".join(f"{number} {title}" for title, number in counts.items())
    return f"::{command} title={_property('msrefactor: more files')}::{_data((f'{text}; the log has them',))}"


def _logged(item: _Annotation) -> Iterator[str]:
    """Yield what the log alone has. Behind a bar nothing is a command, and `##[` is none (the older form)."""
    for text in item.texts:
        line = f"{printable(item.path)}:{item.line}:{item.column}: {item.command}: {text}"
        yield f"| {line.replace('##[', '# #[')}"


def _data(lines: Sequence[str]) -> str:
    """Escape a message. A line end in it is one that we put there."""
    return "\n".join(lines).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a value; a line end in a file's name stays, escaped, so that the name is still the file's."""
    return _data((printable(text, keep="\r\n"),)).replace(":", "%3A").replace(",", "%2C")
