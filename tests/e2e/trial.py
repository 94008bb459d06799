"""The original and the refactored image of one case, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from msrefactor.verification.behaviour import behaviour_differences
from msrefactor.verification.config import config_differences, server_differences
from msrefactor.verification.containers import Answer, Behaviour, Trial, watch
from msrefactor.verification.engines import Build, Engine
from msrefactor.verification.images import Image

from .builds import BUILD_SECONDS, build_image, glance
from .cases import Run

STOP_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Pair:
    """What both images are, what their containers did, and what of it must not be."""

    old_image: Image
    new_image: Image
    old: Behaviour
    new: Behaviour
    wrong: tuple[str, ...]

    @property
    def share(self) -> float:
        """The refactored image's size as a part of the original's."""
        return self.new_image.size / self.old_image.size


def build(
    engine: Engine,
    run: Run,
    tag: str,
    context: Path,
    dockerfile: str = "Dockerfile",
    seconds: float = BUILD_SECONDS,
) -> Build:
    """Build a context as the case says, in at most so many seconds."""
    return build_image(
        engine,
        tag,
        context,
        dockerfile,
        arguments=run.build_args,
        base_images=run.base_images,
        network=run.network,
        seconds=seconds,
    )


def start(engine: Engine, run: Run, tag: str) -> Behaviour:
    """Start an image as the case says."""
    if run.http is None:
        return watch(engine, tag, Trial(seconds=run.wait, stop_seconds=STOP_SECONDS))
    trial = Trial(
        (run.http, *run.paths),
        run.port,
        headers=run.headers,
        commands=run.commands,
        seconds=run.wait,
        stop_seconds=STOP_SECONDS,
    )
    return watch(engine, tag, trial)


def try_both(engine: Engine, run: Run, old_tag: str, new_tag: str, dockerfile: str) -> Pair:
    """Look into both images, start both at the same time, compare; `dockerfile` is the original's text."""
    old_image = glance(engine, old_tag)
    new_image = glance(engine, new_tag, tuple(old_image.entries))
    with ThreadPoolExecutor(2) as pool:
        old, new = pool.map(lambda tag: start(engine, run, tag), (old_tag, new_tag))
    if run.server is not None:
        wrong = list(map(str, server_differences(old_image, new_image)))
    else:
        wrong = list(map(str, config_differences(old_image, new_image, dockerfile)))
    if run.original == "fails":
        wrong += [f"the original: {reason}" for reason in failure_unmet(run, old)]
    elif run.original == "answers-otherwise":
        wrong += [f"the original: {reason}" for reason in promise_unmet(run, old)]
    else:
        wrong += [f"the original: {reason}" for reason in promise_unmet(run, old)]
        wrong += map(str, behaviour_differences(old, new, is_replaced=run.server is not None))
    wrong += promise_unmet(run, new)
    return Pair(old_image, new_image, old, new, tuple(wrong))


def promise_unmet(run: Run, behaviour: Behaviour) -> tuple[str, ...]:
    """What the case promises of a container that this one doesn't do."""
    if run.http is None:
        return unmet(behaviour, stdout=run.stdout, exit_code=run.exit)
    missing = unmet(behaviour, status=run.status, body=run.body)
    if run.healthcheck is not None and behaviour.health is None:
        return (*missing, "no HEALTHCHECK was run")
    return missing


def failure_unmet(run: Run, behaviour: Behaviour) -> tuple[str, ...]:
    """Why a container can't be said to fail as the case says."""
    if not behaviour.start_error and not (behaviour.has_ended and behaviour.exit_code):
        return ("its container doesn't fail",)
    log = f"{behaviour.start_error or ''}{behaviour.stdout}{behaviour.stderr}"
    return () if run.original_error in log else (f"its log lacks {run.original_error!r}",)


def unmet(
    behaviour: Behaviour,
    *,
    status: int | None = None,
    body: str | None = None,
    stdout: str | None = None,
    exit_code: int | None = None,
) -> tuple[str, ...]:
    """Which of the things a case says of its container didn't come true; texts need only be contained."""
    return tuple(_unmet(behaviour, status, body, stdout, exit_code))


def _unmet(
    behaviour: Behaviour, status: int | None, body: str | None, stdout: str | None, exit_code: int | None
) -> Iterator[str]:
    if behaviour.start_error:
        yield f"not started: {behaviour.start_error}"
        return
    if status is not None or body is not None:
        if behaviour.has_ended:
            yield f"ended with exit code {behaviour.exit_code} instead of serving"
        if not behaviour.answers:
            yield "no answer"
        for answer in behaviour.answers[:1]:
            yield from _unmet_answer(answer, 200 if status is None else status, body)
        if behaviour.health not in (None, "healthy"):
            yield f"health is {behaviour.health}"
        for code, output in behaviour.commands:
            if code:
                yield f"a command beside it ended with {code}: {output.strip()}"
    elif not behaviour.has_ended:
        yield "still running"
    if stdout is not None and stdout not in behaviour.stdout:
        yield f"standard output lacks {stdout!r}"
    if exit_code is not None and behaviour.exit_code != exit_code:
        yield f"exit code is {behaviour.exit_code}, not {exit_code}"


def _unmet_answer(answer: Answer, status: int, body: str | None) -> Iterator[str]:
    if answer.error:
        yield f"GET {answer.path}: {answer.error}"
        return
    if answer.status != status:
        yield f"GET {answer.path}: status is {answer.status}, not {status}"
    if body is not None and body not in answer.body.decode(errors="replace"):
        yield f"GET {answer.path}: the body lacks {body!r}"
