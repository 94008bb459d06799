"""What is asked when a stage is to be split: everything the parts of the slice have in common."""

from __future__ import annotations

from dataclasses import dataclass

from msrefactor.commands import PackageCall
from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Fact, StageFacts, is_under
from msrefactor.knowledge.images import BaseImage
from msrefactor.model import Evidence, Refused, View
from msrefactor.tree import Instruction
from msrefactor_transforms.splitting.packages import fate, names_of, removed_packages
from msrefactor_transforms.splitting.plan import Level, RuntimePackage, SplitPlan

SYSTEM_FOLDERS = frozenset(
    "/ /usr /usr/local /usr/bin /usr/sbin /usr/lib /usr/local/bin /usr/local/lib /usr/local/share "
    "/usr/local/sbin /usr/share /usr/include /usr/src /bin /sbin /lib /lib64 /etc /var /var/lib /home /srv "
    "/opt /root".split()
)
"""Folders that hold things of many owners, so that none of them is an artifact as a whole."""


PACKAGE_SOURCES = (
    "/etc/apt/keyrings", "/etc/apt/sources.list.d", "/etc/apt/trusted.gpg", "/etc/apt/trusted.gpg.d",
    "/usr/share/keyrings", "/etc/yum.repos.d", "/etc/pki/rpm-gpg",
)  # fmt: skip
"""Where package sources beside the distribution's own are named, and their keys."""


class Obstacle(Exception):  # noqa: N818 - it carries an expected ending, not an error
    """A refusal met deep inside; `slicing.split` turns it into a value."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.detail)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Question:
    """One stage, how its ecosystem wants it split, and what the final stage has to have."""

    view: View
    facts: StageFacts
    plan: SplitPlan
    runtime: BaseImage
    """The final stage's base."""
    wanted: tuple[RuntimePackage, ...]
    """Packages that the needs of the container ask for."""

    @property
    def is_same_base(self) -> bool:
        """Whether both stages start from the same image."""
        return self.plan.level is Level.SHARED

    @property
    def removed(self) -> frozenset[str]:
        """Packages that the Dockerfile installs and removes again."""
        return removed_packages(self.facts.facts)

    @property
    def newline(self) -> str:
        """The file's own line end."""
        return self.view.dockerfile.newline

    @property
    def builder(self) -> str:
        """The name of the builder stage; the author's own name stays with the final stage."""
        return "builder" if self.facts.stage.name == "build" else "build"

    def is_idle_source(self, path: str, index: int) -> bool:
        """Whether a path set up at `index` is for installs only, none of which the final stage does."""
        is_own = path.endswith(("/debian.sources", "/ubuntu.sources"))
        if is_own or not any(is_under(path, folder) for folder in PACKAGE_SOURCES):
            return False
        gone = self.removed | self.plan.build_packages
        return not any(
            name is None or fate(name, self.facts.base, gone).runtime
            for fact in self.facts.facts[index:]
            for effect in fact.effects
            if is_install(effect)
            for name in names_of(effect, self.removed)
        )

    def instruction(self, text: str) -> Instruction:
        """Return a new instruction in the file's line ends and casing of keywords; a comment may lead it."""
        comment = ""
        while text.startswith("#"):
            line, _, text = text.partition("\n")
            comment += line + self.newline
        keyword, _, rest = text.partition(" ")
        if self.facts.facts[0].instruction.keyword_text.islower():
            text = f"{keyword.lower()} {rest}"
        made = Instruction.new(text.replace("\n", self.newline), self.view.dockerfile.escape)
        return made.with_leading(comment) if comment else made

    def obstacle(self, code: str, detail: str, fact: Fact | None = None, remedy: str = "") -> Obstacle:
        """Return what to raise when the split can't go on."""
        evidence: tuple[Evidence, ...] = ()
        if fact is not None:
            evidence = (evidence_of(fact.instruction, self.view.name),)
        return Obstacle(Refused(code, detail, evidence, remedy))


def is_install(effect: Effect) -> bool:
    """Whether a command installs packages of the distribution."""
    return isinstance(effect.detail, PackageCall) and effect.detail.action == "install"


def has_blank_line(instruction: Instruction) -> bool:
    """Whether a blank line stands above an instruction."""
    return any(not line.strip() for line in instruction.leading.splitlines(keepends=True))
