"""A COPY of the application's source goes below the installs that don't need it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msrefactor import variables
from msrefactor.facts import Effect, Fact, Role, StageFacts, is_under, overlaps
from msrefactor.model import Refused
from msrefactor.tree import Instruction
from msrefactor_transforms.ordering.commands import Brought, Needed, crossing
from msrefactor_transforms.ordering.dividing import divided
from msrefactor_transforms.splitting.narrowing import is_configuration, narrowed
from msrefactor_transforms.splitting.question import has_blank_line, is_install

_SOURCES = (
    ".py", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".vue", ".go", ".java", ".kt", ".scala", ".rs",
    ".rb", ".php", ".cs", ".fs", ".ex", ".exs", ".swift", ".c", ".cc", ".cpp", ".h", ".hs", ".pl", ".html",
    ".css", ".clj", ".cljs", ".cljc", ".erl", ".dart", ".lua", ".r", ".ipynb", ".ru", ".groovy", ".fsx",
    ".svelte", ".astro", ".scss", ".sass", ".less", ".hpp", ".hh", ".cxx", ".m", ".mm", ".zig", ".nim", ".d",
    ".cr", ".ml", ".mli", ".lisp", ".rkt", ".jl", ".f90", ".proto", ".tpl", ".ejs", ".hbs", ".pug", ".j2",
    ".jinja", ".jinja2", ".erb", ".haml", ".slim", ".mustache", ".liquid", ".twig", ".cshtml", ".razor",
)  # fmt: skip
"""Endings of files that change with every commit."""

_STANDARD = frozenset("bin sbin lib lib32 lib64 libexec share include etc games local".split())
"""Folders of /usr and /usr/local in which tools look for what is theirs."""

_INSTALLERS = frozenset(
    "docker-php-ext-install pecl cpanm cpm cargo go rustup gem R Rscript opam luarocks bash sh".split()
)
"""What builds or installs programs of others, where a command of it reads nothing of the application."""

_PASSIVE = frozenset(
    "ENV ARG LABEL EXPOSE CMD ENTRYPOINT HEALTHCHECK STOPSIGNAL USER SHELL MAINTAINER WORKDIR".split()
)


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a COPY can't go below an install."""

    refused: Refused
    copy: Fact
    fact: Fact


@dataclass(frozen=True, slots=True)
class Move:
    """One COPY that goes below an install of the same stage."""

    copy: Fact
    until: Fact
    """The last instruction that then stands above it."""
    needed: Needed
    first: Instruction | None = None
    """Where `until` is divided: its part that stays above."""
    second: Instruction | None = None

    @property
    def overlaid(self) -> tuple[str, ...]:
        """The context paths that nothing keeps out of the build, of what the install fills."""
        brought = Brought(self.copy)
        return tuple(sorted({brought.source(path) or path for path in self.needed.overlaid}))


def is_worth(effect: Effect) -> bool:
    """Whether a command takes its time and leaves the same as long as what it reads is the same."""
    if effect.dependencies is not None:
        return is_of_project(effect)
    is_tool = effect.role is Role.BUILD and effect.reads_only and not effect.reads and not effect.sets
    return is_install(effect) or (is_tool and effect.tool in _INSTALLERS)


def is_of_project(effect: Effect) -> bool:
    """Whether a command installs what the application's language needs."""
    return effect.dependencies is not None and bool(effect.dependencies.manager)


def is_source(fact: Fact) -> bool:
    """Whether an instruction copies what changes often from the build context, and only that."""
    if fact.keyword not in ("COPY", "ADD") or not fact.placed or fact.from_stage is not None:
        return False
    instruction = fact.instruction
    if instruction.heredocs or not fact.scope.context.known or instruction.flag("parents") is not None:
        return False
    words = instruction.exec_form or tuple(word.text for word in instruction.words)
    if any("://" in word or word.startswith("git@") for word in words[:-1]):
        return False
    if any(_belongs_to_system(path) for placed in fact.placed for path in _tops(fact, placed.destination)):
        return False
    return any(
        any(file.endswith(_SOURCES) for file in fact.scope.context.files(placed.source))
        if placed.is_folder and placed.source
        else placed.is_folder or placed.source.endswith(_SOURCES)
        for placed in fact.placed
    )


def _tops(fact: Fact, destination: str) -> Iterable[str]:
    """Yield a copy's destination; below the root and where systems keep their folders, what lies in it."""
    if destination not in ("/", "/usr", "/usr/local", "/root", "/home"):
        return (destination,)
    brought = next(placed for placed in fact.placed if placed.destination == destination)
    files = fact.scope.context.files(brought.source)
    inside = (posixpath.relpath(file, brought.source or ".") for file in files)
    return tuple({posixpath.join(destination, *name.split("/")[:3]) for name in inside})


def _belongs_to_system(path: str) -> bool:
    if path.startswith("/usr/"):
        parts = path.split("/")[2:]
        if parts[0] == "local" and len(parts) > 1:
            parts = parts[1:]
        return parts[0] in _STANDARD
    if is_under(path, "/var/www"):
        return False  # where web servers look for applications
    return is_configuration(path) or any(
        is_under(path, folder) for folder in ("/var", "/sbin", "/lib64", "/boot", "/dev", "/run")
    )


def moves(facts: StageFacts, copy: Fact, *, is_thrown_away: bool) -> tuple[tuple[Move, ...], Blocked | None]:
    """Return the ways in which a COPY can go down, each further than the one before, and what ends them."""
    brought, needed = Brought(copy), Needed()
    names = variables.references(copy.instruction.text, copy.scope.escape)
    found: list[Move] = []
    for fact in facts.facts[copy.index + 1 :]:
        refused: Refused | None
        if fact.keyword == "RUN":
            refused = _bound(fact)
            before = needed.copy()
            for position, item in enumerate(fact.items):
                refused = refused or crossing(fact, item, brought, needed)
                if refused is None:
                    before = needed.copy()
                    continue
                installs = [any(map(is_of_project, one.effects)) for one in fact.items]
                if any(installs[:position]) and not any(installs[position:]):
                    parts = divided(fact, position, is_thrown_away=is_thrown_away)
                    if parts is not None:
                        found.append(Move(copy, fact, before, *parts))
                    elif refused.code == "install-reads-source":
                        refused = Refused(
                            "install-mode",
                            f"the install stands in one RUN with what needs the source: {refused.detail}",
                            remedy="install in a RUN of its own",
                        )
                break
            if refused is None and any(is_worth(effect) for effect in fact.effects):
                found.append(Move(copy, fact, needed.copy()))
        else:
            refused = _passing(fact, copy, brought, needed, names)
        if refused is not None:
            return tuple(found), Blocked(refused, copy, fact)
    return tuple(found), None


def _bound(fact: Fact) -> Refused | None:
    for flag in fact.instruction.flags:
        if flag.name == "mount" and flag.value is not None:
            kind = dict(part.partition("=")[::2] for part in flag.value.split(",")).get("type", "bind")
            if kind not in ("cache", "secret", "ssh", "tmpfs"):
                return Refused("install-mode", "the RUN binds files of the build context or of a stage")
    return None


def _passing(
    fact: Fact, copy: Fact, brought: Brought, needed: Needed, names: Iterable[str]
) -> Refused | None:
    """Say why an instruction that isn't a RUN can't stand above a COPY that it stood below."""
    keyword = fact.keyword
    if keyword in ("ENV", "ARG") and {name for name, _ in fact.instruction.pairs} & set(names):
        return Refused("install-mode", f"{keyword} sets a variable that the COPY uses")
    if keyword == "WORKDIR":
        return _into(fact, copy, brought, needed)
    if keyword in _PASSIVE:
        return None
    if keyword in ("COPY", "ADD"):
        return _copies_apart(fact, copy, brought)
    if keyword == "VOLUME":
        paths = fact.instruction.exec_form or tuple(word.text for word in fact.instruction.words)
        places = [fact.scope.path(path) for path in paths]
        if not any(overlaps(place, one.destination) for place in places for one in copy.placed):
            return None
        return Refused("install-mode", "a VOLUME lies where the COPY goes")
    return Refused("install-mode", f"{keyword} stands between the copy and the install")


def _into(fact: Fact, copy: Fact, brought: Brought, needed: Needed) -> Refused | None:
    """Say why a WORKDIR can't make the folder that the COPY made."""
    text = variables.expand(fact.instruction.arguments, fact.scope.variables, fact.scope.escape)
    place = fact.scope.path(text)
    if not (brought.covers(place) or brought.source(place) is not None):
        return None
    is_root = fact.scope.user.split(":")[0] in ("root", "0", "")
    is_plain = copy.instruction.flag("chown") is None and copy.instruction.flag("chmod") is None
    if is_root and is_plain:
        return None
    if place == copy.destination:
        needed.places.add(place)  # made by the COPY of what the install reads, with the same flags
        return None
    return Refused("install-mode", f"WORKDIR would make {place} as another user than the COPY does")


def _copies_apart(fact: Fact, copy: Fact, brought: Brought) -> Refused | None:
    """Say why two copies can't change places: they bring something to the same path."""
    apart = Refused("install-mode", "another copy brings files to the same place")
    if fact.from_stage is not None or not fact.placed or fact.instruction.heredocs:
        place = fact.destination
        if place is None or brought.covers(place):
            return apart
        return apart if brought.may_bring(place) else None
    is_alike = _flags(fact) == _flags(copy)
    for placed in fact.placed:
        if not any(overlaps(placed.destination, one.destination) for one in copy.placed):
            continue
        if brought.source(placed.destination) == placed.source and is_alike:
            continue
        if placed.is_folder or brought.covers(placed.destination) or brought.may_bring(placed.destination):
            return apart
    return None


def _flags(fact: Fact) -> tuple[tuple[str, str | None], ...]:
    return tuple((flag.name, flag.value) for flag in fact.instruction.flags if flag.name != "link")


def moved(facts: StageFacts, move: Move, newline: str) -> tuple[Instruction, ...] | Refused:
    """Return the stage's instructions with one COPY further down, below what it isn't needed for."""
    copy, until = move.copy, move.until
    brought = Brought(copy)
    needed = _without_brought_already(facts, move, brought)
    folders = [path for path in needed.folders if not any(_inside(path, other) for other in needed.folders)]
    files = [path for path in needed.files if not any(_inside(path, folder) for folder in folders)]
    if not _is_less(copy, files, folders):
        return Refused("install-reads-source", "the install reads all that is copied")
    between = facts.facts[copy.index + 1 : until.index + 1]
    for place in needed.places:
        is_made = any(is_under(path, place) for path in (*move.needed.files, *move.needed.folders))
        is_made = is_made or any(is_under(one.scope.cwd, place) for one in (copy, *between[:1]))
        is_made = is_made or any(
            one.keyword == "WORKDIR" and is_under(facts.facts[one.index + 1].scope.cwd, place)
            for one in between[:-1]
        )
        if not is_made:
            return Refused("install-mode", f"only the copy makes the folder {place}")
    made: tuple[Instruction, ...] = ()
    if files or folders:
        written = narrowed(copy, files, folders)
        if written is None:
            return Refused("install-mode", "the files that the install reads can't be named in a COPY")
        made = written
    return _arranged(facts, move, made, newline, _rest(copy, files))


def _rest(copy: Fact, files: Iterable[str]) -> Instruction:
    """Return what of a COPY goes below: all of a folder, and the files that don't stand above already."""
    instruction = copy.instruction
    words = instruction.words
    if instruction.exec_form or len(words) - 1 != len(copy.placed):
        return instruction
    named = {placed.source for placed in copy.placed if placed.destination in files and not placed.is_folder}
    return instruction.without_words([word for word in words[:-1] if posixpath.normpath(word.text) in named])


def _inside(path: str, folder: str) -> bool:
    return path != folder and is_under(path, folder)


def _without_brought_already(facts: StageFacts, move: Move, brought: Brought) -> Needed:
    """Leave out the files that an earlier copy brings to the same path, or one that then stands above."""
    others = [
        fact
        for fact in facts.facts[1 : move.until.index]
        if fact.index != move.copy.index and fact.placed and fact.from_stage is None
    ]
    kept = dict(move.needed.files)
    for path in move.needed.files:
        if any(
            placed.destination == path and placed.source == brought.source(path)
            for fact in others
            for placed in fact.placed
        ):
            kept.pop(path, None)
    return Needed(kept, move.needed.folders, move.needed.places, move.needed.overlaid)


def _is_less(copy: Fact, files: Iterable[str], folders: Iterable[str]) -> bool:
    """Whether something is left of the copy that the install doesn't read."""
    context = copy.scope.context
    brought = Brought(copy)
    read = {brought.source(path) for path in files}
    trees = [brought.source(path) or "" for path in folders]
    for placed in copy.placed:
        for source in context.files(placed.source) if placed.is_folder else (placed.source,):
            is_read = source in read or any(is_under(f"/{source}", f"/{tree}") for tree in trees)
            name = posixpath.basename(source).lower()
            if not is_read and not name.startswith(("dockerfile", ".dockerignore", ".git", "readme")):
                return True
    return False


def _arranged(
    facts: StageFacts, move: Move, made: Sequence[Instruction], newline: str, below: Instruction
) -> tuple[Instruction, ...]:
    copy, until = move.copy, move.until
    instructions = [fact.instruction for fact in facts.facts]
    between = instructions[copy.index + 1 : until.index + 1]
    if move.first is not None:
        between[-1] = move.first
    written = list(made)
    if has_blank_line(below):
        if written:
            written[0] = written[0].with_leading(newline)
        elif not has_blank_line(between[0]):
            between[0] = between[0].with_leading(newline + between[0].leading)
            if below.leading.strip() == "":
                below = below.with_leading("")
    after = instructions[until.index + 1 :]
    if has_blank_line(between[-1]) and not has_blank_line(below):
        below = below.with_leading(newline + below.leading)
    if has_blank_line(below) and after and _came_down(after[0], until.instruction):
        after[0] = after[0].with_leading("")
    here = facts.facts[until.index + 1].scope if until.index + 1 < len(facts.facts) else facts.end
    if here.cwd != copy.scope.cwd and copy.destination is not None:
        below = _absolute(below, copy)
    tail = [move.second] if move.second is not None else []
    return (
        *instructions[: copy.index],
        *written,
        *between,
        below,
        *tail,
        *after,
    )


def _came_down(instruction: Instruction, until: Instruction) -> bool:
    """Whether a COPY without a comment stood above the install in the author's file, and went below it."""
    is_copy = instruction.keyword in ("COPY", "ADD") and not instruction.leading.strip()
    return (
        is_copy and instruction.line is not None and until.line is not None and instruction.line < until.line
    )


def _absolute(instruction: Instruction, copy: Fact) -> Instruction:
    """Return the COPY with its destination as an absolute path, where the working folder mattered."""
    word = instruction.words[-1]
    if instruction.exec_form or word.text.startswith(("/", "$", '"', "'")):
        return instruction
    place = copy.destination or "/"
    if (word.text.endswith("/") or len(instruction.words) > 2 or word.text == ".") and place != "/":
        place += "/"
    return instruction.replaced([(word.start, word.end, place)])


def same_installs(before: StageFacts, after: StageFacts) -> bool:
    """Whether the commands mean the same in their new places, and find all that they read."""

    def told(facts: StageFacts) -> list[tuple[object, ...]]:
        return sorted(
            (
                effect.role,
                effect.tool,
                str(effect.writes),
                str(sorted(_existing(effect, fact))),
                str(effect.dependencies and (effect.dependencies.writes, effect.dependencies.obstacle)),
            )
            for fact, effect in facts.effects()
            if effect.role is not Role.NAVIGATE
        )

    return told(before) == told(after)


def _existing(effect: Effect, fact: Fact) -> Iterable[str]:
    if effect.dependencies is None:
        return [path for path in effect.reads if fact.scope.is_file(path)]
    return {path for path in effect.dependencies.reads if fact.scope.has(path)}
