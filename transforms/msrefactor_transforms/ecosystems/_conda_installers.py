"""Installers of Miniconda, Miniforge and Anaconda that a Dockerfile downloads and runs.

Sources: docs.anaconda.com (silent mode), and the README of conda-forge/miniforge.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.commands import option_value, redirect_writes
from msrefactor.facts import Effect, Role, Scope
from msrefactor.shell import Command, Word
from msrefactor_transforms.ecosystems._conda_places import ROOT

_INSTALLERS = ("miniconda", "miniforge", "mambaforge", "anaconda", "micromamba")
_ADDRESSES = (
    "://repo.anaconda.com/",
    "://repo.continuum.io/",
    "://github.com/conda-forge/miniforge/releases/",
    "://github.com/conda-forge/miniforge/",
)


def is_installer(word: Word) -> bool:
    """Whether a word names the file of an installer, as far as it is written there."""
    name = posixpath.basename((word.literal or word.text).strip("\"'")).lower()
    return name.endswith(".sh") and name.startswith(_INSTALLERS[:4])


def is_installer_address(text: str) -> bool:
    """Whether an address is that of an installer of conda."""
    return any(mark in text for mark in _ADDRESSES)


def downloaded(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what the download of an installer leaves: a file that nobody needs once it has run."""
    address = next((word for word in command.words[1:] if is_installer_address(word.text)), None)
    if address is None:
        return None
    tool = posixpath.basename(str(argv[0]))
    saved = list(redirect_writes(command, scope) or ())
    short = "-o" if tool == "curl" else "-O"
    for at, word in enumerate(argv):
        is_short = word is not None and re.fullmatch(rf"-[A-Za-z]*{short[1]}", word) is not None
        if is_short or word in ("--output", "--output-document"):
            target = argv[at + 1] if at + 1 < len(argv) else None
            if target is not None:
                saved.append(scope.path(target))
    if not saved and (value := scope.value(address)) is not None:
        saved.append(scope.path(posixpath.basename(value)))
    notes = tuple((f"installer {path}", posixpath.basename(address.text.strip("\"'"))) for path in saved)
    return Effect(
        Role.FETCH,
        tool=tool,
        reads_only=True,
        writes=tuple(saved),
        notes=notes,
        why="the installer",
        ecosystem="conda",
    )


def installed_by(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """`bash Miniconda3-latest-Linux-x86_64.sh -b -p /opt/conda`."""
    at = 0 if is_installer(command.words[0]) else 1
    while at and at < len(argv) and (argv[at] or "").startswith("-"):
        at += 1
    if at >= len(argv):
        return None
    path = scope.path(argv[at] or "") if argv[at] else ""
    noted = scope.notes.get(f"installer {path}") if path else None
    if noted is None and not is_installer(command.words[at]):
        return None
    options = argv[at + 1 :]
    folder = option_value(options, "-p")
    if folder is None:
        for word in options:
            if word and word.startswith("-") and not word.startswith("--") and word.endswith("p"):
                place = options.index(word) + 1
                folder = options[place] if place < len(options) else None
    if folder is None and any(
        (word or "").endswith("p") and (word or "").startswith("-") for word in options
    ):
        return Effect(Role.OPAQUE, tool="conda", why="where conda is installed isn't known before the build")
    if folder is None:
        name = posixpath.basename(str(noted or command.words[at].text)).lower()
        kind = next((one for one in _INSTALLERS if name.startswith(one)), "miniconda")
        number = "3" if "3" in name.partition("-")[0] else "2" if "2" in name.partition("-")[0] else ""
        folder = f"{scope.home}/{kind}{'' if kind == 'mambaforge' else number}"
    prefix = scope.path(folder)
    return Effect(
        Role.BUILD,
        tool="conda",
        reads=(path,) if path else (),
        reads_only=True,
        writes=(prefix,),
        notes=((ROOT, prefix),),
        why="conda itself",
        ecosystem="conda",
        detail=CondaRoot(prefix, path),
    )


@dataclass(frozen=True, slots=True)
class CondaRoot:
    """An installer of Miniconda, Miniforge or Anaconda that is run."""

    prefix: str
    installer: str
    """The path of its file, "" where that isn't known."""
