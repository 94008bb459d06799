"""What the installs of Go, Ruby and others read, and what keeps them below the copy of the source."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from msrefactor.context import BuildContext
from msrefactor.facts import Dependencies, Effect, Placed, Scope
from msrefactor.knowledge.images import describe
from msrefactor.shell import parse_script
from msrefactor_transforms.ecosystems import _dotnet_commands as dotnet
from msrefactor_transforms.ecosystems import _elixir_commands as elixir
from msrefactor_transforms.ecosystems import _go_commands as go
from msrefactor_transforms.ecosystems import _java_commands as java
from msrefactor_transforms.ecosystems import _php_commands as php
from msrefactor_transforms.ecosystems import _ruby_commands as ruby
from msrefactor_transforms.ecosystems._sbt_installs import of_update
from msrefactor_transforms.ecosystems._swift_installs import of_resolve

LOCK = "GEM\n  specs:\n    rack (3.1.8)\n\nPLATFORMS\n  x86_64-linux\n\nDEPENDENCIES\n  rack\n"


def scope_of(folder: Path, files: dict[str, str], base: str) -> Scope:
    """Return what a stage knows that copies a folder with these files to /app."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    placed = (Placed("/app", "", is_folder=True),)
    return Scope(describe(base), BuildContext.open(folder), cwd="/app", variables={}, placed=placed)


def known(ecosystem: ModuleType, text: str, scope: Scope) -> Dependencies:
    """Return what a command's install reads."""
    script = parse_script(text)
    assert script is not None
    command = script.commands[0]
    effect = ecosystem.interpret(command, [word.literal for word in command.words], scope)
    assert isinstance(effect, Effect)
    assert effect.dependencies is not None
    return effect.dependencies


def code(found: Dependencies) -> str | None:
    """Return the code of what keeps an install where it is."""
    return found.obstacle.code if found.obstacle is not None else None


GO_MOD = "module m\n\nrequire a.b/c v1.0.0\n"
GO_SUM = "a.b/c v1.0.0 h1:x=\na.b/c v1.0.0/go.mod h1:y=\n"


def test_a_download_stays_where_its_files_are_not_enough(tmp_path: Path) -> None:
    """A workspace of a module that isn't there, modules named in the command, an incomplete go.sum."""
    command = "go mod download"
    work = {"go.mod": GO_MOD, "go.sum": GO_SUM, "go.work": "go 1.22\nuse (\n\t.\n\t./lib\n)\n"}
    assert code(known(go, command, scope_of(tmp_path / "a", work, "golang:1.24"))) == "install-mode"
    without = {"go.mod": GO_MOD}
    assert code(known(go, command, scope_of(tmp_path / "b", without, "golang:1.24"))) == "install-mode"
    whole = scope_of(tmp_path / "c", {"go.mod": GO_MOD, "go.sum": GO_SUM}, "golang:1.24")
    assert code(known(go, "go mod download a.b/d@v1", whole)) == "install-mode"


def test_a_download_reads_the_manifests_of_replacing_modules(tmp_path: Path) -> None:
    """Their go.mod is read, and not their source."""
    files = {"go.mod": GO_MOD + "replace x => ./x\n", "go.sum": GO_SUM, "x/go.mod": "module x\n"}
    found = known(go, "go mod download -x", scope_of(tmp_path, files, "golang:1.24"))
    assert found == Dependencies("go", ("/app/go.mod", "/app/go.sum", "/app/x/go.mod"), ("/go/pkg/mod",))


def test_bundle_install_stays_where_the_gemfile_reads_more(tmp_path: Path) -> None:
    """A gemspec, a lock that the install would complete."""
    spec = {"Gemfile": "gemspec\n", "Gemfile.lock": LOCK}
    scope = scope_of(tmp_path / "a", spec, "ruby:3.3")
    assert code(known(ruby, "bundle install --path vendor/bundle", scope)) == "install-reads-source"
    mac = {"Gemfile": "gem 'rack'\n", "Gemfile.lock": LOCK.replace("x86_64-linux", "arm64-darwin")}
    found = known(ruby, "bundle install --path vendor/bundle", scope_of(tmp_path / "b", mac, "ruby:3.3"))
    assert code(found) == "install-mode"


def test_bundle_install_reads_its_settings_and_cached_gems(tmp_path: Path) -> None:
    """And the file that the Gemfile takes the version of Ruby from."""
    files = {"Gemfile": "ruby file: '.ruby-version'\ngem 'rack'\n", "Gemfile.lock": LOCK}
    found = known(ruby, "bundle install --path vendor/bundle", scope_of(tmp_path, files, "ruby:3.3"))
    assert found.obstacle is None
    assert set(found.reads) == {
        "/app/Gemfile",
        "/app/Gemfile.lock",
        "/app/.ruby-version",
        "/app/.bundle/config",
        "/app/vendor/cache",
    }
    assert "/app/vendor/bundle" in found.writes


def test_composer_stays_where_its_autoloader_lists_the_source(tmp_path: Path) -> None:
    """A class map, short options written together; with --no-autoloader it reads its manifests only."""
    files = {"composer.json": '{"autoload": {"psr-4": {"A\\\\": "src/"}}}', "composer.lock": "{}"}
    scope = scope_of(tmp_path / "a", files, "php:8.4-cli")
    assert code(known(php, "composer install -na", scope)) == "install-reads-source"
    assert code(known(php, "composer install --no-interaction --no-dev", scope)) is None
    listed = {"composer.json": '{"autoload": {"classmap": ["src"]}}', "composer.lock": "{}"}
    scope = scope_of(tmp_path / "b", listed, "php:8.4-cli")
    assert code(known(php, "composer install", scope)) == "install-reads-source"
    found = known(php, "composer install --no-autoloader", scope)
    assert found == Dependencies(
        "composer", ("/app/composer.json", "/app/composer.lock", "/app/auth.json"), ("/app/vendor",)
    )


def test_composer_stays_where_packages_lie_in_the_project(tmp_path: Path) -> None:
    """A repository of the type path."""
    text = '{"repositories": [{"type": "path", "url": "lib/*"}]}'
    scope = scope_of(tmp_path, {"composer.json": text, "composer.lock": "{}"}, "php:8.4-cli")
    assert code(known(php, "composer install --no-autoloader", scope)) == "install-reads-source"


def test_a_restore_stays_where_a_project_reads_more(tmp_path: Path) -> None:
    """A package source that is a folder, a condition on a file, a project that isn't there."""
    sdk = '<Project Sdk="Microsoft.NET.Sdk">{}</Project>'
    base = "mcr.microsoft.com/dotnet/sdk:8.0"
    local = '<configuration><packageSources><add key="l" value="./nupkg" /></packageSources></configuration>'
    scope = scope_of(tmp_path / "a", {"A.csproj": sdk.format(""), "nuget.config": local}, base)
    assert code(known(dotnet, "dotnet restore", scope)) == "install-reads-source"
    exists = sdk.format("<ItemGroup Condition=\"Exists('x')\" />")
    scope = scope_of(tmp_path / "b", {"A.csproj": exists}, base)
    assert code(known(dotnet, "dotnet restore", scope)) == "install-mode"
    missing = sdk.format('<ItemGroup><ProjectReference Include="../B/B.csproj" /></ItemGroup>')
    scope = scope_of(tmp_path / "c", {"A/A.csproj": missing}, base)
    assert code(known(dotnet, "dotnet restore A", scope)) == "install-mode"


def test_a_restore_reads_what_lies_around_its_projects(tmp_path: Path) -> None:
    """And fills their folders obj, and the packages of the user."""
    sdk = '<Project Sdk="Microsoft.NET.Sdk">{}</Project>'
    files = {
        "A/A.csproj": sdk.format('<ItemGroup><ProjectReference Include="..\\B\\B.csproj" /></ItemGroup>'),
        "B/B.csproj": sdk.format(""),
        "Directory.Build.props": "<Project />",
    }
    scope = scope_of(tmp_path, files, "mcr.microsoft.com/dotnet/sdk:8.0")
    found = known(dotnet, "dotnet restore A/A.csproj -r linux-x64", scope)
    assert found.obstacle is None
    assert [path for path in found.reads if scope.is_file(path)] == [
        "/app/A/A.csproj",
        "/app/B/B.csproj",
        "/app/Directory.Build.props",
    ]
    assert found.writes == ("/root/.nuget/packages", "/app/A/obj", "/app/B/obj")


def test_mix_stays_where_a_dependency_lies_in_the_project(tmp_path: Path) -> None:
    """Or mix.lock doesn't list one; else it reads mix.exs, mix.lock and, to compile, config."""
    local = {"mix.exs": 'deps: [{:a, path: "a"}]', "mix.lock": '%{"a": 1}'}
    assert code(known(elixir, "mix deps.get", scope_of(tmp_path / "a", local, "elixir:1.17"))) == (
        "install-reads-source"
    )
    stale = {"mix.exs": 'deps: [{:a, "~> 1.0"}]', "mix.lock": "%{}"}
    assert code(known(elixir, "mix deps.get", scope_of(tmp_path / "b", stale, "elixir:1.17"))) == (
        "install-mode"
    )
    whole = {"mix.exs": 'deps: [{:a, "~> 1.0"}]', "mix.lock": '%{"a": 1}'}
    scope = scope_of(tmp_path / "c", whole, "elixir:1.17")
    assert known(elixir, "mix deps.get", scope) == Dependencies(
        "mix", ("/app/mix.exs", "/app/mix.lock"), ("/app/deps",)
    )
    assert "/app/config" in known(elixir, "mix do deps.get, deps.compile", scope).reads


def test_a_download_of_maven_reads_the_poms(tmp_path: Path) -> None:
    """A jar of the project keeps it where it is."""
    pom = "<project><artifactId>a</artifactId>{}</project>"
    scope = scope_of(tmp_path / "a", {"pom.xml": pom.format("")}, "maven:3.9")
    found = known(java, "mvn -B dependency:go-offline", scope)
    assert (found.reads, found.obstacle) == (("/app/pom.xml", "/app/.mvn"), None)
    jar = pom.format(
        "<dependencies><dependency><systemPath>lib/x.jar</systemPath></dependency></dependencies>"
    )
    scope = scope_of(tmp_path / "b", {"pom.xml": jar}, "maven:3.9")
    assert code(known(java, "mvn dependency:resolve", scope)) == "install-mode"


def test_patterns_in_strings_of_a_build_hide_nothing(tmp_path: Path) -> None:
    """`**/*.java` begins no comment, and what a comment says is read by nobody."""
    hidden = 'val none = "**/*.java"\nval v = IO.read(file("VERSION"))\nval all = "**/x"\n'
    found = of_update(scope_of(tmp_path / "a", {"build.sbt": hidden}, "sbtscala/scala-sbt:1"))
    assert code(found) == "install-mode"
    commented = 'name := "x" // IO.read\n/* Process( */\n'
    found = of_update(scope_of(tmp_path / "b", {"build.sbt": commented}, "sbtscala/scala-sbt:1"))
    assert code(found) is None
    manifest = 'let a = "x//" ; let f = FileManager.default\n'
    found = of_resolve((), scope_of(tmp_path / "c", {"Package.swift": manifest}, "swift:6.0"))
    assert code(found) == "install-mode"
    manifest = 'let package = Package(name: "m") /* FileManager */ // fopen\n'
    found = of_resolve((), scope_of(tmp_path / "d", {"Package.swift": manifest}, "swift:6.0"))
    assert code(found) is None
