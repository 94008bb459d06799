"""Conda, mamba and micromamba: an environment goes over whole, at the path for which it was made.

The prefix is written into thousands of an environment's files, so it can't be moved. What is started by PATH
or by its path needs the environment alone; `conda run` and `conda activate` need conda as well, whose
scripts set variables that the environment's packages look at. Sources: docs.conda.io "Managing environments",
micromamba-docker.readthedocs.io, and the public advice on small images with conda (xhochy.com, 2021).
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import replace

from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, Role, StageFacts, is_under
from msrefactor.knowledge import packages as knowledge
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._conda_base import (
    Base,
    installed_base,
    is_of_image,
    plain_base,
    same_base,
)
from msrefactor_transforms.ecosystems._conda_commands import EMPTIES, interpret
from msrefactor_transforms.ecosystems._conda_installers import CondaRoot
from msrefactor_transforms.ecosystems._conda_installs import CondaInstall
from msrefactor_transforms.ecosystems._conda_places import (
    MANAGERS,
    MICROMAMBA,
    STARTUP_FILES,
    root_of,
)
from msrefactor_transforms.ecosystems._conda_starts import (
    TOOLS,
    Installs,
    installs_at_start,
    login_at_start,
    manager_at_start,
    names_root,
    provided,
    root_program,
    runner_shell,
    starts_installed_manager,
    unread_script,
)
from msrefactor_transforms.ecosystems.python import ECOSYSTEM as PYTHON
from msrefactor_transforms.ecosystems.python import build_files, code_needs
from msrefactor_transforms.knowledge.native import python_native
from msrefactor_transforms.splitting.needs import Wants, wanted
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, Level, RuntimePackage, SplitPlan
from msrefactor_transforms.splitting.question import SYSTEM_FOLDERS

_CACHE_MB = 150.0
"""What conda keeps of its downloads, at least: the packages' archives, and the lists of the channels."""
_ROOT_MB = 350.0


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that makes conda environments is split."""
    found = Installs(
        tuple((f, e.detail) for f, e in facts.effects() if isinstance(e.detail, CondaInstall)),
        tuple((f, e.detail) for f, e in facts.effects() if isinstance(e.detail, CondaRoot)),
        root_of(facts.end),
    )
    if not found.environments and not found.fills_root and not found.roots:
        return None
    refusal = _unfit(view, facts, found)
    if refusal is not None:
        return refusal
    code = code_needs(view, facts)
    wants = wanted(view, facts, code)
    refusal = installs_at_start(view, facts)
    if refusal is not None:
        return refusal
    manager = manager_at_start(view, facts, wants, found)
    if starts_installed_manager(facts, wants) or (manager is not None and found.renews_conda):
        found = replace(found, keeps_tools=True)
    login = login_at_start(view, facts, wants)
    from_root = manager or login or root_program(facts, wants, found) or names_root(view, facts, found)
    needs_root = from_root is not None or found.fills_root or not found.environments
    base = _base_of(view, facts, found, needs_root, login)
    if isinstance(base, Refused):
        return base
    artifacts = _artifacts(facts, found, needs_root)
    code = replace(code, commands=(*code.commands, *_commands_of_packages(found)))
    has_root = needs_root or (base.image == facts.stage.image and is_of_image(facts))
    if not artifacts and not _packed(facts):
        return None
    carried = tuple(artifact.path for artifact in artifacts) or _unpacked(facts)
    commands = found.names() | ({*MANAGERS, "activate"} if has_root else set())
    fetching = _fetching(facts, wants)
    manifests = {file for _, one in found.every for file in one.files}
    installers = {one.installer for _, one in found.roots if one.installer}
    return SplitPlan(
        ecosystem="conda",
        level=base.level,
        runtime_image=base.image,
        runtime_prelude=base.prelude,
        artifacts=artifacts,
        tools=() if has_root else (*_parts_of(found.root), *_startup_files(view, facts)),
        unneeded=_unneeded(facts, found, carried, manager is not None),
        removed=_caches(facts, found, carried),
        packages=(*base.packages, *_recommended(view, facts, fetching)),
        build_packages=fetching,
        build_files=build_files(view, facts, manifests) | installers,
        code=code,
        assumptions=_assumptions(facts, wants, found, base, has_root),
        provides=lambda command: provided(facts, command, carried, commands, has_root),
        evidence=(evidence_of((found.every or found.roots)[0][0].instruction, view.name),),
        reason=_reason(base, carried, found),
        saved_mb=base.saved_mb + _saved(facts, found, needs_root),
    )


def _commands_of_packages(found: Installs) -> list[tuple[str, Evidence]]:
    """Return the programs that packages start, as far as they are known."""
    return [
        (command, evidence)
        for _, one in found.every
        for name, evidence in (*one.names, *one.pip)
        if (native := python_native(name)) is not None
        for command in native.commands
    ]


def _assumptions(
    facts: StageFacts, wants: Wants, found: Installs, base: Base, has_root: bool
) -> tuple[str, ...]:
    """Return what has to hold of programs that nobody sees, where conda or its image is left behind."""
    made: list[str] = []
    unread = unread_script(facts, wants, found) if base.level is Level.RUNTIME else None
    if unread is not None:
        place = f"{unread.file}:{unread.line}"
        made.append(f"what is started at {place} needs nothing else of {facts.base.reference.text}")
    if not has_root and not is_of_image(facts):
        made.extend(
            f"the program started at {one.file}:{one.line} is none of conda's own, in {found.root}/bin"
            for one in dict.fromkeys(wants.unknown)
        )
    return tuple(made)


def _unpacked(facts: StageFacts) -> tuple[str, ...]:
    """Return where packed environments are unpacked."""
    return tuple(path for _, e in facts.effects() if e.tool == "conda-unpack" for path in e.writes) or ("/",)


def _reason(base: Base, carried: Sequence[str], found: Installs) -> str:
    what = "conda with its environments" if carried[0] == found.root else "the conda environment"
    return f"make {what} in a builder stage; the final stage is {base.image} with {carried[0]}"


def _unfit(view: View, facts: StageFacts, found: Installs) -> Refused | None:
    """Return why nothing can be said of the environments."""
    is_known = facts.base.family == MICROMAMBA or bool(found.roots) or found.root is not None
    if facts.base.system == "windows" or (facts.base.system == "unknown" and not is_known):
        place = evidence_of(facts.facts[0].instruction, view.name)
        return Refused("base-unknown", f"nothing is known about {facts.base.reference.text}", (place,))
    for fact, install in found.every:
        place = evidence_of(fact.instruction, view.name)
        if not install.prefix and install.unknown:
            return Refused(
                "context-unknown", f"which environment is made can't be read: {install.unknown[0]}", (place,)
            )
        if not install.prefix:
            detail = "where the environment is put isn't known before the build"
            return Refused("unknown-artifact", detail, (place,), "give its folder with -p")
        if install.varies:
            detail = f"a build argument names the environment, {install.prefix} by default"
            return Refused("build-variable", detail, (place,), "give the environment a name of its own")
        user = fact.scope.user.split(":")[0]
        is_roots = found.root is not None and posixpath.dirname(install.prefix) == posixpath.join(
            found.root, "envs"
        )
        if is_roots and user not in ("root", "0", "") and not _is_writable(facts, found.root or "", fact):
            detail = (
                f"whether {user} may write into {found.root}, or makes the environment at home, isn't known"
            )
            return Refused("install-mode", detail, (place,), "give its folder with -p")
        if is_under(install.prefix, fact.scope.home) and not fact.scope.is_home_known:
            return Refused("install-mode", f"the home folder of user {fact.scope.user} isn't known", (place,))
    is_mixed = found.root in SYSTEM_FOLDERS and found.root != "/opt"
    if is_mixed and (found.fills_root or found.roots):
        place = evidence_of((found.every or found.roots)[0][0].instruction, view.name)
        detail = f"conda is in {found.root}, among other things"
        return Refused("unknown-artifact", detail, (place,), "put conda into a folder of its own")
    return None


def _is_writable(facts: StageFacts, root: str, before: Fact) -> bool:
    """Whether another user than root can make environments in conda's folder."""
    if facts.base.family == MICROMAMBA or is_under(root, before.scope.home):
        return True
    return any(
        effect.tool in ("chown", "chmod") and any(is_under(root, path) for path in effect.writes)
        for fact, effect in facts.effects()
        if fact.index <= before.index
    )


def _base_of(
    view: View, facts: StageFacts, found: Installs, needs_root: bool, login: Evidence | None
) -> Base | Refused:
    if not is_of_image(facts):
        return installed_base(view, facts)
    names = {name for _, one in found.every for name, _ in one.names} - TOOLS
    pip = {name for _, one in found.every for name, _ in one.pip} - TOOLS
    if any(one.unknown for _, one in found.every):
        pip.add("?")
    # an image whose own folder of conda is the environment, and is empty before
    if facts.base.family == MICROMAMBA:
        return same_base(facts)
    if found.fills_root:
        if login is not None:
            detail = "a shell is started that reads start-up files, and those of conda's image aren't copied"
            return Refused("install-mode", detail, (login,), "make an environment with `conda create -n`")
        shell = runner_shell(facts)
        if shell is not None and shell.index == 1:
            place = evidence_of(shell.instruction, view.name)
            detail = "everything is run by conda from the start, before it could be copied"
            return Refused("install-mode", detail, (place,), "put SHELL below the installs")
        return _unread(view, found) or plain_base(view, facts, names, pip, has_root=True)
    if needs_root:
        return same_base(facts)
    plain = _unread(view, found) or plain_base(view, facts, names, pip, has_root=False)
    return same_base(facts) if isinstance(plain, Refused) else plain


def _unread(view: View, found: Installs) -> Refused | None:
    """Refuse another base where it can't be read what is installed, and so what that needs of the system."""
    for fact, one in found.every:
        unseen = [text for text in one.unknown if text.endswith("which isn't in the build context")]
        if unseen or (one.unknown and not view.context.known):
            place = evidence_of(fact.instruction, view.name)
            detail = f"what is installed can't be read: {(unseen or one.unknown)[0]}"
            return Refused("context-unknown", detail, (place,))
    return None


def _artifacts(facts: StageFacts, found: Installs, needs_root: bool) -> tuple[Artifact, ...]:
    """Return the folders that go over: the environments, or conda's own folder with those in it."""
    root = found.root
    is_copied = needs_root and root is not None and (found.fills_root or bool(found.roots))
    last = max((fact.index for fact, _ in (*found.every, *found.roots)), default=0)
    made: list[Artifact] = []
    if is_copied and root is not None:
        made.append(Artifact(root, last, "conda and its environments"))
    # `conda run` as the shell of what is replayed needs the environment there
    shell = runner_shell(facts)
    latest = max(1, shell.index - 1) if shell is not None else last
    packed = _packed(facts)
    for prefix, index in found.environments.items():
        if prefix in packed:
            continue
        if not (is_copied and root is not None and is_under(prefix, root)):
            made.append(Artifact(prefix, _last_change(facts, prefix, index), "the conda environment"))
    return tuple(replace(one, after=min(one.after, latest)) for one in made)


def _packed(facts: StageFacts) -> frozenset[str]:
    """Return the environments that are only packed, and unpacked somewhere else."""
    texts = [
        fact.instruction.text for fact in facts.facts if fact.keyword in ("ENV", "CMD", "ENTRYPOINT", "SHELL")
    ]
    return frozenset(
        path
        for _, effect in facts.effects()
        if effect.tool == "conda-pack"
        for path in effect.reads
        if not any(path in text or posixpath.basename(path) in text.split('"') for text in texts)
    )


def _last_change(facts: StageFacts, prefix: str, index: int) -> int:
    """Return the last instruction that changes something in the environment."""
    later = [
        fact.index
        for fact, effect in facts.effects()
        if effect.role is Role.BUILD
        and effect.ecosystem == "conda"
        and any(
            is_under(path, prefix) or path == posixpath.dirname(prefix)
            for path in (*effect.writes, *effect.removes)
        )
    ]
    return max((index, *later))


def _parts_of(root: str | None) -> tuple[str, ...]:
    """Return what conda's own folder holds beside its environments."""
    if root is None or root in SYSTEM_FOLDERS:
        return ()
    names = "bin condabin conda-meta etc include lib libexec pkgs sbin share shell ssl".split()
    return tuple([posixpath.join(root, name) for name in names])


def _startup_files(view: View, facts: StageFacts) -> tuple[str, ...]:
    """Return the start-up files of shells to which nothing is written but what activates an environment."""
    found: dict[str, bool] = {}
    for fact, effect in facts.effects():
        text = fact.instruction.text
        for path in effect.writes:
            if path.endswith(STARTUP_FILES):
                found[path] = found.get(path, True) and ("activate" in text or "conda" in text)
    return tuple(path for path, is_ours in found.items() if is_ours)


def _unneeded(facts: StageFacts, found: Installs, carried: Sequence[str], is_started: bool) -> frozenset[str]:
    """Return what commands leave and nothing needs: installers, and conda where it isn't copied."""
    packed = _packed(facts)
    archives = [p for _, e in facts.effects() if e.why == "the packed environment" for p in e.writes]
    own = [found.root] if found.root is not None and found.root not in carried else []
    if not is_started:
        own.extend(
            path for _, effect in facts.effects() if effect.why == "micromamba" for path in effect.writes
        )
    return frozenset((*_downloads(facts), *packed, *(archives if packed else ()), *own))


def _downloads(facts: StageFacts) -> list[str]:
    """Return the files of installers."""
    return [
        path
        for _, e in facts.effects()
        if e.role is Role.FETCH and e.why == "the installer"
        for path in e.writes
    ]


def _caches(facts: StageFacts, found: Installs, carried: Sequence[str]) -> tuple[str, ...]:
    """Return conda's cache of packages where it would be copied along with conda."""
    root = found.root
    if root is None or root not in carried:
        return ()
    filled = [fact.index for fact, one in found.every if _leaves_cache(fact, one)]
    emptied = [fact.index for fact, effect in facts.effects() if effect.why == EMPTIES]
    return (posixpath.join(root, "pkgs"),) if filled and max(filled) > max(emptied, default=-1) else ()


def _leaves_cache(fact: Fact, install: CondaInstall) -> bool:
    """Whether what an install downloaded is still in its layer when its RUN ends."""
    is_mounted = any(flag.name == "mount" and "pkgs" in (flag.value or "") for flag in fact.instruction.flags)
    is_emptied = any(effect.why == EMPTIES for effect in fact.effects)
    return install.keeps_cache and not is_mounted and not is_emptied and bool(install.names or install.makes)


def _saved(facts: StageFacts, found: Installs, needs_root: bool) -> float:
    saved = _CACHE_MB if any(_leaves_cache(fact, one) for fact, one in found.every) else 0.0
    return saved + (_ROOT_MB if found.roots and not needs_root else 0.0)


def _fetching(facts: StageFacts, wants: Wants) -> frozenset[str]:
    """Return the packages that only fetch conda, where nothing that runs is seen to start them."""
    fetched = any(effect.role is Role.FETCH and effect.ecosystem == "conda" for _, effect in facts.effects())
    if not fetched or wants.unknown or facts.base.system not in ("debian", "ubuntu"):
        return frozenset()
    started = {posixpath.basename(name) for name, _ in wants.commands}
    return frozenset({"wget", "curl", "bzip2"} - started)


def _recommended(view: View, facts: StageFacts, dropped: frozenset[str]) -> list[RuntimePackage]:
    """Return the certificates, which came as a recommendation of wget or curl where these are left out."""
    calls = [effect.detail for _, effect in facts.effects() if isinstance(effect.detail, PackageCall)]
    installed = [call for call in calls if call.action == "install"]
    names = {name for call in installed for name in call.names}
    came_along = any(not call.without_recommends and {"wget", "curl"} & set(call.names) for call in installed)
    has_own = "update-ca-certificates" in knowledge.commands_in(facts.base)
    if not dropped or not came_along or "ca-certificates" in names or has_own:
        return []
    place = evidence_of(facts.facts[0].instruction, view.name)
    return [RuntimePackage("ca-certificates", place, "it came along with wget or curl")]


ECOSYSTEM = Ecosystem(
    "conda",
    interpret,
    plan,
    programs=PYTHON.programs | MANAGERS,
    shares_programs=True,
    code=code_needs,
)
