"""Packages installed globally: which of them the container uses, and how the final stage gets them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msrefactor.facts import Effect, Fact, StageFacts
from msrefactor.model import Refused
from msrefactor_transforms.ecosystems._node_projects import (
    GLOBAL_PACKAGES,
    NodeInstall,
    package_of_command,
)
from msrefactor_transforms.splitting.plan import Artifact

_BUILD_TOOLS = frozenset(
    "npm yarn pnpm bun deno corepack typescript @angular/cli @nestjs/cli gulp gulp-cli grunt grunt-cli "
    "webpack webpack-cli vite node-gyp turbo lerna rimraf nx eslint prettier @vue/cli create-react-app "
    "node-pre-gyp npm-check-updates bower babel-cli @babel/cli rollup esbuild npm-run-all "
    "patch-package".split()
)
"""Packages that nothing running needs, unless one of their commands is started."""
_PURE = frozenset(
    "npm yarn pnpm bun deno typescript ts-node tsx @nestjs/cli rimraf pm2 serve http-server nodemon forever "
    "sequelize-cli knex typeorm db-migrate migrate-mongo concurrently cross-env dotenv-cli env-cmd "
    "npm-run-all json-server live-server local-web-server wait-on wait-port node-dev ts-node-dev "
    "coffeescript".split()
)
"""Packages that install as well on a slim base: JavaScript alone, and bun and deno, for any glibc."""


@dataclass(frozen=True, slots=True)
class Globals:
    """What becomes of the global installs of a stage."""

    replayed: frozenset[tuple[int, int]] = frozenset()
    artifacts: tuple[Artifact, ...] = ()
    unneeded: frozenset[str] = frozenset()
    refusal: Refused | None = None


def globals_of(facts: StageFacts, commands: frozenset[str]) -> Globals:
    """Return how the final stage gets the global packages; `commands` are those that it starts.

    What is JavaScript alone is installed again, as the author wrote it; anything else is copied.
    """
    packages = {package_of_command(command) for command in commands}
    replayed: set[tuple[int, int]] = set()
    artifacts: list[Artifact] = []
    unneeded: set[str] = set()
    for place, fact, effect in _installs(facts):
        install = effect.detail
        needed = [
            name
            for name in install.packages
            if name not in _BUILD_TOOLS or "?" in commands or name in packages
        ]
        if not needed:
            unneeded.update(effect.writes)
        elif place is not None and set(install.packages) <= _PURE:
            replayed.add(place)
        elif install.manager == "npm":
            artifacts.extend(_copies(fact, install, needed[0]))
        else:
            detail = f"{needed[0]} is installed globally by {install.manager}, in a place that isn't known"
            return Globals(refusal=Refused("need-not-found", detail))
    return Globals(frozenset(replayed), tuple(artifacts), frozenset(unneeded))


def _installs(facts: StageFacts) -> Iterator[tuple[tuple[int, int] | None, Fact, Effect]]:
    """Yield the global installs, each with its place where it is a command of its own in a RUN."""
    for fact in facts.runs():
        for position, item in enumerate(fact.items):
            for effect in item.effects:
                if isinstance(effect.detail, NodeInstall) and effect.detail.is_global:
                    yield ((fact.index, position) if len(item.effects) == 1 else None), fact, effect


def _copies(fact: Fact, install: NodeInstall, name: str) -> Sequence[Artifact]:
    if install.folder != GLOBAL_PACKAGES:
        prefix = posixpath.dirname(posixpath.dirname(install.folder))
        return (Artifact(prefix, fact.index, f"{name}, installed globally"),)
    return (
        Artifact(GLOBAL_PACKAGES, fact.index, f"{name}, installed globally"),
        Artifact("/usr/local/bin", fact.index, f"the commands of {name}"),
    )
