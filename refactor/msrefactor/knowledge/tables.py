"""Read the tables beside this module."""

from collections.abc import Iterator
from importlib.resources import files


def lines(name: str, package: str = __package__) -> Iterator[str]:
    """Return the lines of a table, comments and empty lines left out."""
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    return (line for line in text.splitlines() if line and not line.startswith("#"))


def rows(name: str, package: str = __package__) -> Iterator[list[str]]:
    """Return the tab-separated cells of each line of a table."""
    return (line.split("\t") for line in lines(name, package))
