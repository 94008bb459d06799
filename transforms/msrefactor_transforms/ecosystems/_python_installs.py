"""Exactly which files of the application an install of Python packages reads."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from msrefactor.facts import Dependencies, Scope, is_under
from msrefactor.manifests import toml_table
from msrefactor.model import Refused

_ARCHIVES = (".whl", ".tar.gz", ".tgz", ".tar.bz2", ".zip")


def reads_source(detail: str, remedy: str = "") -> Refused:
    """Return the obstacle that an install is when it reads the application's own source."""
    return Refused("install-reads-source", detail, remedy=remedy)


def of_pip(files: Sequence[str], unknown: Sequence[str], where: str, scope: Scope) -> Dependencies:
    """Return what an install by pip's words reads; in `files` a folder ends in a slash."""
    from msrefactor.code.requirements import read_requirements

    obstacle: Refused | None = None
    unclear = [text for text in unknown if "://" not in text and not text.startswith("git+")]
    if unclear:
        detail = f"what `pip install` is given isn't known: {unclear[0]}"
        obstacle = Refused("install-mode", detail, remedy="name the requirements file in the install command")
    reads: list[str] = []
    for file in files:
        path = posixpath.normpath(file)
        if not file.endswith("/") or path.endswith(_ARCHIVES):
            reads.append(path)
            source = scope.origin(path)
            if source and scope.context.is_file(source) and not path.endswith(_ARCHIVES):
                links = read_requirements(scope.context, source).find_links
                reads.extend(scope.path(link) for link in links)
            continue
        if not scope.has(path):
            continue  # of another stage, or made by an earlier step: read where it is
        reads.append(path)
        if is_under(scope.cwd, path):
            detail = "`pip install` builds the project itself from its source"
            remedy = "install the dependencies from a requirements file first, then the project"
            obstacle = obstacle or reads_source(detail, remedy)
        elif _asks_version_control(path, scope):
            obstacle = obstacle or reads_source(f"the version of {path} comes from git")
    writes = (where,) if where.startswith("/") else ()
    return Dependencies("pip", tuple(reads), writes, obstacle)


def chosen_by_argument(known: Dependencies, files: tuple[str, ...], scope: Scope) -> Dependencies:
    """Return an install of requirements files that a build argument chooses: any beside them may be meant."""
    folders = tuple(posixpath.dirname(file) for file in files)
    if any(is_under(scope.cwd, folder) for folder in folders):
        detail = "which requirements file is installed depends on a build argument"
        remedy = "keep the files it chooses from in a folder of their own"
        return replace(known, obstacle=known.obstacle or Refused("build-variable", detail, remedy=remedy))
    return replace(known, reads=(*known.reads, *folders))


def _asks_version_control(folder: str, scope: Scope) -> bool:
    from msrefactor.code.python import read_setup

    source = scope.origin(folder)
    read = read_setup(scope.context, source) if source is not None else None
    return read is not None and read.reads_git


def _document(path: str, scope: Scope) -> Mapping[str, Any] | None:
    """Return a TOML file of the context, None where there is none or it isn't understood."""
    text = scope.read(path)
    return toml_table(text) if text is not None else None


def _table(value: object, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


_NO_MANIFEST = "no {file} that is understood is found in {folder}"


def of_poetry(argv: Sequence[str | None], scope: Scope) -> Dependencies:
    """Return what `poetry install` reads."""
    manifest = scope.path("pyproject.toml")
    files = tuple(scope.path(name) for name in ("pyproject.toml", "poetry.lock", "poetry.toml"))
    document = _document(manifest, scope)
    if document is None:
        detail = _NO_MANIFEST.format(file="pyproject.toml", folder=scope.cwd)
        return Dependencies("poetry", files, obstacle=Refused("install-mode", detail))
    poetry = _table(document, "tool", "poetry")
    tables = [
        _table(poetry, "dependencies"),
        _table(poetry, "dev-dependencies"),
        *(_table(group, "dependencies") for group in _table(poetry, "group").values()),
    ]
    local = [
        scope.path(option["path"])
        for table in tables
        for value in table.values()
        for option in (value if isinstance(value, list) else [value])
        if isinstance(option, dict) and isinstance(option.get("path"), str)
    ]
    settings = _table(_document(scope.path("poetry.toml"), scope), "virtualenvs")
    in_project = settings.get("in-project") is True or scope.variables.get(
        "POETRY_VIRTUALENVS_IN_PROJECT", ""
    ).lower() in ("1", "true")
    obstacle = None
    text = scope.read(manifest) or ""
    if "--no-root" not in argv and poetry.get("package-mode") is not False:
        detail = "`poetry install` installs the project itself, as `--no-root` isn't given"
        obstacle = reads_source(
            detail, "run `poetry install --no-root` first, or set package-mode = false in pyproject.toml"
        )
    elif "dynamic-versioning" in text:
        obstacle = reads_source("poetry-dynamic-versioning asks git for the version")
    elif scope.has(scope.path(".venv")):
        obstacle = Refused(
            "install-mode", "poetry uses the .venv of the build context", remedy="add .venv to .dockerignore"
        )
    writes = (scope.path(".venv"),) if in_project else ()
    return Dependencies("poetry", (*files, *local), writes, obstacle)


def of_uv(argv: Sequence[str | None], place: str, scope: Scope) -> Dependencies:
    """Return what `uv sync` reads."""
    names = ("pyproject.toml", "uv.lock", ".python-version", "uv.toml", ".python-versions")
    files = tuple(scope.path(name) for name in names)
    document = _document(scope.path("pyproject.toml"), scope)
    if document is None:
        detail = _NO_MANIFEST.format(file="pyproject.toml", folder=scope.cwd)
        return Dependencies("uv", files, (place,), Refused("install-mode", detail))
    uv = _table(document, "tool", "uv")
    members, is_understood = _members(uv, scope)
    files += tuple(posixpath.join(member, "pyproject.toml") for member in members)
    local = [
        scope.path(one["path"])
        for source in _table(uv, "sources").values()
        for one in (source if isinstance(source, list) else [source])
        if isinstance(one, dict) and isinstance(one.get("path"), str)
    ]
    skips_locals = "--no-install-local" in argv
    skips_members = skips_locals or "--no-install-workspace" in argv
    skips_project = skips_members or "--no-install-project" in argv
    is_package = uv.get("package")
    if is_package is None:
        is_package = "build-system" in document
    obstacle = None
    if not is_understood or (_table(uv, "workspace") and "--all-packages" in argv and not skips_members):
        obstacle = Refused("install-mode", "which projects belong to uv's workspace isn't known")
    elif is_package and not skips_project:
        remedy = "run `uv sync --no-install-project` first"
        obstacle = reads_source("`uv sync` installs the project itself", remedy)
    elif members and not skips_members:
        remedy = "run `uv sync --no-install-workspace` first"
        obstacle = reads_source("`uv sync` installs the projects of its workspace", remedy)
    return Dependencies("uv", (*files, *(() if skips_locals else local)), (place,), obstacle)


def _members(uv: Mapping[str, Any], scope: Scope) -> tuple[tuple[str, ...], bool]:
    """Return the folders of a uv workspace's members, and whether all of them are known."""
    workspace = _table(uv, "workspace")
    patterns = workspace.get("members") if workspace else []
    root = scope.origin(scope.cwd)
    if not patterns:
        return (), True
    if not isinstance(patterns, list) or root is None:
        return (), False
    found: list[str] = []
    for pattern in patterns:
        found.extend(
            scope.path(posixpath.relpath(match, root or "."))
            for match in scope.context.match(posixpath.join(root, str(pattern)))
            if scope.context.is_file(posixpath.join(match, "pyproject.toml"))
        )
    return tuple(found), True


def of_pipenv(
    argv: Sequence[str | None], words: Sequence[str | None], where: str, scope: Scope
) -> Dependencies:
    """Return what `pipenv install` or `pipenv sync` reads."""
    files = tuple(scope.path(name) for name in ("Pipfile", "Pipfile.lock"))
    writes = (where,) if where.startswith("/") else ()
    if len(words) > 1 or "-r" in argv or "-e" in argv or "--requirements" in argv:
        detail = "`pipenv install` with words of its own changes the Pipfile"
        return Dependencies("pipenv", files, writes, Refused("install-mode", detail))
    document = _document(files[0], scope)
    if document is None:
        detail = _NO_MANIFEST.format(file="Pipfile", folder=scope.cwd)
        return Dependencies("pipenv", files, writes, Refused("install-mode", detail))
    local: list[str] = []
    for table in ("packages", "dev-packages"):
        for value in _table(document, table).values():
            if isinstance(value, dict):
                local.extend(scope.path(value[key]) for key in ("path", "file") if _is_local(value.get(key)))
    obstacle = None
    if any(is_under(scope.cwd, path) for path in local):
        obstacle = reads_source("the Pipfile installs the project itself")
    return Dependencies("pipenv", (*files, *local), writes, obstacle)


def _is_local(value: object) -> bool:
    return isinstance(value, str) and "://" not in value
