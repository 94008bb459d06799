"""A RUN with cache mounts, and without what would defeat them."""

from __future__ import annotations

from collections.abc import Sequence

from msrefactor.facts import Fact, Scope, script_of
from msrefactor.tree import Instruction, Token
from msrefactor_transforms.cleaning.editing import Style, comments_in, with_command_before
from msrefactor_transforms.knowledge.package_caches import package_caches
from msrefactor_transforms.mounting.installs import Installs
from msrefactor_transforms.splitting.dividing import kept_items

KEEP_ARCHIVES = (
    "rm -f /etc/apt/apt.conf.d/docker-clean",
    "echo 'Binary::apt::APT::Keep-Downloaded-Packages \"true\";' > /etc/apt/apt.conf.d/keep-cache",
)
"""Without it Debian's and Ubuntu's images remove every package behind its installation."""


BY_ARCHITECTURE = ("apk", "zypper")
"""What they know of a repository has the same name for every architecture."""


def flags_of(installs: Installs) -> tuple[str, ...]:
    """Return the mounts of a RUN as the author would write them."""
    found: list[str] = []
    owner = installs.owner.fields if installs.owner is not None else ""
    for name, targets in installs.targets.items():
        entry = package_caches()[name]
        sharing = f",sharing={entry.sharing}" if entry.sharing != "shared" else ""
        for target in targets:
            own = _id(name, target, installs.fact.scope)
            found.append(f"--mount=type=cache{own},target={target}{sharing}{owner if name != 'apt' else ''}")
    return tuple(dict.fromkeys(found))


def _id(name: str, target: str, scope: Scope) -> str:
    """Return a name of its own for what depends on the distribution's release, or the architecture."""
    kinds = {"apk": "apk", "zypper": "zypp", "apt": "apt-lists" if target.endswith("lists") else "apt-cache"}
    parts = [kinds[name]] if name in kinds else []
    base = scope.base
    if name == "apt" and base.release:
        parts.append(base.release)
    elif name in ("apt", "zypper"):
        image = f"{base.reference.name}-{base.reference.tag or 'latest'}"
        parts += [part for part in image.replace(":", "/").split("/") if part]
    if name in BY_ARCHITECTURE and "TARGETARCH" in scope.arguments:
        parts.append("$TARGETARCH")
    return f",id={'-'.join(parts)}" if len(parts) > 1 else ""


def with_mounts(installs: Installs, style: Style, keeps_archives: bool) -> Instruction | None:
    """Return the RUN with its mounts; `keeps_archives`: with apt's preparation. None: it can't be written."""
    fact = installs.fact
    if fact.script is None or fact.offset is None:
        return None
    instruction: Instruction | None = fact.instruction
    if keeps_archives:
        instruction = _prepared(fact, style)
    if instruction is None:
        return None
    moved = len(instruction.source) - len(fact.instruction.source)
    edits = []
    for first, last, text in dict.fromkeys(installs.rewrites):
        start, end = fact.offset(first, last)
        edits.append((start + moved, end + moved, text))
    instruction = instruction.replaced(edits) if edits else instruction
    spans = [fact.offset(word.start, word.end) for word in installs.spare_words]
    tokens = [
        Token("", _after(edits, start + moved), _after(edits, end + moved))
        for start, end in dict.fromkeys(spans)
    ]
    instruction = instruction.without_words(tokens)
    if installs.spare_items:
        script, places = script_of(instruction, fact.scope)
        if script is None or places is None:
            return None
        more = len(script.items) - len(fact.script.items)
        gone = {position + more for position in installs.spare_items}
        kept = [position for position in range(len(script.items)) if position not in gone]
        if not kept:
            return None
        instruction = kept_items(instruction, script, places, kept)
    kept_comments = (*instruction.comments, *comments_in(instruction.leading))
    if any(comment not in kept_comments for comment in fact.instruction.comments):
        return None
    return _flagged(instruction, flags_of(installs), style)


def _after(edits: Sequence[tuple[int, int, str]], place: int) -> int:
    """Return where a place is once the edits before it are made."""
    return place + sum(len(text) - (end - start) for start, end, text in edits if end <= place)


def _prepared(fact: Fact, style: Style) -> Instruction | None:
    items = fact.script.items if fact.script is not None else ()
    is_set = len(items) > 1 and len(items[0].commands) == 1 and items[0].commands[0].name == "set"
    if is_set and fact.offset is not None:
        end = fact.offset(items[0].start, items[0].end)[1]
        is_set = "\n" in fact.instruction.source[end : fact.offset(items[1].start, items[1].end)[0]]
    rows = [row.rstrip() for row in fact.instruction.source.split("\n")]
    trails = any(row.endswith(f"&& {fact.instruction.escape}") for row in rows)
    leads = any(row.lstrip().startswith("&& ") for row in rows[1:])
    own = Style(_indent(fact.instruction, style), leads or (style.leads and not trails))
    command = own.glue(fact.instruction.escape).join(KEEP_ARCHIVES)
    return with_command_before(fact, 1 if is_set else 0, command, own)


def _flagged(instruction: Instruction, flags: Sequence[str], style: Style) -> Instruction | None:
    if not instruction.arguments:
        return None
    start = instruction.arguments_span(0, 1)[0]
    indent = _indent(instruction, style)
    glue = f" {instruction.escape}\n{indent}"
    return instruction.replaced([(start, start, "".join(flag + glue for flag in flags))])


def _indent(instruction: Instruction, style: Style) -> str:
    """Return how far in the RUN's own lines are, at most as far as the file's."""
    found = style.indent
    for row in instruction.source.rstrip("\r\n").split("\n")[1:]:
        body = row.lstrip(" \t")
        if body and not body.startswith("#") and 0 < len(row) - len(body) < len(found):
            found = row[: len(row) - len(body)]
    return found
