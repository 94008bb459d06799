"""What an sbt build is and what it writes: projects, their names and versions, assemblies and distributions.

Read are the literal settings of build.sbt and the plugins of project/*.sbt. Sources: scala-sbt.org reference
"Multi-project builds", "Scopes", "Cross-building"; sbt-assembly and sbt-native-packager documentation.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msrefactor.code.script_tokens import code_of
from msrefactor.code.tokens import Code, Token, arguments, closing, is_mark, is_name

_SCOPES = frozenset("ThisBuild Compile Global assembly Universal pack Test Runtime".split())
_DEFAULT_VERSION = "0.1.0-SNAPSHOT"


@dataclass(frozen=True, slots=True)
class Sbt:
    """A project of an sbt build."""

    id: str
    folder: str
    settings: Mapping[tuple[str, str], str | None]
    """By scope (`ThisBuild`, `assembly`, or empty) and key; None where the value isn't a literal."""
    plugins: frozenset[str]
    """The plugins that it enables by name."""

    def value(self, key: str, *scopes: str) -> str | None:
        """Return a setting; empty where nothing is set, None where it isn't a literal."""
        for scope in (*scopes, "", "ThisBuild"):
            if (scope, key) in self.settings:
                return self.settings[scope, key]
        return ""

    @property
    def name(self) -> str | None:
        """Return the project's name."""
        name = self.value("name")
        return self.id if name == "" else name

    @property
    def version(self) -> str | None:
        """Return the project's version."""
        version = self.value("version")
        return _DEFAULT_VERSION if version == "" else version

    @property
    def scala_folder(self) -> str | None:
        """Return the folder below target that jars are written into."""
        if self.value("crossPaths") == "false":
            return "target"
        version = self.value("scalaVersion")
        if not version:
            return None
        parts = version.split(".")
        return f"target/scala-{version if parts[0] == '3' else '.'.join(parts[:2])}"

    @property
    def assembly(self) -> str | None:
        """Return the jar that `assembly` writes, as an absolute path; None where it isn't known."""
        if ("assembly", "assemblyOutputPath") in self.settings or ("assembly", "target") in self.settings:
            return None
        folder = self.scala_folder
        given = self.value("assemblyJarName", "assembly")
        given = self.value("jarName", "assembly") if given == "" else given
        if given is None or folder is None:
            return None
        if not given:
            name, version = self.name, self.version
            given = self.value("name", "assembly") or name or ""
            if not given or version is None:
                return None
            given = f"{given}-assembly-{version}.jar"
        return posixpath.join(self.folder, folder, given)

    @property
    def script_name(self) -> str | None:
        """Return the name of the start script of a staged distribution."""
        given = self.value("executableScriptName")
        if given is None:
            return None
        name = self.name
        return given or (normalized(name) if name else None)

    @property
    def package_name(self) -> str | None:
        """Return the name of the distribution's archive, without its ending."""
        given = self.value("packageName", "Universal")
        if given:
            return given
        name, version = self.name, self.version
        if given is None or name is None or version is None:
            return None
        return f"{normalized(name)}-{version}"


@dataclass(frozen=True, slots=True)
class SbtBuild:
    """A whole build."""

    root: str
    projects: Mapping[str, Sbt]
    """By id; the root project under its own id and under the empty one."""
    plugins: str
    """The text of the plugin definitions, to look plugins up in."""
    class_path: bool = False
    """Whether a manifest names other jars."""


def normalized(name: str) -> str:
    """Return a name as sbt's `normalizedName` has it."""
    return re.sub(r"\W+", "-", name.lower()).strip("-")


def read_sbt(read: Callable[[str], str | None], root: str) -> SbtBuild | None:
    """Return the build in a folder; None where no build.sbt lies there. `read` takes absolute paths."""
    text = read(posixpath.join(root, "build.sbt"))
    if text is None:
        return None
    plugins = "".join(
        read(posixpath.join(root, "project", name)) or ""
        for name in ("plugins.sbt", "assembly.sbt", "build.sbt", "packager.sbt", "play.sbt")
    )
    code = Code(code_of(text, "scala"))
    literals = _literals(code)
    shared: dict[tuple[str, str], str | None] = {}
    projects: dict[str, Sbt] = {}
    spans: list[tuple[int, int]] = []
    for at, token in enumerate(code):
        is_value = token.kind == "name" and token.text in ("val", "def")
        if is_value and at + 2 < len(code) and is_mark(code, at + 2, "="):
            end = _end(code, at + 3)
            if _is_project(code, at + 3, end):
                spans.append((at, end))
                project = _project(code, at, end, root, literals)
                projects[project.id] = project
    for at in range(len(code)):
        if not any(start <= at < end for start, end in spans):
            _setting(code, at, literals, shared)
    for project in tuple(projects.values()):
        own = {key: value for key, value in shared.items() if project.folder == root or key[0] == "ThisBuild"}
        projects[project.id] = Sbt(project.id, project.folder, {**own, **project.settings}, project.plugins)
    top = next((project for project in projects.values() if project.folder == root), None)
    if top is None:
        top = Sbt(posixpath.basename(root), root, shared, _enabled(code, 0, len(code)))
    projects[""] = top
    has_class_path = any(token.kind == "string" and token.text == "Class-Path" for token in code)
    return SbtBuild(root, projects, plugins, has_class_path)


def _end(code: Code, at: int) -> int:
    """Return the end of an expression: a line end outside brackets behind which no `.` goes on."""
    while at < len(code):
        if code[at].kind == "mark" and code[at].text in "([{":
            at = closing(code, at)
            continue
        if code[at].kind == "newline":
            after = at
            while after < len(code) and code[after].kind == "newline":
                after += 1
            goes_on = is_mark(code, after, ".") or (
                after < len(code) and code[after].text in ("in", "settings")
            )
            begins = is_mark(code, at - 1, "=") or is_mark(code, at - 1, ".")
            if not goes_on and not begins:
                return at
        at += 1
    return at


def _is_project(code: Code, at: int, end: int) -> bool:
    """Whether an expression begins with `project` or `Project(`, whatever stands in its settings."""
    words = [token.text for token in code[at:end] if token.kind == "name"]
    return bool(words) and words[0] in ("project", "Project", "crossProject")


def _project(code: Code, at: int, end: int, root: str, literals: Mapping[str, str]) -> Sbt:
    identifier = code[at + 1].text
    folder = posixpath.join(root, identifier)
    for place in range(at, end):
        if is_name(code, place, "file") and is_mark(code, place + 1, "("):
            if place + 2 < end and code[place + 2].kind == "string":
                folder = posixpath.normpath(posixpath.join(root, code[place + 2].text))
            break
    settings: dict[tuple[str, str], str | None] = {}
    for place in range(at, end):
        _setting(code, place, literals, settings)
    return Sbt(identifier, folder, settings, _enabled(code, at, end))


def _enabled(code: Code, at: int, end: int) -> frozenset[str]:
    found: set[str] = set()
    for place in range(at, end):
        if is_name(code, place, "enablePlugins") and is_mark(code, place + 1, "("):
            groups, _ = arguments(code, place + 1)
            found.update(token.text for group in groups for token in group if token.kind == "name")
    return frozenset(found)


def _literals(code: Code) -> dict[str, str]:
    found: dict[str, str] = {}
    for at in range(len(code) - 3):
        is_text = is_name(code, at, "val") and is_mark(code, at + 2, "=") and code[at + 3].kind == "string"
        after = code[at + 4] if at + 4 < len(code) else Token("newline", "", 0)
        if is_text and (after.kind == "newline" or after.text in (",", "}", ";")):
            found[code[at + 1].text] = code[at + 3].text
    return found


def _setting(
    code: Code, at: int, literals: Mapping[str, str], settings: dict[tuple[str, str], str | None]
) -> None:
    """Remember the setting whose `:=` stands at `at`: `key :=`, `Scope / key :=`, `key in Scope :=`."""
    if not is_mark(code, at, ":=") or at == 0 or code[at - 1].kind != "name":
        return
    scopes: list[str] = []
    key = code[at - 1].text
    if is_name(code, at - 2, "in") and at > 2:
        scopes, key = [key], code[at - 3].text
    else:
        place = at - 2
        while is_mark(code, place, "/") and place > 0 and code[place - 1].kind == "name":
            scopes.append(code[place - 1].text)
            place -= 2
    known = [scope for scope in scopes if scope in _SCOPES]
    if len(known) != len(scopes):
        return
    scope = next((one for one in known if one not in ("Compile", "Global")), "")
    inside = [token.text for token in code[max(0, at - 60) : at] if token.kind == "name"]
    if not scopes and "inThisBuild" in inside:
        scope = "ThisBuild"
    settings[scope, key] = _value(code, at + 1, literals)


def _value(code: Sequence[Token], at: int, literals: Mapping[str, str]) -> str | None:
    if at >= len(code):
        return None
    while at < len(code) and code[at].kind == "newline":
        at += 1
    token = code[at] if at < len(code) else Token("newline", "", 0)
    ends = at + 1 >= len(code) or code[at + 1].kind == "newline" or code[at + 1].text in (",", ")", ";", "}")
    if not ends:
        return None
    if token.kind == "string":
        return token.text
    if token.kind == "name":
        return token.text if token.text in ("true", "false") else literals.get(token.text)
    if token.kind == "template":
        parts: list[str] = []
        for part in token.parts:
            if isinstance(part, str):
                parts.append(part)
            elif len(part) == 1 and part[0].text in literals:
                parts.append(literals[part[0].text])
            else:
                return None
        return "".join(parts)
    return None
