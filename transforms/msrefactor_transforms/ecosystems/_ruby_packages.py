"""Which of the author's packages only the build of a Ruby application uses: Node for assets, git for gems."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.code.needs import CodeNeeds
from msrefactor.commands import PackageCall
from msrefactor.contract import starts
from msrefactor.facts import StageFacts
from msrefactor.model import View
from msrefactor_transforms.ecosystems._ruby_commands import GemInstall, RubyTask, read_project
from msrefactor_transforms.splitting.needs import wanted

_NODE = frozenset({"nodejs", "npm", "yarn", "yarnpkg", "node"})
_RUNS_NODE = frozenset(
    "execjs uglifier terser coffee-script coffee-script-source coffee-rails autoprefixer-rails react-rails "
    "react_on_rails hypernova schmooze nodo grover less less-rails handlebars_assets barber stylus "
    "babel-transpiler ember-cli-rails jekyll-coffeescript inertia_rails".split()
)
"""Gems that start Node while the program runs, or look for it when they are loaded."""
_RUNS_GIT = frozenset("git gollum gollum-lib licensee bundler-audit bundler-leak gitlab_git grack".split())
_ASSETS = ("assets:", "webpacker:", "shakapacker:", "vite:")
_PRODUCTION = ("RAILS_ENV", "RACK_ENV", "HANAMI_ENV", "APP_ENV")


def build_packages(view: View, facts: StageFacts, code: CodeNeeds, names: Sequence[str]) -> frozenset[str]:
    """Return packages of the author's list that nothing in the running container starts.

    Proof: every program that is started is known by name; no gem starts Node or git; the assets are built in
    the image, for production, so that nobody builds them later.
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
    builds_assets = any(
        isinstance(effect.detail, RubyTask)
        and effect.detail.name.startswith(("assets:", "webpacker:", "vite:"))
        for _, effect in facts.effects()
    )
    is_production = any(facts.end.variables.get(name, "") == "production" for name in _PRODUCTION)
    runs_node = started & {"node", "nodejs", "npm", "npx", "yarn", "yarnpkg"} or _RUNS_NODE & set(names)
    if builds_assets and is_production and not runs_node and not _starts_rake_assets(view, facts):
        found |= _NODE & listed
    runs_git = "git" in started or _RUNS_GIT & set(names)
    if not runs_git and _is_from_git(facts):
        found |= {"git"} & listed
    return frozenset(found)


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
