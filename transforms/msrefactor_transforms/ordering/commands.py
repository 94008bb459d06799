"""What a command needs and touches of files that a COPY below it would bring: whether the two may swap."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from msrefactor.commands import redirect_writes
from msrefactor.facts import Effect, Fact, ItemFact, Role, Scope, after_command, is_under, overlaps
from msrefactor.model import Refused
from msrefactor.shell import Command, Word

SILENT = frozenset(
    "echo printf true false : set shopt env id whoami uname date sleep hostname nproc getconf type command "
    "which exit arch wait locale pwd seq basename dirname expr kill ps".split()
)
"""Commands that only look at their words."""

_VERSIONS = frozenset({"--version", "-v", "-V", "version", "-version", "--help", "help"})
_LISTS = frozenset({"ls", "dir", "find", "tree", "du"})


@dataclass(slots=True)
class Needed:
    """What commands need of one COPY, gathered while they are looked at from top to bottom."""

    files: dict[str, None] = field(default_factory=dict)
    """In the order in which the managers name them."""
    folders: dict[str, None] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)
    """Folders that have to exist, whatever lies in them."""
    overlaid: set[str] = field(default_factory=set)
    """What the commands fill and another checkout's COPY would put its own state over."""
    made: set[str] = field(default_factory=set)
    """What the commands wrote."""

    def copy(self) -> Needed:
        """Return a copy that later commands don't change."""
        return Needed(
            dict(self.files), dict(self.folders), set(self.places), set(self.overlaid), set(self.made)
        )


@dataclass(frozen=True, slots=True)
class Brought:
    """What one COPY of the build context brings, path by path."""

    fact: Fact

    def source(self, path: str) -> str | None:
        """Return the context path that lands at an image path, whether or not it exists."""
        for placed in reversed(self.fact.placed):
            if path == placed.destination:
                return placed.source
            if placed.is_folder and is_under(path, placed.destination):
                inside = posixpath.relpath(path, placed.destination)
                return posixpath.normpath(posixpath.join(placed.source, inside))
        return None

    def is_file(self, path: str) -> bool:
        """Whether it brings a file to this path."""
        source = self.source(path)
        return bool(source) and self.fact.scope.context.is_file(source or "")

    def is_folder(self, path: str) -> bool:
        """Whether it brings a folder to this path; its own destination doesn't count."""
        source = self.source(path)
        return bool(source) and not self.covers(path) and self.fact.scope.context.is_dir(source or "")

    def covers(self, path: str) -> bool:
        """Whether all of one of its sources lies in this path."""
        return any(is_under(placed.destination, path) for placed in self.fact.placed)

    def may_bring(self, path: str) -> bool:
        """Whether another checkout of the project could bring something to this path."""
        source = self.source(path)
        return source is not None and not self.fact.scope.context.is_ignored(source)


def crossing(fact: Fact, item: ItemFact, brought: Brought, needed: Needed) -> Refused | None:
    """Add what one item of a RUN needs, or say why it can't run before the COPY."""
    commands: Sequence[Command | None] = item.item.commands if item.item is not None else ()
    padded = [*commands, *[None] * (len(item.effects) - len(commands))]
    scope = item.scope or fact.scope
    for effect, command in zip(item.effects, padded, strict=False):
        found = _crossing(effect, command, scope, brought, needed)
        if found is not None:
            return found
        if command is not None:
            scope = after_command(command, effect, scope)
    return None


def _crossing(
    effect: Effect, command: Command | None, scope: Scope, brought: Brought, needed: Needed
) -> Refused | None:
    if effect.role is Role.OPAQUE:
        return Refused("opaque-step", effect.why)
    known = effect.dependencies
    if known is not None and known.obstacle is not None:
        return known.obstacle
    name = _name(effect, command)
    if known is None and effect.role in (Role.BUILD, Role.GATE) and not effect.reads_only:
        return _reads_source(name)
    if effect.role is Role.NAVIGATE:
        needed.places.update(path for path in effect.reads if brought.is_folder(path) or brought.covers(path))
    else:
        reads = known.reads if known is not None else tuple(_reads(effect, command, scope))
        for path in reads:
            if brought.is_file(path):
                needed.files.setdefault(path)
            elif known is not None and brought.is_folder(path):
                needed.folders.setdefault(path)
            elif brought.covers(path) or brought.is_folder(path):
                return _reads_source(name)
            elif known is None and brought.may_bring(path) and not _is_made(path, needed):
                return _reads_source(name)  # what isn't here may be there in another checkout
    for path in _started(effect, command, scope):
        if brought.is_file(path):
            needed.files.setdefault(path)
    if command is not None and _globs(command.words, scope, brought):
        detail = f"`{name}` is given a pattern that matches files of the copied folder"
        return Refused("install-mode", detail, remedy="name the files one by one")
    return _written(effect, command, scope, brought, needed)


def _is_made(path: str, needed: Needed) -> bool:
    return any(is_under(path, made) for made in needed.made)


def _name(effect: Effect, command: Command | None) -> str:
    if command is None:
        return effect.tool
    return " ".join(word.text for word in command.words[:3]) or effect.tool


def _reads_source(name: str) -> Refused:
    return Refused("install-reads-source", f"`{name}` reads the folder that is copied before it")


def _reads(effect: Effect, command: Command | None, scope: Scope) -> Iterator[str]:
    """Yield the paths that a command looks at which installs nothing."""
    yield from effect.reads
    if command is None:
        return
    for redirect in command.redirects:
        target = scope.value(redirect.target) if redirect.target is not None else None
        if "<" in redirect.operator and "<<" not in redirect.operator:
            yield scope.path(target) if target is not None else scope.cwd
    if effect.role is not Role.NOTHING:
        return
    tool = posixpath.basename(effect.tool)
    if tool in SILENT and not any(word.has_glob for word in command.words):
        return
    words = [scope.value(word) for word in command.words[1:]]
    if words and all(word in _VERSIONS for word in words):
        return
    operands = [word for word in words if word is None or not word.startswith("-")]
    if tool in ("test", "[", "[["):
        is_of_files = any(word in ("-f", "-e", "-d", "-s", "-r", "-x", "-L", "-h", "-w") for word in words)
        yield from (scope.path(word) for word in operands if word is not None and is_of_files)
        return
    if tool == "git" or any(word is None for word in operands) or (tool in _LISTS and not operands):
        yield scope.cwd
    if not effect.tool or (tool not in _LISTS and not operands and not effect.reads):
        yield scope.cwd
    yield from (scope.path(word) for word in operands if word is not None)


def _started(effect: Effect, command: Command | None, scope: Scope) -> Iterator[str]:
    """Yield where the program lies that a command starts, if the application brings it."""
    name = scope.value(command.words[0]) if command is not None and command.words else effect.tool
    if not name:
        return
    if "/" in name:
        yield scope.path(name)
        return
    for folder in scope.variables.get("PATH", "").split(":"):
        if folder:
            yield posixpath.join(folder, name)


def _globs(words: Iterable[Word], scope: Scope, brought: Brought) -> bool:
    for word in words:
        text = scope.value(word) if word.has_glob else None
        if text is None:
            continue
        source = brought.source(scope.path(text))
        if source is not None and scope.context.match(source):
            return True
    return False


def _written(
    effect: Effect, command: Command | None, scope: Scope, brought: Brought, needed: Needed
) -> Refused | None:
    known = effect.dependencies
    redirected = redirect_writes(command, scope) if command is not None else ()
    if redirected is None:
        return Refused("opaque-step", "a redirection to a path that isn't known")
    writes = (*known.writes, *redirected) if known is not None else (*effect.writes, *effect.appends)
    needed.made.update(writes)
    for path in (*writes, *effect.removes):
        is_made_twice = effect.tool == "mkdir" and path not in effect.removes
        if is_made_twice and (brought.covers(path) or brought.is_folder(path)) and _is_plain(command):
            continue
        name = _name(effect, command)
        if any(char in path for char in "*{[") and any(
            overlaps(placed.destination, posixpath.dirname(path)) for placed in brought.fact.placed
        ):
            return Refused("install-mode", f"what `{name}` changes isn't known exactly")
        if brought.covers(path):
            return Refused("install-mode", f"`{name}` changes {path}, which is copied before it")
        if brought.is_file(path) or brought.is_folder(path):
            place = brought.source(path) or path
            detail = f"`{name}` changes {path}, and the build context has {place} too"
            remedy = f"add {place} to .dockerignore" if known is not None else ""
            return Refused("install-mode", detail, remedy=remedy)
        if known is not None and brought.may_bring(path):
            needed.overlaid.add(path)
        folder = posixpath.dirname(path)
        if known is None and (brought.is_folder(folder) or brought.covers(folder)):
            needed.places.add(folder)
    return None


def _is_plain(command: Command | None) -> bool:
    return command is not None and not any(word.text.startswith("-m") for word in command.words)
