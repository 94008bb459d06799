"""The exceptions msrefactor raises on purpose; anything else that escapes is a bug."""

from __future__ import annotations


class MsrefactorError(Exception):
    """The base of every exception msrefactor raises on purpose."""


class BadInput(MsrefactorError):  # noqa: N818 - says what it is
    """A file that can't be taken as a Dockerfile; `line` and `column` are 1-based, `str()` is one line."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        one_line = " ".join(message.split())
        super().__init__(one_line)
        self.message = one_line
        self.line = line
        self.column = column


class WriteFailed(MsrefactorError):  # noqa: N818 - says what it is
    """A file was left as it was because it could not be replaced safely."""


class BadConfiguration(MsrefactorError):  # noqa: N818 - says what it is
    """A configuration that can't be obeyed; `str()` is `file:line:column: what; what to do`."""
