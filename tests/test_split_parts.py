"""Parts of the split: RUNs divided, package lists reduced, copies narrowed, by hand-written examples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from conftest import MakeFiles
from msrefactor.context import BuildContext
from msrefactor.facts import Scope, script_of
from msrefactor.knowledge.images import describe
from msrefactor.model import Changed, Refused, Settings
from msrefactor.parse import parse
from msrefactor.pipeline import refactor_text
from msrefactor.tree import Instruction
from msrefactor_transforms.splitting.dividing import kept_items
from msrefactor_transforms.splitting.packages import bare_name, fate, subtracted, with_packages


def run_of(text: str) -> Instruction:
    return parse("FROM debian:12\n" + text).stages[0].instructions[1]


def kept(text: str, *positions: int) -> str:
    instruction = run_of(text)
    script, spans = script_of(instruction, Scope(describe("debian:12"), BuildContext.unknown()))
    assert script is not None
    assert spans is not None
    result = kept_items(instruction, script, spans, positions).source
    assert parse("FROM debian:12\n" + result).render().endswith(result)
    return result


@pytest.mark.parametrize(
    ("text", "positions", "expected"),
    [
        ("RUN a && b && c\n", (0, 1, 2), "RUN a && b && c\n"),
        ("RUN a && b && c\n", (0,), "RUN a\n"),
        ("RUN a && b && c\n", (1,), "RUN b\n"),
        ("RUN a && b && c\n", (2,), "RUN c\n"),
        ("RUN a && b && c\n", (0, 2), "RUN a && c\n"),
        ("RUN a; b; c;\n", (0, 2), "RUN a; c;\n"),
        ("RUN a; b; c;\n", (0, 1), "RUN a; b\n"),
        ("RUN a \\\n && b \\\n && c\n", (0, 2), "RUN a \\\n && c\n"),
        ("RUN a \\\n && b \\\n && c\n", (1, 2), "RUN b \\\n && c\n"),
        ("RUN a \\\n && b \\\n && c\n", (0, 1), "RUN a \\\n && b\n"),
        ("RUN a && \\\n    b && \\\n    c\n", (0, 2), "RUN a && \\\n    c\n"),
        ("RUN a && \\\n    b && \\\n    c\n", (0,), "RUN a\n"),
        ("RUN set -e; \\\n    a; \\\n    b\n", (0, 2), "RUN set -e; \\\n    b\n"),
        ("RUN a \\\n # of b\n && b \\\n # of c\n && c\n", (0, 2), "RUN a \\\n # of c\n && c\n"),
        ("RUN a \\\n # of b\n && b \\\n # of c\n && c\n", (0,), "RUN a\n"),
        ("RUN --network=host a && b\n", (1,), "RUN --network=host b\n"),
        ("RUN a\r\n", (0,), "RUN a\r\n"),
        ("RUN a \\\r\n && b \\\r\n && c\r\n", (0, 2), "RUN a \\\r\n && c\r\n"),
        ("RUN <<EOF\na\nb\nc\nEOF\n", (0, 2), "RUN <<EOF\na\nc\nEOF\n"),
        ("RUN <<EOF\na\nb\nc\nEOF\n", (1,), "RUN <<EOF\nb\nEOF\n"),
        ("RUN <<EOF\na && b\nc\nEOF\n", (0, 2), "RUN <<EOF\na\nc\nEOF\n"),
        ("RUN if x; then y; fi && b\n", (0,), "RUN if x; then y; fi\n"),
        ("RUN a | b && c\n", (1,), "RUN c\n"),
        ("RUN a 'x && y' && b\n", (0,), "RUN a 'x && y'\n"),
    ],
)
def test_a_run_is_divided_at_command_boundaries(text: str, positions: tuple[int, ...], expected: str) -> None:
    assert kept(text, *positions) == expected


def reduced(text: str, image: str = "debian:12", removed: str = "", present: str = "") -> str | None:
    instruction = run_of(text)
    base = describe(image)
    script, spans = script_of(instruction, Scope(base, BuildContext.unknown()))
    assert script is not None
    assert spans is not None
    result = subtracted(instruction, script, spans, base, frozenset(removed.split()), present.split())
    return result.instruction.source if result.instruction is not None else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN apt-get install -y curl git\n", "RUN apt-get install -y curl git\n"),
        ("RUN apt-get install -y gcc curl\n", "RUN apt-get install -y curl\n"),
        ("RUN apt-get install -y curl gcc\n", "RUN apt-get install -y curl\n"),
        ("RUN apt-get install -y gcc make\n", None),
        ("RUN apt-get install -y gcc=4:12.* curl=7.88.*\n", "RUN apt-get install -y curl=7.88.*\n"),
        ("RUN apt-get install -y libpq-dev\n", "RUN apt-get install -y libpq5\n"),
        ("RUN apt-get install -y libpq-dev libpq5\n", "RUN apt-get install -y libpq5\n"),
        ("RUN apt-get install -y gcc $MORE\n", "RUN apt-get install -y $MORE\n"),
        ("RUN apt-get install -y unheard-of-dev\n", "RUN apt-get install -y unheard-of-dev\n"),
        (
            "RUN apt-get install -y \\\n        gcc \\\n        curl \\\n    && x\n",
            "RUN apt-get install -y \\\n        curl \\\n    && x\n",
        ),
        (
            "RUN apt-get install -y \\\n        curl \\\n        gcc\n",
            "RUN apt-get install -y \\\n        curl\n",
        ),
        (
            "RUN apt-get install -y \\\n        # the client\n        libpq-dev \\\n        curl\n",
            "RUN apt-get install -y \\\n        # the client\n        libpq5 \\\n        curl\n",
        ),
        (
            "RUN <<EOF\napt-get install -y gcc curl\nEOF\n",
            "RUN <<EOF\napt-get install -y curl\nEOF\n",
        ),
    ],
)
def test_a_package_list_is_reduced(text: str, expected: str | None) -> None:
    assert reduced(text) == expected


def test_packages_that_are_removed_again_or_there_already_go() -> None:
    assert reduced("RUN apt-get install -y curl git\n", removed="git") == "RUN apt-get install -y curl\n"
    assert (
        reduced("RUN apt-get install -y curl libpq-dev\n", present="libpq5")
        == "RUN apt-get install -y curl\n"
    )


def test_lists_that_a_wrapper_or_a_condition_installs_are_not_lost() -> None:
    assert reduced("RUN sudo apt-get install -y gcc libpq5\n") == "RUN sudo apt-get install -y libpq5\n"
    conditional = "RUN if [ -n x ]; then apt-get install -y gcc; fi\n"
    assert reduced(conditional) == conditional
    assert reduced("RUN apt-get install -y gcc\n") is None


def test_fates() -> None:
    base = describe("debian:12")
    assert fate("curl", base, frozenset()).is_kept
    assert fate("build-essential", base, frozenset()).runtime == ()
    assert fate("libpq-dev=15*", base, frozenset()).runtime == ("libpq5",)
    assert fate("unheard-of-dev", base, frozenset()).is_kept
    assert bare_name("curl=7.88.*") == "curl"
    assert bare_name("libc6:amd64") == "libc6"
    assert bare_name("py3-pip~=24") == "py3-pip"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN apt-get install -y curl && x\n", "RUN apt-get install -y curl git jq && x\n"),
        (
            "RUN apt-get install -y \\\n    curl \\\n    && x\n",
            "RUN apt-get install -y \\\n    curl \\\n    git \\\n    jq \\\n    && x\n",
        ),
        ("RUN echo\n", None),
        ("RUN apt-get update\n", None),
    ],
)
def test_packages_are_added_to_the_authors_list(text: str, expected: str | None) -> None:
    grown = with_packages(run_of(text), ["git", "jq"])
    assert (grown.source if grown is not None else None) == expected


PROJECT = {
    "app.py": "import flask\n",
    "requirements.txt": "flask\n",
    "dev/extra.txt": "flask\n",
    "conf/a.ini": "x\n",
}


def stages(files: MakeFiles, text: str, more: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return the two stages that the file is split into."""
    root: Path = files({**PROJECT, **(more or {})})
    context = BuildContext.open(root)
    result = refactor_text(text, None, context, (), Settings(select=frozenset({"split-stages"})))
    assert result.internal_error is None
    assert isinstance(result.steps[0].outcome, Changed), result.steps[0].outcome
    builder, _, final = result.after.partition("\n\n")
    return builder, final


def refusal(files: MakeFiles, text: str) -> str:
    context = BuildContext.open(files(PROJECT))
    result = refactor_text(text, None, context, (), Settings(select=frozenset({"split-stages"})))
    outcome = result.steps[0].outcome
    assert isinstance(outcome, Refused), outcome
    assert result.after == text
    return outcome.code


HEAD = "FROM python:3.12\nWORKDIR /app\n"
TAIL = 'CMD ["python", "app.py"]\n'


@pytest.mark.parametrize(
    ("copy", "install", "expected"),
    [
        ("COPY . .", "pip install -r requirements.txt", "COPY requirements.txt ."),
        ("COPY . /app/", "pip install -r requirements.txt", "COPY requirements.txt /app/"),
        ("COPY . .", "pip install -r dev/extra.txt", "COPY dev/extra.txt ./dev/"),
        ("COPY --chown=1 . .", "pip install -r requirements.txt", "COPY --chown=1 requirements.txt ."),
        ("COPY . .", "pip install -r requirements.txt -r dev/extra.txt", "COPY . ."),
        ("COPY . .", "pip install -r requirements.txt && cd conf && ls", "COPY . ."),
        ("COPY requirements.txt app.py /app/", "pip install -r /app/requirements.txt",
         "COPY requirements.txt app.py /app/"),
        ("COPY --parents conf/a.ini app.py requirements.txt ./", "pip install -r requirements.txt",
         "COPY --parents conf/a.ini app.py requirements.txt ./"),
    ],
)  # fmt: skip
def test_a_copy_is_narrowed_to_what_the_build_reads(
    files: MakeFiles, copy: str, install: str, expected: str
) -> None:
    builder, final = stages(files, f"{HEAD}{copy}\nRUN {install}\n{TAIL}")
    assert [line for line in builder.splitlines() if line.startswith("COPY")] == [expected]
    assert copy in final.splitlines()


@pytest.mark.parametrize(
    ("run", "replayed"),
    [
        ("useradd app && pip install -r requirements.txt", "RUN useradd app"),
        ("set -e; pip install -r requirements.txt; mkdir /data", "RUN set -e; mkdir /data"),
        ("umask 077 && pip install -r requirements.txt && mkdir /data", "RUN umask 077 && mkdir /data"),
        ("mkdir /data || true; pip install -r requirements.txt", "RUN mkdir /data || true"),
        ("D=/data; pip install -r requirements.txt; mkdir $D", "RUN D=/data; mkdir $D"),
        ("pip install -r requirements.txt && mkdir -p /var/log/app", "RUN mkdir -p /var/log/app"),
        ("cd /etc && touch x && pip install -r /app/requirements.txt", "RUN cd /etc && touch x"),
        ("echo done && pip install -r requirements.txt && mkdir /data", "RUN mkdir /data"),
        ("pip install -r requirements.txt && test -d conf && mkdir /data", "RUN mkdir /data"),
        ("echo x > y && pip install -r requirements.txt && rm y", None),
        ("pip install -r requirements.txt && rm -rf /root/.cache", None),
    ],
)
def test_what_sets_up_the_image_runs_in_the_final_stage(
    files: MakeFiles, run: str, replayed: str | None
) -> None:
    _, final = stages(files, f"{HEAD}COPY . .\nRUN {run}\n{TAIL}")
    assert [line for line in final.splitlines() if line.startswith("RUN")] == ([replayed] if replayed else [])


@pytest.mark.parametrize(
    "run",
    [
        "mkdir /data || pip install -r requirements.txt",
        "test -f x && touch /etc/x; pip install -r requirements.txt",
        "D=$(pip install -r requirements.txt) && mkdir /data && echo $D > /data/log",
        (
            "curl -o /etc/apt/k https://h/k && apt-get update && apt-get install git "
            "&& pip install -r requirements.txt"
        ),
    ],
)
def test_what_can_not_be_divided_is_refused(files: MakeFiles, run: str) -> None:
    assert refusal(files, f"{HEAD}COPY . .\nRUN {run}\n{TAIL}") == "opaque-step"


@pytest.mark.parametrize("name", ["", " AS app", " AS build", " AS builder"])
def test_the_final_stage_keeps_its_name(files: MakeFiles, name: str) -> None:
    text = f"FROM python:3.12{name}\nWORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt\n{TAIL}"
    builder, final = stages(files, text)
    assert final.startswith(f"FROM python:3.12-slim{name}\n")
    assert builder.splitlines()[0] == f"FROM python:3.12 AS {'builder' if name == ' AS build' else 'build'}"


@pytest.mark.parametrize(
    ("path", "is_kept"),
    [
        ("/etc/pip.conf", True),
        ("/root/.config/pip/pip.conf", True),
        ("/home/u/.netrc", True),
        ("/srv/x", False),
    ],
)
def test_configuration_that_tools_look_at_unasked_reaches_the_builder(
    files: MakeFiles, path: str, is_kept: bool
) -> None:
    copy = f"COPY conf/a.ini {path}"
    builder, final = stages(files, f"{HEAD}{copy}\nCOPY . .\nRUN pip install -r requirements.txt\n{TAIL}")
    assert (copy in builder.splitlines()) == is_kept
    assert copy in final.splitlines()


def test_a_file_that_a_variable_names_reaches_the_builder(files: MakeFiles) -> None:
    text = f"{HEAD}COPY conf/a.ini /srv/pip.ini\nENV PIP_CONFIG_FILE=/srv/pip.ini\nCOPY . .\n"
    builder, _ = stages(files, f"{text}RUN pip install -r requirements.txt\n{TAIL}")
    assert "COPY conf/a.ini /srv/pip.ini" in builder.splitlines()
