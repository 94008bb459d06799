"""Each need of a correct result is taken away in turn: the static check has to see it every time."""

from __future__ import annotations

import posixpath
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from msrefactor.check import check
from msrefactor.contract import lineage
from msrefactor.facts import overlaps, stage_facts
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import describe
from msrefactor.model import Changed, Need, NeedKind, Transform, View
from msrefactor.pipeline import refactor_file
from msrefactor.tree import Dockerfile, Instruction
from msrefactor_transforms.splitting.plan import interpreters
from test_fixtures import CHANGED, Case

CASES = [case for case in CHANGED if case.transform in ("split-stages", "slim-final-base")]

LACKS = ("the final stage lacks", "nothing brings")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_missing_need_is_seen(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(case.folder / "context", tmp_path / "project", symlinks=True)
    monkeypatch.chdir(folder)
    results: list[tuple[View, Dockerfile, Changed, Transform]] = []

    def noting(before: View, after: Dockerfile, outcome: Changed, transform: Transform) -> tuple[str, ...]:
        results.append((before, after, outcome, transform))
        return check(before, after, outcome, transform)

    context = case.options.get("context")
    done = refactor_file(case.dockerfile, case.settings, Path(context) if context else None, check=noting)
    assert done.is_changed
    for before, after, outcome, transform in results:
        if outcome.replacement is not None:
            continue  # there the needs are the new server's, and replacement.py holds the result to them
        for need in outcome.needs:
            broken = without(before, after, need)
            assert broken.render() != after.render(), f"{need} can't be taken away"
            findings = check(before, broken, outcome, transform)
            assert any(words in finding for words in LACKS for finding in findings), (
                need,
                findings,
                broken.render(),
            )


def without(before: View, after: Dockerfile, need: Need) -> Dockerfile:
    """Return the result without what its final stage has for the need."""
    last = len(after.stages) - 1
    provider = need.provider or ""
    package = re.match(r"package ([^ ,]+)", provider)
    if provider.endswith((" has it", "as before")):
        return from_scratch(after)
    if need.kind is NeedKind.PACKAGE or package:
        name = package[1] if package else need.name
        word = re.compile(rf"(?<![\w.+:/-]){re.escape(name)}(?![\w.+-])(=\S+)?")
        if need.name in knowledge.commands_in(describe(after.final_stage.image)):
            after = from_scratch(after)  # which has the command as well
        return edited(
            after,
            last,
            lambda one: one.with_source(word.sub("", one.source)) if one.keyword == "RUN" else one,
        )
    facts = stage_facts(after, after.final_stage, before.context, interpreters())
    if need.kind is NeedKind.USER:
        makers = [f.instruction for f, effect in facts.effects() if need.name in effect.users]
        return edited(after, last, lambda one: None if one in makers else one)
    places = {need.name} if need.name.startswith("/") else set()
    places.update(re.findall(r"(/[^ ,;]*), copied", provider))
    if "copied" in provider:
        bringing = [
            fact.instruction
            for fact in facts.facts
            for path in (
                *([fact.destination] if fact.destination else []),
                *(placed.destination for placed in fact.placed),
                *(path for effect in fact.effects for path in effect.writes),
            )
            if any(overlaps(path, place) for place in places) or posixpath.basename(path) == need.name
        ]
        if not bringing:  # a folder of programs, whose names nobody knows
            bringing = [fact.instruction for fact in facts.facts if fact.from_stage is not None]
        after = after if "the base's" not in provider else from_scratch(after)
        return edited(after, last, lambda one: None if one in bringing else one)
    return from_scratch(after)


def from_scratch(dockerfile: Dockerfile) -> Dockerfile:
    """Return the file with an empty base for its final stage."""
    first = lineage(dockerfile, len(dockerfile.stages) - 1)[0]
    image = dockerfile.stages[first].image
    return edited(
        dockerfile,
        first,
        lambda one: one.with_source(one.source.replace(image, "scratch")) if one.keyword == "FROM" else one,
    )


def edited(
    dockerfile: Dockerfile, index: int, change: Callable[[Instruction], Instruction | None]
) -> Dockerfile:
    """Return the file with each instruction of a stage changed, or left out where `change` gives None."""
    stages = list(dockerfile.stages)
    changed = (change(one) for one in stages[index].instructions)
    stages[index] = stages[index].with_instructions(tuple(one for one in changed if one is not None))
    return dockerfile.with_stages(tuple(stages))
