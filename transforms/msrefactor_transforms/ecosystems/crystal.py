"""Crystal: static programs, and linked ones where the release of the compiler's image is known.

Sources: crystal-lang.org "Static linking", "The shards command"; crystal-lang/distribution-scripts docker/;
crystal-lang/crystal src (the libraries that the standard library links).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Scope, StageFacts
from msrefactor.manifests import yaml_value
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
        frozenset("shard.yml shard.lock shard.override.yml lib spec bin".split()),
    ),
    starts=re.compile(
        r"(?:\bProcess\.(?:run|new|exec)|(?<![\w.])system)[( ]\s*(?P<name>\"(?:[^\"\\]|\\.)*\"|\w)|`[^`\n]+`"
    ),
    development=frozenset(["crystal", "shards", "sentry", "icr"]),
    tools=frozenset(["crystal", "shards"]),
    comment="#",
    packages=frozenset(["crystal", "shards"]),
    remedy="build the program (`shards build --release --static`) and start it",
    zones=re.compile(
        r"\bLocation\.load\b|\"(?:Europe|America|Asia|Africa|Australia|Pacific|Atlantic|Indian|Etc|US)/"
    ),
)
_LINKED = {
    ("ubuntu", "focal"): ("libssl1.1", "libevent-2.1-7", "libevent-pthreads-2.1-7"),
    ("ubuntu", "jammy"): ("libssl3", "libevent-2.1-7", "libevent-pthreads-2.1-7"),
    ("ubuntu", "noble"): ("libssl3t64", "libevent-2.1-7t64", "libevent-pthreads-2.1-7t64", "libgc1"),
    ("alpine", ""): ("libgcc", "gc"),
}
"""What a program that isn't static loads, of what the compiler's image has to link with; Alpine's OpenSSL and
zlib are in every Alpine, and its image has libevent only as a static library."""
_ON_DEMAND = {
    "ubuntu": {"yaml": "libyaml-0-2", "xml": "libxml2", "big": "libgmp10"},
    "alpine": {"yaml": "yaml", "xml": "libxml2", "big": "gmp"},
}
"""The same for what only a part of the standard library links, by the `require` that brings it."""


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
    data = yaml_value(text_of(scope, "shard.yml"))
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
    libraries = () if is_static else _libraries(facts)
    if libraries is None:
        place = evidence_of(facts.facts[0].instruction, view.name)
        detail = f"which libraries programs of {facts.base.reference.text} load isn't known"
        return Refused("unknown-release", detail, (place,), _LINK_STATICALLY)
    found = plan_of_language(view, facts, language, libraries=libraries)
    if isinstance(found, Refused) and found.code == "unknown-release" and not is_static:
        return replace(found, remedy=f"name the compiler's version in full, or {_LINK_STATICALLY}")
    return found


_LINK_STATICALLY = "link the program statically: the -alpine image and `--static`"


def _libraries(facts: StageFacts) -> tuple[str, ...] | None:
    """Return the packages with the libraries of a linked program; None: they aren't known."""
    base = facts.base
    if base.family not in _FAMILIES or base.release is None:
        return ()
    numbers = tuple(int(part) for part in (base.version or "0").split("."))[:2]
    found = _LINKED.get((base.system, base.release if base.system == "ubuntu" else ""))
    if found is None:
        return None
    if numbers >= (1, 19):
        found = tuple(name for name in found if not name.startswith("libevent"))
    if base.system == "alpine" and (1, 3) <= numbers < (1, 13):
        found = tuple(name for name in found if name != "gc")  # that image has a static one of its own
    pcre = ("pcre2", "libpcre2-8-0") if numbers >= (1, 8) else ("pcre", "libpcre3")
    demand = _ON_DEMAND[base.system]
    asked = _required(facts)
    return (
        *found,
        pcre[base.system == "ubuntu"],
        *(name for part, name in demand.items() if asked is None or part in asked),
    )


def _required(facts: StageFacts) -> frozenset[str] | None:
    """Return the parts of the standard library that the source asks for; None: shards may ask for more."""
    texts: list[str] = []
    for _, build in builds_of(facts, "crystal"):
        root = facts.end.origin(build.project)
        if root is None:
            return None
        listed = facts.end.read(posixpath.join(build.project, "shard.yml")) or ""
        if re.search(r"^dependencies\s*:", listed, re.M):
            return None
        texts.extend(
            facts.end.context.read_text(path) or ""
            for path in facts.end.context.files(root)
            if path.endswith((".cr", ".ecr"))
        )
    return frozenset(name for text in texts for name in re.findall(r"^\s*require\s+\"([a-z_]+)", text, re.M))


ECOSYSTEM = Ecosystem("crystal", interpret, plan)
