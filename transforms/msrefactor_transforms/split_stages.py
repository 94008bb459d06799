"""Split a single-stage Dockerfile into a builder and a final stage that holds what the container needs.

Before::

    FROM python:3.12
    WORKDIR /app
    COPY . .
    RUN pip install -r requirements.txt
    CMD ["python", "app.py"]

After::

    FROM python:3.12 AS build
    WORKDIR /app
    RUN python -m venv /opt/venv
    ENV PATH="/opt/venv/bin:$PATH"
    COPY requirements.txt .
    RUN pip install -r requirements.txt

    FROM python:3.12-slim
    WORKDIR /app
    ENV PATH="/opt/venv/bin:$PATH"
    COPY --from=build /opt/venv /opt/venv
    COPY . .
    CMD ["python", "app.py"]

Refuses with the obstacle's name: ``onbuild``, ``windows``, ``base-unknown``, ``context-unknown``,
``opaque-step``, ``unknown-artifact``, ``unknown-release``, ``runtime-library``, ``install-mode``,
``ambiguous-ecosystem``, ``compiles-at-start``, ``development-image``, ``build-variable``, ``need-not-found``;
``unproved`` when only an assumption is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of
from msrefactor.facts import Role, StageFacts, stage_facts
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage, describe
from msrefactor.model import (
    COPIED_FROM_BUILDER,
    Change,
    Changed,
    Evidence,
    Need,
    NeedKind,
    Outcome,
    Phase,
    Refused,
    Risk,
    Transform,
    Unchanged,
    View,
)
from msrefactor.tree import Stage
from msrefactor_transforms.splitting import needs as wants_of
from msrefactor_transforms.splitting.accounts import accounts_refusal
from msrefactor_transforms.splitting.bases import with_values
from msrefactor_transforms.splitting.gains import (
    added_mb,
    dropped_mb,
    is_small,
    nothing_to_gain,
    weighed_by,
)
from msrefactor_transforms.splitting.joining import joined, plans_of
from msrefactor_transforms.splitting.packages import bare_name, fate, removed_at_once, removed_packages
from msrefactor_transforms.splitting.plan import Level, SplitPlan, interpreters
from msrefactor_transforms.splitting.slicing import Slices, split

_BY_THE_CONTEXT = frozenset(["context-unknown", "need-not-found", "runtime-library", "unknown-artifact"])
"""Obstacles that the files of the context may lift."""


def apply(view: View) -> Outcome:
    """Split the only stage, or say why not."""
    if len(view.dockerfile.stages) > 1:
        return Unchanged("it has several stages already")
    outcome = _outcome(view)
    lacking = view.context.lacking
    if not isinstance(outcome, Refused) or outcome.code not in _BY_THE_CONTEXT or not lacking:
        return outcome
    copies = [
        one for one in view.dockerfile.final_stage.instructions if one.keyword in ("COPY", "ADD", "RUN")
    ]
    place = next((one for one in copies if lacking in one.arguments), None)
    return Refused(
        "context-unknown",
        f"{lacking} is copied, and neither the Dockerfile's folder nor one above has it",
        outcome.evidence if place is None else (evidence_of(place, view.name),),
        "put it there, as for the build, or name the build context with --context",
    )


def _outcome(view: View) -> Outcome:
    stage = view.dockerfile.final_stage
    facts = stage_facts(view.dockerfile, stage, view.context, interpreters())
    unfit = _unfit(view, facts)
    if unfit is not None:
        return unfit
    plans = plans_of(view, facts)
    if not plans and _holds_build_tools(facts):
        opaque = _opaque(view, facts)
        if opaque is not None:
            return opaque
    if not plans:
        return Unchanged("nothing is built that the final image could do without")
    chosen = joined(view, facts, plans)
    if isinstance(chosen, Refused):
        return chosen
    most = chosen.saved_mb + _installed_mb(facts, chosen.build_packages)
    if chosen.level is Level.SHARED and is_small(most, facts):
        return nothing_to_gain(most)
    opaque = _opaque(view, facts)
    if opaque is not None:
        return opaque
    return _split(view, facts, chosen)


def _split(view: View, facts: StageFacts, plan: SplitPlan) -> Outcome:
    wants = wants_of.wanted(view, facts, plan.code)
    refusal = wants_of.start_refusal(view, facts, wants)
    if refusal is not None:
        return refusal
    runtime = describe(with_values(view, plan.runtime_image))
    if plan.replacement is not None:
        return _replaced(view, facts, plan, runtime)
    first = split(view, facts, plan, runtime, plan.packages)
    if isinstance(first, Refused):
        return first
    left_out = [fate.name for fate in first.fates if not fate.is_kept]
    resolution = wants_of.resolved(
        facts, plan, runtime, wants, left_out, first.runtime_packages, first.available
    )
    if resolution.refusal is not None:
        return resolution.refusal
    slices = split(view, facts, plan, runtime, resolution.packages)
    if isinstance(slices, Refused):
        return slices
    saved = plan.saved_mb + dropped_mb(slices.fates, runtime) - added_mb(slices.added, runtime)
    if is_small(saved, facts):
        return nothing_to_gain(saved)
    stages = (Stage(slices.builder), Stage(slices.runtime))
    result = view.dockerfile.with_stages(stages)
    final = stage_facts(result, stages[1], view.context, interpreters())
    refusal = accounts_refusal(view, facts, final, runtime, slices.runtime_packages)
    if refusal is not None:
        return refusal
    guesses = dict.fromkeys(effect.assumption for _, effect in facts.effects() if effect.assumption)
    unproved = (guess for guess in guesses if guess not in plan.proved)
    assumptions = (*plan.assumptions, *resolution.assumptions, *unproved)
    change = Change(
        plan.reason or f"build in a stage of its own; the final stage starts from {plan.runtime_image}",
        Risk.REVIEW if assumptions else Risk.SAFE,
        facts.facts[0].line,
        (*plan.evidence, *resolution.evidence),
        assumptions,
        round(saved, 1),
    )
    changes = [change, *_artifact_changes(view, facts, slices), *_package_changes(view, slices)]
    needs = (*resolution.needs, *_artifact_needs(view, facts, slices), *_user_needs(view, final))
    return Changed(result, tuple(changes), slices.removals, tuple(dict.fromkeys(needs)))


def _artifact_needs(view: View, facts: StageFacts, slices: Slices) -> Iterator[Need]:
    """Yield what the builder makes and the container runs on."""
    for artifact in slices.artifacts:
        evidence = evidence_of(facts.facts[artifact.after].instruction, view.name)
        yield Need(NeedKind.PATH, artifact.path, evidence, COPIED_FROM_BUILDER)


def _user_needs(view: View, final: StageFacts) -> Iterator[Need]:
    """Yield the accounts that the container runs as, where an instruction of the final stage makes them."""
    made = {user: fact for fact, effect in final.effects() for user in effect.users}
    for fact in final.facts:
        name = fact.instruction.arguments.partition(":")[0] if fact.keyword == "USER" else ""
        if name in made:
            place = made[name].line
            where = "made in the final stage" if place is None else f"made as in line {place}"
            yield Need(NeedKind.USER, name, evidence_of(fact.instruction, view.name), where)


def _replaced(view: View, facts: StageFacts, plan: SplitPlan, runtime: BaseImage) -> Outcome:
    """Return the stages where another server is started; the plan proved its needs."""
    slices = split(view, facts, plan, runtime, ())
    if isinstance(slices, Refused):
        return slices
    if is_small(plan.saved_mb, facts):
        return nothing_to_gain(plan.saved_mb)
    change = Change(
        plan.reason,
        Risk.REVIEW if plan.assumptions else Risk.SAFE,
        facts.facts[0].line,
        plan.evidence,
        plan.assumptions,
        round(plan.saved_mb, 1),
    )
    changes = (change, *_artifact_changes(view, facts, slices))
    result = view.dockerfile.with_stages((Stage(slices.builder), Stage(slices.runtime)))
    return Changed(result, changes, slices.removals, replacement=plan.replacement)


def _artifact_changes(view: View, facts: StageFacts, slices: Slices) -> list[Change]:
    made = []
    for artifact in slices.artifacts:
        fact = facts.facts[artifact.after]
        made.append(
            Change(
                f"copy {artifact.path} from the builder: {artifact.why}" if artifact.why else
                f"copy {artifact.path} from the builder",
                line=fact.line,
                evidence=(evidence_of(fact.instruction, view.name),),
            )
        )  # fmt: skip
    return made


def _package_changes(view: View, slices: Slices) -> list[Change]:
    made = [
        Change(f"install {' '.join(fate.runtime)} instead of {fate.name} in the final stage")
        if fate.runtime
        else Change(f"leave {fate.name} to the builder: {fate.why}")
        for fate in slices.fates
        if not fate.is_kept
    ]
    made.extend(
        Change(f"install {package.name} in the final stage: {package.why}", evidence=(package.evidence,))
        for package in slices.added
    )
    return made


def _unfit(view: View, facts: StageFacts) -> Outcome | None:
    """Return why the stage isn't one to split at all."""
    stage = facts.stage
    for instruction in stage.instructions:
        if instruction.keyword == "ONBUILD":
            evidence = evidence_of(instruction, view.name)
            return Refused("onbuild", "the image runs steps in the builds of others", (evidence,))
    if facts.base.system == "windows":
        return Refused("windows", f"{facts.base.reference.text} is a Windows image", (_from(view, stage),))
    keywords = {instruction.keyword for instruction in stage.instructions}
    if not keywords & {"CMD", "ENTRYPOINT"} and not facts.base.exposed:
        # a base that listens, such as php:8-apache, is started as it is
        return Unchanged("no command is started: it is an image for others to build on")
    if "RUN" not in keywords:
        return Unchanged("nothing is built")
    return None


def _holds_build_tools(facts: StageFacts) -> bool:
    """Whether the image has compilers, by its base or by what is installed."""
    if facts.base.variant == "full" and facts.base.family not in ("debian", "ubuntu", "unknown"):
        return True
    return any(
        name is not None and knowledge.is_build_only(name, facts.base.system)
        for _, effect in facts.effects()
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
        for name in effect.detail.names
    )


def _opaque(view: View, facts: StageFacts) -> Refused | None:
    for fact, effect in facts.effects():
        if effect.role is Role.OPAQUE:
            evidence = evidence_of(fact.instruction, view.name)
            return effect.refusal or Refused("opaque-step", effect.why, (evidence,))
    return None


def _from(view: View, stage: Stage) -> Evidence:
    return evidence_of(stage.instructions[0], view.name)


def _installed_mb(facts: StageFacts, build_packages: frozenset[str]) -> float:
    """Return what all packages weigh that only builds may need: the most that leaving them out can save."""
    release = facts.base.release or (facts.base.releases[-1] if facts.base.releases else "")
    removed = removed_packages(facts.facts)
    at_once = removed_at_once(facts.facts)
    release = weighed_by(facts.base, release)
    total = 0.0
    for _, effect in facts.effects():
        call = effect.detail
        if not isinstance(call, PackageCall):
            continue
        if call.action not in ("install", "update", "clean", "autoremove", "remove") or (
            call.action == "remove" and None in call.names
        ):
            # what it removes or upgrades isn't known
            return math.inf
        for name in call.names if call.action == "install" else ():
            if name is not None and bare_name(name) in at_once:
                continue
            if name is None or not fate(name, facts.base, removed | build_packages).is_kept:
                total += knowledge.installed_size_mb(name or "", release) or 50.0
    return total


TRANSFORM = Transform(
    "split-stages",
    "Split a single-stage file into a builder and a lean final stage.",
    Phase.SPLIT,
    apply,
)
