"""The comparison itself: it passes what is the same, and catches each way of being worse."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from msrefactor.verification.engines import Engine
from msrefactor.verification.images import Image

from .builds import build_image, glance
from .cases import Run
from .trial import Pair, build, try_both

pytestmark = pytest.mark.e2e

APPLICATION = """
import http.server, os, pwd

import greeting


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        user = pwd.getpwuid(os.getuid()).pw_name
        body = f"{greeting.WORDS} {os.environ.get('MODE', 'unset')} {user}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Answer).serve_forever()
"""
PACKAGE = {
    "greeting/pyproject.toml": (
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "greeting"\nversion = "1"\n[tool.setuptools]\npy-modules = ["greeting"]\n'
    ),
    "greeting/greeting.py": 'WORDS = "good day"\n',
}
FINAL = """
RUN useradd --uid 10001 --create-home guest
WORKDIR /app
ENV MODE=production PORT=8000
COPY app.py ./
EXPOSE 8000
HEALTHCHECK CMD ["env", "python3", "-c", "import urllib.request as u; u.urlopen('http://localhost:8000')"]
USER guest
CMD ["python3", "app.py"]
"""
ORIGINAL = f"""FROM python:3.12
COPY greeting /tmp/greeting
RUN pip install --no-cache-dir /tmp/greeting
{FINAL}"""
SPLIT = f"""FROM python:3.12 AS build
COPY greeting /tmp/greeting
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir /tmp/greeting

FROM python:3.12-slim
ENV PATH="/opt/venv/bin:$PATH"
COPY --from=build /opt/venv /opt/venv
{FINAL}"""
RUN = Run(
    http="/",
    port=8000,
    body="good day production guest",
    healthcheck=0,
    commands=[["python3", "-c", "import greeting; print(greeting.WORDS)"]],
    wait=10,
)


def try_pair(engine: Engine, folder: Path, original: str, rewritten: str, run: Run = RUN) -> Pair:
    for name, text in {"app.py": APPLICATION, **PACKAGE, "before": original, "after": rewritten}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / ".dockerignore").write_text("before\nafter\n")
    tags = [engine.tag(f"{folder.name}-{which}") for which in ("before", "after")]
    for tag, dockerfile in zip(tags, ("before", "after"), strict=True):
        ended = build(engine, run, tag, folder, dockerfile)
        assert ended.succeeded, ended.log
    return try_both(engine, run, tags[0], tags[1], original)


def test_identity_differs_in_nothing(engine: Engine, tmp_path: Path) -> None:
    trial = try_pair(engine, tmp_path, ORIGINAL, ORIGINAL)
    assert trial.wrong == ()
    assert trial.share == 1
    assert trial.new.ports == ("tcp any:8000",)
    assert trial.new.health == "healthy"
    assert trial.new.commands == ((0, "good day\n"),)
    assert (trial.new.answers[0].status, trial.new.answers[0].content_type) == (200, "text/plain")
    assert trial.new_image.user == (10001, 10001)


def test_right_split_differs_in_nothing_and_is_smaller(engine: Engine, tmp_path: Path) -> None:
    trial = try_pair(engine, tmp_path, ORIGINAL, SPLIT)
    assert trial.wrong == ()
    assert trial.share < 0.25


WORSE = {
    "environment-lost": (
        {"MODE=production PORT": "PORT"},
        ["Env MODE: 'production' became nothing", "GET /: body: b'good day production guest' became"],
    ),
    "user-lost": ({"USER guest\n": ""}, ["User (as uid, gid): (10001, 10001) became (0, 0)"]),
    "user-unknown": (
        {"RUN useradd --uid 10001 --create-home guest": ""},
        ["doesn't know 'guest'", "start: nothing became"],
    ),
    "other-port": (
        {"PORT=8000": "PORT=8001"},
        ["listening ports: ('tcp any:8000',) became", "ConnectionRefused"],
    ),
    "command-missing": (
        {"USER guest": "USER root\nRUN mv /usr/bin/id /usr/bin/gone\nUSER guest"},
        ["commands beside it: ((0, '10001\\n'),) became ((127, ", "a command beside it ended with 127"],
    ),
    "package-missing": (
        {"COPY --from=build /opt/venv /opt/venv\n": ""},
        ["ended by itself: False became True", 'only the refactored container says "ModuleNotFoundError'],
    ),
    "health-command-missing": (
        {"USER guest": "USER root\nRUN mv /usr/bin/env /usr/bin/gone\nUSER guest"},
        ["health: 'healthy' became 'unhealthy, exit code 127", "health is unhealthy"],
    ),
    "configuration-changed": (
        {
            "EXPOSE 8000\n": "",
            "HEALTHCHECK CMD": "# ",
            "WORKDIR /app": "WORKDIR /srv",
            '"/opt/venv/bin:$PATH"': "/opt/venv/bin:/usr/local/bin:/usr/sbin:/bin",
            "\nCMD": "\nSTOPSIGNAL SIGINT\nCMD",
        },
        [
            "ExposedPorts: ['8000/tcp'] became []",
            "Healthcheck: {'Test': ['CMD', ",
            "health: 'healthy' became nothing",
            "WorkingDir: '/app' became '/srv'",
            "/usr/bin exists in the refactored image and is lost",
            "StopSignal: '' became 'SIGINT'",
        ],
    ),
}


@pytest.mark.parametrize("change", WORSE)
def test_worse_split_is_caught(change: str, engine: Engine, tmp_path: Path) -> None:
    replacements, expected = WORSE[change]
    worse = SPLIT
    for old, new in replacements.items():
        assert old in worse
        worse = worse.replace(old, new)
    trial = try_pair(
        engine, tmp_path, ORIGINAL, worse, Run(http="/", port=8000, commands=[["id", "-u"]], wait=3)
    )
    for words in expected:
        assert any(words in line for line in trial.wrong), trial.wrong


def test_program_that_ends_is_compared_by_output_and_exit_code(engine: Engine, tmp_path: Path) -> None:
    original = 'FROM python:3.12-slim\nCMD ["python3", "-c", "print(\'done\')"]\n'
    worse = 'FROM python:3.12-slim\nCMD ["python3", "-c", "print(\'DONE\'); raise SystemExit(2)"]\n'
    trial = try_pair(engine, tmp_path, original, worse, Run(stdout="done"))
    assert any(line.startswith("exit code: 0 became 2") for line in trial.wrong)
    assert "standard output: 'done\\n' became 'DONE\\n'" in trial.wrong
    assert "standard output lacks 'done'" in trial.wrong
    assert any(line.startswith("Cmd: ") for line in trial.wrong)


def test_original_that_must_fail_has_to_fail_as_said(engine: Engine, tmp_path: Path) -> None:
    broken = SPLIT.replace("COPY --from=build /opt/venv /opt/venv\n", "")
    run = Run(http="/", port=8000, original="fails", original_error="ModuleNotFoundError")
    assert try_pair(engine, tmp_path, broken, SPLIT, run).wrong == ()
    assert try_pair(engine, tmp_path, SPLIT, SPLIT, run).wrong == (
        "the original: its container doesn't fail",
    )


def test_scratch_image_is_looked_into(engine: Engine, tmp_path: Path) -> None:
    original = dedent("""\
        FROM golang:1.24
        WORKDIR /src
        COPY <<E main.go
        package main
        import "os"
        func main() { os.Stdout.WriteString("from " + os.Args[0]) }
        E
        RUN CGO_ENABLED=0 go build -o /greet main.go
        RUN useradd --uid 10001 guest
        USER guest
        ENTRYPOINT ["/greet"]
        """)
    scratch = dedent("""\
        FROM scratch
        COPY --from=build /greet /greet
        COPY --from=build /etc/passwd /etc/passwd
        WORKDIR /src
        USER guest
        ENTRYPOINT ["/greet"]
        """)
    build_stage = original.replace("FROM golang:1.24", "FROM golang:1.24 AS build").partition("USER")[0]
    trial = try_pair(engine, tmp_path, original, build_stage + scratch, Run(stdout="from /greet"))
    assert trial.wrong == ()
    assert trial.share < 0.01


def test_image_knows_numeric_and_named_users(engine: Engine, tmp_path: Path) -> None:
    users: dict[str, tuple[int, int] | None] = {
        "root": (0, 0),
        "daemon": (1, 1),
        "1": (1, 1),
        "54321": (54321, 0),
        "daemon:tty": (1, 5),
        "nobody-knows": None,
    }
    for user, ids in users.items():
        (tmp_path / "Dockerfile").write_text(f"FROM debian:bookworm-slim\nUSER {user}\n")
        tag = engine.tag(f"user-{user}")
        assert build_image(engine, tag, tmp_path, "Dockerfile").succeeded
        image: Image = glance(engine, tag)
        assert image.user == ids, user
