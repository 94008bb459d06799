"""Dart: what `dart compile exe` leaves runs on plain Debian of the image's release.

Sources: dart.dev "dart compile"; dart-lang/dart-docker's Dockerfiles: the image is Debian's slim one with the
SDK, and its /runtime shows what such a program asks of the system: a libc, and a newer one will do.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from msrefactor.facts import Effect, Scope, StageFacts
from msrefactor.knowledge.images import describe
from msrefactor.model import Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._plain_program import (
    Language,
    PlainBuild,
    checks,
    made,
    option,
    plan_of_language,
    prepares,
    unclear,
)
from msrefactor_transforms.splitting.opened import SourceKind
from msrefactor_transforms.splitting.plan import Ecosystem, SplitPlan

LANGUAGE = Language(
    name="dart",
    toolchains=frozenset(["dart", "google/dart"]),
    kind=SourceKind(
        (".dart", ".md"),
        (".dart",),
        frozenset("pubspec.yaml pubspec.lock analysis_options.yaml .dart_tool build.yaml test tool".split()),
    ),
    starts=re.compile(r"\bProcess\s*\.\s*(?:run|runSync|start)\(\s*(?P<name>\"[^\"]*\"|'[^']*'|\w)"),
    development=frozenset(["dart", "pub", "dart_frog"]),
    tools=frozenset(["dart"]),
    packages=frozenset(["dart"]),
    remedy="compile it in the build (`dart compile exe bin/server.dart -o bin/server`) and start that",
)
_GATES = frozenset(["test", "analyze", "format"])
_PREPARATIONS = frozenset(["pub", "run", "create", "doc", "fix", "info"])


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a `dart` command does."""
    tool = posixpath.basename(argv[0] or "") if argv else ""
    words = [word or "" for word in argv[1:]]
    if tool in ("pub", "dart2native"):
        return prepares("dart", scope) if tool == "pub" else _compiled(["exe", *words], scope)
    if tool != "dart":
        return None
    action = words[0] if words else ""
    if action == "compile":
        return _compiled(words[1:], scope)
    if action in _GATES or words[:3] == ["pub", "run", "test"]:
        return checks("dart", scope)
    if action in _PREPARATIONS:
        if words[:2] in (["pub", "get"], ["pub", "upgrade"], ["pub", "downgrade"]):
            return prepares("dart", scope, "fetches packages")
        if words[:2] in (["pub", "global"], ["pub", "cache"]):
            return prepares("dart", scope, "installs tools")
        if action in ("run", "pub") and "build_runner" in words:
            # code is generated among the sources, where the compiler reads it
            return prepares("dart", scope, "generates code")
        return None
    if action in ("--version", "--disable-analytics"):
        return prepares("dart", scope)
    return None


def _compiled(words: Sequence[str], scope: Scope) -> Effect:
    kind = words[0] if words else ""
    sources = [word for word in words[1:] if word.endswith(".dart")]
    if kind not in ("exe",) or len(sources) != 1:
        return unclear(
            "dart", f"`dart compile {kind}` leaves no program of its own", scope, "compile with `exe`"
        )
    if option(words, "--target-os") not in (None, "linux"):
        return unclear("dart", "the program is for another system", scope)
    output = option(words, "-o", "--output") or f"{sources[0].removesuffix('.dart')}.exe"
    build = PlainBuild("dart", (scope.path(output),), scope.cwd)
    return made("dart", "dart", build.outputs, scope, build)


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that compiles Dart programs is split."""
    image = None
    if facts.base.family == "dart" and facts.base.releases:
        # the program is the same whatever the release of the image, and runs on a newer one
        image = f"debian:{facts.base.release or facts.base.releases[-1]}-slim"
    elif facts.base.family == "google/dart":
        image = f"debian:{describe('debian:stable').releases[-1]}-slim"
    return plan_of_language(view, facts, LANGUAGE, runtime_image=image)


ECOSYSTEM = Ecosystem("dart", interpret, plan)
