"""Command lines of docker and podman as people write them: what is built, run and entered, and with what.

Only what is literal counts. A call whose image or container is a variable is no call here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from msrefactor.shell import parse_script

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from msrefactor.shell import Command, Word

_PROGRAMS = frozenset({"docker", "podman", "nerdctl", "docker-compose", "podman-compose"})
_PREFIXES = frozenset({"sudo", "time", "exec", "command", "nohup", "env", "!"})
_GLOBAL_VALUES = frozenset(
    {
        "-H",
        "--host",
        "--context",
        "-c",
        "--config",
        "-l",
        "--log-level",
        "--tlscacert",
        "--tlscert",
        "--tlskey",
    }
)
_COMPOSE_VALUES = frozenset(
    {"-f", "--file", "-p", "--project-name", "--profile", "--env-file", "--project-directory", "--ansi",
     "--parallel", "--progress"}
)  # fmt: skip
_SWITCHES = frozenset(
    {"detach", "interactive", "tty", "rm", "init", "privileged", "publish-all", "read-only", "no-healthcheck",
     "oom-kill-disable", "sig-proxy", "quiet", "disable-content-trust", "help", "use-api-socket", "replace",
     "rmi", "no-hosts", "env-host", "tls-verify", "http-proxy", "no-deps", "no-TTY", "no-tty",
     "service-ports", "build", "use-aliases", "quiet-pull", "quiet-build", "remove-orphans", "latest"}
)  # fmt: skip
_SHORT_SWITCHES = "ditPqT"
_BUILD_SWITCHES = frozenset(
    {"no-cache", "pull", "quiet", "rm", "force-rm", "squash", "compress", "load", "push", "check", "debug",
     "disable-content-trust", "help", "tls-verify", "layers", "squash-all"}
)  # fmt: skip
_LONG_NAMES = {
    "e": "env", "p": "publish", "u": "user", "v": "volume", "w": "workdir", "t": "tag", "f": "file",
    "h": "hostname", "m": "memory", "l": "label", "a": "attach", "c": "cpu-shares",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """One call: a folder is built, an image run, a container entered, or the latter two by service."""

    verb: Literal["build", "run", "exec", "compose-run", "compose-exec"]
    subject: str
    """The folder, image, container or service, as written."""
    options: tuple[tuple[str, str], ...]
    """Long names without dashes, and values, quotes removed."""
    argv: tuple[str, ...] | None
    """The words after the subject; None if one of them is not literal."""
    text: str
    """The words after the subject, as written."""
    line: int
    """1-based line in the text that was read."""
    folder: str | None
    """Where the script last changed to, as written; "" before any `cd`, None when that isn't literal."""

    def values(self, name: str) -> tuple[str, ...]:
        """Return all values of an option, in order."""
        return tuple(value for option, value in self.options if option == name)


def calls(text: str) -> tuple[Call, ...]:
    """Return the calls in a shell script; line by line where the whole of it is not understood."""
    script = parse_script(text)
    if script is not None:
        return tuple(_calls(script.commands, text, 1))
    found: list[Call] = []
    for number, line in logical_lines(text):
        if not any(program in line for program in ("docker", "podman", "nerdctl")):
            continue
        script = parse_script(line)
        if script is not None:
            found.extend(_calls(script.commands, line, number))
    return tuple(found)


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield 1-based number and text of each line, lines that end in a backslash joined to the next."""
    started: int | None = None
    parts: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        started = number if started is None else started
        parts.append(line)
        if not line.endswith("\\"):
            yield started, "\n".join(parts)
            started, parts = None, []
    if started is not None:
        yield started, "\n".join(parts).removesuffix("\\")


def _calls(commands: Sequence[Command], text: str, first_line: int) -> Iterator[Call]:
    folder: str | None = ""
    for command in commands:
        if command.name == "cd":
            folder = command.arguments[0].literal if command.arguments else None
        call = _call(command.words, first_line + text.count("\n", 0, command.start), folder)
        if call is not None:
            yield call


def _call(words: tuple[Word, ...], line: int, folder: str | None) -> Call | None:
    start = 0
    while start < len(words) and (
        words[start].literal in _PREFIXES
        or (start and "=" in words[start].text and words[0].literal == "env")
    ):
        start += 1
    if start >= len(words) or words[start].literal not in _PROGRAMS:
        return None
    is_compose = (words[start].literal or "").endswith("-compose")
    rest = _after_options(words[start + 1 :], _COMPOSE_VALUES if is_compose else _GLOBAL_VALUES)
    if not is_compose and rest and rest[0].literal in {"container", "image", "buildx", "builder"}:
        rest = _after_options(rest[1:], frozenset({"--builder"}))
    elif not is_compose and rest and rest[0].literal == "compose":
        is_compose = True
        rest = _after_options(rest[1:], _COMPOSE_VALUES)
    if not rest:
        return None
    verb, words = rest[0].literal, rest[1:]
    if is_compose:
        return (
            _subject_call("compose-run" if verb == "run" else "compose-exec", words, line, folder)
            if (verb in {"run", "exec"})
            else None
        )
    if verb in {"run", "create"}:
        return _subject_call("run", words, line, folder)
    if verb == "exec":
        return _subject_call("exec", words, line, folder)
    return _build_call(words, line, folder) if verb in {"build", "b"} else None


def _after_options(words: tuple[Word, ...], with_values: frozenset[str]) -> tuple[Word, ...]:
    position = 0
    while position < len(words) and words[position].text.startswith("-"):
        position += 2 if words[position].text in with_values else 1
    return words[position:]


def _subject_call(
    verb: Literal["run", "exec", "compose-run", "compose-exec"],
    words: tuple[Word, ...],
    line: int,
    folder: str | None,
) -> Call | None:
    options, rest = _options(words, _SWITCHES, _SHORT_SWITCHES)
    if not rest or rest[0].literal is None:
        return None
    arguments = rest[1:]
    literals = [word.literal for word in arguments]
    argv = tuple(text for text in literals if text is not None)
    return Call(
        verb,
        rest[0].literal,
        options,
        argv if len(argv) == len(literals) else None,
        " ".join(word.text for word in arguments),
        line,
        folder,
    )


def _build_call(words: tuple[Word, ...], line: int, folder: str | None) -> Call | None:
    options: list[tuple[str, str]] = []
    subject: str | None = None
    while words:
        some, words = _options(words, _BUILD_SWITCHES, "qD")
        options += some
        if words:
            subject, words = words[0].literal, words[1:]
    return None if subject is None else Call("build", subject, tuple(options), (), "", line, folder)


def _options(
    words: tuple[Word, ...], switches: frozenset[str], short_switches: str
) -> tuple[tuple[tuple[str, str], ...], tuple[Word, ...]]:
    """Return the options at the beginning, and the words after them."""
    options: list[tuple[str, str]] = []
    position = 0
    while position < len(words):
        text = _plain(words[position])
        if text == "--":
            position += 1
            break
        if not text.startswith("-") or text == "-":
            break
        position += 1
        name, equals, value = text.lstrip("-").partition("=")
        if not text.startswith("--"):
            letters = text[1:]
            switched = len(letters) - len(letters.lstrip(short_switches))
            if switched == len(letters):
                continue
            name = _LONG_NAMES.get(letters[switched], letters[switched])
            value = letters[switched + 1 :].removeprefix("=")
            equals = value
        elif name in switches:
            continue
        if not equals:
            if position >= len(words):
                break
            value = _plain(words[position])
            position += 1
        options.append((name, value))
    return tuple(options), words[position:]


def _plain(word: Word) -> str:
    """Return a word without its quotes; one that holds an expansion without the quotes around all of it."""
    if word.literal is not None:
        return word.literal
    return word.text.replace('"', "")
