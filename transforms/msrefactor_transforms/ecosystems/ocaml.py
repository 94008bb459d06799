"""OCaml: programs by Dune and the compiler on plain Debian, Ubuntu or Alpine of the image's release.

Sources: dune.readthedocs.io "dune build", "Install layout"; opam.ocaml.org; ocurrent/docker-base-images.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Role, Scope, StageFacts
from msrefactor.model import Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._plain_program import (
    Language,
    PlainBuild,
    checks,
    made,
    named_in,
    option,
    plan_of_language,
    prepares,
    unclear,
)
from msrefactor_transforms.knowledge.native import ocaml_plain
from msrefactor_transforms.splitting.opened import SourceKind
from msrefactor_transforms.splitting.plan import Ecosystem, SplitPlan

LANGUAGE = Language(
    name="ocaml",
    toolchains=frozenset(["ocaml/opam"]),
    kind=SourceKind(
        (".ml", ".mli", ".mll", ".mly", ".eml", ".opam", ".md", ".locked"),
        (".ml", ".mli", ".mll", ".mly"),
        frozenset("dune dune-project dune-workspace _build _opam test tests".split()),
    ),
    starts=re.compile(
        r"\b(?:Sys\.command|Unix\.(?:execvp?e?|system|open_process(?:_in|_out|_full)?|create_process)|"
        r"Lwt_process\.\w+)\s*\(?\s*(?P<name>\"[^\"]*\"|\w)"
    ),
    development=frozenset(["dune", "opam", "utop", "ocaml", "ocamlbuild", "esy"]),
    tools=frozenset(["dune", "opam", "ocamlopt", "ocamlfind"]),
    comment="(*",
    packages=frozenset(["ocaml", "opam", "ocaml-dune", "dune", "m4"]),
    remedy="start the program that `dune build` leaves: _build/default/bin/main.exe",
)


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of Dune, opam or the compiler does."""
    tool = posixpath.basename(argv[0] or "") if argv else ""
    words = [word or "" for word in argv[1:]]
    if tool == "eval":
        texts = [word.text.strip('"`$()') for word in command.words[1:]]
        is_opam = all(text.split()[:1] == ["opam"] and "env" in text.split() for text in texts)
        return Effect(Role.NAVIGATE, tool="opam") if texts and is_opam else None
    if tool == "opam":
        return _opam(command, words, scope)
    if tool == "dune":
        return _dune(words, scope)
    if tool == "ocamlfind" and words[:1] == ["ocamlopt"]:
        return _compiler(words[1:], scope)
    return _compiler(words, scope) if tool == "ocamlopt" else None


def _opam(command: Command, words: Sequence[str], scope: Scope) -> Effect | None:
    action = next((word for word in words if not word.startswith("-")), "")
    if action == "exec":
        inner = words[words.index("--") + 1 :] if "--" in words else words[words.index("exec") + 1 :]
        if inner[:1] == ["opam"]:
            return None
        return interpret(command, inner, scope) if inner else None
    known = ("init", "update", "install", "switch", "pin", "repo", "repository", "depext", "env", "config",
             "upgrade", "clean", "option", "remote", "list", "var", "lock")  # fmt: skip
    if action not in known:
        return None
    named = [
        word.split(".")[0]
        for word in words[words.index(action) + 1 :]
        if not word.startswith(("-", ".", "/"))
    ]
    return replace(prepares("opam", scope), detail=tuple(named) if action in ("install", "depext") else None)


def _dune(words: Sequence[str], scope: Scope) -> Effect | None:
    action = words[0] if words else ""
    rest = words[1:]
    if action in ("test", "runtest", "fmt"):
        return checks("dune", scope)
    if action in ("clean", "subst", "pkg", "--version"):
        return prepares("dune", scope)
    if action == "install":
        prefix = option(rest, "--prefix")
        if prefix is None:
            return unclear("dune", "`dune install` puts programs among opam's own", scope, "add --prefix")
        names = list(_public(scope))
        if not names:
            return unclear("dune", "no dune file names a public program", scope)
        return made(
            "ocaml", "dune", [posixpath.join(scope.path(prefix), "bin", name) for name in names], scope
        )
    if action != "build":
        return None
    if option(rest, "--root") or option(rest, "--build-dir"):
        return unclear("dune", "another root or build folder is used", scope)
    targets = [word for word in rest if word.endswith(".exe")]
    paths = [posixpath.normpath(target) for target in targets] or list(_executables(scope))
    if not paths:
        return prepares("dune", scope, "compiles")
    outputs = [posixpath.join(scope.cwd, "_build/default", path) for path in dict.fromkeys(paths)]
    return made("ocaml", "dune", outputs, scope)


def _dune_files(scope: Scope) -> Iterator[tuple[str, str]]:
    root = scope.origin(scope.cwd)
    for path in scope.context.files(root) if root is not None else ():
        inside = posixpath.relpath(path, root or ".")
        if posixpath.basename(path) == "dune" and not {"_build", "_opam"} & set(inside.split("/")):
            text = re.sub(r"(?m);.*$", "", scope.context.read_text(path) or "")
            yield posixpath.dirname(inside), text


def _executables(scope: Scope) -> Iterator[str]:
    """Yield the programs that the dune files build, relative to the build folder."""
    for folder, text in _dune_files(scope):
        for name in named_in(text, r"\(executable\s[^()]*(?:\((?!name)[^()]*\)[^()]*)*\(name\s+([\w-]+)\)"):
            yield posixpath.join(folder, f"{name}.exe")
        for match in re.finditer(
            r"\(executables\s[^()]*(?:\((?!names)[^()]*\)[^()]*)*\(names\s+([^()]+)\)", text
        ):
            for name in match[1].split():
                yield posixpath.join(folder, f"{name}.exe")


def _public(scope: Scope) -> Iterator[str]:
    for _, text in _dune_files(scope):
        yield from named_in(text, r"\(public_name\s+([\w-]+)\)") if "(executable" in text else ()
        for match in re.finditer(r"\(public_names\s+([^()]+)\)", text):
            yield from match[1].split()


def _compiler(words: Sequence[str], scope: Scope) -> Effect:
    output = option(words, "-o")
    if output is None:
        return unclear("ocamlopt", "what `ocamlopt` leaves isn't named", scope, "name it with -o")
    is_static = "-static" in words
    build = PlainBuild("ocaml", (scope.path(output),), scope.cwd, is_static)
    return made("ocaml", "ocamlopt", build.outputs, scope, build)


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds OCaml programs is split."""
    found = plan_of_language(view, facts, LANGUAGE, assumptions=_assumptions(facts))
    is_own_user = facts.base.family == "ocaml/opam" and facts.end.user.split(":")[0] == "opam"
    if isinstance(found, SplitPlan) and is_own_user:
        detail = "the container runs as `opam`, a user of the compiler's image"
        remedy = "make a user for the program (`USER root`, then useradd and USER)"
        return Refused(
            "need-not-found", detail, (evidence_of(facts.facts[0].instruction, view.name),), remedy
        )
    return found


def _assumptions(facts: StageFacts) -> tuple[str, ...]:
    """Return the packages that may have installed libraries of the system (opam's depexts)."""
    names: set[str] = set()
    context = facts.end.context
    for path in context.files(""):
        if path.endswith(".opam"):
            text = context.read_text(path) or ""
            listed = re.search(r"^depends:\s*\[(.*?)^\]", text, re.M | re.S)
            names.update(re.findall(r"^\s*\"([\w.-]+)\"", listed[1], re.M) if listed else ())
        elif posixpath.basename(path) == "dune-project":
            text = re.sub(r"(?m);.*$", "", context.read_text(path) or "")
            for part in text.split("(depends")[1:]:
                names.update(re.findall(r"[\s(]([a-z][\w-]*)", part.split("(package")[0]))
    for _, effect in facts.effects():
        if effect.tool == "opam" and isinstance(effect.detail, tuple):
            names.update(effect.detail)
    words = {
        "and",
        "or",
        "with-test",
        "with-doc",
        "build",
        "dev",
        "version",
        "post",
        "str",
        "unix",
        "bigarray",
    }
    unknown = sorted(names - ocaml_plain() - words)
    return tuple(f"the package {name} links no library of the system that opam installs" for name in unknown)


ECOSYSTEM = Ecosystem("ocaml", interpret, plan)
