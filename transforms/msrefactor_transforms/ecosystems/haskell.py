"""Haskell: programs by Stack, Cabal and GHC on plain Debian of the compiler image's release.

Sources: docs.haskellstack.org "stack install", cabal.readthedocs.io "cabal install", haskell/docker-haskell's
Dockerfiles for what every program loads (gmp, numa, tinfo, zlib; netbase names protocols for `network`).
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Sequence

from msrefactor.facts import Effect, Scope, StageFacts
from msrefactor.manifests import yaml_value
from msrefactor.model import Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._plain_program import (
    Language,
    PlainBuild,
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
from msrefactor_transforms.splitting.packages import bare_name
from msrefactor_transforms.splitting.plan import Ecosystem, SplitPlan
from msrefactor_transforms.splitting.question import is_install

LANGUAGE = Language(
    name="haskell",
    toolchains=frozenset(["haskell", "fpco/stack-build"]),
    kind=SourceKind(
        (".hs", ".lhs", ".hsc", ".cabal", ".x", ".y", ".md", ".hamlet", ".julius", ".cassius", ".lucius"),
        (".hs", ".lhs"),
        frozenset(
            "stack.yaml stack.yaml.lock package.yaml cabal.project cabal.project.freeze cabal.project.local "
            "Setup.hs dist dist-newstyle test tests src app bench hie.yaml".split()
        ),
    ),
    starts=re.compile(
        r"\b(?:callProcess|callCommand|readProcess|readProcessWithExitCode|spawnProcess|spawnCommand|proc|shell|"
        r"rawSystem|system)\s+(?P<name>\"(?:[^\"\\]|\\.)*\"|\(|\w)"
    ),
    development=frozenset(["stack", "cabal", "ghc", "ghci", "runghc", "runhaskell", "ghcid"]),
    tools=frozenset(["stack", "cabal", "ghc"]),
    comment="--",
    libraries={"debian": ("libgmp10", "libnuma1", "libtinfo6", "netbase", "zlib1g")},
    path_folders=("/root/.local/bin", "/root/.cabal/bin"),
    packages=frozenset(["ghc", "cabal", "cabal-install", "stack", "haskell-stack"]),
    remedy="install the program in the build (`stack install`, `cabal install --install-method=copy`)",
)

_FOREIGN = {"bullseye": "libffi7", "bookworm": "libffi8", "trixie": "libffi8"}
"""The library by which GHC's programs call others; Debian's own GHC links it."""


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of Stack, Cabal or GHC does."""
    tool = posixpath.basename(argv[0] or "") if argv else ""
    words = [word for word in argv[1:] if word is not None]
    if len(words) != len(argv) - 1 and tool in LANGUAGE.tools:
        words = [word or "" for word in argv[1:]]
    if tool == "stack":
        return _stack(words, scope)
    if tool == "cabal":
        return _cabal(words, scope)
    if tool == "ghc":
        return _ghc(words, scope)
    if tool in ("hpack", "hlint", "ormolu", "fourmolu"):
        return prepares(tool, scope) if tool == "hpack" else checks(tool, scope)
    return None


def _actions(words: Sequence[str]) -> list[str]:
    return [word for word in words if word and not word.startswith("-")]


def _stack(words: Sequence[str], scope: Scope) -> Effect | None:
    actions = _actions(words)
    action = next((word for word in actions if re.fullmatch(r"[a-z]+", word)), "")
    if action in ("setup", "update", "upgrade", "config", "path", "clean", "unpack", "ls"):
        return prepares("stack", scope)
    if action == "test":
        return checks("stack", scope)
    if action not in ("build", "install"):
        return None
    is_partial = bool(
        {"--only-dependencies", "--dependencies-only", "--dry-run", "--only-snapshot"} & set(words)
    )
    if is_partial:
        return prepares("stack", scope, "builds the dependencies")
    if action == "build" and "--copy-bins" not in words and not option(words, "--local-bin-path"):
        # it stays below .stack-work, where only `stack exec` and `stack path` find it
        return prepares("stack", scope, "compiles")
    folder = scope.path(option(words, "--local-bin-path") or "~/.local/bin")
    names = _named(actions[actions.index(action) + 1 :]) or executables(scope)
    if not names:
        return unclear("stack", "no .cabal file or package.yaml names the programs", scope)
    return made("haskell", "stack", [posixpath.join(folder, name) for name in names], scope)


def _named(targets: Sequence[str]) -> list[str]:
    """Return the programs that targets such as `app:exe:server` name."""
    return [target.rpartition(":")[2] for target in targets if ":exe:" in target or target.startswith("exe:")]


def _cabal(words: Sequence[str], scope: Scope) -> Effect | None:
    actions = _actions(words)
    action = actions[0] if actions else ""
    if action in (
        "update",
        "v2-update",
        "new-update",
        "configure",
        "fetch",
        "get",
        "freeze",
        "clean",
        "list-bin",
    ):
        return prepares("cabal", scope)
    if action in ("test", "v2-test", "check", "haddock"):
        return checks("cabal", scope)
    if action in ("build", "v2-build", "new-build", "v1-build"):
        return prepares("cabal", scope, "compiles")
    if action not in ("install", "v2-install", "new-install"):
        return None
    if {"--only-dependencies", "--dependencies-only", "--lib"} & set(words):
        return prepares("cabal", scope, "builds the dependencies")
    if option(words, "--install-method") != "copy":
        why = "`cabal install` leaves a link into Cabal's store"
        return unclear("cabal", why, scope, "add --install-method=copy")
    folder = scope.path(option(words, "--installdir") or "~/.local/bin")
    names = _named(actions[1:]) or executables(scope)
    if not names:
        return unclear("cabal", "no .cabal file names the programs", scope)
    return made("haskell", "cabal", [posixpath.join(folder, name) for name in names], scope)


def _ghc(words: Sequence[str], scope: Scope) -> Effect:
    sources = [path for word in words if word.endswith((".hs", ".lhs")) for path in _sources(word, scope)]
    if "--version" in words or not any(word.endswith((".hs", ".lhs")) for word in words):
        return prepares("ghc", scope)
    output = option(words, "-o")
    if output is None:
        # GHC names the program after the file with the module Main
        mains = sources if len(sources) == 1 else [one for one in sources if _is_main(one, scope)]
        if len(mains) != 1:
            return unclear(
                "ghc", "which of its files GHC names the program after isn't known", scope, "add -o"
            )
        output = posixpath.splitext(mains[0])[0]
    is_static = "-optl-static" in words or "-optl=-static" in words
    build = PlainBuild("haskell", (scope.path(output),), scope.cwd, is_static)
    return made("haskell", "ghc", build.outputs, scope, build)


def _sources(word: str, scope: Scope) -> list[str]:
    """Return the source files that a word names; those of the context where it is a pattern."""
    if not any(char in word for char in "*?["):
        return [word]
    folder = posixpath.dirname(word)
    files = scope.files(scope.path(folder))
    return [
        posixpath.join(folder, name)
        for name in sorted(files)
        if "/" not in name and fnmatch.fnmatchcase(name, posixpath.basename(word))
    ]


def _is_main(path: str, scope: Scope) -> bool:
    """Whether a source file holds the module Main, as one without a header does."""
    text = scope.read(scope.path(path)) or ""
    plain = re.sub(r"\{-.*?-\}", "", text, flags=re.DOTALL)
    header = re.search(r"^module\s+([\w.]+)", plain, re.MULTILINE)
    return header is None or header[1] == "Main"


def executables(scope: Scope) -> tuple[str, ...]:
    """Return the programs that the .cabal files or package.yaml of the current folder name."""
    root = scope.origin(scope.cwd)
    found: list[str] = []
    if root is not None:
        for path in scope.context.files(root):
            if path.endswith(".cabal") and not {"dist-newstyle", ".stack-work"} & set(path.split("/")):
                text = scope.context.read_text(path) or ""
                found.extend(named_in(text, r"^[Ee]xecutable\s+([\w-]+)"))
    if found:
        return tuple(dict.fromkeys(found))
    return _of_package(text_of(scope, "package.yaml"))


def _of_package(text: str) -> tuple[str, ...]:
    if not text:
        return ()
    data = yaml_value(text)
    if not isinstance(data, dict):
        return ()
    listed = data.get("executables")
    if isinstance(listed, dict):
        return tuple(str(name) for name in listed)
    return (str(data["name"]),) if isinstance(data.get("executable"), dict) and "name" in data else ()


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds Haskell programs is split."""
    headers = [
        bare_name(name)
        for _, effect in facts.effects()
        if is_install(effect)
        for name in effect.detail.names
        # what GHC links of them is in the program
        if name and bare_name(name).startswith("libghc-") and bare_name(name).endswith("-dev")
    ]
    release = facts.base.release or (facts.base.releases or ("",))[-1]
    own = LANGUAGE.libraries.get(facts.base.system, ())
    foreign = (_FOREIGN[release],) if facts.base.system == "debian" and release in _FOREIGN else ()
    return plan_of_language(view, facts, LANGUAGE, libraries=(*own, *foreign), packages=headers)


ECOSYSTEM = Ecosystem("haskell", interpret, plan)
