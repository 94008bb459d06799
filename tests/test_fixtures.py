"""Every folder with a case.toml under fixtures/ is a test: CONTRIBUTING.md tells what is in one."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from conftest import REPOSITORY, git_apply
from guard import watched
from msrefactor.diff import unified_diff
from msrefactor.model import REFUSALS, Changed, Outcome, Refused, Result, Settings, Suggested, Unchanged
from msrefactor.parse import parse
from msrefactor.pipeline import refactor_file, transforms
from msrefactor.source import encode, read_source

FIXTURES = REPOSITORY / "fixtures"
OUTCOMES = {"changed", "unchanged", "refused", "error"}
KEYS = {"about", "outcome", "refusal", "message", "dockerfile", "options", "issue", "run"}
OPTIONS = {"unsafe", "runtime", "context", "select", "ignore", "base_images"}


class Snapshot(Protocol):
    """What is used of pytest-snapshot's fixture."""

    snapshot_dir: Path

    def assert_match_dir(self, files: Mapping[str, bytes], folder: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Case:
    """One folder with a case.toml."""

    folder: Path
    expected: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.folder.relative_to(FIXTURES).as_posix()

    @property
    def outcome(self) -> str:
        return str(self.expected["outcome"])

    @property
    def transform(self) -> str:
        """The transform that the case is about, or "pipeline"."""
        return self.name.split("/")[0]

    @property
    def dockerfile(self) -> Path:
        """The Dockerfile's path inside the context."""
        return Path(self.expected.get("dockerfile", "Dockerfile"))

    @property
    def options(self) -> Mapping[str, Any]:
        return dict(self.expected.get("options", {}))

    @property
    def settings(self) -> Settings:
        """Only the transform that the case is about runs, unless the case says otherwise."""
        usual = [] if self.transform == "pipeline" else [self.transform]
        return Settings(
            unsafe=self.options.get("unsafe", False),
            runtime=self.options.get("runtime", "smallest"),
            select=frozenset(self.options.get("select", usual)),
            ignore=frozenset(self.options.get("ignore", [])),
            base_images=tuple(self.options.get("base_images", {}).items()),
        )

    def refactor(self) -> Result:
        """Refactor the Dockerfile in the current folder, which is a copy of the case's context."""
        context = self.options.get("context")
        return refactor_file(self.dockerfile, self.settings, Path(context) if context is not None else None)


def _cases() -> list[Case]:
    files = sorted(FIXTURES.rglob("case.toml"))
    return [Case(file.parent, tomllib.loads(file.read_text("utf-8"))) for file in files]


CASES = _cases()
CHANGED = [case for case in CASES if case.outcome == "changed"]


@pytest.fixture
def context(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the build context out of this repository, whose own files are none of its business."""
    folder = tmp_path / "project"
    shutil.copytree(case.folder / "context", folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def outcomes(result: Result, kind: type[Outcome]) -> list[Any]:
    return [step.outcome for step in result.steps if isinstance(step.outcome, kind)]


def told(outcome: Outcome) -> dict[str, Any]:
    """Return what a reader is told about an outcome; estimates of sizes are left out."""
    if not isinstance(outcome, Suggested) and outcome.told:
        alone = told(dataclasses.replace(outcome, told=()))
        return {**alone, "told": [told(one) for one in outcome.told]}
    if isinstance(outcome, Changed):
        return {
            "outcome": "changed",
            "changes": [
                {
                    "reason": change.reason,
                    "risk": change.risk.value,
                    "line": change.line,
                    "evidence": [str(item) for item in change.evidence],
                    "assumptions": list(change.assumptions),
                }
                for change in outcome.changes
            ],
            "removals": [f"line {removal.line}: {removal.reason}" for removal in outcome.removals],
            "needs": [
                f"{need.kind.value} {need.name} ({need.evidence}) -> {need.provider}"
                for need in outcome.needs
            ],
        }
    if isinstance(outcome, Refused):
        return {
            "outcome": "refused",
            "refusal": outcome.code,
            "detail": outcome.detail,
            "evidence": [str(item) for item in outcome.evidence],
            "remedy": outcome.remedy or REFUSALS[outcome.code][1],
        }
    assert isinstance(outcome, Unchanged)
    return {"outcome": "unchanged", "reason": outcome.reason}


def report(result: Result) -> bytes:
    steps = [{"transform": step.transform, **told(step.outcome)} for step in result.steps]
    return encode(json.dumps({"error": result.error, "steps": steps}, indent=2, ensure_ascii=False) + "\n")


def expectation(case: Case, result: Result) -> dict[str, bytes]:
    """Return the files of the case's folder `expected`."""
    if case.outcome != "changed":
        return {"report.json": report(result)}
    diff = unified_diff(result.before, result.after, str(case.dockerfile))
    names = {other: other.path.relative_to(Path.cwd()).as_posix() for other in result.others}
    diff += "".join(unified_diff(other.before, other.after, name) for other, name in names.items())
    return {
        "Dockerfile": encode(result.after),
        **{name: encode(other.after) for other, name in names.items()},
        "change.diff": encode(diff),
        "report.json": report(result),
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fixture(case: Case, context: Path, snapshot: Snapshot) -> None:
    file = context / case.dockerfile
    data = file.read_bytes()
    with watched(context) as seen:
        result = case.refactor()
    assert seen == []
    assert file.read_bytes() == data
    assert result.internal_error is None
    assert (result.error is not None) == (case.outcome == "error"), result.error
    if case.outcome == "error":
        assert str(case.expected["message"]) in str(result.error)
    else:
        text = read_source(file).text
        assert encode(text) == data
        assert parse(text).render() == text

    assert result.is_changed == (case.outcome == "changed"), report(result).decode()
    codes = [refusal.code for refusal in outcomes(result, Refused)]
    assert ("refusal" in case.expected) == (case.outcome == "refused")
    if case.outcome == "refused":
        assert case.expected["refusal"] in codes
    elif case.outcome == "unchanged":
        assert codes == []

    if result.is_changed:
        file.write_bytes(encode(result.after))
        for other in result.others:
            other.path.write_bytes(encode(other.after))
        again = case.refactor()
        assert again.error is None
        assert again.internal_error is None
        assert again.after == result.after
        assert again.others == ()

    snapshot.snapshot_dir = case.folder
    snapshot.assert_match_dir(expectation(case, result), "expected")


@pytest.mark.parametrize("case", CHANGED, ids=lambda case: case.name)
def test_git_applies_the_diff_of_a_fixture(case: Case, context: Path) -> None:
    file = context / case.dockerfile
    git_apply((case.folder / "expected/change.diff").read_bytes(), context)
    assert file.read_bytes() == (case.folder / "expected/Dockerfile").read_bytes()
    for made in (case.folder / "expected").glob("*.dockerignore"):
        assert (context / made.name).read_bytes() == made.read_bytes()
    assert os.access(file, os.X_OK) == os.access(case.folder / "context" / case.dockerfile, os.X_OK)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fixture_is_well_formed(case: Case) -> None:
    assert set(case.expected) <= KEYS
    assert case.outcome in OUTCOMES
    assert set(case.options) <= OPTIONS
    assert case.expected["about"].endswith(".")
    assert case.expected.get("refusal", "unproved") in REFUSALS
    assert (case.folder / "context" / case.dockerfile).is_file()
    assert {entry.name for entry in case.folder.iterdir()} <= {"case.toml", "context", "expected"}


def test_there_are_fixtures() -> None:
    assert CHANGED


@pytest.mark.parametrize("transform", [item.name for item in transforms()])
def test_transform_has_cases_that_change_and_cases_that_stay(transform: str) -> None:
    counts = Counter(case.outcome for case in CASES if case.transform == transform)
    assert counts["changed"] > 0
    assert counts["unchanged"] + counts["refused"] > 0
