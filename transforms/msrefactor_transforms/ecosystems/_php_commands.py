"""What the commands of PHP's images and tools do: extensions, Composer, consoles of frameworks."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msrefactor.code.composer import ComposerProject, read_composer
from msrefactor.commands import option_value
from msrefactor.facts import Effect, Role, Scope
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._php_installs import of_composer

EXTENSIONS = "/usr/local/lib/php/extensions"
"""Where extensions lie in the official images, in a folder named by PHP's API."""
_OF_DISTRIBUTION = {"debian": "/usr/lib/php", "ubuntu": "/usr/lib/php"}
"""Where they lie with the PHP of a distribution."""
_GATES = frozenset("phpunit pest phpstan psalm phpcs php-cs-fixer pint rector infection ecs phpmd".split())
_CONSOLE = (
    "optimize", "config:", "route:", "view:", "event:", "cache:", "key:generate", "storage:link",
    "package:discover", "vendor:publish", "icons:cache", "filament:", "assets:install", "importmap:install",
    "asset-map:compile", "tailwind:build", "sass:build", "doctrine:", "lexik:jwt:generate-keypair", "migrate",
    "db:seed", "ziggy:generate", "l5-swagger:generate", "clear-compiled", "debug:", "about", "list",
)  # fmt: skip
"""Beginnings of console commands that write below the project's folder only."""


@dataclass(frozen=True, slots=True)
class PhpExtension:
    """Extensions that a command builds or configures."""

    names: tuple[str | None, ...]
    options: tuple[str, ...] = ()
    """Of `docker-php-ext-configure`: what is built in."""


@dataclass(frozen=True, slots=True)
class ComposerRun:
    """A command of Composer, or of a framework's console, in a project."""

    folder: str
    action: str


@dataclass(frozen=True, slots=True)
class ComposerItself:
    """Composer's own program, brought into the image."""

    path: str


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of PHP's images and tools does."""
    name = argv[0]
    if name is None:
        return None
    tool = posixpath.basename(name)
    if tool.startswith("docker-php-"):
        return _extensions(command, argv, scope, tool)
    if tool in ("pecl", "pear"):
        return _pecl(argv, scope)
    if tool == "install-php-extensions":
        # it removes again what it installed to compile: it runs in the final stage as well
        return Effect(
            Role.SETUP, tool=tool, writes=(EXTENSIONS, conf_d(scope)), why="PHP's extensions",
            detail=PhpExtension(()),
        )  # fmt: skip
    if tool in ("composer", "composer.phar"):
        return _composer(argv, scope)
    if tool in ("php", "php8", "php7") or (tool.startswith("php") and tool[3:].replace(".", "").isdigit()):
        return _php(command, argv, scope)
    if tool in _GATES and (name == tool or "vendor/bin/" in name):
        return Effect(Role.GATE, tool=tool)
    if name in ("artisan", "./artisan", "bin/console", "./bin/console"):
        return _console(argv[1:], scope)
    return None


def ini_folder(scope: Scope) -> str:
    """Return the folder of PHP's settings, which every command of PHP reads."""
    return scope.variables.get("PHP_INI_DIR", "/usr/local/etc/php")


def conf_d(scope: Scope) -> str:
    """Return the folder of the configuration that enables extensions."""
    return posixpath.join(ini_folder(scope), "conf.d")


def _extensions(command: Command, argv: Sequence[str | None], scope: Scope, tool: str) -> Effect | None:
    words: list[str | None] = []
    skips = False
    for word, value in list(zip(command.words, argv, strict=True))[1:]:
        if skips or word.text.startswith("-"):
            skips = word.text in ("-j", "--ini-name")
            continue
        words.append(value)
    if tool == "docker-php-ext-install":
        return Effect(
            Role.BUILD, tool=tool, reads_only=True, writes=(EXTENSIONS, conf_d(scope)),
            why="PHP's extensions", detail=PhpExtension(tuple(words)),
        )  # fmt: skip
    if tool == "docker-php-ext-enable":
        return Effect(
            Role.BUILD, tool=tool, reads=(EXTENSIONS,), reads_only=True, writes=(conf_d(scope),),
            why="the settings of PHP's extensions", detail=PhpExtension(()),
        )  # fmt: skip
    if tool == "docker-php-ext-configure":
        options = tuple(word for word in argv[1:] if word and word.startswith("--"))
        return Effect(
            Role.BUILD, tool=tool, reads_only=True, why="configures an extension",
            detail=PhpExtension((), options),
        )  # fmt: skip
    if tool == "docker-php-source":
        return Effect(Role.BUILD, tool=tool, reads_only=True, why="PHP's own source")
    return None


def _pecl(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = [word for word in argv[1:] if word is None or not word.startswith("-")]
    action = words[0] if words else None
    place = EXTENSIONS if scope.base.family == "php" else _OF_DISTRIBUTION.get(scope.base.family)
    if action == "install" and argv[0] == "pecl" and place is not None:
        names = tuple(word.rpartition("/")[2].partition("-")[0] if word else None for word in words[1:])
        return Effect(
            Role.BUILD, tool="pecl", reads_only=True, writes=(place,), why="PHP's extensions",
            detail=PhpExtension(names),
        )  # fmt: skip
    if action in ("channel-update", "update-channels", "clear-cache", "config-set", "upgrade"):
        return Effect(Role.BUILD, tool="pecl", reads_only=True, why="configures pecl")
    return None


# ------------------------------------------------------------------------------------------- php


def _php(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    rest = list(argv[1:])
    while rest and rest[0] is not None and rest[0].startswith("-d"):
        if rest.pop(0) == "-d" and rest:
            rest.pop(0)
    first = rest[0] if rest else None
    if first in ("-v", "-m", "-i", "--version", "--ini", "--ri", "-l"):
        return Effect(Role.NOTHING, tool="php")
    if first == "-r":
        return _code(rest[1] if len(rest) > 1 else None, scope)
    if first is None:
        return None
    if first == "--" and (option_value(rest, "--install-dir") or option_value(rest, "--filename")):
        return _installer(rest, scope)
    base = posixpath.basename(first)
    if base in ("composer-setup.php", "installer", "composer-installer.php"):
        return _installer(rest, scope)
    if base in ("composer", "composer.phar"):
        return _composer(rest, scope)
    if base in ("artisan", "console"):
        return _console(rest[1:], scope)
    if base in _GATES:
        return Effect(Role.GATE, tool=base)
    return None


def _installer(rest: Sequence[str | None], scope: Scope) -> Effect | None:
    """Composer's installer: `php -- --install-dir=/usr/local/bin --filename=composer`."""
    if any(word is None for word in rest):
        return None
    folder = option_value(rest, "--install-dir")
    name = option_value(rest, "--filename") or "composer.phar"
    path = posixpath.join(scope.path(folder) if folder else scope.cwd, name)
    return Effect(
        Role.FETCH, tool="php", reads_only=True, writes=(path,), why="Composer", detail=ComposerItself(path)
    )


def _code(text: str | None, scope: Scope) -> Effect | None:
    """`php -r`: the steps of Composer's documentation."""
    if text is None:
        return None
    from msrefactor.code.php_tokens import tokens

    code = tokens(f"<?php {text}")
    names = [token.text for token in code if token.kind == "name"]
    strings = [token.text for token in code if token.kind == "string"]
    if names[:1] == ["copy"] and len(strings) == 2 and names.count("copy") == 1 and len(names) == 1:
        return Effect(Role.FETCH, tool="php", reads_only=True, writes=(scope.path(strings[1]),))
    if names == ["unlink"] and len(strings) == 1:
        return Effect(Role.SETUP, tool="php", removes=(scope.path(strings[0]),))
    if "hash_file" in names and set(names) <= _VERIFIES:
        return Effect(Role.GATE, tool="php")
    return None


_VERIFIES = frozenset(
    "if hash_file trim file_get_contents echo else unlink exit PHP_EOL hash_equals die".split()
)


def _console(words: Sequence[str | None], scope: Scope) -> Effect | None:
    action = next((word for word in words if word is not None and not word.startswith("-")), None)
    if action is None or any(word is None for word in words):
        return None
    if action in (
        "serve",
        "server:run",
        "server:start",
        "queue:work",
        "schedule:work",
        "horizon",
        "octane:start",
    ):
        return None
    if action in ("test", "lint:container", "lint:yaml", "lint:twig"):
        return Effect(Role.GATE, tool="php")
    known = action.startswith(_CONSOLE)
    return Effect(
        Role.BUILD, tool="php", reads=(scope.cwd, EXTENSIONS, ini_folder(scope)), writes=(scope.cwd,),
        why=f"what `{action}` writes", detail=ComposerRun(scope.cwd, action),
        assumption="" if known else f"`{action}` writes nothing outside {scope.cwd}",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- Composer

_COMPOSER_VALUES = (
    "-d",
    "--working-dir",
    "--prefer-install",
    "--ignore-platform-req",
    "--apcu-autoloader-prefix",
)


def project_at(folder: str, scope: Scope) -> ComposerProject | None:
    """Return what composer.json in a folder of the image says, where it came from the context."""
    text = scope.read(posixpath.join(folder, "composer.json"))
    return read_composer(text) if text is not None else None


def _composer(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words: list[str] = []
    rest = list(argv[1:])
    while rest:
        word = rest.pop(0)
        if word is None:
            return Effect(Role.OPAQUE, tool="composer", why="a word given to Composer isn't known")
        if word.startswith("-"):
            if word in _COMPOSER_VALUES and rest and rest.pop(0) is None:
                return Effect(Role.OPAQUE, tool="composer", why="where Composer works isn't known")
            continue
        words.append(word)
    named = option_value(argv, "-d", "--working-dir")
    folder = scope.path(named) if named else scope.cwd
    action = words[0] if words else None
    if action in ("install", "i", "update", "u", "upgrade", "require", "remove", "reinstall"):
        known = of_composer(argv, folder, project_at(folder, scope), scope)
        return replace(_composer_install(argv, str(action), folder, scope), dependencies=known)
    if action in ("dump-autoload", "dumpautoload", "dump"):
        return _dump(argv, folder, scope)
    if action in ("clear-cache", "clearcache", "cc"):
        return Effect(Role.CLEAN, tool="composer")
    if action in ("self-update", "selfupdate", "diagnose", "about", "show", "check-platform-reqs", "validate",
                  "audit", "outdated", "licenses") or (action is None and "--version" in argv):  # fmt: skip
        role = Role.GATE if action in ("check-platform-reqs", "validate", "audit") else Role.BUILD
        return Effect(role, tool="composer", reads=(folder,), why="Composer itself")
    if action == "config":
        if "-g" in argv or "--global" in argv:
            return Effect(Role.BUILD, tool="composer", reads_only=True, why="configures Composer")
        return _in_project("config", folder, scope, (posixpath.join(folder, "composer.json"),))
    if action == "create-project":
        target = words[2] if len(words) > 2 else None
        if target is None:
            return None
        return Effect(
            Role.FETCH, tool="composer", reads_only=True, writes=(scope.path(target),),
            why="the project that Composer creates", detail=ComposerRun(scope.path(target), "create-project"),
        )  # fmt: skip
    if action in ("run-script", "run", "exec"):
        action = words[1] if len(words) > 1 else None
    if action in ("test", "tests", "phpunit", "phpstan", "lint", "cs", "analyse", "analyze"):
        return Effect(Role.GATE, tool="composer", reads=(folder,))
    project = project_at(folder, scope)
    if action is None or project is None or (action not in project.scripts and action != "dump-env"):
        return None
    effect = _in_project(action, folder, scope)
    if action in ("post-autoload-dump", "post-install-cmd", "dump-env", "auto-scripts"):
        return effect
    return Effect(
        effect.role, tool="composer", reads=effect.reads, writes=effect.writes, why=effect.why,
        detail=effect.detail, assumption=f"`composer {action}` writes nothing outside {folder}",
    )  # fmt: skip


def _in_project(action: str, folder: str, scope: Scope, writes: tuple[str, ...] = ()) -> Effect:
    return Effect(
        Role.BUILD, tool="composer", reads=(folder, EXTENSIONS, ini_folder(scope)),
        writes=writes or (folder,), why=f"what `composer {action}` writes",
        detail=ComposerRun(folder, action),
    )  # fmt: skip


def _composer_install(argv: Sequence[str | None], action: str, folder: str, scope: Scope) -> Effect:
    project = project_at(folder, scope)
    lock = posixpath.join(folder, "composer.lock")
    runs_scripts = "--no-scripts" not in argv
    runs_plugins = "--no-plugins" not in argv
    if (
        project is None
        or (runs_scripts and project.events)
        or (runs_plugins and project.has_plugins)
        or action in ("require", "remove")
        or project.vendor.startswith(("..", "/"))
    ):
        return _in_project("install", folder, scope)
    vendor = posixpath.normpath(posixpath.join(folder, project.vendor))
    writes = (vendor,) if scope.has(lock) and action in ("install", "i") else (vendor, lock)
    # the class map holds the project's own files, unless the autoloader comes later
    narrow = "--no-autoloader" in argv and not project.has_path_repositories
    manifest = posixpath.join(folder, "composer.json")
    reads = (manifest, lock, posixpath.join(folder, "auth.json")) if narrow else (folder,)
    return Effect(
        Role.BUILD, tool="composer", reads=(*reads, EXTENSIONS, ini_folder(scope)), reads_only=True,
        writes=writes, why="the packages that Composer installs", detail=ComposerRun(folder, "install"),
    )  # fmt: skip


def _dump(argv: Sequence[str | None], folder: str, scope: Scope) -> Effect:
    project = project_at(folder, scope)
    is_plain = project is not None and ("--no-scripts" in argv or not project.events)
    if project is None or not is_plain or project.vendor.startswith(("..", "/")):
        return _in_project("dump-autoload", folder, scope)
    vendor = posixpath.normpath(posixpath.join(folder, project.vendor))
    return _in_project("dump-autoload", folder, scope, (vendor,))
