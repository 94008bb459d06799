"""Packages of languages that hold native code, load libraries or run commands: what each needs at run time.

Tables: python_native.tsv, node_native.tsv, ruby_native.tsv, go_native.tsv; their headers say how each row
was checked.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from msrefactor.knowledge.packages import RELEASES, common_name
from msrefactor.knowledge.tables import lines, rows


@dataclass(frozen=True, slots=True)
class NativePackage:
    """What one package needs of the system at run time.

    `state`: "prebuilt" (brings all it needs), "prebuilt+system" (comes compiled, needs system libraries),
    "compiled" (built on installation, against the packages in `build`), "system" (no code of its own to
    compile, but loads libraries or runs commands), "pure" (needs nothing).
    """

    name: str
    state: str
    run: Mapping[str, tuple[str, ...]]  # by Debian release, where it has them all, and "alpine"
    commands: tuple[str, ...]
    libraries: tuple[str, ...]  # sonames beyond glibc, libstdc++, libgcc and zlib
    build: tuple[str, ...]
    evidence: str
    note: str

    @property
    def is_verified(self) -> bool:
        """Tell whether the row was checked, not only known in general."""
        return bool(self.evidence)

    @property
    def is_wheel(self) -> bool:
        """Tell whether it comes compiled: a Python wheel, a Node prebuild."""
        return self.state in ("prebuilt", "prebuilt+system")

    def packages(self, system: str, releases: Sequence[str]) -> tuple[str, ...] | None:
        """Return the system packages to install; None when not known, or not the same on all releases.

        That nothing is needed is said only of rows that were checked.
        """
        if system == "alpine":
            # The wheels that were read are for glibc; for musl there may be none, and then it is compiled.
            return self.run["alpine"] or (() if self.state == "pure" and self._needs_nothing else None)
        if self._needs_nothing:
            return ()
        if system != "debian" or not releases or any(not self.run.get(release) for release in releases):
            return None
        lists = [self.run[release] for release in releases]
        if len({len(names) for names in lists}) != 1:
            return None
        names = [common_name(dict(zip(releases, row, strict=True))) for row in zip(*lists, strict=True)]
        return tuple(name for name in names if name) if all(names) else None

    @property
    def _needs_nothing(self) -> bool:
        """Tell whether it was checked that what every Debian image has is enough."""
        return self.is_verified and not self.libraries and all(self.run.get(name) == () for name in RELEASES)


def python_native(name: str) -> NativePackage | None:
    """Return what is known of a Python distribution; its name is taken as PEP 503 takes it."""
    return _table("python_native.tsv").get(re.sub(r"[-_.]+", "-", name).lower())


def node_native(name: str) -> NativePackage | None:
    """Return what is known of an npm package."""
    return _table("node_native.tsv").get(name)


def ruby_native(name: str) -> NativePackage | None:
    """Return what is known of a gem."""
    return _table("ruby_native.tsv").get(name)


def go_native(module: str) -> NativePackage | None:
    """Return what is known of a Go module or package, major versions aside; the longest path counts."""
    path = re.sub(r"(/v\d+|\.v\d+)(?=/|$)", "", module)
    while path:
        if found := _table("go_native.tsv").get(path):
            return found
        path = path.rpartition("/")[0]
    return None


def rust_native(crate: str) -> NativePackage | None:
    """Return what is known of a crate."""
    return _table("rust_sys.tsv").get(crate)


@cache
def rust_plain() -> frozenset[str]:
    """Return the crates that are known to link nothing of the system and to bring nothing that does."""
    return frozenset(name for line in lines("rust_plain.txt", __package__) for name in line.split())


@cache
def ocaml_plain() -> frozenset[str]:
    """Return the packages of opam that bring no library of the system."""
    return frozenset(name for line in lines("ocaml_plain.txt", __package__) for name in line.split())


@cache
def _table(name: str) -> Mapping[str, NativePackage]:
    return {row.name: row for row in map(_native, rows(name, __package__))}


def _native(cells: list[str]) -> NativePackage:
    name, state, run, alpine, commands, libraries, build, evidence, note = cells + [""] * (9 - len(cells))
    packages = {
        release: names
        for index, release in enumerate(RELEASES)
        if "-" not in (names := tuple(_of_release(word, index) for word in run.split()))
    }
    return NativePackage(
        name,
        state,
        packages | {"alpine": tuple(alpine.split())},
        tuple(commands.split()),
        tuple(libraries.split()),
        tuple(build.split()),
        evidence,
        note,
    )


def _of_release(word: str, index: int) -> str:
    """Return the name a package has in a release: "a|b|c" names the three, a single name all of them."""
    names = word.split("|")
    return names[index] if len(names) > 1 else word
