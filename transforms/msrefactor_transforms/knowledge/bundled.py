"""Packages of npm that open nothing beside their code: a program that has the code needs no node_modules."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from msrefactor.code.needs import SourceReader
from msrefactor.code.node_package import NodePackage, plain_json
from msrefactor.knowledge.tables import lines
from msrefactor.manifests import json_value


@functools.cache
def _whole() -> frozenset[str]:
    rows = lines("bundled_whole.txt", "msrefactor_transforms.knowledge")
    return frozenset(name for row in rows for name in row.split())


def reads_nothing_beside_itself(reader: SourceReader, package: NodePackage) -> bool:
    """Whether the table has every package that is installed to run, by bun's lock file."""
    if package.workspaces or package.local_dependencies:
        return False
    direct = {*package.dependencies, *package.optional}
    if not direct:
        return True
    lock = next((name for name in package.locks if name.endswith("bun.lock")), None)
    locked = _locked(reader.read_text(lock) or "") if lock is not None else None
    if locked is None:
        return False
    reached: set[str] = set()
    pending = sorted(direct)
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending.extend(locked.get(name, ()))
    return reached <= _whole()


def _locked(text: str) -> Mapping[str, tuple[str, ...]] | None:
    """Return the packages of a bun.lock, each with those that it depends on and that are there."""
    try:
        packages = json_value(plain_json(text))["packages"]
        found = {name: entry[2] for name, entry in packages.items() if len(entry) > 2}
        return {
            name: tuple(
                other
                for kind in ("dependencies", "optionalDependencies", "peerDependencies")
                for other in said.get(kind, {})
                if other in packages and other not in said.get("optionalPeers", ())
            )
            for name, said in found.items()
            if isinstance(said, dict)
        }
    except (KeyError, TypeError, AttributeError):
        return None
