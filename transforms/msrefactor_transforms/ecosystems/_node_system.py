"""What Node packages need of the distribution: libraries and commands to run, tools to be built."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from msrefactor.code.needs import EMPTY, CodeNeeds
from msrefactor.code.node_package import NodePackage
from msrefactor.commands import PackageCall
from msrefactor.facts import StageFacts
from msrefactor.knowledge import packages as knowledge
from msrefactor.manifests import json_value
from msrefactor.model import View
from msrefactor_transforms.ecosystems._node_projects import is_test, without_version

_PYTHON = frozenset({"python", "python2", "python3", "python3-minimal", "py3-setuptools"})
_PYTHON_USERS = ("python", "py-", "pyodide", "zerorpc", "jupyter", "youtube-dl", "yt-dlp", "ytdl")
"""Parts of the names of packages that start Python, or programs written in it."""


def installed_packages(view: View, packages: Sequence[NodePackage]) -> Mapping[str, NodePackage]:
    """Return everything that is installed to run: what the lock files have, or the direct dependencies."""
    found: dict[str, NodePackage] = {}
    for package in packages:
        for name in (*package.dependencies, *package.optional):
            found.setdefault(name, package)
        for lock in package.locks:
            text = view.context.read_text(lock) or ""
            read = _locked_by_npm if lock.endswith(".json") else _locked_by_others
            for name in _locked_by_bun(text) if lock.endswith("bun.lock") else read(text):
                found.setdefault(name, package)
    return found


def _locked_by_npm(text: str) -> Iterator[str]:
    document = json_value(text)
    if not isinstance(document, dict):
        return
    for path, entry in (document.get("packages") or {}).items():
        if path and isinstance(entry, dict) and not entry.get("dev"):
            yield path.rpartition("node_modules/")[2]
    for name, entry in (document.get("dependencies") or {}).items():
        if isinstance(entry, dict) and not entry.get("dev"):
            yield name


def _locked_by_bun(text: str) -> Iterator[str]:
    """Yield the names in a bun.lock: `"name": ["name@1.0.0", ...]`, one package a line."""
    for line in text.splitlines():
        _, opened, rest = line.partition('": ["')
        if opened and line.startswith('    "') and "@" in rest:
            name = without_version(rest.partition('"')[0])
            if name:
                yield name


def _locked_by_others(text: str) -> Iterator[str]:
    """Yield the names in a yarn.lock or pnpm-lock.yaml."""
    for line in text.splitlines():
        stripped = line.strip().strip('"').strip("'").lstrip("/")
        is_entry = line[:1] in ('"', "'", "@") or line[:1].isalpha()
        if (is_entry or (line[:2] == "  " and line[2:3] not in (" ", ""))) and stripped.endswith(":"):
            name = without_version(stripped)
            if name:
                yield name.rstrip(":").strip("'\"")


def listed_packages(facts: StageFacts) -> frozenset[str]:
    """Return the distribution's packages that the author installs by name."""
    return frozenset(
        name
        for _, effect in facts.effects()
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
        for name in effect.detail.names
        if name
    )


def build_packages(
    facts: StageFacts, code: CodeNeeds, names: Sequence[str], packages: Sequence[NodePackage]
) -> frozenset[str]:
    """Return packages of the author's list that only the install uses: Python beside a compiler, and git.

    Proof: everything that the container starts is known by name and none of it is Python or git; no package
    that is installed is one that starts it; node-gyp needs the one, a dependency from git the other.
    """
    listed = listed_packages(facts)
    started = {posixpath.basename(name) for name, _ in code.commands}
    if code.unknown_commands or "?" in started:
        return frozenset()
    found: set[str] = set()
    has_compiler = any(knowledge.is_build_only(name, facts.base.system) for name in listed)
    is_python_started = any(name.startswith(("python", "pip")) for name in started) or any(
        path.endswith(".py") for path, _ in code.paths
    )
    if has_compiler and not is_python_started and not _has_part(names, _PYTHON_USERS):
        found |= _PYTHON & listed
    versions = [version for package in packages for version in package.dependencies.values()]
    is_git_used = any(_is_from_git(version) for version in versions)
    if is_git_used and "git" not in started and not _has_part(names, ("git",)):
        found |= {"git"} & listed
    return frozenset(found)


def _has_part(names: Sequence[str], parts: Sequence[str]) -> bool:
    return any(part in name for name in names for part in parts)


def _is_from_git(version: str) -> bool:
    is_short = version.count("/") == 1 and version[:1].isalnum() and ":" not in version  # owner/name#tag
    hosts = ("git+", "git:", "github:", "gitlab:", "bitbucket:")
    return is_short or version.startswith(hosts) or ".git" in version


def source_needs(view: View, facts: StageFacts) -> CodeNeeds:
    """Return what the JavaScript and TypeScript that came into the image uses at run time."""
    from msrefactor.code.javascript import javascript_needs_of

    sources: dict[str, None] = {}
    for fact in facts.facts:
        for placed in fact.placed:
            files = view.context.files(placed.source) if placed.is_folder else (placed.source,)
            for file in files:
                if (
                    file.endswith((".js", ".cjs", ".mjs", ".ts", ".tsx", ".jsx", ".mts", ".cts"))
                    and "node_modules/" not in file
                    and not is_test(file)
                ):
                    sources.setdefault(file)
    return javascript_needs_of(view.context, tuple(sources)) if sources else EMPTY
