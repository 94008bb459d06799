"""Exactly which files of the application `bundle install` reads, and what it fills.

Sources: bundler.io "bundle install", "bundle config", "gemfile(5)".
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.code.gemfile import Gemfile, GemfileLock
from msrefactor.facts import Dependencies, Scope
from msrefactor.model import Refused


def of_bundle(
    argv: Sequence[str | None],
    files: tuple[str, str],
    read: Gemfile | None,
    lock: GemfileLock | None,
    writes: Sequence[str],
    scope: Scope,
) -> Dependencies:
    """Return what an install reads; `files` are the Gemfile and its lock, `writes` what it fills."""
    gemfile, locked = files
    root = posixpath.dirname(gemfile)
    reads = [gemfile, locked]
    if read is not None and read.ruby_file:
        reads.append(posixpath.normpath(posixpath.join(root, read.ruby_file)))
    if "BUNDLE_APP_CONFIG" not in scope.variables:
        reads.append(posixpath.join(root, ".bundle/config"))
    reads.append(posixpath.join(root, "vendor/cache"))
    obstacle = _obstacle(argv, files, read, lock, scope)
    return Dependencies("bundler", tuple(reads), tuple(dict.fromkeys(writes)), obstacle)


def _obstacle(
    argv: Sequence[str | None],
    files: tuple[str, str],
    read: Gemfile | None,
    lock: GemfileLock | None,
    scope: Scope,
) -> Refused | None:
    gemfile, locked = files
    if read is None:
        return Refused("install-mode", f"no Gemfile that is understood is found at {gemfile}")
    if any(word in ("update", "lock") for word in argv):
        return Refused("install-mode", "`bundle update` changes Gemfile.lock", remedy="use `bundle install`")
    if read.reads_more:
        detail = f"{gemfile} reads other files of the project (a gemspec, a gem by path, another Gemfile)"
        return Refused("install-reads-source", detail)
    if lock is None:
        return None
    if lock.paths:
        detail = f"{locked} names gems that lie in the project: {lock.paths[0]}"
        return Refused("install-reads-source", detail)
    if not any(platform == "ruby" or "linux" in platform for platform in lock.platforms):
        detail = f"{locked} lists no platform of Linux, and the install completes it"
        return Refused("install-mode", detail, remedy="run `bundle lock --add-platform x86_64-linux`")
    words = set((scope.read(locked) or "").replace("!", " ").split())
    missing = [name for name, _ in read.names if name not in words]
    if missing:
        detail = f"{locked} doesn't list {missing[0]}, and the install may complete it"
        return Refused("install-mode", detail, remedy="run `bundle lock`")
    return None
