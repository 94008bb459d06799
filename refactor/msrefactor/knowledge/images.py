"""Base images: what a reference in FROM names, and what an image inherits from it.

Everything comes from images.toml (tag grammar, inherited configuration) and tags.tsv (which release a tag
without one means). An image that no table knows is of the family "unknown", and nothing is claimed of it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any

from msrefactor.knowledge.tables import rows, text_of


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image name as Docker reads it: "python:3.12" is docker.io, library/python, 3.12."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None
    text: str

    @property
    def name(self) -> str:
        """The repository as people write it: "python", "oven/bun", "gcr.io/distroless/static"."""
        if self.registry != "docker.io":
            return f"{self.registry}/{self.repository}"
        return self.repository.removeprefix("library/")


@dataclass(frozen=True, slots=True)
class BaseImage:
    """What is known of a base image; the fields after `volumes` serve the package tables."""

    reference: ImageReference
    family: str
    version: str | None = None
    system: str = "unknown"
    release: str | None = None
    releases: tuple[str, ...] = ()
    variant: str = ""
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    workdir: str = "/"
    user: str = ""
    stopsignal: str | None = None
    exposed: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    contents: str | None = None
    commands: tuple[str, ...] = ()
    installs: tuple[str, ...] = ()
    """Packages that the image's own Dockerfile installs, where no table has its contents."""
    passes_on: bool = False
    """Whether the entrypoint only prepares something and starts what it is given; any like it does as well"""
    prefix: str = ""
    """The program that the entrypoint puts before what is no command: options, source, `prefixed`."""
    prefixed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag taken apart; `latest` and no tag have no version."""

    version: str = ""
    kinds: tuple[str, ...] = ()
    is_slim: bool = False
    suite: str = ""  # as written: "bookworm", "alpine", "alpine3.20", "alpine-3.20"


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a tag without a release means: all it meant lately, oldest first, and whether it still moves."""

    releases: tuple[str, ...] = ()
    is_frozen: bool = False
    named: str | None = None


_NAMED_BY_NUMBER = (
    "debian",
    "ubuntu",
    "alpine",
    "buildpack-deps",
)  # debian:12 says its release as debian:bookworm does


_mirrors: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("_mirrors", default=())


@contextmanager
def mirrored(names: tuple[tuple[str, str], ...]) -> Iterator[None]:
    """Let names of a company's copies be read as the public images that they are copies of.

    Each pair is such a name and the public one; both end in a slash, and stand for what is below, or none.
    """
    token = _mirrors.set(names)
    try:
        yield
    finally:
        _mirrors.reset(token)


def public_name(name: str) -> str | None:
    """Return the public name of a repository that is a company's copy; None if it is none."""
    found = _longest(_mirrors.get(), name)
    return None if found is None else found[1] + name[len(found[0]) :]


def mirror_names(text: str) -> Iterator[str]:
    """Yield the names under which a company has a public image, tag and digest included."""
    reference = parse_reference(text)
    public = f"{reference.registry}/{reference.repository}"
    ending = text.strip()[len(_repository(text)) :]
    for mirror, name in _mirrors.get():
        full = _full_name(name)
        if public == full or (full.endswith("/") and public.startswith(full)):
            below = public[len(full) :]
            yield f"{mirror}{below}{ending}"


def is_mirror_variable(name: str) -> bool:
    """Tell whether a build argument without a default names a mirror: `"${PROXY}/" = "docker.io/"`."""
    return any(f"${{{name}}}" in mirror for mirror, _ in _mirrors.get())


def _is_open(reference: ImageReference) -> bool:
    parts = (reference.registry, reference.repository, reference.tag, reference.digest)
    return any("$" in part for part in parts if part is not None)


def _longest(pairs: Iterable[tuple[str, str]], name: str) -> tuple[str, str] | None:
    fitting = [(key, to) for key, to in pairs if name == key or (key.endswith("/") and name.startswith(key))]
    return max(fitting, key=lambda pair: len(pair[0]), default=None)


def _full_name(name: str) -> str:
    """Return a public name, or the beginning of one, with its registry."""
    first, slash, rest = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    if "." in first or ":" in first or first == "localhost":
        return f"docker.io/{rest}" if first in _tables()["registries"]["docker_hub"] else name
    return f"docker.io/{name}"


def _repository(text: str) -> str:
    """Return an image's text without tag and digest."""
    name = text.strip().partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def parse_reference(text: str) -> ImageReference:
    """Return the parts of an image reference; a name that holds a variable is taken as it stands."""
    name, _, digest = text.strip().partition("@")
    head, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    name = f"{head}{slash}{last}"
    name = public_name(name) or name
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, repository = first, rest
    else:
        registry, repository = "docker.io", name
    names = _tables()["registries"]
    for prefix in names["docker_hub_prefixes"]:
        if f"{registry}/{repository}".startswith(prefix):
            registry, repository = "docker.io", f"{registry}/{repository}"[len(prefix) :]
    if registry in names["docker_hub"]:
        registry = "docker.io"
        if repository and "/" not in repository:
            repository = f"library/{repository}"
    return ImageReference(registry, repository, tag if colon else None, digest or None, text)


def describe(text: str) -> BaseImage:
    """Return what is known of the image; its family is "unknown" when nothing is."""
    reference = parse_reference(text)
    name = _canonical(reference)
    if _is_open(reference):
        return BaseImage(reference, "unknown")  # a variable that has no value
    if reference.registry == "docker.io" and reference.repository == "library/scratch":
        return BaseImage(
            reference, "scratch", system="scratch", release="", variant="scratch", contents="scratch"
        )
    if name.startswith("gcr.io/distroless/"):
        return _distroless(reference)
    if name in ("ocaml/opam", "ocaml/opam2", "ocurrent/opam"):
        return _opam(reference)
    if name in ("mambaorg/micromamba", "ghcr.io/mamba-org/micromamba"):
        return _micromamba(reference)
    if name in _tables()["rpm"]["repositories"]:
        return replace(
            BaseImage(reference, name.rsplit("/", 1)[-1]), version=reference.tag, system="rpm", variant="full"
        )
    if name.startswith(("mcr.microsoft.com/windows", "mcr.microsoft.com/dotnet/framework")):
        return BaseImage(reference, "windows", system="windows", variant="full")
    table = _family(name)
    if table is None:
        return BaseImage(reference, "unknown")
    tag = _tag(reference.tag or "", table)
    if _is_windows(reference.tag or ""):
        return BaseImage(reference, table["family"], _version(tag), "windows", variant="windows")
    return _described(reference, table, tag)


def slim_variant(text: str) -> str | None:
    """Return the same image without compilers and headers; None: no such tag, a digest, or slim already."""
    reference = parse_reference(text)
    table = _family(_canonical(reference))
    if table is None or reference.digest or _is_open(reference) or not table.get("slim"):
        return None
    system = describe(text).system
    tag = _tag(reference.tag or "", table)
    if tag.is_slim or tag.suite.startswith("alpine") or set(tag.kinds) & set(table.get("never_slim", ())):
        return None
    if (_major(_version(tag)) or table.get("slim_from", 0)) < table.get("slim_from", 0):
        return None
    if tag.version and tag.version in table.get("not_slim", "").split():
        return None
    if table["family"] == "debian":
        # debian:latest is debian:stable; there is no debian:slim
        slim = f"{reference.tag if reference.tag not in (None, 'latest') else 'stable'}-slim"
    else:
        kinds = tuple(kind for kind in tag.kinds if kind != table.get("whole"))
        slim = _tag_text(replace(tag, kinds=kinds, is_slim=True), table["order"])
    slim = _with_tag(reference, slim)
    # openjdk:17 is Oracle Linux, openjdk:17-slim is Debian
    return slim if describe(slim).system == system != "windows" else None


def pinned(text: str) -> str | None:
    """Return the image with the release written that the tag means today; None when that isn't known."""
    image = describe(text)
    reference = image.reference
    table = _family(_canonical(reference))
    if table is None or reference.digest or not image.releases:
        return None
    tag = _tag(reference.tag or "", table)
    if tag.suite not in ("", "alpine") or (image.release and table["family"] in _NAMED_BY_NUMBER):
        return text
    release = image.releases[-1]
    if table["family"] in ("ubuntu", "alpine"):
        return _with_tag(reference, release)
    if table["family"] == "debian":
        return _with_tag(reference, f"{release}-slim" if tag.is_slim else release)
    if "suite" not in table["order"]:
        return None
    suite = f"{table['alpine']}{release}" if image.system == "alpine" else release
    if table["family"] == "dotnet" and image.system == "debian":
        suite = f"{suite}-slim"
    if table["family"] == "buildpack-deps":
        tag = replace(tag, version="")
    return _with_tag(reference, _tag_text(replace(tag, suite=suite), table["order"]))


def size_mb(text: str) -> float | None:
    """Return an estimate of the image's size in MB (10**6 bytes, unpacked, amd64)."""
    image = describe(text)
    if image.system == "scratch":
        return 0.0
    if image.family == "ocaml/opam":
        return 1400.0
    if image.family == "mambaorg/micromamba":
        return 130.0
    if image.system == "distroless":
        kind = image.reference.repository.removeprefix("distroless/").partition("-debian")[0]
        return _number(
            _tables()["distroless"]["size"].get(kind.rstrip("0123456789") if kind != "python3" else kind)
        )
    table = _family(_canonical(image.reference))
    sizes = table.get("size", {}) if table else {}
    kind = f"{image.variant}-alpine" if image.system == "alpine" else image.variant
    common = "alpine" if image.system == "alpine" else "default"
    major = _major(image.version)
    names = (f"{major}-{kind}", f"{major}-{common}", kind, common)
    return _number(next((sizes[name] for name in names if name in sizes), None))


def _number(value: Any) -> float | None:
    return float(value) if value is not None else None


@cache
def _tables() -> Mapping[str, Any]:
    import tomllib

    return tomllib.loads(text_of("images.toml"))


def _canonical(reference: ImageReference) -> str:
    """Return the repository's name; amd64/python and the like are the official image of one architecture."""
    owner, slash, name = reference.name.partition("/")
    if slash and "/" not in name and owner in _tables()["registries"]["architectures"]:
        return name
    return reference.name


@cache
def _family(name: str) -> Mapping[str, Any] | None:
    table = _tables()["families"].get(name)
    if table is None:
        return None
    if "like" in table:
        table = {**_tables()["families"][table["like"]], **table}
    return {"family": name, "kinds": [""], "alpine": "alpine", **table}


def _tag(text: str, table: Mapping[str, Any]) -> _Tag:
    """Take a tag apart by its words: what comes before the first known word is the version."""
    version: list[str] = []
    kinds: list[str] = []
    suite = ""
    is_slim = False
    words = text.split("-") if text and text != "latest" else []
    known = {word for kind in table["kinds"] for word in kind.split("-")}
    for word in words:
        if _system_of_suite(word) != "unknown":
            suite = word
        elif suite == "alpine" and re.fullmatch(
            r"\d+\.\d+|3\.\d+\.\d+", word
        ):  # as eclipse-temurin writes it
            suite = f"alpine-{word}"
        elif word == "slim" and table.get("slim"):
            is_slim = True
        elif table["order"][0] == "kind" and word[:1].isdigit():
            version.append(word)
        elif word in known or kinds or suite or is_slim or _begins_kind(word, table):
            kinds.append(word)
        else:
            version.append(word)
    return _Tag("-".join(version), tuple(kinds), is_slim, suite)


def _begins_kind(word: str, table: Mapping[str, Any]) -> bool:
    """Tell whether a word of a maven, gradle, tomcat or elixir tag names the JDK or the OTP release."""
    return "kind" in table["order"] and bool(
        re.fullmatch(
            r"jdk\d*|jre\d*|otp|eclipse|amazoncorretto|openjdk|ibmjava|ibm|sapmachine|azulzulu|libericaopenjdk",
            word,
        )
    )


def _tag_text(tag: _Tag, order: Sequence[str]) -> str:
    parts = {
        "version": tag.version,
        "kind": "-".join(tag.kinds),
        "slim": "slim" if tag.is_slim else "",
        "suite": tag.suite,
    }
    return "-".join(parts[part] for part in order if parts[part])


def _with_tag(reference: ImageReference, tag: str) -> str:
    name = reference.text.strip()
    if reference.tag is not None:
        name = name[: -len(reference.tag) - 1]
    return f"{name}:{tag}"


def _system_of_suite(word: str) -> str:
    suites = _tables()["suites"]
    if word in suites["debian_names"]:
        return "debian"
    if word in suites["ubuntu"].values():
        return "ubuntu"
    if re.fullmatch(r"alpine-?[\d.]*", word):
        return "alpine"
    return "rpm" if word in suites["rpm_names"] else "unknown"


def _is_windows(tag: str) -> bool:
    return "windowsservercore" in tag or "nanoserver" in tag


def _version(tag: _Tag) -> str | None:
    found = re.match(r"v?(\d+(?:\.\d+)*)", tag.version)
    return found[1] if found else None


def _major(version: str | None) -> int | None:
    found = re.match(r"\d+", version or "")
    return int(found[0]) if found else None


def _described(reference: ImageReference, table: Mapping[str, Any], tag: _Tag) -> BaseImage:
    version = _version(tag)
    system, meaning = _release(reference, table, tag)
    kind = "-".join(
        word for word in tag.kinds if not re.fullmatch(r"\d{8}", word)
    )  # debian:bookworm-20240101
    if table.get("kinds_are_versions"):
        kind = ""
    if "chiseled" in tag.kinds or "distroless" in tag.kinds:
        system = "distroless"
    if tag.is_slim:
        variant = "slim"
    elif kind and kind == table.get("whole"):
        variant = "full"
    elif "variant" in table:
        variant = table["variant"]
    elif system == "alpine" and not kind:
        variant = "alpine"
    else:
        variant = kind or table["kinds"][0] or "full"
    settings = _settings(table, variant, system, version)
    contents = (
        settings.get("contents", {}).get(variant)
        if system == "debian"
        else system
        if system == "alpine"
        else None
    )
    release = meaning.named or (
        meaning.releases[-1] if meaning.is_frozen and len(meaning.releases) == 1 else None
    )
    return BaseImage(
        reference,
        table["family"],
        version,
        system,
        release,
        meaning.releases,
        variant,
        _environment(settings, version),
        _words(settings.get("entrypoint")),
        _words(settings.get("cmd")),
        settings.get("workdir", "/"),
        "1654" if table["family"] == "dotnet" and system == "distroless" else settings.get("user", ""),
        settings.get("stopsignal"),
        tuple(settings.get("exposed", ())),
        tuple(settings.get("volumes", ())),
        contents,
        tuple(settings.get("commands", ())),
        tuple(settings.get("installs", ())),
        bool(settings.get("passes_on", False)),
        settings.get("prefix", ""),
        tuple(settings.get("prefixed", ())),
    )


def _words(value: Sequence[str] | None) -> tuple[str, ...] | None:
    return tuple(value) if value else None


def _environment(settings: Mapping[str, Any], version: str | None) -> Mapping[str, str]:
    path = _tables()["defaults"]["path"]
    written: Mapping[str, str] = settings.get("env", {})
    return MappingProxyType(
        {
            name: value.replace("{path}", path).replace("{major}", str(_major(version)))
            for name, value in ({"PATH": "{path}"} | dict(written)).items()
            if version or "{major}" not in value
        }
    )


def _settings(table: Mapping[str, Any], variant: str, system: str, version: str | None) -> Mapping[str, Any]:
    """Return the family's keys with every `when` that fits laid over them; `env` is added to."""
    found = dict(table)
    major = _major(version)
    for rule in table.get("when", ()):
        wanted = rule.get("variant", variant)
        if (
            variant not in ([wanted] if isinstance(wanted, str) else wanted)
            or rule.get("system", system) != system
        ):
            continue
        # A tag without a version means the newest.
        if "below" in rule and (major is None or major >= rule["below"]):
            continue
        if "from" in rule and major is not None and major < rule["from"]:
            continue
        keys = {
            key: value for key, value in rule.items() if key not in ("variant", "system", "below", "from")
        }
        if "env" in keys:
            keys["env"] = {**found.get("env", {}), **keys["env"]}
        found |= keys
    return found


def _release(reference: ImageReference, table: Mapping[str, Any], tag: _Tag) -> tuple[str, _Meaning]:
    """Return the system of a tag and which of its releases it means."""
    suites = _tables()["suites"]
    family = table["family"]
    if family == "debian":
        return "debian", _debian(tag)
    if family == "ubuntu":
        return "ubuntu", _ubuntu(tag)
    if family == "alpine":
        return "alpine", _alpine(tag)
    if family == "buildpack-deps" and not tag.suite and tag.version in suites["ubuntu"]:
        return "ubuntu", _Meaning((suites["ubuntu"][tag.version],), named=suites["ubuntu"][tag.version])
    if family == "buildpack-deps" and not tag.suite and tag.version in suites["debian_moving"]:
        return "debian", _Meaning(tuple(suites["debian_moving"][tag.version]))
    if "ubuntu" in tag.kinds and table["system"] != "ubuntu":
        return "ubuntu", _Meaning()
    if tag.suite and tag.suite != "alpine":
        named = tag.suite.removeprefix("alpine").removeprefix("-")
        return _system_of_suite(tag.suite), _Meaning((named,), named=named)
    if family == "dotnet":
        return _dotnet(tag)
    system = "alpine" if tag.suite == "alpine" else table["system"]
    if (
        table["family"] == "elixir"
        and system == "debian"
        and (otp := re.search(r"otp-(\d+)", "-".join(tag.kinds)))
    ):
        family, tag = "erlang", replace(tag, version=otp[1])
    if family == "openjdk":
        # 8u212 came out with 11.0.3, and is in the table as 8.0.212
        tag = replace(tag, version=re.sub(r"^8u(\d+)(-b\d+)?$", r"8.0.\1", tag.version))
    if reference.digest:
        return system, _Meaning()  # a digest may be older than anything the tables know
    kind = "-".join(tag.kinds)
    lane = "alpine" if system == "alpine" else "slim" if tag.is_slim else "default"
    if lane == "default" and (family, kind) in _tag_rows():
        lane = kind
    meaning = _meaning(family, lane, tag.version)
    if system == "alpine":
        return system, replace(
            meaning, releases=tuple(name.removeprefix("alpine") for name in meaning.releases)
        )
    if meaning.releases:
        systems = {_system_of_suite(name) for name in meaning.releases}
        return (systems.pop() if len(systems) == 1 else "unknown"), meaning
    return system, _Meaning(tuple(table.get("releases", ())))


def _debian(tag: _Tag) -> _Meaning:
    suites = _tables()["suites"]
    if tag.suite:
        return _Meaning((tag.suite,), named=tag.suite)
    if moving := suites["debian_moving"].get(tag.version or "latest"):
        return _Meaning(tuple(moving))
    named = suites["debian"].get((_version(tag) or "").split(".")[0])
    return _Meaning((named,), named=named) if named else _Meaning()


def _ubuntu(tag: _Tag) -> _Meaning:
    suites = _tables()["suites"]
    if moving := suites["ubuntu_moving"].get(tag.version or tag.suite or "latest"):
        return _Meaning(tuple(moving))
    named = tag.suite or suites["ubuntu"].get(_version(tag) or "")
    return _Meaning((named,), named=named) if named else _Meaning()


def _alpine(tag: _Tag) -> _Meaning:
    numbers = (_version(tag) or "").split(".")
    if len(numbers) >= 2:
        named = ".".join(numbers[:2])
        return _Meaning((named,), named=named)
    return _Meaning(() if tag.version == "edge" else tuple(_tables()["suites"]["alpine_latest"]))


def _dotnet(tag: _Tag) -> tuple[str, _Meaning]:
    if tag.suite == "alpine":
        return "alpine", _Meaning()  # the newest of its time
    system, named = _tables()["dotnet_releases"].get(str(_major(_version(tag))), ("unknown", None))
    return system, _Meaning((named,), is_frozen=True) if named else _Meaning()


def _opam(reference: ImageReference) -> BaseImage:
    """Return what is known of debian-12-ocaml-5.1 and the like: the distribution comes first in the tag."""
    words = (reference.tag or "debian").split("-")
    plain = "-".join(words[: words.index("ocaml")] if "ocaml" in words else words[:2])
    base = describe(plain.replace("-", ":", 1))
    is_known = base.family in ("debian", "ubuntu", "alpine")
    return replace(
        base if is_known else BaseImage(reference, "unknown"),
        reference=reference,
        family="ocaml/opam",
        version=None,
        variant="full",
        cmd=("bash",),
        workdir="/home/opam",
        user="opam",
        contents=None,
        commands=("opam", "ocaml", "ocamlfind", "dune", "sudo"),
        installs=("git", "curl", "rsync", "sudo", "unzip", "make", "nano"),
    )


_MICROMAMBA_NAMED_USER = 20
"""The minor version of 0.x from which its images have the user and the scripts of today (January 2022)."""


def _micromamba(reference: ImageReference) -> BaseImage:
    """Return what is known of 1.5.8-bookworm-slim, 2.0.5-debian12-slim, 2.3.0-cuda12.9.1-ubuntu22.04.

    Without a distribution in the tag it is the slim image of the newest Debian of its time.
    """
    words = (reference.tag or "latest").split("-")
    number = re.match(r"(\d+)(?:\.(\d+))?", words[0])
    if number and number[1] == "0" and int(number[2] or 0) < _MICROMAMBA_NAMED_USER:
        return BaseImage(reference, "unknown")
    plain = "debian:oldstable"
    for word in words:
        found = re.fullmatch(r"(debian|ubuntu|alpine)([\d.]+)", word)
        if found:
            plain = f"{found[1]}:{found[2]}"
        elif _system_of_suite(word) in ("debian", "ubuntu", "alpine"):
            plain = f"{_system_of_suite(word)}:{word.removeprefix('alpine') or 'latest'}"
    base = describe(plain)
    if any(word.startswith("amazon") for word in words):
        base = BaseImage(reference, "unknown", system="rpm")
    is_moving = plain == "debian:oldstable"
    number_of_user = "57439" if not number or int(number[1]) >= 2 else "1000"
    env = {
        "PATH": _tables()["defaults"]["path"],
        "MAMBA_USER": "mambauser",
        "MAMBA_USER_ID": number_of_user,
        "MAMBA_USER_GID": number_of_user,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "ENV_NAME": "base",
        "MAMBA_ROOT_PREFIX": "/opt/conda",
        "MAMBA_EXE": "/bin/micromamba",
    }
    return replace(
        base,
        reference=reference,
        family="mambaorg/micromamba",
        version=number[0] if number else None,
        release=None if is_moving else base.release,
        releases=("bookworm", "trixie") if is_moving else base.releases,
        variant="slim",
        env=MappingProxyType(env),
        entrypoint=("/usr/local/bin/_entrypoint.sh",),
        cmd=("/bin/bash",),
        workdir="/tmp",
        user="mambauser",
        commands=("micromamba",),
    )


def _distroless(reference: ImageReference) -> BaseImage:
    table = _tables()["distroless"]
    name, _, number = reference.repository.removeprefix("distroless/").partition("-debian")
    kind = name if name in table["entrypoint"] else name.rstrip("0123456789")
    words = (reference.tag or "latest").split("-")
    is_nonroot = "nonroot" in words
    release = table["debian"].get(number)
    env = {"PATH": _tables()["defaults"]["path"], "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
    return BaseImage(
        reference,
        "distroless",
        number or None,
        "distroless",
        release,
        (release,) if release else ("bookworm", "trixie"),
        "debug" if "debug" in words else "nonroot" if is_nonroot else "full",
        MappingProxyType(env | table["env"].get(kind, {})),
        ("/busybox/sh",) if "debug" in words and kind == "static" else _words(table["entrypoint"].get(kind)),
        None,
        "/home/nonroot" if is_nonroot else "/",
        "65532" if is_nonroot else "0",
        contents="distroless",
        commands=tuple(table["commands"].get(kind, ())),
    )


@cache
def _tag_rows() -> Mapping[tuple[str, str], tuple[tuple[str, str, _Meaning], ...]]:
    found: dict[tuple[str, str], list[tuple[str, str, _Meaning]]] = {}
    for image, lane, first, last, releases, state in rows("tags.tsv"):
        meaning = _Meaning(tuple(releases.split(",")), state == "frozen")
        found.setdefault((image, lane), []).append((first, last, meaning))
    return {key: tuple(value) for key, value in found.items()}


def _numbers(version: str) -> tuple[int, ...] | None:
    return tuple(int(part) for part in version.split(".")) if re.fullmatch(r"\d+(\.\d+)*", version) else None


def _meaning(family: str, lane: str, version: str) -> _Meaning:
    version = version or "latest"
    numbers = _numbers(re.sub(r"(?<=\d)-\d+$", "", version))  # 24.11.3-0 is a build of 24.11.3
    lanes = (lane, "default") if lane == "slim" else (lane,)
    for table in (_tag_rows().get((family, name), ()) for name in lanes):
        for first, last, meaning in table:
            if version == first:
                return meaning
            low, high = _numbers(first), _numbers(last)
            if numbers and low and high and len(numbers) == len(low) and low <= numbers <= high:
                return meaning
        newest = next((meaning for first, _, meaning in table if first == "latest"), None)
        highest = max((high for _, last, _ in table if (high := _numbers(last))), default=())
        if newest and numbers and numbers > highest:
            return _Meaning(newest.releases)  # newer than the table
    return _Meaning()
