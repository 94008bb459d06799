"""Which files are the application's."""

from __future__ import annotations

import pytest

from msrefactor.verification.application import is_runtime, kind_of


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/usr/local/lib/python3.12/json/__init__.py", True),
        ("/usr/local/lib/python3.12/lib-dynload/_ssl.so", True),
        ("/usr/local/lib/python3.12/site-packages/flask/__init__.py", False),
        ("/usr/local/lib/python3.9/site-packages/flask/__init__.py", False),
        ("/usr/local/lib/python3.12/site-packages/pip/__init__.py", True),
        ("/usr/local/lib/python3.12/site-packages/pipdeptree/__init__.py", False),
        ("/usr/local/lib/node_modules/npm/index.js", True),
        ("/usr/local/lib/node_modules/pm2/index.js", False),
        ("/usr/local/bin/server", False),
        ("/app/index.js", False),
    ],
)
def test_runtimes_of_official_images_are_known(path: str, wanted: bool) -> None:
    assert is_runtime(path) is wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/app/.git/HEAD", "version control"),
        ("/root/.cache/pip/x", "package caches"),
        ("/usr/include/stdio.h", "headers and static libraries"),
        ("/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "compilers and build tools"),
        ("/app/node_modules/typescript/lib/tsc.js", "packages of languages"),
        ("/usr/share/doc/x/copyright", "documentation and translations"),
        ("/usr/bin/perl", "files of the system"),
        ("/app/src/main.c", "other files of the application"),
    ],
)
def test_gone_files_have_a_kind(path: str, wanted: str) -> None:
    assert kind_of(path) == wanted
