"""What must be told of two root file systems, and what must not."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from image_tars import File, Folder, Link, cache_of, elf_of, root_of, saved
from msrefactor.verification.archives import read_image
from msrefactor.verification.comparison import FileReport, compare_filesystems

Files = dict[str, File | Folder | Link | bytes | str]

LOADER = "/lib64/ld-linux-x86-64.so.2"
PQ = "usr/lib/x86_64-linux-gnu/libpq.so.5"
STATUS = """Package: libpq5
Status: install ok installed
Version: 15.1
Architecture: amd64

Package: gcc
Status: install ok installed
Version: 12
Architecture: amd64
"""


def program(*needed: str) -> File:
    return File(elf_of(interpreter=LOADER, needed=[*needed, "libc.so.6"]), 0o755)


def library(*needed: str) -> bytes:
    return elf_of(needed=needed)


def system() -> Files:
    """A Debian with a C library, a shell, Python, Node and Java, and two packages."""
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: app.Main\r\nClass-Path: lib/dep.jar\r\n\r\n")
        archive.writestr("app/Main.class", b"")
    return {
        "bin": Link("usr/bin"),
        "lib64/ld-linux-x86-64.so.2": library(),
        "lib/x86_64-linux-gnu/libc.so.6": library(),
        PQ: library(),
        "usr/lib/x86_64-linux-gnu/libcrypto.so.3": library(),
        "usr/bin/sh": program(),
        "usr/bin/env": program(),
        "usr/bin/gcc": program(),
        "usr/local/bin/python3.12": program(),
        "usr/local/bin/python3": Link("python3.12"),
        "usr/local/bin/python": Link("python3.12"),
        "usr/local/lib/python3.12/os.py": "",
        "usr/local/lib/python3.12/site-packages/flask/__init__.py": "",
        "usr/local/lib/python3.12/site-packages/flask-3.0.dist-info/METADATA": "Name: Flask\nVersion: 3.0\n"
        "Requires-Dist: werkzeug (>=3)\nRequires-Dist: pytest; extra == 'dev'\n\n",
        "usr/local/lib/python3.12/site-packages/flask-3.0.dist-info/RECORD": "flask/__init__.py,,\n",
        "usr/local/lib/python3.12/site-packages/werkzeug/__init__.py": "",
        "usr/local/lib/python3.12/site-packages/werkzeug-3.0.dist-info/METADATA": "Name: Werkzeug\n\n",
        "usr/local/bin/node": program(),
        "opt/java/openjdk/bin/java": program(),
        "opt/java/openjdk/release": 'JAVA_VERSION="21.0.1"\n',
        "opt/java/openjdk/lib/modules": "m",
        "opt/java/openjdk/lib/server/libjvm.so": library(),
        "opt/java/openjdk/lib/security/cacerts": Link("/etc/ssl/certs/java/cacerts"),
        "etc/ssl/certs/java/cacerts": "store",
        "etc/ssl/certs/ca-certificates.crt": "bundle",
        "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:100:100::/home/app:/bin/sh\n",
        "etc/group": "root:x:0:\napp:x:100:\n",
        "usr/share/zoneinfo/Europe/Berlin": "tz",
        "home/app": Folder(0o700, 100, 100),
        "tmp": Folder(0o1777),
        "var/lib/dpkg/status": STATUS,
        "var/lib/dpkg/info/libpq5:amd64.list": f"/usr\n/{PQ}\n",
        "var/lib/dpkg/info/gcc.list": "/usr/bin/gcc\n",
        "app/server": program("libpq.so.5"),
        "app/run.sh": File('#!/bin/sh\nset -e\nexec "$@"\n', 0o755),
        "app/app.jar": jar.getvalue(),
        "app/lib/dep.jar": "PK",
        "app/main.py": "import flask\nimport subprocess\nsubprocess.run(['convert', 'a'])\n",
        "usr/bin/convert": program(),
        "app/index.js": "const e = require('express')\nrequire('./lib/helper')\n",
        "app/lib/helper.js": "module.exports = 1\n",
        "app/package.json": '{"dependencies": {"express": "4"}, "scripts": {"start": "node index.js"}}',
        "app/node_modules/express/package.json": '{"name": "express", "dependencies": {"qs": "6"}}',
        "app/node_modules/express/index.js": "",
        "app/node_modules/qs/package.json": '{"name": "qs"}',
        "app/node_modules/qs/index.js": "",
        "app/node_modules/addon/build/addon.node": File(elf_of(needed=["libcrypto.so.3"]), 0o755),
        "app/current": Link("main.py"),
    }


def report(
    cmd: list[str],
    *,
    without: tuple[str, ...] = (),
    changed: Mapping[str, File | Folder | Link | bytes | str] | None = None,
    before: Mapping[str, File | Folder | Link | bytes | str] | None = None,
    config: Mapping[str, Any] | None = None,
) -> FileReport:
    """Compare a whole system with one that lacks some paths and has others changed."""
    settings = {"Cmd": cmd, "WorkingDir": "/app", **(config or {})}
    settings["Env"] = [
        *(settings.get("Env") or ()),
        "PATH=/usr/local/bin:/usr/bin:/bin:/opt/java/openjdk/bin",
    ]
    old = {**system(), **(before or {})}
    new = {
        path: entry
        for path, entry in {**old, **(changed or {})}.items()
        if not any(path == one or path.startswith(f"{one}/") for one in without)
    }
    return compare_filesystems(root_of(old), root_of(new), settings, settings)


def told(*arguments: Any, **options: Any) -> list[str]:
    return [str(one) for one in report(*arguments, **options).differences]


SERVER = ["/app/server"]
EVERY_START = [
    SERVER,
    ["python", "main.py"],
    ["node", "index.js"],
    ["npm", "start"],
    ["java", "-jar", "app.jar"],
    ["/app/run.sh", "./server"],
    ["/bin/sh", "-c", "exec ./server --port 80"],
]


@pytest.mark.parametrize("cmd", EVERY_START, ids=" ".join)
def test_equal_images_have_no_difference(cmd: list[str]) -> None:
    assert told(cmd) == []


@pytest.mark.parametrize("cmd", EVERY_START, ids=" ".join)
def test_what_nothing_reaches_may_be_gone(cmd: list[str]) -> None:
    found = report(cmd, without=("usr/bin/gcc", "var/lib/dpkg/info/gcc.list", "usr/share/zoneinfo"))
    assert found.differences == ()
    assert [(one.kind, one.files) for one in found.gone if "compilers" in one.kind] == [
        ("compilers and build tools", 1)
    ]


def test_gone_packages_are_listed_and_are_no_difference() -> None:
    status = STATUS.partition("\n\n")[0] + "\n"
    found = report(
        SERVER, changed={"var/lib/dpkg/status": status}, without=("app/node_modules/qs", "usr/bin/gcc")
    )
    assert found.gone_packages == (("system", "gcc", "12"), ("node", "qs", ""))
    assert found.differences == ()


@pytest.mark.parametrize(
    ("cmd", "without", "wanted"),
    [
        (
            SERVER,
            PQ,
            (
                "libpq.so.5: /usr/lib/x86_64-linux-gnu/libpq.so.5 became missing; "
                "/app/server needs the shared library libpq.so.5, which libpq5 provided"
            ),
        ),
        (SERVER, "app/server", "/app/server: /app/server became missing; CMD needs the program /app/server"),
        (
            SERVER,
            LOADER[1:],
            (
                f"{LOADER}: {LOADER} became missing; "
                f"/app/server and 3 more need the dynamic loader {LOADER}: "
                "it is linked against glibc, and the image has none"
            ),
        ),
        (
            ["/app/run.sh"],
            "usr/bin/sh",
            "/bin/sh: /bin/sh became missing; /app/run.sh needs the interpreter /bin/sh",
        ),
        (
            ["python", "main.py"],
            "usr/local/lib/python3.12/site-packages/werkzeug-3.0.dist-info",
            (
                "werkzeug: /usr/local/lib/python3.12/site-packages/werkzeug-3.0.dist-info became missing; "
                "flask needs the Python distribution werkzeug"
            ),
        ),
        (
            ["python", "main.py"],
            "usr/local/lib/python3.12/os.py",
            (
                "lib/python3.12/os.py: /usr/local/lib/python3.12/os.py became missing; "
                "/usr/local/bin/python3.12 needs the standard library lib/python3.12/os.py"
            ),
        ),
        (
            ["python", "main.py"],
            "usr/bin/convert",
            "convert: /usr/bin/convert became missing; /app/main.py:3 needs the program convert",
        ),
        (
            ["npm", "start"],
            "app/node_modules/qs",
            "qs: /app/node_modules/qs became missing; /app/node_modules/express needs the Node package qs",
        ),
        (
            ["node", "index.js"],
            "app/lib/helper.js",
            "./lib/helper: /app/lib/helper.js became missing; /app/index.js needs the module ./lib/helper",
        ),
        (
            ["java", "-jar", "app.jar"],
            "app/app.jar",
            "/app/app.jar: /app/app.jar became missing; CMD needs the jar /app/app.jar",
        ),
        (
            ["java", "-jar", "app.jar"],
            "app/lib/dep.jar",
            "/app/lib/dep.jar: /app/lib/dep.jar became missing; /app/app.jar needs the jar /app/lib/dep.jar",
        ),
        (
            ["java", "-jar", "app.jar"],
            "etc/ssl/certs/java/cacerts",
            (
                "lib/security/cacerts: /etc/ssl/certs/java/cacerts became missing; "
                "/opt/java/openjdk/bin/java needs the certificates of Java lib/security/cacerts: "
                "/opt/java/openjdk/lib/security/cacerts leads to "
                "/etc/ssl/certs/java/cacerts, which is not there"
            ),
        ),
    ],
)
def test_a_loss_names_who_needs_it(cmd: list[str], without: str, wanted: str) -> None:
    assert wanted in told(cmd, without=(without,))


def test_a_plugin_that_nothing_names_needs_its_libraries_all_the_same() -> None:
    (found,) = told(["node", "index.js"], without=("usr/lib/x86_64-linux-gnu/libcrypto.so.3",))
    assert "/app/node_modules/addon/build/addon.node needs the shared library libcrypto.so.3" in found


def test_a_lost_mode_is_said_with_what_it_means() -> None:
    found = told(SERVER, changed={"app/server": File(program("libpq.so.5").content, 0o644)})
    assert found == [
        (
            "/app/server: /app/server became not usable; CMD needs the program /app/server: "
            "/app/server has mode 0644: uid 0 may not execute it"
        ),
        "mode of /app/server: 0755 became 0644; the owner's right to execute is lost",
    ]


def test_a_user_who_may_not_execute_or_enter_is_told() -> None:
    config = {"User": "app"}
    closed = told(SERVER, changed={"app": Folder(0o700)}, before={"app": Folder(0o755)}, config=config)
    assert any("uid 100 may not enter /app" in one for one in closed)
    unknown = told(SERVER, changed={"etc/passwd": "root:x:0:0::/root:/bin/sh\n"}, config=config)
    assert any(one.startswith("app: uid 100 became missing; USER needs the user app") for one in unknown)
    homeless = told(SERVER, without=("home/app",), config=config)
    assert homeless == ["/home/app: /home/app became missing; USER needs the home folder /home/app"]


def test_a_link_that_was_followed_is_told() -> None:
    (found,) = told(SERVER, changed={"app/current": system()["app/main.py"]})
    assert found == (
        "/app/current: a link to main.py became a file; "
        "the symbolic link to main.py was followed when it was copied"
    )


def test_a_link_that_leads_nowhere_now_is_told() -> None:
    found = told(SERVER, without=("app/main.py",))
    assert found == [
        ("/app/current: a link to /app/main.py became a link to nothing; /app/main.py is not there any more")
    ]


def test_changed_owners_capabilities_and_bytes_are_told() -> None:
    tool = File("tool", 0o755, attributes=(("security.capability", "cap"),))
    before: Files = {"app/data": Folder(0o755, 100, 100), "app/tool": tool, "app/static/a.txt": "one"}
    found = told(
        SERVER,
        before=before,
        changed={"app/data": Folder(), "app/tool": File("tool", 0o755), "app/static/a.txt": "two"},
    )
    assert [one.partition(";")[0] for one in found] == [
        "owner of /app/data: 100:100 became 0:0",
        next(one for one in found if one.startswith("/app/static/a.txt: 3 bytes")).partition(";")[0],
        "security.capability of /app/tool: set became missing",
    ]


def test_what_every_build_makes_otherwise_is_a_note() -> None:
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: app.Main\r\nBuilt: now\r\n\r\n")
        archive.writestr("app/Main.class", b"")
    found = report(
        SERVER,
        before={"app/version.txt": "built 2024-01-02T03:04:05Z", "app/Dockerfile": "FROM a"},
        changed={
            "app/version.txt": "built 2025-02-03T04:05:06Z",
            "app/Dockerfile": "FROM b",
            "app/app.jar": jar.getvalue(),
            "app/server": File(
                elf_of(interpreter=LOADER, needed=["libpq.so.5", "libc.so.6"], extra=b"id"), 0o755
            ),
        },
    )
    assert found.differences == ()
    assert len(found.notes) == 4


def test_a_jar_with_fewer_classes_is_a_difference() -> None:
    jar = io.BytesIO()
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: app.Main\r\n\r\n")
    found = told(["java", "-jar", "app.jar"], changed={"app/app.jar": jar.getvalue()})
    assert any("needs the class app.Main" in one for one in found)
    assert any("it holds 1 entries less, such as app/Main.class" in one for one in found)


@pytest.mark.parametrize(
    "cmd",
    [
        ["sh", "-c", "exec java $OPTS -jar app.jar"],
        ["/app/run.sh", "sh", "-c", "java $OPTS -jar ${JAR:-app.jar}"],
        ["sh", "-c", "$JAVA_HOME/bin/java -jar app.jar"],
    ],
    ids=" ".join,
)
def test_a_command_in_shell_form_is_read_with_the_images_variables(cmd: list[str]) -> None:
    config = {"Env": ["OPTS=-Xmx8m -server", "JAVA_HOME=/opt/java/openjdk", "JAR=app.jar"]}
    assert told(cmd, config=config) == []
    found = told(cmd, without=("app/app.jar",), config=config)
    assert any("needs the jar /app/app.jar" in one for one in found)


def test_what_happened_alike_to_many_files_is_told_once() -> None:
    before: Files = {f"app/static/{n}.txt": "x" for n in range(50)}
    changed: Files = {f"app/static/{n}.txt": File("x", owner=7) for n in range(50)}
    (found,) = told(SERVER, before=before, changed=changed)
    assert found.startswith("owner of /app/static/0.txt and 49 more: 0:0 became 7:0")


def test_another_java_release_is_told() -> None:
    found = told(["java", "-jar", "app.jar"], changed={"opt/java/openjdk/release": 'JAVA_VERSION="17.0.9"\n'})
    assert found == [
        "Java: release 21 became release 17; classes and options of one release need not work with another"
    ]


def test_a_program_of_glibc_in_an_image_of_musl_is_told() -> None:
    glibc = ("lib64", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
    found = told(SERVER, without=glibc, changed={"lib/ld-musl-x86_64.so.1": library()})
    assert any(
        "/app/server and 3 more need the dynamic loader" in one and "the image has musl" in one
        for one in found
    )


def test_a_virtual_environment_without_its_interpreter_is_told() -> None:
    environment: Files = {
        "opt/venv/bin/python": Link("/usr/local/bin/python3.12"),
        "opt/venv/pyvenv.cfg": "home = /usr/local/bin\n",
        "opt/venv/bin/serve": File("#!/opt/venv/bin/python\n", 0o755),
    }
    found = told(["/opt/venv/bin/serve"], before=environment, without=("usr/local/bin/python3.12",))
    assert any(
        "/opt/venv/bin/serve needs the interpreter /opt/venv/bin/python: /opt/venv/bin/python is a link to "
        "/usr/local/bin/python3.12, which is not there" in one
        for one in found
    )


def test_certificates_are_missed_by_a_program_that_names_a_host() -> None:
    client = elf_of(
        interpreter=LOADER, needed=["libc.so.6"], extra=b"\0https://api.bank.io/v1\0/etc/ssl/cert.pem"
    )
    own_roots = elf_of(interpreter=LOADER, needed=["libc.so.6"], extra=b"\0https://api.bank.io/v1\0")
    silent = elf_of(interpreter=LOADER, needed=["libc.so.6"], extra=b"\0https://golang.org/issue\0")
    bundle = "etc/ssl/certs/ca-certificates.crt"
    found = told(SERVER, before={"app/server": File(client, 0o755)}, without=(bundle,))
    assert found == [
        (
            "for https://api.bank.io: /etc/ssl/certs/ca-certificates.crt became missing; "
            "/app/server needs the certificate authorities for https://api.bank.io: "
            "the image has no bundle of certificates"
        )
    ]
    for content in (silent, own_roots):
        assert told(SERVER, before={"app/server": File(content, 0o755)}, without=(bundle,)) == []
    upstream = {"Env": ["UPSTREAM=https://example.com/v1"]}
    assert any(
        "Env UPSTREAM needs the cert" in one for one in told(SERVER, without=(bundle,), config=upstream)
    )
    assert told(["node", "index.js"], without=(bundle,), config=upstream) == []
    named = {"Env": ["SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"]}
    assert any(
        "Env SSL_CERT_FILE needs the file" in one for one in told(SERVER, without=(bundle,), config=named)
    )


def test_time_zones_locales_and_temporary_files_are_missed_where_they_are_used() -> None:
    zones = ("usr/share/zoneinfo",)
    assert any(
        "Env TZ needs" in one for one in told(SERVER, without=zones, config={"Env": ["TZ=Europe/Berlin"]})
    )
    assert told(SERVER, without=zones, config={"Env": ["TZ=UTC"]}) == []
    assert any("CMD needs the time zone" in one for one in told([*SERVER, "Europe/Berlin"], without=zones))
    german: Files = {"usr/lib/locale/de_DE.utf8/LC_CTYPE": ""}
    lang = {"Env": ["LANG=de_DE.UTF-8"]}
    assert any(
        "needs the locale" in one
        for one in told(SERVER, before=german, without=("usr/lib/locale",), config=lang)
    )
    (found,) = told(SERVER, changed={"tmp": Folder(0o755)})
    assert "its mode is 0755 and must be 1777" in found
    assert told(SERVER, without=("tmp",)) == []
    assert told(["python", "main.py"], without=("tmp",)) != []


def test_a_health_check_counts_as_a_start() -> None:
    config = {"Healthcheck": {"Test": ["CMD-SHELL", "convert -version || exit 1"]}}
    found = told(SERVER, without=("usr/bin/convert",), config=config)
    assert found == ["convert: /usr/bin/convert became missing; HEALTHCHECK needs the program convert"]


def test_what_the_old_image_lacked_too_is_no_difference() -> None:
    before: Files = {"app/server": program("libpq.so.5", "libnever.so.1")}
    assert told(SERVER, before=before) == []
    assert told(["/app/run.sh", "nothing-like-it"]) == []


def test_packages_may_move_into_a_virtual_environment() -> None:
    site = "usr/local/lib/python3.12/site-packages"
    moved: Files = {
        path.replace("usr/local/lib", "opt/venv/lib"): entry
        for path, entry in system().items()
        if site in path
    }
    assert told(["python", "main.py"], changed=moved, without=(site,)) == []


def test_layers_tell_what_the_author_copied(tmp_path: Path) -> None:
    base: Files = {"usr/bin/run": program(), LOADER: library(), "lib/x86_64-linux-gnu/libc.so.6": library()}
    config = {"Cmd": ["run"]}
    images = []
    for name, text in (("old", "2024-01-01"), ("new", "2025-01-01")):
        path = saved(tmp_path / name, [base, {"app/conf": text}], config)
        content = path.read_bytes().replace(b'"layer 1"', b'"COPY 1x"')
        assert content != path.read_bytes()
        path.write_bytes(content)
        images.append(read_image(path))
    with images[0].filesystem as old, images[1].filesystem as new:
        (found,) = compare_filesystems(old, new, images[0].config, images[1].config).differences
        assert found.subject == "/app/conf"
        assert compare_filesystems(old, new, config, config, base_layers=2).differences == ()


def test_libraries_that_packages_load_by_name_are_wanted() -> None:
    site = "usr/local/lib/python3.12/site-packages"
    before: Files = {
        f"{site}/magic/loader.py": "import ctypes.util\nlib = ctypes.util.find_library('magic')\n",
        "usr/lib/x86_64-linux-gnu/libmagic.so.1": library(),
        "etc/ld.so.cache": cache_of({"libmagic.so.1": "/usr/lib/x86_64-linux-gnu/libmagic.so.1"}),
    }
    assert told(["python", "main.py"], before=before) == []
    (found,) = told(["python", "main.py"], before=before, without=("usr/lib/x86_64-linux-gnu/libmagic.so.1",))
    assert "magic/loader.py:2 needs the shared library magic" in found


def test_a_compiled_addon_that_is_gone_is_told_while_its_package_is_there() -> None:
    addon = "app/node_modules/addon/build/addon.node"
    (found,) = told(
        ["node", "index.js"], without=(addon,), before={"app/node_modules/addon/package.json": "{}"}
    )
    assert found == f"/{addon}: compiled became missing; the Node package addon loads it"
    assert told(["node", "index.js"], without=("app/node_modules/addon",)) == []


def test_dotnet_frameworks_are_looked_up_by_release() -> None:
    settings = {"runtimeOptions": {"framework": {"name": "Microsoft.NETCore.App", "version": "8.0.0"}}}
    before: Files = {
        "usr/bin/dotnet": program(),
        "usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.11/a.dll": "",
        "app/web.dll": "",
        "app/web.runtimeconfig.json": json.dumps(settings),
    }
    cmd = ["dotnet", "web.dll"]
    assert told(cmd, before=before) == []
    found = told(cmd, before=before, without=("usr/share/dotnet",))
    assert any(".NET framework Microsoft.NETCore.App 8.0" in one for one in found)


def test_gems_of_the_lock_file_are_wanted() -> None:
    before: Files = {
        "usr/local/bin/ruby": program(),
        "app/Gemfile.lock": "GEM\n  specs:\n    rack (3.0.0)\n      base64 (>= 0)\n\nPLATFORMS\n  ruby\n",
        "usr/local/bundle/specifications/rack-3.0.0.gemspec": "",
        "usr/local/bundle/gems/rack-3.0.0": Folder(),
    }
    assert told(["ruby", "a.rb"], before=before) == []
    found = told(["ruby", "a.rb"], before=before, without=("usr/local/bundle",))
    assert any("Gemfile.lock needs the gem rack 3.0.0" in one for one in found)


def test_a_library_of_the_cache_is_found() -> None:
    before: Files = {
        "opt/x/libx.so": library(),
        "app/server": program("libx.so"),
        "etc/ld.so.cache": cache_of({"libx.so": "/opt/x/libx.so"}),
    }
    assert told(SERVER, before=before) == []
    (found,) = told(SERVER, before=before, without=("etc/ld.so.cache",))
    assert "/app/server needs the shared library libx.so" in found
