"""The object that a JavaScript or TypeScript configuration file exports, as far as it is written literally.

Nothing is run. What a program would have to work out is `Unknown`; an object that others are spread into, or
that a function makes of it, is known by the keys that stand there and no further.
"""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from msrefactor.code.javascript_tokens import javascript_tokens
from msrefactor.code.needs import MAX_SOURCE
from msrefactor.code.tokens import Code, Token, arguments, closing, is_mark, is_name, split

_DEEPEST = 24
_BRACKETS = {"{": "}", "(": ")", "[": "]"}
_SAME = frozenset({"defineConfig", "defineNuxtConfig", "defineUserConfig", "configure", "Object.freeze"})
"""Functions that return the object they are given."""
_TYPE_WORDS = ("as", "satisfies")
_GOES_ON = frozenset({"as", "satisfies", "instanceof", "in", "of"})
_JOINS = frozenset({"path.resolve", "path.join", "resolve", "join", "path.posix.join", "path.normalize"})
_HERE = frozenset({"__dirname", "import.meta.dirname"})


class Unknown(enum.Enum):
    """What only the running program knows."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True)
class Place:
    """A path relative to the folder of the configuration file, however it was worked out."""

    path: str


@dataclass(frozen=True, slots=True)
class Called:
    """What a function returns, by its name and what it was given."""

    name: str
    arguments: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """An object: its literal keys, and whether it has no others."""

    values: Mapping[str, Value]
    is_complete: bool = True

    def get(self, *keys: str) -> Value:
        """Return what lies at a path of keys; None where there is surely nothing, as in JavaScript."""
        found: Value = self
        for key in keys:
            if not isinstance(found, Settings):
                return None if found is None else UNKNOWN
            if key not in found.values:
                return None if found.is_complete else UNKNOWN
            found = found.values[key]
        return found


Value: TypeAlias = str | bool | int | float | Unknown | Place | Called | Settings | tuple["Value", ...] | None


@dataclass(frozen=True, slots=True)
class Exported:
    """What a configuration file exports, and what its names are imported from."""

    value: Settings
    imports: Mapping[str, str]
    """Local name to module."""
    names: frozenset[str]
    """Every name and string in the file: what isn't here isn't said at all."""

    @property
    def is_alone(self) -> bool:
        """Whether everything is in this file: no other file of the project takes part."""
        return not any(module.startswith((".", "/", "@/", "~/")) for module in self.imports.values())

    def get(self, *keys: str) -> Value:
        """Return a setting; None where nothing in the file can have it."""
        found = self.value.get(*keys)
        is_unsaid = found is UNKNOWN and self.is_alone and keys[-1] not in self.names
        return None if is_unsaid else found


def exported(text: str, environment: Mapping[str, str] | None = None) -> Exported | None:
    """Return the default export of a file; None where the text is no JavaScript.

    `environment` decides conditions on `process.env`; without a name there, such a condition is unknown.
    """
    if len(text) > MAX_SOURCE:
        return None
    tokens = javascript_tokens(text)
    if tokens is None:
        return None
    reader = _Reader(Code(tokens), environment or {})
    value = reader.default_export()
    if not isinstance(value, Settings):
        value = Settings(MappingProxyType({}), is_complete=False)
    names = frozenset(token.text for token in tokens if token.kind in ("name", "string"))
    return Exported(value, MappingProxyType(reader.imports), names)


def called_with(text: str, method: str) -> tuple[tuple[Value, ...], ...] | None:
    """Return the arguments of each call of a method of what an exported function is given.

    None where the function does anything else, or isn't understood.
    """
    tokens = javascript_tokens(text) if len(text) <= MAX_SOURCE else None
    if tokens is None:
        return None
    code = Code(tokens)
    reader = _Reader(code, {})
    reader.default_export()
    starts = [at for at in range(len(code)) if is_mark(code, at, "{") and _is_body(code, at)]
    if len(starts) != 1:
        return None
    body = code[starts[0] + 1 : closing(code, starts[0]) - 1]
    calls: list[tuple[Value, ...]] = []
    at = 0
    while at < len(body):
        is_call = (
            body[at].kind == "name" and is_mark(body, at + 1, ".") and is_name(body, at + 2, method)
            and is_mark(body, at + 3, "(")
        )  # fmt: skip
        if not is_call:
            return None
        groups, end = arguments(body, at + 3)
        calls.append(tuple(reader.value(group, 0) for group in groups if group))
        at = end
        while is_mark(body, at, ";"):
            at += 1
    return tuple(calls)


def _is_body(code: Sequence[Token], at: int) -> bool:
    """Whether a brace opens what `module.exports` or `export default` does."""
    before = at - 1
    if is_mark(code, before, "=>"):
        before -= 1
    if is_mark(code, before, ")"):
        depth = 0
        while before >= 0:
            if code[before].kind == "mark":
                depth += (code[before].text == ")") - (code[before].text == "(")
            before -= 1
            if depth == 0:
                break
    elif before >= 0 and code[before].kind == "name":
        before -= 1
    while before >= 0 and code[before].kind == "name" and code[before].text not in ("default", "exports"):
        before -= 1
    if is_mark(code, before, "="):
        before -= 1
    return before >= 0 and code[before].text in ("default", "exports")


@dataclass(slots=True)
class _Reader:
    """One file; names are looked up in it."""

    code: Code
    environment: Mapping[str, str]
    imports: dict[str, str] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)

    def default_export(self) -> Value:
        code = self.code
        self._read_imports()
        found: list[list[Token]] = []
        for at in range(len(code)):
            if is_name(code, at, "export") and is_name(code, at + 1, "default"):
                found.append(self._expression(at + 2))
            elif (
                is_name(code, at, "module")
                and is_mark(code, at + 1, ".")
                and is_name(code, at + 2, "exports")
                and is_mark(code, at + 3, "=")
            ):
                found.append(self._expression(at + 4))
            elif (
                is_name(code, at, "export") and is_mark(code, at + 1, "=") and not is_mark(code, at + 2, "=")
            ):
                found.append(self._expression(at + 2))
        return self.value(found[0], 0) if len(found) == 1 else UNKNOWN

    def _read_imports(self) -> None:
        code = self.code
        for at in range(len(code)):
            if is_name(code, at, "import") and not is_mark(code, at + 1, "("):
                end = at + 1
                while end < min(len(code), at + 200) and not is_name(code, end, "from"):
                    end += 1
                if end + 1 < len(code) and code[end + 1].kind == "string":
                    for token in code[at + 1 : end]:
                        if token.kind == "name" and token.text not in ("as", "type"):
                            self.imports.setdefault(token.text, code[end + 1].text)
            elif (
                is_name(code, at, "require") and is_mark(code, at + 1, "(")
                and is_mark(code, at - 1, "=") and at + 2 < len(code) and code[at + 2].kind == "string"
            ):  # fmt: skip
                start = at - 2
                if is_mark(code, start, "}"):
                    while start > 0 and not is_mark(code, start, "{"):
                        start -= 1
                for token in code[max(start, 0) : at - 1]:
                    if token.kind == "name":
                        self.imports.setdefault(token.text, code[at + 2].text)

            elif (
                code[at].text in ("require", "import") and code[at].kind == "name"
                and is_mark(code, at + 1, "(") and at + 2 < len(code) and code[at + 2].kind == "string"
            ):  # fmt: skip
                self.imports.setdefault(f"({at})", code[at + 2].text)  # without a name

    def _expression(self, at: int) -> list[Token]:
        """Return the tokens of the expression at `at`: up to a semicolon, or a new line that starts anew."""
        code = self.code
        start = at
        while at < len(code):
            token = code[at]
            if token.kind == "mark" and token.text in (";", ",", ")", "}", "]"):
                break
            if at > start and token.line > code[at - 1].line and self._starts_anew(at):
                break
            at = closing(code, at) if token.kind == "mark" and token.text in _BRACKETS else at + 1
        return code[start:at]

    def _starts_anew(self, at: int) -> bool:
        token, before = self.code[at], self.code[at - 1]
        ended = before.kind != "mark" or before.text in (")", "]", "}")
        if before.kind == "name" and before.text in ("async", "await", "new", "function", "return"):
            ended = False
        begins = token.kind != "mark" and token.text not in _GOES_ON
        return ended and begins

    # ------------------------------------------------------------------------------------------ values

    def value(self, code: Sequence[Token], depth: int) -> Value:
        """Return what an expression is."""
        tokens = _without_types(list(code))
        while tokens and tokens[0].kind == "name" and tokens[0].text in ("async", "await"):
            tokens = tokens[1:]
        if not tokens or depth > _DEEPEST:
            return UNKNOWN
        arrow = _top_level(tokens, "=>")
        if arrow is not None:
            return self._returned(tokens[arrow + 1 :], depth)
        if is_name(tokens, 0, "function"):
            body = next((i for i, t in enumerate(tokens) if t.text == "{" and t.kind == "mark"), None)
            parameters = next((i for i, t in enumerate(tokens) if t.text == "(" and t.kind == "mark"), None)
            if parameters is not None:
                body = closing(tokens, parameters)
                while body < len(tokens) and not is_mark(tokens, body, "{"):
                    body += 1
            return self._returned(tokens[body:], depth) if body is not None else UNKNOWN
        question = _top_level(tokens, "?")
        if question is not None:
            return self._chosen(tokens, question, depth)
        if any(_top_level(tokens, mark) is not None for mark in ("||", "??", "&&", "===", "!==", "==", "!=")):
            return UNKNOWN
        if _top_level(tokens, "+") is not None:
            parts = [self.value(part, depth + 1) for part in split(tokens, "+")]
            return "".join(p for p in parts if isinstance(p, str)) if all(
                isinstance(p, str) for p in parts
            ) else UNKNOWN  # fmt: skip
        return self._simple(tokens, depth)

    def _simple(self, tokens: list[Token], depth: int) -> Value:
        first = tokens[0]
        if first.kind == "mark" and first.text in _BRACKETS:
            if closing(tokens, 0) != len(tokens):
                return UNKNOWN
            if first.text == "{":
                return self._object(tokens, depth)
            groups, _ = arguments(tokens, 0)
            if first.text == "[":
                return tuple(self.value(group, depth + 1) for group in groups if group)
            return self.value(groups[0], depth + 1) if len(groups) == 1 else UNKNOWN
        if len(tokens) == 1:
            return self._single(first, depth)
        if is_name(tokens, 0, "new"):
            called = self._simple(tokens[1:], depth + 1)
            if isinstance(called, Called) and called.name == "URL" and called.arguments:
                return Place(str(called.arguments[0])) if isinstance(called.arguments[0], str) else UNKNOWN
            return called
        return self._call(tokens, depth)

    def _single(self, token: Token, depth: int) -> Value:
        if token.kind == "string":
            return token.text
        if token.kind == "template":
            parts = [part if isinstance(part, str) else self.value(part, depth + 1) for part in token.parts]
            texts = [part for part in parts if isinstance(part, str)]
            return "".join(texts) if len(texts) == len(parts) else UNKNOWN
        if token.kind == "regex":
            return Called("RegExp", (token.text,))
        if token.kind == "number":
            digits = token.text.replace("_", "")
            return int(digits) if digits.isdigit() else UNKNOWN
        if token.kind == "name":
            match token.text:
                case "true":
                    return True
                case "false":
                    return False
                case "null" | "undefined":
                    return None
                case "__dirname":
                    return Place(".")
            return self._named(token.text, depth)
        return UNKNOWN

    def _call(self, tokens: list[Token], depth: int) -> Value:
        at = 0
        while at < len(tokens) and (tokens[at].kind == "name" or is_mark(tokens, at, ".")):
            at += 1
        name = "".join(token.text for token in tokens[:at])
        if name in _HERE and at == len(tokens):
            return Place(".")
        if name.startswith("process.env."):
            variable = name.removeprefix("process.env.")
            return self.environment.get(variable, UNKNOWN) if at == len(tokens) else UNKNOWN
        if not is_mark(tokens, at, "(") or closing(tokens, at) != len(tokens) or not name:
            return UNKNOWN
        groups, _ = arguments(tokens, at)
        values = tuple(self.value(group, depth + 1) for group in groups)
        if name == "process.cwd":
            return Place(".")
        if name in _JOINS:
            return _joined(values)
        if name in ("fileURLToPath", "url.fileURLToPath") and len(values) == 1:
            return values[0] if isinstance(values[0], Place) else UNKNOWN
        if name in _SAME and len(values) == 1:
            return values[0]
        given = [value for value in values if isinstance(value, Settings)]
        if name.startswith(("with", "merge")) and len(given) == 1:
            return replace(given[0], is_complete=False)
        return Called(name, values)

    def _object(self, tokens: list[Token], depth: int) -> Settings:
        groups, _ = arguments(tokens, 0)
        values: dict[str, Value] = {}
        is_complete = len(tokens) < 600 or len(groups) < 300
        for written in groups:
            group = written
            if not group:
                continue
            if is_mark(group, 0, "...") or is_mark(group, 0, "["):
                is_complete = False
                if is_mark(group, 0, "..."):
                    spread = self.value(group[1:], depth + 1)
                    if isinstance(spread, Settings) and spread.is_complete:
                        values.update(spread.values)
                        is_complete = len(tokens) < 600
                    else:
                        # what was said before may be said otherwise
                        values = dict.fromkeys(values, UNKNOWN)
                continue
            if len(group) > 2 and group[0].text in ("async", "get", "set") and group[1].kind == "name":
                group = group[1:]
            key = group[0].text
            if group[0].kind not in ("name", "string", "number"):
                is_complete = False
            elif is_mark(group, 1, ":"):
                values[key] = self.value(group[2:], depth + 1)
            elif len(group) == 1:
                values[key] = self._named(key, depth)
            else:
                values[key] = UNKNOWN  # a method
        return Settings(MappingProxyType(values), is_complete)

    def _returned(self, body: Sequence[Token], depth: int) -> Value:
        """Return what a function returns, if it has a single return."""
        if not is_mark(body, 0, "{"):
            return self.value(body, depth + 1)
        end = closing(body, 0)
        places = [i for i in range(1, end) if is_name(body, i, "return")]
        outer: list[int] = []
        at = 1
        while at < end - 1:
            if at in places:
                outer.append(at)
            at = closing(body, at) if body[at].kind == "mark" and body[at].text in _BRACKETS else at + 1
        if len(outer) != 1 or any(_is_under_if(body, place, outer[0]) for place in places):
            return UNKNOWN
        stop = outer[0] + 1
        while stop < end - 1 and not is_mark(body, stop, ";"):
            is_bracket = body[stop].kind == "mark" and body[stop].text in _BRACKETS
            stop = closing(body, stop) if is_bracket else stop + 1
        return self.value(body[outer[0] + 1 : stop], depth + 1)

    def _chosen(self, tokens: list[Token], question: int, depth: int) -> Value:
        """Return the branch of a condition on the environment."""
        condition = tokens[:question]
        rest = tokens[question + 1 :]
        colon = _top_level(rest, ":")
        if colon is None:
            return UNKNOWN
        yes, no = self.value(rest[:colon], depth + 1), self.value(rest[colon + 1 :], depth + 1)
        if yes == no:
            return yes
        for mark, is_same in (("===", True), ("==", True), ("!==", False), ("!=", False)):
            at = _top_level(condition, mark)
            if at is not None:
                left = self.value(condition[:at], depth + 1)
                right = self.value(condition[at + 1 :], depth + 1)
                if isinstance(left, str) and isinstance(right, str):
                    return yes if (left == right) is is_same else no
        return UNKNOWN

    def _named(self, name: str, depth: int) -> Value:
        """Return what the only declaration of a name gives it."""
        code = self.code
        if name in self._busy or depth > _DEEPEST:
            return UNKNOWN
        found: list[list[Token]] = []
        changed: dict[str, Value] = {}
        for at in range(len(code)):
            if not is_name(code, at, name) or is_mark(code, at - 1, "."):
                continue
            if code[at - 1].text in ("const", "let", "var") if at else False:
                equals = at + 1
                while (
                    equals < len(code) and not is_mark(code, equals, "=") and not is_mark(code, equals, ";")
                ):
                    is_bracket = code[equals].kind == "mark" and code[equals].text in _BRACKETS
                    equals = closing(code, equals) if is_bracket else equals + 1
                found.append(self._expression(equals + 1))
            elif is_mark(code, at + 1, "=") and at and not is_mark(code, at - 1, "."):
                return UNKNOWN
            elif is_mark(code, at + 1, ".") and at + 3 < len(code):
                end = at + 3
                while is_mark(code, end, "."):
                    end += 2
                if is_mark(code, end, "="):
                    changed[code[at + 2].text] = UNKNOWN
            elif (is_mark(code, at + 1, "[") and is_mark(code, closing(code, at + 1), "=")) or (
                is_mark(code, at - 1, "(") and code[at - 2].text == "assign"
            ):
                return UNKNOWN
        if len(found) != 1:
            return UNKNOWN
        self._busy.add(name)
        value = self.value(found[0], depth + 1)
        self._busy.discard(name)
        if changed and isinstance(value, Settings):
            return replace(value, values=MappingProxyType({**value.values, **changed}))
        return value


def _without_types(tokens: list[Token]) -> list[Token]:
    """Return an expression without `as const`, `satisfies Config` and the like behind it."""
    depth = 0
    for at, token in enumerate(tokens):
        if token.kind == "mark":
            depth += (token.text in "{([") - (token.text in "})]")
        elif depth == 0 and at and token.kind == "name" and token.text in _TYPE_WORDS:
            return tokens[:at]
    return tokens


def _top_level(tokens: Sequence[Token], mark: str) -> int | None:
    """Return where a mark stands outside brackets."""
    depth = 0
    for at, token in enumerate(tokens):
        if token.kind != "mark":
            continue
        if depth == 0 and token.text == mark:
            return at
        depth += (token.text in "{([") - (token.text in "})]")
    return None


def _is_under_if(body: Sequence[Token], place: int, outer: int) -> bool:
    """Whether a return is one of several ends of the function: its own is the outer one alone.

    A return inside a function of the returned object, or of a plug-in, lies behind an arrow or a name with
    parameters; one in a block of `if` or `switch` lies in the function itself.
    """
    if place == outer:
        before = body[place - 1]
        return before.text == "else" or (
            before.kind == "mark" and before.text == ")" and _is_branch(body, place - 1)
        )
    depth = 0
    for at in range(place - 1, 0, -1):
        token = body[at]
        if token.kind != "mark":
            continue
        if token.text in "})]":
            depth += 1
        elif token.text in "{([":
            depth -= 1
            if depth < 0 and token.text == "{":
                opener = body[at - 1]
                if opener.kind == "mark" and opener.text == "=>":
                    return False
                return opener.text == "else" or (opener.text == ")" and _is_branch(body, at - 1))
    return True


def _is_branch(body: Sequence[Token], end: int) -> bool:
    depth = 0
    for at in range(end, 0, -1):
        if body[at].kind == "mark":
            depth += (body[at].text in "})]") - (body[at].text in "{([")
            if depth == 0:
                return body[at - 1].text in ("if", "switch", "for", "while", "catch")
    return True


def _joined(values: Sequence[Value]) -> Value:
    parts = [value.path if isinstance(value, Place) else value for value in values]
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) != len(parts) or not parts:
        return UNKNOWN
    path = posixpath.normpath(posixpath.join(*texts))
    is_placed = any(isinstance(value, Place) for value in values)
    return Place(path) if is_placed or not path.startswith("/") else path
