"""What the build of a front end leaves: the folder, the paths it is made for, what it took from outside.

Everything is read from the project's own files; a tool whose output isn't written down there is `Unclear`.
Tools whose output a server of their own needs (Next, Nuxt) are in `frontend_servers`.
"""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from msrefactor.code.javascript_values import UNKNOWN, Called, Exported, Place, Value, exported
from msrefactor.code.needs import SourceReader
from msrefactor.code.node_package import NodePackage, read_package
from msrefactor.model import Evidence


class Pages(enum.Enum):
    """What the output is, seen by whoever hands it out."""

    SINGLE = "single"
    """One page, which finds its way by itself."""
    FILES = "files"
    """A file for each page."""
    SERVER = "server"
    """A program that answers requests; static files lie beside it."""


@dataclass(frozen=True, slots=True)
class FrontendBuild:
    """What one build command leaves. Paths are relative to the root of the build context."""

    framework: str
    folder: str
    """Everything that is handed out, or the server that does it."""
    pages: Pages
    evidence: Evidence
    base: str = "/"
    """The path that the URLs in the output begin with; "" where they are relative."""
    start: str = ""
    """The file that Node starts, for a server that is started so."""
    is_whole: bool = False
    """Whether the server carries its packages with it and needs no node_modules."""
    caches: tuple[str, ...] = ()
    """Folders that only the next build would read."""
    prefixes: tuple[str, ...] = ()
    """Variables whose names begin so are built in."""
    has_source_maps: bool = False


@dataclass(frozen=True, slots=True)
class Unclear:
    """A tool is known, but not what it leaves, and why."""

    detail: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a package.json, and the command that is run there."""

    context: SourceReader
    folder: str
    package: NodePackage
    argv: tuple[str, ...]
    environment: Mapping[str, str]

    def path(self, *parts: str) -> str:
        """Return a path of the project from the root of the context."""
        found = posixpath.normpath(posixpath.join(self.folder, *parts))
        return "" if found == "." else found

    def option(self, *names: str) -> str | None:
        """Return the last value of an option, written `--name value` or `--name=value`."""
        found = None
        for at, word in enumerate(self.argv):
            name, equals, value = word.partition("=")
            if name in names and equals:
                found = value
            elif word in names and at + 1 < len(self.argv) and not self.argv[at + 1].startswith("-"):
                found = self.argv[at + 1]
        return found

    def has(self, *names: str) -> bool:
        """Whether an option is given."""
        return any(word.partition("=")[0] in names for word in self.argv)

    def configuration(self, *names: str, environment: Mapping[str, str] | None = None) -> Configured | None:
        """Return the first of several configuration files; None where there is none."""
        for name in names:
            path = self.path(name)
            text = self.context.read_text(path)
            if text is not None:
                return Configured(path, exported(text, environment or self.environment), text)
        return None

    def evidence(self, name: str = "") -> Evidence:
        """Return the place in package.json that names a dependency or script."""
        return Evidence(self.package.path, self.package.line_of.get(name), name)


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration file and what it exports."""

    path: str
    exported: Exported | None
    text: str

    def get(self, *keys: str) -> Value:
        """Return a setting, as `Exported.get`; unknown where the file isn't understood."""
        return UNKNOWN if self.exported is None else self.exported.get(*keys)

    def line_of(self, text: str) -> Evidence:
        """Return the first line that has a text."""
        for number, line in enumerate(self.text.splitlines(), 1):
            if text and text in line:
                return Evidence(self.path, number, line.strip()[:200])
        return Evidence(self.path, None, "")


def variants(stem: str, *endings: str) -> tuple[str, ...]:
    """Return the names that a configuration file can have."""
    return tuple(f"{stem}.{ending}" for ending in endings or ("js", "mjs", "ts", "cjs", "mts", "cts"))


def text_of(value: Value, default: str) -> str | None:
    """Return a path or text; the default for nothing, None for what isn't known."""
    if value is None:
        return default
    if isinstance(value, Place):
        return value.path
    return value if isinstance(value, str) else None


def called(value: Value) -> Called | None:
    """Return a call, None for anything else."""
    return value if isinstance(value, Called) else None


def url_path(text: str) -> str:
    """Return the path of a URL or path, between slashes; "" for a relative one."""
    if text in ("", ".", "./"):
        return ""
    path = urlsplit(text).path or "/"
    path = path if path.startswith("/") else "/" + path
    return path if path.endswith("/") else path + "/"


def dotenv_files(project: Project, *modes: str) -> Iterator[Mapping[str, str]]:
    """Yield the names and values in the .env files that a build reads; the last one wins."""
    for name in (".env", ".env.local", *(f".env.{m}" for m in modes), *(f".env.{m}.local" for m in modes)):
        text = project.context.read_text(project.path(name))
        if text is not None:
            yield _pairs(text)


def _pairs(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            found[name.strip()] = value.strip().strip("\"'")
    return found


def frontend_build(
    context: SourceReader, folder: str, argv: Sequence[str], environment: Mapping[str, str] | None = None
) -> FrontendBuild | Unclear | None:
    """Return what a build command of a front end leaves; None: it is no such command.

    `folder` is the project's, from the root of the context; `argv` is the tool itself (`vite build`), with
    scripts of package.json and wrappers already followed; `environment` has the variables of the build.
    """
    from msrefactor.code import frontend_servers, frontend_tools

    package = read_package(context, folder)
    if package is None or not argv:
        return None
    tool = posixpath.basename(argv[0])
    readers: dict[str, Callable[[Project], FrontendBuild | Unclear | None]] = {
        **frontend_tools.READERS,
        **frontend_servers.READERS,
    }
    reader = readers.get(tool)
    if reader is None:
        return None
    project = Project(
        context, folder, package, tuple(argv), {"NODE_ENV": "production", **(environment or {})}
    )
    return reader(project)
