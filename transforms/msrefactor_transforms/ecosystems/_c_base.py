"""The final stage's base, the compiler's own libraries, and the libraries that only a full image has.

Sources: docker-library/gcc (libraries in /usr/local/lib64, known to the loader by
/etc/ld.so.conf.d/000-local-lib.conf), Debian's changelogs of gcc-defaults for the release's own version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of
from msrefactor.facts import StageFacts
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import describe, pinned
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.splitting.packages import bare_name, removed_packages
from msrefactor_transforms.splitting.plan import Artifact, Level, RuntimePackage

_FULL = frozenset({"gcc", "buildpack-deps"})
"""Families whose images hold the headers of many libraries."""
_GCC_OF = {"bullseye": 10, "bookworm": 12, "trixie": 14}
_C_LIBRARY = frozenset(
    "c m pthread dl rt util resolv nsl crypt anl gcc gcc_s stdc++ stdc++fs stdc++exp supc++ backtrace".split()
)
"""What the C library and the compiler's own packages bring, which every image of the release has."""
_OF_THE_COMPILER = {
    "gomp": "libgomp1",
    "atomic": "libatomic1",
    "quadmath": "libquadmath0",
    "gfortran": "libgfortran5",
}
_DEV_OF = {
    "ssl": "libssl-dev",
    "crypto": "libssl-dev",
    "z": "zlib1g-dev",
    "curl": "libcurl4-openssl-dev",
    "pq": "libpq-dev",
    "mysqlclient": "default-libmysqlclient-dev",
    "mariadb": "libmariadb-dev",
    "sqlite3": "libsqlite3-dev",
    "xml2": "libxml2-dev",
    "xslt": "libxslt1-dev",
    "ncurses": "libncurses-dev",
    "ncursesw": "libncurses-dev",
    "tinfo": "libncurses-dev",
    "readline": "libreadline-dev",
    "uuid": "uuid-dev",
    "jpeg": "libjpeg-dev",
    "png": "libpng-dev",
    "webp": "libwebp-dev",
    "yaml": "libyaml-dev",
    "ffi": "libffi-dev",
    "bz2": "libbz2-dev",
    "lzma": "liblzma-dev",
    "gmp": "libgmp-dev",
    "event": "libevent-dev",
    "glib-2.0": "libglib2.0-dev",
    "gdbm": "libgdbm-dev",
    "db": "libdb-dev",
    "krb5": "libkrb5-dev",
    "magic": "libmagic-dev",
    "evdev": "libevdev-dev",
}
_COMPILERS = frozenset(
    "gcc g++ clang build-essential gfortran build-base alpine-sdk gcc-c++ gcc-gfortran base-devel".split()
)


@dataclass(frozen=True, slots=True)
class Built:
    """What is known of everything that was compiled."""

    is_seen: bool
    """Whether all sources lie in the context, and all link commands are known."""
    libraries: frozenset[str] = frozenset()
    local_libraries: frozenset[str] = frozenset()
    """Names of libraries that the project builds itself."""
    is_cplusplus: bool = True
    is_fortran: bool = False
    may_use_openmp: bool = True
    is_static: bool = False


@dataclass(frozen=True, slots=True)
class Base:
    """The final stage's base, and what it has to be given."""

    level: Level
    image: str
    builder: str | None = None
    artifacts: tuple[Artifact, ...] = ()
    packages: tuple[RuntimePackage, ...] = ()
    has_libraries: bool = False


def base_of(view: View, facts: StageFacts, built: Built, last: int) -> Base | Refused:
    """Return the final stage's base: of the same release, without compilers where there is such an image."""
    base, image = facts.base, facts.stage.image
    place = evidence_of(facts.facts[0].instruction, view.name)
    own = compiler_packages(facts, built, place)
    if base.family in _FULL and base.system == "debian" and base.variant == "full":
        return _for_full(facts, built, last, place)
    if base.family == "debian" and base.variant == "full" and "$" not in image:
        written = pinned(base.reference.text)
        release = describe(written).release if written is not None else None
        if written is not None and release in ("bookworm", "trixie"):
            tag = describe(written).reference.tag or ""
            slim = written.removesuffix(tag) + tag + "-slim"
            return Base(Level.SLIM, slim, None if written == image else written, packages=own)
    return Base(Level.SHARED, image, packages=own)


def scratch_base(image: str, builder: str | None, last: int, user: str) -> Base:
    """Return nothing but the program, for one that is proved to need nothing."""
    name, _, group = user.partition(":")
    # a number without a group takes the group that /etc/passwd gives it
    is_known = name in ("root", "0", "") or (name.isdigit() and group.isdigit())
    files = () if is_known else ("/etc/passwd", "/etc/group")
    artifacts = tuple(Artifact(path, last, "USER is looked up there", is_folder=False) for path in files)
    return Base(Level.MINIMAL, image, builder, artifacts)


def _for_full(facts: StageFacts, built: Built, last: int, place: Evidence) -> Base | Refused:
    """Return plain Debian of the same release, with what the compiler's image has and the program uses."""
    base = facts.base
    written = pinned(base.reference.text)
    release = describe(written).release if written is not None else None
    if written is None or release is None or "$" in facts.stage.image:
        detail = (
            f"the program is linked with the libraries of {base.reference.text}, and its release isn't known"
        )
        return Refused("unknown-release", detail, (place,))
    packages: list[RuntimePackage] = []
    if not built.is_seen:
        detail = f"what is linked with isn't known, and {base.reference.text} has many libraries"
        remedy = "build on debian, where the Dockerfile names each library"
        return Refused("runtime-library", detail, (place,), remedy)
    for name in sorted(built.libraries - built.local_libraries - _C_LIBRARY):
        if name in _OF_THE_COMPILER:
            packages.append(
                RuntimePackage(_OF_THE_COMPILER[name], place, f"the program is linked with -l{name}")
            )
            continue
        found = _packages_of(name, release)
        if found is None:
            return Refused(
                "runtime-library", f"which package has the library of -l{name} isn't known", (place,)
            )
        packages.extend(RuntimePackage(one, place, f"the program is linked with -l{name}") for one in found)
    artifacts: tuple[Artifact, ...] = ()
    if base.family == "gcc" and not built.is_static:
        artifacts = _own_libraries(base.version, release, built, last)
    if built.may_use_openmp and not built.is_static and not artifacts:
        packages.append(RuntimePackage("libgomp1", place, "the program may use OpenMP"))
    there = knowledge.packages_in(describe(f"debian:{release}-slim"), release)
    packages = [package for package in packages if package.name not in there]
    builder = None if written == facts.stage.image else written
    return Base(
        Level.RUNTIME,
        f"debian:{release}-slim",
        builder,
        artifacts,
        tuple(packages),
        has_libraries=bool(artifacts),
    )


def _own_libraries(version: str | None, release: str, built: Built, last: int) -> tuple[Artifact, ...]:
    """Return the libraries of a compiler that is newer than the release's own."""
    major = (version or "").split(".")[0]
    is_newer = not major.isdigit() or int(major) > _GCC_OF.get(release, 0)
    if not is_newer or not (built.is_cplusplus or built.is_fortran or built.may_use_openmp):
        return ()
    why = "the compiler's own libraries are newer than the release's"
    folder = "/usr/local/lib64"
    names = ["libstdc++.so.6", "libgcc_s.so.1"]
    if built.may_use_openmp:
        names += ["libgomp.so.1", "libatomic.so.1"]
    paths = [folder] if built.is_fortran else [f"{folder}/{name}" for name in names]
    paths.append("/etc/ld.so.conf.d/000-local-lib.conf")
    return tuple(Artifact(path, last, why, is_folder=path == folder) for path in paths)


def _packages_of(name: str, release: str) -> tuple[str, ...] | None:
    for candidate in (_DEV_OF.get(name), f"lib{name}-dev", f"{name}-dev"):
        if candidate is not None:
            found = knowledge.runtime_packages(candidate, "debian", (release,))
            if found:
                return found
    return None


def compiler_packages(facts: StageFacts, built: Built, place: Evidence) -> tuple[RuntimePackage, ...]:
    """Return the compiler's run-time libraries that come with it and that the plain base hasn't got."""
    removed = removed_packages(facts.facts)
    names = [
        bare_name(name)
        for _, effect in facts.effects()
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
        for name in effect.detail.names
        if name is not None
    ]
    there = [name for name in names if name not in removed and _is_compiler(name)]
    if not there or built.is_static:
        return ()
    wanted: list[tuple[str, str]] = []
    system = facts.base.system
    if built.may_use_openmp:
        wanted.append(
            ("libgomp1" if system in ("debian", "ubuntu") else "libgomp", "the program may use OpenMP")
        )
    if system == "alpine" and built.is_cplusplus and any(_brings_cplusplus(name) for name in there):
        wanted.append(("libstdc++", "a C++ program needs it, and it came with the compiler"))
    if built.is_fortran or "gfortran" in there or "gcc-gfortran" in there:
        wanted.append(
            ("libgfortran5" if system in ("debian", "ubuntu") else "libgfortran", "Fortran programs need it")
        )
    return tuple(RuntimePackage(name, place, why) for name, why in wanted if name not in names)


def _is_compiler(name: str) -> bool:
    return name in _COMPILERS or name.startswith(("gcc-", "g++-", "clang-", "gfortran-"))


def _brings_cplusplus(name: str) -> bool:
    return name in ("g++", "build-base", "alpine-sdk", "clang")


def local_names(outputs: Sequence[str]) -> frozenset[str]:
    """Return the names by which the linker knows libraries: `foo` for libfoo.so and libfoo.a."""
    found = set()
    for output in outputs:
        name = output.rsplit("/", 1)[-1]
        if name.startswith("lib") and (".so" in name or name.endswith(".a")):
            found.add(name[3:].partition(".")[0])
    return frozenset(found)
