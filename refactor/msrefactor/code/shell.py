"""Which programs shell text starts: entrypoint scripts, and the strings that source code gives to a shell.

A program that only starts another one (`exec`, `sudo`, `gosu app`, `timeout 5`, `sh -c`) counts together with
the one it starts. Builtins and the script's own functions are no programs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from msrefactor.code.needs import (
    EMPTY,
    CodeNeeds,
    Findings,
    SourceReader,
    context_path,
    excerpt,
    merged_needs,
)
from msrefactor.model import Evidence
from msrefactor.shell import Command, Item, Script, Word, parse_script

BUILTINS = frozenset(
    {
        "", ".", ":", "[", "[[", "alias", "bg", "bind", "break", "builtin", "caller", "cd", "command",
        "compgen", "complete", "continue", "coproc", "declare", "dirs", "disown", "echo", "enable", "eval",
        "exec", "exit", "export", "false", "fc", "fg", "getopts", "hash", "help", "history", "jobs", "kill",
        "let", "local", "logout", "mapfile", "popd", "printf", "pushd", "pwd", "read", "readarray",
        "readonly", "return", "set", "shift", "shopt", "source", "suspend", "test", "time", "times", "trap",
        "true", "type", "typeset", "ulimit", "umask", "unalias", "unset", "wait",
    }
)  # fmt: skip
"""What the shell does itself (POSIX and bash); no program has to be there for it."""

SHELLS = frozenset({"sh", "bash", "ash", "dash", "ksh", "mksh", "zsh"})
"""Interpreters whose scripts are shell text."""

_SCRIPT_ENDINGS: Mapping[str, str] = MappingProxyType({".sh": "shell", ".bash": "shell", ".py": "python"})


@dataclass(frozen=True, slots=True)
class _Wrapper:
    """A program that starts the one named behind its own options."""

    valued: frozenset[str] = frozenset()
    """Options that take the next word."""
    operands: int = 0
    """Own operands before the program."""
    takes_assignments: bool = False


def _wrapper(valued: str = "", operands: int = 0, *, takes_assignments: bool = False) -> _Wrapper:
    return _Wrapper(frozenset(valued.split()), operands, takes_assignments)


_WRAPPERS: Mapping[str, _Wrapper] = MappingProxyType(
    {
        "env": _wrapper("-u --unset -C --chdir", takes_assignments=True),
        "sudo": _wrapper("-u -g -h -p -C -r -t -T -U -D -R --user --group", takes_assignments=True),
        "doas": _wrapper("-u -C"),
        "exec": _wrapper("-a"),
        "builtin": _wrapper(),
        "coproc": _wrapper(),
        "time": _wrapper("-f -o"),
        "nice": _wrapper("-n --adjustment"),
        "ionice": _wrapper("-c -n --class --classdata"),
        "chrt": _wrapper("", 1),
        "taskset": _wrapper("", 1),
        "nohup": _wrapper(),
        "setsid": _wrapper(),
        "stdbuf": _wrapper("-i -o -e"),
        "unbuffer": _wrapper(),
        "timeout": _wrapper("-s -k --signal --kill-after", 1),
        "xargs": _wrapper("-n -I -P -d -a -L -s -E --max-args --max-procs --delimiter --arg-file"),
        "flock": _wrapper("-w -E --timeout", 1),
        "chroot": _wrapper("", 1),
        "gosu": _wrapper("", 1),
        "su-exec": _wrapper("", 1),
        "setpriv": _wrapper("--reuid --regid --groups --bounding-set"),
        "setuidgid": _wrapper("", 1),
        "s6-setuidgid": _wrapper("", 1),
        "chpst": _wrapper("-u -U -b -e -/ -n -l -L -P -o -p -f -c -m -d -r -t"),
        "tini": _wrapper("-e -p"),
        "dumb-init": _wrapper("-r --rewrite"),
        "catatonit": _wrapper(),
        "strace": _wrapper("-o -e -p -s"),
        "xvfb-run": _wrapper("-n -e -f -s -w --server-num --server-args --error-file --auth-file"),
        "dbus-run-session": _wrapper(),
        "ddtrace-run": _wrapper(),
        "opentelemetry-instrument": _wrapper(),
        "with-contenv": _wrapper(),
    }
)

_RUNNERS: Mapping[tuple[str, str], _Wrapper] = MappingProxyType(
    {
        ("poetry", "run"): _wrapper("-C -P"),
        ("pipenv", "run"): _wrapper(),
        ("pdm", "run"): _wrapper("-p"),
        ("hatch", "run"): _wrapper(),
        ("rye", "run"): _wrapper(),
        ("uv", "run"): _wrapper(
            "--extra --group --with --python -p --project --directory --env-file --package"
        ),
        ("conda", "run"): _wrapper("-n -p --name --prefix --cwd"),
        ("mamba", "run"): _wrapper("-n -p --name --prefix --cwd"),
        ("micromamba", "run"): _wrapper("-n -p --name --prefix --cwd"),
        ("bundle", "exec"): _wrapper(),
        ("newrelic-admin", "run-program"): _wrapper(),
    }
)
"""Programs that start another one after a word of their own."""

_INTERPRETER_OPTIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "python": frozenset({"-W", "-X", "--check-hash-based-pycs"}),
        "node": frozenset(
            {"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--env-file"}
        ),
        "ruby": frozenset({"-I", "-r", "-E"}),
        "perl": frozenset({"-I", "-M"}),
        "php": frozenset({"-d", "-c", "-f", "-S", "-t"}),
    }
)


_SCRIPTS = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")


@dataclass(frozen=True, slots=True)
class Start:
    """One thing that a command line starts."""

    kind: Literal["program", "script", "source", "module", "arguments", "unknown"]
    """`script`: a file given to an interpreter; `source`: a file read by `.`; `module`: `python -m`;
    `arguments`: the script's own arguments (`exec "$@"`), known to whoever starts the script."""
    name: str
    """The program, file or module; for `unknown` the word as written."""
    at: int = 0
    """Offset in the shell text."""
    is_relative_to_script: bool = False
    """Whether the name is a path from the directory of the script itself (`"$(dirname "$0")/x"`)."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One word of a command line: its value, None where only the running program knows it."""

    literal: str | None
    text: str = ""
    at: int = 0
    word: Word | None = None


def arguments_of(values: Iterable[str | None]) -> tuple[Argument, ...]:
    """Return a command line given as values (an exec form, a list in source code)."""
    return tuple(Argument(value, value or "") for value in values)


def started_by(argv: Sequence[Argument], depth: int = 0) -> Iterator[Start]:
    """Yield what one command line starts, wrappers and what they wrap."""
    if not argv:
        return
    first = argv[0]
    if first.literal is None:
        yield _start_of_unknown(first)
        return
    name = posixpath.basename(first.literal)
    rest = argv[1:]
    if first.literal not in BUILTINS:
        yield Start("program", first.literal, first.at)
    if depth > 8:
        return
    if name in {".", "source"} and rest:
        yield _file_start("source", rest[0])
    elif name == "eval":
        yield from _evaluated(rest, depth)
    elif name == "trap":
        yield from _evaluated(rest[:1], depth)
    elif name == "command":
        if rest and not (rest[0].literal or "").startswith(("-v", "-V")):
            yield from started_by(rest[1:] if rest[0].literal == "-p" else rest, depth + 1)
    elif name in SHELLS or name == "busybox":
        yield from _shell_started(name, rest, depth)
    elif name in {"su", "runuser"}:
        yield from _su_started(rest, depth)
    elif name == "find":
        for index, argument in enumerate(rest):
            if argument.literal in {"-exec", "-execdir", "-ok", "-okdir"}:
                yield from started_by(rest[index + 1 : index + 2], depth + 1)
    elif name in _WRAPPERS:
        yield from _wrapped(_WRAPPERS[name], rest, depth)
    elif rest and rest[0].literal is not None and (name, rest[0].literal) in _RUNNERS:
        yield from _wrapped(_RUNNERS[name, rest[0].literal], rest[1:], depth)
    elif name in ("bun", "deno"):
        file = next((one for one in rest if (one.literal or "").endswith(_SCRIPTS)), None)
        if file is not None:
            yield _file_start("script", file)
    elif interpreter := interpreter_family(name):
        yield from _interpreted(interpreter, rest)
    elif name == "npx" or any(argument.literal == "--" for argument in rest):
        yield from _after_dashes(name, rest, depth)


def behind_runner(words: Sequence[str]) -> tuple[str, ...]:
    """Return what a runner of environments starts: `bash -c` of `conda run -n x bash -c`; else the words."""
    runner = _RUNNERS.get((posixpath.basename(words[0]), words[1])) if len(words) > 1 else None
    if runner is None:
        return tuple(words)
    rest = list(words[2:])
    while rest and rest[0].startswith("-"):
        if rest.pop(0) in runner.valued and rest:
            rest.pop(0)
    return tuple(rest)


def interpreter_family(name: str) -> str | None:
    """Return `python`, `node`, `ruby`, `perl` or `php` when the program is one of these, with any version."""
    family = name.rstrip("0123456789.")
    if family in {"nodejs", "bun", "tsx", "ts-node"}:
        return "node"
    return {"pypy": "python"}.get(family, family) if family in {*_INTERPRETER_OPTIONS, "pypy"} else None


def _start_of_unknown(argument: Argument) -> Start:
    text = argument.text.replace('"', "").replace("'", "")
    if text in {"$@", "$*", "${@}", "${*}"}:
        return Start("arguments", text, argument.at)
    tail = _literal_tail(argument)
    if tail.startswith("/") and len(tail) > 1:
        return Start("program", tail[1:], argument.at, is_relative_to_script=True)
    return Start("unknown", argument.text, argument.at)


def _literal_tail(argument: Argument) -> str:
    """Return what stands behind the last expansion of a word, without quotes."""
    text = argument.text
    dollar = text.rfind("$")
    at = max(text.rfind(")"), text.rfind("}"), text.rfind("`")) + 1
    if dollar >= at:
        at = dollar + 1
        while at < len(text) and (text[at].isalnum() or text[at] == "_"):
            at += 1
    return text[at:].replace('"', "").replace("'", "") if at else ""


def _file_start(kind: Literal["script", "source"], argument: Argument) -> Start:
    if argument.literal is not None:
        return Start(kind, argument.literal, argument.at)
    tail = _literal_tail(argument)
    if tail.startswith("/") and len(tail) > 1:
        return Start(kind, tail[1:], argument.at, is_relative_to_script=True)
    # What a file with an unknown name starts isn't known either.
    return Start("unknown", argument.text, argument.at)


def _evaluated(arguments: Sequence[Argument], depth: int) -> Iterator[Start]:
    if any(argument.literal is None for argument in arguments):
        yield Start("unknown", " ".join(argument.text for argument in arguments), arguments[0].at)
        return
    yield from _text_started(" ".join(argument.literal or "" for argument in arguments), arguments, depth)


def _text_started(text: str, origin: Sequence[Argument], depth: int) -> Iterator[Start]:
    """Yield what shell text inside a word starts; places are those of the word."""
    at = origin[0].at if origin else 0
    inner = starts_in(text, depth + 1)
    if inner is None:
        yield Start("unknown", text, at)
        return
    for start in inner:
        yield Start(start.kind, start.name, at, start.is_relative_to_script)


def _shell_started(name: str, rest: Sequence[Argument], depth: int) -> Iterator[Start]:
    if name == "busybox":
        if rest and rest[0].literal in SHELLS:
            yield from _shell_started("sh", rest[1:], depth)
        return
    index = 0
    while index < len(rest):
        option = rest[index].literal
        if option is None:
            yield _file_start("script", rest[index])
            return
        if option.startswith("-") and not option.startswith("--") and "c" in option:
            operands = rest[index + 1 :]
            if operands and operands[0].literal is not None:
                yield from _text_started(operands[0].literal, operands, depth)
            elif operands:
                yield from _unknown_text_started(operands[0], depth)
            return
        if option in {"-o", "+o", "-O", "+O", "--rcfile", "--init-file"}:
            index += 1
        elif not option.startswith(("-", "+")):
            yield Start("script", option, rest[index].at)
            return
        index += 1


def _unknown_text_started(argument: Argument, depth: int) -> Iterator[Start]:
    """Yield what `sh -c "… $x …"` starts: the text is shell text itself, its expansions come first."""
    text = argument.text
    if len(text) >= 2 and text[0] == text[-1] == '"':
        yield from _text_started(text[1:-1].replace('\\"', '"').replace("\\$", "$"), (argument,), depth)
    else:
        yield Start("unknown", text, argument.at)


def _su_started(rest: Sequence[Argument], depth: int) -> Iterator[Start]:
    for index, argument in enumerate(rest):
        if argument.literal in {"-c", "--command"} and index + 1 < len(rest):
            text = rest[index + 1]
            if text.literal is not None:
                yield from _text_started(text.literal, (text,), depth)
            else:
                yield from _unknown_text_started(text, depth)
            return
        if argument.literal == "--":
            yield from started_by(rest[index + 1 :], depth + 1)
            return


def _wrapped(wrapper: _Wrapper, rest: Sequence[Argument], depth: int) -> Iterator[Start]:
    index, operands = 0, wrapper.operands
    while index < len(rest):
        literal = rest[index].literal
        if literal == "--":
            index += 1 + operands
            break
        if literal is not None and literal.startswith("-") and len(literal) > 1:
            if literal in {"-S", "--split-string"} and wrapper.takes_assignments and "-C" in wrapper.valued:
                text = rest[index + 1 : index + 2]
                if text and text[0].literal is not None:
                    yield from _text_started(text[0].literal, text, depth)
                    return
            index += 2 if literal in wrapper.valued else 1
        elif wrapper.takes_assignments and _is_assignment(rest[index]):
            index += 1
        elif operands:
            operands -= 1
            index += 1
        else:
            break
    yield from started_by(rest[index:], depth + 1)


def _is_assignment(argument: Argument) -> bool:
    name, equals, _ = (argument.literal or argument.text).partition("=")
    return bool(equals) and name.isidentifier()


def _interpreted(family: str, rest: Sequence[Argument]) -> Iterator[Start]:
    """Yield the script or module that an interpreter runs."""
    valued = _INTERPRETER_OPTIONS[family]
    index = 0
    while index < len(rest):
        literal = rest[index].literal
        if literal is None:
            tail = _literal_tail(rest[index])
            if tail.startswith("/") and len(tail) > 1:
                yield Start("script", tail[1:], rest[index].at, is_relative_to_script=True)
            return
        if family == "python" and literal == "-m" and index + 1 < len(rest):
            module = rest[index + 1]
            yield (
                Start("unknown", module.text, module.at)
                if module.literal is None
                else Start("module", module.literal, module.at)
            )
            return
        if literal in {"-c", "-e", "-p", "--eval", "--print", "-"}:
            return
        if literal == "--":
            index += 1
            continue
        if literal.startswith("-"):
            index += 2 if literal in valued else 1
            continue
        yield Start("script", literal, rest[index].at)
        return


def _after_dashes(name: str, rest: Sequence[Argument], depth: int) -> Iterator[Start]:
    """Yield what `wait-for-it.sh db:5432 -- app` starts behind its two dashes."""
    if not (
        "wait" in name or name in {"dockerize", "entr", "npx", "dotenv", "infisical", "doppler", "chamber"}
    ):
        return
    for index, argument in enumerate(rest):
        if argument.literal == "--":
            yield from started_by(rest[index + 1 :], depth + 1)
            return


def starts_in(text: str, depth: int = 0) -> tuple[Start, ...] | None:
    """Return what shell text starts, in order; None where the text isn't understood."""
    script = parse_script(text)
    return None if script is None else tuple(_script_starts(script, depth))


def _script_starts(script: Script, depth: int) -> Iterator[Start]:
    functions = script.functions
    passing = _functions_that_start_their_arguments(script)
    values = _assigned_values(script)
    inside = _spans_of_functions(script)
    for command in script.commands:
        argv = _argv(command, values)
        if not argv:
            continue
        name = argv[0].literal
        if name is not None and name in functions:
            if name in passing and len(argv) > 1 and argv[1].literal is not None:
                yield from started_by(argv[1:], depth)
            continue
        for start in started_by(argv, depth):
            is_inside = any(low <= command.start < high for low, high in inside)
            if start.kind == "arguments" and is_inside:
                continue  # the function's arguments; told where it is called
            if start.kind == "program" and start.name in functions:
                continue
            yield start


def _argv(command: Command, values: Mapping[str, str | None]) -> tuple[Argument, ...]:
    arguments: list[Argument] = []
    for index, word in enumerate(command.words):
        literal = word.literal
        if literal is None and len(word.variables) == 1:
            (name,) = word.variables
            plain = word.text.replace('"', "")
            value = values.get(name)
            if value is not None and plain in {f"${name}", f"${{{name}}}"}:
                if index == 0 and '"' not in word.text:
                    arguments.extend(Argument(part, part, word.start, word) for part in value.split())
                    continue
                literal = value
            elif value is not None:
                for form in (f"${{{name}}}/", f"${name}/"):
                    if plain.startswith(form) and "$" not in plain[1:]:
                        literal = value + plain[len(form) - 1 :]
        arguments.append(Argument(literal, word.text, word.start, word))
    return tuple(arguments)


def _assigned_values(script: Script) -> Mapping[str, str | None]:
    """Return what each variable holds that is always given the same literal; None where it varies."""
    values: dict[str, str | None] = {}
    for command in script.commands:
        pairs: list[tuple[str, str | None]] = [(name, word.literal) for name, word in command.assignments]
        if command.name in {"export", "local", "readonly", "declare", "typeset"}:
            for word in command.arguments:
                name, equals, given = (word.literal or word.text).partition("=")
                if equals:
                    pairs.append((name, given if word.literal is not None else None))
        if command.name in {"read", "mapfile", "readarray", "getopts", "unset"}:
            pairs.extend((word.literal, None) for word in command.arguments if word.literal)
        for name, value in pairs:
            values[name] = value if name not in values or values[name] == value else None
    for item in _items(script.items):
        if item.loop_variable:
            values[item.loop_variable] = None
    return values


def _items(items: Iterable[Item]) -> Iterator[Item]:
    waiting = list(items)
    while waiting:
        item = waiting.pop()
        yield item
        waiting.extend(item.parts)


def _spans_of_functions(script: Script) -> tuple[tuple[int, int], ...]:
    return tuple((item.start, item.end) for item in _items(script.items) if item.keyword == "function")


def _functions_that_start_their_arguments(script: Script) -> frozenset[str]:
    found: set[str] = set()
    for item in _items(script.items):
        if item.keyword != "function" or not item.words:
            continue
        for command in item.commands:
            starts = started_by(_argv(command, {}))
            if any(start.kind == "arguments" for start in starts):
                found.add(item.words[0].text)
    return frozenset(found)


def script_needs(context: SourceReader, path: str, text: str) -> CodeNeeds:
    """Return what a script of the context uses when it runs, followed into the other scripts that it starts.

    The interpreter of its first line counts. `exec "$@"` is nothing unknown: who starts the script knows it.
    """
    seen: set[str] = set()
    pending: list[tuple[str, str]] = [(posixpath.normpath(path), text)]
    found: list[CodeNeeds] = []
    while pending and len(seen) < 100:
        current, content = pending.pop(0)
        if current in seen:
            continue
        seen.add(current)
        interpreter, argv = shebang(content)
        family = interpreter_family(interpreter) if interpreter else None
        if interpreter and argv:
            place = Evidence(current, 1, content.partition("\n")[0].strip())
            found.append(CodeNeeds(commands=((argv, place),)))
        kind = _SCRIPT_ENDINGS.get(posixpath.splitext(current)[1]) if interpreter is None else None
        if family == "python" or kind == "python":
            from msrefactor.code.python import python_needs

            found.append(python_needs(current, content) or _not_understood(current))
        elif family == "node":
            from msrefactor.code.javascript import javascript_needs

            found.append(javascript_needs(current, content) or _not_understood(current))
        elif interpreter is None or interpreter in SHELLS:
            needs, followed = _shell_needs(context, current, content)
            found.append(needs)
            pending.extend(followed)
    return merged_needs(found) if found else EMPTY


def shebang(text: str) -> tuple[str | None, str | None]:
    """Return the interpreter's bare name and the program to find (`bash`, `/bin/sh`), None without one."""
    first = text.partition("\n")[0].removeprefix("\ufeff")
    if not first.startswith("#!"):
        return None, None
    words = first[2:].split()
    if not words:
        return None, None
    if posixpath.basename(words[0]) == "env":
        rest = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        return (posixpath.basename(rest[0]), rest[0]) if rest else (None, None)
    if posixpath.basename(words[0]) == "with-contenv" and len(words) > 1:
        return posixpath.basename(words[1]), words[1]
    return posixpath.basename(words[0]), words[0]


def _not_understood(path: str) -> CodeNeeds:
    return CodeNeeds(unknown_commands=(Evidence(path, None, "is not understood"),))


def _shell_needs(context: SourceReader, path: str, text: str) -> tuple[CodeNeeds, list[tuple[str, str]]]:
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    script = parse_script(plain)
    if script is None:
        return _not_understood(path), []
    findings = Findings(path)
    followed: dict[str, str] = {}
    lines = plain.split("\n")
    ends = _line_ends(plain)
    for start in _script_starts(script, 0):
        line = _line_at(ends, start.at)
        place = Evidence(path, line, excerpt(lines[line - 1]))
        if start.kind == "arguments":
            continue
        if start.kind == "unknown":
            findings.unknown_commands.append(place)
            continue
        if start.kind == "module":
            findings.imports.add(start.name.partition(".")[0])
            if start.name in {"pip", "venv", "ensurepip"}:
                findings.commands.append((start.name, place))
            continue
        inside = _in_context(context, path, start)
        if inside is not None:
            content = context.read_text(inside)
            if content is not None:
                followed.setdefault(inside, content)
        if start.kind == "program":
            if start.is_relative_to_script:
                if inside is None:
                    findings.unknown_commands.append(place)
                continue
            findings.commands.append((start.name, place))
        elif not start.is_relative_to_script:
            findings.paths.append((start.name, place))
        elif inside is None:
            findings.unknown_paths.append(place)
    for command in script.commands:
        for redirect in command.redirects:
            if redirect.operator == "<" and redirect.target is not None and redirect.target.literal:
                line = _line_at(ends, redirect.start)
                target = redirect.target.literal
                if not target.startswith("/dev/"):
                    findings.paths.append((target, Evidence(path, line, excerpt(lines[line - 1]))))
        if command.name == "mktemp":
            findings.writes_temp = True
    return findings.needs(), list(followed.items())


def _in_context(context: SourceReader, path: str, start: Start) -> str | None:
    """Return the file of the context that a started name most likely is.

    A script names files as the container has them (`/app/bin/x.sh`, `./x.sh`, `x.sh` on PATH); the end of
    such a path is the path in the context, or the file lies beside the script.
    """
    marked = context_path(start.name)
    name = posixpath.normpath(marked if marked is not None else start.name).lstrip("/")
    if name in {"", "."} or name.startswith("../"):
        return None
    directory = posixpath.dirname(path)
    candidates = [posixpath.normpath(posixpath.join(directory, name))]
    if not start.is_relative_to_script:
        parts = name.split("/")
        tails = ["/".join(parts[index:]) for index in range(len(parts))]
        candidates = [tails[0], *candidates, *tails[1:]]
        candidates.append(posixpath.normpath(posixpath.join(directory, parts[-1])))
    for candidate in candidates:
        if not candidate.startswith("../") and context.is_file(candidate):
            return candidate
    return None


def _line_ends(text: str) -> list[int]:
    return [index for index, char in enumerate(text) if char == "\n"]


def _line_at(ends: Sequence[int], offset: int) -> int:
    from bisect import bisect_left

    return bisect_left(ends, offset) + 1
