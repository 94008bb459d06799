"""What JavaScript and TypeScript source starts, loads, reads and imports; package.json and tsconfig.json."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_context import Files, is_empty, lines, names
from msrefactor.code.javascript import (
    javascript_needs,
    javascript_needs_of,
    package_of,
    read_package,
    read_tsconfig,
)
from msrefactor.code.javascript_tokens import javascript_tokens
from msrefactor.code.needs import CodeNeeds

HEAD = (
    "const { exec, spawn: sp, execFileSync } = require('child_process');"
    "const cp = require('node:child_process');"
    "import { execSync } from 'node:child_process'; import * as ns from 'child_process';"
    "import { execa, $ } from 'execa'; const util = require('util'); const path = require('path');"
    "const run = util.promisify(exec); const shell = require('shelljs'); import fs from 'fs';"
    "import { readFile } from 'fs/promises'; const spawn = require('cross-spawn');\n"
)


def needs_of(text: str, path: str = "src/lib/m.ts") -> CodeNeeds:
    needs = javascript_needs(path, text)
    assert needs is not None
    return needs


@pytest.mark.parametrize(
    "body",
    [
        "// exec('git')",
        "/* exec('git') */",
        "const s = \"exec('git')\";",
        "const s = `exec('git')`;",
        "const r = /exec('git')/g;",
        "const r = /[/]exec('git')/.test(x);",
        "re.exec('git'); db.exec(sql); model.findOne().exec(cb);",
        "const a = b / exec2('git') / c;",
        "import type { X } from 'x';",
        "cp.spawn(process.execPath, ['x']);",
        "function exec2(cmd) { return cmd }",
        "<p>Don't {x}</p>",
    ],
)
def test_nothing_is_started(body: str) -> None:
    assert is_empty(javascript_needs("a.tsx", HEAD + body + "\n"))


@pytest.mark.parametrize(
    ("body", "commands"),
    [
        ("exec('git log | head');", {"/bin/sh", "git", "head"}),
        ("sp('git', ['log']);", {"git"}),
        ("execFileSync('sh', ['-c', 'ps | grep x']);", {"sh", "ps", "grep"}),
        ("cp.execSync('git');", {"/bin/sh", "git"}),
        ("ns.spawn('git');", {"git"}),
        ("execSync(`git ${a} | tee ${b}`);", {"/bin/sh", "git", "tee"}),
        ("require('child_process').exec('git');", {"/bin/sh", "git"}),
        ("await run('git');", {"/bin/sh", "git"}),
        ("await execa('git', ['log']);", {"git"}),
        ("await $`git log ${x}`;", {"/bin/sh", "git"}),
        ("shell.exec('git');", {"/bin/sh", "git"}),
        ("shell.which('git');", {"git"}),
        ("spawn('git'); spawn.sync('tar');", {"git", "tar"}),
        ("Bun.spawn(['git', 'log']);", {"git"}),
        ("new Deno.Command('git');", {"git"}),
        ("sp('git log', { shell: true });", {"/bin/sh", "git"}),
        ("sp('git', args);", {"git"}),
        ("const args = ['-u', 'app', 'ps']; sp('sudo', args);", {"sudo", "ps"}),
        ("const TOOL = 'git'; sp(TOOL);", {"git"}),
        ("let tool: string = 'git'; if (x) tool = 'hg'; sp(tool);", {"git", "hg"}),
        ("sp(process.platform === 'win32' ? 'npm.cmd' : 'npm');", {"npm"}),
        ("sp(x ? 'a' : 'b');", {"a", "b"}),
        ("exec('git ' + x);", {"/bin/sh", "git"}),
        ("exec(['git', x].join(' '));", {"/bin/sh", "git"}),
        ("sp(path.join('/opt', 'x'));", {"/opt/x"}),
        ("function r(cmd, o) { return exec(cmd, o) }\nr('git');", {"/bin/sh", "git"}),
        (
            "const r = async (cmd: string): Promise<void> => { await run(cmd) };\nr('git');",
            {"/bin/sh", "git"},
        ),
        ("const r = cmd => execSync(cmd);\nr('git');", {"/bin/sh", "git"}),
        ("class A { r(c: string): void { sp(c, []) } m() { this.r('git') } }", {"git"}),
        ("const x = `${`${exec('git')}`}`;", {"/bin/sh", "git"}),
    ],
)
def test_commands(body: str, commands: set[str]) -> None:
    needs = needs_of(HEAD + body + "\n")
    assert names(needs, "commands") == commands
    assert needs.unknown_commands == ()


@pytest.mark.parametrize(
    "body",
    [
        "exec(cmd);",
        "sp(config.tool);",
        "exec(`${tool} x`);",
        "sp(process.env.X);",
        "module.exports = c => exec(c);",
    ],
)
def test_unknown_commands(body: str) -> None:
    assert lines(needs_of(HEAD + body + "\n"), "unknown_commands") == [2]


@pytest.mark.parametrize(
    "body",
    [
        "function g() { const { c } = req.body; exec(c) }",
        "function g() { const [c] = x; exec(c) }",
        "for (const c of list) exec(c);",
        "list.forEach(c => exec(c));",
        "list.forEach(function (c) { exec(c) });",
    ],
)
def test_a_name_that_gets_something_else_elsewhere(body: str) -> None:
    needs = needs_of(HEAD + body + "\nfunction f() { const c = 'git'; exec(c) }\n")
    assert names(needs, "commands") == {"/bin/sh", "git"}
    assert 2 in lines(needs, "unknown_commands")


def test_a_default_from_the_environment_is_that_and_unknown() -> None:
    needs = needs_of(HEAD + "sp(process.env.FFMPEG || 'ffmpeg');\n")
    assert names(needs, "commands") == {"ffmpeg"}
    assert lines(needs, "unknown_commands") == [2]


def test_callers_in_other_files() -> None:
    files = Files(
        {
            "src/sh.js": "const p = require('child_process');\nexports.sh = function sh(c) { p.exec(c); };\n",
            "src/a.js": "const { sh } = require('./sh');\nsh('git log');\n",
            "node_modules/x/i.js": "require('child_process').exec('never');",
            "src/a.test.js": "require('child_process').exec('never');",
            "dist/x.min.js": "require('child_process').exec('never');",
        }
    )
    needs = javascript_needs_of(files, files.files())
    assert names(needs, "commands") == {"/bin/sh", "git"}
    assert needs.unknown_commands == ()


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ("fs.readFileSync('data/a.json');", {"data/a.json"}),
        ("await readFile('data/a.json');", {"data/a.json"}),
        ("fs.readFileSync(path.join(__dirname, '..', 'a.html'));", {"context:src/a.html"}),
        ("fs.readFileSync(`${__dirname}/q.sql`);", {"context:src/lib/q.sql"}),
        ("fs.readFileSync(__dirname + '/q.sql');", {"context:src/lib/q.sql"}),
        ("fs.readFileSync(path.join(process.cwd(), 'a'));", {"a"}),
        ("new URL('./x.wasm', import.meta.url);", {"context:src/lib/x.wasm"}),
        ("app.use(express.static('public'));", {"public"}),
        ("app.set('views', path.join(__dirname, 'views'));", {"context:src/lib/views"}),
        ("res.sendFile(path.resolve('index.html'));", {"index.html"}),
        ("cp.fork(path.join(__dirname, 'worker.js'));", {"context:src/lib/worker.js"}),
        ("const p = path.join(__dirname, 'x', name);", {"context:src/lib/x/"}),
        ("path.join(__dirname, '../../../..', 'x');", set()),
        ("array.join('x');", set()),
    ],
)
def test_paths(body: str, paths: set[str]) -> None:
    needs = needs_of(HEAD + body + "\n")
    assert names(needs, "paths") == paths
    assert needs.unknown_paths == ()


def test_written_temporary_and_unknown_files() -> None:
    needs = needs_of(HEAD + "fs.writeFileSync('out', x); fs.readFileSync(p);\nos.tmpdir();\n")
    assert needs.paths == ()
    assert names(needs, "written") == {"out"}
    assert lines(needs, "unknown_paths") == [2]
    assert needs.writes_temp


def test_imports() -> None:
    text = (
        "import a from 'a'; import { b, type C } from '@s/b/deep'; import 'c/register';\n"
        "import type { T } from 'types'; import { type U } from 'types2'; export * from 'd';\n"
        "export { e } from 'e';\n"
        "export type { V } from './v'; const f = require('f/x'); require.resolve('g'); await import('h');\n"
        "import i = require('i'); import * as j from 'node:fs'; import k from './k'; import l from '@/l';\n"
        "import m from '#m'; import n from 'https://x/n.js'; jest.requireActual('no');\n"
    )
    assert needs_of(text).imports == {"a", "@s/b", "c", "d", "e", "f", "g", "h", "i", "fs"}


def test_dynamic_imports() -> None:
    needs = needs_of("require(name);\nawait import(`./locales/${x}.js`);\nimport(`${x}`);\nrequire('a');\n")
    assert lines(needs, "unknown_imports") == [1, 3]


@pytest.mark.parametrize(
    ("specifier", "package"),
    [
        ("express", "express"), ("lodash/fp", "lodash"), ("@a/b", "@a/b"), ("@a/b/c", "@a/b"),
        ("node:fs", "fs"),
        ("./x", None), ("../x", None), ("/x", None), ("#x", None), ("@/x", None), ("~/x", None), ("", None),
        ("https://x", None), ("@x", None),
    ],
)  # fmt: skip
def test_packages(specifier: str, package: str | None) -> None:
    assert package_of(specifier) == package


def test_tokens() -> None:
    found = javascript_tokens("#!/usr/bin/env node\na = b / c / d; e = /x[/]y/g; `t${ {a: `n`} }u`; 'it\\'s'")
    assert found is not None
    assert [token.text for token in found if token.kind == "regex"] == ["/x[/]y/g"]
    assert [token.text for token in found if token.kind == "template"] == ["t\0u"]
    assert [token.text for token in found if token.kind == "string"] == ["it's"]
    assert found[0].line == 2
    assert javascript_tokens("`${") is None
    assert javascript_tokens("`${`" * 100) is None


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "exec(" * 100000,
        HEAD + "exec(" * 20000 + ")" * 20000,
        HEAD + "f(" * 50000 + ")" * 50000 + "{",
        HEAD + "function f(a) { f(a); exec(a) }\n" * 300,
        HEAD + "a = " * 50000,
        HEAD + "`${a}`+" * 50000,
        HEAD + "(a: b) => " * 20000,
        HEAD + "import " * 50000,
        HEAD + "const a = b; " * 20000 + "exec(a)",
    ],
    ids=[
        "brackets",
        "nested",
        "calls",
        "recursion",
        "assignments",
        "templates",
        "arrows",
        "imports",
        "constants",
    ],
)
def test_monsters_take_no_time(text: str) -> None:
    javascript_needs("a.js", text)


@given(st.text(alphabet="abc()[]{}'\"`\\\n\t :=.,/*$?<>requimpotxcfn", max_size=200))
@settings(derandomize=True, max_examples=150, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    javascript_needs("a.js", text)
    javascript_needs("a.js", f"{HEAD}function f(a) {{ exec({text}) }}\n{text}")


PACKAGE = {
    "name": "@scope/app",
    "type": "module",
    "main": "dist/index.js",
    "bin": "cli.js",
    "packageManager": "pnpm@9.1.0",
    "engines": {"node": ">=20"},
    "scripts": {"build": "tsc", "start": "node dist"},
    "dependencies": {"express": "^4", "lib": "file:../lib", "bad": 3},
    "devDependencies": {"typescript": "^5", "local": "link:./packages/local"},
    "optionalDependencies": {"fsevents": "*"},
    "peerDependencies": {"react": "*"},
    "workspaces": {"packages": ["packages/*"]},
    "prisma": {"schema": "db/schema.prisma"},
}


def test_package_json() -> None:
    files = Files({"api/package.json": json.dumps(PACKAGE, indent=2), "api/pnpm-lock.yaml": ""})
    package = read_package(files, "api")
    assert package is not None
    assert (package.name, package.type, package.main) == ("@scope/app", "module", "dist/index.js")
    assert package.bin == {"app": "cli.js"}
    assert package.scripts == {"build": "tsc", "start": "node dist"}
    assert package.dependencies == {"express": "^4", "lib": "file:../lib"}
    assert package.dev_dependencies == {"typescript": "^5", "local": "link:./packages/local"}
    assert package.optional == {"fsevents": "*"}
    assert package.peer == {"react": "*"}
    assert package.engines == {"node": ">=20"}
    assert package.workspaces == ("packages/*",)
    assert package.package_manager == "pnpm@9.1.0"
    assert (package.locks, package.lock_kind) == (("api/pnpm-lock.yaml",), "pnpm")
    assert package.local_dependencies == ("../lib", "packages/local")
    assert package.prisma_schema == "db/schema.prisma"
    assert package.line_of == {"build": 11, "start": 12}


def test_package_json_of_little_or_no_use() -> None:
    assert read_package(Files({})) is None
    assert read_package(Files({"package.json": "[]"})) is None
    assert read_package(Files({"package.json": "{"})) is None
    files = Files(
        {
            "package.json": "{}",
            "package-lock.json": "",
            "yarn.lock": "",
            "pnpm-workspace.yaml": "packages:\n - a",
        }
    )
    package = read_package(files)
    assert package is not None
    assert package.lock_kind is None
    assert package.workspaces == ("a",)
    assert package.scripts == {}


def test_tsconfig() -> None:
    files = Files(
        {
            "api/tsconfig.json": """{
  // the output
  "extends": ["../tsconfig.base", "@tsconfig/node20/tsconfig.json"],
  "compilerOptions": { "outDir": "./dist", /* a // b */ "paths": {"@/*": ["src/*"]}, },
  "include": ["src", "http://x//y",],
}""",
            "tsconfig.base.json": '{"compilerOptions": {"outDir": "no", "rootDir": "src", "noEmit": true}}',
        }
    )
    found = read_tsconfig(files, "api/tsconfig.json")
    assert found is not None
    assert (found.out_dir, found.root_dir, found.no_emit) == ("api/dist", "src", True)
    assert found.include[0] == "api/src"
    assert found.uses_path_aliases
    assert found.chain == ("api/tsconfig.json", "tsconfig.base.json")
    assert found.unresolved == ("@tsconfig/node20/tsconfig.json",)


def test_tsconfig_that_extends_itself_or_is_none() -> None:
    found = read_tsconfig(Files({"a.json": '{"extends": "./a.json"}'}), "a.json")
    assert found is not None
    assert found.chain == ("a.json",)
    assert read_tsconfig(Files({}), "tsconfig.json") is None
    assert read_tsconfig(Files({"tsconfig.json": "no"}), "tsconfig.json") is None
