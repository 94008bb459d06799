"""The layers of the cleaning transforms' fixtures hold next to nothing that nobody can use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from msrefactor.facts import base_image_text
from msrefactor.parse import parse
from msrefactor.verification.engines import Engine

from .cases import FIXTURES, read
from .test_real_builds import FOLDERS, name, refactor
from .trial import build
from .waste import waste_of_image

pytestmark = pytest.mark.e2e

TRANSFORMS = (
    "join-update-and-install", "clean-package-lists", "clean-package-caches", "remove-temporary-files",
    "pipeline",
)  # fmt: skip
LARGEST_SHARE = 0.01
CASES = [
    folder
    for folder in FOLDERS
    if folder.relative_to(FIXTURES).parts[0] in TRANSFORMS and read(folder).outcome == "changed"
]


def base_of(file: Path) -> str:
    """The image that the final stage of a Dockerfile is built on: what it wastes isn't the file's doing."""
    dockerfile = parse(file.read_text())
    return base_image_text(dockerfile, dockerfile.final_stage)


@pytest.mark.parametrize("folder", CASES, ids=name)
def test_layers_hold_no_waste(folder: Path, engine: Engine, tmp_path: Path) -> None:
    case = read(folder)
    shares = []
    for which in ("before", "after"):
        context = shutil.copytree(case.context, tmp_path / which, symlinks=True)
        if which == "after":
            refactor(context, case)
        tag = engine.tag(f"{name(folder)}-{which}-waste")
        built = build(engine, case.run, tag, context, case.dockerfile)
        assert built.succeeded, built.log
        waste, inherited = waste_of_image(tag), waste_of_image(base_of(context / case.dockerfile))
        own = waste.lost + waste.cached - inherited.lost - inherited.cached
        shares.append(own / waste.total)
    told = f"{shares[0]:.2%} of the layers are waste before, {shares[1]:.2%} after"
    assert shares[1] < shares[0], told
    assert shares[1] <= LARGEST_SHARE, told
