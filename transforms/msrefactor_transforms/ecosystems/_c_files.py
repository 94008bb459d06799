"""Which files of a source tree come along: those that aren't sources, wherever the program may open files."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

from msrefactor.code.c import CSources
from msrefactor.facts import StageFacts, is_under
from msrefactor.model import View

_SOURCE = tuple(
    ".c .cc .cpp .cxx .c++ .h .hh .hpp .hxx .inl .ipp .tcc .m .mm .s .asm .inc .f .f90 .f95 .f03 "
    ".for .pas .pp .lpi .lpr "
    ".vala .vapi .d .di .o .a .lo .la .obj .y .l .in .ac .am .m4 .cmake .mk .mak .build .wrap .pro "
    ".pri .pc .spec .sln "
    ".vcxproj .filters .md .rst .txt.in .swp .log .proto .idl .def".split()
)
"""Endings of what is compiled, of what says how, and of what is written for people."""
_NOT_RUN_TIME = frozenset(
    "Makefile makefile GNUmakefile CMakeLists.txt CMakePresets.json configure meson.build meson_options.txt "
    "SConstruct SConscript autogen.sh bootstrap bootstrap.sh install-sh config.guess config.sub "
    "ltmain.sh depcomp "
    "missing compile Dockerfile Containerfile LICENSE COPYING NOTICE README CHANGELOG ChangeLog "
    "AUTHORS NEWS TODO "
    "INSTALL CONTRIBUTING CONTRIBUTORS docker-compose.yml docker-compose.yaml compose.yml "
    "compose.yaml Doxyfile "
    "conanfile.txt conanfile.py vcpkg.json dub.json dub.sdl tests test testdata unittest unittests "
    "Jenkinsfile "
    "appveyor.yml codecov.yml CODEOWNERS Makefile.win compile_commands.json cmake m4 "
    "renovate.json".split()
)
_MOST_SINGLE_FILES = 6


@dataclass(frozen=True, slots=True)
class Filled:
    """What a source tree of the image holds of the context."""

    sources: tuple[str, ...]
    """Folders of the image whose copies needn't be replayed."""
    files: frozenset[str]
    """Single files of the image that only the build reads."""
    data: tuple[tuple[str, bool], ...]
    """Paths of the image below `sources` that come along, and whether they are folders."""


def filled(view: View, facts: StageFacts, tree: str) -> Filled:
    """Tell sources and data of a tree apart."""
    scope = facts.end
    root = scope.origin(tree)
    if root is not None and any(
        placed.is_folder and is_under(tree, placed.destination) for placed in scope.placed
    ):
        found = [posixpath.join(tree, name) for name in _data(scope.files(tree))]
        return Filled((tree,), frozenset(), tuple((p, not scope.is_file(p)) for p in found if scope.has(p)))
    folders: list[str] = []
    files: list[str] = []
    data: list[tuple[str, bool]] = []
    for placed in scope.placed:
        if not is_under(placed.destination, tree):
            continue
        if not placed.is_folder:
            if _is_source(placed.source):
                files.append(placed.destination)
            continue
        if all(not _is_source(file) for file in view.context.files(placed.source)):
            continue  # data alone: the author's own copy is replayed
        folders.append(placed.destination)
        names = [posixpath.join(placed.destination, name) for name in _data(scope.files(placed.destination))]
        data.extend((name, not scope.is_file(name)) for name in names)
    return Filled(tuple(folders), frozenset(files), tuple(data))


def why_opened(sources: CSources) -> str:
    """Return why data comes along, in words."""
    if sources.needs.paths:
        place = sources.needs.paths[0][1]
        return f"may be opened as at {place.file}:{place.line}"
    if sources.needs.unknown_paths:
        place = sources.needs.unknown_paths[0]
        return f"may be opened at {place.file}:{place.line}"
    return "may be opened by the program"


def _data(names: Iterable[str]) -> list[str]:
    """Return what a folder holds beside sources: whole folders of data, single files where it is mixed."""
    entries: dict[str, list[str]] = {}
    for inside in sorted(names):
        top = inside.split("/")[0]
        is_hidden = top.startswith(".") and not top.startswith(".env")
        if (
            is_hidden
            or top in _NOT_RUN_TIME
            or top.startswith(("Dockerfile", "README", "LICENSE", "CHANGELOG"))
        ):
            continue
        if top.lower().endswith((".dockerfile", ".md")):
            continue
        entries.setdefault(top, []).append(inside)
    found: list[str] = []
    for top, files in sorted(entries.items()):
        data = [file for file in files if not _is_source(file)]
        if not data:
            continue
        singles = _topmost(data, files) if len(data) < len(files) else [top]
        found.extend(singles if len(singles) <= _MOST_SINGLE_FILES else [top])
    return found


def _is_source(file: str) -> bool:
    name = posixpath.basename(file)
    return name.lower().endswith(_SOURCE) or name in _NOT_RUN_TIME or name.startswith("Makefile.")


def _topmost(data: Iterable[str], files: Iterable[str]) -> list[str]:
    """Return the topmost folders without sources that hold the data, or the files themselves."""
    mixed = {posixpath.dirname(file) for file in files if _is_source(file)}
    found: dict[str, None] = {}
    for file in data:
        path = file
        while "/" in path and not any(is_under("/" + one, "/" + posixpath.dirname(path)) for one in mixed):
            path = posixpath.dirname(path)
        found[path] = None
    return list(found)
