"""Where a path of the finished image was built: back through the commands that moved or copied it."""

from __future__ import annotations

import posixpath

from msrefactor.facts import StageFacts, is_under

_MOVERS = frozenset({"cp", "mv", "install"})


def origin_of(facts: StageFacts, path: str) -> str:
    """Return from where `mv`, `cp` or `install` brought what lies at a path; else the path itself."""
    for _, effect in reversed(facts.effects()):
        if posixpath.basename(effect.tool) not in _MOVERS:
            continue
        for source, target in zip(effect.reads, effect.writes, strict=False):
            if target != "/" and is_under(path, target):
                inside = posixpath.relpath(path, target)
                path = posixpath.normpath(posixpath.join(source.removesuffix("/*"), inside))
                break
    return path
