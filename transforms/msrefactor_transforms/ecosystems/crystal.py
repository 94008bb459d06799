"""Crystal: static programs from the Alpine image; others only where the release of the libraries is known.

Sources: crystal-lang.org "Static linking", "The shards command"; crystal-lang/distribution-scripts.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from msrefactor.facts import Effect, Scope, StageFacts
from msrefactor.model import Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._plain_program import (
    Language,
    PlainBuild,
    builds_of,
    checks,
    made,
    option,
    plan_of_language,
    prepares,
    text_of,
    unclear,
)
from msrefactor_transforms.splitting.opened import SourceKind
from msrefactor_transforms.splitting.plan import Ecosystem, SplitPlan

_FAMILIES = frozenset(["crystallang/crystal", "84codes/crystal"])
LANGUAGE = Language(
    name="crystal",
    toolchains=_FAMILIES,
    kind=SourceKind(
        (".cr", ".ecr", ".md"),
        (".cr",),
        frozenset("shard.yml shard.lock shard.override.yml lib spec src bin".split()),
    ),
    starts=re.compile(
        r"(?:\bProcess\.(?:run|new|exec)|(?<![\w.])system)[( ]\s*(?P<name>\"(?:[^\"\\]|\\.)*\"|\w)|`[^`\n]+`"
    ),
    development=frozenset(["crystal", "shards", "sentry", "icr"]),
    tools=frozenset(["crystal", "shards"]),
    comment="#",
    packages=frozenset(["crystal", "shards"]),
    remedy="build the program (`shards build --release --static`) and start it",
)


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of the compiler or of Shards does."""
    tool = posixpath.basename(argv[0] or "") if argv else ""
    words = [word or "" for word in argv[1:]]
    action = words[0] if words else ""
    if tool == "ameba":
        return checks("ameba", scope)
    if tool == "shards":
        if action in ("install", "update", "check", "list", "prune", "--version", "version"):
            return prepares("shards", scope, "fetches packages")
        return _targets(words[1:], scope) if action == "build" else None
    if tool != "crystal":
        return None
    if action in ("spec", "tool") or action.startswith(("-v", "--version", "env", "version")):
        return checks("crystal", scope) if action in ("spec", "tool") else prepares("crystal", scope)
    if action in ("deps", "docs", "init"):
        return prepares("crystal", scope)
    if action in ("build", "compile"):
        return _program(words[1:], scope)
    return None


def _program(words: Sequence[str], scope: Scope) -> Effect:
    sources = [word for word in words if word.endswith(".cr")]
    if not sources or "--cross-compile" in words or "--no-codegen" in words:
        return unclear("crystal", "which program `crystal build` leaves isn't named", scope)
    output = option(words, "-o", "--output") or posixpath.splitext(posixpath.basename(sources[0]))[0]
    return _built("crystal", (scope.path(output),), words, scope)


def _targets(words: Sequence[str], scope: Scope) -> Effect:
    import yaml

    try:
        data = yaml.safe_load(text_of(scope, "shard.yml"))
    except yaml.YAMLError:
        data = None
    listed = data.get("targets") if isinstance(data, dict) else None
    if not isinstance(listed, dict) or not listed:
        return unclear("shards", "shard.yml names no targets", scope)
    known = [str(name) for name in listed]
    chosen = [word for word in words if not word.startswith("-")]
    names = [name for name in chosen if name in known] or known
    return _built("shards", [scope.path(f"bin/{name}") for name in names], words, scope)


def _built(tool: str, outputs: Sequence[str], words: Sequence[str], scope: Scope) -> Effect:
    is_static = "--static" in words or option(words, "--link-flags") == "-static"
    build = PlainBuild("crystal", tuple(outputs), scope.cwd, is_static)
    return made("crystal", tool, build.outputs, scope, build)


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds Crystal programs is split."""
    is_static = all(build.is_static for _, build in builds_of(facts, "crystal"))
    # the libraries of a linked program come with the distribution's package of the compiler
    language = LANGUAGE if is_static else replace(LANGUAGE, packages=frozenset())
    found = plan_of_language(view, facts, language)
    if isinstance(found, Refused) and found.code == "unknown-release" and not is_static:
        remedy = "link it statically: the -alpine image and `--static`"
        return Refused(found.code, found.detail, found.evidence, remedy)
    return found


ECOSYSTEM = Ecosystem("crystal", interpret, plan)
