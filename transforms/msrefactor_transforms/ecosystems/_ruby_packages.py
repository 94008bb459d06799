"""Which of the author's packages only the build of a Ruby application uses: Node for assets, git for gems."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.code.needs import CodeNeeds
from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of, starts
from msrefactor.facts import StageFacts
from msrefactor.model import Evidence, View
from msrefactor_transforms.ecosystems._ruby_commands import GemInstall, RubyTask, lock_of, read_project
from msrefactor_transforms.splitting.needs import wanted

_NODE = frozenset({"nodejs", "npm", "yarn", "yarnpkg", "node"})
_RUNS_NODE = frozenset(
    "execjs uglifier terser coffee-script coffee-script-source coffee-rails autoprefixer-rails react-rails "
    "react_on_rails hypernova schmooze nodo grover less less-rails handlebars_assets barber stylus "
    "babel-transpiler ember-cli-rails jekyll-coffeescript inertia_rails".split()
)
"""Gems that start Node while the program runs, or look for it when they are loaded."""
_RUNS_GIT = frozenset("git gollum gollum-lib licensee bundler-audit bundler-leak gitlab_git grack".split())
_PIPELINES = frozenset(
    "railties rails sprockets sprockets-rails webpacker shakapacker vite_ruby hanami-assets".split()
)
"""Gems that compile assets when they are asked for, if they aren't there."""
_ASSETS = ("assets:", "webpacker:", "shakapacker:", "vite:")
_PRODUCTION = ("RAILS_ENV", "RACK_ENV", "HANAMI_ENV", "APP_ENV")


def build_packages(view: View, facts: StageFacts, code: CodeNeeds, names: Sequence[str]) -> frozenset[str]:
    """Return packages of the author's list that nothing in the running container starts.

    Proof: every program that is started is known by name, and no gem starts Node (see `node_needs`) or git.
    """
    listed = {
        name
        for _, effect in facts.effects()
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
        for name in effect.detail.names
        if name
    }
    everything = wanted(view, facts, code)
    started = {posixpath.basename(name) for name, _ in everything.commands}
    if not listed or everything.unknown or not view.context.known or not names:
        return frozenset()
    found: set[str] = set()
    if not started & {"node", "nodejs", "npm", "npx", "yarn", "yarnpkg"}:
        found |= _NODE & listed
    runs_git = "git" in started or _RUNS_GIT & set(names)
    if not runs_git and _is_from_git(facts):
        found |= {"git"} & listed
    return frozenset(found)


def node_needs(view: View, facts: StageFacts) -> tuple[tuple[str, Evidence], ...]:
    """Return `node` with what says that the running program may start it.

    A gem does, or looks for it when it is loaded; or the assets may be compiled when they are asked for: they
    aren't built in the image, or not for production.
    """
    tools = [
        fact
        for fact, effect in facts.effects()
        if effect.tool in ("npm", "npx", "yarn", "corepack", "pnpm", "node")
        or (isinstance(effect.detail, PackageCall) and _NODE & {name or "" for name in effect.detail.names})
    ]
    gems = gems_of(facts)
    if not tools or gems == {}:
        return ()
    for name, evidence in (gems or {}).items():
        if name in _RUNS_NODE:
            return (("node", evidence),)
    is_built = any(
        isinstance(effect.detail, RubyTask) and effect.detail.name.startswith(_ASSETS)
        for _, effect in facts.effects()
    )
    is_production = any(facts.end.variables.get(name, "") == "production" for name in _PRODUCTION)
    has_assets = gems is None or not _PIPELINES.isdisjoint(gems)
    if has_assets and not (is_built and is_production and not _starts_rake_assets(view, facts)):
        return (("node", evidence_of(tools[0].instruction, view.name)),)
    return ()


def gems_of(facts: StageFacts) -> dict[str, Evidence] | None:
    """Return every gem that Bundler installs, by the lock file or else the Gemfile; None: neither is seen."""
    found: dict[str, Evidence] = {}
    for _, effect in facts.effects():
        install = effect.detail
        if not isinstance(install, GemInstall) or install.tool != "bundle":
            continue
        gemfile, lock = read_project(install.gemfile, facts.end)
        if lock is not None:
            file = facts.end.origin(lock_of(install.gemfile)) or ""
            for name, version, line in lock.specs:
                found.setdefault(name, Evidence(file, line, f"{name} ({version})"))
        elif gemfile is not None:
            file = facts.end.origin(install.gemfile) or ""
            for name, line in gemfile.names:
                found.setdefault(name, Evidence(file, line, f"gem {name}"))
        else:
            return None
    return found


def _is_from_git(facts: StageFacts) -> bool:
    """Whether Bundler fetches gems with git: then that is what git was installed for."""
    for _, effect in facts.effects():
        if isinstance(effect.detail, GemInstall) and effect.detail.tool == "bundle":
            gemfile, lock = read_project(effect.detail.gemfile, facts.end)
            if (gemfile is not None and gemfile.uses_git) or (lock is not None and lock.has_git):
                return True
    return False


def _starts_rake_assets(view: View, facts: StageFacts) -> bool:
    """Whether a start command builds assets."""
    texts = [" ".join(start.argv) if start.argv else start.shell or "" for start in starts(view, facts)]
    return any("assets:" in text or "webpacker" in text or "webpack" in text for text in texts)
