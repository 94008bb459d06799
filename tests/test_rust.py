"""Rust: which binary cargo leaves where, what the source uses, which libraries the crates link."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from conftest import MakeFiles
from msrefactor.code.needs import CodeNeeds
from msrefactor.code.rust import rust_needs
from msrefactor.context import BuildContext
from msrefactor.facts import Role, stage_facts
from msrefactor.model import Changed, Outcome, Refused, Settings
from msrefactor.parse import parse
from msrefactor.pipeline import refactor_text
from msrefactor_transforms.splitting.plan import interpreters

PACKAGE = '[package]\nname = "my-app"\nversion = "0.1.0"\nedition = "2021"\n'
ONE: Mapping[str, str] = {"Cargo.toml": PACKAGE, "src/main.rs": "fn main() {}\n"}


def writes(files: MakeFiles, more: Mapping[str, str], command: str, head: str = "") -> tuple[str, ...]:
    """Return what the last effect of a RUN leaves."""
    context = BuildContext.open(files(more))
    dockerfile = parse(f"FROM rust:1.85\nWORKDIR /app\n{head}COPY . .\nRUN {command}\n")
    facts = stage_facts(dockerfile, dockerfile.stages[0], context, interpreters())
    return facts.effects()[-1][1].writes


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("cargo build", "target/debug/my-app"),
        ("cargo build --release", "target/release/my-app"),
        ("cargo b -r --locked -j 4", "target/release/my-app"),
        ("cargo +nightly build --profile dist", "target/dist/my-app"),
        ("cargo build --profile=dev", "target/debug/my-app"),
        (
            "cargo build --release --target x86_64-unknown-linux-musl",
            "target/x86_64-unknown-linux-musl/release/my-app",
        ),
        ("cargo build --release --target-dir=/out", "/out/release/my-app"),
        ("CARGO_TARGET_DIR=/tmp/t cargo build", "/tmp/t/debug/my-app"),
        ("cd / && cargo build --manifest-path app/Cargo.toml", "target/debug/my-app"),
        ("cargo build --example demo", "target/debug/examples/demo"),
        ("cargo install --path .", "/usr/local/cargo/bin/my-app"),
        ("cargo install --path=/app --root /usr/local --locked", "/usr/local/bin/my-app"),
        ("rustc -O src/main.rs", "main"),
        ("rustc src/main.rs -C opt-level=3 -o /bin/x", "/bin/x"),
    ],
)
def test_where_the_binary_is(files: MakeFiles, command: str, expected: str) -> None:
    path = expected if expected.startswith("/") else f"/app/{expected}"
    assert writes(files, ONE, command) == (path,)


@pytest.mark.parametrize(
    "command",
    [
        "cargo build --release --target $TRIPLE_OF_THE_HOST",
        "cargo build --lib",
        "cargo test --release",
        "cargo clippy -- -D warnings",
        "cargo fetch --locked",
        "cargo build -p other",
        "rustup target add x86_64-unknown-linux-musl",
        "cargo install cargo-chef",
    ],
)
def test_what_leaves_no_binary_of_the_project(files: MakeFiles, command: str) -> None:
    assert writes(files, ONE, command) == ()


def test_running_the_program_in_the_build_is_not_understood(files: MakeFiles) -> None:
    context = BuildContext.open(files(ONE))
    dockerfile = parse("FROM rust:1.85\nWORKDIR /app\nCOPY . .\nRUN cargo run -- seed\n")
    facts = stage_facts(dockerfile, dockerfile.stages[0], context, interpreters())
    assert facts.effects()[-1][1].role is Role.OPAQUE


@pytest.mark.parametrize(
    ("manifest", "sources", "expected"),
    [
        ("", ("src/main.rs", "src/bin/tool.rs", "src/bin/deep/main.rs"), {"my-app", "tool", "deep"}),
        ('[[bin]]\nname = "srv"\npath = "src/main.rs"\n', ("src/main.rs",), {"srv"}),
        ('[[bin]]\nname = "srv"\npath = "src/srv.rs"\n', ("src/main.rs", "src/srv.rs"), {"srv", "my-app"}),
        ("", ("src/lib.rs",), set()),
        ('[[bin]]\nname = "x"\nrequired-features = ["cli"]\n', ("src/main.rs", "src/bin/x.rs"), {"my-app"}),
        (
            '[features]\ndefault = ["cli"]\ncli = []\n[[bin]]\nname = "x"\nrequired-features = ["cli"]\n',
            ("src/bin/x.rs",),
            {"x"},
        ),
    ],
)
def test_binaries_of_a_manifest(
    files: MakeFiles, manifest: str, sources: tuple[str, ...], expected: set[str]
) -> None:
    more = {"Cargo.toml": PACKAGE + manifest, **dict.fromkeys(sources, "fn main() {}\n")}
    found = writes(files, more, "cargo build --release")
    assert {path.removeprefix("/app/target/release/") for path in found} == expected


def test_binaries_that_are_not_found_by_their_place(files: MakeFiles) -> None:
    more = {**ONE, "Cargo.toml": PACKAGE + "autobins = false\n", "src/bin/tool.rs": "fn main() {}\n"}
    assert writes(files, more, "cargo build") == ()


WORKSPACE: Mapping[str, str] = {
    "Cargo.toml": '[workspace]\nmembers = ["crates/*", "tools/cli"]\nexclude = ["crates/old"]\n',
    "crates/api/Cargo.toml": PACKAGE.replace("my-app", "api"),
    "crates/api/src/main.rs": "fn main() {}\n",
    "crates/old/Cargo.toml": PACKAGE.replace("my-app", "old"),
    "crates/old/src/main.rs": "fn main() {}\n",
    "tools/cli/Cargo.toml": PACKAGE.replace("my-app", "cli"),
    "tools/cli/src/main.rs": "fn main() {}\n",
}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("cargo build", {"api", "cli"}),
        ("cargo build --workspace --exclude cli", {"api"}),
        ("cargo build -p cli", {"cli"}),
        ("cargo build --bin api", {"api"}),
        ("cd crates/api && cargo build", {"api"}),
    ],
)
def test_a_workspace_shares_its_target_folder(files: MakeFiles, command: str, expected: set[str]) -> None:
    found = writes(files, WORKSPACE, command)
    assert {path.removeprefix("/app/target/debug/") for path in found} == expected


def test_default_members(files: MakeFiles) -> None:
    more = {**WORKSPACE, "Cargo.toml": WORKSPACE["Cargo.toml"] + 'default-members = ["crates/api"]\n'}
    assert writes(files, more, "cargo build") == ("/app/target/debug/api",)


def test_the_configuration_names_target_and_folder(files: MakeFiles) -> None:
    config = '[build]\ntarget = "x86_64-unknown-linux-musl"\ntarget-dir = "out"\n'
    found = writes(files, {**ONE, ".cargo/config.toml": config}, "cargo build -r")
    assert found == ("/app/out/x86_64-unknown-linux-musl/release/my-app",)


# ------------------------------------------------------------------------------------------ source


def needs(text: str) -> CodeNeeds:
    return rust_needs("src/main.rs", text)


@pytest.mark.parametrize(
    "text",
    [
        '// Command::new("git")',
        '/* /* nested */ Command::new("git") */',
        'const S: &str = r#"Command::new("git")"#;',
        "fn f<'a>(x: &'a str) -> char { '\"' }",
        '#[cfg(test)]\nmod tests { fn f() { std::fs::read("x"); Command::new("git"); } }',
        'use clap::Command;\nfn f() { Command::new("app").about("x"); }',
        'fn f() { reader.read_to_string(&mut text); File::create("x"); }',
        "fn f() { let p = PathBuf::from(name); }",
        'let t = include_str!("../a.txt");',
    ],
)
def test_nothing_is_used(text: str) -> None:
    found = needs(text)
    assert (found.commands, found.unknown_commands, found.paths, found.unknown_paths) == ((), (), (), ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('std::process::Command::new("git").arg("log")', ["git"]),
        ('Command::new("sh").arg("-c").arg("curl -s x | jq .")', ["sh", "curl", "jq"]),
        ('Command::new("bash").args(["-c", "convert a b"])', ["bash", "convert"]),
        ('tokio::process::Command::new("ffmpeg".to_string())', ["ffmpeg"]),
        ('use clap::Parser; use std::process; process::Command::new("git")', ["git"]),
    ],
)
def test_commands(text: str, expected: list[str]) -> None:
    assert [name for name, _ in needs(text).commands] == expected


@pytest.mark.parametrize(
    "text", ["Command::new(program)", 'Command::new("sh").args(rest)', "Command::new(&x)"]
)
def test_commands_that_are_not_written_there(text: str) -> None:
    assert needs(text).unknown_commands


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('fs::read_to_string("conf/app.toml")', "conf/app.toml"),
        ('File::open(&"a.txt")', "a.txt"),
        ('const P: &str = "data/x.json"; fn f() { File::open(P); }', "data/x.json"),
        ('Files::new("/static", "./public").index_file("i.html")', "./public"),
        ('ServeDir::new("assets")', "assets"),
        ('Tera::new("templates/**/*.html")', "templates/**/*.html"),
        ('fs::read(format!("pages/{name}.html"))', "pages/"),
        ('fs::read_dir(Path::new("plugins"))', "plugins"),
        ('hb.register_template_file("index", "views/index.hbs")', "views/index.hbs"),
        ('FileServer::from(relative!("static"))', "context:static"),
        ('File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/cert.pem"))', "context:cert.pem"),
        ('use std::fs::read_to_string; read_to_string("x.txt")', "x.txt"),
    ],
)
def test_paths(text: str, expected: str) -> None:
    found = needs(text)
    assert [name for name, _ in found.paths] == [expected]
    assert not found.unknown_paths


@pytest.mark.parametrize(
    "text",
    [
        "File::open(path)",
        'fs::read(format!("{}/x", dir))',
        'fs::read(dir.join("x.txt"))',
        "fs::read(&args[1])",
    ],
)
def test_paths_that_are_not_written_there(text: str) -> None:
    assert needs(text).unknown_paths


def test_what_is_compiled_in() -> None:
    text = """include_str!("../sql/a.sql"); sqlx::migrate!(); #[template(path = "x.html")] struct T;
    #[derive(RustEmbed)] #[folder = "web/"] struct W;"""
    assert [name for name, _ in needs(text).embedded] == [
        "sql/a.sql",
        "migrations",
        "templates/x.html",
        "web",
    ]


# ----------------------------------------------------------------------------------------- the plan


def outcome(files: MakeFiles, more: Mapping[str, str], text: str) -> tuple[Outcome, str]:
    context = BuildContext.open(files({**ONE, **more}))
    result = refactor_text(text, None, context, (), Settings(select=frozenset({"split-stages"})))
    assert result.internal_error is None
    return result.steps[0].outcome, result.after


def lock(*crates: str) -> str:
    source = 'source = "registry+https://github.com/rust-lang/crates.io-index"'
    return "".join(f'[[package]]\nname = "{name}"\nversion = "1.0.0"\n{source}\n' for name in crates)


TAIL = 'WORKDIR /app\nCOPY . .\nRUN cargo build --release\nCMD ["./target/release/my-app"]\n'


@pytest.mark.parametrize(
    ("crates", "base", "expected"),
    [
        (("serde", "tokio"), "rust:1.85-bookworm", ""),
        (("openssl-sys",), "rust:1.70-bullseye", "ca-certificates"),
        (("openssl-sys",), "rust:1.85-bookworm", "libssl3 ca-certificates"),
        (("openssl-sys",), "rust:1.93-trixie", "ca-certificates"),
        (("pq-sys", "libz-sys"), "rust:1.85-bookworm", "libpq5"),
        (("rustls",), "rust:1.85-slim-bookworm", "ca-certificates"),
        (("zstd-sys", "ring", "windows-sys", "linux-raw-sys"), "rust:1.85-bookworm", ""),
    ],
)
def test_packages_of_the_crates(files: MakeFiles, crates: tuple[str, ...], base: str, expected: str) -> None:
    found, after = outcome(files, {"Cargo.lock": lock(*crates)}, f"FROM {base}\n{TAIL}")
    assert isinstance(found, Changed), found
    installed = [line for line in after.splitlines() if "install -y" in line]
    words = installed[0].partition("--no-install-recommends ")[2].rstrip(" \\") if installed else ""
    assert words == expected


@pytest.mark.parametrize(
    ("more", "text", "code"),
    [
        ({"Cargo.lock": lock("foo-sys")}, f"FROM rust:1.85\n{TAIL}", "runtime-library"),
        (
            {},
            f"FROM rust:1.85\n{TAIL}".replace('"./target/release/my-app"', '"cargo", "run"'),
            "compiles-at-start",
        ),
        ({"Cargo.lock": lock("pq-sys")}, f"FROM rust:1.50\n{TAIL}", "unknown-release"),
        ({}, f"FROM rustlang/rust:nightly\n{TAIL}", "unknown-release"),
        ({}, f"FROM rust:1.85\n{TAIL}".replace("my-app", "other"), "need-not-found"),
        (
            {},
            f"FROM rust:1.85\n{TAIL}".replace("COPY . .", "RUN git clone https://x/y ."),
            "unknown-artifact",
        ),
    ],
)
def test_refusals(files: MakeFiles, more: Mapping[str, str], text: str, code: str) -> None:
    found, after = outcome(files, more, text)
    assert isinstance(found, Refused), found
    assert found.code == code
    assert after == text


def test_without_a_lock_an_unknown_crate_is_an_assumption(files: MakeFiles) -> None:
    manifest = PACKAGE + '[dependencies]\nserde = "1"\nobscure = "0.1"\n'
    found, _ = outcome(files, {"Cargo.toml": manifest}, f"FROM rust:1.85\n{TAIL}")
    assert isinstance(found, Refused)
    assert found.code == "unproved"
    found, _ = outcome(files, {"Cargo.toml": manifest}, f"FROM rust:1.85-slim\n{TAIL}")
    assert isinstance(found, Changed)
    assert not found.changes[0].assumptions
