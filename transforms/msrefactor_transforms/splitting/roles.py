"""What each command of the stage is for in the split.

A command keeps the role that the interpretation gave it, but for set-up commands that can't be replayed in
the final stage: they stay in the builder, and their results are copied like those of a build.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from msrefactor.commands import SHELL_BUILTINS
from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Fact, ItemFact, Role, folder_state, is_under, overlaps
from msrefactor.installers import PackageSource
from msrefactor.knowledge import packages as knowledge
from msrefactor_transforms.splitting import adduser
from msrefactor_transforms.splitting.accounts import OF_EVERY_SYSTEM
from msrefactor_transforms.splitting.packages import bare_name, fate
from msrefactor_transforms.splitting.plan import RuntimePackage
from msrefactor_transforms.splitting.question import SYSTEM_FOLDERS, Question, is_install

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
class Roles:
    """The roles of the commands; places are (index of the instruction, position in its RUN)."""

    turned: frozenset[tuple[int, int]]
    """Set-up commands that stay in the builder."""
    ignored: frozenset[tuple[int, int]]
    """Those of them whose results come with another artifact."""
    replayed: frozenset[tuple[int, int]] = frozenset()
    """Commands that the plan wants in the final stage: they count as set-up."""
    changes: Mapping[int, tuple[tuple[int, int, str], ...]] = field(default_factory=dict)
    """Commands that the final base has under another name, by the index of their RUN: places in its script
    and what stands there in the final stage."""
    renumbered: frozenset[int] = frozenset()
    """Those of these RUNs that give other numbers then: the builder has to give the same."""
    packages: tuple[RuntimePackage, ...] = ()
    """What has to be installed for set-up commands that the final base lacks."""

    def role(self, fact: Fact, position: int) -> Role:
        """Return the role of one item of a RUN."""
        if (fact.index, position) in self.replayed:
            return Role.SETUP
        return Role.BUILD if (fact.index, position) in self.turned else fact.items[position].role

    def is_build(self, fact: Fact, position: int) -> bool:
        """Whether an item has to stay in the builder: it builds, fetches or checks."""
        return self.role(fact, position) in (Role.BUILD, Role.FETCH, Role.GATE)


def roles_of(question: Question) -> Roles:
    """Find the set-up commands that need something only the builder has, or that the final base can't run."""
    turned: set[tuple[int, int]] = set()
    ignored: set[tuple[int, int]] = set()
    builder_only: list[str] = list(question.plan.dropped)
    copied = {artifact.path for artifact in question.plan.artifacts}
    changes: dict[int, tuple[tuple[int, int, str], ...]] = {}
    renumbered: set[int] = set()
    added: list[RuntimePackage] = []
    for fact in question.facts.runs():
        for position, item in enumerate(fact.items):
            if _is_idle_source(question, item):
                turned.add((fact.index, position))
                ignored.add((fact.index, position))
                continue
            if item.role in (Role.BUILD, Role.FETCH):
                for effect in item.effects:
                    builder_only.extend(effect.writes)
            if item.role is not Role.SETUP:
                continue
            place = (fact.index, position)
            reads = [path for effect in item.effects for path in effect.reads]
            writes = [path for effect in item.effects for path in effect.writes]
            removes = [path for effect in item.effects for path in effect.removes]
            lacking = [effect.tool for effect in item.effects if not _has_tool(question, effect)]
            if (
                removes
                and not writes
                and all(_lie_in([path], builder_only) or _is_of_the_build(question, path) for path in removes)
            ):
                turned.add(place)  # the final stage never has what is removed here
                continue
            if _is_of_tools(question, reads, writes):
                turned.add(place)
                ignored.add(place)
                continue
            own = [path for path in writes if path not in ("/etc/passwd", "/etc/group")]
            if lacking and question.runtime.family == "scratch" and len(own) < len(writes):
                # users come with the copied /etc/passwd, if one is named at all
                turned.add(place)
                ignored.add(place)
                continue
            if lacking and set(lacking) <= adduser.NAMES and question.runtime.system in ("debian", "ubuntu"):
                made = _accounts(question, fact, item)
                changes[fact.index] = (*changes.get(fact.index, ()), *made.changes)
                if made.is_renumbered:
                    renumbered.add(fact.index)
                continue
            is_bound = any(path in _ONLY_IN_PLACE and path not in copied for path in writes)
            if lacking and is_bound and (found := _packages_with(question, fact, lacking)):
                added.extend(found)
                lacking = []
            if lacking and is_bound:
                raise question.obstacle(
                    "need-not-found",
                    f"`{lacking[0]}` isn't in {question.plan.runtime_image}, and this step has to run there",
                    fact,
                )
            # what is copied from the builder behind this RUN isn't there when it runs
            later = [one.path for one in question.plan.artifacts if one.after >= fact.index]
            from_builder = any(
                is_under(path, tree)
                for path in reads
                for tree in (*builder_only, *later)
                if tree not in SYSTEM_FOLDERS
            )
            if _is_symbolic_link(item) and not any(
                is_under(path, tree) for path in reads for tree in question.plan.dropped
            ):
                continue  # what it points to needn't be there yet, and comes by its own name
            is_in_place = all(any(is_under(path, read) for read in reads) for path in writes)
            # what is copied has the addition already where the builder runs the command too
            is_added_to = any(
                is_under(path, tree)
                for effect in item.effects
                for path in effect.appends
                for tree in builder_only
                if tree not in SYSTEM_FOLDERS
            )
            if lacking or is_added_to or (from_builder and not is_in_place):
                turned.add(place)
                builder_only.extend(writes)
    return Roles(
        frozenset(turned),
        frozenset(ignored),
        question.plan.replayed,
        changes,
        frozenset(renumbered),
        tuple(dict.fromkeys(added)),
    )


@dataclass(frozen=True, slots=True)
class _Accounts:
    """What stands in the place of an item's adduser and addgroup."""

    changes: tuple[tuple[int, int, str], ...]
    is_renumbered: bool


def _accounts(question: Question, fact: Fact, item: ItemFact) -> _Accounts:
    """Return what takes the place of adduser and addgroup, which the final base lacks."""
    changes: list[tuple[int, int, str]] = []
    is_renumbered = False
    for command, effect in zip(
        item.item.commands if item.item is not None else (), item.effects, strict=False
    ):
        if effect.tool not in adduser.NAMES:
            continue
        first = next(word for word in command.words if word.literal in adduser.NAMES)
        words = command.words[command.words.index(first) :]
        plain = replace(command, words=words)
        made = adduser.equal_command(
            plain, fact.scope.values(words), lambda path: folder_state(path, fact.scope) is True
        )
        reason = made if isinstance(made, str) else _why_not(question, made)
        if fact.offset is None:
            reason = reason or "this RUN can't be taken apart"
        if reason:
            detail = f"`{effect.tool}` isn't in {question.plan.runtime_image}, and {reason}"
            raise question.obstacle("need-not-found", detail, fact, "use useradd and groupadd, with a number")
        assert not isinstance(made, str)  # noqa: S101 - it would be the reason
        changes.append((first.start, words[-1].end, made.text))
        is_renumbered = is_renumbered or not made.is_numbered
    return _Accounts(tuple(changes), is_renumbered)


def _why_not(question: Question, made: adduser.Account) -> str:
    """Return why an account can't be made by useradd: it exists already, or its number matters outside."""
    if made.name in OF_EVERY_SYSTEM:
        return f"the account {made.name} exists there already"
    if made.is_numbered:
        return ""
    keeps = [fact for fact in question.facts.facts if fact.keyword == "VOLUME"]
    mounts = [use for use in question.view.uses if use.kind in ("volume", "bind-mount")]
    if keeps or mounts:
        return (
            f"useradd gives {made.name or 'the account'} another number than adduser, to which files of a "
            "volume may belong"
        )
    return ""


def _lie_in(paths: Iterable[str], trees: Sequence[str]) -> bool:
    """Whether each path lies in one of the trees; the system's own folders don't count as trees."""
    return all(any(is_under(path, tree) for tree in trees if tree not in SYSTEM_FOLDERS) for path in paths)


_OF_BASES = frozenset("etc usr var bin sbin lib lib32 lib64 root home opt srv run boot".split())

_ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar", ".deb", ".rpm", ".7z")
"""Endings of what no base image holds outside of its package manager's folders."""


def _is_of_the_build(question: Question, path: str) -> bool:
    """Whether only a build step can have made a path: no base, no copy and no set-up command has it."""
    is_archive = path.endswith(_ARCHIVES)
    if (path.strip("/").split("/")[0] in _OF_BASES and not is_archive) or any(char in path for char in "*?["):
        return False
    if any(placed.is_folder and is_under(placed.destination, path) for placed in question.facts.end.placed):
        return False
    made = any(
        overlaps(path, written)
        for _, effect in question.facts.effects()
        if effect.role is Role.SETUP
        for written in effect.writes
    )
    return not made and not question.facts.end.has(path)


def _is_symbolic_link(item: ItemFact) -> bool:
    """Whether an item is one `ln -s`: a copy of the link would be a copy of what it points to."""
    if item.item is None or len(item.item.commands) != 1 or item.effects[0].tool != "ln":
        return False
    return any(
        word.text.startswith("-") and "s" in word.text.lstrip("-")[:3] for word in item.item.commands[0].words
    )


_OF_SOURCES = ("/etc/apt", "/usr/share/keyrings", "/etc/yum.repos.d")


def _is_idle_source(question: Question, item: ItemFact) -> bool:
    """Whether an item sets up a package source from which the final stage installs nothing."""
    paths = [path for effect in item.effects for path in (*effect.writes, *effect.removes)]
    if not paths or not all(any(is_under(path, place) for place in _OF_SOURCES) for path in paths):
        return False
    details = [effect.detail for effect in item.effects if isinstance(effect.detail, PackageSource)]
    if not details:
        if any(effect.tool not in ("mkdir", "install", "chmod", "touch") for effect in item.effects):
            return False
        details = [e.detail for _, e in question.facts.effects() if isinstance(e.detail, PackageSource)]
        others = any(
            any(is_under(path, place) for path in effect.writes for place in _OF_SOURCES)
            and not isinstance(effect.detail, PackageSource)
            and effect.tool not in ("mkdir", "install", "chmod", "touch")
            for _, effect in question.facts.effects()
        )
        if others:
            return False
    kept = [name for name in _authors_packages(question) if name not in question.plan.build_packages]
    kept += [package.name for package in question.wanted]
    return bool(details) and not any(source.has(name) for source in details for name in kept)


def _is_of_tools(question: Question, reads: Iterable[str], writes: Iterable[str]) -> bool:
    """Whether a command sets up, or links to, what only the build starts."""
    return any(is_under(path, tree) for path in (*reads, *writes) for tree in question.plan.tools)


_THROUGH = {"gnupg": ("gpg",), "gnupg2": ("gpg",), "gnupg1": ("gpg",)}
"""Commands of packages that others bring."""


def _packages_with(question: Question, fact: Fact, tools: Sequence[str]) -> tuple[RuntimePackage, ...]:
    """Return the packages that bring the tools, which only the author's base has; nothing if one has none."""
    lost = knowledge.lost_commands(question.facts.base, question.runtime)
    evidence = evidence_of(fact.instruction, question.view.name)
    if not all(lost.get(tool) for tool in tools):
        return ()
    return tuple(RuntimePackage(lost[tool], evidence, f"`{tool}` runs in the final stage") for tool in tools)


def _has_tool(question: Question, effect: Effect) -> bool:
    if not effect.tool:
        return True
    runtime = question.runtime
    if effect.tool in runtime.commands:
        return True
    release = runtime.release or (runtime.releases[-1] if runtime.releases else "")
    if effect.tool in SHELL_BUILTINS or effect.tool in knowledge.minimal_commands(runtime.system, release):
        return True
    if knowledge.surely_has(runtime, effect.tool):
        return True
    packages = [*_authors_packages(question), *(package.name for package in question.wanted)]
    if any(effect.tool in knowledge.commands_of(name, release) for name in packages):
        return True
    # the same base has it, but for what the author installed and the final stage leaves out
    return question.is_same_base and not any(
        effect.tool in knowledge.commands_of(name, release) or effect.tool in _THROUGH.get(name, ())
        for name in question.removed
    )


def _authors_packages(question: Question) -> Iterable[str]:
    removed = question.removed
    for _, effect in question.facts.effects():
        if is_install(effect):
            for name in effect.detail.names:
                if name and fate(name, question.facts.base, removed).is_kept:
                    yield bare_name(name)
