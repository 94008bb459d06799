"""Leave out of the build context what no build should be given, by lines in its .dockerignore.

Before, with no .dockerignore in a repository::

    FROM node:20
    WORKDIR /app
    COPY package.json package-lock.json ./
    RUN npm ci
    COPY . .
    CMD ["node", "server.js"]

After: the Dockerfile stays as it is, and a .dockerignore is made::

    .git
    node_modules

The lines are for folders of version control that nothing in the project asks, for what the image installs or
builds by itself, for caches of tools, and for files with secrets that nothing reads. A file that a build or
its container reads is never hidden, and neither is one that another Dockerfile of the same context reads.

Refuses with ``context-unknown`` when the build context can't be seen.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, Placed, Role, is_under
from msrefactor.ignoring import Reader, hidden_reads, readers
from msrefactor.model import (
    Change,
    Changed,
    Evidence,
    OtherFile,
    Outcome,
    Phase,
    Refused,
    Transform,
    Unchanged,
    View,
)
from msrefactor_transforms.ignoring.candidates import (
    CACHES,
    ENVIRONMENTS,
    VERSION_CONTROL,
    git_reader,
    is_left_out_by_git,
    made_folder,
    secret_files,
)


def apply(view: View) -> Outcome:
    """Add lines to the ignore file, or say why there are none to add."""
    context = view.context
    file = context.ignore_file
    if not context.known or file is None:
        return Refused("context-unknown", "what the ignore file would hide can't be seen")
    every = readers(view)
    copies = _whole_copies(every[0])
    if not copies:
        return Unchanged("no instruction copies a whole folder of the build context")
    before = context.ignore_text
    lines: list[_Line] = []
    for line in _lines(view, every, copies):
        text = _with_lines(before, [*(one.text for one in lines), line.text])
        if not _is_reopened(line.text, before) and not hidden_reads(view, text):
            lines.append(line)
    if not lines:
        return Unchanged("nothing that the build shouldn't be given was found in the build context")
    changes = tuple(Change(line.reason, line=line.evidence.line, evidence=(line.evidence,)) for line in lines)
    other = OtherFile(file, before, _with_lines(before, [line.text for line in lines]))
    return Changed(view.dockerfile, changes, others=(other,))


@dataclass(frozen=True, slots=True)
class _Line:
    """A line for the ignore file."""

    text: str
    reason: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class _Copy:
    """A folder of the context that an instruction copies with all that is in it."""

    placed: Placed
    fact: Fact
    evidence: Evidence

    def holds(self, path: str) -> bool:
        """Whether the path of the context is copied by it."""
        return self.placed.source == "" or is_under(path, self.placed.source)


def _whole_copies(reader: Reader) -> tuple[_Copy, ...]:
    return tuple(
        _Copy(placed, fact, evidence_of(fact.instruction, reader.view.name))
        for facts in reader.stages
        for fact in facts.facts
        for placed in fact.placed
        if placed.is_folder
    )


def _lines(view: View, every: tuple[Reader, ...], copies: tuple[_Copy, ...]) -> Iterator[_Line]:
    """Yield what could be left out, in the order of the ignore file."""
    context = view.context
    taken = next((copy for copy in copies if copy.placed.source == ""), None)
    if taken is not None:
        asks = git_reader(every, context)
        for name in VERSION_CONTROL:
            if asks is None and context.exists(name):
                reason = f"{name} is copied into the image, and every commit makes the copy new"
                yield _Line(name, reason, taken.evidence)
    yield from _made_lines(view, every, copies)
    for name in ENVIRONMENTS:
        copy = next((copy for copy in copies if copy.holds(name)), None)
        if copy is not None and context.is_file(f"{name}/pyvenv.cfg"):
            reason = f"{name} is an environment of the developer's machine and doesn't run in the image"
            yield _Line(name, reason, copy.evidence)
    for name in CACHES:
        copy = next((copy for copy in copies if copy.holds(name)), None)
        if copy is not None and context.exists(name):
            reason = f"{name} holds what a tool remembers on the developer's machine"
            yield _Line(name, reason, copy.evidence)
    for path in secret_files(every, context):
        copy = next((copy for copy in copies if copy.holds(path)), None)
        if copy is not None:
            reason = f"{path} looks like a secret, nothing reads it, and the image would hold it"
            yield _Line(path, reason, copy.evidence)


def _made_lines(view: View, every: tuple[Reader, ...], copies: tuple[_Copy, ...]) -> Iterator[_Line]:
    """Yield the folders that the image installs or builds by itself, where every Dockerfile does."""
    context = view.context
    for path, fact in _made(every[0]).items():
        copy = next((copy for copy in copies if copy.holds(path)), None)
        if copy is None or context.is_ignored(path):
            continue
        if context.exists(path) and not is_left_out_by_git(path, context):
            continue  # it is committed: the build adds to it
        others = (other for other in every[1:] if any(one.holds(path) for one in _whole_copies(other)))
        if all(path in _made(other) for other in others):
            reason = f"the image makes {path} itself (line {fact.line}); the developer's would mix with it"
            yield _Line(path, reason, copy.evidence)


def _made(reader: Reader) -> dict[str, Fact]:
    """Return the paths of the context at whose place in the image a build step makes a folder."""
    found: dict[str, Fact] = {}
    for facts in reader.stages:
        folders = [placed for fact in facts.facts for placed in fact.placed if placed.is_folder]
        for fact, effect in facts.effects():
            if effect.role is not Role.BUILD:
                continue
            for path in effect.writes:
                for placed in folders:
                    if path != placed.destination and is_under(path, placed.destination):
                        inside = posixpath.relpath(path, placed.destination)
                        made = made_folder(posixpath.normpath(posixpath.join(placed.source, inside)))
                        if made is not None:
                            found.setdefault(made, fact)
    return found


def _is_reopened(line: str, before: str | None) -> bool:
    """Whether the ignore file makes something below the path visible on purpose."""
    for each in (before or "").splitlines():
        text = each.strip()
        if text.startswith("!") and is_under("/" + text[1:].strip().strip("/"), "/" + line):
            return True
    return False


def _with_lines(before: str | None, lines: list[str]) -> str:
    """Return the ignore file with these lines at its end, in its own line ends."""
    newline = "\r\n" if before and "\r\n" in before else "\n"
    text = before or ""
    if text and not text.endswith("\n"):
        text += newline
    return text + "".join(f"{line}{newline}" for line in lines)


TRANSFORM = Transform(
    "ignore-context",
    "Add to .dockerignore what the build should not be given.",
    Phase.CONTEXT,
    apply,
    by_default=False,
    is_suggestion=True,
)
