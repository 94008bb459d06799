"""Where a stage's Python packages lie, and how both stages come to have them there."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msrefactor.code.needs import EMPTY, CodeNeeds
from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Fact, StageFacts, is_under
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._python_commands import INSTALLERS, PLUMBING, Install, Made
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.plan import Artifact

VENV = "/opt/venv"
"""Where the builder makes a virtual environment for what the author installs into the image's own Python."""


def installs_of(facts: StageFacts) -> list[tuple[Fact, Effect, Install]]:
    """Return every install, with the environment that it goes to where PATH leads to one made before."""
    found: list[tuple[Fact, Effect, Install]] = []
    made: list[str] = []
    for fact, effect in facts.effects():
        if isinstance(effect.detail, Made):
            made.append(effect.detail.path)
        if not isinstance(effect.detail, Install):
            continue
        install = effect.detail
        if install.where == "system":
            entries = [entry.rstrip("/") for entry in fact.scope.variables.get("PATH", "").split(":")]
            ahead = itertools.takewhile(lambda entry: entry not in ("/usr/local/bin", "/usr/bin"), entries)
            active = next((path for entry in ahead for path in made if entry == f"{path}/bin"), None)
            install = replace(install, where=active) if active is not None else install
        found.append((fact, effect, install))
    return found


def is_tools_only(install: Install, code: CodeNeeds = EMPTY) -> bool:
    """Whether only tools that install others are installed, none of which the source imports."""
    if code.imports & {"setuptools", "pkg_resources", "pip", "wheel"}:
        return False
    if install.tool != "pip" or install.files or install.unknown:
        return False
    names = {name for name, _ in install.names}
    return names <= (INSTALLERS | PLUMBING)


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the packages are, and what both stages need for it."""

    artifacts: tuple[Artifact, ...]
    prelude: tuple[str, ...] = ()
    before: int | None = None
    runtime_prelude: tuple[str, ...] = ()
    edits: dict[int, tuple[tuple[int, int, str], ...]] | None = None
    folder: str = ""

    def provides(self, command: str) -> str | None:
        """Say where a command of the packages is."""
        name = posixpath.basename(command)
        if self.folder and command.startswith(self.folder + "/"):
            return f"{command}, copied"
        if self.folder and "/" not in command and name in KNOWN_SCRIPTS:
            return f"{self.folder}/bin, copied"
        return None


KNOWN_SCRIPTS = frozenset(
    "gunicorn uvicorn flask celery hypercorn daphne waitress-serve uwsgi alembic django-admin streamlit "
    "fastapi honcho dramatiq rq huey mkdocs ansible scrapy airflow gradio chainlit litestar granian "
    "supervisord supervisorctl python python3".split()
)


def environment_of(
    view: View, facts: StageFacts, real: Sequence[tuple[Fact, Effect, Install]]
) -> Environment | Refused:
    """Choose how the packages reach the final stage."""
    explicit: list[Artifact] = []
    system: list[tuple[Fact, Effect, Install]] = []
    for fact, effect, install in real:
        where = install.where
        if where == "poetry":
            where = _poetry_where(facts, fact)
        if where == "system":
            system.append((fact, effect, install))
        elif where.startswith("/"):
            if not fact.scope.is_home_known and is_under(where, fact.scope.home):
                return Refused(
                    "install-mode",
                    f"the home folder of user {fact.scope.user} isn't known",
                    (evidence_of(fact.instruction, view.name),),
                )
            explicit.append(Artifact(where, fact.index, "the installed packages"))
    if not system:
        return Environment(_latest(explicit), folder=explicit[-1].path if explicit else "")
    last = system[-1][0].index
    if facts.base.family == "pypy":
        return Refused(
            "install-mode",
            f"where {facts.base.reference.text} keeps installed packages isn't known",
            (evidence_of(system[-1][0].instruction, view.name),),
            "install into a virtual environment",
        )
    if (facts.base.version or "").partition(".")[0] == "2":
        return Refused(
            "install-mode",
            f"{facts.base.reference.text} has no module to make virtual environments",
            (evidence_of(system[-1][0].instruction, view.name),),
            "move to Python 3",
        )
    hard = _names_system_paths(view, facts)
    if hard is not None or facts.base.family != "python" or not _path_is_inherited(facts):
        return _system_prefix(view, facts, (*explicit,), last, hard)
    first = _first_install(facts)
    edits: dict[int, tuple[tuple[int, int, str], ...]] = {}
    for fact, _, install in system:
        if install.drops_system_flag is not None:
            if fact.offset is None:
                return Refused(
                    "install-mode",
                    "uv's --system can't be taken out of this RUN",
                    (evidence_of(fact.instruction, view.name),),
                )
            start, end = fact.offset(*install.drops_system_flag)
            source = fact.instruction.source
            while start > 0 and source[start - 1] == " ":
                start -= 1
            edits[fact.index] = (*edits.get(fact.index, ()), (start, end, ""))
    python = "python3" if facts.base.family != "python" else "python"
    path = f'ENV PATH="{VENV}/bin:$PATH"\n'
    uses_active = any(install.tool in ("poetry", "pipenv", "uv") for _, _, install in system)
    active = f'ENV VIRTUAL_ENV={VENV} PATH="{VENV}/bin:$PATH"\n' if uses_active else path
    artifact = Artifact(VENV, last, "the virtual environment with the installed packages")
    return Environment(
        (*_latest(explicit), artifact),
        prelude=(f"RUN {python} -m venv {VENV}\n", active),
        before=first,
        runtime_prelude=(path,),
        edits=edits,
        folder=VENV,
    )


def _latest(artifacts: Sequence[Artifact]) -> tuple[Artifact, ...]:
    found: dict[str, Artifact] = {}
    for artifact in artifacts:
        found[artifact.path] = artifact
    return tuple(found.values())


def _first_install(facts: StageFacts) -> int | None:
    """Return the first instruction that installs into the environment: not the installers themselves."""
    for fact in facts.facts:
        for effect in fact.effects:
            if isinstance(effect.detail, Install):
                names = {name for name, _ in effect.detail.names}
                if not (is_tools_only(effect.detail) and names & INSTALLERS):
                    return fact.index
    return None


def _poetry_where(facts: StageFacts, fact: Fact) -> str:
    """Return where poetry installs: the image's Python, the project, or its folder of environments."""
    settings = dict(fact.scope.variables)
    for other in facts.facts[: fact.index + 1]:
        for effect in other.effects:
            if isinstance(effect.detail, tuple) and effect.detail[:1] == ("poetry",):
                settings.update(dict(effect.detail[1]))
    # an active environment counts before every setting
    if settings.get("VIRTUAL_ENV"):
        return fact.scope.path(settings["VIRTUAL_ENV"])
    toml = fact.scope.read(fact.scope.path("poetry.toml")) or ""
    create = settings.get("POETRY_VIRTUALENVS_CREATE", "true").lower()
    if create in ("false", "0") or re.search(r"^\s*create\s*=\s*false", toml, re.M):
        return "system"
    in_project = settings.get("POETRY_VIRTUALENVS_IN_PROJECT", "").lower()
    if in_project in ("true", "1") or re.search(r"^\s*in-project\s*=\s*true", toml, re.M):
        return fact.scope.path(".venv")
    folder = settings.get("POETRY_VIRTUALENVS_PATH")
    return fact.scope.path(folder) if folder else f"{fact.scope.home}/.cache/pypoetry/virtualenvs"


def _path_is_inherited(facts: StageFacts) -> bool:
    """Whether every ENV that sets PATH keeps what was in it."""
    for fact in facts.facts:
        if fact.keyword != "ENV":
            continue
        for key, value in fact.instruction.pairs:
            if key == "PATH" and "$PATH" not in (value or "") and "${PATH" not in (value or ""):
                return False
    return True


_SYSTEM_MARKS = ("/usr/local/bin/", "/usr/local/lib/python", "/usr/local/share/")


def _names_system_paths(view: View, facts: StageFacts) -> Evidence | None:
    """Return the first place that names a path of the image's Python, which a virtual environment moves."""
    own = {placed.destination for fact in facts.facts for placed in fact.placed}
    for fact in facts.facts:
        text = fact.instruction.source
        for mark in _SYSTEM_MARKS:
            for match in re.finditer(re.escape(mark) + r"[\w.\-/]*", text):
                path = match.group(0).rstrip("/")
                known = any(is_under(path, one) or path == one for one in own)
                made = any(is_under(path, w) for _, e in facts.effects() for w in e.writes)
                if (
                    not known
                    and not made
                    and fact.keyword not in ("COPY", "ADD")
                    and path != "/usr/local/bin"
                ):
                    return Evidence(view.name, fact.line, " ".join(text.split())[:120])
    for use in view.uses:
        joined = " ".join((*(use.argv or ()), use.shell or ""))
        if "/usr/local/bin/" in joined or "/usr/local/lib/python" in joined:
            return use.evidence
    starts = wanted(view, facts)
    for name, evidence in starts.commands:
        if name.startswith("/usr/local/bin/") and name not in own:
            return evidence
        if posixpath.basename(name) in ("cron", "crond", "su", "sudo", "runuser", "supervisord"):
            # these start programs with a PATH of their own
            return evidence
    return _shebang(facts)


def _shebang(facts: StageFacts) -> Evidence | None:
    context = facts.end.context
    for file in context.files():
        if not file.endswith((".py", ".sh", ".conf", ".ini", ".cfg")) and "." in posixpath.basename(file):
            continue
        text = context.read_text(file)
        if text is None or "/usr/local/" not in text:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if "/usr/local/bin/python" in line or "/usr/local/lib/python" in line:
                return Evidence(file, number, line.strip()[:120])
    return None


def _system_prefix(
    view: View, facts: StageFacts, explicit: tuple[Artifact, ...], last: int, reason: Evidence | None
) -> Environment | Refused:
    """Copy the packages from where the image's own Python has them."""
    base = facts.base
    why = "the installed packages"
    if base.family == "python":
        match = re.match(r"3\.\d+", base.version or "")
        if match is None:
            return Refused(
                "install-mode",
                f"which Python {base.reference.text} has isn't written in its tag, and paths of it are named",
                (reason,) if reason else (),
                "write the minor version into the tag, for example python:3.12",
            )
        folder = f"/usr/local/lib/python{match.group(0)}/site-packages"
    elif (base.system == "debian" and base.release in _DEBIAN_PYTHON) or (
        base.system == "ubuntu" and base.release in _DEBIAN_PYTHON
    ):
        folder = f"/usr/local/lib/python{_DEBIAN_PYTHON[base.release]}/dist-packages"
    else:
        return Refused("unknown-release", f"which Python {base.reference.text} has isn't known")
    artifacts = (
        *_latest(explicit),
        Artifact(folder, last, why),
        Artifact("/usr/local/bin", last, "the commands of the installed packages"),
    )
    return Environment(artifacts, folder="/usr/local")


_DEBIAN_PYTHON = {
    "bullseye": "3.9",
    "bookworm": "3.11",
    "trixie": "3.13",
    "focal": "3.8",
    "jammy": "3.10",
    "noble": "3.12",
}
"""The `python3` of each release, from its package index."""
