"""The way of the data: text in, a fold over the transforms, a checked `Result` out."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from msrefactor.context import BuildContext, locate
from msrefactor.errors import BadInput
from msrefactor.knowledge.images import mirrored
from msrefactor.mirrors import base_findings, with_mirrors
from msrefactor.model import (
    REFUSALS,
    Changed,
    Outcome,
    Phase,
    Refused,
    Result,
    Risk,
    Settings,
    Step,
    Suggested,
    Transform,
    Unchanged,
    View,
)
from msrefactor.parse import parse
from msrefactor.pragmas import MARK, Pragmas, kept_by, read_pragmas, restrained
from msrefactor.source import read_source
from msrefactor.uses import find_uses

if TYPE_CHECKING:
    from msrefactor.tree import Dockerfile
    from msrefactor.uses import Use

Check: TypeAlias = Callable[[View, "Dockerfile", Changed, Transform], tuple[str, ...]]
"""Says what is wrong with a transform's result; nothing means proved."""
_NO_TREE = parse("FROM scratch\n")


def transforms() -> tuple[Transform, ...]:
    """Return every transform of the package `msrefactor_transforms`, in the order in which they run.

    A module that has a `TRANSFORM` is one; sub-packages and modules that begin with an underscore are not.
    """
    import importlib
    import pkgutil

    import msrefactor_transforms

    found = []
    for module in pkgutil.iter_modules(msrefactor_transforms.__path__):
        if module.ispkg or module.name.startswith("_"):
            continue
        transform = getattr(
            importlib.import_module(f"msrefactor_transforms.{module.name}"), "TRANSFORM", None
        )
        if isinstance(transform, Transform):
            found.append(transform)
    return tuple(sorted(found, key=lambda transform: (transform.phase, transform.name)))


def chosen(every: Sequence[Transform], settings: Settings) -> tuple[Transform, ...]:
    """Return the transforms that the settings ask for, in their order."""
    return tuple(
        transform
        for transform in every
        if transform.name not in settings.ignore
        and (
            transform.name in settings.select
            if settings.select
            else transform.by_default or (transform.is_suggestion and settings.suggestions)
        )
    )


def writes_beside(settings: Settings) -> bool:
    """Whether a transform that the settings ask for works on files beside the Dockerfile."""
    return any(transform.phase is Phase.CONTEXT for transform in chosen(_every_transform(), settings))


def without_trees(result: Result) -> Result:
    """Return the result without the tree after each step: all that is shown or written is in the rest."""
    return replace(
        result,
        steps=tuple(
            replace(step, outcome=replace(step.outcome, dockerfile=_NO_TREE))
            if isinstance(step.outcome, Changed)
            else step
            for step in result.steps
        ),
    )


def refactor_file(
    path: Path,
    settings: Settings,
    context_override: Path | None = None,
    *,
    transforms: Sequence[Transform] | None = None,
    check: Check | None = None,
) -> Result:
    """Read a file, find its build context, and rewrite its text; nothing is written."""
    try:
        source = read_source(path)
    except BadInput as error:
        return Result(path, "", "", error=_placed(error))
    except OSError as error:
        return Result(path, "", "", error=f"1:1: can't be read: {error.strerror or error}")
    return refactor_source(source.text, path, settings, context_override, transforms=transforms, check=check)


def refactor_source(
    text: str,
    path: Path | None,
    settings: Settings,
    context_override: Path | None = None,
    *,
    transforms: Sequence[Transform] | None = None,
    check: Check | None = None,
) -> Result:
    """Find the build context of a text that lies, or would lie, at this path, and rewrite it."""
    try:
        if path is not None:
            context = locate(path, parse(text), context_override)
        elif context_override is not None:
            context = BuildContext.open(context_override)
        else:
            context = BuildContext.unknown()
        uses = find_uses(context, path)
    except BadInput as error:
        return Result(path, text, text, error=_placed(error))
    except Exception as error:  # noqa: BLE001  a bug of ours must not end a run over many files
        return Result(path, text, text, internal_error=where(error))
    return refactor_text(text, path, context, uses, settings, transforms=transforms, check=check)


def refactor_text(
    text: str,
    path: Path | None,
    context: BuildContext,
    uses: tuple[Use, ...],
    settings: Settings,
    *,
    transforms: Sequence[Transform] | None = None,
    check: Check | None = None,
) -> Result:
    """Run the transforms over a text, one after the other, and prove every change before the next one.

    The text comes back as it was when it can't be parsed (`error`) and when the proof finds a fault of ours
    (`internal_error`).
    """
    prove = check if check is not None else _the_check()
    every = _every_transform() if transforms is None else transforms
    unchanged = Result(path, text, text, origins=settings.origins)
    try:
        dockerfile = parse(text)
        if dockerfile.render() != text:
            return replace(unchanged, internal_error="the parsed file doesn't print as it was read")
        selected = chosen(every, settings)
        view = View(dockerfile, context, uses, path, settings)
        pragmas = _pragmas(dockerfile, settings, every)
        if pragmas.whole_file is not None:
            kept = kept_by(view, pragmas.whole_file)
            return replace(unchanged, steps=(Step("every transform", kept),), warnings=pragmas.warnings)
        with mirrored(settings.base_images):
            end = _fold(view, selected, prove, pragmas)
        if end.fault is not None:
            return replace(unchanged, steps=end.steps, internal_error=end.fault)
        after = end.dockerfile.render()
        if after != text:
            again = View(parse(after), context, uses, path, settings)
            with mirrored(settings.base_images):
                unstable = _second_change(again, selected, _pragmas(again.dockerfile, settings, every), prove)
            if unstable is not None:
                return replace(
                    unchanged, steps=end.steps, internal_error=f"{unstable}: a second run changes more"
                )
    except BadInput as error:
        return replace(unchanged, error=_placed(error))
    except Exception as error:  # noqa: BLE001  a bug of ours must not end a run over many files
        return replace(unchanged, internal_error=where(error))
    others = tuple(
        other for step in end.steps if isinstance(step.outcome, Changed) for other in step.outcome.others
    )
    warnings = (*pragmas.warnings, *_unused(pragmas, end, selected, settings))
    return replace(unchanged, after=after, steps=end.steps, others=others, warnings=warnings)


@dataclass(frozen=True, slots=True)
class _End:
    """Where the fold came to."""

    dockerfile: Dockerfile
    steps: tuple[Step, ...]
    fault: str | None = None
    """What the check found wrong with a transform's result."""
    stopped: frozenset[tuple[int, str]] = frozenset()
    """The lines of the pragmas that forbade something, and the transforms that wanted it."""


def _fold(view: View, selected: Sequence[Transform], check: Check, pragmas: Pragmas) -> _End:
    """Give each transform the tree that the ones before it left."""
    steps: tuple[Step, ...] = ()
    stopped: set[tuple[int, str]] = set()
    for transform in selected:
        try:
            outcome, left_out, lines = _asked(transform, view, pragmas)
            stopped.update((line, transform.name) for line in lines)
            findings: tuple[str, ...] = ()
            if isinstance(outcome, Changed):
                findings = check(view, outcome.dockerfile, outcome, transform)
                findings = findings or base_findings(view, outcome.dockerfile)
                if not findings and transform.is_suggestion and transform.name not in view.settings.select:
                    outcome = Suggested(outcome.changes)
        except Exception as error:  # noqa: BLE001  told as an internal error, with the place
            return _End(view.dockerfile, steps, f"{transform.name}: {where(error)}")
        if findings:
            refusal, is_ours = _refusal(findings)
            steps += (Step(transform.name, refusal),)
            if is_ours:
                return _End(view.dockerfile, steps, f"{transform.name}: {refusal.detail}")
            continue
        steps += (Step(transform.name, outcome), *(Step(transform.name, one) for one in left_out))
        if isinstance(outcome, Changed):
            view = replace(view, dockerfile=outcome.dockerfile)
    return _End(view.dockerfile, steps, stopped=frozenset(stopped))


def _asked(
    transform: Transform, view: View, pragmas: Pragmas
) -> tuple[Outcome, tuple[Refused, ...], frozenset[int]]:
    """Return what a transform makes of the file as far as settings and pragmas allow it.

    Then the edits that were left out, and the lines of the pragmas that are why.
    """
    settings = view.settings.of(transform.name)
    outcome = _allowed(transform.apply(replace(view, settings=settings)), settings)
    if isinstance(outcome, Changed):
        outcome = with_mirrors(view, outcome)
    if isinstance(outcome, Changed) and _is_the_same(outcome, view):
        outcome = Unchanged("the result is the file as it was")
    if isinstance(outcome, Changed) and pragmas.every:
        return restrained(view, outcome, transform, pragmas)
    return outcome, (), frozenset()


def _pragmas(dockerfile: Dockerfile, settings: Settings, every: Sequence[Transform]) -> Pragmas:
    """Return the pragmas that are to be obeyed."""
    if not settings.pragmas or MARK not in dockerfile.render():
        return Pragmas()
    return read_pragmas(dockerfile, [transform.name for transform in every])


def _unused(
    pragmas: Pragmas, end: _End, selected: Sequence[Transform], settings: Settings
) -> tuple[str, ...]:
    ran = frozenset(transform.name for transform in selected)
    ran_all = not (settings.select or settings.ignore)
    return tuple(pragmas.unused(end.stopped, ran, ran_all=ran_all))


def _is_the_same(outcome: Changed, view: View) -> bool:
    return not outcome.others and outcome.dockerfile.render() == view.dockerfile.render()


def _allowed(outcome: Outcome, settings: Settings) -> Outcome:
    """Turn a change that the settings don't allow into a refusal that names what it rests on."""
    if not isinstance(outcome, Changed) or outcome.risk is Risk.SAFE:
        return outcome
    if outcome.risk is Risk.REVIEW and settings.unsafe:
        return outcome
    doubtful = tuple(change for change in outcome.changes if change.risk is not Risk.SAFE)
    assumptions = tuple(dict.fromkeys(text for change in doubtful for text in change.assumptions))
    evidence = tuple(dict.fromkeys(item for change in doubtful for item in change.evidence))
    detail = "; ".join(assumptions or [change.reason for change in doubtful])
    if outcome.risk is Risk.SUGGEST:
        return Refused("unproved", detail, evidence, remedy="make the change by hand if it holds for you")
    return Refused("unproved", detail, evidence)


def _refusal(findings: tuple[str, ...]) -> tuple[Refused, bool]:
    """Turn the check's findings (`obstacle: what`) into a refusal, and say whether the fault is ours."""
    ours = [
        finding.removeprefix("check-failed: ")
        for finding in findings
        if finding.partition(": ")[0] not in REFUSALS or finding.startswith("check-failed: ")
    ]
    if ours:
        return Refused("check-failed", "; ".join(ours)), True
    named = [(code, detail) for code, _, detail in (finding.partition(": ") for finding in findings)]
    first = named[0][0]
    return Refused(first, "; ".join(detail for code, detail in named if code == first)), False


def _second_change(view: View, selected: Sequence[Transform], pragmas: Pragmas, check: Check) -> str | None:
    """Return the first transform that would change its own run's result again."""
    for transform in selected:
        outcome, _, _ = _asked(transform, view, pragmas)
        if not isinstance(outcome, Changed) or outcome.dockerfile.render() == view.dockerfile.render():
            continue
        findings = check(view, outcome.dockerfile, outcome, transform)
        if not findings or _refusal(findings)[1]:  # else it is refused again, for what the file has
            return transform.name
    return None


def _every_transform() -> tuple[Transform, ...]:
    """Return `transforms()`, for the function that has a parameter of that name."""
    return transforms()


def _the_check() -> Check:
    """Return the static proof."""
    from msrefactor import check

    return check.check


def _placed(error: BadInput) -> str:
    """`line:column: message`."""
    return f"{error.line}:{error.column}: {error}"


def where(error: Exception) -> str:
    """Say what went wrong and where in our code, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{place}: {text}" if text else f"{type(error).__name__}{place}"
