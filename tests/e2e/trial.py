"""The original and the refactored image of one case, side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .cases import Run
from .compare import behaviour_differences, config_differences, server_differences, unmet
from .engine import BUILD_SECONDS, Behaviour, Build, Engine, Image


@dataclass(frozen=True, slots=True)
class Trial:
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
    return engine.build(
        tag,
        context,
        dockerfile,
        arguments=run.build_args,
        base_images=run.base_images,
        network=run.network,
        seconds=seconds,
    )


def watch(engine: Engine, run: Run, tag: str) -> Behaviour:
    """Start an image as the case says."""
    if run.http is None:
        return engine.watch_program(tag, run.wait)
    return engine.watch_server(
        tag,
        port=run.port,
        paths=[run.http, *run.paths],
        headers=run.headers,
        commands=run.commands,
        seconds=run.wait,
    )


def try_both(engine: Engine, run: Run, old_tag: str, new_tag: str, dockerfile: str) -> Trial:
    """Look into both images, start both at the same time, compare; `dockerfile` is the original's text."""
    old_image = engine.image(old_tag)
    new_image = engine.image(new_tag, tuple(old_image.entries))
    with ThreadPoolExecutor(2) as pool:
        old, new = pool.map(lambda tag: watch(engine, run, tag), (old_tag, new_tag))
    if run.server is not None:
        wrong = list(server_differences(old_image, new_image))
    else:
        wrong = list(config_differences(old_image, new_image, dockerfile))
    if run.original == "fails":
        wrong += [f"the original: {reason}" for reason in failure_unmet(run, old)]
    elif run.original == "answers-otherwise":
        wrong += [f"the original: {reason}" for reason in promise_unmet(run, old)]
    else:
        wrong += [f"the original: {reason}" for reason in promise_unmet(run, old)]
        wrong += behaviour_differences(old, new, is_replaced=run.server is not None)
    wrong += promise_unmet(run, new)
    return Trial(old_image, new_image, old, new, tuple(wrong))


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
