"""Exactly which files of the application a download of Go modules reads.

Source: go.dev/ref/mod ("go mod download", "Workspaces", "go.sum files", "Environment variables").
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from msrefactor.code.go_module import GoModule, read_module, read_workspace
from msrefactor.facts import Dependencies, Scope
from msrefactor.model import Refused

_CHOOSES_MODULES = ("-mod", "--mod", "-modfile", "--modfile", "-C", "--C")
FETCH_VARIABLES = frozenset(
    "GO111MODULE GOFLAGS GOINSECURE GOMODCACHE GONOPROXY GONOSUMDB GOPATH GOPRIVATE GOPROXY GOSUMDB "
    "GOTOOLCHAIN GOWORK GOVCS GOAUTH NETRC HOME".split()
)
"""The variables that say which modules are fetched, from where and to where."""


def of_download(words: Sequence[str | None], scope: Scope) -> Dependencies:
    """Return what `go mod download` or `go mod verify` reads and fills; `words` follow the action."""
    if scope.variables.get("GOWORK", "") not in ("", "off"):
        return _unread("GOWORK names the workspace")
    folder = _above("go.mod", scope)
    work = _above("go.work", scope) if scope.variables.get("GOWORK") != "off" else None
    if work is not None:
        return _of_workspace(work, words, scope)
    module = _module(folder, scope) if folder is not None else None
    if folder is None or module is None:
        return _unread(f"no go.mod that is understood is found in {scope.cwd}")
    reads = [posixpath.join(folder, name) for name in ("go.mod", "go.sum")]
    reads += [posixpath.join(place, "go.mod") for place in _places(module.replaces, folder, scope)]
    if module.is_vendored:
        return Dependencies("", tuple(reads))  # the build takes what lies in vendor
    known = _sums([reads[1]], scope)
    obstacle = _incomplete(module, module.replaced_modules, known, "go.sum") or _asked(words, scope)
    return Dependencies("go", tuple(reads), (_cache(scope),), obstacle)


def _of_workspace(folder: str, words: Sequence[str | None], scope: Scope) -> Dependencies:
    """Return what a download reads in a folder whose go.work holds several modules."""
    origin = scope.origin(folder)
    work = read_workspace(scope.context, origin) if origin is not None else None
    if work is None:
        return _unread(f"{folder}/go.work isn't understood")
    reads = [posixpath.join(folder, name) for name in ("go.work", "go.work.sum")]
    modules: list[GoModule] = []
    replaced = set(work.replaced_modules)
    replacing = list(_places(work.replaces, folder, scope))
    for place in _places(work.modules, folder, scope):
        module = _module(place, scope)
        if module is None:
            return _unread(f"go.work uses {place}, where no go.mod that is understood is found")
        modules.append(module)
        replaced |= {module.path, *module.replaced_modules}
        reads += [posixpath.join(place, name) for name in ("go.mod", "go.sum")]
        replacing += _places(module.replaces, place, scope)
    reads += [posixpath.join(place, "go.mod") for place in replacing]
    reads = list(dict.fromkeys(reads))
    if scope.context.is_file(posixpath.normpath(posixpath.join(origin or "", "vendor/modules.txt"))):
        return Dependencies("", tuple(reads))
    known = _sums([path for path in reads if path.endswith(".sum")], scope)
    found = (_incomplete(module, replaced, known, "go.work.sum") for module in modules)
    obstacle = next((one for one in found if one is not None), None) or _asked(words, scope)
    return Dependencies("go", tuple(reads), (_cache(scope),), obstacle)


def fetched_by(rest: Sequence[str | None], scope: Scope) -> str:
    """Return the command that fetches the modules which a build or test in this folder needs.

    Empty where it isn't proved that it fetches the same, or what it fetches would never be looked at: modules
    in vendor, a go.sum that isn't complete, a go.mod of before Go 1.17 (of which it fetches much more than a
    build does), a workspace (measured with Go 1.24: it looks elsewhere for the version by which one module
    of the workspace asks for another, which a build doesn't). `rest` are the words after the action.
    """
    chosen = [word for word in rest if word is not None and word.partition("=")[0] in _CHOOSES_MODULES]
    is_by_path = scope.variables.get("GO111MODULE", "on") in ("off", "auto")
    if chosen or is_by_path or "-mod" in scope.variables.get("GOFLAGS", ""):
        return ""
    known = of_download((), scope)
    if known.obstacle is not None or not known.manager or known.reads[0].endswith("/go.work"):
        return ""
    modules = [_module(posixpath.dirname(path), scope) for path in known.reads if path.endswith("/go.mod")]
    own = [module for module in modules if module is not None]
    if any(_minor(module.go_version) < 17 for module in own):
        return ""
    replaced = {name for module in own for name in (module.path, *module.replaced_modules)}
    is_needed = any(path not in replaced for module in own for path, _, _ in module.requires)
    return "go mod download" if is_needed else ""


def _minor(version: str | None) -> int:
    parts = (version or "").split(".")
    return int(parts[1]) if parts[0] == "1" and len(parts) > 1 and parts[1].isdigit() else 0


def _unread(detail: str) -> Dependencies:
    return Dependencies("go", obstacle=Refused("install-mode", detail))


def _module(folder: str, scope: Scope) -> GoModule | None:
    origin = scope.origin(folder)
    return read_module(scope.context, origin) if origin is not None else None


def _places(folders: Iterable[str], here: str, scope: Scope) -> list[str]:
    """Return where folders of the build context lie in the image, `here` being one that was copied."""
    origin = scope.origin(here) or "."
    return [posixpath.normpath(posixpath.join(here, posixpath.relpath(one, origin))) for one in folders]


def _asked(words: Sequence[str | None], scope: Scope) -> Refused | None:
    if any(word is None or not word.startswith("-") for word in words):
        detail = "a download of modules that the command names also changes go.sum"
        return Refused("install-mode", detail, remedy="download what go.mod lists")
    if "-modfile" in scope.variables.get("GOFLAGS", ""):
        return Refused("install-mode", "GOFLAGS names another file than go.mod")
    return None


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


def _sums(files: Iterable[str], scope: Scope) -> frozenset[tuple[str, ...]]:
    lines = (line for path in files for line in (scope.read(path) or "").splitlines())
    return frozenset(tuple(line.split()[:2]) for line in lines)


def _incomplete(
    module: GoModule, replaced: Iterable[str], known: frozenset[tuple[str, ...]], name: str
) -> Refused | None:
    """Return the obstacle that a go.sum is which older versions of Go complete while they download."""
    here = set(replaced)
    for path, version, is_indirect in module.requires:
        if path in here:
            continue
        if (path, version) in known or (is_indirect and (path, f"{version}/go.mod") in known):
            continue
        detail = f"{name} has no line for {path} {version}, and the download may write it"
        return Refused("install-mode", detail, remedy="run `go mod tidy` and keep go.sum beside go.mod")
    return None
