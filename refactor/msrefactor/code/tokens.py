"""Tokens of a language with brackets and commas, and how to cut them into arguments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_ARGUMENTS = 600
"""Tokens of one argument list that are kept; longer ones are data."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token; of a string the value, of a comment the text with its marks."""

    kind: str
    """`name`, `string`, `template`, `number`, `rune`, `regex`, `mark` or `comment`."""
    text: str
    line: int
    """1-based."""
    parts: tuple[str | tuple[Token, ...], ...] = ()
    """Of a template its texts and, as tokens, its expressions, in turn."""


class Code(list[Token]):
    """A file's tokens, which know where each bracket ends."""

    __slots__ = ("ends",)

    def __init__(self, tokens: Iterable[Token]) -> None:
        super().__init__(tokens)
        self.ends: dict[int, int] = {}
        opened: list[int] = []
        for at, token in enumerate(self):
            if token.kind != "mark":
                continue
            if token.text in "{([":
                opened.append(at)
            elif token.text in "})]" and opened:
                self.ends[opened.pop()] = at + 1


def is_mark(code: Sequence[Token], at: int, text: str) -> bool:
    """Whether a certain mark stands at `at`."""
    return 0 <= at < len(code) and code[at].kind == "mark" and code[at].text == text


def is_name(code: Sequence[Token], at: int, text: str = "") -> bool:
    """Whether a name stands at `at`, any or a certain one."""
    return 0 <= at < len(code) and code[at].kind == "name" and (not text or code[at].text == text)


def closing(code: Sequence[Token], at: int) -> int:
    """Return the place behind the partner of the bracket at `at`; right behind it when there is none."""
    if isinstance(code, Code):
        return code.ends.get(at, at + 1)
    depth = 0
    while at < len(code):
        if code[at].kind == "mark":
            depth += (code[at].text in "{([") - (code[at].text in "})]")
            if depth <= 0:
                return at + 1
        at += 1
    return len(code)


def arguments(code: Sequence[Token], at: int) -> tuple[list[list[Token]], int]:
    """Return the comma-separated groups inside the bracket at `at`, and the place behind its partner."""
    end = closing(code, at)
    inside = code[at + 1 : min(end - 1, at + MAX_ARGUMENTS)]
    groups = split(inside, ",")
    if groups and not groups[-1]:
        groups.pop()
    return groups, end


def split(code: Sequence[Token], *marks: str) -> list[list[Token]]:
    """Return the parts between marks that stand outside brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in code:
        if token.kind == "mark":
            if depth == 0 and token.text in marks:
                parts.append([])
                continue
            depth += (token.text in "{([") - (token.text in "})]")
        parts[-1].append(token)
    return parts
