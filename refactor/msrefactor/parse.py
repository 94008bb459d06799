"""Text to tree, by the rules of BuildKit's parser.

What BuildKit rejects, and what no tool could edit, is BadInput.
"""

from __future__ import annotations

from typing import Final

from msrefactor import syntax
from msrefactor.errors import BadInput
from msrefactor.tree import Dockerfile, Instruction, Stage
from msrefactor.variables import SPACE

_BOM: Final = "\ufeff"
# How the byte-order marks of UTF-16 look after decoding as UTF-8 with surrogateescape.
_UTF_16: Final = ("\udcff\udcfe", "\udcfe\udcff")
_TEMPLATE_MARKS: Final = ("{{", "{%")
_COMMAND_KEYWORDS: Final = frozenset({"CMD", "ENTRYPOINT", "HEALTHCHECK", "RUN", "SHELL"})


def parse(text: str) -> Dockerfile:
    """Return the tree of a Dockerfile; `parse(text).render() == text`. Raises BadInput."""
    _refuse_binary(text)
    position, escape = _read_directives(text)
    directives = text[:position]
    line = text.count("\n", 0, position) + 1
    leading_start = position
    preamble: list[Instruction] = []
    stages: list[list[Instruction]] = []
    end = len(text)
    while position < end:
        stop = syntax.line_stop(text, position)
        bare = text[position:stop].strip(SPACE)
        if not bare or bare[0] == "#":
            if bare[1:].lstrip(SPACE).startswith("{%"):
                raise _template(line, text.find("{%", position) - position + 1)
            position = stop
            line += 1
            continue
        shape = syntax.read_instruction(text, position, escape)
        column = shape.joined.lines[0].content_start - position + 1
        _refuse_template(text, shape, line)
        if not shape.keyword:
            raise BadInput("an escape character that continues nothing", line, column)
        if shape.fault is not None:
            raise BadInput(shape.fault, line, column)
        instruction = Instruction(text[leading_start:position], text[position : shape.stop], line, escape)
        if shape.keyword == "FROM":
            _check_from(instruction, column)
            stages.append([instruction])
        elif stages:
            stages[-1].append(instruction)
        elif shape.keyword == "ARG":
            preamble.append(instruction)
        else:
            raise BadInput(f"{instruction.keyword_text} before the first FROM", line, column)
        line += text.count("\n", position, shape.stop)
        position = leading_start = shape.stop
    if not stages:
        raise BadInput("no FROM: this is no Dockerfile")
    crlf = text.count("\r\n")
    return Dockerfile(
        directives=directives,
        preamble=tuple(preamble),
        stages=tuple(Stage(tuple(items)) for items in stages),
        trailing=text[leading_start:],
        escape=escape,
        newline="\r\n" if crlf > text.count("\n") - crlf else "\n",
    )


def _refuse_binary(text: str) -> None:
    if text.startswith(_UTF_16):
        raise BadInput("UTF-16 text: only UTF-8 is a Dockerfile")
    nul = text.find("\0")
    if nul >= 0:
        start = text.rfind("\n", 0, nul) + 1
        raise BadInput("a NUL character: not text", text.count("\n", 0, nul) + 1, nul - start + 1)


def _read_directives(text: str) -> tuple[int, str]:
    """Return where the parser directives end, and the escape character they leave in force."""
    position = len(_BOM) if text.startswith(_BOM) else 0
    escape = "\\"
    seen: set[str] = set()
    line = 1
    while position < len(text):
        stop = syntax.line_stop(text, position)
        found = syntax.directive(text[position:stop])
        if found is None:
            break
        name, value = found
        if name in seen:
            raise BadInput(f"only one {name} parser directive can be used", line)
        seen.add(name)
        if name == "escape":
            if value not in {"\\", "`"}:
                raise BadInput(f"the escape character is \\ or `, not {value!r}", line)
            escape = value
        position = stop
        line += 1
    return position, escape


def _check_from(instruction: Instruction, column: int) -> None:
    words = instruction.words
    if len(words) == 1 or (len(words) == 3 and words[1].text.upper() == "AS"):
        return
    raise BadInput("FROM takes an image, or an image, AS and a name", instruction.line or 1, column)


def _template(line: int, column: int) -> BadInput:
    return BadInput("a template, not a Dockerfile: render it first", line, column)


def _refuse_template(text: str, shape: syntax.Shape, line: int) -> None:
    """Raise BadInput for `{{` or `{%` where a template engine, and no shell command, would have them.

    `go list -f '{{.Dir}}'` is a command: in RUN and its like, quoted marks and JSON arrays are left alone.
    """
    joined = shape.joined
    if not any(mark in joined.text for mark in _TEMPLATE_MARKS):
        return
    keyword, start = shape.keyword, shape.head.arguments_start
    if keyword == "ONBUILD":
        keyword = joined.text[start:].split(maxsplit=1)[0].upper() if joined.text[start:].strip() else keyword
    offset = _template_mark(joined.text, keyword in _COMMAND_KEYWORDS)
    if offset is None:
        return
    place = syntax.place(joined, offset)
    line_start = text.rfind("\n", 0, place) + 1
    raise _template(line + text.count("\n", joined.lines[0].start, place), place - line_start + 1)


def _template_mark(logical: str, is_command: bool) -> int | None:
    if not is_command:
        return min(offset for mark in _TEMPLATE_MARKS if (offset := logical.find(mark)) >= 0)
    quote = ""
    for offset, char in enumerate(logical):
        if quote:
            if char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == "{" and logical[offset : offset + 2] in _TEMPLATE_MARKS:
            return offset
    return None
