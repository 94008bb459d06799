"""What is started of conda and its environments, and which of them it comes from."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.code.needs import context_path
from msrefactor.code.shell import SHELLS, behind_runner
from msrefactor.commands import operands
from msrefactor.contract import evidence_of, starts
from msrefactor.facts import Fact, Role, StageFacts, is_under
from msrefactor.knowledge import packages as knowledge
from msrefactor.model import Evidence, Refused, View
from msrefactor.shell import parse_script
from msrefactor_transforms.ecosystems._conda_installers import CondaRoot
from msrefactor_transforms.ecosystems._conda_installs import CondaInstall
from msrefactor_transforms.ecosystems._conda_places import (
    MANAGERS,
    STARTUP_FILES,
    first_on_path,
    starts_as_login,
)
from msrefactor_transforms.ecosystems.python import ECOSYSTEM as PYTHON
from msrefactor_transforms.splitting.joining import SUPERVISORS
from msrefactor_transforms.splitting.needs import Wants, placed_path
from msrefactor_transforms.splitting.question import SYSTEM_FOLDERS

TOOLS = frozenset(
    "conda mamba micromamba libmamba libmambapy conda-libmamba-solver conda-pack conda-lock conda-build "
    "conda-tree conda-anaconda-tos anaconda-client boa pip setuptools wheel".split()
)
"""Packages of conda's own environment that only serve to make others."""
_OF_ROOT = frozenset("python python3 pip pip3 pydoc wheel openssl sqlite3 2to3 idle3 tqdm xz".split())
"""Programs that Miniconda and its kin have themselves."""


_THAT_START_CONDA = frozenset("snakemake nextflow mlflow galaxy planemo cromwell".split())
"""Programs that make environments for their own steps when they are told to, often by their settings."""


@dataclass(frozen=True, slots=True)
class Installs:
    """What is installed where."""

    every: tuple[tuple[Fact, CondaInstall], ...]
    roots: tuple[tuple[Fact, CondaRoot], ...]
    root: str | None
    keeps_tools: bool = False
    """Whether tools that are installed into conda's own environment are started."""

    @property
    def environments(self) -> dict[str, int]:
        """The environments beside conda's own, each with the index of the last instruction that fills it."""
        return {one.prefix: fact.index for fact, one in self.every if one.prefix != self.root}

    @property
    def fills_root(self) -> bool:
        """Whether more than tools is installed into conda's own environment."""
        own = [one for _, one in self.every if one.prefix == self.root]
        return any(self.keeps_tools or not _is_tools_only(one) for one in own)

    @property
    def renews_conda(self) -> bool:
        """Whether conda itself is another one than that of the image."""
        return any(one.prefix == self.root and "conda" in dict(one.names) for _, one in self.every)

    def names(self, prefix: str | None = None) -> frozenset[str]:
        """Return the packages of conda and of pip, of one environment or of all."""
        return frozenset(
            name
            for _, one in self.every
            if prefix in (None, one.prefix)
            for name, _ in (*one.names, *one.pip)
        )


def _is_tools_only(install: CondaInstall) -> bool:
    names = {name for name, _ in (*install.names, *install.pip)}
    return bool(names) and names <= TOOLS and not install.unknown


def manager_at_start(view: View, facts: StageFacts, wants: Wants, found: Installs) -> Evidence | None:
    """Return what starts conda, or activates an environment, when the container starts."""
    for name, evidence in wants.commands:
        started = posixpath.basename(name)
        if started in SUPERVISORS or started in _THAT_START_CONDA:
            return evidence
        if started in MANAGERS or started in ("activate", "conda-env"):
            return evidence
    for path, evidence in _sourced_files(facts, wants):
        is_script = posixpath.basename(path) in (
            "activate",
            "conda.sh",
            "mamba.sh",
        ) and not facts.end.is_file(path)
        if is_script and not any(is_under(path, prefix) for prefix in found.environments):
            return evidence
    shell = runner_shell(facts)
    if shell is not None:
        return evidence_of(shell.instruction, view.name)
    return unread_script(facts, wants, found)


def unread_script(facts: StageFacts, wants: Wants, found: Installs) -> Evidence | None:
    """Return what starts a script that the Dockerfile writes or fetches: what it needs isn't seen."""
    written = {
        path
        for _, effect in facts.effects()
        if effect.role is Role.SETUP and effect.tool != "ln"  # what a link leads to is told by its name
        for path in effect.writes
    }
    for fact in facts.facts:
        if fact.keyword in ("COPY", "ADD") and fact.instruction.heredocs and fact.destination:
            written.add(fact.destination)
    fetched = [
        p for _, e in facts.effects() if e.role is Role.FETCH and e.ecosystem != "conda" for p in e.writes
    ]
    for name, evidence in (*wants.commands, *_sourced_files(facts, wants)):
        path = facts.end.path(name) if "/" in name else ""
        if path and (facts.end.is_file(path) or any(is_under(path, one) for one in found.environments)):
            continue
        is_there = path in written if path else any(posixpath.basename(one) == name for one in written)
        is_fetched = any(path and is_under(path, one) for one in fetched)
        if (is_there or is_fetched) and placed_path(facts, name) is None:
            return evidence
    return None


def _sourced_files(facts: StageFacts, wants: Wants) -> list[tuple[str, Evidence]]:
    """Return the files that start commands and the scripts behind them read, as paths of the image."""
    inner = [(facts.end.path(name), one) for name, one in wants.code.paths if context_path(name) is None]
    return [*wants.files, *inner]


def runner_shell(facts: StageFacts) -> Fact | None:
    """Return the first SHELL that runs everything behind it by `conda run`."""
    for fact in facts.facts:
        words = fact.instruction.exec_form if fact.keyword == "SHELL" else None
        if words and behind_runner(words) != words:
            return fact
    return None


def starts_installed_manager(facts: StageFacts, wants: Wants) -> bool:
    """Whether a tool is started that conda's image doesn't have: mamba in Miniconda's."""
    started = {posixpath.basename(name) for name, _ in wants.commands}
    return bool(started & MANAGERS - set(facts.base.commands))


_WAITING = (("tail", "-f", "/dev/null"), ("tail", "-F", "/dev/null"), ("sleep", "infinity"))
"""What keeps a container open for those who work in it, with a shell."""


def login_at_start(view: View, facts: StageFacts, wants: Wants) -> Evidence | None:
    """Return what starts a shell that reads the user's start-up files: a login shell, or one for people."""
    for start in starts(view, facts):
        words = start.argv or ()
        if start.shell is not None and start.kind == "command":
            words = (*facts.end.shell, start.shell)
        if tuple(words) in _WAITING:
            return start.evidence
        if not words or posixpath.basename(words[0]) not in SHELLS:
            continue
        if facts.end.variables.get("BASH_ENV", "").endswith(STARTUP_FILES):
            return start.evidence
        script = parse_script(words[-1]) if len(words) > 1 else None
        inner = script.commands[-1].words if script is not None and script.commands else ()
        opened = [word.literal for word in inner if word.literal != "exec"] if inner else list(words)
        if starts_as_login(tuple(words[:-1] or words)) or (
            len(opened) == 1
            and posixpath.basename(opened[0] or "") in SHELLS
            and start.evidence.file == view.name  # who looks into a running container may do so elsewhere
        ):
            return start.evidence
    return next(
        (
            evidence
            for path, evidence in _sourced_files(facts, wants)
            if path.endswith(STARTUP_FILES) or path == "/etc/profile.d/conda.sh"
        ),
        None,
    )


def root_program(facts: StageFacts, wants: Wants, found: Installs) -> Evidence | None:
    """Return what starts a program of conda's own environment."""
    root = found.root
    if root is None:
        return None
    first = first_on_path(facts.end)
    entries = [posixpath.normpath(entry) for entry in facts.end.variables.get("PATH", "").split(":") if entry]
    is_on_path = posixpath.join(root, "bin") in entries
    for name, evidence in wants.commands:
        command = posixpath.basename(name)
        if name.startswith("/"):
            if is_under(name, posixpath.join(root, "bin")):
                return evidence
            continue
        if "/" in name or not is_on_path:
            continue
        if first != root and first is not None and _has_command(found, first, command):
            continue
        if command in _OF_ROOT or command.startswith("python3.") or command in PYTHON.programs:
            return evidence
        if facts.base.family == "continuumio/anaconda3" and not _is_of_system(facts, command):
            return evidence
    return None


_READ = (".py", ".sh", ".bash", ".conf", ".ini", ".cfg", ".toml", ".service", ".yml", ".yaml")
_OF_BUILDS = ("dockerfile", "containerfile", "singularity", "makefile", "jenkinsfile", "license", "readme")


def names_root(view: View, facts: StageFacts, found: Installs) -> Evidence | None:
    """Return what names a file of conda's own folder beside its environments: it may be needed there."""
    root = found.root
    if root is None or root in SYSTEM_FOLDERS:
        return None

    def named(text: str) -> bool:
        paths = re.findall(rf"(?<![\w/]){re.escape(root)}/[^\s:;\"',)\]}}]+", text)
        return any(not _is_of_environment(path, root, found) for path in paths)

    for fact in facts.facts:
        if fact.keyword in ("CMD", "ENTRYPOINT", "HEALTHCHECK"):
            text = fact.instruction.text
        else:
            pairs = fact.instruction.pairs if fact.keyword == "ENV" else ()
            text = " ".join(value or "" for name, value in pairs if name != "PATH")
        if named(text):
            return evidence_of(fact.instruction, view.name)
        for effect in fact.effects:
            is_start_up = any(path.startswith("/etc/profile.d") for path in effect.writes)
            if effect.role is Role.SETUP and not is_start_up and named(" ".join(effect.reads)):
                return evidence_of(fact.instruction, view.name)
    sources = [placed for fact in facts.facts for placed in fact.placed]
    names = [
        name
        for placed in sources
        for name in (view.context.files(placed.source) if placed.is_folder else (placed.source,))
        if name.endswith(_READ) or "." not in posixpath.basename(name)
    ]
    for name in dict.fromkeys(names[:5000]):
        is_of_builds = posixpath.basename(name).lower().startswith(_OF_BUILDS) or name.startswith(".")
        text = "" if is_of_builds else view.context.read_text(name) or ""
        for number, line in enumerate(text.splitlines(), 1) if root in text else ():
            if named(line):
                return Evidence(name, number, line.strip()[:120])
    return None


def _is_of_environment(path: str, root: str, found: Installs) -> bool:
    """Whether a path lies in an environment, or is one that every shell's set-up names."""
    if any(is_under(path, prefix) for prefix in found.environments):
        return True
    return path.startswith(f"{root}/envs/$") or path == f"{root}/envs"


def _has_command(found: Installs, prefix: str, command: str) -> bool:
    """Whether an environment is known to have a command."""
    names = found.names(prefix) or found.names()  # one that was packed has what was packed
    if command in names or command.replace("_", "-") in names:
        return True
    # most packages of pip, and these of conda, bring Python
    has_python = "python" in names or any(
        one.pip or one.unknown for _, one in found.every if one.prefix == prefix
    )
    if command.rstrip("0123456789.") in ("python", "pip", "pydoc"):
        return has_python
    return has_python and command in PYTHON.programs


def _is_of_system(facts: StageFacts, command: str) -> bool:
    return command in knowledge.minimal_commands(facts.base.system) or any(
        command in knowledge.commands_of(name) for name in facts.base.installs
    )


def provided(
    facts: StageFacts, name: str, carried: Sequence[str], names: frozenset[str] | set[str], has_root: bool
) -> str | None:
    """Say where an environment has a command."""
    for place in carried:
        if name.startswith(f"{place}/"):
            return f"{name}, copied"
    command = posixpath.basename(name)
    if "/" in name or placed_path(facts, name) is not None:
        return None
    if command in names or (not _is_of_system(facts, command) and not _is_of_author(facts, command)):
        if has_root and command in (*MANAGERS, "activate"):
            return "conda itself, copied or the base's"
        return f"{carried[0]}/bin, copied"
    return None


def _is_of_author(facts: StageFacts, command: str) -> bool:
    """Whether a package of the distribution that the author installs brings a command."""
    return any(
        word is not None and (command == word.text or command in knowledge.commands_of(word.text))
        for _, effect in facts.effects()
        for word in effect.packages
    )


def installs_at_start(view: View, facts: StageFacts) -> Refused | None:
    """Return the obstacle that an environment is made or changed when the container starts."""
    for start in starts(view, facts):
        text = shlex.join(start.argv) if start.argv is not None else start.shell or ""
        texts = [text]
        for word in (start.argv or ())[:4]:
            path = placed_path(facts, word) or facts.end.path(word)
            if facts.end.is_file(path) and path.endswith((".sh", ".bash")):
                texts.append(facts.end.read(path) or "")
            elif " " in word:
                texts.append(word)
        for one in texts:
            script = parse_script(one)
            for command in script.commands if script is not None else ():
                words = operands(
                    [word.literal for word in command.words], ("-n", "-p", "--name", "--prefix", "-c")
                )
                is_conda = posixpath.basename(command.name or "") in MANAGERS
                if is_conda and words[:1] in (("create",), ("install",), ("update",), ("env",)):
                    detail = f"`{command.name} {words[0]}` runs when the container starts"
                    return Refused("compiles-at-start", detail, (start.evidence,))
    return None
