"""Packages with native code that the final stage can't load: another C library, or libraries that it lacks.

The tables python_native.tsv and node_native.tsv say which packages these are, and how that was checked.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Sequence
from typing import Any

from msrefactor.commands import PackageCall
from msrefactor.facts import Role, StageFacts
from msrefactor.knowledge.packages import packages_in
from msrefactor.model import Change, Refused, View
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.layers import commands_of
from msrefactor_transforms.ecosystems._node_projects import NodeInstall, package_at
from msrefactor_transforms.ecosystems._python_commands import Install
from msrefactor_transforms.ecosystems._python_environment import installs_of
from msrefactor_transforms.knowledge.native import node_native, python_native
from msrefactor_transforms.repairing.kinds import Found, Place, change, edited, joined, reached, seen
from msrefactor_transforms.splitting.copies import copied, place_of
from msrefactor_transforms.splitting.packages import bare_name

_NEEDS = {
    "flask": "werkzeug",
    "fastapi": "starlette",
    "django": "sqlparse",
    "requests": "urllib3",
    "pandas": "numpy",
    "celery": "kombu",
    "uvicorn": "h11",
    "jinja2": "markupsafe",
    "aiohttp": "yarl",
    "httpx": "httpcore",
    "boto3": "botocore",
    "scikit-learn": "scipy",
}
"""A package that every version of another one from the last years needs (their metadata on PyPI)."""
_WITHOUT_FALLBACK = frozenset(
    "numpy pandas scipy scikit-learn psycopg2 psycopg2-binary mysqlclient lxml pillow grpcio uvloop orjson "
    "matplotlib opencv-python opencv-python-headless asyncpg h5py pyarrow lightgbm numba pyodbc duckdb "
    "hiredis confluent-kafka pydantic-core gevent pyzmq".split()
)
"""Packages that are nothing without native code; others fall back to Python, as aiohttp does."""
_GLIBC_ON_ALPINE = frozenset({"gcompat", "libc6-compat"})


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Build the wheels of dependencies, too; tell what can't be loaded."""
    return joined((_python(view, stages), _node(view, stages), _wheels(view, stages)))


def _installed(facts: StageFacts) -> set[str]:
    found: set[str] = set()
    for _, effect in facts.effects():
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install":
            found |= {bare_name(name) if name else "?" for name in effect.detail.names}
    return found


def _python(view: View, stages: Sequence[StageFacts]) -> Found:
    final = stages[-1]
    if final.base.family != "python" or len(reached(view, stages)) > 1:
        return Found()
    if any(isinstance(effect.detail, Install) or effect.role is Role.OPAQUE for _, effect in final.effects()):
        return Found()
    copies = copied(view, len(stages) - 1, final)
    for index, facts in enumerate(stages[:-1]):
        for fact, _, install in installs_of(facts) if facts.base.family == "python" else ():
            where = "/usr/local" if install.where == "system" else install.where
            is_there = place_of(where, index, copies) is not None or (
                install.where == "system"
                and any(c.stage == index and "site-packages" in c.source for c in copies)
            )
            if not is_there:
                continue
            found = _glibc_on_musl(facts, final, install) or _libraries(final, install)
            if found:
                evidence = (seen(view, fact), seen(view, final.facts[0]))
                code, detail, remedy = found
                return Found(told=(Refused(code, detail, evidence, remedy),))
    return Found()


def _glibc_on_musl(builder: StageFacts, final: StageFacts, install: Install) -> tuple[str, str, str] | None:
    if {builder.base.system, final.base.system} != {"debian", "alpine"} or _installed(
        final
    ) & _GLIBC_ON_ALPINE:
        return None
    for name, _ in install.names:
        row = python_native(name)
        is_checked = row is not None and row.is_verified
        if is_checked and name in _WITHOUT_FALLBACK:
            what = "glibc" if builder.base.system == "debian" else "musl"
            has = "musl" if what == "glibc" else "glibc"
            detail = (
                f"{name} holds native code for {what} of {builder.base.reference.text}, and "
                f"{final.base.reference.text} has {has}"
            )
            return "runtime-library", detail, "use the same system in both stages"
    return None


def _libraries(final: StageFacts, install: Install) -> tuple[str, str, str] | None:
    """Say which library of the system a package loads that nothing in the final stage brings."""
    base = final.base
    releases = (base.release,) if base.release else base.releases
    if base.system != "debian" or base.contents is None or not releases or _installed(final):
        return None
    if any(effect.role is Role.PACKAGES and effect.packages for _, effect in final.effects()):
        return None
    for name, _ in install.names:
        row = python_native(name)
        if row is None or not row.is_verified or row.state != "compiled" or not row.libraries:
            continue
        for library in row.packages("debian", releases) or ():
            if not any(library in packages_in(base, release) for release in releases):
                detail = f"{name} loads a library of {library}, which {base.reference.text} doesn't have"
                return "need-not-found", detail, f"install {library} in the final stage"
    return None


# ---------------------------------------------------------------------------------------------- wheels


def _wheels(view: View, stages: Sequence[StageFacts]) -> Found:
    """Build the wheels of dependencies, too, where the final stage may not fetch them."""
    final = stages[-1]
    offline = any(
        "--no-index" in [word.literal for word in command.words]
        for fact in final.runs()
        for _, command, effect in commands_of(fact)
        if command is not None and isinstance(effect.detail, Install)
    )
    if not offline:
        return Found()
    replaced: dict[Place, Instruction] = {}
    changes: list[Change] = []
    for index, facts in enumerate(stages[:-1]):
        for fact in facts.runs():
            for _, command, effect in commands_of(fact):
                words = [word.literal for word in command.words] if command is not None else []
                install = effect.detail
                if (
                    command is None
                    or "wheel" not in words
                    or not isinstance(install, Install)
                    or fact.offset is None
                ):
                    continue
                names = {name for name, _ in install.names}
                lacking = [(one, _NEEDS[one]) for one in sorted(names) if _NEEDS.get(one, one) not in names]
                lacking = [(one, need) for one, need in lacking if one in _NEEDS]
                flag = next((word for word in command.words if word.literal == "--no-deps"), None)
                if flag is None or not lacking or install.unknown or (index, fact.index) in replaced:
                    continue
                start, end = fact.offset(flag.start, flag.end)
                source = fact.instruction.source
                while source[end : end + 1] == " ":
                    end += 1
                replaced[(index, fact.index)] = fact.instruction.replaced([(start, end, "")])
                one, need = lacking[0]
                reason = f"build the wheels of dependencies, too: {one} needs {need}, which isn't in the list"
                changes.append(change(view, reason, fact))
    return Found(edited(view, changes, replaced) if changes else None)


# ------------------------------------------------------------------------------------------------ Node


def _node(view: View, stages: Sequence[StageFacts]) -> Found:
    """Tell a package that is compiled against glibc and is to be loaded on Alpine, or the other way round."""
    final = stages[-1]
    if final.base.family != "node" or len(reached(view, stages)) > 1:
        return Found()
    if any(isinstance(e.detail, NodeInstall) or e.role is Role.OPAQUE for _, e in final.effects()):
        return Found()
    if any("rebuild" in fact.instruction.source for fact in final.runs()):
        return Found()
    if _installed(final) & _GLIBC_ON_ALPINE:
        return Found()
    copies = copied(view, len(stages) - 1, final)
    for index, facts in enumerate(stages[:-1]):
        if facts.base.family != "node" or {facts.base.system, final.base.system} != {"debian", "alpine"}:
            continue
        for fact, effect in facts.effects():
            install = effect.detail
            if not isinstance(install, NodeInstall) or install.is_global:
                continue
            if place_of(f"{install.folder}/node_modules", index, copies) is None:
                continue
            package = package_at(install.folder, facts.end)
            for name in sorted(package.dependencies) if package is not None else ():
                if not _is_compiled(name, facts, install.folder):
                    continue
                detail = (
                    f"{name} is compiled on {facts.base.reference.text}, and {final.base.reference.text} "
                    "has another C library"
                )
                evidence = (seen(view, fact), seen(view, final.facts[0]))
                remedy = "use the same system in both stages"
                return Found(told=(Refused("runtime-library", detail, evidence, remedy),))
    return Found()


def _is_compiled(name: str, facts: StageFacts, folder: str) -> bool:
    """Whether a package is compiled, or fetched for one C library, when it is installed."""
    row = node_native(name)
    if row is not None and row.is_verified and row.state == "compiled":
        return True
    # since 6.0 it brings programs for both
    version = _locked(name, facts, folder) if name == "bcrypt" else None
    return version is not None and version.partition(".")[0] in ("3", "4", "5")


def _locked(name: str, facts: StageFacts, folder: str) -> str | None:
    text = facts.end.read(posixpath.join(folder, "package-lock.json"))
    try:
        lock: Any = json.loads(text or "")
        entry = lock["packages"][f"node_modules/{name}"]
        return str(entry["version"])
    except (ValueError, KeyError, TypeError):
        return None
