"""What the installs of Go, Ruby and others read, and what keeps them below the copy of the source."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from msrefactor.context import BuildContext
from msrefactor.facts import Dependencies, Effect, Placed, Scope
from msrefactor.knowledge.images import describe
from msrefactor.shell import parse_script
from msrefactor_transforms.ecosystems import _go_commands as go
from msrefactor_transforms.ecosystems import _ruby_commands as ruby

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
    """A workspace, modules named in the command, an incomplete go.sum."""
    command = "go mod download"
    work = {"go.mod": GO_MOD, "go.sum": GO_SUM, "go.work": "go 1.22\nuse .\n"}
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
