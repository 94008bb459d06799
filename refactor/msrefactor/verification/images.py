"""An image as it is compared: its configuration, its size, and what of its files the configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msrefactor.verification.archives import ImageArchive
from msrefactor.verification.archives import read_image as read_archive


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of an image; mode and owner as numbers."""

    is_directory: bool
    mode: int
    owner: int
    group: int


@dataclass(frozen=True, slots=True)
class LayerSize:
    """One layer: its bytes, and the instruction that made it as the history tells it."""

    size: int
    created_by: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """An image's size in bytes, platform, effective configuration, and what of its files was asked for."""

    size: int
    platform: str
    config: Mapping[str, object]
    """`Config` of `docker image inspect`, or `config` of an OCI image configuration: the same keys."""
    user: tuple[int, int] | None
    """User and group id that the configured user stands for; None if the image doesn't know the user."""
    entries: Mapping[str, Entry]
    """Those of the paths asked for that exist."""
    layers: tuple[LayerSize, ...] = ()
    """From the base image's first to the last; those without files are left out."""
    archive: ImageArchive | None = field(default=None, compare=False)
    """Where its files are read from; to be closed when nobody asks any more."""

    def close(self) -> None:
        """Close the archive: nothing can be read any more."""
        if self.archive is not None:
            self.archive.filesystem.close()


def read_image(file: Path) -> Image:
    """Read a saved image; raises BadArchive and OSError."""
    archive = read_archive(file)
    root = archive.filesystem
    user = str(archive.config.get("User") or "")
    account = root.account(user)
    entries = {
        path: Entry(node.kind == "folder", node.mode, node.owner, node.group)
        for path in config_paths(archive.config)
        if (node := root.get(path)) is not None
    }
    layers = tuple(LayerSize(layer.size, layer.created_by) for layer in root.layers)
    return Image(
        sum(layer.size for layer in layers),
        archive.platform,
        archive.config,
        (account.uid, account.gid) if account is not None else None,
        entries,
        layers,
        archive,
    )


def config_paths(config: Mapping[str, object]) -> tuple[str, ...]:
    """Return the working directory and the folders of PATH."""
    path = variables(config).get("PATH", "")
    return tuple(sorted({str(config.get("WorkingDir") or "/"), *filter(None, path.split(":"))}))


def variables(config: Mapping[str, object]) -> Mapping[str, str]:
    """Return the environment as a map."""
    entries = config.get("Env")
    words = map(str, entries) if isinstance(entries, list) else ()
    return {name: value for name, _, value in (word.partition("=") for word in words)}
