"""A user that only an earlier stage made: the final stage's own /etc/passwd doesn't have it.

Known accounts: base-passwd of Debian and Ubuntu, alpine-baselayout of Alpine, the Dockerfiles of the images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msrefactor.facts import Effect, Fact, Role, StageFacts
from msrefactor.knowledge.packages import commands_in
from msrefactor.model import Refused, View
from msrefactor_transforms.repairing.kinds import (
    NOTHING,
    Found,
    change,
    edited,
    may_bring,
    name_of,
    reached,
    seen,
)

_BASE = frozenset(
    "root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody _apt "
    "systemd-network systemd-timesync systemd-resolve messagebus adm tty disk shadow utmp video staff users "
    "nogroup audio kmem dialout fax voice cdrom floppy tape sudo operator src plugdev wheel dip input kvm "
    "render sgx crontab sasl".split()
)
_ALPINE = frozenset(
    "shutdown halt postmaster cron ftp sshd at squid xfs postgres cyrus vpopmail ntp smmsp guest nginx "
    "abuild ping readproc netdev cdrw usb floppy".split()
)
_OF_IMAGES: Mapping[str, frozenset[str]] = {
    "debian": frozenset(),
    "alpine": frozenset(),
    "python": frozenset(),
    "golang": frozenset(),
    "rust": frozenset(),
    "ruby": frozenset(),
    "node": frozenset({"node"}),
    "php": frozenset(),
    "buildpack-deps": frozenset(),
}
"""Images whose accounts are known: those of the distribution, and these."""
_HARMLESS = frozenset(
    "ca-certificates tzdata curl wget bash openssl libssl3 libssl1.1 libpq5 tini dumb-init gosu su-exec "
    "libgcc libstdc++ libc6-compat gcompat git procps".split()
)
"""Packages that make no account."""


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Make the user in the final stage, too, where the stage that makes it has the same system."""
    last = len(stages) - 1
    final = stages[last]
    if len(reached(view, stages)) > 1 or not _is_known(final):
        return NOTHING
    there = _accounts(final)
    for name, fact in _named(final):
        if name in there:
            continue
        makers = [
            (index, maker, effect)
            for index, facts in enumerate(stages[:-1])
            for maker, effect in facts.effects()
            if name in effect.users
        ]
        if not makers and final.base.system != "scratch":
            return NOTHING
        return _repaired(view, stages, name, fact, makers)
    return NOTHING


def _repaired(
    view: View,
    stages: Sequence[StageFacts],
    name: str,
    fact: Fact,
    makers: Sequence[tuple[int, Fact, Effect]],
) -> Found:
    final, last = stages[-1], len(stages) - 1
    if not makers:
        detail = f"{name} is no user of the final stage, which is empty: it has no /etc/passwd"
        remedy = "write the number of the user, or copy an /etc/passwd that names it"
        return Found(told=(Refused("need-not-found", detail, (seen(view, fact),), remedy),))
    index, maker, _ = makers[-1]
    source = stages[index]
    place = (last, fact.index)
    if final.base.system == "scratch":
        reason = f"copy the list of users: {name} is made in the stage {name_of(view, index)} only"
        line = f"COPY --from={name_of(view, index)} /etc/passwd /etc/group /etc/\n"
        return Found(edited(view, [change(view, reason, fact, seen(view, maker))], inserted={place: (line,)}))
    tools = {effect.tool for effect in maker.effects}
    is_alone = all(effect.users and effect.role is Role.SETUP for effect in maker.effects)
    plain = "$" not in maker.instruction.source and not maker.instruction.heredocs
    same = source.base.system == final.base.system and maker.scope.shell == fact.scope.shell
    has_tools = tools <= commands_in(final.base) and all(tools)
    is_root = fact.scope.user.split(":")[0] in ("root", "0", "") and not maker.instruction.flags
    if len(makers) == 1 and is_alone and plain and same and has_tools and is_root:
        reason = f"make {name} in the final stage, too: a stage has the users of its own image only"
        text = maker.instruction.source
        lines = (text if text.endswith("\n") else text + "\n",)
        return Found(edited(view, [change(view, reason, fact, seen(view, maker))], inserted={place: lines}))
    detail = f"{name} is made in the stage {name_of(view, index)} only, and the final stage has no such user"
    remedy = f"make {name} in the final stage, too"
    return Found(told=(Refused("need-not-found", detail, (seen(view, fact), seen(view, maker)), remedy),))


def _is_known(final: StageFacts) -> bool:
    """Whether the stage's accounts are known: those of its image, and what its commands make."""
    base = final.base
    if base.system not in ("scratch", "debian", "alpine") or base.reference.digest:
        return False
    if base.system != "scratch" and base.family not in _OF_IMAGES:
        return False
    for fact in final.facts:
        brings = any(may_bring(fact, path) for path in ("/etc/passwd", "/etc/group"))
        if brings or (fact.keyword == "RUN" and "/etc/" in fact.instruction.source):
            return False
        for effect in fact.effects:
            names = {word.literal for word in effect.packages}
            if effect.role is Role.OPAQUE or names - _HARMLESS:
                return False
    return True


def _accounts(final: StageFacts) -> frozenset[str]:
    if final.base.system == "scratch":
        return frozenset()
    own = _OF_IMAGES.get(final.base.family, frozenset())
    return _BASE | own | (_ALPINE if final.base.system == "alpine" else frozenset())


def _named(final: StageFacts) -> Iterator[tuple[str, Fact]]:
    """Yield the users and groups that are named before the stage makes them, in order."""
    made: set[str] = set()
    for fact in final.facts:
        made.update(user for effect in fact.effects for user in effect.users)
        if fact.keyword == "USER":
            text = fact.instruction.arguments.strip()
        elif fact.keyword in ("COPY", "ADD"):
            text = fact.instruction.flag("chown") or ""
        else:
            continue
        for name in text.split(":"):
            if name and not name.isdigit() and "$" not in name and name not in made:
                yield name, fact
