"""What package.json, the lock files and tsconfig.json say of a Node project.

Formats: npm's "package.json" documentation, Node's "Packages", TypeScript's "TSConfig reference".
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

from msrefactor.code.needs import SourceReader
from msrefactor.manifests import json_value, yaml_value

LOCK_FILES: Mapping[str, str] = MappingProxyType(
    {
        "package-lock.json": "npm",
        "npm-shrinkwrap.json": "npm",
        "yarn.lock": "yarn",
        "pnpm-lock.yaml": "pnpm",
        "bun.lock": "bun",
        "bun.lockb": "bun",
    }
)
"""Lock files by name, with the package manager that writes them."""

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NodePackage:
    """A package.json, as far as installing, building and starting depend on it."""

    path: str
    """The file, from the root of the build context."""
    name: str | None
    scripts: Mapping[str, str]
    dependencies: Mapping[str, str]
    dev_dependencies: Mapping[str, str]
    optional: Mapping[str, str]
    peer: Mapping[str, str]
    bin: Mapping[str, str]
    """Command name to file."""
    main: str | None
    type: str
    """`module` or `commonjs`."""
    package_manager: str | None
    """The `packageManager` field as written (`pnpm@9.1.0`)."""
    workspaces: tuple[str, ...]
    """Patterns of workspace members, of package.json or pnpm-workspace.yaml."""
    engines: Mapping[str, str]
    files: tuple[str, ...]
    locks: tuple[str, ...]
    """Lock files beside it."""
    prisma_schema: str | None
    homepage: str | None = None
    proxy: object = None
    """The `proxy` of Create React App's development server, as written."""
    line_of: Mapping[str, int] = field(default_factory=dict)
    """1-based lines of the scripts, by name."""

    @property
    def lock_kind(self) -> str | None:
        """The package manager that wrote the lock file, None when there is none or several disagree."""
        kinds = {LOCK_FILES[posixpath.basename(lock)] for lock in self.locks}
        return kinds.pop() if len(kinds) == 1 else None

    @property
    def local_dependencies(self) -> tuple[str, ...]:
        """Directories and archives that dependencies name by path, relative to the package."""
        every = {**self.dependencies, **self.optional, **self.dev_dependencies}
        found: dict[str, None] = {}
        for version in every.values():
            scheme, colon, rest = version.partition(":")
            if colon and scheme in {"file", "link", "portal"}:
                found.setdefault(posixpath.normpath(rest.removeprefix("//")))
            elif version.startswith(("./", "../", "/")):
                found.setdefault(posixpath.normpath(version))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class TsConfig:
    """What the TypeScript compiler is told, `extends` followed; paths from the root of the build context."""

    path: str
    out_dir: str | None
    root_dir: str | None
    out_file: str | None
    declaration_dir: str | None
    no_emit: bool
    module: str | None
    include: tuple[str, ...]
    """Patterns, from the root of the build context."""
    files: tuple[str, ...]
    exclude: tuple[str, ...]
    uses_path_aliases: bool
    """Whether imports can be rewritten by `paths`."""
    chain: tuple[str, ...]
    """This file and every file it extends that lies in the context."""
    unresolved: tuple[str, ...]
    """What it extends that isn't in the context (packages)."""


def read_package(context: SourceReader, directory: str = "") -> NodePackage | None:
    """Return the package.json of a directory, None when there is none or it isn't understood."""
    path = posixpath.normpath(posixpath.join(directory, "package.json"))
    text = context.read_text(path)
    document = _json_object(text) if text is not None else None
    if document is None or text is None:
        return None
    name = _text(document.get("name"))
    workspaces = document.get("workspaces")
    if isinstance(workspaces, dict):
        workspaces = workspaces.get("packages")
    members = _texts(workspaces) or _pnpm_members(context, directory)
    prisma = document.get("prisma")
    return NodePackage(
        path=path,
        name=name,
        scripts=_mapping(document.get("scripts")),
        dependencies=_mapping(document.get("dependencies")),
        dev_dependencies=_mapping(document.get("devDependencies")),
        optional=_mapping(document.get("optionalDependencies")),
        peer=_mapping(document.get("peerDependencies")),
        bin=_bin(document.get("bin"), name),
        main=_text(document.get("main")),
        type="module" if document.get("type") == "module" else "commonjs",
        package_manager=_text(document.get("packageManager")),
        workspaces=members,
        engines=_mapping(document.get("engines")),
        files=_texts(document.get("files")),
        locks=tuple(
            lock
            for lock in (posixpath.normpath(posixpath.join(directory, base)) for base in LOCK_FILES)
            if context.is_file(lock)
        ),
        prisma_schema=_text(prisma.get("schema")) if isinstance(prisma, dict) else None,
        homepage=_text(document.get("homepage")),
        proxy=document.get("proxy"),
        line_of=_script_lines(text),
    )


def read_tsconfig(context: SourceReader, path: str) -> TsConfig | None:
    """Return what a tsconfig.json says with all that it extends, None when it can't be read."""
    path = posixpath.normpath(path)
    options: dict[str, object] = {}
    top: dict[str, tuple[str, ...]] = {}
    chain: list[str] = []
    unresolved: list[str] = []
    pending = [path]
    while pending and len(chain) < 32:
        current = pending.pop(0)
        if current in chain:
            continue
        text = context.read_text(current)
        document = _json_object(plain_json(text)) if text is not None else None
        if document is None:
            if current == path:
                return None
            unresolved.append(current)
            continue
        chain.append(current)
        directory = posixpath.dirname(current)
        compiler = document.get("compilerOptions")
        for key, value in compiler.items() if isinstance(compiler, dict) else ():
            is_path = key in {"outDir", "rootDir", "outFile", "declarationDir"} and isinstance(value, str)
            options.setdefault(key, _from(directory, value) if is_path else value)
        for key in ("include", "files", "exclude"):
            if key in document and key not in top:
                top[key] = tuple(_from(directory, item) for item in _texts(document[key]))
        extends = document.get("extends")
        # The last of several wins, as in TypeScript.
        for base in reversed((extends,) if isinstance(extends, str) else _texts(extends)):
            found = _extended(context, directory, base)
            if found is None:
                unresolved.append(base)
            else:
                pending.append(found)
    return TsConfig(
        path=path,
        out_dir=_text(options.get("outDir")),
        root_dir=_text(options.get("rootDir")),
        out_file=_text(options.get("outFile")),
        declaration_dir=_text(options.get("declarationDir")),
        no_emit=options.get("noEmit") is True,
        module=_text(options.get("module")),
        include=top.get("include", ()),
        files=top.get("files", ()),
        exclude=top.get("exclude", ()),
        uses_path_aliases=bool(options.get("paths")),
        chain=tuple(chain),
        unresolved=tuple(unresolved),
    )


def _extended(context: SourceReader, directory: str, base: str) -> str | None:
    if not base.startswith((".", "/")):
        return None
    target = _from(directory, base)
    for candidate in (target, f"{target}.json", posixpath.join(target, "tsconfig.json")):
        if context.is_file(candidate):
            return candidate
    return None


def _from(directory: str, path: str) -> str:
    path = path.replace("${configDir}", ".")
    return posixpath.normpath(posixpath.join(directory, path))


def plain_json(text: str) -> str:
    """Return JSON with comments and trailing commas taken out."""
    kept: list[str] = []
    comma: int | None = None
    at, end = 0, len(text)
    while at < end:
        char = text[at]
        if char == '"':
            stop = at + 1
            while stop < end and text[stop] != '"':
                stop += 2 if text[stop] == "\\" else 1
            kept.append(text[at : stop + 1])
            at = stop + 1
            comma = None
        elif text.startswith("//", at):
            newline = text.find("\n", at)
            at = end if newline < 0 else newline
        elif text.startswith("/*", at):
            close = text.find("*/", at + 2)
            at = end if close < 0 else close + 2
        else:
            if char in "]}" and comma is not None:
                kept[comma] = " "
            if char == ",":
                comma = len(kept)
            elif not char.isspace():
                comma = None
            kept.append(char)
            at += 1
    return "".join(kept)


def _json_object(text: str) -> dict[str, object] | None:
    document = json_value(text)
    return cast(dict[str, object], document) if isinstance(document, dict) else None


def _pnpm_members(context: SourceReader, directory: str) -> tuple[str, ...]:
    text = context.read_text(posixpath.normpath(posixpath.join(directory, "pnpm-workspace.yaml")))
    if text is None:
        return ()
    document = yaml_value(text)
    return _texts(document.get("packages")) if isinstance(document, dict) else ()


def _script_lines(text: str) -> dict[str, int]:
    lines: dict[str, int] = {}
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not inside:
            inside = stripped.startswith('"scripts"')
        elif stripped.startswith("}"):
            break
        elif stripped.startswith('"'):
            name, _, rest = stripped[1:].partition('"')
            if rest.lstrip().startswith(":"):
                lines.setdefault(name, number)
    return lines


def _bin(value: object, name: str | None) -> Mapping[str, str]:
    if isinstance(value, str):
        return MappingProxyType({name.rpartition("/")[2]: value}) if name else _NONE
    return _mapping(value)


def _mapping(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        return _NONE
    return MappingProxyType({key: item for key, item in value.items() if isinstance(item, str)})


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
