"""What goes into an ignore file, and what never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import MakeFiles
from msrefactor.cli import main
from msrefactor.context import BuildContext
from msrefactor.ignoring import hidden_reads
from msrefactor.model import Changed, Result, Settings, Suggested, View
from msrefactor.parse import parse
from msrefactor.pipeline import refactor_file

COPIES_ALL = 'FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py"]\n'
SELECTED = Settings(select=frozenset({"ignore-context"}))


def lines(result: Result) -> list[str]:
    assert result.internal_error is None
    assert result.before == result.after
    return [line for other in result.others for line in other.after.splitlines()]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setup.py", "setup(use_scm_version=True, setup_requires=['setuptools_scm'])"),
        ("Makefile", "VERSION := $(shell git describe --tags)"),
        ("app.py", "subprocess.run(['git', 'rev-parse', 'HEAD'])"),
        ("package.json", '{"scripts": {"prepare": "husky install"}}'),
        ("orders.gemspec", "spec.files = `git ls-files -z`.split"),
        ("main.go", "info, _ := debug.ReadBuildInfo()"),
        ("app.py", "open('.git/HEAD')"),
    ],
)
def test_git_stays_where_the_project_asks_it(files: MakeFiles, name: str, text: str) -> None:
    root = files({"Dockerfile": COPIES_ALL, ".git/HEAD": "ref", "app.py": "", name: text})
    assert lines(refactor_file(root / "Dockerfile", SELECTED)) == []


def test_git_stays_where_a_build_step_asks_it(files: MakeFiles) -> None:
    text = COPIES_ALL.replace("CMD", "RUN git rev-parse HEAD > version\nCMD")
    root = files({"Dockerfile": text, ".git/HEAD": "ref", "app.py": ""})
    assert lines(refactor_file(root / "Dockerfile", SELECTED)) == []


def test_git_is_left_out_where_nothing_asks_it(files: MakeFiles) -> None:
    package = '{"repository": {"type": "git", "url": "https://github.com/a/b.git"}}'
    root = files({"Dockerfile": COPIES_ALL, ".git/HEAD": "ref", "app.py": "", "package.json": package})
    assert lines(refactor_file(root / "Dockerfile", SELECTED)) == [".git"]


def test_environment_of_the_developer_is_left_out_unless_it_is_started(files: MakeFiles) -> None:
    contents = {".venv/pyvenv.cfg": "", ".venv/bin/python": "", "app.py": ""}
    root = files({"Dockerfile": COPIES_ALL, **contents})
    assert lines(refactor_file(root / "Dockerfile", SELECTED)) == [".venv"]
    started = COPIES_ALL.replace('"python"', '"/app/.venv/bin/python"')
    (root / "Dockerfile").write_text(started, "utf-8")
    assert lines(refactor_file(root / "Dockerfile", SELECTED)) == []


def test_the_ignore_file_of_the_dockerfile_is_the_one_that_gets_the_lines(files: MakeFiles) -> None:
    contents = {
        ".git/HEAD": "ref",
        "app.py": "",
        ".dockerignore": "docs\n",
        "Dockerfile.dockerignore": "docs\r\n",
    }
    root = files({"Dockerfile": COPIES_ALL, **contents})
    (other,) = refactor_file(root / "Dockerfile", SELECTED).others
    assert other.path == root / "Dockerfile.dockerignore"
    assert other.after == "docs\r\n.git\r\n"


def test_a_file_that_is_named_is_never_hidden(files: MakeFiles) -> None:
    text = COPIES_ALL.replace("COPY . .", "COPY . .\nCOPY keys/a.pem /etc/a.pem\nRUN cat settings.ini")
    root = files({"Dockerfile": text, "app.py": "", "keys/a.pem": "", "settings.ini": "", "b.pem": ""})
    view = View(parse(text), BuildContext.open(root, root / "Dockerfile"), path=root / "Dockerfile")
    for hidden in ("keys", "*.ini", "app.py", "**"):
        assert hidden_reads(view, f"{hidden}\n"), hidden
    assert hidden_reads(view, "b.pem\n") == ()
    assert hidden_reads(view, "[\n"), "Docker refuses this text"


def test_it_only_suggests_unless_it_is_selected(files: MakeFiles) -> None:
    root = files({"Dockerfile": COPIES_ALL, ".git/HEAD": "ref", "app.py": ""})
    told = refactor_file(root / "Dockerfile", Settings(suggestions=True))
    assert not told.is_changed
    outcome = {step.transform: step.outcome for step in told.steps}["ignore-context"]
    assert isinstance(outcome, Suggested)
    silent = refactor_file(root / "Dockerfile", Settings())
    assert "ignore-context" not in {step.transform for step in silent.steps}
    selected = refactor_file(root / "Dockerfile", SELECTED)
    assert isinstance(selected.steps[0].outcome, Changed)


def test_the_command_line_makes_the_file_once(
    files: MakeFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = {".git/HEAD": "ref", "app.py": "", "b.Dockerfile": COPIES_ALL}
    root = files({"Dockerfile": COPIES_ALL, **contents})
    monkeypatch.chdir(root)
    assert main(["--diff", "--select", "ignore-context"]) == 1
    shown = capsys.readouterr().out
    assert shown.count("--- /dev/null\n+++ b/.dockerignore\n") == 1
    assert not (root / ".dockerignore").exists()
    assert main(["--write", "--select", "ignore-context"]) == 0
    assert "rewrote .dockerignore" in capsys.readouterr().err
    assert (root / ".dockerignore").read_text("utf-8") == ".git\n"
    assert (root / "Dockerfile").read_text("utf-8") == COPIES_ALL
    assert main(["--diff", "--select", "ignore-context"]) == 0
    assert sorted(path.name for path in root.iterdir()) == [
        ".dockerignore", ".git", "Dockerfile", "app.py", "b.Dockerfile",
    ]  # fmt: skip


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    from msrefactor.errors import WriteFailed
    from msrefactor.source import create_atomically

    path = tmp_path / ".dockerignore"
    path.write_text("theirs\n", "utf-8")
    with pytest.raises(WriteFailed):
        create_atomically(path, "ours\n")
    assert path.read_text("utf-8") == "theirs\n"
    assert list(tmp_path.iterdir()) == [path]
