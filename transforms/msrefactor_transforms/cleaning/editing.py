"""A RUN that gets a command more, or becomes one with the next, written as its author writes.

Line breaks, the place of `&&` and the indentation are taken from the RUN itself where it has them, else from
the other RUNs of the file. A command is never put behind a comment of the shell.
"""

from __future__ import annotations

import itertools
import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.facts import Fact, script_of
from msrefactor.shell import Script
from msrefactor.tree import Dockerfile, Instruction
from msrefactor_transforms.splitting.dividing import Mapper

LONGEST_LINE = 100
"""A RUN on one line stays on one line as long as that isn't longer than this."""


@dataclass(frozen=True, slots=True)
class Style:
    """How the file breaks lines between the commands of a RUN."""

    indent: str = "    "
    leads: bool = True
    """Whether `&&` stands at the start of a line."""
    mark: str = " "
    """The blanks before the continuation mark."""

    def glue(self, escape: str, comments: Sequence[str] = ()) -> str:
        """Return what stands between two commands on two lines; comments get lines of their own."""
        middle = "".join(f"{self.indent}{comment}\n" for comment in comments)
        if self.leads:
            return f"{self.mark}{escape}\n{middle}{self.indent}&& "
        return f" &&{self.mark}{escape}\n{middle}{self.indent}"


def style_of(dockerfile: Dockerfile) -> Style:
    """Return the style that most line breaks between commands of the file have."""
    leading: Counter[str] = Counter()
    trailing: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for instruction in dockerfile.all_instructions:
        if instruction.keyword != "RUN" or instruction.heredocs:
            continue
        rows = instruction.source.rstrip("\r\n").split("\n")
        for before, after in itertools.pairwise(rows):
            body = after.lstrip(" \t")
            indent = after[: len(after) - len(body)]
            if not before.rstrip().endswith(instruction.escape) or body.startswith("#") or not indent:
                continue
            if body.startswith("&& "):
                leading[indent] += 1
            elif before.rstrip()[:-1].rstrip().endswith("&&"):
                trailing[indent] += 1
            else:
                others[indent] += 1
    if not leading and not trailing:
        usual = others.most_common(1)[0][0] if others else ""
        return Style("\t" if usual.startswith("\t") else "    ")
    leads = leading.total() >= trailing.total()
    return Style((leading if leads else trailing).most_common(1)[0][0], leads)


# -------------------------------------------------------------------------------------- a command more


_ENDS = frozenset({"exec", "exit", "return"})
"""Commands behind which nothing runs."""


def with_command(
    fact: Fact, instruction: Instruction, command: str, style: Style, behind: int | None = None
) -> Instruction | None:
    """Return the RUN with a command that runs where those before it succeeded.

    It stands behind the last command, or behind the item at `behind`. `instruction` is the RUN as it stands
    now, the fact tells of its shell. None: there is no place for it.
    """
    script, spans = script_of(instruction, fact.scope)
    if script is None or spans is None or not script.items or not _goes_on(script, fact):
        return None
    place = len(script.items) - 1 if behind is None else behind
    item = script.items[place]
    if any("<<" in redirect.operator for one in item.commands for redirect in one.redirects):
        return None
    if place < len(script.items) - 1 and item.separator not in ("&&", ";", "\n"):
        return None
    end = spans(item.start, item.end)[1]
    if instruction.heredocs:
        glue = _heredoc_glue(script, instruction, spans, place)
        return instruction.replaced([(end, end, glue + command)])
    is_last = place == len(script.items) - 1
    is_commented = is_last and "#" in instruction.source[end:].partition("\n")[0]
    glue = " && " if is_commented else _glue(script, instruction, spans, len(command), style)
    return instruction.replaced([(end, end, _aligned(glue, instruction, end) + command)])


def _aligned(glue: str, instruction: Instruction, place: int) -> str:
    """Return the glue with its mark below the other marks, where the author put them all into one column."""
    rows = [row.rstrip() for row in instruction.source.split("\n")]
    marked = [len(row) - 1 for row in rows if row.endswith(instruction.escape)]
    columns = set(marked)
    head, mark, rest = glue.partition(instruction.escape)
    if len(columns) != 1 or len(marked) < 2 or not mark or head.strip(" "):
        return glue
    width = place - (instruction.source.rfind("\n", 0, place) + 1)
    return " " * max(columns.pop() - width, 1) + mark + rest


def _runs_in_background(script: Script, fact: Fact) -> bool:
    """Whether a command is left running: `a &`, and `a &> file` where the shell isn't bash."""
    is_plain = posixpath.basename(fact.scope.shell[0]) not in ("bash", "zsh")
    return any(item.separator == "&" for item in script.items) or (
        is_plain and any("&>" in one.operator for command in script.commands for one in command.redirects)
    )


def _goes_on(script: Script, fact: Fact) -> bool:
    """Whether what stands behind the last command runs when the commands before it succeeded."""
    if _runs_in_background(script, fact):
        return False
    for item in script.items:
        if item.keyword == "function":
            return False
        if item.kind == "command" and item.commands[0].name in _ENDS:
            return False
    return True


def _stops_at_errors(script: Script) -> bool:
    """Whether the script begins with `set -e`, or `set` with a cluster that has an `e`."""
    first = script.items[0]
    if first.kind != "command" or first.commands[0].name != "set":
        return False
    return any(word.text.startswith("-") and "e" in word.text for word in first.commands[0].arguments)


def _heredoc_glue(script: Script, instruction: Instruction, spans: Mapper, position: int) -> str:
    """Return what comes before a command behind an item of a script in a heredoc."""
    item = script.items[position]
    if not _stops_at_errors(script) or item.separator not in ("\n", ""):
        return " && "
    place = spans(item.start, item.end)[0]
    line = instruction.source.rfind("\n", 0, place) + 1
    text = instruction.source[line:place]
    return "\n" + text[: len(text) - len(text.lstrip(" \t"))]


def _glue(script: Script, instruction: Instruction, spans: Mapper, size: int, style: Style) -> str:
    """Return what stands between the RUN's last command and one more."""
    operator = ";" if _stops_at_errors(script) and _separated_by(script, ";") else "&&"
    for left, right in reversed(tuple(itertools.pairwise(script.items))):
        between = instruction.source[spans(left.start, left.end)[1] : spans(right.start, right.end)[0]]
        broken = _without_comments(between, instruction.escape)
        if "\n" in broken:
            blank = " " if operator == "&&" and broken.startswith(left.separator) else ""
            return (
                broken.replace(left.separator, blank + operator, 1) if left.separator != operator else broken
            )
    if operator == ";":
        return "; "
    body = instruction.source.rstrip("\r\n")
    if "\n" not in body and len(body) + len(" && ") + size <= LONGEST_LINE:
        return " && "
    return _fitted(instruction, style).glue(instruction.escape)


def _separated_by(script: Script, separator: str) -> bool:
    return all(item.separator in (separator, "") for item in script.items)


def _without_comments(between: str, escape: str) -> str:
    """Return the text between two commands with one line break: no comments, no empty lines."""
    rows = between.replace("\r\n", "\n").split("\n")
    kept = [rows[0]]
    for row in rows[1:-1]:
        bare = row.strip(" \t")
        if bare and not bare.startswith("#") and bare != escape:
            kept.append(row)
    if len(rows) > 1:
        kept.append(rows[-1])
    return "\n".join(kept)


def _fitted(instruction: Instruction, style: Style) -> Style:
    """Return the file's style with the indentation that this RUN has on its own lines."""
    rows = instruction.source.rstrip("\r\n").split("\n")
    for row in rows[1:]:
        body = row.lstrip(" \t")
        if body and not body.startswith("#"):
            indent = row[: len(row) - len(body)]
            return Style(indent or style.indent, style.leads)
    return style


# ------------------------------------------------------------------------------------- two that become one


def can_join(first: Fact, second: Fact) -> bool:
    """Whether two RUNs, one after the other, do the same as one RUN that has the commands of both."""
    if first.scope.user != second.scope.user or first.scope.cwd != second.scope.cwd:
        return False
    if first.scope.shell != second.scope.shell:
        return False
    if _flags(first.instruction) != _flags(second.instruction):
        return False
    for fact in (first, second):
        if fact.script is None or fact.offset is None or not fact.script.items:
            return False
        if fact.instruction.heredocs or fact.instruction.exec_form is not None:
            return False
    return _leaves_nothing_behind(first) and _is_one_chain(second)


def _flags(instruction: Instruction) -> tuple[tuple[str, str | None], ...]:
    return tuple((flag.name, flag.value) for flag in instruction.flags)


_OF_THE_SHELL = frozenset(
    "cd pushd popd export unset set shopt umask ulimit trap read alias source . eval exec exit return local "
    "declare typeset readonly shift".split()
)
"""Commands that change what later commands of the same shell see."""


def _leaves_nothing_behind(fact: Fact) -> bool:
    """Whether commands behind the RUN's own, in the same shell, run as in a shell of their own."""
    items = fact.script.items if fact.script is not None else ()
    if fact.script is not None and _runs_in_background(fact.script, fact):
        return False
    for place, item in enumerate(items):
        if item.separator and place == len(items) - 1:
            return False
        if item.kind == "compound" and item.keyword not in ("(", "[["):
            return False
        for command in item.commands:
            if not command.words or command.name in _OF_THE_SHELL or command.name is None:
                return False
    return True


def _is_one_chain(fact: Fact) -> bool:
    """Whether every command of the RUN runs only when all before it succeeded."""
    items = fact.script.items if fact.script is not None else ()
    return all(item.separator == "&&" for item in items[:-1]) and not (items and items[-1].separator)


def joined(first: Fact, second: Fact, style: Style, comments: Sequence[str] = ()) -> Instruction | None:
    """Return one RUN with the commands of two; `comments` go between them. None: their text can't be cut.

    A comment of the shell at the end of the first becomes a line of its own.
    """
    if first.script is None or first.offset is None or second.script is None or second.offset is None:
        return None
    one, other = first.instruction, second.instruction
    last = first.script.items[-1]
    end = first.offset(last.start, last.end)[1]
    rest = one.source[end:].rstrip("\r\n")
    if rest.strip(" \t") and not rest.strip(" \t").startswith("#"):
        return None
    notes = [rest.strip(" \t"), *comments] if rest.strip(" \t") else list(comments)
    start = second.offset(second.script.items[0].start, second.script.items[0].end)[0]
    tail = other.source[start:]
    between = _join_glue(first, second, one.source[:end], tail, style, notes)
    if "\n" in between and _broken(second) is None:
        tail = _indented(tail, between.rpartition("\n")[2].partition("&&")[0])
    return one.with_source(one.source[:end] + between.replace("\n", one.newline) + tail)


def _indented(tail: str, indent: str) -> str:
    """Return a command's text with its continuation lines further in than the command's own line."""
    rows = tail.split("\n")
    inner = [row for row in rows[1:] if row.strip()]
    is_quoted = '"' in tail or "'" in tail
    if is_quoted or not inner:
        return tail
    if not all(len(row) - len(row.lstrip()) <= len(indent) for row in inner):
        return tail
    return "\n".join([rows[0], *(indent + row if row.strip() else row for row in rows[1:])])


def _join_glue(first: Fact, second: Fact, head: str, tail: str, style: Style, notes: Sequence[str]) -> str:
    escape = first.instruction.escape
    broken = _broken(second) or _broken(first)
    rows = tail.rstrip("\r\n").split("\n")
    if broken is None:
        fits = len(head) + len(" && ") + len(rows[0]) <= LONGEST_LINE
        if not notes and "\n" not in head and fits:
            return " && "
        own = second if "\n" in second.instruction.source.rstrip("\r\n") else first
        return _fitted(own.instruction, style).glue(escape, notes)
    if not notes:
        return broken
    leads = broken.rstrip().endswith("&&")
    indent = broken.rpartition("\n")[2].partition("&&")[0]
    return Style(indent or style.indent, leads).glue(escape, notes)


def _broken(fact: Fact) -> str | None:
    """Return what stands between two commands of the RUN on two lines, comments left out."""
    if fact.script is None or fact.offset is None:
        return None
    for left, right in itertools.pairwise(fact.script.items):
        start = fact.offset(left.start, left.end)[1]
        stop = fact.offset(right.start, right.end)[0]
        text = _without_comments(fact.instruction.source[start:stop], fact.instruction.escape)
        if "\n" in text and left.separator == "&&":
            return text
    return None


def comments_in(leading: str) -> tuple[str, ...]:
    """Return the comment lines before an instruction."""
    return tuple(line.strip() for line in leading.splitlines() if line.strip().startswith("#"))


# ------------------------------------------------------------------------------------ a command before one


def with_command_before(fact: Fact, position: int, command: str, style: Style) -> Instruction | None:
    """Return the RUN with a command before the item at `position`, that runs where this one would have run.

    None: it can't be put there so that its failure ends the build.
    """
    if fact.script is None or fact.offset is None:
        return None
    items = fact.script.items
    before = items[position - 1] if position else None
    if before is not None and before.separator not in ("&&", ";", "\n"):
        return None
    chain = next((item for item in items[position:] if item.separator != "&&"), None)
    if chain is not None and chain.separator == "||":
        return None
    start = fact.offset(items[position].start, items[position].end)[0]
    instruction = fact.instruction
    stops = _stops_at_errors(fact.script) and position > 0
    if instruction.heredocs:
        line = instruction.source.rfind("\n", 0, start) + 1
        indent = instruction.source[line:start]
        glue = "\n" + indent if stops and not indent.strip() else " && "
    elif before is not None:
        end = fact.offset(before.start, before.end)[1]
        glue = _without_comments(instruction.source[end:start], instruction.escape)
        if before.separator == ";" and not stops:
            glue = glue.replace(";", " &&", 1)
    else:
        glue = _first_glue(fact, instruction, start, command, style)
    return instruction.replaced([(start, start, command + glue)])


def _first_glue(fact: Fact, instruction: Instruction, start: int, command: str, style: Style) -> str:
    """Return what stands between a new first command and the one that was first."""
    broken = _broken(fact)
    row = instruction.source[start:].partition("\n")[0].rstrip("\r")
    line = instruction.source.rfind("\n", 0, start) + 1
    if broken is None or "\n" not in broken:
        if start - line + len(command) + len(" && ") + len(row) <= LONGEST_LINE:
            return " && "
        return _fitted(instruction, style).glue(instruction.escape)
    return broken
