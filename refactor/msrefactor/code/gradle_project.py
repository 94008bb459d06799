"""What a Gradle build is and what it writes: projects, plugins, archives, distributions.

What is set by anything but a literal statement is `Unsure`, with the statement that sets it. `gradle.py`
reads the scripts.
Sources: docs.gradle.org "The Base Plugin", "Distribution Plugin", "Application Plugin", "Working with
archives"; Spring Boot's Gradle plugin reference; gradleup.com/shadow; ktor.io "Creating fat JARs"; Quarkus
"Building with Gradle".
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msrefactor.code.gradle_statements import Setting
from msrefactor.code.tokens import Token

BOOT = "org.springframework.boot"
SHADOW = frozenset({"com.github.johnrengelman.shadow", "com.gradleup.shadow", "io.github.goooler.shadow"})
_VERSIONING = frozenset(
    "pl.allegro.tech.build.axion-release nebula.release org.ajoberstar.reckon me.qoomon.git-versioning "
    "net.nemerosa.versioning com.netflix.nebula.release fr.brouillard.oss.gradle.jgitver "
    "com.github.jmongard.git-semver-plugin".split()
)
"""Plugins that give the project its version."""
_OLD_NAMES = {
    "archiveName": "archiveFileName",
    "baseName": "archiveBaseName",
    "version": "archiveVersion",
    "classifier": "archiveClassifier",
    "appendix": "archiveAppendix",
    "extension": "archiveExtension",
    "destinationDir": "destinationDirectory",
}
_TYPES = {
    "jar": ("Jar", "AbstractArchiveTask", "AbstractCopyTask"),
    "bootJar": ("BootJar", "Jar", "AbstractArchiveTask", "BootArchive"),
    "bootWar": ("BootWar", "War", "Jar", "AbstractArchiveTask", "BootArchive"),
    "war": ("War", "Jar", "AbstractArchiveTask"),
    "shadowJar": ("ShadowJar", "Jar", "AbstractArchiveTask"),
}


@dataclass(frozen=True, slots=True)
class Unsure:
    """A value that isn't known before the build, and the statement that makes it so."""

    why: str


@dataclass(frozen=True, slots=True)
class Project:
    """One project of a build."""

    path: str
    """`:` for the root, `:app:core` for others."""
    folder: str
    name: str | Unsure
    plugins: Mapping[str, str]
    """Plugin ids with their versions; the version is empty where none is written there."""
    settings: Mapping[tuple[str, ...], Setting]
    """The last setting of each property."""
    types: Mapping[str, str]
    """The tasks that the scripts register, with their types."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """gradle.properties."""
    unread: tuple[str, ...] = ()
    """Scripts and plugins that aren't read."""

    def has(self, *plugins: str) -> bool:
        """Whether one of the plugins is applied."""
        return any(plugin in self.plugins for plugin in plugins)

    @property
    def is_boot(self) -> bool:
        """Whether Spring Boot packs the application."""
        return BOOT in self.plugins

    @property
    def is_application(self) -> bool:
        """Whether `installDist` and start scripts exist; ktor's plugin applies the application plugin."""
        return self.has(
            "application", "io.ktor.plugin", "io.micronaut.application", "io.ratpack.ratpack-java"
        )

    def set(self, *path: str) -> Setting | None:
        """Return the setting of a property."""
        return self.settings.get(path)

    def text(self, setting: Setting | None) -> str | Unsure | None:
        """Return what a setting's value is; None where nothing is set."""
        if setting is None:
            return None
        if not setting.statement.is_sure:
            return _unsure(setting)
        value = self._value(setting.value, 0)
        return _unsure(setting) if value is None else value

    def _value(self, tokens: Sequence[Token], depth: int) -> str | None:
        if depth > 8 or not tokens:
            return None
        found: list[str] = []
        rest = list(tokens)
        while rest:
            token = rest.pop(0)
            if token.kind == "string":
                part: str | None = token.text
            elif token.kind == "template":
                part = self._template(token, depth)
            elif token.kind == "name":
                names = [token.text]
                while len(rest) > 1 and rest[0].text in (".", "?.") and rest[1].kind == "name":
                    names.append(rest[1].text)
                    del rest[:2]
                if len(rest) > 1 and rest[0].text == "(" and rest[1].text == ")" and names[-1] == "toString":
                    names.pop()
                    del rest[:2]
                elif names[-1] in ("file", "dir", "property", "findProperty") and len(rest) > 2:
                    if rest[1].kind != "string" or rest[2].text != ")":
                        return None
                    part = rest[1].text
                    del rest[:3]
                    found.append(part if names[-1] in ("file", "dir") else self.variables.get(part, ""))
                    if not found[-1]:
                        return None
                    if rest and rest.pop(0).text != "+":
                        return None
                    continue
                part = self._named(names, depth)
            else:
                return None
            if part is None:
                return None
            found.append(part)
            if rest and rest.pop(0).text != "+":
                return None
        return "".join(found)

    def _template(self, token: Token, depth: int) -> str | None:
        parts = [part if isinstance(part, str) else self._value(part, depth + 1) for part in token.parts]
        known = [part for part in parts if part is not None]
        return "".join(known) if len(known) == len(parts) else None

    def _named(self, names: Sequence[str], depth: int) -> str | None:
        rest = [name for name in names if name not in ("project", "ext", "extra", "this")]
        if names[0] == "rootProject" or len(rest) > 1:
            is_own = names[0] == "rootProject" and self.path == ":"
            rest = rest[1:] if is_own else rest
        if len(rest) != 1:
            return None
        if rest[0] == "name":
            return self.name if isinstance(self.name, str) else None
        for path in ((rest[0],), ("val", rest[0]), ("ext", rest[0]), ("extra", rest[0])):
            setting = self.settings.get(path)
            if setting is not None:
                return self._value(setting.value, depth + 1) if setting.statement.is_sure else None
        return self.variables.get(rest[0])

    @property
    def build_folder(self) -> str | Unsure:
        """The folder that the build writes into."""
        for path in (("buildDir",), ("layout", "buildDirectory"), ("layout", "buildDirectory", "dir")):
            value = self.text(self.settings.get(path))
            if isinstance(value, Unsure):
                return value
            if value:
                return posixpath.normpath(posixpath.join(self.folder, value))
        return posixpath.join(self.folder, "build")

    @property
    def version(self) -> str | Unsure:
        """The project's version; empty where it has none."""
        setting = self.settings.get(("version",))
        value = self.text(setting)
        if value is not None:
            return value
        if "version" in self.variables:
            return self.variables["version"]
        for plugin in self.plugins:
            if plugin in _VERSIONING:
                return Unsure(f"the plugin {plugin} sets the version")
        return ""

    @property
    def base_name(self) -> str | Unsure:
        """What the names of its archives begin with."""
        for path in (("archivesBaseName",), ("base", "archivesName"), ("base", "archivesBaseName")):
            value = self.text(self.settings.get(path))
            if value is not None:
                return value
        return self.name

    def task_value(self, task: str, name: str) -> str | Unsure | None:
        """Return a property of an archive task; what is set for the task wins over what is for its type."""
        for owner in (task, *(f"type:{kind}" for kind in self._types_of(task))):
            for key in (name, *(old for old, new in _OLD_NAMES.items() if new == name)):
                value = self.text(self.settings.get((owner, key)))
                if value is not None:
                    return value
        return None

    def _types_of(self, task: str) -> tuple[str, ...]:
        kind = self.types.get(task)
        if kind is not None:
            return (kind, *(("Jar",) if kind == "ShadowJar" else ()), "AbstractArchiveTask")
        return _TYPES.get(task, ())

    def is_enabled(self, task: str) -> bool | Unsure:
        """Whether a task is left on."""
        setting = self.settings.get((task, "enabled")) or self.settings.get((task, "isEnabled"))
        if setting is None:
            return True
        word = setting.value[0].text if len(setting.value) == 1 else ""
        if not setting.statement.is_sure or word not in ("true", "false"):
            return _unsure(setting)
        return word == "true"

    def archive(self, task: str) -> str | Unsure:
        """Return the file that an archive task writes, as a path in the image."""
        folder: str | Unsure = self.build_folder
        if isinstance(folder, Unsure):
            return folder
        place = self.task_value(task, "destinationDirectory")
        if isinstance(place, Unsure):
            return place
        folder = posixpath.join(self.folder, place) if place else posixpath.join(folder, "libs")
        name = self.task_value(task, "archiveFileName")
        if name is None:
            name = self._conventional_name(task)
        return name if isinstance(name, Unsure) else posixpath.normpath(posixpath.join(folder, name))

    def _conventional_name(self, task: str) -> str | Unsure:
        defaults: dict[str, str | Unsure] = {
            "archiveBaseName": self.base_name,
            "archiveAppendix": "",
            "archiveVersion": self.version,
            "archiveClassifier": self._classifier(task),
            "archiveExtension": "war" if task in ("war", "bootWar") else "jar",
        }
        parts: list[str] = []
        for name, default in defaults.items():
            value = self.task_value(task, name)
            value = default if value is None else value
            if isinstance(value, Unsure):
                return value
            parts.append(value)
        extension = parts.pop()
        return "-".join(part for part in parts if part) + f".{extension}"

    def _classifier(self, task: str) -> str:
        if task in ("jar", "war"):
            return "plain" if self.is_boot and self.boot_has_plain else ""
        return "all" if task == "shadowJar" else ""

    @property
    def boot_has_plain(self) -> bool:
        """Whether Spring Boot leaves the ordinary jar beside its own: from 2.5 on, as `-plain`."""
        parts = self.plugins.get(BOOT, "").split(".")
        known = [int(part) for part in parts[:2] if part.isdigit()]
        return len(known) < 2 or tuple(known) >= (2, 5)

    @property
    def application_name(self) -> str | Unsure:
        """The name of the installed distribution's start script."""
        for path in (
            ("application", "applicationName"),
            ("applicationName",),
            ("startScripts", "applicationName"),
        ):
            value = self.text(self.settings.get(path))
            if value is not None:
                return value
        return self.name

    @property
    def distribution_name(self) -> str | Unsure:
        """The name of the folder below build/install."""
        for path in (
            ("distributions", "main", "distributionBaseName"),
            ("distributions", "main", "baseName"),
        ):
            value = self.text(self.settings.get(path))
            if value is not None:
                return value
        return self.application_name if self.is_application else self.name


def _unsure(setting: Setting) -> Unsure:
    name = ".".join(setting.path).removeprefix("val.")
    return Unsure(f"{name} is set to something that isn't written there ({setting.statement.place})")
