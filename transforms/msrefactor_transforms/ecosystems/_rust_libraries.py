"""Which libraries a Rust binary loads: by the crates of Cargo.lock, or by what the manifests ask for.

What isn't known of a crate is an obstacle only where the final base may lack a library: the compiler's full
image brings the `-dev` packages of many, its slim variant only those that the author installs.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msrefactor.facts import StageFacts
from msrefactor.manifests import toml_table
from msrefactor.model import Evidence, Refused
from msrefactor_transforms.ecosystems._rust_commands import CargoBuild
from msrefactor_transforms.ecosystems._rust_manifests import Package
from msrefactor_transforms.knowledge.native import rust_native, rust_plain
from msrefactor_transforms.splitting.packages import bare_name
from msrefactor_transforms.splitting.plan import RuntimePackage
from msrefactor_transforms.splitting.question import is_install

_ASKS_FOR: Mapping[str, tuple[str, ...]] = {
    "reqwest": ("openssl-sys",),
    "native-tls": ("openssl-sys",),
    "hyper-tls": ("openssl-sys",),
    "tokio-native-tls": ("openssl-sys",),
    "openssl": ("openssl-sys",),
    "lettre": ("openssl-sys",),
    "git2": ("openssl-sys", "libz-sys"),
    "isahc": ("curl-sys", "openssl-sys"),
    "surf": ("curl-sys", "openssl-sys"),
    "curl": ("curl-sys", "openssl-sys"),
    "mysql": ("openssl-sys",),
    "mysql_async": ("openssl-sys",),
    "rdkafka": ("openssl-sys", "sasl2-sys"),
    "rusqlite": ("libsqlite3-sys",),
    "zmq": ("zmq-sys",),
    "postgres-native-tls": ("openssl-sys",),
}
"""Without a Cargo.lock: crates that may bring one that links a library."""
_ASKS_BY_FEATURE: Mapping[tuple[str, str], str] = {
    ("diesel", "postgres"): "pq-sys",
    ("diesel", "mysql"): "mysqlclient-sys",
    ("diesel", "sqlite"): "libsqlite3-sys",
    ("sqlx", "runtime-tokio-native-tls"): "openssl-sys",
    ("sqlx", "runtime-async-std-native-tls"): "openssl-sys",
    ("sqlx", "runtime-actix-native-tls"): "openssl-sys",
    ("sqlx", "tls-native-tls"): "openssl-sys",
    ("mongodb", "openssl-tls"): "openssl-sys",
    ("actix-web", "openssl"): "openssl-sys",
    ("ntex", "openssl"): "openssl-sys",
    ("ureq", "native-tls"): "openssl-sys",
    ("tokio-tungstenite", "native-tls"): "openssl-sys",
}
"""Without a Cargo.lock: features of a crate that bring one that links a library."""
_CHECK_CERTIFICATES = frozenset(
    "native-tls openssl openssl-sys openssl-probe rustls rustls-native-certs rustls-platform-verifier "
    "curl-sys hyper-tls hyper-rustls reqwest ureq boring".split()
)
_BUILT_IN: Mapping[str, tuple[str, str]] = {
    "rusqlite": ("bundled", "libsqlite3-sys"),
    "libsqlite3-sys": ("bundled", "libsqlite3-sys"),
    "openssl": ("vendored", "openssl-sys"),
    "openssl-sys": ("vendored", "openssl-sys"),
    "native-tls": ("vendored", "openssl-sys"),
    "reqwest": ("native-tls-vendored", "openssl-sys"),
    "git2": ("vendored-openssl", "openssl-sys"),
    "pq-sys": ("bundled", "pq-sys"),
}
"""Features that build a library in: the crate that is asked for, its feature, the library's crate."""
_TOOLS: Mapping[str, Mapping[str, str]] = {
    "diesel_cli": {"postgres": "pq-sys", "mysql": "mysqlclient-sys", "sqlite": "libsqlite3-sys"},
    "sqlx-cli": {"native-tls": "openssl-sys"},
    "sea-orm-cli": {"runtime-async-std-native-tls": "openssl-sys"},
}
"""Tools from the registry: what their features link."""


@dataclass(frozen=True, slots=True)
class Crates:
    """What the binaries are made of beside the project's own source."""

    names: frozenset[str]
    """All crates by Cargo.lock; without one, those that the manifests name."""
    is_locked: bool
    """Whether a Cargo.lock names all of them."""
    file: str
    """The file that says so."""
    lines: Mapping[str, int]
    built_in: frozenset[str] = frozenset()
    """Crates whose library a manifest asks to be built into the binary."""
    with_c: frozenset[str] = frozenset()
    """Crates that depend on `cc`: those with a feature that builds the library in have it asked for."""
    without_default: frozenset[str] = frozenset()
    """Without a lock: crates that are asked for without their default features, and without native TLS."""
    asked: frozenset[str] = frozenset()
    """Without a lock: crates that features bring."""
    unsure: frozenset[str] = frozenset()
    """Without a lock: crates of which it isn't known what they bring."""

    def place(self, name: str) -> Evidence:
        """Return where a crate is named."""
        return Evidence(self.file, self.lines.get(name), name)


def crates_of(facts: StageFacts, builds: Sequence[CargoBuild], packages: Sequence[Package]) -> Crates:
    """Return the crates of these builds."""
    scope = facts.end
    for build in builds:
        if build.project is None:
            continue
        origin = scope.origin(posixpath.join(build.project.root, "Cargo.toml"))
        if origin is None:
            continue
        # a lock that isn't copied still tells which crates the project resolves to
        path = posixpath.join(posixpath.dirname(origin), "Cargo.lock")
        text = scope.context.read_text(path)
        data = toml_table(text) if text is not None else None
        if data is not None and text is not None:
            return _locked(path, text, data, _built_in(packages))
    named = frozenset(crate for package in packages for crate in package.crates)
    plain = {
        crate
        for package in packages
        for crate, asked in package.crates.items()
        if not asked.with_default and not any("native-tls" in name for name in asked.features)
    }
    asked = frozenset(
        _ASKS_BY_FEATURE[crate, feature]
        for package in packages
        for crate, given in package.crates.items()
        for feature in given.features
        if (crate, feature) in _ASKS_BY_FEATURE
    )
    known = rust_plain() | set(_ASKS_FOR) | {crate for crate, _ in _ASKS_BY_FEATURE}
    return Crates(
        named,
        not named,
        "Cargo.toml",
        {},
        _built_in(packages),
        without_default=frozenset(plain),
        asked=asked,
        unsure=frozenset(crate for crate in named - known if rust_native(crate) is None),
    )


def _built_in(packages: Sequence[Package]) -> frozenset[str]:
    found = set()
    for package in packages:
        for crate, asked in package.crates.items():
            feature, library = _BUILT_IN.get(crate, ("", ""))
            if feature and any(one.startswith(feature) for one in asked.features):
                found.add(library)
    return frozenset(found)


def _locked(path: str, text: str, data: Mapping[str, object], built_in: frozenset[str]) -> Crates:
    listed = data.get("package")
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    foreign = [one for one in entries if "source" in one]
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith('name = "'):
            lines.setdefault(line[8:].rstrip('"'), number)
    with_c = frozenset(
        str(one.get("name"))
        for one in foreign
        if any(str(need).partition(" ")[0] == "cc" for need in one.get("dependencies", ()))
    )
    return Crates(frozenset(str(one.get("name")) for one in foreign), True, path, lines, built_in, with_c)


def certificates(crates: Crates) -> Evidence | None:
    """Return what may check certificates; None: nothing does."""
    found = sorted(crates.names & _CHECK_CERTIFICATES)
    if found:
        return crates.place(found[0])
    return None if crates.is_locked else crates.place("dependencies")


def commands(crates: Crates) -> tuple[tuple[str, Evidence], ...]:
    """Return the programs that crates are known to start."""
    return tuple(
        (command, crates.place(crate))
        for crate in sorted(crates.names)
        if (known := rust_native(crate)) is not None
        for command in known.commands
    )


def libraries(
    facts: StageFacts, crates: Crates, tools: Sequence[CargoBuild], *, is_static: bool
) -> tuple[RuntimePackage, ...] | Refused:
    """Return the packages with the libraries that are linked; an obstacle where that isn't known."""
    if is_static:
        return ()
    found: dict[str, RuntimePackage] = {}
    if facts.base.system == "alpine":
        found["libgcc"] = RuntimePackage(
            "libgcc", crates.place("Cargo.toml"), "Rust's own code unwinds with it"
        )
    names = set(crates.names | crates.asked)
    if not crates.is_locked:
        names.update(
            one for crate in crates.names - crates.without_default for one in _ASKS_FOR.get(crate, ())
        )
    for tool in tools:
        linked = _TOOLS.get(tool.crate, {})
        names.update(
            crate
            for feature, crate in linked.items()
            if tool.features is None or any(one.startswith(feature) for one in tool.features)
        )
    has_more = facts.base.variant == "full" and facts.base.family not in ("debian", "ubuntu", "alpine")
    installed = _installed(facts)
    for crate in sorted(names):
        known = rust_native(crate)
        place = crates.place(crate)
        if known is None:
            if crate.endswith(("-sys", "_sys")) and not _is_for_another_system(crate):
                detail = f"which library the crate {crate} links isn't known"
                remedy = "start from the slim variant of the base and install what the build needs"
                if has_more and facts.base.system == "debian":
                    return Refused("runtime-library", detail, (place,), remedy)
            continue
        if _may_be_built_in(crate, crates) or not (has_more or installed & set(known.build)):
            continue  # what isn't in the base, the author installed or it isn't linked
        wanted = known.packages(facts.base.system, _releases(facts))
        for name in wanted or ():
            if name not in _IN_EVERY_IMAGE:
                found.setdefault(name, RuntimePackage(name, place, f"the crate {crate} links it"))
        if wanted is None and known.state == "system" and not known.commands and has_more:
            detail = (
                f"the package with the library that {crate} links isn't known for {facts.base.reference.text}"
            )
            return Refused("unknown-release", detail, (place,))
    return tuple(found.values())


def _installed(facts: StageFacts) -> frozenset[str]:
    """Return the packages that the author installs."""
    return frozenset(
        bare_name(name)
        for _, effect in facts.effects()
        if is_install(effect)
        for name in effect.detail.names
        if name
    )


_IN_EVERY_IMAGE = frozenset({"zlib1g", "zlib"})


def _releases(facts: StageFacts) -> tuple[str, ...]:
    base = facts.base
    if base.release is not None:
        return (base.release,)
    return base.releases[-1:]


def _may_be_built_in(crate: str, crates: Crates) -> bool:
    """Whether the lock shows that a crate's library is built into the binary."""
    if crate == "libsqlite3-sys" and crate in crates.with_c and "sqlx-sqlite" in crates.names:
        return True
    return crate in crates.built_in


def _is_for_another_system(crate: str) -> bool:
    return any(part in crate for part in ("windows", "macos", "apple", "android", "objc", "win32", "winapi"))
