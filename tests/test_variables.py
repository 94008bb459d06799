"""Variables and quotes as BuildKit expands them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrefactor.errors import BadInput
from msrefactor.variables import expand, expand_words, references, unset_references

ENV = {
    "PWD": "/home",
    "SHELL": "bash",
    "EMPTY": "",
    "V": "1.2.3-rc1",
    "P": "a/b/c",
    "S": "a*b*c",
    "SPACED": "x y",
}

# Each of these BuildKit rejects: an open quote or brace, an unknown modifier.
REJECTED = [
    "he'llo",
    '"hello',
    '"hello\\"',
    "'hello",
    "${}",
    "${",
    "${PWD",
    "he${.}",
    "${:}",
    "${:-b}",
    "${{a}",
    "${X:YYY}",
    "${PWD:=0}",
    "${V^^}",
    "${V:#1}",
    "${V/a}",
    "${V#\\x}",
    "${X:-b ${Y}",
    "${" * 500,
    "${A:-" * 500 + "}" * 500,
]


@pytest.mark.parametrize("word", REJECTED)
def test_a_word_buildkit_rejects_stays_as_written(word: str) -> None:
    assert expand(word, ENV) == word


@pytest.mark.parametrize(
    "word",
    ["", "hello", "a=b", "/usr/local/bin", "!@#%^&*()[]{};:,.?", "naïve 🐳", "caf\udce9", "a\tb  c", "<<EOF"],
)
def test_plain_text_is_its_own_value(word: str) -> None:
    assert expand(word, ENV) == word


@pytest.mark.parametrize(
    ("word", "value"),
    [
        # quotes and escapes
        ("he'll'o", "hello"),
        ("he\\'llo", "he'llo"),
        ("abc\\tdef", "abctdef"),
        ('"abc\\tdef"', "abc\\tdef"),
        ('"abc\\\\tdef"', "abc\\tdef"),
        ("'abc\\tdef'", "abc\\tdef"),
        ("hello\\", "hello"),
        ("hello\\\\", "hello\\"),
        ('"hel\'lo"', "hel'lo"),
        ("'hello\\'", "hello\\"),
        ("\"''\"", "''"),
        ('""', ""),
        # names
        ("$.", "$."),
        ("$", "$"),
        ("he$1x", "hex"),
        ("he$pwd.", "he."),
        ("he$PWD", "he/home"),
        ("he\\$PWD", "he$PWD"),
        ("he\\\\$PWD", "he\\/home"),
        ('"he\\$PWD"', "he$PWD"),
        ("'he$PWD'", "he$PWD"),
        ("\"he'$PWD'\"", "he'/home'"),
        ("he${PWD}xx", "he/homexx"),
        ("${aaa}}", "}"),
        ("$PWD$SHELL-$UNSET.", "/homebash-."),
        ("$@$*$#$?$-$$$!$0", ""),
        ("${1:-bbb}aaa", "bbbaaa"),
        # modifiers
        ("${X:-000}", "000"),
        ("${PWD:-000}", "/home"),
        ("${EMPTY:-000}", "000"),
        ("${EMPTY-000}", ""),
        ("${X-000}", "000"),
        ("${X:-${Y:-$SHELL}}", "bash"),
        ("${X:-\\$PWD:}", "$PWD:"),
        ('${X:-"a b}"}', "a b}"),
        ("${X:+000}", ""),
        ("${PWD:+000}", "000"),
        ("${EMPTY:+000}", ""),
        ("${EMPTY+000}", "000"),
        ("${PWD:+${PWD}:}xx", "/home:xx"),
        ("${PWD:?no}", "/home"),
        ("${X:?no}", ""),
        ("${X?}", ""),
        # patterns
        ("${V#1.}", "2.3-rc1"),
        ("${V#2.}", "1.2.3-rc1"),
        ("${V#*.}", "2.3-rc1"),
        ("${V##*.}", "3-rc1"),
        ("${V%-rc1}", "1.2.3"),
        ("${V%.*}", "1.2"),
        ("${V%%.*}", "1"),
        ("${V%%-*}", "1.2.3"),
        ("${V#?.?}", ".3-rc1"),
        ("${S#a\\*}", "b*c"),
        ("${S%\\**}", "a*b"),
        ("${X#a}", ""),
        ("${V/rc/RC}", "1.2.3-RC1"),
        ("${V/./_}", "1_2.3-rc1"),
        ("${V//./_}", "1_2_3-rc1"),
        ("${P//\\//-}", "a-b-c"),
        ("${P/b*/x}", "a/x"),
        ("${V//[0-9]/x}", "1.2.3-rc1"),
        ("${X/a/b}", ""),
        ("${V//zz/y}", "1.2.3-rc1"),
    ],
)
def test_expand(word: str, value: str) -> None:
    assert expand(word, ENV) == value


def test_the_escape_character_is_the_file_s() -> None:
    assert expand("C:\\bin\\$V", {"V": "x"}, "`") == "C:\\bin\\x"
    assert expand("`$V", {"V": "x"}, "`") == "$V"
    assert expand('"`"a`b"', {}, "`") == '"a`b'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("  hello   world ", ("hello", "world")),
        ("hello 'a b'c \"d e\"", ("hello", "a bc", "d e")),
        ("a\\ b c", ("a b", "c")),
        ("$SPACED", ("x", "y")),
        ('"$SPACED"', ("x y",)),
        ("a$SPACED.", ("ax", "y.")),
        ("$UNSET a", ("a",)),
        ("it's", ("it's",)),
    ],
)
def test_expand_words(text: str, words: tuple[str, ...]) -> None:
    assert expand_words(text, ENV) == words


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("plain", set()),
        ("'$A'", set()),
        ("\\$A", set()),
        ("$1 $@ $$", set()),
        ('$A/${B}/"$C"', {"A", "B", "C"}),
        ("${A:-$B}${C:+${D}}", {"A", "B", "C", "D"}),
        ("${A#$B}${C/$D/$E}", {"A", "B", "C", "D", "E"}),
        ("$A 'open", {"A"}),
    ],
)  # fmt: skip
def test_references(word: str, names: set[str]) -> None:
    assert references(word) == names


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("$PWD", set()),
        ("${X:-a}${X-a}${X:+a}${X+a}", set()),
        ("${PWD:-$X}", set()),
        ("${X:-$PWD}", set()),
        ("'$X'", set()),
        ("$EMPTY", set()),
        ("$X${Y}", {"X", "Y"}),
        ("${X:-$Y}", {"Y"}),
        ("${PWD:+$Y}", {"Y"}),
        ("${X%a}${Y/a/b}${Z?}", {"X", "Y", "Z"}),
    ],
)
def test_unset_references(word: str, names: set[str]) -> None:
    assert unset_references(word, ENV) == names


def test_a_value_that_doubles_and_doubles_is_refused() -> None:
    value = "0123456789"
    while len(value) < 600_000:
        value = expand("$A$A", {"A": value})
    with pytest.raises(BadInput, match="more than 1 MiB"):
        expand("$A$A", {"A": value})
    with pytest.raises(BadInput, match="more than 1 MiB"):
        expand("${A//?/" + "x" * 100_000 + "}", {"A": "y" * 30_000})


@pytest.mark.parametrize(
    "word",
    [
        "${A#*a*a*a*a*a*a*a*a*b}",
        "${A%%*a*a*a*a*a*a*a*a*b}",
        "${A//a*a*a*a*b/x}",
        "${A" + ":-${A" * 60 + "}" * 61,
        "'' " * 30_000,
        "${X:-}" * 20_000,
        "$X" * 30_000,
    ],
)
def test_no_word_hangs(word: str) -> None:
    expand_words(word, {"A": "a" * 20_000})
    references(word)


@given(st.text(alphabet="ab\"'\\$`{}:-+?#%/* <A1@", max_size=30), st.sampled_from(["\\", "`"]))
@settings(derandomize=True, max_examples=400, deadline=1000)
def test_any_word_has_a_value(word: str, escape: str) -> None:
    env = {"A": "a*/b", "b": ""}
    assert isinstance(expand(word, env, escape), str)
    assert all(expand_words(word, env, escape)) or not word.strip()
    assert unset_references(word, env) <= references(word)
