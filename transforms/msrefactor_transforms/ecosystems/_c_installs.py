"""What speaks against the usual prefix of a `make install` whose sources nobody sees.

A project may have another prefix than /usr/local when it isn't told one (AC_PREFIX_DEFAULT, a Makefile of its
own), and shows it by what the Dockerfile does afterwards.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.facts import Effect, Fact, Role, StageFacts, is_under
from msrefactor_transforms.ecosystems._c_commands import CBuild
from msrefactor_transforms.splitting.packages import bare_name, installs

_CHANGES = frozenset("sed chmod chown chgrp mv cp truncate dos2unix setcap".split())
_OF_THE_SYSTEM = tuple(
    f"/etc/{name}"
    for name in (
        "ssl apt ld.so.conf ld.so.conf.d passwd group shadow hosts profile profile.d bash.bashrc security "
        "pam.d sysctl.conf sysctl.d locale.gen login.defs environment nsswitch.conf timezone localtime "
        "yum.repos.d yum.conf dnf dpkg skel init.d default services resolv.conf pki shells issue motd "
        "sudoers sudoers.d ssh cron.d crontab alternatives os-release apk inittab network"
    ).split()
)
"""What base images have, or packages with other names than the folder."""


def unexplained_edit(
    facts: StageFacts, builds: Sequence[tuple[Fact, Effect, CBuild]]
) -> tuple[Fact, str] | None:
    """Return the first file of the system that is changed behind an install of unseen sources, and by whom.

    None: each is made by a step that is known, comes with a package of its name, or is the base image's.
    """
    unseen = [
        fact.index
        for fact, effect, build in builds
        if build.kind == "install" and facts.end.origin(build.folder) is None
    ]
    if not unseen:
        return None
    known = [placed.destination for fact in facts.facts for placed in fact.placed]
    known.extend(fact.destination for fact in facts.facts if fact.destination and not fact.placed)
    packages = [bare_name(n) for fact in facts.facts for e in installs(fact) for n in e.detail.names if n]
    for fact in facts.facts:
        for effect in fact.effects:
            if effect.role is Role.SETUP and effect.tool in _CHANGES and fact.index >= min(unseen):
                for path in effect.reads:
                    if _is_the_systems(path) and not _is_explained(path, known, packages):
                        return fact, path
            known.extend(path for path in effect.writes if path not in effect.reads)
    return None


def _is_the_systems(path: str) -> bool:
    folders = ("/etc", "/usr", "/bin", "/sbin", "/lib")
    return any(is_under(path, folder) and path != folder for folder in folders) and not any(
        is_under(path, folder) for folder in ("/usr/local", "/usr/src", "/usr/share/nginx")
    )


def _is_explained(path: str, known: Sequence[str], packages: Sequence[str]) -> bool:
    if any(is_under(path, one) or path == posixpath.dirname(one) for one in known):
        return True
    if any(is_under(path, one) for one in _OF_THE_SYSTEM) or "*" in path:
        return True
    parts = path.split("/")
    names = {parts[2], posixpath.splitext(parts[-1])[0], parts[-1]} if len(parts) > 2 else set()
    return any(package.startswith(name) for package in packages for name in names if len(name) > 2)
