"""What Leiningen's project.clj and a tools.build script say about the uberjar.

Sources: leiningen sample.project.clj ("Paths", "Jar Output"), clojure.org "tools.build Guide".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Form: TypeAlias = "str | Text | tuple[Form, ...]"
"""A symbol, keyword or number as it stands there; a string; a bracket with what is in it."""

_TOKEN = re.compile(
    r'[\s,]+|;[^\n]*|"(?:[^"\\]|\\.)*"|[()\[\]{}]|#_|#?\^|[\'`~@]|#(?=[({"])|\\.|[^\s,;"()\[\]{}]+'
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_MAX_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Text:
    """A string of the script."""

    text: str


@dataclass(frozen=True, slots=True)
class LeinProject:
    """A project.clj."""

    name: str
    version: str
    entries: Mapping[str, Form]
    uberjar: Mapping[str, Form]
    """The entries of the profile `:uberjar`."""

    def uberjar_path(self, folder: str) -> str | None:
        """Return the jar that `lein uberjar` writes; None where it isn't a literal."""
        target = self.uberjar.get(":target-path", self.entries.get(":target-path", Text("target")))
        name = self.uberjar.get(":uberjar-name", self.entries.get(":uberjar-name"))
        if name is None:
            name = Text("%s-%s-standalone.jar" if self.name else "")
        if not isinstance(target, Text) or not isinstance(name, Text) or not name.text:
            return None
        place = target.text.replace("%s", "uberjar").rstrip("/")
        file = name.text
        if name.text == "%s-%s-standalone.jar":
            file = f"{self.name}-{self.version}-standalone.jar"
        elif "%s" in file:
            file = file.replace("%s", self.version, 1)
        return posixpath.normpath(posixpath.join(folder, place, file))

    @property
    def target(self) -> str:
        """Return the folder that the build writes into."""
        given = self.entries.get(":target-path")
        text = given.text if isinstance(given, Text) else "target"
        return text.split("%")[0].rstrip("/") or "target"

    @property
    def plugins(self) -> frozenset[str]:
        """Return the names of the plugins."""
        given = self.entries.get(":plugins")
        found = (
            [entry[1] for entry in given[1:] if isinstance(entry, tuple) and len(entry) > 1]
            if isinstance(given, tuple)
            else []
        )
        return frozenset(name for name in found if isinstance(name, str))


def read_project(text: str) -> LeinProject | None:
    """Return what a project.clj says; None where it isn't a literal `defproject`."""
    for form in read_forms(text):
        if isinstance(form, tuple) and form[:2] and len(form) > 3 and form[1] == "defproject":
            name, version = form[2], form[3]
            if not isinstance(name, str) or not isinstance(version, Text):
                return None
            entries = _pairs(form[4:])
            profiles = entries.get(":profiles")
            inside = _pairs(profiles[1:]).get(":uberjar") if isinstance(profiles, tuple) else None
            uberjar = _pairs(inside[1:]) if isinstance(inside, tuple) and inside[0] == "{" else {}
            return LeinProject(name.rpartition("/")[2], version.text, entries, uberjar)
    return None


def uber_file(text: str) -> str | None:
    """Return the jar that a tools.build script writes, relative to its folder; None: not literal."""
    known: dict[str, Form] = {}
    for form in read_forms(text):
        if isinstance(form, tuple) and len(form) >= 4 and form[0] == "(" and form[1] == "def":
            symbol = form[2]
            if isinstance(symbol, str):
                known[symbol] = form[-1]
    for name in ("uber-file", "uberjar-file", "jar-file", "uber"):
        if name in known:
            value = _evaluated(known[name], known, 0)
            if value is not None and value.endswith(".jar"):
                return value
    return None


def _evaluated(form: Form, known: Mapping[str, Form], depth: int) -> str | None:
    if isinstance(form, Text):
        return form.text
    if depth > 8:
        return None
    if isinstance(form, str):
        return _evaluated(known[form], known, depth + 1) if form in known else form.lstrip("'") or None
    if len(form) > 1 and form[0] == "(" and form[1] in ("str", "format", "name"):
        values = [_evaluated(one, known, depth + 1) for one in form[2:]]
        texts = [value for value in values if value is not None]
        if len(texts) != len(values) or not texts:
            return None
        if form[1] == "str":
            return "".join(texts)
        if form[1] == "name":
            return texts[0].rpartition("/")[2]
        pattern = texts.pop(0)
        if pattern.count("%s") != len(texts) or pattern.count("%") != len(texts):
            return None
        for value in texts:
            pattern = pattern.replace("%s", value, 1)
        return pattern
    return None


def _pairs(forms: tuple[Form, ...]) -> dict[str, Form]:
    found: dict[str, Form] = {}
    for at in range(0, len(forms) - 1, 2):
        key = forms[at]
        if isinstance(key, str) and key.startswith(":"):
            found[key] = forms[at + 1]
    return found


def read_forms(text: str) -> tuple[Form, ...]:
    """Return the top-level forms of a Clojure text; metadata and quotes are passed over."""
    stack: list[list[Form]] = [[]]
    brackets: list[str] = []
    skipped: list[int] = []
    for match in _TOKEN.finditer(text):
        word = match[0]
        if word[0] in " \t\r\n,;" or word in ("'", "`", "@", "#"):
            continue
        if word in ("#_", "^", "#^"):
            # the form behind it is thrown away: a comment, or metadata
            skipped.append(len(stack))
            continue
        form: Form
        if word in _CLOSING:
            if len(stack) > _MAX_DEPTH:
                return ()
            stack.append([word])
            brackets.append(word)
            continue
        if word in ")]}":
            if not brackets or _CLOSING[brackets.pop()] != word:
                return ()
            form = tuple(stack.pop())
        elif word[0] == '"':
            form = Text(re.sub(r"\\(.)", r"\1", word[1:-1]))
        else:
            form = word
        if skipped and skipped[-1] == len(stack):
            skipped.pop()
            continue
        stack[-1].append(form)
    return tuple(stack[0])
