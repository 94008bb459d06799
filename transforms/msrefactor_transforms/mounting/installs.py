"""Which caches a RUN fills, where they are mounted, and what of its text would defeat a mount."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from msrefactor.code.node_package import read_package
from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, Scope, unwrapped
from msrefactor.model import Refused
from msrefactor.shell import Command, Word
from msrefactor_transforms.cleaning.caches import called_tool, commands_with_scope, operand_words, yarn_of
from msrefactor_transforms.cleaning.layers import Layers, commands_of
from msrefactor_transforms.cleaning.lists import Step, apt_steps, lists_of
from msrefactor_transforms.knowledge.package_caches import PackageCache, package_caches
from msrefactor_transforms.mounting.emptying import Why, dropped, removed
from msrefactor_transforms.mounting.owners import Owner, facts_before, owner_of
from msrefactor_transforms.mounting.places import is_in_the_way, names_in, targets_of

NAMES = (
    "apt", "apk", "dnf", "zypper", "pip", "uv", "poetry", "pipenv", "conda", "micromamba", "npm", "yarn",
    "pnpm", "bun", "gem", "composer", "go", "cargo", "maven", "gradle", "sbt", "nuget",
)  # fmt: skip
"""The rows of the table that are mounted; Yarn's second is chosen by the project."""
_OF_SYSTEM = ("apt", "apk", "dnf", "zypper")
_QUIET = frozenset({"--version", "-v", "-V", "--help", "-h", "--info"})
_EMPTYING = frozenset({"clean", "purge", "remove", "prune", "rm", "clear", "cc", "clear-cache", "clearcache"})


def is_shared(name: str) -> bool:
    """Whether later steps work with what an earlier one left: all of them get the mount, or none does."""
    return package_caches()[name].needed


@dataclass(slots=True)
class Installs:
    """The caches of one RUN, by the names of their managers."""

    fact: Fact
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    owner: Owner | None = None
    spare_words: list[Word] = field(default_factory=list)
    """What keeps a tool from using its cache."""
    rewrites: list[tuple[int, int, str]] = field(default_factory=list)
    """Other texts for places in the RUN's script: what makes a tool use its cache."""
    spare_items: set[int] = field(default_factory=set)
    """Positions of the commands that empty a cache."""
    obstacle: Refused | None = None

    @property
    def all_targets(self) -> tuple[str, ...]:
        """Every folder that is mounted."""
        return tuple(target for targets in self.targets.values() for target in targets)


def installs_of(layers: Layers, stage: int, fact: Fact, file: str) -> Installs | None:
    """Return what a RUN downloads into caches; None: nothing, as far as is known."""
    found = Installs(fact)
    emptying: list[tuple[int, str]] = []
    details: list[Why] = []
    for position, command, outer, _ in commands_with_scope(fact):
        if command is None or command.is_substituted:
            continue
        item = fact.items[position].scope or outer
        scope = replace(outer, variables={**item.variables, **_own(fact, outer)})
        words = unwrapped(command.words, scope)
        called = called_tool(words, scope)
        entry = _entry(fact, called[0], scope) if called is not None else None
        if called is None or entry is None:
            continue
        texts = [scope.value(word) or "" for word in called[1]]
        if _empties(entry, called[1], texts, scope):
            emptying.append((position, entry.name))
        elif called[0] == "gradlew" or _downloads(entry, called[1], texts, scope):
            details.extend(_read(found, layers, stage, position, command, scope, entry, called, len(words)))
    _read_apt(found, fact, emptying, details)
    if not found.targets and not details:
        return None
    for position, name in emptying:
        if name in found.targets:
            details.extend(dropped(found, position))
    of_system = [package_caches()[name].cache for name in found.targets if name in _OF_SYSTEM]
    details.extend(removed(found, [*found.all_targets, *(folder for cache in of_system for folder in cache)]))
    if details:
        detail, remedy = details[0]
        evidence = (evidence_of(fact.instruction, file),)
        found.obstacle = Refused("install-mode", f"line {fact.line}: {detail}", evidence, remedy)
    return found


def _own(fact: Fact, scope: Scope) -> Mapping[str, str]:
    """Return the variables that a command sets for itself."""
    before = fact.scope.variables
    return {name: value for name, value in scope.variables.items() if before.get(name) != value}


def _configured(facts: Sequence[Fact], entry: PackageCache) -> bool:
    """Whether a command sets where a manager has its cache, or that it has none."""
    marks = ("cache", "store", "pkgs_dirs", "softlink")
    for other in facts:
        for _, command, _ in commands_of(other):
            texts = [word.text.lower() for word in command.words] if command is not None else []
            named = any(posixpath.basename(text) in entry.tools for text in texts)
            if (
                named
                and ("config" in texts or "-w" in texts)
                and any(mark in text for text in texts for mark in marks)
            ):
                return True
    return False


def _entry(fact: Fact, tool: str, scope: Scope) -> PackageCache | None:
    table = package_caches()
    entry = next((table[name] for name in NAMES if tool in table[name].tools), None)
    if entry is None or entry.name == "apt" or tool == "tdnf":
        return None
    if entry.name == "yarn":
        entry = yarn_of(fact, scope)
        return entry if entry is None or entry.name == "yarn" or _is_global(scope) else None
    return entry


def _is_global(scope: Scope) -> bool:
    """Whether Yarn has its cache at one place for all projects, as from version 4 on."""
    settings = scope.read(scope.path(".yarnrc.yml")) or ""
    chosen = scope.variables.get("YARN_ENABLE_GLOBAL_CACHE", "").lower()
    if chosen in ("false", "0"):
        return False
    if chosen or "enableGlobalCache: true" in settings:
        return True
    package = read_package(scope.context, scope.origin(scope.cwd) or "")
    version = (package.package_manager or "").partition("@")[2] if package is not None else ""
    release = settings.partition("yarn-")[2].partition(".")[0]
    major = version.partition(".")[0] or release
    return major.isdigit() and int(major) >= 4


def _empties(entry: PackageCache, rest: Sequence[Word], texts: Sequence[str], scope: Scope) -> bool:
    operands = [scope.value(word) or "" for word in operand_words(rest)]
    if not operands or operands[0] not in entry.cleans:
        return False
    if entry.name == "go":
        return any(text in ("-cache", "-modcache") for text in texts)
    return any(text in _EMPTYING for text in operands)


def _downloads(entry: PackageCache, rest: Sequence[Word], texts: Sequence[str], scope: Scope) -> bool:
    operands = [scope.value(word) or "" for word in operand_words(rest)]
    if texts and texts[0] in _QUIET:
        return False
    names = (*entry.actions, *entry.fills)
    if "*" in names:
        return bool(operands)
    if entry.name in ("go", "cargo"):
        names = entry.fills
        operands = [text for text in operands if not text.startswith("+")]
    if not operands:
        return "" in names
    return any(operands[: len(name.split())] == name.split() for name in names if name)


def _read(
    found: Installs, layers: Layers, stage: int, position: int, command: Command, scope: Scope,
    entry: PackageCache, called: tuple[str, list[Word]], words: int,
) -> list[Why]:  # fmt: skip
    """Take one install in; return what speaks against a mount."""
    name, (tool, rest) = entry.name, called
    detail = _forbidden(found, command, scope, entry, called, words)
    if detail is not None:
        return [detail]
    before = (*facts_before(layers, stage, found.fact),)
    if _configured((*before, found.fact), entry):
        return [(f"a command configures the cache of {name}", "leave the cache where it usually is")]
    owner = owner_of(layers, stage, found.fact)
    if owner is None:
        return [
            (
                f"the number or the home of the user {scope.user} isn't known, and a mount needs both",
                "make the user in the Dockerfile with a home and a fixed number (useradd -m -u 1000 …)",
            )
        ]
    if is_in_the_way(entry, scope, owner) or (name in _OF_SYSTEM and owner.fields):
        return [
            (
                f"{name} writes beside its cache as well, where a mount would make folders of root",
                f"run {name} as root, or in a stage of its own",
            )
        ]
    targets = targets_of(entry, tool, scope, owner, found.fact, position, before)
    if not targets:
        return [(f"where {name} has its cache isn't known", "leave the cache where the image has it")]
    if owner.fields and any("/.cache/" in target for target in targets) and _others(found.fact, entry):
        return [
            (
                f"another command runs beside {name}, and in the mount's parent folder only root may write",
                "give the other command a RUN of its own",
            )
        ]
    found.owner = owner
    if name == "go" and [scope.value(word) for word in operand_words(rest)][:1] == ["mod"]:
        targets = targets[:1]
    found.targets[name] = tuple(dict.fromkeys((*found.targets.get(name, ()), *targets)))
    _adapt(found, command, entry, rest)
    return []


def _forbidden(
    found: Installs, command: Command, scope: Scope, entry: PackageCache, called: tuple[str, list[Word]],
    words: int,
) -> Why | None:  # fmt: skip
    """Return what the command, its variables or the project's settings have against a mount."""
    name, (_, rest) = entry.name, called
    variable = next((v for v in entry.no_cache if scope.variables.get(v)), None)
    if variable is not None:
        return f"{variable} keeps {name} from using a cache", "take the variable out"
    if len(command.words) != words and command.words[0].text in ("sudo", "gosu", "su-exec"):
        return (
            f"{name} runs as another user than the RUN, whose cache isn't known",
            "set the user with USER",
        )
    if scope.variables.get("HOME") != found.fact.scope.variables.get("HOME"):
        return f"{name} runs with a home folder of its own", "set HOME with ENV"
    for word in rest:
        text = word.text.partition("=")[0]
        if text in entry.forbids:
            return f"with `{word.text}` {name} doesn't use its usual cache alone", "take the option out"
    if name == "uv" and scope.variables.get("UV_LINK_MODE") == "symlink":
        return "with UV_LINK_MODE=symlink what is installed lives in the cache", "take the variable out"
    if any("classpath" in word.text.lower() for word in rest):
        return f"what {name} lists lies in the cache", "copy what is listed out of the cache"
    chosen = sorted(names_in(entry) & scope.arguments)
    if chosen:
        return f"whoever builds may set {chosen[0]}", "set it with ENV, to a fixed value"
    settings = _settings(entry, rest, scope)
    return (settings, "leave the cache where it usually is") if settings else None


def _adapt(found: Installs, command: Command, entry: PackageCache, rest: Sequence[Word]) -> None:
    """Note what of a command's text has to change, so that what it downloads stays in the mount."""
    unwanted = [word for word in command.words if word.text in (*entry.options, *entry.spare)]
    if not entry.instead:
        found.spare_words.extend(unwanted)
    action = next((word for word in operand_words(rest) if word.text in entry.actions), None)
    more = entry.instead or entry.keeps
    if not more or action is None:
        return
    if entry.instead and unwanted:
        found.rewrites.append((unwanted[0].start, unwanted[0].end, more))
        found.spare_words.extend(unwanted[1:])
    elif not any(_says(word.text, more) for word in command.words) and not _has_fetched(found, command):
        found.rewrites.append((action.end, action.end, f" {more}"))


def _says(text: str, option: str) -> bool:
    """Whether a word sets already what an option sets."""
    if option == "--update-cache":
        return text in ("--update-cache", "--update", "-U", "update")
    return option.rpartition("=")[0] in text


def _has_fetched(found: Installs, command: Command) -> bool:
    """Whether apk has fetched its index earlier in the RUN."""
    for _, one, effect in commands_of(found.fact):
        call = effect.detail
        is_update = isinstance(call, PackageCall) and (call.manager, call.action) == ("apk", "update")
        if is_update and one is not None and one.start < command.start:
            return True
    return False


def _settings(entry: PackageCache, rest: Sequence[Word], scope: Scope) -> str:
    """Return why the settings of the project may move the cache; empty: they don't."""
    for variable in entry.variables:
        if any(mark in scope.variables.get(variable, "") for mark in entry.marks):
            return f"{variable} sets where {entry.name} has its cache"
    paths = [scope.path(file) for file in entry.settings]
    if entry.name == "maven":
        paths += [scope.path(word.text) for word in rest if word.text.endswith(".xml")]
    for path in paths:
        text = scope.read(path)
        if text is not None and any(mark in text for mark in entry.marks):
            return f"{path} may set where {entry.name} has its cache"
    return ""


def _others(fact: Fact, entry: PackageCache) -> bool:
    tools = (*entry.tools, "python", "python3")
    return any(
        effect.role.name in ("BUILD", "OPAQUE", "FETCH")
        and posixpath.basename(effect.tool).rstrip("0123456789.") not in tools
        for effect in fact.effects
    )


def _read_apt(
    found: Installs, fact: Fact, emptying: list[tuple[int, str]], details: list[Why]
) -> None:  # fmt: skip
    steps = apt_steps(fact)
    if not any(one.step is Step.NEED for one in steps):
        return
    scope = fact.scope
    commands = [one.command for one in steps]
    if not lists_of(fact).fetches or lists_of(fact).needs:
        details.append(
            (
                "apt installs from the package lists of an earlier RUN, which a mount would hide",
                "begin this RUN with a fetch of its own",
            )
        )
    elif any(one.step in (Step.ADD, Step.UNKNOWN) for one in steps):
        details.append(("what else works with apt's lists isn't known", "give apt-get a RUN of its own"))
    elif scope.user.split(":")[0] not in ("root", "0", "") or any(
        command is None or command.words[0].text == "sudo" for command in commands
    ):
        details.append(
            ("apt runs as another user than root, or in a form that isn't understood", "call apt-get as root")
        )
    else:
        found.owner = found.owner or Owner("/root")
        found.targets["apt"] = package_caches()["apt"].mount
    for position, one in enumerate(fact.items):
        for effect in one.effects:
            call = effect.detail
            if isinstance(call, PackageCall) and call.manager == "apt" and call.action == "clean":
                emptying.append((position, "apt"))


def uses_tool(fact: Fact, name: str) -> bool:
    """Whether a RUN runs a manager in a way that its cache matters to."""
    entry = package_caches()[name]
    for _, command, effect in commands_of(fact):
        if posixpath.basename(effect.tool) not in entry.tools:
            continue
        if effect.role.name in ("NOTHING", "NAVIGATE", "CLEAN", "SETUP"):
            continue
        words = {word.text for word in command.words} if command is not None else set(entry.fills)
        if name != "nuget" or words & {*entry.fills, "tool", "ef"}:
            return True
    return False
