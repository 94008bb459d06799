"""Copy what an install reads first, install, and then copy the source: the install stays in the cache.

Before::

    FROM python:3.12-slim
    WORKDIR /app
    COPY . .
    RUN pip install -r requirements.txt
    CMD ["python", "app.py"]

After::

    FROM python:3.12-slim
    WORKDIR /app
    COPY requirements.txt .
    RUN pip install -r requirements.txt
    COPY . .
    CMD ["python", "app.py"]

Where a stage that is thrown away has no install, and its Go build fetches the modules on the way, `go mod
download` is added above the copy of the source: it reads go.mod and go.sum alone, and a go.sum that lists
all makes sure that it fetches what the build would. Nothing like it is added for other managers: they
install in a step of their own anyway, or a fetch can fail where the build doesn't (Maven's
`dependency:go-offline` looks for the project's own modules in a repository; `cargo fetch` wants to see the
source files of each target).

Copies between which nothing is installed keep their order: one of them costs a rebuild next to nothing.

Refuses with ``install-reads-source`` when the install reads the source (the project itself is installed, a
script of package.json builds it), ``install-mode`` when the install and the copy touch the same files or the
command isn't understood, ``opaque-step`` when a step between the two isn't, ``build-variable`` when a build
argument chooses what is installed, and ``unproved`` when another checkout's node_modules or the like would be
copied over the installed one, because .dockerignore doesn't leave it out.
"""

from __future__ import annotations

from dataclasses import replace

from msrefactor.contract import evidence_of, lineage
from msrefactor.facts import Fact
from msrefactor.model import Change, Changed, Outcome, Phase, Refused, Risk, Transform, Unchanged, View
from msrefactor.tree import Dockerfile
from msrefactor_transforms.ordering.adding import with_fetch
from msrefactor_transforms.ordering.copies import (
    Blocked,
    Move,
    is_source,
    is_worth,
    moved,
    moves,
    same_installs,
)
from msrefactor_transforms.splitting.copies import all_stage_facts


def apply(view: View) -> Outcome:
    """Bring every copy of the source below the installs that don't need it."""
    if not view.context.known:
        return Unchanged("the build context can't be seen")
    blocked: Blocked | None = None
    for is_safe in (False,) if view.settings.unsafe else (True, False):
        changes: list[Change] = []
        current = view
        for _ in range(20):
            found = _next(current, is_safe=is_safe)
            if not isinstance(found, tuple):
                blocked = found
                break
            dockerfile, change = found
            changes.append(change)
            current = replace(current, dockerfile=dockerfile)
        if changes:
            return Changed(current.dockerfile, tuple(changes))
    if blocked is not None:
        evidence = tuple(evidence_of(one.instruction, view.name) for one in (blocked.copy, blocked.fact))
        return replace(blocked.refused, evidence=evidence)
    return Unchanged("no install stands below a copy of the source that it doesn't need")


def _next(view: View, *, is_safe: bool) -> tuple[Dockerfile, Change] | Blocked | None:
    """Return the file with one copy moved; else what keeps the last one that should be."""
    dockerfile = view.dockerfile
    stages = all_stage_facts(view)
    kept = lineage(dockerfile, len(dockerfile.stages) - 1)
    blocked: Blocked | None = None
    for index, facts in enumerate(stages):
        for copy in reversed([fact for fact in facts.facts if is_source(fact)]):
            possible, end = moves(facts, copy, is_thrown_away=index not in kept)
            for move in reversed(possible):
                if is_safe and move.overlaid:
                    continue
                made = moved(facts, move, dockerfile.newline)
                if isinstance(made, Refused):
                    end = end or Blocked(made, copy, move.until)
                    continue
                new = list(dockerfile.stages)
                new[index] = facts.stage.with_instructions(made)
                result = dockerfile.with_stages(tuple(new))
                again = all_stage_facts(replace(view, dockerfile=result))[index]
                if not same_installs(facts, again):
                    detail = "the install finds other files when it stands above the copy"
                    end = Blocked(Refused("install-mode", detail), copy, move.until)
                    continue
                return result, _change(view, move)
            if end is not None and _matters(facts.facts, end):
                blocked = blocked or end
        added = with_fetch(view, index, facts) if index not in kept else None
        if added is not None:
            return added[0], _addition(view, *added[1:])
    return blocked


def _matters(facts: tuple[Fact, ...], end: Blocked) -> bool:
    """Whether an install stands below the obstacle, and none that reads manifests above the copy already."""
    below = any(is_worth(effect) for fact in facts[end.fact.index :] for effect in fact.effects)
    above = any(
        effect.dependencies is not None and any(map(fact.scope.has, effect.dependencies.reads))
        for fact in facts[: end.copy.index]
        for effect in fact.effects
    )
    return below and not (above and end.refused.code == "install-reads-source")


def _change(view: View, move: Move) -> Change:
    names = [
        effect.dependencies.manager if effect.dependencies is not None else effect.tool
        for effect in move.until.effects
        if is_worth(effect)
    ]
    what = list(dict.fromkeys(names))
    verb = "installs" if len(what) == 1 else "install"
    reason = (
        "copy the source below the install: "
        f"after a change of it, what {' and '.join(what)} {verb} comes from the cache"
    )
    evidence = tuple(evidence_of(one.instruction, view.name) for one in (move.copy, move.until))
    overlaid = move.overlaid
    if not overlaid:
        return Change(reason, line=move.copy.line, evidence=evidence)
    paths = ", ".join(overlaid)
    assumption = (
        f"no build context brings {paths}, which the copy would put over the installed one: "
        "a line in .dockerignore makes sure"
    )
    return Change(reason, Risk.REVIEW, move.copy.line, evidence, (assumption,))


def _addition(view: View, command: str, copy: Fact, build: Fact) -> Change:
    reason = f"`{command}` before the source is copied: then what it fetches comes from the cache"
    evidence = tuple(evidence_of(one.instruction, view.name) for one in (copy, build))
    return Change(reason, line=copy.line, evidence=evidence)


TRANSFORM = Transform(
    "reorder-copy",
    "Copy what an install reads, install, and only then copy the source: the cache then serves the install.",
    Phase.REORDER,
    apply,
)
