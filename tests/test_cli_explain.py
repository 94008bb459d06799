"""What `--explain` tells, how text of strangers is shown, and when there is colour."""

from __future__ import annotations

import pytest

import fakes
from conftest import MakeFiles, RunCli
from msrefactor.console import has_color
from msrefactor.explain import explain, printable, refusal_line
from msrefactor.model import Evidence, Refused, Result, Step

CHANGED = """\
Dockerfile: changed, the final image loses about 120 MB
  find-artifact: nothing to do: nothing is built
  name-stage: changed (safe)
    - line 1: the stage has a name to copy from (safe)
      because Dockerfile:1: FROM python:3.12
      saves about 120 MB (estimate)
    what the running container uses, and where the final stage has it:
      need     name         who says so                              found in
      command  python       Dockerfile:2: CMD ["python", "app.py"]  the base image python:3.12
      path     /app/app.py  Dockerfile:2: CMD ["python", "app.py"]  NOT FOUND
  drop-label: nothing to do: there is no label
"""


def test_change_is_told_with_reason_evidence_risk_saving_and_needs(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.PYTHON})
    ran = run_cli("--check", "--explain", "--select", "find-artifact,name-stage,drop-label")
    told = ran.text.split("\n", 1)[1]
    assert [line.split() for line in told.splitlines()] == [line.split() for line in CHANGED.splitlines()]


def test_columns_of_the_needs_stand_below_each_other(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.PYTHON})
    rows = [
        line
        for line in run_cli("--explain").text.splitlines()
        if "Dockerfile:2:" in line or "who says" in line
    ]
    assert len(rows) == 3
    starts = {
        (row.index(name), row.index(who))
        for row, name, who in zip(
            rows, ("name", "python", "/app"), ("who", "Dockerfile", "Dockerfile"), strict=True
        )
    }
    assert len(starts) == 1


def test_refusal_is_told_with_obstacle_evidence_and_what_lifts_it(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.MAKE})
    told = run_cli("--explain", "--select", "find-artifact").text
    assert told == (
        "Dockerfile: refused, left as it is\n"
        "  find-artifact: refused: unknown-artifact: `make` builds something, but what isn't known\n"
        "    obstacle: what the build produces, or where, isn't known\n"
        "    seen at Dockerfile:2: RUN make\n"
        "    to lift it: name the output in the build command (for example with -o)\n"
    )


def test_unsafe_change_tells_its_assumption_and_what_is_left_out(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.LABEL})
    told = run_cli("--check", "--explain", "--unsafe", "--select", "drop-label").text
    assert "  drop-label: changed (review)\n    - line 2: the label goes (review)\n" in told
    assert "      assumes nobody reads the label\n" in told
    assert "    - line 2 is left out: nobody reads it\n" in told


def test_errors_are_told_too(files: MakeFiles, run_cli: RunCli) -> None:
    files({"a/Dockerfile": fakes.TEMPLATE, "b/Dockerfile": fakes.BROKEN, "c/Dockerfile": fakes.NGINX})
    heads = [line for line in run_cli("--explain").text.splitlines() if not line.startswith(" ")]
    assert heads[0].startswith("a/Dockerfile: not read: 2:")
    assert heads[1].startswith("b/Dockerfile: left alone, internal error: divide: ")
    assert heads[2] == "c/Dockerfile: nothing to change"


def test_remedy_of_the_refusal_wins_over_the_general_one() -> None:
    line = refusal_line("Dockerfile", Refused("onbuild", "it has ONBUILD", remedy="ask the author"))
    assert line == "Dockerfile:1: refused: onbuild: it has ONBUILD; ask the author"


def test_line_of_a_refusal_is_that_of_the_dockerfile_not_of_another_file() -> None:
    evidence = (
        Evidence("app.py", 70, "x"),
        Evidence("d/Dockerfile", None, ""),
        Evidence("d/Dockerfile", 4, "y"),
    )
    assert refusal_line("d/Dockerfile", Refused("onbuild", "a", evidence)).startswith(
        "d/Dockerfile:4: refused: "
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢字", "plain é 漢字"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x9b\x07\x00", "\\x9b\\x07\\x00"),
        ("a\u202eb\u2066\u200b\u2028", "a\\u202eb\\u2066\\u200b\\u2028"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800\U000e0001", "\\ud800\\U000e0001"),
    ],
)
def test_text_of_strangers_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_kept_characters_stay() -> None:
    assert printable("a\tb\n\x1b", keep="\t\n") == "a\tb\n\\x1b"


def test_explanation_and_messages_escape_what_the_files_say(files: MakeFiles, run_cli: RunCli) -> None:
    files(
        {
            "a/Dockerfile": "FROM python:3.12\x1b]0;owned\x07\n",
            "b/Dockerfile": "FROM nginx\nRUN make \x1b[2J\n",
        }
    )
    ran = run_cli("--check", "--explain")
    assert b"\x1b" not in ran.out
    assert b"\x07" not in ran.out
    assert b"because a/Dockerfile:1: FROM python:3.12\\x1b]0;owned\\x07" in ran.out
    assert "\x1b" not in ran.err


def test_coloured_diff_escapes_what_the_file_says(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": b"FROM python:3.12\r\n# \x1b[2J caf\xe9\r\nCMD a\r\n"})
    shown = run_cli("--color").text
    assert "\x1b[32m+FROM python:3.12 AS app\x1b[0m\n" in shown
    assert "\x1b[31m-FROM python:3.12\x1b[0m\n" in shown
    assert "\n # \\x1b[2J caf\\xe9\n" in shown


def test_explanation_of_a_result_without_steps() -> None:
    assert explain(Result(None, "", ""), "x") == "x: nothing to change\n"
    steps = (Step("a", Refused("no-such-code", "odd")),)
    assert explain(Result(None, "", "", steps), "x").splitlines()[1:] == ["  a: refused: no-such-code: odd"]


@pytest.mark.parametrize(
    ("wanted", "environment", "is_terminal", "expected"),
    [
        (None, {}, True, True),
        (None, {}, False, False),
        (True, {"NO_COLOR": "1"}, False, True),
        (False, {"FORCE_COLOR": "1"}, True, False),
        (None, {"NO_COLOR": "1"}, True, False),
        (None, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        (None, {"NO_COLOR": ""}, True, True),
        (None, {"FORCE_COLOR": "1"}, False, True),
        (None, {"CLICOLOR_FORCE": "1"}, False, True),
        (None, {"FORCE_COLOR": "0", "CLICOLOR_FORCE": "0"}, False, False),
        (None, {"TERM": "dumb"}, True, False),
        (None, {"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        (None, {"CLICOLOR": "0"}, True, False),
    ],
)
def test_colour_precedence(
    wanted: bool | None, environment: dict[str, str], is_terminal: bool, expected: bool
) -> None:
    assert has_color(wanted, is_terminal, environment) is expected
