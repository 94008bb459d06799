"""Cargo's build with a stand-in for the source: the real source is older than what was built of the stand-in.

Cargo compares times. COPY keeps those of the build context, so that after a checkout the stand-in's program
is newer than the source, and stays (measured with Rust 1.85).
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.facts import Fact, Role, StageFacts, is_under
from msrefactor.model import Change, View
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.layers import commands_of, is_mounted
from msrefactor_transforms.ecosystems._rust_commands import CargoBuild
from msrefactor_transforms.repairing.kinds import Found, Place, change, edited, seen


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Touch the source before the second build, where nothing else tells Cargo that it is new."""
    replaced: dict[Place, Instruction] = {}
    changes: list[Change] = []
    for index, facts in enumerate(stages):
        found = _stale(facts)
        if found is None:
            continue
        dummy, build, path, at = found
        if build.offset is None:
            continue
        start, _ = build.offset(at, at)
        word = posixpath.relpath(path, build.scope.cwd) if is_under(path, build.scope.cwd) else path
        replaced[(index, build.index)] = build.instruction.replaced([(start, start, f"touch {word} && ")])
        reason = f"touch {word} before it is compiled: what its stand-in left is newer, and stays"
        changes.append(change(view, reason, build, seen(view, dummy)))
    return Found(edited(view, changes, replaced) if changes else None)


def _stale(facts: StageFacts) -> tuple[Fact, Fact, str, int] | None:
    """Return the build of the stand-in, that of the source, the file, and where that build begins."""
    dummies: list[tuple[Fact, str]] = []
    copied_at: dict[str, int] = {}
    for fact in facts.facts:
        for placed in fact.placed:
            for _, path in dummies:
                inside = path == placed.destination or (
                    placed.is_folder and is_under(path, placed.destination)
                )
                if inside and fact.scope.context.known and facts.end.is_file(path):
                    copied_at[path] = fact.index
        if fact.keyword != "RUN":
            continue
        written: list[str] = []
        for item, command, effect in commands_of(fact):
            if effect.role is Role.OPAQUE:
                return None
            if dummies and any(_may_refresh(path) for path in (*effect.removes, *effect.may_remove)):
                return None
            if effect.tool in ("touch", "find", "sed", "cp", "mv", "install") and copied_at:
                return None
            written += [path for path in effect.writes if path.endswith((".rs",))]
            if not isinstance(effect.detail, CargoBuild) or effect.detail.crate:
                continue
            if any(is_mounted(fact, f"{folder}/x") for folder in _targets(effect.writes)):
                return None
            if copied_at and command is not None and item is not None and item.kind == "command":
                dummy, path = next((one, p) for one, p in dummies if p in copied_at)
                return (dummy, fact, path, command.start)
            dummies += [(fact, path) for path in written if path.endswith("src/main.rs")]
    return None


def _may_refresh(path: str) -> bool:
    return "target" in path or "fingerprint" in path or "deps" in path


def _targets(writes: Sequence[str]) -> list[str]:
    return [path[: path.index("/target") + len("/target")] for path in writes if "/target" in path]
