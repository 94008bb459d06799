"""What the compilers of Haskell, Swift and Dart are understood to leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from msrefactor import shell
from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Placed, Role, Scope
from msrefactor.knowledge.images import describe
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems import dart, haskell, swift
from msrefactor_transforms.ecosystems._plain_program import needs_of, option

Interpret = Callable[[Command, Sequence[str | None], Scope], Effect | None]


def _effect(interpret: Interpret, folder: Path, text: str, files: dict[str, str], base: str) -> Effect | None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    script = shell.parse_script(text)
    assert script is not None
    scope = Scope(
        describe(base), BuildContext.open(folder), cwd="/src", placed=(Placed("/src", "", is_folder=True),)
    )
    command = next(command for command in script.items[0].commands if not command.is_substituted)
    return interpret(command, [word.literal for word in command.words], scope)


CABAL = "name: a\n\nexecutable server\n  main-is: Main.hs\n\nexecutable tool\n  main-is: T.hs\n\nlibrary\n"


@pytest.mark.parametrize(
    ("command", "outputs"),
    [
        ("stack install", ("/root/.local/bin/server", "/root/.local/bin/tool")),
        ("stack build --copy-bins --local-bin-path=/out", ("/out/server", "/out/tool")),
        ("stack --system-ghc install a:exe:tool", ("/root/.local/bin/tool",)),
        ("cabal install exe:server --install-method=copy --installdir /out", ("/out/server",)),
        ("ghc -O2 Main.hs -o /out/app", ("/out/app",)),
        ("ghc --make Main.hs", ("/src/Main",)),
        ("stack build", ()),
        ("stack install --only-dependencies", ()),
    ],
)
def test_programs_of_haskell(tmp_path: Path, command: str, outputs: tuple[str, ...]) -> None:
    effect = _effect(haskell.interpret, tmp_path, command, {"a.cabal": CABAL}, "haskell:9.10")
    assert effect is not None
    assert effect.refusal is None
    assert effect.writes == outputs


def test_haskell_without_names_is_refused(tmp_path: Path) -> None:
    effect = _effect(haskell.interpret, tmp_path, "stack install", {}, "haskell:9.10")
    assert effect is not None
    assert effect.refusal is not None
    assert effect.refusal.code == "unknown-artifact"


MODULES = {"game.hs": "-- module No\nmain = pure ()\n", "rules.hs": "module Rules where\n", "a.txt": ""}


@pytest.mark.parametrize(
    ("command", "outputs"),
    [("ghc *.hs -package random", ("/src/game",)), ("ghc rules.hs game.hs", ("/src/game",))],
)
def test_ghc_names_a_program_after_the_file_with_its_main(
    tmp_path: Path, command: str, outputs: tuple[str, ...]
) -> None:
    effect = _effect(haskell.interpret, tmp_path, command, MODULES, "haskell:9.10")
    assert effect is not None
    assert effect.writes == outputs


def test_ghc_with_two_mains_is_refused(tmp_path: Path) -> None:
    files = {**MODULES, "rules.hs": "module Main where\n"}
    effect = _effect(haskell.interpret, tmp_path, "ghc *.hs", files, "haskell:9.10")
    assert effect is not None
    assert effect.refusal is not None


PACKAGE = """
let package = Package(name: "p", targets: [
  .executableTarget(name: "App"), // .executableTarget(name: "Old"),
  .target(name: "Lib"), .target(name: "Main"), .testTarget(name: "AppTests"),
])
"""


@pytest.mark.parametrize(
    ("command", "outputs"),
    [
        ("swift build -c release", ("/src/.build/release/App", "/src/.build/release/Main")),
        ("swift build", ("/src/.build/debug/App", "/src/.build/debug/Main")),
        ("swift build -c release --product App --scratch-path /b", ("/b/release/App",)),
        ("swiftc -O main.swift -o run", ("/src/run",)),
        ("mv `swift build -c release --show-bin-path` /out/", ("/out/release/App", "/out/release/Main")),
        ("cp -r $(swift build --show-bin-path) /out", ("/out/App", "/out/Main")),
        (
            'cp "$(swift build --package-path /src -c release --show-bin-path)/Main" ./',
            ("/src/Main",),
        ),
        ("swift build --show-bin-path", ()),
    ],
)
def test_programs_of_swift(tmp_path: Path, command: str, outputs: tuple[str, ...]) -> None:
    files = {"Package.swift": PACKAGE, "Sources/Main/Setup/main.swift": "", "Sources/Lib/a.swift": ""}
    effect = _effect(swift.interpret, tmp_path, command, files, "swift:5.9")
    assert effect is not None
    assert effect.refusal is None
    assert effect.writes == outputs


def test_folders_of_sources_were_targets_before_swift_4(tmp_path: Path) -> None:
    files = {"Package.swift": 'let package = Package(name: "P")', "Sources/App/main.swift": ""}
    effect = _effect(swift.interpret, tmp_path, "swift build", files, "swift:4.0")
    assert effect is not None
    assert effect.writes == ("/src/.build/debug/App",)


@pytest.mark.parametrize(
    "command", ["cp a.txt /out/", "mv $(which swift) /out/", "cp $(swift build)/App /out/"]
)
def test_copies_of_other_things_are_not_swifts(tmp_path: Path, command: str) -> None:
    assert _effect(swift.interpret, tmp_path, command, {"Package.swift": PACKAGE}, "swift:5.9") is None


@pytest.mark.parametrize(
    "command", ["swift build -c release --swift-sdk x86_64-swift-linux-musl", "swiftc a.swift b.swift"]
)
def test_what_swift_builds_elsewhere_is_refused(tmp_path: Path, command: str) -> None:
    effect = _effect(swift.interpret, tmp_path, command, {"Package.swift": PACKAGE}, "swift:5.9")
    assert effect is not None
    assert effect.refusal is not None


@pytest.mark.parametrize(
    ("command", "outputs"),
    [
        ("dart compile exe bin/server.dart -o bin/server", ("/src/bin/server",)),
        ("dart compile exe bin/server.dart", ("/src/bin/server.exe",)),
        ("dart2native bin/s.dart -o /s", ("/s",)),
        ("dart pub get", ()),
    ],
)
def test_programs_of_dart(tmp_path: Path, command: str, outputs: tuple[str, ...]) -> None:
    effect = _effect(dart.interpret, tmp_path, command, {}, "dart:3.6.1")
    assert effect is not None
    assert effect.writes == outputs


def test_what_dart_runs_is_not_understood(tmp_path: Path) -> None:
    assert _effect(dart.interpret, tmp_path, "dart run tool/fetch.dart", {}, "dart:3.6.1") is None
    gate = _effect(dart.interpret, tmp_path, "dart test", {}, "dart:3.6.1")
    assert gate is not None
    assert gate.role is Role.GATE


def test_programs_that_source_starts() -> None:
    text = '-- callProcess "no" []\nmain = callProcess "git" ["status"]\nrun x = proc x []\n'
    needs = needs_of("Main.hs", text, haskell.LANGUAGE)
    assert [name for name, _ in needs.commands] == ["git"]
    assert [place.line for place in needs.unknown_commands] == [3]
    text = "Process.run('ls -l', []);\nProcess.start(name, []);\nProcess.run('$x', []);"
    needs = needs_of("a.dart", text, dart.LANGUAGE)
    assert [name for name, _ in needs.commands] == ["ls"]
    assert [place.line for place in needs.unknown_commands] == [2, 3]


def test_options_are_read_in_both_forms() -> None:
    assert option(["-o", "a"], "-o") == "a"
    assert option(["--out=a"], "--out") == "a"
    assert option(["-out"], "--out") is None


@pytest.mark.parametrize(
    ("command", "writes"),
    [
        ("cp $(find . -name app) /usr/local/bin/app", ("/usr/local/bin/app",)),
        ('install -m 755 "$(find . -name app)" app', ("/src/app",)),
        ("cp $(find . -name app) /usr/local/bin", None),
        ("cp $(find . -name app) bin/", None),
        ("mv $(find . -name app) /usr/local/bin/app", None),
        ("cp -r $(find . -name dist) /site", None),
    ],
)
def test_a_copy_of_something_unknown_to_a_known_file(
    tmp_path: Path, command: str, writes: tuple[str, ...] | None
) -> None:
    from msrefactor.facts import stage_facts
    from msrefactor.parse import parse

    tree = parse(f"FROM debian:bookworm\nWORKDIR /src\nRUN {command}\n")
    facts = stage_facts(tree, tree.stages[0], BuildContext.open(tmp_path))
    effect = next(one for one in facts.facts[2].effects if one.tool != "find")
    if writes is None:
        assert effect.role is Role.OPAQUE
    else:
        assert (effect.role, effect.writes) == (Role.BUILD, writes)


def test_a_start_command_that_nothing_brings_is_refused(tmp_path: Path) -> None:
    """The program is called otherwise than the build leaves it: that is no program of the base."""
    from msrefactor.model import Refused, Settings
    from msrefactor.pipeline import refactor_text

    (tmp_path / "main.ml").write_text("let () = ()\n")
    text = (
        "FROM debian:bookworm\nRUN apt-get update && apt-get install -y gcc libc6-dev ocaml\nWORKDIR /w\n"
        'COPY . .\nRUN ocamlopt main.ml -o /usr/local/bin/{}\nCMD ["serve"]\n'
    )
    other = tmp_path / "Dockerfile"
    only = Settings(select=frozenset({"split-stages"}))
    results = [
        refactor_text(text.replace("{}", name), other, BuildContext.open(tmp_path), (), only)
        for name in ("serve", "other")
    ]
    assert [result.is_changed for result in results] == [True, False]
    refused = results[1].steps[-1].outcome
    assert isinstance(refused, Refused)
    assert refused.code == "need-not-found"
    assert "serve" in refused.detail
