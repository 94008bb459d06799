"""Which files of the project come along beside what was built: those that the program opens or is given.

What the source names, what the start names, and, where a path isn't written in the source, everything that is
neither source nor the build tool's. Paths below `src` count only where some text of the project names them: a
program that reads `src/main/webapp` has to say so somewhere.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from msrefactor.code.java import SOURCE_ENDINGS, JavaNeeds, java_needs_of
from msrefactor.code.needs import excerpt
from msrefactor.context import BuildContext
from msrefactor.facts import Role, Scope, StageFacts, is_under
from msrefactor.model import Evidence, View
from msrefactor_transforms.ecosystems._java_build import JvmBuild
from msrefactor_transforms.ecosystems._java_starts import Launches
from msrefactor_transforms.splitting.plan import Artifact
from msrefactor_transforms.splitting.question import SYSTEM_FOLDERS

_NOT_RUN_TIME = frozenset(
    "pom.xml mvnw mvnw.cmd .mvn gradlew gradlew.bat gradle build.gradle build.gradle.kts settings.gradle "
    "settings.gradle.kts gradle.properties build.sbt build.xml ivy.xml project project.clj deps.edn "
    "build.clj src source sources test tests target build out bin dist .gradle .idea .settings .vscode "
    ".classpath .project Makefile makefile Dockerfile Containerfile LICENSE COPYING NOTICE Jenkinsfile "
    "Procfile "
    "docker-compose.yml docker-compose.yaml compose.yml compose.yaml lombok.config system.properties "
    "buildSrc settings.xml checkstyle.xml sonar-project.properties renovate.json app.json app.yaml fly.toml "
    "skaffold.yaml catalog-info.yaml CODEOWNERS codecov.yml azure-pipelines.yml HELP".split()
)
_DOCUMENTS = (
    ".md",
    ".adoc",
    ".rst",
    ".iml",
    ".Dockerfile",
    ".dockerfile",
    ".log",
    ".bat",
    ".cmd",
    ".asciidoc",
)
_SCRIPTS = frozenset("pom.xml build.gradle build.gradle.kts libs.versions.toml build.sbt project.clj".split())
_DRAWING = re.compile(
    r"jasperreports|dynamicreports|poi-ooxml|[>:\"']poi[<:\"']|pdfbox|openhtmltopdf|jfreechart|batik|thumbnailator|"
    r"flying-saucer|imgscalr|captcha|zxing|xchart|tess4j|plantuml|icepdf|barcode4j|javafx|easyexcel"
)
"""Libraries that draw or measure text, by their names."""
_CONFIGURATION = frozenset(["config"])
"""What Spring Boot and others look for unasked, beside the program."""
_CONFIGURED = re.compile(
    r"(application|bootstrap)[\w-]*\.(ya?ml|properties|conf|json)|\.env|config\.ya?ml|conf"
)


@dataclass(frozen=True, slots=True)
class Project:
    """The projects of a stage: where they lie, and what their source uses."""

    folders: tuple[str, ...]
    """Folders of the image that hold sources."""
    needs: JavaNeeds
    has_source: bool
    """Whether any source was found in the build context."""
    settings: str = ""
    """The texts of the configuration that is built into the program."""


def project_of(view: View, facts: StageFacts, builds: Sequence[JvmBuild]) -> Project:
    """Read the sources of what is built."""
    folders = tuple(dict.fromkeys(build.project for build in builds))
    sources: dict[str, None] = {}
    settings: list[str] = []
    own = frozenset(name for build in builds for name in build.build_names)
    scripts: dict[str, None] = {}
    for fact in facts.facts:
        for placed in fact.placed:
            if not any(
                is_under(placed.destination, folder) or is_under(folder, placed.destination)
                for folder in folders
            ):
                continue
            for file in view.context.files(placed.source) if placed.is_folder else (placed.source,):
                if _is_test(file) or "node_modules/" in file:
                    continue
                is_own = posixpath.basename(file) in own
                if (
                    file.endswith(SOURCE_ENDINGS)
                    and not is_own
                    and not file.endswith((".gradle.kts", "build.kts"))
                ):
                    sources.setdefault(file)
                elif posixpath.basename(file) in _SCRIPTS:
                    scripts.setdefault(file)
                elif _is_setting(file):
                    settings.append(view.context.read_text(file) or "")
    needs = java_needs_of(view.context, tuple(sources))
    if needs.uses_desktop is None:
        needs = replace(needs, uses_desktop=_draws(view.context, scripts))
    return Project(folders, needs, bool(sources), "\n".join(settings))


def project_beside(view: View) -> Project:
    """Read the sources of a program that is built outside of the image: they lie in the context's folder."""
    context, reader = view.context, view.context.project
    if context.root is None or reader.root is None or not context.root.is_relative_to(reader.root):
        return Project((), java_needs_of(context, ()), has_source=False)
    inside = context.root.relative_to(reader.root).as_posix()
    files = [file for file in reader.files("" if inside == "." else inside) if not _is_test(file)]
    sources = [file for file in files if file.endswith(SOURCE_ENDINGS)]
    needs = java_needs_of(reader, tuple(sources))
    if needs.uses_desktop is None:
        scripts = (file for file in files if posixpath.basename(file) in _SCRIPTS)
        needs = replace(needs, uses_desktop=_draws(reader, scripts))
    return Project((), needs, bool(sources))


def _draws(context: BuildContext, scripts: Iterable[str]) -> Evidence | None:
    """Return the line of a build script that names a library which draws with AWT."""
    for file in scripts:
        for line, text in enumerate((context.read_text(file) or "").splitlines(), 1):
            if _DRAWING.search(text):
                return Evidence(file, line, excerpt(text))
    return None


def _is_setting(file: str) -> bool:
    """Whether a file is configuration that is built in, or a jar's manifest."""
    name = posixpath.basename(file).lower()
    is_built_in = "src/" in file and name.endswith((".properties", ".yml", ".yaml", ".xml", ".conf"))
    return is_built_in or name.endswith(".mf") or "manifest" in name


def _is_test(file: str) -> bool:
    return file.startswith(("src/test/", "test/")) or "/src/test/" in f"/{file}" or "/src/it/" in f"/{file}"


def run_time_files(
    view: View,
    facts: StageFacts,
    builds: Sequence[JvmBuild],
    project: Project,
    starts: Launches,
    dropped: Sequence[str],
    last: int,
) -> list[Artifact]:
    """Return the files of the projects that come along, at their places, where no copy brings them anyway."""
    scope = facts.end
    found: dict[str, str] = {}
    folders = [folder for build in builds for folder in build.folders]

    def add(path: str, why: str) -> None:
        is_inside = any(is_under(path, folder) and path != folder for folder in project.folders)
        is_inside = is_inside and any(is_under(path, folder) for folder in dropped)
        if is_inside and not any(is_under(path, folder) for folder in folders):
            found.setdefault(path, why)

    for one in starts.named:
        path = one.path.split("*")[0].rstrip("/") if one.is_pattern else one.path
        if path not in project.folders and scope.has(path):
            add(path, "named where the container is started")
    for name, evidence in project.needs.code.paths:
        path = scope.path(name)
        if path not in project.folders and scope.has(path):
            add(_folder_of(scope, path, project.folders), f"opened at {evidence.file}:{evidence.line}")
    # what the start names of the build's own folders says nothing of the sources beside them
    started = [
        posixpath.relpath(one.path, folder) if is_under(one.path, folder) else one.path
        for one in starts.named
        for folder in project.folders
        if not any(is_under(one.path, built) for built in folders)
    ]
    texts = "\n".join((*project.needs.texts, project.settings, *started))
    for build in {build.project: build for build in builds}.values():
        for path, why in _mentioned(view, scope, build, project, texts):
            add(path, why)
    modules = {posixpath.join(build.project, module) for build in builds for module in build.modules}
    for fact in facts.runs():
        for effect in fact.effects:
            if effect.role is not Role.SETUP or effect.removes or effect.tool in ("chmod", "chown", "chgrp"):
                continue
            for path in effect.writes:
                if path in modules:
                    continue
                if fact.index <= last and not scope.has(path) and not effect.reads:
                    add(path, "made for the program")
    paths = _outermost(found)
    return [Artifact(path, last, found[path]) for path in paths]


def _outermost(paths: Iterable[str]) -> list[str]:
    every = tuple(paths)
    return [path for path in every if not any(path != other and is_under(path, other) for other in every)]


def _mentioned(
    view: View, scope: Scope, build: JvmBuild, project: Project, texts: str
) -> list[tuple[str, str]]:
    """Return what lies in a project's folder beside source, as far as it may be opened."""
    unknown = project.needs.code.unknown_paths
    why = ""
    if not project.has_source:
        why = "may be opened by the program"
    elif unknown:
        why = f"may be opened at {unknown[0].file}:{unknown[0].line}"
    found: list[tuple[str, str]] = []
    tops: dict[str, list[str]] = {}
    for placed in scope.placed:
        for file in view.context.files(placed.source) if placed.is_folder else (placed.source,):
            path = placed.destination
            if placed.is_folder:
                path = posixpath.join(path, posixpath.relpath(file, placed.source or "."))
            if is_under(path, build.project) and path != build.project:
                inside = posixpath.relpath(path, build.project)
                tops.setdefault(inside.split("/")[0], []).append(inside)
    skipped = _NOT_RUN_TIME | build.build_names | {module.split("/")[0] for module in build.modules}
    for top, files in sorted(tops.items()):
        path = posixpath.join(build.project, top)
        if not scope.has(path):
            continue
        if top in ("src", "target", "build") or top in {module.split("/")[0] for module in build.modules}:
            found.extend(
                (posixpath.join(build.project, folder), "named in the source")
                for folder in _folders_named(build.project, files, texts)
            )
            continue
        is_hidden = top.startswith(".") and not top.startswith(".env")
        if is_hidden or top in skipped or top.startswith(("Dockerfile", "README", "LICENSE", "CHANGELOG")):
            continue
        if top.endswith(_DOCUMENTS) or top.endswith(SOURCE_ENDINGS):
            continue
        if build.tool in ("javac", "jar", "ant") and any(file.endswith(".jar") for file in files):
            found.append((path, "libraries"))
        elif top in _CONFIGURATION or _CONFIGURED.fullmatch(top):
            found.append((path, "read from beside the program"))
        elif why and not all(file.endswith((*_DOCUMENTS, *SOURCE_ENDINGS)) for file in files):
            found.append((path, why))
        elif _is_written(top, texts):
            found.append((path, "named in the source"))
    return found


def _folders_named(project: str, files: Sequence[str], texts: str) -> list[str]:
    """Return the folders below `src` and the like whose path is written in some text of the project."""
    folders = {posixpath.dirname(file) for file in files} | {
        "/".join(file.split("/")[:depth]) for file in files for depth in range(2, file.count("/") + 1)
    }
    here = rf"(?:{re.escape(project)}/|(?<![\w/.-])(?:\./|file:(?:\./)?)?)"
    written = {
        match[1].rstrip("/") for match in re.finditer(rf"{here}((?:src|target|build)/[\w./-]*)", texts)
    }
    for module in sorted({file.split("/")[0] for file in files} - {"src", "target", "build"}):
        found = re.finditer(rf"{here}({re.escape(module)}/[\w./-]*)", texts)
        written |= {match[1].rstrip("/") for match in found}
    named = sorted(folder for folder in folders if "/" in folder and folder in written)
    singles = [file for file in files if file in written]
    return _outermost_relative([*named, *singles])


def _outermost_relative(paths: Sequence[str]) -> list[str]:
    return [p for p in paths if not any(p != other and p.startswith(other + "/") for other in paths)]


def _is_written(name: str, texts: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", texts) is not None


def _folder_of(scope: Scope, path: str, projects: Sequence[str]) -> str:
    """Return the folder of a file that is opened, where it is one for data and not the project's own."""
    parent = posixpath.dirname(path)
    if scope.is_file(path) and parent not in projects and parent not in SYSTEM_FOLDERS:
        return parent
    return path
