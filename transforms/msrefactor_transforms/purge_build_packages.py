r"""Remove build packages in the layer that installs and uses them, where a split can't leave them out.

Before::

    FROM alpine:3.20 AS files
    COPY app.py requirements.txt /app/

    FROM python:3.12-alpine
    WORKDIR /app
    RUN apk add --no-cache gcc musl-dev
    COPY --from=files /app .
    RUN pip install --no-cache-dir -r requirements.txt
    CMD ["python", "app.py"]

After::

    FROM alpine:3.20 AS files
    COPY app.py requirements.txt /app/

    FROM python:3.12-alpine
    WORKDIR /app
    COPY --from=files /app .
    RUN apk add --no-cache libgomp && apk add --no-cache --virtual .build-deps gcc musl-dev \
        && pip install --no-cache-dir -r requirements.txt \
        && apk del .build-deps
    CMD ["python", "app.py"]

What is linked with a -dev package stays by the name of its run-time package. Packages that nothing builds
with are left out of the list. A RUN that removes what an earlier one installed is joined with it: what a
later layer removes stays. RUNs are joined only for that. A stage whose layers don't reach the final image is
left alone.

Refuses with ``opaque-step`` and ``install-mode`` where it isn't known, or can't be changed, when the packages
were last needed; with ``runtime-library`` where what a -dev package brings isn't known; with
``base-unknown``, ``context-unknown``, ``compiles-at-start``, ``development-image`` and ``need-not-found``
where the container may need them; ``unproved`` when only an assumption is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Fact, Role
from msrefactor.model import (
    Change,
    Changed,
    Evidence,
    Outcome,
    Phase,
    Refused,
    Removal,
    Risk,
    Transform,
    Unchanged,
    View,
)
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.editing import style_of
from msrefactor_transforms.cleaning.layers import Layers, Place, layers_of, rebuilt
from msrefactor_transforms.purging.candidates import (
    Install,
    installs_in,
    kept_names,
    unknown_libraries,
    weight_mb,
)
from msrefactor_transforms.purging.later import removed_later
from msrefactor_transforms.purging.leaving import left_out
from msrefactor_transforms.purging.proof import Container, Verdict, container_of, verdict
from msrefactor_transforms.purging.together import Apart, Group, again, group_of, one_run
from msrefactor_transforms.purging.users import commands_gone, is_use, uses_behind
from msrefactor_transforms.purging.writing import in_base, with_removals, written
from msrefactor_transforms.splitting.gains import is_small
from msrefactor_transforms.splitting.packages import compiler_libraries

_MOST_STEPS = 8
_LEAST_MB = 5.0
"""A shorter list of packages that saves less isn't worth a change; RUNs are joined only for more."""


def apply(view: View) -> Outcome:
    """Take build packages out of the final image's layers, or say why not."""
    unfit = _unfit(view)
    if unfit is not None:
        return unfit
    changes: tuple[Change, ...] = ()
    removals: tuple[Removal, ...] = ()
    start = view
    for _ in range(_MOST_STEPS):
        outcome = _step(view)
        if not isinstance(outcome, Changed):
            break
        changes += outcome.changes
        removals += outcome.removals
        view = replace(view, dockerfile=outcome.dockerfile)
    if view is start:
        return outcome
    return Changed(view.dockerfile, changes, removals)


def _unfit(view: View) -> Outcome | None:
    """Return why the image isn't one to take anything from."""
    final = view.dockerfile.final_stage
    keywords = {instruction.keyword for instruction in final.instructions}
    if "ONBUILD" in keywords:
        return Unchanged("it is an image for others to build on")
    base = layers_of(view).stages[-1].base
    if not keywords & {"CMD", "ENTRYPOINT"} and not base.exposed:
        return Unchanged("no command is started: it is an image for others to build on")
    return None


def _step(view: View) -> Outcome:
    """Do one thing: join a removal with its install, or take the build packages out of one stage."""
    layers = layers_of(view)
    refusal: Refused | None = None
    for stage in layers.chain:
        outcome = _joined_removal(view, layers, stage)
        if isinstance(outcome, Changed):
            return outcome
        refusal = refusal or outcome
    candidates = {stage: installs_in(layers.stages[stage]) for stage in layers.chain}
    if not any(candidates.values()):
        return refusal or _without_candidates(view, layers)
    container: Container | None = None
    idle: Unchanged | None = None
    for stage in layers.chain:
        if not candidates[stage]:
            continue
        container = container or container_of(view, layers.stages)
        installs = installs_in(layers.stages[stage], container.build_only)
        result = _Job(view, layers, stage, installs, container).outcome()
        if isinstance(result, Changed):
            return result
        if isinstance(result, Refused):
            refusal = refusal or result
        else:
            idle = idle or result
    return refusal or idle or Unchanged("no build packages are left in a layer of the final image")


def _without_candidates(view: View, layers: Layers) -> Outcome:
    for stage in layers.chain:
        for fact, name in unknown_libraries(layers.stages[stage]):
            gone = commands_gone((name,))
            if any(True for _ in uses_behind(layers, stage, fact, gone)):
                detail = f"what programs that are built with {name} need at run time isn't known"
                return Refused("runtime-library", detail, (evidence_of(fact.instruction, view.name),))
    return Unchanged("no build packages are left in a layer of the final image")


def _joined_removal(view: View, layers: Layers, stage: int) -> Changed | Refused | None:
    """Join a RUN that removes packages with the one that installs them."""
    style = style_of(view.dockerfile)
    for install, users, removal in removed_later(layers.stages[stage]):
        group = group_of(layers.stages[stage].facts, (install,), users or (install,), removal)
        made = one_run(group, {}, style) if isinstance(group, Group) else None
        if isinstance(group, Apart) or made is None:
            place = evidence_of(removal.instruction, view.name)
            why = group.detail if isinstance(group, Apart) else "their text can't be joined"
            detail = (
                f"line {removal.line} removes what line {install.line} installs, which stays there: {why}"
            )
            return Refused("install-mode", detail, (place,), "install, use and remove it in one RUN")
        change = Change(
            "remove packages in the layer that installs them: what a later layer removes stays in the image",
            line=install.line,
        )
        return _with_group(view, stage, group, made.instruction, (change,))
    return None


def _with_group(
    view: View, stage: int, group: Group, made: Instruction, changes: tuple[Change, ...]
) -> Changed:
    edits: dict[Place, Instruction | None] = {(stage, fact.index): None for fact in group.parts}
    edits[stage, group.place] = made
    removals = tuple(
        Removal(fact.line, f"its commands are in the RUN of line {made.line}")
        for fact in group.parts
        if fact.line is not None and fact.line != made.line
    )
    return Changed(rebuilt(view.dockerfile, edits), changes, removals)


@dataclass(frozen=True, slots=True)
class _Job:
    """The build packages of one stage."""

    view: View
    layers: Layers
    stage: int
    installs: tuple[Install, ...]
    container: Container

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for one in self.installs for name in one.names))

    def outcome(self) -> Changed | Refused | Unchanged:
        facts = self.layers.stages[self.stage]
        extra = [name for one in self.installs for name in one.runtime]
        saved = weight_mb(self.names, facts.base) - weight_mb(extra, facts.base)
        if saved < _LEAST_MB:
            return Unchanged(f"nothing to gain: build packages of about {max(saved, 0):.0f} MB could go")
        if facts.base.family == "unknown":
            detail = f"nothing is known about {facts.base.reference.text}"
            return Refused("base-unknown", detail, (self._place(facts.facts[0]),))
        if not self.view.context.known and any(
            one.keyword in ("COPY", "ADD") and one.from_stage is None for one in self.container.facts.facts
        ):
            return Refused("context-unknown", "what the container starts can't be read")
        judged = verdict(self.container, self.names, bool(extra))
        if isinstance(judged, Refused):
            return judged
        uses = tuple(self._uses())
        opaque = next(((fact, effect) for _, fact, effect in uses if effect.role is Role.OPAQUE), None)
        if opaque is not None:
            fact, effect = opaque
            return effect.refusal or Refused("opaque-step", effect.why, (self._place(fact),))
        other = next((fact for stage, fact, _ in uses if stage != self.stage), None)
        if other is not None:
            detail = f"line {other.line}, in a stage built on this one, may build with them"
            remedy = "install the build packages in the stage that builds"
            return Refused("install-mode", detail, (self._place(other),), remedy)
        changes = self._changes(judged, saved)
        if not uses:
            return self._left_out(judged, changes)
        if is_small(saved, self.layers.stages[-1]):
            return Unchanged(f"nothing to gain: build packages of about {saved:.0f} MB could go")
        return self._purged(judged, tuple(fact for _, fact, _ in uses), changes)

    def _place(self, fact: Fact) -> Evidence:
        return evidence_of(fact.instruction, self.view.name)

    def _uses(self) -> Iterator[tuple[int, Fact, Effect]]:
        gone = commands_gone(self.names)
        first = min(self.installs, key=lambda one: (one.fact.index, one.position))
        for position, one in enumerate(first.fact.items):
            if position > first.position:
                yield from ((self.stage, first.fact, e) for e in one.effects if is_use(e, gone))
        yield from uses_behind(self.layers, self.stage, first.fact, gone)

    def _changes(self, judged: Verdict, saved: float) -> tuple[Change, ...]:
        listed = " ".join(self.names)
        reason = f"remove {listed} in the layer that builds with {'it' if len(self.names) == 1 else 'them'}"
        risk = Risk.REVIEW if judged.assumptions else Risk.SAFE
        line = self.installs[0].fact.line
        change = Change(reason, risk, line, judged.evidence, judged.assumptions, round(saved, 1))
        kept = [
            Change(f"keep {' '.join(one.runtime)}, which programs that are built with {one.name} need")
            for install in self.installs
            for one in install.fates
            if one.runtime
        ]
        added = [Change(f"install {p.name}: {p.why}", evidence=(p.evidence,)) for p in judged.packages]
        return (change, *kept, *added)

    def _extra(self, install: Install, judged: Verdict, is_built_with: bool = True) -> tuple[str, ...]:
        """Return what one of the installs names beside the author's list."""
        base = self.layers.stages[self.stage].base
        names = [*(install.runtime if is_built_with else ()), *compiler_libraries(install.names, base)]
        if install is self.installs[0]:
            names.extend(package.name for package in judged.packages)
        kept = kept_names(self.layers, self.names)
        return tuple(dict.fromkeys(n for n in names if n not in kept and not in_base(n, base)))

    def _left_out(self, judged: Verdict, changes: tuple[Change, ...]) -> Changed | Refused:
        edits: dict[Place, Instruction | None] = {}
        removals: list[Removal] = []
        for fact in dict.fromkeys(one.fact.index for one in self.installs):
            installs = [one for one in self.installs if one.fact.index == fact]
            extra = tuple(name for one in installs for name in self._extra(one, judged, False))
            made = left_out(installs[0].fact, extra, self.container.build_only)
            if isinstance(made, str):
                return Refused("install-mode", made, (self._place(installs[0].fact),))
            edits[self.stage, fact] = made
            line = installs[0].fact.line
            if made is None and line is not None:
                removals.append(Removal(line, "nothing builds with what it installs"))
        them = "it" if len(self.names) == 1 else "them"
        reason = f"leave out {' '.join(self.names)}: nothing is built with {them}"
        changes = (replace(changes[0], reason=reason), *changes[1:])
        return Changed(rebuilt(self.view.dockerfile, edits), changes, tuple(removals))

    def _purged(
        self, judged: Verdict, users: tuple[Fact, ...], changes: tuple[Change, ...]
    ) -> Changed | Refused:
        style = style_of(self.view.dockerfile)
        kept = kept_names(self.layers, self.names)
        edited: dict[int, Instruction] = {}
        removals: list[str] = []
        # the last install first, so that the places of those before it stay right
        for install in reversed(self.installs):
            fact = again(install.fact, edited.get(install.fact.index, install.fact.instruction))
            made = written(install, fact, self._extra(install, judged), kept, style)
            if made is None:
                detail = f"what else the image installs may go with what line {fact.line} installs"
                return Refused("install-mode", detail, (self._place(install.fact),), _REMEDY)
            edited[install.fact.index] = made.instruction
            removals = [*made.removal, *removals]
        facts = self.layers.stages[self.stage].facts
        group = group_of(facts, [one.fact for one in self.installs], users)
        if isinstance(group, Apart):
            return Refused("install-mode", group.detail, (self._place(group.fact),), _REMEDY)
        joined = one_run(group, edited, style)
        made_run = (
            with_removals(joined, tuple(dict.fromkeys(removals)), style) if joined is not None else None
        )
        if made_run is None:
            detail = f"a command can't be put behind those of line {users[-1].line}"
            return Refused("install-mode", detail, (self._place(users[-1]),), _REMEDY)
        return _with_group(self.view, self.stage, group, made_run, changes)


_REMEDY = "install, use and remove the build packages in one RUN"

TRANSFORM = Transform(
    "purge-build-packages",
    "Remove build packages in the layer that installs and uses them, where a split can't.",
    Phase.JOIN,
    apply,
)
