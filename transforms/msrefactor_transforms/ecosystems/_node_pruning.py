"""What of a Node project only its build needs: devDependencies, compiled sources, manifests."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.code.needs import CodeNeeds
from msrefactor.code.node_package import NodePackage
from msrefactor.facts import Effect, Fact, Role, Scope, StageFacts
from msrefactor.model import Evidence, View
from msrefactor_transforms.ecosystems._node_projects import HOOKS, NodeBuild, NodeInstall, package_of


def pruning(
    view: View,
    facts: StageFacts,
    package: NodePackage,
    local: Sequence[tuple[Fact, Effect, NodeInstall]],
    programs: Sequence[tuple[tuple[str, ...], Evidence]],
    code: CodeNeeds,
) -> tuple[tuple[str, ...], float]:
    """Return the instruction that prunes devDependencies, and what it saves, when that is proved harmless.

    Proof: one npm project with a lock file; what starts is `node` and files; every package that the source
    imports, and every program it starts, comes from `dependencies`.
    """
    install = local[-1][2]
    is_plain = (
        install.manager == "npm"
        and install.with_dev
        and bool(package.dev_dependencies)
        and package.lock_kind == "npm"
        and not package.workspaces
        and not package.local_dependencies
        and len(local) == 1
    )
    if not is_plain or code.unknown_commands or any("prisma" in name for name in package.dev_dependencies):
        return (), 0.0
    if any(hook in package.scripts for hook in HOOKS):
        return (), 0.0
    for fact, effect in facts.effects():
        if (
            effect.tool in ("npm", "yarn")
            and isinstance(effect.detail, NodeBuild)
            and "prune" in fact.instruction.text
        ):
            return (), 0.0
    if not programs or any(
        posixpath.basename(words[0]) not in ("node", "npm", "/bin/sh", "sh", "docker-entrypoint.sh")
        for words, _ in programs
        if words
    ):
        return (), 0.0
    dev_only = set(package.dev_dependencies) - set(package.dependencies)
    imported = {package_of(name) for name in code.imports}
    loaded = {word for words, _ in programs for word in words[1:]}
    if imported & dev_only or loaded & dev_only or any(package_of(word) in dev_only for word in loaded):
        return (), 0.0
    if _mentions(view, facts, dev_only):
        return (), 0.0
    scopes = _scopes_of_the_build(facts, local[0][0])
    if any(scope.user != scopes[0].user for scope in scopes):
        return (), 0.0
    place = "" if scopes[-1].cwd == install.folder else f"cd {install.folder} && "
    return (f"RUN {place}npm prune --omit=dev\n",), 5.0 * len(package.dev_dependencies)


def _scopes_of_the_build(facts: StageFacts, install: Fact) -> list[Scope]:
    """Return what holds from the install to behind the last step of the build."""
    steps = (f.index for f in facts.runs() if f.role in (Role.BUILD, Role.FETCH, Role.GATE))
    last = max(install.index, *steps, 0)
    return [fact.scope for fact in facts.facts[install.index : last + 2]]


def _mentions(view: View, facts: StageFacts, names: set[str]) -> bool:
    """Whether a configuration file that is read at run time names one of the packages, as a plug-in does."""
    for file in view.context.files():
        base = posixpath.basename(file)
        if (
            base.startswith((".babelrc", "babel.config", ".swcrc", "ecosystem.config", ".mocharc"))
            and "node_modules" not in file
        ):
            text = view.context.read_text(file) or ""
            if base.startswith("ecosystem") and any(name in text for name in names):
                return True
    return False


def compiled_sources(
    view: View,
    facts: StageFacts,
    entries: Sequence[tuple[Fact, Effect, NodeInstall | NodeBuild]],
    programs: Sequence[tuple[tuple[str, ...], Evidence]],
    code: CodeNeeds,
) -> tuple[str, ...]:
    """Return folders that hold only TypeScript which tsc has compiled, and that nothing started names."""
    outputs = {d.tsc_output for _, _, d in entries if isinstance(d, NodeBuild)}
    if outputs == {None} or not outputs or not programs:
        return ()
    if any(posixpath.basename(words[0]) in ("ts-node", "tsx", "npx") for words, _ in programs if words):
        return ()
    if "tsconfig-paths/register" in code.imports or any("ts-node" in name for name in code.imports):
        return ()
    found = []
    for fact in facts.facts:
        for placed in fact.placed:
            if not placed.is_folder or not placed.source:
                continue
            files = view.context.files(placed.source)
            name = posixpath.basename(placed.source)
            named = any(path.split("/")[0] == name or f"/{name}/" in path for path, _ in code.paths)
            started = any(f"{name}/" in word for words, _ in programs for word in words[1:])
            if files and all(f.endswith((".ts", ".tsx")) for f in files) and not named and not started:
                found.append(placed.destination)
    return tuple(found)


def build_files(
    view: View, facts: StageFacts, folder: str, programs: Sequence[tuple[tuple[str, ...], Evidence]]
) -> frozenset[str]:
    """Return manifests that only the build reads; package.json isn't one."""
    if any(posixpath.basename(words[0]) not in ("node",) for words, _ in programs if words):
        return frozenset()
    names = (
        "package-lock.json",
        "npm-shrinkwrap.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "tsconfig.json",
        ".npmrc",
        ".yarnrc",
    )
    return frozenset(posixpath.join(folder, name) for name in names)
