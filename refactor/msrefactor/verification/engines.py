"""Docker and podman: build, save, load, and leave nothing behind.

Everything that is made carries the run's name: containers as a label, images in their tag. The name tells the
machine and the process that made it, so that what a killed run left is found and removed by the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msrefactor.verification.commands import Commands, Ended

PREFIX = "msrefactor-verify"
LABEL = "dev.msrefactor.verify"
CLIENTS = ("docker", "podman")

COMMAND_SECONDS = 60
SAVE_SECONDS = 600
BUILD_SECONDS = 1800
STALE_SECONDS = 24 * 3600
"""What a run on another machine made that long ago is taken to be left by a dead one."""
_RUN = re.compile(rf"{PREFIX}-(\d+)-([0-9a-f]{{6}})-(\d+)-[0-9a-f]{{6}}")


class NoEngine(Exception):  # noqa: N818  named for what is missing
    """No engine answers; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a build is given; every text is passed on as the user wrote it."""

    context: Path
    dockerfile: Path
    ignore_file: Path | None = None
    """For podman, which doesn't look for one beside the Dockerfile."""
    arguments: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    target: str | None = None
    platform: str | None = None
    network: str | None = None
    """None: the engine's own default."""
    base_images: Mapping[str, str] = field(default_factory=dict)
    """One image in the place of another, in FROM and `--from`."""
    is_cached: bool = True

    def options(self) -> tuple[str, ...]:
        """Return the options that docker and podman share."""
        words = [f"--build-arg={one}" for one in self.arguments]
        words += [f"--secret={one}" for one in self.secrets]
        words += [f"--ssh={one}" for one in self.ssh]
        words += [f"--target={self.target}"] if self.target else []
        words += [f"--platform={self.platform}"] if self.platform else []
        words += [f"--network={self.network}"] if self.network else []
        words += [f"--build-context={a}=docker-image://{b}" for a, b in self.base_images.items()]
        words += [] if self.is_cached else ["--no-cache"]
        return tuple(words)


@dataclass(frozen=True, slots=True)
class Build:
    """How one build ended."""

    succeeded: bool
    log: str
    seconds: float

    @property
    def cached_steps(self) -> frozenset[str]:
        """The RUN instructions that the cache served."""
        return cached_runs(self.log)


@dataclass(frozen=True, slots=True)
class Engine:
    """One run's hold on an engine."""

    client: str
    builder: str | None = None
    exports: bool = False
    """The builder isn't the engine's own: it hands its images out as archives."""
    run: str = ""
    commands: Commands = field(default_factory=Commands)

    def __call__(self, *words: str, seconds: float = COMMAND_SECONDS, is_cleaning: bool = False) -> Ended:
        """Run the client with these arguments."""
        return self.commands.run([self.client, *words], seconds, is_cleaning=is_cleaning)

    @property
    def name(self) -> str:
        """The engine as a report calls it."""
        return f"{self.client} (builder {self.builder})" if self.builder else self.client

    def tag(self, name: str) -> str:
        """Return an image name that only this run uses."""
        place = "localhost/" if self.client == "podman" else ""
        return f"{place}{self.run}/{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}:verify"

    def build(
        self, tag: str, recipe: Recipe, archive: Path | None = None, seconds: float = BUILD_SECONDS
    ) -> Build:
        """Build; with a builder that exports, the image is written to `archive`, else kept under its tag."""
        ended = self.commands.run(self._build_command(tag, recipe, archive), seconds)
        log = ended.stderr + ended.stdout
        if ended.is_late:
            log += f"\nstopped after {seconds:.0f} s"
        return Build(ended.succeeded, log, ended.seconds)

    def _build_command(self, tag: str, recipe: Recipe, archive: Path | None) -> list[str]:
        ends = ["-f", str(recipe.dockerfile), str(recipe.context)]
        if self.client == "podman":
            # podman's own format has no place for HEALTHCHECK, SHELL and ONBUILD
            ignores = [f"--ignorefile={recipe.ignore_file}"] if recipe.ignore_file is not None else []
            return ["podman", "build", "--format=docker", f"--tag={tag}", *ignores, *recipe.options(), *ends]
        # attestations would make an index of what was one image
        words = ["docker", "buildx", "build", "--progress=plain", "--provenance=false", f"--tag={tag}"]
        if self.builder is not None:
            words.append(f"--builder={self.builder}")
        if self.exports and archive is not None:
            words.append(f"--output=type=docker,dest={archive}")
        else:
            words.append("--load")
        return [*words, *recipe.options(), *ends]

    def save(self, tag: str, archive: Path) -> Ended:
        """Write an image as an archive."""
        kind = ["--format=docker-archive"] if self.client == "podman" else []
        return self("save", *kind, "-o", str(archive), tag, seconds=SAVE_SECONDS)

    def load(self, archive: Path) -> Ended:
        """Make the engine know the image of an archive, under the tag that it was built with."""
        return self("load", "-i", str(archive), seconds=SAVE_SECONDS)

    def layers(self, tag: str) -> tuple[str, ...]:
        """Return the digests of an image's layers, the lowest first; empty when there is no such image."""
        ended = self("image", "inspect", "--format", "{{json .RootFS.Layers}}", tag)
        found = json.loads(ended.stdout or "[]") if ended.succeeded else None
        return tuple(map(str, found or ()))

    def remove_image(self, tag: str) -> None:
        """Remove an image; the builder's cache stays."""
        self("rmi", "--force", tag, seconds=SAVE_SECONDS)

    def remove_everything(self) -> None:
        """Remove every container and image of this run, also after `Commands.stop`."""
        remove_run(self, self.run)
        if self.client == "podman" and self.commands.has_cut:
            remove_broken_builds(self)


def run_name() -> str:
    """Return the name of a run: when, on which machine, by which process."""
    return f"{PREFIX}-{int(time.time())}-{_machine()}-{os.getpid()}-{secrets.token_hex(3)}"


def is_dead(name: str) -> bool:
    """Whether the run of this name is over: its process is gone, or it is very old and of another machine."""
    match = _RUN.fullmatch(name)
    if match is None:
        return False
    started, machine, process = int(match[1]), match[2], int(match[3])
    if machine != _machine():
        return time.time() - started > STALE_SECONDS
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def connect(client: str | None = None, builder: str | None = None) -> Engine:
    """Return an engine that answers, with what dead runs left removed; raises NoEngine.

    Without a name docker is tried first, then podman. Builders are buildx's: they need the docker client.
    """
    if builder is not None and client == "podman":
        raise NoEngine("--builder names a builder of docker buildx; it can't be used with podman")
    wanted = (client,) if client is not None else ("docker",) if builder is not None else CLIENTS
    reasons = []
    for name in wanted:
        engine = Engine(name, builder, run=run_name())
        reason = _unanswered(engine)
        if reason is None:
            engine = Engine(name, builder, _exports(engine), engine.run, engine.commands)
            remove_dead(engine)
            return engine
        reasons.append(reason)
    raise NoEngine("; ".join(reasons))


def _unanswered(engine: Engine) -> str | None:
    """Return why an engine can't be used."""
    if shutil.which(engine.client) is None:
        return f"there is no `{engine.client}` command"
    if engine.client == "podman":
        ended = engine("info", "--format", "{{.Host.Arch}}", seconds=30)
        return None if ended.succeeded else f"podman doesn't answer: {_last_line(ended.stderr)}"
    if engine.builder is None:
        ended = engine("version", "--format", "{{.Server.Version}}", seconds=30)
        if not ended.succeeded:
            where = os.environ.get("DOCKER_HOST", "the default socket")
            return f"no Docker Engine answers at {where}: {_last_line(ended.stderr)}"
    if not engine("buildx", "version", seconds=30).succeeded:
        return "docker has no buildx: install its plugin, docker-buildx"
    return None


def _exports(engine: Engine) -> bool:
    """Whether the chosen builder keeps its images to itself; raises NoEngine if there is no such builder."""
    if engine.builder is None:
        return False
    ended = engine("buildx", "inspect", engine.builder, seconds=COMMAND_SECONDS)
    if not ended.succeeded:
        raise NoEngine(f"docker buildx knows no builder {engine.builder!r}: {_last_line(ended.stderr)}")
    driver = re.search(r"^Driver:\s*(\S+)", ended.stdout, re.M)
    return driver is not None and driver[1] != "docker"


def remove_dead(engine: Engine) -> None:
    """Remove what runs that are over left in the engine and in the folder for temporary files."""
    for run in _runs(engine):
        if is_dead(run):
            remove_run(engine, run)
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}-*"):
        if is_dead(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(engine: Engine) -> frozenset[str]:
    """Return the names of all runs that something is left of in the engine."""
    # podman prints labels as a map, whatever is asked for; so the names are looked for in the text
    labels = engine("ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Labels}}")
    images = engine("images", "--format", "{{.Repository}}")
    return frozenset(match[0] for match in _RUN.finditer(f"{labels.stdout}\n{images.stdout}"))


def remove_run(engine: Engine, run: str) -> None:
    """Remove every container and image of a run; what a request on its way still makes is removed as well."""
    for _ in range(5):
        listed = engine("ps", "--all", "--quiet", "--filter", f"label={LABEL}={run}", is_cleaning=True)
        containers = listed.stdout.split()
        if containers:
            engine("rm", "--force", "--volumes", *containers, is_cleaning=True)
        names = engine("images", "--format", "{{.Repository}}:{{.Tag}}", is_cleaning=True).stdout.split()
        images = [name for name in names if run in name]
        if images:
            engine("rmi", "--force", *images, seconds=SAVE_SECONDS, is_cleaning=True)
        if not containers and not images:
            return


def remove_broken_builds(engine: Engine) -> None:
    """Remove what a stopped `podman build` leaves: containers that carry no name or label of ours.

    They are known by their kind and time. While another build runs on this machine they may be that one's.
    """
    match = _RUN.fullmatch(engine.run)
    listed = engine("ps", "--all", "--external", "--format", "json", is_cleaning=True)
    if match is None or not listed.succeeded or _builds_run():
        return
    left = [
        str(one["Id"])
        for one in json.loads(listed.stdout or "[]")
        if one.get("Command") == ["buildah"] and one.get("Created", 0) >= int(match[1])
    ]
    if left:
        engine("rm", "--force", *left, is_cleaning=True)


def _builds_run() -> bool:
    """Whether any process on this machine is a build of podman or buildah."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:  # it ended, or is somebody else's
            continue
        if words[0].rpartition(b"/")[2] in (b"podman", b"buildah") and words[1:2] in ([b"build"], [b"bud"]):
            return True
    return False


def cached_runs(log: str) -> frozenset[str]:
    """Return the RUN instructions that a build took from the cache, by its log: BuildKit's or podman's."""
    titles = dict(re.findall(r"^#(\d+) \[[^\]]*\] (RUN .*)$", log, re.M))
    found = {titles[step] for step in re.findall(r"^#(\d+) CACHED$", log, re.M) if step in titles}
    step = ""
    for line in log.splitlines():
        match = re.match(r"(?:\[\d+/\d+\] )?STEP \d+/\d+: (.*)", line)
        if match:
            step = match[1]
        elif line.startswith("--> Using cache") and step.startswith("RUN "):
            found.add(step)
    return frozenset(found)


def _last_line(text: str) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
