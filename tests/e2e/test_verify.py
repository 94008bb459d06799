"""`--verify` on real images: what is right is proved, and each way of being worse is caught and named."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from msrefactor.context import BuildContext
from msrefactor.model import Change, Changed, Result, Step
from msrefactor.parse import parse
from msrefactor.verification.differences import Level
from msrefactor.verification.engines import LABEL, Engine, Recipe, connect
from msrefactor.verification.images import Image, read_image
from msrefactor.verification.plan import Plan
from msrefactor.verification.proof import Proof
from msrefactor.verification.trying import compared_images
from msrefactor.verification.verdict import Status

pytestmark = pytest.mark.e2e

SITE = "/usr/local/lib/python3.12/site-packages"
FILES = {
    "app.py": (
        "import http.server, os, ssl\nimport greeting\n\n\n"
        "class Answer(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        body = f\"{greeting.WORDS} {os.environ.get('MODE')}\".encode()\n"
        "        self.send_response(200)\n"
        '        self.send_header("Content-Length", str(len(body)))\n'
        "        self.end_headers()\n"
        "        self.wfile.write(body)\n\n\n"
        'http.server.HTTPServer(("", int(os.environ.get("PORT", "8000"))), Answer).serve_forever()\n'
    ),
    "run.sh": "#!/bin/sh\nexec python3 app.py\n",
    "site/greeting.py": 'WORDS = "good day"\n',
    "site/greeting-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1\n",
    "site/greeting-1.dist-info/RECORD": "greeting.py,,\ngreeting-1.dist-info/METADATA,,\n",
    ".dockerignore": "before\nafter\n",
}
ORIGINAL = f"""FROM python:3.12-slim
COPY site {SITE}/
RUN useradd --uid 10001 --create-home guest
WORKDIR /app
ENV MODE=production PORT=8000
COPY app.py run.sh ./
RUN chmod 0755 run.sh && ln -s run.sh start
EXPOSE 8000
HEALTHCHECK CMD awk 'BEGIN {{ exit 0 }}'
USER guest
ENTRYPOINT ["./start"]
"""
SPLIT = f"""FROM python:3.12-slim AS build
COPY site {SITE}/
WORKDIR /app
COPY app.py run.sh ./
RUN chmod 0755 run.sh && ln -s run.sh start

FROM python:3.12-slim
COPY --from=build {SITE} {SITE}
RUN useradd --uid 10001 --create-home guest
WORKDIR /app
ENV MODE=production PORT=8000
COPY --from=build /app /app
EXPOSE 8000
HEALTHCHECK CMD awk 'BEGIN {{ exit 0 }}'
USER guest
ENTRYPOINT ["./start"]
"""
FINAL = SPLIT.partition("\n\n")[2]
LIKE_ALPINE = """FROM scratch
COPY --from=build /bin/sh /bin/sh
COPY --from=build /usr/bin/env /usr/bin/env
COPY --from=build /lib/x86_64-linux-gnu/libc.so.6 /lib/libc.musl-x86_64.so.1
COPY --from=build /lib/x86_64-linux-gnu/libc.so.6 /lib/ld-musl-x86_64.so.1
"""
WORSE: Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]] = {
    "package-gone": (
        {f"COPY --from=build {SITE} {SITE}\n": ""},
        ("greeting", "needs"),
    ),
    "library-gone": (
        {"USER guest": "RUN rm /usr/lib/x86_64-linux-gnu/libssl.so.3\nUSER guest"},
        ("libssl.so.3", "_ssl.cpython-312", "needs the shared library"),
    ),
    "environment-lost": ({"MODE=production PORT": "PORT"}, ("Env MODE: 'production' became nothing",)),
    "user-lost": ({"USER guest\n": ""}, ("User (as uid, gid): (10001, 10001) became (0, 0)",)),
    "wrong-working-directory": (
        {"USER guest": "WORKDIR /srv\nUSER guest"},
        ("WorkingDir: '/app' became '/srv'",),
    ),
    "port-changed": ({"EXPOSE 8000": "EXPOSE 8001"}, ("ExposedPorts: ['8000/tcp'] became ['8001/tcp']",)),
    "file-mode-lost": (
        {"USER guest": "RUN chmod 0644 run.sh\nUSER guest"},
        ("/app/run.sh", "0755 became 0644"),
    ),
    "symlink-dereferenced": (
        {"USER guest": "RUN cp --remove-destination run.sh start\nUSER guest"},
        ("/app/start", "link"),
    ),
    "entrypoint-missing": ({"USER guest": "RUN rm start\nUSER guest"}, ("./start", "ENTRYPOINT needs")),
    "glibc-and-musl": (
        {FINAL.partition("\n")[0] + "\n": LIKE_ALPINE, "RUN useradd": "# "},
        ("ld-linux-x86-64.so.2", "linked against glibc", "musl"),
    ),
    "certificates-gone": (
        {"USER guest": "RUN rm -r /etc/ssl/certs\nUSER guest"},
        ("certificate", "/etc/ssl/certs"),
    ),
    "health-tool-gone": (
        {"USER guest": "RUN rm /usr/bin/awk /etc/alternatives/awk /usr/bin/mawk\nUSER guest"},
        ("awk", "HEALTHCHECK needs"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def built(engine: Engine, context: Path, place: Path, text: str) -> Image:
    place.mkdir()
    (place / "Dockerfile").write_text(text)
    tag = engine.tag(place.name)
    ended = engine.build(tag, Recipe(context, place / "Dockerfile", network="none"))
    assert ended.succeeded, ended.log
    assert engine.save(tag, place / "image.tar").succeeded
    engine.remove_image(tag)
    return read_image(place / "image.tar")


@pytest.fixture(scope="module")
def original(
    engine: Engine, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Image, int]]:
    place = tmp_path_factory.mktemp("original")
    with closing(built(engine, folder, place / "base", "FROM python:3.12-slim\n")) as base:
        layers = len(base.layers)
    with closing(built(engine, folder, place / "verify-original", ORIGINAL)) as image:
        yield image, layers


def differences(original: tuple[Image, int], image: Image) -> list[str]:
    found, _, _ = compared_images(original[0], image, ORIGINAL, base_layers=original[1])
    return [str(one) for one in found]


def test_a_right_split_is_proved(
    engine: Engine, folder: Path, original: tuple[Image, int], tmp_path: Path
) -> None:
    with closing(built(engine, folder, tmp_path / "verify-right", SPLIT)) as image:
        assert differences(original, image) == []


@pytest.mark.parametrize("change", WORSE)
def test_a_worse_split_is_caught(
    change: str, engine: Engine, folder: Path, original: tuple[Image, int], tmp_path: Path
) -> None:
    replacements, words = WORSE[change]
    head, _, final = SPLIT.partition("\n\n")
    for old, new in replacements.items():
        assert old in final
        final = final.replace(old, new)
    with closing(built(engine, folder, tmp_path / f"verify-{change}", f"{head}\n\n{final}")) as image:
        told = differences(original, image)
    assert any(all(word in line for word in words) for line in told), told


def change_of(text: str, name: str) -> Step:
    return Step(name, Changed(parse(text), (Change("made by the test"),)))


def test_the_transform_at_fault_is_found_and_the_rest_is_offered(
    engine: Engine, folder: Path, tmp_path: Path
) -> None:
    """Three steps: the second loses a variable, the third needs neither."""
    first = SPLIT
    texts = {
        frozenset[str](): first.replace("MODE=production ", "") + "\n",
        frozenset({"third"}): first.replace("MODE=production ", ""),
        frozenset({"second", "third"}): first,
        frozenset({"second"}): first + "\n",
    }
    steps = tuple(change_of(first, name) for name in ("first", "second", "third"))
    path = folder / "Dockerfile"
    whole = Result(path, ORIGINAL, texts[frozenset()], steps)
    plan = Plan(network="none", takes_part=True)
    proof = Proof(engine, plan, tmp_path)

    def again(ignored: frozenset[str]) -> Result:
        return replace(whole, after=texts[ignored])

    taken, verdict = proof.prove(whole, BuildContext.open(folder, path), again)
    assert verdict.status is Status.DIFFERENT
    told = [f"{one.level.value} {one.subject}" for one in verdict.differences]
    assert "config Env MODE" in told
    assert (verdict.culprits, verdict.has_part, verdict.takes_part) == (("second",), True, True)
    assert taken.after == texts[frozenset({"second"})]
    assert verdict.levels == (Level.BUILD, Level.CONFIG, Level.FILES)
    logs = Path(verdict.logs)
    assert {file.name for file in logs.iterdir()} >= {
        "build-before.log",
        "build-after.log",
        "differences.txt",
    }
    shutil.rmtree(logs.parent)


# ------------------------------------------------------------------------------------------ the command line


SERVER = """import http.server, idna


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = idna.encode("ö.de")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.HTTPServer(("", 8000), Answer).serve_forever()
"""


def project(folder: Path) -> Path:
    """A project that reorder-copy changes: a small image, and one small package to install."""
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(SERVER)
    (folder / "requirements.txt").write_text("idna==3.7\n")
    (folder / "Dockerfile").write_text(
        "FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nRUN pip install --no-cache-dir -r requirements.txt\n"
        'EXPOSE 8000\nCMD ["python", "app.py"]\n'
    )
    return folder


def msrefactor(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "msrefactor", *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def left_behind(client: str = "docker") -> list[str]:
    """What runs of --verify, not this session's, have left in the engine and on the disk."""
    words = ["ps", "--all", "--format", "{{.Names}}"], ["images", "--format", "{{.Repository}}"]
    found = []
    for command in words:
        ended = subprocess.run([client, *command], capture_output=True, text=True, check=True, timeout=60)
        found += [line for line in ended.stdout.split() if "msrefactor-verify" in line]
    found += [path.name for path in Path(tempfile.gettempdir()).glob("msrefactor-verify-*")]
    return [name for name in found if f"-{os.getpid()}-" not in name]


def nameless(engine: Engine) -> set[str]:
    return set(engine("images", "--quiet", "--filter", "dangling=true").stdout.split())


def test_a_proved_change_is_written_and_nothing_is_left(engine: Engine, tmp_path: Path) -> None:
    before = nameless(engine)
    folder = project(tmp_path / "project")
    done = msrefactor(
        "--write", "--verify", "--http", "/", "--network", "host", "--touch", "app.py",
        "--verify-report", str(tmp_path / "report.json"), "Dockerfile", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "COPY requirements.txt" in (folder / "Dockerfile").read_text()
    (row,) = json.loads((tmp_path / "report.json").read_text())["files"]
    assert row["status"] == "proved"
    assert row["compared"] == ["build", "config", "files", "run"]
    assert row["notes"] == []
    assert row["before"]["rebuild_cached_steps"] == 0
    assert row["after"]["rebuild_cached_steps"] == 1
    assert left_behind() == []
    assert nameless(engine) <= before


def test_an_original_that_does_not_build_proves_nothing(engine: Engine, tmp_path: Path) -> None:
    del engine
    folder = project(tmp_path)
    (folder / "requirements.txt").write_text("./nothing-here\n")
    before = (folder / "Dockerfile").read_text()
    done = msrefactor("--write", "--verify", "--network", "none", "Dockerfile", cwd=folder)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Dockerfile:1:1: not verified: the original doesn't build" in done.stderr
    assert (folder / "Dockerfile").read_text() == before
    (line,) = [line for line in done.stderr.splitlines() if "the logs are in" in line]
    logs = Path(line.rpartition(" ")[2])
    assert "nothing-here" in (logs / "build-before.log").read_text()
    shutil.rmtree(logs.parent)


@pytest.mark.parametrize("seconds", [1.0, 2.5, 5.0])
def test_a_stopped_run_leaves_nothing(seconds: float, engine: Engine, tmp_path: Path) -> None:
    del engine
    folder = project(tmp_path)
    before = (folder / "Dockerfile").read_text()
    child = subprocess.Popen(
        [
            sys.executable, "-m", "msrefactor",
            "--write", "--verify", "--run", "--no-cache", "--network", "host", "Dockerfile",
        ],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(seconds)
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) in (0, 4, 143)
    text = (folder / "Dockerfile").read_text()
    assert text == before or child.returncode == 0
    assert left_behind() == []


def test_what_a_killed_run_left_is_removed_by_the_next(engine: Engine) -> None:
    when, machine, _, unique = engine.run.removeprefix("msrefactor-verify-").split("-")
    dead = f"msrefactor-verify-{when}-{machine}-{2**22 + 1}-{unique}"
    folder = Path(tempfile.gettempdir(), dead)
    folder.mkdir()
    assert engine("tag", "python:3.12-slim", f"{dead}/left:verify").succeeded
    assert engine("create", f"--label={LABEL}={dead}", "python:3.12-slim").succeeded
    connect("docker")
    assert not folder.exists()
    assert dead not in engine("images", "--format", "{{.Repository}}").stdout
    assert not engine("ps", "--all", "--quiet", "--filter", f"label={LABEL}={dead}").stdout


def test_two_saved_images_are_compared_without_an_engine(
    engine: Engine, folder: Path, original: tuple[Image, int], tmp_path: Path
) -> None:
    del original
    with (
        closing(built(engine, folder, tmp_path / "verify-saved-before", ORIGINAL)),
        closing(built(engine, folder, tmp_path / "verify-saved-after", SPLIT.replace("USER guest\n", ""))),
    ):
        pass
    pair = [str(tmp_path / f"verify-saved-{side}" / "image.tar") for side in ("before", "after")]
    alone = {"PATH": "/nowhere", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-m", "msrefactor", "--images", *pair],
        env=alone, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "User (as uid, gid): (10001, 10001) became (0, 0)" in done.stderr
    same = subprocess.run(
        [sys.executable, "-m", "msrefactor", "--images", pair[0], pair[0]],
        env=alone, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (same.returncode, same.stderr) == (0, "")
