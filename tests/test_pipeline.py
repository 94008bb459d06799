"""The fold over the transforms: what it lets through, what it refuses, and what it never writes."""

from __future__ import annotations

from pathlib import Path

import pytest

import fakes
from conftest import MakeFiles
from msrefactor import pipeline
from msrefactor.context import BuildContext
from msrefactor.model import (
    REFUSALS,
    Change,
    Changed,
    Outcome,
    Phase,
    Refused,
    Result,
    Settings,
    Transform,
    Unchanged,
    View,
)
from msrefactor.tree import Dockerfile

UNKNOWN = BuildContext.unknown()


def refactor(text: str, settings: Settings | None = None, check: pipeline.Check = fakes.approve) -> Result:
    path = Path("Dockerfile")
    return pipeline.refactor_text(
        text, path, UNKNOWN, (), settings or Settings(), transforms=fakes.FAKES, check=check
    )


def outcome_of(result: Result, transform: str) -> Outcome:
    return next(step.outcome for step in result.steps if step.transform == transform)


@pytest.mark.parametrize("text", [fakes.NGINX, fakes.MAKE, fakes.LABEL, fakes.NAMED])
def test_what_is_unchanged_or_refused_keeps_its_text(text: str) -> None:
    result = refactor(text)
    assert result.after == text
    assert result.error is None
    assert result.internal_error is None


def test_change_is_made() -> None:
    result = refactor(fakes.PYTHON)
    assert result.before == fakes.PYTHON
    assert result.after == fakes.NAMED
    assert isinstance(outcome_of(result, "name-stage"), Changed)


def test_every_transform_has_its_step_in_its_order() -> None:
    names = [step.transform for step in refactor(fakes.PYTHON).steps]
    assert names == ["find-artifact", "name-stage", "drop-label", "suggest", "divide", "sleep"]


def test_each_transform_sees_what_the_one_before_it_left() -> None:
    seen: list[str] = []

    def look(view: View) -> Outcome:
        seen.append(view.dockerfile.render())
        return Unchanged("only looked")

    looking = Transform("look", "Looks.", Phase.CLEAN, look)
    both = (*fakes.FAKES[:2], looking)
    pipeline.refactor_text(fakes.PYTHON, None, UNKNOWN, (), Settings(), transforms=both, check=fakes.approve)
    assert seen[0] == fakes.NAMED


def test_select_runs_only_what_it_names_also_what_is_off_by_default() -> None:
    result = refactor(fakes.PYTHON, Settings(select=frozenset({"grow", "find-artifact"})))
    assert [step.transform for step in result.steps] == ["find-artifact", "grow"]
    assert result.after == fakes.PYTHON


def test_ignore_wins_over_select() -> None:
    both = frozenset({"name-stage"})
    assert refactor(fakes.PYTHON, Settings(select=both, ignore=both)).steps == ()


def test_assumption_is_a_refusal_that_names_it() -> None:
    outcome = outcome_of(refactor(fakes.LABEL), "drop-label")
    assert isinstance(outcome, Refused)
    assert outcome.code == "unproved"
    assert outcome.detail == "nobody reads the label"
    assert [item.line for item in outcome.evidence] == [2]


def test_assumption_is_made_with_unsafe() -> None:
    assert refactor(fakes.LABEL, Settings(unsafe=True)).after == "FROM nginx\n"


def test_suggestion_is_never_written_not_even_with_unsafe() -> None:
    text = "FROM nginx\nENV SUGGEST=1\n"
    result = refactor(text, Settings(unsafe=True))
    assert result.after == text
    outcome = outcome_of(result, "suggest")
    assert isinstance(outcome, Refused)
    assert outcome.detail == "the file could be empty"


def test_exception_of_a_transform_leaves_the_file_alone_and_tells_the_place() -> None:
    result = refactor("FROM python:3\nENV BROKEN=1\n")
    assert result.after == result.before
    assert result.error is None
    assert result.internal_error is not None
    assert result.internal_error.startswith("divide: ZeroDivisionError at fakes.py:")
    assert result.internal_error.endswith(": by zero")


def test_failed_check_is_our_fault_and_leaves_the_file_alone() -> None:
    def disprove(before: View, after: Dockerfile, outcome: Changed, transform: Transform) -> tuple[str, ...]:
        assert before.dockerfile.render() == fakes.PYTHON
        assert after.render() == fakes.NAMED
        assert outcome.changes
        return (f"{transform.name} lost a line",)

    result = refactor(fakes.PYTHON, check=disprove)
    assert result.after == fakes.PYTHON
    assert result.internal_error == "name-stage: name-stage lost a line"
    outcome = outcome_of(result, "name-stage")
    assert isinstance(outcome, Refused)
    assert outcome.code == "check-failed"


def test_finding_that_names_another_obstacle_is_a_refusal_and_no_fault() -> None:
    def disagree(*_all: object) -> tuple[str, ...]:
        return ("parsers-disagree: line 2", "parsers-disagree: line 3")

    result = refactor(fakes.PYTHON, check=disagree)
    assert result.after == fakes.PYTHON
    assert result.internal_error is None
    outcome = outcome_of(result, "name-stage")
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.detail) == ("parsers-disagree", "line 2; line 3")


def test_finding_of_ours_beside_another_obstacle_is_our_fault() -> None:
    def both(*_all: object) -> tuple[str, ...]:
        return ("parsers-disagree: line 2", "check-failed: a comment is lost", "so is a blank line")

    fault = refactor(fakes.PYTHON, check=both).internal_error
    assert fault == "name-stage: a comment is lost; so is a blank line"


def test_exception_of_the_check_leaves_the_file_alone() -> None:
    def fail(*_all: object) -> tuple[str, ...]:
        raise KeyError("x")

    result = refactor(fakes.PYTHON, check=fail)
    assert result.after == fakes.PYTHON
    assert result.internal_error is not None
    assert result.internal_error.startswith("name-stage: KeyError at test_pipeline.py:")


def test_result_that_a_second_run_would_change_again_is_our_fault() -> None:
    text = "FROM nginx\nENV UNSTABLE=1\n"
    result = refactor(text, Settings(select=frozenset({"grow"})))
    assert result.after == text
    assert result.internal_error == "grow: a second run changes more"


def test_change_that_changes_nothing_is_unchanged() -> None:
    def pretend(view: View) -> Outcome:
        return Changed(view.dockerfile, (Change("nothing"),))

    idle = (Transform("idle", "Does nothing.", Phase.CLEAN, pretend),)
    result = pipeline.refactor_text(
        fakes.NGINX, None, UNKNOWN, (), Settings(), transforms=idle, check=fakes.approve
    )
    assert isinstance(outcome_of(result, "idle"), Unchanged)


def test_text_that_cannot_be_parsed_is_an_error_with_its_place() -> None:
    result = refactor(fakes.TEMPLATE)
    assert result.error is not None
    assert result.error.startswith("2:")
    assert result.after == fakes.TEMPLATE
    assert result.steps == ()


@pytest.mark.parametrize("content", [b"", b"# only a comment\n", b"\xff\xfeF\0R\0", b"FROM a\0b\n"])
def test_bad_file_is_an_error_and_no_exception(files: MakeFiles, content: bytes) -> None:
    folder = files({"Dockerfile": content})
    result = pipeline.refactor_file(
        folder / "Dockerfile", Settings(), transforms=fakes.FAKES, check=fakes.approve
    )
    assert result.error is not None
    assert not result.is_changed


def test_missing_file_and_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        result = pipeline.refactor_file(path, Settings(), transforms=fakes.FAKES, check=fakes.approve)
        assert result.error is not None
        assert result.error.startswith("1:1: can't be read: ")


def test_file_is_seen_with_its_build_context_and_is_not_written(files: MakeFiles) -> None:
    folder = files({"Dockerfile": "FROM python:3.12\nCOPY app.py .\n", "app.py": "print()\n"})
    found: list[bool] = []

    def look(view: View) -> Outcome:
        found.append(view.context.is_file("app.py"))
        return fakes.name_stage(view)

    looking = (Transform("look", "Looks.", Phase.CLEAN, look),)
    result = pipeline.refactor_file(Path("Dockerfile"), Settings(), transforms=looking, check=fakes.approve)
    assert found[0] is True
    assert result.is_changed
    assert (folder / "Dockerfile").read_text() == result.before


def test_text_without_a_place_has_no_context() -> None:
    known: list[bool] = []

    def look(view: View) -> Outcome:
        known.append(view.context.known)
        return Unchanged("only looked")

    looking = (Transform("look", "Looks.", Phase.CLEAN, look),)
    pipeline.refactor_source(fakes.NGINX, None, Settings(), transforms=looking, check=fakes.approve)
    assert known == [False]


def test_text_keeps_bytes_that_are_no_utf8() -> None:
    text = "FROM python:3.12\r\n# caf\udce9\r\nRUN a"
    assert refactor(text).after == "FROM python:3.12 AS app\r\n# caf\udce9\r\nRUN a"


def test_real_transforms_are_found_by_name_and_sorted() -> None:
    found = pipeline.transforms()
    assert [(item.phase, item.name) for item in found] == sorted((item.phase, item.name) for item in found)
    assert len({item.name for item in found}) == len(found)
    for item in found:
        module = __import__(f"msrefactor_transforms.{item.name.replace('-', '_')}", fromlist=["TRANSFORM"])
        assert module.TRANSFORM is item
        assert item.summary.endswith(".")


def test_every_obstacle_has_a_meaning_and_a_remedy() -> None:
    for code, (meaning, remedy) in REFUSALS.items():
        assert code == code.lower().replace("_", "-")
        assert meaning
        assert remedy
