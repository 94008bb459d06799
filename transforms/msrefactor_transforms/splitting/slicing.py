"""Which instruction, and which command of a RUN, goes to which stage.

In this order: what each command is for (`roles`), what goes over (`artifacts`), the builder (`builder`) and
the final stage (`runtime`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from msrefactor.facts import Fact, Role, StageFacts
from msrefactor.installers import PackageSource
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage
from msrefactor.model import Refused, Removal, View
from msrefactor.tree import Instruction
from msrefactor_transforms.splitting.artifacts import cut_of
from msrefactor_transforms.splitting.builder import builder_stage
from msrefactor_transforms.splitting.certificates import with_certificates
from msrefactor_transforms.splitting.packages import Fate, bare_name, removed_at_once
from msrefactor_transforms.splitting.plan import Artifact, RuntimePackage, SplitPlan
from msrefactor_transforms.splitting.question import Obstacle, Question, is_install
from msrefactor_transforms.splitting.replacing import replaced_stage
from msrefactor_transforms.splitting.roles import Roles, roles_of
from msrefactor_transforms.splitting.runtime import runtime_stage


@dataclass(frozen=True, slots=True)
class Slices:
    """The two stages, and what the change is accountable for."""

    builder: tuple[Instruction, ...]
    runtime: tuple[Instruction, ...]
    artifacts: tuple[Artifact, ...]
    fates: tuple[Fate, ...]
    """What became of the author's packages."""
    added: tuple[RuntimePackage, ...]
    removals: tuple[Removal, ...]
    available: tuple[str, ...]
    """Paths that the final stage has beside those of its base."""
    runtime_packages: tuple[str, ...]
    """Packages that the final stage installs."""


def split(
    view: View, facts: StageFacts, plan: SplitPlan, runtime: BaseImage, packages: Sequence[RuntimePackage]
) -> Slices | Refused:
    """Return the two stages for a plan; `packages` are those that the needs of the container ask for."""
    lacking = (one for one in packages if not knowledge.surely_holds(runtime, one.name))
    question = Question(view, facts, plan, runtime, tuple(lacking))
    try:
        return _slices(question)
    except Obstacle as obstacle:
        return obstacle.refused


def _slices(question: Question) -> Slices:
    is_replaced = question.plan.replacement is not None
    roles = Roles(question.plan.built, frozenset()) if is_replaced else roles_of(question)
    question = replace(question, wanted=(*question.wanted, *roles.packages))
    cut = cut_of(question, roles)
    if not is_replaced:
        _check_sources(question)
    final = replaced_stage(question, cut) if is_replaced else runtime_stage(question, roles, cut)
    final = with_certificates(question, final)
    builder = builder_stage(question, roles, cut)
    kept = {instruction.line for instruction in (*builder, *final.instructions)}
    removals = tuple(
        Removal(fact.line or 0, _reason(question, fact))
        for fact in question.facts.facts[1:]
        if fact.line not in kept
    )
    at_once = removed_at_once(question.facts.facts)
    return Slices(
        builder,
        final.instructions,
        cut.artifacts,
        tuple(replace(one, is_removed_at_once=bare_name(one.name) in at_once) for one in final.fates),
        final.added,
        removals,
        (*(artifact.path for artifact in cut.artifacts), *_replayed_paths(question, final.instructions)),
        final.packages,
    )


def _reason(question: Question, fact: Fact) -> str:
    """Return why an instruction is in neither stage."""
    replacement = question.plan.replacement
    if replacement is not None and fact.keyword in ("CMD", "ENTRYPOINT"):
        return f"{replacement.command[0]} is started instead"
    if replacement is not None and replacement.user is not None and fact.keyword == "USER":
        return f"the final stage has USER {replacement.user}"
    if replacement is not None and fact.index in question.plan.obsolete:
        return f"only {replacement.tool} needed it, or nobody"
    return "nothing in either stage needs it"


def _check_sources(question: Question) -> None:
    """Raise where the final stage installs a package from a source that a script adds to the builder only."""
    sources = [
        effect.detail
        for _, effect in question.facts.effects()
        if isinstance(effect.detail, PackageSource) and effect.role is Role.BUILD
    ]
    gone = question.removed | question.plan.build_packages
    for fact in question.facts.runs() if sources else ():
        for name in (name for effect in fact.effects if is_install(effect) for name in effect.detail.names):
            source = next((source for source in sources if source.has(name)), None)
            if source is not None and name not in gone:
                raise question.obstacle(
                    "need-not-found",
                    f"{name} may be needed at run time, and a script of {source.url} adds its package source",
                    fact,
                    f"copy {name} from an image that has it, or install the distribution's own",
                )


def _replayed_paths(question: Question, instructions: Sequence[Instruction]) -> list[str]:
    """Return the paths that the replayed instructions make."""
    lines = {instruction.line for instruction in instructions}
    found: list[str] = []
    for fact in question.facts.facts:
        if fact.line in lines:
            found.extend(placed.destination for placed in fact.placed)
            if fact.destination and not fact.placed:
                found.append(fact.destination)
            found.extend(path for effect in fact.effects for path in effect.writes)
    return found
