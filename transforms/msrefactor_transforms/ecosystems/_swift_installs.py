"""Exactly which files of the application `swift package resolve` reads, and what it fills.

Sources: swift.org Package Manager "Package Description" (versioned manifests, local packages), SwiftPM's
"Resolving and updating dependencies", vapor/template's Dockerfile.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from msrefactor.code.script_tokens import without_comments
from msrefactor.facts import Dependencies, Scope
from msrefactor.model import Refused

_MORE = re.compile(
    r"\b(FileManager|contentsOf\w*|Process\(|fopen|gitInformation|dlopen|getcwd|popen|system\()"
    r"|\.(?:binaryTarget|package)\([^)]*?\bpath:"
)
"""What in a manifest makes it look at other files: itself, or by a package or a binary of this project."""


def of_resolve(words: Sequence[str], scope: Scope) -> Dependencies:
    """Return what `swift package resolve` reads and fills; `words` follow the action."""
    root = scope.cwd
    manifest = scope.read(posixpath.join(root, "Package.swift"))
    lock = posixpath.join(root, "Package.resolved")
    obstacle: Refused | None = None
    options = [word for word in words if word.startswith("-")]
    if manifest is None:
        obstacle = Refused("install-mode", f"no Package.swift is found in {root}")
    elif len(options) < len(words) or any("path" in word or "cache" in word for word in options):
        obstacle = Refused("install-mode", "what is resolved, or where it goes, isn't known")
    names = [name for name in scope.files(root) if "/" not in name and name.startswith("Package@swift-")]
    manifests = [posixpath.join(root, name) for name in ("Package.swift", *sorted(names))]
    for path in manifests:
        found = _MORE.search(without_comments(scope.read(path) or "", "swift"))
        if found is not None:
            detail = f"{path} may read other files of the project: {' '.join(found[0].split())}"
            obstacle = obstacle or Refused("install-mode", detail)
    writes = [posixpath.join(root, ".build")]
    if not scope.is_file(lock):
        writes.append(lock)
    reads = (*manifests, lock, posixpath.join(root, ".swiftpm/configuration"))
    return Dependencies("SwiftPM", reads, tuple(writes), obstacle)
