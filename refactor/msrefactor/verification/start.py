"""`--verify` as the command line starts and ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from msrefactor.configuration import Configurations
from msrefactor.console import say
from msrefactor.explain import printable
from msrefactor.progress import is_watched
from msrefactor.run import Run, over_files
from msrefactor.verification.commands import Stopping
from msrefactor.verification.engines import NoEngine, connect
from msrefactor.verification.plan import Plan
from msrefactor.verification.session import Session
from msrefactor.verification.tables import table, write_report


def verify_files(
    run: Run, configurations: Configurations, paths: Sequence[str], context: Path | None, plan: Plan
) -> None:
    """Take each file with its proof, then tell all verdicts in a table and write the reports."""
    if find_spec("elftools") is None:
        run.failed += 1
        say("msrefactor: --verify needs pyelftools: run `pip install 'msrefactor[verify]'`")
        return
    try:
        engine = connect(plan.client, plan.builder)
    except NoEngine as reason:
        run.failed += 1
        say(printable(f"msrefactor: --verify needs Docker or podman: {reason}"))
        return
    plan = replace(plan, jobs=run.jobs or 1)
    session = Session(engine, plan, run.signals, is_watched() and not run.quiet)
    try:
        over_files(run, configurations, paths, context, session)
    except Stopping:
        return
    finally:
        if session.verdicts:
            told = printable(table(session.verdicts), keep="\n")
            if run.is_text:
                run.print(told)
            else:
                for line in told.splitlines():
                    run.say(line)
            for file in plan.reports:
                try:
                    with run.signals:
                        write_report(file, session.verdicts, engine.name)
                except OSError as error:
                    run.failed += 1
                    say(printable(f"{file}:1:1: can't be written: {error.strerror or error}"))
