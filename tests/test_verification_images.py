"""Images are read from archives as an engine would lay their layers on each other."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from msrefactor.verification.images import Entry, Image, read_image

USERS = "root:x:0:0::/root:/bin/sh\nguest:x:10001:10002::/home/guest:/bin/sh\n"
GROUPS = "root:x:0:\nguest:x:10002:\ntty:x:5:\n"


def layer(files: Mapping[str, str | None], **attributes: int) -> bytes:
    """A layer: texts, `-> target` for a symbolic link, `=> target` for a hard link, None for a folder."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode = attributes.get("mode", 0o644)
            content = b""
            if text is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            elif text.startswith("-> "):
                entry.type, entry.linkname = tarfile.SYMTYPE, text[3:]
            elif text.startswith("=> "):
                entry.type, entry.linkname = tarfile.LNKTYPE, text[3:]
            else:
                content = text.encode()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def archive(
    file: Path, layers: Sequence[bytes], config: Mapping[str, object], *, is_oci: bool = False
) -> Path:
    described = {"os": "linux", "architecture": "amd64", "config": config}
    blobs = {"config.json": json.dumps(described).encode()}
    blobs |= {f"{index}/layer.tar": data for index, data in enumerate(layers)}
    if is_oci:
        blobs = {f"blobs/sha256/{name.replace('/', '-')}": data for name, data in blobs.items()}
        digests = [name.removeprefix("blobs/").replace("/", ":") for name in blobs]
        manifest = {"config": {"digest": digests[0]}, "layers": [{"digest": one} for one in digests[1:]]}
        blobs["oci-layout"] = b"{}"
        blobs["blobs/sha256/m"] = json.dumps(manifest).encode()
        attestation = {
            "digest": "sha256:a",
            "platform": {"os": "unknown"},
        }
        blobs["index.json"] = json.dumps({"manifests": [{"digest": "sha256:m"}, attestation]}).encode()
    else:
        names = list(blobs)
        blobs["manifest.json"] = json.dumps([{"Config": names[0], "Layers": names[1:]}]).encode()
    with tarfile.open(file, "w") as tar:
        for name, data in blobs.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return file


def files(image: Image) -> Mapping[str, str]:
    assert image.archive is not None
    root = image.archive.filesystem
    return {path[1:]: root.text(path) or node.target for path, node in root.nodes.items() if path != "/"}


LAYERS = (
    layer(
        {"etc": None, "etc/passwd": USERS, "etc/group": GROUPS, "opt": None, "opt/old": "o", "tmp/x": "xx"}
    ),
    layer({"etc/a": "first", "etc/b": "=> etc/a", "etc/c": "=> etc/a", "srv/l": "-> ../opt"}),
    layer({"etc/a": "second", "opt/.wh..wh..opq": "", "opt/new": "n", "tmp/.wh.x": ""}),
)
LEFT = {
    "etc": "", "etc/passwd": USERS, "etc/group": GROUPS, "opt": "", "opt/new": "n",
    "etc/a": "second", "etc/b": "first", "etc/c": "first", "srv": "", "srv/l": "../opt",
}  # fmt: skip


@pytest.mark.parametrize("is_oci", [False, True])
@pytest.mark.parametrize("is_packed", [False, True])
def test_layers_lie_on_each_other(tmp_path: Path, is_oci: bool, is_packed: bool) -> None:
    layers = [gzip.compress(data) for data in LAYERS] if is_packed else LAYERS
    file = archive(tmp_path / "image.tar", layers, {"User": "guest"}, is_oci=is_oci)
    if is_packed:
        file.write_bytes(gzip.compress(file.read_bytes()))
    with closing(read_image(file)) as image:
        assert files(image) == LEFT
    assert [one.size for one in image.layers] == [len(data) for data in LAYERS]
    assert image.size == sum(map(len, LAYERS))
    assert (image.platform, image.user) == ("linux/amd64", (10001, 10002))


def test_folders_of_the_configuration_are_found_through_links(tmp_path: Path) -> None:
    config = {"WorkingDir": "/srv/l/deep", "Env": ["PATH=/srv/l:/nowhere:/opt/new"]}
    last = layer({"opt/deep": None, "opt/new": "n"})
    with closing(read_image(archive(tmp_path / "i.tar", [LAYERS[0], LAYERS[1], last], config))) as image:
        pass
    assert image.entries == {
        "/srv/l": Entry(True, 0o755, 0, 0),
        "/srv/l/deep": Entry(True, 0o755, 0, 0),
        "/opt/new": Entry(False, 0o644, 0, 0),
    }
