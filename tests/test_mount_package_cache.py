"""The transform that puts cache mounts on the RUNs that download packages."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

import pytest

from conftest import MakeFiles
from msrefactor.context import BuildContext
from msrefactor.model import Changed, Outcome, Refused, Settings, Unchanged
from msrefactor.pipeline import refactor_text
from msrefactor_transforms import mount_package_cache

NAME = "mount-package-cache"
MOUNT = "RUN --mount=type=cache,target="


def mounted(files: MakeFiles, text: str, more: Mapping[str, str] | None = None) -> tuple[str, Outcome]:
    """Return the file after the transform, and what it says."""
    context = BuildContext.open(files({"requirements.txt": "", **(more or {})}))
    result = refactor_text(text, None, context, (), Settings(select=frozenset({NAME})))
    assert result.internal_error is None
    assert result.error is None
    return result.after, result.steps[0].outcome


def test_the_example_of_the_documentation_is_true(files: MakeFiles) -> None:
    assert mount_package_cache.__doc__ is not None
    before, _, after = mount_package_cache.__doc__.partition("Before::\n\n")[2].partition("After::\n\n")
    after = after[: after.index("\n\n", after.index("CMD"))] + "\n"
    assert mounted(files, dedent(before).strip() + "\n")[0] == dedent(after)


# what has to stay, first


@pytest.mark.parametrize(
    "text",
    [
        "FROM python:3.12\nRUN <<E\npip install flask\nE\n",
        'FROM python:3.12\nRUN ["pip", "install", "flask"]\n',
        "FROM python:3.12\nRUN --mount=type=cache,target=/x pip install flask\n",
        "# syntax=docker/dockerfile:1.1\nFROM python:3.12\nRUN pip install flask\n",
        "# syntax=someone/else:1.4\nFROM python:3.12\nRUN pip install flask\n",
        "FROM python:3.12\nRUN pip --version\n",
        "FROM golang:1.24\nRUN go version\n",
        "FROM debian:12\nRUN apt-get update\n",
        "FROM continuumio/miniconda3\nRUN conda env config vars set A=b\n",
        "FROM mcr.microsoft.com/dotnet/sdk:8.0\nRUN dotnet --info && dotnet tool install -g dotnet-ef\n",
        "FROM alpine:3.20\nRUN apk del curl && apk --version\n",
        "FROM mcr.microsoft.com/cbl-mariner/base/core:2.0\nRUN tdnf install -y tar\n",
    ],
)
def test_a_run_without_use_or_place_for_a_mount_stays(text: str, files: MakeFiles) -> None:
    after, outcome = mounted(files, text)
    assert after == text
    assert isinstance(outcome, Unchanged)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FROM nobody/knows\nRUN pip install flask\n", "base-unknown"),
        ("FROM python:3.12\nRUN pip install flask && rm -rf /root/.cache\n", "install-mode"),
        ("FROM python:3.12\nRUN pip install --cache-dir=/c flask\n", "install-mode"),
        ("FROM python:3.12\nRUN pip install flask || pip cache purge\n", "install-mode"),
        ("FROM python:3.12\nUSER 1000\nRUN pip install flask\n", "install-mode"),
        ("FROM python:3.12\nRUN pip install flask\nRUN du -s x && rmdir /root/.cache/pip\n", "install-mode"),
        ("FROM debian:12\nRUN apt-get update\nRUN apt-get install -y curl\n", "install-mode"),
        ("FROM debian:12\nRUN apt-get update && apt-get install x && rm -r /var/cache/*\n", "install-mode"),
        ("FROM python:3.12\nARG UID=1000\nENV HOME=/h\nUSER $UID\nRUN pip install flask\n", "install-mode"),
        ("FROM node:20\nRUN npm config set cache /c\nRUN npm install ms\n", "install-mode"),
        ("FROM golang:1.24\nARG GOCACHE=/c\nRUN go build -o /a .\n", "install-mode"),
        ("FROM python:3.12\nRUN export PIP_NO_CACHE_DIR=1 && pip install flask\n", "install-mode"),
        ("FROM node:20\nRUN --mount=type=bind,source=c,target=/root/.npm npm install ms\n", "install-mode"),
        ("FROM golang:1.24\nRUN go mod download\nRUN ./build.sh\n", "opaque-step"),
        ("FROM golang:1.24\nRUN go mod download\nRUN <<E\ngo build .\nE\n", "install-mode"),
        ("FROM golang:1.24\nRUN go mod download\nCMD go run .\n", "compiles-at-start"),
        ("FROM rust:1.85\nRUN cargo fetch\nRUN cargo build --offline\n", "install-mode"),
        ("FROM maven:3.9-eclipse-temurin-21\nRUN mvn install\nRUN mvn package\n", "install-mode"),
        ("FROM rust:1.85 AS a\nRUN cargo fetch\nFROM scratch\nCOPY --from=a /usr/local /c\n", "install-mode"),
        ("FROM alpine:3.20\nRUN apk add --no-cache --root /x curl\n", "install-mode"),
        ("FROM alpine:3.20\nARG TARGETOS\nRUN apk add --no-cache curl\n", "install-mode"),
        ("FROM python:3.12\nENV PIP_CACHE_DIR=/c\nRUN pip install x && rm -rf /*/\n", "install-mode"),
        ("FROM node:20\nENV PNPM_HOME=/pnpm\nUSER node\nRUN pnpm i\n", "install-mode"),
        ("FROM node:20\nRUN pnpm add -g tsx\n", "install-mode"),
        ("FROM node:20\nRUN pnpm config set store-dir /s\nRUN pnpm i\n", "install-mode"),
        ("FROM ruby:3.3\nRUN gem install rack && rm -rf /usr/local/*\n", "install-mode"),
        ("FROM gradle:8\nRUN gradle -g /g build\n", "install-mode"),
        ("FROM gradle:8\nENV GRADLE_OPTS=-Dgradle.user.home=/g\nRUN gradle build\n", "install-mode"),
        ("FROM gradle:8\nRUN gradle writeClasspath\n", "install-mode"),
        ("FROM gradle:8\nRUN gradle build\nENTRYPOINT gradle run\n", "compiles-at-start"),
        ("FROM mcr.microsoft.com/dotnet/sdk:8.0\nRUN dotnet build\nCMD dotnet run\n", "compiles-at-start"),
        ("FROM mcr.microsoft.com/dotnet/sdk:8.0\nRUN dotnet restore --packages /p\n", "install-mode"),
        ("FROM debian\nENV HOME=/h MAMBA_ROOT_PREFIX=/m\nUSER 5\nRUN micromamba create\n", "install-mode"),
        ("FROM mambaorg/micromamba:2\nRUN micromamba install -r /r -n a python\n", "install-mode"),
        ("FROM golang:1.24\nRUN go mod download\nRUN --network=none go build .\n", "install-mode"),
    ],
)  # fmt: skip
def test_what_a_mount_would_break_is_refused(text: str, code: str, files: MakeFiles) -> None:
    after, outcome = mounted(files, text)
    assert after == text
    assert isinstance(outcome, Refused)
    assert outcome.code == code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM python:3.12\nRUN pip install --no-cache-dir flask\n",
         f"{MOUNT}/root/.cache/pip \\\n    pip install flask\n"),
        ("FROM python:3.12\nENV HOME=/h\nUSER 1000:5\nRUN pip install flask\n",
         f"{MOUNT}/h/.cache/pip,uid=1000,gid=5 \\\n    pip install flask\n"),
        ("FROM python:3.12\nENV PIP_CACHE_DIR=/c\nRUN pip install flask\n",
         f"{MOUNT}/c \\\n    pip install flask\n"),
        ("FROM node:20\nRUN useradd -m -u 1234 app\nUSER app\nRUN npm ci\n",
         f"{MOUNT}/home/app/.npm,uid=1234 \\\n    npm ci\n"),
        ("FROM node:20\nRUN export npm_config_cache=/c && npm install ms\n",
         f"{MOUNT}/c \\\n    export npm_config_cache=/c && npm install ms\n"),
        ("FROM golang:1.24\nENV GOPATH=/g GOCACHE=/c\nRUN go build -o /a . && go clean -modcache\n",
         f"{MOUNT}/g/pkg/mod \\\n    --mount=type=cache,target=/c \\\n    go build -o /a .\n"),
        ("FROM python:3.12\nRUN uv sync --frozen --no-cache\n",
         f"{MOUNT}/root/.cache/uv \\\n    uv sync --frozen\n"),
        ("FROM alpine:3.20\nRUN apk -U add a && apk add --no-cache b && rm -rf /var/cache/apk\n",
         f"{MOUNT}/etc/apk/cache,sharing=locked \\\n    apk -U add a && apk add --update-cache b\n"),
        ("FROM ruby:3.3\nRUN gem install rack && rm -rf /usr/local/*/cache /x\n",
         f"{MOUNT}/usr/local/bundle/cache \\\n    gem install rack && rm -rf /x\n"),
        ("FROM composer:2\nENV COMPOSER_CACHE_DIR=/c\nRUN composer install --no-cache\n",
         f"{MOUNT}/c \\\n    composer install\n"),
        ("FROM gradle:8\nUSER gradle\nRUN gradle jar\nCMD java\n",
         f"{MOUNT}/home/gradle/.gradle/caches,sharing=locked,uid=1000 \\\n    gradle jar\nCMD java\n"),
        ("FROM mcr.microsoft.com/dotnet/sdk:8.0\nRUN dotnet publish -o /o\nCMD dotnet /o/a.dll\n",
         f"{MOUNT}/root/.nuget/packages \\\n    dotnet publish -o /o\nCMD dotnet /o/a.dll\n"),
        ("FROM node:20\nENV npm_config_store_dir=/s\nUSER node\nRUN pnpm i\n",
         f"{MOUNT}/s,uid=1000 \\\n    pnpm i\n"),
        ("FROM python:3.12\r\nRUN pip install --no-cache-dir flask\r\n",
         f"{MOUNT}/root/.cache/pip \\\r\n    pip install flask\r\n"),
    ],
)  # fmt: skip
def test_the_mount_is_where_the_cache_is(text: str, expected: str, files: MakeFiles) -> None:
    after, outcome = mounted(files, text)
    assert isinstance(outcome, Changed), outcome
    assert after.endswith(expected)


def test_a_comment_is_never_lost(files: MakeFiles) -> None:
    text = "FROM python:3.12\nRUN pip install flask \\\n    # why\n    && pip cache purge\nCMD x\n"
    after, _ = mounted(files, text)
    assert "# why" in after


def test_another_apt_without_mount_keeps_all_of_them_from_it(files: MakeFiles) -> None:
    text = (
        "FROM debian:12\nRUN apt-get update && apt-get install -y curl\n"
        "RUN <<E\napt-get update\napt-get install -y git\nE\n"
    )
    after, outcome = mounted(files, text)
    assert after == text
    assert isinstance(outcome, Refused)
