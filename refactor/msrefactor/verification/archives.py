"""Image archives on disk: `docker export`, `docker save`, an OCI layout as one tar, compressed or not.

An archive stays as it is; a compressed layer is decompressed into a nameless temporary file, because files
are read in any order. Names in an archive never become names on this machine.
"""

from __future__ import annotations

import gzip
import io
import json
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from msrefactor.errors import MsrefactorError
from msrefactor.verification.filesystem import Filesystem, Kind, Layer, Node, Slice

LARGEST_LAYER = 50_000_000_000
"""A layer that decompresses to more bytes than this is taken for a bomb."""
_LARGEST_DOCUMENT = 20_000_000
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ATTRIBUTE = "SCHILY.xattr."
_OF_THE_ENGINE = frozenset({"/.dockerenv", "/run/.containerenv"})
"""What an engine puts into every container, so that an export has it and a saved image hasn't."""


class BadArchive(MsrefactorError):  # noqa: N818 - says what it is
    """A file that isn't an image; `str()` is one line that says what was met and what to do."""


@dataclass(frozen=True, slots=True)
class ImageArchive:
    """An image read from disk: its root, and its configuration in the form of the OCI image specification."""

    filesystem: Filesystem
    config: Mapping[str, Any]
    """What `docker image inspect` calls Config; empty for an exported file system, which has none."""
    platform: str = ""
    """Such as `linux/amd64`; empty when it isn't known."""


def read_image(archive: Path | IO[bytes], name: str = "") -> ImageArchive:
    """Read an archive: an exported root file system, or a saved image; `name` is how messages call it.

    A stream that can't be searched is first copied into a temporary file. Of a saved archive with several
    images the first one is taken. Raises `BadArchive`, and OSError when the file can't be read.
    """
    if isinstance(archive, Path):
        name = name or str(archive)
        file: IO[bytes] = archive.open("rb")
    else:
        name = name or "the archive"
        file = _searchable(archive)
    try:
        plain, _, size = _plain(file, 0, file.seek(0, io.SEEK_END), name)
        image = _read(plain, size, name)
    except tarfile.TarError as error:
        file.close()
        raise BadArchive(
            f"{name}: no tar archive of an image ({error}); make one with `docker save`"
        ) from error
    except BaseException:
        file.close()
        raise
    kept = {id(layer.file) for layer in image.filesystem.layers}
    for one in (file, plain):
        if id(one) not in kept:
            one.close()
    return image


def _searchable(stream: IO[bytes]) -> IO[bytes]:
    if stream.seekable():
        return stream
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the file system closes it
    shutil.copyfileobj(stream, copy, 1 << 20)
    return copy


def _plain(file: IO[bytes], start: int, size: int, name: str) -> tuple[IO[bytes], int, int]:
    """Return where the uncompressed bytes of a part of a file are: file, offset, size."""
    part = io.BufferedReader(Slice(file, start, size))
    magic = part.peek(4)[:4]
    if magic.startswith(_GZIP):
        source: IO[bytes] = gzip.GzipFile(fileobj=part)  # type: ignore[assignment]
    elif magic.startswith(_ZSTD):
        source = _zstandard(part, name)
    else:
        return file, start, size
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the file system closes it
    try:
        while block := source.read(1 << 20):
            copy.write(block)
            if copy.tell() > LARGEST_LAYER:
                raise BadArchive(f"{name}: a layer is larger than {LARGEST_LAYER / 1e9:.0f} GB")
    except (OSError, EOFError) as error:
        copy.close()
        raise BadArchive(f"{name}: a layer can't be decompressed ({error})") from error
    except BaseException:
        copy.close()
        raise
    copy.flush()
    return copy, 0, copy.tell()


def _zstandard(part: IO[bytes], name: str) -> IO[bytes]:
    try:
        import zstandard  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise BadArchive(
            f"{name}: a layer is compressed with zstd; run `pip install zstandard`, or save with gzip"
        ) from None
    reader: IO[bytes] = zstandard.ZstdDecompressor().stream_reader(part)
    return reader


def _read(file: IO[bytes], size: int, name: str) -> ImageArchive:
    parts: dict[str, tuple[int, int]] = {}
    links: dict[str, str] = {}
    whole = io.BufferedReader(Slice(file, 0, size), 1 << 16)
    with tarfile.open(fileobj=whole, mode="r:") as tar:
        is_image = False
        for member in _members(tar):
            path = posixpath.normpath(member.name).lstrip("/")
            if member.isreg():
                parts[path] = (member.offset_data, member.size)
            elif member.issym() or member.islnk():
                folder = posixpath.dirname(path) if member.issym() else ""
                links[path] = posixpath.normpath(posixpath.join(folder, member.linkname))
            is_image = is_image or path in ("manifest.json", "index.json")
            if len(parts) > 20_000:
                break  # no saved image has so many parts: it is a file system
    for link, target in links.items():
        if target in parts:
            parts[link] = parts[target]
    saved = _saved(file, parts, name) if is_image else None
    if saved is None:
        return ImageArchive(Filesystem(*_stacked((Layer(file, 0, size),), name, is_export=True)), {})
    document, blobs = saved
    return _from_layers(file, document, [(blob, *parts[blob]) for blob in blobs], name)


def _saved(
    file: IO[bytes], parts: Mapping[str, tuple[int, int]], name: str
) -> tuple[Mapping[str, Any], list[str]] | None:
    """Return the image's configuration and the names of its layers' blobs; None: it is no saved image."""

    def document(path: str) -> Any:
        start, size = parts[path]
        if size > _LARGEST_DOCUMENT:
            raise BadArchive(f"{name}: {path} is too large for a manifest")
        try:
            return json.loads(Slice(file, start, size).read(size) or b"null")
        except ValueError as error:
            raise BadArchive(f"{name}: {path} isn't JSON ({error})") from error

    def blob(descriptor: Mapping[str, Any]) -> str:
        path = "blobs/" + str(descriptor.get("digest", "")).replace(":", "/")
        if path not in parts:
            raise BadArchive(f"{name}: {path} is missing; was the image saved completely?")
        return path

    try:
        if "manifest.json" in parts:
            manifest = document("manifest.json")
            if isinstance(manifest, list) and manifest and {"Config", "Layers"} <= set(manifest[0]):
                blobs = [posixpath.normpath(str(layer)) for layer in manifest[0]["Layers"]]
                lost = [path for path in (manifest[0]["Config"], *blobs) if path not in parts]
                if lost:
                    raise BadArchive(f"{name}: {lost[0]} is missing; was the image saved completely?")
                return document(manifest[0]["Config"]), blobs
        if "index.json" in parts and "oci-layout" in parts:
            entry = _of_this_kind(document("index.json")["manifests"])
            while "index" in entry.get("mediaType", "") or "manifest.list" in entry.get("mediaType", ""):
                entry = _of_this_kind(document(blob(entry))["manifests"])
            manifest = document(blob(entry))
            return document(blob(manifest["config"])), [blob(layer) for layer in manifest["layers"]]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise BadArchive(f"{name}: its manifest isn't one of an image ({error})") from error
    return None


def _of_this_kind(manifests: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first manifest that is an image; attestations have an unknown platform."""
    images = [one for one in manifests if (one.get("platform") or {}).get("os") != "unknown"]
    return images[0]


def _from_layers(
    file: IO[bytes], document: Mapping[str, Any], blobs: list[tuple[str, int, int]], name: str
) -> ImageArchive:
    history = [one for one in document.get("history") or () if not one.get("empty_layer")]
    digests = (document.get("rootfs") or {}).get("diff_ids") or []
    layers: list[Layer] = []
    try:
        for index, (_, start, size) in enumerate(blobs):
            created_by = str(history[index].get("created_by", "")) if len(history) == len(blobs) else ""
            digest = str(digests[index]) if len(digests) == len(blobs) else ""
            layers.append(Layer(*_plain(file, start, size, name), created_by, digest))
        root = Filesystem(*_stacked(tuple(layers), name))
    except BaseException:
        for layer in layers:
            layer.file.close()
        raise
    platform = "/".join(str(document[key]) for key in ("os", "architecture", "variant") if document.get(key))
    return ImageArchive(root, document.get("config") or {}, platform)


# ----------------------------------------------------------------------------------------- one root of all


def _stacked(
    layers: tuple[Layer, ...], name: str, *, is_export: bool = False
) -> tuple[dict[str, Node], tuple[Layer, ...]]:
    """Return what is seen of layers that lie upon each other, by the rules of the OCI image layer."""
    nodes: dict[str, Node] = {}
    for index, layer in enumerate(layers):
        removed: list[str] = []
        emptied: list[str] = []
        added: dict[str, Node] = {}
        stream = io.BufferedReader(layer.slice(0, layer.size), 1 << 16)
        try:
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                for member in _members(tar):
                    path = posixpath.normpath("/" + member.name.lstrip("/"))
                    folder, base = posixpath.split(path)
                    if is_export and path in _OF_THE_ENGINE:
                        continue
                    if base == _OPAQUE and not is_export:
                        emptied.append(folder)
                    elif base.startswith(_WHITEOUT) and not is_export:
                        removed.append(posixpath.join(folder, base.removeprefix(_WHITEOUT)))
                    elif member.islnk():
                        target = posixpath.normpath("/" + member.linkname.lstrip("/"))
                        node = added.get(target) or nodes.get(target)
                        if node is not None:
                            added[path] = node
                    elif path != "/" or member.isdir():
                        added[path] = _node(member, index)
        except tarfile.ReadError as error:
            if "empty" not in str(error):
                raise BadArchive(f"{name}: layer {index + 1} isn't a tar archive ({error})") from error
        gone = {path for path in removed if path not in ("/", "")}
        if gone or emptied:
            _remove(nodes, gone, tuple(emptied))
        replaced = {
            path
            for path, node in added.items()
            if node.kind != "folder" and path in nodes and nodes[path].kind == "folder"
        }
        if replaced:
            _remove(nodes, replaced, ())
        folders: dict[str, str] = {}
        for path, node in added.items():
            above, base = posixpath.split(path)
            if above not in folders:
                folders[above] = _placed(nodes, above)
            nodes[posixpath.join(folders[above], base)] = node
    for path in tuple(nodes):  # a layer need not name the folders above its files
        above = posixpath.dirname(path)
        while above != "/" and above not in nodes:
            nodes[above] = Node("folder", 0o755)
            above = posixpath.dirname(above)
    return nodes, layers


def _remove(nodes: dict[str, Node], gone: set[str], emptied: tuple[str, ...]) -> None:
    prefixes = tuple(f"{folder}/".replace("//", "/") for folder in emptied)
    for path in tuple(nodes):
        if path.startswith(prefixes) and path != "/":
            del nodes[path]
            continue
        at = path
        while at != "/":
            if at in gone:
                del nodes[path]
                break
            at = posixpath.dirname(at)


def _placed(nodes: Mapping[str, Node], folder: str) -> str:
    """Return where a layer's folder lands when it, or one above it, is a link of a lower layer (`/lib`)."""
    for _ in range(8):
        parts = folder.split("/")
        for depth in range(2, len(parts) + 1):
            above = "/".join(parts[:depth])
            node = nodes.get(above)
            if node is not None and node.kind == "link":
                to = posixpath.normpath(posixpath.join(posixpath.dirname(above), node.target))
                folder = posixpath.normpath(posixpath.join(to, *parts[depth:]))
                break
        else:
            break
    return folder


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members without keeping them: `tarfile` would hold them all."""
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]
        yield member


def _node(member: tarfile.TarInfo, layer: int) -> Node:
    attributes = tuple(
        sorted(
            (key.removeprefix(_ATTRIBUTE), value)
            for key, value in member.pax_headers.items()
            if key.startswith(_ATTRIBUTE)
        )
    )
    kind: Kind = "file"
    if member.isdir():
        kind = "folder"
    elif member.issym():
        kind = "link"
    elif member.isfifo():
        kind = "pipe"
    elif not member.isreg():
        kind = "device"
    return Node(
        kind,
        member.mode & 0o7777,
        member.uid,
        member.gid,
        member.size if kind == "file" else 0,
        member.linkname if kind == "link" else "",
        layer,
        member.offset_data,
        attributes,
    )
