"""Packages and commands that a newer release of Debian doesn't have: the build stops there.

Measured with apt-get on Debian 12 and 13 (2026-11-25). A floating tag means today's release.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from msrefactor.commands import PackageCall
from msrefactor.facts import Fact, Role, StageFacts, folder_state
from msrefactor.knowledge.packages import minimal_commands, packages_in
from msrefactor.model import Change, Refused, View
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.layers import commands_of
from msrefactor_transforms.repairing.kinds import Found, Place, change, edited, is_sure, may_bring, seen
from msrefactor_transforms.splitting.adduser import NAMES, equal_command

_GONE: Mapping[str, tuple[str, str]] = {
    "libgl1-mesa-glx": ("trixie", "libgl1"),
    "libgdk-pixbuf2.0-0": ("trixie", "libgdk-pixbuf-2.0-0"),
    "netcat": ("bookworm trixie", "netcat-traditional"),
    "libncurses5": ("trixie", ""),
    "libtinfo5": ("trixie", ""),
    "libaio1": ("trixie", ""),
    "python3-distutils": ("trixie", ""),
    "software-properties-common": ("trixie", ""),
    "libatlas-base-dev": ("trixie", ""),
    "wkhtmltopdf": ("trixie", ""),
    "libpcre3": ("trixie", ""),
    "libpcre3-dev": ("trixie", ""),
    "libgconf-2-4": ("trixie", ""),
    "libappindicator1": ("trixie", ""),
    "openjdk-8-jdk": ("bookworm trixie", ""),
    "openjdk-11-jre-headless": ("bookworm trixie", ""),
    "openjdk-11-jdk": ("bookworm trixie", ""),
    "openjdk-17-jre-headless": ("trixie", ""),
    "openjdk-17-jdk": ("trixie", ""),
    "mysql-client": ("bookworm trixie", ""),
    "python-pip": ("bookworm trixie", ""),
    "libssl1.1": ("bookworm trixie", ""),
}
"""By name: the releases without it, and what apt installed for it before; empty: nothing is the same."""


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Name the package or the command that took its place; tell where there is none."""
    replaced: dict[Place, Instruction] = {}
    changes: list[Change] = []
    told: list[Refused] = []
    for index, facts in enumerate(stages):
        release = _release(facts)
        if release is None or _has_other_sources(facts):
            continue
        has_installed = False
        for fact in facts.runs():
            edits: list[tuple[int, int, str]] = []
            reasons: list[str] = []
            for item, command, effect in commands_of(fact):
                if not is_sure(fact, item):
                    has_installed = has_installed or effect.role >= Role.PACKAGES
                    continue
                is_install = isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
                if is_install:
                    for word in effect.packages:
                        releases, other = _GONE.get(word.literal or "", ("", ""))
                        if release not in releases.split():
                            continue
                        image = facts.base.reference.text
                        where = f"{image} is Debian {_NUMBERS[release]}, which has no {word.text}"
                        if not other or fact.offset is None:
                            remedy = "install what took its place, or name an older release in FROM"
                            told.append(Refused("fails-today", where, (seen(view, fact),), remedy))
                            continue
                        edits.append((*fact.offset(word.start, word.end), other))
                        reasons.append(f"{where}; apt installed {other} for it")
                elif command is not None and command.words and not has_installed:
                    edit = _adduser(facts, fact, command, release)
                    if edit is not None:
                        edits.append(edit)
                        name = command.words[0].text
                        reasons.append(
                            f"{facts.base.reference.text} is Debian {_NUMBERS[release]}, which has no {name}"
                        )
                has_installed = has_installed or is_install or effect.role is Role.OPAQUE
            if edits:
                replaced[(index, fact.index)] = fact.instruction.replaced(edits)
                changes += [change(view, reason, fact) for reason in dict.fromkeys(reasons)]
    return Found(edited(view, changes, replaced) if changes else None, tuple(told))


_NUMBERS = {"bullseye": "11", "bookworm": "12", "trixie": "13"}


def _release(facts: StageFacts) -> str | None:
    """Return the release of Debian that the stage's base is today."""
    base = facts.base
    if base.system != "debian" or base.contents is None or base.reference.digest:
        return None
    release = base.release or (base.releases[-1] if base.releases else None)
    return release if release in _NUMBERS else None


def _has_other_sources(facts: StageFacts) -> bool:
    """Whether packages may come from elsewhere than from Debian's release."""
    for fact in facts.facts:
        if (fact.destination or "").startswith("/etc/apt") or may_bring(fact, "/etc/apt/sources.list"):
            return True
        source = fact.instruction.source
        if fact.keyword == "RUN" and ("/etc/apt" in source or "apt-repository" in source or "dpkg" in source):
            return True
    return False


def _adduser(facts: StageFacts, fact: Fact, command: object, release: str) -> tuple[int, int, str] | None:
    """Return the edit that makes useradd of adduser, where the image has none and it means the same."""
    from msrefactor.shell import Command

    if not isinstance(command, Command) or fact.offset is None:
        return None
    name = posixpath.basename(command.words[0].literal or "")
    has_it = "adduser" in packages_in(facts.base, release) or name in minimal_commands("debian", release)
    if name not in NAMES or has_it:
        return None
    values = fact.scope.values(command.words)
    account = equal_command(command, values, lambda path: bool(folder_state(path, fact.scope)))
    if isinstance(account, str):
        return None
    start, _ = fact.offset(command.words[0].start, command.words[0].end)
    _, end = fact.offset(command.words[-1].start, command.words[-1].end)
    return (start, end, account.text)
