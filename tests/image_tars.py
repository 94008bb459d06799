"""Small images made by hand: a root file system, or layers, as the archives that engines write."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msrefactor.verification.archives import read_image
from msrefactor.verification.filesystem import Filesystem


@dataclass(frozen=True)
class File:
    content: bytes | str = b""
    mode: int = 0o644
    owner: int = 0
    group: int = 0
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Folder:
    mode: int = 0o755
    owner: int = 0
    group: int = 0


@dataclass(frozen=True)
class Link:
    target: str
    is_hard: bool = False


Entries = Mapping[str, File | Folder | Link | bytes | str]


def tar_of(entries: Entries) -> bytes:
    """A tar archive of the entries, in their order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, given in entries.items():
            entry = File(given) if isinstance(given, (bytes, str)) else given
            info = tarfile.TarInfo(path.lstrip("/"))
            content = b""
            if isinstance(entry, File):
                content = entry.content.encode() if isinstance(entry.content, str) else entry.content
                info.size, info.mode, info.uid, info.gid = len(content), entry.mode, entry.owner, entry.group
                info.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in entry.attributes}
            elif isinstance(entry, Folder):
                info.type, info.mode, info.uid, info.gid = (
                    tarfile.DIRTYPE,
                    entry.mode,
                    entry.owner,
                    entry.group,
                )
            else:
                info.type = tarfile.LNKTYPE if entry.is_hard else tarfile.SYMTYPE
                info.linkname = entry.target
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def root_of(entries: Entries) -> Filesystem:
    """The file system of one exported container."""
    return read_image(io_file(tar_of(entries))).filesystem


def io_file(content: bytes) -> io.BytesIO:
    """Bytes as a file."""
    return io.BytesIO(content)


def saved(
    path: Path,
    layers: Sequence[Entries],
    config: Mapping[str, Any] | None = None,
    *,
    form: str = "docker",
    compress: bool = False,
) -> Path:
    """Write an image archive: `docker` (manifest.json) or `oci` (an OCI layout)."""
    blobs = [tar_of(layer) for layer in layers]
    digests = ["sha256:" + hashlib.sha256(blob).hexdigest() for blob in blobs]
    packed = [gzip.compress(blob) if compress else blob for blob in blobs]
    document = {
        "os": "linux",
        "architecture": "amd64",
        "config": dict(config or {}),
        "rootfs": {"type": "layers", "diff_ids": digests},
        "history": [{"created_by": f"layer {n}"} for n in range(len(blobs))]
        + [{"created_by": "CMD", "empty_layer": True}],
    }
    files: dict[str, bytes] = {}

    def blob(content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        files[f"blobs/sha256/{name}"] = content
        return name

    names = [blob(content) for content in packed]
    settings = blob(json.dumps(document).encode())
    if form == "docker":
        manifest: Any = [
            {
                "Config": f"blobs/sha256/{settings}",
                "RepoTags": ["x:y"],
                "Layers": [f"blobs/sha256/{n}" for n in names],
            }
        ]
        files["manifest.json"] = json.dumps(manifest).encode()
    else:
        manifest = {
            "config": {"digest": f"sha256:{settings}"},
            "layers": [{"digest": f"sha256:{n}"} for n in names],
        }
        inner = {
            "manifests": [
                {"digest": "sha256:0", "platform": {"os": "unknown", "architecture": "unknown"}},
                {"digest": "sha256:" + blob(json.dumps(manifest).encode())},
            ]
        }
        outer = {
            "manifests": [
                {
                    "mediaType": "application/vnd.oci.image.index.v1+json",
                    "digest": "sha256:" + blob(json.dumps(inner).encode()),
                }
            ]
        }
        files["oci-layout"] = b"{}"
        files["index.json"] = json.dumps(outer).encode()
    path.write_bytes(tar_of(files))
    return path


def cache_of(entries: Mapping[str, str]) -> bytes:
    """An ld.so.cache with these sonames and paths, as glibc's ldconfig writes it (dl-cache.h)."""
    header = 48 + 24 * len(entries)
    strings = b""
    rows = []
    for name, path in entries.items():
        key = header + len(strings)
        strings += name.encode() + b"\0"
        value = header + len(strings)
        strings += path.encode() + b"\0"
        rows.append(struct.pack("<iIIIQ", 0x0303, key, value, 0, 0))
    return (
        b"glibc-ld.so.cache1.1"
        + struct.pack("<II", len(entries), len(strings))
        + bytes(20)
        + b"".join(rows)
        + strings
    )


def elf_of(
    *,
    interpreter: str | None = None,
    needed: Sequence[str] = (),
    runpath: str = "",
    rpath: str = "",
    machine: int = 62,
    extra: bytes = b"",
) -> bytes:
    """A 64-bit ELF file with only the headers that the loader reads: PT_LOAD, PT_INTERP, PT_DYNAMIC."""
    strings = b"\0"
    tags: list[tuple[int, int]] = []
    for tag, text in [*((1, name) for name in needed), (29, runpath), (15, rpath)]:
        if text:
            tags.append((tag, len(strings)))
            strings += text.encode() + b"\0"
    has_dynamic = bool(tags) or interpreter is not None
    count = 1 + (interpreter is not None) + has_dynamic
    at = 64 + 56 * count
    path = (interpreter or "").encode() + b"\0"
    path_at, strings_at = at, at + len(path)
    dynamic_at = (strings_at + len(strings) + 7) // 8 * 8
    tags += [(5, strings_at), (10, len(strings)), (0, 0)]  # DT_STRTAB, DT_STRSZ, DT_NULL
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags) if has_dynamic else b""
    size = dynamic_at + len(dynamic) + len(extra)
    headers = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    if interpreter is not None:
        headers += struct.pack("<IIQQQQQQ", 3, 4, path_at, path_at, path_at, len(path), len(path), 1)
    if has_dynamic:
        headers += struct.pack(
            "<IIQQQQQQ", 2, 4, dynamic_at, dynamic_at, dynamic_at, len(dynamic), len(dynamic), 8
        )
    start = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    start += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0)
    body = (start + headers + path + strings).ljust(dynamic_at, b"\0")
    return body + dynamic + extra
