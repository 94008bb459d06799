"""Everything that an image's start commands lead to, and whether it is there.

The same questions are asked of the image before and of the image after: what the new one lacks and the old
one had is a difference; what both lack was never needed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msrefactor.code.shell import (
    SHELLS,
    Argument,
    Start,
    arguments_of,
    interpreter_family,
    shebang,
    started_by,
    starts_in,
)
from msrefactor.shell import Word, parse_script
from msrefactor.variables import expand
from msrefactor.verification.elf import MAGIC, Loader
from msrefactor.verification.filesystem import Account, Filesystem
from msrefactor.verification.packages import json_object

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What the engine takes where an image sets no PATH."""
_DEEPEST = 12
_RUNNERS = frozenset({"npm", "pnpm", "yarn", "yarnpkg"})


@dataclass(frozen=True, slots=True)
class Want:
    """One thing that something in an image needs."""

    kind: str
    """In words: `program`, `shared library`, `file`, …"""
    name: str
    by: str
    """Who needs it: a path, or the part of the configuration that names it."""
    found: str | None
    """Where it is; None: it isn't there."""
    reason: str = ""
    """Why it isn't found, where there is more to say than that."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What is the same want in another image, where files may have moved."""
        return self.kind, posixpath.basename(self.name) or self.name, posixpath.basename(self.by) or self.by


@dataclass(frozen=True, slots=True)
class Command:
    """One command that is started, with what is known of its words."""

    argv: tuple[str, ...]
    """Words that only the running shell knows are left out."""
    by: str
    folder: str
    path: str = ""
    """The program without symbolic links; empty where it isn't there."""


@dataclass(slots=True)
class Reach:
    """What is reached; filled while it is followed."""

    root: Filesystem
    environment: Mapping[str, str]
    folder: str
    account: Account | None
    loader: Loader
    wants: list[Want] = field(default_factory=list)
    programs: dict[str, str] = field(default_factory=dict)
    """Every program and script that is reached (without links), and who leads there."""
    commands: list[Command] = field(default_factory=list)
    modules: list[tuple[str, str]] = field(default_factory=list)
    """Python modules that are started, and by whom."""
    _told: set[tuple[str, str, str]] = field(default_factory=set)

    def want(self, kind: str, name: str, by: str, found: str | None, reason: str = "") -> None:
        """Note a want once."""
        if (kind, name, by) not in self._told:
            self._told.add((kind, name, by))
            self.wants.append(Want(kind, name, by, found, reason))

    def families(self) -> frozenset[str]:
        """Return the languages whose interpreters are started, such as `python`, `node` and `java`."""
        found = {interpreter_family(posixpath.basename(path)) for path in self.programs}
        names = {posixpath.basename(path) for path in self.programs}
        return frozenset(filter(None, found)) | (names & {"java", "dotnet"})

    # ------------------------------------------------------------------------------------------- following

    def start(self, argv: Sequence[str], by: str) -> None:
        """Follow a command line in exec form."""
        self._follow(arguments_of(argv), by, 0)

    def _follow(self, arguments: Sequence[Argument], by: str, depth: int) -> None:
        if depth > _DEEPEST:
            return
        text = _shell_command(arguments)
        if text is not None:
            program = Start("program", arguments[0].literal or "")
            self._started(program, arguments, by, depth)
            self._shell_text(text, by, depth + 1)
            return
        for start in started_by(arguments):
            rest = _behind(arguments, start)
            self._started(start, rest, by, depth)

    def _started(self, start: Start, argv: Sequence[Argument], by: str, depth: int, beside: str = "") -> None:
        """Follow one thing that is started; `beside` is the script that starts it."""
        if start.kind == "program":
            path, reason = self.find(start.name, self.folder)
            self.want("program", start.name, by, path, reason)
            words = tuple(one.literal for one in argv if one.literal is not None)
            if words:
                self.commands.append(Command(words, by, self.folder, path or ""))
            if path is not None:
                self._program(path, start.name, by, argv, depth)
            if words and posixpath.basename(words[0]) in _RUNNERS:
                self._package_script(words, by, depth)
        elif start.kind in ("script", "source"):
            base = posixpath.dirname(beside or by) if start.is_relative_to_script else self.folder
            place = posixpath.normpath(posixpath.join(base, start.name))
            found = self.script(place)
            self.want("file", place, by, found)
            if found is not None:
                self.read_script(found, by, argv, depth + 1)
        elif start.kind == "module":
            self.modules.append((start.name, by))

    def script(self, place: str) -> str | None:
        """Return a script as an interpreter finds it: Node takes it without its ending, or a folder."""
        for one in (place, f"{place}.js", f"{place}.mjs", f"{place}.cjs", f"{place}/index.js"):
            if self.root.is_file(one):
                return self.root.resolve(one)
        main = json_object(self.root.text(f"{place}/package.json")).get("main")
        if isinstance(main, str):
            return self.script(posixpath.normpath(posixpath.join(place, main)))
        if self.root.is_file(f"{place}/__main__.py"):
            return self.root.resolve(f"{place}/__main__.py")
        return None

    def find(self, name: str, folder: str) -> tuple[str | None, str]:
        """Return a program as execvp(3) finds it, or why it can't be started."""
        if "/" in name:
            places = [posixpath.normpath(posixpath.join(folder, name))]
        else:
            entries = (self.environment.get("PATH") or DEFAULT_PATH).split(":")
            places = [posixpath.normpath(posixpath.join(folder, entry, name)) for entry in entries]
        reason = ""
        for place in places:
            real = self.root.resolve(place)
            if real is None:
                broken = self.root.broken_link(place)
                if broken is not None:
                    reason = reason or f"{broken[0]} is a link to {broken[1]}, which is not there"
                continue
            if self.root.nodes[real].kind != "file":
                continue
            if self.account is not None and not self.root.may(self.account, real, 1):
                mode = self.root.nodes[real].mode
                reason = reason or f"{real} has mode {mode:04o}: uid {self.account.uid} may not execute it"
                continue
            closed = self.root.closed_folder(self.account, real) if self.account is not None else None
            if closed is not None:
                reason = reason or f"uid {self.account.uid if self.account else 0} may not enter {closed}"
                continue
            return place, ""
        return None, reason

    def _program(self, place: str, name: str, by: str, argv: Sequence[Argument], depth: int) -> None:
        real = self.root.resolve(place) or place
        is_new = real not in self.programs
        self.programs.setdefault(real, by)
        head = self.root.head(real)
        if head.startswith(MAGIC):
            if is_new:
                self.libraries(real)
        elif head.startswith(b"#!"):
            _, interpreter = shebang(head.partition(b"\n")[0].decode(errors="surrogateescape"))
            if interpreter is not None:
                found, reason = self.find(interpreter, self.folder)
                self.want("interpreter", interpreter, place, found, reason)
                if found is not None and is_new:
                    self._program(found, interpreter, place, (), depth + 1)
            if is_new or len(argv) > 1:
                self.read_script(real, by, argv, depth + 1)

    def libraries(self, path: str) -> None:
        """Want everything that the dynamic loader needs for an ELF file."""
        elf = self.loader.elf(path)
        if elf is not None and elf.interpreter is not None and self.root.is_file(elf.interpreter):
            self.want("dynamic loader", elf.interpreter, path, elf.interpreter)
        loaded, missing = self.loader.load(path)
        for name, place in loaded.items():
            self.want("shared library", name, path, place)
        for one in missing:
            kind = "dynamic loader" if one.name.startswith("/lib") else "shared library"
            self.want(kind, one.name, one.needed_by, None, one.reason)

    def read_script(self, path: str, by: str, argv: Sequence[Argument] = (), depth: int = 0) -> None:
        """Follow a script: a shell's is read, others are only noted."""
        first = path not in self.programs or self.programs[path] == by
        self.programs.setdefault(path, by)
        text = self.root.text(path)
        if text is None or depth > _DEEPEST:
            return
        name, _ = shebang(text)
        if name is not None and name not in SHELLS:
            return
        if name is None and not path.endswith((".sh", ".bash")) and posixpath.basename(by) not in SHELLS:
            return
        starts = starts_in(text)
        if starts is None or not first:
            return
        self._shell_text(text, path, depth)
        if any(start.kind == "arguments" for start in starts) and len(argv) > 1:
            self._follow(argv[1:], by, depth + 1)

    def _shell_text(self, text: str, path: str, depth: int) -> None:
        """Follow the commands of shell text; `path` is the file that it stands in, or who has it."""
        script = parse_script(text)
        for start in starts_in(text) or ():
            command = next(
                (one for one in (script.commands if script else ()) if one.start <= start.at < one.end), None
            )
            words = self._expanded(command.words) if command is not None else ()
            found = [start]
            if command is not None and words and words[0].literal and command.words[0].literal is None:
                found = list(started_by(words))
            for one in found:
                if one.kind != "arguments":
                    self._started(one, _behind(words, one), path, depth, beside=path)
        for command in script.commands if script is not None else ():
            for word in command.words[1:]:
                if word.literal and word.literal.startswith("/") and not word.has_glob:
                    self.file(word.literal, path)

    def _expanded(self, words: Sequence[Word]) -> tuple[Argument, ...]:
        """Return words with the image's own variables in them; a bare variable may be several words."""
        found: list[Argument] = []
        for word in words:
            known = word.variables and word.variables <= self.environment.keys()
            if word.literal is not None or not known or "`" in word.text or "$(" in word.text:
                found.append(Argument(word.literal, word.text, word.start, word))
                continue
            value = expand(word.text, self.environment)
            parts = [value] if word.text[:1] in "\"'" else value.split()
            found += [Argument(part, word.text, word.start, word) for part in parts]
        return tuple(found)

    def _package_script(self, words: tuple[str, ...], by: str, depth: int) -> None:
        """Follow the script of package.json that npm, yarn or pnpm runs."""
        rest = list(words[1:])
        folder = self.folder
        names: list[str] = []
        while rest:
            word = rest.pop(0)
            if word in ("--prefix", "--cwd", "-C", "--dir") and rest:
                folder = posixpath.normpath(posixpath.join(folder, rest.pop(0)))
            elif word == "--":
                break
            elif not word.startswith("-"):
                names.append(word)
        if names and names[0] in ("run", "run-script"):
            names.pop(0)
        if not names or names[0] in ("exec", "x", "dlx", "install", "ci"):
            return
        manifest = posixpath.join(folder, "package.json")
        found = self.root.resolve(manifest)
        self.want("file", manifest, by, found)
        scripts = json_object(self.root.text(manifest)).get("scripts")
        texts = scripts if isinstance(scripts, dict) else {}
        for name in (f"pre{names[0]}", names[0], f"post{names[0]}"):
            text = texts.get(name)
            if isinstance(text, str) and depth < _DEEPEST:
                before = self.environment, self.folder
                path = f"{folder}/node_modules/.bin:{self.environment.get('PATH') or DEFAULT_PATH}"
                self.environment, self.folder = {**self.environment, "PATH": path}, folder
                self._shell_text(text, manifest, depth + 1)
                self.environment, self.folder = before

    def file(self, path: str, by: str) -> None:
        """Want a file or folder by its absolute path."""
        found = self.root.resolve(path)
        broken = self.root.broken_link(path) if found is None else None
        reason = f"{broken[0]} is a link to {broken[1]}, which is not there" if broken else ""
        self.want("file", posixpath.normpath(path), by, found, reason)


def _shell_command(arguments: Sequence[Argument]) -> str | None:
    """Return the text of `sh -c TEXT`, None for anything else."""
    if len(arguments) < 3 or posixpath.basename(arguments[0].literal or "") not in SHELLS:
        return None
    for index, argument in enumerate(arguments[1:-1], 1):
        option = argument.literal or ""
        if not option.startswith("-"):
            return None
        if option.endswith("c") and not option.startswith("--"):
            return arguments[index + 1].literal
    return None


def _behind(arguments: Sequence[Argument], start: Start) -> tuple[Argument, ...]:
    """Return the words from the started one on."""
    for index, argument in enumerate(arguments):
        if argument.literal == start.name:
            return tuple(arguments[index:])
    return ()


def environment_of(config: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the environment as a map."""
    return {name: value for name, _, value in (str(one).partition("=") for one in config.get("Env") or ())}


def launches(config: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what the configuration starts: its instructions' names, and the command line."""
    entry, cmd = _words(config.get("Entrypoint")), _words(config.get("Cmd"))
    if entry or cmd:
        name = " and ".join(one for one, words in (("ENTRYPOINT", entry), ("CMD", cmd)) if words)
        yield name, (*entry, *cmd)
    test = _words((config.get("Healthcheck") or {}).get("Test"))
    if test and test[0] == "CMD":
        yield "HEALTHCHECK", test[1:]
    elif test and test[0] == "CMD-SHELL":
        yield "HEALTHCHECK", (*(_words(config.get("Shell")) or ("/bin/sh", "-c")), *test[1:])


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return ("/bin/sh", "-c", value)
    return tuple(str(word) for word in value) if isinstance(value, Iterable) else ()


def reach_of(root: Filesystem, config: Mapping[str, Any]) -> Reach:
    """Return what the start commands and the health check of an image lead to."""
    environment = environment_of(config)
    user = str(config.get("User") or "")
    account = root.account(user)
    folder = str(config.get("WorkingDir") or "/")
    loader = Loader(root, environment.get("LD_LIBRARY_PATH", ""))
    reach = Reach(root, environment, folder, account, loader)
    if user:
        found = None if account is None else f"uid {account.uid}"
        reach.want("user", user, "USER", found, "/etc/passwd or /etc/group doesn't know it")
    for by, argv in launches(config):
        reach.start(argv, by)
        for word in argv[1:]:
            if word.startswith("/") and " " not in word:
                reach.file(word, by)
    return reach
