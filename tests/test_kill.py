"""Killed, or failing, at any step of writing: every file is whole, old or new.

A forked child writes while each call that reaches the disk is counted. At one of them it kills itself, before
the call, after it, or (a write) with only some of the bytes written; or the call fails as on a bad disk. So
every point is hit, and no clock is involved.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import fakes
from msrefactor import cli, pipeline
from msrefactor.errors import WriteFailed
from msrefactor.source import create_atomically, read_source, save_atomically, write_atomically

OLD = b"FROM old\n" + b"RUN a\n" * 60
NEW = "FROM new\n" + "RUN longer and longer\n" * 60
STEPS = ("open", "write", "fsync", "fchmod", "fchown", "setxattr", "replace", "link", "unlink", "ftruncate")
"""The functions of `os` that change what is on the disk."""
PARTS = tuple(number / 290 for number in range(290))
"""How much of a write has happened when the process is killed in the middle of it."""


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of fsyncs are nothing there."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


@dataclass(frozen=True)
class Fault:
    """What happens at which step."""

    step: int
    kind: str
    """`before`, `after`, `part` (of a write) or `error`."""
    part: float = 0.0
    number: int = 0


class Counted:
    """Counts the steps, and does what the fault says at its step."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.count = 0
        self.names: list[str] = []
        self.real = {name: getattr(os, name) for name in STEPS if hasattr(os, name)}

    def __enter__(self) -> Counted:
        for name in self.real:
            setattr(os, name, self.step(name))
        return self

    def __exit__(self, *_: object) -> None:
        for name, function in self.real.items():
            setattr(os, name, function)

    def step(self, name: str) -> Callable[..., Any]:
        real = self.real[name]

        def call(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
                return real(*arguments, **options)
            self.count += 1
            self.names.append(name)
            if self.count == self.fault.step:
                if self.fault.kind == "error":
                    raise OSError(self.fault.number, os.strerror(self.fault.number))
                if self.fault.kind == "part":
                    descriptor, data = arguments
                    self.real["write"](descriptor, bytes(data)[: int(len(data) * self.fault.part)])
                elif self.fault.kind == "after":
                    with suppress(OSError):
                        real(*arguments, **options)
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)

        return call


def died(work: Callable[[], object], fault: Fault) -> bool:
    """Do the work in a child with the fault; tell whether it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            with Counted(fault):
                work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def steps_of(work: Callable[[], object]) -> Counted:
    with Counted(Fault(0, "none")) as counted:
        work()
    return counted


def points(counted: Counted, parts: Sequence[float] = PARTS) -> Iterator[Fault]:
    for step, name in enumerate(counted.names, 1):
        yield Fault(step, "before")
        yield Fault(step, "after")
        if name == "write":
            yield from (Fault(step, "part", part) for part in parts)


# ---- one file --------------------------------------------------------------------------------------------


def replaced(folder: Path) -> None:
    write_atomically(read_source(folder / "Dockerfile"), NEW)


def created(folder: Path) -> None:
    create_atomically(folder / "Dockerfile", NEW)


def saved(folder: Path) -> None:
    save_atomically(folder / "Dockerfile", NEW)


def plain(folder: Path) -> None:
    (folder / "Dockerfile").write_bytes(OLD)
    (folder / "Dockerfile").chmod(0o640)


def linked(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "real/Dockerfile").write_bytes(OLD)
    (folder / "Dockerfile").symlink_to("real/Dockerfile")


def twice(folder: Path) -> None:
    (folder / "Dockerfile").write_bytes(OLD)
    (folder / "other").hardlink_to(folder / "Dockerfile")


def absent(folder: Path) -> None:
    """There is no file."""


CASES: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "replaced": (plain, replaced),
    "replaced behind a link": (linked, replaced),
    "overwritten": (twice, replaced),
    "created": (absent, created),
    "saved anew": (absent, saved),
    "saved again": (plain, saved),
}


counts: Counter[str] = Counter()


def fresh(disk: Path, make: Callable[[Path], None]) -> Path:
    folder = disk / "folder"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    make(folder)
    return folder


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize("name", CASES)
def test_killed_at_each_step_the_file_is_whole(disk: Path, name: str) -> None:
    make, work = CASES[name]
    folder = fresh(disk, make)
    counted = steps_of(lambda: work(folder))
    assert content(folder / "Dockerfile") == NEW.encode()
    assert counted.count >= 6
    outcomes = set()
    for fault in points(counted):
        folder = fresh(disk, make)
        old = content(folder / "Dockerfile")
        assert died(lambda folder=folder: work(folder), fault)  # type: ignore[misc]
        found = content(folder / "Dockerfile")
        backup = content(folder / "Dockerfile.msrefactor-backup")
        if found not in {old, NEW.encode()}:
            # a file of several names can only be overwritten; the old content lies beside it
            assert (name, backup) == ("overwritten", OLD)
        outcomes.add("old" if found == old else "new" if found == NEW.encode() else "backed up")
        # the next run does it, and sweeps what was left
        (folder / "Dockerfile.msrefactor-backup").unlink(missing_ok=True)
        if old is not None:
            (folder / "Dockerfile").write_bytes(old)
        else:
            (folder / "Dockerfile").unlink(missing_ok=True)
        work(folder)
        assert content(folder / "Dockerfile") == NEW.encode()
        assert [path.name for path in folder.rglob("*msrefactor-*")] == []
        counts[name] += 1
    assert {"old", "new"} <= outcomes


def test_enough_points_were_tried() -> None:
    """Runs after the tests above, where they all run: what a file can lose was tried at 2,000 points."""
    if set(counts) == set(CASES):
        assert counts.total() >= 2_000


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name", CASES)
def test_error_at_each_step_leaves_a_whole_file_and_nothing_else(disk: Path, name: str, number: int) -> None:
    make, work = CASES[name]
    folder = fresh(disk, make)
    counted = steps_of(lambda: work(folder))
    outcomes = set()
    for step, function in enumerate(counted.names, 1):
        folder = fresh(disk, make)
        before = content(folder / "Dockerfile")
        names = sorted(path.name for path in folder.rglob("*"))
        with Counted(Fault(step, "error", number=number)):
            try:
                work(folder)
                outcomes.add("new")
            except WriteFailed:
                outcomes.add("old")
        found = content(folder / "Dockerfile")
        assert found in {before, NEW.encode()}
        left = [path for path in sorted(path.name for path in folder.rglob("*")) if path not in names]
        left = [path for path in left if path != "Dockerfile"]
        # what can't be removed stays, under a name that tells what it is
        assert left == [] or (function == "unlink" and "msrefactor-" in left[0])
    assert "old" in outcomes


# ---- a whole run -----------------------------------------------------------------------------------------


def tree(folder: Path) -> None:
    for number in range(6):
        (folder / f"{number:02}").mkdir()
        (folder / f"{number:02}/Dockerfile").write_text(fakes.PYTHON)


def test_killed_at_each_step_of_a_run_nothing_is_lost(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "transforms", lambda: fakes.FAKES)
    monkeypatch.setattr(pipeline, "_the_check", lambda: fakes.approve)

    def work(folder: Path) -> None:
        arguments = ["--write", "-q", "--jobs", "1", "--report", str(folder / "report.json"), str(folder)]
        assert cli.main(arguments) == 0

    folder = fresh(disk, tree)
    counted = steps_of(lambda: work(folder))
    assert counted.count >= 6 * 6
    texts = {fakes.PYTHON.encode(), fakes.NAMED.encode()}
    killed = 0
    for fault in points(counted, (0.0, 0.5)):
        folder = fresh(disk, tree)
        assert died(lambda folder=folder: work(folder), fault)  # type: ignore[misc]
        killed += 1
        files = sorted(folder.rglob("*"))
        assert {path.read_bytes() for path in files if path.name == "Dockerfile"} <= texts
        strays = [
            path.name for path in files if path.is_file() and path.name not in {"Dockerfile", "report.json"}
        ]
        assert len(strays) <= 1
        assert all(name.startswith(".msrefactor-") for name in strays)
        assert content(folder / "report.json") is None or fault.step > counted.count - 4
        if killed % 20 == 0:  # the next run ends it, and sweeps
            work(folder)
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            assert {path.read_bytes() for path in files if path.name == "Dockerfile"} == {
                fakes.NAMED.encode()
            }
            assert [path.name for path in files] == ["Dockerfile"] * 6 + ["report.json"]
    assert killed >= 100
