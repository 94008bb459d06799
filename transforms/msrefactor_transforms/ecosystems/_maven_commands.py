"""What a call of Maven leaves: the jars and folders of each module's target, read from the poms.

Source: maven.apache.org (introduction to the lifecycle, the options of mvn), the plugins' own documentation.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msrefactor.facts import Effect, Role, Scope
from msrefactor.model import Refused
from msrefactor_transforms.ecosystems._java_build import JvmBuild, JvmOutput
from msrefactor_transforms.ecosystems._maven_installs import is_download, of_download

_VALUED = frozenset(
    "-f --file -s --settings -gs --global-settings -P --activate-profiles -pl --projects -D --define -T "
    "--threads -l --log-file -rf --resume-from -t --toolchains -gt --global-toolchains -b --builder "
    "-emp --encrypt-master-password -ep --encrypt-password --color".split()
)
_PACKAGES = frozenset(
    "package integration-test verify install deploy pre-integration-test post-integration-test".split()
)
_COMPILES = frozenset(
    "compile process-classes test-compile process-test-classes test prepare-package validate initialize "
    "generate-sources process-sources generate-resources process-resources generate-test-sources".split()
)
_DOWNLOADS_MB = 60.0
"""About what ~/.m2 holds of plugins and libraries after a small build."""


@dataclass(frozen=True, slots=True)
class MavenCall:
    """The words of one call."""

    goals: tuple[str | None, ...] = ()
    file: str | None = None
    settings: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    is_unknown: bool = False
    """Whether a word isn't known that could name the pom, a profile or a property."""


def read_call(argv: Sequence[str | None]) -> MavenCall:
    """Take the words of a call apart."""
    goals: list[str | None] = []
    file: str | None = None
    settings: list[str] = []
    properties: dict[str, str] = {}
    profiles: list[str] = []
    projects: list[str] = []
    is_unknown = False
    words = list(argv[1:])
    while words:
        word = words.pop(0)
        if word is None:
            is_unknown = True
            continue
        option, equals, value = word.partition("=")
        if word.startswith("-D"):
            name, _, text = word[2:].partition("=") if word != "-D" else (words.pop(0) or "").partition("=")
            properties[name] = text or "true"
            continue
        if word.startswith("-P") and len(word) > 2:
            profiles.extend(word[2:].split(","))
            continue
        if word.startswith("-T") or not word.startswith("-"):
            if word.startswith("-T"):
                if word == "-T" and words:
                    words.pop(0)
                continue
            goals.append(word)
            continue
        if option in _VALUED:
            given = value if equals else (words.pop(0) if words else None)
            if given is None:
                is_unknown = True
            elif option in ("-f", "--file"):
                file = given
            elif option in ("-s", "--settings", "-gs", "--global-settings"):
                settings.append(given)
            elif option in ("-P", "--activate-profiles"):
                profiles.extend(given.split(","))
            elif option in ("-pl", "--projects"):
                projects.extend(given.split(","))
    return MavenCall(
        tuple(goals), file, tuple(settings), properties, tuple(profiles), tuple(projects), is_unknown
    )


def maven(tool: str, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a call of mvn or of its wrapper does."""
    if any(word in ("-v", "--version", "-version", "-h", "--help") for word in argv[1:]):
        return Effect(Role.NOTHING, tool=tool)
    call = read_call(argv)
    goals = [goal for goal in call.goals if goal is not None]
    if not goals and not call.is_unknown:
        return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), reads_only=True, why="prepares the build")
    project = scope.cwd
    if call.file is not None:
        path = scope.path(call.file)
        project = posixpath.dirname(path) if path.endswith(".xml") else path
    reads = tuple(
        dict.fromkeys(
            (project, scope.cwd, scope.path("~/.m2"), *(scope.path(name) for name in call.settings))
        )
    )
    names = [goal.rpartition(":")[2].partition("@")[0] for goal in goals]
    for goal, name in zip(goals, names, strict=True):
        if name in ("run", "java", "exec") and ":" in goal:
            return Effect(
                Role.OPAQUE, tool=tool, why=f"what the program does that `{goal}` starts isn't known"
            )
        if name in ("build-image", "dockerBuild", "docker") or goal.startswith("jib:"):
            return Effect(Role.OPAQUE, tool=tool, why=f"`{goal}` makes an image of its own")
        if goal.startswith("archetype:"):
            return Effect(Role.OPAQUE, tool=tool, why=f"where `{goal}` puts the project isn't known")
    if set(goals) <= {"clean"}:
        return Effect(Role.BUILD, tool=tool, reads=reads, reads_only=True, why="cleans")
    from msrefactor_transforms.ecosystems._maven_outputs import outputs_of

    made = outputs_of(call, names, project, scope)
    is_plain = not call.is_unknown and call.file is None
    known = (
        of_download(project, made.modules, call.properties, is_plain, scope) if is_download(goals) else None
    )
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=reads,
        reads_only=True,
        writes=made.folders,
        why="the program",
        dependencies=known,
        ecosystem="java",
        detail=JvmBuild(
            "Maven",
            project,
            made.folders,
            made.outputs,
            is_complete=made.is_complete and not call.is_unknown,
            unknown=made.unknown,
            build_names=frozenset(["pom.xml", "mvnw", "mvnw.cmd", ".mvn", *made.modules]),
            modules=made.modules,
            downloads_mb=_DOWNLOADS_MB,
        ),
    )


def packages(goals: Sequence[str]) -> bool:
    """Whether the call runs the phase that makes the jar."""
    return any(goal in _PACKAGES for goal in goals)


def compiles(goals: Sequence[str]) -> bool:
    """Whether the call runs a phase that leaves classes."""
    return packages(goals) or any(goal in _COMPILES for goal in goals)


@dataclass(frozen=True, slots=True)
class Made:
    """What a call leaves, as far as the poms say."""

    folders: tuple[str, ...]
    outputs: tuple[JvmOutput, ...] = ()
    is_complete: bool = False
    unknown: Refused | None = None
    modules: tuple[str, ...] = ()
