"""Files are read and written byte for byte, and no failure loses one."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from msrefactor import source
from msrefactor.errors import BadInput, WriteFailed
from msrefactor.source import SourceFile, encode, read_source, source_of, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD = "FROM x\r\n# caf\udce9\nRUN a"
NEW = "FROM y\r\n# caf\udce9\nRUN b\n"
IS_ROOT = os.geteuid() == 0


def written(path: Path, text: str = OLD) -> SourceFile:
    """A file on the disk, as read."""
    path.write_bytes(encode(text))
    return read_source(path)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "Dockerfile")


# --- reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message", "line", "column"),
    [
        (b"FROM x\nRUN a\0b\n", "a NUL character: not text", 2, 6),
        (b"\xff\xfeF\0R\0", "UTF-16 text: only UTF-8 is a Dockerfile", 1, 1),
        (b"\xfe\xff\0F\0R", "UTF-16 text: only UTF-8 is a Dockerfile", 1, 1),
        (b"\xff\xfe\0\0F\0\0\0", "UTF-32 text: only UTF-8 is a Dockerfile", 1, 1),
        (b"\0\0\xfe\xff\0\0\0F", "UTF-32 text: only UTF-8 is a Dockerfile", 1, 1),
        (b"a" * 10_000_001, "larger than 10 MB", 1, 1),
    ],
)
def test_what_is_no_text_is_refused(
    tmp_path: Path, data: bytes, message: str, line: int, column: int
) -> None:
    path = tmp_path / "Dockerfile"
    path.write_bytes(data)
    with pytest.raises(BadInput) as caught:
        read_source(path)
    assert (str(caught.value), caught.value.line, caught.value.column) == (message, line, column)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_source(tmp_path / "Dockerfile")
    with pytest.raises(IsADirectoryError):
        read_source(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(BadInput, match="not a regular file"):
        read_source(tmp_path / "fifo")
    with pytest.raises(BadInput, match="not a regular file"):
        read_source(Path("/dev/null"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"FROM x\r\n\r\n",
        b"\xef\xbb\xbfFROM x",
        b"caf\xe9 \xc3\xa9 \xed\xa0\x80 \xff",
        bytes(range(1, 256)) * 3,
    ],
)
def test_text_and_bytes_are_each_other_s_inverse(data: bytes) -> None:
    file = source_of(data)
    assert file.data == data
    assert encode(file.text) == data
    assert file.path is None


def test_a_bom_is_the_first_character() -> None:
    assert source_of(b"\xef\xbb\xbfFROM x").text == "\ufeffFROM x"


# --- not writing -----------------------------------------------------------------------------------------


def test_the_same_text_touches_nothing(tmp_path: Path) -> None:
    file = written(tmp_path / "Dockerfile")
    os.utime(tmp_path / "Dockerfile", ns=(1, 1))
    before = (tmp_path / "Dockerfile").stat()
    assert write_atomically(file, OLD) is False
    after = (tmp_path / "Dockerfile").stat()
    assert (after.st_mtime_ns, after.st_ctime_ns, after.st_ino) == (1, before.st_ctime_ns, before.st_ino)


def test_a_file_that_changed_meanwhile_is_not_written(tmp_path: Path) -> None:
    file = written(tmp_path / "Dockerfile")
    (tmp_path / "Dockerfile").write_text("mine\n")
    with pytest.raises(WriteFailed, match="changed after it was read"):
        write_atomically(file, NEW)
    assert (tmp_path / "Dockerfile").read_text() == "mine\n"
    assert leftovers(tmp_path) == []


def test_a_file_that_changes_while_we_write_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "Dockerfile")
    really = os.fsync

    def edit_meanwhile(descriptor: int) -> None:
        really(descriptor)
        (tmp_path / "Dockerfile").write_text("mine\n")

    monkeypatch.setattr(os, "fsync", edit_meanwhile)
    with pytest.raises(WriteFailed, match="changed after it was read"):
        write_atomically(file, NEW)
    assert (tmp_path / "Dockerfile").read_text() == "mine\n"
    assert leftovers(tmp_path) == []


def test_a_file_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    file = written(tmp_path / "Dockerfile")
    (tmp_path / "Dockerfile").unlink()
    with pytest.raises(WriteFailed, match="No such file"):
        write_atomically(file, NEW)
    assert list(tmp_path.iterdir()) == []


def test_text_that_came_from_no_file_has_nowhere_to_go() -> None:
    with pytest.raises(ValueError, match="not read from a file"):
        write_atomically(source_of(b"FROM x\n"), NEW)


@pytest.mark.parametrize("failing", ["write", "fsync", "rename"])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    file = written(tmp_path / "Dockerfile")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if failing == "rename":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(os, failing, fail)
    with pytest.raises(WriteFailed, match="No space left on device"):
        write_atomically(file, NEW)
    assert (tmp_path / "Dockerfile").read_bytes() == encode(OLD)
    assert leftovers(tmp_path) == []


def test_an_interrupt_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "Dockerfile")

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, NEW)
    assert (tmp_path / "Dockerfile").read_bytes() == encode(OLD)
    assert leftovers(tmp_path) == []


# --- writing ---------------------------------------------------------------------------------------------


def test_a_file_is_replaced(tmp_path: Path) -> None:
    file = written(tmp_path / "Dockerfile")
    assert write_atomically(file, NEW) is True
    assert (tmp_path / "Dockerfile").read_bytes() == encode(NEW)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o2755])
def test_the_mode_stays(tmp_path: Path, mode: int) -> None:
    file = written(tmp_path / "Dockerfile")
    (tmp_path / "Dockerfile").chmod(mode)
    write_atomically(file, NEW)
    assert stat.S_IMODE((tmp_path / "Dockerfile").stat().st_mode) == mode


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a file to another user")
def test_the_owner_stays(tmp_path: Path) -> None:
    file = written(tmp_path / "Dockerfile")
    os.chown(tmp_path / "Dockerfile", 1234, 4321)
    write_atomically(file, NEW)
    found = (tmp_path / "Dockerfile").stat()
    assert (found.st_uid, found.st_gid) == (1234, 4321)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="Python has extended attributes on Linux only")
def test_extended_attributes_stay(tmp_path: Path) -> None:
    file = written(tmp_path / "Dockerfile")
    try:
        os.setxattr(tmp_path / "Dockerfile", "user.note", b"mine")
    except OSError:
        pytest.skip("no extended attributes on this file system")
    write_atomically(file, NEW)
    assert os.getxattr(tmp_path / "Dockerfile", "user.note") == b"mine"


def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "Dockerfile"
    target.write_bytes(encode(OLD))
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "Dockerfile").symlink_to("link/Dockerfile")
    file = read_source(tmp_path / "Dockerfile")
    assert write_atomically(file, NEW) is True
    assert (tmp_path / "Dockerfile").readlink() == Path("link/Dockerfile")
    assert not target.is_symlink()
    assert target.read_bytes() == encode(NEW)
    assert leftovers(target.parent) == []


def test_hard_links_stay(tmp_path: Path) -> None:
    file = written(tmp_path / "Dockerfile")
    (tmp_path / "other").hardlink_to(tmp_path / "Dockerfile")
    for text in (NEW, "FROM z\n" * 500, "F"):
        assert write_atomically(file, text) is True
        assert (tmp_path / "other").read_bytes() == encode(text)
        assert (tmp_path / "other").samefile(tmp_path / "Dockerfile")
        assert leftovers(tmp_path) == ["other"]
        file = read_source(tmp_path / "Dockerfile")


def test_a_hard_link_is_not_written_over_the_backup_of_a_dead_run(tmp_path: Path) -> None:
    file = written(tmp_path / "Dockerfile")
    (tmp_path / "other").hardlink_to(tmp_path / "Dockerfile")
    (tmp_path / "Dockerfile.msrefactor-backup").write_text("the only copy")
    with pytest.raises(WriteFailed, match="left from an interrupted run"):
        write_atomically(file, NEW)
    assert (tmp_path / "Dockerfile.msrefactor-backup").read_text() == "the only copy"
    assert (tmp_path / "Dockerfile").read_bytes() == encode(OLD)


def test_a_failed_write_of_a_hard_link_brings_the_old_content_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "Dockerfile")
    (tmp_path / "other").hardlink_to(tmp_path / "Dockerfile")
    really = os.write

    def fail_midway(descriptor: int, data: bytes) -> int:
        if bytes(data).startswith(b"FROM y"):
            really(descriptor, bytes(data)[:8])
            raise OSError(28, "No space left on device")
        return really(descriptor, data)

    monkeypatch.setattr(os, "write", fail_midway)
    with pytest.raises(WriteFailed, match="No space left on device"):
        write_atomically(file, NEW)
    assert (tmp_path / "other").read_bytes() == encode(OLD)
    assert leftovers(tmp_path) == ["other"]


def test_temporary_files_of_dead_runs_are_swept(tmp_path: Path) -> None:
    file = written(tmp_path / "Dockerfile")
    (tmp_path / ".msrefactor-dead.tmp").write_text("x")
    (tmp_path / ".msrefactor-not-ours").write_text("x")
    descriptor, alive = source._new_temporary(tmp_path)
    try:
        write_atomically(file, NEW)
        assert leftovers(tmp_path) == sorted([".msrefactor-not-ours", alive.name])
    finally:
        os.close(descriptor)


# --- in another process: permissions, limits, kills ------------------------------------------------------

WRITE = """
import os, resource, sys
from pathlib import Path
from msrefactor.source import read_source, write_atomically
from msrefactor.errors import WriteFailed
{prepare}
file = read_source(Path(sys.argv[1]))
try:
    print(write_atomically(file, sys.argv[2] * int(sys.argv[3])))
except WriteFailed as failed:
    print(failed)
"""
# After the imports: another user may not reach this interpreter's files.
AS_NOBODY = "os.setgroups([]), os.setgid(65534), os.setuid(65534)" if IS_ROOT else ""
WITH_A_LIMIT = "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"


def run(path: Path, text: str, times: int, prepare: str = "") -> str:
    """What a process that writes the text so many times says."""
    program = WRITE.replace("{prepare}", prepare)
    return subprocess.run(
        [sys.executable, "-c", program, str(path), text, str(times)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user reaches: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_read_only_folder(open_folder: Path) -> None:
    path = open_folder / "Dockerfile"
    written(path)
    path.chmod(0o666)
    open_folder.chmod(0o555)
    try:
        assert "no file can be created here" in run(path, "FROM y\n", 1, AS_NOBODY)
        assert path.read_bytes() == encode(OLD)
        assert leftovers(open_folder) == []
    finally:
        open_folder.chmod(0o755)


def test_a_read_only_file(open_folder: Path) -> None:
    path = open_folder / "Dockerfile"
    written(path)
    path.chmod(0o444)
    open_folder.chmod(0o777)
    assert "read-only" in run(path, "FROM y\n", 1, AS_NOBODY)
    assert path.read_bytes() == encode(OLD)
    assert leftovers(open_folder) == []


@pytest.mark.skipif(not IS_ROOT, reason="needs a second user")
def test_a_file_of_another_user_is_written_in_place(open_folder: Path) -> None:
    path = open_folder / "Dockerfile"
    written(path)
    path.chmod(0o666)
    open_folder.chmod(0o777)
    inode = path.stat().st_ino
    assert run(path, "FROM y\n", 2, AS_NOBODY) == "True\n"
    assert (path.read_text(), path.stat().st_ino, path.stat().st_uid) == ("FROM y\n" * 2, inode, 0)
    assert leftovers(open_folder) == []


@pytest.mark.parametrize("has_links", [False, True])
def test_a_file_that_grows_past_a_limit_stays_as_it_was(tmp_path: Path, has_links: bool) -> None:
    path = tmp_path / "Dockerfile"
    written(path)
    if has_links:
        (tmp_path / "other").hardlink_to(path)
    assert "File too large" in run(path, "FROM y\n", 1000, WITH_A_LIMIT)
    assert path.read_bytes() == encode(OLD)
    assert leftovers(tmp_path) == ["other"] * has_links


@pytest.mark.parametrize("has_links", [False, True])
def test_a_full_disk(tmp_path: Path, has_links: bool) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = IS_ROOT and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    ).returncode == 0  # fmt: skip
    if not mounted:
        pytest.skip("can't mount a small file system here")
    try:
        path = disk / "Dockerfile"
        written(path)
        if has_links:
            (disk / "other").hardlink_to(path)
        assert "No space left" in run(path, "FROM y\n", 15_000)
        assert path.read_bytes() == encode(OLD)
        assert leftovers(disk) == ["other"] * has_links
        # When there is room for one copy only, the file stays whole as well.
        path.write_bytes(b"FROM x\n" * 5000)
        assert "No space left" in run(path, "FROM y\n", 5001)
        assert path.read_bytes() == b"FROM x\n" * 5000
        assert leftovers(disk) == ["other"] * has_links
    finally:
        subprocess.run(["umount", str(disk)], check=True)


KEEP_WRITING = """
import sys
from pathlib import Path
from msrefactor.source import read_source, write_atomically
print("ready", flush=True)
while True:
    for text in ("FROM a\\n" * 20000, "FROM bb\\n" * 20000):
        write_atomically(read_source(Path(sys.argv[1])), text)
"""


@pytest.mark.parametrize("has_links", [False, True])
def test_killed_at_any_moment_nothing_is_lost(tmp_path: Path, has_links: bool) -> None:
    path = tmp_path / "Dockerfile"
    texts = {b"FROM a\n" * 20000, b"FROM bb\n" * 20000}
    path.write_bytes(b"FROM a\n" * 20000)
    if has_links:
        (tmp_path / "other").hardlink_to(path)
    backup = tmp_path / "Dockerfile.msrefactor-backup"
    chance = random.Random(7)  # noqa: S311 - reproducible moments
    for _ in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", KEEP_WRITING, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.random() * 0.05)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        found = path.read_bytes()
        if found not in texts:
            assert has_links
            found = backup.read_bytes()
            assert found in texts
            path.write_bytes(found)
        backup.unlink(missing_ok=True)
    assert write_atomically(read_source(path), "FROM c\n") is True
    assert leftovers(tmp_path) == ["other"] * has_links
    assert path.stat().st_nlink == 1 + has_links


def test_two_runs_at_once_leave_one_whole_result(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    for _ in range(5):
        written(path)
        children = [
            subprocess.Popen(
                [sys.executable, "-c", WRITE.replace("{prepare}", ""), str(path), text, "3000"],
                stdout=subprocess.PIPE,
                text=True,
            )
            for text in ("FROM a\n", "FROM b\n")
        ]
        said = [child.communicate()[0] for child in children]
        assert "True\n" in said
        assert path.read_text() in {"FROM a\n" * 3000, "FROM b\n" * 3000}
        assert leftovers(tmp_path) == []
