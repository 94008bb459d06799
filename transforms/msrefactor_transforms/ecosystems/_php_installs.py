"""Exactly which files of the application `composer install` reads, and what it fills.

Sources: getcomposer.org "Command-line interface", "The composer.json schema", "Autoloader optimization".
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.code.composer import ComposerProject
from msrefactor.facts import Dependencies, Scope
from msrefactor.manifests import json_value
from msrefactor.model import Refused

_OPTIMIZING = frozenset({"-o", "-a", "--optimize-autoloader", "--classmap-authoritative"})
_REMOTE = frozenset({"composer", "vcs", "git", "github", "gitlab", "bitbucket", "svn", "hg", "package"})
_OF_UPDATES = ("pre-update-cmd", "post-update-cmd")
_OF_INSTALLS = ("pre-install-cmd", "post-install-cmd")
_OF_AUTOLOADER = ("pre-autoload-dump", "post-autoload-dump")
_ASKING_GIT = ("sentry/", "package-versions")
"""Packages that tell the version of the project, which Composer takes from git."""


def of_composer(
    argv: Sequence[str | None], folder: str, project: ComposerProject | None, scope: Scope
) -> Dependencies:
    """Return what `composer install` reads in a project."""
    vendor = posixpath.normpath(posixpath.join(folder, project.vendor if project is not None else "vendor"))
    files = tuple(posixpath.join(folder, name) for name in ("composer.json", "composer.lock", "auth.json"))
    writes = (vendor,) if scope.has(files[1]) and "install" in argv else (vendor, files[1])
    return Dependencies("composer", files, writes, _obstacle(argv, folder, project, scope))


def _obstacle(
    argv: Sequence[str | None], folder: str, project: ComposerProject | None, scope: Scope
) -> Refused | None:
    text = scope.read(posixpath.join(folder, "composer.json"))
    document = json_value(text or "")
    if project is None or not isinstance(document, dict) or "COMPOSER" in scope.variables:
        return Refused("install-mode", f"no composer.json that is understood is found in {folder}")
    if "require" in argv or "remove" in argv:
        return Refused("install-mode", "the packages that the command names are written into composer.json")
    is_locked = scope.is_file(posixpath.join(folder, "composer.lock"))
    passed_over = _OF_UPDATES if "install" in argv and is_locked else _OF_INSTALLS if "update" in argv else ()
    events = project.events.difference(passed_over, _OF_AUTOLOADER if "--no-autoloader" in argv else ())
    if "--no-scripts" not in argv and events:
        detail = f"composer.json has a script for {min(events)}, which may read the source"
        return Refused("install-reads-source", detail, remedy="install with --no-scripts, and run it later")
    lock = scope.read(posixpath.join(folder, "composer.lock")) or ""
    if "--no-plugins" not in argv and (project.has_plugins or '"composer-plugin"' in lock):
        return Refused("install-reads-source", "a plugin of Composer may read and write the project's files")
    config = document.get("config")
    if isinstance(config, dict) and ("bin-dir" in config or project.vendor.startswith(("..", "/"))):
        return Refused("install-mode", "composer.json names another folder for what is installed")
    found = document.get("repositories") or ()
    for one in found.values() if isinstance(found, dict) else found:
        if isinstance(one, dict) and one.get("type") not in (None, *_REMOTE):
            return Refused("install-reads-source", "composer.json takes packages from folders of the project")
    if any(mark in name for name in project.requires for mark in _ASKING_GIT) and not _is_without_git(
        folder, scope
    ):
        detail = "a package tells the version of the project, which Composer takes from .git"
        return Refused("install-reads-source", detail, remedy="add .git to .dockerignore")
    return None if "--no-autoloader" in argv else _scanning(argv, document)


def _scanning(argv: Sequence[str | None], document: dict[str, object]) -> Refused | None:
    """Return the obstacle that an autoloader is which lists the project's own classes."""
    config = document.get("config")
    settings = config if isinstance(config, dict) else {}
    short = {"-" + letter for word in argv if word and word[:1] == "-" != word[1:2] for letter in word[1:]}
    lists = bool(_OPTIMIZING & {*argv, *short})
    lists = lists or any(settings.get(name) for name in ("optimize-autoloader", "classmap-authoritative"))
    for key in ("autoload", "autoload-dev"):
        table = document.get(key)
        entries = table if isinstance(table, dict) else {}
        if "classmap" in entries or (lists and {"psr-4", "psr-0"} & set(entries)):
            detail = "the autoloader that the install writes lists the classes of the source"
            remedy = "install with --no-autoloader, and run `composer dump-autoload` after the copy"
            return Refused("install-reads-source", detail, remedy=remedy)
    return None


def _is_without_git(folder: str, scope: Scope) -> bool:
    source = scope.origin(folder)
    return source is not None and scope.context.is_ignored(posixpath.join(source, ".git"))
