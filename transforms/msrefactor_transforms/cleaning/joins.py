"""Which RUNs of a stage belong into one layer, because one installs or removes what another fetches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from msrefactor.facts import Fact, Role, is_under, script_of
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.caches import caches_left, cleaned_by
from msrefactor_transforms.cleaning.editing import Style, can_join, comments_in, joined, with_command_before
from msrefactor_transforms.cleaning.lists import Step, apt_steps, is_fetch, lists_of
from msrefactor_transforms.cleaning.rpm import cleaning_of, is_cleaning


@dataclass(frozen=True, slots=True)
class Group:
    """RUNs that follow each other and become one; with a single one, a RUN that gets a fetch of its own."""

    facts: tuple[Fact, ...]
    fetch: str = ""
    """The command that the only RUN gets."""
    emptied: Fact | None = None
    """A RUN that did nothing but fetch the lists, and isn't needed any more."""


def groups_of(facts: Sequence[Fact], before: Fact | None) -> Iterator[Group]:
    """Yield what of a stage belongs together; `before` left lists in a stage that this one is built on."""
    source = before
    fetch = _fetch_of(before) if before is not None else ""
    group = Group(())
    for fact in facts:
        if fact.keyword != "RUN":
            continue
        lists = lists_of(fact)
        is_next = bool(group.facts) and fact.index == group.facts[-1].index + 1
        if is_next and _cleans_up(group, fact):
            group = replace(group, facts=(*group.facts, fact))
            source = None
            continue
        if lists.unknown is not None:
            # it may install from what is there, so nothing is taken away from it
            yield from _ended(group)
            group, source = Group(()), None
        elif lists.needs and source is not None:
            if is_next and _joins(group.facts, fact):
                group = replace(group, facts=(*group.facts, fact))
            else:
                moved = source if group.facts == (source,) and is_fetch(source) else None
                moved = moved if moved is not None and not _changes_sources(facts, moved, fact) else None
                if moved is None:
                    yield from _ended(group)
                group = Group((fact,), fetch, moved)
            source = fact if lists.leaves or not lists.fetches else None
        elif lists.fetches or cleaning_of(fact) or caches_left(fact):
            yield from _ended(group)
            group = Group((fact,))
        if lists.fetches:
            fetch = _fetch_of(fact)
            source = fact if lists.leaves else None
    yield from _ended(group)


def _ended(group: Group) -> Iterator[Group]:
    if len(group.facts) > 1 or group.fetch:
        yield group


def _joins(group: Sequence[Fact], fact: Fact) -> bool:
    return all(can_join(one, other) for one, other in zip(group, (*group[1:], fact), strict=True))


def _cleans_up(group: Group, fact: Fact) -> bool:
    """Whether a RUN does nothing but remove what the RUNs before it left."""
    if not fact.effects or any(effect.role is not Role.CLEAN for effect in fact.effects):
        return False
    if not _joins(group.facts, fact):
        return False
    last = group.facts[-1]
    has_lists = bool(group.fetch) or any(lists_of(one).fetches for one in group.facts)
    if has_lists and any(one.step is Step.CLEAN for one in apt_steps(fact)):
        return lists_of(last).leaves or lists_of(last).needs
    if any(cleaned_by(fact, one.entry) for one in caches_left(last)):
        return True
    return bool(cleaning_of(last)) and is_cleaning(fact)


def _fetch_of(fact: Fact) -> str:
    """Return the command that fetches the lists, as the author writes it."""
    for one in apt_steps(fact):
        if one.step is Step.UPDATE and one.command is not None and fact.script is not None:
            names = [word.text for word in one.command.words]
            if names[0] in ("apt-get", "apt", "sudo", "aptitude") and not one.command.is_substituted:
                return " ".join(fact.script.text[one.command.start : one.command.end].split())
    return "apt-get update"


def _changes_sources(facts: Sequence[Fact], first: Fact, last: Fact) -> bool:
    """Whether an instruction between two changes where packages come from."""
    for fact in facts[first.index + 1 : last.index]:
        paths = [placed.destination for placed in fact.placed]
        paths += [path for effect in fact.effects for path in (*effect.writes, *effect.removes)]
        if fact.destination is not None:
            paths.append(fact.destination)
        if any(is_under(path, "/etc/apt") or path in ("/", "/etc") for path in paths):
            return True
    return False


def together(group: Group, style: Style) -> Instruction | None:
    """Return the one RUN of a group."""
    made = group.facts[0]
    leading = made.instruction.leading
    if group.fetch:
        fetching = _with_fetch(group.fetch, made, style)
        if fetching is None:
            return None
        made = _again(made, fetching)
    if group.emptied is not None:
        leading += "".join(f"{comment}\n" for comment in comments_in(group.emptied.instruction.leading))
    for place, fact in enumerate(group.facts[1:]):
        comments = comments_in(fact.instruction.leading)
        if place == 0 and is_fetch(group.facts[0]):
            # they tell of the install, which is what the RUN now is about
            leading += "".join(f"{comment}\n" for comment in comments)
            comments = ()
        instruction = joined(made, fact, style, comments)
        if instruction is None:
            return None
        made = _again(made, instruction)
    return made.instruction.with_leading(leading)


def _again(fact: Fact, instruction: Instruction) -> Fact:
    """Return the fact with another text."""
    script, offset = script_of(instruction, fact.scope)
    return replace(fact, instruction=instruction, script=script, offset=offset)


def _with_fetch(fetch: str, fact: Fact, style: Style) -> Instruction | None:
    steps = [one.effect for one in apt_steps(fact)]
    for place, item in enumerate(fact.items):
        if any(effect is step for effect in item.effects for step in steps):
            return with_command_before(fact, place, fetch, style)
    return None
