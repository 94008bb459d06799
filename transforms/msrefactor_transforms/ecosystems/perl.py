"""Perl: modules by cpanm, cpm and Carton; their folder goes over whole, on the author's own kind of base.

Which libraries compiled modules load follows from the author's `-dev` packages. On a full image, which has
headers of its own, they follow from the names of the modules (`_perl_modules`). Sources: metacpan.org
App::cpanminus, Carton, App::cpm; Perl/docker-perl's Dockerfiles.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msrefactor.code.needs import CodeNeeds, merged_needs, source_texts
from msrefactor.contract import evidence_of
from msrefactor.facts import Effect, Fact, Role, Scope, StageFacts
from msrefactor.knowledge.images import pinned
from msrefactor.knowledge.packages import runtime_packages
from msrefactor.model import Evidence, Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._perl_modules import asked_for, headers_of
from msrefactor_transforms.ecosystems._plain_program import Language, needs_of, option
from msrefactor_transforms.splitting.bases import saved_by_base, slim_base
from msrefactor_transforms.splitting.opened import SourceKind
from msrefactor_transforms.splitting.packages import bare_name
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, Level, RuntimePackage, SplitPlan
from msrefactor_transforms.splitting.question import is_install

_INSTALLERS = frozenset(["cpanm", "cpan", "cpm", "carton"])
LANGUAGE = Language(
    name="perl",
    toolchains=frozenset(["perl"]),
    kind=SourceKind((".pl", ".pm", ".t", ".md"), (".pl", ".pm", ".psgi", ".cgi"), frozenset()),
    starts=re.compile(
        r"(?<![\w>:$@%{])(?:system|exec)\s*\(?\s*(?P<name>\"[^\"]*\"|'[^']*'|[$@]\w)"
        r"|(?:\bqx\s*[({/!|]|`)\s*(?P<raw>[^`)}/!|\n]+)[`)}/!|]?"
    ),
    development=frozenset(),
    tools=_INSTALLERS,
    comment="#",
)


@dataclass(frozen=True, slots=True)
class PerlInstall:
    """One command that installs modules."""

    folder: str
    modules: tuple[str, ...] | None
    """Their names; None where they aren't known."""


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what an installer of Perl modules does."""
    tool = posixpath.basename(argv[0] or "") if argv else ""
    words = [word or "" for word in argv[1:]]
    if tool == "perl" and words[:1] == ["-"]:
        # `curl -L https://cpanmin.us | perl - App::cpanminus`: the installer's own script comes by the pipe
        tool, words = _piped(words[1:]), words[1:]
    if tool not in _INSTALLERS:
        return None
    plain = [word for word in words if word and not word.startswith("-")]
    if tool == "carton":
        return _carton(plain, words, scope)
    if tool == "cpm":
        if plain[:1] != ["install"]:
            return None
        is_global = "-g" in words or "--global" in words
        folder = (
            _site(scope) if is_global else scope.path(option(words, "-L", "--local-lib-contained") or "local")
        )
        return _installed(tool, folder, plain[1:], words, scope)
    values = ("-L", "-l", "--local-lib-contained", "--local-lib", "--mirror", "--from", "--cpanfile")
    place = option(words, "-L", "-l", "--local-lib-contained", "--local-lib")
    given = {option(words, name) for name in values}
    names = [word for word in plain if word not in given]
    return _installed(tool, scope.path(place) if place else _site(scope), names, words, scope)


def _piped(words: Sequence[str]) -> str:
    """Return the installer whose arguments follow `perl -`; "" where they are none's."""
    if words[:1] == ["install"] and ("App::cpm" in words or "-g" in words):
        return "cpm"
    return "cpanm" if "App::cpanminus" in words or "--installdeps" in words else ""


def _carton(plain: Sequence[str], words: Sequence[str], scope: Scope) -> Effect | None:
    if plain[:1] == ["exec"]:
        return None
    if plain[:1] in (["install"], []):
        folder = scope.path(option(words, "-p", "--path") or "local")
        return _installed("carton", folder, ["."], words, scope)
    return Effect(Role.NOTHING, tool="carton")


def _site(scope: Scope) -> str:
    """Return where modules are installed for everybody: with the image's own Perl, or with Debian's."""
    return "/usr/local/lib/perl5" if scope.base.family == "perl" else "/usr/local"


def _installed(tool: str, folder: str, names: Sequence[str], words: Sequence[str], scope: Scope) -> Effect:
    # with the image's own Perl, the programs of modules lie in another folder
    writes = (folder, "/usr/local/bin") if folder == "/usr/local/lib/perl5" else (folder,)
    cpanfile = option(words, "--cpanfile")
    reads = tuple(_reads(tool, names, cpanfile, words, scope))
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=reads,
        reads_only=True,
        writes=writes,
        why="the modules",
        detail=PerlInstall(folder, asked_for(names, scope, cpanfile)),
    )


def _reads(
    tool: str, names: Sequence[str], cpanfile: str | None, words: Sequence[str], scope: Scope
) -> Iterator[str]:
    """Yield what an installer reads: a cpanfile alone, or a project that is asked what it needs."""
    for name in names or ["."]:
        if not name.startswith((".", "/")):
            continue
        path = scope.path(cpanfile) if cpanfile else posixpath.join(scope.path(name), "cpanfile")
        is_enough = tool != "cpanm" or "--installdeps" in words
        if cpanfile or (is_enough and scope.is_file(path)):
            yield path
            yield f"{path}.snapshot"
        else:
            yield scope.path(name)


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that installs Perl modules is split."""
    installs = [(f, e.detail) for f, e in facts.effects() if isinstance(e.detail, PerlInstall)]
    if not installs:
        return None
    place = evidence_of(installs[0][0].instruction, view.name)
    level, image = slim_base(facts, "perl")
    libraries: tuple[RuntimePackage, ...] = ()
    assumptions: tuple[str, ...] = ()
    if level is not Level.SHARED:
        found = _wanted(facts, installs, place)
        if isinstance(found, Refused):
            return found
        libraries, assumptions = found
    builder = None
    if level is not Level.SHARED and "$" not in facts.stage.image:
        builder, image = _pinned(facts, image)
    code = _code(view, facts)
    last = max(fact.index for fact, _ in installs)
    return SplitPlan(
        ecosystem="perl",
        level=level,
        runtime_image=image,
        builder_image=builder,
        artifacts=tuple(_folders(facts, installs, last)),
        packages=libraries,
        code=code,
        assumptions=assumptions,
        evidence=(place,),
        reason=f"install the modules in a builder stage; the final stage is {image} with them",
        saved_mb=saved_by_base(view, facts, image),
    )


def _folders(
    facts: StageFacts, installs: Sequence[tuple[Fact, PerlInstall]], last: int
) -> Iterator[Artifact]:
    """Yield the folders of the modules, and of the programs that they bring."""
    folders = dict.fromkeys(install.folder for _, install in installs)
    for folder in folders:
        yield Artifact(folder, last, "the modules")
    if "/usr/local/lib/perl5" in folders:
        yield Artifact("/usr/local/bin", last, "the programs of the modules")


def _pinned(facts: StageFacts, image: str) -> tuple[str | None, str]:
    """Return both images with the release written, where the tag means a different one each time."""
    written = pinned(facts.base.reference.text)
    slim = pinned(image)
    if facts.base.release is None and written is not None and slim is not None:
        return written, slim
    return None, image


def _wanted(
    facts: StageFacts, installs: Sequence[tuple[Fact, PerlInstall]], place: Evidence
) -> tuple[tuple[RuntimePackage, ...], tuple[str, ...]] | Refused:
    """Return the packages that the modules need of what only the full image has, and what isn't known."""
    release = facts.base.release or (facts.base.releases or ("this release",))[-1]
    # what the author lists comes with the list
    listed = {bare_name(n) for _, e in facts.effects() if is_install(e) for n in e.detail.names if n}
    packages: dict[str, RuntimePackage] = {}
    unknown: list[str] = []
    for _, install in installs:
        if install.modules is None:
            return Refused("runtime-library", "which modules are installed isn't known", (place,))
        for module in install.modules:
            headers = headers_of(module)
            if headers is None:
                what = f"{module} and what it depends on"
                unknown.append(f"{what} load no library that only the full image has")
            for name in headers or ():
                names = () if name in listed else runtime_packages(name, "debian", facts.base.releases)
                if names is None:
                    detail = f"what {module} loads on {release} isn't known"
                    return Refused("runtime-library", detail, (place,))
                for package in names:
                    packages.setdefault(package, RuntimePackage(package, place, f"{module} loads it"))
    return tuple(packages.values()), tuple(dict.fromkeys(unknown))


def _code(view: View, facts: StageFacts) -> CodeNeeds:
    paths = [
        path
        for path in view.context.files()
        if path.endswith(LANGUAGE.kind.marks) and not path.startswith(("local/", "t/"))
    ]
    return merged_needs(needs_of(path, text, LANGUAGE) for path, text in source_texts(view.context, paths))


ECOSYSTEM = Ecosystem(
    "perl",
    interpret,
    plan,
    programs=frozenset({"perl", "plackup", "starman", "hypnotoad", "morbo", "carton", "start_server"}),
)
