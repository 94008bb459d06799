"""The Docker Engine as the tests use it: build, look into an image, start, ask, and leave nothing behind."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "msrefactor-e2e"
LABEL = "dev.msrefactor.e2e"
PROBE = Path(__file__).with_name("probe.py")
PROBE_IMAGE = "python:3.12-slim"
HOST_NAME = "msrefactor-e2e"

COMMAND_SECONDS = 60
BUILD_SECONDS = 600
POLL_SECONDS = 0.1
STOP_SECONDS = 2
HEALTH_SECONDS = 10
STALE_SECONDS = 3 * 3600
"""A run older than this is taken to be dead, and what it left is removed."""


class NoEngineError(Exception):
    """No Docker Engine answers; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Build:
    """How one `docker build` ended."""

    succeeded: bool
    log: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of an image; mode and owner as numbers."""

    is_directory: bool
    mode: int
    owner: int
    group: int


@dataclass(frozen=True, slots=True)
class Image:
    """An image's size in bytes, platform, effective configuration, and what of its files matters here."""

    size: int
    platform: str
    config: Mapping[str, object]
    user: tuple[int, int] | None
    """User and group id that the configured user stands for; None if the image doesn't know the user."""
    entries: Mapping[str, Entry]
    """Those of the paths asked for that exist."""


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


@dataclass(frozen=True, slots=True)
class Engine:
    """One run's hold on the engine: everything it makes carries the run's name."""

    run: str = field(default_factory=lambda: f"{PREFIX}-{int(time.time())}-{secrets.token_hex(4)}")

    def tag(self, name: str) -> str:
        """The image tag for a name of the test's choice."""
        return f"{self.run}/{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}:test"

    def build(
        self,
        tag: str,
        context: Path,
        dockerfile: str,
        *,
        arguments: Mapping[str, str] | None = None,
        base_images: Mapping[str, str] | None = None,
        network: str = "host",
        seconds: float = BUILD_SECONDS,
    ) -> Build:
        """Build the named Dockerfile of a context.

        Its `# syntax=` line is left out, because that image can't be pulled everywhere.
        `base_images` puts one image in the place of another in FROM and `--from`.
        """
        options = [f"--network={network}", "--provenance=false", "--progress=plain", f"--tag={tag}"]
        options += [f"--build-arg={name}={value}" for name, value in (arguments or {}).items()]
        options += [f"--build-context={a}=docker-image://{b}" for a, b in (base_images or {}).items()]
        started = time.monotonic()
        with _without_syntax_line(context, dockerfile) as file:
            try:
                ended = docker("build", *options, "-f", str(file), str(context), seconds=seconds)
            except subprocess.TimeoutExpired as late:
                # The output is bytes even in text mode.
                log = b"".join(part for part in (late.stderr, late.stdout) if isinstance(part, bytes))
                return Build(False, f"{log.decode(errors='replace')}\n{late}", seconds)
        return Build(ended.returncode == 0, ended.stderr + ended.stdout, time.monotonic() - started)

    def image(self, tag: str, paths: Sequence[str] = ()) -> Image:
        """Describe an image; its working directory and its PATH are always among the paths looked up."""
        (raw,) = json.loads(_checked("image", "inspect", tag))
        config = raw["Config"]
        path = next((e.partition("=")[2] for e in config.get("Env") or () if e.startswith("PATH=")), "")
        wanted = {*paths, config.get("WorkingDir") or "/", *filter(None, path.split(":"))}
        # Never started, so the word that stands for a command needs not exist.
        container = _checked("create", f"--label={LABEL}={self.run}", "--network=none", tag, "none").strip()
        try:
            entries = {p: entry for p in sorted(wanted) if (entry := _entry(container, p))}
            user = _ids(config.get("User") or "", container)
        finally:
            docker("rm", "--force", "--volumes", container)
        return Image(raw["Size"], f"{raw['Os']}/{raw['Architecture']}", config, user, entries)

    def watch_program(self, tag: str, seconds: float) -> Behaviour:
        """Start an image and wait for it to end by itself."""
        with self._started(tag) as (container, error):
            if error:
                return Behaviour(start_error=error)
            with suppress(subprocess.TimeoutExpired):
                docker("wait", container, seconds=seconds)
            return self._ending(container)

    def watch_server(
        self,
        tag: str,
        *,
        port: int,
        paths: Sequence[str],
        headers: Mapping[str, str] | None = None,
        commands: Sequence[Sequence[str]] = (),
        seconds: float = 30,
    ) -> Behaviour:
        """Start an image, ask it over its own loopback, look at its health, run commands, stop it."""
        with self._started(tag) as (container, error):
            if error:
                return Behaviour(start_error=error)
            answers, ports = self._ask(container, port, paths, headers or {}, seconds)
            if not any(answer.status for answer in answers):
                return self._ending(container, answers, ports)
            health = self._health(container, tag)
            ended = [self._beside(container, tag, words) for words in commands]
            said = tuple(
                (c.returncode, c.stdout if c.returncode == 0 else c.stdout + c.stderr) for c in ended
            )
            return self._ending(container, answers, ports, health, said)

    @contextmanager
    def _started(self, tag: str) -> Iterator[tuple[str, str | None]]:
        """A container's name, and the engine's words if it could not start it."""
        name = f"{self.run}-{secrets.token_hex(4)}"
        ended = docker(
            "run", "--detach", "--name", name, f"--label={LABEL}={self.run}", f"--hostname={HOST_NAME}",
            "--network=none", "--no-healthcheck", tag,
        )  # fmt: skip
        try:
            yield name, (ended.stderr.strip() or "not started") if ended.returncode else None
        finally:
            docker("rm", "--force", "--volumes", name)

    def _ask(
        self, container: str, port: int, paths: Sequence[str], headers: Mapping[str, str], seconds: float
    ) -> tuple[tuple[Answer, ...], tuple[str, ...]]:
        """Answers and listening ports; both empty if the container ended before it answered."""
        specification = json.dumps(
            {"port": port, "paths": list(paths), "headers": dict(headers), "wait": seconds}
        )
        name = f"{container}-probe"
        probe_command = [
            "docker", "run", "--rm", "--interactive", "--name", name, f"--label={LABEL}={self.run}",
            f"--network=container:{container}", "--entrypoint=python3", PROBE_IMAGE, "-", specification,
        ]  # fmt: skip
        deadline = time.monotonic() + seconds + COMMAND_SECONDS
        with PROBE.open("rb") as script, tempfile.TemporaryFile() as output:
            probe = subprocess.Popen(probe_command, stdin=script, stdout=output, stderr=subprocess.PIPE)
            watcher = subprocess.Popen(["docker", "wait", container], stdout=subprocess.DEVNULL)
            try:
                while probe.poll() is None and watcher.poll() is None and time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
                if probe.poll() is None:
                    docker("rm", "--force", name)
                _, complaint = probe.communicate(timeout=COMMAND_SECONDS)
                output.seek(0)
                text = output.read()
            finally:
                for child in (probe, watcher):
                    child.kill()
                    child.wait()
        if probe.returncode:
            if _state(container)["Running"]:
                raise AssertionError(f"the probe failed: {complaint.decode(errors='replace')}")
            return (), ()
        report = json.loads(text)
        return tuple(_answer(raw) for raw in report["answers"]), tuple(report["ports"])

    def _health(self, container: str, tag: str) -> str | None:
        """`healthy`, or what the image's health command said at last; None without a HEALTHCHECK.

        The command runs beside the container and not in it: the engine's own way is `docker exec`, and an
        engine that runs under chroot starts that on the host's files.
        """
        config = json.loads(_checked("image", "inspect", "--format", "{{json .Config}}", tag))
        kind, *words = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
        if kind == "NONE":
            return None
        if kind == "CMD-SHELL":
            words = [*(config.get("Shell") or ("/bin/sh", "-c")), *words]
        deadline = time.monotonic() + HEALTH_SECONDS
        while True:
            ended = self._beside(container, tag, words)
            if ended.returncode == 0:
                return "healthy"
            if time.monotonic() > deadline or not _state(container)["Running"]:
                return f"unhealthy, exit code {ended.returncode}: {(ended.stdout + ended.stderr).strip()}"
            time.sleep(POLL_SECONDS)

    def _beside(self, container: str, tag: str, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in a second container, in the network and among the processes of the first."""
        return docker(
            "run", "--rm", f"--label={LABEL}={self.run}", "--no-healthcheck",
            f"--network=container:{container}", f"--pid=container:{container}",
            f"--entrypoint={words[0]}", tag, *words[1:],
        )  # fmt: skip

    def _ending(
        self,
        container: str,
        answers: tuple[Answer, ...] = (),
        ports: tuple[str, ...] = (),
        health: str | None = None,
        commands: tuple[tuple[int, str], ...] = (),
    ) -> Behaviour:
        has_ended = not _state(container)["Running"]
        if not has_ended:
            docker("stop", "--time", str(STOP_SECONDS), container)
        logs = docker("logs", container)
        exit_code = int(_state(container)["ExitCode"])
        return Behaviour(
            None, has_ended, exit_code, answers, ports, health, commands, logs.stdout, logs.stderr
        )

    def remove_everything(self) -> None:
        """Remove every container and image of this run; the builder's cache stays."""
        _remove(self.run)


def connect() -> Engine:
    """An engine that answers, with what dead runs left behind removed; else NoEngineError."""
    if shutil.which("docker") is None:
        raise NoEngineError("the real-build tests need Docker, and there is no `docker` command")
    try:
        ended = docker("version", "--format", "{{.Server.Version}}", seconds=30)
    except subprocess.TimeoutExpired:
        ended = subprocess.CompletedProcess((), 1, "", "no answer within 30 s")
    if ended.returncode:
        raise NoEngineError(
            "the real-build tests need a Docker Engine, and none answers at "
            f"{os.environ.get('DOCKER_HOST', 'the default socket')}: {ended.stderr.strip()}"
        )
    for run in _runs():
        if time.time() - int(run.split("-")[2]) > STALE_SECONDS:
            _remove(run)
    return Engine()


def docker(*arguments: str, seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess[str]:
    """Run the docker client and wait for it; raises TimeoutExpired."""
    return subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
    )


def without_syntax_line(text: str) -> str:
    """A Dockerfile with its `# syntax=` directive left out; the other directives stay first."""
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        directive = re.match(r"\ufeff?[ \t]*#[ \t]*([A-Za-z]+)[ \t]*=", line)
        if directive is None:
            break
        if directive[1].lower() == "syntax":
            return "".join(lines[:index] + lines[index + 1 :])
    return text


@contextmanager
def _without_syntax_line(context: Path, dockerfile: str) -> Iterator[Path]:
    """The file to build: the context's own, or a copy beside the context if it has a `# syntax=` line."""
    original = context / dockerfile
    text = original.read_bytes().decode("utf-8", "surrogateescape")
    if without_syntax_line(text) == text:
        yield original
        return
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        copy = Path(folder, "Dockerfile")
        copy.write_bytes(without_syntax_line(text).encode("utf-8", "surrogateescape"))
        ignore = Path(f"{original}.dockerignore")
        if ignore.exists():
            shutil.copyfile(ignore, f"{copy}.dockerignore")
        yield copy


def _checked(*arguments: str) -> str:
    ended = docker(*arguments)
    assert ended.returncode == 0, f"docker {' '.join(arguments)}: {ended.stderr}"
    return ended.stdout


def _state(container: str) -> Mapping[str, str]:
    state: Mapping[str, str] = json.loads(_checked("inspect", "--format", "{{json .State}}", container))
    return state


def _entry(container: str, path: str) -> Entry | None:
    """What lies at a path of a container, from the first header of the archive that the engine sends."""
    if path == "/":
        return Entry(True, 0o755, 0, 0)
    source = f"{container}:{path}"
    with subprocess.Popen(
        ["docker", "cp", "--follow-link", source, "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        header = child.stdout.read(512)
        child.kill()
    if len(header) < 512:
        return None
    mode, owner, group = (int(header[a:b].strip(b"\0 "), 8) for a, b in ((100, 108), (108, 116), (116, 124)))
    return Entry(header[156:157] == b"5", mode & 0o7777, owner, group)


def _ids(user: str, container: str) -> tuple[int, int] | None:
    """The user and group id that a configured user stands for, as the engine looks them up."""
    name, _, group = user.partition(":")
    users = [line.split(":") for line in _text(container, "/etc/passwd").splitlines()]
    groups = [line.split(":") for line in _text(container, "/etc/group").splitlines()]
    known = next((u for u in users if len(u) > 3 and (name or "0") in (u[0], u[2])), None)
    if known is None and not (name or "0").isdecimal():
        return None
    uid, gid = (int(known[2]), int(known[3])) if known else (int(name or "0"), 0)
    if group:
        found = next((int(g[2]) for g in groups if len(g) > 2 and group in (g[0], g[2])), None)
        if found is None and not group.isdecimal():
            return None
        gid = int(group) if found is None else found
    return uid, gid


def _text(container: str, path: str) -> str:
    """A small text file of a container; empty if there is none."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        copy = Path(folder, "file")
        ended = docker("cp", "--follow-link", f"{container}:{path}", str(copy))
        return copy.read_text(errors="replace") if ended.returncode == 0 else ""


def _answer(raw: Mapping[str, object]) -> Answer:
    if "error" in raw:
        return Answer(str(raw["path"]), error=str(raw["error"]))
    status, content_type, location = raw["status"], raw["content_type"], raw["location"]
    assert isinstance(status, int)
    assert content_type is None or isinstance(content_type, str)
    assert location is None or isinstance(location, str)
    cache_control = raw.get("cache_control")
    assert cache_control is None or isinstance(cache_control, str)
    encoding = raw.get("encoding")
    assert encoding is None or isinstance(encoding, str)
    body = base64.b64decode(str(raw["body"]), validate=True)
    return Answer(str(raw["path"]), status, content_type, location, cache_control, encoding, body)


def _runs() -> frozenset[str]:
    """The names of all runs that something is left of."""
    labels = docker("ps", "--all", "--filter", f"label={LABEL}", "--format", f'{{{{.Label "{LABEL}"}}}}')
    images = docker("images", "--filter", f"reference={PREFIX}-*/*", "--format", "{{.Repository}}")
    names = {*labels.stdout.split(), *(name.partition("/")[0] for name in images.stdout.split())}
    return frozenset(name for name in names if re.fullmatch(rf"{PREFIX}-\d+-[0-9a-f]+", name))


def _remove(run: str) -> None:
    # A second Ctrl-C must not leave half of it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        containers = docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}={run}").stdout.split()
        if containers:
            docker("rm", "--force", "--volumes", *containers)
        images = docker(
            "images", "--filter", f"reference={run}/*", "--format", "{{.Repository}}:{{.Tag}}"
        ).stdout.split()
        if images:
            docker("rmi", "--force", *images, seconds=BUILD_SECONDS)
    finally:
        signal.signal(signal.SIGINT, before)
