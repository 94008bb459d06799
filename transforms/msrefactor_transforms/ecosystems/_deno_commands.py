"""What the commands of Deno do: its cache, tasks of deno.json, checks, compiled programs.

Sources: docs.deno.com, "CLI reference", "Configuration" and "deno compile" (what it calls its program was
tried with deno 2.9.6); denoland/deno_docker. What it fetches lies in DENO_DIR, and in node_modules where
package.json or deno.json asks for that; deno.lock is written beside deno.json.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msrefactor import shell
from msrefactor.code.node_package import plain_json
from msrefactor.commands import operands, option_value
from msrefactor.facts import Effect, Role, Scope
from msrefactor.manifests import json_value
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._node_projects import GLOBAL_PACKAGES
from msrefactor_transforms.ecosystems._plain_program import PlainBuild, made, unclear

_CHECKS = frozenset({"test", "lint", "fmt", "bench", "coverage", "doc", "publish"})
_ANSWERS = frozenset({"info", "types", "help", "outdated", "--version", "-V", "--help"})
_FETCHES = frozenset({"cache", "install", "i", "add", "remove", "check", "vendor", "uninstall", "update"})
_BESIDE_A_PROGRAM = frozenset({"compile", "cache", "check", *_CHECKS})
_LIKE_ITS_FOLDER = frozenset({"main", "mod", "index", "cli"})
_WITH_VALUE = frozenset(
    "-o --output --target -c --config --import-map --icon --include --exclude --seed --cert --location "
    "-L --log-level --ext --cwd --entrypoint -e -n --name --root --port --host -p".split()
)
_SOURCES = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
_DEEPEST = 6
_INSTALLED_BY_NPM = f"{GLOBAL_PACKAGES}/deno"


@dataclass(frozen=True, slots=True)
class DenoStep:
    """One command of Deno that fetches or builds."""

    cache: str
    """Where it keeps what it has fetched."""
    is_fetch: bool = True
    """Whether nothing comes of it but what is fetched, and the lock file."""


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a `deno` command does."""
    if not argv or posixpath.basename(argv[0] or "") != "deno":
        return None
    words = list(argv[1:])
    while words and (words[0] or "").startswith("-") and words[0] not in _ANSWERS:
        words.pop(0)
    action, rest = (words[0], words[1:]) if words else (None, [])
    if action in _ANSWERS:
        return Effect(Role.NOTHING, tool="deno")
    if action in _CHECKS:
        return Effect(Role.GATE, tool="deno", reads=(scope.cwd,))
    if action in _FETCHES:
        if action in ("install", "i") and is_for_all(rest):
            return _installed(rest, scope)
        return _step(scope, "what deno fetches", is_fetch=action != "vendor")
    if action == "compile":
        return _compiled(rest, scope)
    if action == "task":
        return _task(rest, scope)
    if action == "run" or (action is not None and action.endswith(_SOURCES)):
        return _run(rest if action == "run" else words, scope)
    return None


def cache_of(scope: Scope) -> str:
    """Return the folder of what deno has fetched."""
    given = scope.variables.get("DENO_DIR")
    return scope.path(given) if given else posixpath.join(scope.home, ".cache/deno")


def is_for_all(words: Sequence[str | None]) -> bool:
    """Whether an install makes a command: `-g`, and in Deno 1 whatever names a module."""
    is_asked = any(word in ("-g", "--global") or _has_flag(word, "g") for word in words)
    modules = [word for word in _positional(words) if "://" in word]
    return is_asked or (bool(modules) and option_value(words, "--entrypoint", "-e") is None)


def _has_flag(word: str | None, letter: str) -> bool:
    return (
        bool(word) and word is not None and word[0] == "-" and word[1:2] not in ("-", "") and letter in word
    )


def _step(scope: Scope, why: str, *, is_fetch: bool, assumption: str = "") -> Effect:
    """Return the effect of a step that fetches: into the cache, and where there is a manifest beside it."""
    place = _project_of(scope)
    here = (place or scope.cwd,) if place or not is_fetch else ()
    cache = cache_of(scope)
    return Effect(
        Role.BUILD, tool="deno", reads=(place or scope.cwd, _INSTALLED_BY_NPM), reads_only=True,
        writes=(cache, *here), why=why, assumption=assumption, detail=DenoStep(cache, is_fetch),
    )  # fmt: skip


def _project_of(scope: Scope) -> str:
    """Return the topmost folder around with a manifest: node_modules of a workspace is there; "" for none."""
    names = ("deno.json", "deno.jsonc", "package.json")
    found, place = "", scope.cwd
    while place != "/":
        if any(scope.has(posixpath.join(place, name)) for name in names):
            found = place
        place = posixpath.dirname(place)
    return found


def _installed(words: Sequence[str | None], scope: Scope) -> Effect | None:
    name = option_value(words, "-n", "--name")
    if name is None or "/" in name:
        return None
    root = option_value(words, "--root") or scope.variables.get("DENO_INSTALL_ROOT")
    folder = scope.path(root) if root else posixpath.join(scope.home, ".deno")
    return Effect(
        Role.BUILD, tool="deno", reads=(scope.cwd,), writes=(f"{folder}/bin/{name}", cache_of(scope)),
        why=f"the command {name}", detail=DenoStep(cache_of(scope), is_fetch=False),
    )  # fmt: skip


def _run(words: Sequence[str | None], scope: Scope) -> Effect | None:
    script = next(_positional(words), None)
    if script is None:
        return None
    if script in tasks_at(scope.cwd, scope):
        return _task(words, scope)
    is_own = scope.is_file(scope.path(script))
    if not is_own and not script.startswith(("npm:", "jsr:", "https:")):
        return None
    guess = f"what `deno run {script}` leaves lies in {scope.cwd}"
    return _step(scope, f"what {script} writes", is_fetch=False, assumption=guess)


def _task(words: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a task of deno.json, or a script of package.json, does."""
    folder = option_value(words, "--cwd")
    name = next(_positional(words), None)
    if name is None or folder is not None:
        return None
    programs = list(programs_of(tasks_at(scope.cwd, scope), name))
    if not programs:
        return None
    actions = [program[1] if len(program) > 1 and program[0] == "deno" else "" for program in programs]
    if all(action in (*_CHECKS, "check") for action in actions):
        return Effect(Role.GATE, tool="deno", reads=(scope.cwd,))
    compiling = [program for program, action in zip(programs, actions, strict=True) if action == "compile"]
    if compiling:
        effects = [_compiled(program[2:], scope) for program in compiling]
        refused = next((one for one in effects if one.refusal is not None), None)
        others = [
            program
            for program, action in zip(programs, actions, strict=True)
            if action not in ("compile", "cache", "check", *_CHECKS)
            and program[0] not in ("rm", "mkdir", "echo")
        ]
        if refused is not None or others:
            why = f"what `{' '.join(others[0])}` leaves beside the program isn't known" if others else ""
            return refused or unclear("deno", why, scope, "run it in a RUN of its own")
        outputs = tuple(path for one in effects for path in one.writes)
        return made("deno", "deno", outputs, scope, PlainBuild("deno", outputs, scope.cwd))
    return _step(scope, f"what `deno task {name}` writes", is_fetch=False)


def tasks_at(folder: str, scope: Scope) -> Mapping[str, str]:
    """Return the tasks of deno.json and the scripts of package.json in a folder of the image."""
    found: dict[str, str] = {}
    for name, key in (("package.json", "scripts"), ("deno.jsonc", "tasks"), ("deno.json", "tasks")):
        document = json_value(plain_json(scope.read(posixpath.join(folder, name)) or "{}"))
        tasks = document.get(key) if isinstance(document, dict) else None
        for task, said in tasks.items() if isinstance(tasks, dict) else ():
            text = said.get("command") if isinstance(said, dict) else said
            if isinstance(text, str):
                found[task] = text
    return found


def programs_of(tasks: Mapping[str, str], name: str, depth: int = 0) -> Iterator[tuple[str, ...]]:
    """Yield the commands of a task, and those of the tasks that it runs."""
    text = tasks.get(name)
    if text is None or depth > _DEEPEST:
        return
    script = shell.parse_script(text)
    if script is None:
        yield ("?",)
        return
    for item in script.items:
        for command in item.commands:
            words = tuple(word.text if word.literal is None else word.literal for word in command.words)
            if not words:
                continue
            other = next(_positional(words[2:]), None) if words[:2] == ("deno", "task") else None
            if other in tasks and other is not None:
                yield from programs_of(tasks, other, depth + 1)
            else:
                yield words


def _compiled(words: Sequence[str | None], scope: Scope) -> Effect:
    """Return the program that `deno compile` leaves."""
    target = option_value(words, "--target") or "linux-gnu"
    if not target.endswith("linux-gnu"):
        return unclear("deno", f"the program is for {target}", scope)
    script = next(_positional(words), None)
    output = option_value(words, "-o", "--output")
    if script is None or None in words or "://" in script or script.startswith(("npm:", "jsr:")):
        name = None
    else:
        name = posixpath.splitext(posixpath.basename(script))[0]
        parent = posixpath.basename(posixpath.dirname(scope.path(script)))
        name = parent if name in _LIKE_ITS_FOLDER and parent else name
    if output is None or output.endswith("/"):
        if name is None:
            return unclear("deno", "what `deno compile` calls its program isn't seen", scope, "add --output")
        output = posixpath.join(output or "", name)
    build = PlainBuild("deno", (scope.path(output),), scope.cwd)
    return made("deno", "deno", build.outputs, scope, build)


def _positional(words: Sequence[str | None]) -> Iterator[str]:
    return (word for word in operands(("deno", *words), _WITH_VALUE) if word is not None)
