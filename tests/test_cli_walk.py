"""Which files are taken for Dockerfiles when a folder is given."""

from __future__ import annotations

import os

import pytest

import fakes
from conftest import MakeFiles, RunCli
from msrefactor.walk import find_dockerfiles, is_dockerfile_name


@pytest.mark.parametrize(
    "name",
    [
        "Dockerfile.dockerignore",
        "Dockerfile.j2",
        "Dockerfile.md",
        "Dockerfile.tmpl",
        "Dockerfile.bak",
        "Dockerfile~",
        "dockerfile_parse.py",
        "dockerfile.go",
        "mydockerfile",
        "docker-compose.yml",
        ".dockerignore",
        "Dockerfiles",
        "containerfile.json",
    ],
)
def test_is_no_dockerfile(name: str) -> None:
    assert not is_dockerfile_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "Dockerfile",
        "dockerfile",
        "Dockerfile.dev",
        "Dockerfile-prod",
        "Dockerfile_base",
        "dev.Dockerfile",
        "dev.dockerfile",
        "Containerfile",
        "Containerfile.prod",
        "app.containerfile",
    ],
)
def test_is_a_dockerfile(name: str) -> None:
    assert is_dockerfile_name(name)


def found(*paths: str) -> list[str]:
    return [str(path) for path in find_dockerfiles(paths).files]


def test_foreign_folders_are_skipped(files: MakeFiles) -> None:
    skipped = (".git", "node_modules", "vendor", "third_party", ".venv", "venv", "a/node_modules", ".tox")
    files(
        {f"{folder}/Dockerfile": fakes.PYTHON for folder in skipped}
        | {"my-environment/pyvenv.cfg": "", "my-environment/lib/Dockerfile": ""}
        | {".devcontainer/Dockerfile": "", "a/Dockerfile": ""}
    )
    assert found(".") == [".devcontainer/Dockerfile", "a/Dockerfile"]


def test_named_folder_and_named_file_are_taken_whatever_they_are_called(files: MakeFiles) -> None:
    files({"vendor/Dockerfile": "", "images/web.txt": ""})
    assert found("vendor", "images/web.txt") == ["vendor/Dockerfile", "images/web.txt"]


def test_order_is_fixed_and_each_file_is_taken_once(files: MakeFiles) -> None:
    files({"b/Dockerfile": "", "a/z/Dockerfile": "", "a/Dockerfile.b": "", "a/Dockerfile.a": ""})
    everything = ["a/Dockerfile.a", "a/Dockerfile.b", "a/z/Dockerfile", "b/Dockerfile"]
    assert found(".") == everything
    assert found("b/Dockerfile", ".", "./a", "b/../b") == ["b/Dockerfile", *everything[:3]]


def test_links_that_leave_the_folder_are_not_followed(files: MakeFiles) -> None:
    folder = files({"in/Dockerfile": "", "out/Dockerfile.other": "", "out/sub/Dockerfile": ""})
    (folder / "in/Dockerfile.link").symlink_to("../out/Dockerfile.other")
    (folder / "in/sub").symlink_to("../out/sub", target_is_directory=True)
    (folder / "in/Dockerfile.absolute").symlink_to(folder / "out/sub/Dockerfile")
    assert found("in") == ["in/Dockerfile"]
    assert found("in/Dockerfile.link") == ["in/Dockerfile.link"]


def test_link_inside_counts_only_when_its_target_does_not(files: MakeFiles) -> None:
    folder = files({"docker/Dockerfile": "", "docker/web.txt": ""})
    (folder / "Dockerfile").symlink_to("docker/Dockerfile")
    (folder / "Dockerfile.web").symlink_to("docker/web.txt")
    assert found(".") == ["docker/Dockerfile", "Dockerfile.web"]


def test_links_in_a_circle_and_dangling_links_do_no_harm(files: MakeFiles) -> None:
    folder = files({"a/Dockerfile": ""})
    (folder / "a/up").symlink_to("..", target_is_directory=True)
    (folder / "Dockerfile").symlink_to("none")
    (folder / "Dockerfile.self").symlink_to("Dockerfile.self")
    assert found(".") == ["a/Dockerfile"]


def test_only_regular_files_count(files: MakeFiles) -> None:
    folder = files({"Dockerfile/Dockerfile.inner": ""})
    os.mkfifo(folder / "Dockerfile.pipe")
    assert found(".") == ["Dockerfile/Dockerfile.inner"]


def test_odd_names_are_taken_and_shown_escaped(files: MakeFiles, run_cli: RunCli) -> None:
    files({"a b/Dockerfile": fakes.MAKE, "é/Dockerfile": fakes.MAKE, "x\n\x1b[31m/Dockerfile": fakes.MAKE})
    lines = run_cli().err.splitlines()
    assert lines[0].startswith("a b/Dockerfile:2: refused")
    assert lines[1].startswith("x\\n\\x1b[31m/Dockerfile:2: refused")
    assert lines[2].startswith("é/Dockerfile:2: refused")
    assert len(lines) == 4


def test_unlistable_folder_is_an_error_and_the_rest_is_done(
    files: MakeFiles, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    files({"a/Dockerfile": "", "b/Dockerfile": fakes.PYTHON})
    scan = os.scandir

    def scandir(path: str) -> object:
        if str(path) == "./a":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    ran = run_cli()
    assert ran.code == 3
    assert ran.err.startswith("a:1:1: can't be listed: Permission denied\n")
    assert ran.out.startswith(b"--- a/b/Dockerfile\n")
