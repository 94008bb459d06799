"""Which files beside the published folder come along.

A publish folder has everything the project says it needs. But a server reads its settings and its pages from
the directory that it is started in; where that isn't the published folder, what lies there comes along.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from msrefactor.code.dotnet_project import PROJECT_ENDINGS, SOLUTION_ENDINGS
from msrefactor.code.needs import CodeNeeds
from msrefactor.facts import Scope, StageFacts, is_under
from msrefactor.model import View
from msrefactor_transforms.ecosystems._dotnet_commands import DotnetBuild
from msrefactor_transforms.splitting.opened import values_given
from msrefactor_transforms.splitting.plan import Artifact
from msrefactor_transforms.splitting.references import beside

_SOURCE = tuple(
    ".cs .fs .fsi .fsx .vb .csproj .fsproj .vbproj .sln .slnx .slnf .props .targets .user .resx .razor "
    ".cshtml .md .ruleset .editorconfig .Designer.cs .DotSettings .http .runsettings .cmd .bat .ps1 .suo "
    ".Dockerfile .dockerfile .licenseheader .proto .tt .snk .xproj .shproj .projitems "
    ".csx".split()
)
"""Endings of what is compiled, or that only the tools and people read."""
_NOT_RUN_TIME = frozenset(
    "bin obj Properties packages TestResults LICENSE LICENSE.txt README CHANGELOG Makefile Dockerfile "
    "Containerfile NuGet.config nuget.config NuGet.Config global.json packages.lock.json packages.config "
    "stylecop.json version.json azure-pipelines.yml Jenkinsfile Procfile CODEOWNERS libman.json "
    "bundleconfig.json compilerconfig.json tests test docs node_modules docker-compose.dcproj "
    "gulpfile.js package.json package-lock.json tsconfig.json omnisharp.json dockerignore "
    "launchSettings.json".split()
)
_DOCUMENTS = (".docx", ".doc", ".odt", ".pptx", ".vsdx", ".drawio", ".puml")
"""Endings of what people write about a program; one may be a template, where the source names such files."""
_MANIFESTS = frozenset(["nuget.config", "global.json", "packages.lock.json", "packages.config"])
_MOST_SINGLE_FILES = 6


def source_folders(facts: StageFacts, builds: Sequence[DotnetBuild]) -> tuple[str, ...]:
    """Return the folders of the image that the projects' sources were copied to, outermost only."""
    projects = [build.project for build in builds]
    found: list[str] = []
    for fact in facts.facts:
        for placed in fact.placed:
            if placed.destination == "/" or not placed.is_folder:
                continue
            if any(is_under(path, placed.destination) for path in projects):
                found.append(placed.destination)
    found.extend(posixpath.dirname(path) for path in projects if posixpath.dirname(path) != "/")
    outermost = tuple(
        dict.fromkeys(
            one for one in found if not any(is_under(one, other) and one != other for other in found)
        )
    )
    return (*outermost, *beside(facts.end, outermost, _is_source))


def _is_source(path: str) -> bool:
    return path.endswith(_SOURCE) or posixpath.basename(path) in _NOT_RUN_TIME


def build_files(facts: StageFacts) -> frozenset[str]:
    """Return the single files that only MSBuild and NuGet read: projects, solutions, their settings."""
    return frozenset(
        placed.destination
        for fact in facts.facts
        for placed in fact.placed
        if not placed.is_folder
        and (
            placed.destination.endswith((*PROJECT_ENDINGS, *SOLUTION_ENDINGS, ".props", ".targets"))
            or posixpath.basename(placed.destination).lower() in _MANIFESTS
        )
    )


def run_time_files(
    view: View, facts: StageFacts, builds: Sequence[DotnetBuild], code: CodeNeeds, last: int
) -> list[Artifact]:
    """Return what of the source folders comes along beside the published folders."""
    scope = facts.end
    folders = source_folders(facts, builds)
    outputs = [build.output for build in builds]
    found: dict[str, str] = {}

    def add(path: str, why: str) -> None:
        inside = any(is_under(path, folder) and path != folder for folder in folders)
        if inside and scope.has(path) and not any(is_under(path, output) for output in outputs):
            found.setdefault(path, why)

    for name, evidence in code.paths:
        path = posixpath.normpath(posixpath.join(scope.cwd, name.replace("\\", "/")))
        add(path, f"opened at {evidence.file}:{evidence.line}")
    for word in values_given(view, facts):
        path = posixpath.normpath(posixpath.join(scope.cwd, word))
        if not path.endswith(_SOURCE):
            add(path, "named where the container is started")
    is_started_in_source = any(is_under(scope.cwd, folder) for folder in folders)
    if is_started_in_source and not any(is_under(scope.cwd, output) for output in outputs):
        for path in _data(facts):
            add(path, "lies where the program is started")
    return [
        Artifact(path, last, why, is_folder=not scope.is_file(path))
        for path, why in found.items()
        if not any(path != other and is_under(path, other) for other in found)
    ]


def _is_mentioned(ending: str, scope: Scope) -> bool:
    """Whether the source names files with this ending."""
    texts = (
        scope.context.read_text(file) for file in scope.files(scope.cwd).values() if file.endswith(".cs")
    )
    return any(ending in (text or "") for text in texts)


def _data(facts: StageFacts) -> list[str]:
    """Return what lies where the program is started and isn't source; projects below are left out."""
    scope = facts.end
    files = sorted(scope.files(scope.cwd))
    others = {posixpath.dirname(file) for file in files if file.endswith(PROJECT_ENDINGS) and "/" in file}
    entries: dict[str, list[str]] = {}
    for file in files:
        top = file.split("/")[0]
        is_hidden = top.startswith(".") and not top.startswith(".env")
        is_for_people = re.match(r"(?i)(dockerfile|readme|license|changelog|docker-compose)", top)
        if is_hidden or is_for_people or top in _NOT_RUN_TIME or top.endswith(_SOURCE):
            continue
        if top.endswith(_DOCUMENTS) and not _is_mentioned(posixpath.splitext(top)[1], scope):
            continue
        if any(is_under("/" + file, "/" + other) for other in others):
            continue
        entries.setdefault(top, []).append(file)
    found: list[str] = []
    for top, inside in sorted(entries.items()):
        data = [file for file in inside if not file.endswith(_SOURCE)]
        if not data:
            continue
        is_mixed = len(data) < len(inside)
        names = data if is_mixed and len(data) <= _MOST_SINGLE_FILES else [top]
        found.extend(posixpath.join(scope.cwd, name) for name in names)
    return found
