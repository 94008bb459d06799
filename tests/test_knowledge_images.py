"""Base images: cases of which nothing may be claimed come first."""

import pytest

from msrefactor.knowledge.images import describe, parse_reference, pinned, size_mb, slim_variant


@pytest.mark.parametrize(
    "text",
    [
        "registry.example.com/python:3.12",
        "localhost:5000/python:3.12",
        "localhost/python:3.12",
        "bitnami/python:3.12",
        "ghcr.io/astral-sh/uv:python3.12-bookworm",
        "python:${PYTHON_VERSION}",
        "$BASE",
        "company/node",
        "builder",
        "",
    ],
)
def test_nothing_is_claimed_of_unknown_images(text: str) -> None:
    image = describe(text)
    assert (image.family, image.system, image.release, image.releases) == ("unknown", "unknown", None, ())
    assert (image.contents, dict(image.env), image.entrypoint, image.cmd) == (None, {}, None, None)
    assert slim_variant(text) is None
    assert pinned(text) is None
    assert size_mb(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "python:3.12@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "python@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "python:3.12-bookworm@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "python:3.12-slim",
        "python:slim",
        "python:3.12-alpine",
        "python:3.12-alpine3.20",
        "python:3.12-windowsservercore",
        "node:20-bookworm-slim",
        "golang:1.24",  # no slim tags
        "swift:4.2",  # slim tags came with 5.0
        "php:8.3-fpm",
        "php:8.3",
        "ubuntu:22.04",
        "alpine:3.20",
        "eclipse-temurin:21",
        "openjdk:17",  # Oracle Linux; openjdk:17-slim is Debian
        "scratch",
        "gcr.io/distroless/cc-debian12",
        "mcr.microsoft.com/dotnet/sdk:8.0",
        "debian:bookworm-slim",
        "oven/bun:1-distroless",
        "perl:5.24.0",  # older than the slim images
        "perl:5.28.1-threaded",
        "elixir:1.2.3",
    ],
)
def test_no_slim_variant(text: str) -> None:
    assert slim_variant(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python", "python:slim"),
        ("python:latest", "python:slim"),
        ("python:3", "python:3-slim"),
        ("python:3.12", "python:3.12-slim"),
        ("python:3.12.4", "python:3.12.4-slim"),
        ("python:3.12-bookworm", "python:3.12-slim-bookworm"),
        ("python:bullseye", "python:slim-bullseye"),
        ("python:3.13-rc", "python:3.13-rc-slim"),
        ("docker.io/library/python:3.12", "docker.io/library/python:3.12-slim"),
        ("public.ecr.aws/docker/library/python:3.12", "public.ecr.aws/docker/library/python:3.12-slim"),
        ("arm64v8/python:3.12", "arm64v8/python:3.12-slim"),
        ("node:20", "node:20-slim"),
        ("node:20-bookworm", "node:20-bookworm-slim"),
        ("node:lts", "node:lts-slim"),
        ("node", "node:slim"),
        ("rust:1.75", "rust:1.75-slim"),
        ("rust:1.75-bookworm", "rust:1.75-slim-bookworm"),
        ("ruby:3.3", "ruby:3.3-slim"),
        ("debian:12", "debian:12-slim"),
        ("debian:bookworm", "debian:bookworm-slim"),
        ("debian", "debian:stable-slim"),
        ("debian:latest", "debian:stable-slim"),
        ("openjdk:11-jdk", "openjdk:11-jdk-slim"),
        ("perl:5.38", "perl:5.38-slim"),
        ("perl:5.38-threaded", "perl:5.38-slim-threaded"),
        ("swift:6.0-jammy", "swift:6.0-jammy-slim"),
        ("oven/bun:1", "oven/bun:1-slim"),
        ("oven/bun", "oven/bun:slim"),
        ("oven/bun:canary", "oven/bun:canary-slim"),
        ("oven/bun:debian", "oven/bun:slim"),
        ("oven/bun:1.2-debian", "oven/bun:1.2-slim"),
        ("elixir:1.17-otp-27", "elixir:1.17-otp-27-slim"),
    ],
)
def test_slim_variant(text: str, expected: str) -> None:
    assert slim_variant(text) == expected


@pytest.mark.parametrize(
    ("text", "family", "version", "system", "release", "releases", "variant"),
    [
        ("python", "python", None, "debian", None, ("bookworm", "trixie"), "full"),
        ("python:3.12", "python", "3.12", "debian", None, ("bookworm", "trixie"), "full"),
        ("python:3.12-bookworm", "python", "3.12", "debian", "bookworm", ("bookworm",), "full"),
        ("python:3.12-slim-bookworm", "python", "3.12", "debian", "bookworm", ("bookworm",), "slim"),
        (
            "python:3.12.1",
            "python",
            "3.12.1",
            "debian",
            "bookworm",
            ("bookworm",),
            "full",
        ),  # no longer rebuilt
        ("python:3.12.12", "python", "3.12.12", "debian", "trixie", ("trixie",), "full"),
        ("python:3.7", "python", "3.7", "debian", "bookworm", ("bookworm",), "full"),
        ("python:3.6", "python", "3.6", "debian", "bullseye", ("bullseye",), "full"),
        ("python:3.12-buster", "python", "3.12", "debian", "buster", ("buster",), "full"),
        ("python:3.12-alpine3.20", "python", "3.12", "alpine", "3.20", ("3.20",), "alpine"),
        ("node:20", "node", "20", "debian", "bookworm", ("bookworm",), "full"),
        ("node:16", "node", "16", "debian", "buster", ("buster",), "full"),
        ("node:20-slim", "node", "20", "debian", "bookworm", ("bookworm",), "slim"),
        ("node:26", "node", "26", "debian", None, ("trixie",), "full"),
        ("node:lts", "node", None, "debian", None, ("bookworm",), "full"),
        ("golang:1.24", "golang", "1.24", "debian", None, ("bookworm", "trixie"), "full"),
        ("golang:1.20.4", "golang", "1.20.4", "debian", "bullseye", ("bullseye",), "full"),
        ("golang:1.20.5", "golang", "1.20.5", "debian", "bookworm", ("bookworm",), "full"),
        ("rust:1.75", "rust", "1.75", "debian", "bookworm", ("bookworm",), "full"),
        ("php:8.3-fpm", "php", "8.3", "debian", None, ("bookworm", "trixie"), "fpm"),
        ("php:8.3", "php", "8.3", "debian", None, ("bookworm", "trixie"), "cli"),
        ("openjdk:17", "openjdk", "17", "rpm", "oraclelinux8", ("oraclelinux8",), "jdk"),
        ("openjdk:17-jdk-slim", "openjdk", "17", "debian", "bullseye", ("bullseye",), "slim"),
        ("eclipse-temurin:21-jre-noble", "eclipse-temurin", "21", "ubuntu", "noble", ("noble",), "jre"),
        ("eclipse-temurin:17-jdk-alpine-3.22", "eclipse-temurin", "17", "alpine", "3.22", ("3.22",), "jdk"),
        ("maven:3.9-eclipse-temurin-21", "maven", "3.9", "ubuntu", None, ("noble",), "eclipse-temurin-21"),
        ("maven:3.8.5-eclipse-temurin-17", "maven", "3.8.5", "ubuntu", None, (), "eclipse-temurin-17"),
        ("gradle:8.10-jdk17", "gradle", "8.10", "ubuntu", "jammy", ("jammy",), "jdk17"),
        ("gradle:9-jdk21", "gradle", "9", "ubuntu", None, ("noble", "resolute"), "jdk21"),
        ("gradle:8.5-jdk17-alpine", "gradle", "8.5", "alpine", None, (), "jdk17"),
        ("debian:12", "debian", "12", "debian", "bookworm", ("bookworm",), "full"),
        ("debian:12.5-slim", "debian", "12.5", "debian", "bookworm", ("bookworm",), "slim"),
        ("debian:stable-slim", "debian", None, "debian", None, ("bookworm", "trixie"), "slim"),
        ("debian:bookworm-20240101", "debian", None, "debian", "bookworm", ("bookworm",), "full"),
        ("ubuntu:22.04", "ubuntu", "22.04", "ubuntu", "jammy", ("jammy",), "full"),
        ("ubuntu:noble", "ubuntu", None, "ubuntu", "noble", ("noble",), "full"),
        ("alpine:3.19.1", "alpine", "3.19.1", "alpine", "3.19", ("3.19",), "alpine"),
        ("mcr.microsoft.com/dotnet/sdk:8.0", "dotnet", "8.0", "debian", "bookworm", ("bookworm",), "sdk"),
        ("mcr.microsoft.com/dotnet/aspnet:8.0-alpine", "dotnet", "8.0", "alpine", None, (), "aspnet"),
        ("mcr.microsoft.com/dotnet/runtime:10.0", "dotnet", "10.0", "ubuntu", "noble", ("noble",), "runtime"),
        ("fedora:40", "fedora", "40", "rpm", None, (), "full"),
        ("amazoncorretto:17-alpine3.20", "amazoncorretto", "17", "alpine", "3.20", ("3.20",), "alpine"),
        ("oven/bun:debian", "bun", None, "debian", None, ("bullseye", "bookworm", "trixie"), "full"),
        ("denoland/deno:ubuntu-2.0.0", "deno", "2.0.0", "ubuntu", None, (), "ubuntu"),
        ("ghcr.io/denoland/deno:alpine-2.0.0", "deno", "2.0.0", "alpine", None, (), "alpine"),
        ("denoland/deno:alpine-2.0.0", "deno", "2.0.0", "alpine", None, (), "alpine"),
        ("elixir:1.17-otp-27-slim", "elixir", "1.17", "debian", None, ("bookworm",), "slim"),
        ("buildpack-deps:bookworm-scm", "buildpack-deps", None, "debian", "bookworm", ("bookworm",), "scm"),
        (
            "gcr.io/distroless/base-debian12",
            "distroless",
            "12",
            "distroless",
            "bookworm",
            ("bookworm",),
            "full",
        ),
        ("python:3.12-windowsservercore", "python", "3.12", "windows", None, (), "windows"),
        ("mcr.microsoft.com/windows/servercore:ltsc2022", "windows", None, "windows", None, (), "full"),
    ],
)
def test_describe(
    text: str,
    family: str,
    version: str | None,
    system: str,
    release: str | None,
    releases: tuple[str, ...],
    variant: str,
) -> None:
    image = describe(text)
    assert (image.family, image.version, image.system) == (family, version, system)
    assert (image.release, image.releases, image.variant) == (release, releases, variant)


def test_a_floating_alpine_tag_lists_what_it_meant_lately() -> None:
    image = describe("python:3.12-alpine")
    assert image.system == "alpine"
    assert image.release is None
    assert image.releases[-1] == "3.24"
    assert "3.21" in image.releases


def test_a_digest_says_nothing_of_the_release() -> None:
    image = describe("python:3.12@sha256:" + "0" * 64)
    assert (image.family, image.version, image.release, image.releases) == ("python", "3.12", None, ())
    assert describe("python:3.12-bookworm@sha256:" + "0" * 64).release == "bookworm"


def test_versions_newer_than_the_table_are_taken_as_the_newest() -> None:
    assert describe("python:3.99").releases == ("bookworm", "trixie")
    assert describe("python:3.99").release is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("golang:1.24", "golang:1.24-trixie"),
        ("golang:1.24-alpine", "golang:1.24-alpine3.23"),
        ("golang", "golang:trixie"),
        ("python:3.12", "python:3.12-trixie"),
        ("python:3.12-slim", "python:3.12-slim-trixie"),
        ("python:3.9.2", "python:3.9.2-buster"),
        ("python:3.12-bookworm", "python:3.12-bookworm"),
        ("node:20", "node:20-bookworm"),
        ("node:20-slim", "node:20-bookworm-slim"),
        ("node:18-alpine", "node:18-alpine3.21"),
        ("php:8.3-fpm", "php:8.3-fpm-trixie"),
        ("php:8.3-fpm-alpine", "php:8.3-fpm-alpine3.24"),
        ("eclipse-temurin:21", "eclipse-temurin:21-resolute"),
        ("eclipse-temurin:17-jre-alpine", "eclipse-temurin:17-jre-alpine-3.24"),
        ("debian:12", "debian:12"),
        ("debian", "debian:trixie"),
        ("debian:stable-slim", "debian:trixie-slim"),
        ("ubuntu:22.04", "ubuntu:22.04"),
        ("ubuntu", "ubuntu:resolute"),
        ("alpine", "alpine:3.24"),
        ("alpine:3.19", "alpine:3.19"),
        ("mcr.microsoft.com/dotnet/sdk:8.0", "mcr.microsoft.com/dotnet/sdk:8.0-bookworm-slim"),
        ("public.ecr.aws/docker/library/golang:1.24", "public.ecr.aws/docker/library/golang:1.24-trixie"),
        ("elixir:1.17", None),  # its tags name no release
        ("maven:3.9", None),
        ("gcr.io/distroless/static", None),
        ("python:3.12@sha256:" + "0" * 64, None),
    ],
)
def test_pinned(text: str, expected: str | None) -> None:
    assert pinned(text) == expected


def test_references_are_read_as_docker_reads_them() -> None:
    reference = parse_reference("python:3.12")
    assert (reference.registry, reference.repository, reference.tag) == (
        "docker.io",
        "library/python",
        "3.12",
    )
    assert reference.name == "python"
    reference = parse_reference("registry.example.com:5000/team/app:1.0@sha256:abc")
    assert reference.registry == "registry.example.com:5000"
    assert (reference.repository, reference.tag, reference.digest) == ("team/app", "1.0", "sha256:abc")
    assert parse_reference("localhost/app").registry == "localhost"
    assert parse_reference("team/app").name == "team/app"
    assert parse_reference("index.docker.io/python").name == "python"


def test_inherited_configuration() -> None:
    python = describe("python:3.12")
    assert python.env["PATH"].startswith("/usr/local/bin:")
    assert python.env["LANG"] == "C.UTF-8"
    assert python.cmd == ("python3",)
    assert python.entrypoint is None
    node = describe("node:20-alpine")
    assert (node.entrypoint, node.cmd) == (("docker-entrypoint.sh",), ("node",))
    assert describe("golang:1.24").workdir == "/go"
    fpm = describe("php:8.3-fpm")
    assert (fpm.workdir, fpm.stopsignal, fpm.exposed) == ("/var/www/html", "SIGQUIT", ("9000",))
    apache = describe("php:8.2-apache")
    assert (apache.cmd, apache.stopsignal) == (("apache2-foreground",), "SIGWINCH")
    assert apache.env["PHP_INI_DIR"] == "/usr/local/etc/php"
    assert describe("eclipse-temurin:21-jre").env["JAVA_HOME"] == "/opt/java/openjdk"
    assert describe("openjdk:11-jre-slim").env["JAVA_HOME"] == "/usr/local/openjdk-11"
    # its volume is the cache of builds, which the final stage of a split does without
    assert describe("gradle:8-jdk21").volumes == ()
    assert describe("gcr.io/distroless/static:nonroot").user == "65532"
    assert describe("gcr.io/distroless/static:nonroot").workdir == "/home/nonroot"
    assert describe("gcr.io/distroless/nodejs22-debian12").entrypoint == ("/nodejs/bin/node",)
    assert describe("gcr.io/distroless/python3-debian12").entrypoint == ("/usr/bin/python3",)


def test_dotnet_ports_changed_with_version_8() -> None:
    assert describe("mcr.microsoft.com/dotnet/aspnet:6.0").env["ASPNETCORE_URLS"] == "http://+:80"
    assert "ASPNETCORE_HTTP_PORTS" not in describe("mcr.microsoft.com/dotnet/aspnet:6.0").env
    assert describe("mcr.microsoft.com/dotnet/aspnet:8.0").env["ASPNETCORE_HTTP_PORTS"] == "8080"
    assert "ASPNETCORE_URLS" not in describe("mcr.microsoft.com/dotnet/aspnet:8.0").env
    assert describe("mcr.microsoft.com/dotnet/aspnet:8.0-jammy-chiseled").system == "distroless"
    assert describe("mcr.microsoft.com/dotnet/aspnet:8.0-jammy-chiseled").user == "1654"


def test_what_an_image_has_beyond_its_packages() -> None:
    assert "yarn" in describe("node:22").commands
    assert "yarn" not in describe("node:26").commands
    assert "corepack" not in describe("node:25").commands
    assert "go" in describe("golang:1.24").commands
    assert describe("python:3.12").contents == "python-full"
    assert describe("python:3.12-slim").contents == "python-slim"


def test_sizes_are_known_or_not_claimed() -> None:
    full, slim = size_mb("python:3.12"), size_mb("python:3.12-slim")
    assert full is not None
    assert slim is not None
    assert slim < full / 4
    assert size_mb("scratch") == 0
    assert size_mb("httpd:2.4") is None
