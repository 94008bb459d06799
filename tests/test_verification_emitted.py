"""The tests that are written for a project's own CI: right by their tools' schemas, true of both images."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from image_tars import Entries, File, Folder, elf_of, root_of, saved
from msrefactor.verification.emitted_tests import (
    GOSS,
    STRUCTURE_TEST,
    emitted_tests,
    permissions,
    write_tests,
)
from msrefactor.verification.filesystem import Node

SCHEMAS = Path(__file__).with_name("schemas")
LOADER = "lib64/ld-linux-x86-64.so.2"
VERSION = {"schemaVersion": "2.0.0"}
SCRIPT = '#!/bin/sh\n# (start)\nset -e\nexec "$@"\n'
CONFIG = {
    "Cmd": ["server", "--port=80"],
    "Entrypoint": ["/app/run.sh"],
    "WorkingDir": "/app",
    "User": "app",
    "Env": ["PATH=/app:/usr/bin", "MODE=1", "EMPTY=", "PYTHON_VERSION=3.12"],
    "Labels": {"b": "2", "a": "1", "org.opencontainers.image.created": "now"},
    "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
    "Volumes": {"/data": {}},
}


def image() -> dict[str, Any]:
    """A server that a script starts, and a system to run it."""
    program = File(elf_of(interpreter=f"/{LOADER}", needed=["libc.so.6"]), 0o755)
    return {
        LOADER: elf_of(),
        "lib/x86_64-linux-gnu/libc.so.6": elf_of(),
        "bin/sh": program,
        "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:100:101::/home/app:/bin/sh\n",
        "app": Folder(0o2755, 100, 101),
        "app/run.sh": File(SCRIPT, 0o755, 100, 101),
        "app/server": program,
        "usr/bin/gcc": program,
    }


def emitted(before: Entries, after: Entries | None = None, **options: Any) -> Mapping[str, Any]:
    other = root_of(after) if after is not None else None
    texts = emitted_tests(root_of(before), CONFIG, other, CONFIG if after is not None else None, **options)
    return {name: yaml.safe_load(text) for name, text in texts.items()}


def closed(schema: Any) -> Any:
    """goss' schema, with unknown fields forbidden: a field that goss doesn't know would check nothing."""
    for name, definition in schema["definitions"].items():
        if "properties" in definition and name != "matchingTest":
            definition["additionalProperties"] = False
    return {**schema, "additionalProperties": False}


@pytest.mark.parametrize("has_after", [False, True])
def test_both_files_are_right_by_their_schemas(has_after: bool) -> None:
    found = emitted(
        image(), image() if has_after else None, ports=[80], answers={"http://localhost:80/health": 200}
    )
    structure = json.loads((SCHEMAS / "container-structure-test.schema.json").read_text())
    jsonschema.Draft7Validator(structure).validate(found[STRUCTURE_TEST])
    goss = closed(json.loads((SCHEMAS / "goss.schema.json").read_text()))
    jsonschema.Draft7Validator(goss).validate(found[GOSS])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        (
            STRUCTURE_TEST,
            {"schemaVersion": "2.0.0", "fileExistenceTests": [{"name": "x", "path": "/x", "mode": "1"}]},
        ),
        (STRUCTURE_TEST, {"schemaVersion": "2.0.0", "metadataTest": {"cmd": "a word"}}),
        (GOSS, {"file": {"/x": {"mode": "0755"}}}),
        (GOSS, {"file": {"/x": {"exists": True, "owned-by": 1}}}),
    ],
)
def test_the_schemas_tell_what_is_wrong(name: str, wrong: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name.removesuffix('.yaml')}.schema.json").read_text())
    assert not jsonschema.Draft7Validator(closed(schema) if name == GOSS else schema).is_valid(wrong)


def test_the_same_images_give_the_same_bytes() -> None:
    first = emitted_tests(root_of(image()), CONFIG)
    again = emitted_tests(root_of(dict(reversed(image().items()))), CONFIG)
    assert first == again


def test_what_is_started_is_in_it_and_what_nothing_reaches_is_not() -> None:
    found = emitted(image())
    paths = [test["path"] for test in found[STRUCTURE_TEST]["fileExistenceTests"]]
    assert paths == ["/app", "/app/run.sh", "/app/server", "/bin/sh"]
    assert list(found[GOSS]["file"]) == paths
    (folder, script, *_) = found[STRUCTURE_TEST]["fileExistenceTests"]
    assert (folder["permissions"], folder["uid"], folder["gid"]) == ("dgrwxr-xr-x", 100, 101)
    assert script["isExecutableBy"] == "any"
    assert found[GOSS]["user"] == {"app": {"exists": True, "uid": 100, "gid": 101, "home": "/home/app"}}


def test_the_configuration_is_said_without_what_the_base_image_brings() -> None:
    assert emitted(image())[STRUCTURE_TEST]["metadataTest"] == {
        "envVars": [{"key": "MODE", "value": "1"}, {"key": "EMPTY", "value": ""}],
        "labels": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}],
        "exposedPorts": ["53", "80"],
        "volumes": ["/data"],
        "workdir": "/app",
        "user": "app",
        "entrypoint": ["/app/run.sh"],
        "cmd": ["server", "--port=80"],
    }


def test_only_what_the_new_image_has_at_the_same_place_is_asked_for() -> None:
    new = image()
    new["opt/server"] = new.pop("app/server")
    new["app/run.sh"] = File(SCRIPT + "# more\n", 0o755, 100, 101)
    found = emitted(image(), new)
    assert "/app/server" not in found[GOSS]["file"]
    assert "sha256" not in found[GOSS]["file"]["/app/run.sh"]
    assert "fileContentTests" not in found[STRUCTURE_TEST]


def test_a_script_is_matched_line_by_line_as_it_is_written() -> None:
    (test,) = emitted(image())[STRUCTURE_TEST]["fileContentTests"]
    assert test["expectedContents"] == [
        "(?m)^#!/bin/sh$",
        r"(?m)^# \(start\)$",
        "(?m)^set -e$",
        r'(?m)^exec "\$@"$',
    ]


@pytest.mark.parametrize(
    ("kind", "mode", "wanted"),
    [("file", 0o755, "-rwxr-xr-x"), ("file", 0o4711, "urwx--x--x"), ("folder", 0o1777, "dtrwxrwxrwx")],
)
def test_modes_are_written_as_go_writes_them(kind: Any, mode: int, wanted: str) -> None:
    assert permissions(Node(kind, mode)) == wanted


def test_files_are_written_beside_each_other_by_dockerfile(tmp_path: Path) -> None:
    texts = {"a.yaml": "1\n", "b.yaml": "2\n"}
    assert write_tests(tmp_path / "t", "Dockerfile", texts) == (tmp_path / "t/a.yaml", tmp_path / "t/b.yaml")
    assert write_tests(tmp_path, "services/api/Dockerfile", texts)[0] == tmp_path / "services-api/a.yaml"
    assert (
        write_tests(tmp_path, "./docker/web.Dockerfile", texts)[0]
        == tmp_path / "docker-web.Dockerfile/a.yaml"
    )
    assert write_tests(tmp_path, "../x/Dockerfile", texts)[0] == tmp_path / "x/a.yaml"
    write_tests(tmp_path / "t", "Dockerfile", {"a.yaml": "3\n"})
    assert (tmp_path / "t/a.yaml").read_text() == "3\n"


@pytest.mark.skipif(
    shutil.which("container-structure-test") is None, reason="container-structure-test isn't installed"
)
def test_the_tool_itself_passes_the_original_and_fails_a_broken_image(tmp_path: Path) -> None:
    broken = {**image(), "app/run.sh": File(SCRIPT, 0o644, 100, 101)}
    texts = emitted_tests(root_of(image()), CONFIG)
    document = yaml.safe_load(texts[STRUCTURE_TEST])
    document.pop("commandTests")  # the driver for archives runs nothing, and sees no owners
    for test in document["fileExistenceTests"]:
        del test["uid"], test["gid"]
    file = tmp_path / STRUCTURE_TEST
    file.write_text(yaml.safe_dump(document))
    for entries, code in ((image(), 0), (broken, 1)):
        archive = saved(tmp_path / "image.tar", [entries], CONFIG)
        command = [
            "container-structure-test",
            "test",
            "--driver=tar",
            f"--image={archive}",
            f"--config={file}",
        ]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == code, ended.stdout + ended.stderr
