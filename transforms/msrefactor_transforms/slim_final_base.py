"""Start the final stage from the slim or run-time image of the same release, where nothing in it is built.

Before::

    FROM node:20-bookworm AS build
    WORKDIR /app
    COPY package.json package-lock.json ./
    RUN npm ci --omit=dev
    COPY server.js .

    FROM node:20-bookworm
    WORKDIR /app
    COPY --from=build /app .
    CMD ["node", "server.js"]

After::

    FROM node:20-bookworm AS build
    WORKDIR /app
    COPY package.json package-lock.json ./
    RUN npm ci --omit=dev
    COPY server.js .

    FROM node:20-bookworm-slim
    WORKDIR /app
    COPY --from=build /app .
    CMD ["node", "server.js"]

Refuses with ``opaque-step`` when a step isn't understood, ``install-mode`` when the final stage itself
installs or builds, ``need-not-found`` when the smaller image lacks what is used, and with the obstacles of
``split-stages`` that lie in what the container needs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import replace

from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of, stage_index
from msrefactor.facts import Role, StageFacts, base_image_text, overlaps, stage_facts
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage, describe
from msrefactor.model import Change, Changed, Outcome, Phase, Refused, Risk, Transform, Unchanged, View
from msrefactor.tree import Instruction, Stage
from msrefactor_transforms.splitting import needs as wants_of
from msrefactor_transforms.splitting.accounts import accounts_refusal
from msrefactor_transforms.splitting.bases import with_values
from msrefactor_transforms.splitting.certificates import has_certificates, sets_source
from msrefactor_transforms.splitting.copies import all_stage_facts
from msrefactor_transforms.splitting.flattened import flattened
from msrefactor_transforms.splitting.gains import added_mb, is_small, nothing_to_gain
from msrefactor_transforms.splitting.joining import joined, plans_of
from msrefactor_transforms.splitting.needs import Resolution
from msrefactor_transforms.splitting.packages import install_run
from msrefactor_transforms.splitting.plan import Level, SplitPlan, ecosystems, interpreters
from msrefactor_transforms.splitting.runtime import with_installed

_MAKES = frozenset({Role.BUILD, Role.FETCH, Role.OPAQUE})


def apply(view: View) -> Outcome:
    """Give the final stage a smaller base, or say why not."""
    dockerfile = view.dockerfile
    final_stage = dockerfile.final_stage
    last = len(dockerfile.stages) - 1
    if stage_index(dockerfile, base_image_text(dockerfile, final_stage), last) is not None:
        return Unchanged("the final stage builds on an earlier one")
    keywords = {instruction.keyword for instruction in final_stage.instructions}
    if not keywords & {"CMD", "ENTRYPOINT"} or "ONBUILD" in keywords:
        return Unchanged("no command is started: it is an image for others to build on")
    stages = all_stage_facts(view)
    final = stages[-1]
    if final.base.system in ("unknown", "windows") or _is_small(final.base):
        return Unchanged(f"no smaller image is known to do what {final.base.reference.text} does")
    making = next(((f, e) for f, e in final.effects() if e.role in _MAKES), None)
    if making is not None and last == 0:
        return Unchanged("the only stage builds or installs something: a split would part that from the rest")
    flat_view, flat = flattened(view, stages)
    plan = _plan(flat_view, flat)
    if plan is None or (isinstance(plan, SplitPlan) and (plan.level is Level.SHARED or plan.replacement)):
        return Unchanged(f"no smaller image is known to do what {final.base.reference.text} does")
    if isinstance(plan, Refused):
        return plan
    if making is not None:
        fact, effect = making
        detail = (
            f"`{effect.tool}` runs in the final stage, and may need what only {final.base.reference.text} has"
        )
        remedy = "install and build in an earlier stage, and copy the result"
        return Refused("install-mode", detail, (evidence_of(fact.instruction, view.name),), remedy)
    opaque = next(((f, e) for f, e in flat.effects() if e.role is Role.OPAQUE), None)
    if opaque is not None:
        fact, effect = opaque
        place = (evidence_of(fact.instruction, view.name),)
        return effect.refusal or Refused("opaque-step", effect.why, place)
    stranger = _downloaded(view, final, flat)
    if stranger is not None:
        return stranger
    return _rebased(view, flat_view, final, flat, plan)


_SMALL = frozenset({"slim", "jre", "runtime", "aspnet", "runtime-deps", "distroless", "headless", "alpine"})
"""Kinds of images that only run things."""


def _is_small(base: BaseImage) -> bool:
    """Whether an image only runs things; those of a whole JDK don't, whatever they are built on."""
    has_jdk = "javac" in base.commands and "jre" not in (base.reference.tag or "").split("-")
    return base.variant in _SMALL and not has_jdk


def _downloaded(view: View, final: StageFacts, flat: StageFacts) -> Refused | None:
    """Return the obstacle that the image has something downloaded: no source here tells what it needs."""
    kept = tuple(_available(final))
    for fact, effect in flat.effects():
        if effect.role is Role.FETCH and any(overlaps(path, one) for path in effect.writes for one in kept):
            detail = (
                f"what is downloaded to {effect.writes[0]} may need what only {final.base.reference.text} has"
            )
            return Refused("need-not-found", detail, (evidence_of(fact.instruction, view.name),))
    return None


def _plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return what the languages say of the base; the one whose image it is comes first."""
    for ecosystem in ecosystems():
        found = ecosystem.runs_on(view, facts)
        if found is not None:
            return found
    plans = plans_of(view, facts)
    plan = joined(view, facts, plans) if plans else None
    # what a split would do isn't what is done here
    return replace(plan, reason="") if isinstance(plan, SplitPlan) else plan


def _rebased(view: View, flat_view: View, final: StageFacts, flat: StageFacts, plan: SplitPlan) -> Outcome:
    base = final.base
    runtime = describe(with_values(view, plan.runtime_image))
    if plan.runtime_prelude and plan.level is not Level.SLIM:
        detail = f"{runtime.reference.text} has to be prepared for what runs"
        return Refused("base-unknown", detail, plan.evidence, "start from it in the final stage")
    wants = wants_of.wanted(flat_view, flat, plan.code)
    refusal = wants_of.start_refusal(flat_view, flat, wants) or _unable(view, final, runtime)
    if refusal is not None:
        return refusal
    kept = tuple(_installed(final))
    resolution = wants_of.resolved(flat, plan, runtime, wants, (), kept, tuple(_available(final)))
    refusal = resolution.refusal or accounts_refusal(view, final, final, runtime, kept)
    if refusal is not None:
        return refusal
    saved = plan.saved_mb - added_mb(resolution.packages, runtime)
    if is_small(saved, final):
        return nothing_to_gain(saved)
    stages = list(view.dockerfile.stages)
    if plan.builder_image is not None:
        # the release is written out, for the other base has to be of the same
        families = {stage.image: describe(base_image_text(view.dockerfile, stage)).family for stage in stages}
        if any(image != final.stage.image for image, family in families.items() if family == base.family):
            detail = f"which release {base.reference.text} is built on changes with time"
            return Refused("unknown-release", detail, resolution.evidence)
        stages = [
            stage.with_image(plan.builder_image) if stage.image == final.stage.image else stage
            for stage in stages
        ]
    stages[-1] = _with_base(view, final, plan, runtime, resolution)
    result = view.dockerfile.with_stages(tuple(stages))
    new = stage_facts(result, stages[-1], view.context, interpreters())
    refusal = accounts_refusal(view, final, new, runtime, kept)
    if refusal is not None:
        return refusal
    assumptions = (*plan.assumptions, *resolution.assumptions)
    why = f"; {plan.reason}" if plan.reason else ""
    change = Change(
        f"start the final stage from {plan.runtime_image}, which has what runs{why}",
        Risk.REVIEW if assumptions else Risk.SAFE,
        final.facts[0].line,
        (evidence_of(final.facts[0].instruction, view.name), *plan.evidence, *resolution.evidence),
        assumptions,
        round(saved, 1),
    )
    added = [
        Change(f"install {package.name} in the final stage: {package.why}", evidence=(package.evidence,))
        for package in resolution.packages
    ]
    return Changed(result, (change, *added), needs=resolution.needs)


def _unable(view: View, final: StageFacts, runtime: BaseImage) -> Refused | None:
    """Return the command of the final stage that the smaller base can't run."""
    lost = knowledge.lost_commands(final.base, runtime)
    for fact, effect in final.effects():
        place = (evidence_of(fact.instruction, view.name),)
        if sets_source(fact, fact.instruction) and not has_certificates(runtime):
            detail = f"apt reads a package source by https, and {runtime.reference.text} has no certificates"
            return Refused("need-not-found", detail, place, "install ca-certificates before it")
        tool = posixpath.basename(effect.tool)
        if runtime.system != final.base.system:
            detail = f"`{tool}` runs in the final stage, and {runtime.reference.text} is another system"
            return Refused("need-not-found", detail, place)
        if tool in lost:
            detail = f"`{tool}` runs in the final stage, and {runtime.reference.text} doesn't have it"
            return Refused("need-not-found", detail, place, f"install {lost[tool] or tool} before it")
        is_install = isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
        if is_install and runtime.releases != final.base.releases:
            detail = f"whether {runtime.reference.text} is of the same release isn't known"
            return Refused("unknown-release", detail, place)
    return None


def _installed(final: StageFacts) -> Iterable[str]:
    for _, effect in final.effects():
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install":
            yield from (name for name in effect.detail.names if name)


def _available(final: StageFacts) -> Iterable[str]:
    """Yield the paths that the final stage has beside those of its base."""
    for fact in final.facts:
        yield from (placed.destination for placed in fact.placed)
        if fact.destination is not None:
            yield fact.destination
        for effect in fact.effects:
            yield from effect.writes


def _with_base(
    view: View, final: StageFacts, plan: SplitPlan, runtime: BaseImage, resolution: Resolution
) -> Stage:
    """Return the final stage on the other base, with the packages that it needs there."""
    stage = final.stage.with_image(plan.runtime_image)
    names = [package.name for package in resolution.packages]
    if not names:
        return stage
    newline = view.dockerfile.newline
    lower = stage.instructions[0].keyword_text.islower()
    text = install_run(runtime, names, lower=lower).replace("\n", newline)
    made = Instruction.new(text, view.dockerfile.escape)
    return Stage(tuple(with_installed(list(stage.instructions), names, made, newline)))


TRANSFORM = Transform(
    "slim-final-base",
    "Start the final stage from the slim or run-time image where nothing in it is built.",
    Phase.SHRINK,
    apply,
)
