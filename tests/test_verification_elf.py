from __future__ import annotations

import sys

import pytest

from image_tars import Entries, cache_of, elf_of, io_file, root_of
from msrefactor.verification.elf import Loader, VerifyExtraMissing, read_cache, read_elf

LOADER = "/lib64/ld-linux-x86-64.so.2"
LIBC = "lib/x86_64-linux-gnu/libc.so.6"
GLIBC = {"lib64/ld-linux-x86-64.so.2": elf_of(), LIBC: elf_of(needed=["ld-linux-x86-64.so.2"])}
MUSL = {"lib/ld-musl-x86_64.so.1": elf_of()}


def missing(entries: Entries, path: str, library_path: str = "") -> list[str]:
    return [one.name for one in Loader(root_of(entries), library_path).missing(path)]


def program(*needed: str, runpath: str = "", rpath: str = "") -> bytes:
    return elf_of(interpreter=LOADER, needed=[*needed, "libc.so.6"], runpath=runpath, rpath=rpath)


def test_headers_are_read() -> None:
    elf = read_elf(io_file(program("libpq.so.5", runpath="$ORIGIN/../lib:/opt/lib")))
    assert elf is not None
    assert (elf.machine, elf.bits, elf.interpreter) == ("EM_X86_64", 64, LOADER)
    assert elf.needed == ("libpq.so.5", "libc.so.6")
    assert elf.runpath == ("$ORIGIN/../lib", "/opt/lib")
    assert elf.libc == "glibc"


def test_this_machines_own_python_is_read_as_it_is() -> None:
    with open(sys.executable, "rb") as file:  # noqa: PTH123 - a stream is what is read
        elf = read_elf(file)
    if sys.platform != "linux":
        assert elf is None
        return
    assert elf is not None
    assert elf.interpreter
    assert any(version.startswith("GLIBC_") for _, version in elf.wanted_versions) or elf.libc == "musl"


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF" + bytes(200), elf_of()[:70]])
def test_what_is_no_elf_file_is_none(content: bytes) -> None:
    assert read_elf(io_file(content)) is None


def test_a_missing_library_is_named_with_who_needs_it() -> None:
    root = root_of(
        {**GLIBC, "app/run": program("liba.so.1"), "usr/lib/liba.so.1": elf_of(needed=["libb.so.2"])}
    )
    (found,) = Loader(root).missing("/app/run")
    assert (found.name, found.needed_by) == ("libb.so.2", "/usr/lib/liba.so.1")


def test_the_search_order_is_the_loaders() -> None:
    library = elf_of()
    assert missing({**GLIBC, "a/bin/run": program("libx.so"), "a/lib/libx.so": library}, "/a/bin/run") == [
        "libx.so"
    ]
    at_origin = program("libx.so", runpath="$ORIGIN/../lib")
    assert missing({**GLIBC, "a/bin/run": at_origin, "a/lib/libx.so": library}, "/a/bin/run") == []
    alone = {**GLIBC, "a/bin/run": program("libx.so"), "a/lib/libx.so": library}
    assert missing(alone, "/a/bin/run", "/b:/a/lib") == []


def test_rpath_counts_for_libraries_that_it_loads_and_runpath_does_not() -> None:
    libraries = {"o/liba.so": elf_of(needed=["libb.so"]), "o/libb.so": elf_of()}
    assert missing({**GLIBC, "run": program("liba.so", rpath="/o"), **libraries}, "/run") == []
    assert missing({**GLIBC, "run": program("liba.so", runpath="/o"), **libraries}, "/run") == ["libb.so"]


def test_a_library_in_usr_local_counts_only_when_the_cache_lists_it() -> None:
    entries = {**GLIBC, "run": program("libx.so"), "usr/local/lib/libx.so": elf_of()}
    (found,) = Loader(root_of(entries)).missing("/run")
    assert "ldconfig" in found.reason
    entries["etc/ld.so.cache"] = cache_of({"libx.so": "/usr/local/lib/libx.so"})
    assert missing(entries, "/run") == []


def test_the_cache_is_read_behind_an_older_table() -> None:
    new = cache_of({"liba.so": "/x/liba.so", "libb.so": "/x/libb.so"})
    assert read_cache(b"ld.so-1.7.0\0" + bytes(20) + new) == (
        ("liba.so", "/x/liba.so"),
        ("libb.so", "/x/libb.so"),
    )
    assert read_cache(b"nonsense") == ()
    assert read_cache(new[:60]) == ()


def test_a_library_of_another_machine_is_not_found() -> None:
    (found,) = Loader(
        root_of({**GLIBC, "run": program("libx.so"), "usr/lib/libx.so": elf_of(machine=183)})
    ).missing("/run")
    assert "another machine" in found.reason


def test_a_program_of_the_other_c_library_is_told_so() -> None:
    (found,) = Loader(root_of({**MUSL, "run": program()})).missing("/run")
    assert (found.name, found.reason) == (LOADER, "it is linked against glibc, and the image has musl")
    for_musl = elf_of(interpreter="/lib/ld-musl-x86_64.so.1", needed=["libc.musl-x86_64.so.1"])
    (found,) = Loader(root_of({**GLIBC, "run": for_musl})).missing("/run")
    assert found.reason == "it is linked against musl, and the image has glibc"
    assert missing({**MUSL, "run": for_musl}, "/run") == []
    (found,) = Loader(root_of({"run": program()})).missing("/run")
    assert found.reason == "it is linked against glibc, and the image has none"


def test_musl_takes_its_folders_from_its_path_file() -> None:
    entries: dict[str, bytes] = {
        **MUSL,
        "run": elf_of(interpreter="/lib/ld-musl-x86_64.so.1", needed=["libx.so"]),
        "opt/libx.so": elf_of(),
    }

    assert missing(entries, "/run") == ["libx.so"]
    entries["etc/ld-musl-x86_64.path"] = b"/lib\n/opt\n"
    assert missing(entries, "/run") == []


def test_a_static_program_needs_nothing() -> None:
    assert missing({"run": elf_of()}, "/run") == []


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == "elftools":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "elftools", None)
    with pytest.raises(VerifyExtraMissing, match=r"pip install 'msrefactor\[verify\]'"):
        read_elf(io_file(elf_of()))
