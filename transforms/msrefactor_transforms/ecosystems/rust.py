"""Rust: binaries by `cargo build`, `cargo install` and `rustc`; the final stage is plain Debian or Alpine.

Sources: The Cargo Book, docker-library/docs rust, the documentation of the crates that open files.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from msrefactor.code.needs import EMPTY, CodeNeeds, merged_needs
from msrefactor.code.rust import rust_needs_of
from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Fact, Scope, StageFacts, is_under
from msrefactor.manifests import toml_table
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._rust_commands import TOOLCHAINS, CargoBuild, cargo_home, interpret
from msrefactor_transforms.ecosystems._rust_libraries import (
    Crates,
    certificates,
    commands,
    crates_of,
    libraries,
)
from msrefactor_transforms.ecosystems._rust_manifests import Package
from msrefactor_transforms.splitting.compiled import Binary, Program, plan_of, started_while_compiling
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.opened import Opened, SourceKind
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, SplitPlan

_KIND = SourceKind(
    compiled=tuple(".rs .toml.orig .lock .proto .sh .c .h .cc .cpp .hpp .pest .lalrpop .rlib .d".split()),
    marks=(".rs", "Cargo.toml"),
    manifests=frozenset(
        "Cargo.toml Cargo.lock build.rs rust-toolchain rust-toolchain.toml rustfmt.toml .rustfmt.toml "
        "clippy.toml deny.toml release.toml Cross.toml cliff.toml target tests benches examples diesel.toml "
        "Makefile.toml justfile Justfile bors.toml tarpaulin.toml codecov.yml Trunk.toml flake.nix "
        "flake.lock shell.nix default.nix sqlx-data.json .sqlx".split()
    ),
)
_ENVIRONMENT = frozenset(
    "RUSTFLAGS CARGO_HOME RUSTUP_HOME CARGO_TARGET_DIR CARGO_BUILD_TARGET CARGO_INCREMENTAL CARGO_TERM_COLOR "
    "CARGO_NET_GIT_FETCH_WITH_CLI CARGO_REGISTRIES_CRATES_IO_PROTOCOL CARGO_PROFILE_RELEASE_LTO "
    "CARGO_BUILD_JOBS CARGO_NET_RETRY CARGO_INSTALL_ROOT RUSTC_WRAPPER RUSTUP_TOOLCHAIN "
    "RUSTC_BOOTSTRAP".split()
)
"""Variables that cargo and rustc read and a program doesn't."""
_BUILD_PACKAGES = frozenset(
    "libclang-dev clang llvm llvm-dev lld mold protobuf-compiler protobuf-dev binutils binaryen".split()
)
"""Packages that build scripts and linkers use, where nothing that is started bears one of their names."""
_DEVELOPMENT = frozenset("cargo rustc rustup cargo-watch trunk bacon systemfd watchexec dx evcxr".split())
_BY_CONVENTION = (
    "rocket",
    "rocket_dyn_templates",
    "rocket_contrib",
    "loco-rs",
    "config",
    "figment",
    "tera",
    "handlebars",
    "minijinja",
    "leptos",
    "leptos_axum",
    "leptos_actix",
    "dioxus",
    "perseus",
    "fluent",
    "fluent-templates",
    "i18n-embed",
    "rust-i18n",
    "log4rs",
    "gettext-rs",
    "pavex",
    "diesel_migrations",
    "refinery",
    "ructe",
    "mdbook",
    "liquid",
    "sqlx-cli",
    "vergen",
)
"""Crates that open files whose names the project's own source needn't tell."""


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds Rust programs is split."""
    built = [(f, e, e.detail) for f, e in facts.effects() if isinstance(e.detail, CargoBuild)]
    if not built and facts.base.family not in TOOLCHAINS:
        return None
    obstacle = started_while_compiling(wanted(view, facts), _DEVELOPMENT)
    if obstacle is not None:
        return obstacle
    own = [entry for entry in built if not entry[2].crate]
    for fact, effect, _ in own:
        if effect.refusal is not None:
            place = evidence_of(fact.instruction, view.name)
            return Refused(effect.refusal.code, effect.refusal.detail, (place,), effect.refusal.remedy)
    if not any(build.outputs for _, _, build in own):
        if not own:
            return None
        place = evidence_of(own[-1][0].instruction, view.name)
        return Refused("unknown-artifact", "which binary cargo builds isn't known", (place,))
    program = _program(view, facts, built, own)
    return program if isinstance(program, Refused) else plan_of(view, facts, program)


def _program(
    view: View,
    facts: StageFacts,
    built: Sequence[tuple[Fact, Effect, CargoBuild]],
    own: Sequence[tuple[Fact, Effect, CargoBuild]],
) -> Program | Refused:
    builds = [build for _, _, build in own]
    packages = _packages(builds)
    crates = crates_of(facts, builds, packages)
    tools = [build for _, _, build in built if build.crate]
    static = all(_is_static(facts, build) for build in builds)
    linked = libraries(facts, crates, tools, is_static=static)
    if isinstance(linked, Refused):
        return linked
    folders = _folders(facts.end, own)
    needs, texts = _sources(facts.end, packages, builds)
    needs = merged_needs((needs, CodeNeeds(commands=commands(crates))))
    place = evidence_of(own[-1][0].instruction, view.name)
    binaries = [
        Binary(path, fact.index, is_static=_is_static(facts, build), is_tool=bool(build.crate))
        for fact, _, build in built
        for path in build.outputs
    ]
    home = posixpath.join(cargo_home(facts.facts[0].scope), "bin")
    return Program(
        ecosystem="rust",
        toolchains=TOOLCHAINS,
        binaries=tuple(binaries),
        sources=folders,
        opened=Opened(
            _KIND,
            folders,
            needs,
            texts,
            _unsure(needs, crates, texts),
            has_unseen=True,
            is_embedded=lambda path: _is_embedded(path, needs),
        ),
        beside=_files_of_tools(view, facts, tools, binaries[-1].after),
        certificates=certificates(crates),
        zones=_zones(view, facts, texts),
        libraries=linked,
        build_packages=_BUILD_PACKAGES if texts else frozenset(),
        build_environment=_ENVIRONMENT,
        development=_DEVELOPMENT,
        is_self_sufficient=bool(texts) and crates.is_locked and not crates.names,
        path_folders=(home,),
        assumptions=_assumptions(facts, crates, static=static),
        evidence=(place,) if static else (),
        why=", which is static" if static else "",
    )


def _files_of_tools(
    view: View, facts: StageFacts, tools: Sequence[CargoBuild], last: int
) -> tuple[Artifact, ...]:
    """Return what the command-line tools for databases read: migrations, and diesel's file and its schema."""
    if not {"diesel_cli", "sqlx-cli", "sea-orm-cli"} & {tool.crate for tool in tools}:
        return ()
    started = {posixpath.basename(name) for name, _ in wanted(view, facts).commands}
    if not started & {"diesel", "sqlx", "sea-orm-cli", "sea"}:
        return ()
    scope = facts.end
    names = ["migrations", "migration"]
    text = scope.read(scope.path("diesel.toml")) if "diesel" in started else None
    if text is not None:
        names.append("diesel.toml")
        table = (toml_table(text) or {}).get("print_schema")
        schema = table.get("file") if isinstance(table, dict) else None
        names.extend([schema] if isinstance(schema, str) else [])
    paths = [scope.path(name) for name in names]
    why = "a tool that is started reads it"
    return tuple(Artifact(path, last, why) for path in paths if scope.has(path) and scope.origin(path))


def _is_static(facts: StageFacts, build: CargoBuild) -> bool:
    """Whether the target is musl's, whose programs rustc links statically unless it is told not to."""
    if "-crt-static" in build.flags:
        return False
    if "musl" in build.target:
        return True
    return not build.target and facts.base.family in TOOLCHAINS and facts.base.system == "alpine"


def _packages(builds: Iterable[CargoBuild]) -> tuple[Package, ...]:
    """Return the packages that are built, and those that they depend on by path."""
    found: dict[str, Package] = {}
    for build in builds:
        members = {one.folder: one for one in build.project.members} if build.project else {}
        pending = list(build.packages)
        while pending:
            package = pending.pop(0)
            if package.folder not in found:
                found[package.folder] = package
                pending.extend(members[path] for path in package.needs if path in members)
    return tuple(found.values())


def _folders(scope: Scope, own: Sequence[tuple[Fact, Effect, CargoBuild]]) -> tuple[str, ...]:
    """Return the folders of the image that hold source only."""
    found: list[str] = []
    for _, effect, build in own:
        if build.project is not None:
            found.extend(effect.reads)
        found.extend(posixpath.dirname(source) for source in build.sources)
    unique = [path for path in dict.fromkeys(found) if path != "/"]
    return tuple(
        path for path in unique if not any(path != other and is_under(path, other) for other in unique)
    )


def _sources(
    scope: Scope, packages: Sequence[Package], builds: Sequence[CargoBuild]
) -> tuple[CodeNeeds, dict[str, str]]:
    """Return what the source uses at run time, and its text by its path in the context."""
    texts: dict[str, str] = {}
    found: list[CodeNeeds] = [EMPTY]
    for package in packages:
        files: list[str] = []
        for origin in _source_folders(scope, package):
            files.extend(file for file in scope.context.files(origin) if file.endswith(".rs"))
        manifest = scope.origin(posixpath.join(package.folder, "Cargo.toml")) or ""
        folder = posixpath.dirname(manifest)
        ignored = tuple(
            posixpath.join(folder, name) + "/" for name in ("tests", "benches", "examples", "target")
        )
        kept = [
            file
            for file in dict.fromkeys(files)
            if not file.startswith(ignored) and posixpath.basename(file) != "build.rs"
        ]
        found.append(rust_needs_of(scope.context, folder, kept))
        texts.update({file: scope.context.read_text(file) or "" for file in kept})
    for build in builds:
        for source in build.sources:
            path = scope.origin(source)
            if path is not None:
                folder = posixpath.dirname(path)
                files = [file for file in scope.context.files(folder) if file.endswith(".rs")]
                found.append(rust_needs_of(scope.context, folder, files))
                texts.update({file: scope.context.read_text(file) or "" for file in files})
    return merged_needs(found), texts


def _source_folders(scope: Scope, package: Package) -> list[str]:
    """Return the context folders with a package's source."""
    whole = scope.origin(package.folder)
    if whole is not None and scope.context.is_file(posixpath.join(whole, "Cargo.toml")):
        return [whole]
    found = scope.origin(posixpath.join(package.folder, "src"))
    return [found] if found is not None else []


def _unsure(needs: CodeNeeds, crates: Crates, texts: dict[str, str]) -> str | None:
    """Return why files beyond those that the source names can be opened; None: they can't."""
    if not texts:
        return "may be opened by the program"
    if needs.unknown_paths:
        place = needs.unknown_paths[0]
        return f"may be opened at {place.file}:{place.line}"
    named = next((name for name in _BY_CONVENTION if name in crates.names), None)
    return f"{named} may open it" if named is not None else None


def _is_embedded(path: str, needs: CodeNeeds) -> bool:
    return any(is_under(f"/{path}", f"/{name}") for name, _ in needs.embedded if name not in ("", "."))


def _zones(view: View, facts: StageFacts, texts: dict[str, str]) -> Evidence | None:
    """Return where the container's time zone is set, if the source asks for the local time."""
    is_asked = any("Local" in text or "local" in text for text in texts.values())
    for fact in facts.facts:
        if fact.keyword == "ENV" and any(name == "TZ" for name, _ in fact.instruction.pairs) and is_asked:
            return evidence_of(fact.instruction, view.name)
    for use in view.uses:
        if use.kind == "environment" and (use.value or "").partition("=")[0] == "TZ" and is_asked:
            return use.evidence
    return None


def _assumptions(facts: StageFacts, crates: Crates, *, static: bool) -> tuple[str, ...]:
    """Return what isn't proved: without a lock, which libraries of the full image the crates link."""
    if static or crates.is_locked or not crates.unsure:
        return ()
    if facts.base.family not in TOOLCHAINS or facts.base.variant != "full":
        return ()
    named = ", ".join(sorted(crates.unsure)[:3]) + (" …" if len(crates.unsure) > 3 else "")
    text = facts.base.reference.text
    return (f"without a Cargo.lock, {named} links no library that only {text} has",)


ECOSYSTEM = Ecosystem(
    "rust", interpret, plan, packages=frozenset({"cargo", "rust", "rustc", "rustup"}), images=TOOLCHAINS
)
