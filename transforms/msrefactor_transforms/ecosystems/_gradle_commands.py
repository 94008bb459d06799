"""What Gradle's commands leave: `gradle`, `gradlew`, whichever tasks they run.

Sources: docs.gradle.org "Command-Line Interface", "The Java Plugin" (tasks), "The Application Plugin",
"Distribution Plugin"; Spring Boot Gradle plugin reference "Packaging Executable Archives"; ktor.io
"Creating fat JARs"; quarkus.io "Building Quarkus apps with Gradle".
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from msrefactor.code.gradle import Build, read_build
from msrefactor.code.gradle_project import SHADOW, Project, Unsure
from msrefactor.facts import Effect, Role, Scope, is_under
from msrefactor.model import Refused
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._gradle_installs import DOWNLOADS, of_download, of_wrapper
from msrefactor_transforms.ecosystems._java_build import JvmBuild, JvmOutput

_SHELLS = frozenset("sh bash ash dash".split())
_WITH_VALUE = frozenset(
    "-b --build-file -c --settings-file -g --gradle-user-home -I --init-script -p --project-dir -x "
    "--exclude-task --include-build --max-workers --console --warning-mode --priority --project-cache-dir "
    "--configuration --tests --args --gradle-version --distribution-type --gradle-distribution-url "
    "--dependency-verification -F -D -P --system-prop --project-prop --configuration-cache-problems "
    "--write-verification-metadata -M --dependency --profile-name --mode".split()
)
_QUIET = frozenset(
    "help tasks projects properties components model javaToolchains buildEnvironment outgoingVariants "
    "clean cleanTest init -v --version --stop --status -h --help -?".split()
)
"""Tasks and options that leave nothing."""
_DOWNLOADS = frozenset(
    "dependencies dependencyInsight resolveDependencies downloadDependencies resolveAllDependencies getDeps "
    "resolveConfigurations downloadDeps cacheDependencies resolveMainClassName wrapper deps "
    "dependencyReport prepareKotlinBuildScriptModel publishToMavenLocal".split()
)
"""Tasks that only fill the cache in the user's home, or write the wrapper."""
_GATES = frozenset(
    "test check lint ktlintCheck ktlintFormat detekt spotlessCheck spotlessApply integrationTest "
    "jacocoTestReport jacocoTestCoverageVerification testClasses checkstyleMain checkstyleTest pmdMain "
    "spotbugsMain compileTestJava compileTestKotlin koverVerify javadoc dependencyCheckAnalyze "
    "sonar sonarqube".split()
)
_COMPILES = frozenset(
    "classes compileJava compileKotlin compileGroovy compileScala processResources bootClasses "
    "bootBuildInfo generateBuildInfo generateProto openApiGenerate kaptKotlin kspKotlin compile".split()
)
_ASSEMBLING = frozenset("build assemble buildNeeded buildDependents".split())
_JARS = frozenset("jar bootJar war bootWar shadowJar".split())
_INSTALLS = {
    "installDist": "",
    "installBootDist": "-boot",
    "installShadowDist": "-shadow",
    "installApp": "",
}
_ARCHIVES = frozenset(
    "distZip distTar assembleDist bootDistZip bootDistTar shadowDistZip shadowDistTar".split()
)
_STARTS = frozenset("run bootRun quarkusDev appRun runShadow jettyRun bootTestRun runFatJar".split())
_ARCHIVE_TYPES = frozenset("Jar ShadowJar BootJar War BootWar".split())
_JVM_PLUGINS = (
    "java", "java-library", "application", "war", "groovy", "scala", "org.jetbrains.kotlin.jvm",
    "org.springframework.boot", "io.ktor.plugin", "io.micronaut.application", "io.micronaut.library",
    "io.quarkus",
)  # fmt: skip
_NAMES = frozenset(
    "build.gradle build.gradle.kts settings.gradle settings.gradle.kts gradle.properties gradlew gradlew.bat "
    "gradle buildSrc build-logic .gradle gradle.lockfile".split()
)
_WRAPPER_MB = 270.0
_LIBRARIES_MB = 90.0


@dataclass(frozen=True, slots=True)
class _Call:
    """One command line, taken apart."""

    folder: str
    tasks: tuple[str | None, ...]
    properties: Mapping[str, str] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    strange: str = ""
    """An option that makes the scripts say other than they do here."""


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a Gradle command does."""
    words = list(argv)
    if words and words[0] is not None and posixpath.basename(words[0]) in _SHELLS:
        words = words[1:]
        if not words or words[0] is None or posixpath.basename(words[0]) != "gradlew":
            return None
    name = words[0] if words else None
    if name is None or posixpath.basename(name) not in ("gradle", "gradlew"):
        return None
    is_wrapper = posixpath.basename(name) == "gradlew"
    return _effect(_parsed(words[1:], scope), scope, is_wrapper)


def _parsed(words: Sequence[str | None], scope: Scope) -> _Call:
    folder, strange = scope.cwd, ""
    tasks: list[str | None] = []
    properties: dict[str, str] = {}
    excluded: set[str] = set()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word is None or not word.startswith("-"):
            tasks.append(word)
            continue
        option, equals, value = word.partition("=")
        if option in ("-h", "--help", "-?", "-v", "--version", "--stop", "--status"):
            tasks.append(option)
            continue
        given: str | None = value if equals else None
        if option in _WITH_VALUE and not equals:
            given = rest.pop(0) if rest else None
        if option in ("-p", "--project-dir"):
            if given is None:
                tasks.append(None)
            else:
                folder = scope.path(given)
        elif option in ("-x", "--exclude-task"):
            excluded.add((given or "").rpartition(":")[2])
        elif option in (
            "-b",
            "--build-file",
            "-c",
            "--settings-file",
            "-I",
            "--init-script",
            "--include-build",
        ):
            strange = option
        elif word.startswith("-P") or option == "--project-prop":
            text = (word[2:] if word.startswith("-P") and len(word) > 2 else given) or ""
            key, _, content = text.partition("=")
            properties[key] = content
    return _Call(folder, tuple(tasks), properties, frozenset(excluded), strange)


def _effect(call: _Call, scope: Scope, is_wrapper: bool) -> Effect:
    tool = "gradlew" if is_wrapper else "gradle"
    tasks = [task for task in call.tasks if task is not None]
    short = [task.rpartition(":")[2] for task in tasks]
    root = _root_of(call.folder, scope)
    is_known = len(tasks) == len(call.tasks)
    known = None
    if is_known and short and set(short) <= DOWNLOADS:
        known = of_download(root, not call.strange, scope)
    elif is_known and is_wrapper and short in (["-v"], ["--version"]):
        known = of_wrapper(root, scope)
    if is_known and all(name in _QUIET for name in short):
        if not short and not is_wrapper and not scope.has(call.folder):
            return Effect(Role.NOTHING, tool=tool)
        return Effect(Role.BUILD, tool=tool, reads=(root,), why="prepares Gradle", dependencies=known)
    if is_known and all(name in _QUIET | _DOWNLOADS for name in short):
        return Effect(Role.BUILD, tool=tool, reads=(root,), why="downloads libraries", dependencies=known)
    if is_known and all(name in _QUIET | _GATES for name in short):
        return Effect(Role.GATE, tool=tool, reads=(root,))
    build = read_build(scope.read, root)
    seen = None if build is None else _Seen(build, call, scope)
    detail = seen.detail(tasks, is_wrapper) if seen is not None else _unseen(root, is_wrapper)
    if not is_known:
        detail = _without_names(detail, "which tasks Gradle runs isn't known before the build")
    elif call.strange:
        detail = _without_names(detail, f"`{call.strange}` brings in a script that isn't read")
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=(root,),
        writes=detail.folders,
        why="what Gradle builds",
        ecosystem="java",
        detail=detail,
    )


def _without_names(detail: JvmBuild, why: str) -> JvmBuild:
    return replace(detail, outputs=(), is_complete=False, unknown=Refused("unknown-artifact", why))


def _unseen(root: str, is_wrapper: bool) -> JvmBuild:
    why = f"no Gradle script is seen in {root}, so the names of what it builds aren't known"
    return JvmBuild(
        tool="Gradle",
        project=root,
        folders=(posixpath.join(root, "build"),),
        unknown=Refused("unknown-artifact", why),
        build_names=_NAMES,
        downloads_mb=_LIBRARIES_MB + (_WRAPPER_MB if is_wrapper else 0.0),
    )


def _root_of(folder: str, scope: Scope) -> str:
    """Return the folder of the build that a folder belongs to: the next one upwards with a settings file."""
    place = folder
    while True:
        for name in ("settings.gradle", "settings.gradle.kts"):
            if scope.is_file(posixpath.join(place, name)):
                return place
        if place == "/":
            return folder
        place = posixpath.dirname(place)


class _Seen:
    """A build whose scripts are seen, and what a command makes it leave."""

    def __init__(self, build: Build, call: _Call, scope: Scope) -> None:
        self._build = build
        self._call = call
        self._scope = scope
        self._outputs: dict[str, JvmOutput] = {}
        self._why = ""

    def detail(self, tasks: Sequence[str], is_wrapper: bool) -> JvmBuild:
        """Return what the tasks leave."""
        here = [one for one in self._build.projects.values() if is_under(one.folder, self._call.folder)]
        own = next((one for one in self._build.projects.values() if one.folder == self._call.folder), None)
        for task in tasks or self._default_tasks():
            prefix, _, name = task.rpartition(":")
            if not prefix and not task.startswith(":"):
                self._run(name, here)
                continue
            base = "" if task.startswith(":") or own is None or own.path == ":" else own.path
            path = f"{base}:{prefix.strip(':')}" if prefix.strip(":") else base or ":"
            project = self._build.projects.get(path)
            if project is None:
                self._doubt(f"the project {path} isn't in the settings")
            else:
                self._run(name, [project])
        folders: list[str] = []
        for project in self._build.projects.values():
            folder = project.build_folder
            if isinstance(folder, Unsure):
                self._doubt(folder.why)
            else:
                folders.append(folder)
                if self._scope.has(folder):
                    self._doubt(f"{folder} is in the build context already")
        return JvmBuild(
            tool="Gradle",
            project=self._build.root,
            folders=tuple(folders),
            outputs=tuple(self._outputs.values()),
            is_complete=not self._why,
            unknown=Refused("unknown-artifact", self._why) if self._why else None,
            build_names=_NAMES,
            modules=tuple(
                posixpath.relpath(one.folder, self._build.root)
                for one in self._build.projects.values()
                if one.folder != self._build.root
            ),
            downloads_mb=_LIBRARIES_MB + (_WRAPPER_MB if is_wrapper else 0.0),
        )

    def _default_tasks(self) -> tuple[str, ...]:
        for setting in self._build.projects[":"].settings.values():
            if setting.path[-1:] == ("defaultTasks",):
                return tuple(token.text for token in setting.value if token.kind == "string")
        return ()

    def _doubt(self, why: str) -> None:
        self._why = self._why or why

    def _run(self, task: str, projects: Sequence[Project]) -> None:
        if task in _QUIET | _DOWNLOADS | _GATES | _COMPILES or task in self._call.excluded:
            return
        if task in _STARTS:
            self._doubt(f"the task {task} starts the program")
            return
        known = False
        for project in projects:
            known = self._leave(task, project) or known
        if not known:
            self._doubt(f"what the task {task} leaves isn't known")

    def _leave(self, task: str, project: Project) -> bool:
        """Note what one task of one project leaves; False: the task isn't known there."""
        for script in project.unread:
            self._doubt(script)
        if task in _ASSEMBLING:
            if not project.has(*_JVM_PLUGINS) and not project.has(*SHADOW):
                return True
            self._jars(("jar", "bootJar", "war", "bootWar", "shadowJar", *project.types), project)
            self._quarkus(project)
            if project.is_application:
                self._distribution(project, is_installed=False)
            return True
        if task in _JARS or project.types.get(task) in _ARCHIVE_TYPES:
            self._jars((task,), project)
            return True
        if task in ("buildFatJar", "fatJar") and project.has("io.ktor.plugin"):
            self._ktor(project)
            return True
        if task in _INSTALLS:
            self._jars(("jar",) if task != "installBootDist" else ("bootJar",), project)
            self._distribution(project, is_installed=True, suffix=_INSTALLS[task])
            return True
        if task in _ARCHIVES:
            self._jars(("jar",), project)
            self._distribution(project, is_installed=False)
            return True
        if task in ("quarkusBuild", "quarkusAppPartsBuild"):
            self._quarkus(project)
            return True
        return False

    def _jars(self, tasks: Sequence[str], project: Project) -> None:
        for task in dict.fromkeys(tasks):
            is_archive = task in _JARS or project.types.get(task) in _ARCHIVE_TYPES
            if is_archive and _has_task(task, project) and task not in self._call.excluded:
                self._archive(task, project)

    def _archive(self, task: str, project: Project) -> None:
        enabled = project.is_enabled(task)
        if isinstance(enabled, Unsure):
            self._doubt(enabled.why)
        if enabled is False:
            return
        path = project.archive(task)
        if "version" in self._call.properties and not isinstance(path, Unsure):
            path = self._with_version(task, project, path)
        if isinstance(path, Unsure):
            self._doubt(path.why)
            return
        kind = "war" if path.endswith(".war") else "jar"
        is_whole: bool | None = True
        if task == "jar" and project.is_boot:
            is_whole = False
        elif self._build.class_path or project.unread:
            is_whole = None
        self._add(JvmOutput(path, kind, is_whole))

    def _with_version(self, task: str, project: Project, path: str) -> str | Unsure:
        """Return an archive's path where `-Pversion=…` is given: the script's own version wins over it."""
        if project.set("version") is not None:
            return path
        variables = {**project.variables, **self._call.properties}
        return replace(project, variables=variables).archive(task)

    def _add(self, output: JvmOutput) -> None:
        held = self._outputs.get(output.path)
        if held is None or held.is_runnable is False:
            self._outputs[output.path] = output

    def _ktor(self, project: Project) -> None:
        name = project.text(project.set("ktor", "fatJar", "archiveFileName"))
        folder = project.build_folder
        if name is None and not isinstance(project.name, Unsure):
            name = f"{project.name}-all.jar"
        if isinstance(name, Unsure):
            self._doubt(name.why)
        elif isinstance(project.name, Unsure) and name is None:
            self._doubt(project.name.why)
        elif not isinstance(folder, Unsure):
            self._add(JvmOutput(posixpath.join(folder, "libs", str(name)), "jar", True))

    def _quarkus(self, project: Project) -> None:
        folder = project.build_folder
        if project.has("io.quarkus") and not isinstance(folder, Unsure):
            self._add(JvmOutput(posixpath.join(folder, "quarkus-app"), "folder", True))

    def _distribution(self, project: Project, *, is_installed: bool, suffix: str = "") -> None:
        name, folder = project.distribution_name, project.build_folder
        if isinstance(name, Unsure):
            self._doubt(name.why)
        elif is_installed and not isinstance(folder, Unsure):
            self._add(JvmOutput(posixpath.join(folder, "install", name + suffix), "folder", True))


def _has_task(task: str, project: Project) -> bool:
    if task in project.types:
        return True
    if task == "bootJar":
        return project.is_boot
    if task in ("war", "bootWar"):
        return project.has("war") and (task == "war" or project.is_boot)
    if task == "shadowJar":
        return project.has(*SHADOW, "io.ktor.plugin")
    is_small = project.is_boot and not project.boot_has_plain
    return project.has(*_JVM_PLUGINS, *SHADOW) and not is_small and not (task == "jar" and project.has("war"))
