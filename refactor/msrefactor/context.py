"""The build context: the files that a build would be given, and no other.

Queries take posix paths relative to the context's root. They see what Docker's client would send: files
behind .dockerignore don't exist. A symlink is followed while it stays inside; one that leaves (an absolute
one always does) leads nowhere, and its target is never opened. Files are read when they are asked for.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections import deque
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from msrefactor.patterns import (
    FolderState,
    IgnoreRules,
    clean,
    glob_matches,
    has_wildcard,
    parse_ignore_file,
)
from msrefactor.walk import SKIPPED_FOLDERS, is_dockerfile_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from msrefactor.tree import Dockerfile, Instruction

_T = TypeVar("_T")

MAX_TEXT = 2_000_000
"""Bytes; a larger file isn't read."""
MAX_ENTRIES = 100_000
"""Files and folders looked at for one question."""
MAX_LEVELS = 3
"""How many folders above a Dockerfile are looked at where no repository marks the end."""
KEEPING_FOLDERS = frozenset(
    {"docker", ".docker", "dockerfiles", "container", "containers", "build", "ci", ".ci", ".github", "deploy",
     "deployment", "hack", "infra", "ops", "packaging", "scripts", "tools"}
)  # fmt: skip
"""Folders in which projects keep Dockerfiles and the like, and not what goes into an image."""
_MAX_LINKS = 40
_MAX_LISTINGS = 256

_NO_RULES = IgnoreRules()


class BuildContext:
    """A folder as a build sees it, or, as `project`, as it lies on the disk."""

    __slots__ = (
        "_ignore_text",
        "_listings",
        "_project",
        "_remembered",
        "_root",
        "_rules",
        "_skipped",
        "_states",
        "_truncated",
        "ignore_file",
        "lacking",
    )

    def __init__(
        self,
        root: str | None,
        rules: IgnoreRules,
        project: BuildContext | None,
        skipped: frozenset[str] = frozenset(),
        ignore_file: tuple[Path, str | None] | None = None,
    ) -> None:
        self._root = root
        self._rules = rules
        self._project = project
        self._skipped = skipped
        self._states: dict[str, FolderState] = {"": rules.top}
        self._listings: dict[str, tuple[str, ...]] = {}
        self._truncated = False
        self._remembered: dict[object, object] = {}
        self.ignore_file: Path | None = None if ignore_file is None else ignore_file[0]
        """The ignore file that counts, or would if it were made; None where the context isn't known."""
        self._ignore_text = None if ignore_file is None else ignore_file[1]
        self.lacking = ""
        """What a Dockerfile copies and no folder has that may be its context."""

    @staticmethod
    def open(root: Path, dockerfile: Path | None = None) -> BuildContext:
        """Return the context with this root; unknown if it is no folder, or Docker rejects its .dockerignore.

        The Dockerfile tells which ignore file counts: `X.dockerignore` beside it before `.dockerignore`.
        """
        folder = _real(root)
        file = None if dockerfile is None else _absolute(dockerfile)
        return _opened(folder, file, _project(folder, *([] if file is None else [str(file.parent)])))

    @staticmethod
    def unknown() -> BuildContext:
        """Return the context of which nothing can be said: no file exists in it, and `known` is False."""
        return BuildContext(None, _NO_RULES, None)

    @property
    def known(self) -> bool:
        """Whether there is a folder to look into."""
        return self._root is not None

    @property
    def root(self) -> Path | None:
        """The context's root, without symlinks."""
        return None if self._root is None else Path(self._root)

    @property
    def ignore_text(self) -> str | None:
        """The text of the ignore file; None where there is none."""
        return self._ignore_text

    def behind(self, ignore_text: str) -> BuildContext | None:
        """Return the same folder with another text in its ignore file; None where Docker refuses the text."""
        rules = parse_ignore_file(ignore_text)
        if rules is None or self._root is None:
            return None
        file = None if self.ignore_file is None else (self.ignore_file, ignore_text)
        return BuildContext(self._root, rules, self._project, self._skipped, file)

    @property
    def project(self) -> ProjectFiles:
        """The files of the project, ignored or not: from the repository's root, or that of the context.

        Folders of tools and of other people's code (`.git`, `node_modules`, `vendor` …) are not listed.
        """
        return self if self._project is None else self._project

    @property
    def is_truncated(self) -> bool:
        """Whether an answer so far is incomplete: over `MAX_ENTRIES`, or a folder that can't be listed."""
        return self._truncated

    def remembered(self, key: object, make: Callable[[], _T]) -> _T:
        """Return what `make` works out of the files, worked out once for each key.

        Only as fresh as this object: one is made for each Dockerfile, or for each run (`shared_projects`).
        """
        if key not in self._remembered:
            self._remembered[key] = make()
        return cast("_T", self._remembered[key])

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or folder; "" and "." are the root."""
        return self._resolved(path) is not None

    def is_file(self, path: str) -> bool:
        """Tell whether there is a regular file."""
        found = self._resolved(path)
        return found is not None and stat.S_ISREG(found[1].st_mode)

    def is_dir(self, path: str) -> bool:
        """Tell whether there is a folder."""
        found = self._resolved(path)
        return found is not None and stat.S_ISDIR(found[1].st_mode)

    def is_executable(self, path: str) -> bool:
        """Tell whether there is a regular file that somebody may execute."""
        found = self._resolved(path)
        return found is not None and stat.S_ISREG(found[1].st_mode) and bool(found[1].st_mode & 0o111)

    def is_ignored(self, path: str) -> bool:
        """Tell whether .dockerignore leaves the path out, whether or not it exists."""
        relative = _relative(path)
        return self.known and bool(relative) and self._state(relative or "").is_ignored

    def read_text(self, path: str) -> str | None:
        """Return a regular file's text, bytes that aren't UTF-8 replaced; None for none, or over 2 MB."""
        data = self._read(path)
        return None if data is None else data.decode("utf-8", "replace")

    def size(self, path: str) -> int:
        """Return the bytes of a file, or of all files below a folder; 0 if there is none."""
        found = self._resolved(path)
        if found is None:
            return 0
        real, info = found
        if stat.S_ISREG(info.st_mode):
            return info.st_size
        return sum(
            entry[1].st_size
            for file, kind in self._walk(real)
            if kind == "file" and (entry := self._resolved(file)) is not None
        )

    def files(self, prefix: str = "") -> tuple[str, ...]:
        """Return the files below a folder (or the file itself), sorted; symlinked folders aren't entered."""
        relative = _relative(prefix)
        if relative is None or not self.known:
            return ()
        if relative not in self._listings:
            if len(self._listings) >= _MAX_LISTINGS:
                self._listings.clear()
            self._listings[relative] = self._listed(relative)
        return self._listings[relative]

    def match(self, pattern: str) -> tuple[str, ...]:
        """Return the files and folders that a COPY source stands for, sorted; the root is "".

        As for BuildKit, a leading slash means the root, and above the root is the root: `../x` is `x`.
        """
        relative = _relative(clean("/" + pattern)[1:])
        if relative is None or not self.known:
            return ()
        parts = relative.split("/")
        fixed = next((i for i, part in enumerate(parts) if has_wildcard(part)), len(parts))
        if fixed == len(parts):
            return (relative,) if self.exists(relative) else ()
        return tuple(sorted(self._matching("/".join(parts[:fixed]), "/".join(parts[fixed:]))))

    def _matching(self, folder: str, pattern: str) -> Iterator[str]:
        """Yield what matches below a folder; what lies in a folder that matches isn't listed again."""
        found = self._resolved(folder)
        if found is None or not stat.S_ISDIR(found[1].st_mode):
            return
        # A star stays in its folder; a negated bracket can match a slash, as it can in Go.
        depth = pattern.count("/") + pattern.count("[")
        pending = [("", 0)]
        looked_at = 0
        while pending:
            below, level = pending.pop()
            for name, is_folder in self._entries(posixpath.join(found[0], below)):
                looked_at += 1
                if looked_at > MAX_ENTRIES:
                    self._truncated = True
                    return
                relative = posixpath.join(below, name)
                if glob_matches(pattern, relative):
                    if self.exists(posixpath.join(found[0], relative)):
                        yield posixpath.join(folder, relative)
                elif is_folder and level < depth:
                    pending.append((relative, level + 1))

    def _listed(self, relative: str) -> tuple[str, ...]:
        found = self._resolved(relative)
        if found is None:
            return ()
        real, info = found
        if stat.S_ISREG(info.st_mode):
            return (relative,)
        below = (file[len(real) :].lstrip("/") for file, kind in self._walk(real) if kind in {"file", "link"})
        return tuple(sorted(posixpath.join(relative, file) for file in below))

    def _walk(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield what is visible below a real folder, and its kind: file, link (to a file), folder or other.

        Level by level, and folders of tools last: so what the cap cuts off is what matters least.
        """
        pending = deque([folder])
        last: deque[str] = deque()
        looked_at = 0
        while pending or last:
            queue = pending or last
            current = queue.popleft()
            for name, is_folder in self._entries(current):
                looked_at += 1
                if looked_at > MAX_ENTRIES:
                    self._truncated = True
                    return
                path = posixpath.join(current, name)
                state = self._state(path)
                if is_folder:
                    if name in self._skipped:
                        continue
                    if not state.is_closed:
                        (last if name in SKIPPED_FOLDERS else queue).append(path)
                    if not state.is_ignored:
                        yield path, "folder"
                elif not state.is_ignored:
                    yield path, self._kind(path)

    def _kind(self, path: str) -> str:
        info = self._lstat(path)
        if info is None or stat.S_ISREG(info.st_mode):
            return "file" if info is not None else "other"
        return "link" if stat.S_ISLNK(info.st_mode) and self.is_file(path) else "other"

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        """Return the names in a real folder, sorted, and whether each is a folder (not a link to one)."""
        try:
            with os.scandir(self._full(folder)) as entries:
                names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError:
            self._truncated = True
            return []
        return sorted(names)

    def _state(self, path: str) -> FolderState:
        """Return what the ignore rules say of a path; asked in order down from the root, once."""
        known = self._states.get(path)
        if known is not None:
            return known
        if not self._rules.patterns:
            return self._states[""]
        state = self._states[""]
        for end in [i for i, char in enumerate(path) if char == "/"] + [len(path)]:
            part = path[:end]
            following = self._states.get(part)
            if following is None:
                following = self._rules.state(part, state)
                if len(self._states) < MAX_ENTRIES:
                    self._states[part] = following
            state = following
        return state

    def _is_visible(self, path: str, *, is_folder: bool) -> bool:
        """Tell whether a real path is sent: not ignored, or a folder with something in it that isn't."""
        state = self._state(path)
        if not state.is_ignored:
            return True
        return is_folder and not state.is_closed and next(self._walk(path), None) is not None

    def _resolved(self, path: str) -> tuple[str, os.stat_result] | None:
        """Return the real path (inside the context) and what is there; None if nothing visible is."""
        relative = _relative(path)
        if relative is None or not self.known:
            return None
        pending = relative.split("/")[::-1]
        current = ""
        info = self._lstat("")
        links = 0
        while pending and info is not None:
            name = pending.pop()
            if name in {"", "."}:
                continue
            if not stat.S_ISDIR(info.st_mode):
                return None
            if name == "..":
                if not current:
                    return None
                current = posixpath.dirname(current)
                info = self._lstat(current)
                continue
            following = posixpath.join(current, name)
            info_following = self._lstat(following)
            if info_following is not None and stat.S_ISLNK(info_following.st_mode):
                links += 1
                target = self._link(following)
                if target is None or links > _MAX_LINKS or self._state(following).is_ignored:
                    return None
                pending.extend(target.split("/")[::-1])
                continue
            current, info = following, info_following
        if info is None or not (stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)):
            return None
        if not self._is_visible(current, is_folder=stat.S_ISDIR(info.st_mode)):
            return None
        return current, info

    def _link(self, path: str) -> str | None:
        """Return a symlink's target; None if it is absolute, for then it means a place outside."""
        try:
            target = os.readlink(self._full(path))  # noqa: PTH115  as written: Path would clean it
        except OSError:
            return None
        return None if target.startswith("/") or not target else target

    def _lstat(self, path: str) -> os.stat_result | None:
        try:
            return os.lstat(self._full(path))
        except OSError:
            return None

    def _read(self, path: str) -> bytes | None:
        found = self._resolved(path)
        if found is None or not stat.S_ISREG(found[1].st_mode) or found[1].st_size > MAX_TEXT:
            return None
        try:
            # Not following, and not waiting: what was a file a moment ago may be a link or a pipe now.
            number = os.open(self._full(found[0]), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(number, "rb") as file:
                if not stat.S_ISREG(os.fstat(number).st_mode):
                    return None
                data = file.read(MAX_TEXT + 1)
        except OSError:
            return None
        return data if len(data) <= MAX_TEXT else None

    def _full(self, path: str) -> str:
        assert self._root is not None  # noqa: S101  every question asks `known` first
        return posixpath.join(self._root, path) if path else self._root


ProjectFiles: TypeAlias = BuildContext
"""The same questions, asked of files that .dockerignore doesn't hide."""

_shared: ContextVar[dict[str, BuildContext] | None] = ContextVar("_shared", default=None)


@contextmanager
def shared_projects() -> Iterator[None]:
    """Let all Dockerfiles of a project share what is read of it, within one run over many files."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def locate(dockerfile: Path, dockerfile_tree: Dockerfile | None, override: Path | None) -> BuildContext:
    """Return the context that the Dockerfile is built with.

    In this order: the override; what a compose file in its folder or above says; its own folder if all that
    it copies is there; the nearest folder above of which that is true; unknown if there is none. Nothing
    above the repository is looked at, or three folders up where there is no repository.
    """
    file = _absolute(dockerfile)
    if override is not None:
        return BuildContext.open(override, file)
    folders = folders_above(file.parent)
    groups = () if dockerfile_tree is None else copied_sources(dockerfile_tree)

    def context(root: str) -> BuildContext:
        return _opened(root, file, _project(root, str(file.parent)))

    named = [
        _opened(root, file, _project(root, str(file.parent), composed))
        for root, composed in _composed_roots(file, folders)
    ]
    for candidate in named:
        if _has_all(candidate, groups):
            return candidate
    if named:
        return named[0]
    copies_all = any(clean("/" + source) == "/" for group in groups for source in group)
    is_kept_apart = copies_all and _is_repository(folders[-1]) and _has_only_dockerfiles(context(folders[0]))
    for number, folder in enumerate(folders):
        # A copy of everything proves nothing: where only Dockerfiles lie, it means a folder above.
        if (
            is_kept_apart
            and number < len(folders) - 1
            and (number == 0 or posixpath.basename(folder) in KEEPING_FOLDERS)
        ):
            continue
        candidate = context(folder)
        if _has_all(candidate, groups):
            return candidate
    own = context(folders[0])
    if _has_all(own, groups):
        return own
    unknown = BuildContext(None, _NO_RULES, own.project)
    unknown.lacking = next((one for group in groups for one in group if not own.match(one)), "")
    return unknown


def copied_sources(dockerfile: Dockerfile) -> tuple[tuple[str, ...], ...]:
    """Return, for each instruction that reads the context, the patterns it reads; "." is all of it.

    Sources from other stages, heredocs, URLs, git repositories, words with unknown variables and, after the
    first stage, absolute paths are left out.
    """
    outside: dict[str, str] = {}
    for instruction in dockerfile.preamble:
        _assign(instruction, outside, outside)
    environments: dict[str, dict[str, str]] = {}
    groups = []
    for number, stage in enumerate(dockerfile.stages):
        lasting = dict(environments.get(stage.image.lower(), {}))
        current = dict(lasting)
        for instruction in stage.instructions[1:]:
            if instruction.keyword == "ENV":
                _assign(instruction, lasting, current)
                _assign(instruction, current, current)
            elif instruction.keyword == "ARG":
                _assign(instruction, current, current, outside)
                current.update(lasting)  # an ENV beats an ARG of the same name, wherever it stands
            group = tuple(_sources(instruction, current))
            if number and all(source.startswith("/") for source in group):
                # an absolute source after the first stage means an earlier stage: --from is forgotten
                continue
            if group:
                groups.append(group)
        if stage.name is not None:
            environments[stage.name] = lasting
    return tuple(groups)


def _assign(
    instruction: Instruction,
    target: dict[str, str],
    scope: Mapping[str, str],
    outside: Mapping[str, str] | None = None,
) -> None:
    """Set in the target what an ARG or ENV sets; what isn't known any more is forgotten."""
    from msrefactor.variables import expand, unset_references

    before = dict(scope)
    for name, value in instruction.pairs:
        if value is None:
            if outside and name in outside:
                target[name] = outside[name]
        elif unset_references(value, before, instruction.escape):
            target.pop(name, None)
        else:
            target[name] = expand(value, before, instruction.escape)


def _sources(instruction: Instruction, env: Mapping[str, str]) -> Iterator[str]:
    from msrefactor.compose import is_remote
    from msrefactor.variables import expand, unset_references

    words: tuple[str, ...] = ()
    if instruction.keyword in {"COPY", "ADD"} and instruction.flag("from") is None:
        words = (instruction.exec_form or tuple(word.text for word in instruction.words))[:-1]
    elif instruction.keyword == "RUN":
        words = tuple(_mounted(instruction))
    for word in words:
        if word.startswith("<<") or is_remote(word) or unset_references(word, env, instruction.escape):
            continue
        source = expand(word, env, instruction.escape)
        if source and not is_remote(source):
            yield source


def _mounted(instruction: Instruction) -> Iterator[str]:
    """Yield the sources of the context that a RUN binds."""
    for flag in instruction.flags:
        if flag.name != "mount" or flag.value is None:
            continue
        options = dict(option.partition("=")[::2] for option in flag.value.split(","))
        if options.get("type", "bind") == "bind" and "from" not in options:
            yield options.get("source") or options.get("src") or "."


def _has_all(context: BuildContext, groups: tuple[tuple[str, ...], ...]) -> bool:
    """Tell whether all that is copied is there; a wildcard may match nothing if its instruction has more."""
    for group in groups:
        found = [bool(context.match(source)) for source in group]
        if not any(found):
            return False
        if any(not is_found and not has_wildcard(s) for is_found, s in zip(found, group, strict=True)):
            return False
    return context.known


def _has_only_dockerfiles(context: BuildContext) -> bool:
    """Tell whether a context is nothing but a place to keep Dockerfiles."""
    return all(
        is_dockerfile_name(name) or name.endswith(".dockerignore")
        for name in map(posixpath.basename, context.project.files(_below(context.project.root, context.root)))
    )


def _composed_roots(file: Path, folders: list[str]) -> list[tuple[str, str]]:
    """Return the contexts that compose files name for the Dockerfile, and the folder of the file that does.

    Nearest file first, each context once. The folders are the Dockerfile's and those above it.
    """
    from msrefactor.compose import is_compose_name, services

    top = folders[-1]
    project = BuildContext(top, _NO_RULES, None)
    this = _below(Path(top), file)
    roots: dict[str, str] = {}
    for folder in folders:
        place = _below(Path(top), Path(folder))
        names = [name for name, is_folder in project._entries(place) if not is_folder]
        for name in sorted(filter(is_compose_name, names), key=_compose_order):
            for service in services(posixpath.join(place, name), project.read_text):
                build = service.build
                if build is not None and build.dockerfile == this and build.context is not None:
                    roots.setdefault(posixpath.join(top, build.context) if build.context else top, folder)
    return list(roots.items())


def _compose_order(name: str) -> tuple[int, str]:
    usual = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
    return (usual.index(name) if name in usual else len(usual), name)


def _opened(root: str, dockerfile: Path | None, project: BuildContext) -> BuildContext:
    """Return the context with this real root; unknown if it is no folder, or its ignore file is refused."""
    if not Path(root).is_dir():
        return BuildContext(None, _NO_RULES, project if project.known else None)
    places = [(root, ".dockerignore")]
    if dockerfile is not None:
        places.insert(0, (str(dockerfile.parent), f"{dockerfile.name}.dockerignore"))
    rules: IgnoreRules | None = _NO_RULES
    ignore_file: tuple[Path, str | None] = (Path(root) / ".dockerignore", None)
    for folder, name in places:
        plain = BuildContext(folder, _NO_RULES, None)
        if os.path.lexists(posixpath.join(folder, name)):
            # What is there but can't be read (a link that leaves, say) may hide anything.
            data = plain._read(name)
            text = None if data is None else data.decode("utf-8", "surrogateescape")
            rules = None if text is None else parse_ignore_file(text)
            ignore_file = (Path(folder) / name, text)
            break
    if rules is None:
        return BuildContext(None, _NO_RULES, project)
    return BuildContext(root, rules, project, ignore_file=ignore_file)


def _project(root: str, *others: str) -> BuildContext:
    """Return the project of a context: its repository, else the folder that holds it and the other folders.

    Only the context where that would be more than three folders above it, the whole disk, or a home.
    """
    repository = next((path for path in _ancestors(root) if _is_repository(path)), None)
    if repository is None:
        shared = os.path.commonpath([root, *others])
        levels = len(Path(root).relative_to(shared).parts)
        repository = shared if levels <= MAX_LEVELS and not _is_foreign(shared) else root
    shared_by_run = _shared.get()
    if shared_by_run is not None and repository in shared_by_run:
        return shared_by_run[repository]
    project = BuildContext(
        repository if Path(repository).is_dir() else None, _NO_RULES, None, SKIPPED_FOLDERS
    )
    if shared_by_run is not None:
        shared_by_run[repository] = project
    return project


def folders_above(folder: Path) -> list[str]:
    """Return the folder and those above that can be the context, up to the repository or three levels."""
    all_above = _ancestors(str(folder))
    for number, path in enumerate(all_above):
        if _is_repository(path):
            return all_above[: number + 1]
    above = [path for path in all_above[1 : MAX_LEVELS + 1] if not _is_foreign(path)]
    return [all_above[0], *above]


def _ancestors(path: str) -> list[str]:
    return [path, *(str(parent) for parent in Path(path).parents)]


def _is_repository(folder: str) -> bool:
    return os.path.lexists(posixpath.join(folder, ".git")) and not _is_foreign(folder)


def _is_foreign(folder: str) -> bool:
    """Tell whether a folder is the whole disk or somebody's home, and so never a project."""
    return folder == "/" or folder == os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111


def _below(folder: Path | None, path: Path | None) -> str:
    """Return a path from a folder above it; "" for the folder itself."""
    relative = os.path.relpath(path or "/", folder or "/")
    return "" if relative == "." else relative


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _absolute(file: Path) -> Path:
    """Return a file's absolute path, its folder without symlinks, its own name kept."""
    return Path(os.path.realpath(file.parent)) / file.name


def _relative(path: str) -> str | None:
    """Return a path cleaned, "" for the root; None for one that is absolute or leaves the context."""
    if path.startswith("/") or "\0" in path:
        return None
    cleaned = clean(path)
    if cleaned == ".." or cleaned.startswith("../"):
        return None
    return "" if cleaned == "." else cleaned
