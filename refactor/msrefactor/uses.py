"""Other ways in which the image is started: compose, Kubernetes, Procfile, dev containers, scripts and CI.

What stands in the Dockerfile is not all that a container needs. Everything here is read as text and never
run; what can't be parsed is skipped, and what isn't likely to be about this image is left out.
"""

from __future__ import annotations

import os
import posixpath
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from msrefactor.context import KEEPING_FOLDERS
from msrefactor.manifests import json_value
from msrefactor.model import Evidence
from msrefactor.walk import is_dockerfile_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from yaml.nodes import Node

    from msrefactor.compose import Service
    from msrefactor.context import BuildContext, ProjectFiles
    from msrefactor.invocations import Call

UseKind: TypeAlias = Literal[
    "command",
    "entrypoint",
    "healthcheck",
    "user",
    "bind-mount",
    "volume",
    "port",
    "environment",
    "target",
    "build-arg",
    "working-dir",
    "exec",
    "development",
    "restricted",
]

MAX_FILES = 2_000
"""Files read in one project."""
_MAX_TEXT = 200
_MAX_NODES = 50_000

_GENERIC_FOLDERS = KEEPING_FOLDERS | {
    ".", "src", "app", "code", "context", "project", "repo", "workspace", "tmp", ".devcontainer", "images",
    "image",
}  # fmt: skip
"""Folders whose name says nothing about the image that is built in them."""

_PUBLIC_IMAGES = frozenset(
    {"alpine", "busybox", "debian", "ubuntu", "fedora", "centos", "postgres", "postgresql",
     "postgis", "pgvector", "timescaledb", "pgbouncer", "mysql", "mariadb", "mongo", "mongodb",
     "redis", "redis-stack", "valkey", "keydb", "memcached", "rabbitmq", "kafka", "zookeeper",
     "nats", "etcd", "consul", "vault", "elasticsearch", "opensearch", "kibana", "logstash",
     "filebeat", "fluentd", "fluent-bit", "vector", "grafana", "loki", "promtail", "tempo",
     "prometheus", "alertmanager", "node-exporter", "jaeger", "all-in-one",
     "opentelemetry-collector", "opentelemetry-collector-contrib", "nginx", "httpd", "caddy",
     "traefik", "envoy", "haproxy", "minio", "mc", "localstack", "adminer", "pgadmin4",
     "phpmyadmin", "mailhog", "mailpit", "keycloak", "oauth2-proxy", "cloudflared", "certbot",
     "registry", "pause", "kubectl", "curl", "wait-for-it", "python", "node", "golang", "openjdk",
     "eclipse-temurin", "ruby", "php", "rust", "maven", "gradle", "bash", "git", "cassandra",
     "clickhouse-server", "influxdb", "cockroach", "neo4j", "couchdb", "solr", "selenium",
     "temporal", "qdrant", "weaviate", "chroma", "milvus", "ollama", "hello-world", "docker",
     "dind", "sonarqube", "jenkins"}
)  # fmt: skip
"""Names of images that somebody else makes, whatever the registry."""

_PUBLIC_OWNERS = frozenset(
    {"library", "bitnami", "prom", "grafana", "jetstack", "google-containers", "google_containers",
     "registry.k8s.io", "k8s.gcr.io", "mcr.microsoft.com", "prometheus", "istio", "linkerd",
     "hashicorp", "confluentinc", "elastic"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Use:
    """One way in which the image is started, or one setting it is started with.

    - `command`, `entrypoint`: replaces CMD or ENTRYPOINT; `argv` words, or `shell` text for a shell;
      a `command` is given to the entrypoint as it would be in the Dockerfile.
    - `healthcheck`, `exec`: runs in the running container, beside its main process; a `healthcheck` with the
      value `none` switches the image's own off.
    - `bind-mount`: `value` is `source:target`; a source in the build context is relative to it (`.` is all).
    - `volume`: `value` is where a volume that outlives the container is mounted.
    - `port`: the container's, `8080` or `53/udp`. `user`: `name` or `uid:gid`. `working-dir`: a path.
    - `environment`, `build-arg`: `NAME=value`, or `NAME` if there is no value, it looks like a secret, or it
      stands in a file (`env_file`).
    - `target`: the stage that is built. `development`: people work in the container.
    - `restricted`: `value` is the setting that takes from the container what root may do by default.
    """

    kind: UseKind
    argv: tuple[str, ...] | None
    shell: str | None
    value: str | None
    evidence: Evidence


def find_uses(context: BuildContext, dockerfile: Path | None) -> tuple[Use, ...]:
    """Return all uses of the image that the project's files tell of, each once.

    Reads the files of `context.project`. A file that isn't what its name says is skipped.
    """
    place = _place(context, dockerfile)
    if place is None:
        return ()
    composed = tuple(service for file in place.named(_is_compose) for service in _services_of(place, file))
    scripted = place.project.remembered("scripted", lambda: tuple(_scripted(place)))
    image = _image(place, composed, scripted)
    found: dict[tuple[object, ...], Use] = {}
    for use in (
        *(use for service in composed if image.is_service(service) for use in _of_service(place, service)),
        *_of_kubernetes(place, image),
        *_of_procfiles(place),
        *_of_dev_containers(place),
        *(use for file, call in scripted for use in _of_call(place, image, file, call)),
    ):
        found.setdefault((use.kind, use.argv, use.shell, use.value), use)
    return tuple(found.values())


# --- where things are ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """The project, and where the Dockerfile and its context lie in it (paths from the project's root)."""

    project: ProjectFiles
    context: str | None
    dockerfile: str
    shown_from: tuple[str, str] | None
    """The Dockerfile's folder, as it is and as the user wrote it, if that was a relative path."""
    files: tuple[str, ...]

    def named(self, accepts: Callable[[str], bool]) -> tuple[str, ...]:
        """Return the project's files with an accepted path, nearest to the root first, capped."""
        return self.project.remembered(
            accepts,
            lambda: tuple(
                sorted(filter(accepts, self.files), key=lambda file: (file.count("/"), file))[:MAX_FILES]
            ),
        )

    def text(self, file: str) -> str:
        """Return a file's text, "" for one that can't be read."""
        return self.project.read_text(file) or ""

    def evidence(self, file: str, line: int | None, text: str) -> Evidence:
        """Return evidence that names the file as the user would, from where the Dockerfile was named."""
        shown = file
        if self.shown_from is not None:
            real, written = self.shown_from
            absolute = posixpath.join(str(self.project.root), file)
            shown = posixpath.normpath(posixpath.join(written, os.path.relpath(absolute, real)))
        text = " ".join(text.split())
        return Evidence(shown, line, text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…")

    def words(self, kind: UseKind, argv: Iterable[str], file: str, line: int | None, label: str) -> Use:
        """Return a use with a list of words."""
        words = tuple(argv)
        shown = f"{label}: {' '.join(_redacted(words))}"
        return Use(kind, words, None, None, self.evidence(file, line, shown))

    def shell(self, kind: UseKind, text: str, file: str, line: int | None, label: str) -> Use:
        """Return a use with a text for a shell."""
        shown = f"{label}: {' '.join(_redacted(text.split()))}"
        return Use(kind, None, text, None, self.evidence(file, line, shown))

    def value(self, kind: UseKind, value: str, file: str, line: int | None, label: str) -> Use:
        """Return a use with a value that may be shown."""
        return Use(kind, None, None, value, self.evidence(file, line, f"{label}: {value}"))

    def variable(self, kind: UseKind, pair: tuple[str, str | None], file: str, line: int, label: str) -> Use:
        """Return a use of an environment variable or build argument; its value is never shown."""
        from msrefactor.compose import is_secret

        name, value = pair
        kept = name if value is None or "$" in value or is_secret(name, value) else f"{name}={value}"
        return Use(kind, None, None, kept, self.evidence(file, line, f"{label}: {name}"))

    def source(self, base: str, path: str) -> str:
        """Return a host path relative to the build context if it lies there, else as written."""
        from msrefactor.compose import inside

        real = inside(base, path)
        if real is None or self.context is None:
            return path
        relative = posixpath.relpath("/" + real, "/" + self.context)
        return path if relative == ".." or relative.startswith("../") else relative


def _place(context: BuildContext, dockerfile: Path | None) -> _Place | None:
    """Return where things are; None if the project, or the Dockerfile's place in it, isn't known."""
    top = context.project.root
    if top is None:
        return None
    root = None if context.root is None else _inside(top, context.root)
    shown_from = None
    if dockerfile is None:
        file = None if root is None else posixpath.join(root, "Dockerfile")
    else:
        folder = os.path.realpath(dockerfile.parent)
        file = _inside(top, Path(folder) / dockerfile.name)
        if not dockerfile.is_absolute():
            shown_from = (folder, str(dockerfile.parent))
    if file is None:
        return None
    return _Place(context.project, root, file, shown_from, context.project.files())


def _inside(top: Path, path: Path) -> str | None:
    """Return a path from the project's root, "" for itself; None if it lies elsewhere."""
    relative = os.path.relpath(path, top)
    if relative == ".." or relative.startswith("../"):
        return None
    return "" if relative == "." else relative


def _is_compose(file: str) -> bool:
    from msrefactor.compose import is_compose_name

    return is_compose_name(posixpath.basename(file))


def _services_of(place: _Place, file: str) -> tuple[Service, ...]:
    from msrefactor.compose import services

    return place.project.remembered(("services", file), lambda: services(file, place.project.read_text))


# --- which image this is ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Image:
    """What the image, its services and its containers are called."""

    dockerfile: str
    services: frozenset[tuple[str, str]]
    """Folder of the compose file, and name of the service."""
    images: frozenset[str]
    """As the project's own files call what they build from this Dockerfile."""
    names: frozenset[str]
    """Last parts of image names that mean it."""
    containers: frozenset[str]

    def is_service(self, service: Service) -> bool:
        """Tell whether a service runs the image: it builds it, overrides one that does, or names it."""
        if service.build is not None and not _is_named(service.build.dockerfile, self.dockerfile):
            return False
        return (posixpath.dirname(service.file), service.name) in self.services

    def is_image(self, image: str) -> bool:
        """Tell whether an image of this name is this one."""
        return image in self.images or base_name(image) in self.names


def base_name(image: str) -> str:
    """Return the last part of an image's name, in lower case: no registry, owner, tag or digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()


def _image(place: _Place, composed: tuple[Service, ...], scripted: tuple[tuple[str, Call], ...]) -> _Image:
    builders = [
        s for s in composed if s.build is not None and _is_named(s.build.dockerfile, place.dockerfile)
    ]
    images = {service.image for service in builders if service.image}
    for file, call in scripted:
        if call.verb == "build" and _builds(place, file, call):
            images.update(call.values("tag"))
    images.update(_pushed_by_actions(place))
    names = _folder_names(place) | {base_name(image) for image in images}
    names = {name for name in names if name and "$" not in name and name not in _PUBLIC_IMAGES}

    services = {(posixpath.dirname(service.file), service.name) for service in builders}
    for service in composed:
        key = (posixpath.dirname(service.file), service.name)
        if service.build is not None or key in services:
            continue
        if service.image is not None and (service.image in images or base_name(service.image) in names):
            services.add(key)
    known = _Image(place.dockerfile, frozenset(services), frozenset(images), frozenset(names), frozenset())
    containers = set(names)
    for service in filter(known.is_service, composed):
        containers.add(service.name)
        containers.add(_text_of(service, "container_name") or service.name)
    for _, call in scripted:
        if call.verb == "run" and known.is_image(call.subject):
            containers.update(call.values("name"))
    return replace(known, containers=frozenset(containers))


def _is_named(named: str | None, dockerfile: str) -> bool:
    """Tell whether a file's name means this one: docker takes `dockerfile` where there is no `Dockerfile`."""
    if named is None:
        return False
    folder, file = posixpath.split(named)
    return named == dockerfile or (
        file == "Dockerfile" and dockerfile == posixpath.join(folder, file.lower())
    )


def _folder_names(place: _Place) -> set[str]:
    """Return the image names that the folders suggest: people name an image after its folder."""
    folder, file = posixpath.split(place.dockerfile)
    repository = posixpath.basename(str(place.project.root)).lower()
    above = [*reversed(folder.lower().split("/")), posixpath.basename(place.context or "").lower()]
    own = next((name for name in above if name and name not in _GENERIC_FOLDERS), repository)
    if folder and own == repository and place.project.is_file("Dockerfile"):
        return set()  # the repository's name is that of the Dockerfile at its root
    stem = file.lower()
    variant = stem.removesuffix(".dockerfile").removeprefix("dockerfile").removeprefix("containerfile")
    variant = variant.strip(".-_")
    if variant and stem not in {"dockerfile", "containerfile"}:
        names = {variant, f"{own}-{variant}", f"{repository}-{variant}"}
    else:
        names = {own, f"{repository}-{own}", own.removesuffix("-docker").removeprefix("docker-")}
    return names - _GENERIC_FOLDERS


def _builds(place: _Place, file: str, call: Call) -> bool:
    """Tell whether a `docker build` in the script's folder or the project's root builds this Dockerfile."""
    from msrefactor.compose import inside

    if call.folder is None:
        return False
    named = next(iter(call.values("file")), None)
    for base in (posixpath.dirname(file), ""):
        start = inside(base, call.folder or ".")
        root = None if start is None else inside(start, call.subject)
        if start is None or root is None:
            continue
        built = posixpath.join(root, "Dockerfile") if named is None else inside(start, named)
        if built is not None and place.project.is_file(built):
            return built == place.dockerfile
    return False


def _pushed_by_actions(place: _Place) -> Iterator[str]:
    """Yield the tags that a workflow's docker/build-push-action gives to this Dockerfile's image."""
    from msrefactor.compose import documents, get, inside, pairs, scalar

    for file in place.named(_is_workflow):
        text = place.text(file)
        if "docker/build-push-action" not in text:
            continue
        for node in _mappings(documents(text)):
            if not (scalar(get(node, "uses")) or "").startswith("docker/build-push-action"):
                continue
            options = {name: scalar(value) or "" for name, _, value in pairs(get(node, "with"))}
            root = inside("", options.get("context") or ".")
            named = options.get("file")
            built = (
                inside("", named) if named else None if root is None else posixpath.join(root, "Dockerfile")
            )
            if built == place.dockerfile:
                yield from (tag.strip() for tag in options.get("tags", "").replace(",", "\n").split("\n"))


def _mappings(roots: Iterable[Node]) -> Iterator[Node]:
    """Yield every mapping of the documents once, however often an alias names it."""
    from msrefactor.compose import is_list, is_mapping

    pending: list[Node] = list(roots)[::-1]
    seen: set[int] = set()
    while pending and len(seen) < _MAX_NODES:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if is_mapping(node):
            yield node
            pending.extend(value for _, value in reversed(node.value))
        elif is_list(node):
            pending.extend(reversed(node.value))


# --- compose ------------------------------------------------------------------------------------------


def _text_of(service: Service, *names: str) -> str | None:
    """Return the text under a chain of keys, known variables filled in."""
    from msrefactor.compose import interpolated, scalar

    found = service.get(*names)
    text = None if found is None else scalar(found[0])
    return None if text is None else interpolated(text, service.variables)


def _of_service(place: _Place, service: Service) -> Iterator[Use]:
    from msrefactor.compose import get, interpolated, is_list, items, line, scalar

    label = f"compose service {service.name}"
    for key, kind in _COMPOSE_COMMANDS:
        found = service.get(key)
        if found is not None:
            yield from _launch(place, kind, found[0], found[1], f"{label}, {key}")
    for key in ("post_start", "pre_stop"):
        for node, file in service.all(key):
            for hook in items(node):
                command = get(hook, "command")
                if command is not None:
                    yield from _launch(place, "exec", command, file, f"{label}, {key}")
    yield from _health(place, service, label)
    for key, kind in _COMPOSE_VALUES:
        found = service.get(*key.split("."))
        text = _text_of(service, *key.split("."))
        if found is not None and text:
            yield place.value(kind, text, found[1], line(found[0]), f"{label}, {key}")
    for key, variable in (("environment", "environment"), ("build.args", "build-arg")):
        for node, file in service.all(*key.split(".")):
            for pair, number in _variables(node):
                yield place.variable(variable, pair, file, number, f"{label}, {key}")  # type: ignore[arg-type]
    for node, file in service.all("env_file"):
        for item in items(node) if is_list(node) else (node,):
            named = interpolated(scalar(item) or scalar(get(item, "path")) or "", service.variables)
            yield from _environment_file(place, posixpath.dirname(file), named, f"{label}, env_file")
    for key in ("ports", "expose"):
        for node, file in service.all(key):
            for item in items(node):
                text = scalar(item)
                if text is None:
                    target, protocol = scalar(get(item, "target")), scalar(get(item, "protocol"))
                    port = None if target is None else f"{target}/udp" if protocol == "udp" else target
                else:
                    port = _container_port(interpolated(text, service.variables))
                if port is not None:
                    yield place.value("port", port, file, line(item), f"{label}, {key}")
    if (_text_of(service, "read_only") or "").lower() in {"true", "yes", "on"}:
        for node, file in service.all("read_only"):
            yield place.value("restricted", "read_only", file, line(node), label)
    for node, file in service.all("cap_drop"):
        if items(node):
            yield place.value("restricted", "cap_drop", file, line(node), label)
    for node, file in service.all("volumes"):
        for item in items(node) if is_list(node) else ():
            mount = _compose_mount(place, item, file, service.variables)
            if mount is not None:
                which: UseKind = "bind-mount" if ":" in mount else "volume"
                yield place.value(which, mount, file, line(item), f"{label}, volumes")


_COMPOSE_COMMANDS: tuple[tuple[str, UseKind], ...] = (("entrypoint", "entrypoint"), ("command", "command"))
_COMPOSE_VALUES: tuple[tuple[str, UseKind], ...] = (
    ("user", "user"),
    ("working_dir", "working-dir"),
    ("build.target", "target"),
)


def _launch(place: _Place, kind: UseKind, node: Node, file: str, label: str) -> Iterator[Use]:
    """Yield the use of a command: a list of words, or a text that compose splits into words itself."""
    from msrefactor.compose import interpolated, is_list, items, line, scalar

    if is_list(node):
        words = [scalar(item) for item in items(node)]
        if None not in words:
            yield place.words(kind, (interpolated(word) for word in words if word), file, line(node), label)
        return
    text = scalar(node)
    if text is None:
        return
    text = interpolated(text)
    try:
        yield place.words(kind, shlex.split(text), file, line(node), label)
    except ValueError:
        yield place.shell(kind, text, file, line(node), label)


def _health(place: _Place, service: Service, label: str) -> Iterator[Use]:
    from msrefactor.compose import interpolated, is_list, items, line, scalar

    disabled = service.get("healthcheck", "disable")
    if disabled is not None and (_text_of(service, "healthcheck", "disable") or "").lower() in {
        "true",
        "yes",
        "on",
    }:
        yield place.value("healthcheck", "none", disabled[1], line(disabled[0]), f"{label}, healthcheck")
        return
    found = service.get("healthcheck", "test")
    if found is None:
        return
    node, file = found
    number = line(node)
    if not is_list(node):
        text = scalar(node)
        if text is not None:
            yield place.shell("healthcheck", interpolated(text), file, number, f"{label}, healthcheck")
        return
    words = [interpolated(scalar(item) or "") for item in items(node)]
    if words[:1] == ["NONE"]:
        yield place.value("healthcheck", "none", file, number, f"{label}, healthcheck")
    elif words[:1] == ["CMD-SHELL"] and len(words) > 1:
        yield place.shell("healthcheck", words[1], file, number, f"{label}, healthcheck")
    elif words:
        argv = words[1:] if words[0] == "CMD" else words
        yield place.words("healthcheck", argv, file, number, f"{label}, healthcheck")


def _variables(node: Node) -> Iterator[tuple[tuple[str, str | None], int]]:
    """Yield name, value and line of a mapping, or of a list of `NAME=value`."""
    from msrefactor.compose import interpolated, items, line, pairs, scalar

    for name, key, value in pairs(node):
        text = scalar(value)
        yield (name, None if text is None else interpolated(text)), line(key)
    for item in items(node):
        name, equals, text = (scalar(item) or "").partition("=")
        if name:
            yield (name, interpolated(text) if equals else None), line(item)


def _environment_file(place: _Place, folder: str, named: str, label: str) -> Iterator[Use]:
    """Yield the variables that a file of the project gives a container: their names, never the values."""
    from msrefactor.compose import inside

    path = inside(folder, named) if named and "$" not in named else None
    lines = place.text(path).splitlines()[:MAX_FILES] if path is not None else ()
    for number, text in enumerate(lines, 1):
        name = text.strip().removeprefix("export ").partition("=")[0].strip()
        if path is not None and name.isidentifier():
            yield place.variable("environment", (name, None), path, number, label)


def _container_port(text: str) -> str | None:
    """Return the container's side of `[[ip:]host:]container[/protocol]`; None if it isn't numeric."""
    port = text.rpartition(":")[2]
    number, slash, protocol = port.partition("/")
    if not number or not all(part.isdigit() for part in number.split("-")):
        return None
    return f"{number}/{protocol}" if slash and protocol != "tcp" else number


def _compose_mount(place: _Place, item: Node, file: str, variables: Mapping[str, str]) -> str | None:
    """Return `source:target` of a bind mount, the target of a volume; None for what isn't kept."""
    from msrefactor.compose import get, interpolated, scalar

    text = scalar(item)
    if text is not None:
        source, target = _split_mount(interpolated(text, variables))
    else:
        if scalar(get(item, "type")) not in ("bind", "volume"):
            return None
        source = interpolated(scalar(get(item, "source")) or "", variables)
        target = interpolated(scalar(get(item, "target")) or "", variables)
    if not target or not source:
        return None
    if not source.startswith((".", "/", "~", "$")):
        return target if ":" not in target else None
    return f"{place.source(posixpath.dirname(file), source)}:{target}"


def _split_mount(text: str) -> tuple[str, str]:
    """Return source and target of `source:target[:mode]`; a colon inside `${…}` doesn't count."""
    parts = [""]
    depth = 0
    for position, char in enumerate(text):
        depth += text.startswith("${", position) - (char == "}" and depth > 0)
        if char == ":" and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])


# --- Kubernetes and Helm values -----------------------------------------------------------------------


def _is_manifest(file: str) -> bool:
    return file.lower().endswith((".yaml", ".yml")) and not _is_compose(file) and not _is_workflow(file)


def _of_kubernetes(place: _Place, image: _Image) -> Iterator[Use]:
    """Yield the uses of the containers that run the image; of templates nothing is known."""
    containers = place.project.remembered("containers", lambda: tuple(_containers(place)))
    ours = [c for c in containers if image.is_image(c[2])]
    if not ours and containers and place.project.remembered("dockerfiles", lambda: _dockerfiles(place)) == 1:
        # With one Dockerfile in the project, what nobody else makes must be this.
        ours = [c for c in containers if not _is_public(c[2])]
    for file, node, _, user in ours:
        yield from _of_container(place, file, node, user)


def _dockerfiles(place: _Place) -> int:
    """Return how many Dockerfiles the project has."""
    return sum(is_dockerfile_name(posixpath.basename(file)) for file in place.files)


def _containers(place: _Place) -> Iterator[tuple[str, Node, str, Node | None]]:
    """Yield file, node and image of each container in manifests, and the pod's user."""
    from msrefactor.compose import documents, get, items, path, scalar

    for file in place.named(_is_manifest):
        text = place.text(file)
        if "{{" in text or "image" not in text or not ("containers" in text or "repository" in text):
            continue
        is_values = posixpath.basename(file).lower().startswith("values")
        for root in documents(text):
            is_manifest = (
                scalar(get(root, "apiVersion")) is not None and scalar(get(root, "kind")) is not None
            )
            for node in _mappings([root]) if is_manifest or is_values else ():
                user = path(node, "securityContext", "runAsUser")
                for key in ("containers", "initContainers"):
                    for container in items(get(node, key)):
                        name = scalar(get(container, "image"))
                        if name is not None:
                            yield file, container, name, user
                repository = scalar(path(node, "image", "repository")) if is_values else None
                if repository is not None:
                    yield file, node, repository, path(node, "podSecurityContext", "runAsUser")


def _of_container(place: _Place, file: str, node: Node, pod_user: Node | None) -> Iterator[Use]:
    from msrefactor.compose import get, items, line, path, scalar

    name = scalar(get(node, "name"))
    label = f"container {name}" if name else "container"
    launches: list[tuple[UseKind, str, Node | None]] = [
        ("entrypoint", "command", get(node, "command")),
        ("command", "args", get(node, "args")),
        *(("healthcheck", probe, path(node, probe, "exec", "command")) for probe in _PROBES),
        *(
            ("exec", hook, path(node, "lifecycle", hook, "exec", "command"))
            for hook in ("postStart", "preStop")
        ),
    ]
    for kind, key, value in launches:
        words = [scalar(item) for item in items(value)]
        if value is not None and words and None not in words:
            yield place.words(kind, [w for w in words if w is not None], file, line(value), f"{label}, {key}")
    user = path(node, "securityContext", "runAsUser") or pod_user
    group = path(node, "securityContext", "runAsGroup")
    number = scalar(user)
    if user is not None and number:
        value_ = f"{number}:{scalar(group)}" if scalar(group) else number
        yield place.value("user", value_, file, line(user), f"{label}, runAsUser")
    read_only = path(node, "securityContext", "readOnlyRootFilesystem")
    if read_only is not None and (scalar(read_only) or "").lower() == "true":
        yield place.value("restricted", "readOnlyRootFilesystem", file, line(read_only), label)
    dropped = path(node, "securityContext", "capabilities", "drop")
    if dropped is not None and items(dropped):
        yield place.value("restricted", "capabilities.drop", file, line(dropped), label)
    directory = get(node, "workingDir")
    text = scalar(directory)
    if directory is not None and text:
        yield place.value("working-dir", text, file, line(directory), f"{label}, workingDir")
    for item in items(get(node, "ports")):
        port = scalar(get(item, "containerPort"))
        if port is not None:
            suffix = "/udp" if scalar(get(item, "protocol")) == "UDP" else ""
            yield place.value("port", port + suffix, file, line(item), f"{label}, containerPort")
    for item in items(get(node, "env")):
        variable = scalar(get(item, "name"))
        if variable:
            pair = (variable, scalar(get(item, "value")))
            yield place.variable("environment", pair, file, line(item), f"{label}, env")


_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def _is_public(image: str) -> bool:
    """Tell whether somebody else makes the image, as far as its name tells."""
    owners = image.partition("@")[0].lower().split("/")[:-1]
    return base_name(image) in _PUBLIC_IMAGES or not _PUBLIC_OWNERS.isdisjoint(owners)


# --- Procfile and dev containers ----------------------------------------------------------------------


def _of_procfiles(place: _Place) -> Iterator[Use]:
    """Yield the commands of the Procfile that lies beside the Dockerfile, in its context or at the root."""
    folders = (place.context, posixpath.dirname(place.dockerfile), "")
    for folder in dict.fromkeys(folder for folder in folders if folder is not None):
        file = posixpath.join(folder, "Procfile")
        for number, line in enumerate(place.text(file).splitlines(), 1):
            name, colon, command = line.partition(":")
            if colon and command.strip() and not line.lstrip().startswith("#") and " " not in name.strip():
                yield place.shell("command", command.strip(), file, number, f"Procfile {name.strip()}")


def _of_dev_containers(place: _Place) -> Iterator[Use]:
    """Yield that people work in the container, and what is run there, if a dev container builds this file."""
    from msrefactor.compose import inside

    for file in place.named(_is_dev_container):
        text = place.text(file)
        settings = json_value(without_comments(text))
        if not isinstance(settings, dict):
            continue
        build = settings.get("build")
        named = build.get("dockerfile") if isinstance(build, dict) else settings.get("dockerFile")
        if not isinstance(named, str) or inside(posixpath.dirname(file), named) != place.dockerfile:
            continue
        shown = f"the dev container is built from {named}"
        evidence = place.evidence(file, _line_of(text, f'"{named}"'), shown)
        yield Use("development", None, None, None, evidence)
        target = build.get("target") if isinstance(build, dict) else None
        if isinstance(target, str):
            yield place.value("target", target, file, _line_of(text, f'"{target}"'), "dev container target")
        for key in ("containerUser", "remoteUser"):
            user = settings.get(key)
            if isinstance(user, str):
                yield place.value("user", user, file, _line_of(text, f'"{key}"'), f"dev container {key}")
        for key in _DEV_CONTAINER_COMMANDS:
            value = settings.get(key)
            for command in value.values() if isinstance(value, dict) else (value,):
                number = _line_of(text, f'"{key}"')
                if isinstance(command, str) and command:
                    yield place.shell("exec", command, file, number, f"dev container {key}")
                elif isinstance(command, list) and all(isinstance(word, str) for word in command):
                    yield place.words("exec", command, file, number, f"dev container {key}")


_DEV_CONTAINER_FILES = frozenset({"devcontainer.json", ".devcontainer.json"})
_DEV_CONTAINER_COMMANDS = (
    "onCreateCommand",
    "updateContentCommand",
    "postCreateCommand",
    "postStartCommand",
    "postAttachCommand",
)


def without_comments(text: str) -> str:
    """Return JSON with comments and trailing commas as plain JSON, of the same length."""
    result = list(text)
    position = 0
    comma: int | None = None
    while position < len(text):
        char = text[position]
        end = position + 1
        if char == '"':
            while end < len(text) and text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            end += 1
            comma = None
        elif text.startswith(("//", "/*"), position):
            closing = "\n" if text[position + 1] == "/" else "*/"
            found = text.find(closing, position + 2)
            end = len(text) if found < 0 else found + (2 if closing == "*/" else 0)
            result[position:end] = [c if c == "\n" else " " for c in text[position:end]]
        elif char == ",":
            comma = position
        elif char in "]}":
            if comma is not None:
                result[comma] = " "
            comma = None
        elif not char.isspace():
            comma = None
        position = end
    return "".join(result)


def _line_of(text: str, part: str) -> int | None:
    """Return the 1-based line on which a part first stands; None if it isn't there."""
    position = text.find(part)
    return None if position < 0 else text.count("\n", 0, position) + 1


# --- Makefiles, scripts and CI ------------------------------------------------------------------------


def _is_workflow(file: str) -> bool:
    name = posixpath.basename(file).lower()
    if not name.endswith((".yml", ".yaml")):
        return False
    return (
        ".github/workflows/" in f"/{file}"
        or name.removesuffix(".yml").removesuffix(".yaml") in _CI_FILES
        or (
            file.startswith((".circleci/", ".gitlab/", ".buildkite/", ".woodpecker/", ".forgejo/", ".gitea/"))
        )
    )


_CI_FILES = frozenset(
    {".gitlab-ci", ".travis", "azure-pipelines", "bitbucket-pipelines", ".drone", "appveyor", "buildspec",
     ".woodpecker", ".cirrus", "taskfile"}
)  # fmt: skip


def _is_makefile(file: str) -> bool:
    name = posixpath.basename(file)
    return name in {"Makefile", "makefile", "GNUmakefile", "justfile", "Justfile"} or name.endswith(".mk")


def _is_script(file: str) -> bool:
    return file.endswith((".sh", ".bash"))


def _is_scripted(file: str) -> bool:
    return _is_script(file) or _is_makefile(file) or _is_workflow(file)


def _is_dev_container(file: str) -> bool:
    return posixpath.basename(file) in _DEV_CONTAINER_FILES


def _scripted(place: _Place) -> Iterator[tuple[str, Call]]:
    """Yield the file and content of each call of docker in the project's Makefiles, scripts and CI."""
    from msrefactor.compose import documents
    from msrefactor.invocations import calls

    for file in place.named(_is_scripted):
        text = place.text(file)
        if not any(program in text for program in ("docker", "podman", "nerdctl")):
            continue
        if _is_script(file):
            yield from ((file, call) for call in calls(text))
        elif _is_makefile(file):
            for number, recipe in _recipes(text):
                yield from ((file, replace(call, line=call.line + number - 1)) for call in calls(recipe))
        else:
            for number, script in _embedded(documents(text)):
                yield from ((file, replace(call, line=call.line + number - 1)) for call in calls(script))


def _recipes(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and text of each recipe line that calls docker, plain variables filled in."""
    from msrefactor.invocations import logical_lines

    values: dict[str, str] = {}
    for number, line in logical_lines(text):
        if not line[:1].isspace():
            name, equals, value = line.partition("=")
            name = name.rstrip(":?+ \t")
            if equals and name.replace("_", "").isalnum() and "#" not in value:
                values.setdefault(name, _filled(value.strip(), values))
        elif any(program in line for program in ("docker", "podman", "nerdctl")):
            yield number, _filled(line.lstrip().lstrip("@-+"), values).replace("$$", "$")


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Return the text with `$(NAME)` and `${NAME}` of a Makefile replaced where the value is known."""
    for name, value in values.items():
        if "$" not in value:
            text = text.replace(f"$({name})", value).replace(f"${{{name}}}", value)
    return text.replace("$(CURDIR)", ".").replace("$(PWD)", ".")


def _embedded(roots: Iterable[Node]) -> Iterator[tuple[int, str]]:
    """Yield the first line and text of each scalar that calls docker; `${{ … }}` becomes a variable."""
    from msrefactor.compose import is_list, items, line, pairs, scalar

    for node in _mappings(roots):
        for _, _, value in pairs(node):
            for item in items(value) if is_list(value) else (value,):
                text = scalar(item)
                if text is None or not any(program in text for program in ("docker", "podman", "nerdctl")):
                    continue
                is_block = getattr(item, "style", None) in {"|", ">"}
                yield line(item) + is_block, _without_expressions(text)


def _without_expressions(text: str) -> str:
    pieces = []
    position = 0
    while (start := text.find("${{", position)) >= 0 and (end := text.find("}}", start)) >= 0:
        pieces.append(text[position:start] + "${EXPRESSION}" + "\n" * text.count("\n", start, end))
        position = end + 2
    return "".join(pieces) + text[position:]


def _of_call(place: _Place, image: _Image, file: str, call: Call) -> Iterator[Use]:
    """Yield what a `docker run` or `docker exec` of this image uses."""
    services = {name for _, name in image.services}
    is_service = call.verb in {"compose-run", "compose-exec"} and call.subject in services
    if call.verb == "run" and not image.is_image(call.subject):
        return
    if call.verb == "exec" and not _is_container(call.subject, image.containers):
        return
    if call.verb == "build" or (call.verb.startswith("compose") and not is_service):
        return
    verb = call.verb.removeprefix("compose-")
    label = f"docker {verb} {call.subject}"
    if call.text:
        kind: UseKind = "exec" if verb == "exec" else "command"
        if call.argv is not None:
            yield place.words(kind, call.argv, file, call.line, label)
        else:
            yield place.shell(kind, call.text, file, call.line, label)
    for entrypoint in call.values("entrypoint"):
        yield place.words("entrypoint", (entrypoint,) if entrypoint else (), file, call.line, label)
    for command in call.values("health-cmd"):
        yield place.shell("healthcheck", command, file, call.line, label)
    for option, use in (("user", "user"), ("workdir", "working-dir")):
        for value in call.values(option):
            if "$" not in value:
                yield place.value(use, value, file, call.line, label)  # type: ignore[arg-type]
    for value in call.values("publish"):
        port = _container_port(value)
        if port is not None:
            yield place.value("port", port, file, call.line, label)
    for value in call.values("volume"):
        source, target = _split_mount(_here(value))
        if target and source.startswith((".", "/", "~", "$")):
            base = call.folder if call.folder is not None else "$"
            yield place.value("bind-mount", f"{place.source(base, source)}:{target}", file, call.line, label)
        elif source and target.startswith("/"):
            yield place.value("volume", target, file, call.line, label)
    for value in call.values("env"):
        name, equals, text = value.partition("=")
        if name and "$" not in name:
            yield place.variable("environment", (name, text if equals else None), file, call.line, label)
    for value in call.values("env-file"):
        folder = call.folder if call.folder is not None else "$"
        yield from _environment_file(place, folder, _here(value), f"{label}, --env-file")


def _here(mount: str) -> str:
    """Return the mount with the many ways to write the current folder as `.`."""
    for written in ("${PWD}", "$PWD", "$(pwd)", "`pwd`"):
        if mount.startswith(written):
            return "." + mount[len(written) :]
    return mount


def _is_container(name: str, containers: frozenset[str]) -> bool:
    """Tell whether a container has one of the names, or the one that compose makes from it: `x-web-1`."""
    parts = name.lower().replace("_", "-").split("-")
    return name in containers or (
        len(parts) >= 3 and parts[-1].isdigit() and "-".join(parts[1:-1]) in containers
    )


# --- secrets ------------------------------------------------------------------------------------------


def _redacted(words: Iterable[str]) -> tuple[str, ...]:
    """Return the words with what looks like a secret's value replaced by `…`."""
    from msrefactor.compose import is_secret

    shown = []
    is_value = False
    for word in words:
        name, equals, value = word.partition("=")
        if is_value and not word.startswith("-"):
            shown.append("…")
            is_value = False
            continue
        is_value = word.startswith("-") and not equals and is_secret(word.strip("-"), "")
        if equals and is_secret(name.lstrip("-"), value):
            shown.append(f"{name}=…")
        elif is_secret("", word):
            scheme, _, rest = word.partition("://")
            shown.append(f"{scheme}://…@{rest.partition('@')[2]}")
        else:
            shown.append(word)
    return tuple(shown)
