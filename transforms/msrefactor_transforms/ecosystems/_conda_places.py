"""Where conda and its environments lie, and which of them a command runs in."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from msrefactor.code.shell import behind_runner
from msrefactor.commands import option_value
from msrefactor.facts import Scope, is_under

ROOT = "conda root"
"""The note that holds where an installer of the Dockerfile put conda."""
PREFIXES = "conda prefixes"
"""The note that holds the environments that were made outside of conda's own folder."""
LOGIN = "conda login"
"""The note that holds the environment which start-up files activate; "" where that isn't known."""
MICROMAMBA = "mambaorg/micromamba"
IMAGES: Mapping[str, str] = {
    "continuumio/miniconda": "/opt/conda",
    "continuumio/miniconda3": "/opt/conda",
    "continuumio/anaconda3": "/opt/conda",
    "condaforge/miniforge3": "/opt/conda",
    "condaforge/mambaforge": "/opt/conda",
    "condaforge/miniforge-pypy3": "/opt/conda",
    "condaforge/mambaforge-pypy3": "/opt/conda",
    "conda/miniconda3": "/usr/local",
}
"""Families of images, and where each has conda. Sources: as in images.toml, and conda/conda-docker."""
MANAGERS = frozenset({"conda", "mamba", "micromamba"})
_SHARED = frozenset({"/", "/usr", "/usr/local", "/opt", "/root", "/home"})
"""Folders that hold other things than conda, too."""
STARTUP_FILES = (".bashrc", ".bash_profile", ".profile", ".zshrc", "/etc/profile", "/etc/bash.bashrc")


def root_of(scope: Scope) -> str | None:
    """Return where conda is: by the installer that was run, or by the image."""
    noted = scope.notes.get(ROOT)
    if isinstance(noted, str):
        return noted
    if scope.base.family == MICROMAMBA:
        return scope.variables.get("MAMBA_ROOT_PREFIX", "/opt/conda")
    # a micromamba that is unpacked by hand makes its environments there
    return IMAGES.get(scope.base.family) or scope.variables.get("MAMBA_ROOT_PREFIX")


def named_prefix(name: str, scope: Scope, root: str | None) -> str | None:
    """Return the folder of the environment that has a name, or whose path is given instead."""
    if "/" in name:
        return scope.path(name)
    if root is None:
        return None
    if name in ("base", "root"):
        return root
    places = scope.variables.get("CONDA_ENVS_PATH") or scope.variables.get("CONDA_ENVS_DIRS")
    folder = scope.path(places.partition(":")[0]) if places else posixpath.join(root, "envs")
    return posixpath.join(folder, name)


def is_prefix(path: str, scope: Scope) -> bool:
    """Whether a folder is conda's own, or an environment of it."""
    root = root_of(scope)
    if path in scope.notes.get(PREFIXES, ()):
        return True
    return root is not None and (path == root or posixpath.dirname(path) == posixpath.join(root, "envs"))


def is_inside(path: str, scope: Scope) -> bool:
    """Whether a path lies in conda's own folder, or in an environment of it."""
    root = root_of(scope)
    places = (*scope.notes.get(PREFIXES, ()), *((root,) if root and root not in _SHARED else ()))
    return any(is_under(path, place) for place in places)


def active_prefix(scope: Scope, program: str = "") -> str | None:
    """Return the environment that a program of Python or R is taken from; None: none of conda's."""
    if "/" in program:
        folder = posixpath.dirname(scope.path(program))
        prefix = posixpath.dirname(folder)
        return prefix if posixpath.basename(folder) == "bin" and is_prefix(prefix, scope) else None
    root = root_of(scope)
    if scope.variables.get("VIRTUAL_ENV"):
        return None
    chosen = scope.variables.get("CONDA_PREFIX", "")
    if chosen and is_prefix(scope.path(chosen), scope):
        return scope.path(chosen)
    if behind_runner(scope.shell) != scope.shell:
        name = option_value(scope.shell, "-n", "--name", "-p", "--prefix")
        return named_prefix(name or "base", scope, root)
    login = login_prefix(scope)
    reads_startup_files = scope.variables.get("BASH_ENV", "").endswith(STARTUP_FILES)
    if login is not None and (
        starts_as_login(scope.shell) or (reads_startup_files and "bash" in scope.shell[0])
    ):
        return login
    if scope.base.family == MICROMAMBA and scope.variables.get("MAMBA_DOCKERFILE_ACTIVATE") == "1":
        return named_prefix(scope.variables.get("ENV_NAME", "base"), scope, root)
    return first_on_path(scope)


def login_prefix(scope: Scope) -> str | None:
    """Return the environment that the start-up files of the shell activate."""
    noted = scope.notes.get(LOGIN)
    if isinstance(noted, str):
        return noted
    root = IMAGES.get(scope.base.family)
    return root if root != "/usr/local" else None


def first_on_path(scope: Scope) -> str | None:
    """Return the environment whose programs PATH finds first, ahead of the system's."""
    for entry in scope.variables.get("PATH", "").split(":"):
        folder = posixpath.normpath(entry) if entry else ""
        if posixpath.basename(folder) == "bin" and is_prefix(posixpath.dirname(folder), scope):
            return posixpath.dirname(folder)
        if folder in ("/usr/local/bin", "/usr/bin", "/bin"):
            return None
    return None


def starts_as_login(words: tuple[str, ...]) -> bool:
    """Whether a shell with these options reads the user's start-up files."""
    for word in words[1:]:
        if word in ("--login", "-l", "-i"):
            return True
        if word.startswith("-") and not word.startswith("--") and set(word[1:]) & {"l", "i"}:
            return True
    return False
