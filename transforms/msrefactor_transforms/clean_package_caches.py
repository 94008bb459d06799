"""Keep what package managers of the languages only cached out of the final image's layers.

Before::

    FROM python:3.12-slim
    WORKDIR /app
    COPY requirements.txt .
    RUN pip install -r requirements.txt
    CMD ["python", "-m", "http.server"]

After::

    FROM python:3.12-slim
    WORKDIR /app
    COPY requirements.txt .
    RUN pip install --no-cache-dir -r requirements.txt
    CMD ["python", "-m", "http.server"]

Where an option avoids the cache it is given, else the tool's own command removes it in the same RUN. Nothing
that something installed lives in is touched: a store of linked packages, environments, browsers, models, what
Plug'n'Play reads. A stage whose layers don't reach the final image is left alone, and so is a mounted cache.
Refuses with ``install-mode`` when a later step installs offline, out of the cache.
"""

from __future__ import annotations

import posixpath

from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of, starts
from msrefactor.facts import Fact
from msrefactor.model import Change, Changed, Outcome, Phase, Refused, Transform, Unchanged, View
from msrefactor.shell import Command, Item
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.caches import Left, caches_left
from msrefactor_transforms.cleaning.editing import Style, style_of, with_command
from msrefactor_transforms.cleaning.layers import Layers, Place, commands_of, layers_of, rebuilt
from msrefactor_transforms.cleaning.unwritable import unwritable


def apply(view: View) -> Outcome:
    """Avoid or remove each cache, or say that there is none."""
    layers = layers_of(view)
    style = style_of(view.dockerfile)
    edits: dict[Place, Instruction | None] = {}
    changes: list[Change] = []
    refusal: Refused | None = None
    for stage, fact in layers.runs():
        if fact.offset is None:
            continue
        left = [one for one in caches_left(fact) if _is_waste(view, layers, stage, fact, one)]
        if not left:
            continue
        obstacle = _used_offline(view, layers, stage, fact)
        if obstacle is not None:
            refusal = refusal or obstacle
            continue
        made = _without(fact, left, style)
        if made is not None:
            edits[stage, fact.index] = made[0]
            changes.extend(Change(reason, line=fact.line) for reason in made[1])
    if not edits:
        nothing = "no layer of the final image holds a package manager's cache"
        return refusal or Unchanged(unwritable(layers) or nothing)
    return Changed(rebuilt(view.dockerfile, edits), tuple(changes))


def _without(fact: Fact, left: list[Left], style: Style) -> tuple[Instruction, tuple[str, ...]] | None:
    """Return the RUN that leaves none of these caches, and how; None: its text can't be changed."""
    edits: list[tuple[int, int, str]] = []
    reasons: list[str] = []
    commands: dict[str, int | None] = {}
    for one in left:
        entry = one.entry
        if entry.option and fact.offset is not None:
            at = fact.offset(one.action.start, one.action.end)[1]
            edits.append((at, at, f" {entry.option}"))
            reasons.append(f"install with {entry.option}, so that no cache of {entry.name} is in the image")
        elif not entry.option and _always_runs(fact, one):
            command = entry.clean if entry.clean.startswith("rm ") else f"{one.tool} {entry.clean}"
            behind = one.position if _loses_tool(fact, one) else None
            commands[command] = behind if behind is not None else commands.get(command)
            reasons.append(f"remove the cache of {entry.name} in the layer that fills it")
    instruction: Instruction | None = fact.instruction.replaced(edits) if edits else fact.instruction
    # those in the middle first, from the last one on, so that the positions stay right
    placed = sorted(commands.items(), key=lambda pair: -(pair[1] if pair[1] is not None else -1))
    for command, behind in placed:
        if instruction is not None:
            instruction = with_command(fact, instruction, command, style, behind)
    if instruction is None or instruction == fact.instruction:
        return None
    return instruction, tuple(dict.fromkeys(reasons))


_CONDITIONAL = frozenset({"if", "for", "while", "until", "case", "select", "function"})


def _always_runs(fact: Fact, one: Left) -> bool:
    """Whether the command runs whenever the RUN succeeds, so that its tool is there."""
    item = fact.items[one.position].item
    if item is None or _is_conditional(item, one.command):
        return False
    others = [fact.items[n].item for n in (one.position - 1, one.position + 1) if 0 <= n < len(fact.items)]
    before = others[0] if one.position else None
    is_alternative = item.separator == "||" or (before is not None and before.separator == "||")
    if not is_alternative:
        return True
    names = {command.name for other in (item, *others) if other is not None for command in other.commands}
    return len(names) == 1


def _is_conditional(item: Item, command: Command) -> bool:
    """Whether a command inside of an item, at any depth, may not run."""
    inside = [part for part in item.parts if command in part.commands]
    return item.keyword in _CONDITIONAL or any(_is_conditional(part, command) for part in inside)


def _loses_tool(fact: Fact, one: Left) -> bool:
    """Whether a later command of the RUN removes packages, or the tool's own file."""
    for item in fact.items[one.position + 1 :]:
        for effect in item.effects:
            call = effect.detail
            if effect.removed_packages or (
                isinstance(call, PackageCall) and call.action in ("remove", "autoremove")
            ):
                return True
            if any(posixpath.basename(path).startswith(one.entry.tools) for path in effect.removes):
                return True
    return False


def _used_offline(view: View, layers: Layers, stage: int, fact: Fact) -> Refused | None:
    """Return the later step that installs without the net, out of a cache."""
    for _, other in layers.later(stage, fact.index):
        for _, command, _ in commands_of(other):
            texts = [word.text for word in command.words] if command is not None else []
            is_local = "--local" in texts and texts[0] == "bundle"
            if is_local or "--offline" in texts or "--prefer-offline" in texts:
                detail = f"line {other.line} installs out of the cache that line {fact.line} fills"
                remedy = "let that step install by itself"
                return Refused("install-mode", detail, (evidence_of(other.instruction, view.name),), remedy)
    return None


_PLAIN_STARTS = (".sh", ".bash")


def _is_waste(view: View, layers: Layers, stage: int, fact: Fact, one: Left) -> bool:
    """Whether nobody reads the cache again, where that isn't so by its nature."""
    if one.entry.name == "uv":
        if fact.scope.variables.get("UV_LINK_MODE") == "symlink":
            return False
        return not _starts_with(view, layers, ("uv", "uvx"))
    if not one.entry.last:
        return True
    for _, other in layers.later(stage, fact.index):
        for _, command, effect in commands_of(other):
            if posixpath.basename(effect.tool) in one.entry.tools:
                return False
            if command is not None and effect.role.name == "OPAQUE":
                return False
    return not _starts_with(view, layers, (*one.entry.tools, "sh", "bash", "ash", "make", "air", "reflex"))


def _starts_with(view: View, layers: Layers, tools: tuple[str, ...]) -> bool:
    """Whether the container may start one of these tools; a script may start anything."""
    for start in starts(view, layers.stages[-1]):
        words = start.argv or tuple((start.shell or "").replace(";", " ").replace("&", " ").split())
        names = {posixpath.basename(word) for word in words}
        if names & set(tools) or any(name.endswith(_PLAIN_STARTS) for name in names):
            return True
        if any("entrypoint" in name for name in names):
            return True
    return False


TRANSFORM = Transform(
    "clean-package-caches",
    "Keep the caches of package managers out of the final image.",
    Phase.CLEAN,
    apply,
    edits_stand_alone=True,
)
