"""apk with `--no-cache`: it fetches the package index into memory and leaves nothing in the layer."""

from __future__ import annotations

from collections.abc import Iterator

from msrefactor.commands import PackageCall
from msrefactor.facts import Effect, Fact, Role, is_under
from msrefactor.shell import Command, Word
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.layers import Layers, commands_of, is_mounted, later_runs
from msrefactor_transforms.cleaning.lists import may_be_script, scripts_of
from msrefactor_transforms.splitting.dividing import kept_items

_CACHE = "/var/cache/apk"
_FETCHES = frozenset({"--update", "--update-cache", "-U"})


def is_idle(layers: Layers, stage: int, fact: Fact) -> bool:
    """Whether a RUN does nothing but fetch an index that nobody installs from without fetching it again."""
    effects = fact.effects
    return (
        bool(effects)
        and all(isinstance(e.detail, PackageCall) and e.detail.action == "update" for e in effects)
        and all(e.detail.manager == "apk" for e in effects)
        and not _needed_elsewhere(layers, stage, fact)
    )


def without_index(layers: Layers, stage: int, fact: Fact) -> Instruction | None:
    """Return the RUN with `--no-cache` in the place of `apk update`; None: there is nothing to gain."""
    calls = tuple(_calls(fact))
    if not calls or not _can_change(fact):
        return None
    if all(_is_without(command) for command, _ in calls) or all(c.action == "update" for _, c in calls):
        return None
    if _needed_elsewhere(layers, stage, fact):
        return None
    edits: list[tuple[int, int, str]] = []
    for command, call in calls:
        if call.action == "update" or _is_without(command):
            continue
        edit = _option(command)
        if edit is None or fact.offset is None:
            return None
        start, end = fact.offset(edit[0], edit[1])
        edits.append((start, end, edit[2]))
    instruction = fact.instruction.replaced(edits)
    return _without_updates(fact, instruction)


def _calls(fact: Fact) -> Iterator[tuple[Command, PackageCall]]:
    """Yield the calls of apk that need the index."""
    for _, command, effect in commands_of(fact):
        call = effect.detail
        if command is None or not isinstance(call, PackageCall) or call.manager != "apk":
            continue
        if call.action in ("install", "update", "upgrade"):
            yield command, call


def _can_change(fact: Fact) -> bool:
    """Whether the RUN leaves an index in its layer, and its text can be changed."""
    if fact.offset is None or any(is_mounted(fact, place) for place in (_CACHE, "/etc/apk/cache")):
        return False
    return not any(
        _empties(path) for _, _, effect in commands_of(fact) for path in effect.removes
    ) and not any(is_under("/etc/apk/cache", path) for path in _written(fact))


def _empties(path: str) -> bool:
    return is_under(_CACHE, path.removesuffix("/*") or "/") or path.startswith(_CACHE)


def _written(fact: Fact) -> Iterator[str]:
    for _, _, effect in commands_of(fact):
        yield from effect.writes


def _words(command: Command) -> tuple[Word, ...]:
    names = [word.text for word in command.words]
    return command.words[names.index("apk") :] if "apk" in names else ()


def _is_without(command: Command) -> bool:
    """Whether a call fetches no index that stays: `--no-network` fetches none at all."""
    return any(word.text in ("--no-cache", "--no-network") for word in command.words)


def _option(command: Command) -> tuple[int, int, str] | None:
    """Return the edit that gives the command `--no-cache`; the option that fetches the index goes."""
    words = _words(command)
    for word in words:
        if word.text in _FETCHES:
            return word.start, word.end, "--no-cache"
        if word.text.startswith("-") and not word.text.startswith("--") and "U" in word.text:
            return None
    action = next((word for word in words if word.text in ("add", "upgrade", "i")), None)
    return (action.end, action.end, " --no-cache") if action is not None else None


def _needed_elsewhere(layers: Layers, stage: int, fact: Fact) -> bool:
    """Whether something that stays as it is installs with the index that this RUN leaves."""
    for other_stage, other, done in later_runs(layers, stage, fact.index):
        for _, command, effect in commands_of(other):
            call = effect.detail
            if effect.role is Role.OPAQUE and _may_call(other, command, effect):
                return True
            if command is None or not isinstance(call, PackageCall) or call.manager != "apk":
                continue
            if call.action == "update":
                done.add(other_stage)
                break
            if call.action not in ("install", "upgrade") or _is_without(command):
                continue
            changes = other_stage in layers.chain and _can_change(other) and _option(command) is not None
            if not changes and not any(word.text in _FETCHES for word in command.words):
                return True
    return False


def _may_call(fact: Fact, command: Command | None, effect: Effect) -> bool:
    """Whether a command that isn't understood may install with the index."""
    if command is not None and any(word.text == "apk" for word in command.words):
        return True
    texts = scripts_of(fact, command)
    return any("apk" in text for text in texts) if texts else may_be_script(fact, command, effect)


def _without_updates(fact: Fact, instruction: Instruction) -> Instruction | None:
    """Return the RUN without its `apk update`s; None: one stays, and so does the index that it fetches."""
    from msrefactor.facts import script_of

    script, spans = script_of(instruction, fact.scope)
    if script is None or spans is None:
        return None
    kept: list[int] = []
    for position, item in enumerate(script.items):
        is_update = item.kind == "command" and [word.text for word in item.commands[0].words] in (
            ["apk", "update"], ["apk", "-U", "update"], ["apk", "update", "-q"], ["apk", "-q", "update"],
        )  # fmt: skip
        if not is_update or item.separator not in ("&&", ";", "\n") or item.commands[0].redirects:
            kept.append(position)
    calls = [call.action for command, call in _calls(fact) if not _is_without(command)]
    if calls.count("update") != len(script.items) - len(kept):
        return None
    return kept_items(instruction, script, spans, kept)
