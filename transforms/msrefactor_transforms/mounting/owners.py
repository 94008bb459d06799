"""Whose cache it is: the number and the home of the user that a RUN runs as."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from msrefactor.facts import Fact, Scope
from msrefactor.variables import references
from msrefactor_transforms.cleaning.layers import Layers, commands_of

_MAKERS = frozenset({"useradd", "adduser", "usermod"})


@dataclass(frozen=True, slots=True)
class Owner:
    """The user of a RUN, with as much as a mount has to know."""

    home: str
    fields: str = ""
    """What goes into the mount: empty for root."""


def owner_of(layers: Layers, stage: int, fact: Fact) -> Owner | None:
    """Return the user of a RUN; None: the number or the home isn't known."""
    scope = fact.scope
    name, _, group = scope.user.partition(":")
    home = scope.variables.get("HOME")
    users = [other.instruction.text for other in facts_before(layers, stage, fact) if other.keyword == "USER"]
    if users and not scope.arguments.isdisjoint(references(users[-1])):
        return None  # whoever builds may choose another one
    if name in ("root", "0", ""):
        return Owner(home or "/root")
    if not name.isdigit():
        home = home or scope.homes.get(name) or (f"/home/{name}" if name in _of_image(scope) else None)
        number = _number(layers, stage, fact, name)
    else:
        number = name
    if not number or not home or not home.startswith("/"):
        return None
    if group and not group.isdigit():
        group = ""
    return Owner(home, f",uid={number}" + (f",gid={group}" if group else ""))


def _of_image(scope: Scope) -> dict[str, str]:
    """Return the numbers of the users that official images bring, all with a home of their name."""
    env = scope.base.env
    if "MAMBA_USER" in env:
        return {env["MAMBA_USER"]: env.get("MAMBA_USER_ID", "")}
    return {scope.base.family: "1000"} if scope.base.family in ("node", "gradle") else {}


def _number(layers: Layers, stage: int, fact: Fact, name: str) -> str:
    """Return the number that an earlier command, or the image, gives to a user; empty: it isn't known."""
    found = _of_image(fact.scope).get(name, "")
    for earlier in facts_before(layers, stage, fact):
        for _, command, _ in commands_of(earlier):
            if command is None or command.name not in _MAKERS or not command.words:
                continue
            texts = [word.literal for word in command.words]
            if name not in texts[1:]:
                continue
            options = [n for n, text in enumerate(texts) if text in ("-u", "--uid")]
            value = texts[options[0] + 1] if options and options[0] + 1 < len(texts) else None
            if command.name != "usermod" or options:
                found = value if value is not None and value.isdigit() else ""
    return found


def facts_before(layers: Layers, stage: int, fact: Fact) -> Iterator[Fact]:
    """Yield what a RUN builds on, in order."""
    for index in layers.below(stage):
        for other in layers.stages[index].facts:
            if index == stage and other.index >= fact.index:
                return
            yield other
