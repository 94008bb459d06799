"""Exactly which files of the application a download of Go modules reads.

Source: go.dev/ref/mod ("go mod download", "Workspaces", "go.sum files", "Environment variables").
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.code.go_module import GoModule, read_module
from msrefactor.facts import Dependencies, Scope
from msrefactor.model import Refused


def of_download(words: Sequence[str | None], scope: Scope) -> Dependencies:
    """Return what `go mod download` or `go mod verify` reads and fills; `words` follow the action."""
    folder = _above("go.mod", scope)
    work = _above("go.work", scope) if scope.variables.get("GOWORK", "") != "off" else None
    if work is not None or scope.variables.get("GOWORK", "") not in ("", "off"):
        detail = "which modules a workspace (go.work) holds isn't read"
        return Dependencies("go", obstacle=Refused("install-mode", detail))
    origin = scope.origin(folder) if folder is not None else None
    module = read_module(scope.context, origin) if origin is not None else None
    if folder is None or origin is None or module is None:
        detail = f"no go.mod that is understood is found in {scope.cwd}"
        return Dependencies("go", obstacle=Refused("install-mode", detail))
    reads = [posixpath.join(folder, name) for name in ("go.mod", "go.sum")]
    for target in module.replaces:
        place = posixpath.normpath(posixpath.join(folder, posixpath.relpath(target, origin or ".")))
        reads.append(posixpath.join(place, "go.mod"))
    if module.is_vendored:
        return Dependencies("", tuple(reads))  # the build takes what lies in vendor
    obstacle = _incomplete(module, posixpath.join(origin, "go.sum"), scope)
    if any(word is None or not word.startswith("-") for word in words):
        detail = "a download of modules that the command names also changes go.sum"
        obstacle = Refused("install-mode", detail, remedy="download what go.mod lists")
    if "-modfile" in scope.variables.get("GOFLAGS", ""):
        obstacle = Refused("install-mode", "GOFLAGS names another file than go.mod")
    return Dependencies("go", tuple(reads), (_cache(scope),), obstacle)


def _above(name: str, scope: Scope) -> str | None:
    """Return the folder of the image, this one or one around it, that has a file."""
    folder = scope.cwd
    while not scope.is_file(posixpath.join(folder, name)):
        if folder == "/":
            return None
        folder = posixpath.dirname(folder)
    return folder


def _cache(scope: Scope) -> str:
    named = scope.variables.get("GOMODCACHE")
    first = scope.variables.get("GOPATH", "/go").split(":")[0]
    return scope.path(named) if named else posixpath.join(scope.path(first), "pkg/mod")


def _incomplete(module: GoModule, sums: str, scope: Scope) -> Refused | None:
    """Return the obstacle that a go.sum is which older versions of Go complete while they download."""
    known = {tuple(line.split()[:2]) for line in (scope.context.read_text(sums) or "").splitlines()}
    for path, version, is_indirect in module.requires:
        if path in module.replaced_modules:
            continue
        if (path, version) in known or (is_indirect and (path, f"{version}/go.mod") in known):
            continue
        detail = f"go.sum has no line for {path} {version}, and the download may write it"
        return Refused("install-mode", detail, remedy="run `go mod tidy` and keep go.sum beside go.mod")
    return None
