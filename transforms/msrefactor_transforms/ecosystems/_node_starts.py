"""What starts with a Node container, and what that says against a split."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msrefactor import shell
from msrefactor.code.node_package import NodePackage
from msrefactor.commands import option_value
from msrefactor.contract import starts
from msrefactor.facts import StageFacts
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._node_projects import expanded
from msrefactor_transforms.splitting.needs import placed_path

_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_WRAPPERS = frozenset({"docker-entrypoint.sh", "tini", "dumb-init", "exec", "--", "su-exec", "gosu"})
_DEEPEST = 4
_DEV_SERVERS = {
    "react-scripts": ("start",),
    "craco": ("start",),
    "react-app-rewired": ("start",),
    "vue-cli-service": ("serve",),
    "ng": ("serve", "s"),
    "next": ("dev",),
    "nuxt": ("dev",),
    "nuxi": ("dev",),
    "gatsby": ("develop",),
    "astro": ("dev",),
    "webpack": ("serve", "--watch", "-w"),
    "svelte-kit": ("dev",),
    "nest": ("start",),
    "parcel": ("serve", "watch"),
    "remix": ("dev",),
    "docusaurus": ("start",),
    "ember": ("serve",),
    "expo": ("start",),
    "tsup": ("--watch",),
}
_WATCHERS = frozenset(
    {"nodemon", "ts-node-dev", "tsnd", "node-dev", "supervisor", "webpack-dev-server", "browser-sync"}
)
_MANAGERS = frozenset({"npm", "yarn", "pnpm", "bun"})
_COMPILERS = frozenset("tsc webpack rollup esbuild babel gulp grunt ncc tsup node-gyp".split())


def started(
    view: View, facts: StageFacts, packages: Mapping[str, NodePackage]
) -> Iterator[tuple[tuple[str, ...], Evidence]]:
    """Yield the commands that start with the container, shell scripts and scripts of package.json followed.

    `packages` has the packages of the image by their folders.
    """
    for start in starts(view, facts):
        launch = _Launch(facts, packages, start.evidence)
        if start.argv is not None:
            yield from launch.programs(start.argv, facts.end.cwd)
        else:
            yield from launch.programs_of(start.shell or "", facts.end.cwd)


@dataclass(frozen=True, slots=True)
class _Launch:
    """One way in which the container is started."""

    facts: StageFacts
    packages: Mapping[str, NodePackage]
    evidence: Evidence

    def programs_of(self, text: str, cwd: str, depth: int = 0) -> Iterator[tuple[tuple[str, ...], Evidence]]:
        """Yield the commands of a shell text."""
        script = shell.parse_script(text)
        if script is None:
            yield ("?",), self.evidence
            return
        for item in script.items:
            for command in item.commands:
                words = tuple(
                    word.literal if word.literal is not None else word.text for word in command.words
                )
                if words[:1] == ("cd",) and len(words) > 1 and item.kind == "command":
                    cwd = posixpath.normpath(posixpath.join(cwd, words[1]))
                yield from self.programs(words, cwd, depth)

    def programs(
        self, words: Sequence[str], cwd: str, depth: int = 0
    ) -> Iterator[tuple[tuple[str, ...], Evidence]]:
        """Yield what a command line starts, wrappers and runners of scripts resolved."""
        rest = self._unwrapped(words)
        if not rest:
            return
        tool = posixpath.basename(rest[0])
        if tool in _SHELLS and depth < _DEEPEST:
            if any(word.startswith("-") and word.endswith("c") for word in rest[1:-1]):
                yield from self.programs_of(rest[-1], cwd, depth + 1)
                return
            rest = tuple(word for word in rest[1:] if not word.startswith("-"))
        text = self._script(rest[0]) if rest and depth < _DEEPEST else None
        if text is not None:
            yield from self.programs_of(text, cwd, depth + 1)
            return
        package = self._package(option_value(rest, "--prefix", "--cwd", "--dir", "-C"), cwd)
        if not rest or package is None:
            yield rest, self.evidence
            return
        for program in expanded(package, rest):
            again = program[:1] != rest[:1] and posixpath.basename(program[0]) in _SHELLS
            if (again or self._script(program[0]) is not None) and depth < _DEEPEST:
                yield from self.programs(program, cwd, depth + 1)
            else:
                yield program, self.evidence

    def _unwrapped(self, words: Sequence[str]) -> tuple[str, ...]:
        rest = list(words)
        while rest and posixpath.basename(rest[0]) in _WRAPPERS and self._script(rest[0]) is None:
            rest.pop(0)
            while rest and rest[0].startswith("-"):
                rest.pop(0)
        return tuple(rest)

    def _script(self, name: str) -> str | None:
        """Return the text of a shell script of the build context."""
        path = placed_path(self.facts, name)
        text = self.facts.end.read(path) if path else None
        if text is None:
            return None
        first = text.partition("\n")[0]
        is_shell = first.startswith("#!") and posixpath.basename(first.split()[-1]) in _SHELLS
        return text if is_shell or name.endswith((".sh", ".bash")) else None

    def _package(self, named: str | None, cwd: str) -> NodePackage | None:
        """Return the package whose scripts a runner finds: the folder's, or the nearest one above."""
        folder = posixpath.normpath(posixpath.join(cwd, named)) if named else cwd
        while folder not in self.packages and folder != "/":
            folder = posixpath.dirname(folder)
        return self.packages.get(folder)


def development(programs: Sequence[tuple[tuple[str, ...], Evidence]]) -> Refused | None:
    """Return the obstacle that lies in what is started: a server for developing, a compiler, the tests."""
    for words, evidence in programs:
        if not words:
            continue
        tool = posixpath.basename(words[0])
        if tool in _WATCHERS:
            return Refused(
                "development-image", f"`{tool}` restarts the program when its source changes", (evidence,)
            )
        if tool in ("tsx", "node") and any(word in ("watch", "--watch") for word in words[1:3]):
            return Refused(
                "development-image", f"`{tool}` restarts the program when its source changes", (evidence,)
            )
        if tool == "bun" and any(word in ("--watch", "--hot") for word in words[1:]):
            return Refused(
                "development-image", "`bun` loads the program again when its source changes", (evidence,)
            )
        if tool == "bun" and "test" in words[1:2]:
            return Refused("development-image", "the container runs the tests", (evidence,))
        if tool == "vite" and (len(words) < 2 or words[1] not in ("build", "preview")):
            return Refused("compiles-at-start", "vite's development server is started", (evidence,))
        if tool in _DEV_SERVERS and any(word in words[1:3] for word in _DEV_SERVERS[tool]):
            return Refused(
                "compiles-at-start",
                f"`{' '.join(words[:2])}` compiles when the container starts",
                (evidence,),
            )
        if tool in _COMPILERS or (
            tool in ("next", "nuxt", "nest", "ng", "react-scripts") and "build" in words[1:2]
        ):
            return Refused(
                "compiles-at-start", f"`{' '.join(words[:2])}` runs when the container starts", (evidence,)
            )
        if (tool in _MANAGERS and any(w in ("install", "ci", "i", "add") for w in words[1:2])) or (
            tool == "bun" and "build" in words[1:2]
        ):
            return Refused(
                "compiles-at-start", f"`{' '.join(words[:2])}` runs when the container starts", (evidence,)
            )
        if tool in ("jest", "mocha", "vitest", "cypress"):
            return Refused("development-image", "the container runs the tests", (evidence,))
    return None
