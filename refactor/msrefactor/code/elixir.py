"""What Elixir and Erlang source starts and opens at run time.

Sources: hexdocs.pm System.cmd/3, System.shell/2, Port.open/2, File; erlang.org os:cmd/1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msrefactor.code.needs import CodeNeeds, Findings, SourceReader, excerpt, merged_needs, source_texts
from msrefactor.model import Evidence

ENDINGS = (".ex", ".exs", ".erl", ".heex", ".eex", ".leex")
_STARTS = re.compile(
    r"(?<!\w)(?:System\.(?:cmd|shell|find_executable)|MuonTrap\.cmd|Rambo\.run|Porcelain\.(?:exec|shell|spawn)|"
    r"System\.cmd!|:os\.(?:cmd|find_executable)|os:(?:cmd|find_executable))\s*\(?\s*"
    r"(?P<name>\"(?:[^\"\\]|\\.)*\"|~c\"[^\"]*\"|'[^']*'|\S)"
)
_PORT = re.compile(
    r"(?:Port\.open|open_port)\s*\(\s*\{\s*:?spawn(?:_executable|_driver)?\s*,\s*(?P<name>\"[^\"]*\"|'[^']*'|\S)"
)
_OPENS = re.compile(
    r"(?:\bFile\.(?:read|stream|open|ls|cp|cp_r|dir\?|exists\?|stat|mkdir|mkdir_p|write|touch)!?|\bEEx\.eval_file|"
    r"\bCode\.eval_file|\bPath\.wildcard|\bPath\.expand|(?<![\w.]):?file[:.](?:read_file|open|consult|list_dir|"
    r"script|path_open|write_file)|\bfilelib:(?:wildcard|is_file|is_dir|ensure_dir))"
    r"\s*\(?\s*(?P<name>\"(?:[^\"\\]|\\.)*\"|'[^']*'|~c\"[^\"]*\"|\S)"
)


def elixir_needs(reader: SourceReader, paths: Sequence[str]) -> CodeNeeds:
    """Return what the source files use, all together."""
    return merged_needs(needs_of(path, text) for path, text in source_texts(reader, paths))


def needs_of(path: str, text: str) -> CodeNeeds:
    """Return what one source file uses."""
    findings = Findings(path)
    mark = "%" if path.endswith(".erl") else "#"
    plain = re.sub(rf"(?m)^[ \t]*{mark}.*$", "", text)
    for pattern, kind in ((_STARTS, "start"), (_PORT, "start"), (_OPENS, "open")):
        for match in pattern.finditer(plain):
            line = plain.count("\n", 0, match.start()) + 1
            place = Evidence(path, line, excerpt(plain[match.start() :].split("\n", maxsplit=1)[0]))
            name = _literal(match["name"])
            if kind == "start" and name is None:
                findings.unknown_commands.append(place)
            elif kind == "start" and name:
                findings.commands.append((name.split()[0], place))
            elif kind == "open" and name is None:
                findings.unknown_paths.append(place)
            elif kind == "open" and name:
                findings.paths.append((name, place))
    return findings.needs()


def _literal(text: str) -> str | None:
    text = text.removeprefix("~c")
    if len(text) < 2 or text[0] not in "\"'" or "#{" in text:
        return None
    return text[1:-1].strip()
