"""The final stage where another server takes the place of the author's command.

Nothing of what the author's command needed is there: only the files it handed out, the new server's
configuration (the plan's prelude), and what configures the image.
"""

from __future__ import annotations

from msrefactor import variables
from msrefactor.tree import Instruction
from msrefactor_transforms.splitting.artifacts import Cut
from msrefactor_transforms.splitting.question import Question, has_blank_line
from msrefactor_transforms.splitting.runtime import FINAL_ONLY, RuntimeStage, first_line, without_comments

_STARTS = frozenset({"CMD", "ENTRYPOINT"})


def replaced_stage(question: Question, cut: Cut) -> RuntimeStage:
    """Return the final stage: the author's configuration of the image in its order, and the new server."""
    replacement = question.plan.replacement
    if replacement is None:
        raise ValueError("the plan replaces nothing")
    facts = question.facts.facts
    kept: dict[int, Instruction] = {}
    for fact in facts[1:]:
        if fact.keyword in FINAL_ONLY - _STARTS:
            kept[fact.index] = fact.instruction
    for fact in reversed(facts[1:]):
        if fact.keyword != "WORKDIR" or question.facts.end.cwd == question.runtime.workdir:
            continue
        is_in_builder = fact.index <= cut.last
        kept[fact.index] = without_comments(fact.instruction) if is_in_builder else fact.instruction
        if fact.instruction.arguments.startswith("/"):
            break
    _keep_variables(question, cut, kept)
    made = [first_line(question)]
    rest = sorted(kept)
    last = max(artifact.after for artifact in cut.artifacts)
    made.extend(kept[index] for index in rest if index <= last)
    copies = [f"COPY --from={question.builder} {one.path} {one.path}\n" for one in cut.artifacts]
    set_already = {name for one in kept.values() if one.keyword == "ENV" for name, _ in one.pairs}
    prelude = [question.instruction(text) for text in question.plan.runtime_prelude]
    added = [one for one in prelude if one.keyword != "ENV" or not {n for n, _ in one.pairs} <= set_already]
    added.extend(question.instruction(text) for text in copies)
    if has_blank_line(facts[1].instruction) and len(made) > 1:
        made[1] = without_comments(made[1]).with_leading(question.newline)
    elif has_blank_line(facts[1].instruction):
        added[0] = added[0].with_leading(question.newline)
    made.extend(added)
    made.extend(kept[index] for index in rest if index > last)
    opening = next(fact.instruction for fact in reversed(facts) if fact.keyword in _STARTS).leading
    if replacement.user is not None:
        blank = question.newline if any(not line.strip() for line in opening.splitlines()) else ""
        made.append(question.instruction(f"USER {replacement.user}\n").with_leading(blank))
        opening = "".join(line for line in opening.splitlines(keepends=True) if line.strip())
    words = ", ".join(f'"{word}"' for word in replacement.command)
    made.append(question.instruction(f"CMD [{words}]\n").with_leading(opening))
    return RuntimeStage(tuple(made), (), (), ())


def _keep_variables(question: Question, cut: Cut, kept: dict[int, Instruction]) -> None:
    """Keep what sets the variables that the kept instructions use."""
    used: set[str] = set()
    for instruction in kept.values():
        used |= variables.references(instruction.text, instruction.escape)
    for fact in reversed(question.facts.facts[1:]):
        if fact.keyword not in ("ENV", "ARG") or not used & {name for name, _ in fact.instruction.pairs}:
            continue
        used |= variables.references(fact.instruction.text, fact.instruction.escape)
        is_in_builder = fact.index <= cut.last
        kept[fact.index] = without_comments(fact.instruction) if is_in_builder else fact.instruction
