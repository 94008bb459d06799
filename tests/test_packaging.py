"""The built distributions, and the documents that must agree with the program."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import click
import pytest

import msrefactor
from conftest import REPOSITORY
from msrefactor.cli import command
from msrefactor.explain import transform_table
from msrefactor.pipeline import transforms

SOURCES = (REPOSITORY / "refactor/msrefactor", REPOSITORY / "transforms/msrefactor_transforms")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and the source distribution once."""
    folder = tmp_path_factory.mktemp("dist")
    environment = dict(os.environ)
    if importlib.util.find_spec("hatchling") is None:
        tools = tmp_path_factory.mktemp("hatchling")
        pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(tools), "hatchling>=1.24"]
        subprocess.run(pip, check=True)
        environment["PYTHONPATH"] = str(tools)
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, env=environment, check=True, capture_output=True)
    return folder


def test_wheel_has_both_packages_with_all_their_data_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(built / f"msrefactor-{msrefactor.__version__}-py3-none-any.whl") as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {
        file.relative_to(source.parent).as_posix()
        for source in SOURCES
        for file in source.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    shared = {name for name in names if ".data/data/share/" in name}
    assert {name.rpartition("/")[2] for name in shared} == {
        "msrefactor.1",
        "msrefactor",
        "_msrefactor",
        "msrefactor.fish",
    }
    assert names - shared == expected
    assert {"msrefactor/py.typed", "msrefactor_transforms/py.typed", "msrefactor/cli.py"} <= names


def test_wheel_says_what_it_is(built: Path) -> None:
    with zipfile.ZipFile(built / f"msrefactor-{msrefactor.__version__}-py3-none-any.whl") as wheel:
        info = f"msrefactor-{msrefactor.__version__}.dist-info"
        metadata = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
        scripts = wheel.read(f"{info}/entry_points.txt").decode()
        assert f"{info}/licenses/LICENSE" in wheel.namelist()
    assert metadata["Name"] == "msrefactor"
    assert metadata["Version"] == msrefactor.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    needed = [item for item in metadata.get_all("Requires-Dist", []) if "extra ==" not in item]
    assert {item.split(">")[0].lower() for item in needed} == {
        "click",
        "dockerfile-parse",
        "libcst",
        "pathspec",
        "pyyaml",
    }
    assert scripts == "[console_scripts]\nmsrefactor = msrefactor.cli:main\n"


@pytest.mark.parametrize("arguments", [["--version"], ["--list"], ["--diff", "Dockerfile"]])
def test_installed_wheel_runs_without_the_repository(
    built: Path, tmp_path: Path, arguments: list[str]
) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(built / f"msrefactor-{msrefactor.__version__}-py3-none-any.whl") as wheel:
        wheel.extractall(site)  # noqa: S202  our own archive
    (tmp_path / "Dockerfile").write_text("FROM nginx\n")
    code = (
        "import sys; from msrefactor import cli; import msrefactor_transforms as transforms; "
        f"assert cli.__file__.startswith({str(site)!r}); "
        f"assert transforms.__file__.startswith({str(site)!r}); "
        "sys.exit(cli.main())"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, env=environment, check=True)


def test_source_distribution_has_what_is_needed_to_test_and_nothing_private(built: Path) -> None:
    with tarfile.open(built / f"msrefactor-{msrefactor.__version__}.tar.gz") as archive:
        names = {member.name.split("/", 1)[1] for member in archive.getmembers() if "/" in member.name}
    assert {
        "pyproject.toml",
        "Makefile",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "refactor/msrefactor/cli.py",
        "transforms/msrefactor_transforms/__init__.py",
        "tests/test_packaging.py",
        "fixtures/split-stages/python/flask-single-stage/context/Dockerfile",
    } <= names
    assert not {name for name in names if name.startswith((".venv", ".git/", ".mypy_cache", "dist/"))}
    assert not {name for name in names if name.endswith((".pyc", ".tmp"))}


def test_readme_has_the_table_of_transforms() -> None:
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    table = readme.split("<!-- transforms: begin -->\n")[1].split("<!-- transforms: end -->")[0]
    assert table == transform_table(transforms()), (
        f"put this into README.md:\n{transform_table(transforms())}"
    )


def test_readme_names_every_option() -> None:
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name not in {"help"}:
            assert any(f"`{name}" in readme or f" {name}" in readme for name in parameter.opts), (
                parameter.opts
            )


@pytest.mark.parametrize("code", [0, 1, 2, 3, 123, 130])
def test_readme_and_help_have_the_same_exit_codes(code: int) -> None:
    assert f"\n| {code}" in (REPOSITORY / "README.md").read_text("utf-8")
    assert command.epilog is not None
    assert f" {code}" in command.epilog


def test_changelog_speaks_of_this_version_or_an_unreleased_one() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
    assert "## [Unreleased]" in changelog or f"## [{msrefactor.__version__}]" in changelog


def test_makefile_targets_of_the_readme_exist() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    for target in ("venv", "demo", "test", "e2e", "check", "clean"):
        assert f"\n{target}:" in makefile
