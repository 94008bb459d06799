"""Small transforms for the tests of the pipeline and the command line, and a program that runs with them.

What each does depends on one word in the Dockerfile, so that a test says in one line what is to happen.
"""

from __future__ import annotations

import sys
import time

from msrefactor.model import (
    Change,
    Changed,
    Evidence,
    Need,
    NeedKind,
    Outcome,
    Phase,
    Refused,
    Removal,
    Risk,
    Transform,
    Unchanged,
    View,
)
from msrefactor.tree import Dockerfile, Instruction

PYTHON = 'FROM python:3.12\nCMD ["python", "app.py"]\n'
"""`name-stage` changes it."""
NAMED = 'FROM python:3.12 AS app\nCMD ["python", "app.py"]\n'
"""What comes out."""
NGINX = "FROM nginx\n"
"""Nothing to do."""
MAKE = "FROM nginx\nRUN make\n"
"""`find-artifact` refuses it."""
LABEL = "FROM nginx\nLABEL a=b\n"
"""`drop-label` would change it, on an assumption."""
NAP = "FROM nginx\nENV NAP=1\n"
"""Takes a tenth of a second."""
BROKEN = "FROM nginx\nENV BROKEN=1\n"
"""`divide` raises an exception."""
TEMPLATE = "FROM nginx\nRUN {{ cookiecutter.run }}\n"
"""Can't be parsed."""


def first(view: View, word: str) -> Instruction | None:
    """Return the first instruction that has the word."""
    return next((item for item in view.dockerfile.all_instructions if word in item.source), None)


def seen(view: View, instruction: Instruction) -> tuple[Evidence, ...]:
    return (Evidence(view.name, instruction.line, instruction.source.strip()),)


def name_stage(view: View) -> Outcome:
    stage = view.dockerfile.final_stage
    if stage.name is not None or not stage.image.startswith("python"):
        return Unchanged("the stage has a name")
    tree = view.dockerfile.with_stages((*view.dockerfile.stages[:-1], stage.with_name("app")))
    evidence = seen(view, stage.instructions[0])
    command = seen(view, stage.instructions[-1])[0]
    needs = (
        Need(NeedKind.COMMAND, "python", command, "the base image python:3.12"),
        Need(NeedKind.PATH, "/app/app.py", command, None),
    )
    change = Change("the stage has a name to copy from", line=1, evidence=evidence, saved_mb=120.4)
    return Changed(tree, (change,), needs=needs)


def find_artifact(view: View) -> Outcome:
    step = first(view, "make")
    if step is None:
        return Unchanged("nothing is built")
    return Refused("unknown-artifact", "`make` builds something, but what isn't known", seen(view, step))


def drop_label(view: View) -> Outcome:
    label = first(view, "LABEL")
    if label is None:
        return Unchanged("there is no label")
    stage = view.dockerfile.final_stage
    tree = view.dockerfile.with_stages((stage.without(stage.instructions.index(label)),))
    change = Change(
        "the label goes", Risk.REVIEW, label.line, seen(view, label), assumptions=("nobody reads the label",)
    )
    return Changed(tree, (change,), (Removal(label.line or 0, "nobody reads it"),))


def suggest(view: View) -> Outcome:
    if first(view, "SUGGEST") is None:
        return Unchanged("nothing to suggest")
    return Changed(view.dockerfile.with_stages(()), (Change("the file could be empty", Risk.SUGGEST),))


def divide(view: View) -> Outcome:
    if first(view, "BROKEN") is not None:
        raise ZeroDivisionError("by\nzero")
    return Unchanged("nothing to divide")


def sleep(view: View) -> Outcome:
    if first(view, "SLOW") is not None:
        time.sleep(60)
    if first(view, "NAP") is not None:
        time.sleep(0.1)
    return Unchanged("not slow")


def grow(view: View) -> Outcome:
    env = first(view, "UNSTABLE")
    if env is None:
        return Unchanged("nothing grows")
    stage = view.dockerfile.final_stage
    index = stage.instructions.index(env)
    tree = view.dockerfile.with_stages((stage.replace(index, env, Instruction.new("ENV UNSTABLE=more\n")),))
    return Changed(tree, (Change("one more"),))


FAKES = (
    Transform("find-artifact", "Says what make builds.", Phase.SPLIT, find_artifact),
    Transform("name-stage", "Names the final stage.", Phase.SPLIT, name_stage),
    Transform("drop-label", "Removes labels.", Phase.SHRINK, drop_label),
    Transform("grow", "Never comes to an end.", Phase.SHRINK, grow, by_default=False),
    Transform("suggest", "Has ideas.", Phase.SHRINK, suggest),
    Transform("divide", "Divides by zero.", Phase.CLEAN, divide),
    Transform("sleep", "Takes its time.", Phase.CLEAN, sleep),
)


def approve(_before: View, _after: Dockerfile, _outcome: Changed, _transform: Transform) -> tuple[str, ...]:
    """Find nothing wrong."""
    return ()


def main() -> int:
    """Run the command line with these transforms, in a process of its own."""
    from msrefactor import cli, pipeline

    pipeline.transforms = lambda: FAKES
    pipeline._the_check = lambda: approve
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
