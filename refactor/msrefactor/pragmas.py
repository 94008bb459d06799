"""Comments that keep an instruction, a part of the file or all of it as it is.

Above an instruction `# msrefactor: ignore[transform, …] reason`; around several `# msrefactor: off` and
`# msrefactor: on`; for the file `# msrefactor: ignore-file`. Without a list, they are about every transform.
They are enforced here, on what a transform returns, so that no transform knows of them. A pragma that isn't
understood protects from everything, and is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msrefactor import syntax
from msrefactor.model import Changed, Evidence, Outcome, Refused, Transform, View

if TYPE_CHECKING:
    from msrefactor.tree import Dockerfile, Instruction

MARK = "msrefactor:"
CODE = "ignored-by-pragma"
"""The obstacle of a change that a pragma forbids; the author wanted it, so nobody is bothered with it."""

_VERBS = ("ignore", "off", "on", "ignore-file")


@dataclass(frozen=True, slots=True)
class Pragma:
    """One comment; `line` and `column` are its own, 1-based."""

    line: int
    column: int
    verb: str
    names: frozenset[str] | None
    """The transforms it is about; None for every one."""
    text: str
    faults: tuple[str, ...] = ()

    def is_about(self, transform: str) -> bool:
        """Tell whether the transform is to keep away."""
        return self.names is None or transform in self.names


@dataclass(frozen=True, slots=True)
class Pragmas:
    """All pragmas of a file as it was read."""

    every: tuple[Pragma, ...] = ()
    protected: Mapping[int, tuple[Pragma, ...]] | None = None
    """The line of each instruction that one protects."""
    warnings: tuple[str, ...] = ()
    """`line:column: message` for each that isn't understood, or stands where it does harm."""

    @property
    def whole_file(self) -> Pragma | None:
        """The pragma that keeps the file from every transform."""
        return next((one for one in self.every if one.verb == "ignore-file" and one.names is None), None)

    def unused(
        self, stopped: frozenset[tuple[int, str]], ran: frozenset[str], *, ran_all: bool
    ) -> Iterator[str]:
        """Yield a warning for each pragma that stopped nothing, and each of its names that it needn't have.

        `stopped` are the pragmas' lines and the transforms that they stopped. What didn't run isn't judged.
        """
        for pragma in self.every:
            place = f"{pragma.line}:{pragma.column}: "
            if pragma.faults or pragma == self.whole_file:
                continue
            if pragma.names is None:
                covers = any(pragma in found for found in (self.protected or {}).values())
                is_idle = ran_all and pragma.verb != "on" and all(line != pragma.line for line, _ in stopped)
                if is_idle or not (covers or pragma.verb == "on"):
                    yield f"{place}unused pragma: nothing would change what it protects; remove it"
                continue
            idle = sorted(name for name in pragma.names & ran if (pragma.line, name) not in stopped)
            if idle:
                yield f"{place}unused pragma: {', '.join(idle)} would change nothing there; remove it"


def read_pragmas(dockerfile: Dockerfile, transforms: Sequence[str]) -> Pragmas:
    """Return the pragmas of a file that no transform has touched yet."""
    warnings: list[str] = []
    every: list[Pragma] = []
    protected: dict[int, tuple[Pragma, ...]] = {}
    for instruction, own, ranges in _protections(dockerfile, transforms):
        every += own
        active = tuple(one for one in (*own, *ranges) if one.verb in ("ignore", "off"))
        if active and instruction.line is not None:
            protected[instruction.line] = tuple(dict.fromkeys(active))
    start = dockerfile.render().count("\n") - dockerfile.trailing.count("\n") + 1
    for pragma in _in_comments(dockerfile.trailing, start, transforms):
        if pragma.verb in ("ignore", "off"):
            told = "no instruction follows"
            pragma = replace(pragma, faults=(*pragma.faults, told))  # noqa: PLW2901
        every.append(pragma)
    is_off = False
    for pragma in every:
        if pragma.verb == "on" and not is_off:
            warnings.append(f"{pragma.line}:{pragma.column}: nothing is off here; remove the pragma")
        is_off = (is_off or pragma.verb == "off") and pragma.verb != "on"
        warnings += [f"{pragma.line}:{pragma.column}: {fault}" for fault in pragma.faults]
    warnings += _disabled_directives(dockerfile)
    return Pragmas(tuple(every), protected, tuple(warnings))


def _protections(
    dockerfile: Dockerfile, transforms: Sequence[str]
) -> Iterator[tuple[Instruction, tuple[Pragma, ...], tuple[Pragma, ...]]]:
    """Yield each instruction, the pragmas above or in it, and the `off` that reaches it from further up."""
    active: tuple[Pragma, ...] = ()
    for instruction in dockerfile.all_instructions:
        first = (instruction.line or 1) - instruction.leading.count("\n")
        own = [*_in_comments(instruction.leading, first, transforms), *_inside(instruction, transforms)]
        for pragma in own:
            if pragma.verb == "on":
                active = ()
            elif pragma.verb == "off":
                active = (*active, pragma)
        # an `off` that an `on` ends above the same instruction protects nothing
        yield instruction, tuple(p for p in own if p.verb != "off" or p in active), active


def _in_comments(text: str, first_line: int, transforms: Sequence[str]) -> Iterator[Pragma]:
    if MARK not in text:
        return
    for number, line in enumerate(text.split("\n")):
        pragma = _pragma(line, first_line + number, transforms)
        if pragma is not None:
            yield pragma


def _inside(instruction: Instruction, transforms: Sequence[str]) -> Iterator[Pragma]:
    """Yield what looks like a pragma between the lines of an instruction: it protects, and is told."""
    if MARK not in instruction.source:
        return
    for comment in instruction.comments:
        pragma = _pragma(comment, instruction.line or 1, transforms)
        if pragma is not None:
            fault = "a pragma between the lines of an instruction is about all of it; put it above"
            yield replace(pragma, column=1, verb="ignore", faults=(fault,))


def _pragma(line: str, number: int, transforms: Sequence[str]) -> Pragma | None:
    bare = line.strip()
    if not bare.startswith("#"):
        return None
    rest = bare[1:].lstrip()
    if not rest.startswith(MARK):
        return None
    column = line.index("#") + 1
    rest = rest[len(MARK) :].lstrip()
    end = next((i for i, char in enumerate(rest) if char == "[" or char.isspace()), len(rest))
    verb, rest = rest[:end], rest[end:].lstrip()
    if verb not in _VERBS:
        fault = f"there is no pragma {verb!r}; {_suggestion(verb, _VERBS)} Until then it protects"
        return Pragma(number, column, "ignore", None, bare, (fault,))
    if not rest.startswith("[") or verb == "on":
        return Pragma(number, column, verb, None, bare)
    listed, bracket, _ = rest[1:].partition("]")
    names = [name.strip() for name in listed.split(",") if name.strip()]
    faults = [
        f"there is no transform {name!r}; {_suggestion(name, transforms)} Until then the pragma is about all"
        for name in names
        if name not in transforms
    ]
    if not bracket or not names:
        faults.append("the list of transforms isn't closed" if names else "the list of transforms is empty")
    return Pragma(number, column, verb, None if faults else frozenset(names), bare, tuple(faults))


def _suggestion(name: str, known: Sequence[str]) -> str:
    from msrefactor.configuration_keys import suggestion

    told = suggestion(name, known)
    return told if told.endswith("?") else f"{told}."


def _disabled_directives(dockerfile: Dockerfile) -> Iterator[str]:
    """Yield the directives that are none, because a pragma stands above them."""
    first = dockerfile.all_instructions[0]
    number = (first.line or 1) - first.leading.count("\n")
    has_pragma = False
    for line in first.leading.split("\n"):
        found = syntax.directive(line)
        if found is not None and has_pragma:
            yield (
                f"{number}:1: `{line.strip()}` is no parser directive any more, because a pragma stands "
                "above it; put the pragma below it"
            )
        elif MARK in line:
            has_pragma = True
        elif found is None:
            return
        number += 1


def restrained(
    view: View, outcome: Changed, transform: Transform, pragmas: Pragmas
) -> tuple[Outcome, tuple[Refused, ...], frozenset[int]]:
    """Return what of a change the pragmas allow, what they don't, and the lines of the pragmas that spoke.

    Where each edit of the transform stands on its own, only those of protected instructions are left out.
    Otherwise the change is one thing, and is refused.
    """
    whole = [p for p in pragmas.every if p.verb == "ignore-file" and p.is_about(transform.name)]
    if whole:
        return kept_by(view, whole[0]), (), frozenset({whole[0].line})
    before, after = view.dockerfile, outcome.dockerfile
    spoke: set[int] = set()
    refusals: list[Refused] = []
    kept: dict[int, str] = {}
    for line, found in (pragmas.protected or {}).items():
        about = [pragma for pragma in found if pragma.is_about(transform.name)]
        if not about:
            continue
        old, new = _places(before, line), _places(after, line)
        if old == new and _before(before, after, line) == _before(after, before, line):
            continue
        spoke.update(pragma.line for pragma in about)
        refusals.append(kept_by(view, about[0], line))
        if len(old) == len(new) == 1 and old[0][0] == new[0][0] and transform.edits_stand_alone:
            kept[line] = old[0][1]
        else:
            return refusals[-1], (), frozenset(spoke)
    if kept:
        outcome = replace(
            outcome,
            dockerfile=_with_sources(after, kept),
            changes=tuple(change for change in outcome.changes if change.line not in kept),
        )
        if not outcome.changes:
            return refusals[0], (), frozenset(spoke)
    if _meanings(before) != _meanings(outcome.dockerfile, {i.line for i in before.all_instructions}):
        # A comment that an instruction took along, or left behind, would mean another part of the file.
        pragma = next(p for p in pragmas.every if p.verb != "ignore-file")
        return kept_by(view, pragma), (), frozenset(p.line for p in pragmas.every)
    return outcome, tuple(refusals), frozenset(spoke)


def kept_by(view: View, pragma: Pragma, line: int | None = None) -> Refused:
    """Return the refusal to change what a pragma protects: an instruction's line, or the file."""
    found = next((i for i in view.dockerfile.all_instructions if i.line == line), None)
    if line is None or found is None:
        detail = f"`{pragma.text}` in line {pragma.line} keeps it from this change"
        return Refused(CODE, detail, (Evidence(view.name, pragma.line, pragma.text),))
    detail = f"`{pragma.text}` keeps line {line} as it is"
    text = found.source.split("\n", 1)[0].strip()
    return Refused(CODE, detail, (Evidence(view.name, line, text),))


def _places(dockerfile: Dockerfile, line: int) -> list[tuple[str, str]]:
    """Return in which stages an instruction stands, and its text there."""
    found = [("global", item.source) for item in dockerfile.preamble if item.line == line]
    for number, stage in enumerate(dockerfile.stages):
        is_final = number == len(dockerfile.stages) - 1
        name = "final" if is_final else f"FROM of line {stage.instructions[0].line}"
        found += [(name, item.source) for item in stage.instructions if item.line == line]
    return found


def _before(dockerfile: Dockerfile, other: Dockerfile, line: int) -> set[int]:
    """Return the lines that stand before this one in its part of the file, in both files."""
    parts = [(*dockerfile.preamble,), *(stage.instructions for stage in dockerfile.stages)]
    others = [(*other.preamble,), *(stage.instructions for stage in other.stages)]
    part = next((one for one in parts if any(item.line == line for item in one)), ())
    same = next((one for one in others if any(item.line == line for item in one)), ())
    known = {item.line for item in same}
    lines = [item.line for item in part]
    return {one for one in lines[: lines.index(line)] if one in known and one is not None}


def _with_sources(dockerfile: Dockerfile, sources: Mapping[int, str]) -> Dockerfile:
    """Return the file with these instructions as they were."""

    def kept(items: Sequence[Instruction]) -> tuple[Instruction, ...]:
        return tuple(item.with_source(sources.get(item.line or 0, item.source)) for item in items)

    stages = tuple(stage.with_instructions(kept(stage.instructions)) for stage in dockerfile.stages)
    return replace(dockerfile, preamble=kept(dockerfile.preamble), stages=stages)


def _meanings(dockerfile: Dockerfile, lines: set[int | None] | None = None) -> dict[int, set[str]]:
    """Return, for each instruction of the author's, the pragmas that protect it."""
    found: dict[int, set[str]] = {}
    for instruction, own, ranges in _protections(dockerfile, ()):
        texts = {pragma.text for pragma in (*own, *ranges) if pragma.verb in ("ignore", "off")}
        if instruction.line is not None and (lines is None or instruction.line in lines):
            found.setdefault(instruction.line, set()).update(texts)
    return found
