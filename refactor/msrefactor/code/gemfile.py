"""Gemfile and Gemfile.lock: which gems an application has, from where, and what reading them reads.

Sources: bundler.io "gemfile(5)"; Bundler's own LockfileParser. The Gemfile is Ruby: what isn't a literal
call of its language is only noted, never run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msrefactor.code.ruby_tokens import tokens
from msrefactor.code.tokens import Token, is_mark

_READS = frozenset(
    "eval_gemfile instance_eval eval load require_relative File IO Dir Pathname glob read gemspec "
    "plugin YAML JSON".split()
)
"""Names by which a Gemfile reads other files."""


@dataclass(frozen=True, slots=True)
class Gemfile:
    """What a Gemfile says in literal calls."""

    names: tuple[tuple[str, int], ...]
    """The gems, with their lines."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Groups of those gems that stand in one."""
    reads_more: bool = False
    """Whether it reads other files of the project: a gemspec, gems by path, another Gemfile."""
    uses_git: bool = False
    ruby_file: str | None = None
    """The file that names Ruby's version (`ruby file: ".ruby-version"`)."""


@dataclass(frozen=True, slots=True)
class GemfileLock:
    """What Gemfile.lock says."""

    specs: tuple[tuple[str, str, int], ...]
    """Name, version with its platform, line."""
    paths: tuple[str, ...] = ()
    """`remote:` of gems that lie in the project."""
    platforms: tuple[str, ...] = ()
    has_git: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The names of all gems, transitive ones included."""
        return frozenset(name for name, _, _ in self.specs)

    def is_precompiled(self, name: str) -> bool:
        """Whether each entry of a gem has a platform, so that nothing is compiled for Linux."""
        versions = [version for spec, version, _ in self.specs if spec == name]
        return any("-linux" in version for version in versions) and all("-" in v for v in versions)


def read_gemfile(text: str) -> Gemfile:
    """Read a Gemfile (or gems.rb)."""
    code = tokens(text)
    names: list[tuple[str, int]] = []
    groups: dict[str, tuple[str, ...]] = {}
    reads_more = uses_git = False
    ruby_file: str | None = None
    open_blocks: list[tuple[str, ...]] = []
    for statement in _statements(code):
        first = statement[0]
        opens = any(token.kind == "name" and token.text == "do" for token in statement)
        is_condition = first.text in ("if", "unless", "case", "begin", "while", "def")
        if first.text == "end" and open_blocks:
            open_blocks.pop()
        if opens or is_condition:
            named = tuple(t.text for t in statement if t.kind == "symbol") if first.text == "group" else ()
            open_blocks.append(named)
        if first.kind != "name":
            continue
        if first.text == "ruby":
            files = [
                b.text
                for a, b in zip(statement, statement[2:], strict=False)
                if a.text == "file" and b.kind == "string"
            ]
            ruby_file = files[0] if files else ruby_file
            reads_more = reads_more or any(t.text in ("File", "IO") for t in statement)
            continue
        if any(token.kind == "name" and token.text in _READS for token in statement):
            reads_more = True
        keys = {
            token.text
            for at, token in enumerate(statement)
            if token.kind in ("name", "symbol")
            and (is_mark(statement, at + 1, ":") or is_mark(statement, at + 1, "=>"))
        }
        reads_more = reads_more or "path" in keys or first.text == "path"
        uses_git = uses_git or bool(keys & {"git", "github", "gist", "bitbucket"}) or first.text == "git"
        values = [token for token in statement[1:3] if token.kind == "string"]
        if first.text == "gem" and values:
            name = values[0].text
            names.append((name, first.line))
            inner = tuple(group for block in open_blocks for group in block)
            own = _group_option(statement)
            if inner or own:
                groups[name] = (*inner, *own)
    return Gemfile(tuple(names), groups, reads_more, uses_git, ruby_file)


def _group_option(statement: Sequence[Token]) -> tuple[str, ...]:
    for at, token in enumerate(statement):
        if token.text in ("group", "groups") and at and token.kind in ("name", "symbol"):
            return tuple(t.text for t in statement[at + 1 :] if t.kind == "symbol")
    return ()


def _statements(code: Sequence[Token]) -> list[list[Token]]:
    """Return the statements: lines, joined where a comma, an operator or an open bracket ends one."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in code:
        if token.kind == "mark" and token.text in "([{":
            depth += 1
        elif token.kind == "mark" and token.text in ")]}":
            depth = max(0, depth - 1)
        if token.kind == "mark" and token.text in ("\n", ";"):
            last = found[-1][-1].text if found[-1] else ""
            if depth == 0 and last not in (",", "=>", "||", "&&", ":"):
                found.append([])
            continue
        found[-1].append(token)
    return [statement for statement in found if statement]


def read_lock(text: str) -> GemfileLock:
    """Read Gemfile.lock: sections at the margin, gems four blanks in, what they depend on six."""
    specs: list[tuple[str, str, int]] = []
    paths: list[str] = []
    platforms: list[str] = []
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line and not line.startswith(" "):
            section = line.strip()
            continue
        indent = len(line) - len(line.lstrip(" "))
        body = line.strip()
        if section in ("GEM", "GIT", "PATH", "PLUGIN SOURCE"):
            if section == "PATH" and body.startswith("remote:"):
                paths.append(body.partition(":")[2].strip())
            elif indent == 4:
                name, _, rest = body.partition(" ")
                specs.append((name, rest.strip("()"), number))
        elif section == "PLATFORMS" and body:
            platforms.append(body)
    return GemfileLock(
        tuple(specs), tuple(paths), tuple(platforms), any(line == "GIT" for line in text.splitlines())
    )
