"""A reader of CMakeLists.txt: where it installs, what it links with.

Only literal commands count. Sources: CMake's manual, "install", "find_package", "cmake-language(7)".
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msrefactor.code.needs import SourceReader


def commands_of(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the commands of a CMake file with their words; quotes and comments are taken off."""
    at, end = 0, len(text)
    while at < end:
        char = text[at]
        if char == "#":
            at = _after_comment(text, at)
        elif char.isalpha() or char == "_":
            start = at
            while at < end and (text[at].isalnum() or text[at] == "_"):
                at += 1
            name = text[start:at].lower()
            while at < end and text[at] in " \t":
                at += 1
            if at < end and text[at] == "(":
                words, at = _words(text, at + 1)
                yield name, words
        else:
            at += 1


def _after_comment(text: str, at: int) -> int:
    if text.startswith("#[[", at):
        close = text.find("]]", at)
        return len(text) if close < 0 else close + 2
    close = text.find("\n", at)
    return len(text) if close < 0 else close + 1


def _words(text: str, at: int) -> tuple[tuple[str, ...], int]:
    """Return the words up to the closing parenthesis, and the place behind it."""
    words: list[str] = []
    current = ""
    depth = 0
    while at < len(text):
        char = text[at]
        if char == '"':
            close = at + 1
            while close < len(text) and text[close] != '"':
                close += 2 if text[close] == "\\" else 1
            current += text[at + 1 : close]
            at = close + 1
            continue
        if char == "#":
            at = _after_comment(text, at)
            continue
        if char == "(":
            depth += 1
        elif char == ")":
            if depth == 0:
                break
            depth -= 1
        elif char.isspace():
            if current:
                words.append(current)
            current = ""
            at += 1
            continue
        current += char
        at += 1
    if current:
        words.append(current)
    return tuple(words), at + 1


def lists_below(
    context: SourceReader, folder: str
) -> list[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]]:
    """Return the CMake files below a folder of the context with their commands."""
    found = []
    for path in context.files(folder):
        if posixpath.basename(path) == "CMakeLists.txt" or path.endswith(".cmake"):
            text = context.read_text(path)
            if text is not None:
                found.append((path, tuple(commands_of(text))))
    return found


def install_places(context: SourceReader, folder: str) -> tuple[str, ...] | None:
    """Return absolute places that the CMake files install into beside the prefix; None: it can't be told."""
    found: list[str] = []
    for _, commands in lists_below(context, folder):
        for name, words in commands:
            if name == "set" and words[:1] == ("CMAKE_INSTALL_PREFIX",):
                if len(words) < 2 or not words[1].startswith("/"):
                    return None
                found.append(words[1])
            if name != "install":
                continue
            if "SCRIPT" in words or "CODE" in words:
                return None
            for index, word in enumerate(words[:-1]):
                if not word.endswith("DESTINATION"):
                    continue
                place = words[index + 1]
                if place.startswith("/"):
                    found.append(place)
                elif place.startswith("${") and "CMAKE_INSTALL_" not in place:
                    return None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Targets:
    """What the CMake files of a project build, where all of it is written out."""

    programs: tuple[str, ...]
    """Paths below the build folder."""
    libraries: frozenset[str]
    """Names that are linked with: `ssl` for OpenSSL::SSL."""
    are_libraries_known: bool


_MODULES = frozenset(
    {"GNUInstallDirs", "CTest", "CheckCXXCompilerFlag", "CheckCCompilerFlag", "FindPkgConfig"}
)
_ANYTHING = frozenset(
    "fetchcontent_declare fetchcontent_makeavailable externalproject_add add_custom_command "
    "add_custom_target configure_file execute_process file cpmaddpackage conan_basic_setup "
    "qt_add_executable qt5_add_executable cuda_add_executable macro function foreach while try_compile "
    "include_external_msproject load_command qt_add_library qt6_add_executable generate_export_header "
    "protobuf_generate_cpp pybind11_add_module".split()
)
"""Commands with which files can come to lie anywhere."""
_PLACES = (
    "RUNTIME_OUTPUT_DIRECTORY",
    "LIBRARY_OUTPUT_DIRECTORY",
    "EXECUTABLE_OUTPUT_PATH",
    "OUTPUT_NAME",
    "SUFFIX",
)
_IMPORTED = {
    "OpenSSL::SSL": "ssl",
    "OpenSSL::Crypto": "crypto",
    "ZLIB::ZLIB": "z",
    "CURL::libcurl": "curl",
    "SQLite::SQLite3": "sqlite3",
    "PostgreSQL::PostgreSQL": "pq",
    "Threads::Threads": "pthread",
    "PNG::PNG": "png",
    "JPEG::JPEG": "jpeg",
    "LibXml2::LibXml2": "xml2",
}
_SCOPES = frozenset("PUBLIC PRIVATE INTERFACE LINK_PUBLIC LINK_PRIVATE general optimized debug".split())


def targets_of(context: SourceReader, folder: str) -> Targets | None:
    """Return what a project of the context builds; None where it isn't written out, or more is built."""
    programs: list[str] = []
    linked: list[str] = []
    own: set[str] = set()
    if not _read_targets(context, folder, "", {}, programs, linked, own) or not programs:
        return None
    names = {_IMPORTED.get(name, name.removeprefix("-l")) for name in linked if name not in own}
    are_known = not any("$" in name or "::" in name or "/" in name for name in names)
    return Targets(tuple(dict.fromkeys(programs)), frozenset(names), are_known)


def _read_targets(
    context: SourceReader,
    root: str,
    inside: str,
    variables: Mapping[str, str],
    programs: list[str],
    linked: list[str],
    own: set[str],
) -> bool:
    """Add what the CMake file of a folder builds; False: it can't be told."""
    text = context.read_text(posixpath.normpath(posixpath.join(root, inside, "CMakeLists.txt")))
    if text is None:
        return False
    known = dict(variables)
    depth = 0
    for name, raw in commands_of(text):
        words = tuple(_filled(word, known) for word in raw)
        if name in ("if", "endif"):
            depth += 1 if name == "if" else -1
        if name in _ANYTHING or any(mark in word for word in raw for mark in _PLACES):
            return False
        if name == "include" and not set(words[:1]) <= _MODULES:
            return False
        if name == "project" and words:
            known["PROJECT_NAME"] = words[0]
            known.setdefault("CMAKE_PROJECT_NAME", words[0])
        elif name == "set" and len(words) == 2 and depth == 0:
            known[words[0]] = words[1]
        elif name == "add_executable" and words:
            if depth or "$" in words[0]:
                return False
            if not {"IMPORTED", "ALIAS"} & set(words):
                programs.append(posixpath.normpath(posixpath.join(inside, words[0])))
        elif name == "add_library" and words:
            if depth or not {"STATIC", "OBJECT", "INTERFACE"} & set(words[1:2]):
                # without a word, BUILD_SHARED_LIBS decides
                is_static = len(words) > 1 and words[1] not in ("SHARED", "MODULE") and not depth
                if not is_static or "BUILD_SHARED_LIBS" in text:
                    return False
            own.add(words[0])
        elif name in ("target_link_libraries", "link_libraries"):
            items = words[1:] if name == "target_link_libraries" else words
            linked.extend(item for item in items if item not in _SCOPES)
        elif name == "add_subdirectory" and words:
            child = posixpath.normpath(posixpath.join(inside, words[0]))
            if depth or "$" in words[0] or child.startswith("..") or len(words) > 2:
                return False
            if not _read_targets(context, root, child, known, programs, linked, own):
                return False
    return True


def _filled(word: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        word = word.replace("${" + name + "}", value)
    return word
