"""How the proofs of a run go: in order, in parts, resumed, and never more than what is proved."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from conftest import git_apply
from msrefactor.cli import main
from msrefactor.model import Change, Changed, Result, Settings, Step
from msrefactor.parse import parse
from msrefactor.verification import start
from msrefactor.verification.commands import Commands
from msrefactor.verification.differences import Difference, Level
from msrefactor.verification.engines import Engine, NoEngine, run_name
from msrefactor.verification.plan import Plan
from msrefactor.verification.proof import Proof
from msrefactor.verification.session import Session
from msrefactor.verification.verdict import Status, Verdict

PROVED = Verdict(Status.PROVED)
WRONG = Difference(Level.CONFIG, "User", "guest", "root")
DIFFERENT = Verdict(Status.DIFFERENT, (WRONG,), culprits=("split-stages",))


@dataclass
class NoRealEngine:
    run: str = field(default_factory=run_name)
    name: str = "docker"
    commands: Commands = field(default_factory=Commands)
    cleaned: int = 0

    def remove_everything(self) -> None:
        self.cleaned += 1


def results(names: str) -> Iterator[Result]:
    for name in names:
        yield Result(Path(name), "FROM a\n", "FROM a\n" if name.isupper() else "FROM b\n")


def session_of(engine: NoRealEngine, **plan: Any) -> Session:
    return Session(cast(Engine, engine), Plan(**plan), contextlib.nullcontext())


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Those who were proved, in the order in which that began; `x` differs, `!` breaks."""
    asked: list[str] = []

    def prove(_proof: Proof, result: Result, *_others: object) -> tuple[Result, Verdict]:
        asked.append(str(result.path))
        if str(result.path) == "!":
            raise RuntimeError("a bug")
        return result, DIFFERENT if str(result.path) == "x" else PROVED

    monkeypatch.setattr(Proof, "prove", prove)
    return asked


@pytest.mark.parametrize("jobs", [1, 3])
def test_results_come_in_their_order_and_only_changes_are_proved(proofs: list[str], jobs: int) -> None:
    engine = NoRealEngine()
    session = session_of(engine, jobs=jobs)
    taken = list(session(results("aBxCd"), {}, None))
    assert [str(result.path) for result in taken] == list("aBxCd")
    assert [result.verdict.status.value if result.verdict else "" for result in taken] == [
        "proved", "", "different", "", "proved",
    ]  # fmt: skip
    assert sorted(proofs) == ["a", "d", "x"]
    assert engine.cleaned == 1
    assert not Path(tempfile.gettempdir(), engine.run).exists()


def test_shards_together_prove_each_change_once(proofs: list[str]) -> None:
    for part in (1, 2, 3):
        list(session_of(NoRealEngine(), shard=(part, 3))(results("abcdefg"), {}, None))
    assert sorted(proofs) == list("abcdefg")


def test_a_noted_verdict_is_not_found_out_again(proofs: list[str], tmp_path: Path) -> None:
    noted = tmp_path / "noted.jsonl"
    list(session_of(NoRealEngine(), resume=noted)(results("ax"), {}, None))
    with noted.open("a") as end:
        end.write('{"key": "half a li')
    taken = list(session_of(NoRealEngine(), resume=noted, jobs=2)(results("axb"), {}, None))
    assert [result.verdict for result in taken] == [PROVED, DIFFERENT, PROVED]
    assert proofs == ["a", "x", "b"]
    list(session_of(NoRealEngine(), resume=noted, target="t")(results("a"), {}, None))
    assert proofs == ["a", "x", "b", "a"]  # another plan is another question


def test_a_bug_of_ours_proves_nothing_and_ends_nothing(proofs: list[str]) -> None:
    taken = list(session_of(NoRealEngine())(results("!a"), {}, None))
    assert [result.verdict.status for result in taken if result.verdict] == [Status.UNPROVED, Status.PROVED]
    assert taken[0].verdict is not None
    assert taken[0].verdict.reason.startswith("internal error: RuntimeError")
    assert len(proofs) == 2


def test_everything_is_removed_when_nobody_wants_more(proofs: list[str]) -> None:
    engine = NoRealEngine()
    running = session_of(engine)(results("abc"), {}, None)
    next(running)
    running.close()
    assert engine.cleaned == 1
    assert engine.commands.is_stopped
    assert "a" in proofs


# ------------------------------------------------------------------------------------------------- bisecting

STEPS = tuple(Step(name, Changed(parse("FROM b\n"), (Change("x"),))) for name in ("one", "two", "three"))


class Trying:
    """Stands in for the builds: a text is proved unless it has a bad step in it."""

    def __init__(self, is_bad: Callable[[str], bool]) -> None:
        self.is_bad = is_bad
        self.tried: list[str] = []

    def part(self, result: Result) -> Verdict:
        self.tried.append(result.after)
        return DIFFERENT if self.is_bad(result.after) else PROVED


@pytest.mark.parametrize(
    ("bad", "culprits", "part"),
    [
        ({"three"}, ("three",), "one two"),
        ({"two"}, ("two",), "one three"),
        ({"one"}, ("one",), "two three"),
        ({"two", "three"}, ("two", "three"), "one"),
        ({"one", "two", "three"}, ("one",), None),
    ],
)
def test_the_step_at_fault_is_found_by_switching_off_from_the_last(
    bad: set[str], culprits: tuple[str, ...], part: str | None, tmp_path: Path
) -> None:
    whole = Result(tmp_path / "Dockerfile", "", "one two three", STEPS)

    def again(ignored: frozenset[str]) -> Result:
        return replace(
            whole, after=" ".join(step.transform for step in STEPS if step.transform not in ignored)
        )

    trying = Trying(lambda text: bool(bad & set(text.split())))
    proof = Proof(cast(Engine, NoRealEngine()), Plan(takes_part=True), tmp_path)
    taken, verdict = proof._in_parts(whole, DIFFERENT, cast(Any, trying), again)
    assert verdict.culprits == culprits
    assert (verdict.has_part, verdict.takes_part) == (part is not None, part is not None)
    assert taken.after == (part or "one two three")
    proof = replace(proof, plan=Plan())
    taken, verdict = proof._in_parts(whole, DIFFERENT, cast(Any, trying), again)
    assert (taken, verdict.has_part, verdict.takes_part) == (whole, part is not None, False)
    assert len(trying.tried) == len(set(trying.tried)) * 2


# ------------------------------------------------------------------------------------------ the command line

BEFORE = (
    'FROM python:3.12\nWORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt\nCMD ["python", "a.py"]\n'
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Dockerfile").write_text(BEFORE)
    (tmp_path / "requirements.txt").write_text("flask==3.0.3\n")
    (tmp_path / "a.py").write_text("import flask\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def with_verdict(monkeypatch: pytest.MonkeyPatch, verdict: Verdict) -> None:
    monkeypatch.setattr(start, "connect", lambda *_: NoRealEngine())
    monkeypatch.setattr(Proof, "prove", lambda _proof, result, *_: (result, verdict))


def test_what_is_proved_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_verdict(monkeypatch, PROVED)
    assert main(["--write", "--verify", "--verify-report", "r.xml", "Dockerfile"]) == 0
    assert "AS build" in (project / "Dockerfile").read_text()
    assert capsys.readouterr().out.splitlines()[1].split()[:2] == ["Dockerfile", "proved"]
    assert b"<testsuite" in (project / "r.xml").read_bytes()


def test_what_differs_is_neither_written_nor_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_verdict(monkeypatch, DIFFERENT)
    for mode in ("--write", "--diff", "--check"):
        assert main([mode, "--verify", "Dockerfile"]) == 4
        assert (project / "Dockerfile").read_text() == BEFORE
        said = capsys.readouterr()
        assert "+++" not in said.out
        assert "Dockerfile:1:1: differs (config): User: guest became root\n" in said.err
        assert "the difference comes from split-stages\n" in said.err
        assert "1 file: 1 not verified\n" in said.err


def test_a_diff_with_its_table_is_still_a_patch(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_verdict(monkeypatch, PROVED)
    assert main(["--diff", "--verify", "Dockerfile"]) == 1
    patch = capsys.readouterr().out
    assert patch.splitlines()[-1].split()[:2] == ["Dockerfile", "proved"]
    git_apply(patch.encode(), project)
    assert "AS build" in (project / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--run", "Dockerfile"], "--run is for --verify"),
        (["--http", "/", "Dockerfile"], "--http is for --verify"),
        (["--verify", "--http", "health", "Dockerfile"], "is no path"),
        (["--verify", "--http", "80/", "--http", "81/", "Dockerfile"], "one port"),
        (["--verify", "--shard", "3/2", "Dockerfile"], "is no part"),
        (["--verify", "-"], "--verify needs files"),
    ],
)
def test_options_that_cannot_be_meant_are_wrong_usage(
    arguments: list[str], words: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
    assert (project / "Dockerfile").read_text() == BEFORE


def test_without_an_engine_nothing_is_done(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(*_names: object) -> Engine:
        raise NoEngine("there is no `docker` command")

    monkeypatch.setattr(start, "connect", none)
    assert main(["--write", "--verify", "Dockerfile"]) == 3
    assert capsys.readouterr().err == (
        "msrefactor: --verify needs Docker or podman: there is no `docker` command\n"
    )
    assert (project / "Dockerfile").read_text() == BEFORE


def test_settings_are_those_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a part leaves out comes on top of what the file's own settings leave out."""
    asked: list[frozenset[str]] = []

    def refactor_file(path: Path, settings: Settings, *_others: object) -> Result:
        asked.append(settings.ignore)
        return Result(path, "", "")

    def prove(_proof: Proof, result: Result, _context: object, again: Any) -> tuple[Result, Verdict]:
        again(frozenset({"two"}))
        return result, PROVED

    monkeypatch.setattr("msrefactor.verification.session.refactor_file", refactor_file)
    monkeypatch.setattr(Proof, "prove", prove)
    file = tmp_path / "Dockerfile"
    settings = {file: Settings(ignore=frozenset({"one"}))}
    list(session_of(NoRealEngine())(iter([Result(file, "FROM a\n", "FROM b\n")]), settings, None))
    assert asked == [frozenset({"one", "two"})]
