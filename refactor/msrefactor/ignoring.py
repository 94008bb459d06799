"""What a build reads of its context, so that an ignore file never hides it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from msrefactor.context import BuildContext, copied_sources, locate
from msrefactor.contract import evidence_of, starts
from msrefactor.errors import BadInput
from msrefactor.facts import StageFacts, is_under
from msrefactor.model import Evidence, View
from msrefactor.parse import parse
from msrefactor.patterns import clean, has_wildcard
from msrefactor.walk import is_dockerfile_name


@dataclass(frozen=True, slots=True)
class Reader:
    """A Dockerfile that is built behind the same ignore file, and its stages."""

    view: View
    stages: tuple[StageFacts, ...]


def readers(view: View) -> tuple[Reader, ...]:
    """Return the Dockerfile itself, and the others of the context that the same ignore file counts for."""
    return view.context.remembered("readers", lambda: tuple(_readers(view)))


def _readers(view: View) -> Iterator[Reader]:
    from msrefactor_transforms.splitting.copies import all_stage_facts

    yield Reader(view, all_stage_facts(view))
    root, project = view.context.root, view.context.project
    if root is None or project.root is None:
        return
    inside = root.relative_to(project.root).as_posix() if root.is_relative_to(project.root) else ""
    own = None if view.path is None else view.path.resolve()
    for name in project.files("" if inside == "." else inside):
        path = project.root / name
        if not is_dockerfile_name(path.name) or path == own:
            continue
        text = project.read_text(name)
        try:
            tree = parse(text or "")
        except BadInput:
            continue  # a template; what is made of it isn't here
        if locate(path, tree, None).ignore_file == view.context.ignore_file:
            other = View(tree, view.context, path=Path(name), settings=view.settings)
            yield Reader(other, all_stage_facts(other))


def hidden_reads(view: View, ignore_text: str) -> tuple[tuple[str, Evidence], ...]:
    """Return the paths of the context that a build or its container reads and this ignore file would hide."""
    behind = view.context.behind(ignore_text)
    if behind is None:
        return (("", Evidence(".dockerignore", None, "Docker refuses to build with it")),)
    found: dict[str, Evidence] = {}
    for reader in readers(view):
        for path, evidence in _reads(reader, view.context):
            if view.context.exists(path) and not behind.exists(path):
                found.setdefault(path, evidence)
    return tuple(found.items())


def _reads(reader: Reader, context: BuildContext) -> Iterator[tuple[str, Evidence]]:
    """Yield what is named: sources of copies, files that commands read, files that are started."""
    name = reader.view.name
    for group in copied_sources(reader.view.dockerfile):
        for source in group:
            if not is_whole(source):
                for path in context.match(source):
                    yield path, Evidence(name, None, source)
    for facts in reader.stages:
        made: list[str] = []
        for fact, effect in facts.effects():
            for path in _brought(effect.reads, made):
                origin = fact.scope.origin(path)
                if origin:
                    yield origin, evidence_of(fact.instruction, name)
            made.extend(path for path in effect.writes if not _holds_a_copy(path, facts))
        for start in starts(reader.view, facts):
            words = start.argv or tuple((start.shell or "").split())
            for path in _brought((facts.end.path(word) for word in words), made):
                origin = facts.end.origin(path)
                if origin:
                    yield origin, start.evidence


def _brought(paths: Iterable[str], made: list[str]) -> Iterator[str]:
    """Yield the paths that no command of the stage made before."""
    for path in paths:
        if not any(is_under(path, written) for written in made):
            yield path


def _holds_a_copy(path: str, facts: StageFacts) -> bool:
    """Whether what a command writes is only known as a folder that the context was copied into."""
    return any(is_under(placed.destination, path) for fact in facts.facts for placed in fact.placed)


def is_whole(source: str) -> bool:
    """Whether a source of COPY names no file, but all that is there."""
    cleaned = clean("/" + source)
    return cleaned == "/" or (has_wildcard(cleaned) and set(cleaned) <= set("/*."))
