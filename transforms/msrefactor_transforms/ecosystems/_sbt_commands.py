"""What the Scala build tools' commands leave: `sbt`, `activator`, `mill`.

Sources: scala-sbt.org reference "Running", "Multi-project builds"; sbt-assembly, sbt-native-packager
("Universal Plugin") and sbt-pack documentation; playframework.com "Deploying your application";
mill-build.org "Scala Module Configuration".
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.code.sbt import Sbt, SbtBuild, read_sbt
from msrefactor.facts import Effect, Role, Scope
from msrefactor.model import Refused
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._java_build import JvmBuild, JvmOutput
from msrefactor_transforms.ecosystems._sbt_installs import DOWNLOADS as UPDATES
from msrefactor_transforms.ecosystems._sbt_installs import of_update

_SHELLS = frozenset("sh bash ash dash".split())
_WITH_VALUE = frozenset("-mem -java-home -jvm-debug -ivy -sbt-dir -sbt-boot --sbt-dir -sbt-version".split())
_QUIET = frozenset(
    "clean cleanFiles sbtVersion scalaVersion about help exit reload projects project settings plugins "
    "show inspect shutdown version".split()
)
_DOWNLOADS = frozenset("update updateClassifiers evicted publishLocal dependencyTree csrUpdate".split())
_GATES = frozenset(
    "test testOnly testQuick scalastyle scalafmtCheck scalafmtCheckAll scalafmtSbtCheck coverage "
    "coverageReport Test/compile Test/test".split()
)
_COMPILES = frozenset("compile products copyResources".split())
_STARTS = frozenset("run runMain bgRun runProd testProd".split())
_NAMES = frozenset("build.sbt project .sbtopts .jvmopts sbt .scalafmt.conf .bsp activator".split())
_LIBRARIES_MB = 120.0


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of sbt or mill does."""
    words = list(argv)
    if words and words[0] is not None and posixpath.basename(words[0]) in _SHELLS:
        words = words[1:]
        if not words or words[0] is None or posixpath.basename(words[0]) not in ("sbt", "mill", "millw"):
            return None
    name = words[0] if words else None
    if name is None:
        return None
    tool = posixpath.basename(name)
    if tool in ("mill", "millw"):
        return _mill(tool, words[1:], scope)
    if tool == "unzip":
        return _unzipped(words, scope)
    return _sbt(tool, words[1:], scope) if tool in ("sbt", "sbtn", "activator", "sbtx") else None


def _sbt(tool: str, words: Sequence[str | None], scope: Scope) -> Effect:
    tasks = _tasks(words)
    short = [task.rpartition("/")[2].rpartition(":")[2] for task in tasks if task is not None]
    is_known = None not in tasks
    reads = (scope.cwd,)
    if is_known and all(name in _QUIET for name in short):
        return Effect(Role.BUILD, tool=tool, reads=reads, why="prepares sbt")
    if is_known and all(name in _QUIET | _DOWNLOADS for name in short):
        known = of_update(scope) if set(short) <= UPDATES and len(words) == len(tasks) else None
        return Effect(Role.BUILD, tool=tool, reads=reads, why="downloads libraries", dependencies=known)
    if is_known and all(name in _QUIET | _GATES for name in short):
        return Effect(Role.GATE, tool=tool, reads=reads)
    detail = _built([task for task in tasks if task is not None], read_sbt(scope.read, scope.cwd), scope)
    if not is_known:
        why = Refused("unknown-artifact", "which tasks sbt runs isn't known before the build")
        detail = JvmBuild(detail.tool, detail.project, detail.folders, unknown=why, build_names=_NAMES)
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=reads,
        writes=detail.folders,
        why="what sbt builds",
        ecosystem="java",
        detail=detail,
    )


def _tasks(words: Sequence[str | None]) -> list[str | None]:
    """Return the tasks of a command line; a quoted word may hold several, or a task with its arguments."""
    found: list[str | None] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word is None:
            found.append(None)
        elif word.startswith("-") and not word.startswith("--") and word in _WITH_VALUE:
            rest[:1] = []
        elif not word.startswith("-"):
            found.extend(part.strip() for part in word.split(";") if part.strip())
    return [task if task is None else task.lstrip("+~") for task in found]


def _built(tasks: Sequence[str], build: SbtBuild | None, scope: Scope) -> JvmBuild:
    root = scope.cwd
    folders = [posixpath.join(root, "target")]
    outputs: dict[str, JvmOutput] = {}
    whys: list[str] = []
    if build is None:
        whys.append(f"no build.sbt is seen in {root}, so the names of what it builds aren't known")
    else:
        folders.extend(posixpath.join(project.folder, "target") for project in build.projects.values())
        current = build.projects[""]
        for task in tasks:
            words = task.split()
            if words[0] == "project" and len(words) > 1:
                current = build.projects.get(words[1], current)
                continue
            project, name = _addressed(words[0], build, current)
            for one in _members(project, name, build):
                _leave(name, one, build, outputs, whys)
    whys.extend(f"{folder} is in the build context already" for folder in folders if scope.has(folder))
    return JvmBuild(
        tool="sbt",
        project=root,
        folders=tuple(dict.fromkeys([*folders, posixpath.join(root, "project", "target")])),
        outputs=tuple(outputs.values()),
        is_complete=not whys,
        unknown=Refused("unknown-artifact", whys[0]) if whys else None,
        build_names=_NAMES,
        modules=_modules(build, root),
        downloads_mb=_LIBRARIES_MB,
    )


def _modules(build: SbtBuild | None, root: str) -> tuple[str, ...]:
    if build is None:
        return ()
    folders = [one.folder for one in build.projects.values() if one.folder != root]
    return tuple(dict.fromkeys(posixpath.relpath(folder, root) for folder in folders))


def _addressed(task: str, build: SbtBuild, current: Sbt) -> tuple[Sbt, str]:
    """Return the project and the name of a task: `api/assembly`, `Universal/packageBin`, `docker:stage`."""
    parts = task.split("/")
    if len(parts) > 1 and parts[0] in build.projects:
        return build.projects[parts[0]], "/".join(parts[1:])
    return current, task


def _members(project: Sbt, task: str, build: SbtBuild) -> tuple[Sbt, ...]:
    """Return the projects that a task runs in: a task of the root runs in all that it aggregates."""
    if project is not build.projects[""] or task in ("run", "runMain"):
        return (project,)
    return tuple({one.folder: one for one in build.projects.values()}.values())


def _leave(task: str, project: Sbt, build: SbtBuild, outputs: dict[str, JvmOutput], whys: list[str]) -> None:
    name = task.replace(":", "/")
    last = name.rpartition("/")[2]
    target = posixpath.join(project.folder, "target")
    if last == "assembly":
        path = project.assembly
        if path is None:
            whys.append(f"the jar that {project.id}/assembly writes isn't named literally in build.sbt")
        else:
            outputs[path] = JvmOutput(path, "jar", None if build.class_path else True)
    elif last == "stage" and not name.lower().startswith("docker/"):
        path = posixpath.join(target, "universal", "stage")
        outputs[path] = JvmOutput(path, "folder", True)
    elif name.lower() == "docker/stage":
        path = posixpath.join(target, "docker", "stage")
        outputs[path] = JvmOutput(path, "folder", True)
    elif last == "pack":
        path = posixpath.join(target, "pack")
        outputs[path] = JvmOutput(path, "folder", True)
    elif last == "dist" or name in ("universal/packageBin", "Universal/packageBin"):
        pass  # an archive: what unpacks it says where to
    elif last in ("package", "packageBin"):
        whys.append("the jar of `package` doesn't hold the libraries that it is started with")
    elif last in _STARTS:
        whys.append(f"the task {task} starts the program")
    elif last not in _QUIET | _DOWNLOADS | _GATES | _COMPILES and name not in _GATES:
        whys.append(f"what the task {task} leaves isn't known")


def _unzipped(words: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what `unzip` leaves of a distribution: its archive holds one folder of its own name."""
    if "-d" in words:
        return None
    archives = [word for word in words[1:] if word is not None and word.endswith(".zip")]
    if len(archives) != 1 or any(char in archives[0] for char in "*?[$"):
        return None
    path = scope.path(archives[0])
    inside = path.split("/")
    if "universal" not in inside and "distributions" not in inside:
        return None
    folder = posixpath.join(scope.cwd, posixpath.basename(path).removesuffix(".zip"))
    return Effect(Role.FETCH, tool="unzip", reads=(path,), writes=(folder,), why="the unpacked distribution")


def _mill(tool: str, words: Sequence[str | None], scope: Scope) -> Effect:
    tasks = [word for word in words if word is None or not word.startswith("-")]
    out = posixpath.join(scope.cwd, "out")
    outputs: list[JvmOutput] = []
    modules: list[str] = []
    why = ""
    for task in tasks:
        if task is None:
            why = why or "which tasks mill runs isn't known before the build"
            continue
        parts = task.strip("_.").split(".")
        modules.extend(parts[:1] if len(parts) > 1 else ())
        if parts[-1] == "assembly" and "_" not in task:
            path = posixpath.join(out, *parts[:-1], "assembly.dest", "out.jar")
            outputs.append(JvmOutput(path, "jar", True))
        elif parts[-1] not in ("compile", "resolve", "version", "clean", "prepareOffline", "test"):
            why = why or f"what the task {task} leaves isn't known"
    detail = JvmBuild(
        tool="mill",
        project=scope.cwd,
        folders=(out,),
        outputs=tuple(outputs),
        is_complete=not why,
        unknown=Refused("unknown-artifact", why) if why else None,
        build_names=frozenset("build.sc build.mill mill millw .mill-version .mill-jvm-opts".split()),
        modules=tuple(dict.fromkeys(modules)),
        downloads_mb=_LIBRARIES_MB,
    )
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=(scope.cwd,),
        writes=(out,),
        why="what mill builds",
        ecosystem="java",
        detail=detail,
    )
