"""A reader of Makefiles: variables, rules and recipes, as far as they are written out.

What only make can know (other shell commands, included files, conditions on either) is None here. Source: the
GNU make manual, chapters "How to Use Variables", "Functions for Transforming Text", "Conditional Parts".
"""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

_BUILT_IN = {"CC": "cc", "CXX": "g++", "CPP": "cc -E", "LD": "ld", "AR": "ar", "RM": "rm -f", "MAKE": "make"}
_MOST_DEPTH = 16
_SPECIAL = (".PHONY", ".DEFAULT", ".SUFFIXES", ".SILENT", ".EXPORT", ".SECONDARY", ".PRECIOUS", ".ONESHELL")

Files = Callable[[str], Sequence[str]]
"""Returns what a pattern matches among the files that are there."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One target's rule; None among `needs` is a name that isn't known."""

    needs: tuple[str | None, ...] = ()
    recipe: tuple[str, ...] = ()
    """Recipe lines, not expanded."""


@dataclass(frozen=True, slots=True)
class Makefile:
    """What is written in a Makefile."""

    variables: Mapping[str, str | None]
    """Not expanded; None: it depends on what only make knows."""
    rules: Mapping[str, Rule]
    patterns: Mapping[str, Rule]
    """Rules with a `%`."""
    phony: frozenset[str]
    first: str | None
    """The default goal."""
    is_whole: bool
    """Whether nothing else is included, and every rule's name is known."""
    files: Files = field(default=lambda pattern: ())

    def expanded(self, text: str, local: Mapping[str, str] | None = None) -> str | None:
        """Return a text with variables and functions filled in; None where only make knows it."""
        return _expanded(self, text, dict(local or {}), 0)

    def rule(self, target: str) -> tuple[Rule, str] | None:
        """Return the rule for a target, and what `%` stands for in it."""
        for name in (target, "./" + target):
            if name in self.rules and (self.rules[name].recipe or not self._pattern(target)):
                return self.rules[name], ""
        return self._pattern(target)

    def _pattern(self, target: str) -> tuple[Rule, str] | None:
        for pattern, rule in self.patterns.items():
            head, _, tail = pattern.partition("%")
            if target.startswith(head) and target.endswith(tail) and len(target) > len(head) + len(tail):
                return rule, target[len(head) : len(target) - len(tail)]
        return None


def read_makefile(
    text: str, given: Mapping[str, str], environment: Mapping[str, str], files: Files = lambda pattern: ()
) -> Makefile:
    """Read a Makefile; `given` are variables of the command line, which win over the file's."""
    made = Makefile(dict(given), {}, {}, frozenset(), None, is_whole=True, files=files)
    start = {name: value for name, value in environment.items() if name not in ("PATH", "HOME")}
    made = replace(made, variables={**_BUILT_IN, **start, **given})
    current: list[str] = []
    states: list[bool | None] = []
    is_defining = False
    for line in _lines(text):
        bare = line.strip()
        if is_defining:
            is_defining = bare != "endef"
            continue
        if line.startswith("\t") and current:
            if False not in states:
                made = _with_recipe(made, current, bare)
            continue
        bare = _without_comment(bare)
        word = bare.split(None, 1)[0] if bare else ""
        if not bare:
            continue
        if word in ("ifeq", "ifneq", "ifdef", "ifndef"):
            states.append(_condition(made, word, bare[len(word) :].strip()))
        elif word == "else" and states:
            known = states.pop()
            states.append(None if known is None or bare != "else" else not known)
        elif word == "endif" and states:
            states.pop()
        elif False in states:
            continue
        elif word in ("include", "-include", "sinclude"):
            names = made.expanded(bare[len(word) :])
            # files of dependencies that the compiler writes hold no rules of their own
            if names is None or not all(name.endswith((".d", ".dep")) for name in names.split()):
                made = replace(made, is_whole=False)
        elif word == "define":
            is_defining = True
            made = replace(made, is_whole=False)
        elif word in ("export", "override", "unexport", "vpath"):
            rest = bare[len(word) :].strip()
            if _assignment(rest) is not None:
                made = _assigned(made, rest, given, is_sure=None not in states)
        elif _assignment(bare) is not None:
            current = []
            made = _assigned(made, bare, given, is_sure=None not in states)
        elif ":" in bare:
            made, current = _with_rule(made, bare)
        else:
            made = replace(made, is_whole=False)
    return made


def _lines(text: str) -> Iterator[str]:
    """Yield the lines, with continued ones joined."""
    held = ""
    for line in text.splitlines():
        whole = held + (line.strip() if held else line)
        if whole.endswith("\\") and not whole.endswith("\\\\"):
            held = whole[:-1].rstrip() + " "
            continue
        held = ""
        yield whole
    if held:
        yield held


def _without_comment(text: str) -> str:
    at = text.find("#")
    while at > 0 and text[at - 1] == "\\":
        at = text.find("#", at + 1)
    return text if at < 0 else text[:at].rstrip()


def _assignment(text: str) -> tuple[str, str, str] | None:
    """Return name, operator and value; None where it isn't an assignment."""
    depth = 0
    for at, char in enumerate(text):
        if char in "({":
            depth += 1
        elif char in ")}":
            depth -= 1
        elif depth == 0 and char == "=":
            head = text[:at].rstrip()
            operator = "="
            for sign in (":::", "::", ":", "?", "+", "!"):
                if head.endswith(sign):
                    head, operator = head[: -len(sign)].rstrip(), sign + "="
                    break
            if head and " " not in head and ":" not in head:
                return head, operator, text[at + 1 :].strip()
            return None
        elif depth == 0 and char == ":" and text[at + 1 : at + 2] not in ("=", ":"):
            return None
    return None


def _assigned(made: Makefile, text: str, given: Mapping[str, str], is_sure: bool) -> Makefile:
    found = _assignment(text)
    if found is None:
        return made
    name, operator, value = found
    old = made.variables.get(name, "")
    if name in given or (operator == "?=" and name in made.variables):
        return made
    new: str | None = value
    if operator == "!=" or not is_sure:
        new = None
    elif operator.startswith(":"):
        new = made.expanded(value)
        new = None if new is None else new.replace("$", "$$")
    elif operator == "+=":
        new = None if old is None else f"{old} {value}".strip()
    return replace(made, variables={**made.variables, name: new})


def _condition(made: Makefile, word: str, text: str) -> bool | None:
    """Return whether a condition holds; None: only make knows."""
    if word in ("ifdef", "ifndef"):
        value = made.variables.get(text, "")
        if value is None or (not value and not made.is_whole):
            return None
        return bool(value) == (word == "ifdef")
    if text.startswith("(") and text.endswith(")"):
        parts = _split(text[1:-1])
    else:
        parts = [part for part in text.replace("'", '"').split('"') if part.strip()]
        parts += [""] * (2 - len(parts))
    if len(parts) != 2:
        return None
    left, right = (made.expanded(part.strip()) for part in parts)
    if left is None or right is None:
        return None
    return (left.strip() == right.strip()) == (word == "ifeq")


def _split(text: str) -> list[str]:
    """Split at commas that stand in no parentheses."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "({") - (char in ")}")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _with_rule(made: Makefile, text: str) -> tuple[Makefile, list[str]]:
    head, tail = _parted(text)
    tail, _, first_line = tail.lstrip(":").partition(";")
    targets = made.expanded(head)
    if targets is None:
        return replace(made, is_whole=False), []
    names = targets.replace("&", " ").split()
    if _assignment(tail.strip()) is not None:
        return made, []  # a variable of one target only
    tail = tail.split(":")[-1] if ":" in tail and "%" in tail else tail
    needs = _names(made, tail.replace("|", " "))
    if names and names[0] in _SPECIAL:
        phony = {need for need in needs if need} if names[0] == ".PHONY" else set()
        return replace(made, phony=made.phony | phony), []
    rules, patterns = dict(made.rules), dict(made.patterns)
    for name in names:
        where = patterns if "%" in name else rules
        old = where.get(name, Rule())
        recipe = (*old.recipe, first_line.strip()) if first_line.strip() else old.recipe
        where[name] = Rule((*old.needs, *needs), recipe)
    plain = [name for name in names if "%" not in name and not name.startswith(".")]
    first = made.first or (plain[0] if plain else None)
    return replace(made, rules=rules, patterns=patterns, first=first), names


def _parted(text: str) -> tuple[str, str]:
    """Part a rule at its first colon outside parentheses."""
    depth = 0
    for at, char in enumerate(text):
        depth += (char in "({") - (char in ")}")
        if char == ":" and depth == 0:
            return text[:at], text[at + 1 :]
    return text, ""


def _names(made: Makefile, text: str) -> tuple[str | None, ...]:
    """Return the names in a list of prerequisites; what can't be expanded is one None."""
    whole = made.expanded(text)
    if whole is not None:
        return tuple(whole.split())
    found: list[str | None] = []
    for part in _parts(text):
        value = made.expanded(part)
        found.extend(value.split() if value is not None else [None])
    return tuple(found)


def _parts(text: str) -> list[str]:
    """Split at blanks that stand in no parentheses."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "({") - (char in ")}")
        if char.isspace() and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part for part in parts if part]


def _with_recipe(made: Makefile, targets: Sequence[str], line: str) -> Makefile:
    rules, patterns = dict(made.rules), dict(made.patterns)
    for name in targets:
        where = patterns if "%" in name else rules
        if name in where:
            where[name] = replace(where[name], recipe=(*where[name].recipe, line))
    return replace(made, rules=rules, patterns=patterns)


def _expanded(made: Makefile, text: str, local: dict[str, str], depth: int) -> str | None:
    if depth > _MOST_DEPTH:
        return None
    found: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char != "$" or at + 1 >= len(text):
            found.append(char)
            at += 1
            continue
        opening = text[at + 1]
        if opening == "$":
            found.append("$")
            at += 2
            continue
        if opening not in "({":
            name, at = opening, at + 2
        else:
            end = _closing(text, at + 1)
            if end is None:
                return None
            name, at = text[at + 2 : end], end + 1
        value = _value(made, name, local, depth)
        if value is None:
            return None
        found.append(value)
    return "".join(found)


def _closing(text: str, start: int) -> int | None:
    depth = 0
    for at in range(start, len(text)):
        if text[at] in "({":
            depth += 1
        elif text[at] in ")}":
            depth -= 1
            if depth == 0:
                return at
    return None


def _value(made: Makefile, name: str, local: dict[str, str], depth: int) -> str | None:
    """Return what `$(name)` stands for."""
    if name in local:
        return local[name]
    function, blank, rest = name.partition(" ")
    if blank and function in _FUNCTIONS:
        parts = [_expanded(made, part, local, depth + 1) for part in _split(rest)]
        known = [part for part in parts if part is not None]
        return _FUNCTIONS[function](made, known) if len(known) == len(parts) else None
    if blank:
        return None
    stem, colon, change = name.partition(":")
    if colon:
        old, _, new = change.partition("=")
        words = _value(made, stem, local, depth + 1)
        if words is None:
            return None
        if "%" in old:
            return _patsubst(made, [old, new, words])
        return " ".join(w[: len(w) - len(old)] + new if w.endswith(old) else w for w in words.split())
    if name in made.variables:
        raw = made.variables[name]
        return None if raw is None else _expanded(made, raw, local, depth + 1)
    if name in ("CURDIR", "PWD", "@", "<", "^", "*", "?", "+", "@D", "@F", "<D", "<F"):
        return None
    # make takes an unset variable for nothing; an included file may set it
    return "" if made.is_whole else None


def _matched(pattern: str, word: str) -> str | None:
    """Return what `%` stands for, or None where the word doesn't match."""
    head, percent, tail = pattern.partition("%")
    if not percent:
        return "" if word == pattern else None
    if word.startswith(head) and word.endswith(tail) and len(word) >= len(head) + len(tail):
        return word[len(head) : len(word) - len(tail)]
    return None


def _patsubst(made: Makefile, parts: Sequence[str]) -> str | None:
    if len(parts) != 3:
        return None
    pattern, new = parts[0].strip(), parts[1].strip()
    found = []
    for word in parts[2].split():
        stem = _matched(pattern, word)
        found.append(word if stem is None else new.replace("%", stem))
    return " ".join(found)


def _wildcard(made: Makefile, parts: Sequence[str]) -> str | None:
    return " ".join(file for pattern in parts[0].split() for file in made.files(pattern))


def _filtered(keeps: bool) -> Callable[[Makefile, Sequence[str]], str | None]:
    def chosen(made: Makefile, parts: Sequence[str]) -> str | None:
        patterns = parts[0].split()
        return " ".join(
            word
            for word in parts[-1].split()
            if any(_matched(pattern, word) is not None for pattern in patterns) is keeps
        )

    return chosen


def _shell(made: Makefile, parts: Sequence[str]) -> str | None:
    return {"uname": "Linux", "uname -s": "Linux", "pwd": None}.get(parts[0].strip()) if parts else None


def _by_word(change: Callable[[str], str]) -> Callable[[Makefile, Sequence[str]], str | None]:
    return lambda made, parts: " ".join(change(word) for word in parts[0].split())


_FUNCTIONS: Mapping[str, Callable[[Makefile, Sequence[str]], str | None]] = {
    "patsubst": _patsubst,
    "subst": lambda made, parts: parts[2].replace(parts[0], parts[1]) if len(parts) == 3 else None,
    "wildcard": _wildcard,
    "filter": _filtered(keeps=True),
    "filter-out": _filtered(keeps=False),
    "addprefix": lambda made, parts: " ".join(parts[0].strip() + word for word in parts[-1].split()),
    "addsuffix": lambda made, parts: " ".join(word + parts[0].strip() for word in parts[-1].split()),
    "notdir": _by_word(posixpath.basename),
    "basename": _by_word(lambda word: posixpath.splitext(word)[0]),
    "dir": _by_word(lambda word: posixpath.dirname(word) + "/" if "/" in word else "./"),
    "strip": _by_word(lambda word: word),
    "sort": lambda made, parts: " ".join(sorted(set(parts[0].split()))),
    "firstword": lambda made, parts: (parts[0].split() or [""])[0],
    "shell": _shell,
}


def matching(names: Sequence[str], pattern: str) -> tuple[str, ...]:
    """Return the names, relative to the Makefile, that a pattern of `wildcard` matches."""
    return tuple(
        name
        for name in names
        if name.count("/") == pattern.removeprefix("./").count("/")
        and fnmatch.fnmatchcase(name, pattern.removeprefix("./"))
    )
