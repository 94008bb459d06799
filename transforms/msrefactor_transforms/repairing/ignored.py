"""Files that .dockerignore hides from the build and that a step needs: the build stops there."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.facts import Scope, StageFacts, copy_words
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._python_commands import Install
from msrefactor_transforms.repairing.kinds import Found, seen

_STRICT = frozenset({"hatchling.build", "flit_core.buildapi", "poetry.core.masonry.api", "uv_build"})
"""Build backends that stop where the readme isn't there."""


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Tell each file: whether the rule or the step is right is the author's business."""
    if not view.context.known:
        return Found()
    return Found(told=(*_sources(view, stages), *_readme(view, stages)))


def _is_hidden(view: View, path: str) -> bool:
    """Whether the file is there and .dockerignore leaves it out."""
    context = view.context
    if not context.is_ignored(path) or context.exists(path) or context.root is None:
        return False
    project = context.project.root
    if project is None or not context.root.is_relative_to(project):
        return False
    inside = (context.root.relative_to(project) / path).as_posix()
    return context.project.exists(inside)


def _sources(view: View, stages: Sequence[StageFacts]) -> list[Refused]:
    found: list[Refused] = []
    for facts in stages:
        for fact in facts.facts:
            if fact.keyword not in ("COPY", "ADD") or fact.from_stage is not None:
                continue
            for source in copy_words(fact.instruction, fact.scope)[0]:
                path = posixpath.normpath(source.lstrip("/") or ".")
                if path.startswith("..") or path == "." or any(letter in path for letter in "*?[$<:"):
                    continue
                if _is_hidden(view, path):
                    detail = f".dockerignore leaves {path} out, which is copied here"
                    remedy = f"add `!{path}` to .dockerignore"
                    found.append(Refused("fails-today", detail, (seen(view, fact),), remedy))
    return found


def _readme(view: View, stages: Sequence[StageFacts]) -> list[Refused]:
    for facts in stages:
        for fact, effect in facts.effects():
            install = effect.detail
            for file in install.files if isinstance(install, Install) and install.tool == "pip" else ():
                name = _readme_of(file, fact.scope) if file.endswith("/") else None
                if name is None:
                    continue
                place = fact.scope.origin(posixpath.join(file, "pyproject.toml"))
                if place is None or not _is_hidden(view, posixpath.join(posixpath.dirname(place), name)):
                    continue
                detail = f".dockerignore leaves {name} out, which the build backend of pyproject.toml reads"
                evidence = (seen(view, fact), Evidence(place, None, f'readme = "{name}"'))
                return [Refused("fails-today", detail, evidence, f"add `!{name}` to .dockerignore")]
    return []


def _readme_of(folder: str, scope: Scope) -> str | None:
    """Return the readme that a project's backend has to find."""
    import tomllib

    text = scope.read(posixpath.join(folder, "pyproject.toml"))
    try:
        table = tomllib.loads(text or "")
    except tomllib.TOMLDecodeError:
        return None
    backend = table.get("build-system", {}).get("build-backend")
    project = table.get("project", {})
    readme = project.get("readme") if isinstance(project, dict) else None
    name = readme.get("file") if isinstance(readme, dict) else readme
    if backend not in _STRICT or not isinstance(name, str) or name.startswith(("/", "..")):
        return None
    return name
