"""A build argument that changes with every commit, and which steps may run before it is declared.

BuildKit's rule, measured with Docker 26.1 (one file, another `--build-arg`, the steps from the cache
counted): where the value of an ARG that a stage declares has changed, no later RUN of that stage comes
from the cache, whether or not it uses the ARG. COPY, WORKDIR and the like aren't touched by it unless their
own text has the variable; neither is a RUN by a LABEL, nor by an ARG that stands before the first FROM alone.
An ENV counts for every later RUN, in the stages built on it too. Also told in docs.docker.com, Dockerfile
reference, "Impact on build caching".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from msrefactor import variables
from msrefactor.commands import PackageCall
from msrefactor.facts import Effect, Fact, Role, StageFacts
from msrefactor.model import Refused
from msrefactor.tree import Instruction
from msrefactor_transforms.ordering.commands import SILENT
from msrefactor_transforms.ordering.copies import is_worth
from msrefactor_transforms.splitting.question import has_blank_line

_OF_COMMIT = re.compile(
    r"(?:\w+_)?(?:GIT_(?:SHA|COMMIT|HASH|REV|REVISION|REF|DESCRIBE|COMMIT_SHA|COMMIT_HASH|SHORT_SHA)|"
    r"COMMIT(?:_SHA|_HASH|_ID|_REF|_SHORT_SHA)?|VCS_REF|VCS_REVISION|REVISION|GITHUB_SHA|SHORT_SHA|BUILD_SHA|"
    r"(?:GIT|VCS|BUILD)_(?:BRANCH|TAG)|CI_COMMIT_(?:BRANCH|TAG|REF_NAME))"
    r"(?:_ARG)?",
    re.IGNORECASE,
)
_OF_DATE = re.compile(
    r"(?:\w+_)?(?:BUILD_(?:DATE|TIME|TIMESTAMP|DATETIME)|BUILT_AT|CREATED_AT|COMMIT_(?:DATE|TIME|TIMESTAMP))"
    r"(?:_ARG)?",
    re.IGNORECASE,
)
_OF_RUN = re.compile(
    r"(?:\w+_)?(?:BUILD_(?:NUMBER|NUM|ID|RUN_ID)|CI_(?:PIPELINE|JOB)_ID|GITHUB_RUN_(?:ID|NUMBER))(?:_ARG)?",
    re.IGNORECASE,
)
_OF_RELEASE = re.compile(
    r"(?:(?:APP|BUILD|IMAGE|RELEASE|PROJECT|SERVICE)_)?VERSION(?:_ARG)?|(?:APP_)?RELEASE", re.IGNORECASE
)
_PLACEHOLDERS = frozenset(
    "unknown undefined none null n/a na dev develop development local latest head main master snapshot "
    "unset unspecified test edge nightly 0 0.0 0.0.0 0.0.0-dev v0.0.0 no-git-repo not-set".split()
)
"""Defaults for the build on a developer's own machine, where nobody gives the argument."""
_PLAIN = SILENT | frozenset(
    "cd mkdir rm rmdir cp mv ln chmod chown chgrp touch tar unzip gzip gunzip xz bzip2 curl wget tee cat sed "
    "install groupadd useradd adduser addgroup usermod groupmod chsh chpasswd apt-get apt apt-key apt-mark "
    "apt-cache add-apt-repository apk dnf yum microdnf zypper tdnf rpm dpkg ldconfig locale-gen localedef "
    "update-ca-certificates update-alternatives dpkg-reconfigure fc-cache gpg setcap mktemp ls find xargs "
    "sha256sum sha512sum md5sum test [ [[ export unset pushd popd head tail cut tr sort uniq wc "
    "setfacl strip which readlink realpath a2enmod a2dismod a2ensite a2dissite".split()
)
"""Programs of the system: none of them looks at such a variable of the environment."""
_INSTALLERS = frozenset(
    "docker-php-ext-install docker-php-ext-enable docker-php-ext-configure pecl corepack rustup".split()
)
"""What builds or sets up programs of others."""


@dataclass(frozen=True, slots=True)
class Group:
    """The instructions that go down together: arguments, and the ENV and LABEL made of them alone."""

    members: tuple[Fact, ...]
    names: frozenset[str]
    """The variables that they set."""
    is_release: bool
    """Whether one of them is a version, which also the programs of others look for in their environment."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """How far a group may go down: below `after`, and which steps then outlive a change of it."""

    group: Group
    after: Fact
    served: tuple[Fact, ...]


def changing(fact: Fact) -> bool:
    """Whether an ARG is given another value by each commit or build, going by its name and its default."""
    pairs = fact.instruction.pairs
    return fact.keyword == "ARG" and bool(pairs) and all(_is_changing(name, raw) for name, raw in pairs)


def _is_changing(name: str, raw: str | None) -> bool:
    default = (raw or "").strip("\"'").lower()
    if "$" in default:
        return False
    is_open = default == "" or default in _PLACEHOLDERS
    if _OF_COMMIT.fullmatch(name):
        return is_open or re.fullmatch(r"v?\d+(?:\.\d+)*|[0-9a-f]{7,64}", default) is None
    if _OF_DATE.fullmatch(name) or _OF_RUN.fullmatch(name):
        return is_open or not any(char.isdigit() for char in default)
    return is_open and _OF_RELEASE.fullmatch(name) is not None


def lowered(facts: StageFacts, first: Fact) -> Lowered | Refused | None:
    """Return how far down a changing ARG may go with what is made of it; None: no step gains by it."""
    group = _group(facts, first)
    if group is None:
        return None
    inside = {fact.index for fact in group.members}
    served: list[Fact] = []
    after: Fact | None = None
    obstacle: Refused | None = None
    for fact in facts.facts[first.index + 1 :]:
        if fact.index in inside:
            continue
        if not _passes(fact, group):
            opaque = next((effect for effect in fact.effects if effect.role is Role.OPAQUE), None)
            is_used = bool(_references(fact) & group.names)
            obstacle = Refused("opaque-step", opaque.why) if opaque is not None and not is_used else None
            break
        if fact.keyword == "RUN":
            after = fact
            if any(map(is_worth, fact.effects)) or any(e.role is Role.FETCH for e in fact.effects):
                served.append(fact)
    if after is not None and served and after.index > max(inside):
        return Lowered(group, after, tuple(served))
    return obstacle


def _group(facts: StageFacts, first: Fact) -> Group | None:
    """Return the ARG, and the changing ARGs, ENVs and LABELs behind it before any RUN that hang on it."""
    members: list[Fact] = [first]
    names = {name for name, _ in first.instruction.pairs}
    for fact in facts.facts[first.index + 1 :]:
        if fact.keyword == "RUN":
            break
        own = {name for name, _ in fact.instruction.pairs} if fact.keyword in ("ARG", "ENV") else set()
        if changing(fact):
            members.append(fact)
            names |= own
        elif fact.keyword in ("ENV", "LABEL") and _references(fact) & names:
            if fact.keyword == "ENV" and not all(
                variables.references(raw or "", fact.scope.escape) & names
                for _, raw in fact.instruction.pairs
            ):
                return None  # it also sets what nobody knows to be needed by no step
            members.append(fact)
            names |= own
    inside = {fact.index for fact in members}
    for fact in facts.facts:
        is_set_again = fact.keyword in ("ARG", "ENV") and names & {n for n, _ in fact.instruction.pairs}
        if is_set_again and fact.index not in inside:
            return None
    is_release = any(_OF_RELEASE.fullmatch(name) for name in names)
    return Group(tuple(members), frozenset(names), is_release)


def _references(fact: Fact) -> frozenset[str]:
    found = variables.references(fact.instruction.text, fact.scope.escape)
    for body in fact.instruction.heredocs:
        found |= variables.references(body.body, fact.scope.escape)
    return found | (fact.script.variables if fact.script is not None else frozenset())


def _passes(fact: Fact, group: Group) -> bool:
    """Whether an instruction means the same where the group's variables aren't set."""
    keyword = fact.keyword
    if keyword in ("CMD", "ENTRYPOINT", "HEALTHCHECK", "MAINTAINER"):
        return True  # their variables are those of the running container
    if _references(fact) & group.names:
        return False
    if keyword == "LABEL":
        labels = {key for one in group.members if one.keyword == "LABEL" for key, _ in one.instruction.pairs}
        return not labels & {key for key, _ in fact.instruction.pairs}
    if keyword in ("ARG", "ENV", "COPY", "ADD", "WORKDIR", "USER", "EXPOSE", "VOLUME", "STOPSIGNAL"):
        return True
    if keyword != "RUN" or fact.script is None:
        return False
    for effect, name in zip(fact.effects, _names(fact), strict=False):
        if not _is_deaf(effect, name, fact, group):
            return False
    return len(fact.effects) == len(_names(fact))


def _names(fact: Fact) -> tuple[str, ...]:
    """Return the program of each command of a RUN, in the order of its effects; "" where it isn't known."""
    commands = fact.script.commands if fact.script is not None else ()
    return tuple((command.name or "") if command.words else "true" for command in commands)


def _is_deaf(effect: Effect, name: str, fact: Fact, group: Group) -> bool:
    """Whether a command doesn't look at variables of these names in its environment."""
    if effect.role is Role.OPAQUE:
        return False
    if name in _PLAIN or isinstance(effect.detail, PackageCall):
        return True
    if group.is_release:
        return False
    if name in _INSTALLERS:
        return True
    known = effect.dependencies
    if known is None or known.obstacle is not None:
        return False
    texts = (fact.scope.read(path) or "" for path in known.reads if fact.scope.is_file(path))
    return not any(word in text for text in texts for word in group.names)


def rearranged(facts: StageFacts, found: Lowered, newline: str) -> tuple[Instruction, ...]:
    """Return the stage's instructions with the group below the steps that don't use it."""
    inside = {fact.index for fact in found.group.members}
    moved = [fact.instruction for fact in found.group.members]
    first = moved[0]
    above = [fact.instruction for fact in facts.facts[: found.after.index + 1] if fact.index not in inside]
    below = [fact.instruction for fact in facts.facts[found.after.index + 1 :]]
    hole = len([index for index in range(min(inside)) if index not in inside])
    if has_blank_line(first) and hole < len(above) and not has_blank_line(above[hole]):
        above[hole] = above[hole].with_leading(newline + above[hole].leading)
    if has_blank_line(first) and below and not has_blank_line(below[0]):
        below[0] = below[0].with_leading(newline + below[0].leading)
    if not has_blank_line(first) and below and has_blank_line(below[0]):
        moved[0] = first.with_leading(newline + first.leading)
    return (*above, *moved, *below)


def arguments(members: Iterable[Fact]) -> tuple[str, ...]:
    """Return the names of a group's arguments."""
    return tuple(name for fact in members if fact.keyword == "ARG" for name, _ in fact.instruction.pairs)
