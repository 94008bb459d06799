"""`docusaurus serve`: serve-handler with settings of its own, which nobody can change.

Sources: `lib/commands/serve.js` and what it calls, of @docusaurus/core 2.4, 3.7 and 3.10. The older ones
listen on every address, whatever `--host` says; none compresses or logs anything.
"""

from __future__ import annotations

import posixpath

from msrefactor.code.javascript_values import exported
from msrefactor.facts import StageFacts
from msrefactor.model import Refused
from msrefactor_transforms.ecosystems._node_projects import package_at
from msrefactor_transforms.ecosystems._static_site import Answers, StaticServer
from msrefactor_transforms.ecosystems._static_starts import Launch

_VALUED = {"-p": "port", "--port": "port", "-h": "host", "--host": "host", "--dir": "dir"}
_CORE = "@docusaurus/core"
_EVERY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - what it is told
_CONFIGURATIONS = tuple(f"docusaurus.config.{ending}" for ending in ("js", "ts", "mjs", "cjs", "mts", "cts"))


def docusaurus(facts: StageFacts, launch: Launch) -> StaticServer | Refused:
    """Return the static server that `docusaurus serve` is, or what nginx can't be told of it."""
    given: dict[str, str] = {}
    rest = list(launch.words[2:])
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in _VALUED and (equals or rest):
            given[_VALUED[name]] = value if equals else rest.pop(0)
        elif word == "--build":
            return Refused(
                "compiles-at-start", "`docusaurus serve --build` compiles when the container starts",
                (launch.evidence,), "build in a RUN step and serve without --build",
            )  # fmt: skip
        elif word != "--no-open":
            return _refused(launch, f"what nginx has for docusaurus serve's {word} isn't known")
    port = given.get("port", "3000")
    if not port.isdigit() or not 0 < int(port) < 65536:
        return _refused(launch, f"where docusaurus serve listens isn't known: {port}")
    if given.get("host") not in _EVERY:
        where = given.get("host", "localhost")
        detail = f"docusaurus serve listens on {where}, or in newer versions nowhere else"
        return _refused(launch, detail, "start it with --host 0.0.0.0")
    names = [posixpath.join(launch.cwd, name) for name in _CONFIGURATIONS]
    text = next((text for name in names if (text := facts.end.read(name)) is not None), None)
    own = exported(text) if text is not None else None
    if own is None or own.get("baseUrl") != "/":
        detail = "docusaurus.config doesn't say literally that the pages lie below /"
        return _refused(launch, detail, "hand the files out with `serve`")
    if own.get("trailingSlash") is not None:
        return _refused(launch, "docusaurus.config has `trailingSlash`, which isn't translated for nginx")
    package = package_at(launch.cwd, facts.end)
    version = {**package.dev_dependencies, **package.dependencies}.get(_CORE, "") if package else ""
    return StaticServer(
        "docusaurus serve",
        posixpath.normpath(posixpath.join(launch.cwd, given.get("dir", "build"))),
        int(port),
        Answers.SERVE,
        launch.evidence,
        address=given["host"] if _is_newer(version) else "::",
        answers_every_method=True,
        is_quiet=True,
    )


def _is_newer(version: str) -> bool:
    """Whether a version listens where it is told and nowhere else."""
    major, _, rest = version.lstrip("^~>=v ").partition(".")
    minor = rest.partition(".")[0]
    return major.isdigit() and minor.isdigit() and (int(major), int(minor)) >= (3, 10)


def _refused(launch: Launch, detail: str, remedy: str = "") -> Refused:
    return Refused("need-not-found", detail, (launch.evidence,), remedy)
