"""A Gradle build as its scripts describe it: its projects, and what each of them sets.

Read are the settings file, gradle.properties, the version catalog, the build scripts and the scripts of
convention plugins in buildSrc. Sources: docs.gradle.org "Settings File Basics", "Multi-Project Builds",
"Plugins", "Version Catalogs", "Sharing Build Logic using buildSrc".
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msrefactor.code.gradle_project import Project, Unsure
from msrefactor.code.gradle_statements import (
    Setting,
    Statement,
    block_names,
    setting_of,
    statements_of,
    task_type,
)
from msrefactor.code.tokens import arguments, is_mark
from msrefactor.manifests import toml_table

_SHORT = {
    "kotlin": "org.jetbrains.kotlin.jvm",
    "kotlin-jvm": "org.jetbrains.kotlin.jvm",
}
_FILES = ("build.gradle", "build.gradle.kts")
_MAX_SCRIPTS = 200


@dataclass(frozen=True, slots=True)
class Build:
    """A whole build."""

    root: str
    projects: Mapping[str, Project]
    class_path: str = ""
    """Where a manifest names other jars by `Class-Path`; empty: nowhere."""


def read_build(read: Callable[[str], str | None], root: str) -> Build | None:
    """Return the build in a folder; None where no script lies there. `read` takes absolute paths."""
    names = ("settings.gradle", "settings.gradle.kts", *_FILES)
    if not any(read(posixpath.join(root, name)) is not None for name in names):
        return None
    return _Reader(read, root).build()


class _Reader:
    """Reads the scripts of one build."""

    def __init__(self, read: Callable[[str], str | None], root: str) -> None:
        self._read = read
        self._root = root
        self._count = 0
        self._class_path = ""
        self._aliases: dict[str, tuple[str, str]] = _catalog(read(f"{root}/gradle/libs.versions.toml") or "")
        self._properties = _properties(read(posixpath.join(root, "gradle.properties")) or "")
        self._plugins: dict[str, str] = {}

    def build(self) -> Build:
        name: str | Unsure = posixpath.basename(self._root) or Unsure(
            "the root project has no name in its settings, and its folder is /"
        )
        folders: dict[str, str] = {":": self._root}
        for statement in self._script(self._root, ("settings.gradle", "settings.gradle.kts")):
            setting = setting_of(statement)
            if setting is None:
                continue
            if setting.path == ("rootProject", "name"):
                found = Project(":", self._root, "", {}, {}, {}, self._properties).text(setting)
                name = found if found is not None else name
            elif setting.path[-1:] == ("include",):
                for token in setting.value:
                    if token.kind == "string":
                        self._include(token.text, folders)
            elif setting.path[-1:] == ("projectDir",):
                self._moved(setting, folders)
            elif setting.path[:2] == ("pluginManagement", "plugins"):
                for plugin, version in self._plugins_in(statement):
                    self._plugins[plugin] = version
        top = tuple(self._script(self._root, _FILES))
        projects = {
            path: self._project(
                path, folder, name if path == ":" else posixpath.basename(path.rpartition(":")[2]), top
            )
            for path, folder in folders.items()
        }
        return Build(self._root, projects, self._class_path)

    def _include(self, text: str, folders: dict[str, str]) -> None:
        path = ""
        for part in text.strip(":").replace("/", ":").split(":"):
            path = f"{path}:{part}"
            folders.setdefault(path, posixpath.join(self._root, *path.strip(":").split(":")))

    def _moved(self, setting: Setting, folders: dict[str, str]) -> None:
        texts = [token.text for token in setting.statement.tokens if token.kind == "string"]
        if len(texts) == 2 and texts[0] in folders:
            folders[texts[0]] = posixpath.normpath(
                posixpath.join(self._root, texts[1].replace("$rootDir/", ""))
            )

    def _script(self, folder: str, names: Sequence[str]) -> Iterator[Statement]:
        for name in names:
            path = posixpath.join(folder, name)
            text = self._read(path)
            if text is None or self._count > _MAX_SCRIPTS:
                continue
            self._count += 1
            for statement in statements_of(text, path):
                if not self._class_path and _names_class_path(statement):
                    self._class_path = statement.place
                yield statement
            return

    def _project(self, path: str, folder: str, name: str | Unsure, top: Sequence[Statement]) -> Project:
        plugins: dict[str, str] = {}
        settings: dict[tuple[str, ...], Setting] = {}
        types: dict[str, str] = {}
        unread: list[str] = []
        own = top if path == ":" else tuple(self._script(folder, _FILES))
        variables = {**self._properties}
        if path != ":":
            variables.update(_properties(self._read(posixpath.join(folder, "gradle.properties")) or ""))
            for statement in top:
                self._take_shared(statement, path, plugins, settings, types, unread)
        for statement in own:
            block = statement.blocks[0] if statement.blocks else ""
            if block == "subprojects" or block.startswith("project:"):
                continue
            inside = statement.blocks[1:] if block == "allprojects" else statement.blocks
            self._take(_moved_out(statement, inside), folder, plugins, settings, types, unread)
        return Project(path, folder, name, plugins, settings, types, variables, tuple(unread))

    def _take_shared(
        self, statement: Statement, path: str, plugins: dict[str, str],
        settings: dict[tuple[str, ...], Setting], types: dict[str, str], unread: list[str],
    ) -> None:  # fmt: skip
        """Take what the root's script says of a subproject."""
        block = statement.blocks[0] if statement.blocks else ""
        if block in ("allprojects", "subprojects") or block == f"project:{path}":
            inner = _moved_out(statement, statement.blocks[1:])
            self._take(inner, self._root, plugins, settings, types, unread)
        elif not statement.blocks and (setting := setting_of(statement)) is not None:
            if setting.path[0] in ("val", "ext", "extra"):
                settings[setting.path] = setting
        elif block in ("ext", "extra") and (setting := setting_of(statement)) is not None:
            settings[setting.path] = setting

    def _take(
        self, statement: Statement, folder: str, plugins: dict[str, str],
        settings: dict[tuple[str, ...], Setting], types: dict[str, str], unread: list[str], depth: int = 0,
    ) -> None:  # fmt: skip
        tokens = statement.tokens
        if not tokens or statement.blocks[:1] in (("buildscript",), ("pluginManagement",)):
            return
        if statement.blocks[-1:] == ("plugins",):
            for plugin, version in self._plugins_in(statement):
                plugins[plugin] = version or self._plugins.get(plugin, "")
                self._convention(plugin, folder, plugins, settings, types, unread, depth)
            return
        if tokens[0].text == "apply":
            self._apply(statement, folder, plugins, settings, types, unread, depth)
            return
        kind = task_type(tokens)
        if kind and statement.is_sure:
            names = block_names(tokens)
            if names:
                types[names[-1]] = kind
        setting = setting_of(statement)
        if setting is not None:
            settings[_plain_path(setting.path)] = setting

    def _apply(
        self, statement: Statement, folder: str, plugins: dict[str, str],
        settings: dict[tuple[str, ...], Setting], types: dict[str, str], unread: list[str], depth: int,
    ) -> None:  # fmt: skip
        words = [token for token in statement.tokens if token.kind in ("string", "template")]
        names = {token.text for token in statement.tokens if token.kind == "name"}
        if "plugin" in names and words and words[0].kind == "string":
            plugins.setdefault(_SHORT.get(words[0].text, words[0].text), "")
            self._convention(words[0].text, folder, plugins, settings, types, unread, depth)
        elif "from" in names:
            text = words[0].text if words and words[0].kind == "string" else ""
            if words and words[0].kind == "template" and len(words[0].parts) == 3:
                inner = words[0].parts[1]
                shown = (
                    ".".join(t.text for t in inner if t.kind == "name") if not isinstance(inner, str) else ""
                )
                if shown in ("rootDir", "rootProject.projectDir", "project.rootDir"):
                    text, folder = str(words[0].parts[2]).lstrip("/"), self._root
            path = posixpath.normpath(posixpath.join(folder, text)) if text and "://" not in text else ""
            script = self._read(path) if path else None
            if script is None or depth > 5:
                unread.append(f"what `apply from` brings in isn't known ({statement.place})")
                return
            for inner_statement in statements_of(script, path):
                self._take(inner_statement, folder, plugins, settings, types, unread, depth + 1)

    def _convention(
        self, plugin: str, folder: str, plugins: dict[str, str],
        settings: dict[tuple[str, ...], Setting], types: dict[str, str], unread: list[str], depth: int,
    ) -> None:  # fmt: skip
        """Take in a plugin that is a script of buildSrc or of an included `build-logic`."""
        if depth > 5:
            return
        for home in ("buildSrc", "build-logic", "buildlogic", "gradle/plugins", "build-logic/convention"):
            for language, suffix in (("kotlin", ".gradle.kts"), ("groovy", ".gradle")):
                path = f"{self._root}/{home}/src/main/{language}/{plugin}{suffix}"
                script = self._read(path)
                if script is not None:
                    for statement in statements_of(script, path):
                        self._take(statement, folder, plugins, settings, types, unread, depth + 1)
                    return

    def _plugins_in(self, statement: Statement) -> Iterator[tuple[str, str]]:
        """Yield the plugins, with their versions, that a line of a `plugins` block applies."""
        tokens = statement.tokens
        names = [token.text for token in tokens if token.kind == "name"]
        if "apply" in names and "false" in names:
            return
        first = tokens[0].text
        texts = [token.text for token in tokens if token.kind == "string"]
        version = ""
        for at, token in enumerate(tokens):
            if token.kind == "name" and token.text == "version":
                after = tokens[at + 1 : at + 3]
                version = next((one.text for one in after if one.kind == "string"), "")
        if first == "id" and texts:
            yield texts[0], version
        elif first == "kotlin" and texts:
            yield f"org.jetbrains.kotlin.{texts[0]}", version
        elif first == "alias" and is_mark(tokens, 1, "("):
            groups, _ = arguments(tokens, 1)
            words = [token.text for token in groups[0] if token.kind == "name"] if groups else []
            if words[:2] == ["libs", "plugins"]:
                found = self._aliases.get(".".join(words[2:]))
                if found is not None:
                    yield found
        elif len(tokens) == 1 and tokens[0].kind == "name":
            yield _SHORT.get(first, first), ""


def _moved_out(statement: Statement, blocks: tuple[str, ...]) -> Statement:
    return replace(statement, blocks=blocks)


def _plain_path(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return a setting's path without the words that only say where the project keeps its tasks."""
    rest = path
    while rest and rest[0] in ("afterEvaluate", "project", "tasks"):
        rest = rest[1:]
    return rest or path


def _names_class_path(statement: Statement) -> bool:
    return any(
        token.kind == "string" and token.text.lower() == "class-path" for token in statement.tokens
    ) or (
        any(token.text == "Class" for token in statement.tokens)
        and any(token.text == "Path" for token in statement.tokens)
        and "attributes" in {token.text for token in statement.tokens}
    )


def _properties(text: str) -> dict[str, str]:
    """Return the entries of a gradle.properties."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        stripped = line.strip()
        if stripped and stripped[0] not in "#!" and "=" in stripped and not stripped.endswith("\\"):
            name, _, value = stripped.partition("=")
            found[name.strip()] = value.strip()
    return found


def _catalog(text: str) -> dict[str, tuple[str, str]]:
    """Return the plugins of a version catalog by their accessor, each with its id and version."""
    content = toml_table(text) or {}
    versions = content.get("versions")
    known: dict[str, Any] = versions if isinstance(versions, dict) else {}
    found: dict[str, tuple[str, str]] = {}
    plugins = content.get("plugins")
    for alias, entry in (plugins if isinstance(plugins, dict) else {}).items():
        accessor = alias.replace("-", ".").replace("_", ".")
        if isinstance(entry, str):
            plugin, _, version = entry.partition(":")
            found[accessor] = (plugin, version)
        elif isinstance(entry, dict) and isinstance(entry.get("id"), str):
            given = entry.get("version")
            if isinstance(given, dict):
                given = known.get(str(given.get("ref")))
            found[accessor] = (entry["id"], given if isinstance(given, str) else "")
    return found
