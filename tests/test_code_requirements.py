"""Requirements files, lock files, markers and specifiers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_context import Files
from msrefactor.code.markers import is_never_on_linux, requirement
from msrefactor.code.requirements import Requirements, read_lock, read_requirements
from msrefactor.model import Evidence


def read(**texts: str) -> Requirements:
    return read_requirements(
        Files({name.replace("__", "/") + ".txt": text for name, text in texts.items()}), "req.txt"
    )


def pairs(requirements: Requirements) -> list[tuple[str, str | None]]:
    return [(name, version) for name, version, _ in requirements.names]


def test_comments_options_and_blank_lines_are_no_requirements() -> None:
    found = read(
        req="# flask\n\n   # x\n--index-url https://u:p@x/\n-i https://x\n--no-binary :all:\n--pre\n"
        "--extra-index-url=https://x/#frag\n--trusted-host x\n--require-hashes\n"
    )
    assert found == Requirements(files=("req.txt",))


@pytest.mark.parametrize(
    ("line", "name", "version"),
    [
        ("flask", "flask", None),
        ("Flask_SQLAlchemy==3.0.1", "flask-sqlalchemy", "3.0.1"),
        ("ruamel.yaml", "ruamel-yaml", None),
        ("psycopg[binary,pool] >= 3.1, <4", "psycopg", None),
        ("a==1.*", "a", None),
        ("a === 1.0+local", "a", "1.0+local"),
        ("a (==1.0)", "a", "1.0"),
        ("a==1.0 ; python_version < '3.8'", "a", "1.0"),
        ("a==1.0  # why", "a", "1.0"),
        ("a==1.0 --hash=sha256:aa --hash=sha256:bb", "a", "1.0"),
        ("a==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb", "a", "1.0"),
        ("a @ https://x/a-1.0.tar.gz", "a", None),
        ("https://x/dist/a_b-1.2-py3-none-any.whl", "a-b", "1.2"),
        ("git+https://github.com/x/a.b.git@v1#egg=a.b", "a-b", None),
        ("git+https://github.com/x/thing.git@v1", "thing", None),
        ("./wheels/a_b-1.2-py3-none-any.whl", "a-b", "1.2"),
    ],
)
def test_names_and_versions(line: str, name: str, version: str | None) -> None:
    found = read(req=line + "\n")
    assert pairs(found) == [(name, version)]
    assert found.names[0][2].line == 1
    assert found.unknown == ()


def test_what_linux_never_installs_is_left_out() -> None:
    found = read(req="pywin32 ; sys_platform == 'win32'\na ; platform_system != 'Windows'\n")
    assert pairs(found) == [("a", None)]


def test_included_files_are_relative_to_the_file_that_names_them() -> None:
    found = read(
        req="-r requirements/base.txt\n--requirement=requirements/extra.txt\n-cconstraints.txt\n",
        requirements__base="-r common.txt\na\n",
        requirements__common="b\n-r base.txt\n",
        requirements__extra="c==2\n",
        constraints="a==1.5\nnever==9\n",
    )
    assert found.files == (
        "req.txt", "requirements/base.txt", "requirements/extra.txt", "constraints.txt",
        "requirements/common.txt",
    )  # fmt: skip
    assert pairs(found) == [("a", "1.5"), ("c", "2"), ("b", None)]
    assert found.unknown == ()


def test_what_is_missing_or_elsewhere_is_unknown() -> None:
    found = read(req="-r gone.txt\n-r ../up.txt\n-r https://x/y.txt\n--frobnicate\na~b\n${NAME}\n")
    assert [place.line for place in found.unknown] == [3, 4, 5, 6, 1, 2]
    assert found.files == ("req.txt",)
    assert read_requirements(Files({}), "x.txt").unknown == (Evidence("x.txt", None, "can't be read"),)


@pytest.mark.parametrize(
    ("line", "path", "editable"),
    [
        (".", ".", False),
        ("-e .", ".", True),
        ("--editable=./lib[extra]", "lib", True),
        ("-e ../shared", "../shared", True),
        ("./lib", "lib", False),
        ("file:./lib", "lib", False),
        ("file:///app/lib", "/app/lib", False),
        ("lib @ file:///app/lib", "/app/lib", False),
        ("vendor/a-1.0.tar.gz", "vendor/a-1.0.tar.gz", False),
    ],
)
def test_local_paths(line: str, path: str, editable: bool) -> None:
    found = read(req=line + "\n")
    assert (found.local_paths, found.editable, found.unknown) == ((path,), editable, ())


def test_version_control_is_told_without_its_password() -> None:
    found = read(
        req="git+https://user:secret@github.com/x/y.git\n-e git+ssh://git@github.com/x/z.git#egg=z\n"
    )
    assert [url for url, _ in found.vcs] == [
        "git+https://github.com/x/y.git",
        "git+ssh://github.com/x/z.git#egg=z",
    ]
    assert found.editable
    assert found.local_paths == ()


def test_find_links() -> None:
    assert read(req="-f wheels/\n--find-links https://x\n").find_links == ("wheels",)


@pytest.mark.parametrize(
    ("marker", "never"),
    [
        ("sys_platform == 'win32'", True),
        ("'win32' == sys_platform", True),
        ("sys_platform == 'linux'", False),
        ("os_name == 'nt' or platform_system == 'Darwin'", True),
        ("os_name == 'nt' or python_version < '3.9'", False),
        ("os_name == 'nt' and python_version < '3.9'", True),
        ("(sys_platform != 'linux') and extra == 'x'", True),
        ("'linux' in sys_platform", False),
        ("'win' in sys_platform", True),
        ("sys_platform not in 'linux2'", True),
        ("python_version < '3'", False),
        ("platform_machine == 'arm64'", False),
        ("", False),
        ("nonsense (", False),
        ("(" * 500, False),
    ],
)
def test_markers(marker: str, never: bool) -> None:
    assert is_never_on_linux(marker) is never


@given(st.text(alphabet="ab ()'=!<>andorsys_platform\n#-r\\@;[]:/.", max_size=120))
@settings(derandomize=True, max_examples=300, deadline=None)
def test_any_text_is_read(text: str) -> None:
    is_never_on_linux(text)
    requirement(text)
    read(req=text)


POETRY = """
[[package]]
name = "Flask"
version = "3.0.0"
groups = ["main"]

[[package]]
name = "pytest"
version = "8.0"
groups = ["dev"]

[[package]]
name = "mylib"
version = "0.1"
develop = true

[package.source]
type = "directory"
url = "libs/mylib"

[[package]]
name = "thing"
version = "1"

[package.source]
type = "git"
url = "https://t:k@github.com/x/thing.git"
"""


def test_poetry_lock() -> None:
    found = read_lock(Files({"poetry.lock": POETRY}), "poetry.lock")
    assert pairs(found) == [("flask", "3.0.0"), ("pytest", "8.0"), ("thing", "1")]
    assert found.names[0][2] == Evidence("poetry.lock", 2, "flask")
    assert found.development == {"pytest"}
    assert (found.local_paths, found.editable) == (("libs/mylib",), True)
    assert [url for url, _ in found.vcs] == ["https://github.com/x/thing.git"]
    assert found.files == ("poetry.lock",)


def test_uv_lock() -> None:
    text = (
        'version = 1\n[[package]]\nname = "app"\nversion = "0.1"\nsource = { editable = "." }\n'
        '[[package]]\nname = "flask"\nversion = "3.0"\nsource = { registry = "https://pypi.org/simple" }\n'
        '[[package]]\nname = "g"\nversion = "1"\nsource = { git = "https://github.com/x/g?rev=1#2" }\n'
    )
    found = read_lock(Files({"sub/uv.lock": text}), "sub/uv.lock")
    assert pairs(found) == [("flask", "3.0"), ("g", "1")]
    assert (found.local_paths, found.editable) == ((".",), True)
    assert len(found.vcs) == 1


def test_pipfile_lock() -> None:
    text = json.dumps(
        {
            "_meta": {"hash": {}},
            "default": {
                "flask": {"version": "==3.0"},
                "mylib": {"path": "./mylib", "editable": True},
                "g": {"git": "https://github.com/x/g.git", "ref": "abc"},
                "colorama": {"version": "==1", "markers": "sys_platform == 'win32'"},
            },
            "develop": {"pytest": {"version": "==8"}, "flask": {"version": "==3.0"}},
        },
        indent=4,
    )
    found = read_lock(Files({"Pipfile.lock": text}), "Pipfile.lock")
    assert pairs(found) == [("flask", "3.0"), ("g", None), ("pytest", "8")]
    assert found.names[0][2].line == 6
    assert found.development == {"pytest"}
    assert (found.local_paths, found.editable) == (("mylib",), True)


@pytest.mark.parametrize(
    ("name", "text"),
    [("poetry.lock", "]["), ("Pipfile.lock", "[1]"), ("uv.lock", "package = 3"), ("yarn.lock", "")],
)
def test_a_lock_that_is_something_else(name: str, text: str) -> None:
    found = read_lock(Files({name: text}), name)
    assert found.names == ()
    assert len(found.unknown) == 1
