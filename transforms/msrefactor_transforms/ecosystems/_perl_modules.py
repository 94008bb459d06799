"""Which modules a Perl project asks for, and which libraries of the system they load.

Sources: metacpan.org App::cpanminus and Module::CPANfile, ExtUtils::MakeMaker (PREREQ_PM), Module::Install;
for the libraries knowledge/perl_modules.tsv.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from functools import cache

from msrefactor.facts import Scope
from msrefactor.knowledge.tables import rows

_PLAIN = frozenset(
    "Data::Dumper Getopt::Long Test::More Time::HiRes List::Util LWP LWP::UserAgent LWP::Simple "
    "HTTP::Request HTTP::Request::Common HTTP::Response HTTP::Status HTTP::Headers HTTP::Server::Simple "
    "Mojo Mojo::Base Mojolicious::Lite Plack::Builder Plack::Request Plack::Runner YAML::XS DBD::SQLite "
    "Starman Starlet Gazelle Twiggy Kelp Amon2 App::cpm App::cpanminus Carton CPAN POSIX Carp Encode "
    "Storable Scalar::Util File::Basename File::Spec Digest::MD5 MIME::Base64 Socket Sys::Hostname "
    "Time::Local Time::Piece strict warnings utf8 constant parent base lib feature Kossy Proclet "
    "Plack::Builder::Conditionals JSON::Validator Mojolicious::Plugin::OpenAPI "
    "Mojolicious::Plugin::SwaggerUI".split()
)
"""Modules without a library of the system that Debian has no package of their name for: parts of other
distributions and of Perl itself, installers and servers, and some whose manifests name only such modules;
DBD::SQLite and YAML::XS bring their library."""
_FAMILIES = ("Test::", "MooX::", "MooseX::", "Types::", "Log::Any", "Module::")
"""How the names of families begin that have none either."""
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "Catalyst::Runtime": ("libssl-dev",),
    "GDBM_File": ("libgdbm-dev",),
    "LWP::Protocol::https": ("libssl-dev",),
    "Net::SSLeay": ("libssl-dev",),
}
"""Modules that Debian has under another name, and parts of Perl that the slim image is built without."""


def asked_for(names: Sequence[str], scope: Scope, cpanfile: str | None = None) -> tuple[str, ...] | None:
    """Return the modules that an installer is given; those of the project where a folder is named.

    None: they aren't known.
    """
    found: list[str] = []
    for name in names or ["."]:
        if "://" in name or name.endswith((".tar.gz", ".git")):
            return None
        if name.startswith((".", "/")):
            listed = _of_project(scope.path(name), scope, cpanfile)
            if listed is None:
                return None
            found.extend(listed)
        else:
            found.append(re.split(r"[@~]", name)[0])
    return tuple(name for name in dict.fromkeys(found) if name != "perl")


def _of_project(folder: str, scope: Scope, cpanfile: str | None) -> list[str] | None:
    """Return the modules that a project asks for: cpanm reads Makefile.PL only where there is no cpanfile."""
    text = scope.read(scope.path(cpanfile) if cpanfile else posixpath.join(folder, "cpanfile"))
    if text is not None:
        return re.findall(r"\brequires\s*\(?\s*[\"']([\w:]+)[\"']", _without_comments(text))
    text = None if cpanfile else scope.read(posixpath.join(folder, "Makefile.PL"))
    if text is None:
        return None
    plain = _without_comments(text)
    if re.search(r"\buse\s+inc::Module::Install\b", plain):
        return re.findall(r"(?m)^\s*requires\s*\(?\s*[\"']?([\w:]+)[\"']?", plain)
    blocks = re.findall(r"\bPREREQ_PM\b[\"']?\s*=>\s*\{([^{}]*)\}", plain)
    if len(blocks) != 1 or len(re.findall(r"\bPREREQ_PM\b", plain)) != 1 or re.search(r"[%@$]", blocks[0]):
        return None
    return re.findall(r"([\w:]+)[\"']?\s*=>", blocks[0])


def _without_comments(text: str) -> str:
    return re.sub(r"(?m)(^|\s)#.*$", "", text)


def headers_of(module: str) -> tuple[str, ...] | None:
    """Return the Debian packages that a module, with all it needs, is compiled against; None: not known."""
    if module in _PLAIN:
        return ()
    known = _NEEDED.get(module) or _table().get(module.replace("::", "-").replace("_", "-").lower())
    return () if known is None and module.startswith(_FAMILIES) else known


@cache
def _table() -> Mapping[str, tuple[str, ...]]:
    return {
        name: () if headers == "-" else tuple(headers.split())
        for headers, names in rows("perl_modules.tsv", "msrefactor_transforms.knowledge")
        for name in names.split()
    }
