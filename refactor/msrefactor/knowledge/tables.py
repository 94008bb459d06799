"""Read the tables beside this module."""

from collections.abc import Iterator


def text_of(name: str, package: str = __package__) -> str:
    """Return the text of a table."""
    from importlib.resources import files

    return files(package).joinpath(name).read_text(encoding="utf-8")


def lines(name: str, package: str = __package__) -> Iterator[str]:
    """Return the lines of a table, comments and empty lines left out."""
    return (line for line in text_of(name, package).splitlines() if line and not line.startswith("#"))


def rows(name: str, package: str = __package__) -> Iterator[list[str]]:
    """Return the tab-separated cells of each line of a table."""
    return (line.split("\t") for line in lines(name, package))
