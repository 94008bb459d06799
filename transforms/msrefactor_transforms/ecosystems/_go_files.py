"""Which files of a Go module come along: what its source opens, embeds, and leaves to a framework."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Sequence

from msrefactor.facts import StageFacts, is_under
from msrefactor.model import View
from msrefactor_transforms.ecosystems._go_sources import Sources
from msrefactor_transforms.splitting import opened
from msrefactor_transforms.splitting.plan import Artifact

SOURCE_KIND = opened.SourceKind(
    compiled=tuple(".go .mod .sum .s .c .h .cpp .proto .thrift .fbs .qtpl .templ .sh .test".split()),
    marks=(".go", ".mod"),
    manifests=frozenset(
        "go.mod go.sum go.work go.work.sum vendor testdata Gopkg.toml Gopkg.lock glide.yaml glide.lock "
        "Godeps".split()
    ),
)
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


def run_time_files(
    view: View, facts: StageFacts, sources: Sources, outputs: Sequence[str], last: int
) -> list[Artifact]:
    """Return the files of the modules that come along."""
    known = opened.Opened(
        SOURCE_KIND,
        sources.modules,
        sources.needs,
        sources.own,
        _unsure(sources),
        bool(sources.unseen),
        lambda file: _is_embedded(file, view, sources),
    )
    return opened.run_time_files(view, facts, known, outputs, last)


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


def _is_embedded(file: str, view: View, sources: Sources) -> bool:
    """Whether the build puts a file into the binary."""
    is_swagger = posixpath.basename(file) in ("swagger.json", "swagger.yaml")
    if is_swagger and view.context.is_file(posixpath.join(posixpath.dirname(file), "docs.go")):
        return True  # docs.go holds what these two do
    for pattern, _ in sources.needs.embedded:
        if is_under("/" + file, "/" + pattern) or fnmatch.fnmatchcase(file, pattern):
            return True
        parts = pattern.split("/")
        head = "/".join(file.split("/")[: len(parts)])
        if fnmatch.fnmatchcase(head, pattern):
            return True
    return False
