"""Commands that make or fill an environment of conda: which one, and with what."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msrefactor.commands import has_option, option_value
from msrefactor.facts import Effect, Role, Scope
from msrefactor.model import Evidence
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems import _python_commands as python
from msrefactor_transforms.ecosystems._conda_files import UNREADABLE, Environment, environment_in, package_of
from msrefactor_transforms.ecosystems._conda_places import PREFIXES, active_prefix, named_prefix, root_of

VALUED = (
    "-n", "--name", "-p", "--prefix", "-c", "--channel", "-f", "--file", "--solver", "--platform", "--subdir",
    "--experimental-solver", "--repodata-fn", "--clone", "--root-prefix", "-r", "--cwd",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CondaInstall:
    """One command that fills an environment."""

    prefix: str
    """Its folder; "" where that isn't known."""
    names: tuple[tuple[str, Evidence], ...] = ()
    """Packages of conda."""
    pip: tuple[tuple[str, Evidence], ...] = ()
    """Packages of pip."""
    unknown: tuple[str, ...] = ()
    """What is installed that could not be read."""
    files: tuple[str, ...] = ()
    """The manifests in the image that it reads."""
    makes: bool = False
    """Whether the environment is a new one."""
    varies: bool = False
    """Whether its place depends on a build argument."""
    keeps_cache: bool = True
    """Whether what it downloaded stays in the image: not where a cache is mounted."""


def known(place: str) -> tuple[str, ...]:
    return (place,) if place else ()


def place_of(command: Command, argv: Sequence[str | None], scope: Scope) -> str | None:
    """Return the environment that a command names, or the one that it is run in."""
    root = option_value(argv, "-r", "--root-prefix") or root_of(scope) or _root_by_path(argv, scope)
    folder = option_value(argv, "-p", "--prefix")
    if folder is not None:
        return scope.path(folder)
    if has_option(argv, "-p", "--prefix"):
        return None
    name = option_value(argv, "-n", "--name")
    if name is not None:
        return named_prefix(name.lstrip("="), scope, root)
    if any(word in ("-n", "--name") for word in argv):
        return None
    active = active_prefix(scope)
    return root if active is None else active


def _root_by_path(argv: Sequence[str | None], scope: Scope) -> str | None:
    """Return conda's folder where it is started by its path: `/opt/conda/bin/conda`."""
    name = argv[0] or ""
    folder = posixpath.dirname(scope.path(name)) if "/" in name else ""
    is_own = posixpath.basename(folder) in ("bin", "condabin") and folder not in (
        "/bin",
        "/usr/bin",
        "/usr/local/bin",
    )
    return posixpath.dirname(folder) if is_own else None


def install_of(
    command: Command, argv: Sequence[str | None], scope: Scope, action: str, specs: Sequence[str | None]
) -> Effect:
    tool = posixpath.basename(str(argv[0]))
    files = _files_of(argv, scope)
    unknown = [f"a file that `{tool} {action}` reads" for file in files if file is None]
    if action.startswith("env ") and not files:
        found = next(
            (n for n in ("environment.yml", "environment.yaml") if scope.is_file(scope.path(n))),
            "environment.yml",
        )
        files = [scope.path(found)]
    given = [file for file in files if file is not None]
    read = [environment_in(scope, file) for file in given]
    unknown.extend(
        f"{file}, which isn't in the build context"
        for file, one in zip(given, read, strict=True)
        if one is UNREADABLE
    )
    prefix = _target(command, argv, scope, action, read)
    here = Evidence("Dockerfile", None, " ".join(word or "?" for word in argv))
    names = [pair for one in read for pair in one.names]
    if not action.startswith("env "):
        names.extend((package_of(word), here) for word in specs if word is not None and "://" not in word)
    if action in ("update", "upgrade") and not names:
        names.append(("conda", here))
    pip: list[tuple[str, Evidence]] = []
    reads = list(given)
    written: list[str] = []
    for file, one in zip(given, read, strict=True):
        if one.pip:
            effect = python.interpret(
                command, ("pip", "install", *one.pip), replace(scope, cwd=posixpath.dirname(file))
            )
            if effect is not None and isinstance(effect.detail, python.Install):
                pip.extend(effect.detail.names)
                unknown.extend(effect.detail.unknown)
                reads.extend(effect.reads)
                files.extend(file for file in effect.detail.files if not file.endswith("/"))
                written.extend(path for path in effect.writes if effect.detail.is_editable)
    makes = action in ("create", "env create", "env update")
    varies = any(
        word.variables & scope.arguments
        for before, word in itertools.pairwise(command.words)
        if before.text in ("-n", "--name", "-p", "--prefix") or word.text.startswith(("--name=", "--prefix="))
    )
    install = CondaInstall(
        prefix or "",
        tuple(names),
        tuple(pip),
        tuple(unknown),
        tuple(file for file in files if file is not None),
        makes,
        varies,
        not has_option(argv, "--no-cache"),
    )
    return filled(install, tool, reads, scope, written)


def _files_of(argv: Sequence[str | None], scope: Scope) -> list[str | None]:
    """Return the files that `-f` and `--file` name; None for one that isn't known."""
    found: list[str | None] = []
    for before, word in itertools.pairwise(argv):
        if before in ("-f", "--file"):
            found.append(scope.path(word) if word is not None else None)
    for word in argv[1:]:
        option, equals, value = (word or "").partition("=")
        if equals and option in ("-f", "--file"):
            found.append(scope.path(value))
    return found


def _target(
    command: Command, argv: Sequence[str | None], scope: Scope, action: str, read: Sequence[Environment]
) -> str | None:
    """Return the environment that an install fills: named on the command line, in the file, or active."""
    is_named = any((word or "").startswith(("-n", "--name", "-p", "--prefix")) for word in argv[1:])
    if is_named or not (action.startswith("env ") or action == "create"):
        return place_of(command, argv, scope)
    root = root_of(scope) or _root_by_path(argv, scope)
    for one in read:
        if one.name:
            return named_prefix(one.name, scope, root)
        if one.prefix:
            return one.prefix
    if action == "env update" and read and all(one.is_readable for one in read):
        return active_prefix(scope) or root
    return None


def filled(
    install: CondaInstall, tool: str, reads: Sequence[str], scope: Scope, written: Sequence[str] = ()
) -> Effect:
    root = root_of(scope)
    prefix = install.prefix
    notes: tuple[tuple[str, object], ...] = ()
    is_own = root is not None and (
        prefix == root or posixpath.dirname(prefix) == posixpath.join(root, "envs")
    )
    if prefix and not is_own:
        notes = ((PREFIXES, (*scope.notes.get(PREFIXES, ()), prefix)),)
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=tuple(dict.fromkeys(reads)),
        reads_only=True,
        writes=(*known(prefix), *written),
        notes=notes,
        why="the conda environment",
        ecosystem="conda",
        detail=install,
    )
