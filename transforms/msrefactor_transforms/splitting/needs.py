"""Everything the running container uses, and where the new final stage has it.

The argument is by subtraction: the original image ran, so a command, library or file that the split didn't
take away is still there. What it did take away is known by name: the packages that only the full base image
has, and the author's packages that were left out.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msrefactor import variables
from msrefactor.code.needs import EMPTY, CodeNeeds, context_path, merged_needs
from msrefactor.code.shell import Start as CodeStart
from msrefactor.code.shell import arguments_of, script_needs, started_by, starts_in
from msrefactor.commands import SHELL_BUILTINS
from msrefactor.contract import starts
from msrefactor.facts import StageFacts, is_under
from msrefactor.knowledge import packages as knowledge
from msrefactor.knowledge.images import BaseImage
from msrefactor.model import COPIED, Evidence, Need, NeedKind, Refused, View
from msrefactor.shell import parse_script
from msrefactor.tree import Instruction
from msrefactor_transforms.splitting.plan import RuntimePackage, SplitPlan
from msrefactor_transforms.splitting.written import written_needs

_BUILDS_AT_START = frozenset(
    "gcc g++ cc c++ make cmake cargo rustc javac mvn gradle gradlew mvnw pip pip3 pipx easy_install "
    "poetry-install npm-install bundle-install".split()
)
_WORKBENCHES = frozenset(
    ["jupyter", "jupyter-lab", "jupyter-notebook", "ipython", "code-server", "rstudio-server", "sshd"]
)
_TEST_RUNNERS = frozenset("pytest py.test tox nox jest mocha cypress vitest rspec phpunit".split())


@dataclass(frozen=True, slots=True)
class Wants:
    """What is started and read, before anybody asks where it is."""

    commands: tuple[tuple[str, Evidence], ...]
    """A bare name, or an absolute path of the image."""
    files: tuple[tuple[str, Evidence], ...]
    """Absolute paths of the image that something started reads."""
    unknown: tuple[Evidence, ...]
    """Places that start a program whose name isn't written there."""
    code: CodeNeeds


def wanted(view: View, facts: StageFacts, code: CodeNeeds = EMPTY) -> Wants:
    """Return what the container's start commands, its scripts and its source use."""
    commands: list[tuple[str, Evidence]] = []
    files: list[tuple[str, Evidence]] = []
    unknown: list[Evidence] = []
    scripts: list[CodeNeeds] = [code]
    scope = facts.end
    for start in starts(view, facts):
        if start.argv is not None:
            found: Iterable[CodeStart] | None = tuple(started_by(arguments_of(start.argv)))
        else:
            commands.append(("/bin/sh", start.evidence))
            found = starts_in(start.shell or "")
        if found is None:
            unknown.append(start.evidence)
            continue
        for one in found:
            if one.kind == "program":
                commands.append((_absolute(one.name, scope.cwd), start.evidence))
                scripts += [_script(facts, one.name), written_needs(facts, one.name, view.name)]
            elif one.kind in ("script", "source"):
                files.append((scope.path(one.name), start.evidence))
                path = scope.path(one.name)
                scripts += [_script(facts, path), written_needs(facts, path, view.name)]
            elif one.kind == "unknown":
                unknown.append(start.evidence)
    everything = _with_scripts(view, facts, merged_needs(scripts))
    for name, evidence in everything.commands:
        inside = context_path(name)
        if inside is None:
            commands.append((_absolute(name, scope.cwd), evidence))
    unknown.extend(everything.unknown_commands)
    return Wants(
        tuple(dict.fromkeys(commands)), tuple(dict.fromkeys(files)), tuple(dict.fromkeys(unknown)), everything
    )


def _absolute(name: str, cwd: str) -> str:
    return posixpath.normpath(posixpath.join(cwd, name)) if "/" in name else name


def placed_path(facts: StageFacts, name: str) -> str | None:
    """Return the image path of a program that came from the context: by path, or by name along PATH."""
    scope = facts.end
    if "/" in name:
        path = scope.path(name)
        return path if scope.is_file(path) else None
    for folder in scope.variables.get("PATH", "").split(":"):
        path = posixpath.join(folder, name)
        if folder and scope.is_file(path):
            return path
    return None


def _with_scripts(view: View, facts: StageFacts, needs: CodeNeeds) -> CodeNeeds:
    """Add what the scripts use that the source starts, or that it only names: it may well start them."""
    seen: set[str] = set()
    while True:
        names = [name for name, _ in (*needs.commands, *needs.paths) if name not in seen]
        if not names:
            return needs
        seen.update(names)
        found = [needs]
        for name in names:
            inside = context_path(name)
            if inside is not None:
                found.append(_script_at(facts, posixpath.normpath(inside)))
                continue
            path = placed_path(facts, name)
            if path is not None:
                found += [_script(facts, path), written_needs(facts, path, view.name)]
        needs = merged_needs(found)


def _script(facts: StageFacts, name: str) -> CodeNeeds:
    """Return what a script of the context uses; nothing for what isn't one."""
    path = placed_path(facts, name)
    source = facts.end.origin(path) if path else None
    return EMPTY if source is None else _script_at(facts, source)


def _script_at(facts: StageFacts, source: str) -> CodeNeeds:
    """Return what a file of the context uses if it is a script; `source` is its path in the context."""
    text = facts.end.context.read_text(source)
    if text is None or "\0" in text[:1000]:
        return EMPTY
    if not text.startswith("#!") and posixpath.splitext(source)[1] not in (".sh", ".bash", ""):
        return EMPTY
    return script_needs(facts.end.context, source, text)


def start_refusal(view: View, facts: StageFacts, wants: Wants) -> Refused | None:
    """Return the obstacle that lies in what the container does when it starts."""
    for name, evidence in wants.commands:
        command = posixpath.basename(name)
        if command in _BUILDS_AT_START:
            return Refused("compiles-at-start", f"`{command}` runs when the container starts", (evidence,))
        if command in _WORKBENCHES:
            return Refused(
                "development-image", f"`{command}` is for people who work in the container", (evidence,)
            )
    for start in starts(view, facts):
        words = start.argv or ()
        if start.kind == "command" and words and posixpath.basename(words[0]) in _TEST_RUNNERS:
            return Refused("development-image", "the container runs the tests", (start.evidence,))
    for use in view.uses:
        if use.kind == "development":
            return Refused("development-image", "a dev container is built from it", (use.evidence,))
        if use.kind != "bind-mount" or use.value is None:
            continue
        source, _, target = use.value.rpartition(":")
        if _mounts_sources(facts, source, target):
            return Refused(
                "development-image",
                f"the source is mounted over {target} when the container runs",
                (use.evidence,),
            )
    return None


def _mounts_sources(facts: StageFacts, source: str, target: str) -> bool:
    """Whether a bind mount puts the source tree of the context over the folder that the program runs in."""
    if not target or target == "/" or not is_under(facts.end.cwd, posixpath.normpath(target)):
        return False
    if source.startswith(("/", "~")) or "$" in source:
        return False
    mounted = posixpath.normpath(source or ".")
    copied = [placed.source for fact in facts.facts for placed in fact.placed]
    return mounted == "." or any(
        is_under("/" + path, "/" + mounted) or path == mounted for path in copied if path
    )


@dataclass(frozen=True, slots=True)
class Resolution:
    """Where everything is, what has to be installed for it, and what was not found."""

    needs: tuple[Need, ...]
    packages: tuple[RuntimePackage, ...]
    refusal: Refused | None
    assumptions: tuple[str, ...]
    evidence: tuple[Evidence, ...]


def resolved(
    facts: StageFacts,
    plan: SplitPlan,
    runtime: BaseImage,
    wants: Wants,
    left_out: Sequence[str],
    kept: Sequence[str],
    available: Sequence[str],
) -> Resolution:
    """Find a provider in the final stage for everything that is wanted.

    `left_out`: packages of the author's list that the final stage doesn't install; `kept`: those it does;
    `available`: paths that it has beside those of its base.
    """
    base = facts.base
    lost = knowledge.lost_commands(base, runtime)
    at_base = knowledge.commands_in(base) | knowledge.commands_in(runtime)
    gone = {command: package for package in left_out for command in knowledge.commands_of(package)}
    needs: list[Need] = []
    packages: list[RuntimePackage] = list(plan.packages)
    refusal: Refused | None = None
    for name, evidence in wants.commands:
        command = posixpath.basename(name)
        provider = _provider(facts, plan, name, command, kept, available, at_base)
        if provider is None and command in gone and gone[command] not in kept:
            refusal = refusal or Refused(
                "compiles-at-start", f"`{command}` is started, which only builds should need", (evidence,)
            )
        elif provider is None and command in lost and not lost[command]:
            refusal = refusal or Refused(
                "need-not-found",
                f"`{command}` is in {base.reference.text} only, and no package has it",
                (evidence,),
            )
        elif provider is None and command in lost:
            package = lost[command]
            packages.append(RuntimePackage(package, evidence, f"`{command}` is started"))
            provider = f"package {package}, added"
        elif provider is None and _is_untold(command, base, runtime):
            detail = f"whether {plan.runtime_image} has `{command}` as {base.reference.text} has isn't known"
            refusal = refusal or Refused("need-not-found", detail, (evidence,))
        elif provider is None and _comes_from_nowhere(name, facts, plan, kept, available):
            detail = (
                f"where `{name}` comes from isn't seen: neither the base nor a build step is known to have it"
            )
            refusal = refusal or Refused("need-not-found", detail, (evidence,))
        elif provider is None and placed_path(facts, name) is None:
            provider = f"{plan.runtime_image}, as before" if plan.runtime_image != "scratch" else None
        needs.append(Need(NeedKind.COMMAND, command if "/" not in name else name, evidence, provider))
        if provider is None and refusal is None:
            refusal = Refused("need-not-found", f"`{name}` isn't in the final stage", (evidence,))
    lost_libraries = knowledge.lost_libraries(base, runtime)
    for name, evidence in wants.code.libraries:
        holder = _library_package(name, lost_libraries)
        if holder is not None:
            packages.append(RuntimePackage(holder, evidence, f"the library {name} is loaded"))
        found_in = f"package {holder}, added" if holder is not None else "as before"
        needs.append(Need(NeedKind.LIBRARY, name, evidence, found_in))
    for path, evidence in wants.files:
        is_lost = facts.end.is_file(path) and not _is_brought(path, available)
        needs.append(Need(NeedKind.PATH, path, evidence, None if is_lost else COPIED))
        if is_lost and refusal is None:
            refusal = Refused("need-not-found", f"{path} isn't copied to the final stage", (evidence,))
    assumptions: list[str] = []
    doubtful: list[Evidence] = []
    if lost:
        for evidence in wants.unknown:
            doubtful.append(evidence)
            assumptions.append(
                f"the program started at {_place(evidence)} isn't one that only {base.reference.text} has"
            )
        for evidence in wants.code.unknown_libraries:
            doubtful.append(evidence)
            assumptions.append(
                f"the library loaded at {_place(evidence)} isn't one that only {base.reference.text} has"
            )
    packages.extend(_certificates(lost, packages, kept))
    refusal = refusal or _without_manual_folders(runtime, lost, packages, kept)
    unique: dict[str, RuntimePackage] = {}
    for package_need in packages:
        # the plan's own are among `kept` already, as they were asked for from the start
        if package_need.name not in kept or package_need in plan.packages:
            unique.setdefault(package_need.name, package_need)
    if unique and base.system == "debian" and not set(base.releases) <= set(knowledge.RELEASES):
        first = next(iter(unique.values()))
        named = " or ".join(base.releases)
        what = f"{named}, which {base.reference.text} has, can" if named else f"{base.reference.text} can"
        refusal = refusal or Refused(
            "unknown-release",
            f"{first.name} has to be installed, and what {what} install isn't known",
            (first.evidence,),
            f"start from an image on {', '.join(knowledge.RELEASES[:-1])} or {knowledge.RELEASES[-1]}",
        )
    needs.extend(
        Need(
            NeedKind.PACKAGE,
            one.name,
            one.evidence,
            f"{plan.runtime_image} has it"
            if knowledge.surely_holds(runtime, one.name)
            else "installed in the final stage",
        )
        for one in unique.values()
    )
    return Resolution(
        tuple(dict.fromkeys(needs)),
        tuple(unique.values()),
        refusal,
        tuple(dict.fromkeys(assumptions)),
        tuple(doubtful),
    )


def _first_word(facts: StageFacts) -> str | None:
    """Return the program that the Dockerfile starts; behind an entrypoint, CMD may be a word for it."""
    last = {instruction.keyword: instruction for instruction in facts.stage.instructions}
    start = last.get("ENTRYPOINT") or last.get("CMD")
    if start is None:
        return None
    if start.exec_form is not None:
        return start.exec_form[0] if start.exec_form else None
    script = parse_script(start.arguments)
    commands = script.items[0].commands if script is not None and script.items else ()
    return commands[0].name if commands else None


def _comes_from_nowhere(
    name: str, facts: StageFacts, plan: SplitPlan, kept: Sequence[str], available: Sequence[str]
) -> bool:
    """Whether everything that brings commands is known, and nothing brings this one: some build step does."""
    base = facts.base
    is_told = bool(base.contents or base.installs) and base.system in ("debian", "ubuntu")
    # behind another program, a name may be one of its own
    if name != _first_word(facts) or "/" in name or not is_told:
        return False
    if not re.fullmatch(r"[\w.+-]+", name) or name in SHELL_BUILTINS or name in knowledge.commands_in(base):
        return False
    is_on_path = any(is_under(entry, path) for entry in _path(facts) if entry for path in available)
    if is_on_path or plan.replayed or any("PATH=" in text for text in plan.runtime_prelude):
        return False  # a folder of programs is there, and not each of them is known
    # a package whose commands aren't in the tables may bring it
    return all(one.startswith("lib") or knowledge.commands_of(one) for one in kept)


def _is_untold(command: str, base: BaseImage, runtime: BaseImage) -> bool:
    """Whether nobody knows what an image holds, so that leaving it may take a command away."""
    if base.reference == runtime.reference or base.contents or base.commands or base.installs:
        return False
    return command not in knowledge.minimal_commands(runtime.system, runtime.release)


_SPEAK_TLS = frozenset({"curl", "wget", "git", "openssl", "aria2", "lftp", "rclone", "mercurial"})


def _certificates(
    lost: Mapping[str, str], packages: Sequence[RuntimePackage], kept: Sequence[str]
) -> list[RuntimePackage]:
    """Return ca-certificates where what is installed speaks TLS and only the full image had them."""
    if "update-ca-certificates" not in lost or "ca-certificates" in kept:
        return []
    for package in packages:
        is_local = "//localhost" in package.evidence.text or "//127.0.0.1" in package.evidence.text
        if package.name in _SPEAK_TLS and (not is_local or "https:" in package.evidence.text):
            return [
                RuntimePackage("ca-certificates", package.evidence, f"{package.name} checks certificates")
            ]
    for name in kept:
        if name in _SPEAK_TLS:
            return [
                RuntimePackage("ca-certificates", Evidence(name, None, ""), f"{name} checks certificates")
            ]
    return []


def _without_manual_folders(
    runtime: BaseImage, lost: Mapping[str, str], packages: Sequence[RuntimePackage], kept: Sequence[str]
) -> Refused | None:
    """Refuse packages that can't be installed on an old slim image: it has no folders for manual pages.

    Up to bullseye, update-alternatives fails where /usr/share/man/man1 or man7 is missing.
    """
    if not lost or not set(runtime.releases) & {"jessie", "stretch", "buster", "bullseye"}:
        return None
    for name in (*(package.name for package in packages), *kept):
        if name.startswith(("openjdk-", "default-j", "postgresql")):
            detail = f"{name} can't be installed on {runtime.reference.text}, which has no manual folders"
            return Refused("need-not-found", detail, remedy="move to a newer release of the base image")
    return None


def _place(evidence: Evidence) -> str:
    return evidence.file if evidence.line is None else f"{evidence.file}:{evidence.line}"


def _provider(
    facts: StageFacts,
    plan: SplitPlan,
    name: str,
    command: str,
    kept: Sequence[str],
    available: Sequence[str],
    at_base: frozenset[str],
) -> str | None:
    where = plan.provides(name)
    if where is not None:
        return where
    placed = placed_path(facts, name)
    if placed is not None:
        return f"{placed}, copied" if _is_brought(placed, available) else None
    for path in available:
        if name.startswith("/") and is_under(name, path) and path not in ("/etc", "/usr"):
            return f"{name}, copied"
        if "/" not in name and posixpath.basename(path) == name and posixpath.dirname(path) in _path(facts):
            return f"{path}, copied"
    for package in kept:
        if package == command or command in knowledge.commands_of(package):
            return f"package {package}"
    if "/" in name or command in at_base:
        return None
    added = [
        folder
        for line in plan.runtime_prelude
        for name, value in Instruction.new(line).pairs
        if name == "PATH"
        for folder in variables.expand(value or "", {}).split(":")
    ]
    folders = [entry for entry in (*added, *_path(facts)) if entry]
    for path in available:
        if any(path == posixpath.join(folder, name) or is_under(folder, path) for folder in folders):
            return f"{path}, copied"
    return None


def _is_brought(path: str, available: Sequence[str]) -> bool:
    return any(is_under(path, one) for one in available)


def _path(facts: StageFacts) -> list[str]:
    return facts.end.variables.get("PATH", "").split(":")


def _library_package(name: str, lost: Iterable[str]) -> str | None:
    """Return the package that only the full image has and that carries a library, by Debian's naming rule."""
    stem, _, version = name.partition(".so")
    stem = posixpath.basename(stem)
    stem = stem if stem.startswith("lib") else f"lib{stem}"
    version = version.lstrip(".").split(".")[0]
    pattern = re.compile(re.escape(stem.lower().replace("_", "-")) + r"[-\d.]*(t64)?$")
    for package in sorted(lost):
        if pattern.match(package):
            return package
    return None
