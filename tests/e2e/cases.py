"""The fixtures that are built and run for real: those whose case.toml has a `[run]` table.

[run]
http = "/health"            asked with GET; or stdout/exit of a program that ends by itself
port = 8080                 where the server listens inside the container
status = 200                of the answer (200 if left out)
body = "ok"                 contained in the answer's body
headers = { Host = "x" }    sent with the request
stdout = "done"             contained in the standard output
exit = 0                    exit code of a program
paths = ["/about"]          asked as well, and compared; also "HEAD /", "POST /", "GZIP /" (compressed)
server = "nginx"            a server that takes the place of the original's command, on the same port
wait = 30                   seconds until it must have answered or ended
build_args = { A = "1" }    --build-arg of both builds
network = "host"            the network of the builds (host if left out); the containers have none
touch = "app.py"            the source file changed for the timed rebuild
base_images = { "python:3.9-slim-buster" = "python:3.12-slim" }     one image in the place of another
original = "fails"          the original builds, and its container ends with an error;
                            or "fails-to-build": its build ends with an error;
                            or "answers-otherwise": it works, and its answers are other ones by design
original_error = "ModuleNotFoundError"      contained in that container's log, or in the build's
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FIXTURES = Path(__file__).parents[2] / "fixtures"
KEYS = {
    "http": str, "port": int, "status": int, "body": str, "headers": dict,
    "healthcheck": int, "commands": list,
    "paths": list, "server": str,
    "stdout": str, "exit": int, "wait": int,
    "build_args": dict, "network": str, "touch": str, "base_images": dict,
    "original": str, "original_error": str,
}  # fmt: skip
_ORIGINALS = ("works", "answers-otherwise", "fails", "fails-to-build")


@dataclass(frozen=True, slots=True)
class Run:
    """How a case's container is started and what is expected of it; see the module's text."""

    http: str | None = None
    port: int = 0
    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    healthcheck: int | None = None
    commands: Sequence[Sequence[str]] = ()
    paths: Sequence[str] = ()
    server: str | None = None
    stdout: str | None = None
    exit: int = 0
    wait: int = 30
    build_args: Mapping[str, str] = field(default_factory=dict)
    network: str = "host"
    touch: str | None = None
    base_images: Mapping[str, str] = field(default_factory=dict)
    original: str = "works"
    original_error: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One fixture to build and run."""

    folder: Path
    outcome: str
    options: tuple[str, ...]
    dockerfile: str
    run: Run

    @property
    def context(self) -> Path:
        """What the build is given."""
        return self.folder / "context"


def marked_folders() -> tuple[Path, ...]:
    """The folders of all cases that ask to be run."""
    files = sorted(FIXTURES.glob("**/case.toml"))
    return tuple(file.parent for file in files if "run" in tomllib.loads(file.read_text()))


def _flags(options: Mapping[str, object]) -> tuple[str, ...]:
    """The options that are switches, as on the command line."""
    return tuple(f"--{name}" for name, value in options.items() if value is True)


def _selection(folder: Path) -> tuple[str, ...]:
    """Only the transform runs that the case is about; under `pipeline` all run that run by default."""
    transform = folder.relative_to(FIXTURES).parts[0] if folder.is_relative_to(FIXTURES) else "pipeline"
    return () if transform == "pipeline" else ("--select", transform)


def read(folder: Path) -> Case:
    """A case; raises ValueError when its `[run]` can't be meant."""
    raw = tomllib.loads((folder / "case.toml").read_text())
    run = raw["run"]
    for key, value in run.items():
        if not isinstance(value, KEYS.get(key, ())):
            raise ValueError(
                f"{folder.name}: [run] has an unknown key or a value of the wrong type: {key} = {value!r}"
            )
    if ("http" in run) == ("stdout" in run):
        raise ValueError(f"{folder.name}: [run] needs either http or stdout")
    if "http" in run and not ("port" in run and run["http"].startswith("/")):
        raise ValueError(f"{folder.name}: [run] needs a port and a path that starts with /")
    paths = run.get("paths", ())
    if not all(isinstance(path, str) and path.rpartition(" ")[2].startswith("/") for path in paths):
        raise ValueError(f"{folder.name}: [run] paths have to start with /")
    if run.get("server", "nginx") != "nginx":
        raise ValueError(f'{folder.name}: [run] server can only be "nginx"')
    if run.get("healthcheck", 0) != 0:
        raise ValueError(f"{folder.name}: [run] healthcheck can only be 0")
    if run.get("original", "works") not in _ORIGINALS:
        raise ValueError(f"{folder.name}: [run] original is one of {', '.join(_ORIGINALS)}")
    if "touch" in run and not (folder / "context" / run["touch"]).is_file():
        raise ValueError(f"{folder.name}: [run] touch names no file of the context: {run['touch']}")
    return Case(
        folder,
        raw["outcome"],
        (*_selection(folder), *_flags(raw.get("options", {}))),
        raw.get("dockerfile", "Dockerfile"),
        Run(**run),
    )
