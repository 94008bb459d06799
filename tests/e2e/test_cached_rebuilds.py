"""After a change of one source file, or of the commit, steps come from the cache that didn't before."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from msrefactor.verification.engines import Engine

from .cases import marked_folders, read
from .test_real_builds import name, refactor
from .trial import build

pytestmark = pytest.mark.e2e

FOLDERS = [folder for folder in marked_folders() if name(folder).startswith("reorder-copy/")]
OF_COMMITS = [folder for folder in marked_folders() if name(folder).startswith("reorder-metadata/")]


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_install_comes_from_the_cache(folder: Path, engine: Engine, tmp_path: Path) -> None:
    case = read(folder)
    assert case.run.touch is not None, "a case of reorder-copy names the source file that changes"
    cached: dict[str, frozenset[str]] = {}
    for side in ("before", "after"):
        context = shutil.copytree(case.context, tmp_path / side, symlinks=True)
        if side == "after":
            refactor(context, case)
        # so that no build of another run has made the very same layers
        source = context / case.run.touch
        source.write_text(source.read_text() + "\n" * (1 + secrets.randbelow(10_000)))
        tag = engine.tag(f"{name(folder)}-cached-{side}")
        first = build(engine, case.run, tag, context, case.dockerfile)
        assert first.succeeded, first.log
        source.write_text(source.read_text() + "\n" * (1 + secrets.randbelow(10_000)))
        again = build(engine, case.run, tag, context, case.dockerfile)
        assert again.succeeded, again.log
        cached[side] = again.cached_steps
    gained = cached["after"] - cached["before"]
    assert gained, f"no RUN comes from the cache that didn't before: {cached}"
    assert len(cached["after"]) > len(cached["before"])


@pytest.mark.parametrize("folder", OF_COMMITS, ids=name)
def test_steps_outlive_another_commit(folder: Path, engine: Engine, tmp_path: Path) -> None:
    case = read(folder)
    assert case.run.build_args, "a case of reorder-metadata names the arguments that change"
    cached: dict[str, frozenset[str]] = {}
    for side in ("before", "after"):
        context = shutil.copytree(case.context, tmp_path / side, symlinks=True)
        if side == "after":
            refactor(context, case)
        tag = engine.tag(f"{name(folder)}-commit-{side}")
        for _ in range(2):
            values = {argument: secrets.token_hex(8) for argument in case.run.build_args}
            made = build(engine, replace(case.run, build_args=values), tag, context, case.dockerfile)
            assert made.succeeded, made.log
        cached[side] = made.cached_steps
    assert not cached["before"], "a RUN outlives another commit before: the case proves nothing"
    assert len(cached["after"]) > 1
