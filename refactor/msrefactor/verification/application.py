"""Which files of an image are the application's, and whether they are the same in both images.

The application's are those that no package of the distribution owns, that don't come from the base image, and
that aren't written anew by every build (caches, logs, what package managers note for themselves). Timestamps,
history, and the order and names in archives don't count, as in diffoci's semantic mode.
"""

from __future__ import annotations

import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from msrefactor.verification.differences import Difference, Level
from msrefactor.verification.elf import MAGIC, Loader
from msrefactor.verification.filesystem import Filesystem, Node
from msrefactor.verification.packages import Installed

RUNTIME = (
    "/usr/local/bin/python*", "/usr/local/bin/pip*", "/usr/local/bin/idle*", "/usr/local/bin/pydoc*",
    "/usr/local/bin/2to3*", "/usr/local/bin/wheel", "/usr/local/bin/node", "/usr/local/bin/nodejs",
    "/usr/local/bin/npm", "/usr/local/bin/npx", "/usr/local/bin/corepack", "/usr/local/bin/yarn*",
    "/usr/local/bin/docker-entrypoint.sh", "/usr/local/bin/docker-php-*", "/usr/local/bin/php*",
    "/usr/local/bin/phar*", "/usr/local/bin/pear*", "/usr/local/bin/pec*", "/usr/local/bin/ruby",
    "/usr/local/bin/gem", "/usr/local/bin/bundle*", "/usr/local/bin/mvn*", "/usr/local/bin/irb",
    "/usr/local/bin/erb", "/usr/local/bin/rake", "/usr/local/bin/rdoc", "/usr/local/bin/ri",
    "/usr/local/bin/racc", "/usr/local/bin/syntax_suggest", "/usr/local/bin/rbs", "/usr/local/bin/typeprof",
    "/usr/local/bin/rdbg", "/usr/local/bin/test-unit", "/usr/local/lib/node_modules/npm*",
    "/usr/local/lib/node_modules/corepack*", "/usr/local/lib/libpython*", "/usr/local/lib/libruby*",
    "/usr/local/lib/pkgconfig*", "/usr/local/lib/ruby*", "/usr/local/lib/php*", "/usr/local/include*",
    "/usr/local/share/man*", "/usr/local/share/doc*", "/usr/local/share/info*", "/usr/local/etc/php*",
    "/usr/local/go/*", "/usr/local/go", "/go", "/go/bin", "/go/src", "/usr/local/cargo*",
    "/usr/local/rustup*", "/usr/local/gcc*",
    "/usr/local/php*", "/usr/src/php*", "/opt/java*", "/opt/yarn-*", "/usr/share/maven*",
    "/usr/share/dotnet*",
    "/usr/lib/dotnet*", "/usr/lib/jvm*", "/__cacert_entrypoint.sh", "/docker-entrypoint*",
    "*/site-packages/pip", "*/site-packages/pip[-/]*", "*/site-packages/setuptools",
    "*/site-packages/setuptools[-/]*", "*/site-packages/wheel", "*/site-packages/wheel[-/]*",
    "*/site-packages/pkg_resources*", "*/site-packages/_distutils_hack*",
)  # fmt: skip
"""Where the official images put their runtime: another variant of an image has another build of it."""

_STANDARD_LIBRARY = re.compile(r"/usr/local/lib/python3\.\d+(?!\d|/(site|dist)-packages)")
_GENERATED = (
    "/proc*", "/sys", "/sys/*", "/dev*", "/run*", "/var/run*", "/var/cache*", "/var/lib/dpkg*",
    "/var/lib/apt*",
    "/var/log*", "/var/lib/pam*", "/var/lib/systemd*", "/var/lib/ucf*", "/var/lib/rpm*", "/lib/apk*",
    "/usr/lib/apk*", "/var/mail*", "/var/lib/shells.state", "/var/lib/ca-certificates*", "/var/lib/misc*",
    "/var/lib/xml-core*", "/var/lib/sgml-base*", "/var/lib/python*", "/var/lib/emacsen*", "/var/lib/git*",
    "/var/lib/ghc*", "/var/lib/gems*", "/tmp", "/tmp/*", "/var/tmp*", "/root/.*", "/home/*/.*",
    "/usr/share/mime*", "/usr/share/icons*", "/usr/share/info*", "/usr/share/glib-2.0*",
    "/usr/share/applications*",
    "/usr/share/fonts*", "/usr/share/texmf*", "/usr/share/sgml*", "/usr/share/xml*", "/usr/share/doc*",
    "/usr/share/man*", "/usr/share/locale*", "/usr/share/python3*", "/usr/share/perl*", "/usr/share/vim*",
    "/usr/share/ca-certificates*", "/usr/share/zoneinfo*", "/usr/share/bash-completion*",
    "/usr/lib/x86_64-linux-gnu/gconv*", "/usr/lib/*/gdk-pixbuf*", "/usr/lib/*/gio*", "/usr/lib/locale*",
    "/usr/lib/*-linux-gnu/lib*.so*", "/usr/include*", "/usr/lib/python3*", "/usr/lib/udev*",
    "/usr/lib/ocaml*",
    "/etc/alternatives*", "/etc/ssl*", "/etc/ca-certificates*", "/etc/apt*", "/etc/dpkg*", "/etc/rc?.d*",
    "/etc/systemd*", "/etc/pam.d*", "/etc/passwd*", "/etc/group*", "/etc/shadow*", "/etc/gshadow*",
    "/etc/subuid*", "/etc/subgid*", "/etc/ld.so.c*", "/etc/machine-id", "/etc/host*", "/etc/resolv.conf",
    "/etc/mtab", "/etc/.pwd.lock", "/etc/shells", "/etc/profile*", "/etc/environment", "/etc/motd",
    "/etc/nsswitch.conf", "/etc/timezone", "/etc/localtime", "/etc/adjtime", "/etc/mailcap", "/etc/opt",
    "/etc/java-*", "/etc/fonts*", "/etc/xml*", "/etc/sgml*", "/etc/init.d*", "/etc/pip.conf", "/etc/kernel*",
    "/etc/default*", "/etc/locale*", "/etc/inputrc", "/etc/emacs*", "/etc/python3*", "/etc/mysql*",
    "/etc/npmrc",
    "*/__pycache__*", "*.pyc", "*/RECORD", "*/INSTALLER", "*/REQUESTED", "*/direct_url.json",
    "*/node_modules/.package-lock.json", "*/node_modules/.yarn-integrity", "*/node_modules/.modules.yaml",
    "*/node_modules/.cache*", "*/.next/trace",  "*/.git", "*/.git/*", "*.log", "*/.cache*", "*/.npm",
    "*/.npm/*", "/dev",
    "/bin",
    "*/node_modules/.yarn-state.yml", "*/composer/installed.php", "*/composer/autoload_*",
    "*/node_modules/.pnpm/lock.yaml", "*/node_modules/.pnpm-workspace-state*", "*/gem_make.out",
    "*/mkmf.log",
)  # fmt: skip
"""What packages, package managers and engines write anew in every image."""

_OTHER_EVERY_TIME = re.compile(
    r"[\w+/]{16,}={1,2}|\d{4}-\d\d-\d\d[T ]?[\d:.,+Z-]*|\b\d\d:\d\d(:\d\d)?\b|[0-9a-fA-F]{8,}|[\w-]{20,}"
    r"|\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b.{0,24}|/tmp/[\w./-]+|\b\d{9,}(\.\d+)?"
)
"""Dates, times, identifiers and temporary names in the text of built files."""
_BETWEEN = re.compile(r"""[\s,;:{}()"'\[\]\\]+""")
LOCKS = frozenset(
    "package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock bun.lockb poetry.lock uv.lock "
    "Pipfile.lock Gemfile.lock composer.lock Cargo.lock go.sum mix.lock pubspec.lock".split()
)
"""What package managers write beside the manifest; no program reads it when it runs."""
_BUILD_FILE = re.compile(r"(?i)(.*\.)?(dockerfile|containerfile)(\..*)?|\.dockerignore|.*\.dockerignore")
"""What the refactoring itself rewrites, and a `COPY .` takes along."""
_LARGEST_TEXT = 5_000_000


def _matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    import fnmatch

    return re.compile("|".join(fnmatch.translate(one) for one in patterns), re.DOTALL)


_IS_RUNTIME = _matcher(RUNTIME)
_IS_GENERATED = _matcher(_GENERATED)


def is_runtime(path: str) -> bool:
    """Whether a path is part of a runtime that the official images bring."""
    return bool(_IS_RUNTIME.match(path) or _STANDARD_LIBRARY.match(path))


def application_paths(root: Filesystem, installed: Installed, base_layers: int = 0) -> Iterator[str]:
    """Yield the application's paths; `base_layers` is how many of the lowest layers are the base image's."""
    for path, node in root.nodes.items():
        if path in installed.owners or (base_layers and node.layer < base_layers):
            continue
        if path == "/" or _IS_GENERATED.match(path) or is_runtime(path):
            continue
        yield path


def application_differences(
    before: Filesystem, after: Filesystem, paths: tuple[str, ...]
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    """Return how the application's files differ that both images have, and what is only worth a note."""
    differences: list[Difference] = []
    notes: list[str] = []
    for path in sorted(paths):
        old, new = before.nodes[path], after.nodes.get(path)
        if new is None:
            continue
        found = tuple(_node_differences(path, old, new))
        differences += found
        if found or old.kind != "file" or new.kind != "file":
            continue
        if old.size == new.size and before.digest(path) == after.digest(path):
            continue
        said = _content(before, after, path, is_copied=_is_copied(before, old))
        if said.startswith("note: "):
            notes.append(f"{path}: {said.removeprefix('note: ')}")
        elif said:
            differences.append(
                Difference(
                    Level.FILES,
                    path,
                    f"{old.size} bytes, sha256 {before.digest(path)[:12]}",
                    f"{new.size} bytes, sha256 {after.digest(path)[:12]}",
                    said,
                )
            )
    return tuple(_together(differences)), tuple(notes)


def _together(differences: list[Difference]) -> Iterator[Difference]:
    """Yield the differences; what happened alike to many files (another owner or mode) is told once."""
    alike: dict[tuple[str, str, str, str], list[Difference]] = {}
    for one in differences:
        what, mark, _ = one.subject.partition(" of ")
        key = (what, one.before, one.after, one.cause) if mark else (one.subject, "", "", "")
        alike.setdefault(key, []).append(one)
    for same in alike.values():
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        yield replace(same[0], subject=f"{same[0].subject}{more}")


def _is_copied(root: Filesystem, node: Node) -> bool:
    return bool(root.layers) and root.layers[node.layer].created_by.startswith(("COPY ", "ADD "))


def _node_differences(path: str, old: Node, new: Node) -> Iterator[Difference]:
    if old.kind != new.kind:
        cause = ""
        if old.kind == "link" and new.kind == "file":
            cause = f"the symbolic link to {old.target} was followed when it was copied"
        elif new.kind == "link":
            cause = f"it is a symbolic link to {new.target} now"
        yield Difference(Level.FILES, path, _kind(old), _kind(new), cause)
        return
    if old.kind == "link":
        if old.target != new.target:
            yield Difference(Level.FILES, path, f"a link to {old.target}", f"a link to {new.target}")
        return
    if old.mode != new.mode:
        lost = [name for bit, name in _BITS if old.mode & bit and not new.mode & bit]
        cause = f"{' and '.join(lost)} lost" if lost else ""
        yield Difference(Level.FILES, f"mode of {path}", _mode(old), _mode(new), cause)
    if (old.owner, old.group) != (new.owner, new.group):
        cause = f"uid {old.owner} can't write there as before" if old.owner != new.owner else ""
        yield Difference(
            Level.FILES, f"owner of {path}", f"{old.owner}:{old.group}", f"{new.owner}:{new.group}", cause
        )
    for name, value in old.attributes:
        if (name, value) not in new.attributes and name == "security.capability":
            yield Difference(
                Level.FILES, f"{name} of {path}", "set", "missing", "the program loses its privileges"
            )


_BITS = (
    (stat.S_ISUID, "set-user-ID is"),
    (stat.S_ISGID, "set-group-ID is"),
    (stat.S_ISVTX, "the sticky bit is"),
    (stat.S_IXUSR, "the owner's right to execute is"),
)


def _mode(node: Node) -> str:
    return f"{node.mode:04o}"


def _kind(node: Node) -> str:
    return f"a link to {node.target}" if node.kind == "link" else f"a {node.kind}"


def _content(before: Filesystem, after: Filesystem, path: str, *, is_copied: bool) -> str:
    """Return in words what differing bytes mean; empty: nothing, `note: …`: worth telling only."""
    if _BUILD_FILE.fullmatch(path.rpartition("/")[2]):
        return "note: it is the build's own file"
    if path.rpartition("/")[2] in LOCKS:
        return "note: it is the package manager's own file"
    if is_copied:
        return "the file that the Dockerfile copies has other bytes"
    head = before.head(path, 4)
    if head.startswith(MAGIC):
        old, new = Loader(before).elf(path), Loader(after).elf(path)
        if old is None or new is None:
            return "it was built otherwise: one of the two is no ELF file"
        for name in ("machine", "bits", "interpreter", "needed", "soname"):
            if getattr(old, name) != getattr(new, name):
                return f"it was built otherwise: {name} was {getattr(old, name)} and is {getattr(new, name)}"
        return "note: it was built again, and isn't the same bit by bit"
    if head.startswith(b"PK"):
        return _archive(before, after, path)
    old_text, new_text = before.text(path, _LARGEST_TEXT), after.text(path, _LARGEST_TEXT)
    if old_text is None or new_text is None:
        return "note: it was made again, and isn't the same byte by byte"
    if _is_made_alike(old_text, new_text):
        return "note: it was made again; only dates, identifiers or the order differ"
    return "it was made with another text"


def _is_made_alike(old: str, new: str) -> bool:
    """Whether two texts of a build differ only in what every build makes otherwise, or in next to nothing."""
    words = [Counter(_BETWEEN.split(_OTHER_EVERY_TIME.sub("#", text))) for text in (old, new)]
    unlike = sum(((words[0] - words[1]) + (words[1] - words[0])).values())
    return unlike <= min(words[0].total(), words[1].total()) // 100


def _archive(before: Filesystem, after: Filesystem, path: str) -> str:
    old, new = _names(before, path), _names(after, path)
    if old is None or new is None:
        return "one of the two is a damaged archive"
    if lost := sorted(old - new):
        return f"it holds {len(lost)} entries less, such as {lost[0]}"
    return "note: it was packed again, with the same entries"


def _names(root: Filesystem, path: str) -> frozenset[str] | None:
    stream = root.open(path)
    if stream is None:
        return None
    try:
        with stream, zipfile.ZipFile(stream) as archive:
            return frozenset(archive.namelist())
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return None


def dangling(before: Filesystem, after: Filesystem, paths: tuple[str, ...]) -> Iterator[Difference]:
    """Yield the application's links that led somewhere and lead nowhere now."""
    for path in sorted(paths):
        node = after.nodes.get(path)
        if node is None or node.kind != "link" or before.nodes[path].kind != "link":
            continue
        old, new = before.resolve(path), after.resolve(path)
        if old is not None and new is None:
            yield Difference(
                Level.FILES, path, f"a link to {old}", "a link to nothing", f"{old} is not there any more"
            )


KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("version control", ("*/.git/*", "*/.hg/*", "*/.svn/*")),
    (
        "package caches",
        (
            "/var/cache/*",
            "/var/lib/apt/lists/*",
            "*/.cache/*",
            "*/.npm/*",
            "*/.m2/*",
            "*/.gradle/*",
            "/go/pkg/mod/*",
            "*/cargo/registry/*",
            "*/.cargo/registry/*",
            "*/.nuget/*",
            "*/.bundle/cache/*",
        ),
    ),
    ("headers and static libraries", ("/usr/include/*", "/usr/local/include/*", "*.a", "*/pkgconfig/*.pc")),
    (
        "compilers and build tools",
        (
            *("/usr/local/go/*", "/usr/local/rustup/*", "/usr/local/cargo/*", "/usr/share/maven/*"),
            *("/usr/lib/gcc/*", "/usr/libexec/gcc/*", "*/bin/*gcc*", "*/bin/*g++*", "*/bin/cc", "*/bin/c++"),
            *("*/bin/clang*", "*/bin/*-ld*", "*/bin/ld*", "*/bin/as", "*/bin/make", "*/bin/cmake*"),
            *(
                "*/bin/javac",
                "/opt/java/*/jmods/*",
                "/usr/share/cmake*",
                "/usr/lib/go*",
                "/usr/lib/rustlib/*",
            ),
        ),
    ),
    (
        "documentation and translations",
        ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*"),
    ),
    ("packages of languages", ("*/node_modules/*", "*/site-packages/*", "*/gems/*", "*/vendor/*")),
)
"""What the gone files are, by their paths; the first kind that fits counts."""


def kind_of(path: str) -> str:
    """Return the kind of a file by its path, for the list of what is gone."""
    for name, patterns in KINDS:
        if any(fnmatchcase(path, pattern) for pattern in patterns):
            return name
    is_system = path.startswith(("/usr/", "/lib", "/etc/", "/var/", "/bin/", "/sbin/"))
    return "files of the system" if is_system else "other files of the application"
