"""System packages: which are only for building, what stays of a -dev package, what a slim image lacks.

Debian bullseye, bookworm and trixie are measured, Alpine is a small table, Ubuntu and RPM have none: there
the answers are None or empty, and the caller keeps the package. Names may carry a version or an architecture
("libpq-dev=15.*", "libc6:amd64").
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from msrefactor.knowledge.images import BaseImage
from msrefactor.knowledge.tables import lines, rows

RELEASES = ("bullseye", "bookworm", "trixie")

# dnf's groups of compilers, by name or by id.
_RPM_GROUPS = frozenset(
    {"development tools", "c development", "c development tools and libraries", "rpm development tools"}
)

# A compiler of one version: gcc-12, g++-13, clang-16, linux-headers-amd64, golang-1.22.
_VERSIONED = re.compile(
    r"(gcc|g\+\+|cpp|gfortran|clang|lld|llvm|gnat|gobjc|golang|rustc|libstdc\+\+|libgcc)-[\d.]+(-go|-dev|-base)?"
)


def runtime_packages(name: str, system: str, releases: Sequence[str]) -> tuple[str, ...] | None:
    """Return what must be installed at run time in place of a build-time package.

    The names can be installed on every one of the releases and bring each release's own libraries. Empty:
    nothing is needed. None: not known, or no names do for all releases; keep the package.
    """
    name = bare(name)
    if system == "alpine":
        if name == "openssl-dev" and not all(_has_openssl_3(release) for release in releases or ("",)):
            # libssl1.1 or libssl3, as the release has it
            return ("openssl",)
        if name in _alpine_runtime():
            return _alpine_runtime()[name]
        return () if is_build_only(name, system) else None
    if system != "debian":
        return () if is_build_only(name, system) and not name.endswith("-dev") else None
    if (
        name in ("python3-dev", "python-dev", "python2-dev", "python3-all-dev")
        or name not in _debian_runtime()
    ):
        return () if is_build_only(name, system) else None
    if not releases or any(release not in RELEASES for release in releases):
        return None
    wanted: dict[str, tuple[str, ...]] = {}
    for release in dict.fromkeys(releases):
        found = _debian_runtime()[name][RELEASES.index(release)]
        if found is None:
            return None
        wanted[release] = found
    return _common_names(wanted)


def _has_openssl_3(release: str) -> bool:
    """Tell whether Alpine's release is 3.17 or later; not where none is known."""
    numbers = re.fullmatch(r"(\d+)\.(\d+)", release)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= (3, 17)


def is_build_only(name: str, system: str) -> bool:
    """Tell whether a package is nothing but a compiler, a build system or headers.

    The libraries that the programs it builds need are another question: runtime_packages. It is true of
    python3-dev too, which brings Debian's own python3: where that one is used, python3 must be kept.
    """
    name = bare(name)
    if name.startswith((".", "@")):  # apk's virtual groups, dnf's groups: .build-deps
        return (system == "rpm" and name[1:].replace("-", " ") in _RPM_GROUPS) or bool(
            re.fullmatch(
                r"\.?(build|fetch|native|php|phpize|compile|gem|node|python)[-_]?(deps|dependencies|essential)",
                name[1:],
            )
        )
    if system == "alpine":
        return name in _build_only(system) or _alpine_runtime().get(name) == ()
    if system == "rpm":
        return name in _build_only(system) or name.replace("-", " ") in _RPM_GROUPS
    if name in _build_only("debian") or _VERSIONED.fullmatch(name) or name.startswith("linux-headers-"):
        return True
    row = _debian_runtime().get(name) if system == "debian" else None
    return row is not None and all(not packages for packages in row)


def lost_commands(base: BaseImage, runtime: BaseImage) -> Mapping[str, str]:
    """Return the commands of `base` that `runtime` lacks, each with the package to install for it.

    Commands that come with no package ("node", "go") have an empty one. Empty when what the images hold
    is not known.
    """
    found: dict[str, str] = {command: "" for command in base.commands if command not in runtime.commands}
    always = minimal_commands(base.system)
    for package in base.installs:
        if package not in runtime.installs:
            commands = set(commands_of(package)) - set(runtime.commands) - always
            found.update(dict.fromkeys(sorted(commands), package))
    for release in _releases_of(base, runtime):
        there = _contents(runtime.contents, release)
        kept = {command for package in there for command in commands_of(package, release)}
        for package in sorted(_contents(base.contents, release) - there):
            for command in commands_of(package, release):
                if command not in kept and command not in runtime.commands:
                    found[command] = _tools().get(command, {}).get("debian", "") or package
    return found


def commands_in(base: BaseImage) -> frozenset[str]:
    """Return the commands that an image is known to have, on any of the releases that it can be."""
    found = {*base.commands, *minimal_commands(base.system)}
    for release in base.releases:
        known = release if release in RELEASES else RELEASES[0]
        for package in (*_contents(base.contents, known), *base.installs):
            found.update(commands_of(package, known))
    for package in base.installs:
        found.update(commands_of(package))
    return frozenset(found)


def surely_holds(base: BaseImage, package: str) -> bool:
    """Whether the image is known to hold a package, on each release that it can be."""
    releases = (base.release,) if base.release else base.releases
    return bool(releases) and all(package in packages_in(base, release) for release in releases)


def surely_has(base: BaseImage, command: str) -> bool:
    """Whether a package that the image is known to hold, on each release that it can be, has a command."""
    releases = (base.release,) if base.release else base.releases
    return bool(releases) and all(
        any(command in commands_of(package, release) for package in packages_in(base, release))
        for release in releases
    )


def lost_libraries(base: BaseImage, runtime: BaseImage) -> frozenset[str]:
    """Return the packages with shared libraries that `base` holds and `runtime` lacks."""
    return frozenset(filter(_is_library, lost_packages(base, runtime)))


def lost_packages(base: BaseImage, runtime: BaseImage) -> frozenset[str]:
    """Return the packages that `base` holds and `runtime` lacks."""
    return frozenset(
        package
        for release in _releases_of(base, runtime)
        for package in _contents(base.contents, release) - _contents(runtime.contents, release)
    )


def packages_in(image: BaseImage, release: str) -> frozenset[str]:
    """Return the Debian packages that an image of a release is known to hold."""
    return _contents(image.contents, release) if image.system == "debian" else frozenset()


def package_of_command(command: str, system: str) -> str | None:
    """Return the package that people install to have a command; "busybox" is in Alpine's base image."""
    if system not in ("debian", "ubuntu", "alpine"):
        return None
    if tool := _tools().get(command):
        return tool.get("alpine" if system == "alpine" else "debian")
    return _command_packages().get(command) if system != "alpine" else None


@cache
def commands_of(package: str, release: str | None = None) -> tuple[str, ...]:
    """Return the commands of a Debian package, in one release or in any."""
    package = bare(package)
    found = (
        {command for command, tool in _tools().items() if tool.get("debian") == package}
        if release is None
        else set()
    )
    for releases, commands in _debian_commands().get(package, ()):
        if release is None or release in releases:
            found.update(commands)
    return tuple(sorted(found))


_ADDUSER = frozenset({"adduser", "addgroup", "deluser", "delgroup"})
_WITH_ADDUSER = frozenset({"trusty", "xenial", "bionic", "focal", "jammy", "kinetic", "lunar"})
"""Releases of Ubuntu whose smallest image has adduser: apt depended on it."""


@cache
def minimal_commands(system: str, release: str | None = None) -> frozenset[str]:
    """Return the commands that the smallest image of a distribution always has.

    No release, or one not measured: what all have. Ubuntu: what Debian's releases have in common. Fedora and
    its kin: a shell and the coreutils.
    """
    if system == "alpine":
        return frozenset(word for line in lines("alpine_commands.txt") for word in line.split())
    if system == "rpm":
        return frozenset({"sh", "sed", "grep", *commands_of("coreutils", RELEASES[-1])})
    if system not in ("debian", "ubuntu"):
        return frozenset()
    measured = {
        name: frozenset(
            command for package in _contents("debian", name) for command in commands_of(package, name)
        )
        for name in RELEASES
    }
    if system == "debian" and release in measured:
        return measured[release]
    common = frozenset.intersection(*measured.values())
    return common | _ADDUSER if system == "ubuntu" and release in _WITH_ADDUSER else common


def installed_size_mb(package: str, release: str | None) -> float | None:
    """Return what installing a package adds to the slim image of a Debian release, in MB (10**6 bytes)."""
    name = bare(package)
    if name in _ALL_TOOLS or name in _RPM_GROUPS:
        name = "build-essential"
    versioned = _VERSIONED.fullmatch(name)
    row = _sizes().get(name) or (_sizes().get(versioned.group(1)) if versioned else None)
    if row is None or release not in RELEASES:
        return None
    size = row[RELEASES.index(release)]
    return None if size is None else size * 1024 / 1e6


def bare(name: str) -> str:
    """Return a package's name without version, release and architecture: `curl=7.*`, `libc6:i386`."""
    return re.split(r"[=<>~:/]", name.strip(), maxsplit=1)[0].lower()


def common_name(names: Mapping[str, str]) -> str | None:
    """Return the one name by which apt finds, on each release, the package that has the given name there."""
    for candidate in dict.fromkeys(names.values()):
        if all(
            candidate == name or _installed_as(candidate, release, (name,)) for release, name in names.items()
        ):
            return candidate
    return None


def _common_names(wanted: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    """Return names that apt resolves, on each release, to that release's packages."""
    if len(set(wanted.values())) == 1:
        return next(iter(wanted.values()))
    chosen: list[str] = []
    for candidate in dict.fromkeys(name for names in wanted.values() for name in names):
        found = {release: _installed_as(candidate, release, names) for release, names in wanted.items()}
        if all(found.values()):
            chosen.append(candidate)
    for release, names in wanted.items():
        if set(names) - {_installed_as(candidate, release, names) for candidate in chosen}:
            return None
    # Two names of one package (libssl3, libssl3t64) where one does.
    needed = [
        candidate
        for candidate in chosen
        if not any(
            other != candidate
            and chosen.index(other) < chosen.index(candidate)
            and all(
                _installed_as(other, release, names) == _installed_as(candidate, release, names)
                for release, names in wanted.items()
            )
            for other in chosen
        )
    ]
    return tuple(sorted(needed))


def _installed_as(name: str, release: str, names: Sequence[str]) -> str | None:
    """Return which of a release's packages apt installs for a name, through Provides if need be."""
    if name in names:
        return name
    renamed = _renamed().get(name)
    if renamed is None:
        return None
    found = renamed[RELEASES.index(release)]
    return found if found in names else None


def _releases_of(base: BaseImage, runtime: BaseImage) -> tuple[str, ...]:
    if base.system != "debian" or base.contents is None or runtime.contents is None:
        return ()
    named = base.releases or (base.release or "",)
    # the oldest known stands for those before it: what the full images hold has changed little
    return tuple(dict.fromkeys(name if name in RELEASES else RELEASES[0] for name in named if name))


def _is_library(package: str) -> bool:
    return package.startswith("lib") and not re.search(
        r"-(dev|bin|data|common|perl|tools|utils|doc|dev-bin|mgc|i18n|interpreter2|0-dev)$|^libtool$|^libarchive-zip",
        package,
    )


@cache
def _contents(kind: str | None, release: str) -> frozenset[str]:
    """Return the Debian packages that a kind of image holds; none for images that are not Debian's."""
    found = _debian_contents().get((kind or "", release))
    if found is None:
        return frozenset()
    parent, packages = found
    return packages | _contents(parent, release)


@cache
def _debian_contents() -> Mapping[tuple[str, str], tuple[str, frozenset[str]]]:
    return {
        (kind, release): (parent, frozenset(packages.split()))
        for kind, release, parent, packages in rows("debian_contents.tsv")
    }


@cache
def _debian_runtime() -> Mapping[str, tuple[tuple[str, ...] | None, ...]]:
    """Return, by name, the run-time packages in each of RELEASES; None where there is no such package."""
    found: dict[str, tuple[tuple[str, ...] | None, ...]] = {}
    for name, *cells in rows("debian_dev_runtime.tsv"):
        row: list[tuple[str, ...] | None] = []
        for cell in cells:
            row.append(
                row[-1]
                if cell == "="
                else None
                if cell == "-"
                else ()
                if cell == "0"
                else tuple(cell.split())
            )
        found[name] = tuple(row)
    return found


@cache
def _alpine_runtime() -> Mapping[str, tuple[str, ...]]:
    return {
        cells[0]: tuple(cells[1].split()) if len(cells) > 1 else ()
        for cells in rows("alpine_dev_runtime.tsv")
    }


@cache
def _renamed() -> Mapping[str, tuple[str | None, ...]]:
    return {
        name: tuple(name if cell == "=" else None if cell == "-" else cell for cell in cells)
        for name, *cells in rows("debian_renamed.tsv")
    }


@cache
def _debian_commands() -> Mapping[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]]:
    found: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for package, releases, commands in rows("debian_commands.tsv"):
        where = RELEASES if releases == "*" else tuple(releases.split(","))
        found.setdefault(package, []).append((where, tuple(commands.split())))
    return {package: tuple(values) for package, values in found.items()}


@cache
def _command_packages() -> Mapping[str, str]:
    """Return, by command, the one package that has it; commands of several packages are left out."""
    found: dict[str, set[str]] = {}
    for package, values in _debian_commands().items():
        for _, commands in values:
            for command in commands:
                found.setdefault(command, set()).add(package)
    return {command: next(iter(packages)) for command, packages in found.items() if len(packages) == 1}


@cache
def _tools() -> Mapping[str, Mapping[str, str]]:
    return {
        command: {
            system: package for system, package in (("debian", debian), ("alpine", alpine)) if package != "-"
        }
        for command, debian, alpine in rows("tools.tsv")
    }


@cache
def _build_only(system: str) -> frozenset[str]:
    found = (line.partition(":") for line in lines("build_only.txt"))
    return frozenset(name for where, _, names in found if where == system for name in names.split())


_ALL_TOOLS = frozenset({"build-base", "alpine-sdk", "gcc-c++"})
"""What weighs about what Debian's build-essential does."""


@cache
def _sizes() -> Mapping[str, tuple[int | None, ...]]:
    return {
        name: tuple(None if cell == "-" else int(cell) for cell in cells)
        for name, *cells in rows("debian_sizes.tsv")
    }
