"""Bun's compiled programs: `bun build --compile`. What runs on bun itself is planned by `node.py`.

Sources: bun.com/docs, "Single-file executable"; measured with bun 1.4.5: the program links the C library
alone, reads `.env` where it starts, and packages of CommonJS still open what lies beside them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from msrefactor.commands import operands, option_value
from msrefactor.facts import Effect, Scope, StageFacts
from msrefactor.model import Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._javascript_programs import Compiler, plan_of_programs
from msrefactor_transforms.ecosystems._node_installs import workspace_of
from msrefactor_transforms.ecosystems._node_projects import (
    BUN_COMMANDS,
    NodeBuild,
    NodeInstall,
    after_options,
    chain,
    modules_of,
    package_at,
)
from msrefactor_transforms.ecosystems._plain_program import PlainBuild, builds_of, made, unclear
from msrefactor_transforms.knowledge.bundled import reads_nothing_beside_itself
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, SplitPlan

COMPILER = Compiler(
    name="bun",
    development=frozenset({"bun", "bunx"}),
    systems=("debian", "alpine"),
    libraries=(("alpine", "libgcc"), ("alpine", "libstdc++")),
)
_WITH_VALUE = frozenset(
    {
        "--outfile", "--outdir", "--target", "--root", "--format", "--external", "-e", "--define", "-d",
        "--env", "--loader", "-l", "--public-path", "--banner", "--footer", "--asset-naming",
        "--chunk-naming",
        "--entry-naming", "--compile-exec-argv", "--cwd", "--packages", "--conditions", "--drop", "--feature",
    }
)  # fmt: skip
_LEAVE_NOTHING = frozenset(
    "rm rimraf mkdir echo bun bunx npm npx yarn pnpm cross-env env eslint prettier biome oxlint true".split()
)


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command does that compiles a program with bun, itself or by a script of package.json."""
    if not argv or posixpath.basename(argv[0] or "") not in ("bun", "npm", "yarn", "pnpm"):
        return None
    action, rest = after_options(argv[1:])
    if argv[0] == "bun" and action == "build":
        return _compiled(rest, scope) if "--compile" in argv else None
    if action in ("run", "run-script"):
        action, rest = after_options(rest)
    elif argv[0] == "bun" and action in BUN_COMMANDS:
        return None
    package = package_at(scope.cwd, scope) if option_value(argv, "--cwd", "--prefix") is None else None
    if package is None or action is None or action not in package.scripts:
        return None
    programs = tuple(chain(package, action))
    compiling = [words for words in programs if words[:2] == ("bun", "build") and "--compile" in words]
    if not compiling:
        return None
    effects = [_compiled(words[2:], scope) for words in compiling]
    refused = next((one for one in effects if one.refusal is not None), None)
    others = [words for words in programs if words not in compiling and not _leaves_nothing(words)]
    if refused is not None or others:
        why = f"what `{' '.join(others[0])}` leaves beside the program isn't known" if others else ""
        return refused or unclear("bun", why, scope, "run it in a RUN of its own")
    outputs = tuple(path for one in effects for path in one.writes)
    return made("bun", "bun", outputs, scope, PlainBuild("bun", outputs, scope.cwd))


def _leaves_nothing(words: Sequence[str]) -> bool:
    tool = posixpath.basename(words[0])
    if tool == "bun":
        return len(words) == 1 or words[1] in ("test", "run", "x")
    return tool in _LEAVE_NOTHING or (tool in ("tsc", "vue-tsc") and "--noEmit" in words)


def _compiled(words: Sequence[str | None], scope: Scope) -> Effect:
    target = option_value(words, "--target") or ""
    is_musl = "musl" in target
    if target and (not target.startswith("bun") or "windows" in target or "darwin" in target):
        return unclear("bun", f"the program is for {target}", scope)
    if target.startswith("bun-") and is_musl != (scope.base.system == "alpine"):
        return unclear("bun", f"the program is for {target}, and the image has another C library", scope)
    entries = [word for word in _positional(words) if word != "--compile"]
    output = option_value(words, "--outfile")
    if (
        output is None
        and entries
        and entries[0] not in (".", "..")
        and option_value(words, "--outdir") is None
    ):
        output = posixpath.splitext(posixpath.basename(entries[0]))[0]
    if None in words or not output:
        return unclear(
            "bun", "what `bun build --compile` calls its program isn't seen", scope, "add --outfile"
        )
    build = PlainBuild("bun", (scope.path(output),), scope.cwd)
    return made("bun", "bun", build.outputs, scope, build)


def _positional(words: Sequence[str | None]) -> Iterator[str]:
    return (word for word in operands(("bun", *words), _WITH_VALUE) if word is not None)


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage is split that starts programs compiled by bun."""
    if not builds_of(facts, "bun"):
        return None
    beside = (*_packages_beside(view, facts), *_built_beside(facts))
    return plan_of_programs(view, facts, COMPILER, beside)


def _built_beside(facts: StageFacts) -> Iterator[Artifact]:
    """Yield what other builds leave: a front end that the program hands out, a generated client."""
    for fact, effect in facts.effects():
        if isinstance(effect.detail, NodeBuild):
            for path in effect.writes:
                if path != modules_of(effect.detail.folder):
                    yield Artifact(path, fact.index, "may be opened by the program")


def _packages_beside(view: View, facts: StageFacts) -> Iterator[Artifact]:
    """Yield node_modules where a package may open what lies beside it: the program has its code alone."""
    outside = any(
        word is not None and word.startswith(("--external", "-e", "--packages"))
        for fact in facts.runs()
        for item in fact.items
        if item.item is not None
        for command in item.item.commands
        for word in fact.scope.values(command.words)
    )
    # a step that may write anywhere in the project may write into its packages
    outside = outside or any(
        isinstance(effect.detail, NodeBuild) and effect.detail.folder in effect.writes
        for _, effect in facts.effects()
    )
    for fact, effect in facts.effects():
        install = effect.detail
        if not isinstance(install, NodeInstall) or install.is_global:
            continue
        if not effect.writes:
            continue
        package = package_at(install.folder, facts.end)
        if package is not None:
            outside = outside or any(
                "--external" in text or "--packages" in text for text in package.scripts.values()
            )
            if not outside and reads_nothing_beside_itself(view.context, package):
                continue
        place = workspace_of(install.folder, fact.scope)
        yield Artifact(modules_of(place), fact.index, "packages may open what lies beside their code")


ECOSYSTEM = Ecosystem("bun", interpret, plan, images=frozenset({"bun"}))
