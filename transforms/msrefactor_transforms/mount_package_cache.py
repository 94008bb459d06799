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

Needs BuildKit, and so runs only when it is selected. It knows apt, apk, dnf, yum, microdnf, zypper, pip, uv,
poetry, pipenv, conda, micromamba, npm, yarn (both), pnpm, bun, RubyGems, Bundler, Composer, go, cargo, Maven,
Gradle, sbt and NuGet; `knowledge/package_caches.toml` says where each has its cache, and what defeats it.
A build has to work with any contents of the cache: what a later step needs to find there isn't put into a
mount, nor a folder in which something installed lives. A RUN that has a cache mount already, a heredoc or an
exec form is left alone.

Refuses with ``base-unknown`` when nothing is known about the image; ``install-mode`` when an option, a
variable or a setting moves or forbids the cache, the user's number or home isn't known, the tool writes
beside its cache where only root may, two architectures would share it, or something later is there to find
its files; ``opaque-step`` when a later step may work with the cache and isn't understood;
``compiles-at-start`` when the container itself builds, out of the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msrefactor.contract import evidence_of
from msrefactor.facts import Fact
from msrefactor.model import Change, Changed, Outcome, Phase, Refused, Transform, Unchanged, View
from msrefactor.tree import Dockerfile, Instruction
from msrefactor_transforms.cleaning.editing import style_of
from msrefactor_transforms.cleaning.layers import Layers, Place, layers_of, rebuilt
from msrefactor_transforms.mounting.editing import with_mounts
from msrefactor_transforms.mounting.installs import Installs, installs_of, is_shared, uses_tool
from msrefactor_transforms.mounting.obstacles import obstacle_of
from msrefactor_transforms.mounting.owners import facts_before


def apply(view: View) -> Outcome:
    """Put mounts on the RUNs that download, or say why not."""
    if not _has_mounts(view.dockerfile):
        return Unchanged("the file asks for a syntax that may be without cache mounts")
    layers = layers_of(view)
    style = style_of(view.dockerfile)
    found = dict(_installs(view, layers))
    refusals: dict[Place, Refused] = {}
    for place, one in found.items():
        refused = obstacle_of(view, layers, place, one)
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
    in_exec_form = {one.line for one in view.dockerfile.all_instructions if one.exec_form is not None}
    for stage, facts in enumerate(layers.stages):
        for fact in facts.runs():
            instruction = fact.instruction
            if fact.offset is None or instruction.heredocs or instruction.line in in_exec_form:
                continue
            if fact.scope.base.system == "windows" or _is_cached(instruction):
                continue
            found = installs_of(layers, stage, fact, view.name)
            if found is not None:
                yield (stage, fact.index), found


def _is_cached(instruction: Instruction) -> bool:
    return any(flag.name == "mount" and "type=cache" in (flag.value or "") for flag in instruction.flags)


def _spread(layers: Layers, found: Mapping[Place, Installs], refusals: dict[Place, Refused]) -> None:
    """Refuse as well what works with the same cache, on the same layers, as a RUN that stays as it is."""
    for place, one in found.items():
        names = {name for name in one.targets if is_shared(name)}
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
    chain = layers.below(place[0])
    sources += [made.source for other, made in edits.items() if made is not None and other[0] in chain]
    return any("docker-clean" in source for source in sources)


TRANSFORM = Transform(
    "mount-package-cache",
    "Keep what package managers download in a cache mount (needs BuildKit).",
    Phase.MOUNT,
    apply,
    by_default=False,
)
