"""Pragmas: what they protect is as it was, whatever the transforms want, and they stay where they mean it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

import fakes
from conftest import MakeFiles, RunCli
from msrefactor.context import BuildContext
from msrefactor.model import (
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
from msrefactor.parse import parse
from msrefactor.pipeline import refactor_file, refactor_text
from msrefactor.pragmas import read_pragmas
from msrefactor.tree import Instruction
from test_fixtures import CHANGED, Case


def spell_install(view: View) -> Outcome:
    """Write each `install` in capitals."""
    stage = view.dockerfile.final_stage
    new = tuple(i.with_source(i.source.replace("install", "INSTALL")) for i in stage.instructions)
    changes = tuple(Change("in capitals", line=i.line) for i in stage.instructions if "install" in i.source)
    stages = (*view.dockerfile.stages[:-1], stage.with_instructions(new))
    return Changed(view.dockerfile.with_stages(stages), changes)


def swap(view: View) -> Outcome:
    """Change the places of the two instructions after FROM, unless it did."""
    stage = view.dockerfile.final_stage
    if len(stage.instructions) < 3 or "one" not in stage.instructions[1].source:
        return Unchanged("nothing to swap")
    first, second, third, *rest = stage.instructions
    new = stage.with_instructions((first, third, second, *rest))
    return Changed(view.dockerfile.with_stages((*view.dockerfile.stages[:-1], new)), (Change("swap"),))


def move_away(view: View) -> Outcome:
    """Put the first RUN in a stage before the final one."""
    stage = view.dockerfile.final_stage
    run = next((number for number, i in enumerate(stage.instructions) if i.keyword == "RUN"), None)
    if run is None or len(view.dockerfile.stages) > 1:
        return Unchanged("nothing to move")
    builder = stage.with_instructions((Instruction.new("FROM alpine AS b"), stage.instructions[run]))
    return Changed(view.dockerfile.with_stages((builder, stage.without(run))), (Change("moved"),))


SPELL = Transform("spell-install", "", Phase.CLEAN, spell_install, edits_stand_alone=True)
SPELL_AS_ONE = Transform("spell-install", "", Phase.CLEAN, spell_install)
SWAP = Transform("swap", "", Phase.REORDER, swap)
MOVE = Transform("move-away", "", Phase.SPLIT, move_away)


def run(text: str, *transforms: Transform, settings: Settings | None = None) -> Result:
    result = refactor_text(
        text,
        None,
        BuildContext.unknown(),
        (),
        settings or Settings(),
        transforms=transforms,
        check=fakes.approve,
    )
    assert result.internal_error is None
    assert result.error is None
    return result


def codes(result: Result) -> list[str]:
    return [step.outcome.code for step in result.steps if isinstance(step.outcome, Refused)]


# ---- what is protected -------------------------------------------------------------------------------------


@pytest.mark.parametrize("pragma", ["ignore", "ignore[spell-install]", "ignore[swap, spell-install] why not"])
def test_only_the_protected_edit_is_left_out(pragma: str) -> None:
    text = f"FROM a\n# msrefactor: {pragma}\nRUN install one\nRUN install two\n"
    result = run(text, SPELL)
    assert result.after == text.replace("install two", "INSTALL two")
    assert codes(result) == ["ignored-by-pragma"]
    changed = next(step.outcome for step in result.steps if isinstance(step.outcome, Changed))
    assert [change.line for change in changed.changes] == [4]


def test_edits_that_belong_together_are_left_out_together() -> None:
    text = "FROM a\n# msrefactor: ignore\nRUN install one\nRUN install two\n"
    result = run(text, SPELL_AS_ONE)
    assert result.after == text
    assert codes(result) == ["ignored-by-pragma"]


def test_pragma_about_another_transform_protects_from_that_alone() -> None:
    text = "FROM a\n# msrefactor: ignore[swap]\nRUN install one\nRUN two\n"
    result = run(text, SPELL, SWAP)
    assert result.after == text.replace("install", "INSTALL")
    assert codes(result) == ["ignored-by-pragma"]
    assert result.warnings == ()


def test_nothing_is_moved_over_a_protected_instruction() -> None:
    for protected in ("one", "two"):
        text = "FROM a\nRUN one\nRUN two\n".replace(
            f"RUN {protected}", f"# msrefactor: ignore\nRUN {protected}"
        )
        assert run(text, SWAP).after == text


def test_protected_instruction_stays_in_its_stage() -> None:
    text = "FROM a\n# msrefactor: ignore\nRUN one\n"
    assert run(text, MOVE).after == text
    assert run(text.replace("ignore", "ignore[swap]"), MOVE).after != text


def test_pragma_moves_with_its_instruction() -> None:
    text = "FROM a\n# msrefactor: ignore[spell-install]\nRUN install one\nCMD two\n"
    after = "FROM alpine AS b\n# msrefactor: ignore[spell-install]\nRUN install one\nFROM a\nCMD two\n"
    assert run(text, MOVE, SPELL).after == after


def test_range_protects_what_is_between_its_ends() -> None:
    text = (
        "FROM a\nRUN install 1\n# msrefactor: off\nRUN install 2\nRUN install 3\n"
        "# msrefactor: on\nRUN install 4\n# msrefactor: off[swap]\nRUN install 5\n"
    )
    after = text.replace("install 1", "INSTALL 1").replace("install 4", "INSTALL 4")
    assert run(text, SPELL, SWAP).after == after.replace("install 5", "INSTALL 5")


def test_range_whose_ends_would_part_refuses_the_move() -> None:
    # the RUN would take `on` along, and `off` would then protect CMD
    text = "FROM a\n# msrefactor: off[swap]\nENV x=y\n# msrefactor: on\nRUN one\nCMD two\n"
    result = run(text, MOVE)
    assert result.after == text
    assert codes(result) == ["ignored-by-pragma"]


def test_file_is_left_alone() -> None:
    text = "# msrefactor: ignore-file made by a script\nFROM a\nRUN install one\n"
    result = run(text, SPELL, SWAP)
    assert result.after == text
    assert [step.transform for step in result.steps] == ["every transform"]
    assert result.warnings == ()


def test_file_is_left_alone_by_some() -> None:
    text = "# msrefactor: ignore-file[swap]\nFROM a\nRUN install one\nRUN two\n"
    assert run(text, SPELL, SWAP).after == text.replace("install", "INSTALL")


def test_audit_obeys_no_pragma() -> None:
    text = "# msrefactor: ignore-file\nFROM a\nRUN install one\n"
    result = run(text, SPELL, settings=Settings(pragmas=False))
    assert "INSTALL one" in result.after
    assert result.warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nRUN <<EOF\n# msrefactor: ignore\ninstall\nEOF\n",
        "FROM a\nRUN install '# msrefactor: ignore'\n",
        "FROM a\nRUN install # msrefactor: ignore\n",
        "FROM a\n# about msrefactor: ignore\nRUN install\n",
        "FROM a\n# msrefactor ignore\nRUN install\n",
    ],
)
def test_text_that_looks_alike_is_no_pragma(text: str) -> None:
    result = run(text, SPELL)
    assert "INSTALL" in result.after
    assert result.warnings == ()


# ---- what is told ------------------------------------------------------------------------------------------


def warnings(text: str, transforms: Sequence[Transform] = (SPELL, SWAP)) -> list[str]:
    return list(run(text, *transforms).warnings)


def test_unused_pragmas_are_told() -> None:
    text = (
        "FROM a\n  # msrefactor: ignore[spell-install, swap]\nRUN install\nRUN x\n"
        "# msrefactor: ignore\nCMD y\n"
    )
    assert warnings(text) == [
        "2:3: unused pragma: swap would change nothing there; remove it",
        "5:1: unused pragma: nothing would change what it protects; remove it",
    ]


def test_pragma_is_no_unused_one_where_its_transform_does_not_run() -> None:
    text = "FROM a\n# msrefactor: ignore[swap]\nRUN x\n# msrefactor: ignore\nCMD y\n"
    settings = Settings(select=frozenset({"spell-install"}))
    assert run(text, SPELL, SWAP, settings=settings).warnings == ()


def test_what_is_not_understood_is_told_and_protects() -> None:
    text = (
        "FROM a\n# msrefactor: ignore[spel-install]\nRUN install 1\n# msrefactor: ignroe\nRUN install 2\n"
        "# msrefactor: ignore[swap\nRUN install 3\n# msrefactor: ignore[]\nRUN install 4\n"
        "RUN install \\\n  # msrefactor: off\n  5\n# msrefactor: on\n"
    )
    result = run(text, SPELL, SWAP)
    assert result.after == text
    assert [warning.split(";")[0] for warning in result.warnings] == [
        "2:1: there is no transform 'spel-install'",
        "4:1: there is no pragma 'ignroe'",
        "6:1: the list of transforms isn't closed",
        "8:1: the list of transforms is empty",
        "10:1: a pragma between the lines of an instruction is about all of it",
        "13:1: nothing is off here",
    ]
    assert "did you mean 'spell-install'?" in result.warnings[0]
    assert "did you mean 'ignore'?" in result.warnings[1]


def test_pragma_at_the_end_is_told() -> None:
    assert warnings("FROM a\nRUN x\n\n# msrefactor: ignore\n") == ["4:1: no instruction follows"]


@pytest.mark.parametrize("directive", ["# syntax=docker/dockerfile:1", "# escape=`", "#check=error=true"])
def test_pragma_above_a_directive_is_told(directive: str) -> None:
    below = f"{directive}\n# msrefactor: ignore-file a=b\nFROM a\n"
    above = f"# msrefactor: ignore-file a=b\n{directive}\nFROM a\n"
    assert parse(below).directives == f"{directive}\n"
    assert warnings(below) == []
    assert parse(above).directives == ""
    assert warnings(above) == [
        (
            f"2:1: `{directive}` is no parser directive any more, because a pragma stands above it; "
            "put the pragma below it"
        )
    ]


def test_pragma_above_a_comment_of_words_is_fine() -> None:
    assert warnings("# msrefactor: ignore-file\n# see a=b\nFROM a\n") == []


def test_pragmas_are_no_refusals_for_people_and_exit_codes(files: MakeFiles, run_cli: RunCli) -> None:
    text = "# msrefactor: ignore[name-stage] its name is ours\n" + fakes.PYTHON
    files({"Dockerfile": text})
    ran = run_cli("--write", "--strict")
    assert (ran.code, ran.out, ran.err) == (0, b"", "1 file: 1 unchanged\n")
    assert "left as its pragmas ask" in run_cli("--explain").text
    assert "keeps line 2 as it is" in run_cli("--explain").text
    assert run_cli("--no-pragmas").code == 1


def test_warnings_go_to_stderr_and_can_be_silenced(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": "# msrefactor: ignore[grow]\nFROM nginx\n"})
    assert run_cli().err == "1 file: 1 unchanged\n"
    files({"Dockerfile": "# msrefactor: ignore[name-stage]\nFROM nginx\n"})
    told = "Dockerfile:1:1: unused pragma: name-stage would change nothing there; remove it\n"
    assert run_cli().err == told + "1 file: 1 unchanged\n"
    assert run_cli("-q").err == ""


# ---- over real rewrites ------------------------------------------------------------------------------------


def place(text: str, line: str) -> list[tuple[int, int]]:
    """Return where an instruction stands: the stage counted from the end, and the instructions after it."""
    stages = parse(text).stages
    return [
        (len(stages) - number, index)
        for number, stage in enumerate(stages)
        for index, item in enumerate(stage.instructions)
        if item.source.strip() == line.strip()
    ]


@pytest.mark.parametrize("case", CHANGED[::9], ids=lambda case: case.name)
@pytest.mark.parametrize("nth", [1, -2])
def test_protected_instruction_of_a_fixture_is_kept(
    case: Case, nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(case.folder / "context", folder, symlinks=True)
    monkeypatch.chdir(folder)
    tree = parse(case.dockerfile.read_bytes().decode("utf-8", "surrogateescape"))
    stage = tree.final_stage
    index = range(len(stage.instructions))[max(nth, -len(stage.instructions))]
    kept = stage.instructions[index]
    mark = f"# msrefactor: ignore[{case.transform}] a reason{kept.newline}"
    if case.transform == "pipeline":
        mark = f"# msrefactor: ignore{kept.newline}"
    marked = stage.replace(index, kept.with_leading(kept.leading + mark))
    text = tree.with_stages((*tree.stages[:-1], marked)).render()
    case.dockerfile.write_bytes(text.encode("utf-8", "surrogateescape"))
    context = case.options.get("context")
    result = refactor_file(case.dockerfile, case.settings, None if context is None else Path(context))
    assert result.internal_error is None
    assert result.error is None
    after = parse(result.after)
    pragmas = read_pragmas(after, [case.transform])
    again = [item for item in after.final_stage.instructions if item.line in (pragmas.protected or {})]
    assert [item.source for item in again] == [marked.instructions[index].source]
    assert os.linesep not in mark or mark in again[0].leading
