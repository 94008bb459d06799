"""The source that a Go binary is built from, as far as the build context has it: what it says and imports."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from msrefactor.code.go import go_needs_of
from msrefactor.code.go_module import go_files, reachable_packages, read_module
from msrefactor.code.go_tokens import imported, is_built
from msrefactor.code.needs import EMPTY, CodeNeeds, merged_needs
from msrefactor.facts import Effect, Fact, Scope
from msrefactor.model import View
from msrefactor_transforms.ecosystems._go_commands import GoBuild, module_folder

OwnBuild = tuple[Fact, Effect, GoBuild]
"""An instruction, the command in it that builds a binary of this project, and what is known of it."""

_CLIENT = re.compile(
    r"\bhttp\.(Get|Post|PostForm|Head|Client|NewRequest\w*|DefaultClient|DefaultTransport|Transport|RoundTripper)\b"
)
_MOST_VENDORED = 3000
"""Packages of the vendor folder that are read; a project with more counts as one that can't be seen whole."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the binaries are made of."""

    modules: tuple[str, ...] = ()
    """Folders of the image that hold the modules."""
    needs: CodeNeeds = EMPTY
    """What the project's own source uses at run time."""
    own: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Text of the project's own files, by their path in the context."""
    vendored: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    imports: frozenset[str] = frozenset()
    """Everything that is imported, by the project and by what is vendored."""
    required: frozenset[str] = frozenset()
    """Modules that go.mod names."""
    unseen: frozenset[str] = frozenset()
    """Packages that are imported and whose source isn't in the context."""
    is_found: bool = False
    """Whether the source of every binary was found."""

    @property
    def is_whole(self) -> bool:
        """Whether all source but the standard library's can be seen."""
        return self.is_found and not self.unseen

    def texts(self) -> Iterable[str]:
        """Return the text of every file that can be seen."""
        yield from self.own.values()
        yield from self.vendored.values()

    def mentions(self, pattern: str) -> bool:
        """Whether a regular expression matches somewhere in the source that can be seen."""
        return any(re.search(pattern, text) for text in self.texts())

    @property
    def may_be_tls_client(self) -> bool:
        """Whether the program may ask somebody for a certificate and has to know whom to trust."""
        if not self.is_whole:
            return True
        if self.imports & {"crypto/tls", "crypto/x509", "net/smtp", "net/http/httputil", "net/rpc"}:
            return True
        if "net/http" not in self.imports:
            return False
        return self.mentions(_CLIENT.pattern) or self.mentions(r'(?m)^\s*(import\s+)?(\w+|\.)\s+"net/http"')

    @property
    def may_load_zones(self) -> bool:
        """Whether it may read the time zone database."""
        if "time/tzdata" in self.imports:
            return False
        return self.mentions(r"\bLoadLocation\b") or (
            bool(self.unseen) and self.mentions(r"\bloc=|\bTimeZone=|\bparseTime=|timezone")
        )

    @property
    def may_use_the_account(self) -> bool:
        """Whether it asks for the user, for a home folder or for temporary files."""
        if self.needs.writes_temp or "os/user" in self.imports:
            return True
        return self.mentions(
            r"\bUserHomeDir\b|\bUserConfigDir\b|\bUserCacheDir\b|\"HOME\"|\bTempDir\b|\bCreateTemp\b|\bMkdirTemp\b"
            r"|\bTempFile\b|\"/tmp|\bFormFile\b|\bParseMultipartForm\b|\bMultipartForm\b|\"/etc/|\"/proc/|\"/dev/shm"
        )


def sources_of(view: View, builds: Sequence[OwnBuild]) -> Sources:
    """Return the source of these builds."""
    parts = [_one(view, fact, build) for fact, _, build in builds]
    return Sources(
        modules=tuple(dict.fromkeys(module for part in parts for module in part.modules)),
        needs=merged_needs(part.needs for part in parts),
        own=MappingProxyType({path: text for part in parts for path, text in part.own.items()}),
        vendored=MappingProxyType({path: text for part in parts for path, text in part.vendored.items()}),
        imports=frozenset().union(*(part.imports for part in parts)),
        required=frozenset().union(*(part.required for part in parts)),
        unseen=frozenset().union(*(part.unseen for part in parts)),
        is_found=bool(parts) and all(part.is_found for part in parts),
    )


def _one(view: View, fact: Fact, build: GoBuild) -> Sources:
    scope = fact.scope
    folder = (build.packages or (build.folder,))[0]
    top = module_folder(folder, scope)
    is_module = top is not None
    if top is None:
        top = _outermost(folder, scope)
    root = scope.origin(top) if top is not None else None
    if top is None or root is None:
        return Sources(modules=(build.folder,))
    module = read_module(view.context, root) if is_module else None
    packages = _in_context(build.packages, scope) if module is not None else None
    needs = [go_needs_of(view.context, root, packages)]
    own = _texts(view, root, packages)
    replaced: frozenset[str] = frozenset()
    if module is not None:
        others = [*module.replaces, *_workspace(view, root)]
        for other in dict.fromkeys(others):
            needs.append(go_needs_of(view.context, other))
            own.update(_texts(view, other, None))
        replaced = module.replaced_modules
    names = {posixpath.basename(path) for path in own}
    every = frozenset().union(*(imported(text) for text in own.values()))
    mine = {module.path} if module is not None else set()
    workspace = {
        found.path for other in _workspace(view, root) if (found := read_module(view.context, other))
    }
    foreign = {
        path
        for path in every
        if "." in path.split("/")[0]
        and not any(path == name or path.startswith(name + "/") for name in mine | replaced | workspace)
        and not (not is_module and scope.has(f"/go/src/{path}"))
    }
    vendored, unseen, imports = _vendored(view, posixpath.normpath(posixpath.join(root, "vendor")), foreign)
    return Sources(
        modules=(top,),
        needs=merged_needs(needs),
        own=own,
        vendored=vendored,
        imports=every | imports,
        required=frozenset(name for name, _, _ in module.requires) if module is not None else frozenset(),
        unseen=frozenset(unseen),
        is_found=bool(names),
    )


def _outermost(folder: str, scope: Scope) -> str | None:
    """Return the topmost folder from the context around a package that belongs to no module."""
    found = None
    while folder != "/":
        if scope.has(folder):
            found = folder
        folder = posixpath.dirname(folder)
    return found


def _in_context(packages: Sequence[str] | None, scope: Scope) -> tuple[str, ...] | None:
    if packages is None:
        return None
    found = [scope.origin(package) for package in packages]
    if any(one is None for one in found):
        return None
    return tuple(one or "." for one in found if one is not None)


def _texts(view: View, root: str, packages: Sequence[str] | None) -> dict[str, str]:
    folders = go_files(view.context, root)
    module = read_module(view.context, root)
    if packages is not None and module is not None:
        folders = reachable_packages(view.context, root, module.path, folders, packages)
    found: dict[str, str] = {}
    for files in folders.values():
        for path in files:
            text = view.context.read_text(path)
            if text is not None and is_built(path, text):
                found[path] = text
    return found


def _workspace(view: View, root: str) -> tuple[str, ...]:
    """Return the other modules of a go.work beside the module or above it."""
    folder = root
    while True:
        text = view.context.read_text(posixpath.normpath(posixpath.join(folder, "go.work")))
        if text is not None:
            break
        if not folder or folder == ".":
            return ()
        folder = posixpath.dirname(folder)
    words = re.findall(r"^\s*(?:use\s+)?(\.[\w./-]*)\s*$", text, re.M)
    paths = [posixpath.normpath(posixpath.join(folder, word)) for word in words]
    return tuple("" if path == "." else path for path in paths if path != (root or "."))


def _vendored(
    view: View, vendor: str, wanted: Iterable[str]
) -> tuple[dict[str, str], set[str], frozenset[str]]:
    """Return the vendored files that are built, what isn't vendored, and all that they import."""
    pending = list(wanted)
    if not view.context.is_dir(vendor):
        return {}, set(pending), frozenset()
    texts: dict[str, str] = {}
    unseen: set[str] = set()
    imports: set[str] = set()
    seen: set[str] = set()
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        folder = f"{vendor}/{path}"
        if len(seen) > _MOST_VENDORED or not view.context.is_dir(folder):
            unseen.add(path)
            continue
        for file in view.context.files(folder):
            if posixpath.dirname(file) != folder or not file.endswith(".go") or file.endswith("_test.go"):
                continue
            text = view.context.read_text(file)
            if text is None or not is_built(file, text):
                continue
            texts[file] = text
            found = imported(text)
            imports |= found
            pending.extend(one for one in found if "." in one.split("/")[0])
    return texts, unseen, frozenset(imports)
