"""Swift: programs by SwiftPM on the slim image of the same version, which has the libraries of the language.

Sources: swift.org "swift build", swiftlang/swift-docker's slim Dockerfiles, vapor/template.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from msrefactor.facts import Effect, Scope, StageFacts, folder_state
from msrefactor.knowledge.images import slim_variant
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
    unclear,
)
from msrefactor_transforms.ecosystems._swift_installs import of_resolve
from msrefactor_transforms.splitting.opened import SourceKind
from msrefactor_transforms.splitting.plan import Ecosystem, SplitPlan

LANGUAGE = Language(
    name="swift",
    toolchains=frozenset(["swift"]),
    kind=SourceKind(
        (".swift", ".md", ".resolved", ".modulemap"),
        (".swift",),
        frozenset("Package.swift Package.resolved .build Sources Tests".split()),
    ),
    starts=re.compile(
        r"(?:executableURL\s*=\s*URL\(fileURLWithPath:|launchPath\s*=|\b(?:posix_spawnp?|popen|system)\()"
        r"\s*(?P<name>\"[^\"]*\"|\w)"
    ),
    development=frozenset(["swift", "swiftc", "vapor"]),
    tools=frozenset(["swift", "swiftc"]),
    packages=frozenset(["swift", "swiftlang"]),
    remedy="start the built program: `.build/release/App` in the place of `swift run`",
)
_WITHOUT_RESOURCES = frozenset(
    "vapor fluent fluent-kit fluent-postgres-driver fluent-sqlite-driver fluent-mysql-driver leaf leaf-kit "
    "jwt jwt-kit redis redistack queues queues-redis-driver console-kit async-kit async-http-client "
    "routing-kit websocket-kit multipart-kit sql-kit postgres-nio postgres-kit mysql-nio mysql-kit "
    "sqlite-nio sqlite-kit "
    "swift-nio swift-nio-ssl swift-nio-http2 swift-nio-extras swift-nio-transport-services swift-log "
    "swift-metrics swift-crypto swift-collections swift-algorithms swift-atomics swift-numerics swift-system "
    "swift-argument-parser swift-http-types swift-service-lifecycle swift-distributed-tracing "
    "swift-service-context swift-async-algorithms swift-certificates swift-asn1 "
    "swift-http-structured-headers".split()
)
"""Packages whose programs read no resource bundle (their privacy manifests are for Apple's stores)."""


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of SwiftPM or the compiler does."""
    tool = posixpath.basename(argv[0] or "") if argv else ""
    words = [word or "" for word in argv[1:]]
    if tool in ("cp", "mv"):
        return _taken_out(tool, command, argv, scope)
    if tool == "swiftc":
        sources = [word for word in words if word.endswith(".swift")]
        output = option(words, "-o")
        if not sources or (output is None and len(sources) != 1):
            return unclear("swiftc", "what `swiftc` leaves isn't named", scope, "name it with -o")
        path = scope.path(output or posixpath.splitext(posixpath.basename(sources[0]))[0])
        return made("swift", "swiftc", (path,), scope)
    if tool != "swift":
        return None
    action = words[0] if words else ""
    if action == "test":
        return checks("swift", scope)
    if action in ("--version", "-version", "--help"):
        return prepares("swift", scope)
    if action == "package":
        is_plain = words[1:2] and words[1] in (
            "resolve",
            "update",
            "clean",
            "reset",
            "show-dependencies",
            "dump-package",
        )
        if words[1:2] == ["resolve"]:
            return replace(prepares("swift", scope), dependencies=of_resolve(words[2:], scope))
        return prepares("swift", scope) if is_plain else None
    return _build(words[1:], scope) if action == "build" else None


def _taken_out(tool: str, command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what `mv $(swift build -c release --show-bin-path) /app/bin` and the like leave."""
    given = [word for word in command.words[1:] if not word.text.startswith("-")]
    if len(given) != 2 or argv[-1] is None or given[-1].literal is None:
        return None
    asked = re.fullmatch(
        r"\"?(?:\$\(\s*swift\s+build\s([^()`$|;&]*)\)|`\s*swift\s+build\s([^`$|;&]*)`)(?:/([\w.+-]+))?\"?",
        given[0].text,
    )
    options = (asked[1] or asked[2] or "").split() if asked else []
    if asked is None or "--show-bin-path" not in options:
        return None
    build = _build([word for word in options if word != "--show-bin-path"], scope).detail
    if not isinstance(build, PlainBuild):
        return None
    folder = posixpath.dirname(build.outputs[0])
    place = scope.path(argv[-1])
    is_there = argv[-1].endswith("/") or place == scope.cwd or folder_state(place, scope) is True
    if is_there:
        place = posixpath.join(place, asked[3] or posixpath.basename(folder))
    if asked[3]:
        moved = PlainBuild("swift", (place,), build.project)
    else:
        moved = PlainBuild(
            "swift",
            tuple(posixpath.join(place, posixpath.basename(path)) for path in build.outputs),
            build.project,
            beside=tuple(posixpath.join(place, posixpath.basename(path)) for path in build.beside),
        )
    effect = made("swift", tool, moved.outputs, scope, moved)
    gone = (posixpath.join(folder, asked[3]) if asked[3] else folder,) if tool == "mv" else ()
    return replace(effect, removes=gone)


def _build(words: Sequence[str], scope: Scope) -> Effect:
    if "--show-bin-path" in words:
        return prepares("swift", scope, "tells where the programs lie")
    root = scope.path(option(words, "--package-path") or ".")
    scratch = option(words, "--scratch-path", "--build-path")
    configuration = option(words, "-c", "--configuration") or next(
        (word[2:] for word in words if re.fullmatch(r"-c(release|debug)", word)), "debug"
    )
    manifest = scope.read(posixpath.join(root, "Package.swift"))
    if manifest is None:
        if not scope.context.known:
            return unclear("swift", "no Package.swift is seen", scope)
        return unclear("swift", f"no Package.swift is found in {root}", scope)
    if configuration not in ("release", "debug") or option(words, "--triple", "--swift-sdk"):
        return unclear("swift", "for which system it builds isn't read", scope)
    folder = posixpath.join(scope.path(scratch) if scratch else posixpath.join(root, ".build"), configuration)
    chosen = option(words, "--product")
    plain = re.sub(r"(?m)//.*$", "", manifest)
    names = (chosen,) if chosen else programs(plain, scope, root)
    if not names:
        return unclear("swift", "Package.swift names no program", scope)
    bundles = _bundles(plain, folder) if "resources:" in plain else ()
    build = PlainBuild("swift", tuple(posixpath.join(folder, name) for name in names), root, beside=bundles)
    return made("swift", "swift", build.outputs, scope, build)


def programs(manifest: str, scope: Scope, root: str) -> tuple[str, ...]:
    """Return the programs of a Package.swift: products, executable targets, targets with main.swift."""
    products = named_in(manifest, r"\.executable\(\s*name:\s*\"([^\"]+)\"")
    targets = named_in(manifest, r"\.executableTarget\(\s*name:\s*\"([^\"]+)\"")
    mains = _folders_with_main(scope, root)
    named = named_in(manifest, r"\.target\(\s*name:\s*\"([^\"]+)\"")
    plain = [name for name in named if f"Sources/{name}" in mains]
    if "targets:" not in manifest:
        # before Swift 4, each folder of Sources was a target by its name
        plain = [posixpath.basename(folder) for folder in mains if folder.count("/") == 1]
    return tuple(dict.fromkeys((*products, *targets, *plain)))


def _folders_with_main(scope: Scope, root: str) -> tuple[str, ...]:
    """Return the folders right below Sources that hold a main.swift, at any depth."""
    origin = scope.origin(root)
    found = (
        posixpath.relpath(path, origin or ".").split("/")
        for path in (scope.context.files(origin) if origin is not None else ())
        if posixpath.basename(path) == "main.swift"
    )
    return tuple(dict.fromkeys("/".join(parts[:2]) for parts in found if parts[0] == "Sources"))


def _bundles(manifest: str, folder: str) -> tuple[str, ...]:
    """Return the resource bundles of the package's own targets."""
    package = named_in(manifest, r"Package\(\s*name:\s*\"([^\"]+)\"")
    found = []
    for part in re.split(r"(?=\.(?:executableTarget|target)\()", manifest):
        match = re.match(r"\.(?:executableTarget|target)\(\s*name:\s*\"([^\"]+)\"", part)
        if match and "resources:" in part and package:
            found.append(posixpath.join(folder, f"{package[0]}_{match[1]}.resources"))
    return tuple(found)


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds Swift programs is split."""
    image = None
    if facts.base.family == "swift" and "$" not in facts.stage.image:
        image = slim_variant(facts.base.reference.text) or facts.stage.image
    return plan_of_language(
        view, facts, LANGUAGE, runtime_image=image, assumptions=_assumptions(facts), libraries=()
    )


def _assumptions(facts: StageFacts) -> tuple[str, ...]:
    """Return the packages that may bring resource bundles, which lie beside the program."""
    numbers = re.match(r"(\d+)\.(\d+)", facts.base.version or "")
    if facts.base.family == "swift" and numbers and (int(numbers[1]), int(numbers[2])) < (5, 3):
        return ()  # packages have had resources since Swift 5.3
    found: list[str] = []
    for _, build in builds_of(facts, "swift"):
        text = facts.end.read(posixpath.join(build.project, "Package.resolved"))
        manifest = facts.end.read(posixpath.join(build.project, "Package.swift")) or ""
        names = named_in(
            text or manifest, r"\"(?:location|repositoryURL)\"\s*:\s*\"[^\"]*/([^\"/]+?)(?:\.git)?\""
        )
        if text is None:
            names = named_in(manifest, r"\.package\([^)]*url:\s*\"[^\"]*/([^\"/]+?)(?:\.git)?\"")
        found.extend(
            f"the package {name} reads no resource bundle at run time"
            for name in names
            if name.lower() not in _WITHOUT_RESOURCES
        )
    return tuple(dict.fromkeys(found))


ECOSYSTEM = Ecosystem("swift", interpret, plan)
