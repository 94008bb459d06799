"""Node projects: package.json with its scripts followed, and what is remembered of a command."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msrefactor import shell
from msrefactor.code.node_package import NodePackage, read_package
from msrefactor.facts import Scope, StageFacts
from msrefactor.model import Evidence

HOOKS = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")

_MANAGERS = frozenset({"npm", "yarn", "pnpm"})
GLOBAL_PACKAGES = "/usr/local/lib/node_modules"


def modules_of(folder: str) -> str:
    """Return the node_modules of a project's folder."""
    return posixpath.join(folder, "node_modules")


_PACKAGES = {
    "tsc": "typescript",
    "nest": "@nestjs/cli",
    "ng": "@angular/cli",
    "vue-cli-service": "@vue/cli",
    "webpack": "webpack-cli",
    "gulp": "gulp-cli",
    "grunt": "grunt-cli",
    "babel": "@babel/cli",
    "sequelize": "sequelize-cli",
    "run-s": "npm-run-all",
    "run-p": "npm-run-all",
    "pm2-runtime": "pm2",
    "pm2-docker": "pm2",
    "yarnpkg": "yarn",
    "pnpx": "pnpm",
    "npx": "npm",
    "bunx": "bun",
}
"""The packages of commands that are called otherwise."""


def package_of_command(command: str) -> str:
    """Return the package that has a command, by its own name where nothing else is known."""
    name = posixpath.basename(command)
    return _PACKAGES.get(name, name)


_WITH_VALUE = frozenset(
    {
        "--prefix", "-C", "--dir", "--cwd", "--filter", "-F", "-w", "--workspace",
        "--env-file", "--preload", "-c", "--config", "--shell",
    }
)  # fmt: skip
BUN_COMMANDS = frozenset(
    "install i add a ci remove rm uninstall update outdated link unlink pm build init create c x run test "
    "repl upgrade exec publish patch patch-commit audit why info help completions".split()
)
"""The words that are commands of `bun` itself; any other is a script, a file or a program."""


@dataclass(frozen=True, slots=True)
class NodeInstall:
    """One command that fills node_modules."""

    manager: str
    folder: str
    """Absolute folder of the package.json; for a global install, of the installed packages."""
    packages: tuple[str, ...] = ()
    """For a global install: what is installed, without versions."""
    is_global: bool = False
    with_dev: bool = True


@dataclass(frozen=True, slots=True)
class NodeBuild:
    """One command that builds the project, with the scripts it goes through."""

    folder: str
    tsc_output: str | None = None
    """Folder that tsc writes, when that is all the command does."""
    programs: tuple[tuple[str, ...], ...] = ()
    """What is run, scripts of package.json followed, as far as that is known."""


def manager_of(facts: StageFacts, folder: str) -> str:
    """Return the package manager that installed the packages of a project's folder."""
    for _, effect in facts.effects():
        install = effect.detail
        if isinstance(install, NodeInstall) and not install.is_global and install.folder == folder:
            return install.manager if install.manager in _MANAGERS else "npm"
    return "npm"


def without_version(word: str) -> str:
    """Return the package that a word such as `pm2@5` or `@scope/name@^1` names."""
    head, at, _ = word[1:].partition("@")
    return word[0] + head if at else word


def manifests(folder: str, scope: Scope) -> tuple[str, ...]:
    """Return the files that an install reads, as far as they are there."""
    names = (
        "package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc", "yarn.lock", ".yarnrc",
        ".yarnrc.yml", "pnpm-lock.yaml", "pnpm-workspace.yaml", ".pnpmfile.cjs", ".node-version", ".nvmrc",
        "bun.lock", "bun.lockb", "bunfig.toml",
    )  # fmt: skip
    found = [f"{folder}/{name}".replace("//", "/") for name in names]
    return tuple(path for path in found if scope.is_file(path))


def package_at(folder: str, scope: Scope) -> NodePackage | None:
    """Return the package.json of a folder of the image, if it came from the context and is understood."""
    source = scope.origin(posixpath.join(folder, "package.json"))
    if source is None:
        return None
    return read_package(scope.context, posixpath.dirname(source))


def after_options(words: Sequence[str | None]) -> tuple[str | None, list[str | None]]:
    """Return the subcommand of a package manager and what follows it, options before it left out."""
    rest = list(words)
    while rest and rest[0] is not None and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in _WITH_VALUE and rest:
            rest.pop(0)
    return (rest[0], rest[1:]) if rest else (None, [])


def chain(package: NodePackage, name: str, depth: int = 0) -> Iterator[tuple[str, ...]]:
    """Yield the commands of a script, the scripts before and after it and those that it runs."""
    if depth > 6:
        return
    for step in (f"pre{name}", name, f"post{name}"):
        text = package.scripts.get(step)
        if text is None:
            continue
        script = shell.parse_script(text)
        if script is None:
            yield ("?",)
            continue
        for item in script.items:
            for command in item.commands:
                words = tuple(
                    word.literal if word.literal is not None else word.text for word in command.words
                )
                yield from expanded(package, words, depth)


def expanded(package: NodePackage, words: tuple[str, ...], depth: int = 0) -> Iterator[tuple[str, ...]]:
    """Yield a command, and instead of a runner of scripts or programs what it runs."""
    if not words:
        return
    tool = posixpath.basename(words[0])
    rest = [word for word in words[1:] if not word.startswith("-")]
    if tool in ("npm", "yarn", "pnpm") and rest:
        target = rest[1] if rest[0] in ("run", "run-script") and len(rest) > 1 else rest[0]
        if target in package.scripts and depth < 6:
            yield (words[0],)
            yield from chain(package, target, depth + 1)
            return
        yield words
        return
    if tool == "bun":
        yield from _expanded_by_bun(package, words, depth)
        return
    if tool in ("cross-env", "dotenv", "env-cmd", "cross-env-shell", "npx", "bunx", "dotenvx", "env"):
        yield (words[0],)
        inner = list(words[1:])
        while inner and (inner[0].startswith("-") or "=" in inner[0]):
            option = inner.pop(0)
            if option in ("-e", "-f", "--file", "-v", "-p") and inner:
                inner.pop(0)
        yield from expanded(package, tuple(inner), depth + 1)
        return
    if tool in ("run-s", "run-p", "npm-run-all"):
        yield (words[0],)
        for target in rest:
            matched = [name for name in package.scripts if name == target or _globbed(name, target)]
            for name in matched:
                yield from chain(package, name, depth + 1)
        return
    if tool == "concurrently":
        yield (words[0],)
        for text in words[1:]:
            if not text.startswith("-"):
                inner_words = tuple(text.removeprefix("npm:").split())
                if text.startswith("npm:"):
                    yield from chain(package, inner_words[0], depth + 1)
                else:
                    yield from expanded(package, inner_words, depth + 1)
        return
    yield words


def _expanded_by_bun(package: NodePackage, words: tuple[str, ...], depth: int) -> Iterator[tuple[str, ...]]:
    """Yield what a `bun` command runs: a script of package.json, a program of node_modules, or itself."""
    action, rest = after_options(words[1:])
    is_run = action == "run"
    if is_run:
        action, rest = after_options(rest)
    is_watched = any(word in ("--watch", "--hot") for word in words)
    is_named = action is not None and (is_run or action not in BUN_COMMANDS)
    if action is not None and is_named and not is_watched and action in package.scripts and depth < 6:
        yield (words[0],)
        yield from chain(package, action, depth + 1)
        return
    inner = tuple(word for word in rest if word is not None)
    if action == "x" and inner:
        yield (words[0],)
        yield from expanded(package, inner, depth + 1)
        return
    if action is not None and is_run and not is_watched and "/" not in action and "." not in action:
        yield (words[0],)
        yield from expanded(package, (action, *inner), depth + 1)
        return
    yield words


def _globbed(name: str, pattern: str) -> bool:
    import fnmatch

    return "*" in pattern and fnmatch.fnmatch(name, pattern)


def package_evidence(package: NodePackage, name: str) -> Evidence:
    """Return where package.json has a name."""
    return Evidence(package.path, package.line_of.get(name), name)


def package_of(name: str) -> str:
    """Return the package that an import such as `@scope/name/file` is from."""
    parts = name.split("/")
    return "/".join(parts[:2]) if name.startswith("@") else parts[0]


def is_test(file: str) -> bool:
    """Whether a file of the context is run by test runners only, by the names that they look for."""
    *folders, name = file.split("/")
    if any(part in name for part in (".test.", ".spec.", ".e2e-spec.", ".cy.")):
        return True
    return "__tests__" in folders or folders[:1] in (["test"], ["tests"], ["e2e"], ["cypress"])
