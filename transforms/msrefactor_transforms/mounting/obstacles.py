"""Why a RUN can't have its mounts: who else needs what is in them."""

from __future__ import annotations

import posixpath

from msrefactor.contract import evidence_of, starts
from msrefactor.facts import Fact, Role, StageFacts, is_under, overlaps
from msrefactor.model import Refused, View
from msrefactor.tree import Flag
from msrefactor_transforms.cleaning.layers import Layers, Place, commands_of
from msrefactor_transforms.cleaning.lists import lists_of
from msrefactor_transforms.knowledge.package_caches import package_caches
from msrefactor_transforms.mounting.editing import BY_ARCHITECTURE
from msrefactor_transforms.mounting.installs import Installs, is_shared, uses_tool
from msrefactor_transforms.mounting.owners import facts_before
from msrefactor_transforms.splitting.copies import copied


def obstacle_of(view: View, layers: Layers, place: Place, one: Installs) -> Refused | None:
    """Return why a RUN can't have its mounts."""
    stage, fact = place[0], one.fact
    evidence = (evidence_of(fact.instruction, view.name),)
    if fact.scope.base.system == "unknown" and not _RUN_BY_ROOT.issuperset(one.targets):
        detail = f"which folders and users the image of line {fact.line} has isn't known"
        return Refused("base-unknown", detail, evidence)
    if one.obstacle is not None:
        return one.obstacle
    mixed = [name for name in one.targets if name in BY_ARCHITECTURE]
    if mixed and "TARGETARCH" not in fact.scope.arguments and _is_for_many(view):
        detail = f"the cache of {mixed[0]} doesn't tell architectures apart, and the image is for several"
        return Refused("install-mode", detail, evidence, "declare ARG TARGETARCH above that RUN")
    targets = one.all_targets
    if any(_is_beside(flag, target) for flag in fact.instruction.flags for target in targets):
        return Refused("install-mode", f"line {fact.line} mounts something at the same place", evidence)
    taken = _taken(view, layers, one)
    if taken is not None:
        detail = f"line {taken.line} copies from {targets[0]} or around it, which a mount would leave empty"
        return Refused("install-mode", detail, (evidence_of(taken.instruction, view.name),))
    for earlier in facts_before(layers, stage, fact):
        if earlier.destination and any(_fills(earlier, target) for target in targets):
            detail = f"line {earlier.line} copies to {earlier.destination}, which a mount would hide"
            return Refused("install-mode", detail, (evidence_of(earlier.instruction, view.name),))
    for _, other in layers.later(stage, fact.index):
        for name in one.targets:
            obstacle = _needed_later(view, other, name, one)
            if obstacle is not None:
                return obstacle
    return _needed_at_start(view, layers, stage, one)


_RUN_BY_ROOT = frozenset({"apk", "zypper"})
"""They have their cache at one place in every image, and nobody but root runs them."""
_PLATFORMS = ("TARGETPLATFORM", "TARGETARCH", "TARGETOS", "TARGETVARIANT", "BUILDPLATFORM", "BUILDARCH")


def _is_for_many(view: View) -> bool:
    """Whether the file says that it is built for several architectures."""
    sources = [instruction.source for instruction in view.dockerfile.all_instructions]
    return any(name in source for source in sources for name in _PLATFORMS)


def _is_beside(flag: Flag, target: str) -> bool:
    """Whether a mount of the author's lies in the folder of a new one, or around it."""
    fields = dict(part.partition("=")[::2] for part in (flag.value or "").split(","))
    place = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
    return flag.name == "mount" and place.startswith("/") and overlaps(posixpath.normpath(place), target)


def _taken(view: View, layers: Layers, installs: Installs) -> Fact | None:
    """Return what takes files out of a folder of the mounts."""
    for index, facts in enumerate(layers.stages):
        for one in copied(view, index, facts):
            if _is_missed(one.source, installs):
                return one.fact
        for fact in facts.runs():
            for flag in fact.instruction.flags:
                fields = dict(part.partition("=")[::2] for part in (flag.value or "").split(","))
                source = posixpath.normpath("/" + fields.get("source", fields.get("src", "")))
                if fields.get("from") and _is_missed(source, installs):
                    return fact
    return None


def _is_missed(source: str, installs: Installs) -> bool:
    """Whether something is missing in a copy of a folder without what is in the mounts."""
    return any(
        is_under(source, target) or (is_shared(name) and is_under(target, source))
        for name, targets in installs.targets.items()
        for target in targets
    )


def _fills(fact: Fact, target: str) -> bool:
    """Whether a COPY puts something where a mount would be."""
    place = fact.destination or ""
    if is_under(place, target):
        return True
    return fact.from_stage is not None and is_under(target, place) and place != "/"


def _needed_later(view: View, other: Fact, name: str, one: Installs) -> Refused | None:
    """Return why a later step can't do without what the RUN leaves in its cache."""
    if other.keyword != "RUN":
        return None
    evidence = (evidence_of(other.instruction, view.name),)
    uses = uses_tool(other, name)
    for _, command, effect in commands_of(other):
        texts = {word.text for word in command.words} if command is not None else set()
        offline = package_caches()[name].offline or _ALWAYS_OFFLINE
        if (uses and not texts.isdisjoint(offline)) or _has_no_net(other):
            detail = (
                f"line {other.line} works with what line {one.fact.line} downloads, and downloads nothing"
            )
            return Refused("install-mode", detail, evidence, "let that step download by itself")
        if is_shared(name) and name != "apt" and effect.role is Role.OPAQUE:
            detail = (
                f"line {other.line} may work with what {name} has downloaded: {effect.why or effect.tool}"
            )
            return Refused("opaque-step", detail, evidence)
    if name == "apt" and (lists_of(other).needs or lists_of(other).unknown is not None):
        detail = f"line {other.line} may install from the package lists that line {one.fact.line} fetches"
        return Refused("install-mode", detail, evidence, "begin that RUN with a fetch of its own")
    if not uses and _names(other, one.targets[name]):
        detail = f"line {other.line} works with the files in {one.targets[name][0]}"
        return Refused("install-mode", detail, evidence)
    if name == "maven" and uses and _installs_own(one.fact):
        detail = f"line {other.line} may need what line {one.fact.line} installs into the local repository"
        return Refused("install-mode", detail, evidence, "build the modules in one RUN")
    return None


_ALWAYS_OFFLINE = frozenset({"--offline", "--prefer-offline"})


def _has_no_net(fact: Fact) -> bool:
    return fact.instruction.flag("network") == "none"


def _installs_own(fact: Fact) -> bool:
    """Whether Maven puts what it builds itself into the local repository."""
    return any(
        word.text in ("install", "install:install-file", "deploy")
        for _, command, _ in commands_of(fact)
        if command is not None
        for word in command.words
    )


def _names(fact: Fact, targets: tuple[str, ...]) -> bool:
    """Whether a RUN names a folder of a mount, other than to remove it in any case."""
    folders = {*targets, *(posixpath.dirname(target) for target in targets)}
    for _, command, effect in commands_of(fact):
        if command is None:
            continue
        texts = [fact.scope.value(word) or word.text for word in command.words[1:]]
        if effect.tool == "rm" and any(text.startswith("-") and "f" in text for text in texts):
            continue
        paths = [fact.scope.path(text) for text in texts if "/" in text]
        if any(path in folders or any(is_under(path, target) for target in targets) for path in paths):
            return True
    return False


_RUNNERS = ("make", "air", "reflex", "just", "task")


def _needed_at_start(view: View, layers: Layers, stage: int, one: Installs) -> Refused | None:
    """Return the start of a container that builds with what the RUN downloaded."""
    names = [name for name in one.targets if (is_shared(name) and name != "apt") or name == "uv"]
    tools = {tool for name in names for tool in package_caches()[name].tools}
    if not tools:
        return None
    for index, facts in enumerate(layers.stages):
        if index != stage and not any(other == index for other, _ in layers.later(stage, 0)):
            continue
        has_own = any(fact.keyword in ("CMD", "ENTRYPOINT") for fact in facts.facts)
        if index != len(layers.stages) - 1 and not has_own:
            continue
        for start in starts(view, facts):
            words = start.argv or tuple((start.shell or "").replace(";", " ").replace("&", " ").split())
            if any(_may_run(word, facts, tools) for word in words) and not _is_built(words):
                detail = f"the container may work with what line {one.fact.line} downloads"
                return Refused("compiles-at-start", detail, (start.evidence,))
    return None


def _is_built(words: tuple[str, ...]) -> bool:
    """Whether the words start a .NET program that is built already."""
    verbs = ("run", "watch", "test", "build", "publish", "restore", "msbuild", "tool", "ef")
    return posixpath.basename(words[0]) == "dotnet" and not any(word in verbs for word in words[1:2])


def _may_run(word: str, facts: StageFacts, tools: set[str]) -> bool:
    name = posixpath.basename(word)
    if name in (*tools, *_RUNNERS, "uvx"):
        return True
    if word in (facts.base.entrypoint or ()):
        return False
    if not name.endswith((".sh", ".bash")) and "entrypoint" not in name:
        return False
    text = facts.end.read(facts.end.path(word))
    return text is None or any(tool in text for tool in (*tools, *_RUNNERS))
