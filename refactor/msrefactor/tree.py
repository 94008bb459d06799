"""The lossless tree of a Dockerfile: immutable, and byte for byte the author's where nothing was edited.

An instruction stores the text it was written as; keyword, flags, words and heredocs are views of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msrefactor import syntax
from msrefactor.removal import without_spans
from msrefactor.variables import SPACE

if TYPE_CHECKING:
    from collections.abc import Sequence

_CACHED_INSTRUCTIONS: Final = 4096


@dataclass(frozen=True, slots=True)
class Token:
    """A word: its logical text, and where it lies in `Instruction.source` (half-open)."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Flag:
    """`--name` or `--name=value`, quotes removed, and where it lies in `Instruction.source`."""

    name: str
    value: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A heredoc of an instruction; `start` and `end` are its body's place in `Instruction.source`."""

    name: str
    fd: int
    expand: bool
    chomp: bool
    body: str
    start: int
    end: int


@lru_cache(maxsize=_CACHED_INSTRUCTIONS)
def _shape(source: str, escape: str) -> syntax.Shape:
    return syntax.read_instruction(source, 0, escape)


@lru_cache(maxsize=_CACHED_INSTRUCTIONS)
def _words(source: str, escape: str) -> tuple[Token, ...]:
    shape = _shape(source, escape)
    base = shape.head.arguments_start
    arguments = shape.joined.text[base : shape.head.arguments_end]
    return tuple(
        Token(arguments[start:end], *_span_in_source(shape, base + start, base + end))
        for start, end in syntax.split_words(shape.keyword, arguments, escape)
    )


@lru_cache(maxsize=_CACHED_INSTRUCTIONS)
def _exec_form(source: str, escape: str) -> tuple[str, ...] | None:
    shape = _shape(source, escape)
    arguments = shape.joined.text[shape.head.arguments_start : shape.head.arguments_end]
    if shape.keyword == "HEALTHCHECK":
        arguments = arguments[syntax.healthcheck_command(arguments) :]
    elif not syntax.has_exec_form(shape.keyword):
        return None
    try:
        return syntax.json_array(arguments)
    except syntax.NotStrings:
        return None


@lru_cache(maxsize=_CACHED_INSTRUCTIONS)
def _pairs(source: str, escape: str) -> tuple[tuple[str, str | None], ...]:
    shape = _shape(source, escape)
    words = [word.text for word in _words(source, escape)]
    if shape.keyword == "ARG":
        return tuple(
            (word.partition("=")[0], word.partition("=")[2] if "=" in word else None) for word in words
        )
    if shape.keyword not in {"ENV", "LABEL"} or not words:
        return ()
    if "=" not in words[0]:
        arguments = shape.joined.text[shape.head.arguments_start : shape.head.arguments_end]
        key_end = syntax.split_words("FROM", arguments, escape)[0].end
        return ((arguments[:key_end], arguments[key_end:].lstrip(syntax.KEYWORD_SPACE)),)
    return tuple((word.partition("=")[0], word.partition("=")[2]) for word in words)


def _span_in_source(shape: syntax.Shape, start: int, end: int) -> tuple[int, int]:
    # The end is mapped through the last character: the character after it may be lines of comments away.
    if end <= start:
        place = syntax.place(shape.joined, start - 1) + 1 if start else syntax.place(shape.joined, 0)
        return place, place
    return syntax.place(shape.joined, start), syntax.place(shape.joined, end - 1) + 1


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction as written, and the comments and blank lines before it."""

    leading: str
    source: str
    line: int | None
    escape: str = "\\"

    @staticmethod
    def new(source: str, escape: str = "\\") -> Instruction:
        """Return an instruction of our own; raises ValueError if the text isn't exactly one."""
        if not source.endswith("\n"):
            source += "\n"
        shape = _shape(source, escape)
        first = shape.joined.text.lstrip(SPACE)
        if shape.stop != len(source) or not first or first.startswith("#") or shape.fault:
            raise ValueError(f"not one instruction: {source!r}")
        return Instruction("", source, None, escape)

    @property
    def keyword(self) -> str:
        """The keyword in upper case."""
        return _shape(self.source, self.escape).keyword

    @property
    def keyword_text(self) -> str:
        """The keyword as written."""
        shape = _shape(self.source, self.escape)
        return shape.joined.text[shape.head.keyword_start : shape.head.keyword_end]

    @property
    def text(self) -> str:
        """The logical text after the keyword, flags included, heredoc bodies not."""
        shape = _shape(self.source, self.escape)
        return shape.joined.text[shape.head.keyword_end :].strip(SPACE)

    @property
    def flags(self) -> tuple[Flag, ...]:
        """The `--name=value` flags, in order."""
        shape = _shape(self.source, self.escape)
        flags = []
        for text, start, end in shape.head.flags:
            name, equals, value = text[2:].partition("=")
            flags.append(Flag(name, value if equals else None, *_span_in_source(shape, start, end)))
        return tuple(flags)

    def flag(self, name: str) -> str | None:
        """Return the value of the last flag of this name; "" for a flag without a value, None for no flag."""
        for flag in reversed(self.flags):
            if flag.name == name:
                return flag.value or ""
        return None

    @property
    def arguments(self) -> str:
        """The logical text after keyword and flags."""
        shape = _shape(self.source, self.escape)
        return shape.joined.text[shape.head.arguments_start : shape.head.arguments_end]

    def arguments_span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a piece of `arguments` lies in `source`; it may hold continuations and comments."""
        shape = _shape(self.source, self.escape)
        base = shape.head.arguments_start
        return _span_in_source(shape, base + start, base + end)

    @property
    def words(self) -> tuple[Token, ...]:
        """The words of `arguments`; quotes stay, and hold a word together where they do for BuildKit."""
        return _words(self.source, self.escape)

    @property
    def exec_form(self) -> tuple[str, ...] | None:
        """The strings of the JSON array after the keyword (or after HEALTHCHECK CMD); None in shell form."""
        return _exec_form(self.source, self.escape)

    @property
    def heredocs(self) -> tuple[Heredoc, ...]:
        """The heredocs announced on the instruction's line, in order."""
        shape = _shape(self.source, self.escape)
        return tuple(
            Heredoc(*marker, self.source[body.start : body.end], body.start, body.end)
            for marker, body in zip(shape.markers, shape.bodies, strict=True)
        )

    @property
    def comments(self) -> tuple[str, ...]:
        """The comment lines between the instruction's own lines, without blanks around them."""
        return tuple(
            self.source[line.content_start : line.content_end].strip(SPACE)
            for line in _shape(self.source, self.escape).joined.lines
            if line.kind == "comment"
        )

    @property
    def nested(self) -> Instruction | None:
        """The instruction after ONBUILD, or the CMD of a HEALTHCHECK; offsets are those of its own source."""
        shape = _shape(self.source, self.escape)
        arguments = self.arguments
        if not arguments or shape.keyword not in {"ONBUILD", "HEALTHCHECK"}:
            return None
        if shape.keyword == "HEALTHCHECK" and arguments.split(maxsplit=1)[0].upper() != "CMD":
            return None
        start = syntax.place(shape.joined, shape.head.arguments_start)
        line = None if self.line is None else self.line + self.source.count("\n", 0, start)
        return Instruction("", self.source[start:], line, self.escape)

    @property
    def pairs(self) -> tuple[tuple[str, str | None], ...]:
        """The key and value of each pair of an ENV, LABEL or ARG, quotes kept; `ARG X` has the value None."""
        return _pairs(self.source, self.escape)

    @property
    def is_multiline(self) -> bool:
        """Tell whether the instruction takes more than one line."""
        return "\n" in self.source[:-1]

    @property
    def newline(self) -> str:
        r"""The line end used in the instruction: `\n` or `\r\n`."""
        end = self.source.find("\n")
        return "\r\n" if end > 0 and self.source[end - 1] == "\r" else "\n"

    @property
    def last_line(self) -> int | None:
        """The 1-based number of the last line, heredoc bodies included; None for an instruction of ours."""
        if self.line is None:
            return None
        return self.line + self.source.count("\n", 0, max(len(self.source) - 1, 0))

    def with_leading(self, leading: str) -> Instruction:
        """Return the instruction with other comments and blank lines before it, each a whole line."""
        if leading and not leading.endswith("\n"):
            leading += self.newline
        return replace(self, leading=leading)

    def with_source(self, source: str) -> Instruction:
        """Return the instruction with another text; the caller sees to it that it is one instruction."""
        return replace(self, source=source)

    def replaced(self, edits: Sequence[tuple[int, int, str]]) -> Instruction:
        """Return the instruction with spans of `source` replaced; new text takes the instruction's line ends.

        Raises ValueError for spans that overlap or lie outside.
        """
        newline = self.newline
        pieces: list[str] = []
        position = 0
        for start, end, text in sorted(edits, key=lambda edit: edit[:2]):
            if not position <= start <= end <= len(self.source):
                raise ValueError(f"an edit of {start}:{end} overlaps another or lies outside")
            pieces.append(self.source[position:start])
            pieces.append(_with_newline(text, newline))
            position = end
        pieces.append(self.source[position:])
        return self.with_source("".join(pieces))

    def without_words(self, tokens: Sequence[Token]) -> Instruction:
        """Return the instruction without these words.

        A line left empty disappears, continuation marks stay right, comments stay: those that would end up
        after the instruction go before its last line.
        """
        if not tokens:
            return self
        spans = sorted((token.start, token.end) for token in tokens)
        shape = _shape(self.source, self.escape)
        if spans[0][0] < 0 or spans[-1][1] > shape.joined.stop:
            raise ValueError("a word that isn't on the instruction's own lines")
        source, comments = without_spans(self.source, shape.joined.lines, spans, self.escape)
        return replace(self, leading=self.leading + comments, source=source)


def _with_newline(text: str, newline: str) -> str:
    if newline == "\n" or "\n" not in text:
        return text
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _closed(instruction: Instruction, newline: str) -> tuple[Instruction, str]:
    """Return the instruction fit to be followed by another, and the text that then comes after it.

    At the end of a file an instruction may lack its newline, or end in a mark with only comments after it.
    """
    source = instruction.source
    shape = _shape(source, instruction.escape)
    rest = ""
    if not shape.bodies:
        lines = shape.joined.lines
        if lines[-1].is_continued:
            # Lines of a mark alone, at the end, continue nothing.
            last = max(index for index, line in enumerate(lines) if _has_content(source, line))
            rest = "".join(
                source[line.start : line.stop] for line in lines[last + 1 :] if line.kind != "text"
            )
            tail = source[lines[last].content_end : lines[last].stop]
            source = syntax.closed(source[: lines[last].content_end], instruction.escape)
            source += tail[len(tail.rstrip("\r\n")) :]
    if rest and not rest.endswith("\n"):
        rest += newline
    if not source.endswith("\n"):
        source += newline
    return instruction.with_source(source), rest


def _has_content(source: str, line: syntax.Line) -> bool:
    return line.kind == "text" and bool(source[line.content_start : line.content_end].strip(SPACE))


@dataclass(frozen=True, slots=True)
class Stage:
    """A FROM and the instructions after it."""

    instructions: tuple[Instruction, ...]

    @property
    def name(self) -> str | None:
        """The name after AS, lower-cased as BuildKit does."""
        words = self.instructions[0].words
        return words[2].text.lower() if len(words) == 3 else None

    @property
    def image(self) -> str:
        """What the stage is built from, as written."""
        words = self.instructions[0].words
        return words[0].text if words else ""

    @property
    def platform(self) -> str | None:
        """The value of --platform, as written."""
        return self.instructions[0].flag("platform")

    def with_instructions(self, instructions: tuple[Instruction, ...]) -> Stage:
        """Return a stage of these instructions; raises ValueError unless exactly the first is a FROM."""
        if [item.keyword == "FROM" for item in instructions] != [
            index == 0 for index in range(len(instructions))
        ]:
            raise ValueError("a stage begins with its only FROM")
        return Stage(instructions)

    def replace(self, index: int, *new: Instruction) -> Stage:
        """Return the stage with the instruction at `index` replaced by these."""
        index = range(len(self.instructions))[index]
        return self.with_instructions((*self.instructions[:index], *new, *self.instructions[index + 1 :]))

    def without(self, *indexes: int) -> Stage:
        """Return the stage without the instructions at `indexes` and the comments before them."""
        gone = {range(len(self.instructions))[index] for index in indexes}
        return self.with_instructions(
            tuple(item for place, item in enumerate(self.instructions) if place not in gone)
        )

    def with_name(self, name: str) -> Stage:
        """Return the stage with this name after AS; AS is written in the case of FROM."""
        first = self.instructions[0]
        words = first.words
        if len(words) == 3:
            return self.replace(0, first.replaced([(words[2].start, words[2].end, name)]))
        keyword = "AS" if first.keyword_text.isupper() else "as"
        return self.replace(0, first.replaced([(words[0].end, words[0].end, f" {keyword} {name}")]))

    def with_image(self, image: str) -> Stage:
        """Return the stage built from another image."""
        first = self.instructions[0]
        return self.replace(0, first.replaced([(first.words[0].start, first.words[0].end, image)]))


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A whole file: parser directives, global ARGs, stages, and what follows the last instruction."""

    directives: str
    preamble: tuple[Instruction, ...]
    stages: tuple[Stage, ...]
    trailing: str
    escape: str
    newline: str

    def render(self) -> str:
        """Return the file's text."""
        pieces = [self.directives]
        for instruction in self.all_instructions:
            pieces.append(instruction.leading)
            pieces.append(instruction.source)
        pieces.append(self.trailing)
        return "".join(pieces)

    @property
    def all_instructions(self) -> tuple[Instruction, ...]:
        """Every instruction in the order of the file."""
        return (*self.preamble, *(item for stage in self.stages for item in stage.instructions))

    @property
    def final_stage(self) -> Stage:
        """The last stage: what a build without --target produces."""
        return self.stages[-1]

    def directive(self, name: str) -> str | None:
        """Return the value of a parser directive: syntax, escape or check."""
        for line in self.directives.removeprefix("\ufeff").split("\n"):
            found = syntax.directive(line)
            if found is not None and found[0] == name:
                return found[1]
        return None

    def with_stages(self, stages: tuple[Stage, ...]) -> Dockerfile:
        """Return the file with other stages.

        Text of ours takes the file's line ends, and an instruction that ended the file is made fit to stand
        before another.
        """
        known = {item.leading for item in self.all_instructions}
        pending = ""
        fitted: list[list[Instruction]] = []
        count = sum(len(stage.instructions) for stage in stages)
        place = 0
        for stage in stages:
            fitted.append([])
            for each in stage.instructions:
                place += 1
                item = each
                if item.line is None:
                    item = item.with_source(_with_newline(item.source, self.newline))
                if item.leading not in known:
                    item = item.with_leading(_with_newline(item.leading, self.newline))
                if pending:
                    item = item.with_leading(pending + item.leading)
                    pending = ""
                if place < count:
                    item, pending = _closed(item, self.newline)
                fitted[-1].append(item)
        trailing = self.trailing
        if fitted and trailing:
            fitted[-1][-1], pending = _closed(fitted[-1][-1], self.newline)
            trailing = pending + trailing
        return replace(self, stages=tuple(Stage(tuple(items)) for items in fitted), trailing=trailing)
