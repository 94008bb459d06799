"""What must be equal between the original image and the refactored one; pure, and said in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from .engine import Answer, Behaviour, Entry, Image

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

COMPLAINTS = (
    "ModuleNotFoundError",
    "ImportError",
    "Cannot find module",
    "cannot open shared object file",
    "command not found",
    "executable file not found",
    "No such file or directory",
    "ENOENT",
    "Permission denied",
    "EACCES",
)
"""Words in a log that tell of something missing."""


def config_differences(before: Image, after: Image, dockerfile: str) -> tuple[str, ...]:
    """Every way in which the effective configuration differs; `dockerfile` is the author's text."""
    return tuple(_config_differences(before, after, dockerfile))


def _config_differences(before: Image, after: Image, dockerfile: str) -> Iterator[str]:
    yield from _unequal("platform", before.platform, after.platform)
    if after.user is None:
        yield f"User: the refactored image doesn't know {after.config.get('User')!r}"
    else:
        yield from _unequal("User (as uid, gid)", before.user, after.user)
    for name in ("Entrypoint", "Cmd", "OnBuild", "Shell"):
        old, new = before.config.get(name) or [], after.config.get(name) or []
        if not (name == "Entrypoint" and (old in PASSING or not old) and (new in PASSING or not new)):
            yield from _unequal(name, old, new)
    for name in ("ExposedPorts", "Volumes", "Labels", "Healthcheck"):
        yield from _unequal(name, before.config.get(name) or {}, after.config.get(name) or {})
    yield from _unequal(
        "StopSignal", before.config.get("StopSignal") or "", after.config.get("StopSignal") or ""
    )
    yield from _working_directory(before, after)
    yield from _environment(before, after, dockerfile)


def server_differences(before: Image, after: Image) -> tuple[str, ...]:
    """Every way in which the configuration differs, beside what another server has to bring."""
    return tuple(_server_differences(before, after))


def _server_differences(before: Image, after: Image) -> Iterator[str]:
    yield from _unequal("platform", before.platform, after.platform)
    yield from _unequal("User (as uid, gid)", before.user, after.user)
    yield from _unequal("Cmd", ["nginx", "-g", "daemon off;"], after.config.get("Cmd"))
    for name in ("OnBuild", "Volumes", "Labels", "Healthcheck"):
        yield from _unequal(name, before.config.get(name) or {}, after.config.get(name) or {})
    ports, new_ports = (set(image.config.get("ExposedPorts") or {}) for image in (before, after))  # type: ignore[call-overload]
    yield from _unequal("ExposedPorts", ports | {"80/tcp"}, new_ports | {"80/tcp"})
    yield from _unequal(
        "WorkingDir", before.config.get("WorkingDir") or "/", after.config.get("WorkingDir") or "/"
    )
    old, new = variables(before), variables(after)
    for name in sorted(new):
        if name not in ("PATH", "PORT") and not name.startswith(
            ("NGINX_", "NJS_", "PKG_", "DYNPKG_", "ACME_")
        ):
            yield from _unequal(f"Env {name}", old.get(name), new[name])


def _working_directory(before: Image, after: Image) -> Iterator[str]:
    folder, new_folder = (str(image.config.get("WorkingDir") or "/") for image in (before, after))
    yield from _unequal("WorkingDir", folder, new_folder)
    if folder == new_folder:
        yield from _unequal(
            f"{folder} itself", _words(before.entries.get(folder)), _words(after.entries.get(folder))
        )


def _environment(before: Image, after: Image, dockerfile: str) -> Iterator[str]:
    old, new = variables(before), variables(after)
    for name in sorted({*old, *new} - {"PATH"}):
        if name in BASE_VARIABLES and name not in dockerfile:
            continue
        if name in BUILD_VARIABLES and name not in new:
            continue
        yield from _unequal(f"Env {name}", old.get(name), new.get(name))
    old_path, new_path = (tuple(filter(None, env.get("PATH", "").split(":"))) for env in (old, new))
    kept = [entry for entry in old_path if (found := after.entries.get(entry)) and found.is_directory]
    for entry in kept:
        if entry not in new_path:
            yield f"Env PATH: {entry} exists in the refactored image and is lost from {':'.join(new_path)}"
    order = [entry for entry in new_path if entry in kept]
    if sorted(order) == sorted(kept) and order != kept:
        yield f"Env PATH: the order changed from {':'.join(kept)} to {':'.join(order)}"


def variables(image: Image) -> Mapping[str, str]:
    """The environment as a map."""
    entries = image.config.get("Env") or []
    assert isinstance(entries, list)
    return {name: value for name, _, value in (str(entry).partition("=") for entry in entries)}


def behaviour_differences(
    before: Behaviour, after: Behaviour, *, is_replaced: bool = False
) -> tuple[str, ...]:
    """Every way in which what the containers did differs; `is_replaced`: by another server."""
    return tuple(_behaviour_differences(before, after, is_replaced=is_replaced))


def _behaviour_differences(before: Behaviour, after: Behaviour, *, is_replaced: bool) -> Iterator[str]:
    yield from _unequal("start", before.start_error, after.start_error)
    yield from _unequal("ended by itself", before.has_ended, after.has_ended)
    if not is_replaced or before.has_ended:
        # what a server ends with when it is stopped is its own affair
        yield from _unequal("exit code", before.exit_code, after.exit_code)
    yield from _unequal("listening ports", before.ports, after.ports)
    yield from _unequal("health", before.health, after.health)
    yield from _unequal("commands beside it", before.commands, after.commands)
    if before.has_ended:
        yield from _unequal("standard output", before.stdout, after.stdout)
    yield from _unequal("number of answers", len(before.answers), len(after.answers))
    answers, new_answers = (
        [_meant(answer) if is_replaced else answer for answer in one.answers] for one in (before, after)
    )
    for old, new in zip(answers, new_answers, strict=False):
        for field in ("error", "status", "content_type", "location", "cache_control", "encoding", "body"):
            yield from _unequal(f"{asked(old)}: {field}", getattr(old, field), getattr(new, field))
    for word in COMPLAINTS:
        if word in after.stdout + after.stderr and word not in before.stdout + before.stderr:
            yield f"log: only the refactored container says {word!r}"


def asked(answer: Answer) -> str:
    """The request as people write it."""
    return answer.path if " " in answer.path else f"GET {answer.path}"


_SAME_TYPES = {"application/javascript": "text/javascript", "application/xml": "text/xml"}


def _meant(answer: Answer) -> Answer:
    """What an answer means to a browser: another server has other names for the same, and its own errors."""
    kind, _, parameters = (answer.content_type or "").lower().partition(";")
    charset = "" if parameters.strip() == "charset=utf-8" else parameters.strip()
    kind = f"{_SAME_TYPES.get(kind.strip(), kind.strip())} {charset}".strip()
    if answer.status is not None and answer.status >= 300:
        location = answer.location.removeprefix("http://localhost") if answer.location else None
        return replace(answer, content_type=None, location=location, body=b"", cache_control=None)
    return replace(answer, content_type=kind)


def unmet(
    behaviour: Behaviour,
    *,
    status: int | None = None,
    body: str | None = None,
    stdout: str | None = None,
    exit_code: int | None = None,
) -> tuple[str, ...]:
    """Which of the things a case says of its container didn't come true; texts need only be contained."""
    return tuple(_unmet(behaviour, status, body, stdout, exit_code))


def _unmet(
    behaviour: Behaviour, status: int | None, body: str | None, stdout: str | None, exit_code: int | None
) -> Iterator[str]:
    if behaviour.start_error:
        yield f"not started: {behaviour.start_error}"
        return
    if status is not None or body is not None:
        if behaviour.has_ended:
            yield f"ended with exit code {behaviour.exit_code} instead of serving"
        if not behaviour.answers:
            yield "no answer"
        for answer in behaviour.answers[:1]:
            yield from _unmet_answer(answer, 200 if status is None else status, body)
        if behaviour.health not in (None, "healthy"):
            yield f"health is {behaviour.health}"
        for code, output in behaviour.commands:
            if code:
                yield f"a command beside it ended with {code}: {output.strip()}"
    elif not behaviour.has_ended:
        yield "still running"
    if stdout is not None and stdout not in behaviour.stdout:
        yield f"standard output lacks {stdout!r}"
    if exit_code is not None and behaviour.exit_code != exit_code:
        yield f"exit code is {behaviour.exit_code}, not {exit_code}"


def _unmet_answer(answer: Answer, status: int, body: str | None) -> Iterator[str]:
    if answer.error:
        yield f"GET {answer.path}: {answer.error}"
        return
    if answer.status != status:
        yield f"GET {answer.path}: status is {answer.status}, not {status}"
    if body is not None and body not in answer.body.decode(errors="replace"):
        yield f"GET {answer.path}: the body lacks {body!r}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns: the first is text, the others are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if at else cell.ljust(w)
            for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _words(entry: Entry | None) -> str:
    if entry is None:
        return "missing"
    return f"{'folder' if entry.is_directory else 'file'} {entry.mode:o} {entry.owner}:{entry.group}"


def _unequal(what: str, before: object, after: object) -> Iterator[str]:
    if before != after:
        yield f"{what}: {_short(before)} became {_short(after)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"
