"""What is done with each result of a run: shown, written, counted."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from msrefactor.console import Output, Signals, Stopped, say

MANY = 10
"""From so many files on, the sum tells the obstacles too, and --explain what the files have in common."""

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from msrefactor.configuration import Configurations
    from msrefactor.model import OtherFile, Result, Settings
    from msrefactor.report.collector import Collector
    from msrefactor.report.model import FileReport

    Results: TypeAlias = Generator[Result, None, None]
    Prover: TypeAlias = Callable[[Results, Mapping[Path, Settings], Path | None], Results]
    """Gives each result that changes something its verdict."""


class Run:
    """One run over some files: what to do with each result, and what to tell at the end."""

    def __init__(self, output: Output, signals: Signals, options: dict[str, bool]) -> None:
        self.output = output
        self.signals = signals
        self.diff = options["diff"]
        self.write = options["write"]
        self.check = options["check"]
        self.explain = options["explain"]
        self.quiet = options["quiet"]
        self.echoes = options["echoes"]
        self.total = 0
        self.changed = self.unchanged = self.refused = self.failed = self.internal = 0
        self.excluded = 0
        self.unproved = 0
        self.has_difference = False
        self.has_refusal = False
        self.saved = 0.0
        self.shown: dict[Path, OtherFile] = {}
        """Files beside the Dockerfiles whose diffs were printed: several Dockerfiles share a context."""
        self.jobs: int | None = None
        """How many files are worked on at once; None: as many as pays."""
        self.obstacles: Counter[str] = Counter()
        """How many files met each obstacle."""
        self.format = "text"
        """What stdout gets: `text` as it happens, or the report in another format."""
        self.report: Path | None = None
        """Where the report goes."""
        self.is_report_lost = False
        self.collector: Collector | None = None
        """Where the report, and the patterns of --explain, come from."""

    @property
    def is_text(self) -> bool:
        """Tell whether stdout is for people."""
        return self.format == "text"

    def say(self, text: str) -> None:
        """Say what has a name or a word of a stranger in it: where a runner reads along, it is no command."""
        say(text if self.format != "github" else f"| {text.replace('##[', '# #[')}")

    def add(self, report: FileReport) -> None:
        """Give the report of one file to the collector, and to stdout."""
        if self.collector is None:
            return
        report = self.collector.add(report)
        if not self.is_text:
            from msrefactor.report.formats import STREAMED, told_file

            if self.format in STREAMED:
                self.print(told_file(self.format, report))

    def take(self, result: Result) -> None:
        """Show or write one file's result, and count it."""
        from msrefactor.explain import change_lines, explain, printable, refusal_line, refusals_of

        path = str(result.path) if result.path is not None else "<stdin>"
        problem: str | None = None
        refusals = [
            refusal for step in result.steps for refusal in refusals_of(step) if not refusal.is_asked_for
        ]
        if result.error is not None:
            self.failed += 1
            self.say(printable(f"{path}:{result.error}"))
        elif result.internal_error is not None:
            self.internal += 1
            self.say(
                printable(f"{path}:1:1: internal error, the file is left alone: {result.internal_error}")
            )
        else:
            self.has_refusal = self.has_refusal or bool(refusals)
            self.obstacles.update({refusal.code for refusal in refusals})
            if result.verdict is not None:
                verdict, result = result.verdict, self.after_proof(result, path)
                if not verdict.allows:
                    problem = f"not verified: {verdict.reason or verdict.differences[0]}"
            if result.is_changed:
                problem = self.take_change(result, path)
            elif result.verdict is None:
                self.refused += bool(refusals)
                self.unchanged += not refusals
            if not self.quiet:
                for warning in result.warnings:
                    self.say(printable(f"{path}:{warning}"))
                for refusal in refusals:
                    self.say(refusal_line(path, refusal))
        if self.check and not self.diff and self.is_text:
            for step in result.steps if result.is_changed else ():
                self.print("".join(f"{line}\n" for line in change_lines(path, step)))
        if self.explain and self.echoes:
            say(explain(result, path).rstrip("\n"))
        elif self.explain and self.is_text:
            self.print(explain(result, path, self.paint))
        if self.collector is not None:
            from msrefactor.report.files import file_report

            is_written = self.write and result.is_changed and problem is None
            self.add(file_report(result, path, problem, is_written=is_written))

    def after_proof(self, result: Result, path: str) -> Result:
        """Tell what a real build found, and return what may be done: the change, or nothing."""
        from msrefactor.explain import printable
        from msrefactor.verification.tables import details, explained

        if result.verdict is None:
            return result
        for line in details(path, result.verdict):
            self.say(printable(line))
        if self.explain and self.is_text:
            self.print("".join(f"{printable(line)}\n" for line in explained(path, result.verdict)))
        self.has_difference = self.has_difference or not result.verdict.is_proved
        if result.verdict.allows:
            return result
        self.unproved += 1
        return replace(result, after=result.before, others=())

    def take_unlisted(self, folder: str, problem: str) -> None:
        """Count a folder that could not be walked as a failed file."""
        from msrefactor.explain import printable
        from msrefactor.report.files import unlisted

        self.failed += 1
        self.say(printable(f"{folder}:1:1: can't be listed: {problem}"))
        if self.collector is not None:
            self.add(unlisted(folder, problem))

    def take_change(self, result: Result, path: str) -> str | None:
        """Write the file or show its diff; return why it could not be written."""
        from msrefactor.explain import printable, saved_mb

        if self.write:
            problem = self.write_file(result)
            if problem is not None:
                self.failed += 1
                self.say(printable(f"{path}:1:1: {problem}"))
                return problem
            if not self.quiet:
                for name in _written(result, path):
                    self.say(printable(f"rewrote {name}"))
        elif self.diff and self.is_text:
            self.print_diff(result)
        elif self.echoes and result.others and not self.quiet:
            for other in result.others:
                self.say(
                    printable(f"{path}: `-` doesn't write {patch_path(other.path)}; name the file instead")
                )
        self.changed += 1
        self.saved += saved_mb(result) or 0.0
        return None

    def write_file(self, result: Result) -> str | None:
        """Replace the file and those beside it, and return what went wrong."""
        from msrefactor.errors import WriteFailed
        from msrefactor.source import SourceFile, create_atomically, encode, write_atomically

        try:
            with self.signals:
                for other in result.others:
                    if other.before is None:
                        create_atomically(other.path, other.after)
                    else:
                        source = SourceFile(other.path, encode(other.before), other.before)
                        write_atomically(source, other.after)
                write_atomically(SourceFile(result.path, encode(result.before), result.before), result.after)
        except WriteFailed as error:
            said = str(error).removeprefix(f"{result.path}: ")
            return said.removeprefix(f"{os.path.realpath(result.path or '')}: ")
        except OSError as error:
            return f"can't be written: {error.strerror or error}"
        return None

    def print_diff(self, result: Result) -> None:
        """Print the diff: as bytes that `git apply` takes, or for eyes on a terminal."""
        from msrefactor.diff import unified_diff
        from msrefactor.explain import printable

        text = unified_diff(result.before, result.after, patch_path(result.path))
        for other in result.others:
            if other.path not in self.shown:
                text += unified_diff(other.before, other.after, patch_path(other.path))
            elif self.shown[other.path] != other and not self.quiet:
                name = patch_path(other.path)
                self.say(
                    printable(f"{result.path}: more for {name}, which is in a diff above; run again after it")
                )
            self.shown.setdefault(other.path, other)
        if not self.output.is_terminal and not self.output.has_color:
            self.print(text)
            return
        lines = printable(text, keep="\n\t").replace("\\r\n", "\n").split("\n")
        self.print("\n".join(self.paint(_style_of(line), line) for line in lines))

    def paint(self, style: str, text: str) -> str:
        """Give the text a style if the output has colour."""
        if not self.output.has_color or not style or not text:
            return text
        return click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)

    def print(self, text: str) -> None:
        """Write text to stdout, with the bytes that the files had."""
        from msrefactor.source import encode

        if text:
            self.output.write(encode(text))

    def summary(self) -> str:
        """Tell the run in one line."""
        done = self.changed + self.unchanged + self.refused + self.failed + self.internal + self.unproved
        word = "changed" if self.write else "would change"
        counts = (
            (self.changed, word),
            (self.unchanged, "unchanged"),
            (self.refused, "refused"),
            (self.failed, "failed"),
            (self.unproved, "not verified"),
            (self.internal, "with an internal error"),
        )
        parts = ", ".join(f"{number} {name}" for number, name in counts if number) or "none done"
        files = f"{self.total} file" if self.total == 1 else f"{self.total} files"
        unfinished = f" ({self.total - done} not looked at)" if done < self.total else ""
        saved = f"; about {self.saved:.0f} MB less" if self.saved >= 1 else ""
        excluded = f"; {self.excluded} excluded by a configuration" if self.excluded else ""
        return f"{files}: {parts}{unfinished}{saved}{excluded}{self.met()}"

    def met(self) -> str:
        """Tell the obstacles of a run over many files, the most frequent first."""
        if self.total < MANY or not self.obstacles:
            return ""
        counts = sorted(self.obstacles.items(), key=lambda item: (-item[1], item[0]))
        return "; obstacles: " + ", ".join(f"{number} {code}" for code, number in counts)


def _written(result: Result, path: str) -> Iterator[str]:
    """Yield the files that were written."""
    if result.before != result.after:
        yield path
    for other in result.others:
        yield patch_path(other.path)


def _style_of(line: str) -> str:
    """Return the colour of a line of a diff."""
    if line.startswith(("--- ", "+++ ")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")


def patch_path(path: Path | None) -> str:
    """Return the path that goes into a diff: relative to here, where `git apply` will run.

    A link is followed, because a patch to a link would not apply. A file elsewhere keeps its absolute path
    without the first slash, for `patch -p1 -d /`.
    """
    if path is None:
        return "stdin"
    shown = os.path.realpath(path) if path.is_symlink() else os.path.abspath(path)  # noqa: PTH100
    try:
        here = os.getcwd()  # noqa: PTH109
    except FileNotFoundError:  # the current folder was removed
        return shown.lstrip("/")
    for file, folder in ((shown, here), (os.path.realpath(shown), os.path.realpath(here))):
        if file.startswith(os.path.join(folder, "")):  # noqa: PTH118
            return os.path.relpath(file, folder)
    return shown.lstrip("/")


def over_files(
    run: Run,
    configurations: Configurations,
    paths: Sequence[str],
    context: Path | None,
    prover: Prover | None = None,
) -> None:
    """Take each file in turn and tell the sum, also when a signal ends the run early.

    All configurations are read before the first file is touched: one that can't be obeyed ends the run.
    """
    from pathlib import Path

    from msrefactor.explain import printable
    from msrefactor.progress import Progress
    from msrefactor.source import sweep
    from msrefactor.walk import find_dockerfiles

    found = find_dockerfiles(paths)
    named = {Path(path) for path in paths if not Path(path).is_dir()}
    settings = {path: configurations.settings_for(path, is_named=path in named) for path in found.files}
    files = {path: chosen for path, chosen in settings.items() if chosen is not None}
    run.excluded = len(settings) - len(files)
    run.total = len(files) + len(found.unreadable)
    if run.report is not None or not run.is_text or (run.explain and run.total >= MANY):
        run.collector = _collector(run, configurations)
    for folder, problem in found.unreadable:
        run.take_unlisted(str(folder), problem)
    if not run.total and not run.excluded and not run.quiet:
        run.say(printable(f"no Dockerfile found in {', '.join(paths)}"))
    if run.write:
        for folder in found.littered:
            sweep(folder)
    progress = Progress(len(files), is_wanted=not run.quiet)
    try:
        with closing(_results(run, files, context)) as results:
            checked = results if prover is None else prover(results, files, context)
            with closing(checked):
                for done, result in enumerate(checked, 1):
                    progress.hide()
                    run.take(result)
                    progress.show(done, run.changed)
                    if not run.output.is_open and not run.write and run.report is None:
                        break  # nobody reads what is all that we'd do
    except Stopped:
        progress.hide()
        _conclude(run, is_complete=False)
        say(f"stopped: {run.summary()}")
        raise
    progress.hide()
    _conclude(run, is_complete=True)
    if (run.total or run.excluded) and not run.quiet:
        say(run.summary())


def _results(run: Run, files: Mapping[Path, Settings], context: Path | None) -> Results:
    """Yield the result of each file, in order; the files are only read here."""
    from msrefactor.context import shared_projects
    from msrefactor.model import Result
    from msrefactor.pipeline import refactor_file, without_trees, writes_beside
    from msrefactor.workers import in_order, jobs_for

    paths = tuple(files)
    jobs = jobs_for(len(paths), run.jobs)
    if run.write and any(map(writes_beside, set(files.values()))):
        jobs = 1  # what is written for one Dockerfile counts for the next of the same folder

    def one(number: int) -> Result:
        return without_trees(refactor_file(paths[number], files[paths[number]], context))

    def lost(number: int, reason: str) -> Result:
        return Result(paths[number], "", "", internal_error=reason)

    with shared_projects():
        yield from in_order(len(paths), one, lost, jobs)


def _collector(run: Run, configurations: Configurations) -> Collector:
    from msrefactor.report.collector import Collector
    from msrefactor.report.formats import STREAMED

    mode = "write" if run.write else "check" if run.check and not run.diff else "diff"
    keeps_files = run.report is not None or run.format not in {"text", *STREAMED}
    return Collector(mode, configurations.wanted, keeps_files=keeps_files)


def _conclude(run: Run, *, is_complete: bool) -> None:
    """Print the report in the format asked for, or what the files have in common, and write the report."""
    if run.collector is None:
        return
    from msrefactor.errors import WriteFailed
    from msrefactor.explain import printable
    from msrefactor.report.as_json import as_json
    from msrefactor.report.as_text import groups
    from msrefactor.report.formats import STREAMED, told_run
    from msrefactor.source import save_atomically

    value = run.collector.report(run.total, run.excluded, is_complete=is_complete)
    if not run.is_text and run.format not in STREAMED:
        run.print(told_run(run.format, value, _here()))
    elif run.is_text and run.explain and run.total >= MANY:
        run.print(groups(value, run.paint))
    if run.report is None:
        return
    try:
        with run.signals:
            save_atomically(run.report, as_json(value))
    except WriteFailed as error:
        run.is_report_lost = True
        run.say(printable(str(error)))


def _here() -> str:
    """Return the current folder; `/` if it was removed."""
    try:
        return os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return "/"


def as_filter(run: Run, configurations: Configurations, name: str | None, context: Path | None) -> None:
    """Read stdin and write the text to stdout, changed or not: an editor puts it into the buffer."""
    from pathlib import Path

    from msrefactor.errors import BadInput
    from msrefactor.model import Result
    from msrefactor.pipeline import refactor_source
    from msrefactor.source import encode, source_of

    data = sys.stdin.buffer.read() if sys.stdin is not None else b""
    path = Path(name) if name is not None else None
    settings = configurations.settings_for(path)
    if settings is None:
        run.excluded = 1
        run.output.write(data if run.echoes else b"")
        return
    try:
        result = refactor_source(source_of(data, path).text, path, settings, context)
    except BadInput as error:
        result = Result(path, "", "", error=f"{error.line}:{error.column}: {error}")
    run.total = 1
    if run.echoes:
        run.output.write(encode(result.after) if result.error is None else data)
    run.take(result)
