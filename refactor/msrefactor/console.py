"""Standard output for data, standard error for chatter, and the signals that end a run."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from types import FrameType


class Stopped(BaseException):
    """A signal asked to stop; `code` is the exit code that tells so."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.code = 128 + signal_number


class Signals:
    """Turns SIGINT, SIGTERM and SIGHUP into `Stopped`, but never in the middle of writing a file."""

    def __init__(self) -> None:
        self.is_writing = False
        self.pending: int | None = None
        self.replaced: dict[int, Any] = {}

    def install(self) -> None:
        """Take over the signals that aren't ignored (nohup, shell background jobs)."""
        import signal

        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self.replaced[number] = signal.signal(number, self.receive)

    def restore(self) -> None:
        """Give the signals back to whoever had them."""
        import signal

        for number, receiver in self.replaced.items():
            signal.signal(number, receiver)

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Stop now, or after the file that is being written."""
        if self.is_writing:
            self.pending = number
        else:
            raise Stopped(number)

    def __enter__(self) -> None:
        self.is_writing = True

    def __exit__(self, *_error: object) -> None:
        self.is_writing = False
        if self.pending is not None:
            raise Stopped(self.pending)


class Output:
    """Standard output for data. After it failed, nothing more is written and `failure` says why."""

    def __init__(self, color: bool | None) -> None:
        self.is_terminal = sys.stdout is not None and sys.stdout.isatty()
        self.has_color = has_color(color, self.is_terminal)
        self.is_open = True
        self.failure: str | None = None if sys.stdout is not None else "standard output is closed"

    def write(self, data: bytes) -> None:
        """Write now, so that what is seen on stdout and stderr comes in the order in which it happened."""
        if not self.is_open or self.failure is not None:
            return
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # the reader has seen enough: `| head`
            self.close()
        except OSError as error:
            self.failure = error.strerror or str(error)
            self.close()

    def close(self) -> None:
        """Write nothing more."""
        self.is_open = False
        silence(sys.stdout)


def silence(stream: TextIO) -> None:
    """Point a broken stream at nothing, or the interpreter tries, and fails, to flush the rest at its end."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        pass


def has_color(wanted: bool | None, is_terminal: bool, environment: dict[str, str] | None = None) -> bool:
    """Decide by the flag, then NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE, TERM=dumb, and what stdout is."""
    env = os.environ if environment is None else environment
    if wanted is not None:
        return wanted
    if env.get("NO_COLOR"):
        return False
    if env.get("FORCE_COLOR", "0") not in {"", "0"} or env.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    if env.get("TERM") == "dumb" or env.get("CLICOLOR") == "0":
        return False
    return is_terminal


def say(text: str) -> None:
    """Write a line of chatter or an error on stderr; a closed stderr is no reason to fail."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, AttributeError, ValueError):
        silence(sys.stderr)
