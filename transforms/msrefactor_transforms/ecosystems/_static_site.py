"""Static files that a web server hands out, and the nginx configuration that answers as the old server did.

What each server answers was measured path by path with serve 14.2, http-server 14.1 and vite 5.4.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

from msrefactor.code.frontend_proxy import Forward
from msrefactor.model import Evidence, Refused
from msrefactor_transforms.ecosystems._static_forwarded import is_caught, server_lines


class Answers(enum.Enum):
    """How a server finds the file for a path."""

    SERVE_SINGLE = "serve --single"
    """A path without an extension is a route; pages have no extension; index.html where nothing is."""
    SERVE = "serve"
    """Pages have no extension; folders are listed."""
    HTTP_SERVER = "http-server"
    """Pages may go without their extension; folders are listed."""
    PREVIEW = "vite preview"
    """Files and pages as they lie there, index.html where nothing is."""
    FILES = "files"
    """Files and folders with an index.html, as nginx does it unasked."""
    HISTORY = "history fallback"
    """Files as they lie there, index.html where nothing is and the name has no dot."""


@dataclass(frozen=True, slots=True)
class StaticServer:
    """What a server does that only hands out files."""

    tool: str
    folder: str
    """Absolute folder of the image."""
    port: int
    answers: Answers
    evidence: Evidence
    port_variable: str = ""
    """The variable that the port is read from when the container starts; `port` is its default."""
    address: str = "::"
    """Where it listens: `::`, `0.0.0.0` and `*` (a socket for each of them) are every address."""
    lists_folders: bool = False
    compresses: bool = False
    serves_gz: bool = False
    """Whether `x.js.gz` is sent for `x.js`."""
    headers: tuple[tuple[str, str], ...] = ()
    """Of every answer."""
    cache_control: str = ""
    """Of every file."""
    answers_every_method: bool = False
    """Whether POST and OPTIONS are answered as GET is."""
    is_quiet: bool = False
    """Whether requests aren't logged."""
    forwards: tuple[Forward, ...] = ()
    """Requests that go to another server."""


_TYPES = (
    "types {",
    "    application/javascript mjs;",
    "    application/json map;",
    "    application/manifest+json webmanifest;",
    "    font/otf otf;",
    "    font/ttf ttf;",
    "    text/markdown md;",
    "}",
)
"""What nginx's own table lacks and bundlers write."""
_TEXT = "text/css text/plain text/markdown text/javascript application/javascript application/json"
_COMPRESSED = "application/manifest+json application/wasm application/xml text/xml image/svg+xml"
_PLAIN = re.compile(r"[A-Za-z0-9_./@+,:%=~-]+\Z")
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx_configuration(server: StaticServer) -> str | Refused:
    """Return the `server` block that answers as the old server did."""
    if not _PLAIN.match(server.folder) or not (server.address == "*" or _PLAIN.match(server.address)):
        detail = f"{server.folder} can't be written into an nginx configuration"
        return Refused("need-not-found", detail, (server.evidence,))
    for name, value in (*server.headers, ("Cache-Control", server.cache_control)):
        if any(char in name + value for char in "\"'\\$\n\r"):
            return Refused(
                "need-not-found", f"the header {name} can't be written into an nginx configuration",
                (server.evidence,),
            )  # fmt: skip
    lines = ["server {"]
    lines.extend(f"    {line}" for line in _body(server))
    lines.append("}")
    return "\n".join(lines) + "\n"


def whole_configuration(server_block: str) -> str:
    """Return an nginx.conf for a user that may write to /tmp only."""
    lines = ["worker_processes auto;", "pid /tmp/nginx.pid;", "events {}", "http {"]
    lines.append("    include /etc/nginx/mime.types;")
    lines.append("    default_type application/octet-stream;")
    lines.append("    access_log /dev/stdout;")
    lines.extend(f"    {name}_temp_path /tmp/{name};" for name in _TEMPORARY)
    lines.extend(f"    {line}" for line in server_block.splitlines())
    lines.append("}")
    return "\n".join(lines) + "\n"


def _body(server: StaticServer) -> Iterable[str]:
    for listen in _listens(server):
        yield f"listen {listen};"
    yield f"root {server.folder};"
    yield "absolute_redirect off;"
    yield "server_tokens off;"
    if server.answers is Answers.FILES:
        yield "gzip on;"
        yield "index index.html index.htm;"
        yield from ("location / {", "    try_files $uri $uri/ =404;", "}")
        return
    yield "log_not_found off;"
    if server.is_quiet:
        yield "access_log off;"
    yield "include /etc/nginx/mime.types;"
    yield from _TYPES
    if server.answers is not Answers.HTTP_SERVER:
        yield 'default_type "";'
    yield "charset utf-8;"
    yield f"charset_types {_TEXT};"
    if server.compresses:
        yield "gzip on;"
        yield "gzip_vary on;"
        yield "gzip_proxied any;"
        yield "gzip_min_length 1024;"
        yield f"gzip_types {_TEXT}"
        yield f"    {_COMPRESSED};"
    if server.serves_gz:
        yield "gzip_static on;"
    if server.answers_every_method:
        yield "error_page 405 =200 $request_uri;"
    yield from server_lines(server.forwards)
    match server.answers:
        case Answers.SERVE_SINGLE:
            yield from _headers(server)
            yield from _without_extension()
            yield from ("location ~ [^/]\\.[^/]*$ {", "    try_files $uri /index.html =404;", "}")
            yield from ("location / {", "    try_files /index.html =404;", "}")
        case Answers.SERVE:
            yield from _headers(server)
            yield "error_page 404 @missing;"
            yield from _without_extension()
            rest = "@folder" if server.lists_folders else "=404"
            yield from ("location = / {", f"    try_files /index.html {rest};", "}")
            yield "location ~ ^(.*[^/])/?$ {"
            yield f"    try_files $uri $1/index.html $1.html {rest};"
            yield "}"
            if server.lists_folders:
                yield from ("location @folder {", "    autoindex on;", "}")
            yield from ("location @missing {", "    try_files /404.html =404;", "}")
        case Answers.HTTP_SERVER:
            yield "error_page 404 /404.html;"
            yield from ("if (-d $request_filename) {", "    rewrite ^(.*[^/])$ $1/ redirect;", "}")
            yield "location / {"
            yield from (f"    {line}" for line in _headers(server))
            if server.lists_folders:
                yield "    autoindex on;"
            yield "    try_files $uri $uri.html $uri/ =404;"
            yield "}"
        case Answers.PREVIEW:
            yield "location / {"
            if is_caught(server.forwards):
                yield from ("    if ($request_method !~ ^(GET|HEAD)$) {", "        return 418;", "    }")
            yield from (f"    {line}" for line in _headers(server))
            rest = "@forwarded" if is_caught(server.forwards) else "/index.html =404"
            yield f"    try_files $uri $uri.html ${{uri}}index.html {rest};"
            yield "}"
        case Answers.HISTORY:
            yield from _headers(server)
            yield from ("location / {", "    try_files $uri $uri/index.html /index.html =404;", "}")
            yield from ("location ~ \\.[^/]*$ {", "    try_files $uri =404;", "}")


def _without_extension() -> tuple[str, ...]:
    """Return the redirects from /about.html to /about."""
    return (
        "location ~ (\\.html|/index)$ {",
        "    rewrite ^/index$ /? permanent;",
        "    rewrite ^(.+)/index$ $1? permanent;",
        "    rewrite ^(.+)\\.html$ $1? permanent;",
        "}",
    )


def _headers(server: StaticServer) -> Iterable[str]:
    for name, value in server.headers:
        yield f'add_header {name} "{value}" always;'
    if server.cache_control:
        yield f'add_header Cache-Control "{server.cache_control}";'


def _listens(server: StaticServer) -> tuple[str, ...]:
    port = "${" + server.port_variable + "}" if server.port_variable else str(server.port)
    if server.address == "::":
        # one socket for both, as Node opens it
        return (f"[::]:{port} ipv6only=off",)
    if server.address == "*":
        return (port, f"[::]:{port}")
    if server.address == "0.0.0.0":  # noqa: S104 - the old server's own address
        return (port,)
    host = f"[{server.address}]" if ":" in server.address else server.address
    return (f"{host}:{port}",)
