"""What compilers, build systems and `make install` leave, and where; what isn't known stays opaque."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Role, stage_facts
from msrefactor.parse import parse
from msrefactor_transforms.ecosystems._c_commands import CBuild, interpret

PLAIN = """\
CFLAGS += -O2
PREFIX ?= /usr/local
SOURCES = main.c util.c

all: bin/tool libutil.so.1

bin/tool: $(SOURCES:.c=.o)
\tmkdir -p bin
\t$(CC) -o $@ $^ -lm -lz

libutil.so.1: util.c
\t$(CC) -shared -o $@ $<

%.o: %.c
\t$(CC) $(CFLAGS) -c -o $@ $<

install: all
\tinstall -d $(DESTDIR)$(PREFIX)/bin
\tinstall -m755 bin/tool $(DESTDIR)$(PREFIX)/bin/tool

test:
\t./run-tests

.PHONY: all install test
"""


def effects(
    folder: Path, run: str, files: Mapping[str, str] | None = None, before: str = "COPY . ."
) -> list[Effect]:
    for name, text in (files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    tree = parse(f"FROM debian:12\nWORKDIR /src\n{before}\nRUN {run}\n")
    facts = stage_facts(tree, tree.final_stage, BuildContext.open(folder), (interpret,))
    return list(facts.facts[-1].effects)


def last(folder: Path, run: str, files: Mapping[str, str] | None = None, before: str = "COPY . .") -> Effect:
    return effects(folder, run, files, before)[-1]


def detail(effect: Effect) -> CBuild:
    assert isinstance(effect.detail, CBuild)
    return effect.detail


@pytest.mark.parametrize(
    "command",
    ["make", "make install", "make $TARGET", "cmake -P script.cmake", "cmake -E tar xf x", "cpack", "scons",
     "make -C $DIR", "xargs rm", "gpg -o $X --dearmor k", "strip $X", "meson wrap install x", "gunzip *.gz"],
)  # fmt: skip
def test_what_is_not_known_stays_opaque(tmp_path: Path, command: str) -> None:
    (tmp_path / "main.c").write_text("")
    assert last(tmp_path, command).role is Role.OPAQUE


@pytest.mark.parametrize(
    "recipe",
    ["docker build .", "npm install", "apt-get install -y x", "curl -o x http://h/x", "./generate x > y"],
)
def test_a_makefile_with_other_tools_stays_opaque(tmp_path: Path, recipe: str) -> None:
    makefile = f"all: main.c\n\t{recipe}\n\tgcc -o app main.c\n"
    assert last(tmp_path, "make", {"Makefile": makefile}).role is Role.OPAQUE


def test_a_name_that_is_not_known_before_the_build(tmp_path: Path) -> None:
    refusal = last(tmp_path, "gcc -o $NAME main.c").refusal
    assert refusal is not None
    assert refusal.code == "unknown-artifact"


@pytest.mark.parametrize(
    ("command", "outputs"),
    [
        ("gcc main.c", ("/src/a.out",)),
        ("gcc -O2 -o app main.c -lm", ("/src/app",)),
        ("g++ -obin/app *.cpp", ("/src/bin/app",)),
        ("clang++-16 -o /usr/local/bin/app main.cpp", ("/usr/local/bin/app",)),
        ("gcc -c main.c", ()),
        ("gcc -c main.c -o build/main.o", ()),
        ("gcc -shared -fPIC -o libx.so.1 x.c", ("/src/libx.so.1",)),
        ("gcc -E main.c -o main.i", ()),
        ("x86_64-linux-gnu-gcc -o app main.c", ("/src/app",)),
        ("gfortran solve.f90 -o solve", ("/src/solve",)),
        ("fpc -O2 -ohello hello.pas", ("/src/hello",)),
        ("gcc -I inc -L lib main.c -o app", ("/src/app",)),
        ("ar rcs libx.a x.o", ()),
    ],
)
def test_compilers(tmp_path: Path, command: str, outputs: tuple[str, ...]) -> None:
    effect = last(tmp_path, command)
    assert effect.role is Role.BUILD
    assert effect.writes == outputs


def test_what_is_linked_with(tmp_path: Path) -> None:
    built = detail(last(tmp_path, "gcc -static -o app main.c -lssl -l crypto -fopenmp"))
    assert built.libraries == {"ssl", "crypto"}
    assert built.is_static
    assert built.may_use_openmp
    assert built.are_libraries_known
    unknown = detail(effects(tmp_path, "gcc -o app main.c $(pkg-config --libs gtk4)")[0])
    assert not unknown.are_libraries_known
    assert unknown.may_use_openmp


def test_a_plain_makefile_names_its_outputs(tmp_path: Path) -> None:
    effect = last(tmp_path, "make -j4", {"Makefile": PLAIN})
    assert effect.writes == ("/src/bin/tool", "/src/libutil.so.1")
    assert detail(effect).is_exact
    assert detail(effect).libraries == {"m", "z"}
    assert last(tmp_path, "make test", {"Makefile": PLAIN}).role is Role.GATE


def test_an_old_build_in_the_context_is_no_source(tmp_path: Path) -> None:
    files = {"Makefile": "app: main.c\n\tcc -o app main.c\n", "main.c": "", "app": "an old build"}
    assert last(tmp_path, "make", files).writes == ("/src/app",)


def test_a_recipe_says_where_it_installs(tmp_path: Path) -> None:
    effect = last(tmp_path, "make install PREFIX=/opt/tool", {"Makefile": PLAIN})
    assert "/opt/tool/bin/tool" in effect.writes
    assert detail(effect).prefixes == ("/opt/tool/bin",)
    assert last(tmp_path, "make install PREFIX=$X", {"Makefile": PLAIN}).role is Role.OPAQUE


@pytest.mark.parametrize(
    ("run", "prefixes"),
    [
        ("./configure && make install", ("/usr/local",)),
        ("./configure --prefix=/opt/x --disable-y && make -j2 && make install", ("/opt/x",)),
        ("(./configure --prefix=/opt/x && make) && make install", ("/opt/x",)),
        ("./configure && make install DESTDIR=/out", ("/out",)),
        ("./configure --prefix=/opt/x --sysconfdir=/etc/x && make install", ("/opt/x", "/etc/x")),
        ("./configure --prefix=/opt/n --conf-path=/etc/n/n.conf --pid-path=/run/n.pid && make install",
         ("/opt/n", "/etc/n")),
        ("./configure --with-ssl=/etc/ssl --pidfile=/run/x.pid --x-temp-path=/var/lib/x && make install",
         ("/usr/local",)),
        ("mkdir build && cd build && cmake .. && make install", ("/usr/local",)),
        ("cmake -B b -DCMAKE_INSTALL_PREFIX:PATH=/opt/x && cmake --build b --target install", ("/opt/x",)),
        ("cmake -S . -B b && cmake --install b --prefix /opt/y", ("/opt/y",)),
        ("meson setup b --prefix=/opt/x && ninja -C b install", ("/opt/x",)),
        ("meson b . && meson install -C b", ("/usr/local",)),
    ],
)  # fmt: skip
def test_the_prefix_of_a_configured_tree(tmp_path: Path, run: str, prefixes: tuple[str, ...]) -> None:
    before = "RUN curl -L http://h/x.tgz | tar xz --strip-components=1"
    effect = last(tmp_path, run, before=before)
    assert effect.role is Role.BUILD
    assert effect.writes == prefixes
    assert detail(effect).kind == "install"


def test_the_prefix_is_remembered_from_one_run_to_the_next(tmp_path: Path) -> None:
    before = "RUN git clone http://h/x . && ./configure --prefix=/opt/x"
    assert last(tmp_path, "make && make install", before=before).writes == ("/opt/x",)


@pytest.mark.parametrize(
    "run", ["./configure $OPTIONS && make install", "./configure --prefix=$P && make install",
            "./configure --prefix=/opt/x --with-conf=/etc/x && make install", "qmake && make install"]
)  # fmt: skip
def test_a_prefix_that_is_not_known(tmp_path: Path, run: str) -> None:
    assert last(tmp_path, run, before="RUN git clone http://h/x .").role is Role.OPAQUE


@pytest.mark.parametrize("name", ["cups-2.4", "util-linux-2.40"])
def test_projects_with_a_prefix_of_their_own(tmp_path: Path, name: str) -> None:
    before = f"RUN git clone http://h/x /usr/src/{name}"
    assert (
        last(tmp_path, f"cd /usr/src/{name} && ./configure && make install", before=before).role
        is Role.OPAQUE
    )


def test_makefiles_that_nobody_sees_install_below_usr_local_by_a_guess(tmp_path: Path) -> None:
    before = "RUN git clone http://h/x ."
    guessed = last(tmp_path, "make install", before=before)
    assert guessed.writes == ("/usr/local",)
    assert "installs below /usr/local" in guessed.assumption
    told = last(tmp_path, "make PREFIX=/opt/x install", before=before)
    assert (told.writes, told.assumption) == (("/opt/x",), "")


def test_cmake_lists_of_the_context_name_places(tmp_path: Path) -> None:
    lists = "project(x C)\ninstall(TARGETS x DESTINATION bin)\ninstall(FILES x.conf DESTINATION /etc/x)\n"
    effect = last(tmp_path, "cmake . && make install", {"CMakeLists.txt": lists})
    assert effect.writes == ("/usr/local", "/etc/x")
    script = "install(SCRIPT after.cmake)\n"
    assert last(tmp_path, "cmake . && make install", {"CMakeLists.txt": script}).role is Role.OPAQUE


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("pkg-config --exists x", Role.NOTHING),
        ("gpg --verify x.asc x", Role.GATE),
        ("patch -p1 < fix.patch", Role.BUILD),
        ("xz -d x.xz", Role.FETCH),
        ("strip --strip-all /usr/local/bin/x", Role.BUILD),
        ("update-alternatives --install /usr/bin/gcc gcc /usr/bin/gcc-12 20", Role.BUILD),
        ("update-alternatives --set java /x/java", Role.SETUP),
        ("add-apt-repository -y ppa:x/y", Role.SETUP),
        ("gcc --version", Role.NOTHING),
        ("ctest --output-on-failure", Role.GATE),
        ("autoreconf -fi", Role.BUILD),
    ],
)
def test_tools_around_them(tmp_path: Path, command: str, role: Role) -> None:
    assert effects(tmp_path, command)[0].role is role
