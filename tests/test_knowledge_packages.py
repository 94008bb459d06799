"""System packages: what must be kept comes first."""

import pytest

from msrefactor.knowledge.images import describe
from msrefactor.knowledge.packages import (
    RELEASES,
    commands_of,
    common_name,
    installed_size_mb,
    is_build_only,
    lost_commands,
    lost_libraries,
    minimal_commands,
    package_of_command,
    runtime_packages,
)
from msrefactor.knowledge.tables import rows


@pytest.mark.parametrize(
    "name",
    "git curl wget ca-certificates libpq5 libpq-dev libssl-dev python3 nodejs ffmpeg unzip openssl file "
    "patch gettext procps bash netcat-openbsd postgresql-client libgomp1 gnupg sudo cron nginx tini vim "
    "less default-jdk".split(),
)
def test_not_build_only(name: str) -> None:
    assert not is_build_only(name, "debian")


@pytest.mark.parametrize(
    "name",
    "gcc g++ gcc-12 g++-13 clang-16 make cmake build-essential pkg-config pkgconf autoconf automake "
    "libtool bison flex python3-dev linux-headers-amd64 libc6-dev gfortran ninja-build golang-go "
    "libeigen3-dev gcc=4:12.2.0-3 gcc:amd64".split(),
)
def test_build_only(name: str) -> None:
    assert is_build_only(name, "debian")


def test_build_only_on_other_systems() -> None:
    for name in (
        "build-base",
        "musl-dev",
        "linux-headers",
        ".build-deps",
        ".build-dependencies",
        "python3-dev",
        "g++",
    ):
        assert is_build_only(name, "alpine")
    for name in (
        "git",
        "libpq",
        "postgresql-dev",
        "libffi-dev",
        ".rundeps",
        ".runtime-deps",
        "bash",
        "libstdc++",
    ):
        assert not is_build_only(name, "alpine")
    assert is_build_only("gcc-c++", "rpm")
    assert not is_build_only("libpq-devel", "rpm")
    assert is_build_only("build-essential", "ubuntu")
    assert not is_build_only("libpq-dev", "ubuntu")


@pytest.mark.parametrize(
    ("name", "system", "releases"),
    [
        ("git", "debian", ("bookworm",)),
        ("libnonsense-dev", "debian", ("bookworm",)),
        ("libpq-dev", "debian", ()),  # which release isn't known
        ("libpq-dev", "debian", ("buster",)),
        ("libpq-dev", "debian", ("bookworm", "forky")),
        ("libpq-dev", "ubuntu", ("jammy",)),
        ("libpq-devel", "rpm", ()),
        ("libicu-dev", "debian", ("bookworm", "trixie")),  # libicu72, libicu76
        ("libmagickwand-dev", "debian", ("bookworm", "trixie")),
        ("libaio-dev", "debian", ("bookworm", "trixie")),  # libaio1t64 doesn't provide libaio1
        ("libpcre3-dev", "debian", ("bookworm", "trixie")),  # not in trixie
        ("libffi-dev", "debian", ("bullseye", "bookworm")),  # libffi7, libffi8
        ("boost-dev", "alpine", ("3.20",)),
    ],
)
def test_run_time_packages_not_known(name: str, system: str, releases: tuple[str, ...]) -> None:
    assert runtime_packages(name, system, releases) is None


@pytest.mark.parametrize(
    ("name", "releases", "expected"),
    [
        ("libpq-dev", ("bullseye", "bookworm", "trixie"), ("libpq5",)),
        ("libpq-dev=15.3-0+deb12u1", ("bookworm",), ("libpq5",)),
        ("libssl-dev", ("bullseye",), ("libssl1.1",)),
        ("libssl-dev", ("bookworm",), ("libssl3",)),
        ("libssl-dev", ("trixie",), ("libssl3t64",)),
        ("libssl-dev", ("bookworm", "trixie"), ("libssl3",)),  # trixie's libssl3t64 provides it
        ("libglib2.0-dev", ("bookworm", "trixie"), ("libglib2.0-0",)),
        ("libcurl4-openssl-dev", ("bullseye", "bookworm", "trixie"), ("libcurl4",)),
        ("libffi-dev", ("bookworm", "trixie"), ("libffi8",)),
        ("default-libmysqlclient-dev", ("bookworm", "trixie"), ("libmariadb3",)),
        ("libjpeg-dev", ("bookworm",), ("libjpeg62-turbo",)),
        ("libxml2-dev", ("bookworm", "trixie"), ("libxml2",)),
        ("libvips-dev", ("trixie",), ("libvips42t64",)),
        ("libldap2-dev", ("bookworm",), ("libldap-2.5-0",)),
        ("libldap2-dev", ("trixie",), ("libldap2",)),
        ("libeigen3-dev", ("bookworm",), ()),
        ("libboost-dev", ("bookworm",), ()),
        ("gcc", ("bookworm",), ()),
        ("build-essential", ("buster",), ()),
        ("python3-dev", ("bookworm",), ()),
    ],
)
def test_run_time_packages(name: str, releases: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert runtime_packages(name, "debian", releases) == expected


def test_run_time_packages_of_alpine() -> None:
    assert runtime_packages("postgresql-dev", "alpine", ()) == ("libpq",)
    assert runtime_packages("g++", "alpine", ()) == ("libstdc++", "libgcc")
    assert runtime_packages("musl-dev", "alpine", ()) == ()
    assert runtime_packages("nonsense-dev", "alpine", ()) is None
    assert runtime_packages("openssl-dev", "alpine", ("3.20",)) == ("libssl3", "libcrypto3")
    assert runtime_packages("openssl-dev", "alpine", ("3.12",)) == ("openssl",)
    assert runtime_packages("openssl-dev", "alpine", ()) == ("openssl",)


def test_one_name_for_two_releases() -> None:
    assert common_name({"bookworm": "libssl3", "trixie": "libssl3t64"}) == "libssl3"
    assert common_name({"bookworm": "libicu72", "trixie": "libicu76"}) is None
    assert common_name({"bookworm": "libpq5"}) == "libpq5"


def test_what_a_slim_python_loses() -> None:
    full, slim = describe("python:3.12-bookworm"), describe("python:3.12-slim-bookworm")
    lost = lost_commands(full, slim)
    assert lost["curl"] == "curl"
    assert lost["git"] == "git"
    assert lost["ps"] == "procps"
    assert lost["gcc"] == "gcc"
    assert lost["convert"] == "imagemagick"
    assert lost["pg_config"] == "libpq-dev"
    for kept in (
        "python",
        "python3",
        "pip",
        "sh",
        "bash",
        "openssl",
        "perl",
        "update-ca-certificates",
        "useradd",
        "tar",
    ):
        assert kept not in lost
    libraries = lost_libraries(full, slim)
    assert {"libpq5", "libgomp1", "libglib2.0-0", "libmagic1", "libmariadb3", "libexpat1"} <= libraries
    assert not {"libssl3", "libsqlite3-0", "libffi8", "libstdc++6", "zlib1g", "libpq-dev"} & libraries


def test_what_a_slim_node_loses() -> None:
    lost = lost_commands(describe("node:20-bookworm"), describe("node:20-bookworm-slim"))
    assert lost["openssl"] == "openssl"
    assert lost["update-ca-certificates"] == "ca-certificates"
    assert lost["python3"] == "python3"
    assert "node" not in lost
    assert "yarn" not in lost


def test_a_language_image_loses_its_language() -> None:
    lost = lost_commands(describe("golang:1.24"), describe("debian:trixie-slim"))
    assert lost["go"] == ""
    assert lost["git"] == "git"
    assert "sh" not in lost
    assert "adduser" in lost  # in golang's trixie image, not in debian:trixie-slim
    lost = lost_commands(describe("golang:1.24-bookworm"), describe("gcr.io/distroless/static-debian12"))
    assert {"sh", "ls", "go"} <= set(lost)


def test_nothing_is_lost_where_nothing_changes_or_nothing_is_known() -> None:
    full = describe("python:3.12-bookworm")
    assert lost_commands(full, full) == {}
    assert lost_libraries(full, full) == frozenset()
    assert lost_commands(describe("ubuntu:22.04"), describe("ubuntu:22.04")) == {}
    assert lost_libraries(describe("ubuntu:22.04"), describe("ubuntu:22.04")) == frozenset()


def test_floating_tags_lose_what_any_of_their_releases_loses() -> None:
    libraries = lost_libraries(describe("python:3.12"), describe("python:3.12-slim"))
    assert {"libicu72", "libicu76", "libglib2.0-0", "libglib2.0-0t64"} <= libraries


def test_commands_and_their_packages() -> None:
    assert package_of_command("psql", "debian") == "postgresql-client"
    assert package_of_command("nc", "debian") == "netcat-openbsd"
    assert package_of_command("mysql", "debian") == "default-mysql-client"
    assert package_of_command("java", "debian") == "default-jre-headless"
    assert package_of_command("xml2-config", "debian") == "libxml2-dev"
    assert package_of_command("nc", "alpine") == "busybox"
    assert package_of_command("bash", "alpine") == "bash"
    assert package_of_command("gosu", "alpine") == "gosu"
    assert package_of_command("no-such-command", "debian") is None
    assert package_of_command("yarn", "debian") is None  # Debian's yarnpkg has no command of that name
    assert package_of_command("curl", "rpm") is None
    assert {"ps", "top", "pkill"} <= set(commands_of("procps"))
    assert "ffmpeg" in commands_of("ffmpeg")
    assert "convert" in commands_of("imagemagick")
    assert "psql" in commands_of("postgresql-client")
    assert commands_of("no-such-package") == ()


def test_what_the_smallest_images_have() -> None:
    for system, release in (
        ("debian", "bookworm"),
        ("debian", "trixie"),
        ("debian", None),
        ("ubuntu", "noble"),
    ):
        commands = minimal_commands(system, release)
        assert {
            "sh",
            "bash",
            "ls",
            "cat",
            "sed",
            "awk",
            "grep",
            "tar",
            "gzip",
            "useradd",
            "groupadd",
            "perl",
        } <= commands
        assert not {"curl", "wget", "ps", "git", "python3", "openssl", "gcc", "nc", "ping"} & commands
    assert "adduser" in minimal_commands("debian", "bookworm")
    assert "adduser" not in minimal_commands("debian", "trixie")
    alpine = minimal_commands("alpine", "3.20")
    assert {"sh", "wget", "nc", "adduser", "apk", "["} <= alpine
    assert not {"bash", "curl", "useradd", "git"} & alpine
    assert minimal_commands("distroless", None) == frozenset()
    rpm = minimal_commands("rpm", None)
    assert {"sh", "chmod", "mkdir", "cp"} <= rpm
    assert not {"useradd", "tar", "find", "gzip", "which"} & rpm


def test_sizes() -> None:
    curl = installed_size_mb("curl", "bookworm")
    assert curl is not None
    assert 10 < curl < 15
    compiler = installed_size_mb("build-essential", "trixie")
    assert compiler is not None
    assert compiler > 200
    assert installed_size_mb("libpq5", "trixie") is not None
    assert installed_size_mb("no-such-package", "bookworm") is None
    assert installed_size_mb("curl", "buster") is None
    assert installed_size_mb("curl", None) is None


@pytest.mark.parametrize(
    ("table", "cells"),
    [
        ("debian_dev_runtime.tsv", 4),
        ("debian_renamed.tsv", 4),
        ("debian_sizes.tsv", 4),
        ("debian_contents.tsv", 4),
        ("debian_commands.tsv", 3),
        ("tools.tsv", 3),
        ("tags.tsv", 6),
    ],
)
def test_tables_are_well_formed(table: str, cells: int) -> None:
    seen = [tuple(row) for row in rows(table)]
    assert seen
    assert all(len(row) == cells and all(row) for row in seen)
    keys = [row[:4] if table == "tags.tsv" else row[:2] for row in seen]
    assert len(keys) == len(set(keys))


def test_every_release_has_every_kind_of_image() -> None:
    kinds = {(kind, release) for kind, release, _, _ in rows("debian_contents.tsv")}
    assert {release for _, release in kinds} == set(RELEASES)
    assert len(kinds) == len({kind for kind, _ in kinds}) * len(RELEASES)
