"""Projects that mean harm: nothing of them is run, nothing outside is read, and no reader breaks or hangs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import MakeFiles
from guard import watched
from msrefactor import manifests
from msrefactor.model import Result, Settings
from msrefactor.pipeline import refactor_file
from test_fixtures import CASES, Case

DEEP = 3_000
SECRET = "the-secret-of-another-project"  # noqa: S105
FLASK = "FROM python:3.12\nWORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt\nCMD python app.py\n"


def doubled(merge: str) -> str:
    """Return YAML whose last value is 2**40 long."""
    lines = ["a0: &a0 {x: 1}" if merge else "a0: &a0 [x]"]
    for number in range(1, 41):
        both = f"[*a{number - 1}, *a{number - 1}]"
        lines.append(f"a{number}: &a{number} " + (f"{{<<: {both}, k{number}: 1}}" if merge else both))
    return "\n".join([*lines, "services: *a40", "dependencies: *a40", "targets: *a40"])


JSON = (
    "[" * 100_000,
    '{"a":' * DEEP + "1" + "}" * DEEP,
    "1" * 10_000,
    '{"name": NaN, "scripts": []}',
    "null",
    '"x"',
)
YAML = (
    doubled("merge"),
    doubled(""),
    "[" * 100_000,
    "- " * DEEP + "x",
    '!!python/object/apply:os.system ["touch made"]',
    "packages: 9999-99-99\n",
    "dependencies: !!int ''\n",
    "? [a]\n: b\n",
    "dependencies: &a {x: *a}\n",
    "a: 1\n---\nb: 2\n",
)
TOML = (
    "x = " + "[" * 100_000,
    "a." * 30_000 + "b = 1",
    "x = " + "1" * 10_000,
    "project = 3\ntool = 4\npackage = 5",
)
ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 20))
XML = (
    f'<!DOCTYPE x [<!ENTITY e0 "ha">{ENTITIES}]><project><artifactId>&e19;</artifactId></project>',
    '<!DOCTYPE x [<!ENTITY e SYSTEM "../secret">]><project><artifactId>&e;</artifactId></project>',
    "<project>" + "<a>" * DEEP + "</a>" * DEEP + "</project>",
    "<project/>",
)
SOURCE = (
    "(" * DEEP,
    "{" * DEEP,
    '"' * DEEP,
    "${" * DEEP,
    "\\\n" * DEEP,
    "/*" * DEEP,
    "\0" * DEEP,
    "f(`${" * DEEP,
)
BOMBS = {".json": JSON, ".yaml": YAML, ".yml": YAML, ".toml": TOML, ".xml": XML, ".csproj": XML}


NAMES = (
    "composer.json package.json package-lock.json pyproject.toml Pipfile environment.yml pnpm-lock.yaml "
    "pnpm-workspace.yaml .yarnrc.yml Cargo.toml pom.xml Web.csproj libs.versions.toml shard.yml deno.json "
    "angular.json compose.yaml package.yaml pubspec.yaml Makefile Gemfile .dockerignore .gitignore .py .js "
    ".ts .go .java .rs .rb .php .c .cs .kts .gradle .sbt .clj .ex .sh .mod .txt .conf .vue .properties .lock"
).split()
"""Manifests by their name, sources by their ending: together they have every reader."""


def files_by_name() -> dict[str, tuple[Case, Path]]:
    """Return one fixture for each of these names."""
    found: dict[str, tuple[Case, Path]] = {}
    for case in CASES:
        for file in sorted((case.folder / "context").rglob("*")):
            name = file.name if file.name in NAMES else file.suffix
            if name in NAMES and file.is_file() and not file.is_symlink() and case.outcome == "changed":
                found.setdefault(name, (case, file.relative_to(case.folder / "context")))
    return found


FILES = files_by_name()


def project_of(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy a case's context beside a secret."""
    folder = tmp_path / "project"
    shutil.copytree(case.folder / "context", folder, symlinks=True)
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.chdir(folder)
    return folder


def quiet(result: Result) -> None:
    """Assert that the run ended as runs end."""
    assert result.internal_error is None
    assert SECRET not in repr(result)


# ---- what files say ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_bombs_and_nonsense_break_no_reader(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, file = FILES[name]
    folder = project_of(case, tmp_path, monkeypatch)
    for content in BOMBS.get(file.suffix, SOURCE):
        (folder / file).unlink()
        (folder / file).write_text(content)
        with watched(folder) as seen:
            result = case.refactor()
        quiet(result)
        assert seen == []
    assert not (folder / "made").exists()


@pytest.mark.parametrize("text", [*JSON, *YAML, *TOML, *XML, *SOURCE], ids=lambda text: repr(text[:20]))
def test_bombs_and_nonsense_are_no_data_or_little(text: str) -> None:
    for value in (manifests.json_value(text), manifests.toml_table(text), manifests.yaml_value(text)):
        assert len(repr(value)) < 200_000
    root = manifests.xml_root(text)
    assert root is None or len(list(root.iter())) == 1


def test_aliases_and_merge_keys_of_people_are_followed() -> None:
    text = "base: &base {a: 1, b: [x]}\nother:\n  <<: *base\n  b: y\nthird: *base\n"
    assert manifests.yaml_value(text) == {
        "base": {"a": 1, "b": ["x"]},
        "other": {"a": 1, "b": "y"},
        "third": {"a": 1, "b": ["x"]},
    }


# ---- what files are ----------------------------------------------------------------------------------------


def replacements(file: Path, secret: Path) -> Iterator[str]:
    """Put something else in a file's place, one after the other."""
    file.unlink()
    for target in ("/etc/passwd", "/dev/zero", file.name, "nowhere", os.path.relpath(secret, file.parent)):
        file.symlink_to(target)
        yield f"a link to {target}"
        file.unlink()
    os.mkfifo(file)
    yield "a pipe"
    file.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(file.parent)
        listener.bind(file.name)
        os.chdir(here)
        yield "a socket"
    file.unlink()
    file.mkdir()
    yield "a folder"
    file.rmdir()
    with file.open("wb") as sparse:
        sparse.truncate(20_000_000_000)
    yield "20 GB"
    file.unlink()
    file.touch(0o000)
    yield "nothing that may be read"


@pytest.mark.parametrize("name", list(FILES)[::4])
def test_files_that_are_none_are_not_opened(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, file = FILES[name]
    folder = project_of(case, tmp_path, monkeypatch)
    for what in replacements(folder / file, tmp_path / "secret"):
        with watched(folder) as seen:
            result = case.refactor()
        quiet(result)
        assert seen == [], what


def test_links_between_folders_end(files: MakeFiles) -> None:
    folder = files(
        {"Dockerfile": FLASK, "requirements.txt": "flask", "app.py": "import flask", "a/b/x.py": ""}
    )
    (folder / "a/b/up").symlink_to("../..")
    (folder / "a/self").symlink_to("self")
    (folder / "out").symlink_to("/")
    with watched(folder) as seen:
        quiet(refactor_file(Path("Dockerfile"), Settings()))
    assert seen == []


def test_deep_folders_are_walked_without_a_stack(files: MakeFiles) -> None:
    folder = files({"Dockerfile": FLASK, "requirements.txt": "flask", "app.py": "import flask"})
    for _ in range(700):  # deeper than a stack of several calls a level; pytest has to take it away, too
        os.mkdir("d")  # noqa: PTH102
        os.chdir("d")
    os.chdir(folder)
    quiet(refactor_file(Path("Dockerfile"), Settings()))


# ---- what would run ----------------------------------------------------------------------------------------

MODULES = (
    "yaml",
    "click",
    "tomllib",
    "difflib",
    "pathspec",
    "libcst",
    "dockerfile_parse",
    "json",
    "sitecustomize",
)


def test_module_of_the_project_is_not_imported(files: MakeFiles) -> None:
    bomb = "open('made', 'w').close()\nraise SystemExit(99)\n"
    contents = {f"{name}.py": bomb for name in MODULES}
    contents |= {"setup.py": bomb, "conftest.py": bomb, "msrefactor_transforms/evil.py": bomb}
    contents |= {"msrefactor_transforms/__init__.py": bomb, "docker-compose.yml": "services: {}"}
    folder = files({"Dockerfile": FLASK, "requirements.txt": "flask", "app.py": "import yaml", **contents})
    done = subprocess.run(
        [sys.executable, "-m", "msrefactor", "--diff"], capture_output=True, check=False, cwd=folder
    )
    assert done.returncode in (0, 1), done.stderr
    assert b"1 file" in done.stderr
    assert not (folder / "made").exists()


# ---- the watch itself sees ---------------------------------------------------------------------------------


def test_watch_sees_what_must_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "evil_module.py").write_text("")
    (folder / "link").symlink_to("../secret")
    monkeypatch.syspath_prepend(str(folder))
    with watched(folder) as seen:
        (folder / "evil_module.py").read_text()
        assert seen == []
        (folder / "link").read_text()
        assert "opened" in seen.pop()
        os.close(os.open(folder / "new", os.O_CREAT))
        assert "written" in seen.pop()
        subprocess.run(["true"], check=True)
        assert any("subprocess" in one for one in seen)
        seen.clear()
        with socket.socket():
            assert "socket" in seen.pop()
        list(os.scandir("/etc"))
        assert "listed" in seen.pop()
        __import__("evil_module")
        assert any(one.startswith("run: ") for one in seen)
