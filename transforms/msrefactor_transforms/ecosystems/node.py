"""Node and Bun servers: npm, yarn, pnpm, bun; scripts of package.json; builds by tsc and others; pruning.

node_modules and what the build writes are copied from the builder at the same paths. devDependencies are
pruned only where it is proved that nothing started and nothing shipped uses one.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace

from msrefactor.code.needs import CodeNeeds
from msrefactor.code.node_package import NodePackage
from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Fact, Scope, StageFacts
from msrefactor.installers import ToolInstall
from msrefactor.knowledge.images import describe
from msrefactor.knowledge.packages import lost_commands
from msrefactor.model import Evidence, Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems import _bun_commands, _node_commands
from msrefactor_transforms.ecosystems._node_frameworks import framework_server
from msrefactor_transforms.ecosystems._node_globals import globals_of
from msrefactor_transforms.ecosystems._node_projects import (
    NodeBuild,
    NodeInstall,
    package_at,
    package_evidence,
    package_of,
)
from msrefactor_transforms.ecosystems._node_pruning import Pruning, build_files, compiled_sources, pruning
from msrefactor_transforms.ecosystems._node_spared import PACKAGES, PROGRAMS, spared
from msrefactor_transforms.ecosystems._node_starts import development, started
from msrefactor_transforms.ecosystems._node_system import (
    build_packages,
    installed_packages,
    listed_packages,
    source_needs,
)
from msrefactor_transforms.ecosystems._static_plan import site_plan
from msrefactor_transforms.knowledge.native import node_native
from msrefactor_transforms.splitting.bases import saved_by_base, slim_base, with_values
from msrefactor_transforms.splitting.copies import Copied, copied, place_of
from msrefactor_transforms.splitting.plan import (
    Ecosystem,
    Level,
    Missing,
    RuntimePackage,
    SplitPlan,
)

_BROWSERS = frozenset({"puppeteer", "playwright", "cypress", "@playwright/test", "playwright-chromium"})
_YARN_INSIDE = ("nodeLinker: node-modules", "nodeLinker: pnpm", "enableGlobalCache: false")
"""Settings by which yarn keeps the packages in the project's folder."""
_COMMANDS = {"pm2": ("ps",), "pm2-runtime": ("ps",), "pm2-docker": ("ps",)}
"""Commands that what is started starts in turn."""


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of Node's tools does, or of Bun's."""
    return _bun_commands.interpret(command, argv, scope) or _node_commands.interpret(command, argv, scope)


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that installs Node packages is split."""
    site = site_plan(view, facts)
    if site is not None:
        return site
    entries = [(f, e, e.detail) for f, e in facts.effects() if isinstance(e.detail, NodeInstall | NodeBuild)]
    local = [(f, e, d) for f, e, d in entries if isinstance(d, NodeInstall) and not d.is_global]
    if not local:
        return None
    if facts.base.system == "unknown":
        return Refused(
            "base-unknown",
            f"nothing is known about {facts.base.reference.text}",
            (evidence_of(facts.facts[0].instruction, view.name),),
        )
    if not view.context.known:
        return Refused(
            "context-unknown",
            "package.json can't be seen",
            (evidence_of(local[0][0].instruction, view.name),),
        )
    folder = local[-1][2].folder
    package = package_at(folder, facts.end)
    if package is None:
        detail = f"no package.json of the build context lies in {folder} of the image"
        return Refused("context-unknown", detail, (evidence_of(local[-1][0].instruction, view.name),))
    packages_at = {d.folder: found for _, _, d in local if (found := package_at(d.folder, facts.end))}
    programs = tuple(started(view, facts, packages_at))
    obstacle = development(programs) or _kept_elsewhere(facts, local, packages_at, programs)
    if obstacle is not None:
        return obstacle
    sources = source_needs(view, facts)
    based = _based(view, facts, packages_at, programs, sources)
    if isinstance(based, Refused):
        return based
    code, runtime = based.code, based.runtime_image
    shared = globals_of(facts, frozenset(posixpath.basename(name) for name, _ in code.commands))
    if shared.refusal is not None:
        return shared.refusal
    installed = installed_packages(view, tuple(packages_at.values()))
    framework = framework_server(view, facts, package, folder, programs, sources)
    pruned = Pruning()
    if framework.has_packages:
        pruned = pruning(view, facts, package, local, programs, code, is_bundled=framework.is_bundled)
    own = set(package.dependencies) | set(package.dev_dependencies) | set(package.optional)
    return replace(
        based,
        artifacts=(*shared.artifacts, *framework.artifacts),
        replayed=shared.replayed,
        unneeded=shared.unneeded | framework.unneeded | _idle_links(facts, code),
        removed=framework.removed,
        assumptions=framework.assumptions,
        build_epilogue=pruned.epilogue,
        edits=pruned.edits,
        build_packages=build_packages(facts, code, tuple(installed), tuple(packages_at.values())),
        dropped=framework.dropped or compiled_sources(view, facts, entries, programs, code),
        build_files=build_files(view, facts, folder, programs),
        provides=lambda command: _provided(command, own, folder),
        reason="install and build in a builder stage"
        + (", without devDependencies in the end" if pruned.saved_mb else "")
        + (f", without the caches of {framework.what}'s build" if framework.removed else "")
        + (f", with nothing but what {framework.what}'s server needs" if framework.dropped else "")
        + f"; the final stage starts from {runtime}",
        saved_mb=based.saved_mb + pruned.saved_mb + framework.saved_mb,
    )


def runs_on(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return which image of Node runs a program for which nothing more is built."""
    if facts.base.family != "node":
        return None
    installs = [e.detail for _, e in facts.effects() if isinstance(e.detail, NodeInstall)]
    folders = dict.fromkeys(i.folder for i in installs if not i.is_global)
    packages_at = {folder: found for folder in folders if (found := package_at(folder, facts.end))}
    if len(packages_at) < len(folders):
        return Refused("context-unknown", "package.json of what is installed can't be seen")
    for fact in facts.facts:
        for placed in fact.placed if not packages_at else ():
            files = view.context.files(placed.source) if placed.is_folder else (placed.source,)
            native = next((path for path in files if path.endswith((".node", ".so"))), None)
            if native is not None:
                return Refused("runtime-library", f"which libraries {native} needs isn't known")
    programs = tuple(started(view, facts, packages_at))
    return development(programs) or _based(view, facts, packages_at, programs, source_needs(view, facts))


def _based(
    view: View,
    facts: StageFacts,
    packages_at: Mapping[str, NodePackage],
    programs: Sequence[tuple[tuple[str, ...], Evidence]],
    code: CodeNeeds,
) -> SplitPlan | Refused:
    """Return the final stage's base, and what the installed packages need on it."""
    base = facts.base
    installed = installed_packages(view, tuple(packages_at.values()))
    level, runtime = slim_base(facts, "node")
    if base.family != "node" and all(
        (native := node_native(name)) is None
        or native.packages(facts.base.system, facts.base.releases) is not None
        for name in installed
    ):
        # Node came with a package of the author, which goes along; or it is bun's own image
        level, runtime = slim_base(facts, base.family)
    commands = [(words[0], evidence) for words, evidence in programs if words and "/" not in words[0]]
    for name, evidence in tuple(commands):
        commands.extend((command, evidence) for command in _COMMANDS.get(name, ()))
    libraries: list[RuntimePackage] = []
    has_headers = any(name.endswith("-dev") for name in listed_packages(facts))
    is_less = level is Level.SLIM and bool(lost_commands(base, describe(with_values(view, runtime))))
    for name, owner in installed.items() if is_less or has_headers else ():
        native = node_native(name)
        if native is None:
            continue
        evidence = package_evidence(owner, name)
        names = native.packages(base.system, base.releases)
        if names is None and is_less:
            return Refused(
                "runtime-library", f"which libraries {name} needs on {runtime} isn't known", (evidence,)
            )
        libraries.extend(RuntimePackage(library, evidence, f"{name} loads it") for library in names or ())
        if is_less:
            commands.extend((command, evidence) for command in native.commands)
    return SplitPlan(
        ecosystem="node",
        level=level,
        runtime_image=runtime,
        packages=tuple(libraries),
        code=replace(code, commands=(*code.commands, *commands)),
        saved_mb=saved_by_base(view, facts, runtime),
    )


def _idle_links(facts: StageFacts, code: CodeNeeds) -> frozenset[str]:
    """Return the links by the name bunx that nothing starts: a copy of one is the whole program again."""
    if any(posixpath.basename(name) == "bunx" for name, _ in code.commands):
        return frozenset()
    return frozenset(
        path
        for _, effect in facts.effects()
        if isinstance(effect.detail, ToolInstall)
        for path in effect.writes
        if posixpath.basename(path) == "bunx"
    )


def _kept_elsewhere(
    facts: StageFacts,
    local: Sequence[tuple[Fact, Effect, NodeInstall]],
    packages: Mapping[str, NodePackage],
    programs: Sequence[tuple[tuple[str, ...], Evidence]],
) -> Refused | None:
    """Return the obstacle that something the program loads lies outside its folder, in somebody's cache."""
    for package in packages.values():
        for name in sorted(_BROWSERS & set(package.dependencies)):
            evidence = package_evidence(package, name)
            return Refused("need-not-found", f"{name} keeps a browser outside node_modules", (evidence,))
    tools = {posixpath.basename(words[0]) for words, _ in programs if words}
    managers = sorted(tools & {"yarn", "pnpm"})
    if managers and any(effect.detail == "corepack" for _, effect in facts.effects()):
        return Refused(
            "need-not-found",
            f"`{managers[0]}` is fetched by corepack and started with the container",
            remedy="start the program itself, or install the package manager with npm install -g",
        )
    for _, _, install in local:
        settings = facts.end.read(posixpath.join(install.folder, ".yarnrc.yml")) or ""
        is_inside = any(setting in settings for setting in _YARN_INSIDE)
        if install.manager == "yarn" and settings and not is_inside:
            detail = "yarn loads the packages from its cache, which lies outside the project"
            return Refused("need-not-found", detail)
        if install.manager == "bun":
            text = facts.end.read(posixpath.join(install.folder, "bunfig.toml")) or ""
            if "globalStore" in text or '"symlink"' in text:
                return Refused("need-not-found", "bun keeps the packages outside the project")
        if install.manager == "pnpm":
            for name in (".npmrc", "pnpm-workspace.yaml"):
                text = facts.end.read(posixpath.join(install.folder, name)) or ""
                if "virtual-store" in text.lower() or "VirtualStore" in text:
                    return Refused("need-not-found", "pnpm keeps the packages outside the project")
    return None


def _provided(command: str, own: set[str], folder: str) -> str | None:
    name = posixpath.basename(command)
    if "/" not in command and name in own:
        return f"{folder}/node_modules/.bin, copied"
    return None


def missing(view: View, stages: Sequence[StageFacts]) -> Sequence[Missing] | Refused:
    """Return node_modules of an earlier stage, when the final stage starts Node code that imports from it."""
    final = stages[-1]
    if final.base.family != "node" or any(isinstance(e.detail, NodeInstall) for _, e in final.effects()):
        return ()
    copies = copied(view, len(stages) - 1, final)
    for index in sorted({copy.stage for copy in copies}):
        facts = stages[index]
        installs = [
            e.detail
            for _, e in facts.effects()
            if isinstance(e.detail, NodeInstall) and not e.detail.is_global
        ]
        builds = [e.detail for _, e in facts.effects() if isinstance(e.detail, NodeBuild)]
        if not installs or facts.base.system != final.base.system:
            continue
        folder = installs[-1].folder
        modules = f"{folder}/node_modules"
        if place_of(modules, index, copies) is not None or any(f"{modules}/" in c.source for c in copies):
            continue
        if any("node_modules" in copy.source or "standalone" in copy.source for copy in copies):
            continue
        if any(build.tsc_output is None for build in builds):
            continue  # a bundler may have put everything into its output
        package = package_at(folder, facts.end)
        if package is None or not package.dependencies:
            continue
        launched = [words for words, _ in started(view, final, {final.end.cwd: package})]
        if not any(words and posixpath.basename(words[0]) == "node" for words in launched):
            continue
        evidence = _import_of_dependency(view, facts, package)
        if evidence is None:
            continue
        target = _modules_place(final, copies, index, folder)
        reason = f"copy node_modules to the final stage: `{evidence.text}` fails without it"
        return (Missing(index, modules, target, reason, (evidence,)),)
    return ()


def _import_of_dependency(view: View, facts: StageFacts, package: NodePackage) -> Evidence | None:
    from msrefactor.code.javascript import javascript_needs

    for fact in facts.facts:
        for placed in fact.placed:
            files = view.context.files(placed.source) if placed.is_folder else (placed.source,)
            for file in files:
                if not file.endswith((".js", ".mjs", ".cjs", ".ts")) or "node_modules/" in file:
                    continue
                text = view.context.read_text(file) or ""
                read = javascript_needs(file, text)
                for name in sorted(read.imports if read else ()):
                    if package_of(name) in package.dependencies:
                        line = next((n for n, row in enumerate(text.splitlines(), 1) if name in row), None)
                        return Evidence(file, line, f"import of {name}")
    return None


def _modules_place(final: StageFacts, copies: Sequence[Copied], index: int, folder: str) -> str:
    """Return the folder from which what is started finds its modules: the place of the project."""
    place = place_of(folder, index, copies)
    if place is not None:
        return f"{place}/node_modules"
    return posixpath.join(final.end.cwd, "node_modules")


ECOSYSTEM = Ecosystem(
    "node",
    interpret,
    plan,
    missing,
    programs=PROGRAMS,
    packages=PACKAGES,
    images=frozenset({"node", "bun"}),
    code=source_needs,
    spared=spared,
    runs_on=runs_on,
)
