"""Java from the distribution's packages, and the packages that the final stage of a JVM program needs.

A JDK package's place takes the JRE of the same version; the build tool's package stays in the builder. Debian
and Ubuntu name them openjdk-N-jdk and openjdk-N-jre, Alpine openjdkN and openjdkN-jre, Fedora and its kin
java-N-openjdk-devel and java-N-openjdk.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of
from msrefactor.facts import StageFacts
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.splitting.needs import Wants
from msrefactor_transforms.splitting.packages import bare_name, fate, removed_packages
from msrefactor_transforms.splitting.plan import RuntimePackage

TOOL_PACKAGES = frozenset("maven gradle ant ant-optional sbt ivy leiningen maven-debian-helper".split())
"""Packages of build tools of the JVM."""
_JDK = re.compile(r"openjdk-(\d+)-jdk(-headless)?|default-jdk(-headless)?|temurin-(\d+)-jdk")
_JDK_ALPINE = re.compile(r"openjdk(\d+)(-jdk)?|java-jdk")
_JDK_RPM = re.compile(r"(java-[\w.]+-(?:openjdk|amazon-corretto))-devel")
_SAME_EVERYWHERE = frozenset(
    "bash bzip2 ca-certificates coreutils cron curl dos2unix dumb-init ffmpeg file findutils fontconfig "
    "fonts-dejavu fonts-dejavu-core libfreetype6 libc6 libstdc++6 zlib1g "
    "fonts-liberation fonts-noto gettext-base ghostscript git gnupg gosu graphviz imagemagick iproute2 "
    "iputils-ping jq less locales lsof nano net-tools netbase netcat-openbsd "
    "netcat-traditional nginx openssh-client openssl procps python3 rsync sed sudo supervisor tar telnet "
    "tini tesseract-ocr tzdata unzip vim wget xz-utils zip".split()
)
"""Packages that Debian and Ubuntu have under one name in every release of the last ten years."""
_PROVIDERS: Mapping[str, str] = {
    "git": "git",
    "ssh": "openssh-client",
    "unzip": "unzip",
    "ps": "procps",
    "bash": "bash",
    "curl": "curl",
    "wget": "wget",
    "bzip2": "bzip2",
    "xz": "xz-utils",
    "hg": "mercurial",
    "svn": "subversion",
    "make": "make",
}
"""Commands of the JDK's and the build tools' images that the JRE's lacks, and their packages."""
_SAVED_BY_PACKAGES = 90.0
"""About what a JDK's package weighs more than the JRE's, in megabytes, where no table has the release."""


@dataclass(frozen=True, slots=True)
class SystemPackages:
    """What becomes of the packages."""

    packages: tuple[RuntimePackage, ...] = ()
    build_packages: frozenset[str] = frozenset()
    saved_mb: float = 0.0


def jdk_packages(
    view: View, facts: StageFacts, needs_jdk: Evidence | None, uses_desktop: Evidence | None
) -> SystemPackages:
    """Return what takes the place of JDK packages that the author installs."""
    found: list[RuntimePackage] = []
    left_out: set[str] = set(TOOL_PACKAGES)
    saved = 0.0
    removed = removed_packages(facts.facts)
    for fact, effect in facts.effects():
        call = effect.detail
        if not isinstance(call, PackageCall) or call.action != "install" or needs_jdk is not None:
            continue
        for name in call.names:
            runtime = runtime_java(name, facts.base.system, uses_desktop is not None) if name else None
            if name is None or runtime is None or bare_name(name) in removed:
                continue
            left_out.add(bare_name(name))
            place = evidence_of(fact.instruction, view.name)
            found.append(RuntimePackage(runtime, place, f"it runs what {bare_name(name)} compiles"))
            saved += _saved(bare_name(name), runtime, facts)
    return SystemPackages(tuple(found), frozenset(left_out), saved)


def _saved(jdk: str, jre: str, facts: StageFacts) -> float:
    """Return what a JRE saves where no table has the JDK's size: there it is weighed with 1 MB."""
    release = facts.base.release or (facts.base.releases[-1] if facts.base.releases else "")
    if facts.base.system == "alpine":
        release = knowledge.RELEASES[-1]
    known, added = (knowledge.installed_size_mb(name, release) for name in (jdk, jre))
    return 0.0 if known is not None else _SAVED_BY_PACKAGES + (added or 0.0)


def runtime_java(name: str, system: str, is_desktop: bool) -> str | None:
    """Return the package that runs what a JDK's package compiles; None: it isn't one of a JDK."""
    bare = bare_name(name)
    headless = "" if is_desktop else "-headless"
    if system in ("debian", "ubuntu"):
        match = _JDK.fullmatch(bare)
        if match is None:
            return None
        if match[4]:
            return f"temurin-{match[4]}-jre"
        # a JDK without a display has no JRE with one
        is_headless = headless or (match[2] or match[3] or "")
        return f"openjdk-{match[1]}-jre{is_headless}" if match[1] else f"default-jre{is_headless}"
    if system == "alpine":
        match = _JDK_ALPINE.fullmatch(bare)
        if match is None or not match[1]:
            return None
        return f"openjdk{match[1]}-jre" if int(match[1]) == 8 else f"openjdk{match[1]}-jre{headless}"
    match = _JDK_RPM.fullmatch(bare)
    if match is None:
        return None
    return match[1] + headless


def commands_to_install(
    facts: StageFacts, runtime: BaseImage, wants: Wants
) -> tuple[RuntimePackage, ...] | Refused:
    """Return the packages for commands that the JDK's image has, the JRE's lacks and something starts."""
    found: list[RuntimePackage] = []
    for name, evidence in wants.commands:
        command = posixpath.basename(name)
        if command not in facts.base.commands or command in runtime.commands or command not in _PROVIDERS:
            continue
        found.append(RuntimePackage(_PROVIDERS[command], evidence, f"`{command}` is started"))
    if found and runtime.system not in ("debian", "ubuntu", "alpine"):
        detail = f"`{found[0].name}` is started, and how {runtime.reference.text} installs it isn't known"
        return Refused("need-not-found", detail, (found[0].evidence,))
    return tuple(dict.fromkeys(found))


def moved_packages(view: View, facts: StageFacts, runtime: BaseImage) -> Refused | None:
    """Refuse packages that stay in the final stage when its distribution isn't the builder's."""
    removed = removed_packages(facts.facts)
    for fact, effect in facts.effects():
        call = effect.detail
        if not isinstance(call, PackageCall) or call.action != "install":
            continue
        place = (evidence_of(fact.instruction, view.name),)
        manager = {"alpine": "apk", "debian": "apt", "ubuntu": "apt", "rpm": "dnf"}.get(runtime.system)
        for name in call.names:
            if name is None or not fate(name, facts.base, removed | TOOL_PACKAGES).is_kept:
                continue
            if manager != call.manager:
                detail = f"{name} is installed, which {runtime.reference.text} does in another way"
                return Refused("need-not-found", detail, place, "build on an eclipse-temurin image")
            if manager == "apt" and bare_name(name) not in _SAME_EVERYWHERE:
                detail = f"whether {runtime.reference.text} can install {bare_name(name)} isn't known"
                remedy = "write the release into the tag of an eclipse-temurin image"
                return Refused("unknown-release", detail, place, remedy)
    return None
