"""A watch over what the interpreter does on our behalf: nothing is run, sent, written, or read elsewhere.

Python tells an audit hook of every file opened, every process and socket made, every import and every piece
of code that is run (PEP 578). The hook can't be taken away, so there is one, which looks only while `watched`
does.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType

from conftest import REPOSITORY

FORBIDDEN = (
    "ctypes.", "ftplib.", "http.client.", "os.chmod", "os.chown", "os.exec", "os.fork", "os.kill", "os.link",
    "os.mkdir", "os.posix_spawn", "os.putenv", "os.remove", "os.rename", "os.rmdir", "os.spawn",
    "os.startfile", "os.symlink", "os.system", "os.truncate", "os.utime", "pickle.", "pty.", "shutil.",
    "smtplib.", "socket.", "sqlite3.", "subprocess.", "tempfile.", "urllib.", "webbrowser.",
)  # fmt: skip
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

OURS = tuple(
    os.path.realpath(folder)
    for folder in (
        str(REPOSITORY / "refactor"),
        str(REPOSITORY / "transforms"),
        *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    )
)
"""The tool, the libraries and the interpreter."""


class Watch:
    """What was seen that must not be."""

    def __init__(self) -> None:
        self.root = ""
        self.is_on = False
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: Sequence[object]) -> None:
        """Note what is forbidden; it isn't raised, for the code under test may catch everything."""
        if not self.is_on:
            return
        self.is_on = False  # what is done here isn't looked at
        try:
            self.look(event, arguments)
        finally:
            self.is_on = True

    def look(self, event: str, arguments: Sequence[object]) -> None:
        if event.startswith(FORBIDDEN):
            self.seen.append(f"{event} {arguments!r:.200}")
        elif event == "open":
            path, mode, flags = arguments
            is_written = isinstance(flags, int) and flags & WRITES
            if is_written or (isinstance(mode, str) and set(mode) & set("wax+")):
                self.seen.append(f"written: {path!r}")
            elif isinstance(path, str | bytes | os.PathLike) and not self.is_inside(os.fsdecode(path)):
                self.seen.append(f"opened: {path!r}")
        elif event in ("os.listdir", "os.scandir"):
            path = arguments[0]
            if isinstance(path, str | bytes | os.PathLike) and not self.is_near(os.fsdecode(path)):
                self.seen.append(f"listed: {path!r}")
        elif event == "exec":
            code = arguments[0]
            if isinstance(code, CodeType) and self.is_of_project(code.co_filename):
                self.seen.append(f"run: {code.co_filename}")
        elif event == "import" and isinstance(arguments[1], str) and self.is_of_project(arguments[1]):
            self.seen.append(f"imported: {arguments[1]}")

    def is_of_project(self, path: str) -> bool:
        return not path.startswith("<") and is_below(os.path.realpath(path), self.root)

    def is_inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return any(is_below(real, folder) for folder in (self.root, *OURS)) or path == os.devnull

    def is_near(self, path: str) -> bool:
        """Tell whether a folder may be listed: also three above, where compose files may name the context."""
        above = [str(folder) for folder in Path(self.root).parents[:3]]
        return self.is_inside(path) or os.path.realpath(path) in above


def is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


_watch = Watch()
sys.addaudithook(_watch)


@contextmanager
def watched(root: Path) -> Iterator[list[str]]:
    """Give the list of what is seen while this lasts; it is empty if all is well."""
    writes_bytecode = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    _watch.root, _watch.seen = os.path.realpath(root), []
    _watch.is_on = True
    try:
        yield _watch.seen
    finally:
        _watch.is_on = False
        sys.dont_write_bytecode = writes_bytecode
