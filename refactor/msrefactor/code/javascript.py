"""What JavaScript and TypeScript source starts, loads, reads and imports at run time.

A name is followed to what the file gives it, and a parameter to the calls of its function; with
`javascript_needs_of` through all files. What stays open is unknown at the place that uses it.
"""

from __future__ import annotations

import posixpath
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from msrefactor.code.javascript_tokens import javascript_tokens
from msrefactor.code.needs import (
    CONTEXT_MARK,
    FOREIGN_ENDINGS,
    MAX_SOURCE,
    CodeNeeds,
    Findings,
    SourceReader,
    excerpt,
    merged_needs,
)
from msrefactor.code.node_package import NodePackage, TsConfig, read_package, read_tsconfig
from msrefactor.code.shell import arguments_of, started_by, starts_in
from msrefactor.code.tokens import Code, Token, arguments, closing, is_mark, is_name, split
from msrefactor.model import Evidence

__all__ = [
    "NodePackage",
    "TsConfig",
    "javascript_needs",
    "javascript_needs_of",
    "package_of",
    "read_package",
    "read_tsconfig",
]

UNKNOWN = "\0"
"""Stands for text that only the running program knows."""

EXTENSIONS = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")
"""How the names of the files end that are read."""

SKIPPED_DIRECTORIES = frozenset(
    {"node_modules", ".git", "__tests__", "__mocks__", "test", "tests", "e2e", "cypress", "coverage", ".next"}
)
"""Directories whose files the application doesn't run."""

_ITSELF = "/proc/self/exe"
_MAX_VALUES = 12

_CHILD_PROCESS: Mapping[str, str] = MappingProxyType(
    {
        "exec": "shell", "execSync": "shell", "spawn": "line", "spawnSync": "line", "execFile": "line",
        "execFileSync": "line", "fork": "script",
    }
)  # fmt: skip
_MODULES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "child_process": _CHILD_PROCESS,
        "child-process-promise": _CHILD_PROCESS,
        "cross-spawn": {"default": "line", "sync": "line", "spawn": "line"},
        "execa": {
            "default": "line", "execa": "line", "execaSync": "line", "sync": "line", "execaNode": "script",
            "command": "shell", "commandSync": "shell", "execaCommand": "shell", "execaCommandSync": "shell",
            "shell": "shell", "$": "tag",
        },
        "zx": {"$": "tag", "which": "which"},
        "zx/globals": {"$": "tag"},
        "shelljs": {"exec": "shell", "which": "which"},
        "tinyexec": {"x": "line", "exec": "line"},
        "nano-spawn": {"default": "line"},
        "which": {"default": "which", "sync": "which"},
        "command-exists": {"default": "which", "sync": "which"},
        "node-pty": {"spawn": "line"},
        "worker_threads": {"Worker": "script"},
        "koffi": {"load": "library"},
        "ffi-napi": {"Library": "library"},
        "ffi": {"Library": "library"},
        "bun:ffi": {"dlopen": "library"},
        "fs": {}, "fs/promises": {}, "fs-extra": {}, "graceful-fs": {},
    }
)  # fmt: skip
"""What functions of well-known modules do with their first argument."""

_GLOBALS: Mapping[str, str] = MappingProxyType(
    {"Bun.spawn": "list", "Bun.spawnSync": "list", "Deno.Command": "line", "Bun.which": "which"}
)

_READS = frozenset(
    {
        "readFile", "readFileSync", "createReadStream", "readdir", "readdirSync", "readJson", "readJsonSync",
        "readJSON", "readJSONSync", "opendir", "opendirSync", "readlink", "readlinkSync",
    }
)  # fmt: skip
_ASKS = frozenset(
    {
        "existsSync",
        "statSync",
        "lstatSync",
        "access",
        "accessSync",
        "pathExists",
        "pathExistsSync",
        "realpathSync",
    }
)
_WRITES = frozenset(
    {
        "writeFile", "writeFileSync", "createWriteStream", "appendFile", "appendFileSync", "mkdir",
        "mkdirSync", "ensureDir", "ensureDirSync", "outputFile", "outputFileSync", "writeJson",
        "writeJsonSync", "mkdirp",
    }
)  # fmt: skip
_HINTS: Mapping[str, int] = MappingProxyType(
    {"static": 0, "sendFile": 0, "serveStatic": 0, "configure": 0, "sendfile": 0, "addPath": 0}
)
"""Functions of web frameworks that read a file or directory."""

Group: TypeAlias = Sequence[Token]


@dataclass(frozen=True, slots=True)
class _Function:
    name: str
    parameters: tuple[str, ...]
    parameters_at: int
    is_member: bool
    """Whether it is called as `x.name()`: a method, a property, an export."""
    name_at: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _PassedOn:
    """A parameter that is used as a program, library or path; the callers tell what it is."""

    function: _Function
    position: int
    kind: str
    place: Evidence


@dataclass(slots=True)
class _Source:
    """One file while it is read; `streams` are its tokens and those of its templates."""

    path: str
    lines: list[str]
    streams: list[Code]
    findings: Findings
    modules: dict[str, str] = field(default_factory=dict)
    """Local name to the module that it stands for."""
    members: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Local name to module and the name there."""
    constants: dict[str, list[tuple[int, Group]]] = field(default_factory=dict)
    """Every name that is given something, with stream and expression."""
    functions: list[list[_Function]] = field(default_factory=list)
    """Per stream, by start."""
    starts: list[list[tuple[int, int]]] = field(default_factory=list)
    """Of each function the line and the token that it starts at."""
    parameter_places: list[frozenset[int]] = field(default_factory=list)
    """Per stream the tokens at which the parameters of named functions start."""
    definitions: list[frozenset[int]] = field(default_factory=list)
    """Per stream the tokens that name a function where it is defined."""
    passes_on: list[_PassedOn] = field(default_factory=list)
    active: set[str] = field(default_factory=set)


def javascript_needs(path: str, text: str) -> CodeNeeds | None:
    """Return what one file uses, None when it is no JavaScript or TypeScript."""
    source = _source(path, text)
    if source is None:
        return None
    _scan(source)
    _resolve([source])
    return source.findings.needs()


def javascript_needs_of(context: SourceReader, files: Iterable[str]) -> CodeNeeds:
    """Return what the JavaScript and TypeScript files among `files` use.

    Tests, declarations, minified and huge files are left out, as is `node_modules`.
    """
    sources: list[_Source] = []
    unread: list[CodeNeeds] = []
    for path in files:
        if not path.endswith(EXTENSIONS) or is_skipped(path):
            continue
        text = context.read_text(path)
        if text is None or len(text) > MAX_SOURCE or _is_minified(text):
            continue
        source = _source(path, text)
        if source is None:
            if "child_process" in text or "execa" in text:
                unread.append(CodeNeeds(unknown_commands=(Evidence(path, None, "is not understood"),)))
            continue
        _scan(source)
        sources.append(source)
    _resolve(sources)
    return merged_needs([*(source.findings.needs() for source in sources), *unread])


def is_skipped(path: str) -> bool:
    """Whether a file is no part of what the application runs."""
    parts = path.split("/")
    if SKIPPED_DIRECTORIES.intersection(parts[:-1]):
        return True
    base = parts[-1]
    return ".test." in base or ".spec." in base or ".stories." in base or base.endswith((".d.ts", ".min.js"))


def _is_minified(text: str) -> bool:
    return len(text) > 20_000 and len(text) > 500 * (text.count("\n") + 1)


def package_of(specifier: str) -> str | None:
    """Return the package that an import specifier names, None for a file, a URL or an alias (`#x`, `@/x`)."""
    if specifier.startswith(("node:", "bun:")):
        return specifier.partition(":")[2].partition("/")[0]
    if not specifier or specifier[0] in "./#~" or ":" in specifier or specifier.startswith("@/"):
        return None
    parts = specifier.split("/")
    if specifier.startswith("@"):
        return "/".join(parts[:2]) if len(parts) > 1 else None
    return parts[0]


# Reading a file


def _source(path: str, text: str) -> _Source | None:
    if len(text) > MAX_SOURCE:
        return None
    code = javascript_tokens(text)
    if code is None:
        return None
    source = _Source(path, text.split("\n"), list(_streams(code)), Findings(path))
    for index, stream in enumerate(source.streams):
        functions = _functions(stream)
        source.functions.append(functions)
        source.starts.append([(stream[function.start].line, function.start) for function in functions])
        source.definitions.append(frozenset(function.name_at for function in functions))
        source.parameter_places.append(frozenset(function.parameters_at for function in functions))
        _read_imports(source, stream)
        _read_constants(source, index, stream)
        _read_other_bindings(source, index, stream)
    _read_aliases(source)
    return source


def _streams(code: Sequence[Token]) -> Iterator[Code]:
    waiting: list[Sequence[Token]] = [code]
    while waiting:
        stream = Code(waiting.pop())
        yield stream
        for token in stream:
            waiting.extend(part for part in token.parts if isinstance(part, tuple) and part)


def _place(source: _Source, line: int) -> Evidence:
    return Evidence(source.path, line, excerpt(source.lines[line - 1] if line <= len(source.lines) else ""))


def _import(source: _Source, specifier: str) -> str:
    """Record an import; returns the module's name as `_MODULES` has it."""
    package = package_of(specifier)
    if package is not None:
        source.findings.imports.add(package)
    return specifier.removeprefix("node:")


def _read_imports(source: _Source, code: Sequence[Token]) -> None:
    for at, token in enumerate(code):
        if token.kind != "name":
            continue
        if token.text == "import" and not is_mark(code, at - 1, "."):
            _read_import(source, code, at)
        elif token.text == "export" and (is_mark(code, at + 1, "{") or is_mark(code, at + 1, "*")):
            end = closing(code, at + 1) if is_mark(code, at + 1, "{") else at + 2
            while is_name(code, end, "as") or (is_name(code, end) and not is_name(code, end, "from")):
                end += 1
            if is_name(code, end, "from") and end + 1 < len(code) and code[end + 1].kind == "string":
                _import(source, code[end + 1].text)
        elif token.text == "require" and is_mark(code, at + 1, "(") and not is_mark(code, at - 1, "."):
            groups, _ = arguments(code, at + 1)
            if len(groups) == 1 and len(groups[0]) == 1 and groups[0][0].kind == "string":
                _read_require(source, code, at, _import(source, groups[0][0].text))
            elif groups:
                _note_dynamic_import(source, groups[0], token.line)
        elif token.text == "resolve" and is_name(code, at - 2, "require") and is_mark(code, at + 1, "("):
            groups, _ = arguments(code, at + 1)
            if groups and len(groups[0]) == 1 and groups[0][0].kind == "string":
                _import(source, groups[0][0].text)


def _note_dynamic_import(source: _Source, group: Group, line: int) -> None:
    if group and not (group[0].kind == "template" and group[0].text.startswith(".")):
        source.findings.unknown_imports.append(_place(source, line))


def _read_import(source: _Source, code: Sequence[Token], at: int) -> None:
    """`import a, { b as c } from "x"`, `import "x"`, `import("x")`, `import x = require("x")`."""
    if is_mark(code, at + 1, "("):
        groups, _ = arguments(code, at + 1)
        if (
            groups
            and len(groups[0]) == 1
            and groups[0][0].kind in {"string", "template"}
            and not groups[0][0].parts[1:]
        ):
            name = _import(source, groups[0][0].text)
            _read_require(source, code, at, name)
        elif groups:
            _note_dynamic_import(source, groups[0], code[at].line)
        return
    end = at + 1
    while end < len(code) and end < at + 400 and code[end].kind != "string" and not is_mark(code, end, ";"):
        if is_mark(code, end, "=") or is_mark(code, end, "(") or is_name(code, end, "import"):
            return
        end += 1
    if end >= len(code) or code[end].kind != "string":
        return
    if is_name(code, at + 1, "type") and not is_name(code, at + 2, "from"):
        return  # erased by the compiler
    clause = code[at + 1 : end - 1]
    members = _members(clause)
    if members and clause[0].text == "{" and all(name.startswith("type ") for name, _ in members):
        return
    module = _import(source, code[end].text)
    for position, token in enumerate(clause):
        if token.kind == "name" and position == 0 and token.text not in {"as", "from"}:
            source.members.setdefault(token.text, (module, "default"))
            source.modules.setdefault(token.text, module)
        elif token.text == "*" and is_name(clause, position + 1, "as") and is_name(clause, position + 2):
            source.modules.setdefault(clause[position + 2].text, module)
    for name, local in members:
        source.members.setdefault(local, (module, name))


def _members(clause: Sequence[Token]) -> list[tuple[str, str]]:
    """Return name and local name of `{ a, b as c, d: e }`."""
    for at, token in enumerate(clause):
        if token.kind == "mark" and token.text == "{":
            groups, _ = arguments(clause, at)
            found: list[tuple[str, str]] = []
            for group in groups:
                names = [one.text for one in group if one.kind in {"name", "string"}]
                if not names:
                    continue
                if names[0] == "type" and len(names) > 1:
                    found.append((f"type {names[1]}", names[-1]))
                elif "as" in names or any(one.text == ":" for one in group):
                    found.append((names[0], names[2] if "as" in names and len(names) > 2 else names[-1]))
                else:
                    found.append((names[0], names[0]))
            return found
    return []


def _read_require(source: _Source, code: Sequence[Token], at: int, module: str) -> None:
    """Record the names that a `require("x")` or `await import("x")` at `at` is given to."""
    before = at - 1
    if is_name(code, before, "await"):
        before -= 1
    while is_mark(code, before, "("):
        before -= 1
    if is_name(code, before):  # promisify(require("x").exec)
        return
    if not is_mark(code, before, "="):
        return
    before -= 1
    end = closing(code, at + 1)
    member = code[end + 1].text if is_mark(code, end, ".") and is_name(code, end + 1) else ""
    if is_mark(code, before, "}"):
        start = before
        depth = 0
        while start > 0 and before - start < 400:
            depth += is_mark(code, start, "}") - is_mark(code, start, "{")
            if depth == 0:
                break
            start -= 1
        for name, local in _members(code[start : before + 1]):
            source.members.setdefault(local, (module, name))
    elif is_name(code, before):
        if member and is_mark(code, end + 2, "("):
            return  # the result of a call
        if member:
            source.members.setdefault(code[before].text, (module, member))
            if member == "promises":
                source.modules.setdefault(code[before].text, module)
        else:
            source.modules.setdefault(code[before].text, module)
            source.members.setdefault(code[before].text, (module, "default"))


def _read_constants(source: _Source, index: int, code: Sequence[Token]) -> None:
    """Record what names are given: `x = …`, `x: …` isn't one."""
    for at, token in enumerate(code):
        if token.kind != "mark" or token.text != "=" or not at:
            continue
        target = at - 1
        # `const x: string = …`
        if is_name(code, target) and is_mark(code, target - 1, ":") and is_name(code, target - 2):
            target -= 2
        if not is_name(code, target) or (
            is_mark(code, target - 1, ".") and not is_name(code, target - 2, "this")
        ):
            continue
        name = code[target].text
        if is_mark(code, target - 1, "."):
            name = f"this.{name}"
        source.constants.setdefault(name, []).append((index, _expression(code, at + 1)))


def _read_other_bindings(source: _Source, index: int, code: Sequence[Token]) -> None:
    """Record the names that get something that can't be followed: patterns, loops, nameless functions."""
    named = source.parameter_places[index]
    for at, token in enumerate(code):
        bound: Sequence[Token] = ()
        if token.kind == "name" and token.text in {"const", "let", "var"}:
            if is_mark(code, at + 1, "{") or is_mark(code, at + 1, "["):
                bound = code[at + 2 : min(closing(code, at + 1), at + 200)]
            elif is_name(code, at + 2, "of") or is_name(code, at + 2, "in"):
                bound = code[at + 1 : at + 2]
        elif token.kind == "name" and token.text in {"function", "catch"} and is_mark(code, at + 1, "("):
            if at + 1 not in named:
                bound = code[at + 2 : min(closing(code, at + 1), at + 200)]
        elif token.kind == "mark" and token.text == "=>":
            start = _start_of_parameters(code, at)
            if start not in named:
                bound = code[start:at]
        for one in bound:
            if one.kind == "name":
                source.constants.setdefault(one.text, []).append((index, ()))


def _expression(code: Sequence[Token], at: int) -> Group:
    """Return the tokens of the expression at `at`, as far as its end is plain to see."""
    end, depth, start = at, 0, at
    while end < len(code) and end - start < 400:
        token = code[end]
        if token.kind == "mark":
            if token.text in "([{":
                depth += 1
            elif token.text in ")]}":
                if depth == 0:
                    break
                depth -= 1
            elif depth == 0 and token.text in {";", ",", "=>", "="}:
                break
        if depth == 0 and end > start and token.line > code[end - 1].line:
            starts = token.kind == "name" and token.text not in {"in", "instanceof", "as"}
            ended = code[end - 1].kind != "mark" or code[end - 1].text in {")", "]", "}"}
            if ended and starts:
                break
        end += 1
    return code[start:end]


def _read_aliases(source: _Source) -> None:
    """`const run = promisify(exec)`, `const run = util.promisify(cp.exec)`, `const run = cp.exec`."""
    for name, given in source.constants.items():
        for _, group in given:
            words = [token.text for token in group]
            inner: Group | None = None
            if "promisify" in words[:3] and is_mark(group, words.index("promisify") + 1, "("):
                groups, _ = arguments(group, words.index("promisify") + 1)
                inner = groups[0] if groups else None
            elif len(group) in {1, 3}:
                inner = group
            found = _function_of(source, inner) if inner else None
            if found is not None and name not in source.members:
                source.members[name] = found


def _function_of(source: _Source, group: Group) -> tuple[str, str] | None:
    """Return module and name of a function that is named, not called."""
    words = [token.text for token in group]
    if len(group) == 1 and group[0].kind == "name":
        found = source.members.get(words[0])
        return found if found is not None and found[0] in _MODULES else None
    if len(group) == 3 and words[1] == "." and words[0] in source.modules:
        module = source.modules[words[0]]
        return (module, words[2]) if words[2] in _MODULES.get(module, {}) else None
    if words[:2] == ["require", "("] and len(group) == 6 and group[2].kind == "string":
        module = words[2].removeprefix("node:")
        return (module, words[5]) if words[5] in _MODULES.get(module, {}) else None
    return None


def _functions(code: Sequence[Token]) -> list[_Function]:
    """Return the named functions of a stream: declarations, methods, and arrows given to a name."""
    found: list[_Function] = []
    for at, token in enumerate(code):
        if token.kind == "name" and token.text == "function":
            name_at = at + 1 + is_mark(code, at + 1, "*")
            if is_name(code, name_at) and is_mark(code, name_at + 1, "("):
                _add_function(found, code, name_at, name_at + 1)
            if is_mark(code, name_at, "(") or is_mark(code, name_at + 1, "("):
                before = at - 1 - is_name(code, at - 1, "async")
                if is_mark(code, before, "=") or is_mark(code, before, ":"):
                    parameters_at = name_at if is_mark(code, name_at, "(") else name_at + 1
                    _add_function(
                        found, code, before - 1, parameters_at, is_property=is_mark(code, before, ":")
                    )
        elif token.kind == "mark" and token.text == "=>":
            start = _start_of_parameters(code, at)
            before = start - 1 - is_name(code, start - 1, "async")
            if is_mark(code, before, "=") or is_mark(code, before, ":"):
                is_property = is_mark(code, before, ":")
                _add_function(found, code, before - 1, start, arrow=at, is_property=is_property)
        elif token.kind == "name" and is_mark(code, at + 1, "(") and token.text not in _KEYWORDS:
            end = closing(code, at + 1)
            has_body = is_mark(code, end, "{") or (is_mark(code, end, ":") and _is_typed_method(code, end))
            if has_body and not is_name(code, at - 1, "function") and not is_mark(code, at - 1, "."):
                _add_function(found, code, at, at + 1, is_property=True)
    found.sort(key=lambda function: function.start)
    return found


_KEYWORDS = frozenset(
    {"if", "for", "while", "switch", "catch", "with", "function", "return", "await", "super"}
)


def _is_typed_method(code: Sequence[Token], at: int) -> bool:
    """Whether a return type and a body follow, as in TypeScript."""
    for end in range(at + 1, min(at + 30, len(code))):
        if is_mark(code, end, "{"):
            return True
        if code[end].kind == "mark" and code[end].text not in {"<", ">", "[", "]", "|", ".", ","}:
            return False
    return False


def _start_of_parameters(code: Sequence[Token], arrow: int) -> int:
    at = arrow - 1
    if is_name(code, at) and not is_mark(code, at - 1, ":"):
        return at
    # `(a: string): Promise<void> =>`
    limit = at - 400
    while at > 0 and at > limit and not is_mark(code, at, ")"):
        at -= 1
    depth = 0
    while at > 0 and at > limit:
        depth += (code[at].kind == "mark" and code[at].text in ")]}") - (
            code[at].kind == "mark" and code[at].text in "([{"
        )
        if depth == 0:
            return at
        at -= 1
    return at


def _add_function(
    found: list[_Function],
    code: Sequence[Token],
    name_at: int,
    parameters_at: int,
    *,
    arrow: int = 0,
    is_property: bool = False,
) -> None:
    if (
        is_name(code, name_at)
        and is_mark(code, name_at - 1, ":")
        and is_name(code, name_at - 2)
        and not is_property
    ):
        name_at -= 2  # const f: Type = …
    if not is_name(code, name_at):
        return
    is_member = is_property or is_mark(code, name_at - 1, ".")
    if is_mark(code, parameters_at, "("):
        groups, end = arguments(code, parameters_at)
        parameters = tuple(_parameter(group) for group in groups)
    else:
        parameters, end = (code[parameters_at].text,), parameters_at + 1
    body = arrow + 1 if arrow else end
    if arrow and not is_mark(code, body, "{"):
        end = body + len(_expression(code, body))
    else:
        while body < len(code) and body < end + 60 and not is_mark(code, body, "{"):
            body += 1
        end = closing(code, body)
    found.append(_Function(code[name_at].text, parameters, parameters_at, is_member, name_at, name_at, end))


def _parameter(group: Group) -> str:
    names = [token for token in group if token.kind == "name"]
    if not names or group[0].text == "{" or group[0].text == "[":
        return ""
    modifiers = {"private", "public", "protected", "readonly"}
    for token in names:
        if token.text not in modifiers:
            return token.text
    return ""


# Uses


def _scan(source: _Source) -> None:
    for index, code in enumerate(source.streams):
        skipped = _other_systems(source, code)
        for at, token in enumerate(code):
            if at in skipped:
                continue
            if token.kind == "name":
                if token.text == "tmpdir":
                    source.findings.writes_temp = True
                if is_mark(code, at + 1, "("):
                    _read_call(source, index, at)
                elif at + 1 < len(code) and code[at + 1].kind == "template":
                    _read_tagged(source, index, at)
            elif token.kind in {"string", "template"} and token.text.startswith(_TEMPORARY):
                source.findings.writes_temp = True
            if token.kind == "template" and len(token.parts) > 1:
                first = token.parts[1]
                if token.parts[0] == "" and isinstance(first, tuple) and _words(first) in _HERE:
                    _use_path(
                        source, _place(source, token.line), "hint", _one(_values(source, index, [token]))
                    )
    if source.findings.imports & {"tmp", "tmp-promise", "tempy", "temp", "tempfile"}:
        source.findings.writes_temp = True


_TEMPORARY = "/" + "tmp"
_HERE = (["__dirname"], ["import", ".", "meta", ".", "dirname"])


def _words(group: Group) -> list[str]:
    return [token.text for token in group]


def _owner(code: Sequence[Token], at: int) -> str:
    """Return `a.b` of `a.b.name(`, empty when the name isn't a member of plain names."""
    parts: list[str] = []
    at -= 1
    while is_mark(code, at, ".") or is_mark(code, at, "?."):
        if not is_name(code, at - 1):
            return "?"
        parts.append(code[at - 1].text)
        at -= 2
    return ".".join(reversed(parts))


def _kind_of(source: _Source, code: Sequence[Token], at: int) -> str | None:
    """Return what the function that is called at `at` does with its argument."""
    name = code[at].text
    owner = _owner(code, at)
    if owner:
        module = source.modules.get(owner)
        if module is not None and name in _MODULES.get(module, {}):
            return _MODULES[module][name]
        if f"{owner}.{name}" in _GLOBALS:
            return _GLOBALS[f"{owner}.{name}"]
        if owner == "?" and is_mark(code, at - 1, ".") and is_mark(code, at - 2, ")"):
            # require("child_process").exec(...)
            words = _words(code[max(0, at - 5) : at - 1])
            if words[:2] == ["require", "("]:
                return _MODULES.get(words[2].removeprefix("node:"), {}).get(name)
        return None
    member = source.members.get(name)
    if member is None or member[0] not in _MODULES:
        return None
    return _MODULES[member[0]].get(member[1])


def _read_call(source: _Source, index: int, at: int) -> None:
    code = source.streams[index]
    name = code[at].text
    kind = _kind_of(source, code, at)
    if kind is None:
        _read_file_call(source, index, at, name)
        return
    if at in source.definitions[index]:
        return
    groups, _ = arguments(code, at + 1)
    if not groups:
        return
    place = _place(source, code[at].line)
    if kind == "list":
        groups = split(groups[0][1:-1], ",") if groups[0] and groups[0][0].text == "[" else [[]]
        kind = "line"
    if kind == "tag":
        return
    values = _values(source, index, groups[0])
    if values == (UNKNOWN,) and _passed_on(source, index, at, groups[0], kind, place):
        values = _defaults(source, index, groups[0])
    rest = _rest(source, index, groups) if kind == "line" else ()
    if kind == "line" and _has_option(groups[1:], "shell"):
        values = tuple(" ".join([value, *rest]) for value in values)
        kind = "shell"
    for value in values:
        _use(source, place, kind, value, rest)


def _rest(source: _Source, index: int, groups: Sequence[Group]) -> tuple[str, ...]:
    """Return the words of the list that is a call's second argument."""
    if len(groups) < 2:
        return ()
    group = groups[1]
    if len(group) == 1 and group[0].kind == "name":
        given = source.constants.get(group[0].text, [])
        if len(given) == 1 and given[0][1][:1] and given[0][1][0].text == "[":
            index, group = given[0]
        else:
            return (UNKNOWN,)
    if not group or group[0].text != "[":
        return () if group and group[0].text == "{" else (UNKNOWN,)
    elements, _ = arguments(group, 0)
    return tuple(
        UNKNOWN if element and element[0].text == "..." else _one(_values(source, index, element))
        for element in elements[:100]
    )


def _has_option(groups: Sequence[Group], name: str) -> bool:
    """Whether an object among the arguments sets an option to anything but false."""
    for group in groups:
        for at, token in enumerate(group):
            if token.text == name and is_mark(group, at + 1, ":") and not is_name(group, at + 2, "false"):
                return True
    return False


def _read_tagged(source: _Source, index: int, at: int) -> None:
    """`$`…``."""
    code = source.streams[index]
    member = source.members.get(code[at].text)
    kind = _MODULES.get(member[0], {}).get(member[1]) if member else None
    if code[at].text == "$" and "zx/globals" in source.findings.imports | set(source.modules.values()):
        kind = "tag"
    if kind in {"tag", "shell"}:
        value = _one(_values(source, index, code[at + 1 : at + 2]))
        _use(source, _place(source, code[at].line), "shell", value, ())


def _use(source: _Source, place: Evidence, kind: str, value: str, rest: Sequence[str]) -> None:
    findings = source.findings
    if kind == "library":
        (
            findings.unknown_libraries.append(place)
            if UNKNOWN in value
            else findings.libraries.append((value, place))
        )
    elif kind == "which":
        if UNKNOWN not in value and value not in {"", _ITSELF}:
            findings.commands.append((value, place))
    elif kind == "script":
        _use_path(source, place, "hint", value)
    elif kind in {"read", "hint", "write"}:
        _use_path(source, place, kind, value)
    elif kind == "shell":
        findings.commands.append(("/bin/sh", place))
        starts = starts_in(value.replace(UNKNOWN, "${_}").replace(_ITSELF, "node"))
        if starts is None:
            findings.unknown_commands.append(place)
        for start in starts or ():
            _use_start(source, place, start.kind, start.name, is_open=start.is_relative_to_script)
    elif value != _ITSELF:
        argv = arguments_of(None if UNKNOWN in word else word for word in (value, *rest))
        for start in started_by(argv):
            _use_start(source, place, start.kind, start.name, is_open=start.is_relative_to_script)


def _use_start(source: _Source, place: Evidence, kind: str, name: str, *, is_open: bool) -> None:
    if kind == "program" and not is_open:
        if not name.endswith(FOREIGN_ENDINGS):
            source.findings.commands.append((name, place))
    elif kind in {"script", "source"} and not is_open:
        _use_path(source, place, "hint", name)
    elif kind != "module":
        source.findings.unknown_commands.append(place)


def _read_file_call(source: _Source, index: int, at: int, name: str) -> None:
    code = source.streams[index]
    kind = "read" if name in _READS else "write" if name in _WRITES else "hint" if name in _ASKS else None
    position = 0
    if kind is None:
        if name in {"join", "resolve"} and _owner(code, at) in {"path", "p", "nodePath", "Path"}:
            groups, _ = arguments(code, at + 1)
            if groups and any(token.kind in {"string", "template"} for group in groups for token in group):
                value = _one(_values(source, index, code[at - 2 : closing(code, at + 1)]))
                _use_path(source, _place(source, code[at].line), "hint", value)
            return
        if name == "URL":
            end = closing(code, at + 1)
            _use_path(
                source,
                _place(source, code[at].line),
                "hint",
                _one(_values(source, index, code[at - 1 : end])),
            )
            return
        if name == "dlopen" and _owner(code, at) == "process":
            source.findings.unknown_libraries.append(_place(source, code[at].line))
            return
        if name == "set" and is_mark(code, at - 1, "."):
            groups, _ = arguments(code, at + 1)
            if len(groups) == 2 and _words(groups[0]) == ["views"]:
                kind, position = "hint", 1
        elif name in _HINTS and (is_mark(code, at - 1, ".") or name == "serveStatic"):
            kind = "hint"
    if kind is None or at in source.definitions[index]:
        return
    member = source.members.get(name)
    if not is_mark(code, at - 1, ".") and kind != "hint" and (member is None or member[0] not in _MODULES):
        return
    groups, _ = arguments(code, at + 1)
    if position >= len(groups):
        return
    place = _place(source, code[at].line)
    values = _values(source, index, groups[position])
    if (
        kind != "hint"
        and values == (UNKNOWN,)
        and _passed_on(source, index, at, groups[position], kind, place)
    ):
        values = _defaults(source, index, groups[position])
    for value in values:
        _use_path(source, place, kind, value)


def _use_path(source: _Source, place: Evidence, kind: str, value: str) -> None:
    known = value.partition(UNKNOWN)[0]
    if known != value:
        known = known[: known.rfind("/") + 1]
        if known in {"", "/", "./", CONTEXT_MARK}:
            if kind == "read":
                source.findings.unknown_paths.append(place)
            return
    if not known or "\n" in known or "://" in known or known in {".", "/", CONTEXT_MARK + "."}:
        return
    if not known.strip("./"):
        return
    (source.findings.written if kind == "write" else source.findings.paths).append((known, place))


# Values


def _one(values: tuple[str, ...]) -> str:
    return values[0] if len(values) == 1 else UNKNOWN


def _values(source: _Source, index: int, group: Group, depth: int = 0) -> tuple[str, ...]:
    """Return the texts that an expression can be; `UNKNOWN` stands for what isn't known."""
    if depth > 10 or not group or len(group) > 400:
        return (UNKNOWN,)
    found = tuple(dict.fromkeys(_expression_values(source, index, group, depth + 1)))
    return found[:_MAX_VALUES] + ((UNKNOWN,) if len(found) > _MAX_VALUES else ())


def _expression_values(source: _Source, index: int, group: Group, depth: int) -> tuple[str, ...]:
    first = group[0]
    words = _words(group)
    if len(group) == 1:
        return _token_values(source, index, first, depth)
    if words[-1] == "!" or (len(words) > 2 and words[-2] == "as"):
        return _values(source, index, group[: -1 if words[-1] == "!" else -2], depth)
    if first.text == "(" and closing(group, 0) == len(group):
        return _values(source, index, group[1:-1], depth)
    if words in (
        ["process", ".", "execPath"],
        ["process", ".", "argv", "[", "0", "]"],
        ["process", ".", "argv0"],
    ):
        return (_ITSELF,)
    if words in _HERE:
        return (CONTEXT_MARK + (posixpath.dirname(source.path) or "."),)
    if words == ["process", ".", "cwd", "(", ")"]:
        return (".",)
    choice = split(group, "?", ":")
    if len(choice) == 3 and any(is_mark(group, at, "?") for at in range(len(group))):
        return _chosen(source, index, choice, depth)
    either = split(group, "||", "??")
    if len(either) > 1:
        return tuple(value for part in either for value in _values(source, index, part, depth))
    summands = split(group, "+")
    if len(summands) > 1:
        return _product("", [_values(source, index, part, depth) for part in summands])
    return _call_values(source, index, group, words, depth)


def _token_values(source: _Source, index: int, token: Token, depth: int) -> tuple[str, ...]:
    if token.kind == "string":
        return (token.text,)
    if token.kind == "template":
        pieces = [
            (part,) if isinstance(part, str) else _values(source, index, part, depth) for part in token.parts
        ]
        return _product("", pieces)
    if token.kind != "name":
        return (UNKNOWN,)
    if token.text == "__dirname":
        return (CONTEXT_MARK + (posixpath.dirname(source.path) or "."),)
    if token.text == "__filename":
        return (CONTEXT_MARK + source.path,)
    given = source.constants.get(token.text, [])
    if not given or token.text in source.active or _is_parameter(source, index, token):
        return (UNKNOWN,)
    source.active.add(token.text)
    try:
        values = [value for stream, group in given[:20] for value in _values(source, stream, group, depth)]
        return (*values, UNKNOWN) if len(given) > 20 else tuple(values)
    finally:
        source.active.discard(token.text)


def _chosen(source: _Source, index: int, choice: Sequence[Group], depth: int) -> tuple[str, ...]:
    truth = _platform_truth(source, choice[0])
    branches = choice[1:2] if truth else choice[2:3] if truth is False else choice[1:3]
    return tuple(value for branch in branches for value in _values(source, index, branch, depth))


def _platform_truth(source: _Source, test: Group, depth: int = 0) -> bool | None:
    """Return what a test for the operating system gives on Linux, None for any other test."""
    while len(test) > 2 and is_mark(test, 0, "(") and closing(test, 0) == len(test):
        test = test[1:-1]
    if is_mark(test, 0, "!"):
        inner = _platform_truth(source, test[1:], depth)
        return None if inner is None else not inner
    if len(test) == 1 and test[0].kind == "name" and depth < 5:
        given = source.constants.get(test[0].text, [])
        return _platform_truth(source, given[0][1], depth + 1) if len(given) == 1 else None
    words = _words(test)
    if "platform" not in words or len(words) > 12 or any(word in {"&&", "||", "?"} for word in words):
        return None
    names = [token.text for token in test if token.kind in {"string", "regex"}]
    if len(names) != 1:
        return None
    is_linux = "linux" in names[0]
    if not is_linux and not any(name in names[0] for name in ("win", "darwin")):
        return None
    if "!==" in words or "!=" in words:
        return not is_linux
    is_positive = "===" in words or "==" in words or "startsWith" in words or "test" in words
    return is_linux if is_positive else None


def _other_systems(source: _Source, code: Code) -> frozenset[int]:
    """Return the tokens of blocks that only run on another system."""
    found: set[int] = set()
    for at, token in enumerate(code):
        if token.text != "if" or token.kind != "name" or not is_mark(code, at + 1, "("):
            continue
        end = closing(code, at + 1)
        if end - at > 24 or not is_mark(code, end, "{"):
            continue
        truth = _platform_truth(source, code[at + 2 : end - 1])
        after = closing(code, end)
        if truth is False:
            found.update(range(end, after))
        elif truth and is_name(code, after, "else"):
            stop = after + 1 if is_mark(code, after + 1, "{") else after
            found.update(range(stop, closing(code, stop)))
    return frozenset(found)


def _call_values(
    source: _Source, index: int, group: Group, words: Sequence[str], depth: int
) -> tuple[str, ...]:
    if words[0] == "new" and words[1:3] == ["URL", "("]:
        inner, _ = arguments(group, 2)
        if len(inner) == 2 and _words(inner[1]) == ["import", ".", "meta", ".", "url"]:
            here = CONTEXT_MARK + (posixpath.dirname(source.path) or ".")
            return tuple(_join([here, value]) for value in _values(source, index, inner[0], depth))
        return (UNKNOWN,)
    at = next(
        (position for position, token in enumerate(group) if is_mark(group, position, "(") and token), 0
    )
    if not at or closing(group, at) != len(group) or not is_name(group, at - 1):
        return (UNKNOWN,)
    name = words[at - 1]
    inner, _ = arguments(group, at)
    if name in {"join", "resolve", "normalize"} and at == 3 and inner:
        pieces = [_values(source, index, part, depth) for part in inner]
        if name == "join":  # unlike `resolve` it takes a leading slash for nothing special
            pieces[1:] = [tuple(value.lstrip("/") for value in values) for values in pieces[1:]]
        return _paths(pieces)
    if name == "dirname" and inner:
        return tuple(_parent(value) for value in _values(source, index, inner[0], depth))
    if name in {"fileURLToPath", "String", "quote", "pathToFileURL"} and inner and name != "quote":
        if _words(inner[0]) == ["import", ".", "meta", ".", "url"]:
            return (CONTEXT_MARK + source.path,)
        return _values(source, index, inner[0], depth)
    if name == "join" and at > 3 and group[0].text == "[":
        elements, end = arguments(group, 0)
        if end == at - 2 and inner:
            separator = _one(_values(source, index, inner[0], depth))
            return _product(separator, [_values(source, index, element, depth) for element in elements])
    if name == "trim" and at > 2:
        return _values(source, index, group[: at - 2], depth)
    return (UNKNOWN,)


def _product(separator: str, pieces: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    found: list[str] | None = None
    for values in pieces:
        if found is None:
            found = list(values)
        else:
            found = [one + separator + other for one in found for other in values][:_MAX_VALUES]
    return tuple(found or ("",))


def _paths(pieces: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    found: list[list[str]] = [[]]
    for values in pieces:
        found = [[*one, other] for one in found for other in values][:_MAX_VALUES]
    return tuple(_join(parts) for parts in found)


def _join(parts: Sequence[str]) -> str:
    joined = ""
    for part in parts:
        joined = part if part.startswith(("/", CONTEXT_MARK)) or not joined else posixpath.join(joined, part)
    if joined.startswith(CONTEXT_MARK):
        inside = posixpath.normpath(joined.removeprefix(CONTEXT_MARK))
        return UNKNOWN if inside.startswith("..") else CONTEXT_MARK + inside
    return posixpath.normpath(joined) if joined and UNKNOWN not in joined else joined


def _parent(value: str) -> str:
    if value.startswith(CONTEXT_MARK):
        inside = value.removeprefix(CONTEXT_MARK)
        return UNKNOWN if inside == "." else CONTEXT_MARK + (posixpath.dirname(inside) or ".")
    return posixpath.dirname(value) or UNKNOWN


# Parameters


def _enclosing(source: _Source, index: int, line: int, at: int | None = None) -> Iterator[_Function]:
    """Yield the named functions around a line, or a token of it, the innermost first."""
    code, functions = source.streams[index], source.functions[index]
    place = (line, len(code) if at is None else at)
    position = bisect_right(source.starts[index], place)
    for function in reversed(functions[max(0, position - 200) : position]):
        if (at is not None and at < function.end) or (
            at is None and line <= code[min(function.end, len(code)) - 1].line
        ):
            yield function


def _is_parameter(source: _Source, index: int, token: Token) -> bool:
    return any(token.text in function.parameters for function in _enclosing(source, index, token.line))


def _passed_on(source: _Source, index: int, at: int, group: Group, kind: str, place: Evidence) -> bool:
    """Note that a function hands one of its parameters on; its callers tell what that is."""
    if len(group) != 1 or group[0].kind != "name":
        return False
    for function in _enclosing(source, index, source.streams[index][at].line, at):
        if group[0].text in function.parameters:
            position = function.parameters.index(group[0].text)
            source.passes_on.append(_PassedOn(function, position, kind, place))
            return True
    return False


def _defaults(source: _Source, index: int, group: Group) -> tuple[str, ...]:
    """Return what else a parameter is given, as in `name = name || "git"`."""
    given = source.constants.get(group[0].text, [])
    values = [value for stream, one in given[:20] if one for value in _values(source, stream, one)]
    return tuple(value for value in values if value != UNKNOWN)


_Key: TypeAlias = tuple[str, int, int, str]


def _resolve(sources: Sequence[_Source]) -> None:
    """Look up what callers pass; what no caller tells stays unknown at the place that uses it."""
    seen: set[_Key] = set()
    for _ in range(4):
        wanted: dict[str, list[tuple[_Source, _PassedOn]]] = {}
        for source in sources:
            for passed in source.passes_on:
                wanted.setdefault(passed.function.name, []).append((source, passed))
            source.passes_on = []
        if not wanted:
            return
        told: set[_Key] = set()
        open_ended: set[_Key] = set()
        for source in sources:
            _look_up(source, wanted, seen, told, open_ended)
        for owner, passed in (entry for entries in wanted.values() for entry in entries):
            key = _key(owner, passed)
            if key not in told | seen or key in open_ended:
                _unknown(owner.findings, passed.kind, passed.place)
            seen.add(key)
    for source in sources:
        for passed in source.passes_on:
            _unknown(source.findings, passed.kind, passed.place)


def _key(owner: _Source, passed: _PassedOn) -> _Key:
    return owner.path, passed.place.line or 0, passed.position, passed.kind


def _look_up(
    source: _Source,
    wanted: Mapping[str, Sequence[tuple[_Source, _PassedOn]]],
    seen: set[_Key],
    told: set[_Key],
    open_ended: set[_Key],
) -> None:
    """Note which parameters the calls of a file tell, and which may also get something that can't be seen."""
    for index, code in enumerate(source.streams):
        for at, token in enumerate(code):
            if token.kind != "name" or token.text not in wanted or at in source.definitions[index]:
                continue
            if not is_mark(code, at + 1, "("):
                continue
            here: set[_Key] = set()
            for owner, passed in wanted[token.text]:
                key = _key(owner, passed)
                if key in seen or key in here:
                    continue
                here.add(key)
                meant = _is_meant(source, code, at, owner, passed.function)
                if meant is None:
                    open_ended.add(key)
                elif meant:
                    groups, _ = arguments(code, at + 1)
                    if passed.position < len(groups):
                        told.add(key)
                        _tell(source, index, at, groups, passed)


def _tell(source: _Source, index: int, at: int, groups: Sequence[Group], passed: _PassedOn) -> None:
    group = groups[passed.position]
    place = _place(source, source.streams[index][at].line)
    values = _values(source, index, group)
    if values == (UNKNOWN,) and _passed_on(source, index, at, group, passed.kind, place):
        values = _defaults(source, index, group)
    rest = _rest(source, index, groups[passed.position :]) if passed.kind == "line" else ()
    for value in values:
        _use(source, place, passed.kind, value, rest)


def _is_meant(
    source: _Source, code: Sequence[Token], at: int, owner: _Source, function: _Function
) -> bool | None:
    """Whether the name at `at` is a function of `owner`; None for a member of something unknown."""
    name = code[at].text
    if not (is_mark(code, at - 1, ".") or is_mark(code, at - 1, "?.")):
        if source is owner:
            return True
        module, original = source.members.get(name, ("", ""))
        return original in {name, "default"} and _is_file(source, module, owner)
    if source is owner:
        return function.is_member or None
    receiver = _owner(code, at).partition(".")[0]
    module = source.modules.get(receiver) or source.members.get(receiver, ("", ""))[0]
    if module:
        return _is_file(source, module, owner)
    return None if function.is_member and receiver != "this" else False


def _is_file(source: _Source, specifier: str, owner: _Source) -> bool:
    """Whether an import of `source` is the file `owner`."""
    if not specifier.startswith("."):
        return False
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source.path), specifier))
    stem = posixpath.splitext(owner.path)[0]
    plain = posixpath.splitext(target)[0] if target.endswith(EXTENSIONS) else target
    return stem in {plain, f"{target}/index", target}


def _unknown(findings: Findings, kind: str, place: Evidence) -> None:
    if kind in {"shell", "line", "script"}:
        findings.unknown_commands.append(place)
    elif kind == "library":
        findings.unknown_libraries.append(place)
    elif kind == "read":
        findings.unknown_paths.append(place)
