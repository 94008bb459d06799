"""Compose files as written: services with their build, what they extend, and the line of everything.

YAML is composed into nodes, never constructed into objects: nodes know their lines, an alias is the same
node again (so an alias bomb costs nothing), and no tag means anything. Nothing here opens a file; the caller
gives the text of the files of the project, by their path from its root.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeGuard

    from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_BYTES = 1_000_000
"""Size of a YAML file that is read with libyaml; without it a fifth, for it is that much slower."""
_MAX_DEPTH = 20
_MAX_ITEMS = 10_000
_NULL = "tag:yaml.org,2002:null"
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
_SECRET_WORDS = frozenset(
    {"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"}
)
_NOT_SECRET_WORDS = frozenset({"public", "file", "version"})


@lru_cache(maxsize=64)
def documents(text: str) -> tuple[Node, ...]:
    """Return the root nodes of all documents of a YAML text; () if it isn't YAML, or is too large."""
    import yaml

    fast = getattr(yaml, "CSafeLoader", None)
    if len(text) > (MAX_BYTES if fast is not None else MAX_BYTES // 5) or "\0" in text:
        return ()
    text = text.encode("utf-8", "replace").decode()
    try:
        return tuple(node for node in yaml.compose_all(text, fast or yaml.SafeLoader) if node is not None)
    except (yaml.YAMLError, RecursionError, ValueError):
        return ()


def line(node: Node) -> int:
    """Return the 1-based line on which the node begins."""
    return int(node.start_mark.line) + 1


def is_mapping(node: Node | None) -> TypeGuard[MappingNode]:
    """Tell whether the node is a mapping."""
    return getattr(node, "id", None) == "mapping"


def is_list(node: Node | None) -> TypeGuard[SequenceNode]:
    """Tell whether the node is a list."""
    return getattr(node, "id", None) == "sequence"


def _is_scalar(node: Node | None) -> TypeGuard[ScalarNode]:
    return getattr(node, "id", None) == "scalar"


def scalar(node: Node | None) -> str | None:
    """Return a scalar's text as written, whatever its type; None for null, lists and mappings."""
    return str(node.value) if _is_scalar(node) and node.tag != _NULL else None


def is_null(node: Node | None) -> bool:
    """Tell whether the node is there and says null (or nothing)."""
    return _is_scalar(node) and node.tag == _NULL


def items(node: Node | None) -> tuple[Node, ...]:
    """Return the elements of a list; () for anything else."""
    return tuple(node.value[:_MAX_ITEMS]) if is_list(node) else ()


def pairs(node: Node | None) -> Iterator[tuple[str, Node, Node]]:
    """Yield key, key node and value of a mapping, merge keys resolved; the first of equal keys wins."""
    seen: set[str] = set()
    for key, value in _all_pairs(node):
        name = scalar(key)
        if name is not None and name not in seen and len(seen) < _MAX_ITEMS:
            seen.add(name)
            yield name, key, value


def get(node: Node | None, name: str) -> Node | None:
    """Return the value of a key of a mapping; None if there is no such key, or no mapping."""
    return next((value for key, _, value in pairs(node) if key == name), None)


def path(node: Node | None, *names: str) -> Node | None:
    """Return the value that a chain of keys leads to."""
    for name in names:
        node = get(node, name)
    return node


def _all_pairs(node: Node | None) -> Iterator[tuple[Node, Node]]:
    """Yield a mapping's own pairs, then those merged into it; a mapping met again has nothing new to say."""
    visited: set[int] = set()
    pending: list[Node | None] = [node]
    while pending:
        current = pending.pop()
        if not is_mapping(current) or id(current) in visited or len(visited) > _MAX_DEPTH:
            continue
        visited.add(id(current))
        merged: list[Node] = []
        for key, value in current.value[:_MAX_ITEMS]:
            if _is_scalar(key) and key.value == "<<":
                merged.extend(items(value) or (value,))
            else:
                yield key, value
        pending.extend(reversed(merged))


def interpolated(text: str, variables: Mapping[str, str] = _NO_VARIABLES) -> str:
    """Return the text with variables replaced by their values or `${NAME:-default}`, and `$$` by `$`.

    A variable with neither stays as it is written: its value is the user's environment's.
    """
    result = []
    position = 0
    while position < len(text):
        if text.startswith("$$", position):
            result.append("$")
            position += 2
        elif text.startswith("${", position) and (end := _closing(text, position + 2)) is not None:
            value = _value(text[position + 2 : end], variables)
            result.append(text[position : end + 1] if value is None else value)
            position = end + 1
        elif text[position] == "$":
            end = _name_end(text, position + 1)
            result.append(variables.get(text[position + 1 : end], text[position:end]))
            position = end
        else:
            result.append(text[position])
            position += 1
    return "".join(result)


def _closing(text: str, position: int) -> int | None:
    depth = 0
    for index in range(position, min(len(text), position + 1000)):
        if text.startswith("${", index):
            depth += 1
        elif text[index] == "}":
            if not depth:
                return index
            depth -= 1
    return None


def _value(expression: str, variables: Mapping[str, str]) -> str | None:
    """Return what stands for the inside of `${…}`; None if nobody knows."""
    end = _name_end(expression, 0)
    name, operator = expression[:end], expression[end:]
    value = variables.get(name)
    is_set = bool(value) if operator.startswith(":") else value is not None
    operator = operator.removeprefix(":")
    if operator.startswith("+"):
        return interpolated(operator[1:], variables) if is_set else None
    if is_set:
        return value
    return interpolated(operator[1:], variables) if operator.startswith("-") else None


def _name_end(text: str, position: int) -> int:
    while position < len(text) and (text[position].isalnum() or text[position] == "_"):
        position += 1
    return position


def is_secret(name: str, value: str) -> bool:
    """Tell whether a variable holds a secret: by BuildKit's list of words, or as a URL with a password."""
    words = set(name.lower().replace("-", "_").split("_"))
    if words & _SECRET_WORDS and not words & _NOT_SECRET_WORDS:
        return True
    return "@" in value.partition("://")[2].partition("/")[0]


def _variables(folder: str, read: Callable[[str], str | None]) -> Mapping[str, str]:
    """Return what the .env file beside a compose file sets, but for secrets."""
    found: dict[str, str] = {}
    for text in (read(posixpath.join(folder, ".env")) or "").splitlines()[:_MAX_ITEMS]:
        name, equals, value = text.strip().removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name.isidentifier():
            continue
        quote = value[:1]
        if quote in {"'", '"'} and value.find(quote, 1) > 0:
            value = value[1 : value.find(quote, 1)]
        else:
            value = value.partition(" #")[0].rstrip()
        if quote != "'":
            value = interpolated(value, found)
        if "$" not in value and not is_secret(name, value):
            found[name] = value
    return found


@dataclass(frozen=True, slots=True)
class Layer:
    """One mapping that a service is made of, and the file it stands in (path from the project's root)."""

    node: Node
    file: str


@dataclass(frozen=True, slots=True)
class Build:
    """A service's `build`; paths are from the project's root."""

    context: str | None
    """None: remote, outside the project, or not known."""
    dockerfile: str | None
    """None: inline, remote, outside the project, or not known."""
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a compose file, with what it extends."""

    name: str
    file: str
    layers: tuple[Layer, ...]
    """Its own mapping first, then what it extends."""
    build: Build | None
    image: str | None
    """With known variables filled in, as written otherwise."""
    variables: Mapping[str, str]
    """What the .env file beside the compose file sets, but for secrets; they are for places and names."""

    def get(self, *names: str) -> tuple[Node, str] | None:
        """Return the value of a key (or chain of keys) and its file, from the first layer that has it."""
        for layer in self.layers:
            node = path(layer.node, *names)
            if node is not None and not is_null(node):
                return node, layer.file
        return None

    def all(self, *names: str) -> tuple[tuple[Node, str], ...]:
        """Return the key's value in every layer that has it, with its file."""
        found = ((path(layer.node, *names), layer.file) for layer in self.layers)
        return tuple((node, file) for node, file in found if node is not None)


def is_compose_name(name: str) -> bool:
    """Tell whether a file of this name is a compose file, `docker-compose.prod.yml` for example."""
    stem, dot, ending = name.lower().rpartition(".")
    if not dot or ending not in {"yml", "yaml"}:
        return False
    stem = stem.removeprefix("docker-")
    return stem.startswith("compose") and not stem.removeprefix("compose")[:1].isalnum()


def services(file: str, read: Callable[[str], str | None]) -> tuple[Service, ...]:
    """Return the services of a compose file, named by its path from the project's root."""
    found = []
    roots = _roots(file, read)
    variables = _variables(posixpath.dirname(file), read) if roots else _NO_VARIABLES
    for root in roots:
        for name, _, node in pairs(get(root, "services")):
            if not is_mapping(node):
                continue
            layers = _layers(Layer(node, file), name, read, variables)
            image = next((text for text in (scalar(get(x.node, "image")) for x in layers) if text), None)
            image = None if image is None else interpolated(image, variables)
            found.append(Service(name, file, layers, _build(layers, variables), image, variables))
    return tuple(found)


def _roots(file: str, read: Callable[[str], str | None]) -> tuple[Node, ...]:
    text = read(file)
    return () if text is None else documents(text)


def _layers(
    own: Layer, name: str, read: Callable[[str], str | None], variables: Mapping[str, str]
) -> tuple[Layer, ...]:
    layers = [own]
    visited = {(own.file, name)}
    while len(layers) < _MAX_DEPTH:
        extends = get(layers[-1].node, "extends")
        if extends is None:
            break
        file = layers[-1].file
        base = scalar(extends) or scalar(get(extends, "service"))
        other = scalar(get(extends, "file"))
        if other is not None:
            joined = inside(posixpath.dirname(file), interpolated(other, variables))
            if joined is None:
                break
            file = joined
        if base is None or (file, base) in visited:
            break
        visited.add((file, base))
        nodes = [node for node in (path(root, "services", base) for root in _roots(file, read)) if node]
        if not nodes or not is_mapping(nodes[0]):
            break
        layers.append(Layer(nodes[0], file))
    return tuple(layers)


def _build(layers: tuple[Layer, ...], variables: Mapping[str, str]) -> Build | None:
    """Return the build of the first layer that has one, with what the layers below it add."""
    values = [(get(layer.node, "build"), layer.file) for layer in layers]
    builds = [(node, file) for node, file in values if node is not None and not is_null(node)]
    if not builds:
        return None
    first, file = builds[0]
    context, context_file = _first(builds, ("context", ""))
    dockerfile, _ = _first(builds, ("dockerfile",))
    context = None if context is None else interpolated(context, variables)
    dockerfile = "Dockerfile" if not dockerfile else interpolated(dockerfile, variables)
    folder = posixpath.dirname(context_file or file)
    root = None if context is not None and is_remote(context) else inside(folder, context or ".")
    name = None
    if root is not None and not any(get(node, "dockerfile_inline") for node, _ in builds):
        name = inside(root, dockerfile)
    return Build(root, name, file, line(first))


def _first(builds: list[tuple[Node, str]], names: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return the first text under one of the names, and its file; "" is the value itself."""
    for node, file in builds:
        for name in names:
            text = scalar(get(node, name) if name else node)
            if text is not None:
                return text, file
    return None, None


def is_remote(source: str) -> bool:
    """Tell whether a build context or a source is not a folder here: a URL or a git repository."""
    return "://" in source or source.startswith(("git@", "github.com/"))


def inside(folder: str, relative: str) -> str | None:
    """Return the path from the project's root that a relative path means; None if it leaves the project.

    The root itself is "". Absolute paths, home folders and unknown variables are never inside.
    """
    if relative.startswith(("/", "~")) or "$" in relative or "\\" in relative:
        return None
    joined = posixpath.normpath(posixpath.join(folder, relative))
    if joined == ".." or joined.startswith("../"):
        return None
    return "" if joined == "." else joined
