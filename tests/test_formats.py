"""The report for other programs: what each format says, and that no stranger's text steers its reader."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

import fakes
from conftest import MakeFiles, RunCli
from msrefactor.cli import FORMATS
from msrefactor.configuration import Wanted
from msrefactor.console import Output, Signals
from msrefactor.model import REFUSALS, Risk, Settings
from msrefactor.pipeline import refactor_file, refactor_source, transforms
from msrefactor.report.as_json import SCHEMA
from msrefactor.report.collector import Collector
from msrefactor.report.files import file_report
from msrefactor.report.formats import STREAMED, told_file, told_run
from msrefactor.report.formats import sarif as sarif_format
from msrefactor.report.formats.findings import place
from msrefactor.report.formats.markdown import MAX_BYTES
from msrefactor.report.model import (
    Edit,
    FileReport,
    Report,
    ReportedChange,
    ReportedError,
    ReportedRefusal,
    Status,
)
from msrefactor.run import Run
from msrefactor.verification.verdict import Status as Verified
from msrefactor.verification.verdict import Verdict
from sarif_schema import SARIF

MACHINES = [name for name in FORMATS if name != "text"]
FILES = {
    "a/Dockerfile": fakes.PYTHON,
    "b/Dockerfile": fakes.NGINX,
    "c/Dockerfile": fakes.MAKE,
    "d/Dockerfile": fakes.TEMPLATE,
    "e/Dockerfile": fakes.BROKEN,
}
REMEDY = "name the output in the build command (for example with -o)"


def collected(*files: FileReport, mode: str = "diff", found: int | None = None) -> Report:
    collector = Collector(mode, Wanted(), keeps_files=True)
    for file in files:
        collector.add(file)
    return collector.report(len(files) if found is None else found, is_complete=found is None)


def told(name: str, *files: FileReport, **options: Any) -> str:
    if name in STREAMED:
        return "".join(told_file(name, file) for file in files)
    return told_run(name, collected(*files, **options), "/root/project")


def changed(path: str, reason: str = "smaller", **more: Any) -> FileReport:
    changes = (ReportedChange("name-stage", reason, Risk.SAFE, 1),)
    return FileReport(path, Status.CHANGED, changes=changes, edits=(Edit(1, 1, 2, 1, "A\n", "B\n"),), **more)


def refused(path: str, detail: str = "nothing is known", **more: Any) -> FileReport:
    refusal = ReportedRefusal("find-artifact", "unknown-artifact", detail, "tell it", 2, **more)
    return FileReport(path, Status.REFUSED, refusals=(refusal,))


def test_gnu(files: MakeFiles, run_cli: RunCli) -> None:
    files(FILES)
    ran = run_cli("--format", "gnu")
    assert ran.code == 123
    lines = ran.text.splitlines()
    assert lines[:3] == [
        "a/Dockerfile:1:1: note: name-stage: the stage has a name to copy from",
        (
            "c/Dockerfile:2:1: note: unknown-artifact: refused by find-artifact: "
            f"`make` builds something, but what isn't known; {REMEDY}"
        ),
        "d/Dockerfile:2:5: error: failed: a template, not a Dockerfile: render it first",
    ]
    assert lines[3].startswith(
        "e/Dockerfile:1:1: error: internal-error: internal error, the file is left alone: divide: "
    )
    assert len(lines) == 4


def test_github(files: MakeFiles, run_cli: RunCli) -> None:
    files({name: text for name, text in FILES.items() if name[0] != "e"})
    ran = run_cli("--check", "--format", "github")
    assert ran.code == 3
    assert ran.text == (
        "::error file=d/Dockerfile,line=2,col=5,title=msrefactor%3A error::"
        "failed: a template, not a Dockerfile: render it first\n"
        "::notice file=a/Dockerfile,line=1,col=1,title=msrefactor%3A would change::"
        "name-stage: the stage has a name to copy from\n"
        "::notice file=c/Dockerfile,line=2,col=1,title=msrefactor%3A refused::"
        "unknown-artifact: refused by find-artifact: `make` builds something, but what isn't known; "
        f"{REMEDY}\n"
    )


def test_github_keeps_to_ten_of_a_kind_and_sums_up_the_rest() -> None:
    refusals = [refused(f"r{number}") for number in range(7)]
    changes = [changed(f"c{number}") for number in range(5)]
    failures = [FileReport(f"f{number}", Status.FAILED, error=ReportedError("no")) for number in range(10)]
    lines = told("github", *refusals, *changes, *failures).splitlines()
    errors, notices = lines[:10], lines[10:]
    assert [line.split(",")[0] for line in errors] == [f"::error file=f{number}" for number in range(10)]
    named = ["c0", "c1", "c2", "c3", "c4", "r0", "r1", "r2", "r3"]
    assert [line.split(",")[0] for line in notices[:9]] == [f"::notice file={name}" for name in named]
    assert notices[9:] == [
        "::notice title=msrefactor%3A more files::3 refused; the log has them",
        *(
            f"| r{number}:2:1: notice: unknown-artifact: refused by find-artifact: nothing is known; tell it"
            for number in (4, 5, 6)
        ),
    ]


def test_what_only_the_log_of_github_has_is_no_command() -> None:
    lines = told(
        "github", *[changed(f"\n::error::{number}", "##[error]x") for number in range(11)]
    ).splitlines()
    assert lines[10:] == [
        "| \\n::error::9:1:1: notice: name-stage: # #[error]x",
        "| \\n::error::10:1:1: notice: name-stage: # #[error]x",
    ]


def test_github_escapes_what_the_runner_would_obey() -> None:
    file = changed("a,b:c%0A\n::error::\x1b[1m.Dockerfile", "100% \n::set-env name=X::1\r")
    (line,) = told("github", file).splitlines()
    assert line == (
        "::notice file=a%2Cb%3Ac%250A%0A%3A%3Aerror%3A%3A\\x1b[1m.Dockerfile,line=1,col=1,"
        "title=msrefactor%3A would change::name-stage: 100%25 \\n::set-env name=X::1\\r"
    )


def test_messages_beside_github_are_no_commands(files: MakeFiles, run_cli: RunCli) -> None:
    files({"::error::x ##[error]y/Dockerfile": fakes.MAKE})
    first, last = run_cli("--format", "github").err.splitlines()
    assert first.startswith("| ::error::x # #[error]y/Dockerfile:2: refused: ")
    assert last == "1 file: 1 refused"


def test_junit(files: MakeFiles, run_cli: RunCli) -> None:
    files({name: text for name, text in FILES.items() if name[0] != "e"})
    assert (
        run_cli("--format", "junit").text
        == f"""\
<?xml version='1.0' encoding='us-ascii'?>
<testsuites name="msrefactor" tests="4" failures="1" errors="1" skipped="1">
 <testsuite name="msrefactor diff" tests="4" failures="1" errors="1" skipped="1">
  <testcase classname="msrefactor" name="a/Dockerfile" file="a/Dockerfile">
   <failure message="name-stage: the stage has a name to copy from" type="name-stage">\
a/Dockerfile:1:1: name-stage: the stage has a name to copy from</failure>
  </testcase>
  <testcase classname="msrefactor" name="b/Dockerfile" file="b/Dockerfile" />
  <testcase classname="msrefactor" name="c/Dockerfile" file="c/Dockerfile">
   <skipped message="unknown-artifact: refused by find-artifact: `make` builds something, but what isn't \
known; {REMEDY}">c/Dockerfile:2:1: unknown-artifact: refused by find-artifact: `make` builds something, \
but what isn't known; {REMEDY}</skipped>
  </testcase>
  <testcase classname="msrefactor" name="d/Dockerfile" file="d/Dockerfile">
   <error message="failed: a template, not a Dockerfile: render it first" type="failed">\
d/Dockerfile:2:5: failed: a template, not a Dockerfile: render it first</error>
  </testcase>
 </testsuite>
</testsuites>
"""
    )


def test_junit_passes_what_was_written_and_says_if_it_was_stopped() -> None:
    suites = ElementTree.fromstring(told("junit", changed("a", is_written=True), mode="write", found=2))  # noqa: S314
    assert (suites.get("tests"), suites.get("failures")) == ("1", "0")
    assert suites.find(".//property[@name='complete'][@value='false']") is not None
    assert suites.findtext(".//testcase/system-out") == "a:1:1: name-stage: smaller"


def test_markdown(files: MakeFiles, run_cli: RunCli) -> None:
    files({name: text for name, text in FILES.items() if name[0] != "e"})
    files({"f/Dockerfile": fakes.PYTHON})
    assert (
        run_cli("--format", "markdown").text
        == """\
### msrefactor

**5 files: 2 would change, 1 unchanged, 1 refused, 1 failed**; about 241 MB less

#### Errors

| file | line | what |
|---|---|---|
| <code>d/Dockerfile</code> | 2:5 | a template, not a Dockerfile: render it first |

#### Changes

| files | what | less | for example |
|---|---|---|---|
| 2 | <code>name-stage</code> the stage has a name to copy from | 241 MB | <code>a/Dockerfile</code> |

#### Refusals

| files | obstacle | what was met |
|---|---|---|
| 1 | <code>unknown-artifact</code> | <code>find-artifact</code> … builds something, but what isn't known |
"""
    )


def test_markdown_of_strangers_is_shown_and_not_obeyed() -> None:
    path = "<script>|`@me`\n\x1b[31m[x](http://y)_*\u202e"
    text = told("markdown", changed(path), refused("b", "see @me, <img>, www.x.y and https://x|"))
    assert (
        "<code>&#60;script&#62;&#124;&#96;&#64;me&#96;&#92;n&#92;x1b&#91;31m&#91;x&#93;(http&#58;//y)"
        "&#95;&#42;&#92;u202e</code> |\n"
    ) in text
    tags = set(re.findall("<[^>]*>", text))
    assert tags == {"<code>", "</code>"}
    assert "http:" not in text
    assert "www." not in text
    assert all(line.count("|") in {0, 4, 5} for line in text.splitlines())


def test_markdown_is_cut_where_github_would_refuse_it() -> None:
    files = [
        FileReport(f"{number}/{'<' * 250}", Status.FAILED, error=ReportedError("no")) for number in range(900)
    ]
    text = told("markdown", *files)
    assert MAX_BYTES - 20_000 < len(text.encode()) <= MAX_BYTES
    assert re.search(r"… and \d+ more; a summary has no place for them", text)


def test_jsonl_has_the_files_of_the_json(files: MakeFiles, run_cli: RunCli) -> None:
    files(FILES)
    schema = json.loads(SCHEMA.read_text())
    lines = [json.loads(line) for line in run_cli("--format", "jsonl", "--jobs", "2").text.splitlines()]
    whole = json.loads(run_cli("--format", "json").text)
    jsonschema.Draft202012Validator(schema).validate(whole)
    assert [line["path"] for line in lines] == list(FILES)
    assert lines == whole["files"]
    for line in lines:
        jsonschema.Draft202012Validator({**schema["$defs"]["file"], "$defs": schema["$defs"]}).validate(line)


def sarif(text: str) -> dict[str, Any]:
    value = json.loads(text)
    jsonschema.Draft202012Validator(SARIF).validate(value)
    run: dict[str, Any] = value["runs"][0]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return run


def test_sarif(files: MakeFiles, run_cli: RunCli) -> None:
    files(FILES)
    run = sarif(run_cli("--format", "sarif").text)
    assert run["invocations"] == [{"executionSuccessful": False}]
    rows = [
        (
            item["ruleId"],
            item["kind"],
            item["level"],
            item["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            item["locations"][0]["physicalLocation"]["region"],
            "fixes" in item,
        )
        for item in run["results"]
    ]
    assert rows == [
        ("name-stage", "fail", "note", "a/Dockerfile", {"startLine": 1}, True),
        ("unknown-artifact", "informational", "none", "c/Dockerfile", {"startLine": 2}, False),
        ("failed", "fail", "error", "d/Dockerfile", {"startLine": 2, "startColumn": 5}, False),
        ("internal-error", "fail", "error", "e/Dockerfile", {"startLine": 1, "startColumn": 1}, False),
    ]
    assert run["results"][0]["fixes"][0]["artifactChanges"] == [
        {
            "artifactLocation": {"uri": "a/Dockerfile", "uriBaseId": "%SRCROOT%"},
            "replacements": [
                {
                    "deletedRegion": {"startLine": 1, "startColumn": 1, "endLine": 2, "endColumn": 1},
                    "insertedContent": {"text": "FROM python:3.12 AS app\n"},
                }
            ],
        }
    ]
    rules = {rule["id"]: rule["help"]["text"] for rule in run["tool"]["driver"]["rules"]}
    assert rules["unknown-artifact"] == REMEDY
    assert rules["name-stage"] == "Names the final stage."


def test_sarif_fixes_of_real_transforms_make_the_new_file() -> None:
    path = Path(__file__).parents[1] / "fixtures/split-stages/python/flask-single-stage/context/Dockerfile"
    result = refactor_file(path, Settings())
    assert result.is_changed
    run = sarif(told("sarif", file_report(result, str(path))))
    (change, *_) = next(item["fixes"] for item in run["results"] if "fixes" in item)[0]["artifactChanges"]
    assert change["artifactLocation"] == {"uri": f"file://{path}"}
    lines = result.before.split("\n")
    for one in reversed(change["replacements"]):
        region = one["deletedRegion"]
        before = "\n".join(lines[: region["startLine"] - 1])
        after = "\n".join(lines[region["endLine"] - 1 :])
        assert (region["startColumn"], region["endColumn"]) == (1, 1)
        lines = f"{before}\n{one['insertedContent']['text']}{after}".removeprefix(
            "\n" if region["startLine"] == 1 else ""
        ).split("\n")
    assert "\n".join(lines) == result.after


def test_sarif_has_no_fix_for_what_is_done_or_can_not_be_written_in_json() -> None:
    bytes_ = FileReport(
        "b", Status.CHANGED, changes=changed("b").changes, edits=(Edit(1, 1, 2, 1, "A\n", "\udcff\n"),)
    )
    run = sarif(told("sarif", changed("a", is_written=True), bytes_, changed("c")))
    assert ["fixes" in item for item in run["results"]] == [False, False, True]


def test_sarif_tells_what_a_pragma_asks_for_as_suppressed() -> None:
    run = sarif(told("sarif", refused("a", is_asked_for=True), refused("b")))
    assert [item.get("suppressions") for item in run["results"]] == [[{"kind": "inSource"}], None]


def test_sarif_fingerprints_differ_and_stay_when_lines_and_versions_move() -> None:
    def prints(*lines: int) -> list[str]:
        changes = tuple(ReportedChange("t", f"version 1.{line}", Risk.SAFE, line) for line in lines)
        run = sarif(told("sarif", FileReport("a", Status.CHANGED, changes=changes)))
        return [item["partialFingerprints"]["msrefactor/v1"] for item in run["results"]]

    assert prints(1, 2) == prints(5, 9)
    assert len(set(prints(1, 2))) == 2


def test_sarif_keeps_to_the_number_of_results_that_github_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sarif_format.MAX_RESULTS == 25_000
    monkeypatch.setattr(sarif_format, "MAX_RESULTS", 3)
    refusals = refused("a").refusals * 4
    run = sarif(told("sarif", FileReport("a", Status.REFUSED, refusals=refusals), changed("b"), found=3))
    assert [item["ruleId"] for item in run["results"]] == ["name-stage", *["unknown-artifact"] * 2]
    assert [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]] == [
        "stopped by a signal: 1 files not looked at",
        "2 results are left out: a run has place for 3",
    ]


@pytest.mark.parametrize("wrong", [{"level": "note"}, {"kind": "bad"}, {"lines": 1}, {"ruleId": ""}])
def test_the_schema_tells_what_is_wrong(wrong: dict[str, Any]) -> None:
    value = json.loads(told("sarif", refused("a")))
    value["runs"][0]["results"][0].update(wrong)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SARIF).validate(value)


def test_rules_of_transforms_obstacles_and_the_run_have_different_names() -> None:
    names = [*(item.name for item in transforms()), *REFUSALS, "failed", "internal-error", "pragma"]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a/Dockerfile", ("a/Dockerfile", True)),
        ("./a/../b", ("b", True)),
        ("/root/project/a", ("a", True)),
        (".", (".", True)),
        ("../other/a", ("/root/other/a", False)),
        ("/root/project2/a", ("/root/project2/a", False)),
    ],
)
def test_place(path: str, shown: tuple[str, bool]) -> None:
    assert place(path, "/root/project") == shown


@pytest.mark.parametrize("name", MACHINES)
def test_no_stranger_steers_the_reader(name: str) -> None:
    path = "".join(map(chr, range(1, 0xA0))) + "\u2028\u202e\ufffe\udcff😀]]>&<\"'"
    hostile = f"{path}\ud800"
    failed = FileReport(path, Status.FAILED, error=ReportedError(hostile), warnings=(f"1:1: {hostile}",))
    text = told(name, changed(path, hostile), refused(path, hostile), failed)
    assert text.replace("\n", "").isprintable()
    text.encode("utf-8")
    if name == "junit":
        assert len(ElementTree.fromstring(text).findall(".//testcase")) == 3  # noqa: S314
    if name == "sarif":
        sarif(text)
    if name in {"gnu", "github"}:
        assert len(text.splitlines()) == 4


@pytest.mark.parametrize("name", MACHINES)
def test_empty_run(files: MakeFiles, run_cli: RunCli, name: str) -> None:
    files({"x": ""})
    ran = run_cli("--format", name)
    assert ran.code == 0
    assert ran.err.removeprefix("| ") == "no Dockerfile found in .\n"
    if name in {"jsonl", "gnu", "github"}:
        assert ran.text == ""
    elif name == "json":
        assert json.loads(ran.text)["files"] == []
    elif name == "sarif":
        assert sarif(ran.text)["results"] == []
    elif name == "junit":
        assert ElementTree.fromstring(ran.text).get("tests") == "0"  # noqa: S314
    else:
        assert ran.text == "### msrefactor\n\n**0 files**\n"


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("mode", ["--diff", "--check", "--write"])
def test_exit_code_and_messages_are_those_of_the_text(
    files: MakeFiles, run_cli: RunCli, name: str, mode: str
) -> None:
    few = {path: FILES[path] for path in ("a/Dockerfile", "b/Dockerfile", "c/Dockerfile")}
    files(few)
    plain = run_cli(mode, "--explain")
    folder = files(few)
    ran = run_cli(mode, "--explain", "--format", name)
    assert ran.code == plain.code == (0 if mode == "--write" else 1)
    assert ran.err.replace("| ", "") == plain.err
    assert (folder / "a/Dockerfile").read_text() == (fakes.NAMED if mode == "--write" else fakes.PYTHON)
    assert "+++" not in ran.text
    if name == "json":
        value = json.loads(ran.text)
        assert value["mode"] == mode.lstrip("-")
        assert value["totals"]["written"] == (1 if mode == "--write" else 0)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict(Verified.PROVED), "changed"),
        (Verdict(Verified.UNPROVED, reason="the original doesn't build"), "failed"),
    ],
)
def test_change_that_a_real_build_does_not_prove_is_no_success(
    capfd: pytest.CaptureFixture[str], verdict: Verdict, status: str
) -> None:
    result = refactor_source(fakes.PYTHON, Path("a"), Settings(), transforms=fakes.FAKES, check=fakes.approve)
    options = dict.fromkeys(("diff", "write", "check", "explain", "quiet", "echoes"), False)
    run = Run(Output(False), Signals(), options | {"diff": True})
    run.format = "jsonl"
    run.collector = Collector("diff", Wanted(), keeps_files=False)
    run.take(replace(result, verdict=verdict))
    file = json.loads(capfd.readouterr().out)
    assert file["status"] == status
    assert (file["error"] or {}).get("message") == (
        "not verified: the original doesn't build" if status == "failed" else None
    )


def test_report_goes_along_with_a_format(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files(FILES)
    ran = run_cli("--format", "json", "--report", "report.json")
    assert (folder / "report.json").read_text() == ran.text


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["-"], "--format is for files; with the path `-`, stdout gets the text of the file."),
        (["--list"], "--format is for files, not for --list."),
        (["--images", "x", "x"], "--format is for files, not for --images."),
    ],
)
def test_wrong_combinations(files: MakeFiles, run_cli: RunCli, arguments: list[str], why: str) -> None:
    files({"x": ""})
    ran = run_cli("--format", "gnu", *arguments)
    assert (ran.code, ran.out) == (2, b"")
    assert ran.err.endswith(f"Error: {why}\n")


def test_unknown_format_is_a_usage_error(files: MakeFiles, run_cli: RunCli) -> None:
    files(FILES)
    ran = run_cli("--format", "yaml")
    assert (ran.code, ran.out) == (2, b"")
    assert all(name in ran.err for name in FORMATS)


def test_text_is_the_default_and_imports_no_format(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files({"Dockerfile": fakes.PYTHON})
    assert run_cli("--format", "text") == run_cli()
    code = (
        "import sys; from msrefactor.cli import main; main(['-q', '.']); "
        "print([name for name in sys.modules if name.startswith('msrefactor.report')], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, check=True, text=True
    )
    assert ran.stderr == "[]\n"
