"""Python: pip, poetry, pipenv and uv; virtual environments; what slim images lack.

Where the author installs into the image's own Python, the builder makes a virtual environment at one fixed
path and the final stage copies it; where paths of `/usr/local` are named somewhere, the packages stay there
and are copied from there. Sources: the documentation of pip, poetry, pipenv and uv (its Docker guide), and
docker-library's Dockerfiles of the python images.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from msrefactor.code.needs import EMPTY, CodeNeeds
from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Fact, StageFacts
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._python_commands import Install, interpret
from msrefactor_transforms.ecosystems._python_environment import environment_of, installs_of, is_tools_only
from msrefactor_transforms.ecosystems._python_repair import missing
from msrefactor_transforms.knowledge.native import python_native
from msrefactor_transforms.splitting.bases import saved_by_base, slim_base
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.packages import lost_compiler_libraries, lost_cxx_compiler
from msrefactor_transforms.splitting.plan import Ecosystem, Level, RuntimePackage, SplitPlan


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that installs Python packages is split."""
    installs = installs_of(facts)
    if not installs:
        return None
    code = code_needs(view, facts)
    real = [entry for entry in installs if not is_tools_only(entry[2], code)]
    if not real:
        return None
    base = facts.base
    if base.system in ("unknown", "windows"):
        return Refused(
            "base-unknown",
            f"nothing is known about {base.reference.text}",
            (evidence_of(facts.facts[0].instruction, view.name),),
        )
    if any("conda" in effect.tool for _, effect in facts.effects()):
        return Refused("install-mode", "conda environments are installed")
    based = _based(view, facts, installs, code)
    if isinstance(based, Refused):
        return based
    environment = environment_of(view, facts, real)
    if isinstance(environment, Refused):
        return environment
    manifests = {file for _, _, install in installs for file in install.files if not file.endswith("/")}
    unread = build_files(view, facts, manifests | _installer_binaries(view, facts))
    return replace(
        based,
        build_prelude=environment.prelude,
        prelude_before=environment.before,
        runtime_prelude=environment.runtime_prelude,
        artifacts=environment.artifacts,
        edits=environment.edits or {},
        provides=environment.provides,
        build_files=unread,
        reason=f"install the packages in a builder stage; the final stage starts from {based.runtime_image}",
    )


def runs_on(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return which image of Python runs a program for which nothing more is built."""
    if facts.base.family != "python":
        return None
    compiled = next((path for path in _placed_files(view, facts) if path.endswith(".so")), None)
    if compiled is not None:
        return Refused("runtime-library", f"which libraries {compiled} needs isn't known")
    return _based(view, facts, installs_of(facts), code_needs(view, facts))


def _based(
    view: View, facts: StageFacts, installs: Sequence[tuple[Fact, Effect, Install]], code: CodeNeeds
) -> SplitPlan | Refused:
    """Return the final stage's base, and what the installed packages need on it."""
    base = facts.base
    level, runtime = slim_base(facts, "python")
    names = [pair for _, _, install in installs for pair in install.names]
    real = [entry for entry in installs if not is_tools_only(entry[2], code)]
    if level is Level.SLIM:
        unreadable = [text for _, _, install in real for text in install.unknown]
        unseen = [text for text in unreadable if text.endswith("which isn't in the build context")]
        if unseen or (unreadable and not view.context.known):
            return Refused("context-unknown", f"what is installed can't be read: {(unseen or unreadable)[0]}")
    packages: list[RuntimePackage] = []
    commands: list[tuple[str, Evidence]] = []
    if level is Level.SLIM:
        for name, evidence in names:
            native = python_native(name)
            if native is None:
                continue
            libraries = native.packages(base.system, base.releases)
            if libraries is None:
                return Refused(
                    "runtime-library", f"which libraries {name} needs on {runtime} isn't known", (evidence,)
                )
            why = f"{name} loads it" if native.is_wheel else f"{name} is linked with it"
            packages.extend(RuntimePackage(package, evidence, why) for package in libraries)
            commands.extend((command, evidence) for command in native.commands)
    # on the same base, what a compiler of the author's list brought is gone with it
    brought = lost_compiler_libraries(facts.facts, base) if level is Level.SHARED else ()
    for name, evidence in names if brought else ():
        native = python_native(name)
        wanted = native.packages(base.system, base.releases) if native is not None else None
        packages.extend(
            RuntimePackage(library, evidence, f"{name} loads it, and the compiler brought it")
            for library in wanted or ()
            if library in brought
        )
    compiler = lost_cxx_compiler(facts.facts, base)
    if compiler is not None:
        place = evidence_of(compiler.instruction, view.name)
        packages.append(RuntimePackage("libstdc++", place, "what g++ compiles loads it"))
    code = replace(code, commands=(*code.commands, *commands))
    if level is Level.SLIM and "tkinter" in code.imports:
        return Refused("need-not-found", "tkinter needs Tk, which slim images lack")
    return SplitPlan(
        ecosystem="python",
        level=level,
        runtime_image=runtime,
        packages=tuple(packages),
        code=code,
        saved_mb=saved_by_base(view, facts, runtime),
    )


def code_needs(view: View, facts: StageFacts) -> CodeNeeds:
    """Return what the Python source in the image uses at run time."""
    if not view.context.known:
        return EMPTY
    from msrefactor.code.python import python_needs_of

    sources = dict.fromkeys(path for path in _placed_files(view, facts) if path.endswith(".py"))
    return python_needs_of(view.context, tuple(sources))


def _placed_files(view: View, facts: StageFacts) -> Iterator[str]:
    """Yield the files of the context that are copied into the stage."""
    for fact in facts.facts:
        for placed in fact.placed:
            if placed.is_folder:
                yield from view.context.files(placed.source)
            else:
                yield placed.source


def build_files(view: View, facts: StageFacts, manifests: Iterable[str]) -> frozenset[str]:
    """Return the manifests that nothing but the install reads: no file that runs names them."""
    if not view.context.known:
        return frozenset()
    texts: list[tuple[str, str]] = []
    for fact in facts.facts:
        for placed in fact.placed:
            names = view.context.files(placed.source) if placed.is_folder else (placed.source,)
            for name in names:
                if name.endswith((".py", ".sh", ".cfg", ".toml", ".ini")) and len(texts) < 5000:
                    texts.append((name, view.context.read_text(name) or ""))
    kept: set[str] = set()
    for file in manifests:
        name = posixpath.basename(file)
        if any(
            name in text
            for source, text in texts
            if posixpath.basename(source) not in (name, "setup.py", "pyproject.toml")
        ):
            continue
        kept.add(file)
    return frozenset(kept)


def _installer_binaries(view: View, facts: StageFacts) -> set[str]:
    """Return uv's own binaries where they are copied from its image and nothing that runs starts uv."""
    if any(posixpath.basename(name) in ("uv", "uvx") for name, _ in wanted(view, facts).commands):
        return set()
    found: set[str] = set()
    for fact in facts.facts:
        if fact.from_stage is not None and "astral-sh/uv" in fact.from_stage and fact.destination:
            for word in fact.instruction.words[:-1]:
                found.add(posixpath.join(fact.destination, posixpath.basename(word.text)))
            found.add(fact.destination)
    return found


_PROGRAMS = frozenset(
    "python pypy pip gunicorn uvicorn flask celery hypercorn daphne waitress-serve uwsgi alembic "
    "django-admin streamlit fastapi honcho dramatiq rq huey mkdocs ansible scrapy airflow gradio chainlit "
    "litestar granian poetry pipenv uv".split()
)

ECOSYSTEM = Ecosystem(
    "python", interpret, plan, missing, programs=_PROGRAMS, code=code_needs, runs_on=runs_on
)
