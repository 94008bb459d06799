"""Which programs Ruby source starts: backquotes, `%x`, `system`, `exec`, `spawn`, `IO.popen`, `Open3`.

The name of a program counts where it is written there; what is put together while the program runs is an
unknown command, as in the other languages.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from msrefactor.code.needs import (
    EMPTY,
    MAX_SOURCE,
    CodeNeeds,
    Findings,
    SourceReader,
    excerpt,
    merged_needs,
)
from msrefactor.code.ruby_tokens import tokens
from msrefactor.code.shell import starts_in
from msrefactor.code.tokens import Token, closing, is_mark, is_name
from msrefactor.model import Evidence

_OWNED = {
    "popen": ("IO",),
    "capture2": ("Open3",),
    "capture2e": ("Open3",),
    "capture3": ("Open3",),
    "popen2": ("Open3",),
    "popen2e": ("Open3",),
    "popen3": ("Open3",),
    "pipeline": ("Open3",),
    "system": ("Kernel",),
    "exec": ("Kernel",),
    "spawn": ("Kernel", "Process"),
}
"""Methods that start a program, with the modules they may be called on; the first row's only on these."""
_BARE = frozenset({"system", "exec", "spawn", "sh"})
"""Those that are called without a receiver."""


def ruby_needs(path: str, text: str) -> CodeNeeds:
    """Return what one Ruby file starts, and what it requires."""
    if len(text) > MAX_SOURCE:
        return EMPTY
    code = tokens(text)
    found = Findings(path)
    for at, token in enumerate(code):
        if token.kind == "command":
            is_definition = at > 0 and code[at - 1].text == "def"
            if not is_definition:
                _shell_text(found, path, token)
        elif token.kind == "name" and _starts(code, at):
            _arguments(found, path, code, at)
        elif token.kind == "name" and token.text == "require" and at + 1 < len(code):
            argument = code[at + 2 if is_mark(code, at + 1, "(") else at + 1 : at + 3]
            if argument and argument[0].kind == "string":
                found.imports.add(argument[0].text)
    return found.needs()


def ruby_needs_of(context: SourceReader, paths: Iterable[str]) -> CodeNeeds:
    """Return what Ruby files of a context start."""
    needs = []
    for path in paths:
        text = context.read_text(path)
        if text is not None:
            needs.append(ruby_needs(path, text))
    return merged_needs(needs)


def _starts(code: Sequence[Token], at: int) -> bool:
    """Whether the name at `at` is a call that starts a program."""
    name = code[at].text
    if at + 1 >= len(code):
        return False
    before = code[at - 1] if at else None
    if before is not None and before.kind == "mark" and before.text in (".", "::"):
        owner = code[at - 2] if at > 1 else None
        return owner is not None and owner.kind == "name" and owner.text in _OWNED.get(name, ())
    if before is not None and before.kind == "name" and before.text in ("def", "alias", "undef"):
        return False
    following = code[at + 1]
    if is_mark(code, at + 1, "("):
        return name in _BARE
    return name in _BARE and following.kind in ("string", "template") and following.line == code[at].line


def _arguments(found: Findings, path: str, code: Sequence[Token], at: int) -> None:
    start = at + 2 if is_mark(code, at + 1, "(") else at + 1
    if is_mark(code, start, "{"):  # the environment comes first
        start = closing(code, start)
        start += is_mark(code, start, ",")
    elif is_name(code, start) and code[start].text.lower().endswith("env") and is_mark(code, start + 1, ","):
        start += 2
    while is_mark(code, start, "[") or is_mark(code, start, "*"):
        start += 1
    first = code[start] if start < len(code) else None
    if first is not None and first.kind in ("string", "template"):
        _shell_text(found, path, first)
        return
    words = " ".join(token.text for token in code[at : start + 6] if token.line == code[at].line)
    found.unknown_commands.append(Evidence(path, code[at].line, excerpt(words)))


def _shell_text(found: Findings, path: str, token: Token) -> None:
    """Count the programs of a text that a shell gets, as far as they are written there."""
    evidence = Evidence(path, token.line, excerpt(token.text))
    text = token.text
    if token.parts or token.kind == "template":
        # what is put in may be anything; the first word is known when it ends before
        word, blank, _ = text.lstrip().partition(" ")
        if not blank or not word or any(mark in word for mark in "$`(|&;<>{"):
            found.unknown_commands.append(evidence)
            return
        text = word
    started = starts_in(text)
    if started is None:
        found.unknown_commands.append(evidence)
        return
    for one in started:
        if one.kind == "program":
            found.commands.append((one.name, evidence))
        elif one.kind == "unknown":
            found.unknown_commands.append(evidence)


def is_ruby(path: str) -> bool:
    """Whether a file holds Ruby source by its name."""
    name = posixpath.basename(path)
    return name.endswith((".rb", ".rake", ".ru", ".gemspec")) or name in ("Rakefile", "Guardfile")
