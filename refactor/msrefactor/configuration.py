"""What a project's own file says about the run: which one counts, what may stand in it, and what that sets.

`.msrefactor.toml`, `msrefactor.toml` or the table `[tool.msrefactor]` of `pyproject.toml`: the closest one
above a Dockerfile counts, alone. Reading one runs nothing, and nothing in it names a command. What isn't
understood is an error with its place; nothing is guessed.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from msrefactor.configuration_keys import (
    KEYS,
    OVERRIDDEN,
    Place,
    check_table,
    kind_of,
    path_rules,
    shown_value,
)
from msrefactor.context import BuildContext, folders_above
from msrefactor.manifests import has_deep_key
from msrefactor.model import Settings
from msrefactor.patterns import IgnoreRules

NAMES = (".msrefactor.toml", "msrefactor.toml", "pyproject.toml")
"""The files looked for in a folder, the first one that counts before the others."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One file's say, checked."""

    file: Path | None = None
    """None: there is no file, and every question gets the default."""
    folder: str = ""
    """Absolute; what the patterns are about."""
    values: Mapping[str, Any] = field(default_factory=dict)

    def excludes(self, dockerfile: Path) -> bool:
        """Tell whether the file is none of ours."""
        patterns = self.values.get("exclude", ())
        return bool(patterns) and _matches(patterns, self.folder, dockerfile)

    def settings_for(self, dockerfile: Path | None, wanted: Wanted) -> Settings:
        """Return the settings of one Dockerfile: the command line before the overrides before the file."""
        values = {key: (self.values[key], "") for key in OVERRIDDEN if key in self.values}
        for override in self.values.get("overrides", ()):
            if dockerfile is not None and _matches(override["paths"], self.folder, dockerfile):
                where = f", the override for {', '.join(override['paths'])}"
                values |= {key: (override[key], where) for key in OVERRIDDEN if key in override}
        origins = [
            f"{key} = {shown_value(value)} ({shown_path(self.file)}{where})"
            for key, (value, where) in values.items()
            if self.file is not None and not wanted.replaces(key)
        ]
        if self.values.get("base-images"):
            origins.append(f"base-images of {shown_path(self.file)}")
        select = frozenset(values["select"][0]) if "select" in values else frozenset()
        ignore = frozenset(values["ignore"][0]) if "ignore" in values else frozenset()
        unsafe = values.get("unsafe", (False, ""))[0]
        if wanted.select:
            select, ignore = wanted.select, ignore - wanted.select
        return Settings(
            unsafe=unsafe is True if wanted.unsafe is None else wanted.unsafe,
            unsafe_for=frozenset(unsafe if wanted.unsafe is None and isinstance(unsafe, list) else ()),
            runtime=wanted.runtime or values.get("runtime", ("smallest", ""))[0],
            select=select,
            ignore=ignore | wanted.ignore,
            suggestions=wanted.suggestions,
            base_images=tuple(self.values.get("base-images", {}).items()),
            pragmas=wanted.pragmas,
            origins=(*origins, *wanted.origins()) if self.file is not None else (),
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line or the environment says; it beats every file. None or nothing: no word on it."""

    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    unsafe: bool | None = None
    runtime: str | None = None
    suggestions: bool = False
    pragmas: bool = True

    def replaces(self, key: str) -> bool:
        """Tell whether a file's value for the key is of no account; `ignore` is added to."""
        return bool(
            {"select": self.select, "unsafe": self.unsafe is not None, "runtime": self.runtime}.get(key)
        )

    def origins(self) -> Iterator[str]:
        """Yield what was set here, for `--explain`."""
        if self.select:
            yield f"select = {shown_value(sorted(self.select))} (command line)"
        if self.ignore:
            yield f"ignore = {shown_value(sorted(self.ignore))} (command line)"
        if self.unsafe is not None:
            yield f"unsafe = {shown_value(self.unsafe)} (command line)"
        if self.runtime is not None:
            yield f"runtime = {shown_value(self.runtime)} (command line)"
        if not self.pragmas:
            yield "pragmas are not obeyed (command line)"


class Configurations:
    """The configurations of a run: each file is read once."""

    def __init__(
        self,
        transforms: Sequence[str],
        wanted: Wanted,
        *,
        file: Path | None = None,
        is_isolated: bool = False,
        excludes_named: bool = False,
    ) -> None:
        """Take the names of the transforms, and what the command line wants.

        `file` counts for every Dockerfile, and its patterns are about the current folder; without it
        `is_isolated` means that no file counts. `excludes_named`: patterns leave out files named one by one,
        too. Raises BadConfiguration if `file` can't be obeyed.
        """
        self.transforms = tuple(transforms)
        self.wanted = wanted
        self.excludes_named = excludes_named
        self.found: dict[str, Configuration | None] = {}
        self.fixed: Configuration | None = Configuration() if is_isolated else None
        if file is not None:
            self.fixed = _read(file, os.path.realpath("."), file.name, self.transforms, must_count=True)

    def of(self, dockerfile: Path | None) -> Configuration:
        """Return the configuration that counts for a Dockerfile. Raises BadConfiguration."""
        if self.fixed is not None:
            return self.fixed
        start = Path() if dockerfile is None else dockerfile.parent
        return self._above(folders_above(Path(os.path.realpath(start))))

    def settings_for(self, dockerfile: Path | None, *, is_named: bool = True) -> Settings | None:
        """Return the settings of one Dockerfile; None if it is excluded. Raises BadConfiguration."""
        found = self.of(dockerfile)
        if dockerfile is not None and (self.excludes_named or not is_named) and found.excludes(dockerfile):
            return None
        return found.settings_for(dockerfile, self.wanted)

    def _above(self, folders: Sequence[str]) -> Configuration:
        top = BuildContext(folders[-1], IgnoreRules(), None)
        for folder in folders:
            if folder not in self.found:
                self.found[folder] = self._in(folder, top)
            found = self.found[folder]
            if found is not None:
                return found
        return Configuration()

    def _in(self, folder: str, top: BuildContext) -> Configuration | None:
        for name in NAMES:
            path = posixpath.join(folder, name)
            if not os.path.lexists(path):
                continue
            within = os.path.relpath(path, top.root)
            found = _read(Path(path), folder, within, self.transforms, top=top)
            if found is not None:
                return found
        return None


def _read(
    file: Path,
    folder: str,
    within: str,
    transforms: Sequence[str],
    *,
    top: BuildContext | None = None,
    must_count: bool = False,
) -> Configuration | None:
    """Return a file's configuration; None for a pyproject.toml that doesn't speak of us."""
    place = Place(shown_path(file), "")
    if top is None:
        top = BuildContext(os.path.realpath(file.parent), IgnoreRules(), None)
    text = top.read_text(within)
    if text is None:
        raise place.fault((), "can't be read: no regular file of up to 2 MB inside of the project")
    is_shared = file.name == "pyproject.toml"
    if is_shared and not must_count and "msrefactor" not in text:
        return None
    place = Place(shown_path(file), text)
    if has_deep_key(text):
        raise place.fault((), "has a key of more than 100 parts")
    import tomllib

    try:
        table: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise place.undecodable(error) from None
    except (ValueError, RecursionError) as error:
        raise place.fault((), f"isn't understood as TOML: {' '.join(str(error).split())}") from None
    if is_shared:
        if must_count and "msrefactor" not in text:
            raise place.fault((), "has no table [tool.msrefactor]")
        tools = table.get("tool", {})
        table = tools.get("msrefactor") if isinstance(tools, dict) else None
        if table is None and not must_count:
            return None
        place = replace(place, prefix=("tool", "msrefactor"))
        table = {} if table is None else table
    if not isinstance(table, dict):
        raise place.fault((), f"is {kind_of(table)}, and has to be a table")
    check_table(table, KEYS, place, (), transforms)
    return Configuration(file, folder, table)


def _matches(patterns: Sequence[str], folder: str, dockerfile: Path) -> bool:
    below = os.path.relpath(os.path.realpath(dockerfile.parent), folder)
    path = posixpath.normpath(posixpath.join(below, dockerfile.name))
    rules = path_rules(tuple(patterns))
    return rules is not None and not path.startswith("../") and rules.ignores(path)


def shown_path(path: Path | None) -> str:
    """Return a path as a reader here would write it."""
    if path is None:
        return ""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):  # the current folder was removed
        return str(path)
    return str(path) if relative.startswith(os.path.join("..", "..")) else relative  # noqa: PTH118
