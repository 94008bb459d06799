"""A `COPY --from` whose stage or whose source is written wrongly: the build fails there.

The source is taken from `/` of the other stage, never from its WORKDIR; a name of no stage is an image's.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.contract import stage_index
from msrefactor.facts import Fact, Role, StageFacts, is_under, overlaps
from msrefactor.model import Change, View
from msrefactor.tree import Instruction, Token
from msrefactor_transforms.repairing.kinds import NOTHING, Found, Place, change, edited, name_of

_OF_EVERY_IMAGE = frozenset(
    "bin boot dev etc go home lib lib32 lib64 media mnt opt proc root run sbin srv sys tmp usr var".split()
)
_STAGE_WORDS = frozenset(
    "build builder building base deps dependencies compile compiler dist install installer production prod "
    "frontend backend client server web api app test tests stage stage1 stage0 build-env build-stage "
    "builder-stage node-builder go-builder packages vendor assets".split()
)
"""Words that people call stages and that are no official image."""


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Repair a name or a path that can have been meant in exactly one way."""
    replaced: dict[Place, Instruction] = {}
    changes: list[Change] = []
    for index, facts in enumerate(stages):
        for fact in facts.facts:
            reference = fact.from_stage
            if fact.keyword != "COPY" or not reference or "$" in reference or fact.instruction.exec_form:
                continue
            stage = stage_index(view.dockerfile, reference, index)
            if stage is None:
                meant = _meant_stage(view, fact, index, stages)
                if meant is not None:
                    flag = next(flag for flag in fact.instruction.flags if flag.name == "from")
                    edit = (flag.start, flag.end, f"--from={name_of(view, meant)}")
                    replaced[(index, fact.index)] = fact.instruction.replaced([edit])
                    reason = f"take it from the stage {name_of(view, meant)}: no stage is named {reference}"
                    changes.append(change(view, reason, fact))
                continue
            edits = []
            for word in fact.instruction.words[:-1]:
                path = _meant_path(word, stages[stage])
                if path is not None:
                    edits.append((word.start, word.end, path))
            if edits:
                replaced[(index, fact.index)] = fact.instruction.replaced(edits)
                folder = stages[stage].end.cwd
                reason = f"name the path from the root: COPY --from doesn't know the stage's WORKDIR {folder}"
                changes.append(change(view, reason, fact))
    return Found(edited(view, changes, replaced)) if changes else NOTHING


def _meant_stage(view: View, fact: Fact, index: int, stages: Sequence[StageFacts]) -> int | None:
    """Return the one earlier stage that a name which is no stage's can mean, by what is copied from it."""
    reference = (fact.from_stage or "").lower()
    if reference not in _STAGE_WORDS or any(stage.name == reference for stage in view.dockerfile.stages):
        return None  # BuildKit finds a stage further down, too
    words = fact.instruction.words[:-1]
    paths = [posixpath.normpath(posixpath.join("/", word.text)) for word in words if "$" not in word.text]
    if len(paths) != len(words):
        return None
    makers = [n for n, facts in enumerate(stages[:index]) if all(_has(path, facts) for path in paths)]
    return makers[0] if len(makers) == 1 else None


def _has(path: str, facts: StageFacts) -> bool:
    """Whether the stage surely has the path: something copied there, or a command's output."""
    for fact in facts.facts:
        for placed in fact.placed:
            if path == placed.destination or (placed.is_folder and is_under(placed.destination, path)):
                return True
        if facts.end.has(path):
            return True
        for effect in fact.effects:
            if effect.role is not Role.OPAQUE and any(is_under(path, written) for written in effect.writes):
                return True
    return facts.end.cwd == path != "/"


def _meant_path(word: Token, source: StageFacts) -> str | None:
    """Return the path from the root that a relative source means, where `/` has nothing of the kind."""
    text = word.text
    cwd = source.end.cwd
    if text.startswith(("/", '"', "'", "$")) or "$" in text or cwd == "/" or source.base.system == "unknown":
        return None
    wrong = posixpath.normpath(posixpath.join("/", text))
    meant = posixpath.normpath(posixpath.join(cwd, text))
    first = wrong.lstrip("/").partition("/")[0]
    if not first or first in _OF_EVERY_IMAGE or is_under(cwd, "/" + first) or "*" in text or "?" in text:
        return None
    if any(effect.role is Role.OPAQUE for _, effect in source.effects()):
        return None
    for fact in source.facts:
        if fact.destination and is_under(wrong, fact.destination) and fact.destination == "/":
            return None
        if any(overlaps(wrong, placed.destination) for placed in fact.placed if placed.destination != "/"):
            return None
        if fact.destination and not fact.placed and overlaps(wrong, fact.destination):
            return None
        if any(overlaps(wrong, written) for effect in fact.effects for written in effect.writes):
            return None
    if not _is_made(meant, source):
        return None
    return meant + ("/" if text.endswith("/") else "")


def _is_made(path: str, facts: StageFacts) -> bool:
    """Whether the context or a command surely has the path: what may write anywhere doesn't count."""
    if facts.end.has(path):
        return True
    return any(
        is_under(path, written) and not is_under(facts.end.cwd, written)
        for _, effect in facts.effects()
        for written in effect.writes
    )
