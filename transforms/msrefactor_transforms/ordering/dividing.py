"""A RUN that installs and then builds, divided in two where that leaves nothing more in the image."""

from __future__ import annotations

from collections.abc import Sequence

from msrefactor.commands import PackageCall
from msrefactor.facts import Effect, Fact, ItemFact, Role, overlaps
from msrefactor.tree import Instruction
from msrefactor_transforms.splitting.dividing import kept_items


def divided(fact: Fact, position: int, *, is_thrown_away: bool) -> tuple[Instruction, Instruction] | None:
    """Return the items before `position` and those from it on as two RUNs; None: they belong together.

    What the second part cleans of the first would stay in the first part's layer: that matters unless the
    stage is thrown away. Folders and variables of the shell are set in both parts.
    """
    if fact.script is None or fact.offset is None or fact.instruction.heredocs:
        return None
    items = fact.script.items
    if any(one.separator != "&&" for one in items[:-1]) or any(one.kind == "compound" for one in items):
        return None
    first, second = fact.items[:position], fact.items[position:]
    states = [index for index, item in enumerate(first) if _is_state(item)]
    if any(not _is_repeatable(first[index]) for index in states):
        return None
    if len(states) == len(first):
        return None
    if not is_thrown_away and _cleans(first, second):
        return None
    above = kept_items(fact.instruction, fact.script, fact.offset, range(position))
    below = kept_items(
        fact.instruction, fact.script, fact.offset, [*states, *range(position, len(items))]
    ).with_leading("")
    return above, below


def _is_state(item: ItemFact) -> bool:
    """Whether an item changes what later commands of the same shell see."""
    return any(
        effect.role is Role.NAVIGATE or effect.tool in ("set", "shopt") or effect.sets
        for effect in item.effects
    )


def _is_repeatable(item: ItemFact) -> bool:
    if item.item is None or item.item.kind != "command" or len(item.item.commands) != 1:
        return False
    command = item.item.commands[0]
    if command.name not in ("cd", "set", "shopt", "export"):
        return False
    return all(word.literal is not None for word in command.words)


def _cleans(first: Sequence[ItemFact], second: Sequence[ItemFact]) -> bool:
    """Whether the second part removes, or changes, what the first left."""
    left = [path for item in first for effect in item.effects for path in _filled(effect)]
    for item in second:
        for effect in item.effects:
            if effect.role is Role.CLEAN or isinstance(effect.detail, PackageCall):
                return True
            if effect.removes or any(
                overlaps(path, other) for path in _filled(effect) for other in left if path != "/"
            ):
                return True
    return False


def _filled(effect: Effect) -> tuple[str, ...]:
    return effect.dependencies.writes if effect.dependencies is not None else effect.writes
