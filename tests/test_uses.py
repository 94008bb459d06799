"""Other ways the image is started: what is taken for one, and above all what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor.context import BuildContext, locate
from msrefactor.invocations import calls
from msrefactor.parse import parse
from msrefactor.uses import Use, base_name, find_uses, without_comments

DOCKERFILE = "FROM python:3.12\nCOPY app.py .\nCMD python app.py\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository called shop, with one Dockerfile and its application."""
    root = tmp_path / "shop"
    (root / ".git").mkdir(parents=True)
    write(root, "Dockerfile", DOCKERFILE)
    write(root, "app.py")
    return root


def write(root: Path, path: str, text: str = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def uses(dockerfile: Path) -> tuple[Use, ...]:
    return find_uses(locate(dockerfile, parse(dockerfile.read_text()), None), dockerfile)


def of(root: Path, kind: str, dockerfile: str = "Dockerfile") -> list[object]:
    """Return words, text or value of all uses of a kind."""
    found = [use for use in uses(root / dockerfile) if use.kind == kind]
    return [
        use.value if use.value is not None else use.shell if use.shell is not None else use.argv
        for use in found
    ]


# --- nothing ------------------------------------------------------------------------------------------


def test_nothing_is_known_without_a_project() -> None:
    assert find_uses(BuildContext.unknown(), None) == ()
    assert find_uses(BuildContext.unknown(), Path("/nowhere/Dockerfile")) == ()


def test_nothing_is_found_in_a_plain_project(shop: Path) -> None:
    write(shop, "README.md", "docker run shop bash\n")
    write(shop, "notes.txt", "docker run shop bash\n")
    assert uses(shop / "Dockerfile") == ()


@pytest.mark.parametrize(
    "compose",
    [
        "",
        "\0",
        "services:",
        "services: []",
        "services: {web: }",
        "services: {web: [build]}",
        "services: {1: {build: ., [x]: y, 2: 3, null: 4, command: {a: b}}}",
        "services: {web: {build: ., command: null, entrypoint: ~, user: , volumes: x, ports: {a: b}}}",
        "services: {web: {build: ., command: [[a]], environment: [[a], {b: c}, =x], ports: [[80], {a: b}]}}",
        "services: {web: {build: ., volumes: [/anonymous, {type: tmpfs, target: /b}]}}",
        "services: {web: {build: ., volumes: {.: /app}, healthcheck: [curl]}}",
        "services:\n  web:\n    build: .\n   command: bad indentation\n",
        "services: {web: {build: ., command: *missing}}",
        "services: {web: {build: ., command: !!python/object/apply:os.system [id]",
        "{% if x %}\nservices: {web: {build: ., command: x}}\n{% endif %}",
        "a: &a [*a, *a]\nservices: *a\n",
    ],
)
def test_odd_compose_files_are_harmless(shop: Path, compose: str) -> None:
    write(shop, "compose.yaml", compose)
    assert uses(shop / "Dockerfile") == ()


@pytest.mark.parametrize(
    "service",
    [
        "image: postgres:16\n    command: postgres -c x=y",
        "image: other/thing\n    command: run",
        "build: ./other\n    command: run",
        "build: {context: ., dockerfile: Dockerfile.dev}\n    command: run",
        "build: {context: ., dockerfile_inline: FROM scratch}\n    command: run",
        "build: https://github.com/acme/shop.git\n    command: run",
        "build: ../elsewhere\n    command: run",
        "build: /abs\n    command: run",
        "build: ${SOMEWHERE}\n    command: run",
        "command: run",
    ],
)
def test_other_services_are_not_this_image(shop: Path, service: str) -> None:
    write(shop, "compose.yaml", f"services:\n  web:\n    {service}\n")
    assert uses(shop / "Dockerfile") == ()


def test_folders_of_others_are_not_walked(shop: Path) -> None:
    for folder in ("node_modules/x", "vendor/y", ".venv/z", ".git/q", "third_party/r"):
        write(
            shop,
            f"{folder}/compose.yaml",
            "services: {w: {build: {context: ../.., dockerfile: Dockerfile}, command: x}}",
        )
        write(shop, f"{folder}/run.sh", "docker run shop bash\n")
    assert uses(shop / "Dockerfile") == ()


def test_files_outside_are_not_read(shop: Path) -> None:
    write(shop.parent, "compose.yaml", "services: {web: {build: shop, command: run}}\n")
    write(shop.parent, "base.yaml", "services: {base: {command: run}}\n")
    (shop / "docker-compose.yml").symlink_to("../compose.yaml")
    write(shop, "compose.yml", "services: {web: {build: ., extends: {service: base, file: ../base.yaml}}}\n")
    assert uses(shop / "Dockerfile") == ()


# --- compose ------------------------------------------------------------------------------------------


def test_compose_command_and_its_place(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(shop, "compose.yaml", "services:\n  web:\n    build: .\n    command: python  app.py '--name=a b'\n")
    (use,) = uses(shop / "Dockerfile")
    assert use.kind == "command"
    assert use.argv == ("python", "app.py", "--name=a b")
    assert use.shell is None
    assert (use.evidence.file, use.evidence.line) == ("compose.yaml", 4)
    assert use.evidence.text == "compose service web, command: python app.py --name=a b"
    monkeypatch.chdir(shop.parent)
    assert uses(Path("shop/Dockerfile"))[0].evidence.file == "shop/compose.yaml"
    monkeypatch.chdir(shop)
    assert uses(Path("Dockerfile"))[0].evidence.file == "compose.yaml"


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("[python, app.py, 1, true]", ("python", "app.py", "1", "true")),
        ("\n      - python\n      - 'a b'\n", ("python", "a b")),
        (
            '["sh", "-c", "echo $$HOME ${PORT:-80} ${X-y} ${UNKNOWN}"]',
            ("sh", "-c", "echo $HOME 80 y ${UNKNOWN}"),
        ),
        ("sh -c 'a && b'", ("sh", "-c", "a && b")),
        (">\n      python\n      app.py\n", ("python", "app.py")),
        ("[]", ()),
        ("''", ()),
    ],
)
def test_compose_command_forms(shop: Path, command: str, argv: tuple[str, ...]) -> None:
    write(shop, "compose.yaml", f"services:\n  web:\n    build: .\n    command: {command}\n")
    assert of(shop, "command") == [argv]
    write(shop, "compose.yaml", f"services:\n  web:\n    build: .\n    entrypoint: {command}\n")
    assert of(shop, "entrypoint") == [argv]


def test_command_that_no_shell_would_split_stays_text(shop: Path) -> None:
    write(shop, "compose.yaml", "services:\n  web: {build: ., command: it's}\n")
    assert of(shop, "command") == ["it's"]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("[CMD, curl, -f, http://localhost]", ("curl", "-f", "http://localhost")),
        ("[CMD-SHELL, 'curl -f x || exit 1']", "curl -f x || exit 1"),
        ("curl -f x || exit 1", "curl -f x || exit 1"),
        ("[NONE]", "none"),
    ],
)
def test_compose_healthcheck(shop: Path, test: str, expected: object) -> None:
    write(shop, "compose.yaml", f"services:\n  web:\n    build: .\n    healthcheck:\n      test: {test}\n")
    assert of(shop, "healthcheck") == [expected]
    assert uses(shop / "Dockerfile")[0].evidence.line == 5


def test_compose_healthcheck_switched_off(shop: Path) -> None:
    write(shop, "compose.yaml", "services: {web: {build: ., healthcheck: {disable: true, test: curl}}}\n")
    assert of(shop, "healthcheck") == ["none"]
    write(shop, "compose.yaml", "services: {web: {build: ., healthcheck: {disable: false, test: curl}}}\n")
    assert of(shop, "healthcheck") == ["curl"]


def test_compose_settings(shop: Path) -> None:
    write(
        shop,
        "compose.yaml",
        """
services:
  web:
    build:
      context: .
      target: dev
      args:
        VERSION: "3.12"
        PIP_TOKEN: abc
    user: "1000:1000"
    working_dir: /srv
    environment:
      - MODE=prod
      - SECRET_KEY=hunter2
      - DATABASE_URL=postgres://me:hunter2@db/x
      - PUBLIC_KEY=k
      - DEBUG
      - HOST=$HOSTNAME
    ports:
      - 8080:80
      - "127.0.0.1:9000:9000/tcp"
      - 53:53/udp
      - 3000-3005
      - "${HOST_PORT}:8081"
      - target: 443
        published: 8443
      - target: 54
        protocol: udp
    expose: [5000]
    volumes:
      - .:/app
      - ./conf/a.ini:/etc/a.ini:ro
      - ${DATA:-./data}:/data
      - /var/run/docker.sock:/var/run/docker.sock
      - ~/.aws:/root/.aws
      - named:/named
      - {type: bind, source: ./src, target: /src}
    post_start:
      - command: ./migrate.sh now
""",
    )
    assert of(shop, "target") == ["dev"]
    assert of(shop, "build-arg") == ["VERSION=3.12", "PIP_TOKEN"]
    assert of(shop, "user") == ["1000:1000"]
    assert of(shop, "working-dir") == ["/srv"]
    assert of(shop, "environment") == [
        "MODE=prod",
        "SECRET_KEY",
        "DATABASE_URL",
        "PUBLIC_KEY=k",
        "DEBUG",
        "HOST",
    ]
    assert of(shop, "port") == ["80", "9000", "53/udp", "3000-3005", "8081", "443", "54/udp", "5000"]
    assert of(shop, "bind-mount") == [
        ".:/app",
        "conf/a.ini:/etc/a.ini",
        "data:/data",
        "/var/run/docker.sock:/var/run/docker.sock",
        "~/.aws:/root/.aws",
        "src:/src",
    ]
    assert of(shop, "exec") == [("./migrate.sh", "now")]
    assert "hunter2" not in str([use.evidence for use in uses(shop / "Dockerfile")])
    assert [use.evidence.line for use in uses(shop / "Dockerfile") if use.kind == "environment"] == [
        13,
        14,
        15,
        16,
        17,
        18,
    ]


def test_a_dockerfile_in_small_letters_is_found_by_compose(shop: Path) -> None:
    (shop / "Dockerfile").rename(shop / "dockerfile")
    write(shop, "compose.yaml", "services: {web: {build: ., user: app}}\n")
    assert of(shop, "user", "dockerfile") == ["app"]


def test_environment_files_give_names_only(shop: Path) -> None:
    write(
        shop, "conf/web.env", "# of the shop\nVITE_API=http://api\nexport MODE = prod\n=x\n\nTOKEN=hunter2\n"
    )
    write(shop, "more.env", "A_B\n9=1\n")
    write(
        shop,
        "compose.yaml",
        "services:\n  web:\n    build: .\n    env_file: [conf/web.env, {path: more.env, required: false},"
        " gone.env, ../../outside.env, $FILE]\n",
    )
    assert of(shop, "environment") == ["VITE_API", "MODE", "TOKEN", "A_B"]
    shown = [str(use.evidence) for use in uses(shop / "Dockerfile") if use.kind == "environment"]
    assert shown[0].endswith("conf/web.env:2: compose service web, env_file: VITE_API")
    assert "hunter2" not in str(shown)


def test_environment_file_of_a_command_line(shop: Path) -> None:
    write(shop, "prod.env", "PORT=80\n")
    write(shop, "compose.yaml", "services: {web: {build: .}}\n")
    write(shop, "run.sh", "docker build -t shop .\ndocker run --env-file prod.env -d shop\n")
    assert of(shop, "environment") == ["PORT"]


def test_secrets_are_not_shown(shop: Path) -> None:
    write(
        shop,
        "compose.yaml",
        "services:\n  web:\n    build: .\n    command: app --db-password=hunter2"
        " --token hunter2 -v API_KEY=hunter2 redis://:hunter2@r/0\n"
        "    healthcheck: {test: 'curl -H --auth-token=hunter2 http://u:hunter2@localhost'}\n",
    )
    assert "hunter2" not in str([use.evidence for use in uses(shop / "Dockerfile")])
    assert uses(shop / "Dockerfile")[0].evidence.text.startswith(
        "compose service web, command: app --db-password=…"
    )


def test_long_texts_are_cut(shop: Path) -> None:
    write(shop, "compose.yaml", f"services: {{web: {{build: ., command: '{'x ' * 500}'}}}}\n")
    assert len(uses(shop / "Dockerfile")[0].evidence.text) == 200


def test_compose_anchors_merges_and_documents(shop: Path) -> None:
    write(
        shop,
        "docker-compose.yml",
        "x-base: &base\n  build: .\n  environment: &env {A: 1, B: 2}\n"
        "services:\n"
        "  web:\n    <<: *base\n    command: web\n"
        "  worker:\n    <<: [*base]\n    command: worker\n    environment:\n      <<: *env\n      B: 3\n"
        "---\nservices: {third: {build: ., command: third}}\n",
    )
    assert of(shop, "command") == [("web",), ("worker",), ("third",)]
    assert of(shop, "environment") == ["A=1", "B=2", "B=3"]


def test_compose_extends(shop: Path) -> None:
    write(
        shop,
        "common/base.yml",
        "services: {base: {build: .., command: base, user: app, environment: {A: 1}}}\n",
    )
    write(
        shop,
        "compose.yaml",
        "services:\n  web:\n    extends: {file: common/base.yml, service: base}\n"
        "    command: web\n    environment: {B: 2}\n",
    )
    assert of(shop, "command") == [("web",)]
    assert of(shop, "user") == ["app"]
    assert of(shop, "environment") == ["B=2", "A=1"]
    by_kind = {use.kind: use.evidence for use in uses(shop / "Dockerfile")}
    assert by_kind["user"].file == "common/base.yml"
    assert by_kind["command"].file == "compose.yaml"


def test_compose_override_files_and_shared_images(shop: Path) -> None:
    write(shop, "compose.yaml", "services: {web: {build: ., image: acme/shop-api}}\n")
    write(
        shop,
        "compose.prod.yaml",
        "services: {web: {command: prod}, worker: {image: acme/shop-api, command: work}}\n",
    )
    write(
        shop,
        "docker-compose.other.yml",
        "services: {web: {build: other, command: other}, db: {command: db}}\n",
    )
    write(shop, "sub/compose.yaml", "services: {web: {command: unrelated}}\n")
    assert of(shop, "command") == [("prod",), ("work",)]


def test_compose_elsewhere_in_the_project(shop: Path) -> None:
    write(
        shop,
        "deploy/compose.yaml",
        "services: {web: {build: .., command: x, volumes: ['../app.py:/app.py']}}\n",
    )
    assert of(shop, "command") == [("x",)]
    assert of(shop, "bind-mount") == ["app.py:/app.py"]


def test_each_dockerfile_has_its_own_uses(shop: Path) -> None:
    write(shop, "api/Dockerfile", "FROM x\n")
    write(shop, "web/Dockerfile", "FROM x\n")
    write(shop, "compose.yaml", "services: {a: {build: api, command: a}, w: {build: ./web/, command: w}}\n")
    assert of(shop, "command", "api/Dockerfile") == [("a",)]
    assert of(shop, "command", "web/Dockerfile") == [("w",)]
    assert of(shop, "command") == []


def test_alias_bomb_is_harmless(shop: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    text = "\n".join(lines)
    write(shop, "compose.yaml", text + "\nservices: {web: {build: ., command: *a39, environment: *a39}}\n")
    write(shop, "k8s.yaml", "apiVersion: v1\nkind: Pod\n" + text + "\ncontainers: *a39\nimage: x\n")
    write(shop, ".gitlab-ci.yml", text + "\nscript: [docker run shop true]\n")
    assert of(shop, "command") == [("true",)]


# --- Kubernetes ---------------------------------------------------------------------------------------

POD = """\
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      securityContext: {runAsUser: 1000}
      containers:
        - name: main
          image: %s
          command: [python, app.py]
          args: ["--port", "80"]
          workingDir: /srv
          ports: [{containerPort: 80}]
          env: [{name: MODE, value: prod}, {name: TOKEN, valueFrom: {secretKeyRef: {name: a, key: b}}}]
          livenessProbe: {exec: {command: [pg_isready]}}
          readinessProbe: {httpGet: {path: /}}
          lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
"""


@pytest.mark.parametrize(
    "image", ["postgres:16", "docker.io/library/redis", "prom/thing", "ghcr.io/bitnami/mysql", "acme/other"]
)
def test_containers_of_other_images(shop: Path, image: str) -> None:
    write(shop, "other/Dockerfile", "FROM x\n")
    write(shop, "k8s/app.yaml", POD % image)
    assert uses(shop / "Dockerfile") == ()


def test_public_images_are_never_the_only_dockerfile(shop: Path) -> None:
    write(shop, "k8s/app.yaml", POD % "bitnami/postgresql:16")
    assert uses(shop / "Dockerfile") == ()


@pytest.mark.parametrize(
    "text", ["{{ .Values.x }}\n" + POD % "shop", POD % "{{ .Values.image }}", "\t" + POD % "shop"]
)
def test_templates_are_skipped(shop: Path, text: str) -> None:
    write(shop, "chart/templates/app.yaml", text)
    assert uses(shop / "Dockerfile") == ()


@pytest.mark.parametrize(
    "image", ["shop", "ghcr.io/acme/shop:1.2", "localhost:5000/shop@sha256:abc", "${REGISTRY}/shop:${TAG}"]
)
def test_container_of_this_image(shop: Path, image: str) -> None:
    write(shop, "other/Dockerfile", "FROM x\n")
    write(shop, "k8s/app.yaml", POD % image)
    assert of(shop, "entrypoint") == [("python", "app.py")]
    assert of(shop, "command") == [("--port", "80")]
    assert of(shop, "healthcheck") == [("pg_isready",)]
    assert of(shop, "exec") == [("sleep", "5")]
    assert of(shop, "user") == ["1000"]
    assert of(shop, "working-dir") == ["/srv"]
    assert of(shop, "port") == ["80"]
    assert of(shop, "environment") == ["MODE=prod", "TOKEN"]
    assert uses(shop / "Dockerfile")[0].evidence.line == 10
    assert uses(shop / "Dockerfile")[0].evidence.file == "k8s/app.yaml"


def test_only_dockerfile_is_any_image_nobody_else_makes(shop: Path) -> None:
    write(shop, "k8s/app.yaml", POD % "registry.acme.example/team/backend:1" + "---\n" + POD % "redis:7")
    assert of(shop, "entrypoint") == [("python", "app.py")]


def test_container_by_name_beats_the_only_dockerfile(shop: Path) -> None:
    write(shop, "k8s/a.yaml", POD % "acme/sidecar")
    write(shop, "k8s/b.yaml", (POD % "acme/shop").replace("app.py", "shop.py"))
    assert of(shop, "entrypoint") == [("python", "shop.py")]


def test_what_is_taken_from_the_container_is_told(shop: Path) -> None:
    context = "{readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}"
    write(shop, "k8s.yaml", POD % "shop" + f"          securityContext: {context}\n")
    write(shop, "compose.yaml", "services:\n  web:\n    build: .\n    read_only: true\n    cap_drop: [ALL]\n")
    assert of(shop, "restricted") == ["read_only", "cap_drop", "readOnlyRootFilesystem", "capabilities.drop"]
    allowed = "{readOnlyRootFilesystem: false, capabilities: {add: [NET_ADMIN]}}"
    write(shop, "k8s.yaml", POD % "shop" + f"          securityContext: {allowed}\n")
    write(shop, "compose.yaml", "services:\n  web:\n    build: .\n    read_only: false\n")
    assert of(shop, "restricted") == []


def test_user_of_the_container_beats_the_pod(shop: Path) -> None:
    write(shop, "k8s.yaml", POD % "shop" + "          securityContext: {runAsUser: 5, runAsGroup: 6}\n")
    assert of(shop, "user") == ["5:6"]


def test_helm_values(shop: Path) -> None:
    write(
        shop,
        "chart/values.yaml",
        "image: {repository: ghcr.io/acme/shop, tag: '1'}\ncommand: [serve]\n"
        "redis: {image: {repository: x/redis}, command: [r]}\n",
    )
    assert of(shop, "entrypoint") == [("serve",)]


# --- Procfile and dev containers ----------------------------------------------------------------------


def test_procfile(shop: Path) -> None:
    write(
        shop,
        "Procfile",
        "# comment: x\nweb: gunicorn app:app --bind :$PORT\n\nnot a process: x\n"
        "release:   python migrate.py\nempty:\n",
    )
    found = uses(shop / "Dockerfile")
    assert [(use.kind, use.shell, use.evidence.line) for use in found] == [
        ("command", "gunicorn app:app --bind :$PORT", 2),
        ("command", "python migrate.py", 5),
    ]


def test_procfile_elsewhere_is_not_ours(shop: Path) -> None:
    write(shop, "other/Procfile", "web: x\n")
    assert uses(shop / "Dockerfile") == ()


def test_dev_container(shop: Path) -> None:
    write(
        shop,
        ".devcontainer/devcontainer.json",
        """{
  // comment with "quotes"
  "build": {"dockerfile": "../Dockerfile", "target": "dev", /* more */},
  "remoteUser": "vscode",
  "postCreateCommand": "pip install -e .",
  "postStartCommand": {"a": ["git", "status"], "b": "x // y"},
}
""",
    )
    assert [use.evidence.line for use in uses(shop / "Dockerfile") if use.kind == "development"] == [3]
    assert of(shop, "user") == ["vscode"]
    assert of(shop, "target") == ["dev"]
    assert of(shop, "exec") == ["pip install -e .", ("git", "status"), "x // y"]


@pytest.mark.parametrize(
    "text",
    [
        '{"image": "python"}',
        '{"build": {"dockerfile": "Dockerfile"}}',
        '{"build": "x", "dockerFile": 3}',
        "[]",
        "{",
        '"',
        "// nothing",
        "/*",
        "[" * 100_000,
    ],
)
def test_other_dev_containers(shop: Path, text: str) -> None:
    write(shop, ".devcontainer/devcontainer.json", text)
    assert uses(shop / "Dockerfile") == ()


def test_json_comments_are_blanked_in_place() -> None:
    text = '{"a": "//x", // c\n "b": [1, 2, /* d */ ], "c\\"//": 1,\n}'
    plain = without_comments(text)
    assert len(plain) == len(text)
    assert plain == '{"a": "//x",     \n "b": [1, 2          ], "c\\"//": 1 \n}'


# --- scripts, Makefiles, CI ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "docker run postgres psql",
        "docker run $IMAGE bash",
        "docker run -v shop:/x alpine ls",
        "docker run --name shop redis redis-cli",
        "docker build -t shop .",
        "docker push shop",
        "docker exec other bash",
        "docker exec $(docker ps -q) bash",
        "docker compose exec shop bash",
        "docker logs shop",
        "echo docker run shop bash",
        "# docker run shop bash",
        "cat <<EOF\ndocker run shop bash\nEOF",
        "docker run",
        "docker run --rm",
        "docker",
        "docker run -it",
    ],
)
def test_lines_that_do_not_run_this_image(shop: Path, line: str) -> None:
    write(shop, "run.sh", f"#!/bin/sh\n{line}\n")
    assert uses(shop / "Dockerfile") == ()


@pytest.mark.parametrize(
    ("line", "argv"),
    [
        ("docker run shop python manage.py", ("python", "manage.py")),
        (
            "docker run --rm -it -p 8080:80 -e A=b --network host shop:latest bash -c 'a b'",
            ("bash", "-c", "a b"),
        ),
        ("sudo docker container run -dit acme/shop sh", ("sh",)),
        ("podman run --rm=true --user 5 ghcr.io/acme/shop:1 sh", ("sh",)),
        ("if true; then x=$(docker run --rm shop cat /x); fi", ("cat", "/x")),
        ("docker run \\\n  --rm \\\n  shop \\\n  ls", ("ls",)),
        ("docker --context x run --init shop ls", ("ls",)),
        ("docker run -itp80:80 shop ls", ("ls",)),
        ("docker run -- shop ls", ("ls",)),
    ],
)
def test_docker_run(shop: Path, line: str, argv: tuple[str, ...]) -> None:
    write(shop, "scripts/run.sh", f"#!/bin/sh\n\n{line}\n")
    assert of(shop, "command") == [argv]
    use = next(use for use in uses(shop / "Dockerfile") if use.kind == "command")
    assert (use.evidence.file, use.evidence.line) == ("scripts/run.sh", 3)


def test_docker_run_settings(shop: Path) -> None:
    write(
        shop,
        "run.sh",
        "docker run -u 5:6 -w /srv -e A=b -e TOKEN=t -e C --env=D=e -p 127.0.0.1:80:8080/tcp "
        "--publish 53:53/udp "
        '-v "$PWD":/app -v ${PWD}/conf:/conf:ro -v $(pwd)/x:/x -v named:/n --entrypoint sh '
        "--health-cmd 'curl localhost' shop -c \"$X\"\n",
    )
    assert of(shop, "user") == ["5:6"]
    assert of(shop, "working-dir") == ["/srv"]
    assert of(shop, "environment") == ["A=b", "TOKEN", "C", "D=e"]
    assert of(shop, "port") == ["8080", "53/udp"]
    assert of(shop, "bind-mount") == [".:/app", "conf:/conf", "x:/x"]
    assert of(shop, "entrypoint") == [("sh",)]
    assert of(shop, "healthcheck") == ["curl localhost"]
    assert of(shop, "command") == ['-c "$X"']


def test_names_are_learned_from_builds(shop: Path) -> None:
    write(shop, "other/Dockerfile", "FROM x\n")
    write(
        shop,
        "ci/run.sh",
        "docker build -t acme/api:1 .\ndocker build --no-cache -f other/Dockerfile -t wrong .\n"
        "docker run acme/api:1 a\ndocker run wrong b\n"
        "docker run --name box acme/api:1\ndocker exec -it box c\n",
    )
    assert of(shop, "command") == [("a",)]
    assert of(shop, "exec") == [("c",)]


def test_builds_in_other_folders_teach_nothing(shop: Path) -> None:
    write(shop, "run.sh", "cd other\ndocker build -t api .\ndocker run api a\n")
    assert uses(shop / "Dockerfile") == ()
    write(shop, "run.sh", "cd $X && docker build -t api . && docker run api a\n")
    assert uses(shop / "Dockerfile") == ()


def test_compose_exec_and_run(shop: Path) -> None:
    write(shop, "compose.yaml", "services: {web: {build: ., container_name: box}, db: {image: postgres}}\n")
    write(
        shop,
        "run.sh",
        "docker compose -f compose.yaml exec -T web a\ndocker-compose run --rm -e X=1 web b\n"
        "docker compose exec db psql\ndocker exec box c\ndocker exec shop-web-1 d\ndocker exec shop_db_1 e\n",
    )
    assert of(shop, "exec") == [("a",), ("c",), ("d",)]
    assert of(shop, "command") == [("b",)]


def test_makefile(shop: Path) -> None:
    write(
        shop,
        "Makefile",
        "IMAGE := acme/shop\nTAG ?= $(shell git rev-parse HEAD)\nFULL = $(IMAGE):1\n\n"
        "run: build ## docker run shop help\n\t@docker run --rm -v $(PWD):/app $(FULL) \\\n\t\tpython $$ARG\n"
        "\t-docker run $(OTHER) x\n\tdocker exec $(IMAGE) y\n",
    )
    assert of(shop, "command") == ["python $ARG"]
    assert of(shop, "bind-mount") == [".:/app"]
    assert [use.evidence.line for use in uses(shop / "Dockerfile")] == [6, 6]


def test_workflow(shop: Path) -> None:
    write(
        shop,
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  test:\n    services: {db: {image: postgres}}\n    steps:\n"
        "      - uses: docker/build-push-action@v6\n"
        "        with: {context: ., tags: 'ghcr.io/acme/backend:1'}\n"
        "      - run: |\n          echo ${{ secrets.X }}\n"
        "          docker run --rm -e K=${{ secrets.X }} ghcr.io/acme/backend:1 pytest\n"
        "      - run: docker run ${{ env.IMAGE }} x\n",
    )
    write(shop, "other/Dockerfile", "FROM x\n")
    assert of(shop, "command") == [("pytest",)]
    assert uses(shop / "Dockerfile")[0].evidence.line == 10


def test_gitlab_ci(shop: Path) -> None:
    write(shop, ".gitlab-ci.yml", "test:\n  script:\n    - true\n    - docker run shop pytest\n")
    (use,) = uses(shop / "Dockerfile")
    assert (use.argv, use.evidence.line) == (("pytest",), 4)


def test_scripts_with_odd_lines_are_read_line_by_line(shop: Path) -> None:
    write(shop, "run.sh", "if [ x\ndocker run shop a\n)\n")
    assert of(shop, "command") == [("a",)]


@pytest.mark.parametrize(
    ("dockerfile", "image"),
    [
        ("services/api/Dockerfile", "acme/api"),
        ("services/api/Dockerfile", "shop-api"),
        ("services/api/docker/Dockerfile", "shop-docker"),
        ("web.Dockerfile", "shop-web"),
        ("Dockerfile.web", "web"),
    ],
)
def test_names_by_folder(shop: Path, dockerfile: str, image: str) -> None:
    write(shop, dockerfile, "FROM x\n")
    write(shop, "run.sh", f"docker run {image} a\n")
    expected = [] if image == "shop-docker" else [("a",)]
    assert of(shop, "command", dockerfile) == expected


def test_repository_is_not_the_name_of_every_dockerfile(shop: Path) -> None:
    write(shop, "services/api/Dockerfile", "FROM x\n")
    write(shop, "run.sh", "docker run shop a\n")
    assert of(shop, "command", "services/api/Dockerfile") == []
    assert of(shop, "command") == [("a",)]


def test_root_dockerfile_has_the_name_of_the_repository(shop: Path) -> None:
    write(shop, ".devcontainer/Dockerfile", "FROM x\n")
    write(shop, "docker/Dockerfile", "FROM x\n")
    write(shop, "run.sh", "docker run shop a\n")
    assert of(shop, "command", ".devcontainer/Dockerfile") == []
    assert of(shop, "command", "docker/Dockerfile") == []
    (shop / "Dockerfile").unlink()
    assert of(shop, "command", "docker/Dockerfile") == [("a",)]


def test_env_file_names_images_and_never_shows(shop: Path) -> None:
    write(shop, ".env", "IMAGE=acme/api\nPORT=81\nNAME=hidden\n")
    write(
        shop,
        "compose.yaml",
        "services: {a: {build: ., image: '${IMAGE}:${TAG:-1}', ports: ['80:$PORT'], command: 'run $NAME'},"
        " b: {image: acme/api:2, command: b}}\n",
    )
    assert of(shop, "command") == [("run", "$NAME"), ("b",)]
    assert of(shop, "port") == ["81"]


def test_text_without_a_file_is_the_dockerfile_of_its_context(shop: Path) -> None:
    write(shop, "compose.yaml", "services: {web: {build: ., command: x}}\n")
    (use,) = find_uses(BuildContext.open(shop), None)
    assert use.argv == ("x",)
    assert use.evidence.file == "compose.yaml"


# --- parts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("web", "web"),
        ("Web:1", "web"),
        ("localhost:5000/a/web:1@sha256:x", "web"),
        ("localhost:5000/web", "web"),
        ("a/b:${TAG}", "b"),
        ("", ""),
    ],
)
def test_base_name(image: str, name: str) -> None:
    assert base_name(image) == name


def test_calls_know_their_line_and_folder() -> None:
    found = calls("cd a\n(docker run x)\ncd $B\ndocker exec y z\n")
    assert [(call.verb, call.subject, call.line, call.folder) for call in found] == [
        ("run", "x", 2, "a"),
        ("exec", "y", 4, None),
    ]


def test_volumes_that_outlive_the_container(shop: Path) -> None:
    text = "services: {web: {build: ., volumes: [a:/a, /anonymous, {type: volume, source: a, target: /b}]}}\n"
    write(shop, "compose.yaml", text)
    write(shop, "run.sh", "docker build -t shop .\ndocker run -v data:/data shop\n")
    assert set(of(shop, "volume")) == {"/a", "/b", "/data"}
