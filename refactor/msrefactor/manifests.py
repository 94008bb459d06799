"""JSON, TOML, YAML and XML of strangers, read as data; what can't be read, or would not end, is None.

None of the formats may run, fetch or include anything, nor grow: no tags and no entities mean anything,
aliases and merge keys are counted before they are followed, and what is nested deeper than any real file
is not taken, so that no reader has to fear for its stack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from yaml.nodes import Node

MAX_DEPTH = 100
"""Levels of lists, tables and elements."""
MAX_NODES = 500_000
"""Values of a YAML document, an alias counted as all that it stands for."""


def json_value(text: str) -> Any:
    """Return what a JSON text says; None if it isn't one."""
    import json

    try:
        value = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return value if _is_shallow((value,)) else None


def toml_table(text: str) -> dict[str, Any] | None:
    """Return the table of a TOML text; None if it isn't one."""
    import tomllib

    if has_deep_key(text):
        return None
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):
        return None
    return table if _is_shallow((table,)) else None


def has_deep_key(text: str) -> bool:
    """Tell whether a TOML text has a key of so many parts that the parser would take minutes for it."""
    return any(
        line.count(".") > MAX_DEPTH and sum(map(bool, line.partition("=")[0].split("."))) > MAX_DEPTH
        for line in text.split("\n")
    )


def yaml_value(text: str) -> Any:
    """Return what the only document of a YAML text says; None if it isn't one, or says nothing."""
    import yaml

    from msrefactor.compose import documents

    roots = documents(text)
    if len(roots) != 1 or _size(roots[0], {}, 0) > MAX_NODES:
        return None
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(roots[0])
    except (yaml.YAMLError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        # `2001-99-99` and `!!int ''` fail in the constructor's own code
        return None
    finally:
        loader.dispose()


def xml_root(text: str) -> Element | None:
    """Return the root of an XML text; None if it isn't one, or declares a document type or entities."""
    from xml.etree import ElementTree

    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        root = ElementTree.fromstring(text.lstrip("\ufeff").strip())  # noqa: S314 - no entities, and size-capped
    except (ElementTree.ParseError, ValueError):
        return None
    return root if _is_shallow((root,)) else None


def _is_shallow(level: Iterable[object]) -> bool:
    """Tell whether a value, or an element, has no more than so many levels."""
    for _ in range(MAX_DEPTH):
        level = [below for value in level for below in _below(value)]
        if not level:
            return True
    return False


def _below(value: Any) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list) or hasattr(value, "tag"):
        yield from value


def _size(node: Node, known: dict[int, int], depth: int) -> int:
    """Return how many values a node stands for; too many for a node in itself, and for one too deep."""
    if depth > MAX_DEPTH:
        return MAX_NODES + 1
    if isinstance(node.value, str):
        return 1
    if id(node) not in known:
        known[id(node)] = MAX_NODES + 1  # until it is known: for what holds itself
        children = (child for item in node.value for child in (item if isinstance(item, tuple) else (item,)))
        total = 1
        for child in children:
            total += _size(child, known, depth + 1)
            if total > MAX_NODES:
                break
        known[id(node)] = total
    return known[id(node)]
