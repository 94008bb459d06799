"""The 28 errors that tutorials teach: each has fixtures, wrong files and right ones that look alike.

The numbers are those of a list that was drawn up from tutorials and official examples. What happens to each
is one of three: it is repaired where the repair is proved, it is told as an obstacle with its place, or it
breaks nothing and `--explain` remarks it. What the split does about a dropped proxy, an application of a
single page (11) and the port of .NET (28) is in its own fixtures.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import REPOSITORY

FIXTURES = REPOSITORY / "fixtures"

REPAIRED: Mapping[int, Sequence[str]] = {
    1: ("site-packages-missing", "node-modules-missing", "binary-missing"),
    2: (
        "user-site-of-non-root-user-missing",
        "python/user-site-closed",
        "python/user-site-closed-user-made-later",
        "python/user-site-without-path",
    ),
    3: ("python/user-site-by-python-path",),
    4: ("native/wheels-without-dependencies",),
    5: ("python/venv-moved", "python/venv-without-path"),
    6: ("linking/go-on-alpine", "linking/go-on-scratch"),
    7: ("linking/go-newer-glibc",),
    8: (
        "jars/maven-assembly-leaves-two",
        "jars/maven-shade-leaves-two",
        "flattened/dist-into-the-workdir",
        "flattened/node-modules",
        "sources/path-from-the-workdir",
        "sources/stage-of-another-name",
    ),
    9: ("node/tools-left-out", "node/tools-left-out-by-variable", "node/tools-left-out-by-yarn"),
    12: ("accounts/user-in-the-builder",),
    13: ("argument-not-declared",),
    14: (
        "starting/shell-form-on-scratch",
        "accounts/user-on-scratch",
        "certificates/https-on-scratch",
        "certificates/zone-on-scratch",
    ),
    16: ("rust/stand-in-stays",),
    20: ("php/extension-not-enabled",),
    21: ("go/every-package-to-one-file",),
    22: ("debian-packages/adduser-on-13", "debian-packages/renamed-on-13"),
}
TOLD: Mapping[int, Sequence[str]] = {
    2: ("python/user-site-closed-for-a-number",),
    4: ("native/library-not-installed",),
    5: ("python/venv-moved-by-relative-path", "python/venv-on-distroless"),
    6: ("linking/rust-on-alpine", "native/python-of-glibc-on-musl", "native/node-of-glibc-on-musl"),
    7: ("linking/rust-newer-glibc", "python/another-minor-version"),
    8: ("flattened/dist-and-package-json",),
    10: ("node/start-of-a-pruned-tool", "node/start-of-a-tool-left-out"),
    11: ("ports/nginx-by-the-old-port",),
    12: ("starting/curl-on-slim", "starting/curl-in-compose", "accounts/user-on-another-system"),
    14: ("starting/shell-form-with-a-variable",),
    15: ("go/without-c-and-sqlite",),
    16: ("rust/copied-from-a-cache-mount",),
    17: ("java/offline-without-modules",),
    18: (
        "java/launcher-by-its-old-name",
        "java/layertools-gone",
        "ignored/readme-of-a-backend",
        "ignored/jar-of-target",
    ),
    19: ("php/composer-of-a-newer-version",),
    20: ("php/extension-without-its-library", "php/extension-of-another-version"),
    21: ("go/every-package-and-several-programs",),
    22: ("debian-packages/gone-on-13",),
    27: ("java/gradle-on-a-jre", "java/maven-on-a-jre"),
    28: ("ports/aspnet-8-by-the-old-port",),
}
REMARKED: Mapping[int, Sequence[str]] = {
    8: ("jars/gradle-build-leaves-two",),
    12: ("remarks/health-check-of-the-builder",),
    23: ("remarks/chown-of-a-copy",),
    24: ("remarks/variable-of-the-builder",),
    25: ("remarks/tests-of-no-build",),
    26: ("remarks/headers-in-the-final-stage",),
}
RIGHT: Mapping[int, Sequence[str]] = {
    1: ("nothing-missing",),
    2: ("python/user-site-of-root", "python/user-site-opened"),
    3: ("python/user-site-by-python-path-module", "python/prefix-into-usr-local"),
    4: ("native/wheels-and-the-index", "native/wheels-of-a-whole-list", "native/library-installed"),
    5: ("python/venv-moved-and-only-its-python", "python/venv-by-its-path"),
    6: (
        "linking/go-without-c",
        "linking/go-that-needs-no-c",
        "linking/go-with-gcompat",
        "native/pure-node-on-musl",
        "native/python-that-falls-back",
    ),
    7: ("linking/go-older-glibc", "linking/rust-same-release"),
    8: (
        "jars/into-a-folder",
        "flattened/dist-meant-flat",
        "flattened/node-modules-kept",
        "sources/path-from-the-root",
    ),
    9: ("node/tools-installed", "node/tools-of-dependencies", "node/tools-of-another-package"),
    10: ("node/start-of-a-kept-tool", "node/start-of-a-fetched-tool"),
    11: ("ports/nginx-by-its-own-port", "ports/nginx-configured", "ports/port-of-another-target"),
    12: ("starting/curl-installed", "starting/wget-on-alpine", "remarks/stage-that-is-run"),
    13: ("argument-of-the-image-itself",),
    14: (
        "starting/shell-copied-to-scratch",
        "accounts/number-on-scratch",
        "certificates/certificates-copied",
    ),
    15: ("go/with-c-and-sqlite", "go/without-c-and-sqlite-in-go"),
    16: ("rust/stand-in-and-source-touched", "rust/stand-in-removed", "rust/copied-out-of-the-cache-mount"),
    17: ("java/offline-with-modules", "java/offline-of-one-module"),
    18: ("java/launcher-by-its-new-name", "java/tools-instead-of-layertools", "ignored/readme-kept"),
    19: ("php/composer-of-the-same-version", "php/composer-without-a-check"),
    20: ("php/extension-enabled", "php/settings-copied"),
    21: ("go/every-package-is-one", "go/every-package-to-a-folder"),
    22: (
        "debian-packages/adduser-on-12",
        "debian-packages/renamed-on-12",
        "debian-packages/from-another-source",
    ),
    23: ("remarks/copy-with-an-owner",),
    24: ("remarks/variable-in-both",),
    25: ("remarks/tests-of-a-target", "remarks/tests-of-a-bake-file"),
    26: ("remarks/library-in-the-final-stage",),
    27: ("java/gradle-on-a-jdk", "java/jar-on-a-jre"),
    28: ("ports/aspnet-8-told-to-listen", "ports/aspnet-8-by-its-port"),
}


def _of(table: Mapping[int, Sequence[str]]) -> list[tuple[int, str]]:
    return [(number, name) for number, names in table.items() for name in names]


def _folder(name: str) -> Path:
    return FIXTURES / "restore-artifacts" / name


def _told(name: str) -> dict[str, Any]:
    """Return what the snapshot, which another test compares, says of the transform's turn."""
    report = json.loads((_folder(name) / "expected" / "report.json").read_text("utf-8"))
    return dict(report["steps"][0])


def test_every_number_is_met_and_has_a_right_counterpart() -> None:
    assert set(REPAIRED) | set(TOLD) | set(REMARKED) == set(range(1, 29))
    assert set(RIGHT) == set(range(1, 29))


def test_every_fixture_that_is_listed_is_there() -> None:
    listed = {name for table in (REPAIRED, TOLD, REMARKED, RIGHT) for _, name in _of(table)}
    for name in listed:
        assert (_folder(name) / "case.toml").is_file(), name


@pytest.mark.parametrize(("number", "name"), _of(REPAIRED))
def test_is_repaired(number: int, name: str) -> None:
    case = tomllib.loads((_folder(name) / "case.toml").read_text("utf-8"))
    assert case["outcome"] == "changed", number
    told = _told(name)
    assert told["outcome"] == "changed"
    assert all(change["risk"] == "safe" and change["line"] for change in told["changes"])


@pytest.mark.parametrize(("number", "name"), _of(TOLD))
def test_is_told_with_its_place(number: int, name: str) -> None:
    told = _told(name)
    assert told["outcome"] == "refused", number
    assert told["refusal"]
    assert told["remedy"]
    assert told["evidence"]


@pytest.mark.parametrize(("number", "name"), _of(REMARKED))
def test_is_remarked(number: int, name: str) -> None:
    told = _told(name)
    assert told["outcome"] == "unchanged", number
    assert told["told"]
    assert told["told"][0]["evidence"]


@pytest.mark.parametrize(("number", "name"), _of(RIGHT))
def test_what_is_right_stays(number: int, name: str) -> None:
    told = _told(name)
    assert told["outcome"] == "unchanged", number
    assert "told" not in told
