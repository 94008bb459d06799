"""A RUN in exec form, read as the RUN in shell form that does the same: only that one can be added to."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import replace

from msrefactor.commands import SHELL_BUILTINS
from msrefactor.facts import Fact, Scope, script_of

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-")
"""What a shell takes as it stands, wherever it is in a word."""


def in_shell_form(fact: Fact) -> Fact:
    """Return the fact of a RUN in exec form with the instruction in shell form, where a shell does the same.

    Either it starts the shell that the shell form starts, or every word means itself to the shell, and the
    first one a program. Any other fact is returned as it is.
    """
    instruction = fact.instruction
    argv = instruction.exec_form if fact.keyword == "RUN" else None
    if not argv or fact.script is None or instruction.is_multiline:
        return fact
    if argv[:-1] == fact.scope.shell:
        text = argv[-1] if _is_written_alike(argv[-1]) else ""
    else:
        text = " ".join(argv) if _is_plain(argv, fact.scope) else ""
    if not text:
        return fact
    start = instruction.source.find("[", len(instruction.keyword_text))
    ending = instruction.source[len(instruction.source.rstrip("\r\n")) :]
    made = instruction.with_source(instruction.source[:start] + text + ending)
    script, offset = script_of(made, fact.scope)
    if script is None or script.text != fact.script.text:
        return fact
    return replace(fact, instruction=made, script=script, offset=offset)


def _is_plain(argv: Sequence[str], scope: Scope) -> bool:
    shell = posixpath.basename(scope.shell[0]) if scope.shell else ""
    if shell not in ("sh", "bash", "ash", "dash") or "=" in argv[0] or argv[0] in SHELL_BUILTINS:
        return False
    return all(word and _PLAIN.issuperset(word) for word in argv)


def _is_written_alike(text: str) -> bool:
    """Whether a script means the same behind RUN: no break, no escape, no heredoc, no comment, no option."""
    begins = text.startswith(("[", "--", "#", " ", "<"))
    return not begins and not any(mark in text for mark in ("\n", "\r", "\\", "<<", " #"))
