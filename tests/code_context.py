"""A build context that is a mapping, for tests of what reads source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from msrefactor.code.needs import CodeNeeds


@dataclass(frozen=True)
class Files:
    """Answers as a build context does."""

    texts: Mapping[str, str]

    def is_file(self, path: str) -> bool:
        return path in self.texts

    def is_dir(self, path: str) -> bool:
        return any(name.startswith(path.rstrip("/") + "/") for name in self.texts)

    def read_text(self, path: str) -> str | None:
        return self.texts.get(path)

    def files(self, prefix: str = "") -> tuple[str, ...]:
        return tuple(
            sorted(name for name in self.texts if not prefix or name.startswith(prefix.rstrip("/") + "/"))
        )


def names(needs: CodeNeeds, what: str) -> set[str]:
    """Return the names of one kind without their places."""
    return {name for name, _ in getattr(needs, what)}


def lines(needs: CodeNeeds, what: str) -> list[int | None]:
    """Return the lines of the unknown places of one kind."""
    return sorted((place.line or 0) for place in getattr(needs, what))


def is_empty(needs: CodeNeeds | None) -> bool:
    """Whether nothing but imports was found."""
    return needs is not None and not any(
        getattr(needs, one.name) for one in fields(needs) if one.name != "imports"
    )
