"""Builds and starts of Java that can't work: a JRE that compiles, launchers that moved, missing modules.

Sources: the release notes of Spring Boot 3.2 (the launchers' package) and its documentation of jarmode,
Maven's model (every module of a project has to be there).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from msrefactor.code.maven import read_project
from msrefactor.contract import starts
from msrefactor.facts import Role, Scope, StageFacts
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.cleaning.layers import commands_of
from msrefactor_transforms.repairing.kinds import Found, joined, reached, seen
from msrefactor_transforms.splitting.copies import copied, has_path
from msrefactor_transforms.splitting.needs import wanted

_OLD = "org.springframework.boot.loader.JarLauncher"
_NEW = "org.springframework.boot.loader.launch.JarLauncher"
_PLUGIN = re.compile(r"org\.springframework\.boot['\"]\)?\s*version\s*\(?['\"](\d+)\.(\d+)")
_COMPILING = frozenset({"bootRun", "run", "build", "assemble", "spring-boot:run", "quarkus:dev", "compile"})


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Tell each of them; none has a repair that keeps what the image starts."""
    return joined((_compiles(view, stages), _launcher(view, stages), _offline(view, stages)))


def _compiles(view: View, stages: Sequence[StageFacts]) -> Found:
    """Tell a build tool that is started on a JRE: it isn't there, or has no compiler."""
    final = stages[-1]
    if (
        final.base.family not in ("eclipse-temurin", "openjdk", "amazoncorretto")
        or len(reached(view, stages)) > 1
    ):
        return Found()
    if any(effect.role in (Role.PACKAGES, Role.OPAQUE, Role.FETCH) for _, effect in final.effects()):
        return Found()
    copies = copied(view, len(stages) - 1, final)
    base = final.base.reference.text
    for name, evidence in wanted(view, final).commands:
        tool = posixpath.basename(name)
        if "/" not in name and tool in ("mvn", "gradle", "sbt"):
            folders = final.end.variables.get("PATH", "").split(":")
            if any(has_path(posixpath.join(folder, tool), final, copies) for folder in folders if folder):
                continue
            detail = f"`{tool}` is started, which {base} doesn't have"
        elif tool in ("mvnw", "gradlew") and final.base.variant.startswith("jre"):
            words = " ".join(evidence.text.replace('"', " ").replace(",", " ").split()).split()
            if not _COMPILING & {word.strip("[]") for word in words}:
                continue
            detail = f"`{tool}` compiles when the container starts, and {base} has no compiler"
        else:
            continue
        remedy = "build in the earlier stage and start the jar"
        return Found(told=(Refused("compiles-at-start", detail, (evidence,), remedy),))
    return Found()


def _launcher(view: View, stages: Sequence[StageFacts]) -> Found:
    """Tell a launcher of Spring Boot by a name that its version doesn't have, and a jarmode that is gone."""
    told: list[Refused] = []
    for facts in stages[:-1]:
        version = _spring_boot(facts.end)
        if version is None:
            continue
        release, place = version
        for start in starts(view, stages[-1]):
            words = start.argv or tuple((start.shell or "").split())
            if (_OLD in words and release >= (3, 2)) or (_NEW in words and release < (3, 2)):
                right = _NEW if _OLD in words else _OLD
                detail = (
                    f"Spring Boot {release[0]}.{release[1]} has no class {_OLD if _OLD in words else _NEW}"
                )
                told.append(Refused("need-not-found", detail, (start.evidence, place), f"start {right}"))
        for fact in facts.runs():
            if "jarmode=layertools" in fact.instruction.source and release >= (4, 1):
                detail = f"Spring Boot {release[0]}.{release[1]} has no jarmode layertools any more"
                remedy = "extract with -Djarmode=tools"
                told.append(Refused("fails-today", detail, (seen(view, fact), place), remedy))
        if told:
            break
    return Found(told=tuple(told[:1]))


def _spring_boot(scope: Scope) -> tuple[tuple[int, int], Evidence] | None:
    """Return the major and minor version of Spring Boot that a stage's project uses, and who says so."""
    for name in ("build.gradle", "build.gradle.kts"):
        path = scope.origin(scope.path(name))
        text = scope.context.read_text(path) if path else None
        for number, line in enumerate((text or "").splitlines(), 1):
            found = _PLUGIN.search(line)
            if found:
                return (int(found[1]), int(found[2])), Evidence(path or name, number, line.strip())
    path = scope.origin(scope.path("pom.xml"))
    module = read_project(scope.cwd, scope.read, {}, (), "pom.xml") if path else None
    parent = module.foreign_parent if module is not None else None
    if parent is None or parent[1] != "spring-boot-starter-parent":
        return None
    number_of = re.match(r"(\d+)\.(\d+)", parent[2] or "") if len(parent) > 2 else None
    if number_of is None:
        return None
    place = Evidence(path or "pom.xml", None, f"{parent[1]} {parent[2]}")
    return (int(number_of[1]), int(number_of[2])), place


def _offline(view: View, stages: Sequence[StageFacts]) -> Found:
    """Tell a download of a project's libraries before its modules are there."""
    for facts in stages:
        for fact in facts.runs():
            for _, command, _ in commands_of(fact):
                if command is None or posixpath.basename(command.name or "") not in ("mvn", "mvnw"):
                    continue
                words = [word.literal or "" for word in command.words]
                if any(
                    word in ("-N", "--non-recursive", "-pl", "--projects", "-f", "--file") for word in words
                ):
                    continue
                folder = fact.scope.cwd
                if not any(word.startswith("dependency:") for word in words) or not fact.scope.context.known:
                    continue
                module = read_project(folder, fact.scope.read, {}, (), "pom.xml")
                lacking = [
                    name
                    for name in (module.pom.modules if module is not None else ())
                    if not name.endswith(".xml")
                    and not fact.scope.has(posixpath.normpath(posixpath.join(folder, name, "pom.xml")))
                ]
                if not lacking or any(
                    (c.name or "") == "cd" for _, c, _ in commands_of(fact) if c is not None
                ):
                    continue
                detail = f"pom.xml names the module {lacking[0]}, whose pom.xml isn't copied before this step"
                remedy = "copy the pom.xml of every module first"
                return Found(told=(Refused("fails-today", detail, (seen(view, fact),), remedy),))
    return Found()
