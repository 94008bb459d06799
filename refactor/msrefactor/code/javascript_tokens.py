"""JavaScript and TypeScript as tokens (ECMA-262, chapter 12), JSX taken in its stride."""

from __future__ import annotations

import re

from msrefactor.code.tokens import Token

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r\f\v\u00a0\ufeff]+)
    |(?P<newline>\n)
    |(?P<comment>//[^\n]*)
    |(?P<block>/\*)
    |(?P<name>(?:[^\W\d]|[$\#])[\w$]*)
    |(?P<number>\d[\w.]*)
    |(?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')
    |(?P<template>`)
    |(?P<mark>=>|===|!==|==|!=|\?\?|\?\.|&&|\|\||\.\.\.|[^\w\s])
    """,
    re.VERBOSE | re.DOTALL,
)
_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
_TEMPLATE = re.compile(r"\\.|\$\{|`", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_BEFORE_REGEX = frozenset(
    {
        "return",
        "typeof",
        "case",
        "in",
        "of",
        "delete",
        "void",
        "throw",
        "new",
        "else",
        "do",
        "instanceof",
        "yield",
    }
    | {"await", "default"}
)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "", "\n": ""}
_DEEPEST = 30


def javascript_tokens(text: str) -> tuple[Token, ...] | None:
    """Return a file's tokens, those inside templates too (in `parts`); None when it is no JavaScript."""
    scanner = _Scanner(text)
    found = scanner.scan(0)
    return tuple(found) if found is not None and scanner.at >= len(text) else None


class _Scanner:
    """One pass over the text; a template's expressions are read by the same scanner, deeper."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 2 if text.startswith("#!") else 0
        self.line = 1
        if self.at:
            newline = text.find("\n")
            self.at = len(text) if newline < 0 else newline

    def scan(self, depth: int) -> list[Token] | None:
        """Return the tokens up to the end, or up to the brace that closes a template's expression."""
        found: list[Token] = []
        text, end = self.text, len(self.text)
        braces = 0
        while self.at < end:
            match = _TOKEN.match(text, self.at)
            if match is None:
                # A lone quote, as in JSX text.
                self.at += 1
                continue
            kind, written = str(match.lastgroup), match[0]
            if kind == "mark":
                if written == "/" and _can_start_regex(found):
                    regex = _REGEX.match(text, self.at)
                    if regex is not None:
                        found.append(Token("regex", regex[0], self.line))
                        self.at = regex.end()
                        continue
                if written == "{":
                    braces += 1
                elif written == "}":
                    if braces == 0 and depth:
                        return found
                    braces -= 1
            self.at = match.end()
            if kind == "newline":
                self.line += 1
            elif kind in {"name", "number", "mark"}:
                found.append(Token(kind, written, self.line))
            elif kind == "string":
                found.append(Token("string", _unescaped(written[1:-1]), self.line))
                self.line += written.count("\n")
            elif kind == "block":
                stop = text.find("*/", self.at)
                stop = end if stop < 0 else stop
                self.line += text.count("\n", self.at, stop)
                self.at = stop + 2
            elif kind == "template":
                template = self.template(depth)
                if template is None:
                    return None
                found.append(template)
        return found if not depth else None

    def template(self, depth: int) -> Token | None:
        """Return a template whose opening backquote was read."""
        parts: list[str | tuple[Token, ...]] = []
        first = self.line
        start = self.at
        if depth >= _DEEPEST:
            return None
        while True:
            match = _TEMPLATE.search(self.text, self.at)
            if match is None:
                return None
            self.line += self.text.count("\n", self.at, match.end())
            self.at = match.end()
            if match[0].startswith("\\"):
                continue
            parts.append(_unescaped(self.text[start : match.start()]))
            if match[0] == "`":
                texts = [part for part in parts if isinstance(part, str)]
                return Token("template", "\0".join(texts), first, tuple(parts))
            inner = self.scan(depth + 1)
            if inner is None:
                return None
            parts.append(tuple(inner))
            self.at += 1
            start = self.at


def _can_start_regex(before: list[Token]) -> bool:
    if not before:
        return True
    last = before[-1]
    if last.kind == "name":
        return last.text in _BEFORE_REGEX
    return last.kind == "mark" and last.text not in {")", "]", "}", "<"}


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if code:
            return chr(int(code, 16)) if int(code, 16) < 0x110000 else ""
        return _PLAIN.get(match[4], match[4])

    return _ESCAPE.sub(value, text)
