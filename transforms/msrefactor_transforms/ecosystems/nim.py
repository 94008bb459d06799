"""Nim: programs by `nim c` and Nimble on the plain image of the builder's release.

Sources: nim-lang.org "Nim Compiler User Guide", the documentation of Nimble; moigagoo/nimage for the images.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from msrefactor.contract import evidence_of
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
    unclear,
)
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.opened import SourceKind
from msrefactor_transforms.splitting.plan import Ecosystem, SplitPlan

LANGUAGE = Language(
    name="nim",
    toolchains=frozenset(["nimlang/nim"]),
    kind=SourceKind(
        (".nim", ".nims", ".nimble", ".nimf", ".md"),
        (".nim",),
        frozenset("config.nims nim.cfg nimble.lock nimcache nimble.paths nimbledeps tests".split()),
    ),
    starts=re.compile(
        r"\b(?:execCmd|execCmdEx|execProcess|startProcess|execShellCmd)[( ]\s*(?P<name>\"[^\"]*\"|\w|&)"
    ),
    development=frozenset(["nim", "nimble"]),
    tools=frozenset(["nim", "nimble"]),
    comment="#",
    path_folders=("/root/.nimble/bin",),
    packages=frozenset(["nim", "nimble"]),
    remedy="build the program (`nim c -d:release -o:/app/server src/server.nim`) and start it",
)
_LIBRARIES = {
    ("debian", "bullseye"): {
        "pcre": "libpcre3",
        "ssl": "libssl1.1",
        "sqlite": "libsqlite3-0",
        "postgres": "libpq5",
    },
    ("debian", "bookworm"): {
        "pcre": "libpcre3",
        "ssl": "libssl3",
        "sqlite": "libsqlite3-0",
        "postgres": "libpq5",
    },
    ("ubuntu", "focal"): {
        "pcre": "libpcre3",
        "ssl": "libssl1.1",
        "sqlite": "libsqlite3-0",
        "postgres": "libpq5",
    },
    ("ubuntu", "jammy"): {
        "pcre": "libpcre3",
        "ssl": "libssl3",
        "sqlite": "libsqlite3-0",
        "postgres": "libpq5",
    },
}
"""What the standard library loads at run time by name, by the module that does."""
_LOADED = {
    "pcre": r"\bimport\b.*\b(?:std/)?(?:re|nre|pcre)\b|\bfrom\s+(?:std/)?(?:re|nre)\s+import",
    # packages that speak TLS ask for the define
    "ssl": r"\bnewHttpClient|\bnewAsyncHttpClient|\bnewContext\(|\bopenssl\b"
    r"|\b(?:d|define)[:=]ssl\b|\"ssl\"",
    "sqlite": r"\bdb_sqlite\b|\bsqlite3\b|\btiny_sqlite\b",
    "postgres": r"\bdb_postgres\b|\bpostgres\b|\bndb/postgres\b",
}


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of the compiler or of Nimble does."""
    tool = posixpath.basename(argv[0] or "") if argv else ""
    words = [word or "" for word in argv[1:]]
    plain = [word for word in words if not word.startswith("-")]
    action = plain[0] if plain else ""
    if tool == "nim":
        if action in ("c", "cc", "compile", "cpp", "compileToC", "compileToCpp"):
            return _program(words, plain[1:], scope)
        if action == "js":
            return _script(words, plain[1:], scope)
        if action == "check":
            return checks("nim", scope)
        return prepares("nim", scope) if not action or action in ("dump", "doc") else None
    if tool != "nimble":
        return None
    if action in ("c", "cc", "cpp"):
        return _program(words, plain[1:], scope)
    if action in ("test", "check"):
        return checks("nimble", scope)
    if (
        action in ("refresh", "update", "setup", "lock", "path", "list", "dump")
        or "--depsOnly" in words
        or "-d" in words
    ):
        return prepares("nimble", scope, "fetches packages")
    if action == "install" and len(plain) > 1:
        return prepares("nimble", scope, "fetches packages")
    if action in ("build", "install"):
        return _package(action, words, scope)
    return None


def _program(words: Sequence[str], sources: Sequence[str], scope: Scope) -> Effect:
    if len(sources) != 1 or "-r" in words or "--run" in words:
        return unclear("nim", "which program is compiled isn't named", scope)
    source = sources[0].removesuffix(".nim")
    given = option(words, "-o", "--out")
    folder = option(words, "--outdir")
    root = scope.origin(scope.cwd)
    is_configured = root is not None and any(
        path.endswith((".cfg", "config.nims", ".nims"))
        and re.search(r"\bout(dir)?\b", scope.context.read_text(path) or "")
        for path in scope.context.files(root)
    )
    if given is None and folder is None and is_configured:
        return unclear("nim", "a configuration file moves the program", scope, "name it with -o")
    if given is not None:
        output = posixpath.join(scope.path(folder), given) if folder else scope.path(given)
    else:
        name = posixpath.basename(source)
        output = posixpath.join(scope.path(folder or posixpath.dirname(source) or "."), name)
    return _made("nim", (output,), words, scope)


def _script(words: Sequence[str], sources: Sequence[str], scope: Scope) -> Effect:
    """Return what `nim js` leaves: a script for browsers, beside its source."""
    if len(sources) != 1 or option(words, "--outdir") or "-r" in words:
        return unclear("nim", "which script is compiled isn't named", scope)
    output = scope.path(option(words, "-o", "--out") or f"{sources[0].removesuffix('.nim')}.js")
    return replace(prepares("nim", scope), writes=(output,), why="the script for browsers")


def _package(action: str, words: Sequence[str], scope: Scope) -> Effect:
    root = scope.origin(scope.cwd)
    files = (
        []
        if root is None
        else [
            path
            for path in scope.context.files(root)
            if path.endswith(".nimble") and posixpath.dirname(path) == root
        ]
    )
    if len(files) != 1:
        return unclear("nimble", f"no .nimble file is found in {scope.cwd}", scope)
    text = re.sub(r"(?m)#.*$", "", scope.context.read_text(files[0]) or "")
    listed = re.search(r"^\s*bin\s*=\s*@\[([^\]]*)\]", text, re.M)
    names = re.findall(r"\"([^\"]+)\"", listed[1]) if listed else []
    if not names or "namedBin" in text:
        return unclear("nimble", "the .nimble file names no programs in a plain list", scope)
    folder = re.search(r"^\s*binDir\s*=\s*\"([^\"]+)\"", text, re.M)
    place = scope.path(folder[1]) if folder else scope.cwd
    if action == "install":
        # what lies in .nimble/bin is a link into the folder of packages
        return replace(prepares("nimble", scope, "installs the package"), notes=((_INSTALLED, tuple(names)),))
    return _made("nimble", [posixpath.join(place, posixpath.basename(name)) for name in names], words, scope)


def _made(tool: str, outputs: Sequence[str], words: Sequence[str], scope: Scope) -> Effect:
    is_static = any(re.fullmatch(r"--passl[:=]\"?-static\"?", word, re.IGNORECASE) for word in words)
    build = PlainBuild("nim", tuple(outputs), scope.cwd, is_static)
    return made("nim", tool, build.outputs, scope, build)


_INSTALLED = "nimble install"


def _installed(view: View, facts: StageFacts) -> Refused | None:
    """Return the obstacle that a program is started which `nimble install` put among Nimble's packages."""
    made = {posixpath.basename(path) for _, build in builds_of(facts, "nim") for path in build.outputs}
    for fact, effect in facts.effects():
        names = {
            posixpath.basename(name) for key, value in effect.notes if key == _INSTALLED for name in value
        }
        if not names:
            continue
        started = {
            posixpath.basename(name)
            for name, _ in wanted(view, facts).commands
            if "/" not in name or "/.nimble/" in name
        }
        if names & started or (not made and effect.tool == "nimble"):
            place = evidence_of(fact.instruction, view.name)
            detail = "`nimble install` leaves a link into Nimble's packages"
            return Refused("unknown-artifact", detail, (place,), "use `nimble build`")
    return None


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds Nim programs is split."""
    obstacle = _installed(view, facts)
    if obstacle is not None:
        return obstacle
    builds = builds_of(facts, "nim")
    loaded = _loaded(facts)
    if not builds or facts.base.family not in LANGUAGE.toolchains:
        # the libraries may have come with the compiler's package
        language = replace(LANGUAGE, packages=frozenset()) if loaded else LANGUAGE
        return plan_of_language(view, facts, language)
    table = _LIBRARIES.get((facts.base.system, facts.base.release or (facts.base.releases or ("",))[-1]))
    if loaded and table is None:
        image = facts.base.reference.text
        detail = f"the program loads {loaded[0]} by name, and which package has it on {image} isn't known"
        return Refused("runtime-library", detail, (evidence_of(builds[0][0].instruction, view.name),))
    plain = None
    if facts.base.system == "ubuntu" and facts.base.releases:
        plain = f"ubuntu:{facts.base.releases[-1]}"
    return plan_of_language(
        view, facts, LANGUAGE, runtime_image=plain, libraries=[(table or {})[name] for name in loaded]
    )


def _loaded(facts: StageFacts) -> list[str]:
    """Return which libraries the standard library would load for what the source imports."""
    found: list[str] = []
    for _, build in builds_of(facts, "nim"):
        root = facts.end.origin(build.project)
        if root is None:
            continue
        texts = [
            facts.end.context.read_text(path) or ""
            for path in facts.end.context.files(root)
            if path.endswith((".nim", ".nims", ".cfg", ".nimble"))
        ]
        texts.extend(fact.instruction.text for fact in facts.runs())
        found.extend(
            name for name, pattern in _LOADED.items() if any(re.search(pattern, text) for text in texts)
        )
    return list(dict.fromkeys(found))


ECOSYSTEM = Ecosystem("nim", interpret, plan)
