"""What the commands of Bun leave behind, and what a start by bun comes to; what isn't known stays opaque."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor.code.node_package import read_package
from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Role, stage_facts
from msrefactor.model import Settings
from msrefactor.parse import parse
from msrefactor.pipeline import refactor_file
from msrefactor_transforms.ecosystems import bun as bun_programs
from msrefactor_transforms.ecosystems._node_projects import NodeInstall, expanded, package_at
from msrefactor_transforms.ecosystems.node import interpret
from msrefactor_transforms.knowledge.bundled import reads_nothing_beside_itself

PLAIN = (
    '{"scripts": {"build": "bun build src/a.ts --outdir out", "start": "bun run serve", '
    '"serve": "bun --smol src/a.ts", "dev": "bun --watch src/a.ts", "test": "bun test"}, '
    '"dependencies": {"hono": "4"}}'
)


def effect(folder: Path, command: str, manifest: str = PLAIN, config: str | None = None) -> Effect:
    (folder / "package.json").write_text(manifest)
    (folder / "bun.lock").write_text("{}")
    (folder / "src").mkdir()
    (folder / "src" / "a.ts").write_text("")
    if config is not None:
        (folder / "bunfig.toml").write_text(config)
    tree = parse(f"FROM oven/bun:1.2\nWORKDIR /app\nCOPY . .\nRUN {command}\n")
    facts = stage_facts(tree, tree.final_stage, BuildContext.open(folder), (interpret,))
    return next(found for _, found in reversed(facts.effects()))


@pytest.mark.parametrize(
    "command",
    ["bun", "bun upgrade", "bun link", "bun link hono", "bun create x", "bun init", "bun repl", "bun $X",
     "bun run", "bun run unknown", "bun build src/a.ts", "bun build src/a.ts --compile", "bun pm pack",
     "bun run missing.ts", "bunx", "bunx cowsay hello", "bun x unheard-of", "bun exec 'rm -rf /usr'"],
)  # fmt: skip
def test_what_is_not_known_stays_opaque(tmp_path: Path, command: str) -> None:
    assert effect(tmp_path, command).role is Role.OPAQUE


@pytest.mark.parametrize(
    ("command", "writes"),
    [
        ("bun install", ("/app/node_modules",)),
        ("bun i --frozen-lockfile", ("/app/node_modules",)),
        ("bun ci", ("/app/node_modules",)),
        ("bun add hono", ("/app/node_modules",)),
        ("bun install --cwd api", ("/app/api",)),
        ("bun remove hono", ("/app/node_modules",)),
        ("bun pm trust --all", ("/app/node_modules",)),
        ("bun run build", ("/app",)),
        ("bun --bun run build", ("/app",)),
        ("bun run --silent build", ("/app",)),
        ("bun run src/a.ts", ("/app",)),
        ("bun src/a.ts", ("/app",)),
        ("bun build src/a.ts --outdir out", ("/app/out",)),
        ("bun build src/a.ts --outfile=out/a.js", ("/app/out/a.js",)),
        ("bunx --bun vite build", ("/app/dist",)),
        ("bun x prisma generate", ("/app",)),
        ("bun --filter '*' build", ("/app",)),
    ],
)
def test_what_is_written(tmp_path: Path, command: str, writes: tuple[str, ...]) -> None:
    found = effect(tmp_path, command)
    assert found.role is Role.BUILD
    assert found.writes == writes


@pytest.mark.parametrize("command", ["bun test", "bun run test", "bunx eslint .", "bun audit"])
def test_checks_leave_nothing(tmp_path: Path, command: str) -> None:
    assert effect(tmp_path, command).role is Role.GATE


@pytest.mark.parametrize(
    ("command", "role"), [("bun --version", Role.NOTHING), ("bun pm cache rm", Role.CLEAN)]
)
def test_small_commands(tmp_path: Path, command: str, role: Role) -> None:
    assert effect(tmp_path, command).role is role


def test_a_script_that_bun_runs_may_write_elsewhere(tmp_path: Path) -> None:
    assert effect(tmp_path, "bun src/a.ts").assumption


@pytest.mark.parametrize("option", ["--production", "-p", "--omit=dev"])
def test_an_install_without_dev_dependencies(tmp_path: Path, option: str) -> None:
    detail = effect(tmp_path, f"bun install {option}").detail
    assert isinstance(detail, NodeInstall)
    assert not detail.with_dev


def test_a_global_install_is_remembered_with_its_packages(tmp_path: Path) -> None:
    found = effect(tmp_path, "bun add -g serve@14")
    assert isinstance(found.detail, NodeInstall)
    assert (found.detail.is_global, found.detail.packages) == (True, ("serve",))


def test_packages_in_a_cache_elsewhere_are_an_obstacle(tmp_path: Path) -> None:
    refusal = effect(tmp_path, "bun install --backend=symlink").refusal
    assert refusal is not None
    assert refusal.code == "need-not-found"


def test_a_workspace_is_installed_all_over_the_project(tmp_path: Path) -> None:
    found = effect(tmp_path, "bun install", '{"workspaces": ["apps/*"], "dependencies": {}}')
    assert found.writes == ("/app",)


@pytest.mark.parametrize(
    ("words", "programs"),
    [
        ("bun start", [("bun",), ("bun",), ("bun", "--smol", "src/a.ts")]),
        ("bun run serve", [("bun",), ("bun", "--smol", "src/a.ts")]),
        ("bun --bun run serve", [("bun",), ("bun", "--smol", "src/a.ts")]),
        ("bun run dev", [("bun",), ("bun", "--watch", "src/a.ts")]),
        ("bun --hot run serve", [("bun", "--hot", "run", "serve")]),
        ("bun src/a.ts", [("bun", "src/a.ts")]),
        ("bun run src/a.ts", [("bun", "run", "src/a.ts")]),
        ("bun build src/a.ts", [("bun", "build", "src/a.ts")]),
        ("bunx --bun next start", [("bunx",), ("next", "start")]),
        ("bun x next start", [("bun",), ("next", "start")]),
        ("bun run next start", [("bun",), ("next", "start")]),
    ],
)
def test_what_a_start_comes_to(tmp_path: Path, words: str, programs: list[tuple[str, ...]]) -> None:
    (tmp_path / "package.json").write_text(PLAIN)
    tree = parse("FROM oven/bun:1.2\nWORKDIR /app\nCOPY . .\n")
    facts = stage_facts(tree, tree.final_stage, BuildContext.open(tmp_path), (interpret,))
    package = package_at("/app", facts.end)
    assert package is not None
    assert list(expanded(package, tuple(words.split()))) == programs


COMPILING = (
    '{"scripts": {"compile": "rm -rf dist && bun build --compile --outfile dist/srv src/a.ts", '
    '"all": "bun run compile && vite build", "build": "bun build src/a.ts --outdir out"}}'
)


def compiled(folder: Path, command: str, base: str = "oven/bun:1.2") -> Effect:
    (folder / "package.json").write_text(COMPILING)
    tree = parse(f"FROM {base}\nWORKDIR /app\nCOPY . .\nRUN {command}\n")
    facts = stage_facts(
        tree, tree.final_stage, BuildContext.open(folder), (bun_programs.interpret, interpret)
    )
    return next(found for _, found in reversed(facts.effects()))


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("bun build --compile src/a.ts --outfile server", "/app/server"),
        ("bun build --compile src/a.ts --outfile=bin/server --minify", "/app/bin/server"),
        ("bun build src/a.ts --compile --target bun-linux-x64", "/app/a"),
        ("bun build --compile --define X=1 ./src/main.tsx", "/app/main"),
        ("bun run compile", "/app/dist/srv"),
        ("npm run compile", "/app/dist/srv"),
    ],
)
def test_a_compiled_program(tmp_path: Path, command: str, program: str) -> None:
    found = compiled(tmp_path, command)
    assert (found.ecosystem or "bun", found.writes) == ("bun", (program,))
    assert found.refusal is None


@pytest.mark.parametrize(
    ("command", "base"),
    [
        ("bun build --compile .", "oven/bun:1"),
        ("bun build --compile $X --outfile server", "oven/bun:1"),
        ("bun build --compile src/a.ts --target=bun-windows-x64 --outfile a", "oven/bun:1"),
        ("bun build --compile src/a.ts --target=bun-linux-x64-musl --outfile a", "oven/bun:1"),
        ("bun build --compile src/a.ts --target=bun-linux-x64 --outfile a", "oven/bun:1-alpine"),
        ("bun run all", "oven/bun:1"),
    ],
)
def test_a_program_that_is_not_seen(tmp_path: Path, command: str, base: str) -> None:
    refusal = compiled(tmp_path, command, base).refusal
    assert refusal is not None
    assert refusal.code == "unknown-artifact"


@pytest.mark.parametrize(
    ("dependencies", "packages", "expected"),
    [
        ("", None, True),
        ('"hono": "4"', '"hono": ["hono@4.7.0", "", {}, "x"],', True),
        ('"hono": "4"', None, False),
        ('"pino": "9"', '"pino": ["pino@9.6.0", "", {}, "x"],', False),
        ('"hono": "4"', ('"hono": ["hono@4.7.0", "", {"dependencies": {"pino": "9"}}, "x"],'
         ' "pino": ["pino@9.6.0", "", {}, "x"],'), False),
        ('"hono": "4"', ('"hono": ["hono@4.7.0", "", {"peerDependencies": {"pino": "9"}, '
         '"optionalPeers": ["pino"]}, "x"], "pino": ["pino@9.6.0", "", {}, "x"],'), True),
        ('"hono": "4"', "oh no", False),
    ],
)  # fmt: skip
def test_packages_that_open_nothing(
    tmp_path: Path, dependencies: str, packages: str | None, expected: bool
) -> None:
    (tmp_path / "package.json").write_text(f'{{"dependencies": {{{dependencies}}}}}')
    if packages is not None:
        (tmp_path / "bun.lock").write_text(f'{{"packages": {{{packages}}}}}')
    context = BuildContext.open(tmp_path)
    package = read_package(context)
    assert package is not None
    assert reads_nothing_beside_itself(context, package) is expected


def test_an_install_reads_the_lock_file_and_the_settings(tmp_path: Path) -> None:
    known = effect(tmp_path, "bun install --frozen-lockfile").dependencies
    assert known is not None
    assert {"/app/package.json", "/app/bun.lock", "/app/bun.lockb", "/app/bunfig.toml"} <= set(known.reads)
    assert known.obstacle is None


def test_an_install_of_named_packages_changes_the_manifest(tmp_path: Path) -> None:
    known = effect(tmp_path, "bun a hono").dependencies
    assert known is not None
    assert known.obstacle is not None


@pytest.mark.parametrize(
    ("command", "manifest", "writes"),
    [
        ("bun install", "{}", ()),
        ("bun install --production", '{"devDependencies": {"typescript": "5"}}', ()),
        ("bun install", '{"devDependencies": {"typescript": "5"}}', ("/app/node_modules",)),
        ("bun add hono", "{}", ("/app/node_modules",)),
    ],
)
def test_no_folder_is_made_for_no_packages(
    tmp_path: Path, command: str, manifest: str, writes: tuple[str, ...]
) -> None:
    assert effect(tmp_path, command, manifest).writes == writes


def test_an_install_in_a_member_fills_the_workspace(tmp_path: Path) -> None:
    member = tmp_path / "apps" / "api"
    member.mkdir(parents=True)
    (member / "package.json").write_text('{"dependencies": {"hono": "4"}, "scripts": {"build": "tsc"}}')
    found = effect(tmp_path, "cd apps/api && bun install", '{"workspaces": ["apps/*"]}')
    assert (found.reads[0], found.writes) == ("/app", ("/app",))


def test_a_build_in_a_member_reads_the_workspace(tmp_path: Path) -> None:
    member = tmp_path / "apps" / "api"
    member.mkdir(parents=True)
    (member / "package.json").write_text('{"scripts": {"build": "vite build"}}')
    found = effect(tmp_path, "cd apps/api && bun run build", '{"workspaces": ["apps/*"]}')
    assert found.reads[0] == "/app"


@pytest.mark.parametrize(
    ("base", "final"),
    [
        ("oven/bun:1.2", "debian:trixie-slim"),
        ("oven/bun:1-slim", "debian:trixie-slim"),
        (f"oven/bun@sha256:{'0' * 64}", None),
        ("oven/bun:1-distroless", None),
    ],
)
def test_where_a_compiled_program_ends(tmp_path: Path, base: str, final: str | None) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.ts").write_text('console.log("hello");\n')
    (tmp_path / "package.json").write_text('{"name": "a"}')
    (tmp_path / "Dockerfile").write_text(
        f"FROM {base}\nWORKDIR /app\nCOPY . .\n"
        'RUN ["bun", "build", "--compile", "src/a.ts", "--outfile", "srv"]\nCMD ["./srv"]\n'
    )
    result = refactor_file(tmp_path / "Dockerfile", Settings())
    bases = [line.split()[1] for line in (result.after or "").splitlines() if line.startswith("FROM")]
    assert bases[-1:] == [final or base]
