"""Files to text and back, byte for byte; the only module that writes files."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msrefactor.errors import BadInput, WriteFailed

_LARGEST: Final = 10 * 1000 * 1000  # bytes
_UTF_32: Final = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_TEMPORARY_PREFIX: Final = ".msrefactor-"
_TEMPORARY_SUFFIX: Final = ".tmp"
_BACKUP_SUFFIX: Final = ".msrefactor-backup"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was read; `text` is UTF-8 with surrogateescape, a BOM its first character."""

    path: Path | None
    data: bytes
    text: str


def read_source(path: Path) -> SourceFile:
    """Read a Dockerfile; raises BadInput for what is no text of at most 10 MB, and OSError."""
    # O_NONBLOCK: a FIFO named Dockerfile must not hang the run.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise BadInput("not a regular file")
        return source_of(file.read(_LARGEST + 1), path)


def source_of(data: bytes, path: Path | None = None) -> SourceFile:
    """Return what was read, decoded; raises BadInput for NUL, UTF-16, UTF-32 and more than 10 MB."""
    if len(data) > _LARGEST:
        raise BadInput("larger than 10 MB")
    if data.startswith(_UTF_32):
        raise BadInput("UTF-32 text: only UTF-8 is a Dockerfile")
    if data.startswith(_UTF_16):
        raise BadInput("UTF-16 text: only UTF-8 is a Dockerfile")
    nul = data.find(b"\0")
    if nul >= 0:
        start = data.rfind(b"\n", 0, nul) + 1
        column = len(data[start:nul].decode("utf-8", "surrogateescape")) + 1
        raise BadInput("a NUL character: not text", data.count(b"\n", 0, nul) + 1, column)
    return SourceFile(path, data, data.decode("utf-8", "surrogateescape"))


def encode(text: str) -> bytes:
    """Return the bytes of a text: the exact inverse of reading."""
    return text.encode("utf-8", "surrogateescape")


def write_atomically(file: SourceFile, text: str) -> bool:
    """Replace the file's content; return False, and touch nothing, when it is the same.

    The file is the old or the new one at every moment, whatever fails. Its mode, owner and extended
    attributes stay; a symbolic link stays and its target is replaced. A file with several hard links, or one
    whose owner we can't give to a new file, is written in place while a backup lies beside it. Raises
    WriteFailed, the file untouched.
    """
    if file.path is None:
        raise ValueError("nothing to write to: the text was not read from a file")
    data = encode(text)
    if data == file.data:
        return False
    target = Path(os.path.realpath(file.path))
    try:
        _replace(target, file.data, data)
    except OSError as error:
        raise WriteFailed(f"{file.path}: not written: {error.strerror or error}") from error
    return True


def create_atomically(path: Path, text: str) -> None:
    """Make a file that isn't there yet, whole or not at all; raises WriteFailed, also when it is there."""
    try:
        sweep(path.parent)
        descriptor, temporary = _new_temporary(path.parent)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                _write_all(file.fileno(), encode(text))
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
                os.link(temporary, path)  # unlike a rename, it fails where a file is
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
    except FileExistsError as error:
        with suppress(OSError):
            if path.read_bytes() == encode(text):
                return  # another run did it
        raise WriteFailed(f"{path}: not written: the file was made after it was looked for") from error
    except OSError as error:
        raise WriteFailed(f"{path}: not written: {error.strerror or error}") from error
    _sync_folder(path.parent)


def save_atomically(path: Path, text: str) -> None:
    """Write a file of our own, whole or not at all, whatever was there; raises WriteFailed.

    A symbolic link is followed, and what is no regular file (a pipe, `/dev/stdout`) is written to.
    """
    target = Path(os.path.realpath(path))
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(encode(text))
            return
        if not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent))
        sweep(target.parent)
        descriptor, temporary = _new_temporary(target.parent)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                _write_all(file.fileno(), encode(text))
                mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o644
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
                temporary.replace(target)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
    except OSError as error:
        raise WriteFailed(f"{path}: not written: {error.strerror or error}") from error
    _sync_folder(target.parent)


def _replace(target: Path, old: bytes, new: bytes) -> None:
    sweep(target.parent)
    if _is_done(target, old, new):
        return
    status = target.stat()
    if not os.access(target, os.W_OK):
        raise WriteFailed(f"{target}: not written: the file is read-only")
    if status.st_nlink > 1:
        _write_in_place(target, old, new)
        return
    descriptor, temporary = _new_temporary(target.parent)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            _write_all(file.fileno(), new)
            can_keep = _has_kept_attributes(file.fileno(), target, status)
            os.fsync(file.fileno())
            # As late as it can be; what is left open is the time between two system calls.
            if can_keep and not _is_done(target, old, new):
                temporary.replace(target)
        if not can_keep:
            _write_in_place(target, old, new)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    _sync_folder(target.parent)


def _is_done(target: Path, old: bytes, new: bytes) -> bool:
    """Tell whether another run wrote the same already; raises WriteFailed for any other content."""
    found = target.read_bytes()
    if found not in {old, new}:
        raise WriteFailed(f"{target}: not written: the file changed after it was read")
    return found == new


def _new_temporary(folder: Path) -> tuple[int, Path]:
    """Create a temporary file and lock it: a lock that can be had marks one that a dead run left behind."""
    while True:
        path = folder / f"{_TEMPORARY_PREFIX}{os.urandom(8).hex()}{_TEMPORARY_SUFFIX}"
        try:
            descriptor = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except FileExistsError:
            continue
        except OSError as error:
            raise WriteFailed(f"{folder}: no file can be created here: {error.strerror}") from error
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, path
        os.close(descriptor)  # another run swept it between creation and lock


def is_temporary(name: str) -> bool:
    """Tell whether a file is one that we write and then rename; a run that was killed leaves it behind."""
    return name.startswith(_TEMPORARY_PREFIX) and name.endswith(_TEMPORARY_SUFFIX)


def sweep(folder: Path) -> None:
    """Remove the temporary files that dead runs left in a folder; those of living ones are locked."""
    for path in folder.glob(f"{_TEMPORARY_PREFIX}*{_TEMPORARY_SUFFIX}"):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    if os.fstat(descriptor).st_size != len(data):
        raise OSError(errno.EIO, "the written file has the wrong size")


def _has_kept_attributes(descriptor: int, target: Path, status: os.stat_result) -> bool:
    """Give the new file the owner, mode and extended attributes of the old; False where not allowed."""
    try:
        ours = os.fstat(descriptor)
        if (ours.st_uid, ours.st_gid) != (status.st_uid, status.st_gid):
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
        if hasattr(os, "listxattr"):  # Linux
            for name in os.listxattr(target):
                value = os.getxattr(target, name)
                if name not in os.listxattr(descriptor) or os.getxattr(descriptor, name) != value:
                    os.setxattr(descriptor, name, value)
    except OSError:
        return False
    return True


def _write_in_place(target: Path, old: bytes, new: bytes) -> None:
    """Overwrite the file; until the new content is on the disk, the old one lies beside it."""
    backup = target.with_name(target.name + _BACKUP_SUFFIX)
    try:
        copy = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise WriteFailed(f"{target}: not written: {backup.name} is left from an interrupted run") from None
    is_whole = False
    try:
        with os.fdopen(copy, "wb", buffering=0) as file:
            _write_all(file.fileno(), old)
            os.fsync(file.fileno())
        _sync_folder(target.parent)
        descriptor = os.open(target, os.O_RDWR | os.O_CLOEXEC)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            if file.read() != old:
                is_whole = True
                raise WriteFailed(f"{target}: not written: the file changed after it was read")
            is_whole = _overwrite(descriptor, old, new)
    except BaseException as error:
        is_whole = is_whole or target.read_bytes() in {old, new}
        if is_whole or not isinstance(error, OSError):
            raise
        raise WriteFailed(f"{target}: half written: the old content is in {backup.name}") from error
    finally:
        if is_whole:
            backup.unlink()


def _overwrite(descriptor: int, old: bytes, new: bytes) -> bool:
    try:
        _write_at_start(descriptor, new)
    except OSError:
        # The blocks of the old content are still the file's own, so this needs no room.
        _write_at_start(descriptor, old)
        raise
    return True


def _write_at_start(descriptor: int, data: bytes) -> None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.ftruncate(descriptor, len(data))
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems can't
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
