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
    """Return what a download reads; `modules` are folders below the project, those of modules too.

    Of modules that depend on each other Maven downloads nothing, with the source or without it: such a
    step fails, or they lie in a repository.
    """
    folders = [posixpath.normpath(posixpath.join(project, name)) for name in ("", *modules)]
    reads = [posixpath.join(folder, "pom.xml") for folder in folders]
    obstacle: Refused | None = None
    if not is_plain or any(name.startswith("maven.repo") for name in properties):
        obstacle = Refused("install-mode", "which pom is read, or where its dependencies go, isn't known")
    pending = list(reads)
    while pending:
        pom = pending.pop(0)
        text = scope.read(pom)
        if text is None:
            continue
        found = _MORE.search(text)
        if found is not None:
            detail = f"{pom} may read other files of the project: {found[0]}"
            obstacle = obstacle or Refused("install-mode", detail)
        if "<parent>" not in text:
            continue
        named = _RELATIVE.search(text)
        above = posixpath.normpath(
            posixpath.join(posixpath.dirname(pom), named[1] if named else "../pom.xml")
        )
        above = above if above.endswith(".xml") else posixpath.join(above, "pom.xml")
        if above not in reads:
            reads.append(above)
            pending.append(above)
    missing = next((pom for pom in reads[1 : len(folders)] if not scope.is_file(pom)), None)
    if missing is not None:
        obstacle = obstacle or Refused("install-mode", f"the module {missing} isn't in the build context")
    built = next((folder for folder in folders[1:] if scope.has(posixpath.join(folder, "target"))), None)
    if built is not None:
        detail = f"the build context has {built}/target, and Maven may take the module from there"
        obstacle = obstacle or Refused("install-mode", detail, remedy="add target to .dockerignore")
    if scope.read(reads[0]) is None:
        obstacle = obstacle or Refused("install-mode", f"no pom.xml is found in {project}")
    reads.append(posixpath.join(project, ".mvn"))
    return Dependencies("Maven", tuple(reads), (scope.path("~/.m2"),), obstacle)
