"""What installers fetched from the net leave, and which archives are known."""

from __future__ import annotations

import pytest

from msrefactor import shell
from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Role, Scope, interpret
from msrefactor.installers import PackageSource, ToolInstall, archive_of
from msrefactor.knowledge.images import describe


def effects(text: str, **variables: str) -> list[Effect]:
    """Interpret the commands of a text as root in /src."""
    scope = Scope(describe("debian:12"), BuildContext.unknown(), cwd="/src", variables=variables)
    script = shell.parse_script(text)
    assert script is not None
    found = []
    for item in script.items:
        for command in item.commands:
            effect = interpret(command, scope, (), item)
            found.append(effect)
            scope = Scope(
                scope.base,
                scope.context,
                "/src",
                variables=variables,
                notes={**scope.notes, **dict(effect.notes)},
            )
    return found


@pytest.mark.parametrize(
    "text",
    [
        "curl -s https://example.com/install.sh | bash",
        "curl -s https://example.com/sh.rustup.rs | sh",
        "curl https://get.docker.com | sh",
        "bash install.sh",
        "curl -o x.sh https://example.com/x.sh && sh x.sh",
        ". ./settings.sh",
        "curl -s https://sh.rustup.rs | sort | sh",
    ],
)
def test_unknown_scripts_stay_opaque(text: str) -> None:
    assert effects(text)[-1].role is Role.OPAQUE


@pytest.mark.parametrize(
    ("text", "language", "places"),
    [
        (
            "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y",
            "rust",
            ("/root/.cargo", "/root/.rustup"),
        ),
        (
            "wget -qO- https://raw.githubusercontent.com/nvm-sh/nvm/v0.39.7/install.sh | bash",
            "node",
            ("/root/.nvm",),
        ),
        (
            "curl -o rust.sh https://sh.rustup.rs && chmod +x rust.sh && ./rust.sh -y",
            "rust",
            ("/root/.cargo", "/root/.rustup"),
        ),
        (
            "curl -fsSL https://sh.rustup.rs > setup.sh && sh setup.sh -y",
            "rust",
            ("/root/.cargo", "/root/.rustup"),
        ),
        ("curl -fsSL https://bun.sh/install | bash", "node", ("/root/.bun",)),
        (
            "curl -fsSL https://bun.sh/install | BUN_INSTALL=/usr/local bash",
            "node",
            ("/usr/local/bin/bun", "/usr/local/bin/bunx"),
        ),
        ("curl -fsSL https://deno.land/install.sh | sh -s v2.1.4", "deno", ("/root/.deno",)),
        (
            "curl -fsSL https://deno.land/install.sh | DENO_INSTALL=/usr/local sh",
            "deno",
            ("/usr/local/bin/deno",),
        ),
        (
            (
                "curl -sSfL https://raw.githubusercontent.com/golangci/golangci-lint/master/install.sh "
                "| sh -s -- -b /go/bin v1.55.2"
            ),
            "golangci-lint",
            ("/go/bin/golangci-lint",),
        ),
        ("tar -C /usr/local -xzf go1.22.1.linux-amd64.tar.gz", "go", ("/usr/local/go",)),
        ("curl -L https://go.dev/dl/go$V.linux-amd64.tar.gz | tar -C /opt -xz", "go", ("/opt/go",)),
        (
            "tar xf node-v20.1.0-linux-x64.tar.xz -C /opt/node --strip-components=1",
            "node",
            ("/opt/node",),
        ),
        ("unzip -d /opt gradle-8.5-bin.zip", "gradle", ("/opt/gradle-8.5",)),
        ("tar -xzf apache-maven-3.9.6-bin.tar.gz -C /opt", "maven", ("/opt/apache-maven-3.9.6",)),
    ],
)
def test_known_installers(text: str, language: str, places: tuple[str, ...]) -> None:
    last = effects(text)[-1]
    assert isinstance(last.detail, ToolInstall)
    assert last.detail.language == language
    assert last.writes == places
    assert last.role is Role.BUILD


def test_nodes_archive_over_usr_local_names_what_it_brings() -> None:
    last = effects("curl -L https://nodejs.org/dist/v20.1.0/node-v20.1.0-linux-x64.tar.xz "
                   "| tar -xJ -C /usr/local --strip-components=1")[-1]  # fmt: skip
    assert "/usr/local/bin/node" in last.writes
    assert "/usr/local" not in last.writes


def test_the_place_follows_the_installers_own_variables() -> None:
    last = effects(
        "curl https://sh.rustup.rs | CARGO_HOME=/opt/cargo sh -s -- -y", RUSTUP_HOME="/opt/rustup"
    )[-1]
    assert last.writes == ("/opt/cargo", "/opt/rustup")


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("go1.22.1.linux-amd64.tar.gz", "go"),
        ("golang-app.tar.gz", ""),
        ("node-v20.1.0.tar.gz", ""),
        ("node-v20.1.0-linux-x64.tar.xz", "node"),
        ("apache-maven-3.9.6-src.tar.gz", ""),
        ("https://services.gradle.org/distributions/gradle-8.5-bin.zip", "gradle"),
    ],
)
def test_archives(name: str, tool: str) -> None:
    assert archive_of(name) == tool


def test_a_package_source_knows_its_packages() -> None:
    key, listed = effects(
        "curl -fsSL https://dl.yarnpkg.com/debian/pubkey.gpg | apt-key add - && "
        'echo "deb https://dl.yarnpkg.com/debian/ stable main" > /etc/apt/sources.list.d/yarn.list'
    )[1:]
    for effect in (key, listed):
        assert isinstance(effect.detail, PackageSource)
        assert effect.detail.has("yarn")
        assert not effect.detail.has("nodejs")


def test_a_source_with_more_than_is_known_has_no_mark() -> None:
    effect = effects('echo "deb https://packages.example.com/x y main" > /etc/apt/sources.list.d/x.list')[0]
    assert effect.detail is None


def test_the_beginning_of_a_name_is_enough_where_the_table_says_so() -> None:
    source = PackageSource("", ("python3.", "clang-", "git"))
    assert source.has("python3.12")
    assert source.has("clang-17")
    assert not source.has("gitk")
