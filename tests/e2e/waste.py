"""What an image carries and nobody can use: what later layers removed or replaced, package lists, caches."""

from __future__ import annotations

import json
import posixpath
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .builds import BUILD_SECONDS, PREFIX

CACHES = (
    "var/lib/apt/lists", "var/cache/apt/archives", "var/cache/apk", "var/cache/dnf", "var/cache/yum",
    ".cache/pip", ".cache/uv", ".cache/pypoetry/cache", ".cache/pypoetry/artifacts", ".cache/pipenv",
    ".npm/_cacache", "share/.cache/yarn", ".cache/yarn", "bundle/cache", ".composer/cache",
    ".cache/composer", "conda/pkgs",
)  # fmt: skip
"""Folders, each below the root, below a home, or wherever it is."""
REWRITTEN = (
    "etc/ld.so.cache", "var/cache/debconf", "var/cache/ldconfig", "var/lib/dpkg", "lib/apk/db", "var/lib/rpm",
)  # fmt: skip
"""What every install of a package writes anew, whatever the Dockerfile says: no waste of its author's."""
OPAQUE = ".wh..wh..opq"
WHITEOUT = ".wh."


@dataclass(frozen=True, slots=True)
class Waste:
    """Bytes of an image's layers."""

    total: int
    lost: int
    """Of files that a later layer removed or replaced."""
    cached: int
    """Of package lists and caches in the final image."""

    @property
    def share(self) -> float:
        """The part of the whole that is of no use."""
        return (self.lost + self.cached) / self.total if self.total else 0.0


def waste_of(layers: Iterable[Iterable[tuple[str, int]]]) -> Waste:
    """Count the waste of layers, each the paths and sizes of its files as in the archive, whiteouts too."""
    alive: dict[str, int] = {}
    total = lost = 0
    for layer in layers:
        entries = [(posixpath.normpath(path), size) for path, size in layer]
        for path, _ in entries:
            folder, name = posixpath.split(path)
            if name == OPAQUE:
                lost += _taken(alive, [one for one in alive if one.startswith(f"{folder}/")])
            elif name.startswith(WHITEOUT):
                gone = posixpath.join(folder, name.removeprefix(WHITEOUT))
                lost += _taken(alive, [one for one in alive if one == gone or one.startswith(f"{gone}/")])
        for path, size in entries:
            if posixpath.basename(path).startswith(WHITEOUT):
                continue
            lost += 0 if _is_rewritten(path) else alive.get(path, 0)
            alive[path] = size
            total += size
    cached = sum(size for path, size in alive.items() if any(f"/{c}/" in f"/{path}" for c in CACHES))
    return Waste(total, lost, cached)


def _is_rewritten(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in REWRITTEN)


def _taken(alive: dict[str, int], paths: list[str]) -> int:
    return sum(alive.pop(path) for path in paths)


def waste_of_image(tag: str) -> Waste:
    """Count the waste of an image, from what `docker save` writes."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        file = Path(folder, "image.tar")
        subprocess.run(["docker", "save", "-o", str(file), tag], check=True, timeout=BUILD_SECONDS)
        with tarfile.open(file) as image:
            manifest = image.extractfile("manifest.json")
            assert manifest is not None
            (described,) = json.load(manifest)
            return waste_of(_files(image, name) for name in described["Layers"])


def _files(image: tarfile.TarFile, name: str) -> list[tuple[str, int]]:
    inner = image.extractfile(name)
    assert inner is not None
    with tarfile.open(fileobj=inner, mode="r|*") as layer:
        return [(entry.name, entry.size if entry.isfile() else 0) for entry in layer if not entry.isdir()]
