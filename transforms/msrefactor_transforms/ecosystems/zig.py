"""Zig: programs by `zig build` and `zig build-exe`; the compiler itself was fetched, and stays behind.

Sources: ziglang.org "Zig Build System", "Command-line flags". Zig links nothing of the system unless the
build asks for the libc or a library.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from msrefactor.facts import Effect, Role, Scope, StageFacts
from msrefactor.model import Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._plain_program import (
    Language,
    PlainBuild,
    builds_of,
    checks,
    made,
    named_in,
    option,
    plan_of_language,
    prepares,
    text_of,
    unclear,
)
from msrefactor_transforms.splitting.opened import SourceKind
from msrefactor_transforms.splitting.plan import Ecosystem, SplitPlan

LANGUAGE = Language(
    name="zig",
    toolchains=frozenset(),
    kind=SourceKind(
        (".zig", ".zon", ".md", ".c", ".h"),
        (".zig",),
        frozenset("build.zig build.zig.zon zig-cache .zig-cache zig-out vendor libs".split()),
    ),
    starts=re.compile(
        r"\bChild(?:Process)?\.(?:run|init|exec)\((?:[^;]*?argv\s*=\s*)?"
        r"(?:&(?:\.|\[_\]\[\]const u8)?\{\s*)?(?P<name>\"[^\"]*\"|\w)"
    ),
    development=frozenset(["zig"]),
    tools=frozenset(["zig"]),
    packages=frozenset(["zig"]),
    remedy="build the program (`zig build -Doptimize=ReleaseSafe`) and start zig-out/bin/…",
)


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a `zig` command does."""
    tool = posixpath.basename(argv[0] or "") if argv else ""
    if tool == "tar":
        return _unpacked([word or "" for word in argv[1:]], scope)
    if tool != "zig":
        return None
    words = [word or "" for word in argv[1:]]
    action = words[0] if words else ""
    if action == "build":
        return _build(words[1:], scope)
    if action == "build-exe":
        return _program(words[1:], scope)
    if action in ("test", "fmt", "ast-check"):
        return checks("zig", scope)
    if action in ("version", "env", "targets", "help", "fetch", "init", "zen"):
        return prepares("zig", scope)
    return None


def _unpacked(words: Sequence[str], scope: Scope) -> Effect | None:
    """Return the effect of unpacking a compiler: its archives hold one folder of their own name."""
    for word in words:
        match = re.search(r"(?:^|/)(zig-[\w.+-]+?)\.tar\.(?:xz|gz)$", word)
        if match is not None and not any(one.startswith("--strip") for one in words):
            folder = scope.path(option(words, "-C", "--directory") or ".")
            path = posixpath.join(folder, match[1])
            return Effect(Role.FETCH, tool="tar", reads_only=True, writes=(path,), why="the compiler")
    return None


def _build(words: Sequence[str], scope: Scope) -> Effect:
    text = re.sub(r"(?m)//.*$", "", text_of(scope, "build.zig"))
    steps = [
        word for word in words if not word.startswith("-") and word not in (option(words, "-p", "--prefix"),)
    ]
    if steps and set(steps) <= {"test", "check", "fmt"}:
        return checks("zig", scope)
    if "--fetch" in words:
        return prepares("zig", scope, "fetches packages")
    if steps and set(steps) - {"install"}:
        return unclear("zig", f"what the step `{steps[0]}` of build.zig does isn't read", scope)
    names = [
        name
        for part in re.split(r"(?=addExecutable\()", text)[1:]
        for name in named_in(part[: part.find(";") + 1], r"\.name\s*=\s*\"([^\"]+)\"")[:1]
    ]
    if not names:
        return unclear("zig", "build.zig names no program in a plain line", scope)
    prefix = scope.path(option(words, "-p", "--prefix") or "zig-out")
    is_linked = bool(re.search(r"link_libc|linkLibC|linkSystemLibrary|linkLibCpp", text))
    is_musl = any("-musl" in word for word in words if word.startswith("-Dtarget="))
    build = PlainBuild(
        "zig",
        tuple(posixpath.join(prefix, "bin", name) for name in dict.fromkeys(names)),
        scope.cwd,
        # a package may ask for the libc too: only the target says that nothing is linked
        is_static=is_musl and not is_linked,
    )
    return made("zig", "zig", build.outputs, scope, build)


def _program(words: Sequence[str], scope: Scope) -> Effect:
    sources = [word for word in words if word.endswith(".zig")]
    if len(sources) != 1:
        return unclear("zig", "which program is built isn't named", scope)
    given = next((word.partition("=")[2] for word in words if word.startswith("-femit-bin=")), None)
    name = option(words, "--name") or posixpath.splitext(posixpath.basename(sources[0]))[0]
    is_static = not any(word.startswith("-l") for word in words)
    build = PlainBuild("zig", (scope.path(given or name),), scope.cwd, is_static)
    return made("zig", "zig", build.outputs, scope, build)


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds Zig programs is split."""
    found = plan_of_language(view, facts, LANGUAGE)
    if not isinstance(found, SplitPlan) or not builds_of(facts, "zig"):
        return found
    compilers = frozenset(
        path
        for _, effect in facts.effects()
        if effect.role is not Role.BUILD or effect.detail is None
        for path in effect.writes
        if re.search(r"(^|/)zig([-/.]|$)", path)
        and path not in {p for _, b in builds_of(facts, "zig") for p in b.outputs}
    )
    if not compilers:
        return found
    return replace(
        found,
        unneeded=found.unneeded | compilers,
        dropped=tuple(dict.fromkeys((*found.dropped, *sorted(compilers)))),
        saved_mb=found.saved_mb + 250.0,
    )


ECOSYSTEM = Ecosystem("zig", interpret, plan)
