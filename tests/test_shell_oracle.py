"""The shell splitter against mvdan/sh (`shfmt --to-json`) and sh: the same words at the same places."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrefactor.parse import parse
from msrefactor.shell import Command, Item, Redirect, parse_script

Node = dict[str, Any]
BODIES = Path(__file__).parents[1] / "fixtures/parse/run"


def shfmt_path() -> str | None:
    beside = Path(sys.executable).with_name("shfmt")
    return str(beside) if beside.exists() else shutil.which("shfmt")


SHFMT = shfmt_path()
pytestmark = pytest.mark.skipif(SHFMT is None, reason="shfmt-py has no binary for this platform")


def shfmt_tree(text: str) -> Node | None:
    """Return mvdan/sh's syntax tree, None where it refuses the text."""
    assert SHFMT is not None
    done = subprocess.run(
        [SHFMT, "--to-json", "-ln", "bash"], input=text.encode(), capture_output=True, check=False
    )
    if done.returncode:
        return None
    tree: Node = json.loads(done.stdout)
    return tree


class Places:
    """Byte offsets of mvdan/sh as character offsets."""

    def __init__(self, text: str) -> None:
        self.by_byte: dict[int, int] = {}
        self.text = text
        byte = 0
        for index, char in enumerate(text):
            self.by_byte[byte] = index
            byte += len(char.encode())
        self.by_byte[byte] = len(text)

    def __call__(self, position: Node | None) -> int:
        return self.by_byte[(position or {}).get("Offset", 0)]

    def span(self, node: Node) -> tuple[int, int]:
        start, end = self(node["Pos"]), self(node["End"])
        while self.text.endswith("\\\n", start, end):
            # mvdan/sh counts the line break behind some words to the word.
            end -= 2
        return start, end


def expected_commands(node: Any, places: Places, redirects: list[Node], found: list[Any]) -> None:
    """Collect every simple command below a node: (start, words, assignments, redirections)."""
    if isinstance(node, list):
        for part in node:
            expected_commands(part, places, [], found)
        return
    if not isinstance(node, dict):
        return
    if "Cmd" in node or "Redirs" in node:
        own = node.get("Redirs") or []
        command = node.get("Cmd")
        if command is None and own:
            found.append((places(own[0]["Pos"]), (), (), expected_redirects(own, places)))
        elif command is not None:
            expected_commands(command, places, own, found)
        expected_commands(own, places, [], found)
        return
    kind = node.get("Type")
    if kind == "CallExpr":
        words = tuple(places.span(word) for word in node.get("Args") or [])
        assignments = tuple(expected_assignment(assign, places) for assign in node.get("Assigns") or [])
        starts = [start for start, _ in words] + [start for start, _, _, _ in assignments]
        starts += [places(redirect["Pos"]) for redirect in redirects]
        plain = tuple((name, begin, end) for _, name, begin, end in assignments)
        found.append((min(starts), words, plain, expected_redirects(redirects, places)))
    elif kind == "DeclClause":
        variant = places.span(node["Variant"])
        words = (variant, *(places.span(assign) for assign in node.get("Args") or []))
        start = min([variant[0], *(places(redirect["Pos"]) for redirect in redirects)])
        found.append((start, words, (), expected_redirects(redirects, places)))
    elif kind == "LetClause":
        found.append((places(node["Pos"]), "let", (), ()))
    elif kind == "TestClause":
        found.append((places(node["Pos"]), "[[", (), ()))
    for value in node.values():
        expected_commands(value, places, [], found)


def expected_assignment(assign: Node, places: Places) -> tuple[int, str, int, int]:
    start, end = places.span(assign)
    value = assign.get("Value") or assign.get("Array")
    begin, stop = places.span(value) if value else (end, end)
    return start, assign["Name"]["Value"], begin, stop


def expected_redirects(redirects: list[Node], places: Places) -> tuple[Any, ...]:
    return tuple(
        (
            places(redirect["Pos"]),
            redirect["Op"],
            redirect["N"]["Value"].strip("{}fd") if redirect.get("N") else "",
            places.span(redirect["Word"]),
            places.span(redirect["Hdoc"])[0]
            if redirect.get("Hdoc") and redirect["Hdoc"].get("Parts")
            else None,
        )
        for redirect in redirects
    )


def expected_items(tree: Node, places: Places) -> list[tuple[int, str, str, bool, str, int]]:
    """Flatten the top level: (start, kind, keyword, negated, separator, separator's place)."""
    items: list[tuple[int, str, str, bool, str, int]] = []

    def add(statement: Node, separator: str, place: int) -> None:
        command = statement.get("Cmd") or {}
        if command.get("Type") == "BinaryCmd" and command["Op"] in {"&&", "||"}:
            add(command["X"], command["Op"], places(command["OpPos"]))
            add(command["Y"], separator, place)
            return
        negated = bool(statement.get("Negated"))
        while command.get("Type") == "TimeClause" and command.get("Stmt"):
            statement = command["Stmt"]
            command = statement.get("Cmd") or {}
            negated = negated or bool(statement.get("Negated"))
        kind, keyword = expected_kind(command)
        items.append((0, kind, keyword, negated, separator, place))

    def start_of(statement: Node) -> list[int]:
        command = statement.get("Cmd") or {}
        if command.get("Type") == "BinaryCmd" and command["Op"] in {"&&", "||"}:
            return start_of(command["X"]) + start_of(command["Y"])
        return [places(statement.get("Position") or statement["Pos"])]

    statements = tree.get("Stmts") or []
    for index, statement in enumerate(statements):
        first = len(items)
        if statement.get("Semicolon", {}).get("Offset"):
            add(statement, "&" if statement.get("Background") else ";", places(statement["Semicolon"]))
        else:
            add(statement, "\n" if index + 1 < len(statements) else "", -1)
        for offset, start in enumerate(start_of(statement)):
            items[first + offset] = (start, *items[first + offset][1:])
    return items


def expected_kind(command: Node) -> tuple[str, str]:
    kind = command.get("Type")
    if kind == "BinaryCmd":
        return "pipeline", ""
    keywords = {
        "IfClause": "if",
        "ForClause": "select" if command.get("Select") else "for",
        "WhileClause": "until" if command.get("Until") else "while",
        "CaseClause": "case",
        "Block": "{",
        "Subshell": "(",
        "TestClause": "[[",
        "ArithmCmd": "((",
        "FuncDecl": "function",
    }
    return ("compound", keywords[kind]) if kind in keywords else ("command", "")


def our_command(command: Command) -> Any:
    if (
        command.words
        and command.words[0].text in {"[[", "let"}
        and not (command.assignments or command.redirects)
    ):
        return (command.words[0].start, command.words[0].text, (), ())
    return (
        command.start,
        tuple((word.start, word.end) for word in command.words),
        tuple((name, value.start, value.end) for name, value in command.assignments),
        tuple(our_redirect(redirect) for redirect in command.redirects),
    )


def our_redirect(redirect: Redirect) -> Any:
    target = redirect.target
    assert target is not None
    fd = "" if redirect.fd is None else str(redirect.fd)
    body = redirect.body.start if redirect.body is not None and redirect.body.text else None
    return (redirect.start, redirect.operator, fd, (target.start, target.end), body)


def our_item(item: Item) -> tuple[int, str, str, bool, str, int]:
    place = item.separator_start if item.separator not in {"", "\n"} else -1
    return (item.start, item.kind, item.keyword, item.negated, item.separator, place)


def difference(text: str) -> str | None:
    """Return how the two parsers differ on a text, None where they agree; "opaque" and "lenient" by name."""
    ours = parse_script(text)
    tree = shfmt_tree(text)
    if tree is None:
        return None if ours is None else "lenient"
    if ours is None:
        return "opaque"
    places = Places(text)
    found: list[Any] = []
    expected_commands(tree, places, [], found)
    found.sort(key=lambda command: command[0])
    mine = sorted((our_command(command) for command in ours.commands), key=lambda command: command[0])
    if found != mine:
        return f"commands differ\n  shfmt: {found}\n  ours:  {mine}"
    expected = expected_items(tree, places)
    items = [our_item(item) for item in ours.items]
    if expected != items:
        return f"items differ\n  shfmt: {expected}\n  ours:  {items}"
    return None


def joined_body(name: str) -> str:
    tree = parse(f"FROM scratch\nRUN {(BODIES / name).read_bytes().decode()}")
    return tree.stages[0].instructions[1].arguments


@pytest.mark.parametrize("name", sorted(file.name for file in BODIES.glob("*.run")))
def test_labelled_body(name: str) -> None:
    assert difference(joined_body(name)) is None


@pytest.mark.parametrize(
    "text",
    [
        "a;",
        "a &",
        "a & b",
        "a\n\n# c\nb # d\n",
        "a &&\n# c\n b",
        "a |\\\n b",
        "!\\\n a",
        "{\\\n a; }",
        "[[\\\n a && b ]]",
        "if\\\n a; then\\\n b; fi\\\n",
        "1a\\\n#b",
        "x=\\\n b",
        "x=a\\\nb c d\\\n e",
        'a "`b`"\\\n c',
        "a `#c` b",
        "$(a) b",
        "a=1 >f",
        "a >f b 2>&1 >/dev/null 1>&2 2>&- &>g &>>h <<<'x y' c",
        "a <(b) >(c) d<(e)",
        'A=1 B=$(c) C="d e" f "$A"',
        "export A=(1 2) B C=d",
        'declare -A x=([a]=1 [b]="c d")',
        'echo ${a[$(x)]} ${b["q"]} ${!p*} ${!q[@]} ${r@Q} ${s^^} ${t:1:$(u)} ${#v[@]}',
        'a="${x#"$y"}" b="${x:-"b c"}" c=${x:-it\\\'s} d=${x%%\'}\'*}',
        "echo $((1 + $(a) + ${b} )) $((1<<2))",
        "(( a++ )) || b",
        "cat <<A <<-B; x\n1\nA\n\t2 $y $(z)\n\tB\nw",
        "cat <<EOF |\nx\nEOF\nsort",
        "cat <<'EOF' && b\n$(x) \"\nEOF\n",
        "while read x; do a; done <<EOF\n$(b)\nEOF",
        "a $(cat <<E\nx\nE\n) b",
        "f() {\n a\n}\nf",
        "x() ( a; )",
        "function y { a; }",
        "function y() { a; } >z",
        "( a; b ) | c |& d",
        "for i; do a; done",
        'for i in a "b c" $d; do e; done >f',
        "for ((i=0;i<3;i++)); do a $i; done",
        "select x in a b; do c; done",
        "if a; then b; elif c; then d; elif e; then f; else g; fi >x 2>&1",
        "case $x in a) ;; b|c) d ;; *) e; esac",
        "case $x in a) b;& c) d;;& esac",
        'case "$(a)" in\n (b) c\n ;;\nesac',
        "[[ $a =~ ^(b|c)+$ ]] && d",
        "[[ ! ( -n $a || b == c* ) ]] || [[ a < b ]]",
        "time -p a && ! b | c || ! d",
        "find . \\( -name '*.c' -o -name \"*.h\" \\) -exec rm {} \\;",
        "a {b,c} {1..3} @(d|e) [f-g]* h?",
        'a $ "$" $% "$)" a#b #c',
        "echo \\",
        "a\\\n",
    ],
)
def test_hard_text(text: str) -> None:
    assert difference(text) is None


# Scripts made from a grammar: both parsers must understand them, and in the same way. Left out is what
# mvdan/sh gets wrong: `$a#b` in a case clause (it sees a comment), `f() { a; } && b` (one body), a comment
# that ends in a backslash (it goes on), offsets inside backquotes with escapes, `"${a:-it's}"` (refused).

PLAIN = [
    "x", "--y=z", "/usr/lib", "1", "12", "a=b", ".#y", "{}", "*.c", "[a-z]?", "é", "\\ ", "\\;", "~", "-",
    "%", "]", "if", "!x", "{a,b}",
]  # fmt: skip
QUOTED = ["a b", '\\"', "\\$", "'", "#", "\n;", "| (&) {", "\\\n"]
REDIRECTIONS = ["", "", "", "", ">", "2>", ">>", "<", "2>&1 >", "<<<", "&>"]
SEPARATORS = [" && ", "||", " &&\n", " && \\\n", "\n", " ;\n", "; ", " # note && x\n", "\n\n", " &\n"]
SHAPES = [
    "if @\nthen @\nelse @\nfi",
    "if @\nthen @\nelif @\nthen @\nfi",
    "for x in % %; do @\ndone",
    "while @\ndo @\ndone",
    "case % in a | %) @\n;; *) ;; esac",
    "{ @\n}",
    "( @\n)",
    "[[ -n % && % == b* ]]",
    "(( A > 1 ))",
]


def random_word(random: Random, depth: int) -> str:
    pieces: list[str] = []
    for _ in range(random.choice([1, 1, 2, 3])):
        shape = random.randrange(5)
        if shape <= 1:
            pieces.append(random.choice(PLAIN))
        elif shape == 2:
            pieces.append("'" + "".join(random.choices('a "$`\\\n;|é#', k=3)) + "'")
        elif shape == 3:
            pieces.append(random_expansion(random, depth))
        else:
            inside = [
                random.choice([random.choice(QUOTED), random_expansion(random, depth)]) for _ in range(2)
            ]
            pieces.append('"' + "".join(inside) + '"')
    return "".join(pieces)


def random_expansion(random: Random, depth: int) -> str:
    if depth and random.random() < 0.2:
        return f"$({random_script(random, depth - 1)})"
    variable, operator = (
        random.choice(["A", "b_2"]),
        random.choice([":-", "-", ":=", "+", "%", "%%", "#", "/"]),
    )
    return random.choice(
        [
            f"${variable}",
            f"${{{variable}}}",
            f"${{#{variable}}}",
            f"${{{variable}{operator}y z}}",
            f"$(( {variable} + 1 ))",
            *("$1", "$@", "$?", "`a b`", "`a | b`"),
        ]
    )


def random_command(random: Random, depth: int) -> str:
    parts = [f"A={random_word(random, depth)}" for _ in range(random.choice([0, 0, 1, 2]))]
    parts.append(random.choice(["a", "b1", "apt-get", "./x", "é"]))
    parts += [random.choice(REDIRECTIONS) + random_word(random, depth) for _ in range(random.randrange(4))]
    return random.choice([" ", "\t", " \\\n  "]).join(parts)


def random_element(random: Random, depth: int) -> str:
    if not depth or random.random() < 0.6:
        return random_command(random, depth)
    shape = random.choice(SHAPES) + random.choice(["", "", " >x", " 2>&1"])
    makers = {"@": random_script, "%": random_word}
    return "".join(makers[char](random, depth - 1) if char in makers else char for char in shape)


def random_script(random: Random, depth: int) -> str:
    """Return a list of pipelines; compound commands and substitutions go `depth` levels deep."""
    text = f"f() {{\n{random_script(random, depth - 1)}\n}}\n" if depth and random.random() < 0.2 else ""
    separator = ""
    for _ in range(random.randint(1, 3)):
        elements = [random_element(random, depth) for _ in range(random.choice([1, 1, 2]))]
        text += separator + random.choice(["", "", "", "! ", "time "]) + " | ".join(elements)
        separator = random.choice(SEPARATORS)
    return text


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 2**32), st.integers(0, 3))
def test_script_from_the_grammar(seed: int, depth: int) -> None:
    assert difference(random_script(Random(seed), depth)) is None  # noqa: S311


# Fragments in any order: each parser may refuse what the other takes, but neither takes it differently.

FRAGMENTS = [
    "a", "b ", "x=1 ", "y= ", "A[0]=q ", "arr=(1 2)", '"', "'", '"a $x b"', "'q w'", "$x", "${x}",
    "${x:-a b}", "$(ls)", "$((1+x))", "$((", "))", "((", "(", ")", "{", "}", "{ ", "; }", "[[ ", " ]]",
    "[ -f x ]", "if ", "then ", "fi", "for ", "in ", "do ", "done", "while ", "case ", "esac", ";;",
    "|", "||", "&", "&&", ";", "\n", "! ", "time a ", "f()", "f() {", "> ", ">>", "<", "2>&1 ", "&>f ",
    "<<<", "<(a)", "<<EOF", "<<-EOF", "\nEOF\n", "<<'E'", "\nE\n", "# c\n", "\\\n", "\\ ", "$",
    "$'a\\n'", "*", "{a,b}", "@(a|b)", "~/x", "=", "=~", "-f ", "export ", "é", "\t", " ", "[", "]",
    "$@", "${x@Q}", "`a`", "10>f ", '"$(b "c")"',
]  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=9).map("".join))
def test_fragments(text: str) -> None:
    assert difference(text) in {None, "opaque", "lenient"}


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(
        st.sampled_from(
            ["a", "b", '"', "'", "\\", " ", "=", "é", "%", "#", "\\\n", "\t", "''", ":", "-", "^"]
        )
    )
)
def test_literals_are_what_sh_makes_of_the_words(pieces: list[str]) -> None:
    text = "printf '%s\\n--\\n' " + "".join(pieces)
    script = parse_script(text)
    if script is None or len(script.items) != 1:
        return
    literals = [word.literal for word in script.commands[0].words[2:]]
    done = subprocess.run(["sh", "-c", text], capture_output=True, check=True)
    assert done.stdout.decode() == "".join(f"{literal}\n--\n" for literal in literals or [""])
