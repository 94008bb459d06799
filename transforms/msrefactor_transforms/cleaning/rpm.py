"""What dnf, yum, microdnf and zypper leave in a layer, and the command that removes it."""

from __future__ import annotations

import posixpath

from msrefactor.commands import PackageCall
from msrefactor.facts import Fact, is_under
from msrefactor_transforms.cleaning.layers import commands_of, is_mounted

_CLEANING = {
    "dnf": ("dnf clean all",),
    "yum": ("yum clean all", "rm -rf /var/cache/yum"),
    "microdnf": ("microdnf clean all",),
    "tdnf": ("tdnf clean all",),
    "zypper": ("zypper clean --all",),
}
_CACHES = ("/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5", "/var/cache/zypp", "/var/cache/tdnf")


def cleaning_of(fact: Fact) -> tuple[str, ...]:
    """Return the commands that remove what the RUN's installs leave; none where it removes it itself."""
    if any(is_mounted(fact, cache) for cache in _CACHES):
        return ()
    tool = prefix = ""
    for _, command, effect in commands_of(fact):
        call = effect.detail
        name = posixpath.basename(effect.tool)
        if isinstance(call, PackageCall) and name in _CLEANING and command is not None:
            if call.action in ("install", "upgrade", "update", "remove"):
                tool = name
                prefix = "sudo " if command.words and command.words[0].text == "sudo" else ""
            elif call.action == "clean":
                tool = ""
        if any(_empties(path) for path in effect.removes):
            tool = ""
    if not tool or (not prefix and fact.scope.user.split(":")[0] not in ("root", "0", "")):
        return ()
    return tuple(prefix + command for command in _CLEANING[tool])


def is_cleaning(fact: Fact) -> bool:
    """Whether a RUN removes what rpm's package managers leave."""
    for _, _, effect in commands_of(fact):
        call = effect.detail
        if isinstance(call, PackageCall) and call.action == "clean":
            return True
        if any(_empties(path) for path in effect.removes):
            return True
    return False


def _empties(path: str) -> bool:
    folder = path.removesuffix("/*") or "/"
    return any(is_under(cache, folder) or is_under(folder, cache) for cache in _CACHES)
