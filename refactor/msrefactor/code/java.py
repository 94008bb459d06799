"""What Java, Kotlin, Scala and Groovy source uses at run time: programs, native libraries, files, a compiler.

A file is read as tokens; only what is written as text is known. Sources: the Java Language Specification
("Lexical Structure"), the API of java.io, java.nio.file, java.lang.ProcessBuilder and javax.tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msrefactor.code.needs import EMPTY, MAX_SOURCE, CodeNeeds, Findings, SourceReader, excerpt, merged_needs
from msrefactor.code.shell import arguments_of, started_by, starts_in
from msrefactor.code.tokens import Code, Token, arguments, is_mark, is_name
from msrefactor.model import Evidence

SOURCE_ENDINGS = (".java", ".kt", ".kts", ".scala", ".groovy", ".clj", ".cljc")

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r\f]+)
    |(?P<newline>\n)
    |(?P<comment>//[^\n]*)
    |(?P<block>/\*)
    |(?P<raw>\"\"\")
    |(?P<name>[^\W\d][\w$]*)
    |(?P<number>\d[\w.]*)
    |(?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*"?)
    |(?P<rune>'(?:[^'\\\n]|\\.[^'\n]*)')
    |(?P<mark>::|->|[^\w\s])
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENS = frozenset(
    "File FileInputStream FileReader FileOutputStream FileWriter RandomAccessFile FileSystemResource Scanner "
    "PrintWriter ZipFile JarFile PropertiesConfiguration FileUrlResource".split()
)
"""Constructors that take a path."""
_WRITES = frozenset("FileOutputStream FileWriter PrintWriter".split())
_PATH_CALLS = frozenset([("Paths", "get"), ("Path", "of"), ("Source", "fromFile"), ("os", "Path")])
_COMPILERS = ("javax.tools", "com.sun.tools", "com.sun.jdi", "jdk.jshell", "sun.tools", "com.sun.source")
"""Packages that only a JDK has, or that do nothing without its compiler."""
_DESKTOP = ("java.awt", "javax.swing", "javax.imageio", "javax.print", "javafx")


@dataclass(frozen=True, slots=True)
class JavaNeeds:
    """What a project's source uses, beside what every language's can."""

    code: CodeNeeds = EMPTY
    needs_jdk: Evidence | None = None
    """Where it uses a part of the JDK that no JRE has."""
    uses_desktop: Evidence | None = None
    """Where it uses AWT, fonts or images."""
    texts: tuple[str, ...] = ()
    """All that is written between quotation marks."""


def tokens(text: str) -> Iterator[Token]:
    """Yield a file's tokens without comments; stops at what is none of these languages."""
    at, line, end = 0, 1, len(text)
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            return
        kind, token = str(match.lastgroup), match[0]
        at = match.end()
        if kind in {"name", "number", "mark"}:
            yield Token(kind, token, line)
        elif kind == "string":
            yield Token("string", _unquoted(token), line)
            line += token.count("\n")
        elif kind == "newline":
            line += 1
        elif kind in {"block", "raw"}:
            closing = "*/" if kind == "block" else '"""'
            stop = text.find(closing, at)
            if stop < 0:
                return
            if kind == "raw":
                yield Token("string", text[at:stop], line)
            line += text.count("\n", at, stop)
            at = stop + 2 + (kind == "raw")


def _unquoted(literal: str) -> str:
    inner = literal[1:-1] if len(literal) > 1 and literal.endswith('"') else literal[1:]
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), inner)


def java_needs(path: str, text: str) -> JavaNeeds:
    """Return what one file of source uses."""
    code = Code(tokens(text[:MAX_SOURCE]))
    lines = text.splitlines()

    def place(at: int) -> Evidence:
        line = code[at].line
        return Evidence(path, line, excerpt(lines[line - 1]) if line <= len(lines) else "")

    found = Findings(path)
    jdk: Evidence | None = None
    desktop: Evidence | None = None
    for at, token in enumerate(code):
        if token.kind != "name":
            continue
        if token.text == "import" or (
            token.text in ("javax", "java", "com", "sun", "jdk") and is_mark(code, at + 1, ".")
        ):
            name = _dotted(code, at + 1 if token.text == "import" else at)
            if token.text == "import" and name:
                found.imports.add(name)
            if name.startswith(_COMPILERS):
                jdk = jdk or place(at)
            if name.startswith(_DESKTOP):
                desktop = desktop or place(at)
        elif token.text in ("ToolProvider", "GroovyShell") and not is_mark(code, at + 1, ";"):
            if token.text == "ToolProvider":
                jdk = jdk or place(at)
        elif token.text in _OPENS and is_mark(code, at + 1, "(") and not is_name(code, at - 1, "class"):
            _opened(code, at + 1, token.text, found, place(at))
        elif is_mark(code, at + 1, ".") and at + 3 < len(code) and is_mark(code, at + 3, "("):
            _called(code, at, found, place(at))
        elif token.text in ("ProcessBuilder", "exec") and is_mark(code, at + 1, "("):
            is_call = token.text == "ProcessBuilder" or _is_runtime(code, at)
            if is_call:
                _started(code, at + 1, found, place(at))
    texts = tuple(token.text for token in code if token.kind == "string" and token.text)
    return JavaNeeds(found.needs(), jdk, desktop, texts)


def _dotted(code: Sequence[Token], at: int) -> str:
    """Return the dotted name that starts at a token."""
    parts: list[str] = []
    if is_name(code, at, "static"):
        at += 1
    while at < len(code) and code[at].kind == "name":
        parts.append(code[at].text)
        if not is_mark(code, at + 1, "."):
            break
        at += 2
    return ".".join(parts)


def _opened(code: Code, at: int, name: str, found: Findings, evidence: Evidence) -> None:
    groups, _ = arguments(code, at)
    if not groups or (name == "Scanner" and not _literal(groups[0])):
        return
    literal = _literal(groups[0])
    if name == "File" and len(groups) == 2 and literal is not None and _literal(groups[1]) is not None:
        literal = f"{literal.rstrip('/')}/{_literal(groups[1])}"
    if literal is None:
        prefix = groups[0][0].text if groups[0] and groups[0][0].kind == "string" else ""
        if prefix.startswith(("./", "src/", "data/", "config/")) and "/" in prefix:
            found.paths.append((prefix.rpartition("/")[0] + "/", evidence))
        elif name not in _WRITES and not _is_handle(groups[0]):
            found.unknown_paths.append(evidence)
        return
    if name == "Scanner":
        return
    (found.written if name in _WRITES else found.paths).append((literal, evidence))


def _is_handle(group: Sequence[Token]) -> bool:
    """Whether an argument is what another call opened: `new Scanner(System.in)`, `new FileReader(file)`."""
    names = [token.text for token in group if token.kind == "name"]
    return bool(names) and names[0] in ("System", "Files", "new")


def _literal(group: Sequence[Token]) -> str | None:
    if len(group) == 1 and group[0].kind == "string" and "${" not in group[0].text:
        return group[0].text
    return None


def _called(code: Code, at: int, found: Findings, evidence: Evidence) -> None:
    owner, method = code[at].text, code[at + 2].text
    if (owner, method) in _PATH_CALLS:
        groups, _ = arguments(code, at + 3)
        literals = [_literal(group) for group in groups]
        known = [text for text in literals if text is not None]
        if groups and len(known) == len(groups):
            found.paths.append(("/".join(known), evidence))
        elif known and literals[0] is not None and "/" in literals[0]:
            found.paths.append((literals[0], evidence))
        elif groups:
            found.unknown_paths.append(evidence)
    elif (owner, method) in (("System", "loadLibrary"), ("Native", "load"), ("Native", "loadLibrary")):
        groups, _ = arguments(code, at + 3)
        literal = _literal(groups[0]) if groups else None
        if literal is not None:
            found.libraries.append((literal, evidence))
        else:
            found.unknown_libraries.append(evidence)


def _is_runtime(code: Sequence[Token], at: int) -> bool:
    """Whether `.exec(` is Runtime's: `Runtime.getRuntime().exec(`, `runtime.exec(`, `rt.exec(`."""
    before = [token.text for token in code[max(0, at - 6) : at]]
    return before[-1:] == ["."] and (
        "getRuntime" in before or before[-2:-1] in (["runtime"], ["rt"], ["Runtime"])
    )


def _started(code: Code, at: int, found: Findings, evidence: Evidence) -> None:
    groups, _ = arguments(code, at)
    if not groups:
        found.unknown_commands.append(evidence)
        return
    first = groups[0]
    strings = [token.text for token in first if token.kind == "string"]
    words = [text for group in groups if (text := _literal(group)) is not None]
    if _literal(first) is not None:
        is_list = len(groups) > 1 and len(words) == len(groups)
        parts = words if is_list else strings[0].split()
        _programs(parts, found, evidence)
    elif strings and first and first[0].kind in ("string", "name") and _starts_with_text(first):
        _programs(
            strings if any(token.text == "," for token in first) else strings[0].split(), found, evidence
        )
    else:
        found.unknown_commands.append(evidence)


def _starts_with_text(group: Sequence[Token]) -> bool:
    """Whether a list or a sum begins with a text: `new String[]{"sh", "-c", x}`, `"ls " + d`."""
    for token in group:
        if token.kind == "string":
            return True
        if token.kind == "name" and token.text not in (
            "new", "String", "List", "of", "Arrays", "asList", "listOf", "arrayOf", "Seq", "java", "util"
        ):  # fmt: skip
            return False
    return False


def _programs(words: Sequence[str], found: Findings, evidence: Evidence) -> None:
    if not words:
        found.unknown_commands.append(evidence)
        return
    starts = tuple(started_by(arguments_of(tuple(words))))
    if words[0].rpartition("/")[2] in ("sh", "bash") and len(words) > 2 and words[1] == "-c":
        starts = (*starts, *(starts_in(words[2]) or ()))
    for one in starts:
        if one.kind == "program":
            found.commands.append((one.name, evidence))
        elif one.kind == "unknown":
            found.unknown_commands.append(evidence)


def java_needs_of(context: SourceReader, files: Sequence[str]) -> JavaNeeds:
    """Return what all these files use, tests left out by the caller."""
    every: list[JavaNeeds] = []
    for file in files:
        text = context.read_text(file)
        if text is not None:
            every.append(java_needs(file, text))
    return JavaNeeds(
        merged_needs(one.code for one in every),
        next((one.needs_jdk for one in every if one.needs_jdk is not None), None),
        next((one.uses_desktop for one in every if one.uses_desktop is not None), None),
        tuple(dict.fromkeys(text for one in every for text in one.texts)),
    )
