"""Programs that are run and waited for; all of them can be stopped at once."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

TERM_SECONDS = 5
DRAIN_SECONDS = 10


class Stopping(Exception):  # noqa: N818  named for what happens
    """Nothing more is started: the whole run is being stopped."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    is_late: bool = False
    """It was stopped because its time was over."""

    @property
    def succeeded(self) -> bool:
        """It ended by itself, and well."""
        return self.code == 0 and not self.is_late


@dataclass(slots=True)
class Commands:
    """The programs that run now; each has a session of its own, so that Ctrl-C reaches only us."""

    environment: Mapping[str, str] = field(default_factory=dict)
    is_stopped: bool = False
    has_cut: bool = False
    """Something was ended before its time."""
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(
        self, words: Sequence[str], seconds: float, *, script: Path | None = None, is_cleaning: bool = False
    ) -> Ended:
        """Run a program to its end, or until its time is over; raises Stopping, FileNotFoundError.

        `script` is given to it on standard input; `is_cleaning`: it runs even after `stop`.
        """
        started = time.monotonic()
        child = self._start(words, script, is_cleaning)
        is_late = False
        try:
            try:
                out, err = child.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                is_late = self.has_cut = True
                end(child)
                out, err = _rest(child)
        except BaseException:
            self.has_cut = True
            end(child)
            _rest(child)
            raise
        finally:
            with self._lock:
                self._running.discard(child)
        if self.is_stopped and not is_cleaning:
            raise Stopping
        text, complaint = out.decode(errors="replace"), err.decode(errors="replace")
        return Ended(child.returncode, text, complaint, time.monotonic() - started, is_late)

    def _start(self, words: Sequence[str], script: Path | None, is_cleaning: bool) -> subprocess.Popen[bytes]:
        with self._lock:
            if self.is_stopped and not is_cleaning:
                raise Stopping
            stdin = script.open("rb") if script is not None else None
            try:
                child = subprocess.Popen(
                    list(words),
                    stdin=stdin if stdin is not None else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env={**os.environ, **self.environment},
                    start_new_session=True,
                )
            finally:
                if stdin is not None:
                    stdin.close()
            if not is_cleaning:
                self._running.add(child)
            return child

    def stop(self) -> None:
        """Start nothing more, and end what runs."""
        with self._lock:
            self.is_stopped = True
            running = tuple(self._running)
            self.has_cut = self.has_cut or bool(running)
        for child in running:
            _signal(child, signal.SIGTERM)
        deadline = time.monotonic() + TERM_SECONDS
        for child in running:
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
            _signal(child, signal.SIGKILL)


def end(child: subprocess.Popen[bytes]) -> None:
    """Ask a program to end, and make it end."""
    _signal(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(TERM_SECONDS)
    _signal(child, signal.SIGKILL)


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    if child.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)


def _rest(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Return what an ended program has said; a grandchild that keeps the pipe open isn't waited for."""
    try:
        return child.communicate(timeout=DRAIN_SECONDS)
    except subprocess.TimeoutExpired as late:
        return late.output or b"", late.stderr or b""
