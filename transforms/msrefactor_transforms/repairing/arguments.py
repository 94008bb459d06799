"""A build argument of the file's head that a stage uses without declaring it: there it is empty."""

from __future__ import annotations

from collections.abc import Mapping

from msrefactor import variables
from msrefactor.contract import evidence_of, stage_index
from msrefactor.facts import Fact, StageFacts, base_image_text, global_arguments
from msrefactor.model import Change, Changed, View
from msrefactor.tree import Dockerfile, Instruction, Stage

_CONFIGURATION = ("ENV", "LABEL", "EXPOSE", "USER", "WORKDIR", "VOLUME", "STOPSIGNAL", "ARG")
_PLAIN_SYSTEMS = ("debian", "ubuntu", "alpine", "scratch")
_OF_IMAGES = ("_VERSION", "_RELEASE", "_SHA256", "_URL", "_KEY", "_KEYS", "_DEPS", "_DIR", "_HOME", "_PATH")
_MAY_SET_ANYTHING = frozenset({".", "source", "eval"})


def with_arguments(view: View, stages: tuple[StageFacts, ...]) -> Changed | None:
    """Declare in each stage the arguments that its RUN, COPY and ADD use and that are empty there."""
    dockerfile = view.dockerfile
    defaults = {name: value for name, value in global_arguments(dockerfile).items() if value}
    known_of: list[frozenset[str]] = []
    new: list[Stage] = []
    changes: list[Change] = []
    for index, facts in enumerate(stages):
        parent = stage_index(dockerfile, base_image_text(dockerfile, facts.stage), index)
        inherited = known_of[parent] if parent is not None else frozenset(facts.base.env)
        known = inherited | _declared(facts)
        known_of.append(known)
        lines: list[Instruction] = []
        for name in defaults:
            use = None if name in known or not _is_base_known(facts) else _use(name, facts, dockerfile)
            if use is None:
                continue
            lines.append(_declaration(name, facts.stage, dockerfile))
            known_of[-1] |= {name}
            reason = f"declare {name} in the stage that uses it: above the first FROM it serves FROM only"
            evidence = (evidence_of(use.instruction, view.name),)
            changes.append(Change(reason, line=use.line, evidence=evidence))
        new.append(Stage((facts.stage.instructions[0], *lines, *facts.stage.instructions[1:])))
    return Changed(dockerfile.with_stages(tuple(new)), tuple(changes)) if changes else None


def _is_base_known(facts: StageFacts) -> bool:
    """Whether the base image, and so what variables it may set, is known."""
    return facts.base.system != "unknown" or facts.base.family == "scratch"


def _may_be_of_the_image(name: str, facts: StageFacts) -> bool:
    """Whether the image itself may set the variable, as the official ones set NODE_VERSION or JAVA_HOME."""
    if facts.base.family in _PLAIN_SYSTEMS or name.startswith("APP_"):
        return False
    return name.endswith(_OF_IMAGES)


def _declared(facts: StageFacts) -> frozenset[str]:
    return frozenset(
        name for fact in facts.facts if fact.keyword in ("ARG", "ENV") for name, _ in fact.instruction.pairs
    )


def _use(name: str, facts: StageFacts, dockerfile: Dockerfile) -> Fact | None:
    """Return the first instruction where the argument is certainly empty today.

    None where the name may mean something else: the image's own variable where FROM uses it (NODE_VERSION),
    the shell's own where a RUN sets it. None too where the configuration of the image would change.
    """
    of_from = variables.references(facts.stage.image, dockerfile.escape)
    if name in of_from or _may_be_of_the_image(name, facts):
        return None
    found: Fact | None = None
    for fact in facts.facts[1:]:
        instruction = fact.instruction
        if name not in instruction.source:
            continue
        if fact.keyword == "RUN":
            if not _is_read_only(name, fact):
                return None
        elif fact.keyword in _CONFIGURATION or fact.keyword not in ("COPY", "ADD"):
            return None
        elif not _is_empty(name, instruction, dockerfile.escape, {}):
            continue
        found = found or fact
    return found


def _is_empty(name: str, instruction: Instruction, escape: str, known: Mapping[str, str]) -> bool:
    return not instruction.heredocs and name in variables.unset_references(instruction.text, known, escape)


def _is_read_only(name: str, fact: Fact) -> bool:
    """Whether the shell only reads the variable, as `$NAME` or `${NAME}`, and nothing there can set it."""
    script, source = fact.script, fact.instruction.source
    if script is None or fact.instruction.heredocs or name not in script.variables:
        return False
    plain = source.count(f"${{{name}}}") + _count_bare(f"${name}", source)
    if plain != source.count(name):
        return False
    return not any(command.name is None or command.name in _MAY_SET_ANYTHING for command in script.commands)


def _count_bare(reference: str, source: str) -> int:
    parts = source.split(reference)
    return sum(1 for rest in parts[1:] if not (rest[:1].isalnum() or rest[:1] == "_"))


def _declaration(name: str, stage: Stage, dockerfile: Dockerfile) -> Instruction:
    keyword = "arg" if stage.instructions[0].keyword_text.islower() else "ARG"
    return Instruction.new(f"{keyword} {name}{dockerfile.newline}", dockerfile.escape)
