"""Exactly which files of the application `cargo fetch` reads, and what it fills.

Measured with cargo 1.95: a manifest is parsed only where each of its targets has a `path`, or a file at its
usual place; a file that `path` names needn't be there. So without one the source has to be there, and it
isn't put there by another hand: a dummy `main.rs` leads to stale programs (rust-lang/cargo#7181).

Sources: The Cargo Book, "cargo fetch", "Cargo Targets", "Configuration", "Source Replacement".
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from msrefactor.facts import Dependencies, Scope
from msrefactor.manifests import toml_table
from msrefactor.model import Refused
from msrefactor_transforms.ecosystems._rust_manifests import configuration, project_of

_DEPENDENCIES = frozenset("dependencies dev-dependencies build-dependencies dev_dependencies".split())
_TOOLCHAIN = ("rust-toolchain", "rust-toolchain.toml", ".cargo/config", ".cargo/config.toml")
_MAX_MANIFESTS = 500


def of_fetch(folder: str, home: str, scope: Scope) -> Dependencies:
    """Return what `cargo fetch` reads for the manifest in a folder of the image; `home` is CARGO_HOME."""
    project = project_of(scope, folder)
    if project is None:
        return _unread(f"no Cargo.toml that is understood is found in {folder}")
    pending = [project.root, folder, *(package.folder for package in project.members)]
    manifests: dict[str, None] = {}
    obstacle: Refused | None = None
    while pending and len(manifests) < _MAX_MANIFESTS:
        place = pending.pop(0)
        path = posixpath.join(place, "Cargo.toml")
        if path in manifests:
            continue
        manifests[path] = None
        data = toml_table(scope.read(path) or "")
        if not data:
            return _unread(f"{path} isn't in the build context, or isn't understood")
        if "package" in data and not _names_targets(data):
            detail = f"cargo reads {path} only where the source of its targets lies"
            remedy = 'write where it lies into the manifest: `path = "src/main.rs"` under `[[bin]]`'
            obstacle = obstacle or Refused("install-reads-source", detail, remedy=remedy)
        pending.extend(posixpath.normpath(posixpath.join(place, one)) for one in _paths(data))
    lock = posixpath.join(project.root, "Cargo.lock")
    reads = [*manifests, lock, *_settings(folder, scope)]
    for _, table in configuration(scope, folder):
        if "paths" in table or "include" in table or "patch" in table:
            obstacle = obstacle or Refused("install-mode", "cargo's configuration names other files")
        if "source" in table:
            return Dependencies("", tuple(reads))  # the crates lie in the project, nothing is fetched
    writes = [posixpath.join(home, "registry"), posixpath.join(home, "git")]
    if not scope.is_file(lock):
        writes.append(lock)
    return Dependencies("Cargo", tuple(reads), tuple(writes), obstacle)


def _unread(detail: str) -> Dependencies:
    return Dependencies("Cargo", obstacle=Refused("install-mode", detail))


def _names_targets(data: Mapping[str, Any]) -> bool:
    """Whether a manifest says of each of its targets where it lies, and has one that is built."""
    library = data.get("lib")
    if isinstance(library, dict) and "path" not in library:
        return False
    for kind in ("bin", "example", "test", "bench"):
        listed = data.get(kind)
        if any("path" not in one for one in (listed if isinstance(listed, list) else ())):
            return False
    return isinstance(library, dict) or bool(data.get("bin"))


def _paths(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the folders that a manifest names by `path`, wherever dependencies stand in it."""
    for key, value in data.items():
        if key in _DEPENDENCIES or key == "replace":
            tables = value.values() if isinstance(value, dict) else ()
            yield from (one["path"] for one in tables if isinstance(one, dict) and _has_path(one))
        elif key in ("target", "patch"):
            for inner in value.values() if isinstance(value, dict) else ():
                if isinstance(inner, dict):
                    yield from _paths(inner if key == "target" else {"dependencies": inner})
        elif key == "workspace" and isinstance(value, dict):
            yield from _paths(value)


def _has_path(table: Mapping[str, Any]) -> bool:
    return isinstance(table.get("path"), str)


def _settings(folder: str, scope: Scope) -> Iterator[str]:
    """Yield the files, here and in the folders above, by which cargo and rustup are set up."""
    while True:
        yield from (posixpath.join(folder, name) for name in _TOOLCHAIN)
        if folder == "/":
            return
        folder = posixpath.dirname(folder)


def toolchain_files(scope: Scope) -> tuple[str, ...]:
    """Return the files of the application that say which toolchain rustup works on ("Overrides")."""
    return tuple(
        path for path in _settings(scope.cwd, scope) if "rust-toolchain" in path and scope.is_file(path)
    )
