"""What is read of a start script that the Dockerfile writes itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor.context import BuildContext
from msrefactor.model import View
from msrefactor.parse import parse
from msrefactor_transforms.splitting.copies import all_stage_facts
from msrefactor_transforms.splitting.needs import Wants, wanted


def wants(instruction: str, context: BuildContext | None = None) -> Wants:
    text = f'FROM python:3.12\nWORKDIR /app\n{instruction}\nCMD ["/start.sh"]\n'
    view = View(parse(text), context or BuildContext.unknown(), path=Path("Dockerfile"))
    return wanted(view, all_stage_facts(view)[0])


@pytest.mark.parametrize(
    "instruction",
    [
        'RUN echo "compiling curl" && gcc -o /start.sh start.c',
        'RUN echo "curl x" > /other.sh && gcc -o /start.sh start.c',
        "RUN touch /start.sh && chmod +x /start.sh",
        "COPY <<EOF /other.sh\ncurl x\nEOF",
    ],
)
def test_what_is_printed_elsewhere_is_no_script(instruction: str) -> None:
    assert [name for name, _ in wants(instruction).commands] == ["/start.sh"]


@pytest.mark.parametrize(
    "instruction",
    [
        'RUN echo "curl x && exec python app.py" > /start.sh',
        'RUN cd / && echo "curl x" > start.sh',
        'RUN printf "#!/bin/sh\\ncurl x\\n" | tee /start.sh',
        'RUN printf "%s\\n" "#!/bin/sh" "curl x" > /start.sh',
        'RUN echo "exec curl $ADDRESS" >> /start.sh',
        'RUN echo -e "#!/bin/bash\\n\\\nset -e\\n\\\ncurl x\\n" > /start.sh',
        "RUN cat > /start.sh <<EOF\n#!/bin/sh\ncurl x\nEOF",
        "COPY <<EOF /start.sh\n#!/bin/sh\ncurl x\nEOF",
        "COPY <<start.sh /\ncurl x\nstart.sh",
    ],
)
def test_commands_of_a_written_script_are_wanted(instruction: str) -> None:
    found = wants(instruction)
    assert "curl" in [name for name, _ in found.commands]
    assert found.unknown == ()


def test_script_of_another_language_is_unknown() -> None:
    found = wants("COPY <<EOF /start.sh\n#!/usr/bin/env python3\nimport os\nEOF")
    assert [str(evidence) for evidence in found.unknown] == ["Dockerfile:3: COPY <<EOF /start.sh"]


def test_script_of_the_context_is_read_also_where_a_run_adds_to_it(tmp_path: Path) -> None:
    (tmp_path / "start.sh").write_text("#!/bin/sh\nwget x\n", "utf-8")
    context = BuildContext.open(tmp_path)
    found = wants('COPY start.sh /\nRUN echo "curl x" >> /start.sh', context)
    assert {"curl", "wget"} <= {name for name, _ in found.commands}
