"""The root file system of an image, as an index over archive files: nothing is unpacked, nothing is run.

A node says where its bytes lie in an archive on disk; they are read when somebody asks for them, so memory
holds names and numbers only. Paths are absolute and posix; symbolic links are followed inside the root, as
the kernel of a container would.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType, TracebackType
from typing import IO, Literal

Kind = Literal["file", "folder", "link", "device", "pipe"]

_MOST_LINKS = 40
"""path_resolution(7): more symbolic links than this on the way are an error (ELOOP)."""


@dataclass(frozen=True, slots=True)
class Node:
    """One file, folder, link or special file of an image."""

    kind: Kind
    mode: int
    """The twelve bits of chmod(2)."""
    owner: int = 0
    group: int = 0
    size: int = 0
    target: str = ""
    """What a link says, as it is written."""
    layer: int = 0
    """Index of the layer that brought it, the lowest one 0; an exported file system has one layer."""
    offset: int = 0
    """Where the bytes of a file begin in its layer."""
    attributes: tuple[tuple[str, str], ...] = ()
    """Extended attributes, such as `security.capability`; values as the archive has them."""

    @property
    def is_executable(self) -> bool:
        """Whether anybody may execute it."""
        return self.kind == "file" and bool(self.mode & 0o111)


@dataclass(frozen=True, slots=True)
class Account:
    """A user as the container gets it: the numbers, further groups, and the home folder."""

    uid: int
    gid: int
    groups: frozenset[int] = frozenset()
    home: str = "/"


class Slice(io.RawIOBase):
    """A part of an open file as a file of its own; several may be read at the same time."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        super().__init__()
        self._memory = file.getvalue() if isinstance(file, io.BytesIO) else None
        self._descriptor = -1 if self._memory is not None else file.fileno()
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset, as `io.IOBase.seek` says."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return the offset."""
        return self._at

    def readinto(self, buffer: object) -> int:
        """Fill a buffer from the offset on; return how many bytes there were."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        wanted = max(0, min(len(view), self._size - self._at))
        at = self._start + self._at
        memory = self._memory
        got = os.pread(self._descriptor, wanted, at) if memory is None else memory[at : at + wanted]
        view[: len(got)] = got
        self._at += len(got)
        return len(got)


@dataclass(frozen=True, slots=True)
class Layer:
    """The uncompressed bytes of one layer: a part of an open file."""

    file: IO[bytes]
    start: int
    size: int
    created_by: str = ""
    """The instruction that made it, as the image's history says; empty where nothing is known."""
    digest: str = ""

    def slice(self, offset: int, size: int) -> Slice:
        """Return a part of it as a file."""
        return Slice(self.file, self.start + offset, size)


class Filesystem:
    """The root file system of one image; close it (or use it in a `with`) to close its archives."""

    def __init__(self, nodes: Mapping[str, Node], layers: tuple[Layer, ...] = ()) -> None:
        self.nodes: Mapping[str, Node] = MappingProxyType({"/": Node("folder", 0o755), **nodes})
        self.layers = layers
        self._digests: dict[str, str] = {}

    def __enter__(self) -> Filesystem:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the archives; nothing can be read any more."""
        for layer in self.layers:
            layer.file.close()

    # ------------------------------------------------------------------------------------------ looking up

    def resolve(self, path: str, *, follow_last: bool = True) -> str | None:
        """Return the path without symbolic links, None when there is nothing (or a loop)."""
        waiting = [part for part in reversed(path.split("/")) if part and part != "."]
        at = "/"
        links = 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                at = posixpath.dirname(at)
                continue
            if part == ".":
                continue
            here = at + part if at == "/" else f"{at}/{part}"
            node = self.nodes.get(here)
            if node is None:
                return None
            if node.kind == "link" and (waiting or follow_last):
                links += 1
                if links > _MOST_LINKS:
                    return None
                if node.target.startswith("/"):
                    at = "/"
                waiting += [one for one in reversed(node.target.split("/")) if one]
                continue
            if waiting and node.kind != "folder":
                return None
            at = here
        return at

    def get(self, path: str) -> Node | None:
        """Return what a path leads to, links followed."""
        found = self.resolve(path)
        return None if found is None else self.nodes[found]

    def is_file(self, path: str) -> bool:
        """Whether a path leads to a regular file."""
        node = self.get(path)
        return node is not None and node.kind == "file"

    def is_folder(self, path: str) -> bool:
        """Whether a path leads to a folder."""
        node = self.get(path)
        return node is not None and node.kind == "folder"

    def broken_link(self, path: str) -> tuple[str, str] | None:
        """Return the link on the way to a path that leads nowhere, and where it leads; else None."""
        at = path
        for _ in range(_MOST_LINKS):
            parts = [part for part in at.split("/") if part]
            for index in range(len(parts)):
                here = "/" + "/".join(parts[: index + 1])
                node = self.nodes.get(here)
                if node is not None and node.kind == "link":
                    to = posixpath.normpath(posixpath.join(posixpath.dirname(here), node.target))
                    if self.resolve(to) is None and self.nodes.get(to) is None:
                        return here, to
                    at = posixpath.join(to, *parts[index + 1 :])
                    break
            else:
                return None
        return None

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.nodes)

    @cached_property
    def _children(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self._sorted:
            if path != "/":
                found.setdefault(posixpath.dirname(path), []).append(posixpath.basename(path))
        return found

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the sorted names in a folder, links to it followed; empty when there is none."""
        found = self.resolve(folder)
        return () if found is None else tuple(self._children.get(found, ()))

    def below(self, folder: str) -> Iterator[str]:
        """Yield every path below a folder, sorted; links to the folder are followed, others not."""
        found = self.resolve(folder)
        if found is None:
            return
        prefix = found if found == "/" else found + "/"
        paths = self._sorted
        for index in range(bisect_left(paths, prefix), len(paths)):
            if not paths[index].startswith(prefix):
                return
            if paths[index] != "/":
                yield paths[index]

    # --------------------------------------------------------------------------------------------- reading

    def open(self, path: str) -> IO[bytes] | None:
        """Return the bytes of a file as a seekable stream, None when it isn't a file."""
        found = self.resolve(path)
        node = None if found is None else self.nodes[found]
        if node is None or node.kind != "file":
            return None
        if not self.layers:
            return io.BytesIO()
        return io.BufferedReader(self.layers[node.layer].slice(node.offset, node.size))

    def read(self, path: str, limit: int = 1_000_000) -> bytes | None:
        """Return the bytes of a file, None when it isn't a file or is longer than `limit`."""
        node = self.get(path)
        if node is None or node.kind != "file" or node.size > limit:
            return None
        stream = self.open(path)
        if stream is None:
            return None
        with stream:
            return stream.read()

    def text(self, path: str, limit: int = 1_000_000) -> str | None:
        """Return the text of a file (UTF-8, other bytes escaped), None when it can't be had or isn't text."""
        content = self.read(path, limit)
        return (
            None if content is None or b"\0" in content[:4096] else content.decode(errors="surrogateescape")
        )

    def head(self, path: str, size: int = 256) -> bytes:
        """Return the first bytes of a file; empty when there is none."""
        stream = self.open(path)
        if stream is None:
            return b""
        with stream:
            return stream.read(size)

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a file in hexadecimal; empty when there is none."""
        if path not in self._digests:
            stream = self.open(path)
            if stream is None:
                return ""
            with stream:
                self._digests[path] = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        return self._digests[path]

    # ------------------------------------------------------------------------------------------ permissions

    def account(self, user: str) -> Account | None:
        """Return the account that USER stands for (`name`, `uid`, `name:group`), None when it isn't known."""
        name, _, group = user.partition(":")
        name = name or "0"
        users = [line.split(":") for line in (self.text("/etc/passwd") or "").splitlines()]
        groups = [line.split(":") for line in (self.text("/etc/group") or "").splitlines()]
        known = next((one for one in users if len(one) > 5 and name in (one[0], one[2])), None)
        if known is None and not name.isdecimal():
            return None
        if known is not None and not (known[2].isdecimal() and known[3].isdecimal()):
            return None
        uid, gid, home = (int(known[2]), int(known[3]), known[5]) if known else (int(name), 0, "/")
        more = frozenset(
            int(one[2])
            for one in groups
            if known and len(one) > 3 and one[2].isdecimal() and known[0] in one[3].split(",")
        )
        if group:
            named = next((one for one in groups if len(one) > 2 and group in (one[0], one[2])), None)
            if named is None and not group.isdecimal():
                return None
            gid, more = int(named[2] if named else group), frozenset()
        return Account(uid, gid, more, home or "/")

    def may(self, account: Account, path: str, bit: int) -> bool:
        """Whether an account may read (4), write (2) or execute (1) a resolved path."""
        node = self.nodes[path]
        if account.uid == 0:
            return bit != 1 or node.kind == "folder" or bool(node.mode & 0o111)
        if node.owner == account.uid:
            return bool(node.mode >> 6 & bit)
        if node.group == account.gid or node.group in account.groups:
            return bool(node.mode >> 3 & bit)
        return bool(node.mode & bit)

    def closed_folder(self, account: Account, path: str) -> str | None:
        """Return the folder above a resolved path that an account can't pass through, None when it can."""
        at = posixpath.dirname(path)
        while True:
            if not self.may(account, at, 1):
                return at
            if at == "/":
                return None
            at = posixpath.dirname(at)
