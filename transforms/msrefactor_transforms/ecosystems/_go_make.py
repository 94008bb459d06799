"""`make TARGET` where the Makefile is plain: its recipes are read as the shell commands that they are."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from msrefactor.facts import Effect, ItemFact, Role, Scope
from msrefactor.shell import parse_script

_FUNCTION = re.compile(r"^(if|ifeq|ifneq|ifdef|ifndef|else|endif|include|-include|define|endef|override)\b")
_ASSIGNMENT = re.compile(r"^(?:export\s+)?([A-Za-z_][\w.]*)\s*(:::?=|::?=|\?=|\+=|=)\s*(.*)$")
_RULE = re.compile(r"^([\w./ -]+?)\s*:(?![=:])\s*([^=]*)$")
_UNKNOWN = "${MAKE_ONLY_KNOWS}"
"""Stands for text that only make knows: a variable that nobody sets makes the shell's words unknown."""
_ASKS = frozenset("git date cat go whoami hostname uname pwd echo basename head id".split())
"""Commands that only tell something, inside `$(...)`."""


@dataclass(frozen=True, slots=True)
class _Rule:
    needs: tuple[str, ...]
    recipe: tuple[str, ...]


def made(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what `make` does when its Makefile builds with Go alone; None: somebody else's make."""
    folder, targets, values = scope, [], {}
    words = list(argv[1:])
    while words:
        word = words.pop(0)
        if word is None:
            return None
        if word == "-C" and words and words[0] is not None:
            folder = replace(folder, cwd=folder.path(str(words.pop(0))))
        elif word.startswith("-j") or word in ("-s", "--silent", "-B", "--no-print-directory"):
            continue
        elif word.startswith("-"):
            return None
        elif "=" in word:
            name, _, value = word.partition("=")
            values[name] = value
        else:
            targets.append(word)
    text = next(
        (
            found
            for name in ("GNUmakefile", "makefile", "Makefile")
            if (found := folder.read(folder.path(name))) is not None
        ),
        None,
    )
    if text is None or "go" not in text:
        return None
    rules = _rules(text, values, scope.variables)
    if rules is None:
        return None
    names, variables = rules
    chosen = targets or list(names)[:1]
    effects: list[Effect] = []
    for line in _lines(names, chosen):
        of_line = _line(line, variables, folder)
        if of_line is None:
            return None
        effects.extend(of_line)
    return _together(effects, folder)


def _rules(
    text: str, given: Mapping[str, str], environment: Mapping[str, str]
) -> tuple[dict[str, _Rule], dict[str, str]] | None:
    """Return the rules and variables; None for a Makefile with more to it."""
    rules: dict[str, _Rule] = {}
    variables: dict[str, str] = {}
    current: list[str] = []
    for line in re.sub(r"\\\r?\n[ \t]*", " ", text).splitlines():
        if line.startswith("\t"):
            for name in current:
                rules[name] = replace(rules[name], recipe=(*rules[name].recipe, line.strip()))
            continue
        stripped = line.partition("#")[0].strip()
        if not stripped or stripped.startswith((".PHONY", ".DEFAULT_GOAL", ".SILENT", ".EXPORT")):
            continue
        if _FUNCTION.match(stripped):
            return None
        assignment = _ASSIGNMENT.match(stripped)
        if assignment:
            name, operator, value = assignment.groups()
            if operator == "+=":
                value = f"{variables.get(name, '')} {value}".strip()
            if not (operator == "?=" and name in environment):
                variables[name] = value
            current = []
            continue
        rule = _RULE.match(stripped)
        if rule is None:
            if stripped.startswith("export "):
                continue
            return None
        current = rule.group(1).split()
        for name in current:
            old = rules.get(name, _Rule((), ()))
            rules[name] = replace(old, needs=(*old.needs, *rule.group(2).split()))
    return rules, {**variables, **given}


def _lines(rules: Mapping[str, _Rule], targets: Sequence[str], depth: int = 0) -> Iterator[str]:
    """Yield the recipe lines of the targets and of what they need, in make's order."""
    for target in targets:
        rule = rules.get(target)
        if rule is None or depth > 5:
            continue
        yield from _lines(rules, rule.needs, depth + 1)
        yield from rule.recipe


def _line(line: str, variables: Mapping[str, str], scope: Scope) -> list[Effect] | None:
    """Return the effects of one recipe line, each of which its own shell runs."""
    from msrefactor.facts import interpret as interpret_any
    from msrefactor_transforms.ecosystems._go_commands import interpret

    expanded = _expanded(line.lstrip("@-+ "), variables)
    script = parse_script(expanded)
    if script is None:
        return None
    found: list[Effect] = []
    local = scope
    for item in script.items:
        outer = [one for one in item.commands if one.end == max(c.end for c in item.commands)][:1]
        asked = [one for one in item.commands if one not in outer]
        if item.kind != "command" or not outer or any(one.name not in _ASKS for one in asked):
            return None
        command = outer[0]
        effect = interpret_any(command, local, (interpret,), item)
        if effect.role in (Role.OPAQUE, Role.PACKAGES, Role.FETCH):
            return None
        found.append(effect)
        if command.name == "cd" and len(command.words) == 2:
            target = local.value(command.words[1])
            if target is None:
                return None
            local = replace(local, cwd=local.path(target))
    return found


def _expanded(line: str, variables: Mapping[str, str], depth: int = 0) -> str:
    """Return a recipe line with make's variables filled in; what isn't known stays unknown to the shell."""

    def value(match: re.Match[str]) -> str:
        if match.group(0) == "$$":
            return "$"
        name = match.group(1) or match.group(2) or match.group(3)
        if name in variables and depth < 8:
            return _expanded(variables[name], variables, depth + 1)
        return _UNKNOWN if name not in ("MAKE",) else "make"

    plain = re.sub(
        r"\$\((?:shell|wildcard|patsubst|foreach|if|or|and)\s(?:[^()]|\([^()]*\))*\)", _UNKNOWN, line
    )
    parts = plain.split(_UNKNOWN)
    return _UNKNOWN.join(
        re.sub(r"\$\$|\$\(([\w.]+)\)|\$\{([\w.]+)\}|\$([@<^\w])", value, part) for part in parts
    )


def _together(effects: Sequence[Effect], scope: Scope) -> Effect | None:
    """Return one effect for all the commands; None when no binary is built, or other files are left."""
    from msrefactor_transforms.ecosystems._go_commands import GoBuild

    refused = next((effect for effect in effects if effect.refusal is not None), None)
    if refused is not None:
        return replace(refused, tool="make")
    builds = [e for e in effects if isinstance(e.detail, GoBuild) and not e.detail.is_external and e.writes]
    if not builds:
        return None
    strongest = ItemFact(None, tuple(effects)).role
    folders = {posixpath.dirname(path) for build in builds for path in build.writes}
    kept = [
        path
        for effect in effects
        if effect.role is Role.SETUP and effect.tool not in ("rm", "")
        for path in effect.writes
        if path not in folders
    ]
    if any(not path.startswith(scope.cwd) for path in kept):
        return None
    return replace(
        builds[-1],
        role=strongest,
        tool="make",
        reads=(scope.cwd,),
        reads_only=all(effect.reads_only or effect.role < Role.BUILD for effect in effects),
        writes=tuple(path for build in builds for path in build.writes),
    )
