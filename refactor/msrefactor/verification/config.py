"""The configuration of both images, field by field (`Config` of `docker image inspect`, OCI `config`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msrefactor.verification.differences import Difference, Level, unequal
from msrefactor.verification.images import Entry, Image, variables

BASE_VARIABLES = frozenset(
    {
        # what the official images say about their own making
        "GPG_KEY",
        "PYTHON_GET_PIP_SHA256",
        "PYTHON_GET_PIP_URL",
        "PYTHON_PIP_VERSION",
        "PYTHON_SETUPTOOLS_VERSION",
        "PYTHON_SHA256",
        "PYTHON_VERSION",
        "NODE_VERSION",
        "YARN_VERSION",
        "GOLANG_VERSION",
        "GOPATH",
        "MAVEN_HOME",
        "MAVEN_CONFIG",
        "JAVA_VERSION",
        "CARGO_HOME",
        "CARGO_NET_OFFLINE",
        "RUSTUP_HOME",
        "RUST_VERSION",
        # where a base image keeps its certificates
        "NODE_EXTRA_CA_CERTS",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    }
)
"""Variables that a base image brings and another need not, unless the author's file names them."""

BUILD_VARIABLES = frozenset(
    {
        # `go help environment`: read by the go command; a compiled program reads none of them
        "CGO_ENABLED",
        "GO111MODULE",
        "GOARCH",
        "GOARM",
        "GOCACHE",
        "GOEXPERIMENT",
        "GOFLAGS",
        "GOINSECURE",
        "GOMODCACHE",
        "GONOPROXY",
        "GONOSUMDB",
        "GOOS",
        "GOPRIVATE",
        "GOPROXY",
        "GOSUMDB",
        "GOTOOLCHAIN",
        # read by Maven and Gradle
        "MAVEN_OPTS",
        "MAVEN_ARGS",
        "GRADLE_OPTS",
        "GRADLE_USER_HOME",
        # debconf(7): read when packages are installed
        "DEBIAN_FRONTEND",
    }
)
"""Variables that may be lost, but never changed, whoever set them."""

PASSING = (["/usr/local/bin/mvn-entrypoint.sh"], ["/__cacert_entrypoint.sh"], ["docker-entrypoint.sh"])
"""Entrypoints of base images that prepare something and then start the command they are given."""

MAKING_LABELS = (
    "org.opencontainers.image.created", "org.opencontainers.image.revision", "org.label-schema.build-date",
    "org.label-schema.vcs-ref", "io.buildah.version",
)  # fmt: skip
"""Labels that tell when and by what an image was made: two builds of one file differ in them."""
BASE_LABELS = ("maintainer", "org.opencontainers.image.", "org.label-schema.")
"""Labels that base images bring; they count only where the author's file names them."""


def config_differences(before: Image, after: Image, dockerfile: str) -> tuple[Difference, ...]:
    """Return every way in which the effective configuration differs; `dockerfile` is the author's text."""
    return tuple(_config_differences(before, after, dockerfile))


def _differ(subject: str, before: object, after: object, cause: str = "") -> Iterator[Difference]:
    return unequal(Level.CONFIG, subject, before, after, cause)


def _config_differences(before: Image, after: Image, dockerfile: str) -> Iterator[Difference]:
    yield from _differ("platform", before.platform, after.platform)
    yield from _user(before, after)
    for name in ("Entrypoint", "Cmd", "OnBuild", "Shell"):
        old, new = before.config.get(name) or [], after.config.get(name) or []
        if not (name == "Entrypoint" and (old in PASSING or not old) and (new in PASSING or not new)):
            yield from _differ(name, old, new, _fate(name, old, new))
    yield from _differ(
        "ExposedPorts", sorted(_ports(before)), sorted(_ports(after)), "people publish the ports it names"
    )
    for name in ("Volumes", "Healthcheck"):
        yield from _differ(name, before.config.get(name) or {}, after.config.get(name) or {})
    yield from _differ("Labels", _labels(before, dockerfile), _labels(after, dockerfile))
    yield from _differ(
        "StopSignal", before.config.get("StopSignal") or "", after.config.get("StopSignal") or ""
    )
    yield from _working_directory(before, after)
    yield from _environment(before, after, dockerfile)


def server_differences(before: Image, after: Image) -> tuple[Difference, ...]:
    """Return every way in which the configuration differs, beside what another server has to bring."""
    return tuple(_server_differences(before, after))


def _server_differences(before: Image, after: Image) -> Iterator[Difference]:
    yield from _differ("platform", before.platform, after.platform)
    yield from _user(before, after)
    yield from _differ("Cmd", ["nginx", "-g", "daemon off;"], after.config.get("Cmd"))
    for name in ("OnBuild", "Volumes", "Healthcheck"):
        yield from _differ(name, before.config.get(name) or {}, after.config.get(name) or {})
    yield from _differ("Labels", _labels(before, ""), _labels(after, ""))
    ports, new_ports = (sorted(_ports(image) | {"80/tcp"}) for image in (before, after))
    yield from _differ("ExposedPorts", ports, new_ports)
    folder, new_folder = (str(image.config.get("WorkingDir") or "/") for image in (before, after))
    yield from _differ("WorkingDir", folder, new_folder)
    old, new = variables(before.config), variables(after.config)
    for name in sorted(new):
        if name not in ("PATH", "PORT") and not name.startswith(
            ("NGINX_", "NJS_", "PKG_", "DYNPKG_", "ACME_")
        ):
            yield from _differ(f"Env {name}", old.get(name), new[name])


def _user(before: Image, after: Image) -> Iterator[Difference]:
    if after.user is None:
        name = str(after.config.get("User"))
        yield Difference(
            Level.CONFIG, "User", f"{before.user}", "unknown", f"the refactored image doesn't know {name!r}"
        )
    else:
        yield from _differ("User (as uid, gid)", before.user, after.user)


def _fate(name: str, old: object, new: object) -> str:
    if name in ("Entrypoint", "Cmd") and old and not new:
        return "nothing of it is started any more"
    return ""


def _ports(image: Image) -> frozenset[str]:
    """Return the exposed ports, each with its protocol."""
    ports = image.config.get("ExposedPorts")
    names = map(str, ports) if isinstance(ports, dict) else ()
    return frozenset(name if "/" in name else f"{name}/tcp" for name in names)


def _labels(image: Image, dockerfile: str) -> Mapping[str, object]:
    labels = image.config.get("Labels")
    return {
        name: value
        for name, value in (labels.items() if isinstance(labels, dict) else ())
        if name not in MAKING_LABELS and (not name.startswith(BASE_LABELS) or name in dockerfile)
    }


def _working_directory(before: Image, after: Image) -> Iterator[Difference]:
    folder, new_folder = (str(image.config.get("WorkingDir") or "/") for image in (before, after))
    yield from _differ("WorkingDir", folder, new_folder, "relative paths are looked up there")
    if folder == new_folder:
        yield from _differ(
            f"{folder} itself", described(before.entries.get(folder)), described(after.entries.get(folder))
        )


def _environment(before: Image, after: Image, dockerfile: str) -> Iterator[Difference]:
    old, new = variables(before.config), variables(after.config)
    for name in sorted({*old, *new} - {"PATH"}):
        if name in BASE_VARIABLES and name not in dockerfile:
            continue
        if name in BUILD_VARIABLES and name not in new:
            continue
        yield from _differ(f"Env {name}", old.get(name), new.get(name))
    old_path, new_path = (tuple(filter(None, env.get("PATH", "").split(":"))) for env in (old, new))
    kept = [entry for entry in old_path if (found := after.entries.get(entry)) and found.is_directory]
    for entry in kept:
        if entry not in new_path:
            yield Difference(
                Level.CONFIG,
                "Env PATH",
                ":".join(old_path),
                ":".join(new_path),
                f"{entry} exists in the refactored image and is lost from it",
            )
    order = [entry for entry in new_path if entry in kept]
    if sorted(order) == sorted(kept) and order != kept:
        yield Difference(
            Level.CONFIG, "Env PATH", ":".join(kept), ":".join(order), "another program may be found first"
        )


def described(entry: Entry | None) -> str:
    """Return an entry in words."""
    if entry is None:
        return "missing"
    return f"{'folder' if entry.is_directory else 'file'} {entry.mode:o} {entry.owner}:{entry.group}"
