"""Rust source as tokens. Source: The Rust Reference, "Lexical structure"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msrefactor.code.tokens import Code, Token, closing, is_mark, is_name

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r]+)
    |(?P<newline>\n)
    |(?P<comment>//[^\n]*)
    |(?P<block>/\*)
    |(?P<raw>[bc]?r(?P<hashes>\#*)")
    |(?P<string>[bc]?"[^"\\]*(?:\\.[^"\\]*)*"?)
    |(?P<rune>b?'(?:[^'\\\n]|\\[^\n][^'\n]*)')
    |(?P<lifetime>'[^\W\d]\w*)
    |(?P<name>(?:r\#)?[^\W\d]\w*)
    |(?P<number>\d[\w]*(?:\.\d\w*)?)
    |(?P<mark>::|=>|->|[^\w\s])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", '"': '"', "'": "'"}


def code_of(text: str) -> Code:
    """Return a file's tokens without what only its tests hold."""
    return Code(_without_tests(Code(tokens(text))))


def tokens(text: str) -> Iterator[Token]:
    """Yield a file's tokens; stops at what is no Rust."""
    at, line, end = 0, 1, len(text)
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            return
        kind, token = str(match.lastgroup), match[0]
        if kind == "hashes":
            kind = "raw"
        at = match.end()
        if kind in {"name", "number", "rune", "mark"}:
            yield Token(kind, token, line)
        elif kind == "string":
            yield Token("string", _unquoted(token.lstrip("bc")), line)
            line += token.count("\n")
        elif kind == "newline":
            line += 1
        elif kind == "block":
            stop = _end_of_block(text, at)
            line += text.count("\n", at, stop)
            at = stop
        elif kind == "raw":
            ending = '"' + match["hashes"]
            stop = text.find(ending, at)
            if stop < 0:
                return
            yield Token("string", text[at:stop], line)
            line += text.count("\n", at, stop)
            at = stop + len(ending)


def _end_of_block(text: str, at: int) -> int:
    """Return the end of a block comment; they nest."""
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)


def _unquoted(literal: str) -> str:
    inner = literal[1:-1] if len(literal) > 1 and literal.endswith('"') else literal[1:]
    if "\\" not in inner:
        return inner
    joined = re.sub(r"\\\r?\n\s*", "", inner)
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), joined, flags=re.DOTALL)


def _without_tests(code: Code) -> Iterator[Token]:
    """Yield the tokens, less the items behind `#[cfg(test)]` and `#[test]`."""
    at = 0
    while at < len(code):
        if is_mark(code, at, "#") and is_mark(code, at + 1, "["):
            end = closing(code, at + 1)
            inner = [token.text for token in code[at + 2 : end - 1]]
            if inner in (["cfg", "(", "test", ")"], ["test"], ["tokio", "::", "test"]):
                at = _end_of_item(code, end)
                continue
        yield code[at]
        at += 1


def _end_of_item(code: Code, at: int) -> int:
    """Return the place behind the item that begins at `at`: its block, or its semicolon."""
    while at < len(code):
        if is_mark(code, at, "{"):
            return closing(code, at)
        if is_mark(code, at, ";"):
            return at + 1
        at = closing(code, at) if code[at].kind == "mark" and code[at].text in "([" else at + 1
    return at


def path_before(code: Code, at: int) -> tuple[str, ...]:
    """Return the names of the path that ends with the name at `at`: `std::fs::read` gives all three."""
    names = [code[at].text]
    while is_mark(code, at - 1, "::") and is_name(code, at - 2):
        at -= 2
        names.insert(0, code[at].text)
    return tuple(names)
