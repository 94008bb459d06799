"""Deleting words from an instruction that spans lines, the way a careful author would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msrefactor.syntax import closed
from msrefactor.variables import SPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msrefactor.syntax import Line

_BLANKS: Final = " \t"
_OPERATORS: Final = frozenset({"&&", "||", ";", "|", "&"})


class _Row:
    """A physical line while it is being edited: the text before its mark, and the mark with the newline."""

    __slots__ = ("content", "is_gone", "kind", "tail")

    def __init__(self, kind: str, content: str, tail: str) -> None:
        self.kind = kind
        self.content = content
        self.tail = tail
        self.is_gone = False


def without_spans(
    source: str, lines: Sequence[Line], spans: Sequence[tuple[int, int]], escape: str
) -> tuple[str, str]:
    """Return the source without the spans, and the comments that must now stand before the instruction.

    A line left with nothing disappears. One left with only `&&` or a shell comment gives it to the line
    before. When the last line disappears, the line before loses its mark, and comments between the two go
    above it.
    """
    rows: list[_Row] = []
    last_text = max(index for index, line in enumerate(lines) if line.kind == "text")
    previous: _Row | None = None
    for line in lines:
        row = _Row(line.kind, source[line.start : line.content_end], source[line.content_end : line.stop])
        rows.append(row)
        if line.kind != "text":
            continue
        cuts = _cuts_in_line(source, line, spans)
        if cuts:
            runs_on = any(start < line.content_end < end for start, end in spans)
            content = _without_cuts(source, line, cuts, runs_on)
            if content.strip(_BLANKS) and _is_aligned(source, line, lines):
                content += " " * (len(row.content) - len(content))
            row.content = content
            left = row.content.strip(SPACE)
            starts_with_cut = not source[line.content_start : cuts[0][0]].strip(_BLANKS)
            if previous is not None and (left in _OPERATORS or left.startswith("#")) and starts_with_cut:
                after = source[cuts[0][1] : line.content_end]
                _append(previous, after[: len(after) - len(after.lstrip(_BLANKS))] + left)
                row.is_gone = True
            elif previous is not None and not left:
                row.is_gone = True
        if not row.is_gone:
            previous = row
    rest = source[lines[-1].stop :]
    if not rows[last_text].is_gone or lines[last_text].is_continued or previous is None:
        return "".join(row.content + row.tail for row in rows if not row.is_gone) + rest, ""
    filled = [row for row in rows if row.kind == "text" and not row.is_gone and row.content.strip(SPACE)]
    end_row = filled[-1]
    end = closed(end_row.content, escape) + rows[last_text].tail
    before, comments = _around(rows, rows.index(end_row))
    indentation = source[lines[0].start : lines[0].content_start]
    if before:
        return before + "".join(comments) + end + rest, ""
    return end + rest, "".join(indentation + comment.lstrip(_BLANKS) for comment in comments)


def _around(rows: list[_Row], last: int) -> tuple[str, list[str]]:
    """Return what stands before row `last`, and the comments after it."""
    comments = [row.content + row.tail for row in rows[last + 1 :] if row.kind == "comment"]
    before = "".join(row.content + row.tail for row in rows[:last] if not row.is_gone)
    return before, comments


def _cuts_in_line(source: str, line: Line, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the parts of the spans that lie in the line, those with only blanks between them as one."""
    cuts: list[tuple[int, int]] = []
    for span_start, span_end in spans:
        start = max(span_start, line.content_start)
        end = min(span_end, line.content_end)
        if start >= end:
            continue
        if cuts and not source[cuts[-1][1] : start].strip(_BLANKS):
            cuts[-1] = (cuts[-1][0], end)
        else:
            cuts.append((start, end))
    return cuts


def _is_aligned(source: str, line: Line, lines: Sequence[Line]) -> bool:
    """Tell whether the author put the line's mark, after two blanks or more, under that of another line."""
    if not line.is_continued or not source.endswith("  ", line.content_start, line.content_end):
        return False
    column = line.content_end - line.start
    return sum(other.is_continued and other.content_end - other.start == column for other in lines) > 1


def _without_cuts(source: str, line: Line, cuts: list[tuple[int, int]], runs_on: bool) -> str:
    """Return the line's content without the cuts, the last of which may run on to the next line."""
    pieces = [source[line.start : line.content_start]]
    position = line.content_start
    for start, end in cuts:
        left = start
        while left > position and source[left - 1] in _BLANKS:
            left -= 1
        right = end
        while right < line.content_end and source[right] in _BLANKS:
            right += 1
        is_first = left == line.content_start
        if is_first or (right > end and right < line.content_end) or (runs_on and end == line.content_end):
            pieces.append(source[position:start])
            position = right
        else:
            pieces.append(source[position:left])
            position = end
    pieces.append(source[position : line.content_end])
    return "".join(pieces)


def _append(row: _Row, text: str) -> None:
    bare = row.content.rstrip(_BLANKS)
    blanks = row.content[len(bare) :]
    if len(blanks) > len(text):
        blanks = blanks[len(text) :]
    row.content = bare + text + blanks
