"""The final stage's base where it is the slim variant of the builder's, and what that saves."""

from __future__ import annotations

import posixpath

from msrefactor.facts import StageFacts, image_text
from msrefactor.knowledge.images import size_mb, slim_variant
from msrefactor.model import View
from msrefactor_transforms.splitting.plan import Level


def slim_base(facts: StageFacts, family: str) -> tuple[Level, str]:
    """Return the slim variant of a full image of this family, as FROM is to name it; else the same image.

    Variables in the tag stay: `python:${V}-bookworm` becomes `python:${V}-slim-bookworm`.
    """
    base, image = facts.base, facts.stage.image
    resolved = base.reference.text
    slim = slim_variant(resolved) if base.family == family and base.variant == "full" else None
    if slim is None:
        return Level.SHARED, image
    if "$" not in image:
        return Level.SLIM, slim
    shared = len(posixpath.commonprefix((resolved, slim)))
    ending = resolved[shared:]
    if image.endswith(ending):
        return Level.SLIM, image[: len(image) - len(ending)] + slim[shared:]
    return Level.SHARED, image


def saved_by_base(view: View, facts: StageFacts, runtime: str) -> float:
    """Return what the other base saves, in megabytes, by the table of image sizes."""
    image = with_values(view, runtime)
    return max(0.0, (size_mb(facts.base.reference.text) or 0.0) - (size_mb(image) or 0.0))


def with_values(view: View, image: str) -> str:
    """Return an image as FROM means it: the file's global arguments have their defaults."""
    return image_text(view.dockerfile, image)
