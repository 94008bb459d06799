"""What the application's own source says that it uses: commands, libraries, files."""

from __future__ import annotations

import posixpath

from msrefactor.code.needs import FOREIGN_ENDINGS, CodeNeeds, context_path
from msrefactor.code.shell import BUILTINS
from msrefactor.verification.reach import Reach


def want_of_source(reach: Reach, path: str, needs: CodeNeeds) -> None:
    """Add what one source file needs; its paths were read as from the root (`app/main.py`)."""
    for name, evidence in needs.commands:
        marked = context_path(name)
        command = f"/{marked}" if marked is not None else name
        if command in BUILTINS or command.endswith(FOREIGN_ENDINGS):
            continue
        by = _place(path, evidence.line)
        found, reason = reach.find(command, reach.folder)
        if found is None and marked is not None:
            continue
        reach.want("program", command, by, found, reason)
        if found is not None and not found.startswith("/proc"):
            reach.libraries(found)
    for name, evidence in needs.libraries:
        reach.want("shared library", name, _place(path, evidence.line), _library(reach, name))
    for name, evidence in needs.paths:
        marked = context_path(name)
        place = f"/{marked}" if marked is not None else posixpath.join(reach.folder, name)
        place = posixpath.normpath(place)
        if place != "/" and not place.startswith(("/proc", "/sys", "/dev", "/tmp")):
            reach.file(place, _place(path, evidence.line))


def _place(path: str, line: int | None) -> str:
    return path if line is None else f"{path}:{line}"


def _library(reach: Reach, name: str) -> str | None:
    """Return a library as dlopen(3) or a find_library finds it: by soname, or by its bare name."""
    if ".so" in name or "/" in name:
        return reach.loader.by_name(posixpath.basename(name))
    start = f"lib{name}.so"
    known = sorted(one for one in reach.loader.sonames() if one.startswith(start))
    return next((found for one in (start, *known) if (found := reach.loader.by_name(one))), None)
