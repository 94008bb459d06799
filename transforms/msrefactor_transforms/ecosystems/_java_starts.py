"""What the container's start names of what was built: jars, class paths, agents, files beside them.

The original image ran, so a path that a start command, a script or a variable names is there. Only what lies
in a folder of the build, or among the sources, has to be brought over.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from msrefactor import shell
from msrefactor.contract import starts
from msrefactor.facts import Scope, StageFacts
from msrefactor.model import Evidence, View
from msrefactor_transforms.splitting.needs import placed_path

_CLASS_PATH = ("-jar", "-cp", "-classpath", "--class-path", "-p", "--module-path")
_PIECES = re.compile(r"[=:,;\s\"']+")


@dataclass(frozen=True, slots=True)
class Named:
    """One path that a start names; it may hold `*` where a shell expands it."""

    path: str
    evidence: Evidence
    is_started: bool
    """Whether a command line names it, not a variable."""
    is_class_path: bool = False
    """Whether it is only where `java` looks for classes."""

    @property
    def is_pattern(self) -> bool:
        """Whether the path has wildcards."""
        return any(char in self.path for char in "*?[")


@dataclass(frozen=True, slots=True)
class Launches:
    """All that the starts name."""

    named: tuple[Named, ...]
    unknown: tuple[Evidence, ...] = ()
    """Command lines of `java` of which a part isn't known before the container runs."""
    text: str = ""
    """Everything that is written there, for looking up names."""


def launches(view: View, facts: StageFacts) -> Launches:
    """Return what the start commands, the scripts that they run and the variables name."""
    named: dict[tuple[str, bool], Named] = {}
    unknown: list[Evidence] = []
    written: list[str] = []

    def add(word: str, evidence: Evidence, is_started: bool) -> None:
        written.append(word)
        for path in _paths(word, facts.end):
            named.setdefault((path, is_started), Named(path, evidence, is_started))

    def add_line(line: tuple[str | None, ...], evidence: Evidence) -> None:
        if _runs_from_here(line, facts.end):
            named.setdefault(("", True), Named(facts.end.cwd, evidence, True, is_class_path=True))
        if None in line and _is_java(line):
            unknown.append(evidence)
        for before, word in zip((None, *line), line, strict=False):
            if word is None:
                continue
            add(word, evidence, True)
            if before in _CLASS_PATH:
                for entry in word.split(":"):
                    path = facts.end.path(entry)
                    named.setdefault((path, True), Named(path, evidence, True))

    for start in starts(view, facts):
        if start.argv is not None:
            texts = _of_shell(start.argv)
            lines = _words_of(texts, facts.end) if texts is not None else (start.argv,)
        else:
            lines = _words_of(start.shell or "", facts.end)
        if lines is None:
            unknown.append(start.evidence)
            continue
        for line in lines:
            add_line(line, start.evidence)
            for word in line:
                for script in _script_words(word, facts, 0) if word else ():
                    add_line(script, start.evidence)
    for fact in facts.facts:
        if fact.keyword == "ENV":
            evidence = Evidence(view.name, fact.line, "")
            for name, _ in fact.instruction.pairs:
                if name != "PATH":
                    add(facts.end.variables.get(name, ""), evidence, False)
    for use in view.uses:
        if use.kind == "environment" and use.value:
            add(use.value.partition("=")[2], use.evidence, False)
    return Launches(tuple(named.values()), tuple(dict.fromkeys(unknown)), " ".join(written))


def _of_shell(argv: tuple[str, ...]) -> str | None:
    """Return the text that `sh -c` is given."""
    if len(argv) >= 3 and posixpath.basename(argv[0]) in ("sh", "bash", "ash") and argv[1].endswith("c"):
        return argv[2]
    return None


def _is_java(words: tuple[str | None, ...]) -> bool:
    """Whether what isn't known may be the program, its jar or its class path, not an option for it."""
    if not words or words[0] is None:
        return True
    position = next((n for n, word in enumerate(words) if word and posixpath.basename(word) == "java"), None)
    if position is None:
        return False
    rest = words[position + 1 :]
    for before, word in zip((None, *rest), rest, strict=False):
        if word is None and before in _CLASS_PATH:
            return True
    return not any(word in _CLASS_PATH for word in rest)


def _runs_from_here(words: tuple[str | None, ...], scope: Scope) -> bool:
    """Whether `java` is started without a class path: it looks for classes in the working directory."""
    position = next((n for n, word in enumerate(words) if word and posixpath.basename(word) == "java"), None)
    if position is None or "CLASSPATH" in scope.variables:
        return False
    options = {*_CLASS_PATH, "-version", "--version"}
    return not any(word and word.partition("=")[0] in options for word in words[position + 1 :])


def _words_of(text: str, scope: Scope) -> tuple[tuple[str | None, ...], ...] | None:
    """Return the words of each command of a shell text; None for a word that only the shell knows."""
    script = shell.parse_script(text)
    if script is None:
        return None
    return tuple(tuple(_value(word, scope) for word in command.words) for command in script.commands)


def _value(word: shell.Word, scope: Scope) -> str | None:
    """Return a word as the shell makes it; a variable that nothing sets is empty or a caller's option."""
    value = scope.value(word)
    if value is not None:
        return value
    if "$(" in word.text or "`" in word.text:
        return None
    return None


def _script_words(word: str, facts: StageFacts, depth: int) -> Iterator[tuple[str | None, ...]]:
    """Yield the command lines of a script of the context that a word names."""
    scope = facts.end
    path = scope.path(word) if scope.is_file(scope.path(word)) else placed_path(facts, word)
    text = scope.read(path) if path is not None and depth <= 2 else None
    if path is None or text is None or "\0" in text[:500]:
        return
    if not text.startswith("#!") and not path.endswith((".sh", ".bash")):
        return
    for line in _words_of(text, scope) or ():
        yield line
        for inner in line:
            if inner is not None and inner != word:
                yield from _script_words(inner, facts, depth + 1)


def _paths(word: str, scope: Scope) -> Iterator[str]:
    """Yield the absolute paths that a word may name: itself, and the pieces of class paths and options."""
    pieces = {word.strip(), *(_PIECES.split(word.strip()))}
    for written in pieces:
        piece = written.removeprefix("file:").removeprefix("@")
        if not piece or piece.startswith(("-", "//")) or "://" in piece:
            continue
        looks_like_path = "/" in piece or re.search(r"\.[A-Za-z]\w*$", piece) or scope.has(scope.path(piece))
        if looks_like_path or piece == "*":
            yield scope.path(piece)
