"""What commands that install R packages are understood to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor import shell
from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Placed, Scope
from msrefactor.knowledge.images import describe
from msrefactor_transforms.ecosystems.r import LIBRARY, RInstall, interpret


def _effect(folder: Path, text: str) -> Effect | None:
    script = shell.parse_script(text)
    assert script is not None
    scope = Scope(
        describe("debian:bookworm"),
        BuildContext.open(folder),
        cwd="/app",
        placed=(Placed("/app", "", is_folder=True),),
    )
    command = script.items[0].commands[0]
    return interpret(command, [word.literal for word in command.words], scope)


@pytest.mark.parametrize(
    "command",
    [
        "R -e \"install.packages('x')\"",
        "Rscript -e 'options(repos = c(A = \"b\"))' -e 'remotes::install_cran(\"x\")'",
        "install2.r --error shiny",
        "R CMD INSTALL pkg_1.0.tar.gz",
        "Rscript install.R",
    ],
)
def test_installations(tmp_path: Path, command: str) -> None:
    (tmp_path / "install.R").write_text(
        "# packages\noptions(Ncpus = 2)\ninstall.packages(c(\n  'a',\n  'b'\n))\n"
    )
    effect = _effect(tmp_path, command)
    assert effect is not None
    assert effect.refusal is None
    assert effect.writes == (LIBRARY,)
    assert effect.detail == RInstall(LIBRARY)


@pytest.mark.parametrize(
    "command",
    [
        "Rscript analyse.R",
        "R -e \"saveRDS(1, '/srv/x.rds')\"",
        "R -e \"install.packages('x'); train_model()\"",
        "R CMD javareconf",
    ],
)
def test_other_code_is_not_understood(tmp_path: Path, command: str) -> None:
    (tmp_path / "analyse.R").write_text("write.csv(data, 'x.csv')\n")
    assert _effect(tmp_path, command) is None


def test_renv_is_refused(tmp_path: Path) -> None:
    effect = _effect(tmp_path, "R -e 'renv::restore()'")
    assert effect is not None
    assert effect.refusal is not None
    assert effect.refusal.code == "unknown-artifact"


@pytest.mark.parametrize(
    ("script", "reads", "is_complete"),
    [
        ("install.packages('x')\n", ("/app/install.R",), True),
        ("library(utils)\ninstall.packages(readLines('names.txt'))\n", ("/app/install.R", "/app"), False),
        ("remotes::install_deps('.')\n", ("/app/install.R", "/app"), False),
    ],
)
def test_what_a_script_reads(tmp_path: Path, script: str, reads: tuple[str, ...], is_complete: bool) -> None:
    (tmp_path / "install.R").write_text(script)
    effect = _effect(tmp_path, "Rscript install.R")
    assert effect is not None
    assert (effect.reads, effect.reads_only) == (reads, is_complete)
