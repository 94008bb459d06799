"""Users and groups that the final stage names, and that another base than the author's may lack or hold.

An image with tools often brings a user for them (`gradle`, `sbtuser`); the plain base of the final stage has
none of these. And Ubuntu's images since 23.04 have a user of their own with the number 1000.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, StageFacts
from msrefactor.knowledge.images import BaseImage
from msrefactor.model import Refused, View

_OF_EVERY_SYSTEM = frozenset(
    "root daemon bin sys adm lp mail news uucp man operator games nobody nogroup www-data tty disk kmem "
    "dialout floppy tape audio cdrom video users utmp shadow staff sudo wheel input backup proxy irc list "
    "sync _apt src ftp sshd at squid cron postmaster guest ntp plugdev".split()
)
"""Users and groups of Debian's and Alpine's plain images."""
_OWN_NUMBER = "1000"
_BEFORE_ITS_USER = frozenset({"trusty", "xenial", "bionic", "focal", "jammy", "kinetic"})
"""Releases of Ubuntu whose images have no user 1000."""


def accounts_refusal(
    view: View, old: StageFacts, final: StageFacts, runtime: BaseImage, packages: Sequence[str]
) -> Refused | None:
    """Return the obstacle that the final stage's base has another set of users than the author's base."""
    if runtime.family in (old.base.family, "scratch"):
        return None
    if any(fact.from_stage and fact.destination in ("/etc", "/etc/passwd") for fact in final.facts):
        return None
    return _stranger(view, old, final, packages) or _taken(view, old, final, runtime)


def _stranger(view: View, old: StageFacts, final: StageFacts, packages: Sequence[str]) -> Refused | None:
    makers = [effect for _, effect in final.effects() if "/etc/passwd" in effect.writes]
    if any(not effect.users for effect in makers):
        return None  # one whose name a variable gives
    made = {user for effect in makers for user in effect.users}
    for fact in final.facts:
        for name in _named(fact):
            is_plain = not name or name.isdigit() or "$" in name or name in _OF_EVERY_SYSTEM | made
            # a package may make a user of its name: postgresql, redis-server
            if is_plain or any(name in package for package in packages):
                continue
            return Refused(
                "need-not-found",
                f"the account {name} is one of {old.base.reference.text}, and the new base lacks it",
                (evidence_of(fact.instruction, view.name),),
                "make a user of the application's own in the Dockerfile, or use a number",
            )
    return None


def _named(fact: Fact) -> Iterable[str]:
    if fact.keyword == "USER":
        yield from fact.instruction.arguments.strip().strip("\"'").split(":")
    yield from (fact.instruction.flag("chown") or "").split(":")
    for effect in fact.effects:
        yield from effect.mentions_users


def _taken(view: View, old: StageFacts, final: StageFacts, runtime: BaseImage) -> Refused | None:
    """Refuse a user that is made with the number of the one that the new base has."""
    is_free = bool(runtime.releases) and set(runtime.releases) <= _BEFORE_ITS_USER
    if runtime.system != "ubuntu" or old.base.system == "ubuntu" or is_free:
        return None
    for fact in final.facts:
        makes = any("/etc/passwd" in effect.writes for effect in fact.effects)
        if makes and _OWN_NUMBER in fact.instruction.text.replace("=", " ").split():
            return Refused(
                "need-not-found",
                f"an account is made as {_OWN_NUMBER}, which {runtime.reference.text} may have in use",
                (evidence_of(fact.instruction, view.name),),
                "give it another number",
            )
    return None
