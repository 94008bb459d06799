"""Users and groups that the final stage names, and that another base than the author's may lack or hold.

An image with tools often brings a user for them (`gradle`, `sbtuser`); the plain base of the final stage has
none of these. And Ubuntu's images since 23.04 have a user of their own with the number 1000.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, Role, StageFacts, is_under
from msrefactor.knowledge.images import BaseImage
from msrefactor.model import Refused, View

OF_EVERY_SYSTEM = frozenset(
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
    return (
        _stranger(view, old, final, packages)
        or _taken(view, old, final, runtime)
        or _renumbered(view, old, final, runtime)
    )


def _stranger(view: View, old: StageFacts, final: StageFacts, packages: Sequence[str]) -> Refused | None:
    makers = [effect for _, effect in final.effects() if "/etc/passwd" in effect.writes]
    if any(not effect.users for effect in makers):
        return None  # one whose name a variable gives
    made = {user for effect in makers for user in effect.users}
    for fact in final.facts:
        for name in _named(fact):
            is_plain = not name or name.isdigit() or "$" in name or name in OF_EVERY_SYSTEM | made
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
    if not _has_own_user(runtime) or old.base.system == "ubuntu":
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


def _has_own_user(base: BaseImage) -> bool:
    """Whether the number of the first user is taken in an image of Ubuntu."""
    is_free = bool(base.releases) and set(base.releases) <= _BEFORE_ITS_USER
    return base.system == "ubuntu" and not is_free


def _renumbered(view: View, old: StageFacts, final: StageFacts, runtime: BaseImage) -> Refused | None:
    """Refuse a user without a number that is the first one of the old base only, where its number matters."""
    is_taken = _has_own_user(old.base) or old.base.family in _WITH_A_USER
    if not _has_own_user(runtime) or is_taken:
        return None
    for fact in final.facts:
        for effect in fact.effects:
            words = fact.instruction.text.replace("=", " ").split()
            is_plain = effect.tool in ("useradd", "adduser") and not {"-u", "--uid", "-r", "--system"} & set(
                words
            )
            name = next(iter(effect.users), "")
            if is_plain and name and _owns_something(view, old, final, name):
                return Refused(
                    "need-not-found",
                    f"{name} is user {_OWN_NUMBER} on {old.base.reference.text} and wouldn't be on "
                    f"{runtime.reference.text}, and files that are kept belong to the number",
                    (evidence_of(fact.instruction, view.name),),
                    "give it a number above 1000 with useradd --uid",
                )
    return None


_WITH_A_USER = frozenset({"node", "gradle", "sbtscala/scala-sbt", "ocaml/opam"})
"""Families of images with a user 1000 of their own."""


def _owns_something(view: View, old: StageFacts, final: StageFacts, name: str) -> bool:
    """Whether files of a volume, or copied from the builder with their owner, may belong to a user."""
    if any(fact.keyword == "VOLUME" for fact in old.facts):
        return True
    if any(use.kind in ("volume", "bind-mount") for use in view.uses):
        return True
    copied = [word.text for fact in final.facts if fact.from_stage for word in fact.instruction.words[:-1]]
    given: list[str] = []
    for fact in old.facts:
        if name in (fact.instruction.flag("chown") or "").split(":"):
            given.extend(placed.destination for placed in fact.placed)
        for effect in fact.effects:
            if name in effect.mentions_users or (name == fact.scope.user and effect.role >= Role.FETCH):
                given.extend(effect.writes)
    return any(is_under(path, tree) or is_under(tree, path) for path in given for tree in copied)
