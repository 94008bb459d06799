"""Which files of a folder are Dockerfiles."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msrefactor.gitignore import IgnoredByGit
from msrefactor.source import is_temporary

NAME = re.compile(r"(?i)^((docker|container)file([._-][^/]*)?|[^/]+\.(docker|container)file)$")
"""Dockerfile, Dockerfile.dev, dev.Dockerfile, Containerfile …; the pattern of the pre-commit hook."""

NOT_A_DOCKERFILE = re.compile(
    r"\.(dockerignore|j2|jinja2?|tmpl|erb|md|py|go|rs|js|ts|rb|sh|json|ya?ml|toml|lock|bak|orig|rej|swp)$"
)
"""Endings of files that only talk about a Dockerfile, make one, or are an editor's copy of one."""

SKIPPED_FOLDERS = frozenset(
    {
        ".bzr", ".direnv", ".eggs", ".git", ".hg", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache",
        ".svn", ".terraform", ".tox", ".venv", ".yarn", "__pycache__", "bower_components",
        "node_modules", "site-packages", "third_party", "vendor", "venv",
    }
)  # fmt: skip
"""Folders whose files belong to somebody else, or to a tool."""


@dataclass(frozen=True, slots=True)
class Found:
    """The Dockerfiles under the given paths, in a fixed order, each file once."""

    files: tuple[Path, ...]
    unreadable: tuple[tuple[Path, str], ...] = ()
    """Folders that could not be listed, and why."""
    littered: tuple[Path, ...] = ()
    """Folders in which a run that was killed may have left a temporary file."""


def is_dockerfile_name(name: str) -> bool:
    """Whether a file with this name is taken for a Dockerfile when a folder is walked."""
    return NAME.match(name) is not None and NOT_A_DOCKERFILE.search(name) is None


def find_dockerfiles(paths: Sequence[str]) -> Found:
    """Take named files as they are and walk named folders; two names of one file count once."""
    files: dict[str, Path] = {}
    unreadable: list[tuple[Path, str]] = []
    littered: list[Path] = []
    for path in paths:
        found = _walk(path, unreadable, littered) if Path(path).is_dir() else iter([path])
        for file in found:
            files.setdefault(os.path.realpath(file), Path(file))
    return Found(tuple(files.values()), tuple(unreadable), tuple(littered))


def _walk(root: str, unreadable: list[tuple[Path, str]], littered: list[Path]) -> Iterator[str]:
    """Yield the Dockerfiles under a folder that git doesn't ignore, sorted; real files before links to files.

    A repository below is walked with its own rules. What a folder of links leads to isn't walked.
    """
    real_root = os.path.realpath(root)
    links: list[str] = []
    rules: dict[str, tuple[IgnoredByGit, str]] = {}

    def note(error: OSError) -> None:
        unreadable.append((Path(error.filename or root), error.strerror or str(error)))

    for folder, subfolders, names in os.walk(root, onerror=note):
        above = rules.pop(folder, None)
        git = IgnoredByGit.of(folder) if above is None else above[0].entered(above[1])
        subfolders[:] = sorted(
            name
            for name in subfolders
            if not _is_skipped(folder, name) and not git.ignores(name, is_folder=True)
        )
        rules.update((os.path.join(folder, name), (git, name)) for name in subfolders)  # noqa: PTH118
        if any(map(is_temporary, names)):
            littered.append(Path(folder))
        for name in sorted(filter(is_dockerfile_name, names)):
            if git.ignores(name, is_folder=False):
                continue
            file = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118  os.walk speaks strings
            if os.path.islink(file):  # noqa: PTH114
                links.append(file)
            elif os.path.isfile(file):  # noqa: PTH113
                yield file
    # After the real files, so that a link to one of them isn't a second file. A link that leaves the root is
    # not followed: --write would edit a file outside the folder that the user named.
    for link in links:
        target = os.path.realpath(link)
        if os.path.isfile(target) and os.path.commonpath([target, real_root]) == real_root:  # noqa: PTH113
            yield link


def _is_skipped(folder: str, name: str) -> bool:
    """Whether the walk leaves this folder out: not the author's, or a Python environment by any name."""
    return name in SKIPPED_FOLDERS or os.path.isfile(os.path.join(folder, name, "pyvenv.cfg"))  # noqa: PTH113, PTH118
