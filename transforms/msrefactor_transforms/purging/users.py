"""Which commands use what build packages bring: the packages have to be there until the last has run."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator

from msrefactor.commands import PackageCall
from msrefactor.facts import Effect, Fact, Role
from msrefactor.knowledge import packages as knowledge
from msrefactor_transforms.cleaning.layers import Layers
from msrefactor_transforms.ecosystems._python_commands import Install
from msrefactor_transforms.ecosystems._python_environment import is_tools_only

_BROUGHT = {
    "binutils": "build-essential gcc g++ clang gfortran rustc cargo golang libtool",
    "bzip2": "build-essential dpkg-dev debhelper",
    "file": "libtool debhelper",
    "m4": "autoconf automake bison flex libtool",
    "make": "build-essential dpkg-dev",
    "patch": "build-essential dpkg-dev quilt",
    "perl": "autoconf automake build-essential dpkg-dev debhelper libtool",
    "python3": "python3-dev python3-all-dev python3-devel meson",
    "xz-utils": "build-essential dpkg-dev debhelper",
}
"""Packages with commands, and the build packages that bring them along."""


def brought_by(names: Collection[str]) -> frozenset[str]:
    """Return packages with commands that come along with these build packages."""
    return frozenset(
        name for name, bringers in _BROUGHT.items() if not set(bringers.split()).isdisjoint(names)
    )


def commands_gone(names: Collection[str]) -> frozenset[str]:
    """Return the commands that build packages, and what comes along with them, bring."""
    return frozenset(
        command for name in (*names, *brought_by(names)) for command in (name, *knowledge.commands_of(name))
    )


def is_use(effect: Effect, gone: Collection[str]) -> bool:
    """Whether a command may use build packages whose commands are `gone` without them."""
    if isinstance(effect.detail, PackageCall):
        return False
    if posixpath.basename(effect.tool) in gone:
        return True
    if effect.role is Role.BUILD and (_runs_the_program(effect) or installs_tools(effect)):
        return False
    return effect.role in (Role.BUILD, Role.GATE, Role.OPAQUE)


def _runs_the_program(effect: Effect) -> bool:
    """Whether the application runs (`manage.py collectstatic`): it needs what it needs in the container."""
    is_action = isinstance(effect.detail, str) or (effect.detail is None and effect.why.endswith(" makes"))
    return effect.ecosystem == "python" and effect.tool.startswith("python") and is_action


def installs_tools(effect: Effect) -> bool:
    """Whether Python's installers alone are installed, which nothing is compiled for."""
    return isinstance(effect.detail, Install) and is_tools_only(effect.detail)


def uses_behind(
    layers: Layers, stage: int, fact: Fact, gone: Collection[str]
) -> Iterator[tuple[int, Fact, Effect]]:
    """Yield what runs on top of an instruction and may use what is gone, with the stage it is in."""
    for index, other in layers.later(stage, fact.index):
        if other.keyword == "RUN":
            yield from ((index, other, effect) for effect in other.effects if is_use(effect, gone))
