"""Which files beside a compiled program come along: those that it opens, and those that nobody can tell of.

A file that the source opens by name is wanted. Where a path isn't written in the source, or a framework has
folders of its own, everything that isn't source comes along, as it was there before.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msrefactor.code.needs import CodeNeeds, context_path
from msrefactor.contract import starts
from msrefactor.facts import Scope, StageFacts, is_under
from msrefactor.model import View
from msrefactor_transforms.splitting.plan import Artifact

_NOT_RUN_TIME = frozenset(
    "Makefile makefile Dockerfile Containerfile LICENSE COPYING NOTICE README CHANGELOG AUTHORS "
    "CONTRIBUTORS Taskfile.yml heroku.yml "
    "renovate.json CODEOWNERS Jenkinsfile Procfile skaffold.yaml cloudbuild.yaml catalog-info.yaml fly.toml "
    "app.yaml sonar-project.properties".split()
)
_COMPOSE = re.compile(r"(?:docker-)?compose(?:[.-][\w.-]+)?\.ya?ml")
_FOR_PEOPLE = (".md", ".swp", ".tmp", ".log", ".exe")
_FOR_GIT = frozenset({".gitkeep", ".keep", ".gitignore", ".DS_Store"})
"""What keeps a folder of source in Git, or out of it."""
_MOST_SINGLE_FILES = 6


@dataclass(frozen=True, slots=True)
class SourceKind:
    """What a language's projects hold that a program doesn't open."""

    compiled: tuple[str, ...]
    """Endings of what is compiled or only read by the build."""
    marks: tuple[str, ...]
    """Endings that make a folder one of source: its data is named file by file."""
    manifests: frozenset[str]
    """Names that only the build reads: manifests in any folder, and folders of tests in the project's own."""

    def is_source(self, path: str) -> bool:
        """Whether a file of a project is one that a program doesn't open."""
        name = posixpath.basename(path)
        return name.endswith((*self.compiled, *self.marks, *_FOR_PEOPLE)) or bool(
            {name, path.split("/", maxsplit=1)[0]} & (self.manifests | _NOT_RUN_TIME)
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """What is known of the files that a compiled program opens."""

    kind: SourceKind
    folders: tuple[str, ...]
    """Folders of the image that hold the source."""
    needs: CodeNeeds
    """What the source that was read uses at run time."""
    texts: Mapping[str, str]
    """The source that was read, by its path in the context."""
    unsure: str | None = None
    """Why files beyond those that the source names can be opened; None: they can't."""
    has_unseen: bool = False
    """Whether code that isn't in the context may open files that the source only names."""
    is_embedded: Callable[[str], bool] = lambda path: False
    """Whether the build puts a file of the context into the program."""


def run_time_files(
    view: View, facts: StageFacts, opened: Opened, outputs: Sequence[str], last: int
) -> list[Artifact]:
    """Return the files among the source that come along, complete after the instruction `last`."""
    scope = facts.end
    found: dict[str, str] = {}

    def add(path: str, why: str) -> None:
        is_inside = any(is_under(path, folder) for folder in opened.folders)
        if (
            is_inside
            and path not in outputs
            and scope.has(path)
            and not _is_source_only(view, scope, path, opened)
        ):
            found.setdefault(path, why)

    for name, evidence in opened.needs.paths:
        path = _opened_path(scope, opened, name)
        if path is not None and path not in opened.folders:
            add(_folder_of(view, scope, path, opened), f"opened at {evidence.file}:{evidence.line}")
    for word in values_given(view, facts):
        path = posixpath.normpath(posixpath.join(scope.cwd, word))
        if path not in opened.folders and scope.has(path):
            add(path, "named where the container is started")
    why = opened.unsure
    if why is not None or opened.has_unseen:
        given = " ".join(values_given(view, facts))
        for folder in opened.folders:
            if folder != scope.cwd and not is_under(scope.cwd, folder):
                continue
            for path in _data(scope, folder, opened):
                if why is not None or _is_mentioned(path, opened, given):
                    add(path, why or "named in the source")
    return [
        Artifact(path, last, why)
        for path, why in found.items()
        if not any(path != other and is_under(path, other) for other in found)
    ]


def _opened_path(scope: Scope, opened: Opened, name: str) -> str | None:
    """Return the image path of a name in the source; of a pattern, its folder."""
    inside = context_path(name)
    if inside is not None:
        for folder in opened.folders:
            origin = scope.origin(folder)
            if origin is not None and is_under(f"/{inside}", posixpath.normpath(f"/{origin}")):
                return posixpath.normpath(posixpath.join(folder, posixpath.relpath(inside, origin or ".")))
        return None
    literal = re.split(r"[*?\[{]", name)[0] if re.search(r"[*?\[{]", name) else name
    if not literal:
        return None
    path = posixpath.normpath(posixpath.join(scope.cwd, literal))
    if literal != name and (not literal.endswith("/") or not scope.has(path)):
        path = posixpath.dirname(path)
    return path


def values_given(view: View, facts: StageFacts) -> Iterator[str]:
    """Yield what the program is given: the words of its start commands and the values of its variables."""
    for start in starts(view, facts):
        for word in (start.argv or ())[1:] if start.argv else (start.shell or "").split()[1:]:
            yield word.partition("=")[2] or word
    for fact in facts.facts:
        if fact.keyword == "ENV":
            yield from (value.strip("\"'") for _, value in fact.instruction.pairs if value)
    for use in view.uses:
        if use.kind == "environment" and use.value:
            yield use.value.partition("=")[2]


def _is_mentioned(path: str, opened: Opened, given: str) -> bool:
    """Whether the source or the start commands hold the name of a file, of its folder, or its stem."""
    name = posixpath.basename(path)
    names = {name, posixpath.splitext(name)[0]} if not name.startswith(".") else {name}
    parent = posixpath.basename(posixpath.dirname(path))
    if not any(folder in (path, posixpath.dirname(path)) for folder in opened.folders):
        names.add(parent)
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(one)}(?![\w-])" for one in names if len(one) > 1))
    if pattern.pattern and pattern.search(given):
        return True
    if not pattern.pattern:
        return False
    return any(
        pattern.search(line) and not _says_nothing(line)
        for text in opened.texts.values()
        for line in text.splitlines()
    )


def _says_nothing(line: str) -> bool:
    """Whether a line of source can't name a file: no text in it, a comment, an import."""
    if not ('"' in line or "`" in line) or line.lstrip().startswith(("//", "package ", "import ")):
        return True
    return re.match(r'\s*(\w+\s+)?"[\w.-]+\.\w+/[^"]*"\s*$', line) is not None


def _folder_of(view: View, scope: Scope, path: str, opened: Opened) -> str:
    """Return the folder of a file that lies among files of its kind: templates, pages, translations."""
    parent = posixpath.dirname(path)
    source = scope.origin(parent)
    if (
        path in opened.folders
        or parent in opened.folders
        or parent == scope.cwd
        or source is None
        or not scope.is_file(path)
    ):
        return path
    files = view.context.files(source)
    has_siblings = sum(1 for file in files if posixpath.splitext(file)[1] == posixpath.splitext(path)[1]) > 1
    is_mixed = any(file.endswith(opened.kind.marks) for file in files)
    return parent if has_siblings and not is_mixed else path


def _is_source_only(view: View, scope: Scope, path: str, opened: Opened) -> bool:
    """Whether a folder holds nothing but source, which a compiled program doesn't open."""
    source = scope.origin(path)
    if source is None or not view.context.is_dir(source):
        return False
    return all(file.endswith(opened.kind.marks) for file in view.context.files(source))


def _data(scope: Scope, folder: str, opened: Opened) -> list[str]:
    """Return what the folder holds beside source: whole folders of data, single files where it is mixed."""
    entries: dict[str, list[str]] = {}
    for inside, file in sorted(scope.files(folder).items()):
        top = inside.split("/")[0]
        is_hidden = top.startswith(".") and not top.startswith(".env")
        if (
            is_hidden
            or top in _NOT_RUN_TIME
            or top in opened.kind.manifests
            or top.startswith(("Dockerfile", "dockerfile", "README", "LICENSE", "CHANGELOG"))
            or _COMPOSE.fullmatch(top)
        ):
            continue
        if top.endswith((".md", ".Dockerfile", ".dockerfile")) or opened.is_embedded(file):
            continue
        entries.setdefault(top, []).append(inside)
    found: list[str] = []
    for top, files in sorted(entries.items()):
        data = [
            file
            for file in files
            if not file.endswith((*_FOR_PEOPLE, *opened.kind.compiled))
            and posixpath.basename(file) not in opened.kind.manifests
        ]
        has_source = any(file.endswith(opened.kind.marks) for file in files)
        if has_source:
            data = [file for file in data if posixpath.basename(file) not in _FOR_GIT]
        if not data:
            continue
        singles = _deepest(data, files, opened.kind.marks) if has_source else [top]
        found.extend(
            posixpath.join(folder, one) for one in (singles if len(singles) <= _MOST_SINGLE_FILES else [top])
        )
    return found


def _deepest(data: Iterable[str], files: Iterable[str], marks: tuple[str, ...]) -> list[str]:
    """Return the topmost folders without source that hold the data, or the files themselves."""
    with_source = {posixpath.dirname(file) for file in files if file.endswith(marks)}
    found: dict[str, None] = {}
    for file in data:
        path = file
        while "/" in path and not any(
            is_under("/" + one, "/" + posixpath.dirname(path)) for one in with_source
        ):
            path = posixpath.dirname(path)
        found[path] = None
    return list(found)
