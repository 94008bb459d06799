r"""Keep what package managers download in a cache mount, so that the next build doesn't download it again.

Before::

    FROM golang:1.24
    WORKDIR /src
    COPY . .
    RUN CGO_ENABLED=0 go build -o /app .
    CMD ["/app"]

After::

    FROM golang:1.24
    WORKDIR /src
    COPY . .
    RUN --mount=type=cache,target=/go/pkg/mod \
        --mount=type=cache,target=/root/.cache/go-build \
        CGO_ENABLED=0 go build -o /app .
    CMD ["/app"]

Needs BuildKit, and so runs only when it is selected. It knows apt, pip, uv, npm, yarn (classic), go, cargo
and Maven. A build has to work with any contents of the cache: what a later step needs to find there isn't put
into a mount. A RUN that has a cache mount already, a heredoc or an exec form is left alone.

Refuses with ``base-unknown`` when nothing is known about the image; ``install-mode`` when an option, a
variable or a setting moves or forbids the cache, the user's number or home isn't known, or something later is
there to find its files; ``opaque-step`` when a later step may work with the cache and isn't understood;
``compiles-at-start`` when the container itself builds, out of the cache.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from msrefactor.contract import evidence_of, starts
from msrefactor.facts import Fact, Role, StageFacts, is_under, overlaps
from msrefactor.model import Change, Changed, Outcome, Phase, Refused, Transform, Unchanged, View
from msrefactor.tree import Dockerfile, Instruction
from msrefactor_transforms.cleaning.editing import style_of
from msrefactor_transforms.cleaning.layers import Layers, Place, commands_of, layers_of, rebuilt
from msrefactor_transforms.cleaning.lists import lists_of
from msrefactor_transforms.knowledge.package_caches import package_caches
from msrefactor_transforms.mounting.editing import with_mounts
from msrefactor_transforms.mounting.installs import SHARED, Installs, installs_of, uses_tool
from msrefactor_transforms.mounting.owners import facts_before
from msrefactor_transforms.splitting.copies import copied


def apply(view: View) -> Outcome:
    """Put mounts on the RUNs that download, or say why not."""
    if not _has_mounts(view.dockerfile):
        return Unchanged("the file asks for a syntax that may be without cache mounts")
    layers = layers_of(view)
    style = style_of(view.dockerfile)
    found = dict(_installs(view, layers))
    refusals: dict[Place, Refused] = {}
    for place, one in found.items():
        refused = _obstacle(view, layers, place, one)
        if refused is None and with_mounts(one, style, "apt" in one.targets) is None:
            detail = f"line {one.fact.line} is written in a way that leaves no place for a mount"
            refused = Refused("install-mode", detail, (evidence_of(one.fact.instruction, view.name),))
        if refused is not None:
            refusals[place] = refused
    _spread(layers, found, refusals)
    edits: dict[Place, Instruction | None] = {}
    changes: list[Change] = []
    for place, one in found.items():
        if place in refusals:
            continue
        keeps = "apt" in one.targets and not _keeps_archives(layers, place, one.fact, edits)
        edits[place] = with_mounts(one, style, keeps) or one.fact.instruction
        names = " and ".join(one.targets)
        changes.append(Change(f"keep what {names} downloads in a cache mount", line=one.fact.line))
    if not edits:
        nothing = Unchanged("no RUN downloads packages without a cache mount, as far as is known")
        return next(iter(refusals.values()), nothing)
    return Changed(rebuilt(view.dockerfile, edits), tuple(changes))


def _has_mounts(dockerfile: Dockerfile) -> bool:
    """Whether the syntax that the file asks for has `RUN --mount`: docker/dockerfile from 1.2 on."""
    syntax = dockerfile.directive("syntax")
    if syntax is None:
        return True
    name, _, tag = syntax.partition("@")[0].rpartition(":")
    if not name:
        name, tag = tag, "1"
    if not name.endswith("docker/dockerfile"):
        return False
    numbers = tag.split("-")[0].split(".")
    if numbers in (["1"], ["latest"], ["labs"]):
        return True
    if len(numbers) < 2 or not all(part.isdigit() for part in numbers):
        return False
    return (int(numbers[0]), int(numbers[1])) >= (1, 2)


def _installs(view: View, layers: Layers) -> Iterator[tuple[Place, Installs]]:
    for stage, facts in enumerate(layers.stages):
        for fact in facts.runs():
            instruction = fact.instruction
            if fact.offset is None or instruction.heredocs or instruction.exec_form is not None:
                continue
            if fact.scope.base.system == "windows" or _is_cached(instruction):
                continue
            found = installs_of(layers, stage, fact, view.name)
            if found is not None:
                yield (stage, fact.index), found


def _is_cached(instruction: Instruction) -> bool:
    return any(flag.name == "mount" and "type=cache" in (flag.value or "") for flag in instruction.flags)


def _is_shared(installs: Installs) -> bool:
    return any(name in SHARED for name in installs.targets)


# -------------------------------------------------------------------------------------------- obstacles


def _obstacle(view: View, layers: Layers, place: Place, one: Installs) -> Refused | None:
    """Return why a RUN can't have its mounts."""
    stage, fact = place[0], one.fact
    evidence = (evidence_of(fact.instruction, view.name),)
    if fact.scope.base.system == "unknown":
        detail = f"which folders and users the image of line {fact.line} has isn't known"
        return Refused("base-unknown", detail, evidence)
    if one.obstacle is not None:
        return one.obstacle
    targets = one.all_targets
    taken = _taken(view, layers, targets)
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


def _taken(view: View, layers: Layers, targets: tuple[str, ...]) -> Fact | None:
    for index, facts in enumerate(layers.stages):
        for one in copied(view, index, facts):
            if any(overlaps(one.source, target) for target in targets):
                return one.fact
        for fact in facts.runs():
            for flag in fact.instruction.flags:
                fields = dict(part.partition("=")[::2] for part in (flag.value or "").split(","))
                source = posixpath.normpath("/" + fields.get("source", fields.get("src", "")))
                if fields.get("from") and any(overlaps(source, target) for target in targets):
                    return fact
    return None


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
        if (uses and texts & _OFFLINE.get(name, _ALWAYS_OFFLINE)) or _has_no_net(other):
            detail = f"line {other.line} works without the net, with what line {one.fact.line} downloads"
            return Refused("install-mode", detail, evidence, "let that step download by itself")
        if name in SHARED and name != "apt" and effect.role is Role.OPAQUE:
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
_OFFLINE: Mapping[str, frozenset[str]] = {
    "maven": frozenset({"-o", "--offline"}),
    "cargo": frozenset({"--offline", "--frozen"}),
}


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
    names = [name for name in one.targets if (name in SHARED and name != "apt") or name == "uv"]
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
            if any(_may_run(word, facts, tools) for word in words):
                detail = f"the container may work with what line {one.fact.line} downloads"
                return Refused("compiles-at-start", detail, (start.evidence,))
    return None


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


# ---------------------------------------------------------------------------------------- shared caches


def _spread(layers: Layers, found: Mapping[Place, Installs], refusals: dict[Place, Refused]) -> None:
    """Refuse as well what works with the same cache, on the same layers, as a RUN that stays as it is."""
    for place, one in found.items():
        names = {name for name in one.targets if name in SHARED}
        if place in refusals or not names:
            continue
        root = _root(layers, place[0])
        for stage, facts in enumerate(layers.stages):
            for other in facts.runs() if _root(layers, stage) == root else ():
                same = sorted(name for name in names if uses_tool(other, name))
                there = (stage, other.index)
                stays = there in refusals if there in found else not _is_cached(other.instruction)
                if same and stays and place not in refusals:
                    detail = (
                        f"line {other.line} works with the cache of {same[0]} as well, and can't mount it"
                    )
                    refusals[place] = refusals.get(there) or Refused("install-mode", detail)


def _root(layers: Layers, stage: int) -> int:
    while (parent := layers.parents[stage]) is not None:
        stage = parent
    return stage


def _keeps_archives(layers: Layers, place: Place, fact: Fact, edits: dict[Place, Instruction | None]) -> bool:
    """Whether apt keeps its packages already, by an earlier RUN or this one."""
    before = [*facts_before(layers, place[0], fact), fact]
    sources = [other.instruction.source for other in before]
    chain = [place[0]]
    while (parent := layers.parents[chain[0]]) is not None:
        chain.insert(0, parent)
    sources += [made.source for other, made in edits.items() if made is not None and other[0] in chain]
    return any("docker-clean" in source for source in sources)


TRANSFORM = Transform(
    "mount-package-cache",
    "Keep what package managers download in a cache mount (needs BuildKit).",
    Phase.MOUNT,
    apply,
    by_default=False,
)
