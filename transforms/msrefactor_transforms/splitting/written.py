"""Start scripts that the Dockerfile writes itself: a COPY of a heredoc, or a RUN that prints into a file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from msrefactor.code.needs import CodeNeeds, merged_needs
from msrefactor.code.shell import script_needs
from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, Scope, StageFacts, after_command
from msrefactor.shell import Command, Word

_SHELLS = (
    "#!/bin/sh",
    "#!/bin/bash",
    "#!/bin/ash",
    "#!/bin/dash",
    "#!/usr/bin/env sh",
    "#!/usr/bin/env bash",
)
_PRINT = frozenset({"echo", "printf"})


def written_needs(facts: StageFacts, name: str, dockerfile: str) -> CodeNeeds:
    """Return what a script uses that instructions of the stage write to this path; nothing for no script."""
    path = facts.end.path(name)
    found: list[CodeNeeds] = []
    printed: list[str] = []
    for fact in facts.facts:
        for text in _copied(fact, path):
            if text.startswith("#!") and not text.startswith(_SHELLS):
                # another language's: which programs it starts isn't read
                found.append(CodeNeeds(unknown_commands=(evidence_of(fact.instruction, dockerfile),)))
            else:
                found.append(script_needs(facts.end.context, path, text))
        printed.extend(_printed(fact, path))
    if printed:
        found.append(script_needs(facts.end.context, path, "\n".join(printed)))
    return merged_needs(found)


def _copied(fact: Fact, path: str) -> Iterator[str]:
    if fact.keyword in ("COPY", "ADD") and fact.destination is not None:
        for document in fact.instruction.heredocs:
            if path in (fact.destination, posixpath.join(fact.destination, document.name)):
                yield document.body


def _printed(fact: Fact, path: str) -> Iterator[str]:
    """Yield what the commands of a RUN print into the file, as far as the Dockerfile has it literally."""
    for one in fact.items:
        scope = one.scope or fact.scope
        commands = one.item.commands if one.item is not None else ()
        is_for_it = any(_writes(command, path, scope) for command in commands)
        for number, command in enumerate(commands):
            if is_for_it:
                yield from _text(fact, command, scope)
            if number < len(one.effects):
                scope = after_command(command, one.effects[number], scope)


def _writes(command: Command, path: str, scope: Scope) -> bool:
    """Whether a command's output goes to the file, by a redirection or through `tee`."""
    targets = [redirect.target for redirect in command.redirects if ">" in redirect.operator]
    if command.name == "tee":
        targets.extend(command.words[1:])
    values = [scope.value(target) for target in targets if target is not None]
    return any(value is not None and scope.path(value) == path for value in values)


def _text(fact: Fact, command: Command, scope: Scope) -> Iterator[str]:
    if command.name in ("cat", "tee"):
        yield from (document.body for document in fact.instruction.heredocs)
    words = [_printed_word(word, scope) for word in command.words[1:]]
    if command.name == "printf" and words[:1] and "%" in words[0]:
        yield from words[1:]  # each as the format has it, most often on a line of its own
    elif command.name in _PRINT:
        yield " ".join(word for word in words if word not in ("-e", "-n", "-en")).replace("\\n", "\n")


def _printed_word(word: Word, scope: Scope) -> str:
    """Return what is printed: what is around a variable of unknown value is still of the script."""
    value = scope.value(word)
    if value is not None:
        return value
    is_quoted = len(word.text) > 1 and word.text[0] in "\"'" and word.text[-1] == word.text[0]
    return word.text[1:-1] if is_quoted else word.text
