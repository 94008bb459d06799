"""What Rust source starts, loads and opens at run time, and which files it compiles in."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence

from msrefactor.code.needs import (
    CONTEXT_MARK,
    MAX_SOURCE,
    CodeNeeds,
    Findings,
    SourceReader,
    excerpt,
    merged_needs,
)
from msrefactor.code.rust_tokens import code_of, path_before
from msrefactor.code.shell import arguments_of, started_by
from msrefactor.code.tokens import Code, Token, arguments, closing, is_mark, is_name
from msrefactor.model import Evidence

_READS: Mapping[tuple[str, str], int] = {
    ("File", "open"): 0,
    ("fs", "read"): 0,
    ("fs", "read_to_string"): 0,
    ("fs", "read_dir"): 0,
    ("fs", "copy"): 0,
    ("fs", "canonicalize"): 0,
    ("fs", "dir"): 0,
    ("fs", "file"): 0,
    ("NamedFile", "open"): 0,
    ("NamedFile", "open_async"): 0,
    ("Files", "new"): 1,
    ("ServeDir", "new"): 0,
    ("ServeFile", "new"): 0,
    ("FileServer", "new"): 0,
    ("FileServer", "from"): 0,
    ("StaticDir", "new"): 0,
    ("StaticFile", "new"): 0,
    ("StaticFilesHandler", "new"): 0,
    ("Tera", "new"): 0,
}
"""Functions that open what their argument at this place names."""
_METHODS: Mapping[str, int] = {
    "serve_dir": 0,
    "serve_file": 0,
    "register_template_file": 1,
    "register_templates_directory": 0,
    "set_certificate_file": 0,
    "set_certificate_chain_file": 0,
    "set_private_key_file": 0,
    "set_ca_file": 0,
}
_BARE = frozenset({"read_to_string", "read_dir"})
"""Of `std::fs`, when they are called by their bare names."""
_EMBEDS = frozenset(
    "include_str include_bytes include include_dir embed_migrations migrate embed_templates include_flate "
    "query_file query_file_as include_sql".split()
)
_BUILDS_ARGUMENTS = frozenset("about author version subcommand subcommands after_help long_about".split())
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh"})
_PACKAGE_FOLDER = "CARGO_MANIFEST_DIR"


def rust_needs_of(context: SourceReader, folder: str, files: Iterable[str]) -> CodeNeeds:
    """Return what the files of the package in `folder` use at run time."""
    found = []
    for path in files:
        text = context.read_text(path)
        if text is None:
            continue
        if len(text) > MAX_SOURCE:
            place = Evidence(path, 1, "too long to be read")
            found.append(CodeNeeds(unknown_paths=(place,), unknown_commands=(place,)))
            continue
        found.append(rust_needs(path, text, folder))
    return merged_needs(found)


def rust_needs(path: str, text: str, folder: str = "") -> CodeNeeds:
    """Return what one source file uses at run time; `folder` is that of its package."""
    code = code_of(text)
    findings = Findings(path)
    lines = text.splitlines()

    def place(token: Token) -> Evidence:
        return Evidence(path, token.line, excerpt(lines[token.line - 1] if token.line <= len(lines) else ""))

    names = {token.text for token in code if token.kind == "name"}
    constants = _constants(code)
    for at, token in enumerate(code):
        if is_mark(code, at, "#") and is_mark(code, at + 1, "["):
            _read_attribute(code, at + 1, findings, place(token), folder)
        if token.kind != "name":
            continue
        if token.text in ("temp_dir", "tempfile", "NamedTempFile", "TempDir"):
            findings.writes_temp = True
        if is_mark(code, at + 1, "!") and at + 2 < len(code) and code[at + 2].text in ("(", "[", "{"):
            _read_macro(code, at, findings, place(token), folder)
        elif is_mark(code, at + 1, "("):
            _read_call(code, at, findings, place(token), folder, names, constants)
    return findings.needs()


def _constants(code: Code) -> dict[str, str]:
    """Return the texts of `const NAME: &str = "…"` and `static`."""
    found: dict[str, str] = {}
    for at, token in enumerate(code):
        if token.kind != "name" or token.text not in ("const", "static") or not is_name(code, at + 1):
            continue
        for end in range(at + 2, min(at + 14, len(code))):
            if is_mark(code, end, "="):
                if end + 1 < len(code) and code[end + 1].kind == "string" and is_mark(code, end + 2, ";"):
                    found[code[at + 1].text] = code[end + 1].text
                break
    return found


def _read_attribute(code: Code, at: int, findings: Findings, place: Evidence, folder: str) -> None:
    """Note what derive macros compile in: askama's `#[template(path = …)]`, rust-embed's `#[folder = …]`."""
    inner = code[at + 1 : closing(code, at) - 1]
    if not inner or inner[0].text not in ("template", "folder", "path", "grammar"):
        return
    for position, token in enumerate(inner):
        if token.kind == "string":
            is_template = inner[0].text == "template" and position > 1 and inner[position - 2].text == "path"
            inside = posixpath.join("templates", token.text) if is_template else token.text
            findings.embedded.append((posixpath.normpath(posixpath.join(folder, inside)), place))


def _read_macro(code: Code, at: int, findings: Findings, place: Evidence, folder: str) -> None:
    name = code[at].text
    inner = code[at + 3 : closing(code, at + 2) - 1]
    texts = [token.text for token in inner if token.kind == "string"]
    if name in _EMBEDS:
        is_beside = name in ("include_str", "include_bytes", "include") and _PACKAGE_FOLDER not in texts
        base = posixpath.dirname(findings.path) if is_beside else folder
        texts = [text.replace(f"${_PACKAGE_FOLDER}", "") for text in texts if text != _PACKAGE_FOLDER]
        if not texts and name in ("embed_migrations", "migrate"):
            texts = ["migrations"]
        for text in texts:
            inside = posixpath.normpath(posixpath.join(base, text.lstrip("/")))
            findings.embedded.append((inside, place))
    elif name == "cmd" and not is_mark(code, at - 1, "."):
        words = texts[0].split() if texts else []
        if words and "{" not in words[0]:
            findings.commands.append((words[0], place))
        else:
            findings.unknown_commands.append(place)


def _read_call(
    code: Code,
    at: int,
    findings: Findings,
    place: Evidence,
    folder: str,
    names: set[str],
    constants: Mapping[str, str],
) -> None:
    path = path_before(code, at)
    groups, end = arguments(code, at + 1)
    is_method = is_mark(code, at - 1, ".")
    position: int | None = None
    if path[-2:] == ("Command", "new"):
        if not _is_parser(code, end, names):
            _read_command(code, groups, end, findings, place)
        return
    if path[-2:] == ("Library", "new"):
        text = _text(groups[0] if groups else (), constants)
        if text is None:
            findings.unknown_libraries.append(place)
        else:
            findings.libraries.append((text, place))
        return
    if len(path) > 1:
        position = _READS.get((path[-2], path[-1]))
    elif is_method:
        position = _METHODS.get(path[0])
        if path[0] == "open" and _follows_options(code, at):
            position = 0
    elif path[0] in _BARE and not is_name(code, at - 1, "fn"):
        position = 0
    if position is None:
        return
    if position >= len(groups):
        return
    _use_path(groups[position], findings, place, folder, constants)


def _follows_options(code: Code, at: int) -> bool:
    """Whether `.open(` ends a chain of `OpenOptions::new()` that reads only."""
    names = [token.text for token in code[max(0, at - 30) : at] if token.kind == "name"]
    if "OpenOptions" not in names:
        return False
    chain = names[len(names) - 1 - names[::-1].index("OpenOptions") :]
    return not {"create", "create_new", "append", "write"} & set(chain)


def _is_parser(code: Code, end: int, names: set[str]) -> bool:
    """Whether `Command::new` makes clap's command and no process."""
    if "clap" not in names:
        return False
    if "process" not in names:
        return True
    return any(name in _BUILDS_ARGUMENTS for name, _ in _chain(code, end))


def _chain(code: Code, at: int) -> list[tuple[str, int]]:
    """Return the methods that are called on the value that ends at `at`, with their open brackets."""
    found: list[tuple[str, int]] = []
    while is_mark(code, at, ".") and is_name(code, at + 1) and is_mark(code, at + 2, "("):
        found.append((code[at + 1].text, at + 2))
        at = closing(code, at + 2)
        if is_mark(code, at, "?"):
            at += 1
    return found


def _read_command(
    code: Code, groups: Sequence[Sequence[Token]], end: int, findings: Findings, place: Evidence
) -> None:
    name = _text(groups[0] if groups else (), {})
    if name is None or not name:
        findings.unknown_commands.append(place)
        return
    argv: list[str | None] = [name]
    for method, bracket in _chain(code, end):
        inner = code[bracket + 1 : closing(code, bracket) - 1]
        if method == "arg":
            argv.append(_text(inner, {}))
        elif method == "args":
            argv.extend(token.text if token.kind == "string" else None for token in inner if _is_value(token))
    if posixpath.basename(name) in _SHELLS and len(argv) < 2:
        argv.append(None)
    for start in started_by(arguments_of(argv)):
        if start.kind == "program" and not start.is_relative_to_script:
            findings.commands.append((start.name, place))
        elif start.kind in ("script", "source"):
            findings.paths.append((start.name, place))
        elif start.kind != "module":
            findings.unknown_commands.append(place)


def _is_value(token: Token) -> bool:
    return token.kind in ("string", "name", "number")


def _text(group: Sequence[Token], constants: Mapping[str, str]) -> str | None:
    """Return the text that an expression is: a literal, perhaps borrowed or made a String, or a constant."""
    plain = [token for token in group if not (token.kind == "mark" and token.text == "&")]
    if not plain:
        return None
    if plain[0].kind == "string":
        rest = [token.text for token in plain[1:]]
        is_same = rest in ([], [".", "to_string", "(", ")"], [".", "to_owned", "(", ")"])
        return plain[0].text if is_same or rest == [".", "into", "(", ")"] else None
    if len(plain) == 1 and plain[0].kind == "name":
        return constants.get(plain[0].text)
    return None


def _use_path(
    group: Sequence[Token], findings: Findings, place: Evidence, folder: str, constants: Mapping[str, str]
) -> None:
    """Note the path that an argument names; one that isn't written there is unknown."""
    text = _text(group, constants)
    texts = [text] if text is not None else [token.text for token in group if token.kind == "string"]
    is_in_package = _PACKAGE_FOLDER in texts or any(token.text == "relative" for token in group)
    texts = [one for one in texts if one != _PACKAGE_FOLDER]
    known = texts[0] if texts else ""
    if "{" in known and text is None:
        known = known[: known.index("{")]
        known = known[: known.rfind("/") + 1]
    elif text is None and any(token.text == "join" for token in group) and len(texts) == 1:
        # a folder that isn't known, or a name in it that isn't
        begins = next((token for token in group if _is_value(token)), None)
        is_known = begins is not None and begins.text in ("Path", "PathBuf", known, "concat", "env")
        known = known if is_known else ""
    elif text is None and group and group[0].kind == "name" and group[0].text not in _KNOWN_BEGINNINGS:
        known = ""
    if is_in_package:
        inside = posixpath.normpath(posixpath.join(folder, known.lstrip("/"))) if known else ""
        if inside and not inside.startswith(".."):
            findings.paths.append((CONTEXT_MARK + inside, place))
        else:
            findings.unknown_paths.append(place)
        return
    if not known.strip("./"):
        findings.unknown_paths.append(place)
        return
    findings.paths.append((known, place))


_KNOWN_BEGINNINGS = frozenset(
    "Path PathBuf std format concat env relative String crate_relative rocket".split()
)
