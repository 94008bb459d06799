"""Measure what a user waits for, and print a table: `make bench`, on a machine that does nothing else.

Start-up is processor time of whole processes (median of several), with compiled modules kept as an installed
program has them; the rest is processor time in this process. No figure here decides whether a test passes.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
DEMO = REPOSITORY / "fixtures/split-stages/python/flask-single-stage/context/Dockerfile"


def process_seconds(code: str, cache: str, rounds: int = 11) -> float:
    """Return the median processor time of `python -c code`, in seconds; the first run only compiles."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times = []
    for _ in range(rounds + 1):
        before = os.times()
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        after = os.times()
        times.append(
            after.children_user - before.children_user + after.children_system - before.children_system
        )
    return statistics.median(times[1:])


def call_seconds(call: Callable[[], object], rounds: int = 5) -> float:
    """Return the best processor time of a call, in seconds."""
    best = float("inf")
    for _ in range(rounds):
        before = time.process_time()
        call()
        best = min(best, time.process_time() - before)
    return best


def start_up() -> list[tuple[str, str]]:
    """Return the rows about whole processes."""
    with tempfile.TemporaryDirectory() as cache:
        click = process_seconds("import click", cache)
        version = process_seconds("from msrefactor.cli import main; main(['--version'])", cache)
        diff = process_seconds(f"from msrefactor.cli import main; main(['--diff', {str(DEMO)!r}])", cache)
    return [
        ("python -c 'import click'", f"{click * 1000:.0f} ms"),
        ("msrefactor --version", f"{version * 1000:.0f} ms, {version / click:.2f} x import click"),
        ("msrefactor --diff, the demo", f"{diff * 1000:.0f} ms, {diff / click:.2f} x import click"),
    ]


def parsing() -> list[tuple[str, str]]:
    """Return the rows about the parser and the shell splitter: one file, and growth with length."""
    from msrefactor.parse import parse
    from msrefactor.shell import parse_script

    typical = (
        REPOSITORY / "fixtures/split-stages/python/psycopg2-with-apt-headers/context/Dockerfile"
    ).read_text()
    body = typical.partition("\n")[2]
    one = call_seconds(lambda: [parse(typical) for _ in range(100)]) / 100
    unit = "apt-get update && apt-get install -y a b c; "

    def parse_times(count: int) -> float:
        return call_seconds(lambda: parse("FROM x\n" + body * count), 3)

    def split_times(count: int) -> float:
        return call_seconds(lambda: parse_script.__wrapped__(unit * count + "true"), 3)

    return [
        ("parse a typical file", f"{one * 1000:.2f} ms"),
        ("parse 8 times the text", f"{parse_times(800) / parse_times(100):.1f} x the time"),
        ("split 8 times the shell text", f"{split_times(800) / split_times(100):.1f} x the time"),
    ]


def throughput() -> list[tuple[str, str]]:
    """Return the row about whole files: read, located, refactored, checked, diffed."""
    from msrefactor.diff import unified_diff
    from msrefactor.model import Settings
    from msrefactor.pipeline import refactor_file

    files = sorted((REPOSITORY / "fixtures/split-stages").rglob("context/Dockerfile"))

    def all_files() -> None:
        for file in files:
            result = refactor_file(file, Settings())
            unified_diff(result.before, result.after, "Dockerfile")

    seconds = call_seconds(all_files, 3)
    return [("fixtures end to end", f"{len(files)} files, {len(files) / seconds:.0f} files/s on one core")]


def main() -> None:
    """Print the table."""
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    for name, figure in (*start_up(), *parsing(), *throughput()):
        print(f"{name:32} {figure}")


if __name__ == "__main__":
    main()
