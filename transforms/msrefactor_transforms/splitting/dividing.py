"""A RUN divided at command boundaries: what stays keeps its words, its line breaks and its comments."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from msrefactor.shell import Script
from msrefactor.tree import Instruction

Mapper = Callable[[int, int], tuple[int, int]]


def kept_items(
    instruction: Instruction,
    script: Script,
    spans: Mapper,
    kept: Sequence[int],
    changes: Sequence[tuple[int, int, str]] = (),
) -> Instruction:
    """Return the RUN with only the items at these positions of its script.

    Between two items that stay, what stood before the later one stays (its separator, its line break, its
    comments), so that the author's way of breaking lines is kept. `changes` are new texts for commands, by
    their places in the script.
    """
    items = script.items
    wanted = sorted(set(kept))
    edits = [
        (*spans(start, end), text)
        for start, end, text in changes
        if any(items[n].start <= start and end <= items[n].end for n in wanted)
    ]
    if len(wanted) == len(items):
        return instruction.replaced(edits) if edits else instruction
    first = wanted[0]
    if first > 0:
        edits.append(
            (spans(items[0].start, items[0].end)[0], spans(items[first].start, items[first].end)[0], "")
        )
    for left, right in itertools.pairwise(wanted):
        if right > left + 1:
            end = spans(items[left].start, items[left].end)[1]
            last_gone = items[right - 1]
            edits.append((end, spans(last_gone.start, last_gone.end)[1], ""))
    last = wanted[-1]
    if last < len(items) - 1:
        end = spans(items[last].start, items[last].end)[1]
        tail = items[-1]
        stop = spans(tail.start, tail.end)[1]
        if tail.separator:
            stop = spans(tail.separator_start, tail.separator_end)[1]
        edits.append((end, stop, ""))
    return instruction.replaced(edits)
