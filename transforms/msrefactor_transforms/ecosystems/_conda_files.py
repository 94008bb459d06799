"""What conda's files ask for: environment.yml, lists of specs, lock files."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass
from typing import Any

from msrefactor.facts import Scope
from msrefactor.manifests import yaml_value
from msrefactor.model import Evidence


@dataclass(frozen=True, slots=True)
class Environment:
    """What a file says of an environment."""

    name: str = ""
    prefix: str = ""
    names: tuple[tuple[str, Evidence], ...] = ()
    """Packages of conda."""
    pip: tuple[str, ...] = ()
    """The words behind `pip install`; paths are from the file's folder."""
    is_readable: bool = True


UNREADABLE = Environment(is_readable=False)


def package_of(spec: str) -> str:
    """Return the package of a spec: `numpy` of `conda-forge::numpy[version='>=1.2']`."""
    return re.split(r"[\[<>=!~ ]", spec.strip().rpartition("::")[2], maxsplit=1)[0].lower()


def environment_in(scope: Scope, path: str) -> Environment:
    """Return what a file of the image asks for, by its kind."""
    text = scope.read(path)
    if text is None:
        return UNREADABLE
    source = scope.origin(path) or path
    if path.endswith((".yml", ".yaml")):
        return _of_yaml(text, source)
    return _of_list(text, source)


def _of_list(text: str, source: str) -> Environment:
    """Return the packages of a list of specs, or of addresses of packages behind `@EXPLICIT`."""
    found: list[tuple[str, Evidence]] = []
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.partition("#")[0].strip()
        if not plain or plain.startswith("@"):
            continue
        # numpy-1.26.4-py311h64a7726_0.conda
        name = posixpath.basename(plain).rsplit("-", 2)[0] if "://" in plain else package_of(plain)
        found.append((name, Evidence(source, number, plain[:120])))
    return Environment(names=tuple(found))


def _of_yaml(text: str, source: str) -> Environment:
    data = yaml_value(text)
    if not isinstance(data, dict):
        return UNREADABLE
    if isinstance(data.get("package"), list):
        return _of_lock(data["package"], source)
    listed = data.get("dependencies")
    names: list[tuple[str, Evidence]] = []
    pip: list[str] = []
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, str):
            names.append((package_of(entry), Evidence(source, _line_of(text, entry), entry)))
        elif isinstance(entry, dict) and isinstance(entry.get("pip"), list):
            pip.extend(_words_of(entry["pip"]))
    return Environment(_text(data.get("name")), _text(data.get("prefix")), tuple(names), tuple(pip))


def _text(value: object) -> str:
    return str(value) if isinstance(value, (str, int, float)) else ""


def _line_of(text: str, entry: str) -> int | None:
    return next((n for n, line in enumerate(text.splitlines(), 1) if entry in line), None)


def _words_of(entries: list[Any]) -> list[str]:
    """Return the words of the lines of a pip section, each of which is a line of a requirements file."""
    found: list[str] = []
    for entry in entries:
        if not isinstance(entry, str):
            continue
        try:
            found.extend(shlex.split(entry) if entry.startswith("-") else [entry.partition(" #")[0].strip()])
        except ValueError:
            found.append(entry)
    return found


def _of_lock(packages: list[Any], source: str) -> Environment:
    """Return what a conda-lock.yml holds: packages of conda and of pip, all of them."""
    names: list[tuple[str, Evidence]] = []
    pip: list[str] = []
    for entry in packages:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            continue
        if entry.get("manager") == "pip":
            pip.append(name)
        else:
            names.append((name.lower(), Evidence(source, None, name)))
    return Environment(names=tuple(names), pip=tuple(pip))
