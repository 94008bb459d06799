"""What an image carries and nobody can use: what later layers removed or replaced, package lists, caches."""

from __future__ import annotations

import json
import posixpath
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from msrefactor.contract import stage_index
from msrefactor.facts import base_image_text
from msrefactor.parse import parse

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
DATABASES = frozenset({"var/lib/dpkg/status", "lib/apk/db/installed", "var/lib/rpm/rpmdb.sqlite"})
OF_PACKAGES = ("usr/", "lib/", "lib64/", "bin/", "sbin/", "etc/")
"""Where packages have their files: a layer that installs some replaces those that others need newer."""
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


def waste_of(layers: Iterable[Iterable[tuple[str, int]]], inherited: int = 0) -> Waste:
    """Count the waste of layers, each the paths and sizes of its files as in the archive, whiteouts too.

    The first so many layers are the base image's: what they waste isn't the Dockerfile's doing.
    """
    alive: dict[str, int] = {}
    own: set[str] = set()
    total = lost = 0
    for number, layer in enumerate(layers):
        gone = 0
        entries = [(posixpath.normpath(path), size) for path, size in layer]
        installs = any(path in DATABASES for path, _ in entries)
        for path, _ in entries:
            folder, name = posixpath.split(path)
            if name == OPAQUE:
                gone += _taken(alive, [one for one in alive if one.startswith(f"{folder}/")])
            elif name.startswith(WHITEOUT):
                place = posixpath.join(folder, name.removeprefix(WHITEOUT))
                below = [one for one in alive if one == place or one.startswith(f"{place}/")]
                gone += _taken(alive, below)
        for path, size in entries:
            if posixpath.basename(path).startswith(WHITEOUT):
                continue
            gone += 0 if _is_rewritten(path) or _is_upgraded(path, installs) else alive.get(path, 0)
            alive[path] = size
            total += size
            if number >= inherited:
                own.add(path)
        lost += gone if number >= inherited else 0
    cached = sum(alive[path] for path in own & alive.keys() if any(f"/{c}/" in f"/{path}" for c in CACHES))
    return Waste(total, lost, cached)


def _is_rewritten(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in REWRITTEN)


def _is_upgraded(path: str, installs: bool) -> bool:
    return installs and path.startswith(OF_PACKAGES) and not path.startswith("usr/local/")


def _taken(alive: dict[str, int], paths: list[str]) -> int:
    return sum(alive.pop(path) for path in paths)


def waste_of_image(tag: str, base: str = "") -> Waste:
    """Count the waste of an image without that of its base, from what `docker save` writes."""
    inherited = layers_of(base) if base not in ("", "scratch") else 0
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        file = Path(folder, "image.tar")
        subprocess.run(["docker", "save", "-o", str(file), tag], check=True, timeout=BUILD_SECONDS)
        with tarfile.open(file) as image:
            manifest = image.extractfile("manifest.json")
            assert manifest is not None
            (described,) = json.load(manifest)
            return waste_of((_files(image, name) for name in described["Layers"]), inherited)


@cache
def layers_of(tag: str) -> int:
    """Return how many layers an image has; BuildKit may have built on it without keeping it."""
    look = ["docker", "image", "inspect", "--format", "{{len .RootFS.Layers}}", tag]
    told = subprocess.run(look, check=False, capture_output=True, text=True)
    if told.returncode:
        subprocess.run(["docker", "pull", "--quiet", tag], check=True, timeout=BUILD_SECONDS)
        told = subprocess.run(look, check=True, capture_output=True, text=True)
    return int(told.stdout)


def base_of(file: Path, base_images: Mapping[str, str]) -> str:
    """Return the image that the final stage of a Dockerfile is built on, through the stages between."""
    dockerfile = parse(file.read_text())
    index: int | None = len(dockerfile.stages) - 1
    image = ""
    while index is not None:
        image = base_image_text(dockerfile, dockerfile.stages[index])
        index = stage_index(dockerfile, image, index)
    return base_images.get(image, image)


def _files(image: tarfile.TarFile, name: str) -> list[tuple[str, int]]:
    inner = image.extractfile(name)
    assert inner is not None
    with tarfile.open(fileobj=inner, mode="r|*") as layer:
        return [(entry.name, entry.size if entry.isfile() else 0) for entry in layer if not entry.isdir()]
