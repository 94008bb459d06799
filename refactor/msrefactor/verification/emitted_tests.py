"""Tests of an image for a project's own CI: a container-structure-test file and a goss file.

They say what the original image is and has, as far as its start commands reach; with the new image at hand,
only what that one has at the same place, too. The same images give the same text.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from msrefactor.source import create_atomically, read_source, write_atomically
from msrefactor.verification.config import BASE_VARIABLES, BUILD_VARIABLES, MAKING_LABELS, PASSING
from msrefactor.verification.elf import MAGIC
from msrefactor.verification.filesystem import Filesystem, Node
from msrefactor.verification.node_wants import node_wants
from msrefactor.verification.python_wants import python_wants
from msrefactor.verification.reach import Reach, environment_of, reach_of
from msrefactor.verification.runtime_wants import runtime_wants

STRUCTURE_TEST = "container-structure-test.yaml"
GOSS = "goss.yaml"
_FILES = frozenset(
    {"program", "interpreter", "file", "jar", "assembly", "class path", "module", "PHP extension"}
)
_LARGEST_CONTENT = 4000
_MOST = 200
_SPECIAL = frozenset("\\.+*?()|[]{}^$")

_STRUCTURE_HEAD = """\
# What the image is and has, as the original had it before msrefactor changed its Dockerfile.
# container-structure-test test --image IMAGE --config {name}
"""
_GOSS_HEAD = """\
# What a container of the image has, as the original had it before msrefactor changed its Dockerfile.
# GOSS_FILES_PATH=DIRECTORY-OF-THIS-FILE dgoss run IMAGE
"""


def emitted_tests(
    before: Filesystem,
    before_config: Mapping[str, Any],
    after: Filesystem | None = None,
    after_config: Mapping[str, Any] | None = None,
    *,
    ports: Sequence[int] = (),
    answers: Mapping[str, int] | None = None,
) -> Mapping[str, str]:
    """Return the two files' names and texts.

    `ports` are those that the original was seen to listen on, `answers` the URLs that it was asked for and
    the status of each; both are left out where nobody ran it. Configurations are what `docker image inspect`
    calls Config. Raises `VerifyExtraMissing` without pyelftools.
    """
    reach = _reached(before, before_config)
    other = _reached(after, after_config or {}) if after is not None else reach
    files = _files(reach, after)
    commands = tuple(_commands(reach, other))
    structure = {
        "schemaVersion": "2.0.0",
        "commandTests": list(commands),
        "fileExistenceTests": [_existence(path, node) for path, node in files.items()],
        "fileContentTests": list(_contents(before, after, files)),
        "metadataTest": _metadata(before_config, after_config),
    }
    goss = {
        "file": {path: _goss_file(before, after, path, node) for path, node in files.items()},
        "user": dict(_users(reach)) if reach.account == other.account else {},
        "command": {
            " ".join(_quoted(word) for word in (one["command"], *one["args"])): {"exit-status": 0}
            for one in commands
        },
        "port": {f"tcp:{port}": {"listening": True} for port in sorted(ports)},
        "http": {
            url: {"status": status, "no-follow-redirects": True, "timeout": 5000}
            for url, status in sorted((answers or {}).items())
        },
    }
    return {
        STRUCTURE_TEST: _STRUCTURE_HEAD.format(name=STRUCTURE_TEST) + _yaml(structure),
        GOSS: _GOSS_HEAD + _yaml(goss),
    }


def _reached(root: Filesystem, config: Mapping[str, Any]) -> Reach:
    reach = reach_of(root, config)
    python_wants(reach)
    node_wants(reach)
    runtime_wants(reach)
    return reach


def _yaml(document: Mapping[str, Any]) -> str:
    import yaml

    kept = {key: value for key, value in document.items() if value}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=1000)


# ------------------------------------------------------------------------------------------------------ files


def _files(reach: Reach, after: Filesystem | None) -> Mapping[str, Node]:
    """Return what is started and read, without links, as both images have it."""
    root = reach.root
    wanted = {*reach.programs, *(one.found for one in reach.wants if one.kind in _FILES and one.found)}
    found: dict[str, Node] = {}
    for path in sorted(filter(None, map(root.resolve, wanted))):
        node = root.nodes[path]
        if node.kind not in ("file", "folder") or path.startswith(("/proc", "/dev", "/sys")) or path == "/":
            continue
        new = after.nodes.get(path) if after is not None else node
        if new is None or permissions(new) != permissions(node):
            continue
        if (new.owner, new.group) == (node.owner, node.group):
            found[path] = node
    folder = root.resolve(reach.folder)
    if folder is not None and folder != "/" and (after is None or after.nodes.get(folder) is not None):
        found.setdefault(folder, root.nodes[folder])
    return dict(sorted(found.items())[:_MOST])


def permissions(node: Node) -> str:
    """Return a mode as Go's `os.FileMode` writes it: `-rwxr-xr-x`, `dtrwxrwxrwx` for /tmp."""
    kinds = "d" if node.kind == "folder" else ""
    special = "".join(
        letter for bit, letter in ((0o4000, "u"), (0o2000, "g"), (0o1000, "t")) if node.mode & bit
    )
    bits = "".join(
        letter if node.mode & 1 << (8 - index) else "-" for index, letter in enumerate("rwxrwxrwx")
    )
    return f"{kinds + special or '-'}{bits}"


def _existence(path: str, node: Node) -> dict[str, Any]:
    test: dict[str, Any] = {
        "name": f"{path} is as it was",
        "path": path,
        "shouldExist": True,
        "permissions": permissions(node),
        "uid": node.owner,
        "gid": node.group,
    }
    if node.is_executable:
        test["isExecutableBy"] = "any"
    return test


def _contents(
    before: Filesystem, after: Filesystem | None, files: Mapping[str, Node]
) -> Iterator[dict[str, Any]]:
    """Yield tests of the text of small scripts; both images have the same."""
    for path, node in files.items():
        if node.kind != "file" or node.size > _LARGEST_CONTENT or not before.head(path, 2).startswith(b"#!"):
            continue
        text = before.text(path)
        if text is None or any(not (character.isprintable() or character in "\n\t") for character in text):
            continue
        if after is not None and after.digest(path) != before.digest(path):
            continue
        lines = [line for line in text.splitlines() if line.strip()]
        yield {
            "name": f"{path} does the same",
            "path": path,
            "expectedContents": [f"(?m)^{_escaped(line)}$" for line in lines],
        }


def _escaped(text: str) -> str:
    """Return a regular expression of Go that matches a text."""
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in text)


def _goss_file(before: Filesystem, after: Filesystem | None, path: str, node: Node) -> dict[str, Any]:
    test: dict[str, Any] = {
        "exists": True,
        "mode": f"{node.mode:04o}",
        "uid": node.owner,
        "gid": node.group,
        "filetype": "directory" if node.kind == "folder" else "file",
    }
    is_text = node.kind == "file" and not before.head(path, 4).startswith((MAGIC, b"PK"))
    if is_text and after is not None and after.digest(path) == before.digest(path):
        test["sha256"] = before.digest(path)
    return test


# --------------------------------------------------------------------------------------------------- commands


def _commands(reach: Reach, other: Reach) -> Iterator[dict[str, Any]]:
    """Yield commands that end at once and show that programs and packages are found, in both images."""
    shell = "/bin/sh"
    if reach.root.is_file(shell) and other.root.is_file(shell):
        names = {one.name for one in reach.wants if one.kind == "program" and one.found}
        for name in sorted(names):
            is_plain = name.replace("-", "").replace("_", "").replace(".", "").isalnum()
            if is_plain and other.find(name, other.folder)[0] is not None:
                yield _command(f"{name} is found", shell, "-c", f"command -v {name}")
    kept = {(one.kind, one.name) for one in other.wants if one.found}
    wants = [one for one in reach.wants if one.found and (one.kind, one.name) in kept]
    programs = {posixpath.basename(path) for path in reach.programs}
    modules = {one.name: one.found or "" for one in wants if one.kind == "Python module"}
    packages = sorted(name for name, place in modules.items() if "-packages/" in place)
    python = next((one for one in ("python3", "python") if _both_find(reach, other, one)), None)
    if packages and python and any(name.startswith("python3") for name in programs):
        yield _command("the Python packages are imported", python, "-c", f"import {', '.join(packages)}")
    direct = sorted({one.name for one in wants if _is_direct(one.kind, one.by) and "'" not in one.name})
    if direct and "node" in programs and _both_find(reach, other, "node"):
        calls = "; ".join(f"require.resolve('{name}')" for name in direct)
        yield _command("the Node packages are resolved", "node", "-e", calls)


def _command(name: str, command: str, *arguments: str) -> dict[str, Any]:
    return {"name": name, "command": command, "args": list(arguments), "exitCode": 0}


def _both_find(reach: Reach, other: Reach, name: str) -> bool:
    return all(one.find(name, one.folder)[0] is not None for one in (reach, other))


def _is_direct(kind: str, by: str) -> bool:
    return kind == "Node package" and "node_modules" not in by and by.endswith((".js", ".cjs"))


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)


# ----------------------------------------------------------------------------------------------------- config


def _metadata(config: Mapping[str, Any], other: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the test of the configuration: what a user of the image sees, not how its base was made."""
    new = other if other is not None else config
    kept = {key: config.get(key) for key in ("WorkingDir", "User") if config.get(key) == new.get(key)}
    environment, now = environment_of(config), environment_of(new)
    left_out = BASE_VARIABLES | BUILD_VARIABLES | {"PATH"}
    test: dict[str, Any] = {
        "envVars": [
            {"key": key, "value": value}
            for key, value in environment.items()
            if key not in left_out and now.get(key) == value
        ],
        "labels": [
            {"key": key, "value": value}
            for key, value in sorted((config.get("Labels") or {}).items())
            if key not in MAKING_LABELS and (new.get("Labels") or {}).get(key) == value
        ],
        "exposedPorts": [
            port.partition("/")[0]  # the tool knows the number only
            for port in sorted(config.get("ExposedPorts") or {})
            if port in (new.get("ExposedPorts") or {})
        ],
        "volumes": sorted(set(config.get("Volumes") or {}) & set(new.get("Volumes") or {})),
        "workdir": kept.get("WorkingDir") or "",
        "user": kept.get("User") or "",
    }
    entrypoint = list(config.get("Entrypoint") or ())
    if entrypoint not in PASSING and list(new.get("Entrypoint") or ()) == entrypoint:
        test["entrypoint"] = entrypoint
    if list(new.get("Cmd") or ()) == list(config.get("Cmd") or ()):
        test["cmd"] = list(config.get("Cmd") or ())
    return {key: value for key, value in test.items() if value or key in ("entrypoint", "cmd")}


def _users(reach: Reach) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the user that the container runs as, where /etc/passwd names it."""
    account = reach.account
    for line in (reach.root.text("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if account is not None and len(fields) > 5 and fields[2] == str(account.uid) and account.uid != 0:
            yield fields[0], {"exists": True, "uid": account.uid, "gid": int(fields[3]), "home": fields[5]}
            return


def write_tests(folder: Path, dockerfile: str, texts: Mapping[str, str]) -> tuple[Path, ...]:
    """Write the files of one Dockerfile, each as a whole or not at all; return their paths.

    Those of `Dockerfile` lie in the folder itself, those of any other in a folder named after it
    (`services/api/Dockerfile` in `services-api`). Raises OSError, BadInput and WriteFailed.
    """
    parts = PurePosixPath(dockerfile).parts
    parts = parts[:-1] if parts and parts[-1] == "Dockerfile" else parts
    name = "-".join(part.strip(".") for part in parts if part.strip("./"))
    place = folder / name if name else folder
    place.mkdir(parents=True, exist_ok=True)
    written = []
    for file, text in texts.items():
        path = place / file
        if path.exists():
            write_atomically(read_source(path), text)
        else:
            create_atomically(path, text)
        written.append(path)
    return tuple(written)
