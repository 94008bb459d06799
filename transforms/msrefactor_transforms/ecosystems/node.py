"""Node servers: npm, yarn and pnpm; scripts of package.json; builds by tsc and others; proved pruning.

node_modules and what the build writes are copied from the builder at the same paths. devDependencies are
pruned only where it is proved that nothing started and nothing shipped uses one.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from msrefactor import shell, variables
from msrefactor.code.needs import EMPTY, CodeNeeds
from msrefactor.code.node_package import NodePackage, read_package, read_tsconfig
from msrefactor.code.shell import starts_in
from msrefactor.commands import option_value
from msrefactor.contract import starts
from msrefactor.facts import Effect, Fact, Role, Scope, StageFacts, global_arguments, is_under
from msrefactor.knowledge.images import size_mb, slim_variant
from msrefactor.model import Evidence, Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.knowledge.native import node_native
from msrefactor_transforms.splitting.copies import Copied, copied, place_of
from msrefactor_transforms.splitting.plan import (
    Artifact,
    Ecosystem,
    Level,
    Missing,
    RuntimePackage,
    SplitPlan,
)

_MANAGERS = frozenset({"npm", "yarn", "yarnpkg", "pnpm", "npx", "pnpx", "bunx"})
_HOOKS = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")
_BUILDERS = frozenset(
    "tsc nest next nuxt nuxi vite webpack webpack-cli rollup esbuild babel swc tsup parcel gulp grunt "
    "react-scripts vue-cli-service ng svelte-kit astro gatsby docusaurus prisma sequelize typeorm "
    "rimraf del-cli copyfiles cpx cpy-cli shx mkdirp cross-env env-cmd dotenv npm-run-all run-s run-p "
    "concurrently turbo nx lerna postcss tailwindcss sass node-sass lessc graphql-codegen protoc "
    "tsc-alias ncc pkgroll unbuild vue-tsc remix react-router medusa strapi keystone payload ace "
    "node-gyp node-pre-gyp patch-package husky is-ci opencollective json minify uglifyjs terser "
    "browserify quasar ember vuepress vitepress".split()
)
_CHECKERS = frozenset(
    "eslint prettier jest mocha vitest ava tap nyc c8 cypress playwright stylelint xo standard tslint "
    "depcheck audit-ci commitlint knip biome lint-staged".split()
)
_DEV_SERVERS = {
    "react-scripts": ("start",),
    "vue-cli-service": ("serve",),
    "ng": ("serve", "s"),
    "next": ("dev",),
    "nuxt": ("dev",),
    "nuxi": ("dev",),
    "gatsby": ("develop",),
    "astro": ("dev",),
    "webpack": ("serve", "--watch", "-w"),
    "svelte-kit": ("dev",),
    "nest": ("start",),
    "parcel": ("serve", "watch"),
    "remix": ("dev",),
    "docusaurus": ("start",),
    "ember": ("serve",),
    "expo": ("start",),
    "tsup": ("--watch",),
}
_WATCHERS = frozenset(
    {"nodemon", "ts-node-dev", "tsnd", "node-dev", "supervisor", "webpack-dev-server", "browser-sync"}
)
_COMPILERS = frozenset("tsc webpack rollup esbuild babel gulp grunt ncc tsup node-gyp".split())
_GLOBAL_BUILD_TOOLS = frozenset(
    "npm yarn pnpm corepack typescript @angular/cli @nestjs/cli gulp gulp-cli grunt grunt-cli webpack "
    "webpack-cli vite node-gyp turbo lerna rimraf nx eslint prettier @vue/cli create-react-app "
    "node-pre-gyp npm-check-updates bower babel-cli @babel/cli rollup esbuild npm-run-all patch-package".split()
)
_BROWSERS = frozenset({"puppeteer", "playwright", "cypress", "@playwright/test", "playwright-chromium"})


@dataclass(frozen=True, slots=True)
class NodeInstall:
    """One command that fills node_modules."""

    manager: str
    folder: str
    """Absolute folder of the package.json."""
    packages: tuple[str, ...] = ()
    """For a global install: what is installed, without versions."""
    is_global: bool = False
    with_dev: bool = True


@dataclass(frozen=True, slots=True)
class NodeBuild:
    """One command that builds the project, with the scripts it goes through."""

    folder: str
    tsc_output: str | None = None
    """Folder that tsc writes, when that is all the command does."""


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of Node's tools does."""
    name = argv[0]
    if name is None:
        return None
    tool = posixpath.basename(name)
    words = list(argv[1:])
    if tool == "corepack":
        return Effect(
            Role.BUILD, tool=tool, reads_only=True, why="makes package managers available", detail="corepack"
        )
    if tool in ("npx", "pnpx", "bunx"):
        inner = [word for word in words if word not in ("--yes", "-y", "--no-install", "--no")]
        return _tool(inner, scope) if inner else None
    if tool == "npm":
        return _npm(words, argv, scope)
    if tool in ("yarn", "yarnpkg"):
        return _yarn(words, argv, scope)
    if tool == "pnpm":
        return _pnpm(words, argv, scope)
    if tool in ("node", "nodejs"):
        if words[:1] in (["-v"], ["--version"]):
            return Effect(Role.NOTHING, tool=tool)
        return None
    if "node_modules/.bin/" in name:
        return _tool([tool, *words], scope)
    if tool in _CHECKERS and scope.base.family == "node":
        return Effect(Role.GATE, tool=tool)
    if tool in ("tsc", "nest", "ng", "next", "vite", "webpack", "prisma", "node-gyp", "gulp", "grunt"):
        return _tool([tool, *words], scope)
    return None


def _first(words: Sequence[str | None]) -> tuple[str | None, list[str | None]]:
    """Return the subcommand and what follows it, options before it left out."""
    rest = list(words)
    while rest and rest[0] is not None and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in ("--prefix", "-C", "--dir", "--cwd", "--filter", "-F", "-w", "--workspace") and rest:
            rest.pop(0)
    return (rest[0], rest[1:]) if rest else (None, [])


def _project(argv: Sequence[str | None], scope: Scope) -> str:
    folder = option_value(argv, "--prefix", "--dir", "--cwd") or option_value(argv, "-C")
    return scope.path(folder) if folder else scope.cwd


def _npm(words: Sequence[str | None], argv: Sequence[str | None], scope: Scope) -> Effect | None:
    action, rest = _first(words)
    folder = _project(argv, scope)
    if action in ("install", "i", "ci", "add", "clean-install", "in", "isntall"):
        if "-g" in argv or "--global" in argv:
            return _global_install("npm", rest)
        return _install("npm", folder, argv, scope)
    if action in ("run", "run-script", "rum"):
        script = next((word for word in rest if word and not word.startswith("-")), None)
        return _script("npm", script, folder, scope)
    if action in ("test", "t", "tst"):
        return Effect(Role.GATE, tool="npm")
    if action in ("prune", "rebuild", "dedupe", "link", "uninstall", "rm", "remove", "un", "update", "up"):
        return Effect(
            Role.BUILD, tool="npm", reads=_manifests(folder, scope), reads_only=True,
            writes=(f"{folder}/node_modules",), why="the installed packages", detail=NodeBuild(folder),
        )  # fmt: skip
    if action == "cache":
        return Effect(Role.CLEAN, tool="npm")
    if action in ("config", "set", "pkg", "c", "init", "version", "login", "audit", "fund"):
        touches = (f"{folder}/package.json",) if action in ("pkg", "init", "version") else ()
        role = Role.GATE if action == "audit" and "fix" not in rest else Role.BUILD
        return Effect(role, tool="npm", reads_only=True, writes=touches, why="configures npm")
    if action in ("exec", "x"):
        inner = [word for word in rest if word not in ("--", "-y", "--yes", "-c")]
        return _tool(inner, scope) if inner else None
    if action in (
        "view",
        "ls",
        "list",
        "outdated",
        "root",
        "bin",
        "prefix",
        "help",
        "--version",
        "ping",
        "info",
        None,
    ):
        return Effect(Role.NOTHING, tool="npm")
    if action in ("pack",):
        return Effect(Role.BUILD, tool="npm", reads=(folder,), writes=(folder,), why="the packed project")
    return None


def _yarn(words: Sequence[str | None], argv: Sequence[str | None], scope: Scope) -> Effect | None:
    action, rest = _first(words)
    folder = _project(argv, scope)
    if action is None:
        if "--version" in argv or "-v" in argv:
            return Effect(Role.NOTHING, tool="yarn")
        return _install("yarn", folder, argv, scope)
    if action == "install":
        return _install("yarn", folder, argv, scope)
    if action == "global":
        return _global_install("yarn", rest[1:])
    if action == "add":
        return _install("yarn", folder, argv, scope)
    if action == "cache":
        return Effect(Role.CLEAN, tool="yarn")
    if action in ("config", "set", "policies", "plugin"):
        return Effect(Role.BUILD, tool="yarn", reads_only=True, why="configures yarn")
    if action in ("workspaces", "workspace", "dlx", "exec"):
        if action == "workspace" and len(rest) > 1:
            rest = rest[1:]
        return Effect(
            Role.BUILD, tool="yarn", reads=(folder,), writes=(folder,), why="what the build writes",
            detail=NodeBuild(folder),
        )  # fmt: skip
    if action == "run":
        action = next((word for word in rest if word and not word.startswith("-")), None)
    if action == "test":
        return Effect(Role.GATE, tool="yarn")
    return _script("yarn", action, folder, scope)


def _pnpm(words: Sequence[str | None], argv: Sequence[str | None], scope: Scope) -> Effect | None:
    action, rest = _first(words)
    folder = _project(argv, scope)
    if action in ("install", "i", "add", "fetch", "import"):
        if "-g" in argv or "--global" in argv:
            return _global_install("pnpm", rest)
        return _install("pnpm", folder, argv, scope)
    if action in ("store", "cache"):
        return Effect(Role.CLEAN, tool="pnpm")
    if action in ("config", "set", "setup", "env"):
        return Effect(Role.BUILD, tool="pnpm", reads_only=True, why="configures pnpm")
    if action in ("prune", "rebuild", "remove", "update"):
        return Effect(
            Role.BUILD, tool="pnpm", reads=_manifests(folder, scope), reads_only=True,
            writes=(f"{folder}/node_modules",), why="the installed packages", detail=NodeBuild(folder),
        )  # fmt: skip
    if action == "deploy":
        target = next((word for word in reversed(rest) if word and not word.startswith("-")), None)
        if target is None:
            return None
        return Effect(Role.BUILD, tool="pnpm", reads=(folder,), writes=(scope.path(target),), why="the deployed package",
                      detail=NodeInstall("pnpm", folder))  # fmt: skip
    if action in ("exec", "dlx"):
        return _tool(rest, scope) if rest else None
    if action in ("run", "run-script"):
        action = next((word for word in rest if word and not word.startswith("-")), None)
    if action in ("test", "t"):
        return Effect(Role.GATE, tool="pnpm")
    if action in ("--version", "-v", None):
        return Effect(Role.NOTHING, tool="pnpm")
    if any(option in argv for option in ("--filter", "-F", "-r", "--recursive")):
        return Effect(Role.BUILD, tool="pnpm", reads=(folder,), writes=(folder,), why="what the build writes",
                      detail=NodeBuild(folder))  # fmt: skip
    return _script("pnpm", action, folder, scope)


def _global_install(manager: str, rest: Sequence[str | None]) -> Effect:
    names = tuple(_without_version(word) for word in rest if word and not word.startswith("-"))
    return Effect(
        Role.BUILD, tool=manager, reads_only=True, why="the packages installed globally",
        detail=NodeInstall(manager, "/usr/local/lib", names, is_global=True),
    )  # fmt: skip


def _without_version(word: str) -> str:
    head, at, _ = word[1:].partition("@")
    return word[0] + head if at else word


def _manifests(folder: str, scope: Scope) -> tuple[str, ...]:
    names = (
        "package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc", "yarn.lock", ".yarnrc", ".yarnrc.yml",
        "pnpm-lock.yaml", "pnpm-workspace.yaml", ".pnpmfile.cjs", ".node-version", ".nvmrc",
    )  # fmt: skip
    found = [f"{folder}/{name}".replace("//", "/") for name in names]
    return tuple(path for path in found if scope.is_file(path))


def _package(folder: str, scope: Scope) -> NodePackage | None:
    source = scope.origin(posixpath.join(folder, "package.json"))
    if source is None:
        return None
    return read_package(scope.context, posixpath.dirname(source))


def _install(manager: str, folder: str, argv: Sequence[str | None], scope: Scope) -> Effect:
    package = _package(folder, scope)
    production = any(
        option in argv
        for option in (
            "--omit=dev",
            "--production",
            "--only=production",
            "--only=prod",
            "--prod",
            "-P",
            "--production=true",
        )
    ) or (("--omit" in argv) and "dev" in argv)
    keeps_dev = "--include=dev" in argv or "--production=false" in argv
    if scope.variables.get("NODE_ENV") == "production" and not keeps_dev:
        production = True
    detail = NodeInstall(manager, folder, with_dev=not production)
    modules = f"{folder}/node_modules"
    has_berry = scope.has(posixpath.join(folder, ".yarnrc.yml"))
    ignores_scripts = "--ignore-scripts" in argv
    hooks = (
        [hook for hook in _HOOKS if package is not None and hook in package.scripts]
        if not ignores_scripts
        else []
    )
    harmless = package is not None and all(_is_harmless(package.scripts[hook]) for hook in hooks)
    local = bool(package and (package.local_dependencies or package.workspaces))
    patches = scope.has(posixpath.join(folder, "patches"))
    if (
        package is None
        or (hooks and not harmless)
        or local
        or patches
        or has_berry
        or (manager == "pnpm" and package.workspaces)
    ):
        # a hook, a workspace or a patch reads the project, and may write anywhere in it
        return Effect(
            Role.BUILD, tool=manager, reads=(folder,), reads_only=True,
            writes=(folder,) if hooks or local or has_berry or package is None else (modules,),
            why="the installed packages", detail=detail,
        )  # fmt: skip
    return Effect(
        Role.BUILD, tool=manager, reads=_manifests(folder, scope), reads_only=True, writes=(modules,),
        why="the installed packages", detail=detail,
    )  # fmt: skip


def _is_harmless(script: str) -> bool:
    """Whether an install hook touches nothing but node_modules and git's hooks."""
    found = starts_in(script)
    if found is None:
        return False
    names = {posixpath.basename(start.name) for start in found if start.kind == "program"}
    return names <= {
        "husky",
        "husky-run",
        "is-ci",
        "patch-package",
        "simple-git-hooks",
        "opencollective",
        "lefthook",
        "node",
    } and ("node" not in names)


def _script(manager: str, name: str | None, folder: str, scope: Scope) -> Effect | None:
    """Return what a script of package.json does: its commands, and those of the scripts it runs."""
    if name is None:
        return None
    package = _package(folder, scope)
    if package is None:
        return None
    lowered = name.lower()
    is_check = lowered.split(":")[0] in (
        "test",
        "lint",
        "check",
        "typecheck",
        "type-check",
        "format",
        "coverage",
        "ci",
    )
    if name not in package.scripts:
        if manager in ("yarn", "pnpm"):
            # `yarn tsc` runs a binary of node_modules
            return _tool([name], replace(scope, cwd=folder)) if name in _BUILDERS | _CHECKERS else None
        return None
    programs = tuple(_chain(package, name))
    names = {posixpath.basename(words[0]) for words in programs if words}
    if is_check and not names & (_BUILDERS - {"cross-env", "dotenv", "env-cmd"}):
        return Effect(Role.GATE, tool=manager, reads=(folder,))
    output = _tsc_output(programs, folder, scope)
    return Effect(
        Role.BUILD,
        tool=manager,
        reads=(folder,),
        reads_only=True,
        writes=(output,) if output else (folder,),
        why=f"what `{manager} run {name}` writes",
        detail=NodeBuild(folder, output),
    )


def _chain(package: NodePackage, name: str, depth: int = 0) -> Iterator[tuple[str, ...]]:
    """Yield the commands of a script, the scripts before and after it and those that it runs."""
    if depth > 6:
        return
    for step in (f"pre{name}", name, f"post{name}"):
        text = package.scripts.get(step)
        if text is None:
            continue
        script = shell.parse_script(text)
        if script is None:
            yield ("?",)
            continue
        for item in script.items:
            for command in item.commands:
                words = tuple(
                    word.literal if word.literal is not None else word.text for word in command.words
                )
                yield from _expanded(package, words, depth)


def _expanded(package: NodePackage, words: tuple[str, ...], depth: int) -> Iterator[tuple[str, ...]]:
    if not words:
        return
    tool = posixpath.basename(words[0])
    rest = [word for word in words[1:] if not word.startswith("-")]
    if tool in ("npm", "yarn", "pnpm") and rest:
        target = rest[1] if rest[0] in ("run", "run-script") and len(rest) > 1 else rest[0]
        if target in package.scripts and depth < 6:
            yield (words[0],)
            yield from _chain(package, target, depth + 1)
            return
        yield words
        return
    if tool in ("cross-env", "dotenv", "env-cmd", "cross-env-shell", "npx", "dotenvx", "env"):
        yield (words[0],)
        inner = list(words[1:])
        while inner and (inner[0].startswith("-") or "=" in inner[0]):
            option = inner.pop(0)
            if option in ("-e", "-f", "--file", "-v", "-p") and inner:
                inner.pop(0)
        yield from _expanded(package, tuple(inner), depth + 1)
        return
    if tool in ("run-s", "run-p", "npm-run-all"):
        yield (words[0],)
        for target in rest:
            matched = [name for name in package.scripts if name == target or _globbed(name, target)]
            for name in matched:
                yield from _chain(package, name, depth + 1)
        return
    if tool == "concurrently":
        yield (words[0],)
        for text in words[1:]:
            if not text.startswith("-"):
                inner_words = tuple(text.removeprefix("npm:").split())
                if text.startswith("npm:"):
                    yield from _chain(package, inner_words[0], depth + 1)
                else:
                    yield from _expanded(package, inner_words, depth + 1)
        return
    yield words


def _globbed(name: str, pattern: str) -> bool:
    import fnmatch

    return "*" in pattern and fnmatch.fnmatch(name, pattern)


def _tsc_output(programs: Sequence[tuple[str, ...]], folder: str, scope: Scope) -> str | None:
    """Return the folder that tsc fills, when the commands are tsc and removals of that folder only."""
    output: str | None = None
    for words in programs:
        tool = posixpath.basename(words[0])
        if tool in ("rimraf", "rm", "del-cli", "shx", "npm", "yarn", "pnpm", "npx", "cross-env", "echo"):
            continue
        if tool != "tsc":
            return None
        given = option_value(words, "--outDir") or option_value(words, "--outdir")
        project = option_value(words, "-p", "--project") or "tsconfig.json"
        if "-b" in words or "--build" in words or "--noEmit" in words:
            return None
        if given:
            found = posixpath.normpath(posixpath.join(folder, given))
        else:
            path = project if project.endswith(".json") else posixpath.join(project, "tsconfig.json")
            source = scope.origin(posixpath.normpath(posixpath.join(folder, path)))
            config = read_tsconfig(scope.context, source) if source else None
            if config is None or not config.out_dir or config.declaration_dir or config.out_file:
                return None
            root = posixpath.dirname(scope.origin(posixpath.join(folder, "package.json")) or "")
            inside = posixpath.relpath(config.out_dir, root or ".")
            found = posixpath.normpath(posixpath.join(folder, inside))
        if found == folder or not is_under(found, folder) or (output is not None and output != found):
            return None
        output = found
    return output


def _tool(words: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a binary of node_modules does."""
    tool = posixpath.basename(words[0] or "")
    tool = tool.partition("@")[0] if not tool.startswith("@") else tool
    folder = scope.cwd
    if tool in _CHECKERS and "install" not in words:
        return Effect(Role.GATE, tool=tool)
    if tool in ("puppeteer", "playwright", "cypress"):
        return Effect(Role.OPAQUE, tool=tool, why=f"what `{tool} install` leaves in the image isn't known")
    if tool == "tsc":
        output = _tsc_output((tuple(word or "" for word in words),), folder, scope)
        return Effect(Role.BUILD, tool=tool, reads=(folder,), reads_only=True, writes=(output or folder,),
                      why="what tsc writes", detail=NodeBuild(folder, output))  # fmt: skip
    if tool == "prisma" and "generate" in words:
        return Effect(Role.BUILD, tool=tool, reads=(folder,), reads_only=True, writes=(folder,),
                      why="the generated Prisma client", detail=NodeBuild(folder))  # fmt: skip
    if tool in _BUILDERS:
        return Effect(Role.BUILD, tool=tool, reads=(folder,), reads_only=True, writes=(folder,),
                      why=f"what {tool} writes", detail=NodeBuild(folder))  # fmt: skip
    return None


# ------------------------------------------------------------------------------------------------ plan


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that installs Node packages is split."""
    entries = [(f, e, e.detail) for f, e in facts.effects() if isinstance(e.detail, NodeInstall | NodeBuild)]
    installs = [(f, e, d) for f, e, d in entries if isinstance(d, NodeInstall)]
    local = [entry for entry in installs if not entry[2].is_global]
    if not local:
        return None
    base = facts.base
    if base.system == "unknown":
        return Refused(
            "base-unknown",
            f"nothing is known about {base.reference.text}",
            (_evidence(view, facts.facts[0]),),
        )
    if not view.context.known:
        return Refused("context-unknown", "package.json can't be seen", (_evidence(view, local[0][0]),))
    folder = local[-1][2].folder
    package = _package(folder, facts.end)
    if package is None:
        detail = f"no package.json of the build context lies in {folder} of the image"
        return Refused("context-unknown", detail, (_evidence(view, local[-1][0]),))
    programs = tuple(_started(view, facts, package, folder))
    dev = _development(programs)
    if dev is not None:
        return dev
    browsers = _BROWSERS & set(package.dependencies)
    if browsers:
        name = sorted(browsers)[0]
        return Refused(
            "need-not-found",
            f"{name} keeps a browser outside node_modules",
            (_package_evidence(package, name),),
        )
    level, runtime = _runtime_base(facts)
    code = _code_needs(view, facts)
    commands = [(words[0], evidence) for words, evidence in programs if words and "/" not in words[0]]
    packages: list[RuntimePackage] = []
    if level is Level.SLIM:
        for name in _all_dependencies(view, package, folder, facts):
            native = node_native(name)
            if native is None:
                continue
            evidence = _package_evidence(package, name)
            libraries = native.packages(base.system, base.releases)
            if libraries is None:
                return Refused(
                    "runtime-library", f"which libraries {name} needs on {runtime} isn't known", (evidence,)
                )
            packages.extend(RuntimePackage(library, evidence, f"{name} loads it") for library in libraries)
            commands.extend((command, evidence) for command in native.commands)
    code = replace(code, commands=(*code.commands, *commands))
    uses_corepack = any(e.detail == "corepack" for _, e in facts.effects())
    started = {posixpath.basename(words[0]) for words, _ in programs if words}
    if uses_corepack and started & {"yarn", "pnpm"}:
        return Refused(
            "need-not-found",
            f"`{sorted(started & {'yarn', 'pnpm'})[0]}` is fetched by corepack and started with the container",
            remedy="start the program itself, or install the package manager with npm install -g",
        )
    artifacts = _global_artifacts(installs, started, code)
    epilogue, pruned = _pruning(view, facts, package, local, programs, code)
    own = set(package.dependencies) | set(package.dev_dependencies) | set(package.optional)
    return SplitPlan(
        ecosystem="node",
        level=level,
        runtime_image=runtime,
        artifacts=artifacts,
        build_epilogue=epilogue,
        packages=tuple(packages),
        code=code,
        dropped=_compiled_sources(view, facts, entries, programs, code),
        build_files=_build_files(view, facts, folder, programs),
        provides=lambda command: _provided(command, own, folder, artifacts),
        reason="install and build in a builder stage"
        + (", without devDependencies in the end" if pruned else "")
        + f"; the final stage starts from {runtime}",
        saved_mb=max(0.0, (size_mb(base.reference.text) or 0) - (size_mb(_filled_in(view, runtime)) or 0))
        + pruned,
    )


def _evidence(view: View, fact: Fact) -> Evidence:
    return Evidence(view.name, fact.line, " ".join(fact.instruction.source.split())[:120])


def _package_evidence(package: NodePackage, name: str) -> Evidence:
    return Evidence(package.path, package.line_of.get(name), name)


def _filled_in(view: View, image: str) -> str:
    return variables.expand(image, global_arguments(view.dockerfile), view.dockerfile.escape)


def _runtime_base(facts: StageFacts) -> tuple[Level, str]:
    base, image = facts.base, facts.stage.image
    if base.family != "node" or base.variant != "full":
        return Level.SHARED, image
    slim = slim_variant(base.reference.text)
    if slim is None:
        return Level.SHARED, image
    if "$" not in image:
        return Level.SLIM, slim
    if slim.startswith(base.reference.text):
        return Level.SLIM, image + slim[len(base.reference.text) :]
    return Level.SHARED, image


def _started(
    view: View, facts: StageFacts, package: NodePackage, folder: str
) -> Iterator[tuple[tuple[str, ...], Evidence]]:
    """Yield the commands that start with the container, package scripts followed."""
    for start in starts(view, facts):
        if start.argv is not None:
            found = [start.argv]
        else:
            script = shell.parse_script(start.shell or "")
            found = [
                tuple(word.literal if word.literal is not None else word.text for word in command.words)
                for item in (script.items if script else ())
                for command in item.commands
            ]
        for words in found:
            rest = list(words)
            while rest and posixpath.basename(rest[0]) in (
                "docker-entrypoint.sh",
                "tini",
                "dumb-init",
                "exec",
                "--",
                "/sbin/tini",
            ):
                rest.pop(0)
                while rest and rest[0].startswith("-"):
                    rest.pop(0)
            for program in _expanded(package, tuple(rest), 0):
                yield program, start.evidence


def _development(programs: Sequence[tuple[tuple[str, ...], Evidence]]) -> Refused | None:
    for words, evidence in programs:
        if not words:
            continue
        tool = posixpath.basename(words[0])
        if tool in _WATCHERS:
            return Refused(
                "development-image", f"`{tool}` restarts the program when its source changes", (evidence,)
            )
        if tool in ("tsx", "node") and any(word in ("watch", "--watch") for word in words[1:3]):
            return Refused(
                "development-image", f"`{tool}` restarts the program when its source changes", (evidence,)
            )
        if tool == "vite" and (len(words) < 2 or words[1] not in ("build", "preview")):
            return Refused("compiles-at-start", "vite's development server is started", (evidence,))
        if tool in _DEV_SERVERS and any(word in words[1:3] for word in _DEV_SERVERS[tool]):
            return Refused(
                "compiles-at-start",
                f"`{' '.join(words[:2])}` compiles when the container starts",
                (evidence,),
            )
        if tool in _COMPILERS or (
            tool in ("next", "nuxt", "nest", "ng", "react-scripts") and "build" in words[1:2]
        ):
            return Refused(
                "compiles-at-start", f"`{' '.join(words[:2])}` runs when the container starts", (evidence,)
            )
        if tool in ("npm", "yarn", "pnpm") and any(w in ("install", "ci", "i", "add") for w in words[1:2]):
            return Refused(
                "compiles-at-start", f"`{' '.join(words[:2])}` runs when the container starts", (evidence,)
            )
        if tool in ("jest", "mocha", "vitest", "cypress"):
            return Refused("development-image", "the container runs the tests", (evidence,))
    return None


def _all_dependencies(view: View, package: NodePackage, folder: str, facts: StageFacts) -> tuple[str, ...]:
    """Return the names of everything that is installed: the lock file's, or the direct ones."""
    names = dict.fromkeys((*package.dependencies, *package.optional))
    for lock in package.locks:
        text = view.context.read_text(lock) or ""
        if lock.endswith("package-lock.json"):
            import json

            try:
                document = json.loads(text)
            except ValueError:
                continue
            for path, entry in (document.get("packages") or {}).items():
                if path and isinstance(entry, dict) and not entry.get("dev"):
                    names.setdefault(path.rpartition("node_modules/")[2])
        elif lock.endswith(("yarn.lock", "pnpm-lock.yaml")):
            for line in text.splitlines():
                stripped = line.strip().strip('"').strip("'").lstrip("/")
                if (
                    line[:1] in ('"', "'")
                    or (line[:2] == "  " and line[2:3] not in (" ", ""))
                    or line[:1].isalpha()
                    or line[:1] == "@"
                ):
                    name = _without_version(stripped) if stripped else ""
                    if name and stripped.endswith(":"):
                        names.setdefault(name.rstrip(":"))
    return tuple(names)


def _code_needs(view: View, facts: StageFacts) -> CodeNeeds:
    from msrefactor.code.javascript import javascript_needs_of

    sources: dict[str, None] = {}
    for fact in facts.facts:
        for placed in fact.placed:
            files = view.context.files(placed.source) if placed.is_folder else (placed.source,)
            for file in files:
                if (
                    file.endswith((".js", ".cjs", ".mjs", ".ts", ".tsx", ".jsx", ".mts", ".cts"))
                    and "node_modules/" not in file
                ):
                    sources.setdefault(file)
    return javascript_needs_of(view.context, tuple(sources)) if sources else EMPTY


def _global_artifacts(
    installs: Sequence[tuple[Fact, Effect, NodeInstall]], started: set[str], code: CodeNeeds
) -> tuple[Artifact, ...]:
    """Return where global packages lie, when something that runs uses them."""
    used = started | {posixpath.basename(name) for name, _ in code.commands}
    for fact, _, install in installs:
        if not install.is_global:
            continue
        needed = [name for name in install.packages if name in used or name not in _GLOBAL_BUILD_TOOLS]
        if needed:
            if install.manager != "npm":
                continue
            why = f"{needed[0]}, installed globally"
            return (
                Artifact("/usr/local/lib/node_modules", fact.index, why),
                Artifact("/usr/local/bin", fact.index, f"the commands of {needed[0]}"),
            )
    return ()


def _provided(command: str, own: set[str], folder: str, artifacts: Sequence[Artifact]) -> str | None:
    name = posixpath.basename(command)
    if "/" not in command and name in own:
        return f"{folder}/node_modules/.bin, copied"
    if artifacts and "/" not in command and name not in ("node", "sh"):
        return None
    return None


def _pruning(
    view: View,
    facts: StageFacts,
    package: NodePackage,
    local: Sequence[tuple[Fact, Effect, NodeInstall]],
    programs: Sequence[tuple[tuple[str, ...], Evidence]],
    code: CodeNeeds,
) -> tuple[tuple[str, ...], float]:
    """Return the instruction that prunes devDependencies, and what it saves, when that is proved harmless.

    Proof: one npm project with a lock file; what starts is `node` and files; every package that the source
    imports, and every program it starts, comes from `dependencies`.
    """
    install = local[-1][2]
    is_plain = (
        install.manager == "npm"
        and install.with_dev
        and bool(package.dev_dependencies)
        and package.lock_kind == "npm"
        and not package.workspaces
        and not package.local_dependencies
        and len(local) == 1
    )
    if not is_plain or code.unknown_commands or any("prisma" in name for name in package.dev_dependencies):
        return (), 0.0
    if any(hook in package.scripts for hook in _HOOKS):
        return (), 0.0
    for fact, effect in facts.effects():
        if (
            effect.tool in ("npm", "yarn")
            and isinstance(effect.detail, NodeBuild)
            and "prune" in fact.instruction.text
        ):
            return (), 0.0
    if not programs or any(
        posixpath.basename(words[0]) not in ("node", "npm", "/bin/sh", "sh", "docker-entrypoint.sh")
        for words, _ in programs
        if words
    ):
        return (), 0.0
    dev_only = set(package.dev_dependencies) - set(package.dependencies)
    imported = {_package_of(name) for name in code.imports}
    loaded = {word for words, _ in programs for word in words[1:]}
    if imported & dev_only or loaded & dev_only or any(_package_of(word) in dev_only for word in loaded):
        return (), 0.0
    if _mentions(view, facts, dev_only):
        return (), 0.0
    scopes = _scopes_of_the_build(facts, local[0][0])
    if any(scope.user != scopes[0].user for scope in scopes):
        return (), 0.0
    place = "" if scopes[-1].cwd == install.folder else f"cd {install.folder} && "
    return (f"RUN {place}npm prune --omit=dev\n",), 5.0 * len(package.dev_dependencies)


def _scopes_of_the_build(facts: StageFacts, install: Fact) -> list[Scope]:
    """Return what holds from the install to behind the last step of the build."""
    last = max(f.index for f in facts.runs() if f.role in (Role.BUILD, Role.FETCH, Role.GATE))
    return [fact.scope for fact in facts.facts[install.index : last + 2]] or [facts.end]


def _package_of(name: str) -> str:
    parts = name.split("/")
    return "/".join(parts[:2]) if name.startswith("@") else parts[0]


def _mentions(view: View, facts: StageFacts, names: set[str]) -> bool:
    """Whether a configuration file that is read at run time names one of the packages, as a plug-in does."""
    for file in view.context.files():
        base = posixpath.basename(file)
        if (
            base.startswith((".babelrc", "babel.config", ".swcrc", "ecosystem.config", ".mocharc"))
            and "node_modules" not in file
        ):
            text = view.context.read_text(file) or ""
            if base.startswith("ecosystem") and any(name in text for name in names):
                return True
    return False


def _compiled_sources(
    view: View,
    facts: StageFacts,
    entries: Sequence[tuple[Fact, Effect, NodeInstall | NodeBuild]],
    programs: Sequence[tuple[tuple[str, ...], Evidence]],
    code: CodeNeeds,
) -> tuple[str, ...]:
    """Return folders that hold nothing but TypeScript which tsc has compiled, and that nothing started names."""
    outputs = {d.tsc_output for _, _, d in entries if isinstance(d, NodeBuild)}
    if outputs == {None} or not outputs or not programs:
        return ()
    if any(posixpath.basename(words[0]) in ("ts-node", "tsx", "npx") for words, _ in programs if words):
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


def _build_files(
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


# ------------------------------------------------------------------------------------- several stages


def missing(view: View, stages: Sequence[StageFacts]) -> Sequence[Missing] | Refused:
    """Return node_modules of an earlier stage, when the final stage starts Node code that imports from it."""
    final = stages[-1]
    if final.base.family != "node" or any(isinstance(e.detail, NodeInstall) for _, e in final.effects()):
        return ()
    copies = copied(view, len(stages) - 1, final)
    for index in sorted({copy.stage for copy in copies}):
        facts = stages[index]
        installs = [
            e.detail
            for _, e in facts.effects()
            if isinstance(e.detail, NodeInstall) and not e.detail.is_global
        ]
        builds = [e.detail for _, e in facts.effects() if isinstance(e.detail, NodeBuild)]
        if not installs or facts.base.system != final.base.system:
            continue
        folder = installs[-1].folder
        modules = f"{folder}/node_modules"
        if place_of(modules, index, copies) is not None or any(f"{modules}/" in c.source for c in copies):
            continue
        if any("node_modules" in copy.source or "standalone" in copy.source for copy in copies):
            continue
        if any(build.tsc_output is None for build in builds):
            continue  # a bundler may have put everything into its output
        package = _package(folder, facts.end)
        if package is None or not package.dependencies:
            continue
        started = [words for words, _ in _started(view, final, package, final.end.cwd)]
        if not any(words and posixpath.basename(words[0]) == "node" for words in started):
            continue
        evidence = _import_of_dependency(view, facts, package)
        if evidence is None:
            continue
        target = _modules_place(final, copies, index, folder)
        reason = f"copy node_modules to the final stage: `{evidence.text}` fails without it"
        return (Missing(index, modules, target, reason, (evidence,)),)
    return ()


def _import_of_dependency(view: View, facts: StageFacts, package: NodePackage) -> Evidence | None:
    from msrefactor.code.javascript import javascript_needs

    for fact in facts.facts:
        for placed in fact.placed:
            files = view.context.files(placed.source) if placed.is_folder else (placed.source,)
            for file in files:
                if not file.endswith((".js", ".mjs", ".cjs", ".ts")) or "node_modules/" in file:
                    continue
                text = view.context.read_text(file) or ""
                read = javascript_needs(file, text)
                for name in sorted(read.imports if read else ()):
                    if _package_of(name) in package.dependencies:
                        line = next((n for n, row in enumerate(text.splitlines(), 1) if name in row), None)
                        return Evidence(file, line, f"import of {name}")
    return None


def _modules_place(final: StageFacts, copies: Sequence[Copied], index: int, folder: str) -> str:
    """Return the folder from which what is started finds its modules: the project's place in the final stage."""
    place = place_of(folder, index, copies)
    if place is not None:
        return f"{place}/node_modules"
    return posixpath.join(final.end.cwd, "node_modules")


ECOSYSTEM = Ecosystem("node", interpret, plan, missing)
