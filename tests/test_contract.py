"""The effective configuration, and what the container starts, by hand-written expectations."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import MakeFiles
from msrefactor.context import BuildContext
from msrefactor.contract import Config, Start, config_differences, effective_config, evidence_of, starts
from msrefactor.facts import stage_facts
from msrefactor.model import Evidence, View
from msrefactor.parse import parse
from msrefactor.uses import Use


def config(text: str) -> Config:
    tree = parse(text)
    return effective_config(tree, len(tree.stages) - 1)


def started(text: str, *uses: Use, context: BuildContext | None = None) -> list[tuple[str, object]]:
    """Return the kind and the words (or the shell text) of each start."""
    tree = parse(text)
    known = context or BuildContext.unknown()
    found = starts(View(tree, known, uses), stage_facts(tree, tree.final_stage, known))
    assert all(isinstance(one, Start) for one in found)
    return [(one.kind, one.argv if one.argv is not None else one.shell) for one in found]


def use(kind: str, *argv: str, text: str | None = None) -> Use:
    return Use(kind, argv or None, text, None, Evidence("compose.yaml", 1, ""))  # type: ignore[arg-type]


def test_the_base_image_gives_what_the_file_does_not() -> None:
    found = config("FROM node:20\n")
    assert found.entrypoint == ("docker-entrypoint.sh",)
    assert found.cmd == ("node",)
    assert config("FROM golang:1.22\n").workdir == "/go"


def test_entrypoint_resets_a_command_of_the_base_image_only() -> None:
    assert config('FROM python:3.12\nENTRYPOINT ["x"]\n').cmd is None
    assert config('FROM python:3.12\nCMD ["a"]\nENTRYPOINT ["x"]\n').cmd == ("a",)
    assert config('FROM python:3.12\nENTRYPOINT ["x"]\nCMD ["a"]\n').cmd == ("a",)
    assert config('FROM python:3.12\nCMD ["python3"]\nENTRYPOINT ["x"]\n').cmd == ("python3",)
    assert config('FROM debian:12 AS base\nCMD ["a"]\nFROM base\nENTRYPOINT ["x"]\n').cmd is None


def test_forms_of_commands() -> None:
    assert config("FROM debian:12\nCMD run  now\n").cmd == "run  now"
    assert config('FROM debian:12\nCMD ["run", "now"]\n').cmd == ("run", "now")
    assert config("FROM debian:12\nCMD a\nCMD b\n").cmd == "b"
    assert config("FROM debian:12\nCMD ['a']\n").cmd == "['a']"


def test_a_stage_builds_on_another() -> None:
    found = config(
        "FROM debian:12 AS base\nENV A=1 B=1\nWORKDIR /app\nUSER app\nEXPOSE 80\nLABEL x=1\n"
        "FROM base\nENV B=$A$A\nWORKDIR sub\nEXPOSE 81\n"
    )
    assert found.environment == {"A": "1", "B": "11"}
    assert (found.workdir, found.user) == ("/app/sub", "app")
    assert found.exposed == {"80/tcp", "81/tcp"}
    assert found.labels == {"x": "1"}


def test_an_argument_of_another_stage_is_not_seen() -> None:
    text = "FROM debian:12 AS base\nARG V=1\nFROM base\nLABEL v=$V\n"
    assert config(text).labels == {"v": "${V}"}


def test_env_and_arg() -> None:
    assert config("FROM debian:12\nARG A=1\nENV B=$A\n").environment == {"B": "1"}
    assert config("ARG A=1\nFROM debian:12\nARG A\nENV B=$A\n").environment == {"B": "1"}
    assert config("ARG A=1\nFROM debian:12\nENV B=$A\n").environment == {"B": "${A}"}
    assert config("FROM debian:12\nENV A=1 B=$A\n").environment == {"A": "1", "B": "${A}"}
    assert config("FROM debian:12\nENV KEY some value\n").environment == {"KEY": "some value"}


def test_exposed_ports() -> None:
    found = config("FROM debian:12\nARG P=7\nEXPOSE 80 53/UDP 53/tcp 9000-9002 $P/udp\n").exposed
    assert found == {"80/tcp", "53/udp", "53/tcp", "9000-9002/tcp", "7/udp"}


def test_volumes_in_both_forms() -> None:
    assert config('FROM debian:12\nENV D=/d\nVOLUME /a $D\nVOLUME ["/b c"]\n').volumes == {"/a", "/d", "/b c"}


def test_labels() -> None:
    found = config('FROM debian:12\nLABEL a=1 "b c"="d e"\nLABEL old style\nMAINTAINER me\n').labels
    assert found == {"a": "1", "b c": "d e", "old": "style", "maintainer": "me"}


def test_healthcheck_and_signal() -> None:
    found = config("FROM debian:12\nHEALTHCHECK CMD true\nHEALTHCHECK NONE\nSTOPSIGNAL SIGINT\n")
    assert (found.healthcheck, found.stopsignal) == ("NONE", "SIGINT")
    assert (
        config("FROM debian:12\nHEALTHCHECK --interval=5s CMD  a b\n").healthcheck == "--interval=5s CMD a b"
    )


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ("ENV A=1", "", "environment variable A is lost"),
        ("ENV A=1", "ENV A=2", "environment variable A changed"),
        ("", "ENV A=1", "environment variable A is new"),
        ("USER a", "", "user: 'a' became 'root'"),
        ("WORKDIR /a", "WORKDIR /b", "workdir: '/a' became '/b'"),
        ("CMD a", 'CMD ["a"]', "cmd: 'a' became ('a',)"),
        ("EXPOSE 80", "EXPOSE 80/udp", "exposed: {80/tcp} became {80/udp}"),
        ("VOLUME /a", "", "volumes: {/a} became {}"),
        ("LABEL a=1", "LABEL a=2", "label a is lost or changed"),
        ("STOPSIGNAL 9", "", "stopsignal: '9' became None"),
        ("HEALTHCHECK NONE", "", "healthcheck: 'NONE' became None"),
        ("ONBUILD RUN a", "", "onbuild: ('RUN a',) became ()"),
        ("ENV PATH=/x:$PATH", "ENV PATH=/y:$PATH", "PATH entry /x is lost"),
        ('SHELL ["/bin/bash", "-c"]\nCMD a', "CMD a", "shell: ('/bin/bash', '-c') became None"),
    ],
)
def test_differences(before: str, after: str, difference: str) -> None:
    old, new = config(f"FROM debian:12\n{before}\n"), config(f"FROM debian:12\n{after}\n")
    assert config_differences(old, new) == (difference,)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("USER root", ""),
        ("ENV PATH=/x:$PATH", "ENV PATH=/x:/v/bin:$PATH"),
        ("ENV PYTHONPATH=/a", "ENV PYTHONPATH=/a:/b"),
        ("ENV CGO_ENABLED=0", ""),
        ("EXPOSE 80", "EXPOSE 80/tcp"),
        ("LABEL a=1", "LABEL a=1 b=2"),
        ('SHELL ["/bin/bash", "-c"]\nCMD ["a"]', 'CMD ["a"]'),
        ("WORKDIR /a/", "WORKDIR /a"),
        ("MAINTAINER me", "LABEL maintainer=me"),
    ],
)
def test_no_difference(before: str, after: str) -> None:
    old, new = config(f"FROM debian:12\n{before}\n"), config(f"FROM debian:12\n{after}\n")
    assert config_differences(old, new) == ()


def test_command_and_entrypoint_are_started_together() -> None:
    assert started('FROM debian:12\nENTRYPOINT ["tini", "--"]\nCMD ["a", "b"]\n') == [
        ("command", ("tini", "--", "a", "b"))
    ]
    assert started("FROM debian:12\nENTRYPOINT a b\nCMD c\n") == [("command", "a b")]
    assert started('FROM debian:12\nCMD ["sh", "-c", "exec a"]\n') == [("command", ("sh", "-c", "exec a"))]


def test_the_command_of_an_entrypoint_script_is_a_program_of_its_own() -> None:
    assert started('FROM debian:12\nENTRYPOINT ["/entrypoint.sh"]\nCMD ["a"]\n') == [
        ("command", ("/entrypoint.sh", "a")),
        ("command", ("a",)),
    ]


def test_only_the_last_command_is_started() -> None:
    assert started('FROM debian:12\nCMD ["a"]\nCMD ["b"]\n') == [("command", ("b",))]


def test_the_base_image_starts_what_the_file_does_not() -> None:
    assert started("FROM node:20\n") == [("command", ("docker-entrypoint.sh", "node"))]
    assert ("command", ("docker-php-entrypoint",)) in started('FROM php:8.3-cli\nCMD ["php", "x.php"]\n')
    assert started('FROM node:20\nCMD ["node", "x.js"]\n') == [("command", ("node", "x.js"))]
    assert started('FROM node:20\nCMD ["x.js"]\n') == [("command", ("node", "x.js"))]
    assert started('FROM oven/bun\nCMD ["run", "start"]\n') == [("command", ("bun", "run", "start"))]
    assert started('FROM denoland/deno\nCMD ["run", "-A", "x.ts"]\n')[0][1] == ("deno", "run", "-A", "x.ts")
    assert started('FROM denoland/deno\nCMD ["./app"]\n') == [("command", ("./app",))]


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("HEALTHCHECK CMD curl -f x || exit 1", [("healthcheck", "curl -f x || exit 1")]),
        ('HEALTHCHECK --interval=5s CMD ["curl", "x"]', [("healthcheck", ("curl", "x"))]),
        ("HEALTHCHECK NONE", []),
        ("HEALTHCHECK CMD a\nHEALTHCHECK NONE", []),
    ],
)
def test_healthchecks_are_started(check: str, expected: list[tuple[str, object]]) -> None:
    assert started(f'FROM debian:12\n{check}\nCMD ["a"]\n')[1:] == expected


def test_other_ways_of_starting_the_image() -> None:
    text = 'FROM debian:12\nCMD ["a"]\n'
    assert started(text, use("command", "b", "c")) == [("command", ("a",)), ("command", ("b", "c"))]
    assert started(text, use("healthcheck", text="curl x"))[1:] == [("healthcheck", "curl x")]
    assert started(text, use("port")) == [("command", ("a",))]


def test_another_command_only_replaces_the_arguments_of_an_entrypoint() -> None:
    text = 'FROM debian:12\nENTRYPOINT ["python"]\nCMD ["a.py"]\n'
    assert started(text, use("command", "b.py"))[1:] == [("command", ("python", "b.py"))]


def test_evidence_is_one_line() -> None:
    run = parse("FROM debian:12\nRUN a \\\n    # why\n    b\n").stages[0].instructions[1]
    assert evidence_of(run, "Dockerfile") == Evidence("Dockerfile", 2, "RUN a b")
    long = parse(f"FROM debian:12\nRUN {'x' * 200}\n").stages[0].instructions[1]
    assert len(evidence_of(long, "Dockerfile").text) == 120


def test_a_script_of_the_context_is_an_entrypoint_script(files: MakeFiles) -> None:
    root: Path = files({"start": '#!/bin/sh\nexec "$@"\n'})
    text = 'FROM debian:12\nCOPY start /start\nENTRYPOINT ["/start"]\nCMD ["a"]\n'
    assert started(text, context=BuildContext.open(root))[1:] == [("command", ("a",))]
