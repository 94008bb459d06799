"""The shell splitter: what it must not understand, then what it finds, by hand-written expectation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from msrefactor.parse import parse
from msrefactor.shell import Command, Item, Script, Word, parse_script, split_words, unquote

BODIES = Path(__file__).parents[1] / "fixtures/parse/run"
NAMES: dict[str, str | None] = json.loads((BODIES / "names.json").read_text())


def parsed(text: str) -> Script:
    script = parse_script(text)
    assert script is not None
    return script


def only_item(text: str) -> Item:
    (item,) = parsed(text).items
    return item


def only_command(text: str) -> Command:
    (command,) = parsed(text).commands
    return command


def first_word(text: str) -> Word:
    return parsed(text).commands[0].words[0]


def names(text: str) -> list[str | None]:
    return [command.name for command in parsed(text).commands if command.words]


# What is not understood


@pytest.mark.parametrize(
    "text",
    [
        "'a",
        '"a',
        'a "b\\"',
        "`a",
        "$(a",
        "${a",
        "${a:-b",
        "${}",
        "${a b}",
        "${a&b}",
        "$((1",
        "$((1)",
        "$'a",
        "(a",
        "a)",
        "()",
        "{ a",
        "{ a;",
        "{ }",
        "}",
        "a && ",
        "a ||",
        "&& a",
        "a | ",
        "| a",
        "a ; ; b",
        "a ;; b",
        "a & & b",
        "!",
        "! ! a",
        "a | ! b",
        "if a; then b",
        "if a; b; fi",
        "if ; then b; fi",
        "then a",
        "else",
        "done",
        "esac",
        "for in a; do b; done",
        "for 1 in a; do b; done",
        "for a in b do c; done",
        "for a in b; do done",
        "while a; done",
        "case a in b) c",
        "case a in b) c;; d",
        "case a b) c;; esac",
        "[[ a",
        "[[ ]]",
        "[[ ( a ]]",
        "[[ a ]] b",
        "]]",
        "(a) b",
        "{ a; } b",
        "a (b)",
        "a > ",
        "a >> ;",
        "> (a)",
        "cat <<EOF",
        "cat <<EOF\na\n",
        "cat <<EOF\na\nEOF \n",
        "cat <<-EOF\n  EOF\n",
        "a=(b c",
        "a=(b) c",
        "a\0b",
    ],
)
def test_broken_shell_is_opaque(text: str) -> None:
    assert parse_script(text) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("!(a)", id="an extended glob in bash, a negated subshell in sh"),
        pytest.param("f() a", id="a function without braces, which bash refuses"),
        pytest.param("$((a); (b))", id="arithmetic or a subshell in a substitution"),
        pytest.param("((a); (b))", id="arithmetic or nested subshells"),
        pytest.param("echo $[1+1]", id="bash's old arithmetic"),
        pytest.param("coproc a", id="coproc"),
        pytest.param("a $(cat <<EOF)\nb\nEOF\n", id="a heredoc that outlives its substitution"),
        pytest.param("cat <<EOF $(a\nb)\nc\nEOF\n", id="a line that ends inside a substitution"),
        pytest.param("cat <<EOF\n$(cat <<X\nX\n)\nEOF\n", id="a heredoc in a heredoc"),
        pytest.param("a[1 2]=b", id="blanks in a subscript"),
        pytest.param("ab\\\nc=d", id="a line break in a variable's name"),
        pytest.param("echo $ab\\\nc", id="a line break in a variable's name that is read"),
        pytest.param("a 2\\\n>b", id="a line break in a redirection"),
        pytest.param("echo $\\\n(a)", id="a line break behind a dollar sign"),
        pytest.param("a &\\\n& b", id="a line break in a separator"),
        pytest.param("x" * 1_000_001, id="longer than anyone writes"),
        pytest.param("( " * 2000 + "a" + ")" * 2000, id="deeper than anyone writes"),
        pytest.param('"$(' * 2000, id="deep and broken"),
    ],
)
def test_doubtful_shell_is_opaque(text: str) -> None:
    assert parse_script(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Invoke-WebRequest -Uri ('https://x.invalid/{0}.zip' -f $env:V) -OutFile x.zip",
        "if ((Get-FileHash x.zip).Hash -ne $env:SHA) { exit 1 }",
        "Get-ChildItem | ForEach-Object { Remove-Item $_; }; }",
    ],
)
def test_powershell_is_opaque(text: str) -> None:
    assert parse_script(text) is None


# The labelled bodies


def body(name: str) -> str:
    """Return the logical text of a RUN whose arguments stand in a fixture."""
    tree = parse(f"FROM scratch\nRUN {(BODIES / f'{name}.run').read_bytes().decode()}")
    return tree.stages[0].instructions[1].arguments


@pytest.mark.parametrize("name", [name for name, labels in NAMES.items() if labels is not None])
def test_labelled_body_has_its_commands(name: str) -> None:
    labels = NAMES[name]
    assert labels is not None
    assert names(body(name)) == labels.split()


@pytest.mark.parametrize("name", [name for name, labels in NAMES.items() if labels is None])
def test_labelled_body_of_another_shell_is_opaque(name: str) -> None:
    assert parse_script(body(name)) is None


def test_every_fixture_is_labelled() -> None:
    assert {file.stem for file in BODIES.glob("*.run")} == set(NAMES)


# Lists and separators


@pytest.mark.parametrize("text", ["", " ", "\n", " \t\n\n", "# a comment", "\n# a\n\n # b\n", "\\\n"])
def test_nothing_to_run_is_understood(text: str) -> None:
    assert parsed(text).items == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", [("a", "")]),
        ("a;", [("a", ";")]),
        ("a &", [("a", "&")]),
        ("a\n", [("a", "")]),
        ("a && b", [("a", "&&"), ("b", "")]),
        ("a&&b||c;d&e", [("a", "&&"), ("b", "||"), ("c", ";"), ("d", "&"), ("e", "")]),
        ("a\nb", [("a", "\n"), ("b", "")]),
        ("a ;\n\n b\n", [("a", ";"), ("b", "")]),
        ("a # x && y\nb", [("a", "\n"), ("b", "")]),
        ("a &&\n# why\n b", [("a", "&&"), ("b", "")]),
        ("a \\\n && b", [("a", "&&"), ("b", "")]),
        ("a\r\nb\r\n", [("a", "\n"), ("b", "")]),
        ("a b#c '#' \"#\" \\# d", [("a b#c '#' \"#\" \\# d", "")]),
        ("(a && b) || { c; }; d", [("(a && b)", "||"), ("{ c; }", ";"), ("d", "")]),
        ("! a | b && time c", [("! a | b", "&&"), ("time c", "")]),
        ("f() { a; }; f", [("f() { a; }", ";"), ("f", "")]),
        ("{ a; } >x 2>&1 && b", [("{ a; } >x 2>&1", "&&"), ("b", "")]),
    ],
)
def test_top_level_items_and_their_separators(text: str, expected: list[tuple[str, str]]) -> None:
    script = parsed(text)
    assert [(text[item.start : item.end], item.separator) for item in script.items] == expected
    for item in script.items:
        assert text[item.separator_start : item.separator_end] == item.separator


@pytest.mark.parametrize(
    ("text", "kind", "keyword"),
    [
        ("a", "command", ""),
        ("A=1", "command", ""),
        ("> a", "command", ""),
        ("! a", "command", ""),
        ("time -p a", "command", ""),
        ("a | b", "pipeline", ""),
        ("a |& b", "pipeline", ""),
        ("if a; then b; fi", "compound", "if"),
        ("for a in b; do c; done", "compound", "for"),
        ("for a; do c; done", "compound", "for"),
        ("for ((i = 0; i < 3; i++)); do c; done", "compound", "for"),
        ("select a in b; do c; done", "compound", "select"),
        ("while a; do b; done", "compound", "while"),
        ("until a; do b; done", "compound", "until"),
        ("case a in b) c;; esac", "compound", "case"),
        ("case a in esac", "compound", "case"),
        ("{ a; }", "compound", "{"),
        ("(a)", "compound", "("),
        ("[[ -f a ]]", "compound", "[["),
        ("((a + 1))", "compound", "(("),
        ("f() { a; }", "compound", "function"),
        ("f ( ) ( a )", "compound", "function"),
        ("function f { a; }", "compound", "function"),
        ("function f() { a; }", "compound", "function"),
    ],
)
def test_kinds(text: str, kind: str, keyword: str) -> None:
    item = only_item(text)
    assert (item.kind, item.keyword) == (kind, keyword)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("if a; then b; elif c; then d; elif e; then f; else g; fi", "a b c d e f g"),
        ("for x in $(a) b; do c; d; done", "a c d"),
        ("case $(a) in b | c) d; e;; (f) ;; *) g; esac", "a d e g"),
        ("while a; b; do c; done | d", "a b c d"),
        ("a $(b `c` | d) <(e) >(f) > $(g)", "a b c d e f g"),
        ("A=$(b) c", "c b"),
        ('a ${b:-$(c)} $((1 + $(d))) "${e#"`f`"}"', "a c d f"),
        ("a=( $(b) )", "b"),
        ("echo {a,b} fi then done", "echo"),
        ("a `# a comment instead of a word` b", "a"),
        ("a `b \\`c\\``", "a b c"),
        ("f() { a; b | c; }; f", "a b c f"),
        ("time -v a", "time"),
        ("[ -f a ] && [[ -f b ]]", "[ [["),
    ],
)
def test_commands_inside(text: str, expected: str) -> None:
    assert names(text) == expected.split()


def test_commands_of_substitutions_are_marked() -> None:
    commands = parsed("(a) && b $(c `d`) <(e)").commands
    assert [(command.name, command.is_substituted) for command in commands] == [
        ("a", False),
        ("b", False),
        ("c", True),
        ("d", True),
        ("e", True),
    ]


def test_parts_keep_the_structure() -> None:
    item = only_item("(cd /src && ./configure; make) | tee log")
    subshell, tee = item.parts
    assert (subshell.keyword, subshell.separator, tee.kind) == ("(", "|", "command")
    assert [(part.commands[0].name, part.separator) for part in subshell.parts] == [
        ("cd", "&&"),
        ("./configure", ";"),
        ("make", ""),
    ]


def test_loop_and_case_words_are_the_items_own() -> None:
    loop = only_item("for p in curl 'a b' $MORE; do apt-get install $p; done")
    assert (loop.loop_variable, [word.literal for word in loop.words]) == ("p", ["curl", "a b", None])
    choice = only_item('case "$ARCH" in x86_64) a;; arm64|arm*) b;; esac')
    assert [word.text for word in choice.words] == ['"$ARCH"', "x86_64", "arm64", "arm*"]


def test_redirections_of_a_compound_are_the_items_own() -> None:
    (redirect,) = only_item("{ echo a; echo b; } >> /etc/gemrc").redirects
    assert redirect.target is not None
    assert (redirect.operator, redirect.target.literal) == (">>", "/etc/gemrc")


def test_functions() -> None:
    assert parsed("f() { g() { a; }; }; (h() { b; })").functions == {"f", "g", "h"}


def test_negation() -> None:
    assert [item.negated for item in parsed("! a && b || ! c | d").items] == [True, False, True]


# Commands


def test_a_command_has_assignments_words_and_redirections() -> None:
    command = only_command(">log A=1 B='x y' go build \"-o x\" 2>&1 ./cmd </dev/null")
    assert [(name, value.literal) for name, value in command.assignments] == [("A", "1"), ("B", "x y")]
    assert command.name == "go"
    assert [word.literal for word in command.arguments] == ["build", "-o x", "./cmd"]
    assert [
        (redirect.operator, redirect.fd, redirect.target.literal if redirect.target else None)
        for redirect in command.redirects
    ] == [(">", None, "log"), (">&", 2, "1"), ("<", None, "/dev/null")]


def test_a_command_can_have_no_name() -> None:
    assert only_command("A=1").name is None
    assert only_command("$CC -c a.c").name is None
    assert only_command("> a").words == ()


@pytest.mark.parametrize(
    ("text", "name", "literal"),
    [
        ("A=", "A", ""),
        ("A=b=c", "A", "b=c"),
        ("A='b c'd", "A", "b cd"),
        ("A=$B", "A", None),
        ("PATH+=:/x", "PATH", None),
        ("A[0]=b", "A", None),
        ("A[$i]+=b", "A", None),
        ("A=(b c)", "A", None),
        ("A=~/b", "A", None),
        ("A=b:~/c", "A", None),
    ],
)
def test_assignments(text: str, name: str, literal: str | None) -> None:
    ((found, value),) = only_command(text).assignments
    assert (found, value.literal) == (name, literal)


def test_an_appended_value_reads_the_old_one() -> None:
    assert only_command("PATH+=:$HOME/bin").variables == {"PATH", "HOME"}


@pytest.mark.parametrize("text", ["1A=b", "A-B=c", "'A'=b", "A\\=b", "=b", "env A=1", "export A=1 B=(c d)"])
def test_what_only_looks_like_an_assignment_is_a_word(text: str) -> None:
    assert only_command(text).assignments == ()


@pytest.mark.parametrize(
    ("text", "operator", "fd", "target"),
    [
        ("a >b", ">", None, "b"),
        ("a 2>b", ">", 2, "b"),
        ("a 2 >b", ">", None, "b"),
        ("a2>b", ">", None, "b"),
        ("a >>b", ">>", None, "b"),
        ("a >|b", ">|", None, "b"),
        ("a <>b", "<>", None, "b"),
        ("a 3<>b", "<>", 3, "b"),
        ("a &>b", "&>", None, "b"),
        ("a &>>b", "&>>", None, "b"),
        ("a >&2", ">&", None, "2"),
        ("a 2>&-", ">&", 2, "-"),
        ("a <&3", "<&", None, "3"),
        ("a <<<'b c'", "<<<", None, "b c"),
        ("exec {fd}>b", ">", None, "b"),
    ],
)
def test_redirections(text: str, operator: str, fd: int | None, target: str) -> None:
    (redirect,) = only_command(text).redirects
    assert redirect.target is not None
    assert (redirect.operator, redirect.fd, redirect.target.literal) == (operator, fd, target)
    assert text[redirect.end - len(redirect.target.text) : redirect.end] == redirect.target.text


def test_a_test_command_has_its_operators_as_words() -> None:
    command = only_command("[[ ! ( $a == b* && c =~ ^(d|e)+$ ) ]]")
    assert [word.text for word in command.words] == [
        "[[", "!", "(", "$a", "==", "b*", "&&", "c", "=~", "^(d|e)+$", ")", "]]",
    ]  # fmt: skip


# Words


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("a", "a"),
        ("a\\ b", "a b"),
        ("'a b'\"c d\"e", "a bc de"),
        ("''", ""),
        ('""', ""),
        ("'a\\'", "a\\"),
        ('"a\\"b\\\\c\\d"', 'a"b\\c\\d'),
        ('"\\$a \\`b\\`"', "$a `b`"),
        ("1a\\\nb", "1ab"),
        ('"a\\\nb"', "ab"),
        ("'a\nb'", "a\nb"),
        ("$'a\\n\\t\\'\\x41\\101\\u00e9'", "a\n\t'AAé"),
        ("a$", "a$"),
        ('"$"', "$"),
        ("a$%", "a$%"),
        ("https://x.invalid/a?b#c~d", "https://x.invalid/a?b#c~d"),
        ("a~b", "a~b"),
        ("'~/a'", "~/a"),
        ("--prefix=~/a", "--prefix=~/a"),
        ("~=1.2", "~=1.2"),
        ("\\~/a", "~/a"),
        ("{}", "{}"),
        ("a{b", "a{b"),
        ("*.txt", "*.txt"),
        ("a\\", "a\\"),
        ("é", "é"),
    ],
)
def test_literal_words(text: str, literal: str) -> None:
    assert first_word(text).literal == literal


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("$A", {"A"}),
        ('"${A}"', {"A"}),
        ("a/$A/$B.tgz", {"A", "B"}),
        ("${A:-$B}", {"A", "B"}),
        ("${A%%[a-z]*}", {"A"}),
        ("${A//b/$C}", {"A", "C"}),
        ("${#A}", {"A"}),
        ("${!A}", {"A"}),
        ("${A[$i]}", {"A", "i"}),
        ("${A[@]}", {"A"}),
        ("${A:offset:2}", {"A", "offset"}),
        ("${A@Q}", {"A"}),
        ("${A^^}", {"A"}),
        ("$((a + B[1] * 0x1F))", {"a", "B"}),
        ("$(b $C)", {"C"}),
        ("`b $C`", {"C"}),
        ("<(b $C)", {"C"}),
        ("$1", set()),
        ("$@", set()),
        ("${1:-a}", set()),
        ("$?", set()),
        ('$"a"', set()),
        ("~", {"HOME"}),
        ("~/a", {"HOME"}),
        ("~root/a", set()),
        ("a=~/b", {"HOME"}),
        ("$'a\\0b'", set()),
        ("$'\\xff'", set()),
    ],
)
def test_words_with_expansions_have_no_literal(text: str, variables: set[str]) -> None:
    word = parsed(f"x {text}").commands[0].words[1]
    assert (word.text, word.literal, word.variables) == (text, None, frozenset(variables))


@pytest.mark.parametrize("text", ["'$A'", "\\$A", "'`a`'", "$'$A'", "a'$(b)'"])
def test_quoted_expansions_are_text(text: str) -> None:
    word = first_word(text)
    assert word.literal is not None
    assert word.variables == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "a?",
        "[ab]c",
        "a[!b]",
        "uvicorn[standard]==0.30.*",
        "{a,b}",
        "a{1..3}",
        "@(a|b)",
        "!(a)b",
        '"$A"*',
    ],
)
def test_globs(text: str) -> None:
    assert parsed(f"x {text}").commands[0].words[1].has_glob


@pytest.mark.parametrize(
    "text", ["[", "[]", "a]", "'*'", '"?"', "\\*", "{}", "{a}", "'{a,b}'", "'uvicorn[standard]'", "$A"]
)
def test_no_globs(text: str) -> None:
    assert not first_word(text).has_glob


def test_glob_keeps_its_literal() -> None:
    word = first_word("'git'=1:2.39.*")
    assert (word.literal, word.has_glob) == ("git=1:2.39.*", True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a \\\n  b\\\n c", ["a", "b", "c"]),
        ("curl https://h/$A/$B-bin.tgz", ["curl", "https://h/$A/$B-bin.tgz"]),
        ("a ${b:-c d} \"$(e 'f g')\"", ["a", "${b:-c d}", "\"$(e 'f g')\""]),
        ("a `b c` $((1 + 2))", ["a", "`b c`", "$((1 + 2))"]),
        (
            "find . -exec ldd '{}' ';' \\( -x \\) \\;",
            ["find", ".", "-exec", "ldd", "'{}'", "';'", "\\(", "-x", "\\)", "\\;"],
        ),
        ("a >b c 2>&1 d", ["a", "c", "d"]),
        ("diff <(a b) <(c)", ["diff", "<(a b)", "<(c)"]),
        ("a <<<b c", ["a", "c"]),
        ("export A=(b 'c d') E", ["export", "A=(b 'c d')", "E"]),
    ],
)
def test_words_as_written(text: str, words: list[str]) -> None:
    assert [word.text for word in parsed(text).commands[0].words] == words


def test_offsets_behind_multibyte_and_escaped_text() -> None:
    text = 'é; "x" `a \\`b "c d"\\``'
    assert [text[command.start : command.end] for command in parsed(text).commands] == [
        "é",
        '"x" `a \\`b "c d"\\``',
        'a \\`b "c d"\\`',
        'b "c d"',
    ]


# Heredocs


def test_heredoc_with_expansions() -> None:
    text = "cat <<EOF > a && b\nx $Y\n$(c)\\$d\nEOF\ne\n"
    script = parsed(text)
    assert names(text) == ["cat", "c", "b", "e"]
    marker, _ = script.items[0].commands[0].redirects
    assert marker.body is not None
    assert (marker.body.text, marker.body.literal, marker.body.variables) == (
        "x $Y\n$(c)\\$d\n",
        None,
        frozenset({"Y"}),
    )
    assert text[marker.body.start : marker.body.end] == marker.body.text
    assert text[script.items[0].start : script.items[0].end] == "cat <<EOF > a"


@pytest.mark.parametrize(
    ("marker", "body", "literal"),
    [
        ("<<'EOF'", "a $b `c` \\\n\nEOF\n", "a $b `c` \\\n\n"),
        ('<<"EOF"', "$a\nEOF\n", "$a\n"),
        ("<<\\EOF", "$a\nEOF", "$a\n"),
        ("<<EOF", "a \\$b\\\nc\nEOF\n", "a $bc\n"),
        ("<<EOF", "a\\\nEOF\nEOF\n", "aEOF\n"),
        ("<<-EOF", "\ta\n\t\tb\n\tEOF\n", "a\nb\n"),
        ("<<- EOF", "a\nEOF\n", "a\n"),
        ("<<EOF", "EOF\n", ""),
        ("<<EOF", '"it\'s"\nEOF\n', '"it\'s"\n'),
        ("<<'two words'", "a\ntwo words\n", "a\n"),
    ],
)
def test_literal_heredocs(marker: str, body: str, literal: str) -> None:
    (redirect,) = parsed(f"cat {marker}\n{body}").commands[0].redirects
    assert redirect.body is not None
    assert redirect.body.literal == literal


def test_two_heredocs_and_a_pipe() -> None:
    script = parsed("a <<A 3<<B |\n1\nA\n2\nB\nb\nc")
    first, second = script.commands[0].redirects
    assert first.body is not None
    assert second.body is not None
    assert (first.body.text, second.body.text, second.fd) == ("1\n", "2\n", 3)
    assert [(item.kind, item.separator) for item in script.items] == [("pipeline", "\n"), ("command", "")]
    assert script.items[0].parts[0].commands[0].redirects == (first, second)


def test_heredoc_of_a_loop_and_of_a_substitution() -> None:
    script = parsed("while read -r a; do b; done <<EOF\n$(c)\nEOF\nd $(cat <<E\nx\nE\n)\n")
    loop, last = script.items
    assert [command.name for command in loop.commands] == ["read", "b", "c"]
    assert loop.redirects[0].body is not None
    inner = last.commands[1].redirects[0].body
    assert inner is not None
    assert inner.text == "x\n"


# Variables of whole texts


def test_variables_read_anywhere() -> None:
    script = parsed(
        'A=$B; case "$C" in $D) e;; esac; for f in $G; do h; done > $I; (( J++ )); k <<E\n$L\nE\n'
        "[[ -n $M ]] && n $(o $P)"
    )
    assert script.variables == set("BCDGIJLMP")


# One word, one simple command


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("a", "a"),
        ("'a b'", "a b"),
        ('"a\\"b"', 'a"b'),
        ("if", "if"),
        ("a*", "a*"),
        ("$A", None),
        ('"$(a)"', None),
        ("a b", None),
        (" a", None),
        ("a;", None),
        ("'a", None),
        ("a>b", None),
    ],
)
def test_unquote(text: str, expected: str | None) -> None:
    assert unquote(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "docker run --rm -p 5000:5000 -e 'A=b c' image python app.py",
            "docker|run|--rm|-p|5000:5000|-e|A=b c|image|python|app.py",
        ),
        ('docker run -v $(pwd):/app "$IMAGE"', 'docker|run|-v|$(pwd):/app|"$IMAGE"'),
        ("DOCKER_BUILDKIT=1 docker build . >log", "docker|build|."),
        ("docker run a \\\n  b", "docker|run|a|b"),
        ("a && b", ""),
        ("a | b", ""),
        ("a\nb", ""),
        ("if a; then b; fi", ""),
        ("'a", ""),
        ("", ""),
    ],
)
def test_split_words(text: str, expected: str) -> None:
    assert split_words(text) == tuple(expected.split("|") if expected else ())
