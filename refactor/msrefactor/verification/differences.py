"""A difference between the image before and the image after, said in words."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass


class Level(enum.Enum):
    """What was compared."""

    BUILD = "build"
    CONFIG = "config"
    FILES = "files"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it was."""

    level: Level
    subject: str
    """What differs, as a reader looks for it: `Env MODE`, `/app/run.sh`, `libpq.so.5`, `GET /`."""
    before: str
    after: str
    cause: str = ""
    """Why it is so, or what it leads to, as one clause: `/usr/bin/server needs it`."""

    def __str__(self) -> str:
        text = f"{self.subject}: {self.before} became {self.after}"
        return f"{text}; {self.cause}" if self.cause else text


def unequal(
    level: Level, subject: str, before: object, after: object, cause: str = ""
) -> Iterator[Difference]:
    """Yield a difference if the values aren't equal."""
    if before != after:
        yield Difference(level, subject, shown(before), shown(after), cause)


def shown(value: object) -> str:
    """Return a value as a reader knows it, cut off where it goes on and on."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"
