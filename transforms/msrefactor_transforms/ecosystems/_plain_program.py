"""Languages whose compiler leaves one program: what their modules have in common.

Their source is read only as far as a pattern reaches: calls that start programs. Which files they open isn't
told, so everything beside the source comes along.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from msrefactor.code.needs import CodeNeeds, Findings, SourceReader, excerpt, merged_needs, source_texts
from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Fact, Role, Scope, StageFacts
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.splitting.compiled import Binary, Program, plan_of, started_while_compiling
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.opened import Opened, SourceKind
from msrefactor_transforms.splitting.plan import Artifact, RuntimePackage, SplitPlan


@dataclass(frozen=True, slots=True)
class PlainBuild:
    """One command of a compiler that leaves a program."""

    ecosystem: str
    outputs: tuple[str, ...]
    project: str
    """The folder of the image that holds the source."""
    is_static: bool = False
    is_tool: bool = False
    beside: tuple[str, ...] = ()
    """Other paths that the program uses, made by the same build."""


@dataclass(frozen=True, slots=True)
class Language:
    """What is known of a compiled language."""

    name: str
    toolchains: frozenset[str]
    kind: SourceKind
    starts: re.Pattern[str]
    """Calls that start a program; the group `name` is the first argument, quoted where it is literal, or
    the group `raw` is a command line."""
    development: frozenset[str]
    """Commands that compile when the container starts, or need the compiler's tools."""
    tools: frozenset[str]
    """Names under which effects of its commands are known."""
    comment: str = "//"
    libraries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By system: packages with what every program of the language loads."""
    path_folders: tuple[str, ...] = ()
    packages: frozenset[str] = frozenset()
    """Packages of the distributions that only the compiler needs."""
    remedy: str = ""
    """What a user does whose container starts the compiler."""
    zones: re.Pattern[str] | None = None
    """What the source says where it loads a time zone of the system."""


def made(
    language: str, tool: str, outputs: Sequence[str], scope: Scope, build: PlainBuild | None = None
) -> Effect:
    """Return the effect of a build that leaves these programs."""
    detail = build or PlainBuild(language, tuple(outputs), scope.cwd)
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=(scope.cwd,),
        reads_only=True,
        writes=(*outputs, *detail.beside),
        why="the program",
        detail=detail,
    )


def prepares(tool: str, scope: Scope, why: str = "") -> Effect:
    """Return the effect of a step that leaves nothing which only the build needs."""
    return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), reads_only=True, why=why or f"{tool} prepares")


def checks(tool: str, scope: Scope) -> Effect:
    """Return the effect of tests and linters."""
    return Effect(Role.GATE, tool=tool, reads=(scope.cwd,), reads_only=True)


def unclear(tool: str, why: str, scope: Scope, remedy: str = "") -> Effect:
    """Return the effect of a build whose result isn't known."""
    refusal = Refused("unknown-artifact", why, remedy=remedy)
    return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), why=why, refusal=refusal)


def option(words: Sequence[str | None], *names: str) -> str | None:
    """Return the value of an option, as `--name value`, `--name=value` or `--name:value`; None without it."""
    for at, word in enumerate(words):
        if word is None:
            continue
        for name in names:
            if word == name and at + 1 < len(words):
                return words[at + 1]
            if word.startswith((f"{name}=", f"{name}:")):
                return word[len(name) + 1 :]
    return None


def plan_of_language(
    view: View,
    facts: StageFacts,
    language: Language,
    *,
    runtime_image: str | None = None,
    libraries: Sequence[str] | None = None,
    packages: Sequence[str] = (),
    assumptions: Sequence[str] = (),
) -> SplitPlan | Refused | None:
    """Return how a stage that builds programs of the language is split; None: it builds none."""
    own = [(f, e) for f, e in facts.effects() if e.tool in language.tools or _detail_of(e, language)]
    if not own and facts.base.family not in language.toolchains:
        return None
    obstacle = started_while_compiling(wanted(view, facts), language.development)
    if obstacle is not None:
        return replace(obstacle, remedy=language.remedy or obstacle.remedy)
    for fact, effect in own:
        if effect.refusal is not None:
            return replace(effect.refusal, evidence=(evidence_of(fact.instruction, view.name),))
    builds = [(f, e.detail) for f, e in own if _detail_of(e, language)]
    builds.extend(_taken(facts, language))
    if not builds:
        return _not_understood(view, facts, language)
    place = evidence_of(builds[0][0].instruction, view.name)
    folders = tuple(dict.fromkeys(b.project for _, b in builds if b.project != "/" and not b.is_tool))
    needs, texts = _read(view.context, facts, language, folders)
    names = language.libraries.get(facts.base.system, ()) if libraries is None else libraries
    program = Program(
        ecosystem=language.name,
        toolchains=language.toolchains,
        binaries=tuple(
            Binary(path, fact.index, build.is_static, build.is_tool)
            for fact, build in builds
            for path in build.outputs
        ),
        sources=folders,
        opened=Opened(language.kind, folders, needs, texts, unsure="may be opened by the program"),
        certificates=place,
        zones=_zones(view, facts, language, texts, place),
        libraries=tuple(
            RuntimePackage(name, place, f"programs of {language.name} load it") for name in names
        ),
        beside=tuple(
            Artifact(path, fact.index, "made beside the program") for fact, b in builds for path in b.beside
        ),
        build_packages=_only_for_builds(language, needs, packages),
        development=language.development,
        runtime_image=runtime_image,
        path_folders=language.path_folders,
        assumptions=tuple(assumptions),
        evidence=(place,),
    )
    return plan_of(view, facts, program)


def _not_understood(view: View, facts: StageFacts, language: Language) -> Refused | None:
    """Return the obstacle that the compiler's image is used for steps that nobody understands."""
    if facts.base.family not in language.toolchains:
        return None
    for fact, effect in facts.effects():
        if effect.role is Role.OPAQUE:
            why = effect.why or f"what `{effect.tool}` leaves behind isn't known"
            return Refused("opaque-step", why, (evidence_of(fact.instruction, view.name),))
    return None


def _zones(
    view: View, facts: StageFacts, language: Language, texts: Mapping[str, str], place: Evidence
) -> Evidence | None:
    """Return where the program may read time zones that the compiler's image brings."""
    if facts.base.family not in language.toolchains or "tzdata" not in facts.base.installs:
        return None
    is_set = "TZ" in facts.end.variables or any(
        use.kind == "environment" and (use.value or "").partition("=")[0] == "TZ" for use in view.uses
    )
    pattern = language.zones
    return place if is_set or (pattern and any(pattern.search(text) for text in texts.values())) else None


def _only_for_builds(language: Language, needs: CodeNeeds, packages: Sequence[str]) -> frozenset[str]:
    """Return the compiler's packages, and Git, with which it fetches others, where the source starts none."""
    if needs.unknown_commands:
        return frozenset()
    started = {posixpath.basename(name) for name, _ in needs.commands}
    return frozenset(
        name for name in (*language.packages, *packages, "git", "xz-utils", "xz") if name not in started
    )


def _taken(facts: StageFacts, language: Language) -> list[tuple[Fact, PlainBuild]]:
    """Return the programs that are copied out of where only the compiler's tools find them."""
    return [
        (fact, PlainBuild(language.name, effect.writes, fact.scope.cwd))
        for fact, effect in facts.effects()
        if effect.role is Role.BUILD and effect.tool in ("cp", "mv", "install") and effect.detail is None
    ]


def _detail_of(effect: Effect, language: Language) -> bool:
    return isinstance(effect.detail, PlainBuild) and effect.detail.ecosystem == language.name


def builds_of(facts: StageFacts, language: str) -> list[tuple[Fact, PlainBuild]]:
    """Return the builds of a language in a stage."""
    return [
        (fact, effect.detail)
        for fact, effect in facts.effects()
        if isinstance(effect.detail, PlainBuild) and effect.detail.ecosystem == language
    ]


def _read(
    reader: SourceReader, facts: StageFacts, language: Language, folders: Sequence[str]
) -> tuple[CodeNeeds, dict[str, str]]:
    roots = [root for folder in folders if (root := facts.end.origin(folder)) is not None]
    paths = [path for root in roots for path in reader.files(root) if path.endswith(language.kind.marks)]
    texts = dict(source_texts(reader, dict.fromkeys(paths)))
    return merged_needs(needs_of(path, text, language) for path, text in texts.items()), texts


def needs_of(path: str, text: str, language: Language) -> CodeNeeds:
    """Return the programs that one source file starts."""
    findings = Findings(path)
    mark = re.escape(language.comment)
    plain = re.sub(rf"(?m)^[ \t]*{mark}.*$", "", text)
    for match in language.starts.finditer(plain):
        line = plain.count("\n", 0, match.start()) + 1
        place = Evidence(path, line, excerpt(plain[match.start() :].split("\n", maxsplit=1)[0]))
        name = match["name"] or f"'{match.groupdict().get('raw') or ''}'"
        is_literal = len(name) > 1 and name[0] in "\"'" and name[-1] == name[0] and "$" not in name
        words = name[1:-1].split() if is_literal else []
        if words and "#{" not in name:
            findings.commands.append((words[0], place))
        else:
            findings.unknown_commands.append(place)
    return findings.needs()


def named_in(text: str, pattern: str) -> tuple[str, ...]:
    """Return the names that a pattern's first group finds, each once, in their order."""
    return tuple(dict.fromkeys(match[1] for match in re.finditer(pattern, text, re.M)))


def text_of(scope: Scope, name: str) -> str:
    """Return the text of a file of the current folder that came from the context, or nothing."""
    return scope.read(posixpath.join(scope.cwd, name)) or ""
