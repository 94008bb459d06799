"""What holds for every combination of transforms, on made files of one stage and of several."""

from __future__ import annotations

import itertools
from pathlib import Path

import dockerfile as buildkit
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msrefactor.context import BuildContext
from msrefactor.model import Refused, Result, Settings
from msrefactor.parse import parse
from msrefactor.pipeline import refactor_text, transforms
from test_split_properties import (
    COMMON,
    FILES,
    comments,
    configuration,
    dockerfiles,
    told_away,
)

EVERY = tuple(one.name for one in transforms() if one.name != "ignore-context")
BY_DEFAULT = tuple(one.name for one in transforms() if one.by_default)

BUILDERS = {
    "python": ("python:3.12", "/app", [
        ["COPY . ."],
        ["COPY requirements.txt ."],
        ["RUN pip install -r requirements.txt"],
        ["RUN python -m venv /opt/venv && /opt/venv/bin/pip install -r requirements.txt"],
        ["RUN apt-get update && apt-get install -y libpq-dev gcc"],
        ["RUN pytest tests"],
        ["RUN ./build.sh"],
    ]),
    "node": ("node:20", "/app", [
        ["COPY . ."],
        ["COPY package*.json ./"],
        ["RUN npm ci"],
        ["RUN npm run build && npm prune --production"],
        ["RUN apt-get update", "RUN apt-get install -y git"],
        ["RUN npm install --offline"],
        ["ARG REVISION", "LABEL revision=$REVISION"],
    ]),
    "go": ("golang:1.22", "/src", [
        ["COPY . ."],
        ["COPY go.mod ./", "RUN go mod download"],
        ["RUN CGO_ENABLED=0 go build -o /out/app ."],
        ["RUN go build -o /out/app . && go clean -modcache"],
        ["RUN --mount=type=cache,target=/go/pkg/mod go build -o /out/app ."],
        ["RUN go generate ./...", "RUN make"],
        ["RUN --network=none go vet ./..."],
    ]),
}  # fmt: skip
FINALS = {
    "python": [
        ["FROM python:3.12", "WORKDIR /app", "COPY --from=build /opt/venv /opt/venv",
         "COPY --from=build /app ."],
        ["FROM python:3.12-slim", "COPY --from=build /usr/local /usr/local", "COPY --from=build /app /app"],
        ["FROM build", "RUN pip install gunicorn"],
    ],
    "node": [
        ["FROM node:20-slim", "WORKDIR /app", "COPY --from=build /app ./"],
        ["FROM node:20", "WORKDIR /app", "COPY --from=build /app/dist dist",
         "COPY --from=0 /app/node_modules node_modules"],
        ["FROM nginx:1.27", "COPY --from=build /app/public /usr/share/nginx/html"],
    ],
    "go": [
        ["FROM scratch", "COPY --from=build /out/app /app"],
        ["FROM debian:12", "RUN apt-get update && apt-get install -y ca-certificates",
         "COPY --from=build /out/app /app"],
        ["FROM alpine:3.20", "RUN apk update && apk add curl", "COPY --from=build /src/app /app"],
        ["FROM golang:1.22", "COPY --from=build /go /go", "COPY --from=build /out/app /app"],
    ],
}  # fmt: skip
ENDS = {
    "python": ['CMD ["python", "app.py"]', "CMD /opt/venv/bin/python app.py"],
    "node": ['CMD ["node", "server.js"]', "CMD npm start", 'CMD ["nginx", "-g", "daemon off;"]'],
    "go": ['ENTRYPOINT ["/app"]', "CMD go run ."],
}
CLEANING = [
    ["RUN apt-get update && apt-get install -y curl && rm -rf /var/lib/apt/lists/*"],
    [
        "RUN apt-get update",
        "RUN apt-get install -y --no-install-recommends tini \\",
        "    # a shell",
        "    bash",
    ],
    ["RUN curl -fsSLO https://example.com/a.tgz", "RUN tar -xzf a.tgz", "RUN rm a.tgz"],
    ["RUN npm install -g pm2"],
    ["RUN pip install gunicorn && rm -rf /root/.cache"],
    ["RUN <<EOF", "apt-get update", "apt-get install -y git", "EOF"],
    ["RUN apt-get update && apt-get install -y $PACKAGES"],
    ["USER app"],
]


@st.composite
def files_of_stages(draw: st.DrawFn) -> str:
    """Draw a file with a builder and a final stage."""
    language = draw(st.sampled_from(sorted(BUILDERS)))
    image, folder, steps = BUILDERS[language]
    lines = [f"FROM {image} AS build", f"WORKDIR {folder}"]
    build = draw(st.lists(st.sampled_from([*steps, *COMMON[::3]]), min_size=1, max_size=6))
    final = draw(st.sampled_from(FINALS[language]))
    rest = draw(st.lists(st.sampled_from([*COMMON, *CLEANING]), max_size=4))
    for part in itertools.chain(build, [[""], final], rest, [[draw(st.sampled_from(ENDS[language]))]]):
        lines += part
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> BuildContext:
    root = tmp_path_factory.mktemp("context")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return BuildContext.open(root)


def run(text: str, context: BuildContext, names: tuple[str, ...], unsafe: bool = False) -> Result:
    result = refactor_text(
        text, Path("Dockerfile"), context, (), Settings(select=frozenset(names), unsafe=unsafe)
    )
    assert result.internal_error is None, f"{result.internal_error}\n{text}"
    assert result.error is None, f"{result.error}\n{text}"
    return result


def bases(text: str) -> tuple[str, ...]:
    return tuple(stage.image for stage in parse(text).stages)


def assert_one_by_one(text: str, context: BuildContext, names: tuple[str, ...], unsafe: bool = False) -> str:
    """All at once must come to what they come to one after the other, each on the file that it is given."""
    together = run(text, context, names, unsafe)
    alone = text
    for name, step in zip(names, together.steps, strict=True):
        assert step.transform == name
        result = run(alone, context, (name,), unsafe)
        (own,) = result.steps
        assert type(own.outcome) is type(step.outcome), f"{name}: {own.outcome}\n{step.outcome}\n{alone}"
        if isinstance(own.outcome, Refused) and isinstance(step.outcome, Refused):
            assert own.outcome.code == step.outcome.code
            assert result.after == alone
        alone = result.after
    assert together.after == alone
    return together.after


@pytest.mark.parametrize("unsafe", [False, True])
@settings(max_examples=12, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=files_of_stages() | dockerfiles())
def test_a_combination_does_nothing_that_one_of_them_refuses(
    unsafe: bool, text: str, context: BuildContext
) -> None:
    after = assert_one_by_one(text, context, EVERY, unsafe)
    for name in EVERY:
        again = run(after, context, (name,), unsafe)
        assert again.after == after, f"{name} changes what all of them left:\n{again.after}"


@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=files_of_stages())
def test_files_of_several_stages_keep_what_they_say(text: str, context: BuildContext) -> None:
    result = run(text, context, BY_DEFAULT)
    after = result.after
    old, new = configuration(text, "/"), configuration(after, "/")
    if "FROM scratch" in text:
        del old["cmd"], new["cmd"]  # without a shell there, a command of the shell is repaired
    assert old == new, after
    assert comments(text) - told_away(text, result) <= comments(after), after
    assert len(buildkit.parse_string(after)) > 0
    assert len(parse(after).stages) == len(parse(text).stages), after
    assert run(after, context, BY_DEFAULT).after == after


@settings(max_examples=20, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=files_of_stages() | dockerfiles(), number=st.integers(0, 2 ** len(EVERY) - 1))
def test_no_other_base_than_one_of_them_would_choose(text: str, number: int, context: BuildContext) -> None:
    names = tuple(name for place, name in enumerate(EVERY) if number >> place & 1)
    if not names:
        return
    after = run(text, context, names).after
    if bases(after) != bases(text):
        chosen = {base for name in names for base in bases(run(text, context, (name,)).after)}
        assert set(bases(after)) <= chosen | set(bases(text)), after


def test_the_made_files_are_changed_and_refused(context: BuildContext) -> None:
    """The properties would say nothing of files that every transform leaves alone."""
    seen: dict[str, set[str]] = {}

    @settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(text=files_of_stages())
    def look(text: str) -> None:
        for step in run(text, context, EVERY).steps:
            seen.setdefault(step.transform, set()).add(type(step.outcome).__name__)

    look()
    assert sum("Changed" in kinds for kinds in seen.values()) >= 4, seen
    assert sum("Refused" in kinds for kinds in seen.values()) >= 2, seen


def test_a_file_that_starts_what_nothing_brings_is_refused(context: BuildContext) -> None:
    install = "COPY requirements.txt .\nRUN pip install -r requirements.txt\n"
    text = f'FROM python:3.12\n{install}CMD ["python", "app.py"]\n'
    (step,) = run(text, context, ("split-stages",)).steps
    assert isinstance(step.outcome, Refused)
    assert step.outcome.code == "need-not-found"
