"""What holds for the shell splitter on every text: it ends, fast, with offsets that give the text back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrefactor.shell import Item, Word, parse_script, split_words, unquote

SHELL_CHARACTERS = st.text("ab=1$`'\"\\(){}[]<>|&;#!~*?-+:%@/ \t\n\ré\udc80\x00", max_size=40)
KEYWORDS = st.sampled_from(
    [
        "if ",
        "then ",
        "fi;",
        "for a ",
        "do ",
        "done ",
        "case a in ",
        "esac ",
        "$((",
        "$(",
        "${a:-",
        "<<E\n",
        "\nE\n",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=40), SHELL_CHARACTERS, st.lists(st.one_of(KEYWORDS, SHELL_CHARACTERS)).map("".join)
)


def words_inside(item: Item) -> Iterator[Word]:
    yield from item.words
    for redirect in item.redirects:
        yield from filter(None, (redirect.target, redirect.body))
    for command in item.commands:
        yield from command.words
        yield from (value for _, value in command.assignments)
        for redirect in command.redirects:
            yield from filter(None, (redirect.target, redirect.body))
    for part in item.parts:
        yield from words_inside(part)


def check_items(items: tuple[Item, ...], text: str) -> None:
    """Check order and containment of items, and that only blanks, comments and heredocs lie between them."""
    behind = 0
    for item in items:
        assert behind <= item.start < item.end <= item.separator_start <= item.separator_end <= len(text)
        assert text[item.separator_start : item.separator_end] == item.separator
        behind = item.separator_end
        for command in item.commands:
            assert command.start < command.end
        if item.kind == "command":
            first = item.commands[0]
            assert item.start <= first.start < first.end == item.end
        if item.kind == "pipeline":
            assert len(item.parts) > 1
            assert all(part.separator in {"|", "|&"} for part in item.parts[:-1])
        inside = [command for part in item.parts for command in part.commands]
        assert set(inside) <= set(item.commands)
        for part in item.parts:
            assert item.start <= part.start < part.end <= item.end
        check_items(item.parts, text)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(TEXTS)
def test_any_text_is_split_or_opaque(text: str) -> None:
    script = parse_script(text)
    if script is None:
        return
    assert script.text == text
    check_items(script.items, text)
    if "#" not in text and "<<" not in text:
        edges = [0, *(edge for item in script.items for edge in (item.start, item.separator_end)), len(text)]
        gaps = "".join(text[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2))
        assert not gaps.strip(" \t\r\n\\")
    for item in script.items:
        for word in words_inside(item):
            assert text[word.start : word.end] == word.text
    starts = [command.start for item in script.items for command in item.commands]
    assert all(command.start >= item.start for item in script.items for command in item.commands)
    assert len(set(starts)) == len(starts)
    assert script.variables == {name for item in script.items for name in item.variables}


@settings(derandomize=True, max_examples=200, deadline=None)
@given(TEXTS)
def test_words_of_any_text_are_text(text: str) -> None:
    assert all(isinstance(word, str) for word in split_words(text))
    literal = unquote(text)
    assert literal is None or len(literal) <= len(text)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(SHELL_CHARACTERS)
def test_a_literal_word_survives_quoting(text: str) -> None:
    quoted = "'" + text.replace("'", "'\\''") + "'"
    assert unquote(quoted) == text
    if "\0" not in text:
        assert split_words(f"echo {quoted} b") == ("echo", text, "b")


@settings(derandomize=True, max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_two_lines_are_the_items_of_both(first: str, second: str) -> None:
    one, two, both = parse_script(first), parse_script(second), parse_script(f"{first}\n{second}")
    if one is None or two is None or first.endswith(("\\", "\r")):
        return
    assert both is not None
    assert len(both.items) == len(one.items) + len(two.items)


REPEATED: list[Callable[[int], str]] = [
    "a ".__mul__,
    lambda n: "a && " * n + "b",
    lambda n: "a | " * n + "b",
    "a\n".__mul__,
    "a 'b' \"c\" $d; ".__mul__,
    "a \\\n".__mul__,
    "$(a) ".__mul__,
    "`a` ".__mul__,
    "$(".__mul__,
    '"$('.__mul__,
    "$((".__mul__,
    "( ".__mul__,
    "{ ".__mul__,
    "${a:-".__mul__,
    "`".__mul__,
    "\\`".__mul__,
    "\\".__mul__,
    "'".__mul__,
    '"'.__mul__,
    "a[".__mul__,
    "a[$(".__mul__,
    "a=(".__mul__,
    "@(".__mul__,
    "f() ".__mul__,
    "! ".__mul__,
    "time ".__mul__,
    "time \\\n".__mul__,
    "1".__mul__,
    "<<A ".__mul__,
    "cat <<A\nb\nA\n".__mul__,
    lambda n: "cat <<A | \nb\nA\n" * n + "c",
    lambda n: "cat <<A " * n + "\n" + "A\n" * n,
    lambda n: "if a; then b; " + "elif a; then b; " * n + "fi",
    lambda n: "case a in " + "b) c;; " * n + "esac",
    lambda n: "`" + "\\\\" * n + "`",
    lambda n: "a=" + "~:" * n,
    lambda n: "a=~" * n,
    "#a\n".__mul__,
]


@pytest.mark.parametrize("make", REPEATED, ids=lambda make: repr(make(2))[:40])
def test_repetition_does_not_hang(make: Callable[[int], str]) -> None:
    text = make(2400)
    script = parse_script.__wrapped__(text)
    assert script is None or script.text == text
