"""What C and C++ sources use at run time: programs they start, libraries they load, files they open.

A call counts by its name, wherever it stands; its first argument where that is written as a string. Sources:
POSIX (exec, system, popen, posix_spawn, dlopen, open), the C++ standard ("File streams").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from msrefactor.code.needs import EMPTY, MAX_SOURCE, CodeNeeds, SourceReader, merged_needs
from msrefactor.code.shell import starts_in
from msrefactor.model import Evidence

SOURCES = tuple(".c .cc .cpp .cxx .c++ .h .hh .hpp .hxx .inl .ipp .tcc .m .mm".split())
"""Endings of C, C++ and Objective-C."""

_SHELLS = frozenset({"system", "popen"})
_EXECS = frozenset(
    "execl execlp execle execv execvp execve execvpe fexecve posix_spawn posix_spawnp g_spawn_async "
    "g_spawn_sync "
    "g_spawn_command_line_sync g_spawn_command_line_async QProcess".split()
)
_LOADS = frozenset({"dlopen", "dlmopen", "g_module_open"})
_OPENS = frozenset(
    "fopen fopen64 freopen open open64 openat opendir scandir stat lstat stat64 access mmap ifstream fstream "
    "ofstream wifstream directory_iterator recursive_directory_iterator filebuf chdir realpath glob ftw nftw "
    "fdopen inotify_add_watch sendfile readlink exists is_regular_file getline_file".split()
)
_ASKS = frozenset(
    "getaddrinfo gethostbyname gethostbyname2 getpwnam getpwuid getgrnam getgrgid getpwent "
    "getservbyname iconv "
    "iconv_open setlocale locale getlogin initgroups".split()
)
"""Functions of the C library that read the system's files or load modules of it."""


@dataclass(frozen=True, slots=True)
class CSources:
    """What all sources of a folder say together."""

    needs: CodeNeeds
    files: tuple[str, ...]
    """The source files, by their paths in the context."""
    asks_the_system: bool
    """Whether users, names, locales or character sets are looked up."""
    is_cplusplus: bool
    headers: frozenset[str]
    """What is included with angle brackets."""

    @property
    def opens_files(self) -> bool:
        """Whether any file is opened, or may be."""
        return bool(self.needs.paths or self.needs.unknown_paths)


def c_sources(context: SourceReader, folders: Iterable[str]) -> CSources:
    """Read the C and C++ sources below folders of the context."""
    files = tuple(
        dict.fromkeys(
            path for folder in folders for path in context.files(folder) if path.lower().endswith(SOURCES)
        )
    )
    found: list[CodeNeeds] = []
    asks = False
    headers: set[str] = set()
    for path in files:
        text = context.read_text(path)
        if text is None or len(text) > MAX_SOURCE:
            place = (Evidence(path, None, ""),)
            found.append(CodeNeeds(unknown_commands=place, unknown_paths=place))
            continue
        needs, asked, included = _read(path, text)
        found.append(needs)
        asks = asks or asked
        headers |= included
    cplusplus = any(path.lower().endswith((".cc", ".cpp", ".cxx", ".c++", ".hpp", ".mm")) for path in files)
    return CSources(merged_needs(found) if found else EMPTY, files, asks, cplusplus, frozenset(headers))


def _read(path: str, text: str) -> tuple[CodeNeeds, bool, set[str]]:
    commands: list[tuple[str, Evidence]] = []
    unknown: list[Evidence] = []
    libraries: list[tuple[str, Evidence]] = []
    unknown_libraries: list[Evidence] = []
    paths: list[tuple[str, Evidence]] = []
    unknown_paths: list[Evidence] = []
    asks = False
    for name, literal, line in _calls(text):
        place = Evidence(path, line, name)
        if name in _ASKS:
            asks = True
        elif name in _SHELLS:
            started = starts_in(literal) if literal is not None else None
            if started is None:
                unknown.append(place)
                continue
            commands.append(("/bin/sh", place))
            for one in started:
                if one.kind == "program":
                    commands.append((one.name, place))
                elif one.kind == "unknown":
                    unknown.append(place)
        elif name in _EXECS:
            if literal and name.startswith("exec"):
                commands.append((literal, place))
            else:
                unknown.append(place)
        elif name in _LOADS:
            if literal:
                libraries.append((literal, place))
            else:
                unknown_libraries.append(place)
        elif literal is not None:
            paths.append((literal, place))
        else:
            unknown_paths.append(place)
    needs = CodeNeeds(
        commands=tuple(commands),
        unknown_commands=tuple(unknown),
        libraries=tuple(libraries),
        unknown_libraries=tuple(unknown_libraries),
        paths=tuple(paths),
        unknown_paths=tuple(unknown_paths),
    )
    return needs, asks, _included(text)


def _included(text: str) -> set[str]:
    found = set()
    for line in text.splitlines():
        bare = line.lstrip()
        if bare.startswith("#") and bare[1:].lstrip().startswith("include") and "<" in bare and ">" in bare:
            found.add(bare.partition("<")[2].partition(">")[0].strip())
    return found


_NAMES = _SHELLS | _EXECS | _LOADS | _OPENS | _ASKS


def _calls(text: str) -> Iterator[tuple[str, str | None, int]]:
    """Yield the calls of the functions that count: name, first argument if it is a string, line."""
    at, line, end = 0, 1, len(text)
    while at < end:
        char = text[at]
        if char == "\n":
            line += 1
            at += 1
        elif text.startswith("//", at):
            close = text.find("\n", at)
            at = end if close < 0 else close
        elif text.startswith("/*", at):
            close = text.find("*/", at + 2)
            close = end if close < 0 else close + 2
            line += text.count("\n", at, close)
            at = close
        elif char in "\"'":
            at = _after_string(text, at)
        elif char.isalpha() or char == "_":
            start = at
            while at < end and (text[at].isalnum() or text[at] == "_"):
                at += 1
            name = text[start:at]
            if name in _NAMES and not text[:start].rstrip().endswith((".", "->")):
                found = _argument(text, at)
                if found is not None or name in ("QProcess", "directory_iterator"):
                    yield name, found or None, line
        else:
            at += 1


def _after_string(text: str, at: int) -> int:
    quote = text[at]
    at += 1
    while at < len(text) and text[at] != quote:
        if text[at] == "\n" and quote == "'":
            return at  # an apostrophe in digits, or one that nobody closes
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _argument(text: str, at: int) -> str | None:
    """Return the string that a call's first argument is; "" for another argument, None: it is no call."""
    rest = text[at : at + 400].lstrip()
    if rest[:1].isalpha() or rest[:1] == "_":
        # a declaration: `std::ifstream in("x")`
        word = 0
        while word < len(rest) and (rest[word].isalnum() or rest[word] == "_"):
            word += 1
        rest = rest[word:].lstrip()
        if rest[:1] == ";":
            return ""
    if rest[:1] not in ("(", "{"):
        return None
    rest = rest[1:].lstrip()
    if not rest.startswith('"'):
        return ""
    close = _after_string(rest, 0)
    behind = rest[close:].lstrip()
    return rest[1 : close - 1] if behind[:1] in (",", ")", "}") else ""
