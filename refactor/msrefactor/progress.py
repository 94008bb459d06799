"""How far a long run is: one line that is drawn over itself, on a terminal only."""

from __future__ import annotations

import os
import sys
import time

_FEW = 20
"""A run over fewer files shows nothing."""
_AFTER = 1.0
"""Seconds that a run takes before it shows something."""
_EVERY = 0.1
"""Seconds between two drawings."""
_WIDTH = 20
"""Characters of the bar."""


class Progress:
    """The line. Hide it before anything else is written, and show it again afterwards."""

    def __init__(self, total: int, *, is_wanted: bool) -> None:
        self._total = total
        self._is_on = is_wanted and total > _FEW and is_watched()
        self._next = time.monotonic() + _AFTER
        self._is_shown = False

    def show(self, done: int, changed: int) -> None:
        """Draw the line if it is time to."""
        if not self._is_on or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY
        filled = _WIDTH * done // self._total
        bar = "#" * filled + "-" * (_WIDTH - filled)
        self._write(f"\r[{bar}] {done}/{self._total} files, {changed} with changes\x1b[K")
        self._is_shown = True

    def hide(self) -> None:
        """Take the line away."""
        if self._is_shown:
            self._write("\r\x1b[K")
            self._is_shown = False

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            self._is_on = self._is_shown = False


def is_watched() -> bool:
    """Tell whether somebody looks at stderr: it is a terminal that can draw, and no build server's log."""
    try:
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
    except ValueError:
        return False
    return is_terminal and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
