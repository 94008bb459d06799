"""Diffs that the real `git apply` takes and that give exactly the new bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msrefactor.diff import unified_diff
from msrefactor.source import encode


def applied(folder: Path, path: str, before: str, diff: str) -> bytes:
    """The file's bytes after `git apply`."""
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode(before))
    done = subprocess.run(
        ["git", "apply", "-"], cwd=folder, input=encode(diff), capture_output=True, check=False
    )
    assert done.returncode == 0, (done.stderr, diff)
    return file.read_bytes()


def test_equal_texts_have_no_diff() -> None:
    assert unified_diff("FROM x\n", "FROM x\n", "Dockerfile") == ""
    assert unified_diff("", "", "Dockerfile") == ""


def test_a_diff_as_it_is_shown() -> None:
    before = "FROM x\n" + "".join(f"RUN {number}\n" for number in range(20))
    after = before.replace("RUN 3\n", "RUN three\n# new\n").replace("RUN 17\n", "")
    assert unified_diff(before, after, "app/Dockerfile") == (
        "--- a/app/Dockerfile\n"
        "+++ b/app/Dockerfile\n"
        "@@ -2,7 +2,8 @@\n"
        " RUN 0\n RUN 1\n RUN 2\n-RUN 3\n+RUN three\n+# new\n RUN 4\n RUN 5\n RUN 6\n"
        "@@ -16,6 +17,5 @@\n"
        " RUN 14\n RUN 15\n RUN 16\n-RUN 17\n RUN 18\n RUN 19\n"
    )


def test_a_missing_final_newline_is_marked() -> None:
    assert unified_diff("FROM x\nRUN y", "FROM x\nRUN z", "D") == (
        "--- a/D\n+++ b/D\n@@ -1,2 +1,2 @@\n FROM x\n"
        "-RUN y\n\\ No newline at end of file\n+RUN z\n\\ No newline at end of file\n"
    )
    assert unified_diff("FROM x\nRUN y", "FROM z\nRUN y", "D") == (
        "--- a/D\n+++ b/D\n@@ -1,2 +1,2 @@\n-FROM x\n+FROM z\n RUN y\n\\ No newline at end of file\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\nb\nc\n", "a\nB\nc\n"),
        ("a\n", "b\n"),
        ("a\r\nb\r\n", "a\r\nX\r\nb\r\n"),
        ("a\r\nb\nc\r\n", "a\r\nb\r\nc\r\n"),
        ("a\nb", "a\nc"),
        ("a\nb", "a\nb\n"),
        ("a\nb\n", "a\nb"),
        ("a\r\nb", "a\r\nb\r\nc"),
        ("x\n", "x\ny"),
        ("caf\udce9\nx\n", "caf\udce9\ny\n"),
        ("\ufeffa\nb\n", "\ufeffa\nc\n"),
        (
            "a\x0cb\x1c\u2028c\x85\n" * 9,
            "a\x0cb\x1c\u2028c\x85\n" * 4 + "new\n" + "a\x0cb\x1c\u2028c\x85\n" * 5,
        ),
        ("a\rb\n\n\n", "a\rc\n\n\n"),
        ("\n\n\n", "\n\n"),
        (" a \n\tb\t\n", " a \n\tc\t\n"),
        ("-- a\n+++ b\n@@ -1 +1 @@\n", "-- a\n+++ c\n@@ -1 +1 @@\n"),
    ],
)
def test_git_applies_it(tmp_path: Path, before: str, after: str) -> None:
    assert applied(tmp_path, "Dockerfile", before, unified_diff(before, after, "Dockerfile")) == encode(after)


@pytest.mark.parametrize(
    "path",
    [
        "Dockerfile",
        "docker/app.Dockerfile",
        "my app/Docker file",
        "größe/Dockerfile",
        "a b/größe",
        'quo"te/back\\slash',
        "tab\there",
        "new\nline",
        "latin\udce9",
        "-dash",
        "ends with blank ",
    ],
)
def test_git_finds_the_file(tmp_path: Path, path: str) -> None:
    before, after = "FROM x\nRUN a\n", "FROM x\nRUN b\n"
    diff = unified_diff(before, after, path)
    assert diff.count("\n") == 6
    assert applied(tmp_path, path, before, diff) == encode(after)


def test_paths_are_relative_to_where_the_diff_is_applied() -> None:
    assert unified_diff("a\n", "b\n", "./app/Dockerfile").startswith(
        "--- a/app/Dockerfile\n+++ b/app/Dockerfile\n"
    )
    assert unified_diff("a\n", "b\n", "/srv/Dockerfile").startswith("--- a/srv/Dockerfile\n")


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "d \n", "\x0c\n"]), max_size=25)


@given(LINES, LINES, st.sampled_from(["", "end"]), st.sampled_from(["", "end"]))
@settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_git_applies_whatever_changed(
    tmp_path: Path, old: list[str], new: list[str], old_end: str, new_end: str
) -> None:
    before, after = "FROM x\n" + "".join(old) + old_end, "FROM x\n" + "".join(new) + new_end
    diff = unified_diff(before, after, "Dockerfile")
    if before != after:
        assert applied(tmp_path, "Dockerfile", before, diff) == encode(after)
    else:
        assert diff == ""


def test_a_small_change_in_a_large_file_is_quick() -> None:
    before = "RUN a\n" * 300_000
    after = before[:900_000] + "RUN b\n" + before[900_000:]
    assert unified_diff(before, after, "D").count("\n") == 10
