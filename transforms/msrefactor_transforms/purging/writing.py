"""The text of a RUN that installs build packages, uses and removes them, for each package manager."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.facts import Fact
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage
from msrefactor.shell import Command
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.editing import Style, with_command, with_command_before
from msrefactor_transforms.purging.candidates import Install
from msrefactor_transforms.purging.together import again
from msrefactor_transforms.splitting.packages import bare_name, with_packages

_VIRTUAL = ".build-deps"

_ALONE = frozenset(
    "bash bzip2 ca-certificates cron curl default-mysql-client dumb-init ffmpeg file fonts-liberation "
    "gettext git gnupg gosu htop iproute2 iputils-ping jq less locales mariadb-client nano net-tools "
    "netcat-openbsd netcat-traditional nginx openssh-client openssl postgresql-client procps "
    "redis-tools rsync sqlite3 sudo supervisor tini tzdata unzip vim wget xz-utils zip zstd".split()
)
"""Packages that depend on no build package; so do libraries."""


@dataclass(frozen=True, slots=True)
class Written:
    """The edited install, and the command that takes the build packages away."""

    instruction: Instruction
    removal: tuple[str, ...]


def written(
    install: Install, fact: Fact, extra: Sequence[str], kept: Sequence[str | None], style: Style
) -> Written | None:
    """Return the install with run-time packages by their own names, and what removes the others.

    `fact` is the install's RUN as it stands now, `kept` all else that the image installs. None: it can't be
    written for this package manager.
    """
    tool = posixpath.basename(install.command.name or "")
    sudo = "sudo " if tool == "sudo" else ""
    names = " ".join(install.names)
    match install.call.manager:
        case "apt":
            made = with_packages(fact.instruction, extra) if extra else fact.instruction
            return (
                None
                if made is None
                else Written(made, tuple(sudo + one for one in _apt_removal(names, kept)))
            )
        case "apk":
            return _apk(install, fact, extra, sudo, style)
        case "dnf" | "zypper":
            if any(name is None or not _depends_on_nothing(name) for name in kept):
                return None  # rpm's tools remove what depends on what they remove
            words = [word.literal or "" for word in install.command.words]
            tool = next((word for word in words if word in _RPM_REMOVAL), "")
            made = with_packages(fact.instruction, extra) if extra else fact.instruction
            return Written(made, (f"{sudo}{_RPM_REMOVAL[tool]} {names}",)) if tool and made else None
    return None


_RPM_REMOVAL = {
    "dnf": "dnf remove -y",
    "microdnf": "microdnf remove -y",
    "yum": "yum autoremove -y",
    "zypper": "zypper --non-interactive remove --clean-deps",
}


def _apt_removal(names: str, kept: Sequence[str | None]) -> tuple[str, ...]:
    if all(name is not None and _depends_on_nothing(name) for name in kept):
        return (f"apt-get purge -y --auto-remove {names}",)
    # what another package depends on stays
    return (f"apt-mark auto {names} > /dev/null", "apt-get autoremove -y --purge")


def _depends_on_nothing(name: str) -> bool:
    bare = bare_name(name)
    return bare in _ALONE or (bare.startswith("lib") and not bare.endswith(("-dev", "-devel", "tool")))


def _apk(install: Install, fact: Fact, extra: Sequence[str], sudo: str, style: Style) -> Written | None:
    """Return the install of apk; a list that only builds becomes a virtual package."""
    if install.call.virtual is not None:
        removal = f"{sudo}apk del {install.call.virtual}" if install.is_whole else ""
        if not removal:
            return None
        made: Instruction | None = fact.instruction
    elif install.is_whole:
        removal = f"{sudo}apk del {_VIRTUAL}"
        place = _behind_options(install.command)
        if place is None or fact.offset is None:
            return None
        end = fact.offset(place, place)[1]
        made = fact.instruction.replaced([(end, end, f" --virtual {_VIRTUAL}")])
    else:
        made = with_packages(fact.instruction, extra) if extra else fact.instruction
        return None if made is None else Written(made, (f"{sudo}apk del {' '.join(install.names)}",))
    if made is None or not extra:
        return None if made is None else Written(made, (removal,))
    adding = f"{sudo}apk add --no-cache {' '.join(extra)}"
    made = with_command_before(again(fact, made), install.position, adding, style)
    return None if made is None else Written(made, (removal,))


def _behind_options(command: Command) -> int | None:
    """Return the place behind `apk add` and the options that follow it at once."""
    words = command.words
    at = next((n for n, word in enumerate(words) if word.text == "add"), None)
    if at is None:
        return None
    while at + 1 < len(words) and words[at + 1].text.startswith("-") and "=" not in words[at + 1].text:
        if words[at + 1].text not in ("--no-cache", "--update", "-U", "-q", "--quiet", "--update-cache"):
            break
        at += 1
    return words[at].end


def with_removals(fact: Fact, removals: Sequence[str], style: Style) -> Instruction | None:
    """Return a RUN with commands at its end."""
    for removal in removals:
        made = with_command(fact, fact.instruction, removal, style)
        if made is None:
            return None
        fact = again(fact, made)
    return fact.instruction


def in_base(name: str, base: BaseImage) -> bool:
    """Whether the base image has a package on each release that it can be."""
    return bool(base.releases) and all(name in knowledge.packages_in(base, one) for one in base.releases)
