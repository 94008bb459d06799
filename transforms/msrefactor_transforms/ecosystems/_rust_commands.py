"""What the commands of Rust's tools do, and which binary they leave where.

Sources: The Cargo Book ("cargo build", "cargo install", "Configuration", "Profiles", "Build Cache"), the
rustc book ("Command-line Arguments"), the rustup book.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from msrefactor.facts import Effect, Role, Scope
from msrefactor.model import Refused
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._rust_installs import of_fetch, toolchain_files
from msrefactor_transforms.ecosystems._rust_manifests import (
    Package,
    Project,
    configuration,
    project_of,
    setting,
)

TOOLCHAINS = frozenset({"rust", "rustlang/rust"})
"""Families of base images that are the compiler."""
_VALUES = frozenset(
    "--bin --example --test --bench -p --package --exclude --features -F --profile --target --target-dir "
    "--manifest-path --artifact-dir --out-dir --config -Z -j --jobs --color --message-format --lockfile-path "
    "--path --root --git --branch --tag --rev --version --vers --registry --index -C".split()
)
_GATES = frozenset("test t clippy fmt check c bench doc d audit deny nextest udeps machete tarpaulin".split())
_NOTHING = frozenset(
    "--version -V --list version help tree metadata search pkgid locate-project verify-project".split()
)
_PREPARES = frozenset(
    "fetch vendor update generate-lockfile add remove new init chef login config binstall prefetch".split()
)
_PROFILES = {"dev": "debug", "test": "debug", "bench": "release"}
TOOL_BINARIES = {
    "diesel_cli": ("diesel",),
    "sqlx-cli": ("sqlx", "cargo-sqlx"),
    "sea-orm-cli": ("sea-orm-cli", "sea"),
    "wasm-bindgen-cli": ("wasm-bindgen",),
    "ripgrep": ("rg",),
    "fd-find": ("fd",),
    "cargo-edit": ("cargo-add", "cargo-rm", "cargo-set-version", "cargo-upgrade"),
    "tokio-console": ("tokio-console",),
}
"""Binaries of crates that don't bear the crate's name."""


@dataclass(frozen=True, slots=True)
class CargoBuild:
    """One command that links binaries."""

    outputs: tuple[str, ...]
    project: Project | None = None
    packages: tuple[Package, ...] = ()
    """The packages whose binaries they are."""
    target: str = ""
    """The target triple, where one is given."""
    flags: str = ""
    """RUSTFLAGS and what the configuration adds."""
    crate: str = ""
    """For a tool from a registry: its crate."""
    features: tuple[str, ...] | None = None
    """For a tool: its features; None: the default ones too."""
    sources: tuple[str, ...] = ()
    """For rustc: the source files."""
    target_folder: str = ""


@dataclass(slots=True)
class _Given:
    """The options of a cargo command."""

    values: dict[str, list[str]] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    operands: list[str] = field(default_factory=list)
    is_known: bool = True

    def last(self, *names: str) -> str | None:
        """Return the last value of an option."""
        found = [value for name in names for value in self.values.get(name, ())]
        return found[-1] if found else None

    def all(self, *names: str) -> list[str]:
        """Return all values of an option."""
        return [value for name in names for value in self.values.get(name, ())]


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of Rust's tools does."""
    name = argv[0] if argv else None
    if name is None:
        return None
    tool = posixpath.basename(name)
    if tool == "rustup":
        return Effect(
            Role.BUILD, tool=tool, reads=toolchain_files(scope), reads_only=True, why="prepares the toolchain"
        )  # fmt: skip
    if tool == "rustc":
        return _rustc(argv[1:], scope)
    if tool in ("strip", "upx") and scope.base.family in TOOLCHAINS:
        paths = tuple(scope.path(word) for word in argv[1:] if word and not word.startswith("-"))
        why = "strips the binary" if tool == "strip" else "compresses the binary"
        return Effect(Role.BUILD, tool=tool, reads=paths, reads_only=True, writes=paths, why=why)
    if tool == "trunk" and argv[1:2] == ["build"]:
        folder = scope.path("dist")
        return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), writes=(folder,), why="the built pages")
    if tool != "cargo":
        return None
    return _cargo(list(argv[1:]), scope)


def _cargo(words: list[str | None], scope: Scope) -> Effect | None:
    while words and words[0] is not None and (words[0].startswith(("+", "-"))):
        word = words[0]
        if word in _NOTHING:
            break
        taken = 2 if word in ("-C", "-Z", "--config", "--color") and len(words) > 1 else 1
        if word == "-C" and len(words) > 1 and words[1] is not None:
            scope = replace(scope, cwd=scope.path(words[1]))
        words = words[taken:]
    action = words[0] if words else None
    given = _given(words[1:])
    if action in ("build", "b", "rustc"):
        return _build(given, scope)
    if action == "install":
        return _install(given, scope)
    if action in _GATES:
        return Effect(Role.GATE, tool="cargo", reads=(scope.cwd,), reads_only=True)
    if action in _NOTHING:
        return Effect(Role.NOTHING, tool="cargo")
    if action == "fetch":
        manifest = given.last("--manifest-path")
        here = posixpath.dirname(scope.path(manifest)) if manifest else scope.cwd
        known = of_fetch(here, cargo_home(scope), scope) if given.is_known else None
        return Effect(
            Role.BUILD, tool="cargo", reads=(scope.cwd,), reads_only=True, why="fetches crates",
            dependencies=known,
        )  # fmt: skip
    if action in _PREPARES:
        return Effect(Role.BUILD, tool="cargo", reads=(scope.cwd,), reads_only=True, why=f"cargo {action}")
    if action == "clean":
        folder = _target_folder(given, scope, project_of(scope, scope.cwd))
        removes = (folder,) if folder is not None and not given.values.get("-p") else ()
        return Effect(Role.CLEAN, tool="cargo", removes=removes)
    return None


def _given(words: Sequence[str | None]) -> _Given:
    found = _Given()
    pending = list(words)
    while pending:
        word = pending.pop(0)
        if word is None:
            found.is_known = False
            continue
        if word == "--":
            break
        option, equals, value = word.partition("=")
        if option in _VALUES and word.startswith("-"):
            given = value if equals else (pending.pop(0) if pending else None)
            if given is None:
                found.is_known = False
            else:
                found.values.setdefault(option, []).append(given)
        elif word[:2] in ("-p", "-F", "-j", "-Z") and not word.startswith("--") and len(word) > 2:
            found.values.setdefault(word[:2], []).append(word[2:])
        elif word.startswith("-"):
            found.flags.add(word)
        else:
            found.operands.append(word)
    return found


def _build(given: _Given, scope: Scope) -> Effect:
    manifest = given.last("--manifest-path")
    folder = posixpath.dirname(scope.path(manifest)) if manifest else scope.cwd
    project = project_of(scope, folder)
    if not given.is_known:
        return _unknown("an option of `cargo build` isn't known before the build", scope)
    if project is None:
        return _unknown("no Cargo.toml of the build context says which binary `cargo build` writes", scope)
    target = _target(given, scope)
    target_folder = _target_folder(given, scope, project)
    if target is None or target_folder is None:
        return _unknown("where `cargo build` writes isn't known before the build", scope)
    packages = _chosen(given, project)
    if packages is None:
        return _unknown("which packages `cargo build` builds isn't known", scope)
    profile = given.last("--profile") or ("release" if given.flags & {"--release", "-r"} else "dev")
    place = posixpath.join(target_folder, *([target] if target else []), _PROFILES.get(profile, profile))
    names = _names(given, packages)
    outputs = [posixpath.join(place, name) for name in names]
    outputs += [posixpath.join(place, "examples", name) for name in given.all("--example")]
    copied = given.last("--artifact-dir", "--out-dir")
    if copied is not None:
        outputs += [posixpath.join(scope.path(copied), name) for name in names]
    detail = CargoBuild(tuple(outputs), project, packages, target, _flags(scope), target_folder=target_folder)
    return _linked(detail, project, scope)


def _chosen(given: _Given, project: Project) -> tuple[Package, ...] | None:
    """Return the packages whose binaries are built."""
    named = given.all("-p", "--package")
    if named:
        found = [project.package(name) for name in named]
        return None if any(one is None for one in found) else tuple(one for one in found if one is not None)
    excluded = set(given.all("--exclude"))
    if given.flags & {"--workspace", "--all"}:
        return tuple(one for one in project.members if one.name not in excluded)
    wanted = given.all("--bin")
    if wanted and not any(one.name in wanted for package in project.default for one in package.bins):
        return project.default if project.here is not None else project.members
    return project.default


def _names(given: _Given, packages: Sequence[Package]) -> list[str]:
    """Return the names of the binaries that are built."""
    named = given.all("--bin")
    if named:
        return list(dict.fromkeys(named))
    if given.flags & {"--lib", "--tests", "--benches", "--examples"} and not given.flags & {"--bins"}:
        return []
    if given.all("--example", "--test", "--bench") and not given.flags & {"--bins"}:
        return []
    asked = [name for one in given.all("--features", "-F") for name in one.replace(",", " ").split() if name]
    found: dict[str, None] = {}
    for package in packages:
        features = package.enabled(
            asked,
            everything="--all-features" in given.flags,
            with_default="--no-default-features" not in given.flags,
        )
        for target in package.bins:
            if set(target.required) <= features:
                found[target.name] = None
    return list(found)


def _features(given: _Given) -> tuple[str, ...]:
    """Return the features that are asked for."""
    return tuple(name for one in given.all("--features", "-F") for name in one.replace(",", " ").split())


def _install(given: _Given, scope: Scope) -> Effect:
    path = given.last("--path")
    root = given.last("--root") or scope.variables.get("CARGO_INSTALL_ROOT")
    if root is None:
        configured = setting(configuration(scope, scope.cwd), "install", "root")
        root = str(configured[1]) if configured is not None else None
    folder = posixpath.join(scope.path(root) if root else cargo_home(scope), "bin")
    if not given.is_known:
        return _unknown("an option of `cargo install` isn't known before the build", scope)
    if path is None and (given.operands or given.last("--git")):
        return _tool(given, folder)
    project = project_of(scope, scope.path(path or "."))
    package = project.here if project is not None else None
    if project is None or package is None:
        return _unknown("no Cargo.toml of the build context says which binary `cargo install` writes", scope)
    outputs = tuple(posixpath.join(folder, name) for name in _names(given, (package,)))
    target = _target(given, scope) or ""
    target_folder = _target_folder(given, scope, project) or ""
    detail = CargoBuild(outputs, project, (package,), target, _flags(scope), target_folder=target_folder)
    return _linked(detail, project, scope)


def _tool(given: _Given, folder: str) -> Effect:
    """`cargo install <crate>`: a tool, or a program that isn't of this project."""
    outputs: list[str] = []
    crates = [operand.partition("@")[0] for operand in given.operands]
    if not crates:
        crates = [posixpath.basename(str(given.last("--git"))).removesuffix(".git")]
    named = given.all("--bin")
    for crate in crates:
        outputs.extend(posixpath.join(folder, name) for name in named or TOOL_BINARIES.get(crate, (crate,)))
    asked = _features(given)
    detail = CargoBuild(
        tuple(outputs),
        crate=crates[0],
        features=asked if "--no-default-features" in given.flags else None,
    )
    return Effect(Role.BUILD, tool="cargo", reads_only=True, why="a tool", detail=detail)


def cargo_home(scope: Scope) -> str:
    """Return the folder of cargo's own files."""
    return scope.variables.get("CARGO_HOME") or posixpath.join(scope.home, ".cargo")


def _linked(detail: CargoBuild, project: Project, scope: Scope) -> Effect:
    outside = [path for package in project.members for path in package.needs]
    reads = [project.root, *(path for path in outside if not path.startswith(project.root + "/"))]
    return Effect(
        Role.BUILD,
        tool="cargo",
        reads=tuple(dict.fromkeys(reads)),
        reads_only=True,
        writes=detail.outputs,
        why="the binary",
        detail=detail,
    )


def _unknown(why: str, scope: Scope) -> Effect:
    refusal = Refused("unknown-artifact", why)
    return Effect(
        Role.BUILD, tool="cargo", reads=(scope.cwd,), why=why, refusal=refusal, detail=CargoBuild(())
    )


def _target(given: _Given, scope: Scope) -> str | None:
    """Return the target triple; "" when none is given, None when it isn't one that is known."""
    target = given.last("--target") or scope.variables.get("CARGO_BUILD_TARGET")
    if target is None:
        configured = setting(configuration(scope, scope.cwd), "build", "target")
        target = configured[1] if configured is not None else ""
    if not isinstance(target, str):
        return None
    return target.removesuffix(".json").rpartition("/")[2] if "wasm" not in target else None


def _target_folder(given: _Given, scope: Scope, project: Project | None) -> str | None:
    folder = (
        given.last("--target-dir")
        or scope.variables.get("CARGO_TARGET_DIR")
        or scope.variables.get("CARGO_BUILD_TARGET_DIR")
    )
    if folder:
        return scope.path(folder)
    configured = setting(configuration(scope, scope.cwd), "build", "target-dir")
    if configured is not None:
        return posixpath.normpath(posixpath.join(configured[0], str(configured[1])))
    return posixpath.join(project.root, "target") if project is not None else None


def _flags(scope: Scope) -> str:
    """Return the compiler's flags of the environment and the configuration."""
    found = [scope.variables.get("RUSTFLAGS", ""), scope.variables.get("CARGO_ENCODED_RUSTFLAGS", "")]
    for _, table in configuration(scope, scope.cwd):
        found.append(str(table.get("build", "")) + str(table.get("target", "")))
    return " ".join(found)


def _rustc(words: Sequence[str | None], scope: Scope) -> Effect:
    """`rustc [-O] main.rs [-o program]`."""
    output: str | None = None
    folder = ""
    target = ""
    sources: list[str] = []
    flags: list[str] = []
    pending = list(words)
    takes = (
        "--edition",
        "-C",
        "--crate-type",
        "--crate-name",
        "-L",
        "-l",
        "--extern",
        "--emit",
        "--cfg",
        "-A",
    )
    while pending:
        word = pending.pop(0)
        if word is None:
            return _unknown("an option of `rustc` isn't known before the build", scope)
        if word in ("--version", "-V", "-vV", "--print"):
            return Effect(Role.NOTHING, tool="rustc")
        value = str(pending.pop(0)) if word in (*takes, "-o", "--out-dir", "--target") and pending else ""
        if word == "-o":
            output = value
        elif word == "--out-dir":
            folder = value
        elif word == "--target":
            target = value
        elif word.startswith(("--crate-type", "--emit")):
            if (value or word.partition("=")[2]) not in ("bin", "link"):
                return _unknown("rustc makes something else than a program", scope)
        elif word in takes or word.startswith("-"):
            flags.append(f"{word} {value}")
        else:
            sources.append(word)
    if len(sources) != 1:
        return _unknown("which source `rustc` compiles isn't known", scope)
    stem = posixpath.basename(sources[0]).removesuffix(".rs").replace("-", "_")
    path = scope.path(output) if output else scope.path(posixpath.join(folder, stem))
    source = scope.path(sources[0])
    reads = posixpath.dirname(source)
    detail = CargoBuild((path,), target=target, flags=" ".join(flags), sources=(source,))
    return Effect(
        Role.BUILD,
        tool="rustc",
        reads=(reads,),
        reads_only=True,
        writes=(path,),
        why="the binary",
        detail=detail,
    )
