"""What the final image can't start: a shell form without a shell, a probe whose program isn't there."""

from __future__ import annotations

import json
import posixpath

from msrefactor import shell
from msrefactor.commands import PackageCall
from msrefactor.contract import Start, starts
from msrefactor.facts import Fact, Role, StageFacts, is_under
from msrefactor.knowledge.packages import commands_in
from msrefactor.model import Change, Refused, View
from msrefactor.tree import Instruction
from msrefactor_transforms.repairing.kinds import (
    NOTHING,
    Found,
    Place,
    change,
    edited,
    joined,
    may_bring,
    reached,
    seen,
)
from msrefactor_transforms.splitting.copies import copied
from msrefactor_transforms.splitting.needs import wanted

_PROBES = frozenset({"curl", "wget", "nc", "pg_isready", "redis-cli", "mysqladmin"})
_LEAN = frozenset("python node ruby rust debian alpine golang scratch distroless".split())
"""Families whose commands are known."""
_PLAIN_PACKAGES = frozenset(
    "ca-certificates tzdata bash openssl libpq5 tini dumb-init gosu su-exec libgcc libstdc++ libc6-compat "
    "gcompat procps libgomp1 libgl1 libglib2.0-0 libffi libpq libxml2 libxslt libjpeg62-turbo".split()
)
"""Packages that bring none of these programs."""


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Write a shell form as exec form where there is no shell; tell a probe that isn't there."""
    return joined((_without_shell(view, stages), _probes(view, stages), _names(view, stages)))


def _has_shell(view: View, stages: tuple[StageFacts, ...]) -> bool:
    """Whether the final stage may have a shell."""
    final = stages[-1]
    if final.base.system not in ("scratch", "distroless") or final.base.variant == "debug":
        return True
    if final.base.system == "distroless" and "debug" in (final.base.reference.tag or ""):
        return True
    for index in reached(view, stages):
        for fact in stages[index].facts:
            if fact.keyword == "RUN":
                return True
            if any(may_bring(fact, path) for path in ("/bin/sh", "/busybox/sh")):
                return True
    return False


def _without_shell(view: View, stages: tuple[StageFacts, ...]) -> Found:
    if _has_shell(view, stages):
        return NOTHING
    final, last = stages[-1], len(stages) - 1
    found: dict[str, Fact] = {fact.keyword: fact for fact in final.facts}
    replaced: dict[Place, Instruction] = {}
    changes: list[Change] = []
    told: list[Refused] = []
    name = final.base.reference.text
    for keyword in ("ENTRYPOINT", "CMD"):
        fact = found.get(keyword)
        if fact is None or fact.instruction.exec_form is not None or not fact.instruction.arguments:
            continue
        other = "CMD" if keyword == "ENTRYPOINT" else "ENTRYPOINT"
        entrypoint = final.base.entrypoint
        if keyword == "CMD" and ("ENTRYPOINT" in found or entrypoint):
            continue  # its words are only arguments, and what they do is the program's business
        edit = _as_exec(fact.instruction)
        if edit is None or (keyword == "ENTRYPOINT" and other in found):
            detail = f"the shell form of {keyword} starts /bin/sh, which {name} doesn't have"
            told.append(Refused("need-not-found", detail, (seen(view, fact),), "write it as a JSON array"))
            continue
        replaced[(last, fact.index)] = fact.instruction.replaced([edit])
        reason = f"write {keyword} as an array: the shell form starts /bin/sh, which {name} doesn't have"
        changes.append(change(view, reason, fact))
    return Found(edited(view, changes, replaced) if changes else None, tuple(told))


def _as_exec(instruction: Instruction) -> tuple[int, int, str] | None:
    """Return the edit that makes an exec form of one plain command; None where a shell has more to do."""
    script = shell.parse_script(instruction.arguments)
    if script is None or len(script.items) != 1 or instruction.is_multiline:
        return None
    item = script.items[0]
    if item.kind != "command" or item.negated or len(item.commands) != 1 or item.separator == "&":
        return None
    command = item.commands[0]
    words = list(command.words)
    if words and words[0].literal == "exec":
        words = words[1:]
    values = [word.literal for word in words]
    if command.assignments or command.redirects or not values or any(value is None for value in values):
        return None
    if any(letter in word.text for word in words for letter in "*?[~$`") or not instruction.words:
        return None
    return (instruction.words[0].start, instruction.words[-1].end, json.dumps(values, ensure_ascii=False))


# --------------------------------------------------------------------------------------------- probes


def _probes(view: View, stages: tuple[StageFacts, ...]) -> Found:
    final = stages[-1]
    if final.base.family not in _LEAN or (final.base.variant == "full" and final.base.family != "debian"):
        return NOTHING
    if final.base.system not in ("debian", "alpine", "scratch", "distroless"):
        return NOTHING
    told: list[Refused] = []
    for start in starts(view, final):
        if start.kind != "healthcheck":
            continue
        name = _program(start)
        if name not in _PROBES or name in commands_in(final.base) or _may_come(name, view, stages):
            continue
        detail = f"the health check runs {name}, which {final.base.reference.text} doesn't have"
        remedy = f"install {name} in the final stage, or probe with what it has"
        told.append(Refused("need-not-found", detail, (start.evidence,), remedy))
    return Found(told=tuple(told))


def _program(start: Start) -> str:
    """Return the first program of a probe; empty where it isn't one plain name."""
    words = list(start.argv or ())
    if start.argv is None:
        script = shell.parse_script(start.shell or "")
        commands = script.commands if script is not None else ()
        return (commands[0].name or "") if commands else ""
    if len(words) == 3 and posixpath.basename(words[0]) in ("sh", "bash") and words[1] == "-c":
        script = shell.parse_script(words[2])
        commands = script.commands if script is not None else ()
        return (commands[0].name or "") if commands else ""
    return words[0] if words else ""


def _may_come(name: str, view: View, stages: tuple[StageFacts, ...]) -> bool:
    """Whether something in the final stage may bring the program."""
    for index in reached(view, stages):
        for fact in stages[index].facts:
            folders = ("/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin")
            if any(may_bring(fact, f"{folder}/{name}") for folder in folders):
                return True
            for effect in fact.effects:
                if effect.role is Role.OPAQUE or any(path.endswith(f"/{name}") for path in effect.writes):
                    return True
                if isinstance(effect.detail, PackageCall) and effect.detail.action == "install":
                    names = {(one or "?").partition("=")[0] for one in effect.detail.names}
                    if names - _PLAIN_PACKAGES:
                        return True
                elif effect.role is Role.PACKAGES and effect.packages:
                    return True
    return False


# ---------------------------------------------------------------------------------------------- names


def _names(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Tell a program that is started by its bare name and lies in the working folder, not along PATH."""
    final = stages[-1]
    if len(reached(view, stages)) > 1 or final.base.system == "unknown":
        return NOTHING
    entries = [entry.rstrip("/") or "/" for entry in final.end.variables.get("PATH", "").split(":")]
    cwd = final.end.cwd
    if cwd in entries or any(effect.role is Role.OPAQUE for _, effect in final.effects()):
        return NOTHING
    for name, evidence in wanted(view, final).commands:
        if "/" in name or name in commands_in(final.base) or evidence.file != view.name:
            continue
        for copy in copied(view, len(stages) - 1, final):
            builds = [
                effect
                for _, effect in stages[copy.stage].effects()
                if effect.role is Role.BUILD and copy.source in effect.writes
            ]
            target = copy.fact.instruction.words[-1].text if copy.fact.instruction.words else ""
            is_here = (copy.destination == cwd and target in (".", "./", f"{cwd}/")) or (
                copy.destination == posixpath.join(cwd, name)
            )
            if not builds or posixpath.basename(copy.source) != name or not is_here:
                continue
            if any(
                is_under(posixpath.join(entry, name), one.destination)
                for entry in entries
                for one in copied(view, len(stages) - 1, final)
            ):
                continue
            detail = f"`{name}` is looked for along PATH, and it lies in {cwd}"
            remedy = f"start it as {posixpath.join(cwd, name)}"
            return Found(told=(Refused("need-not-found", detail, (evidence, seen(view, copy.fact)), remedy),))
    return NOTHING
