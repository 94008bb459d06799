"""Which image the final stage starts from where conda's environments are copied, and what it has to add."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msrefactor import variables
from msrefactor.contract import evidence_of
from msrefactor.facts import StageFacts
from msrefactor.knowledge import packages as knowledge
from msrefactor.model import Refused, View
from msrefactor_transforms.ecosystems._conda_places import IMAGES, MICROMAMBA
from msrefactor_transforms.knowledge.native import python_native
from msrefactor_transforms.splitting.bases import saved_by_base, slim_base
from msrefactor_transforms.splitting.plan import Level, RuntimePackage

_WITHOUT_WINDOWS = frozenset(
    "python pip setuptools wheel conda mamba numpy pandas scipy scikit-learn statsmodels numba joblib "
    "xarray dask distributed pyarrow h5py netcdf4 zarr requests httpx aiohttp urllib3 pyyaml toml click "
    "typer rich tqdm flask fastapi starlette uvicorn gunicorn gevent django jinja2 werkzeug pydantic "
    "sqlalchemy alembic psycopg2 psycopg2-binary pymysql redis celery boto3 awscli nltk spacy xgboost "
    "lightgbm catboost pytorch torch transformers tokenizers openai pytest black flake8 python-dotenv "
    "python-dateutil pytz nodejs samtools bcftools htslib bwa bowtie2 minimap2 bedtools snakemake "
    "snakemake-minimal biopython pysam git wget curl pigz openssl certifi ca-certificates sqlite zlib "
    "psutil cython nomkl mkl openblas openpyxl beautifulsoup4 lxml streamlit dash plotly flask-caching "
    "flask-cors flask-sqlalchemy dash-bootstrap-components xlrd gradio altair seaborn-base networkx sympy "
    "tabulate colorama markdown jsonschema websockets python-multipart passlib python-jose tenacity "
    "loguru datasets accelerate sentencepiece langchain huggingface-hub huggingface_hub threadpoolctl "
    "patsy fsspec s3fs gitpython ipython ipykernel tensorboard mlflow prophet fire absl-py einops "
    "pytorch-lightning lightning cpuonly pytorch-cuda cudatoolkit pybigwig cutadapt star hisat2 "
    "salmon kallisto subread fastp seqtk freebayes bwa-mem2 blast diamond mafft muscle hmmer prodigal "
    "spades trimal iqtree nextflow".split()
)
"""Packages of conda, and of pip, that draw nothing: none of their libraries is linked with X or GLib."""


_EXAMPLES = {
    "continuumio/miniconda3": "continuumio/miniconda3:25.3.1-1",
    "continuumio/anaconda3": "continuumio/anaconda3:2024.10-1",
    "condaforge/miniforge3": "condaforge/miniforge3:25.9.1-0",
}


@dataclass(frozen=True, slots=True)
class Base:
    """The final stage's base."""

    level: Level
    image: str
    prelude: tuple[str, ...] = ()
    packages: tuple[RuntimePackage, ...] = ()
    saved_mb: float = 0.0


def is_of_image(facts: StageFacts) -> bool:
    """Whether the base image brings conda."""
    return facts.base.family in IMAGES or facts.base.family == MICROMAMBA


def same_base(facts: StageFacts) -> Base:
    """Return the author's own image."""
    return Base(Level.SHARED, facts.stage.image)


def installed_base(view: View, facts: StageFacts) -> Base:
    """Return the base where the Dockerfile itself installs conda: the same image, or its slim variant."""
    level, image = slim_base(facts, "debian")
    return Base(level, image, saved_mb=saved_by_base(view, facts, image))


def plain_base(
    view: View, facts: StageFacts, names: Iterable[str], pip: Iterable[str], has_root: bool
) -> Base | Refused:
    """Return the distribution's own image that conda's image was built on, with what that added.

    `names`, `pip`: the packages of conda and of pip that are installed.
    `has_root`: whether conda's own folder comes along.
    """
    base = facts.base
    here = evidence_of(facts.facts[0].instruction, view.name)
    unfit = _unknown_release(facts)
    if unfit:
        example = _EXAMPLES.get(base.family, "continuumio/miniconda3:25.3.1-1")
        remedy = f"name a version in the tag, such as {example}"
        return Refused("unknown-release", unfit, (here,), remedy)
    own = _own_variables(facts)
    if own:
        return Refused(
            "need-not-found", f"{sorted(own)[0]} is set by {base.reference.text}, and is used here", (here,)
        )
    release = base.release or ""
    image = f"debian:{release}-slim" if base.system == "debian" else f"ubuntu:{release}"
    packages = [
        RuntimePackage(name, here, "packages of the environment may load it")
        for name in _libraries(facts, names, pip)
    ]
    if base.system == "debian":
        packages.insert(0, RuntimePackage("ca-certificates", here, f"{base.reference.text} has it"))
    if "procps" in base.installs and _may_be_a_workflows(view, facts):
        packages.append(RuntimePackage("procps", here, "Nextflow asks `ps` in the containers that it starts"))
    prelude: list[str] = []
    given = {name for fact in facts.facts if fact.keyword == "ENV" for name, _ in fact.instruction.pairs}
    language = [
        f"{name}={base.env[name]}" for name in ("LANG", "LC_ALL") if name in base.env and name not in given
    ]
    if language:
        prelude.append(f"ENV {' '.join(language)}\n")
    own_path = any(
        "/opt/conda/bin" in (value or "")
        for fact in facts.facts
        if fact.keyword == "ENV"
        for name, value in fact.instruction.pairs
        if name == "PATH"
    )
    if has_root and not own_path:
        prelude.append("ENV PATH=/opt/conda/bin:$PATH\n")
    is_started_by_base = not any(fact.keyword == "ENTRYPOINT" for fact in facts.facts)
    if is_started_by_base and base.entrypoint and not base.passes_on:
        packages.append(RuntimePackage("tini", here, f"{base.reference.text} starts everything with it"))
        prelude.append(f"ENTRYPOINT {json.dumps(list(base.entrypoint))}\n")
    kept = {package.name for package in packages}
    extras = sum(
        knowledge.installed_size_mb(name, _measured(release)) or 3.0
        for name in base.installs
        if name not in kept
    )
    saved = extras if has_root else saved_by_base(view, facts, image)
    return Base(Level.RUNTIME, image, tuple(prelude), tuple(packages), saved)


def _unknown_release(facts: StageFacts) -> str:
    """Say why the plain image below conda's can't be named, or that nothing speaks against it."""
    base, text = facts.base, facts.base.reference.text
    if base.system not in ("debian", "ubuntu"):
        return f"{text} is built neither on Debian nor on Ubuntu"
    if "$" in facts.stage.image:
        return "the caller may build on another release, as an argument names the version of conda's image"
    if base.release is None:
        return f"on which release of its distribution {text} is built isn't known"
    if base.system == "debian" and base.release not in knowledge.RELEASES:
        return f"{text} is built on {base.release}, and what that can install isn't known any more"
    return ""


def _may_be_a_workflows(view: View, facts: StageFacts) -> bool:
    """Whether the image may be started by a workflow manager: its tools come from Bioconda."""
    placed = [one.source for fact in facts.facts for one in fact.placed if not one.is_folder]
    manifests = [name for name in placed if name.endswith((".yml", ".yaml", ".txt"))]
    texts = [fact.instruction.text for fact in facts.facts]
    texts.extend(view.context.read_text(name) or "" for name in manifests)
    if any("bioconda" in text for text in texts):
        return True
    return view.context.known and any(
        name.endswith((".nf", "nextflow.config")) for name in view.context.files()
    )


def _measured(release: str) -> str:
    return release if release in knowledge.RELEASES else knowledge.RELEASES[1]


def _libraries(facts: StageFacts, names: Iterable[str], pip: Iterable[str]) -> list[str]:
    """Return the libraries of conda's image that what was installed may load."""
    found = [name for name in facts.base.installs if name.startswith("lib")]
    of_pip = [name for name in pip if name not in _WITHOUT_WINDOWS]
    if all(name in _WITHOUT_WINDOWS for name in names) and not any(
        _may_draw(name, facts, found) for name in of_pip
    ):
        return []
    return found


def _may_draw(name: str, facts: StageFacts, libraries: Sequence[str]) -> bool:
    """Whether a package of pip may be linked with one of these libraries, as far as the tables tell."""
    native = python_native(name)
    needed = native.packages(facts.base.system, facts.base.releases) if native is not None else None
    return needed is None or any(one.partition("t64")[0] in libraries for one in needed)


def _own_variables(facts: StageFacts) -> set[str]:
    """Return the variables of the base image, but for those that are set again, that instructions use."""
    known = set(facts.base.env) - {"PATH", "LANG", "LC_ALL"}
    return {
        name
        for fact in facts.facts[1:]
        for name in variables.references(fact.instruction.text, fact.instruction.escape)
        if name in known
    }
