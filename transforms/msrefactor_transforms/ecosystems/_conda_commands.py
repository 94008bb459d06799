"""What the commands of conda, mamba and micromamba do, and those that run inside of their environments.

Sources: docs.conda.io (command reference, "Managing environments"), mamba.readthedocs.io, conda.github.io/
conda-pack and conda-lock, and the README of conda-forge/miniforge (its installer's options).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace

from msrefactor.commands import operands, option_value, redirect_writes
from msrefactor.facts import Effect, Role, Scope
from msrefactor.facts import interpret as interpret_command
from msrefactor.model import Evidence
from msrefactor.shell import Command, Item
from msrefactor_transforms.ecosystems import _python_commands as python
from msrefactor_transforms.ecosystems import r
from msrefactor_transforms.ecosystems._conda_files import UNREADABLE, environment_in
from msrefactor_transforms.ecosystems._conda_installers import downloaded, installed_by, is_installer
from msrefactor_transforms.ecosystems._conda_installs import (
    VALUED,
    CondaInstall,
    filled,
    install_of,
    known,
    place_of,
)
from msrefactor_transforms.ecosystems._conda_places import (
    LOGIN,
    MANAGERS,
    PREFIXES,
    STARTUP_FILES,
    active_prefix,
    is_inside,
    login_prefix,
    named_prefix,
    root_of,
    starts_as_login,
)

EMPTIES = "conda's cache is emptied"
"""What a command does that leaves nothing of conda's downloads."""
_FILLING = frozenset(
    ["create", "env create", "env update", "install", "update", "upgrade", "remove", "uninstall"]
)
_TELLING = frozenset(
    ["env export", "env list", "list", "info", "search", "doctor", "tos", "notices", "compare", "self-update"]
)


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of conda does, or one that is run inside of an environment."""
    first = argv[0] if argv else None
    tool = posixpath.basename(first or "")
    if tool in MANAGERS or tool == "conda-env":
        return _manager(command, argv, scope)
    if tool == "conda-lock":
        return _lock(command, argv, scope)
    if tool in ("conda-pack", "conda-unpack"):
        return _pack(argv, scope)
    if tool in ("source", "."):
        return _sourced(argv, scope)
    if tool == "eval":
        return _hook(command, scope)
    if tool in ("activate", "deactivate"):
        return Effect(Role.NOTHING, tool=tool)
    if tool in ("wget", "curl"):
        return downloaded(command, argv, scope)
    if tool in ("bash", "sh") or is_installer(command.words[0]):
        return installed_by(command, argv, scope) or _login_shell(command, argv, scope)
    if tool == "tar":
        return _unpacked(argv, scope)
    if tool in ("rm", "find", "chmod", "chown", "mkdir"):
        return _touched(command, tool, argv, scope)
    if tool == "echo":
        return _announced(command, argv, scope)
    return _inside(command, argv, scope)


# ------------------------------------------------------------------------------------------ conda itself


def _manager(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    tool = posixpath.basename(str(argv[0]))
    words = list(operands(argv, VALUED))
    if tool == "conda-env":
        words.insert(0, "env")
    action = words[0] if words else None
    rest = words[1:]
    if action in ("run",):
        return _run(command, argv, scope)
    if action == "env":
        action, rest = (f"env {words[1]}" if len(words) > 1 else None), words[2:]
    if action is not None and action in _FILLING:
        return install_of(command, argv, scope, action, rest)
    if action == "env config":
        place = place_of(command, argv, scope) or ""
        return Effect(
            Role.BUILD, tool=tool, reads_only=True, writes=known(place), why="the conda environment"
        )
    if action in ("activate", "deactivate"):
        return _activate(rest[0] if rest else "base", scope)
    if action == "clean":
        return Effect(Role.BUILD, tool=tool, reads_only=True, why=EMPTIES)
    if action == "config":
        return Effect(Role.BUILD, tool=tool, reads_only=True, why=f"configures {tool}")
    if action in ("init", "shell"):
        return _init(tool, rest if action == "init" else words, argv, scope)
    if action == "pack":
        return _pack(argv, scope)
    if action == "develop":
        sources = tuple(scope.path(word) for word in rest if word)
        return filled(CondaInstall(place_of(command, argv, scope) or ""), tool, sources, scope)
    if action is None or action in _TELLING:
        # what it tells of the builder isn't what the final stage would tell
        role = Role.BUILD if command.redirects else Role.NOTHING
        return Effect(role, tool=tool, reads_only=True, why=f"what {tool} tells")
    return None


def _activate(name: str | None, scope: Scope) -> Effect:
    prefix = named_prefix(name, scope, root_of(scope)) if name else None
    if prefix is None:
        return Effect(Role.NAVIGATE, tool="conda")
    path = f"{prefix}/bin:{scope.variables.get('PATH', '')}"
    return Effect(Role.NAVIGATE, tool="conda", sets=(("CONDA_PREFIX", prefix), ("PATH", path)))


def _init(tool: str, shells: Sequence[str | None], argv: Sequence[str | None], scope: Scope) -> Effect:
    """`conda init`: start-up files of the shell that define `conda activate`, and activate `base`."""
    if "hook" in shells:
        return Effect(Role.NOTHING, tool=tool)
    files = [f"{scope.home}/.zshrc"] if "zsh" in shells else []
    if "bash" in argv or not files:
        files.append(f"{scope.home}/.bashrc")
    root = root_of(scope)
    # Micromamba's only defines `micromamba activate`
    notes = ((LOGIN, root),) if root is not None and tool != "micromamba" and LOGIN not in scope.notes else ()
    return Effect(
        Role.BUILD, tool=tool, reads_only=True, writes=tuple(files), notes=notes, why="shell set-up"
    )


def _run(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """`conda run -n x pip install …`: what the command behind it does in that environment."""
    at = list(argv).index("run") + 1
    while at < len(argv) and (argv[at] or "").startswith("-"):
        at += 2 if argv[at] in ("-n", "--name", "-p", "--prefix", "--cwd") else 1
    prefix = place_of(command, argv[:at], scope)
    if at >= len(argv) or prefix is None:
        return None
    variables = {
        **scope.variables,
        "CONDA_PREFIX": prefix,
        "PATH": f"{prefix}/bin:{scope.variables.get('PATH', '')}",
    }
    return _behind(command, at, replace(scope, variables=variables))


def _behind(command: Command, at: int, scope: Scope) -> Effect:
    """Return what the command behind other words does."""
    from msrefactor_transforms.splitting.plan import interpreters

    inner = replace(command, words=command.words[at:], redirects=(), assignments=())
    item = Item("command", (inner,), inner.start, inner.end, "", inner.end, inner.end)
    return interpret_command(inner, scope, interpreters(), item)


# --------------------------------------------------------------------------------- beside conda itself


def _lock(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect:
    words = operands(argv, (*VALUED, "--log-level", "--micromamba"))
    if words[:1] == ("install",):
        files = [scope.path(word) for word in words[1:] if word]
        read = [environment_in(scope, file) for file in files]
        here = Evidence("Dockerfile", None, " ".join(word or "?" for word in argv))
        install = CondaInstall(
            place_of(command, argv, scope) or "",
            tuple(pair for one in read for pair in one.names),
            tuple((name, here) for one in read for name in one.pip),
            tuple(
                f"{f}, which isn't in the build context"
                for f, one in zip(files, read, strict=True)
                if one is UNREADABLE
            ),
            tuple(files),
            makes=True,
        )
        return filled(install, "conda-lock", files, scope)
    made = option_value(argv, "--lockfile", "-o") or "conda-lock.yml"
    return Effect(
        Role.BUILD, tool="conda-lock", reads=(scope.cwd,), writes=(scope.path(made),), why="the lock file"
    )


def _pack(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    tool = posixpath.basename(str(argv[0]))
    if tool == "conda-unpack":
        name = str(argv[0])
        folder = (
            posixpath.dirname(posixpath.dirname(scope.path(name))) if "/" in name else active_prefix(scope)
        )
        if folder is None:
            return None
        return Effect(
            Role.BUILD,
            tool=tool,
            reads=(folder,),
            reads_only=True,
            writes=(folder,),
            notes=((PREFIXES, (*scope.notes.get(PREFIXES, ()), folder)),),
            why="the unpacked environment",
        )
    made = option_value(argv, "-o", "--output")
    folder = option_value(argv, "-p", "--prefix")
    chosen = option_value(argv, "-n", "--name")
    source = scope.path(folder) if folder else named_prefix(chosen or "base", scope, root_of(scope))
    if source is None:
        return None
    target = scope.path(made or f"{posixpath.basename(source)}.tar.gz")
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=(source,),
        reads_only=True,
        writes=(target,),
        why="the packed environment",
    )


def _sourced(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """`source activate x`, `. /opt/conda/etc/profile.d/conda.sh`, `source ~/.bashrc`."""
    script = argv[1] if len(argv) > 1 else None
    if script is None:
        return None
    path = scope.path(script)
    if script == "activate" or (posixpath.basename(path) == "activate" and is_inside(path, scope)):
        given = argv[2] if len(argv) > 2 else None
        prefix = posixpath.dirname(posixpath.dirname(path))
        return _activate(given or (prefix if "/" in script else "base"), scope)
    if script in ("deactivate", "_activate_current_env.sh") or path.endswith("/_activate_current_env.sh"):
        return _activate(scope.variables.get("ENV_NAME", "base"), scope)
    if is_inside(path, scope):
        return Effect(Role.NAVIGATE, tool=".")
    login = login_prefix(scope)
    if login is not None and path.endswith(STARTUP_FILES):
        return _activate(login, scope)
    return None


def _hook(command: Command, scope: Scope) -> Effect | None:
    """`eval "$(conda shell.bash hook)"` defines `conda activate`."""
    texts = [word.text for word in command.words[1:]]
    is_hook = len(texts) == 1 and "hook" in texts[0] and any(f"{name} shell" in texts[0] for name in MANAGERS)
    return Effect(Role.NAVIGATE, tool="eval") if is_hook else None


def _unpacked(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """`curl https://micro.mamba.pm/… | tar -xvj bin/micromamba`."""
    if "bin/micromamba" not in argv:
        return None
    folder = scope.path(option_value(argv, "-C", "--directory") or ".")
    name = "micromamba" if any((word or "").startswith("--strip") for word in argv) else "bin/micromamba"
    place = posixpath.join(folder, name)
    return Effect(
        Role.FETCH, tool="tar", reads_only=True, writes=(place,), why="micromamba", ecosystem="conda"
    )


def _login_shell(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """`bash -lc '…'`, where the user's start-up files activate an environment."""
    login = login_prefix(scope)
    words = tuple(word or "" for word in argv)
    if not login or not starts_as_login(words) or scope.variables.get("CONDA_PREFIX") == login:
        return None
    variables = {
        **scope.variables,
        "CONDA_PREFIX": login,
        "PATH": f"{login}/bin:{scope.variables.get('PATH', '')}",
    }
    return _behind(command, 0, replace(scope, variables=variables))


def _touched(command: Command, tool: str, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what is done to files of conda's folders: the build's, like all that is there."""
    words = operands(argv, ("-m", "--mode"))
    if tool == "rm" and any(is_installer(word) for word in command.words[1:]) and None in words:
        return Effect(Role.CLEAN, tool=tool)
    if tool == "find":
        words = tuple(
            words[: next((n for n, w in enumerate(words) if w and w.startswith(("(", "!"))), len(words))][:1]
        )
    elif tool in ("chmod", "chown"):
        owner, words = (words[0] if words else None), words[1:]
    paths = [scope.path(word) for word in words if word is not None]
    if not paths or len(paths) != len(words):
        return None
    if tool == "mkdir":
        is_settings = all(path == f"{scope.home}/.conda" for path in paths)
        return (
            Effect(Role.BUILD, tool=tool, reads_only=True, why="settings of conda") if is_settings else None
        )
    if not all(is_inside(path, scope) for path in paths):
        return None
    if tool == "rm":
        why = EMPTIES if all("pkgs" in path.split("/") for path in paths) else "litter of conda's packages"
        return Effect(Role.BUILD, tool=tool, reads_only=True, removes=tuple(paths), why=why)
    if tool in ("chmod", "chown"):
        names = tuple(p for p in (owner or "").split(":") if p and not p.isdigit()) if tool == "chown" else ()
        return Effect(
            Role.BUILD,
            tool=tool,
            reads_only=True,
            writes=tuple(paths),
            mentions_users=names,
            why="owners and modes",
        )
    return Effect(Role.BUILD, tool=tool, reads_only=True, why="litter of conda's packages")


def _announced(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """`echo "conda activate x" >> ~/.bashrc`: later shells that read the file run in that environment."""
    written = redirect_writes(command, scope) or ()
    if not any(path.endswith(STARTUP_FILES) for path in written):
        return None
    text = " ".join(word if word is not None else "?" for word in argv[1:])
    found = re.search(
        r"\b(?:(?:conda|mamba|micromamba)\s+activate|source\s+activate|\.\s+activate)\s+([\w./?-]+)", text
    )
    if found is None and "?" in text:
        return Effect(Role.NOTHING, tool="echo", notes=((LOGIN, ""),))
    prefix = named_prefix(found[1], scope, root_of(scope)) if found else None
    return Effect(Role.NOTHING, tool="echo", notes=((LOGIN, prefix),)) if prefix else None


# ------------------------------------------------------------------------------ inside of an environment

_OF_R = frozenset({"R", "Rscript", "install2.r", "installGithub.r", "installBioc.r", "install.r"})


def _inside(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what an installer of Python or R packages does that is taken from an environment."""
    name = argv[0]
    if name is None:
        return None
    tool = posixpath.basename(name)
    is_python = re.fullmatch(r"(python|pip)(\d(\.\d+)?)?", tool) is not None
    if not is_python and tool not in _OF_R:
        return None
    prefix = active_prefix(scope, name)
    if prefix is None:
        return None
    if not is_python:
        effect = r.interpret(command, argv, scope)
        if effect is None or not isinstance(effect.detail, r.RInstall):
            return effect
        return filled(CondaInstall(prefix), tool, effect.reads, scope)
    # the interpreter by its bare name: where it installs is told here
    plain = replace(scope, variables={k: v for k, v in scope.variables.items() if k != "CONDA_PREFIX"})
    effect = python.interpret(command, (tool, *argv[1:]), plain)
    if effect is None or not isinstance(effect.detail, python.Install):
        return None
    install = effect.detail
    if install.tool not in ("pip", "setup.py"):
        return None
    if install.where in ("wheels", "in-place"):
        return replace(effect, ecosystem="conda", detail=None)
    target = (
        option_value(argv, "-t", "--target") or option_value(argv, "--prefix") or option_value(argv, "--root")
    )
    if target is not None:
        return None
    written = [path for path in effect.writes if install.is_editable]
    if "--user" in argv:
        prefix = f"{scope.home}/.local"
    found = CondaInstall(
        prefix,
        pip=install.names,
        unknown=install.unknown,
        files=tuple(file for file in install.files if not file.endswith("/")),
        keeps_cache="--no-cache-dir" not in argv and not scope.variables.get("PIP_NO_CACHE_DIR"),
    )
    return filled(found, tool, effect.reads, scope, [path for path in written if path != install.where])
