"""Collects the files of a run into a `Report`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from msrefactor import __version__
from msrefactor.model import Settings
from msrefactor.report.model import FileReport, Report, Status, Totals
from msrefactor.report.patterns import Grouping


class Collector:
    """Takes one file after the other; keeps the files only when they are asked for."""

    def __init__(self, mode: str, settings: Settings, *, keeps_files: bool) -> None:
        self._mode = mode
        self._settings = settings
        self._keeps_files = keeps_files
        self._files: list[FileReport] = []
        self._grouping = Grouping()
        self._statuses: Counter[Status] = Counter()
        self._written = self._with_refusals = 0
        self._saved = 0.0

    def add(self, report: FileReport) -> None:
        """Take the report of one file."""
        pattern = self._grouping.add(report)
        self._statuses[report.status] += 1
        self._written += report.is_written
        self._with_refusals += bool(report.refusals)
        self._saved += report.saved_mb or 0.0
        if self._keeps_files:
            self._files.append(replace(report, pattern=pattern))

    def report(self, found: int, *, is_complete: bool = True) -> Report:
        """Return the report of what came so far; `found` is the number of files of the whole run."""
        count = self._statuses
        return Report(
            __version__,
            self._mode,
            settings_of(self._settings),
            Totals(
                count[Status.CHANGED],
                count[Status.UNCHANGED],
                count[Status.REFUSED],
                count[Status.FAILED],
                count[Status.INTERNAL_ERROR],
                found,
                self._written,
                self._with_refusals,
                round(self._saved, 1),
            ),
            is_complete,
            self._grouping.patterns(),
            self._grouping.obstacles(),
            tuple(self._files),
        )


def settings_of(settings: Settings) -> Mapping[str, object]:
    """Return what the user chose, as JSON has it."""
    return {
        "unsafe": settings.unsafe,
        "runtime": settings.runtime,
        "select": sorted(settings.select),
        "ignore": sorted(settings.ignore),
    }
