"""Exactly which files of the application `sbt update` reads, and what it fills.

Sources: scala-sbt.org reference "Directory structure", "Organizing the build", "Recipes for file-based
settings", "sbt-launcher" (.sbtopts, .jvmopts); the caches of Coursier and Ivy.
"""

from __future__ import annotations

import posixpath
import re

from msrefactor.code.sbt import read_sbt
from msrefactor.code.script_tokens import without_comments
from msrefactor.facts import Dependencies, Scope
from msrefactor.model import Refused

DOWNLOADS = frozenset("update updateClassifiers csrUpdate".split())
_MORE = re.compile(
    r"\bIO\.(?:read|load|listFiles)\w*|\bSource\.from\w+|\bProcess\(|\bsys\.process\b|\.(?:exists|listFiles)\b"
    r"|\bFiles\.\w+|\b(?:RootProject|ProjectRef)\(\s*file\b|\bGitVersioning\b|\bgit\.\w+|\bdynver\w*"
    r"|\bsbt-(?:git|dynver|ci-release|version-policy|release-early)\b|\bConfigFactory\b|new\s+(?:java\.io\.)?File\b"
)
"""What in a build makes it look at other files of the project, or at its history."""


def of_update(scope: Scope) -> Dependencies:
    """Return what `sbt update` reads in the current folder: its settings, and `project` as a whole."""
    root = scope.cwd
    build = read_sbt(scope.read, root)
    if build is None:
        return Dependencies("sbt", obstacle=Refused("install-mode", f"no build.sbt is found in {root}"))
    definition = posixpath.join(root, "project")
    folders = list(dict.fromkeys((root, *(project.folder for project in build.projects.values()))))
    settings = [path for folder in folders for path in _settings(folder, scope)]
    reads = [*settings, *(posixpath.join(root, name) for name in (".sbtopts", ".jvmopts", ".sbtrc"))]
    reads.append(definition)
    texts = [*settings, *(posixpath.join(definition, name) for name in scope.files(definition))]
    obstacle: Refused | None = None
    for path in texts:
        if not path.endswith((".sbt", ".scala")):
            continue
        found = _MORE.search(without_comments(scope.read(path) or "", "scala"))
        if found is not None:
            detail = f"{path} may read other files of the project: {found[0]}"
            obstacle = Refused(
                "install-mode", detail, remedy="copy what sbt reads before the source yourself"
            )
            break
    homes = ("~/.ivy2", "~/.sbt", "~/.cache/coursier")
    made = [posixpath.join(folder, "target") for folder in (*folders, definition)]
    return Dependencies("sbt", tuple(reads), (*map(scope.path, homes), *made), obstacle)


def _settings(folder: str, scope: Scope) -> list[str]:
    """Return the `.sbt` files that lie right in a folder."""
    names = sorted(name for name in scope.files(folder) if "/" not in name and name.endswith(".sbt"))
    return [posixpath.join(folder, name) for name in names]
