"""A folder whose content was copied where the folder itself was meant: COPY drops the folder's own name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from msrefactor.facts import Fact, Role, StageFacts, is_under, overlaps
from msrefactor.model import Change, Refused, View
from msrefactor.tree import Instruction
from msrefactor_transforms.ecosystems._node_projects import NodeInstall
from msrefactor_transforms.repairing.kinds import NOTHING, Found, Place, change, edited, reached, seen
from msrefactor_transforms.splitting.copies import Copied, copied
from msrefactor_transforms.splitting.needs import wanted


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Give the folder its name back where what is started is in it, or where it is node_modules."""
    last = len(stages) - 1
    final = stages[last]
    copies = copied(view, last, final)
    replaced: dict[Place, Instruction] = {}
    changes: list[Change] = []
    told: list[Refused] = []
    if len(reached(view, stages)) > 1:
        return NOTHING
    needed = [path for path, _ in _started(view, final)]
    for copy in copies:
        name = posixpath.basename(copy.source)
        if not name or name == posixpath.basename(copy.destination) or not _is_made(copy, stages[copy.stage]):
            continue
        place = posixpath.join(copy.destination, name)
        if name == "node_modules":
            what = "node_modules" if _lacks_modules(final, copies, copy, place) else ""
        else:
            what = next((path for path in needed if is_under(path, place) and path != place), "")
            if what and _is_there(what, view, stages, copies, copy):
                what = ""
        if not what:
            continue
        words = copy.fact.instruction.words
        if len(words) != 2 or copy.fact.instruction.exec_form or "$" in words[1].text:
            detail = f"the content of {copy.source} goes to {copy.destination}, so there is no {what}"
            remedy = f"copy {copy.source} alone, to {place}"
            told.append(Refused("need-not-found", detail, (seen(view, copy.fact),), remedy))
            continue
        target = words[1].text
        new = "./" + name if target in (".", "./") else f"{target.rstrip('/')}/{name}"
        replaced[(last, copy.fact.index)] = copy.fact.instruction.replaced(
            [(words[1].start, words[1].end, new)]
        )
        reason = f"copy {name} as a folder: COPY takes what is in it, and {_why(what, name)}"
        changes.append(change(view, reason, copy.fact))
    if not changes and not told:
        return NOTHING
    return Found(edited(view, changes, replaced) if changes else None, tuple(told))


def _why(what: str, name: str) -> str:
    return "Node looks for packages in node_modules" if what == name else f"{what} is started"


def _started(view: View, final: StageFacts) -> Iterable[tuple[str, object]]:
    wants = wanted(view, final)
    yield from wants.files
    yield from ((name, evidence) for name, evidence in wants.commands if name.startswith("/"))


def _is_made(copy: Copied, source: StageFacts) -> bool:
    """Whether the source is a folder that a build or an install makes, and nothing else fills."""
    writers = [
        effect
        for _, effect in source.effects()
        if effect.role is Role.BUILD and copy.source in effect.writes and not _is_file(copy.source)
    ]
    from_context = any(
        overlaps(placed.destination, copy.source) and source.end.has(copy.source)
        for fact in source.facts
        for placed in fact.placed
    )
    return bool(writers) and not from_context


def _is_file(path: str) -> bool:
    return "." in posixpath.basename(path)


def _lacks_modules(final: StageFacts, copies: Sequence[Copied], own: Copied, place: str) -> bool:
    """Whether node_modules is surely missing: nothing else brings it, and no variable leads elsewhere."""
    if (
        final.base.family != "node"
        or "NODE_PATH" in final.end.variables
        or own.destination.endswith("/modules")
    ):
        return False
    if any(
        isinstance(effect.detail, NodeInstall) or effect.role is Role.OPAQUE for _, effect in final.effects()
    ):
        return False
    others = [copy for copy in copies if copy is not own]
    return not any("node_modules" in copy.source or copy.destination == place for copy in others) and not any(
        fact.keyword == "RUN" and "node_modules" in fact.instruction.source for fact in final.facts
    )


def _is_there(
    path: str, view: View, stages: Sequence[StageFacts], copies: Sequence[Copied], own: Copied
) -> bool:
    """Whether something else may bring the path to the final stage."""
    final = stages[-1]
    for copy in copies:
        if copy is own or not is_under(path, copy.destination):
            continue
        inside = posixpath.normpath(posixpath.join(copy.source, posixpath.relpath(path, copy.destination)))
        if _may_have(inside, stages[copy.stage]):
            return True
    return any(_brings(path, fact) for fact in final.facts)


def _may_have(path: str, facts: StageFacts) -> bool:
    if facts.end.has(path) or not facts.end.context.known:
        return True
    return any(
        effect.role is Role.OPAQUE or any(overlaps(path, one) for one in effect.writes)
        for _, effect in facts.effects()
    ) or any(
        fact.from_stage is not None and fact.destination and overlaps(path, fact.destination)
        for fact in facts.facts
    )


def _brings(path: str, fact: Fact) -> bool:
    if any(
        fact.scope.context.exists(_source(path, one.destination, one.source))
        for one in fact.placed
        if one.is_folder and is_under(path, one.destination)
    ):
        return True
    if any(one.destination == path for one in fact.placed if not one.is_folder):
        return True
    return any(
        effect.role is Role.OPAQUE or any(overlaps(path, one) for one in effect.writes)
        for effect in fact.effects
    )


def _source(path: str, destination: str, source: str) -> str:
    return posixpath.normpath(posixpath.join(source, posixpath.relpath(path, destination)))
