"""What C and C++ sources say they use at run time."""

from __future__ import annotations

import pytest

from code_context import Files
from msrefactor.code.c import CSources, c_sources


def read(text: str, name: str = "src/main.c") -> CSources:
    return c_sources(Files({name: text, "README.md": "fopen(x)"}), ("",))


@pytest.mark.parametrize(
    "text",
    ["int main(void) { return 0; }", '// system("rm")\n', '/* fopen("x") */', 'puts("system(x)");',
     'out.open("x");', "int system_ok(void);", "char c = '\"'; /* \" */ int x;"],
)  # fmt: skip
def test_sources_that_use_nothing(text: str) -> None:
    found = read(text)
    assert found.needs.commands == ()
    assert found.needs.unknown_commands == ()
    assert not found.opens_files


def test_programs() -> None:
    found = read(
        'int main() {\n  system("convert a.png b.png | gzip > x");\n  execlp("git", "git", NULL);\n}'
    )
    assert [name for name, _ in found.needs.commands] == ["/bin/sh", "convert", "gzip", "git"]
    assert found.needs.commands[0][1].line == 2
    assert read("std::system(line.c_str());").needs.unknown_commands
    assert read('snprintf(b, n, "x");\npopen(b, "r");').needs.unknown_commands[0].line == 2


def test_libraries() -> None:
    assert read('dlopen("libfoo.so.2", RTLD_NOW);').needs.libraries[0][0] == "libfoo.so.2"
    assert read("dlopen(name, RTLD_NOW);").needs.unknown_libraries


def test_files() -> None:
    assert read('fopen("data/x.txt", "r");').needs.paths[0][0] == "data/x.txt"
    assert read("int f = open(argv[1], O_RDONLY);").needs.unknown_paths
    found = read('#include <fstream>\nstd::ifstream in("conf.ini");', "main.cpp")
    assert found.needs.paths[0][0] == "conf.ini"
    assert found.is_cplusplus
    assert found.headers == {"fstream"}
    assert read('fopen(PREFIX "x", "r");').needs.unknown_paths


def test_what_asks_the_system() -> None:
    assert read("getaddrinfo(host, 0, &hints, &found);").asks_the_system
    assert not read("int getaddrinfos;").asks_the_system
