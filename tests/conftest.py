"""What several test modules use: folders made from a mapping, and the command line in this process."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import fakes

REPOSITORY = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that run git, test_git_…, where there is none: `make test` promises to work without."""
    if shutil.which("git") is None:
        for item in items:
            if item.name.startswith("test_git_"):
                item.add_marker(pytest.mark.skip(reason="git isn't installed"))


HANGS_AFTER = 300
"""Seconds after which a test counts as hanging. No figure of speed: those are measured by `make bench`."""


@pytest.fixture(autouse=True)
def no_hang(request: pytest.FixtureRequest) -> Iterator[None]:
    """End a test that hangs, with the place where it does."""
    if "e2e" in request.keywords or not hasattr(signal, "SIGALRM"):
        yield  # real builds have limits of their own
        return

    def stop(number: int, frame: object) -> None:
        pytest.fail(f"still running after {HANGS_AFTER} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANGS_AFTER)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run of the command line ended."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


RunCli = Callable[..., Ran]
MakeFiles = Callable[[Mapping[str, str | bytes]], Path]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeFiles:
    """Make files in an empty folder, which becomes the current one."""
    folder = tmp_path / "project"

    def make(contents: Mapping[str, str | bytes]) -> Path:
        folder.mkdir(exist_ok=True)
        for name, content in contents.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        monkeypatch.chdir(folder)
        return folder

    return make


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the user's environment says about colour and dry runs."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "DRY_RUN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def run_cli(
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    plain_environment: None,
) -> RunCli:
    """Run the command line with the fake transforms in this process."""
    from msrefactor import cli, pipeline

    monkeypatch.setattr(pipeline, "transforms", lambda: fakes.FAKES)
    monkeypatch.setattr(pipeline, "_the_check", lambda: fakes.approve)

    def run(*arguments: str, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfdbinary.readouterr()
        code = cli.main(arguments)
        out, err = capfdbinary.readouterr()
        return Ran(code, out, err.decode())

    return run


def _no_signal_ignored() -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def start_cli(plain_environment: None) -> Callable[..., subprocess.Popen[bytes]]:
    """Start the command line with the fake transforms in a process of its own."""

    def start(*arguments: str, **options: object) -> subprocess.Popen[bytes]:
        # signals that our own parent ignores (nohup, a shell's background job) must count for this process
        options.setdefault("preexec_fn", _no_signal_ignored)
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [sys.executable, str(REPOSITORY / "tests/fakes.py"), *arguments]
        return subprocess.Popen(command, **pipes)  # type: ignore[call-overload, no-any-return]

    return start


def git_apply(patch: bytes, folder: Path) -> None:
    """Apply a patch as the README says, or skip the test where there is no git."""
    if shutil.which("git") is None:
        pytest.skip("git isn't installed")
    environment = {
        **os.environ,
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    done = subprocess.run(
        ["git", "apply", "-"], input=patch, cwd=folder, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
