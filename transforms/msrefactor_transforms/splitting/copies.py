"""What reaches a stage from the stages before it, path by path."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msrefactor import variables
from msrefactor.contract import stage_index
from msrefactor.facts import Fact, StageFacts, base_image_text, is_under, overlaps, stage_facts
from msrefactor.model import View
from msrefactor_transforms.splitting.plan import interpreters


@dataclass(frozen=True, slots=True)
class Copied:
    """One source of a `COPY --from`."""

    stage: int
    source: str
    destination: str
    """The path that the source has in the copying stage, as a file or as a folder's content."""
    fact: Fact


def all_stage_facts(view: View) -> tuple[StageFacts, ...]:
    """Interpret every stage, each from where the stage it builds on ends; once for each tree."""
    return view.context.remembered(("stages", view.dockerfile), lambda: _interpreted(view))


def _interpreted(view: View) -> tuple[StageFacts, ...]:
    found: list[StageFacts] = []
    for index, stage in enumerate(view.dockerfile.stages):
        parent = stage_index(view.dockerfile, base_image_text(view.dockerfile, stage), index)
        start = found[parent].end if parent is not None else None
        found.append(stage_facts(view.dockerfile, stage, view.context, interpreters(), start))
    return tuple(found)


def copied(view: View, index: int, facts: StageFacts) -> tuple[Copied, ...]:
    """Return what the stage copies from earlier stages; sources are taken from `/`, as BuildKit does."""
    found: list[Copied] = []
    for fact in facts.facts:
        if fact.from_stage is None or fact.destination is None:
            continue
        reference = variables.expand(fact.from_stage, fact.scope.variables, fact.scope.escape)
        stage = stage_index(view.dockerfile, reference, index)
        if stage is None:
            continue
        words = fact.instruction.exec_form or tuple(word.text for word in fact.instruction.words)
        target = words[-1]
        for word in words[:-1]:
            text = variables.expand(word, fact.scope.variables, fact.scope.escape)
            source = posixpath.normpath(posixpath.join("/", text))
            place = fact.destination
            is_file_into_folder = len(words) > 2 or target.endswith("/") or target == "."
            if is_file_into_folder and "." in posixpath.basename(source) and not text.endswith("/"):
                place = posixpath.join(place, posixpath.basename(source))
            found.append(Copied(stage, source, place, fact))
    return tuple(found)


def place_of(path: str, stage: int, copies: Iterable[Copied]) -> str | None:
    """Return where a path of an earlier stage lies in the copying stage, or None when it isn't copied."""
    for copy in copies:
        if copy.stage == stage and is_under(path, copy.source):
            inside = posixpath.relpath(path, copy.source)
            return posixpath.normpath(posixpath.join(copy.destination, inside))
    return None


def has_path(path: str, facts: StageFacts, copies: Sequence[Copied]) -> bool:
    """Whether the stage has the path by its own copies, its own commands or a copy from a stage."""
    for copy in copies:
        if overlaps(path, copy.destination):
            return True
    for fact in facts.facts:
        if any(
            overlaps(path, placed.destination) if placed.is_folder else path == placed.destination
            for placed in fact.placed
        ):
            return True
        if fact.destination and not fact.placed and overlaps(path, fact.destination):
            return True
        if any(overlaps(path, written) for effect in fact.effects for written in effect.writes):
            return True
    return False
