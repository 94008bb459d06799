"""The statements of a Gradle script, Groovy or Kotlin, each with the blocks that it stands in.

A script is a program, so only what stands there as a literal statement is read; what lies in a condition, a
loop or a function is marked as such. Sources: docs.gradle.org "Groovy DSL Reference", "Kotlin DSL Primer",
"Configuring Tasks Lazily".
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from msrefactor.code.script_tokens import code_of
from msrefactor.code.tokens import Code, Token, arguments, closing, is_mark

_UNSURE = frozenset(
    "if else for while when switch case try catch finally fun def class object interface matching forEach "
    "each eachWithIndex whenTaskAdded whenReady configure withId withPlugin afterEvaluate let run "
    "with".split()
)
"""What makes everything in its block conditional, or run for nobody knows which objects."""
_ADDRESSING = frozenset(
    "named getByName register create maybeCreate registering creating existing getting task getAt".split()
)
_PASSED_OVER = frozenset("configure configureEach all apply also".split())
_SELF = frozenset("tasks project this it".split())
_CONTINUES = frozenset(". ?. , ( [ = + : && || -> ?".split())


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, or the head of a block."""

    blocks: tuple[str, ...]
    """The names of the blocks around it, outermost first: of a task its name, of all tasks of a type
    `type:Jar`, of a project `project::app`."""
    tokens: tuple[Token, ...]
    file: str
    line: int
    is_sure: bool = True
    """Whether it holds whatever else the build does."""

    @property
    def place(self) -> str:
        """Where it stands, for a message."""
        return f"{posixpath.basename(self.file)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Setting:
    """A property that a statement sets: its full path, such as `("bootJar", "archiveFileName")`."""

    path: tuple[str, ...]
    value: tuple[Token, ...]
    statement: Statement


def statements_of(text: str, file: str) -> Iterator[Statement]:
    """Yield the statements of a script, those in blocks behind the block's head."""
    language = "kotlin" if file.endswith(".kts") else "groovy"
    code = code_of(text, language)
    yield from _inside(code, 0, len(code), Statement((), (), file, 1))


def _inside(code: Code, at: int, end: int, outer: Statement) -> Iterator[Statement]:
    while at < end:
        if code[at].kind == "newline" or is_mark(code, at, ";"):
            at += 1
            continue
        stop = _end_of_statement(code, at, end)
        yield from _split(code, at, stop, outer)
        at = max(stop, at + 1)


def _end_of_statement(code: Code, at: int, end: int) -> int:
    while at < end:
        token = code[at]
        if token.kind == "mark" and token.text in "{([":
            at = closing(code, at)
            continue
        if token.kind == "mark" and token.text == ";":
            return at
        if token.kind == "newline":
            after = at + 1
            while after < end and code[after].kind == "newline":
                after += 1
            goes_on = at > 0 and code[at - 1].kind == "mark" and code[at - 1].text in _CONTINUES
            follows = after < end and code[after].kind == "mark" and code[after].text in (".", "?.", "+")
            if not goes_on and not follows:
                return at
        at += 1
    return at


def _split(code: Code, at: int, stop: int, outer: Statement) -> Iterator[Statement]:
    """Yield one statement's head, and what stands in its blocks."""
    head: list[Token] = []
    start = at
    while at < stop:
        token = code[at]
        if token.kind == "mark" and token.text == "{":
            behind = closing(code, at)
            tokens = tuple(head)
            yield replace(outer, tokens=tokens, line=code[start].line)
            is_conditional = _is_conditional(tokens)
            # a condition is no place of its own: what it sets, it sets for the block around it
            names = () if is_conditional else block_names(tokens)
            is_sure = outer.is_sure and not is_conditional
            inner = replace(outer, blocks=(*outer.blocks, *names), is_sure=is_sure)
            yield from _inside(code, at + 1, behind - 1, inner)
            # what follows a block on its line: `else {`, `.configure {`
            if any(one.kind != "newline" for one in code[behind:stop]):
                at = behind
                continue
            return
        if token.kind == "mark" and token.text in "([":
            behind = min(closing(code, at), stop)
            head.extend(one for one in code[at:behind] if one.kind != "newline")
            at = behind
            continue
        if token.kind != "newline":
            head.append(token)
        at += 1
    if head:
        yield replace(outer, tokens=tuple(head), line=head[0].line)


def _is_conditional(head: Sequence[Token]) -> bool:
    names = {token.text for token in head if token.kind == "name"}
    return bool(names & _UNSURE) and not _is_task_head(head)


def _is_task_head(head: Sequence[Token]) -> bool:
    """Whether a block configures one task or all tasks of a type, whatever the words of its head."""
    calls = {token.text for token in head if token.kind == "name"}
    return bool(calls & (_ADDRESSING | {"withType", "task"})) and not calls & {"if", "else", "for", "fun"}


def block_names(head: Sequence[Token]) -> tuple[str, ...]:
    """Return the names of a block, given the tokens before its brace."""
    tokens = _without_types(head)
    declared = ""
    if tokens and tokens[0].text in ("val", "var", "def") and len(tokens) > 1:
        declared = tokens[1].text
        tokens = tokens[3:]
    elif tokens and tokens[0].text == "task" and len(tokens) > 1 and tokens[1].kind == "name":
        return (tokens[1].text,)
    names: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind == "name":
            groups, behind = arguments(tokens, at + 1) if is_mark(tokens, at + 1, "(") else ([], at + 1)
            first = groups[0] if groups and groups[0] else []
            if token.text in _ADDRESSING:
                text = first[0].text if first and first[0].kind == "string" else declared
                if not text and behind < len(tokens) and tokens[behind].kind in ("string", "name"):
                    text = tokens[behind].text
                names.append(text or "?")
            elif token.text == "withType":
                kind = _type_in(head) or (first[-1].text if first else "")
                if first and first[-1].text in ("class", "java"):
                    kind = first[0].text
                names.append(f"type:{kind}")
            elif token.text == "project" and first and first[0].kind == "string":
                names.append(f"project:{first[0].text}")
            elif token.text == "configure" and first:
                names.append("?")
            elif token.text not in _PASSED_OVER and not (token.text in _SELF and not groups):
                names.append(token.text)
            at = behind
            continue
        at += 1
    return tuple(names)


def _without_types(head: Sequence[Token]) -> list[Token]:
    """Return the tokens without type arguments: `named<BootJar>("x")`."""
    kept: list[Token] = []
    depth = 0
    for token in head:
        if token.kind == "mark" and token.text == "<" and kept and kept[-1].kind == "name":
            depth += 1
        elif depth and token.kind == "mark" and token.text == ">":
            depth -= 1
        elif not depth:
            kept.append(token)
    return kept


def _type_in(head: Sequence[Token]) -> str:
    """Return the type argument of a head, its last name: `withType<org.x.BootJar>`."""
    for at, token in enumerate(head):
        if token.kind == "mark" and token.text == "<":
            found = ""
            for other in head[at + 1 :]:
                if other.kind == "mark" and other.text != ".":
                    break
                found = other.text if other.kind == "name" else found
            return found
    return ""


def task_type(head: Sequence[Token]) -> str:
    """Return the type that a statement gives the task it registers, or nothing."""
    found = _type_in(head)
    if found:
        return found
    tokens = list(head)
    for at, token in enumerate(tokens):
        if token.kind == "name" and token.text in ("register", "create", "task", "registering", "creating"):
            for other in range(at + 1, len(tokens)):
                if tokens[other].text == "type" and other + 2 < len(tokens):
                    return tokens[other + 2].text
            if is_mark(tokens, at + 1, "("):
                groups, _ = arguments(tokens, at + 1)
                named = [group for group in groups if group and group[0].kind == "name"]
                if named:
                    last = [one.text for one in named[-1] if one.kind == "name" and one.text != "class"]
                    return last[-1] if last else ""
    return ""


def setting_of(statement: Statement) -> Setting | None:
    """Return the property that a statement sets, or None where it sets none."""
    tokens = statement.tokens
    if not tokens or tokens[0].kind != "name":
        return None
    names: list[str] = []
    at = 0
    if tokens[0].text in ("val", "var", "def", "final", "String", "const") and len(tokens) > 3:
        while at < len(tokens) and not is_mark(tokens, at, "=") and tokens[at].text != "by":
            at += 1
        declared = next((one.text for one in tokens[1:at] if one.kind == "name" and one.text != "String"), "")
        if is_mark(tokens, at, "="):
            return Setting(("val", declared), tokens[at + 1 :], statement)
        if at + 2 < len(tokens) and tokens[at + 1].text == "extra" and is_mark(tokens, at + 2, "("):
            return Setting(("val", declared), tokens[at + 3 : closing(tokens, at + 2) - 1], statement)
        return None
    while at < len(tokens) and tokens[at].kind == "name":
        names.append(tokens[at].text)
        if is_mark(tokens, at + 1, "[") and at + 4 < len(tokens) and tokens[at + 2].kind == "string":
            names.append(tokens[at + 2].text)
            at = closing(tokens, at + 1) - 1
        if is_mark(tokens, at + 1, ".") or is_mark(tokens, at + 1, "?."):
            at += 2
            continue
        break
    value: tuple[Token, ...]
    if is_mark(tokens, at + 1, "="):
        value = tokens[at + 2 :]
    elif is_mark(tokens, at + 1, "(") and names[-1] in ("set", "value", "convention") and len(names) > 1:
        value = tokens[at + 2 : closing(tokens, at + 1) - 1]
        names.pop()
    elif is_mark(tokens, at + 1, "("):
        value = tokens[at + 2 : closing(tokens, at + 1) - 1]
        name = names[-1]
        if name.startswith("set") and name[3:4].isupper():
            names[-1] = name[3].lower() + name[4:]
        elif name == "set" and value and value[0].kind == "string" and len(value) > 2:
            names[-1:] = [value[0].text]
            value = value[2:]
    elif at + 1 < len(tokens) and tokens[at + 1].kind in ("string", "template", "name", "number"):
        value = tokens[at + 1 :]
    else:
        return None
    if len(names) > 1 and names[0] in _SELF:
        names = names[1:]
    blocks = tuple(name for name in statement.blocks if name not in _SELF)
    return Setting((*blocks, *names), value, statement)
