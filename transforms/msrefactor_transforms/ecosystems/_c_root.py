"""An installation among the files of the system is done once more, below a root of its own.

What lies below /usr can't be told from what the distribution has there; what lies below DESTDIR can. Sources:
the CMake and Meson manuals on DESTDIR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msrefactor.facts import Effect, Fact, StageFacts
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._c_commands import CBuild
from msrefactor_transforms.splitting.plan import Artifact
from msrefactor_transforms.splitting.question import SYSTEM_FOLDERS

ROOT = "/rootfs"


@dataclass(frozen=True, slots=True)
class Rooted:
    """What is installed once more, and what follows from that."""

    edits: Mapping[int, tuple[tuple[int, int, str], ...]] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    prefixes: frozenset[str] = frozenset()
    """Folders of the system that needn't be carried for it."""


def rooted(facts: StageFacts, is_own: Mapping[str, bool]) -> Rooted:
    """Return how installs into folders of the system are carried over; `is_own`: folders known as ours."""
    edits: dict[int, list[tuple[int, int, str]]] = {}
    prefixes: set[str] = set()
    last = 0
    for fact, effect, command in _installs(facts):
        build: CBuild = effect.detail
        shared = [p for p in build.prefixes if p in SYSTEM_FOLDERS and not is_own.get(p, False)]
        if not shared or not build.takes_root or "/" in build.prefixes:
            continue
        if fact.offset is None or fact.scope.user.split(":")[0] not in ("root", "0", ""):
            continue
        text = fact.script.text[command.start : command.end] if fact.script is not None else ""
        _, end = fact.offset(command.start, command.end)
        edits.setdefault(fact.index, []).append((end, end, f" && DESTDIR={ROOT} {text}"))
        prefixes.update(build.prefixes)
        last = fact.index
    if not edits:
        return Rooted()
    artifact = Artifact(ROOT, last, "what was installed among the files of the system", destination="/")
    return Rooted({i: tuple(found) for i, found in edits.items()}, (artifact,), frozenset(prefixes))


def _installs(facts: StageFacts) -> Sequence[tuple[Fact, Effect, Command]]:
    found = []
    for fact in facts.facts:
        for item in fact.items:
            commands = item.item.commands if item.item is not None else ()
            if len(commands) != len(item.effects):
                continue
            for effect, command in zip(item.effects, commands, strict=True):
                is_install = isinstance(effect.detail, CBuild) and effect.detail.kind == "install"
                if is_install and command.words and command.words[0].text not in ("sudo", "env", "time"):
                    found.append((fact, effect, command))
    return found
