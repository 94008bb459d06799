"""Python packages that an earlier of several stages installed and the final stage imports but lacks."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import replace

from msrefactor.contract import stage_index
from msrefactor.facts import Effect, Fact, StageFacts, base_image_text, overlaps
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._python_commands import Install, normalised
from msrefactor_transforms.ecosystems._python_environment import (
    VENV,
    environment_of,
    installs_of,
    is_tools_only,
)
from msrefactor_transforms.splitting.copies import Copied, copied, place_of
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.plan import Missing


def missing(view: View, stages: Sequence[StageFacts]) -> Sequence[Missing] | Refused:
    """Return the packages that an earlier stage installed and the final stage imports but doesn't have."""
    final = stages[-1]
    if final.base.family != "python" or any(
        isinstance(effect.detail, Install)
        for stage in _lineage(view, stages)
        for _, effect in stage.effects()
    ):
        return ()
    copies = copied(view, len(stages) - 1, final)
    from_stages = {copy.stage for copy in copies} or set(range(len(stages) - 1))
    for index in sorted(from_stages):
        facts = stages[index]
        if facts.base.family != "python":
            continue
        real = [entry for entry in installs_of(facts) if not is_tools_only(entry[2])]
        if not real:
            continue
        found = _missing_packages(view, index, facts, final, copies, real)
        if found is not None:
            return found
    return ()


def _lineage(view: View, stages: Sequence[StageFacts]) -> Iterable[StageFacts]:
    """Yield the final stage and the stages that it builds on, one after the other."""
    index: int | None = len(stages) - 1
    while index is not None:
        yield stages[index]
        index = stage_index(view.dockerfile, base_image_text(view.dockerfile, stages[index].stage), index)


def _missing_packages(
    view: View,
    index: int,
    facts: StageFacts,
    final: StageFacts,
    copies: Sequence[Copied],
    real: Sequence[tuple[Fact, Effect, Install]],
) -> Sequence[Missing] | Refused | None:
    environment = environment_of(view, facts, real)
    if isinstance(environment, Refused):
        return None
    if all(place_of(artifact.path, index, copies) is not None for artifact in environment.artifacts):
        return None
    wheres = {install.where for _, _, install in real}
    site = ("/usr/local/lib", "/usr/lib", "/usr/local", VENV)
    if "system" in wheres and any(
        copy.stage == index and any(overlaps(copy.source, folder) for folder in site) for copy in copies
    ):
        return None
    explicit = [path for path in wheres if path.startswith("/")]
    if explicit and all(place_of(path, index, copies) is not None for path in explicit):
        return None
    if any("wheel" in (install.where or "") for _, _, install in real):
        return None
    evidence = _import_evidence(view, facts, final, index, copies, real)
    if evidence is None:
        return None
    if facts.base.version != final.base.version or facts.base.system != final.base.system:
        return Refused(
            "unknown-release",
            f"the packages are installed on {facts.base.reference.text} and the final stage is on "
            f"{final.base.reference.text}",
            evidence,
            "use the same Python and the same distribution in both stages",
        )
    found = []
    for artifact in environment.artifacts:
        reason = f"copy the installed packages to the final stage: {evidence[0].text} fails without them"
        destination, flags = _for_its_user(artifact.path, facts, final)
        found.append(
            Missing(
                index,
                artifact.path,
                destination,
                reason,
                evidence,
                flags=flags,
                build_prelude=environment.prelude,
                prelude_before=environment.before if environment.prelude else None,
                runtime_prelude=environment.runtime_prelude,
                edits=environment.edits or {},
            )
        )
        environment = replace(environment, prelude=(), runtime_prelude=(), edits=None)
    return found


def _for_its_user(path: str, facts: StageFacts, final: StageFacts) -> tuple[str, str]:
    """Return where a user's packages go and the flags of the copy: into the home of who runs the program."""
    home, user = final.end.home, final.end.user
    if (
        not path.startswith("/root/")
        or user.split(":")[0] in ("root", "0", "")
        or not final.end.is_home_known
    ):
        return path, ""
    return home + path[len("/root") :], f"--chown={user}"


def _import_evidence(
    view: View,
    facts: StageFacts,
    final: StageFacts,
    index: int,
    copies: Sequence[Copied],
    real: Sequence[tuple[Fact, Effect, Install]],
) -> tuple[Evidence, ...] | None:
    """Return the proof that the final stage needs the packages: an import, or a command of one of them."""
    names = {name: evidence for _, _, install in real for name, evidence in install.names}
    for name, evidence in wanted(view, final).commands:
        command = posixpath.basename(name)
        if normalised(command) in names:
            return (Evidence(evidence.file, evidence.line, f"`{command}`"), names[normalised(command)])
    from msrefactor.code.python import python_needs

    for stage in (facts, final):
        for fact in stage.facts:
            for placed in fact.placed:
                if stage is facts and place_of(placed.destination, index, copies) is None:
                    continue
                files = view.context.files(placed.source) if placed.is_folder else (placed.source,)
                for file in files:
                    if not file.endswith(".py"):
                        continue
                    read = python_needs(file, view.context.read_text(file) or "")
                    for module in sorted(read.imports if read else ()):
                        if normalised(module) in names:
                            place = Evidence(file, _line_of_import(view, file, module), f"import {module}")
                            return (place, names[normalised(module)])
    return None


def _line_of_import(view: View, file: str, module: str) -> int | None:
    for number, line in enumerate((view.context.read_text(file) or "").splitlines(), 1):
        words = line.split()
        if len(words) > 1 and words[0] in ("import", "from") and words[1].split(".")[0].rstrip(",") == module:
            return number
    return None
