"""RUNs of the author's that remove what an earlier RUN installed: the layer below keeps it."""

from __future__ import annotations

from collections.abc import Iterator

from msrefactor.commands import PackageCall
from msrefactor.facts import Fact, StageFacts
from msrefactor_transforms.purging.users import commands_gone, is_use
from msrefactor_transforms.splitting.packages import bare_name


def removed_later(facts: StageFacts) -> Iterator[tuple[Fact, tuple[Fact, ...], Fact]]:
    """Yield the RUN that installs, those that may use what is removed, and the one that removes it."""
    for removal in facts.runs():
        names = _removed(removal)
        if not names:
            continue
        gone = commands_gone(names)
        before = [fact for fact in facts.runs() if fact.index < removal.index]
        install = next((fact for fact in reversed(before) if names & _installed(fact)), None)
        if install is None:
            continue
        users = [
            fact
            for fact in before
            if fact.index > install.index and any(is_use(effect, gone) for effect in fact.effects)
        ]
        yield install, tuple(users), removal


def _removed(fact: Fact) -> frozenset[str]:
    """Return what a RUN removes together with what came along, where it does."""
    calls = [effect.detail for effect in fact.effects if isinstance(effect.detail, PackageCall)]
    if not any(call.action == "autoremove" or call.removes_dependencies for call in calls):
        return frozenset()
    installed = _installed(fact)
    names = (name for call in calls if call.action == "remove" for name in call.names if name)
    return frozenset(bare_name(name) for name in names) - installed


def _installed(fact: Fact) -> frozenset[str]:
    found: set[str] = set()
    for effect in fact.effects:
        call = effect.detail
        if isinstance(call, PackageCall) and call.action == "install":
            found.update(bare_name(name) for name in call.names if name)
            if call.virtual is not None:
                found.add(call.virtual)
    return frozenset(found)
