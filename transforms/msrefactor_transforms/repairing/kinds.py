"""How a kind of fault is found, and how kinds are found: every module here with a `find` is one."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from msrefactor.contract import evidence_of, lineage
from msrefactor.facts import Fact, StageFacts, is_under
from msrefactor.model import Change, Changed, Evidence, Refused, View
from msrefactor.shell import Item
from msrefactor.tree import Dockerfile, Instruction, Stage
from msrefactor_transforms.splitting.copies import Copied, copied

Place = tuple[int, int]
"""An instruction: the index of its stage, and its own index in the stage."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one kind of fault comes to in a file."""

    changed: Changed | None = None
    """The repair, where it is proved."""
    told: tuple[Refused, ...] = ()
    """What certainly fails and isn't repaired."""
    remarks: tuple[Refused, ...] = ()
    """What fails nowhere, and isn't what its author will have meant."""


NOTHING = Found()

Kind = Callable[[View, tuple[StageFacts, ...]], Found]


@functools.cache
def kinds() -> tuple[Kind, ...]:
    """Return every kind of fault, in the order of the modules' names."""
    package = importlib.import_module(__package__ or "")
    modules = [importlib.import_module(f"{package.__name__}.{one.name}") for one in _modules(package)]
    return tuple(module.find for module in modules if hasattr(module, "find"))


def _modules(package: object) -> Iterable[pkgutil.ModuleInfo]:
    return sorted(pkgutil.iter_modules(getattr(package, "__path__", ())), key=lambda one: one.name)


def edited(
    view: View,
    changes: Sequence[Change],
    replaced: Mapping[Place, Instruction] | None = None,
    inserted: Mapping[Place, Sequence[str]] | None = None,
    moved: Sequence[tuple[str, str]] = (),
) -> Changed:
    """Return the file with instructions replaced, and lines put before others; the end of a stage is a place.

    A new line takes over a blank line that stands before the one that it comes before.
    """
    dockerfile = view.dockerfile
    stages = []
    for index, stage in enumerate(dockerfile.stages):
        lines: list[Instruction] = []
        for place in range(len(stage.instructions) + 1):
            new = [new_instruction(text, dockerfile) for text in (inserted or {}).get((index, place), ())]
            if place == len(stage.instructions):
                lines.extend(new)
                break
            old = stage.instructions[place]
            if new and old.leading.startswith(("\n", "\r\n")):
                new[0] = new[0].with_leading(dockerfile.newline)
            lines += [*new, (replaced or {}).get((index, place), old)]
        stages.append(Stage(tuple(lines)))
    return Changed(dockerfile.with_stages(tuple(stages)), tuple(changes), moved=tuple(moved))


def new_instruction(text: str, dockerfile: Dockerfile) -> Instruction:
    """Return an instruction of our own, its keyword cased as the file's first FROM."""
    if dockerfile.stages[0].instructions[0].keyword_text.islower():
        keyword, _, rest = text.partition(" ")
        text = f"{keyword.lower()} {rest}"
    return Instruction.new(text.replace("\n", dockerfile.newline), dockerfile.escape)


def change(view: View, reason: str, fact: Fact, *more: Evidence) -> Change:
    """Return a change of an instruction, which is its first evidence."""
    return Change(reason, line=fact.line, evidence=(seen(view, fact), *more))


def seen(view: View, fact: Fact) -> Evidence:
    """Return an instruction as evidence."""
    return evidence_of(fact.instruction, view.name)


def name_of(view: View, stage: int) -> str:
    """Return the name by which the file calls a stage; its number where it has no name."""
    return view.dockerfile.stages[stage].name or str(stage)


def reached(view: View, stages: Sequence[StageFacts]) -> tuple[int, ...]:
    """Return the final stage and those that it builds on."""
    return lineage(view.dockerfile, len(stages) - 1)


def all_copies(view: View, stages: Sequence[StageFacts]) -> tuple[tuple[int, Copied], ...]:
    """Return every copy from a stage, with the stage that copies."""
    return tuple((index, copy) for index, facts in enumerate(stages) for copy in copied(view, index, facts))


def word_edits(instruction: Instruction, old: str, new: str) -> tuple[tuple[int, int, str], ...] | None:
    """Return edits that put a new path in place of an old one wherever the instruction names it.

    None where a name goes on after the old path (`/venv` in `/venv2`), so that nothing is sure.
    """
    found: list[tuple[int, int, str]] = []
    source, at = instruction.source, 0
    while (at := source.find(old, at)) >= 0:
        end = at + len(old)
        after, before = source[end : end + 1], source[at - 1 : at]
        if after.isalnum() or after in ("-", "_", ".") or before.isalnum() or before in ("/", ".", "-", "_"):
            return None
        found.append((at, end, new))
        at = end
    return tuple(found)


def moved_path(path: str, moved: Sequence[tuple[str, str]]) -> str:
    """Return where a path lies now."""
    for old, new in moved:
        if path == old or path.startswith(old + "/"):
            return posixpath.normpath(new + path[len(old) :])
    return path


def joined(found: Iterable[Found]) -> Found:
    """Return several findings of which at most one has a repair."""
    every = tuple(found)
    return Found(
        next((one.changed for one in every if one.changed is not None), None),
        tuple(item for one in every for item in one.told),
        tuple(item for one in every for item in one.remarks),
    )


def with_told(changed: Changed, told: Sequence[Refused]) -> Changed:
    """Return a change that also tells."""
    return replace(changed, told=(*changed.told, *told))


def may_bring(fact: Fact, path: str) -> bool:
    """Whether a COPY or ADD may put something at a path of the image."""
    if fact.keyword not in ("COPY", "ADD") or fact.destination is None:
        return False
    if not fact.placed:
        return is_under(path, fact.destination)
    for placed in fact.placed:
        if not placed.is_folder:
            if placed.destination == path:
                return True
        elif is_under(path, placed.destination):
            inside = posixpath.relpath(path, placed.destination)
            if fact.scope.context.exists(posixpath.normpath(posixpath.join(placed.source, inside))):
                return True
    return False


def may_be_of_another_stage(view: View) -> bool:
    """Whether the project builds another stage than the final one: what it tells may be about that."""
    name = view.dockerfile.final_stage.name
    return any(use.kind == "target" and (use.value or "").lower() != name for use in view.uses)


def is_sure(fact: Fact, item: Item | None) -> bool:
    """Whether a build stops where an item of a RUN fails: it is a plain command, on no side of `||`."""
    if item is None or item.kind != "command" or item.separator == "||" or item.negated:
        return False
    items = [one.item for one in fact.items]
    at = next((n for n, one in enumerate(items) if one is not None and one.start == item.start), None)
    before = items[at - 1] if at else None
    return before is None or before.separator != "||"
