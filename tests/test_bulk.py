"""Runs over many files: the same with any number of processes, reported by pattern, stopped cleanly."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import fakes
from conftest import MakeFiles, RunCli
from msrefactor import pipeline
from msrefactor.report.as_json import SCHEMA

Start = Callable[..., subprocess.Popen[bytes]]
ALL = (fakes.PYTHON, fakes.NGINX, fakes.MAKE, fakes.LABEL, fakes.BROKEN, fakes.TEMPLATE)


def many(files: MakeFiles, count: int = 60) -> Path:
    return files({f"{number:03}/Dockerfile": ALL[number % len(ALL)] for number in range(count)})


@pytest.mark.parametrize("mode", ["--diff", "--check", "--explain", "--write"])
def test_any_number_of_processes_gives_the_same(
    files: MakeFiles, run_cli: RunCli, tmp_path: Path, mode: str
) -> None:
    ended = []
    for jobs in (1, 2, 5):
        folder = many(files)
        ran = run_cli(mode, "--jobs", str(jobs), "--report", str(tmp_path / "report.json"))
        report = (tmp_path / "report.json").read_text()
        ended.append((ran, report, [path.read_text() for path in sorted(folder.rglob("Dockerfile"))]))
    assert ended[0] == ended[1] == ended[2]
    assert ended[0][0].code == 123


def test_sum_tells_the_obstacles(files: MakeFiles, run_cli: RunCli) -> None:
    many(files)
    last = run_cli().err.splitlines()[-1]
    assert last == (
        "60 files: 10 would change, 10 unchanged, 20 refused, 10 failed, 10 with an internal error"
        "; about 1204 MB less; obstacles: 10 unknown-artifact, 10 unproved"
    )


def test_explanation_of_many_files_ends_with_what_they_have_in_common(
    files: MakeFiles, run_cli: RunCli
) -> None:
    files({f"{number}/Dockerfile": fakes.PYTHON for number in range(5)})
    files({f"x/{number}/Dockerfile": fakes.PYTHON.replace("3.12", f"3.{number}") for number in range(3)})
    files({f"y/{number}/Dockerfile": fakes.MAKE for number in range(4)})
    text = run_cli("--explain", "--check").text
    assert text.endswith(
        """\
changes that are the same but for names, paths and versions:
  8 files, with 4 different edits, such as 0/Dockerfile
    name-stage: the stage has a name to copy from
obstacles:
  unknown-artifact: what the build produces, or where, isn't known (4 files)
    4 x find-artifact: … builds something, but what isn't known
"""
    )


def test_report_is_written_whole_and_keeps_to_its_schema(
    files: MakeFiles, run_cli: RunCli, tmp_path: Path
) -> None:
    many(files)
    report = tmp_path / "report.json"
    report.write_text("old")
    assert run_cli("--write", "--report", str(report), "--jobs", "2").code == 123
    value = json.loads(report.read_text())
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(value)
    assert (value["mode"], value["complete"]) == ("write", True)
    assert value["totals"]["written"] == value["totals"]["changed"] == 10
    assert [file["path"] for file in value["files"]] == sorted(file["path"] for file in value["files"])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_report_that_cannot_be_written_is_an_error(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.NGINX})
    ran = run_cli("--report", "none/report.json")
    assert ran.code == 3
    assert ran.err == "none/report.json: not written: No such file or directory\n1 file: 1 unchanged\n"


def test_report_may_go_into_a_pipe(files: MakeFiles, start_cli: Start) -> None:
    files({"Dockerfile": fakes.NGINX})
    started = start_cli("--report", "/dev/stdout", "-q")
    out, _ = started.communicate(timeout=60)
    assert json.loads(out)["totals"]["unchanged"] == 1


def test_filter_has_no_report(files: MakeFiles, run_cli: RunCli) -> None:
    files({})
    assert run_cli("-", "--report", "x.json").code == 2


def test_second_run_changes_no_file_and_no_time(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files({f"{number}/Dockerfile": fakes.PYTHON for number in range(30)})
    run_cli("--write", "--jobs", "2")
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*")}
    ran = run_cli("--write", "--jobs", "2")
    assert (ran.code, ran.err) == (0, "30 files: 30 unchanged\n")
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*")} == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_run_leaves_whole_files_and_no_process(
    files: MakeFiles, start_cli: Start, tmp_path: Path, number: signal.Signals
) -> None:
    slow = "FROM nginx\nENV SLOW=1\n"
    folder = files({f"{n:02}/Dockerfile": fakes.PYTHON for n in range(20)} | {"10/Dockerfile": slow})
    report = tmp_path / "report.json"
    started = start_cli("--write", "--jobs", "2", "--report", str(report), start_new_session=True)
    deadline = time.monotonic() + 30
    while (folder / "09/Dockerfile").read_text() != fakes.NAMED and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    before = time.monotonic()
    os.killpg(started.pid, number) if number is not signal.SIGKILL else started.kill()
    _, err = started.communicate(timeout=60)
    assert time.monotonic() - before < 30
    assert started.returncode == {signal.SIGKILL: -9}.get(number, 128 + number)
    texts = [(folder / f"{n:02}/Dockerfile").read_text() for n in range(20)]
    assert texts == [fakes.NAMED] * 10 + [slow] + [fakes.PYTHON] * 9
    while session(started.pid) and time.monotonic() - before < 30:
        time.sleep(0.02)
    assert session(started.pid) == []
    if number is signal.SIGKILL:
        assert not report.exists()
    else:
        last = "stopped: 20 files: 10 changed (10 not looked at); about 1204 MB less"
        assert err.decode().splitlines()[-1] == last
        value = json.loads(report.read_text())
        assert (value["complete"], value["totals"]["not_looked_at"], len(value["files"])) == (False, 10, 10)


def session(leader: int) -> list[str]:
    """The processes of a session, zombies left out."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(entry.name)
    return found


# ---- progress --------------------------------------------------------------------------------------------


def on_terminal(start_cli: Start, **environment: str) -> str:
    """What the run writes on stderr when that is a terminal."""
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    started = start_cli("--check", stderr=theirs, env={**kept, **environment})
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
    return shown.decode()


def test_long_run_shows_how_far_it_is_on_a_terminal_only(
    files: MakeFiles, start_cli: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    files({f"{number:02}/Dockerfile": fakes.NAP for number in range(25)} | {"30/Dockerfile": fakes.MAKE})
    shown = on_terminal(start_cli)
    assert "/26 files, 0 with changes\x1b[K\r\x1b[K" in shown
    # what is said stands on lines of its own
    assert "\r\x1b[K30/Dockerfile:2: refused: unknown-artifact" in shown
    assert "\x1b" not in shown.splitlines()[-1]
    assert "[" not in on_terminal(start_cli, CI="true")
    assert "[" not in on_terminal(start_cli, TERM="dumb")
    started = start_cli("--check")
    _, err = started.communicate(timeout=60)
    assert b"\r" not in err
    assert b"\x1b" not in err


# ---- two at once, and what changes meanwhile ---------------------------------------------------------------


def test_two_runs_at_once_end_well_and_leave_nothing(files: MakeFiles, start_cli: Start) -> None:
    folder = files({f"{number:02}/Dockerfile": fakes.PYTHON for number in range(40)})
    for _ in range(3):
        for path in folder.rglob("Dockerfile"):
            path.write_text(fakes.PYTHON)
        runs = [start_cli("--write", "-q", "--jobs", "2") for _ in range(3)]
        ended = [(run.communicate(timeout=100)[1], run.returncode) for run in runs]
        assert ended == [(b"", 0)] * 3
        assert {path.read_text() for path in folder.rglob("Dockerfile")} == {fakes.NAMED}
        assert {path.name for path in folder.rglob("*") if path.is_file()} == {"Dockerfile"}


def test_strays_of_a_killed_run_are_swept_also_where_nothing_is_written(
    files: MakeFiles, run_cli: RunCli
) -> None:
    folder = files({"Dockerfile": fakes.NGINX, ".msrefactor-1f.tmp": "x", "sub/.msrefactor-2f.tmp": "x"})
    run_cli("--diff")
    assert (folder / ".msrefactor-1f.tmp").exists()
    run_cli("--write")
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["Dockerfile"]


def test_file_that_vanishes_meanwhile_is_told_and_the_rest_is_done(
    files: MakeFiles, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = files({f"{number}/Dockerfile": fakes.PYTHON for number in range(3)})
    really = pipeline.refactor_file

    def refactor(path: Path, *rest: Any) -> Any:
        if path.parent.name == "1":
            path.unlink()
        return really(path, *rest)

    monkeypatch.setattr(pipeline, "refactor_file", refactor)
    ran = run_cli("--write")
    assert ran.code == 3
    assert "1/Dockerfile:1:1: can't be read: No such file or directory" in ran.err
    assert (folder / "2/Dockerfile").read_text() == fakes.NAMED
    assert list((folder / "1").iterdir()) == []
