"""The command line as a program among others: pipes, full disks, signals, start-up."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import fakes
from conftest import MakeFiles
from msrefactor.cli import main
from msrefactor.console import Signals, Stopped

Start = Callable[..., subprocess.Popen[bytes]]
SLOW = "FROM nginx\nENV SLOW=1\n"


def ended(started: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    out, err = started.communicate(timeout=60)
    return started.returncode, out or b"", (err or b"").decode()


# ---- pipes and disks -------------------------------------------------------------------------------------


def test_reader_that_stops_gets_no_traceback(files: MakeFiles, start_cli: Start) -> None:
    files({f"{number:03}/Dockerfile": fakes.PYTHON for number in range(20)})
    started = start_cli("--diff")
    assert started.stdout is not None
    started.stdout.close()
    assert started.stderr is not None
    err = started.stderr.read().decode()
    started.stderr.close()
    assert started.wait(60) == 1
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert "Broken pipe" not in err


def test_write_goes_on_when_nobody_reads(files: MakeFiles, start_cli: Start) -> None:
    folder = files({f"{number}/Dockerfile": fakes.PYTHON for number in range(5)})
    started = start_cli("--write", "--explain")
    assert started.stdout is not None
    started.stdout.close()
    assert started.stderr is not None
    started.stderr.read()
    started.stderr.close()
    assert started.wait(60) == 0
    assert all((folder / f"{number}/Dockerfile").read_text() == fakes.NAMED for number in range(5))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["--diff"], ["--list"], ["--help"], ["--version"], ["-"]])
def test_full_disk_behind_stdout_is_told(files: MakeFiles, start_cli: Start, arguments: list[str]) -> None:
    folder = files({"Dockerfile": fakes.PYTHON})
    with Path("/dev/full").open("wb") as full, (folder / "Dockerfile").open("rb") as stdin:
        code, _, err = ended(start_cli(*arguments, stdout=full, stdin=stdin))
    assert code == 3
    assert "No space left on device" in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_full_disk_behind_stderr_harms_nothing(files: MakeFiles, start_cli: Start) -> None:
    folder = files({"a/Dockerfile": fakes.MAKE, "b/Dockerfile": fakes.PYTHON})
    with Path("/dev/full").open("wb") as full:
        code, _, _ = ended(start_cli("--write", stderr=full))
    assert code == 0
    assert (folder / "b/Dockerfile").read_text() == fakes.NAMED


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_closed_streams_give_no_traceback(files: MakeFiles, start_cli: Start, closed: int) -> None:
    files({"Dockerfile": fakes.PYTHON})
    path = "-" if closed == 0 else "Dockerfile"
    command = f'exec "$0" tests/fakes.py --diff {path} {closed}>&-'
    command = command.replace("tests/fakes.py", fakes.__file__)
    done = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True, check=False, timeout=60)
    assert done.returncode == {0: 3, 1: 3, 2: 1}[closed]
    assert b"Traceback" not in done.stderr


def test_nothing_is_asked_and_no_colour_goes_into_a_pipe(files: MakeFiles, start_cli: Start) -> None:
    files({"Dockerfile": fakes.PYTHON})
    code, out, _ = ended(start_cli())
    assert code == 1
    assert b"\x1b" not in out


def test_terminal_gets_colour_and_no_raw_control_characters(files: MakeFiles, start_cli: Start) -> None:
    files({"Dockerfile": "FROM python:3.12\n# \x1b[2J\nCMD a\n"})
    ours, theirs = pty.openpty()
    started = start_cli("--diff", stdout=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    started.communicate(timeout=60)
    assert b"\x1b[32m+FROM python:3.12 AS app\x1b[0m" in shown
    assert b"# \\x1b[2J" in shown
    assert b"\x1b[2J" not in shown


# ---- signals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signal_stops_between_files_and_tells_the_sum(
    files: MakeFiles, start_cli: Start, number: signal.Signals, code: int
) -> None:
    folder = files({"a/Dockerfile": fakes.PYTHON, "b/Dockerfile": SLOW, "c/Dockerfile": fakes.PYTHON})
    started = start_cli("--write")
    deadline = time.monotonic() + 30
    while (folder / "a/Dockerfile").read_text() != fakes.NAMED and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    before = time.monotonic()
    started.send_signal(number)
    ended_with, out, err = ended(started)
    assert ended_with == code
    assert time.monotonic() - before < 5
    assert out == b""
    assert err.splitlines() == [
        "rewrote a/Dockerfile",
        "stopped: 3 files: 1 changed (2 not looked at); about 120 MB less",
    ]
    assert (folder / "b/Dockerfile").read_text() == SLOW
    assert (folder / "c/Dockerfile").read_text() == fakes.PYTHON
    assert [entry.name for entry in (folder / "a").iterdir()] == ["Dockerfile"]


def test_ignored_signal_stays_ignored(files: MakeFiles, start_cli: Start) -> None:
    files({"Dockerfile": SLOW})
    started = start_cli(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    time.sleep(1)
    started.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert started.poll() is None
    started.send_signal(signal.SIGTERM)
    assert ended(started)[0] == 143


def test_signal_waits_for_the_file_that_is_being_written() -> None:
    signals = Signals()
    written = False
    with pytest.raises(Stopped) as stopped:  # noqa: PT012, SIM117  the inner block is what raises
        with signals:
            signals.receive(signal.SIGTERM, None)
            written = True
    assert written
    assert stopped.value.code == 143
    with pytest.raises(Stopped):
        signals.receive(signal.SIGINT, None)


def test_signal_handlers_are_given_back(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert main(["--version"]) == 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert capfd.readouterr().out.startswith("msrefactor ")


# ---- start-up --------------------------------------------------------------------------------------------

START_UP = {"msrefactor", "msrefactor.cli", "msrefactor.console"}
HEAVY = {"libcst", "yaml", "dockerfile_parse", "difflib", "json", "logging", "pathlib"}


def imported(code: str) -> set[str]:
    """Return the modules that a program has imported, beyond those that click imports."""
    script = (
        f"import sys, click; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_version_and_help_import_nothing_heavy(argument: str) -> None:
    modules = imported(f"from msrefactor.cli import main; main([{argument!r}])")
    assert {name for name in modules if name.startswith("msrefactor")} == {
        "msrefactor",
        "msrefactor.cli",
        "msrefactor.console",
        "msrefactor.verify_options",
    }
    assert not modules & HEAVY


def test_command_line_module_imports_only_click() -> None:
    modules = imported("import msrefactor.cli")
    assert {name for name in modules if name.startswith("msrefactor")} == {
        "msrefactor",
        "msrefactor.cli",
        "msrefactor.console",
        "msrefactor.verify_options",
    }
    assert not modules & HEAVY


def test_plain_diff_does_not_import_libcst(files: MakeFiles) -> None:
    files({"Dockerfile": "FROM nginx:1.27\nCOPY site /usr/share/nginx/html\n", "site/index.html": ""})
    modules = imported("from msrefactor.cli import main; main(['--diff', 'Dockerfile'])")
    assert "msrefactor.pipeline" in modules
    assert "libcst" not in modules


def test_module_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "msrefactor", "--version"], capture_output=True, check=True)
    assert done.stdout.startswith(b"msrefactor ")
