"""Which command line starts with the container, when it is a single one: scripts and runners resolved."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from msrefactor import shell
from msrefactor.contract import Start
from msrefactor.facts import StageFacts
from msrefactor.model import Evidence
from msrefactor_transforms.ecosystems._node_projects import package_at, package_evidence

_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_WRAPPERS = frozenset({"docker-entrypoint.sh", "tini", "dumb-init", "exec"})
_RUNNERS = frozenset({"npx", "pnpx", "bunx"})
_MANAGERS = frozenset({"npm", "yarn", "pnpm", "bun"})
_SETTERS = frozenset({"env", "cross-env"})
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Launch:
    """One program with its words, where it starts, and what it is told by variables set for it alone."""

    words: tuple[str, ...]
    """A word that only the shell knows is written as in the shell: `$PORT`."""
    cwd: str
    evidence: Evidence
    from_shell: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def launch_of(facts: StageFacts, start: Start) -> Launch | None:
    """Return the program that a start ends in; None where it isn't a single one that is understood."""
    first = Launch(start.argv or (), facts.end.cwd, start.evidence)
    if start.argv is None:
        return _of_text(facts, start.shell or "", first, 0)
    return _resolved(facts, first, 0)


def _of_text(facts: StageFacts, text: str, launch: Launch, depth: int) -> Launch | None:
    script = shell.parse_script(text)
    if script is None or depth > _DEEPEST:
        return None
    cwd = launch.cwd
    for position, item in enumerate(script.items):
        if item.kind != "command" or len(item.commands) != 1 or item.commands[0].redirects:
            return None
        command = item.commands[0]
        words = tuple(word.text if word.literal is None else word.literal for word in command.words)
        if any(word.has_glob for word in command.words):
            return None
        if position == len(script.items) - 1:
            if item.separator not in ("", "\n", ";"):
                return None
            set_here = {
                name: word.text if word.literal is None else word.literal
                for name, word in command.assignments
            }
            inner = replace(
                launch, words=words, cwd=cwd, from_shell=True,
                environment={**launch.environment, **set_here},
            )  # fmt: skip
            return _resolved(facts, inner, depth)
        if words[:1] != ("cd",) or len(words) != 2 or "$" in words[1] or item.separator not in ("&&", ";"):
            return None
        cwd = posixpath.normpath(posixpath.join(cwd, words[1]))
    return None


def _resolved(facts: StageFacts, launch: Launch, depth: int) -> Launch | None:
    words = list(launch.words)
    while words and posixpath.basename(words[0]) in _WRAPPERS:
        words.pop(0)
        while words and words[0].startswith("-"):
            words.pop(0)
    if not words or depth > _DEEPEST:
        return None
    tool = posixpath.basename(words[0])
    if tool in _SHELLS:
        if len(words) == 3 and words[1].startswith("-") and words[1].endswith("c"):
            return _of_text(facts, words[2], launch, depth + 1)
        return None
    if tool in _SETTERS:
        return _with_settings(facts, replace(launch, words=tuple(words[1:])), depth)
    if tool in _RUNNERS:
        rest = _without_options(words[1:], ("-y", "--yes", "--no-install", "--no", "--bun"))
        return _resolved(facts, replace(launch, words=tuple(rest)), depth + 1)
    if tool in _MANAGERS:
        return _managed(facts, replace(launch, words=tuple(words)), tool, depth)
    return replace(launch, words=tuple(words))


def _with_settings(facts: StageFacts, launch: Launch, depth: int) -> Launch | None:
    words = list(launch.words)
    settings = dict(launch.environment)
    while words and "=" in words[0] and not words[0].startswith("-"):
        name, _, value = words.pop(0).partition("=")
        settings[name] = value
    return _resolved(facts, replace(launch, words=tuple(words), environment=settings), depth + 1)


def _without_options(words: Sequence[str], options: Sequence[str]) -> list[str]:
    rest = list(words)
    while rest and rest[0] in options:
        rest.pop(0)
    return rest


def _managed(facts: StageFacts, launch: Launch, tool: str, depth: int) -> Launch | None:
    """Return what a script of package.json, or a program of node_modules, comes to."""
    words = list(launch.words[1:])
    folder = launch.cwd
    while words and words[0].startswith("-"):
        option = words.pop(0)
        name, equals, value = option.partition("=")
        if name in ("--prefix", "--cwd", "--dir", "-C"):
            if not equals and not words:
                return None
            folder = posixpath.normpath(posixpath.join(folder, value if equals else words.pop(0)))
        elif option not in ("--silent", "-s", "--no-update-notifier", "--bun"):
            return None
    if not words:
        return None
    action = words.pop(0)
    inner = replace(launch, cwd=folder)
    if action in ("dlx", "exec", "x") and words:
        rest = _without_options(words, ("-y", "--yes", "--"))
        return _resolved(facts, replace(inner, words=tuple(rest)), depth + 1)
    is_run = action in ("run", "run-script")
    if is_run:
        words = _without_options(words, ("--silent", "-s"))
        if not words:
            return None
        action = words.pop(0)
    package = package_at(folder, facts.end)
    if package is None:
        return None
    text = package.scripts.get(action)
    if text is None:
        # yarn and pnpm run programs of node_modules by their name
        if tool == "npm":
            return None
        return _resolved(facts, replace(inner, words=(action, *words)), depth + 1)
    if tool == "npm" and not is_run and action not in ("start", "stop", "test", "restart"):
        return None
    if any(f"{hook}{action}" in package.scripts for hook in ("pre", "post")):
        return None
    if tool in ("npm", "pnpm"):
        words = words[1:] if words[:1] == ["--"] else ([] if tool == "npm" else words)
    more = "".join(f" {word}" for word in words)
    if any(char in more for char in "\"'$&;|<>`\\*?"):
        return None
    evidence = package_evidence(package, action)
    return _of_text(facts, text + more, replace(inner, evidence=evidence), depth + 1)
