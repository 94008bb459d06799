"""What each instruction of a stage does to the image: the interpretation of a Dockerfile.

Nothing is executed. A stage is walked from top to bottom with the variables, the working directory and the
user as BuildKit has them at each instruction; every simple command of a RUN becomes one `Effect`. The engine
knows the commands that every distribution has (`commands.py`); what a language's own tools do comes from the
interpreters that are passed in. What nobody understands is `Role.OPAQUE`, never a guess.
"""

from __future__ import annotations

import enum
import itertools
import posixpath
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from msrefactor import shell, variables
from msrefactor.context import BuildContext
from msrefactor.knowledge.images import BaseImage, describe, is_mirror_variable
from msrefactor.model import Refused
from msrefactor.shell import Command, Item, Script, Word
from msrefactor.tree import Dockerfile, Instruction, Stage

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


FETCHED = "fetched"
"""The note that holds the paths which downloads and archives have filled."""


class Role(enum.IntEnum):
    """What a command is for. A higher role wins where several share one item of a RUN."""

    NOTHING = 0
    """Leaves nothing behind: `echo`, `set -e`, `node --version`."""
    NAVIGATE = 1
    """Changes what later commands of the same RUN see: `cd`, `export`."""
    CLEAN = 2
    """Removes what earlier commands left and nobody needs."""
    GATE = 3
    """Fails the build when something is wrong: tests, linters."""
    SETUP = 4
    """Users, directories, links, permissions, configuration: runs as well on the runtime base."""
    PACKAGES = 5
    """Installs or removes packages of the distribution."""
    FETCH = 6
    """Downloads or unpacks files."""
    BUILD = 7
    """Needs build tools; what it leaves is known."""
    OPAQUE = 8
    """Not understood."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The dependencies that one command installs, and exactly the files of the application that it reads.

    `Effect.reads` may be wider: what has to be there for the command not to fail. Here a path more is a file
    that would be copied before the install, and a path less is an install that fails.
    """

    manager: str
    """Empty for a command that only sets up a manager."""
    reads: tuple[str, ...] = ()
    """Files, and folders as a whole; those that may be missing are named too."""
    writes: tuple[str, ...] = ()
    """What it fills or changes."""
    obstacle: Refused | None = None
    """Why it isn't known what it reads, or what of the application's source it reads."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one simple command does. Paths are absolute paths in the image; a folder stands for its tree."""

    role: Role
    tool: str = ""
    """The executable that runs."""
    reads: tuple[str, ...] = ()
    reads_only: bool = False
    """Whether `reads` is complete: the command reads nothing else of the application's files."""
    writes: tuple[str, ...] = ()
    """What it leaves in the image that somebody could need."""
    appends: tuple[str, ...] = ()
    """Files among `writes` that it adds to: doing so twice isn't the same as once."""
    removes: tuple[str, ...] = ()
    may_remove: tuple[str, ...] = ()
    """What it removes only where a test says so."""
    packages: tuple[Word, ...] = ()
    """The words that name packages of the distribution to install."""
    removed_packages: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    """Users and groups that it makes."""
    homes: tuple[tuple[str, str], ...] = ()
    """Users that it makes with their home folders."""
    mentions_users: tuple[str, ...] = ()
    """Users and groups that must exist."""
    sets: tuple[tuple[str, str], ...] = ()
    """Variables that it sets for later commands of the same RUN."""
    notes: tuple[tuple[str, Any], ...] = ()
    """What later commands of the stage have to know of what this one left, such as the prefix that a build
    tree was configured with."""
    why: str = ""
    """For OPAQUE: what isn't understood; else what it makes, in words."""
    refusal: Refused | None = None
    """An obstacle that this command is for any split."""
    assumption: str = ""
    """What has to hold for this reading of the command and isn't proved."""
    ecosystem: str = ""
    detail: Any = None
    """What the ecosystem that interpreted the command wants to remember."""
    dependencies: Dependencies | None = None
    """For an install of dependencies: what it reads and writes."""
    fetched_by: str = ""
    """The command that fetches beforehand what this one fetches while it builds; run in the same folder."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A context path that a COPY or ADD put somewhere in the image."""

    destination: str
    source: str
    """Path in the build context; "" is its root."""
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Scope:
    """What holds where an instruction or command stands."""

    base: BaseImage
    context: BuildContext
    cwd: str = "/"
    user: str = "root"
    variables: Mapping[str, str] = field(default_factory=dict)
    arguments: frozenset[str] = frozenset()
    """Build arguments: their value is the caller's, `variables` has the default if there is one."""
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    placed: tuple[Placed, ...] = ()
    homes: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What earlier commands of the stage left, in the words of the ecosystem that understood them."""
    escape: str = "\\"

    def value(self, word: Word | str) -> str | None:
        """Return what the word is when it runs, or None where that isn't known before."""
        if isinstance(word, Word):
            if word.literal is not None:
                return word.literal
            text, names = word.text, word.variables
        else:
            text, names = word, variables.references(word)
        if "$(" in text or "`" in text or "<(" in text:
            return None
        known = self.variables
        if "HOME" in names and self.is_home_known:
            known = {"HOME": self.home, **known}
        if any(name not in known for name in names):
            return None
        return variables.expand(text, known, "\\")

    def values(self, words: Iterable[Word]) -> tuple[str | None, ...]:
        """Return the value of each word."""
        return tuple(self.value(word) for word in words)

    def path(self, text: str) -> str:
        """Return the absolute, normalised path that `text` means here; `~` is the user's home."""
        if text == "~" or text.startswith("~/"):
            text = self.home + text[1:]
        if not text:
            return self.cwd
        path = posixpath.normpath(posixpath.join(self.cwd, text))
        return path[1:] if path.startswith("//") else path  # which normpath keeps

    @property
    def home(self) -> str:
        """The current user's home folder; a guess by convention when the user was made elsewhere."""
        name = self.user.split(":")[0]
        if name in ("root", "0", ""):
            return self.variables.get("HOME", "/root")
        return self.homes.get(name, f"/home/{name}")

    @property
    def is_home_known(self) -> bool:
        """Whether `home` is more than a convention."""
        name = self.user.split(":")[0]
        return name in ("root", "0", "") or name in self.homes

    def origin(self, path: str) -> str | None:
        """Return the context path that an image path was copied from, if it exists there.

        Of several folders that were copied into one, it is the one with the most files.
        """
        folders: list[str] = []
        for placed in reversed(self.placed):
            if not placed.is_folder:
                if path == placed.destination:
                    return placed.source
                continue
            if is_under(path, placed.destination):
                rest = posixpath.relpath(path, placed.destination)
                source = (
                    posixpath.normpath(posixpath.join(placed.source, rest)) if rest != "." else placed.source
                )
                source = "" if source == "." else source
                if source and self.context.is_file(source):
                    return source
                if source == "" or self.context.exists(source):
                    folders.append(source)
        if folders:
            one = len(set(folders)) == 1
            return folders[0] if one else max(folders, key=lambda folder: len(self.context.files(folder)))
        # a folder that single files were copied into
        for placed in self.placed:
            if not placed.is_folder and posixpath.dirname(placed.destination) == path:
                return posixpath.dirname(placed.source)
        return None

    def files(self, folder: str) -> Mapping[str, str]:
        """Return the files of the context that lie below a folder of the image, by all the copies into it.

        Each by its path below the folder, with its path in the context.
        """
        found: dict[str, str] = {}
        for placed in self.placed:
            place, source = placed.destination, placed.source
            if not placed.is_folder:
                if is_under(place, folder):
                    found[posixpath.relpath(place, folder)] = source
                continue
            if is_under(folder, place):
                source = posixpath.normpath(posixpath.join(source, posixpath.relpath(folder, place)))
                place, source = folder, "" if source == "." else source
            elif not is_under(place, folder):
                continue
            for file in self.context.files(source):
                inside = posixpath.join(place, posixpath.relpath(file, source or "."))
                found[posixpath.relpath(inside, folder)] = file
        return found

    def read(self, path: str) -> str | None:
        """Return the text of a file of the image that came from the context, or None."""
        source = self.origin(path)
        return self.context.read_text(source) if source else None

    def has(self, path: str) -> bool:
        """Whether the file or folder came into the image from the context."""
        return self.origin(path) is not None

    def is_file(self, path: str) -> bool:
        """Whether the path is a file that came from the context."""
        source = self.origin(path)
        return bool(source) and self.context.is_file(source or "")


def is_under(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies below it. Both absolute and normalised."""
    return folder in (path, "/") or path.startswith(folder + "/")


def overlaps(path: str, other: str) -> bool:
    """Whether one of two paths lies in the other's tree."""
    return is_under(path, other) or is_under(other, path)


Interpreter: TypeAlias = Callable[[Command, Sequence[str | None], Scope], Effect | None]
"""Says what a command does, given its words as they will be; None: not this interpreter's command."""


@dataclass(frozen=True, slots=True)
class ItemFact:
    """One top-level item of a RUN (a command, a pipeline or a compound) and what it does."""

    item: Item | None
    effects: tuple[Effect, ...]
    scope: Scope | None = None
    """What holds before it; None where the RUN isn't understood."""

    @property
    def role(self) -> Role:
        """The strongest role among its commands."""
        return max((effect.role for effect in self.effects), default=Role.NOTHING)


@dataclass(frozen=True, slots=True)
class Fact:
    """One instruction: where it stands, what holds there, what it does."""

    index: int
    instruction: Instruction
    scope: Scope
    """What holds before it."""
    items: tuple[ItemFact, ...] = ()
    """For RUN: its items in order. Else empty."""
    script: Script | None = None
    offset: Callable[[int, int], tuple[int, int]] | None = None
    """Maps a span of the script to a span of the instruction's source; None: it can't be divided."""
    placed: tuple[Placed, ...] = ()
    """For COPY and ADD from the context: what went where."""
    destination: str | None = None
    """For COPY and ADD: the absolute destination."""
    from_stage: str | None = None
    effects: tuple[Effect, ...] = field(init=False, repr=False, compare=False)
    """The effects of all its commands, in order."""

    def __post_init__(self) -> None:
        effects = tuple(effect for item in self.items for effect in item.effects)
        object.__setattr__(self, "effects", effects)

    @property
    def keyword(self) -> str:
        """The instruction's keyword in upper case."""
        return self.instruction.keyword

    @property
    def role(self) -> Role:
        """The strongest role in it."""
        return max((item.role for item in self.items), default=Role.NOTHING)

    @property
    def line(self) -> int | None:
        """The instruction's line in the file."""
        return self.instruction.line


@dataclass(frozen=True, slots=True)
class StageFacts:
    """A whole stage, interpreted."""

    stage: Stage
    base: BaseImage
    facts: tuple[Fact, ...]
    """One per instruction, FROM first."""
    end: Scope
    """What holds after the last instruction."""

    def runs(self) -> tuple[Fact, ...]:
        """Return the facts of the RUN instructions."""
        return tuple(fact for fact in self.facts if fact.keyword == "RUN")

    def effects(self) -> tuple[tuple[Fact, Effect], ...]:
        """Return every effect with the instruction it belongs to."""
        return tuple((fact, effect) for fact in self.facts for effect in fact.effects)


def global_arguments(dockerfile: Dockerfile) -> dict[str, str]:
    """Return the global build arguments that have a default, as FROM lines see them."""
    known: dict[str, str] = {}
    for instruction in dockerfile.preamble:
        for name, raw in instruction.pairs:
            if raw is not None:
                known[name] = variables.expand(raw, known, dockerfile.escape)
    return known


def base_image_text(dockerfile: Dockerfile, stage: Stage) -> str:
    """Return the stage's base image with the defaults of global build arguments filled in."""
    return image_text(dockerfile, stage.image)


def image_text(dockerfile: Dockerfile, image: str) -> str:
    """Return an image as FROM means it; a variable that names a mirror and has no default stays."""
    known = global_arguments(dockerfile)
    for name in variables.unset_references(image, known, dockerfile.escape):
        if is_mirror_variable(name):
            known[name] = f"${{{name}}}"
    return variables.expand(image, known, dockerfile.escape)


def stage_facts(
    dockerfile: Dockerfile,
    stage: Stage,
    context: BuildContext,
    interpreters: Sequence[Interpreter] = (),
    start: Scope | None = None,
) -> StageFacts:
    """Interpret one stage. `start` is the end of the stage it builds on, where it builds on one.

    The trees of a run begin alike, so what an instruction does is worked out once for each place that it is
    met at: behind the same instructions, in the same context.
    """
    defaults = global_arguments(dockerfile)
    text = base_image_text(dockerfile, stage)
    known = context.remembered(
        ("facts", interpreters, dockerfile.escape, tuple(defaults.items())), _Interpreted
    )
    if start is None:
        scope = known.starts.get(text)
        if scope is None:
            base = describe(text)
            scope = known.starts[text] = Scope(
                base=base,
                context=context,
                cwd=base.workdir or "/",
                user=base.user or "root",
                variables={"PATH": DEFAULT_PATH, **base.env},
                homes={"node": "/home/node"} if base.family == "node" else {},
                escape=dockerfile.escape,
            )
    elif start.context is context and start.escape == dockerfile.escape:
        scope = start
    else:
        scope = replace(start, context=context, escape=dockerfile.escape)
    base = scope.base
    facts: list[Fact] = []
    for index, instruction in enumerate(stage.instructions):
        key = (id(scope), index, instruction)
        step = known.steps.get(key)
        if step is None:
            fact = _fact(index, instruction, scope, interpreters)
            step = known.steps[key] = (fact, _after(fact, scope, defaults))
        facts.append(step[0])
        scope = step[1]
    return StageFacts(stage, base, tuple(facts), scope)


class _Interpreted:
    """What was worked out in one build context with the same interpreters and global arguments."""

    __slots__ = ("starts", "steps")

    def __init__(self) -> None:
        self.starts: dict[str, Scope] = {}
        """By the base image."""
        self.steps: dict[tuple[int, int, Instruction], tuple[Fact, Scope]] = {}
        """By the scope before it (its `id`, which stays taken: the fact holds the scope), index and text."""


def _fact(index: int, instruction: Instruction, scope: Scope, interpreters: Sequence[Interpreter]) -> Fact:
    keyword = instruction.keyword
    if keyword == "RUN":
        return _run_fact(index, instruction, scope, interpreters)
    if keyword in ("COPY", "ADD"):
        return _copy_fact(index, instruction, scope)
    return Fact(index, instruction, scope)


def _after(fact: Fact, scope: Scope, defaults: Mapping[str, str]) -> Scope:
    """Return what holds after the instruction."""
    instruction = fact.instruction
    match fact.keyword:
        case "ENV":
            new = {k: variables.expand(v or "", scope.variables, scope.escape) for k, v in instruction.pairs}
            fixed = {k for k, v in instruction.pairs if not variables.references(v or "") & scope.arguments}
            varying = set(new) - fixed
            return replace(
                scope,
                variables={**scope.variables, **new},
                arguments=(scope.arguments - fixed) | varying,
            )
        case "ARG":
            known = dict(scope.variables)
            for name, raw in instruction.pairs:
                if raw is not None:
                    # an ENV of the same name wins over the build argument
                    known.setdefault(name, variables.expand(raw, known, scope.escape))
                elif name in defaults:
                    known.setdefault(name, defaults[name])
            names = {name for name, _ in instruction.pairs} - (set(scope.variables) - scope.arguments)
            return replace(scope, variables=known, arguments=scope.arguments | names)
        case "WORKDIR":
            text = variables.expand(instruction.arguments, scope.variables, scope.escape)
            path = scope.path(text)
            return replace(scope, cwd=path, notes={**scope.notes, **dict(made_folders((path,)))})
        case "USER":
            text = variables.expand(instruction.arguments, scope.variables, scope.escape)
            return replace(scope, user=text.strip() or "root")
        case "SHELL":
            return replace(scope, shell=instruction.exec_form or scope.shell)
        case "COPY" | "ADD":
            folders = [
                p.destination if p.is_folder else posixpath.dirname(p.destination) for p in fact.placed
            ]
            notes = {**scope.notes, **dict(made_folders(folders))}
            return replace(scope, placed=(*scope.placed, *fact.placed), notes=notes)
        case "RUN":
            homes, notes = dict(scope.homes), dict(scope.notes)
            for effect in fact.effects:
                homes.update(effect.homes)
                notes.update(effect.notes)
                if effect.role is Role.FETCH:
                    notes[FETCHED] = (*notes.get(FETCHED, ()), *effect.writes)
            return replace(scope, homes=homes, notes=notes)
        case _:
            return scope


def made_folders(paths: Iterable[str]) -> tuple[tuple[str, bool], ...]:
    """Return the notes that paths are folders of the image from now on, and what they lie in."""
    found: dict[str, bool] = {}
    for path in paths:
        inner = path
        while inner.strip("/"):  # normpath keeps `//` at the beginning
            found[f"folder {inner}"] = True
            inner = posixpath.dirname(inner)
    return tuple(found.items())


def gone_folders(paths: Iterable[str], scope: Scope) -> tuple[tuple[str, bool], ...]:
    """Return the notes that what lay at paths isn't there any more."""
    gone = {f"folder {path}": False for path in paths}
    for path in paths:
        gone.update({note: False for note in scope.notes if note.startswith(f"folder {path}/")})
    return tuple(gone.items())


def folder_state(path: str, scope: Scope) -> bool | None:
    """Whether a path is a folder that commands made, or lies in one that they removed; None: neither."""
    known: bool | None = scope.notes.get(f"folder {path}")
    inner = posixpath.dirname(path)
    while known is None and inner.strip("/"):
        known = scope.notes.get(f"folder {inner}")
        if known:
            return None
        inner = posixpath.dirname(inner)
    return known


def copy_words(instruction: Instruction, scope: Scope) -> tuple[tuple[str, ...], str | None]:
    """Return the sources and the destination of a COPY or ADD, variables filled in."""
    raw = instruction.exec_form or tuple(word.text for word in instruction.words)
    if instruction.exec_form:
        words = tuple(variables.expand(f'"{w}"', scope.variables, scope.escape) for w in raw)
    else:
        words = tuple(variables.expand(w, scope.variables, scope.escape) for w in raw)
    if len(words) < 2:
        return (), None
    return words[:-1], words[-1]


def _copy_fact(index: int, instruction: Instruction, scope: Scope) -> Fact:
    sources, target = copy_words(instruction, scope)
    if target is None:
        return Fact(index, instruction, scope)
    destination = scope.path(target)
    from_stage = instruction.flag("from")
    if from_stage is not None:
        return Fact(index, instruction, scope, destination=destination, from_stage=from_stage)
    placed: list[Placed] = []
    heredocs = {doc.name for doc in instruction.heredocs}
    into_folder = target.endswith("/") or target in (".", "..") or len(sources) > 1 or destination == "/"
    into_folder = into_folder or target.endswith(("/.", "/..")) or destination == scope.cwd
    for source in sources:
        if source.lstrip("<-").strip("\"'") in heredocs or _is_remote(source):
            continue
        keeps_parents = any(flag.name == "parents" and flag.value != "false" for flag in instruction.flags)
        for match in _matches(scope.context, source):
            if match == "" or scope.context.is_dir(match):
                inside = posixpath.join(destination, match) if keeps_parents and match else destination
                placed.append(Placed(inside, match, is_folder=True))
            elif keeps_parents and "/./" not in source:
                placed.append(Placed(posixpath.join(destination, match), match, is_folder=False))
            else:
                name = posixpath.basename(match)
                place = posixpath.join(destination, name) if into_folder else destination
                placed.append(Placed(place, match, is_folder=False))
    return Fact(index, instruction, scope, placed=tuple(placed), destination=destination)


def _is_remote(source: str) -> bool:
    return "://" in source or source.startswith("git@")


def _matches(context: BuildContext, source: str) -> tuple[str, ...]:
    cleaned = posixpath.normpath(source.lstrip("/") or ".")
    if cleaned == ".":
        return ("",)
    if cleaned.startswith(".."):
        cleaned = posixpath.normpath("/" + cleaned).lstrip("/") or "."
        if cleaned == ".":
            return ("",)
    return context.match(cleaned)


def _run_fact(
    index: int, instruction: Instruction, scope: Scope, interpreters: Sequence[Interpreter]
) -> Fact:
    script, offset = script_of(instruction, scope)
    if script is None:
        why = f"the shell of this RUN isn't understood: {_short(instruction.arguments)}"
        return Fact(index, instruction, scope, (ItemFact(None, (Effect(Role.OPAQUE, why=why),)),))
    from msrefactor.doubts import doubts_of, in_doubt

    items: list[ItemFact] = []
    inner = scope
    doubts = doubts_of(script.items)
    for item in script.items:
        effects: list[Effect] = []
        local = before = inner
        for command in item.commands:
            effect = in_doubt(interpret(command, local, interpreters, item), doubts.get(command.start, ""))
            effects.append(effect)
            local = after_command(command, effect, local)
        # a subshell's folder and variables end with it; what it left on the disk doesn't
        effects.extend(_compound_writes(item, local))
        inner = local if item.kind == "command" else replace(inner, notes=local.notes)
        items.append(ItemFact(item, tuple(effects), before))
    return Fact(index, instruction, scope, tuple(items), script, offset)


def _compound_writes(item: Item, scope: Scope) -> Iterator[Effect]:
    """Yield what the redirections behind compounds write: `{ echo a; echo b; } > file`."""
    from msrefactor.commands import appended_files, redirect_writes

    for part in item.parts:
        yield from _compound_writes(part, scope)
    if not item.redirects:
        return
    written = redirect_writes(item, scope)
    if written is None:
        yield Effect(Role.OPAQUE, why="a redirection to a path that isn't known")
    elif written:
        yield Effect(Role.SETUP, writes=written, appends=appended_files(item, scope))


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else flat[:57] + "..."


def script_of(
    instruction: Instruction, scope: Scope
) -> tuple[Script | None, Callable[[int, int], tuple[int, int]] | None]:
    """Return the script that a RUN executes and the map from it to the instruction's source."""
    from msrefactor.code.shell import behind_runner

    starting = behind_runner(scope.shell or ("sh",))
    shell_name = posixpath.basename(starting[0]) if starting else ""
    if instruction.exec_form is not None:
        argv = instruction.exec_form
        if (
            len(argv) == 3
            and posixpath.basename(argv[0]) in ("sh", "bash", "ash", "dash")
            and argv[1] in ("-c", "-lc")
        ):
            return shell.parse_script(argv[2]), None
        return shell.parse_script(shlex.join(argv)), None
    # the last one is how Micromamba's images start bash
    if shell_name not in ("sh", "bash", "ash", "dash", "zsh", "_dockerfile_shell.sh"):
        return None, None
    if instruction.heredocs:
        return _heredoc_script(instruction)
    return shell.parse_script(instruction.arguments), instruction.arguments_span


def _heredoc_script(
    instruction: Instruction,
) -> tuple[Script | None, Callable[[int, int], tuple[int, int]] | None]:
    first = instruction.heredocs[0]
    words = instruction.words
    starts_script = len(instruction.heredocs) == 1 and len(words) == 1 and words[0].text.startswith("<<")
    if not starts_script:
        # a heredoc that feeds a command, as `RUN cat <<EOF > /etc/x`: only plain files are understood
        return _fed_heredoc(instruction), None
    body = first.body
    if body.startswith("#!"):
        interpreter = body.split("\n", 1)[0]
        if posixpath.basename(interpreter.split()[-1]) not in ("sh", "bash"):
            return None, None
    start = first.start
    return shell.parse_script(body), lambda a, b: (start + a, start + b)


def _fed_heredoc(instruction: Instruction) -> Script | None:
    kept = " ".join(
        word.text for word in instruction.words if not word.text.lstrip("0123456789").startswith("<<")
    )
    return shell.parse_script(kept) if kept else None


_WRAPPERS = {"sudo", "time", "nice", "exec", "command", "env", "nohup", "eatmydata", "xvfb-run"}


def unwrapped(words: Sequence[Word], scope: Scope) -> tuple[Word, ...]:
    """Return the words without `sudo`, `env A=b`, `exec` and the like before the real command."""
    rest = list(words)
    while rest:
        name = scope.value(rest[0])
        if name is None or posixpath.basename(name) not in _WRAPPERS:
            break
        wrapper = posixpath.basename(name)
        rest.pop(0)
        while rest and (rest[0].text.startswith("-") or (wrapper == "env" and "=" in rest[0].text)):
            option = rest.pop(0).text
            if option in ("-u", "-n", "-g") and rest and wrapper in ("sudo", "nice", "env"):
                rest.pop(0)
    return tuple(rest)


def interpret(
    command: Command, scope: Scope, interpreters: Sequence[Interpreter], item: Item, depth: int = 0
) -> Effect:
    """Return what one simple command does, redirections included."""
    from msrefactor.commands import appended_files, interpret_common, redirect_writes
    from msrefactor.installers import source_in

    written = redirect_writes(command, scope)
    words = unwrapped(command.words, scope)
    if not words:
        if command.words:
            return Effect(Role.NOTHING)
        if written is None:
            return Effect(Role.OPAQUE, why="a redirection to a path that isn't known")
        if written:
            return Effect(Role.SETUP, writes=written, appends=appended_files(command, scope))
        return Effect(Role.NAVIGATE if command.assignments else Role.NOTHING)
    inner = replace(
        scope,
        variables={
            **scope.variables,
            **{name: value for name, word in command.assignments if (value := scope.value(word)) is not None},
        },
    )
    plain = replace(command, words=words)
    argv = inner.values(words)
    effect = None
    for interpreter in interpreters:
        effect = interpreter(plain, argv, inner)
        if effect is not None:
            break
    if effect is None:
        effect = _script_effect(argv, inner, interpreters, depth)
    if effect is None:
        effect = interpret_common(plain, argv, inner, item)
    if effect.role in (Role.GATE, Role.FETCH, Role.BUILD):
        named = tuple(path for path in _named_paths(argv, inner) if path not in effect.reads)
        effect = replace(
            effect, reads=(*effect.reads, *named), dependencies=_with_named(effect.dependencies, argv, inner)
        )
    if written is None and effect.role < Role.OPAQUE:
        return Effect(Role.OPAQUE, tool=effect.tool, why="a redirection to a path that isn't known")
    if written:
        added = appended_files(command, scope)
        effect = replace(
            effect,
            role=max(effect.role, Role.SETUP),
            writes=(*effect.writes, *written),
            appends=(*effect.appends, *added),
        )
    if effect.detail is None and any(is_under(p, place) for p in effect.writes for place in _OF_SOURCES):
        effect = replace(effect, detail=source_in(item))
    return effect


_OF_SOURCES = ("/etc/apt", "/usr/share/keyrings", "/etc/yum.repos.d")
"""Where package sources and their keys are set up."""


def _named_paths(argv: Sequence[str | None], scope: Scope) -> tuple[str, ...]:
    """Return the paths from the context that a command's words name, and the files that variables name."""
    found = [*_paths_of_words(argv, scope), *_files_of_variables(scope.variables.values(), scope)]
    return tuple(dict.fromkeys(found))


def _paths_of_words(argv: Sequence[str | None], scope: Scope) -> Iterator[str]:
    for before, word in itertools.pairwise(argv):
        if word is None:
            continue
        option, equals, value = word.partition("=")
        if equals and option.startswith("-"):
            named = value
        elif "/" in word or (before is not None and before.startswith("-") and not word.startswith("-")):
            named = word
        else:
            continue
        path = scope.path(named)
        if path != scope.cwd and scope.has(path):
            yield path


def _files_of_variables(values: Iterable[str], scope: Scope) -> Iterator[str]:
    for value in values:
        if value.startswith("/") and scope.is_file(scope.path(value)):
            yield scope.path(value)


_OF_MANAGERS = (
    "PIP", "UV_", "POETRY_", "PIPENV_", "NPM_CONFIG_", "YARN_", "PNPM_", "COREPACK_", "NODE_EXTRA", "BUNDLE_",
    "GEM", "COMPOSER", "GO", "CARGO_", "MAVEN_", "GRADLE_", "NUGET_", "MIX_", "HEX_", "SBT_", "SSL_", "CURL_",
    "REQUESTS_", "BUN_", "DENO_",
)  # fmt: skip
"""How the variables begin that package managers, or what they download with, read files from."""


def _with_named(known: Dependencies | None, argv: Sequence[str | None], scope: Scope) -> Dependencies | None:
    """Return an install that also reads what its words name: files, and folders other than its project's."""
    if known is None:
        return None
    words = [
        path
        for path in _paths_of_words(argv, scope)
        if scope.is_file(path) or not any(is_under(read, path) for read in (*known.reads, scope.cwd))
    ]
    settings = [text for name, text in scope.variables.items() if name.upper().startswith(_OF_MANAGERS)]
    added = (*words, *_files_of_variables(settings, scope))
    return replace(known, reads=tuple(dict.fromkeys((*known.reads, *added))))


def _script_effect(
    argv: Sequence[str | None], scope: Scope, interpreters: Sequence[Interpreter], depth: int
) -> Effect | None:
    """Return what a shell script of the build context does, all its commands together; None: it isn't one."""
    words = [word for word in argv if word is None or not word.startswith("-")]
    if not words or words[0] is None or depth > 3:
        return None
    name = words[0]
    if posixpath.basename(name) in ("sh", "bash", "ash", "dash"):
        if len(words) < 2 or words[1] is None:
            return None
        given = next((word for word in argv[1:] if word and word.startswith("-") and word[-1] == "c"), None)
        if given is not None:
            inline = shell.parse_script(words[1])
            plain = name not in scope.variables and len(words) == 2
            return (
                _followed(inline, f"{name} -c", None, scope, interpreters, depth)
                if inline and plain
                else None
            )
        name = words[1]
    elif "/" not in name:
        return None
    path = scope.path(name)
    text = scope.read(path)
    if text is None:
        return None
    first = text.partition("\n")[0]
    if first.startswith("#!") and posixpath.basename(first.split()[-1]) not in ("sh", "bash", "ash", "dash"):
        return None
    script = shell.parse_script(text)
    if script is None:
        return Effect(Role.OPAQUE, tool=name, why=f"the script {name} isn't understood")
    return _followed(script, name, path, scope, interpreters, depth)


def _followed(
    script: Script, name: str, path: str | None, scope: Scope, interpreters: Sequence[Interpreter], depth: int
) -> Effect:
    """Return what all commands of a script do together."""
    from msrefactor.doubts import doubts_of, in_doubt

    effects: list[Effect] = []
    local = scope
    doubts = doubts_of(script.items)
    for item in script.items:
        for command in item.commands:
            effect = interpret(command, local, interpreters, item, depth + 1)
            effect = in_doubt(effect, doubts.get(command.start, ""))
            effects.append(effect)
            local = after_command(command, effect, local)
        effects.extend(_compound_writes(item, local))
    return _together(effects, name, path)


def _together(effects: Sequence[Effect], name: str, path: str | None) -> Effect:
    """Return one effect for all the commands of a script."""
    refused = next((effect for effect in effects if effect.refusal is not None), None)
    if refused is not None:
        return replace(refused, role=Role.BUILD, tool=name)
    opaque = next((effect for effect in effects if effect.role is Role.OPAQUE), None)
    if opaque is not None:
        return Effect(Role.OPAQUE, tool=name, why=f"{opaque.why} (in {name})")
    role = max((effect.role for effect in effects), default=Role.NOTHING)
    if role is Role.PACKAGES or any(effect.packages for effect in effects):
        return Effect(Role.OPAQUE, tool=name, why=f"{name} installs packages of the distribution")
    return Effect(
        role,
        tool=name,
        reads=(*((path,) if path else ()), *(read for effect in effects for read in effect.reads)),
        reads_only=all(effect.reads_only or effect.role < Role.BUILD for effect in effects),
        writes=tuple(written for effect in effects for written in effect.writes),
        appends=tuple(added for effect in effects for added in effect.appends),
        removes=tuple(removed for effect in effects for removed in effect.removes),
        may_remove=tuple(removed for effect in effects for removed in effect.may_remove),
        users=tuple(user for effect in effects for user in effect.users),
        homes=tuple(home for effect in effects for home in effect.homes),
        notes=tuple(note for effect in effects for note in effect.notes),
        why=f"what {name} leaves",
        assumption=next((effect.assumption for effect in effects if effect.assumption), ""),
        detail=next((effect.detail for effect in effects if effect.detail is not None), None),
    )


def after_command(command: Command, effect: Effect, scope: Scope) -> Scope:
    """Return what later commands of the same RUN see."""
    words = command.words
    name = words[0].literal if words else None
    if effect.notes:
        scope = replace(scope, notes={**scope.notes, **dict(effect.notes)})
    if effect.role is Role.FETCH:
        scope = replace(
            scope, notes={**scope.notes, FETCHED: (*scope.notes.get(FETCHED, ()), *effect.writes)}
        )
    if not words or name == "export":
        new = {key: value for key, word in command.assignments if (value := scope.value(word)) is not None}
        if name == "export":
            for word in words[1:]:
                key, equals, _ = word.text.partition("=")
                if equals and (value := scope.value(word)) is not None:
                    new[key] = value.partition("=")[2]
        return replace(scope, variables={**scope.variables, **new}) if new else scope
    if name in ("cd", "pushd") and effect.role is Role.NAVIGATE and len(words) > 1:
        target = scope.value(words[-1])
        if target is not None:
            return replace(scope, cwd=scope.path(target))
    if effect.homes or effect.sets:
        return replace(
            scope,
            homes={**scope.homes, **dict(effect.homes)},
            variables={**scope.variables, **dict(effect.sets)},
        )
    return scope
