"""Files of several stages: what the final one lacks is copied, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from conftest import MakeFiles
from msrefactor.context import BuildContext
from msrefactor.facts import stage_facts
from msrefactor.model import Changed, Outcome, Refused, Settings, Unchanged, View
from msrefactor.parse import parse
from msrefactor.pipeline import refactor_text
from msrefactor_transforms.splitting.copies import all_stage_facts, copied, has_path, place_of

PROJECT = {
    "app.py": "import flask\n",
    "requirements.txt": "flask\n",
    "main.go": "package main\n\nfunc main() {}\n",
    "go.mod": "module example.com/app\n\ngo 1.22\n",
    "cmd/server.sh": "#!/bin/sh\n",
}


def repaired(files: MakeFiles, text: str, more: Mapping[str, str] | None = None) -> tuple[str, Outcome]:
    context = BuildContext.open(files({**PROJECT, **(more or {})}))
    result = refactor_text(text, None, context, (), Settings(select=frozenset({"restore-artifacts"})))
    assert result.internal_error is None
    assert result.error is None
    return result.after, result.steps[0].outcome


GO = "FROM golang:1.22 AS build\nWORKDIR /src\nCOPY . .\nRUN CGO_ENABLED=0 go build -o /out/server .\n"


@pytest.mark.parametrize(
    "text",
    [
        'FROM debian:12\nCMD ["/out/server"]\n',
        f'{GO}FROM debian:12\nCOPY --from=build /out/server /out/server\nCMD ["/out/server"]\n',
        f'{GO}FROM debian:12\nCOPY --from=build /out /out\nCMD ["/out/server"]\n',
        f'{GO}FROM debian:12\nCOPY --from=build /out/server /srv/\nCMD ["/srv/server"]\n',
        f'{GO}FROM debian:12\nCOPY --from=build /out/server /usr/local/bin/\nCMD ["server"]\n',
        f'{GO}FROM debian:12\nCOPY --from=build /out/server /elsewhere\nCMD ["/server"]\n',
        f'{GO}FROM debian:12\nCMD ["/usr/bin/env"]\n',
        f'{GO}FROM build\nCMD ["/out/server"]\n',
        'FROM debian:12 AS build\nRUN useradd -m server\nFROM debian:12\nCMD ["/server"]\n',
        f'{GO}FROM debian:12\nCOPY cmd/server.sh /server\nCMD ["/server"]\n',
    ],
)
def test_what_is_complete_or_not_understood_stays(files: MakeFiles, text: str) -> None:
    after, outcome = repaired(files, text)
    assert isinstance(outcome, Unchanged), outcome
    assert after == text


def test_a_program_that_the_final_stage_starts_is_copied(files: MakeFiles) -> None:
    text = f'{GO}FROM debian:12\nEXPOSE 80\nCMD ["/out/server"]\n'
    after, outcome = repaired(files, text)
    assert isinstance(outcome, Changed)
    assert after == text.replace("EXPOSE", "COPY --from=build /out/server /out/server\nEXPOSE")


def test_a_stage_without_a_name_is_called_by_its_number(files: MakeFiles) -> None:
    text = f'{GO}FROM debian:12\nCMD ["/out/server"]\n'.replace(" AS build", "")
    after, _ = repaired(files, text)
    assert "COPY --from=0 /out/server /out/server\n" in after


def test_the_files_own_casing_and_line_ends_are_kept(files: MakeFiles) -> None:
    text = f'{GO}FROM debian:12\nCMD ["/out/server"]\n'
    for keyword in ("FROM", "WORKDIR", "COPY", "RUN", "CMD"):
        text = text.replace(keyword, keyword.lower())
    text = text.replace(" AS ", " as ").replace("\n", "\r\n")
    after, _ = repaired(files, text)
    assert "copy --from=build /out/server /out/server\r\ncmd" in after


def test_two_stages_that_build_it_are_one_too_many(files: MakeFiles) -> None:
    other = GO.replace("AS build", "AS other")
    text = f'{GO}{other}FROM debian:12\nCMD ["/out/server"]\n'
    after, outcome = repaired(files, text)
    assert isinstance(outcome, Refused)
    assert outcome.code == "unknown-artifact"
    assert after == text


def test_a_forgotten_from_is_added(files: MakeFiles) -> None:
    text = f'{GO}FROM debian:12\n# the program\nCOPY /out/server /bin/server\nCMD ["/bin/server"]\n'
    after, outcome = repaired(files, text)
    assert isinstance(outcome, Changed)
    assert after == text.replace("COPY /out", "COPY --from=build /out")


@pytest.mark.parametrize(
    "source", ["/cmd/server.sh", "/nowhere", "/out/server /out/other", "out/server", "$X/server"]
)
def test_a_from_is_not_guessed(files: MakeFiles, source: str) -> None:
    text = f'{GO}FROM debian:12\nCOPY {source} /bin/\nCMD ["/bin/sh"]\n'
    after, _ = repaired(files, text)
    assert after == text


def test_what_reaches_a_stage(files: MakeFiles) -> None:
    text = f"{GO}FROM debian:12\nWORKDIR /w\nCOPY --from=0 /out/server /srv/\n"
    tree = parse(text + "COPY --from=build /src/conf ./conf\nCOPY cmd /cmd\n")
    view = View(tree, BuildContext.open(files(PROJECT)))
    stages = all_stage_facts(view)
    copies = copied(view, 1, stages[1])
    assert [(one.stage, one.source, one.destination) for one in copies][1] == (0, "/src/conf", "/w/conf")
    assert place_of("/src/conf/deep/x", 0, copies) == "/w/conf/deep/x"
    assert place_of("/src/other", 0, copies) is None
    assert has_path("/w/conf/x", stages[1], copies)
    assert has_path("/cmd/server.sh", stages[1], copies)
    assert not has_path("/nowhere", stages[1], copies)
    assert stage_facts(tree, tree.stages[1], view.context).end.cwd == "/w"
