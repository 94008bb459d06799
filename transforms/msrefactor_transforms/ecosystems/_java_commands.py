"""What the JDK's own commands and ant leave; Maven's are in `_maven_commands`.

Sources: the manuals of javac, jar, java, keytool and ant, Spring Boot's documentation of jarmode.
"""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Sequence

from msrefactor.facts import Effect, Role, Scope, is_under
from msrefactor.model import Refused
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._java_build import JvmBuild, JvmOutput
from msrefactor_transforms.splitting.question import SYSTEM_FOLDERS

_JAVAC_VALUES = frozenset(
    "-d -cp -classpath --class-path -sourcepath --source-path -source --source -target --target --release -s "
    "-h -encoding -processor -processorpath --processor-path -p --module-path --module-source-path -m "
    "--module --add-modules --add-exports --add-reads --limit-modules -bootclasspath --system".split()
)
_LAYERS = ("dependencies", "spring-boot-loader", "snapshot-dependencies", "application")


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of the JDK, Maven or ant does."""
    name = argv[0] if argv else None
    if name is None:
        return None
    tool = posixpath.basename(name)
    if tool in ("mvn", "mvnw"):
        from msrefactor_transforms.ecosystems._maven_commands import maven

        return maven(tool, argv, scope)
    reader = {"javac": _javac, "jar": _jar, "java": _java, "keytool": _keytool, "ant": _ant}.get(tool)
    return reader(argv, scope) if reader is not None else None


def _javac(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    if len(argv) == 2 and argv[1] in ("-version", "--version", "-help", "--help"):
        return Effect(Role.NOTHING, tool="javac")
    target: str | None = None
    sources: list[str] = []
    words = list(argv[1:])
    while words:
        word = words.pop(0)
        if word is None:
            # a list of sources that the shell makes: where the classes go is what counts
            continue
        if word == "-d" and words:
            target = words.pop(0)
            if target is None:
                return _unknown("javac", "the folder given with -d isn't known before the build", scope)
        elif word in _JAVAC_VALUES and words:
            words.pop(0)
        elif not word.startswith(("-", "@")):
            sources.append(word)
    if target is not None:
        return _classes(scope.path(target), scope)
    if not sources:
        return _unknown("javac", "where the classes are put isn't known", scope)
    folders = {posixpath.dirname(scope.path(source.split("*")[0] + "x")) for source in sources}
    if len(folders) == 1 and scope.cwd in SYSTEM_FOLDERS:
        return _classes(folders.pop(), scope)
    return _classes(scope.cwd, scope)


def _classes(folder: str, scope: Scope) -> Effect:
    """Return the compilation into a folder."""
    if folder in SYSTEM_FOLDERS:
        return _unknown("javac", f"classes are put into {folder}, where many things lie", scope)
    return _built("javac", folder, scope)


def _built(tool: str, folder: str, scope: Scope, outputs: tuple[JvmOutput, ...] = ()) -> Effect:
    project = scope.cwd if is_under(folder, scope.cwd) and scope.cwd not in SYSTEM_FOLDERS else folder
    if not outputs:
        outputs = (JvmOutput(folder, "folder", is_runnable=True),)
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=(project, scope.cwd),
        reads_only=True,
        writes=(folder,),
        why="the classes" if tool == "javac" else "the program",
        ecosystem="java",
        detail=JvmBuild(tool, project, (folder,), outputs),
    )


def _unknown(tool: str, why: str, scope: Scope) -> Effect:
    refusal = Refused("unknown-artifact", why, remedy="compile in a folder of its own, set with WORKDIR")
    detail = JvmBuild(tool, scope.cwd, (), unknown=refusal)
    return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), why=why, refusal=refusal, detail=detail)


def _jar(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = [word or "" for word in argv[1:]]
    if not words:
        return None
    mode = words[0].lstrip("-")
    letters = mode if not words[0].startswith("--") else ""
    if words[0] in ("--create", "-c") or "c" in letters:
        target = next((w.partition("=")[2] for w in words if w.startswith("--file=")), None)
        if target is None and ("-f" in words or "--file" in words):
            flag = "-f" if "-f" in words else "--file"
            at = words.index(flag)
            target = words[at + 1] if at + 1 < len(words) else None
        elif target is None and "f" in letters:
            # each letter takes the next word in its order: `jar cfe app.jar Main`, `jar cmf MANIFEST app.jar`
            order = [letter for letter in letters if letter in "fme"]
            at = 1 + order.index("f")
            target = words[at] if at < len(words) else None
        if not target:
            return None
        path = scope.path(target)
        output = JvmOutput(path, "jar", is_runnable=None)
        return _built("jar", path, scope, (output,))
    if words[0] in ("--extract", "-x") or "x" in letters:
        reads = tuple(scope.path(word) for word in words[1:2] if word)
        if scope.cwd in SYSTEM_FOLDERS:
            return None
        return Effect(Role.FETCH, tool="jar", reads=reads, writes=(scope.cwd,), why="what is unpacked")
    if "t" in letters or words[0] in ("--list", "--version", "--help"):
        return Effect(Role.NOTHING, tool="jar")
    return None


def _java(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = [word or "" for word in argv[1:]]
    if words and words[0] in ("-version", "--version"):
        return Effect(Role.NOTHING, tool="java")
    mode = next((word.partition("=")[2] for word in words if word.startswith("-Djarmode=")), None)
    if mode in ("layertools", "tools") and "extract" in words:
        at = words.index("extract")
        target = scope.cwd
        for before, word in itertools.pairwise(words[at:]):
            if before == "--destination":
                target = scope.path(word)
            elif word.startswith("--destination="):
                target = scope.path(word.partition("=")[2])
        jar = next((b for a, b in itertools.pairwise(words) if a == "-jar"), "")
        reads = (scope.path(jar),) if jar else ()
        if mode == "layertools" or "--layers" in words:
            writes = tuple(posixpath.join(target, layer) for layer in _LAYERS)
        else:
            if target == scope.cwd:
                target = posixpath.join(target, posixpath.basename(jar).removesuffix(".jar"))
            writes = (target,)
        return Effect(Role.BUILD, tool="java", reads=reads, reads_only=True, writes=writes, why="its layers")
    return None


def _keytool(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = [word or "" for word in argv[1:]]
    if any(word in ("-list", "-printcert", "-help") for word in words):
        return Effect(Role.NOTHING, tool="keytool")
    store = next((b for a, b in itertools.pairwise(words) if a == "-keystore"), "")
    file = next((b for a, b in itertools.pairwise(words) if a in ("-file", "-infile")), "")
    reads = (scope.path(file),) if file else ()
    if "-cacerts" in words:
        home = scope.variables.get("JAVA_HOME", "")
        store = posixpath.join(home, "lib/security/cacerts") if home else ""
    if not store:
        return None
    return Effect(Role.SETUP, tool="keytool", reads=reads, writes=(scope.path(store),))


def _ant(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = [word or "" for word in argv[1:]]
    if words[:1] in (["-version"], ["-p"], ["-projecthelp"]):
        return Effect(Role.NOTHING, tool="ant")
    folder = scope.cwd
    for before, word in itertools.pairwise(words):
        if before in ("-f", "-file", "-buildfile"):
            folder = posixpath.dirname(scope.path(word))
    if folder in SYSTEM_FOLDERS:
        return _unknown("ant", f"ant builds in {folder}, where many things lie", scope)
    return _built("ant", folder, scope, (JvmOutput(folder, "folder", is_runnable=True),))
