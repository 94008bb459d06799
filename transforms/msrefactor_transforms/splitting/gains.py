"""What a change saves, in megabytes, and whether that is worth a reader's time."""

from __future__ import annotations

from collections.abc import Iterable

from msrefactor.facts import StageFacts
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage, size_mb
from msrefactor.model import Unchanged
from msrefactor_transforms.splitting.packages import Fate
from msrefactor_transforms.splitting.plan import RuntimePackage

LEAST_SAVING_MB = 20.0
LEAST_SAVING_SHARE = 0.1
"""A change that saves less than both isn't worth it."""


def is_small(saved: float, facts: StageFacts) -> bool:
    """Whether the saving is too small for a change."""
    whole = size_mb(facts.base.reference.text) or 1000.0
    return saved < LEAST_SAVING_MB and saved < LEAST_SAVING_SHARE * whole


def nothing_to_gain(saved: float) -> Unchanged:
    """Return the ending of a change that isn't worth it."""
    return Unchanged(f"nothing to gain: a split would save about {max(saved, 0):.0f} MB")


def dropped_mb(fates: Iterable[Fate], runtime: BaseImage) -> float:
    """Return what the packages weigh that the final stage does without."""
    release = _sized_release(runtime)
    total = 0.0
    for one in fates:
        if one.is_kept or one.is_removed_at_once:
            continue
        total += knowledge.installed_size_mb(one.name, release) or 1.0
        total -= sum(knowledge.installed_size_mb(name, release) or 1.0 for name in one.runtime)
    return total


def added_mb(added: Iterable[RuntimePackage], runtime: BaseImage) -> float:
    """Return what the packages weigh that the final stage gets."""
    release = _sized_release(runtime)
    return sum(knowledge.installed_size_mb(package.name, release) or 1.0 for package in added)


def _sized_release(base: BaseImage) -> str:
    return weighed_by(base, base.release or (base.releases[-1] if base.releases else ""))


def weighed_by(base: BaseImage, release: str) -> str:
    """Return the release by which packages are weighed: others' compilers weigh about what Debian's do."""
    if release in knowledge.RELEASES:
        return release
    return knowledge.RELEASES[0 if base.system == "debian" else -1]
