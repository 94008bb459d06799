"""What a development server forwards: package.json, src/setupProxy.js, and the tools' own configurations."""

from __future__ import annotations

import posixpath

from msrefactor.code.frontend_proxy import (
    Forward,
    Untold,
    forwards_of_angular,
    forwards_of_package,
    forwards_of_setup,
    forwards_of_vite,
    forwards_of_vue,
)
from msrefactor.code.javascript_values import Exported
from msrefactor.code.node_package import NodePackage
from msrefactor.facts import StageFacts
from msrefactor.model import Evidence, Refused
from msrefactor_transforms.ecosystems._node_projects import package_evidence
from msrefactor_transforms.ecosystems._static_forwarded import unseen_host
from msrefactor_transforms.ecosystems._static_starts import Launch

_REMEDY = "write an nginx configuration that forwards these paths, and build in a RUN step"
_SETUPS = ("src/setupProxy.js", "src/setupProxy.ts", "src/setupProxy.cjs")


def forwards_of_react(
    facts: StageFacts, launch: Launch, package: NodePackage
) -> tuple[Forward, ...] | Refused:
    """Return what Create React App forwards: by a file of its own, or by package.json."""
    versions = {**package.dev_dependencies, **package.dependencies}
    for name in _SETUPS:
        path = facts.end.origin(posixpath.join(launch.cwd, name))
        if path is None or not facts.end.context.is_file(path):
            continue
        text = facts.end.context.read_text(path) or ""
        if package.proxy is not None:
            return _refused(Untold("package.json has `proxy` as well"), path, Evidence(path, None, ""))
        made = forwards_of_setup(text, versions.get("http-proxy-middleware", ""))
        return _checked(made, path, Evidence(path, None, ""))
    if package.proxy is None:
        return ()
    evidence = package_evidence(package, "proxy")
    return _checked(forwards_of_package(package.proxy), package.path, evidence)


def forwards_of_configuration(
    launch: Launch, tool: str, own: Exported | None
) -> tuple[Forward, ...] | Refused:
    """Return what Vite or Vue CLI forward, as their configuration says."""
    key, stem = ("server", "vite.config") if tool == "vite" else ("devServer", "vue.config")
    value = own.get(key, "proxy") if own is not None else None
    if value is None:
        return ()
    made = forwards_of_vite(value) if tool == "vite" else forwards_of_vue(value)
    return _checked(made, f"`{key}.proxy` of {stem}", launch.evidence)


def forwards_of_file(facts: StageFacts, launch: Launch, path: str) -> tuple[Forward, ...] | Refused:
    """Return what the file says that Angular's proxyConfig names; it lies in the build context."""
    evidence = Evidence(path, None, "")
    text = facts.end.context.read_text(path)
    if text is None:
        return _refused(Untold("it isn't in the build context"), path, launch.evidence)
    return _checked(forwards_of_angular(text, path.endswith(".json")), path, evidence)


def _checked(
    made: tuple[Forward, ...] | Untold, name: str, evidence: Evidence
) -> tuple[Forward, ...] | Refused:
    if isinstance(made, Untold):
        return _refused(made, name, evidence)
    unseen = unseen_host(made)
    if unseen is not None:
        return _refused(Untold(f"no name server knows {unseen}"), name, evidence)
    return made


def _refused(why: Untold, name: str, evidence: Evidence) -> Refused:
    detail = f"{name} forwards requests to another server, and {why.detail}"
    return Refused("compiles-at-start", detail, (evidence,), _REMEDY)
