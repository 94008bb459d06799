"""Declare a commit, a date or a build number below the steps that don't use it: their cache then outlives it.

Before::

    FROM debian:bookworm-slim
    ARG GIT_SHA
    LABEL org.opencontainers.image.revision=$GIT_SHA
    RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*
    CMD ["curl", "--version"]

After::

    FROM debian:bookworm-slim
    RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*
    ARG GIT_SHA
    LABEL org.opencontainers.image.revision=$GIT_SHA
    CMD ["curl", "--version"]

An ARG whose value has changed takes the cache from every later RUN of its stage, used or not
(`ordering.metadata` tells the rule). It goes down with the ENV and LABEL that are made of it, past installs
and commands of the system which don't read it; never past a command of the project, or one that isn't known
to look at nothing of the kind. An ARG is one that changes by its name and by having no real default: a
checksum or a version that the file itself pins stays, as does an argument that is there to renew the cache.

Refuses with ``opaque-step`` when the step below it isn't understood.
"""

from __future__ import annotations

from dataclasses import replace

from msrefactor.contract import evidence_of
from msrefactor.model import Change, Changed, Outcome, Phase, Refused, Transform, Unchanged, View
from msrefactor.tree import Dockerfile
from msrefactor_transforms.ordering.metadata import arguments, changing, lowered, rearranged
from msrefactor_transforms.splitting.copies import all_stage_facts


def apply(view: View) -> Outcome:
    """Bring every argument that changes below the steps that don't use it."""
    changes: list[Change] = []
    current = view
    while len(changes) < 20:
        found = _next(current)
        if not isinstance(found, tuple):
            break
        dockerfile, change = found
        changes.append(change)
        current = replace(current, dockerfile=dockerfile)
    if changes:
        return Changed(current.dockerfile, tuple(changes))
    return (
        found
        if isinstance(found, Refused)
        else Unchanged("no step runs again for an argument it doesn't use")
    )


def _next(view: View) -> tuple[Dockerfile, Change] | Refused | None:
    """Return the file with one group of arguments further down; else what keeps the first one where it is."""
    refused: Refused | None = None
    for index, facts in enumerate(all_stage_facts(view)):
        for fact in facts.facts:
            if not changing(fact):
                continue
            found = lowered(facts, fact)
            if isinstance(found, Refused):
                place = evidence_of(fact.instruction, view.name)
                refused = refused or replace(found, evidence=(place,))
            if found is None or isinstance(found, Refused):
                continue
            stages = list(view.dockerfile.stages)
            made = rearranged(facts, found, view.dockerfile.newline)
            stages[index] = facts.stage.with_instructions(made)
            names = arguments(found.group.members)
            last = f" and {names[-1]}" if len(names) > 1 else names[-1]
            told = f"{', '.join(names[:-1])}{last}"
            reason = (
                f"declare {told} below the steps that don't use {'it' if len(names) == 1 else 'them'}: "
                "a new value takes the cache from all that stands below"
            )
            evidence = tuple(evidence_of(one.instruction, view.name) for one in found.served)
            change = Change(reason, line=fact.line, evidence=evidence)
            return view.dockerfile.with_stages(tuple(stages)), change
    return refused


TRANSFORM = Transform(
    "reorder-metadata",
    "Declare a commit, date or build number below the steps that don't use it.",
    Phase.REORDER,
    apply,
)
