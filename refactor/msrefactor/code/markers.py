"""Environment markers and requirement specifiers (PEP 508), as far as they can be known without a machine.

Grammar: packaging.python.org, "Dependency specifiers". Nothing is executed; what isn't known is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LINUX = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}
"""Marker variables whose value in a Linux container is known."""

_TOKEN = re.compile(r"""\s*(?:(\(|\))|('[^']*'|"[^"]*")|(===|==|!=|~=|<=|>=|<|>)|([A-Za-z_.][\w.]*))""")
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*")
_SPECIFIER = re.compile(r"(?:===|==|!=|~=|<=|>=|<|>)\s*\S+")
_PINNED = re.compile(r"={2,3}\s*([^,;\s*]+)$")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement, taken apart."""

    name: str
    """Normalised: lower case, runs of `-_.` as one `-`."""
    extras: tuple[str, ...]
    version: str | None
    """The exact version if it is pinned."""
    url: str | None
    """What stands behind `@`."""
    marker: str


def normalised(name: str) -> str:
    """Return a distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement(text: str) -> Requirement | None:
    """Return a requirement specifier taken apart, None when it isn't one."""
    match = _NAME.match(text)
    if match is None:
        return None
    extras = tuple(
        normalised(extra.strip()) for extra in (match[2] or "[]")[1:-1].split(",") if extra.strip()
    )
    rest = text[match.end() :]
    if rest.startswith("@"):
        url, _, marker = rest[1:].strip().partition(" ;")
        return Requirement(normalised(match[1]), extras, None, url.strip(), marker.strip())
    specifiers, _, marker = rest.partition(";")
    specifiers = specifiers.strip().removeprefix("(").removesuffix(")").strip()
    if specifiers and not all(_SPECIFIER.fullmatch(one.strip()) for one in specifiers.rstrip(",").split(",")):
        return None
    pinned = _PINNED.match(specifiers)
    return Requirement(normalised(match[1]), extras, pinned[1] if pinned else None, None, marker.strip())


def is_never_on_linux(marker: str) -> bool:
    """Whether a marker is false in every Linux container, whatever the interpreter's version."""
    if not marker:
        return False
    tokens: list[str] = []
    at = 0
    while at < len(marker.rstrip()):
        match = _TOKEN.match(marker, at)
        if match is None:
            return False
        tokens.append(match[0].strip())
        at = match.end()
    reader = _MarkerReader(tokens)
    value = reader.either(0)
    return value is False and reader.at == len(tokens)


class _MarkerReader:
    """Three-valued evaluation: None is what only the machine knows."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def either(self, depth: int) -> bool | None:
        value = self.both(depth)
        while self.peek() == "or":
            self.take()
            other = self.both(depth)
            value = True if value or other else (False if value is other is False else None)
        return value

    def both(self, depth: int) -> bool | None:
        value = self.one(depth)
        while self.peek() == "and":
            self.take()
            other = self.one(depth)
            value = False if value is False or other is False else (True if value and other else None)
        return value

    def one(self, depth: int) -> bool | None:
        if depth > 20:
            self.at = len(self.tokens) + 1
            return None
        if self.peek() == "(":
            self.take()
            value = self.either(depth + 1)
            if self.take() != ")":
                self.at = len(self.tokens) + 1
            return value
        left, operator, right = self.take(), self.take(), self.take()
        if operator == "not":
            operator, right = f"not {right}", self.take()
        if left[:1] in "'\"":
            left, right = right, left
            swapped = True
        else:
            swapped = False
        known = LINUX.get(left)
        if known is None or right[:1] not in "'\"" or not right:
            return None
        literal = right[1:-1]
        if operator == "==":
            return known == literal
        if operator == "!=":
            return known != literal
        if operator in {"in", "not in"}:
            contained = literal in known if swapped else known in literal
            return contained if operator == "in" else not contained
        return None
