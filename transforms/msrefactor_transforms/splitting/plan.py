"""What an ecosystem says of a stage that is to be split, and how ecosystems are found."""

from __future__ import annotations

import enum
import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from msrefactor.code.needs import EMPTY, CodeNeeds
from msrefactor.facts import Effect, Interpreter, Scope, StageFacts
from msrefactor.model import Evidence, Refused, Replacement, View
from msrefactor.shell import Command


class Level(enum.Enum):
    """How far the final stage's base is from the builder's."""

    SHARED = "A"
    """The same image in both stages."""
    SLIM = "B"
    """The slim variant of the same release."""
    RUNTIME = "C"
    """A base that only runs things: a JRE, a web server, plain Debian."""
    MINIMAL = "D"
    """Distroless or scratch: only for what is proved static."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A path that the builder makes and the final stage copies, at the same place."""

    path: str
    after: int
    """Index of the instruction of the original stage after which it is complete."""
    why: str
    is_folder: bool = True
    destination: str = ""
    """Where it goes, when that isn't the same place: a folder that was filled as the root of a system."""


@dataclass(frozen=True, slots=True)
class RuntimePackage:
    """A package of the distribution that the final stage needs, and who says so."""

    name: str
    evidence: Evidence
    why: str


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """What one ecosystem knows of the stage. The mechanism that carries it out knows no ecosystem."""

    ecosystem: str
    level: Level
    runtime_image: str
    """The final stage's base, as FROM is to name it."""
    builder_image: str | None = None
    """The builder's base where it has to change (its release written out); None: as it is."""
    build_prelude: tuple[str, ...] = ()
    """Instructions to put into the builder before the first instruction of the build."""
    prelude_before: int | None = None
    """Index of the instruction that the prelude goes before."""
    build_epilogue: tuple[str, ...] = ()
    """Instructions to put into the builder after the last instruction of the build."""
    epilogue_reads: tuple[str, ...] = ()
    """Folders of the image that these build from: what comes there, or prepares the system, stays."""
    removed: tuple[str, ...] = ()
    """Folders that the builder removes in the end where an artifact holds them."""
    runtime_prelude: tuple[str, ...] = ()
    """Instructions to put into the final stage before its first artifact."""
    runtime_opening: tuple[str, ...] = ()
    """Instructions to put right behind the final stage's FROM: what the author's base had done."""
    has_libraries: bool = False
    """Whether the artifacts bring shared libraries to folders where the loader finds them by its cache."""
    artifacts: tuple[Artifact, ...] = ()
    """Artifacts beside those that follow from what the build commands write."""
    dropped: tuple[str, ...] = ()
    """Folders of the image that hold only what the build reads: copies of the context into them aren't
    replayed. What runs needs of them is in `artifacts`."""
    tools: tuple[str, ...] = ()
    """Paths of the image that hold tools which only the build starts: a compiler unpacked there, a package
    manager copied from another image. Nothing of them is in the final stage, nor a link to one."""
    build_files: frozenset[str] = frozenset()
    """Files of the image that only the build reads, proved not to be needed by what runs."""
    build_environment: frozenset[str] = frozenset()
    """Variables that only the build reads; the final stage needn't set them."""
    build_packages: frozenset[str] = frozenset()
    """Packages of the author's list that are proved to serve the build only."""
    replayed: frozenset[tuple[int, int]] = frozenset()
    """Commands that run in the final stage as they do in the builder, by the index of the instruction and
    the position in its RUN; the builder keeps those that its later steps read something of."""
    built: frozenset[tuple[int, int]] = frozenset()
    """Set-up commands that stay in the builder: nothing of them is repeated in the final stage."""
    unneeded: frozenset[str] = frozenset()
    """Outputs of the build that nothing in the container uses."""
    edits: Mapping[int, tuple[tuple[int, int, str], ...]] = field(default_factory=dict)
    """Changes to the builder's instructions: index to spans of the source."""
    packages: tuple[RuntimePackage, ...] = ()
    """Packages that the final stage needs beside the author's."""
    provides: Callable[[str], str | None] = lambda command: None
    """Says in words where an artifact has a command, or None."""
    code: CodeNeeds = EMPTY
    """What the application's source uses at run time."""
    explicit_workdir: bool = False
    replacement: Replacement | None = None
    """A server that is started instead of the author's command: then the final stage has the artifacts, the
    prelude and what configures the image, and nothing else."""
    obsolete: frozenset[int] = frozenset()
    """Indices of the instructions that only served what is replaced."""
    assumptions: tuple[str, ...] = ()
    """What isn't proved; with any of them the change is for review."""
    proved: frozenset[str] = frozenset()
    """Assumptions of single commands that the whole stage proves."""
    evidence: tuple[Evidence, ...] = ()
    reason: str = ""
    """One clause: what the split does, for the report."""
    saved_mb: float = 0.0
    """Estimated saving by the base and by what is pruned, in megabytes."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Something an earlier stage installed or built that the final stage starts and doesn't have."""

    stage: int
    """Index of the stage that has it."""
    path: str
    """Where that stage has it."""
    destination: str
    """Where the final stage needs it."""
    reason: str
    """One clause: what breaks without it."""
    evidence: tuple[Evidence, ...]
    flags: str = ""
    """Flags of the copy, such as `--chown=app:app`."""
    build_prelude: tuple[str, ...] = ()
    prelude_before: int | None = None
    runtime_prelude: tuple[str, ...] = ()
    edits: Mapping[int, tuple[tuple[int, int, str], ...]] = field(default_factory=dict)


def _nothing_missing(view: View, stages: Sequence[StageFacts]) -> Sequence[Missing] | Refused:
    return ()


@dataclass(frozen=True, slots=True)
class Spared:
    """What the final stage does without where an ecosystem builds something and nothing of it is started."""

    dropped: tuple[str, ...] = ()
    """Folders that only its build reads, as in `SplitPlan.dropped`."""
    unneeded: frozenset[str] = frozenset()
    """Outputs of its commands that only its own tools read."""
    removed: tuple[str, ...] = ()
    """Folders that the builder removes in the end where one that is copied holds them."""
    saved_mb: float = 0.0


def _nothing_spared(view: View, facts: StageFacts, code: CodeNeeds) -> Spared:
    return Spared()


def _no_code(view: View, facts: StageFacts) -> CodeNeeds:
    return EMPTY


def _not_asked(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    return None


@dataclass(frozen=True, slots=True)
class Ecosystem:
    """A language's knowledge: what its commands do, and what a running program of it needs."""

    name: str
    interpret: Interpreter
    plan: Callable[[View, StageFacts], SplitPlan | Refused | None]
    """None: nothing of this ecosystem is built here."""
    missing: Callable[[View, Sequence[StageFacts]], Sequence[Missing] | Refused] = _nothing_missing
    """What the last of several stages lacks of what the earlier ones installed."""
    programs: frozenset[str] = frozenset()
    """Commands that only run with this language's interpreter: the interpreter itself, servers and task
    runners. Empty for a language whose programs run alone. `python3.12` counts as `python`."""
    shares_programs: bool = False
    """Whether these are another language's too: they count only where this ecosystem builds something."""
    packages: frozenset[str] = frozenset()
    """Packages of the distributions that serve nothing but this language."""
    images: frozenset[str] = frozenset()
    """Families of base images whose tools are copied to other images; its own name where it is empty."""
    code: Callable[[View, StageFacts], CodeNeeds] = _no_code
    """What the source of this language in the image uses at run time, whatever is built of it."""
    spared: Callable[[View, StageFacts, CodeNeeds], Spared] = _nothing_spared
    """What the final stage does without where nothing of it is started; `code` is what the others use."""
    runs_on: Callable[[View, StageFacts], SplitPlan | Refused | None] = _not_asked
    """The base, packages and code of a plan for a stage whose programs of this language were built elsewhere,
    or not at all. None: the stage's base isn't one of this language's."""
    is_last_resort: bool = False
    """Whether it knows tools that all languages use (`make`): the others are asked first, and its plan
    counts only where no other has one."""


@functools.cache
def ecosystems() -> tuple[Ecosystem, ...]:
    """Return every ecosystem, in the order of their names, and the last resorts behind them."""
    import msrefactor_transforms.ecosystems as package

    found = [
        importlib.import_module(f"{package.__name__}.{module.name}").ECOSYSTEM
        for module in pkgutil.iter_modules(package.__path__)
        if not module.name.startswith("_")
    ]
    return tuple(sorted(found, key=lambda ecosystem: (ecosystem.is_last_resort, ecosystem.name)))


@functools.cache
def interpreters() -> tuple[Interpreter, ...]:
    """Return the interpreters of all ecosystems; their effects carry the ecosystem's name."""
    return tuple(functools.partial(_named, ecosystem) for ecosystem in ecosystems())


def _named(ecosystem: Ecosystem, command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    effect = ecosystem.interpret(command, argv, scope)
    if effect is None or effect.ecosystem:
        return effect
    return replace(effect, ecosystem=ecosystem.name)
