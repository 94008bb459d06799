"""Collects the files of a run into a `Report`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from msrefactor import __version__
from msrefactor.configuration import Wanted
from msrefactor.report.model import FileReport, Report, Status, Totals
from msrefactor.report.patterns import Grouping


class Collector:
    """Takes one file after the other; keeps the files only when they are asked for."""

    def __init__(self, mode: str, wanted: Wanted, *, keeps_files: bool) -> None:
        self._mode = mode
        self._wanted = wanted
        self._keeps_files = keeps_files
        self._files: list[FileReport] = []
        self._grouping = Grouping()
        self._statuses: Counter[Status] = Counter()
        self._written = self._with_refusals = 0
        self._saved = 0.0

    def add(self, report: FileReport) -> FileReport:
        """Take the report of one file, and return it with its pattern."""
        report = replace(report, pattern=self._grouping.add(report))
        self._statuses[report.status] += 1
        self._written += report.is_written
        self._with_refusals += any(not refusal.is_asked_for for refusal in report.refusals)
        self._saved += report.saved_mb or 0.0
        if self._keeps_files:
            self._files.append(report)
        return report

    def report(self, found: int, excluded: int = 0, *, is_complete: bool = True) -> Report:
        """Return the report of what came so far.

        `found` is the number of files of the whole run, without those that the configuration excludes.
        """
        count = self._statuses
        return Report(
            __version__,
            self._mode,
            settings_of(self._wanted),
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
                excluded,
            ),
            is_complete,
            self._grouping.patterns(),
            self._grouping.obstacles(),
            tuple(self._files),
        )


def settings_of(wanted: Wanted) -> Mapping[str, object]:
    """Return what the command line asks for, as JSON has it."""
    return {
        "unsafe": wanted.unsafe,
        "runtime": wanted.runtime,
        "select": sorted(wanted.select),
        "ignore": sorted(wanted.ignore),
        "pragmas": wanted.pragmas,
    }
