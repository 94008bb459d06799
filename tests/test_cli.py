"""The command line: modes, exit codes, streams, messages."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import fakes
from conftest import MakeFiles, RunCli, git_apply
from msrefactor.model import Result, Settings

DIFF = """\
--- a/Dockerfile
+++ b/Dockerfile
@@ -1,2 +1,2 @@
-FROM python:3.12
+FROM python:3.12 AS app
 CMD ["python", "app.py"]
"""


REFUSAL = (
    "Dockerfile:2: refused: unknown-artifact: `make` builds something, but what isn't known; "
    "name the output in the build command (for example with -o)"
)

# ---- what must not change ----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [fakes.NGINX, fakes.MAKE, fakes.LABEL, fakes.BROKEN, fakes.TEMPLATE, ""])
@pytest.mark.parametrize("mode", ["--write", "--diff", "--check"])
def test_file_without_a_proved_change_keeps_bytes_and_time(
    files: MakeFiles, run_cli: RunCli, content: str, mode: str
) -> None:
    file = files({"Dockerfile": content}) / "Dockerfile"
    before = file.stat().st_mtime_ns
    ran = run_cli(mode, "Dockerfile")
    assert ran.out == b""
    assert file.read_text() == content
    assert file.stat().st_mtime_ns == before


@pytest.mark.parametrize("mode", ["--diff", "--check", "--explain"])
def test_only_write_writes(files: MakeFiles, run_cli: RunCli, mode: str) -> None:
    file = files({"Dockerfile": fakes.PYTHON}) / "Dockerfile"
    run_cli(mode)
    assert file.read_text() == fakes.PYTHON
    assert [entry.name for entry in file.parent.iterdir()] == ["Dockerfile"]


def test_second_write_touches_nothing(files: MakeFiles, run_cli: RunCli) -> None:
    file = files({"Dockerfile": fakes.PYTHON}) / "Dockerfile"
    run_cli("--write")
    before = file.stat()
    time.sleep(0.01)
    ran = run_cli("--write")
    assert ran.code == 0
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert file.read_text() == fakes.NAMED


# ---- modes -------------------------------------------------------------------------------------------------


def test_diff_is_the_default_and_goes_to_stdout(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.PYTHON})
    ran = run_cli()
    assert ran.code == 1
    assert ran.text == DIFF
    assert ran.err == "1 file: 1 would change; about 120 MB less\n"
    assert run_cli("--diff", ".").out == ran.out


def test_diff_of_a_subfolder_applies_from_here(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files({"deep/er/Dockerfile": fakes.PYTHON, "deep/web.Dockerfile": "FROM python:3.12\r\nCMD a"})
    patch = run_cli("deep").out
    assert patch.count(b"--- a/deep/") == 2
    git_apply(patch, folder)
    assert (folder / "deep/er/Dockerfile").read_text() == fakes.NAMED
    assert (folder / "deep/web.Dockerfile").read_bytes() == b"FROM python:3.12 AS app\r\nCMD a"


def test_diff_of_an_absolute_path_applies_from_here(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files({"Dockerfile": fakes.PYTHON})
    ran = run_cli(str(folder / "Dockerfile"))
    assert ran.text == DIFF


def test_diff_with_explanations_still_applies(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files({"a/Dockerfile": fakes.PYTHON, "b/Dockerfile": fakes.PYTHON, "c/Dockerfile": fakes.MAKE})
    patch = run_cli("--diff", "--explain").out
    assert b"find-artifact: refused" in patch
    git_apply(patch, folder)
    assert (folder / "a/Dockerfile").read_text() == fakes.NAMED
    assert (folder / "b/Dockerfile").read_text() == fakes.NAMED


def test_diff_of_a_link_patches_its_target(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files({"docker/prod.txt": fakes.PYTHON})
    (folder / "Dockerfile").symlink_to("docker/prod.txt")
    patch = run_cli().out
    assert patch.startswith(b"--- a/docker/prod.txt\n")
    git_apply(patch, folder)
    assert (folder / "docker/prod.txt").read_text() == fakes.NAMED


def test_diff_keeps_bytes_that_are_no_utf8(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files({"Dockerfile": b"FROM python:3.12\n# caf\xe9\x1b[0m\nCMD a"})
    patch = run_cli().out
    assert b" # caf\xe9\x1b[0m\n" in patch
    git_apply(patch, folder)
    assert (folder / "Dockerfile").read_bytes() == b"FROM python:3.12 AS app\n# caf\xe9\x1b[0m\nCMD a"


def test_write_rewrites_and_exits_zero(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files(
        {"Dockerfile": fakes.PYTHON, "api/Dockerfile": fakes.PYTHON, "web/Dockerfile": fakes.NGINX}
    )
    ran = run_cli("--write")
    assert ran.code == 0
    assert ran.out == b""
    assert ran.err.splitlines() == [
        "rewrote Dockerfile",
        "rewrote api/Dockerfile",
        "3 files: 2 changed, 1 unchanged; about 241 MB less",
    ]
    assert (folder / "Dockerfile").read_text() == fakes.NAMED
    assert (folder / "api/Dockerfile").read_text() == fakes.NAMED
    assert (folder / "web/Dockerfile").read_text() == fakes.NGINX


def test_check_lists_the_changes_as_compilers_do(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.PYTHON, "web/Dockerfile": fakes.NGINX})
    ran = run_cli("--check")
    assert ran.code == 1
    assert ran.text == "Dockerfile:1:1: name-stage: the stage has a name to copy from\n"


def test_check_with_diff_shows_the_diff(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.PYTHON})
    ran = run_cli("--check", "--diff")
    assert (ran.code, ran.text) == (1, DIFF)


@pytest.mark.parametrize("mode", ["--diff", "--check"])
def test_nothing_to_change_exits_zero(files: MakeFiles, run_cli: RunCli, mode: str) -> None:
    files({"Dockerfile": fakes.NGINX})
    ran = run_cli(mode)
    assert (ran.code, ran.out, ran.err) == (0, b"", "1 file: 1 unchanged\n")


@pytest.mark.parametrize("mode", ["--diff", "--check"])
def test_exit_zero(files: MakeFiles, run_cli: RunCli, mode: str) -> None:
    files({"Dockerfile": fakes.PYTHON})
    assert run_cli(mode, "--exit-zero").code == 0


def test_exit_non_zero_on_change(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.PYTHON})
    assert run_cli("--write", "--exit-non-zero-on-change").code == 1
    assert run_cli("--write", "--exit-non-zero-on-change").code == 0


def test_no_dockerfile_is_no_error(files: MakeFiles, run_cli: RunCli) -> None:
    files({"README.md": ""})
    ran = run_cli()
    assert (ran.code, ran.out, ran.err) == (0, b"", "no Dockerfile found in .\n")


# ---- refusals and errors -----------------------------------------------------------------------------------


def test_refused_file_is_one_line_with_obstacle_and_remedy(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.MAKE})
    ran = run_cli()
    assert ran.code == 0
    assert ran.out == b""
    assert ran.err.splitlines() == [
        REFUSAL,
        "1 file: 1 refused",
    ]


def test_strict_makes_a_refusal_three(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.MAKE})
    assert run_cli("--strict").code == 3
    assert run_cli("--write", "--strict").code == 3


def test_unsafe_change_is_hinted_at_and_made_when_asked(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files({"Dockerfile": fakes.LABEL})
    ran = run_cli("--write")
    assert (
        "Dockerfile:2: refused: unproved: nobody reads the label; read the assumption and pass --unsafe\n"
        in ran.err
    )
    assert run_cli("--write", "--unsafe").code == 0
    assert (folder / "Dockerfile").read_text() == "FROM nginx\n"


def test_unreadable_file_is_three_and_the_others_are_done(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files({"a/Dockerfile": fakes.TEMPLATE, "b/Dockerfile": fakes.PYTHON})
    ran = run_cli("--write")
    assert ran.code == 3
    assert ran.err.startswith("a/Dockerfile:2:")
    assert ran.err.endswith("2 files: 1 changed, 1 failed; about 120 MB less\n")
    assert (folder / "b/Dockerfile").read_text() == fakes.NAMED


def test_failed_write_is_three_and_the_others_are_done(
    files: MakeFiles, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from msrefactor import source
    from msrefactor.errors import WriteFailed

    folder = files({"a/Dockerfile": fakes.PYTHON, "b/Dockerfile": fakes.PYTHON, "c/Dockerfile": fakes.PYTHON})
    real = source.write_atomically

    def write(file: source.SourceFile, text: str) -> bool:
        if str(file.path) == "a/Dockerfile":
            raise WriteFailed("it changed while it was read")
        if str(file.path) == "b/Dockerfile":
            raise OSError(28, "No space left on device")
        return real(file, text)

    monkeypatch.setattr(source, "write_atomically", write)
    ran = run_cli("--write")
    assert ran.code == 3
    assert ran.err.splitlines() == [
        "a/Dockerfile:1:1: it changed while it was read",
        "b/Dockerfile:1:1: can't be written: No space left on device",
        "rewrote c/Dockerfile",
        "3 files: 1 changed, 2 failed; about 120 MB less",
    ]
    assert (folder / "a/Dockerfile").read_text() == fakes.PYTHON
    assert (folder / "c/Dockerfile").read_text() == fakes.NAMED


def test_internal_error_is_123_and_the_others_are_done(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files(
        {"a/Dockerfile": fakes.BROKEN, "b/Dockerfile": fakes.PYTHON, "c/Dockerfile": fakes.TEMPLATE}
    )
    ran = run_cli("--write")
    assert ran.code == 123
    assert ran.err.startswith(
        "a/Dockerfile:1:1: internal error, the file is left alone: divide: ZeroDivisionError"
    )
    assert (folder / "a/Dockerfile").read_text() == fakes.BROKEN
    assert (folder / "b/Dockerfile").read_text() == fakes.NAMED


def test_quiet_says_only_errors(files: MakeFiles, run_cli: RunCli) -> None:
    files({"a/Dockerfile": fakes.MAKE, "b/Dockerfile": fakes.PYTHON})
    assert run_cli("-q").err == ""
    assert run_cli("-q", "--write").err == ""
    files({"c/Dockerfile": fakes.TEMPLATE})
    assert run_cli("-q").err.startswith("c/Dockerfile:2:")


# ---- usage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--write", "--check"], "--write and --check exclude each other"),
        (["--write", "--diff"], "--write and --diff exclude each other"),
        (["-", "Dockerfile"], "`-` can't be combined with other paths"),
        (["--stdin-filename", "x", "Dockerfile"], "--stdin-filename is for the path `-`"),
        (["none"], "Path 'none' does not exist"),
        (["Dockerfile", "none"], "Path 'none' does not exist"),
        (["--context", "none"], "Directory 'none' does not exist"),
        (["--runtime", "alpine"], "'alpine' is not one of 'smallest', 'distroless', 'slim'"),
        (["--select", "name_stage"], "there is no transform 'name_stage'. Did you mean 'name-stage'?"),
        (["--ignore", "find-artefact,drop-label"], "Did you mean 'find-artifact'?"),
        (["--select", "xyzzy"], "Known are: find-artifact, name-stage, drop-label,"),
        (["--frobnicate"], "No such option"),
    ],
)
def test_wrong_usage_is_two_and_touches_nothing(
    files: MakeFiles, run_cli: RunCli, arguments: list[str], message: str
) -> None:
    folder = files({"Dockerfile": fakes.PYTHON})
    ran = run_cli(*([] if "--write" in arguments else ["--write"]), *arguments)
    assert ran.code == 2
    assert message in " ".join(ran.err.split())
    assert ran.out == b""
    assert (folder / "Dockerfile").read_text() == fakes.PYTHON


def test_select_and_ignore_take_lists_and_repeats(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.PYTHON})
    assert run_cli("--select", "find-artifact, drop-label", "--select", "divide").code == 0
    assert run_cli("--select", "find-artifact,name-stage").code == 1
    assert run_cli("--ignore", "name-stage").code == 0


def test_list_shows_the_order(run_cli: RunCli) -> None:
    ran = run_cli("--list")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.text.splitlines()[:4] == [
        " 1  find-artifact  split    Says what make builds.",
        " 2  name-stage     split    Names the final stage.",
        " 3  drop-label     shrink   Removes labels.",
        " 4  grow           shrink   Never comes to an end. (only when selected)",
    ]


def test_dry_run_turns_write_into_diff(
    files: MakeFiles, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = files({"Dockerfile": fakes.PYTHON})
    monkeypatch.setenv("DRY_RUN", "true")
    ran = run_cli("--write")
    assert (ran.code, ran.text) == (0, DIFF)
    assert (folder / "Dockerfile").read_text() == fakes.PYTHON
    monkeypatch.setenv("DRY_RUN", "false")
    run_cli("--write")
    assert (folder / "Dockerfile").read_text() == fakes.NAMED


def test_context_is_taken_from_the_option(
    files: MakeFiles, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from msrefactor import pipeline

    seen: list[tuple[str, Path | None, str]] = []
    real = pipeline.refactor_file

    def refactor_file(path: Path, settings: Settings, context: Path | None) -> Result:
        seen.append((str(path), context, settings.runtime))
        return real(path, settings, context)

    monkeypatch.setattr(pipeline, "refactor_file", refactor_file)
    files({"docker/Dockerfile": fakes.PYTHON, "app/app.py": ""})
    run_cli("--context", "app", "--runtime", "slim", "docker")
    assert seen == [("docker/Dockerfile", Path("app"), "slim")]


# ---- the filter --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (fakes.PYTHON, fakes.NAMED),
        (fakes.NGINX, fakes.NGINX),
        (fakes.MAKE, fakes.MAKE),
        (fakes.LABEL, fakes.LABEL),
        ("FROM python:3.12\r\nCMD a", "FROM python:3.12 AS app\r\nCMD a"),
    ],
)
@pytest.mark.parametrize("arguments", [["-"], ["--write", "-"], ["--stdin-filename", "x/Dockerfile", "-"]])
def test_filter_always_echoes_and_exits_zero(
    files: MakeFiles, run_cli: RunCli, text: str, after: str, arguments: list[str]
) -> None:
    files({})
    ran = run_cli("-q", *arguments, stdin=text.encode())
    assert (ran.code, ran.text, ran.err) == (0, after, "")


def test_filter_says_why_it_refused_under_the_name_it_was_given(files: MakeFiles, run_cli: RunCli) -> None:
    files({})
    ran = run_cli("--stdin-filename", "x/Dockerfile", "-", stdin=fakes.MAKE.encode())
    assert ran.text == fakes.MAKE
    assert ran.err.startswith("x/Dockerfile:2: refused: unknown-artifact: ")
    assert len(ran.err.splitlines()) == 1
    assert run_cli("-", stdin=fakes.PYTHON.encode()).err == ""


@pytest.mark.parametrize(
    "data", [fakes.TEMPLATE.encode(), b"", b"\xff\xfeF\0", b"FROM a\0\n", fakes.BROKEN.encode()]
)
def test_filter_gives_bad_input_back_as_it_was(files: MakeFiles, run_cli: RunCli, data: bytes) -> None:
    files({})
    ran = run_cli("-", stdin=data)
    assert ran.code in {3, 123}
    assert ran.out == data
    assert ran.err.startswith("<stdin>:")


def test_filter_keeps_bytes_that_are_no_utf8(files: MakeFiles, run_cli: RunCli) -> None:
    files({})
    ran = run_cli("-", stdin=b"FROM python:3.12\n# caf\xe9")
    assert ran.out == b"FROM python:3.12 AS app\n# caf\xe9"


def test_filter_with_diff_or_check_only_shows(files: MakeFiles, run_cli: RunCli) -> None:
    files({})
    ran = run_cli("--diff", "--stdin-filename", "Dockerfile", "-", stdin=fakes.PYTHON.encode())
    assert (ran.code, ran.text) == (1, DIFF)
    ran = run_cli("--check", "-", stdin=fakes.PYTHON.encode())
    assert (ran.code, ran.text) == (1, "<stdin>:1:1: name-stage: the stage has a name to copy from\n")


def test_filter_explains_on_stderr(files: MakeFiles, run_cli: RunCli) -> None:
    files({})
    ran = run_cli("--explain", "-", stdin=fakes.PYTHON.encode())
    assert ran.text == fakes.NAMED
    assert "name-stage: changed (safe)" in ran.err


def test_filter_finds_the_context_where_the_text_would_lie(
    files: MakeFiles, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from msrefactor import pipeline
    from msrefactor.model import Outcome, Phase, Transform, Unchanged, View

    seen: list[bool] = []

    def look(view: View) -> Outcome:
        seen.append(view.context.is_file("app.py"))
        return Unchanged("only looked")

    files({"service/app.py": ""})
    monkeypatch.setattr(pipeline, "transforms", lambda: (Transform("look", "Looks.", Phase.CLEAN, look),))
    text = b"FROM python:3.12\nCOPY app.py .\n"
    run_cli("--stdin-filename", "service/Dockerfile", "-", stdin=text)
    assert seen == [True]
    run_cli("--context", "service", "-", stdin=text)
    assert seen == [True, True]
