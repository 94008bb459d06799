"""What the installers of Perl modules are understood to leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor import shell
from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Placed, Scope
from msrefactor.knowledge.images import describe
from msrefactor_transforms.ecosystems._perl_modules import headers_of
from msrefactor_transforms.ecosystems._plain_program import needs_of
from msrefactor_transforms.ecosystems.perl import LANGUAGE, PerlInstall, interpret


def _effect(folder: Path, text: str, base: str = "perl:5.38") -> Effect | None:
    script = shell.parse_script(text)
    assert script is not None
    scope = Scope(
        describe(base), BuildContext.open(folder), cwd="/app", placed=(Placed("/app", "", is_folder=True),)
    )
    command = script.items[0].commands[0]
    return interpret(command, [word.literal for word in command.words], scope)


@pytest.mark.parametrize(
    ("command", "base", "folder", "modules"),
    [
        ("cpanm -n DBI@1.6 JSON~2", "perl:5.38", "/usr/local/lib/perl5", ("DBI", "JSON")),
        ("cpanm --installdeps .", "perl:5.38", "/usr/local/lib/perl5", ("Plack",)),
        ("cpanm -L local --installdeps .", "perl:5.38", "/app/local", ("Plack",)),
        ("cpanm DBI", "debian:bookworm", "/usr/local", ("DBI",)),
        ("carton install --deployment", "perl:5.38", "/app/local", ("Plack",)),
        ("cpm install -g", "perl:5.38", "/usr/local/lib/perl5", ("Plack",)),
        ("cpanm https://example.org/A.tar.gz", "perl:5.38", "/usr/local/lib/perl5", None),
        ("perl - App::cpanminus", "debian:bookworm", "/usr/local", ("App::cpanminus",)),
        ("perl - --installdeps .", "perl:5.38", "/usr/local/lib/perl5", ("Plack",)),
        ("perl - install -g App::cpm", "perl:5.38", "/usr/local/lib/perl5", ("App::cpm",)),
    ],
)
def test_where_modules_go(
    tmp_path: Path, command: str, base: str, folder: str, modules: tuple[str, ...] | None
) -> None:
    (tmp_path / "cpanfile").write_text("requires 'perl', '5.30';\nrequires \"Plack\";\n# requires 'No';\n")
    effect = _effect(tmp_path, command, base)
    assert effect is not None
    assert effect.detail == PerlInstall(folder, modules)
    assert folder in effect.writes


@pytest.mark.parametrize(
    ("command", "reads"),
    [
        ("cpanm --installdeps .", ("/app/cpanfile", "/app/cpanfile.snapshot")),
        ("cpanm .", ("/app",)),
        ("cpanm --installdeps ./other", ("/app/other",)),
        ("cpm install -g --cpanfile=deps/cpanfile", ("/app/deps/cpanfile", "/app/deps/cpanfile.snapshot")),
        ("cpanm DBI", ()),
    ],
)
def test_what_an_installer_reads(tmp_path: Path, command: str, reads: tuple[str, ...]) -> None:
    (tmp_path / "cpanfile").write_text("requires 'Plack';\n")
    effect = _effect(tmp_path, command)
    assert effect is not None
    assert effect.reads == reads


def test_what_isnt_an_installation_is_not_understood(tmp_path: Path) -> None:
    assert _effect(tmp_path, "carton exec ./build.pl") is None
    assert _effect(tmp_path, "perl Makefile.PL") is None
    assert _effect(tmp_path, "perl - something") is None


_MAKEFILE = """use ExtUtils::MakeMaker;
WriteMakefile(
    NAME => 'A',
    PREREQ_PM => {
        'DBD::Pg' => 0, # 'No' => 1
        Mojolicious => '9.0',
    },
    %s
);
"""


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        (_MAKEFILE % "", ("DBD::Pg", "Mojolicious")),
        (_MAKEFILE % "($] > 5 ? (PREREQ_PM => {'No' => 1}) : ()),", None),
        ("WriteMakefile(PREREQ_PM => {%more, 'A' => 1});", None),
        ("use inc::Module::Install;\nname 'A';\nrequires 'Moose' => 1;\n", ("Moose",)),
        ("WriteMakefile(NAME => 'A');", None),
    ],
)
def test_modules_that_a_makefile_asks_for(tmp_path: Path, text: str, modules: tuple[str, ...] | None) -> None:
    (tmp_path / "Makefile.PL").write_text(text)
    effect = _effect(tmp_path, "cpanm --installdeps .")
    assert effect is not None
    assert effect.detail == PerlInstall("/usr/local/lib/perl5", modules)


@pytest.mark.parametrize(
    ("module", "headers"),
    [
        ("Data::Printer", ()),
        ("DBD::Pg", ("libpq-dev",)),
        ("XML::Twig", ("libexpat1-dev", "libssl-dev")),
        ("XML::LibXSLT", ("libxml2-dev", "libxslt1-dev")),
        ("Text::CSV_XS", ()),
        ("Test::Anything", ()),
        ("Plack::Middleware::XSLT", None),
        ("Image::Vips", None),
    ],
)
def test_libraries_that_modules_are_compiled_against(module: str, headers: tuple[str, ...] | None) -> None:
    assert headers_of(module) == headers


def test_programs_that_perl_starts() -> None:
    text = '# system("no")\nsystem("git", "pull");\nmy $x = `nproc`;\n'
    text += 'qx(curl -s x);\nexec $tool;\n$db->exec("x");\n'
    needs = needs_of("a.pl", text, LANGUAGE)
    assert [name for name, _ in needs.commands] == ["git", "nproc", "curl"]
    assert [place.line for place in needs.unknown_commands] == [5]
