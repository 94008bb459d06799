r"""Remove downloads in the layer that fetches them: what a later layer removes stays in the image.

Before::

    FROM debian:trixie
    RUN curl -fsSLO https://example.org/tool-1.2.tar.gz
    RUN tar -xzf tool-1.2.tar.gz -C /opt
    RUN rm tool-1.2.tar.gz
    CMD ["/opt/tool-1.2/tool"]

After::

    FROM debian:trixie
    RUN curl -fsSLO https://example.org/tool-1.2.tar.gz && tar -xzf tool-1.2.tar.gz -C /opt \
        && rm tool-1.2.tar.gz
    CMD ["/opt/tool-1.2/tool"]

An archive that is fetched and unpacked, and that nothing else names, is removed behind the command that
unpacks it. One that COPY brought stays in the layer of the COPY whatever a RUN does: that is only told.
A stage whose layers don't reach the final image is left alone. Refuses with ``install-mode`` where what lies
between a download and its removal can't become one RUN.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace

from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, Role, is_under, script_of
from msrefactor.model import Change, Changed, Outcome, Phase, Refused, Removal, Transform, Unchanged, View
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.downloads import Download, downloads_in, removes
from msrefactor_transforms.cleaning.editing import (
    Style,
    can_join,
    comments_in,
    joined,
    style_of,
    with_command,
)
from msrefactor_transforms.cleaning.layers import Layers, Place, layers_of, rebuilt

_LONGEST_GROUP = 6


def apply(view: View) -> Outcome:
    """Remove each download in its own layer, or say that there is none."""
    layers = layers_of(view)
    style = style_of(view.dockerfile)
    edits: dict[Place, Instruction | None] = {}
    changes: list[Change] = []
    removals: list[Removal] = []
    refusal: Refused | None = None
    for stage in layers.chain:
        for group in _groups(layers.stages[stage].facts):
            made = _together(group, style)
            if made is None:
                evidence = evidence_of(group[0].instruction, view.name)
                detail = f"the RUNs of the lines {group[0].line} to {group[-1].line} can't be joined"
                refusal = refusal or Refused("install-mode", detail, (evidence,))
                continue
            edits[stage, group[0].index] = made
            reason = "remove a download in the layer that fetches it: what a later layer removes stays"
            changes.append(Change(reason, line=group[0].line))
            for fact in group[1:]:
                edits[stage, fact.index] = None
                if fact.line is not None:
                    note = f"its commands are in the RUN of line {group[0].line}"
                    removals.append(Removal(fact.line, note))
    for stage, fact in layers.runs():
        if (stage, fact.index) in edits:
            continue
        instruction: Instruction | None = fact.instruction
        names = []
        for one in sorted(downloads_in(fact), key=lambda one: -one.last):
            if one.is_removed or instruction is None or not _is_waste(view, layers, stage, fact, one):
                continue
            command = ("sudo " if one.is_sudo else "") + f"rm {one.word.text}"
            instruction = with_command(fact, instruction, command, style, one.last)
            names.append(posixpath.basename(one.path))
        if names and instruction is not None:
            edits[stage, fact.index] = instruction
            changes.append(Change(f"remove {names[-1]} once it is unpacked", line=fact.line))
    refusal = refusal or _apart(view, layers, edits)
    if not edits:
        return refusal or Unchanged(_nothing(layers))
    return Changed(rebuilt(view.dockerfile, edits), tuple(changes), tuple(removals))


def _apart(view: View, layers: Layers, edits: dict[Place, Instruction | None]) -> Refused | None:
    """Find a RUN that removes what an earlier one of its stage fetched, where the two stay apart."""
    for stage, fact in layers.runs():
        fetched = _fetched(fact)
        if not fetched or (stage, fact.index) in edits:
            continue
        for other in layers.stages[stage].facts[fact.index + 1 :]:
            if not any(removes(other, path) for path in fetched):
                continue
            detail = (
                f"line {other.line} removes what line {fact.line} fetches, which stays in its layer, and the "
                "instructions from the one to the other can't become one"
            )
            remedy = "fetch, use and remove it in one RUN, without `cd` between two of them"
            return Refused("install-mode", detail, (evidence_of(other.instruction, view.name),), remedy)
    return None


def _fetched(fact: Fact) -> frozenset[str]:
    """Return the paths that the downloads of a RUN leave."""
    paths = (path for effect in fact.effects if effect.role is Role.FETCH for path in effect.writes)
    return frozenset(path for path in paths if path != fact.scope.cwd and not removes(fact, path))


def _nothing(layers: Layers) -> str:
    """Say why nothing is done; an archive that COPY brings and a RUN removes is worth a word."""
    copies = {stage: [fact for fact in layers.stages[stage].facts if fact.placed] for stage in layers.chain}
    for stage, fact in layers.runs():
        for copy in copies[stage]:
            if copy.index >= fact.index:
                break
            for placed in copy.placed:
                if not placed.is_folder and removes(fact, placed.destination):
                    name = posixpath.basename(placed.destination)
                    return (
                        f"line {fact.line} removes {name}, which stays in the layer of line {copy.line}: "
                        "a bind mount would bring it without a layer"
                    )
    return "no layer of the final image holds a download that nothing reads"


# --------------------------------------------------------------------------------- removed in a later layer


def _groups(facts: tuple[Fact, ...]) -> list[tuple[Fact, ...]]:
    """Return the RUNs, each beside the next, of which the last removes what the first fetches."""
    found: list[tuple[Fact, ...]] = []
    start = 0
    while start < len(facts):
        group = _group(facts, start)
        if group:
            found.append(group)
            start = group[-1].index
        start += 1
    return found


def _group(facts: tuple[Fact, ...], start: int) -> tuple[Fact, ...]:
    first = facts[start]
    if first.keyword != "RUN":
        return ()
    written = _fetched(first)
    best: tuple[Fact, ...] = ()
    for stop in range(start + 1, min(start + _LONGEST_GROUP, len(facts))):
        fact = facts[stop]
        if fact.keyword != "RUN" or not can_join(facts[stop - 1], fact):
            break
        if any(removes(fact, path) for path in written):
            best = facts[start : stop + 1]
    return best


def _together(group: tuple[Fact, ...], style: Style) -> Instruction | None:
    made = group[0]
    for fact in group[1:]:
        instruction = joined(made, fact, style, comments_in(fact.instruction.leading))
        if instruction is None:
            return None
        script, offset = script_of(instruction, made.scope)
        made = replace(made, instruction=instruction, script=script, offset=offset)
    return made.instruction


# ------------------------------------------------------------------------------------------- never removed


def _is_waste(view: View, layers: Layers, stage: int, fact: Fact, one: Download) -> bool:
    """Whether nothing but the RUN itself names the archive, nor copies the folder it lies in."""
    item = fact.items[one.last].item
    if item is None or item.kind != "command" or fact.offset is None:
        return False
    name = posixpath.basename(one.word.text.strip("\"'"))
    for index, facts in enumerate(layers.stages):
        for other in facts.facts:
            is_own = index == stage and other.index == fact.index
            if not is_own and name in other.instruction.source:
                return False
            if other.from_stage is not None and any(
                is_under(one.path, word.text) or is_under(word.text, one.path)
                for word in other.instruction.words[:-1]
            ):
                return False
    files = view.context.files()
    return len(files) < 2000 and not any(
        name in (view.context.read_text(file) or "")
        for file in files
        if view.context.size(file) < 100_000 and posixpath.basename(file) != posixpath.basename(view.name)
    )


TRANSFORM = Transform(
    "remove-temporary-files",
    "Remove downloads in the layer that fetches them.",
    Phase.CLEAN,
    apply,
)
