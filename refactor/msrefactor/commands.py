"""What the commands do that every distribution has: files, users, packages, downloads.

One function per family; each gets the words as they will be when the command runs (None where that isn't
known) and returns an `Effect`. A command that isn't here and that no ecosystem claims is opaque.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from msrefactor import installers
from msrefactor.facts import Effect, Role, Scope, folder_state, gone_folders, is_under, made_folders
from msrefactor.shell import Command, Item, Word

Arguments: TypeAlias = tuple[str | None, ...]
Reader: TypeAlias = Callable[[Command, Arguments, Scope, Item], Effect]

SHELL_BUILTINS = frozenset(
    "find echo printf test [ [[ true : false cd export unset set shopt umask ulimit trap read alias shift "
    "local declare typeset let exit return break continue wait type command hash pushd popd".split()
)
"""Commands that the shell has itself, and `find`, which every base has."""


@dataclass(frozen=True, slots=True)
class PackageCall:
    """One call of the distribution's package manager."""

    manager: str
    """`apt`, `apk`, `dnf` or `zypper`."""
    action: str
    """`install`, `remove`, `update`, `upgrade`, `clean`, `autoremove` or `other`."""
    names: tuple[str | None, ...] = ()
    """The package names, as many as `Effect.packages` has words; None where a name isn't known."""
    virtual: str | None = None
    """apk: the name of the virtual package."""
    without_recommends: bool = False
    removes_dependencies: bool = False
    """remove: whether what was installed only for these packages goes with them."""


WASTE = (
    "/var/lib/apt/lists",
    "/var/cache",
    "/var/log",
    "/var/tmp",
    "/tmp",
    "/root/.cache",
    "/root/.npm",
    "/root/.config/yarn",
    "/usr/share/doc",
    "/usr/share/man",
    "/usr/local/share/.cache",
    "/etc/apk/cache",
)
"""Folders whose content nobody needs at run time, unless someone says so."""


_CACHES = frozenset(
    ".cache .npm .gradle .m2 .sbt .ivy2 .coursier .lein .cpcache .cpanm .cpan .perl-cpm".split()
)
"""Folders of users and projects where build tools keep what they downloaded."""


def is_waste(path: str) -> bool:
    """Whether the path lies in a folder that only ever holds caches, lists, logs or documentation."""
    return any(is_under(path, folder) for folder in WASTE) or bool(_CACHES & set(path.split("/")))


def redirect_writes(command: Command | Item, scope: Scope) -> tuple[str, ...] | None:
    """Return the files that the redirections of a command or compound write; None where one isn't known."""
    paths: list[str] = []
    for redirect in command.redirects:
        if ">" not in redirect.operator or redirect.target is None or redirect.operator in (">&", "<&"):
            continue
        target = scope.value(redirect.target)
        if target is None:
            return None
        if not target.startswith("/dev/"):
            paths.append(scope.path(target))
    return tuple(paths)


def appended_files(command: Command | Item, scope: Scope) -> tuple[str, ...]:
    """Return those of the files that redirections write that they add to."""
    targets = [r.target for r in command.redirects if ">>" in r.operator and r.target is not None]
    values = [value for value in map(scope.value, targets) if value is not None]
    return tuple(scope.path(value) for value in values if not value.startswith("/dev/"))


def operands(argv: Sequence[str | None], with_value: Iterable[str] = ()) -> tuple[str | None, ...]:
    """Return the words after the command's name that are no options; those in `with_value` take a word."""
    takes = frozenset(with_value)
    found: list[str | None] = []
    rest = list(argv[1:])
    while rest:
        word = rest.pop(0)
        if word == "--":
            found.extend(rest)
            break
        if word is not None and word.startswith("-") and word != "-":
            if word in takes and rest:
                rest.pop(0)
            continue
        found.append(word)
    return tuple(found)


def option_value(argv: Sequence[str | None], *names: str) -> str | None:
    """Return the value of the first option given under one of these names, `--x=v`, `--x v` or `-xv`."""
    for index, word in enumerate(argv):
        if word is None:
            continue
        for name in names:
            if word == name and index + 1 < len(argv):
                return argv[index + 1]
            if name.startswith("--") and word.startswith(name + "="):
                return word[len(name) + 1 :]
            if not name.startswith("--") and len(name) == 2 and word.startswith(name) and len(word) > 2:
                return word[2:]
    return None


def clustered_value(argv: Sequence[str | None], letter: str) -> tuple[bool, str | None]:
    """Whether a short option with a value is given, alone or at the end of a cluster, and its value.

    `-O x`, `-Ox`, `-qO x` and `-qO-` all give `O`; a value that isn't known is None.
    """
    for index, word in enumerate(argv):
        if word is None or not word.startswith("-") or word.startswith("--") or letter not in word[1:]:
            continue
        flags, _, value = word[1:].partition(letter)
        if not flags.isalnum() and flags:
            continue
        if value:
            return True, value
        return True, argv[index + 1] if index + 1 < len(argv) else None
    return False, None


def has_option(argv: Sequence[str | None], *names: str) -> bool:
    """Whether one of the options is given; a short one also inside a cluster such as `-rf`."""
    for word in argv:
        if word is None or not word.startswith("-"):
            continue
        for name in names:
            if word == name or word.startswith(name + "="):
                return True
            if len(name) == 2 and not word.startswith("--") and name[1] in word[1:]:
                return True
    return False


def interpret_common(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """Return what a command does that isn't any language's own."""
    name = argv[0]
    if name is None:
        return Effect(Role.OPAQUE, why=f"which program `{command.words[0].text}` is isn't known")
    tool = posixpath.basename(name)
    if any(word == "--version" for word in argv[1:]) and len(argv) == 2:
        return Effect(Role.NOTHING, tool=tool)
    if "/" in name and not name.startswith(("/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/")):
        known = _downloaded(name, argv[1:], scope)
        if known is not None:
            return known
        return Effect(Role.OPAQUE, tool=name, why=f"what `{name}` leaves behind isn't known")
    reader = _READERS.get(tool)
    if reader is None:
        return Effect(Role.OPAQUE, tool=tool, why=f"what `{tool}` leaves behind isn't known")
    return reader(command, argv, scope, item)


_READ_FILES = {
    "cat": 0,
    "head": 0,
    "tail": 0,
    "sort": 0,
    "base64": 0,
    "grep": 1,
    "egrep": 1,
    "awk": 1,
    "jq": 1,
}
"""Filters, with the number of operands before their files."""


def _nothing(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    tool = posixpath.basename(str(argv[0]))
    files = operands(argv, ("-n", "-c", "-e"))[_READ_FILES[tool] :] if tool in _READ_FILES else ()
    reads = tuple(scope.path(file) for file in files if file is not None and file != "-")
    return Effect(Role.NOTHING, tool=str(argv[0]), reads=reads)


def _gate(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    return Effect(Role.GATE, tool=str(argv[0]))


def _navigate(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    if argv[0] in ("cd", "pushd") and len(argv) > 1 and argv[-1] is None:
        return Effect(Role.OPAQUE, tool="cd", why="a change into a folder that isn't known")
    if argv[0] in ("cd", "pushd") and len(argv) > 1 and argv[-1] not in (None, "-"):
        return Effect(Role.NAVIGATE, tool=str(argv[0]), reads=(scope.path(str(argv[-1])),))
    return Effect(Role.NAVIGATE, tool=str(argv[0]))


def _unknown_path(tool: str) -> Effect:
    return Effect(Role.OPAQUE, tool=tool, why=f"a path given to `{tool}` isn't known")


def _paths(values: Iterable[str | None], scope: Scope) -> tuple[str, ...] | None:
    known: list[str] = []
    for value in values:
        if value is None:
            return None
        known.append(scope.path(value))
    return tuple(known)


def _makes(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """`mkdir`, `touch`, `install -d`."""
    takes = {
        "mkdir": ("-m", "--mode"),
        "touch": ("-d", "-t", "-r", "--date", "--reference"),
        "install": ("-m", "-o", "-g", "--mode", "--owner", "--group"),
    }
    paths = _paths(operands(argv, takes.get(posixpath.basename(str(argv[0])), ())), scope)
    if paths is None:
        return _unknown_path(str(argv[0]))
    tool = str(argv[0])
    made = () if posixpath.basename(tool) == "touch" else made_folders(paths)
    return Effect(Role.SETUP, tool=tool, writes=paths, notes=made)


def _permissions(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """`chmod`, `chown`, `chgrp`."""
    words = operands(argv, ("--reference",))
    paths = _paths(words[1:], scope)
    if paths is None or not words:
        return _unknown_path(str(argv[0]))
    owners: tuple[str, ...] = ()
    if argv[0] in ("chown", "chgrp") and words[0]:
        owners = tuple(part for part in words[0].replace(".", ":").split(":") if part and not part.isdigit())
    return Effect(Role.SETUP, tool=str(argv[0]), reads=paths, writes=paths, mentions_users=owners)


def _links(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    words = operands(argv, ("-t", "--target-directory", "-S"))
    if not words or any(word is None for word in words):
        return _unknown_path("ln")
    known = [word for word in words if word is not None]
    target = known[-1] if len(known) > 1 else posixpath.basename(known[0])
    place = scope.path(target)
    inside = posixpath.dirname(place)
    reads = tuple(
        posixpath.normpath(posixpath.join(inside, word)) for word in known[: max(1, len(known) - 1)]
    )
    return Effect(Role.SETUP, tool="ln", reads=reads, writes=(place,))


def _copies(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """`cp`, `mv`, `install`."""
    tool = str(argv[0])
    if tool == "install" and has_option(argv, "-d", "--directory"):
        return _makes(command, argv, scope, item)
    values = list(operands(argv, ("-t", "--target-directory", "-m", "-o", "-g", "--mode", "-S")))
    into = option_value(argv, "-t", "--target-directory")
    if into is not None:
        values.append(into)
    paths = _paths(values, scope)
    is_computed = any(word.text.startswith(("$(", '"$(', "`")) for word in command.words[1:-1])
    # what `mv` takes away isn't known then
    if (
        paths is None
        and is_computed
        and tool != "mv"
        and values[-1]
        and not has_option(argv, "-r", "-R", "-a")
    ):
        # `cp $(cabal list-bin app) /usr/local/bin/app`: what it was is the builder's, what it is is known
        made = scope.path(values[-1])
        if not _is_folder(values[-1], made, scope):
            return Effect(Role.BUILD, tool=tool, writes=(made,), why="what is copied there")
    if paths is None or len(paths) < 2:
        return _unknown_path(tool)
    sources, target = paths[:-1], paths[-1]
    word = str(values[-1])
    if _is_folder(word, target, scope):
        names = [str(value) for value in values[:-1]]
        targets = tuple(
            target
            if name.endswith(("/.", "/*")) or name in (".", "*")
            else posixpath.join(target, posixpath.basename(path))
            for name, path in zip(names, sources, strict=True)
        )
    else:
        targets = (target,)
    removed = sources if tool == "mv" else ()
    gone = gone_folders(removed, scope)
    folders = made_folders(
        new for old, new in zip(sources, targets, strict=False) if folder_state(old, scope)
    )
    return Effect(
        Role.SETUP,
        tool=tool,
        reads=sources,
        reads_only=True,
        writes=targets,
        removes=removed,
        notes=(*gone, *folders),
    )


_FOLDERS = frozenset(
    "/ /bin /sbin /etc /home /lib /opt /root /srv /tmp /usr /usr/bin /usr/lib /usr/local /usr/local/bin "
    "/usr/local/lib /usr/local/sbin /usr/local/share /usr/sbin /usr/share /var /var/lib /var/log".split()
)
"""Folders of every base. /var/www comes with a web server: a folder copied to it may be it, or lie in it."""


def _is_folder(word: str, path: str, scope: Scope) -> bool:
    """Whether a target of `cp` is a folder that is there already."""
    if word.endswith("/") or word in (".", "..") or path in (scope.cwd, scope.base.workdir):
        return True
    state = folder_state(path, scope)
    if state is not None:
        return state
    if path in _FOLDERS:
        return True
    return any(placed.is_folder and placed.destination == path for placed in scope.placed) or (
        scope.has(path) and not scope.is_file(path)
    )


def _removes(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """`rm`, `rmdir`, `unlink`."""
    words = operands(argv)
    paths = _paths(words, scope)
    if paths is None:
        known = tuple(scope.path(word) for word in words if word is not None)
        return replace(_unknown_path(str(argv[0])), removes=known)
    role = Role.CLEAN if all(is_waste(path) for path in paths) else Role.SETUP
    gone = gone_folders([path for path in paths if "*" not in path], scope)
    return Effect(role, tool=str(argv[0]), removes=paths, notes=gone)


def _find(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    words = [word or "" for word in argv[1:]]
    starts: list[str] = []
    for word in words:
        if word.startswith(("-", "(", "!", "\\(")):
            break
        starts.append(word)
    paths = _paths(starts or ["."], scope) or ()
    deletes = "-delete" in words
    if "-exec" in words or "-execdir" in words or "-ok" in words:
        at = next(i for i, word in enumerate(words) if word in ("-exec", "-execdir", "-ok"))
        ran = words[at + 1] if at + 1 < len(words) else ""
        if ran == "rm":
            deletes = True
        elif ran in ("chmod", "chown", "chgrp", "sed", "touch", "strip"):
            return Effect(Role.SETUP, tool="find", reads=paths, writes=paths)
        elif ran not in ("grep", "ls", "test", "echo", "ldd", "scanelf", "file", "readelf"):
            return Effect(Role.OPAQUE, tool="find", why=f"what `find -exec {ran}` leaves behind isn't known")
    if not deletes:
        return Effect(Role.NOTHING, tool="find", reads=paths)
    # by pattern, below whole trees: what goes is litter such as *.pyc or *.a
    return Effect(Role.SETUP, tool="find", reads=paths, writes=paths)


def _edits(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """`sed`: in place, or a filter."""
    if not has_option(argv, "-i", "--in-place"):
        return Effect(Role.NOTHING, tool="sed")
    words = operands(argv, ("-e", "-f", "--expression", "--file"))
    files = words if has_option(argv, "-e", "--expression", "-f") else words[1:]
    paths = _paths(files, scope)
    if paths is None:
        return _unknown_path("sed")
    return Effect(Role.SETUP, tool="sed", reads=paths, writes=paths)


def _line_ends(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    paths = _paths(operands(argv), scope)
    if paths is None:
        return _unknown_path(str(argv[0]))
    return Effect(Role.SETUP, tool=str(argv[0]), reads=paths, writes=paths)


def _tee(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    paths = _paths(operands(argv), scope)
    if paths is None:
        return _unknown_path("tee")
    files = tuple(path for path in paths if not path.startswith("/dev/"))
    added = files if has_option(argv, "-a", "--append") else ()
    return Effect(Role.SETUP, tool="tee", writes=files, appends=added)


def _users(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """`useradd`, `adduser`, `groupadd`, `addgroup`, `usermod`, `groupmod`, `passwd`, `deluser`."""
    tool = str(argv[0])
    takes: tuple[str, ...] = (
        "-u", "--uid", "-g", "--gid", "-G", "--groups", "-d", "--home-dir", "--home", "-s", "--shell",
        "-c", "--comment", "--gecos", "-h", "-k", "-K", "--ingroup", "-p", "--password", "-b",
        "--skel", "--key",
    )  # fmt: skip
    if tool == "adduser" and scope.base.system != "alpine":
        takes = tuple(option for option in takes if option not in ("-h",))
    names = operands(argv, takes)
    if any(name is None for name in names):
        # a name given by a variable: the command runs as well on the runtime base
        return Effect(Role.SETUP, tool=tool, writes=("/etc/passwd", "/etc/group"))
    made = tuple(name for name in names if name)
    if tool in ("adduser", "addgroup") and len(made) == 2:
        # `adduser web readers` puts a user into a group
        return Effect(Role.SETUP, tool=tool, writes=("/etc/group",), mentions_users=made)
    homes: tuple[tuple[str, str], ...] = ()
    writes = ["/etc/passwd", "/etc/group"]
    if tool in ("useradd", "adduser") and made:
        named = option_value(argv, "-d", "--home-dir", "--home") or (
            option_value(argv, "-h") if scope.base.system == "alpine" else None
        )
        home = scope.path(named) if named else f"/home/{made[0]}"
        homes = ((made[0], home),)
        writes.append(home)
    mentions: list[str] = []
    for option in ("-g", "--gid", "-G", "--groups", "--ingroup"):
        value = option_value(argv, option)
        if value:
            mentions.extend(part for part in value.split(",") if not part.isdigit())
    users = made if tool in ("useradd", "adduser", "groupadd", "addgroup") else ()
    return Effect(
        Role.SETUP, tool=tool, writes=tuple(writes), users=users, homes=homes, mentions_users=tuple(mentions)
    )


def _passwords(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    return Effect(Role.SETUP, tool=str(argv[0]), writes=("/etc/passwd", "/etc/shadow"))


def _configures(*writes: str) -> Reader:
    def read(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
        return Effect(Role.SETUP, tool=str(argv[0]), writes=writes)

    return read


def _downloads(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """`curl`, `wget`; known installers and archives of known tools are remembered by where they are saved."""
    effect = _saved(command, argv, scope, item)
    url = installers.address_in(command)
    if effect.role not in (Role.FETCH, Role.OPAQUE):
        return effect
    if not (installers.known_script(url) or installers.archive_of(url)):
        return effect
    saved = (*effect.writes, *(redirect_writes(command, scope) or ()))
    notes = tuple((f"download {path}", url) for path in saved)
    # nobody needs the installer itself once it has run
    return Effect(Role.FETCH, tool=effect.tool, notes=notes)


def _saved(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """Return where a download goes: to a file, or to standard output."""
    tool = str(argv[0])
    if item.kind == "pipeline" and item.commands and item.commands[-1] is not command:
        last = item.commands[-1]
        if last.start > command.start:
            return Effect(Role.NOTHING if tool in ("curl", "wget") else Role.FETCH, tool=tool)
    urls = [word for word in argv[1:] if word and "://" in word]
    unknown = Effect(Role.OPAQUE, tool=tool, why=f"where `{tool}` saves its download isn't known")
    is_redirected = any(">" in redirect.operator for redirect in command.redirects)
    to_output = Effect(Role.FETCH if is_redirected else Role.GATE, tool=tool)
    long_option, letter = ("--output", "o") if tool == "curl" else ("--output-document", "O")
    given, target = clustered_value(argv, letter)
    if not given:
        target = option_value(argv, long_option)
        given = target is not None or has_option(argv, long_option)
    if given:
        if target is None:
            return unknown
        return to_output if target == "-" else Effect(Role.FETCH, tool=tool, writes=(scope.path(target),))
    by_name = has_option(argv, "-O", "--remote-name", "--remote-name-all", "-J") or tool == "wget"
    if not by_name:
        return to_output
    if tool == "wget" and has_option(argv, "--spider"):
        return Effect(Role.GATE, tool=tool)
    names = [posixpath.basename(url.split("?")[0]) for url in urls]
    if not all(names) or not names or any(word is None for word in argv):
        return unknown
    folder = option_value(argv, "--output-dir") if tool == "curl" else None
    if tool == "wget":
        is_inside, folder = clustered_value(argv, "P")
        folder = folder if is_inside else option_value(argv, "--directory-prefix")
        if is_inside and folder is None:
            return unknown
    inside = scope.path(folder) if folder else scope.cwd
    return Effect(Role.FETCH, tool=tool, writes=tuple(posixpath.join(inside, name) for name in names))


def _unpacks(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """`tar`, `unzip`: where to."""
    tool = str(argv[0])
    if tool == "unzip":
        folder = option_value(argv, "-d")
        if folder is None and has_option(argv, "-d"):
            return _unknown_path(tool)
        archive = operands(argv, ("-d", "-x"))[:1]
        reads = _paths(archive, scope) or ()
        target = scope.path(folder) if folder else scope.cwd
        known = _known_archive(command, archive[0] if archive else None, target, item)
        if known is not None:
            return replace(known, reads=reads)
        return Effect(Role.FETCH, tool=tool, reads=reads, writes=(target,))
    words = list(argv[1:])
    mode = words[0] if words else None
    extracts = has_option(argv, "-x", "--extract", "--get") or (
        mode is not None and not mode.startswith("-") and "x" in mode
    )
    if not extracts:
        return Effect(Role.OPAQUE, tool=tool, why="what `tar` writes here isn't known")
    folder = None
    for index, word in enumerate(words):
        if word is None:
            continue
        if word in ("-C", "--directory") or (
            word.startswith("-") and not word.startswith("--") and word.endswith("C")
        ):
            if index + 1 >= len(words) or words[index + 1] is None:
                return _unknown_path(tool)
            folder = words[index + 1]
        elif word.startswith("--directory="):
            folder = word.partition("=")[2]
    if folder is None and any(word is None for word in words[1:]) and "-C" in [w.text for w in command.words]:
        return _unknown_path(tool)
    is_given, archive_word = clustered_value(argv, "f")
    if not is_given:
        archive_word = option_value(argv, "--file")
    if archive_word is None and mode is not None and not mode.startswith("-") and "f" in mode:
        archive_word = words[1] if len(words) > 1 else None
    reads = (scope.path(archive_word),) if archive_word and archive_word != "-" else ()
    target = scope.path(folder) if folder else scope.cwd
    known = _known_archive(command, archive_word, target, item)
    if known is not None:
        return replace(known, reads=reads)
    return Effect(Role.FETCH, tool=tool, reads=reads, writes=(target,))


def _known_archive(command: Command, archive: str | None, folder: str, item: Item) -> Effect | None:
    """Return what unpacking leaves where the archive, a file or what is piped in, is one of known tools."""
    texts = [archive] if archive and archive != "-" else []
    texts.extend(word.text.strip("\"'") for word in command.words[1:] if installers.archive_of(word.text))
    if item.kind == "pipeline" and item.commands and item.commands[0] is not command:
        texts.append(installers.address_in(item.commands[0]))
    strips = [word.text.removeprefix("--strip-components").strip("= ") for word in command.words
              if word.text.startswith("--strip")]  # fmt: skip
    depth = strips[0] if strips else "0"
    if strips and not depth:
        at = next(n for n, word in enumerate(command.words) if word.text.startswith("--strip"))
        depth = command.words[at + 1].text if at + 1 < len(command.words) else ""
    if depth not in ("0", "1"):
        return None
    found = (installers.unpacked(text.strip("\"'"), folder, depth == "1") for text in texts)
    return next((effect for effect in found if effect is not None), None)


def _git(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    words = operands(argv, ("-c", "-C", "-b", "--branch", "--depth", "--config", "-o"))
    if not words:
        return Effect(Role.NOTHING, tool="git")
    if words[0] == "clone":
        rest = words[1:]
        if not rest or (len(rest) == 1 and rest[0] is None) or (len(rest) > 1 and rest[1] is None):
            return Effect(Role.OPAQUE, tool="git", why="where `git clone` puts the repository isn't known")
        target = (
            rest[1] if len(rest) > 1 else posixpath.basename(str(rest[0]).rstrip("/")).removesuffix(".git")
        )
        return Effect(Role.FETCH, tool="git", writes=(scope.path(str(target)),))
    if words[0] == "config":
        if "--system" in argv:
            return Effect(Role.SETUP, tool="git", writes=("/etc/gitconfig",))
        # what is set for the user often holds credentials for the build, and is never carried over
        return Effect(Role.BUILD, tool="git", reads_only=True, why="configures git")
    if words[0] in ("checkout", "submodule", "reset", "pull", "fetch", "apply", "switch", "lfs", "init"):
        return Effect(Role.FETCH, tool="git", writes=(scope.cwd,))
    return Effect(Role.NOTHING, tool="git")


# ------------------------------------------------------------------------------------------- packages


def _apt(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    takes = ("-t", "--target-release", "-o", "-c", "--option", "--config-file", "-a")
    words = _operand_words(command, argv, takes)
    if not words:
        return Effect(Role.NOTHING, tool="apt-get")
    action, names = words[0][1], words[1:]
    lean = has_option(argv, "--no-install-recommends") or any(
        "install-recommends=" in (word or "").lower() and word is not None and word[-1] in "0e"
        for word in argv
    )
    deep = action == "autopurge" or has_option(argv, "--auto-remove", "--autoremove")
    return _package_effect(
        "apt", str(argv[0]), action, names, without_recommends=lean, removes_dependencies=deep
    )


def _apk(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    takes = ("-t", "--virtual", "-X", "--repository", "--keys-dir", "-p", "--root")
    words = _operand_words(command, argv, takes)
    if not words:
        return Effect(Role.NOTHING, tool="apk")
    action = {"add": "install", "del": "remove", "fix": "update"}.get(words[0][1] or "", words[0][1])
    virtual = option_value(argv, "-t", "--virtual")
    return _package_effect(
        "apk",
        "apk",
        action,
        words[1:],
        virtual=virtual,
        without_recommends=True,
        removes_dependencies=True,
    )


def _rpm(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    words = _operand_words(command, argv, ("-c", "--setopt", "--enablerepo", "--disablerepo", "--releasever"))
    if not words:
        return Effect(Role.NOTHING, tool=str(argv[0]))
    action = {
        "erase": "remove",
        "makecache": "update",
        "localinstall": "install",
        "in": "install",
        "ref": "update",
    }
    if words[0][1] in ("group", "groups") and len(words) > 1:
        words = [(words[1][0], f"group{words[1][1]}"), *words[2:]]
    action.update(groupinstall="install", groupremove="remove", grouperase="remove")
    wanted = action.get(words[0][1] or "", words[0][1])
    tool = posixpath.basename(str(argv[0]))
    return _package_effect(
        "dnf" if tool != "zypper" else "zypper",
        tool,
        wanted,
        words[1:],
        removes_dependencies=tool in ("dnf", "microdnf", "tdnf"),
    )


def _operand_words(
    command: Command, argv: Arguments, with_value: tuple[str, ...]
) -> list[tuple[Word, str | None]]:
    found: list[tuple[Word, str | None]] = []
    pairs = list(zip(command.words, argv, strict=True))[1:]
    while pairs:
        word, value = pairs.pop(0)
        if word.text.startswith("-"):
            if word.text in with_value and pairs:
                pairs.pop(0)
            continue
        if value is not None and word.literal is None and '"' not in word.text and len(value.split()) > 1:
            # a variable that the shell splits into several words
            found.extend((word, part) for part in value.split() if part != "\\")
            continue
        found.append((word, value))
    return found


def _package_effect(
    manager: str,
    tool: str,
    action: str | None,
    names: Sequence[tuple[Word, str | None]],
    virtual: str | None = None,
    without_recommends: bool = False,
    removes_dependencies: bool = False,
) -> Effect:
    values = tuple(value for _, value in names)
    words = tuple(word for word, _ in names)
    if action in ("install", "reinstall", "satisfy", "localinstall"):
        if any(value is not None and value.startswith((".", "/")) and "/" in value for value in values):
            return Effect(Role.OPAQUE, tool=tool, why="which files a downloaded package installs isn't known")
        call = PackageCall(manager, "install", values, virtual, without_recommends)
        return Effect(Role.PACKAGES, tool=tool, packages=words, detail=call)
    if action in ("remove", "purge", "autopurge"):
        gone = tuple(value for value in values if value)
        call = PackageCall(manager, "remove", values, removes_dependencies=removes_dependencies)
        return Effect(Role.PACKAGES, tool=tool, removed_packages=gone, detail=call)
    if action in ("update", "upgrade", "dist-upgrade", "full-upgrade"):
        kind = "update" if action == "update" and manager in ("apt", "apk", "zypper") else "upgrade"
        return Effect(Role.PACKAGES, tool=tool, detail=PackageCall(manager, kind))
    if action in ("clean", "autoclean", "autoremove", "cache", "dist-clean", "distclean"):
        kind = "autoremove" if action == "autoremove" else "clean"
        return Effect(Role.CLEAN, tool=tool, detail=PackageCall(manager, kind))
    if action == "build-dep":
        return Effect(Role.BUILD, tool=tool, reads_only=True, why="installs build dependencies")
    if action in ("check", "policy", "list", "show", "search", "info", "version"):
        return Effect(Role.NOTHING, tool=tool)
    return Effect(Role.OPAQUE, tool=tool, why=f"what `{tool} {action or '?'}` leaves behind isn't known")


def _dpkg(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    if has_option(argv, "-i", "--install"):
        return Effect(Role.OPAQUE, tool="dpkg", why="which files a downloaded package installs isn't known")
    if has_option(argv, "--add-architecture"):
        return Effect(Role.SETUP, tool="dpkg", writes=("/var/lib/dpkg",))
    return Effect(Role.NOTHING, tool=str(argv[0]))


def _shell(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    tool = str(argv[0])
    rest = [word for word in argv[1:] if word not in ("-", "-E", "-x", "-e", "-ex", "-l")]
    if tool in (".", "source") and argv[1:2] and argv[1] is not None:
        return _sourced(argv[1], scope)
    if item.kind == "pipeline" and (not rest or rest[0] == "-s"):
        at = item.commands.index(command) if command in item.commands else len(item.commands) - 1
        known = None
        if at == 1 and item.commands[0].name in ("curl", "wget"):
            words = [word for word in rest[1:] if word != "--"]
            known = installers.run_script(installers.address_in(item.commands[0]), words, scope)
        why = "a script that comes from another program is run"
        return known or Effect(Role.OPAQUE, tool=tool, why=why)
    if rest and rest[0] is not None and not rest[0].startswith("-"):
        known = _downloaded(rest[0], rest[1:], scope)
        if known is not None:
            return known
    return Effect(Role.OPAQUE, tool=tool, why="what the script leaves behind isn't known")


def _downloaded(name: str, words: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a script does that an earlier command downloaded, if it is a known installer."""
    url = scope.notes.get(f"download {scope.path(name)}")
    return installers.run_script(url, words, scope) if url else None


_SOURCED = ("/nvm.sh", "/.cargo/env", "/.bashrc", "/.profile", "/.bash_profile", "/etc/profile")
"""Scripts that only set what later commands of the same shell see."""


def _sourced(script: str, scope: Scope) -> Effect:
    path = scope.path(script)
    if path.endswith(_SOURCED) or path == f"{scope.variables.get('CARGO_HOME', '')}/env":
        return Effect(Role.NAVIGATE, tool=".")
    return Effect(Role.OPAQUE, tool=".", why="what the script leaves behind isn't known")


def _version_manager(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """`nvm`, `n`: other versions of Node."""
    if argv[1:2] in (("use",), ("ls",), ("list",), ("which",), ("--version",), ("current",)):
        return Effect(Role.NAVIGATE, tool=str(argv[0]))
    if argv[1:2] == ("cache",):
        return Effect(Role.CLEAN, tool=str(argv[0]))
    return installers.version_manager(posixpath.basename(str(argv[0])), scope)


def _rustup(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    return installers.rustup(scope)


def _repository(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    return installers.added_repository(argv)


def _keys(command: Command, argv: Arguments, scope: Scope, item: Item) -> Effect:
    """`apt-key`, and `gpg` where it makes a key ring for apt."""
    if posixpath.basename(str(argv[0])) == "apt-key":
        if "add" in argv or "adv" in argv:
            return Effect(Role.SETUP, tool="gpg", writes=("/etc/apt/trusted.gpg",))
        return Effect(Role.NOTHING, tool="apt-key")
    if "--dearmor" in argv or "--dearmour" in argv:
        target = option_value(argv, "-o", "--output")
        if target is not None:
            return Effect(Role.SETUP, tool="gpg", writes=(scope.path(target),))
        if any(">" in redirect.operator for redirect in command.redirects):
            return Effect(Role.SETUP, tool="gpg")
    if "--verify" in argv:
        return Effect(Role.GATE, tool="gpg")
    return Effect(Role.OPAQUE, tool="gpg", why="what `gpg` leaves behind isn't known")


_MANY: Mapping[Reader, str] = {
    _nothing: (
        "true : echo printf yes test [ [[ set shopt which type command ls dir cat pwd env id whoami "
        "uname sleep date head tail grep egrep awk cut sort uniq tr wc sha256sum md5sum sha512sum sha1sum "
        "stat du df file getconf nproc arch exit false wait ps kill basename "
        "dirname realpath readlink seq diff cmp ldd hostname locale strings jq yq rev expr hash "
        "history tree base64 break continue return"
    ),
    _gate: "hadolint shellcheck",
    _navigate: "cd export unset pushd popd umask ulimit trap read alias shift local declare typeset let",
    _makes: "mkdir touch",
    _permissions: "chmod chown chgrp",
    _links: "ln",
    _copies: "cp mv install",
    _removes: "rm rmdir unlink",
    _find: "find",
    _edits: "sed",
    _line_ends: "dos2unix unix2dos truncate",
    _tee: "tee",
    _users: "useradd adduser groupadd addgroup usermod groupmod userdel deluser gpasswd",
    _passwords: "passwd chpasswd",
    _configures("/etc/ssl/certs"): "update-ca-certificates update-ca-trust",
    _configures("/etc/ld.so.cache"): "ldconfig",
    _configures("/usr/lib/locale", "/etc/default/locale"): "locale-gen localedef update-locale",
    _configures("/etc"): "dpkg-reconfigure update-alternatives a2enmod a2dismod a2ensite a2dissite a2enconf",
    _configures("/usr/bin"): "setcap",
    _downloads: "curl wget",
    _unpacks: "tar unzip bsdtar",
    _git: "git",
    _apt: "apt-get apt aptitude",
    _apk: "apk",
    _keys: "apt-key gpg",
    _rpm: "yum dnf microdnf zypper tdnf",
    _dpkg: "dpkg dpkg-query apt-mark apt-cache apt-config dpkg-architecture",
    _version_manager: "nvm n",
    _rustup: "rustup rustup-init",
    _repository: "add-apt-repository apt-add-repository",
    _shell: "sh bash ash dash zsh . source eval",
}

_READERS: Mapping[str, Reader] = {name: reader for reader, names in _MANY.items() for name in names.split()}
