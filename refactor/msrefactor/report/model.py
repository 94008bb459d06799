"""The report of a run, as values.

Lines and columns are 1-based; columns count characters. Paths are those that the user gave or that the walk
found, as they are shown. Nothing here depends on the time or the machine: the same input gives the same
report.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from msrefactor.model import Evidence, Need, Removal, Risk

SCHEMA_VERSION = 1
"""Raised when a field is removed or means something else; new fields don't raise it."""


class Status(enum.Enum):
    """How it ended for one file."""

    CHANGED = "changed"
    """There is a change; whether it was written is `FileReport.is_written`."""
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    """Nothing changed, and at least one transform met an obstacle."""
    FAILED = "failed"
    """The file could not be read, parsed, written or (with --verify) proved, or a folder not listed."""
    INTERNAL_ERROR = "internal-error"
    """A fault of ours was found; the file was left alone."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Whole lines of the old file and what takes their place; applied together they give the new file.

    The old lines are those from `line` on, up to the place `end_line`:`end_column`; an insertion has an empty
    range.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ReportedChange:
    """One thing that a transform did, or suggests."""

    transform: str
    reason: str
    risk: Risk
    line: int | None
    evidence: tuple[Evidence, ...] = ()
    assumptions: tuple[str, ...] = ()
    saved_mb: float | None = None


@dataclass(frozen=True, slots=True)
class ReportedRefusal:
    """An obstacle that a transform met."""

    transform: str
    code: str
    detail: str
    remedy: str
    line: int
    evidence: tuple[Evidence, ...] = ()
    is_asked_for: bool = False
    """Whether the file's own author wants it so, by a pragma."""


@dataclass(frozen=True, slots=True)
class ReportedError:
    """Why a file was not done."""

    message: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class ReportedOther:
    """A file beside the Dockerfile that is made or added to."""

    path: str
    before_sha256: str | None
    """None: there was no such file."""
    after_sha256: str
    edits: tuple[Edit, ...]
    before: str = field(default="", repr=False)
    after: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FileReport:
    """All that happened to one file."""

    path: str
    status: Status
    is_written: bool = False
    changes: tuple[ReportedChange, ...] = ()
    removals: tuple[tuple[str, Removal], ...] = ()
    """Transform, and the instruction that it left out on purpose."""
    suggestions: tuple[ReportedChange, ...] = ()
    refusals: tuple[ReportedRefusal, ...] = ()
    needs: tuple[Need, ...] = ()
    edits: tuple[Edit, ...] = ()
    others: tuple[ReportedOther, ...] = ()
    before_sha256: str | None = None
    """Of the file's bytes; None when it could not be read."""
    after_sha256: str | None = None
    saved_mb: float | None = None
    """Estimated decrease of the final image, in megabytes (10^6 bytes); None when nobody estimated it."""
    error: ReportedError | None = None
    pattern: str | None = None
    """The `Pattern.id` of its changes."""
    warnings: tuple[str, ...] = ()
    """What is wrong with the file's own pragmas: `line:column: message`."""
    origins: tuple[str, ...] = ()
    """What set which of the settings that counted for the file."""
    before: str = field(default="", repr=False)
    """The text of a changed file, for views that show it; not in the JSON, which has the edits."""
    after: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Files whose changes read the same but for names, paths and versions."""

    id: str
    changes: tuple[tuple[str, str], ...]
    """Transform and reason, each once; what differs between the files is `…`."""
    files: int
    distinct_edits: int
    """How many different texts the edits have; 1: all files are edited identically."""
    example: str
    """The path of the first file."""
    saved_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """All refusals that have the same code."""

    code: str
    meaning: str
    files: int
    details: tuple[tuple[str, str, int], ...]
    """Transform, detail (what differs is `…`), number of files; most frequent first."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers of files. The first five sum up to `files` when the run came to its end."""

    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    failed: int = 0
    internal_error: int = 0
    files: int = 0
    """Found; more than the sum of the others when the run was stopped."""
    written: int = 0
    with_refusals: int = 0
    """Files that some transform refused, whether or not another changed them; pragmas don't count."""
    saved_mb: float = 0.0
    excluded: int = 0
    """Left out by the configuration; not in `files`."""

    @property
    def done(self) -> int:
        """The files that were looked at."""
        return self.changed + self.unchanged + self.refused + self.failed + self.internal_error


@dataclass(frozen=True, slots=True)
class Report:
    """A run over some files."""

    tool_version: str
    mode: str
    """`diff`, `check`, `write`, or `filter` for the path `-`."""
    settings: Mapping[str, object]
    """What the command line asked for; what counted for a file is in its `origins`."""
    totals: Totals
    is_complete: bool
    """False when a signal ended the run early."""
    patterns: tuple[Pattern, ...] = ()
    """Most frequent first."""
    obstacles: tuple[Obstacle, ...] = ()
    """Most frequent first."""
    files: tuple[FileReport, ...] = ()
    """In the order of the run."""
