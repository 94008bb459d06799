"""Several ecosystems in one file: who runs, who only builds, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from msrefactor.context import BuildContext
from msrefactor.model import Changed, Outcome, Refused, Settings
from msrefactor.pipeline import refactor_text

MakeFiles = Callable[[Mapping[str, str]], Path]

FILES = {
    "requirements.txt": "flask==3.0.3\n",
    "app.py": "import flask\n",
    "web/package.json": '{"scripts": {"build": "vite build"}, "devDependencies": {"vite": "5"}}',
    "web/index.html": "<p>page</p>",
    ".dockerignore": "**/node_modules\nweb/dist\n",
}
BUILD = """\
FROM python:3.12
RUN apt-get update && apt-get install -y nodejs npm
WORKDIR /app
COPY . .
RUN pip install -r requirements.txt
RUN cd web && npm install && npm run build
"""
RUN = 'CMD ["python", "app.py"]\n'


def outcome_of(files: MakeFiles, text: str, more: Mapping[str, str] | None = None) -> tuple[Outcome, str]:
    context = BuildContext.open(files({**FILES, **(more or {})}))
    result = refactor_text(text, None, context, (), Settings(select=frozenset({"split-stages"})))
    assert result.internal_error is None
    return result.steps[0].outcome, result.after.rpartition("\nFROM ")[2]


def final(files: MakeFiles, text: str, more: Mapping[str, str] | None = None) -> str:
    """Return the final stage."""
    outcome, after = outcome_of(files, text, more)
    assert isinstance(outcome, Changed), outcome
    return after


@pytest.mark.parametrize(
    "more",
    [
        {"app.py": 'import subprocess\nsubprocess.run(["node", "x.js"])\n'},
        {"app.py": 'import os\nos.system("npx prettier x")\n'},
        {"run.sh": "#!/bin/sh\nnode server.js &\nexec python app.py\n"},
    ],
)
def test_what_starts_node_keeps_it(files: MakeFiles, more: dict[str, str]) -> None:
    start = 'CMD ["sh", "run.sh"]\n' if "run.sh" in more else RUN
    stage = final(files, BUILD + start, more)
    assert "nodejs" in stage
    assert "/app/web/node_modules" in stage


def test_what_only_builds_stays_behind(files: MakeFiles) -> None:
    stage = final(files, BUILD + RUN)
    assert "python:3.12-slim" in stage
    assert "COPY --from=build /app/web/dist /app/web/dist" in stage
    assert "node" not in stage


def test_node_modules_that_the_program_names_come_along(files: MakeFiles) -> None:
    app = 'import flask\napp = flask.Flask(__name__, static_folder="web/node_modules/bootstrap")\n'
    assert "/app/web/node_modules /app/web/node_modules" in final(files, BUILD + RUN, {"app.py": app})


def test_a_folder_apart_stays_behind_as_a_whole(files: MakeFiles) -> None:
    text = BUILD.replace("RUN cd web &&", "COPY web /ui\nRUN cd /ui &&")
    stage = final(files, f"{text}RUN cp -r /ui/dist /app/static\n{RUN}")
    assert "COPY --from=build /app/static /app/static" in stage
    assert "/ui" not in stage


def test_a_folder_apart_that_is_named_comes_along(files: MakeFiles) -> None:
    text = BUILD.replace("RUN cd web &&", "COPY web /ui\nRUN cd /ui &&")
    stage = final(files, text + RUN, {"app.py": 'import flask\nopen("/ui/dist/index.html")\n'})
    assert "COPY --from=build /ui/dist /ui/dist" in stage


def test_a_bundler_with_a_configuration_of_its_own_may_write_anywhere(files: MakeFiles) -> None:
    config = 'import x from "unheard-of-plugin";\nexport default { plugins: [x()] };\n'
    stage = final(files, BUILD + RUN, {"web/vite.config.js": config})
    assert "COPY --from=build /app /app" in stage


def test_an_output_outside_of_the_front_end_is_followed(files: MakeFiles) -> None:
    config = 'export default { build: { outDir: "../static" } };\n'
    stage = final(files, BUILD + RUN, {"web/vite.config.js": config})
    assert "COPY --from=build /app/static /app/static" in stage


def test_a_supervisor_may_start_any_of_them(files: MakeFiles) -> None:
    stage = final(files, BUILD + 'CMD ["supervisord", "-n"]\n')
    assert "nodejs npm" in stage


def test_a_program_whose_name_is_not_known_is_an_assumption(files: MakeFiles) -> None:
    more = {"app.py": "import subprocess, sys\nsubprocess.run(sys.argv[1:])\n"}
    outcome, _ = outcome_of(files, BUILD + RUN, more)
    assert isinstance(outcome, Refused)
    assert outcome.code == "unproved"


def test_a_last_step_of_another_user_leaves_node_modules(files: MakeFiles) -> None:
    text = BUILD.replace("web && npm install && npm run build", "web && npm install")
    text = f"{text}RUN useradd app\nUSER app\nRUN cd web && npx gulp\n"
    stage = final(files, text + RUN)
    assert "COPY --from=build" in stage
