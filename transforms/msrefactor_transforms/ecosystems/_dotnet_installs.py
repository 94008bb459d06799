"""Exactly which files of the application `dotnet restore` reads, and what it fills.

Sources: learn.microsoft.com "dotnet restore", "Customize your build", "nuget.config reference".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from msrefactor.code.dotnet_project import SOLUTION_ENDINGS, DotnetProject, with_references
from msrefactor.facts import Dependencies, Scope
from msrefactor.model import Refused

_AROUND = (
    "Directory.Build.props", "Directory.Build.targets", "Directory.Build.rsp", "Directory.Packages.props",
    "Directory.Solution.props", "Directory.Solution.targets", "NuGet.config", "nuget.config", "NuGet.Config",
    "global.json",
)  # fmt: skip
"""Files that MSBuild and NuGet look for in a project's folder and in those around it."""
_MORE = re.compile(
    r"<Import\b|\bExists\s*\(|\[System\.|\[MSBuild\]::GetPathOfFileAbove|RestoreSources|RestorePackagesPath|"
    r"BaseIntermediateOutputPath|ArtifactsPath|UseArtifactsOutput|MSBuildProjectExtensionsPath|"
    r"Targets\s*=\s*\"[^\"]*(Restore|CollectPackageReferences)|<Project[^>]*\bInitialTargets",
    re.IGNORECASE,
)
"""What makes a restore read other files, or write elsewhere."""
_SOURCE = re.compile(r"<add\s[^>]*\bvalue\s*=\s*\"([^\"]*)\"", re.IGNORECASE)


def of_restore(
    place: str, projects: Sequence[DotnetProject], words: Sequence[str | None], scope: Scope
) -> Dependencies:
    """Return what a restore of projects reads; `place` is the project, solution or folder it is given."""
    origin = scope.origin(place)
    if origin is None or not projects:
        detail = f"no project or solution that is understood is found at {place}"
        return Dependencies("NuGet", obstacle=Refused("install-mode", detail))
    is_file = scope.context.is_file(origin)
    folder, source = (posixpath.dirname(place), posixpath.dirname(origin)) if is_file else (place, origin)
    everything: dict[str, None] = {}
    obstacle: Refused | None = None
    for project in projects:
        closure = with_references(scope.context, project)
        if closure is None:
            obstacle = Refused("install-mode", f"a project that {project.path} refers to can't be read")
        everything.update(dict.fromkeys(one.path for one in closure or (project,)))
    reads: dict[str, None] = {}
    writes = [posixpath.join(scope.path(scope.variables.get("NUGET_PACKAGES", "~/.nuget/packages")))]
    for path in everything:
        file = posixpath.normpath(posixpath.join(folder, posixpath.relpath(path, source or ".")))
        reads[file] = None
        home = posixpath.dirname(file)
        reads[posixpath.join(home, "packages.lock.json")] = None
        writes.append(posixpath.join(home, "obj"))
    names = [file for path, file in scope.files(folder).items() if "/" not in path]
    for file in names:
        if file.endswith(SOLUTION_ENDINGS) and not (is_file and file != origin):
            reads[posixpath.join(folder, posixpath.basename(file))] = None
    for home in dict.fromkeys([folder, *(posixpath.dirname(path) for path in reads)]):
        for around in _upwards(home):
            reads.update(dict.fromkeys(posixpath.join(around, name) for name in _AROUND))
    for path in reads:
        obstacle = obstacle or _reads_more(path, scope)
    if None in words or "--packages" in words or "--lock-file-path" in words:
        obstacle = obstacle or Refused("install-mode", "where `dotnet restore` puts the packages isn't known")
    return Dependencies("NuGet", tuple(reads), tuple(dict.fromkeys(writes)), obstacle)


def _upwards(folder: str) -> Iterator[str]:
    yield folder
    while folder != "/":
        folder = posixpath.dirname(folder)
        yield folder


def _reads_more(path: str, scope: Scope) -> Refused | None:
    text = scope.read(path) if scope.is_file(path) else None
    if text is None or path.endswith(SOLUTION_ENDINGS):
        return None
    if path.lower().endswith("nuget.config"):
        found = [value for value in _SOURCE.findall(text) if value.startswith((".", "/")) or "\\" in value]
        if not found:
            return None
        return Refused("install-reads-source", f"{path} takes packages from the folder {found[0]}")
    if path.endswith(".json"):
        return None
    match = _MORE.search(text)
    if match is not None:
        return Refused("install-mode", f"{path} may read other files than its own: {match[0]}")
    if "RestorePackagesWithLockFile" in text and not _has_locks(path, scope):
        detail = f"{path} asks for a packages.lock.json, and the restore writes it"
        return Refused("install-mode", detail, remedy="keep the lock files beside the projects")
    return None


def _has_locks(path: str, scope: Scope) -> bool:
    return scope.is_file(posixpath.join(posixpath.dirname(path), "packages.lock.json"))
