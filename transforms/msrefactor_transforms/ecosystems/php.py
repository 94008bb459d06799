"""PHP: extensions, Composer, consoles of frameworks.

PHP's images keep their compiler, and there is no slim variant: the same image stands in both stages, and what
a split saves is headers, git, Node and Composer. Extensions are copied with the folder that enables them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from msrefactor.code.composer import read_composer_lock
from msrefactor.code.needs import EMPTY, CodeNeeds
from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of, starts
from msrefactor.facts import StageFacts
from msrefactor.knowledge import packages as knowledge
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._php_commands import (
    ComposerItself,
    ComposerRun,
    PhpExtension,
    interpret,
)
from msrefactor_transforms.knowledge.extensions import headers_by_options, headers_of, is_listed
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.packages import bare_name
from msrefactor_transforms.splitting.plan import Ecosystem, Level, RuntimePackage, SplitPlan

_COMPOSER = frozenset({"composer", "composer.phar"})
_COMPOSER_MB = 3.0
_PROGRAMS = frozenset(
    "php php-fpm php-cgi apache2-foreground docker-php-entrypoint artisan composer symfony frankenphp".split()
)
"""Commands that run PHP, by itself or in a server."""
_NODE = frozenset({"nodejs", "npm", "yarn", "yarnpkg"})
_RUNS_NODE = ("browsershot", "puphpeteer", "node", "chrome-php", "v8js")
"""Parts of the names of packages that start Node."""


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds extensions or installs Composer's packages is split."""
    found = [(f, e, e.detail) for f, e in facts.effects() if isinstance(e.detail, PhpExtension | ComposerRun)]
    if not found:
        return None
    base = facts.base
    if base.system in ("unknown", "windows"):
        return Refused(
            "base-unknown",
            f"nothing is known about {base.reference.text}",
            (evidence_of(facts.facts[0].instruction, view.name),),
        )
    obstacle = _started(view, facts)
    if obstacle is not None:
        return obstacle
    libraries = _libraries(view, facts)
    if isinstance(libraries, Refused):
        return libraries
    code = _code_needs(view, facts)
    everything = wanted(view, facts, code)
    started = {posixpath.basename(name) for name, _ in everything.commands}
    is_known = view.context.known and not everything.unknown
    composers = _composers(facts) if is_known and "composer" not in started else frozenset()
    return SplitPlan(
        ecosystem="php",
        level=Level.SHARED,
        runtime_image=facts.stage.image,
        packages=libraries,
        build_packages=_headers(facts) | (_build_packages(view, facts, started) if is_known else frozenset()),
        build_files=composers,
        unneeded=composers,
        code=code,
        reason="build the extensions and install the packages in a builder stage",
        saved_mb=_COMPOSER_MB if composers else 0.0,
    )


def _libraries(view: View, facts: StageFacts) -> tuple[RuntimePackage, ...] | Refused:
    """Return the libraries of extensions whose headers came along with another package's.

    Those that the author lists as -dev packages are replaced by their libraries in the list itself.
    """
    base = facts.base
    listed = {bare_name(name) for name in _listed(facts)}
    found: list[RuntimePackage] = []
    for fact, effect in facts.effects():
        if not isinstance(effect.detail, PhpExtension):
            continue
        evidence = evidence_of(fact.instruction, view.name)
        headers = [(header, "gd") for header in headers_by_options(effect.detail.options)]
        for name in effect.detail.names:
            needed = headers_of(name, base.system) if name is not None else None
            if needed is None:
                which = name or "an extension whose name isn't known"
                return Refused(
                    "runtime-library", f"which libraries {which} is linked with isn't known", (evidence,)
                )
            headers.extend((header, str(name)) for header in needed)
        for header, name in headers:
            if is_listed(header, listed) or base.system not in ("debian", "alpine"):
                continue
            names = knowledge.runtime_packages(header, base.system, base.releases)
            if names is None:
                detail = f"{name} is built with {header}, which isn't installed by its name"
                return Refused(
                    "runtime-library", f"{detail}: what it is linked with isn't known", (evidence,)
                )
            found.extend(RuntimePackage(one, evidence, f"{name} is linked with it") for one in names)
    return tuple({package.name: package for package in found}.values())


def _listed(facts: StageFacts) -> Iterator[str]:
    for _, effect in facts.effects():
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install":
            yield from (name for name in effect.detail.names if name)


def _composers(facts: StageFacts) -> frozenset[str]:
    """Return the paths of Composer's own program, copied from its image or installed."""
    found: set[str] = set()
    for fact in facts.facts:
        found.update(e.detail.path for e in fact.effects if isinstance(e.detail, ComposerItself))
        for effect in fact.effects:
            if effect.tool in ("curl", "wget"):
                found.update(path for path in effect.writes if posixpath.basename(path) in _COMPOSER)
        if fact.from_stage is not None and "composer" in fact.from_stage and fact.destination:
            for word in fact.instruction.words[:-1]:
                if posixpath.basename(word.text) == "composer":
                    found.add(fact.destination)
                    found.add(posixpath.join(fact.destination, "composer"))
    return frozenset(found)


def _build_packages(view: View, facts: StageFacts, started: set[str]) -> frozenset[str]:
    """Return packages of the author's list that nothing in the running container starts.

    Proof: every program that is started is known by name, and composer.lock has no package that starts one.
    The distribution's package of Composer stays: extensions that the program uses may come along with it.
    """
    listed = set(_listed(facts))
    folders = [e.detail.folder for _, e in facts.effects() if isinstance(e.detail, ComposerRun)]
    locks = [lock for folder in folders if (lock := _locked(facts, folder)) is not None]
    if not locks:
        return frozenset()
    names = [name for lock in locks for name in lock]
    found: set[str] = set()
    if "git" not in started and not any("git" in name.replace("github", "") for name in names):
        found |= {"git", "git-core"} & listed
    if not started & {"node", "nodejs", "npm", "npx", "yarn"} and not _uses_node(view, facts, names):
        found |= _NODE & listed
    return frozenset(found)


def _headers(facts: StageFacts) -> frozenset[str]:
    """Return packages with the headers of a distribution's PHP, which doesn't come with them."""
    listed = set(_listed(facts))
    return frozenset(
        name
        for name in listed
        if name.startswith("php")
        and name.endswith("-dev")
        and {f"{name[:-4]}-cli", f"{name[:-4]}-fpm"} & listed
    )


def _uses_node(view: View, facts: StageFacts, names: Sequence[str]) -> bool:
    """Whether a package or a console command that is started starts Node."""
    if any(part in name for name in names for part in _RUNS_NODE):
        return True
    texts = [" ".join(start.argv) if start.argv else start.shell or "" for start in starts(view, facts)]
    return any("ssr" in text or "octane" in text or "concurrently" in text for text in texts)


def _locked(facts: StageFacts, folder: str) -> tuple[str, ...] | None:
    text = facts.end.read(posixpath.join(folder, "composer.lock"))
    return read_composer_lock(text) if text is not None else None


def _code_needs(view: View, facts: StageFacts) -> CodeNeeds:
    from msrefactor.code.php import php_needs_of

    if not view.context.known:
        return EMPTY
    sources: dict[str, None] = {}
    for fact in facts.facts:
        for placed in fact.placed:
            files = view.context.files(placed.source) if placed.is_folder else (placed.source,)
            for file in files:
                parts = file.split("/")
                is_aside = any(part in ("vendor", "node_modules", "tests", "test") for part in parts[:-1])
                if not is_aside and (file.endswith((".php", ".phtml", ".inc")) or parts[-1] == "artisan"):
                    sources.setdefault(file)
    return php_needs_of(view.context, tuple(sources))


def _started(view: View, facts: StageFacts) -> Refused | None:
    """Return the obstacle that lies in what is started: an install, or the tests."""
    everything = wanted(view, facts)
    for name, evidence in everything.commands:
        if posixpath.basename(name) in ("composer", "composer.phar") and _installs(evidence):
            return Refused(
                "compiles-at-start", "Composer installs packages when the container starts", (evidence,)
            )
    for start in starts(view, facts):
        words = start.argv or ()
        if start.kind == "command" and any(posixpath.basename(w) in ("phpunit", "pest") for w in words[:2]):
            return Refused("development-image", "the container runs the tests", (start.evidence,))
    return None


def _installs(evidence: Evidence) -> bool:
    words = evidence.text.replace('"', " ").replace(",", " ").split()
    return any(word in ("install", "update", "require", "i") for word in words)


ECOSYSTEM = Ecosystem("php", interpret, plan, programs=_PROGRAMS, code=_code_needs)
