"""Text to tree: what is refused, and the hardest cases byte by byte."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from msrefactor import syntax
from msrefactor.errors import BadInput
from msrefactor.parse import parse
from msrefactor.tree import Dockerfile, Instruction

FOLDER = Path(__file__).parent.parent / "fixtures" / "parse"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
# BuildKit's parser takes a NUL for a character; we take the file for no text.
REFUSED_BY_US = {"t80_nul_byte.Dockerfile": (2, 14)}

# --- refused, with the place -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("", "no FROM: this is no Dockerfile", 1, 1),
        ("# syntax=x\n\n# only comments\n", "no FROM: this is no Dockerfile", 1, 1),
        ("ARG A\n", "no FROM: this is no Dockerfile", 1, 1),
        ("RUN a\nFROM x\n", "RUN before the first FROM", 1, 1),
        ("ARG A\n  COPY a b\nFROM x\n", "COPY before the first FROM", 2, 3),
        ("FROM\n", "FROM takes an image, or an image, AS and a name", 1, 1),
        ("FROM a b\n", "FROM takes an image, or an image, AS and a name", 1, 1),
        ("FROM a IS b\n", "FROM takes an image, or an image, AS and a name", 1, 1),
        ("FROM x\nRUN <<EOF\na\nEOF \n", "unterminated heredoc", 2, 1),
        ("FROM x\n RUN echo $(( 1 << 2 ))\n", "unterminated heredoc", 2, 2),
        ("FROM x\nCOPY <<A <<B /x\nA\n", "unterminated heredoc", 2, 1),
        ('FROM x\n\nCMD ["a", 1]\n', "the JSON array of CMD holds something that is not a string", 3, 1),
        ("FROM x\nRUN [null]\n", "the JSON array of RUN holds something that is not a string", 2, 1),
        (
            "FROM x\nONBUILD SHELL [[]]\n",
            "the JSON array of SHELL holds something that is not a string",
            2,
            1,
        ),
        (
            "FROM x\nHEALTHCHECK CMD [{}]\n",
            "the JSON array of HEALTHCHECK holds something that is not a string",
            2,
            1,
        ),
        ("# syntax=a\n# Syntax=b\nFROM x\n", "only one syntax parser directive can be used", 2, 1),
        ("# escape=x\nFROM x\n", "the escape character is \\ or `, not 'x'", 1, 1),
        ("FROM x\n  \\\n", "an escape character that continues nothing", 2, 3),
        ("FROM x\nENV A\n", "ENV must have two arguments", 2, 1),
        ("FROM x\nLABEL a=b c\n", "no = in 'c': LABEL takes name=value", 2, 1),
        ("FROM x\nRUN a\0b\n", "a NUL character: not text", 2, 6),
        ("\udcff\udcfeF\0", "UTF-16 text: only UTF-8 is a Dockerfile", 1, 1),
        ("FROM {{ base }}\n", "a template, not a Dockerfile: render it first", 1, 6),
        ("FROM x\n{% if a %}\nRUN b\n", "a template, not a Dockerfile: render it first", 2, 1),
        ("FROM x\n# {% if a %}\nRUN b\n", "a template, not a Dockerfile: render it first", 2, 3),
        ("FROM x\n{{ include }}\n", "a template, not a Dockerfile: render it first", 2, 1),
        (
            "FROM x\nRUN a && \\\n  pip install {{ p }}\n",
            "a template, not a Dockerfile: render it first",
            3,
            15,
        ),
        ('FROM x\nENV V="{{ v }}"\n', "a template, not a Dockerfile: render it first", 2, 8),
    ],
)
def test_refused(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert (str(caught.value), caught.value.line, caught.value.column) == (message, line, column)


@pytest.mark.parametrize(
    "text",
    [
        "FROM x\nRUN go list -f '{{.Dir}}' ./...\n",
        'FROM x\nCMD ["docker", "ps", "--format", "{{.Names}}"]\n',
        'FROM x\nHEALTHCHECK CMD test "{{ x }}"\n',
        "FROM x\nRUN curl -w '%{http_code}' http://x && echo ${A%%{*}\n",
        "FROM x\nCOPY <<EOF /etc/salt.sls\n{% if x %}\n{{ y }}\nEOF\n",
        "FROM x\n# use {{ name }} in the template\n",
    ],
)
def test_braces_of_a_command_are_no_template(text: str) -> None:
    assert parse(text).render() == text


# --- the hardest cases, in bytes -------------------------------------------------------------------------


def size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def trivia(text: str, start: int, line: int, kind: str = "") -> list[dict[str, object]]:
    """The nodes of comments and blank lines, or of parser directives."""
    nodes: list[dict[str, object]] = []
    for whole in text.replace("\n", "\n\0").split("\0"):
        found = kind or ("comment" if whole.strip().startswith("#") else "blank")
        if whole:
            nodes.append({"kind": found, "bytes": [start, start + size(whole)], "lines": [line, line]})
        start += size(whole)
        line += 1
    return nodes


def instruction_node(item: Instruction, start: int) -> dict[str, object]:
    source = item.source
    shape = syntax.read_instruction(source, 0, item.escape)

    def place(offset: int) -> int:
        return start + size(source[:offset])

    node: dict[str, object] = {
        "kind": "instruction",
        "bytes": [start, place(len(source))],
        "lines": [item.line, item.last_line],
        "keyword": item.keyword_text,
        "logical": shape.joined.text,
    }
    inner = [
        [line.kind, place(line.start), place(line.stop)] for line in shape.joined.lines if line.kind != "text"
    ]
    if inner:
        node["inner"] = inner
    deepest = item
    if item.keyword == "ONBUILD" and item.nested is not None:
        deepest = item.nested
        node["sub"] = deepest.keyword_text
    if deepest.flags:
        node["flags"] = [
            f"--{flag.name}" + ("" if flag.value is None else f"={flag.value}") for flag in deepest.flags
        ]
    if deepest.exec_form is not None:
        node["json"] = list(deepest.exec_form)
    stops = [each.start for each in item.heredocs[1:]] + [len(source)]
    if item.heredocs:
        node["heredocs"] = [
            {
                "name": each.name,
                "fd": each.fd,
                "expand": each.expand,
                "chomp": each.chomp,
                "body": [place(each.start), place(each.end)],
                "terminator": [place(each.end), place(stop)],
            }
            for each, stop in zip(item.heredocs, stops, strict=True)
        ]
    return node


def nodes_of(tree: Dockerfile) -> list[dict[str, object]]:
    nodes: list[dict[str, object]] = []
    directives = tree.directives
    position = 0
    if directives.startswith("\ufeff"):
        nodes.append({"kind": "bom", "bytes": [0, 3], "lines": [1, 1]})
        directives = directives[1:]
        position = 3
    nodes += trivia(directives, position, 1, "directive")
    position += size(directives)
    for item in tree.all_instructions:
        assert item.line is not None
        nodes += trivia(item.leading, position, item.line - item.leading.count("\n"))
        position += size(item.leading)
        nodes.append(instruction_node(item, position))
        position += size(item.source)
    last = tree.all_instructions[-1].last_line
    assert last is not None
    return nodes + trivia(tree.trailing, position, last + 1)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_hardest_cases(name: str) -> None:
    data = (FOLDER / name).read_bytes()
    text = data.decode("utf-8", "surrogateescape")
    expected = EXPECTED[name]
    if name in REFUSED_BY_US or "error" in expected:
        with pytest.raises(BadInput) as caught:
            parse(text)
        if name in REFUSED_BY_US:
            assert (caught.value.line, caught.value.column) == REFUSED_BY_US[name]
        return
    tree = parse(text)
    assert tree.render().encode("utf-8", "surrogateescape") == data
    assert tree.escape == expected["escape"]
    found = nodes_of(tree)
    for node, wanted in zip(found, expected["nodes"], strict=True):
        if "logical" not in wanted:  # written down only where lines are joined
            node.pop("logical", None)
        assert node == wanted


def test_every_hard_case_has_an_input_and_an_expectation() -> None:
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    files = {path.name for path in FOLDER.glob("*.Dockerfile")}
    assert files == set(EXPECTED) == {case["file"] for case in manifest}
    for case in manifest:
        assert (FOLDER / case["file"]).stat().st_size == case["bytes"]


# --- time ------------------------------------------------------------------------------------------------

TYPICAL = """\
# syntax=docker/dockerfile:1
FROM python:3.12
ENV PYTHONUNBUFFERED=1 PATH="/x:$PATH"
WORKDIR /app
# system libraries
RUN apt-get update && apt-get install -y --no-install-recommends \\
    gcc \\
    libpq-dev \\
    # for the health check
    curl \\
    && rm -rf /var/lib/apt/lists/*
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
EXPOSE 8000
HEALTHCHECK --interval=30s CMD curl -f http://localhost:8000/ || exit 1
USER 1000
CMD ["gunicorn", "-b", "0.0.0.0:8000", "app:app"]
"""


@pytest.mark.parametrize(
    "unit",
    [
        TYPICAL,
        "RUN a\n",
        "\n",
        "RUN a \\\n",
        "RUN x \\\n  # c\n",
        'CMD ["' + "a" * 50 + '"]\n',
        "RUN <<E\nE\n",
    ],
)
def test_long_files_print_back(unit: str) -> None:
    text = "FROM x\n" + unit * (400_000 // len(unit))
    assert parse(text).render() == text


@pytest.mark.parametrize(
    "unit",
    [
        "x ",
        '"" ',
        "''",
        "--a ",
        "<<a ",
        "<<",
        "${a:-",
        "$a",
        "$",
        "[",
        "\\",
        "`",
        "#",
        "(",
        "\t",
        "\r",
        "\u2028",
    ],
)
@pytest.mark.parametrize("keyword", ["RUN", "ENV", "COPY <<", 'CMD ["a",', "HEALTHCHECK", "LABEL a="])
def test_no_line_hangs(keyword: str, unit: str) -> None:
    text = f"FROM x\n{keyword} {unit * (40_000 // len(unit))}\n"
    with suppress(BadInput):
        assert parse(text).render() == text


def test_ten_megabytes() -> None:
    line = "    a-package-with-a-long-name \\\n    # and why\n"
    text = "FROM x\nRUN apk add \\\n" + line * (10_000_000 // len(line)) + "    git\nCMD x\n"
    tree = parse(text)
    assert tree.render() == text
    assert [item.keyword for item in tree.all_instructions] == ["FROM", "RUN", "CMD"]


def test_the_start_is_light() -> None:
    """Importing and using the tree needs none of the modules that take longer than parsing does."""
    program = (
        "import sys; from msrefactor.parse import parse; import msrefactor.source, msrefactor.diff;"
        "parse(sys.argv[1]).all_instructions[-1].exec_form;"
        "print({'json', 'difflib', 'logging', 'click', 'libcst', 'yaml', 'subprocess'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, TYPICAL], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
