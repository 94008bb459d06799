"""Programs that `bun build --compile` and `deno compile` make: the runtime and the script in one file.

What is embedded in one is the script with all that it imports by name. It links the C library alone, and a
prebuilt runtime for an old one at that: any newer release will do.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from msrefactor.code.needs import EMPTY, CodeNeeds, SourceReader, context_path
from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, StageFacts
from msrefactor.knowledge.images import describe
from msrefactor.model import Refused, View
from msrefactor_transforms.ecosystems._plain_program import PlainBuild, builds_of
from msrefactor_transforms.splitting.bases import slim_base, with_values
from msrefactor_transforms.splitting.compiled import Binary, Program, plan_of
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.opened import Opened, SourceKind
from msrefactor_transforms.splitting.plan import Artifact, RuntimePackage, SplitPlan
from msrefactor_transforms.splitting.question import is_install

_SOURCES = (".ts", ".tsx", ".mts", ".cts", ".jsx")
_ENDINGS = (*_SOURCES, ".js", ".mjs", ".cjs")
_MANIFESTS = frozenset(
    "package.json package-lock.json bun.lock bun.lockb deno.json deno.jsonc deno.lock import_map.json "
    "tsconfig.json biome.json eslint.config.js node_modules test tests __tests__".split()
)
_OPENED_BY_NAME = ("new Worker(", "FileSystemRouter", "Bun.plugin(")
"""Calls that load source when the program runs."""


_ACCOUNTS = {
    (
        "bun",
        "debian",
    ): "groupadd --gid 1000 bun && useradd --uid 1000 --gid bun --shell /bin/sh --create-home bun",
    ("bun", "alpine"): "addgroup -g 1000 bun && adduser -u 1000 -G bun -s /bin/sh -D bun",
    ("deno", "debian"): "useradd --uid 1993 --user-group deno",
    ("node", "debian"): "groupadd --gid 1000 node && "
    "useradd --uid 1000 --gid node --shell /bin/bash --create-home node",
    ("node", "alpine"): "addgroup -g 1000 node && adduser -u 1000 -G node -s /bin/sh -D node",
}
"""How these families' own Dockerfiles make the user that their images bring, by system."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A runtime that puts itself and a script into one program."""

    name: str
    """The ecosystem's name, the command's, and that of the images' family."""
    development: frozenset[str]
    systems: tuple[str, ...]
    """Systems of its images whose plain image its programs run on."""
    libraries: tuple[tuple[str, str], ...] = ()
    """By system: packages with the libraries that its programs load there."""


def plan_of_programs(
    view: View, facts: StageFacts, compiler: Compiler, beside: Sequence[Artifact] = ()
) -> SplitPlan | Refused | None:
    """Return how a stage is split whose container starts such programs; None: it starts the runtime."""
    builds = builds_of(facts, compiler.name)
    if not builds:
        return None
    builds.extend(_taken(facts, compiler.name, {path for _, build in builds for path in build.outputs}))
    place = evidence_of(builds[0][0].instruction, view.name)
    folders = tuple(dict.fromkeys(build.project for _, build in builds if build.project != "/"))
    needs, texts = _read(view.context, facts, folders)
    wants = wanted(view, facts, needs)
    if any(posixpath.basename(name) in compiler.development for name, _ in wants.commands):
        return None
    by_name = _started_by_bare_name(facts, [path for _, build in builds for path in build.outputs])
    if by_name is not None and facts.base.family == compiler.name:
        return Refused("need-not-found", by_name, (place,), "start it by its path, such as `./server`")
    reads_source = _may_read_source(view.context, facts, folders, needs, texts)
    kind = SourceKind(() if reads_source else _SOURCES, () if reads_source else _ENDINGS, _MANIFESTS)
    image = _image(facts, compiler)
    if image is None:
        return None
    last = max(fact.index for fact, _ in builds)
    program = Program(
        ecosystem=compiler.name,
        toolchains=frozenset({compiler.name, "node"}),
        binaries=tuple(
            Binary(path, fact.index, False, build.is_tool) for fact, build in builds for path in build.outputs
        ),
        sources=folders,
        opened=Opened(kind, folders, needs, texts, unsure="may be opened by the program"),
        libraries=tuple(
            RuntimePackage(name, place, f"programs of {compiler.name} load it")
            for system, name in compiler.libraries
            if system == facts.base.system
        ),
        beside=tuple(replace(one, after=max(one.after, last)) for one in beside),
        development=compiler.development,
        runtime_image=image or None,
        evidence=(place,),
        why=f", which has {compiler.name} in it",
    )
    plan = plan_of(view, facts, program)
    if isinstance(plan, Refused):
        return plan
    family = facts.base.family
    account = _ACCOUNTS.get((family, facts.base.system))
    is_lost = describe(with_values(view, plan.runtime_image)).family != family
    if account is None or not is_lost or not _names(facts, family):
        return plan
    return replace(plan, runtime_opening=(f"RUN {account}\n",))


def _taken(facts: StageFacts, name: str, outputs: AbstractSet[str]) -> list[tuple[Fact, PlainBuild]]:
    """Return the programs that are copied or moved to where they are started."""
    return [
        (fact, PlainBuild(name, effect.writes, fact.scope.cwd))
        for fact, effect in facts.effects()
        if effect.tool in ("cp", "mv", "install") and outputs & set(effect.reads)
    ]


def _may_read_source(
    reader: SourceReader,
    facts: StageFacts,
    folders: Sequence[str],
    needs: CodeNeeds,
    texts: Mapping[str, str],
) -> bool:
    """Whether the program may load source from its folder when it runs: migrations, pages, workers."""
    if needs.unknown_imports or needs.unknown_paths:
        return True
    if any(mark in text for text in texts.values() for mark in _OPENED_BY_NAME):
        return True
    roots = [root for folder in folders if (root := facts.end.origin(folder)) is not None]
    for name, _ in needs.paths:
        inside = context_path(name)
        named = [inside] if inside is not None else [posixpath.join(root, name) for root in roots]
        for path in map(posixpath.normpath, named):
            if reader.is_dir(path) and any(file.endswith(_ENDINGS) for file in reader.files(path)):
                return True
    return False


def _image(facts: StageFacts, compiler: Compiler) -> str | None:
    """Return the plain image of the runtime's system; "" where the base says more; None: it has to stay."""
    base = facts.base
    if base.family != compiler.name:
        return ""
    if base.reference.digest and not base.reference.tag:
        return None  # it may be the variant of another system
    if any(is_install(effect) for _, effect in facts.effects()):
        # what the author installs has the names of one release, and the tag doesn't tell which
        image = slim_base(facts, compiler.name)[1]
        return image if image != facts.stage.image else None
    if base.system not in compiler.systems:
        return None
    if base.system == "alpine":
        return f"alpine:{describe('alpine').releases[-1]}"
    return f"debian:{describe('debian').releases[-1]}-slim" if base.system == "debian" else None


def _started_by_bare_name(facts: StageFacts, outputs: Sequence[str]) -> str | None:
    """Return the obstacle that the base's entrypoint gives a name without a folder to the runtime."""
    last = {instruction.keyword: instruction for instruction in facts.stage.instructions}
    words = last["CMD"].exec_form if "CMD" in last and "ENTRYPOINT" not in last else None
    if not words or "/" in words[0]:
        return None
    folders = facts.end.variables.get("PATH", "").split(":")
    named = [path for path in outputs if posixpath.basename(path) == words[0]]
    if not named or any(posixpath.dirname(path) in folders for path in named):
        return None
    return f"`{words[0]}` is no command of PATH: the entrypoint of {facts.base.reference.text} has to find it"


def _names(facts: StageFacts, user: str) -> bool:
    for fact in facts.facts:
        owners = [*(fact.instruction.flag("chown") or "").split(":")]
        if fact.keyword == "USER":
            owners.extend(fact.instruction.arguments.strip().split(":"))
        if user in owners or any(user in effect.mentions_users for effect in fact.effects):
            return True
    return False


def _read(
    reader: SourceReader, facts: StageFacts, folders: Sequence[str]
) -> tuple[CodeNeeds, dict[str, str]]:
    from msrefactor.code.javascript import javascript_needs_of
    from msrefactor.code.needs import source_texts

    roots = [root for folder in folders if (root := facts.end.origin(folder)) is not None]
    paths = tuple(
        dict.fromkeys(
            path
            for root in roots
            for path in reader.files(root)
            if path.endswith(_ENDINGS) and "node_modules" not in path.split("/")
        )
    )
    needs = javascript_needs_of(reader, paths) if paths else EMPTY
    return needs, dict(source_texts(reader, paths))
