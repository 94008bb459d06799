"""Which jars a Maven build leaves and which of them run alone, by the plugins that the poms name.

Sources: the documentation of the plugins jar, shade, assembly, war and dependency of Maven, and of those of
Spring Boot, Quarkus and Vert.x.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field

from msrefactor.code.maven import Project, read_project
from msrefactor.facts import Scope
from msrefactor.model import Evidence, Refused
from msrefactor_transforms.ecosystems._java_build import JvmOutput
from msrefactor_transforms.ecosystems._maven_commands import Made, MavenCall, compiles, packages

_MAX_MODULES = 200
_SPRING_PARENTS = frozenset(["spring-boot-starter-parent"])
_SHADING_PARENTS = frozenset(["micronaut-parent"])
_KNOWN_PARENTS = _SPRING_PARENTS | _SHADING_PARENTS
_HARMLESS = frozenset(
    "maven-compiler-plugin maven-surefire-plugin maven-failsafe-plugin maven-resources-plugin "
    "maven-clean-plugin maven-install-plugin maven-deploy-plugin maven-jar-plugin maven-war-plugin "
    "maven-enforcer-plugin "
    "maven-checkstyle-plugin maven-pmd-plugin spotbugs-maven-plugin findbugs-maven-plugin "
    "jacoco-maven-plugin spotless-maven-plugin formatter-maven-plugin git-commit-id-plugin "
    "git-commit-id-maven-plugin "
    "build-helper-maven-plugin kotlin-maven-plugin scala-maven-plugin gmavenplus-plugin lombok-maven-plugin "
    "maven-release-plugin versions-maven-plugin maven-site-plugin sonar-maven-plugin frontend-maven-plugin "
    "jib-maven-plugin docker-maven-plugin dockerfile-maven-plugin protobuf-maven-plugin flyway-maven-plugin "
    "liquibase-maven-plugin openapi-generator-maven-plugin swagger-codegen-maven-plugin jaxb2-maven-plugin "
    "maven-eclipse-plugin maven-idea-plugin buildnumber-maven-plugin license-maven-plugin "
    "maven-javadoc-plugin native-maven-plugin asciidoctor-maven-plugin tomcat7-maven-plugin "
    "jetty-maven-plugin exec-maven-plugin maven-help-plugin maven-project-info-reports-plugin "
    "properties-maven-plugin "
    "spring-javaformat-maven-plugin cyclonedx-maven-plugin nohttp-checkstyle cargo-maven2-plugin "
    "maven-dependency-plugin spring-boot-maven-plugin maven-shade-plugin maven-assembly-plugin "
    "quarkus-maven-plugin vertx-maven-plugin micronaut-maven-plugin".split()
)
"""Plugins that leave no jar beside those that are known here."""


@dataclass(slots=True)
class _Found:
    outputs: list[JvmOutput] = field(default_factory=list)
    is_complete: bool = True
    unknown: Refused | None = None


def outputs_of(call: MavenCall, goals: Sequence[str], project: str, scope: Scope) -> Made:
    """Return what a call leaves in the folder of a project and in those of its modules."""
    file = posixpath.basename(call.file) if call.file and call.file.endswith(".xml") else "pom.xml"
    given = {**_configured(project, scope), **call.properties}
    queue = [(project, file)]
    seen: dict[str, None] = {}
    folders: dict[str, None] = {}
    found = _Found()
    while queue and len(seen) < _MAX_MODULES:
        folder, name = queue.pop(0)
        if folder in seen:
            continue
        seen[folder] = None
        module = read_project(folder, scope.read, given, call.profiles, name)
        if module is None:
            folders[posixpath.join(folder, "target")] = None
            found.is_complete = False
            found.unknown = Refused("unknown-artifact", f"{folder}/{name} isn't in the build context")
            continue
        for child in module.pom.all_modules:
            path = posixpath.normpath(posixpath.join(folder, child))
            queue.append(
                (posixpath.dirname(path), posixpath.basename(path))
                if path.endswith(".xml")
                else (path, "pom.xml")
            )
        directory = module.directory
        if directory is None:
            found.is_complete = False
            directory = posixpath.join(folder, "target")
        folders[directory] = None
        if compiles(goals):
            found.outputs.append(JvmOutput(posixpath.join(directory, "classes"), "folder", is_runnable=False))
        if packages(goals) or any(goal in ("single", "repackage", "shade", "jar", "war") for goal in goals):
            _module_outputs(module, directory, given, found)
        if "copy-dependencies" in goals:
            _copied(call, module, directory, folders)
    modules = tuple(posixpath.relpath(folder, project) for folder in seen if folder != project)
    return Made(tuple(folders), tuple(found.outputs), found.is_complete, found.unknown, modules)


def _configured(project: str, scope: Scope) -> dict[str, str]:
    """Return the properties that .mvn/maven.config gives."""
    found: dict[str, str] = {}
    for word in (scope.read(posixpath.join(project, ".mvn/maven.config")) or "").split():
        if word.startswith("-D"):
            name, _, value = word[2:].partition("=")
            found[name] = value or "true"
    return found


def _copied(call: MavenCall, module: Project, directory: str, folders: dict[str, None]) -> None:
    given = call.properties.get("outputDirectory")
    path = posixpath.normpath(posixpath.join(module.folder, given)) if given else ""
    if path and path != module.folder and not path.startswith(directory):
        folders[path] = None


def _module_outputs(module: Project, directory: str, given: dict[str, str], found: _Found) -> None:
    pom = module.pom
    packaging = module.resolved(pom.packaging) or "jar"
    if packaging == "pom":
        return
    name = module.final_name
    evidence = Evidence(posixpath.join(module.folder, "pom.xml").lstrip("/"), None, "")
    if name is None:
        found.is_complete = False
        found.unknown = found.unknown or Refused(
            "unknown-artifact",
            f"the name of the jar of {pom.artifact} isn't known from the poms",
            (evidence,),
        )
        return
    parent = module.foreign_parent[1] if module.foreign_parent is not None else ""
    if parent and parent not in _KNOWN_PARENTS:
        found.is_complete = False
    if module.unknown_profiles or module.plugin_names - _HARMLESS:
        found.is_complete = False
    base = posixpath.join(directory, name)
    if packaging in ("war", "ear"):
        spring = module.plugin("spring-boot-maven-plugin")
        found.outputs.append(
            JvmOutput(f"{base}.{packaging}", "war", is_runnable=spring is not None or None, evidence=evidence)
        )
        return
    classifier = _setting(module, "maven-jar-plugin", "classifier")
    main = f"{base}-{classifier}.jar" if classifier else f"{base}.jar"
    if (module.plugin("maven-jar-plugin") or None) and _setting(
        module, "maven-jar-plugin", "outputDirectory"
    ):
        found.is_complete = False
        return
    is_plain = not module.libraries and not parent
    runnable: dict[str, bool] = {main: is_plain}
    if not _spring(module, parent, base, runnable, given):
        found.is_complete = False
    if not _shaded(module, parent, directory, base, main, runnable):
        found.is_complete = False
    if not _assembled(module, directory, base, main, runnable):
        found.is_complete = False
    _framework(module, directory, base, runnable, found)
    found.outputs.extend(
        JvmOutput(path, "jar", is_runnable=alone, evidence=evidence) for path, alone in runnable.items()
    )


def _setting(module: Project, plugin: str, name: str) -> str:
    """Return a setting of a plugin, filled in; empty where there is none."""
    found = module.plugin(plugin)
    text = found.settings.get(name, "") if found is not None else ""
    return module.resolved(text) or ""


def _spring(
    module: Project, parent: str, base: str, runnable: dict[str, bool], given: dict[str, str]
) -> bool:
    """Add what Spring Boot's plugin makes; False where that isn't known."""
    plugin = module.plugin("spring-boot-maven-plugin")
    if (
        plugin is None
        or plugin.settings.get("skip") == "true"
        or given.get("spring-boot.repackage.skip") == "true"
    ):
        return True
    if "repackage" not in plugin.goals and parent not in _SPRING_PARENTS:
        # a parent that isn't here may call it
        return module.foreign_parent is None
    if plugin.is_configured_often or "outputDirectory" in plugin.settings or "finalName" in plugin.settings:
        return False
    classifier = module.resolved(plugin.settings.get("classifier", ""))
    if classifier is None:
        return False
    runnable[f"{base}-{classifier}.jar" if classifier else f"{base}.jar"] = True
    return True


def _shaded(
    module: Project, parent: str, directory: str, base: str, main: str, runnable: dict[str, bool]
) -> bool:
    """Add what the shade plugin makes; False where that isn't known."""
    plugin = module.plugin("maven-shade-plugin")
    if plugin is None:
        if parent in _SHADING_PARENTS:
            runnable[main] = True
            runnable[posixpath.join(directory, f"original-{posixpath.basename(main)}")] = False
        return True
    if "shade" not in plugin.goals:
        return module.foreign_parent is None and not plugin.settings
    settings = plugin.settings
    if plugin.is_configured_often or "outputDirectory" in settings:
        return False
    if "outputFile" in settings:
        named = module.resolved(settings["outputFile"])
        if named is None:
            return False
        runnable[posixpath.normpath(posixpath.join(module.folder, named))] = True
        return True
    if settings.get("shadedArtifactAttached") == "true":
        classifier = module.resolved(settings.get("shadedClassifierName", "shaded"))
        if classifier is None:
            return False
        runnable[f"{base}-{classifier}.jar"] = True
        return True
    if "finalName" in settings:
        named = module.resolved(settings["finalName"])
        if named is None:
            return False
        runnable[posixpath.join(directory, f"{named}.jar")] = True
        return True
    runnable[main] = True
    runnable[posixpath.join(directory, f"original-{posixpath.basename(main)}")] = False
    return True


def _assembled(module: Project, directory: str, base: str, main: str, runnable: dict[str, bool]) -> bool:
    """Add what the assembly plugin makes; False where that isn't known."""
    plugin = module.plugin("maven-assembly-plugin")
    if plugin is None:
        return True
    settings = plugin.settings
    is_plain = settings.get("descriptorRefs/descriptorRef") == "jar-with-dependencies"
    if not is_plain or plugin.is_configured_often or "outputDirectory" in settings:
        return False
    named = module.resolved(settings.get("finalName", ""))
    if named is None:
        return False
    start = posixpath.join(directory, named) if named else base
    suffix = "" if settings.get("appendAssemblyId") == "false" else "-jar-with-dependencies"
    runnable[f"{start}{suffix}.jar"] = True
    return True


def _framework(module: Project, directory: str, base: str, runnable: dict[str, bool], found: _Found) -> None:
    """Add what the plugins of Quarkus and Vert.x make."""
    if module.plugin("quarkus-maven-plugin") is not None:
        runnable[f"{base}-runner.jar"] = False
        folder = posixpath.join(directory, "quarkus-app")
        found.outputs.append(JvmOutput(folder, "folder", is_runnable=True))
        found.is_complete = False
    if module.plugin("vertx-maven-plugin") is not None:
        runnable[f"{base}.jar"] = True
        runnable[f"{base}-fat.jar"] = True
        found.is_complete = False
