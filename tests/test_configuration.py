"""Configuration files: which one counts, what may stand in it, what beats it; faults touch nothing."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import jsonschema
import pytest

import fakes
from conftest import REPOSITORY, MakeFiles, RunCli
from msrefactor.configuration import Configurations, Wanted
from msrefactor.configuration_keys import KEYS, OVERRIDE_KEYS, path_rules, version_fault
from msrefactor.errors import BadConfiguration
from msrefactor.pipeline import transforms

SCHEMA = json.loads((REPOSITORY / "refactor/msrefactor/schemas/configuration.schema.json").read_text())

FAULTS = {
    'selct = ["name-stage"]': "1:1: there is no key 'selct'; did you mean 'select'?",
    "Base_Images = {}": "1:1: there is no key 'Base_Images'; did you mean 'base-images'?",
    '\n# a comment\n  command = "rm"': (
        "3:3: there is no key 'command'; known are: select, ignore, unsafe, runtime, exclude, "
        "required-version, base-images, overrides"
    ),
    'select = "name-stage"': "1:1: select is a text; it has to be a list of transforms",
    'runtime = "slim"\nignore = [\n  "name-stage",  # not here\n  "nam-stage",\n]': (
        "4:3: there is no transform 'nam-stage'; did you mean 'name-stage'?"
    ),
    "unsafe = 1": "1:1: unsafe is a number; it has to be true, false or a list of transforms",
    'unsafe = ["drop"]': (
        "1:11: there is no transform 'drop'; known are: find-artifact, name-stage, drop-label, grow, "
        "suggest, divide, sleep"
    ),
    'runtime = "tiny"': '1:1: runtime is "tiny"; it has to be one of smallest, distroless, slim',
    "exclude = [1]": "1:1: exclude is a list of other things; it has to be a list of patterns",
    'exclude = ["ok", "a[b"]': "1:18: 'a[b' is no pattern; patterns are written as in .gitignore",
    'exclude = ["#no"]': "1:12: '#no' is no pattern; patterns are written as in .gitignore",
    "required-version = 1": "1:1: required-version is a number; it has to be a text such as '>=1.2,<2'",
    'required-version = "~=1"': (
        "1:1: required-version '~=1' isn't understood; write 1.2, or comparisons: >=1.2,<2"
    ),
    'unknown = 1\nrequired-version = ">=900"': (
        "2:1: version >=900 is required, and this is 0.1.0; install the required one"
    ),
    'base-images = "x"': (
        '1:1: base-images is a text; it has to be a table: "registry.example/python" = "python"'
    ),
    '[base-images]\n"r.example/python" = 3': (
        "2:2: r.example/python is a number; it has to be the name of an image"
    ),
    '[base-images]\n"r.example/" = "python"': (
        "2:2: one side ends in a slash, and the other doesn't; both have to, or none"
    ),
    '[base-images]\n"r.example/python:3" = "python"': (
        "2:2: 'r.example/python:3' has a tag; it has to be a name that all tags share"
    ),
    '[base-images]\n"r.example/py thon" = "python"': "2:2: 'r.example/py thon' is no name of an image",
    'overrides = ["x"]': "1:1: overrides is a list of other things; it has to be tables [[overrides]]",
    '[[overrides]]\npaths = ["a"]\n\n[[overrides]]\nruntime = "slim"': (
        "4:1: overrides has no `paths`; say with patterns which Dockerfiles it is for"
    ),
    '[[overrides]]\npaths = ["a"]\nexclude = ["b"]': (
        "3:1: there is no key 'exclude'; known are: paths, select, ignore, unsafe, runtime"
    ),
    "runtime = ": "1:11: isn't understood as TOML: Invalid value",
    "runtime = 'a'\nruntime = 'b'": "2:14: isn't understood as TOML: Cannot overwrite a value",
}
"""What stands in msrefactor.toml, and what is said of it."""

GOOD = (
    "",
    'select = ["split-stages"]\nignore = []\nunsafe = true\nruntime = "distroless"',
    'unsafe = ["split-stages", "reorder-copy"]\nexclude = ["old/", "*.draft.Dockerfile", "!keep.Dockerfile"]',
    'required-version = ">=0.1,<900"',
    '[base-images]\n"r.example:5000/hub/" = "docker.io/library/"\n"r.example/python" = "python"',
    '[[overrides]]\npaths = ["services/legacy/**"]\nruntime = "slim"\nunsafe = false',
    '[[overrides]]\npaths = []\n\n[[overrides]]\npaths = ["a"]',
)


# ---- faults touch nothing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", FAULTS)
@pytest.mark.parametrize("mode", ["--write", "--diff"])
def test_fault_is_told_with_its_place_and_nothing_is_touched(
    files: MakeFiles, run_cli: RunCli, text: str, mode: str
) -> None:
    folder = files({"a/Dockerfile": fakes.PYTHON, "b/Dockerfile": fakes.PYTHON, "b/msrefactor.toml": text})
    ran = run_cli(mode)
    expected = FAULTS[text]
    told = ran.err.removesuffix("\n")
    assert (ran.code, ran.out) == (2, b"")
    assert told.startswith(f"b/msrefactor.toml:{expected}")
    assert told == f"b/msrefactor.toml:{expected}" or "TOML" in expected
    assert (folder / "a/Dockerfile").read_text() == fakes.PYTHON
    assert (folder / "b/Dockerfile").read_text() == fakes.PYTHON


def test_fault_of_a_pyproject_is_told_with_its_place(files: MakeFiles, run_cli: RunCli) -> None:
    text = '[project]\nname = "x"\n\n[tool.msrefactor]\nruntime = "slim"\nselct = []\n'
    files({"Dockerfile": fakes.PYTHON, "pyproject.toml": text})
    ran = run_cli("--write")
    assert ran.code == 2
    assert ran.err == "pyproject.toml:6:1: there is no key 'selct'; did you mean 'select'?\n"


@pytest.mark.parametrize("text", ["tool = 3 # msrefactor", "[tool]\nmsrefactor = 3"])
def test_strange_tables_of_a_pyproject_are_no_crash(files: MakeFiles, run_cli: RunCli, text: str) -> None:
    files({"Dockerfile": fakes.NGINX, "pyproject.toml": text})
    ran = run_cli()
    assert ran.code == (2 if "[tool]" in text else 0)


def test_fault_of_the_filter_prints_nothing_on_stdout(files: MakeFiles, run_cli: RunCli) -> None:
    files({"msrefactor.toml": "selct = []"})
    ran = run_cli("--stdin-filename", "Dockerfile", "-", stdin=fakes.PYTHON.encode())
    assert (ran.code, ran.out) == (2, b"")


@pytest.mark.parametrize("kind", ["link out of the project", "pipe", "folder", "huge", "deep", "long number"])
def test_hostile_file_is_one_line_and_exit_code_2(files: MakeFiles, run_cli: RunCli, kind: str) -> None:
    folder = files(
        {"project/.git/HEAD": "", "project/Dockerfile": fakes.PYTHON, "secret.toml": "runtime = 'x'"}
    )
    file = folder / "project/msrefactor.toml"
    if kind == "link out of the project":
        file.symlink_to("../secret.toml")
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "huge":
        file.write_text("#" * 2_000_001)
    elif kind == "deep":
        file.write_text("x = " + "[" * 100_000)
    else:
        file.write_text("x = " + "1" * 10_000)
    ran = run_cli("--write", "project")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "runtime" not in ran.err
    assert (folder / "project/Dockerfile").read_text() == fakes.PYTHON


def test_control_characters_of_a_file_do_not_reach_the_terminal(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.NGINX, "msrefactor.toml": '[base-images]\n"a/\\u001b[2Jb" = 1'})
    told = "msrefactor.toml:1:1: a/\\x1b[2Jb is a number; it has to be the name of an image\n"
    assert run_cli().err == told


def test_link_inside_of_the_project_is_followed(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files({".git/HEAD": "", "rules.toml": 'ignore = ["name-stage"]', "a/Dockerfile": fakes.PYTHON})
    (folder / "a/msrefactor.toml").symlink_to("../rules.toml")
    assert run_cli("a").code == 0


# ---- which file counts -------------------------------------------------------------------------------------


def configurations(*, wanted: Wanted | None = None, file: str | None = None) -> Configurations:
    names = [transform.name for transform in fakes.FAKES]
    return Configurations(names, wanted or Wanted(), file=None if file is None else Path(file))


def runtime(path: str) -> str:
    settings = configurations().settings_for(Path(path))
    assert settings is not None
    return settings.runtime


def test_the_closest_file_counts_alone(files: MakeFiles) -> None:
    files(
        {
            ".git/HEAD": "",
            "msrefactor.toml": 'runtime = "distroless"\nunsafe = true',
            "a/msrefactor.toml": 'runtime = "slim"',
            "a/b/c/Dockerfile": "",
        }
    )
    assert runtime("Dockerfile") == "distroless"
    assert runtime("other/Dockerfile") == "distroless"
    assert runtime("a/b/c/Dockerfile") == "slim"
    settings = configurations().settings_for(Path("a/Dockerfile"))
    assert settings is not None
    assert not settings.unsafe


def test_names_in_one_folder_have_an_order(files: MakeFiles) -> None:
    pyproject = '[tool.msrefactor]\nruntime = "slim"'
    folder = files({"pyproject.toml": pyproject})
    assert runtime("Dockerfile") == "slim"
    files({"msrefactor.toml": 'runtime = "distroless"'})
    assert runtime("Dockerfile") == "distroless"
    files({".msrefactor.toml": 'runtime = "smallest"'})
    assert runtime("Dockerfile") == "smallest"
    assert len(list(folder.iterdir())) == 3


def test_pyproject_that_does_not_speak_of_us_is_passed_over(files: MakeFiles) -> None:
    files(
        {
            "msrefactor.toml": 'runtime = "slim"',
            "a/pyproject.toml": "this is [no TOML",
            "b/pyproject.toml": '[project]\nname = "msrefactor-plugin"',
        }
    )
    assert (runtime("a/Dockerfile"), runtime("b/Dockerfile")) == ("slim", "slim")


def test_nothing_above_the_repository_counts(files: MakeFiles) -> None:
    files({"msrefactor.toml": 'runtime = "slim"', "repo/.git/HEAD": "", "repo/a/Dockerfile": ""})
    assert runtime("repo/a/Dockerfile") == "smallest"


def test_without_a_repository_three_folders_up_count(files: MakeFiles) -> None:
    files({"msrefactor.toml": 'runtime = "slim"', "1/2/3/4/Dockerfile": ""})
    assert runtime("1/2/3/Dockerfile") == "slim"
    assert runtime("1/2/3/4/Dockerfile") == "smallest"


def test_the_home_folder_does_not_count(files: MakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = files({"msrefactor.toml": 'runtime = "slim"', "a/Dockerfile": ""})
    monkeypatch.setenv("HOME", str(folder))
    assert runtime("a/Dockerfile") == "smallest"


def test_named_configuration_counts_for_all_from_here(files: MakeFiles, run_cli: RunCli) -> None:
    files(
        {
            "a/Dockerfile": fakes.PYTHON,
            "b/Dockerfile": fakes.PYTHON,
            "b/msrefactor.toml": "broken",
            "campaign/rules.toml": '[[overrides]]\npaths = ["/a"]\nignore = ["name-stage"]',
        }
    )
    ran = run_cli("--check", "--config", "campaign/rules.toml")
    assert ran.text == "b/Dockerfile:1:1: name-stage: the stage has a name to copy from\n"
    assert run_cli("--config", "missing.toml").code == 2
    assert run_cli("--isolated").text.count("+FROM") == 2


def test_named_pyproject_without_our_table_is_an_error(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.PYTHON, "pyproject.toml": "[project]"})
    ran = run_cli("--config", "pyproject.toml")
    assert (ran.code, ran.err) == (2, "pyproject.toml:1:1: has no table [tool.msrefactor]\n")


# ---- what a file sets, and what beats it -------------------------------------------------------------------


def test_command_line_beats_the_file(files: MakeFiles) -> None:
    files(
        {
            "msrefactor.toml": 'select = ["grow"]\nignore = ["sleep", "divide"]\n'
            'unsafe = true\nruntime = "slim"'
        }
    )
    wanted = Wanted(select=frozenset({"sleep"}), ignore=frozenset({"grow"}), unsafe=False, runtime="smallest")
    settings = configurations(wanted=wanted).settings_for(Path("Dockerfile"))
    assert settings is not None
    assert settings.select == {"sleep"}
    assert settings.ignore == {"divide", "grow"}
    assert (settings.unsafe, settings.runtime) == (False, "smallest")


def test_environment_beats_the_file_and_the_command_line_beats_both(
    files: MakeFiles, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    files({"Dockerfile": fakes.LABEL, "msrefactor.toml": "unsafe = false"})
    assert run_cli().code == 0
    monkeypatch.setenv("MSREFACTOR_UNSAFE", "true")
    assert run_cli().code == 1
    assert run_cli("--safe").code == 0
    monkeypatch.setenv("MSREFACTOR_IGNORE", "drop-label,name-stage")
    assert run_cli().code == 0


def test_unsafe_list_allows_its_transforms_alone(files: MakeFiles, run_cli: RunCli) -> None:
    files({"Dockerfile": fakes.LABEL, "msrefactor.toml": 'unsafe = ["drop-label"]'})
    assert run_cli().code == 1
    assert run_cli("--safe").code == 0
    files({"msrefactor.toml": 'unsafe = ["name-stage"]'})
    assert run_cli().code == 0
    assert run_cli("--unsafe").code == 1


def test_overrides_of_a_path_beat_the_file_and_the_last_one_wins(files: MakeFiles) -> None:
    files(
        {
            "msrefactor.toml": 'runtime = "distroless"\n'
            '[[overrides]]\npaths = ["legacy/", "*.old"]\nruntime = "slim"\n'
            '[[overrides]]\npaths = ["legacy/new/**"]\nruntime = "smallest"\n'
        }
    )
    assert runtime("Dockerfile") == "distroless"
    assert runtime("legacy/a/Dockerfile") == "slim"
    assert runtime("deep/Dockerfile.old") == "slim"
    assert runtime("not/legacy.d/Dockerfile") == "distroless"
    assert runtime("legacy/new/Dockerfile") == "smallest"


def test_excluded_files_are_left_out_of_walks_and_named_ones_only_by_force(
    files: MakeFiles, run_cli: RunCli
) -> None:
    files(
        {
            "a/Dockerfile": fakes.PYTHON,
            "old/Dockerfile": fakes.PYTHON,
            "msrefactor.toml": 'exclude = ["old/"]',
        }
    )
    ran = run_cli("--check")
    assert ran.text.splitlines() == ["a/Dockerfile:1:1: name-stage: the stage has a name to copy from"]
    assert ran.err == "1 file: 1 would change; about 120 MB less; 1 excluded by a configuration\n"
    assert run_cli("--check", "old/Dockerfile").code == 1
    ran = run_cli("--write", "--force-exclude", "old/Dockerfile")
    assert (ran.code, ran.out) == (0, b"")
    assert Path("old/Dockerfile").read_text() == fakes.PYTHON


def test_filter_gives_an_excluded_file_back(files: MakeFiles, run_cli: RunCli) -> None:
    files({"msrefactor.toml": 'exclude = ["*.Dockerfile"]'})
    text = fakes.PYTHON.encode()
    name = ("--stdin-filename", "a.Dockerfile")
    assert run_cli(*name, "-", stdin=text).out == fakes.NAMED.encode()
    assert run_cli(*name, "--force-exclude", "-", stdin=text).out == text


def test_explanation_tells_what_set_each_setting(files: MakeFiles, run_cli: RunCli) -> None:
    files(
        {
            "api/Dockerfile": fakes.NGINX,
            "msrefactor.toml": 'runtime = "slim"\nunsafe = true\nignore = ["sleep"]\n'
            '[base-images]\n"r.example/" = "docker.io/"\n'
            '[[overrides]]\npaths = ["api/"]\nunsafe = ["drop-label"]',
        }
    )
    lines = run_cli("--explain", "--runtime", "distroless", "api/Dockerfile").text.splitlines()
    assert [line for line in lines if line.startswith("  set: ")] == [
        '  set: ignore = ["sleep"] (msrefactor.toml)',
        '  set: unsafe = ["drop-label"] (msrefactor.toml, the override for api/)',
        "  set: base-images of msrefactor.toml",
        '  set: runtime = "distroless" (command line)',
    ]


@pytest.mark.parametrize(
    ("required", "version", "is_met"),
    [
        ("1.2", "1.2.7", True),
        ("1.2", "1.20.0", False),
        (">=1.2,<2", "1.10.0", True),
        (">=1.2,<2", "2.0.0", False),
        ("==1.2", "1.2.0", True),
        ("!=1.2.0, >1", "1.2", False),
        ("<=0.9", "0.9.1", False),
        ("", "1.0.0", False),
        ("1.x", "1.0.0", False),
    ],
)
def test_required_version(required: str, version: str, *, is_met: bool) -> None:
    assert (version_fault(required, version) is None) == is_met


def test_required_version_of_the_command_line(files: MakeFiles, run_cli: RunCli) -> None:
    folder = files({"Dockerfile": fakes.PYTHON})
    assert run_cli("--required-version", "900", "--write").code == 2
    assert (folder / "Dockerfile").read_text() == fakes.PYTHON
    assert run_cli("--required-version", ">=0.1", "--write").code == 0


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("Dockerfile", "a/b/Dockerfile", True),
        ("/Dockerfile", "a/Dockerfile", False),
        ("a/*/Dockerfile", "a/b/Dockerfile", True),
        ("a/*/Dockerfile", "a/b/c/Dockerfile", False),
        ("a/**/Dockerfile", "a/b/c/Dockerfile", True),
        ("old/", "x/old/y/Dockerfile", True),
        ("old/", "x/old", False),
        ("*.dev", "x/Dockerfile.dev", True),
        ("*.dev", "x/Dockerfile.develop", False),
    ],
)
def test_patterns_are_those_of_a_gitignore(pattern: str, path: str, *, fits: bool) -> None:
    rules = path_rules((pattern,))
    assert rules is not None
    assert rules.ignores(path) == fits


# ---- the schema --------------------------------------------------------------------------------------------


def table(text: str) -> object:
    return tomllib.loads(text)


def test_schema_is_one_and_knows_the_keys() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert list(SCHEMA["properties"]) == list(KEYS)
    assert set(SCHEMA["properties"]["overrides"]["items"]["properties"]) == set(OVERRIDE_KEYS)


@pytest.mark.parametrize("text", GOOD)
def test_schema_and_code_agree_on_what_is_right(files: MakeFiles, text: str) -> None:
    jsonschema.validate(table(text), SCHEMA, cls=jsonschema.Draft202012Validator)
    files({"msrefactor.toml": text})
    names = [transform.name for transform in transforms()]
    assert Configurations(names, Wanted()).settings_for(Path("Dockerfile")) is not None


ONLY_IN_CODE = ("there is no transform", "is required", "a[b", "has a tag", "TOML")
"""Faults that need more than a schema."""


@pytest.mark.parametrize(
    "text", [text for text, told in FAULTS.items() if not any(w in told for w in ONLY_IN_CODE)]
)
def test_schema_and_code_agree_on_what_is_wrong(files: MakeFiles, text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(table(text), SCHEMA, cls=jsonschema.Draft202012Validator)
    files({"msrefactor.toml": text})
    with pytest.raises(BadConfiguration):
        configurations().settings_for(Path("Dockerfile"))


def test_examples_of_the_documentation_are_right(files: MakeFiles) -> None:
    text = (REPOSITORY / "docs/configuration.md").read_text()
    blocks = [block.partition("```")[0] for block in text.split("```toml\n")[1:]]
    assert blocks
    names = [transform.name for transform in transforms()]
    for block in blocks:
        name = "pyproject.toml" if "[tool." in block else "msrefactor.toml"
        folder = files({name: block})
        assert Configurations(names, Wanted()).of(folder / "Dockerfile").values
        (folder / name).unlink()
