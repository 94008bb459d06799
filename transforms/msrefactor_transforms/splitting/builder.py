"""The builder stage: the author's own text up to the last build step, less what only the final one means."""

from __future__ import annotations

import posixpath

from msrefactor.facts import Effect, Fact, Placed, Role, Scope, is_under, overlaps
from msrefactor.tree import Instruction
from msrefactor_transforms.splitting.artifacts import Cut
from msrefactor_transforms.splitting.narrowing import is_configuration, narrowed
from msrefactor_transforms.splitting.question import Question, has_blank_line
from msrefactor_transforms.splitting.references import reached
from msrefactor_transforms.splitting.roles import Roles

CONFIGURATION = frozenset({"ENV", "ARG", "WORKDIR", "USER", "SHELL"})
"""What holds for later instructions and so stands in both stages."""


def builder_stage(question: Question, roles: Roles, cut: Cut) -> tuple[Instruction, ...]:
    """Return the builder's instructions."""
    facts, plan = question.facts.facts, question.plan
    kept: dict[int, Instruction] = {}
    for fact in reversed(facts[1 : cut.last + 1]):
        if fact.index in plan.obsolete:
            continue
        instruction = _kept(question, roles, fact, kept)
        if instruction is not None:
            kept[fact.index] = instruction
    _narrow(question, cut, kept)
    prelude_at = plan.prelude_before
    if prelude_at is not None:
        # before the copies that only this build step reads, so that they stay together
        while prelude_at - 1 in kept and facts[prelude_at - 1].keyword in ("COPY", "ADD"):
            prelude_at -= 1
    stage = (
        question.facts.stage.with_image(plan.builder_image) if plan.builder_image else question.facts.stage
    )
    built = [stage.with_name(question.builder).instructions[0]]
    for index in range(1, cut.last + 1):
        if index == prelude_at:
            prelude = [question.instruction(text) for text in plan.build_prelude]
            if index in kept and has_blank_line(kept[index]):
                prelude[0] = prelude[0].with_leading(question.newline)
            built.extend(prelude)
        if index in kept:
            edits = [*plan.edits.get(index, ()), *_renumbered(roles, facts[index])]
            built.append(kept[index].replaced(edits) if edits else kept[index])
    built.extend(question.instruction(text) for text in plan.build_epilogue)
    removed = [path for path in plan.removed if any(_is_inside(path, a.path) for a in cut.artifacts)]
    if removed:
        cwd = facts[cut.last + 1].scope.cwd if cut.last + 1 < len(facts) else question.facts.end.cwd
        names = [posixpath.relpath(path, cwd) if _is_inside(path, cwd) else path for path in removed]
        built.append(question.instruction(f"RUN rm -rf {' '.join(names)}\n"))
    return tuple(built)


def _renumbered(roles: Roles, fact: Fact) -> list[tuple[int, int, str]]:
    """Return the changes that give an account the same number here as in the final stage."""
    if fact.index not in roles.renumbered or fact.offset is None:
        return []
    return [(*fact.offset(start, end), text) for start, end, text in roles.changes[fact.index]]


def _kept(question: Question, roles: Roles, fact: Fact, later: dict[int, Instruction]) -> Instruction | None:
    if fact.keyword in CONFIGURATION:
        return fact.instruction
    if fact.keyword in ("COPY", "ADD"):
        return fact.instruction
    if fact.keyword != "RUN":
        return None
    strongest = max((roles.role(fact, n) for n in range(len(fact.items))), default=Role.NOTHING)
    if strongest in (Role.NOTHING, Role.NAVIGATE, Role.CLEAN):
        return fact.instruction if strongest is Role.CLEAN and later else None
    if strongest is not Role.SETUP:
        return fact.instruction
    is_needed = bool(question.plan.epilogue_reads) or _needs_setup(question, fact, later)
    return fact.instruction if is_needed else None


_PROGRAMS = frozenset({"/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/sbin"})
"""Where a link gives a tool the name by which later steps may call it."""


def _needs_setup(question: Question, fact: Fact, later: dict[int, Instruction]) -> bool:
    writes = [p for e in fact.effects for p in (*e.writes, *e.removes) if not p.startswith("/etc/")]
    system = any(
        (p.startswith("/etc/") and p not in ("/etc/passwd", "/etc/group"))
        or posixpath.dirname(p) in _PROGRAMS
        for e in fact.effects
        for p in e.writes
    )
    users = {user for effect in fact.effects for user in effect.users}
    for index in later:
        other = question.facts.facts[index]
        if other.keyword == "RUN":
            if system:
                return True
            for effect in other.effects:
                paths = (*effect.reads, *effect.writes)
                if any(overlaps(path, written) for path in paths for written in writes):
                    return True
                if users & set(effect.mentions_users):
                    return True
        elif (other.keyword == "USER" and users & set(other.instruction.arguments.split(":"))) or users & set(
            (other.instruction.flag("chown") or "").split(":")
        ):
            return True
    return False


def _narrow(question: Question, cut: Cut, kept: dict[int, Instruction]) -> None:
    """Take out the copies that no build step reads, and of the others all but the files that are read."""
    needed: dict[int, set[str] | None] = {}
    for index in sorted(kept):
        fact = question.facts.facts[index]
        if fact.keyword != "RUN":
            continue
        for effect in fact.effects:
            if effect.role is not Role.NAVIGATE:
                _mark_reads(question, effect, fact, needed, kept)
    for index in sorted(kept):
        for effect in question.facts.facts[index].effects:
            if effect.role is Role.NAVIGATE:
                _mark_folders(question, effect, index, needed, kept)
    further: frozenset[int] | None = None
    for index in sorted(kept):
        fact = question.facts.facts[index]
        if fact.keyword not in ("COPY", "ADD"):
            continue
        if fact.from_stage is not None or not fact.placed or fact.instruction.heredocs:
            continue
        if any(
            is_under(p.destination, a.path) and index <= a.after for p in fact.placed for a in cut.artifacts
        ):
            continue  # it is part of a folder that is copied as the builder leaves it
        if any(overlaps(p.destination, read) for p in fact.placed for read in question.plan.epilogue_reads):
            continue
        if index not in needed:
            further = reached(question, kept) if further is None else further
            if index not in further:
                del kept[index]
            continue
        files = needed[index]
        if files is None:
            continue
        narrowed = _narrowed(question, fact, files)
        if narrowed is not None:
            kept[index] = narrowed


def _mark_reads(
    question: Question,
    effect: Effect,
    fact: Fact,
    needed: dict[int, set[str] | None],
    kept: dict[int, Instruction],
) -> None:
    copies = [
        question.facts.facts[i]
        for i in sorted(kept, reverse=True)
        if i < fact.index and question.facts.facts[i].keyword in ("COPY", "ADD")
    ]
    if effect.role in (Role.BUILD, Role.GATE, Role.OPAQUE) and not effect.reads_only:
        for copy in copies:
            needed[copy.index] = None
        return
    if effect.role in (Role.BUILD, Role.GATE, Role.FETCH):
        for copy in copies:
            if any(is_configuration(placed.destination) for placed in copy.placed):
                needed[copy.index] = None
    for path in effect.reads:
        source = fact.scope.origin(path)
        if source is not None and fact.scope.context.is_file(source):
            for copy in copies:
                if any(_brings(placed, path, fact.scope) for placed in copy.placed):
                    if copy.index not in needed:
                        needed[copy.index] = set()
                    files = needed[copy.index]
                    if files is not None:
                        files.add(path)
                    break
            continue
        for copy in copies:
            if copy.destination and overlaps(copy.destination, path):
                needed[copy.index] = None


def _mark_folders(
    question: Question,
    effect: Effect,
    index: int,
    needed: dict[int, set[str] | None],
    kept: dict[int, Instruction],
) -> None:
    """Keep a copy whole when a command changes into a folder of it that no file needed there makes."""
    for path in effect.reads:
        for other in (i for i in sorted(kept, reverse=True) if i < index):
            fact = question.facts.facts[other]
            if any(_holds(placed, path) and path != placed.destination for placed in fact.placed):
                files = needed.get(other, set())
                if files is not None and not any(is_under(file, path) for file in files):
                    needed[other] = None
                break


def _narrowed(question: Question, fact: Fact, files: set[str]) -> Instruction | None:
    """Return the COPY with only these files, or None when it has no others or can't be written so."""
    if len(fact.placed) != 1 or not fact.placed[0].is_folder:
        return None
    made = narrowed(fact, sorted(files))
    if made is None or len(made) != 1:
        return None
    return made[0].with_leading(question.newline if has_blank_line(fact.instruction) else "")


def _is_inside(path: str, folder: str) -> bool:
    return folder not in (path, "/") and is_under(path, folder)


def _brings(placed: Placed, path: str, scope: Scope) -> bool:
    """Whether a copy has this file: of several that go into one folder, only some do."""
    if not _holds(placed, path) or not placed.is_folder:
        return path == placed.destination
    inside = posixpath.relpath(path, placed.destination)
    return scope.context.is_file(posixpath.normpath(posixpath.join(placed.source, inside)))


def _holds(placed: Placed, path: str) -> bool:
    return path == placed.destination or (placed.is_folder and is_under(path, placed.destination))
