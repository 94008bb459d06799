"""Keep the package manager's lists and its downloaded packages out of the final image's layers.

Before::

    FROM debian:trixie
    RUN apt-get update && apt-get install -y curl
    CMD ["curl", "--version"]

After::

    FROM debian:trixie
    RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*
    CMD ["curl", "--version"]

A stage whose layers don't reach the final image is left alone, and so is a RUN with a cache mounted there.
Refuses with ``opaque-step`` when a later step may install from the lists and isn't understood,
``install-mode`` when a later step installs from the lists of an earlier one.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from msrefactor.contract import evidence_of, starts
from msrefactor.facts import Fact, Role, is_under
from msrefactor.model import Change, Changed, Outcome, Phase, Refused, Removal, Transform, Unchanged, View
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning import apk
from msrefactor_transforms.cleaning.editing import Style, style_of, with_command
from msrefactor_transforms.cleaning.layers import Layers, Place, later_runs, layers_of, rebuilt
from msrefactor_transforms.cleaning.lists import APT_LISTS, Step, apt_steps, is_fetch, lists_of
from msrefactor_transforms.cleaning.rpm import cleaning_of
from msrefactor_transforms.cleaning.unwritable import unwritable


def apply(view: View) -> Outcome:
    """Append the cleaning to each RUN that leaves something, or say why not."""
    layers = layers_of(view)
    style = style_of(view.dockerfile)
    edits: dict[Place, Instruction | None] = {}
    changes: list[Change] = []
    refusal: Refused | None = None
    removals: list[Removal] = []
    for stage, fact in layers.runs():
        if is_fetch(fact) and _is_interactive(view, layers):
            continue  # the lists are for who works in the container
        if _is_idle(view, layers, stage, fact) and fact.line is not None:
            reason = "nothing installs from the lists that it fetches"
            edits[stage, fact.index] = None
            changes.append(Change(f"leave out an update: {reason}", line=fact.line))
            removals.append(Removal(fact.line, reason))
            continue
        made = _cleaned(view, layers, stage, fact, style)
        if isinstance(made, Refused):
            refusal = refusal or made
        elif made is not None:
            edits[stage, fact.index] = made[0]
            changes.append(Change(made[1], line=fact.line))
    if not edits:
        return refusal or Unchanged(unwritable(layers) or "no layer of the final image holds package lists")
    for stage, fact in layers.runs():
        if _has_nothing_to_do(layers, stage, fact, edits) and fact.line is not None:
            edits[stage, fact.index] = None
            reason = "no package lists are left for it to remove"
            removals.append(Removal(fact.line, reason))
            changes.append(Change(f"leave out a clean-up: {reason}", line=fact.line))
    at_start = _installs_at_start(view, layers)
    if at_start is not None:
        return at_start
    return Changed(rebuilt(view.dockerfile, edits), tuple(changes), tuple(removals))


def _is_idle(view: View, layers: Layers, stage: int, fact: Fact) -> bool:
    """Whether a RUN fetches lists, does nothing else, and nobody uses them."""
    if is_fetch(fact):
        return _used_later(view, layers, stage, fact) is None
    return apk.is_idle(layers, stage, fact)


def _is_interactive(view: View, layers: Layers) -> bool:
    """Whether the container starts nothing but a shell."""
    commands = [start for start in starts(view, layers.stages[-1]) if start.kind == "command"]
    words = [start.argv or tuple((start.shell or "").split()) for start in commands]
    return all(posixpath.basename(argv[-1]) in ("bash", "sh", "zsh", "ash") for argv in words if argv)


def _has_nothing_to_do(
    layers: Layers, stage: int, fact: Fact, edits: Mapping[Place, Instruction | None]
) -> bool:
    """Whether a RUN only removes lists that the edited RUNs before it don't leave any more."""
    steps = [one.step for one in apt_steps(fact)]
    only = all(
        effect.role is Role.CLEAN
        and (
            all(is_under(path, APT_LISTS) for path in effect.removes)
            if effect.removes
            else bool(effect.detail)
        )
        for effect in fact.effects
    )
    if not only or Step.CLEAN not in steps or fact.scope.base.system != "debian":
        return False
    before = [place for place in edits if place[0] != stage or place[1] < fact.index]
    left = any(
        lists_of(other).leaves and (index, other.index) not in edits
        for index, other in layers.runs()
        if index != stage or other.index < fact.index
    )
    return bool(before) and not left


def _installs_at_start(view: View, layers: Layers) -> Refused | None:
    """Find a start command, or a script that it runs, that installs packages in the container."""
    end = layers.stages[-1].end
    for start in starts(view, layers.stages[-1]):
        words = start.argv or tuple((start.shell or "").split())
        texts = [start.shell or " ".join(words), *(end.read(end.path(word)) or "" for word in words)]
        if any(call in text for text in texts for call in ("apt-get ", "apt install", "apk add")):
            detail = "the container installs packages when it starts, with the lists of the image"
            return Refused("compiles-at-start", detail, (start.evidence,))
    return None


def _cleaned(
    view: View, layers: Layers, stage: int, fact: Fact, style: Style
) -> tuple[Instruction, str] | Refused | None:
    """Return the RUN that leaves nothing behind, and what that is; None: it leaves nothing as it is."""
    made = apk.without_index(layers, stage, fact)
    if made is not None:
        return made, "install with --no-cache, so that the package index isn't in the image"
    commands = cleaning_of(fact)
    if not commands:
        return _without_apt_lists(view, layers, stage, fact, style)
    edited: Instruction | None = fact.instruction
    for command in commands:
        edited = with_command(fact, edited, command, style) if edited is not None else None
    if edited is None:
        return None
    return edited, f"run `{commands[0]}` in the layer that installs"


def _without_apt_lists(
    view: View, layers: Layers, stage: int, fact: Fact, style: Style
) -> tuple[Instruction, str] | Refused | None:
    if not lists_of(fact).leaves:
        return None
    obstacle = _used_later(view, layers, stage, fact)
    if obstacle is not None:
        return obstacle
    command = f"rm -rf {APT_LISTS}/*"
    updates = [one.command for one in apt_steps(fact) if one.step is Step.UPDATE and one.command]
    if fact.scope.user.split(":")[0] not in ("root", "0", ""):
        if not updates or updates[-1].name != "sudo":
            return None
        command = f"sudo {command}"
    elif updates and updates[-1].name == "sudo":
        command = f"sudo {command}"
    edited = with_command(fact, fact.instruction, command, style)
    if edited is None:
        return None
    return edited, "remove the package lists in the layer that fetches them"


def _used_later(view: View, layers: Layers, stage: int, fact: Fact) -> Refused | None:
    """Return why the lists have to stay; None: nobody installs from them."""
    for other_stage, other, done in later_runs(layers, stage, fact.index):
        found = lists_of(other)
        if found.needs:
            detail = f"line {other.line} installs from the package lists that line {fact.line} fetches"
            remedy = "begin that RUN with a fetch of its own"
            return Refused("install-mode", detail, (evidence_of(other.instruction, view.name),), remedy)
        if found.unknown is not None:
            why = found.unknown.why or f"what {found.unknown.tool} does isn't known"
            detail = f"line {other.line} may install from the package lists of line {fact.line}: {why}"
            return Refused("opaque-step", detail, (evidence_of(other.instruction, view.name),))
        if found.fetches:
            # what comes behind it in this stage has lists of its own
            done.add(other_stage)
    return None


TRANSFORM = Transform(
    "clean-package-lists",
    "Keep package lists and downloaded packages of the distribution out of the final image.",
    Phase.CLEAN,
    apply,
)
