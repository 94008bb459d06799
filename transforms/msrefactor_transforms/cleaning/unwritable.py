"""Installs of the final image that leave something nobody can remove by changing the Dockerfile alone."""

from __future__ import annotations

import posixpath

from msrefactor.facts import Fact, Role
from msrefactor.shell import parse_script
from msrefactor_transforms.cleaning.layers import Layers, commands_of

_MANAGERS = frozenset(
    "apk apt apt-get bundle composer dnf gem microdnf npm pip pip3 pnpm yarn yum zypper".split()
)
_INSTALLING = frozenset("add ci i install require update upgrade".split())


def unwritable(layers: Layers) -> str:
    """Say which RUN installs in a way that can't be changed here; empty where there is none."""
    for _, fact in layers.runs():
        if fact.instruction.exec_form is not None and _installs(fact):
            return f"line {fact.line} installs in exec form, which has no place for a clean-up"
        if any(effect.role in (Role.OPAQUE, Role.BUILD) for effect in fact.effects):
            script = _installing_script(fact)
            if script:
                why = "what it leaves can be removed only there"
                return f"{script}, which line {fact.line} runs, installs: {why}"
    return ""


def _installs(fact: Fact) -> bool:
    return fact.script is not None and any(
        _is_install(tuple(word.text for word in command.words)) for command in fact.script.commands
    )


def _is_install(words: tuple[str, ...]) -> bool:
    names = [posixpath.basename(word) for word in words]
    at = next((n for n, name in enumerate(names) if name in _MANAGERS), None)
    return at is not None and not _INSTALLING.isdisjoint(names[at + 1 : at + 5])


def _installing_script(fact: Fact) -> str:
    """Return the name of the context's script that a RUN starts, where it calls a package manager."""
    for _, command, _ in commands_of(fact):
        if command is None or not command.words:
            continue
        for word in command.words:
            path = fact.scope.path(fact.scope.value(word) or "")
            is_script = path.endswith((".sh", ".bash")) or "." not in posixpath.basename(path)
            text = fact.scope.read(path) if is_script and fact.scope.is_file(path) else None
            script = parse_script(text) if text is not None else None
            if script is not None and any(
                _is_install(tuple(word.text for word in one.words)) for one in script.commands
            ):
                return posixpath.basename(path)
    return ""
