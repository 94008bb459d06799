"""PHP in several stages: extensions without what enables them or what they load, a PHP that packages refuse.

Sources: the Dockerfiles of PHP's images (`docker-php-ext-install` writes conf.d), Composer's documentation of
`platform-check` (only the lower bound of PHP is checked, and not with --ignore-platform-reqs).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any

from msrefactor.commands import PackageCall
from msrefactor.facts import Role, StageFacts
from msrefactor.knowledge.packages import packages_in, runtime_packages
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._php_commands import ComposerRun, PhpExtension
from msrefactor_transforms.knowledge.extensions import headers_of
from msrefactor_transforms.repairing.kinds import (
    Found,
    change,
    edited,
    joined,
    may_bring,
    name_of,
    reached,
    seen,
)
from msrefactor_transforms.splitting.copies import Copied, copied, place_of
from msrefactor_transforms.splitting.packages import bare_name

_EXTENSIONS = "/usr/local/lib/php/extensions"
_CONF_D = "/usr/local/etc/php/conf.d"


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Copy what enables the extensions; tell the rest."""
    final = stages[-1]
    if final.base.family != "php" or len(reached(view, stages)) > 1:
        return Found()
    if any(effect.role is Role.OPAQUE for _, effect in final.effects()):
        return Found()
    return joined((_enabled(view, stages), _platform(view, stages)))


def _of_extensions(view: View, stages: Sequence[StageFacts]) -> Iterator[tuple[Copied, tuple[str, ...]]]:
    """Yield the copies of extensions, each with the names of those that the other stage builds."""
    for copy in copied(view, len(stages) - 1, stages[-1]):
        source = stages[copy.stage]
        if not copy.source.startswith(_EXTENSIONS) or source.base.family != "php":
            continue
        names = {
            name
            for _, effect in source.effects()
            if isinstance(effect.detail, PhpExtension) and effect.tool == "docker-php-ext-install"
            for name in effect.detail.names
            if name
        }
        if copy.destination.startswith(_EXTENSIONS):
            yield copy, tuple(sorted(names))


def _enabled(view: View, stages: Sequence[StageFacts]) -> Found:
    final, last = stages[-1], len(stages) - 1
    for copy, names in _of_extensions(view, stages):
        source = stages[copy.stage]
        versions = [re.match(r"\d+\.\d+", base.version or "") for base in (source.base, final.base)]
        here, there = versions
        if here is None or there is None or not names:
            continue
        if here[0] != there[0]:
            detail = f"the extensions are built for PHP {here[0]}, and the final stage has PHP {there[0]}"
            remedy = "use the same PHP in both stages"
            return Found(told=(Refused("unknown-release", detail, (seen(view, copy.fact),), remedy),))
        libraries = _libraries(stages, names)
        told: tuple[Refused, ...] = ()
        if libraries:
            what = ", ".join(f"{library} for {name}" for name, library in libraries)
            detail = f"the extensions load libraries that the final stage doesn't have: {what}"
            remedy = "install them in the final stage"
            told = (Refused("need-not-found", detail, (seen(view, copy.fact),), remedy),)
        if _may_be_enabled(final) or source.base.reference.text != final.base.reference.text:
            return Found(told=told)
        reason = f"copy what enables {', '.join(names)}: PHP loads the extensions that its conf.d names"
        line = f"COPY --from={name_of(view, copy.stage)} {_CONF_D} {_CONF_D}\n"
        inserted = {(last, copy.fact.index + 1): (line,)}
        return Found(edited(view, [change(view, reason, copy.fact)], inserted=inserted), told)
    return Found()


def _may_be_enabled(final: StageFacts) -> bool:
    if "PHP_INI_SCAN_DIR" in final.end.variables:
        return True
    for fact in final.facts:
        if any(may_bring(fact, path) for path in (_CONF_D, f"{_CONF_D}/x.ini", "/usr/local/etc/php/php.ini")):
            return True
        marks = ("/usr/local/etc/php", "docker-php-ext", "PHP_INI_DIR", "php.ini")
        if fact.keyword == "RUN" and any(mark in fact.instruction.source for mark in marks):
            return True
        if fact.destination is not None and fact.destination.startswith("/usr/local/etc/php"):
            return True
    return any("extension=" in " ".join(fact.instruction.exec_form or ()) for fact in final.facts)


def _libraries(stages: Sequence[StageFacts], names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the libraries that the final stage surely lacks, each with the extension that loads it."""
    final = stages[-1]
    base = final.base
    releases = (base.release,) if base.release else base.releases
    if base.system != "debian" or not releases:
        return []
    installed: set[str] = set()
    for _, effect in final.effects():
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install":
            installed |= {bare_name(name) if name else "?" for name in effect.detail.names}
    found: list[tuple[str, str]] = []
    for name in names:
        for header in headers_of(name, "debian") or ():
            for library in runtime_packages(header, "debian", releases) or ():
                is_there = any(library in packages_in(base, release) for release in releases)
                if not is_there and not installed:
                    found.append((name, library))
    return found


# ------------------------------------------------------------------------------------------- platform


def _platform(view: View, stages: Sequence[StageFacts]) -> Found:
    final = stages[-1]
    version = re.match(r"(\d+)\.(\d+)", final.base.version or "")
    if version is None:
        return Found()
    have = (int(version[1]), int(version[2]))
    copies = copied(view, len(stages) - 1, final)
    for index, facts in enumerate(stages[:-1]):
        for fact, effect in facts.effects():
            run = effect.detail
            if not isinstance(run, ComposerRun) or run.action not in ("install", "i", "update"):
                continue
            if place_of(posixpath.join(run.folder, "vendor"), index, copies) is None:
                continue
            is_ignored = "COMPOSER_IGNORE_PLATFORM_REQS" in facts.end.variables
            if is_ignored or "ignore-platform" in fact.instruction.source:
                continue
            needed = _needed(facts, run.folder)
            if needed is None or needed[0] <= have:
                continue
            detail = (
                f"{needed[1]} needs PHP {needed[0][0]}.{needed[0][1]}, and the final stage has "
                f"{have[0]}.{have[1]}: Composer's autoloader stops there"
            )
            remedy = "use the same PHP in both stages, one that the packages allow"
            evidence = (seen(view, fact), needed[2])
            return Found(told=(Refused("fails-today", detail, evidence, remedy),))
    return Found()


def _needed(facts: StageFacts, folder: str) -> tuple[tuple[int, int], str, Evidence] | None:
    """Return the lowest version of PHP that all packages of the lock file allow, and who asks for it."""
    path = facts.end.origin(posixpath.join(folder, "composer.lock"))
    text = facts.end.context.read_text(path) if path else None
    manifest = facts.end.read(posixpath.join(folder, "composer.json")) or ""
    if text is None or path is None or "platform-check" in manifest:
        return None
    try:
        lock: Any = json.loads(text)
        packages = lock.get("packages", []) if isinstance(lock, dict) else []
    except ValueError:
        return None
    best: tuple[tuple[int, int], str, Evidence] | None = None
    for package in packages if isinstance(packages, list) else ():
        require = package.get("require") if isinstance(package, dict) else None
        text_of = require.get("php") if isinstance(require, dict) else None
        low = _lowest(text_of) if isinstance(text_of, str) else None
        if low is not None and (best is None or low > best[0]):
            name = str(package.get("name", "?"))
            best = (low, name, Evidence(path, None, f"{name}: php {text_of}"))
    return best


def _lowest(constraint: str) -> tuple[int, int] | None:
    """Return the lower bound of a constraint such as `^8.2 || ^8.3`; None: it isn't understood."""
    bounds = []
    for part in re.split(r"\s*\|\|?\s*", constraint):
        found = re.match(r"\s*(?:>=|\^|~)\s*v?(\d+)(?:\.(\d+))?", part)
        if found is None:
            return None
        bounds.append((int(found[1]), int(found[2] or 0)))
    return min(bounds, default=None)
