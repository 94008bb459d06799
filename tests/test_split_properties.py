"""Properties that hold for every file: single-stage files are made from a grammar and split."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dockerfile as buildkit
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import git_apply
from msrefactor.context import BuildContext
from msrefactor.diff import unified_diff
from msrefactor.model import Changed, Result, Settings
from msrefactor.parse import parse
from msrefactor.pipeline import refactor_text, transforms
from msrefactor.source import encode

FILES: Mapping[str, str] = {
    "app.py": "from flask import Flask\n\napp = Flask(__name__)\n",
    "requirements.txt": "flask==3.0.3\n",
    "requirements-dev.txt": "-r requirements.txt\npytest\n",
    "tests/test_app.py": "import app\n",
    "config/settings.ini": "[app]\nport = 5000\n",
    "entrypoint.sh": '#!/bin/sh\nset -e\nexec "$@"\n',
    "package.json": json.dumps(
        {
            "name": "app",
            "scripts": {"start": "node server.js", "test": "jest", "build": "tsc"},
            "dependencies": {"express": "^4.19.0"},
            "devDependencies": {"jest": "^29.0.0", "typescript": "^5.4.0"},
        }
    ),
    "package-lock.json": json.dumps(
        {"lockfileVersion": 3, "packages": {"node_modules/express": {"version": "4.19.0"}}}
    ),
    "tsconfig.json": '{"compilerOptions": {"outDir": "dist", "rootDir": "src"}}\n',
    "server.js": "require('express')().listen(3000)\n",
    "src/index.ts": "import express from 'express'\nexpress().listen(3000)\n",
    "public/index.html": "<p>hello</p>\n",
    "go.mod": "module example.com/app\n\ngo 1.22\n",
    "main.go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("hello")\n}\n',
}

BASES = {
    "python": [
        "python:3.12",
        "python:3.12-slim",
        "python:3.11-bookworm",
        "python:${VERSION}",
        "python:3.12-alpine",
    ],
    "node": ["node:20", "node:20-slim", "node:22-bookworm", "node:20-alpine"],
    "go": ["golang:1.22", "golang:1.22-bookworm", "golang:1.22-alpine"],
}
WORKDIRS = {"python": ["/", "/app", "/srv/app"], "node": ["/", "/app"], "go": ["/go", "/src"]}
BUILDS = {
    "python": [
        ["COPY . ."],
        ["COPY requirements.txt ."],
        ["COPY requirements.txt requirements-dev.txt ./"],
        ["RUN pip install -r requirements.txt"],
        ["RUN pip install --no-cache-dir -r requirements.txt && rm -rf /root/.cache"],
        ["RUN python -m venv /venv && /venv/bin/pip install -r requirements.txt"],
        ["RUN pip install -r requirements-dev.txt", "RUN pytest tests"],
        ["RUN pip install --user -r requirements.txt"],
        ["RUN useradd -m app && pip install -r requirements.txt && mkdir -p /data && chown app /data"],
        ["RUN set -e; mkdir -p /cache; pip install -r requirements.txt; chmod 777 /cache"],
        ["RUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt"],
        ["RUN <<EOF", "set -e", "pip install -r requirements.txt", "mkdir -p /data", "EOF"],
        ["RUN if [ -f requirements.txt ]; then pip install -r requirements.txt; fi"],
    ],
    "node": [
        ["COPY . ."],
        ["COPY package*.json ./"],
        ["RUN npm ci"],
        ["RUN npm install --production"],
        ["RUN npm run build"],
        ["RUN npm ci && npm test && npm run build"],
        [
            "RUN npm ci \\",
            "    && npm run build \\",
            "    # nobody needs it",
            "    && npm cache clean --force",
        ],
        ["RUN npm install -g pm2"],
    ],
    "go": [
        ["COPY . ."],
        ["COPY go.mod ./", "RUN go mod download"],
        ["RUN go build -o /app ."],
        ["RUN CGO_ENABLED=0 go build -o /usr/local/bin/server ."],
        ["RUN go vet ./... && go build -o server ."],
        ["RUN go test ./...", "RUN go install ."],
    ],
}
COMMON = [
    ["ENV MODE=production"],
    ['ENV A=1 B="two words"', "ENV C=$A"],
    ["ENV PATH=/opt/tools/bin:$PATH"],
    ["ENV LEGACY value of it"],
    ["ARG REVISION=unknown"],
    ["ARG TOKEN"],
    ["ARG DIR=/data", "ENV DATA=$DIR"],
    ['LABEL org.opencontainers.image.title="app" maintainer=me'],
    ["ARG WHEN=now", "LABEL when=$WHEN"],
    ["EXPOSE 8080"],
    ["EXPOSE 53/udp 9000-9002"],
    ["VOLUME /data"],
    ['VOLUME ["/var/spool/app", "/srv/files"]'],
    ["STOPSIGNAL SIGINT"],
    ["HEALTHCHECK --interval=30s CMD curl -f http://localhost:8080/ || exit 1"],
    ["HEALTHCHECK NONE"],
    ["WORKDIR /app"],
    ["WORKDIR sub"],
    ["RUN useradd -m app", "USER app"],
    ["USER 1001:0"],
    ["USER root"],
    ["RUN mkdir -p /data/cache && chmod 777 /data/cache"],
    ["RUN echo ready > /etc/ready"],
    ["RUN ln -s /usr/bin/env /usr/local/bin/e"],
    ["COPY config/settings.ini /etc/app.ini"],
    ["COPY --chown=1001 public /srv/public"],
    ["COPY entrypoint.sh /entrypoint.sh", "RUN chmod +x /entrypoint.sh"],
    ["# a comment", "# of two lines"],
    ["", "# a paragraph", ""],
    ["MAINTAINER me <me@example.com>"],
]
PACKAGES = ["curl", "gcc", "build-essential", "git", "libpq-dev", "ffmpeg", "make", "libffi-dev", "tini"]
STARTS = {
    "python": [
        ['CMD ["python", "app.py"]'],
        ["CMD python app.py --port $PORT"],
        ['ENTRYPOINT ["/entrypoint.sh"]', 'CMD ["python", "app.py"]'],
        ['CMD ["flask", "run"]', "", 'CMD ["python", "app.py"]'],
    ],
    "node": [
        ['CMD ["node", "server.js"]'],
        ["CMD npm start"],
        ['ENTRYPOINT ["node"]', 'CMD ["dist/index.js"]'],
    ],
    "go": [['CMD ["/app"]'], ['ENTRYPOINT ["server"]'], ['CMD ["./server", "-v"]']],
}


@st.composite
def _install_of_packages(draw: st.DrawFn) -> list[str]:
    names = draw(st.lists(st.sampled_from(PACKAGES), min_size=1, max_size=5, unique=True))
    shape = draw(st.integers(0, 4))
    if shape == 0:
        return [f"RUN apt-get update && apt-get install -y {' '.join(names)} && rm -rf /var/lib/apt/lists/*"]
    if shape == 1:
        return ["RUN apt-get update", f"RUN apt-get install -y {' '.join(names)}"]
    if shape == 2:
        lines = [f"        {name} \\" for name in names]
        return [
            "RUN apt-get update && \\",
            "    apt-get install -y --no-install-recommends \\",
            "        # tools \\",
            *lines,
            "    && apt-get clean",
        ]
    if shape == 3:
        lines = [f"        {name} \\" for name in names]
        return [
            "RUN set -eux; \\",
            "    apt-get update; \\",
            "    apt-get install -y \\",
            *lines,
            "    ; \\",
            "    rm -rf /var/lib/apt/lists/*",
        ]
    return ["RUN apk add --no-cache \\", *(f"    {name} \\" for name in names[:-1]), f"    {names[-1]}"]


@st.composite
def dockerfiles(draw: st.DrawFn) -> str:
    """Draw a single-stage file of one language."""
    language = draw(st.sampled_from(sorted(BASES)))
    image = draw(st.sampled_from(BASES[language]))
    lines: list[str] = []
    if draw(st.booleans()):
        lines.append("# syntax=docker/dockerfile:1")
    if "$" in image:
        lines += ["ARG VERSION=3.12"]
    stage = draw(st.sampled_from(["", "", "", " AS app", " as build"]))
    lines += [*draw(st.sampled_from([[], ["# what it is"]])), f"FROM {image}{stage}"]
    lines.append(f"WORKDIR {draw(st.sampled_from(WORKDIRS[language]))}")
    before = draw(st.lists(st.sampled_from(COMMON) | _install_of_packages(), max_size=4))
    build = draw(st.lists(st.sampled_from([*BUILDS[language], *COMMON[::2]]), min_size=1, max_size=6))
    after = draw(st.lists(st.sampled_from(COMMON), max_size=4))
    for part in itertools.chain(before, build, after, [draw(st.sampled_from(STARTS[language]))]):
        lines += part
    if draw(st.integers(0, 5)) == 0:
        lines = [_lowered(line) for line in lines]
    newline = draw(st.sampled_from(["\n", "\n", "\n", "\r\n"]))
    end = draw(st.sampled_from([newline, newline, ""]))
    return newline.join(lines) + end


_KEYWORDS = frozenset(
    "FROM RUN COPY ENV ARG LABEL EXPOSE VOLUME STOPSIGNAL HEALTHCHECK WORKDIR USER CMD ENTRYPOINT "
    "MAINTAINER".split()
)


def _lowered(line: str) -> str:
    keyword, _, rest = line.partition(" ")
    return f"{keyword.lower()} {rest}" if keyword in _KEYWORDS else line


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> BuildContext:
    root = tmp_path_factory.mktemp("context")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return BuildContext.open(root)


def split(text: str, context: BuildContext, unsafe: bool = False) -> Result:
    select = frozenset({"split-stages", "restore-artifacts"})
    return refactor_text(text, Path("Dockerfile"), context, (), Settings(unsafe=unsafe, select=select))


# ------------------------------------------- what an image's configuration is, by BuildKit's parser alone


def configuration(text: str, workdir: str) -> dict[str, Any]:
    """Return the last stage's configuration, by rules as plain as the generated files."""
    found: dict[str, Any] = {
        "workdir": workdir,
        "user": "root",
        "env": {},
        "labels": {},
        "exposed": set(),
        "volumes": set(),
        "cmd": None,
        "entrypoint": None,
        "healthcheck": None,
        "stopsignal": None,
        "tools": False,
    }
    commands = buildkit.parse_string(text)
    start = max(index for index, command in enumerate(commands) if command.cmd.lower() == "from")
    for command in commands[start + 1 :]:
        keyword, value = command.cmd.lower(), command.value
        if keyword == "workdir":
            found["workdir"] = (
                value[0] if value[0].startswith("/") else f"{found['workdir'].rstrip('/')}/{value[0]}"
            )
        elif keyword in ("user", "stopsignal"):
            found[keyword] = value[0]
        elif keyword in ("cmd", "entrypoint"):
            found[keyword] = (command.json, value)
        elif keyword == "healthcheck":
            found["healthcheck"] = (command.flags, value)
        elif keyword == "expose":
            found["exposed"] |= set(value)
        elif keyword == "volume":
            found["volumes"] |= set(value)
        elif keyword in ("env", "label"):
            # the parser gives name, value and the sign between them
            pairs = list(zip(value[0::3], value[1::3], strict=False))
            found["tools"] = found["tools"] or any("/opt/tools/bin" in text for _, text in pairs)
            found["env" if keyword == "env" else "labels"].update(pairs)
        elif keyword == "maintainer":
            found["labels"]["maintainer"] = value[0]
    found["env"].pop("PATH", "")
    return found


def comments(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if line.strip().startswith("#")}


def told_away(text: str, result: Result) -> set[str]:
    """Return the comments that stand over an instruction that the report says is left out."""
    outcomes = [step.outcome for step in result.steps if isinstance(step.outcome, Changed)]
    lines = {removal.line for outcome in outcomes for removal in outcome.removals}
    gone = [item for item in parse(text).all_instructions if item.line in lines]
    return {comment for item in gone for comment in comments(item.leading)}


GATES = ("pytest tests", "npm test", "go vet ./...", "go test ./...")


def assert_good(text: str, result: Result, context: BuildContext, unsafe: bool = False) -> None:
    assert result.internal_error is None, f"{result.internal_error}\n{text}"
    assert result.error is None, f"{result.error}\n{text}"
    if not result.is_changed:
        assert result.after == text
        return
    after = result.after
    assert parse(after).render() == after
    workdir = "/go" if "golang" in text else "/"
    final = after[after.lower().rindex("from ") :]
    assert configuration(text, workdir) == configuration(after, "/go" if "golang" in final else "/"), after
    assert comments(text) - told_away(text, result) <= comments(after), after
    stages = parse(after).stages
    assert len(stages) == 2
    assert any(i.flag("from") == stages[0].name for i in stages[1].instructions), after
    for gate in GATES:
        if gate in text:
            assert any(gate in i.source for i in stages[0].instructions), after
    assert ("\r\n" in text) == ("\r\n" in after)
    assert after.count("\n") - after.count("\r\n") in (0, after.count("\n"))
    again = split(after, context, unsafe)
    assert again.after == after
    assert again.internal_error is None


@settings(max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=dockerfiles())
def test_every_split_keeps_what_the_file_says(text: str, context: BuildContext) -> None:
    assert_good(text, split(text, context), context)


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=dockerfiles())
def test_every_unsafe_split_keeps_what_the_file_says(text: str, context: BuildContext) -> None:
    assert_good(text, split(text, context, unsafe=True), context, unsafe=True)


@pytest.mark.parametrize("unsafe", [False, True])
@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=dockerfiles())
def test_all_transforms_together_keep_what_the_file_says(
    unsafe: bool, text: str, context: BuildContext
) -> None:
    every = frozenset(transform.name for transform in transforms()) - {"ignore-context"}
    chosen = Settings(unsafe=unsafe, select=every)
    result = refactor_text(text, Path("Dockerfile"), context, (), chosen)
    assert result.internal_error is None, f"{result.internal_error}\n{text}"
    after = result.after
    workdir = "/go" if "golang" in text else "/"
    final = after[after.lower().rindex("from ") :]
    assert configuration(text, workdir) == configuration(after, "/go" if "golang" in final else "/"), after
    again = refactor_text(after, Path("Dockerfile"), context, (), chosen)
    assert again.internal_error is None, f"{again.internal_error}\n{after}"
    assert again.after == after


@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=dockerfiles())
def test_git_applies_the_diff(
    text: str, context: BuildContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    result = split(text, context)
    if result.is_changed:
        folder = tmp_path_factory.mktemp("patched")
        (folder / "Dockerfile").write_bytes(encode(text))
        git_apply(encode(unified_diff(text, result.after, "Dockerfile")), folder)
        assert (folder / "Dockerfile").read_bytes() == encode(result.after)
