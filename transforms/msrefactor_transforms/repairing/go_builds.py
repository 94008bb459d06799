"""Builds of Go that stop, or whose program stops: several packages for one file, and C that was switched off.

Sources: the documentation of cmd/go (`go build -o`), the README of go-sqlite3; Go 1.24 was measured.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from msrefactor.code.go_module import go_files
from msrefactor.code.go_tokens import is_built
from msrefactor.facts import Scope, StageFacts
from msrefactor.model import Change, Evidence, Refused, View
from msrefactor.shell import Command, Word
from msrefactor.tree import Instruction
from msrefactor_transforms.cleaning.layers import commands_of
from msrefactor_transforms.ecosystems._go_commands import GoBuild
from msrefactor_transforms.ecosystems._go_sources import sources_of
from msrefactor_transforms.repairing.kinds import Found, Place, change, edited, joined, seen

_NEED_C = {
    "github.com/mattn/go-sqlite3": "go-sqlite3 answers every call with an error when it is built without cgo",
    "gorm.io/driver/sqlite": "it uses go-sqlite3, which answers every call with an error without cgo",
    "github.com/confluentinc/confluent-kafka-go": "it can't be compiled without cgo",
    "gopkg.in/confluentinc/confluent-kafka-go": "it can't be compiled without cgo",
}
"""Packages that do nothing without C, by their import path, versions aside."""


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Name the one program of a module; tell where there are several, and where C is needed."""
    return joined((_packages(view, stages), _without_c(view, stages)))


def _packages(view: View, stages: Sequence[StageFacts]) -> Found:
    replaced: dict[Place, Instruction] = {}
    changes: list[Change] = []
    told: list[Refused] = []
    for index, facts in enumerate(stages):
        for fact in facts.runs():
            for _, command, effect in commands_of(fact):
                if command is None or not isinstance(effect.detail, GoBuild):
                    continue
                word = _every_package(command, effect.detail, fact.scope)
                if word is None:
                    continue
                folder = effect.detail.folder
                programs, others = _packages_below(folder, fact.scope)
                if len(programs) + len(others) < 2:
                    continue
                count = len(programs) + len(others)
                detail = f"`{word.text}` is {count} packages, which `go build` doesn't write to one file"
                if len(programs) != 1 or fact.offset is None:
                    names = ", ".join(sorted(programs))
                    remedy = f"name the package of the program ({names})" if names else "name the package"
                    told.append(Refused("fails-today", detail, (seen(view, fact),), remedy))
                    continue
                start, end = fact.offset(word.start, word.end)
                new = "." if programs[0] == "." else f"./{programs[0]}"
                old = replaced.get((index, fact.index), fact.instruction)
                if old is not fact.instruction:
                    continue
                replaced[(index, fact.index)] = fact.instruction.replaced([(start, end, new)])
                changes.append(change(view, f"name the one program: {detail}", fact))
    return Found(edited(view, changes, replaced) if changes else None, tuple(told))


def _every_package(command: Command, build: GoBuild, scope: Scope) -> Word | None:
    """Return the word `./...` of a build that writes one file."""
    words = [word for word in command.words if word.literal == "./..."]
    if len(words) != 1 or (command.words[:2] and command.words[1].literal != "build"):
        return None
    target = next(
        (_value(command, n) for n, word in enumerate(command.words) if word.text.startswith("-o")), None
    )
    if not target or target.endswith("/") or target in (".", "..", "/dev/null") or not build.output:
        return None
    place = scope.path(target)
    is_folder = scope.notes.get(f"folder {place}") is True or scope.has(place)
    flags = scope.variables.get("GOFLAGS", "")
    return (
        None
        if is_folder or "tags" in flags or any(w.text.startswith("-tags") for w in command.words)
        else words[0]
    )


def _value(command: Command, at: int) -> str | None:
    _, equals, value = command.words[at].text.partition("=")
    if equals:
        return value
    return command.words[at + 1].literal if at + 1 < len(command.words) else None


def _packages_below(folder: str, scope: Scope) -> tuple[list[str], list[str]]:
    """Return the folders of the module's programs and of its other packages, relative to the folder."""
    root = scope.origin(folder)
    if root is None or not scope.context.is_file(posixpath.join(root, "go.mod")):
        return [], []
    programs: list[str] = []
    others: list[str] = []
    for place, files in go_files(scope.context, root).items():
        texts = [scope.context.read_text(file) or "" for file in files if not file.endswith("_test.go")]
        built = [text for file, text in zip(files, texts, strict=False) if is_built(file, text)]
        inside = posixpath.relpath(place or ".", root or ".")
        parts = inside.split("/") if inside != "." else []
        if not built or any(part.startswith(("_", ".")) or part in ("testdata", "vendor") for part in parts):
            continue
        if not scope.has(posixpath.normpath(posixpath.join(folder, inside))):
            continue
        is_program = any(line.strip() == "package main" for text in built for line in text.splitlines())
        (programs if is_program else others).append(inside)
    return programs, others


# ------------------------------------------------------------------------------------------------ no C


def _without_c(view: View, stages: Sequence[StageFacts]) -> Found:
    told: list[Refused] = []
    for facts in stages:
        builds = [(f, e, e.detail) for f, e in facts.effects() if isinstance(e.detail, GoBuild)]
        for entry in builds:
            fact, _, build = entry
            if build.is_external or build.cgo is not False:
                continue
            sources = sources_of(view, [entry])
            for name, why in _NEED_C.items():
                place = _import_of(name, sources.own) if sources.is_found else None
                if place is None:
                    continue
                detail = f"the program is built without cgo, and {why}"
                remedy = "build with CGO_ENABLED=1 and a C compiler"
                told.append(Refused("fails-today", detail, (seen(view, fact), place), remedy))
                break
    return Found(told=tuple(told[:1]))


def _import_of(name: str, files: Mapping[str, str]) -> Evidence | None:
    for path, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if f'"{name}"' in line or f'"{name}/' in line:
                return Evidence(path, number, line.strip())
    return None
