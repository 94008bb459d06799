"""Elixir and Erlang: a release brings its own Erlang; it needs the libc, OpenSSL and the terminal library.

It goes over as a folder: to plain Debian where the image's release is known and fixed, else to the slim
variant of the same image. Sources: Phoenix's Dockerfile template, erlang/docker-erlang-otp and
erlef/docker-elixir.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from msrefactor.code.elixir import ENDINGS, elixir_needs
from msrefactor.code.needs import CodeNeeds
from msrefactor.contract import evidence_of
from msrefactor.facts import Fact, StageFacts
from msrefactor.knowledge.images import slim_variant
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._elixir_commands import BeamBuild, interpret
from msrefactor_transforms.splitting.compiled import PLAIN_BASES, Program, plan_of, started_while_compiling
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.opened import Opened, SourceKind
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, RuntimePackage, SplitPlan

_FAMILIES = frozenset(["elixir", "erlang", "hexpm/elixir"])
_DEVELOPMENT = frozenset(["mix", "iex", "rebar3", "rebar", "elixirc", "erlc"])
_KIND = SourceKind(
    (*ENDINGS, ".md", ".lock", ".hrl", ".app.src"),
    (".ex", ".exs", ".erl"),
    frozenset(
        "mix.exs mix.lock rebar.config rebar.lock deps _build assets test lib src config rel priv "
        "node_modules cover doc erlang.mk".split()
    ),
)
_LIBRARIES = {
    ("debian", "bullseye"): ("libssl1.1", "libstdc++6"),
    ("debian", "bookworm"): ("libssl3", "libstdc++6"),
    ("debian", "trixie"): ("libssl3t64", "libstdc++6"),
    ("ubuntu", "focal"): ("libssl1.1", "libstdc++6"),
    ("ubuntu", "jammy"): ("libssl3", "libstdc++6"),
    ("ubuntu", "noble"): ("libssl3t64", "libstdc++6"),
}
"""What Erlang's emulator and crypto load; the terminal library is in every base image."""
_ALPINE = ("libstdc++", "openssl", "ncurses-libs")
_OF_APPLICATIONS: Mapping[str, Mapping[str, str]] = {
    "odbc": {
        "bullseye": "libodbc1", "focal": "libodbc1", "bookworm": "libodbc2", "trixie": "libodbc2",
        "jammy": "libodbc2", "noble": "libodbc2", "alpine": "unixodbc",
    },
    "gen_sctp": {
        "bullseye": "libsctp1", "focal": "libsctp1", "bookworm": "libsctp1", "trixie": "libsctp1",
        "jammy": "libsctp1", "noble": "libsctp1", "alpine": "lksctp-tools",
    },
}  # fmt: skip
"""What parts of Erlang load that few programs use; the images of Erlang have it."""
_PORTABLE = frozenset("bcrypt_elixir argon2_elixir exqlite picosat_elixir jiffy snappyer brotli".split())
"""Packages with native code of their own that links nothing but the libc, or brings its library."""
_NATIVE = frozenset(
    "fast_xml fast_yaml fast_tls eimp epam enacl libsodium salty erlzmq ezmq epcap geef iconv eodbc".split()
)
"""Packages of Rebar with native code that links libraries of the system: their manifests don't tell."""

_STARTERS = re.compile(r'"(git_cli|egit|gitex|nodejs|elixir_nodejs|execjs|puppeteer_pdf|react_phoenix)"')
"""Packages that start Git or Node for the program."""


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that assembles a release is split."""
    builds = [(f, e.detail) for f, e in facts.effects() if isinstance(e.detail, BeamBuild)]
    uses_mix = any(effect.tool in ("mix", "rebar3") for _, effect in facts.effects())
    if not builds and not uses_mix:
        return None
    obstacle = started_while_compiling(wanted(view, facts), _DEVELOPMENT)
    if obstacle is not None:
        remedy = "assemble a release (`mix release`) in the build and start that"
        return replace(obstacle, remedy=remedy)
    refusal = next((e.refusal for _, e in facts.effects() if e.tool == "mix" and e.refusal), None)
    if not builds and refusal is None:
        return None
    if refusal is not None:
        step = next(f for f, e in facts.effects() if e.refusal is refusal)
        return replace(refusal, evidence=(evidence_of(step.instruction, view.name),))
    place = evidence_of(builds[0][0].instruction, view.name)
    needs = _code(view, facts, builds)
    image = _image(facts, builds)
    program = Program(
        ecosystem="elixir",
        toolchains=_FAMILIES,
        binaries=(),
        sources=_sources(facts, builds),
        opened=_opened(facts, builds, needs),
        certificates=place
        if image is not None and image.startswith(("debian", "ubuntu", "alpine"))
        else None,
        libraries=_libraries(view, facts, builds, image, place),
        beside=tuple(Artifact(build.output, fact.index, _what(build)) for fact, build in builds),
        build_packages=_build_packages(facts, builds, needs),
        runtime_image=image,
        assumptions=_assumptions(view, facts, builds),
        evidence=(place,),
    )
    found = plan_of(view, facts, program)
    if not isinstance(found, SplitPlan):
        return found
    what = "the release" if builds[0][1].kind != "escript" else "the escript"
    return replace(
        found,
        reason=f"build in a builder stage; the final stage is {found.runtime_image} with {what}",
    )


def _opened(facts: StageFacts, builds: Sequence[tuple[Fact, BeamBuild]], needs: CodeNeeds) -> Opened:
    """Return what is known of the files that the program opens beside its release."""
    sources = _sources(facts, builds)
    if not needs.unknown_paths:
        return Opened(_KIND, sources, needs, {})
    # a path that isn't written in the source may name whatever lies where the program is started
    kind = replace(_KIND, manifests=_KIND.manifests - {"priv"})
    return Opened(kind, sources, needs, {}, unsure="may be opened by the program")


def _what(build: BeamBuild) -> str:
    return "the escript" if build.kind == "escript" else "the release"


def _image(facts: StageFacts, builds: Sequence[tuple[Fact, BeamBuild]]) -> str | None:
    """Return the final stage's base; None: the builder's own."""
    base = facts.base
    if base.family not in _FAMILIES:
        return None
    slim = slim_variant(base.reference.text) if "$" not in facts.stage.image else None
    if any(build.kind != "release" for _, build in builds):
        return slim or facts.stage.image
    form = PLAIN_BASES.get(base.system)
    if form is not None and base.release is not None:
        known = base.system == "alpine" or (base.system, base.release) in _LIBRARIES
        if known and "$" not in facts.stage.image:
            return form.format(base.release)
    return slim or facts.stage.image


def _is_foreign(path: str) -> bool:
    """Whether a file belongs to a package, to the build, to tests or to the assets' tools."""
    return bool({"deps", "_build", "test", "node_modules"} & set(path.split("/")))


def _libraries(
    view: View,
    facts: StageFacts,
    builds: Sequence[tuple[Fact, BeamBuild]],
    image: str | None,
    place: Evidence,
) -> tuple[RuntimePackage, ...]:
    if image is None or not image.startswith(("debian", "ubuntu", "alpine")):
        return ()
    release = "alpine" if facts.base.system == "alpine" else facts.base.release or ""
    names = _ALPINE if release == "alpine" else _LIBRARIES[facts.base.system, release]
    found = [RuntimePackage(name, place, "Erlang loads it") for name in names]
    text = "\n".join(
        view.context.read_text(file) or ""
        for _, build in builds
        for path, file in sorted(facts.end.files(build.project).items())
        if path.endswith((".ex", ".exs", ".erl", ".app.src")) and not _is_foreign(path)
    )
    for name, packages in _OF_APPLICATIONS.items():
        if re.search(rf"(?<!\w){name}(?!\w)", text):
            found.append(RuntimePackage(packages[release], place, f"`{name}` loads it"))
    return tuple(found)


def _sources(facts: StageFacts, builds: Sequence[tuple[Fact, BeamBuild]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(build.project for _, build in builds if build.project != "/"))


def _code(view: View, facts: StageFacts, builds: Sequence[tuple[Fact, BeamBuild]]) -> CodeNeeds:
    paths = [
        file
        for _, build in builds
        for path, file in sorted(facts.end.files(build.project).items())
        if path.endswith((".ex", ".erl")) and not _is_foreign(path)
    ]
    return elixir_needs(view.context, tuple(dict.fromkeys(paths)))


def _build_packages(
    facts: StageFacts, builds: Sequence[tuple[Fact, BeamBuild]], needs: CodeNeeds
) -> frozenset[str]:
    """Return the packages that only Mix and the assets' build start: Git and Node."""
    locks = [facts.end.read(posixpath.join(build.project, "mix.lock")) or "" for _, build in builds]
    if any(build.kind != "release" for _, build in builds) or any(_STARTERS.search(lock) for lock in locks):
        return frozenset()
    started = {posixpath.basename(name) for name, _ in needs.commands}
    node = frozenset() if started & {"node", "npm", "npx"} else frozenset(["nodejs", "npm", "yarn"])
    return node | (frozenset() if "git" in started else frozenset(["git"]))


def _assumptions(view: View, facts: StageFacts, builds: Sequence[tuple[Fact, BeamBuild]]) -> tuple[str, ...]:
    """Return what isn't known of native code: a package that is compiled by make may link a library."""
    if facts.base.contents != "full":
        return ()  # what it links with is in the author's list of packages
    found: list[str] = []
    for _, build in builds:
        text = facts.end.read(posixpath.join(build.project, "mix.lock")) or ""
        found.extend(
            match[1]
            for match in re.finditer(r'^\s*"([\w]+)":\s*\{(.*)$', text, re.M)
            if match[1] in _NATIVE
            or (":elixir_make" in match[2] and match[1] not in (*_PORTABLE, "elixir_make"))
        )
        for name in ("rebar.lock", "rebar.config"):
            text = facts.end.read(posixpath.join(build.project, name)) or ""
            found.extend(word for word in re.findall(r"\w+", text) if word in _NATIVE)
    return tuple(
        f"the native code of {name} loads no library that only the full image has"
        for name in dict.fromkeys(found)
    )


ECOSYSTEM = Ecosystem("elixir", interpret, plan, programs=frozenset({"elixir", "mix", "iex", "erl"}))
