"""What the commands of Node's tools do: installs, scripts of package.json, compilers and checkers."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import replace

from msrefactor.code.node_package import NodePackage, read_tsconfig
from msrefactor.code.shell import starts_in
from msrefactor.commands import option_value
from msrefactor.facts import Dependencies, Effect, Role, Scope, is_under
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems import _node_installs as installs
from msrefactor_transforms.ecosystems._node_outputs import outputs
from msrefactor_transforms.ecosystems._node_projects import (
    GLOBAL_PACKAGES,
    HOOKS,
    NodeBuild,
    NodeInstall,
    after_options,
    chain,
    manifests,
    modules_of,
    package_at,
    package_of_command,
    without_version,
)

_BUILDERS = frozenset(
    "tsc nest next nuxt nuxi vite webpack webpack-cli rollup esbuild babel swc tsup parcel gulp grunt "
    "react-scripts craco react-app-rewired vue-cli-service ng svelte-kit astro gatsby docusaurus prisma "
    "sequelize typeorm "
    "rimraf del-cli copyfiles cpx cpy-cli shx mkdirp cross-env env-cmd dotenv npm-run-all run-s run-p "
    "concurrently turbo nx lerna postcss tailwindcss sass node-sass lessc graphql-codegen protoc "
    "tsc-alias ncc pkgroll unbuild vue-tsc remix react-router medusa strapi keystone payload ace "
    "node-gyp node-pre-gyp patch-package husky is-ci opencollective json minify uglifyjs terser "
    "browserify quasar ember vuepress vitepress".split()
)
_RUN_OTHERS = frozenset("rimraf rm del-cli shx npm yarn pnpm bun npx bunx cross-env echo".split())
"""Runners of scripts, and what only removes folders."""
_OF_WORKSPACES = frozenset({"--workspaces", "--workspace", "-ws", "-w"})
_CHECKERS = frozenset(
    "eslint prettier jest mocha vitest ava tap nyc c8 cypress playwright stylelint xo standard tslint "
    "depcheck audit-ci commitlint knip biome lint-staged".split()
)


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of Node's tools does."""
    name = argv[0]
    if name is None:
        return None
    tool = posixpath.basename(name)
    words = list(argv[1:])
    if tool == "corepack":
        return Effect(
            Role.BUILD, tool=tool, reads_only=True, why="makes package managers available", detail="corepack",
            dependencies=installs.of_corepack(scope),
        )  # fmt: skip
    if tool in ("npx", "pnpx"):
        inner = [word for word in words if word not in ("--yes", "-y", "--no-install", "--no")]
        return interpret_tool(inner, scope) if inner else None
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
        return interpret_tool([tool, *words], scope)
    if tool in _CHECKERS and scope.base.family == "node":
        return Effect(Role.GATE, tool=tool)
    if tool in ("tsc", "nest", "ng", "next", "vite", "webpack", "prisma", "node-gyp", "gulp", "grunt"):
        return interpret_tool([tool, *words], scope)
    return None


def _project(argv: Sequence[str | None], scope: Scope) -> str:
    folder = option_value(argv, "--prefix", "--dir", "--cwd") or option_value(argv, "-C")
    return scope.path(folder) if folder else scope.cwd


def _npm(words: Sequence[str | None], argv: Sequence[str | None], scope: Scope) -> Effect | None:
    action, rest = after_options(words)
    folder = _project(argv, scope)
    is_global = any(word in ("-g", "--global", "--location=global") for word in argv)
    if action in ("install", "i", "ci", "add", "clean-install", "in", "isntall"):
        if is_global:
            return packages_installed_globally("npm", rest, scope)
        return packages_installed("npm", folder, argv, scope)
    if action in ("run", "run-script", "rum"):
        if any(word in _OF_WORKSPACES or (word or "").startswith("--workspace=") for word in argv):
            return of_workspaces("npm", folder)
        script = next((word for word in rest if word and not word.startswith("-")), None)
        return interpret_script("npm", script, folder, scope)
    if action in ("test", "t", "tst"):
        return Effect(Role.GATE, tool="npm")
    if is_global and action in ("update", "up", "upgrade", "uninstall", "rm", "remove", "un"):
        return packages_installed_globally("npm", rest or ["npm"], scope)
    if action in ("prune", "rebuild", "dedupe", "link", "uninstall", "rm", "remove", "un", "update", "up"):
        return Effect(
            Role.BUILD, tool="npm", reads=manifests(folder, scope), reads_only=True,
            writes=(modules_of(folder),), why="the installed packages", detail=NodeBuild(folder),
        )  # fmt: skip
    if action == "cache":
        return Effect(Role.CLEAN, tool="npm")
    if action in ("config", "set", "pkg", "c", "init", "version", "login", "audit", "fund"):
        touches = (f"{folder}/package.json",) if action in ("pkg", "init", "version") else ()
        role = Role.GATE if action == "audit" and "fix" not in rest else Role.BUILD
        reads = manifests(folder, scope) if action in ("pkg", "init", "version", "audit", "fund") else ()
        return Effect(role, tool="npm", reads=reads, reads_only=True, writes=touches, why="configures npm")
    if action in ("exec", "x"):
        inner = [word for word in rest if word not in ("--", "-y", "--yes", "-c")]
        return interpret_tool(inner, scope) if inner else None
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
    action, rest = after_options(words)
    folder = _project(argv, scope)
    if action is None:
        if "--version" in argv or "-v" in argv:
            return Effect(Role.NOTHING, tool="yarn")
        return packages_installed("yarn", folder, argv, scope)
    if action == "install":
        return packages_installed("yarn", folder, argv, scope)
    if action == "global":
        return packages_installed_globally("yarn", rest[1:], scope)
    if action == "add":
        return packages_installed("yarn", folder, argv, scope)
    if action == "cache":
        return Effect(Role.CLEAN, tool="yarn")
    if action in ("config", "set", "policies", "plugin"):
        known = installs.of_settings(action, folder, scope)
        return Effect(Role.BUILD, tool="yarn", reads_only=True, why="configures yarn", dependencies=known)
    if action in ("workspaces", "workspace", "dlx", "exec"):
        if action == "workspace" and len(rest) > 1:
            rest = rest[1:]
        return of_workspaces("yarn", folder)
    if action == "run":
        action = next((word for word in rest if word and not word.startswith("-")), None)
    if action == "test":
        return Effect(Role.GATE, tool="yarn")
    return interpret_script("yarn", action, folder, scope)


def _pnpm(words: Sequence[str | None], argv: Sequence[str | None], scope: Scope) -> Effect | None:
    action, rest = after_options(words)
    folder = _project(argv, scope)
    if action in ("install", "i", "add", "fetch", "import"):
        if "-g" in argv or "--global" in argv:
            return packages_installed_globally("pnpm", rest, scope)
        return packages_installed("pnpm", folder, argv, scope)
    if action in ("store", "cache"):
        return Effect(Role.CLEAN, tool="pnpm")
    if action in ("config", "set", "setup", "env"):
        return Effect(Role.BUILD, tool="pnpm", reads_only=True, why="configures pnpm")
    if action in ("prune", "rebuild", "remove", "update"):
        return Effect(
            Role.BUILD, tool="pnpm", reads=manifests(folder, scope), reads_only=True,
            writes=(modules_of(folder),), why="the installed packages", detail=NodeBuild(folder),
        )  # fmt: skip
    if action == "deploy":
        target = next((word for word in reversed(rest) if word and not word.startswith("-")), None)
        if target is None:
            return None
        return Effect(
            Role.BUILD, tool="pnpm", reads=(folder,), writes=(scope.path(target),),
            why="the deployed package", detail=NodeInstall("pnpm", folder),
        )  # fmt: skip
    if action in ("exec", "dlx"):
        return interpret_tool(rest, scope) if rest else None
    if action in ("run", "run-script"):
        action = next((word for word in rest if word and not word.startswith("-")), None)
    if action in ("test", "t"):
        return Effect(Role.GATE, tool="pnpm")
    if action in ("--version", "-v", None):
        return Effect(Role.NOTHING, tool="pnpm")
    if any(option in argv for option in ("--filter", "-F", "-r", "--recursive")):
        return of_workspaces("pnpm", folder)
    return interpret_script("pnpm", action, folder, scope)


def of_workspaces(manager: str, folder: str) -> Effect:
    """Return what a command does that goes through the members of a workspace."""
    return Effect(
        Role.BUILD, tool=manager, reads=(folder, GLOBAL_PACKAGES), reads_only=True, writes=(folder,),
        why="what the build writes", detail=NodeBuild(folder),
    )  # fmt: skip


def packages_installed_globally(manager: str, rest: Sequence[str | None], scope: Scope) -> Effect:
    """Return what an install leaves that is for all projects."""
    names = tuple(without_version(word) for word in rest if word and not word.startswith("-"))
    place = GLOBAL_PACKAGES
    if manager == "yarn":
        place = "/usr/local/share/.config/yarn/global/node_modules"
    elif manager == "pnpm":
        place = posixpath.join(scope.variables.get("PNPM_HOME", "/root/.local/share/pnpm"), "global")
    elif manager == "bun":
        place = posixpath.join(scope.variables.get("BUN_INSTALL", f"{scope.home}/.bun"), "install/global")
    elif "NPM_CONFIG_PREFIX" in scope.variables:
        place = posixpath.join(scope.variables["NPM_CONFIG_PREFIX"], "lib/node_modules")
    return Effect(
        Role.BUILD, tool=manager, reads=_global_reads((manager,)), reads_only=True,
        writes=tuple(posixpath.normpath(posixpath.join(place, name)) for name in names),
        why="the packages installed globally", detail=NodeInstall(manager, place, names, is_global=True),
        dependencies=Dependencies(manager),
    )  # fmt: skip


def _global_reads(commands: Iterable[str]) -> tuple[str, ...]:
    """Return where packages for these commands would lie, had they been installed globally."""
    names = {package_of_command(command) for command in commands}
    if "?" in names:
        return (GLOBAL_PACKAGES,)
    return tuple(f"{GLOBAL_PACKAGES}/{name}" for name in sorted(names))


def packages_installed(manager: str, folder: str, argv: Sequence[str | None], scope: Scope) -> Effect:
    """Return what an install in a project leaves."""
    package = package_at(folder, scope)
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
            *(("-p",) if manager == "bun" else ()),
        )
    ) or (("--omit" in argv) and "dev" in argv)
    keeps_dev = "--include=dev" in argv or "--production=false" in argv
    if scope.variables.get("NODE_ENV") == "production" and not keeps_dev:
        production = True
    detail = NodeInstall(manager, folder, with_dev=not production)
    known = installs.of_install(manager, folder, argv, scope)
    root = installs.workspace_of(folder, scope)
    if root != folder:
        # an install in a member is one of the whole workspace, whose packages lie in its root
        return Effect(
            Role.BUILD, tool=manager, reads=(root, *_global_reads((manager,))), reads_only=True,
            writes=(root,), why="the installed packages", detail=detail, dependencies=known,
        )  # fmt: skip
    modules = modules_of(folder)
    has_berry = scope.has(posixpath.join(folder, ".yarnrc.yml"))
    ignores_scripts = "--ignore-scripts" in argv
    hooks = (
        [hook for hook in HOOKS if package is not None and hook in package.scripts]
        if not ignores_scripts
        else []
    )
    harmless = package is not None and all(_is_harmless(package.scripts[hook]) for hook in hooks)
    local = bool(package and (package.local_dependencies or package.workspaces))
    patches = scope.has(posixpath.join(folder, "patches"))
    generates = "" if ignores_scripts or package is None else _generated_by(package, folder, scope)
    if (
        package is None
        or (hooks and not harmless)
        or local
        or patches
        or has_berry
        or generates
        or (manager == "pnpm" and package.workspaces)
    ):
        # a hook, a workspace or a patch reads the project, and may write anywhere in it
        return Effect(
            Role.BUILD, tool=manager, reads=(folder, *_global_reads((manager,))), reads_only=True,
            writes=(folder,)
            if hooks or local or has_berry or package is None or generates == folder
            else (modules,),
            why="the installed packages", detail=detail, dependencies=known,
        )  # fmt: skip
    return Effect(
        Role.BUILD, tool=manager, reads=(*manifests(folder, scope), *_global_reads((manager,))),
        reads_only=True, writes=(modules,), why="the installed packages", detail=detail, dependencies=known,
    )  # fmt: skip


def _generated_by(package: NodePackage, folder: str, scope: Scope) -> str:
    """Return the folder that install scripts of packages generate code into from the project, or ""."""
    every = {**package.dependencies, **package.dev_dependencies, **package.optional}
    if "msw" in every and scope.has(posixpath.join(folder, "public")):
        return folder
    if "@prisma/client" not in every:
        return ""
    # its install script runs `prisma generate` where it finds a schema
    named = (package.prisma_schema, "prisma/schema.prisma", "schema.prisma", "prisma")
    for name in named:
        path = posixpath.normpath(posixpath.join(folder, name)) if name else ""
        if path and scope.has(path):
            text = scope.read(path) or "output"
            return folder if "output" in text else modules_of(folder)
    return ""


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


def interpret_script(manager: str, name: str | None, folder: str, scope: Scope) -> Effect | None:
    """Return what a script of package.json does: its commands, and those of the scripts it runs."""
    if name is None:
        return None
    package = package_at(folder, scope)
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
            return (
                interpret_tool([name], replace(scope, cwd=folder)) if name in _BUILDERS | _CHECKERS else None
            )
        return None
    programs = tuple(chain(package, name))
    names = {posixpath.basename(words[0]) for words in programs if words}
    if is_check and not names & (_BUILDERS - {"cross-env", "dotenv", "env-cmd"}):
        return Effect(Role.GATE, tool=manager, reads=(installs.workspace_of(folder, scope),))
    output = _tsc_output(programs, folder, scope)
    return Effect(
        Role.BUILD,
        tool=manager,
        reads=(installs.workspace_of(folder, scope), *_global_reads((manager, *names))),
        reads_only=True,
        writes=(output,) if output else outputs(programs, folder, package, scope) or (folder,),
        why=f"what `{manager} run {name}` writes",
        detail=NodeBuild(folder, output, programs),
    )


def _tsc_output(programs: Sequence[tuple[str, ...]], folder: str, scope: Scope) -> str | None:
    """Return the folder that tsc fills, when the commands are tsc and removals of that folder only."""
    output: str | None = None
    for words in programs:
        tool = posixpath.basename(words[0])
        if tool in _RUN_OTHERS:
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


def interpret_tool(words: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a binary of node_modules does."""
    tool = posixpath.basename(words[0] or "")
    tool = tool.partition("@")[0] if not tool.startswith("@") else tool
    folder = scope.cwd
    reads = (installs.workspace_of(folder, scope), *_global_reads((tool,)))
    if tool in _CHECKERS and "install" not in words:
        return Effect(Role.GATE, tool=tool)
    if tool in ("puppeteer", "playwright", "cypress"):
        return Effect(Role.OPAQUE, tool=tool, why=f"what `{tool} install` leaves in the image isn't known")
    if tool == "tsc":
        output = _tsc_output((tuple(word or "" for word in words),), folder, scope)
        return Effect(Role.BUILD, tool=tool, reads=reads, reads_only=True, writes=(output or folder,),
                      why="what tsc writes", detail=NodeBuild(folder, output))  # fmt: skip
    if tool == "prisma" and "generate" in words:
        return Effect(Role.BUILD, tool=tool, reads=reads, reads_only=True, writes=(folder,),
                      why="the generated Prisma client", detail=NodeBuild(folder))  # fmt: skip
    if tool in _BUILDERS:
        package = package_at(folder, scope)
        known = tuple(word or "?" for word in (tool, *words[1:]))
        written = outputs((known,), folder, package, scope) if package is not None else None
        return Effect(Role.BUILD, tool=tool, reads=reads, reads_only=True, writes=written or (folder,),
                      why=f"what {tool} writes", detail=NodeBuild(folder, programs=(known,)))  # fmt: skip
    return None
