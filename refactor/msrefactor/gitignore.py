"""Which files git leaves out: .gitignore files and .git/info/exclude, as `git check-ignore` decides.

Reimplemented from gitignore(5), because a pattern is a stranger's: no regular expression is made of it, and
matching takes time in proportion to pattern times path. What the user's own configuration ignores
(core.excludesFile) isn't asked, so that every machine finds the same files. Whether a file is tracked isn't
asked either.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import lru_cache

from msrefactor.patterns import glob_matches, has_wildcard

_LARGEST = 2_000_000
"""Bytes of an ignore file; a larger one isn't read."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One line of an ignore file."""

    segments: tuple[str, ...]
    is_negated: bool
    only_folders: bool
    name: str | None
    """What the last part of the path has to be, where nothing is said of the others."""

    def matches(self, parts: tuple[str, ...], *, is_folder: bool) -> bool:
        """Tell whether a path below the ignore file's folder, given in its parts, is meant."""
        if self.only_folders and not is_folder:
            return False
        if self.name is not None:
            return self.name == parts[-1] or _is_meant(self.name, parts[-1])
        return _match(self.segments, parts)


@dataclass(frozen=True, slots=True)
class IgnoredByGit:
    """The rules that hold in a folder: those of its repository's top first, its own last."""

    folder: str
    rules: tuple[tuple[int, tuple[_Pattern, ...]], ...] = ()
    """Number of parts of the ignore file's folder below the repository's top, and its patterns."""
    below_top: tuple[str, ...] = ()
    is_in_repository: bool = False

    @staticmethod
    def of(folder: str) -> IgnoredByGit:
        """Return the rules of a folder that the user names: it counts even if git ignores it itself."""
        real = os.path.realpath(folder)
        above = [real]
        while os.path.dirname(above[-1]) != above[-1]:  # noqa: PTH120  os.walk speaks strings
            above.append(os.path.dirname(above[-1]))  # noqa: PTH120
        home = os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111
        tops = (n for n, path in enumerate(above) if _has_git(path) and path not in {home, "/"})
        top = next(tops, None)
        if top is None:
            return IgnoredByGit(real)
        current = _top(above[top])
        for path in reversed(above[:top]):
            name = os.path.basename(path)  # noqa: PTH119
            if current.ignores(name, is_folder=True):
                return IgnoredByGit(real, is_in_repository=True)._with_own()
            current = current.entered(name)
        return current

    def entered(self, name: str) -> IgnoredByGit:
        """Return the rules of a folder in this one; a repository of its own has its own."""
        folder = os.path.join(self.folder, name)  # noqa: PTH118
        if _has_git(folder):
            return _top(folder)
        if not self.is_in_repository:
            return IgnoredByGit(folder)
        return IgnoredByGit(folder, self.rules, (*self.below_top, name), is_in_repository=True)._with_own()

    def ignores(self, name: str, *, is_folder: bool) -> bool:
        """Tell whether git leaves out what has this name in the folder; the last that fits decides."""
        path = (*self.below_top, name)
        for depth, patterns in reversed(self.rules):
            parts = path[depth:]
            for pattern in reversed(patterns):
                if pattern.matches(parts, is_folder=is_folder):
                    return not pattern.is_negated
        return False

    def _with_own(self) -> IgnoredByGit:
        own = _patterns_of(os.path.join(self.folder, ".gitignore"))  # noqa: PTH118
        if not own:
            return self
        rules = (*self.rules, (len(self.below_top), own))
        return IgnoredByGit(self.folder, rules, self.below_top, is_in_repository=True)


def _has_git(folder: str) -> bool:
    return os.path.lexists(os.path.join(folder, ".git"))  # noqa: PTH118


def _top(folder: str) -> IgnoredByGit:
    """Return the rules at the top of a repository."""
    own = _patterns_of(os.path.join(folder, ".git", "info", "exclude"))  # noqa: PTH118
    return IgnoredByGit(folder, ((0, own),) if own else (), is_in_repository=True)._with_own()


def _patterns_of(file: str) -> tuple[_Pattern, ...]:
    """Return the patterns of an ignore file; none where it can't be read, as git has it for a link."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ()
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ()
        data = opened.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        return ()
    return patterns(data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape"))


def patterns(text: str) -> tuple[_Pattern, ...]:
    """Return the patterns of an ignore file's text."""
    found = (_pattern(line.removesuffix("\r")) for line in text.split("\n"))
    return tuple(pattern for pattern in found if pattern is not None)


def _pattern(line: str) -> _Pattern | None:
    if line.startswith("#"):
        return None
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    is_negated = line.startswith("!")
    line = line[is_negated:]
    only_folders = line.endswith("/")
    line = line.removesuffix("/")
    if not line:
        return None
    name = None if "/" in line else _segment(line if line != "**" else "*")
    segments = tuple(map(_segment, line.removeprefix("/").split("/")))
    return _Pattern(segments, is_negated, only_folders, name)


def _segment(text: str) -> str:
    """Return one part of a pattern, as `glob_matches` takes it."""
    if text != "**" and "**" in text:
        text = _single_stars(text)
    return text.replace("[!", "[^")


def _single_stars(text: str) -> str:
    while "**" in text:
        text = text.replace("**", "*")
    return text


def _match(segments: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Tell whether the parts of a path are those of the pattern; `**` stands for any number of folders."""
    reached = {0}
    for number, segment in enumerate(segments):
        if segment == "**":
            # at the end it means everything inside, elsewhere also no folder at all
            first = min(reached) + (number == len(segments) - 1)
            reached = set(range(first, len(parts) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(parts) and _is_meant(segment, parts[at])}
        if not reached:
            return False
    return len(parts) in reached


def _is_meant(segment: str, name: str) -> bool:
    return glob_matches(segment, name) if _is_glob(segment) else segment == name


@lru_cache(maxsize=4096)
def _is_glob(segment: str) -> bool:
    return has_wildcard(segment) or "\\" in segment
