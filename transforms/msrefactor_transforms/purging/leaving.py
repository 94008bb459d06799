"""A RUN without the build packages of its list, where nothing is built with them."""

from __future__ import annotations

from collections.abc import Sequence

from msrefactor.commands import PackageCall
from msrefactor.facts import Fact, Role
from msrefactor.knowledge import packages as knowledge
from msrefactor.tree import Instruction
from msrefactor_transforms.purging.together import again
from msrefactor_transforms.splitting.packages import subtracted, with_packages


def left_out(fact: Fact, extra: Sequence[str], build_only: frozenset[str]) -> Instruction | str | None:
    """Return the RUN with what else runs instead of what only builds; None: nothing of it is left.

    A text says why it can't be written.
    """
    why = f"the list of line {fact.line} can't be changed where it stands"
    made = with_packages(fact.instruction, extra) if extra else fact.instruction
    if made is None:
        return why
    fact = again(fact, made)
    if fact.script is None or fact.offset is None:
        return why
    known = dict(fact.scope.variables)
    base = fact.scope.base
    calls = [effect.detail for effect in fact.effects if isinstance(effect.detail, PackageCall)]
    named = {name for call in calls for name in call.names}
    held = [knowledge.packages_in(base, release) for release in base.releases]
    present = tuple(frozenset.intersection(*held) - named) if held else ()
    result = subtracted(
        fact.instruction, fact.script, fact.offset, base, frozenset(), present, build_only, known
    )
    if result.instruction is not None:
        return result.instruction
    is_only_that = all(
        isinstance(effect.detail, PackageCall) or effect.role in (Role.CLEAN, Role.NOTHING)
        for effect in fact.effects
    )
    return None if is_only_that else why
