"""Exactly which files of the application an install of Node packages reads, and what it fills."""

from __future__ import annotations

import fnmatch
import itertools
import posixpath
from collections.abc import Iterator, Sequence

from msrefactor import shell
from msrefactor.code.node_package import NodePackage
from msrefactor.code.shell import starts_in
from msrefactor.facts import Dependencies, Scope, is_under
from msrefactor.manifests import yaml_value
from msrefactor.model import Refused
from msrefactor_transforms.ecosystems._node_projects import HOOKS, modules_of, package_at

_MANIFESTS = (
    "package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc", "yarn.lock", ".yarnrc",
    ".yarnrc.yml", ".env.yarn", "pnpm-lock.yaml", "pnpm-workspace.yaml", ".pnpmfile.cjs", ".pnpmfile.mjs",
    ".node-version", ".nvmrc", ".puppeteerrc.cjs", ".puppeteerrc.json", "lerna.json",
    "bun.lock", "bun.lockb", "bunfig.toml",
)  # fmt: skip
_BERRY = ("releases", "plugins", "patches")
_WRITES_MANIFEST = frozenset({"add", "a", "import"})
_GIT_HOOKS = frozenset({"husky", "husky-run", "simple-git-hooks", "lefthook", "yorkie"})
_HARMLESS = frozenset({"is-ci", "opencollective", "opencollective-postinstall", "only-allow", "npx", "echo"})


def of_install(manager: str, folder: str, argv: Sequence[str | None], scope: Scope) -> Dependencies:
    """Return what `npm ci`, `yarn install`, `pnpm install` and their like read and fill."""
    root = workspace_of(folder, scope)
    package = package_at(root, scope)
    reads = [posixpath.join(place, name) for place in _upwards(root) for name in _MANIFESTS]
    writes = [modules_of(root)]
    if package is None:
        detail = f"no package.json that is understood is found in {root}"
        return Dependencies(manager, tuple(reads), tuple(writes), Refused("install-mode", detail))
    members = _members(package, root, scope)
    obstacle = _named_packages(manager, argv)
    if manager == "pnpm" and (argv[1:2] == ("fetch",) or "fetch" in argv):
        return Dependencies(manager, tuple(reads), tuple(writes), obstacle)
    for place, one in ((root, package), *members):
        reads.extend(posixpath.join(place, name) for name in ("package.json", ".npmrc"))
        writes.append(modules_of(place))
        reads.extend(posixpath.join(place, file) for file in one.bin.values())
        for local in one.local_dependencies:
            path = posixpath.normpath(posixpath.join(place, local))
            if not any(path == member for member, _ in members):
                reads.append(path)
                writes.append(modules_of(path))
                if is_under(place, path):
                    detail = f"{one.path} depends on the folder {local} around it"
                    obstacle = obstacle or Refused("install-reads-source", detail)
        if "--ignore-scripts" not in argv:
            obstacle = obstacle or _hooks(one, place, scope, reads)
            obstacle = obstacle or _native(one, place, scope)
            obstacle = obstacle or _generators(one, place, scope, reads)
    if scope.has(posixpath.join(root, "patches")):
        reads.append(posixpath.join(root, "patches"))
    obstacle = obstacle or _hook_file(root, scope)
    if manager == "yarn" and _is_berry(package, root, scope):
        obstacle = _of_berry(package, root, scope, reads, writes) or obstacle
    else:
        reads.extend(_named_in_settings(root, scope))
    return Dependencies(manager, tuple(dict.fromkeys(reads)), tuple(dict.fromkeys(writes)), obstacle)


def of_corepack(scope: Scope) -> Dependencies:
    """Return what corepack reads: the package.json that says which manager the project uses."""
    return Dependencies("", tuple(posixpath.join(p, "package.json") for p in _upwards(scope.cwd)))


def of_settings(action: str, folder: str, scope: Scope) -> Dependencies:
    """Return what a command of yarn changes that sets it up: for one project, or for the user."""
    names = ("package.json", ".yarnrc.yml", ".yarnrc", ".npmrc", ".yarn")
    paths = tuple(posixpath.join(folder, name) for name in names)
    is_of_user = action == "config" and not scope.has(paths[1])
    return Dependencies("", paths[:3], () if is_of_user else paths)


def _upwards(folder: str) -> Iterator[str]:
    """Yield a folder and those that it lies in."""
    yield folder
    while folder != "/":
        folder = posixpath.dirname(folder)
        yield folder


def workspace_of(folder: str, scope: Scope) -> str:
    """Return the folder of the workspace that a project belongs to, or its own."""
    for place in _upwards(folder):
        package = package_at(place, scope)
        if package is not None and package.workspaces:
            members = dict(_members(package, place, scope))
            if place == folder or folder in members:
                return place
    return folder


def _members(package: NodePackage, root: str, scope: Scope) -> tuple[tuple[str, NodePackage], ...]:
    """Return the projects of a workspace with their folders in the image."""
    origin = scope.origin(root)
    if origin is None:
        return ()
    found: dict[str, NodePackage] = {}
    for pattern in package.workspaces:
        text = pattern.removeprefix("./").rstrip("/")
        excluded = text.startswith("!")
        for match in _matches(text.lstrip("!"), origin, scope):
            place = posixpath.normpath(posixpath.join(root, posixpath.relpath(match or ".", origin or ".")))
            one = package_at(place, scope)
            if excluded:
                found.pop(place, None)
            elif one is not None and place != root:
                found[place] = one
    return tuple(sorted(found.items()))


def _matches(pattern: str, origin: str, scope: Scope) -> Iterator[str]:
    """Yield the folders that a pattern of workspaces names; `**` is any depth."""
    if "**" not in pattern:
        yield from scope.context.match(posixpath.join(origin, pattern))
        return
    for file in scope.context.files(origin):
        folder = posixpath.dirname(file)
        parts = posixpath.relpath(folder or ".", origin or ".").split("/")
        if posixpath.basename(file) != "package.json" or "node_modules" in parts:
            continue
        if _fits(parts, pattern.split("/")):
            yield folder


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[n:], pattern[1:]) for n in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _named_packages(manager: str, argv: Sequence[str | None]) -> Refused | None:
    """Return the obstacle that packages named in the command are: they are written into package.json."""
    words = [word for word in argv[1:] if word is None or not word.startswith("-")]
    takes = ("--prefix", "-C", "--dir", "--cwd", "--filter", "-F", "--registry", "--network-timeout",
             "--loglevel", "--cache", "--cache-folder", "--modules-folder", "--omit", "--include", "--only",
             "--store-dir", "--fetch-timeout", "--maxsockets", "--network-concurrency")  # fmt: skip
    given = [one for before, one in itertools.pairwise(argv)
             if (one is None or not one.startswith("-")) and before not in takes]  # fmt: skip
    is_adding = any(word in _WRITES_MANIFEST for word in words[:1])
    if not is_adding and len(given) <= 1:
        return None
    if manager == "npm" and "--no-save" in argv:
        return None
    detail = f"`{manager} {' '.join(word or '?' for word in argv[1:])}` also changes package.json"
    remedy = "write the packages into package.json, and install from it"
    return Refused("install-mode", detail, remedy=remedy)


def _hooks(package: NodePackage, folder: str, scope: Scope, reads: list[str]) -> Refused | None:
    """Return the obstacle that the install scripts of a project are."""
    for hook in HOOKS:
        script = package.scripts.get(hook)
        if script is None:
            continue
        found = starts_in(script)
        names = {posixpath.basename(one.name) for one in found} if found is not None else {"?"}
        names |= {word for one in _commands(script) for word in one[1:2] if one[0] == "npx"}
        if "patch-package" in names:
            reads.append(posixpath.join(folder, "patches"))
        if names & _GIT_HOOKS and not _is_without_git(folder, scope):
            return Refused(
                "install-reads-source",
                f"the {hook} script of {package.path} looks for .git: {script}",
                remedy="add .git to .dockerignore",
            )
        if names & {"prisma"} and tuple(_commands(script)) in _PRISMA:
            continue  # what it reads is what the package's own install script reads
        if not names <= {*_GIT_HOOKS, *_HARMLESS, "patch-package"}:
            detail = f"the {hook} script of {package.path} may read the source: {script}"
            return Refused("install-reads-source", detail)
    return None


_PRISMA = ((("prisma", "generate"),), (("npx", "prisma", "generate"),), (("pnpm", "prisma", "generate"),))


def _commands(script: str) -> Iterator[tuple[str, ...]]:
    parsed = shell.parse_script(script)
    for command in parsed.commands if parsed is not None else ():
        words = tuple(word.literal or word.text for word in command.words)
        if words:
            yield words


def _is_without_git(folder: str, scope: Scope) -> bool:
    """Whether the project's history never comes with the build context."""
    source = scope.origin(folder)
    return source is not None and scope.context.is_ignored(posixpath.join(source, ".git"))


def _native(package: NodePackage, folder: str, scope: Scope) -> Refused | None:
    has_own = bool({"install", "preinstall"} & set(package.scripts))
    if has_own or not scope.has(posixpath.join(folder, "binding.gyp")):
        return None
    return Refused("install-reads-source", f"the install compiles the project's own {folder}/binding.gyp")


def _generators(package: NodePackage, folder: str, scope: Scope, reads: list[str]) -> Refused | None:
    """Add what the install scripts of known packages read of the project, or say why it isn't known."""
    every = {**package.dependencies, **package.dev_dependencies, **package.optional}
    if "msw" in every and scope.has(posixpath.join(folder, "public")):
        return Refused("install-reads-source", "the install script of msw writes into the folder public")
    uses_prisma = "@prisma/client" in every or any(
        words[:2] in (("prisma", "generate"), ("npx", "prisma"))
        for hook in HOOKS
        for words in _commands(package.scripts.get(hook, ""))
    )
    if not uses_prisma:
        return None
    for name in (package.prisma_schema, "prisma/schema.prisma", "schema.prisma"):
        path = posixpath.normpath(posixpath.join(folder, name)) if name else ""
        if not path or not scope.is_file(path):
            continue
        if "output" in (scope.read(path) or "output"):
            detail = f"`prisma generate` writes where {path} says, and the install runs it"
            return Refused("install-reads-source", detail)
        reads.append(path)
        reads.extend(posixpath.join(folder, f"prisma.config.{ending}") for ending in ("ts", "js", "mjs"))
        return None
    if scope.has(posixpath.join(folder, "prisma")):
        return Refused("install-reads-source", "the install script of @prisma/client reads the folder prisma")
    return None


def _hook_file(root: str, scope: Scope) -> Refused | None:
    """Return the obstacle that pnpm's own hooks are where they load other files."""
    text = scope.read(posixpath.join(root, ".pnpmfile.cjs")) or ""
    if "'./" in text or '"./' in text or "../" in text:
        return Refused("install-reads-source", ".pnpmfile.cjs loads other files of the project")
    return None


def _is_berry(package: NodePackage, root: str, scope: Scope) -> bool:
    return scope.has(posixpath.join(root, ".yarnrc.yml")) or _version_of_yarn(package) >= 2


def _version_of_yarn(package: NodePackage) -> int:
    name, _, version = (package.package_manager or "").partition("@")
    major = version.partition(".")[0]
    return int(major) if name == "yarn" and major.isdigit() else 0


def _of_berry(
    package: NodePackage, root: str, scope: Scope, reads: list[str], writes: list[str]
) -> Refused | None:
    """Add what yarn 2 and later read and write beside the manifests."""
    folder = posixpath.join(root, ".yarn")
    text = scope.read(posixpath.join(root, ".yarnrc.yml"))
    settings = yaml_value(text) if text is not None else None
    if settings is None:
        settings = {}
    if not isinstance(settings, dict):
        return Refused("install-mode", ".yarnrc.yml isn't understood")
    if scope.has(posixpath.join(folder, "cache")) or scope.has(posixpath.join(root, ".pnp.cjs")):
        detail = "the packages themselves are part of the repository (zero-install)"
        return Refused("install-reads-source", detail)
    reads.extend(posixpath.join(folder, name) for name in _BERRY)
    given = settings.get("yarnPath")
    if isinstance(given, str):
        reads.append(posixpath.normpath(posixpath.join(root, given)))
    if settings.get("nodeLinker", "pnp") not in ("node-modules", "pnpm"):
        writes.extend(posixpath.join(root, name) for name in (".pnp.cjs", ".pnp.loader.mjs"))
        writes.append(posixpath.join(folder, "unplugged"))
    release = posixpath.basename(given) if isinstance(given, str) else ""
    is_fourth = _version_of_yarn(package) >= 4 or release.startswith(("yarn-4", "yarn-5"))
    if settings.get("enableGlobalCache") is not True and not (
        is_fourth and "enableGlobalCache" not in settings
    ):
        writes.append(posixpath.join(folder, "cache"))
    writes.append(posixpath.join(folder, "install-state.gz"))
    return None


def _named_in_settings(root: str, scope: Scope) -> Iterator[str]:
    """Yield the files that .npmrc and .yarnrc name: yarn itself, an offline mirror, certificates."""
    for name in (".npmrc", ".yarnrc"):
        for line in (scope.read(posixpath.join(root, name)) or "").splitlines():
            for word in line.replace("=", " ").split()[1:]:
                text = word.strip("\"'")
                if "/" in text and "://" not in text and not text.startswith(("//", "${", "@")):
                    path = posixpath.normpath(posixpath.join(root, text))
                    if path != root and scope.has(path):
                        yield path
