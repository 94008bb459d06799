"""What the commands of conda do, where environments lie, and what conda's files ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Role, StageFacts, stage_facts
from msrefactor.knowledge.images import describe
from msrefactor.parse import parse
from msrefactor_transforms.ecosystems._conda_files import environment_in, package_of
from msrefactor_transforms.ecosystems._conda_installers import CondaRoot
from msrefactor_transforms.ecosystems._conda_installs import CondaInstall
from msrefactor_transforms.splitting.plan import interpreters

LOGIN = 'RUN echo "conda activate geo" >> ~/.bashrc'
SETUP = ". /opt/conda/etc/profile.d/conda.sh"
ANACONDA_COM = "https://repo.anaconda.com"
MINIFORGE = "https://github.com/conda-forge/miniforge/releases/latest/download"
MINICONDA = "FROM continuumio/miniconda3:24.5.0-0\n"
ENVIRONMENT = """\
name: geo
channels: [conda-forge]
dependencies:
  - python=3.11
  - conda-forge::gdal>=3.8  # [linux]
  - pip
  - pip:
      - -r requirements.txt
      - Flask[async]==3.0  # the server
"""


def _facts(folder: Path, text: str) -> StageFacts:
    (folder / "environment.yml").write_text(ENVIRONMENT)
    (folder / "requirements.txt").write_text("requests\n")
    dockerfile = parse(text)
    return stage_facts(dockerfile, dockerfile.final_stage, BuildContext.open(folder), interpreters())


def _last(folder: Path, text: str) -> Effect:
    return _facts(folder, text).effects()[-1][1]


def _install(folder: Path, text: str) -> CondaInstall:
    detail = _last(folder, text).detail
    assert isinstance(detail, CondaInstall)
    return detail


@pytest.mark.parametrize(
    "command",
    [
        "conda build recipe",
        "conda skeleton pypi x",
        "bash installer.sh -b -p /opt/other",
        "/opt/tools/setup.sh",
    ],
)
def test_what_isnt_known_is_opaque(tmp_path: Path, command: str) -> None:
    assert _last(tmp_path, f"{MINICONDA}RUN {command}\n").role is Role.OPAQUE


@pytest.mark.parametrize(
    ("command", "prefix"),
    [
        ("conda env create -f environment.yml", "/opt/conda/envs/geo"),
        ("conda env create", "/opt/conda/envs/geo"),
        ("conda env create -n other -f environment.yml", "/opt/conda/envs/other"),
        ("conda env create --prefix=/venv --file=environment.yml", "/venv"),
        ("conda-env create -f environment.yml", "/opt/conda/envs/geo"),
        ("mamba env update -n base -f environment.yml", "/opt/conda"),
        ("conda create -y -n x python=3.11", "/opt/conda/envs/x"),
        ("/opt/conda/bin/conda install -y numpy", "/opt/conda"),
        ("conda install -y -c conda-forge -p ./env numpy", "/app/env"),
        ("conda run -n geo pip install flask", "/opt/conda/envs/geo"),
        ("pip install flask", "/opt/conda"),
        ("/opt/conda/envs/geo/bin/pip install flask", "/opt/conda/envs/geo"),
        ("/opt/conda/envs/geo/bin/python -m pip install flask", "/opt/conda/envs/geo"),
        ("source activate geo && pip install flask", "/opt/conda/envs/geo"),
        (f"{SETUP} && conda activate geo && pip install flask", "/opt/conda/envs/geo"),
        ('eval "$(conda shell.bash hook)" && conda activate geo && pip install x', "/opt/conda/envs/geo"),
        ("/bin/bash -c 'source activate geo && pip install flask'", "/opt/conda/envs/geo"),
        ("conda-lock install -n geo conda-lock.yml", "/opt/conda/envs/geo"),
        ("conda create -n $WHICH python", ""),
    ],
)  # fmt: skip
def test_which_environment_is_filled(tmp_path: Path, command: str, prefix: str) -> None:
    text = f"{MINICONDA}WORKDIR /app\nCOPY . .\nRUN {command}\n"
    install = _install(tmp_path, text)
    assert install.prefix == prefix


@pytest.mark.parametrize(
    ("lines", "prefix"),
    [
        ('SHELL ["conda", "run", "-n", "geo", "/bin/bash", "-c"]', "/opt/conda/envs/geo"),
        (f'{LOGIN}\nSHELL ["/bin/bash", "--login", "-c"]', "/opt/conda/envs/geo"),
        # a login shell sets PATH anew, and the image's own start-up file activates base
        ('ENV PATH=/opt/conda/envs/geo/bin:$PATH\nSHELL ["/bin/bash", "-lc"]', "/opt/conda"),
        ('RUN echo "source activate $(cat name)" > ~/.bashrc\nSHELL ["/bin/bash", "-lc"]', ""),
        ('RUN echo "source activate geo" > ~/.bashrc', "/opt/conda"),
        ("ENV PATH=/opt/conda/envs/geo/bin:$PATH", "/opt/conda/envs/geo"),
    ],
)  # fmt: skip
def test_where_pip_installs(tmp_path: Path, lines: str, prefix: str) -> None:
    assert _install(tmp_path, f"{MINICONDA}{lines}\nRUN pip install flask\n").prefix == prefix


def test_micromamba_by_hand(tmp_path: Path) -> None:
    address = "https://micro.mamba.pm/api/micromamba/linux-64/latest"
    facts = _facts(
        tmp_path,
        "FROM debian:bookworm\nENV MAMBA_ROOT_PREFIX=/mm\n"
        f"RUN curl -Ls {address} | tar -xvj -C /usr/local/bin --strip-components=1 bin/micromamba\n"
        "RUN micromamba create -y -n geo python\n",
    )
    assert [effect.writes for _, effect in facts.effects()][1:] == [
        ("/usr/local/bin/micromamba",),
        ("/mm/envs/geo",),
    ]


def test_a_shell_without_a_shell_isnt_understood(tmp_path: Path) -> None:
    text = f'{MINICONDA}SHELL ["conda", "run", "-n", "geo"]\nRUN pip install flask\n'
    assert _last(tmp_path, text).role is Role.OPAQUE


def test_a_virtual_environment_isnt_condas(tmp_path: Path) -> None:
    text = f"{MINICONDA}RUN python -m venv /opt/venv\nRUN /opt/venv/bin/pip install flask\n"
    assert not isinstance(_last(tmp_path, text).detail, CondaInstall)


def test_a_build_argument_may_name_the_environment(tmp_path: Path) -> None:
    text = f"{MINICONDA}ARG NAME=geo\nRUN conda create -n $NAME python\n"
    assert _install(tmp_path, text).varies


def test_micromamba_activates_when_asked(tmp_path: Path) -> None:
    base = "FROM mambaorg/micromamba:1.5.8\n"
    install = _install(tmp_path, f"{base}ARG MAMBA_DOCKERFILE_ACTIVATE=1\nRUN pip install flask\n")
    assert install.prefix == "/opt/conda"


@pytest.mark.parametrize(
    ("run", "prefix"),
    [
        (f"wget {ANACONDA_COM}/miniconda/M.sh -O /tmp/m.sh && bash /tmp/m.sh -b -p /mc", "/mc"),
        (f"wget {ANACONDA_COM}/miniconda/Miniconda3.sh && sh ./Miniconda3.sh -b", "/root/miniconda3"),
        (f'curl -LO "{MINIFORGE}/Miniforge3-$(uname).sh" && bash Miniforge3-$(uname).sh -bfp /mf', "/mf"),
        (f"curl -sSL {ANACONDA_COM}/archive/A.sh > ~/a.sh && bash ~/a.sh -bf -p $HOME/conda", "/root/conda"),
    ],
)  # fmt: skip
def test_installers(tmp_path: Path, run: str, prefix: str) -> None:
    facts = _facts(tmp_path, f"FROM ubuntu:22.04\nRUN {run}\nRUN {prefix}/bin/conda create -n x python\n")
    roots = [effect.detail for _, effect in facts.effects() if isinstance(effect.detail, CondaRoot)]
    assert [root.prefix for root in roots] == [prefix]
    assert facts.effects()[-1][1].writes == (f"{prefix}/envs/x",)


def test_environment_files(tmp_path: Path) -> None:
    scope = _facts(tmp_path, f"{MINICONDA}WORKDIR /app\nCOPY . .\n").end
    found = environment_in(scope, "/app/environment.yml")
    assert found.name == "geo"
    assert [name for name, _ in found.names] == ["python", "gdal", "pip"]
    assert found.pip == ("-r", "requirements.txt", "Flask[async]==3.0")
    install = _install(tmp_path, f"{MINICONDA}WORKDIR /app\nCOPY . .\nRUN conda env create\n")
    assert [name for name, _ in install.pip] == ["requests", "flask"]
    assert install.files == ("/app/environment.yml", "/app/requirements.txt")


def test_a_file_that_isnt_in_the_context_is_told(tmp_path: Path) -> None:
    install = _install(tmp_path, f"{MINICONDA}RUN conda env create -n x -f https.yml\n")
    assert install.unknown == ("/https.yml, which isn't in the build context",)


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("numpy", "numpy"),
        ("conda-forge::numpy=1.26=py311", "numpy"),
        ("Python>=3.8,<4", "python"),
        ("r-base[version='4']", "r-base"),
    ],
)
def test_specs(spec: str, name: str) -> None:
    assert package_of(spec) == name


@pytest.mark.parametrize(
    ("image", "releases", "user"),
    [
        ("continuumio/miniconda3:4.10.3", ("buster",), ""),
        ("continuumio/miniconda3:24.1.2-0", ("bullseye",), ""),
        ("continuumio/miniconda3:24.5.0-0", ("bookworm",), ""),
        ("continuumio/anaconda3", ("bookworm", "trixie"), ""),
        ("condaforge/miniforge3:24.3.0-0", ("focal",), ""),
        ("condaforge/miniforge3:25.9.1-0", ("noble",), ""),
        ("mambaorg/micromamba:1.4.3-bullseye-slim", ("bullseye",), "mambauser"),
        ("mambaorg/micromamba:2.0.5-ubuntu22.04", ("jammy",), "mambauser"),
        ("mambaorg/micromamba:2.0.5-debian12-slim", ("bookworm",), "mambauser"),
    ],
)
def test_releases_of_condas_images(image: str, releases: tuple[str, ...], user: str) -> None:
    found = describe(image)
    assert (found.releases, found.user) == (releases, user)


def test_a_login_shell_by_bash_env(tmp_path: Path) -> None:
    text = f'{MINICONDA}ENV BASH_ENV=~/.bashrc\n{LOGIN}\nSHELL ["/bin/bash", "-c"]\nRUN pip install flask\n'
    assert _install(tmp_path, text).prefix == "/opt/conda/envs/geo"


def test_old_images_of_micromamba_are_not_known() -> None:
    assert describe("mambaorg/micromamba:0.13.1").family == "unknown"
