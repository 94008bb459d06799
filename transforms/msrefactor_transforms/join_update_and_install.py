"""Put `apt-get update` and the installs that rely on it into one layer.

Before::

    FROM debian:trixie
    RUN apt-get update
    # for the health check
    RUN apt-get install -y curl
    CMD ["curl", "--version"]

After::

    FROM debian:trixie
    # for the health check
    RUN apt-get update && apt-get install -y curl
    CMD ["curl", "--version"]

An install that can't stand beside its update gets one of its own. A RUN that only removes package lists is
joined with the one before it that left them: what a later layer removes stays in the image. A stage whose
layers don't reach the final image is left alone. Refuses with ``install-mode`` where the text of two RUNs
can't be joined.
"""

from __future__ import annotations

from msrefactor.contract import evidence_of
from msrefactor.facts import Fact
from msrefactor.model import Change, Changed, Outcome, Phase, Refused, Removal, Transform, Unchanged, View
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.editing import style_of
from msrefactor_transforms.cleaning.joins import Group, groups_of, together
from msrefactor_transforms.cleaning.layers import Layers, Place, layers_of, rebuilt
from msrefactor_transforms.cleaning.lists import lists_of


def apply(view: View) -> Outcome:
    """Join what belongs together, or say that nothing does."""
    layers = layers_of(view)
    style = style_of(view.dockerfile)
    edits: dict[Place, Instruction | None] = {}
    changes: list[Change] = []
    removals: list[Removal] = []
    refusal: Refused | None = None
    for stage in layers.chain:
        for group in groups_of(layers.stages[stage].facts, _left_before(layers, stage)):
            made = together(group, style)
            if made is None:
                refusal = refusal or _refused(view, group)
                continue
            first = group.facts[0]
            edits[stage, first.index] = made
            changes.append(Change(_reason(group), line=first.line))
            gone = (*group.facts[1:], group.emptied) if group.emptied is not None else group.facts[1:]
            for fact in gone:
                edits[stage, fact.index] = None
                if fact.line is not None:
                    removals.append(Removal(fact.line, f"its commands are in the RUN of line {first.line}"))
    if not edits:
        return refusal or Unchanged("every install is in the layer of its update")
    return Changed(rebuilt(view.dockerfile, edits), tuple(changes), tuple(removals))


def _left_before(layers: Layers, stage: int) -> Fact | None:
    """Return the RUN of an earlier stage of the chain that left apt's lists for this one."""
    found: Fact | None = None
    for index in layers.chain[: layers.chain.index(stage)]:
        for fact in layers.stages[index].runs():
            lists = lists_of(fact)
            if lists.fetches:
                found = fact if lists.leaves else None
    return found


def _reason(group: Group) -> str:
    if group.fetch:
        return f"run `{group.fetch}` in the layer that installs, so that its lists can't be stale"
    if any(lists_of(fact).needs for fact in group.facts[1:]):
        return "update and install in one layer, so that the package lists can't be stale, nor stay in it"
    return "clean up in the layer that makes the waste: what a later layer removes stays in the image"


def _refused(view: View, group: Group) -> Refused:
    first = group.facts[0]
    detail = f"the RUN of line {first.line} can't be joined with the update that it relies on"
    return Refused("install-mode", detail, (evidence_of(first.instruction, view.name),))


TRANSFORM = Transform(
    "join-update-and-install",
    "Put apt-get update and the installs that rely on it into one layer.",
    Phase.JOIN,
    apply,
)
