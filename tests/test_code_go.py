"""What Go source starts, loads and reads; modules and main packages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_context import Files, is_empty, lines, names
from msrefactor.code.go import go_needs, go_needs_of, main_packages, read_module
from msrefactor.code.go_tokens import is_built, package_name
from msrefactor.code.needs import CodeNeeds

IMPORTS = """package main
import (
	"embed"; "os"; "os/exec"; "html/template"; "net/http"; "path/filepath"; "fmt"; "syscall"
	run "os/exec"
)
"""


def needs_of(text: str, path: str = "main.go") -> CodeNeeds:
    needs = go_needs(path, text)
    assert needs is not None
    return needs


@pytest.mark.parametrize(
    "body",
    [
        '// exec.Command("git")',
        '/* exec.Command("git") */',
        'var s = `exec.Command("git")`',
        'var s = "exec.Command(\\"git\\")"',
        'func f() { other.Command("git"); exec.Other("git"); db.Exec("select 1") }',
        "func f() { exec.Command(os.Args[0]) }",
        "func f() { exe, _ := os.Executable(); exec.Command(exe) }",
        "var r = '\"'",
    ],
)
def test_nothing_is_started(body: str) -> None:
    assert is_empty(needs_of(IMPORTS + body + "\n"))


@pytest.mark.parametrize(
    ("body", "commands"),
    [
        ('func f() { exec.Command("git", "log").Run() }', {"git"}),
        ('func f() { run.Command("git") }', {"git"}),
        ('func f() { exec.CommandContext(ctx, "git") }', {"git"}),
        ('func f() { exec.Command("sh", "-c", "ps | grep x") }', {"sh", "ps", "grep"}),
        ('func f() { exec.Command("sudo", "ps") }', {"sudo", "ps"}),
        ('func f() { exec.LookPath("dot") }', {"dot"}),
        ('func f() { syscall.Exec("/bin/ls", args, env) }', {"/bin/ls"}),
        ('const tool = "git"\nfunc f() { exec.Command(tool) }', {"git"}),
        ('var (\n a = 1\n tool = "git"\n)\nfunc f() { exec.Command(tool) }', {"git"}),
        ('func f() { tool := "git"; if x { tool = "hg" }; exec.Command(tool) }', {"git", "hg"}),
        ('var args = []string{"git", "log"}\nfunc f() { exec.Command(args[0], args[1:]...) }', {"git"}),
        ('func f() { exec.Command(filepath.Join("/opt", "bin", "x")) }', {"/opt/bin/x"}),
        ('func f() { exec.Command("/opt/" + "x") }', {"/opt/x"}),
        ('func f() { c := exec.Cmd{Path: "/bin/x", Args: a} }', {"/bin/x"}),
        (
            'func r(n string, a ...string) { exec.Command(n, a...) }\nfunc f() { r("git", "log"); r("tar") }',
            {"git", "tar"},
        ),
        ('func r(a ...string) { exec.Command(a[0], a[1:]...) }\nfunc f() { r("git", "log") }', {"git"}),
        ('func (s *S) r(n string) { exec.Command(n) }\nfunc f() { s.r("git") }', {"git"}),
        ('func a(n string) { b(n) }\nfunc b(n string) { exec.Command(n) }\nfunc f() { a("git") }', {"git"}),
    ],
)
def test_commands(body: str, commands: set[str]) -> None:
    needs = needs_of(IMPORTS + body + "\n")
    assert names(needs, "commands") == commands
    assert needs.unknown_commands == ()


@pytest.mark.parametrize(
    "body",
    [
        "func f() { exec.Command(cfg.Tool) }",
        "func f(n string) { exec.Command(n) }",
        'func F(n string) { exec.Command(n) }\nfunc g() { F("git") }',
        "func f() { exec.Command(args[1]) }",
        'const n = "git"\nfunc f() { g(func(n string) { exec.Command(n) }) }',
        'const n = "git"\nfunc f() { for _, n := range list { exec.Command(n) } }',
        'const n = "git"\nfunc f() { n, a, err := g(); exec.Command(n) }',
        'func f() { exec.Command(os.Getenv("X")) }',
        "func f() { c := exec.Cmd{Args: a} }",
    ],
)
def test_unknown_commands(body: str) -> None:
    assert len(needs_of(IMPORTS + body + "\n").unknown_commands) == 1


def test_a_function_that_is_passed_around_may_get_anything() -> None:
    needs = needs_of(IMPORTS + "func r(n string) { exec.Command(n) }\nfunc f() { g(r) }\n")
    assert lines(needs, "unknown_commands") == [6]


def test_a_module_is_a_closed_world() -> None:
    files = Files(
        {
            "go.mod": "module example.com/app\n",
            "internal/sh/sh.go": 'package sh\nimport "os/exec"\nfunc Run(n string) { exec.Command(n) }\n',
            "main.go": 'package main\nimport "example.com/app/internal/sh"\nfunc main() { sh.Run("git") }\n',
            "main_test.go": "package main\nfunc TestX() { sh.Run(x) }\n",
        }
    )
    needs = go_needs_of(files)
    assert names(needs, "commands") == {"git"}
    assert needs.unknown_commands == ()


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ('func f() { os.Open("data/a.json") }', {"data/a.json"}),
        ('func f() { os.ReadFile("/etc/x") }', {"/etc/x"}),
        ('func f() { template.ParseFiles("t/a.html", "t/b.html") }', {"t/a.html", "t/b.html"}),
        ('func f() { template.Must(template.ParseGlob("t/*.html")) }', {"t/*.html"}),
        ('func f() { template.New("x").ParseFiles("t/a.html") }', {"t/a.html"}),
        ('func f() { r.LoadHTMLGlob("views/**/*") }', {"views/**/*"}),
        ('func f() { http.FileServer(http.Dir("public")) }', {"public"}),
        ('func f() { r.Static("/static", "./assets") }', {"./assets"}),
        ('func f() { http.ServeFile(w, r, "index.html") }', {"index.html"}),
        ('func f() { os.Open(filepath.Join("data", name)) }', {"data/"}),
        ('func f() { os.Open(fmt.Sprintf("data/%s.json", n)) }', {"data/"}),
        ('func f() { os.OpenFile("a", os.O_RDONLY, 0) }', {"a"}),
    ],
)
def test_paths(body: str, paths: set[str]) -> None:
    needs = needs_of(IMPORTS + body + "\n")
    assert names(needs, "paths") == paths
    assert needs.unknown_paths == ()


def test_written_and_temporary_files() -> None:
    body = (
        'func f() { os.Create("a"); os.OpenFile("b", os.O_CREATE|os.O_WRONLY, 0); os.CreateTemp("", "x") }\n'
    )
    needs = needs_of(IMPORTS + body)
    assert needs.paths == ()
    assert names(needs, "written") == {"a", "b"}
    assert needs.writes_temp


def test_unknown_paths() -> None:
    assert lines(needs_of(IMPORTS + "func f() {\n os.Open(cfg.Path)\n}\n"), "unknown_paths") == [7]


def test_cgo_and_embed() -> None:
    text = (
        "package db\n\n// #cgo pkg-config: x\n// #cgo linux LDFLAGS: -L. -lsqlite3 -lm\n/*\n"
        '#cgo LDFLAGS: -lz\n#cgo windows LDFLAGS: -lws2\n*/\nimport "C"\nimport _ "embed"\n\n'
        '//go:embed sql/*.sql all:static "a b"\nvar f embed.FS\n'
    )
    needs = needs_of(text, "internal/db/db.go")
    assert names(needs, "libraries") == {"sqlite3", "z"}
    assert {"internal/db/sql/*.sql", "internal/db/static"} <= names(needs, "embedded")
    assert needs.imports == {"C", "embed"}


@pytest.mark.parametrize(
    ("path", "text", "built"),
    [
        ("a.go", "package a", True),
        ("a_test.go", "package a", False),
        ("a_windows.go", "package a", False),
        ("a_linux.go", "package a", True),
        ("a_linux_arm64.go", "package a", True),
        ("a_darwin_arm64.go", "package a", False),
        ("windows.go", "package a", True),
        ("a.go", "//go:build ignore\n\npackage a", False),
        ("a.go", "// Copyright\n\n//go:build windows || (darwin && !cgo)\npackage a", False),
        ("a.go", "//go:build !windows\npackage a", True),
        ("a.go", "//go:build sqlite && linux\npackage a", True),
        ("a.go", "// +build windows darwin\n\npackage a", False),
        ("a.go", "// +build linux,!cgo darwin\n\npackage a", True),
        ("a.go", "package a\n//go:build ignore\n", True),
        ("a.go", "//go:build " + "(" * 400 + "\npackage a", True),
    ],
)
def test_build_constraints(path: str, text: str, built: bool) -> None:
    assert is_built(path, text) is built


MOD = """module example.com/app // the app

go 1.22.1
toolchain go1.22.3

require github.com/a/b v1.2.3
require (
	github.com/mattn/go-sqlite3 v1.14.0 // indirect
	"github.com/q/r" v0.1.0
)
replace github.com/a/b => ../b
replace (
	github.com/q/r v0.1.0 => ./third/r
	github.com/x/y => github.com/z/y v1.0.0
)
exclude github.com/e/e v1.0.0
"""


def test_modules() -> None:
    module = read_module(Files({"svc/go.mod": MOD, "svc/go.sum": "", "svc/vendor/modules.txt": ""}), "svc")
    assert module is not None
    assert (module.path, module.go_version, module.toolchain) == ("example.com/app", "1.22.1", "go1.22.3")
    assert module.requires == (
        ("github.com/a/b", "v1.2.3", False),
        ("github.com/mattn/go-sqlite3", "v1.14.0", True),
        ("github.com/q/r", "v0.1.0", False),
    )
    assert module.replaces == ("b", "svc/third/r")
    assert module.replaced_modules == {"github.com/a/b", "github.com/q/r"}
    assert module.is_vendored
    assert module.has_sum
    assert read_module(Files({}), "") is None
    assert read_module(Files({"go.mod": "go 1.2"}), "") is None


TREE = {
    "go.mod": "module example.com/app\n",
    "main.go": "// doc\n/* package not */\npackage main\nfunc main() {}\n",
    "gen.go": "//go:build ignore\npackage main\n",
    "cmd/server/main.go": 'package main\nimport "example.com/app/internal/a"\n',
    "cmd/tool/main.go": 'package main\nimport "os/exec"\nfunc f() { exec.Command("tar") }\n',
    "cmd/win/main_windows.go": "package main\n",
    "internal/a/a.go": 'package a\nimport "os/exec"\nfunc f() { exec.Command("git") }\n',
    "vendor/x/main.go": "package main\n",
    "internal/testdata/main.go": "package main\n",
    "_old/main.go": "package main\n",
    "nested/go.mod": "module nested\n",
    "nested/main.go": 'package main\nimport "os/exec"\nfunc f() { exec.Command("ps") }\n',
    "x_test.go": "package main\n",
}


def test_main_packages() -> None:
    assert main_packages(Files(TREE)) == (".", "cmd/server", "cmd/tool")
    assert main_packages(Files(TREE), "nested") == ("nested",)


def test_needs_of_a_module_and_of_some_packages() -> None:
    assert names(go_needs_of(Files(TREE)), "commands") == {"git", "tar"}
    assert names(go_needs_of(Files(TREE), "", ["cmd/server"]), "commands") == {"git"}
    assert names(go_needs_of(Files(TREE), "", ["cmd/tool"]), "commands") == {"tar"}
    assert names(go_needs_of(Files(TREE), "nested"), "commands") == {"ps"}


def test_package_names() -> None:
    assert package_name("// package a\n/* package b */ package c\n") == "c"
    assert package_name("no") is None
    assert go_needs("a.go", "no go") is None
    assert go_needs("a.go", "") is None


@pytest.mark.parametrize(
    "text",
    [
        IMPORTS + "func f() { exec.Command(" + "(" * 100000,
        IMPORTS + "func f() { exec.Command(" * 20000,
        IMPORTS + "func f() { " + "exec.Command(" * 20000 + ")" * 20000,
        IMPORTS + "func f(a string) { f(a); exec.Command(a) }\n" * 300,
        IMPORTS + "var a = b\n" * 50000,
        IMPORTS + 'var a = "x" ' + '+ "x"' * 50000,
    ],
    ids=["brackets", "calls", "nested", "recursion", "constants", "sum"],
)
def test_monsters_take_no_time(text: str) -> None:
    go_needs("a.go", text)


@given(st.text(alphabet="abc()[]{}'\"`\\\n\t :=.,/*packagexecomndfu", max_size=200))
@settings(derandomize=True, max_examples=150, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    go_needs("a.go", text)
    go_needs("a.go", f"{IMPORTS}func f(a string) {{ exec.Command({text}) }}\n{text}")
