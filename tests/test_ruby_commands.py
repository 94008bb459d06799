"""What Bundler, RubyGems and rake leave behind; what isn't known stays opaque."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Role, stage_facts
from msrefactor.parse import parse
from msrefactor_transforms.ecosystems._ruby_commands import interpret

LOCK = "GEM\n  specs:\n    rack (3.0.10)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  rack\n"
BUNDLE = "/usr/local/bundle"


def effects(folder: Path, body: str, image: str = "ruby:3.3", lock: str | None = LOCK) -> list[Effect]:
    (folder / "Gemfile").write_text('source "https://rubygems.org"\ngem "rack"\n')
    if lock is not None:
        (folder / "Gemfile.lock").write_text(lock)
    tree = parse(f"FROM {image}\nWORKDIR /app\nCOPY . .\n{body}\n")
    facts = stage_facts(tree, tree.final_stage, BuildContext.open(folder), (interpret,))
    return [effect for _, effect in facts.effects()]


def effect(folder: Path, command: str, image: str = "ruby:3.3") -> Effect:
    return effects(folder, f"RUN {command}", image)[-1]


@pytest.mark.parametrize(
    "command",
    ["ruby script.rb", "bundle init", "rails new x", "rails runner x", "gem install -i $X y", "rake",
     "bundle config set path $X", "gem install --user-install x", "jekyll new x", "bundle exec ./tool",
     "gem push x"],
)  # fmt: skip
def test_what_is_not_known_stays_opaque(tmp_path: Path, command: str) -> None:
    assert effect(tmp_path, command).role is Role.OPAQUE


@pytest.mark.parametrize(
    ("command", "writes"),
    [
        ("bundle", (BUNDLE,)),
        ("bundle install --jobs 4 --retry 3", (BUNDLE,)),
        ("bundle _2.1.4_ install", (BUNDLE,)),
        ("bundle install --path vendor/bundle", ("/app/vendor/bundle", f"{BUNDLE}/config")),
        ("bundle install --path=/gems", ("/gems", f"{BUNDLE}/config")),
        ("bundle install --deployment", ("/app/vendor/bundle", f"{BUNDLE}/config")),
        ("bundle install --without test", (BUNDLE, f"{BUNDLE}/config")),
        ("BUNDLE_PATH=/gems bundle install", ("/gems",)),
        ("GEM_HOME=/gems bundle install", ("/gems",)),
        ("bundle update", (BUNDLE, "/app/Gemfile.lock")),
        ("bundle config set --local without test", (f"{BUNDLE}/config",)),
        ("bundle config --global frozen 1", ("/root/.bundle/config",)),
        ("bundle config build.nokogiri --use-system-libraries", (f"{BUNDLE}/config",)),
        ("gem install sinatra -v 4.0.0 --no-document", (BUNDLE,)),
        ("gem install --install-dir /gems sinatra", ("/gems",)),
        ("bundle exec rake assets:precompile", ("/app",)),
        ("bin/rails assets:precompile", ("/app",)),
        ("RAILS_ENV=production bundle exec rails assets:precompile", ("/app",)),
        ("bundle exec bootsnap precompile --gemfile app/ lib/", ("/app",)),
        ("bundle exec jekyll build -d /srv/www", ("/srv/www",)),
        ("bundle binstubs puma", ("/app/bin",)),
    ],
)
def test_what_is_written(tmp_path: Path, command: str, writes: tuple[str, ...]) -> None:
    found = effect(tmp_path, command)
    assert found.role is Role.BUILD
    assert found.writes == writes
    assert not found.assumption


@pytest.mark.parametrize(
    "command", ["bundle exec rspec", "bundle exec rubocop", "rake test", "bin/rails test"]
)
def test_tests_are_gates(tmp_path: Path, command: str) -> None:
    assert effect(tmp_path, command).role is Role.GATE


@pytest.mark.parametrize(
    "command", ["bundle -v", "bundle check", "gem list", "ruby -v", "bundle exec ruby -v"]
)
def test_nothing_is_left(tmp_path: Path, command: str) -> None:
    assert effect(tmp_path, command).role is Role.NOTHING


def test_settings_of_an_earlier_run_count(tmp_path: Path) -> None:
    body = "RUN bundle config set --local path vendor/gems\nRUN bundle install"
    assert effects(tmp_path, body)[-1].writes == ("/app/vendor/gems",)
    body = "RUN bundle config set deployment true && bundle install"
    assert effects(tmp_path, body)[-1].writes == ("/app/vendor/bundle",)


def test_the_projects_settings_come_before_the_environments(tmp_path: Path) -> None:
    env = "ENV BUNDLE_PATH=/gems\n"
    assert effects(tmp_path, f"{env}RUN bundle install --path vendor")[-1].writes[0] == "/app/vendor"
    body = f"{env}RUN bundle config set --local deployment true && bundle install"
    assert effects(tmp_path, body)[-1].writes == ("/gems",)
    body = f"{env}RUN bundle config set --global path /other && bundle install"
    assert effects(tmp_path, body)[-1].writes == ("/gems",)
    assert effects(tmp_path, "RUN bundle config set path.system true")[-1].role is Role.OPAQUE


def test_a_lock_file_that_bundler_completes_is_an_output(tmp_path: Path) -> None:
    assert effects(tmp_path, "RUN bundle install", lock=None)[-1].writes == (BUNDLE, "/app/Gemfile.lock")
    darwin = LOCK.replace("  ruby\n", "  arm64-darwin-22\n")
    assert "/app/Gemfile.lock" in effects(tmp_path, "RUN bundle install", lock=darwin)[-1].writes


def test_a_task_that_is_not_known_is_an_assumption(tmp_path: Path) -> None:
    found = effect(tmp_path, "bundle exec rake docs:build")
    assert found.writes == ("/app",)
    assert found.assumption == "`rake docs:build` writes nothing outside /app"


def test_gems_of_the_distributions_ruby(tmp_path: Path) -> None:
    found = effect(tmp_path, "gem install sinatra", "debian:bookworm")
    assert found.writes == ("/var/lib/gems", "/usr/local")
    assert effect(tmp_path, "gem install sinatra", "fedora:40").role is Role.OPAQUE
