"""The final stage: the author's instructions in their order, with what was built copied from the builder."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field

from msrefactor import variables
from msrefactor.commands import PackageCall, is_waste
from msrefactor.facts import Fact, ItemFact, Placed, Role, is_under, overlaps, script_of
from msrefactor.shell import Item
from msrefactor.tree import Instruction
from msrefactor_transforms.splitting.artifacts import Cut, is_gone, source_of
from msrefactor_transforms.splitting.builder import CONFIGURATION
from msrefactor_transforms.splitting.dividing import kept_items
from msrefactor_transforms.splitting.made import made_for_the_program
from msrefactor_transforms.splitting.packages import (
    Fate,
    bare_name,
    fate,
    install_run,
    names_of,
    subtracted,
    with_packages,
)
from msrefactor_transforms.splitting.plan import Artifact, RuntimePackage
from msrefactor_transforms.splitting.question import SYSTEM_FOLDERS, Question, has_blank_line, is_install
from msrefactor_transforms.splitting.roles import Roles

FINAL_ONLY = frozenset(
    {"LABEL", "EXPOSE", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "CMD", "ENTRYPOINT", "MAINTAINER"}
)
"""What configures the image, and means nothing in a builder."""


_INDIVISIBLE = "this RUN does several things and can't be divided"


@dataclass(frozen=True, slots=True)
class RuntimeStage:
    """The final stage, and what became of the packages."""

    instructions: tuple[Instruction, ...]
    fates: tuple[Fate, ...]
    """Of the author's packages."""
    added: tuple[RuntimePackage, ...]
    packages: tuple[str, ...]
    """All that it installs."""


@dataclass(slots=True)
class Tally:
    """The packages met so far, while the stage is being made."""

    have: list[str] = field(default_factory=list)
    fates: list[Fate] = field(default_factory=list)


def runtime_stage(question: Question, roles: Roles, cut: Cut) -> RuntimeStage:
    """Return the final stage."""
    facts = question.facts.facts
    _refuse_lost_owner(question, cut)
    tally = Tally()
    replayed: dict[int, Instruction] = {}
    for fact in facts[1:]:
        instruction = _replayed(question, roles, cut, fact, tally)
        if instruction is not None:
            replayed[fact.index] = instruction
    _bring_package_lists(question, replayed)
    _demand_package_lists(question, replayed)
    for index in list(replayed):
        if _is_subsumed(cut, question, facts[index], replayed):
            del replayed[index]
    _drop_source_folders(question, cut, replayed)
    _drop_unused_arguments(cut, replayed)
    names = list(dict.fromkeys(one.name for one in question.wanted if one.name not in tally.have))
    arranged = _with_packages(question, _arranged(question, cut, replayed), names)
    return RuntimeStage(
        tuple(arranged),
        tuple(tally.fates),
        tuple(package for package in question.wanted if package.name in names),
        (*tally.have, *names),
    )


def _drop_source_folders(question: Question, cut: Cut, replayed: dict[int, Instruction]) -> None:
    """Leave out a WORKDIR of the sources when nothing of the final stage happens in it."""
    order = sorted(replayed)
    for position, index in enumerate(order):
        fact = question.facts.facts[index]
        if fact.keyword != "WORKDIR" or index > cut.last:
            continue
        folder = question.facts.facts[index + 1].scope.cwd if index + 1 < len(question.facts.facts) else ""
        is_left = any(is_under(folder, tree) for tree in question.plan.dropped)
        if not is_left and not cut.carries(folder, index):
            continue
        for later in order[position + 1 :]:
            keyword = question.facts.facts[later].keyword
            if keyword == "WORKDIR":
                if question.facts.facts[later].instruction.arguments.startswith("/"):
                    del replayed[index]
                break
            if keyword in ("COPY", "ADD", "RUN"):
                break


def _bring_package_lists(question: Question, replayed: dict[int, Instruction]) -> None:
    """Replay a RUN that only fetches the package lists, when a later install needs them."""
    for fact in question.facts.runs():
        if fact.index in replayed or not fact.items:
            continue
        calls = [e.detail for e in fact.effects if isinstance(e.detail, PackageCall)]
        if len(calls) != len(fact.effects) or any(call.action != "update" for call in calls):
            continue
        for later in question.facts.facts[fact.index + 1 :]:
            if later.index not in replayed or later.keyword != "RUN":
                continue
            actions = [e.detail.action for e in later.effects if isinstance(e.detail, PackageCall)]
            if "update" in actions:
                break
            if "install" in actions:
                replayed[fact.index] = fact.instruction
                break


def _demand_package_lists(question: Question, replayed: dict[int, Instruction]) -> None:
    """Refuse an install without package lists: it works only where the base has the packages already."""
    if question.is_same_base or question.facts.base.system not in ("debian", "ubuntu"):
        return
    has_lists = False
    for fact in question.facts.runs():
        if fact.index not in replayed:
            continue
        for effect in fact.effects:
            call = effect.detail
            if isinstance(call, PackageCall) and call.action == "update":
                has_lists = True
            elif isinstance(call, PackageCall) and call.action == "install" and not has_lists:
                detail = "packages are installed without `apt-get update`, so the base must have them already"
                raise question.obstacle("install-mode", detail, fact)
            elif any(
                is_under("/var/lib/apt/lists", path) or path.startswith("/var/lib/apt/lists")
                for path in effect.removes
            ):
                has_lists = False


def _replayed(question: Question, roles: Roles, cut: Cut, fact: Fact, tally: Tally) -> Instruction | None:
    if fact.keyword in FINAL_ONLY:
        return fact.instruction
    is_before = fact.index <= cut.last
    names = {name for name, _ in fact.instruction.pairs} if fact.keyword == "ENV" else set()
    if names and is_before and names <= question.plan.build_environment:
        return None
    if fact.keyword in CONFIGURATION:
        is_in_builder = fact.index <= cut.last
        return without_comments(fact.instruction) if is_in_builder else fact.instruction
    if fact.keyword in ("COPY", "ADD"):
        return fact.instruction if _is_replayed_copy(question, cut, fact) else None
    if fact.keyword == "RUN":
        return _replayed_run(question, roles, cut, fact, tally)
    return None


def _is_replayed_copy(question: Question, cut: Cut, fact: Fact) -> bool:
    if fact.destination is None:
        return True
    if fact.from_stage is not None or not fact.placed:
        paths = [fact.destination]
    else:
        paths = [placed.destination for placed in fact.placed]
    is_before = fact.index <= cut.last
    if is_before and all(any(is_under(path, tree) for tree in question.plan.dropped) for path in paths):
        return False
    if all(cut.carries(path, fact.index) for path in paths):
        return False
    if fact.placed and all(
        not p.is_folder and p.destination in question.plan.build_files for p in fact.placed
    ):
        return False
    if not fact.placed and fact.from_stage is None and fact.destination in question.plan.build_files:
        return False
    if fact.from_stage is not None and fact.instruction.words:
        names = [
            posixpath.join(fact.destination, posixpath.basename(w.text)) for w in fact.instruction.words[:-1]
        ]
        if all(any(is_under(name, tree) for tree in question.plan.tools) for name in names):
            return False
        if (
            all(name in question.plan.build_files for name in (*names,))
            or fact.destination in question.plan.build_files
        ):
            return False
    return True


def _is_subsumed(cut: Cut, question: Question, fact: Fact, replayed: dict[int, Instruction]) -> bool:
    """Whether a later copy of the final stage brings the same files to the same places."""
    if fact.keyword not in ("COPY", "ADD") or fact.from_stage is not None or not fact.placed:
        return False
    if fact.keyword == "ADD" and any(_is_archive(placed) for placed in fact.placed):
        return False
    if not fact.scope.context.known or fact.index > cut.last:
        return False
    for later in question.facts.facts[fact.index + 1 :]:
        if later.index not in replayed:
            continue
        if later.keyword == "RUN" and not all(
            item.role in (Role.PACKAGES, Role.CLEAN, Role.NOTHING) for item in later.items
        ):
            touched = [p for e in later.effects for p in (*e.reads, *e.writes)]
            if any(overlaps(p, placed.destination) for p in touched for placed in fact.placed):
                return False
        if later.keyword not in ("COPY", "ADD") or later.from_stage is not None:
            continue
        same_flags = [f.name for f in fact.instruction.flags] == [f.name for f in later.instruction.flags]
        if same_flags and all(any(_brings(new, old) for new in later.placed) for old in fact.placed):
            return True
    return False


def _replayed_run(question: Question, roles: Roles, cut: Cut, fact: Fact, tally: Tally) -> Instruction | None:
    keep: list[int] = []
    installs = False
    for position, item in enumerate(fact.items):
        if _is_item_replayed(question, roles, cut, fact, position):
            keep.append(position)
            installs = installs or item.role is Role.PACKAGES
    acting = [n for n in keep if roles.role(fact, n) in (Role.SETUP, Role.PACKAGES)]
    if not acting:
        return None
    if all(
        roles.role(fact, n) is Role.PACKAGES
        and not _is_install(fact.items[n])
        and not _is_upgrade(fact.items[n])
        for n in acting
    ):
        return None  # only `apt-get update` is left, and it has nothing to serve
    keep = _without_second_lists(roles, fact, keep)
    keep = _without_empty_installs(question, fact, keep, tally)
    acting = [n for n in keep if roles.role(fact, n) in (Role.SETUP, Role.PACKAGES)]
    installs = any(fact.items[n].role is Role.PACKAGES for n in keep)
    moves = _moves(question, roles, cut, fact, acting)
    keep = _with_alternatives(
        question,
        fact,
        keep,
        [
            n
            for n in keep
            if not _is_pointless(roles, fact, n, keep, installs) and (moves or not _is_move(fact.items[n]))
        ],
    )
    _demand_variables(question, fact, keep)
    _demand_sources(question, roles, fact, keep)
    changes = roles.changes.get(fact.index, ())
    instruction = fact.instruction
    if len(keep) < len(fact.items) or changes:
        if fact.offset is None or fact.script is None:
            raise question.obstacle("opaque-step", _INDIVISIBLE, fact)
        instruction = kept_items(instruction, fact.script, fact.offset, keep, changes)
    if installs and any(_is_install(fact.items[n]) for n in keep):
        reduced = _reduced(question, fact, instruction, tally)
        if reduced is None:
            others = [n for n in keep if roles.role(fact, n) is Role.SETUP]
            if not others:
                return None
            others = [n for n in keep if roles.role(fact, n) not in (Role.PACKAGES, Role.CLEAN)]
            others = _with_alternatives(question, fact, others, others)
            if fact.offset is None or fact.script is None:
                raise question.obstacle("opaque-step", _INDIVISIBLE, fact)
            return kept_items(fact.instruction, fact.script, fact.offset, others, changes)
        instruction = reduced
    return instruction


def _without_second_lists(roles: Roles, fact: Fact, keep: Sequence[int]) -> list[int]:
    """Return the positions without the update that only a package source called for that isn't set up."""
    found: list[int] = []
    for position in keep:
        since = next((n for n in reversed(found) if _is_update(fact.items[n])), None)
        if _is_update(fact.items[position]) and since is not None:
            between = range(since + 1, position)
            is_called_for = any(
                n in found and roles.role(fact, n) in (Role.SETUP, Role.CLEAN) for n in between
            )
            if not is_called_for and any((fact.index, n) in roles.ignored for n in between):
                continue
        found.append(position)
    return found


def _is_update(item: ItemFact) -> bool:
    return bool(item.effects) and all(
        isinstance(e.detail, PackageCall) and e.detail.action == "update" for e in item.effects
    )


def _without_empty_installs(question: Question, fact: Fact, keep: Sequence[int], tally: Tally) -> list[int]:
    """Return the positions without installs of which no package is left, where others have some."""
    build_only = question.plan.build_packages
    empty: list[int] = []
    for position in keep:
        calls = [effect for effect in fact.items[position].effects if is_install(effect)]
        names = [name for effect in calls for name in names_of(effect, question.removed)]
        if any(word.variables & fact.scope.arguments for effect in calls for word in effect.packages):
            continue  # what a build argument holds is the caller's
        known = [name for name in names if name is not None]
        fates = [fate(name, question.facts.base, question.removed, build_only) for name in known]
        if names and len(known) == len(names) and not any(one.runtime for one in fates):
            empty.append(position)
    if len(empty) == sum(1 for position in keep if _is_install(fact.items[position])):
        return list(keep)  # the whole list is taken out together
    for position in empty:
        for effect in fact.items[position].effects:
            if is_install(effect):
                tally.fates.extend(
                    fate(name, question.facts.base, question.removed, build_only)
                    for name in names_of(effect, question.removed)
                    if name is not None
                )
    return [position for position in keep if position not in empty]


def _is_move(item: ItemFact) -> bool:
    is_alone = item.item is not None and item.item.kind == "command"
    return is_alone and bool(item.effects) and item.effects[0].tool in ("cd", "pushd", "popd")


_WITHOUT_PATHS = frozenset(
    "useradd adduser groupadd addgroup usermod groupmod passwd chpasswd ldconfig".split()
)


def _moves(question: Question, roles: Roles, cut: Cut, fact: Fact, acting: Sequence[int]) -> bool:
    """Whether a command of the final stage depends on the folder that an earlier one changed into.

    A folder of the builder isn't there any more, so a change into one can't stay.
    """
    cwd, left = fact.scope.cwd, False
    for position, item in enumerate(fact.items):
        if _is_move(item):
            known = [path for effect in item.effects for path in effect.reads]
            cwd = known[0] if known else "?"
            left = True
        elif left and position in acting and cwd != fact.scope.cwd and _names_relative_paths(item):
            gone = [
                path
                for other in fact.items[:position]
                if _is_move(other)
                for effect in other.effects
                for path in effect.reads
            ]
            if any(_is_only_built(question, roles, cut, path) for path in gone):
                raise question.obstacle("opaque-step", _INDIVISIBLE, fact)
            return True
    return False


def _is_only_built(question: Question, roles: Roles, cut: Cut, path: str) -> bool:
    """Whether a folder is made by build steps alone."""
    made = [
        written
        for fact in question.facts.runs()
        for position, item in enumerate(fact.items)
        if roles.is_build(fact, position)
        for effect in item.effects
        for written in effect.writes
    ]
    return path not in SYSTEM_FOLDERS and any(
        is_under(path, tree) for tree in (*made, *question.plan.dropped) if tree not in SYSTEM_FOLDERS
    )


def _names_relative_paths(item: ItemFact) -> bool:
    """Whether a command names a path that isn't absolute, as far as its words tell."""
    if item.item is None or item.role is Role.PACKAGES:
        return False
    for command in item.item.commands:
        if command.name in _WITHOUT_PATHS:
            continue
        words = [word.text.strip("\"'") for word in command.words[1:]]
        paths = [word for word in words if not word.startswith(("-", "/", "$"))]
        if command.name in ("chown", "chmod", "chgrp", "sed", "echo", "printf", "install", "ln"):
            paths = paths[1:]
        paths.extend(r.target.text for r in command.redirects if r.target is not None)
        if any(not path.strip("\"'").startswith(("/", "$")) for path in paths):
            return True
    return False


def _alternatives(fact: Fact) -> tuple[tuple[int, ...], ...]:
    """Return the and-or lists whose commands depend on each other's success, as positions in the RUN.

    `a || b` runs `b` only when `a` fails, and `test … && a` in a list with `;` goes on without `a`.
    """
    groups: list[list[int]] = [[]]
    separators: list[set[str]] = [set()]
    for position, item in enumerate(fact.items):
        groups[-1].append(position)
        separator = item.item.separator if item.item is not None else ""
        if separator in ("&&", "||"):
            separators[-1].add(separator)
        elif separator:
            groups.append([])
            separators.append(set())
    found = []
    for group, kinds in zip(groups, separators, strict=True):
        conditional = len(groups) > 1 and any(_is_condition(fact.items[n]) for n in group[:-1])
        if "||" in kinds or conditional:
            found.append(tuple(group))
    return tuple(found)


def _with_alternatives(
    question: Question, fact: Fact, allowed: Sequence[int], wanted: Sequence[int]
) -> list[int]:
    """Return the wanted commands with those whose success they depend on; refuse where these can't run."""
    found = set(wanted)
    for group in _alternatives(fact):
        if found.isdisjoint(group):
            continue
        # a list whose failure nobody saw must not become the last one, whose failure ends the build
        is_cut_short = max(found) == max(group) < len(fact.items) - 1 and not _is_sure(fact, group)
        if is_cut_short or not set(group) <= set(allowed):
            raise question.obstacle("opaque-step", _INDIVISIBLE, fact)
        found.update(group)
    return sorted(found)


_CONDITIONS = frozenset(
    {"test", "[", "[[", "grep", "egrep", "command", "type", "which", "diff", "cmp", "false"}
)


def _is_condition(item: ItemFact) -> bool:
    return bool(item.effects) and item.effects[0].tool in _CONDITIONS


_SURE = frozenset({"true", ":", "echo"})


def _is_sure(fact: Fact, group: Sequence[int]) -> bool:
    """Whether an and-or list can't fail: it ends in `|| true`."""
    last = fact.items[group[-1]]
    return all(effect.tool in _SURE for effect in last.effects)


def _demand_sources(question: Question, roles: Roles, fact: Fact, keep: Sequence[int]) -> None:
    """Refuse when packages are installed from a source that a build step of the same RUN sets up."""
    fetched = False
    for position, item in enumerate(fact.items):
        if (fact.index, position) in roles.ignored:
            continue  # nothing that is installed here comes from it
        if position not in keep and item.role is not Role.PACKAGES:
            fetched = fetched or any(
                is_under(path, folder)
                for effect in item.effects
                for path in effect.writes
                for folder in ("/etc", "/usr/share/keyrings")
            )
        elif fetched and roles.role(fact, position) is Role.PACKAGES:
            raise question.obstacle("opaque-step", _INDIVISIBLE, fact)


def _demand_variables(question: Question, fact: Fact, keep: Sequence[int]) -> None:
    """Refuse when a command of the final stage uses a shell variable that a command left out sets."""
    items = [one.item for one in fact.items]
    lost: set[str] = set()
    for position, item in enumerate(items):
        if item is None:
            continue
        if position in keep:
            if item.variables & lost:
                raise question.obstacle("opaque-step", _INDIVISIBLE, fact)
            continue
        for command in item.commands:
            lost.update(name for name, _ in command.assignments)
            if command.name in ("export", "read", "declare", "typeset", "local"):
                lost.update(word.text.partition("=")[0] for word in command.arguments)


def _reduced(question: Question, fact: Fact, instruction: Instruction, tally: Tally) -> Instruction | None:
    """Return the RUN with its package list reduced; None when no package of it is left."""
    script, spans = script_of(instruction, fact.scope)
    if script is None or spans is None:
        names = [n for e in fact.effects if is_install(e) for n in e.detail.names if n]
        build_only = question.plan.build_packages
        fates = [fate(name, question.facts.base, question.removed, build_only) for name in names]
        if any(not one.is_kept for one in fates):
            raise question.obstacle("opaque-step", "the packages of this RUN can't be taken apart", fact)
        tally.fates.extend(fates)
        tally.have.extend(package for one in fates for package in one.runtime)
        return instruction
    result = subtracted(
        instruction,
        script,
        spans,
        question.facts.base,
        question.removed,
        tally.have,
        question.plan.build_packages,
        {k: v for k, v in fact.scope.variables.items() if k not in fact.scope.arguments},
    )
    tally.fates.extend(result.fates)
    tally.have.extend(package for one in result.fates for package in one.runtime)
    return result.instruction


def _is_ldconfig(item: ItemFact) -> bool:
    return bool(item.effects) and all(effect.tool == "ldconfig" for effect in item.effects)


_LIBRARIES = ("/usr/local", "/usr/lib", "/usr/lib64", "/lib", "/opt")
"""Where shared libraries are installed."""


def _refresh_after(question: Question, cut: Cut) -> int | None:
    """Return the index of the instruction whose artifacts the loader's cache is refreshed behind.

    `ldconfig` looks at what lies there, so it can't run where it stood before the libraries were copied.
    """
    if question.runtime.system in ("alpine", "scratch", "distroless"):
        return None
    facts = question.facts.facts
    calls = [
        fact.index
        for fact in question.facts.runs()
        if fact.index <= cut.last and any(_is_ldconfig(item) for item in fact.items)
    ]
    if not calls and not question.plan.has_libraries:
        return None
    brought = [
        artifact.after
        for artifact in cut.artifacts
        if facts[artifact.after].scope.user.split(":")[0] in ("root", "0", "")
    ]
    holding = [
        artifact.after
        for artifact in cut.artifacts
        if artifact.after in brought and any(overlaps(artifact.path, folder) for folder in _LIBRARIES)
    ]
    return max(holding or brought, default=None)


def _is_item_replayed(question: Question, roles: Roles, cut: Cut, fact: Fact, position: int) -> bool:
    item = fact.items[position]
    role = roles.role(fact, position)
    if _is_ldconfig(item) and fact.index <= cut.last and _refresh_after(question, cut) is not None:
        return False
    if role in (Role.BUILD, Role.FETCH, Role.GATE, Role.OPAQUE):
        return False
    if role is Role.PACKAGES and question.runtime.family == "scratch":
        return False
    if role is Role.PACKAGES:
        calls = [e.detail for e in item.effects if isinstance(e.detail, PackageCall)]
        if all(call.action == "remove" for call in calls):
            # what is removed was never installed here, unless the base image has it
            return question.is_same_base and not _removes_own(question, item)
        return True
    if role is Role.CLEAN:
        return True
    if role is not Role.SETUP or (fact.index, position) in question.plan.replayed:
        return True
    written = [path for effect in item.effects for path in (*effect.writes, *effect.removes)]
    if written and all(question.is_idle_source(path, fact.index) for path in written):
        return False
    for effect in item.effects:
        if effect.role is not Role.SETUP:
            continue
        paths = (*effect.writes, *effect.removes)
        if not paths:
            return True
        if not all(
            _is_builders(question, cut, path, fact.index)
            or _is_passing(fact, path)
            or (effect.tool == "mkdir" and _is_gone_later(question, cut, fact, path))
            or (effect.tool == "mkdir" and _is_made_by_copy(question, cut, fact, position, path))
            or (path in effect.removes and is_waste(path))
            for path in paths
        ):
            return True
        if all(_is_made_before(question, cut, path) for path in paths):
            return True
    return _is_used_later(question, roles, cut, fact, position)


def _is_used_later(question: Question, roles: Roles, cut: Cut, fact: Fact, position: int) -> bool:
    """Whether a folder is made for a later set-up command of the final stage, before WORKDIR makes it."""
    effects = [effect for effect in fact.items[position].effects if effect.tool == "mkdir"]
    made = [path for effect in effects for path in effect.writes]
    if not made:
        return False
    for later in question.facts.facts[fact.index :]:
        if later.keyword == "WORKDIR":
            folder = question.facts.facts[later.index + 1].scope.cwd if later is not _last(question) else ""
            made = [path for path in made if not is_under(folder, path)]
        for other in range(len(later.items)):
            if later.index == fact.index and other <= position:
                continue
            if later.items[other].role is Role.NAVIGATE:
                continue  # who only goes there needs it for something else, and that is asked as well
            reads = [path for effect in later.items[other].effects for path in effect.reads]
            is_reader = any(is_under(path, read) for path in made for read in reads)
            if is_reader and _is_item_replayed(question, roles, cut, later, other):
                return True
    return False


def _last(question: Question) -> Fact:
    return question.facts.facts[-1]


def _is_passing(fact: Fact, path: str) -> bool:
    """Whether a RUN makes the path and removes it again, and nothing of it that is replayed reads it."""
    made = [n for n, effect in enumerate(fact.effects) if path in effect.writes]
    gone = [n for n, effect in enumerate(fact.effects) if any(is_gone(path, one) for one in effect.removes)]
    used = any(
        effect.role is Role.PACKAGES
        or (effect.role is Role.SETUP and any(overlaps(path, read) for read in effect.reads))
        for effect in fact.effects
    )
    return bool(made and gone) and max(made) < max(gone) and not used


def _is_gone_later(question: Question, cut: Cut, fact: Fact, path: str) -> bool:
    """Whether a later RUN of the builder removes a folder, and only builds use it in between."""
    later = [one for one in question.facts.runs() if fact.index < one.index <= cut.last]
    gone = any(is_gone(path, one) for run in later for effect in run.effects for one in effect.removes)
    used = any(
        overlaps(path, one)
        for run in (fact, *later)
        for effect in run.effects
        if effect.role in (Role.SETUP, Role.PACKAGES) and effect.tool not in ("mkdir", "rm")
        for one in (*effect.reads, *effect.writes)
    )
    return gone and not used


def _is_made_by_copy(question: Question, cut: Cut, fact: Fact, position: int, path: str) -> bool:
    """Whether an artifact brings the folder that it lies in, and nobody else does anything with that."""
    item = fact.items[position].item
    is_plain = item is not None and item.kind == "command" and not any("m" in w for w in _options_of(item))
    if not is_plain or fact.scope.user.split(":")[0] not in ("root", "0", ""):
        return False
    if not any(is_under(a.path, path) and a.path != path and a.after >= fact.index for a in cut.artifacts):
        return False
    return not any(
        overlaps(path, one)
        for other, effect in question.facts.effects()
        for one in (*effect.writes, *effect.removes)
        if (other.index, effect.tool) != (fact.index, "mkdir") and not cut.carries(one, other.index)
    ) and not any(
        overlaps(path, placed.destination) for other in question.facts.facts for placed in other.placed
    )


def _options_of(item: Item) -> list[str]:
    return [w.text for command in item.commands for w in command.words[1:] if w.text.startswith("-")]


def _is_made_before(question: Question, cut: Cut, path: str) -> bool:
    """Whether WORKDIR makes an artifact's folder: a copy into a folder that is there leaves its owner."""
    if path == "/" or not any(artifact.path == path for artifact in cut.artifacts):
        return False
    facts = question.facts.facts
    return any(
        fact.keyword == "WORKDIR" and is_under(facts[fact.index + 1].scope.cwd, path)
        for fact in facts[: cut.last + 1]
    )


def _removes_own(question: Question, item: ItemFact) -> bool:
    installed = {
        bare_name(name)
        for _, effect in question.facts.effects()
        if is_install(effect)
        for name in (*effect.detail.names, effect.detail.virtual)
        if name
    }
    gone = {bare_name(name) for effect in item.effects for name in effect.removed_packages}
    return gone <= installed


_MAY_BE_USED = ("/var/log", "/var/cache", "/var/tmp", "/tmp")
"""Where folders are made for the running program, too."""


def _is_builders(question: Question, cut: Cut, path: str, index: int) -> bool:
    """Whether a path that a set-up command writes matters in the builder only, or comes with an artifact."""
    if cut.carries(path, index):
        return True
    if is_waste(path) and not any(is_under(path, folder) for folder in _MAY_BE_USED):
        return True
    is_dropped = any(is_under(path, tree) for tree in question.plan.dropped)
    if not is_dropped or index > cut.last or any(is_under(a.path, path) for a in cut.artifacts):
        return False
    return not any(is_under(path, made) for made in made_for_the_program(question))


def _drop_unused_arguments(cut: Cut, replayed: dict[int, Instruction]) -> None:
    """Leave out the build arguments of the builder that no instruction of the final stage uses."""
    used: set[str] = set()
    for instruction in replayed.values():
        if instruction.keyword != "ARG":
            used |= variables.references(instruction.text, instruction.escape)
            for document in instruction.heredocs:
                used |= variables.references(document.body, instruction.escape)
    # an ARG may feed another ARG's default
    for index in sorted(replayed, reverse=True):
        instruction = replayed[index]
        if instruction.keyword != "ARG":
            continue
        names = {name for name, _ in instruction.pairs}
        if names & used:
            used |= variables.references(instruction.text, instruction.escape)
        elif index <= cut.last:
            del replayed[index]


def first_line(question: Question) -> Instruction:
    """Return the FROM of the final stage."""
    from_keyword = question.facts.facts[0].instruction.keyword_text
    first = question.instruction(
        f"{from_keyword} {_platform(question)}{question.plan.runtime_image}{_stage_name(question)}\n"
    )
    return first.with_leading(question.newline)


def _arranged(question: Question, cut: Cut, replayed: dict[int, Instruction]) -> list[Instruction]:
    arranged = [first_line(question)]
    prelude = list(question.plan.runtime_prelude)
    refresh = _refresh_after(question, cut)
    for fact in question.facts.facts[1:]:
        made: list[Instruction] = []
        if fact.index in replayed:
            arranged.append(replayed[fact.index])
        for artifact in cut.artifacts:
            if artifact.after != fact.index:
                continue
            made.extend(question.instruction(text) for text in prelude)
            prelude = []
            flags = f"--from={question.builder} {_owner_flag(question, artifact)}"
            made.append(question.instruction(f"COPY {flags}{_source_and_place(artifact)}\n"))
        if not made:
            continue
        if fact.index == refresh:
            made.append(question.instruction("RUN ldconfig\n"))
        at = _earliest(question, arranged, made)
        if at < len(arranged):
            # what changes less often goes first; it takes over the blank line that opens the paragraph
            opening = arranged[at]
            if has_blank_line(opening):
                made[0] = made[0].with_leading(question.newline)
                if not opening.leading.strip():
                    arranged[at] = opening.with_leading("")
        elif fact.index not in replayed and has_blank_line(fact.instruction):
            made[0] = made[0].with_leading(question.newline)
        arranged[at:at] = made
    author = question.facts.facts
    if len(author) > 1 and len(arranged) > 1 and has_blank_line(author[1].instruction):
        # the blank line below FROM stays where what it stood above is gone
        opening = arranged[1]
        if not opening.leading:
            arranged[1] = opening.with_leading(question.newline)
    if question.plan.explicit_workdir and not any(i.keyword == "WORKDIR" for i in arranged):
        arranged.insert(1, question.instruction(f"WORKDIR {question.facts.base.workdir}\n"))
    arranged[1:1] = [question.instruction(text) for text in question.plan.runtime_opening]
    return arranged


def _earliest(question: Question, arranged: list[Instruction], made: list[Instruction]) -> int:
    """Return how far up an artifact may go: past copies of the context that bring nothing into it."""
    paths = [word.text for instruction in made if instruction.keyword == "COPY" for word in instruction.words]
    by_line = {fact.line: fact for fact in question.facts.facts}
    at = len(arranged)
    while at > 1 and arranged[at - 1].keyword == "COPY":
        fact = by_line.get(arranged[at - 1].line)
        if fact is None or fact.from_stage is not None or not fact.scope.context.known or not fact.placed:
            break
        if any(
            _meets(placed, path, fact) or _may_bring(placed, path, fact)
            for placed in fact.placed
            for path in paths
        ):
            break
        at -= 1
    return at


def _platform(question: Question) -> str:
    platform = question.facts.stage.platform
    return f"--platform={platform} " if platform and "BUILDPLATFORM" not in platform else ""


def _stage_name(question: Question) -> str:
    """Return the author's AS and name: builds may ask for the stage by it."""
    words = question.facts.stage.instructions[0].words
    return f" {words[1].text} {words[2].text}" if len(words) == 3 else ""


def _with_packages(
    question: Question, arranged: list[Instruction], names: Sequence[str]
) -> list[Instruction]:
    """Return the final stage with more packages: in the author's own list, or in a RUN of their own."""
    if not names:
        return arranged
    made = question.instruction(
        install_run(question.facts.base, names, lower=arranged[0].keyword_text.islower())
    )
    return with_installed(arranged, names, made, question.newline)


def with_installed(
    arranged: list[Instruction], names: Sequence[str], made: Instruction, newline: str
) -> list[Instruction]:
    """Return a stage that installs more packages: in the author's own list, or by the RUN that is `made`."""
    for index, instruction in enumerate(arranged):
        if instruction.keyword == "USER":
            break
        if instruction.keyword == "RUN":
            grown = with_packages(instruction, names)
            if grown is not None:
                arranged[index] = grown
                return arranged
    at = 1
    while at < len(arranged) and arranged[at].keyword in (
        "ARG",
        "LABEL",
        "MAINTAINER",
        "WORKDIR",
        "SHELL",
    ):
        at += 1
    if at < len(arranged) and has_blank_line(arranged[at]):
        made = made.with_leading(newline)
    arranged.insert(at, made)
    return arranged


def _is_archive(placed: Placed) -> bool:
    """Whether ADD would unpack the file."""
    return not placed.is_folder and placed.source.endswith((".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"))


def _meets(placed: Placed, path: str, fact: Fact) -> bool:
    """Whether a copy of the context brings something to a path or into it."""
    if not overlaps(placed.destination, path):
        return False
    if not placed.is_folder or is_under(placed.destination, path):
        return True
    return fact.scope.context.exists(source_of(placed, path))


def _may_bring(placed: Placed, path: str, fact: Fact) -> bool:
    """Whether a folder of the context may hold an older state of what the build makes."""
    if not placed.is_folder or not is_under(path, placed.destination):
        return False
    return not fact.scope.context.is_ignored(source_of(placed, path))


def _brings(new: Placed, old: Placed) -> bool:
    """Whether a later copy brings what an earlier one brought, from the same place in the context."""
    if not new.is_folder:
        return new == old
    if not is_under(old.destination, new.destination):
        return False
    inside = posixpath.relpath(old.destination, new.destination)
    source = posixpath.normpath(posixpath.join(new.source, inside))
    return (source if source != "." else "") == (old.source or "")


def _is_install(item: ItemFact) -> bool:
    return any(is_install(effect) for effect in item.effects)


def _is_upgrade(item: ItemFact) -> bool:
    return any(isinstance(e.detail, PackageCall) and e.detail.action == "upgrade" for e in item.effects)


def _is_pointless(roles: Roles, fact: Fact, position: int, keep: Sequence[int], installs: bool) -> bool:
    """Whether an item has nothing left to serve once the build steps around it are gone."""
    role = roles.role(fact, position)
    item = fact.items[position]
    if role is Role.CLEAN:
        cleans_packages = any(
            isinstance(effect.detail, PackageCall)
            or any(p.startswith("/var/lib/apt") for p in effect.removes)
            for effect in item.effects
        )
        if any(isinstance(e.detail, PackageCall) and e.detail.action == "autoremove" for e in item.effects):
            return True
        return not (cleans_packages and installs)
    if role is Role.NOTHING:
        tool = item.effects[0].tool if item.effects else ""
        return tool not in ("set", "shopt")
    if role is Role.NAVIGATE and item.item is not None and item.item.kind == "command":
        command = item.item.commands[0] if item.item.commands else None
        if command is not None and not command.words and command.assignments:
            names = {name for name, _ in command.assignments}
            later = [one.item for n in keep if n > position and (one := fact.items[n]).item is not None]
            return not any(one is not None and one.variables & names for one in later)
    if role is Role.NAVIGATE:
        return not any(n > position and roles.role(fact, n) in (Role.SETUP, Role.PACKAGES) for n in keep)
    return False


def without_comments(instruction: Instruction) -> Instruction:
    """Return the instruction without the comments above it: they stand in the builder."""
    blank = [line for line in instruction.leading.splitlines(keepends=True) if not line.strip()]
    return instruction.with_leading(blank[0] if blank else "")


def _owner_flag(question: Question, artifact: Artifact) -> str:
    """Return the --chown of a folder that a user other than root made.

    A copy keeps the owners of what lies in a folder, but the folder itself becomes root's (measured with
    BuildKit 0.13); a folder that holds copies of the context too has several owners, and is left so.
    """
    fact = question.facts.facts[artifact.after]
    user = fact.scope.user
    if user.split(":")[0] in ("root", "0", "") or fact.keyword != "RUN":
        return ""
    if question.runtime.system in ("scratch", "distroless"):
        return ""  # no such user is known there before /etc/passwd is copied
    is_its_own = any(artifact.path in effect.writes for effect in fact.effects)
    is_mixed = any(
        is_under(placed.destination, artifact.path) for one in question.facts.facts for placed in one.placed
    )
    return f"--chown={user} " if is_its_own and not is_mixed else ""


def _refuse_lost_owner(question: Question, cut: Cut) -> None:
    """Refuse a folder that a COPY --chown makes for a user, when the folder is copied from the builder."""
    facts = question.facts.facts
    if question.facts.end.user.split(":")[0] in ("root", "0", ""):
        return
    for fact in facts[1 : cut.last + 1]:
        owner = fact.instruction.flag("chown") or ""
        path = fact.destination
        if not owner or owner.split(":")[0] in ("root", "0") or path is None:
            continue
        if not any(artifact.path == path and artifact.after >= fact.index for artifact in cut.artifacts):
            continue
        is_there = any(
            facts[one.index + 1].scope.cwd == path if one.keyword == "WORKDIR" else path in written
            for one in facts[1 : fact.index]
            for written in [{made for effect in one.effects for made in effect.writes}]
        )
        if not is_there:
            detail = f"{path} belongs to {owner}, which a copy from the builder doesn't keep"
            remedy = "make the folder with WORKDIR above the COPY, and chown it in a RUN"
            raise question.obstacle("need-not-found", detail, fact, remedy)


def _source_and_place(artifact: Artifact) -> str:
    path, place = artifact.path, artifact.destination or artifact.path
    if any(char in path for char in " \t"):
        return f'["{path}", "{place}"]'
    return f"{path} {place}"
