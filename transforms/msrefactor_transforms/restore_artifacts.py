"""Copy to the final stage what an earlier stage installed or built for it and it lacks.

Before::

    FROM python:3.12-slim AS builder
    WORKDIR /app
    COPY requirements.txt .
    RUN pip install -r requirements.txt
    COPY app.py .

    FROM python:3.12-slim
    WORKDIR /app
    COPY --from=builder /app .
    CMD ["python", "app.py"]

After::

    FROM python:3.12-slim AS builder
    WORKDIR /app
    RUN python -m venv /opt/venv
    ENV PATH="/opt/venv/bin:$PATH"
    COPY requirements.txt .
    RUN pip install -r requirements.txt
    COPY app.py .

    FROM python:3.12-slim
    WORKDIR /app
    ENV PATH="/opt/venv/bin:$PATH"
    COPY --from=builder /opt/venv /opt/venv
    COPY --from=builder /app .
    CMD ["python", "app.py"]

What an earlier stage made for the final one and it lacks is copied. Each other kind of fault is a module of
`repairing/`: sources and folders of copies, users, C libraries, PATH, moved environments, and so on. A file
that works is left alone; what is only without effect is remarked in `--explain`.

Refuses with ``unknown-artifact`` when several stages could be the one, ``install-mode`` when the packages
can't be moved, ``unknown-release`` when the stages aren't of the same release, ``need-not-found`` when the
final stage lacks something that can't be copied, ``runtime-library`` when it lacks the C library that a
program is linked with, ``compiles-at-start`` when it has no compiler for what it starts, ``fails-today`` when
a step or a published port can't work as it is written.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace

from msrefactor.code.shell import arguments_of, started_by, starts_in
from msrefactor.commands import is_waste
from msrefactor.contract import evidence_of, lineage, starts
from msrefactor.facts import Role, StageFacts
from msrefactor.model import Change, Changed, Evidence, Outcome, Phase, Refused, Transform, Unchanged, View
from msrefactor.tree import Dockerfile, Instruction, Stage
from msrefactor_transforms.repairing.arguments import with_arguments
from msrefactor_transforms.repairing.kinds import (
    NOTHING,
    Found,
    kinds,
    may_be_of_another_stage,
    name_of,
    new_instruction,
)
from msrefactor_transforms.splitting.copies import Copied, all_stage_facts, copied, has_path, place_of
from msrefactor_transforms.splitting.plan import Missing, ecosystems


def apply(view: View) -> Outcome:
    """Repair a file of several stages, tell what is wrong with it, or say that nothing is missing."""
    if len(view.dockerfile.stages) < 2:
        return Unchanged("it has a single stage")
    if may_be_of_another_stage(view):
        # how a development stage is started says nothing of the final one
        view = replace(view, uses=tuple(use for use in view.uses if use.kind == "target"))
    if any(use.kind == "bind-mount" for use in view.uses):
        # what is started may be in what is mounted
        others = tuple(use for use in view.uses if use.kind not in ("command", "entrypoint", "exec"))
        view = replace(view, uses=others)
    changes: list[Change] = []
    told: list[Refused] = []
    remarks: list[Refused] = []
    moved: list[tuple[str, str]] = []
    for kind in (*kinds(), _artifacts, _arguments):
        found = kind(view, all_stage_facts(view))
        told += [item for item in found.told if item not in told]
        remarks += found.remarks
        if found.changed is not None:
            view = replace(view, dockerfile=found.changed.dockerfile)
            changes += found.changed.changes
            moved += found.changed.moved
    if changes:
        return Changed(view.dockerfile, tuple(changes), told=tuple(told), moved=tuple(moved))
    if told:
        return replace(told[0], told=tuple(told[1:]))
    reason = "the final stage has what it starts, as far as that can be seen"
    if _builds_on_a_builder(view, all_stage_facts(view)):
        reason = "the final stage builds on the stage that builds"
    return Unchanged(reason, told=tuple(remarks))


def _artifacts(view: View, stages: tuple[StageFacts, ...]) -> Found:
    outcome = _with_artifacts(view, stages)
    if isinstance(outcome, Changed):
        return Found(outcome)
    return Found(told=(outcome,)) if isinstance(outcome, Refused) else NOTHING


def _arguments(view: View, stages: tuple[StageFacts, ...]) -> Found:
    return Found(with_arguments(view, stages))


def _with_artifacts(view: View, stages: tuple[StageFacts, ...]) -> Changed | Refused | None:
    """Copy what is missing from the stage that makes it; None: nothing is."""
    forgotten = _forgotten_from(view, stages)
    if isinstance(forgotten, Refused | Changed):
        return forgotten
    if _builds_on_a_builder(view, stages):
        return None
    missing: list[Missing] = []
    for ecosystem in ecosystems():
        found = ecosystem.missing(view, stages)
        if isinstance(found, Refused):
            return found
        missing.extend(found)
    if not missing:
        program = _missing_program(view, stages)
        if isinstance(program, Refused):
            return program
        missing.extend(program)
    if not missing:
        return None
    dockerfile = view.dockerfile
    for one in missing:
        dockerfile = _repaired(dockerfile, view, one)
    last = view.dockerfile.final_stage.instructions[0].line
    changes = [Change(one.reason, line=last, evidence=one.evidence) for one in missing]
    return Changed(dockerfile, tuple(changes))


def _builds_on_a_builder(view: View, stages: tuple[StageFacts, ...]) -> bool:
    """Whether what is built is in the final stage already, as it is in the stage that this one builds on."""
    last = len(stages) - 1
    return any(
        effect.role is Role.BUILD
        for index in lineage(view.dockerfile, last)
        if index != last
        for _, effect in stages[index].effects()
    )


def _repaired(dockerfile: Dockerfile, view: View, missing: Missing) -> Dockerfile:
    """Return the file with one artifact copied."""
    stages = list(dockerfile.stages)
    source = stages[missing.stage]
    instructions = list(source.instructions)
    for index, edits in missing.edits.items():
        instructions[index] = instructions[index].replaced(list(edits))
    at = missing.prelude_before
    if at is not None:
        while at > 1 and instructions[at - 1].keyword in ("COPY", "ADD"):
            at -= 1
        made = [new_instruction(text, dockerfile) for text in missing.build_prelude]
        if instructions[at].leading.startswith(("\n", "\r\n")):
            made[0] = made[0].with_leading(dockerfile.newline)
        instructions[at:at] = made
    stages[missing.stage] = Stage(tuple(instructions))
    final = list(stages[-1].instructions)
    reference = name_of(view, missing.stage)
    flags = f"{missing.flags} " if missing.flags else ""
    lines = [
        *missing.runtime_prelude,
        f"COPY --from={reference} {flags}{missing.path} {missing.destination}\n",
    ]
    place = _place(final)
    made = [new_instruction(text, dockerfile) for text in lines]
    if place < len(final) and final[place].leading.startswith(("\n", "\r\n")):
        made[0] = made[0].with_leading(dockerfile.newline)
    final[place:place] = made
    stages[-1] = Stage(tuple(final))
    return dockerfile.with_stages(tuple(stages))


def _place(instructions: list[Instruction]) -> int:
    """Return where a copy of dependencies goes: before the first copy, else before the start command."""
    for index, instruction in enumerate(instructions[1:], 1):
        if instruction.keyword in ("COPY", "ADD", "CMD", "ENTRYPOINT", "HEALTHCHECK", "EXPOSE"):
            return index
    return len(instructions)


# ------------------------------------------------------------------------------------- --from forgotten


def _forgotten_from(view: View, stages: tuple[StageFacts, ...]) -> Changed | Refused | None:
    """Find a COPY of a path that the context lacks and one earlier stage makes."""
    if not view.context.known:
        return None
    dockerfile = view.dockerfile
    changes: list[Change] = []
    new_stages = list(dockerfile.stages)
    for index, facts in enumerate(stages[1:], 1):
        instructions = list(facts.stage.instructions)
        for fact in facts.facts:
            instruction = fact.instruction
            if fact.keyword != "COPY" or fact.from_stage is not None or fact.placed or instruction.heredocs:
                continue
            words = instruction.words
            if (
                instruction.exec_form
                or len(words) != 2
                or not words[0].text.startswith("/")
                or "$" in words[0].text
            ):
                continue
            path = posixpath.normpath(words[0].text)
            makers = [other for other in range(index) if _makes(path, stages[other])]
            if len(makers) > 1:
                detail = f"several stages make {path}, which the build context doesn't have"
                return Refused("unknown-artifact", detail, (_evidence(view, instruction),))
            if not makers:
                continue
            at = words[0].start
            edit = (at, at, f"--from={name_of(view, makers[0])} ")
            instructions[fact.index] = instruction.replaced([edit])
            reason = f"take {path} from the stage that makes it: the build context doesn't have it"
            changes.append(Change(reason, line=instruction.line, evidence=(_evidence(view, instruction),)))
        new_stages[index] = Stage(tuple(instructions))
    if not changes:
        return None
    return Changed(dockerfile.with_stages(tuple(new_stages)), tuple(changes))


def _makes(path: str, facts: StageFacts) -> bool:
    for fact in facts.facts:
        for effect in fact.effects:
            if any(path == written or path.startswith(written + "/") for written in effect.writes):
                return True
        if any(path == placed.destination for placed in fact.placed):
            return True
    return False


def _evidence(view: View, instruction: Instruction) -> Evidence:
    return evidence_of(instruction, view.name)


# ------------------------------------------------------------------------------------- program missing


def _missing_program(view: View, stages: tuple[StageFacts, ...]) -> tuple[Missing, ...] | Refused:
    """Find a program that the final stage starts by path, lacks, and exactly one earlier stage builds."""
    final = stages[-1]
    copies: tuple[Copied, ...] = copied(view, len(stages) - 1, final)
    for start in starts(view, final):
        found = (
            tuple(started_by(arguments_of(start.argv)))
            if start.argv
            else (starts_in(start.shell or "") or ())
        )
        for one in found:
            if one.kind != "program" or "/" not in one.name:
                continue
            path = final.end.path(one.name)
            if has_path(path, final, copies) or path.startswith(("/bin/", "/usr/", "/sbin/")):
                continue
            name = posixpath.basename(path)
            builders = {
                (index, written)
                for index, facts in enumerate(stages[:-1])
                for _, effect in facts.effects()
                for written in effect.writes
                if effect.role in (Role.BUILD, Role.FETCH)
                and posixpath.basename(written) == name
                and not is_waste(written)
                and place_of(written, index, copies) is None
            }
            if len(builders) > 1:
                detail = f"several stages build {name}, which the final stage starts and doesn't have"
                return Refused("unknown-artifact", detail, (start.evidence,))
            for index, written in builders:
                reason = f"copy {written} to the final stage: it starts {one.name} and doesn't have it"
                return (Missing(index, written, path, reason, (start.evidence,)),)
    return ()


TRANSFORM = Transform(
    "restore-artifacts",
    "Repair what certainly fails in a file of several stages, and tell what can't be repaired.",
    Phase.REPAIR,
    apply,
)
