"""A share of `make fuzz`: mutated Dockerfiles make no crash, no hang and no bad result."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from msrefactor.model import Settings
from msrefactor.pipeline import refactor_source

FUZZ = Path(__file__).parents[1] / "bench/fuzz.py"


def test_mutated_files_make_no_fault() -> None:
    done = subprocess.run(
        [sys.executable, str(FUZZ), "--count", "400", "--seed", "7"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    numbers = {kind: int(number) for number, kind in re.findall(r"(\d+) ([a-zA-Z -]+?)(?:,| in )", last)}
    assert numbers["inputs"] == 400
    assert numbers["changed"] >= 100
    assert numbers["unchanged"] + numbers["refused"] >= 50


def test_two_slashes_at_the_beginning_end() -> None:
    """They were found by `make fuzz`: `dirname("//")` is `//`."""
    text = "FROM gcc:13\nWORKDIR //a\nCOPY x //b/c/\nRUN gcc -o //a/x x.c\nCMD //a/x\n"
    assert refactor_source(text, None, Settings()).internal_error is None
