"""What C#, F# and Visual Basic source starts, loads and opens at run time.

The source is read as text with strings and comments told apart; only names that are written there count.
Sources: the .NET API reference of System.Diagnostics.Process, System.IO and NativeLibrary.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msrefactor.code.needs import (
    FOREIGN_ENDINGS,
    CodeNeeds,
    Findings,
    SourceReader,
    excerpt,
    merged_needs,
    source_texts,
)
from msrefactor.model import Evidence

ENDINGS = (".cs", ".fs", ".vb", ".cshtml", ".razor")
_TOKEN = re.compile(
    r"""
    (?P<line>//[^\n]*)
    |(?P<block>/\*.*?\*/|\(\*(?!\)).*?\*\))
    |(?P<raw>\$*\"\"\"(?:.*?)\"\"\")
    |(?P<verbatim>(?:\$@|@\$|@)"(?:[^"]|"")*")
    |(?P<string>(?P<mark>\$?)"(?:[^"\\\n]|\\.)*")
    |(?P<char>'(?:[^'\\\n]|\\.)')
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>[^\s\w])
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENERS = frozenset(
    "ReadAllText ReadAllLines ReadAllBytes ReadLines ReadAllTextAsync ReadAllLinesAsync ReadAllBytesAsync "
    "OpenRead OpenText AddJsonFile AddXmlFile AddIniFile StreamReader FileStream EnumerateFiles GetFiles "
    "GetDirectories EnumerateDirectories PhysicalFileProvider".split()
)
_LOADERS = frozenset(["DllImport", "LibraryImport"])


def dotnet_needs(reader: SourceReader, paths: Sequence[str]) -> CodeNeeds:
    """Return what the source files use, all together."""
    return merged_needs(needs_of(path, text) for path, text in source_texts(reader, paths))


def needs_of(path: str, text: str) -> CodeNeeds:
    """Return what one source file uses."""
    findings = Findings(path)
    if not re.search(r"\bProcess(StartInfo)?\b|DllImport|LibraryImport|NativeLibrary|File|Provider", text):
        return findings.needs()
    tokens = [
        (str(match.lastgroup), match[0], match.start())
        for match in _TOKEN.finditer(text)
        if match.lastgroup not in ("line", "block", "char")
    ]
    values = [_literal(kind, written) for kind, written, _ in tokens]
    for at, (kind, written, start) in enumerate(tokens):
        if kind != "name":
            continue
        line = text.count("\n", 0, start) + 1
        place = Evidence(path, line, excerpt(text[start : start + 100].split("\n", maxsplit=1)[0]))
        following = [one for _, one, _ in tokens[at + 1 : at + 3]]
        before = [one for _, one, _ in tokens[max(0, at - 2) : at]]
        if written in _LOADERS and following[:1] == ["("]:
            _library(values[at + 2] if at + 2 < len(values) else None, place, findings)
        elif written == "NativeLibrary" and following[:2] == [".", "Load"]:
            _library(values[at + 4] if at + 4 < len(values) else None, place, findings)
        elif written == "Process" and following[:2] == [".", "Start"]:
            argument = at + 4
            first = values[argument] if argument < len(values) else None
            is_information = argument < len(tokens) and tokens[argument][0] == "name"
            if first is not None or not is_information or "ProcessStartInfo" not in text:
                if argument < len(tokens) and tokens[argument][1] == ")":
                    continue  # an instance's own Start(): its information is met elsewhere
                _command(first, place, findings)
        elif written == "ProcessStartInfo" and before[-1:] == ["new"] and following[:1] == ["("]:
            first = values[at + 2] if at + 2 < len(values) else None
            if first is not None:
                _command(first, place, findings)
            elif at + 2 < len(tokens) and tokens[at + 2][1] != ")":
                findings.unknown_commands.append(place)
        elif written == "FileName" and following[:1] == ["="] and "Process" in text:
            if following[1:2] != ["="]:
                _command(values[at + 2] if at + 2 < len(values) else None, place, findings)
        elif written in _OPENERS and following[:1] == ["("]:
            first = values[at + 2] if at + 2 < len(values) else None
            if first:
                findings.paths.append((first, place))
            else:
                findings.unknown_paths.append(place)
    return findings.needs()


def _literal(kind: str, written: str) -> str | None:
    """Return a string's text; None for another written, and for one with values put in."""
    if kind == "verbatim":
        return None if "$" in written[:2] else written[2:-1].replace('""', '"')
    if kind == "raw":
        return None if written.startswith("$") else written[3:-3].strip()
    if kind == "string":
        return None if written.startswith("$") else re.sub(r"\\(.)", r"\1", written[1:-1])
    return None


def _command(name: str | None, place: Evidence, findings: Findings) -> None:
    if name is None:
        findings.unknown_commands.append(place)
    elif name and not name.lower().endswith(FOREIGN_ENDINGS) and not name.startswith(("http:", "https:")):
        findings.commands.append((name.split()[0] if " " in name else name, place))


def _library(name: str | None, place: Evidence, findings: Findings) -> None:
    if name is None:
        findings.unknown_libraries.append(place)
    elif name and not name.lower().endswith(FOREIGN_ENDINGS):
        findings.libraries.append((name, place))
