"""Where a manager has its cache: the table's words, with the variables, the user and the image of a RUN."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from msrefactor import variables
from msrefactor.facts import Fact, Scope
from msrefactor.knowledge.images import BaseImage
from msrefactor_transforms.cleaning.caches import gems_of
from msrefactor_transforms.cleaning.layers import commands_of
from msrefactor_transforms.ecosystems._conda_places import root_of
from msrefactor_transforms.knowledge.package_caches import PackageCache
from msrefactor_transforms.mounting.owners import Owner

_THEIR_OWN = (("gradle", "gradle"), ("micromamba", "mambaorg/micromamba"))
"""Images whose user has the folders around the cache already."""
_YES = ("true", "1", "yes", "on")


def names_in(entry: PackageCache) -> frozenset[str]:
    """Return the variables that say where a cache is, or that there is none."""
    texts = (*entry.mount, *entry.users_mount)
    return frozenset(
        {"HOME", *entry.moved_by, *entry.no_cache, *(n for text in texts for n in variables.references(text))}
    )


def targets_of(
    entry: PackageCache,
    tool: str,
    scope: Scope,
    owner: Owner,
    fact: Fact,
    position: int,
    before: Iterable[Fact],
) -> tuple[str, ...]:
    """Return the folders to mount for one command of a RUN; empty: where the cache is isn't known."""
    texts = entry.users_mount if entry.users_mount and owner.fields else entry.mount
    values = dict(scope.variables)
    values["GOPATH"] = values.get("GOPATH", "").partition(":")[0]
    home = owner.home
    if entry.name == "dnf":
        texts = _of_rpm(tool, scope.base)
    elif entry.name == "poetry" and _has_environment_elsewhere(scope, before):
        texts = (posixpath.dirname(texts[0]),)
    elif entry.name == "composer" and scope.base.family == "composer":
        values.setdefault("COMPOSER_HOME", "/tmp")
    elif entry.name == "gradle":
        home = "/home/gradle" if scope.base.family == "gradle" else home
        if tool == "gradlew":
            texts = (*texts, posixpath.dirname(texts[0]) + "/wrapper")
    moved = [name for name in entry.moved_by if values.get(name) and not any(name in text for text in texts)]
    if moved:
        texts = (values[moved[0]], *texts[1:])
    marks = {"{conda}": root_of(scope) or "", "{gems}": ""}
    if entry.name == "gem":
        marks["{gems}"] = _gems(fact, position, scope.base)
    found = []
    for text in texts:
        if any(mark in text and not value for mark, value in marks.items()):
            return ()
        known = text.replace("{conda}", marks["{conda}"]).replace("{gems}", marks["{gems}"])
        found.append(scope.path(variables.expand(known, values, "\\").replace("~", home, 1)))
    return tuple(found)


def is_in_the_way(entry: PackageCache, scope: Scope, owner: Owner) -> bool:
    """Whether the tool has to write into folders around the mount, that BuildKit would make for root."""
    if not entry.alone or not owner.fields or (entry.name, scope.base.family) in _THEIR_OWN:
        return False
    return not any(scope.variables.get(name) for name in entry.moved_by)


def _of_rpm(tool: str, base: BaseImage) -> tuple[str, ...]:
    """Return where dnf 5, dnf, and what came before it, have their caches."""
    major = (base.version or "").partition(".")[0]
    number = int(major) if major.isdigit() else 0
    if base.reference.name.endswith("fedora"):
        is_new = not number or number >= (38 if tool == "microdnf" else 41)
        return ("/var/cache/libdnf5",) if is_new else (_old(tool),)
    has_yum = base.family in ("centos", "amazonlinux", "oraclelinux") and 0 < number <= 7
    return ("/var/cache/yum",) if tool == "yum" and has_yum else (_old(tool),)


def _old(tool: str) -> str:
    return "/var/cache/yum" if tool == "microdnf" else "/var/cache/dnf"


def _has_environment_elsewhere(scope: Scope, before: Iterable[Fact]) -> bool:
    """Whether Poetry installs somewhere else than into an environment below its cache."""
    values = {name: value.lower() for name, value in scope.variables.items()}
    if values.get("POETRY_VIRTUALENVS_IN_PROJECT") in _YES or values.get("VIRTUAL_ENV"):
        return True
    if values.get("POETRY_VIRTUALENVS_CREATE") in ("false", "0"):
        return True
    for fact in before:
        for _, command, _ in commands_of(fact):
            texts = [word.text for word in command.words] if command is not None else []
            if texts[-2:] in (["virtualenvs.create", "false"], ["virtualenvs.in-project", "true"]):
                return True
    return False


def _gems(fact: Fact, position: int, base: BaseImage) -> str:
    """Return the folder of the gems, with the version that Ruby's programs are compiled for."""
    folder = gems_of(fact, position)
    parts = (base.version or "").split(".")
    if not folder.endswith("/*"):
        return folder
    if base.family != "ruby" or len(parts) < 2:
        return ""
    return f"{posixpath.dirname(folder)}/{parts[0]}.{parts[1]}.0"
