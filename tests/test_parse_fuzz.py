"""Whatever the text, it is printed back as it was or refused; nothing crashes, nothing hangs."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msrefactor.errors import BadInput
from msrefactor.parse import parse
from msrefactor.source import encode, source_of
from msrefactor.tree import Dockerfile, Instruction

FOLDER = Path(__file__).parent.parent / "fixtures" / "parse"
CASES = [data for path in sorted(FOLDER.glob("*.Dockerfile")) if len(data := path.read_bytes()) < 2000]

PIECES = st.sampled_from(
    [
        *(
            "RUN ",
            "run ",
            "COPY ",
            "ADD ",
            "ENV ",
            "LABEL ",
            "CMD ",
            "HEALTHCHECK ",
            "ONBUILD ",
            "ARG ",
            "SHELL ",
        ),
        *(
            "FROM a AS b",
            "A=1 B=2",
            '"x y"',
            "'q'",
            '"',
            "'",
            "$",
            "${A}",
            "${A:-b}",
            "${",
            "NONE",
            "a",
            "b c",
        ),
        *(
            '["a", "b"]',
            '["a"',
            "[1]",
            "[ -f x ]",
            "--mount=type=x ",
            "--a ",
            "-- ",
            "--",
            "&& ",
            ";",
            "{{",
            "{%",
        ),
        *("<<EOF", "<<-EOF", "EOF", "3<<'X Y'", "X Y", "<<", "<", "\\", "`", "#", "# escape=`", "# syntax=x"),
        *(
            " ",
            "\t",
            "\r",
            "\x0b",
            "\x0c",
            "\x1c",
            "\x85",
            "\xa0",
            "\u2028",
            "\ufeff",
            "é",
            "\U0001f433",
            "\udce9",
            "\0",
        ),
    ]
)
LINE_ENDS = st.sampled_from(
    [
        "\n",
        "\n",
        "\n",
        "\r\n",
        " \\\n",
        "\\\n",
        " \\ \t\n",
        "\\\r\n",
        "`\n",
        "\n\n",
        "\n# c\n",
        "\n  # c \\\n",
        "",
    ]
)
LINES = st.tuples(st.lists(PIECES, max_size=6).map("".join), LINE_ENDS).map("".join)
FILES = st.tuples(
    st.sampled_from(["", "\ufeff", "# escape=`\n", "# syntax=x\n# escape=\\\r\n", "# c\n\n", "ARG A=1\n"]),
    st.sampled_from(["FROM x\n", "from x AS y\r\n", "\tFROM \\\n x\n", ""]),
    st.lists(LINES, max_size=12).map("".join),
).map("".join)


def parsed(text: str) -> Dockerfile | BadInput:
    try:
        return parse(text)
    except BadInput as bad:
        return bad


def check(text: str) -> None:
    """Parse and print; touch every view."""
    tree = parsed(text)
    if isinstance(tree, BadInput):
        assert "\n" not in str(tree)
        assert tree.line in range(1, text.count("\n") + 2)
        assert tree.column >= 1
        return
    assert tree.render() == text
    assert tree.with_stages(tree.stages).render() == text
    for item in tree.all_instructions:
        for each in (item, item.nested):
            if each is None:
                continue
            assert each.escape == tree.escape
            for word in each.words:
                assert 0 <= word.start < word.end <= len(each.source)
            for flag in each.flags:
                assert each.source[flag.start : flag.start + 1] == "-"
            for heredoc in each.heredocs:
                assert each.source[heredoc.start : heredoc.end] == heredoc.body
            assert len(each.comments) <= each.source.count("#")
            assert each.pairs is not None
            assert each.exec_form is None or isinstance(each.exec_form, tuple)
            assert each.text.endswith(each.arguments)
            start, end = each.arguments_span(0, len(each.arguments))
            assert 0 <= start <= end <= len(each.source)


def each_instruction_stands_alone(text: str) -> None:
    """An instruction moved elsewhere is the same instruction."""
    tree = parsed(text)
    if isinstance(tree, BadInput):
        return
    swapped = tree.with_stages((*tree.stages, *tree.stages))
    again = parse(swapped.render())
    assert len(again.stages) == 2 * len(tree.stages)
    assert [meaning(item) for item in again.all_instructions] == [
        meaning(item) for item in swapped.all_instructions
    ]


def meaning(item: Instruction) -> tuple[object, ...]:
    return item.keyword, item.text, [heredoc.body for heredoc in item.heredocs]


@given(FILES)
@settings(derandomize=True, max_examples=500, deadline=2000)
def test_generated_files_print_back(text: str) -> None:
    check(text)


@given(FILES)
@settings(derandomize=True, max_examples=200, deadline=2000)
def test_instructions_can_be_repeated(text: str) -> None:
    each_instruction_stands_alone(text)


@given(st.text(max_size=200))
@settings(derandomize=True, max_examples=200, deadline=2000)
def test_any_text_prints_back(text: str) -> None:
    if not any("\ud800" <= char <= "\udfff" for char in text):
        check(text)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(CASES)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 12))
        kind = draw(st.sampled_from(["delete", "insert", "repeat", "swap", "cut"]))
        if kind == "delete":
            del data[start : start + length]
        elif kind == "insert":
            data[start:start] = draw(
                st.binary(max_size=4) | st.sampled_from([b"\\\n", b"\r", b"<<EOF\n", b"#", b'"', b"\n\n"])
            )
        elif kind == "repeat":
            data[start:start] = data[start : start + length]
        elif kind == "swap":
            other = draw(st.sampled_from(CASES))
            data[start : start + length] = other[start : start + length]
        else:
            del data[start:]
    return bytes(data)


@given(mutated())
@settings(derandomize=True, max_examples=500, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_bytes_print_back(data: bytes) -> None:
    try:
        file = source_of(data)
    except BadInput:
        return
    assert encode(file.text) == data
    check(file.text)
