"""A container that only hands out files: nginx does it in the final stage, on the same port.

The base is `nginx:stable-alpine`: no program goes over, so that its libc doesn't matter, and it is the
smallest image that has curl and wget for health checks. Where the port comes from a variable, the image's own
entrypoint fills it in.
"""

from __future__ import annotations

import itertools
import posixpath
from dataclasses import replace

from msrefactor.code.frontend_proxy import upstreams
from msrefactor.code.shell import starts_in
from msrefactor.contract import Start, effective_config, evidence_of, starts
from msrefactor.facts import Role, StageFacts, is_under, overlaps
from msrefactor.knowledge.images import size_mb
from msrefactor.model import Evidence, Refused, Replacement, View
from msrefactor_transforms.ecosystems._node_projects import NodeBuild, NodeInstall
from msrefactor_transforms.ecosystems._static_developed import Developed, developed
from msrefactor_transforms.ecosystems._static_forwarded import RESOLVING, is_looked_up
from msrefactor_transforms.ecosystems._static_servers import server_of
from msrefactor_transforms.ecosystems._static_site import (
    StaticServer,
    nginx_configuration,
    whole_configuration,
)
from msrefactor_transforms.ecosystems._static_starts import Launch, launch_of
from msrefactor_transforms.splitting.plan import Artifact, Level, SplitPlan

IMAGE = "nginx:stable-alpine"
_CONFIGURATION = "/etc/nginx/conf.d/default.conf"
_TEMPLATE = "/etc/nginx/templates/default.conf.template"
_WHOLE = "/etc/nginx/nginx.conf"
_COMMAND = ("nginx", "-g", "daemon off;")
_PROBES = frozenset({"curl", "wget", "nc", "grep", "cat", "test", "sh", "sleep"})
"""What a health check may start: nginx's Alpine image has it."""
_NODE_USERS = {"node": "1000:1000", "1000": "1000", "1000:1000": "1000:1000", "node:node": "1000:1000"}
"""Users that the node images have, as ids."""
_MODULES_MB = 100.0
"""What installed front-end tools weigh at least."""


def site_plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage is split whose container only hands out files; None: it does more than that."""
    if not view.context.known or not any(
        isinstance(effect.detail, NodeInstall | NodeBuild) for _, effect in facts.effects()
    ):
        return None
    launch = launched(view, facts)
    if launch is None:
        return None
    environment = effective_config(view.dockerfile, len(view.dockerfile.stages) - 1).environment
    server = server_of(facts, environment, launch)
    if isinstance(server, StaticServer):
        return replacing_plan(view, facts, server)
    found = server or developed(view, facts, environment, launch)
    if not isinstance(found, Developed):
        return found
    made = replacing_plan(view, facts, found.server, found.after)
    if not isinstance(made, SplitPlan):
        return made
    made = replace(made, assumptions=found.assumptions)
    if not found.build:
        return made
    return replace(made, build_epilogue=(found.build,), epilogue_reads=(found.folder,))


def served(view: View, facts: StageFacts) -> StaticServer | Refused | None:
    """Return the static server that the container is, if that is all it ever starts."""
    launch = launched(view, facts)
    if launch is None:
        return None
    environment = effective_config(view.dockerfile, len(view.dockerfile.stages) - 1).environment
    return server_of(facts, environment, launch)


def launched(view: View, facts: StageFacts) -> Launch | None:
    """Return the one program that the container ever starts."""
    commands: list[Start] = []
    for start in starts(view, facts):
        if start.kind == "command" and start.argv != facts.base.entrypoint:
            commands.append(start)
        elif start.kind != "command" and not _can_probe(start):
            return None
    if any(use.kind == "working-dir" for use in view.uses) or len(commands) != 1:
        return None
    launch = launch_of(facts, commands[0])
    return launch if launch is not None and launch.words else None


def _can_probe(start: Start) -> bool:
    if start.argv is not None:
        names = [posixpath.basename(start.argv[0])] if start.argv else []
    else:
        found = starts_in(start.shell or "")
        if found is None:
            return False
        names = [posixpath.basename(one.name) for one in found]
    return all(name in _PROBES for name in names)


def replacing_plan(
    view: View, facts: StageFacts, server: StaticServer, after: int | None = None
) -> SplitPlan | Refused | None:
    """Return the plan by which nginx hands out what the server did.

    `after` is the instruction that the files are there after; None: the last one that touches them.
    """
    if is_under(server.folder, "/root"):
        detail = f"nginx doesn't run as root all the time, and so can't read {server.folder}"
        return Refused("need-not-found", detail, (server.evidence,), "build in another folder than /root")
    touching = after if after is not None else _touching(facts, server.folder)
    if touching is None:
        return None
    user = _user(view, facts)
    if isinstance(user, Refused):
        return user
    text = nginx_configuration(server)
    if isinstance(text, Refused):
        return text
    prelude: list[str] = []
    environment: dict[str, str] = {}
    path = _CONFIGURATION
    is_rootless = user is not None or any(use.kind == "user" for use in view.uses)
    if server.port_variable:
        environment[server.port_variable] = str(server.port)
    if is_looked_up(server.forwards):
        environment[RESOLVING[0]] = RESOLVING[1]
    has_template = bool(environment)
    if has_template:
        path = _TEMPLATE
    if is_rootless and has_template:
        environment["NGINX_ENVSUBST_OUTPUT_DIR"] = "/tmp"
        prelude.append(_written(view, whole_configuration("include /tmp/default.conf;\n"), _WHOLE))
    elif is_rootless:
        text, path = whole_configuration(text), _WHOLE
    if has_template:
        prelude.append(_written(view, text, path, folder=posixpath.dirname(path)))
    else:
        prelude.append(_written(view, text, path))
    if server.address == "::" and path != _WHOLE:
        prelude.append(_without_ipv6(view, "/tmp/default.conf" if is_rootless else _CONFIGURATION))
    prelude[0:0] = [f"ENV {name}={value}\n" for name, value in environment.items()]
    restricted = [use for use in view.uses if use.kind == "restricted"]
    if restricted:
        return Refused(
            "need-not-found",
            f"the container is started with {restricted[0].value}, and nginx needs what that takes away",
            (restricted[0].evidence,),
            "mount a tmpfs over /tmp and /var/cache/nginx and write the nginx stage yourself",
        )
    if server.port != 80 and _is_found_by_what_it_exposes(view):
        return Refused(
            "need-not-found",
            f"a proxy looks for the port that the image exposes, and {IMAGE} exposes 80 beside {server.port}",
            (server.evidence,),
            f"set VIRTUAL_PORT={server.port} beside VIRTUAL_HOST",
        )
    also = "" if server.port == 80 else ", which exposes 80 as well"
    writes = frozenset(path for _, effect in facts.effects() for path in effect.writes)
    setup = frozenset(
        (fact.index, position)
        for fact in facts.facts
        for position, item in enumerate(fact.items)
        if item.role is Role.SETUP
    )
    saved = max(0.0, (size_mb(facts.base.reference.text) or 200.0) - (size_mb(IMAGE) or 53.0)) + _MODULES_MB
    return SplitPlan(
        ecosystem="site",
        level=Level.RUNTIME,
        runtime_image=IMAGE,
        artifacts=(Artifact(server.folder, touching, f"the files that {server.tool} handed out"),),
        runtime_prelude=tuple(prelude),
        unneeded=writes,
        built=setup,
        obsolete=_obsolete(facts, server, touching),
        replacement=Replacement(
            server.tool,
            _COMMAND,
            path,
            server.folder,
            server.port,
            server.port_variable,
            user,
            tuple(environment.items()),
            upstreams(server.forwards),
        ),
        evidence=(server.evidence,),
        reason=f"hand out {server.folder} by nginx on port {server.port}, as {server.tool} did; "
        f"the final stage starts from {IMAGE}{also}",
        saved_mb=saved,
    )


def _is_found_by_what_it_exposes(view: View) -> bool:
    """Whether nginx-proxy leads to the container without being told its port."""
    names = {(use.value or "").partition("=")[0] for use in view.uses if use.kind == "environment"}
    return "VIRTUAL_HOST" in names and "VIRTUAL_PORT" not in names


def _touching(facts: StageFacts, folder: str) -> int | None:
    """Return the index of the last instruction that brings something into the folder.

    None where packages are installed into the folder itself: then it isn't a built front end.
    """
    last = None
    for fact in facts.facts:
        for effect in fact.effects:
            install = effect.detail
            if isinstance(install, NodeInstall) and is_under(install.folder, folder):
                return None
            writes = any(overlaps(path, folder) for path in effect.writes)
            # where a build writes may be read wrongly: it counts as long as it isn't an installation
            is_build = effect.role in (Role.BUILD, Role.GATE) and not isinstance(install, NodeInstall)
            if is_build or (effect.role >= Role.SETUP and writes):
                last = fact.index
        if fact.keyword in ("COPY", "ADD") and fact.destination is not None:
            paths = [placed.destination for placed in fact.placed] or [fact.destination]
            if any(overlaps(path, folder) for path in paths):
                last = fact.index
    return last


def _obsolete(facts: StageFacts, server: StaticServer, touching: int) -> frozenset[int]:
    """Return the instructions that only the old server needed, and those that follow the last build step."""
    found = set()
    package = server.tool.partition(" ")[0]
    for fact in facts.facts[1:]:
        if fact.keyword in ("RUN", "COPY", "ADD") and fact.index > touching:
            found.add(fact.index)
        details = [effect.detail for effect in fact.effects]
        is_its_own = [
            isinstance(one, NodeInstall) and one.is_global and set(one.packages) <= {package}
            for one in details
        ]
        if fact.keyword == "RUN" and is_its_own and all(is_its_own):
            found.add(fact.index)
    return frozenset(found)


def _user(view: View, facts: StageFacts) -> str | Refused | None:
    """Return the ids of the user that the container runs as; None: root."""
    name = facts.end.user
    if name.split(":")[0] in ("root", "0", ""):
        return None
    if all(part.isdigit() for part in name.split(":")):
        return name
    if facts.base.family == "node" and name in _NODE_USERS:
        return _NODE_USERS[name]
    if any(name in effect.users for _, effect in facts.effects()):
        chosen = _chosen_id(facts, name)
        # an id that nobody chose is an id that nobody counts on
        return f"{chosen}:{chosen}" if chosen else "nginx"
    evidence: tuple[Evidence, ...] = tuple(
        evidence_of(fact.instruction, view.name) for fact in facts.facts if fact.keyword == "USER"
    )
    return Refused(
        "need-not-found",
        f"which id the user {name} has isn't written down, and nginx would have to run as the same",
        evidence[-1:],
        "name the user by its id (USER 1000)",
    )


def _chosen_id(facts: StageFacts, name: str) -> str:
    """Return the id that the command that makes a user gives it, or ""."""
    for fact in facts.runs():
        for item in fact.script.items if fact.script is not None else ():
            for command in item.commands:
                words = [word.literal or "" for word in command.words]
                if name not in words or words[0] not in ("useradd", "adduser"):
                    continue
                for option, value in itertools.pairwise(words):
                    if option in ("-u", "--uid") and value.isdigit():
                        return value
                    if option.startswith("--uid=") and option[6:].isdigit():
                        return option[6:]
    return ""


def _without_ipv6(view: View, path: str) -> str:
    """Return the RUN that prepares for a kernel without IPv6: Node takes IPv4 there, and nginx gives up."""
    script = "/docker-entrypoint.d/40-without-ipv6.sh"
    goes_on = f" {view.dockerfile.escape}\n    "
    lines = (
        f"RUN mkdir -p /docker-entrypoint.d && printf '%s\\n' > {script}",
        "'#!/bin/sh'",
        "'# where the kernel has no IPv6, listen on IPv4 alone'",
        f"'test -e /proc/net/if_inet6 || sed -i \"s/\\[::\\]:\\(.*\\) ipv6only=off/\\1/\" {path}'",
        f"&& chmod +x {script}",
    )
    return goes_on.join(lines) + "\n"


def _written(view: View, text: str, path: str, folder: str = "") -> str:
    """Return the RUN that writes a file, readable line by line; every builder understands it."""
    goes_on = f" {view.dockerfile.escape}\n"
    lines = goes_on.join(f"    '{line}'" for line in text.splitlines())
    making = f"mkdir -p {folder} && " if folder else ""
    return f"RUN {making}printf '%s\\n' > {path}{goes_on}{lines}\n"
