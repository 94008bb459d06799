"""Which instruction, and which command of a RUN, goes to which stage.

The builder is the author's own text up to the last build step, without what only the final stage means. The
final stage has every instruction in the author's order: what configures, copies or sets up is replayed, and
where the author built something, its result is copied from the builder.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from msrefactor import variables
from msrefactor.commands import PackageCall, is_waste
from msrefactor.facts import Effect, Fact, ItemFact, Placed, Role, StageFacts, is_under, overlaps, script_of
from msrefactor.knowledge import packages as package_knowledge
from msrefactor.knowledge.images import BaseImage
from msrefactor.model import Evidence, Refused, Removal, View
from msrefactor.tree import Instruction
from msrefactor_transforms.splitting.dividing import kept_items
from msrefactor_transforms.splitting.packages import (
    Fate,
    bare_name,
    fate,
    install_run,
    removed_at_once,
    removed_packages,
    subtracted,
    with_packages,
)
from msrefactor_transforms.splitting.plan import Artifact, Level, RuntimePackage, SplitPlan

CONFIGURATION = frozenset({"ENV", "ARG", "WORKDIR", "USER", "SHELL"})
"""What holds for later instructions and so stands in both stages."""

FINAL_ONLY = frozenset(
    {"LABEL", "EXPOSE", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "CMD", "ENTRYPOINT", "MAINTAINER"}
)

_SYSTEM_FOLDERS = frozenset(
    "/ /usr /usr/local /usr/bin /usr/sbin /usr/lib /usr/local/bin /usr/local/lib /usr/local/share "
    "/usr/local/sbin /usr/share /usr/include /usr/src /bin /sbin /lib /lib64 /etc /var /var/lib /home "
    "/srv /opt /root".split()
)


_ONLY_IN_PLACE = frozenset(
    [
        "/etc",
        "/etc/passwd",
        "/etc/group",
        "/etc/shadow",
        "/etc/ssl/certs",
        "/etc/ld.so.cache",
        "/usr/lib/locale",
        "/usr/bin",
    ]
)
"""What a set-up command changes among other things of the final base: it has to run there."""


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


class Obstacle(Exception):  # noqa: N818 - it carries an expected ending, not an error
    """A refusal met deep inside; `split` turns it into a value."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.detail)
        self.refused = refused


def split(
    view: View, facts: StageFacts, plan: SplitPlan, runtime: BaseImage, packages: Sequence[RuntimePackage]
) -> Slices | Refused:
    """Return the two stages for a plan; `packages` are those that the needs of the container ask for."""
    try:
        return _Slicer(view, facts, plan, runtime, tuple(packages)).slices()
    except Obstacle as obstacle:
        return obstacle.refused


class _Slicer:
    """One split under way. Nothing of it is seen outside this module."""

    def __init__(
        self,
        view: View,
        facts: StageFacts,
        plan: SplitPlan,
        runtime: BaseImage,
        packages: tuple[RuntimePackage, ...],
    ) -> None:
        self.view, self.facts, self.plan, self.runtime, self.wanted = view, facts, plan, runtime, packages
        self.removed = removed_packages(facts.facts)
        self.is_same_base = plan.level is Level.SHARED
        self.turned: set[tuple[int, int]] = set()
        self.ignored: set[tuple[int, int]] = set()
        self._turn_setup_into_build()
        self.outputs = self._outputs()
        self.artifacts = self._artifacts()
        self.last = max(
            (
                *(artifact.after for artifact in self.artifacts),
                *(
                    fact.index
                    for fact in facts.facts
                    if any(self._is_build(fact, n) for n in range(len(fact.items)))
                ),
            ),
            default=0,
        )
        self.fates: list[Fate] = []

    # ------------------------------------------------------------------------------------ roles

    def _role(self, fact: Fact, position: int) -> Role:
        return Role.BUILD if (fact.index, position) in self.turned else fact.items[position].role

    def _is_build(self, fact: Fact, position: int) -> bool:
        return self._role(fact, position) in (Role.BUILD, Role.FETCH, Role.GATE)

    def _turn_setup_into_build(self) -> None:
        """Find set-up commands that need something only the builder has: their results are copied instead."""
        builder_only: list[str] = list(self.plan.dropped)
        for fact in self.facts.runs():
            for position, item in enumerate(fact.items):
                if item.role in (Role.BUILD, Role.FETCH):
                    for effect in item.effects:
                        builder_only.extend(effect.writes)
                if item.role is not Role.SETUP:
                    continue
                reads = [path for effect in item.effects for path in effect.reads]
                writes = [path for effect in item.effects for path in effect.writes]
                from_builder = any(
                    is_under(path, tree)
                    for path in reads
                    for tree in builder_only
                    if tree not in _SYSTEM_FOLDERS
                )
                is_in_place = all(any(is_under(path, read) for read in reads) for path in writes)
                lacking = [effect.tool for effect in item.effects if not self._has_tool(effect)]
                copied = {artifact.path for artifact in self.plan.artifacts}
                own = [path for path in writes if path not in ("/etc/passwd", "/etc/group")]
                if lacking and self.runtime.family == "scratch" and len(own) < len(writes):
                    # users come with the copied /etc/passwd, if one is named at all
                    self.turned.add((fact.index, position))
                    self.ignored.add((fact.index, position))
                    continue
                if lacking and any(path in _ONLY_IN_PLACE and path not in copied for path in writes):
                    self._refuse(
                        "need-not-found",
                        f"`{lacking[0]}` isn't in {self.plan.runtime_image}, and this step has to run there",
                        fact,
                    )
                if lacking or (from_builder and not is_in_place):
                    self.turned.add((fact.index, position))
                    builder_only.extend(writes)

    def _has_tool(self, effect: Effect) -> bool:
        if self.is_same_base or not effect.tool:
            return True
        release = self.runtime.release or (self.runtime.releases[-1] if self.runtime.releases else "")
        minimal = package_knowledge.minimal_commands(self.runtime.system, release)
        if effect.tool in minimal or effect.tool in _BUILTINS:
            return True
        packages = [*self._authors_packages(), *(package.name for package in self.wanted)]
        return any(effect.tool in package_knowledge.commands_of(name, release) for name in packages)

    def _authors_packages(self) -> Iterable[str]:
        for _, effect in self.facts.effects():
            if _installs(effect):
                for name in effect.detail.names:
                    if name and fate(name, self.facts.base, self.removed).is_kept:
                        yield bare_name(name)

    def _refuse(self, code: str, detail: str, fact: Fact | None = None) -> None:
        evidence: tuple[Evidence, ...] = ()
        if fact is not None:
            evidence = (Evidence(self.view.name, fact.line, " ".join(fact.instruction.source.split())[:120]),)
        raise Obstacle(Refused(code, detail, evidence))

    # -------------------------------------------------------------------------------- artifacts

    def _outputs(self) -> tuple[Artifact, ...]:
        """Return what the build commands leave, less what is removed again or only waste."""
        found: list[Artifact] = []
        for fact in self.facts.runs():
            for position, item in enumerate(fact.items):
                if not self._is_build(fact, position) or (fact.index, position) in self.ignored:
                    continue
                for effect in item.effects:
                    if effect.refusal is not None:
                        raise Obstacle(effect.refusal)
                    for path in effect.writes:
                        if (
                            is_waste(path)
                            or path in self.plan.unneeded
                            or self._is_removed_later(path, fact.index, position)
                        ):
                            continue
                        if not self._is_only_passed_on(path, fact.index):
                            found.append(Artifact(path, fact.index, effect.why))
        return tuple(found)

    def _is_only_passed_on(self, path: str, index: int) -> bool:
        """Whether a file among the sources is copied from there to where it is used."""
        if not any(is_under(path, tree) for tree in self.plan.dropped) or is_under(path, self.facts.end.cwd):
            return False
        return any(
            path in effect.reads and effect.tool in ("cp", "mv", "install")
            for fact in self.facts.runs()
            if fact.index >= index
            for effect in fact.effects
        )

    def _is_removed_later(self, path: str, index: int, position: int) -> bool:
        for fact in self.facts.runs():
            if fact.index < index:
                continue
            for other, item in enumerate(fact.items):
                if fact.index == index and other <= position:
                    continue
                if any(is_under(path, gone) for effect in item.effects for gone in effect.removes):
                    return True
        return False

    def _artifacts(self) -> tuple[Artifact, ...]:
        """Return what is copied from the builder: outermost paths only, each as late as its last writer."""
        wanted = [*self.plan.artifacts]
        for output in self.outputs:
            path = output.path
            if any(is_under(path, artifact.path) for artifact in self.plan.artifacts):
                continue
            if path in _SYSTEM_FOLDERS and not (self.is_same_base and path in ("/usr/local", "/opt")):
                fact = self.facts.facts[output.after]
                self._refuse(
                    "unknown-artifact", f"a build step writes into {path}, where many things lie", fact
                )
            tree = self._tree_of(path, output.after)
            wanted.append(replace(output, path=tree))
        outermost: dict[str, Artifact] = {}
        for artifact in sorted(wanted, key=lambda a: (a.path.count("/"), a.path)):
            holder = next((path for path in outermost if is_under(artifact.path, path)), None)
            if holder is None:
                outermost[artifact.path] = artifact
            elif outermost[holder].after < artifact.after:
                outermost[holder] = replace(outermost[holder], after=artifact.after)
        order = {artifact.path: position for position, artifact in reversed(list(enumerate(wanted)))}
        return tuple(sorted(outermost.values(), key=lambda a: (a.after, order.get(a.path, 0))))

    def _tree_of(self, path: str, index: int) -> str:
        """Return the folder to copy for an output: itself, or the copied folder that it is mixed up with."""
        if any(is_under(path, tree) for tree in self.plan.dropped):
            return path
        for fact in self.facts.facts[:index]:
            for placed in fact.placed:
                is_inside = (
                    placed.is_folder and is_under(path, placed.destination) and path != placed.destination
                )
                if is_inside and fact.scope.context.exists(_joined(placed, path)):
                    # the context has files at the same place: only the builder's state of the folder is right
                    return placed.destination
        return path

    def _carried(self, path: str, index: int) -> bool:
        """Whether a path, as it is after the instruction at `index`, comes with an artifact."""
        return any(is_under(path, a.path) and a.after >= index for a in self.artifacts)

    # ---------------------------------------------------------------------------------- builder

    def _builder(self) -> list[Instruction]:
        facts = self.facts.facts
        kept: dict[int, Instruction] = {}
        for fact in reversed(facts[1 : self.last + 1]):
            instruction = self._builder_instruction(fact, kept)
            if instruction is not None:
                kept[fact.index] = instruction
        self._narrow(kept)
        prelude_at = self.plan.prelude_before
        if prelude_at is not None:
            # before the copies that only this build step reads, so that they stay together
            while prelude_at - 1 in kept and facts[prelude_at - 1].keyword in ("COPY", "ADD"):
                prelude_at -= 1
        first = facts[0].instruction
        image = self.plan.builder_image
        stage = self.facts.stage.with_image(image) if image else self.facts.stage
        first = stage.with_name(self.stage_name).instructions[0]
        built = [first]
        for index in range(1, self.last + 1):
            if index == prelude_at:
                prelude = [self._new(text) for text in self.plan.build_prelude]
                if index in kept and _has_blank_line(kept[index]):
                    prelude[0] = prelude[0].with_leading(self.newline)
                built.extend(prelude)
            if index in kept:
                instruction = kept[index]
                edits = self.plan.edits.get(index)
                built.append(instruction.replaced(list(edits)) if edits else instruction)
        built.extend(self._new(text) for text in self.plan.build_epilogue)
        return built

    @property
    def stage_name(self) -> str:
        """A name for the builder that no other stage has."""
        return "build"

    def _builder_instruction(self, fact: Fact, later: dict[int, Instruction]) -> Instruction | None:
        if fact.keyword in CONFIGURATION:
            return fact.instruction
        if fact.keyword in ("COPY", "ADD"):
            return fact.instruction
        if fact.keyword != "RUN":
            return None
        roles = [self._role(fact, position) for position in range(len(fact.items))]
        strongest = max(roles, default=Role.NOTHING)
        if strongest in (Role.NOTHING, Role.NAVIGATE, Role.CLEAN):
            return fact.instruction if strongest is Role.CLEAN and later else None
        if strongest is not Role.SETUP:
            return fact.instruction
        return fact.instruction if self._builder_needs_setup(fact, later) else None

    def _builder_needs_setup(self, fact: Fact, later: dict[int, Instruction]) -> bool:
        writes = [p for e in fact.effects for p in (*e.writes, *e.removes) if not p.startswith("/etc/")]
        system = any(
            p.startswith("/etc/") and p not in ("/etc/passwd", "/etc/group")
            for e in fact.effects
            for p in e.writes
        )
        users = {user for effect in fact.effects for user in effect.users}
        for index in later:
            other = self.facts.facts[index]
            if other.keyword == "RUN":
                if system:
                    return True
                for effect in other.effects:
                    paths = (*effect.reads, *effect.writes)
                    if any(overlaps(path, written) for path in paths for written in writes):
                        return True
                    if users & set(effect.mentions_users):
                        return True
            elif (
                other.keyword == "USER" and users & set(other.instruction.arguments.split(":"))
            ) or users & set((other.instruction.flag("chown") or "").split(":")):
                return True
        return False

    def _narrow(self, kept: dict[int, Instruction]) -> None:
        """Take out of the builder the copies that no build step reads, or all of them but the files it reads."""
        needed: dict[int, set[str] | None] = {}
        for index in sorted(kept):
            fact = self.facts.facts[index]
            if fact.keyword != "RUN":
                continue
            for effect in fact.effects:
                self._mark_reads(effect, fact, needed, kept)
        for index in sorted(kept):
            fact = self.facts.facts[index]
            if fact.keyword not in ("COPY", "ADD"):
                continue
            if fact.from_stage is not None or not fact.placed or fact.instruction.heredocs:
                continue
            if any(
                is_under(p.destination, a.path) and index <= a.after
                for p in fact.placed
                for a in self.artifacts
            ):
                continue  # it is part of a folder that is copied as the builder leaves it
            if index not in needed:
                del kept[index]
                continue
            files = needed[index]
            if files is None:
                continue
            narrowed = self._narrowed_copy(fact, files)
            if narrowed is not None:
                kept[index] = narrowed

    def _mark_reads(
        self, effect: Effect, fact: Fact, needed: dict[int, set[str] | None], kept: dict[int, Instruction]
    ) -> None:
        copies = [
            self.facts.facts[i]
            for i in sorted(kept, reverse=True)
            if i < fact.index and self.facts.facts[i].keyword in ("COPY", "ADD")
        ]
        if effect.role in (Role.BUILD, Role.GATE, Role.OPAQUE) and not effect.reads_only:
            for copy in copies:
                needed[copy.index] = None
            return
        for path in effect.reads:
            source = fact.scope.origin(path)
            if source is not None and fact.scope.context.is_file(source):
                for copy in copies:
                    if any(_holds(placed, path) for placed in copy.placed):
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

    def _narrowed_copy(self, fact: Fact, files: set[str]) -> Instruction | None:
        """Return the COPY with only these files, or None when it has no others or can't be written so."""
        folders = [placed for placed in fact.placed if placed.is_folder]
        if not folders or len(fact.placed) != 1 or not fact.scope.context.known:
            return None
        folder = folders[0]
        if fact.instruction.exec_form or fact.instruction.flag("parents"):
            return None
        groups: dict[str, list[str]] = {}
        for path in sorted(files):
            inside = posixpath.relpath(path, folder.destination)
            groups.setdefault(posixpath.dirname(inside), []).append(inside)
        words = fact.instruction.words
        target = words[-1].text
        lines: list[str] = []
        for parent, names in sorted(groups.items()):
            sources = [posixpath.join(folder.source, name) for name in names]
            place = target
            if parent:
                place = posixpath.join(target, parent) + "/"
            elif len(sources) > 1 and not place.endswith("/"):
                place = place + "/"
            lines.append(" ".join((*sources, place)))
        start = fact.instruction.source[: words[0].start].lstrip()
        text = "".join(f"{start}{line}{fact.instruction.newline}" for line in lines)
        made = Instruction.new(text, fact.instruction.escape) if len(lines) == 1 else None
        if made is None:
            return None
        blank = self.newline if _has_blank_line(fact.instruction) else ""
        return made.with_leading(blank)

    # ---------------------------------------------------------------------------------- runtime

    def _runtime(self) -> list[Instruction]:
        replayed: dict[int, Instruction] = {}
        have: list[str] = []
        for fact in self.facts.facts[1:]:
            instruction = self._runtime_instruction(fact, have)
            if instruction is not None:
                replayed[fact.index] = instruction
        self._bring_package_lists(replayed)
        for index in list(replayed):
            if self._is_subsumed(self.facts.facts[index], replayed):
                del replayed[index]
        self._drop_source_folders(replayed)
        self._drop_unused_arguments(replayed)
        self.have = tuple(have)
        return self._arranged(replayed)

    def _drop_source_folders(self, replayed: dict[int, Instruction]) -> None:
        """Leave out a WORKDIR of the sources when nothing of the final stage happens in it."""
        order = sorted(replayed)
        for position, index in enumerate(order):
            fact = self.facts.facts[index]
            if fact.keyword != "WORKDIR" or index > self.last:
                continue
            folder = self.facts.facts[index + 1].scope.cwd if index + 1 < len(self.facts.facts) else ""
            if not any(is_under(folder, tree) for tree in self.plan.dropped):
                continue
            for later in order[position + 1 :]:
                keyword = self.facts.facts[later].keyword
                if keyword == "WORKDIR":
                    if self.facts.facts[later].instruction.arguments.startswith("/"):
                        del replayed[index]
                    break
                if keyword in ("COPY", "ADD", "RUN"):
                    break

    def _bring_package_lists(self, replayed: dict[int, Instruction]) -> None:
        """Replay a RUN that only fetches the package lists, when a later install of the final stage needs them."""
        for fact in self.facts.runs():
            if fact.index in replayed or not fact.items:
                continue
            calls = [e.detail for e in fact.effects if isinstance(e.detail, PackageCall)]
            if len(calls) != len(fact.effects) or any(call.action != "update" for call in calls):
                continue
            for later in self.facts.facts[fact.index + 1 :]:
                if later.index not in replayed or later.keyword != "RUN":
                    continue
                actions = [e.detail.action for e in later.effects if isinstance(e.detail, PackageCall)]
                if "update" in actions:
                    break
                if "install" in actions:
                    replayed[fact.index] = fact.instruction
                    break

    def _runtime_instruction(self, fact: Fact, have: list[str]) -> Instruction | None:
        if fact.keyword in FINAL_ONLY:
            return fact.instruction
        if fact.keyword == "ENV" and fact.index <= self.last:
            if all(name in self.plan.build_environment for name, _ in fact.instruction.pairs):
                return None
        if fact.keyword in CONFIGURATION:
            is_in_builder = fact.index <= self.last
            return _without_comments(fact.instruction) if is_in_builder else fact.instruction
        if fact.keyword in ("COPY", "ADD"):
            return fact.instruction if self._is_replayed_copy(fact) else None
        if fact.keyword == "RUN":
            return self._runtime_run(fact, have)
        return None

    def _is_replayed_copy(self, fact: Fact) -> bool:
        if fact.destination is None:
            return True
        if fact.from_stage is not None or not fact.placed:
            paths = [fact.destination]
        else:
            paths = [placed.destination for placed in fact.placed]
        if all(any(is_under(path, tree) for tree in self.plan.dropped) for path in paths):
            return False
        if all(self._carried(path, fact.index) for path in paths):
            return False
        if fact.placed and all(
            not p.is_folder and p.destination in self.plan.build_files for p in fact.placed
        ):
            return False
        if fact.from_stage is not None and fact.instruction.words:
            names = [
                posixpath.join(fact.destination, posixpath.basename(w.text))
                for w in fact.instruction.words[:-1]
            ]
            if (
                all(name in self.plan.build_files for name in (*names,))
                or fact.destination in self.plan.build_files
            ):
                return False
        return True

    def _is_subsumed(self, fact: Fact, replayed: dict[int, Instruction]) -> bool:
        """Whether a later copy of the final stage brings the same files to the same places."""
        if fact.keyword not in ("COPY", "ADD") or fact.from_stage is not None or not fact.placed:
            return False
        if fact.keyword == "ADD" and any(_is_archive(placed) for placed in fact.placed):
            return False
        if not fact.scope.context.known or fact.index > self.last:
            return False
        for later in self.facts.facts[fact.index + 1 :]:
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

    def _runtime_run(self, fact: Fact, have: list[str]) -> Instruction | None:
        keep: list[int] = []
        installs = False
        for position, item in enumerate(fact.items):
            if self._is_item_replayed(fact, position, item):
                keep.append(position)
                installs = installs or item.role is Role.PACKAGES
        acting = [n for n in keep if self._role(fact, n) in (Role.SETUP, Role.PACKAGES)]
        if not acting:
            return None
        if not any(self._role(fact, n) is not Role.PACKAGES or _is_install(fact.items[n]) for n in acting):
            # only `apt-get update`, upgrades aside, is left: it has nothing to serve
            if not any(_is_upgrade(fact.items[n]) for n in acting):
                return None
        keep = [n for n in keep if not _is_pointless(fact, n, keep, installs, self)]
        whole = len(keep) == len(fact.items)
        instruction = fact.instruction
        if not whole:
            if fact.offset is None or fact.script is None:
                self._refuse("opaque-step", "this RUN does several things and can't be divided", fact)
                return None
            instruction = kept_items(instruction, fact.script, fact.offset, keep)
        if installs:
            reduced = self._reduced(fact, instruction, keep, have)
            if reduced is None:
                others = [n for n in keep if self._role(fact, n) is Role.SETUP]
                if not others:
                    return None
                others = [n for n in keep if self._role(fact, n) not in (Role.PACKAGES, Role.CLEAN)]
                if fact.offset is None or fact.script is None:
                    self._refuse("opaque-step", "this RUN does several things and can't be divided", fact)
                    return None
                return kept_items(fact.instruction, fact.script, fact.offset, others)
            instruction = reduced
        return instruction

    def _reduced(
        self, fact: Fact, instruction: Instruction, keep: list[int], have: list[str]
    ) -> Instruction | None:
        """Return the RUN with its package list reduced; None when no package of it is left."""
        script, spans = script_of(instruction, fact.scope)
        if script is None or spans is None:
            names = [n for e in fact.effects if _installs(e) for n in e.detail.names if n]
            removed = self.removed | self.plan.build_packages
            fates = [fate(name, self.facts.base, removed) for name in names]
            if any(not one.is_kept for one in fates):
                self._refuse("opaque-step", "the packages of this RUN can't be taken apart", fact)
            self.fates.extend(fates)
            have.extend(package for one in fates for package in one.runtime)
            return instruction
        result = subtracted(
            instruction, script, spans, self.facts.base, self.removed, have, self.plan.build_packages
        )
        self.fates.extend(result.fates)
        have.extend(package for one in result.fates for package in one.runtime)
        return result.instruction

    def _is_item_replayed(self, fact: Fact, position: int, item: ItemFact) -> bool:
        role = self._role(fact, position)
        if role in (Role.BUILD, Role.FETCH, Role.GATE, Role.OPAQUE):
            return False
        if role is Role.PACKAGES and self.runtime.family == "scratch":
            return False
        if role is Role.PACKAGES:
            calls = [e.detail for e in item.effects if isinstance(e.detail, PackageCall)]
            if all(call.action == "remove" for call in calls):
                # what is removed was never installed here, unless the base image has it
                return self.is_same_base and not self._removes_own(item)
            return True
        if role is Role.CLEAN:
            return True
        if role is not Role.SETUP:
            return True
        for effect in item.effects:
            if effect.role is not Role.SETUP:
                continue
            paths = (*effect.writes, *effect.removes)
            if not paths:
                return True
            if not all(self._is_builders(path, fact.index) for path in paths):
                return True
        return False

    def _removes_own(self, item: ItemFact) -> bool:
        installed = {
            bare_name(name)
            for _, effect in self.facts.effects()
            if _installs(effect)
            for name in (*effect.detail.names, effect.detail.virtual)
            if name
        }
        gone = {bare_name(name) for effect in item.effects for name in effect.removed_packages}
        return gone <= installed

    def _is_builders(self, path: str, index: int) -> bool:
        """Whether a path that a set-up command writes matters in the builder only, or comes with an artifact."""
        if self._carried(path, index):
            return True
        if is_waste(path):
            return True
        is_dropped = any(is_under(path, tree) for tree in self.plan.dropped)
        return is_dropped and index <= self.last and not any(is_under(a.path, path) for a in self.artifacts)

    def _drop_unused_arguments(self, replayed: dict[int, Instruction]) -> None:
        used: set[str] = set()
        for index, instruction in replayed.items():
            if instruction.keyword == "ARG":
                continue
            used |= variables.references(instruction.text, instruction.escape)
            for document in instruction.heredocs:
                used |= variables.references(document.body, instruction.escape)
            if instruction.keyword in ("CMD", "ENTRYPOINT", "HEALTHCHECK"):
                continue
            del index
        # an ARG may feed another ARG's default
        for index in sorted(replayed, reverse=True):
            instruction = replayed[index]
            if instruction.keyword != "ARG":
                continue
            names = {name for name, _ in instruction.pairs}
            if names & used:
                used |= variables.references(instruction.text, instruction.escape)
            elif index <= self.last:
                del replayed[index]

    def _arranged(self, replayed: dict[int, Instruction]) -> list[Instruction]:
        from_keyword = self.facts.facts[0].instruction.keyword_text
        first = self._new(f"{from_keyword} {self._platform}{self.plan.runtime_image}\n").with_leading(
            self.newline
        )
        arranged = [first]
        prelude = list(self.plan.runtime_prelude)
        for fact in self.facts.facts[1:]:
            made: list[Instruction] = []
            if fact.index in replayed:
                arranged.append(replayed[fact.index])
            for artifact in self.artifacts:
                if artifact.after != fact.index:
                    continue
                made.extend(self._new(text) for text in prelude)
                prelude = []
                made.append(self._new(f"COPY --from={self.stage_name} {_quoted(artifact.path)}\n"))
            if not made:
                continue
            at = self._earliest(arranged, made)
            if at < len(arranged):
                # what changes less often goes first; it takes over the blank line that opens the paragraph
                opening = arranged[at]
                if _has_blank_line(opening):
                    made[0] = made[0].with_leading(self.newline)
                    if not opening.leading.strip():
                        arranged[at] = opening.with_leading("")
            elif fact.index not in replayed and _has_blank_line(fact.instruction):
                made[0] = made[0].with_leading(self.newline)
            arranged[at:at] = made
        if self.plan.explicit_workdir and not any(i.keyword == "WORKDIR" for i in arranged):
            arranged.insert(1, self._new(f"WORKDIR {self.facts.base.workdir}\n"))
        return self._with_wanted_packages(arranged)

    def _earliest(self, arranged: list[Instruction], made: list[Instruction]) -> int:
        """Return how far up an artifact may go: past copies of the context that bring nothing into it."""
        paths = [
            word.text for instruction in made if instruction.keyword == "COPY" for word in instruction.words
        ]
        by_line = {fact.line: fact for fact in self.facts.facts}
        at = len(arranged)
        while at > 1 and arranged[at - 1].keyword == "COPY":
            fact = by_line.get(arranged[at - 1].line)
            if fact is None or fact.from_stage is not None or not fact.scope.context.known or not fact.placed:
                break
            if any(_meets(placed, path, fact) for placed in fact.placed for path in paths):
                break
            at -= 1
        return at

    @property
    def _platform(self) -> str:
        platform = self.facts.stage.platform
        return f"--platform={platform} " if platform and "BUILDPLATFORM" not in platform else ""

    def _with_wanted_packages(self, arranged: list[Instruction]) -> list[Instruction]:
        names = [package.name for package in self.wanted if package.name not in self.have]
        names = list(dict.fromkeys(names))
        self.added = tuple(package for package in self.wanted if package.name in names)
        if not names:
            return arranged
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
        lower = arranged[0].keyword_text.islower()
        made = self._new(install_run(self.facts.base, names, lower=lower))
        if at < len(arranged) and _has_blank_line(arranged[at]):
            made = made.with_leading(self.newline)
        arranged.insert(at, made)
        return arranged

    @property
    def newline(self) -> str:
        """The file's own line end."""
        return self.view.dockerfile.newline

    def _new(self, text: str) -> Instruction:
        keyword, _, rest = text.partition(" ")
        if self.facts.facts[0].instruction.keyword_text.islower():
            text = f"{keyword.lower()} {rest}"
        newline = self.view.dockerfile.newline
        return Instruction.new(
            text.replace("\n", newline) if newline != "\n" else text, self.view.dockerfile.escape
        )

    # ------------------------------------------------------------------------------------- all

    def slices(self) -> Slices:
        """Return the two stages."""
        if not self.artifacts:
            self._refuse("unknown-artifact", "no path is known that the build leaves for the final stage")
        runtime = self._runtime()
        builder = self._builder()
        have_lines = {instruction.line for instruction in (*builder, *runtime)}
        removals = tuple(
            Removal(fact.line or 0, "nothing in either stage needs it")
            for fact in self.facts.facts[1:]
            if fact.line not in have_lines
        )
        available = [artifact.path for artifact in self.artifacts]
        replayed_lines = {instruction.line for instruction in runtime}
        for fact in self.facts.facts:
            if fact.line in replayed_lines:
                available.extend(placed.destination for placed in fact.placed)
                if fact.destination and not fact.placed:
                    available.append(fact.destination)
                for effect in fact.effects:
                    available.extend(effect.writes)
        at_once = removed_at_once(self.facts.facts)
        packages = (*self.have, *(package.name for package in self.added))
        return Slices(
            tuple(builder),
            tuple(runtime),
            self.artifacts,
            tuple(replace(one, is_removed_at_once=bare_name(one.name) in at_once) for one in self.fates),
            self.added,
            removals,
            tuple(available),
            packages,
        )


_BUILTINS = frozenset({"", "find", "echo", "printf", "test", "[", "true", ":"})


def _is_archive(placed: Placed) -> bool:
    """Whether ADD would unpack the file."""
    return not placed.is_folder and placed.source.endswith((".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"))


def _meets(placed: Placed, path: str, fact: Fact) -> bool:
    """Whether a copy of the context brings something to a path or into it."""
    if not overlaps(placed.destination, path):
        return False
    if not placed.is_folder or is_under(placed.destination, path):
        return True
    return fact.scope.context.exists(_joined(placed, path))


def _joined(placed: Placed, path: str) -> str:
    inside = posixpath.relpath(path, placed.destination)
    return posixpath.normpath(posixpath.join(placed.source, inside))


def _holds(placed: Placed, path: str) -> bool:
    return path == placed.destination or (placed.is_folder and is_under(path, placed.destination))


def _brings(new: Placed, old: Placed) -> bool:
    """Whether a later copy brings what an earlier one brought, from the same place in the context."""
    if not new.is_folder:
        return new == old
    if not is_under(old.destination, new.destination):
        return False
    inside = posixpath.relpath(old.destination, new.destination)
    source = posixpath.normpath(posixpath.join(new.source, inside))
    return (source if source != "." else "") == (old.source or "")


def _installs(effect: Effect) -> bool:
    return isinstance(effect.detail, PackageCall) and effect.detail.action == "install"


def _is_install(item: ItemFact) -> bool:
    return any(_installs(effect) for effect in item.effects)


def _is_upgrade(item: ItemFact) -> bool:
    return any(isinstance(e.detail, PackageCall) and e.detail.action == "upgrade" for e in item.effects)


def _is_pointless(fact: Fact, position: int, keep: Sequence[int], installs: bool, slicer: _Slicer) -> bool:
    """Whether an item has nothing left to serve once the build steps around it are gone."""
    role = slicer._role(fact, position)
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
    if role is Role.NAVIGATE:
        return not any(n > position and slicer._role(fact, n) is Role.SETUP for n in keep)
    return False


def _has_blank_line(instruction: Instruction) -> bool:
    return any(not line.strip() for line in instruction.leading.splitlines(keepends=True))


def _without_comments(instruction: Instruction) -> Instruction:
    """Return the instruction without the comments above it: they stand in the builder."""
    blank = [line for line in instruction.leading.splitlines(keepends=True) if not line.strip()]
    return instruction.with_leading(blank[0] if blank else "")


def _quoted(path: str) -> str:
    if any(char in path for char in " \t"):
        return f'["{path}", "{path}"]'
    return f"{path} {path}"


def paths_of(items: Iterable[Effect]) -> tuple[str, ...]:
    """Return every path that the effects write."""
    return tuple(path for effect in items for path in effect.writes)
