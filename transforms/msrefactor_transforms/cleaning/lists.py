"""What the package managers of the distributions leave in a layer, and which commands need it later.

Only apt installs from lists that an earlier command has to fetch; dnf, yum and zypper fetch theirs again by
themselves, and apk does with `--no-cache`.
"""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from msrefactor.commands import PackageCall
from msrefactor.facts import Effect, Fact, Role, is_under
from msrefactor.installers import PackageSource
from msrefactor.shell import Command, parse_script
from msrefactor_transforms.cleaning.layers import commands_of, is_mounted

APT_LISTS = "/var/lib/apt/lists"


class Step(enum.Enum):
    """What a command means for apt's lists."""

    UPDATE = "fetches them"
    NEED = "installs from them"
    ADD = "fetches them, as far as is known only for a source that it adds"
    CLEAN = "removes them"
    UNKNOWN = "may do any of it"


@dataclass(frozen=True, slots=True)
class AptStep:
    """One command that has to do with apt's lists."""

    step: Step
    command: Command | None
    effect: Effect


def apt_steps(fact: Fact) -> tuple[AptStep, ...]:
    """Return what the commands of a RUN do with apt's lists, in order; empty on systems without apt."""
    if fact.keyword != "RUN" or fact.scope.base.system in ("alpine", "rpm", "windows", "scratch"):
        return ()
    return tuple(_apt_steps(fact))


def _apt_steps(fact: Fact) -> Iterator[AptStep]:
    for _, command, effect in commands_of(fact):
        step = _step(fact, command, effect)
        if step is not None:
            yield AptStep(step, command, effect)


_APT = frozenset({"apt-get", "apt", "aptitude"})
_INSTALLERS = frozenset("gdebi mk-build-deps rosdep ansible-playbook puppet chef-client salt-call".split())
"""Programs that call apt."""
_INSTALLING = frozenset("install upgrade dist-upgrade full-upgrade build-dep satisfy source download".split())
_SHELLS = frozenset("sh bash dash ash zsh . source eval".split())


def _step(fact: Fact, command: Command | None, effect: Effect) -> Step | None:
    call = effect.detail
    if isinstance(call, PackageCall) and call.manager == "apt":
        if call.action == "update":
            return Step.UPDATE
        if call.action in ("install", "upgrade"):
            return Step.NEED
        return Step.CLEAN if _names(command, "dist-clean", "distclean") else None
    if any(_holds_lists(path) for path in effect.removes):
        return Step.CLEAN
    if effect.tool == "find" and APT_LISTS in effect.writes:
        return Step.CLEAN
    tool = posixpath.basename(effect.tool)
    if tool == "apt-cache" or (tool in _APT and effect.role in (Role.BUILD, Role.OPAQUE)):
        return Step.NEED
    if tool in ("add-apt-repository", "apt-add-repository"):
        return Step.ADD if fact.scope.base.release not in ("trusty", "xenial") else None
    if isinstance(call, PackageSource):
        # the scripts of package sources fetch the lists in the end; other commands leave them alone
        return Step.UPDATE if effect.tool == "bash" else None
    if tool in _INSTALLERS:
        return Step.UNKNOWN
    words = {word.text for word in command.words} if command is not None else set()
    if not _APT.isdisjoint(words) and not isinstance(call, PackageCall) and tool not in ("echo", "printf"):
        # behind `xargs`, `timeout` and the like
        return Step.UPDATE if "update" in words else Step.NEED if words & _INSTALLING else None
    return _of_opaque(fact, command, effect) if effect.role is Role.OPAQUE else None


def _holds_lists(path: str) -> bool:
    folder = posixpath.dirname(path) if posixpath.basename(path) in ("*", "*.*") else path
    return is_under(APT_LISTS, folder) or path.startswith(APT_LISTS + "/*")


def _names(command: Command | None, *names: str) -> bool:
    return command is not None and any(word.text in names for word in command.words)


def _of_opaque(fact: Fact, command: Command | None, effect: Effect) -> Step | None:
    """Return what a command means for the lists that isn't understood, and may be a script that calls apt."""
    texts = scripts_of(fact, command)
    if texts:
        calling = [text for text in texts if _calls_apt(text)]
        if len(calling) != 1 or effect.tool == "make":
            return Step.UNKNOWN if calling else None
        return _of_script(calling[0])
    return Step.UNKNOWN if may_be_script(fact, command, effect) else None


def scripts_of(fact: Fact, command: Command | None) -> tuple[str, ...]:
    """Return the texts of the context's files that a command names, or that `make` reads."""
    words = [word for word in map(fact.scope.value, command.words) if word] if command is not None else []
    is_make = posixpath.basename(words[0]) == "make" if words else False
    files = ("Makefile", "makefile", "GNUmakefile") if is_make else tuple(words)
    return tuple(text for file in files if (text := fact.scope.read(fact.scope.path(file))) is not None)


def may_be_script(fact: Fact, command: Command | None, effect: Effect) -> bool:
    """Whether a command that isn't understood runs commands that nobody can see."""
    if command is None:
        return not effect.tool and fact.script is None
    words = [word for word in map(fact.scope.value, command.words) if word]
    tool = words[0] if words else ""
    if posixpath.basename(tool) in _SHELLS:
        return not (len(words) > 1 and words[-1].endswith(("/activate", "/env")))
    is_program = posixpath.basename(posixpath.dirname(tool)) in ("bin", "sbin")
    return not words or ("/" in tool and not is_program)


def _calls_apt(text: str) -> bool:
    return "apt-get" in text or not _APT.isdisjoint(text.replace('"', " ").replace("'", " ").split())


def _of_script(text: str) -> Step | None:
    """Return what a script that calls apt does: UPDATE where it surely fetches lists before it installs."""
    script = parse_script(text)
    if script is None:
        return Step.UNKNOWN
    fetches = leaves = False
    for item in script.items:
        for command in item.commands:
            words = {word.text for word in command.words}
            is_apt = not _APT.isdisjoint(words)
            if is_apt and "update" in words and item.kind == "command":
                fetches = leaves = True
            elif not fetches and (is_apt or command.name is None or command.name in _SHELLS):
                return Step.UNKNOWN
            elif "rm" in words and any(_holds_lists(word) for word in words):
                leaves = False
    if not fetches:
        return Step.UNKNOWN
    return Step.UPDATE if leaves else Step.CLEAN


@dataclass(frozen=True, slots=True)
class Lists:
    """Whether a RUN leaves apt's lists behind, and whether it needs those of an earlier one."""

    fetches: bool = False
    leaves: bool = False
    needs: bool = False
    """Whether it installs before it fetches lists itself."""
    unknown: Effect | None = None
    """A command that may need them, before the RUN fetches its own."""


def lists_of(fact: Fact) -> Lists:
    """Return what a RUN does with apt's lists as a whole."""
    if is_mounted(fact, APT_LISTS):
        return Lists()
    fetches = leaves = needs = False
    unknown: Effect | None = None
    for one in apt_steps(fact):
        if one.step is Step.UPDATE:
            fetches = leaves = True
        elif one.step is Step.ADD:
            leaves = True
        elif one.step is Step.CLEAN:
            leaves = False
        elif not fetches and one.step is Step.NEED:
            needs = True
        elif not fetches and unknown is None:
            unknown = one.effect
    return Lists(fetches, leaves, needs, unknown)


def is_fetch(fact: Fact) -> bool:
    """Whether a RUN calls apt to fetch the lists, and does nothing else."""
    calls = [effect.detail for effect in fact.effects]
    return bool(calls) and all(
        isinstance(call, PackageCall) and call.manager == "apt" and call.action == "update" for call in calls
    )
