"""What the user asked of a proof: the engine, the builds, and how the containers are tried."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from msrefactor.verification.containers import STOP_SECONDS, Trial
from msrefactor.verification.engines import BUILD_SECONDS


@dataclass(frozen=True, slots=True)
class Plan:
    """The same for every file of a run."""

    client: str | None = None
    builder: str | None = None
    arguments: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    ssh: tuple[str, ...] = ()
    target: str | None = None
    platform: str | None = None
    network: str | None = None
    base_images: tuple[tuple[str, str], ...] = ()
    is_cached: bool = True
    build_seconds: float = BUILD_SECONDS
    is_run: bool = False
    paths: tuple[str, ...] = ()
    port: int | None = None
    environment: tuple[str, ...] = ()
    run_seconds: float = 30
    stop_seconds: int = STOP_SECONDS
    probe_image: str | None = None
    touch: str | None = None
    jobs: int = 1
    shard: tuple[int, int] = (1, 1)
    resume: Path | None = None
    reports: tuple[Path, ...] = ()
    takes_part: bool = False
    tests_folder: Path | None = None
    without_syntax: bool = False
    """Leave `# syntax=` lines out of what is built: for machines that can't fetch that image."""

    def trial(self, exposed: tuple[int, ...]) -> Trial | None:
        """Return how the containers are tried; None: they aren't started."""
        if not self.is_run and not self.paths:
            return None
        return Trial(
            self.paths,
            self.port,
            exposed,
            environment=self.environment,
            seconds=self.run_seconds,
            stop_seconds=self.stop_seconds,
            probe_image=self.probe_image,
        )


def request(text: str) -> tuple[int | None, str]:
    """Return the port, if one is named, and the request of `/path`, `8080/path` or `HEAD /path`.

    Raises ValueError with what is wrong.
    """
    match = re.fullmatch(r"(?:([A-Z]+) )?(\d+)?(/.*)", text)
    if match is None:
        raise ValueError(f"{text!r} is no path: write /health, 8080/health, or 'HEAD /health'")
    method, port, path = match.groups()
    return int(port) if port else None, f"{method} {path}" if method else path


def shard(text: str) -> tuple[int, int]:
    """Return the numbers of `I/N`, the first part being 1; raises ValueError."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"{text!r} is no part: write 1/4, 2/4, 3/4 or 4/4 for four machines")
    return int(match[1]), int(match[2])
