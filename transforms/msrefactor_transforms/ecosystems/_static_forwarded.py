"""nginx's way to forward what a development server did, and what of the forwarding can't be proved.

A name is looked up when a request comes, as Node does it: nginx wouldn't start while the other server is
down. For that it asks the name servers of /etc/resolv.conf, which the image's entrypoint fills in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from msrefactor.code.frontend_proxy import Forward, upstreams

RESOLVING = ("NGINX_ENTRYPOINT_LOCAL_RESOLVERS", "1")
"""The variable by which the entrypoint of nginx's image gives the name servers to the templates."""
_UNSEEN = frozenset({"host.docker.internal", "gateway.docker.internal", "host.containers.internal"})
"""Names that stand in /etc/hosts as a rule."""
_PAGE = '"^GET:(.*text/html.*)?$"'
"""What asks for a page, by Create React App's rule; any other request for no file is forwarded."""


def unseen_host(forwards: Sequence[Forward]) -> str | None:
    """Return a name that no name server knows."""
    return next((one.host for one in forwards if one.host in _UNSEEN), None)


def is_looked_up(forwards: Sequence[Forward]) -> bool:
    """Whether one of the other servers has a name."""
    return any(_has_name(one) for one in forwards)


def is_caught(forwards: Sequence[Forward]) -> bool:
    """Whether what no file has goes to another server."""
    return any(not one.path and not one.pattern for one in forwards)


def server_lines(forwards: Sequence[Forward]) -> Iterable[str]:
    """Yield what holds for everything that is forwarded, and a location for each."""
    if not forwards:
        return
    if is_looked_up(forwards):
        yield "resolver ${NGINX_LOCAL_RESOLVERS} valid=10s;"
    yield from ("client_max_body_size 0;", "proxy_http_version 1.1;", "proxy_redirect off;")
    yield from ("proxy_buffering off;", "proxy_request_buffering off;", "proxy_read_timeout 1h;")
    for forward in forwards:
        if forward.path:
            yield f"location ^~ {forward.path} {{"
        elif forward.pattern:
            yield f"location ~ {forward.pattern} {{"
        else:
            yield "error_page 418 = @forwarded;"
            yield "location @forwarded {"
            yield '    set $asked "$request_method:$http_accept";'
            yield f"    if ($asked ~ {_PAGE}) {{"
            yield "        rewrite ^ /index.html last;"
            yield "    }"
        yield from (f"    {line}" for line in _passing(forward))
        yield "}"


def _passing(forward: Forward) -> Iterable[str]:
    yield "charset off;"
    if forward.removed:
        yield f"rewrite ^{forward.removed}/?(.*)$ {forward.added}/$1 break;"
    if not forward.keeps_host:
        yield f"proxy_set_header Host {forward.target.removeprefix('http://')};"
    else:
        yield "proxy_set_header Host $http_host;"
    if forward.changes_origin:
        yield 'set $origin "";'
        yield f"if ($http_origin) {{ set $origin {forward.target}; }}"
        yield "proxy_set_header Origin $origin;"
    if forward.upgrades:
        yield "proxy_set_header Upgrade $http_upgrade;"
        yield "proxy_set_header Connection $http_connection;"
    if forward.tells_client:
        yield "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
        yield "proxy_set_header X-Forwarded-Host $http_host;"
        yield "proxy_set_header X-Forwarded-Port $server_port;"
        yield "proxy_set_header X-Forwarded-Proto $scheme;"
    if _has_name(forward):
        yield f"set $upstream {forward.target};"
        yield "proxy_pass $upstream;"
    else:
        yield f"proxy_pass {forward.target};"


def _has_name(forward: Forward) -> bool:
    if forward.host == "localhost":
        return False
    try:
        ipaddress.ip_address(forward.host)
    except ValueError:
        return True
    return False


def forwarding_assumption(name: str, forwards: Sequence[Forward]) -> str:
    """Return what isn't proved of the forwarding."""
    asked = " and ".join(upstreams(forwards))
    looked_up = (
        "; their names are asked of the container's name servers, and not looked up in /etc/hosts"
        if is_looked_up(forwards)
        else ""
    )
    return (
        f"nginx forwards to {asked} as `{name}` did: for a server that is down the answer is 502 "
        f"instead of 504{looked_up}"
    )
