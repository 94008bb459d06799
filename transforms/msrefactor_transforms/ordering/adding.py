"""A RUN of its own that fetches the dependencies, where the file leaves that to the build."""

from __future__ import annotations

import posixpath
import shlex
from dataclasses import replace

from msrefactor.facts import Fact, Role, StageFacts, is_under
from msrefactor.model import View
from msrefactor.tree import Dockerfile, Instruction
from msrefactor_transforms.ordering.commands import SILENT
from msrefactor_transforms.ordering.copies import is_of_project, is_source, moved, moves, same_installs
from msrefactor_transforms.splitting.copies import all_stage_facts
from msrefactor_transforms.splitting.question import has_blank_line


def with_fetch(view: View, index: int, facts: StageFacts) -> tuple[Dockerfile, str, Fact, Fact] | None:
    """Return the file with a fetch added to a stage, its command, the lowest copy of source, and the build.

    The stage must be thrown away: a fetch may bring more than the build needs. The RUN is first put right
    above the build, where everything that the build has is there; then every copy of the source goes below
    it, as it goes below an install that the author wrote. None: it has no such place.
    """
    build = next((fact for fact in facts.facts if any(effect.fetched_by for effect in fact.effects)), None)
    if build is None or any(is_of_project(effect) for _, effect in facts.effects()):
        return None
    fetch = _fetch(build)
    copies = [fact for fact in facts.facts[: build.index] if is_source(fact)]
    if fetch is None or not copies:
        return None
    instructions = list(facts.stage.instructions)
    current = _with_stage(view, index, (*instructions[: build.index], fetch, *instructions[build.index :]))
    for _ in copies:
        before = all_stage_facts(current)[index]
        made = _below(before, fetch, view.dockerfile.newline)
        if made is None:
            return None
        current = _with_stage(view, index, made)
        if not same_installs(before, all_stage_facts(current)[index]):
            return None
    command = next(effect.fetched_by for effect in build.effects if effect.fetched_by)
    return current.dockerfile, command, copies[-1], build


def _with_stage(view: View, index: int, instructions: tuple[Instruction, ...]) -> View:
    stages = list(view.dockerfile.stages)
    stages[index] = stages[index].with_instructions(instructions)
    return replace(view, dockerfile=view.dockerfile.with_stages(tuple(stages)))


def _below(facts: StageFacts, fetch: Instruction, newline: str) -> tuple[Instruction, ...] | None:
    """Return the stage with the lowest copy of the source that stands above the fetch right below it."""
    place = next(fact.index for fact in facts.facts if fact.instruction.source == fetch.source)
    copy = [fact for fact in facts.facts[:place] if is_source(fact)][-1]
    for move in moves(facts, copy, is_thrown_away=True)[0]:
        if move.until.index == place and move.first is None and not move.overlaid:
            made = moved(facts, move, newline)
            return made if isinstance(made, tuple) else None
    return None


def _fetch(build: Fact) -> Instruction | None:
    """Return the RUN that does beforehand what the build's first command would fetch; None: it can't."""
    instruction = build.instruction
    if instruction.flags or instruction.exec_form or build.script is None or instruction.heredocs:
        return None  # a mount may hold what the fetch needs, or hide what it leaves
    for item in build.items:
        first = next((effect for effect in item.effects if effect.fetched_by), None)
        if first is None:
            harmless = (Role.NOTHING, Role.NAVIGATE)
            if any(effect.role not in harmless or effect.sets for effect in item.effects):
                return None
            if any(effect.tool and effect.tool not in (*SILENT, "cd") for effect in item.effects):
                return None
            continue
        if item.scope is None or item.item is None or item.item.kind != "command":
            return None
        if item.scope.variables != build.scope.variables:
            return None
        text = first.fetched_by
        if item.scope.cwd != build.scope.cwd:
            text = f"cd {_relative(item.scope.cwd, build.scope.cwd)} && {text}"
        keyword = "run" if instruction.keyword_text.islower() else "RUN"
        made = Instruction.new(f"{keyword} {text}{instruction.newline}", instruction.escape)
        return made.with_leading(instruction.newline) if has_blank_line(instruction) else made
    return None


def _relative(path: str, folder: str) -> str:
    """Return how a command in `folder` names a path: shorter where the path lies below it."""
    return shlex.quote(posixpath.relpath(path, folder) if is_under(path, folder) else path)
