"""Which commands of a script run for certain: what a command removes is only gone where it surely ran."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace

from msrefactor.facts import Effect, Role
from msrefactor.shell import Command, Item

FALLBACK = "fallback"
"""Runs only when the command before it fails: `a || b`."""
CONDITIONAL = "conditional"
"""Runs only when a test says so: `[ -n "$X" ] && b`, `if …; then b; fi`."""

_TESTS = frozenset({"test", "[", "[[", "grep", "egrep", "diff", "cmp", "command", "type", "which"})
_REMOVERS = frozenset({"rm", "rmdir", "unlink", "find"})


def doubts_of(items: Sequence[Item]) -> Mapping[int, str]:
    """Return why a command may not run, by where it starts; those that surely run aren't in it.

    A removal behind a test of the same path is sure: the path is gone either way.
    """
    found: dict[int, str] = {}
    tests: list[Item] = []
    before: Item | None = None
    for item in items:
        if before is None or before.separator not in ("&&", "||"):
            tests = []
        doubt = ""
        if before is not None and before.separator == "||":
            doubt = CONDITIONAL if tests else FALLBACK
        elif tests:
            doubt = CONDITIONAL
        is_choice = item.keyword in ("if", "case")
        asked = [*tests, item] if is_choice else tests
        if doubt or is_choice:
            words = {
                word.text for test in asked for one in test.commands if _is_test(one) for word in one.words
            }
            for command in item.commands:
                named = {word.text for word in command.words[1:] if not word.text.startswith("-")}
                if not named or not named <= words:
                    found[command.start] = doubt or CONDITIONAL
        else:
            found.update(doubts_of(item.parts))
        if item.commands and all(map(_is_test, item.commands)):
            tests = [*tests, item]
        before = item
    return found


def _is_test(command: Command) -> bool:
    return command.name is not None and posixpath.basename(command.name) in _TESTS


def in_doubt(effect: Effect, doubt: str) -> Effect:
    """Return a removal that may not run as one that only touches what it names."""
    is_removal = effect.role is not Role.CLEAN and posixpath.basename(effect.tool) in _REMOVERS
    if not doubt or not effect.removes or not is_removal:
        return effect
    unsure = effect.removes if doubt == CONDITIONAL else ()
    writes = (*effect.writes, *effect.removes)
    return replace(effect, removes=(), writes=writes, may_remove=unsure, notes=())
