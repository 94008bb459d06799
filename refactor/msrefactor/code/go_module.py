"""go.mod, and which packages a Go module holds (go.dev/ref/mod; cmd/go "Package lists and patterns")."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msrefactor.code.go_tokens import imported, is_built, package_name
from msrefactor.code.needs import MAX_SOURCE, SourceReader


@dataclass(frozen=True, slots=True)
class GoModule:
    """A go.mod; directories are relative to the root of the build context."""

    file: str
    path: str
    go_version: str | None
    toolchain: str | None
    requires: tuple[tuple[str, str, bool], ...]
    """Module path, version, and whether it is only needed indirectly."""
    replaces: tuple[str, ...]
    """Local directories that stand in for modules; `../x` when outside the context."""
    replaced_modules: frozenset[str]
    """The modules they stand in for."""
    is_vendored: bool
    """Whether vendor/modules.txt lies beside it."""
    has_sum: bool


def read_module(context: SourceReader, directory: str = "") -> GoModule | None:
    """Return the go.mod of a directory, None when there is none or it names no module."""
    file = posixpath.normpath(posixpath.join(directory, "go.mod"))
    text = context.read_text(file)
    if text is None:
        return None
    path = ""
    go_version = toolchain = None
    requires: list[tuple[str, str, bool]] = []
    replaces: dict[str, None] = {}
    replaced: set[str] = set()
    for words, comment in _directives(text):
        keyword, rest = words[0], words[1:]
        if keyword == "module" and rest:
            path = rest[0]
        elif keyword == "go" and rest:
            go_version = rest[0]
        elif keyword == "toolchain" and rest:
            toolchain = rest[0]
        elif keyword == "require" and len(rest) >= 2:
            requires.append((rest[0], rest[1], "indirect" in comment))
        elif keyword == "replace" and "=>" in rest:
            target = rest[rest.index("=>") + 1 :]
            if len(target) == 1 and target[0].startswith((".", "/")):
                replaces.setdefault(posixpath.normpath(posixpath.join(directory, target[0])))
                replaced.add(rest[0])
    if not path:
        return None
    return GoModule(
        file=file,
        path=path,
        go_version=go_version,
        toolchain=toolchain,
        requires=tuple(requires),
        replaces=tuple(replaces),
        replaced_modules=frozenset(replaced),
        is_vendored=context.is_file(posixpath.normpath(posixpath.join(directory, "vendor/modules.txt"))),
        has_sum=context.is_file(posixpath.normpath(posixpath.join(directory, "go.sum"))),
    )


@dataclass(frozen=True, slots=True)
class GoWorkspace:
    """A go.work; directories are relative to the root of the build context."""

    modules: tuple[str, ...]
    """The directories of its modules; `../x` when outside the context."""
    replaces: tuple[str, ...]
    """Local directories that stand in for modules."""
    replaced_modules: frozenset[str]


def read_workspace(context: SourceReader, directory: str = "") -> GoWorkspace | None:
    """Return the go.work of a directory (go.dev/ref/mod "Workspaces"), None when there is none."""
    text = context.read_text(posixpath.normpath(posixpath.join(directory, "go.work")))
    if text is None:
        return None
    modules: dict[str, None] = {}
    replaces: dict[str, None] = {}
    replaced: set[str] = set()
    for words, _ in _directives(text):
        if words[0] == "use" and len(words) > 1:
            modules.setdefault(posixpath.normpath(posixpath.join(directory, words[1])))
        elif words[0] == "replace" and "=>" in words:
            target = words[words.index("=>") + 1 :]
            if len(target) == 1 and target[0].startswith((".", "/")):
                replaces.setdefault(posixpath.normpath(posixpath.join(directory, target[0])))
                replaced.add(words[1])
    return GoWorkspace(tuple(modules), tuple(replaces), frozenset(replaced))


def _directives(text: str) -> Iterator[tuple[list[str], str]]:
    block = ""
    for line in text.splitlines():
        code, _, comment = line.partition("//")
        words = [word.strip('"`') for word in code.replace("(", " ( ").replace(")", " ) ").split()]
        if not words:
            continue
        if block:
            if words == [")"]:
                block = ""
            else:
                yield [block, *words], comment
        elif len(words) >= 2 and words[1] == "(":
            block = words[0]
        else:
            yield words, comment


def main_packages(context: SourceReader, directory: str = "") -> tuple[str, ...]:
    """Return the directories of a module that hold a `package main`, from the root of the build context."""
    found: list[str] = []
    for folder, files in go_files(context, directory).items():
        for path in files:
            text = context.read_text(path)
            if text is not None and is_built(path, text) and package_name(text) == "main":
                found.append(folder)
                break
    return tuple(found)


def go_files(context: SourceReader, directory: str) -> dict[str, list[str]]:
    """Return a module's Go files by their directory, without tests, vendor, testdata and nested modules."""
    top = posixpath.normpath(directory) if directory else ""
    top = "" if top == "." else top
    every = [path for path in context.files(top) if not top or path.startswith(top + "/")]
    nested = {
        posixpath.dirname(path)
        for path in every
        if posixpath.basename(path) == "go.mod" and posixpath.dirname(path) != top
    }
    found: dict[str, list[str]] = {}
    for path in every:
        if not path.endswith(".go") or path.endswith("_test.go"):
            continue
        folder = posixpath.dirname(path)
        parts = folder.removeprefix(top).strip("/").split("/") if folder != top else []
        if any(part in {"vendor", "testdata", "node_modules"} or part[:1] in {"_", "."} for part in parts):
            continue
        above = folder
        while above and above != top:
            if above in nested:
                break
            above = posixpath.dirname(above)
        if above and above != top:
            continue
        found.setdefault(folder or ".", []).append(path)
    return dict(sorted(found.items()))


def reachable_packages(
    context: SourceReader,
    directory: str,
    module: str,
    every: Mapping[str, list[str]],
    packages: Sequence[str],
) -> dict[str, list[str]]:
    """Return the directories that the packages are built from."""
    top = posixpath.normpath(directory or ".")
    pending = [posixpath.normpath(package) for package in packages]
    found: dict[str, list[str]] = {}
    while pending:
        folder = pending.pop()
        if folder in found or folder not in every:
            continue
        found[folder] = every[folder]
        for path in every[folder]:
            text = context.read_text(path)
            if text is None or len(text) > MAX_SOURCE or not is_built(path, text):
                continue
            for name in imported(text):
                if name == module or name.startswith(module + "/"):
                    inside = name.removeprefix(module).lstrip("/")
                    pending.append(posixpath.normpath(posixpath.join(top, inside)))
    return found
