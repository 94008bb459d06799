"""Names that don't belong into a build context, and who may read them all the same."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msrefactor.code.needs import source_texts
from msrefactor.context import BuildContext
from msrefactor.contract import evidence_of
from msrefactor.facts import Role
from msrefactor.ignoring import Reader
from msrefactor.model import Evidence

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

VERSION_CONTROL = (".git", ".svn", ".hg")
ENVIRONMENTS = (".venv", "venv", "env")
"""Where Python's developers keep their virtual environments."""
CACHES = (
    "__pycache__ .mypy_cache .pytest_cache .ruff_cache .tox .nox .nyc_output .parcel-cache .turbo .terraform "
    ".vagrant .DS_Store"
).split()
"""What tools leave in a project; no build reads it."""
_MADE = (
    "node_modules bower_components .next .nuxt .output .svelte-kit .angular dist build out target bin obj "
    "_build deps .gradle .stack-work dist-newstyle zig-out zig-cache .zig-cache .build .dart_tool elm-stuff "
    "nimcache vendor"
).split()
"""Folders that package managers and compilers make, by their usual names."""

_GIT_COMMANDS = "describe|rev-parse|rev-list|log|show|ls-files|status|tag|branch|diff|submodule|name-rev"
_GIT_READER = re.compile(
    rf"\bgit\s+(-\w+\s+)*({_GIT_COMMANDS})\b"
    r"|(?<!\"type\": )(?<!\"type\":)[\"']git[\"']"
    r"|(?<![\w.])\.git[/\"']"
    r"|\b(setuptools[-_]scm|hatch[-_]vcs|versioneer|dunamai|poetry-dynamic-versioning|versioningit|GitPython"
    r"|git-commit-id|gitinfo|grgit|jgit|git-version|git_version|vergen|git2|built::|ReadBuildInfo|GitVersion"
    r"|Nerdbank|MinVer|GitInfo|simple-git|isomorphic-git|git-rev-sync|git-last-commit|git-describe|nodegit"
    r"|rugged|husky|lefthook|simple-git-hooks|fetch_git_sha|pbr)\b"
)
"""Programs, plugins and libraries that ask the version control, in build files and sources."""
_ENVIRONMENT_READER = re.compile(
    r"(?i)dotenv|load_env|environ\.Env|env_file|(?<![\w.])\.env\b"
    r"|[\"'](vite|next|nuxt|react-scripts|@vue/cli-service|gatsby|astro|@sveltejs/kit|parcel)[\"']"
    r"|laravel/framework|symfony/"
)
"""What reads `.env` at the build or at the start, by itself or because it is told to."""
_SOURCES = frozenset(
    ".py .toml .cfg .ini .js .cjs .mjs .ts .mts .tsx .jsx .vue .svelte .json .go .rs .rb .gemspec .php .java "
    ".kt .kts .gradle .scala .sbt .xml .properties .cs .csproj .fsproj .props .targets .c .cc .cpp .h .cmake "
    ".ex .exs .hs .cabal .swift .sh .bash .mk .yml .yaml .conf .cnf .pl .pm .r .nim .nimble .zig .cr .dart "
    ".clj .edn".split()
)
_BUILD_FILES = frozenset(
    "Makefile GNUmakefile makefile Rakefile Gemfile Justfile justfile CMakeLists.txt gradlew mvnw".split()
)
_LOCK_FILES = frozenset(
    "package-lock.json npm-shrinkwrap.json composer.lock pnpm-lock.yaml packages.lock.json".split()
)
_MOST_FILES = 4000

_SECRET_NAMES = re.compile(
    r"(?i)^(\.env(\.(local|dev|development|prod|production|staging|test))?|\.netrc|\.pgpass|\.pypirc|\.htpasswd"
    r"|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|key|pfx|p12|jks|keystore|kdbx|ppk)|.*\.tfstate(\.backup)?"
    r"|(service[-_]?account|credentials|client[-_]secret).*\.json|\.aws|\.ssh|\.gnupg)$"
)
"""Files that hold secrets by their usual names."""
_TEST_FOLDERS = frozenset("test tests testdata testing spec fixtures example examples sample samples".split())
"""Where keys are made for tests, and are no secrets."""


def made_folder(path: str) -> str | None:
    """Return the folder of a usual name that a built path is or lies in; None where the name isn't usual."""
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        if parts[end - 1] in _MADE:
            return "/".join(parts[:end])
    return None


def is_left_out_by_git(path: str, context: BuildContext) -> bool:
    """Whether the project's .gitignore says that the path is never committed."""
    return _git_rules(context).match_file(path + "/") or _git_rules(context).match_file(path)


def _git_rules(context: BuildContext) -> GitIgnoreSpec:
    def made() -> GitIgnoreSpec:
        from pathspec import GitIgnoreSpec

        lines: list[str] = []
        for reader in (context.project, context):
            lines.extend((reader.read_text(".gitignore") or "").splitlines())
        return GitIgnoreSpec.from_lines(filter(_is_pattern, lines))

    return context.remembered("git-ignore", made)


def _is_pattern(line: str) -> bool:
    """Whether git's rules give the line a meaning; longer than a path, or full of stars, we see none."""
    from pathspec import GitIgnoreSpec

    if len(line) > 4096 or line.count("*") > 20:
        return False
    try:
        GitIgnoreSpec.from_lines((line,))
    except ValueError:
        return False
    return True


def git_reader(every: tuple[Reader, ...], context: BuildContext) -> Evidence | None:
    """Return where the project asks its version control, in a build step, a build file or a source."""
    for reader in every:
        for facts in reader.stages:
            cloned: list[str] = []
            for fact, effect in facts.effects():
                if posixpath.basename(effect.tool) != "git":
                    continue
                if effect.role is Role.FETCH and fact.scope.cwd not in effect.writes:
                    cloned.extend(effect.writes)
                elif not effect.reads_only and effect.writes != ("/etc/gitconfig",) and not cloned:
                    return evidence_of(fact.instruction, reader.view.name)
    return _first_match(_GIT_READER, context)


def _first_match(pattern: re.Pattern[str], context: BuildContext) -> Evidence | None:
    for path, text in source_texts(context, _searched(context)):
        found = pattern.search(text)
        if found is not None:
            return Evidence(path, text.count("\n", 0, found.start()) + 1, found.group())
    return None


def _searched(context: BuildContext) -> Iterator[str]:
    """Yield the files of the context in which somebody could write that a file is read."""
    count = 0
    for path in context.files():
        name = posixpath.basename(path)
        if "/node_modules/" in f"/{path}" or name in _LOCK_FILES:
            continue
        if name in _BUILD_FILES or posixpath.splitext(name)[1].lower() in _SOURCES:
            count += 1
            if count > _MOST_FILES:
                return
            yield path


def secret_files(every: tuple[Reader, ...], context: BuildContext) -> Iterator[str]:
    """Yield the files of the context that look like secrets and that nothing in the project names."""
    for path in context.files():
        name = posixpath.basename(path)
        if _SECRET_NAMES.match(name) is None or (_TEST_FOLDERS | {"node_modules"}) & set(path.split("/")):
            continue
        if any(name in reader.view.dockerfile.render() for reader in every):
            continue
        # a server may be told of a folder, and look for the files in it by their ending
        named = "|".join(re.escape(part) for part in {name, posixpath.splitext(name)[1]} - {""})
        pattern = _ENVIRONMENT_READER if name.startswith(".env") else re.compile(named)
        if _first_match(pattern, context) is None:
            yield path
