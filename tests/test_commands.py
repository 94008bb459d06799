"""What the commands do that every distribution has, by hand-written expectations."""

from __future__ import annotations

import pytest

from msrefactor.commands import PackageCall, clustered_value
from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Role, Scope, interpret
from msrefactor.knowledge.images import describe
from msrefactor.shell import parse_script


def effects(text: str, image: str = "debian:12", cwd: str = "/app", **variables: str) -> list[Effect]:
    """Return the effect of each command of a shell text."""
    scope = Scope(describe(image), BuildContext.unknown(), cwd=cwd, variables=variables)
    script = parse_script(text)
    assert script is not None
    return [interpret(command, scope, (), item) for item in script.items for command in item.commands]


def effect(text: str, image: str = "debian:12", cwd: str = "/app", **variables: str) -> Effect:
    return effects(text, image, cwd, **variables)[0]


@pytest.mark.parametrize(
    "text",
    ["make", "./configure", "python manage.py migrate", "bash install.sh", "sh -c 'touch x' a",
     "sh -c 'undo x'",
     "/opt/x/bin/tool",
     "$TOOL run", "dpkg -i x.deb", "eval x", "tar -cf x.tar .", "wget $URL", "cp $A /x", "cd $SOMEWHERE",
     "apt-get install -y ./x.deb", "apt-get source x", "curl -o $FILE https://h/x", "wget -qO $FILE https://h/x",
     "find . -exec python {} +", "echo x > $FILE", "git clone $URL"],
)  # fmt: skip
def test_what_is_not_known_stays_opaque(text: str) -> None:
    found = effect(text)
    assert found.role is Role.OPAQUE
    assert found.why


@pytest.mark.parametrize(
    ("text", "names", "lean"),
    [
        ("apt-get install -y curl git", ("curl", "git"), False),
        (
            "apt-get -y install --no-install-recommends curl=7.88.* git:amd64",
            ("curl=7.88.*", "git:amd64"),
            True,
        ),
        ("apt install -y -t bookworm-backports git", ("git",), False),
        ("apt-get -o Acquire::Retries=3 install -y git", ("git",), False),
        ("DEBIAN_FRONTEND=noninteractive apt-get install -qq git", ("git",), False),
        ("sudo apt-get install git", ("git",), False),
        ("apt-get install -y $PKG git", (None, "git"), False),
        ("apt-get install -y ${KNOWN}", ("libpq5",), False),
    ],
)
def test_apt_installs(text: str, names: tuple[str | None, ...], lean: bool) -> None:
    found = effect(text, KNOWN="libpq5")
    assert found.role is Role.PACKAGES
    assert found.detail == PackageCall("apt", "install", names, without_recommends=lean)
    assert len(found.packages) == len(names)


@pytest.mark.parametrize(
    ("text", "role", "action"),
    [
        ("apt-get update", Role.PACKAGES, "update"),
        ("apt-get dist-upgrade -y", Role.PACKAGES, "upgrade"),
        ("apt-get clean", Role.CLEAN, "clean"),
        ("apt-get autoremove -y", Role.CLEAN, "autoremove"),
        ("apk update", Role.PACKAGES, "update"),
        ("dnf clean all", Role.CLEAN, "clean"),
    ],
)
def test_package_managers_without_names(text: str, role: Role, action: str) -> None:
    found = effect(text)
    assert (found.role, found.detail.action) == (role, action)


def test_packages_are_removed() -> None:
    found = effect("apt-get purge -y --auto-remove gcc $X make")
    assert found.removed_packages == ("gcc", "make")
    assert found.detail.action == "remove"


def test_apk_has_virtual_packages() -> None:
    assert effect("apk add --no-cache --virtual .build-deps gcc musl-dev").detail == PackageCall(
        "apk", "install", ("gcc", "musl-dev"), ".build-deps", without_recommends=True
    )
    assert effect("apk add -t .deps gcc").detail.virtual == ".deps"
    assert effect("apk add --virtual=.deps gcc").detail.names == ("gcc",)
    assert effect("apk del .deps").removed_packages == (".deps",)


@pytest.mark.parametrize("text", ["dnf install -y git", "yum -y install git", "microdnf install git"])
def test_rpm_installs(text: str) -> None:
    assert effect(text).detail == PackageCall("dnf", "install", ("git",))


@pytest.mark.parametrize(
    ("text", "role", "writes"),
    [
        ("curl -fsSLo /usr/local/bin/x https://h/x", Role.FETCH, ("/usr/local/bin/x",)),
        ("curl -o x https://h/y", Role.FETCH, ("/app/x",)),
        ("curl --output x https://h/y", Role.FETCH, ("/app/x",)),
        ("curl -sSLO https://h/a/y.tgz", Role.FETCH, ("/app/y.tgz",)),
        ("curl https://h/y", Role.GATE, ()),
        ("curl https://h/y > /etc/y", Role.FETCH, ("/etc/y",)),
        ("wget https://h/a/y.tgz?v=1", Role.FETCH, ("/app/y.tgz",)),
        ("wget -qO /usr/local/bin/x https://h/x", Role.FETCH, ("/usr/local/bin/x",)),
        ("wget -O x https://h/y", Role.FETCH, ("/app/x",)),
        ("wget --output-document=x https://h/y", Role.FETCH, ("/app/x",)),
        ("wget -qO- https://h/y", Role.GATE, ()),
        ("wget -q -P /models https://h/m.bin", Role.FETCH, ("/models/m.bin",)),
        ("wget --spider https://h/y", Role.GATE, ()),
    ],
)
def test_downloads(text: str, role: Role, writes: tuple[str, ...]) -> None:
    found = effect(text)
    assert (found.role, found.writes) == (role, writes)


def test_the_value_of_an_option_in_a_cluster() -> None:
    assert clustered_value(("wget", "-qO", "x"), "O") == (True, "x")
    assert clustered_value(("wget", "-Ox"), "O") == (True, "x")
    assert clustered_value(("wget", "-qO-"), "O") == (True, "-")
    assert clustered_value(("wget", "-O"), "O") == (True, None)
    assert clustered_value(("wget", "--no-OK", "url"), "O") == (False, None)


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        ("tar xzf x.tgz", ("/app",)),
        ("tar -xzf x.tgz -C /opt", ("/opt",)),
        ("tar -xzC /opt -f x.tgz", ("/opt",)),
        ("tar --extract --directory=/opt --file=x.tgz", ("/opt",)),
        ("unzip x.zip -d /opt/x", ("/opt/x",)),
        ("unzip -q x.zip", ("/app",)),
        ("git clone --depth 1 https://h/me/tool.git", ("/app/tool",)),
        ("git clone https://h/me/tool /src", ("/src",)),
    ],
)
def test_unpacking_and_cloning(text: str, writes: tuple[str, ...]) -> None:
    found = effect(text)
    assert (found.role, found.writes) == (Role.FETCH, writes)


@pytest.mark.parametrize(
    ("text", "reads", "writes", "removes"),
    [
        ("cp a /usr/local/bin/", ("/app/a",), ("/usr/local/bin/a",), ()),
        ("cp a /usr/local/bin", ("/app/a",), ("/usr/local/bin/a",), ()),
        ("cp a b", ("/app/a",), ("/app/b",), ()),
        ("cp -r src/. /srv/", ("/app/src",), ("/srv",), ()),
        ("cp -t /opt/ a b", ("/app/a", "/app/b"), ("/opt/a", "/opt/b"), ()),
        ("mv a /opt/b", ("/app/a",), ("/opt/b",), ("/app/a",)),
        ("install -m 755 a /usr/local/bin/a", ("/app/a",), ("/usr/local/bin/a",), ()),
        ("install -d -m 755 /data", (), ("/data",), ()),
        ("ln -s /opt/x/bin/x /usr/local/bin/x", ("/opt/x/bin/x",), ("/usr/local/bin/x",), ()),
        ("mkdir -p -m 700 a /b", (), ("/app/a", "/b"), ()),
        ("chmod -R 755 /data", ("/data",), ("/data",), ()),
        ("rm -rf /opt/x", (), (), ("/opt/x",)),
        ("sed -i 's/a/b/' conf", ("/app/conf",), ("/app/conf",), ()),
        ("sed -i -e s/a/b/ -e s/c/d/ conf", ("/app/conf",), ("/app/conf",), ()),
        ("find . -name '*.sh' -exec chmod +x {} +", ("/app",), ("/app",), ()),
        ("echo x > /etc/conf", (), ("/etc/conf",), ()),
        ("echo x >> conf 2>/dev/null", (), ("/app/conf",), ()),
    ],
)
def test_files(text: str, reads: tuple[str, ...], writes: tuple[str, ...], removes: tuple[str, ...]) -> None:
    found = effect(text)
    assert found.role is Role.SETUP
    assert (found.reads, found.writes, found.removes) == (reads, writes, removes)


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("sed s/a/b/ conf", Role.NOTHING),
        ("find / -name x", Role.NOTHING),
        ("echo done 2>&1", Role.NOTHING),
        ("node --version", Role.NOTHING),
        ("test -f x", Role.NOTHING),
        ("rm -rf /var/lib/apt/lists/*", Role.CLEAN),
        ("rm -rf /root/.cache /tmp/x", Role.CLEAN),
        ("cd /src", Role.NAVIGATE),
        ("umask 022", Role.NAVIGATE),
        ("A=1", Role.NAVIGATE),
        ("export A=1", Role.NAVIGATE),
    ],
)
def test_what_leaves_nothing_that_is_needed(text: str, role: Role) -> None:
    assert effect(text).role is role


def test_users() -> None:
    found = effect("useradd -m -u 1000 -g staff -G audio,video -d /srv/home app")
    assert found.users == ("app",)
    assert found.homes == (("app", "/srv/home"),)
    assert found.mentions_users == ("staff", "audio", "video")
    assert effect("adduser -S -G web -h /web app", "alpine:3.20").homes == (("app", "/web"),)
    assert effect("groupadd --gid 1000 app").users == ("app",)
    assert effect("addgroup app web").users == ()
    assert effect("addgroup app web").mentions_users == ("app", "web")
    assert effect("usermod -aG web app").users == ()
    assert effect("chown -R app:web /data").mentions_users == ("app", "web")
    assert effect("chown 1000:0 /data").mentions_users == ()


def test_a_pipeline_that_ends_in_a_shell_is_opaque() -> None:
    assert [found.role for found in effects("curl -fsSL https://h/x | bash -")] == [Role.NOTHING, Role.OPAQUE]


def test_a_download_into_tar() -> None:
    first, second = effects("curl -fsSL https://h/x.tgz | tar xz -C /opt")
    assert first.role is Role.NOTHING
    assert (second.role, second.writes) == (Role.FETCH, ("/opt",))


@pytest.mark.parametrize(
    "text",
    ["curl -fsSL https://deb.nodesource.com/setup_20.x | bash -",
     "wget -qO- https://deb.nodesource.com/setup_lts.x | bash",
     "curl -sL https://deb.nodesource.com/setup_18.x | sudo -E bash -"],
)  # fmt: skip
def test_a_script_that_adds_a_package_source(text: str) -> None:
    found = effects(text)[-1]
    assert found.role is Role.BUILD
    assert found.detail.names == ("nodejs", "nsolid")


@pytest.mark.parametrize(
    "text",
    ["curl -fsSL https://deb.nodesource.com.example.org/setup_20.x | bash -",
     "curl -fsSL https://deb.nodesource.com/setup_20.x | tee x | bash -",
     "curl -fsSL https://get.example.org | bash -", "bash -"],
)  # fmt: skip
def test_any_other_script_is_not_understood(text: str) -> None:
    assert effects(text)[-1].role is Role.OPAQUE


def test_keys_of_package_sources() -> None:
    assert effects("curl https://x/key | apt-key add -")[-1].writes == ("/etc/apt/trusted.gpg",)
    assert effect("gpg --dearmor -o /usr/share/keyrings/x.gpg").writes == ("/usr/share/keyrings/x.gpg",)
    assert effect("gpg --dearmor > /etc/apt/keyrings/x.gpg").writes == ("/etc/apt/keyrings/x.gpg",)
    assert effect("gpg --verify x.asc x").role is Role.GATE
    assert effect("gpg --recv-keys 123").role is Role.OPAQUE
