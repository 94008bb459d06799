"""C, C++ and whatever is built from source: compilers, make, CMake, autotools, Meson, and `make install`.

What is compiled from the context is copied by name, with the files that the program may open; what is
installed comes with its prefix; a tree whose programs are started in place comes as the builder leaves it.
Sources: the GNU Coding Standards ("Directory Variables", "Standard Targets"), docker-library/gcc.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msrefactor.code.c import SOURCES, CSources, c_sources
from msrefactor.commands import PackageCall, is_waste
from msrefactor.contract import evidence_of, starts
from msrefactor.facts import Effect, Fact, Role, StageFacts, is_under
from msrefactor.knowledge.images import BaseImage
from msrefactor.model import Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._c_base import Built, base_of, local_names, scratch_base
from msrefactor_transforms.ecosystems._c_commands import CBuild, compiler_of, interpret, outermost
from msrefactor_transforms.ecosystems._c_files import filled, why_opened
from msrefactor_transforms.ecosystems._c_installs import unexplained_edit
from msrefactor_transforms.ecosystems._c_root import Rooted, rooted
from msrefactor_transforms.splitting.artifacts import is_gone
from msrefactor_transforms.splitting.bases import saved_by_base
from msrefactor_transforms.splitting.needs import Wants, placed_path, wanted
from msrefactor_transforms.splitting.packages import Fate, bare_name, fate, installs, removed_at_once
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, SplitPlan
from msrefactor_transforms.splitting.question import SYSTEM_FOLDERS

BUILD_ENVIRONMENT = frozenset(
    "CC CXX CPP FC LD AR RANLIB CFLAGS CXXFLAGS CPPFLAGS LDFLAGS FFLAGS MAKEFLAGS".split()
)
"""Variables that compilers and build systems read and a program doesn't."""
_EMPTY_LOCAL = frozenset({"debian", "ubuntu", "alpine", "buildpack-deps"})
"""Families whose images hold nothing below /usr/local and /opt, so that all of it was built here."""

OwnBuild = tuple[Fact, Effect, CBuild]


@dataclass(frozen=True, slots=True)
class _Trees:
    """The folders that things are built in."""

    installed: tuple[str, ...]
    """What is installed from, and isn't used in place: nothing of it is needed."""
    from_context: tuple[str, ...]
    """Of the others, those whose sources come from the context and whose outputs all have names."""
    unneeded: frozenset[str]
    """Paths that build steps write there."""
    unpacked: tuple[tuple[str, str], ...]
    """Folders that an archive is unpacked into, with the folder that it makes there."""


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that compiles something is split."""
    builds = [(f, e, e.detail) for f, e in facts.effects() if isinstance(e.detail, CBuild)]
    if not any(build.kind != "configure" for _, _, build in builds) or not _holds_compilers(facts):
        return None
    place = evidence_of(builds[0][0].instruction, view.name)
    if facts.base.system == "unknown":
        first = evidence_of(facts.facts[0].instruction, view.name)
        return Refused("base-unknown", f"nothing is known about {facts.base.reference.text}", (first,))
    if not view.context.known:
        return Refused("context-unknown", "which files the program opens is in its source", (place,))
    wants = wanted(view, facts)
    trees = _trees(facts, builds, wants)
    sources = _sources(view, facts, trees, builds)
    wants = wanted(view, facts, sources.needs)
    root = rooted(facts, {"/usr/local": _is_empty(facts), "/opt": _is_empty(facts)})
    obstacle = _obstacle(view, facts, builds, wants, trees, root)
    if obstacle is not None:
        return obstacle
    last = max(fact.index for fact, _, build in builds if build.kind != "configure")
    built = _built(view, builds, sources, facts)
    base = base_of(view, facts, built, last)
    if isinstance(base, Refused):
        return base
    if _is_self_sufficient(view, facts, builds, wants, sources, built):
        base = scratch_base("scratch", base.builder, last, facts.end.user)
    outputs = tuple(path for _, _, build in builds for path in build.outputs)
    prefixes = {path: index for path, index in _prefixes(facts, builds).items() if path not in root.prefixes}
    artifacts = [*_trees_of_prefixes(facts, prefixes), *_unpacked(facts, trees)]
    parts = [filled(view, facts, tree) for tree in trees.from_context]
    scripts = _scripts(facts, wants, [path for part in parts for path in part.sources])
    artifacts.extend(Artifact(path, last, "it is started", is_folder=False) for path in scripts)
    if scripts or _opens(sources, built):
        why = why_opened(sources)
        data = dict.fromkeys(entry for part in parts for entry in part.data)
        artifacts.extend(Artifact(p, last, why, is_folder) for p, is_folder in data if p not in outputs)
    artifacts.extend(
        Artifact(path, index, "a folder that it makes") for path, index in prefixes.items() if is_waste(path)
    )
    artifacts.extend((*root.artifacts, *base.artifacts))
    return SplitPlan(
        ecosystem="c",
        level=base.level,
        runtime_image=base.image,
        builder_image=base.builder,
        artifacts=tuple(artifacts),
        dropped=outermost((*(path for part in parts for path in part.sources), *trees.installed)),
        build_files=frozenset(path for part in parts for path in part.files) | _copied_archives(facts, trees),
        unneeded=trees.unneeded | _unstarted(wants, outputs) | root.prefixes,
        edits=root.edits,
        packages=base.packages,
        build_environment=BUILD_ENVIRONMENT - _named_at_start(view),
        proved=_proved(builds, wants),
        code=sources.needs,
        provides=lambda command: _provided(
            command,
            outputs,
            (*prefixes, *root.prefixes),
            facts.end.variables.get("PATH", "").split(":"),
        ),
        has_libraries=base.has_libraries
        or bool(root.artifacts)
        or any(_may_hold_libraries(prefix) for prefix in prefixes),
        reason=f"build in a builder stage; the final stage is {base.image} with what was built",
        evidence=(place,),
        saved_mb=saved_by_base(view, facts, base.image),
    )


def _holds_compilers(facts: StageFacts) -> bool:
    """Whether the image has compilers or headers that a split could leave behind."""
    base = facts.base
    is_plain = base.family in ("ubuntu", "alpine") or (base.family == "debian" and base.variant == "slim")
    if not is_plain and base.system != "rpm":
        return True
    at_once = removed_at_once(facts.facts)
    names = [n for fact in facts.facts for effect in installs(fact) for n in effect.detail.names]
    return any(
        name is None or (bare_name(name) not in at_once and not _stays(fate(name, base, frozenset()), base))
        for name in names
    )


def _stays(result: Fate, base: BaseImage) -> bool:
    """Whether a package stays, or has little to leave behind, as Alpine's headers have."""
    return result.is_kept or (base.system == "alpine" and bool(result.runtime))


def _named_at_start(view: View) -> set[str]:
    """Return the variables that the start commands name."""
    return {
        name
        for instruction in view.dockerfile.final_stage.instructions
        if instruction.keyword in ("CMD", "ENTRYPOINT", "HEALTHCHECK")
        for name in BUILD_ENVIRONMENT
        if f"${name}" in instruction.text or f"${{{name}" in instruction.text
    }


def _trees(facts: StageFacts, builds: Sequence[OwnBuild], wants: Wants) -> _Trees:
    unpacked = _archives(facts)
    shared = {place for place, _ in unpacked}
    folders = [build.folder for _, _, build in builds if build.kind == "install" and build.prefixes]
    installed = [
        tree
        for tree in outermost(sorted(dict.fromkeys(folders), key=len))
        if tree not in SYSTEM_FOLDERS and not _is_used(facts, tree, wants)
    ]
    own = []
    others = [build.folder for _, _, build in builds if not any(is_under(build.folder, t) for t in installed)]
    for tree in outermost(sorted(dict.fromkeys(others), key=len)):
        inside = [build for _, _, build in builds if is_under(build.folder, tree)]
        is_context = any(
            is_under(placed.destination, tree) or (placed.is_folder and is_under(tree, placed.destination))
            for fact in facts.facts
            for placed in fact.placed
        )
        making = [
            build for build in inside if build.kind in ("compile", "make") and build.folder not in installed
        ]
        is_exact = all(build.is_exact for build in making) and any(build.outputs for build in inside)
        is_fetched = any(
            effect.role is Role.FETCH
            and any(is_under(path, tree) and path not in shared for path in effect.writes)
            for _, effect in facts.effects()
        )
        is_left = is_exact or (not making and any(build.prefixes for build in inside))
        if tree not in SYSTEM_FOLDERS and is_context and not is_fetched and is_left:
            own.append(tree)
    unneeded = set(shared)
    unneeded |= {path for tree in installed for path in _written_below(facts, tree)}
    unneeded |= _packed(facts)
    if installed:
        for folder in ("/usr/src", "/usr/local/src"):
            unneeded |= {p for p in _written_below(facts, folder) if not _is_used(facts, p, wants)}
    return _Trees(tuple(installed), tuple(own), frozenset(unneeded), unpacked)


def _copied_archives(facts: StageFacts, trees: _Trees) -> set[str]:
    """Return the archives of sources that a COPY or ADD brings: only the build reads them."""
    packed = _packed(facts)
    found: set[str] = set()
    for fact in facts.facts:
        if fact.keyword not in ("COPY", "ADD") or fact.from_stage is not None:
            continue
        if not fact.placed and fact.destination in packed:
            found.add(fact.destination)
        for placed in fact.placed:
            folder = posixpath.dirname(placed.destination)
            is_unpacked = fact.keyword == "ADD" and any(
                posixpath.dirname(tree) == folder or tree == folder for tree in trees.installed
            )
            is_archive = placed.source.endswith(_ARCHIVES)
            if not placed.is_folder and is_archive and (placed.destination in packed or is_unpacked):
                found.add(placed.destination)
    return found


_ARCHIVES = (".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".zip", ".tbz2", ".txz")


def _packed(facts: StageFacts) -> set[str]:
    """Return the archives that are unpacked, and what they are checked with."""
    read = {
        path
        for _, effect in facts.effects()
        if effect.role is Role.FETCH and effect.tool in ("tar", "bsdtar", "unzip", "7z")
        for path in effect.reads
    }
    endings = (".asc", ".sig", ".sha256", ".sha512", ".md5", ".sha1")
    return read | {path for _, effect in facts.effects() for path in effect.writes if path.endswith(endings)}


def _written_below(facts: StageFacts, tree: str) -> set[str]:
    return {
        path
        for _, effect in facts.effects()
        if effect.role in (Role.BUILD, Role.FETCH)
        for path in effect.writes
        if is_under(path, tree)
    }


def _is_used(facts: StageFacts, tree: str, wants: Wants) -> bool:
    """Whether something of a tree is started or named where the container runs."""
    if is_under(facts.end.cwd, tree):
        return True
    if any(is_under(name, tree) for name, _ in (*wants.commands, *wants.files) if name.startswith("/")):
        return True
    for fact in facts.facts:
        if (
            fact.keyword in ("CMD", "ENTRYPOINT", "ENV", "VOLUME", "HEALTHCHECK")
            and tree in fact.instruction.text
        ):
            return True
        for effect in fact.effects:
            if effect.tool == "ln" and any(is_under(path, tree) for path in effect.reads):
                return not any(is_under(path, tree) for path in effect.writes)
    return False


def _archives(facts: StageFacts) -> tuple[tuple[str, str], ...]:
    """Return the shared folders that archives are unpacked into, with the folders that later steps enter.

    An archive of sources holds one folder, by the custom of all who make them.
    """
    found: list[tuple[str, str]] = []
    counts: dict[str, int] = {}
    for fact, effect, command in _commands(facts):
        if effect.tool not in ("tar", "bsdtar", "unzip") or effect.role is not Role.FETCH:
            continue
        for place in effect.writes:
            counts[place] = counts.get(place, 0) + 1
            is_told = command is not None and any(word.text == "-C" for word in command.words)
            if place in ("/usr/local", "/opt") or (place == "/" and is_told):
                continue  # what is unpacked there is meant to stay
            found.extend((place, tree) for tree in _entered(facts, place, fact.index))
    pairs = dict.fromkeys(found)
    known = {place: sum(1 for one, _ in pairs if one == place) for place in counts}
    # where an archive has no folder that is entered, it may hold what is to stay
    return tuple((place, tree) for place, tree in pairs if known[place] >= counts[place])


def _commands(facts: StageFacts) -> Iterable[tuple[Fact, Effect, Command | None]]:
    for fact in facts.facts:
        for item in fact.items:
            commands = item.item.commands if item.item is not None else ()
            is_paired = len(commands) == len(item.effects)
            for position, effect in enumerate(item.effects):
                yield fact, effect, commands[position] if is_paired else None


def _entered(facts: StageFacts, place: str, index: int) -> list[str]:
    """Return the folders right below a place that later steps go into, where no step makes them."""
    making = (effect for _, effect in facts.effects() if effect.tool in ("mkdir", "git"))
    made = {path for effect in making for path in effect.writes}
    copied = {placed.destination for fact in facts.facts for placed in fact.placed}
    paths: list[str] = []
    for fact, effect, command in _commands(facts):
        if fact.index < index:
            continue
        is_worded = command is not None and bool(command.words)
        is_relative = (
            command is not None and is_worded and not command.words[-1].text.strip("\"'").startswith("/")
        )
        if effect.role is Role.NAVIGATE and (is_relative or place not in SYSTEM_FOLDERS):
            paths.extend(effect.reads)
        elif isinstance(effect.detail, CBuild) and place not in SYSTEM_FOLDERS:
            paths.append(effect.detail.folder)
    if place not in SYSTEM_FOLDERS or place == "/usr/src":
        paths.extend(fact.scope.cwd for fact in facts.facts[index + 1 :] if fact.keyword != "WORKDIR")
    found: list[str] = []
    for path in paths:
        if path != place and is_under(path, place):
            top = posixpath.join(place, posixpath.relpath(path, place).split("/")[0])
            if top not in made and top not in copied and top not in SYSTEM_FOLDERS:
                found.append(top)
    return list(dict.fromkeys(found))


def _unpacked(facts: StageFacts, trees: _Trees) -> Iterable[Artifact]:
    """Yield the folders of archives that something is used of where they were unpacked."""
    for place, tree in trees.unpacked:
        if tree in trees.installed:
            continue
        writers = [f.index for f, effect in facts.effects() if place in effect.writes]
        inside = [f.index for f, e in facts.effects() if any(is_under(path, tree) for path in e.writes)]
        gone = [p for f, e in facts.effects() if f.index >= min(writers) for p in e.removes]
        moved = [p for _, e in facts.effects() if e.tool == "mv" for p in e.reads]
        if not any(is_gone(tree, path) for path in gone) and tree not in moved:
            yield Artifact(tree, max((*writers, *inside)), "what was unpacked and built there")


def _origins(facts: StageFacts, folder: str) -> list[str]:
    """Return the folders of the context that a folder of the image was filled from."""
    found: list[str] = []
    for placed in facts.end.placed:
        source = placed.source
        if placed.is_folder and is_under(folder, placed.destination):
            rest = posixpath.relpath(folder, placed.destination)
            source = posixpath.normpath(posixpath.join(source, rest))
            source = "" if source == "." else source
            if facts.end.context.is_dir(source) or source == "":
                found.append(source)
        elif is_under(placed.destination, folder):
            found.append(source if placed.is_folder else posixpath.dirname(source))
    return list(dict.fromkeys(found))


def _sources(view: View, facts: StageFacts, trees: _Trees, builds: Sequence[OwnBuild]) -> CSources:
    folders = (*trees.from_context, *trees.installed, *(build.folder for _, _, build in builds))
    return c_sources(view.context, dict.fromkeys(o for folder in folders for o in _origins(facts, folder)))


def _may_use_openmp(view: View, facts: StageFacts, builds: Sequence[OwnBuild]) -> bool:
    """Whether the sources or what builds them say anything of OpenMP; unseen ones may."""
    for _, _, build in builds:
        if not _origins(facts, build.folder) or build.kind == "configure":
            if build.kind != "configure":
                return True
            continue
        for origin in _origins(facts, build.folder):
            for path in view.context.files(origin):
                if not path.endswith((*SOURCES, ".txt", ".cmake", ".am", ".ac", ".build", ".mk", "akefile")):
                    continue
                text = view.context.read_text(path)
                if text is None or any(word in text.lower() for word in _OPENMP):
                    return True
    return any(effect.role is Role.FETCH for _, effect in facts.effects())


_OPENMP = ("openmp", "omp.h", "pragma omp", "gomp", "fetchcontent", "externalproject")


def _built(view: View, builds: Sequence[OwnBuild], sources: CSources, facts: StageFacts) -> Built:
    linking = [build for _, _, build in builds if build.kind != "configure"]
    tools = {effect.tool for _, effect, _ in builds}
    own = all(_origins(facts, build.folder) for build in linking)
    is_seen = own and bool(sources.files) and all(build.are_libraries_known for build in linking)
    is_fortran = any("fortran" in tool or tool in ("f77", "f95") for tool in tools)
    is_plain_c = (
        is_seen and not sources.is_cplusplus and not any(t in ("g++", "c++", "clang++") for t in tools)
    )
    is_static = bool(linking) and all(build.is_static for build in linking if build.outputs)
    return Built(
        is_seen=is_seen or (is_fortran and own),
        libraries=frozenset(name for build in linking for name in build.libraries),
        local_libraries=local_names([path for build in linking for path in build.outputs]),
        is_cplusplus=not is_plain_c,
        is_fortran=is_fortran,
        may_use_openmp=_may_use_openmp(view, facts, builds)
        and (not is_seen or any(build.may_use_openmp for build in linking)),
        is_static=is_static and any(build.outputs for build in linking),
    )


def _is_self_sufficient(
    view: View, facts: StageFacts, builds: Sequence[OwnBuild], wants: Wants, sources: CSources, built: Built
) -> bool:
    """Whether a static program is all that runs, and its sources show that it needs nothing of a system."""
    outputs = {path for _, _, build in builds for path in build.outputs}
    if not (built.is_seen and built.is_static) or built.libraries - {"m", "pthread", "c", "stdc++"}:
        return False
    if sources.opens_files or sources.asks_the_system or view.settings.runtime == "slim":
        return False
    needs = wants.code
    if wants.unknown or needs.unknown_commands or needs.libraries or needs.unknown_libraries:
        return False
    if not wants.commands or any(name not in outputs for name, _ in wants.commands):
        return False
    for fact in facts.facts:
        if fact.keyword in ("COPY", "ADD") and fact.from_stage is not None:
            return False
        for effect in fact.effects:
            is_install = isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
            names = effect.detail.names if is_install else ()
            if any(n is None or fate(n, facts.base, frozenset()).runtime for n in names):
                return False
            is_user = effect.tool in ("useradd", "adduser", "groupadd", "addgroup")
            if effect.role is Role.SETUP and not is_user:
                return False
    return True


def _scripts(facts: StageFacts, wants: Wants, folders: Sequence[str]) -> list[str]:
    """Return the files of the context below folders of sources that the container starts or reads."""
    named = [name for name, _ in (*wants.commands, *wants.files) if name.startswith("/")]
    return [
        name
        for name in dict.fromkeys(named)
        if facts.end.is_file(name) and any(is_under(name, folder) for folder in folders)
    ]


def _opens(sources: CSources, built: Built) -> bool:
    """Whether the program may open files: by its own calls, or by those of a library."""
    is_alone = built.is_seen and not built.libraries - {"m", "pthread", "c", "rt"}
    return not is_alone or sources.opens_files


def _prefixes(facts: StageFacts, builds: Sequence[OwnBuild]) -> dict[str, int]:
    """Return the places that are installed to, with the last instruction that does."""
    found: dict[str, int] = {}
    for fact, _, build in builds:
        for prefix in build.prefixes:
            found[prefix] = fact.index
    return found


def _trees_of_prefixes(facts: StageFacts, prefixes: dict[str, int]) -> Iterable[Artifact]:
    """Yield /usr/local and /opt as a whole where the base has nothing there: all of it was made here."""
    for whole in ("/usr/local", "/opt"):
        written = [
            fact.index
            for fact, effect in facts.effects()
            if effect.role in (Role.BUILD, Role.FETCH)
            and any(is_under(path, whole) for path in effect.writes)
        ]
        if _is_empty(facts) and written and any(prefix == whole for prefix in prefixes):
            yield Artifact(whole, max(written), "what was installed there")


def _is_empty(facts: StageFacts) -> bool:
    """Whether the base has nothing below /usr/local and /opt."""
    return facts.base.family in _EMPTY_LOCAL or facts.base.system == "rpm"


def _may_hold_libraries(prefix: str) -> bool:
    return prefix in ("/usr/local", "/usr", "/")


def _obstacle(
    view: View, facts: StageFacts, builds: Sequence[OwnBuild], wants: Wants, trees: _Trees, root: Rooted
) -> Refused | None:
    """Return what speaks against any split: a place that can't be told, a start that compiles."""
    for fact, effect, _ in builds:
        if effect.refusal is not None:
            refused = effect.refusal
            return Refused(
                refused.code, refused.detail, (evidence_of(fact.instruction, view.name),), refused.remedy
            )
    for fact, effect, build in builds:
        for prefix in build.prefixes:
            if prefix not in SYSTEM_FOLDERS or (prefix in ("/usr/local", "/opt") and _is_empty(facts)):
                continue
            if prefix in root.prefixes and build.takes_root:
                continue
            detail = f"`{effect.tool}` installs into {prefix}, among what the base image has there"
            remedy = "give it a prefix of its own, such as /opt/name"
            return Refused("unknown-artifact", detail, (evidence_of(fact.instruction, view.name),), remedy)
    for start in starts(view, facts):
        for word in start.argv or (start.shell or "").split():
            if compiler_of(posixpath.basename(word)):
                return Refused("compiles-at-start", f"`{word}` is named at the start", (start.evidence,))
    unexplained = unexplained_edit(facts, builds)
    if unexplained is not None:
        fact, path = unexplained
        detail = f"{path} is changed, and no step is known to make it: a `make install` may"
        return Refused("unknown-artifact", detail, (evidence_of(fact.instruction, view.name),))
    guessed = [prefix for _, effect, build in builds if effect.assumption for prefix in build.prefixes]
    for name, evidence in wants.commands:
        is_elsewhere = name.startswith("/usr/") and not any(is_under(name, prefix) for prefix in guessed)
        if guessed and is_elsewhere and placed_path(facts, name) is None:
            detail = f"`make install` puts things nobody knows where, and `{name}` is started"
            return Refused(
                "unknown-artifact", detail, (evidence,), "give `make install` a PREFIX or a DESTDIR"
            )
        if compiler_of(posixpath.basename(name)):
            return Refused("compiles-at-start", f"`{name}` runs when the container starts", (evidence,))
        if not name.startswith("/") or not any(is_under(name, tree) for tree in trees.from_context):
            continue
        written = any(name in effect.writes for _, effect in facts.effects())
        if not written and placed_path(facts, name) is None:
            return Refused("need-not-found", f"`{name}` is started, and no build step leaves it", (evidence,))
    return None


def _unstarted(wants: Wants, outputs: Sequence[str]) -> frozenset[str]:
    """Return the programs that nothing starts, where something starts another of them; libraries stay."""
    programs = [path for path in outputs if ".so" not in posixpath.basename(path)]
    started = {
        path
        for path in programs
        for name, _ in wants.commands
        if name == path or ("/" not in name and posixpath.basename(path) == name)
    }
    return frozenset(set(programs) - started) if started and not wants.unknown else frozenset()


def _proved(builds: Sequence[OwnBuild], wants: Wants) -> frozenset[str]:
    """Return the guesses of where something is installed that a start command confirms."""
    return frozenset(
        effect.assumption
        for _, effect, build in builds
        if effect.assumption
        and any(
            name.startswith("/") and is_under(name, p) for name, _ in wants.commands for p in build.prefixes
        )
    )


def _provided(
    command: str, outputs: Sequence[str], prefixes: Sequence[str], path: Sequence[str]
) -> str | None:
    for output in outputs:
        if command == output or output in [posixpath.join(folder, command) for folder in path]:
            return f"{output}, copied"
    for prefix in prefixes:
        if command.startswith("/") and is_under(command, prefix) and prefix not in _BINARIES:
            return f"{prefix}, copied"
    if "/" not in command and any(prefix in _BINARIES for prefix in prefixes):
        return "what is installed, copied"
    return None


_BINARIES = frozenset({"/usr", "/", "/bin", "/usr/bin"})
"""Places of the system that programs are found in by their names."""


ECOSYSTEM = Ecosystem("c", interpret, plan, is_last_resort=True)
