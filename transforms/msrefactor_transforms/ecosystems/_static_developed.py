"""Development servers that the container starts: nginx hands out what the build script makes, for review.

`react-scripts start`, `vite`, `vue-cli-service serve` and `ng serve` compile when they start. What is handed
out instead behaves otherwise in ways that are written down as assumptions; where the server does more than
compile and hand out (variables of the running container, mounted sources), the split is refused.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from msrefactor.code.frontend import FrontendBuild, Pages, Project, dotenv_files, frontend_build
from msrefactor.code.frontend_proxy import Forward
from msrefactor.code.javascript_values import UNKNOWN, Exported, exported
from msrefactor.code.node_package import NodePackage
from msrefactor.facts import StageFacts, overlaps
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._node_outputs import outputs
from msrefactor_transforms.ecosystems._node_projects import (
    NodeBuild,
    chain,
    expanded,
    manager_of,
    package_at,
    package_evidence,
)
from msrefactor_transforms.ecosystems._static_angular import angular_server
from msrefactor_transforms.ecosystems._static_forwarded import forwarding_assumption
from msrefactor_transforms.ecosystems._static_proxies import (
    forwards_of_configuration,
    forwards_of_file,
    forwards_of_react,
)
from msrefactor_transforms.ecosystems._static_site import Answers, StaticServer
from msrefactor_transforms.ecosystems._static_starts import Launch

_EVERY = frozenset({"0.0.0.0", "::", "true", ""})  # noqa: S104 - what the development servers are told
_MODES = ("development", "development.local", "production", "production.local")
_REWIRED = {
    "craco": ("craco.config.js", "craco.config.ts", "craco.config.cjs", ".cracorc.js", ".cracorc"),
    "react-app-rewired": ("config-overrides.js", "config-overrides/index.js"),
}
"""Tools that change the configuration of Create React App, and where they are told how."""
_ACTIONS = {
    "react-scripts": "start",
    "craco": "start",
    "react-app-rewired": "start",
    "vue-cli-service": "serve",
    "ng": "serve",
}
_FRAMEWORKS = {"react-scripts": "Create React App", "vite": "Vite", "vue-cli-service": "Vue CLI"}
_PRODUCTION = {"ng serve": "Angular's production mode"}
_PORTS = {"react-scripts": 3000, "vite": 5173, "vue-cli-service": 8080}
_OF_ENVIRONMENT = frozenset({"react-scripts", "vue-cli-service"})
"""Tools whose servers take their port from PORT, and both from .env."""
_BUILT_WITH = frozenset({"FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "WORKDIR", "USER"})
_OPTIONS = frozenset({"--port", "--host", "--strictPort", "--open"})


@dataclass(frozen=True, slots=True)
class Developed:
    """A development server, and how its files are built beforehand."""

    server: StaticServer
    build: str
    """The RUN that the builder ends with; "" where the author's last one does it."""
    folder: str
    """What it is built from."""
    after: int
    """Index of the last instruction of the author's that the build may read something of."""
    assumptions: tuple[str, ...]


def developed(
    view: View, facts: StageFacts, environment: Mapping[str, str], launch: Launch
) -> Developed | Refused | None:
    """Return what a development server comes to; None: nothing of the kind is started."""
    tool = posixpath.basename(launch.words[0])
    action = _ACTIONS.get(tool)
    rest = list(launch.words[1:])
    if tool == "ng" and rest[:1] in (["s"], ["dev"]):
        rest[0] = "serve"
    if tool == "vite":
        if rest[:1] in (["dev"], ["serve"]):
            rest.pop(0)
        elif rest and not rest[0].startswith("-"):
            return None
    elif action is None or rest[:1] != [action]:
        return None
    else:
        rest.pop(0)
    package = package_at(launch.cwd, facts.end)
    source = facts.end.origin(launch.cwd)
    if package is None or source is None:
        return None
    for name in _REWIRED.get(tool, ()):
        if "devserver" in (facts.end.read(posixpath.join(launch.cwd, name)) or "").lower():
            return _refused(launch, f"{name} changes the development server")
    kind = "react-scripts" if tool in _REWIRED else tool
    settings = {**environment, **launch.environment}
    if kind in _OF_ENVIRONMENT:
        project = Project(facts.end.context, source, package, launch.words, settings)
        written = {name: value for pairs in dotenv_files(project) for name, value in pairs.items()}
        settings = {**written, **settings}
    obstacle = _untold(view, facts, launch, settings)
    if obstacle is not None:
        return obstacle
    if tool == "ng":
        return _angular(view, facts, launch, package, source, settings)
    built = _built(facts, launch, package, source, settings)
    if not isinstance(built, FrontendBuild):
        return built
    obstacle = _given_later(view, built, ("PUBLIC_URL", "NODE_ENV"))
    if obstacle is not None:
        return obstacle
    port = _listens(facts, kind, rest, settings, launch)
    if isinstance(port, Refused):
        return port
    own = _configuration(facts, launch, kind)
    if isinstance(own, Refused):
        return own
    if kind == "react-scripts":
        forwards = forwards_of_react(facts, launch, package)
    else:
        forwards = forwards_of_configuration(launch, tool, own)
    if isinstance(forwards, Refused):
        return forwards
    variable = ""
    if any((use.value or "").partition("=")[0] == "PORT" for use in view.uses if use.kind == "environment"):
        variable = "PORT" if kind in _OF_ENVIRONMENT and not _has_port(rest) else ""
        if tool == "vite" and own is not None and "PORT" in own.names:
            return _refused(launch, "the port may be given when the container starts")
    name = " ".join(launch.words[:2]) if action else "vite"
    command = f"{manager_of(facts, launch.cwd)} run build"
    cached = "no-cache" if tool == "vite" else ""
    return _made(facts, launch, built, source, (name, command, True), (port, variable), cached, forwards)


def _angular(
    view: View,
    facts: StageFacts,
    launch: Launch,
    package: NodePackage,
    source: str,
    settings: Mapping[str, str],
) -> Developed | Refused:
    """Return what `ng serve` comes to."""
    served = angular_server(facts, launch, package, source, settings)
    if isinstance(served, Refused):
        return served
    obstacle = _given_later(view, served.build, ())
    if obstacle is not None:
        return obstacle
    forwards = forwards_of_file(facts, launch, served.proxy) if served.proxy else ()
    if isinstance(forwards, Refused):
        return forwards
    how = ("ng serve", served.command, served.is_production)
    return _made(facts, launch, served.build, source, how, (served.port, ""), "no-cache", forwards)


def _given_later(view: View, built: FrontendBuild, more: tuple[str, ...]) -> Refused | None:
    """Return the obstacle that a variable which the build reads is given to the running container."""
    for use in view.uses:
        name = (use.value or "").partition("=")[0]
        is_read = name.startswith(built.prefixes) or name in more
        if use.kind == "environment" and is_read:
            return Refused(
                "build-variable",
                f"{name} is given when the container starts, and a build would have to know it before",
                (use.evidence,),
                f"give {name} as a build argument, or set it in the Dockerfile",
            )
    return None


def _made(
    facts: StageFacts,
    launch: Launch,
    built: FrontendBuild,
    source: str,
    how: tuple[str, str, bool],
    port: tuple[int, str],
    cached: str,
    forwards: tuple[Forward, ...],
) -> Developed:
    """Return the server of what a command builds.

    `how` is the old server, the command, and whether it optimises; `port` its number and its variable.
    """
    name, command, is_production = how
    folder = posixpath.normpath(posixpath.join(launch.cwd, posixpath.relpath(built.folder, source or ".")))
    server = StaticServer(
        name, folder, port[0], Answers.PREVIEW, launch.evidence, port[1],
        address="0.0.0.0",  # noqa: S104 - where the development servers listen
        compresses=True, cache_control=cached, forwards=forwards,
    )  # fmt: skip
    inside = f"cd {launch.cwd} && " if launch.cwd != facts.end.cwd else ""
    build = "" if _is_built(facts, launch.cwd, command) else f"RUN {inside}{command}\n"
    last = max(fact.index for fact in facts.facts if fact.keyword in _BUILT_WITH)
    assumptions = _assumptions(name, command, built, is_production)
    if forwards:
        assumptions = (*assumptions, forwarding_assumption(name, forwards))
    return Developed(server, build, launch.cwd, last, assumptions)


def _is_built(facts: StageFacts, folder: str, command: str) -> bool:
    """Whether the author's last step builds the same already, and nothing of it changes afterwards."""
    words = tuple(command.split())
    package = package_at(folder, facts.end)
    if package is not None and words[1:] == ("run", "build"):
        wanted = tuple(chain(package, "build"))
    else:
        wanted = (words[words.index("ng") :],) if "ng" in words else ()
    for fact in reversed(facts.facts):
        if fact.keyword in ("COPY", "ADD", "ENV", "ARG"):
            return False
        if fact.keyword == "RUN":
            details = [effect.detail for effect in fact.effects]
            return any(
                isinstance(one, NodeBuild) and one.folder == folder and one.programs == wanted
                for one in details
            )
    return False


def _assumptions(name: str, command: str, built: FrontendBuild, is_production: bool) -> tuple[str, ...]:
    prefixes = " and ".join(f"{prefix}*" for prefix in built.prefixes)
    maps = "its source maps lie beside it" if built.has_source_maps else "it has no source maps"
    reloading = (
        f"nobody works on the sources in the container: `{name}` compiled again and reloaded the page when a "
        "file changed, and nginx hands out what was built once"
    )
    building = f"`{command}` succeeds where `{name}` only shows an error"
    if is_production:
        building += (
            f", and the production build (minified, {_PRODUCTION.get(name, 'NODE_ENV=production')}; {maps}) "
            "behaves as the development build does"
        )
    answering = (
        "nothing asks for what only the development server answers: its own paths, modules by their source "
        "paths, web sockets, 404 for a missing file (index.html is sent)"
    )
    variables = (
        f"{prefixes} are built in when the image is made: what `docker run -e` or env_file sets isn't seen"
    )
    return (reloading, *((variables,) if prefixes else ()), building, answering)


def _untold(view: View, facts: StageFacts, launch: Launch, settings: Mapping[str, str]) -> Refused | None:
    """Return the obstacle that the server does more than compile and hand out."""
    for use in view.uses:
        target = (use.value or "").rpartition(":")[2]
        is_mount = use.kind == "bind-mount" and target.startswith("/")
        if is_mount and overlaps(posixpath.normpath(target), launch.cwd):
            return Refused(
                "development-image",
                f"sources are mounted over {target} when the container runs",
                (use.evidence,),
            )
    for mode in _MODES:
        if facts.end.read(posixpath.join(launch.cwd, f".env.{mode}")) is not None:
            return _more(
                f".env.{mode} holds for one of the two builds alone", launch.evidence,
                "build in a RUN step with the values that the container needs",
            )  # fmt: skip
    if facts.end.user.partition(":")[0] not in ("", "root", "0"):
        return _more(
            f"whether {facts.end.user} may write what the build makes isn't known", launch.evidence,
            "build in a RUN step before USER",
        )  # fmt: skip
    if settings.get("HTTPS", "").lower() == "true" or settings.get("HOST", "0.0.0.0") not in _EVERY:  # noqa: S104
        return _more("HTTPS or HOST tells the development server where to listen", launch.evidence)
    # Create React App sets it itself, and Angular doesn't read it
    is_kept = posixpath.basename(launch.words[0]) not in ("react-scripts", "ng", *_REWIRED)
    if is_kept and settings.get("NODE_ENV", "production") != "production":
        return _more("NODE_ENV makes the build one for developing", launch.evidence)
    return None


def _built(
    facts: StageFacts, launch: Launch, package: NodePackage, source: str, settings: Mapping[str, str]
) -> FrontendBuild | Refused:
    """Return what `run build` leaves, where it is the build of the tool whose server is started."""
    tool = posixpath.basename(launch.words[0])
    evidence = package_evidence(package, "build")
    if "build" not in package.scripts:
        return _more(
            f"{package.path} has no script that builds", package_evidence(package, "start"),
            "add the script `build`",
        )  # fmt: skip
    programs = tuple(expanded(package, ("npm", "run", "build")))
    unknown = _more("what the script `build` makes isn't known", evidence)
    builds = [words for words in programs if words and posixpath.basename(words[0]) == tool]
    if len(builds) != 1:
        return unknown
    found = frontend_build(facts.end.context, source, builds[0], settings)
    if not isinstance(found, FrontendBuild):
        return _more(found.detail, found.evidence) if found is not None else unknown
    filled = outputs(programs, launch.cwd, package, facts.end)
    folder = posixpath.normpath(posixpath.join(launch.cwd, posixpath.relpath(found.folder, source or ".")))
    if (
        filled != (folder,)
        or found.framework != _FRAMEWORKS.get(tool, "Create React App")
        or found.pages is not Pages.SINGLE
    ):
        return unknown
    if found.base != "/":
        return _more(
            f"the build is made for the path {found.base or './'}", found.evidence,
            "build in a RUN step and hand the files out under that path",
        )  # fmt: skip
    return found


def _listens(
    facts: StageFacts, tool: str, words: list[str], settings: Mapping[str, str], launch: Launch
) -> int | Refused:
    """Return the port, where the server listens on every address of the container."""
    given: dict[str, str] = {}
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in _OPTIONS:
            return _refused(launch, f"what nginx has for {name} isn't known")
        if not equals and rest and not rest[0].startswith("-"):
            value = rest.pop(0)
        given[name] = value
    own = _configuration(facts, launch, tool)
    if isinstance(own, Refused):
        return own
    key = "server" if tool == "vite" else "devServer"
    port = given.get("--port") or (own.get(key, "port") if own is not None else None)
    host = given.get("--host", own.get(key, "host") if own is not None else None)
    if tool in _OF_ENVIRONMENT and "--port" not in given:
        port = settings.get("PORT") or port
    if tool == "vite" and host is None:
        return _refused(
            launch, "vite listens on localhost, and so nobody outside the container is answered",
            "start it with --host",
        )  # fmt: skip
    if host not in (None, True) and host not in _EVERY:
        return _refused(launch, f"the development server listens on {host}")
    number = str(port if port is not None else _PORTS[tool])
    if not number.isdigit() or not 0 < int(number) < 65536:
        return _refused(launch, "where the development server listens isn't known")
    return int(number)


def _has_port(words: list[str]) -> bool:
    return any(word.partition("=")[0] == "--port" for word in words)


def _configuration(facts: StageFacts, launch: Launch, tool: str) -> Exported | Refused | None:
    """Return the tool's configuration; refused where its server does more than hand out files."""
    if tool == "react-scripts":
        return None
    stem, key = ("vite.config", "server") if tool == "vite" else ("vue.config", "devServer")
    for ending in ("js", "mjs", "ts", "cjs", "mts", "cts"):
        text = facts.end.read(posixpath.join(launch.cwd, f"{stem}.{ending}"))
        if text is None:
            continue
        own = exported(text)
        if own is None or not own.is_alone or "configureServer" in own.names:
            return _refused(launch, f"{stem}.{ending} isn't understood")
        for name in ("https", "before", "after", "headers", "setupMiddlewares"):
            found = own.get(key, name)
            if found is not None and (found is not UNKNOWN or name in own.names):
                return _refused(
                    launch, f"{stem}.{ending} has `{key}.{name}`, which isn't translated for nginx",
                    "write an nginx configuration for it, and build in a RUN step",
                )  # fmt: skip
        return own
    return None


def _more(detail: str, evidence: Evidence, remedy: str = "") -> Refused:
    return Refused("compiles-at-start", detail, (evidence,), remedy)


def _refused(launch: Launch, detail: str, remedy: str = "") -> Refused:
    return _more(detail, launch.evidence, remedy)
