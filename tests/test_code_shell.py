"""Which programs shell scripts and command lines start."""

from __future__ import annotations

import pytest

from code_context import Files, is_empty, lines, names
from msrefactor.code.needs import CodeNeeds
from msrefactor.code.shell import (
    arguments_of,
    behind_runner,
    script_needs,
    shebang,
    started_by,
    starts_in,
)


def needs_of(text: str, **others: str) -> CodeNeeds:
    files = {"docker/entrypoint.sh": text}
    files.update({name.replace("__", "/") + ".sh": other for name, other in others.items()})
    return script_needs(Files(files), "docker/entrypoint.sh", text)


def programs(text: str) -> list[str]:
    starts = starts_in(text)
    assert starts is not None
    return [start.name for start in starts if start.kind == "program"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# git log\n",
        "set -e\ncd /app\nexport A=b\n: ${X:=y}\necho 'git log'\nexit 0\n",
        'if [ -z "$A" ]; then echo no >&2; fi\nwhile true; do :; done\n',
        "cat_it() { echo; }\ncat_it\n",
        "command -v git\ntype git\nhash git\n",
        'exec "$@"\n',
        'exec "${@}"',
        "cat <<EOF\ngit log\nEOF\n"[:0] + "x=1\n",
    ],
)
def test_no_program_is_started(text: str) -> None:
    assert is_empty(needs_of(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("git log | head", ["git", "head"]),
        ("A=1 git log && (tar x; gzip)", ["git", "tar", "gzip"]),
        ("x=$(git rev-parse HEAD)", ["git"]),
        ("exec gunicorn app:app", ["gunicorn"]),
        ("exec gosu app:app gunicorn", ["gosu", "gunicorn"]),
        ("su-exec app redis-server", ["su-exec", "redis-server"]),
        ("sudo -u app -E A=1 ps", ["sudo", "ps"]),
        ("su app -c 'ps aux | grep x'", ["su", "ps", "grep"]),
        ("su -s /bin/sh app -c ps", ["su", "ps"]),
        ("runuser -u app -- ps", ["runuser", "ps"]),
        ("env -i A=1 ps", ["env", "ps"]),
        ("nice -n 5 nohup ps", ["nice", "nohup", "ps"]),
        ("timeout --signal=KILL 5 ps", ["timeout", "ps"]),
        ("xargs -n 1 -P4 convert", ["xargs", "convert"]),
        ("find . -name x -exec chmod +x {} +", ["find", "chmod"]),
        ("sh -c 'curl x | jq .'", ["sh", "curl", "jq"]),
        ("bash -euxc 'curl x'", ["bash", "curl"]),
        ('sh -c "curl $HOST"', ["sh", "curl"]),
        ("eval 'git log'", ["git"]),
        ("trap 'rm -f x' EXIT", ["rm"]),
        ("tini -s -- python app.py", ["tini", "python"]),
        ("dumb-init python app.py", ["dumb-init", "python"]),
        ("./wait-for-it.sh db:5432 -t 5 -- gunicorn x", ["./wait-for-it.sh", "gunicorn"]),
        ("poetry run gunicorn x", ["poetry", "gunicorn"]),
        ("uv run --extra x gunicorn x", ["uv", "gunicorn"]),
        ("conda run -n env python x", ["conda", "python"]),
        ("bundle exec puma", ["bundle", "puma"]),
        ("command -p ps", ["ps"]),
        ("if git log; then tar x; else gzip; fi", ["git", "tar", "gzip"]),
        ("for i in 1 2; do ps; done", ["ps"]),
        ("X=ps; $X aux", ["ps"]),
        ('X=/opt/bin; "$X/tool"', ["/opt/bin/tool"]),
        ("X='git log'; $X", ["git"]),
    ],
)
def test_programs(text: str, expected: list[str]) -> None:
    assert programs(text) == expected


@pytest.mark.parametrize(
    "text", ["$CMD x", '"$1"', "exec $SERVER", "eval $X", "sh -c $X", "X=a\nX=b\n$X", ". $FILE", "read X\n$X"]
)
def test_unknown_programs(text: str) -> None:
    assert len(needs_of(text).unknown_commands) == 1


def test_a_function_that_starts_its_arguments() -> None:
    needs = needs_of('run() {\n  echo "$@"\n  "$@"\n}\nrun git log\nrun ls\n')
    assert names(needs, "commands") == {"git", "ls"}
    assert needs.unknown_commands == ()


def test_evidence_is_the_line() -> None:
    needs = needs_of("#!/bin/bash\n\nif true; then\n  pg_isready -h db\nfi\n")
    assert [(name, place.line, place.text) for name, place in needs.commands] == [
        ("/bin/bash", 1, "#!/bin/bash"),
        ("pg_isready", 4, "pg_isready -h db"),
    ]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("#!/bin/sh", ("sh", "/bin/sh")),
        ("#!/bin/sh -e", ("sh", "/bin/sh")),
        ("#!/usr/bin/env bash", ("bash", "bash")),
        ("#!/usr/bin/env -S python3 -u", ("python3", "python3")),
        ("#! /usr/bin/with-contenv bash", ("bash", "bash")),
        ("#!/bin/bash\r", ("bash", "/bin/bash")),
        ("echo", (None, None)),
        ("#!", (None, None)),
    ],
)
def test_interpreters(first: str, expected: tuple[str | None, str | None]) -> None:
    assert shebang(first + "\necho\n") == expected


@pytest.mark.parametrize(
    "call",
    [
        ". ./lib.sh", "source lib.sh", ". /app/docker/lib.sh", '. "$(dirname "$0")/lib.sh"', "./lib.sh",
        '. "${BASH_SOURCE%/*}/lib.sh"', "bash docker/lib.sh", "sh /usr/local/bin/lib.sh",
        'exec "$DIR/lib.sh"', "docker/lib.sh arg", "lib.sh",
    ],
)  # fmt: skip
def test_other_scripts_are_followed(call: str) -> None:
    needs = needs_of(f"{call}\n", docker__lib="psql -c 'select 1'\n./again.sh\n", docker__again="nc -z x\n")
    assert {"psql", "nc"} <= names(needs, "commands")
    assert needs.unknown_commands == ()
    assert {place.file for name, place in needs.commands if name == "psql"} == {"docker/lib.sh"}


def test_scripts_that_start_each_other_end() -> None:
    needs = needs_of("./other.sh\n", docker__other="./entrypoint.sh\n./other.sh\n")
    assert names(needs, "commands") == {"./other.sh", "./entrypoint.sh"}


def test_a_python_script_is_read_as_python() -> None:
    text = "#!/usr/bin/env python3\nimport subprocess\nsubprocess.run(['git'])\n"
    needs = script_needs(Files({"run": text}), "run", text)
    assert names(needs, "commands") == {"python3", "git"}
    needs = needs_of("python /app/docker/x.py\n")
    assert names(needs, "paths") == {"/app/docker/x.py"}


def test_modules_of_python() -> None:
    needs = needs_of("python -m gunicorn app:app\npython3 -m pip install x\n")
    assert needs.imports == {"gunicorn", "pip"}
    assert names(needs, "commands") == {"python", "python3", "pip"}


def test_windows_line_ends_and_garbage() -> None:
    assert names(needs_of("#!/bin/sh\r\ngit log\r\n"), "commands") == {"/bin/sh", "git"}
    assert len(needs_of("if then fi ((").unknown_commands) == 1


def test_read_files() -> None:
    needs = needs_of("psql < /app/schema.sql\nmktemp\n")
    assert names(needs, "paths") == {"/app/schema.sql"}
    assert needs.writes_temp


def test_a_command_line_of_values() -> None:
    starts = list(started_by(arguments_of(["timeout", "5", None])))
    assert [(start.kind, start.name) for start in starts] == [("program", "timeout"), ("unknown", "")]
    assert list(started_by(())) == []


def test_deep_nesting_ends() -> None:
    text = "sh -c 'sudo '" * 40
    needs_of(text)
    list(started_by(arguments_of(["sudo"] * 3000)))
    assert lines(needs_of('sh -c "$A"\n'), "unknown_commands") == [1]


@pytest.mark.parametrize(
    ("words", "behind"),
    [
        (("/bin/sh", "-c"), ("/bin/sh", "-c")),
        (("conda", "activate", "x"), ("conda", "activate", "x")),
        (("conda", "run", "-n", "x", "/bin/bash", "-c"), ("/bin/bash", "-c")),
        (("/opt/conda/bin/conda", "run", "--no-capture-output", "-p", "/x", "bash", "-lc"), ("bash", "-lc")),
        (("micromamba", "run", "-n", "x"), ()),
        ((), ()),
    ],
)
def test_what_stands_behind_a_runner(words: tuple[str, ...], behind: tuple[str, ...]) -> None:
    assert behind_runner(words) == behind
