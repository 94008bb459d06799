"""The static proof can fail: each test breaks a good result on purpose and sees exactly that finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from msrefactor.check import check
from msrefactor.context import BuildContext
from msrefactor.model import (
    Change,
    Changed,
    Evidence,
    Need,
    NeedKind,
    Phase,
    Removal,
    Transform,
    Unchanged,
    View,
)
from msrefactor.parse import parse
from msrefactor.tree import Dockerfile, Instruction, Stage

OLD = """\
# syntax=docker/dockerfile:1
FROM python:3.12
ARG REVISION=none
# where it lives
ENV HOME_OF_APP=/app MODE=production
WORKDIR /app
COPY . .
RUN useradd app && pip install -r requirements.txt
# it must pass
RUN pytest tests
LABEL revision=$REVISION
EXPOSE 5000
USER app
CMD ["python", "app.py"]
"""

GOOD = """\
# syntax=docker/dockerfile:1
FROM python:3.12 AS build
# where it lives
ENV HOME_OF_APP=/app MODE=production
WORKDIR /app
RUN python -m venv /opt/venv
ENV PATH="/opt/venv/bin:$PATH"
COPY . .
RUN useradd app && pip install -r requirements.txt
# it must pass
RUN pytest tests

FROM python:3.12-slim
ARG REVISION=none
ENV HOME_OF_APP=/app MODE=production
WORKDIR /app
COPY . .
RUN useradd app
ENV PATH="/opt/venv/bin:$PATH"
COPY --from=build /opt/venv /opt/venv
LABEL revision=$REVISION
EXPOSE 5000
USER app
CMD ["python", "app.py"]
"""

LINES = {
    "FROM python:3.12 AS build": 2,
    "ENV HOME_OF_APP=/app MODE=production": 5,
    "WORKDIR /app": 6,
    "COPY . .": 7,
    "RUN useradd app && pip install -r requirements.txt": 8,
    "RUN useradd app": 8,
    "RUN pytest tests": 10,
    "ARG REVISION=none": 3,
    "LABEL revision=$REVISION": 11,
    "EXPOSE 5000": 12,
    "USER app": 13,
    'CMD ["python", "app.py"]': 14,
}
"""The line of the file before that an instruction of the result comes from; the others are new."""

NOBODY = Transform("nobody", "Changes nothing.", Phase.SPLIT, lambda view: Unchanged("nothing to do"))


def placed(text: str) -> Dockerfile:
    """Return the tree of a result: each instruction has the line that it had in the file before."""
    tree = parse(text)

    def with_line(instruction: Instruction) -> Instruction:
        return replace(instruction, line=LINES.get(instruction.source.strip()))

    return replace(
        tree,
        preamble=tuple(map(with_line, tree.preamble)),
        stages=tuple(Stage(tuple(map(with_line, stage.instructions))) for stage in tree.stages),
    )


def findings(
    after: str | Dockerfile,
    old: str = OLD,
    removals: tuple[Removal, ...] = (),
    needs: tuple[Need, ...] = (),
) -> tuple[str, ...]:
    tree = placed(after) if isinstance(after, str) else after
    outcome = Changed(tree, (Change("it was changed"),), removals, needs)
    return check(View(parse(old), BuildContext.unknown()), tree, outcome, NOBODY)


def without(line: str, text: str = GOOD) -> str:
    """Return the text less the last occurrence of a line."""
    head, found, tail = text.rpartition(line + "\n")
    assert found
    return head + tail


def swapped(before: str, after: str, text: str = GOOD) -> str:
    """Return the text with the last occurrence of a piece replaced."""
    head, found, tail = text.rpartition(before)
    assert found
    return head + after + tail


def test_a_good_result_has_no_findings() -> None:
    assert findings(GOOD) == ()


def test_a_removal_that_is_told_is_no_finding() -> None:
    tree = swapped("# it must pass\nRUN pytest tests\n", "")
    assert findings(tree, removals=(Removal(10, "nobody needs it"),)) == ()


BROKEN: list[tuple[str, Callable[[], str], tuple[str, ...]]] = [
    (
        "env lost",
        lambda: without("ENV HOME_OF_APP=/app MODE=production"),
        ("environment variable HOME_OF_APP is lost", "environment variable MODE is lost"),
    ),
    (
        "env changed",
        lambda: swapped("MODE=production", "MODE=development"),
        ("environment variable MODE changed",),
    ),
    ("env new", lambda: swapped("EXPOSE", "ENV DEBUG=1\nEXPOSE"), ("environment variable DEBUG is new",)),
    (
        "user lost",
        lambda: swapped("USER app\n", ""),
        ("line 13 (USER) is lost", "user: 'app' became 'root'"),
    ),
    (
        "user changed",
        lambda: swapped("USER app", "USER root"),
        ("line 13 (USER) is lost", "user: 'app' became 'root'"),
    ),
    (
        "user not made",
        lambda: without("RUN useradd app"),
        ("the user app isn't made in the final stage",),
    ),
    (
        "workdir changed",
        lambda: swapped("WORKDIR /app", "WORKDIR /srv"),
        ("workdir: '/app' became '/srv'",),
    ),
    (
        "cmd changed",
        lambda: swapped('CMD ["python", "app.py"]', 'CMD ["python", "main.py"]'),
        ("line 14 (CMD) is lost", "cmd: ('python', 'app.py') became ('python', 'main.py')"),
    ),
    (
        "cmd in shell form",
        lambda: swapped('CMD ["python", "app.py"]', "CMD python app.py"),
        ("line 14 (CMD) is lost", "cmd: ('python', 'app.py') became 'python app.py'"),
    ),
    (
        "port lost",
        lambda: without("EXPOSE 5000"),
        ("line 12 (EXPOSE) is lost", "exposed: {5000/tcp} became {}"),
    ),
    (
        "volume new",
        lambda: swapped("EXPOSE", "VOLUME /data\nEXPOSE"),
        ("volumes: {} became {/data}",),
    ),
    (
        "label lost",
        lambda: without("LABEL revision=$REVISION"),
        ("line 11 (LABEL) is lost", "label revision is lost or changed"),
    ),
    (
        "entrypoint new",
        lambda: swapped("CMD [", 'ENTRYPOINT ["python"]\nCMD ['),
        ("entrypoint: None became ('python',)",),
    ),
    ("comment lost", lambda: without("# where it lives"), ("the comment `# where it lives` is lost",)),
    (
        "run lost",
        lambda: without("RUN pytest tests"),
        ("line 10 (RUN) is lost",),
    ),
    (
        "unused stage",
        lambda: without("COPY --from=build /opt/venv /opt/venv"),
        (
            "a stage isn't needed by the final one, so that it would not be built",
            "the RUN of line 10 would not be built",
        ),
    ),
    (
        "--from to nothing",
        lambda: swapped("--from=build", "--from=builder"),
        (
            "--from=builder names no earlier stage",
            "a stage isn't needed by the final one, so that it would not be built",
            "the RUN of line 10 would not be built",
        ),
    ),
    (
        "--from a later stage",
        lambda: swapped("--from=build", "--from=1"),
        (
            "--from=1 names no earlier stage",
            "a stage isn't needed by the final one, so that it would not be built",
            "the RUN of line 10 would not be built",
        ),
    ),
    (
        "arg not declared again",
        lambda: without("ARG REVISION=none"),
        (
            "line 3 (ARG) is lost",
            "label revision is lost or changed",
            "$REVISION of LABEL isn't declared in its stage",
        ),
    ),
    (
        "artifact not made",
        lambda: swapped("--from=build /opt/venv /opt/venv", "--from=build /srv/venv /srv/venv"),
        ("nothing in the stage build makes /srv/venv",),
    ),
    (
        "artifact of another folder of the same kind",
        lambda: swapped("--from=build /opt/venv /opt/venv", "--from=build /opt/other /opt/other"),
        ("nothing in the stage build makes /opt/other",),
    ),
    (
        "casing of a keyword",
        lambda: swapped("COPY --from", "copy --from"),
        ("the casing of copy isn't that of the file",),
    ),
    (
        "casing of AS",
        lambda: swapped("FROM python:3.12-slim", "FROM python:3.12-slim as final"),
        ("the casing of AS isn't that of FROM",),
    ),
    (
        "two stages of a name",
        lambda: swapped("FROM python:3.12-slim", "FROM python:3.12-slim AS build"),
        ("two stages are named build",),
    ),
    (
        "reserved stage name",
        lambda: GOOD.replace("AS build", "AS context").replace("--from=build", "--from=context"),
        ("line 2 (FROM) is lost", "the stage name context is reserved"),
    ),
    (
        "directive lost",
        lambda: GOOD.replace("# syntax=docker/dockerfile:1\n", ""),
        ("the parser directives changed", "the comment `# syntax=docker/dockerfile:1` is lost"),
    ),
    (
        "directive moved",
        lambda: "# hello\n" + GOOD,
        ("the parser directives changed",),
    ),
]


@pytest.mark.parametrize(
    ("broken", "expected"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_finding(broken: Callable[[], str], expected: tuple[str, ...]) -> None:
    assert sorted(findings(broken())) == sorted(f"check-failed: {text}" for text in expected)


def test_the_name_of_the_final_stage_is_lost() -> None:
    old = OLD.replace("FROM python:3.12", "FROM python:3.12 AS app")
    assert findings(GOOD, old) == ("check-failed: the final stage isn't named app any more",)
    assert findings(swapped("FROM python:3.12-slim", "FROM python:3.12-slim AS app"), old) == ()


def test_an_entry_of_path_is_lost() -> None:
    old = OLD.replace("EXPOSE", "ENV PATH=/opt/tools:$PATH\nEXPOSE")
    assert "check-failed: PATH entry /opt/tools is lost" in findings(GOOD, old)


def test_the_shell_of_a_shell_form_is_lost() -> None:
    old = 'FROM debian:12\nSHELL ["/bin/bash", "-c"]\nCMD run\n'
    new = replace(parse(old), stages=(parse("FROM debian:12\nCMD run\n").stages[0],))
    assert any("shell: ('/bin/bash', '-c') became None" in finding for finding in findings(new, old))


def test_a_healthcheck_is_lost() -> None:
    old = OLD.replace("EXPOSE 5000\n", "EXPOSE 5000\nHEALTHCHECK CMD curl localhost\n")
    assert "check-failed: healthcheck: 'CMD curl localhost' became None" in findings(GOOD, old)


def test_a_need_without_a_provider_names_its_obstacle() -> None:
    need = Need(NeedKind.COMMAND, "ffmpeg", Evidence("app.py", 3, "subprocess.run"), None)
    assert findings(GOOD, needs=(need,)) == ("need-not-found: command ffmpeg (app.py:3: subprocess.run)",)
    assert findings(GOOD, needs=(replace(need, provider="package ffmpeg"),)) == ()


def test_a_result_that_reads_otherwise_than_it_was_meant() -> None:
    tree = placed(GOOD)
    final = tree.stages[1]
    swallows = replace(Instruction.new("RUN echo\n"), source="RUN echo \\\n")
    after = replace(tree, stages=(tree.stages[0], final.replace(5, final.instructions[5], swallows)))
    assert 'check-failed: `RUN echo` reads as `RUN echo ENV PATH="/opt/venv/bin:$PATH"`' in findings(after)


def test_a_result_that_cannot_be_parsed() -> None:
    tree = placed(GOOD)
    open_ended = replace(Instruction.new("RUN echo\n"), source="RUN <<EOF\necho\n")
    after = replace(tree, stages=(tree.stages[0], tree.stages[1].replace(5, open_ended)))
    assert findings(after)[0].startswith("check-failed: the result can't be parsed")


def test_the_second_parser_sees_other_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    import dockerfile_parse

    structure = dockerfile_parse.DockerfileParser.structure.fget
    monkeypatch.setattr(
        dockerfile_parse.DockerfileParser, "structure", property(lambda self: structure(self)[:-1])
    )
    assert findings(GOOD) == ("parsers-disagree: dockerfile-parse sees other instructions",)


def test_the_second_parser_sees_other_images(monkeypatch: pytest.MonkeyPatch) -> None:
    import dockerfile_parse

    monkeypatch.setattr(dockerfile_parse.DockerfileParser, "parent_images", property(lambda self: ["nginx"]))
    assert findings(GOOD) == ("parsers-disagree: dockerfile-parse sees the base images nginx",)


@pytest.mark.parametrize(
    "text",
    [
        "FROM debian\nRUN <<EOF\necho\nEOF\n",
        "FROM debian\nRUN a \\\n\n  b\n",
        "\ufeffFROM debian\nRUN a\n",
        "# escape=`\nFROM debian\nRUN a `\n  b\n",
    ],
)
def test_what_the_second_parser_is_known_to_misread_is_not_asked(text: str) -> None:
    assert findings(parse(text), text) == ()
