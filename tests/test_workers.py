"""Work by several processes: results in order, bounded memory, no process left behind, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from msrefactor import workers
from msrefactor.workers import in_order, jobs_for


def lost(number: int, reason: str) -> tuple[int, str]:
    return number, reason


def child_processes() -> set[int]:
    """Our own children, zombies too."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(entry.name))
    return found


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> object:
    if not Path("/proc/self/stat").exists():
        yield
        return
    before = child_processes(), descriptors()
    yield
    assert (child_processes(), descriptors()) == before


def descriptors() -> set[str]:
    """The files that this process has open; one more is that of the folder that is listed."""
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize("count", [0, 1, 2, 7, 200])
@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_results_come_in_order(count: int, jobs: int) -> None:
    def work(number: int) -> tuple[int, str]:
        if number % 10 == 1:
            time.sleep(0.01)
        return number, "x" * (number * 1000)

    results = list(in_order(count, work, lost, jobs))
    assert [number for number, _ in results] == list(range(count))
    assert all(len(text) == number * 1000 for number, text in results)


def test_work_is_divided_and_the_first_is_done_here() -> None:
    processes = [number for number, _ in in_order(40, lambda _: (os.getpid(), ""), lost, 2)]
    assert processes[0] == os.getpid()
    assert os.getpid() not in processes[1:]
    assert 1 <= len(set(processes[1:])) <= 2


@pytest.mark.parametrize("how", ["killed", "exits", "segfaults"])
def test_thing_whose_worker_dies_is_lost_and_no_other(how: str) -> None:
    def work(number: int) -> tuple[int, str]:
        if number in {3, 17, 18}:
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            elif how == "exits":
                os._exit(3)
            os.kill(os.getpid(), signal.SIGSEGV)
        return number, ""

    results = list(in_order(30, work, lost, 2))
    assert [number for number, _ in results] == list(range(30))
    reason = {"killed": "signal 9", "exits": "exit code 3", "segfaults": "signal 11"}[how]
    assert {number for number, text in results if text} == {3, 17, 18}
    assert all(text in {"", f"the worker process died ({reason})"} for _, text in results)


def test_exception_and_result_that_cannot_be_sent_are_lost_things() -> None:
    def work(number: int) -> tuple[int, object]:
        if number == 5:
            raise ValueError("two\nlines")
        return number, (lambda: None) if number == 6 else ""

    results: list[tuple[int, object]] = list(in_order(12, work, lost, 2))
    assert results[5] == (5, "ValueError: two lines")
    assert "local object" in str(results[6][1])  # what Python 3.11 can't pickle, 3.13 can't get
    assert all(text == "" for number, text in results if number not in {5, 6})


def test_results_that_wait_for_an_earlier_one_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_AHEAD", 5)

    def work(number: int) -> tuple[int, str]:
        (tmp_path / str(number)).touch()
        if number == 1:
            while not (tmp_path / "go").exists():
                time.sleep(0.01)
        return number, ""

    results = in_order(300, work, lost, 2)
    assert next(results) == (0, "")
    reader, writer = os.pipe()
    if os.fork() == 0:
        time.sleep(1)
        os.write(writer, str(len(list(tmp_path.iterdir()))).encode())
        (tmp_path / "go").touch()
        os._exit(0)
    assert [number for number, _ in results] == list(range(1, 300))
    os.wait()
    assert int(os.read(reader, 10)) <= 2 + 5 * 2 + 16
    os.close(reader)
    os.close(writer)


def test_workers_end_with_the_iterator() -> None:
    def work(number: int) -> tuple[int, str]:
        if number > 1:
            time.sleep(60)
        return number, ""

    results = in_order(50, work, lost, 2)
    assert next(results) == (0, "")
    assert next(results) == (1, "")
    before = time.monotonic()
    results.close()
    assert time.monotonic() - before < 30


def test_without_processes_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_fork)
    assert list(in_order(30, lambda number: (number, ""), lost, 2)) == [(n, "") for n in range(30)]


def test_few_things_are_not_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 8)
    assert [jobs_for(count) for count in (0, 1, 15, 16, 40, 1000)] == [1, 1, 1, 2, 5, 8]
    assert [jobs_for(count, 4) for count in (1, 3, 100)] == [1, 3, 4]


PARENT = """
import os, sys, time
from msrefactor.workers import in_order
def work(number):
    if number:
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(60)
    return number
list(in_order(20, work, lambda number, reason: number, 2))
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_parent(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # what our own parent ignores must count for this process
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    assert parent.stdout is not None
    found = [int(parent.stdout.readline()) for _ in range(2)]
    parent.send_signal(number)
    parent.wait(60)
    deadline = time.monotonic() + 30
    while any(is_alive(process) for process in found) and time.monotonic() < deadline:
        time.sleep(0.02)
    parent.stdout.close()
    assert not any(is_alive(process) for process in found)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
