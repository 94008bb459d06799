"""Exactly which files of the application a download of Maven's dependencies reads.

Sources: maven.apache.org "Dependency Plugin", "POM Reference", "Configuring Apache Maven" (.mvn).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from msrefactor.facts import Dependencies, Scope
from msrefactor.model import Refused

GOALS = frozenset("go-offline resolve resolve-plugins".split())
_MORE = re.compile(
    r"<systemPath>|<exists>|<missing>|<url>\s*(?:file:|\$\{(?:project\.)?basedir)|<!DOCTYPE|<!ENTITY"
)
"""What makes a pom read other files than poms."""
_RELATIVE = re.compile(r"<relativePath>\s*([^<\s]+)\s*</relativePath>")


def is_download(goals: Sequence[str]) -> bool:
    """Whether a call only downloads what the poms name."""
    return bool(goals) and all(
        "dependency" in goal and goal.rpartition(":")[2] in GOALS and ":" in goal for goal in goals
    )


def of_download(
    project: str, modules: Sequence[str], properties: Mapping[str, str], is_plain: bool, scope: Scope
) -> Dependencies:
    """Return what a download reads; `modules` are folders below the project."""
    folders = [posixpath.normpath(posixpath.join(project, name)) for name in ("", *modules)]
    reads = [posixpath.join(folder, "pom.xml") for folder in folders]
    obstacle: Refused | None = None
    if not is_plain or any(name.startswith("maven.repo") for name in properties):
        obstacle = Refused("install-mode", "which pom is read, or where its dependencies go, isn't known")
    if len(folders) > 1:
        detail = "the modules of a build depend on each other, and not only on what is downloaded"
        obstacle = Refused("install-mode", detail)
    pom = reads[0]
    while (text := scope.read(pom)) is not None:
        found = _MORE.search(text)
        if found is not None:
            detail = f"{pom} may read other files of the project: {found[0]}"
            obstacle = obstacle or Refused("install-mode", detail)
        if "<parent>" not in text:
            break
        named = _RELATIVE.search(text)
        pom = posixpath.normpath(posixpath.join(posixpath.dirname(pom), named[1] if named else "../pom.xml"))
        pom = pom if pom.endswith(".xml") else posixpath.join(pom, "pom.xml")
        if pom in reads:
            break
        reads.append(pom)
    if scope.read(reads[0]) is None:
        obstacle = obstacle or Refused("install-mode", f"no pom.xml is found in {project}")
    reads.append(posixpath.join(project, ".mvn"))
    return Dependencies("Maven", tuple(reads), (scope.path("~/.m2"),), obstacle)
