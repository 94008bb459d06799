"""What is copied from the builder: the paths that build commands leave and somebody could need."""

from __future__ import annotations

import fnmatch
import posixpath
from dataclasses import dataclass, replace

from msrefactor.commands import is_waste
from msrefactor.facts import Fact, Placed, is_under
from msrefactor_transforms.splitting.plan import Artifact
from msrefactor_transforms.splitting.question import SYSTEM_FOLDERS, Question
from msrefactor_transforms.splitting.roles import Roles


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the builder ends, and what goes over."""

    artifacts: tuple[Artifact, ...]
    """In the order in which the final stage copies them."""
    last: int
    """Index of the last instruction that the builder needs."""

    def carries(self, path: str, index: int) -> bool:
        """Whether a path, as it is after the instruction at `index`, comes with an artifact."""
        return any(is_under(path, artifact.path) and artifact.after >= index for artifact in self.artifacts)


def cut_of(question: Question, roles: Roles) -> Cut:
    """Return the artifacts and the end of the builder."""
    artifacts = _outermost(question, _outputs(question, roles))
    if not artifacts:
        raise question.obstacle(
            "unknown-artifact", "no path is known that the build leaves for the final stage"
        )
    built = [
        fact.index
        for fact in question.facts.facts
        if fact.index not in question.plan.obsolete
        and any(roles.is_build(fact, position) for position in range(len(fact.items)))
    ]
    last = max((*(artifact.after for artifact in artifacts), *built), default=0)
    return Cut(tuple(one for one in artifacts if not _is_brought_later(question, one.path, last)), last)


def _is_brought_later(question: Question, path: str, last: int) -> bool:
    """Whether only a copy behind the build brings the path: then that copy is what the final stage does."""
    bringing = [
        fact.index for fact in question.facts.facts if any(_brings(fact, p, path) for p in fact.placed)
    ]
    is_written = any(is_under(path, w) for _, effect in question.facts.effects() for w in effect.writes)
    return bool(bringing) and min(bringing) > last and not is_written


def _brings(fact: Fact, placed: Placed, path: str) -> bool:
    if path == placed.destination:
        return True
    is_inside = placed.is_folder and is_under(path, placed.destination)
    return is_inside and fact.scope.context.exists(source_of(placed, path))


def _outputs(question: Question, roles: Roles) -> tuple[Artifact, ...]:
    """Return what the build commands leave, less what is removed again, passed on, or only waste."""
    found: list[Artifact] = []
    for fact in question.facts.runs():
        for position, item in enumerate(fact.items):
            if not roles.is_build(fact, position) or (fact.index, position) in roles.ignored:
                continue
            for effect in item.effects:
                if effect.refusal is not None:
                    raise question.obstacle(effect.refusal.code, effect.refusal.detail, fact)
                for path in effect.writes:
                    is_lost = is_waste(path) or path in question.plan.unneeded
                    is_lost = is_lost or any(is_under(path, tree) for tree in question.plan.tools)
                    is_lost = is_lost or question.is_idle_source(path, fact.index)
                    if is_lost or _is_removed_later(question, path, fact.index, position):
                        continue
                    if not _is_only_passed_on(question, path, fact.index):
                        _demand_sure_removals(question, path, fact.index, position)
                        found.append(Artifact(path, fact.index, effect.why))
    return tuple(found)


def _is_only_passed_on(question: Question, path: str, index: int) -> bool:
    """Whether a file among the sources is copied from there to where it is used."""
    is_source = any(is_under(path, tree) for tree in question.plan.dropped)
    if not is_source or is_under(path, question.facts.end.cwd):
        return False
    return any(
        path in effect.reads and effect.tool in ("cp", "mv", "install")
        for fact in question.facts.runs()
        if fact.index >= index
        for effect in fact.effects
    )


def _is_removed_later(question: Question, path: str, index: int, position: int) -> bool:
    for fact in question.facts.runs():
        if fact.index < index:
            continue
        for other, item in enumerate(fact.items):
            if fact.index == index and other <= position:
                continue
            if any(is_gone(path, removed) for effect in item.effects for removed in effect.removes):
                return True
    return False


def _demand_sure_removals(question: Question, path: str, index: int, position: int) -> None:
    """Refuse where a later step removes what the build leaves only if a test says so."""
    for fact in question.facts.runs():
        for other, item in enumerate(fact.items):
            if (fact.index, other) <= (index, position):
                continue
            if any(is_gone(path, one) for effect in item.effects for one in effect.may_remove):
                detail = f"whether this step removes {path} depends on a test"
                raise question.obstacle("opaque-step", detail, fact, "remove it, or keep it, in every case")


def _is_gone_in_the_end(question: Question, path: str) -> bool:
    """Whether what a copy of the context brought, or a step left, is moved or removed in the end."""
    is_there = was_brought = False
    for fact in question.facts.facts:
        if any(_brings(fact, placed, path) for placed in fact.placed):
            is_there = was_brought = True
        for effect in fact.effects:
            was_brought = was_brought or path in effect.writes
            if any(is_under(path, written) or is_under(written, path) for written in effect.writes):
                is_there = True
            if any(is_gone(path, removed) for removed in effect.removes):
                is_there = False
    return was_brought and not is_there


def is_gone(path: str, removed: str) -> bool:
    """Whether what a command removes, by a path or by a pattern, takes a path with it."""
    whole = removed.removesuffix("/*")
    if is_under(path, whole):
        return True
    depth = whole.count("/")
    return "*" in whole and fnmatch.fnmatchcase("/".join(path.split("/")[: depth + 1]), whole)


def _outermost(question: Question, outputs: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
    """Return the outermost paths only, each as late as its last writer; the plan's own come first."""
    wanted = [one for one in question.plan.artifacts if not _is_gone_in_the_end(question, one.path)]
    for output in outputs:
        path = output.path
        if any(is_under(path, artifact.path) for artifact in question.plan.artifacts):
            continue
        if path in SYSTEM_FOLDERS and not (question.is_same_base and path in ("/usr/local", "/opt")):
            fact = question.facts.facts[output.after]
            detail = f"a build step writes into {path}, where many things lie"
            raise question.obstacle("unknown-artifact", detail, fact)
        wanted.append(replace(output, path=_tree_of(question, path, output.after)))
    found: dict[str, Artifact] = {}
    for artifact in sorted(wanted, key=lambda a: (a.path.count("/"), a.path)):
        holder = next((path for path in found if is_under(artifact.path, path)), None)
        if holder is None:
            found[artifact.path] = artifact
        elif found[holder].after < artifact.after:
            found[holder] = replace(found[holder], after=artifact.after)
    order = {artifact.path: position for position, artifact in reversed(list(enumerate(wanted)))}
    return tuple(sorted(found.values(), key=lambda a: (a.after, order.get(a.path, 0))))


def _tree_of(question: Question, path: str, index: int) -> str:
    """Return the folder to copy for an output: itself, or the copied folder that it is mixed up with."""
    if any(is_under(path, tree) for tree in question.plan.dropped):
        return path
    for fact in question.facts.facts[:index]:
        for placed in fact.placed:
            is_inside = placed.is_folder and is_under(path, placed.destination) and path != placed.destination
            if is_inside and fact.scope.context.exists(source_of(placed, path)):
                # the context has files at the same place: only the builder's state of the folder is right
                return _own_folder(placed.destination, path)
    return path


def _own_folder(folder: str, path: str) -> str:
    """Return the topmost folder on the way to a path that isn't one which holds things of many owners."""
    rest = posixpath.relpath(path, folder).split("/")
    while folder in SYSTEM_FOLDERS and rest:
        folder = posixpath.join(folder, rest.pop(0))
    return folder


def source_of(placed: Placed, path: str) -> str:
    """Return the context path that would land at an image path below a copied folder."""
    inside = posixpath.relpath(path, placed.destination)
    return posixpath.normpath(posixpath.join(placed.source, inside))
