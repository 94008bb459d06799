"""Variables and quotes in Dockerfile words, by BuildKit's rules (frontend/dockerfile/shell).

Only what BuildKit itself expands is meant here: ENV, ARG, COPY, WORKDIR and their like. The text of a RUN
belongs to its shell.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msrefactor.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

# Go's unicode.IsSpace. Python's str.isspace also holds \x1c to \x1f.
SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_SPACES: Final = frozenset(SPACE)
_SPECIAL_PARAMETERS: Final = frozenset("@*#?-$!0")
_NOTHING: Final[Mapping[str, str]] = {}

# ENV A=$B$B, thirty times over, is half a kilobyte of text and four gigabytes of value.
_LONGEST_VALUE: Final = 1 << 20
_DEEPEST_NESTING: Final = 64
_MOST_PATTERN_STEPS: Final = 1 << 22


class Malformed(Exception):  # noqa: N818 - never leaves the engine
    """A word that BuildKit would reject: a quote or brace left open, an unknown `${}` modifier."""


class Lexer:
    """One reading of one word: its value, the words it falls into and the variables it names.

    `raw_quotes`, `raw_escapes` and `keeps_unset` leave quotes, escapes and unset variables in the value,
    which is how heredoc markers are found.
    """

    __slots__ = (
        "_buffer",
        "_depth",
        "_end",
        "_env",
        "_escape",
        "_limit",
        "_position",
        "_raw_escapes",
        "_text",
        "keeps_unset",
        "names",
        "raw_quotes",
        "unset",
        "words",
    )

    def __init__(
        self,
        text: str,
        env: Mapping[str, str],
        escape: str = "\\",
        *,
        raw_quotes: bool = False,
        raw_escapes: bool = False,
        keeps_unset: bool = False,
    ) -> None:
        self._text = text
        self._env = env
        self._escape = escape
        self._raw_escapes = raw_escapes
        self._position = 0
        self._end = len(text)
        self._limit = _LONGEST_VALUE + len(text)
        self._depth = 0
        self._buffer: list[str] = []
        self.raw_quotes = raw_quotes
        self.keeps_unset = keeps_unset
        self.names: set[str] = set()
        self.unset: list[str] = []
        self.words: tuple[str, ...] = ()

    def read(self) -> str:
        """Return the value of the text; raises Malformed."""
        value, words = self._read_until("", self._raw_escapes)
        self.words = tuple(words)
        return value

    def _read_until(self, stop: str, raw_escapes: bool) -> tuple[str, list[str]]:
        self._depth += 1
        if self._depth > _DEEPEST_NESTING:
            raise Malformed("variables nested too deeply")
        text, end, escape = self._text, self._end, self._escape
        value: list[str] = []
        length = 0
        words: list[str] = []
        # BuildKit keeps one buffer for the current word, nested words included: a nested word empties it.
        buffer = self._buffer
        buffer.clear()
        in_word = False
        outer_raw_escapes, self._raw_escapes = self._raw_escapes, raw_escapes
        while self._position < end:
            char = text[self._position]
            if char == stop:
                self._position += 1
                self._raw_escapes = outer_raw_escapes
                self._depth -= 1
                return "".join(value), _finished(words, buffer)
            if char in "'\"":
                piece = self._single_quoted() if char == "'" else self._double_quoted()
                if piece:
                    buffer.append(piece)
                in_word = True
            elif char == "<":
                piece = self._less_than()
                buffer.append(piece)
                in_word = True
            elif char == "$":
                piece = self._variable()
                for each in piece:
                    in_word = _add(each, buffer, words, in_word)
            else:
                self._position += 1
                piece = char
                if char == escape:
                    if raw_escapes:
                        value.append(char)
                        buffer.append(char)
                        in_word = True
                    if self._position >= end:
                        break
                    piece = text[self._position]
                    self._position += 1
                    buffer.append(piece)
                    in_word = True
                else:
                    in_word = _add(char, buffer, words, in_word)
            value.append(piece)
            length += len(piece)
            if length > self._limit:
                raise BadInput("a variable expands to more than 1 MiB")
        if stop:
            raise Malformed(f"no {stop} to the end of the text")
        self._raw_escapes = outer_raw_escapes
        self._depth -= 1
        return "".join(value), _finished(words, buffer)

    def _single_quoted(self) -> str:
        start = self._position
        close = self._text.find("'", start + 1)
        if close < 0:
            raise Malformed("a single quote is left open")
        self._position = close + 1
        return self._text[start : close + 1] if self.raw_quotes else self._text[start + 1 : close]

    def _double_quoted(self) -> str:
        text, end, escape = self._text, self._end, self._escape
        value = ['"'] if self.raw_quotes else []
        self._position += 1
        while self._position < end:
            char = text[self._position]
            if char == '"':
                self._position += 1
                if self.raw_quotes:
                    value.append('"')
                return "".join(value)
            if char == "$":
                value.append(self._variable())
                continue
            self._position += 1
            if char == escape:
                if self._raw_escapes:
                    value.append(char)
                if self._position >= end:
                    break
                if text[self._position] in ('"', "$", escape):
                    char = text[self._position]
                    self._position += 1
            value.append(char)
        raise Malformed("a double quote is left open")

    def _less_than(self) -> str:
        # Blanks between << and the name of a heredoc belong to the word.
        start = self._position
        self._position += 1
        if self._position < self._end and self._text[self._position] == "<":
            self._position += 1
            while self._position < self._end and self._text[self._position] in "\t\r ":
                self._position += 1
        return self._text[start : self._position]

    def _variable(self) -> str:
        self._position += 1
        if self._position >= self._end or self._text[self._position] != "{":
            name = self._name()
            if not name:
                return "$"
            found = self._lookup(name)
            if found is None:
                self.unset.append(name)
                return "$" + name if self.keeps_unset else ""
            return found
        self._position += 1
        if self._position >= self._end or self._text[self._position] in "{}:":
            raise Malformed("bad substitution")
        name = self._name()
        operator = self._next()
        if operator == "}":
            found = self._lookup(name)
            if found is None:
                self.unset.append(name)
                return f"${{{name}}}" if self.keeps_unset else ""
            return found
        if operator == "/":
            return self._replacement(name)
        empty_is_unset = operator == ":"
        modifier = self._next() if empty_is_unset else operator
        if not modifier or modifier not in "+-?#%" or (empty_is_unset and modifier in "#%"):
            raise Malformed(f"unknown modifier {operator!r} in ${{{name}}}")
        return self._modified(name, modifier, empty_is_unset)

    def _modified(self, name: str, modifier: str, empty_is_unset: bool) -> str:
        unset_before = len(self.unset)
        word, _ = self._read_until("}", modifier in "#%")
        found = self._lookup(name)
        if found is None and self.keeps_unset:
            return f"${{{name}{':' if empty_is_unset else ''}{modifier}{word}}}"
        is_missing = found is None or (empty_is_unset and not found)
        if modifier in "-+":
            uses_word = is_missing if modifier == "-" else not is_missing
            if uses_word:
                return word
            del self.unset[unset_before:]
            return "" if modifier == "+" else (found or "")
        del self.unset[unset_before:]
        if found is None:
            self.unset.append(name)
            return ""
        if modifier == "?":
            return found
        is_longest = word.startswith(modifier)
        pattern = _pattern(word[1:] if is_longest else word)
        if modifier == "#":
            return found[_prefix_length(pattern, found, is_longest) :]
        length = _prefix_length(pattern[::-1], found[::-1], is_longest)
        return found[: len(found) - length]

    def _replacement(self, name: str) -> str:
        replaces_all = self._position < self._end and self._text[self._position] == "/"
        if replaces_all:
            self._position += 1
        pattern, _ = self._read_until("/", True)
        replacement, _ = self._read_until("}", True)
        found = self._lookup(name)
        if found is None:
            if self.keeps_unset:
                return f"${{{name}/{pattern}/{replacement}}}"
            self.unset.append(name)
            return ""
        return _replaced(_pattern(pattern), found, replacement, replaces_all)

    def _next(self) -> str:
        char = self._text[self._position : self._position + 1]
        self._position += 1
        return char

    def _name(self) -> str:
        text, start, end = self._text, self._position, self._end
        if start >= end:
            return ""
        position = start
        if text[start].isdecimal():
            while position < end and text[position].isdecimal():
                position += 1
        elif text[start] in _SPECIAL_PARAMETERS:
            position += 1
        else:
            while position < end and (
                text[position].isalpha() or text[position].isdecimal() or text[position] == "_"
            ):
                position += 1
        self._position = position
        return text[start:position]

    def _lookup(self, name: str) -> str | None:
        self.names.add(name)
        return self._env.get(name)


def _add(char: str, buffer: list[str], words: list[str], in_word: bool) -> bool:
    if char not in _SPACES:
        buffer.append(char)
        return True
    if in_word and buffer:
        words.append("".join(buffer))
        buffer.clear()
        return False
    return in_word


def _finished(words: list[str], buffer: list[str]) -> list[str]:
    word = "".join(buffer)
    buffer.clear()
    return [*words, word] if word else words


# One element of a pattern: a literal character, "?" for any, "*" for any number of any.
_ANY: Final = "?"
_ANY_NUMBER: Final = "*"


def _pattern(text: str) -> tuple[tuple[bool, str], ...]:
    """Return the elements of a pattern as (is literal, character)."""
    elements: list[tuple[bool, str]] = []
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char in "*?":
            elements.append((False, char))
            continue
        if char == "\\":
            following = text[position : position + 1]
            if following and following in "}/":
                continue
            if not following or following not in "*?\\":
                raise Malformed("unknown escape in a pattern")
            char = following
            position += 1
        elements.append((True, char))
    return tuple(elements)


def _ends(pattern: tuple[tuple[bool, str], ...], value: str, is_longest: bool) -> list[int]:
    """Return, for each place in the value, where the match that starts there ends; -1 for none.

    One pass from the right per element: no backtracking, so no text makes it slow.
    """
    if len(pattern) * len(value) > _MOST_PATTERN_STEPS:
        raise Malformed("a pattern too large to match")
    size = len(value)
    ends = list(range(size + 1))
    for is_literal, char in reversed(pattern):
        row = [-1] * (size + 1)
        if not is_literal and char == _ANY_NUMBER:
            row[size] = ends[size]
            for place in range(size - 1, -1, -1):
                here = ends[place]
                further = row[place + 1] if value[place] != "\n" else -1
                if here < 0 or further < 0:
                    row[place] = max(here, further)
                else:
                    row[place] = max(here, further) if is_longest else min(here, further)
        else:
            for place in range(size):
                if value[place] == char if is_literal else value[place] != "\n":
                    row[place] = ends[place + 1]
        ends = row
    return ends


def _prefix_length(pattern: tuple[tuple[bool, str], ...], value: str, is_longest: bool) -> int:
    return max(_ends(pattern, value, is_longest)[0], 0)


def _replaced(pattern: tuple[tuple[bool, str], ...], value: str, replacement: str, replaces_all: bool) -> str:
    ends = _ends(pattern, value, True)
    pieces: list[str] = []
    position = copied = length = 0
    last_end = -1
    while position <= len(value):
        end = ends[position]
        # An empty match right after a match is none: Go's ReplaceAll.
        if end < 0 or (end == position and position == last_end):
            position += 1
            continue
        pieces.append(value[copied:position])
        pieces.append(replacement)
        length += position - copied + len(replacement)
        if length > _LONGEST_VALUE + len(value):
            raise BadInput("a variable expands to more than 1 MiB")
        copied = last_end = end
        position = max(end, position + 1)
        if not replaces_all:
            break
    pieces.append(value[copied:])
    return "".join(pieces)


def expand(word: str, env: Mapping[str, str], escape: str = "\\") -> str:
    """Return the word without its quotes and with its variables replaced; an unset one is empty.

    A word that BuildKit rejects comes back as written. Raises BadInput for a value of more than 1 MiB.
    """
    if not _is_special(word, escape):
        return word
    try:
        return Lexer(word, env, escape).read()
    except Malformed:
        return word


def expand_words(text: str, env: Mapping[str, str], escape: str = "\\") -> tuple[str, ...]:
    """Return the words of the text, split after expansion; `(text,)` if BuildKit rejects it."""
    lexer = Lexer(text, env, escape)
    try:
        lexer.read()
    except Malformed:
        return (text,)
    return lexer.words


def references(word: str, escape: str = "\\") -> frozenset[str]:
    """Return the names of the variables the word uses, `${A:-$B}` being two."""
    return frozenset(name for name in _read_for_names(word, _NOTHING, escape).names if name.isidentifier())


def unset_references(word: str, env: Mapping[str, str], escape: str = "\\") -> frozenset[str]:
    """Return the variables that are silently empty in the word: used, not set, no `${A:-default}`."""
    return frozenset(name for name in _read_for_names(word, env, escape).unset if name.isidentifier())


def _read_for_names(word: str, env: Mapping[str, str], escape: str) -> Lexer:
    lexer = Lexer(word, env, escape)
    if "$" in word:
        # The names before a fault are names all the same.
        with suppress(Malformed):
            lexer.read()
    return lexer


def _is_special(word: str, escape: str) -> bool:
    return "$" in word or "'" in word or '"' in word or escape in word
