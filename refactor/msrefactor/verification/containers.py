"""What a container does: its end, output, ports, answers, health, and what a stop signal does to it.

The code is the user's and unknown: it runs without a network, with little memory, for a limited time. It is
asked from a second container that shares its network, so no port is published and nothing needs to be in it.
The health command, too, runs beside it, on the same image, in its network and among its processes: that works
with every engine, and doesn't depend on the engine's own intervals.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msrefactor.verification.commands import Ended
from msrefactor.verification.engines import COMMAND_SECONDS, LABEL, Engine

PROBE = Path(__file__).with_name("probe.py")
PROBE_IMAGE = "python:3-alpine"
"""Fetched by the engine if it has no Python image."""
HOST_NAME = "msrefactor"
MEMORY = "2g"
PROCESSES = 1024
POLL_SECONDS = 0.2
HEALTH_SECONDS = 10
STOP_SECONDS = 10


class NotRun(Exception):  # noqa: N818  named for what happened
    """The engine can't do what a trial needs; the message says what."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How containers are started and what they are asked; the same for both."""

    paths: tuple[str, ...] = ()
    """Asked with GET; another method stands before the path: `HEAD /`."""
    port: int | None = None
    """None: the first port that is exposed, or else listens."""
    listens: tuple[int, ...] | None = None
    """Ports to wait for; None: don't look at ports unless paths are asked."""
    headers: Mapping[str, str] = field(default_factory=dict)
    commands: Sequence[Sequence[str]] = ()
    """Run beside the container."""
    environment: tuple[str, ...] = ()
    seconds: float = 30
    stop_seconds: int = STOP_SECONDS
    memory: str = MEMORY
    probe_image: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `error` instead of a status if there was none."""

    path: str
    status: int | None = None
    content_type: str | None = None
    location: str | None = None
    cache_control: str | None = None
    encoding: str | None = None
    body: bytes = b""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a started container did."""

    start_error: str | None = None
    """The engine's words when it could not even start."""
    has_ended: bool = False
    """It ended by itself, rather than being stopped by us."""
    exit_code: int | None = None
    answers: tuple[Answer, ...] = ()
    ports: tuple[str, ...] = ()
    health: str | None = None
    commands: tuple[tuple[int, str], ...] = ()
    """Exit code and output of each command that was run beside it."""
    stdout: str = ""
    stderr: str = ""


def watch(engine: Engine, tag: str, trial: Trial) -> Behaviour:
    """Start an image, look at what it does, stop it, remove it; raises NotRun."""
    with _started(engine, tag, trial) as (container, error):
        if error:
            return Behaviour(start_error=error)
        if not trial.paths and trial.listens is None:
            engine("wait", container, seconds=trial.seconds)
            return _ending(engine, container, trial)
        answers, ports = _ask(engine, container, trial)
        is_up = any(answer.status for answer in answers) if trial.paths else _is_running(engine, container)
        if not is_up:
            return _ending(engine, container, trial, answers, ports)
        health = _health(engine, container, tag)
        ended = [_beside(engine, container, tag, words) for words in trial.commands]
        said = tuple((c.code, c.stdout if c.code == 0 else c.stdout + c.stderr) for c in ended)
        return _ending(engine, container, trial, answers, ports, health, said)


@contextmanager
def _started(engine: Engine, tag: str, trial: Trial) -> Iterator[tuple[str, str | None]]:
    """Yield a container's name, and the engine's words if it could not start it."""
    name = f"{engine.run}-{secrets.token_hex(4)}"
    variables = [f"--env={variable}" for variable in trial.environment]
    limits = [f"--memory={trial.memory}", f"--pids-limit={PROCESSES}"]
    try:
        ended = engine(
            "run", "--detach", "--name", name, f"--label={LABEL}={engine.run}", f"--hostname={HOST_NAME}",
            "--network=none", "--no-healthcheck", *limits, *variables, tag,
        )  # fmt: skip
        yield name, None if ended.succeeded else _without_name(ended.stderr.strip(), name) or "not started"
    finally:
        engine("rm", "--force", "--volumes", name, is_cleaning=True)


def _without_name(text: str, name: str) -> str:
    """Leave out of an engine's words what differs from start to start."""
    return re.sub(r"\b[0-9a-f]{64}\b", "…", text.replace(name, "…"))


def _ask(engine: Engine, container: str, trial: Trial) -> tuple[tuple[Answer, ...], tuple[str, ...]]:
    """Return answers and listening ports; both empty if the container ended before it answered."""
    specification = {
        "port": trial.port,
        "paths": list(trial.paths),
        "headers": dict(trial.headers),
        "listen": list(trial.listens) if trial.listens is not None else None,
        "wait": trial.seconds,
    }
    name = f"{container}-probe"
    words = [
        engine.client, "run", "--rm", "--interactive", "--name", name, f"--label={LABEL}={engine.run}",
        f"--network=container:{container}", "--entrypoint=python3", probe_image(engine, trial),
        "-", json.dumps(specification),
    ]  # fmt: skip
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(
            engine.commands.run, words, trial.seconds + COMMAND_SECONDS, script=PROBE, is_cleaning=False
        )
        try:
            while not asking.done() and _is_running(engine, container):
                _sleep_until(asking, POLL_SECONDS)
        finally:
            if not asking.done():
                engine("rm", "--force", name, is_cleaning=True)
        ended = asking.result()
    if not ended.succeeded:
        if _is_running(engine, container):
            engine("rm", "--force", name, is_cleaning=True)
            raise NotRun(f"the container can't be asked: {ended.stderr.strip()[-500:]}")
        return (), ()
    report = json.loads(ended.stdout)
    return tuple(_answer(raw) for raw in report["answers"]), tuple(report["ports"])


def _sleep_until(asking: Future[Ended], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not asking.done() and time.monotonic() < deadline:
        time.sleep(0.02)


def probe_image(engine: Engine, trial: Trial) -> str:
    """Return the image that asks: the one that was chosen, a Python image that is there, or a small one."""
    if trial.probe_image is not None:
        return trial.probe_image
    names = engine("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    known = [name for name in names if re.search(r"(?:^|/)library/python:3|^python:3", name)]
    return min(known, key=lambda name: ("alpine" not in name, "slim" not in name, name), default=PROBE_IMAGE)


def _health(engine: Engine, container: str, tag: str) -> str | None:
    """Return `healthy`, or what the image's health command said at last; None without a HEALTHCHECK."""
    (described,) = json.loads(_checked(engine, "image", "inspect", tag))
    config = described.get("Config") or {}
    # podman tells the health check beside the configuration
    checked = config.get("Healthcheck") or described.get("Healthcheck") or {}
    kind, *words = checked.get("Test") or ["NONE"]
    if kind == "NONE":
        return None
    if kind == "CMD-SHELL":
        words = [*(config.get("Shell") or ("/bin/sh", "-c")), *words]
    deadline = time.monotonic() + HEALTH_SECONDS
    while True:
        ended = _beside(engine, container, tag, words)
        if ended.succeeded:
            return "healthy"
        if time.monotonic() > deadline or not _is_running(engine, container):
            return f"unhealthy, exit code {ended.code}: {(ended.stdout + ended.stderr).strip()}"
        time.sleep(POLL_SECONDS)


def _beside(engine: Engine, container: str, tag: str, words: Sequence[str]) -> Ended:
    """Run a command in a second container, in the network and among the processes of the first."""
    name = f"{container}-beside-{secrets.token_hex(2)}"
    ended = engine(
        "run", "--rm", "--name", name, f"--label={LABEL}={engine.run}", "--no-healthcheck",
        f"--memory={MEMORY}", f"--pids-limit={PROCESSES}",
        f"--network=container:{container}", f"--pid=container:{container}",
        f"--entrypoint={words[0]}", tag, *words[1:],
    )  # fmt: skip
    if ended.is_late:
        engine("rm", "--force", name, is_cleaning=True)
    return ended


def _ending(
    engine: Engine,
    container: str,
    trial: Trial,
    answers: tuple[Answer, ...] = (),
    ports: tuple[str, ...] = (),
    health: str | None = None,
    commands: tuple[tuple[int, str], ...] = (),
) -> Behaviour:
    has_ended = not _is_running(engine, container)
    if not has_ended:
        engine("stop", "-t", str(trial.stop_seconds), container, seconds=trial.stop_seconds + COMMAND_SECONDS)
    logs = engine("logs", container)
    exit_code = int(str(_state(engine, container)["ExitCode"]))
    return Behaviour(None, has_ended, exit_code, answers, ports, health, commands, logs.stdout, logs.stderr)


def _is_running(engine: Engine, container: str) -> bool:
    return bool(_state(engine, container).get("Running"))


def _state(engine: Engine, container: str) -> Mapping[str, object]:
    state = json.loads(_checked(engine, "inspect", "--format", "{{json .State}}", container))
    return state if isinstance(state, dict) else {}


def _checked(engine: Engine, *words: str) -> str:
    ended = engine(*words)
    if not ended.succeeded:
        raise NotRun(f"{engine.client} {' '.join(words)}: {ended.stderr.strip()}")
    return ended.stdout


def _answer(raw: Mapping[str, object]) -> Answer:
    def text(name: str) -> str | None:
        value = raw.get(name)
        return value if isinstance(value, str) else None

    path = str(raw["path"])
    if "error" in raw:
        return Answer(path, error=str(raw["error"]))
    status = raw["status"]
    body = base64.b64decode(str(raw["body"]), validate=True)
    return Answer(
        path,
        status if isinstance(status, int) else None,
        text("content_type"),
        text("location"),
        text("cache_control"),
        text("encoding"),
        body,
    )
