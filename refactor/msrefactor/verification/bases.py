"""Which layers of an image are its base image's: what the author's file did not make itself."""

from __future__ import annotations

from msrefactor.errors import BadInput
from msrefactor.parse import parse
from msrefactor.tree import Dockerfile, Stage


def base_file(text: str, target: str | None) -> str | None:
    """Return a Dockerfile that builds the base image of a Dockerfile's built stage; None for scratch.

    It is the author's own text, so that the engine fills in the variables as it does for the whole.
    """
    try:
        dockerfile = parse(text)
    except BadInput:
        return None
    stage = dockerfile.final_stage if target is None else _named(dockerfile, target)
    while stage is not None and (above := _named(dockerfile, stage.image, before=stage)) is not None:
        stage = above
    if stage is None or stage.image.lower() == "scratch":
        return None
    pieces = [dockerfile.directives]
    for instruction in (*dockerfile.preamble, stage.instructions[0]):
        pieces += [instruction.leading, instruction.source]
    return "".join(pieces)


def _named(dockerfile: Dockerfile, name: str, before: Stage | None = None) -> Stage | None:
    """Return the last stage of this name, above another one."""
    stages = dockerfile.stages
    if before is not None:
        stages = stages[: next(i for i, one in enumerate(stages) if one is before)]
    return next((stage for stage in reversed(stages) if stage.name == name.lower()), None)


def shared_layers(base: tuple[str, ...], image: tuple[str, ...]) -> int:
    """Return how many of an image's layers are its base's, by their digests; 0 if it doesn't begin so."""
    return len(base) if base and image[: len(base)] == base else 0
