"""PHP's extensions: which headers building one needs, and so with which libraries it is linked.

Table: php_extensions.tsv.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache

from msrefactor.knowledge.tables import rows

_BY_OPTION = {
    "jpeg": "libjpeg-dev",
    "freetype": "libfreetype6-dev",
    "webp": "libwebp-dev",
    "xpm": "libxpm-dev",
    "avif": "libavif-dev",
}
"""Options of `docker-php-ext-configure gd`, which link it with more."""

_SAME = (
    {"libjpeg-dev", "libjpeg62-turbo-dev", "libjpeg62-dev", "libjpeg8-dev", "libjpeg-turbo-dev"},
    {"libfreetype6-dev", "libfreetype-dev", "freetype-dev"},
    {"libpng-dev", "libpng12-dev", "libpng16-dev"},
    {"libldap2-dev", "libldap-dev"},
    {"libxslt1-dev", "libxslt-dev"},
    {"libwebp-dev", "libwebp6-dev"},
    {"libpq-dev", "postgresql-dev", "postgresql-server-dev-all"},
    {"libc-client-dev", "libc-client2007e-dev"},
    {"libenchant-2-dev", "libenchant-dev"},
    {"libgpgme-dev", "libgpgme11-dev"},
)
"""Names of packages that hold the same headers."""


def is_listed(header: str, listed: Collection[str]) -> bool:
    """Whether a package with headers is among those that are installed, under any of its names."""
    return header in listed or any(header in names and names & set(listed) for names in _SAME)


def headers_of(extension: str, system: str) -> tuple[str, ...] | None:
    """Return the packages with headers that an extension is built with; None: it isn't known."""
    row = _table().get(extension.lower())
    if row is None:
        return None
    return row[1] if system == "alpine" else row[0]


def headers_by_options(options: Sequence[str]) -> tuple[str, ...]:
    """Return the headers that options of `docker-php-ext-configure` ask for, by Debian's package names."""
    found = []
    for option in options:
        name = option.partition("=")[0].removeprefix("--with-").removeprefix("--enable-").removesuffix("-dir")
        if name in _BY_OPTION and option.startswith(("--with-", "--enable-")):
            found.append(_BY_OPTION[name])
    return tuple(found)


@cache
def _table() -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    found = {}
    for cells in rows("php_extensions.tsv", __package__):
        name, debian, alpine = (*cells, "", "", "")[:3]
        found[name] = (tuple(debian.split()), tuple(alpine.split()))
    return found
