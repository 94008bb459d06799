"""What a source file says that the program uses at run time, whatever its language."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from msrefactor.model import Evidence

CONTEXT_MARK = "context:"
"""Starts a name that was worked out from the place of the source file itself (`Path(__file__).parent / "x"`).

What follows is a path from the root of the build context. Every other name is as the program says it:
absolute, or relative to the directory that the program runs in.
"""

MAX_SOURCE = 1_000_000
"""Source files with more characters than this are generated; they are not read."""

FOREIGN_ENDINGS = (".exe", ".cmd", ".bat", ".ps1", ".dll", ".dylib")
"""Programs and libraries that no Linux system has."""

_ITEM = TypeVar("_ITEM")


class SourceReader(Protocol):
    """The part of a build context that reading source needs; paths are posix, relative to its root."""

    def is_file(self, path: str) -> bool:
        """Whether there is a regular file."""

    def is_dir(self, path: str) -> bool:
        """Whether there is a directory."""

    def read_text(self, path: str) -> str | None:
        """Return the text of a file, None when it can't be had."""

    def files(self, prefix: str = "") -> tuple[str, ...]:
        """Return all files below a directory."""


@dataclass(frozen=True, slots=True)
class CodeNeeds:
    """What the application's own source uses at run time, each with the place that says so."""

    commands: tuple[tuple[str, Evidence], ...] = ()
    """Programs that are started: a name for PATH, an absolute path, or a path behind `CONTEXT_MARK`."""
    unknown_commands: tuple[Evidence, ...] = ()
    """Places that start a program whose name isn't written there."""
    libraries: tuple[tuple[str, Evidence], ...] = ()
    """Shared libraries loaded by name: a soname (`libmagic.so.1`), or a bare name (`magic`)."""
    unknown_libraries: tuple[Evidence, ...] = ()
    paths: tuple[tuple[str, Evidence], ...] = ()
    """Files and directories that are read."""
    unknown_paths: tuple[Evidence, ...] = ()
    """Places that read a file whose path isn't written there."""
    imports: frozenset[str] = frozenset()
    """Python: top-level modules. JavaScript: packages, Node's own without `node:`. Go: import paths."""
    writes_temp: bool = False
    """Whether temporary files are made."""
    written: tuple[tuple[str, Evidence], ...] = ()
    """Files that are only written; they need not exist, their directory must."""
    embedded: tuple[tuple[str, Evidence], ...] = ()
    """Files that the build puts into the program (`//go:embed`), as patterns from the context's root."""

    unknown_imports: tuple[Evidence, ...] = ()
    """Places that import a module or package whose name isn't written there."""

    def merged(self, other: CodeNeeds) -> CodeNeeds:
        """Return the needs of both; of a name that both have, the first place is kept."""
        return merged_needs((self, other))


EMPTY = CodeNeeds()


def merged_needs(needs: Iterable[CodeNeeds]) -> CodeNeeds:
    """Return the needs of all; of a name that several have, the first place is kept."""
    every = tuple(needs)
    return CodeNeeds(
        commands=_first_of_each_name(pair for one in every for pair in one.commands),
        unknown_commands=_distinct(place for one in every for place in one.unknown_commands),
        libraries=_first_of_each_name(pair for one in every for pair in one.libraries),
        unknown_libraries=_distinct(place for one in every for place in one.unknown_libraries),
        paths=_first_of_each_name(pair for one in every for pair in one.paths),
        unknown_paths=_distinct(place for one in every for place in one.unknown_paths),
        imports=frozenset().union(*(one.imports for one in every)),
        writes_temp=any(one.writes_temp for one in every),
        written=_first_of_each_name(pair for one in every for pair in one.written),
        embedded=_first_of_each_name(pair for one in every for pair in one.embedded),
        unknown_imports=_distinct(place for one in every for place in one.unknown_imports),
    )


def source_texts(reader: SourceReader, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each source file that can be read and isn't generated, with its text."""
    for path in paths:
        text = reader.read_text(path)
        if text is not None and len(text) <= MAX_SOURCE:
            yield path, text


def context_path(name: str) -> str | None:
    """Return the path from the root of the build context, None when the name isn't marked as one."""
    return name.removeprefix(CONTEXT_MARK) if name.startswith(CONTEXT_MARK) else None


def beside(path: str, relative: str) -> str | None:
    """Return a path written relative to the directory of `path`, marked; None when it leaves the context."""
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), relative))
    if joined.startswith(("../", "/")) or joined == "..":
        return None
    return CONTEXT_MARK + joined


def excerpt(text: str, limit: int = 120) -> str:
    """Return source text on one line, cut to a length fit for a report."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _first_of_each_name(pairs: Iterable[tuple[str, Evidence]]) -> tuple[tuple[str, Evidence], ...]:
    first: dict[str, Evidence] = {}
    for name, evidence in pairs:
        first.setdefault(name, evidence)
    return tuple(first.items())


def _distinct(items: Iterable[_ITEM]) -> tuple[_ITEM, ...]:
    return tuple(dict.fromkeys(items))


@dataclass(slots=True)
class Findings:
    """What a scan has found so far; `needs()` freezes it."""

    path: str
    """The file that is read, as evidence names it."""
    commands: list[tuple[str, Evidence]] = field(default_factory=list)
    unknown_commands: list[Evidence] = field(default_factory=list)
    libraries: list[tuple[str, Evidence]] = field(default_factory=list)
    unknown_libraries: list[Evidence] = field(default_factory=list)
    paths: list[tuple[str, Evidence]] = field(default_factory=list)
    unknown_paths: list[Evidence] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    writes_temp: bool = False
    written: list[tuple[str, Evidence]] = field(default_factory=list)
    embedded: list[tuple[str, Evidence]] = field(default_factory=list)
    unknown_imports: list[Evidence] = field(default_factory=list)

    def needs(self) -> CodeNeeds:
        """Return what was found, each name and place once."""
        return CodeNeeds(
            commands=_first_of_each_name(self.commands),
            unknown_commands=_distinct(self.unknown_commands),
            libraries=_first_of_each_name(self.libraries),
            unknown_libraries=_distinct(self.unknown_libraries),
            paths=_first_of_each_name(self.paths),
            unknown_paths=_distinct(self.unknown_paths),
            imports=frozenset(self.imports),
            writes_temp=self.writes_temp,
            written=_first_of_each_name(self.written),
            embedded=_first_of_each_name(self.embedded),
            unknown_imports=_distinct(self.unknown_imports),
        )
