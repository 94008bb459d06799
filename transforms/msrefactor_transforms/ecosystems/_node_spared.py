"""What of a Node build stays in the builder, where the container runs something else."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from msrefactor.code.needs import CONTEXT_MARK, CodeNeeds
from msrefactor.facts import Role, StageFacts, is_under
from msrefactor.model import View
from msrefactor_transforms.ecosystems._node_projects import NodeBuild, NodeInstall, modules_of
from msrefactor_transforms.splitting.plan import Spared

PROGRAMS = frozenset(
    "node nodejs npm npx yarn yarnpkg pnpm pnpx corepack pm2 pm2-runtime pm2-docker nodemon ts-node tsx "
    "next nuxt nest serve http-server bun bunx".split()
)
PACKAGES = frozenset("nodejs nodejs-current npm yarn yarnpkg nsolid node-gyp libnode-dev".split())
_MOST_FILES = 4000
_FOR_NODE = (".js", ".cjs", ".mjs", ".ts", ".tsx", ".jsx", ".vue", ".svelte", ".map", ".md", ".css", ".scss")
_IGNORES = frozenset({".gitignore", ".dockerignore", ".npmignore", ".eslintignore", ".prettierignore"})
_UNREAD = frozenset(
    "package.json package-lock.json yarn.lock pnpm-lock.yaml bun.lock Makefile Dockerfile Containerfile "
    "tsconfig.json jsconfig.json".split()
)
"""Files that only tools of the build, or people, read."""


def spared(view: View, facts: StageFacts, code: CodeNeeds) -> Spared:
    """Return what only Node's own tools read: packages, global commands, a front end's sources."""
    entries = [(fact, effect) for fact, effect in facts.effects() if effect.ecosystem == "node"]
    unneeded = {
        path
        for _, effect in entries
        for path in effect.writes
        if isinstance(effect.detail, NodeInstall) and effect.detail.is_global
    }
    folders = dict.fromkeys(
        effect.detail.folder
        for _, effect in entries
        if isinstance(effect.detail, NodeInstall | NodeBuild)
        and not (isinstance(effect.detail, NodeInstall) and effect.detail.is_global)
    )
    if not view.context.known:
        return Spared(unneeded=frozenset(unneeded))
    texts = tuple(_texts(view, facts))
    dropped: list[str] = []
    removed: list[str] = []
    saved = 0.0
    for folder in folders:
        if _is_aside(facts, folder, texts, code):
            dropped.append(folder)
            unneeded |= {path for _, e in entries for path in e.writes if is_under(path, folder)}
            saved += 100.0
            continue
        modules = modules_of(folder)
        if any("node_modules" in text for _, text in texts):
            continue
        saved += 100.0
        unneeded.add(modules)
        if _can_remove(facts, folder):
            removed.append(modules)
    return Spared(tuple(dropped), frozenset(unneeded), tuple(removed), saved)


def _can_remove(facts: StageFacts, folder: str) -> bool:
    """Whether the user of the last step may remove what the installs made."""
    users = [
        fact.scope.user
        for fact, effect in facts.effects()
        if isinstance(effect.detail, NodeInstall) and effect.detail.folder == folder
    ]
    steps = [fact.index for fact in facts.runs() if fact.role >= Role.FETCH]
    if not users or not steps:
        return False
    behind = facts.facts[min(max(steps) + 1, len(facts.facts) - 1)].scope
    return behind.user in ("root", "0", users[-1])


def _is_aside(facts: StageFacts, folder: str, texts: tuple[tuple[str, str], ...], code: CodeNeeds) -> bool:
    """Whether a folder lies apart from what runs, and no file that is read at run time names it."""
    if folder == "/" or is_under(facts.end.cwd, folder) or is_under(folder, facts.end.cwd):
        return False
    name = posixpath.basename(folder)
    own = facts.end.origin(folder)
    if own is not None and any(path == f"{CONTEXT_MARK}{own}" for path, _ in code.paths):
        return False
    for fact in facts.facts:
        if (
            fact.keyword in ("CMD", "ENTRYPOINT", "ENV", "VOLUME", "HEALTHCHECK")
            and name in fact.instruction.text
        ):
            return False
        if fact.from_stage is None and fact.placed and fact.keyword in ("COPY", "ADD"):
            inside = [p for p in fact.placed if is_under(p.destination, folder)]
            outside = [p for p in fact.placed if p.is_folder and is_under(folder, p.destination)]
            if outside and not inside:
                return False  # it came with the program's own files
    return not any(folder in text or f"../{name}" in text for _, text in texts)


def _texts(view: View, facts: StageFacts) -> Iterator[tuple[str, str]]:
    """Yield the files of the image that something beside Node may read."""
    names: dict[str, None] = {}
    for fact in facts.facts:
        for placed in fact.placed:
            for file in view.context.files(placed.source) if placed.is_folder else (placed.source,):
                names.setdefault(file)
    count = 0
    for file in names:
        base = posixpath.basename(file)
        if (
            base in _UNREAD
            or base in _IGNORES
            or base.endswith(_FOR_NODE)
            or base.startswith(("Dockerfile", "docker-compose", ".eslintrc", "tsconfig"))
            or "node_modules" in file.split("/")
            or file.startswith(".github/")
        ):
            continue
        count += 1
        if count > _MOST_FILES:
            yield file, "node_modules"  # too many to be read: as if one of them named the folder
            return
        yield file, view.context.read_text(file) or ""
