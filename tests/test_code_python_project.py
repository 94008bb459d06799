"""What an install of a Python project is told: pyproject.toml, setup.cfg, setup.py."""

from __future__ import annotations

import pytest

from code_context import Files
from msrefactor.code.python import PackageMetadata, read_setup


def read(directory: str = "", **texts: str) -> PackageMetadata:
    names = {"pyproject": "pyproject.toml", "cfg": "setup.cfg", "py": "setup.py"}
    prefix = f"{directory}/" if directory else ""
    found = read_setup(Files({prefix + names[key]: text for key, text in texts.items()}), directory)
    assert found is not None
    return found


def test_no_project() -> None:
    assert read_setup(Files({"requirements.txt": "flask"})) is None


def test_a_pyproject_that_only_configures_tools_is_no_project() -> None:
    found = read(pyproject="[tool.ruff]\nline-length = 100\n")
    assert not found.has_project
    assert found.dependencies == ()


def test_project_table() -> None:
    found = read(
        "services/api",
        pyproject="""
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "api"
version = "1.0"
readme = "README.md"
license = { file = "LICENSE" }
license-files = ["LICENCES/*"]
dependencies = ["flask>=3", "psycopg2", "pywin32; sys_platform == 'win32'", "lib @ file:../lib"]
[project.optional-dependencies]
Web = ["gunicorn"]
[project.scripts]
api = "api.main:run"
[dependency-groups]
dev = ["pytest", {include-group = "lint"}]
[tool.hatch.version]
path = "src/api/_version.py"
[tool.uv.sources]
shared = { path = "../shared", editable = true }
""",
    )
    assert found.name == "api"
    assert found.dependencies == ("flask>=3", "psycopg2", "lib @ file:../lib")
    assert found.distributions == {"flask", "psycopg2", "lib"}
    assert found.extras == {"web": ("gunicorn",)}
    assert found.groups == {"dev": ("pytest",)}
    assert found.console_scripts == ("api",)
    assert set(found.reads) == {
        "services/api/pyproject.toml", "services/api/README.md", "services/api/LICENSE",
        "services/api/LICENCES/*", "services/api/src/api/_version.py",
    }  # fmt: skip
    assert set(found.local_paths) == {"../shared", "../lib"}
    assert not found.has_extension_modules
    assert not found.dynamic_version
    assert found.unknown == ()


def test_poetry() -> None:
    found = read(
        pyproject="""
[tool.poetry]
name = "app"
readme = ["README.md", "CHANGES.md"]
[tool.poetry.dependencies]
python = "^3.11"
flask = "^3.0"
requests = "==2.31.0"
lib = { path = "../lib", develop = true }
psycopg2 = { version = "^2.9", optional = true }
colorama = { version = "*", markers = "sys_platform == 'win32'" }
[tool.poetry.group.test.dependencies]
pytest = "*"
[tool.poetry.scripts]
app = "app:main"
[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""
    )
    assert found.dependencies == ("flask", "requests==2.31.0", "lib")
    assert found.groups == {"test": ("pytest",)}
    assert found.console_scripts == ("app",)
    assert found.local_paths == ("../lib",)
    assert set(found.reads) == {"pyproject.toml", "README.md", "CHANGES.md"}


@pytest.mark.parametrize(
    "text",
    [
        '[build-system]\nrequires = ["setuptools", "setuptools-scm>=8"]\n[project]\nname="a"\n',
        '[project]\nname="a"\ndynamic=["version"]\n[tool.hatch.version]\nsource = "vcs"\n',
        '[project]\nname="a"\ndynamic=["version"]\n[tool.setuptools_scm]\n',
    ],
)
def test_versions_from_git(text: str) -> None:
    found = read(pyproject=text)
    assert found.reads_git
    assert found.dynamic_version


@pytest.mark.parametrize(
    "text",
    [
        '[build-system]\nbuild-backend = "maturin"\nrequires = ["maturin"]\n',
        '[build-system]\nbuild-backend = "mesonpy"\nrequires = []\n',
        '[build-system]\nrequires = ["setuptools", "Cython"]\n',
        '[[tool.setuptools.ext-modules]]\nname = "x"\n',
    ],
)
def test_extension_modules_of_pyproject(text: str) -> None:
    assert read(pyproject=text).has_extension_modules


def test_dynamic_parts_of_setuptools() -> None:
    found = read(
        pyproject="""
[project]
name = "a"
dynamic = ["version", "readme", "dependencies"]
[tool.setuptools.dynamic]
version = { attr = "a.about.__version__" }
readme = { file = ["README.rst"] }
dependencies = { file = "requirements.in" }
"""
    )
    assert set(found.reads) == {"pyproject.toml", "a/about/__init__.py", "README.rst", "requirements.in"}
    assert found.unknown == ("dependencies",)
    assert found.dynamic_version


def test_setup_cfg() -> None:
    found = read(
        cfg="""
[metadata]
name = a
version = attr: a.__version__
long_description = file: README.md, CHANGES.md
license_files = LICENSE
[options]
install_requires =
    flask>=3
    lxml ; sys_platform == "win32"
[options.extras_require]
pg = psycopg2
[options.entry_points]
console_scripts =
    a = a.cli:main
"""
    )
    assert found.name == "a"
    assert found.dependencies == ("flask>=3",)
    assert found.extras == {"pg": ("psycopg2",)}
    assert found.console_scripts == ("a",)
    assert set(found.reads) == {"setup.cfg", "a/__init__.py", "README.md", "CHANGES.md", "LICENSE"}
    assert found.dynamic_version


def test_setup_py() -> None:
    found = read(
        py="""
import os
from pathlib import Path
from setuptools import setup, find_packages
HERE = os.path.abspath(os.path.dirname(__file__))
REQUIRES = ["flask", "psycopg2"]
with open(os.path.join(HERE, "README.md"), encoding="utf-8") as f:
    long_description = f.read()
version = Path("VERSION").read_text()
setup(
    name="a",
    version=version,
    install_requires=REQUIRES + ["redis"],
    extras_require={"web": ["gunicorn"]},
    entry_points={"console_scripts": ["a = a.cli:main", "b=a.cli:b"]},
    scripts=["bin/tool"],
)
"""
    )
    assert found.name == "a"
    assert found.dependencies == ("flask", "psycopg2", "redis")
    assert found.extras == {"web": ("gunicorn",)}
    assert found.console_scripts == ("a", "b", "tool")
    assert set(found.reads) == {"setup.py", "README.md", "VERSION", "bin/tool"}
    assert not found.has_extension_modules
    assert not found.imports_itself
    assert found.dynamic_version


def test_what_setup_py_computes_is_unknown() -> None:
    found = read(
        py="""
import a
from setuptools import setup, Extension
def parse(name):
    return open(name).read().splitlines()
setup(name="a", version=a.__version__, install_requires=parse("requirements.txt"),
      ext_modules=[Extension("a._c", ["a/_c.c"])], **extra)
"""
    )
    assert found.has_extension_modules
    assert found.imports_itself
    assert {"dependencies", "setup.py"} <= set(found.unknown)
    assert "requirements.txt" in found.reads


@pytest.mark.parametrize(
    ("texts", "unknown"),
    [
        ({"pyproject": "]["}, "pyproject.toml"),
        ({"cfg": "no section"}, "setup.cfg"),
        ({"py": "setup(("}, "setup.py"),
    ],
)
def test_garbage_is_unknown(texts: dict[str, str], unknown: str) -> None:
    assert unknown in read(**texts).unknown
