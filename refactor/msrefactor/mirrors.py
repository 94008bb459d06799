"""New base images under the names that the file's company has them under.

A transform writes public names. Where the file's own images come from a mirror of `base-images`, what is
written is the mirror's name; an image that no mirror has is an obstacle, for nobody knows whether a build
there can reach it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from msrefactor import variables
from msrefactor.contract import stage_index
from msrefactor.facts import base_image_text, global_arguments
from msrefactor.knowledge.images import mirror_names, parse_reference, public_name
from msrefactor.model import Changed, View

if TYPE_CHECKING:
    from msrefactor.tree import Dockerfile, Stage


def with_mirrors(view: View, outcome: Changed) -> Changed:
    """Return the change with its new images under the mirror's names, as the file writes such names."""
    if not view.settings.base_images:
        return outcome
    old = view.dockerfile
    names = _mirrored(old)
    stages = list(outcome.dockerfile.stages)
    written: dict[str, str] = {}
    for number, stage in _new_stages(old, outcome.dockerfile):
        image = base_image_text(outcome.dockerfile, stage)
        found = list(mirror_names(image)) if names and not _is_mirror(image) else []
        if found:
            name = next(
                (one for one in found if any(_share_registry(one, other) for other in names)), found[0]
            )
            written[image] = _as_written(old, name)
            stages[number] = stage.with_image(written[image])
    if not written:
        return outcome
    changes = tuple(replace(change, reason=_told(change.reason, written)) for change in outcome.changes)
    return replace(outcome, dockerfile=replace(outcome.dockerfile, stages=tuple(stages)), changes=changes)


def base_findings(view: View, after: Dockerfile) -> tuple[str, ...]:
    """Return the new images that the file's own registry isn't known to have."""
    if not view.settings.base_images or not _mirrored(view.dockerfile):
        return ()
    images = [base_image_text(after, stage) for _, stage in _new_stages(view.dockerfile, after)]
    return tuple(
        f"base-not-mirrored: {image} would be a new base image, and `base-images` has no name for it"
        for image in dict.fromkeys(images)
        if not _is_mirror(image) and image != "scratch"
    )


def _new_stages(old: Dockerfile, new: Dockerfile) -> Iterator[tuple[int, Stage]]:
    """Yield the stages that start from an image of no stage before."""
    known = {base_image_text(old, stage) for stage in old.stages}
    for number, stage in enumerate(new.stages):
        image = base_image_text(new, stage)
        if image not in known and stage_index(new, image, number) is None:
            yield number, stage


def _mirrored(dockerfile: Dockerfile) -> list[str]:
    images = [base_image_text(dockerfile, stage) for stage in dockerfile.stages]
    return [image for image in images if _is_mirror(image)]


def _is_mirror(image: str) -> bool:
    reference = parse_reference(image)
    text = image.partition("@")[0]
    if reference.tag is not None:
        text = text.removesuffix(f":{reference.tag}")
    return public_name(text) is not None


def _share_registry(one: str, other: str) -> bool:
    return one.partition("/")[0] == other.partition("/")[0]


def _as_written(dockerfile: Dockerfile, name: str) -> str:
    """Return an image's name that begins with the variables of the file's own names, where they agree."""
    values = global_arguments(dockerfile)
    for stage in dockerfile.stages:
        raw = stage.image
        if "$" not in raw:
            continue
        for end in (place for place, char in enumerate(raw, 1) if char == "/"):
            head = raw[:end]
            value = variables.expand(head, values, dockerfile.escape)
            if "$" in head and "$" not in value and name.startswith(value):
                return head + name[len(value) :]
    return name


def _told(reason: str, written: dict[str, str]) -> str:
    for image, name in written.items():
        reason = " ".join(name if word == image else word for word in reason.split(" "))
    return reason
