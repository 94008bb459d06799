"""Each marked fixture is built before and after msrefactor, started both ways, and compared."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest

from msrefactor.verification.containers import Behaviour
from msrefactor.verification.engines import Engine

from .cases import FIXTURES, Case, marked_folders, read
from .trial import build, promise_unmet, start, try_both
from .waste import Waste, base_of, waste_of_image

pytestmark = pytest.mark.e2e

FOLDERS = marked_folders()
MEGABYTE = 1_000_000
LARGEST_SHARE = {"flask-single-stage": 0.25}
"""How much of the original's size a refactored image may have at most; elsewhere it must be smaller."""
SMALLER = 0.9999999
CLEANING = (
    "join-update-and-install", "clean-package-lists", "clean-package-caches", "remove-temporary-files",
    "pipeline",
)  # fmt: skip
SAME_WASTE = 0.001
LARGEST_WASTE = 0.01
"""How much of the layers may be what later ones remove or replace, package lists and caches."""
REBUILD_SECONDS = 20
"""A rebuild that takes longer is broken off: its time is only told, and the whole run must stay short."""
COMMENT = {".py": "#", ".js": "//", ".mjs": "//", ".cjs": "//", ".ts": "//", ".go": "//"}


def name(folder: Path) -> str:
    """A case as the table and the test's id call it."""
    return folder.relative_to(FIXTURES).as_posix()


def test_fixtures_are_marked() -> None:
    assert FOLDERS, f"no case.toml under {FIXTURES} has a [run] table"


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_real_build(folder: Path, engine: Engine, tmp_path: Path, add_row: Callable[..., None]) -> None:
    case = read(folder)
    before = shutil.copytree(case.context, tmp_path / "before", symlinks=True)
    after = shutil.copytree(case.context, tmp_path / "after", symlinks=True)
    old_file, new_file = (context / case.dockerfile for context in (before, after))
    refactor(after, case)
    is_changed = new_file.read_bytes() != old_file.read_bytes()
    assert is_changed == (case.outcome == "changed"), (
        f"outcome {case.outcome}, but is_changed is {is_changed}"
    )

    tags = (engine.tag(f"{name(folder)}-before"), engine.tag(f"{name(folder)}-after"))
    if not is_changed:
        old_build = build(engine, case.run, tags[0], before, case.dockerfile)
        if not old_build.succeeded:
            fail("the original doesn't build", old_file, old_build.log)
        alone = start(engine, case.run, tags[0])
        if missing := promise_unmet(case.run, alone):
            fail("the original doesn't work", old_file, missing, alone)
        return
    if case.run.original == "fails-to-build":
        check_repaired_build(engine, case, tags, before, after)
        return
    with ThreadPoolExecutor(2) as pool:
        builds = pool.map(
            build, repeat(engine), repeat(case.run), tags, (before, after), repeat(case.dockerfile)
        )
    for ended, file in zip(builds, (old_file, new_file), strict=True):
        if not ended.succeeded:
            fail(f"the Dockerfile {file.parent.name} the refactoring doesn't build", file, ended.log)

    with ThreadPoolExecutor(1) as pool:
        # the containers are mostly waited for, so that this costs next to nothing
        measured = pool.submit(waste_of_image, tags[1], base_of(new_file, case.run.base_images))
        trial = try_both(engine, case.run, *tags, old_file.read_text(errors="replace"))
        waste = measured.result()
    wrong = [*trial.wrong, *wasted(case, tags[0], old_file, waste)]
    limit = LARGEST_SHARE.get(folder.name, 0.15 if case.run.server is not None else SMALLER)
    if name(folder).startswith("reorder-"):
        limit = 1.01
    if case.run.original in ("works", "answers-otherwise") and trial.share > limit:
        wrong.append(f"the image has {trial.share:.1%} of the original's size")
    add_row(
        name(folder),
        f"{trial.old_image.size / MEGABYTE:.0f}",
        f"{trial.new_image.size / MEGABYTE:.0f}",
        f"{trial.share:.1%}",
        f"{waste.share:.1%}",
        *(("-", "-") if wrong else rebuild_seconds(engine, case, before, after)),
    )
    if wrong:
        fail("the refactored image isn't as good as the original", new_file, wrong, trial.old, trial.new)


def wasted(case: Case, old_tag: str, old_file: Path, waste: Waste) -> list[str]:
    """Why the new image wastes too much.

    What cleans has to leave next to nothing, and less than before. Everything else may leave the caches that
    its author leaves, and makes no layers that lose what is in earlier ones.
    """
    cleans = name(case.folder).partition("/")[0] in CLEANING
    share = waste.share if cleans else waste.lost / (waste.total or 1)
    if share <= LARGEST_WASTE and not cleans:
        return []
    old = waste_of_image(old_tag, base_of(old_file, case.run.base_images))
    old_share = old.share if cleans else old.lost / (old.total or 1)
    told = f"{old_share:.2%} of the layers are waste before, {share:.2%} after"
    if cleans:
        return [told] if share > LARGEST_WASTE or share >= old_share else []
    return [told] if share > old_share + SAME_WASTE else []


def check_repaired_build(
    engine: Engine, case: Case, tags: tuple[str, str], before: Path, after: Path
) -> None:
    """The original must not build, for the reason that the case names; what came of it must work."""
    old_file, new_file = (context / case.dockerfile for context in (before, after))
    old_build = build(engine, case.run, tags[0], before, case.dockerfile)
    if old_build.succeeded:
        fail("the original builds, and should not", old_file, old_build.log)
    if (case.run.original_error or "") not in old_build.log:
        fail(f"the original fails without {case.run.original_error!r}", old_file, old_build.log)
    new_build = build(engine, case.run, tags[1], after, case.dockerfile)
    if not new_build.succeeded:
        fail("the repaired file doesn't build", new_file, new_build.log)
    alone = start(engine, case.run, tags[1])
    if missing := promise_unmet(case.run, alone):
        fail("the repaired image doesn't work", new_file, missing, alone)


def refactor(context: Path, case: Case) -> None:
    """Run the tool on a context as a user does."""
    command = [sys.executable, "-m", "msrefactor", "--write", *case.options, case.dockerfile]
    ended = subprocess.run(command, cwd=context, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, f"{' '.join(command[1:])} ended with {ended.returncode}:\n{ended.stderr}"


def rebuild_seconds(engine: Engine, case: Case, *contexts: Path) -> tuple[str, ...]:
    """How long the builds take after one source file changed, in words; `-` if the case names none.

    Both run at the same time, as the first ones did: that halves the test's time and favours neither.
    """
    with ThreadPoolExecutor(len(contexts)) as pool:
        return tuple(pool.map(lambda context: _rebuild_seconds(engine, case, context), contexts))


def _rebuild_seconds(engine: Engine, case: Case, context: Path) -> str:
    if case.run.touch is None:
        return "-"
    source = context / case.run.touch
    comment = COMMENT.get(source.suffix)
    # Other kinds of file get as many blank lines as no run before is likely to have given them.
    mark = f"\n{comment} {secrets.token_hex(8)}\n" if comment else "\n" * (1 + secrets.randbelow(10_000))
    with source.open("a") as end:
        end.write(mark)
    tag = engine.tag(f"{name(case.folder)}-{context.name}-again")
    again = build(engine, case.run, tag, context, case.dockerfile, REBUILD_SECONDS)
    if again.seconds >= REBUILD_SECONDS:
        return f">{REBUILD_SECONDS}"
    return f"{again.seconds:.1f}" if again.succeeded else "failed"


def fail(what: str, dockerfile: Path, *evidence: str | list[str] | tuple[str, ...] | Behaviour) -> None:
    """Fail the test with all that is needed to understand why: reasons, logs, and the file that was built."""
    __tracebackhide__ = True
    parts = [what]
    for item in evidence:
        if isinstance(item, Behaviour):
            parts += [f"-- container: {described(item)}", tail(item.stdout), tail(item.stderr)]
        elif isinstance(item, str):
            parts += ["-- build log", tail(item)]
        else:
            parts += [f"  * {line}" for line in item]
    parts += [f"-- {dockerfile.name}", dockerfile.read_text(errors="replace")]
    pytest.fail("\n".join(filter(None, parts)), pytrace=False)


def described(behaviour: Behaviour) -> str:
    """What a container did, in one line."""
    if behaviour.start_error:
        return behaviour.start_error
    how = "ended by itself" if behaviour.has_ended else "stopped by the test"
    answers = ", ".join(f"{a.path} {a.status or a.error}" for a in behaviour.answers) or "none"
    return (
        f"{how}, exit code {behaviour.exit_code}, health {behaviour.health}, "
        f"answers {answers}, listening on {behaviour.ports}"
    )


def tail(text: str, lines: int = 40) -> str:
    """The last lines of a log."""
    return "\n".join(text.splitlines()[-lines:])
