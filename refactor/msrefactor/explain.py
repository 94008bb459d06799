"""What happened to a file, in words for people: the lines on the terminal and the report of `--explain`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msrefactor.model import (
    REFUSALS,
    Change,
    Changed,
    Need,
    Phase,
    Refused,
    Result,
    Step,
    Suggested,
    Transform,
)

Paint = Callable[[str, str], str]
"""Gives a text a style: `paint("bold", text)`; without colour it gives the text back."""


def unpainted(style: str, text: str) -> str:
    """Give the text back."""
    return text


def printable(text: str, keep: str = "") -> str:
    r"""Return the text with everything that could steer a terminal written as an escape (`\x1b`, `\u202e`).

    Files are written by strangers: colours, cursor moves, text-direction marks and line ends in them must not
    change what the reader sees. Characters in `keep` stay.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in keep else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    """Write one character as Python would in a string; an undecodable byte as that byte."""
    if "\udc80" <= letter <= "\udcff":
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


def remedy_of(refusal: Refused) -> str:
    """Say what would lift the obstacle."""
    return refusal.remedy or REFUSALS.get(refusal.code, ("", ""))[1]


def line_of(path: str, refusal: Refused) -> int:
    """Return the line of the Dockerfile that a refusal is about; 1 where none is named."""
    return next((item.line for item in refusal.evidence if item.file == path and item.line is not None), 1)


def refusals_of(step: Step) -> tuple[Refused, ...]:
    """Return every obstacle that a transform met: its outcome, and what it tells beside it; no remarks."""
    outcome = step.outcome
    own = (outcome,) if isinstance(outcome, Refused) else ()
    return (*own, *outcome.told) if isinstance(outcome, Refused | Changed) else ()


def refusal_line(path: str, refusal: Refused) -> str:
    """`Dockerfile:7: refused: unknown-artifact: what was met; what would lift it`, in one line."""
    line = line_of(path, refusal)
    text = f"refused: {refusal.code}: {refusal.detail}"
    remedy = remedy_of(refusal)
    return printable(f"{path}:{line}: {text}; {remedy}" if remedy else f"{path}:{line}: {text}")


def change_lines(path: str, step: Step) -> Iterator[str]:
    """Yield `path:line:column: transform: reason` for each change, as compilers and editors write it."""
    if isinstance(step.outcome, Changed):
        for change in step.outcome.changes:
            yield printable(f"{path}:{change.line or 1}:1: {step.transform}: {change.reason}")


def saved_mb(result: Result) -> float | None:
    """Return the estimated decrease of the final image in megabytes; None when nobody estimated it."""
    known = [
        change.saved_mb
        for step in result.steps
        if isinstance(step.outcome, Changed)
        for change in step.outcome.changes
        if change.saved_mb is not None
    ]
    return sum(known) if known else None


def transform_list(transforms: Sequence[Transform]) -> str:
    """Return one line for each transform, in the order in which they run."""
    width = max((len(transform.name) for transform in transforms), default=0)
    phases = max(len(phase.name) for phase in Phase)
    lines = (
        f"{number:2}  {item.name:<{width}}  {item.phase.name.lower():<{phases}}  {item.summary}"
        + ("" if item.by_default else " (only when selected)")
        for number, item in enumerate(transforms, 1)
    )
    return "".join(f"{line}\n" for line in lines)


def transform_table(transforms: Sequence[Transform]) -> str:
    """Return the Markdown table of the README, in the order in which the transforms run."""
    rows = (
        f"| `{item.name}` | {item.phase.name.lower()} | {item.summary}"
        f"{'' if item.by_default else ' (only when selected)'} |\n"
        for item in transforms
    )
    return "| transform | phase | what it does |\n|---|---|---|\n" + "".join(rows)


def explain(result: Result, path: str, paint: Paint = unpainted) -> str:
    """Return the whole story of one file: each transform's changes or obstacle, and the needs table.

    A line begins with the path or with spaces, so that a report after a diff is no part of the diff.
    """
    lines = [paint("bold", f"{printable(path)}: {_verdict(result)}")]
    lines += [f"  set: {printable(origin)}" for origin in result.origins]
    lines += [f"  pragma: {printable(warning)}" for warning in result.warnings]
    for step in result.steps:
        lines += [f"  {line}" for line in _step_lines(step, paint)]
    return "".join(f"{line}\n" for line in lines)


def _verdict(result: Result) -> str:
    """Say in a few words how it ended for the file."""
    if result.error is not None:
        return f"not read: {printable(result.error)}"
    if result.internal_error is not None:
        return f"left alone, internal error: {printable(result.internal_error)}"
    if result.is_changed:
        saved = saved_mb(result)
        return "changed" if saved is None else f"changed, the final image loses about {_megabytes(saved)}"
    refusals = [step.outcome for step in result.steps if isinstance(step.outcome, Refused)]
    if refusals and all(refusal.is_asked_for for refusal in refusals):
        return "left as its pragmas ask"
    if refusals:
        return "refused, left as it is"
    return "nothing to change"


def _step_lines(step: Step, paint: Paint) -> Iterator[str]:
    """Tell one transform's turn."""
    outcome = step.outcome
    if isinstance(outcome, Changed):
        yield f"{paint('green', step.transform)}: changed ({outcome.risk.value})"
        for change in outcome.changes:
            yield from (f"  {line}" for line in _change_lines(change))
        for removal in outcome.removals:
            yield f"  - line {removal.line} is left out: {printable(removal.reason)}"
        if outcome.needs:
            yield "  what the running container uses, and where the final stage has it:"
            yield from (f"    {line}" for line in _needs_table(outcome.needs))
        yield from (f"  {line}" for item in outcome.told for line in _told_lines("left to you", item))
    elif isinstance(outcome, Suggested):
        yield f"{paint('cyan', step.transform)}: suggested; --select {step.transform} makes the change"
        for change in outcome.changes:
            yield from (f"  {line}" for line in _change_lines(change))
    elif isinstance(outcome, Refused):
        name = paint("yellow", step.transform)
        for item in (outcome, *outcome.told):
            yield from _told_lines(f"{name}: refused", item)
    else:
        yield f"{step.transform}: nothing to do: {printable(outcome.reason)}"
        yield from (f"  {line}" for item in outcome.told for line in _told_lines("worth knowing", item))


def _told_lines(head: str, refusal: Refused) -> Iterator[str]:
    """Tell one obstacle: what was met, what it means, where, and what would lift it."""
    yield f"{head}: {printable(refusal.code)}: {printable(refusal.detail)}"
    meaning = REFUSALS.get(refusal.code, ("", ""))[0]
    if meaning:
        yield f"  obstacle: {meaning}"
    yield from (f"  seen at {printable(str(item))}" for item in refusal.evidence)
    remedy = remedy_of(refusal)
    if remedy:
        yield f"  to lift it: {printable(remedy)}"


def _change_lines(change: Change) -> Iterator[str]:
    """Tell one change: reason, risk, evidence, assumptions, saving."""
    place = "" if change.line is None else f"line {change.line}: "
    yield f"- {place}{printable(change.reason)} ({change.risk.value})"
    yield from (f"  because {printable(str(item))}" for item in change.evidence)
    yield from (f"  assumes {printable(text)}" for text in change.assumptions)
    if change.saved_mb is not None:
        yield f"  saves about {_megabytes(change.saved_mb)} (estimate)"


def _needs_table(needs: Sequence[Need]) -> Iterator[str]:
    """Yield the rows `kind name  who says so  where it is`, in columns."""
    head = ("need", "name", "who says so", "found in")
    rows = [head, *(_need_row(need) for need in needs)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[3]])


def _need_row(need: Need) -> tuple[str, str, str, str]:
    """Return the cells of one need."""
    return (
        need.kind.value,
        printable(need.name),
        _short(printable(str(need.evidence))),
        printable(need.provider) if need.provider is not None else "NOT FOUND",
    )


def _short(text: str) -> str:
    """Cut a cell that would push the last column off the screen."""
    return text if len(text) <= 60 else text[:59] + "…"


def _megabytes(size: float) -> str:
    """`768 MB`; one decimal below ten."""
    return f"{size:.0f} MB" if abs(size) >= 10 else f"{size:.1f} MB"
