"""An image as a value, read from the archive that `docker save`, `podman save` or buildx writes.

No engine is asked: the configuration, the layers and the root file system all come from the archive.
"""

from __future__ import annotations

import gzip
import json
import posixpath
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

OPAQUE = ".wh..wh..opq"
WHITEOUT = ".wh."
GZIP = b"\x1f\x8b"


class UnreadableImage(Exception):  # noqa: N818  named for what happened
    """A file isn't an image archive; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of an image; mode and owner as numbers."""

    is_directory: bool
    mode: int
    owner: int
    group: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its instruction as the history tells it, and its files' bytes."""

    size: int
    created_by: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """An image's size in bytes, platform, effective configuration, and what of its files was asked for."""

    size: int
    platform: str
    config: Mapping[str, object]
    """`Config` of `docker image inspect`, or `config` of an OCI image configuration: the same keys."""
    user: tuple[int, int] | None
    """User and group id that the configured user stands for; None if the image doesn't know the user."""
    entries: Mapping[str, Entry]
    """Those of the paths asked for that exist."""
    layers: tuple[Layer, ...] = ()
    """From the base image's first to the last; layers without files are left out."""
    root: Path | None = field(default=None, compare=False)
    """The root file system as one uncompressed tar, paths as in the layers (`usr/bin/env`)."""


def read_image(archive: Path, folder: Path) -> Image:
    """Read an archive, and write its root file system as a tar into the folder; raises UnreadableImage.

    The archive is that of `docker save` (with or without an OCI layout in it), of `podman save` in either
    format, or one that buildx exports; it may be compressed with gzip. It holds one image.
    """
    try:
        with _opened(archive, folder) as outer:
            config_name, layer_names = _manifest(outer)
            described = json.loads(_bytes(outer, config_name))
            root = folder / "root.tar"
            with ExitStack() as stack:
                layers = [stack.enter_context(_layer(outer, name, folder)) for name in layer_names]
                sizes = flatten(layers, root)
    except (tarfile.TarError, KeyError, ValueError, OSError, EOFError) as error:
        reason = str(error) or type(error).__name__
        raise UnreadableImage(f"{archive} can't be read as a saved image: {reason}") from error
    return image_of(described, root, sizes)


def image_of(described: Mapping[str, object], root: Path, sizes: tuple[int, ...]) -> Image:
    """Return the image of an OCI image configuration, a root file system and the layers' sizes."""
    raw = described.get("config")
    config: Mapping[str, object] = raw if isinstance(raw, dict) else {}
    history = [row for row in _rows(described.get("history")) if not row.get("empty_layer")]
    words = [str(row.get("created_by", "")) for row in history]
    words = words if len(words) == len(sizes) else [""] * len(sizes)
    variant = f"/{described['variant']}" if described.get("variant") else ""
    platform = f"{described.get('os', 'linux')}/{described.get('architecture', 'unknown')}{variant}"
    user, entries = _looked_up(root, config)
    return Image(
        sum(sizes),
        platform,
        config,
        user,
        entries,
        tuple(Layer(size, word) for size, word in zip(sizes, words, strict=True)),
        root,
    )


def flatten(layers: list[tarfile.TarFile], target: Path) -> tuple[int, ...]:
    """Write the files that are left when all layers lie on each other; return each layer's size in bytes."""
    alive: dict[str, tuple[int, tarfile.TarInfo]] = {}
    members = [layer.getmembers() for layer in layers]
    for index, entries in enumerate(members):
        for entry in entries:
            folder, name = posixpath.split(_normal(entry.name))
            if name == OPAQUE:
                _remove_below(alive, folder)
            elif name.startswith(WHITEOUT):
                gone = posixpath.join(folder, name.removeprefix(WHITEOUT))
                alive.pop(gone, None)
                _remove_below(alive, gone)
        for entry in entries:
            path = _normal(entry.name)
            if path == "." or posixpath.basename(path).startswith(WHITEOUT):
                continue
            if not entry.isdir() and path in alive and alive[path][1].isdir():
                _remove_below(alive, path)
            alive[path] = (index, entry)
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as root:
        for index, entries in enumerate(members):
            for entry in entries:
                path = _normal(entry.name)
                if alive.get(path) == (index, entry) and alive[path][1] is entry:
                    _add(root, layers[index], entry, alive, index)
    return tuple(sum(entry.size for entry in entries if entry.isreg()) for entries in members)


def _add(
    root: tarfile.TarFile,
    layer: tarfile.TarFile,
    entry: tarfile.TarInfo,
    alive: Mapping[str, tuple[int, tarfile.TarInfo]],
    index: int,
) -> None:
    """Add one member; a hard link whose other name is gone or was replaced becomes a file of its own."""
    copy = entry.replace(name=_normal(entry.name), deep=False)
    if entry.islnk():
        target = _normal(entry.linkname)
        owner, found = alive.get(target, (-1, entry))
        if owner != index or found.islnk():
            source = layer.extractfile(entry)
            original = layer.getmember(entry.linkname)
            copy = original.replace(name=copy.name, deep=False)
            root.addfile(copy, source)
            return
        copy.linkname = target
    root.addfile(copy, layer.extractfile(entry) if entry.isreg() else None)


def _remove_below(alive: dict[str, tuple[int, tarfile.TarInfo]], folder: str) -> None:
    prefix = f"{folder}/" if folder else ""
    for path in [path for path in alive if path.startswith(prefix)]:
        del alive[path]


def _normal(path: str) -> str:
    return posixpath.normpath(path.lstrip("/") or ".")


@contextmanager
def _opened(archive: Path, folder: Path) -> Iterator[tarfile.TarFile]:
    """Open an archive for reading in any order: a compressed one is unpacked first."""
    with archive.open("rb") as file:
        is_compressed = file.read(2) == GZIP
    if is_compressed:
        plain = folder / "archive.tar"
        with gzip.open(archive) as packed, plain.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
        archive = plain
    with tarfile.open(archive, "r:") as outer:
        yield outer


@contextmanager
def _layer(outer: tarfile.TarFile, name: str, folder: Path) -> Iterator[tarfile.TarFile]:
    source = _file(outer, name)
    head = source.read(4)
    source.seek(0)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        raise UnreadableImage("its layers are compressed with zstd; save it uncompressed or with gzip")
    if not head.startswith(GZIP):
        with tarfile.open(fileobj=source, mode="r:") as layer:
            yield layer
        return
    plain = folder / f"{name.replace('/', '-')}.layer"
    with gzip.open(source) as packed, plain.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked, 1 << 20)
    try:
        with tarfile.open(plain, "r:") as layer:
            yield layer
    finally:
        plain.unlink()


def _manifest(outer: tarfile.TarFile) -> tuple[str, list[str]]:
    """Return the names of the configuration and of the layers inside the archive."""
    names = set(outer.getnames())
    if "manifest.json" in names:
        (described,) = json.loads(_bytes(outer, "manifest.json"))
        return described["Config"], described["Layers"]
    if "index.json" not in names:
        raise UnreadableImage("it has neither manifest.json nor index.json")
    manifest = json.loads(_bytes(outer, "index.json"))
    while "manifests" in manifest:
        (only,) = [
            row
            for row in manifest["manifests"]
            if (row.get("annotations") or {}).get("vnd.docker.reference.type") != "attestation-manifest"
        ]
        manifest = json.loads(_bytes(outer, _blob(only)))
    return _blob(manifest["config"]), [_blob(layer) for layer in manifest["layers"]]


def _blob(descriptor: Mapping[str, str]) -> str:
    return f"blobs/{descriptor['digest'].replace(':', '/')}"


def _file(outer: tarfile.TarFile, name: str) -> IO[bytes]:
    file = outer.extractfile(name)
    if file is None:
        raise UnreadableImage(f"{name} isn't a file of it")
    return file


def _bytes(outer: tarfile.TarFile, name: str) -> bytes:
    with _file(outer, name) as file:
        return file.read()


def _rows(value: object) -> list[dict[str, object]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _looked_up(
    root: Path, config: Mapping[str, object]
) -> tuple[tuple[int, int] | None, Mapping[str, Entry]]:
    """Return the user's ids, and the working directory and the folders of PATH that exist."""
    with tarfile.open(root, "r:") as tar:
        found = {_normal(entry.name): entry for entry in tar}
        texts = {}
        for name in ("etc/passwd", "etc/group"):
            place = resolve(found, name)
            file = tar.extractfile(place) if place is not None and place.isreg() else None
            texts[name] = file.read().decode(errors="replace") if file is not None else ""
    entries = {"/": Entry(True, 0o755, 0, 0)}
    for path in config_paths(config):
        place = resolve(found, path)
        if place is not None:
            entries[path] = Entry(place.isdir(), place.mode & 0o7777, place.uid, place.gid)
    return user_ids(str(config.get("User") or ""), texts["etc/passwd"], texts["etc/group"]), entries


def resolve(found: Mapping[str, tarfile.TarInfo], path: str, links: int = 40) -> tarfile.TarInfo | None:
    """Return what lies at a path of a root file system, every symbolic link on the way followed."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    at, entry = "", None
    while parts:
        part = parts.pop(0)
        if part == "..":
            at = posixpath.dirname(at)
            entry = found.get(at)
            continue
        at = posixpath.join(at, part)
        entry = found.get(at)
        if entry is not None and entry.issym():
            links -= 1
            if links < 0:
                return None
            parts = [part for part in entry.linkname.split("/") if part not in ("", ".")] + parts
            at = "" if entry.linkname.startswith("/") else posixpath.dirname(at)
    return entry


def config_paths(config: Mapping[str, object]) -> tuple[str, ...]:
    """Return the working directory and the folders of PATH."""
    path = variables(config).get("PATH", "")
    return tuple(sorted({str(config.get("WorkingDir") or "/"), *filter(None, path.split(":"))}))


def variables(config: Mapping[str, object]) -> Mapping[str, str]:
    """Return the environment as a map."""
    entries = config.get("Env")
    words = map(str, entries) if isinstance(entries, list) else ()
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def user_ids(user: str, passwd: str, group_file: str) -> tuple[int, int] | None:
    """Return the user and group id that a configured user stands for, as the engines look them up."""
    name, _, group = user.partition(":")
    users = [line.split(":") for line in passwd.splitlines()]
    groups = [line.split(":") for line in group_file.splitlines()]
    known = next((u for u in users if len(u) > 3 and (name or "0") in (u[0], u[2])), None)
    if known is None and not (name or "0").isdecimal():
        return None
    uid, gid = (int(known[2]), int(known[3])) if known else (int(name or "0"), 0)
    if group:
        found = next((int(g[2]) for g in groups if len(g) > 2 and group in (g[0], g[2])), None)
        if found is None and not group.isdecimal():
            return None
        gid = int(group) if found is None else found
    return uid, gid
