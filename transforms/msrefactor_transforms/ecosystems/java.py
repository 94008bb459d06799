"""Programs for the JVM: built with a JDK, run with a JRE, whichever tool builds them.

The tools' modules say what each command leaves (`JvmBuild`); here it is worked out what of it the container
uses, which files of the project come along, and which JRE takes the JDK's place.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from msrefactor import variables
from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Fact, Interpreter, Scope, StageFacts, is_under
from msrefactor.model import Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems import (
    _clojure_commands,
    _gradle_commands,
    _java_commands,
    _jvm_compilers,
    _sbt_commands,
)
from msrefactor_transforms.ecosystems._java_base import BUILD_COMMANDS, Base, final_base, java_of
from msrefactor_transforms.ecosystems._java_build import JvmBuild, JvmOutput
from msrefactor_transforms.ecosystems._java_files import Project, project_beside, project_of, run_time_files
from msrefactor_transforms.ecosystems._java_starts import Launches, Named, launches
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, SplitPlan
from msrefactor_transforms.splitting.question import SYSTEM_FOLDERS

TOOLCHAIN_ENVIRONMENT = frozenset(
    "MAVEN_OPTS MAVEN_ARGS MAVEN_CONFIG MAVEN_HOME MAVEN_CLI_OPTS GRADLE_OPTS GRADLE_HOME GRADLE_USER_HOME "
    "SBT_OPTS COURSIER_REPOSITORIES COURSIER_CACHE LEIN_ROOT LEIN_HOME LEIN_JVM_OPTS".split()
)
"""Variables that only build tools read."""


_TOOLS: tuple[Interpreter, ...] = (
    _java_commands.interpret,
    _gradle_commands.interpret,
    _sbt_commands.interpret,
    _clojure_commands.interpret,
    _jvm_compilers.interpret,
)


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of a tool for the JVM does."""
    return next((effect for tool in _TOOLS if (effect := tool(command, argv, scope)) is not None), None)


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds for the JVM is split."""
    entries = [(f, e, e.detail) for f, e in facts.effects() if isinstance(e.detail, JvmBuild)]
    if not entries:
        return None
    obstacle = _unfit(view, facts, entries)
    if obstacle is not None:
        return obstacle
    builds = [build for _, _, build in entries]
    starts = launches(view, facts)
    project = project_of(view, facts, builds)
    base = final_base(view, facts, builds, project, starts)
    if isinstance(base, Refused):
        return base
    last = max(fact.index for fact, _, _ in entries)
    outputs = _outputs(view, facts, entries, starts, project)
    if isinstance(outputs, Refused):
        return outputs
    dropped = _dropped(facts, builds)
    files = run_time_files(view, facts, builds, project, starts, dropped, last)
    obstacle = _not_left(facts, project, starts, (*outputs, *files))
    if obstacle is not None:
        return obstacle
    return SplitPlan(
        ecosystem="java",
        level=base.level,
        runtime_image=base.image,
        builder_image=base.builder,
        artifacts=(*outputs, *files),
        dropped=dropped,
        unneeded=frozenset(path for _, effect, _ in entries for path in effect.writes),
        packages=base.packages,
        build_packages=base.build_packages,
        build_environment=TOOLCHAIN_ENVIRONMENT & _set_only_for_the_build(facts),
        code=project.needs.code,
        provides=lambda command: _provided(command, outputs),
        explicit_workdir=facts.end.cwd == facts.base.workdir not in ("", "/"),
        assumptions=base.assumptions,
        evidence=base.evidence,
        reason=_reason(base, outputs),
        saved_mb=base.saved_mb + max(build.downloads_mb for build in builds),
    )


def runs_on(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return which image of Java runs a program for which nothing more is built."""
    if java_of(facts.base.reference.text) is None or facts.base.variant == "jre":
        return None
    builds = [effect.detail for _, effect in facts.effects() if isinstance(effect.detail, JvmBuild)]
    starts = launches(view, facts)
    project = project_of(view, facts, builds)
    if not project.has_source:
        project = project_beside(view)
    base = final_base(view, facts, builds, project, starts)
    if isinstance(base, Refused):
        return base
    assumptions = base.assumptions
    if not project.has_source:
        assumptions = (*assumptions, f"the program, whose source isn't here, needs no more than {base.image}")
    return SplitPlan(
        ecosystem="java",
        level=base.level,
        runtime_image=base.image,
        builder_image=base.builder,
        packages=base.packages,
        code=project.needs.code,
        assumptions=assumptions,
        evidence=base.evidence,
        reason=base.why,
        saved_mb=base.saved_mb,
    )


def _unfit(view: View, facts: StageFacts, entries: Sequence[tuple[Fact, Effect, JvmBuild]]) -> Refused | None:
    place = (evidence_of(facts.facts[0].instruction, view.name),)
    if facts.base.system == "unknown":
        return Refused("base-unknown", f"nothing is known about {facts.base.reference.text}", place)
    for name, evidence in wanted(view, facts).commands:
        command = posixpath.basename(name)
        if command in BUILD_COMMANDS:
            return Refused("compiles-at-start", f"`{command}` runs when the container starts", (evidence,))
    if not view.context.known:
        return Refused("context-unknown", "which files the program opens is in its source")
    for fact, effect, _ in entries:
        if effect.refusal is not None:
            refusal = effect.refusal
            return Refused(
                refusal.code,
                refusal.detail,
                refusal.evidence or (evidence_of(fact.instruction, view.name),),
                refusal.remedy,
            )
    return None


def _not_left(
    facts: StageFacts, project: Project, starts: Launches, artifacts: Sequence[Artifact]
) -> Refused | None:
    """Return the obstacle that a jar is started that no build step is known to leave."""
    written = [path for _, effect in facts.effects() for path in effect.writes]
    for one in starts.named:
        is_program = one.is_started and one.path.endswith((".jar", ".war")) and not one.is_pattern
        if not is_program or not any(is_under(one.path, folder) for folder in project.folders):
            continue
        is_left = any(is_under(one.path, artifact.path) for artifact in artifacts)
        is_left = is_left or any(is_under(one.path, path) for path in written)
        if not is_left and not facts.end.has(one.path):
            detail = f"`{one.path}` is started, and no build step is known to leave it"
            return Refused("need-not-found", detail, (one.evidence,))
    return None


def _outputs(
    view: View,
    facts: StageFacts,
    entries: Sequence[tuple[Fact, Effect, JvmBuild]],
    starts: Launches,
    project: Project,
) -> list[Artifact] | Refused:
    """Return what of the builds' folders the container uses."""
    found: dict[str, Artifact] = {}
    texts = "\n".join((*project.needs.texts, project.settings))
    for folder, build in _by_folder([build for _, _, build in entries]).items():
        last = max(fact.index for fact, _, build in entries if folder in build.folders)
        if folder == build.project:
            # classes lie among the sources, and all else that the program may open
            found.setdefault(folder, Artifact(folder, last, "what the build leaves"))
            continue
        named = [one for one in starts.named if is_under(one.path, folder) or _may_match(one, folder)]
        if starts.unknown or any(_holds(one, folder) for one in starts.named):
            found.setdefault(folder, Artifact(folder, last, "what the build leaves"))
            continue
        for one in named:
            for path, why in _used(one, folder, build):
                found[path] = Artifact(path, last, why)
        name = posixpath.relpath(folder, build.project)
        if re.search(rf"(?<![\w/.-])(\./)?{re.escape(name)}/", texts) or f"{folder}/" in texts:
            found.setdefault(folder, Artifact(folder, last, "named in the source"))
    if found or _is_passed_on(facts, entries):
        return list(found.values())
    unknown = next((build.unknown for _, _, build in entries if build.unknown is not None), None)
    place = (evidence_of(entries[-1][0].instruction, view.name),)
    detail = "nothing that the container starts is known to lie in what the build leaves"
    return unknown or Refused("unknown-artifact", detail, place, "name the jar in CMD or ENTRYPOINT")


def _by_folder(builds: Sequence[JvmBuild]) -> dict[str, JvmBuild]:
    """Return, for each folder, all that is known of what the builds leave in it."""
    found: dict[str, JvmBuild] = {}
    for build in builds:
        for folder in build.folders:
            before = found.get(folder)
            if before is None:
                found[folder] = build
                continue
            outputs = {output.path: output for output in (*before.outputs, *build.outputs)}
            found[folder] = replace(
                build,
                outputs=tuple(outputs.values()),
                is_complete=before.is_complete and build.is_complete,
                unknown=before.unknown or build.unknown,
            )
    return found


def _is_passed_on(facts: StageFacts, entries: Sequence[tuple[Fact, Effect, JvmBuild]]) -> bool:
    """Whether another command takes something from the builds' folders to where it is used."""
    folders = [folder for _, _, build in entries for folder in build.folders]
    first = min(fact.index for fact, _, _ in entries)
    for fact, effect in facts.effects():
        if fact.index < first or not effect.writes or isinstance(effect.detail, JvmBuild):
            continue
        if any(is_under(read.split("*")[0], folder) for read in effect.reads for folder in folders):
            return True
    return False


def _holds(one: Named, folder: str) -> bool:
    """Whether what a command line names is the folder, or one that holds it and is more than a class path."""
    return one.path == folder or (is_under(folder, one.path) and one.is_started and not one.is_class_path)


def _may_match(one: Named, folder: str) -> bool:
    return one.is_pattern and fnmatch.fnmatchcase(
        folder, "/".join(one.path.split("/")[: folder.count("/") + 1])
    )


def _used(one: Named, folder: str, build: JvmBuild) -> list[tuple[str, str]]:
    """Return the paths to copy for one that is named; the whole folder where its libraries aren't known."""
    known: dict[str, JvmOutput] = {output.path: output for output in build.outputs}
    whole = [(folder, "the program and what it loads from beside it")]
    if one.is_pattern:
        exact = [output for path, output in known.items() if fnmatch.fnmatchcase(path, one.path)]
        if build.is_complete and not one.is_class_path and len(exact) == 1 and exact[0].is_runnable:
            return [(exact[0].path, "the program")]
        inside = posixpath.dirname(one.path)
        if is_under(inside, folder) and inside != folder and not any(char in inside for char in "*?["):
            return [(inside, "what the program loads")]
        matched = [path for path in known if fnmatch.fnmatchcase(path, one.path)]
        if not build.is_complete or not matched:
            return whole
    else:
        matched = [one.path]
    paths: list[tuple[str, str]] = []
    for path in matched:
        output = known.get(path)
        home = next((o.path for o in known.values() if o.kind == "folder" and is_under(path, o.path)), None)
        if output is None and home is not None and known[home].is_runnable:
            paths.append((home, "the program"))
            continue
        if output is None and not path.endswith((".jar", ".war")):
            paths.append((_below(path, folder) if path != folder else folder, "the program"))
            continue
        if output is not None and output.kind == "folder":
            paths.append((path, "the program"))
            continue
        if output is None:
            holder = next((o for o in known.values() if o.kind == "folder" and is_under(path, o.path)), None)
            if holder is None or not holder.is_runnable:
                return whole
            paths.append((holder.path, "the program"))
            continue
        if not output.is_runnable:
            return whole
        paths.append((path, "the program"))
        paths.extend((need, "what the program loads") for need in output.needs)
    return paths


def _below(path: str, folder: str) -> str:
    """Return the entry of a build's folder that holds a path: classes, libraries, a distribution."""
    inside = posixpath.relpath(path, folder).split("/")[0]
    return posixpath.join(folder, inside)


def _dropped(facts: StageFacts, builds: Sequence[JvmBuild]) -> tuple[str, ...]:
    """Return the folders that hold sources, as far as nothing else lies in them."""
    found: list[str] = []
    for build in builds:
        if build.project not in SYSTEM_FOLDERS:
            found.append(build.project)
            continue
        found.extend(
            placed.destination
            for fact in facts.facts
            for placed in fact.placed
            if is_under(placed.destination, build.project)
            and posixpath.basename(placed.destination)
            in ({"src", "pom.xml", "mvnw", ".mvn"} | build.build_names)
        )
    return tuple(dict.fromkeys(found))


def _set_only_for_the_build(facts: StageFacts) -> frozenset[str]:
    """Return the variables that are set and that no other instruction takes up."""
    pairs = [pair for fact in facts.facts if fact.keyword == "ENV" for pair in fact.instruction.pairs]
    used = {name for _, value in pairs for name in variables.references(value or "")}
    for fact in facts.facts:
        if fact.keyword in ("WORKDIR", "USER", "EXPOSE", "VOLUME", "LABEL", "STOPSIGNAL", "COPY", "ADD"):
            used |= variables.references(fact.instruction.arguments)
    return frozenset(name for name, _ in pairs if name not in used)


def _provided(command: str, outputs: Sequence[Artifact]) -> str | None:
    for output in outputs:
        if is_under(command, output.path):
            return f"{output.path}, copied"
    return None


def _reason(base: Base, outputs: Sequence[Artifact]) -> str:
    text = f"build in a builder stage; the final stage is {base.image}"
    text += " with the program" if outputs else ""
    return f"{text}; {base.why}" if base.why else text


_PROGRAMS = frozenset(
    "java javaw catalina.sh startup.sh jetty.sh jshell kotlin scala groovy mvn gradle".split()
)

ECOSYSTEM = Ecosystem(
    "java",
    interpret,
    plan,
    programs=_PROGRAMS,
    packages=frozenset({"maven", "gradle", "ant", "sbt", "leiningen"}),
    images=frozenset(
        "eclipse-temurin maven gradle openjdk amazoncorretto clojure sbtscala/scala-sbt hseeberger/scala-sbt "
        "nightscape/scala-mill".split()
    ),
    runs_on=runs_on,
)
