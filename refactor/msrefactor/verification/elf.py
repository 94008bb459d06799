"""ELF files as the dynamic loader reads them: who loads a program, and which libraries it finds where.

The search order is ld.so(8)'s: RPATH of the file and of those that load it (unless it has a RUNPATH),
LD_LIBRARY_PATH, RUNPATH, /etc/ld.so.cache, the trusted folders. musl reads RPATH and RUNPATH alike, knows no
cache, and takes its folders from /etc/ld-musl-ARCH.path. Nothing is executed.
"""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from msrefactor.errors import MsrefactorError
from msrefactor.verification.filesystem import Filesystem

MAGIC = b"\x7fELF"
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_MUSL_FOLDERS = ("/lib", "/usr/local/lib", "/usr/lib")
_TRIPLETS: Mapping[str, str] = {
    "EM_X86_64": "x86_64-linux-gnu",
    "EM_AARCH64": "aarch64-linux-gnu",
    "EM_ARM": "arm-linux-gnueabihf",
    "EM_386": "i386-linux-gnu",
    "EM_S390": "s390x-linux-gnu",
    "EM_PPC64": "powerpc64le-linux-gnu",
    "EM_RISCV": "riscv64-linux-gnu",
}
"""Debian's multi-arch folders, which its loader trusts as well."""


class VerifyExtraMissing(MsrefactorError):  # noqa: N818 - says what it is
    """A library that only the comparison of file systems needs is missing; `str()` says how to get it."""


@dataclass(frozen=True, slots=True)
class Elf:
    """What the loader reads of one file."""

    machine: str
    """pyelftools' name of it, such as EM_X86_64."""
    bits: int
    interpreter: str | None = None
    """PT_INTERP; None for libraries and static programs."""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    soname: str | None = None
    wanted_versions: tuple[tuple[str, str], ...] = ()
    """Library and symbol version, such as `("libc.so.6", "GLIBC_2.34")`; weak ones are left out."""
    versions: frozenset[str] = frozenset()
    """The symbol versions that it has."""
    is_dynamic: bool = False

    @property
    def libc(self) -> str | None:
        """`glibc` or `musl`, None where neither is asked for."""
        names = (posixpath.basename(self.interpreter or ""), *self.needed)
        if any(name.startswith(("ld-musl", "libc.musl")) for name in names):
            return "musl"
        if any(name.startswith(("ld-linux", "ld64", "ld.so")) or name == "libc.so.6" for name in names):
            return "glibc"
        return None


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that the loader doesn't find when it starts a file."""

    name: str
    """The soname, the loader's path, or `LIBRARY (VERSION)`."""
    needed_by: str
    """The path of the file that names it."""
    reason: str = ""


def read_elf(stream: IO[bytes]) -> Elf | None:
    """Read one file; None when it is no ELF file, or a damaged one. Raises `VerifyExtraMissing`."""
    if stream.read(4) != MAGIC:
        return None
    stream.seek(0)
    try:
        from elftools.common.exceptions import ELFError
        from elftools.construct.core import ConstructError
        from elftools.elf.dynamic import DynamicSegment
        from elftools.elf.elffile import ELFFile
        from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection
    except ImportError:
        raise VerifyExtraMissing(
            "comparing file systems needs pyelftools; run `pip install 'msrefactor[verify]'`"
        ) from None
    try:
        file = ELFFile(stream)
        interpreter: str | None = None
        needed: list[str] = []
        paths: dict[str, tuple[str, ...]] = {}
        soname: str | None = None
        is_dynamic = False
        for segment in file.iter_segments():
            if segment["p_type"] == "PT_INTERP":
                interpreter = str(getattr(segment, "get_interp_name", str)())
            if not isinstance(segment, DynamicSegment):
                continue
            is_dynamic = True
            for tag in segment.iter_tags():
                if tag.entry.d_tag == "DT_NEEDED":
                    needed.append(str(getattr(tag, "needed", "")))
                elif tag.entry.d_tag == "DT_RPATH":
                    paths["rpath"] = tuple(filter(None, str(getattr(tag, "rpath", "")).split(":")))
                elif tag.entry.d_tag == "DT_RUNPATH":
                    paths["runpath"] = tuple(filter(None, str(getattr(tag, "runpath", "")).split(":")))
                elif tag.entry.d_tag == "DT_SONAME":
                    soname = str(getattr(tag, "soname", ""))
        wanted: list[tuple[str, str]] = []
        versions: set[str] = set()
        for section in file.iter_sections("SHT_GNU_verneed") if is_dynamic else ():
            if isinstance(section, GNUVerNeedSection):
                for library, entries in section.iter_versions():
                    weak = 2
                    wanted += [
                        (str(library.name), str(entry.name))
                        for entry in entries
                        if not entry["vna_flags"] & weak
                    ]
        for section in file.iter_sections("SHT_GNU_verdef") if is_dynamic else ():
            if isinstance(section, GNUVerDefSection):
                versions.update(next(names).name for _, names in section.iter_versions())
        return Elf(
            str(file["e_machine"]),
            int(file.elfclass),
            interpreter,
            tuple(needed),
            paths.get("rpath", ()),
            paths.get("runpath", ()),
            soname,
            tuple(wanted),
            frozenset(versions),
            is_dynamic,
        )
    except (ELFError, ConstructError, ValueError, KeyError, OSError, AttributeError, TypeError, IndexError):
        return None


def read_cache(content: bytes) -> tuple[tuple[str, str], ...]:
    """Return soname and path of each entry of an ld.so.cache, in its order; empty for an unknown form.

    The form is that of glibc 2.2 and later (sysdeps/generic/dl-cache.h): 48 bytes of header, then entries of
    24 bytes, offsets from the header's start. An older table in front of it is skipped.
    """
    start = content.find(_CACHE_MAGIC)
    if start < 0 or len(content) < start + 48:
        return ()
    header = start + len(_CACHE_MAGIC)
    order = "<"
    (count,) = struct.unpack_from("<I", content, header)
    if 24 * count > len(content):
        order = ">"
        (count,) = struct.unpack_from(">I", content, header)
    if 24 * count > len(content):
        return ()
    found: list[tuple[str, str]] = []
    for index in range(count):
        at = start + 48 + 24 * index
        if at + 24 > len(content):
            break
        _, key, value = struct.unpack_from(f"{order}iII", content, at)
        found.append((_string(content, start + key), _string(content, start + value)))
    return tuple(found)


def _string(content: bytes, at: int) -> str:
    return content[at : content.find(b"\0", at)].decode(errors="surrogateescape")


class Loader:
    """The dynamic loader of one root; answers are kept."""

    def __init__(self, root: Filesystem, library_path: str = "") -> None:
        self.root = root
        self._library_path = tuple(filter(None, library_path.replace(";", ":").split(":")))
        self._elves: dict[str, Elf | None] = {}
        self._cache: dict[str, list[str]] = {}
        for name, path in read_cache(root.read("/etc/ld.so.cache", 20_000_000) or b""):
            self._cache.setdefault(name, []).append(path)

    def elf(self, path: str) -> Elf | None:
        """Return a file as the loader reads it, None when it is no ELF file."""
        found = self.root.resolve(path)
        if found is None:
            return None
        if found not in self._elves:
            stream = self.root.open(found)
            if stream is None:
                self._elves[found] = None
            else:
                with stream:
                    self._elves[found] = read_elf(stream)
        return self._elves[found]

    def sonames(self) -> frozenset[str]:
        """Return all names that the cache knows."""
        return frozenset(self._cache)

    def by_name(self, name: str) -> str | None:
        """Return the library that dlopen(3) finds by a soname alone."""
        places = [*self._cache.get(name, ()), *(f"{folder}/{name}" for folder in self._everywhere())]
        return next((path for path in places if self.root.is_file(path)), None)

    def _everywhere(self) -> Iterator[str]:
        yield from self._library_path
        yield from _MUSL_FOLDERS
        for triplet in _TRIPLETS.values():
            yield f"/lib/{triplet}"
            yield f"/usr/lib/{triplet}"

    def missing(self, path: str) -> tuple[Missing, ...]:
        """Return everything that the loader lacks to load a file with all that it needs."""
        return self.load(path)[1]

    def load(self, path: str) -> tuple[Mapping[str, str], tuple[Missing, ...]]:
        """Return the libraries that are loaded with a file (soname and path), and what is missing."""
        start = self.root.resolve(path)
        elf = None if start is None else self.elf(start)
        if start is None or elf is None:
            return {}, ()
        missing: list[Missing] = []
        libc = elf.libc
        if elf.interpreter is not None and not self.root.is_file(elf.interpreter):
            missing.append(Missing(elf.interpreter, start, self._other_libc(elf)))
            return {}, tuple(missing)
        if elf.interpreter is None and libc == "musl" and not self._has_musl(elf):
            return {}, (Missing(f"ld-musl of {elf.machine}", start, self._other_libc(elf)),)
        is_musl = libc == "musl"
        loaded: dict[str, str] = {}
        waiting: list[tuple[str, Elf, tuple[tuple[str, tuple[str, ...]], ...]]] = [(start, elf, ())]
        seen = {start}
        while waiting:
            at, one, inherited = waiting.pop(0)
            own = ((at, one.rpath),) if one.rpath and not one.runpath else ()
            chain = (*own, *inherited)
            for name in one.needed:
                if name in loaded or (is_musl and name.startswith(("libc.musl-", "ld-musl-"))):
                    continue
                place = self._found(name, at, one, chain, is_musl=is_musl)
                if place is None:
                    missing.append(Missing(name, at, self._reason(name, one)))
                    continue
                loaded[name] = place
                real = self.root.resolve(place) or place
                found = self.elf(real)
                if found is not None and real not in seen:
                    seen.add(real)
                    waiting.append((real, found, chain))
            for library, version in one.wanted_versions:
                has = self.elf(loaded[library]) if library in loaded else None
                if has is not None and has.versions and version not in has.versions:
                    missing.append(
                        Missing(f"{library} ({version})", at, f"{loaded[library]} is too old for it")
                    )
        return loaded, tuple(missing)

    def _has_musl(self, elf: Elf) -> bool:
        return any(name.startswith("ld-musl-") for name in self.root.names("/lib"))

    def _found(
        self, name: str, at: str, elf: Elf, chain: tuple[tuple[str, tuple[str, ...]], ...], *, is_musl: bool
    ) -> str | None:
        if "/" in name:
            place = name if name.startswith("/") else posixpath.normpath(posixpath.join("/", name))
            return place if self._fits(place, elf) else None
        for folder in self._folders(at, elf, chain, is_musl=is_musl):
            place = f"{folder}/{name}"
            if self._fits(place, elf):
                return place
        if not is_musl:
            for place in self._cache.get(name, ()):
                if self._fits(place, elf):
                    return place
        for folder in self._trusted(elf, is_musl=is_musl):
            place = f"{folder}/{name}"
            if self._fits(place, elf):
                return place
        return None

    def _fits(self, place: str, elf: Elf) -> bool:
        found = self.elf(place) if self.root.is_file(place) else None
        return found is not None and (found.machine, found.bits) == (elf.machine, elf.bits)

    def _folders(
        self, at: str, elf: Elf, chain: tuple[tuple[str, tuple[str, ...]], ...], *, is_musl: bool
    ) -> Iterator[str]:
        if not elf.runpath or is_musl:
            for owner, folders in chain:
                for folder in folders:
                    yield _expanded(folder, owner, elf)
        yield from self._library_path
        for folder in elf.runpath:
            yield _expanded(folder, at, elf)

    def _trusted(self, elf: Elf, *, is_musl: bool) -> Iterator[str]:
        if is_musl:
            name = next(
                (
                    one
                    for one in self.root.names("/etc")
                    if one.startswith("ld-musl-") and one.endswith(".path")
                ),
                None,
            )
            text = self.root.text(f"/etc/{name}") if name else None
            yield from text.replace(":", "\n").split() if text is not None else _MUSL_FOLDERS
            return
        triplet = _TRIPLETS.get(elf.machine)
        if triplet:
            yield f"/lib/{triplet}"
            yield f"/usr/lib/{triplet}"
        if elf.bits == 64:
            yield from ("/lib64", "/usr/lib64")
        yield from ("/lib", "/usr/lib")

    def _reason(self, name: str, elf: Elf) -> str:
        """Return why a library isn't found though a file of its name is there; empty when there is none."""
        for folder in (
            "/usr/local/lib",
            "/usr/local/lib64",
            *(f"/usr/local/lib/{t}" for t in _TRIPLETS.values()),
        ):
            if self._fits(f"{folder}/{name}", elf):
                return (
                    f"{folder}/{name} is there, but /etc/ld.so.cache doesn't list it: `ldconfig` wasn't run"
                )
        place = self.by_name(name)
        if place is not None and not self._fits(place, elf):
            return f"{place} is for another machine"
        return ""

    def _other_libc(self, elf: Elf) -> str:
        """Return which C library the root has where a program asks for the other one."""
        has_musl = any(name.startswith("ld-musl-") for name in self.root.names("/lib"))
        has_glibc = any(
            name.startswith(("ld-linux", "ld64"))
            for folder in (
                "/lib",
                "/lib64",
                "/usr/lib64",
                "/usr/lib",
                *(f"/lib/{t}" for t in _TRIPLETS.values()),
            )
            for name in self.root.names(folder)
        )
        if elf.libc == "glibc" and has_musl and not has_glibc:
            return "it is linked against glibc, and the image has musl"
        if elf.libc == "musl" and has_glibc and not has_musl:
            return "it is linked against musl, and the image has glibc"
        if not has_musl and not has_glibc:
            return f"it is linked against {elf.libc or 'a C library'}, and the image has none"
        return ""


def _expanded(folder: str, owner: str, elf: Elf) -> str:
    origin = posixpath.dirname(owner)
    library = "lib64" if elf.bits == 64 else "lib"
    for name, value in (("ORIGIN", origin), ("LIB", library)):
        folder = folder.replace("${" + name + "}", value).replace("$" + name, value)
    return posixpath.normpath(posixpath.join("/", folder))
