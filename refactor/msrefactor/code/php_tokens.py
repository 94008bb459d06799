"""PHP source as tokens: enough to find calls and their literal arguments.

Source: php.net manual "Language Reference / Basic syntax, Types / Strings". Text outside `<?php … ?>` is
left out; a string with a variable in it is a `template` whose text ends before the variable.
"""

from __future__ import annotations

import re

from msrefactor.code.tokens import Token

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r\f]+)
    |(?P<newline>\n)
    |(?P<end>\?>)
    |(?P<comment>(?:\#(?!\[)|//)[^\n]*?(?=\?>|\n|\Z))
    |(?P<block>/\*)
    |(?P<heredoc><<<[ \t]*(?P<mark1>["']?)(?P<word>[A-Za-z_]\w*)(?P=mark1)[ \t]*\r?\n)
    |(?P<name>\$?[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)
    |(?P<number>\d[\w.]*)
    |(?P<quote>["'`])
    |(?P<mark>->|\?->|::|=>|&&|\|\||[^\w\s])
    """,
    re.VERBOSE,
)
_OPEN = re.compile(r"<\?(?:php\b|=)")
_VARIES = re.compile(r"(?<!\\)(?:\\\\)*(\$[A-Za-z_{]|\{\$)")


def tokens(text: str) -> list[Token]:
    """Return a file's tokens. Kinds: `name`, `string`, `template`, `command`, `number`, `mark`."""
    found: list[Token] = []
    at, end = 0, len(text)
    line = 1

    def move(to: int) -> None:
        nonlocal at, line
        line += text.count("\n", at, to)
        at = to

    while at < end:
        opening = _OPEN.search(text, at)
        if opening is None:
            break
        move(opening.end())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None:
                return found
            kind, start = str(match.lastgroup), line
            if kind in ("word", "mark1"):
                kind = "heredoc"
            move(match.end())
            if kind == "end":
                break
            if kind == "block":
                stop = text.find("*/", at)
                move(stop + 2 if stop >= 0 else end)
            elif kind == "heredoc":
                stop_at = re.compile(rf"^[ \t]*{re.escape(match['word'])}\b", re.MULTILINE).search(text, at)
                body = text[at : stop_at.start() if stop_at else end]
                move(stop_at.end() if stop_at else end)
                found.append(_string(body, match["mark1"] != "'", start))
            elif kind == "quote":
                stop = _closing(text, at, match[0])
                body = text[at:stop]
                move(min(stop + 1, end))
                if match[0] == "`":
                    varies = _VARIES.search(body)
                    before = body[: varies.start()] if varies else body
                    found.append(Token("command", before, start, (before,) if varies else ()))
                else:
                    found.append(_string(body, match[0] == '"', start))
            elif kind in ("name", "number", "mark"):
                found.append(Token(kind, match[0], start))
    return found


def _closing(text: str, at: int, quote: str) -> int:
    while at < len(text) and text[at] != quote:
        at += 2 if text[at] == "\\" else 1
    return min(at, len(text))


def _string(body: str, expands: bool, line: int) -> Token:
    varies = _VARIES.search(body) if expands else None
    if varies:
        return Token("template", body[: varies.start()], line, (body[: varies.start()],))
    return Token("string", body.replace("\\'", "'").replace('\\"', '"').replace("\\\\", "\\"), line)
