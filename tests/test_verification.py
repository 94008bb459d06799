"""What needs no engine of --verify: options, logs, verdicts, reports, and programs that are stopped."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from msrefactor.verification.behaviour import behaviour_differences
from msrefactor.verification.commands import Commands, Stopping
from msrefactor.verification.config import config_differences
from msrefactor.verification.containers import Answer, Behaviour
from msrefactor.verification.differences import Difference, Level
from msrefactor.verification.engines import Engine, Recipe, cached_runs, is_dead, run_name
from msrefactor.verification.images import Entry, Image
from msrefactor.verification.plan import request, shard
from msrefactor.verification.tables import as_junit, details, explained, table, write_report
from msrefactor.verification.trying import last_error, without_syntax_line
from msrefactor.verification.verdict import Side, Status, Verdict, as_json, from_json

GONE = Difference(Level.CONFIG, "Env MODE", "'production'", "nothing", "app.py reads it")
DIFFERENT = Verdict(
    Status.DIFFERENT,
    (GONE, Difference(Level.RUN, "log", "\x00", "\x1b[31m")),
    culprits=("split-stages",),
    has_part=True,
    before=Side(925_000_000, ((925_000_000, "FROM"),), 34.04, 1, 18.0, 0),
    after=Side(157_000_000, (), 12.0, 2, 1.0, 3),
    removed=(("deb", ("gcc",)),),
    levels=(Level.BUILD, Level.CONFIG),
    notes=("standard output isn't compared",),
    logs="/tmp/logs",
)
OFFER = "the rest is proved: --ignore split-stages or --proved-part takes it"
VERDICTS = [
    (Path("a/Dockerfile"), Verdict(Status.PROVED)),
    (Path("b/Dockerfile"), DIFFERENT),
    (Path("c/Dockerfile"), Verdict(Status.UNPROVED, reason="the original doesn't build")),
]


def test_requests_name_a_port_a_method_and_a_path() -> None:
    assert request("/health") == (None, "/health")
    assert request("8080/health") == (8080, "/health")
    assert request("HEAD /") == (None, "HEAD /")
    for wrong in ("health", "http://x/", ""):
        with pytest.raises(ValueError, match="is no path"):
            request(wrong)


def test_shards_are_parts_of_a_whole() -> None:
    assert shard("2/3") == (2, 3)
    for wrong in ("0/3", "4/3", "1", "a/b"):
        with pytest.raises(ValueError, match="is no part"):
            shard(wrong)


def test_cached_instructions_are_read_from_both_kinds_of_log() -> None:
    buildkit = "#5 [build 2/4] RUN make\n#5 CACHED\n\n#6 [3/4] COPY . .\n#6 CACHED\n#7 [4/4] RUN x\n#7 DONE\n"
    podman = (
        "STEP 1/3: FROM a\n[1/2] STEP 2/3: RUN make\n--> Using cache 8a7\n--> 8a7\nSTEP 3/3: RUN x\n--> 9b\n"
    )
    assert cached_runs(buildkit) == cached_runs(podman) == {"RUN make"}


def test_the_line_that_tells_why_a_build_failed_is_found() -> None:
    assert (
        last_error("#1 x\nERROR: failed to solve: no\n------\nDockerfile:2\n") == "ERROR: failed to solve: no"
    )
    assert last_error("") == "it says nothing"


def test_syntax_line_goes_and_other_directives_stay() -> None:
    assert (
        without_syntax_line("# escape=`\n#syntax = docker/dockerfile:1\nFROM a\n") == "# escape=`\nFROM a\n"
    )
    assert without_syntax_line("# a comment\n# syntax=x\nFROM a\n") == "# a comment\n# syntax=x\nFROM a\n"
    assert without_syntax_line("FROM a\n") == "FROM a\n"


def test_a_verdict_comes_back_from_json() -> None:
    for _, verdict in VERDICTS:
        assert from_json(json.loads(json.dumps(as_json(verdict)))) == verdict


def test_the_table_has_a_line_for_each_file() -> None:
    head, proved, different, unproved = table(VERDICTS).splitlines()
    assert head.split() == [
        "file", "verdict", "MB", "before", "after", "build", "s", "before", "after", "cached", "RUNs",
        "before", "after", "rebuild", "s", "before", "after", "cached", "RUNs", "before", "after",
    ]  # fmt: skip
    assert proved.split() == ["a/Dockerfile", "proved", *"-" * 10]
    assert different.split() == ["b/Dockerfile", "different", *"925 157 34.0 12.0 1 2 18.0 1.0 0 3".split()]
    assert unproved.split() == ["c/Dockerfile", "unproved", *"-" * 10]


def test_a_difference_is_told_with_its_transform_and_what_can_be_done() -> None:
    assert details("b/Dockerfile", DIFFERENT) == [
        "b/Dockerfile:1:1: differs (config): Env MODE: 'production' became nothing; app.py reads it",
        "b/Dockerfile:1:1: differs (run): log: \x00 became \x1b[31m",
        f"b/Dockerfile:1:1: the difference comes from split-stages; {OFFER}",
        "b/Dockerfile:1:1: the logs are in /tmp/logs",
    ]
    assert details("c/Dockerfile", VERDICTS[2][1]) == [
        "c/Dockerfile:1:1: not verified: the original doesn't build"
    ]
    assert details("a/Dockerfile", VERDICTS[0][1]) == []


def test_explain_tells_layers_and_what_is_gone() -> None:
    assert explained("b/Dockerfile", DIFFERENT) == [
        "b/Dockerfile: verified: different; compared: build, config",
        "  standard output isn't compared",
        "  layers before, MB:",
        "       925.0  FROM",
        "  deb packages that are gone: 1",
        "    gcc",
    ]


def test_reports_are_json_or_junit(tmp_path: Path) -> None:
    write_report(tmp_path / "r.json", VERDICTS, "docker")
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["version"] == 1
    assert [(row["path"], row["status"]) for row in report["files"]] == [
        ("a/Dockerfile", "proved"), ("b/Dockerfile", "different"), ("c/Dockerfile", "unproved"),
    ]  # fmt: skip
    write_report(tmp_path / "r.xml", VERDICTS, "docker")
    suite = ElementTree.fromstring((tmp_path / "r.xml").read_bytes())  # noqa: S314  our own
    assert suite.attrib["failures"] == suite.attrib["errors"] == "1"
    assert [[child.tag for child in case] for case in suite] == [[], ["failure"], ["error"]]
    assert b"\x00" not in as_junit(VERDICTS)


def test_a_program_that_takes_too_long_is_ended_with_its_children() -> None:
    ended = Commands().run(["sh", "-c", "echo begun; sleep 60 & wait"], 0.5)
    assert (ended.is_late, ended.succeeded, ended.stdout) == (True, False, "begun\n")
    assert ended.seconds < 20


def test_stop_ends_what_runs_and_lets_nothing_start() -> None:
    commands = Commands()
    told: list[str] = []

    def work() -> None:
        try:
            commands.run(["sleep", "60"], 60)
        except Stopping:
            told.append("stopped")

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.3)
    commands.stop()
    thread.join(20)
    assert told == ["stopped"]
    with pytest.raises(Stopping):
        commands.run(["true"], 5)
    assert commands.run(["echo", "cleaned"], 5, is_cleaning=True).stdout == "cleaned\n"


def test_a_run_is_dead_when_its_process_is_gone() -> None:
    own = run_name()
    assert not is_dead(own)
    when, machine, _, unique = own.removeprefix("msrefactor-verify-").split("-")
    assert is_dead(f"msrefactor-verify-{when}-{machine}-{2**22 + 1}-{unique}")
    assert not is_dead(f"msrefactor-verify-{when}-0{machine[1:]}x-1-{unique}")
    assert not is_dead("somebody-else")


def test_podman_is_given_what_its_build_needs(tmp_path: Path) -> None:
    recipe = Recipe(tmp_path, tmp_path / "D", tmp_path / "I", ("A=1",), target="t", is_cached=False)
    words = Engine("podman", run="r")._build_command("tag", recipe, None)
    assert words == [
        "podman", "build", "--format=docker", "--tag=tag", f"--ignorefile={tmp_path}/I", "--build-arg=A=1",
        "--target=t", "--no-cache", "-f", f"{tmp_path}/D", f"{tmp_path}",
    ]  # fmt: skip


def test_a_builder_of_its_own_hands_out_an_archive(tmp_path: Path) -> None:
    recipe = Recipe(tmp_path, tmp_path / "D")
    words = Engine("docker", "far", exports=True, run="r")._build_command("tag", recipe, tmp_path / "a.tar")
    assert "--builder=far" in words
    assert f"--output=type=docker,dest={tmp_path}/a.tar" in words
    assert "--load" not in words


IMAGE = Image(
    1,
    "linux/amd64",
    {
        "Env": ["PATH=/usr/bin:/bin", "MODE=production", "PYTHON_VERSION=3.12"],
        "Cmd": ["app"],
        "ExposedPorts": {"80": {}},
        "Labels": {"maintainer": "x", "org.opencontainers.image.created": "now"},
        "WorkingDir": "/app",
    },
    (10, 10),
    {"/app": Entry(True, 0o755, 0, 0), "/usr/bin": Entry(True, 0o755, 0, 0)},
)


def changed(user: tuple[int, int] | None = (10, 10), **config: Any) -> Image:
    return Image(1, "linux/amd64", {**IMAGE.config, **config}, user, IMAGE.entries)


@pytest.mark.parametrize(
    "config",
    [
        {"ExposedPorts": {"80/tcp": {}}},
        {"Entrypoint": None, "Volumes": {}, "OnBuild": []},
        {"Env": ["MODE=production", "PATH=/usr/bin:/bin"]},
        {"Labels": None},
        {"Env": [*(IMAGE.config["Env"] or ()), "PYTHON_SHA256=1"]},  # type: ignore[misc]
    ],
)
def test_what_is_the_same_in_other_words_is_no_difference(config: dict[str, Any]) -> None:
    assert config_differences(IMAGE, changed(**config), "FROM x\n") == ()


@pytest.mark.parametrize(
    ("config", "subject"),
    [
        ({"Env": ["PATH=/usr/bin:/bin"]}, "Env MODE"),
        ({"Env": ["MODE=production", "PATH=/bin"]}, "Env PATH"),
        ({"Cmd": ["other"]}, "Cmd"),
        ({"ExposedPorts": {"80/udp": {}}}, "ExposedPorts"),
        ({"WorkingDir": "/"}, "WorkingDir"),
        ({"Labels": {"mine": "1"}}, "Labels"),
        ({"StopSignal": "SIGINT"}, "StopSignal"),
        ({"Shell": ["/bin/bash", "-c"]}, "Shell"),
        ({"Healthcheck": {"Test": ["CMD", "x"]}}, "Healthcheck"),
        ({"user": None}, "User"),
        ({"user": (0, 0)}, "User (as uid, gid)"),
    ],
)
def test_each_field_of_the_configuration_is_compared(config: dict[str, Any], subject: str) -> None:
    found = config_differences(IMAGE, changed(**config), "FROM x\n")
    assert [one.subject for one in found] == [subject]


def test_a_variable_or_label_of_the_base_counts_when_the_author_names_it() -> None:
    after = changed(Env=["PATH=/usr/bin:/bin", "MODE=production"], Labels={})
    found = config_differences(IMAGE, after, "FROM x\nENV PYTHON_VERSION=3.12\nLABEL maintainer=x\n")
    assert [one.subject for one in found] == ["Labels", "Env PYTHON_VERSION"]


def test_a_container_that_ends_is_told_with_its_last_words() -> None:
    before = Behaviour(None, False, 0, (Answer("/", 200, body=b"ok"),), ("tcp any:80",))
    after = Behaviour(None, True, 1, stderr="Traceback\nModuleNotFoundError: No module named 'flask'\n")
    lines = [str(one) for one in behaviour_differences(before, after)]
    said = "it said last: ModuleNotFoundError: No module named 'flask'"
    assert f"ended by itself: False became True; {said}" in lines
    assert f"exit code: 0 became 1; {said}" in lines
    assert any(line.startswith("listening ports: ('tcp any:80',) became ()") for line in lines)
    assert behaviour_differences(before, before) == ()
