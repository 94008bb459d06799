"""A `COPY --from … *.jar app.jar` where the build leaves two jars: one is written over the other.

BuildKit copies what a pattern matches in the order of the names, so that the last one stays (measured with
Docker 26); the builder before it refuses.
"""

from __future__ import annotations

import posixpath
from fnmatch import fnmatchcase

from msrefactor.facts import Role, StageFacts, is_under
from msrefactor.model import Change, Refused, View
from msrefactor.tree import Instruction
from msrefactor_transforms.ecosystems._java_build import JvmBuild, JvmOutput
from msrefactor_transforms.repairing.kinds import Found, Place, all_copies, change, edited, seen
from msrefactor_transforms.splitting.copies import Copied

_REMEDY = "name the jar that is started"


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Name the one jar that can be started where another one stays; remark it where that one stays."""
    replaced: dict[Place, Instruction] = {}
    changes: list[Change] = []
    remarks: list[Refused] = []
    for index, copy in all_copies(view, stages):
        fact = copy.fact
        jars = _matched(copy, stages[copy.stage])
        if (
            len(jars) < 2
            or not _is_file(copy)
            or fact.instruction.exec_form
            or len(fact.instruction.words) != 2
        ):
            continue
        names = " and ".join(sorted(posixpath.basename(jar.path) for jar in jars))
        runnable = [jar.path for jar in jars if jar.is_runnable]
        winner = max(jars, key=lambda jar: jar.path)
        if len(runnable) != 1 or winner.is_runnable is not False:
            detail = f"{copy.source} matches {names}, and only the one whose name comes last stays"
            remarks.append(Refused("no-effect", detail, (seen(view, fact),), _REMEDY))
            continue
        word = fact.instruction.words[0]
        new = word.text.rpartition("/")[0] + "/" + posixpath.basename(runnable[0])
        replaced[(index, fact.index)] = fact.instruction.replaced([(word.start, word.end, new)])
        reason = (
            f"name the jar that can be started: of {names} the last name stays, and "
            f"{posixpath.basename(winner.path)} holds no libraries"
        )
        changes.append(change(view, reason, fact))
    return Found(edited(view, changes, replaced) if changes else None, remarks=tuple(remarks))


def _is_file(copy: Copied) -> bool:
    target = copy.fact.instruction.words[-1].text
    return target.endswith(".jar") and "$" not in target


def _matched(copy: Copied, source: StageFacts) -> tuple[JvmOutput, ...]:
    """Return the jars that the build surely leaves and the pattern matches; none where one may be gone."""
    folder, pattern = posixpath.split(copy.source)
    if "*" not in pattern or any(letter in folder for letter in "*?["):
        return ()
    builds = [(fact, effect) for fact, effect in source.effects() if isinstance(effect.detail, JvmBuild)]
    if len(builds) != 1:
        return ()
    fact, build = builds[0]
    for other, effect in source.effects():
        gone = (*effect.removes, *effect.may_remove)
        if effect is build or other.index < fact.index:
            continue
        if effect.role is Role.OPAQUE or any(is_under(folder, one) or is_under(one, folder) for one in gone):
            return ()
        if any(is_under(one, folder) for one in effect.writes):
            return ()
    return tuple(
        one
        for one in build.detail.outputs
        if one.kind == "jar"
        and posixpath.dirname(one.path) == folder
        and fnmatchcase(posixpath.basename(one.path), pattern)
    )
