"""The words the whole tool speaks: what is seen, what may be done, and how it ended.

Everything here is a value: frozen, compared by content, safe to share. Expected endings are values too
(`Changed`, `Unchanged`, `Refused`); exceptions are for bad input and for bugs.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from msrefactor.context import BuildContext
    from msrefactor.tree import Dockerfile
    from msrefactor.uses import Use
    from msrefactor.verification.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a fact was read: the file as the user calls it, its 1-based line if any, the text there."""

    file: str
    line: int | None
    text: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.text}" if self.text else place


class Risk(enum.Enum):
    """How sure a change is."""

    SAFE = "safe"
    """The runtime contract is kept and every need was found in the new final stage."""
    REVIEW = "review"
    """Rests on a named assumption; done only with `--unsafe`."""
    SUGGEST = "suggest"
    """Shown, never written."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a transform did, as a reviewer wants it told."""

    reason: str
    """A clause a reviewer can act on, without a final stop."""
    risk: Risk = Risk.SAFE
    line: int | None = None
    """The line in the file before the change that it is about."""
    evidence: tuple[Evidence, ...] = ()
    assumptions: tuple[str, ...] = ()
    """What must hold and wasn't proved; never empty when the risk is REVIEW."""
    saved_mb: float | None = None
    """Estimated decrease of the final image in megabytes (10^6 bytes)."""


@dataclass(frozen=True, slots=True)
class Removal:
    """An instruction of the file before that is left out on purpose, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Replacement:
    """A web server that takes the place of the program that only handed out files.

    A transform has to declare it: then the check proves it by rules of its own, and any other change of what
    is started stays a fault.
    """

    tool: str
    """What was started."""
    command: tuple[str, ...]
    """CMD of the final stage."""
    configuration: str
    """The file of the final stage that says where it listens and what it hands out."""
    folder: str
    port: int
    port_variable: str = ""
    """The variable that the port is read from at the start; `port` is its value when nobody sets it."""
    user: str | None = None
    """USER of the final stage, where the author's name for it isn't known there."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that the new server reads, and their values."""
    upstreams: tuple[str, ...] = ()
    """Other servers that it forwards requests to, as the old one did."""


@dataclass(frozen=True, slots=True)
class OtherFile:
    """A file of the build context, beside the Dockerfile, that a transform makes or adds to."""

    path: Path
    """Absolute."""
    before: str | None
    """None: there is no such file."""
    after: str


@dataclass(frozen=True, slots=True)
class Changed:
    """The transform has a new file to offer."""

    dockerfile: Dockerfile
    changes: tuple[Change, ...]
    removals: tuple[Removal, ...] = ()
    """Every instruction that isn't in the new file any more; the check compares."""
    needs: tuple[Need, ...] = ()
    """The runtime contract as far as the transform proved it, for `--explain`."""
    replacement: Replacement | None = None
    others: tuple[OtherFile, ...] = ()
    told: tuple[Refused, ...] = ()
    """What was found beside the changes, and is left to the reader."""
    moved: tuple[tuple[str, str], ...] = ()
    """Folders that the final image has at another place now, each with the new one; ENV names the new one."""

    @property
    def risk(self) -> Risk:
        """The highest risk of its changes."""
        order = list(Risk)
        return max((change.risk for change in self.changes), key=order.index, default=Risk.SAFE)


@dataclass(frozen=True, slots=True)
class Suggested:
    """The transform could change something, and does when it is selected by name."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """There is nothing for the transform to do."""

    reason: str
    told: tuple[Refused, ...] = ()
    """What keeps nothing from working and is still worth knowing; only `--explain` tells it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The transform would apply, but something it must know isn't known."""

    code: str
    """The obstacle's name in kebab-case, one of `REFUSALS`."""
    detail: str
    """What was met, as one clause."""
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""
    """What would lift the obstacle, as an instruction to the reader; by default the one in `REFUSALS`."""
    told: tuple[Refused, ...] = ()
    """Further obstacles in the same file, each of its own."""

    @property
    def is_asked_for(self) -> bool:
        """Whether the file's own author wants it so, by a pragma."""
        return self.code == "ignored-by-pragma"


Outcome: TypeAlias = Changed | Suggested | Unchanged | Refused


class NeedKind(enum.Enum):
    """What a running container can need."""

    COMMAND = "command"
    PATH = "path"
    LIBRARY = "library"
    PACKAGE = "package"
    USER = "user"
    ENVIRONMENT = "environment"


COPIED = "copied"
"""Where a file of the build context is: the `Need.provider` of what a COPY brings."""
COPIED_FROM_BUILDER = "copied from the builder"
"""The `Need.provider` of what a build step made."""


@dataclass(frozen=True, slots=True)
class Need:
    """Something the running container uses, who says so, and where the final stage has it."""

    kind: NeedKind
    name: str
    evidence: Evidence
    provider: str | None = None
    """Where the final stage has it, in words; None while not found."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose; the same for every file of a run."""

    unsafe: bool = False
    runtime: str = "smallest"
    """The lowest runtime base allowed: `smallest` (scratch where proved), `distroless` or `slim`."""
    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    suggestions: bool = False
    """Whether transforms that only suggest are asked, too."""
    unsafe_for: frozenset[str] = frozenset()
    """Transforms whose changes may rest on an assumption although `unsafe` isn't set."""
    base_images: tuple[tuple[str, str], ...] = ()
    """Names of a company's copies of public images, and the public names; both end in a slash, or none."""
    pragmas: bool = True
    """Whether comments `# msrefactor: …` are obeyed."""
    origins: tuple[str, ...] = ()
    """What set which of these, for `--explain`: `runtime = "slim" (msrefactor.toml)`."""

    def of(self, transform: str) -> Settings:
        """Return the settings as one transform gets them."""
        if self.unsafe or transform not in self.unsafe_for:
            return self
        return replace(self, unsafe=True)


@dataclass(frozen=True, slots=True)
class View:
    """Everything a transform may look at."""

    dockerfile: Dockerfile
    context: BuildContext
    uses: tuple[Use, ...] = ()
    path: Path | None = None
    settings: Settings = field(default_factory=Settings)

    @property
    def name(self) -> str:
        """The file as the user calls it, for evidence."""
        return str(self.path) if self.path is not None else "Dockerfile"


class Phase(enum.IntEnum):
    """When a transform runs; within a phase the order is by name."""

    REPAIR = 10
    SPLIT = 20
    SHRINK = 30
    REORDER = 40
    JOIN = 45
    CLEAN = 50
    MOUNT = 60
    CONTEXT = 70


@dataclass(frozen=True, slots=True)
class Transform:
    """A rewrite: a name, when it runs, and a pure function."""

    name: str
    summary: str
    phase: Phase
    apply: Callable[[View], Outcome]
    by_default: bool = True
    """False: it runs only when selected by name."""
    is_suggestion: bool = False
    """Whether it is worth telling of when it isn't selected; nothing is changed then."""
    edits_stand_alone: bool = False
    """Whether each instruction's edit is right without the others: a pragma then takes away only its own."""


@dataclass(frozen=True, slots=True)
class Step:
    """One transform's turn on one file."""

    transform: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Result:
    """All that happened to one file; the diff, the reports and the exit code are functions of it."""

    path: Path | None
    before: str
    after: str
    steps: tuple[Step, ...] = ()
    others: tuple[OtherFile, ...] = ()
    error: str | None = None
    """One line `line:column: message` when the file couldn't be read or parsed."""
    internal_error: str | None = None
    """What our own check found wrong with our own output; the file is left alone."""
    warnings: tuple[str, ...] = ()
    """What is wrong with the file's own pragmas: `line:column: message`."""
    origins: tuple[str, ...] = ()
    """What set which of the settings."""
    verdict: Verdict | None = None
    """What a real build of both texts said; None without --verify."""

    @property
    def is_changed(self) -> bool:
        """Whether the text, or a file beside the Dockerfile, differs."""
        return self.before != self.after or bool(self.others)


REFUSALS: Mapping[str, tuple[str, str]] = {
    "ambiguous-ecosystem": (
        "more than one language builds something here",
        "split the file by language, or name the artifacts with COPY --from yourself",
    ),
    "base-unknown": (
        "nothing is known about the base image",
        (
            "use an official image, name the one it is a copy of in `base-images`, or write down in the "
            "Dockerfile what the image sets"
        ),
    ),
    "build-variable": (
        "a build step depends on a variable without a default",
        "give the ARG a default value",
    ),
    "check-failed": ("the result did not pass the static proof", "please report it with the Dockerfile"),
    "compiles-at-start": (
        "the container builds or installs something when it starts",
        "build in a RUN step and start the result",
    ),
    "context-unknown": (
        "the build context can't be seen",
        "run in the project's folder, or name it with --context",
    ),
    "development-image": (
        "the container is made for work on the source",
        "write a Dockerfile for production beside it",
    ),
    "fails-today": (
        "it can't work as it is written, and no repair of it is proved",
        "repair it by hand",
    ),
    "install-reads-source": ("the install step reads the application's source", "nothing to do"),
    "install-mode": (
        "the install step is written in a form that isn't understood",
        "use a plain install command",
    ),
    "onbuild": ("ONBUILD triggers run in other people's builds", "move them into the images that need them"),
    "opaque-step": (
        "a RUN step isn't understood, so nobody knows what it writes",
        "write it in plain POSIX shell, or move it into a script of its own stage",
    ),
    "parsers-disagree": (
        "dockerfile-parse reads this file differently",
        "write the instruction it misreads in a plainer form",
    ),
    "runtime-library": (
        "the run-time library of a build package isn't known",
        "add the run-time package to the install list",
    ),
    "unknown-artifact": (
        "what the build produces, or where, isn't known",
        "name the output in the build command (for example with -o)",
    ),
    "unknown-release": (
        "which distribution release the base image has isn't known",
        "write the release into the tag",
    ),
    "no-effect": (
        "what is written there does nothing for the image that is built",
        "write it where it counts, or leave it out",
    ),
    "need-not-found": (
        "something the container uses wasn't found in the final stage",
        "copy or install it explicitly",
    ),
    "unproved": ("the split rests on an assumption", "read the assumption and pass --unsafe"),
    "ignored-by-pragma": (
        "a comment `# msrefactor: …` in the file keeps it as it is",
        "remove the comment, or audit with --no-pragmas",
    ),
    "base-not-mirrored": (
        "the new base image has no name in `base-images`, and the file's own base has",
        "add the mirror's name of the image to base-images",
    ),
    "windows": ("Windows containers aren't handled", "nothing to do"),
}
"""Each obstacle's name: what it means, and what would lift it."""
