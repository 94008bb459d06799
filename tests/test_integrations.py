"""Hooks, the GitHub Action, editors' snippets, completion and manual page say what the tool does."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import click
import pytest
import yaml

from conftest import REPOSITORY, MakeFiles
from msrefactor.cli import command
from msrefactor.walk import is_dockerfile_name

INTEGRATIONS = REPOSITORY / "integrations"
HOOKS = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text())
OPTIONS = {
    name
    for parameter in command.get_params(click.Context(command))
    for name in (*parameter.opts, *parameter.secondary_opts)
}


def module(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.replace("/", "_")[:-3], INTEGRATIONS / path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


# ---- pre-commit --------------------------------------------------------------------------------------------

TAKEN = (
    "Dockerfile", "a/Dockerfile.dev", "dev.Dockerfile", "dev.dockerfile", "dockerfile", "Dockerfile-prod",
    "Dockerfile_base", "Containerfile", "Containerfile.prod", "app.containerfile", "Dockerfile.template",
)  # fmt: skip
LEFT = (
    "Dockerfile.dockerignore", "Dockerfile.j2", "Dockerfile.md", "dockerfile_parse.py", "mydockerfile",
    "Dockerfile.yml", "docs/dockerfile.json", "docker-compose.yml", "Dockerfiles/app",
)  # fmt: skip


def is_hooked(path: str) -> bool:
    return any(
        re.search(hook["files"], path) is not None and re.search(hook["exclude"], path) is None
        for hook in HOOKS
    )


@pytest.mark.parametrize("path", TAKEN)
def test_hook_takes_what_people_call_their_dockerfiles(path: str) -> None:
    assert is_hooked(path)
    assert is_dockerfile_name(path.rpartition("/")[2])


@pytest.mark.parametrize("path", LEFT)
def test_hook_leaves_what_only_talks_about_one(path: str) -> None:
    assert not is_hooked(path)
    assert not is_dockerfile_name(path.rpartition("/")[2])


def test_hooks_have_the_options_and_the_same_patterns() -> None:
    assert [hook["id"] for hook in HOOKS] == ["msrefactor", "msrefactor-check"]
    assert len({(hook["files"], hook["exclude"], *hook["types"], hook["language"]) for hook in HOOKS}) == 1
    for hook in HOOKS:
        name, *options = hook["entry"].split()
        assert name == "msrefactor"
        assert set(options) <= OPTIONS


# ---- the GitHub Action -------------------------------------------------------------------------------------

RUN = module("github/run.py")


def test_inputs_of_the_action_never_become_text_of_a_script() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
    used = {
        name
        for value in ACTION["runs"]["steps"][0]["env"].values()
        for name in re.findall(r"inputs\.([\w-]+)", value)
    }
    assert used == set(ACTION["inputs"])


def test_annotations_are_one_a_file_and_no_more_than_are_shown() -> None:
    listed = "a,b/Dockerfile:3:1: split-stages: 50% less\na,b/Dockerfile:9:1: reorder-copy: copies\n"
    told = "split-stages: 50%25 less%0Areorder-copy: copies"
    command = f"::warning file=a%2Cb/Dockerfile,line=3,title=msrefactor::{told}"
    assert RUN.annotations(listed, "warning") == [command]
    many = "".join(f"{number}/Dockerfile:1:1: x: y\n" for number in range(25))
    found = RUN.annotations(many, "notice")
    assert len(found) == 10
    assert found[-1] == "::notice title=msrefactor::16 more files; see the summary"


def test_text_of_the_run_is_no_command_for_the_runner(capsys: pytest.CaptureFixture[str]) -> None:
    RUN.tell("::set-output name=x::y/Dockerfile:1:1: refused\n")
    assert not any(line.lstrip().startswith("::") for line in capsys.readouterr().err.splitlines())


def test_summary_keeps_within_the_limit_and_its_fence() -> None:
    text = RUN.summary("+```\n" + "+é\n" * 1_000_000, "1 file: 1 would change <b>\n")
    assert len(text.encode()) <= 1_000_000
    assert text.startswith("### msrefactor\n\n1 file: 1 would change \\<b\\>\n\n````diff\n")
    assert text.endswith("````\n")
    assert "Nothing would change." in RUN.summary("", "")


@pytest.mark.parametrize("version", ["1.0; rm -rf /", "--index-url=x", "1.0 evil", "../x"])
def test_version_of_the_action_is_a_version(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert RUN.installed(version, "/nonexistent/python") is None
    assert "is no version" in capsys.readouterr().out


# ---- editors -----------------------------------------------------------------------------------------------


def options_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))


def test_jetbrains_tools_have_the_options() -> None:
    root = ElementTree.parse(INTEGRATIONS / "jetbrains/External Tools.xml").getroot()  # noqa: S314  our own
    given = [option.get("value", "") for option in root.iter("option") if option.get("name") == "PARAMETERS"]
    assert len(given) == 3
    for value in given:
        assert '"$FilePath$"' in value
        assert options_in(value) <= OPTIONS


def test_problem_matchers_of_vs_code_read_what_is_printed(files: MakeFiles) -> None:
    tasks = json.loads((INTEGRATIONS / "vscode/tasks.json").read_text())["tasks"]
    for task in tasks:
        assert {word for word in task["args"] if word.startswith("-")} <= OPTIONS
    change, refusal = (matcher["pattern"] for matcher in tasks[0]["problemMatcher"])
    folder = files({"Dockerfile": "FROM python:3.12\nCOPY . .\nRUN strange-tool\nCMD python app.py\n"})
    arguments = [word.replace("${file}", str(folder / "Dockerfile")) for word in tasks[0]["args"]]
    done = subprocess.run(
        [sys.executable, "-m", "msrefactor", *arguments], capture_output=True, text=True, check=True
    )
    match = re.match(refusal["regexp"], done.stderr.splitlines()[0])
    assert match is not None
    assert match[refusal["file"]] == str(folder / "Dockerfile")
    assert match[refusal["code"]] == "opaque-step"
    listed = re.match(change["regexp"], f"{folder}/Dockerfile:3:1: split-stages: why")
    assert listed is not None
    assert (listed[change["file"]], listed[change["line"]]) == (f"{folder}/Dockerfile", "3")
    assert re.match(change["regexp"], done.stderr.splitlines()[0]) is None


@pytest.mark.parametrize("name", ["vim/msrefactor.vim", "neovim/msrefactor.lua", "emacs/msrefactor.el"])
def test_snippets_of_editors_have_the_options(name: str) -> None:
    text = (INTEGRATIONS / name).read_text()
    used = {f"--{word}" for word in re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text)}
    assert used
    assert used <= OPTIONS


@pytest.mark.skipif(shutil.which("vim") is None, reason="vim isn't installed")
def test_vim_rewrites_the_buffer(files: MakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'FROM python:3.12\nCOPY . .\nRUN pip install -r requirements.txt\nCMD ["python", "a.py"]\n'
    folder = files({"a b/Dockerfile": text, "a b/requirements.txt": "flask", "a b/a.py": "", "bin/x": ""})
    program = folder / "bin/msrefactor"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m msrefactor "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    script = INTEGRATIONS / "vim/msrefactor.vim"
    subprocess.run(
        ["vim", "-Nu", "NONE", "-n", "-es", "-S", str(script), "-c", "edit a\\ b/Dockerfile", "-c",
         "Msrefactor", "-c", "wq"],
        check=False, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    expected = subprocess.run(
        [str(program), "-q", "--stdin-filename", "a b/Dockerfile", "-"],
        input=text.encode(), capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert expected != text.encode()
    assert (folder / "a b/Dockerfile").read_bytes() == expected


# ---- completion and the manual page ------------------------------------------------------------------------


def test_manual_page_is_current() -> None:
    current = module("generate.py").man_page()
    assert (INTEGRATIONS / "man/msrefactor.1").read_text() == current, "run: python integrations/generate.py"


@pytest.mark.skipif(shutil.which("man") is None, reason="man isn't installed")
def test_manual_page_has_no_fault() -> None:
    page = str(INTEGRATIONS / "man/msrefactor.1")
    done = subprocess.run(
        ["man", "--warnings", "-l", page],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.stderr == ""
    assert "--stdin-filename PATH" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash isn't installed")
def test_bash_completes_options_and_paths(files: MakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = files({"bin/x": ""})
    program = folder / "bin/msrefactor"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m msrefactor "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    script = INTEGRATIONS / "completion/msrefactor.bash"
    asked = (
        f'source "{script}"; COMP_WORDS=(msrefactor --runt); COMP_CWORD=1; '
        '_msrefactor_completion msrefactor; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "--runtime"


@pytest.mark.parametrize("name", ["_msrefactor", "msrefactor.fish", "msrefactor.bash"])
def test_completions_ask_the_program(name: str) -> None:
    assert "_MSREFACTOR_COMPLETE=" in (INTEGRATIONS / "completion" / name).read_text()


def test_documentation_names_every_integration() -> None:
    text = (INTEGRATIONS / "README.md").read_text()
    for folder in sorted(
        path.name for path in INTEGRATIONS.iterdir() if path.is_dir() and path.name[0] not in "_."
    ):
        assert f"{folder}/" in text, folder


def test_paths_of_the_documentation_exist() -> None:
    text = (INTEGRATIONS / "README.md").read_text()
    for name in re.findall(r"`((?:[a-z]+)/[\w. -]+)`", text):
        assert Path(INTEGRATIONS / name).exists(), name
