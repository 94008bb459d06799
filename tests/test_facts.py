"""What holds at each instruction, and what each does, by hand-written expectations."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import MakeFiles
from msrefactor.context import BuildContext
from msrefactor.facts import Placed, Role, Scope, StageFacts, is_under, overlaps, stage_facts
from msrefactor.knowledge.images import describe
from msrefactor.parse import parse

UNKNOWN = BuildContext.unknown()


def facts(text: str, context: BuildContext = UNKNOWN) -> StageFacts:
    tree = parse(text)
    return stage_facts(tree, tree.final_stage, context)


def end(text: str, context: BuildContext = UNKNOWN) -> Scope:
    return facts(text, context).end


@pytest.fixture
def context(files: MakeFiles) -> BuildContext:
    root: Path = files(
        {
            "app.py": "",
            "conf/a.ini": "",
            "conf/deep/b.ini": "",
            "my file.txt": "",
            "setup.sh": "#!/bin/sh\nset -e\nmkdir -p /data\ncd /srv\ntouch x\nuseradd -d /h svc\n",
            "opaque.sh": "#!/bin/sh\nmake install\n",
            "packages.sh": "#!/bin/sh\napt-get install -y git\n",
            "tool.py": "#!/usr/bin/env python3\n",
            "skipped.txt": "",
            ".dockerignore": "skipped.txt\n",
        }
    )
    return BuildContext.open(root)


def test_workdir_is_relative_to_the_one_before() -> None:
    assert end("FROM debian:12\nWORKDIR /a\nWORKDIR b/c\nWORKDIR ../d\n").cwd == "/a/b/d"
    assert end("FROM debian:12\nENV X=/srv\nWORKDIR $X/app\n").cwd == "/srv/app"
    assert end("FROM golang:1.22\n").cwd == "/go"


def test_user_is_the_last_one() -> None:
    assert end("FROM debian:12\n").user == "root"
    assert end("FROM debian:12\nARG U=app\nUSER $U:web\n").user == "app:web"


def test_env_sees_what_was_before_the_instruction() -> None:
    found = end("FROM debian:12\nENV A=1\nENV A=2 B=$A\nENV C=${A}${B:-x}\n").variables
    assert (found["A"], found["B"], found["C"]) == ("2", "1", "21")


def test_an_env_wins_over_a_build_argument_of_the_same_name() -> None:
    assert end("FROM debian:12\nENV A=env\nARG A=arg\n").variables["A"] == "env"
    assert end("FROM debian:12\nARG A=arg\nENV A=env\n").variables["A"] == "env"


def test_a_global_argument_is_seen_in_a_stage_only_after_it_is_declared_there() -> None:
    text = "ARG V=1\nFROM debian:12\nENV BEFORE=${V:-none}\nARG V\nENV AFTER=$V\n"
    found = end(text)
    assert (found.variables["BEFORE"], found.variables["AFTER"]) == ("none", "1")
    assert {"V", "AFTER"} <= found.arguments
    assert "BEFORE" not in found.arguments


def test_the_base_image_may_be_named_by_an_argument() -> None:
    assert facts("ARG V=3.12\nFROM python:${V}-slim\n").base.variant == "slim"


def test_cd_holds_within_its_run_only() -> None:
    found = facts("FROM debian:12\nWORKDIR /w\nRUN cd sub && touch a && cd .. && touch b\nRUN touch c\n")
    writes = [path for _, effect in found.effects() for path in effect.writes]
    assert writes == ["/w/sub/a", "/w/b", "/w/c"]


def test_cd_in_a_subshell_ends_with_it() -> None:
    found = facts("FROM debian:12\nWORKDIR /w\nRUN (cd sub && touch a) && touch b\n")
    assert [path for _, effect in found.effects() for path in effect.writes] == ["/w/sub/a", "/w/b"]


def test_variables_of_a_run_hold_within_it() -> None:
    found = facts('FROM debian:12\nRUN D=/data && mkdir $D && export E="$D/e" && touch $E\nRUN touch $D\n')
    effects = [effect for _, effect in found.effects()]
    assert [effect.writes for effect in effects if effect.role is Role.SETUP] == [("/data",), ("/data/e",)]
    assert effects[-1].role is Role.OPAQUE


def test_an_assignment_before_a_command_is_for_it_alone() -> None:
    found = facts("FROM debian:12\nRUN A=1 touch x && touch /$A\n")
    assert found.effects()[-1][1].role is Role.OPAQUE


@pytest.mark.parametrize(
    ("copy", "placed"),
    [
        ("COPY app.py /srv/", [("/srv/app.py", "app.py", False)]),
        ("COPY app.py /srv/main.py", [("/srv/main.py", "app.py", False)]),
        ("COPY app.py .", [("/w/app.py", "app.py", False)]),
        ("COPY app.py /w", [("/w/app.py", "app.py", False)]),
        ("COPY conf /etc/conf", [("/etc/conf", "conf", True)]),
        ("COPY . .", [("/w", "", True)]),
        ("COPY / /x", [("/x", "", True)]),
        ("COPY ../app.py ./", [("/w/app.py", "app.py", False)]),
        ("COPY conf/*.ini /etc/", [("/etc/a.ini", "conf/a.ini", False)]),
        ("COPY app.py conf/ /srv/", [("/srv/app.py", "app.py", False), ("/srv", "conf", True)]),
        ('COPY ["my file.txt", "/srv/"]', [("/srv/my file.txt", "my file.txt", False)]),
        ("COPY --parents conf/a.ini conf/deep /srv/",
         [("/srv/conf/a.ini", "conf/a.ini", False), ("/srv/conf/deep", "conf/deep", True)]),
        ("COPY skipped.txt missing.txt /srv/", []),
        ("ADD https://h/x.tgz git@h:me/tool.git /srv/", []),
        ("COPY <<EOF /etc/conf\nx\nEOF", []),
        ("COPY --from=other /x /y", []),
    ],
)  # fmt: skip
def test_copies(context: BuildContext, copy: str, placed: list[tuple[str, str, bool]]) -> None:
    found = facts(f"FROM debian:12\nWORKDIR /w\n{copy}\n", context)
    assert list(found.facts[2].placed) == [Placed(*one) for one in placed]


def test_the_later_copy_of_a_path_counts(context: BuildContext) -> None:
    scope = end("FROM debian:12\nCOPY . /w\nCOPY conf/a.ini /w/app.py\n", context)
    assert scope.origin("/w/app.py") == "conf/a.ini"
    assert scope.origin("/w/conf/a.ini") == "conf/a.ini"
    assert scope.origin("/w/missing") is None
    assert scope.is_file("/w/conf/a.ini")
    assert not scope.is_file("/w/conf")


def test_a_script_of_the_context_is_followed(context: BuildContext) -> None:
    found = facts(
        "FROM debian:12\nWORKDIR /w\nCOPY . .\nRUN ./setup.sh && sh setup.sh && bash -c ./setup.sh\n", context
    )
    for _, effect in found.effects():
        assert effect.role is Role.SETUP
        assert {"/data", "/srv/x", "/h"} <= set(effect.writes)
        assert effect.users == ("svc",)
        assert effect.reads[0] == "/w/setup.sh"
    assert found.end.homes["svc"] == "/h"


@pytest.mark.parametrize(
    "script", ["./opaque.sh", "./packages.sh", "./tool.py", "./missing.sh", "bash -c ./opaque.sh"]
)
def test_a_script_that_is_not_understood_is_opaque(context: BuildContext, script: str) -> None:
    assert (
        facts(f"FROM debian:12\nWORKDIR /w\nCOPY . .\nRUN {script}\n", context).facts[3].role is Role.OPAQUE
    )


def test_homes() -> None:
    assert end("FROM debian:12\nRUN useradd -m app\nUSER app\n").home == "/home/app"
    assert end("FROM debian:12\nRUN useradd -m -d /srv/app app\nUSER app:web\n").home == "/srv/app"
    assert end("FROM debian:12\n").home == "/root"
    assert end("FROM debian:12\nENV HOME=/x\n").home == "/x"
    assert end("FROM node:20\nUSER node\n").is_home_known
    assert not end("FROM debian:12\nUSER who\n").is_home_known


@pytest.mark.parametrize(
    "run",
    [
        'SHELL ["powershell", "-Command"]\nRUN mkdir x',
        "RUN if true",
        "RUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF",
    ],
)
def test_a_shell_that_is_not_understood_is_opaque(run: str) -> None:
    assert facts(f"FROM debian:12\n{run}\n").facts[-1].role is Role.OPAQUE


def test_forms_of_run() -> None:
    found = facts(
        'FROM debian:12\nRUN ["mkdir", "/a"]\nRUN ["/bin/sh", "-c", "mkdir /b && mkdir /c"]\n'
        "RUN <<EOF\nmkdir /d\nmkdir /e\nEOF\nRUN cat <<EOF > /f\nx\nEOF\n"
    )
    writes = [[path for effect in fact.effects for path in effect.writes] for fact in found.runs()]
    assert writes == [["/a"], ["/b", "/c"], ["/d", "/e"], ["/f"]]
    assert [fact.offset is None for fact in found.runs()] == [True, True, False, True]


def test_what_a_download_names_of_the_context_is_read(context: BuildContext) -> None:
    found = facts(
        "FROM debian:12\nWORKDIR /w\nCOPY conf conf\nRUN curl --cert conf/a.ini -o x https://h/x\n", context
    )
    assert found.effects()[0][1].reads == ("/w/conf/a.ini",)


def test_paths() -> None:
    assert is_under("/a/b", "/a")
    assert is_under("/a", "/a")
    assert is_under("/a", "/")
    assert not is_under("/ab", "/a")
    assert overlaps("/a", "/a/b")
    assert not overlaps("/a/b", "/a/c")


@pytest.mark.parametrize(
    ("text", "writes", "appends"),
    [
        ("{ echo a; echo b; } > /etc/x", ("/etc/x",), ()),
        ("( echo a ) >> x", ("/app/x",), ("/app/x",)),
        ("if true; then { echo a; } > /a; fi", ("/a",), ()),
        ("for i in 1 2; do echo $i; done > /dev/null", (), ()),
        ("echo a >> x", ("/app/x",), ("/app/x",)),
        ("echo a | tee -a x", ("/app/x",), ("/app/x",)),
    ],
)
def test_what_redirections_write(text: str, writes: tuple[str, ...], appends: tuple[str, ...]) -> None:
    run = facts(f"FROM debian\nWORKDIR /app\nRUN {text}\n").facts[-1]
    assert tuple(path for effect in run.effects for path in effect.writes) == writes
    assert tuple(path for effect in run.effects for path in effect.appends) == appends


def test_a_group_that_writes_nobody_knows_where_is_opaque() -> None:
    run = facts("FROM debian\nRUN { echo a; } > $SOMEWHERE\n").facts[-1]
    assert run.role is Role.OPAQUE


def test_files_of_a_folder_come_from_all_copies_into_it(tmp_path: Path) -> None:
    for name in ("src/main.c", "deploy/night.txt", "words/pages/a.txt", "other/b.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    placed = (
        Placed("/app", "src", is_folder=True),
        Placed("/app", "deploy", is_folder=True),
        Placed("/app/pages", "words/pages", is_folder=True),
        Placed("/app/c.txt", "other/b.txt", is_folder=False),
        Placed("/", "other", is_folder=True),
    )
    scope = Scope(describe("debian"), BuildContext.open(tmp_path), placed=placed)
    assert scope.files("/app") == {
        "main.c": "src/main.c",
        "night.txt": "deploy/night.txt",
        "pages/a.txt": "words/pages/a.txt",
        "c.txt": "other/b.txt",
    }
    assert scope.files("/app/pages") == {"a.txt": "words/pages/a.txt"}
