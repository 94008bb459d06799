"""What may stand in a configuration, and where in it a fault is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from msrefactor import __version__
from msrefactor.errors import BadConfiguration
from msrefactor.patterns import IgnoreRules, parse_ignore_file

RUNTIMES = ("smallest", "distroless", "slim")

_MAX_ATTEMPTS = 300
"""How often a part of the file is parsed to find the line of a fault; after that the line isn't told."""

_TRANSFORMS, _UNSAFE, _RUNTIME, _TEXTS, _VERSION, _IMAGES, _OVERRIDES = range(7)

OVERRIDDEN = {"select": _TRANSFORMS, "ignore": _TRANSFORMS, "unsafe": _UNSAFE, "runtime": _RUNTIME}

KEYS: Mapping[str, int] = {
    **OVERRIDDEN,
    "exclude": _TEXTS,
    "required-version": _VERSION,
    "base-images": _IMAGES,
    "overrides": _OVERRIDES,
}
OVERRIDE_KEYS: Mapping[str, int] = {"paths": _TEXTS, **OVERRIDDEN}


@dataclass(frozen=True, slots=True)
class Place:
    """A configuration's text, for telling where in it something stands."""

    name: str
    text: str
    prefix: tuple[str, ...] = ()

    def fault(self, path: tuple[str | int, ...], what: str, value: str = "") -> BadConfiguration:
        """Return the error about the value at a path of keys and indexes, or about a text in that value."""
        line, column = self._find((*self.prefix, *path), value)
        return BadConfiguration(f"{self.name}:{line}:{column}: {what}")

    def undecodable(self, error: Exception) -> BadConfiguration:
        """Return the error that the text is no TOML, with the place that the parser tells."""
        what, found, place = str(error).rpartition(" (at line ")
        line, _, column = place.removesuffix(")").partition(", column ")
        if not found or not (line.isdecimal() and column.isdecimal()):
            what = str(error).removesuffix(" (at end of document)")
            last = self.text.rstrip("\n").split("\n")
            line, column = str(len(last)), str(len(last[-1]) + 1)
        return BadConfiguration(f"{self.name}:{line}:{column}: isn't understood as TOML: {what}")

    def _find(self, path: tuple[str | int, ...], value: str) -> tuple[int, int]:
        """Return line and column: of the first statement after which the parser knows the path."""
        import tomllib

        lines = self.text.split("\n")
        word = path[-1] if path and isinstance(path[-1], str) else "[["
        attempts = 0
        for start in (number for number, line in enumerate(lines) if path and word in line):
            for end in range(start + 1, len(lines) + 1):
                attempts += 1
                if attempts > _MAX_ATTEMPTS:
                    return 1, 1
                try:
                    known: Any = tomllib.loads("\n".join(lines[:end]))
                except (ValueError, RecursionError):
                    continue
                if _has(known, path):
                    return self._column(lines, start, end, word, value)
                break
        return 1, 1

    def _column(self, lines: list[str], start: int, end: int, key: str, value: str) -> tuple[int, int]:
        for number in range(start, end) if value else ():
            for quote in "\"'":
                column = lines[number].find(f"{quote}{value}{quote}")
                if column >= 0:
                    return number + 1, column + 1
        return start + 1, max(lines[start].find(key), 0) + 1


def _has(known: Any, path: tuple[str | int, ...]) -> bool:
    for key in path:
        if isinstance(key, int):
            if not isinstance(known, list) or key >= len(known):
                return False
        elif not isinstance(known, dict) or key not in known:
            return False
        known = known[key]
    return True


def check_table(
    table: Mapping[str, Any],
    keys: Mapping[str, int],
    place: Place,
    path: tuple[str | int, ...],
    transforms: Sequence[str],
) -> None:
    """Raise BadConfiguration for the first key or value that isn't understood."""
    # The version first: what another version understands may be no key here.
    for key, value in sorted(table.items(), key=lambda item: item[0] != "required-version"):
        here = (*path, key)
        if key not in keys:
            raise place.fault(here, f"there is no key {key!r}; {suggestion(key, list(keys))}")
        kind = keys[key]
        if kind == _TRANSFORMS:
            _check_transforms(value, place, here, transforms)
        elif kind == _UNSAFE and not isinstance(value, bool):
            _check_transforms(value, place, here, transforms, otherwise="true, false or ")
        elif kind == _RUNTIME and value not in RUNTIMES:
            told = f"{key} is {shown_value(value)}; it has to be one of {', '.join(RUNTIMES)}"
            raise place.fault(here, told)
        elif kind == _TEXTS:
            _check_patterns(value, place, here)
        elif kind == _VERSION:
            fault = version_fault(value, __version__)
            if fault is not None:
                raise place.fault(here, fault)
        elif kind == _IMAGES:
            _check_images(value, place, here)
        elif kind == _OVERRIDES:
            if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
                raise place.fault(here, f"{key} is {kind_of(value)}; it has to be tables [[{key}]]")
            for number, override in enumerate(value):
                if "paths" not in override:
                    told = f"{key} has no `paths`; say with patterns which Dockerfiles it is for"
                    raise place.fault((*here, number), told)
                check_table(override, OVERRIDE_KEYS, place, (*here, number), transforms)


def _check_transforms(
    value: object,
    place: Place,
    path: tuple[str | int, ...],
    transforms: Sequence[str],
    *,
    otherwise: str = "",
) -> None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise place.fault(
            path, f"{path[-1]} is {kind_of(value)}; it has to be {otherwise}a list of transforms"
        )
    for name in value:
        if name not in transforms:
            told = f"there is no transform {name!r}; {suggestion(name, transforms)}"
            raise place.fault(path, told, name)


def _check_patterns(value: object, place: Place, path: tuple[str | int, ...]) -> None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise place.fault(path, f"{path[-1]} is {kind_of(value)}; it has to be a list of patterns")
    for pattern in value:
        if path_rules((pattern,)) is None:
            told = f"{pattern!r} is no pattern; patterns are written as in .gitignore"
            raise place.fault(path, told, pattern)


def _check_images(value: object, place: Place, path: tuple[str | int, ...]) -> None:
    if not isinstance(value, dict):
        told = f'{path[-1]} is {kind_of(value)}; it has to be a table: "registry.example/python" = "python"'
        raise place.fault(path, told)
    for mirror, official in value.items():
        here = (*path, mirror)
        if not isinstance(official, str):
            raise place.fault(here, f"{mirror} is {kind_of(official)}; it has to be the name of an image")
        if mirror.endswith("/") != official.endswith("/"):
            raise place.fault(here, "one side ends in a slash, and the other doesn't; both have to, or none")
        for name in (mirror, official):
            last = name.rstrip("/").rpartition("/")[2]
            if not name.strip("/") or any(char.isspace() for char in name):
                raise place.fault(here, f"{name!r} is no name of an image")
            if "@" in name or (":" in last and not name.endswith("/")):
                raise place.fault(here, f"{name!r} has a tag; it has to be a name that all tags share")


def version_fault(required: object, version: str) -> str | None:
    """Return why this version isn't the required one; None if it is.

    The requirement is `1.2` (any 1.2.x), or a list of comparisons such as `>=1.2,<2`.
    """
    if not isinstance(required, str):
        return f"required-version is {kind_of(required)}; it has to be a text such as '>=1.2,<2'"
    have = _numbers(version) or ()
    for part in required.split(","):
        text = part.strip()
        operator = text[: len(text) - len(text.lstrip("<>=!~"))]
        want = _numbers(text[len(operator) :].strip())
        if want is None or operator not in ("", "==", "!=", ">=", "<=", ">", "<"):
            return f"required-version {required!r} isn't understood; write 1.2, or comparisons: >=1.2,<2"
        is_met = {
            "": have[: len(want)] == want,
            "==": _filled(have) == _filled(want),
            "!=": _filled(have) != _filled(want),
            ">=": _filled(have) >= _filled(want),
            "<=": _filled(have) <= _filled(want),
            ">": _filled(have) > _filled(want),
            "<": _filled(have) < _filled(want),
        }[operator]
        if not is_met:
            return f"version {required} is required, and this is {version}; install the required one"
    return None


def _numbers(version: str) -> tuple[int, ...] | None:
    parts = version.split(".")
    return tuple(map(int, parts)) if all(p.isascii() and p.isdecimal() for p in parts) else None


def _filled(version: tuple[int, ...]) -> tuple[int, ...]:
    return (*version, 0, 0, 0, 0)[:4]


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return `did you mean 'x'?`, or all that could have been meant."""
    import difflib

    close = difflib.get_close_matches(name.replace("_", "-").lower(), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known)}"


@lru_cache(maxsize=64)
def path_rules(patterns: tuple[str, ...]) -> IgnoreRules | None:
    """Return the rules of patterns written as in .gitignore; None if one of them is no pattern.

    A name without a slash is meant at any depth, a slash at the end means folders. They are matched by the
    code for .dockerignore, whose time can't explode.
    """
    lines = []
    for pattern in patterns:
        mark, name = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
        if not name.strip("/") or name != name.strip() or name.startswith("#") or "\n" in name:
            return None
        is_anywhere = "/" not in name.rstrip("/")
        name = f"{name.rstrip('/')}/**" if name.endswith("/") else name
        lines.append(f"{mark}{'**/' if is_anywhere else ''}{name}")
    return parse_ignore_file("\n".join(lines))


def shown_value(value: object) -> str:
    """Write a value as TOML does."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(shown_value(item) for item in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def kind_of(value: object) -> str:
    """Say what a value is, in words."""
    names = {
        str: "a text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a table",
    }
    name = names.get(type(value), "a date or time")
    return f"{name} of other things" if isinstance(value, list) else name
