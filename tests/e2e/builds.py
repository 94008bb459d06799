"""Builds and images as the tests use them, on the product's engine."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msrefactor.verification.engines import LABEL, Build, Engine, Recipe
from msrefactor.verification.filesystem import Filesystem, Layer, Node
from msrefactor.verification.images import Entry, Image, config_paths
from msrefactor.verification.trying import without_syntax_line

BUILD_SECONDS = 600
PREFIX = "msrefactor-e2e"


def build_image(
    engine: Engine,
    tag: str,
    context: Path,
    dockerfile: str,
    *,
    arguments: Mapping[str, str] | None = None,
    base_images: Mapping[str, str] | None = None,
    network: str = "host",
    seconds: float = BUILD_SECONDS,
) -> Build:
    """Build the named Dockerfile of a context.

    Its `# syntax=` line is left out, because that image can't be pulled everywhere.
    """
    with _without_syntax_line(context, dockerfile) as file:
        recipe = Recipe(
            context,
            file,
            arguments=tuple(f"{name}={value}" for name, value in (arguments or {}).items()),
            network=network,
            base_images=base_images or {},
        )
        return engine.build(tag, recipe, seconds=seconds)


def glance(engine: Engine, tag: str, paths: Sequence[str] = ()) -> Image:
    """Describe an image without saving it; its working directory and its PATH are always looked up."""
    (raw,) = json.loads(_checked(engine, "image", "inspect", tag))
    config = raw["Config"]
    # Never started, so the word that stands for a command needs not exist.
    container = _checked(
        engine, "create", f"--label={LABEL}={engine.run}", "--network=none", tag, "none"
    ).strip()
    try:
        wanted = sorted({*paths, *config_paths(config)})
        entries = {path: entry for path in wanted if (entry := _entry(container, path))}
        account = _accounts(engine, container).account(config.get("User") or "")
        user = (account.uid, account.gid) if account is not None else None
    finally:
        engine("rm", "--force", "--volumes", container)
    return Image(raw["Size"], f"{raw['Os']}/{raw['Architecture']}", config, user, entries)


@contextmanager
def _without_syntax_line(context: Path, dockerfile: str) -> Iterator[Path]:
    """The file to build: the context's own, or a copy beside the context if it has a `# syntax=` line."""
    original = context / dockerfile
    text = original.read_bytes().decode("utf-8", "surrogateescape")
    if without_syntax_line(text) == text:
        yield original
        return
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        copy = Path(folder, "Dockerfile")
        copy.write_bytes(without_syntax_line(text).encode("utf-8", "surrogateescape"))
        ignore = Path(f"{original}.dockerignore")
        if ignore.exists():
            shutil.copyfile(ignore, f"{copy}.dockerignore")
        yield copy


def _checked(engine: Engine, *arguments: str) -> str:
    ended = engine(*arguments)
    assert ended.succeeded, f"{engine.client} {' '.join(arguments)}: {ended.stderr}"
    return ended.stdout


def _entry(container: str, path: str) -> Entry | None:
    """What lies at a path of a container, from the first header of the archive that the engine sends."""
    if path == "/":
        return Entry(True, 0o755, 0, 0)
    source = f"{container}:{path}"
    with subprocess.Popen(
        ["docker", "cp", "--follow-link", source, "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        header = child.stdout.read(512)
        child.kill()
    if len(header) < 512:
        return None
    mode, owner, group = (int(header[a:b].strip(b"\0 "), 8) for a, b in ((100, 108), (108, 116), (116, 124)))
    return Entry(header[156:157] == b"5", mode & 0o7777, owner, group)


def _accounts(engine: Engine, container: str) -> Filesystem:
    """A container's root as far as accounts are looked up in it."""
    content, nodes = b"", {}
    for file in ("/etc/passwd", "/etc/group"):
        text = _text(engine, container, file).encode()
        nodes[file] = Node("file", 0o644, size=len(text), offset=len(content))
        content += text
    return Filesystem(
        {"/etc": Node("folder", 0o755), **nodes}, (Layer(io.BytesIO(content), 0, len(content)),)
    )


def _text(engine: Engine, container: str, path: str) -> str:
    """A small text file of a container; empty if there is none."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        copy = Path(folder, "file")
        ended = engine("cp", "--follow-link", f"{container}:{path}", str(copy))
        return copy.read_text(errors="replace") if ended.succeeded else ""
