"""What a .NET project file says: how the program is called, which framework it asks for, where it goes.

Only what is written there without a condition is read; MSBuild itself isn't run. Sources: docs.microsoft.com
"MSBuild reference for .NET SDK projects", "Target frameworks", "dotnet publish".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msrefactor.code.needs import SourceReader
from msrefactor.manifests import xml_root

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

PROJECT_ENDINGS = (".csproj", ".fsproj", ".vbproj")
SOLUTION_ENDINGS = (".sln", ".slnx", ".slnf")
_MAX_PROJECTS = 200
_HERE = re.compile(r"\$\(MSBuild(?:ThisFile|Project)Directory\)/?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DotnetProject:
    """One project file, with what the Directory.Build.props above it add."""

    path: str
    """Path in the build context."""
    sdk: str
    properties: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name: what is set without a condition."""
    conditional: frozenset[str] = frozenset()
    """Lower-case names of the properties that are set under a condition too."""
    references: tuple[str, ...] = ()
    """Project files that it refers to, as paths in the build context."""
    frameworks: frozenset[str] = frozenset()
    """Names of FrameworkReference items."""
    packages: frozenset[str] = frozenset()
    """Names of PackageReference items, in lower case."""
    is_plain: bool = True
    """Whether nothing else is imported that could say otherwise."""

    @property
    def folder(self) -> str:
        """The project's folder in the build context."""
        return posixpath.dirname(self.path)

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return posixpath.splitext(posixpath.basename(self.path))[0]

    def value(self, name: str) -> str | None:
        """Return a property; "" where it isn't set, None where it can't be told."""
        key = name.lower()
        if key in self.conditional:
            return None
        text = self.properties.get(key, "")
        text = re.sub(r"\$\(MSBuildProjectName\)", self.name, text, flags=re.IGNORECASE)
        for _ in range(5):
            match = re.search(r"\$\((\w+)\)", text)
            if match is None:
                break
            inner = match[1].lower()
            if inner in self.conditional or inner not in self.properties:
                return None
            text = text.replace(match[0], self.properties[inner])
        return None if "$(" in text or "@(" in text else text

    @property
    def assembly(self) -> str | None:
        """The program's name without `.dll`; None where it can't be told."""
        named = self.value("AssemblyName")
        return self.name if named == "" else named

    @property
    def target(self) -> str | None:
        """The one target framework; None for several or none that can be told."""
        single = self.value("TargetFramework")
        if single:
            return single
        several = (self.value("TargetFrameworks") or "").strip(";").split(";")
        return several[0] if len(several) == 1 and several[0] else None

    @property
    def is_web(self) -> bool:
        """Whether the project itself asks for ASP.NET Core."""
        return (
            self.sdk.lower() in ("microsoft.net.sdk.web", "microsoft.net.sdk.blazorwebassembly")
            or "microsoft.aspnetcore.app" in {name.lower() for name in self.frameworks}
            or bool(self.packages & {"microsoft.aspnetcore.app", "microsoft.aspnetcore.all"})
        )

    def is_set(self, name: str) -> bool | None:
        """Return whether a property is `true`; None where it can't be told."""
        text = self.value(name)
        return None if text is None else text.strip().lower() == "true"


def read_project(reader: SourceReader, path: str) -> DotnetProject | None:
    """Return what a project file says; None for one that can't be read."""
    root = _xml(reader.read_text(path))
    if root is None:
        return None
    properties: dict[str, str] = {}
    conditional: set[str] = set()
    plain = True
    for text in _props_above(reader, posixpath.dirname(path)):
        props = _xml(text)
        if props is None:
            plain = False
            continue
        plain = plain and not any(True for _ in _items(props, "Import"))
        _read_properties(props, properties, conditional)
    _read_properties(root, properties, conditional)
    folder = posixpath.dirname(path)
    references = [
        posixpath.normpath(posixpath.join(folder, _HERE.sub("./", include.replace("\\", "/"))))
        for include in _includes(root, "ProjectReference")
    ]
    sdk = root.get("Sdk", "") or next((one.get("Name", "") for one in _items(root, "Sdk")), "")
    return DotnetProject(
        path,
        sdk.partition("/")[0],
        properties,
        frozenset(conditional),
        tuple(references),
        frozenset(_includes(root, "FrameworkReference")),
        frozenset(name.lower() for name in _includes(root, "PackageReference")),
        plain and not any(True for _ in _items(root, "Import")),
    )


def with_references(reader: SourceReader, project: DotnetProject) -> tuple[DotnetProject, ...] | None:
    """Return a project and all that it refers to; None where one of them can't be read."""
    found: dict[str, DotnetProject] = {project.path: project}
    waiting = list(project.references)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        if len(found) > _MAX_PROJECTS or path.startswith("../") or "$(" in path:
            return None
        other = read_project(reader, path)
        if other is None:
            return None
        found[path] = other
        waiting.extend(other.references)
    return tuple(found.values())


def solution_projects(reader: SourceReader, path: str) -> tuple[str, ...] | None:
    """Return the project files of a solution, as paths in the build context; None if it can't be read."""
    text = reader.read_text(path)
    if text is None:
        return None
    folder = posixpath.dirname(path)
    if path.endswith(".slnx"):
        root = _xml(text)
        if root is None:
            return None
        names = [one.get("Path", "") for one in _items(root, "Project")]
    elif path.endswith(".sln"):
        names = re.findall(r'^\s*Project\("[^"]*"\)\s*=\s*"[^"]*",\s*"([^"]+)"', text, re.M)
    else:
        return None
    found = [posixpath.normpath(posixpath.join(folder, name.replace("\\", "/"))) for name in names]
    return tuple(name for name in found if name.endswith(PROJECT_ENDINGS))


def _xml(text: str | None) -> Element | None:
    """Return the root of an XML text; None for what isn't one, or declares entities."""
    return None if text is None else xml_root(text)


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _items(root: Element, name: str) -> Iterator[Element]:
    return (element for element in root.iter() if _tag(element) == name)


def _includes(root: Element, name: str) -> tuple[str, ...]:
    return tuple(item.get("Include", "") for item in _items(root, name) if item.get("Include"))


def _read_properties(root: Element, properties: dict[str, str], conditional: set[str]) -> None:
    for group in _items(root, "PropertyGroup"):
        for one in group:
            name = _tag(one).lower()
            if "Condition" in group.attrib or "Condition" in one.attrib:
                conditional.add(name)
            else:
                properties[name] = (one.text or "").strip()
    for tag in ("Choose", "Target"):
        for block in _items(root, tag):
            for group in _items(block, "PropertyGroup"):
                conditional.update(_tag(one).lower() for one in group)


def _props_above(reader: SourceReader, folder: str) -> Iterable[str]:
    """Return the Directory.Build.props that MSBuild imports: the nearest one upwards."""
    while True:
        path = posixpath.join(folder, "Directory.Build.props")
        if reader.is_file(path):
            text = reader.read_text(path)
            return [text or "<broken"]
        if not folder:
            return []
        folder = posixpath.dirname(folder)
