"""The static proof of a result, made on every run before anything is shown.

It knows no transform: it takes the file before, the file after and what the transform says of the change, and
looks for a contradiction. A finding is `obstacle: what`; `check-failed` is a fault of ours, anything else an
obstacle in the file.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence

from msrefactor import variables
from msrefactor.context import BuildContext
from msrefactor.contract import (
    config_differences,
    effective_config,
    lineage,
    moved_config,
    replaced_config,
    stage_index,
)
from msrefactor.errors import BadInput
from msrefactor.facts import (
    Placed,
    Role,
    Scope,
    StageFacts,
    base_image_text,
    global_arguments,
    is_under,
    overlaps,
    stage_facts,
)
from msrefactor.ignoring import hidden_reads
from msrefactor.model import COPIED, Changed, NeedKind, Transform, View
from msrefactor.parse import parse
from msrefactor.provision import final_of, has
from msrefactor.replacement import replacement_findings
from msrefactor.tree import Dockerfile, Instruction

_RESERVED = frozenset({"scratch", "context"})
_PREDEFINED = frozenset(
    "HTTP_PROXY http_proxy HTTPS_PROXY https_proxy FTP_PROXY ftp_proxy NO_PROXY no_proxy ALL_PROXY "
    "all_proxy TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDOS BUILDARCH "
    "BUILDVARIANT PATH HOME SOURCE_DATE_EPOCH TARGETSTAGE".split()
)


def check(before: View, after: Dockerfile, outcome: Changed, transform: Transform) -> tuple[str, ...]:
    """Return what speaks against the result; nothing means that it is proved."""
    old = before.dockerfile
    text = after.render()
    try:
        again = parse(text)
    except BadInput as error:
        return (f"check-failed: the result can't be parsed: {error}",)
    findings: list[str] = []
    findings.extend(_segmentation(after, again))
    findings.extend(_directives(old, again))
    findings.extend(_stages(old, again))
    findings.extend(_accounted(old, after, outcome))
    findings.extend(_configuration(old, again, outcome))
    if outcome.replacement is not None:
        findings.extend(replacement_findings(before, again, outcome.replacement))
    for other in outcome.others:
        findings.extend(
            f"check-failed: {other.path.name} would hide {path}, which {evidence} reads"
            for path, evidence in hidden_reads(before, other.after)
        )
    findings.extend(_variables(old, again))
    findings.extend(_artifacts(before, again))
    findings.extend(_users(before, again))
    findings.extend(_needs(before, again, outcome))
    findings.extend(_second_opinion(old))
    findings.extend(_second_opinion(again))
    return tuple(dict.fromkeys(findings))


def _segmentation(made: Dockerfile, again: Dockerfile) -> Iterable[str]:
    """Find where the result doesn't read as it was meant: other stages, instructions or words."""
    ours = [(i.keyword, i.text) for stage in made.stages for i in stage.instructions]
    theirs = [(i.keyword, i.text) for stage in again.stages for i in stage.instructions]
    if ours != theirs:
        for mine, read in zip(ours, theirs, strict=False):
            if mine != read:
                yield f"check-failed: `{mine[0]} {mine[1][:60]}` reads as `{read[0]} {read[1][:60]}`"
                return
        yield f"check-failed: {len(ours)} instructions were made and {len(theirs)} are read"


def _directives(old: Dockerfile, new: Dockerfile) -> Iterable[str]:
    if old.directives != new.directives:
        yield "check-failed: the parser directives changed"


def _stages(old: Dockerfile, new: Dockerfile) -> Iterable[str]:
    """Every reference resolves, every stage is needed, names and casing are what BuildKit's checks accept."""
    names = [stage.name for stage in new.stages if stage.name]
    for name, count in Counter(names).items():
        if count > 1 and Counter(s.name for s in old.stages)[name] < count:
            yield f"check-failed: two stages are named {name}"
        if name in _RESERVED:
            yield f"check-failed: the stage name {name} is reserved"
    if old.final_stage.name is not None and new.final_stage.name != old.final_stage.name:
        yield f"check-failed: the final stage isn't named {old.final_stage.name} any more"
    external = {ref for stage in old.stages for i in stage.instructions for ref in _references(i)}
    reached = {len(new.stages) - 1}
    for index in range(len(new.stages) - 1, -1, -1):
        stage = new.stages[index]
        if index not in reached:
            continue
        parent = stage_index(new, base_image_text(new, stage), index)
        if parent is not None:
            reached.add(parent)
        for instruction in stage.instructions[1:]:
            for reference in _references(instruction):
                found = stage_index(new, reference, index)
                if found is None and reference not in external:
                    yield f"check-failed: --from={reference} names no earlier stage"
                elif found is not None:
                    reached.add(found)
    old_unreached = len(old.stages) - len(_reached(old))
    if len(new.stages) - len(reached) > old_unreached:
        yield "check-failed: a stage isn't needed by the final one, so that it would not be built"
    if _has_as_of_other_casing(new) and not _has_as_of_other_casing(old):
        yield "check-failed: the casing of AS isn't that of FROM"
    old_casing = {i.keyword_text.isupper() for i in old.all_instructions}
    if len(old_casing) == 1:
        for instruction in new.all_instructions:
            if instruction.keyword_text.isupper() not in old_casing:
                yield f"check-failed: the casing of {instruction.keyword_text} isn't that of the file"


def _has_as_of_other_casing(dockerfile: Dockerfile) -> bool:
    firsts = [stage.instructions[0] for stage in dockerfile.stages]
    return any(
        word.text.isupper() != first.keyword_text.isupper()
        for first in firsts
        for word in first.words
        if word.text.upper() == "AS"
    )


def _reached(dockerfile: Dockerfile) -> set[int]:
    reached = {len(dockerfile.stages) - 1}
    for index in range(len(dockerfile.stages) - 1, -1, -1):
        if index not in reached:
            continue
        stage = dockerfile.stages[index]
        parent = stage_index(dockerfile, base_image_text(dockerfile, stage), index)
        if parent is not None:
            reached.add(parent)
        for instruction in stage.instructions[1:]:
            for reference in _references(instruction):
                found = stage_index(dockerfile, reference, index)
                if found is not None:
                    reached.add(found)
    return reached


def _references(instruction: Instruction) -> tuple[str, ...]:
    """Return the stages or images that an instruction takes files from."""
    if instruction.keyword in ("COPY", "ADD"):
        name = instruction.flag("from")
        return (name,) if name else ()
    if instruction.keyword == "RUN":
        found = []
        for flag in instruction.flags:
            if flag.name == "mount" and flag.value:
                fields = dict(part.partition("=")[::2] for part in flag.value.split(","))
                if fields.get("from"):
                    found.append(fields["from"])
        return tuple(found)
    return ()


def _accounted(old: Dockerfile, new: Dockerfile, outcome: Changed) -> Iterable[str]:
    """No instruction and no comment is lost without a word."""
    left_out = {removal.line for removal in outcome.removals}
    kept = {instruction.line for instruction in new.all_instructions}
    reached = _reached(new)
    built = {instruction.line for index in reached for instruction in new.stages[index].instructions}
    was_built = {i.line for index in _reached(old) for i in old.stages[index].instructions}
    for instruction in old.all_instructions:
        if instruction.line not in kept and instruction.line not in left_out:
            yield f"check-failed: line {instruction.line} ({instruction.keyword}) is lost"
        if instruction.keyword == "RUN" and instruction.line in (kept & was_built) - built:
            yield f"check-failed: the RUN of line {instruction.line} would not be built"
    before = Counter(_comments(old, skip=left_out))
    after = Counter(_comments(new, skip=set()))
    for comment, count in before.items():
        if after[comment] < min(count, 1):
            yield f"check-failed: the comment `{comment[:60]}` is lost"


def _comments(dockerfile: Dockerfile, skip: set[int]) -> Iterable[str]:
    texts = [dockerfile.directives, dockerfile.trailing]
    for instruction in dockerfile.all_instructions:
        if instruction.line in skip:
            continue
        texts.append(instruction.leading)
        texts.extend(instruction.comments)
    for text in texts:
        for line in text.split("\n"):
            if line.strip().startswith("#"):
                yield line.strip()


def _configuration(old: Dockerfile, new: Dockerfile, outcome: Changed) -> Iterable[str]:
    """Find where the image's effective configuration isn't the same, field by field."""
    before = effective_config(old, len(old.stages) - 1)
    after = effective_config(new, len(new.stages) - 1)
    if outcome.replacement is not None:
        before = replaced_config(before, after, outcome.replacement)
    before = moved_config(before, outcome.moved)
    for difference in config_differences(before, after):
        yield f"check-failed: {difference}"


def _variables(old: Dockerfile, new: Dockerfile) -> Iterable[str]:
    """Every variable that an instruction of a new stage uses is declared there, if it was before."""
    unset_before = set(_undeclared(old))
    for keyword, name in _undeclared(new):
        if (keyword, name) not in unset_before:
            yield f"check-failed: ${name} of {keyword} isn't declared in its stage"


def _undeclared(dockerfile: Dockerfile) -> Iterable[tuple[str, str]]:
    global_names = {name for i in dockerfile.preamble for name, _ in i.pairs}
    known_of: list[set[str]] = []
    for index, stage in enumerate(dockerfile.stages):
        parent = stage_index(dockerfile, base_image_text(dockerfile, stage), index)
        known = set(known_of[parent]) if parent is not None else set()
        for name in variables.references(stage.image, dockerfile.escape) - global_names - _PREDEFINED:
            yield "FROM", name
        for instruction in stage.instructions[1:]:
            if instruction.keyword in ("ARG", "ENV"):
                for _, raw in instruction.pairs:
                    for used in variables.references(raw or "", dockerfile.escape) - known - _PREDEFINED:
                        yield instruction.keyword, used
                known |= {name for name, _ in instruction.pairs}
            elif instruction.keyword in (
                "COPY",
                "ADD",
                "WORKDIR",
                "USER",
                "EXPOSE",
                "VOLUME",
                "LABEL",
                "STOPSIGNAL",
            ) and (instruction.exec_form is None or instruction.keyword in ("COPY", "ADD", "VOLUME")):
                for used in variables.references(instruction.text, dockerfile.escape) - known - _PREDEFINED:
                    yield instruction.keyword, used
        known_of.append(known)


def _artifacts(before: View, new: Dockerfile) -> Iterable[str]:
    """Every path that is copied from a stage is made there, as far as the commands are understood."""
    old_copies = {
        " ".join(i.source.split())
        for s in before.dockerfile.stages
        for i in s.instructions
        if i.keyword == "COPY"
    }
    facts_of: dict[int, StageFacts] = {}
    for index, stage in enumerate(new.stages):
        for instruction in stage.instructions:
            if instruction.keyword != "COPY" or " ".join(instruction.source.split()) in old_copies:
                continue
            reference = instruction.flag("from")
            source_stage = stage_index(new, reference, index) if reference else None
            if source_stage is None:
                continue
            if source_stage not in facts_of:
                facts_of[source_stage] = _stage_facts(before, new, source_stage)
            words = instruction.exec_form or tuple(word.text for word in instruction.words)
            for word in words[:-1]:
                path = posixpath.normpath(posixpath.join("/", word))
                if not _is_made(path, facts_of[source_stage]):
                    yield f"check-failed: nothing in the stage {reference} makes {path}"


def _stage_facts(before: View, new: Dockerfile, index: int) -> StageFacts:
    from msrefactor_transforms.splitting.plan import interpreters

    stage = new.stages[index]
    parent = stage_index(new, base_image_text(new, stage), index)
    start: Scope | None = _stage_facts(before, new, parent).end if parent is not None else None
    return stage_facts(new, stage, before.context, interpreters(), start)


_FROM_THE_BASE = ("/usr", "/etc", "/lib", "/lib64", "/bin", "/sbin")
"""What the base image brings, or a language's installer leaves in the image's own folders."""


def _is_made(path: str, facts: StageFacts) -> bool:
    for fact in facts.facts:
        if is_under(fact.scope.cwd, path):
            return True
        if fact.placed:
            if any(_is_brought(path, placed, fact.scope.context) for placed in fact.placed):
                return True
        elif fact.destination is not None and overlaps(path, fact.destination):
            return True
        for effect in fact.effects:
            if any(overlaps(path, written) for written in effect.writes):
                return True
        # whose home or cache a tool chooses by itself
        if any(effect.role is Role.BUILD and not effect.writes for effect in fact.effects) and is_under(
            path, fact.scope.home
        ):
            return True
    return any(overlaps(path, folder) for folder in _FROM_THE_BASE)


def _is_brought(path: str, placed: Placed, context: BuildContext) -> bool:
    """Whether a copy of the context brings the path, or something into it."""
    if is_under(placed.destination, path):
        return True
    if not placed.is_folder or not is_under(path, placed.destination):
        return False
    inside = posixpath.relpath(path, placed.destination)
    return not context.known or context.exists(posixpath.normpath(posixpath.join(placed.source, inside)))


def _users(before: View, new: Dockerfile) -> Iterable[str]:
    """Find users that the final stage names and only the file before makes there."""
    old = before.dockerfile
    made_before, made_after = _users_made(before, old), _users_made(before, new)
    final = _stage_facts(before, new, len(new.stages) - 1)
    if any(fact.destination in ("/etc", "/etc/passwd") for fact in final.facts):
        return
    for fact in final.facts:
        named: set[str] = set()
        if fact.keyword == "USER":
            named.update(fact.instruction.arguments.split(":"))
        named.update((fact.instruction.flag("chown") or "").split(":"))
        named.update(user for effect in fact.effects for user in effect.mentions_users)
        for user in sorted(named & made_before - made_after):
            yield f"check-failed: the user {user} isn't made in the final stage"


def _users_made(before: View, dockerfile: Dockerfile) -> set[str]:
    """Return the users that the final stage and those it builds on make."""
    return {
        user
        for index in lineage(dockerfile, len(dockerfile.stages) - 1)
        for _, effect in _stage_facts(before, dockerfile, index).effects()
        for user in effect.users
    }


def _needs(before: View, new: Dockerfile, outcome: Changed) -> Iterable[str]:
    """Everything that the container uses was found, and the final stage's instructions really bring it."""
    for need in outcome.needs:
        if need.provider is None:
            yield f"need-not-found: {need.kind.value} {need.name} ({need.evidence})"
    if not outcome.needs or outcome.replacement is not None:
        return
    old = before.dockerfile
    own = lineage(new, len(new.stages) - 1)
    olds = [_stage_facts(before, old, index) for index in lineage(old, len(old.stages) - 1)]
    final = final_of(
        olds,
        [_stage_facts(before, new, index) for index in own],
        [_stage_facts(before, new, index) for index in range(len(new.stages)) if index not in own],
    )
    for need in outcome.needs:
        if need.provider is None or has(final, need):
            continue
        if need.kind is NeedKind.PATH and need.provider == COPIED and _never_had(olds, need.name):
            yield f"need-not-found: nothing brings {need.name} into the image as it is ({need.evidence})"
        else:
            yield f"check-failed: the final stage lacks the {need.kind.value} {need.name}: {need.provider}"


def _never_had(stages: Sequence[StageFacts], path: str) -> bool:
    """Whether no instruction copies a file, and no command writes at its place."""
    writes = [place for facts in stages for _, effect in facts.effects() for place in effect.writes]
    return not stages[-1].end.has(path) and not any(overlaps(path, place) for place in writes)


def _second_opinion(dockerfile: Dockerfile) -> Iterable[str]:
    """dockerfile-parse must see the same instructions and base images, where it can read the file at all."""
    if any(_is_misread(instruction) for instruction in dockerfile.all_instructions):
        return
    if dockerfile.directives.startswith("\ufeff") or dockerfile.escape != "\\":
        return
    import io
    import logging

    from dockerfile_parse import DockerfileParser

    logging.getLogger("dockerfile_parse").setLevel(logging.CRITICAL)
    text = dockerfile.render()
    data = text.encode("utf-8", "surrogateescape")
    try:
        parser = DockerfileParser(fileobj=io.BytesIO(data))
        structure = [entry for entry in parser.structure if entry["instruction"] != "COMMENT"]
        images = parser.parent_images
    except (UnicodeDecodeError, ValueError, KeyError, IndexError):
        yield "parsers-disagree: dockerfile-parse can't read it"
        return
    theirs = [entry["instruction"] for entry in structure]
    ours = [instruction.keyword for instruction in dockerfile.all_instructions]
    if theirs != ours:
        yield "parsers-disagree: dockerfile-parse sees other instructions"
    mine = [base_image_text(dockerfile, stage) for stage in dockerfile.stages]
    if not global_arguments(dockerfile) and images != mine and not any("$" in image for image in mine):
        yield f"parsers-disagree: dockerfile-parse sees the base images {', '.join(images)}"


def _is_misread(instruction: Instruction) -> bool:
    """Whether dockerfile-parse is known to read an instruction wrongly, as BuildKit's rules have it.

    It knows no heredocs, ends an instruction at a blank line inside a continuation, and takes two escape
    characters at the end of a line for a continuation.
    """
    if instruction.heredocs:
        return True
    lines = instruction.source.rstrip("\r\n").split("\n")
    return any(not line.strip() or line.rstrip().endswith("\\\\") for line in lines)
