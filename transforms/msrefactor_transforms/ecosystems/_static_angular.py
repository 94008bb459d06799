"""`ng serve`: what its command line and angular.json tell it, and the build that leaves the same application.

Options and defaults: Angular CLI 6 to 20 (`dev-server` of `@angular-devkit/build-angular` and
`@angular/build`). The server compiles one configuration of the build, as a rule `development`, and
`ng build` another, as a rule `production`. Where the two put other files in place of the environment's, the
build is told to take the server's.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msrefactor.code.frontend import FrontendBuild, Project, Unclear
from msrefactor.code.frontend_angular import Workspace, built_by, workspace
from msrefactor.code.javascript_tokens import javascript_tokens
from msrefactor.code.needs import SourceReader
from msrefactor.code.node_package import NodePackage
from msrefactor.facts import StageFacts
from msrefactor.model import Refused
from msrefactor_transforms.ecosystems._node_projects import expanded, manager_of
from msrefactor_transforms.ecosystems._static_starts import Launch

_EVERY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - what the development server is told
_SERVERS = frozenset({"dev-server"})
_OWNERS = frozenset({"@angular-devkit/build-angular", "@angular/build", "@ngx-env/builder"})
"""Packages whose builders take their settings from angular.json alone."""
_VALUED = frozenset({"host", "port", "configuration", "project", "proxy-config"})
_IGNORED = frozenset(
    "poll disable-host-check live-reload open watch hmr verbose progress public-host allowed-hosts "
    "no-live-reload no-open no-watch no-hmr no-progress".split()
)
"""Options that say how people work with the server, and nothing of what it answers."""
_SHORT = {"-c": "configuration", "-o": "open", "-p": "port"}
_RUNNERS = {"npm": "npx", "yarn": "yarn", "pnpm": "pnpm"}


@dataclass(frozen=True, slots=True)
class AngularServer:
    """What `ng serve` serves."""

    build: FrontendBuild
    command: str
    """The command line that leaves the same files."""
    port: int
    proxy: str
    """The file that says what is forwarded, from the root of the build context; "" for none."""
    is_production: bool
    """Whether the build is optimised, as the server's isn't."""


def angular_server(
    facts: StageFacts, launch: Launch, package: NodePackage, source: str, settings: Mapping[str, str]
) -> AngularServer | Refused:
    """Return what a command line `ng serve` comes to; `source` is the project's folder in the context."""
    options = _options(launch)
    if isinstance(options, Refused):
        return options
    project = Project(facts.end.context, source, package, launch.words, settings)
    found = workspace(project)
    name = found.default_project(options.get("project")) if found is not None else None
    if found is None or name is None:
        return _refused(launch, "which project of angular.json is served isn't known")
    target = found.target(name, "serve")
    owner, _, kind = str(target.get("builder", "")).rpartition(":")
    builder = str(found.target(name, "build").get("builder", "")).rpartition(":")[0]
    if kind not in _SERVERS or not {owner, builder} <= _OWNERS:
        return _refused(launch, f"what {owner or 'the builder'}:{kind} serves isn't known")
    chosen = options.get("configuration")
    told = found.options(name, "serve", chosen)
    unknown = next((key for key in ("ssl", "servePath", "headers") if told.get(key)), None)
    if unknown is not None:
        return _refused(launch, f"angular.json has `serve.{unknown}`, which isn't translated for nginx")
    port = _port(launch, {**told, **options})
    if isinstance(port, Refused):
        return port
    served = str(told.get("buildTarget") or told.get("browserTarget") or "").split(":")
    if served[:2] != [name, "build"]:
        return _refused(launch, "what angular.json says of the served build isn't known")
    configuration = served[2] if len(served) > 2 and served[2] else None
    if configuration is None:
        default = found.target(name, "build").get("defaultConfiguration")
        configuration = default if isinstance(default, str) else None
    proxy = options.get("proxy-config") or told.get("proxyConfig") or ""
    made = _build(facts, launch, package, project, found, name, configuration)
    if isinstance(made, Refused):
        return made
    command, built, is_production = made
    return AngularServer(built, command, port, project.path(str(proxy)) if proxy else "", is_production)


def _options(launch: Launch) -> dict[str, str] | Refused:
    """Return the options that matter, by their names with dashes."""
    given: dict[str, str] = {}
    rest = list(launch.words[2:])
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            given["project"] = word
            continue
        option, equals, value = word.partition("=")
        name = _SHORT.get(option, "".join(f"-{c.lower()}" if c.isupper() else c for c in option[2:]))
        if name not in _VALUED | _IGNORED:
            return _refused(launch, f"what nginx has for ng serve's {option} isn't known")
        is_behind = not equals and bool(rest) and not rest[0].startswith("-")
        if is_behind and (name in _VALUED or rest[0] in ("true", "false") or rest[0].isdigit()):
            value = rest.pop(0)
        if name in _VALUED:
            given[name] = value
    return given


def _port(launch: Launch, told: Mapping[str, Any]) -> int | Refused:
    host = told.get("host", "localhost")
    if host not in _EVERY:
        return _refused(
            launch, f"ng serve listens on {host}, and so nobody outside the container is answered",
            "start it with --host 0.0.0.0",
        )  # fmt: skip
    number = str(told.get("port", 4200))
    if not number.isdigit() or not 0 < int(number) < 65536:
        return _refused(launch, "where ng serve listens isn't known")
    return int(number)


def _build(
    facts: StageFacts,
    launch: Launch,
    package: NodePackage,
    project: Project,
    found: Workspace,
    name: str,
    served: str | None,
) -> tuple[str, FrontendBuild, bool] | Refused:
    """Return the command that builds what is served, what it leaves, and whether it optimises."""
    manager = manager_of(facts, launch.cwd)
    programs = [words for words in expanded(package, ("npm", "run", "build")) if words]
    scripted = _scripted(programs, found, name) if "build" in package.scripts else ()
    own = {**package.dependencies, **package.dev_dependencies}
    if scripted:
        (configuration,) = scripted
        if _is_same(project.context, found, name, configuration, served):
            made = built_by(project, found, name, configuration)
            return _checked(launch, made, f"{manager} run build", configuration != served)
    if "@angular/cli" not in own and launch.words[0] != "ng":
        return _refused(launch, "package.json doesn't have @angular/cli")
    runner = f"{_RUNNERS[manager]} ng" if "@angular/cli" in own else "ng"
    several = f" {name}" if len(found.document.get("projects") or ()) > 1 else ""
    option = f" --configuration {served}" if served is not None else ""
    return _checked(launch, built_by(project, found, name, served), f"{runner} build{several}{option}", False)


def _scripted(
    programs: Sequence[tuple[str, ...]], found: Workspace, name: str
) -> tuple[str | None] | tuple[()]:
    """Return the configuration that the script `build` has; () where it does more than `ng build`."""
    rest = [words for words in programs if words[0] not in ("npm", "npx", "yarn", "pnpm")]
    if len(rest) != 1 or posixpath.basename(rest[0][0]) != "ng" or rest[0][1:2] not in (("build",), ("b",)):
        return ()
    default = found.target(name, "build").get("defaultConfiguration")
    configuration = default if isinstance(default, str) else None
    words = list(rest[0][2:])
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        if option in ("--configuration", "-c") and (equals or words):
            configuration = value if equals else words.pop(0)
        elif option == "--prod":
            configuration = "production"
        elif word not in ("--aot", "--progress=false", "--no-progress", name):
            return ()
    return (configuration,)


def _is_same(
    reader: SourceReader, found: Workspace, name: str, built: str | None, served: str | None
) -> bool:
    """Whether two configurations put the same values in place, but for one that says which of both it is."""
    one, other = _replaced(found, name, built), _replaced(found, name, served)
    place = posixpath.dirname(found.path)
    for file in {*one, *other}:
        texts = []
        for chosen in (one, other):
            text = reader.read_text(posixpath.normpath(posixpath.join(place, chosen.get(file, file))))
            texts.append(_without_mode(text))
        if texts[0] is None or texts[0] != texts[1]:
            return False
    return True


def _replaced(found: Workspace, name: str, configuration: str | None) -> dict[str, str]:
    options = found.options(name, "build", configuration if configuration is not None else "")
    pairs = options.get("fileReplacements") or ()
    made: dict[str, str] = {}
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, dict):
            old = pair.get("replace") or pair.get("src")
            new = pair.get("with") or pair.get("replaceWith")
            made[str(old)] = str(new)
    return made


def _without_mode(text: str | None) -> list[str] | None:
    """Return the words of a file of settings, less the value of `production`."""
    tokens = javascript_tokens(text) if text is not None else None
    if tokens is None:
        return None
    words = [token.text for token in tokens]
    for at in range(len(words) - 2):
        if words[at] == "production" and words[at + 1] in (":", "=") and words[at + 2] in ("true", "false"):
            words[at + 2] = "?"
    return [word for word in words if word not in (",", ";")]


def _checked(
    launch: Launch, built: FrontendBuild | Unclear, command: str, is_production: bool
) -> tuple[str, FrontendBuild, bool] | Refused:
    if isinstance(built, Unclear):
        return Refused("compiles-at-start", built.detail, (built.evidence,))
    if built.base != "/":
        return _refused(
            launch, f"the build is made for the path {built.base or './'}",
            "build in a RUN step and hand the files out under that path",
        )  # fmt: skip
    return command, built, is_production


def _refused(launch: Launch, detail: str, remedy: str = "") -> Refused:
    return Refused("compiles-at-start", detail, (launch.evidence,), remedy)
