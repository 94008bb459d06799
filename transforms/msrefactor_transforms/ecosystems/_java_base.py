"""Which image the final stage of a JVM program starts from: the JRE of the builder's Java, by its vendor.

`openjdk` is deprecated and has no JRE of a later Java than 11, so its place takes eclipse-temurin, one of the
replacements that its page names. Bytecode doesn't know the libc; Alpine stays Alpine all the same, for the
native libraries that jars carry.
Sources: docker-library/official-images (library/eclipse-temurin, maven, gradle, openjdk, amazoncorretto),
docker-library/docs openjdk/deprecated.md, carlossg/docker-maven, keeganwitt/docker-gradle.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from msrefactor.contract import evidence_of
from msrefactor.facts import StageFacts, image_text, is_under
from msrefactor.knowledge.images import BaseImage, describe, pinned, size_mb
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._java_build import JvmBuild
from msrefactor_transforms.ecosystems._java_files import Project
from msrefactor_transforms.ecosystems._java_starts import Launches
from msrefactor_transforms.ecosystems._java_system import (
    TOOL_PACKAGES,
    commands_to_install,
    jdk_packages,
    moved_packages,
)
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.plan import Level, RuntimePackage

JDK_COMMANDS = frozenset(
    "javac jar jshell jlink jpackage jcmd jmap jstack jps jinfo jstat jstatd jdb javap jdeps jarsigner "
    "javadoc jconsole jhsdb jimage jmod jdeprscan serialver schemagen wsgen wsimport xjc rmic native2ascii "
    "extcheck".split()
)
"""Commands of a JDK that no JRE has."""
BUILD_COMMANDS = frozenset("mvn mvnw mvnDebug gradle gradlew sbt ant lein clojure clj bazel mill amm".split())

_JRE_MAJORS = frozenset([8, 11, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26])
"""Java versions that eclipse-temurin has JRE images of."""
_UBUNTU = ("focal", "jammy", "noble", "resolute")
_UNKNOWN_VERSION = "which Java {} has isn't known"


@dataclass(frozen=True, slots=True)
class Base:
    """The final stage's base and what it means for the split."""

    level: Level
    image: str
    """As FROM is to name it."""
    builder: str | None = None
    """The builder's base where it has to be written out."""
    why: str = ""
    """What changes beside the JDK, as a clause for the report; empty: nothing."""
    saved_mb: float = 0.0
    is_jdk: bool = False
    """Whether the final stage still has a JDK."""
    packages: tuple[RuntimePackage, ...] = ()
    """Packages that the final stage needs beside the author's."""
    build_packages: frozenset[str] = frozenset()
    """Packages of the author's list that stay in the builder."""
    assumptions: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Java:
    """The Java that an image holds."""

    vendor: str
    """`temurin`, `openjdk`, `corretto`, `zulu`, `liberica`, `semeru`, `sapmachine` or the like."""
    major: int | None
    version: str
    """The version as the tag writes it: `17`, `17.0.6_10`; of a build tool's image the major version only."""
    is_alpine: bool
    suite: str = ""
    """The release that the tag names: `jammy`, `alpine-3.20`."""
    has_tool: bool = False
    """Whether the image brings a build tool beside the JDK."""


def java_of(image: str) -> Java | None:
    """Return the Java of an image, None where it isn't known to be one of Java."""
    base = describe(image)
    tag = base.reference.tag or ""
    words = tag.split("-") if tag and tag != "latest" else []
    is_alpine = base.system == "alpine"
    if base.family == "eclipse-temurin":
        version = words[0] if words and words[0][:1].isdigit() else ""
        suite = next((word for word in words if word in _UBUNTU), "")
        return Java("temurin", _major(version), version, is_alpine, suite)
    if base.family in ("openjdk", "java"):
        version = words[0] if words and words[0][:1].isdigit() else ""
        return Java("openjdk", _major(version), version, is_alpine)
    if base.family == "amazoncorretto":
        version = words[0] if words and words[0][:1].isdigit() else ""
        return Java("corretto", _major(version), version, is_alpine)
    if base.family in ("maven", "gradle"):
        return _java_of_tool(base.family, words, is_alpine)
    if base.family in ("sbtscala/scala-sbt", "hseeberger/scala-sbt", "nightscape/scala-mill", "clojure"):
        return _java_of_scala(words, is_alpine)
    return None


_VENDORS: Mapping[str, str] = {
    "eclipse": "temurin",
    "temurin": "temurin",
    "jdk": "openjdk",
    "openjdk": "openjdk",
    "adoptopenjdk": "openjdk",
    "amazoncorretto": "corretto",
    "corretto": "corretto",
    "azulzulu": "zulu",
    "libericaopenjdk": "liberica",
    "ibmjava": "semeru",
    "ibm": "semeru",
    "openj9": "semeru",
    "sapmachine": "sapmachine",
    "graalvm": "graalvm",
    "graal": "graalvm",
    "oracle": "graalvm",
    "microsoft": "microsoft",
}


def _java_of_tool(family: str, words: Sequence[str], is_alpine: bool) -> Java:
    """Return the Java of a maven or gradle image: `3.9-eclipse-temurin-21-alpine`, `8.5-jdk21-alpine`."""
    suite = next((word for word in words if word in _UBUNTU), "")
    kinds = [word for word in words if not re.fullmatch(r"\d+(\.\d+)+", word)]
    vendor = "temurin" if family == "gradle" else ""
    major: int | None = None
    for position, word in enumerate(kinds):
        joined = re.fullmatch(r"(jdk|jre|openjdk)(\d+)", word)
        if joined is not None:
            major = int(joined[2])
            vendor = vendor or "openjdk"
        elif word in _VENDORS and (family == "maven" or word not in ("jdk", "openjdk")):
            vendor = vendor if word in ("temurin", "community") and vendor else _VENDORS[word]
        elif word.isdigit() and major is None and position > 0:
            major = int(word)
    if not vendor and major is None:
        return Java("unknown", None, "", is_alpine, suite, has_tool=True)
    return Java(vendor or "unknown", major, str(major or ""), is_alpine, suite, has_tool=True)


def _java_of_scala(words: Sequence[str], is_alpine: bool) -> Java:
    """Return the Java of an sbt, mill or Clojure image.

    `eclipse-temurin-jammy-21.0.6_7_1.10.11_2.13.16`, `8u242_1.3.8_2.13.1`, `temurin-21-lein-2.11.2-bookworm`.
    """
    parts = [word.partition("_")[0] for word in words]
    suite = next((part for part in parts if part in _UBUNTU), "")
    vendor = next((_VENDORS[part] for part in parts[:2] if part in _VENDORS), "")
    is_versioned = bool(vendor) or bool(words and "_" in words[0])
    numbers = [part for part in parts if part[:1].isdigit()]
    major = _major(numbers[0]) if numbers and is_versioned else None
    return Java(vendor or "openjdk", major, str(major or ""), is_alpine, suite, has_tool=True)


def _major(version: str) -> int | None:
    found = re.match(r"(\d+)", version)
    return int(found[1]) if found else None


def java_base(
    view: View, facts: StageFacts, needs_jdk: Evidence | None = None, *, is_desktop: bool = False
) -> Base | Refused | None:
    """Return the final stage's base for a stage on an image of Java; None: the image isn't one of Java.

    `needs_jdk` says what needs a JDK when the container runs; the base is then the same JDK without the tool.
    """
    image = facts.stage.image
    resolved = facts.base.reference.text
    place = evidence_of(facts.facts[0].instruction, view.name)
    if facts.base.reference.digest is not None and java_of(resolved) is not None:
        return Base(Level.SHARED, image, is_jdk=True)
    java = java_of(resolved)
    if java is None:
        return None
    if java.major is None:
        detail = _UNKNOWN_VERSION.format(resolved)
        return Refused("unknown-release", detail, (place,), "write the Java version into the tag")
    kind = "jdk" if needs_jdk is not None else "jre"
    if java.vendor == "temurin" and not java.has_tool:
        return _temurin(view, facts, image, resolved, java, kind)
    if java.vendor in ("temurin", "openjdk"):
        if java.vendor == "openjdk" and needs_jdk is not None and not java.has_tool:
            return Base(Level.SHARED, image, is_jdk=True)
        return _by_temurin(view, facts, java, kind, place)
    if not java.has_tool:
        smaller = _corretto(image, java, is_desktop) if kind == "jre" and java.vendor == "corretto" else None
        if smaller is not None:
            return Base(Level.RUNTIME, smaller, saved_mb=_saved(view, facts, smaller))
        return Base(Level.SHARED, image, is_jdk=True)
    return _of_vendor(view, facts, java, kind, place)


def _temurin(
    view: View, facts: StageFacts, image: str, resolved: str, java: Java, kind: str
) -> Base | Refused:
    """`eclipse-temurin:21-jdk-alpine` becomes `eclipse-temurin:21-jre-alpine`; variables in the tag stay."""
    if facts.base.variant == "jre" or kind == "jdk" or not _has_jre(java):
        return Base(Level.SHARED, image, is_jdk=facts.base.variant != "jre")
    name, _, tag = image.rpartition(":")
    if "-jdk" in tag:
        written = f"{name}:{tag.replace('-jdk', '-jre', 1)}"
    else:
        words = resolved.rpartition(":")[2].split("-")
        at = next((n for n, word in enumerate(words) if not re.fullmatch(r"\d[\w.]*|b\d+", word)), len(words))
        if "$" in tag:
            if at < len(words) or not tag.endswith("}"):
                return Base(Level.SHARED, image, is_jdk=True)
            written = f"{image}-jre"
        else:
            written = f"{name}:{'-'.join([*words[:at], 'jre', *words[at:]])}"
    return Base(Level.RUNTIME, written, saved_mb=_saved(view, facts, written))


def _has_jre(java: Java) -> bool:
    """Whether eclipse-temurin has a JRE of the version: 17 had none before 17.0.2."""
    return java.major in _JRE_MAJORS and not re.match(r"17\.0\.[01](\D|$)|17-?35|17\+35", java.version)


def _by_temurin(view: View, facts: StageFacts, java: Java, kind: str, place: Evidence) -> Base | Refused:
    """Return eclipse-temurin in the place of a build tool's image or of the deprecated openjdk."""
    resolved = facts.base.reference.text
    if java.major not in _JRE_MAJORS:
        detail = f"no JRE image of Java {java.major} is known to take the place of {resolved}"
        return Refused("base-unknown", detail, (place,), "move to a Java version that is still maintained")
    if kind == "jdk" and java.vendor != "temurin":
        detail = f"the JDK of {resolved} is needed when the container runs"
        return Refused("need-not-found", detail, (place,), "build on an eclipse-temurin image")
    suite = "-alpine" if java.is_alpine else f"-{java.suite}" if java.suite else ""
    image = f"eclipse-temurin:{java.major}-{kind}{suite}"
    why = ""
    if java.vendor == "openjdk":
        why = "eclipse-temurin takes the place of openjdk, which is deprecated"
    return Base(Level.RUNTIME, image, why=why, saved_mb=_saved(view, facts, image), is_jdk=kind == "jdk")


def _of_vendor(view: View, facts: StageFacts, java: Java, kind: str, place: Evidence) -> Base | Refused:
    """Return the vendor's own image where a build tool's image is built on it."""
    resolved = facts.base.reference.text
    if java.vendor == "corretto" and "debian" not in resolved:
        suite = "-alpine" if java.is_alpine else ""
        image = f"amazoncorretto:{java.major}{suite}"
        return Base(Level.RUNTIME, image, saved_mb=_saved(view, facts, image), is_jdk=True)
    detail = f"no image that only runs what {resolved} builds is known"
    return Refused("base-unknown", detail, (place,), "build on an eclipse-temurin image")


def _corretto(image: str, java: Java, is_desktop: bool) -> str | None:
    """Return Corretto's image without a JDK: Java 8 has a JRE, later ones are headless or headful."""
    name, _, tag = image.rpartition(":")
    suite = next((word for word in ("-alpine", "-al2023") if word in tag), "")
    if tag not in (f"{java.major}{suite}", f"{java.major}{suite}-jdk"):
        return None
    if java.major == 8:
        return f"{name}:8{suite}-jre"
    if suite == "-alpine" or java.major not in (11, 17, 21, 25):
        return None
    return f"{name}:{java.major}{suite}-{'headful' if is_desktop else 'headless'}"


def _saved(view: View, facts: StageFacts, image: str) -> float:
    """Return what the other base saves in megabytes; less than nothing where it is the larger one."""
    text = image_text(view.dockerfile, image)
    before, after = size_mb(facts.base.reference.text), size_mb(text)
    return before - after if before is not None and after is not None else 0.0


_HOMES = ("/usr/local/openjdk", "/usr/java", "/usr/lib/jvm", "/docker-java-home", "/opt/java", "/opt/jdk")
"""Where images keep their Java."""


def final_base(
    view: View, facts: StageFacts, builds: Sequence[JvmBuild], project: Project, starts: Launches
) -> Base | Refused:
    """Return the final stage's base, and the packages that come and go with it."""
    wants = wanted(view, facts, project.needs.code)
    needs_jdk = project.needs.needs_jdk or next(
        (place for name, place in wants.commands if posixpath.basename(name) in JDK_COMMANDS), None
    )
    needs_jdk = needs_jdk or next(
        (one.evidence for one in starts.named if one.is_started and one.path.endswith(".java")), None
    )
    desktop = project.needs.uses_desktop
    base = java_base(view, facts, needs_jdk, is_desktop=desktop is not None)
    if isinstance(base, Refused):
        return base
    if base is None:
        system = jdk_packages(view, facts, needs_jdk, desktop)
        tomcat = _tomcat(facts) if needs_jdk is None else None
        return Base(
            Level.SHARED if tomcat is None else Level.RUNTIME,
            tomcat or facts.stage.image,
            saved_mb=system.saved_mb + (_SAVED_BY_A_JRE if tomcat else 0.0),
            packages=system.packages,
            build_packages=system.build_packages,
        )
    runtime = describe(image_text(view.dockerfile, base.image))
    if base.level is not Level.SHARED:
        obstacle = _written_home(view, facts, runtime, starts)
        if obstacle is None and not _is_same_system(facts, runtime):
            obstacle = moved_packages(view, facts, runtime)
            shared = _of_one_release(facts, base) if obstacle is not None else None
            if shared is not None:
                base, obstacle = shared, None
                runtime = describe(base.image)
        if obstacle is not None:
            return obstacle
    packages = commands_to_install(facts, runtime, wants)
    if isinstance(packages, Refused):
        return packages
    evidence = (needs_jdk,) if base.is_jdk and needs_jdk is not None else ()
    return replace(
        base,
        packages=packages,
        build_packages=TOOL_PACKAGES,
        evidence=evidence,
    )


_SAVED_BY_A_JRE = 96.0
"""About what a JRE saves in an image of Tomcat, in megabytes."""


def _tomcat(facts: StageFacts) -> str | None:
    """Return Tomcat's image on a JRE: it has one for each JDK of Temurin's."""
    name, _, tag = facts.stage.image.rpartition(":")
    if facts.base.family != "tomcat" or any(word in tag for word in ("corretto", "openjdk", "$")):
        return None
    found = re.search(r"(^|-)jdk(8|11|17|21|25)(-|$)", tag)
    return (
        f"{name}:{tag[: found.start()]}{found[1]}jre{found[2]}{found[3]}{tag[found.end() :]}"
        if found
        else None
    )


def _is_same_system(facts: StageFacts, runtime: BaseImage) -> bool:
    """Whether both bases are of one release, so that what is installed on one is on the other."""
    java = java_of(facts.base.reference.text)
    if java is not None and java.has_tool and not java.suite and not java.is_alpine:
        return False  # which release a build tool's image is built on changed, and not with the JRE's
    return facts.base.system == runtime.system and java is not None and java.vendor == _vendor_of(runtime)


def _of_one_release(facts: StageFacts, base: Base) -> Base | None:
    """Return both bases on the release that the build tool's tag means, which has the author's packages.

    A tag that still moves is written out; one that nobody rebuilds any more means its last release.
    """
    java = java_of(facts.base.reference.text)
    if facts.base.system != "ubuntu" or java is None or java.suite or "$" in facts.stage.image:
        return None
    if base.level is not Level.RUNTIME or base.image != f"eclipse-temurin:{java.major}-jre":
        return None
    written = None if facts.base.release is not None else pinned(facts.base.reference.text)
    release = facts.base.release or (describe(written).release if written is not None else None)
    if release not in ("jammy", "noble", "resolute"):
        return None
    return replace(base, image=f"{base.image}-{release}", builder=written)


def _vendor_of(runtime: BaseImage) -> str:
    java = java_of(runtime.reference.text)
    return java.vendor if java is not None else ""


def _written_home(view: View, facts: StageFacts, runtime: BaseImage, starts: Launches) -> Refused | None:
    """Refuse where the builder's Java is named by its place and the final stage has it elsewhere."""
    home = runtime.env.get("JAVA_HOME", "/opt/java/openjdk")
    if facts.base.env.get("JAVA_HOME") == home:
        return None
    for one in starts.named:
        is_java = one.path.startswith(_HOMES) or one.path in ("/usr/bin/java", "/bin/java")
        if is_java and not is_under(one.path, home):
            detail = f"{one.path} is named, and {runtime.reference.text} has its Java in {home}"
            return Refused("need-not-found", detail, (one.evidence,), "say `java`, or $JAVA_HOME")
    return None
