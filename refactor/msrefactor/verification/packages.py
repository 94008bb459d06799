"""What the package managers of an image say is installed: names, versions, and who owns which file.

Read are dpkg's status and lists (also distroless' `status.d`), apk's database, rpm's SQLite database, the
distributions of Python and the packages of Node.
"""

from __future__ import annotations

import json
import posixpath
import sqlite3
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msrefactor.verification.filesystem import Filesystem

_DPKG = "/var/lib/dpkg"
_APK = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")
_RPM = ("/var/lib/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite")
_LARGEST = 200_000_000


@dataclass(frozen=True, slots=True)
class Installed:
    """The packages of one image."""

    system: Mapping[str, str] = field(default_factory=dict)
    """Packages of the distribution: name and version."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Path, folders above it without symbolic links, and the package of the distribution that owns it."""
    python: Mapping[str, str] = field(default_factory=dict)
    node: Mapping[str, str] = field(default_factory=dict)

    def owner(self, root: Filesystem, path: str) -> str | None:
        """Return the package that owns a path, or what the path leads to."""
        for one in (path, root.resolve(path, follow_last=False), root.resolve(path)):
            if one is not None and one in self.owners:
                return self.owners[one]
        return None


def read_installed(root: Filesystem) -> Installed:
    """Return what is installed in an image."""
    system: dict[str, str] = {}
    owners: dict[str, str] = {}
    folders: dict[str, str] = {}
    for package, version, paths in (*_dpkg(root), *_apk(root), *_rpm(root)):
        system[package] = version
        for path in paths:
            above, base = posixpath.split(path)
            if above not in folders:
                folders[above] = root.resolve(above) or above
            owners[posixpath.join(folders[above], base)] = package
    return Installed(system, owners, dict(_python(root)), dict(_node(root)))


def _fields(paragraph: str) -> Mapping[str, str]:
    """Return the one-line fields of a paragraph of dpkg's status or of Python's METADATA."""
    found: dict[str, str] = {}
    for line in paragraph.splitlines():
        name, mark, value = line.partition(":")
        if mark and name and not name[0].isspace():
            found.setdefault(name, value.strip())
    return found


def _dpkg(root: Filesystem) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    names = set(root.names(f"{_DPKG}/info"))
    for paragraph in (root.text(f"{_DPKG}/status", _LARGEST) or "").split("\n\n"):
        fields = _fields(paragraph)
        package = fields.get("Package")
        if package and fields.get("Status", "").endswith(" installed"):
            lists = [f"{package}.list", f"{package}:{fields.get('Architecture')}.list"]
            text = next((root.text(f"{_DPKG}/info/{one}", _LARGEST) for one in lists if one in names), None)
            yield package, fields.get("Version", ""), tuple((text or "").split("\n"))
    for name in root.names(f"{_DPKG}/status.d"):
        if name.endswith(".md5sums"):
            continue
        fields = _fields(root.text(f"{_DPKG}/status.d/{name}") or "")
        sums = root.text(f"{_DPKG}/status.d/{name}.md5sums") or ""
        paths = tuple("/" + line.partition("  ")[2].lstrip("./") for line in sums.splitlines())
        yield fields.get("Package", name), fields.get("Version", ""), paths


def _apk(root: Filesystem) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for database in _APK:
        for paragraph in (root.text(database, _LARGEST) or "").split("\n\n"):
            package, version, folder = "", "", ""
            paths: list[str] = []
            for line in paragraph.splitlines():
                match line[:2]:
                    case "P:":
                        package = line[2:]
                    case "V:":
                        version = line[2:]
                    case "F:":
                        folder = "/" + line[2:]
                        paths.append(folder)
                    case "R:":
                        paths.append(posixpath.join(folder, line[2:]))
            if package:
                yield package, version, tuple(paths)


def _rpm(root: Filesystem) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    content = next((found for path in _RPM if (found := root.read(path, _LARGEST)) is not None), None)
    if content is None:
        return
    try:
        connection = sqlite3.connect(":memory:")
        try:
            connection.deserialize(content)
            rows = connection.execute("SELECT blob FROM Packages").fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return
    for (blob,) in rows:
        package = _rpm_header(blob)
        if package is not None:
            yield package


def _rpm_header(blob: bytes) -> tuple[str, str, tuple[str, ...]] | None:
    """Read one header of rpm's database (rpm's docs/manual/format_header.md): index entries, then data."""
    name, version, release, basenames, folders, indexes = 1000, 1001, 1002, 1117, 1118, 1116
    try:
        count, size = struct.unpack_from(">II", blob)
        data = blob[8 + 16 * count : 8 + 16 * count + size]
        texts: dict[int, list[str]] = {}
        numbers: list[int] = []
        for index in range(count):
            tag, _, offset, length = struct.unpack_from(">IIII", blob, 8 + 16 * index)
            if tag in (name, version, release, basenames, folders):
                parts = data[offset:].split(b"\0", length)[:length]
                texts[tag] = [part.decode(errors="surrogateescape") for part in parts]
            elif tag == indexes:
                numbers = list(struct.unpack_from(f">{length}I", data, offset))
        paths = tuple(
            texts[folders][number] + base
            for number, base in zip(numbers, texts.get(basenames, ()), strict=False)
        )
        return texts[name][0], f"{texts[version][0]}-{texts[release][0]}", paths
    except (struct.error, KeyError, IndexError):
        return None


def distribution_name(name: str) -> str:
    """Return a Python distribution's name as PEP 503 compares it."""
    return name.lower().replace("_", "-").replace(".", "-")


def distributions(root: Filesystem) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the folder of each Python distribution's metadata, and METADATA's fields."""
    for path, node in root.nodes.items():
        if node.kind == "folder" and path.endswith((".dist-info", ".egg-info")):
            text = root.text(f"{path}/METADATA") or root.text(f"{path}/PKG-INFO") or ""
            yield path, _fields(text.partition("\n\n")[0])
        elif node.kind == "file" and path.endswith(".egg-info"):
            yield path, _fields((root.text(path) or "").partition("\n\n")[0])


def _python(root: Filesystem) -> Iterator[tuple[str, str]]:
    for _, fields in distributions(root):
        if "Name" in fields:
            yield distribution_name(fields["Name"]), fields.get("Version", "")


def _node(root: Filesystem) -> Iterator[tuple[str, str]]:
    for path, node in root.nodes.items():
        if node.kind != "file" or not path.endswith("/package.json"):
            continue
        folder = posixpath.dirname(path)
        above, name = posixpath.split(folder)
        scope = posixpath.basename(above)
        if scope.startswith("@"):
            above, name = posixpath.dirname(above), f"{scope}/{name}"
        if posixpath.basename(above) == "node_modules":
            yield name, str(json_object(root.text(path)).get("version", ""))


def json_object(text: str | None) -> Mapping[str, object]:
    """Return a JSON object; empty when the text is none."""
    try:
        document = json.loads(text or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
