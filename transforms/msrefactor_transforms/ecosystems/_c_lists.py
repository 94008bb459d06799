"""A reader of CMakeLists.txt: where it installs, what it links with.

Only literal commands count. Sources: CMake's manual, "install", "find_package", "cmake-language(7)".
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from msrefactor.code.needs import SourceReader

_RELATIVE = ("bin", "lib", "sbin", "share", "include", "etc", "var", "libexec", "$")


def commands_of(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the commands of a CMake file with their words; quotes and comments are taken off."""
    at, end = 0, len(text)
    while at < end:
        char = text[at]
        if char == "#":
            at = _after_comment(text, at)
        elif char.isalpha() or char == "_":
            start = at
            while at < end and (text[at].isalnum() or text[at] == "_"):
                at += 1
            name = text[start:at].lower()
            while at < end and text[at] in " \t":
                at += 1
            if at < end and text[at] == "(":
                words, at = _words(text, at + 1)
                yield name, words
        else:
            at += 1


def _after_comment(text: str, at: int) -> int:
    if text.startswith("#[[", at):
        close = text.find("]]", at)
        return len(text) if close < 0 else close + 2
    close = text.find("\n", at)
    return len(text) if close < 0 else close + 1


def _words(text: str, at: int) -> tuple[tuple[str, ...], int]:
    """Return the words up to the closing parenthesis, and the place behind it."""
    words: list[str] = []
    current = ""
    depth = 0
    while at < len(text):
        char = text[at]
        if char == '"':
            close = at + 1
            while close < len(text) and text[close] != '"':
                close += 2 if text[close] == "\\" else 1
            current += text[at + 1 : close]
            at = close + 1
            continue
        if char == "#":
            at = _after_comment(text, at)
            continue
        if char == "(":
            depth += 1
        elif char == ")":
            if depth == 0:
                break
            depth -= 1
        elif char.isspace():
            if current:
                words.append(current)
            current = ""
            at += 1
            continue
        current += char
        at += 1
    if current:
        words.append(current)
    return tuple(words), at + 1


def lists_below(
    context: SourceReader, folder: str
) -> list[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]]:
    """Return the CMake files below a folder of the context with their commands."""
    found = []
    for path in context.files(folder):
        if posixpath.basename(path) == "CMakeLists.txt" or path.endswith(".cmake"):
            text = context.read_text(path)
            if text is not None:
                found.append((path, tuple(commands_of(text))))
    return found


def install_places(context: SourceReader, folder: str) -> tuple[str, ...] | None:
    """Return absolute places that the CMake files install into beside the prefix; None: it can't be told."""
    found: list[str] = []
    for _, commands in lists_below(context, folder):
        for name, words in commands:
            if name == "set" and words[:1] == ("CMAKE_INSTALL_PREFIX",):
                if len(words) < 2 or not words[1].startswith("/"):
                    return None
                found.append(words[1])
            if name != "install":
                continue
            if "SCRIPT" in words or "CODE" in words:
                return None
            for index, word in enumerate(words[:-1]):
                if not word.endswith("DESTINATION"):
                    continue
                place = words[index + 1]
                if place.startswith("/"):
                    found.append(place)
                elif place.startswith("${") and "CMAKE_INSTALL_" not in place:
                    return None
    return tuple(found)
