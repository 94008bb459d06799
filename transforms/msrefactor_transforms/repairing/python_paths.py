"""Python packages that reached the final stage and aren't found there: the wrong home, no PATH, a moved venv.

Sources: the documentation of site (user site, USER_BASE) and venv (scripts hold the absolute path of their
interpreter), the images of Python and distroless (`/usr/local/bin/python`, `/usr/bin/python3`).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from msrefactor.facts import Fact, Role, StageFacts, is_under
from msrefactor.model import Changed, Evidence, Refused, View
from msrefactor.tree import Instruction, Stage
from msrefactor_transforms.ecosystems._python_commands import Install, Made
from msrefactor_transforms.ecosystems._python_environment import (
    KNOWN_SCRIPTS,
    installs_of,
    is_tools_only,
)
from msrefactor_transforms.repairing.kinds import (
    NOTHING,
    Found,
    Place,
    change,
    edited,
    new_instruction,
    reached,
    seen,
    word_edits,
)
from msrefactor_transforms.splitting.copies import Copied, copied, place_of
from msrefactor_transforms.splitting.needs import wanted

_SYSTEMS = frozenset({"debian", "alpine", "ubuntu"})
"""Where `/root` is closed for everybody else."""


@dataclass(frozen=True, slots=True)
class _Environment:
    """Packages of one earlier stage, and where the final stage has them."""

    stage: int
    made: str
    """Where the stage installed them: the home's `.local`, a virtual environment, a prefix."""
    place: str
    copy: Copied
    names: frozenset[str]
    is_venv: bool
    is_user: bool


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Repair where the packages lie or PATH leads; tell what can't be moved."""
    final = stages[-1]
    if len(reached(view, stages)) > 1 or any(isinstance(e.detail, Install) for _, e in final.effects()):
        return NOTHING
    if any(effect.role is Role.OPAQUE for _, effect in final.effects()):
        return NOTHING
    for one in _environments(view, stages):
        told = _other_python(view, stages, one)
        if told is not None:
            return Found(told=(told,))
        for repair in (_in_a_closed_home, _at_another_place, _without_path):
            found = repair(view, stages, one)
            if found is not NOTHING:
                return found
    return NOTHING


def _environments(view: View, stages: Sequence[StageFacts]) -> Iterator[_Environment]:
    copies = copied(view, len(stages) - 1, stages[-1])
    for index, facts in enumerate(stages[:-1]):
        if facts.base.family != "python":
            continue
        real = [entry for entry in installs_of(facts) if not is_tools_only(entry[2])]
        venvs = {effect.detail.path for _, effect in facts.effects() if isinstance(effect.detail, Made)}
        for made in dict.fromkeys(install.where for _, _, install in real):
            copy = next((one for one in copies if one.stage == index and is_under(made, one.source)), None)
            place = place_of(made, index, copies)
            if not made.startswith("/") or copy is None or place is None:
                continue
            names = {name for _, _, one in real if one.where == made for name, _ in one.names}
            is_user = made.endswith("/.local")
            yield _Environment(index, made, place, copy, frozenset(names), made in venvs, is_user)


def _scripts(view: View, final: StageFacts, one: _Environment) -> Iterator[tuple[str, Evidence]]:
    """Yield what is started of the packages' commands: by name, or by its path in the environment."""
    for name, evidence in wanted(view, final).commands:
        command = posixpath.basename(name)
        if ("/" not in name or is_under(name, f"{one.place}/bin")) and command in KNOWN_SCRIPTS & one.names:
            yield name, evidence


def _path_entries(final: StageFacts) -> list[str]:
    home = final.end.home if final.end.is_home_known else "~"
    text = final.end.variables.get("PATH", "").replace("${HOME}", home).replace("$HOME", home)
    return [entry.rstrip("/") for entry in text.split(":")]


# ------------------------------------------------------------------------------------ another Python


def _other_python(view: View, stages: Sequence[StageFacts], one: _Environment) -> Refused | None:
    """Tell packages of a Python that the final stage hasn't got: another minor version, another place."""
    builder, final = stages[one.stage].base, stages[-1].base
    place = seen(view, one.copy.fact)
    if final.system == "distroless" and one.is_venv:
        used = [name for name, _ in wanted(view, stages[-1]).commands]
        by_path = f"{one.place}/bin" in _path_entries(stages[-1])
        if any(is_under(name, one.place) for name in used) or (by_path and any("/" not in n for n in used)):
            if any(is_under("/usr/local/bin/python", copy.destination) for copy in _copies(view, stages)):
                return None
            detail = (
                f"the environment's python is a link to /usr/local/bin/python of {builder.reference.text}, "
                f"and {final.reference.text} has none there"
            )
            remedy = "make the environment on Debian's own python3 of the same release"
            return Refused("need-not-found", detail, (place,), remedy)
        return None
    if final.family != "python" or final.env.get("PYTHONPATH"):
        return None
    here, there = (re.match(r"3\.\d+", base.version or "") for base in (builder, final))
    if here is None or there is None or here[0] == there[0]:
        return None
    has_folder = one.is_venv or one.is_user or one.place in ("/usr/local", "/usr")
    if not has_folder or "PYTHONPATH" in stages[-1].end.variables:
        return None
    detail = (
        f"the packages are installed for Python {here[0]}, and the final stage has Python {there[0]}, "
        "which looks for its own"
    )
    return Refused("unknown-release", detail, (place,), "use the same Python in both stages")


def _copies(view: View, stages: Sequence[StageFacts]) -> tuple[Copied, ...]:
    return copied(view, len(stages) - 1, stages[-1])


# ------------------------------------------------------------------------------------- a closed home


def _in_a_closed_home(view: View, stages: Sequence[StageFacts], one: _Environment) -> Found:
    """Move what was copied to root's home to that of the user who runs the program."""
    final = stages[-1]
    user = final.end.user.split(":")[0]
    if not one.is_user or not is_under(one.place, "/root") or user in ("root", "0", ""):
        return NOTHING
    if final.base.system not in _SYSTEMS or any(_opens_root(fact) for fact in final.facts):
        return NOTHING
    user_fact = [fact for fact in final.facts if fact.keyword == "USER"][-1]
    evidence = (seen(view, one.copy.fact), seen(view, user_fact))
    detail = f"{user} can't read {one.place}: /root is closed for everybody but root"
    remedy = "copy them to the user's home, or install into a virtual environment such as /opt/venv"
    told = Found(told=(Refused("need-not-found", detail, evidence, remedy),))
    home = final.end.homes.get(user)
    maker = next((fact for fact in final.facts if any(user in e.users for e in fact.effects)), None)
    words = one.copy.fact.instruction.words
    if home is None or maker is None or len(words) != 2 or one.copy.source != one.made:
        return told
    target = f"{home}/.local"
    edits: dict[Place, Instruction] = {}
    last = len(stages) - 1
    for fact in final.facts:
        if fact is one.copy.fact or one.place not in fact.instruction.source:
            continue
        spans = word_edits(fact.instruction, one.place, target) if fact.keyword == "ENV" else None
        if spans is None:
            return told
        edits[(last, fact.index)] = fact.instruction.replaced(spans)
    slash = "/" if words[1].text.endswith("/") else ""
    moved_copy = one.copy.fact.instruction.replaced([(words[1].start, words[1].end, target + slash)])
    reason = f"copy the packages to the home of {user}, who can't read /root"
    changes = [change(view, reason, one.copy.fact, seen(view, user_fact))]
    after = maker.index > one.copy.fact.index
    if after and not _may_be_later(final, one.copy.fact.index, maker.index):
        return told
    if not after:
        edits[(last, one.copy.fact.index)] = moved_copy
    repaired = edited(view, changes, edits, moved=((one.place, target),))
    if after:
        repaired = _behind(repaired, last, one.copy.fact.index, maker.index, moved_copy)
    if any(True for _ in _scripts(view, final, one)) and f"{one.place}/bin" not in _path_entries(final):
        repaired = _with_path(repaired, last, moved_copy, target)
    return Found(repaired)


def _opens_root(fact: Fact) -> bool:
    """Whether a RUN changes who may enter `/root`."""
    if fact.keyword != "RUN":
        return False
    return any(
        effect.tool in ("chmod", "chown", "setfacl", "usermod") or "/root" in effect.writes
        for effect in fact.effects
        if "/root" in fact.instruction.source
    )


def _may_be_later(final: StageFacts, start: int, end: int) -> bool:
    """Whether nothing between two instructions runs Python."""
    return all(
        fact.keyword != "RUN" or (fact.role <= Role.PACKAGES and fact.role is not Role.GATE)
        for fact in final.facts[start + 1 : end + 1]
    )


def _behind(changed: Changed, stage: int, old: int, place: int, moved: Instruction) -> Changed:
    """Return the file with an instruction behind another one that comes later."""
    stages = list(changed.dockerfile.stages)
    lines = list(stages[stage].instructions)
    following = lines[old + 1]
    if not following.leading:
        lines[old + 1] = following.with_leading("\n" if moved.leading.startswith("\n") else "")
    del lines[old]
    if moved.leading.strip("\r\n") == "":
        moved = moved.with_leading("")
    lines.insert(place, moved)
    stages[stage] = Stage(tuple(lines))
    return replace(changed, dockerfile=changed.dockerfile.with_stages(tuple(stages)))


def _with_path(changed: Changed, stage: int, copy: Instruction, folder: str) -> Changed:
    """Return the file with the packages' commands in PATH, right behind their copy."""
    stages = list(changed.dockerfile.stages)
    lines = list(stages[stage].instructions)
    at = next(n for n, line in enumerate(lines) if line.line == copy.line)
    lines.insert(at + 1, new_instruction(f'ENV PATH="{folder}/bin:$PATH"\n', changed.dockerfile))
    stages[stage] = Stage(tuple(lines))
    return replace(changed, dockerfile=changed.dockerfile.with_stages(tuple(stages)))


# -------------------------------------------------------------------------------------- another place


def _at_another_place(view: View, stages: Sequence[StageFacts], one: _Environment) -> Found:
    """Make a virtual environment where the final stage has it: its scripts hold the path of their Python."""
    if not one.is_venv or one.made == one.place:
        return NOTHING
    final, builder = stages[-1], stages[one.stage]
    started = next(_scripts(view, final, one), None)
    if started is None or ("/" not in started[0] and f"{one.place}/bin" not in _path_entries(final)):
        return NOTHING
    evidence = (seen(view, one.copy.fact), started[1])
    detail = (
        f"{one.place}/bin/{posixpath.basename(started[0])} starts {one.made}/bin/python, which isn't there"
    )
    remedy = f"make the environment at {one.place}, or copy it to {one.made}"
    told = Found(told=(Refused("need-not-found", detail, evidence, remedy),))
    makers = [f for f, e in builder.effects() if isinstance(e.detail, Made) and e.detail.path == one.made]
    literal = all(one.made in fact.instruction.source for fact in makers)
    taken = any(is_under(w, one.place) for _, e in builder.effects() for w in e.writes)
    if not literal or taken or any(is_under(p.destination, one.place) for p in builder.end.placed):
        return told
    edits: dict[Place, Instruction] = {}
    others = [(n, fact) for n, facts in enumerate(stages) for fact in facts.facts if n != len(stages) - 1]
    for index, fact in [*others, (len(stages) - 1, one.copy.fact)]:
        if one.made not in fact.instruction.source:
            continue
        only = fact.instruction.words[0] if fact is one.copy.fact else None
        spans = word_edits(fact.instruction, one.made, one.place)
        if spans is None or index not in (one.stage, len(stages) - 1):
            return told
        edits[(index, fact.index)] = fact.instruction.replaced(
            [span for span in spans if only is None or only.start <= span[0] < only.end]
        )
    reason = (
        f"make the environment at {one.place}, where the final stage has it: its scripts start "
        f"{one.made}/bin/python"
    )
    return Found(edited(view, [change(view, reason, makers[0], started[1])], edits))


# ------------------------------------------------------------------------------------------- no PATH


def _without_path(view: View, stages: Sequence[StageFacts], one: _Environment) -> Found:
    """Lead PATH to the commands of the packages where the container starts one of them by its name."""
    final = stages[-1]
    if final.base.family != "python" or f"{one.place}/bin" in _path_entries(final):
        return NOTHING
    if one.place in ("/usr/local", "/usr") or (one.is_venv and one.made != one.place):
        return NOTHING
    started = next((entry for entry in _scripts(view, final, one) if "/" not in entry[0]), None)
    if started is None or _is_reached_otherwise(view, stages, started[0]):
        return NOTHING
    reason = f"lead PATH to the commands of the packages: `{started[0]}` isn't found without it"
    copy = one.copy.fact
    place = (len(stages) - 1, copy.index + 1)
    return Found(
        edited(
            view,
            [change(view, reason, copy, started[1])],
            inserted={place: (f'ENV PATH="{one.place}/bin:$PATH"\n',)},
        )
    )


def _is_reached_otherwise(view: View, stages: Sequence[StageFacts], command: str) -> bool:
    """Whether something else may bring the command to a folder of PATH."""
    final = stages[-1]
    for entry in _path_entries(final):
        path = posixpath.join(entry, command)
        if final.end.has(path):
            return True
        if any(is_under(path, copy.destination) for copy in _copies(view, stages)):
            return True
        if any(is_under(path, written) for _, effect in final.effects() for written in effect.writes):
            return True
    return "activate" in "".join(fact.instruction.source for fact in final.facts)
