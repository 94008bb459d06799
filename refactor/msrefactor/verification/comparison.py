"""Two root file systems compared without running anything: what the new one lacks that something needs.

Both images are asked the same questions (`reach`, `*_wants`). What is not found in the new image and was
found in the old one is a difference; what merely is gone is told as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msrefactor.verification.application import (
    application_differences,
    application_paths,
    dangling,
    is_runtime,
    kind_of,
)
from msrefactor.verification.differences import Difference, Level
from msrefactor.verification.elf import MAGIC
from msrefactor.verification.filesystem import Filesystem
from msrefactor.verification.node_wants import node_wants
from msrefactor.verification.packages import Installed, read_installed
from msrefactor.verification.python_wants import python_wants
from msrefactor.verification.reach import Reach, Want, reach_of
from msrefactor.verification.runtime_wants import java_release, runtime_wants
from msrefactor.verification.system_wants import system_wants

_OPTIONAL = ("_tkinter.", "_gdbm.", "_dbm.", "nis.")
"""Modules of Python's standard library that the slim images don't have the libraries for."""


@dataclass(frozen=True, slots=True)
class Gone:
    """Files of one kind that only the old image has; size in bytes."""

    kind: str
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class FileReport:
    """How two images' files differ."""

    differences: tuple[Difference, ...]
    """Losses that something reachable needs, and application files that aren't the same."""
    notes: tuple[str, ...] = ()
    """What isn't the same and need not be."""
    gone_packages: tuple[tuple[str, str, str], ...] = ()
    """Packages that only the old image has: manager (`system`, `python`, `node`), name, version."""
    gone: tuple[Gone, ...] = ()
    """By kind, the largest first."""


def compare_filesystems(
    before: Filesystem,
    after: Filesystem,
    before_config: Mapping[str, Any],
    after_config: Mapping[str, Any],
    *,
    base_layers: int = 0,
) -> FileReport:
    """Compare two images' files; configurations are what `docker image inspect` calls Config.

    `base_layers` is how many of the old image's layers are its base image's; 0 where nobody knows: then the
    base image's files are known by their places. Raises `VerifyExtraMissing` without pyelftools.
    """
    old_installed, new_installed = read_installed(before), read_installed(after)
    own = tuple(application_paths(before, old_installed, base_layers))
    new_own = tuple(application_paths(after, new_installed))
    new = _wants(after, after_config, new_own)
    old = _wants(before, before_config, own)
    _libraries_of_application(new, new_own)
    lacking = {want.key for want in new.wants if want.found is None}
    names = {key[2] for key in lacking}
    _libraries_of_application(old, tuple(path for path in before.nodes if path.rpartition("/")[2] in names))
    differences = [*_lost(old, new, old_installed, before)]
    old_java, new_java = java_release(old), java_release(new)
    if old_java is not None and new_java is not None and old_java != new_java:
        cause = "classes and options of one release need not work with another"
        differences.append(
            Difference(Level.FILES, "Java", f"release {old_java}", f"release {new_java}", cause)
        )
    unequal, notes = application_differences(before, after, own)
    differences += unequal
    told = {one.subject for one in differences}
    differences += [one for one in dangling(before, after, own) if one.subject not in told]
    differences += _volumes(before, after, before_config)
    differences += _addons(before, after, own)
    return FileReport(
        tuple(differences), notes, _gone_packages(old_installed, new_installed), _gone(before, after)
    )


def _wants(root: Filesystem, config: Mapping[str, Any], own: tuple[str, ...]) -> Reach:
    reach = reach_of(root, config)
    python_wants(reach)
    node_wants(reach)
    runtime_wants(reach)
    system_wants(reach, own)
    return reach


def _libraries_of_application(reach: Reach, paths: tuple[str, ...]) -> None:
    """Want the libraries of compiled files that nothing in the image starts by name: extensions, plugins."""
    for path in paths:
        node = reach.root.nodes[path]
        name = path.rpartition("/")[2]
        if node.kind != "file" or not (node.mode & 0o111 or ".so" in name or name.endswith(".node")):
            continue
        if name.startswith(_OPTIONAL) or (is_runtime(path) and "lib-dynload" not in path):
            continue
        if reach.root.head(path, 4) == MAGIC:
            reach.libraries(path)


def _lost(old: Reach, new: Reach, installed: Installed, before: Filesystem) -> tuple[Difference, ...]:
    """Return what the new image lacks; what several need is told once."""
    lacked = {want.key for want in old.wants if want.found is None}
    had: dict[tuple[str, str], Want] = {}
    for want in old.wants:
        if want.found is not None:
            had.setdefault(want.key[:2], want)
    groups: dict[tuple[str, str], list[Want]] = {}
    for want in new.wants:
        if want.found is None and want.key not in lacked:
            groups.setdefault(want.key[:2], []).append(want)
    found: list[Difference] = []
    for key, wants in groups.items():
        first = wants[0]
        was = had.get(key)
        who = len({want.by for want in wants})
        needers = f"{first.by} and {who - 1} more need" if who > 1 else f"{first.by} needs"
        owner = installed.owner(before, was.found) if was is not None and was.found is not None else None
        provided = f", which {owner} provided" if owner else ""
        cause = f"{needers} the {first.kind} {first.name}{provided}"
        reason = next((one.reason for one in wants if one.reason), "")
        place = was.found if was is not None and was.found is not None else "present"
        now = "not usable" if " may not " in reason else "missing"
        found.append(
            Difference(Level.FILES, first.name, place, now, f"{cause}: {reason}" if reason else cause)
        )
    return tuple(found)


def _volumes(before: Filesystem, after: Filesystem, config: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return the folders declared as volumes that are gone, or that belong to somebody else."""
    return tuple(
        Difference(Level.FILES, path, "a folder", "missing", "VOLUME names it, and an empty one is root's")
        for path in sorted(config.get("Volumes") or ())
        if before.is_folder(path) and after.get(path) is None
    )


def _addons(before: Filesystem, after: Filesystem, own: tuple[str, ...]) -> tuple[Difference, ...]:
    """Return the compiled addons of Node packages that are gone while the package is there."""
    gone: dict[str, list[str]] = {}
    for path in sorted(one for one in own if one.endswith(".node") and before.is_file(one)):
        above, mark, inner = path.rpartition("/node_modules/")
        if not mark or "/obj.target/" in path or path in after.nodes or before.head(path, 4) != MAGIC:
            continue
        name = "/".join(inner.split("/")[: 2 if inner.startswith("@") else 1])
        if after.is_folder(f"{above}/node_modules/{name}"):
            gone.setdefault(name, []).append(path)
    return tuple(
        Difference(
            Level.FILES,
            f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else paths[0],
            "compiled",
            "missing",
            f"the Node package {name} loads it",
        )
        for name, paths in gone.items()
    )


def _gone_packages(old: Installed, new: Installed) -> tuple[tuple[str, str, str], ...]:
    managers = (
        ("system", old.system, new.system),
        ("python", old.python, new.python),
        ("node", old.node, new.node),
    )
    return tuple(
        (manager, name, had[name])
        for manager, had, has in managers
        for name in sorted(had.keys() - has.keys())
    )


def _gone(before: Filesystem, after: Filesystem) -> tuple[Gone, ...]:
    counts: dict[str, tuple[int, int]] = {}
    for path, node in before.nodes.items():
        if node.kind == "file" and path not in after.nodes:
            kind = kind_of(path)
            files, size = counts.get(kind, (0, 0))
            counts[kind] = (files + 1, size + node.size)
    gone = [Gone(kind, files, size) for kind, (files, size) in counts.items()]
    return tuple(sorted(gone, key=lambda one: (-one.size, one.kind)))
