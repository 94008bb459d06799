"""With --unsafe: leave out the packages that apt only recommends.

Before::

    FROM debian:trixie
    RUN apt-get update && apt-get install -y nginx && rm -rf /var/lib/apt/lists/*
    CMD ["nginx", "-g", "daemon off;"]

After::

    FROM debian:trixie
    RUN apt-get update && apt-get install -y --no-install-recommends nginx && rm -rf /var/lib/apt/lists/*
    CMD ["nginx", "-g", "daemon off;"]

Nobody can see in the Dockerfile whether a recommended package is used, so that this is an assumption and
never made without --unsafe. An install of programs that are known not to work without what they recommend is
left alone, and so is a stage whose layers don't reach the final image. Refuses with ``install-mode`` when the
words of an install aren't known.
"""

from __future__ import annotations

from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, is_under
from msrefactor.model import Change, Changed, Outcome, Phase, Refused, Risk, Transform, Unchanged, View
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.layers import Place, commands_of, layers_of, rebuilt

_OPTION = "--no-install-recommends"
_RELYING: dict[str, str] = {
    "curl": "ca-certificates",
    "wget": "ca-certificates",
    "git": "ca-certificates",
    "gnupg": "dirmngr",
    "gcc": "libc6-dev",
    "g++": "libc6-dev",
    "clang": "libc6-dev",
    "python3-pip": "python3-dev",
    "npm": "node-gyp",
    "composer": "unzip",
}
"""Packages that are of little use without what they recommend; with that in the list, they are."""


def apply(view: View) -> Outcome:
    """Give the option to every install of the final image that lacks it."""
    if not view.settings.unsafe:
        return Unchanged("recommended packages are left out only with --unsafe")
    layers = layers_of(view)
    configured = any(
        is_under(path, "/etc/apt/apt.conf.d") or path == "/etc/apt/apt.conf"
        for _, fact in layers.runs()
        for effect in fact.effects
        for path in effect.writes
    )
    if configured:
        return Unchanged("the Dockerfile configures apt itself")
    edits: dict[Place, Instruction | None] = {}
    changes: list[Change] = []
    for stage, fact in layers.runs():
        made = _without_recommended(view, fact)
        if isinstance(made, Refused):
            return made
        if made is None:
            continue
        edits[stage, fact.index] = made
        changes.append(
            Change(
                "install without what the packages only recommend",
                Risk.REVIEW,
                fact.line,
                assumptions=(f"nothing uses what the packages of line {fact.line} only recommend",),
            )
        )
    if not edits:
        return Unchanged("every install of the final image leaves out recommended packages, or needs them")
    return Changed(rebuilt(view.dockerfile, edits), tuple(changes))


def _without_recommended(view: View, fact: Fact) -> Instruction | Refused | None:
    edits: list[tuple[int, int, str]] = []
    for _, command, effect in commands_of(fact):
        call = effect.detail
        if command is None or not isinstance(call, PackageCall) or fact.offset is None:
            continue
        if call.manager != "apt" or call.action != "install" or call.without_recommends or not call.names:
            continue
        if None in call.names:
            detail = f"not every package that line {fact.line} installs is known by its name"
            return Refused("install-mode", detail, (evidence_of(fact.instruction, view.name),))
        if any(need not in call.names for name, need in _RELYING.items() if name in call.names):
            continue
        word = next((word for word in command.words if word.text == "install"), None)
        if word is not None:
            # behind `-y`, where most people write it
            after = command.words[command.words.index(word) + 1 :]
            for option in after:
                if not option.text.startswith("-"):
                    break
                word = option
            end = fact.offset(word.start, word.end)[1]
            edits.append((end, end, f" {_OPTION}"))
    return fact.instruction.replaced(edits) if edits else None


TRANSFORM = Transform(
    "skip-recommended-packages",
    "With --unsafe, leave out the packages that apt only recommends.",
    Phase.CLEAN,
    apply,
    edits_stand_alone=True,
)
