"""Views and edits of instructions, stages and whole files."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrefactor.parse import parse
from msrefactor.tree import Dockerfile, Flag, Heredoc, Instruction, Stage, Token


def first(text: str) -> Instruction:
    """The instruction after `FROM x`, as it stands in a file."""
    return parse(f"FROM x\n{text}").stages[0].instructions[1]


def without(text: str, *gone: str) -> str:
    """The text without these words: comments that moved before the instruction, then the instruction."""
    instruction = first(text)
    tokens = [word for word in instruction.words if word.text in gone]
    assert {token.text for token in tokens} == set(gone)
    edited = instruction.without_words(tokens)
    rendered = edited.leading + edited.source
    again = parse(f"FROM x\n{rendered}")
    assert [item.source for item in again.stages[0].instructions[1:]] == [edited.source]
    return rendered


def dedent(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


# --- words that must not go ------------------------------------------------------------------------------


def test_without_no_words_is_the_same_instruction() -> None:
    instruction = first("RUN apt-get install -y \\\n    curl \\\n    # why\n    git\n")
    assert instruction.without_words([]) is instruction


def test_without_words_leaves_heredoc_bodies_alone() -> None:
    text = "COPY <<one <<two a /dest/\ngcc a\none\ngcc\ntwo\n"
    assert without(text, "a") == "COPY <<one <<two /dest/\ngcc a\none\ngcc\ntwo\n"


def test_without_words_refuses_a_span_in_a_heredoc_body() -> None:
    instruction = first("RUN <<EOF\ngcc\nEOF\n")
    start = instruction.source.index("gcc")
    with pytest.raises(ValueError, match="own lines"):
        instruction.without_words([Token("gcc", start, start + 3)])


# --- one line --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "gone", "after"),
    [
        ("RUN apt-get install -y gcc\n", ["gcc"], "RUN apt-get install -y\n"),
        ("RUN apt-get install -y gcc make git\n", ["gcc"], "RUN apt-get install -y make git\n"),
        ("RUN apt-get install -y gcc make git\n", ["make"], "RUN apt-get install -y gcc git\n"),
        ("RUN apt-get install -y gcc make git\n", ["git"], "RUN apt-get install -y gcc make\n"),
        ("RUN apt-get install -y gcc make git\n", ["gcc", "git"], "RUN apt-get install -y make\n"),
        ("RUN apt-get install -y gcc  make\tgit\n", ["make"], "RUN apt-get install -y gcc  git\n"),
        ("RUN apt-get install -y gcc make && ls\n", ["make"], "RUN apt-get install -y gcc && ls\n"),
        ("RUN apt-get install -y gcc make && ls\n", ["gcc", "make"], "RUN apt-get install -y && ls\n"),
        ("RUN apt-get install -y gcc make", ["make"], "RUN apt-get install -y gcc"),
        ("RUN apt-get install -y gcc make\r\n", ["make"], "RUN apt-get install -y gcc\r\n"),
        ("  run apk add --no-cache gcc  \n", ["gcc"], "  run apk add --no-cache  \n"),
        ('RUN pip install "a b" c\n', ['"a b"'], "RUN pip install c\n"),
        ("EXPOSE 80 443\n", ["80"], "EXPOSE 443\n"),
        ("COPY a b /x/\n", ["b"], "COPY a /x/\n"),
    ],
)
def test_without_words_of_one_line(before: str, gone: list[str], after: str) -> None:
    assert without(before, *gone) == after


def test_a_word_that_ends_at_an_operator_takes_the_blank_before_it() -> None:
    source = "RUN apt-get install -y gcc make; (apk add gcc make) && x=$(echo gcc make)\n"
    instruction = first(source)
    found = [source.index("make;"), source.index("make)"), source.rindex("gcc")]
    spans = [(found[0], found[0] + 4), (found[1], found[1] + 4), (found[2], found[2] + 3)]
    edited = instruction.without_words([Token(source[start:end], start, end) for start, end in spans])
    assert edited.source == "RUN apt-get install -y gcc; (apk add gcc) && x=$(echo make)\n"


# --- many lines ------------------------------------------------------------------------------------------

LIST = r"""
RUN apt-get update && apt-get install -y --no-install-recommends \
    build-essential \
    curl \
    libpq-dev \
    && rm -rf /var/lib/apt/lists/*
"""


def test_a_line_of_a_list_disappears() -> None:
    assert without(dedent(LIST), "build-essential") == dedent(r"""
        RUN apt-get update && apt-get install -y --no-install-recommends \
            curl \
            libpq-dev \
            && rm -rf /var/lib/apt/lists/*
        """)
    assert without(dedent(LIST), "curl") == dedent(r"""
        RUN apt-get update && apt-get install -y --no-install-recommends \
            build-essential \
            libpq-dev \
            && rm -rf /var/lib/apt/lists/*
        """)
    assert without(dedent(LIST), "build-essential", "libpq-dev") == dedent(r"""
        RUN apt-get update && apt-get install -y --no-install-recommends \
            curl \
            && rm -rf /var/lib/apt/lists/*
        """)


def test_crlf_and_a_missing_final_newline_stay() -> None:
    before = "RUN apk add \\\r\n    gcc \\\r\n    curl \\\r\n    git"
    assert without(before, "gcc") == "RUN apk add \\\r\n    curl \\\r\n    git"
    assert without(before, "git") == "RUN apk add \\\r\n    gcc \\\r\n    curl"
    assert without(before + "\r\n", "git") == "RUN apk add \\\r\n    gcc \\\r\n    curl\r\n"
    assert without(before + "\r\n", "gcc", "curl", "git") == "RUN apk add\r\n"


def test_an_operator_behind_the_last_word_goes_to_the_line_before() -> None:
    before = dedent(r"""
        RUN apt-get update && \
            apt-get install -y \
                gcc \
                libpq-dev && \
            rm -rf /var/lib/apt/lists/*
        """)
    assert without(before, "libpq-dev") == dedent(r"""
        RUN apt-get update && \
            apt-get install -y \
                gcc && \
            rm -rf /var/lib/apt/lists/*
        """)
    assert without(before, "gcc", "libpq-dev") == dedent(r"""
        RUN apt-get update && \
            apt-get install -y && \
            rm -rf /var/lib/apt/lists/*
        """)


def test_an_operator_behind_the_last_word_skips_comments_on_its_way() -> None:
    before = dedent(r"""
        RUN apt-get install -y \
                gcc \
                # for psycopg2
                libpq-dev && \
            rm -rf /var/lib/apt/lists/*
        """)
    assert without(before, "libpq-dev") == dedent(r"""
        RUN apt-get install -y \
                gcc && \
                # for psycopg2
            rm -rf /var/lib/apt/lists/*
        """)


def test_a_semicolon_stays_glued() -> None:
    source = dedent(r"""
        RUN set -eux; \
            apt-get install -y \
                gcc \
                make; \
            rm -rf /x
        """)
    start = source.index("make")
    edited = first(source).without_words([Token("make", start, start + 4)])
    assert edited.source == dedent(r"""
        RUN set -eux; \
            apt-get install -y \
                gcc; \
            rm -rf /x
        """)


def test_an_operator_that_led_its_line_stays_there() -> None:
    before = dedent(r"""
        RUN apt-get update \
         && apt-get install -y gcc libpq-dev \
         && rm -rf /var/lib/apt/lists/*
        """)
    assert without(before, "gcc") == dedent(r"""
        RUN apt-get update \
         && apt-get install -y libpq-dev \
         && rm -rf /var/lib/apt/lists/*
        """)
    assert without(before, "libpq-dev") == dedent(r"""
        RUN apt-get update \
         && apt-get install -y gcc \
         && rm -rf /var/lib/apt/lists/*
        """)


def test_comments_between_the_words_stay() -> None:
    before = dedent(r"""
        RUN apt-get install -y \
            # compilers
            gcc make \
            # the driver
            libpq-dev \
            && true
        """)
    assert without(before, "gcc", "make") == dedent(r"""
        RUN apt-get install -y \
            # compilers
            # the driver
            libpq-dev \
            && true
        """)
    assert without(before, "make", "libpq-dev") == dedent(r"""
        RUN apt-get install -y \
            # compilers
            gcc \
            # the driver
            && true
        """)


def test_comments_after_the_new_last_line_go_before_it() -> None:
    before = dedent(r"""
        RUN apt-get install -y \
            curl \
            # compilers
            gcc \

            # and make
            make
        """)
    assert without(before, "gcc", "make") == dedent(r"""
        RUN apt-get install -y \
            # compilers
            # and make
            curl
        """)
    assert without(before, "make") == dedent(r"""
        RUN apt-get install -y \
            curl \
            # compilers
            # and make
            gcc
        """)


def test_comments_go_before_the_instruction_when_its_first_line_is_all_that_is_left() -> None:
    before = "  RUN pip install a \\\n      # why b\n      b\n"
    assert without(before, "b") == "  # why b\n  RUN pip install a\n"


def test_blank_lines_inside_stay_where_lines_follow() -> None:
    before = "RUN apk add \\\n    gcc \\\n\n    make \\\n    curl\n"
    assert without(before, "gcc") == "RUN apk add \\\n\n    make \\\n    curl\n"


def test_several_words_on_one_line_of_a_list() -> None:
    before = "RUN apk add \\\n    gcc make git \\\n    curl\n"
    assert without(before, "gcc") == "RUN apk add \\\n    make git \\\n    curl\n"
    assert without(before, "git") == "RUN apk add \\\n    gcc make \\\n    curl\n"
    assert without(before, "make", "git") == "RUN apk add \\\n    gcc \\\n    curl\n"


def test_aligned_marks_stay_aligned() -> None:
    before = "RUN apk add     \\\n    gcc make    \\\n    libpq       \\\n    curl\n"
    assert without(before, "make") == "RUN apk add     \\\n    gcc         \\\n    libpq       \\\n    curl\n"
    assert without(before, "gcc", "make") == "RUN apk add     \\\n    libpq       \\\n    curl\n"


def test_blanks_behind_the_mark_and_tabs_stay() -> None:
    before = "RUN apk add \\  \n\tgcc\t\\\t\n\tmake \\\n\tgit\n"
    assert without(before, "make") == "RUN apk add \\  \n\tgcc\t\\\t\n\tgit\n"
    assert without(before, "git", "make") == "RUN apk add \\  \n\tgcc\n"


def test_a_backtick_continues_where_the_file_says_so() -> None:
    tree = parse("# escape=`\nFROM x\nRUN choco install `\n    git `\n    python\n")
    run = tree.stages[0].instructions[1]
    edited = run.without_words([run.words[3]])
    assert edited.source == "RUN choco install `\n    git\n"
    assert run.without_words([run.words[2]]).source == "RUN choco install `\n    python\n"


def test_a_word_broken_over_lines_goes_from_both() -> None:
    instruction = first("RUN echo hel\\\nlo wor\\\nld\n")
    assert [word.text for word in instruction.words] == ["echo", "hello", "world"]
    assert instruction.without_words([instruction.words[1]]).text == "echo world"
    assert instruction.without_words([instruction.words[2]]).text == "echo hello"


def test_a_shell_comment_behind_the_last_word_goes_to_the_line_before() -> None:
    assert (
        without("RUN apk add \\\n    curl \\\n    gcc # why\n", "gcc") == "RUN apk add \\\n    curl # why\n"
    )


def test_lines_of_a_mark_alone_do_not_swallow_what_follows() -> None:
    assert without("RUN apk add gcc \\\n  \\\n  make\n", "make") == "RUN apk add gcc\n"


def test_a_mark_that_dangles_at_the_end_of_the_file_stays() -> None:
    instruction = first("RUN apk add gcc \\\n    make \\\n  # end\n")
    edited = instruction.without_words([instruction.words[3]])
    assert edited.source == "RUN apk add gcc \\\n  # end\n"


package_names = st.sampled_from(
    ["gcc", "g++", "make", "libpq-dev", "curl", "git", "python3-dev", "x=1.2*", '"q r"']
)
breaks = st.sampled_from(
    [" ", "  ", " \\\n    ", " \\\n  # note\n    ", "\\\n\t", " \\\n\n    ", " \\\r\n  ", " && \\\n ", " && "]
)


@given(
    st.lists(st.tuples(breaks, package_names, st.booleans()), min_size=1, max_size=12),
    st.sampled_from(["\n", "", "\r\n", " \\\n", " && ls\n", " \\\n    && ls\n"]),
)
@settings(derandomize=True, max_examples=200, deadline=None)
def test_exactly_the_chosen_words_go_and_every_comment_stays(
    items: list[tuple[str, str, bool]], end: str
) -> None:
    text = "RUN apt-get install" + "".join(gap + name for gap, name, _ in items) + end
    instruction = first(text)
    offset = len("RUN apt-get install")
    chosen = []
    for gap, name, is_gone in items:
        offset = text.index(name, offset + len(gap))
        if is_gone:
            chosen.append((offset, offset + len(name)))
        offset += len(name)
    tokens = [word for word in instruction.words if (word.start, word.end) in set(chosen)]
    edited = instruction.without_words(tokens)
    kept = [word.text for word in instruction.words if word not in tokens]
    assert [word.text for word in edited.words] == kept
    moved = [line.strip() for line in edited.leading.splitlines()]
    assert sorted([*moved, *edited.comments]) == sorted(instruction.comments)
    again = parse("FROM x\n" + edited.leading + edited.source)
    assert [item.source for item in again.all_instructions[1:]] == [edited.source]


# --- views -----------------------------------------------------------------------------------------------


def test_the_views_of_a_run_over_many_lines() -> None:
    source = (
        "run --mount=type=cache,target='/a b' \\\n"
        "    # cached\n"
        "    --network=none --x \\\n"
        "    pip install \\\n"
        "# flush left\n"
        "    -r  req.txt\n"
    )
    run = first(source)
    assert run.keyword == "RUN"
    assert run.keyword_text == "run"
    assert (
        run.text == "--mount=type=cache,target='/a b'     --network=none --x     pip install     -r  req.txt"
    )
    assert run.arguments == "pip install     -r  req.txt"
    assert run.flags == (
        Flag("mount", "type=cache,target=/a b", 4, 36),
        Flag("network", "none", source.index("--network"), source.index(" --x")),
        Flag("x", None, source.index("--x"), source.index("--x") + 3),
    )
    assert run.flag("network") == "none"
    assert run.flag("x") == ""
    assert run.flag("mounts") is None
    assert [word.text for word in run.words] == ["pip", "install", "-r", "req.txt"]
    assert [source[word.start : word.end] for word in run.words] == ["pip", "install", "-r", "req.txt"]
    assert run.comments == ("# cached", "# flush left")
    assert (run.line, run.last_line, run.is_multiline, run.newline) == (2, 7, True, "\n")


def test_the_end_of_a_span_is_before_the_comments_that_follow_it() -> None:
    run = first("RUN a \\\n  # c\n  b\n")
    start, end = run.arguments_span(0, run.arguments.index("b"))
    assert run.source[start:end] == "a \\\n  # c\n  "
    start, end = run.arguments_span(0, 1)
    assert run.source[start:end] == "a"


def test_the_last_flag_of_a_name_counts() -> None:
    assert first("COPY --chown=1 --chown=2 a b\n").flag("chown") == "2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CMD python app.py\n", None),
        ("CMD ['python']\n", None),
        ('CMD ["a",]\n', None),
        ('CMD ["a"] && b\n', None),
        ("RUN [ -f x ] && y\n", None),
        ('ENV A ["a"]\n', None),
        ("CMD [NaN]\n", None),
        ('CMD ["C:\\app"]\n', None),
        ('CMD ["python", "app.py"]\n', ("python", "app.py")),
        ('CMD [ "a" , "b" ]  \n', ("a", "b")),
        ("ENTRYPOINT []\n", ()),
        (r'CMD ["a\tb\"\u00e9\\", "\ud83d\udc33", "\ud83d"]' + "\n", ('a\tb"é\\', "🐳", "\ufffd")),
        ('HEALTHCHECK --interval=5s CMD ["curl", "-f"]\n', ("curl", "-f")),
        ("HEALTHCHECK CMD curl -f\n", None),
        ('COPY ["a b", "/c d/"]\n', ("a b", "/c d/")),
        ('SHELL ["/bin/bash", \\\n # why\n "-c"]\n', ("/bin/bash", "-c")),
    ],
)
def test_exec_form(text: str, expected: tuple[str, ...] | None) -> None:
    assert first(text).exec_form == expected


def test_heredocs_of_one_instruction() -> None:
    copy = first("COPY <<A 3<<-'B' /x/\none\nA\n\ttwo $x\n\tB\n")
    assert copy.heredocs == (
        Heredoc("A", 0, True, False, "one\n", 21, 25),
        Heredoc("B", 3, False, True, "\ttwo $x\n", 27, 35),
    )
    assert copy.arguments == "<<A 3<<-'B' /x/"
    assert copy.last_line == 6


def test_onbuild_holds_an_instruction() -> None:
    onbuild = first("ONBUILD COPY \\\n  --chown=1 a \\\n  b\n")
    nested = onbuild.nested
    assert nested is not None
    assert (nested.keyword, nested.flag("chown"), nested.arguments) == ("COPY", "1", "a   b")
    assert nested.line == 2
    heredoc = first("ONBUILD \\\n  RUN <<E\nx\nE\n").nested
    assert heredoc is not None
    assert (heredoc.line, heredoc.last_line) == (3, 5)
    assert [each.body for each in heredoc.heredocs] == ["x\n"]


def test_a_healthcheck_holds_a_cmd_or_nothing() -> None:
    nested = first("HEALTHCHECK --timeout=3s CMD curl -f http://x || exit 1\n").nested
    assert nested is not None
    assert (nested.keyword, nested.arguments) == ("CMD", "curl -f http://x || exit 1")
    assert first("HEALTHCHECK NONE\n").nested is None
    assert first("RUN x\n").nested is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ENV A=1\n", (("A", "1"),)),
        ('ENV A=1 B="two words" C=\'s $A\' D=esc\\ aped E= F=""\n', (
            ("A", "1"), ("B", '"two words"'), ("C", "'s $A'"), ("D", "esc\\ aped"), ("E", ""), ("F", '""'),
        )),
        ('ENV OLD some value  "and quotes"\n', (("OLD", 'some value  "and quotes"'),)),
        ("ENV A=b=c\n", (("A", "b=c"),)),
        ("ENV A=1 \\\n  # c\n  B=2\n", (("A", "1"), ("B", "2"))),
        ("LABEL old style value\n", (("old", "style value"),)),
        ('LABEL "key with space"="v"\n', (('"key with space"', '"v"'),)),
        ("ARG A B=1 C=\n", (("A", None), ("B", "1"), ("C", ""))),
        ("ENV\n", ()),
        ("WORKDIR a=b\n", ()),
    ],
)  # fmt: skip
def test_pairs(text: str, expected: tuple[tuple[str, str | None], ...]) -> None:
    assert first(text).pairs == expected


def test_quotes_hold_words_together_only_where_they_do_for_buildkit() -> None:
    assert [word.text for word in first('RUN echo "a b"\n').words] == ["echo", '"a b"']
    assert [word.text for word in first('COPY "a b" /c\n').words] == ['"a', 'b"', "/c"]


def test_an_instruction_of_ours() -> None:
    made = Instruction.new("COPY --from=build /opt/venv /opt/venv")
    assert made == Instruction("", "COPY --from=build /opt/venv /opt/venv\n", None, "\\")
    assert made.last_line is None
    assert Instruction.new("RUN a \\\n    b\n").is_multiline
    assert Instruction.new("RUN a `\n    b", "`").text == "a     b"


@pytest.mark.parametrize(
    "text", ["", "# a comment", "RUN a\nRUN b", "RUN a\n\n", "RUN <<EOF\nx", 'CMD ["a", 1]', "\nRUN a"]
)
def test_not_one_instruction(text: str) -> None:
    with pytest.raises(ValueError, match="not one instruction"):
        Instruction.new(text)


def test_replaced_edits_spans_of_the_source() -> None:
    run = first("RUN a \\\n  # c\n  b\n")
    assert run.replaced([(13, 14, "B")]).source != run.source
    b = run.source.rindex("b")
    assert run.replaced([(b, b + 1, "bb"), (4, 5, "x")]).source == "RUN x \\\n  # c\n  bb\n"
    assert run.replaced([(b + 1, b + 1, " c")]).source == "RUN a \\\n  # c\n  b c\n"
    assert run.replaced([]).source == run.source
    assert run.replaced([(4, 5, "x")]).line == 2
    with pytest.raises(ValueError, match="overlaps"):
        run.replaced([(4, 6, "x"), (5, 7, "y")])
    with pytest.raises(ValueError, match="outside"):
        run.replaced([(4, 400, "x")])


def test_leading_comments_are_whole_lines() -> None:
    assert first("RUN a\n").with_leading("# why").leading == "# why\n"
    assert first("RUN a\r\n").with_leading("# why").leading == "# why\r\n"
    assert first("RUN a\n").with_leading("").leading == ""


def test_replaced_text_takes_the_line_ends_of_the_instruction() -> None:
    run = first("RUN a\r\n")
    assert run.replaced([(5, 5, " \\\n  b")]).source == "RUN a \\\r\n  b\r\n"


# --- stages and files ------------------------------------------------------------------------------------


def stage(text: str) -> Stage:
    return parse(text).stages[0]


def test_the_views_of_a_stage() -> None:
    named = stage("FROM --platform=$BUILDPLATFORM golang:1.22 as Build\n")
    assert (named.name, named.image, named.platform) == ("build", "golang:1.22", "$BUILDPLATFORM")
    plain = stage("FROM x\n")
    assert (plain.name, plain.image, plain.platform) == (None, "x", None)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM python:3.12\n", "FROM python:3.12 AS build\n"),
        ("from python:3.12\n", "from python:3.12 as build\n"),
        ("From python:3.12  \n", "From python:3.12 as build  \n"),
        ("FROM python:3.12", "FROM python:3.12 AS build"),
        ("FROM --platform=$P  python:3.12\r\n", "FROM --platform=$P  python:3.12 AS build\r\n"),
        ("FROM   a:1   as   X\n", "FROM   a:1   as   build\n"),
        ("FROM \\\n  # c\n  a\n", "FROM \\\n  # c\n  a AS build\n"),
    ],
)
def test_with_name(before: str, after: str) -> None:
    named = stage(before).with_name("build")
    assert named.instructions[0].source == after
    assert named.name == "build"


def test_with_image_keeps_all_else() -> None:
    changed = stage("FROM --platform=linux/arm64   python:3.12   AS  x\n").with_image("python:3.12-slim")
    assert changed.instructions[0].source == "FROM --platform=linux/arm64   python:3.12-slim   AS  x\n"


def test_replace_and_without() -> None:
    before = stage("FROM x\n# a\nRUN a\nRUN b\n")
    new = Instruction.new("RUN c")
    assert [item.source for item in before.replace(1, new, new).instructions] == [
        "FROM x\n",
        "RUN c\n",
        "RUN c\n",
        "RUN b\n",
    ]
    assert [item.source for item in before.replace(-1).instructions] == ["FROM x\n", "RUN a\n"]
    assert [item.source for item in before.without(1, 2).instructions] == ["FROM x\n"]
    with pytest.raises(ValueError, match="FROM"):
        before.without(0)
    with pytest.raises(ValueError, match="FROM"):
        before.replace(2, Instruction.new("FROM y"))
    with pytest.raises(IndexError):
        before.replace(7, new)


def joined(text: str, *more: str) -> str:
    tree = parse(text)
    last = tree.final_stage
    added = last.with_instructions(
        (*last.instructions, *(Instruction.new(each, tree.escape) for each in more))
    )
    return tree.with_stages((*tree.stages[:-1], added)).render()


def test_with_the_same_stages_a_file_is_the_same() -> None:
    for text in (
        "FROM x\r\nRUN a \\\n  b",
        "FROM x\nRUN a \\\n # c\n",
        "\ufeff# syntax=x\nARG A\nFROM x\n\n# end",
    ):
        tree = parse(text)
        assert tree.with_stages(tree.stages).render() == text


def test_an_instruction_without_a_newline_gets_one_before_another() -> None:
    assert joined("FROM x\nRUN a", "RUN b") == "FROM x\nRUN a\nRUN b\n"
    assert joined("FROM x\r\nRUN a", "RUN b") == "FROM x\r\nRUN a\r\nRUN b\r\n"
    assert joined("FROM x\nRUN <<E\na\nE", "RUN b") == "FROM x\nRUN <<E\na\nE\nRUN b\n"


def test_a_mark_at_the_end_of_the_file_is_dropped_before_another_instruction() -> None:
    assert joined("FROM x\nRUN a \\", "RUN b") == "FROM x\nRUN a\nRUN b\n"
    assert joined("FROM x\nRUN a \\\n", "RUN b") == "FROM x\nRUN a\nRUN b\n"
    assert joined("FROM x\nRUN a \\\n  # c\n\n# d", "RUN b") == "FROM x\nRUN a\n  # c\n\n# d\nRUN b\n"


def test_marks_alone_at_the_end_of_the_file_are_dropped_before_another_instruction() -> None:
    assert joined("FROM x\nRUN a \\\n  \\\n\\\n", "RUN b") == "FROM x\nRUN a\nRUN b\n"
    assert joined("FROM x\nRUN a\\ \\\n", "RUN b") == "FROM x\nRUN a\nRUN b\n"


def test_what_follows_the_last_instruction_still_does() -> None:
    assert joined("FROM x\nRUN a\n\n# end", "RUN b") == "FROM x\nRUN a\nRUN b\n\n# end"


def test_new_text_takes_the_line_ends_of_the_file() -> None:
    tree = parse("FROM x\r\nRUN a\r\n")
    new = Instruction.new("RUN b \\\n  c").with_leading("\n# why\n")
    text = tree.with_stages((tree.stages[0].replace(1, tree.stages[0].instructions[1], new),)).render()
    assert text == "FROM x\r\nRUN a\r\n\r\n# why\r\nRUN b \\\r\n  c\r\n"


def test_the_parts_of_a_file() -> None:
    directives = "\ufeff# syntax=docker/dockerfile:1\n#  ESCAPE = `\n"
    text = directives + "\n# base\nARG V=1\nFROM x:$V AS a\nRUN y\nFROM a\n\n# tail\n"
    tree = parse(text)
    assert tree.directives == directives
    assert (tree.directive("syntax"), tree.directive("escape"), tree.directive("check")) == (
        "docker/dockerfile:1", "`", None,
    )  # fmt: skip
    assert [item.leading for item in tree.preamble] == ["\n# base\n"]
    assert [item.line for item in tree.all_instructions] == [5, 6, 7, 8]
    assert tree.final_stage.image == "a"
    assert tree.trailing == "\n# tail\n"
    assert (tree.escape, tree.newline) == ("`", "\n")
    assert isinstance(tree, Dockerfile)
    assert tree.render() == text


def test_the_line_end_of_most_lines_is_the_file_s() -> None:
    assert parse("FROM x\r\nRUN a\r\nRUN b\n").newline == "\r\n"
    assert parse("FROM x\r\nRUN a\nRUN b\n").newline == "\n"
