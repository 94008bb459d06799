"""Package sources that are read by https: the final stage needs certificates before it reads its first one.

A full base has them, and so does a stage that installed curl or wget to fetch the source's key; a slim base
without these has none, and `apt-get update` fails there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, is_under
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage
from msrefactor.tree import Instruction
from msrefactor_transforms.splitting.packages import bare_name, install_run
from msrefactor_transforms.splitting.plan import RuntimePackage
from msrefactor_transforms.splitting.question import Question, has_blank_line, is_install
from msrefactor_transforms.splitting.runtime import RuntimeStage

_CERTIFICATES = "ca-certificates"
_RECOMMEND_THEM = frozenset({"curl", "wget", "git", "apt-transport-https"})
"""Packages that bring the certificates, unless recommended ones are left out."""
_SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d")


def with_certificates(question: Question, final: RuntimeStage) -> RuntimeStage:
    """Return the final stage with certificates before its first https source, where it may have lost them."""
    if question.runtime.system not in ("debian", "ubuntu") or not final.packages:
        return final
    facts = {fact.line: fact for fact in question.facts.facts if fact.line is not None}
    at = next(
        (n for n, item in enumerate(final.instructions) if sets_source(facts.get(item.line or 0), item)),
        None,
    )
    if at is None or has_certificates(question.runtime) or not _may_be_lost(question, final):
        return final
    if any(_brings(facts[item.line]) for item in final.instructions[:at] if item.line in facts):
        return final
    first = final.instructions[at]
    place = next((fact for fact in question.facts.facts if sets_source(fact, fact.instruction)), None)
    evidence = evidence_of(place.instruction if place is not None else first, question.view.name)
    package = RuntimePackage(_CERTIFICATES, evidence, "apt reads a package source by https")
    lower = final.instructions[0].keyword_text.islower()
    made = question.instruction(install_run(question.runtime, [_CERTIFICATES], lower=lower))
    if has_blank_line(first):
        made = made.with_leading(question.newline)
    return replace(
        final,
        instructions=(*final.instructions[:at], made, *final.instructions[at:]),
        added=(*final.added, package),
        packages=(*final.packages, _CERTIFICATES),
    )


def sets_source(fact: Fact | None, instruction: Instruction) -> bool:
    """Whether an instruction puts a package source in place that apt reads by https, or may."""
    if fact is None:  # a copy from the builder, of what was downloaded there
        words = instruction.words if instruction.keyword == "COPY" else ()
        return any(is_under(word.text, folder) for word in words[-1:] for folder in _SOURCES)
    if fact.keyword == "RUN":
        writes = [path for effect in fact.effects for path in (*effect.writes, *effect.appends)]
        is_source = any(is_under(path, folder) for path in writes for folder in _SOURCES)
        return is_source and "https:" in fact.instruction.text
    texts = (fact.scope.context.read_text(source) for source in _placed_sources(fact))
    return any(text is not None and "https:" in text for text in texts)


def _placed_sources(fact: Fact) -> Iterator[str]:
    for placed in fact.placed:
        if not placed.is_folder and any(is_under(placed.destination, folder) for folder in _SOURCES):
            yield placed.source


def has_certificates(image: BaseImage) -> bool:
    """Whether the image is known to bring certificates."""
    releases = [image.release] if image.release else list(image.releases)
    known = bool(releases) and all(_CERTIFICATES in knowledge.packages_in(image, one) for one in releases)
    return known or _CERTIFICATES in image.installs


def _may_be_lost(question: Question, final: RuntimeStage) -> bool:
    """Whether the author's base has them, or what brought them isn't installed in the final stage."""
    left_out = {bare_name(fate.name) for fate in final.fates if not fate.is_kept} | question.removed
    return has_certificates(question.facts.base) or bool(left_out & (_RECOMMEND_THEM | {_CERTIFICATES}))


def _brings(fact: Fact) -> bool:
    for effect in fact.effects:
        if is_install(effect):
            names = {bare_name(name) for name in effect.detail.names if name}
            if _CERTIFICATES in names or (names & _RECOMMEND_THEM and not effect.detail.without_recommends):
                return True
    return False
