"""Tools of Node that were left out before they are needed: devDependencies at the build, or at the start.

What a lock file says of a package counts, not what a name suggests: a tool can come with another package.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

from msrefactor.code.node_package import NodePackage
from msrefactor.facts import Effect, Fact, Role, StageFacts
from msrefactor.model import Change, Evidence, Refused, View
from msrefactor.shell import Command
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.layers import commands_of
from msrefactor_transforms.ecosystems._node_projects import NodeBuild, NodeInstall, package_at
from msrefactor_transforms.ecosystems._node_starts import started
from msrefactor_transforms.repairing.kinds import NOTHING, Found, Place, change, edited, joined, reached, seen
from msrefactor_transforms.splitting.copies import copied, place_of

_PACKAGES = {
    "tsc": "typescript",
    "nest": "@nestjs/cli",
    "ng": "@angular/cli",
    "vue-cli-service": "@vue/cli-service",
    "babel": "@babel/cli",
    "babel-node": "@babel/node",
    "swc": "@swc/cli",
    "run-s": "npm-run-all",
    "run-p": "npm-run-all",
    "dotenv": "dotenv-cli",
    "remix": "@remix-run/dev",
    "tailwindcss": "@tailwindcss/cli",
}
"""The packages of commands that are called otherwise; any other command is looked for by its own name."""
_WITHOUT_DEV = frozenset(
    "--only=production --only=prod --omit=dev --production --production=true --prod -P".split()
)


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Install what the build needs; tell what the start lacks."""
    return joined((_before_the_build(view, stages), _at_the_start(view, stages)))


def _before_the_build(view: View, stages: Sequence[StageFacts]) -> Found:
    replaced: dict[Place, Instruction] = {}
    changes: list[Change] = []
    told: list[Refused] = []
    for index, facts in enumerate(stages):
        for fact, build in _builds(facts):
            found = _last_install(facts, build.folder, fact)
            if found is None or any(one.keyword == "COPY" and one.from_stage for one in facts.facts):
                continue
            install_fact, command, install = found
            package = package_at(build.folder, facts.end)
            if install.with_dev or package is None or _is_berry(facts, package, install):
                continue
            if facts.end.has(posixpath.join(build.folder, "node_modules")):
                continue
            tool = next((words[0] for words in build.programs if _is_left_out(words, package, facts)), None)
            if tool is None or (index, install_fact.index) in replaced:
                continue
            detail = f"`{tool}` of devDependencies is needed by the build, and the install leaves it out"
            evidence = Evidence(package.path, None, f"devDependencies: {_package_of(tool)}")
            edits = _with_dev(install_fact, command, install, facts)
            if edits is None:
                told.append(
                    Refused("fails-today", detail, (seen(view, install_fact), seen(view, fact), evidence))
                )
                continue
            replaced[(index, install_fact.index)] = install_fact.instruction.replaced(edits)
            reason = f"install devDependencies, too: the build runs `{tool}`"
            changes.append(change(view, reason, install_fact, seen(view, fact), evidence))
    return Found(edited(view, changes, replaced) if changes else None, tuple(told))


def _builds(facts: StageFacts) -> Iterator[tuple[Fact, NodeBuild]]:
    for fact, effect in facts.effects():
        if isinstance(effect.detail, NodeBuild) and effect.detail.programs:
            yield fact, effect.detail


def _last_install(facts: StageFacts, folder: str, before: Fact) -> tuple[Fact, Command, NodeInstall] | None:
    """Return the one install of a project's packages that comes before an instruction, or in it."""
    found: list[tuple[Fact, Command, NodeInstall]] = []
    for fact in facts.runs():
        if fact.index > before.index:
            break
        for _, command, effect in commands_of(fact):
            if effect.role is Role.OPAQUE:
                return None
            install = effect.detail
            if isinstance(install, NodeInstall) and (install.is_global or install.folder == folder):
                if command is None or install.is_global:
                    return None
                found.append((fact, command, install))
    return found[0] if len(found) == 1 else None


def _is_berry(facts: StageFacts, package: NodePackage, install: NodeInstall) -> bool:
    """Whether Yarn 2 or newer installs: it takes no notice of NODE_ENV."""
    manager = package.package_manager or ""
    is_new = manager.startswith("yarn@") and not manager.startswith(("yarn@1", "yarn@0"))
    return install.manager == "yarn" and (
        is_new or facts.end.has(posixpath.join(install.folder, ".yarnrc.yml"))
    )


def _package_of(tool: str) -> str:
    return _PACKAGES.get(posixpath.basename(tool), posixpath.basename(tool))


def _is_left_out(words: tuple[str, ...], package: NodePackage, facts: StageFacts) -> bool:
    """Whether a command is surely that of a package which only devDependencies bring."""
    name = _package_of(words[0]) if words else ""
    if (
        not name
        or name not in package.dev_dependencies
        or name in package.dependencies
        or name in package.optional
    ):
        return False
    return _is_dev_in_lock(name, package, facts)


def _is_dev_in_lock(name: str, package: NodePackage, facts: StageFacts) -> bool:
    folder = posixpath.dirname(package.path)
    context = facts.end.context
    text = context.read_text(posixpath.join(folder, "package-lock.json"))
    if text is not None:
        try:
            lock: Any = json.loads(text)
        except ValueError:
            return False
        for key, entry in (("packages", f"node_modules/{name}"), ("dependencies", name)):
            known = lock.get(key, {}).get(entry) if isinstance(lock, dict) else None
            if isinstance(known, dict):
                return known.get("dev") is True
        return False
    text = context.read_text(posixpath.join(folder, "yarn.lock"))
    if text is None or "__metadata" in text:
        return False
    heads = (f"{name}@", f'"{name}@')
    is_locked = any(line.startswith(heads) for line in text.splitlines())
    return is_locked and not any(
        line.startswith("    ") and line.strip().startswith((f"{name} ", f'"{name}" '))
        for line in text.splitlines()
    )


def _with_dev(
    fact: Fact, command: Command, install: NodeInstall, facts: StageFacts
) -> list[tuple[int, int, str]] | None:
    """Return the edits after which the command installs everything; None where it can't be edited."""
    if fact.offset is None:
        return None
    edits: list[tuple[int, int, str]] = []
    source = fact.instruction.source
    for word in command.words[1:]:
        if word.literal in _WITHOUT_DEV:
            start, end = fact.offset(word.start, word.end)
            while start > 0 and source[start - 1] == " ":
                start -= 1
            edits.append((start, end, ""))
    is_by_variable = fact.scope.variables.get("NODE_ENV") == "production"
    if not is_by_variable:
        return edits or None
    major = (facts.base.version or "99").partition(".")[0]
    flag = {"npm": "--include=dev", "yarn": "--production=false"}.get(install.manager)
    if flag is None or (install.manager == "npm" and int(major) < 16):
        return None
    _, end = fact.offset(command.words[-1].start, command.words[-1].end)
    return [*edits, (end, end, f" {flag}")] if not edits else None


# ------------------------------------------------------------------------------------------ at the start


def _at_the_start(view: View, stages: Sequence[StageFacts]) -> Found:
    final, last = stages[-1], len(stages) - 1
    if final.base.family != "node" or len(reached(view, stages)) > 1:
        return NOTHING
    found = _modules_without_dev(view, stages)
    if found is None:
        return NOTHING
    fact, package = found
    programs = list(started(view, final, {final.end.cwd: package}))
    if any(words and posixpath.basename(words[0]) in ("npx", "pnpx", "?") for words, _ in programs):
        return NOTHING
    own = {effect.detail for _, effect in stages[last].effects() if isinstance(effect.detail, NodeInstall)}
    if any(install.is_global for install in own):
        return NOTHING
    for words, evidence in programs:
        if _is_left_out(words, package, final if final.end.has(package.path) else stages[0]):
            detail = f"`{words[0]}` is started, and it is of devDependencies, which are left out"
            remedy = f"move {_package_of(words[0])} to dependencies, or start what the build made"
            return Found(told=(Refused("need-not-found", detail, (evidence, seen(view, fact)), remedy),))
    return NOTHING


def _modules_without_dev(view: View, stages: Sequence[StageFacts]) -> tuple[Fact, NodePackage] | None:
    """Return what left the devDependencies out of the node_modules that the final stage has."""
    final, last = stages[-1], len(stages) - 1
    folder = final.end.cwd
    copies = copied(view, last, final)
    for index in (last, *range(last)):
        facts = stages[index]
        state: tuple[Fact, bool] | None = None
        for fact in facts.runs():
            for _, command, effect in commands_of(fact):
                if effect.role is Role.OPAQUE:
                    return None
                install = effect.detail
                where = install.folder if isinstance(install, NodeInstall | NodeBuild) else None
                if where is None or (
                    where != folder
                    if index == last
                    else place_of(f"{where}/node_modules", index, copies) is None
                ):
                    continue
                if isinstance(install, NodeInstall):
                    state = (fact, install.with_dev)
                elif command is not None and _prunes(command, effect, fact):
                    state = (fact, False)
        if state is not None:
            package = package_at(folder, final.end) or _package_of_stage(facts)
            return (state[0], package) if not state[1] and package is not None else None
    return None


def _package_of_stage(facts: StageFacts) -> NodePackage | None:
    folders = [e.detail.folder for _, e in facts.effects() if isinstance(e.detail, NodeInstall)]
    return package_at(folders[-1], facts.end) if folders else None


def _prunes(command: Command, effect: Effect, fact: Fact) -> bool:
    words = [word.literal for word in command.words]
    if effect.tool not in ("npm", "pnpm") or "prune" not in words:
        return False
    is_production = fact.scope.variables.get("NODE_ENV") == "production"
    return is_production or bool(_WITHOUT_DEV & {word for word in words if word})
