"""The report: what is in it, that it keeps to its schema, and what is counted as the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fakes
from msrefactor.configuration import Wanted
from msrefactor.model import Changed, Evidence, OtherFile, Refused, Result, Settings, Step
from msrefactor.pipeline import refactor_file, refactor_source
from msrefactor.report.as_json import SCHEMA, as_dict, as_json
from msrefactor.report.collector import Collector
from msrefactor.report.files import applied, edits, file_report, unlisted
from msrefactor.report.model import FileReport, Report, Status
from msrefactor.report.patterns import shape
from msrefactor.source import encode

FIXTURES = Path(__file__).parents[1] / "fixtures"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))


def results(*texts: str) -> list[Result]:
    return [
        refactor_source(
            text, Path(f"{number}/Dockerfile"), Settings(), transforms=fakes.FAKES, check=fakes.approve
        )
        for number, text in enumerate(texts)
    ]


def collected(reports: list[FileReport], found: int | None = None) -> Report:
    collector = Collector("diff", Wanted(), keeps_files=True)
    for report in reports:
        collector.add(report)
    return collector.report(len(reports) if found is None else found, is_complete=found is None)


def reported(*texts: str) -> Report:
    return collected([file_report(result, str(result.path)) for result in results(*texts)])


def test_schema_is_a_schema_that_forbids_nothing_new() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "additionalProperties" not in SCHEMA.read_text()


ALL = (fakes.PYTHON, fakes.NGINX, fakes.MAKE, fakes.LABEL, fakes.BROKEN, fakes.TEMPLATE)


def test_every_ending_keeps_to_the_schema_and_is_counted() -> None:
    report = reported(*ALL)
    value = as_dict(report)
    VALIDATOR.validate(value)
    assert [file.status for file in report.files] == [
        Status.CHANGED,
        Status.UNCHANGED,
        Status.REFUSED,
        Status.REFUSED,
        Status.INTERNAL_ERROR,
        Status.FAILED,
    ]
    assert value["totals"] == {
        "files": 6,
        "changed": 1,
        "unchanged": 1,
        "refused": 2,
        "failed": 1,
        "internal_error": 1,
        "not_looked_at": 0,
        "written": 0,
        "with_refusals": 2,
        "excluded": 0,
        "saved_mb": 120.4,
    }
    assert report.files[4].error is not None
    assert report.files[4].error.message.startswith("divide: ZeroDivisionError at fakes.py:")
    assert report.files[5].error is not None
    assert report.files[5].error.line == 2


def test_stopped_run_says_what_was_not_looked_at() -> None:
    report = collected([unlisted("a", "Permission denied")], found=3)
    value = json.loads(as_json(report))
    VALIDATOR.validate(value)
    assert (value["complete"], value["totals"]["not_looked_at"]) == (False, 2)
    assert value["files"][0]["error"]["message"] == "can't be listed: Permission denied"


def test_change_is_told_in_full() -> None:
    value = json.loads(as_json(reported(fakes.PYTHON)))
    (file,) = value["files"]
    assert file["before_sha256"] == hashlib.sha256(fakes.PYTHON.encode()).hexdigest()
    assert file["after_sha256"] == hashlib.sha256(fakes.NAMED.encode()).hexdigest()
    assert file["edits"] == [
        {
            "line": 1,
            "column": 1,
            "end_line": 2,
            "end_column": 1,
            "before": "FROM python:3.12\n",
            "after": "FROM python:3.12 AS app\n",
        }
    ]
    assert file["changes"] == [
        {
            "transform": "name-stage",
            "line": 1,
            "reason": "the stage has a name to copy from",
            "risk": "safe",
            "assumptions": [],
            "evidence": [{"file": "0/Dockerfile", "line": 1, "text": "FROM python:3.12"}],
            "saved_mb": 120.4,
        }
    ]
    assert [(need["name"], need["provider"]) for need in file["needs"]] == [
        ("python", "the base image python:3.12"),
        ("/app/app.py", None),
    ]


def test_refusal_is_told_with_its_remedy() -> None:
    value = json.loads(as_json(reported(fakes.MAKE)))
    (refusal,) = value["files"][0]["refusals"]
    assert (refusal["line"], refusal["code"]) == (2, "unknown-artifact")
    assert refusal["remedy"] == "name the output in the build command (for example with -o)"


def test_change_that_could_not_be_written_failed() -> None:
    (result,) = results(fakes.PYTHON)
    report = file_report(result, "0/Dockerfile", "not written: No space left on device")
    assert (report.status, report.is_written, report.edits) == (Status.FAILED, False, ())
    assert report.before_sha256 == report.after_sha256 == hashlib.sha256(fakes.PYTHON.encode()).hexdigest()


def test_unreadable_file_has_no_checksum(tmp_path: Path) -> None:
    result = refactor_file(tmp_path / "none", Settings(), transforms=fakes.FAKES, check=fakes.approve)
    assert file_report(result, "none").before_sha256 is None


def test_other_files_are_told_with_their_edits() -> None:
    (result,) = results(fakes.PYTHON)
    others = (
        OtherFile(Path("/a/.dockerignore"), None, ".git\n"),
        OtherFile(Path("/b/.dockerignore"), "x", "x\n.git\n"),
    )
    report = file_report(Result(result.path, "", "", result.steps, others), "Dockerfile")
    value = as_dict(collected([report]))
    VALIDATOR.validate(value)
    assert [other.before_sha256 for other in report.others] == [None, hashlib.sha256(b"x").hexdigest()]
    assert [applied(other.before, other.edits) for other in report.others] == [".git\n", "x\n.git\n"]


TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "\x0c\n", "\u2028x\n"]), max_size=8).map(
    "".join
)


@settings(derandomize=True, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(TEXTS, st.sampled_from(["", "end"]), TEXTS, st.sampled_from(["", "end"]))
def test_edits_give_the_new_text(before: str, old_end: str, after: str, new_end: str) -> None:
    old, new = before + old_end, after + new_end
    found = edits(old, new)
    assert applied(old, found) == new
    lines = old.split("\n")
    for edit in found:
        start = sum(len(line) + 1 for line in lines[: edit.line - 1]) + edit.column - 1
        end = sum(len(line) + 1 for line in lines[: edit.end_line - 1]) + edit.end_column - 1
        assert old[start:end] == edit.before


def test_bytes_that_are_no_utf8_make_no_invalid_json() -> None:
    text = encode(as_json(reported("FROM python:3.12\n# caf\udce9 \N{WHALE}\n")))
    assert json.loads(text.decode("ascii"))["files"][0]["status"] == "changed"
    assert b"\\udce9" not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("start from amazoncorretto:25-headless, which runs", "start from …, which runs"),
        ("copy /opt/venv from the builder: the installed", "copy … from the builder: the installed"),
        ("no context brings composer.lock, vendor, which", "no context brings …, vendor, which"),
        ("what `make -C x` leaves isn't known (in ./build.sh)", "what … leaves isn't known (in …)"),
        ("a-1, b-2 and c.3 are left", "… are left"),
        ("the program may speak TLS.", "the program may speak TLS."),
    ],
)
def test_shape_leaves_out_names(text: str, shown: str) -> None:
    assert shape(text) == shown


def test_files_that_are_changed_alike_are_one_pattern() -> None:
    report = reported(
        fakes.PYTHON,
        fakes.MAKE,
        "# a comment\n" + fakes.PYTHON,
        fakes.PYTHON.replace("3.12", "3.13"),
        fakes.LABEL,
    )
    (pattern,) = report.patterns
    assert (pattern.files, pattern.distinct_edits, pattern.example) == (3, 2, "0/Dockerfile")
    assert pattern.changes == (("name-stage", "the stage has a name to copy from"),)
    assert [file.pattern for file in report.files] == [pattern.id, None, pattern.id, pattern.id, None]
    assert pattern.saved_mb == pytest.approx(3 * 120.4)


def test_refusals_are_grouped_by_obstacle() -> None:
    steps = [
        Step("split-stages", Refused("base-unknown", f"nothing is known about mirror/base:{number}"))
        for number in range(3)
    ]
    odd = Step("split-stages", Refused("opaque-step", "`x` isn't known", (Evidence("Dockerfile", 3, "x"),)))
    report = collected(
        [file_report(Result(None, "", "", (step,)), "Dockerfile") for step in (odd, *steps, steps[0])]
    )
    assert [(group.code, group.files) for group in report.obstacles] == [
        ("base-unknown", 4),
        ("opaque-step", 1),
    ]
    assert report.obstacles[0].details == (("split-stages", "nothing is known about …", 4),)
    assert report.obstacles[0].meaning == "nothing is known about the base image"


@pytest.mark.parametrize("folder", ["split-stages/python", "ignore-context", "pipeline"])
def test_real_results_keep_to_the_schema_and_their_edits_are_whole(folder: str) -> None:
    reports = []
    for path in sorted((FIXTURES / folder).glob("**/context/Dockerfile"))[:10]:
        result = refactor_file(path, Settings(unsafe=True))
        report = file_report(result, str(path))
        if result.is_changed and report.error is None:
            assert applied(result.before, report.edits) == result.after
            assert any(isinstance(step.outcome, Changed) for step in result.steps)
        reports.append(report)
    assert any(report.edits or report.others for report in reports)
    VALIDATOR.validate(as_dict(collected(reports)))
