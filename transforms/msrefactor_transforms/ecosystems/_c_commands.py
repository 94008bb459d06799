"""What compilers, build systems and the tools around them do, and where their results lie.

Sources: the manuals of GCC, GNU make, autoconf ("Installation Directories"), CMake ("cmake(1)",
"CMAKE_INSTALL_PREFIX") and Meson ("Commands"); `./configure --help` of nginx and OpenSSL for their paths.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msrefactor.commands import is_waste, option_value
from msrefactor.facts import Effect, Role, Scope, is_under
from msrefactor.model import Refused
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._c_tools import tool_effect

_COMPILERS = frozenset(
    "cc gcc g++ c++ clang clang++ tcc gfortran f77 f95 g77 c99 c89 icc musl-gcc nasm yasm fpc valac ldc2 "
    "ldmd2 dmd gdc ld".split()
)
_CONFIGURE = frozenset("configure Configure config".split())
_PREPARE = frozenset(
    "autogen.sh autogen bootstrap bootstrap.sh buildconf buildconf.sh boot.sh gitcompile autoreconf autoconf "
    "autoheader automake aclocal libtoolize autopoint intltoolize gtkdocize glibtoolize".split()
)
_MAKE = frozenset({"make", "gmake", "bmake"})
_NINJA = frozenset({"ninja", "samu", "ninja-build"})
_OBJECTS = (".o", ".a", ".obj", ".lo", ".la", ".d", ".gch", ".pch", ".lst", ".map")
_VALUES = frozenset(
    "-I -L -l -D -U -include -isystem -idirafter -iquote -x -T -u -z -Xlinker -Xassembler "
    "-Xpreprocessor -arch "
    "-MF -MT -MQ -target --param -framework -f -J -module --pkg --vapidir --library --basedir "
    "-wrapper".split()
)
_CHECKS = frozenset("test tests check lint distcheck installcheck memcheck".split())
_FOLDERS = (
    "--prefix --exec-prefix --bindir --sbindir --libexecdir --sysconfdir --localstatedir --sharedstatedir "
    "--libdir --includedir --datarootdir --datadir --openssldir --with-confdir"
).split()
_FILES = "--conf-path --error-log-path --http-log-path --pid-path --lock-path".split()


@dataclass(frozen=True, slots=True)
class CBuild:
    """One command that compiles, links or installs."""

    kind: str
    """`compile`, `make`, `configure` or `install`."""
    folder: str
    """The folder of the image that holds what is built."""
    outputs: tuple[str, ...] = ()
    """Programs and shared libraries that it leaves; complete where `is_exact`."""
    is_exact: bool = False
    """Whether nothing else that it leaves can be needed."""
    libraries: frozenset[str] = frozenset()
    """Names that it links with: `ssl` for -lssl."""
    are_libraries_known: bool = False
    is_static: bool = False
    may_use_openmp: bool = True
    prefixes: tuple[str, ...] = ()
    """Where it installs."""
    takes_root: bool = False
    """Whether it can install below another root (DESTDIR)."""


@dataclass(frozen=True, slots=True)
class Configured:
    """What a configured build tree is known for; found in the notes under the folder of the tree."""

    prefixes: tuple[str, ...] | None
    """Where its `install` puts things; None: not known."""
    tree: str
    """The folder of the sources."""
    cmake: str = ""
    """The folder that CMake builds in; "" where something else builds."""
    takes_root: bool = False
    """Whether its installation goes below DESTDIR where that is set, by the rules of the build system."""


def note_of(folder: str) -> str:
    """Return the key under which a build tree is noted."""
    return f"configured {folder}"


def configured(folder: str, scope: Scope) -> Configured | None:
    """Return how the build tree that a folder lies in was configured."""
    while True:
        found = scope.notes.get(note_of(folder))
        if isinstance(found, Configured):
            return found
        if folder == "/":
            return None
        folder = posixpath.dirname(folder)


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of a compiler, of a build system or of the tools around them does."""
    name = argv[0] if argv else None
    if name is None:
        return None
    argv = _fields(command, argv)
    tool = posixpath.basename(name)
    if len(argv) == 2 and argv[1] in ("--version", "-v", "-V", "-dumpversion", "-dumpmachine", "--help"):
        return Effect(Role.NOTHING, tool=tool) if compiler_of(tool) or tool in _MAKE else None
    if compiler_of(tool) and ("/" not in name or name.startswith(("/usr/", "/opt/"))):
        return _compiles(tool, argv, scope, _doubtful(command, scope))
    if tool in _MAKE:
        from msrefactor_transforms.ecosystems._c_make import makes

        return makes(argv, scope, command)
    if tool in _CONFIGURE and "/" in name:
        return _configures(name, argv, scope, [word.text for word in command.words])
    if tool in _PREPARE:
        folder = posixpath.dirname(scope.path(name)) if "/" in name else scope.cwd
        prefix = option_value(argv, "--prefix")
        return _prepares(tool, folder, scope.path(prefix) if prefix else None)
    if tool in ("cmake", "cmake3"):
        return _cmake(argv, scope)
    if tool in ("qmake", "qmake6", "qmake-qt5"):
        noted = Configured(None, scope.cwd)
        detail = CBuild("configure", scope.cwd)
        return Effect(Role.BUILD, tool=tool, detail=detail, notes=((note_of(scope.cwd), noted),))
    if tool == "ctest":
        return Effect(Role.GATE, tool=tool, reads=(scope.cwd,))
    if tool in ("b2", "bjam"):
        return _boost(argv, scope)
    if tool == "meson":
        return _meson(argv, scope)
    if tool in _NINJA:
        folder = scope.path(option_value(argv, "-C") or ".")
        goals = [w for w in _operands(argv, ("-C", "-j", "-l", "-f", "-k")) if w]
        return built(tool, folder, goals, scope)
    return tool_effect(tool, command, argv, scope)


def compiler_of(tool: str) -> bool:
    """Whether a program is a compiler or linker: by its name, without version and target."""
    stem = tool
    while stem and (stem[-1].isdigit() or stem[-1] in ".-"):
        stem = stem[:-1]
    return (
        tool in _COMPILERS
        or stem in _COMPILERS
        or tool.endswith(("-linux-gnu-gcc", "-linux-gnu-g++", "-linux-musl-gcc", "-linux-gnueabihf-gcc"))
    )


def _fields(command: Command, argv: Sequence[str | None]) -> tuple[str | None, ...]:
    """Return the words as the shell splits them: a variable that isn't quoted may hold several."""
    found: list[str | None] = []
    for word, value in zip(command.words, argv, strict=False):
        if value is not None and word.literal is None and '"' not in word.text and " " in value:
            found.extend(value.split())
        else:
            found.append(value)
    return tuple(found)


def _doubtful(command: Command, scope: Scope) -> bool:
    """Whether a word that isn't known can hold any option: `$FLAGS`, but not `-I$(x)`."""
    return any(
        scope.value(word) is None
        and not word.text.strip("\"'").startswith(("-I", "-L", "-D", "-W", "-std", "-l"))
        for word in command.words
    )


def _operands(argv: Sequence[str | None], takes: Iterable[str]) -> list[str | None]:
    found: list[str | None] = []
    rest = list(argv[1:])
    with_value = frozenset(takes)
    while rest:
        word = rest.pop(0)
        if word is not None and word.startswith("-") and word != "-":
            if word in with_value and rest:
                rest.pop(0)
            continue
        found.append(word)
    return found


def _compiles(tool: str, argv: Sequence[str | None], scope: Scope, is_doubtful: bool) -> Effect:
    output: str | None = None
    is_given = is_object = is_static = is_silent = False
    may_use_openmp = False
    libraries: set[str] = set()
    are_known = True
    sources: list[str] = []
    words = list(argv[1:])
    while words:
        word = words.pop(0)
        if word is None:
            are_known, may_use_openmp = False, may_use_openmp or is_doubtful
        elif word in ("-o", "-of"):
            is_given, output = True, words.pop(0) if words else None
        elif word.startswith(("-of=", "--output=")):
            is_given, output = True, word.partition("=")[2]
        elif word.startswith("-o") and len(word) > 2 and not word.startswith(("-openmp", "-objc", "-ofast")):
            is_given, output = True, word[2:].removeprefix("=")
        elif word == "-l" and words:
            libraries.add(words.pop(0) or "")
        elif word.startswith("-l"):
            libraries.add(word[2:])
        elif word in _VALUES:
            if words:
                words.pop(0)
        elif word in ("-c", "-S", "-r"):
            is_object = True
        elif word in ("-E", "-M", "-MM", "-fsyntax-only"):
            is_silent = True
        elif word in ("-static", "--static"):
            is_static = True
        elif word.startswith(("-fopenmp", "-openmp")):
            may_use_openmp = True
        elif not word.startswith("-"):
            sources.append(word)
    if is_given and output is None:
        why = f"the name that `{tool}` is given with -o isn't known before the build"
        return Effect(Role.BUILD, tool=tool, refusal=Refused("unknown-artifact", why))
    if not is_given:
        output = _default_output(tool, sources)
    path = scope.path(output) if output else ""
    is_object = is_object or is_silent or path.endswith(_OBJECTS) or path.startswith("/dev/")
    outputs = () if is_object or not path else (path,)
    build = CBuild(
        "compile",
        scope.cwd,
        outputs,
        is_exact=True,
        libraries=frozenset(libraries),
        are_libraries_known=are_known,
        is_static=is_static,
        may_use_openmp=may_use_openmp,
    )
    return Effect(Role.BUILD, tool=tool, writes=outputs, why=f"what `{tool}` links", detail=build)


def _default_output(tool: str, sources: Sequence[str]) -> str:
    """Return the name of what a compiler links when it isn't told one."""
    if tool in ("fpc", "valac", "ldc2", "dmd", "ldmd2") and sources:
        return posixpath.splitext(posixpath.basename(sources[0]))[0]
    return "a.out"


def _prepares(tool: str, folder: str, prefix: str | None) -> Effect:
    """`autoreconf`, `./autogen.sh`; Boost's `./bootstrap.sh` takes the prefix."""
    build = CBuild("configure", folder)
    notes = ((note_of(folder), Configured((prefix,), folder)),) if prefix else ()
    return Effect(Role.BUILD, tool=tool, why="prepares the sources", detail=build, notes=notes)


_OTHER_PREFIXES = tuple(
    "cups util-linux e2fsprogs shadow lvm2 LVM2 systemd kmod nfs-utils xinetd iproute2 procps "
    "dbus udev xfsprogs btrfs-progs grub mdadm".split()
)
"""Projects that set another default prefix than /usr/local (AC_PREFIX_DEFAULT in their configure.ac)."""


def _configures(name: str, argv: Sequence[str | None], scope: Scope, texts: Sequence[str]) -> Effect:
    """`./configure`: nothing that stays, but what `make install` writes later."""
    tree = posixpath.dirname(scope.path(name))
    prefixes: list[str] = []
    made: list[str] = []
    is_told = any(w and w.lstrip("-").startswith("prefix=") for w in argv)
    is_usual = not posixpath.basename(tree).startswith(_OTHER_PREFIXES)
    is_unsure = False
    for word in argv[1:]:
        if word is None:
            continue
        option, equals, value = word.partition("=")
        option = "-" + option if option == "-prefix" else option
        if not equals or value.startswith("$"):
            continue
        path = scope.path(value)
        if option in _FILES:
            # the folder of a log or of a pid file is made by the installation, and has to be there
            if posixpath.dirname(path) not in _SHARED:
                made.append(posixpath.dirname(path))
            continue
        if option == "--sbin-path":
            prefixes.append(path)
            continue
        if option not in (*_FOLDERS, "--modules-path"):
            is_unsure = is_unsure or _is_place_of_the_system(option, path)
            continue
        prefixes.append(path)
    if not is_told:
        prefixes.insert(0, "/usr/local")
    is_known = (is_usual or is_told) and not any(
        w is None and _may_be_a_place(t) for w, t in zip(argv, texts, strict=False)
    )
    found = outermost((*_lasting(prefixes), *made)) if is_known and not is_unsure else None
    noted = Configured(found, tree)
    build = CBuild("configure", tree)
    return Effect(
        Role.BUILD,
        tool=name,
        why="configures the sources",
        detail=build,
        notes=tuple((note_of(folder), noted) for folder in {tree, scope.cwd}),
    )


_SHARED = frozenset(
    "/ /etc /usr/bin /usr/sbin /usr/local/bin /usr/local/sbin /run /var/run /var/lock /tmp /var/tmp /var/log "
    "/dev /var/lib".split()
)
"""Folders that every system has, so that nobody has to bring them."""


def _may_be_a_place(text: str) -> bool:
    """Whether an option of `configure` whose value isn't known can say where to install."""
    option = text.strip("\"'").partition("=")[0]
    return not option.startswith("-") or option in _FOLDERS or option.endswith("-path")


def _is_place_of_the_system(option: str, path: str) -> bool:
    """Whether a project's own option of `configure` names a folder that its installation may fill.

    nginx makes the folders of its `--…-temp-path` when it starts; pid files are for what runs.
    """
    if option.endswith("-temp-path") or not _lasting((path,)):
        return False
    given = ("/etc/ssl", "/etc/pki")
    return any(is_under(path, one) for one in ("/etc", "/var", "/srv")) and not any(
        is_under(path, one) for one in given
    )


def _lasting(paths: Iterable[str]) -> list[str]:
    """Return the paths that aren't caches, logs or what only a running system holds."""
    passing = ("/run", "/var/run", "/var/lock")
    return [p for p in paths if not is_waste(p) and not any(is_under(p, one) for one in passing)]


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that lie in none of the others."""
    found = list(dict.fromkeys(paths))
    return tuple(path for path in found if not any(path != one and is_under(path, one) for one in found))


def _cmake(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    if "--build" in argv:
        folder = option_value(argv, "--build")
        goals = []
        for index, word in enumerate(argv):
            if word in ("--target", "-t"):
                for name in argv[index + 1 :]:
                    if name is None or name.startswith("-"):
                        break
                    goals.append(name)
        return built("cmake", scope.path(folder), goals, scope) if folder else None
    if "--install" in argv:
        folder = option_value(argv, "--install")
        given = option_value(argv, "--prefix")
        if not folder or (given is None and "--prefix" in argv):
            return None
        return installed("cmake", scope.path(folder), scope, (scope.path(given),) if given else None)
    if any(word in ("-E", "-P", "--open", "--workflow", "--preset") for word in argv):
        return None
    source = option_value(argv, "-S")
    folder = option_value(argv, "-B")
    rest = _operands(argv, ("-S", "-B", "-G", "-D", "-C", "-U", "-A", "-T"))
    given = next((word for word in rest if word is not None), None)
    build_folder = scope.path(folder) if folder else scope.cwd
    tree = scope.path(source or given or ".")
    if source is None and given is None and folder is not None:
        tree = scope.cwd
    tree = tree.removesuffix("/CMakeLists.txt")
    prefixes = _cmake_prefixes(argv, scope)
    noted = Configured(_of_lists(prefixes, tree, scope), tree, build_folder, takes_root=True)
    return Effect(
        Role.BUILD,
        tool="cmake",
        why="configures the sources",
        detail=CBuild("configure", tree),
        notes=((note_of(build_folder), noted),),
    )


def _cmake_prefixes(argv: Sequence[str | None], scope: Scope) -> tuple[str, ...] | None:
    """Return where a CMake build installs, by the definitions on its command line."""
    found: list[str] = []
    prefix: str | None = "/usr/local"
    words = [w for index, w in enumerate(argv) if w is None or w.startswith("-D") or argv[index - 1] == "-D"]
    for word in words:
        if word is None:
            continue
        name, _, value = word.removeprefix("-D").partition("=")
        name = name.partition(":")[0]
        if name == "CMAKE_INSTALL_PREFIX":
            prefix = scope.path(value)
        elif value.startswith("/") and ("INSTALL" in name or name in ("SYSCONFDIR", "LOCALSTATEDIR")):
            found.append(value)
    if any(word is None for word in argv):
        return None
    return outermost(_lasting(p for p in (prefix, *found) if p))


def _of_lists(prefixes: tuple[str, ...] | None, tree: str, scope: Scope) -> tuple[str, ...] | None:
    """Return the prefixes with what the CMakeLists of the context say: they may set one, or name places."""
    from msrefactor_transforms.ecosystems._c_lists import install_places

    source = scope.origin(tree)
    if prefixes is None or source is None or not scope.context.known:
        return prefixes
    places = install_places(scope.context, source)
    return None if places is None else outermost((*prefixes, *places))


def _boost(argv: Sequence[str | None], scope: Scope) -> Effect:
    """Boost's own build system: below /usr/local where it is told nothing else."""
    prefix = option_value(argv, "--prefix")
    noted = configured(scope.cwd, scope)
    given = (scope.path(prefix),) if prefix else noted.prefixes if noted is not None else ("/usr/local",)
    if "install" in argv:
        return installed("b2", scope.cwd, scope, given)
    detail = CBuild("make", scope.cwd)
    return Effect(Role.BUILD, tool="b2", writes=(scope.cwd,), why="what b2 builds", detail=detail)


def _meson(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = _operands(
        argv, ("-C", "--prefix", "--buildtype", "--destdir", "-j", "--libdir", "--sysconfdir", "-D")
    )
    action = words[0] if words else None
    folder = scope.path(option_value(argv, "-C") or ".")
    if action == "compile":
        return built("meson", folder, [], scope)
    if action == "install":
        into = option_value(argv, "--destdir")
        return installed("meson", folder, scope, (scope.path(into),) if into else None)
    if action == "test":
        return Effect(Role.GATE, tool="meson", reads=(folder,))
    if action in ("configure", "introspect", "wrap", "subprojects", "dist", None):
        return None
    names = [word for word in (words[1:] if action == "setup" else words) if word is not None]
    build_folder = scope.path(names[0]) if names else scope.cwd
    tree = scope.path(names[1]) if len(names) > 1 else scope.cwd
    given = option_value(argv, "--prefix")
    places = [scope.path(given) if given else "/usr/local"]
    for option in ("--sysconfdir", "--localstatedir", "--libdir", "--datadir", "--bindir"):
        value = option_value(argv, option)
        if value and value.startswith("/"):
            places.append(value)
    is_known = not any(word is None for word in argv)
    noted = Configured(outermost(places) if is_known else None, tree, takes_root=True)
    return Effect(
        Role.BUILD,
        tool="meson",
        why="configures the sources",
        detail=CBuild("configure", tree),
        notes=((note_of(build_folder), noted),),
    )


def built(tool: str, folder: str, goals: Sequence[str], scope: Scope) -> Effect | None:
    """Return what a build system leaves of a configured tree: programs in it, or an installation."""
    noted = configured(folder, scope)
    if any(goal.startswith("install") or goal == "altinstall" for goal in goals):
        return installed(tool, folder, scope, None)
    if goals and all(goal in _CHECKS for goal in goals):
        return Effect(Role.GATE, tool=tool, reads=(folder,))
    tree = noted.tree if noted is not None else folder
    known = _targets(noted, goals, scope) if noted is not None else None
    if known is not None:
        return known
    places = outermost((tree, folder))
    build = CBuild("make", tree)
    return Effect(Role.BUILD, tool=tool, writes=places, why=f"what `{tool}` builds", detail=build)


def _targets(noted: Configured, goals: Sequence[str], scope: Scope) -> Effect | None:
    """Return what CMake builds of a project of the context whose targets are all written out."""
    from msrefactor_transforms.ecosystems._c_lists import targets_of

    source = scope.origin(noted.tree)
    is_whole = not goals or tuple(goals) == ("all",)
    if not noted.cmake or source is None or not scope.context.known or not is_whole:
        return None
    found = targets_of(scope.context, source)
    if found is None:
        return None
    outputs = tuple(posixpath.join(noted.cmake, program) for program in found.programs)
    build = CBuild(
        "make",
        noted.tree,
        outputs,
        is_exact=True,
        libraries=found.libraries,
        are_libraries_known=found.are_libraries_known,
        may_use_openmp="gomp" in found.libraries or not found.are_libraries_known,
    )
    return Effect(Role.BUILD, tool="cmake", writes=outputs, why="what CMake links", detail=build)


def installed(tool: str, folder: str, scope: Scope, given: tuple[str, ...] | None) -> Effect:
    """Return what `make install` and its like write: everything below the prefix that was configured."""
    noted = configured(folder, scope)
    if given is None and scope.variables.get("DESTDIR"):
        given = (scope.path(scope.variables["DESTDIR"]),)
    prefixes = given if given is not None else (noted.prefixes if noted is not None else None)
    tree = noted.tree if noted is not None else folder
    if prefixes is None:
        why = f"where `{tool} install` puts things isn't known"
        if noted is None:
            why += f": no step configures {folder}"
        return Effect(Role.OPAQUE, tool=tool, why=why, refusal=Refused("unknown-artifact", why))
    takes_root = given is None and noted is not None and noted.takes_root
    build = CBuild("install", tree, prefixes=prefixes, takes_root=takes_root)
    return Effect(Role.BUILD, tool=tool, writes=prefixes, why="what it installs", detail=build)
