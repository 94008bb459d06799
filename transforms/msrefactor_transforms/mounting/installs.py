"""Which caches a RUN fills, where they are mounted, and what of its text would defeat a mount."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, Scope, is_under, unwrapped
from msrefactor.model import Refused
from msrefactor.shell import Command, Word
from msrefactor_transforms.cleaning.caches import called_tool, commands_with_scope, operand_words, yarn_of
from msrefactor_transforms.cleaning.layers import Layers, commands_of
from msrefactor_transforms.cleaning.lists import Step, apt_steps, lists_of
from msrefactor_transforms.knowledge.package_caches import PackageCache, package_caches
from msrefactor_transforms.mounting.owners import Owner, facts_before, owner_of

PURE = ("pip", "uv", "npm", "yarn")
"""What is missing in their caches is downloaded again, and nothing else ever reads them."""
SHARED = ("apt", "go", "cargo", "maven")
"""Later steps work with what an earlier one left there: all of them get the mount, or none does."""
_ACTIONS: Mapping[str, frozenset[str]] = {
    "go": frozenset("build install get mod test run generate vet list tool work".split()),
    "cargo": frozenset(
        "build install fetch run test check clippy chef doc rustc bench metadata b r t".split()
    ),
}
Why: TypeAlias = tuple[str, str]
"""What speaks against a mount, and what would lift it."""
_QUIET = frozenset({"--version", "-v", "-V", "--help", "-h"})
_ELSEWHERE = frozenset(
    "--cache --cache-dir --cache-folder --store-dir --offline --prefer-offline --no-index -o".split()
)
_EMPTYING = frozenset({"clean", "purge", "remove", "prune", "rm"})


@dataclass(slots=True)
class Installs:
    """The caches of one RUN, by the names of their managers."""

    fact: Fact
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    owner: Owner | None = None
    spare_words: list[Word] = field(default_factory=list)
    """What keeps a tool from using its cache."""
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
        elif _downloads(entry, called[1], texts, scope):
            details.extend(_read(found, layers, stage, command, scope, entry, called[1], len(words)))
    _read_apt(found, fact, emptying, details)
    if not found.targets and not details:
        return None
    for position, name in emptying:
        if name in found.targets:
            details.extend(_dropped(found, position))
    details.extend(_removed(found))
    if details:
        detail, remedy = details[0]
        evidence = (evidence_of(fact.instruction, file),)
        found.obstacle = Refused("install-mode", f"line {fact.line}: {detail}", evidence, remedy)
    return found


def _own(fact: Fact, scope: Scope) -> Mapping[str, str]:
    """Return the variables that a command sets for itself."""
    before = fact.scope.variables
    return {name: value for name, value in scope.variables.items() if before.get(name) != value}


_PLACES = ("HOME", "XDG_CACHE_HOME", "GOPATH", "GOMODCACHE", "CARGO_HOME")


def _configured(layers: Layers, stage: int, fact: Fact, entry: PackageCache) -> bool:
    """Whether a command sets where a manager has its cache, or that it has none."""
    for other in (*facts_before(layers, stage, fact), fact):
        for _, command, _ in commands_of(other):
            texts = [word.text.lower() for word in command.words] if command is not None else []
            named = any(posixpath.basename(text) in entry.tools for text in texts)
            if named and ("config" in texts or "-w" in texts) and any("cache" in text for text in texts):
                return True
    return False


def _entry(fact: Fact, tool: str, scope: Scope) -> PackageCache | None:
    table = package_caches()
    entry = next((table[name] for name in (*PURE, *SHARED) if tool in table[name].tools), None)
    if entry is None or entry.name == "apt":
        return None
    if entry.name == "yarn":
        entry = yarn_of(fact, scope)
        return entry if entry is not None and entry.name == "yarn" else None
    return entry


def _empties(entry: PackageCache, rest: Sequence[Word], texts: Sequence[str], scope: Scope) -> bool:
    operands = [scope.value(word) or "" for word in operand_words(rest)]
    if not operands or operands[0] not in entry.cleans:
        return False
    if entry.name == "go":
        return any(text in ("-cache", "-modcache") for text in texts)
    return any(text in _EMPTYING for text in operands[1:])


def _downloads(entry: PackageCache, rest: Sequence[Word], texts: Sequence[str], scope: Scope) -> bool:
    operands = [scope.value(word) or "" for word in operand_words(rest)]
    if texts and texts[0] in _QUIET:
        return False
    if entry.name == "maven":
        return bool(operands)
    if entry.name in _ACTIONS:
        operands = [text for text in operands if not text.startswith("+")]
        return bool(operands) and operands[0] in _ACTIONS[entry.name]
    if not operands:
        return "" in entry.actions
    return any(operands[: len(name.split())] == name.split() for name in entry.actions if name)


def _read(
    found: Installs, layers: Layers, stage: int, command: Command, scope: Scope, entry: PackageCache,
    rest: Sequence[Word], words: int,
) -> list[Why]:  # fmt: skip
    """Take one install in; return what speaks against a mount."""
    name = entry.name
    variable = next((v for v in entry.no_cache if scope.variables.get(v)), None)
    if variable is not None:
        return [(f"{variable} keeps {name} from using a cache", "take the variable out")]
    if len(command.words) != words and command.words[0].text in ("sudo", "gosu", "su-exec"):
        return [
            (f"{name} runs as another user than the RUN, whose cache isn't known", "set the user with USER")
        ]
    if scope.variables.get("HOME") != found.fact.scope.variables.get("HOME"):
        return [(f"{name} runs with a home folder of its own", "set HOME with ENV")]
    for word in rest:
        text = word.text.partition("=")[0]
        if (text in _ELSEWHERE and not (text == "-o" and name != "maven")) or "repo.local" in word.text:
            return [(f"with `{word.text}` {name} doesn't use its usual cache", "take the option out")]
    if name == "uv" and scope.variables.get("UV_LINK_MODE") == "symlink":
        return [("with UV_LINK_MODE=symlink what is installed lives in the cache", "take the variable out")]
    chosen = [key for key in (*_PLACES, *entry.moved_by, *entry.no_cache) if key in scope.arguments]
    if chosen:
        return [(f"whoever builds may set {chosen[0]}", "set it with ENV, to a fixed value")]
    if _configured(layers, stage, found.fact, entry):
        return [(f"a command configures the cache of {name}", "leave the cache where it usually is")]
    settings = _settings(name, rest, scope)
    if settings:
        return [(settings, "leave the cache where it usually is")]
    owner = owner_of(layers, stage, found.fact)
    if owner is None:
        return [
            (
                f"the number or the home of the user {scope.user} isn't known, and a mount needs both",
                "make the user in the Dockerfile with a home and a fixed number (useradd -m -u 1000 …)",
            )
        ]
    targets = _targets(entry, scope, owner)
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
    found.spare_words.extend(word for word in command.words if word.text in entry.options)
    return []


def _settings(name: str, rest: Sequence[Word], scope: Scope) -> str:
    """Return why the settings of the project may move the cache; empty: they don't."""
    files = {
        "pip": ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf"),
        "npm": (".npmrc", "~/.npmrc"),
        "yarn": (".yarnrc", "~/.yarnrc"),
        "uv": ("uv.toml", "pyproject.toml"),
    }
    marks = {
        "pip": ("cache",),
        "npm": ("cache",),
        "yarn": ("cache-folder", "offline-mirror"),
        "uv": ("cache-dir", "no-cache"),
    }
    paths = [scope.path(file) for file in files.get(name, ())]
    if name == "maven":
        paths = [scope.path(word.text) for word in rest if word.text.endswith(".xml")]
        paths += [scope.path(file) for file in ("~/.m2/settings.xml", ".mvn/maven.config", ".mvn/jvm.config")]
        for variable in ("MAVEN_OPTS", "MAVEN_ARGS", "MAVEN_CLI_OPTS"):
            if "repo.local" in scope.variables.get(variable, ""):
                return f"{variable} sets where maven has its repository"
        marks = {"maven": ("localRepository", "repo.local")}
    for path in paths:
        text = scope.read(path)
        if text is not None and any(mark in text for mark in marks[name]):
            return f"{path} may set where {name} has its cache"
    return ""


def _others(fact: Fact, entry: PackageCache) -> bool:
    tools = (*entry.tools, "python", "python3")
    return any(
        effect.role.name in ("BUILD", "OPAQUE", "FETCH")
        and posixpath.basename(effect.tool).rstrip("0123456789.") not in tools
        for effect in fact.effects
    )


def _targets(entry: PackageCache, scope: Scope, owner: Owner) -> tuple[str, ...]:
    values = scope.variables
    moved = next((values[name] for name in entry.moved_by if values.get(name)), None)
    texts = list(entry.mount)
    if entry.name == "go":
        path = values.get("GOPATH", "~/go").split(":")[0]
        texts = [values.get("GOMODCACHE") or f"{path}/pkg/mod", moved or "~/.cache/go-build"]
    elif entry.name == "cargo":
        home = values.get("CARGO_HOME", "~/.cargo")
        texts = [f"{home}/registry", f"{home}/git/db"]
    elif entry.name == "yarn" and owner.fields:
        texts = ["~/.cache/yarn"]
    if moved is not None and entry.name != "go":
        texts = [moved]
    cache = values.get("XDG_CACHE_HOME") or "~/.cache"
    texts = [text.replace("~/.cache", cache, 1) for text in texts]
    return tuple(scope.path(text.replace("~", owner.home, 1)) for text in texts)


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


def _dropped(found: Installs, position: int) -> list[Why]:
    """Leave a command out that empties the cache; return why that can't be done."""
    item = found.fact.items[position].item
    items = found.fact.items
    before = items[position - 1].item if position else None
    plain = item is not None and item.kind == "command" and item.separator in ("&&", ";", "")
    if not plain or (before is not None and before.separator not in ("&&", ";")):
        return [("a command that would empty the mount can't be left out by itself", "take the command out")]
    found.spare_items.add(position)
    return []


def _removed(found: Installs) -> list[Why]:
    """Leave out what removes files of the mounts; return why that can't be done."""
    targets = found.all_targets
    for position, one in enumerate(found.fact.items):
        commands = one.item.commands if one.item is not None else ()
        for place, effect in enumerate(one.effects):
            command = commands[place] if place < len(commands) else None
            gone = [path for path in (*effect.removes, *effect.may_remove) if _touches(path, targets)]
            if not gone and not (effect.tool == "find" and any(_touches(p, targets) for p in effect.writes)):
                continue
            if posixpath.basename(effect.tool) != "rm" or command is None or command.name != "rm":
                return [("a command removes what is in the mount", "take the command out")]
            scope = one.scope or found.fact.scope
            inside = [word for word in command.arguments if _is_inside(word, scope, targets)]
            operands = [word for word in command.arguments if not word.text.startswith("-")]
            if any(_touches(_path(word, scope), targets) for word in operands if word not in inside):
                return [
                    ("a command would remove the folder that is mounted, which fails", "take the command out")
                ]
            if len(inside) < len(operands):
                found.spare_words.extend(inside)
            elif why := _dropped(found, position):
                return why
    return []


def _path(word: Word, scope: Scope) -> str:
    return scope.path(scope.value(word) or word.text)


def _touches(path: str, targets: Sequence[str]) -> bool:
    folder = posixpath.dirname(path) if "*" in posixpath.basename(path) else path
    start = posixpath.basename(path).partition("*")[0]
    if "*" not in posixpath.basename(path):
        return any(is_under(path, target) or is_under(target, path) for target in targets)
    return any(
        is_under(folder, target) or target.startswith(posixpath.join(folder, start)) for target in targets
    )


def _is_inside(word: Word, scope: Scope, targets: Sequence[str]) -> bool:
    if word.text.startswith("-"):
        return False
    path = _path(word, scope)
    folder = posixpath.dirname(path) if "*" in posixpath.basename(path) else path
    return any(is_under(folder, target) for target in targets)


def uses_tool(fact: Fact, name: str) -> bool:
    """Whether a RUN runs a manager in a way that its cache matters to."""
    tools = package_caches()[name].tools
    return any(
        posixpath.basename(effect.tool) in tools
        and effect.role.name not in ("NOTHING", "NAVIGATE", "CLEAN", "SETUP")
        for _, _, effect in commands_of(fact)
    )
