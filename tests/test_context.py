"""The build context: what exists for a build, and what must never be looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from msrefactor import context as context_module
from msrefactor.context import BuildContext, copied_sources, locate
from msrefactor.parse import parse

QUERIES = ("exists", "is_file", "is_dir", "is_executable")


def put(root: Path, **files: str) -> None:
    """Write files; `__` in a name is a slash, as the keys of a call can't hold one."""
    for name, text in files.items():
        write(root, name.replace("__", "/"), text)


def write(root: Path, path: str, text: str = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder deep enough that nothing above it is the project's business."""
    root = tmp_path / "a" / "b" / "c" / "project"
    root.mkdir(parents=True)
    return root


# --- unknown and odd ----------------------------------------------------------------------------------


def test_unknown_answers_nothing() -> None:
    context = BuildContext.unknown()
    assert not context.known
    assert context.root is None
    for path in ("", ".", "app.py", "/etc/passwd", ".."):
        assert not any(getattr(context, query)(path) for query in QUERIES)
        assert context.read_text(path) is None
        assert context.size(path) == 0
        assert context.files(path) == ()
        assert context.match(path) == ()
        assert not context.is_ignored(path)
    assert not context.project.known
    assert not context.project.exists("")


def test_missing_root_is_unknown_not_empty(project: Path) -> None:
    assert not BuildContext.open(project / "nowhere").known
    assert not BuildContext.open(write(project, "file")).known


def test_rejected_ignore_file_makes_the_context_unknown(project: Path) -> None:
    write(project, ".dockerignore", "a\n[\n")
    write(project, "app.py")
    assert not BuildContext.open(project).known
    assert not BuildContext.open(project).exists("app.py")
    assert BuildContext.open(project).project.exists("app.py")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "..", "../outside", "a/../../outside", "a\0b", "../project/app.py"]
)
def test_nothing_outside_exists(project: Path, path: str) -> None:
    write(project, "app.py")
    write(project.parent, "outside", "secret")
    context = BuildContext.open(project)
    for view in (context, context.project):
        assert not any(getattr(view, query)(path) for query in QUERIES)
        assert view.read_text(path) is None
        assert view.files(path) == ()
    if path != "..":
        assert context.match(path) == ()


# --- symlinks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "../outside",
        "/etc/hostname",
        "../../c/outside",
        "sub/../../outside",
        "{project}/app.py",
        "link",
        "missing",
        "../project/app.py",
    ],
)
def test_link_that_leaves_is_not_there(project: Path, target: str) -> None:
    write(project, "app.py", "app")
    write(project, "sub/x")
    write(project.parent, "outside", "secret")
    (project / "link").symlink_to(target.format(project=project))
    context = BuildContext.open(project)
    for view in (context, context.project):
        assert not any(getattr(view, query)("link") for query in QUERIES)
        assert view.read_text("link") is None
        assert view.size("link") == 0
        assert view.files() == ("app.py", "sub/x")
        assert view.match("link") == ()
        assert view.match("l*") == ()


def test_folder_link_that_leaves_is_not_entered(project: Path) -> None:
    write(project.parent, "outside/x", "secret")
    (project / "link").symlink_to("../outside")
    context = BuildContext.open(project)
    assert not context.exists("link/x")
    assert context.read_text("link/x") is None
    assert context.files("link") == ()
    assert context.match("link/*") == ()
    assert context.files() == ()


def test_link_inside_is_followed(project: Path) -> None:
    write(project, "real/app.py", "app")
    (project / "file").symlink_to("real/app.py")
    (project / "folder").symlink_to("./real/")
    (project / "real" / "up").symlink_to("../real/app.py")
    context = BuildContext.open(project)
    assert context.read_text("file") == "app"
    assert context.is_file("folder/app.py")
    assert context.is_dir("folder")
    assert context.read_text("folder/up") == "app"
    assert context.files() == ("file", "real/app.py", "real/up")
    assert context.files("folder") == ("folder/app.py", "folder/up")
    assert context.match("folder/*.py") == ("folder/app.py",)


def test_link_loops_end(project: Path) -> None:
    (project / "a").symlink_to("b")
    (project / "b").symlink_to("a")
    (project / "here").symlink_to(".")
    write(project, "x")
    context = BuildContext.open(project)
    assert not context.exists("a")
    assert context.exists("here/here/here/x")
    assert context.files() == ("x",)
    assert context.match("*/x") == ()


def test_link_to_an_ignored_file_is_not_there(project: Path) -> None:
    write(project, ".dockerignore", "secret\nhidden-link\n")
    write(project, "secret")
    write(project, "open")
    (project / "link").symlink_to("secret")
    (project / "hidden-link").symlink_to("open")
    context = BuildContext.open(project)
    assert not context.exists("link")
    assert not context.exists("hidden-link")
    assert context.files() == (".dockerignore", "open")


def test_root_may_be_a_link(project: Path) -> None:
    write(project, "app.py", "app")
    (project.parent / "link").symlink_to("project")
    context = BuildContext.open(project.parent / "link")
    assert context.root == project
    assert context.read_text("app.py") == "app"


def test_pipes_and_devices_are_not_files(project: Path) -> None:
    os.mkfifo(project / "pipe")
    context = BuildContext.open(project)
    assert not context.exists("pipe")
    assert context.read_text("pipe") is None
    assert context.files() == ()


# --- queries ------------------------------------------------------------------------------------------


def test_queries(project: Path) -> None:
    write(project, "app.py", "print('ä')\n")
    write(project, "bin/start.sh", "#!/bin/sh\n").chmod(0o755)
    (project / "empty").mkdir()
    context = BuildContext.open(project)
    assert context.known
    assert context.is_dir("")
    assert context.is_dir(".")
    assert context.is_dir("empty/")
    assert context.is_file("./bin/../app.py")
    assert not context.is_file("app.py/x")
    assert not context.is_dir("app.py")
    assert context.is_executable("bin/start.sh")
    assert not context.is_executable("app.py")
    assert not context.is_executable("bin")
    assert context.read_text("app.py") == "print('ä')\n"
    assert context.read_text("bin") is None
    assert context.size("app.py") == 12
    assert context.size("") == 22
    assert context.size("empty") == 0
    assert context.files() == ("app.py", "bin/start.sh")
    assert context.files("bin") == ("bin/start.sh",)
    assert context.files("bin/") == ("bin/start.sh",)
    assert context.files("app.py") == ("app.py",)
    assert context.files("ap") == ()
    assert not context.is_truncated


def test_read_text_survives_any_bytes(project: Path) -> None:
    (project / "latin").write_bytes(b"caf\xe9")
    (project / "large").write_bytes(b"x" * (context_module.MAX_TEXT + 1))
    write(project, "unreadable", "x").chmod(0)
    context = BuildContext.open(project)
    assert context.read_text("latin") == "caf�"
    assert context.read_text("large") is None
    assert context.size("large") == context_module.MAX_TEXT + 1
    if os.geteuid():
        assert context.read_text("unreadable") is None


def test_odd_names(project: Path) -> None:
    for name in ("a b", "ä", "-x", "a\nb", "[x]", "a\\b", b"\xff".decode("utf-8", "surrogateescape")):
        write(project, name, "x")
    context = BuildContext.open(project)
    assert len(context.files()) == 7
    assert all(context.read_text(name) == "x" for name in context.files())
    assert context.match("[[]x]") == ("[x]",)


def test_listing_is_capped_and_says_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "MAX_ENTRIES", 10)
    for number in range(20):
        write(project, f"node_modules/{number}")
    write(project, "src/app/main.py")
    context = BuildContext.open(project)
    assert "src/app/main.py" in context.files()
    assert len(context.files()) < 10
    assert context.is_truncated


def test_deep_folders_end(project: Path) -> None:
    place = os.open(project, os.O_RDONLY)
    for _ in range(30):  # longer than a path may be
        os.mkdir("d" * 200, dir_fd=place)
        following = os.open("d" * 200, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = following
    os.close(place)
    context = BuildContext.open(project)
    assert context.files() == ()
    assert context.is_truncated
    assert not context.exists("/".join(["d" * 200] * 30))


def test_nothing_is_read_before_it_is_asked_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10):
        write(project, f"folder{number}/file")
    listed: list[object] = []
    monkeypatch.setattr(os, "scandir", listed.append)
    context = BuildContext.open(project)
    assert context.exists("folder1/file")
    assert context.match("folder2/file") == ("folder2/file",)
    assert listed == []


# --- .dockerignore ------------------------------------------------------------------------------------


def test_ignored_files_do_not_exist(project: Path) -> None:
    write(project, ".dockerignore", "*\n!src\nsrc/*.log\n!deep/er/keep.txt\n")
    for name in (
        "README.md",
        "src/a.py",
        "src/a.log",
        "src/lib/b.log",
        "deep/er/keep.txt",
        "deep/er/drop.txt",
        "x/y",
    ):
        write(project, name, name)
    (project / "src" / "empty").mkdir()
    context = BuildContext.open(project)
    assert context.files() == ("deep/er/keep.txt", "src/a.py", "src/lib/b.log")
    assert not context.exists("README.md")
    assert context.read_text("src/a.log") is None
    assert context.is_dir("deep")
    assert context.is_dir("deep/er")
    assert context.is_dir("src/empty")
    assert not context.exists("x")
    assert context.is_ignored("README.md")
    assert context.is_ignored("made/later")
    assert not context.is_ignored("src/made/later")
    assert context.match("*") == ("deep", "src")
    assert context.match("README.md") == ()
    assert context.match("src/*.log") == ()
    assert context.size("src") == len("src/a.py") + len("src/lib/b.log")


def test_project_ignores_nothing(project: Path) -> None:
    write(project, ".dockerignore", "**\n")
    write(project, "compose.yaml", "x")
    context = BuildContext.open(project)
    assert context.known
    assert context.files() == ()
    assert context.project.files() == (".dockerignore", "compose.yaml")
    assert context.project.read_text("compose.yaml") == "x"
    assert not context.project.is_ignored("compose.yaml")
    assert context.project.project is context.project


def test_ignored_dockerfile_cannot_be_copied(project: Path) -> None:
    write(project, ".dockerignore", "Dockerfile\n.dockerignore\n")
    dockerfile = write(project, "Dockerfile", "FROM scratch\n")
    context = BuildContext.open(project, dockerfile)
    assert context.files() == ()
    assert context.project.exists("Dockerfile")


def test_ignore_file_of_the_dockerfile_comes_first(project: Path) -> None:
    write(project, ".dockerignore", "a\n")
    write(project, "docker/web.Dockerfile.dockerignore", "b\n")
    for name in ("a", "b"):
        write(project, name)
    web = BuildContext.open(project, project / "docker" / "web.Dockerfile")
    assert not web.exists("b")
    assert web.exists("a")
    assert not BuildContext.open(project, project / "docker" / "api.Dockerfile").exists("a")
    write(project, "Dockerfile.dockerignore", "b\n")
    assert BuildContext.open(project, project / "Dockerfile").exists("a")
    assert not BuildContext.open(project).exists("a")


def test_ignore_file_behind_a_leaving_link_is_not_read(project: Path) -> None:
    write(project.parent, "ignore", "*\n")
    (project / ".dockerignore").symlink_to("../ignore")
    write(project, "a")
    assert not BuildContext.open(project).known


def test_hostile_ignore_file_ends(project: Path) -> None:
    write(project, ".dockerignore", "\n".join(["*a" * 50 + "b", "**/a" * 50, "!**/*a*a*a*a*a*c"] * 10))
    for number in range(50):
        write(project, f"{'a' * 200}{number}")
    assert len(BuildContext.open(project).files()) == 51


# --- COPY sources -------------------------------------------------------------------------------------


def test_match(project: Path) -> None:
    for name in (
        "package.json",
        "package-lock.json",
        "src/a.py",
        "src/b/c.py",
        "src/b/d/e.py",
        "tests/a.py",
        ".env",
    ):
        write(project, name)
    context = BuildContext.open(project)
    assert context.match("package*.json") == ("package-lock.json", "package.json")
    assert context.match("/package.json") == ("package.json",)
    assert context.match("./src/") == ("src",)
    assert context.match(".") == ("",)
    assert context.match("/") == ("",)
    assert context.match("*") == (".env", "package-lock.json", "package.json", "src", "tests")
    assert context.match("*/a.py") == ("src/a.py", "tests/a.py")
    assert context.match("src/*") == ("src/a.py", "src/b")
    assert context.match("**/*.py") == ("src/a.py", "tests/a.py")
    assert context.match("src/?/*/e.py") == ("src/b/d/e.py",)
    assert context.match("missing*") == ()
    assert context.match("missing/*") == ()
    assert context.match("package.json/*") == ()
    assert context.match("[") == ()
    assert context.match("../package.json") == ("package.json",)
    assert context.match("src/../../..") == ("",)
    assert context.match("a\0b") == ()


# --- which context ------------------------------------------------------------------------------------


def located(dockerfile: Path, text: str, override: Path | None = None) -> BuildContext:
    dockerfile.parent.mkdir(parents=True, exist_ok=True)
    dockerfile.write_text(text)
    return locate(dockerfile, parse(text), override)


APP = "FROM python:3.12\nCOPY requirements.txt app.py ./\nCOPY src/ src/\n"


def app_in(folder: Path) -> None:
    for name in ("requirements.txt", "app.py", "src/x.py"):
        write(folder, name)


def test_missing_sources_are_unknown_not_empty(project: Path) -> None:
    write(project, "app.py")
    write(project, "README.md")
    context = located(project / "Dockerfile", APP)
    assert not context.known
    assert context.files() == ()
    assert context.project.exists("README.md")


def test_own_folder_before_those_above(project: Path) -> None:
    app_in(project)
    app_in(project / "docker")
    assert located(project / "docker" / "Dockerfile", APP).root == project / "docker"


def test_nearest_folder_that_has_all(project: Path) -> None:
    app_in(project)
    write(project, "docker/app.py")
    assert located(project / "docker" / "x" / "Dockerfile", APP).root == project


def test_ignored_sources_do_not_count(project: Path) -> None:
    app_in(project)
    app_in(project / "docker")
    write(project, "docker/.dockerignore", "app.py\n")
    assert located(project / "docker" / "Dockerfile", APP).root == project


def test_three_levels_up_without_a_repository(project: Path) -> None:
    app_in(project)
    assert located(project / "1/2/3/Dockerfile", APP).root == project
    assert not located(project / "1/2/3/4/Dockerfile", APP).known


def test_never_above_the_repository(project: Path) -> None:
    app_in(project)
    (project / "1" / ".git").mkdir(parents=True)
    assert not located(project / "1/2/Dockerfile", APP).known
    (project / "1" / ".git").rmdir()
    write(project, "1/.git", "gitdir: elsewhere\n")
    assert not located(project / "1/2/Dockerfile", APP).known
    (project / ".git").mkdir()
    (project / "1" / ".git").unlink()
    assert located(project / "1/2/3/4/5/6/Dockerfile", APP).root == project


def test_nothing_copied_is_its_own_folder(project: Path) -> None:
    write(project, "x/y")
    context = located(project / "docker" / "Dockerfile", "FROM nginx\nRUN true\n")
    assert context.root == project / "docker"
    assert context.known


def test_other_sources_are_not_looked_for(project: Path) -> None:
    text = (
        "# syntax=docker/dockerfile:1\nARG MISSING\nFROM golang AS build\nARG MISSING\nRUN true\n"
        "FROM scratch\n"
        "COPY --from=build /bin/app /app\n"
        "COPY <<EOF /etc/motd\nhello\nEOF\n"
        "ADD https://example.org/x.tgz /x\n"
        "ADD git@github.com:a/b.git /b\nADD https://github.com/a/b.git#v1 /b\n"
        "COPY $MISSING/x ${UNSET} /y\n"
        "ONBUILD COPY later /later\n"
        "RUN --mount=type=cache,target=/root/.cache --mount=type=bind,from=build,source=/z,target=/z true\n"
    )
    assert copied_sources(parse(text)) == ()
    assert located(project / "Dockerfile", text).known


def test_sources() -> None:
    text = (
        "ARG DIR=app\nARG FILES=$DIR/files\nFROM a AS base\nENV SUB=sub\nARG LOCAL=only-here\n"
        "FROM base\nARG DIR\nARG DIR2=${DIR}2\nARG SUB=loses\nARG FILES\n"
        'COPY ["a b", "c", "/d/"]\nCOPY --chown=1:1 "e"f /g\nADD $DIR/x ${DIR2} $SUB $FILES /y\n'
        "COPY $LOCAL /z\n"
        "COPY ${NOPE:-default} /w\n"
        "RUN --mount=type=bind,source=pkg.json,target=/p --mount=src=q,target=/q --mount=target=/all true\n"
    )
    assert copied_sources(parse(text)) == (
        ("a b", "c"),
        ("ef",),
        ("app/x", "app2", "sub", "app/files"),
        ("default",),
        ("pkg.json", "q", "."),
    )


def test_wildcards_may_match_nothing_if_another_source_is_there(project: Path) -> None:
    write(project, "package.json")
    text = "FROM node\nCOPY package.json yarn.lock* ./\n"
    assert located(project / "Dockerfile", text).root == project
    assert not located(project / "Dockerfile", "FROM node\nCOPY target/*.jar app.jar\n").known


def test_override_wins(project: Path) -> None:
    app_in(project / "docker")
    write(project, "elsewhere/x")
    write(project, "compose.yaml", "services: {a: {build: docker}}\n")
    context = located(project / "docker" / "Dockerfile", APP, project / "elsewhere")
    assert context.root == project / "elsewhere"
    assert context.known
    assert not located(project / "docker" / "Dockerfile", APP, project / "nowhere").known


def test_unparsed_dockerfile_has_its_own_folder(project: Path) -> None:
    write(project, "Dockerfile", "x")
    assert locate(project / "Dockerfile", None, None).root == project


def test_folder_of_dockerfiles_is_no_context_for_a_copy_of_all(project: Path) -> None:
    (project / ".git").mkdir()
    write(project, "app.py")
    write(project, "docker/dev.Dockerfile")
    text = "FROM python\nCOPY . /app\n"
    assert located(project / "docker" / "Dockerfile", text).root == project
    write(project, "docker/start.sh")
    assert located(project / "docker" / "Dockerfile", text).root == project / "docker"


def test_copy_of_all_means_no_folder_that_only_keeps_things(project: Path) -> None:
    (project / ".git").mkdir()
    write(project, "app.py")
    write(project, "hack/lint.sh")
    text = "FROM golang\nRUN --mount=target=. go vet ./...\n"
    assert located(project / "hack" / "dockerfiles" / "lint.Dockerfile", text).root == project
    write(project, "services/api/main.go")
    assert (
        located(project / "services" / "api" / "docker" / "Dockerfile", text).root
        == project / "services" / "api"
    )


def test_lone_dockerfile_without_a_repository_keeps_its_folder(project: Path) -> None:
    write(project, "other/x")
    assert located(project / "docker" / "Dockerfile", "FROM python\nCOPY . /app\n").root == project / "docker"


def test_relative_path_and_linked_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app_in(project)
    located(project / "Dockerfile", APP)
    monkeypatch.chdir(project)
    assert locate(Path("Dockerfile"), parse(APP), None).root == project
    (project.parent / "link").symlink_to("project")
    assert locate(project.parent / "link" / "Dockerfile", parse(APP), None).root == project


# --- compose says which context -----------------------------------------------------------------------


COMPOSE = [
    ("services:\n  web:\n    build: ..\n", False),
    ("services:\n  web:\n    build: {context: ., dockerfile: docker/Dockerfile}\n", True),
    (
        "services:\n  web:\n    build:\n      context: ./\n      dockerfile: ./docker/../docker/Dockerfile\n",
        True,
    ),
    ("services:\n  web:\n    build: {context: '${DIR:-.}', dockerfile: 'docker/${FILE-Dockerfile}'}\n", True),
    ("services:\n  web:\n    build: {context: '${DIR}', dockerfile: docker/Dockerfile}\n", False),
    ("services:\n  web:\n    build: {context: ., dockerfile: docker/Other}\n", False),
    ("services:\n  web:\n    build: {context: ., dockerfile_inline: FROM scratch}\n", False),
    ("services: {web: {build: {context: '${A:+x}', dockerfile: docker/Dockerfile}}}\n", False),
    ("services:\n  web:\n    build: https://github.com/a/b.git\n", False),
    ("x: &b {context: ., dockerfile: docker/Dockerfile}\nservices:\n  web:\n    build: *b\n", True),
    (
        "x: &b {context: .}\nservices: {web: {build: {<<: *b, dockerfile: docker/Dockerfile}}}\n",
        True,
    ),
    (
        "services:\n  web: {extends: base}\n  base: {build: {context: ., dockerfile: docker/Dockerfile}}\n",
        True,
    ),
    ("a: 1\n---\nservices:\n  web:\n    build: {dockerfile: docker/Dockerfile}\n", True),
    ("services: [web]\n", False),
    ("services: {web: null, api: 3, 1: {build: null}, [a, b]: c}\n", False),
    ("services: {web: {build: [x]}}\n", False),
    ("{{ template }}\n", False),
    ("services:\n\tweb: {build: {dockerfile: docker/Dockerfile}}\n", False),
    ("a: &a [*a]\nservices: {web: {extends: web}, b: {extends: c}, c: {extends: b}}\n", False),
    ("a: !!python/object/apply:os.system ['touch x']\n", False),
]


def test_env_file_fills_in_places_but_no_secrets(project: Path) -> None:
    app_in(project / "docker")
    write(project, "compose.yaml", "services: {a: {build: {context: '${ROOT}', dockerfile: $FILE}}}\n")
    write(project, ".env", '# c\nROOT=.\nexport FILE = "${ROOT}/docker/Dockerfile" # x\nBAD\n=x\n1=2\n')
    assert located(project / "docker" / "Dockerfile", APP).root == project
    write(project, ".env", "ROOT=.\nFILE=docker/Other\n")
    assert located(project / "docker" / "Dockerfile", APP).root == project / "docker"
    write(project, "compose.yaml", "services: {a: {build: {context: ., dockerfile: $DOCKER_KEY}}}\n")
    write(project, ".env", "DOCKER_KEY=docker/Dockerfile\n")
    assert located(project / "docker" / "Dockerfile", APP).root == project / "docker"


@pytest.mark.parametrize(("compose", "is_named"), COMPOSE)
def test_compose_names_the_context(project: Path, compose: str, is_named: bool) -> None:
    app_in(project / "docker")
    write(project, "docker-compose.yml", compose)
    context = located(project / "docker" / "Dockerfile", APP)
    assert context.root == (project if is_named else project / "docker")


def test_compose_context_that_has_all_comes_first(project: Path) -> None:
    app_in(project / "b")
    write(project, "a/x")
    write(project, "docker/x")
    write(
        project,
        "compose.yaml",
        "services:\n  one: {build: {context: a, dockerfile: ../docker/Dockerfile}}\n"
        "  two: {build: {context: b, dockerfile: ../docker/Dockerfile}}\n",
    )
    assert located(project / "docker" / "Dockerfile", APP).root == project / "b"


def test_compose_context_is_known_where_a_source_is_missing(project: Path) -> None:
    write(project, "compose.yaml", "services: {web: {build: app}}\n")
    context = located(project / "app" / "Dockerfile", "FROM x\nCOPY target/app.jar /\n")
    assert context.known
    assert context.root == project / "app"


def test_compose_above_is_part_of_the_project(project: Path) -> None:
    write(project, "compose.yaml", "services: {web: {build: app}}\n")
    context = located(project / "app" / "Dockerfile", "FROM x\n")
    assert context.project.root == project
    assert not context.project.exists("../../x")


def test_compose_may_extend_another_file_of_the_project(project: Path) -> None:
    app_in(project / "docker")
    write(
        project, "base/common.yml", "services: {b: {build: {context: .., dockerfile: docker/Dockerfile}}}\n"
    )
    write(project, "compose.yaml", "services: {web: {extends: {service: b, file: base/common.yml}}}\n")
    assert located(project / "docker" / "Dockerfile", APP).root == project
    write(
        project,
        "compose.yaml",
        "services: {web: {extends: {service: b, file: ../../../../../../etc/x.yml}}}\n",
    )
    assert located(project / "docker" / "Dockerfile", APP).root == project / "docker"


def test_alias_bomb_is_harmless(project: Path) -> None:
    app_in(project)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    lines += ["m0: &m0 {k: v}"]
    lines += [f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}]}}" for i in range(1, 40)]
    lines += ["services: {web: {<<: *m39, build: {<<: *m39}, command: *a39}}"]
    write(project, "compose.yaml", "\n".join(lines))
    assert located(project / "Dockerfile", APP).root == project


def test_deeply_nested_yaml_is_harmless(project: Path) -> None:
    app_in(project)
    write(project, "compose.yaml", "services: " + "[" * 100_000)
    assert located(project / "Dockerfile", APP).root == project
    write(project, "compose.yaml", "services: " + "{a: " * 900 + "}" * 900)
    assert located(project / "Dockerfile", APP).root == project


# --- the project --------------------------------------------------------------------------------------


def test_project_is_the_repository(project: Path) -> None:
    (project / ".git").mkdir()
    write(project, "k8s/app.yaml")
    app_in(project / "services" / "web")
    context = located(project / "services" / "web" / "Dockerfile", APP)
    assert context.root == project / "services" / "web"
    assert context.project.root == project
    assert context.project.exists("k8s/app.yaml")
    assert not context.exists("k8s/app.yaml")


def test_project_without_a_repository_holds_dockerfile_and_context(project: Path) -> None:
    app_in(project / "app")
    (project / "docker").mkdir()
    context = BuildContext.open(project / "app", project / "docker" / "Dockerfile")
    assert context.project.root == project
    assert (
        BuildContext.open(project / "app", project / "app" / "x" / "Dockerfile").project.root
        == project / "app"
    )
    assert BuildContext.open(project / "app").project.root == project / "app"


def test_home_and_disk_are_no_projects(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".git").mkdir()
    monkeypatch.setenv("HOME", str(project))
    write(project, "work/x/app.py")
    context = located(project / "work" / "x" / "Dockerfile", APP)
    assert not context.known
    assert context.project.root == project / "work" / "x"
