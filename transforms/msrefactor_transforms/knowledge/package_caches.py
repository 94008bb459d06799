"""The caches of package managers: package_caches.toml, whose header says what each key means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from msrefactor.knowledge.tables import text_of


@dataclass(frozen=True, slots=True)
class PackageCache:
    """What one package manager leaves."""

    name: str
    tools: tuple[str, ...]
    actions: tuple[str, ...]
    cache: tuple[str, ...]
    moved_by: tuple[str, ...] = ()
    option: str = ""
    spellings: tuple[str, ...] = ()
    no_cache: tuple[str, ...] = ()
    clean: str = ""
    cleans: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    last: bool = False
    mount: tuple[str, ...] = ()
    users_mount: tuple[str, ...] = ()
    sharing: str = "shared"
    alone: bool = False
    needed: bool = False
    fills: tuple[str, ...] = ()
    keeps: str = ""
    instead: str = ""
    spare: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()
    offline: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    traps: str = ""
    source: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """Every way to write the option."""
        return (self.option, *self.spellings) if self.option else ()


@cache
def package_caches() -> Mapping[str, PackageCache]:
    """Return every package manager of the table by its name."""
    import tomllib

    table = tomllib.loads(text_of("package_caches.toml", __package__))
    return {name: PackageCache(name, **_values(row)) for name, row in table.items()}


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
