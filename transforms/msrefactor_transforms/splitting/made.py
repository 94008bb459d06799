"""What set-up commands make among the sources: folders and files for the running program, or for the build.

A folder into which no build step is seen to reach is one that the program writes into, and that the final
stage lacks where only the sources are left behind.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from msrefactor.facts import Fact, ItemFact, Role, is_under
from msrefactor_transforms.splitting.question import Question

_MAKERS = frozenset({"mkdir", "touch", "echo", "printf", "install"})
_OF_BUILDS = frozenset("build _build obj objs bin lib target deps src include cmake".split())
"""Names of folders that a build of the same RUN fills, though none of its words says so."""


def made_for_the_program(question: Question) -> tuple[str, ...]:
    """Return the paths among the sources that a set-up command makes, and that no build step uses."""
    found = [
        path
        for fact in question.facts.runs()
        for position, item in enumerate(fact.items)
        if item.role is Role.SETUP
        for effect in item.effects
        if effect.tool in _MAKERS and not effect.reads and not effect.appends
        for path in effect.writes
        if any(is_under(path, tree) for tree in question.plan.dropped)
        and not _is_for_the_build(question, fact, position, path)
    ]
    return tuple(dict.fromkeys(found))


def _is_for_the_build(question: Question, fact: Fact, position: int, path: str) -> bool:
    """Whether a build step writes there or names it, a copy brings it, or somebody changes into it."""
    if any(is_under(tree, path) for tree in question.plan.dropped):
        return True
    if posixpath.basename(path) in _OF_BUILDS and any(_is_build(one) for one in fact.items[position:]):
        return True
    end = question.facts.end
    if end.origin(path) is not None and end.has(path):
        return True
    for other in question.facts.facts:
        if other.index < fact.index:
            continue
        if is_under(other.scope.cwd, path) or any(is_under(one.destination, path) for one in other.placed):
            return True
        for number, item in enumerate(other.items):
            if other.index == fact.index and number <= position:
                continue
            reached = [one for effect in item.effects for one in effect.writes] if _is_build(item) else []
            if item.role is Role.NAVIGATE:
                reached.extend(one for effect in item.effects for one in effect.reads)
            if _is_build(item):
                reached.extend(_named(other, item))
            if any(is_under(one, path) for one in reached):
                return True
    return False


def _is_build(item: ItemFact) -> bool:
    return item.role in (Role.BUILD, Role.FETCH, Role.GATE)


def _named(fact: Fact, item: ItemFact) -> Iterator[str]:
    """Yield the paths that the words of a build command name, as far as they are literal."""
    for command in item.item.commands if item.item is not None else ():
        for word in command.words[1:]:
            text = word.text.strip("\"'")
            for part in (text, text.partition("=")[2]):
                if part and not part.startswith("-"):
                    yield posixpath.normpath(posixpath.join(fact.scope.cwd, part))
