"""What the commands of Deno leave behind; what isn't known stays opaque."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Role, stage_facts
from msrefactor.parse import parse
from msrefactor_transforms.ecosystems._deno_commands import interpret, programs_of

CONFIG = """{
  // the tasks
  "tasks": {
    "build": "deno run -A dev.ts build",
    "compile": "deno cache src/main.ts && deno compile -A -o bin/app src/main.ts",
    "both": "deno task compile && deno task build",
    "check": "deno fmt --check && deno lint && deno check main.ts",
    "start": { "command": "deno run -A src/main.ts" },
  },
}"""


def effect(folder: Path, command: str, config: str | None = CONFIG, before: str = "") -> Effect:
    if config is not None:
        (folder / "deno.jsonc").write_text(config)
    (folder / "src").mkdir()
    for name in ("src/main.ts", "dev.ts", "server.ts"):
        (folder / name).write_text("")
    tree = parse(f"FROM denoland/deno:2.1.4\n{before}WORKDIR /app\nCOPY . .\nRUN {command}\n")
    facts = stage_facts(tree, tree.final_stage, BuildContext.open(folder), (interpret,))
    return next(found for _, found in reversed(facts.effects()))


@pytest.mark.parametrize(
    "command",
    ["deno", "deno upgrade", "deno eval 'x'", "deno clean", "deno repl", "deno serve server.ts",
     "deno run", "deno run missing.ts", "deno run $X", "deno task", "deno task unknown",
     "deno task --cwd web build", "deno install -g https://x.org/cli.ts",
     "deno install -Af https://x.org/cli.ts", "deno bundle server.ts"],
)  # fmt: skip
def test_what_is_not_known_stays_opaque(tmp_path: Path, command: str) -> None:
    assert effect(tmp_path, command).role is Role.OPAQUE


@pytest.mark.parametrize(
    ("command", "writes"),
    [
        ("deno cache src/main.ts", ("/deno-dir", "/app")),
        ("deno install", ("/deno-dir", "/app")),
        ("deno install --entrypoint src/main.ts", ("/deno-dir", "/app")),
        ("deno --quiet cache --lock=deno.lock src/main.ts", ("/deno-dir", "/app")),
        ("deno check src/main.ts", ("/deno-dir", "/app")),
        ("deno vendor src/main.ts", ("/deno-dir", "/app")),
        ("deno task build", ("/deno-dir", "/app")),
        ("deno run build", ("/deno-dir", "/app")),
        ("deno run -A npm:vite build", ("/deno-dir", "/app")),
        ("deno install -gArf -n deployctl jsr:@deno/deployctl", ("/usr/local/bin/deployctl", "/deno-dir")),
    ],
)
def test_what_is_written(tmp_path: Path, command: str, writes: tuple[str, ...]) -> None:
    found = effect(tmp_path, command)
    assert found.role is Role.BUILD
    assert found.writes == writes


def test_without_a_manifest_only_the_cache_is_filled(tmp_path: Path) -> None:
    assert effect(tmp_path, "deno cache server.ts", None).writes == ("/deno-dir",)


def test_the_cache_lies_where_the_author_wants_it(tmp_path: Path) -> None:
    assert effect(tmp_path, "deno cache server.ts", None, "ENV DENO_DIR=.deno\n").writes == ("/app/.deno",)


def test_a_script_that_deno_runs_may_write_elsewhere(tmp_path: Path) -> None:
    assert effect(tmp_path, "deno run -A dev.ts build").assumption


@pytest.mark.parametrize(
    "command", ["deno test", "deno lint", "deno fmt --check", "deno task check", "deno bench"]
)
def test_checks_leave_nothing(tmp_path: Path, command: str) -> None:
    assert effect(tmp_path, command).role is Role.GATE


@pytest.mark.parametrize("command", ["deno --version", "deno info", "deno types"])
def test_answers_leave_nothing(tmp_path: Path, command: str) -> None:
    assert effect(tmp_path, command).role is Role.NOTHING


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("deno compile -A server.ts", "/app/server"),
        ("deno compile -A src/main.ts", "/app/src"),
        ("deno compile --allow-net --output app server.ts --port 80", "/app/app"),
        ("deno compile -o bin/ server.ts", "/app/bin/server"),
        ("deno compile --target x86_64-unknown-linux-gnu --include static -o app server.ts", "/app/app"),
        ("deno task compile", "/app/bin/app"),
    ],
)
def test_a_compiled_program(tmp_path: Path, command: str, program: str) -> None:
    found = effect(tmp_path, command)
    assert found.writes == (program,)
    assert found.refusal is None


@pytest.mark.parametrize(
    "command",
    ["deno compile -A https://x.org/cli.ts", "deno compile --target x86_64-pc-windows-msvc server.ts",
     "deno compile $X", "deno task both"],
)  # fmt: skip
def test_a_program_that_is_not_seen(tmp_path: Path, command: str) -> None:
    refusal = effect(tmp_path, command).refusal
    assert refusal is not None
    assert refusal.code == "unknown-artifact"


def test_a_task_that_runs_others() -> None:
    tasks = {"a": "deno task b && tsc", "b": "deno run --watch x.ts", "loop": "deno task loop"}
    assert list(programs_of(tasks, "a")) == [("deno", "run", "--watch", "x.ts"), ("tsc",)]
    assert not list(programs_of(tasks, "loop"))
