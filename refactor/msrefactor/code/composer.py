"""composer.json and composer.lock: what Composer installs, where to, and what it runs besides.

Source: getcomposer.org "The composer.json schema", "Scripts".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msrefactor.manifests import json_value

EVENTS = frozenset(
    "pre-install-cmd post-install-cmd pre-update-cmd post-update-cmd pre-autoload-dump post-autoload-dump "
    "pre-package-install post-package-install pre-operations-exec".split()
)
"""Events of an install or update, to which scripts are bound (getcomposer.org "Scripts")."""


@dataclass(frozen=True, slots=True)
class ComposerProject:
    """What composer.json says, as far as an install depends on it."""

    vendor: str = "vendor"
    """Folder of the packages, below the project."""
    requires: tuple[str, ...] = ()
    events: frozenset[str] = frozenset()
    """Events with scripts of the project."""
    scripts: frozenset[str] = frozenset()
    """Names of all scripts."""
    has_path_repositories: bool = False
    has_plugins: bool = False
    """Whether plugins may run, which put files anywhere in the project."""
    platform: Mapping[str, str] = field(default_factory=dict)


def read_composer(text: str) -> ComposerProject | None:
    """Read composer.json; None: it can't be read."""
    document = _document(text)
    if document is None:
        return None
    config = _table(document.get("config"))
    scripts = frozenset(_table(document.get("scripts")))
    vendor = config.get("vendor-dir", "vendor")
    repositories = document.get("repositories") or ()
    entries: Iterable[Any] = repositories.values() if isinstance(repositories, dict) else repositories
    is_path = any(isinstance(entry, dict) and entry.get("type") == "path" for entry in entries)
    plugins = config.get("allow-plugins", False)
    requires = (*_table(document.get("require")), *_table(document.get("require-dev")))
    return ComposerProject(
        vendor.rstrip("/") if isinstance(vendor, str) and vendor else "vendor",
        requires,
        scripts & EVENTS,
        scripts,
        is_path,
        any(plugins.values()) if isinstance(plugins, dict) else bool(plugins),
        {name: str(value) for name, value in _table(config.get("platform")).items()},
    )


def read_composer_lock(text: str) -> tuple[str, ...] | None:
    """Return the names of all packages of a composer.lock; None: it can't be read."""
    document = _document(text)
    if document is None:
        return None
    return tuple(
        entry["name"]
        for section in ("packages", "packages-dev")
        for entry in document.get(section) or ()
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    )


def _document(text: str) -> dict[str, Any] | None:
    document = json_value(text)
    return document if isinstance(document, dict) else None


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
