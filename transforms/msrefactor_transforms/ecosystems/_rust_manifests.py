"""Cargo's manifests as they lie in the image: packages, their binaries, workspaces, the configuration.

Source: The Cargo Book, "The Manifest Format", "Cargo Targets", "Workspaces", "Configuration".
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msrefactor.facts import Scope
from msrefactor.manifests import toml_table


@dataclass(frozen=True, slots=True)
class Bin:
    """A binary target."""

    name: str
    required: tuple[str, ...] = ()
    """Features without which it isn't built."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a crate is asked for."""

    features: tuple[str, ...] = ()
    with_default: bool = True


@dataclass(frozen=True, slots=True)
class Package:
    """One package; paths are those of the image."""

    folder: str
    name: str
    bins: tuple[Bin, ...]
    is_library: bool
    needs: tuple[str, ...]
    """Folders of the packages that it depends on by path."""
    crates: Mapping[str, Asked]
    """Crates of a registry that it depends on."""
    features: Mapping[str, tuple[str, ...]]

    def enabled(self, asked: Sequence[str], *, everything: bool, with_default: bool) -> frozenset[str]:
        """Return the features that hold when these are asked for."""
        pending = list(self.features) if everything else list(asked)
        if with_default:
            pending.append("default")
        found: set[str] = set()
        while pending:
            name = pending.pop().rpartition("/")[2]
            if name not in found:
                found.add(name)
                pending.extend(self.features.get(name, ()))
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Project:
    """What a cargo command works on."""

    root: str
    """The folder of the workspace, or of the only package."""
    here: Package | None
    """The package of the manifest itself; None: a workspace without one."""
    members: tuple[Package, ...]
    default: tuple[Package, ...]
    """The members that are built when none is named."""

    def package(self, name: str) -> Package | None:
        """Return a member by its name."""
        plain = name.rpartition("/")[2].partition("@")[0]
        return next((one for one in self.members if one.name == plain), None)


def manifest_folder(scope: Scope, folder: str) -> str | None:
    """Return the nearest folder upwards that has a manifest."""
    while True:
        if scope.is_file(posixpath.join(folder, "Cargo.toml")):
            return folder
        if folder == "/":
            return None
        folder = posixpath.dirname(folder)


def project_of(scope: Scope, folder: str) -> Project | None:
    """Return the project whose manifest lies in a folder or above it; None when it can't be read."""
    top = manifest_folder(scope, folder)
    if top is None:
        return None
    data = _manifest(scope, top)
    if data is None:
        return None
    root, table = (top, data) if "workspace" in data else _workspace_above(scope, top)
    own = _package(scope, top, data, table.get("workspace", {}))
    if own is None and "package" in data:
        return None
    if "workspace" not in table:
        if own is None:
            return None
        return Project(top, own, (own,), (own,))
    workspace = table["workspace"]
    folders = _member_folders(scope, root, workspace)
    members = [one for one in (_read(scope, path, workspace) for path in folders) if one is not None]
    for member in (own, _read(scope, root, workspace)):
        if member is not None and all(member.folder != one.folder for one in members):
            members.append(member)
    by_path = _with_path_members(scope, root, members, workspace)
    default = by_path if own is None else (own,)
    named = _strings(workspace.get("default-members"))
    if named and top == root:
        chosen = {posixpath.normpath(posixpath.join(root, one)) for one in _globbed(scope, root, named)}
        default = tuple(one for one in by_path if one.folder in chosen)
    return Project(root, own, by_path, default)


def _with_path_members(
    scope: Scope, root: str, members: Iterable[Package], workspace: Mapping[str, Any]
) -> tuple[Package, ...]:
    """Return the members and what they depend on by path below the root: those are members too."""
    found = {one.folder: one for one in members}
    pending = [path for one in found.values() for path in one.needs]
    while pending:
        path = pending.pop()
        if path in found or not path.startswith(root.rstrip("/") + "/"):
            continue
        package = _read(scope, path, workspace)
        if package is not None:
            found[path] = package
            pending.extend(package.needs)
    return tuple(found.values())


def _workspace_above(scope: Scope, folder: str) -> tuple[str, Mapping[str, Any]]:
    above = folder
    while above != "/":
        above = posixpath.dirname(above)
        data = _manifest(scope, above)
        if data is not None and isinstance(data.get("workspace"), dict):
            return above, data
    return folder, {}


def _manifest(scope: Scope, folder: str) -> Mapping[str, Any] | None:
    text = scope.read(posixpath.join(folder, "Cargo.toml"))
    return toml_table(text) if text is not None else None


def _read(scope: Scope, folder: str, workspace: Mapping[str, Any]) -> Package | None:
    data = _manifest(scope, folder)
    return _package(scope, folder, data, workspace) if data is not None else None


def _strings(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _member_folders(scope: Scope, root: str, workspace: Mapping[str, Any]) -> list[str]:
    excluded = {posixpath.normpath(posixpath.join(root, one)) for one in _strings(workspace.get("exclude"))}
    names = _globbed(scope, root, _strings(workspace.get("members")))
    folders = [posixpath.normpath(posixpath.join(root, name)) for name in names]
    return [folder for folder in dict.fromkeys(folders) if folder not in excluded]


def _globbed(scope: Scope, root: str, names: Iterable[str]) -> list[str]:
    """Return the member folders that the patterns mean, relative to the root."""
    found: list[str] = []
    for name in names:
        if not any(char in name for char in "*?["):
            found.append(name)
            continue
        start = posixpath.dirname(name.split("*")[0].split("?")[0].split("[")[0] + "x")
        folder = posixpath.normpath(posixpath.join(root, start))
        for file in sorted(scope.files(folder)):
            if posixpath.basename(file) == "Cargo.toml":
                path = posixpath.normpath(posixpath.join(start, posixpath.dirname(file)))
                is_as_deep = path.count("/") == name.strip("/").count("/")
                if is_as_deep and fnmatch.fnmatchcase(path, name.strip("/").removeprefix("./")):
                    found.append(path)
    return found


def _package(
    scope: Scope, folder: str, data: Mapping[str, Any], workspace: Mapping[str, Any]
) -> Package | None:
    table = _table(data.get("package") or data.get("project"))
    name = table.get("name")
    if not isinstance(name, str):
        return None
    needs: list[str] = []
    crates: dict[str, Asked] = {}
    shared = _table(workspace.get("dependencies"))
    targets = [_table(one).get("dependencies") for one in _table(data.get("target")).values()]
    for listed in (data.get("dependencies"), *targets):
        for key, spec in _table(listed).items():
            given = shared.get(key) if isinstance(spec, dict) and spec.get("workspace") is True else spec
            path = given.get("path") if isinstance(given, dict) else None
            if isinstance(path, str):
                base = folder if given is spec else _workspace_above(scope, folder)[0]
                needs.append(posixpath.normpath(posixpath.join(base, path)))
            else:
                details = _table(given)
                features = (*_strings(details.get("features")), *_strings(_table(spec).get("features")))
                with_default = details.get("default-features", details.get("default_features")) is not False
                crates[str(details.get("package", key))] = Asked(features, with_default)
    own_features = {key: tuple(_strings(value)) for key, value in _table(data.get("features")).items()}
    is_library = "lib" in data or scope.is_file(posixpath.join(folder, "src/lib.rs"))
    bins = _bins(scope, folder, name, data, autobins=table.get("autobins") is not False)
    return Package(folder, name, bins, is_library, tuple(needs), crates, own_features)


def _bins(
    scope: Scope, folder: str, name: str, data: Mapping[str, Any], *, autobins: bool
) -> tuple[Bin, ...]:
    """Return the binaries that the manifest names, and those that cargo finds by their place."""
    inferred = dict(_inferred(scope, folder, name))
    found: list[Bin] = []
    paths: set[str] = set()
    listed = data.get("bin")
    for entry in listed if isinstance(listed, list) else ():
        target = _table(entry)
        label = target.get("name")
        if not isinstance(label, str):
            continue
        path = target.get("path")
        known = next((place for place, one in inferred.items() if one == label), "src/main.rs")
        paths.add(posixpath.normpath(path) if isinstance(path, str) else known)
        found.append(Bin(label, tuple(_strings(target.get("required-features")))))
    if autobins:
        names = {one.name for one in found}
        found.extend(
            Bin(label) for place, label in inferred.items() if label not in names and place not in paths
        )
    return tuple(found)


def _inferred(scope: Scope, folder: str, name: str) -> Iterable[tuple[str, str]]:
    """Yield the source files of binaries at their usual places, with the binary's name."""
    if scope.is_file(posixpath.join(folder, "src/main.rs")):
        yield "src/main.rs", name
    origin = scope.origin(posixpath.join(folder, "src/bin"))
    if origin is None:
        return
    for file in scope.context.files(origin):
        inside = posixpath.relpath(file, origin)
        if "/" not in inside and inside.endswith(".rs"):
            yield f"src/bin/{inside}", inside.removesuffix(".rs")
        elif inside.count("/") == 1 and inside.endswith("/main.rs"):
            yield f"src/bin/{inside}", inside.partition("/")[0]


def configuration(scope: Scope, folder: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return cargo's configuration files from a folder upwards: the folder each holds for, and its table."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    while True:
        for name in (".cargo/config", ".cargo/config.toml"):
            text = scope.read(posixpath.join(folder, name))
            table = toml_table(text) if text is not None else None
            if table is not None:
                found.append((folder, table))
                break
        if folder == "/":
            return found
        folder = posixpath.dirname(folder)


def setting(
    configured: Sequence[tuple[str, Mapping[str, Any]]], table: str, key: str
) -> tuple[str, Any] | None:
    """Return the nearest value of a setting and the folder that its file holds for."""
    for folder, data in configured:
        value = _table(data.get(table)).get(key)
        if value is not None:
            return folder, value
    return None
