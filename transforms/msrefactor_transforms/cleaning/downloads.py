"""Archives that a RUN fetches and unpacks: what they are called there, and who else reads them."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace

from msrefactor.commands import clustered_value, option_value
from msrefactor.facts import Fact, Scope, unwrapped
from msrefactor.shell import Command, Word
from msrefactor.variables import references

_ARCHIVES = (
    ".tar", ".tgz", ".tbz2", ".txz", ".tzst", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".zip", ".7z",
)  # fmt: skip
_READERS = {
    "tar": _ARCHIVES, "bsdtar": _ARCHIVES, "unzip": _ARCHIVES, "7z": _ARCHIVES, "7za": _ARCHIVES,
    "dpkg": (".deb",), "apt-get": (".deb",), "apt": (".deb",), "gdebi": (".deb",),
    "rpm": (".rpm",), "yum": (".rpm",), "dnf": (".rpm",),
    "sh": (".run", "conda.sh", "-Linux-x86_64.sh"), "bash": (".run", "conda.sh", "-Linux-x86_64.sh"),
}  # fmt: skip
"""What unpacks or installs a file, and the endings of the files' names."""


_TAKING = frozenset("rm unlink find mv cp rsync ln install".split())
"""What removes a file, or takes it somewhere else."""


@dataclass(frozen=True, slots=True)
class Download:
    """An archive that a RUN fetches, and that the same RUN unpacks."""

    path: str
    """Absolute; variables without a known value stay in it."""
    word: Word
    """The archive as the command that unpacks it calls it."""
    last: int
    """The position of the last item that names it."""
    is_sudo: bool = False
    is_removed: bool = False
    """Whether the same RUN removes it, takes it elsewhere, or may do so."""


def downloads_in(fact: Fact) -> tuple[Download, ...]:
    """Return the archives that the RUN fetches and unpacks itself."""
    fetched: dict[str, bool] = {}
    found: dict[str, Download] = {}
    for position, command, scope, removed in _commands(fact):
        for path in removed:
            for name in [name for name in found if _covers(path, name)]:
                found[name] = replace(found[name], is_removed=True)
        if command is None:
            continue
        words = unwrapped(command.words, scope)
        tool = posixpath.basename(scope.value(words[0]) or "") if words else ""
        if tool in _TAKING:
            paths = [_path(word.text, scope) for word in words[1:]]
            for name, one in found.items():
                if any("$" in path or "`" in path or _covers(path, name) for path in paths):
                    found[name] = replace(one, is_removed=True)
            continue
        if tool in ("curl", "wget"):
            for path in _saved(tool, words, scope):
                fetched[path] = command.words[0].text == "sudo"
            continue
        for word in words:
            path = _path(word.text, scope)
            named = [name for name in found if path == name or ("*" in path and _covers(path, name))]
            if named:
                found.update({name: replace(found[name], last=position) for name in named})
            elif path in fetched and _unpacks(tool, path, words):
                found[path] = Download(path, word, position, fetched[path])
    return tuple(found.values())


def _commands(fact: Fact) -> Iterator[tuple[int, Command | None, Scope, tuple[str, ...]]]:
    scope = fact.scope
    for position, one in enumerate(fact.items):
        commands = one.item.commands if one.item is not None else ()
        for place, effect in enumerate(one.effects):
            yield position, commands[place] if place < len(commands) else None, scope, effect.removes
            if effect.tool in ("cd", "pushd") and effect.reads:
                scope = replace(scope, cwd=effect.reads[0])


def _unpacks(tool: str, path: str, words: tuple[Word, ...]) -> bool:
    """Whether a command takes what it needs out of an archive."""
    if tool not in _READERS or not path.endswith(_READERS[tool]):
        return False
    return tool not in ("tar", "bsdtar") or _extracts(words)


def _extracts(words: tuple[Word, ...]) -> bool:
    first = words[1].text if len(words) > 1 else ""
    options = [word.text for word in words[1:] if word.text.startswith("-")]
    clusters = [option for option in options if not option.startswith("--")]
    return "x" in first or "--extract" in options or any("x" in one for one in clusters)


def _path(text: str, scope: Scope) -> str:
    """Return the path that a word means; what isn't known of it stays as it is written."""
    bare = text.strip("\"'")
    names = references(bare)
    if names and all(name in scope.variables for name in names):
        bare = scope.value(bare) or bare
    return scope.path(bare.replace("${", "$").replace("}", "") if "$" in bare and "$(" not in bare else bare)


def _saved(tool: str, words: tuple[Word, ...], scope: Scope) -> list[str]:
    """Return the files that a download is saved to."""
    texts = tuple(word.text for word in words)
    long_option, letter = ("--output", "o") if tool == "curl" else ("--output-document", "O")
    given, target = clustered_value(texts, letter)
    target = target if given else option_value(texts, long_option)
    if target is not None:
        return [_path(target, scope)] if target != "-" else []
    if given or (tool == "curl" and not _by_name(texts)):
        return []
    folder = option_value(texts, "--output-dir") if tool == "curl" else clustered_value(texts, "P")[1]
    folder = folder or (option_value(texts, "--directory-prefix") if tool == "wget" else None)
    inside = replace(scope, cwd=_path(folder, scope)) if folder else scope
    names = [text.strip("\"'") for text in texts[1:] if "://" in text]
    return [_path(posixpath.basename(name.partition("?")[0]), inside) for name in names]


def _by_name(texts: tuple[str, ...]) -> bool:
    clusters = [text for text in texts if text.startswith("-") and not text.startswith("--")]
    return any("O" in text for text in clusters) or "--remote-name" in texts or "--remote-name-all" in texts


def _covers(removed: str, path: str) -> bool:
    """Whether removing one path, which may hold `*`, removes the other."""
    plain = removed.replace("${", "$").replace("}", "")
    return path == plain or path.startswith(f"{plain}/") or fnmatch.fnmatch(path, plain)


def removes(fact: Fact, path: str) -> bool:
    """Whether a RUN removes a path."""
    return any(_covers(gone, path) for effect in fact.effects for gone in effect.removes)
