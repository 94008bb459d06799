"""Python source cut into its statements, so that only those that matter need a real parser.

A statement is a simple statement or the header of a compound one. Cutting needs no more than strings,
comments, brackets and line ends (Python's "Lexical analysis", chapter 2), so it takes any version of the
language, and one statement that can't be parsed doesn't cost the rest of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<plain>[^'"\#()\[\]{}\\\n;]+)
    |(?P<triple>'''|\"\"\")
    |(?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*"?|'[^'\\\n]*(?:\\.[^'\\\n]*)*'?)
    |(?P<comment>\#[^\n]*)
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])
    |(?P<join>\\\n)
    |(?P<newline>\n)
    |(?P<semicolon>;)
    |(?P<other>\\)
    """,
    re.VERBOSE | re.DOTALL,
)
_TRIPLE_END = {quotes: re.compile(r"\\.|" + quotes, re.DOTALL) for quotes in ("'''", '"""')}
_HEADER = re.compile(
    r"(?:async\s+)?(def|class|if|elif|else|for|while|try|except|finally|with|match|case)\b(?!\s*[=.,)])"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement on one line: comments left out, line ends inside brackets turned into blanks."""

    line: int
    """1-based line that it starts on."""
    text: str
    block: int
    """Index of the header that it stands under, -1 at the top."""
    scope: int
    """Index of the innermost `def` or `class` that it stands in, -1 for the module."""
    keyword: str
    """Of a header its keyword, else empty."""
    weight: int
    """Characters outside strings; long ones are data, not code."""


def statements(text: str) -> tuple[Statement, ...] | None:
    """Return the statements in order, None when brackets or strings don't close."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found: list[Statement] = []
    blocks: list[tuple[int, int]] = []  # (indentation, index) of the open headers
    for line, content, weight, continues in _logical(text):
        if line == 0:
            return None
        body = content.lstrip(" \t\f")
        if continues and found:
            # Behind a semicolon: the same block as the statement before.
            before = found[-1]
            found.append(Statement(line, body.rstrip(), before.block, before.scope, "", weight))
            continue
        indentation = len(content[: len(content) - len(body)].expandtabs(8))
        while blocks and blocks[-1][0] >= indentation:
            blocks.pop()
        block = blocks[-1][1] if blocks else -1
        scope = block
        while scope >= 0 and found[scope].keyword not in {"def", "class"}:
            scope = found[scope].block
        match = _HEADER.match(body)
        keyword = match[1] if match and ":" in body else ""
        found.append(Statement(line, body.rstrip(), block, scope, keyword, weight))
        if keyword:
            blocks.append((indentation, len(found) - 1))
    return tuple(found)


def _logical(text: str) -> Iterator[tuple[int, str, int, bool]]:
    """Yield line, content, weight and whether it follows a semicolon; line 0 is an error."""
    parts: list[str] = []
    start = line = 1
    depth = weight = at = 0
    continues = False
    end = len(text)
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            yield 0, "", 0, False
            return
        kind = match.lastgroup
        token = match[0]
        at = match.end()
        if kind == "plain":
            if not parts:
                start = line
            parts.append(token)
            weight += len(token.strip())
        elif kind == "triple":
            first = line
            stop = _end_of_triple(text, at, token)
            if stop < 0:
                yield 0, "", 0, False
                return
            if not parts:
                start = first
            parts.append(text[at - 3 : stop])
            line += text.count("\n", at, stop)
            at = stop
            weight += 6
        elif kind == "string":
            if not parts:
                start = line
            parts.append(token)
            line += token.count("\n")
            weight += 2
        elif kind == "join":
            line += 1
            parts.append(" ")
        elif kind == "newline":
            line += 1
            if depth:
                parts.append(" ")
                continue
            content = "".join(parts)
            if content.strip():
                yield start, content, weight, continues
            parts, weight, continues = [], 0, False
        elif kind == "semicolon" and not depth:
            content = "".join(parts)
            if content.strip():
                yield start, content, weight, continues
                continues = True
            parts, weight = [], 0
        elif kind != "comment":
            if not parts:
                start = line
            depth += (kind == "open") - (kind == "close")
            parts.append(token)
            weight += 1
            if depth < 0:
                yield 0, "", 0, False
                return
    if depth:
        yield 0, "", 0, False
        return
    content = "".join(parts)
    if content.strip():
        yield start, content, weight, continues


def _end_of_triple(text: str, at: int, quotes: str) -> int:
    for match in _TRIPLE_END[quotes].finditer(text, at):
        if match[0] == quotes:
            return match.end()
    return -1
