"""What git ignores is not walked into: the rules of gitignore(5), and git itself as an oracle."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from conftest import MakeFiles
from msrefactor.gitignore import IgnoredByGit
from msrefactor.walk import find_dockerfiles


def found(*paths: str) -> list[str]:
    return [str(path) for path in find_dockerfiles(paths).files]


GIT = {".git/HEAD": "ref: refs/heads/main\n"}


def test_what_git_ignores_is_left_out_in_a_repository_only(files: MakeFiles) -> None:
    contents = {
        ".gitignore": "build/\n*.dev\n!keep.dev\n/only-top\n",
        "build/Dockerfile": "",
        "a/build/Dockerfile": "",
        "a/Dockerfile.dev": "",
        "a/Dockerfile": "",
        "only-top/Dockerfile": "",
        "a/only-top/Dockerfile": "",
    }
    files(contents)
    assert len(found(".")) == 6
    files(GIT)
    assert found(".") == ["a/Dockerfile", "a/only-top/Dockerfile"]


def test_rules_of_inner_folders_beat_those_of_outer_ones(files: MakeFiles) -> None:
    files(
        GIT
        | {
            ".gitignore": "Dockerfile.*\n",
            "a/.gitignore": "!Dockerfile.a\n",
            "a/b/.gitignore": "Dockerfile.a\n",
        }
        | dict.fromkeys(("Dockerfile.a", "a/Dockerfile.a", "a/Dockerfile.b", "a/b/Dockerfile.a"), "")
    )
    assert found(".") == ["a/Dockerfile.a"]


def test_exclude_file_of_the_repository_counts(files: MakeFiles) -> None:
    files(GIT | {".git/info/exclude": "/mine\n", "mine/Dockerfile": "", "Dockerfile": ""})
    assert found(".") == ["Dockerfile"]


def test_repositories_below_have_their_own_rules(files: MakeFiles) -> None:
    files(
        {
            ".gitignore": "Dockerfile\n",
            "one/.git/HEAD": "",
            "one/.gitignore": "out\n",
            "one/out/Dockerfile": "",
            "one/Dockerfile": "",
            "two/.git": "gitdir: ../elsewhere\n",
            "two/Dockerfile": "",
            "plain/Dockerfile": "",
        }
    )
    assert found(".") == ["one/Dockerfile", "plain/Dockerfile", "two/Dockerfile"]
    files(GIT)
    assert found(".") == ["one/Dockerfile", "two/Dockerfile"]


def test_what_is_named_is_taken(files: MakeFiles) -> None:
    files(
        GIT
        | {".gitignore": "build/\nDockerfile.dev\n", "build/Dockerfile": "", "build/x/Dockerfile.dev": ""}
        | {"build/.gitignore": "y\n", "build/y/Dockerfile": ""}
    )
    assert found(".") == []
    assert found("build") == ["build/Dockerfile", "build/x/Dockerfile.dev"]
    assert found("build/x/Dockerfile.dev") == ["build/x/Dockerfile.dev"]


def test_rules_above_the_named_folder_count(files: MakeFiles) -> None:
    files(GIT | {".gitignore": "/a/b/out\n", "a/b/out/Dockerfile": "", "a/b/Dockerfile": ""})
    assert found("a") == found("a/b") == ["a/b/Dockerfile"]


def test_ignore_file_that_is_a_link_or_too_large_or_a_pipe_is_not_read(files: MakeFiles) -> None:
    folder = files(
        GIT | {"rules": "a\n", "a/Dockerfile": "", "b/.gitignore": "x" * 2_000_001, "b/x/Dockerfile": ""}
    )
    (folder / ".gitignore").symlink_to("rules")
    os.mkfifo(folder / "a/.gitignore")
    assert found(".") == ["a/Dockerfile", "b/x/Dockerfile"]


def test_hostile_patterns_end(files: MakeFiles) -> None:
    deep = "/".join(["a" * 30] * 40)
    files(
        GIT
        | {
            ".gitignore": f"{'*a' * 60}b\n{'**/a*/' * 60}b\n/{'**/' * 500}b\n[\n[a\n\\\n!\n/\n",
            f"{deep}/Dockerfile": "",
        }
    )
    assert found(".") == [f"{deep}/Dockerfile"]


def test_odd_bytes_are_compared_as_they_are(files: MakeFiles) -> None:
    folder = files(GIT | {".gitignore": b"\xef\xbb\xbf/caf\xe9\r\n"})
    os.makedirs(os.fsencode(folder) + b"/caf\xe9")  # noqa: PTH103
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9/Dockerfile")).write_text("")
    assert found(".") == []


NAMES = ("a", "b", "ab", "foo.x", "Dockerfile", "Dockerfile.a", "x y", "!a", "#a")
PIECES = (
    "a",
    "b",
    "*",
    "**",
    "?",
    "[ab]",
    "[!a]",
    "[^b]",
    "foo",
    ".x",
    "Dockerfile",
    "/",
    "/",
    "\\*",
    "\\a",
    " ",
    "x y",
)


def lines(chance: random.Random) -> str:
    found_lines = []
    for _ in range(chance.randint(1, 6)):
        text = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 5)))
        found_lines.append(
            chance.choice(["", "", "", "!", "/"]) + text + chance.choice(["", "", "/", " ", "\\ "])
        )
    return "\n".join(found_lines) + "\n"


def decided_by_git(folder: Path, paths: list[str]) -> set[str]:
    done = subprocess.run(
        ["git", "-c", "core.excludesFile=/dev/null", "check-ignore", "--stdin", "-z", "--no-index"],
        input="\0".join(paths).encode(),
        cwd=folder,
        capture_output=True,
        check=False,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull},
    )
    assert done.returncode in {0, 1}, done.stderr
    return {path for path in done.stdout.decode().split("\0") if path}


@pytest.mark.parametrize("seed", range(25))
def test_git_decides_the_same(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, capture_output=True)
    folders = [""]
    for _ in range(12):
        parent = chance.choice(folders)
        folders.append(os.path.join(parent, chance.choice(NAMES)))  # noqa: PTH118
    files = set()
    for folder in dict.fromkeys(folders):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for folder in dict.fromkeys(folders):
        for name in chance.sample(NAMES, 4):
            path = tmp_path / folder / name
            if not path.exists():
                path.write_text("")
                files.add(str(path.relative_to(tmp_path)))
        if chance.random() < 0.5:
            (tmp_path / folder / ".gitignore").write_text(lines(chance))
    (tmp_path / ".git/info/exclude").write_text(lines(chance))
    ours = set()

    def walk(rules: IgnoredByGit, folder: str) -> None:
        for entry in sorted((tmp_path / folder).iterdir()):
            path = str(entry.relative_to(tmp_path))
            if entry.name in {".git", ".gitignore"}:
                continue
            is_ignored = rules.ignores(entry.name, is_folder=entry.is_dir())
            if entry.is_dir() and not is_ignored:
                walk(rules.entered(entry.name), path)
            elif not entry.is_dir() and not is_ignored:
                ours.add(path)

    walk(IgnoredByGit.of(str(tmp_path)), "")
    assert files - ours == decided_by_git(tmp_path, sorted(files))
