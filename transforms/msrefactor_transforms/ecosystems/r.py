"""R: packages in the library of the site go over whole; the image stays, without headers and compilers.

R has no slim image. What a split saves are the author's `-dev` packages and compilers, so it is often too
little to be worth one. Sources: R's manual "Installation and Administration" 6, rocker-project.org.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.code.needs import source_texts
from msrefactor.contract import evidence_of, starts
from msrefactor.facts import Effect, Role, Scope, StageFacts
from msrefactor.knowledge.packages import is_build_only
from msrefactor.model import Evidence, Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.splitting.bases import saved_by_base, slim_base
from msrefactor_transforms.splitting.packages import bare_name
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, SplitPlan
from msrefactor_transforms.splitting.question import is_install

LIBRARY = "/usr/local/lib/R/site-library"
"""Where install.packages() puts packages in Debian's R, and in Rocker's images."""
_INSTALL = re.compile(
    r"\b(?:install\.packages|(?:remotes|devtools|pak|BiocManager|renv|pacman)::\w+|install_\w+|p_load|biocLite)\s*\("
)
_PLAIN = re.compile(
    r"^\s*(?:options|Sys\.setenv|library|require|print|cat|message|update\.packages|tinytex::\w+|"
    r"(?:utils::)?install\.packages|(?:remotes::|devtools::)?install_(?:cran|github|version|url|bioc)|"
    r"BiocManager::install|pacman::p_load)\s*\((?!.*(?:read|scan|file|\.\./|[\"']\./))",
    re.DOTALL,
)
"""Statements that read no file of the project."""
_COMPILES = re.compile(
    r"\b(?:sourceCpp|cppFunction|evalCpp|stan_model|stan_demo|cmdstan_model|cxxfunction|cfunction|nimbleModel|"
    r"compileNimble)\s*\(|\b(?:rstan::stan|TMB::compile|brms::brm)\s*\(|"
    r"\b(?:library|require)\s*\(\s*[\"']?(?:rstan|brms|cmdstanr|nimble|inline|TMB|odin)[\"']?\s*\)"
)
"""Calls and packages that start a compiler when R code runs: of Rcpp, Stan, NIMBLE, TMB and inline."""
_PREPARES = re.compile(
    r"^\s*(?:options|Sys\.setenv|library|require|suppressMessages|stopifnot|local|source|print|cat|message|if|"
    r"update\.packages|tinytex::\w+|webshot::\w+)\b"
)


@dataclass(frozen=True, slots=True)
class RInstall:
    """One command that installs R packages."""

    folder: str


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command that installs R packages does."""
    tool = posixpath.basename(argv[0] or "") if argv else ""
    words = [word or "" for word in argv[1:]]
    if tool in ("install2.r", "installGithub.r", "installBioc.r"):
        return _installed(tool, (), scope)
    if tool == "install.r":
        return _installed(tool, (), scope)
    if tool == "R" and words[:2] == ["CMD", "INSTALL"]:
        sources = tuple(scope.path(word) for word in words[2:] if word and not word.startswith("-"))
        return _installed("R", sources, scope)
    if tool == "R" and words[:1] == ["CMD"]:
        is_build = words[1:2] in (["build"], ["check"])
        return Effect(Role.GATE, tool="R", reads=(scope.cwd,), reads_only=True) if is_build else None
    if tool in ("R", "Rscript"):
        return _expressions(tool, words, scope)
    return None


def _expressions(tool: str, words: Sequence[str], scope: Scope) -> Effect | None:
    """Return what `-e` expressions do, where each only installs, or prepares that."""
    found = [words[at + 1] for at, word in enumerate(words[:-1]) if word in ("-e", "--eval")]
    read: tuple[str, ...] = ()
    if not found:
        if "--version" in words:
            return Effect(Role.NOTHING, tool=tool)
        read = tuple(scope.path(_script(word)) for word in words if word.lower().endswith(".r"))
        scripts = [scope.read(path) for path in read]
        if len(scripts) != 1 or scripts[0] is None:
            return None
        found = [scripts[0]]
    lines = [line for text in found for line in _statements(text)]
    if not lines or not any(_INSTALL.search(line) for line in lines):
        return None
    if not all(_INSTALL.search(line) or _PREPARES.match(line) for line in lines):
        return None
    if any("renv::" in line for line in lines):
        refusal = Refused(
            "unknown-artifact",
            "renv links the project's library to its cache",
            (),
            "install without renv's cache",
        )
        return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), why="renv", refusal=refusal)
    return _installed(tool, read, scope, is_plain=all(_PLAIN.match(line) for line in lines))


def _script(word: str) -> str:
    return word.partition("=")[2] if word.startswith("--file=") else word


def _statements(text: str) -> list[str]:
    """Return the statements of an R text, as far as lines and semicolons outside of brackets part them."""
    plain = re.sub(r"(?m)^\s*#.*$", "", text)
    found: list[str] = []
    depth = 0
    current = ""
    for char in plain:
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        if char in "\n;" and depth <= 0:
            found.append(current)
            current = ""
        else:
            current += char
    return [line for line in (*found, current) if line.strip()]


def _installed(tool: str, sources: tuple[str, ...], scope: Scope, *, is_plain: bool = True) -> Effect:
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=sources if is_plain else (*sources, scope.cwd),
        reads_only=is_plain,
        writes=(LIBRARY,),
        why="the R packages",
        detail=RInstall(LIBRARY),
    )


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that installs R packages is split."""
    installs = [(f, e.detail) for f, e in facts.effects() if isinstance(e.detail, RInstall)]
    refused = [(f, e) for f, e in facts.effects() if e.why == "renv" and e.refusal is not None]
    for fact, effect in refused:
        refusal = effect.refusal
        if refusal is not None:
            place = evidence_of(fact.instruction, view.name)
            return Refused(refusal.code, refusal.detail, (place,), refusal.remedy)
    if not installs:
        return None
    for start in starts(view, facts):
        text = " ".join(start.argv or ()) or start.shell or ""
        if _INSTALL.search(text):
            return Refused(
                "compiles-at-start", "R packages are installed when the container starts", (start.evidence,)
            )
    compiled = _compiles(view)
    if compiled is not None and _loses_compilers(facts):
        detail = f"R code is compiled when the container runs ({compiled.text})"
        return Refused(
            "compiles-at-start", detail, (compiled,), "compile it in the build, as a package, and load that"
        )
    level, image = slim_base(facts, "debian")
    last = max(fact.index for fact, _ in installs)
    return SplitPlan(
        ecosystem="r",
        level=level,
        runtime_image=image,
        artifacts=(Artifact(LIBRARY, last, "the R packages"),),
        build_packages=frozenset(["r-base-dev"]),
        evidence=(evidence_of(installs[0][0].instruction, view.name),),
        reason=f"install the R packages in a builder stage; the final stage is {image} with them",
        saved_mb=saved_by_base(view, facts, image),
    )


def _loses_compilers(facts: StageFacts) -> bool:
    """Whether the author installs what the final stage would leave out."""
    names = [bare_name(n) for _, e in facts.effects() if is_install(e) for n in e.detail.names if n]
    return any(
        name == "r-base-dev" or name.endswith("-dev") or is_build_only(name, facts.base.system)
        for name in names
    )


def _compiles(view: View) -> Evidence | None:
    """Return where R code of the context needs a compiler when it runs."""
    paths = [path for path in view.context.files() if path.lower().endswith((".r", ".rmd", ".qmd"))]
    for path, text in source_texts(view.context, paths):
        match = _COMPILES.search(re.sub(r"(?m)^[ \t]*#.*$", "", text))
        if match is not None:
            plain = re.sub(r"(?m)^[ \t]*#.*$", "", text)
            return Evidence(path, plain.count("\n", 0, match.start()) + 1, match[0].strip())
    return None


ECOSYSTEM = Ecosystem("r", interpret, plan, programs=frozenset({"R", "Rscript", "littler", "r"}))
