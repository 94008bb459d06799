"""A file of several stages as if everything were done in the final one: what a container of it is made of.

The ecosystems know what a program needs when they see it installed and built. In a file of several stages
that happens elsewhere; here the stages that the final one copies from are put before it. The result is only
looked at, never written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msrefactor import variables
from msrefactor.contract import stage_index
from msrefactor.facts import StageFacts, base_image_text, stage_facts
from msrefactor.model import View
from msrefactor.tree import Instruction, Stage
from msrefactor_transforms.splitting.copies import Copied, copied
from msrefactor_transforms.splitting.plan import interpreters

_OF_THE_IMAGE = frozenset(
    "CMD ENTRYPOINT HEALTHCHECK EXPOSE VOLUME LABEL MAINTAINER STOPSIGNAL ONBUILD".split()
)
"""Instructions that say how an image is started: those of an earlier stage say nothing of the last."""


def flattened(view: View, stages: Sequence[StageFacts]) -> tuple[View, StageFacts]:
    """Return the file with its stages put into one, on the base of the last, and what is done there."""
    last = len(stages) - 1
    final = stages[last].stage
    body: list[Instruction] = []
    if last:
        for index in sorted(_copied_from(view, stages, last) - {last}):
            body.extend(_as_part(view, stages, index))
        body.append(Instruction.new(f"WORKDIR {stages[last].base.workdir or '/'}\n"))
        body.append(Instruction.new("USER root\n"))
    body.extend(_without_copies(view, stages, last))
    stage = Stage((final.instructions[0], *body))
    flat = replace(view, dockerfile=replace(view.dockerfile, stages=(stage,)))
    return flat, stage_facts(flat.dockerfile, stage, view.context, interpreters())


def _copied_from(view: View, stages: Sequence[StageFacts], index: int) -> set[int]:
    """Return the stages that a stage copies from or builds on, and those that these do."""
    found = {index}
    for copy in copied(view, index, stages[index]):
        if copy.stage not in found:
            found |= _copied_from(view, stages, copy.stage)
    parent = stage_index(view.dockerfile, base_image_text(view.dockerfile, stages[index].stage), index)
    if parent is not None:
        found |= _copied_from(view, stages, parent)
    return found


def _as_part(view: View, stages: Sequence[StageFacts], index: int) -> list[Instruction]:
    """Return what an earlier stage does, from a fresh start."""
    parent = stage_index(view.dockerfile, base_image_text(view.dockerfile, stages[index].stage), index)
    start = [] if parent is not None else [Instruction.new("WORKDIR /\n"), Instruction.new("USER root\n")]
    return [
        *start,
        *(item for item in _without_copies(view, stages, index) if item.keyword not in _OF_THE_IMAGE),
    ]


def _without_copies(view: View, stages: Sequence[StageFacts], index: int) -> list[Instruction]:
    """Return a stage's instructions, its copies from other stages as commands that copy."""
    copies: dict[int, list[Copied]] = {}
    for copy in copied(view, index, stages[index]):
        copies.setdefault(copy.fact.index, []).append(copy)
    found: list[Instruction] = []
    for place, instruction in enumerate(stages[index].stage.instructions[1:], 1):
        if place not in copies:
            found.append(instruction)
            continue
        for copy in copies[place]:
            target = variables.expand(copy.destination, copy.fact.scope.variables, copy.fact.scope.escape)
            if target != copy.source:
                found.append(Instruction.new(f"RUN cp -r {copy.source} {target}\n"))
    return found
