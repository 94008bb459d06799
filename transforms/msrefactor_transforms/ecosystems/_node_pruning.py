"""What of a Node project only its build needs: devDependencies, compiled sources, manifests."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msrefactor.code.needs import CodeNeeds
from msrefactor.code.node_package import NodePackage
from msrefactor.facts import Effect, Fact, Role, Scope, StageFacts, is_under
from msrefactor.model import Evidence, View
from msrefactor_transforms.ecosystems._node_projects import HOOKS, NodeBuild, NodeInstall, is_test, package_of

_SERVERS = {
    "next": "next",
    "remix-serve": "@remix-run/serve",
    "react-router-serve": "@react-router/serve",
    "cross-env": "cross-env",
}
"""Commands that load nothing but what the sources and their own configuration name, by their packages."""
_LOADED_UNSEEN = frozenset(
    "tslib core-js regenerator-runtime @babel/runtime @swc/helpers "
    "pg pg-native mysql mysql2 sqlite3 better-sqlite3 tedious oracledb mariadb mongodb redis ioredis "
    "ejs pug hbs handlebars nunjucks mustache express-handlebars eta twig pino-pretty newrelic "
    "bufferutil utf-8-validate sharp critters beasties".split()
)
"""Packages that compiled code, or other packages, load without a line of the sources that names them."""
_READ_SOURCE = frozenset({"ts-node", "tsx", "npx", "bun", "bunx"})
"""Programs that run TypeScript; bun finds it by the `paths` of tsconfig.json, from compiled code too."""
_READ = (
    ".js",
    ".cjs",
    ".mjs",
    ".ts",
    ".tsx",
    ".jsx",
    ".mts",
    ".cts",
    ".json",
    ".yaml",
    ".yml",
    ".sh",
    ".hbs",
    ".vue",
    ".svelte",
    ".astro",
    ".mdx",
)
_MANIFESTS = frozenset(
    "package.json package-lock.json npm-shrinkwrap.json nest-cli.json turbo.json nx.json lerna.json".split()
)
_TOOLS = (
    "tsconfig", "jest.config", "jest-", "vitest.config", "eslint.config", ".eslintrc", "prettier.config",
    ".prettierrc", "commitlint.config", "lint-staged.config", ".lintstagedrc", ".huskyrc", "cypress.config",
    "playwright.config", "webpack.config", "rollup.config", "tsup.config", "vite.config", "gulpfile",
    "Gruntfile", "karma.conf", "postcss.config", "tailwind.config", ".mocharc", ".nycrc", "nodemon.json",
    "docker-compose", "compose.", ".babelrc", "babel.config", ".swcrc", "tslint.json", "renovate.json",
)  # fmt: skip
"""Beginnings of the names of files that only tools of the build read; the container starts none of these."""


_RUNNERS = {
    "npm": frozenset({"node", "npm", "npx", "sh", "docker-entrypoint.sh"}),
    "bun": frozenset({"bun", "sh", "docker-entrypoint.sh"}),
}
_OF_BUN = ("tsconfig", "bunfig", "jsconfig")
"""Settings that bun reads when it starts: they may name a package that is loaded first, or extended."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """How devDependencies are kept out: not at all, by a step behind the build, or not installed."""

    epilogue: tuple[str, ...] = ()
    edits: Mapping[int, tuple[tuple[int, int, str], ...]] = field(default_factory=dict)
    saved_mb: float = 0.0


def pruning(
    view: View,
    facts: StageFacts,
    package: NodePackage,
    local: Sequence[tuple[Fact, Effect, NodeInstall]],
    programs: Sequence[tuple[tuple[str, ...], Evidence]],
    code: CodeNeeds,
    is_bundled: bool = False,
) -> Pruning:
    """Return how devDependencies are left out of the final stage, when that is proved harmless.

    Proof: one npm project with a lock file; what starts is `node` and files, or a server that dependencies
    bring; no file of the image beside tests and the configuration of build tools has the name of such a
    package as a string. `is_bundled`: what the sources import of them is in the output.
    """
    install = local[-1][2]
    by_bun = install.manager == "bun"
    if by_bun and not (package.dependencies and _is_frozen(local[-1][0])):
        return Pruning()
    is_plain = (
        install.manager in ("npm", "bun")
        and install.with_dev
        and bool(package.dev_dependencies)
        and package.lock_kind == install.manager
        and not package.workspaces
        and not package.local_dependencies
        and len(local) == 1
    )
    if not is_plain or code.unknown_commands or any("prisma" in name for name in package.dev_dependencies):
        return Pruning()
    if any(hook in package.scripts for hook in HOOKS):
        return Pruning()
    for fact, effect in facts.effects():
        if (
            effect.tool in ("npm", "yarn")
            and isinstance(effect.detail, NodeBuild)
            and "prune" in fact.instruction.text
        ):
            return Pruning()
    started = {posixpath.basename(words[0]) for words, _ in programs if words}
    servers = started - _RUNNERS[install.manager]
    is_known = all(_SERVERS.get(name) in package.dependencies for name in servers) and not (
        by_bun and servers
    )
    has_typescript = any(facts.end.has(f"{install.folder}/next.config.{end}") for end in ("ts", "mts"))
    if not started or not is_known or ("next" in started and has_typescript):
        return Pruning()
    dev_only = set(package.dev_dependencies) - set(package.dependencies) - set(package.optional)
    if dev_only & _LOADED_UNSEEN:
        return Pruning()
    options = facts.end.variables.get("NODE_OPTIONS", "").split()
    words = {word for program, _ in programs for word in program[1:]} | set(options)
    loaded = {package_of(part) for word in words for part in (word, word.rpartition("=")[2])}
    also = _OF_BUN if by_bun else ()
    if loaded & dev_only or ((by_bun or not is_bundled) and _mentions(view, facts, dev_only, also)):
        return Pruning()
    saved = 5.0 * len(package.dev_dependencies)
    major = int(version) if (version := (facts.base.version or "").partition(".")[0]).isdigit() else 20
    option = "--omit=dev" if major >= 15 and not by_bun else "--production"
    uses_tools = (e.role is Role.GATE or isinstance(e.detail, NodeBuild) for _, e in facts.effects())
    if not any(uses_tools):
        at = _end_of(local[0][0], local[0][1])
        if at is not None:
            return Pruning(edits={local[0][0].index: ((at, at, f" {option}"),)}, saved_mb=saved)
    if by_bun:
        return Pruning()  # it has no command that prunes what a build used
    scopes = _scopes_of_the_build(facts, local[0][0])
    if any(scope.user != scopes[0].user for scope in scopes):
        return Pruning()
    place = "" if scopes[-1].cwd == install.folder else f"cd {install.folder} && "
    return Pruning((f"RUN {place}npm prune {option}\n",), saved_mb=saved)


def _end_of(fact: Fact, effect: Effect) -> int | None:
    """Return where in the source of its RUN a command ends that is an item of its own."""
    for item in fact.items:
        if item.item is not None and item.effects == (effect,) and fact.offset is not None:
            command = item.item.commands[0]
            last = command.words[-1]
            return None if command.redirects else fact.offset(last.start, last.end)[1]
    return None


def _scopes_of_the_build(facts: StageFacts, install: Fact) -> list[Scope]:
    """Return what holds from the install to behind the last step of the build."""
    steps = (f.index for f in facts.runs() if f.role in (Role.BUILD, Role.FETCH, Role.GATE))
    last = max(install.index, *steps, 0)
    return [fact.scope for fact in facts.facts[install.index : last + 2]]


def _is_frozen(fact: Fact) -> bool:
    """Whether bun installs what the lock file says, or fails: that is what --production does too."""
    words = fact.instruction.text.split()
    return "--frozen-lockfile" in words or "ci" in words


def _mentions(view: View, facts: StageFacts, names: set[str], also: tuple[str, ...] = ()) -> bool:
    """Whether a file that may be read at run time imports or names one of the packages, as a plug-in does."""
    for file in view.context.files():
        base = posixpath.basename(file)
        is_left = not base.endswith(_READ) or base in _MANIFESTS or base.startswith(_TOOLS) or is_test(file)
        if is_left and not (also and base.startswith(also)):
            continue
        if "node_modules/" in file or not any(_is_placed(facts, file)):
            continue
        text = view.context.read_text(file)
        if text is None or any(_is_named(name, text) for name in names):
            return True
    return False


def _is_placed(facts: StageFacts, file: str) -> Iterator[bool]:
    for fact in facts.facts:
        for placed in fact.placed:
            yield is_under("/" + file, "/" + placed.source) if placed.is_folder else file == placed.source


def _is_named(name: str, text: str) -> bool:
    """Whether a text has the name, or a path into the package, as a string."""
    return any(f"{quote}{name}{end}" in text for quote in "'\"`" for end in (quote, "/"))


def compiled_sources(
    view: View,
    facts: StageFacts,
    entries: Sequence[tuple[Fact, Effect, NodeInstall | NodeBuild]],
    programs: Sequence[tuple[tuple[str, ...], Evidence]],
    code: CodeNeeds,
) -> tuple[str, ...]:
    """Return folders that hold only TypeScript which tsc has compiled, and that nothing started names."""
    outputs = {d.tsc_output for _, _, d in entries if isinstance(d, NodeBuild)}
    if outputs == {None} or not outputs or not programs:
        return ()
    if any(posixpath.basename(words[0]) in _READ_SOURCE for words, _ in programs if words):
        return ()
    if "tsconfig-paths/register" in code.imports or any("ts-node" in name for name in code.imports):
        return ()
    found = []
    for fact in facts.facts:
        for placed in fact.placed:
            if not placed.is_folder or not placed.source:
                continue
            files = view.context.files(placed.source)
            name = posixpath.basename(placed.source)
            named = any(path.split("/")[0] == name or f"/{name}/" in path for path, _ in code.paths)
            started = any(f"{name}/" in word for words, _ in programs for word in words[1:])
            if files and all(f.endswith((".ts", ".tsx")) for f in files) and not named and not started:
                found.append(placed.destination)
    return tuple(found)


def build_files(
    view: View, facts: StageFacts, folder: str, programs: Sequence[tuple[tuple[str, ...], Evidence]]
) -> frozenset[str]:
    """Return manifests that only the build reads; package.json isn't one."""
    if any(posixpath.basename(words[0]) not in ("node",) for words, _ in programs if words):
        return frozenset()
    names = (
        "package-lock.json",
        "npm-shrinkwrap.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "tsconfig.json",
        ".npmrc",
        ".yarnrc",
    )
    return frozenset(posixpath.join(folder, name) for name in names)
