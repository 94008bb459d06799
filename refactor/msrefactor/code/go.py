"""What Go source starts, loads and reads at run time; go.mod, and where the main packages are.

A module is a closed world: what a function passes on to `exec.Command` is looked up in all calls of it.
"""

from __future__ import annotations

import posixpath
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from msrefactor.code.go_module import GoModule, go_files, main_packages, reachable_packages, read_module
from msrefactor.code.go_tokens import imports_in, is_built, tokens
from msrefactor.code.needs import (
    EMPTY,
    FOREIGN_ENDINGS,
    MAX_SOURCE,
    CodeNeeds,
    Findings,
    SourceReader,
    excerpt,
    merged_needs,
)
from msrefactor.code.shell import arguments_of, started_by
from msrefactor.code.tokens import Code, Token, arguments, closing, is_mark, is_name, split
from msrefactor.model import Evidence

__all__ = ["GoModule", "go_needs", "go_needs_of", "main_packages", "read_module"]

UNKNOWN = "\0"
"""Stands for text that only the running program knows."""
_ITSELF = "/proc/self/exe"
_MAX_VALUES = 20


@dataclass(frozen=True, slots=True)
class _Call:
    """A function of the standard library or of a well-known package, by import path or as a method."""

    kind: str
    """`command`, `program`, `library`, `read`, `write`, `hint` (a computed path says nothing), `temp`."""
    index: int = 0
    is_rest: bool = False
    """Whether all arguments from the index on are meant."""


def _calls(kind: str, index: int, names: str, *, is_rest: bool = False) -> dict[str, _Call]:
    return {name: _Call(kind, index, is_rest) for name in names.split()}


_FUNCTIONS: Mapping[str, _Call] = MappingProxyType(
    {
        **_calls("command", 0, "os/exec.Command", is_rest=True),
        **_calls("command", 1, "os/exec.CommandContext", is_rest=True),
        **_calls("which", 0, "os/exec.LookPath"),
        **_calls("program", 0, "syscall.Exec syscall.ForkExec syscall.StartProcess os.StartProcess"),
        **_calls("program", 0, "golang.org/x/sys/unix.Exec"),
        **_calls("library", 0, "plugin.Open github.com/ebitengine/purego.Dlopen"),
        **_calls(
            "read", 0, "os.Open os.ReadFile os.ReadDir io/ioutil.ReadFile io/ioutil.ReadDir os.DirFS os.Stat"
        ),
        **_calls(
            "read", 0, "path/filepath.Glob path/filepath.Walk path/filepath.WalkDir net/http.Dir os.Lstat"
        ),
        **_calls("read", 0, "text/template.ParseGlob html/template.ParseGlob"),
        **_calls("read", 0, "text/template.ParseFiles html/template.ParseFiles", is_rest=True),
        **_calls("read", 2, "net/http.ServeFile"),
        **_calls("read", 0, "crypto/tls.LoadX509KeyPair", is_rest=True),
        **_calls("hint", 0, "github.com/joho/godotenv.Load github.com/joho/godotenv.Overload", is_rest=True),
        **_calls("hint", 0, "github.com/spf13/viper.AddConfigPath github.com/spf13/viper.SetConfigFile"),
        **_calls("hint", 0, "github.com/golang-migrate/migrate/v4.New github.com/golang-migrate/migrate.New"),
        **_calls("hint", 1, "github.com/pressly/goose/v3.Up github.com/pressly/goose.Up"),
        **_calls("hint", 0, "github.com/gofiber/template/html/v2.New github.com/gofiber/template/html.New"),
        **_calls("hint", 0, "plugin.Open"),
        **_calls("write", 0, "os.Create os.WriteFile io/ioutil.WriteFile os.MkdirAll os.Mkdir"),
        **_calls("openfile", 0, "os.OpenFile"),
        **_calls("temp", 0, "os.CreateTemp os.MkdirTemp os.TempDir io/ioutil.TempFile io/ioutil.TempDir"),
    }
)

_METHODS: Mapping[str, _Call] = MappingProxyType(
    {
        **_calls("hint", 0, "ParseGlob LoadHTMLGlob AddConfigPath SetConfigFile"),
        **_calls("hint", 0, "ParseFiles LoadHTMLFiles", is_rest=True),
        **_calls("hint", 1, "Static StaticFile File StaticFS"),
        **_calls("library", 0, "Dlopen"),
    }
)
"""Methods that are told by their name (html/template, gin, echo, fiber, viper)."""

# Always in the C library or the compiler's own.
_SYSTEM_LIBRARIES = frozenset({"c", "m", "pthread", "dl", "rt", "resolv", "util", "gcc", "gcc_s"})


def go_needs(path: str, text: str) -> CodeNeeds | None:
    """Return what one Go file uses, None when it is no Go."""
    source = _source(path, text)
    if source is None:
        return None
    _scan(source, source.constants)
    _resolve((source,), is_whole=False)
    return source.findings.needs()


def go_needs_of(
    context: SourceReader, directory: str = "", packages: Sequence[str] | None = None
) -> CodeNeeds:
    """Return what the Go files of a module use: all of them, or those that some packages are built from.

    `packages` are directories from the root of the build context; what they import inside the module is
    followed. Tests, other systems, `vendor` and nested modules are left out.
    """
    by_directory = go_files(context, directory)
    if packages is not None:
        module = read_module(context, directory)
        if module is not None:
            by_directory = reachable_packages(context, directory, module.path, by_directory, packages)
    sources: list[_Source] = []
    unread: list[CodeNeeds] = []
    for files in by_directory.values():
        package: list[_Source] = []
        for path in files:
            text = context.read_text(path)
            if text is None or len(text) > MAX_SOURCE or not is_built(path, text):
                continue
            source = _source(path, text)
            if source is None:
                unread.append(CodeNeeds(unknown_commands=(Evidence(path, None, "is not understood"),)))
            else:
                package.append(source)
        shared: dict[str, tuple[str, ...]] = {}
        for source in package:
            for name, values in source.package_constants.items():
                shared[name] = shared.get(name, ()) + values
        for source in package:
            _scan(source, {**shared, **source.constants})
        sources.extend(package)
    _resolve(sources, is_whole=True)
    return merged_needs([*(source.findings.needs() for source in sources), *unread]) if sources else EMPTY


@dataclass(slots=True)
class _Source:
    """One Go file while it is read."""

    path: str
    lines: list[str]
    tokens: Code
    imports: dict[str, str]
    """Local name to import path."""
    constants: dict[str, tuple[str, ...]]
    """Every name that is given a text anywhere in the file, with all it is given."""
    package_constants: dict[str, tuple[str, ...]]
    slices: dict[str, tuple[tuple[str, ...], ...]]
    """Every name that is given a list of texts."""
    functions: list[_Function]
    findings: Findings
    passes_on: list[_PassedOn] = field(default_factory=list)
    function_lines: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Function:
    name: str
    parameters: tuple[str, ...]
    is_variadic: bool
    is_method: bool
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


def _source(path: str, text: str) -> _Source | None:
    if len(text) > MAX_SOURCE or "\0" in text:
        return None
    every = list(tokens(text, with_comments=True))
    code = Code(token for token in every if token.kind != "comment")
    if len(code) < 2 or code[0].text != "package":
        return None
    findings = Findings(path)
    _read_comments(findings, every)
    imports = imports_in(code)
    findings.imports.update(imports.values())
    constants, slices, package_constants = _read_constants(code)
    functions = _functions(code)
    return _Source(
        path=path,
        lines=text.split("\n"),
        tokens=code,
        imports=imports,
        constants=constants,
        package_constants=package_constants,
        slices=slices,
        functions=functions,
        findings=findings,
        function_lines=[code[function.start].line for function in functions],
    )


def _read_comments(findings: Findings, every: Iterable[Token]) -> None:
    directory = posixpath.dirname(findings.path)
    for token in every:
        if token.kind != "comment":
            continue
        if token.text.startswith("//go:embed "):
            place = Evidence(findings.path, token.line, excerpt(token.text))
            for pattern in token.text.removeprefix("//go:embed ").split():
                plain = pattern.strip('"`').removeprefix("all:")
                findings.embedded.append((posixpath.normpath(posixpath.join(directory, plain)), place))
        elif "#cgo" in token.text:
            for offset, line in enumerate(token.text.split("\n")):
                words = line.strip().lstrip("/* ").split()
                if not words or words[0] != "#cgo" or "windows" in words or "darwin" in words:
                    continue
                place = Evidence(findings.path, token.line + offset, excerpt(line))
                findings.libraries.extend(
                    (word[2:], place)
                    for word in words
                    if word.startswith("-l") and len(word) > 2 and word[2:] not in _SYSTEM_LIBRARIES
                )


_Constants: TypeAlias = dict[str, tuple[str, ...]]
_Lists: TypeAlias = dict[str, tuple[tuple[str, ...], ...]]


def _read_constants(
    code: Sequence[Token],
) -> tuple[_Constants, _Lists, _Constants]:
    """Return what names are given: texts, lists of texts, and texts at package level."""
    texts: dict[str, dict[str, None]] = {}
    lists: dict[str, dict[tuple[str, ...], None]] = {}
    outer: dict[str, dict[str, None]] = {}
    depth = 0
    group = False
    for at, token in enumerate(code):
        if token.text in {"{", "("} and token.kind == "mark":
            if token.text == "(" and at and code[at - 1].text in {"const", "var"} and depth == 0:
                group = True
            depth += 1
        elif token.text in {"}", ")"} and token.kind == "mark":
            depth -= 1
            group = group and depth > 0
        if token.kind != "name" or at + 2 >= len(code) or is_mark(code, at - 1, "."):
            continue
        if token.text == "func" and is_mark(code, at + 1, "("):
            # What a function without a name is given isn't known; a receiver does no harm here.
            for parameter in arguments(code, at + 1)[0]:
                if parameter and parameter[0].kind == "name":
                    texts.setdefault(parameter[0].text, {}).setdefault(UNKNOWN)
            continue
        # `name string = "x"`, `name = "x"`, `name := "x"`, `name, err := f()`; not `name == "x"`.
        equals = at + 2 if code[at + 1].text == "string" else at + 1
        is_one_of_several = False
        while is_mark(code, equals, ",") and is_name(code, equals + 1) and equals < at + 12:
            equals += 2
            is_one_of_several = True
        if equals + 1 >= len(code) or code[equals].text not in {"=", ":="} or code[equals + 1].text == "=":
            continue
        if is_one_of_several and not is_name(code, equals + 1, "os"):
            texts.setdefault(token.text, {}).setdefault(UNKNOWN)
            continue
        value = _constant_at(code, equals + 1)
        words = _list_at(code, equals + 1)
        if words is not None:
            lists.setdefault(token.text, {}).setdefault(words)
        else:
            texts.setdefault(token.text, {}).setdefault(value)
            if depth == 0 or (group and depth == 1):
                outer.setdefault(token.text, {}).setdefault(value)
    return _frozen(texts), {name: tuple(found) for name, found in lists.items()}, _frozen(outer)


def _frozen(given: Mapping[str, Mapping[str, None]]) -> _Constants:
    return {
        name: (*list(found)[:_MAX_VALUES], UNKNOWN) if len(found) > _MAX_VALUES else tuple(found)
        for name, found in given.items()
    }


def _constant_at(code: Sequence[Token], at: int) -> str:
    if code[at].kind == "string":
        joined = code[at].text
        while at + 2 < len(code) and code[at + 1].text == "+" and code[at + 1].line == code[at].line:
            joined += code[at + 2].text if code[at + 2].kind == "string" else UNKNOWN
            at += 2
        return joined
    if [token.text for token in code[at : at + 3]] == ["os", ".", "Executable"]:
        return _ITSELF
    return UNKNOWN


def _list_at(code: Sequence[Token], at: int) -> tuple[str, ...] | None:
    """Return the words of `[]string{...}`."""
    if [token.text for token in code[at : at + 4]] != ["[", "]", "string", "{"]:
        return None
    elements, _ = arguments(code, at + 3)
    return tuple(
        element[0].text if len(element) == 1 and element[0].kind == "string" else UNKNOWN
        for element in elements[:100]
    )


def _functions(code: Sequence[Token]) -> list[_Function]:
    """Return the top-level functions with their parameters' names and the tokens of their bodies."""
    found: list[_Function] = []
    at = 0
    while at < len(code):
        if code[at].text != "func" or code[at].kind != "name":
            at += 1
            continue
        start = at
        at += 1
        is_method = is_mark(code, at, "(")
        if is_method:
            _, at = arguments(code, at)
        if at >= len(code) or code[at].kind != "name":
            continue
        name, name_at = code[at].text, at
        at += 1
        if at < len(code) and code[at].text == "[":
            _, at = arguments(code, at)
        if at >= len(code) or code[at].text != "(":
            continue
        groups, at = arguments(code, at)
        while at < len(code) and code[at].text != "{":
            if code[at].kind == "name" and code[at].text in {"type", "var", "const"}:
                break
            at += 1
        end = closing(code, at)
        is_variadic = bool(groups) and any(token.text == "..." for token in groups[-1])
        parameters = tuple(group[0].text if group else "" for group in groups)
        found.append(_Function(name, parameters, is_variadic, is_method, name_at, start, end))
        at = end
    return found


def _scan(source: _Source, constants: Mapping[str, tuple[str, ...]]) -> None:
    code = source.tokens
    skipped = _other_systems(code)
    for at, token in enumerate(code):
        if token.kind != "name" or at + 1 >= len(code) or code[at + 1].text not in {"(", "{"}:
            continue
        if at in skipped:
            continue
        if at < 2 or code[at - 1].text != ".":
            continue
        owner = code[at - 2].text if code[at - 2].kind == "name" else ""
        package = source.imports.get(owner) if at < 3 or code[at - 3].text != "." else None
        if code[at + 1].text == "{":
            if package == "os/exec" and token.text == "Cmd":
                _read_command_literal(source, constants, at)
            continue
        call = _FUNCTIONS.get(f"{package}.{token.text}") if package else None
        if call is None and package in {None, "github.com/spf13/viper"}:
            call = _METHODS.get(token.text)
        if call is not None:
            groups, _ = arguments(code, at + 1)
            _use(source, constants, call, at, groups)


def _other_systems(code: Code) -> frozenset[int]:
    """Return the tokens of blocks that only run elsewhere: `if runtime.GOOS == "windows" { … }`."""
    found: set[int] = set()
    for at, token in enumerate(code):
        if token.text == "GOOS" and is_name(code, at - 2, "runtime") and is_name(code, at - 3, "if"):
            signs = [code[at + 1].text, code[at + 2].text] if at + 5 < len(code) else []
            if signs == ["=", "="] and code[at + 3].kind == "string" and code[at + 3].text != "linux":
                if is_mark(code, at + 4, "{"):
                    found.update(range(at + 4, closing(code, at + 4)))
            elif signs == ["!", "="] and code[at + 3].text == "windows" and is_mark(code, at + 4, "{"):
                end = closing(code, at + 4)
                if is_name(code, end, "else") and is_mark(code, end + 1, "{"):
                    found.update(range(end + 1, closing(code, end + 1)))
    return frozenset(found)


def _place(source: _Source, line: int) -> Evidence:
    return Evidence(source.path, line, excerpt(source.lines[line - 1]))


def _use(
    source: _Source,
    constants: Mapping[str, tuple[str, ...]],
    call: _Call,
    at: int,
    groups: Sequence[Sequence[Token]],
) -> None:
    place = _place(source, source.tokens[at].line)
    if call.kind == "temp":
        source.findings.writes_temp = True
        return
    given = groups[call.index :] if call.is_rest else groups[call.index : call.index + 1]
    if call.kind == "command":
        if not given:
            return
        rest = [_one(_values(source, constants, group)) for group in given[1:]]
        for value in _values(source, constants, given[0]):
            if value == UNKNOWN and _passed_on(source, given[0], "command", place):
                for default in _defaults(constants, given[0]):
                    _use_command(source.findings, place, (default, *rest))
                continue
            _use_command(source.findings, place, (value, *rest))
        return
    for group in given:
        values = _values(source, constants, group)
        if call.kind != "hint" and values == (UNKNOWN,) and _passed_on(source, group, call.kind, place):
            values = _defaults(constants, group)
        for value in values:
            _use_value(place, source.findings, call.kind, value, groups)


def _use_value(
    place: Evidence, findings: Findings, kind: str, value: str, groups: Sequence[Sequence[Token]]
) -> None:
    if kind == "program":
        _use_command(findings, place, (value,))
    elif kind == "which":
        if UNKNOWN not in value and value not in {"", _ITSELF}:
            findings.commands.append((value, place))
    elif kind == "library":
        if UNKNOWN in value:
            findings.unknown_libraries.append(place)
        elif value:
            findings.libraries.append((value, place))
    else:
        if kind == "openfile":
            flags = {token.text for token in groups[1]} if len(groups) > 1 else set()
            kind = "write" if flags & {"O_CREATE", "O_WRONLY", "O_TRUNC"} else "read"
        _use_path(findings, place, kind, value)


def _use_path(findings: Findings, place: Evidence, kind: str, value: str) -> None:
    known = value.partition(UNKNOWN)[0].removeprefix("file://")
    if UNKNOWN in value:
        known = known[: known.rfind("/") + 1]
        if known in {"", "/", "./"}:
            if kind == "read":
                findings.unknown_paths.append(place)
            return
    if not known or "://" in known or "\n" in known or not known.strip("./") or known == _ITSELF:
        return
    (findings.written if kind == "write" else findings.paths).append((known, place))


def _use_command(findings: Findings, place: Evidence, argv: Sequence[str]) -> None:
    if argv[0] == _ITSELF:
        return
    for start in started_by(arguments_of(None if UNKNOWN in word else word for word in argv)):
        if start.kind == "program" and not start.is_relative_to_script:
            if not start.name.endswith(FOREIGN_ENDINGS):
                findings.commands.append((start.name, place))
        elif start.kind in {"script", "source"}:
            findings.paths.append((start.name, place))
        elif start.kind != "module":
            findings.unknown_commands.append(place)


def _read_command_literal(source: _Source, constants: Mapping[str, tuple[str, ...]], at: int) -> None:
    """`exec.Cmd{Path: "/bin/x", Args: ...}`."""
    groups, _ = arguments(source.tokens, at + 1)
    place = _place(source, source.tokens[at].line)
    for group in groups:
        if len(group) > 2 and group[0].text == "Path" and group[1].text == ":":
            for value in _values(source, constants, group[2:]):
                _use_command(source.findings, place, (value,))
            return
    if groups:
        source.findings.unknown_commands.append(place)


def _one(values: tuple[str, ...]) -> str:
    return values[0] if len(values) == 1 else UNKNOWN


def _values(
    source: _Source, constants: Mapping[str, tuple[str, ...]], group: Sequence[Token], depth: int = 0
) -> tuple[str, ...]:
    """Return the texts that an expression can be; `UNKNOWN` stands for what isn't known."""
    words = [token.text for token in group]
    if len(group) == 1:
        if group[0].kind == "string":
            return (group[0].text,)
        if group[0].kind == "name" and not _is_parameter(source, group[0]):
            return constants.get(group[0].text, (UNKNOWN,))
        return (UNKNOWN,)
    if words[:3] == ["os", ".", "Args"] and words[3:] in (["[", "0", "]"], []):
        return (_ITSELF,)
    if len(group) == 4 and words[1:] == ["[", "0", "]"] and words[0] in source.slices:
        return tuple(line[0] if line else UNKNOWN for line in source.slices[words[0]])
    if depth > 8 or len(group) > 200:
        return (UNKNOWN,)
    parts = split(group, "+")
    if len(parts) > 1:
        return ("".join(_one(_values(source, constants, part, depth + 1)) for part in parts),)
    if len(group) > 4 and words[1] == "." and words[3] == "(":
        package = source.imports.get(words[0])
        inner, end = arguments(group, 3)
        if end == len(group):
            if package in {"path/filepath", "path"} and words[2] == "Join":
                pieces = [_one(_values(source, constants, argument, depth + 1)) for argument in inner]
                rest = [piece.lstrip("/") for piece in pieces[1:]]
                return (posixpath.join(pieces[0] if pieces else "", *(piece for piece in rest if piece)),)
            if (
                package in {"path/filepath", "path"}
                and words[2] in {"Clean", "FromSlash", "ToSlash"}
                and inner
            ):
                return _values(source, constants, inner[0], depth + 1)
            if package == "fmt" and words[2] == "Sprintf" and inner:
                return (_formatted(_one(_values(source, constants, inner[0], depth + 1))),)
    if len(group) == 3 and words[1] == ".":
        return (UNKNOWN,)
    return (UNKNOWN,)


def _formatted(template: str) -> str:
    pieces = template.replace("%%", "\1").split("%")
    return UNKNOWN.join([pieces[0], *(piece[1:] for piece in pieces[1:])]).replace("\1", "%")


def _enclosing(source: _Source, line: int) -> _Function | None:
    at = bisect_right(source.function_lines, line) - 1
    if at < 0:
        return None
    function = source.functions[at]
    return function if line <= source.tokens[min(function.end, len(source.tokens)) - 1].line else None


def _is_parameter(source: _Source, token: Token) -> bool:
    function = _enclosing(source, token.line)
    return function is not None and token.text in function.parameters


def _passed_on(source: _Source, group: Sequence[Token], kind: str, place: Evidence) -> bool:
    """Note that a function hands one of its parameters on; its callers tell what that is."""
    if not group or group[0].kind != "name":
        return False
    words = [token.text for token in group]
    function = _enclosing(source, group[0].line)
    if function is None or words[0] not in function.parameters:
        return False
    position = function.parameters.index(words[0])
    if len(group) > 1:
        # `args[0]` of a variadic parameter is the first of the rest.
        is_first = words[1:] == ["[", "0", "]"]
        if not (is_first and function.is_variadic and position == len(function.parameters) - 1):
            return False
    source.passes_on.append(_PassedOn(function, position, kind, place))
    return True


def _defaults(constants: Mapping[str, tuple[str, ...]], group: Sequence[Token]) -> tuple[str, ...]:
    """Return what else a parameter is given, as in `if name == "" { name = "git" }`."""
    return tuple(value for value in constants.get(group[0].text, ()) if value != UNKNOWN)


def _resolve(sources: Sequence[_Source], *, is_whole: bool) -> None:
    """Look up what callers pass; what no caller tells stays unknown at the place that uses it."""
    seen: set[tuple[str, int, int, str]] = set()
    for _ in range(4):
        wanted: dict[str, list[tuple[_Source, _PassedOn]]] = {}
        for source in sources:
            for passed in source.passes_on:
                wanted.setdefault(passed.function.name, []).append((source, passed))
            source.passes_on = []
        if not wanted:
            return
        told, open_ended = _look_up(sources, wanted, seen)
        for owner, passed in (entry for entries in wanted.values() for entry in entries):
            key = _key(owner, passed)
            is_closed = is_whole or not passed.function.name[:1].isupper()
            if key not in told | seen or key in open_ended or not is_closed:
                _unknown(owner.findings, passed.kind, passed.place)
            seen.add(key)
    for source in sources:
        for passed in source.passes_on:
            _unknown(source.findings, passed.kind, passed.place)


def _key(owner: _Source, passed: _PassedOn) -> tuple[str, int, int, str]:
    return owner.path, passed.function.start, passed.position, passed.kind


def _look_up(
    sources: Sequence[_Source],
    wanted: Mapping[str, Sequence[tuple[_Source, _PassedOn]]],
    seen: set[tuple[str, int, int, str]],
) -> tuple[set[tuple[str, int, int, str]], set[tuple[str, int, int, str]]]:
    """Return which parameters some call tells, and which may also get something that can't be seen."""
    told: set[tuple[str, int, int, str]] = set()
    open_ended: set[tuple[str, int, int, str]] = set()
    for source in sources:
        definitions = {function.name_at for function in source.functions}
        for at, token in enumerate(source.tokens):
            if token.kind != "name" or token.text not in wanted or at in definitions:
                continue
            is_call = is_mark(source.tokens, at + 1, "(")
            here: set[tuple[str, int, int, str]] = set()
            for owner, passed in wanted[token.text]:
                key = _key(owner, passed)
                meant = False if key in seen or key in here else _is_meant(source, at, owner, passed.function)
                here.add(key)
                if meant is False:
                    continue
                if meant is None or not is_call:
                    if not (is_mark(source.tokens, at + 1, ":") or is_mark(source.tokens, at + 1, "=")):
                        open_ended.add(key)
                    continue
                groups, _ = arguments(source.tokens, at + 1)
                if passed.position < len(groups):
                    told.add(key)
                    _tell(source, at, groups, passed.position, passed.kind)
    return told, open_ended


def _is_meant(source: _Source, at: int, owner: _Source, function: _Function) -> bool | None:
    """Whether the name at `at` is a function of `owner`; None for a method of something unknown."""
    code = source.tokens
    directory = posixpath.dirname(owner.path)
    is_same_package = posixpath.dirname(source.path) == directory
    if not is_mark(code, at - 1, "."):
        return is_same_package and not function.is_method
    receiver = code[at - 2].text if is_name(code, at - 2) and not is_mark(code, at - 3, ".") else ""
    path = source.imports.get(receiver)
    if path is None:
        return None if function.is_method and not is_same_package else function.is_method
    if function.is_method:
        return False
    return path.endswith(f"/{directory}") if directory else posixpath.basename(path) == owner.tokens[1].text


def _tell(source: _Source, at: int, groups: Sequence[Sequence[Token]], position: int, kind: str) -> None:
    group = groups[position]
    place = _place(source, source.tokens[at].line)
    if group and group[-1].text == "...":
        group = group[:-1]
        name = group[0].text if len(group) == 1 else ""
        lines = source.slices.get(name)
        if lines is not None and not _is_parameter(source, group[0]):
            for line in lines:
                _use_command(source.findings, place, line or (UNKNOWN,))
            return
    values = _values(source, source.constants, group)
    if values == (UNKNOWN,) and _passed_on(source, group, kind, place):
        values = _defaults(source.constants, group)
    rest = [_one(_values(source, source.constants, one)) for one in groups[position + 1 :]]
    for value in values:
        if kind == "command":
            _use_command(source.findings, place, (value, *rest))
        else:
            _use_value(place, source.findings, kind, value, groups)


def _unknown(findings: Findings, kind: str, place: Evidence) -> None:
    if kind in {"command", "program"}:
        findings.unknown_commands.append(place)
    elif kind == "library":
        findings.unknown_libraries.append(place)
    elif kind in {"read", "openfile"}:
        findings.unknown_paths.append(place)
