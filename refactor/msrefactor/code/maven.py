"""Maven's pom.xml: what a project is called, what it depends on, and what its plugins make.

Read with the standard library's parser; a document type is refused, so that no entity can be expanded. Only
what is written in the poms of the build context counts: a parent that lies elsewhere may say more.
Source: maven.apache.org "POM Reference", "Introduction to the Build Lifecycle".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

from msrefactor.manifests import xml_root

Reader = Callable[[str], str | None]
"""Returns the text of a file, None when it can't be had."""
_MAX_PARENTS = 8


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin of `build/plugins`, with its configuration and that of its executions as texts by path."""

    name: str
    """Its artifactId."""
    goals: frozenset[str] = frozenset()
    """Goals of all its executions."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """`classifier`, `outputDirectory`, `archive/manifest/mainClass`: the first value under each name."""
    is_configured_often: bool = False
    """Whether one setting has several values, in different executions."""


@dataclass(frozen=True, slots=True)
class Pom:
    """One pom.xml, with the parts of it that decide what is built."""

    group: str = ""
    artifact: str = ""
    version: str = ""
    packaging: str = "jar"
    parent: tuple[str, str, str, str] | None = None
    """Its parent's group, artifact, version and relative path."""
    properties: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    all_modules: tuple[str, ...] = ()
    """Those of profiles included."""
    final_name: str = ""
    directory: str = ""
    plugins: tuple[Plugin, ...] = ()
    managed_plugins: tuple[Plugin, ...] = ()
    dependencies: tuple[tuple[str, str, str], ...] = ()
    """Group, artifact and scope."""
    profiles: Mapping[str, Pom] = field(default_factory=dict)
    default_profiles: frozenset[str] = frozenset()
    """Profiles that are active by default or by a condition that isn't known."""


def read_pom(text: str) -> Pom | None:
    """Return what a pom.xml says; None when it isn't one."""
    root = xml_root(text)
    if root is None:
        return None
    _without_namespaces(root)
    if root.tag != "project":
        return None
    pom = _part(root)
    profiles: dict[str, Pom] = {}
    active: set[str] = set()
    for profile in root.findall("profiles/profile"):
        name = _text(profile, "id")
        profiles[name] = _part(profile)
        condition = profile.find("activation")
        if condition is not None and any(_may_hold(child) for child in condition):
            active.add(name)
    parent = root.find("parent")
    named = None
    if parent is not None:
        path = _text(parent, "relativePath") if parent.find("relativePath") is not None else "../pom.xml"
        named = (_text(parent, "groupId"), _text(parent, "artifactId"), _text(parent, "version"), path)
    every = dict.fromkeys((*pom.modules, *(m for profile in profiles.values() for m in profile.modules)))
    return Pom(
        _text(root, "groupId"),
        _text(root, "artifactId"),
        _text(root, "version"),
        _text(root, "packaging") or "jar",
        named,
        pom.properties,
        pom.modules,
        tuple(every),
        pom.final_name,
        pom.directory,
        pom.plugins,
        pom.managed_plugins,
        pom.dependencies,
        profiles,
        frozenset(active),
    )


def _may_hold(condition: ElementTree.Element) -> bool:
    """Whether a condition may hold in a build: not where it asks for a property that an editor sets."""
    if condition.tag == "activeByDefault":
        return (condition.text or "").strip() != "false"
    name = _text(condition, "name")
    return (
        condition.tag != "property"
        or name.startswith("!")
        or not name.startswith(("m2e", "idea", "env.IDEA"))
    )


def _part(root: ElementTree.Element) -> Pom:
    """Return what a project and a profile have in common."""
    properties = {child.tag: (child.text or "").strip() for child in root.iterfind("properties/*")}
    return Pom(
        properties=properties,
        modules=tuple((m.text or "").strip() for m in root.findall("modules/module")),
        final_name=_text(root, "build/finalName"),
        directory=_text(root, "build/directory"),
        plugins=tuple(_plugin(one) for one in root.findall("build/plugins/plugin")),
        managed_plugins=tuple(_plugin(one) for one in root.findall("build/pluginManagement/plugins/plugin")),
        dependencies=tuple(
            (_text(one, "groupId"), _text(one, "artifactId"), _text(one, "scope"))
            for one in root.findall("dependencies/dependency")
        ),
    )


def _plugin(element: ElementTree.Element) -> Plugin:
    settings: dict[str, str] = {}
    goals: set[str] = set()
    often = False
    own = element.find("configuration")
    parts = [("", own)] if own is not None else []
    for execution in element.findall("executions/execution"):
        if _text(execution, "phase") == "none":
            continue
        goals.update((goal.text or "").strip() for goal in execution.findall("goals/goal"))
        inside = execution.find("configuration")
        if inside is not None:
            parts.append(("", inside))
    for prefix, part in parts:
        for name, value in _leaves(part, prefix):
            if name in settings and settings[name] != value:
                often = True
            settings.setdefault(name, value)
    return Plugin(_text(element, "artifactId"), frozenset(goals), settings, often)


def _leaves(element: ElementTree.Element, prefix: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for child in element:
        name = f"{prefix}{child.tag}"
        if len(child):
            found.extend(_leaves(child, name + "/"))
        else:
            found.append((name, (child.text or "").strip()))
    return found


def _without_namespaces(root: ElementTree.Element) -> None:
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


@dataclass(frozen=True, slots=True)
class Project:
    """One module with what it inherits from the poms of the build context."""

    folder: str
    pom: Pom
    lineage: tuple[Pom, ...]
    """Itself and its parents, nearest first."""
    foreign_parent: tuple[str, str, str] | None
    """The first parent that isn't in the build context."""
    properties: Mapping[str, str]
    active: tuple[Pom, ...] = ()
    """The active profiles of the lineage, nearest first."""
    unknown_profiles: bool = False
    """Whether a profile may be active by a condition."""

    def resolved(self, text: str) -> str | None:
        """Return a text with its `${…}` filled in; None where one isn't known."""
        for _ in range(8):
            names = re.findall(r"\$\{([^}]*)\}", text)
            if not names:
                return text
            for name in names:
                value = self.properties.get(name)
                if value is None:
                    return None
                text = text.replace("${" + name + "}", value)
        return None

    def plugin(self, name: str) -> Plugin | None:
        """Return a plugin of the build, its settings joined with what parents and pluginManagement say."""
        parts = (*self.active, *self.lineage)
        used = [one for pom in parts for one in pom.plugins if one.name == name]
        if not used:
            return None
        managed = [one for pom in parts for one in pom.managed_plugins if one.name == name]
        settings: dict[str, str] = {}
        for one in (*used, *managed):
            for key, value in one.settings.items():
                settings.setdefault(key, value)
        goals = frozenset().union(*(one.goals for one in (*used, *managed)))
        return Plugin(name, goals, settings, any(one.is_configured_often for one in (*used, *managed)))

    @property
    def plugin_names(self) -> frozenset[str]:
        """The names of all plugins of the build."""
        return frozenset(one.name for pom in (*self.active, *self.lineage) for one in pom.plugins)

    @property
    def final_name(self) -> str | None:
        """The name of the jar without its ending; None where it isn't known."""
        for pom in (*self.active, *self.lineage):
            if pom.final_name:
                return self.resolved(pom.final_name)
        return self.resolved("${project.artifactId}-${project.version}")

    @property
    def directory(self) -> str | None:
        """The folder that the build writes to, absolute; None where it isn't known."""
        for pom in (*self.active, *self.lineage):
            if pom.directory:
                named = self.resolved(pom.directory)
                return posixpath.normpath(posixpath.join(self.folder, named)) if named is not None else None
        return posixpath.join(self.folder, "target")

    @property
    def libraries(self) -> tuple[tuple[str, str], ...]:
        """Dependencies that a running program loads: of scope compile, runtime or system."""
        return tuple(
            (group, artifact)
            for pom in (*self.active, *self.lineage)
            for group, artifact, scope in pom.dependencies
            if scope not in ("test", "provided", "import")
        )


def read_project(
    folder: str, read: Reader, given: Mapping[str, str], profiles: tuple[str, ...], file: str = "pom.xml"
) -> Project | None:
    """Return the module in a folder; `given` are the properties of the command line."""
    pom = _pom_at(posixpath.join(folder, file), read)
    if pom is None:
        return None
    lineage = [pom]
    place = folder
    foreign: tuple[str, str, str] | None = None
    while lineage[-1].parent is not None and len(lineage) < _MAX_PARENTS:
        group, artifact, version, relative = lineage[-1].parent
        path = posixpath.normpath(posixpath.join(place, relative)) if relative else ""
        path = path if not path or path.endswith(".xml") else posixpath.join(path, "pom.xml")
        above = _pom_at(path, read) if path else None
        if above is None or above.artifact != artifact:
            foreign = (group, artifact, version)
            break
        lineage.append(above)
        place = posixpath.dirname(path)
    active, is_unsure = _active(lineage, profiles)
    properties: dict[str, str] = {}
    for one in reversed((*active, *lineage)):
        properties.update(one.properties)
    group = next((one.group for one in lineage if one.group), (pom.parent or ("", "", "", ""))[0])
    version = next((one.version for one in lineage if one.version), "")
    if not version and foreign is not None:
        version = foreign[2]
    elif not version and pom.parent is not None:
        version = pom.parent[2]
    properties.update(given)
    for prefix in ("project.", "pom.", ""):
        properties[f"{prefix}artifactId"] = pom.artifact
        properties[f"{prefix}version"] = version
        properties[f"{prefix}groupId"] = group
    properties["project.name"] = pom.artifact
    if pom.parent is not None:
        properties["project.parent.version"] = pom.parent[2]
        properties["project.parent.artifactId"] = pom.parent[1]
    properties["project.basedir"] = properties["basedir"] = folder
    properties["project.build.directory"] = properties["build.directory"] = posixpath.join(folder, "target")
    project = Project(folder, pom, tuple(lineage), foreign, properties, active, is_unsure)
    final = project.final_name
    if final is not None:
        properties["project.build.finalName"] = properties["build.finalName"] = final
    return project


def _active(lineage: list[Pom], chosen: tuple[str, ...]) -> tuple[tuple[Pom, ...], bool]:
    """Return the profiles that are active, and whether one may be that isn't known to be."""
    found: list[Pom] = []
    is_unsure = False
    named = {name.lstrip("+") for name in chosen if not name.startswith(("-", "!"))}
    for pom in lineage:
        by_name = [profile for name, profile in pom.profiles.items() if name in named]
        found.extend(by_name)
        if pom.default_profiles - {name.lstrip("!-") for name in chosen}:
            is_unsure = True
            if not by_name:
                found.extend(pom.profiles[name] for name in pom.profiles if name in pom.default_profiles)
    return tuple(found), is_unsure


def _pom_at(path: str, read: Reader) -> Pom | None:
    text = read(path)
    return read_pom(text) if text is not None else None
