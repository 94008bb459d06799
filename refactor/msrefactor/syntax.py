"""Where the parts of one instruction lie in its text: BuildKit's rules, offsets instead of values.

Everything here is a pure function over text; tree.py and parse.py are made of it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, NamedTuple

from msrefactor.variables import SPACE, Lexer, Malformed

KEYWORD_SPACE: Final = "\t\v\f\r "
_SPACES: Final = frozenset(SPACE)
_KEYWORD_SPACES: Final = frozenset(KEYWORD_SPACE)
_EXEC_FORM_KEYWORDS: Final = frozenset({"ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"})
_HEREDOC_KEYWORDS: Final = frozenset({"ADD", "COPY", "RUN"})
_UNQUOTED_KEYWORDS: Final = frozenset({"ADD", "COPY", "EXPOSE", "FROM", "VOLUME"})


class Line(NamedTuple):
    """One physical line of an instruction; `content` is without a mark, blanks after it, newline."""

    kind: str  # "text", "comment" or "blank"
    start: int
    content_start: int
    content_end: int
    stop: int  # after the newline
    is_continued: bool


class Joined(NamedTuple):
    """An instruction's physical lines and the one logical line they make."""

    lines: tuple[Line, ...]
    text: str
    text_starts: tuple[int, ...]  # where each contributing line starts in text …
    source_starts: tuple[int, ...]  # … and in the source
    stop: int  # after the last line; heredoc bodies begin here


class Marker(NamedTuple):
    """A heredoc announced on an instruction's line, as in `3<<-'EOF'`."""

    name: str
    fd: int
    expand: bool
    chomp: bool


class Body(NamedTuple):
    """Where a heredoc's body lies, and where its terminating line ends."""

    start: int
    end: int
    stop: int


class FlagSpan(NamedTuple):
    """A `--name=value` in the logical text, quotes and escapes taken out of `text`."""

    text: str
    start: int
    end: int


class Head(NamedTuple):
    """The keyword, the flags and the arguments of a logical line, as offsets in it."""

    keyword_start: int
    keyword_end: int
    flags: tuple[FlagSpan, ...]
    arguments_start: int
    arguments_end: int


def line_stop(text: str, start: int) -> int:
    r"""Return where the line at `start` ends, its `\n` included."""
    return text.find("\n", start) + 1 or len(text)


def join_lines(text: str, start: int, escape: str) -> Joined:
    """Read the instruction whose first physical line is at `start`."""
    lines: list[Line] = []
    pieces: list[str] = []
    text_starts: list[int] = []
    source_starts: list[int] = []
    length = 0
    position = start
    end = len(text)
    while position < end:
        stop = text.find("\n", position) + 1 or end
        content = text[position:stop].rstrip("\r\n")
        content_start = position
        bare = content.lstrip(SPACE)
        if not lines:
            content_start += len(content) - len(bare)
            content = bare
        elif not bare or bare[0] == "#":
            kind = "comment" if bare else "blank"
            lines.append(Line(kind, position, content_start, content_start + len(content), stop, True))
            position = stop
            continue
        # An escape character before the mark makes it no mark; `\\\` is none either, as in BuildKit.
        is_continued = is_mark_at_end(content, escape)
        if is_continued:
            content = content.rstrip("\t ")[:-1]
        content_end = content_start + len(content)
        lines.append(Line("text", position, content_start, content_end, stop, is_continued))
        if content:
            pieces.append(content)
            text_starts.append(length)
            source_starts.append(content_start)
            length += len(content)
        position = stop
        if not is_continued:
            break
    return Joined(tuple(lines), "".join(pieces), tuple(text_starts), tuple(source_starts), position)


def is_mark_at_end(content: str, escape: str) -> bool:
    r"""Tell whether a line's content ends in a mark, blanks after it or not; `\\` and `\\\` are none."""
    bare = content.rstrip("\t ")
    return bare[-1:] == escape and bare[-2:-1] != escape


def closed(content: str, escape: str) -> str:
    """Return a line's content, its mark already off, as the end of an instruction."""
    content = content.rstrip("\t ")
    while is_mark_at_end(content, escape):
        content = content[:-1].rstrip("\t ")
    return content


def place(joined: Joined, offset: int) -> int:
    """Return where a character of the logical line stands in the source."""
    index = bisect_right(joined.text_starts, offset) - 1
    if index < 0:
        return joined.lines[0].content_start
    return joined.source_starts[index] + offset - joined.text_starts[index]


def split_head(text: str, escape: str) -> Head:
    """Find the keyword, flags and arguments in a logical line."""
    end = len(text.rstrip(SPACE))
    # Not always 0: the first line may be a mark alone, and the next one indented.
    keyword_start = min(len(text) - len(text.lstrip(SPACE)), end)
    keyword_end = keyword_start
    while keyword_end < end and text[keyword_end] not in _KEYWORD_SPACES:
        keyword_end += 1
    position = keyword_end
    flags: list[FlagSpan] = []
    while True:
        # BuildKit looks for flags byte by byte: only an ASCII blank can stand before one.
        while position < end and text[position] in _KEYWORD_SPACES:
            position += 1
        if not text.startswith("--", position, end):
            break
        flag = _flag(text, position, end, escape)
        position = flag.end
        if flag.text == "--":
            break
        flags.append(flag)
    while position < end and text[position] in _SPACES:
        position += 1
    return Head(keyword_start, keyword_end, tuple(flags), position, end)


def _flag(text: str, start: int, end: int, escape: str) -> FlagSpan:
    value: list[str] = []
    quote = ""
    position = start
    while position < end:
        char = text[position]
        if quote:
            if char == quote:
                quote = ""
                position += 1
                continue
        elif char in _KEYWORD_SPACES:
            break
        elif char in "'\"":
            quote = char
            position += 1
            continue
        if char == escape:
            position += 1
            if position == end:
                break
            char = text[position]
        value.append(char)
        position += 1
    return FlagSpan("".join(value), start, position)


def heredoc_markers(keyword: str, text: str, arguments: str) -> tuple[Marker, ...]:
    """Return the heredocs announced on a logical line; the escape character there is always a backslash.

    Raises Malformed when a marker's name can't be read.
    """
    if keyword not in _HEREDOC_KEYWORDS or "<<" not in text or json_array(arguments) is not None:
        return ()
    lexer = Lexer(text, {}, raw_quotes=True, raw_escapes=True, keeps_unset=True)
    try:
        lexer.read()
    except Malformed:
        return ()
    return tuple(marker for word in lexer.words if (marker := _marker(word)) is not None)


def _marker(word: str) -> Marker | None:
    digits = 0
    while word[digits : digits + 1].isdecimal() and word[digits].isascii():
        digits += 1
    if word[digits : digits + 2] != "<<":
        return None
    position = digits + 2
    chomp = word[position : position + 1] == "-"
    position += chomp
    name = word[position:].lstrip("\t\n\f\r ")
    if not name or "<" in name:
        return None
    fd = int(word[:digits] or "0")
    if name.isidentifier():
        return Marker(name, fd, True, chomp)
    plain = Lexer(name, {}, keeps_unset=True)
    plain.read()
    if len(plain.words) != 1:
        return None
    raw = Lexer(name, {}, raw_quotes=True, keeps_unset=True)
    raw.read()
    if len(raw.words) != 1:
        raise Malformed("a heredoc name that can't be read")
    expand = _quotes(plain.words[0]) == _quotes(raw.words[0])
    return Marker(plain.words[0], fd, expand, chomp)


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')


def heredoc_bodies(text: str, start: int, markers: tuple[Marker, ...]) -> tuple[Body, ...] | None:
    """Return the bodies that follow each other from `start`; None if one is never terminated."""
    bodies: list[Body] = []
    position = start
    end = len(text)
    for marker in markers:
        body_start = position
        while True:
            if position >= end:
                return None
            stop = text.find("\n", position) + 1 or end
            line = text[position:stop].rstrip("\r\n")
            if (line.lstrip("\t") if marker.chomp else line) == marker.name:
                bodies.append(Body(body_start, position, stop))
                position = stop
                break
            position = stop
    return tuple(bodies)


class NotStrings(Exception):  # noqa: N818 - never leaves the engine
    """A JSON array whose elements aren't all strings."""


_JSON_SPACES: Final = frozenset(" \t\r\n")
_JSON_ESCAPES: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def json_array(text: str) -> tuple[str, ...] | None:
    """Return the strings of a JSON array; None if the text is no JSON array, which makes it shell form.

    Raises NotStrings for a JSON array that holds anything else.
    """
    text = text.strip(SPACE)
    if not text.startswith("["):
        return None
    end = len(text)
    items: list[str] = []
    position = _after_spaces(text, 1)
    if text[position : position + 1] == "]":
        return () if position + 1 == end else None
    while position < end:
        if text[position] != '"':
            _raise_for_json(text)
            return None
        found = _json_string(text, position)
        if found is None:
            return None
        value, position = found
        items.append(value)
        position = _after_spaces(text, position)
        following = text[position : position + 1]
        if following == "]":
            return tuple(items) if position + 1 == end else None
        if following != ",":
            return None
        position = _after_spaces(text, position + 1)
    return None


def _after_spaces(text: str, position: int) -> int:
    while position < len(text) and text[position] in _JSON_SPACES:
        position += 1
    return position


def _json_string(text: str, start: int) -> tuple[str, int] | None:
    close = text.find('"', start + 1)
    if close < 0:
        return None
    value = text[start + 1 : close]
    if "\\" not in value:
        return (value, close + 1) if not any(char < " " for char in value) else None
    pieces: list[str] = []
    position = start + 1
    end = len(text)
    while position < end:
        char = text[position]
        position += 1
        if char == '"':
            return "".join(pieces), position
        if char < " ":
            return None
        if char == "\\":
            mark = text[position : position + 1]
            position += 1
            if mark == "u":
                code = _json_code(text, position)
                position += 4
                if code is None:
                    return None
                if 0xD800 <= code < 0xDC00 and text[position : position + 2] == "\\u":
                    low = _json_code(text, position + 2)
                    if low is not None and 0xDC00 <= low < 0xE000:
                        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                        position += 6
                # As in Go, half of a surrogate pair is no character.
                char = "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)
            elif mark in _JSON_ESCAPES:
                char = _JSON_ESCAPES[mark]
            else:
                return None
        pieces.append(char)
    return None


def _json_code(text: str, start: int) -> int | None:
    digits = text[start : start + 4]
    if len(digits) != 4 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        return None
    return int(digits, 16)


def _raise_for_json(text: str) -> None:
    """Raise NotStrings for a JSON array with an element that is no string; `[ -f x ]` is none."""
    import json

    def reject(_: str) -> None:
        raise ValueError

    try:
        # strict=True, as Go: no control characters inside strings.
        json.loads(text, parse_constant=reject, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return
    raise NotStrings


class Span(NamedTuple):
    """A word in a text: half-open offsets."""

    start: int
    end: int


def has_exec_form(keyword: str) -> bool:
    """Tell whether a JSON array is the exec form after this keyword."""
    return keyword in _EXEC_FORM_KEYWORDS


def split_words(keyword: str, text: str, escape: str) -> tuple[Span, ...]:
    """Return the words of an instruction's arguments.

    Quotes hold a word together except where BuildKit splits at every blank: ADD, COPY, EXPOSE, FROM, VOLUME.
    """
    keeps_quotes = keyword not in _UNQUOTED_KEYWORDS
    spaces = _SPACES if keeps_quotes else _KEYWORD_SPACES
    spans: list[Span] = []
    position = 0
    end = len(text)
    has_quotes = keeps_quotes and ("'" in text or '"' in text or escape in text)
    while position < end:
        if text[position] in spaces:
            position += 1
            continue
        start = position
        if has_quotes:
            position = _word_end(text, position, escape)
        else:
            while position < end and text[position] not in spaces:
                position += 1
        spans.append(Span(start, position))
    return tuple(spans)


def _word_end(text: str, start: int, escape: str) -> int:
    position = start
    end = len(text)
    quote = ""
    while position < end:
        char = text[position]
        if quote:
            if char == quote:
                quote = ""
            elif char == escape and quote == '"':
                position += 1
        elif char in _SPACES:
            return position
        elif char in "'\"":
            quote = char
        elif char == escape:
            position += 1
        position += 1
    return min(position, end)


def pair_fault(keyword: str, text: str, spans: tuple[Span, ...]) -> str | None:
    """Return what BuildKit's parser has against the pairs of an ENV or LABEL; None if nothing."""
    if not spans:
        return None
    if "=" not in text[spans[0].start : spans[0].end]:
        has_value = any(space in text for space in KEYWORD_SPACE)
        return None if has_value else f"{keyword} must have two arguments"
    for span in spans:
        if "=" not in text[span.start : span.end]:
            return f"no = in {text[span.start : span.end]!r}: {keyword} takes name=value"
    return None


class Shape(NamedTuple):
    """One instruction, read; `fault` is why BuildKit would reject it, or None."""

    joined: Joined
    head: Head
    keyword: str
    markers: tuple[Marker, ...]
    bodies: tuple[Body, ...]
    stop: int
    fault: str | None


def read_instruction(text: str, start: int, escape: str) -> Shape:
    """Read the instruction that begins with the line at `start`, heredoc bodies included."""
    joined = join_lines(text, start, escape)
    logical = joined.text
    head = split_head(logical, escape)
    keyword = logical[head.keyword_start : head.keyword_end].upper()
    inner_keyword = keyword
    arguments = logical[head.arguments_start : head.arguments_end]
    if keyword == "ONBUILD" and arguments:
        inner = split_head(arguments, escape)
        inner_keyword = arguments[: inner.keyword_end].upper()
        arguments = arguments[inner.arguments_start : inner.arguments_end]
    markers: tuple[Marker, ...] = ()
    bodies: tuple[Body, ...] | None = ()
    fault = None
    try:
        if inner_keyword in _EXEC_FORM_KEYWORDS:
            json_array(arguments)
        elif inner_keyword == "HEALTHCHECK":
            json_array(arguments[healthcheck_command(arguments) :])
        elif inner_keyword in {"ENV", "LABEL"}:
            fault = pair_fault(inner_keyword, arguments, split_words(inner_keyword, arguments, escape))
        if "<<" in logical:
            markers = heredoc_markers(inner_keyword, logical, arguments)
            bodies = heredoc_bodies(text, joined.stop, markers)
    except NotStrings:
        fault = f"the JSON array of {inner_keyword} holds something that is not a string"
    except Malformed as malformed:
        fault = str(malformed)
    if bodies is None:
        return Shape(joined, head, keyword, (), (), joined.stop, "unterminated heredoc")
    stop = bodies[-1].stop if bodies else joined.stop
    return Shape(joined, head, keyword, markers, bodies, stop, fault)


def healthcheck_command(arguments: str) -> int:
    """Return where the command starts in the arguments of a HEALTHCHECK: after its first word."""
    position = 0
    while position < len(arguments) and arguments[position] not in _SPACES:
        position += 1
    while position < len(arguments) and arguments[position] in _SPACES:
        position += 1
    return position


_DIRECTIVES: Final = frozenset({"syntax", "escape", "check"})
_DIRECTIVE_SPACE: Final = "\t\n\f\r "


def directive(line: str) -> tuple[str, str] | None:
    """Return the name and value of a parser directive line such as `# escape=x`; None for any other line."""
    bare = line.rstrip("\r\n").lstrip(SPACE)
    if not bare.startswith("#"):
        return None
    name, equals, value = bare[1:].lstrip(SPACE).partition("=")
    name = name.rstrip(_DIRECTIVE_SPACE).lower()
    if not equals or not value or name not in _DIRECTIVES:
        return None
    # A value of only blanks is a value to BuildKit.
    return name, value.strip(_DIRECTIVE_SPACE) or " "
