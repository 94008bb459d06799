"""The command line: its options, and the exit code.

Start-up counts: editors start it on every save. Only click is imported up here; the rest where it is used.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

import click

from msrefactor import __version__
from msrefactor.console import Output, Signals, Stopped, say, silence
from msrefactor.verify_options import (
    SectionedCommand,
    images_wanted,
    plan_wanted,
    tests_wanted,
    verify_options,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from msrefactor.model import Transform

OK, CHANGED, USAGE, FAILED, DIFFERENT, INTERNAL = 0, 1, 2, 3, 4, 123

FORMATS = ("text", "json", "jsonl", "sarif", "github", "gnu", "junit", "markdown")

EPILOG = """\b
Exit codes:
    0  nothing to change; or --write, or the filter `-`, did its work
    1  --diff or --check found a change (not with --exit-zero)
    2  wrong usage; nothing was touched
    3  a file could not be read, parsed or written (the others were done),
       or, with --strict, a file was refused
    4  --verify found a difference, or could not build and compare
  123  the tool found a fault in its own result; the file was left alone
  130, 143  stopped by Ctrl-C or SIGTERM; every file is whole, old or new

\b
DRY_RUN=true in the environment turns --write into --diff.
MSREFACTOR_SELECT, _IGNORE, _UNSAFE, _RUNTIME, _CONFIG and _ISOLATED set the
options of these names; an option given on the command line wins.
NO_COLOR and FORCE_COLOR are obeyed; --color and --no-color win.
"""


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
    cls=SectionedCommand,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, allow_dash=True, readable=False))
@click.option("--diff", is_flag=True, help="Show what would change as a patch for `git apply` (default).")
@click.option("--write", is_flag=True, help="Rewrite the files in place, each one whole or not at all.")
@click.option("--check", is_flag=True, help="Only say which files would change, as path:line:col: message.")
@click.option("--explain", is_flag=True, help="Tell the reasons, evidence, risks, obstacles and needs.")
@click.option("--list", "show_list", is_flag=True, help="List the transforms, in the order they run.")
@click.option(
    "--select",
    multiple=True,
    metavar="TRANSFORM",
    envvar="MSREFACTOR_SELECT",
    help="Run only these; repeat, or a comma list.",
)
@click.option(
    "--ignore", multiple=True, metavar="TRANSFORM", envvar="MSREFACTOR_IGNORE", help="Don't run these."
)
@click.option(
    "--unsafe/--safe",
    default=None,
    envvar="MSREFACTOR_UNSAFE",
    help="Also make changes that rest on a named assumption; by default only where a configuration allows.",
)
@click.option(
    "--runtime",
    type=click.Choice(["smallest", "distroless", "slim"]),
    envvar="MSREFACTOR_RUNTIME",
    help="The barest base image allowed for the final stage; smallest by default.",
)
@click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    envvar="MSREFACTOR_CONFIG",
    help="The configuration for all files given, in place of the closest one above each.",
)
@click.option(
    "--isolated", is_flag=True, envvar="MSREFACTOR_ISOLATED", help="Read no configuration but --config."
)
@click.option(
    "--required-version", metavar="VERSION", help="End with 2 unless this is the version: 1.2, or >=1.2,<2."
)
@click.option("--no-pragmas", is_flag=True, help="Don't obey comments `# msrefactor: …`: for an audit.")
@click.option("--force-exclude", is_flag=True, help="Leave excluded files out even if they are named.")
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
@click.option(
    "--jobs",
    "run_jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many files are worked on at once. By default one for each core, if there are many files.",
)
@click.option(
    "--format",
    "run_format",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="What goes to stdout: the text of --diff, --check and --explain, or the report for a program.",
)
@click.option(
    "--report",
    "run_report",
    metavar="FILE.json",
    type=click.Path(dir_okay=False),
    help="Also write what was done, and what was refused, as JSON.",
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if --diff or --check found a change.")
@click.option(
    "--exit-non-zero-on-change", is_flag=True, help="Exit with 1 if --write or `-` changed something."
)
@click.option("--strict", is_flag=True, help="Exit with 3 if a file was refused.")
@click.option("--color/--no-color", default=None, help="Colour on stdout; by default only on a terminal.")
@click.option("-q", "--quiet", is_flag=True, help="On stderr only errors.")
@verify_options
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
    unsafe: bool | None,
    runtime: str | None,
    config_file: str | None,
    isolated: bool,
    required_version: str | None,
    no_pragmas: bool,
    force_exclude: bool,
    context_folder: str | None,
    stdin_filename: str | None,
    run_jobs: int | None,
    run_format: str,
    run_report: str | None,
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
    if is_filter and run_report is not None:
        raise click.UsageError("--report is for files, not for the path `-`.")
    if is_filter and run_format != "text":
        raise click.UsageError("--format is for files; with the path `-`, stdout gets the text of the file.")
    plan = plan_wanted(ctx)
    if plan is not None and is_filter:
        raise click.UsageError("--verify needs files on the disk, not `-`.")

    from pathlib import Path

    from msrefactor.configuration import Configurations, Wanted
    from msrefactor.configuration_keys import version_fault
    from msrefactor.errors import BadConfiguration
    from msrefactor.explain import printable, transform_list
    from msrefactor.pipeline import transforms
    from msrefactor.run import Run, as_filter, over_files

    output = Output(color)
    signals: Signals = ctx.obj or Signals()
    images = images_wanted(ctx)
    if run_format != "text" and (show_list or images is not None):
        raise click.UsageError(f"--format is for files, not for {'--list' if show_list else '--images'}.")
    if show_list:
        output.write(transform_list(transforms()).encode())
        return _ending(output, OK)

    if images is not None:
        from msrefactor.verification.saved import compare_saved

        return _ending(output, DIFFERENT if compare_saved(images, output, tests_wanted(ctx)) else OK)

    fault = version_fault(required_version, __version__) if required_version is not None else None
    if fault is not None:
        raise click.UsageError(fault)
    every = transforms()
    wanted = Wanted(
        select=_known(select, every, "--select"),
        ignore=_known(ignore, every, "--ignore"),
        unsafe=unsafe,
        runtime=runtime,
        suggestions=explain,
        pragmas=not no_pragmas,
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
    run.jobs = run_jobs
    run.format = run_format
    run.report = Path(run_report) if run_report is not None else None
    is_question = diff or check or not (write or is_filter)
    try:
        configurations = Configurations(
            [transform.name for transform in every],
            wanted,
            file=Path(config_file) if config_file is not None else None,
            is_isolated=isolated,
            excludes_named=force_exclude,
        )
        if is_filter:
            as_filter(run, configurations, stdin_filename, context)
        elif plan is None:
            over_files(run, configurations, paths or (".",), context)
        else:
            from msrefactor.verification.start import verify_files

            verify_files(run, configurations, paths or (".",), context, plan)
    except BadConfiguration as error:  # found before the first file is touched
        say(printable(str(error)))
        return USAGE
    if run.internal:
        return _ending(output, INTERNAL)
    if run.failed or run.is_report_lost or (strict and run.has_refusal):
        return _ending(output, FAILED)
    if run.has_difference:
        return _ending(output, DIFFERENT)
    if run.changed and ((is_question and not exit_zero) or exit_non_zero_on_change):
        return _ending(output, CHANGED)
    return _ending(output, OK)


def _ending(output: Output, code: int) -> int:
    """Return the exit code, unless what was to be shown could not be."""
    if output.failure is None:
        return code
    say(f"msrefactor: can't write to standard output: {output.failure}")
    return max(code, FAILED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code."""
    # Our values form no cycles worth looking for at every 700th object; a fifth of the time goes there.
    gc.set_threshold(50_000, 20, 50)
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
