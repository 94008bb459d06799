"""A COPY from a stage that has the path only in a cache mount: no layer holds it, so nothing is found."""

from __future__ import annotations

from msrefactor.contract import evidence_of
from msrefactor.facts import Role, StageFacts, is_under
from msrefactor.model import Refused, View
from msrefactor_transforms.cleaning.layers import is_mounted
from msrefactor_transforms.repairing.kinds import Found
from msrefactor_transforms.splitting.copies import copied

_REMEDY = "copy it out of the mount in the RUN that makes it, and take it from there"


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Tell each copy of what a RUN leaves in its cache mount and no other instruction makes."""
    told: list[Refused] = []
    for index, facts in enumerate(stages):
        for copy in copied(view, index, facts):
            source = stages[copy.stage]
            mounting = [fact for fact in source.runs() if is_mounted(fact, copy.source)]
            if not mounting or _is_made_elsewhere(source, copy.source):
                continue
            name = source.stage.name or str(copy.stage)
            detail = f"{copy.source} lies in a cache mount of the stage {name}, so no layer has it to copy"
            evidence = tuple(evidence_of(fact.instruction, view.name) for fact in (copy.fact, mounting[-1]))
            told.append(Refused("unknown-artifact", detail, evidence, _REMEDY))
    return Found(told=tuple(told))


def _is_made_elsewhere(source: StageFacts, path: str) -> bool:
    """Whether something of the stage may bring the path to a layer."""
    for fact in source.facts:
        if any(is_under(path, placed.destination) for placed in fact.placed if placed.is_folder):
            # the context has it at this place, as far as it can be seen
            if fact.scope.context.known and source.end.has(path):
                return True
            continue
        if fact.from_stage is not None and fact.destination and is_under(path, fact.destination):
            return True
        if any(path == placed.destination for placed in fact.placed):
            return True
        if fact.keyword != "RUN" or is_mounted(fact, path):
            continue
        if any(
            effect.role is Role.OPAQUE or any(is_under(path, written) for written in effect.writes)
            for effect in fact.effects
        ):
            return True
    return False
