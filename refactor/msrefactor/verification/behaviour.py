"""What both containers did, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from msrefactor.verification.containers import Answer, Behaviour
from msrefactor.verification.differences import Difference, Level, unequal

COMPLAINTS = (
    "ModuleNotFoundError",
    "ImportError",
    "Cannot find module",
    "cannot open shared object file",
    "command not found",
    "executable file not found",
    "No such file or directory",
    "ENOENT",
    "Permission denied",
    "EACCES",
)
"""Words in a log that tell of something missing."""


_FIELDS = ("error", "status", "content_type", "location", "cache_control", "encoding", "body")
_SAME_TYPES = {"application/javascript": "text/javascript", "application/xml": "text/xml"}


def behaviour_differences(
    before: Behaviour, after: Behaviour, *, is_replaced: bool = False
) -> tuple[Difference, ...]:
    """Return every way in which what the containers did differs; `is_replaced`: by another server."""
    return tuple(_behaviour_differences(before, after, is_replaced=is_replaced))


def _differ(subject: str, before: object, after: object, cause: str = "") -> Iterator[Difference]:
    return unequal(Level.RUN, subject, before, after, cause)


def _behaviour_differences(before: Behaviour, after: Behaviour, *, is_replaced: bool) -> Iterator[Difference]:
    yield from _differ("start", before.start_error, after.start_error)
    yield from _differ("ended by itself", before.has_ended, after.has_ended, _last_words(after))
    if not is_replaced or before.has_ended:
        # what a server ends with when it is stopped is its own affair
        yield from _differ("exit code", before.exit_code, after.exit_code, _how(after))
    yield from _differ("listening ports", before.ports, after.ports)
    yield from _differ("health", before.health, after.health)
    yield from _differ("commands beside it", before.commands, after.commands)
    if before.has_ended:
        yield from _differ("standard output", before.stdout, after.stdout)
    yield from _differ("number of answers", len(before.answers), len(after.answers))
    answers, new_answers = (
        [_meant(answer) if is_replaced else answer for answer in one.answers] for one in (before, after)
    )
    for old, new in zip(answers, new_answers, strict=False):
        for field in _FIELDS:
            yield from _differ(f"{asked(old)}: {field}", getattr(old, field), getattr(new, field))
    for word in COMPLAINTS:
        if word in after.stdout + after.stderr and word not in before.stdout + before.stderr:
            line = next(one for one in (after.stdout + after.stderr).splitlines() if word in one)
            yield Difference(
                Level.RUN,
                "log",
                "no complaint",
                repr(word),
                f"only the refactored container says {line.strip()!r}",
            )


def _last_words(behaviour: Behaviour) -> str:
    """Return the last line that a container that ended wrote, as the cause of its end."""
    lines = (behaviour.stdout + "\n" + behaviour.stderr).strip().splitlines()
    return f"it said last: {lines[-1].strip()}" if behaviour.has_ended and lines else ""


def _how(behaviour: Behaviour) -> str:
    if not behaviour.has_ended and behaviour.exit_code == 137:
        return "it had to be killed: the stop signal did not end it"
    return _last_words(behaviour) if behaviour.exit_code else ""


def asked(answer: Answer) -> str:
    """Return the request as people write it."""
    return answer.path if " " in answer.path else f"GET {answer.path}"


def _meant(answer: Answer) -> Answer:
    """Return what an answer means to a browser: another server has other names for it, and its own errors."""
    kind, _, parameters = (answer.content_type or "").lower().partition(";")
    charset = "" if parameters.strip() == "charset=utf-8" else parameters.strip()
    kind = f"{_SAME_TYPES.get(kind.strip(), kind.strip())} {charset}".strip()
    if answer.status is not None and answer.status >= 300:
        location = answer.location.removeprefix("http://localhost") if answer.location else None
        return replace(answer, content_type=None, location=location, body=b"", cache_control=None)
    return replace(answer, content_type=kind)
