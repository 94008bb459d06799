"""What development servers forward to another server, as far as it is written literally.

Sources: http-proxy-middleware 0 to 3 (`context`, `pathRewrite`), Create React App 5 (`prepareProxy` of
`react-dev-utils/WebpackDevServerUtils.js`), Vue CLI 5 (`lib/util/prepareProxy.js`), Vite 2 to 7
(`server/middlewares/proxy.ts`), Angular CLI 6 to 20 (`utils/load-proxy-config.ts`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import urlsplit

from msrefactor.code.javascript_values import Called, Settings, Value, called_with, exported

_HOST = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?\Z")
_PATH = re.compile(r"/[A-Za-z0-9_./~-]*\Z")
_KNOWN = frozenset(
    {
        "target",
        "changeOrigin",
        "secure",
        "ws",
        "pathRewrite",
        "rewrite",
        "logLevel",
        "context",
        "xfwd",
        "logs",
    }
)
_MIDDLEWARE = ("createProxyMiddleware", "proxy", "createProxy")
_CRA = MappingProxyType({"changeOrigin": True, "secure": False, "ws": True, "xfwd": True})
"""What Create React App and Vue CLI say of themselves."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Requests that go to another server."""

    target: str
    """Scheme, host and port: `http://server:5000`."""
    path: str = ""
    """How the paths begin; "" for all that no file has and that don't ask for a page."""
    pattern: str = ""
    """A regular expression for the paths, where a beginning doesn't say it."""
    removed: str = ""
    """The beginning that is taken off the path."""
    added: str = ""
    """What takes its place, without a slash at the end."""
    keeps_host: bool = True
    """Whether the other server sees the client's Host."""
    upgrades: bool = False
    """Whether web sockets are passed on."""
    tells_client: bool = False
    """Whether X-Forwarded-* are set."""
    changes_origin: bool = False
    """Whether the other server sees itself as the Origin, where the client sent one."""

    @property
    def host(self) -> str:
        """The other server's name or address."""
        return urlsplit(self.target).hostname or ""


@dataclass(frozen=True, slots=True)
class Untold:
    """Why what is forwarded can't be told another server."""

    detail: str


def forwards_of_package(proxy: object) -> tuple[Forward, ...] | Untold:
    """Return what `proxy` of Create React App's package.json forwards: a single target since version 2."""
    if not isinstance(proxy, str):
        return Untold("`proxy` of package.json isn't a single address")
    made = _forward("", proxy, Settings(_CRA))
    return made if isinstance(made, Untold) else (replace(made, changes_origin=True),)


def forwards_of_setup(text: str, version: str) -> tuple[Forward, ...] | Untold:
    """Return what src/setupProxy.js forwards; `version` is that of http-proxy-middleware in package.json."""
    calls = called_with(text, "use")
    if calls is None:
        return Untold("more than `app.use` with literal settings stands in it")
    major = version.lstrip("^~>=v ").partition(".")[0]
    if not major.isdigit():
        return Untold("which http-proxy-middleware it has isn't known")
    found: list[Forward] = []
    for call in calls:
        made = _of_call(call, int(major))
        if isinstance(made, Untold):
            return made
        found.extend(made)
    return tuple(found) if found else Untold("nothing in it is understood")


def _of_call(call: Sequence[Value], major: int) -> tuple[Forward, ...] | Untold:
    """Return what one `app.use` forwards: the path is its own, or the middleware's before version 3."""
    middleware = call[-1] if call else None
    if not isinstance(middleware, Called) or middleware.name not in _MIDDLEWARE or len(call) > 2:
        return Untold("a handler in it isn't http-proxy-middleware's")
    *own, settings = middleware.arguments or (None,)
    paths = call[0] if len(call) == 2 else own[0] if len(own) == 1 and major < 3 else None
    if not isinstance(settings, Settings) or (len(call) == 2 and own):
        return Untold("a handler in it isn't http-proxy-middleware's with literal settings")
    found: list[Forward] = []
    for path in paths if isinstance(paths, tuple) else (paths,):
        if not isinstance(path, str):
            return Untold("a handler in it has no literal path")
        made = _forward(path, None, settings)
        if isinstance(made, Untold):
            return made
        beginning = made.path.rstrip("/")
        if not beginning:
            return Untold("a handler in it has no path of its own")
        if len(call) == 1:
            found.append(made)
            continue
        if major >= 3:
            if made.removed:
                return Untold("its pathRewrite works on what app.use leaves of the path")
            made = replace(made, removed=beginning)  # app.use takes its own path off
        escaped = beginning.replace(".", "\\.")
        found.append(replace(made, path="", pattern=f"^{escaped}(/|$)"))
    return tuple(found)


def forwards_of_vite(value: Value) -> tuple[Forward, ...] | Untold:
    """Return what Vite's `server.proxy` forwards."""
    return _each(value, MappingProxyType({}), is_regular=False)


def forwards_of_vue(value: Value) -> tuple[Forward, ...] | Untold:
    """Return what Vue CLI's `devServer.proxy` forwards: its keys are regular expressions."""
    if isinstance(value, str):
        made = _forward("", value, Settings(_CRA))
        return made if isinstance(made, Untold) else (replace(made, changes_origin=True),)
    found = _each(value, _CRA, is_regular=True)
    return found if isinstance(found, Untold) else tuple(replace(one, changes_origin=True) for one in found)


def forwards_of_angular(text: str, is_json: bool) -> tuple[Forward, ...] | Untold:
    """Return what the file of Angular's `--proxy-config` forwards."""
    own = exported(f"module.exports = {text}" if is_json else text)
    if own is None:
        return Untold("it isn't understood")
    if own.value.is_complete and own.value.values:
        return _each(own.value, MappingProxyType({}), is_regular=False)
    return Untold("it isn't an object of literal settings")


def _each(value: Value, more: Mapping[str, Value], is_regular: bool) -> tuple[Forward, ...] | Untold:
    if not isinstance(value, Settings) or not value.is_complete:
        return Untold("the proxy isn't written as literal settings")
    found: list[Forward] = []
    for key, told in value.values.items():
        if isinstance(told, str):
            # Vite's short form changes Host
            made = _forward(key, told, Settings(MappingProxyType({"changeOrigin": True, **more})), is_regular)
        elif isinstance(told, Settings):
            made = _forward(key, None, replace(told, values={**more, **told.values}), is_regular)
        else:
            made = Untold(f"what is said of {key} isn't literal")
        if isinstance(made, Untold):
            return made
        found.append(made)
    return tuple(found)


def _forward(key: str, target: str | None, settings: Settings, is_regular: bool = False) -> Forward | Untold:
    shown = key or "the proxy"
    unknown = sorted(set(settings.values) - _KNOWN)
    if unknown or not settings.is_complete:
        return Untold(f"`{unknown[0] if unknown else '...'}` of {shown} isn't translated for nginx")
    address = _address(target if target is not None else settings.get("target"), shown)
    if isinstance(address, Untold):
        return address
    flags: dict[str, bool] = {}
    for name in ("changeOrigin", "ws", "xfwd"):
        flag = settings.get(name)
        if flag not in (None, True, False):
            return Untold(f"`{name}` of {shown} isn't literal")
        flags[name] = bool(flag)
    places = _places(key, is_regular)
    if isinstance(places, Untold):
        return places
    rewritten = _rewritten(settings, shown)
    if isinstance(rewritten, Untold):
        return rewritten
    removed, added = rewritten
    return Forward(
        address, *places, removed, added, keeps_host=not flags["changeOrigin"], upgrades=flags["ws"],
        tells_client=flags["xfwd"],
    )  # fmt: skip


def _address(target: Value, shown: str) -> str | Untold:
    if not isinstance(target, str):
        return Untold(f"the target of {shown} isn't written as a literal")
    parts = urlsplit(target)
    try:
        port = parts.port
    except ValueError:
        return Untold(f"the target of {shown} has no port that is one")
    if parts.scheme in ("https", "wss"):
        return Untold(f"the target of {shown} is reached by TLS, and its certificate has to be checked")
    if parts.scheme not in ("http", "ws") or parts.path not in ("", "/") or parts.query or parts.username:
        return Untold(f"the target of {shown} is more than a host and a port")
    if not _HOST.match(parts.hostname or "") or "_" in (parts.hostname or ""):
        return Untold(f"the target of {shown} has no plain host name")
    return f"http://{parts.hostname}" + (f":{port}" if port is not None else "")


def _places(key: str, is_regular: bool) -> tuple[str, str] | Untold:
    """Return the beginning or the pattern of the paths that a key stands for."""
    plain = key.removeprefix("^") if key.startswith("^/") else key
    if key == "":
        return "", ""
    if plain == "/":
        return Untold("every path is forwarded")
    if key != plain or not is_regular:
        if _PATH.match(plain) and (key == plain or "." not in plain):
            return plain, ""
        head, star, tail = plain.partition("/*")
        if key == plain and star and tail in ("", "*") and _PATH.match(head) and not is_regular:
            escaped = head.replace(".", "\\.")
            return "", f"^{escaped}(/|$)" if tail else f"^{escaped}/[^/]+$"
        return Untold(f"the pattern {key} isn't translated for nginx")
    return ("", plain) if _PATH.match(plain) else Untold(f"the pattern {key} isn't translated for nginx")


def _rewritten(settings: Settings, shown: str) -> tuple[str, str] | Untold:
    """Return the beginning of the path that is replaced, and by what."""
    rules, function = settings.get("pathRewrite"), settings.get("rewrite")
    wrong = Untold(f"how {shown} rewrites paths isn't written literally")
    if function is not None:
        is_replace = isinstance(function, Called) and function.name.endswith(".replace")
        if not isinstance(function, Called) or not is_replace or len(function.arguments) != 2:
            return wrong
        pattern, added = function.arguments
        if not isinstance(pattern, Called) or pattern.name != "RegExp" or not isinstance(added, str):
            return wrong
        text = str(pattern.arguments[0])
        body = text[1 : text.rindex("/")] if text.startswith("/") and text.endswith("/") else ""
        return _beginning(body.replace("\\/", "/"), added) or wrong
    if rules is None:
        return "", ""
    if not isinstance(rules, Settings) or not rules.is_complete or len(rules.values) != 1:
        return wrong
    ((body, added),) = rules.values.items()
    return (_beginning(body, added) if isinstance(added, str) else None) or wrong


def _beginning(body: str, added: str) -> tuple[str, str] | None:
    removed = body.removeprefix("^").rstrip("/")
    whole = added.rstrip("/")
    is_slashed = body.endswith("/") == added.endswith("/") or (not added and not body.endswith("/"))
    is_plain = body.startswith("^/") and _PATH.match(removed) and "." not in removed
    if not is_plain or not is_slashed or (whole and not _PATH.match(whole)):
        return None
    return removed, whole


def upstreams(forwards: Sequence[Forward]) -> tuple[str, ...]:
    """Return the other servers, each once."""
    return tuple(dict.fromkeys(one.target for one in forwards))
