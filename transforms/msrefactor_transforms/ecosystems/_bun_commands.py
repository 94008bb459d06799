"""What the commands of Bun do: installs, scripts of package.json, its bundler.

Source: bun.com/docs, "bun install", "bun run", "bunx", "Bundler", "bunfig.toml". Programs that `bun build
--compile` makes are read in `bun.py`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import replace

from msrefactor.commands import option_value
from msrefactor.facts import Effect, Role, Scope, is_under
from msrefactor.model import Refused
from msrefactor_transforms.ecosystems._node_commands import (
    interpret_script,
    interpret_tool,
    of_workspaces,
    packages_installed,
    packages_installed_globally,
)
from msrefactor_transforms.ecosystems._node_installs import workspace_of
from msrefactor_transforms.ecosystems._node_projects import (
    BUN_COMMANDS,
    NodeBuild,
    NodeInstall,
    after_options,
    manifests,
    modules_of,
    package_at,
)

_INSTALLS = frozenset({"install", "i", "add", "a", "ci"})
_CHANGES = frozenset({"remove", "rm", "uninstall", "update", "patch", "patch-commit"})
_ANSWERS = frozenset({"outdated", "why", "info", "help", "completions", "audit"})
_FOR_RUNS = frozenset({"--bun", "-b", "--yes", "-y", "--no-install", "--silent", "--verbose"})


def interpret(command: object, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a `bun` or `bunx` command does."""
    tool = posixpath.basename(argv[0] or "") if argv else ""
    if tool == "bunx":
        return _program(argv[1:], scope)
    if tool != "bun":
        return None
    action, rest = after_options(argv[1:])
    folder = option_value(argv, "--cwd")
    place = replace(scope, cwd=scope.path(folder)) if folder else scope
    if action is None:
        return Effect(Role.NOTHING, tool="bun") if {"--version", "-v", "--revision"} & set(argv) else None
    if action in _INSTALLS:
        return _install(rest, argv, place)
    if action in _CHANGES:
        return Effect(
            Role.BUILD, tool="bun", reads=manifests(place.cwd, place), reads_only=True,
            writes=(modules_of(place.cwd),), why="the installed packages", detail=NodeBuild(place.cwd),
        )  # fmt: skip
    if action == "pm":
        return _manager(rest, place)
    if "--filter" in argv or "-F" in argv or any((word or "").startswith("--filter=") for word in argv):
        return of_workspaces("bun", place.cwd)
    if action == "test":
        return Effect(Role.GATE, tool="bun", reads=(place.cwd,))
    if action in _ANSWERS:
        return Effect(Role.GATE if action == "audit" else Role.NOTHING, tool="bun")
    if action == "x":
        return _program(rest, place)
    if action == "build":
        return _bundled(rest, place)
    if action == "run":
        action, rest = after_options(rest)
    elif action in BUN_COMMANDS:
        return None
    return _run(action, rest, place)


def _install(rest: Sequence[str | None], argv: Sequence[str | None], scope: Scope) -> Effect | None:
    if "-g" in argv or "--global" in argv:
        return packages_installed_globally("bun", rest, scope)
    effect = packages_installed("bun", scope.cwd, argv, scope)
    if option_value(argv, "--backend") == "symlink":
        detail = "`bun install --backend=symlink` keeps the packages in a cache outside the project"
        return replace(effect, refusal=Refused("need-not-found", detail, remedy="install without --backend"))
    return replace(effect, writes=()) if _is_empty(effect, scope) else effect


def _is_empty(effect: Effect, scope: Scope) -> bool:
    """Whether nothing is to be installed: then bun makes no node_modules."""
    package = package_at(scope.cwd, scope)
    if package is None or package.workspaces or not isinstance(effect.detail, NodeInstall):
        return False
    if effect.writes != (modules_of(scope.cwd),):
        return False
    is_named = effect.dependencies is not None and effect.dependencies.obstacle is not None
    every = {**package.dependencies, **package.optional, **package.peer}
    return not (every or is_named or (effect.detail.with_dev and package.dev_dependencies))


def _manager(rest: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what `bun pm` does."""
    action, more = after_options(rest)
    if action == "cache":
        return Effect(Role.CLEAN if "rm" in more else Role.NOTHING, tool="bun")
    if action in ("ls", "bin", "hash", "whoami", "untrusted", "view", "why"):
        return Effect(Role.NOTHING, tool="bun")
    if action == "trust":
        # it runs the install scripts of packages
        return Effect(
            Role.BUILD, tool="bun", reads=(scope.cwd,), reads_only=True, writes=(modules_of(scope.cwd),),
            why="the installed packages", detail=NodeBuild(scope.cwd),
        )  # fmt: skip
    return None


def _program(words: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a program of a package does."""
    inner = list(words)
    while inner and inner[0] in _FOR_RUNS:
        inner.pop(0)
    return interpret_tool(inner, scope) if inner else None


def _run(name: str | None, rest: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what `bun run` does: a script of package.json, a file, or a program of node_modules."""
    if name is None:
        return None
    package = package_at(scope.cwd, scope)
    if package is not None and name in package.scripts:
        return interpret_script("bun", name, scope.cwd, scope)
    path = scope.path(name)
    if scope.is_file(path):
        return Effect(
            Role.BUILD, tool="bun", reads=(workspace_of(scope.cwd, scope),), reads_only=True,
            writes=(scope.cwd,), why=f"what {name} writes", detail=NodeBuild(scope.cwd),
            assumption=f"what `bun {name}` leaves lies in {scope.cwd}",
        )  # fmt: skip
    return _program([name, *rest], scope)


def _bundled(words: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what the bundler writes."""
    if "--compile" in words:
        return None
    folder, file = option_value(words, "--outdir"), option_value(words, "--outfile")
    if None in words or not (folder or file):
        return None
    written = scope.path(folder) if folder else scope.path(file or "")
    if written == scope.cwd or not is_under(written, scope.cwd):
        written = scope.cwd if is_under(scope.cwd, written) else written
    return Effect(
        Role.BUILD, tool="bun", reads=(workspace_of(scope.cwd, scope),), reads_only=True, writes=(written,),
        why="what `bun build` writes", detail=NodeBuild(scope.cwd),
    )  # fmt: skip
