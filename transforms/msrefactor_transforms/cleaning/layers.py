"""The stages whose layers reach the final image, and what comes after an instruction there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from msrefactor.contract import stage_index
from msrefactor.facts import Effect, Fact, StageFacts, base_image_text, is_under
from msrefactor.model import View
from msrefactor.shell import Command, Item
from msrefactor.tree import Dockerfile, Instruction, Stage
from msrefactor_transforms.cleaning.exec_form import in_shell_form
from msrefactor_transforms.splitting.copies import all_stage_facts

Place = tuple[int, int]
"""An instruction: the index of its stage, and its own index in the stage."""


@dataclass(frozen=True, slots=True)
class Layers:
    """The file, interpreted, and which stage each stage builds on."""

    stages: tuple[StageFacts, ...]
    parents: tuple[int | None, ...]

    @property
    def chain(self) -> tuple[int, ...]:
        """The final stage and those that it builds on, the first one first."""
        return self.below(len(self.stages) - 1)

    def below(self, stage: int) -> tuple[int, ...]:
        """Return a stage and those that it builds on, the first one first."""
        parent = self.parents[stage]
        return (*(self.below(parent) if parent is not None else ()), stage)

    def runs(self) -> Iterator[tuple[int, Fact]]:
        """Yield the RUNs that make layers of the final image, with their stages, in order."""
        for index in self.chain:
            for fact in self.stages[index].runs():
                yield index, fact

    def later(self, stage: int, index: int) -> Iterator[tuple[int, Fact]]:
        """Yield what runs on top of an instruction: the rest of its stage, and the stages built on it."""
        for fact in self.stages[stage].facts:
            if fact.index > index:
                yield stage, fact
        for other, parent in enumerate(self.parents):
            if parent == stage:
                yield from self.later(other, 0)


def later_runs(layers: Layers, stage: int, index: int) -> Iterator[tuple[int, Fact, set[int]]]:
    """Yield the RUNs on top of an instruction, each with the stages that are done with.

    A stage that is put into the set, and what is built on it, is left out from there on.
    """
    done: set[int] = set()
    for other_stage, other in layers.later(stage, index):
        parent = layers.parents[other_stage]
        if other_stage != stage and parent is not None and parent in done:
            done.add(other_stage)
        if other_stage not in done and other.keyword == "RUN":
            yield other_stage, other, done


def layers_of(view: View) -> Layers:
    """Interpret the file and find the stages whose layers the final image has."""
    dockerfile = view.dockerfile
    stages = tuple(
        replace(stage, facts=tuple(map(in_shell_form, stage.facts))) for stage in all_stage_facts(view)
    )
    parents = tuple(
        stage_index(dockerfile, base_image_text(dockerfile, stage), index)
        for index, stage in enumerate(dockerfile.stages)
    )
    return Layers(stages, parents)


def commands_of(fact: Fact) -> Iterator[tuple[Item | None, Command | None, Effect]]:
    """Yield the commands of a RUN at any depth, with the item they belong to and what they do."""
    for one in fact.items:
        commands = one.item.commands if one.item is not None else ()
        for position, effect in enumerate(one.effects):
            yield one.item, commands[position] if position < len(commands) else None, effect


def mounts(instruction: Instruction, kinds: tuple[str, ...] = ("cache", "tmpfs")) -> tuple[str, ...]:
    """Return the paths where a RUN mounts something of these kinds, which isn't part of its layer."""
    found = []
    for flag in instruction.flags:
        if flag.name != "mount" or not flag.value:
            continue
        fields = dict(part.partition("=")[::2] for part in flag.value.split(","))
        target = fields.get("target") or fields.get("dst") or fields.get("destination")
        if target and fields.get("type", "bind") in kinds:
            found.append(target.rstrip("/") or "/")
    return tuple(found)


def is_mounted(fact: Fact, path: str) -> bool:
    """Whether what a RUN writes at a path goes into a cache mount or a file system in memory."""
    return any(is_under(path, fact.scope.path(target)) for target in mounts(fact.instruction))


def is_lent(fact: Fact, folder: str) -> bool:
    """Whether a folder is there only while a RUN runs, together with all that is written into it."""
    lent = mounts(fact.instruction, ("bind", "cache", "tmpfs"))
    return any(is_under(folder, fact.scope.path(target)) for target in lent)


def rebuilt(dockerfile: Dockerfile, edits: Mapping[Place, Instruction | None]) -> Dockerfile:
    """Return the file with some instructions replaced, or left out where there is None."""
    stages = []
    for index, stage in enumerate(dockerfile.stages):
        kept = (
            edits.get((index, place), instruction) for place, instruction in enumerate(stage.instructions)
        )
        stages.append(Stage(tuple(instruction for instruction in kept if instruction is not None)))
    return dockerfile.with_stages(tuple(stages))
