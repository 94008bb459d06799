"""Which base the final stage starts from, and what it has to be given that the builder's base had.

Scratch is for programs of which everything is seen: static, alone, asking nothing of the system but
certificates, time zones and the user that runs them. All others get the builder's plain Debian or Alpine.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msrefactor.commands import PackageCall
from msrefactor.facts import Effect, Role, StageFacts
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage, describe, pinned
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._go_linking import Linking, installs
from msrefactor_transforms.ecosystems._go_sources import Sources
from msrefactor_transforms.splitting.needs import Wants
from msrefactor_transforms.splitting.plan import Artifact, Level, RuntimePackage

DISTROLESS = "gcr.io/distroless/static-debian12"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
ZONES = "/usr/share/zoneinfo"

_FETCHERS = frozenset("git mercurial bzr subversion openssh-client openssh openssh-client-default".split())
"""Packages that the go command fetches modules with."""
_LEAN = frozenset(["ca-certificates", "tzdata", "make", "upx", "upx-ucl"])
_FILE_TOOLS = frozenset({"mkdir", "chown", "chmod", "cp", "mv", "ln", "touch", "install", ""})
_USER_TOOLS = ("useradd", "adduser", "groupadd", "addgroup", "usermod")
_GETTERS = (
    "github.com/hashicorp/go-getter",
    "github.com/Masterminds/vcs",
    "code.gitea.io/",
    "github.com/google/go-containerregistry",
)


@dataclass(frozen=True, slots=True)
class Base:
    """The final stage's base, and the builder's where its release has to be written out."""

    level: Level
    image: str
    builder: str | None = None


def base_of(
    view: View, facts: StageFacts, wants: Wants, sources: Sources, linking: Linking
) -> Base | Refused:
    """Return the final stage's base."""
    base = facts.base
    image = facts.stage.image
    if base.family != "golang":
        return Base(Level.SHARED, image)
    if (
        linking.is_static
        and view.settings.runtime != "slim"
        and _is_self_sufficient(view, facts, wants, sources)
    ):
        if view.settings.runtime == "distroless":
            return Base(Level.MINIMAL, DISTROLESS)
        if not sources.may_use_the_account and not _lacks_zones(view, facts, sources):
            return Base(Level.MINIMAL, "scratch")
    if base.system == "alpine":
        return _plain(view, facts, linking, "alpine:{}")
    if base.system == "debian":
        return _plain(view, facts, linking, "debian:{}-slim")
    return Base(Level.SHARED, image)


def _plain(view: View, facts: StageFacts, linking: Linking, form: str) -> Base | Refused:
    """Return the plain base of the builder's release: the very one for what is linked with its libc."""
    base = facts.base
    tag = base.reference.tag or ""
    if base.release is not None and (linking.is_static or base.release in tag):
        return Base(Level.RUNTIME, form.format(base.release))
    if linking.is_static:
        newest = base.releases[-1] if base.releases else None
        if newest is not None:
            return Base(Level.RUNTIME, form.format(newest))
        if base.system == "debian":
            return Base(Level.RUNTIME, form.format("bookworm"))
    written = pinned(base.reference.text)
    release = describe(written).release if written is not None else None
    if written is None or release is None or "$" in facts.stage.image:
        place = Evidence(view.name, facts.facts[0].line, " ".join(facts.facts[0].instruction.source.split()))
        detail = f"the binary is linked with the libc of {base.reference.text}, and its release isn't known"
        return Refused("unknown-release", detail, (place,))
    return Base(Level.RUNTIME, form.format(release), written)


def _is_self_sufficient(view: View, facts: StageFacts, wants: Wants, sources: Sources) -> bool:
    """Whether it is seen that only the binaries are started, and nothing has to run in the final stage."""
    if not sources.is_whole or "plugin" in sources.imports:
        return False
    outputs = {path for _, effect in facts.effects() for path in effect.writes}
    for name, _ in wants.commands:
        if name not in outputs and not any(
            "/" not in name and posixpath.basename(out) == name for out in outputs
        ):
            return False
    code = wants.code
    if wants.unknown or code.unknown_commands or code.libraries or code.unknown_libraries:
        return False
    if any(re.search(r'"os/exec"|"plugin"', text) for text in sources.vendored.values()):
        return False
    return all(_is_done_without_a_shell(effect, facts.base) for effect in _kept_effects(facts))


def _kept_effects(facts: StageFacts) -> Iterable[Effect]:
    for fact in facts.runs():
        for item in fact.items:
            yield from item.effects


def _is_done_without_a_shell(effect: Effect, base: BaseImage) -> bool:
    if isinstance(effect.detail, PackageCall):
        return effect.detail.action not in ("install",) or _is_lean(effect.detail.names, base)
    if effect.role is not Role.SETUP:
        return True
    return effect.tool in _USER_TOOLS or effect.tool in _FILE_TOOLS


def _is_lean(names: Sequence[str | None], base: BaseImage) -> bool:
    for name in names:
        if name is None:
            return False
        bare = re.split(r"[=<>~]", name)[0]
        if not (bare in _LEAN or bare in _FETCHERS or knowledge.is_build_only(bare, base.system)):
            return False
    return True


def _lacks_zones(view: View, facts: StageFacts, sources: Sources) -> bool:
    return uses_zones(view, facts, sources) and not _builder_has_zones(facts)


def _builder_has_zones(facts: StageFacts) -> bool:
    return facts.base.system == "debian" or installs(facts, "tzdata")


def uses_zones(view: View, facts: StageFacts, sources: Sources) -> bool:
    """Whether the time zone database is read: by the program, or for a TZ that is set."""
    is_set = "TZ" in facts.end.variables or any(
        use.kind == "environment" and (use.value or "").partition("=")[0] == "TZ" for use in view.uses
    )
    return sources.may_load_zones or (is_set and "time/tzdata" not in sources.imports)


def files_of_the_system(
    view: View, facts: StageFacts, sources: Sources, base: Base, last: int
) -> list[Artifact]:
    """Return what scratch and distroless lack and the program uses: certificates, time zones, users."""
    found: list[Artifact] = []
    if base.level is not Level.MINIMAL:
        return found
    if base.image == "scratch":
        if sources.may_be_tls_client or installs(facts, "ca-certificates"):
            found.append(Artifact(CERTIFICATES, last, "TLS needs the certificates"))
        if uses_zones(view, facts, sources) or installs(facts, "tzdata"):
            found.append(Artifact(ZONES, last, "time zones are loaded"))
    user = facts.end.user.split(":")[0]
    known = ("root",) if base.image == "scratch" else ("root", "nobody")
    if user and not user.isdigit() and user not in known:
        found.append(Artifact("/etc/passwd", last, "USER names a user"))
        found.append(Artifact("/etc/group", last, "USER names a user"))
    return found


def packages_of_the_system(
    view: View, facts: StageFacts, sources: Sources, base: Base, evidence: Evidence
) -> list[RuntimePackage]:
    """Return the packages that Go's images have, plain ones lack and the program uses."""
    found: list[RuntimePackage] = []
    if base.level is not Level.RUNTIME:
        return found
    if sources.may_be_tls_client and not installs(facts, "ca-certificates"):
        found.append(RuntimePackage("ca-certificates", evidence, "the program may speak TLS"))
    if facts.base.system == "alpine" and uses_zones(view, facts, sources) and not installs(facts, "tzdata"):
        found.append(RuntimePackage("tzdata", evidence, "Go's image brings time zones of its own"))
    return found


def fetching_packages(wants: Wants, sources: Sources, level: Level) -> frozenset[str]:
    """Return the packages that only the go command uses, where the program is seen to start none of them."""
    if level is Level.SHARED or wants.unknown or not sources.is_found:
        return frozenset()
    if any(name.startswith(_GETTERS) for name in sources.unseen | sources.required):
        return frozenset()
    started = {posixpath.basename(name) for name, _ in wants.commands}
    if started & {"git", "hg", "ssh", "bzr", "svn"}:
        return frozenset()
    return _FETCHERS | frozenset(["upx", "upx-ucl"])
