"""What the `dotnet` command does, and which folder a publish or a build leaves.

Sources: learn.microsoft.com "dotnet publish", "dotnet build", "Artifacts output layout"; the default
configuration of `publish` is Release from the SDK 8 on for projects that target .NET 8 or later.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msrefactor.code.dotnet_project import (
    PROJECT_ENDINGS,
    SOLUTION_ENDINGS,
    DotnetProject,
    read_project,
    solution_projects,
    with_references,
)
from msrefactor.facts import Effect, Role, Scope
from msrefactor.model import Refused
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._dotnet_installs import of_restore

_VALUES = {
    "-c": "configuration", "--configuration": "configuration", "-o": "output", "--output": "output",
    "-f": "framework", "--framework": "framework", "-r": "runtime", "--runtime": "runtime",
    "-a": "arch", "--arch": "arch", "--os": "os", "--artifacts-path": "artifacts",
    "-v": "", "--verbosity": "", "--source": "", "-s": "", "--manifest": "", "--version-suffix": "",
    "--configfile": "", "--packages": "packages", "--tl": "", "--project": "project",
}  # fmt: skip
_OUTPUT_PROPERTIES = frozenset("publishdir outputpath outdir baseoutputpath artifactspath".split())
_PREPARATIONS = frozenset("workload nuget add remove new sln tool-manifest dev-certs build-server".split())


@dataclass(frozen=True, slots=True)
class DotnetBuild:
    """One `dotnet publish` or `dotnet build` of a program."""

    action: str
    output: str
    """The folder of the image with the program."""
    project: str
    """Path of the project file in the image."""
    source: DotnetProject
    everything: tuple[DotnetProject, ...]
    """The project and all that it refers to."""
    is_self_contained: bool | None = False
    """None: it can't be told."""
    rid: str = ""


@dataclass(frozen=True, slots=True)
class _Options:
    values: dict[str, str]
    properties: dict[str, str]
    named: tuple[str, ...]
    flags: frozenset[str]
    is_known: bool = True


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a `dotnet` command does."""
    if not argv or argv[0] is None or posixpath.basename(argv[0]) != "dotnet":
        return None
    words = list(argv[1:])
    action = words[0] if words else None
    rest = words[1:]
    if action in ("publish", "build", "msbuild"):
        return _built(action, rest, scope)
    if action == "restore":
        named = _options(rest).named
        place = scope.path(named[0]) if named else scope.cwd
        return Effect(
            Role.BUILD, tool="dotnet", reads=(scope.cwd,), reads_only=True, why="restores packages",
            dependencies=of_restore(place, _projects(place, scope), rest, scope),
        )  # fmt: skip
    if action in ("test", "vstest", "format"):
        return Effect(Role.GATE, tool="dotnet", reads=(scope.cwd,), reads_only=True)
    if action == "clean":
        return Effect(Role.CLEAN, tool="dotnet")
    if action is None or action.startswith("-") or action in ("help", "list"):
        return Effect(Role.NOTHING, tool="dotnet")
    if action == "tool":
        return _tool(rest, scope)
    if action == "pack":
        return Effect(Role.GATE, tool="dotnet", reads=(scope.cwd,), reads_only=True)
    if action == "dev-certs":
        # the certificates lie in the home folder, where Kestrel looks for them
        home = posixpath.join(scope.home, ".dotnet/corefx/cryptography/x509stores/my")
        return Effect(Role.BUILD, tool="dotnet", writes=(home,), why="the development certificate")
    if action in _PREPARATIONS:
        return Effect(Role.BUILD, tool="dotnet", reads=(scope.cwd,), reads_only=True, why=f"dotnet {action}")
    return None


def _tool(rest: Sequence[str | None], scope: Scope) -> Effect | None:
    if rest[:1] == ["restore"]:
        return Effect(Role.BUILD, tool="dotnet", reads=(scope.cwd,), reads_only=True, why="restores tools")
    if rest[:1] not in (["install"], ["update"]):
        return None
    words = [word for word in rest if word is not None]
    if "--tool-path" in words:
        at = words.index("--tool-path")
        if at + 1 < len(words):
            path = scope.path(words[at + 1])
            return Effect(Role.BUILD, tool="dotnet", writes=(path,), reads_only=True, why="tools")
    if "-g" in words or "--global" in words:
        path = posixpath.join(scope.home, ".dotnet/tools")
        return Effect(Role.BUILD, tool="dotnet", reads_only=True, why="a tool", detail=path)
    return Effect(Role.BUILD, tool="dotnet", reads=(scope.cwd,), reads_only=True, why="a local tool")


def _options(words: Sequence[str | None]) -> _Options:
    values: dict[str, str] = {}
    properties: dict[str, str] = {}
    named: list[str] = []
    flags: set[str] = set()
    known = True
    left = list(words)
    while left:
        word = left.pop(0)
        if word is None:
            known = False
            continue
        match = re.fullmatch(r"(?:[-/]{1,2}p(?:roperty)?:)(.*)", word, re.IGNORECASE)
        if match or (word in ("-p", "--property") and left and "=" in (left[0] or "")):
            text = match[1] if match else (left.pop(0) or "")
            for pair in text.split(";"):
                key, _, value = pair.partition("=")
                properties[key.strip().lower()] = value.strip().strip('"')
            continue
        option, equals, given = word.partition("=")
        short, colon, colon_value = word.partition(":")
        if option in _VALUES:
            value = given if equals else (left.pop(0) if left else None)
            if value is None:
                known = False
            elif _VALUES[option]:
                values[_VALUES[option]] = value
        elif colon and short in _VALUES:
            values[_VALUES[short] or short] = colon_value
        elif option in ("--self-contained", "--sc"):
            following = left[0] if left else None
            if not equals and following in ("true", "false"):
                given = left.pop(0) or ""
            properties["selfcontained"] = given or "true"
        elif word == "--no-self-contained":
            properties["selfcontained"] = "false"
        elif word.startswith(("-", "/")) and not _is_path(word):
            flags.add(word)
        else:
            named.append(word)
    return _Options(values, properties, tuple(named), frozenset(flags), known)


def _is_path(word: str) -> bool:
    return word.startswith("/") and ("/" in word[1:] or word.endswith((*PROJECT_ENDINGS, *SOLUTION_ENDINGS)))


def _built(action: str, rest: Sequence[str | None], scope: Scope) -> Effect:
    options = _options(rest)
    if action == "msbuild":
        targets = [flag for flag in options.flags if re.match(r"[-/]t(arget)?:", flag)]
        if any("restore" in target.lower() for target in targets):
            return Effect(Role.BUILD, tool="dotnet", reads=(scope.cwd,), reads_only=True, why="restores")
        action = "publish" if any("publish" in target.lower() for target in targets) else "build"
    place = scope.path(options.named[0]) if options.named else scope.cwd
    projects = _projects(place, scope)
    if not projects:
        return _unknown(f"no project file is found at {place}", scope)
    programs = [one for one in projects if _is_program(one)]
    given = options.values.get("output") or options.properties.get("publishdir")
    if not options.is_known and given is None:
        return _unknown("where it writes isn't known before the build", scope)
    if len(programs) != 1:
        if action == "build" or not programs:
            return _compiled(scope)
        if given is None:
            return _several(programs, action, options, scope)
        names = " and ".join(one.name for one in programs[:3])
        return _unknown(f"several programs are published into one folder ({names})", scope)
    return _program(programs[0], action, given, options, scope)


def _several(programs: Sequence[DotnetProject], action: str, options: _Options, scope: Scope) -> Effect:
    """Return the effect of a publish of a solution: every program has a folder of its own."""
    effects = [_program(one, action, None, options, scope) for one in programs]
    if any(effect.refusal is not None for effect in effects):
        return next(effect for effect in effects if effect.refusal is not None)
    details = tuple(effect.detail for effect in effects)
    return replace(
        effects[0], writes=tuple(path for effect in effects for path in effect.writes), detail=details
    )


def _program(
    project: DotnetProject, action: str, given: str | None, options: _Options, scope: Scope
) -> Effect:
    everything = with_references(scope.context, project)
    if everything is None:
        return _unknown(f"a project that {project.name} refers to isn't found in the build context", scope)
    folder = _image_folder(project, scope)
    if folder is None:
        return _unknown(f"where {project.path} lies in the image isn't known", scope)
    output = _output(project, action, given, options, scope, folder)
    if isinstance(output, str):
        rid = options.values.get("runtime") or project.value("RuntimeIdentifier") or ""
        detail = DotnetBuild(
            action,
            output,
            posixpath.join(folder, posixpath.basename(project.path)),
            project,
            everything,
            _self_contained(project, options, rid, scope),
            rid,
        )
        return Effect(
            Role.BUILD,
            tool="dotnet",
            reads=(scope.cwd,),
            reads_only=True,
            writes=(output,),
            why="the published program" if action == "publish" else "the built program",
            detail=detail,
        )
    return _unknown(output.detail, scope)


def _output(
    project: DotnetProject, action: str, given: str | None, options: _Options, scope: Scope, folder: str
) -> str | Refused:
    """Return the folder of the image that the program is written to."""
    if given is not None:
        return scope.path(given)
    if "artifacts" in options.values or project.is_set("UseArtifactsOutput") is not False:
        return Refused("unknown-artifact", "the artifacts layout isn't read: name the folder with --output")
    names = _OUTPUT_PROPERTIES | {"appendtargetframeworktooutputpath", "appendruntimeidentifiertooutputpath"}
    for name in sorted(names):
        if name in options.properties or project.value(name) != "":
            return Refused("unknown-artifact", f"{name} moves the output: name the folder with --output")
    framework = options.values.get("framework") or options.properties.get("targetframework") or project.target
    if framework is None or not project.is_plain:
        return Refused("unknown-artifact", f"which framework {project.name} targets can't be told")
    configuration = _configuration(project, action, options, scope, framework)
    if configuration is None:
        return Refused("unknown-artifact", "the configuration can't be told: name it with --configuration")
    rid = options.values.get("runtime") or options.properties.get("runtimeidentifier")
    if rid is None:
        rid = project.value("RuntimeIdentifier")
    if rid is None or "arch" in options.values or "os" in options.values:
        return Refused("unknown-artifact", "the runtime identifier can't be told: name the output folder")
    parts = [folder, "bin", configuration, framework, rid, "publish" if action == "publish" else ""]
    return posixpath.join(*(part for part in parts if part))


def _configuration(
    project: DotnetProject, action: str, options: _Options, scope: Scope, framework: str
) -> str | None:
    written = options.values.get("configuration") or options.properties.get("configuration")
    if written:
        return written
    if project.value("Configuration") != "":
        return None
    if action == "build":
        return "Debug"
    sdk = (scope.base.version or "").split(".")[0]
    target = re.match(r"net(\d+)\.", framework)
    if not sdk.isdigit() or target is None or project.value("PublishRelease") != "":
        return None
    return "Release" if int(sdk) >= 8 and int(target[1]) >= 8 else "Debug"


def _self_contained(project: DotnetProject, options: _Options, rid: str, scope: Scope) -> bool | None:
    written = options.properties.get("selfcontained")
    if written is not None:
        return written.lower() == "true"
    if options.properties.get("publishaot", "").lower() == "true":
        return True
    alone = [project.is_set("SelfContained"), project.is_set("PublishAot")]
    if any(one is None for one in alone):
        return None
    if any(alone):
        return True
    if project.value("SelfContained") == "" and rid:
        # up to the SDK 5, and for projects that target it, a runtime identifier alone meant self-contained
        target = re.match(r"net(\d+)\.", project.target or "")
        sdk = (scope.base.version or "").split(".")[0]
        if not sdk.isdigit() or int(sdk) < 6:
            return True
        if target is None or (int(target[1]) < 6 and int(sdk) < 8):
            return None
    return False


def _projects(place: str, scope: Scope) -> tuple[DotnetProject, ...]:
    """Return the projects that a path means: a project file, a solution, or the one of a folder."""
    source = scope.origin(place)
    context = scope.context
    if source is not None and context.is_file(source):
        paths = _named_projects(source, scope)
    else:
        inside = [file for path, file in scope.files(place).items() if "/" not in path]
        own = [file for file in inside if file.endswith(PROJECT_ENDINGS)]
        solutions = [file for file in inside if file.endswith((".sln", ".slnx"))]
        if len(own) == 1 and not solutions:
            paths = tuple(own)
        elif len(solutions) == 1 and not own:
            paths = _named_projects(solutions[0], scope)
        elif len(solutions) == 1 and len(own) == 1 and _stem(own[0]) == _stem(solutions[0]):
            # of a project and a solution with the same name, MSBuild takes the solution
            paths = _named_projects(solutions[0], scope)
        else:
            return ()
    found = [read_project(context, path) for path in paths]
    return tuple(one for one in found if one is not None) if all(found) else ()


def _stem(path: str) -> str:
    return posixpath.splitext(posixpath.basename(path))[0].lower()


def _named_projects(source: str, scope: Scope) -> tuple[str, ...]:
    if source.endswith(PROJECT_ENDINGS):
        return (source,)
    return solution_projects(scope.context, source) or ()


def _is_program(project: DotnetProject) -> bool:
    """Whether a project gives a program: test projects and libraries don't."""
    if project.packages & {"microsoft.net.test.sdk", "xunit", "nunit", "mstest.testframework"}:
        return False
    kind = (project.value("OutputType") or "").lower()
    if kind in ("exe", "winexe"):
        return True
    return kind == "" and project.sdk.lower() in ("microsoft.net.sdk.web", "microsoft.net.sdk.worker")


def _image_folder(project: DotnetProject, scope: Scope) -> str | None:
    """Return the folder of the image that the project's folder was copied to."""
    for placed in reversed(scope.placed):
        if placed.is_folder and (
            placed.source == "" or (project.folder + "/").startswith(placed.source + "/")
        ):
            rest = posixpath.relpath(project.folder or ".", placed.source or ".")
            return posixpath.normpath(posixpath.join(placed.destination, rest))
        if placed.source == project.path:
            return posixpath.dirname(placed.destination)
    return None


def _compiled(scope: Scope) -> Effect:
    return Effect(Role.BUILD, tool="dotnet", reads=(scope.cwd,), reads_only=True, why="compiles")


def _unknown(why: str, scope: Scope) -> Effect:
    refusal = Refused("unknown-artifact", why)
    return Effect(Role.BUILD, tool="dotnet", reads=(scope.cwd,), why=why, refusal=refusal, detail=why)
