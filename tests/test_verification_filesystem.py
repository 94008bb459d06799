from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest

from image_tars import Entries, File, Folder, Link, io_file, root_of, saved, tar_of
from msrefactor.verification.archives import BadArchive, read_image
from msrefactor.verification.filesystem import Filesystem


def listing(root: Filesystem) -> list[str]:
    return sorted(path for path, node in root.nodes.items() if node.kind != "folder")


def test_an_export_is_read_with_modes_owners_and_bytes() -> None:
    root = root_of({"app": Folder(0o750, 7, 8), "app/run": File("hello", 0o4755, 7, 8)})
    node = root.nodes["/app/run"]
    assert (node.kind, node.mode, node.owner, node.group, node.size) == ("file", 0o4755, 7, 8, 5)
    assert root.read("/app/run") == b"hello"
    assert root.nodes["/app"].mode == 0o750
    assert root.read("/app/run", limit=4) is None


def test_links_are_followed_inside_the_root() -> None:
    root = root_of(
        {
            "bin": Link("usr/bin"),
            "usr/bin/python3.12": File("p", 0o755),
            "usr/bin/python": Link("../../../../usr/bin/python3.12"),
            "loop": Link("loop"),
            "lost": Link("/nowhere/at/all"),
        }
    )
    assert root.resolve("/bin/python") == "/usr/bin/python3.12"
    assert root.resolve("/bin/python", follow_last=False) == "/usr/bin/python"
    assert root.resolve("/loop") is None
    assert root.resolve("/bin/python/x") is None
    assert root.broken_link("/lost/file") == ("/lost", "/nowhere/at/all")
    assert root.broken_link("/bin/python") is None


@pytest.mark.parametrize("form", ["docker", "oci"])
@pytest.mark.parametrize("compress", [False, True])
def test_layers_lie_upon_each_other(tmp_path: Path, form: str, compress: bool) -> None:
    layers: list[Entries] = [
        {
            "a": "1",
            "d": Folder(),
            "d/old": "x",
            "e": Folder(),
            "e/old": "x",
            "f": "file",
            "lib": Link("usr/lib"),
        },
        {"a": "2", ".wh.f": "", "e/.wh..wh..opq": "", "e/new": "n", "usr/lib": Folder(), "d": "a file now"},
        {"lib/late": "l", "hard": Link("a", is_hard=True)},
    ]
    image = read_image(saved(tmp_path / "i.tar", layers, {"User": "7"}, form=form, compress=compress))
    with image.filesystem as root:
        check_layers(root)
    assert (image.config, image.platform) == ({"User": "7"}, "linux/amd64")


def check_layers(root: Filesystem) -> None:
    assert listing(root) == ["/a", "/d", "/e/new", "/hard", "/lib", "/usr/lib/late"]
    assert root.read("/a") == b"2"
    assert root.read("/hard") == b"2"
    assert root.read("/lib/late") == b"l"
    assert root.nodes["/a"].layer == 1
    assert [layer.created_by for layer in root.layers] == ["layer 0", "layer 1", "layer 2"]


def test_a_whole_archive_may_be_compressed(tmp_path: Path) -> None:
    path = saved(tmp_path / "i.tar", [{"a": "1"}])
    path.write_bytes(gzip.compress(path.read_bytes()))
    with read_image(path).filesystem as root:
        assert root.read("/a") == b"1"


def test_names_that_lead_out_of_the_root_stay_inside() -> None:
    root = root_of({"../../etc/passwd": "x", "up": Link("../../../etc/passwd")})
    assert root.read("/up") == b"x"


@pytest.mark.parametrize(
    "entries",
    [
        {"manifest.json": '[{"Config": "c.json", "Layers": ["lost.tar"]}]'},
        {"manifest.json": "["},
        {"oci-layout": "{}", "index.json": '{"manifests": []}'},
        {"oci-layout": "{}", "index.json": '{"manifests": [{"digest": "sha256:77"}]}'},
    ],
)
def test_a_damaged_image_is_said_in_one_line(entries: Mapping[str, str]) -> None:
    with pytest.raises(BadArchive) as caught:
        read_image(io_file(tar_of(entries)), "image.tar")
    assert str(caught.value).startswith("image.tar: ")
    assert "\n" not in str(caught.value)


def test_what_is_no_archive_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(BadArchive, match="docker save"):
        read_image(path)


def test_a_manifest_of_the_application_makes_no_image() -> None:
    root = root_of({"manifest.json": '{"name": "an app"}', "index.json": "{}", "app": "1"})
    assert listing(root) == ["/app", "/index.json", "/manifest.json"]


def test_an_account_is_what_the_engine_makes_of_user() -> None:
    root = root_of(
        {
            "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:100:101::/home/app:/bin/sh\n",
            "etc/group": "root:x:0:\napp:x:101:\nmore:x:102:app\n",
            "own": File("", 0o700, 100, 0),
            "shared": File("", 0o050, 0, 102),
            "closed": Folder(0o700),
            "closed/x": File("", 0o777),
        }
    )
    app = root.account("app")
    assert app is not None
    assert (app.uid, app.gid, app.groups, app.home) == (100, 101, frozenset({102}), "/home/app")
    named = root.account("100:more")
    assert named is not None
    assert (named.uid, named.gid) == (100, 102)
    assert root.account("nobody-knows") is None
    assert root.account("4711") is not None
    assert root.may(app, "/own", 1)
    assert root.may(app, "/shared", 1)
    assert not root.may(app, "/shared", 2)
    assert root.closed_folder(app, "/closed/x") == "/closed"
