"""What serve, http-server and vite's preview are told by their command lines and their files.

Options: serve 14 (`source/utilities/cli.ts`), http-server 14.1 (`bin/http-server`, read by minimist),
vite 5 and 6 (`packages/vite/src/node/cli.ts`).
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msrefactor.commands import PackageCall
from msrefactor.facts import StageFacts, is_under
from msrefactor.manifests import json_value
from msrefactor.model import Refused
from msrefactor_transforms.ecosystems._node_projects import package_at
from msrefactor_transforms.ecosystems._static_docusaurus import docusaurus
from msrefactor_transforms.ecosystems._static_preview import preview
from msrefactor_transforms.ecosystems._static_site import Answers, StaticServer
from msrefactor_transforms.ecosystems._static_starts import Launch

_EVERYWHERE = "*"
_ADDRESSES = frozenset({"::", "0.0.0.0"})  # noqa: S104 - the old servers' own
_PACKAGES = {"serve": "serve", "http-server": "http-server", "hs": "http-server", "vite": "vite"}
_FIRST_MEASURED = {"serve": 10, "http-server": 0, "vite": 3}
"""The first major version that answers as described here."""


def server_of(
    facts: StageFacts, environment: Mapping[str, str], launch: Launch
) -> StaticServer | Refused | None:
    """Return the static server that a command line starts; None: it starts something else."""
    word = posixpath.basename(launch.words[0]) if not launch.words[0].startswith("@") else launch.words[0]
    name, _, version = word.partition("@")
    if launch.words == ("nginx", "-g", "daemon off;"):
        return _by_hand(facts, launch)
    if name == "docusaurus" and launch.words[1:2] == ("serve",):
        return docusaurus(facts, launch)
    if name not in _PACKAGES or (name == "vite" and launch.words[1:2] != ("preview",)):
        return None
    settings = {**environment, **launch.environment}
    old = _too_old(facts, launch, _PACKAGES[name], version)
    if old is not None:
        return old
    if name == "serve":
        return _serve(facts, settings, launch)
    if name == "vite":
        return preview(facts, launch)
    return _http_server(facts, settings, launch)


def _too_old(facts: StageFacts, launch: Launch, name: str, version: str) -> Refused | None:
    major = _major(version) if version else _version(facts, launch, name)
    if major is not None and major < _FIRST_MEASURED[name]:
        return _refused(launch, f"{name} {major} answers in other ways than later versions")
    return None


def _major(version: str) -> int | None:
    major = version.lstrip("^~>=v ").partition(".")[0]
    return int(major) if major.isascii() and major.isdigit() else None


def _version(facts: StageFacts, launch: Launch, name: str) -> int | None:
    """Return the major version of a package, where the command, an installation or package.json says it."""
    word = posixpath.basename(launch.words[0])
    if word.startswith(f"{name}@"):
        return _major(word.partition("@")[2])
    for fact in facts.runs():
        script = fact.script
        for item in script.items if script is not None else ():
            for command in item.commands:
                for argument in command.arguments:
                    if (argument.literal or "").startswith(f"{name}@"):
                        return _major((argument.literal or "").partition("@")[2])
    package = package_at(launch.cwd, facts.end)
    if package is None:
        return None
    return _major({**package.dev_dependencies, **package.dependencies}.get(name, ""))


def _refused(launch: Launch, detail: str, remedy: str = "") -> Refused:
    return Refused("need-not-found", detail, (launch.evidence,), remedy)


@dataclass(slots=True)
class _Options:
    """Options and operands of a command line."""

    values: dict[str, list[str]] = field(default_factory=dict)
    operands: list[str] = field(default_factory=list)
    unknown: str = ""

    def last(self, *names: str) -> str | None:
        found = [value for name in names for value in self.values.get(name, ())]
        return found[-1] if found else None

    def has(self, *names: str) -> bool:
        return any(name in self.values for name in names)


@dataclass(frozen=True, slots=True)
class _Port:
    number: int
    variable: str = ""


def _port(
    facts: StageFacts, launch: Launch, text: str, environment: Mapping[str, str], usual: int
) -> _Port | None:
    """Return a port by its number, or by the variable that has it at the start (`$PORT`, `${PORT:-80}`).

    Without the variable the old server didn't start at all, and any default will do.
    """
    if text.isascii() and text.isdigit():
        return _Port(int(text)) if 0 < int(text) < 65536 else None
    inner = text.strip('"')
    if not launch.from_shell or not inner.startswith("$"):
        return None
    name, dash, default = inner[1:].strip("{}").partition("-")
    name = name.removesuffix(":")
    default = environment.get(name, default if dash else _exposed_port(facts) or str(usual))
    is_name = name.isascii() and name.isidentifier() and name == name.upper()
    # envsubst would fill in a variable of nginx's own, all of which have small letters
    if not is_name or not default.isdigit() or not 0 < int(default) < 65536:
        return None
    return _Port(int(default), name)


def _exposed_port(facts: StageFacts) -> str:
    """Return the one port that the file exposes, "" where it exposes none or several."""
    words = [word.text for fact in facts.facts if fact.keyword == "EXPOSE" for word in fact.instruction.words]
    return words[0].partition("/")[0] if len(words) == 1 else ""


def _read_from_environment(
    facts: StageFacts, launch: Launch, environment: Mapping[str, str], default: int
) -> _Port | None:
    """Return the port that the server takes from PORT, which the caller may set."""
    if "PORT" in launch.environment:
        return _port(facts, launch, launch.environment["PORT"], environment, default)
    value = environment.get("PORT", "") or str(default)
    return _Port(int(value), "PORT") if value.isdigit() and 0 < int(value) < 65536 else None


def _by_hand(facts: StageFacts, launch: Launch) -> StaticServer | None:
    """Return Debian's own nginx, where nobody told it anything: it hands out /var/www/html on port 80."""
    installed = any(
        isinstance(effect.detail, PackageCall)
        and effect.detail.action == "install"
        and "nginx" in effect.detail.names
        for _, effect in facts.effects()
    )
    touched = [path for _, effect in facts.effects() for path in (*effect.writes, *effect.removes)]
    touched.extend(placed.destination for fact in facts.facts for placed in fact.placed)
    touched.extend(fact.destination for fact in facts.facts if fact.destination is not None)
    if facts.base.system != "debian" or not installed or any(is_under(path, "/etc") for path in touched):
        return None
    return StaticServer("nginx", "/var/www/html", 80, Answers.FILES, launch.evidence, address=_EVERYWHERE)


# ---------------------------------------------------------------------------------------------------- serve

_SERVE_FLAGS = {
    "-s": "--single", "-d": "--debug", "-n": "--no-clipboard", "-u": "--no-compression", "-S": "--symlinks",
    "-C": "--cors", "-L": "--no-request-logging",
}  # fmt: skip
_SERVE_PLAIN = frozenset({*_SERVE_FLAGS.values(), "--no-etag", "--no-port-switching"})
_SERVE_VALUED = {"-l": "--listen", "-p": "--listen", "--port": "--listen", "-c": "--config"}
_CORS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Headers", "*"),
    ("Access-Control-Allow-Credentials", "true"),
    ("Access-Control-Allow-Private-Network", "true"),
)


def _serve_options(words: Sequence[str]) -> _Options:
    found = _Options()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        valued = _SERVE_VALUED.get(name, name)
        if valued in ("--listen", "--config"):
            if not equals and not rest:
                found.unknown = word
                break
            found.values.setdefault(valued, []).append(value if equals else rest.pop(0))
        elif word.startswith("--"):
            if word not in _SERVE_PLAIN:
                found.unknown = found.unknown or word
            found.values.setdefault(word, []).append("")
        elif word.startswith("-") and len(word) > 1:
            for letter in word[1:]:
                flag = _SERVE_FLAGS.get(f"-{letter}")
                if flag is None:
                    found.unknown = found.unknown or word
                else:
                    found.values.setdefault(flag, []).append("")
        else:
            found.operands.append(word)
    return found


def _serve(
    facts: StageFacts, environment: Mapping[str, str], launch: Launch
) -> StaticServer | Refused | None:
    options = _serve_options(launch.words[1:])
    if options.unknown:
        return _refused(launch, f"what nginx has for serve's {options.unknown} isn't known")
    if len(options.operands) > 1 or any("$" in word for word in options.operands):
        return None
    folder = posixpath.normpath(posixpath.join(launch.cwd, *options.operands))
    listen = options.values.get("--listen", [])
    if len(listen) > 1:
        return _refused(launch, "serve listens in several places")
    address = "::"
    default = _default_port(facts, launch)
    if isinstance(default, Refused):
        return default
    if not listen:
        port = _read_from_environment(facts, launch, environment, default)
    else:
        text = listen[0]
        if text.startswith("tcp:"):
            host, _, text = text.removeprefix("tcp:").removeprefix("//").rpartition(":")
            address = host.strip("[]") or "localhost"
        port = _port(facts, launch, text, environment, default)
    if port is None:
        return _refused(launch, f"where serve listens isn't known: {' '.join(listen) or 'PORT'}")
    if address not in _ADDRESSES:
        return _refused(launch, f"serve listens on {address}, and not on every address of the container")
    server = StaticServer(
        "serve",
        folder,
        port.number,
        Answers.SERVE_SINGLE if options.has("--single") else Answers.SERVE,
        launch.evidence,
        port.variable,
        address,
        lists_folders=not options.has("--single"),
        compresses=not options.has("--no-compression"),
        headers=_CORS if options.has("--cors") else (),
        answers_every_method=True,
        is_quiet=options.has("--no-request-logging"),
    )
    return _with_configuration(facts, launch, server, options.last("--config"))


def _default_port(facts: StageFacts, launch: Launch) -> int | Refused:
    """Return where serve listens when nobody says: 5000 before version 14, then 3000."""
    version = _version(facts, launch, "serve")
    if version is not None:
        return 3000 if version >= 14 else 5000
    exposed = {
        word.text.partition("/")[0]
        for fact in facts.facts
        if fact.keyword == "EXPOSE"
        for word in fact.instruction.words
    }
    has_port = any("PORT" in name for name in (*launch.environment, *facts.end.variables)) or any(
        word.startswith(("-l", "-p", "--listen", "--port")) for word in launch.words
    )
    if "5000" in exposed and "3000" not in exposed and not has_port:
        return _refused(
            launch,
            "the file exposes port 5000, where serve listened before version 14; it listens on 3000 now",
            "write the port: serve -l 5000",
        )
    return 3000


def _with_configuration(
    facts: StageFacts, launch: Launch, server: StaticServer, named: str | None
) -> StaticServer | Refused:
    """Return the server as serve.json has it, or the key that can't be told nginx."""
    text = path = None
    if named is not None:
        path = posixpath.normpath(posixpath.join(server.folder, named))
        text = facts.end.read(path)
        if text is None:
            return _refused(launch, f"{path}, which serve reads, isn't in the build context")
    else:
        for path in _configurations(facts, server.folder):
            text = facts.end.read(path)
            if text is not None:
                break
    if text is None or path is None:
        return server
    document = json_value(text)
    if not isinstance(document, dict):
        return _refused(launch, f"{path}, which serve reads, isn't understood")
    return _told(launch, server, document, posixpath.basename(path))


def _configurations(facts: StageFacts, folder: str) -> tuple[str, ...]:
    """Return where a serve.json may lie that ends up in the served folder: bundlers copy it as it is."""
    parent = posixpath.dirname(folder)
    above = posixpath.dirname(parent)
    found = [posixpath.join(folder, "serve.json")]
    for place in (parent, above):
        names = ("public", "static", "src", "src/assets", "client/public")
        found.extend(posixpath.join(place, name, "serve.json") for name in names)
    return tuple(found)


def _told(
    launch: Launch, server: StaticServer, document: Mapping[str, Any], name: str
) -> StaticServer | Refused:
    for key, value in document.items():
        is_known = False
        if key in ("$schema", "etag", "unlisted", "symlinks"):
            is_known = True
        elif key == "directoryListing" and isinstance(value, bool):
            server, is_known = replace(server, lists_folders=value and server.lists_folders), True
        elif key == "cleanUrls":
            is_known = value is True
        elif key == "renderSingle":
            is_known = value is False
        elif key == "public" and isinstance(value, str) and server.folder:
            server, is_known = (
                replace(server, folder=posixpath.normpath(posixpath.join(server.folder, value))),
                True,
            )
        elif key == "rewrites" and value in ([], [{"source": "**", "destination": "/index.html"}]):
            server, is_known = (
                replace(server, answers=Answers.SERVE_SINGLE if value else server.answers),
                True,
            )
        elif key == "redirects":
            is_known = value == []
        elif key == "headers":
            headers = _headers_of(value)
            if headers is not None:
                server, is_known = replace(server, headers=(*server.headers, *headers)), True
        if not is_known:
            return _refused(
                launch,
                f"{name} has `{key}`, which isn't translated for nginx",
                f"take `{key}` out of {name}, or write an nginx configuration for it",
            )
    return server


def _headers_of(value: object) -> tuple[tuple[str, str], ...] | None:
    """Return the headers of every answer; None where some are for certain paths only."""
    if not isinstance(value, list):
        return None
    found: list[tuple[str, str]] = []
    for rule in value:
        if not isinstance(rule, dict) or rule.get("source") not in ("**", "**/*", "/**"):
            return None
        for header in rule.get("headers") or ():
            if not isinstance(header, dict):
                return None
            key, text = header.get("key"), header.get("value")
            if not isinstance(key, str) or not isinstance(text, str) or key.lower() in _OWN_HEADERS:
                return None
            found.append((key, text))
    return tuple(found)


_OWN_HEADERS = frozenset({"content-type", "etag", "last-modified", "content-length", "location", "vary"})

# ---------------------------------------------------------------------------------------------- http-server

_HTTP_SERVER_ALIASES = {
    "p": "port", "g": "gzip", "b": "brotli", "e": "ext", "s": "silent", "r": "robots", "P": "proxy",
    "S": "tls", "ssl": "tls", "C": "cert", "K": "key", "U": "utc", "T": "title", "user": "username",
    "H": "header",
}  # fmt: skip
_HTTP_SERVER_KNOWN = frozenset("port gzip silent utc log-ip a c d i o cors e ext t title dotfiles".split())


def _minimist(words: Sequence[str]) -> _Options:
    """Return the options as minimist reads them: whatever has no dash behind an option is its value."""
    found = _Options()
    rest = list(words)

    def add(name: str, value: str) -> None:
        found.values.setdefault(_HTTP_SERVER_ALIASES.get(name, name), []).append(value)

    while rest:
        word = rest.pop(0)
        if word == "--":
            found.operands.extend(rest)
            break
        if word.startswith("--no-"):
            add(word[5:], "false")
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if equals:
                add(name, value)
            else:
                add(name, rest.pop(0) if rest and not rest[0].startswith("-") else "true")
        elif word.startswith("-") and len(word) > 1:
            letters = word[1:]
            if len(letters) > 1 and (letters[1].isdigit() or letters[1] in "-=/"):
                add(letters[0], letters[1:].removeprefix("="))
            elif len(letters) > 1 and letters.isalpha():
                for letter in letters[:-1]:
                    add(letter, "true")
                add(letters[-1], rest.pop(0) if rest and not rest[0].startswith("-") else "true")
            elif len(letters) == 1:
                add(letters, rest.pop(0) if rest and not rest[0].startswith("-") else "true")
            else:
                found.unknown = found.unknown or word
        else:
            found.operands.append(word)
    return found


def _http_server(
    facts: StageFacts, environment: Mapping[str, str], launch: Launch
) -> StaticServer | Refused | None:
    options = _minimist(launch.words[1:])
    unknown = options.unknown or next((n for n in options.values if n not in _HTTP_SERVER_KNOWN), "")
    if unknown:
        name = unknown if unknown.startswith("-") else f"--{unknown}"
        return _refused(launch, f"what nginx has for http-server's {name} isn't known")
    for name in ("NODE_HTTP_SERVER_USERNAME", "NODE_HTTP_SERVER_PASSWORD"):
        if name in environment:
            return _refused(launch, f"http-server asks for a password ({name})")
    if any("$" in word for word in options.operands):
        return None
    if options.last("e", "ext") not in (None, "html", "true"):
        return _refused(launch, f"http-server adds .{options.last('e', 'ext')} to names")
    if options.last("i") not in (None, "true"):
        return _refused(launch, "http-server shows no index.html (-i)")
    if options.operands:
        folder = posixpath.normpath(posixpath.join(launch.cwd, options.operands[0]))
    else:
        public = posixpath.join(launch.cwd, "public")
        is_there = facts.end.has(public) or any(public in effect.writes for _, effect in facts.effects())
        folder = public if is_there else launch.cwd
    text = options.last("port")
    port = (
        _port(facts, launch, text, environment, 8080)
        if text
        else _read_from_environment(facts, launch, environment, 8080)
    )
    if port is None:
        return _refused(launch, f"where http-server listens isn't known: {text}")
    address = options.last("a") or "0.0.0.0"  # noqa: S104 - http-server's own default
    if address not in _ADDRESSES:
        return _refused(
            launch, f"http-server listens on {address}, and not on every address of the container"
        )
    age = options.last("c")
    if age is None:
        cache = "max-age=3600"
    elif age == "-1":
        cache = "no-cache, no-store, must-revalidate"
    elif age.isdigit():
        cache = f"max-age={age}"
    else:
        return _refused(launch, f"what http-server makes of -c {age} isn't known")
    cors = options.last("cors")
    if cors not in (None, "true"):
        return _refused(launch, "what nginx has for http-server's --cors with headers isn't known")
    headers = (
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Headers", "Origin, X-Requested-With, Content-Type, Accept, Range"),
    )
    return StaticServer(
        "http-server",
        folder,
        port.number,
        Answers.HTTP_SERVER,
        launch.evidence,
        port.variable,
        address,
        lists_folders=options.last("d") != "false",
        serves_gz=options.last("gzip") not in (None, "false"),
        headers=headers if cors else (),
        cache_control=cache,
        is_quiet=options.has("silent"),
    )
