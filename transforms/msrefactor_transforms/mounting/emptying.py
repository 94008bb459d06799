"""What of a RUN would empty its mounts, or remove their folders."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeAlias

from msrefactor.facts import Scope
from msrefactor.shell import Word

if TYPE_CHECKING:
    from msrefactor_transforms.mounting.installs import Installs

Why: TypeAlias = tuple[str, str]
"""What speaks against a mount, and what would lift it."""


def dropped(found: Installs, position: int) -> list[Why]:
    """Leave a command out that empties the cache; return why that can't be done."""
    item = found.fact.items[position].item
    items = found.fact.items
    before = items[position - 1].item if position else None
    plain = item is not None and item.kind == "command" and item.separator in ("&&", ";", "")
    if not plain or (before is not None and before.separator not in ("&&", ";")):
        return [("a command that would empty the mount can't be left out by itself", "take the command out")]
    found.spare_items.add(position)
    return []


def removed(found: Installs, folders: Sequence[str]) -> list[Why]:
    """Leave out what removes files of the mounts, and of these folders; return why that can't be done."""
    for position, one in enumerate(found.fact.items):
        commands = one.item.commands if one.item is not None else ()
        for place, effect in enumerate(one.effects):
            command = commands[place] if place < len(commands) else None
            scope = one.scope or found.fact.scope
            arguments = command.arguments if command is not None and command.name == "rm" else ()
            operands = [word for word in arguments if not word.text.startswith("-")]
            gone = [*effect.removes, *effect.may_remove, *(_path(word, scope) for word in operands)]
            if effect.tool == "find":
                gone += effect.writes
            if not any(touches(path, folders) for path in gone):
                continue
            if posixpath.basename(effect.tool) != "rm" or not operands:
                return [("a command removes what is in the mount", "take the command out")]
            inside = [word for word in operands if _is_inside(_path(word, scope), folders)]
            if any(touches(_path(word, scope), folders) for word in operands if word not in inside):
                return [
                    ("a command would remove the folder that is mounted, which fails", "take the command out")
                ]
            if len(inside) < len(operands):
                found.spare_words.extend(inside)
            elif why := dropped(found, position):
                return why
    return []


def _path(word: Word, scope: Scope) -> str:
    return scope.path(scope.value(word) or word.text)


def touches(path: str, folders: Sequence[str]) -> bool:
    """Whether a path, maybe with patterns of the shell, may mean something in a folder or around it."""
    return any(_matches(path, folder) for folder in folders)


def _matches(path: str, folder: str) -> bool:
    pairs = zip(path.split("/"), folder.split("/"), strict=False)
    return all(fnmatchcase(name, pattern) for pattern, name in pairs)


def _is_inside(path: str, folders: Sequence[str]) -> bool:
    """Whether a path means a folder, or what is in it, and nothing beside it."""
    for folder in folders:
        parts, names = path.split("/"), folder.split("/")
        is_deep = len(parts) >= len(names) and parts[len(names) - 1] == names[-1]
        if is_deep and _matches(path, folder):
            return True
    return False
