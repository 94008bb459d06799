"""Which programs PHP source starts: `exec` and its kin, backquotes, Symfony's and Laravel's Process."""

from __future__ import annotations

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
from msrefactor.code.php_tokens import tokens
from msrefactor.code.shell import starts_in
from msrefactor.code.tokens import Token, is_mark, is_name
from msrefactor.model import Evidence

_FUNCTIONS = frozenset("exec shell_exec system passthru proc_open popen pcntl_exec".split())
_OF_PROCESS = frozenset({"run", "start", "fromShellCommandline", "pipe"})


def php_needs(path: str, text: str) -> CodeNeeds:
    """Return what one PHP file starts."""
    if len(text) > MAX_SOURCE:
        return EMPTY
    code = tokens(text)
    found = Findings(path)
    for at, token in enumerate(code):
        if token.kind == "command":
            _shell_text(found, token)
        elif token.kind == "name" and is_mark(code, at + 1, "(") and _starts(code, at):
            _argument(found, code, at)
    return found.needs()


def php_needs_of(context: SourceReader, paths: Iterable[str]) -> CodeNeeds:
    """Return what PHP files of a context start."""
    texts = ((path, context.read_text(path)) for path in paths)
    return merged_needs(php_needs(path, text) for path, text in texts if text is not None)


def _starts(code: Sequence[Token], at: int) -> bool:
    """Whether the call at `at` starts a program."""
    name = code[at].text
    if name == "Process":
        return is_name(code, at - 1, "new")
    if name in _OF_PROCESS and is_mark(code, at - 1, "::"):
        return is_name(code, at - 2, "Process")
    return name.lower() in _FUNCTIONS and _is_function(code, at)


def _is_function(code: Sequence[Token], at: int) -> bool:
    """Whether a name is a call of the function itself, not of a method or a definition."""
    before = code[at - 1] if at else None
    if before is None:
        return True
    if before.kind == "mark" and before.text in ("->", "?->", "::"):
        return False
    return not (before.kind == "name" and before.text in ("function", "new", "fn"))


def _argument(found: Findings, code: Sequence[Token], at: int) -> None:
    first = at + 2
    while is_mark(code, first, "["):
        first += 1
    if first < len(code) and code[first].kind in ("string", "template"):
        _shell_text(found, code[first], is_whole=not is_mark(code, first + 1, "."))
        return
    words = " ".join(token.text for token in code[at : at + 8] if token.line == code[at].line)
    found.unknown_commands.append(Evidence(found.path, code[at].line, excerpt(words)))


def _shell_text(found: Findings, token: Token, *, is_whole: bool = True) -> None:
    evidence = Evidence(found.path, token.line, excerpt(token.text))
    text = token.text
    if token.parts or token.kind == "template" or not is_whole:
        word, blank, _ = text.lstrip().partition(" ")
        if not blank or not word or any(mark in word for mark in "$`(|&;<>{"):
            found.unknown_commands.append(evidence)
            return
        text = word
    started = starts_in(text)
    for one in started if started is not None else ():
        if one.kind == "program":
            found.commands.append((one.name, evidence))
        elif one.kind == "unknown":
            found.unknown_commands.append(evidence)
    if started is None:
        found.unknown_commands.append(evidence)
