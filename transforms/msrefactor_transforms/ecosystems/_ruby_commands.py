"""What the commands of Ruby's tools do: Bundler, RubyGems, rake and rails, site generators."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.code.gemfile import Gemfile, GemfileLock, read_gemfile, read_lock
from msrefactor.commands import option_value
from msrefactor.facts import Dependencies, Effect, Role, Scope
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._ruby_installs import of_bundle

_GATES = frozenset(
    "rspec rubocop brakeman minitest cucumber standardrb reek bundler-audit bundle-audit erb_lint erblint "
    "haml-lint slim-lint spring".split()
)
_WRITING_TASKS = (
    "assets:", "webpacker:", "shakapacker:", "vite:", "tailwindcss:", "javascript:", "css:", "yarn:",
    "i18n:js", "tmp:", "log:", "db:", "js:", "react_on_rails:", "bower:", "npm:", "ember:",
)  # fmt: skip
"""Beginnings of the names of tasks that write below the application's folder only."""
_GEM_VALUES = frozenset("-v --version -s --source -P --trust-policy -n --bindir -p --http-proxy".split())


@dataclass(frozen=True, slots=True)
class GemInstall:
    """One command that brings gems into the image."""

    tool: str
    """`bundle` or `gem`."""
    where: str
    """The folder that the gems go to."""
    folder: str = ""
    """Of Bundler: the project's folder."""
    gemfile: str = ""
    """The Gemfile's path in the image."""
    names: tuple[str, ...] = ()
    """Of RubyGems: the gems by name."""


@dataclass(frozen=True, slots=True)
class RubyTask:
    """A task of rake or rails, or a generator, that writes into the project."""

    folder: str
    name: str


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of Ruby's tools does."""
    name = argv[0]
    if name is None:
        return None
    tool = posixpath.basename(name)
    if tool in ("bundle", "bundler"):
        return _bundle(command, argv, scope)
    if tool == "gem":
        return _gem(argv, scope)
    if tool in ("rake", "rails"):
        return _task(argv, scope)
    if tool in _GATES:
        return Effect(Role.GATE, tool=tool)
    if tool == "bootsnap":
        return _written(tool, scope.cwd, "the cache of bootsnap")
    if tool in ("jekyll", "middleman", "nanoc", "bridgetown"):
        return _site(argv, scope)
    if tool == "ruby":
        if argv[1:2] in (("-v",), ("--version",), ["-v"], ["--version"]):
            return Effect(Role.NOTHING, tool=tool)
        inner = [word for word in argv[1:] if word is not None]
        if inner and posixpath.basename(inner[0]) in ("rails", "rake", "bundle"):
            return interpret(command, argv[1:], scope)
    return None


# ------------------------------------------------------------------------------------------- Bundler


def gem_home(scope: Scope) -> tuple[str, ...]:
    """Return the folders that RubyGems installs into: one of the official images', or the distribution's."""
    named = scope.variables.get("GEM_HOME")
    if named:
        return (scope.path(named),)
    if scope.base.family in ("debian", "ubuntu"):
        return ("/var/lib/gems", "/usr/local")
    return ()


def bundle_path(argv: Sequence[str | None], gemfile: str, scope: Scope) -> str | None:
    """Return where `bundle install` puts the gems, as words, variables and earlier settings say."""
    root = posixpath.dirname(gemfile)
    if _is_on(scope.variables.get("BUNDLE_PATH__SYSTEM")):
        return None
    # Bundler asks its settings in this order: the project's own, the environment, the user's
    named = (
        option_value(argv, "--path")
        or scope.notes.get("bundle path")
        or _written_path(root, scope)
        or scope.variables.get("BUNDLE_PATH")
        or scope.notes.get("bundle global path")
    )
    # a deployment changes the default only, wherever it is set (measured with Bundler 2.6)
    deploys = "--deployment" in argv or "--standalone" in argv
    deploys = deploys or any(
        map(
            _is_on,
            (
                scope.variables.get("BUNDLE_DEPLOYMENT"),
                scope.notes.get("bundle deployment"),
                scope.notes.get("bundle global deployment"),
            ),
        )
    )
    if not named and not deploys:
        return None
    return posixpath.normpath(posixpath.join(root, named or "vendor/bundle"))


def _is_on(value: str | None) -> bool:
    return (value or "").lower() in ("true", "1")


def _written_path(root: str, scope: Scope) -> str | None:
    """Return the path that the project's .bundle/config names, where Bundler reads that file."""
    if "BUNDLE_APP_CONFIG" in scope.variables:
        return None
    for line in (scope.read(posixpath.join(root, ".bundle/config")) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "BUNDLE_PATH":
            return value.strip().strip("'\"")
    return None


def config_file(scope: Scope, argv: Sequence[str | None], root: str) -> str:
    """Return the file that `bundle config` writes."""
    if "--global" in argv or ("--local" not in argv and "BUNDLE_APP_CONFIG" not in scope.variables):
        return posixpath.join(scope.home, ".bundle/config")
    folder = scope.variables.get("BUNDLE_APP_CONFIG") or posixpath.join(root, ".bundle")
    return posixpath.join(scope.path(folder), "config")


def gemfile_of(argv: Sequence[str | None], scope: Scope) -> str:
    """Return the path of the Gemfile that Bundler reads here: named, or the nearest one above."""
    named = option_value(argv, "--gemfile") or scope.variables.get("BUNDLE_GEMFILE")
    if named:
        return scope.path(named)
    folder = scope.cwd
    while True:
        for name in ("Gemfile", "gems.rb"):
            if scope.is_file(posixpath.join(folder, name)):
                return posixpath.join(folder, name)
        if folder == "/":
            return posixpath.join(scope.cwd, "Gemfile")
        folder = posixpath.dirname(folder)


def lock_of(gemfile: str) -> str:
    """Return the path of the lock file beside a Gemfile."""
    if posixpath.basename(gemfile) == "gems.rb":
        return posixpath.join(posixpath.dirname(gemfile), "gems.locked")
    return f"{gemfile}.lock"


def read_project(gemfile: str, scope: Scope) -> tuple[Gemfile | None, GemfileLock | None]:
    """Return the Gemfile and its lock as the image has them from the context."""
    text, lock = scope.read(gemfile), scope.read(lock_of(gemfile))
    return (
        read_gemfile(text) if text is not None else None,
        read_lock(lock) if lock is not None else None,
    )


def _bundle(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = list(argv[1:])
    while words and words[0] is not None and words[0].startswith("_"):
        words.pop(0)  # `bundle _2.1.4_ install`
    options = ("-v", "--version", "version", "check", "list", "show", "info", "outdated", "platform", "env")
    action = next((word for word in words if word is not None and not word.startswith("-")), None)
    if (words[:1] and words[0] in options) or action in options or action == "help":
        return Effect(Role.NOTHING, tool="bundle")
    if action in ("install", "update", "lock") or action is None:
        return _bundle_install(argv, scope)
    if action == "config":
        return _bundle_config(argv, words, scope)
    if action == "exec":
        inner = words[words.index("exec") + 1 :]
        while inner and inner[0] is not None and inner[0].startswith("-"):
            inner.pop(0)
        plain = [word for word in inner if word is None or "=" not in word or "/" in word.partition("=")[0]]
        return interpret(command, plain, scope) if plain else None
    if action in ("clean", "pristine"):
        where = bundle_path(argv, gemfile_of(argv, scope), scope)
        writes = (where,) if where else gem_home(scope)
        return Effect(Role.BUILD, tool="bundle", writes=writes, reads_only=True, why="the installed gems")
    if action in ("binstubs", "package", "cache", "pack"):
        root = posixpath.dirname(gemfile_of(argv, scope))
        place = "bin" if action == "binstubs" else "vendor/cache"
        return _written("bundle", root, "what Bundler writes", posixpath.join(root, place))
    return None


def _bundle_install(argv: Sequence[str | None], scope: Scope) -> Effect:
    gemfile = gemfile_of(argv, scope)
    root = posixpath.dirname(gemfile)
    read, lock = read_project(gemfile, scope)
    named = bundle_path(argv, gemfile, scope)
    folders = (named,) if named else gem_home(scope)
    if not folders or _is_unknown(argv, "--path", "--gemfile"):
        return Effect(Role.OPAQUE, tool="bundle", why="where Bundler installs the gems isn't known")
    writes = list(folders)
    remembered = ("--path", "--deployment", "--without", "--with", "--system", "--binstubs", "--clean")
    if any((word or "").partition("=")[0] in remembered for word in argv):
        writes.append(config_file(scope, ("--local",), root))
    if any((word or "").startswith("--binstubs") for word in argv):
        writes.append(posixpath.join(root, "bin"))
    is_complete = lock is not None and any(p == "ruby" or "linux" in p for p in lock.platforms)
    if not is_complete:
        # Bundler completes the lock file, and what starts reads it
        writes.append(lock_of(gemfile))
    elif any(word in ("update", "lock") for word in argv):
        writes.append(lock_of(gemfile))
    reads: tuple[str, ...] = (gemfile, lock_of(gemfile))
    if read is None or read.reads_more or scope.has(posixpath.join(root, "vendor/cache")):
        reads = (root,)
    elif read.ruby_file:
        reads = (*reads, posixpath.normpath(posixpath.join(root, read.ruby_file)))
    reads = (*reads, posixpath.join(root, ".bundle"), *gem_home(scope))
    known = of_bundle(argv, (gemfile, lock_of(gemfile)), read, lock, writes, scope)
    return Effect(
        Role.BUILD, tool="bundle", reads=reads, reads_only=True, writes=tuple(dict.fromkeys(writes)),
        why="the installed gems", detail=GemInstall("bundle", folders[0], root, gemfile), dependencies=known,
    )  # fmt: skip


def _is_unknown(argv: Sequence[str | None], *options: str) -> bool:
    """Whether one of the options has a value that isn't known before the command runs."""
    return any(before in options and word is None for before, word in itertools.pairwise(argv))


def _bundle_config(argv: Sequence[str | None], words: Sequence[str | None], scope: Scope) -> Effect:
    root = posixpath.dirname(gemfile_of((), scope))
    file = config_file(scope, argv, root)
    values = [w for w in words if w is None or not w.startswith("-")]
    values = [w for w in values if w not in ("config", "set", "unset", "list", "get")]
    settings: tuple[tuple[str, str], ...] = ()
    if values[:1] in (["path.system"], ["system"]) or ("unset" in words and "path" in values):
        return Effect(Role.OPAQUE, tool="bundle", why="where Bundler installs the gems isn't known")
    if len(values) > 1 and values[0] in ("path", "deployment"):
        if values[1] is None:
            return Effect(Role.OPAQUE, tool="bundle", why="where Bundler installs the gems isn't known")
        level = "bundle global" if "--global" in argv else "bundle"
        settings = ((f"{level} {values[0]}", values[1]),)
    if not values or any(word in ("get", "list") for word in words):
        return Effect(Role.NOTHING, tool="bundle")
    return Effect(
        Role.BUILD, tool="bundle", reads_only=True, writes=(file,), notes=settings,
        why="the settings of Bundler", dependencies=Dependencies("", (file,), (file,)),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- RubyGems


def _gem(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = list(argv[1:])
    action = next((word for word in words if word is not None and not word.startswith("-")), None)
    if action in ("install", "i"):
        named = option_value(argv, "-i", "--install-dir")
        folders = (scope.path(named),) if named else gem_home(scope)
        if not folders or "--user-install" in argv or _is_unknown(argv, "-i", "--install-dir"):
            return Effect(Role.OPAQUE, tool="gem", why="where RubyGems installs the gem isn't known")
        names: list[str] = []
        skips = False
        for word in words[words.index(action) + 1 :]:
            if word is None or skips or word.startswith("-"):
                skips = word in _GEM_VALUES
                continue
            names.append(word.partition(":")[0])
        files = tuple(scope.path(name) for name in names if name.endswith(".gem"))
        return Effect(
            Role.BUILD, tool="gem", reads=(*files, *gem_home(scope)), reads_only=True, writes=folders,
            why="the installed gems",
            detail=GemInstall("gem", folders[0], names=tuple(posixpath.basename(n) for n in names)),
        )  # fmt: skip
    if action == "update" and "--system" in words:
        if scope.base.family != "ruby":
            return None
        return Effect(
            Role.BUILD, tool="gem", reads_only=True, why="RubyGems itself",
            writes=("/usr/local/lib/ruby", "/usr/local/bin/gem", "/usr/local/bin/bundle", *gem_home(scope)),
        )  # fmt: skip
    if action in ("update", "uninstall", "cleanup", "pristine"):
        return Effect(
            Role.BUILD, tool="gem", reads_only=True, writes=gem_home(scope), why="the installed gems"
        )
    if action in ("sources", "source"):
        file = posixpath.join(scope.home, ".gemrc")
        return Effect(
            Role.BUILD, tool="gem", reads_only=True, writes=(), why=f"configures RubyGems in {file}"
        )
    if action in ("list", "env", "environment", "which", "search", "info", "contents", None):
        return Effect(Role.NOTHING, tool="gem")
    if action == "build":
        return _written("gem", scope.cwd, "the built gem")
    return None


# ------------------------------------------------------------------------------------------- tasks


def _task(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    tool = posixpath.basename(str(argv[0]))
    tasks = [word for word in argv[1:] if word and not word.startswith("-") and "=" not in word]
    if any(word is None for word in argv):
        return None
    if not tasks:
        return Effect(Role.NOTHING, tool=tool) if argv[1:] and tool == "rails" else None
    if any(task in ("spec", "test", "rubocop") or task.startswith("test:") for task in tasks):
        return Effect(Role.GATE, tool=tool)
    if tool == "rails" and tasks[0] in ("new", "server", "s", "console", "c", "dbconsole", "runner", "r"):
        return None
    known = all(task.startswith(_WRITING_TASKS) for task in tasks) or tasks[0] in ("generate", "g")
    return _written(
        tool, scope.cwd, f"what `{tool} {tasks[0]}` writes", name=tasks[0],
        assumption="" if known else f"`{tool} {tasks[0]}` writes nothing outside {scope.cwd}",
    )  # fmt: skip


def _site(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    tool = posixpath.basename(str(argv[0]))
    action = next((word for word in argv[1:] if word and not word.startswith("-")), None)
    if action not in ("build", "b", "compile", "deploy"):
        return None
    default = {"jekyll": "_site", "middleman": "build", "nanoc": "output", "bridgetown": "output"}[tool]
    named = option_value(argv, "-d", "--destination", "--build-dir")
    place = scope.path(named or default)
    return Effect(
        Role.BUILD, tool=tool, reads=(scope.cwd, *gem_home(scope)), reads_only=True,
        writes=(place,) if named else (scope.cwd,), why="the built site",
        detail=RubyTask(scope.cwd, f"{tool} {action}"),
    )  # fmt: skip


def _written(
    tool: str, folder: str, why: str, place: str | None = None, name: str = "", assumption: str = ""
) -> Effect:
    return Effect(
        Role.BUILD, tool=tool, reads=(folder,), writes=(place or folder,), why=why, assumption=assumption,
        detail=RubyTask(folder, name or tool),
    )  # fmt: skip
