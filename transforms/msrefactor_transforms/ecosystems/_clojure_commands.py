"""What Clojure's build commands leave: `lein`, `clojure`, `clj`.

Sources: leiningen tutorial and sample.project.clj; clojure.org "Deps and CLI Reference", "tools.build Guide";
the `mv "$(lein uberjar | …)"` of docker-library/docs clojure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import replace

from msrefactor import shell
from msrefactor.code.clojure import read_project, uber_file
from msrefactor.facts import Effect, Role, Scope, is_under
from msrefactor.model import Refused
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._java_build import JvmBuild, JvmOutput

_QUIET = frozenset("clean version help upgrade classpath show-profiles pprint check install javac".split())
_DOWNLOADS = frozenset("deps ancient localrepo".split())
_GATES = frozenset("test midje eastwood kibit cljfmt cloverage eftest bikeshed lint".split())
_STARTS = frozenset("run repl figwheel trampoline ring server".split())
_ASKING = ("-Sdescribe", "-Spath", "-Stree", "-Sforce", "-h", "--version")
_TOOLS = frozenset("clojure clj".split())
_NAMES = frozenset("project.clj profiles.clj deps.edn build.clj .cpcache .lein-env checkouts".split())
_LIBRARIES_MB = 60.0


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a Clojure build command does."""
    name = argv[0] if argv else None
    tool = posixpath.basename(name) if name is not None else ""
    if tool == "lein":
        return _lein(list(argv[1:]), scope)
    if tool in _TOOLS:
        return _clojure(tool, list(argv[1:]), scope)
    if tool in ("mv", "cp"):
        return _moved(command, argv, scope)
    return None


def _lein(words: list[str | None], scope: Scope) -> Effect:
    if None in words:
        return _effect(_unknown("which tasks lein runs isn't known before the build", scope), "lein", scope)
    tasks = _tasks([word for word in words if word is not None])
    names = [task[0] for task in tasks]
    if all(name in _QUIET | _DOWNLOADS for name in names):
        return Effect(Role.BUILD, tool="lein", reads=(scope.cwd,), why="downloads libraries")
    if all(name in _QUIET | _DOWNLOADS | _GATES for name in names):
        return Effect(Role.GATE, tool="lein", reads=(scope.cwd,))
    return _effect(_lein_build(tasks, scope), "lein", scope)


def _tasks(words: list[str]) -> list[list[str]]:
    """Return the tasks with their arguments: `do clean, uberjar`, `with-profile prod uberjar`."""
    rest = [word for word in words if word not in ("-o", "-U", "-v", "-h")]
    if rest[:1] == ["with-profile"]:
        return _tasks(rest[2:])
    if rest[:1] == ["do"]:
        found: list[list[str]] = [[]]
        for word in rest[1:]:
            found[-1].extend([word.rstrip(",")] if word.rstrip(",") else [])
            if word.endswith(","):
                found.append([])
        return [task for part in found if part for task in _tasks(part)]
    return [rest] if rest else []


def _lein_build(tasks: Sequence[Sequence[str]], scope: Scope) -> JvmBuild:
    text = scope.read(posixpath.join(scope.cwd, "project.clj"))
    project = read_project(text) if text is not None else None
    if project is None:
        why = f"no project.clj that is a plain defproject is seen in {scope.cwd}"
        return _unknown(why, scope)
    target = posixpath.join(scope.cwd, project.target)
    outputs: list[JvmOutput] = []
    whys: list[str] = []
    for task in tasks:
        name = " ".join(task[:2]) if task[0] == "ring" else task[0]
        if name in ("uberjar", "ring uberjar"):
            path = project.uberjar_path(scope.cwd)
            if path is None:
                whys.append("the name of the uberjar isn't a literal in project.clj")
            else:
                outputs.append(JvmOutput(path, "jar", True))
                plain = f"{project.name}-{project.version}.jar"
                outputs.append(JvmOutput(posixpath.join(posixpath.dirname(path), plain), "jar", False))
        elif name == "compile":
            pass
        elif name.split()[0] in _STARTS and name != "ring uberwar":
            whys.append(f"`lein {' '.join(task)}` starts the program")
        elif name not in _QUIET | _DOWNLOADS | _GATES:
            whys.append(f"what `lein {' '.join(task)}` leaves isn't known")
    if scope.has(target):
        whys.append(f"{target} is in the build context already")
    return _build("Leiningen", scope.cwd, (target,), outputs, whys)


def _clojure(tool: str, words: list[str | None], scope: Scope) -> Effect:
    known = [word for word in words if word is not None]
    if "-P" in known or not known or known[0] in _ASKING:
        return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), why="downloads libraries")
    if len(known) < len(words):
        why = "what Clojure runs isn't known before the build"
        return _effect(_unknown(why, scope), tool, scope)
    if known[0].startswith(("-M:test", "-X:test", "-M:lint", "-M:kaocha")):
        return Effect(Role.GATE, tool=tool, reads=(scope.cwd,))
    target = posixpath.join(scope.cwd, "target")
    jar = _named_jar(known)
    if jar is None and known[0].startswith("-T"):
        text = scope.read(posixpath.join(scope.cwd, "build.clj"))
        jar = uber_file(text) if text is not None else None
    whys = [f"{target} is in the build context already"] if scope.has(target) else []
    if jar is None:
        whys.insert(0, f"the jar that `{tool} {' '.join(known)}` writes isn't a literal in build.clj")
        return _effect(_build("Clojure", scope.cwd, (target,), [], whys), tool, scope)
    path = scope.path(jar)
    built = _build("Clojure", scope.cwd, (target,), [JvmOutput(path, "jar", True)], whys)
    return _effect(built, tool, scope)


def _named_jar(words: Sequence[str]) -> str | None:
    """Return the jar that the command line itself names: `:jar app.jar`, `--target target/app.jar`."""
    for at, word in enumerate(words[:-1]):
        if word in (":jar", ":uber-file", "--target", ":target"):
            name = words[at + 1].strip("\"'")
            if name.endswith(".jar"):
                return name
    return None


def _moved(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what `mv "$(lein uberjar | sed …)" app.jar` leaves: what lein prints names the uberjar."""
    if len(argv) != 3 or argv[1] is not None or argv[2] is None:
        return None
    text = command.words[1].text.strip('"')
    if not (text.startswith("$(") and text.endswith(")")):
        return None
    script = shell.parse_script(text[2:-1])
    inner = script.items[0].commands if script is not None and len(script.items) == 1 else ()
    words = [scope.value(word) for word in inner[0].words] if inner else []
    if not words or words[0] != "lein" or None in words or "uberjar" not in words:
        return None
    tasks = _tasks([word for word in words[1:] if word is not None])
    detail = _lein_build(tasks, scope)
    target = scope.path(argv[2])
    if argv[2].endswith("/") or target == scope.cwd:
        path = next((one.path for one in detail.outputs if one.is_runnable), None)
        if path is None:
            return None
        target = posixpath.join(target, posixpath.basename(path))
    moved = JvmBuild(
        detail.tool,
        detail.project,
        (target,),
        (JvmOutput(target, "jar", True),),
        is_complete=detail.is_complete,
        build_names=_NAMES,
        downloads_mb=_LIBRARIES_MB,
    )
    return Effect(
        Role.BUILD,
        tool="lein",
        reads=(scope.cwd,),
        writes=(target,),
        why="the uberjar",
        ecosystem="java",
        detail=moved,
    )


def _unknown(why: str, scope: Scope) -> JvmBuild:
    return _build("Clojure", scope.cwd, (posixpath.join(scope.cwd, "target"),), [], [why])


def _build(
    tool: str, project: str, folders: tuple[str, ...], outputs: Sequence[JvmOutput], whys: Sequence[str]
) -> JvmBuild:
    return JvmBuild(
        tool=tool,
        project=project,
        folders=folders,
        outputs=tuple(outputs),
        is_complete=not whys,
        unknown=Refused("unknown-artifact", whys[0]) if whys else None,
        build_names=_NAMES,
        downloads_mb=_LIBRARIES_MB,
    )


def _effect(detail: JvmBuild, tool: str, scope: Scope) -> Effect:
    # a jar that is put elsewhere than into the build's folder stands for itself
    named = tuple(
        output.path
        for output in detail.outputs
        if not any(is_under(output.path, folder) for folder in detail.folders)
    )
    detail = replace(detail, folders=(*detail.folders, *named))
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=(scope.cwd,),
        writes=detail.folders,
        why="what the build leaves",
        ecosystem="java",
        detail=detail,
    )
