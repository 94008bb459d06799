"""What Mix and Rebar are understood to leave, and what Elixir source uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor import shell
from msrefactor.code.elixir import needs_of
from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Placed, Role, Scope
from msrefactor.knowledge.images import describe
from msrefactor_transforms.ecosystems._elixir_commands import (
    BeamBuild,
    application_name,
    interpret,
    release_names,
)

MIX = """
defmodule A.MixProject do
  def project do
    [app: :shop, deps: deps(){releases}]
  end
  defp deps, do: []
end
"""


def _effect(folder: Path, text: str, **files: str) -> Effect | None:
    for name, content in files.items():
        (folder / name.replace("_dot_", ".")).write_text(content)
    script = shell.parse_script(text)
    assert script is not None
    scope = Scope(
        describe("elixir:1.17"),
        BuildContext.open(folder),
        cwd="/app",
        variables={"MIX_ENV": "prod"},
        placed=(Placed("/app", "", is_folder=True),),
    )
    command = script.items[0].commands[0]
    return interpret(command, [word.literal for word in command.words], scope)


@pytest.mark.parametrize(
    ("command", "releases", "output"),
    [
        ("mix release", "", "/app/_build/prod/rel/shop"),
        ("mix do deps.get, compile, release --overwrite", "", "/app/_build/prod/rel/shop"),
        ("mix do deps.get + release", "", "/app/_build/prod/rel/shop"),
        ("mix release --path /opt/r", "", "/opt/r"),
        ("mix release", ", releases: [web: [steps: [:assemble]]]", "/app/_build/prod/rel/web"),
        ("mix release b", ", releases: [a: [x: 1], b: []]", "/app/_build/prod/rel/b"),
    ],
)
def test_the_folder_of_a_release(tmp_path: Path, command: str, releases: str, output: str) -> None:
    effect = _effect(tmp_path, command, mix_dot_exs=MIX.replace("{releases}", releases))
    assert effect is not None
    assert effect.refusal is None
    assert effect.writes == (output,)


@pytest.mark.parametrize("releases", [", releases: [a: [x: 1], b: []]", ", releases: Helper.releases()"])
def test_a_release_that_isnt_named_is_not_guessed(tmp_path: Path, releases: str) -> None:
    text = MIX.replace("{releases}", releases)
    effect = _effect(tmp_path, "mix release", mix_dot_exs=text)
    assert effect is not None
    assert effect.writes == ()
    assert effect.refusal is not None
    assert effect.refusal.code == "unknown-artifact"


def test_an_unknown_task_is_not_understood(tmp_path: Path) -> None:
    assert _effect(tmp_path, "mix ecto.migrate") is None
    assert _effect(tmp_path, "mix do deps.get, ecto.setup") is None


def test_tests_are_a_gate(tmp_path: Path) -> None:
    effect = _effect(tmp_path, "mix test --cover")
    assert effect is not None
    assert effect.role is Role.GATE


def test_names_in_mix_exs() -> None:
    assert application_name("def project do\n [app: :a,\n # app: :b,\n v: 1]\nend") == "a"
    assert application_name("def project do\n [app: name(), v: 1]\nend") is None
    own = "def project do\n [releases: releases()]\nend\ndef releases do\n [one: [k: [z: 1]], two: []]\nend"
    assert release_names(own) == ("one", "two")


def test_what_source_starts_and_opens() -> None:
    needs = needs_of(
        "lib/a.ex",
        """
        # System.cmd("ignored", [])
        System.cmd("git", ["status"])
        :os.cmd('convert a b')
        System.cmd(tool, [])
        File.read!("data/x.csv")
        File.read(path)
        """,
    )
    assert [name for name, _ in needs.commands] == ["git", "convert"]
    assert [place.line for place in needs.unknown_commands] == [5]
    assert [name for name, _ in needs.paths] == ["data/x.csv"]
    assert [place.line for place in needs.unknown_paths] == [7]


RELX = """
{relx, [{release, {shop, "0.1.0"}, [shop, sasl]},
        %% {mode, minimal}
        {mode, dev}]}.
{profiles, [{test, [{deps, []}]},
            {prod, [{relx, [PROD]}]}]}.
"""


@pytest.mark.parametrize(
    ("command", "prod", "kind"),
    [
        ("rebar3 as prod release", "", "release"),
        ("rebar3 as prod release", "{mode, prod}", "release"),
        ("rebar3 as prod release", "{mode, minimal}", "bare-release"),
        ("rebar3 as prod release", "{mode, prod}, {include_erts, false}", "bare-release"),
        ("rebar3 as prod release -d false", "{dev_mode, true}", "release"),
        ("rebar3 as prod release --include-erts=false", "", "bare-release"),
        ("rebar3 release", "{mode, prod}", None),
        ("rebar3 as prod release", "{dev_mode, true}", None),
        ("rebar3 as prod release", '{include_erts, "/opt/erlang"}', None),
    ],
)
def test_a_release_of_rebar_by_its_profile(tmp_path: Path, command: str, prod: str, kind: str | None) -> None:
    effect = _effect(tmp_path, command, rebar_dot_config=RELX.replace("PROD", prod))
    assert effect is not None
    if kind is None:
        assert effect.refusal is not None
    else:
        assert effect.detail == BeamBuild("/app/_build/prod/rel/shop", "/app", kind)


DISTILLERY = """
use Mix.Releases.Config,
    default_environment: Mix.env()

environment :dev do
  set dev_mode: true
  set include_erts: false
end

environment :prod do
  set include_erts: ERTS
  # set dev_mode: true
end

release :shop do
  set version: current_version(:shop)
end
"""


@pytest.mark.parametrize(
    ("command", "erts", "kind"),
    [
        ("mix release", "true", "release"),
        ("mix release --env=prod", "true", "release"),
        ("mix release --env=prod", "false", "bare-release"),
        ("mix release --env=dev", "true", None),
        ("mix release --profile=shop:prod", "true", None),
    ],
)
def test_a_release_of_distillery(tmp_path: Path, command: str, erts: str, kind: str | None) -> None:
    (tmp_path / "rel").mkdir()
    (tmp_path / "rel/config.exs").write_text(DISTILLERY.replace("ERTS", erts))
    effect = _effect(tmp_path, command, mix_dot_exs=MIX)
    assert effect is not None
    if kind is None:
        assert effect.refusal is not None
    else:
        assert effect.detail == BeamBuild("/app/_build/prod/rel/shop", "/app", kind)
