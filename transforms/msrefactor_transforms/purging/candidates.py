"""The build packages that installs of the final image leave in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from msrefactor.commands import PackageCall
from msrefactor.facts import Effect, Fact, StageFacts
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage
from msrefactor.shell import Command, Item
from msrefactor_transforms.cleaning.layers import Layers
from msrefactor_transforms.splitting.gains import weighed_by
from msrefactor_transforms.splitting.packages import Fate, bare_name, fate, removed_packages

_VIRTUAL = frozenset({"libc-dev", "linux-headers", "python-dev"})
"""Names that apt resolves when it installs, and doesn't know when it removes."""


@dataclass(frozen=True, slots=True)
class Install:
    """One command that installs packages of which some only build."""

    fact: Fact
    position: int
    """Of its item in the RUN."""
    command: Command
    call: PackageCall
    fates: tuple[Fate, ...]
    """Of the packages that only build, in the author's order."""
    is_whole: bool
    """Whether every package of the list only builds."""

    @property
    def names(self) -> tuple[str, ...]:
        """The packages that only build, by which the package manager removes them."""
        return tuple(dict.fromkeys(bare_name(one.name) for one in self.fates))

    @property
    def runtime(self) -> tuple[str, ...]:
        """What programs that are built with them need."""
        return tuple(dict.fromkeys(name for one in self.fates for name in one.runtime))


def installs_in(facts: StageFacts, build_only: frozenset[str] = frozenset()) -> tuple[Install, ...]:
    """Return the installs of a stage that leave build packages in its layers."""
    return tuple(_installs(facts, build_only))


def _installs(facts: StageFacts, build_only: frozenset[str]) -> Iterator[Install]:
    removed = removed_packages(facts.facts)
    for fact in facts.runs():
        if any(effect.tool == "apt-mark" for effect in fact.effects):
            continue  # what is installed there is given up, by the recipe of the official images
        for position, command, effect in plain_commands(fact):
            call = effect.detail
            if not isinstance(call, PackageCall) or call.action != "install" or command is None:
                continue
            if call.virtual is not None and call.virtual in removed:
                continue
            names = [name for name in call.names if name is not None]
            fates = [one for name in names if (one := _fate(name, facts.base, removed, build_only))]
            if fates:
                is_whole = len(fates) == len(call.names)
                yield Install(fact, position, command, call, tuple(fates), is_whole)


def _fate(name: str, base: BaseImage, removed: Collection[str], build_only: frozenset[str]) -> Fate | None:
    """Return what becomes of a package that only builds and is left in the image; None for any other."""
    bare = bare_name(name)
    if bare in removed or name in removed or bare in _VIRTUAL or not bare[:1].isalnum():
        return None
    found = fate(name, base, frozenset(), build_only)
    if found.is_kept or any(_holds(base, one, bare) for one in base.releases):
        return None
    return found


def _holds(base: BaseImage, release: str, name: str) -> bool:
    """Whether a base has a package, or all that a package only stands for."""
    held = knowledge.packages_in(base, release)
    return name in held or (name == "build-essential" and {"gcc", "g++", "make"} <= held)


def plain_commands(fact: Fact) -> Iterator[tuple[int, Command | None, Effect]]:
    """Yield the commands of a RUN that stand alone, with the positions of their items."""
    for position, one in enumerate(fact.items):
        if one.item is not None and one.item.kind == "command" and len(one.effects) == 1:
            yield position, _command(one.item), one.effects[0]


def _command(item: Item) -> Command | None:
    return item.commands[0] if item.commands else None


def kept_names(layers: Layers, gone: Collection[str]) -> tuple[str | None, ...]:
    """Return what else the final image installs; None where a name isn't known."""
    return tuple(
        name
        for stage in layers.chain
        for fact in layers.stages[stage].runs()
        for effect in fact.effects
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
        for name in effect.detail.names
        if name is None or bare_name(name) not in gone
    )


def weight_mb(names: Sequence[str], base: BaseImage) -> float:
    """Return about what packages add to an image, in megabytes."""
    release = weighed_by(base, base.release or (base.releases[-1] if base.releases else ""))
    sizes = [knowledge.installed_size_mb(name, release) or _unknown_mb(name) for name in names]
    # they share most of what they bring
    return max(sizes, default=0.0) + 0.2 * (sum(sizes) - max(sizes, default=0.0))


def _unknown_mb(name: str) -> float:
    return 8.0 if name.endswith(("-dev", "-devel")) else 1.0


def unknown_libraries(facts: StageFacts) -> Iterator[tuple[Fact, str]]:
    """Yield packages for building whose run-time libraries aren't known, with the RUNs that install them."""
    base = facts.base
    removed = removed_packages(facts.facts)
    for fact in facts.runs():
        if any(effect.tool == "apt-mark" for effect in fact.effects):
            continue
        for effect in fact.effects:
            call = effect.detail
            if not isinstance(call, PackageCall) or call.action != "install" or call.virtual in removed:
                continue
            for bare in (bare_name(name) for name in call.names if name is not None):
                is_for_building = bare.endswith(("-dev", "-devel")) and bare != "dpkg-dev"
                if not is_for_building or bare in removed:
                    continue
                is_known = knowledge.runtime_packages(bare, base.system, base.releases) is not None
                if not is_known and not any(
                    bare in knowledge.packages_in(base, one) for one in base.releases
                ):
                    yield fact, bare
