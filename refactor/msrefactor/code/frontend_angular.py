"""What Angular's builders leave, as angular.json says: `browser`, and `application` since Angular 17."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msrefactor.code.frontend import FrontendBuild, Pages, Project, Unclear, url_path
from msrefactor.code.node_package import plain_json
from msrefactor.manifests import json_value
from msrefactor.model import Evidence

_NAMES = ("angular.json", ".angular.json", "workspace.json")
_BROWSER = frozenset({"browser", "browser-esbuild"})


@dataclass(frozen=True, slots=True)
class Workspace:
    """An angular.json."""

    path: str
    text: str
    document: Mapping[str, Any]

    def target(self, project: str, target: str) -> Mapping[str, Any]:
        """Return a target of a project, empty when there is none."""
        found = _object(_object(self.document.get("projects")).get(project))
        targets = _object(found.get("architect") or found.get("targets"))
        return _object(targets.get(target))

    def options(self, project: str, target: str, configuration: str | None) -> dict[str, Any]:
        """Return a target's options, those of its configurations over them."""
        found = self.target(project, target)
        merged = dict(_object(found.get("options")))
        chosen = configuration if configuration is not None else found.get("defaultConfiguration")
        for name in chosen.split(",") if isinstance(chosen, str) else ():
            merged.update(_object(_object(found.get("configurations")).get(name)))
        return merged

    def default_project(self, named: str | None) -> str | None:
        """Return the project that a command is for: the named, the default, or the only application."""
        projects = _object(self.document.get("projects"))
        if named is not None:
            return named if named in projects else None
        default = self.document.get("defaultProject")
        if isinstance(default, str):
            return default
        found = [
            name
            for name, project in projects.items()
            if _object(project).get("projectType", "application") == "application"
            and self.target(name, "build")
        ]
        return found[0] if len(found) == 1 else None

    def line_of(self, text: str) -> Evidence:
        """Return the first line that has a text."""
        for number, line in enumerate(self.text.splitlines(), 1):
            if text in line:
                return Evidence(self.path, number, line.strip()[:200])
        return Evidence(self.path, None, "")


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def workspace(project: Project) -> Workspace | None:
    """Return the project's angular.json."""
    for name in _NAMES:
        path = project.path(name)
        text = project.context.read_text(path)
        if text is None:
            continue
        document = json_value(plain_json(text.removeprefix("\ufeff")))
        return Workspace(path, text, document) if isinstance(document, dict) else None
    return None


def named_project(project: Project) -> str | None:
    """Return the project that a command line names behind `build` or `serve`."""
    words = list(project.argv[2:])
    valued = ("--configuration", "-c", "--output-path", "--base-href", "--port", "--host", "--proxy-config",
              "--outputPath", "--baseHref", "--deploy-url", "--poll")  # fmt: skip
    while words:
        word = words.pop(0)
        if word == "--project" and words:
            return words.pop(0)
        if word.startswith("--project="):
            return word.partition("=")[2]
        if word in valued and words:
            words.pop(0)
        elif not word.startswith("-") and word not in ("true", "false"):
            return word
    return None


def angular(project: Project) -> FrontendBuild | Unclear | None:
    """Return what `ng build` leaves."""
    if project.argv[1:2] not in (("build",), ("b",)):
        return None
    found = workspace(project)
    if found is None:
        return Unclear("there is no angular.json that is understood", project.evidence("build"))
    name = found.default_project(named_project(project))
    if name is None:
        return Unclear("which project of angular.json is built isn't said", found.line_of('"projects"'))
    configuration = project.option("--configuration", "-c")
    if configuration is None and project.has("--prod"):
        configuration = "production"
    return built_by(project, found, name, configuration)


def built_by(
    project: Project, found: Workspace, name: str, configuration: str | None
) -> FrontendBuild | Unclear:
    """Return what a project of angular.json builds."""
    builder = str(found.target(name, "build").get("builder", ""))
    kind = builder.rpartition(":")[2]
    options = found.options(name, "build", configuration)
    is_application = kind == "application"
    if kind not in _BROWSER and not is_application:
        return Unclear(f"what the builder {builder or 'of Angular'} leaves isn't known", found.line_of(kind))
    if options.get("localize"):
        return Unclear("Angular builds a folder for each language", found.line_of('"localize"'))
    is_static = options.get("outputMode") == "static"
    if is_application and not is_static and (options.get("ssr") or options.get("server")):
        return Unclear("Angular renders on a server", found.line_of('"ssr"'))
    given = project.option("--output-path", "--outputPath") or options.get("outputPath")
    if given is None:
        if not is_application:
            return Unclear("angular.json has no outputPath", found.line_of('"build"'))
        given = posixpath.join("dist", name.lstrip("@"))
    if isinstance(given, dict):
        base, browser = given.get("base"), given.get("browser", "browser")
        if not isinstance(base, str) or not isinstance(browser, str):
            return Unclear("outputPath isn't understood", found.line_of('"outputPath"'))
        folder = posixpath.join(base, browser)
    else:
        folder = posixpath.join(str(given), "browser") if is_application else str(given)
    base_href = project.option("--base-href", "--baseHref") or options.get("baseHref") or "/"
    place = posixpath.dirname(found.path)
    return FrontendBuild(
        "Angular",
        posixpath.normpath(posixpath.join(place, folder)),
        Pages.SINGLE,
        found.line_of('"outputPath"'),
        base=url_path(str(base_href)),
        prefixes=("NG_APP_",) if builder.startswith("@ngx-env/") else (),
        has_source_maps=bool(options.get("sourceMap")),
        caches=(posixpath.normpath(posixpath.join(place, ".angular")),),
    )
