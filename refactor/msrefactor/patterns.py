"""Docker's two pattern languages for paths: lines of a .dockerignore, and COPY sources.

A .dockerignore line is matched as moby/patternmatcher does it while the client walks the build context
(`MatchesUsingParentResults`), a COPY source as Go's `filepath.Match` does it. Both are reimplemented from
their documented behaviour, quirks included: what BuildKit would leave out must be left out here too.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINE = 65_536
"""Bytes; Go's line scanner gives up at a longer line, and the build with it."""

_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_SPACE += "\u2028\u2029\u202f\u205f\u3000"
_MAX_BACKTRACKING = 2
"""Repetitions that `re` may try in combination; more are simulated, in time linear in the path's length."""


def clean(path: str) -> str:
    """Return the shortest equal path, as Go's `filepath.Clean` does: `""` is `.`, `//a` is `/a`."""
    return posixpath.normpath("/" + path.lstrip("/")) if path.startswith("/") else posixpath.normpath(path)


# --- Go's filepath.Match ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The part of a pattern up to the next star: whether one precedes it, and a test for each character."""

    star: bool
    tests: tuple[Callable[[str], bool], ...]


def is_valid_glob(pattern: str) -> bool:
    """Tell whether Go's `filepath.Match` accepts the pattern."""
    return _chunks(pattern) is not None


def has_wildcard(pattern: str) -> bool:
    """Tell whether the pattern holds an unescaped `*`, `?` or `[`."""
    escaped = False
    for char in pattern:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char in "*?[":
            return True
    return False


def glob_matches(pattern: str, name: str) -> bool:
    """Tell whether the whole name matches; False for a malformed pattern. A star never crosses a slash."""
    chunks = _chunks(pattern)
    if chunks is None:
        return False
    for number, chunk in enumerate(chunks):
        is_last = number == len(chunks) - 1
        if chunk.star and not chunk.tests:
            return "/" not in name
        rest = _after(chunk, name)
        if rest is not None and not (is_last and rest):
            name = rest
            continue
        if not chunk.star:
            return False
        for start, char in enumerate(name, 1):
            if char == "/":
                return False
            rest = _after(chunk, name[start:])
            if rest is not None and not (is_last and rest):
                name = rest
                break
        else:
            return False
    return not name


def _after(chunk: _Chunk, name: str) -> str | None:
    """Return what follows the chunk at the name's beginning; None if it isn't there."""
    tests = chunk.tests
    if len(name) < len(tests) or not all(test(char) for test, char in zip(tests, name, strict=False)):
        return None
    return name[len(tests) :]


@lru_cache(maxsize=1024)
def _chunks(pattern: str) -> tuple[_Chunk, ...] | None:
    """Return the pattern cut before its stars; None if it is malformed."""
    chunks: list[_Chunk] = []
    tests: list[Callable[[str], bool]] = []
    star = False
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            if tests or not star:
                if tests or star:
                    chunks.append(_Chunk(star, tuple(tests)))
                tests = []
            star = True
        elif char == "?":
            tests.append(lambda c: c != "/")
        elif char == "[":
            parsed = _glob_class(pattern, position)
            if parsed is None:
                return None
            test, position = parsed
            tests.append(test)
        elif char == "\\":
            if position == len(pattern):
                return None
            tests.append(pattern[position].__eq__)
            position += 1
        else:
            tests.append(char.__eq__)
    if tests or star:
        chunks.append(_Chunk(star, tuple(tests)))
    return tuple(chunks)


def _glob_class(pattern: str, position: int) -> tuple[Callable[[str], bool], int] | None:
    """Return the test for the bracket expression after `[`, and where it ends; None if it is malformed."""
    negated = pattern.startswith("^", position)
    position += negated
    ranges: list[tuple[str, str]] = []
    while True:
        if ranges and pattern.startswith("]", position):
            break
        low = _glob_class_char(pattern, position)
        if low is None:
            return None
        first, position = low
        last = first
        if pattern.startswith("-", position):
            high = _glob_class_char(pattern, position + 1)
            if high is None:
                return None
            last, position = high
        ranges.append((first, last))
    return lambda c: any(first <= c <= last for first, last in ranges) != negated, position + 1


def _glob_class_char(pattern: str, position: int) -> tuple[str, int] | None:
    if position >= len(pattern) or pattern[position] in "-]":
        return None
    if pattern[position] == "\\":
        position += 1
    if position + 1 >= len(pattern):  # the bracket still has to be closed
        return None
    return pattern[position], position + 1


# --- moby/patternmatcher ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IgnorePattern:
    """One line of a .dockerignore, cleaned."""

    text: str
    is_exception: bool
    matches: Callable[[str], bool]
    """Tells for one path; parent folders are the caller's business."""

    @property
    def folder(self) -> str | None:
        """The folder an exception can be in; None if it can be anywhere."""
        text = self.text.removesuffix("/**").removesuffix("/*")
        return None if any(char in "*[]?^\\" for char in text) else text


@dataclass(frozen=True, slots=True)
class FolderState:
    """What is known about a folder (or file) on the way down: ignored or not, and by which patterns."""

    is_ignored: bool
    matched: tuple[bool, ...]
    is_closed: bool
    """Nothing below can be visible; the client doesn't even look."""


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """A .dockerignore: patterns in order, the last that matches decides."""

    patterns: tuple[IgnorePattern, ...] = ()

    @property
    def top(self) -> FolderState:
        """The state of the context's root, which can't be ignored."""
        return FolderState(False, (), False)

    def state(self, path: str, parent: FolderState) -> FolderState:
        """Return the state of a path, from that of the folder it is in.

        A pattern that matched a parent folder matches all below it. One that wasn't asked there, because it
        couldn't change the answer, isn't asked again for the parent: so `!a` before or after `a/b` differ.
        """
        if parent.is_closed:
            return FolderState(True, parent.matched, True)
        ignored = False
        matched = []
        for index, pattern in enumerate(self.patterns):
            is_match = bool(parent.matched) and parent.matched[index]
            if not is_match and pattern.is_exception == ignored:
                is_match = pattern.matches(path)
            matched.append(is_match)
            if is_match:
                ignored = not pattern.is_exception
        return FolderState(ignored, tuple(matched), ignored and not self._may_reopen(path))

    def ignores(self, path: str) -> bool:
        """Tell whether a cleaned relative path is left out, its parent folders considered."""
        state = self.top
        for end in [i for i, char in enumerate(path) if char == "/"] + [len(path)]:
            state = self.state(path[:end], state)
        return state.is_ignored

    def _may_reopen(self, path: str) -> bool:
        """Tell whether an exception can make something below an ignored folder visible."""
        folders = [pattern.folder for pattern in self.patterns if pattern.is_exception]
        return None in folders or any(f"{folder}/".startswith(f"{path}/") for folder in folders)


def parse_ignore_file(text: str) -> IgnoreRules | None:
    """Return the rules of a .dockerignore; None if Docker would refuse to build with it."""
    patterns = []
    for number, line in enumerate(text.split("\n")):
        if len(line.encode("utf-8", "surrogateescape")) >= MAX_LINE:
            return None
        pattern = _normalized(line.removeprefix("\ufeff") if number == 0 else line)
        if not pattern:
            continue
        parsed = _ignore_pattern(pattern)
        if parsed is None:
            return None
        patterns.append(parsed)
    return IgnoreRules(tuple(patterns))


def _normalized(line: str) -> str:
    """Return the line as the pattern that it stands for, "" for none: cleaned, relative to the context."""
    if line.startswith("#"):
        return ""
    pattern = line.strip(_SPACE)
    mark = ""
    if pattern.startswith("!"):
        mark, pattern = "!", pattern[1:].strip(_SPACE)
    if pattern:
        pattern = clean(pattern)
        if len(pattern) > 1:
            pattern = pattern.removeprefix("/")
    return mark + pattern


def _ignore_pattern(pattern: str) -> IgnorePattern | None:
    pattern = clean(pattern.strip(_SPACE))
    is_exception = pattern.startswith("!")
    if is_exception:
        pattern = pattern[1:]
        if not pattern:
            return None
    if not is_valid_glob(pattern):
        return None
    matches = _matcher(pattern)
    return None if matches is None else IgnorePattern(pattern, is_exception, matches)


def _matcher(pattern: str) -> Callable[[str], bool] | None:
    """Return the test that patternmatcher compiles a pattern to; None if Go's regexp refuses it."""
    kind, expression = _compiled(pattern)
    if kind == "exact":
        return pattern.__eq__
    if kind == "prefix":
        prefix = pattern[:-2]
        return lambda path: path.startswith(prefix)
    if kind == "suffix":
        suffix = pattern[2:]
        bare = suffix[1:] if suffix.startswith("/") else None
        return lambda path: path.endswith(suffix) or path == bare
    return _expression_matcher(expression)


def _compiled(pattern: str) -> tuple[str, str]:
    """Return how a pattern is matched (exact, prefix, suffix, expression), and the Go regular expression.

    `|`, `{`, `}` and `^` go into the expression as they are, as they do in Docker.
    """
    kind = "exact"
    expression = "^"
    position = 0
    is_first = True
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*" and pattern.startswith("*", position):
            position += 1
            if pattern.startswith("/", position):
                position += 1
            if position < len(pattern):
                expression += "(.*/)?"
                kind = "expression"
            elif kind == "exact":
                kind = "prefix"
            else:
                expression += ".*"
                kind = "expression"
            if is_first:
                kind = "suffix"
        elif char == "*":
            expression += "[^/]*"
            kind = "expression"
        elif char == "?":
            expression += "[^/]"
            kind = "expression"
        elif char in ".+()$":
            expression += "\\" + char
        elif char == "\\":  # never the last character: the glob check refuses that
            expression += "\\" + pattern[position]
            position += 1
            kind = "expression"
        elif char in "[]":
            expression += char
            kind = "expression"
        else:
            expression += char
        is_first = False
    return kind, expression + "$"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of a Go regular expression: the same in Python's syntax, and what kind it is."""

    kind: str
    """`char` (exactly one), `star` (any number of one), `folders` (`(.*/)?`), `odd` (anything else)."""
    python: str
    one: str = ""
    """For `char` and `star`: the expression for one character."""


def _expression_matcher(expression: str) -> Callable[[str], bool] | None:
    pieces = _pieces(expression)
    if pieces is None:
        return None
    try:
        compiled = re.compile("".join(piece.python for piece in pieces))
    except (re.error, OverflowError):
        return None
    repeats = [piece for piece in pieces if piece.kind in {"star", "folders"}]
    if repeats and repeats[-1] is pieces[-2] and pieces[-2].one == ".":
        repeats.pop()  # a `.*` at the end needs no second try
    if len(repeats) <= _MAX_BACKTRACKING or any(piece.kind == "odd" for piece in pieces[1:-1]):
        return lambda path: compiled.search(path) is not None
    return _simulation(pieces[1:-1])


_ESCAPED_CLASSES = "dDsSwW"
_ESCAPED_CONTROLS = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}


def _pieces(expression: str) -> list[_Piece] | None:
    """Return the expression cut into pieces; None for what Go refuses (or is too odd to be worth knowing)."""
    pieces: list[_Piece] = []
    position = 0
    while position < len(expression):
        if expression.startswith("(.*/)?", position):
            pieces.append(_Piece("folders", "(?:.*/)?"))
            position += 6
            continue
        char = expression[position]
        one: str | None = None
        position += 1
        if char == "[":
            parsed = _regexp_class(expression, position)
            if parsed is None:
                return None
            one, position = parsed
        elif char == "\\":
            one = _escaped(expression[position], in_class=False)
            position += 1
            if one is None:
                return None
        elif char == "$" and position == len(expression):
            pieces.append(_Piece("odd", r"\Z"))
            continue
        elif char == "{":
            counted = re.compile(r"\d{1,3}(,\d{0,3})?\}").match(expression, position)
            if counted is not None:
                pieces.append(_Piece("odd", "{" + counted[0]))
                position = counted.end()
                continue
            one = r"\{"
        elif char in "^|":
            pieces.append(_Piece("odd", char))
            continue
        else:
            one = "." if char == "." else re.escape(char)
        if expression.startswith("*", position):
            pieces.append(_Piece("star", one + "*", one))
            position += 1
        else:
            pieces.append(_Piece("char", one, one))
    return pieces


def _escaped(char: str, *, in_class: bool) -> str | None:
    """Return Python's spelling of a Go escape; None where Go has none, or one that isn't followed here."""
    if char in _ESCAPED_CONTROLS:
        return re.escape(_ESCAPED_CONTROLS[char])
    if char in _ESCAPED_CLASSES:
        return f"(?a:\\{char})" if not in_class else None
    if char.isascii() and not char.isalnum():
        return re.escape(char)
    return None


def _regexp_class(expression: str, position: int) -> tuple[str, int] | None:
    """Return Python's spelling of a Go character class after its `[`, and where it ends."""
    negated = expression.startswith("^", position)
    position += negated
    items: list[str] = []
    while True:
        if position >= len(expression):
            return None
        if expression[position] == "]" and items:
            break
        if expression.startswith("[:", position):
            return None
        first = _regexp_class_char(expression, position)
        if first is None:
            return None
        low, position = first
        high = low
        if expression.startswith("-", position) and not expression.startswith("-]", position):
            second = _regexp_class_char(expression, position + 1)
            if second is None:
                return None
            high, position = second
        if low > high:
            return None
        items.append(f"{_code(low)}-{_code(high)}")
    return f"[{'^' if negated else ''}{''.join(items)}]", position + 1


def _regexp_class_char(expression: str, position: int) -> tuple[str, int] | None:
    if position >= len(expression):
        return None
    if expression[position] != "\\":
        return expression[position], position + 1
    position += 1
    if position >= len(expression):
        return None
    char = expression[position]
    if char in _ESCAPED_CONTROLS:
        return _ESCAPED_CONTROLS[char], position + 1
    return (char, position + 1) if char.isascii() and not char.isalnum() else None


def _code(char: str) -> str:
    return f"\\U{ord(char):08x}"


_MAX_CACHED_STEPS = 100_000


def _simulation(pieces: list[_Piece]) -> Callable[[str], bool]:
    """Return a test that follows all ways through the pieces at once, and remembers each step."""
    tests = [re.compile(piece.one).match if piece.one else None for piece in pieces]
    kinds = [piece.kind for piece in pieces]
    end = len(pieces)
    steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def closure(states: set[int]) -> frozenset[int]:
        # A state is twice a piece's index, plus one inside a folder prefix.
        pending = list(states)
        while pending:
            index, inside = divmod(pending.pop(), 2)
            if index == end or inside:
                continue
            following = [index * 2 + 2] if kinds[index] in {"star", "folders"} else []
            if kinds[index] == "folders":
                following.append(index * 2 + 1)
            for state in following:
                if state not in states:
                    states.add(state)
                    pending.append(state)
        return frozenset(states)

    def step(states: frozenset[int], char: str) -> frozenset[int]:
        following = set()
        for state in states:
            index, inside = divmod(state, 2)
            if inside:
                if char != "\n":
                    following.add(state)
                if char == "/":
                    following.add(index * 2 + 2)
            elif index < end:
                test = tests[index]
                if test is not None and test(char):
                    following.add(state if kinds[index] == "star" else state + 2)
        return closure(following)

    start = closure({0})

    def matches(path: str) -> bool:
        states = start
        for char in path:
            known = steps.get((states, char))
            if known is None:
                known = step(states, char)
                if len(steps) < _MAX_CACHED_STEPS:
                    steps[states, char] = known
            if not known:
                return False
            states = known
        return end * 2 in states

    return matches
