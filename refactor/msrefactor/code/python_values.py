"""What an expression of Python source can be, as far as the text says: strings and command lines.

A value is a string or a tuple of strings (a command line). `UNKNOWN` inside a string stands for what only the
running program knows. An expression has several values when the text offers several (`a if x else b`, a name
that is bound twice); `UNKNOWN` among them says that there are more.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from msrefactor.code.needs import CONTEXT_MARK
from msrefactor.code.statements import Statement

if TYPE_CHECKING:
    import libcst as cst

UNKNOWN = "\0"
"""Stands for text that only the running program knows."""

SAME_PYTHON = "python0.0"
"""Stands for `sys.executable`: a name that reads as an interpreter and that no program has."""

Value: TypeAlias = str | tuple[str, ...]
Values: TypeAlias = tuple[Value, ...]

_NOTHING_KNOWN: Values = (UNKNOWN,)
_MAX_VALUES = 12
_MAX_DEPTH = 12
_MAX_NAMES = 300
# libcst's parser recurses, in native code: what is deeper or longer than anyone writes is left alone.
_MAX_WEIGHT = 1500
_MAX_LENGTH = 8000
_MAX_BRACKETS = 300

_PRINTF = re.compile(r"%(?:\([^)]*\))?[-#0 +]*(?:\d+|\*)?(?:\.\d+)?[a-zA-Z%]")
_FIELD = re.compile(r"\{\{|\}\}|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
_BINDS = re.compile(
    r"=|\b(?:for|as|def|lambda|global|nonlocal|import|case)\b|\.(?:append|extend|insert)\(|\bdel\b"
)

_SAME_STRING = frozenset(
    {
        "os.fspath", "str", "os.path.abspath", "os.path.realpath", "os.path.normpath", "os.path.expandvars",
        "os.fsencode", "os.fsdecode", "shutil.which", "distutils.spawn.find_executable", "list", "tuple",
    }
)  # fmt: skip
_SAME_METHODS = frozenset(
    {
        "resolve", "absolute", "as_posix", "expanduser", "strip", "rstrip", "lstrip", "encode", "decode",
        "copy", "lower", "__str__",
    }
)  # fmt: skip
_PATH_MAKERS = frozenset({"pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "pathlib.PurePosixPath"})


@dataclass(frozen=True, slots=True)
class Binding:
    """One way a name gets its value."""

    kind: str
    """`value`, `element` (of what is iterated), `add` (`+=`, `append`), `parameter`, `import`, `unknown`."""
    scope: int
    node: cst.BaseExpression | None = None
    index: int = 0
    """Of a parameter its position."""


@dataclass(slots=True)
class Source:
    """One Python file: its statements, what its names mean, and the values of its expressions."""

    path: str
    statements: tuple[Statement, ...]
    aliases: dict[str, str]
    """Local name to the dotted name that was imported."""
    stars: tuple[str, ...] = ()
    """Modules imported with `*`."""
    resolve_parameter: Callable[[int, str, int], Values | None] | None = None
    """Gives what callers pass: function statement, parameter's name and position; None when unknown."""
    resolve_import: Callable[[str], Values | None] | None = None
    """Gives what another file of the program has under a dotted name; None when unknown."""
    _parsed: dict[int, cst.CSTNode | None] = field(default_factory=dict)
    _bindings: dict[str, tuple[Binding, ...]] = field(default_factory=dict)
    _active: dict[tuple[str, int], list[Value]] = field(default_factory=dict)
    """What is known so far of the names that are being looked up."""

    def parsed(self, index: int) -> cst.CSTNode | None:
        """Return the statement as a tree, None when it is too big or not Python."""
        if index not in self._parsed:
            self._parsed[index] = _parse(self.statements[index])
        return self._parsed[index]

    def own_scope(self, index: int) -> int:
        """Return the scope that the statement's names are looked up in."""
        return index if self.statements[index].keyword == "def" else self.statements[index].scope

    def dotted(self, node: cst.CSTNode) -> str | None:
        """Return the full name of `sp.run` or `run` after imports, None for anything but a dotted name."""
        import libcst as cst

        parts: list[str] = []
        while isinstance(node, cst.Attribute):
            parts.append(node.attr.value)
            node = node.value
        if isinstance(node, cst.Call) and parts:
            inner = self.dotted(node.func)
            if inner in {"__import__", "importlib.import_module"} and node.args:
                first = node.args[0].value
                module = first.evaluated_value if isinstance(first, cst.SimpleString) else None
                return ".".join((str(module), *reversed(parts))) if isinstance(module, str) else None
            return None
        if not isinstance(node, cst.Name):
            return None
        parts.append(self.aliases.get(node.value, node.value))
        return ".".join(reversed(parts))

    def values(self, node: cst.BaseExpression, scope: int, depth: int = 0) -> Values:
        """Return what the expression can be; `(UNKNOWN,)` when nothing is known."""
        if depth > _MAX_DEPTH:
            return _NOTHING_KNOWN
        found = tuple(dict.fromkeys(self._values(node, scope, depth + 1)))
        if len(found) > _MAX_VALUES:
            return (*found[:_MAX_VALUES], UNKNOWN)
        # Nothing at all only inside a name's own first binding; the others tell.
        return found or (() if self._active else _NOTHING_KNOWN)

    def constant(self, name: str) -> Values:
        """Return what a name of the module can be."""
        return self._name(name, -1, 0) or _NOTHING_KNOWN

    def _values(self, node: cst.BaseExpression, scope: int, depth: int) -> Values:
        import libcst as cst

        if isinstance(node, cst.SimpleString | cst.ConcatenatedString | cst.FormattedString):
            return self._text(node, scope, depth)
        if isinstance(node, cst.List | cst.Tuple):
            return self._line(node, scope, depth)
        if isinstance(node, cst.Name):
            return self._name(node.value, scope, depth)
        if isinstance(node, cst.Attribute):
            return self._attribute(node, scope, depth)
        if isinstance(node, cst.BinaryOperation):
            return self._binary(node, scope, depth)
        if isinstance(node, cst.Call):
            return self._call(node, scope, depth)
        if isinstance(node, cst.IfExp):
            truth = platform_truth(self, node.test)
            chosen = [node.body] if truth is not False else []
            chosen += [node.orelse] if truth is not True else []
            return tuple(value for branch in chosen for value in self.values(branch, scope, depth))
        if isinstance(node, cst.BooleanOperation) and isinstance(node.operator, cst.Or):
            either = (self.values(node.left, scope, depth), self.values(node.right, scope, depth))
            return tuple(value for values in either for value in values)
        if isinstance(node, cst.NamedExpr):
            return self.values(node.value, scope, depth)
        if isinstance(node, cst.Await):
            return self.values(node.expression, scope, depth)
        if isinstance(node, cst.Subscript):
            return self._subscript(node, scope, depth)
        return _NOTHING_KNOWN

    def _text(self, node: cst.BaseExpression, scope: int, depth: int) -> Values:
        import libcst as cst

        if isinstance(node, cst.SimpleString):
            try:
                value = node.evaluated_value
            except (ValueError, SyntaxError):
                return _NOTHING_KNOWN
            return ((value.decode("latin-1") if isinstance(value, bytes) else value).replace(UNKNOWN, ""),)
        if isinstance(node, cst.ConcatenatedString):
            return _joined("", [self.values(node.left, scope, depth), self.values(node.right, scope, depth)])
        pieces: list[Values] = []
        if isinstance(node, cst.FormattedString):
            for part in node.parts:
                if isinstance(part, cst.FormattedStringText):
                    pieces.append((_plain_text(part.value, is_raw="r" in node.prefix.lower()),))
                elif isinstance(part, cst.FormattedStringExpression):
                    pieces.append(self.values(part.expression, scope, depth))
        return _joined("", pieces)

    def _line(self, node: cst.List | cst.Tuple, scope: int, depth: int) -> Values:
        """Return the command lines that a list can be; only its first word may vary."""
        import libcst as cst

        starts: list[tuple[str, ...]] = [()]
        for element in node.elements[:200]:
            values = self.values(element.value, scope, depth)
            if isinstance(element, cst.StarredElement):
                lines = [value if isinstance(value, tuple) else (UNKNOWN,) for value in values]
            else:
                lines = [(value,) if isinstance(value, str) else (UNKNOWN,) for value in values]
            if starts == [()]:
                starts = lines[:_MAX_VALUES]
            else:
                one = lines[0] if len(lines) == 1 else (UNKNOWN,)
                starts = [start + one for start in starts]
        return tuple(starts)

    def _binary(self, node: cst.BinaryOperation, scope: int, depth: int) -> Values:
        import libcst as cst

        left = self.values(node.left, scope, depth)
        if isinstance(node.operator, cst.Modulo):
            arguments = self.values(node.right, scope, depth)
            return tuple(
                _printf(value, arguments[0]) if isinstance(value, str) else UNKNOWN for value in left
            )
        right = self.values(node.right, scope, depth)
        pairs = [(one, other) for one in left for other in right][:_MAX_VALUES]
        if isinstance(node.operator, cst.Add):
            return tuple(_sum(one, other) for one, other in pairs)
        if isinstance(node.operator, cst.Divide):
            return tuple(join_paths(one, other) for one, other in pairs)
        return _NOTHING_KNOWN

    def _attribute(self, node: cst.Attribute, scope: int, depth: int) -> Values:
        import libcst as cst

        name = self.dotted(node)
        constant = {"sys.executable": SAME_PYTHON, "os.sep": "/", "os.devnull": "/dev/null", "os.curdir": "."}
        if name in constant:
            return (constant[name],)
        if node.attr.value == "parent":
            return tuple(parent_of(value) for value in self.values(node.value, scope, depth))
        if isinstance(node.value, cst.Name) and node.value.value in {"self", "cls"}:
            return self._name(f"{node.value.value}.{node.attr.value}", scope, depth)
        return self._imported(name) if name is not None else _NOTHING_KNOWN

    def _subscript(self, node: cst.Subscript, scope: int, depth: int) -> Values:
        import libcst as cst

        if len(node.slice) != 1 or not isinstance(node.slice[0].slice, cst.Index):
            return _NOTHING_KNOWN
        index = node.slice[0].slice.value
        if not isinstance(index, cst.Integer) or len(index.value) > 2:
            return _NOTHING_KNOWN
        if isinstance(node.value, cst.Attribute) and node.value.attr.value == "parents":
            found = self.values(node.value.value, scope, depth)
            for _ in range(int(index.value) + 1):
                found = tuple(parent_of(value) for value in found)
            return found
        values = self.values(node.value, scope, depth)
        at = int(index.value)
        return tuple(
            value[at] if isinstance(value, tuple) and at < len(value) else UNKNOWN for value in values
        )

    def _call(self, node: cst.Call, scope: int, depth: int) -> Values:
        import libcst as cst

        name = self.dotted(node.func) or ""
        positional = [
            argument.value for argument in node.args if argument.keyword is None and not argument.star
        ]
        if name in {"os.environ.get", "os.getenv", "environ.get"} or name.endswith(".environ.get"):
            default = positional[1] if len(positional) > 1 else _keyword(node, "default")
            return (*(self.values(default, scope, depth) if default is not None else ()), UNKNOWN)
        if name in {"os.getcwd", "pathlib.Path.cwd"}:
            return (".",)
        if name == "pathlib.Path.home":
            return ("~",)
        if name in _PATH_MAKERS and not positional:
            return (".",)
        if name in _PATH_MAKERS or name == "os.path.join":
            if len(positional) != len(node.args):
                return _NOTHING_KNOWN
            found = self.values(positional[0], scope, depth) if positional else _NOTHING_KNOWN
            for argument in positional[1:]:
                others = self.values(argument, scope, depth)
                found = tuple(join_paths(one, other) for one in found for other in others)[:_MAX_VALUES]
            return found
        if not positional and isinstance(node.func, cst.Attribute) and node.func.attr.value in _SAME_METHODS:
            return self.values(node.func.value, scope, depth)
        if name == "os.path.dirname" and positional:
            return tuple(parent_of(value) for value in self.values(positional[0], scope, depth))
        if (name in _SAME_STRING or name == "os.path.expanduser") and positional:
            return self.values(positional[0], scope, depth)
        if name == "shlex.split" and positional:
            return tuple(_split(value) for value in self.values(positional[0], scope, depth))
        if isinstance(node.func, cst.Attribute):
            return self._method(node.func, positional, scope, depth)
        return _NOTHING_KNOWN

    def _method(
        self, func: cst.Attribute, positional: Sequence[cst.BaseExpression], scope: int, depth: int
    ) -> Values:
        method = func.attr.value
        if method not in {"format", "split", "join", "joinpath", *_SAME_METHODS}:
            return _NOTHING_KNOWN
        receiver = self.values(func.value, scope, depth)
        if method == "format":
            return tuple(
                _FIELD.sub(_field, value) if isinstance(value, str) else UNKNOWN for value in receiver
            )
        if method == "split":
            return tuple(_split(value) for value in receiver) if not positional else _NOTHING_KNOWN
        if method == "join" and len(positional) == 1:
            lines = self.values(positional[0], scope, depth)
            separator = receiver[0] if receiver and isinstance(receiver[0], str) else UNKNOWN
            return tuple(separator.join(line) if isinstance(line, tuple) else UNKNOWN for line in lines)
        if method == "joinpath":
            for argument in positional:
                others = self.values(argument, scope, depth)
                receiver = tuple(join_paths(one, other) for one in receiver for other in others)[:_MAX_VALUES]
            return receiver
        return receiver if method in _SAME_METHODS else _NOTHING_KNOWN

    def _name(self, name: str, scope: int, depth: int) -> Values:
        if name == "__file__":
            return (CONTEXT_MARK + self.path,)
        if (name, scope) in self._active:
            return tuple(self._active[name, scope])  # `cmd = cmd + [...]`
        if name not in self._bindings and len(self._bindings) > _MAX_NAMES:
            return _NOTHING_KNOWN
        bindings = self.bindings(name)
        if "." in name:
            if not bindings:
                return _NOTHING_KNOWN
            return self._all_bound(name, scope, bindings, depth)
        at = scope
        while True:
            here = [binding for binding in bindings if binding.scope == at]
            if here and (at < 0 or at == scope or self.statements[at].keyword == "def"):
                break
            if at < 0:
                return _NOTHING_KNOWN
            at = self.statements[at].scope
        return self._all_bound(name, scope, here, depth)

    def _all_bound(self, name: str, scope: int, bindings: Sequence[Binding], depth: int) -> Values:
        found = self._active[name, scope] = []
        try:
            self._bound(name, bindings, depth, found)
        finally:
            del self._active[name, scope]
        return tuple(found)

    def _bound(self, name: str, bindings: Iterable[Binding], depth: int, found: list[Value]) -> None:
        for binding in bindings:
            if binding.kind == "parameter":
                found.extend(self._parameter(name, binding, depth))
            elif binding.kind == "import":
                found.extend(self._imported(self.aliases.get(name, "")))
            elif binding.node is None or binding.kind == "unknown":
                found.append(UNKNOWN)
            elif binding.kind == "value":
                found.extend(self.values(binding.node, binding.scope, depth))
            elif binding.kind == "element":
                found.extend(self._elements(binding.node, binding.scope, depth))
            else:
                added = self.values(binding.node, binding.scope, depth)
                found[:] = _extended(found, added)

    def _parameter(self, name: str, binding: Binding, depth: int) -> Values:
        default: Values = ()
        if binding.node is not None:
            default = tuple(
                value for value in self.values(binding.node, self.statements[binding.scope].scope, depth)
            )
        resolve = self.resolve_parameter
        given = resolve(binding.scope, name, binding.index) if resolve is not None else None
        return (*default, *(given if given is not None else (UNKNOWN,)))

    def _imported(self, dotted: str) -> Values:
        found = self.resolve_import(dotted) if self.resolve_import is not None and dotted else None
        return _NOTHING_KNOWN if found is None else found

    def _elements(self, node: cst.BaseExpression, scope: int, depth: int) -> Values:
        import libcst as cst

        if isinstance(node, cst.List | cst.Tuple | cst.Set):
            return tuple(
                value for element in node.elements for value in self.values(element.value, scope, depth)
            )
        if isinstance(node, cst.Name):
            known = [binding for binding in self.bindings(node.value) if binding.kind != "parameter"]
            if len(known) == 1 and known[0].kind == "value" and known[0].node is not None:
                inner = known[0].node
                if isinstance(inner, cst.List | cst.Tuple | cst.Set):
                    return self._elements(inner, known[0].scope, depth + 1)
        return _NOTHING_KNOWN

    def bindings(self, name: str) -> tuple[Binding, ...]:
        """Return every place of the file that binds a name, or an attribute `self.x`."""
        if name not in self._bindings:
            word = re.compile(rf"\b{re.escape(name.rpartition('.')[2])}\b")
            found: list[Binding] = []
            for index, statement in enumerate(self.statements):
                if word.search(statement.text) and _BINDS.search(statement.text):
                    node = self.parsed(index)
                    if node is None:
                        found.append(Binding("unknown", statement.scope))
                    else:
                        found.extend(self._bindings_of(node, name, index))
            if any(binding.kind == "global" for binding in found):
                found = [Binding(b.kind, -1, b.node, b.index) for b in found if b.kind != "global"]
            self._bindings[name] = tuple(found)
        return self._bindings[name]

    def _bindings_of(self, node: cst.CSTNode, name: str, index: int) -> Iterator[Binding]:
        statement = self.statements[index]
        is_attribute = "." in name
        if is_attribute and statement.scope >= 0 and self.statements[statement.scope].keyword == "class":
            name = name.rpartition(".")[2]  # a class's own `x` is `self.x` too
        for binding in _bindings_in(node, name, index, statement):
            if not is_attribute or binding.kind != "parameter":
                yield binding


def _parse(statement: Statement) -> cst.CSTNode | None:
    import libcst as cst

    text = statement.text
    if statement.weight > _MAX_WEIGHT or len(text) > _MAX_LENGTH:
        return None
    if sum(text.count(bracket) for bracket in "([{") > _MAX_BRACKETS:
        return None
    if statement.keyword and text.endswith(":"):
        text += " pass"
    if statement.keyword == "elif":
        text = text[2:]
    elif statement.keyword in {"except", "finally"}:
        text = "try: pass\n" + text
    elif statement.keyword == "else":
        text = "if x: pass\n" + text
    elif statement.keyword == "case":
        text = "match x:\n " + text
    elif text.startswith("@"):
        text += "\ndef f(): pass"
    try:
        return cst.parse_module(text + "\n")
    except (cst.ParserSyntaxError, cst.CSTValidationError, RecursionError, ValueError):
        return None


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield a tree's nodes, each before what it holds, in the order of the text."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(current.children))


def _keyword(call: cst.Call, name: str) -> cst.BaseExpression | None:
    for argument in call.args:
        if argument.keyword is not None and argument.keyword.value == name:
            return argument.value
    return None


def _bindings_in(node: cst.CSTNode, name: str, index: int, statement: Statement) -> Iterator[Binding]:
    import libcst as cst

    scope = statement.scope
    is_import = statement.text.startswith(("import ", "from "))
    for one in walk(node):
        if isinstance(one, cst.Assign):
            for target in one.targets:
                yield from _targets(target.target, one.value, name, scope)
        elif isinstance(one, cst.AnnAssign):
            if one.value is not None:
                yield from _targets(one.target, one.value, name, scope)
        elif isinstance(one, cst.AugAssign):
            if _is_named(one.target, name):
                kind = "add" if isinstance(one.operator, cst.AddAssign) else "unknown"
                yield Binding(kind, scope, one.value)
        elif isinstance(one, cst.NamedExpr):
            yield from _targets(one.target, one.value, name, scope)
        elif isinstance(one, cst.For | cst.CompFor):
            yield from _loop_targets(one.target, one.iter, name, scope)
        elif isinstance(one, cst.ImportAlias):
            if "." not in name and _mentions(one.name if one.asname is None else one.asname.name, name):
                yield Binding("import", scope)
        elif isinstance(one, cst.AsName):
            if _mentions(one.name, name) and not is_import:
                yield Binding("unknown", scope)
        elif isinstance(one, cst.FunctionDef):
            if one.name.value == name:
                yield Binding("unknown", scope)
            if statement.keyword == "def":
                yield from _parameters(one.params, name, index)
        elif isinstance(one, cst.ClassDef):
            if one.name.value == name:
                yield Binding("unknown", scope)
        elif isinstance(one, cst.Lambda):
            if any(True for _ in _parameters(one.params, name, index)):
                yield Binding("unknown", scope)
        elif isinstance(one, cst.Global | cst.Nonlocal):
            if any(item.name.value == name for item in one.names):
                yield Binding("global", scope)
        elif isinstance(one, cst.MatchAs | cst.MatchStar):
            if one.name is not None and one.name.value == name:
                yield Binding("unknown", scope)
        elif (
            isinstance(one, cst.Call)
            and isinstance(one.func, cst.Attribute)
            and _is_named(one.func.value, name)
        ):
            yield from _mutation(one, scope)


def _mutation(call: cst.Call, scope: int) -> Iterator[Binding]:
    import libcst as cst

    method = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
    if method == "append" and len(call.args) == 1:
        yield Binding("add", scope, cst.Tuple([cst.Element(call.args[0].value)]))
    elif method == "extend" and len(call.args) == 1:
        yield Binding("add", scope, call.args[0].value)
    elif method == "insert":
        yield Binding("unknown", scope)


def _targets(target: cst.CSTNode, value: cst.BaseExpression, name: str, scope: int) -> Iterator[Binding]:
    import libcst as cst

    if _is_named(target, name):
        yield Binding("value", scope, value)
    elif isinstance(target, cst.Tuple | cst.List):
        is_parallel = (
            isinstance(value, cst.Tuple | cst.List)
            and len(value.elements) == len(target.elements)
            and not any(isinstance(e, cst.StarredElement) for e in (*value.elements, *target.elements))
        )
        if is_parallel and isinstance(value, cst.Tuple | cst.List):
            for one, other in zip(target.elements, value.elements, strict=True):
                yield from _targets(one.value, other.value, name, scope)
        elif _mentions(target, name):
            yield Binding("unknown", scope)


def _loop_targets(
    target: cst.CSTNode, source: cst.BaseExpression, name: str, scope: int
) -> Iterator[Binding]:
    import libcst as cst

    if _is_named(target, name):
        yield Binding("element", scope, source)
    elif isinstance(target, cst.Tuple | cst.List) and _mentions(target, name):
        if isinstance(source, cst.Tuple | cst.List):
            for element in source.elements:
                yield from _targets(target, element.value, name, scope)
        else:
            yield Binding("unknown", scope)


def _parameters(parameters: cst.Parameters, name: str, index: int) -> Iterator[Binding]:
    import libcst as cst

    positional = (*parameters.posonly_params, *parameters.params)
    for position, parameter in enumerate(positional):
        if parameter.name.value == name:
            yield Binding("parameter", index, parameter.default, position)
    for parameter in parameters.kwonly_params:
        if parameter.name.value == name:
            yield Binding("parameter", index, parameter.default, -1)
    for star in (parameters.star_arg, parameters.star_kwarg):
        if isinstance(star, cst.Param) and star.name.value == name:
            yield Binding("unknown", index)


def _is_named(node: cst.CSTNode, name: str) -> bool:
    """Whether the node is the name; `self.x` is `cls.x` too."""
    import libcst as cst

    owner, dot, last = name.rpartition(".")
    if not dot:
        return isinstance(node, cst.Name) and node.value == name
    return (
        isinstance(node, cst.Attribute)
        and node.attr.value == last
        and isinstance(node.value, cst.Name)
        and node.value.value in {"self", "cls", owner}
    )


def _mentions(node: cst.CSTNode, name: str) -> bool:
    return any(_is_named(one, name) for one in walk(node))


def platform_truth(source: Source, test: cst.BaseExpression) -> bool | None:
    """Return what a test for the operating system gives on Linux, None for any other test."""
    import libcst as cst

    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        inner = platform_truth(source, test.expression)
        return None if inner is None else not inner
    if isinstance(test, cst.BooleanOperation):
        sides = (platform_truth(source, test.left), platform_truth(source, test.right))
        decisive = isinstance(test.operator, cst.Or)
        if decisive in sides:
            return decisive
        return None if None in sides else not decisive
    if isinstance(test, cst.Call) and isinstance(test.func, cst.Attribute):
        known = _platform_string(source, test.func.value)
        if known is not None and test.func.attr.value == "startswith" and len(test.args) == 1:
            literal = _literal(test.args[0].value)
            return known.startswith(literal) if literal is not None else None
        return None
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return None
    known = _platform_string(source, test.left)
    operator, right = test.comparisons[0].operator, test.comparisons[0].comparator
    if known is None:
        return None
    options = (
        [_literal(element.value) for element in right.elements]
        if isinstance(right, cst.Tuple | cst.List | cst.Set)
        else [_literal(right)]
    )
    if None in options:
        return None
    if isinstance(operator, cst.Equal | cst.In):
        return known in options
    return known not in options if isinstance(operator, cst.NotEqual | cst.NotIn) else None


def _platform_string(source: Source, node: cst.CSTNode) -> str | None:
    import libcst as cst

    if isinstance(node, cst.Call):
        if isinstance(node.func, cst.Attribute) and node.func.attr.value == "lower":
            inner = _platform_string(source, node.func.value)
            return inner.lower() if inner is not None else None
        return "Linux" if source.dotted(node.func) == "platform.system" else None
    return {"os.name": "posix", "sys.platform": "linux"}.get(source.dotted(node) or "")


def _literal(node: cst.CSTNode) -> str | None:
    import libcst as cst

    value = node.evaluated_value if isinstance(node, cst.SimpleString) else None
    return value if isinstance(value, str) else None


def _joined(separator: str, pieces: Sequence[Values]) -> Values:
    found: list[str] = [""]
    for values in pieces:
        texts = [value if isinstance(value, str) else UNKNOWN for value in values]
        found = [one + other for one in found for other in texts][:_MAX_VALUES]
    return tuple(found)


def _sum(one: Value, other: Value) -> Value:
    if isinstance(one, str) and isinstance(other, str):
        return one + other
    left = one if isinstance(one, tuple) else (UNKNOWN,)
    return left + (other if isinstance(other, tuple) else (UNKNOWN,))


def _extended(found: Sequence[Value], added: Values) -> list[Value]:
    """Return command lines made longer; of a line only its first words tell what is started."""
    extended: list[Value] = []
    for value in found:
        if value == ():
            extended.extend(other if isinstance(other, tuple) else (UNKNOWN,) for other in added)
        elif isinstance(value, tuple):
            tail = added[0] if len(added) == 1 and isinstance(added[0], tuple) else (UNKNOWN,)
            extended.append(value + tail)
        else:
            # A text may get longer or not: both.
            extended.append(value)
            extended.extend(_sum(value, other) for other in added if isinstance(other, str))
    return extended


def _printf(template: str, arguments: Value) -> str:
    given = list(arguments) if isinstance(arguments, tuple) else [arguments]

    def value(match: re.Match[str]) -> str:
        if match[0].endswith("%"):
            return "%"
        if "(" in match[0] or not given:
            return UNKNOWN
        return given.pop(0) if match[0] == "%s" else (given.pop(0) and UNKNOWN)

    return _PRINTF.sub(value, template)


def _field(match: re.Match[str]) -> str:
    return match[0][0] if match[0] in {"{{", "}}"} else UNKNOWN


def _plain_text(raw: str, *, is_raw: bool) -> str:
    text = raw.replace("{{", "{").replace("}}", "}")
    if is_raw or "\\" not in text:
        return text
    known = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"', "\n": ""}
    return re.sub(r"\\(.)", lambda match: known.get(match[1], match[0]), text, flags=re.DOTALL)


def _split(value: Value) -> Value:
    if not isinstance(value, str):
        return UNKNOWN
    import shlex

    try:
        words = shlex.split(value)
    except ValueError:
        return UNKNOWN
    return tuple(words)


def join_paths(one: Value, other: Value) -> str:
    """Return `one / other`; paths behind `CONTEXT_MARK` stay marked."""
    if not isinstance(one, str) or not isinstance(other, str):
        return UNKNOWN
    if other.startswith(("/", CONTEXT_MARK)):
        return other
    if one.startswith(CONTEXT_MARK):
        joined = posixpath.normpath(posixpath.join(one.removeprefix(CONTEXT_MARK), other))
        return UNKNOWN if joined.startswith("..") else CONTEXT_MARK + joined
    return posixpath.join(one, other)


def parent_of(value: Value) -> str:
    """Return a path's directory."""
    if not isinstance(value, str) or UNKNOWN in posixpath.basename(value):
        return posixpath.dirname(value) or UNKNOWN if isinstance(value, str) else UNKNOWN
    if value.startswith(CONTEXT_MARK):
        path = value.removeprefix(CONTEXT_MARK)
        return UNKNOWN if path in {"", "."} else CONTEXT_MARK + (posixpath.dirname(path) or ".")
    return posixpath.dirname(value) or "."
