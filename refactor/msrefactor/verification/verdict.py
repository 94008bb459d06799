"""What a real build says about one file's change."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msrefactor.verification.differences import Difference, Level


class Status(enum.Enum):
    """How a proof ended."""

    PROVED = "proved"
    """Both images were built, and nothing that was compared differs."""
    DIFFERENT = "different"
    UNPROVED = "unproved"
    """Nothing could be compared; the reason says why."""


@dataclass(frozen=True, slots=True)
class Side:
    """What was measured of one of the two images; sizes in bytes, times in seconds."""

    size: int | None = None
    layers: tuple[tuple[int, str], ...] = ()
    """Each layer's size, and the instruction that made it."""
    build_seconds: float | None = None
    cached_steps: int | None = None
    """RUN instructions that the cache served in that build."""
    rebuild_seconds: float | None = None
    """After one source file was touched; None when not asked for or when the build failed."""
    rebuild_cached_steps: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about one file."""

    status: Status
    differences: tuple[Difference, ...] = ()
    reason: str = ""
    """Why nothing could be compared, as one clause."""
    culprits: tuple[str, ...] = ()
    """The transforms without which the rest of the change is proved, or that are known to be at fault."""
    has_part: bool = False
    """Without the culprits there is a change that is proved."""
    takes_part: bool = False
    """The proved part takes the place of the whole change, because the user asked for that."""
    before: Side = Side()
    after: Side = Side()
    removed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Packages that are gone, by their kind."""
    levels: tuple[Level, ...] = ()
    """What was compared."""
    notes: tuple[str, ...] = ()
    """What was left out of the comparison, and why."""
    logs: str = ""
    """The folder with the logs of what failed."""

    @property
    def is_proved(self) -> bool:
        """Whether the whole change is proved."""
        return self.status is Status.PROVED

    @property
    def allows(self) -> bool:
        """Whether the change at hand may be shown and written."""
        return self.status is Status.PROVED or self.takes_part


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON has it; `from_json` is the way back."""
    return {
        "status": verdict.status.value,
        "differences": [
            {
                "level": one.level.value,
                "subject": one.subject,
                "before": one.before,
                "after": one.after,
                "cause": one.cause,
            }
            for one in verdict.differences
        ],
        "reason": verdict.reason,
        "culprits": list(verdict.culprits),
        "has_part": verdict.has_part,
        "takes_part": verdict.takes_part,
        "before": _side_as_json(verdict.before),
        "after": _side_as_json(verdict.after),
        "removed_packages": {kind: list(names) for kind, names in verdict.removed},
        "compared": [level.value for level in verdict.levels],
        "notes": list(verdict.notes),
        "logs": verdict.logs,
    }


def from_json(raw: Mapping[str, Any]) -> Verdict:
    """Return the verdict that was written; raises KeyError, TypeError, ValueError when it is none."""
    return Verdict(
        Status(raw["status"]),
        tuple(
            Difference(Level(one["level"]), one["subject"], one["before"], one["after"], one["cause"])
            for one in raw["differences"]
        ),
        raw["reason"],
        tuple(raw["culprits"]),
        bool(raw["has_part"]),
        bool(raw["takes_part"]),
        _side_of(raw["before"]),
        _side_of(raw["after"]),
        tuple((kind, tuple(names)) for kind, names in raw["removed_packages"].items()),
        tuple(Level(level) for level in raw["compared"]),
        tuple(raw["notes"]),
        raw["logs"],
    )


def _side_as_json(side: Side) -> dict[str, Any]:
    return {
        "size": side.size,
        "layers": [{"size": size, "created_by": words} for size, words in side.layers],
        "build_seconds": side.build_seconds,
        "cached_steps": side.cached_steps,
        "rebuild_seconds": side.rebuild_seconds,
        "rebuild_cached_steps": side.rebuild_cached_steps,
    }


def _side_of(raw: Mapping[str, Any]) -> Side:
    return Side(
        raw["size"],
        tuple((layer["size"], layer["created_by"]) for layer in raw["layers"]),
        raw["build_seconds"],
        raw["cached_steps"],
        raw["rebuild_seconds"],
        raw["rebuild_cached_steps"],
    )
