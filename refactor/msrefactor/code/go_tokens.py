"""Go source as tokens, imports and build constraints.

Sources: go.dev/ref/spec "Lexical elements", "Import declarations"; cmd/go "Build constraints".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from msrefactor.code.tokens import Token

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r]+)
    |(?P<newline>\n)
    |(?P<comment>//[^\n]*)
    |(?P<block>/\*)
    |(?P<name>[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*"?)
    |(?P<raw>`)
    |(?P<rune>'(?:[^'\\\n]|\\.[^'\n]*)'|')
    |(?P<mark>:=|\.\.\.|[^\w\s])
    """,
    re.VERBOSE | re.DOTALL,
)

_SYSTEMS = frozenset(
    {
        "aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl",
        "netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows", "zos",
    }
)  # fmt: skip
_MACHINES = frozenset(
    {
        "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
        "riscv64", "s390x", "sparc64", "wasm",
    }
)  # fmt: skip
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f"}


def tokens(text: str, *, with_comments: bool = False) -> Iterator[Token]:
    """Yield a file's tokens; stops at what is no Go."""
    at, line, end = 0, 1, len(text)
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            return
        kind, token = str(match.lastgroup), match[0]
        at = match.end()
        if kind in {"name", "number", "rune", "mark"}:
            yield Token(kind, token, line)
        elif kind == "string":
            yield Token("string", _unquoted(token), line)
            line += token.count("\n")
        elif kind == "newline":
            line += 1
        elif kind == "comment":
            if with_comments:
                yield Token("comment", token.rstrip(), line)
        elif kind in {"block", "raw"}:
            closing = "*/" if kind == "block" else "`"
            stop = text.find(closing, at)
            if stop < 0:
                return
            if kind == "raw":
                yield Token("string", text[at:stop].replace("\r", ""), line)
            elif with_comments:
                yield Token("comment", text[at - 2 : stop + 2], line)
            line += text.count("\n", at, stop)
            at = stop + len(closing)


def _unquoted(literal: str) -> str:
    inner = literal[1:-1] if len(literal) > 1 and literal.endswith('"') else literal[1:]
    if "\\" not in inner:
        return inner
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), inner, flags=re.DOTALL)


def package_name(text: str) -> str | None:
    """Return the name in a file's package clause."""
    before = ""
    for count, token in enumerate(tokens(text)):
        if before == "package" and token.kind == "name":
            return token.text
        if count > 4:
            return None
        before = token.text
    return None


def imported(text: str) -> frozenset[str]:
    """Return the import paths of a file."""
    return frozenset(imports_in(list(tokens(text))).values())


def imports_in(code: Sequence[Token]) -> dict[str, str]:
    """Return the import paths by the names that the file uses; to `_` and `.` the path is added."""
    found: dict[str, str] = {}
    at = 0
    while at < len(code):
        if code[at].text in {"func", "type", "var", "const"}:
            break
        if code[at].text != "import" or code[at].kind != "name":
            at += 1
            continue
        at += 1
        in_list = at < len(code) and code[at].text == "("
        at += in_list
        alias = ""
        while at < len(code):
            token = code[at]
            at += 1
            if token.kind == "string":
                local = f"{alias} {token.text}" if alias in {"_", "."} else alias or _default_name(token.text)
                found[local] = token.text
                alias = ""
                if not in_list:
                    break
            elif token.kind == "name" or token.text == ".":
                alias = token.text
            elif token.text != ";":
                break
    return found


def _default_name(path: str) -> str:
    parts = path.split("/")
    last = parts[-1]
    if len(parts) > 1 and last[:1] == "v" and last[1:].isdigit():
        last = parts[-2]
    return last.partition(".v")[0].removeprefix("go-")


def is_built(path: str, text: str) -> bool:
    """Whether a file can be part of a build for Linux; tests and what `//go:build` rules out are not."""
    base = posixpath.basename(path)
    if base.endswith("_test.go") or base.startswith(("_", ".")):
        return False
    parts = base.removesuffix(".go").split("_")
    if len(parts) > 1 and parts[-1] in _MACHINES and parts[-1] in {"wasm"}:
        return False
    system = (
        parts[-1] if parts[-1] in _SYSTEMS else parts[-2] if len(parts) > 2 and parts[-1] in _MACHINES else ""
    )
    if len(parts) > 1 and system in _SYSTEMS and system != "linux":
        return False
    return _constraint(text) is not False


def _constraint(text: str) -> bool | None:
    """Return what the constraint at the top of a file says, None where a tag decides it."""
    old: list[bool | None] = []
    for line in text.split("\n", 200)[:200]:
        stripped = line.strip()
        if stripped.startswith("//go:build "):
            words = re.findall(r"\|\||&&|[()!]|[\w.]+", stripped.removeprefix("//go:build "))
            return _Constraint(words).value()
        if stripped.startswith(("// +build ", "//+build ")):
            options = stripped.partition("+build ")[2].split()
            old.append(_any([_all([_tag(tag) for tag in option.split(",")]) for option in options]))
        elif stripped and not stripped.startswith(("//", "/*", "*")):
            break
    return _all(old)


def _tag(tag: str) -> bool | None:
    if tag.startswith("!"):
        inner = _tag(tag[1:])
        return None if inner is None else not inner
    if tag in {"linux", "unix", "gc"} or re.fullmatch(r"go1(\.\d+)?", tag):
        return True
    if tag in _SYSTEMS or tag in {"ignore", "wasm", "gccgo", "tools", "appengine"}:
        return False
    return None


def _all(values: Sequence[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def _any(values: Sequence[bool | None]) -> bool | None:
    return True if True in values else None if None in values else False


class _Constraint:
    """Three-valued evaluation of a `//go:build` line."""

    def __init__(self, words: list[str]) -> None:
        self.words = words[:500]
        self.at = 0

    def value(self) -> bool | None:
        found = self.either(0)
        return found if self.at >= len(self.words) else None

    def peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def either(self, depth: int) -> bool | None:
        values = [self.both(depth)]
        while self.peek() == "||":
            self.at += 1
            values.append(self.both(depth))
        return _any(values)

    def both(self, depth: int) -> bool | None:
        values = [self.one(depth)]
        while self.peek() == "&&":
            self.at += 1
            values.append(self.one(depth))
        return _all(values)

    def one(self, depth: int) -> bool | None:
        word = self.peek()
        self.at += 1
        if depth > 50 or not word:
            return None
        if word == "!":
            inner = self.one(depth + 1)
            return None if inner is None else not inner
        if word == "(":
            inner = self.either(depth + 1)
            self.at += 1
            return inner
        return _tag(word)
