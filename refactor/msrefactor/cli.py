"""The command line: the only module that prints or exits.

Start-up counts: editors start it on every save. Only click is imported up here; the rest where it is used.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

import click

from msrefactor import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import FrameType

    from msrefactor.model import OtherFile, Result, Settings, Transform

OK, CHANGED, USAGE, FAILED, INTERNAL = 0, 1, 2, 3, 123

EPILOG = """\b
Exit codes:
    0  nothing to change; or --write, or the filter `-`, did its work
    1  --diff or --check found a change (not with --exit-zero)
    2  wrong usage; nothing was touched
    3  a file could not be read, parsed or written (the others were done),
       or, with --strict, a file was refused
  123  the tool found a fault in its own result; the file was left alone
  130, 143  stopped by Ctrl-C or SIGTERM; every file is whole, old or new

\b
DRY_RUN=true in the environment turns --write into --diff.
NO_COLOR and FORCE_COLOR are obeyed; --color and --no-color win.
"""


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
        self.has_refusal = False
        self.saved = 0.0
        self.shown: dict[Path, OtherFile] = {}
        """Files beside the Dockerfiles whose diffs were printed: several Dockerfiles share a context."""

    def take(self, result: Result) -> None:
        """Show or write one file's result, and count it."""
        from msrefactor.explain import change_lines, explain, printable, refusal_line
        from msrefactor.model import Refused

        path = str(result.path) if result.path is not None else "<stdin>"
        refusals = [step.outcome for step in result.steps if isinstance(step.outcome, Refused)]
        if result.error is not None:
            self.failed += 1
            say(printable(f"{path}:{result.error}"))
        elif result.internal_error is not None:
            self.internal += 1
            say(printable(f"{path}:1:1: internal error, the file is left alone: {result.internal_error}"))
        else:
            self.has_refusal = self.has_refusal or bool(refusals)
            if result.is_changed:
                self.take_change(result, path)
            elif refusals:
                self.refused += 1
            else:
                self.unchanged += 1
            if not self.quiet:
                for refusal in refusals:
                    say(refusal_line(path, refusal))
        if self.check and not self.diff:
            for step in result.steps if result.is_changed else ():
                self.print("".join(f"{line}\n" for line in change_lines(path, step)))
        if self.explain and self.echoes:
            say(explain(result, path).rstrip("\n"))
        elif self.explain:
            self.print(explain(result, path, self.paint))

    def take_change(self, result: Result, path: str) -> None:
        """Write the file or show its diff."""
        from msrefactor.explain import printable, saved_mb

        if self.write:
            problem = self.write_file(result)
            if problem is not None:
                self.failed += 1
                say(printable(f"{path}:1:1: {problem}"))
                return
            if not self.quiet:
                for name in _written(result, path):
                    say(printable(f"rewrote {name}"))
        elif self.diff:
            self.print_diff(result)
        elif self.echoes and result.others and not self.quiet:
            for other in result.others:
                say(printable(f"{path}: `-` doesn't write {patch_path(other.path)}; name the file instead"))
        self.changed += 1
        self.saved += saved_mb(result) or 0.0

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
            return str(error).removeprefix(f"{result.path}: ")
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
                say(
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
        done = self.changed + self.unchanged + self.refused + self.failed + self.internal
        word = "changed" if self.write else "would change"
        counts = (
            (self.changed, word),
            (self.unchanged, "unchanged"),
            (self.refused, "refused"),
            (self.failed, "failed"),
            (self.internal, "with an internal error"),
        )
        parts = ", ".join(f"{number} {name}" for number, name in counts if number) or "none done"
        files = f"{self.total} file" if self.total == 1 else f"{self.total} files"
        unfinished = f" ({self.total - done} not looked at)" if done < self.total else ""
        saved = f"; about {self.saved:.0f} MB less" if self.saved >= 1 else ""
        return f"{files}: {parts}{unfinished}{saved}"


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


def _names(values: Sequence[str]) -> Iterator[str]:
    """Split comma lists."""
    for value in values:
        yield from filter(None, (name.strip() for name in value.split(",")))


def _known(values: Sequence[str], every: Sequence[Transform], option: str) -> frozenset[str]:
    """Return the names, or end with a usage error that suggests what was meant."""
    known = [transform.name for transform in every]
    for name in _names(values):
        if name not in known:
            import difflib

            close = difflib.get_close_matches(name.replace("_", "-"), known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" Known are: {', '.join(known)}."
            raise click.BadParameter(f"there is no transform {name!r}.{hint}", param_hint=f"'{option}'")
    return frozenset(_names(values))


@click.command(
    name="msrefactor",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, allow_dash=True, readable=False))
@click.option("--diff", is_flag=True, help="Show what would change as a patch for `git apply` (default).")
@click.option("--write", is_flag=True, help="Rewrite the files in place, each one whole or not at all.")
@click.option("--check", is_flag=True, help="Only say which files would change, as path:line:col: message.")
@click.option("--explain", is_flag=True, help="Tell the reasons, evidence, risks, obstacles and needs.")
@click.option("--list", "show_list", is_flag=True, help="List the transforms, in the order they run.")
@click.option("--select", multiple=True, metavar="TRANSFORM", help="Run only these; repeat, or a comma list.")
@click.option("--ignore", multiple=True, metavar="TRANSFORM", help="Don't run these.")
@click.option("--unsafe", is_flag=True, help="Also make changes that rest on a named assumption.")
@click.option(
    "--runtime",
    type=click.Choice(["smallest", "distroless", "slim"]),
    default="smallest",
    show_default=True,
    help="The barest base image allowed for the final stage.",
)
@click.option(
    "--context",
    "context_folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    help="The build context, for all files given. By default it is found for each file.",
)
@click.option(
    "--stdin-filename",
    metavar="PATH",
    type=click.Path(),
    help="Where the text read for `-` lies, or would lie; gives it its build context.",
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if --diff or --check found a change.")
@click.option(
    "--exit-non-zero-on-change", is_flag=True, help="Exit with 1 if --write or `-` changed something."
)
@click.option("--strict", is_flag=True, help="Exit with 3 if a file was refused.")
@click.option("--color/--no-color", default=None, help="Colour on stdout; by default only on a terminal.")
@click.option("-q", "--quiet", is_flag=True, help="On stderr only errors.")
@click.version_option(__version__, prog_name="msrefactor", message="%(prog)s %(version)s")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[str, ...],
    *,
    diff: bool,
    write: bool,
    check: bool,
    explain: bool,
    show_list: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    unsafe: bool,
    runtime: str,
    context_folder: str | None,
    stdin_filename: str | None,
    exit_zero: bool,
    exit_non_zero_on_change: bool,
    strict: bool,
    color: bool | None,
    quiet: bool,
) -> int:
    """Rewrite Dockerfiles into multi-stage ones whose final image holds only what the container runs on.

    PATHS are Dockerfiles, folders that are searched for them, or `-` for stdin; by default this folder.
    A file is changed only where the result is proved to run as before; what isn't proved is refused, and
    the refusal names the obstacle.
    """
    if write and (diff or check):
        raise click.UsageError(f"--write and {'--diff' if diff else '--check'} exclude each other.")
    if "-" in paths and len(paths) > 1:
        raise click.UsageError("`-` can't be combined with other paths.")
    is_filter = paths == ("-",)
    if stdin_filename is not None and not is_filter:
        raise click.UsageError("--stdin-filename is for the path `-`.")

    from pathlib import Path

    from msrefactor.explain import transform_list
    from msrefactor.model import Settings
    from msrefactor.pipeline import transforms

    output = Output(color)
    signals: Signals = ctx.obj or Signals()
    if show_list:
        output.write(transform_list(transforms()).encode())
        return _ending(output, OK)

    every = transforms()
    settings = Settings(
        unsafe=unsafe,
        runtime=runtime,
        select=_known(select, every, "--select"),
        ignore=_known(ignore, every, "--ignore"),
        suggestions=explain,
    )
    context = Path(context_folder) if context_folder is not None else None
    is_dry = write and not is_filter and os.environ.get("DRY_RUN", "").lower() in {"true", "1", "yes"}
    if is_dry and not quiet:
        say("DRY_RUN is set: this is what --write would do")
    options = {
        "diff": diff or is_dry or not (write or check or is_filter),
        "write": write and not is_dry and not is_filter,
        "check": check,
        "explain": explain,
        "quiet": quiet,
        "echoes": is_filter and not (diff or check),
    }
    run = Run(output, signals, options)
    is_question = diff or check or not (write or is_filter)
    if is_filter:
        _filter(run, settings, stdin_filename, context)
    else:
        _files(run, settings, paths or (".",), context)
    if run.internal:
        return _ending(output, INTERNAL)
    if run.failed or (strict and run.has_refusal):
        return _ending(output, FAILED)
    if run.changed and ((is_question and not exit_zero) or exit_non_zero_on_change):
        return _ending(output, CHANGED)
    return _ending(output, OK)


def _files(run: Run, settings: Settings, paths: Sequence[str], context: Path | None) -> None:
    """Take each file in turn and tell the sum, also when a signal ends the run early."""
    from msrefactor.context import shared_projects
    from msrefactor.explain import printable
    from msrefactor.pipeline import refactor_file
    from msrefactor.walk import find_dockerfiles

    found = find_dockerfiles(paths)
    for folder, problem in found.unreadable:
        run.failed += 1
        run.total += 1
        say(printable(f"{folder}:1:1: can't be listed: {problem}"))
    run.total += len(found.files)
    if not run.total:
        if not run.quiet:
            say(printable(f"no Dockerfile found in {', '.join(paths)}"))
        return
    try:
        with shared_projects():
            for path in found.files:
                run.take(refactor_file(path, settings, context))
                if not run.output.is_open and not run.write:
                    break  # nobody reads what is all that we'd do
    except Stopped:
        say(f"stopped: {run.summary()}")
        raise
    if not run.quiet:
        say(run.summary())


def _filter(run: Run, settings: Settings, name: str | None, context: Path | None) -> None:
    """Read stdin and write the text to stdout, changed or not: an editor puts it into the buffer."""
    from pathlib import Path

    from msrefactor.errors import BadInput
    from msrefactor.model import Result
    from msrefactor.pipeline import refactor_source
    from msrefactor.source import encode, source_of

    data = sys.stdin.buffer.read() if sys.stdin is not None else b""
    path = Path(name) if name is not None else None
    try:
        result = refactor_source(source_of(data, path).text, path, settings, context)
    except BadInput as error:
        result = Result(path, "", "", error=f"{error.line}:{error.column}: {error}")
    run.total = 1
    if run.echoes:
        run.output.write(encode(result.after) if result.error is None else data)
    run.take(result)


def _ending(output: Output, code: int) -> int:
    """Return the exit code, unless what was to be shown could not be."""
    if output.failure is None:
        return code
    say(f"msrefactor: can't write to standard output: {output.failure}")
    return max(code, FAILED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code."""
    signals = Signals()
    try:
        signals.install()
        code = command.main(
            args=list(arguments) if arguments is not None else None,
            prog_name="msrefactor",
            standalone_mode=False,
            obj=signals,
        )
    except Stopped as stop:
        return stop.code
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except OSError as error:  # click's own output: --help, --version
        silence(sys.stdout)
        say(f"msrefactor: {error}")
        return FAILED
    finally:
        signals.restore()
    return code if isinstance(code, int) else OK
