"""Which caches the package managers of the languages leave in a layer: the table, applied to a RUN."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from msrefactor.code.node_package import read_package
from msrefactor.facts import Effect, Fact, Scope, is_under, overlaps, unwrapped
from msrefactor.shell import Command, Word
from msrefactor_transforms.cleaning.layers import is_lent, is_mounted
from msrefactor_transforms.ecosystems._ruby_commands import GemInstall
from msrefactor_transforms.knowledge.package_caches import PackageCache, package_caches

_OF_LANGUAGES = (
    "pip", "uv", "poetry", "pipenv", "conda", "micromamba", "npm", "yarn", "yarn-berry", "pnpm", "bun", "gem",
    "composer", "go", "cargo",
)  # fmt: skip
_WITH_VALUE = frozenset(
    "--prefix -C --dir --cwd --filter -F -w --workspace --working-dir -d --directory --project --cache "
    "--cache-dir --cache-folder".split()
)
_MOVING_OPTIONS = frozenset(
    "--cache --cache-dir --cache-folder --store-dir --no-index --offline --prefer-offline".split()
)
"""With these the usual cache gets nothing new."""
_INTO_FOLDER = ("npm", "yarn", "yarn-berry", "pnpm", "bun")
"""They install into the project's folder: where that is only lent to the RUN, it is made for the cache."""


@dataclass(frozen=True, slots=True)
class Left:
    """A cache that one command of a RUN leaves."""

    entry: PackageCache
    """With the folders as they are here."""
    command: Command
    position: int
    """Of the item it belongs to."""
    action: Word
    """The word behind which an option goes."""
    tool: str
    """The tool as the author calls it, `sudo` before it."""


def caches_left(fact: Fact) -> tuple[Left, ...]:
    """Return the caches that a RUN leaves in its layer, one per command where an option avoids it."""
    left: dict[tuple[str, int], Left] = {}
    for position, command, scope, removed in commands_with_scope(fact):
        if command is None:
            left = {k: one for k, one in left.items() if not _is_removed(one.entry, removed, fact)}
            continue
        words = unwrapped(command.words, scope)
        called = called_tool(words, scope)
        left = {k: one for k, one in left.items() if not _is_removed(one.entry, removed, fact)}
        if called is None:
            continue
        tool, rest = called
        for name in [name for (name, _), one in left.items() if _cleans(one.entry, tool, rest, scope)]:
            left = {k: one for k, one in left.items() if k[0] != name}
        one = _left(fact, position, command, scope, tool, words, rest)
        if one is not None:
            left[one.entry.name, command.start if one.entry.option else -1] = one
    return tuple(left.values())


def commands_with_scope(fact: Fact) -> Iterator[tuple[int, Command | None, Scope, tuple[str, ...]]]:
    """Yield the commands of a RUN: the item's position, what holds there, and what the command removes."""
    cwd = fact.scope.cwd
    for position, one in enumerate(fact.items):
        commands = one.item.commands if one.item is not None else ()
        for place, effect in enumerate(one.effects):
            command = commands[place] if place < len(commands) else None
            assigned = {}
            if command is not None:
                assigned = {name: word.literal or "" for name, word in command.assignments}
            scope = replace(fact.scope, cwd=cwd, variables={**fact.scope.variables, **assigned})
            yield position, command, scope, (*effect.removes, *_found(command, effect))
            if effect.tool in ("cd", "pushd") and effect.reads:
                cwd = effect.reads[0]


def _found(command: Command | None, effect: Effect) -> tuple[str, ...]:
    """Return the folders in which a `find` removes what it finds, as the author chose it."""
    texts = {word.text for word in command.words} if command is not None else set()
    return effect.writes if effect.tool == "find" and texts & {"-delete", "rm"} else ()


def called_tool(words: Sequence[Word], scope: Scope) -> tuple[str, list[Word]] | None:
    """Return the tool that is run, without its version, and the words behind it."""
    values = [scope.value(word) for word in words]
    if not values or values[0] is None:
        return None
    tool, rest = posixpath.basename(values[0]), list(words[1:])
    bare = tool.rstrip("0123456789.") or tool
    if bare in ("python", "pypy") and len(values) > 2 and values[1] == "-m" and values[2]:
        return values[2].rstrip("0123456789.") or values[2], rest[2:]
    if tool in ("php", "corepack") and len(values) > 1 and values[1]:
        tool, rest = posixpath.basename(values[1]), rest[1:]
        bare = tool
    return bare.removesuffix(".phar"), rest


def operand_words(words: Sequence[Word]) -> list[Word]:
    """Return the words that are neither options nor values of options."""
    found: list[Word] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.text.startswith("-"):
            if word.text in _WITH_VALUE and rest:
                rest.pop(0)
            continue
        found.append(word)
    return found


def _cleans(entry: PackageCache, tool: str, rest: Sequence[Word], scope: Scope) -> bool:
    """Whether a command removes a cache: one of its tool, or of another tool with the same folders."""
    first = next((scope.value(word) for word in operand_words(rest)), None)
    return any(
        tool in one.tools and first in one.cleans and (one.name == entry.name or _shares(one, entry, scope))
        for one in package_caches().values()
    )


def _shares(one: PackageCache, entry: PackageCache, scope: Scope) -> bool:
    folders = [scope.path(folder) for folder in one.cache if not folder.startswith("{")]
    return any(overlaps(folder, scope.path(own)) for folder in folders for own in entry.cache)


def _left(
    fact: Fact, position: int, command: Command, scope: Scope, tool: str, words: Sequence[Word],
    rest: Sequence[Word],
) -> Left | None:  # fmt: skip
    entry = next((one for name in _OF_LANGUAGES if tool in (one := package_caches()[name]).tools), None)
    if entry is None or command.is_substituted:
        return None
    if entry.name == "yarn":
        entry = yarn_of(fact, scope)
    if entry is None:
        return None
    operands = operand_words(rest)
    texts = [scope.value(word) or "" for word in operands]
    action = _action(entry, operands, texts)
    if action is None and not ("" in entry.actions and not operands):
        return None
    if any(word.text.partition("=")[0] in _MOVING_OPTIONS for word in rest):
        return None
    if tool == "bundle" and any(word.text == "--local" for word in rest):
        return None
    if any(word.text in ("--help", "-h", "--version", "-v") for word in rest[:1]):
        return None
    if any(word.text in entry.options for word in rest):
        return None
    if entry.name in _INTO_FOLDER and is_lent(fact, scope.cwd):
        return None
    if any(scope.variables.get(name) for name in entry.no_cache):
        return None
    placed = _placed(entry, fact, position, scope)
    if placed is None or any(is_mounted(fact, folder) for folder in placed.cache):
        return None
    last_of_tool = words[len(words) - len(rest) - 1]
    prefix = "sudo " if command.words[0].text == "sudo" else ""
    name = " ".join(word.text for word in words[: words.index(last_of_tool) + 1])
    return Left(placed, command, position, action or last_of_tool, prefix + name)


def _action(entry: PackageCache, operands: Sequence[Word], texts: Sequence[str]) -> Word | None:
    """Return the last word of the action, where it is one that downloads."""
    for name in entry.actions:
        parts = name.split()
        if parts and list(texts[: len(parts)]) == parts:
            return operands[len(parts) - 1]
    return None


def _placed(entry: PackageCache, fact: Fact, position: int, scope: Scope) -> PackageCache | None:
    """Return the entry with the folders that it means for this command; None: they aren't known."""
    values = {"{gems}": "", "{cargo}": scope.variables.get("CARGO_HOME", "")}
    if entry.name == "gem":
        values["{gems}"] = gems_of(fact, position)
    texts = [*entry.cache, entry.clean]
    for mark, value in values.items():
        if any(mark in text for text in texts) and not value:
            return None
        texts = [text.replace(mark, value) for text in texts]
    moved = next((scope.variables[name] for name in entry.moved_by if scope.variables.get(name)), None)
    if moved is not None:
        texts[0] = moved
    if entry.clean.startswith("rm ") and "~" in "".join(texts):
        if not scope.is_home_known or moved is not None:
            return None
        texts = [text.replace("~", scope.home) for text in texts]
    cache = tuple(scope.path(text) for text in texts[:-1])
    return replace(entry, cache=cache, clean=texts[-1])


def gems_of(fact: Fact, position: int) -> str:
    """Return where the gems of an item go, whose `cache` has the downloads; empty: not known."""
    for effect in fact.items[position].effects:
        if not isinstance(effect.detail, GemInstall):
            continue
        where = effect.detail.where
        is_chosen = effect.detail.tool == "bundle" and fact.scope.variables.get("BUNDLE_PATH") == where
        if where == fact.scope.variables.get("GEM_HOME") and not is_chosen:
            return where
        if where == "/var/lib/gems":
            return f"{where}/*"
        return f"{where}/ruby/*" if effect.detail.tool == "bundle" else ""
    return ""


def yarn_of(fact: Fact, scope: Scope) -> PackageCache | None:
    """Return which yarn it is; None: it isn't known, or its programs are read out of the cache."""
    if not fact.scope.context.known:
        return None
    folder = scope.origin(scope.cwd) or ""
    settings = scope.read(scope.path(".yarnrc.yml"))
    package = read_package(scope.context, folder)
    named = (package.package_manager or "") if package is not None else ""
    if settings is None and (not named.startswith("yarn@") or named.startswith("yarn@1")):
        return package_caches()["yarn"]
    linked = "nodeLinker: node-modules" in (settings or "").replace('"', "").replace("'", "")
    own = scope.has(scope.path(".yarn/cache"))
    return package_caches()["yarn-berry"] if linked and not own else None


def _is_removed(entry: PackageCache, removed: Sequence[str], fact: Fact) -> bool:
    for path in removed:
        folder = path.removesuffix("/*") or "/"
        if any(is_under(cache, folder) or is_under(cache, path) for cache in _expanded(entry, fact)):
            return True
    return False


def _expanded(entry: PackageCache, fact: Fact) -> tuple[str, ...]:
    return tuple(fact.scope.path(cache) for cache in entry.cache)


def cleaned_by(fact: Fact, entry: PackageCache) -> bool:
    """Whether a RUN removes a cache that an earlier one left."""
    for _, command, scope, removed in commands_with_scope(fact):
        if _is_removed(entry, removed, fact):
            return True
        called = called_tool(unwrapped(command.words, scope), scope) if command is not None else None
        if called is not None and _cleans(entry, called[0], called[1], scope):
            return True
    return False
