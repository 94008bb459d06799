"""Our instructions are those of BuildKit's own parser, on the hardest files and on generated ones.

The `dockerfile` package holds that parser in version 0.12.5. It hangs after a fork and leaks, so it runs in a
process of its own. Where it is known to differ from today's BuildKit, it isn't asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from msrefactor import syntax
from msrefactor.errors import BadInput
from msrefactor.parse import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from msrefactor.tree import Dockerfile, Instruction

pytestmark = pytest.mark.skipif(
    find_spec("dockerfile") is None, reason="no wheel of the dockerfile package for this machine"
)

FOLDER = Path(__file__).parent.parent / "fixtures"
# Kept apart from ours: what BuildKit's parser takes and its next layer, or no tool at all, doesn't.
OUR_REFUSALS = (
    "before the first FROM",
    "FROM takes an image",
    "a template",
    "no FROM",
    "continues nothing",
    "a NUL",
)

PROGRAM = """
import sys, json, dockerfile
for line in sys.stdin:
    try:
        answer = [
            [c.cmd or "", c.sub_cmd or "", c.json, c.original or "", c.start_line, c.end_line, list(c.value)]
            for c in dockerfile.parse_string(json.loads(line))
        ]
    except Exception as error:
        answer = str(error)
    print(json.dumps(answer), flush=True)
"""


class Oracle:
    """BuildKit's parser, in a process of its own."""

    def __init__(self) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, text: str) -> list[list[Any]] | str:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(json.dumps(text) + "\n")
        self.child.stdin.flush()
        answer: list[list[Any]] | str = json.loads(self.child.stdout.readline())
        return answer

    def close(self) -> None:
        self.child.communicate()


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    found = Oracle()
    yield found
    found.close()


def is_known_to_differ(text: str) -> bool:
    """Tell whether BuildKit 0.12.5, or its wrapper, reads such a text otherwise than BuildKit does today."""
    if "\0" in text or any("\udc80" <= char <= "\udcff" for char in text):
        return True
    logical = text.replace("\\\n", "").replace("\\\r\n", "").replace("`\n", "")
    if any(f"<<{dash}{blank}" in logical for dash in ("", "-") for blank in " \t\r"):
        return True  # a blank between << and the name
    if "<<" in text and "${" in text:
        return True  # the word before ${A:-b} is forgotten today
    if "# check" in text.lower() or "#check" in text.lower():
        return True
    if "`" in text and "--" in text:
        return True  # flags under escape=`
    if ("HEALTHCHECK" in text.upper() or "--" in text) and ("\x85" in text or "\xa0" in text):
        return True  # cut inside a character
    return "[" in text and "<<" in text  # a heredoc behind an array that has text after it


def ours(item: Instruction) -> list[Any]:
    shape = syntax.read_instruction(item.source, 0, item.escape)
    assert shape.stop == len(item.source)
    nested = item.nested if item.keyword == "ONBUILD" else None
    return [
        item.keyword,
        "" if nested is None else nested.keyword.lower(),
        (item if nested is None else nested).exec_form is not None,
        shape.joined.text,
        item.line,
        item.last_line,
    ]


def theirs(node: list[Any], item: Instruction) -> list[Any]:
    original = node[3]
    if item.heredocs and item.keyword != "ONBUILD" and original.startswith(ours(item)[3]):
        original = ours(item)[3]  # their wrapper adds the bodies
    is_json = node[2] and not has_text_after_array(item)
    return [node[0].upper(), node[1].lower(), is_json, original, node[4], node[5]]


def has_text_after_array(item: Instruction) -> bool:
    """Tell whether 0.12.5 can have taken an array with text after it for exec form, which it no longer is."""
    innermost = item.nested or item
    command = innermost.arguments
    if innermost.keyword == "HEALTHCHECK":
        command = command[syntax.healthcheck_command(command) :]
    return innermost.exec_form is None and command.startswith("[")


def values(item: Instruction) -> list[str] | None:
    """What their node says the instruction's values are; None where the two can't be compared."""
    if item.heredocs or has_text_after_array(item):
        return None
    if item.exec_form is not None and item.keyword != "HEALTHCHECK":
        return list(item.exec_form)
    if item.keyword in {"ENV", "LABEL"}:
        return [part or "" for pair in item.pairs for part in pair]
    if item.keyword in {"ADD", "COPY", "FROM", "EXPOSE", "VOLUME", "ARG"}:
        return [word.text for word in item.words]
    if item.keyword in {"RUN", "CMD", "ENTRYPOINT", "WORKDIR", "USER", "MAINTAINER", "STOPSIGNAL"}:
        return [item.arguments] if item.arguments else []
    return None


def parsed(text: str) -> Dockerfile | BadInput:
    try:
        return parse(text)
    except BadInput as bad:
        return bad


def compare(oracle: Oracle, text: str) -> str:
    """Assert that both read the text alike; return what came of it."""
    answer = oracle.ask(text)
    tree = parsed(text)
    if isinstance(tree, BadInput):
        if any(each in str(tree) for each in OUR_REFUSALS):
            return "refused by us"
        assert isinstance(answer, str), (str(tree), answer)
        return "refused"
    assert isinstance(answer, list), answer
    instructions = tree.all_instructions
    assert [ours(item) for item in instructions] == [
        theirs(node, item) for node, item in zip(answer, instructions, strict=True)
    ]
    for node, item in zip(answer, instructions, strict=True):
        found = values(item)
        # Their words lose an escape character at the very end.
        if found is not None and not item.arguments.endswith(item.escape):
            assert found == node[6]
    return "alike"


def test_the_hardest_files(oracle: Oracle) -> None:
    outcomes = []
    for path in sorted((FOLDER / "parse").glob("*.Dockerfile")):
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        if not is_known_to_differ(text) and path.stat().st_size < 65_536:  # BuildKit's longest line
            outcomes.append(compare(oracle, text))
    assert outcomes.count("alike") >= 50
    assert outcomes.count("refused") >= 3


def test_the_dockerfiles_among_the_fixtures(oracle: Oracle) -> None:
    for path in sorted(FOLDER.glob("**/Dockerfile")):
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        if not is_known_to_differ(text):
            compare(oracle, text)


WORDS = st.sampled_from(
    [
        *("a", "b=c", "A=1", 'B="x y"', "'q r'", '"', "'", "$", "${A}", "${A:-b}", "$A", "="),
        *('["a", "b"]', '["a"', "[", "[ -f x ]", '["\\u00e9"]', '["a\\\\b"]', "--a=b", "--c"),
        *("<<EOF", "<<-EOF", "3<<X", "<<'E F'", '<<"E"F', "<", "<<<x"),
        *("a\\ b", "\\", "`", "#", "&&", ";", "|", "NONE", "CMD", "(", "{", "é", "🐳", "--", '--d="e f"'),
        *("\x0b", "\x0c", "\xa0", "\x85", "\u2028", "\x1c", "\r", "\t", ""),
    ]
)  # fmt: skip
KEYWORDS = st.sampled_from(
    [
        *("RUN", "run", "COPY", "ADD", "ENV", "LABEL", "CMD", "ENTRYPOINT", "HEALTHCHECK", "ONBUILD RUN"),
        *("ONBUILD COPY", "ONBUILD ENV", "ONBUILD", "ARG", "SHELL", "VOLUME", "EXPOSE"),
        *("WORKDIR", "USER", "INCLUDE", "MAINTAINER", "STOPSIGNAL"),
        *("FROM y\nRUN", "FROM z AS w\nCMD", "", "\\\nRUN", "RU\\\nN"),
    ]
)  # fmt: skip
GAPS = st.sampled_from(
    [
        " ",
        " ",
        " ",
        "  ",
        "\t",
        " \\\n",
        " \\\n  ",
        "\\\n",
        " \\ \t\n ",
        " \\\n# c\n",
        " \\\n  # d \\\n\n ",
        " \\\r\n ",
        "`\n",
        "",
    ]
)
ENDS = st.sampled_from(
    ["\n", "\n", "\n", "\r\n", "\n\n", "\n# e\n", "\n  # f\\\n", " \n", "\\\n", " \\\n", "\n\t"]
)
BODIES = st.sampled_from(
    ["", "", "x\nEOF\n", "\tEOF\n", "X\n", "# b\nEOF\nX\n", "E F\n", "EF\n", "a\\\nEOF\n", "EOF\r\n"]
)
INSTRUCTIONS = st.tuples(
    st.sampled_from(["", "", "  ", "\t"]),
    KEYWORDS,
    st.lists(st.tuples(GAPS, WORDS).map("".join), max_size=5).map("".join),
    ENDS,
    BODIES,
).map("".join)
FILES = st.tuples(
    st.sampled_from(
        ["", "", "", "# escape=`\n", "# syntax=s\n", "#  ESCAPE = \\\r\n", "\ufeff", "# c\n# escape=`\n"]
    ),
    st.sampled_from(["FROM x\n", "FROM x\n", " from x AS y\r\n", "ARG V\nFROM $V\n", "FROM \\\n\n# c\n x\n"]),
    st.lists(INSTRUCTIONS, max_size=3).map("".join),
).map("".join)


@given(FILES)
@settings(
    max_examples=600,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_generated_files(oracle: Oracle, text: str) -> None:
    event("not compared" if is_known_to_differ(text) else compare(oracle, text))
