"""RUN bodies, shell-form CMD and shell scripts: commands, words and separators, each with its offsets.

One pass over the text, by hand, following the POSIX grammar and what bash adds to it. The measure is "would
the shell run exactly these words?"; a text that leaves room for doubt is opaque (`parse_script` gives None).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

Kind = Literal["command", "pipeline", "compound"]

# Self-extracting archives and the like: nothing a Dockerfile's author wrote by hand is longer.
_LONGEST: Final = 1_000_000
# Real scripts stay under 15; the limit keeps the parser far from Python's own recursion limit.
_DEEPEST: Final = 50

_BLANK: Final = frozenset(" \t")
_META: Final = frozenset(" \t\n;&|()<>")
# Everything at which a run of ordinary word characters stops.
_WORD_STOP: Final = frozenset(" \t\n\r;&|()<>\\'\"$`")
_QUOTED_STOP: Final = frozenset('"\\$`')
_NAME_START: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_DIGITS: Final = frozenset("0123456789")
_NAME: Final = _NAME_START | _DIGITS
_SPECIAL_PARAMETERS: Final = frozenset("@*#?-$!")
_EXTENDED_GLOB: Final = frozenset("?*+@!")
_ASSIGNMENT_GOES_ON: Final = _NAME | frozenset("=+[")
_REDIRECTION_START: Final = _DIGITS | frozenset("<>&{")
_ANGLES: Final = frozenset("<>")
_PARENTHESIS: Final = frozenset("(")
_ARITHMETIC: Final = frozenset(" \t\n\r+-*/%<>=!&|^~?:,")
_TILDE_USER: Final = _NAME | frozenset(".-+")
_CLOSERS: Final = frozenset({"then", "else", "elif", "fi", "do", "done", "esac", "}"})
_OPENERS: Final = frozenset({"if", "for", "while", "until", "case", "select", "function", "{", "[["})
_RESERVED: Final = _CLOSERS | _OPENERS | {"!", "time", "in", "coproc", "]]"}
_DECLARATIONS: Final = frozenset({"export", "readonly", "local", "declare", "typeset"})
_REDIRECTIONS: Final = ("&>>", "&>", "<<<", "<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">")
_NOTHING: Final[frozenset[str]] = frozenset()
_ESCAPES: Final = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b",
    "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """One word as written; `start` and `end` are offsets into the parsed text.

    `literal` is the word without its quotes, None where only the running shell knows the value. With
    `has_glob` the shell may put file names, or the parts of a brace expansion, in the literal's place.
    """

    text: str
    start: int
    end: int
    literal: str | None
    has_glob: bool = False
    variables: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Redirect:
    """One redirection; `body` is the text of a heredoc, without its terminator."""

    operator: str
    fd: int | None
    target: Word | None
    start: int
    end: int
    body: Word | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command; without words it only assigns or redirects.

    `a+=x`, `a[1]=x` and `a=(x y)` are assignments to `a` whose value has no literal. `[[ … ]]` is a command
    too: its operators are words. `is_substituted` tells that it runs inside `$(…)`, backquotes or `<(…)`.
    """

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]
    start: int
    end: int
    is_substituted: bool = False

    @property
    def name(self) -> str | None:
        """The command's name, None where there is none or only the running shell knows it."""
        return self.words[0].literal if self.words else None

    @property
    def arguments(self) -> tuple[Word, ...]:
        """The words after the name."""
        return self.words[1:]

    @property
    def variables(self) -> frozenset[str]:
        """Names of all variables the command reads."""
        found = {name for _, value in self.assignments for name in value.variables}
        found.update(name for word in self.words for name in word.variables)
        return frozenset(found | _redirect_variables(self.redirects))


@dataclass(frozen=True, slots=True)
class Item:
    """One element of a command list and the separator behind it.

    `separator` is "" at the end of the list (a newline there does not count), else "&&", "||", ";", "&" or a
    newline; for a part of a pipeline it is "|" or "|&". An "&" puts the whole and-or list before it in the
    background. `keyword` names a compound: "if", "for", "while", "until", "select", "case", "{", "(", "[[",
    "((" or "function". `parts` are the elements of a pipeline, or every item of every list inside a compound;
    `words` are the compound's own: loop words, case subject and patterns, arithmetic, a function's name.
    `commands` are all simple commands inside, at any depth, by their start. A heredoc's body lies outside
    `start` and `end`.
    """

    kind: Kind
    commands: tuple[Command, ...]
    start: int
    end: int
    separator: str
    separator_start: int
    separator_end: int
    negated: bool = False
    keyword: str = ""
    words: tuple[Word, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    parts: tuple[Item, ...] = ()
    loop_variable: str = ""

    @property
    def variables(self) -> frozenset[str]:
        """Names of all variables read anywhere inside."""
        found = {name for command in self.commands for name in command.variables}
        found.update(name for word in self.words for name in word.variables)
        found.update(name for part in self.parts for name in part.variables)
        return frozenset(found | _redirect_variables(self.redirects))


@dataclass(frozen=True, slots=True)
class Script:
    """A whole shell text: its top-level items in order."""

    items: tuple[Item, ...]
    text: str

    @property
    def commands(self) -> tuple[Command, ...]:
        """All simple commands, at any depth, in the order they are written."""
        return tuple(command for item in self.items for command in item.commands)

    @property
    def variables(self) -> frozenset[str]:
        """Names of all variables read anywhere in the text."""
        return frozenset(name for item in self.items for name in item.variables)

    @property
    def functions(self) -> frozenset[str]:
        """Names of the functions the text defines, at any depth outside substitutions."""
        found: set[str] = set()
        waiting = list(self.items)
        while waiting:
            item = waiting.pop()
            if item.keyword == "function":
                found.update(word.text for word in item.words)
            waiting.extend(item.parts)
        return frozenset(found)


@lru_cache(maxsize=1024)
def parse_script(text: str) -> Script | None:
    """Return what a POSIX shell or bash would run, None where that is not understood.

    A heredoc's body must stand in the text: for a RUN append a newline, the bodies and their terminators to
    the logical text, whose offsets stay what they are.
    """
    if len(text) > _LONGEST or "\0" in text:
        return None
    parser = _Parser(text)
    try:
        items = parser.whole()
        if parser.bodies:
            starts = sorted(parser.bodies)
            items = [_with_bodies(item, parser.bodies, starts) for item in items]
    except (_NotUnderstoodError, RecursionError):
        return None
    return Script(tuple(items), text)


def unquote(word_text: str) -> str | None:
    """Return one word without its quotes, None if it holds an expansion or is not exactly one word."""
    if not word_text:
        return ""
    parser = _Parser(word_text)
    try:
        word = parser.word()
    except (_NotUnderstoodError, RecursionError):
        return None
    return word.literal if word is not None and parser.i == len(word_text) else None


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of one simple command, () if the text is anything else.

    Quotes are removed, except from a word that holds an expansion: that one is given as written.
    """
    script = parse_script(text)
    if script is None or len(script.items) != 1 or script.items[0].kind != "command":
        return ()
    words = script.items[0].commands[0].words
    return tuple(word.text if word.literal is None else word.literal for word in words)


def _redirect_variables(redirects: tuple[Redirect, ...]) -> set[str]:
    found = {name for redirect in redirects if redirect.target for name in redirect.target.variables}
    found.update(name for redirect in redirects if redirect.body for name in redirect.body.variables)
    return found


class _NotUnderstoodError(Exception):
    """The text is no shell we know; never leaves this module."""


@dataclass(slots=True)
class _Draft:
    """An item before its separator is known; `first` is the index of its first command."""

    kind: Kind
    start: int
    end: int
    first: int
    keyword: str = ""
    negated: bool = False
    words: tuple[Word, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    parts: tuple[Item, ...] = ()
    loop_variable: str = ""


@dataclass(frozen=True, slots=True)
class _PendingHeredoc:
    """A heredoc whose marker was read and whose body comes after the line."""

    redirect_start: int
    delimiter: str
    is_quoted: bool
    strips_tabs: bool
    level: int


# The start of a heredoc's redirection -> its body and the commands inside the body.
_Bodies = dict[int, tuple[Word, tuple[Command, ...]]]


def _with_redirect_bodies(redirects: tuple[Redirect, ...], bodies: _Bodies) -> tuple[Redirect, ...]:
    return tuple(
        replace(redirect, body=bodies[redirect.start][0]) if redirect.start in bodies else redirect
        for redirect in redirects
    )


def _with_bodies(item: Item, bodies: _Bodies, starts: list[int]) -> Item:
    """Put heredoc bodies, read after the commands they belong to, into their redirections."""
    own = starts[bisect_left(starts, item.start) : bisect_left(starts, item.end)]
    if not own:
        return item
    inside = (command for start in own for command in bodies[start][1])
    return replace(
        item,
        commands=tuple(
            replace(command, redirects=_with_redirect_bodies(command.redirects, bodies))
            for command in sorted((*item.commands, *inside), key=lambda command: command.start)
        ),
        redirects=_with_redirect_bodies(item.redirects, bodies),
        parts=tuple(_with_bodies(part, bodies, own) for part in item.parts),
    )


# Keeps an outer command's place in the list while the commands inside its words are read.
_UNREAD: Final = Command((), (), (), 0, 0)


class _Parser:
    """Recursive descent over one text; a part with its own escapes (backquotes) gets a parser of its own."""

    __slots__ = (
        "base",
        "bodies",
        "commands",
        "depth",
        "i",
        "level",
        "names",
        "offsets",
        "pending",
        "source",
        "text",
    )

    def __init__(
        self, text: str, outer: _Parser | None = None, base: int = 0, offsets: list[int] | None = None
    ) -> None:
        self.text = text
        self.i = 0
        self.base = base
        self.offsets = offsets
        self.pending: list[_PendingHeredoc] = []
        if outer is None:
            self.source = text
            self.commands: list[Command] = []
            self.names: list[str] = []
            self.bodies: _Bodies = {}
            self.depth = 0
            self.level = 0
        else:
            self.source = outer.source
            self.commands = outer.commands
            self.names = outer.names
            self.bodies = outer.bodies
            self.depth = outer.depth
            self.level = outer.level

    # Positions and small steps

    def at(self, ahead: int = 0) -> str:
        """Return the character at an offset from here, "" behind the end."""
        i = self.i + ahead
        return self.text[i] if i < len(self.text) else ""

    def sees(self, text: str) -> bool:
        return self.text.startswith(text, self.i)

    def position(self, i: int) -> int:
        """Return an offset into this parser's text as an offset into the whole text."""
        return self.base + i if self.offsets is None else self.offsets[i]

    def expect(self, text: str) -> None:
        if not self.sees(text):
            raise _NotUnderstoodError
        self.i += len(text)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _NotUnderstoodError

    def skip_blanks(self) -> None:
        """Go behind blanks, line continuations and a comment, up to the newline at most."""
        text, i, size = self.text, self.i, len(self.text)
        while i < size:
            char = text[i]
            if char in _BLANK:
                i += 1
            elif char == "\\" and (joined := self.continuation_at(i)):
                i += joined
            elif char == "\r" and text.startswith("\n", i + 1):
                i += 1
            elif char == "#" and self.is_comment_at(i):
                found = text.find("\n", i)
                i = size if found < 0 else found
            else:
                break
        self.i = i

    def continuation_at(self, i: int) -> int:
        """Return the length of the line continuation that stands at i, 0 if none does."""
        if self.text.startswith("\\\n", i):
            return 2
        return 3 if self.text.startswith("\\\r\n", i) else 0

    def behind_continuations(self, i: int) -> int:
        while joined := self.continuation_at(i):
            i += joined
        return i

    def not_joined(self, i: int, chars: frozenset[str]) -> None:
        """Give up where a line break stands inside a token; a shell joins the lines before it reads them."""
        following = self.behind_continuations(i)
        if following > i and self.text[following : following + 1] in chars:
            raise _NotUnderstoodError

    def is_comment_at(self, i: int) -> bool:
        """Say whether a # at i starts a word; elsewhere it is an ordinary character."""
        return i == 0 or self.text[i - 1] in _META

    def skip_lines(self) -> None:
        """Go behind blanks, comments and newlines, reading the heredoc bodies behind a newline."""
        self.skip_blanks()
        while self.at() == "\n":
            self.i += 1
            if self.pending:
                self.heredoc_bodies()
            self.skip_blanks()

    def keyword(self) -> str:
        """Return the reserved word that stands here, "" if another or no word does."""
        text, i, size = self.text, self.i, len(self.text)
        first = text[i] if i < size else ""
        if not first or first not in "ifwucstedo{}![]":
            return ""
        end = i + 1
        while end < size and end - i < 9 and text[end] not in _META and text[end] != "\\":
            end += 1
        if end < size and text[end] not in _META:
            if text[end] == "\\":
                following = self.behind_continuations(end)
                if following == end or (following < size and text[following] not in _META):
                    return ""
            elif text[end] != "\r" or not text.startswith("\n", end + 1):
                return ""
        elif end > i and text[end - 1] == "\r" and text.startswith("\n", end):
            end -= 1
        word = text[i:end]
        return word if word in _RESERVED else ""

    def take_keyword(self, word: str) -> None:
        if self.keyword() != word:
            raise _NotUnderstoodError
        self.i += len(word)

    # Lists and pipelines

    def whole(self) -> list[Item]:
        """Return the items of the whole text."""
        items = self.list_until(frozenset())
        if self.i != len(self.text) or self.pending:
            raise _NotUnderstoodError
        return items

    def list_until(self, closers: frozenset[str]) -> list[Item]:
        """Items up to one of the reserved words, a `)`, a `;;` or the end; the caller takes that itself."""
        self.deeper()
        items: list[Item] = []
        needs_more = False
        while True:
            self.skip_lines()
            char = self.at()
            if not char or char == ")" or (char == ";" and self.at(1) in {";", "&"}):
                break
            word = self.keyword()
            if word in closers:
                break
            draft = self.pipeline()
            self.skip_blanks()
            start = self.i
            separator = self.separator()
            needs_more = separator in {"&&", "||"}
            items.append(self.finished(draft, separator, start))
            if not separator:
                break
            if separator == "\n":
                self.i = start
        if needs_more:
            raise _NotUnderstoodError
        if items and items[-1].separator == "\n":
            last = items[-1]
            items[-1] = replace(last, separator="", separator_start=last.end, separator_end=last.end)
        self.depth -= 1
        return items

    def separator(self) -> str:
        """Take the separator that stands here; "" at the end of the list, which stays."""
        char, following = self.at(), self.at(1)
        if not char or char == ")":
            return ""
        if char == ";":
            if following in {";", "&"}:
                return ""
            self.i += 1
            return ";"
        if char == "\n":
            self.i += 1
            return char
        if char == "&":
            self.i += 1 + (following == "&")
            return char * (1 + (following == "&"))
        if char == "|" and following == "|":
            self.i += 2
            return "||"
        raise _NotUnderstoodError

    def finished(self, draft: _Draft, separator: str, separator_start: int) -> Item:
        """Return the item of a draft; without a separator its place is the item's end."""
        start = separator_start if separator else draft.end
        return Item(
            draft.kind,
            tuple(self.commands[draft.first :]),
            self.position(draft.start),
            self.position(draft.end),
            separator,
            self.position(start),
            self.position(start + len(separator)),
            draft.negated,
            draft.keyword,
            draft.words,
            draft.redirects,
            draft.parts,
            draft.loop_variable,
        )

    def pipeline(self) -> _Draft:
        """One pipeline with its `!` and `time`."""
        start, first = self.i, len(self.commands)
        negated = False
        while True:
            word = self.keyword()
            if word == "!" and self.at(1) == "(":
                # An extended glob for some shells, a negated subshell for others.
                raise _NotUnderstoodError
            if word == "!" and not negated:
                negated = True
            elif word != "time" or not self.is_time_keyword():
                break
            self.i += len(word)
            self.skip_blanks()
            if word == "time" and self.sees("-p") and self.at(2) in _BLANK:
                self.i += 2
                self.skip_blanks()
        draft = self.element()
        parts: list[Item] = []
        while True:
            before = self.i
            self.skip_blanks()
            if self.at() != "|" or self.at(1) == "|":
                self.i = before
                break
            bar = self.i
            separator = "|&" if self.at(1) == "&" else "|"
            parts.append(self.finished(draft, separator, bar))
            self.i += len(separator)
            self.skip_lines()
            draft = self.element()
        if parts:
            parts.append(self.finished(draft, "", draft.end))
            draft = _Draft("pipeline", start, draft.end, first, parts=tuple(parts))
        draft.start = start
        draft.negated = negated
        return draft

    def is_time_keyword(self) -> bool:
        """Say whether `time` measures a pipeline; `time -v x` and a lone `time` are the program."""
        before = self.i
        self.i += len("time")
        self.skip_blanks()
        char = self.at()
        is_option = char == "-" and not (self.sees("-p") and self.at(2) in _BLANK)
        self.i = before
        return bool(char) and char not in ";&|)\n" and not is_option

    def element(self) -> _Draft:
        """One simple or compound command with its redirections."""
        start, first = self.i, len(self.commands)
        if self.at() == "(":
            draft = self.arithmetic_command() if self.at(1) == "(" else self.subshell()
        else:
            word = self.keyword()
            if word in _CLOSERS or word in {"!", "coproc", "]]"}:
                raise _NotUnderstoodError
            if word not in _OPENERS:
                return self.simple_command()
            draft = self.compound(word)
        draft.start, draft.first = start, first
        draft.redirects = self.redirects_behind()
        draft.end = self.i
        return draft

    def redirects_behind(self) -> tuple[Redirect, ...]:
        """Take the redirections behind a compound command; leaves the position at the end of the last."""
        redirects: list[Redirect] = []
        while True:
            end = self.i
            self.skip_blanks()
            redirect = self.redirect()
            if redirect is None:
                self.i = end
                return tuple(redirects)
            redirects.append(redirect)

    # Compound commands

    def compound(self, word: str) -> _Draft:
        self.deeper()
        draft = _Draft("compound", self.i, self.i, 0, keyword=word)
        if word == "[[":
            self.test(draft)
        elif word == "{":
            self.i += 1
            draft.parts = self.block("}")
            self.take_keyword("}")
        elif word == "if":
            self.if_clause(draft)
        elif word in {"while", "until"}:
            self.i += len(word)
            draft.parts = self.block("do") + self.loop_body()
        elif word in {"for", "select"}:
            self.for_clause(draft)
        elif word == "case":
            self.case_clause(draft)
        else:
            self.i += len(word)
            self.skip_blanks()
            name = self.word()
            if name is None or name.literal != name.text:
                raise _NotUnderstoodError
            self.skip_blanks()
            if self.at() == "(":
                self.empty_parentheses()
            self.function_body(draft, name)
        self.depth -= 1
        return draft

    def block(self, *closers: str) -> tuple[Item, ...]:
        """Take a list that may not be empty, up to one of the reserved words."""
        items = self.list_until(frozenset(closers))
        if not items or self.keyword() not in closers:
            raise _NotUnderstoodError
        return tuple(items)

    def loop_body(self) -> tuple[Item, ...]:
        self.take_keyword("do")
        items = self.block("done")
        self.take_keyword("done")
        return items

    def if_clause(self, draft: _Draft) -> None:
        parts: list[Item] = []
        word = "if"
        while word != "fi":
            self.take_keyword(word)
            if word == "else":
                parts.extend(self.block("fi"))
            else:
                parts.extend(self.block("then"))
                self.take_keyword("then")
                parts.extend(self.block("elif", "else", "fi"))
            word = self.keyword()
        draft.parts = tuple(parts)
        self.take_keyword("fi")

    def for_clause(self, draft: _Draft) -> None:
        self.i += len(draft.keyword)
        self.skip_blanks()
        words: list[Word] = []
        if self.sees("((") and draft.keyword == "for":
            words.append(self.arithmetic_word(is_for=True))
        else:
            start = self.i
            while self.at() in _NAME:
                self.i += 1
            draft.loop_variable = self.text[start : self.i]
            if not draft.loop_variable or draft.loop_variable[0] in _DIGITS:
                raise _NotUnderstoodError
            self.skip_lines()
            if self.keyword() == "in":
                self.i += 2
                self.skip_blanks()
                while (word := self.word()) is not None:
                    words.append(word)
                    self.skip_blanks()
                if self.at() not in {";", "\n"}:
                    raise _NotUnderstoodError
        self.skip_blanks()
        if self.at() == ";":
            self.i += 1
        self.skip_lines()
        draft.words = tuple(words)
        draft.parts = self.loop_body()

    def case_clause(self, draft: _Draft) -> None:
        self.i += len("case")
        self.skip_blanks()
        words, parts = [self.required_word()], list[Item]()
        self.skip_lines()
        self.take_keyword("in")
        self.skip_lines()
        while self.keyword() != "esac":
            if self.at() == "(":
                self.i += 1
                self.skip_blanks()
            words.append(self.required_word())
            self.skip_blanks()
            while self.at() == "|":
                self.i += 1
                self.skip_blanks()
                words.append(self.required_word())
                self.skip_blanks()
            self.expect(")")
            parts.extend(self.list_until(frozenset({"esac"})))
            ending = next((text for text in (";;&", ";;", ";&") if self.sees(text)), "")
            self.i += len(ending)
            self.skip_lines()
            if not ending and self.keyword() != "esac":
                raise _NotUnderstoodError
        self.take_keyword("esac")
        draft.words, draft.parts = tuple(words), tuple(parts)

    def subshell(self) -> _Draft:
        draft = _Draft("compound", self.i, self.i, 0, keyword="(")
        self.i += 1
        self.not_joined(self.i, _PARENTHESIS)
        draft.parts = tuple(self.list_until(frozenset()))
        if not draft.parts:
            raise _NotUnderstoodError
        self.expect(")")
        return draft

    def arithmetic_command(self) -> _Draft:
        draft = _Draft("compound", self.i, self.i, 0, keyword="((")
        draft.words = (self.arithmetic_word(is_for=False),)
        return draft

    def arithmetic_word(self, is_for: bool) -> Word:
        start, first_name = self.i, len(self.names)
        self.i += 2
        self.arithmetic("))", ";" if is_for else "")
        return self.made_word(start, first_name, None)

    def function_body(self, draft: _Draft, name: Word) -> None:
        """Read what stands behind a function's name, which has to be a compound command."""
        draft.kind, draft.keyword, draft.words = "compound", "function", (name,)
        self.skip_lines()
        word = self.keyword()
        if self.at() != "(" and word not in _OPENERS - {"function"}:
            raise _NotUnderstoodError
        first = len(self.commands)
        body = self.element()
        body.first = first
        draft.parts = (self.finished(body, "", body.end),)
        draft.end = body.end

    def empty_parentheses(self) -> None:
        self.expect("(")
        self.skip_blanks()
        self.expect(")")

    def test(self, draft: _Draft) -> None:
        """Read `[[ … ]]` as one command; its operators and parentheses are words."""
        index = len(self.commands)
        self.commands.append(_UNREAD)
        start = self.i
        self.i += 2
        words = [self.made_word(start, len(self.names), "[[")]
        open_parentheses = 0
        while True:
            self.skip_lines()
            begin, names = self.i, len(self.names)
            if self.sees("&&") or self.sees("||"):
                self.i += 2
                words.append(self.made_word(begin, names, self.text[begin : self.i]))
            elif self.at() in {"(", ")"} and words[-1].text != "=~":
                open_parentheses += 1 if self.at() == "(" else -1
                self.i += 1
                words.append(self.made_word(begin, names, self.text[begin]))
            elif self.at() in {"<", ">"} and self.at(1) != "(":
                self.i += 1
                words.append(self.made_word(begin, names, self.text[begin]))
            else:
                word = self.word(is_regex=words[-1].text == "=~")
                if word is None or open_parentheses < 0:
                    raise _NotUnderstoodError
                words.append(word)
                if word.text == "]]":
                    break
        if open_parentheses or len(words) == 2:
            raise _NotUnderstoodError
        position = self.position
        self.commands[index] = Command(
            (), tuple(words), (), position(start), position(self.i), self.level > 0
        )
        draft.end = self.i

    # Simple commands

    def simple_command(self) -> _Draft:
        index = len(self.commands)
        self.commands.append(_UNREAD)
        start = end = self.i
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        has_array = False
        while True:
            char = self.at()
            redirect = self.redirect() if char in _REDIRECTION_START else None
            if redirect is not None:
                redirects.append(redirect)
            elif char == "(":
                if len(words) != 1 or assignments or redirects or words[0].literal != words[0].text:
                    raise _NotUnderstoodError
                # What was taken for a command is the name of a function.
                del self.commands[index]
                self.empty_parentheses()
                draft = _Draft("compound", start, end, index)
                self.function_body(draft, words[0])
                return draft
            else:
                assignment = None
                if not words:
                    assignment = self.assignment()
                elif words[0].literal in _DECLARATIONS:
                    declared = self.declared_array()
                    if declared is not None:
                        words.append(declared)
                        end = self.i
                        self.skip_blanks()
                        continue
                if assignment is not None:
                    assignments.append(assignment)
                    has_array = has_array or assignment[1].text.startswith("(")
                else:
                    word = self.word()
                    if word is None:
                        break
                    words.append(word)
            end = self.i
            self.skip_blanks()
        if end == start or (has_array and words):
            raise _NotUnderstoodError
        self.i = end
        self.commands[index] = Command(
            tuple(assignments),
            tuple(words),
            tuple(redirects),
            self.position(start),
            self.position(end),
            self.level > 0,
        )
        return _Draft("command", start, end, index)

    def assignment(self) -> tuple[str, Word] | None:
        """Take `name=value` if that stands here."""
        text, i, size = self.text, self.i, len(self.text)
        if self.at() not in _NAME_START:
            return None
        end = i
        while end < size and text[end] in _NAME:
            end += 1
        self.not_joined(end, _ASSIGNMENT_GOES_ON)
        name = text[i:end]
        names = len(self.names)
        self.i = end
        is_plain = True
        if self.at() == "[":
            is_plain = False
            if not self.subscript_of_assignment():
                self.i = i
                del self.names[names:]
                return None
        if self.sees("+="):
            is_plain = False
            self.i += 2
        elif self.at() == "=":
            self.i += 1
        else:
            self.i = i
            del self.names[names:]
            return None
        if not is_plain:
            self.names.append(name)
        start = self.i
        if self.at() == "(":
            self.array()
            return name, self.made_word(start, names, None)
        value = self.word(is_value=True) or self.made_word(start, names, "")
        if not is_plain:
            value = replace(value, literal=None, variables=frozenset(self.names[names:]))
        return name, value

    def subscript_of_assignment(self) -> bool:
        """Go behind `[…]` if an assignment can follow; what is in it may read variables."""
        self.i += 1
        while (char := self.at()) != "]":
            if not char or char in _META:
                # bash would go on to the bracket if a `]=` came later; other shells see a word.
                if "]=" in self.text[self.i : self.i + 80] or "]+=" in self.text[self.i : self.i + 80]:
                    raise _NotUnderstoodError
                return False
            if char in {"\\", "\r"}:
                raise _NotUnderstoodError
            if char in _WORD_STOP:
                self.part([], [])
            else:
                self.i += 1
        self.i += 1
        return self.at() == "=" or self.sees("+=")

    def declared_array(self) -> Word | None:
        """Take `name=(…)` as an argument of `declare` and its like, if that stands here."""
        start, names = self.i, len(self.names)
        end = start
        while end < len(self.text) and self.text[end] in _NAME:
            end += 1
        if end == start:
            return None
        width = 2 if self.text.startswith("+=(", end) else 1 if self.text.startswith("=(", end) else 0
        if not width:
            return None
        self.i = end + width
        self.array()
        return self.made_word(start, names, None)

    def array(self) -> None:
        """Go behind the parenthesised words of an array."""
        self.i += 1
        self.skip_array_lines()
        while self.word() is not None:
            self.skip_array_lines()
        self.expect(")")

    def skip_array_lines(self) -> None:
        if self.pending:
            raise _NotUnderstoodError
        self.skip_lines()

    # Redirections and heredocs

    def redirect(self) -> Redirect | None:
        """Take a redirection if one stands here."""
        text, start = self.text, self.i
        end = start
        char = self.at()
        if char not in _REDIRECTION_START:
            return None
        fd: int | None = None
        if char in _DIGITS:
            while end < len(text) and text[end] in _DIGITS:
                end += 1
            self.not_joined(end, _ANGLES)
            if end - start > 5:
                return None
            fd = int(text[start:end])
        elif char == "{":
            end += 1
            while end < len(text) and text[end] in _NAME:
                end += 1
            if end == start + 1 or not text.startswith("}", end):
                return None
            end += 1
        elif char == "&" and not text.startswith("&>", end):
            return None
        operator = next((sign for sign in _REDIRECTIONS if text.startswith(sign, end)), "")
        if not operator or (char in "<>" and text.startswith("(", end + 1)):
            return None
        if operator[0] == "&" and end > start:
            return None
        if text.startswith("(", end + len(operator)):
            raise _NotUnderstoodError
        self.i = end + len(operator)
        self.skip_blanks()
        target = self.required_word()
        if operator in {"<<", "<<-"}:
            self.heredoc_marker(target, operator, start)
        return Redirect(operator, fd, target, self.position(start), self.position(self.i))

    def heredoc_marker(self, target: Word, operator: str, start: int) -> None:
        if target.literal is None:
            raise _NotUnderstoodError
        is_quoted = any(char in target.text for char in "\\'\"")
        self.pending.append(
            _PendingHeredoc(self.position(start), target.literal, is_quoted, operator == "<<-", self.level)
        )

    def heredoc_bodies(self) -> None:
        """Read the bodies of all pending heredocs, from the start of a line."""
        for heredoc in self.pending:
            if heredoc.level != self.level:
                # Shells do not agree on where a body goes when the line ends inside a substitution.
                raise _NotUnderstoodError
            start = self.i
            end = self.heredoc_end(heredoc)
            self.bodies[heredoc.redirect_start] = self.heredoc_body(heredoc, start, end)
        self.pending = []

    def heredoc_end(self, heredoc: _PendingHeredoc) -> int:
        """Return the offset of the terminator's line; leaves the position behind that line."""
        text, i, size = self.text, self.i, len(self.text)
        is_joined = False
        while i < size:
            found = text.find("\n", i)
            following = size if found < 0 else found + 1
            line = text[i:following].rstrip("\n").removesuffix("\r")
            if heredoc.strips_tabs:
                line = line.lstrip("\t")
            if line == heredoc.delimiter and not is_joined:
                self.i = following
                return i
            is_joined = not heredoc.is_quoted and (len(line) - len(line.rstrip("\\"))) % 2 == 1
            i = following
        raise _NotUnderstoodError

    def heredoc_body(
        self, heredoc: _PendingHeredoc, start: int, end: int
    ) -> tuple[Word, tuple[Command, ...]]:
        first_name, first_command = len(self.names), len(self.commands)
        raw = self.text[start:end]
        literal: str | None = raw
        if not heredoc.is_quoted:
            offsets = None if self.offsets is None else self.offsets[start : end + 1]
            inner = _Parser(raw, self, self.position(start), offsets)
            literal = inner.expanded_text()
        if literal is not None and heredoc.strips_tabs:
            literal = "\n".join(line.lstrip("\t") for line in literal.split("\n"))
        names = frozenset(self.names[first_name:])
        begin, stop = self.position(start), self.position(end)
        word = Word(self.source[begin:stop], begin, stop, literal, variables=names)
        inside = tuple(self.commands[first_command:])
        del self.commands[first_command:]
        return word, inside

    def expanded_text(self) -> str | None:
        """Read the whole text as the body of an unquoted heredoc; its literal if it holds no expansion."""
        pieces: list[str] = []
        is_literal = True
        known = len(self.bodies)
        while char := self.at():
            if char == "\\":
                self.escape_in_quotes(pieces, "$`\\")
            elif char == "$":
                is_literal = self.dollar(pieces, is_quoted=True) and is_literal
            elif char == "`":
                self.backquotes(is_quoted=False)
                is_literal = False
            else:
                start = self.i
                while self.at() and self.at() not in "\\$`":
                    self.i += 1
                pieces.append(self.text[start : self.i])
        if len(self.bodies) != known or self.pending:
            raise _NotUnderstoodError
        return "".join(pieces) if is_literal else None

    # Words

    def made_word(self, start: int, first_name: int, literal: str | None, has_glob: bool = False) -> Word:
        begin, end = self.position(start), self.position(self.i)
        names = frozenset(self.names[first_name:])
        return Word(self.source[begin:end], begin, end, literal, has_glob, names)

    def required_word(self) -> Word:
        word = self.word()
        if word is None:
            raise _NotUnderstoodError
        return word

    def word(self, is_value: bool = False, is_regex: bool = False) -> Word | None:
        """Take one word; None if none starts here."""
        text, start, size = self.text, self.i, len(self.text)
        i = start
        while i < size and text[i] not in _WORD_STOP:
            i += 1
        if i > start and (i == size or text[i] in " \t\n;"):
            # The common case: nothing but ordinary characters.
            self.i = i
            plain = text[start:i]
            begin = self.position(start)
            end = self.position(i)
            names, literal = self.tilde(plain, is_value), plain
            return Word(
                self.source[begin:end],
                begin,
                end,
                None if names is not None else literal,
                _is_glob(plain),
                names or _NOTHING,
            )
        first_name = len(self.names)
        literal_pieces: list[str] = []
        bare_pieces: list[str] = []
        is_literal = True
        open_parentheses = 0
        while self.i < size:
            char = text[self.i]
            if char in _META:
                if char in "<>" and self.at(1) == "(":
                    self.process_substitution()
                    is_literal = False
                    bare_pieces.append("\0")
                    continue
                if is_regex and char in "()|" and not (char == ")" and not open_parentheses):
                    open_parentheses += {"(": 1, ")": -1, "|": 0}[char]
                    literal_pieces.append(char)
                    bare_pieces.append(char)
                    self.i += 1
                    continue
                if char == "(" and bare_pieces and bare_pieces[-1][-1:] in _EXTENDED_GLOB and bare_pieces[-1]:
                    self.extended_glob(literal_pieces, bare_pieces)
                    continue
                break
            if char == "\r" and text.startswith("\n", self.i + 1):
                break
            if char == "\\" and self.continuation_at(self.i):
                following = self.behind_continuations(self.i)
                if following == size or text[following] in _META:
                    # The line break behind a word is no part of it.
                    break
                self.i = following
                continue
            is_literal = self.part(literal_pieces, bare_pieces) and is_literal
        if self.i == start:
            return None
        bare = "".join(bare_pieces)
        names = self.tilde(bare, is_value)
        if names is not None:
            self.names.extend(names)
            is_literal = False
        return self.made_word(
            start, first_name, "".join(literal_pieces) if is_literal else None, _is_glob(bare)
        )

    def part(self, literal: list[str], bare: list[str]) -> bool:
        """Take one piece of a word: ordinary characters, an escape, a quoted text or an expansion.

        What the piece stands for goes to `literal`, its unquoted characters to `bare`; the answer is
        whether the piece is literal.
        """
        text, start, size = self.text, self.i, len(self.text)
        char = text[start]
        if char == "\\":
            literal.append(text[start + 1] if start + 1 < size else char)
            bare.append("\0")
            self.i = min(start + 2, size)
            return True
        if char == "'":
            literal.append(self.single_quoted())
            bare.append("\0")
            return True
        if char == '"':
            bare.append("\0")
            return self.double_quoted(literal)
        if char == "$":
            bare.append("$")
            return self.dollar(literal, is_quoted=False)
        if char == "`":
            bare.append("\0")
            self.backquotes(is_quoted=False)
            return False
        end = start + 1
        while end < size and text[end] not in _WORD_STOP:
            end += 1
        literal.append(text[start:end])
        bare.append(text[start:end])
        self.i = end
        return True

    def single_quoted(self) -> str:
        end = self.text.find("'", self.i + 1)
        if end < 0:
            raise _NotUnderstoodError
        inside = self.text[self.i + 1 : end]
        self.i = end + 1
        return inside

    def double_quoted(self, pieces: list[str]) -> bool:
        """Take a double-quoted text; whether it is literal."""
        text, size = self.text, len(self.text)
        is_literal = True
        self.i += 1
        while self.i < size:
            start = self.i
            char = text[start]
            if char == '"':
                self.i += 1
                return is_literal
            if char == "\\":
                self.escape_in_quotes(pieces, '$`"\\')
            elif char == "$":
                is_literal = self.dollar(pieces, is_quoted=True) and is_literal
            elif char == "`":
                self.backquotes(is_quoted=True)
                is_literal = False
            else:
                end = start + 1
                while end < size and text[end] not in _QUOTED_STOP:
                    end += 1
                pieces.append(text[start:end])
                self.i = end
        raise _NotUnderstoodError

    def escape_in_quotes(self, pieces: list[str], specials: str) -> None:
        """Take a backslash and the character behind it where only some characters can be escaped."""
        char = self.at(1)
        if char == "\n":
            pass
        elif char and char in specials:
            pieces.append(char)
        else:
            pieces.append("\\" + char)
        self.i = min(self.i + 2, len(self.text))

    def ansi_quoted(self, pieces: list[str]) -> bool:
        """Take a `$'…'`; whether we know what it stands for."""
        is_literal = True
        self.i += 2
        while (char := self.at()) != "'":
            if not char:
                raise _NotUnderstoodError
            self.i += 1
            if char != "\\":
                pieces.append(char)
                continue
            escape = self.at()
            if not escape:
                raise _NotUnderstoodError
            self.i += 1
            if escape in _ESCAPES:
                pieces.append(_ESCAPES[escape])
            elif escape in "xuU01234567":
                is_octal = escape in _DIGITS
                width = 2 if is_octal else {"x": 2, "u": 4, "U": 8}[escape]
                digits = escape if is_octal else ""
                allowed = "01234567" if is_octal else "0123456789abcdefABCDEF"
                while width and self.at() and self.at() in allowed:
                    digits += self.at()
                    self.i += 1
                    width -= 1
                code = int(digits or "0", 8 if is_octal else 16)
                # A byte over 127 is only part of a character; a NUL ends the text.
                if 0 < code < 0x80 or (escape in "uU" and 0 < code < 0xD800):
                    pieces.append(chr(code))
                else:
                    is_literal = False
            else:
                pieces.append("\\" + escape)
                is_literal = is_literal and escape != "c"
        self.i += 1
        return is_literal

    def extended_glob(self, literal: list[str], bare: list[str]) -> None:
        """Take the parenthesised part of `@(a|b)` and its like."""
        bare.append("*")
        open_parentheses = 0
        while True:
            char = self.at()
            if (
                not char
                or (char in _META and char not in "()|")
                or char in "$`"
                or self.continuation_at(self.i)
            ):
                raise _NotUnderstoodError
            if char in "()|":
                open_parentheses += {"(": 1, ")": -1, "|": 0}[char]
                literal.append(char)
                self.i += 1
                if not open_parentheses:
                    return
            else:
                self.part(literal, bare)

    def tilde(self, bare: str, is_value: bool) -> frozenset[str] | None:
        """Return the variables a leading tilde stands for, None if the word has no tilde to expand."""
        if "~" not in bare:
            return None
        starts = [0]
        if is_value:
            starts += [i + 1 for i, char in enumerate(bare) if char == ":"]
        else:
            name, equals, _ = bare.partition("=")
            if equals and name and name[0] in _NAME_START and all(char in _NAME for char in name):
                # bash expands it, other shells do not.
                starts.append(len(name) + 1)
        found: frozenset[str] | None = None
        for start in starts:
            if not bare.startswith("~", start):
                continue
            end = start + 1
            while end < len(bare) and bare[end] in _TILDE_USER:
                end += 1
            if end == len(bare) or bare[end] == "/" or (is_value and bare[end] == ":"):
                found = (found or _NOTHING) | (frozenset({"HOME"}) if end == start + 1 else _NOTHING)
        return found

    # Expansions

    def dollar(self, pieces: list[str], is_quoted: bool) -> bool:
        """Take what a `$` begins; False if it is an expansion."""
        text, start = self.text, self.i
        char = self.at(1)
        if char in _NAME_START:
            end = start + 2
            while end < len(text) and text[end] in _NAME:
                end += 1
            self.not_joined(end, _NAME)
            self.names.append(text[start + 1 : end])
            self.i = end
            return False
        if char in _SPECIAL_PARAMETERS or char in _DIGITS:
            self.i += 2
            return False
        if char == "{":
            self.braced(is_quoted)
            return False
        if char == "(":
            if self.at(2) == "(":
                self.i += 3
                self.arithmetic("))", "")
            else:
                self.substitution()
            return False
        if char == "'" and not is_quoted:
            return self.ansi_quoted(pieces)
        if char == '"' and not is_quoted:
            # bash translates the text, other shells keep the dollar sign.
            self.i += 1
            self.double_quoted([])
            return False
        if char == "[" or (char == "\\" and self.at(2) in {"\n", "\r"}):
            raise _NotUnderstoodError
        pieces.append("$")
        self.i += 1
        return True

    def substitution(self) -> None:
        """Take a `$(…)` or `<(…)` from its two first characters on."""
        self.i += 2
        self.not_joined(self.i, _PARENTHESIS)
        self.level += 1
        self.list_until(frozenset())
        self.expect(")")
        if any(heredoc.level == self.level for heredoc in self.pending):
            raise _NotUnderstoodError
        self.level -= 1

    process_substitution = substitution

    def backquotes(self, is_quoted: bool) -> None:
        """Take a command between backquotes, which sees its text with one level of backslashes removed."""
        text, size = self.text, len(self.text)
        removed = '$`\\"' if is_quoted else "$`\\"
        i = self.i + 1
        chars: list[str] = []
        offsets: list[int] = []
        while i < size and text[i] != "`":
            offsets.append(self.position(i))
            if text[i] == "\\" and i + 1 < size and text[i + 1] in removed:
                i += 1
            chars.append(text[i])
            i += 1
        if i >= size:
            raise _NotUnderstoodError
        offsets.append(self.position(i))
        inner = _Parser("".join(chars), self, 0, offsets)
        inner.level += 1
        inner.whole()
        self.i = i + 1

    def braced(self, is_quoted: bool) -> None:
        """Take a `${…}`."""
        self.i += 2
        is_length = self.at() == "#" and self.at(1) != "}"
        is_indirect = self.at() == "!" and self.at(1) != "}"
        self.i += is_length or is_indirect
        start = self.i
        char = self.at()
        if char in _NAME:
            while self.at() in (_DIGITS if char in _DIGITS else _NAME):
                self.i += 1
            if char not in _DIGITS:
                self.names.append(self.text[start : self.i])
        elif char in _SPECIAL_PARAMETERS:
            self.i += 1
        else:
            raise _NotUnderstoodError
        if self.at() == "[":
            self.i += 1
            if self.at() in {"@", "*"}:
                self.i += 1
                self.expect("]")
            else:
                self.arithmetic("]", "")
        if is_indirect and self.at() in {"@", "*"} and self.at(1) == "}":
            self.i += 1
        elif not is_length:
            self.operation(is_quoted)
        self.expect("}")

    def operation(self, is_quoted: bool) -> None:
        """Take the operator and the word behind a parameter, up to the closing brace."""
        char, following = self.at(), self.at(1)
        if char == "}":
            return
        if char == ":" and following and following in "-=?+":
            self.i += 2
            self.operand(has_quotes=not is_quoted)
        elif char == ":":
            self.i += 1
            self.arithmetic("}", "")
            self.i -= 1
        elif char and char in "-=?+":
            self.i += 1
            self.operand(has_quotes=not is_quoted)
        elif char and char in "%#/^,":
            self.i += 2 if following == char else 1
            self.operand(has_quotes=True)
        elif char == "@" and following and following in "QEPAaULuKk":
            self.i += 2
        else:
            raise _NotUnderstoodError

    def operand(self, has_quotes: bool) -> None:
        """Go up to the brace that closes an expansion; in a double-quoted default a ' quotes nothing."""
        ignored: list[str] = []
        while (char := self.at()) != "}":
            if not char:
                raise _NotUnderstoodError
            if char == "\\":
                self.i += 2
            elif char == "'" and has_quotes:
                self.single_quoted()
            elif char == '"':
                self.double_quoted(ignored)
            elif char == "$":
                self.dollar(ignored, is_quoted=not has_quotes)
            elif char == "`":
                self.backquotes(is_quoted=not has_quotes)
            elif char in "<>" and self.at(1) == "(":
                raise _NotUnderstoodError
            else:
                self.i += 1

    def arithmetic(self, closer: str, separators: str) -> None:
        """Go behind the end of an arithmetic expression, noting variables and commands on the way."""
        text, size = self.text, len(self.text)
        open_parentheses = 0
        self.deeper()
        while True:
            if self.i >= size:
                raise _NotUnderstoodError
            char = text[self.i]
            if not open_parentheses and text.startswith(closer, self.i):
                self.i += len(closer)
                self.depth -= 1
                return
            if char in "()":
                open_parentheses += 1 if char == "(" else -1
                if open_parentheses < 0:
                    raise _NotUnderstoodError
                self.i += 1
            elif char in _DIGITS:
                while self.i < size and (text[self.i] in _NAME or text[self.i] in "#@"):
                    self.i += 1
            elif char in _NAME_START:
                start = self.i
                while self.i < size and text[self.i] in _NAME:
                    self.i += 1
                self.names.append(text[start : self.i])
                if self.at() == "[":
                    self.i += 1
                    self.arithmetic("]", "")
            elif char == "$":
                self.dollar([], is_quoted=True)
            elif char == "`":
                self.backquotes(is_quoted=True)
            elif char == '"':
                self.double_quoted([])
            elif char == "\\" and self.at(1) == "\n":
                self.i += 2
            elif char in _ARITHMETIC or char in separators:
                self.i += 1
            else:
                raise _NotUnderstoodError


def _is_glob(bare: str) -> bool:
    """Whether unquoted text can stand for several words: file names or the parts of a brace expansion."""
    if "*" in bare or "?" in bare:
        return True
    bracket = bare.find("[")
    if bracket >= 0 and "]" in bare[bracket + 2 :]:
        return True
    inside = bare[bare.find("{") + 1 : bare.rfind("}")] if "{" in bare else ""
    return "," in inside or ".." in inside
