"""`make`: what it leaves, by the Makefile of the context, or by how downloaded sources were configured.

Source: the GNU make manual ("Options Summary", "Standard Targets for Users", "DESTDIR").
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from msrefactor.facts import FETCHED, Effect, Role, Scope, is_under
from msrefactor.shell import Command, parse_script
from msrefactor_transforms.ecosystems._c_commands import (
    CBuild,
    built,
    configured,
    installed,
    outermost,
)
from msrefactor_transforms.ecosystems._makefile import Makefile, matching, read_makefile
from msrefactor_transforms.splitting.question import SYSTEM_FOLDERS

_TAKES = frozenset("-C -f -I -o -W --directory --file --makefile --include-dir -l --load-average".split())
_INTERMEDIATE = tuple(
    ".o .a .d .lo .la .obj .gch .dep .stamp .c .h .cc .cpp .hpp .cxx .s .S .f90 .mod .y .l .in .i .ii".split()
)
_PLAIN = frozenset(
    "mkdir rm echo printf touch cp mv install ln true : test [ cd chmod strip ar ranlib set cat sed "
    "date exit "
    "if then fi pkg-config chown ldconfig find".split()
)
_CHECKS = frozenset("test tests check lint distcheck memcheck valgrind".split())


@dataclass(frozen=True, slots=True)
class _Call:
    """The words of a call of make."""

    folder: str
    goals: tuple[str, ...]
    given: dict[str, str]
    file: str | None


def makes(argv: Sequence[str | None], scope: Scope, command: Command) -> Effect | None:
    """Return what `make` does here; None: somebody else's make, or one that can't be told."""
    call = _call(argv, scope, command)
    if call is None:
        return None
    inside = replace(scope, cwd=call.folder)
    names = (call.file,) if call.file else ("GNUmakefile", "makefile", "Makefile")
    text = next((t for name in names if (t := inside.read(inside.path(name))) is not None), None)
    if text is not None:
        made = read_makefile(
            text, call.given, scope.variables, lambda pattern: matching(_names(inside), pattern)
        )
        return _by_rules(made, call, inside)
    if configured(call.folder, scope) is not None:
        into = call.given.get("DESTDIR")
        if into and any(goal.startswith("install") for goal in call.goals):
            return installed("make", call.folder, scope, (scope.path(into),))
        return built("make", call.folder, call.goals, scope)
    is_fetched = any(
        is_under(call.folder, path) and path != "/" for path in scope.notes.get(FETCHED, ()) if path
    )
    if (scope.has(call.folder) and not is_fetched) or not scope.context.known:
        return None
    return _of_unseen_sources(call, scope)


def _call(argv: Sequence[str | None], scope: Scope, command: Command) -> _Call | None:
    folder, goals, given, file = scope.cwd, [], {}, None
    texts = [word.text for word in command.words]
    is_plain = len(texts) == len(argv)
    words = list(zip(argv, texts if is_plain else argv, strict=True))[1:]
    while words:
        word, text = words.pop(0)
        if word is None:
            name = (text or "").partition("=")[0]
            if (text or "").startswith("-"):
                continue  # -j$(nproc)
            if name.isidentifier() and "=" in (text or "") and name not in ("DESTDIR", "PREFIX", "prefix"):
                continue
            return None
        if word in ("-j", "--jobs", "-l") and words and (words[0][0] is None or words[0][0].isdigit()):
            words.pop(0)
        elif word in ("-C", "--directory", "-f", "--file", "--makefile"):
            value = words.pop(0)[0] if words else None
            if value is None:
                return None
            if word in ("-C", "--directory"):
                folder = posixpath.normpath(posixpath.join(folder, value))
            else:
                file = value
        elif word in _TAKES and words:
            words.pop(0)
        elif word.startswith(("-C", "--directory=")):
            folder = posixpath.normpath(
                posixpath.join(folder, word.removeprefix("-C").partition("=")[2] or word[2:])
            )
        elif word.startswith("-"):
            continue
        elif "=" in word:
            name, _, value = word.partition("=")
            given[name] = value
        else:
            goals.append(word)
    return _Call(folder, tuple(goals), given, file)


def _names(scope: Scope) -> tuple[str, ...]:
    """Return the files of the context below the folder, relative to it."""
    source = scope.origin(scope.cwd)
    if source is None:
        return ()
    return tuple(posixpath.relpath(path, source or ".") for path in scope.context.files(source))


def _of_unseen_sources(call: _Call, scope: Scope) -> Effect:
    """Return what make does in downloaded sources that nothing configures: it keeps to its folder."""
    is_install = any(goal.startswith("install") or goal == "altinstall" for goal in call.goals)
    if not is_install:
        return built("make", call.folder, call.goals, scope) or Effect(Role.BUILD, tool="make")
    into = call.given.get("DESTDIR", "")
    prefix = next((call.given[name] for name in ("PREFIX", "prefix") if name in call.given), None)
    if prefix is None:
        prefix = next(
            (scope.variables[name] for name in ("PREFIX", "prefix") if name in scope.variables), None
        )
    place = scope.path(into) if into else scope.path(prefix or "/usr/local")
    assumption = ""
    if not into and prefix is None:
        assumption = f"`make install` in {call.folder} installs below /usr/local, as most Makefiles do"
    build = CBuild("install", call.folder, prefixes=(place,))
    return Effect(
        Role.BUILD,
        tool="make",
        writes=(place,),
        why="what it installs",
        detail=build,
        assumption=assumption,
    )


def _by_rules(made: Makefile, call: _Call, scope: Scope) -> Effect | None:
    """Return what a Makefile of the context leaves: what its rules name, or else its folder."""
    goals = call.goals or ((made.first,) if made.first else ())
    if goals and all(goal in _CHECKS for goal in goals):
        return Effect(Role.GATE, tool="make", reads=(call.folder,))
    reached = _reached(made, goals)
    effects = _recipe_effects(made, reached, scope)
    if effects is None:
        return None
    outside = [
        path
        for effect in effects
        for path in effect.writes
        if not is_under(path, call.folder)
        and not path.startswith(("/tmp/", "/dev/"))
        and not (path in SYSTEM_FOLDERS and effect.tool in ("mkdir", "install"))
    ]
    refused = next((effect for effect in effects if effect.role is Role.OPAQUE), None)
    if refused is not None:
        return Effect(Role.OPAQUE, tool="make", why=f"{refused.why} (in the Makefile of {call.folder})")
    is_install = any(goal.startswith("install") for goal in goals)
    outputs = _outputs(made, reached, scope)
    links, are_known = _linked(made, reached)
    whole = " ".join(links)
    build = CBuild(
        "install" if is_install and outside else "make",
        call.folder,
        tuple(outputs or ()),
        is_exact=outputs is not None,
        libraries=frozenset(word[2:] for word in links if word.startswith("-l") and len(word) > 2),
        are_libraries_known=are_known,
        is_static="-static" in links,
        may_use_openmp=not are_known or "-fopenmp" in whole,
        prefixes=outermost(outside),
    )
    places = tuple(outputs) if outputs is not None else (call.folder,)
    users = tuple(user for effect in effects for user in effect.users)
    return Effect(
        Role.BUILD,
        tool="make",
        writes=(*places, *outside),
        users=users,
        why="what make builds",
        detail=build,
    )


def _reached(made: Makefile, goals: Sequence[str], depth: int = 0) -> list[str]:
    """Return the targets that the goals need, themselves included, in make's order."""
    found: list[str] = []
    for goal in goals:
        entry = made.rule(goal)
        if entry is not None and depth < 12:
            rule, stem = entry
            needs = [need.replace("%", stem) for need in rule.needs if need is not None]
            found.extend(_reached(made, needs, depth + 1))
            exact = made.rules.get(goal)
            if exact is not None and exact is not rule:
                found.extend(_reached(made, [need for need in exact.needs if need], depth + 1))
        found.append(goal)
    return list(dict.fromkeys(found))


def _recipes(made: Makefile, reached: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yield the recipe lines of the targets, expanded; None for what only make knows."""
    for target in reached:
        entry = made.rule(target)
        if entry is None:
            continue
        rule, stem = entry
        needs = [need.replace("%", stem) for need in rule.needs if need is not None]
        is_known = None not in rule.needs
        local = {
            "@": target,
            "@D": posixpath.dirname(target) or ".",
            "@F": posixpath.basename(target),
            "*": stem,
        }
        if needs:
            local["<"] = needs[0]
        if is_known:
            local["^"] = local["+"] = local["?"] = " ".join(needs)
        for line in rule.recipe:
            yield line, made.expanded(line.lstrip("@-+ "), local)


def _recipe_effects(made: Makefile, reached: Sequence[str], scope: Scope) -> list[Effect] | None:
    """Return what the recipes do beside compiling; None: it isn't a Makefile for compilers."""
    from msrefactor.facts import interpret as interpret_any
    from msrefactor_transforms.ecosystems._c_commands import interpret

    found: list[Effect] = []
    builds = False
    for raw, line in _recipes(made, reached):
        text = line if line is not None else _roughly(made, raw)
        script = parse_script(text)
        if script is None:
            return None
        local = scope
        for item in script.items:
            for command in item.commands:
                effect = interpret_any(command, local, (interpret,), item)
                name = posixpath.basename(command.name or "")
                if isinstance(effect.detail, CBuild):
                    builds = builds or effect.detail.kind in ("compile", "make")
                elif effect.role in (Role.PACKAGES, Role.FETCH):
                    return None
                elif effect.role is Role.OPAQUE and name in _PLAIN and not _touches_root(text):
                    continue  # some file of its own folder
                found.append(effect)
                if command.name == "cd" and len(command.words) == 2:
                    target = local.value(command.words[1])
                    if target is None:
                        return None
                    local = replace(local, cwd=local.path(target))
    return found if builds or _is_rest(reached) else None


def _is_rest(reached: Sequence[str]) -> bool:
    """Whether the goals only tidy up or install what was built before."""
    return any(goal.startswith(("install", "clean", "distclean")) for goal in reached)


_MARK = "${ONLY_MAKE_KNOWS}"


def _roughly(made: Makefile, raw: str) -> str:
    """Return a recipe line with a word that nobody knows for each that only make knows."""
    words = []
    for word in raw.lstrip("@-+ ").split(" "):
        value = made.expanded(word) if word.count("(") == word.count(")") else None
        words.append(value if value is not None else _MARK)
    return " ".join(words)


def _touches_root(text: str) -> bool:
    return any(word.startswith("/") for word in text.split())


def _outputs(made: Makefile, reached: Sequence[str], scope: Scope) -> list[str] | None:
    """Return the programs and libraries that the targets name; None where one has no name."""
    found: list[str] = []
    for target in reached:
        entry = made.rule(target)
        if entry is None:
            continue
        rule = entry[0]
        if target in made.phony or not rule.recipe:
            if None in rule.needs:
                return None
            continue
        if any("$(MAKE)" in line or "${MAKE}" in line for line in rule.recipe):
            return None
        if target.endswith(_INTERMEDIATE) or target.startswith(("install", "clean", "distclean")):
            continue
        path = scope.path(target)
        if not _is_folder(rule.recipe):
            found.append(path)
    linked = [path for path in _linked_names(made, reached, scope) if path not in found]
    if not made.is_whole:
        return None
    return [*found, *linked]


def _is_folder(recipe: Sequence[str]) -> bool:
    return bool(recipe) and all(line.lstrip("@-+ ").startswith(("mkdir", "install -d")) for line in recipe)


def _linked_names(made: Makefile, reached: Sequence[str], scope: Scope) -> Iterator[str]:
    """Yield what compilers are told to write, where a rule isn't named after it."""
    from msrefactor_transforms.ecosystems._c_commands import interpret

    for _, line in _recipes(made, reached):
        script = parse_script(line) if line is not None else None
        for item in script.items if script is not None else ():
            for command in item.commands:
                effect = interpret(command, scope.values(command.words), scope)
                if (
                    effect is not None
                    and isinstance(effect.detail, CBuild)
                    and effect.detail.kind == "compile"
                ):
                    yield from effect.writes


def _linked(made: Makefile, reached: Sequence[str]) -> tuple[list[str], bool]:
    """Return the words of the recipes, and whether all of them are known."""
    words: list[str] = []
    are_known = made.is_whole
    for raw, expanded in _recipes(made, reached):
        line = expanded
        if line is None:
            plain = raw.replace("$^", "").replace("$+", "").replace("$?", "").replace("$<", "")
            rough = made.expanded(plain, {"@": "x", "@D": ".", "@F": "x", "*": "x"})
            if rough is None:
                are_known = False
                rough = _roughly(made, plain)
            line = rough
        words.extend(line.split())
        if "$(" in line or "`" in line or _MARK in line:
            are_known = False
    return words, are_known
