"""Ruby source as tokens: enough of the language to find calls, their literal arguments and shell commands.

Source: docs.ruby-lang.org "doc/syntax/literals". A `/` counts as the start of a regular expression where no
value can stand before it; heredocs are strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from msrefactor.code.tokens import Token

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r\f]+|\\\n)
    |(?P<newline>\n)
    |(?P<comment>\#[^\n]*)
    |(?P<heredoc><<[~-]?(?:"[A-Z_]\w*"|'[A-Z_]\w*'|[A-Z_]\w*))
    |(?P<percent>%[qQwWiIxrs]?[\(\[\{<|!/^])
    |(?P<name>[$@]{0,2}[A-Za-z_]\w*[?!]?(?:(?=:[^:])|))
    |(?P<number>\d[\w.]*)
    |(?P<quote>["'`])
    |(?P<symbol>:[A-Za-z_]\w*[?!]?)
    |(?P<mark>=>|&&|\|\||::|[^\w\s])
    """,
    re.VERBOSE,
)
_PARTNERS = {"(": ")", "[": "]", "{": "}", "<": ">"}
_BEFORE_VALUE = frozenset(
    "if unless while until when and or not return puts p print in then else elsif do yield require".split()
)
_DATA_END = re.compile(r"^__END__$", re.MULTILINE)


def tokens(text: str) -> list[Token]:
    """Return a file's tokens, line ends as marks; stops at what can't be read.

    Kinds: `name`, `symbol`, `string` (a literal without interpolation), `template` (one with it; `text` is
    what stands before the first), `command` (backquotes and `%x`; with interpolation `parts` isn't empty),
    `number`, `regex`, `mark`.
    """
    end = _DATA_END.search(text)
    return list(_Reader(text[: end.start()] if end else text).read())


@dataclass(slots=True)
class _Reader:
    """The place in the text, and the heredocs whose bodies are still to come."""

    text: str
    at: int = 0
    line: int = 1

    def read(self) -> Iterator[Token]:
        waiting: list[str] = []
        last: Token | None = None
        while self.at < len(self.text):
            if self.text.startswith("=begin", self.at) and self._is_line_start():
                stop = self.text.find("\n=end", self.at)
                if stop < 0:
                    return
                self._move(stop + 5)
                continue
            match = _TOKEN.match(self.text, self.at)
            if match is None:
                return
            kind, found = str(match.lastgroup), match[0]
            line = self.line
            made: Token | None = None
            if kind == "mark" and found == "/" and self._takes_regex(last):
                self.at += 1
                self._until("/", "")
                made = Token("regex", "", line)
            elif kind == "percent" and not self._takes_percent(last):
                self.at += 1
                made = Token("mark", "%", line)
            elif kind == "percent":
                self._move(match.end())
                made = self._percent(found, line)
            elif kind == "quote":
                self._move(match.end())
                made = self._quoted(found, line)
            elif kind == "heredoc" and self._takes_percent(last):
                self._move(match.end())
                waiting.append(found)
                made = Token("template", "", line)
            else:
                if kind == "heredoc":
                    found, kind = "<", "mark"
                self._move(self.at + len(found))
                if kind == "newline":
                    for mark in waiting:
                        self._skip_heredoc(mark)
                    waiting.clear()
                    made = Token("mark", "\n", line)
                elif kind == "symbol":
                    made = Token("symbol", found[1:], line)
                elif kind in ("name", "number", "mark"):
                    made = Token(kind, found, line)
            if made is not None:
                last = made
                yield made

    def _is_line_start(self) -> bool:
        return self.at == 0 or self.text[self.at - 1] == "\n"

    def _move(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def _takes_regex(self, last: Token | None) -> bool:
        if last is None or (last.kind == "mark" and last.text not in (")", "]", "}")):
            return True
        if last.kind == "name" and last.text in _BEFORE_VALUE:
            return True
        is_spaced = (
            self.at > 0 and self.text[self.at - 1] == " " and self.text[self.at + 1 : self.at + 2] > " "
        )
        # `a /b` may be a division: a regular expression ends on its line
        is_closed = "/" in self.text[self.at + 1 : self.at + 400].partition("\n")[0]
        return last.kind == "name" and is_spaced and is_closed

    def _takes_percent(self, last: Token | None) -> bool:
        if last is None or last.kind in ("mark",):
            return last is None or last.text not in (")", "]", "}")
        return last.kind == "name" and self.at > 0 and self.text[self.at - 1] in " ("

    def _until(self, close: str, opened: str) -> tuple[str, bool]:
        """Return the text up to the closing mark, and whether it has interpolation."""
        start, depth, varies = self.at, 0, False
        at = self.at
        while at < len(self.text):
            char = self.text[at]
            if char == "\\":
                at += 2
                continue
            if char == "#" and self.text[at + 1 : at + 2] == "{":
                varies = True
                at = self._behind_interpolation(at + 2)
                continue
            if opened and char == opened:
                depth += 1
            elif char == close:
                if depth == 0:
                    break
                depth -= 1
            at += 1
        body = self.text[start:at]
        self._move(min(at + 1, len(self.text)))
        return body, varies

    def _behind_interpolation(self, at: int) -> int:
        depth = 1
        while at < len(self.text) and depth:
            char = self.text[at]
            depth += (char == "{") - (char == "}")
            at += 2 if char == "\\" else 1
        return at

    def _quoted(self, quote: str, line: int) -> Token:
        if quote == "'":
            start = at = self.at
            while at < len(self.text) and self.text[at] != "'":
                at += 2 if self.text[at] == "\\" else 1
            body = self.text[start:at]
            self._move(min(at + 1, len(self.text)))
            return Token("string", body, line)
        body, varies = self._until(quote, "")
        return self._token("command" if quote == "`" else "string", body, varies, line)

    def _percent(self, found: str, line: int) -> Token:
        opened = found[-1]
        close = _PARTNERS.get(opened, opened)
        letter = found[1] if len(found) > 2 else "Q"
        body, varies = self._until(close, opened if opened in _PARTNERS else "")
        if letter == "x":
            return self._token("command", body, varies, line)
        if letter == "r":
            return Token("regex", "", line)
        return self._token("string", body, varies and letter in "QWI", line)

    def _token(self, kind: str, body: str, varies: bool, line: int) -> Token:
        if not varies:
            return Token(kind, body, line)
        before = body.partition("#{")[0]
        return Token("template" if kind == "string" else kind, before, line, (before,))

    def _skip_heredoc(self, mark: str) -> None:
        word = mark.lstrip("<~-").strip("\"'")
        while self.at < len(self.text):
            stop = self.text.find("\n", self.at)
            stop = len(self.text) if stop < 0 else stop
            is_end = self.text[self.at : stop].strip() == word
            self._move(min(stop + 1, len(self.text)))
            if is_end:
                return
