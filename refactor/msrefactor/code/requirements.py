"""Requirements files and lock files of Python projects: what an install brings, and which files it reads.

The format is pip's ("Requirements File Format" in pip's documentation); lock files are those of poetry, uv,
pdm and pipenv. Paths in the results are relative to the root of the build context unless a field says
otherwise.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

from msrefactor.code.markers import is_never_on_linux, normalised, requirement
from msrefactor.code.needs import SourceReader, excerpt
from msrefactor.manifests import json_value, toml_table
from msrefactor.model import Evidence

LOCK_FILES = ("poetry.lock", "uv.lock", "pdm.lock", "Pipfile.lock")
"""The names that `read_lock` understands."""

_VCS = ("git+", "hg+", "svn+", "bzr+", "git://")
_ARCHIVES = (".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz")
_VALUE_OPTIONS = {
    "-r": "file", "--requirement": "file",
    "-c": "constraint", "--constraint": "constraint",
    "-e": "editable", "--editable": "editable",
    "-f": "links", "--find-links": "links",
    "-i": "other", "--index-url": "other", "--pypi-url": "other", "--extra-index-url": "other",
    "--trusted-host": "other", "--no-binary": "other", "--only-binary": "other", "--use-feature": "other",
}  # fmt: skip
_PLAIN_OPTIONS = frozenset(
    {"--no-index", "--pre", "--prefer-binary", "--require-hashes", "--always-unzip", "-Z"}
)
_MAX_FILES = 200


@dataclass(frozen=True, slots=True)
class Requirements:
    """What an install from a requirements or lock file brings."""

    names: tuple[tuple[str, str | None, Evidence], ...] = ()
    """Normalised name, pinned version if any, and where it stands. Lock files list everything they hold."""
    files: tuple[str, ...] = ()
    """The file itself and all files reached by `-r` and `-c`."""
    local_paths: tuple[str, ...] = ()
    """Directories and archives that are installed, relative to the directory that the install runs in."""
    editable: bool = False
    """Whether something is installed by reference to its source."""
    vcs: tuple[tuple[str, Evidence], ...] = ()
    """Sources that are fetched with git, hg, svn or bzr, as URLs."""
    unknown: tuple[Evidence, ...] = ()
    """Lines that aren't understood, and files that can't be had."""
    development: frozenset[str] = frozenset()
    """Of a lock file: the names that only a development group needs."""
    find_links: tuple[str, ...] = ()
    """Local directories that `--find-links` names."""

    @property
    def distributions(self) -> frozenset[str]:
        """The normalised names."""
        return frozenset(name for name, _, _ in self.names)


def read_requirements(context: SourceReader, path: str) -> Requirements:
    """Return what the requirements file at `path` installs, followed through `-r` and `-c`."""
    scan = _Scan(context)
    scan.file(posixpath.normpath(path), constraint=False, origin=None)
    return scan.requirements()


class _Scan:
    """One reading of a requirements file and all files that it reaches."""

    def __init__(self, context: SourceReader) -> None:
        self.context = context
        self.names: dict[str, tuple[str, str | None, Evidence]] = {}
        self.pins: dict[str, str] = {}
        self.seen: set[tuple[str, bool]] = set()
        self.files: dict[str, None] = {}
        self.local: dict[str, None] = {}
        self.links: dict[str, None] = {}
        self.vcs: list[tuple[str, Evidence]] = []
        self.unknown: list[Evidence] = []
        self.editable = False

    def requirements(self) -> Requirements:
        return Requirements(
            names=tuple(
                (name, version or self.pins.get(name), place) for name, version, place in self.names.values()
            ),
            files=tuple(self.files),
            local_paths=tuple(self.local),
            editable=self.editable,
            vcs=tuple(self.vcs),
            unknown=tuple(self.unknown),
            find_links=tuple(self.links),
        )

    def file(self, path: str, *, constraint: bool, origin: Evidence | None) -> None:
        pending: list[tuple[str, bool, Evidence | None]] = [(path, constraint, origin)]
        while pending:
            path, constraint, origin = pending.pop(0)
            if (path, constraint) in self.seen:
                continue
            self.seen.add((path, constraint))
            text = self.context.read_text(path) if not path.startswith(("..", "/")) else None
            if text is None or len(self.seen) > _MAX_FILES:
                self.unknown.append(origin or Evidence(path, None, "can't be read"))
                continue
            self.files.setdefault(path)
            for line, entry in _logical_lines(text):
                place = Evidence(path, line, excerpt(entry))
                for kind, target in self.entry(entry, place, constraint=constraint):
                    if "://" in target:
                        self.unknown.append(place)
                        continue
                    nested = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
                    pending.append((nested, constraint or kind == "constraint", place))

    def entry(self, entry: str, place: Evidence, *, constraint: bool) -> Iterator[tuple[str, str]]:
        """Record one logical line; yields the files that it includes."""
        if not entry.startswith("-"):
            self.named(entry, place, constraint=constraint)
            return
        words = _option_words(entry)
        while words:
            option, _, value = words.pop(0).partition("=")
            if option in _PLAIN_OPTIONS:
                continue
            if option[:2] in _VALUE_OPTIONS and not option.startswith("--") and len(option) > 2:
                option, value = option[:2], option[2:] + (f"={value}" if value else "")
            kind = _VALUE_OPTIONS.get(option)
            if kind is None:
                self.unknown.append(place)
                return
            if not value:
                if not words:
                    self.unknown.append(place)
                    return
                value = words.pop(0)
            if kind in {"file", "constraint"}:
                yield kind, value
            elif kind == "editable":
                self.editable = True
                self.named(value, place, constraint=constraint)
            elif kind == "links" and "://" not in value:
                self.links.setdefault(posixpath.normpath(value))

    def named(self, entry: str, place: Evidence, *, constraint: bool) -> None:
        """Record a requirement: a specifier, a URL or a path."""
        entry = _without_options(entry)
        if "${" in entry:
            self.unknown.append(place)
            return
        parsed = requirement(entry)
        if parsed is not None and (parsed.url is not None or not _is_path(entry)):
            if is_never_on_linux(parsed.marker):
                return
            if constraint:
                if parsed.version:
                    self.pins.setdefault(parsed.name, parsed.version)
                return
            if parsed.url:
                self.location(parsed.url, place)
            known = self.names.get(parsed.name)
            if known is None or (known[1] is None and parsed.version):
                self.names[parsed.name] = (parsed.name, parsed.version, place if known is None else known[2])
            return
        target, _, marker = entry.partition(" ;")
        if constraint or is_never_on_linux(marker):
            return
        name, version = _name_of_location(target.strip())
        if not self.location(target.strip(), place):
            self.unknown.append(place)
        if name:
            self.names.setdefault(name, (name, version, place))

    def location(self, target: str, place: Evidence) -> bool:
        """Record where a requirement comes from; false when that isn't understood."""
        if target.startswith(_VCS):
            self.vcs.append((_without_credentials(target), place))
            return True
        if target.startswith("file:"):
            target = target.removeprefix("file:")
            target = (
                target.removeprefix("//localhost").removeprefix("//") if target.startswith("//") else target
            )
        elif "://" in target:
            return True
        target = target.partition("#")[0]
        if not target.endswith(_ARCHIVES):
            target = target.partition("[")[0]
        if not target or not _is_path(target):
            return False
        self.local.setdefault(posixpath.normpath(target))
        return True


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and content, continuations joined, comments and blank lines left out."""
    held: list[str] = []
    start = 0
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if not held:
            start = number
        stripped = line.lstrip()
        comment = stripped.startswith("#")
        if line.endswith("\\") and not comment:
            held.append(line[:-1])
            continue
        # As in pip: a comment line ends a continuation.
        held.append("" if comment else line)
        entry = _without_comment("".join(held)).strip()
        held = []
        if entry:
            yield start, entry
    entry = _without_comment("".join(held)).strip()
    if entry:
        yield start, entry


def _without_comment(line: str) -> str:
    at = line.find("#")
    while at > 0 and not line[at - 1].isspace():
        at = line.find("#", at + 1)
    return line if at < 0 else line[:at]


def _option_words(entry: str) -> list[str]:
    return [word.strip("\"'") for word in entry.split()]


def _without_options(entry: str) -> str:
    """Return a requirement without `--hash=…` and the like behind it."""
    at = entry.find(" --")
    return entry if at < 0 else entry[:at].rstrip()


def _is_path(entry: str) -> bool:
    target = entry.partition(";")[0].strip()
    if target.startswith((".", "/", "~", "file:")):
        return True
    return "://" not in target and "@" not in target and ("/" in target or target.endswith(_ARCHIVES))


def _name_of_location(target: str) -> tuple[str | None, str | None]:
    """Return name and version as far as a URL or an archive's name tells them."""
    address, _, fragment = target.partition("#")
    for part in fragment.split("&"):
        key, _, value = part.partition("=")
        if key == "egg" and value:
            parsed = requirement(value)
            return (parsed.name, parsed.version) if parsed else (None, None)
    base = posixpath.basename(address.rstrip("/"))
    if base.endswith(".whl") and base.count("-") >= 4:
        name, version = base.split("-")[:2]
        return normalised(name), version
    if target.startswith(_VCS):
        name = base.partition("@")[0].removesuffix(".git")
        return (normalised(name) or None), None
    return None, None


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return scheme + separator + host.rpartition("@")[2] + slash + path if separator else url


def read_lock(context: SourceReader, path: str) -> Requirements:
    """Return everything that a lock file holds; the kind is told by its name, `LOCK_FILES`."""
    text = context.read_text(path)
    base = posixpath.basename(path)
    if text is None or base not in LOCK_FILES:
        return Requirements(
            unknown=(Evidence(path, None, "can't be read" if text is None else "isn't a known lock"),)
        )
    locked = _pipfile_lock(path, text) if base == "Pipfile.lock" else _toml_lock(path, text)
    if locked is None:
        return Requirements(files=(path,), unknown=(Evidence(path, None, "isn't what its name says"),))
    return replace(locked, files=(path,))


def _toml_lock(path: str, text: str) -> Requirements | None:
    document = toml_table(text)
    if document is None:
        return None
    packages = document.get("package", [])
    if not isinstance(packages, list):
        return None
    lines = _lines_of_tables(text)
    names: list[tuple[str, str | None, Evidence]] = []
    local: dict[str, None] = {}
    vcs: list[tuple[str, Evidence]] = []
    development: set[str] = set()
    editable = False
    for index, package in enumerate(packages):
        if not isinstance(package, dict) or not isinstance(package.get("name"), str):
            return None
        name = normalised(package["name"])
        version = package.get("version")
        place = Evidence(path, lines[index] if index < len(lines) else None, name)
        source = package.get("source")
        source = source if isinstance(source, dict) else {}
        where = _local_source(source, package)
        if where is not None:
            local.setdefault(posixpath.normpath(where))
            editable = editable or "editable" in source or package.get("develop") is True
            editable = editable or package.get("editable") is True
        addresses = (source.get("git"), source.get("url") if source.get("type") == "git" else None)
        vcs.extend(
            (_without_credentials(address), place)
            for address in (*addresses, package.get("git"))
            if isinstance(address, str)
        )
        groups = package.get("groups")
        if package.get("category") == "dev" or (
            isinstance(groups, list) and groups and not {"main", "default"} & {str(group) for group in groups}
        ):
            development.add(name)
        if (
            not is_never_on_linux(str(package.get("markers") or package.get("marker") or ""))
            and where is None
        ):
            names.append((name, version if isinstance(version, str) else None, place))
    return Requirements(
        names=tuple(names), local_paths=tuple(local), vcs=tuple(vcs), editable=editable,
        development=frozenset(development),
    )  # fmt: skip


def _local_source(source: Mapping[str, object], package: Mapping[str, object]) -> str | None:
    for key in ("directory", "editable", "virtual", "path"):
        if isinstance(source.get(key), str):
            return cast(str, source[key])
    if source.get("type") in {"directory", "file"} and isinstance(source.get("url"), str):
        return cast(str, source["url"])
    return cast(str, package["path"]) if isinstance(package.get("path"), str) else None


def _lines_of_tables(text: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines(), 1) if line.strip() == "[[package]]"]


def _pipfile_lock(path: str, text: str) -> Requirements | None:
    document = json_value(text)
    if not isinstance(document, dict):
        return None
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith('"') and stripped.endswith('": {'):
            lines.setdefault(stripped[1:-4], number)
    names: dict[str, tuple[str, str | None, Evidence]] = {}
    local: dict[str, None] = {}
    vcs: list[tuple[str, Evidence]] = []
    editable = False
    sections = [section for section in ("default", *document) if section != "_meta"]
    for section in sections:
        packages = document.get(section)
        for key, package in packages.items() if isinstance(packages, dict) else ():
            if not isinstance(package, dict):
                continue
            name = normalised(key)
            place = Evidence(path, lines.get(key), key)
            editable = editable or package.get("editable") is True
            if isinstance(package.get("path"), str):
                local.setdefault(posixpath.normpath(package["path"]))
                continue
            if isinstance(package.get("git"), str):
                vcs.append((_without_credentials(package["git"]), place))
            version = package.get("version")
            if not is_never_on_linux(str(package.get("markers") or "")):
                pinned = version[2:] if isinstance(version, str) and version.startswith("==") else None
                names.setdefault(name, (name, pinned, place))
    default = document.get("default")
    main = {normalised(key) for key in default} if isinstance(default, dict) else set()
    return Requirements(
        names=tuple(names.values()),
        local_paths=tuple(local),
        vcs=tuple(dict.fromkeys(vcs)),
        editable=editable,
        development=frozenset(names) - frozenset(main),
    )
