"""Exactly which files of the application `mix deps.get` and `mix deps.compile` read, and what they fill.

Sources: hexdocs.pm "mix deps.get", "mix deps.compile", "Mix.Project".
"""

from __future__ import annotations

import posixpath
import re

from msrefactor.facts import Dependencies, Scope
from msrefactor.model import Refused

_MORE = re.compile(
    r"\b(File|Code|System\.cmd|System\.shell|Path\.wildcard|import_file|apps_path|lockfile|deps_path|build_path)\b"
)
"""What in mix.exs makes it read other files, or its packages lie elsewhere."""
_UMBRELLA = re.compile(r"\bapps_path:\s*\"([\w/-]+)\"")
_SHARED = re.compile(
    r"\bapps_path:\s*\"[\w/-]+\"|\b(?:build_path|config_path|deps_path|lockfile):\s*\"(?:\.\./)+(?:_build|"
    r"config/config\.exs|deps|mix\.lock)\"|\bin_umbrella:\s*true"
)
"""What mix.exs says of an umbrella in the words that `mix new --umbrella` writes: all lies in its root."""
_LOCAL = re.compile(r"\b(path|in_umbrella):\s")
_NAME = re.compile(r"\{\s*:(\w+)\s*,\s*(?:\"|'|[a-z_]+:)")


def of_deps(task: str, scope: Scope) -> Dependencies:
    """Return what a task reads that fetches or compiles the dependencies."""
    manifest, lock = scope.path("mix.exs"), scope.path("mix.lock")
    applications = _applications(manifest, scope)
    reads = [manifest, *applications, lock]
    writes = [scope.path("deps")]
    if not scope.is_file(lock):
        writes.append(lock)
    if task == "deps.compile":
        reads.append(scope.path("config"))
        writes.append(scope.path("_build"))
    found = [_obstacle(one, lock, scope, is_shared=bool(applications)) for one in (manifest, *applications)]
    obstacle = next((one for one in found if one is not None), None)
    if applications and task != "deps.get":
        detail = f"`mix {task}` may compile the applications of the umbrella"
        obstacle = obstacle or Refused("install-reads-source", detail)
    return Dependencies("mix", tuple(reads), tuple(writes), obstacle)


def _applications(manifest: str, scope: Scope) -> list[str]:
    """Return the mix.exs of each application of an umbrella (hexdocs.pm "Mix.Project", `apps_path`)."""
    found = _UMBRELLA.search(scope.read(manifest) or "")
    if found is None:
        return []
    folder = scope.path(found[1])
    names = sorted(name for name in scope.files(folder) if re.fullmatch(r"[^/]+/mix\.exs", name))
    return [posixpath.join(folder, name) for name in names]


def _obstacle(manifest: str, lock: str, scope: Scope, *, is_shared: bool) -> Refused | None:
    """Return what a mix.exs stands in the way with; `is_shared`: it belongs to an umbrella."""
    text = scope.read(manifest)
    if text is None or "MIX_EXS" in scope.variables:
        return Refused("install-mode", f"no mix.exs is found in {scope.cwd}")
    text = _SHARED.sub("", text) if is_shared else text
    found = _MORE.search(text)
    if found is not None:
        return Refused("install-mode", f"{manifest} may read other files of the project: {found[0]}")
    if _LOCAL.search(text):
        return Refused("install-reads-source", f"{manifest} has a dependency that lies in the project")
    if any(name in scope.variables for name in ("MIX_DEPS_PATH", "MIX_BUILD_PATH", "MIX_BUILD_ROOT")):
        return Refused("install-mode", "a variable says where Mix puts the dependencies")
    locked = scope.read(lock)
    missing = [name for name in _NAME.findall(text) if locked is not None and f'"{name}":' not in locked]
    if missing:
        detail = f"{posixpath.basename(lock)} doesn't list {missing[0]}, and the install may complete it"
        return Refused("install-mode", detail, remedy="run `mix deps.get` and keep mix.lock")
    return None
