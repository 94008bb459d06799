"""Which files of the module come along: those that the program opens, and those that nobody can tell of.

A file that the source opens by name is wanted. Where a path isn't written in the source, or a framework has
folders of its own, everything that isn't source comes along, as it was there before.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

from msrefactor.contract import starts
from msrefactor.facts import Scope, StageFacts, is_under
from msrefactor.model import View
from msrefactor_transforms.ecosystems._go_sources import Sources
from msrefactor_transforms.splitting.plan import Artifact

_NOT_RUN_TIME = frozenset(
    "go.mod go.sum go.work go.work.sum Makefile makefile Dockerfile Containerfile LICENSE COPYING NOTICE "
    "README CHANGELOG AUTHORS CONTRIBUTORS docker-compose.yml docker-compose.yaml compose.yml compose.yaml "
    "vendor testdata Taskfile.yml renovate.json CODEOWNERS Jenkinsfile Procfile skaffold.yaml "
    "cloudbuild.yaml catalog-info.yaml fly.toml app.yaml Gopkg.toml Gopkg.lock glide.yaml glide.lock "
    "Godeps sonar-project.properties".split()
)
_SOURCE = tuple(
    ".go .md .mod .sum .s .c .h .cpp .proto .thrift .fbs .qtpl .templ .sh .swp .tmp .log .exe .test".split()
)
"""Endings of what is compiled or written for people."""
_BY_CONVENTION = (
    "github.com/astaxie/beego",
    "github.com/beego/beego",
    "github.com/gobuffalo/buffalo",
    "github.com/gogf/gf",
    "github.com/goravel/framework",
    "github.com/revel/revel",
    "github.com/zeromicro/go-zero",
    "github.com/tal-tech/go-zero",
    "github.com/go-kratos/kratos",
    "github.com/kataras/iris",
    "github.com/aarondl/authboss",
    "github.com/volatiletech/authboss",
)
"""Frameworks that open files whose names the project's own source doesn't tell."""
_THIS_FOLDER = r"\(\s*\"\.?/?\"\s*\)|Static\w*\(\s*\"[^\"]*\",\s*\"\.?/?\"|Glob\(\s*\"(\./)?[*?]"
"""A call with the working directory itself, such as `http.Dir(".")`."""
_MOST_SINGLE_FILES = 6


def run_time_files(
    view: View, facts: StageFacts, sources: Sources, outputs: Sequence[str], last: int
) -> list[Artifact]:
    """Return the files of the modules that come along."""
    scope = facts.end
    found: dict[str, str] = {}

    def add(path: str, why: str) -> None:
        is_inside = any(is_under(path, module) for module in sources.modules)
        if is_inside and path not in outputs and scope.has(path) and not _is_source_only(view, scope, path):
            found.setdefault(path, why)

    for name, evidence in sources.needs.paths:
        literal = re.split(r"[*?\[{]", name)[0] if re.search(r"[*?\[{]", name) else name
        if not literal or literal.startswith("context:"):
            continue
        path = posixpath.normpath(posixpath.join(scope.cwd, literal))
        if literal != name and (not literal.endswith("/") or not scope.has(path)):
            path = posixpath.dirname(path)
        if path in sources.modules:
            continue
        add(_folder_of(view, scope, path, sources.modules), f"opened at {evidence.file}:{evidence.line}")
    for word in _values_given(view, facts):
        path = posixpath.normpath(posixpath.join(scope.cwd, word))
        if path not in sources.modules and scope.has(path):
            add(path, "named where the container is started")
    why = _unsure(sources)
    if why is not None or sources.unseen:
        given = " ".join(_values_given(view, facts))
        for module in sources.modules:
            if module != scope.cwd and not is_under(scope.cwd, module):
                continue
            for path in _data(view, scope, module, sources):
                if why is not None or _is_mentioned(path, sources, given):
                    add(path, why or "named in the source")
    return [
        Artifact(path, last, why)
        for path, why in found.items()
        if not any(path != other and is_under(path, other) for other in found)
    ]


def _unsure(sources: Sources) -> str | None:
    """Return why files beyond those that the source names can be opened; None: they can't."""
    if not sources.is_found:
        return "may be opened by the program"
    if sources.needs.unknown_paths:
        place = sources.needs.unknown_paths[0]
        return f"may be opened at {place.file}:{place.line}"
    framework = next((name for name in sources.unseen if name.startswith(_BY_CONVENTION)), None)
    if framework is not None:
        return f"{framework} may open it"
    for path, text in sources.own.items():
        match = re.search(_THIS_FOLDER, text)
        if match:
            line = text.count("\n", 0, match.start()) + 1
            return f"may be opened at {path}:{line}"
    return None


def _values_given(view: View, facts: StageFacts) -> Iterator[str]:
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


def _is_mentioned(path: str, sources: Sources, given: str) -> bool:
    """Whether the source or the start commands hold the name of a file, of its folder, or its stem."""
    name = posixpath.basename(path)
    names = {name, posixpath.splitext(name)[0]} if not name.startswith(".") else {name}
    parent = posixpath.basename(posixpath.dirname(path))
    if not any(path == module or posixpath.dirname(path) == module for module in sources.modules):
        names.add(parent)
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(one)}(?![\w-])" for one in names if len(one) > 1))
    if pattern.pattern and pattern.search(given):
        return True
    if not pattern.pattern:
        return False
    return any(
        pattern.search(line) and not _says_nothing(line)
        for text in sources.own.values()
        for line in text.splitlines()
    )


def _says_nothing(line: str) -> bool:
    """Whether a line of source can't name a file: no text in it, a comment, an import."""
    if not ('"' in line or "`" in line) or line.lstrip().startswith(("//", "package ", "import ")):
        return True
    return re.match(r'\s*(\w+\s+)?"[\w.-]+\.\w+/[^"]*"\s*$', line) is not None


def _folder_of(view: View, scope: Scope, path: str, modules: Sequence[str]) -> str:
    """Return the folder of a file that lies among files of its kind: templates, pages, translations."""
    parent = posixpath.dirname(path)
    source = scope.origin(parent)
    if (
        path in modules
        or parent in modules
        or parent == scope.cwd
        or source is None
        or not scope.is_file(path)
    ):
        return path
    files = view.context.files(source)
    has_siblings = sum(1 for file in files if posixpath.splitext(file)[1] == posixpath.splitext(path)[1]) > 1
    is_mixed = any(file.endswith((".go", ".mod")) for file in files)
    return parent if has_siblings and not is_mixed else path


def _is_source_only(view: View, scope: Scope, path: str) -> bool:
    """Whether a folder holds nothing but Go source, which a binary doesn't open."""
    source = scope.origin(path)
    if source is None or not view.context.is_dir(source):
        return False
    return all(file.endswith(".go") for file in view.context.files(source))


def _data(view: View, scope: Scope, module: str, sources: Sources) -> list[str]:
    """Return what the module holds beside source: whole folders of data, single files where it is mixed."""
    root = scope.origin(module)
    if root is None:
        return []
    entries: dict[str, list[str]] = {}
    for file in view.context.files(root):
        inside = posixpath.relpath(file, root or ".")
        top = inside.split("/")[0]
        is_hidden = top.startswith(".") and not top.startswith(".env")
        if (
            is_hidden
            or top in _NOT_RUN_TIME
            or top.startswith(("Dockerfile", "README", "LICENSE", "CHANGELOG"))
        ):
            continue
        if top.endswith((".md", ".Dockerfile", ".dockerfile")) or _is_embedded(file, sources):
            continue
        is_swagger = posixpath.basename(file) in ("swagger.json", "swagger.yaml")
        if is_swagger and view.context.is_file(posixpath.join(posixpath.dirname(file), "docs.go")):
            continue  # docs.go holds what these two do
        entries.setdefault(top, []).append(inside)
    found: list[str] = []
    for top, files in sorted(entries.items()):
        data = [file for file in files if not file.endswith(_SOURCE)]
        if not data:
            continue
        has_source = any(file.endswith((".go", ".mod")) for file in files)
        singles = _deepest(data, files) if has_source else [top]
        found.extend(
            posixpath.join(module, one) for one in (singles if len(singles) <= _MOST_SINGLE_FILES else [top])
        )
    return found


def _deepest(data: Iterable[str], files: Iterable[str]) -> list[str]:
    """Return the topmost folders without Go source that hold the data, or the files themselves."""
    with_source = {posixpath.dirname(file) for file in files if file.endswith((".go", ".mod"))}
    found: dict[str, None] = {}
    for file in data:
        path = file
        while "/" in path and not any(
            is_under("/" + one, "/" + posixpath.dirname(path)) for one in with_source
        ):
            path = posixpath.dirname(path)
        found[path] = None
    return list(found)


def _is_embedded(file: str, sources: Sources) -> bool:
    """Whether the build puts a file into the binary."""
    import fnmatch

    for pattern, _ in sources.needs.embedded:
        if is_under("/" + file, "/" + pattern) or fnmatch.fnmatchcase(file, pattern):
            return True
        parts = pattern.split("/")
        head = "/".join(file.split("/")[: len(parts)])
        if fnmatch.fnmatchcase(head, pattern):
            return True
    return False
