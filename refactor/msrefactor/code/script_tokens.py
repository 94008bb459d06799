"""Tokens of the languages that build scripts of the JVM are written in: Groovy, Kotlin and Scala.

Only what a reader of literal statements needs: strings, names, marks and line ends. Sources: Groovy "Syntax",
kotlinlang.org/spec "Lexical grammar", the Scala language specification "Lexical Syntax".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msrefactor.code.tokens import Code, Token

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r\f\\]+)
    |(?P<newline>\n)
    |(?P<comment>//[^\n]*)
    |(?P<block>/\*)
    |(?P<text>\"\"\"|'''|"|')
    |(?P<quoted>`[^`\n]*`)
    |(?P<name>[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<mark>\?\.|:=|\+\+=|\+=|::|%%%|%%|->|=>|==|!=|&&|\|\||[^\w\s])
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_MAX_DEPTH = 100
_BEFORE_SLASHY = frozenset("( , = ~ [ : ==".split())


def code_of(text: str, language: str) -> Code:
    """Return a script's tokens, line ends among them; `language` is `groovy`, `kotlin` or `scala`.

    Nothing of a script whose brackets nest deeper than any real one's: no build tool would take it.
    """
    code = Code(_tokens(text, language))
    depth = deepest = 0
    for token in code:
        if token.kind == "mark":
            depth += (token.text in "([{") - (token.text in ")]}")
            deepest = max(deepest, depth)
    return code if deepest <= _MAX_DEPTH else Code(())


def without_comments(text: str, language: str) -> str:
    """Return a script's text with a blank for each comment; strings stay, whatever is in them.

    `language` may also be `swift`, whose strings and comments are those of Kotlin but for `$`.
    """
    return "".join(
        " " if kind in ("comment", "block") else text[start:end]
        for kind, _, start, end in _scanned(text, language)
    )


def _tokens(text: str, language: str) -> Iterator[Token]:
    for _, token, _, _ in _scanned(text, language):
        if token is not None:
            yield token


def _scanned(text: str, language: str) -> Iterator[tuple[str, Token | None, int, int]]:
    """Yield each piece of the text: its kind, its token if it is one, where it starts and ends."""
    at, line, end = 0, 1, len(text)
    before = Token("newline", "\n", 0)
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            yield "other", None, at, at + 1
            at += 1
            continue
        kind, found = str(match.lastgroup), match[0]
        start, at = at, match.end()
        token: Token | None = None
        if kind in ("name", "number", "mark", "newline"):
            if found == "/" and language == "groovy" and before.text in _BEFORE_SLASHY:
                stop = text.find("/", at)
                if 0 <= stop < text.find("\n", at) % (end + 1):
                    found, at, kind = text[at:stop], stop + 1, "regex"
            token = Token(kind, found, line)
        elif kind == "quoted":
            token = Token("name", found[1:-1], line)
        elif kind == "block":
            at = _behind_comment(text, at, is_nested=language != "groovy")
        elif kind == "text":
            if found == "'" and language != "groovy":
                at = _behind_character(text, start)
                token = Token("rune", text[start:at], line)
            else:
                is_interpolated = (
                    found[0] == '"'
                    and language != "swift"
                    and (
                        language != "scala"
                        or (before.text in ("s", "f", "raw") and text[start - 1 : start].isalpha())
                    )
                )
                token, at = _string(text, at, found, line, language, is_interpolated)
        yield kind, token, start, at
        before = token or before
        line += text.count("\n", start, at)


def _behind_comment(text: str, at: int, *, is_nested: bool) -> int:
    depth = 1
    while depth:
        closes, opens = text.find("*/", at), text.find("/*", at)
        if closes < 0:
            return len(text)
        if is_nested and 0 <= opens < closes:
            depth, at = depth + 1, opens + 2
        else:
            depth, at = depth - 1, closes + 2
    return at


def _behind_character(text: str, start: int) -> int:
    """Return the place behind a character literal; behind its quote where it is a symbol of Scala."""
    width = 3 if text[start + 1 : start + 2] != "\\" else text.find("'", start + 3) - start + 1
    is_literal = 3 <= width <= 8 and text[start + width - 1 : start + width] == "'"
    return start + width if is_literal else start + 1


def _string(
    text: str, at: int, quote: str, line: int, language: str, is_interpolated: bool
) -> tuple[Token, int]:
    """Return the token of a string that starts before `at`, and the place behind it."""
    parts: list[str | tuple[Token, ...]] = []
    literal: list[str] = []
    escapes = len(quote) == 1 or language == "groovy"
    end = len(text)
    while at < end:
        char = text[at]
        if text.startswith(quote, at):
            at += len(quote)
            break
        if char == "\n" and len(quote) == 1:
            break
        if char == "\\" and escapes:
            literal.append(_ESCAPES.get(text[at + 1 : at + 2], text[at + 1 : at + 2]))
            at += 2
        elif char == "$" and is_interpolated and text[at + 1 : at + 2] == "{":
            stop = _closing_brace(text, at + 2)
            parts.extend(["".join(literal), tuple(_tokens(text[at + 2 : stop], language))])
            literal, at = [], stop + 1
        elif char == "$" and is_interpolated and (name := _NAME[language].match(text, at + 1)):
            parts.extend(["".join(literal), tuple(_tokens(name[0], language))])
            literal, at = [], name.end()
        else:
            literal.append(char)
            at += 1
    if not parts:
        return Token("string", "".join(literal), line), at
    return Token("template", "", line, (*parts, "".join(literal))), at


_NAME = {
    "groovy": re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"),
    "kotlin": re.compile(r"[A-Za-z_]\w*"),
    "scala": re.compile(r"[A-Za-z_]\w*"),
}
"""What a bare `$` takes in: Groovy reads `$project.version` as one expression."""


def _closing_brace(text: str, at: int) -> int:
    depth = 1
    while at < len(text):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return at
        at += 1
    return at
