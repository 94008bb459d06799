"""The tools around a compiler and around downloaded sources: archives, signatures, patches, symbols.

Sources: the manual pages of binutils, GnuPG, patch, xz, gzip and bzip2; apk-tools, add-apt-repository(1).
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.commands import has_option, operands, option_value
from msrefactor.facts import Effect, Role, Scope
from msrefactor.shell import Command

_IN_PLACE = frozenset("strip objcopy patchelf chrpath sstrip upx ranlib execstack prelink".split())
_ARCHIVERS = frozenset("ar gcc-ar llvm-ar gcc-ranlib".split())
_ASKS = frozenset(
    "gpg gpg2 gpgv gpgconf minisign signify cosign shasum sha224sum sha384sum b2sum cksum sum openssl-verify "
    "scanelf readelf objdump nm size xargs lsb_release pg_config mysql_config xml2-config curl-config nc "
    "ncurses6-config lscpu free top ps gpg-agent dirmngr killall pkill time timeout mktemp tput tty "
    "strace file getent sync ldd-tree apt-get-changelog fold column paste tac nl od xxd hexdump comm join "
    "expand printenv logname users who groups uptime md5 perl-v dpkg-deb rpm-verify cmp".split()
)
"""Tools that leave nothing which anybody needs."""
_DECOMPRESSORS = {
    "gunzip": (".gz", ".tgz"),
    "bunzip2": (".bz2",),
    "unxz": (".xz",),
    "unlzma": (".lzma",),
    "unzstd": (".zst",),
}
_REPOSITORIES = {
    "add-apt-repository": "/etc/apt",
    "apt-add-repository": "/etc/apt",
    "yum-config-manager": "/etc/yum.repos.d",
    "subscription-manager": "/etc/yum.repos.d",
    "crb": "/etc/yum.repos.d",
}


@dataclass(frozen=True, slots=True)
class PkgConfig:
    """A call of pkg-config: the names of what is linked."""

    names: tuple[str, ...]


def tool_effect(tool: str, command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what one of the tools does; None: it is none of them."""
    if tool in ("pkg-config", "pkgconf"):
        names = tuple(word.partition(" ")[0] for word in operands(argv) if word)
        return Effect(Role.NOTHING, tool=tool, detail=PkgConfig(names))
    if tool in _IN_PLACE:
        return _in_place(tool, argv, scope)
    if tool in _ARCHIVERS:
        return Effect(Role.BUILD, tool=tool, why="collects objects")
    if tool in ("gpg", "gpg2") and has_option(argv, "--output", "-o", "--dearmor"):
        output = option_value(argv, "--output", "-o")
        if output is None:
            is_named = has_option(argv, "--output", "-o")
            return None if is_named else Effect(Role.GATE, tool=tool)
        return Effect(Role.FETCH, tool=tool, writes=(scope.path(output),))
    if tool == "xargs":
        return _xargs(argv, scope)
    if tool in _ASKS:
        return Effect(Role.GATE if tool.startswith(("gpg", "sha")) else Role.NOTHING, tool=tool)
    if tool in _DECOMPRESSORS or tool in ("gzip", "xz", "bzip2", "zstd"):
        return _decompresses(tool, argv, scope)
    if tool == "patch":
        return _patches(argv, scope)
    if tool in ("libtool", "ldconfig.real"):
        return Effect(Role.BUILD, tool=tool, why="finishes a library")
    if tool == "update-alternatives":
        return _alternatives(argv)
    if tool in _REPOSITORIES:
        return Effect(Role.SETUP, tool=tool, writes=(_REPOSITORIES[tool],))
    if tool == "rpm" and any(word and word.startswith("--import") for word in argv):
        return Effect(Role.SETUP, tool=tool, writes=("/etc/pki/rpm-gpg",))
    if tool == "7z" and len(argv) > 2 and argv[1] in ("x", "e"):
        folder = next((word[2:] for word in argv if word and word.startswith("-o")), ".")
        return Effect(Role.FETCH, tool=tool, writes=(scope.path(folder),))
    return None


def _alternatives(argv: Sequence[str | None]) -> Effect | None:
    """`update-alternatives`: where it chooses between compilers, only the builder has them."""
    from msrefactor_transforms.ecosystems._c_commands import compiler_of

    names = {posixpath.basename(word) for word in argv[1:] if word and not word.startswith("-")}
    if any(compiler_of(name) or name in ("cpp", "gcov", "ld.gold", "ld.lld") for name in names):
        return Effect(Role.BUILD, tool="update-alternatives", reads_only=True, why="chooses the compiler")
    return None


def _in_place(tool: str, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    takes = (
        "-o",
        "-R",
        "-K",
        "-N",
        "--remove-section",
        "--set-rpath",
        "--add-needed",
        "--set-interpreter",
        "-r",
    )
    words = operands(argv, takes)
    paths = tuple(scope.path(word) for word in words if word is not None)
    output = option_value(argv, "-o")
    if output:
        paths = (scope.path(output),)
    if any(word is None for word in words) or not paths:
        return None
    if any("*" in path for path in paths):
        # what a pattern names is changed where it lies
        paths = tuple(posixpath.dirname(path.partition("*")[0] + "x") for path in paths)
    if tool == "ranlib":
        return Effect(Role.BUILD, tool=tool, why="indexes a library")
    return Effect(
        Role.BUILD, tool=tool, reads=paths, reads_only=True, writes=paths, why=f"what `{tool}` changes"
    )


def _decompresses(tool: str, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    if tool not in _DECOMPRESSORS and not has_option(argv, "-d", "--decompress", "--uncompress"):
        return None
    if has_option(argv, "-c", "--stdout", "--to-stdout", "-t", "--test"):
        return Effect(Role.NOTHING, tool=tool)
    words = operands(argv)
    if not words:
        return Effect(Role.NOTHING, tool=tool)
    if any(word is None or "*" in word for word in words):
        return None
    packed = tuple(scope.path(str(word)) for word in words)
    kept = has_option(argv, "-k", "--keep")
    return Effect(
        Role.FETCH,
        tool=tool,
        reads=packed,
        writes=tuple(posixpath.splitext(path)[0] for path in packed),
        removes=() if kept else packed,
    )


def _patches(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = operands(argv, ("-i", "-p", "-d", "-o", "-r", "--input", "--strip", "--directory"))
    folder = option_value(argv, "-d", "--directory")
    if any(word is None for word in words):
        return None
    place = scope.path(str(words[0])) if words else scope.path(folder or ".")
    given = option_value(argv, "-i", "--input") or (words[1] if len(words) > 1 else None)
    reads = (place, scope.path(given)) if given else (place,)
    return Effect(Role.BUILD, tool="patch", reads=reads, writes=(place,), why="what is patched")


_HARMLESS = frozenset(
    "ldd readelf file dpkg-query apt-mark apt-cache dpkg grep sed awk basename dirname echo cat sha256sum "
    "apk rpm -- true readlink sort".split()
)


def _xargs(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """`xargs`: what it runs, where that leaves nothing."""
    words = operands(argv, ("-I", "-n", "-P", "-L", "-d", "-a", "-s", "-E"))
    ran = posixpath.basename(words[0]) if words and words[0] else "echo" if not words else ""
    if ran == "apk" and not {"info", "list", "search"} & {word for word in words if word}:
        return None
    return Effect(Role.NOTHING, tool="xargs") if ran in _HARMLESS else None
