"""What is installed, by each package manager's own database."""

from __future__ import annotations

import sqlite3
import struct

from image_tars import Link, root_of
from msrefactor.verification.packages import read_installed


def test_dpkg_and_its_links_to_usr() -> None:
    status = (
        "Package: dash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 0.5\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    root = root_of(
        {
            "bin": Link("usr/bin"),
            "usr/bin/dash": "",
            "usr/bin/sh": Link("dash"),
            "var/lib/dpkg/status": status,
            "var/lib/dpkg/info/dash.list": "/.\n/bin\n/bin/dash\n",
        }
    )
    found = read_installed(root)
    assert found.system == {"dash": "0.5"}
    assert found.owner(root, "/bin/dash") == "dash"
    assert found.owner(root, "/usr/bin/sh") == "dash"
    assert found.owner(root, "/usr/bin/other") is None


def test_distroless_has_a_file_for_each_package() -> None:
    root = root_of(
        {
            "var/lib/dpkg/status.d/libssl3": "Package: libssl3\nVersion: 3.0\n",
            "var/lib/dpkg/status.d/libssl3.md5sums": "0123  usr/lib/libssl.so.3\n",
            "usr/lib/libssl.so.3": "",
        }
    )
    found = read_installed(root)
    assert found.system == {"libssl3": "3.0"}
    assert found.owners["/usr/lib/libssl.so.3"] == "libssl3"


def test_apk() -> None:
    database = (
        "P:musl\nV:1.2.5-r0\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\n\nP:busybox\nV:1.36\nF:bin\nR:busybox\n"
    )
    found = read_installed(root_of({"lib/apk/db/installed": database, "lib/ld-musl-x86_64.so.1": ""}))
    assert found.system == {"musl": "1.2.5-r0", "busybox": "1.36"}
    assert found.owners["/lib/ld-musl-x86_64.so.1"] == "musl"


def rpm_header(name: str, version: str, release: str, files: dict[str, list[str]]) -> bytes:
    """A header as rpm stores it: index entries (tag, type, offset, count), then their data."""
    folders = list(files)
    names = [one for folder in folders for one in files[folder]]
    numbers = [index for index, folder in enumerate(folders) for _ in files[folder]]
    data, entries = b"", []
    for tag, kind, texts in (
        (1000, 6, [name]),
        (1001, 6, [version]),
        (1002, 6, [release]),
        (1117, 8, names),
        (1118, 8, folders),
    ):
        entries.append(struct.pack(">IIII", tag, kind, len(data), len(texts)))
        data += b"".join(text.encode() + b"\0" for text in texts)
    data += bytes(-len(data) % 4)
    entries.append(struct.pack(">IIII", 1116, 4, len(data), len(numbers)))
    data += struct.pack(f">{len(numbers)}I", *numbers)
    return struct.pack(">II", len(entries), len(data)) + b"".join(entries) + data


def test_rpm() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
    header = rpm_header("bash", "5.2", "1.fc40", {"/usr/bin/": ["bash", "sh"], "/etc/skel/": [".bashrc"]})
    connection.execute("INSERT INTO Packages VALUES (1, ?)", (header,))
    connection.execute("INSERT INTO Packages VALUES (2, ?)", (b"damaged",))
    connection.commit()
    database = connection.serialize()
    connection.close()
    found = read_installed(root_of({"var/lib/rpm/rpmdb.sqlite": database, "usr/bin/sh": ""}))
    assert found.system == {"bash": "5.2-1.fc40"}
    assert found.owners == {"/usr/bin/bash": "bash", "/usr/bin/sh": "bash", "/etc/skel/.bashrc": "bash"}


def test_packages_of_python_and_node() -> None:
    root = root_of(
        {
            "venv/lib/python3/site-packages/My_Lib-1.dist-info/METADATA": "Name: My_Lib\nVersion: 1.0\n\nx",
            "app/node_modules/@scope/one/package.json": '{"version": "2.0"}',
            "app/node_modules/two/package.json": "not json",
            "app/package.json": '{"name": "the app"}',
        }
    )
    found = read_installed(root)
    assert found.python == {"my-lib": "1.0"}
    assert found.node == {"@scope/one": "2.0", "two": ""}
