"""Measure runs over many files: `bench/bulk.py FOLDER…`, on a machine that does nothing else.

The files are the Dockerfiles below the folder, with all that lies beside them: msrefactor reads the build
contexts as well. Times are processor time of whole processes (user and system, children included) and wall
time; hadolint, where it is installed, gets the same files. No figure here decides whether a test passes.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


def measured(command: Sequence[str]) -> tuple[float, float]:
    """Return the processor time and the wall time of a command, in seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryFile() as sink:
        subprocess.run(command, stdout=sink, stderr=sink, check=False)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended - started


def in_batches(command: Sequence[str], files: Sequence[str], size: int = 500) -> tuple[float, float]:
    """Return the sums over runs of the command with so many files at once."""
    runs = [measured([*command, *files[start : start + size]]) for start in range(0, len(files), size)]
    return sum(cpu for cpu, _ in runs), sum(wall for _, wall in runs)


def growth() -> list[tuple[str, str]]:
    """Return how the time and the memory of one file grow with its size."""
    rows = []
    line = "RUN apt-get update && apt-get install -y curl ca-certificates && rm -rf /var/lib/apt/lists/*\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Dockerfile"
        for size in (100_000, 1_000_000, 9_900_000):
            path.write_text("FROM registry.example/base:1\n" + line * (size // len(line)))
            cpu, _ = measured([sys.executable, "-m", "msrefactor", "--diff", str(path)])
            figure = f"{cpu:.1f} s, {cpu / size * 1e6:.1f} s for each MB"
            rows.append((f"one file of {size / 1e6:.1f} MB", figure))
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", nargs="+", help="folders with repositories")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each Nth file")
    parser.add_argument("--growth", action="store_true", help="also measure large files (minutes)")
    parser.add_argument(
        "--hadolint", default=shutil.which("hadolint"), help="the program, if it isn't on PATH"
    )
    options = parser.parse_args()

    from msrefactor.walk import find_dockerfiles

    started = time.process_time()
    files = [os.fspath(path) for path in find_dockerfiles(options.corpus).files][:: options.every]
    rows = [("files", str(len(files))), ("walk", f"{time.process_time() - started:.1f} s of processor time")]
    ours = [sys.executable, "-m", "msrefactor", "--diff", "--quiet", "--isolated"]
    cpu, wall = measured([*ours, "--jobs=1", *files])
    rows.append(
        ("msrefactor --jobs 1", f"{cpu:.1f} s of processor time, {len(files) / cpu:.0f} files/s a core")
    )
    both_cpu, both_wall = measured([*ours, "--jobs=2", *files])
    rows.append(("msrefactor --jobs 2", f"{both_cpu:.1f} s, {wall / both_wall:.2f} x as fast by the clock"))
    if options.hadolint:
        theirs, _ = in_batches([options.hadolint, "--no-fail", "-f", "json"], files)
        rate = f"{len(files) / theirs:.0f} files/s, msrefactor is {theirs / cpu:.2f} x as fast"
        rows.append(("hadolint, same files", f"{theirs:.1f} s of processor time, {rate}"))
    unit = 1_000_000 if platform.system() == "Darwin" else 1000
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    rows.append(("largest process of all", f"{memory:.0f} MB"))
    if options.growth:
        rows += growth()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"Python {platform.python_version()}, {machine}")
    for name, figure in rows:
        print(f"{name:26} {figure}")


if __name__ == "__main__":
    main()
