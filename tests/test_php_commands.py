"""What the commands of PHP's images, Composer and consoles leave behind; what isn't known stays opaque."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Role, stage_facts
from msrefactor.parse import parse
from msrefactor_transforms.ecosystems._php_commands import EXTENSIONS, PhpExtension, interpret
from msrefactor_transforms.knowledge.extensions import headers_by_options, headers_of

CONF = "/usr/local/etc/php/conf.d"
PLAIN = '{"require": {"php": "^8.2"}}'


def effect(folder: Path, command: str, manifest: str = PLAIN, lock: str | None = "{}") -> Effect:
    (folder / "composer.json").write_text(manifest)
    if lock is not None:
        (folder / "composer.lock").write_text(lock)
    tree = parse(f"FROM php:8.3-cli\nWORKDIR /app\nCOPY . .\nRUN {command}\n")
    facts = stage_facts(tree, tree.final_stage, BuildContext.open(folder), (interpret,))
    return next(found for _, found in reversed(facts.effects()) if found.tool != "nproc")


@pytest.mark.parametrize(
    "command",
    ["php script.php", "php -r 'mkdir(\"x\");'", "composer", "composer global require x/y",
     "composer unknown",
     "curl -sS https://getcomposer.org/installer | php", "php artisan serve",
     "composer install -d $X", "docker-php-unknown", "pear install x", "php",
     "composer create-project x/y"],
)  # fmt: skip
def test_what_is_not_known_stays_opaque(tmp_path: Path, command: str) -> None:
    assert effect(tmp_path, command).role is Role.OPAQUE


@pytest.mark.parametrize(
    ("command", "writes"),
    [
        ("docker-php-ext-install -j$(nproc) gd intl", (EXTENSIONS, CONF)),
        ("docker-php-ext-enable redis", (CONF,)),
        ("docker-php-ext-configure gd --with-jpeg", ()),
        ("pecl install redis-6.0.2", (EXTENSIONS,)),
        ("composer install", ("/app/vendor",)),
        ("php composer.phar install --no-dev", ("/app/vendor",)),
        ("composer update", ("/app/vendor", "/app/composer.lock")),
        ("composer dump-autoload -o", ("/app/vendor",)),
        ("composer require x/y", ("/app",)),
        ("php artisan config:cache", ("/app",)),
        ("php bin/console cache:clear --env=prod", ("/app",)),
        ("bin/console assets:install", ("/app",)),
        ("composer create-project laravel/laravel /srv/shop", ("/srv/shop",)),
    ],
)
def test_what_is_written(tmp_path: Path, command: str, writes: tuple[str, ...]) -> None:
    found = effect(tmp_path, command)
    assert found.role in (Role.BUILD, Role.FETCH)
    assert found.writes == writes
    assert not found.assumption


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("curl -sS https://getcomposer.org/installer | php -- --install-dir=/usr/bin --filename=composer",
         "/usr/bin/composer"),
        ("curl -sS https://getcomposer.org/installer | php -- --install-dir=/srv",
         "/srv/composer.phar"),
        ("php composer-setup.php --install-dir=/usr/bin --filename=composer", "/usr/bin/composer"),
        ("php -r \"copy('https://getcomposer.org/installer', 'setup.php');\"", "/app/setup.php"),
    ],
)  # fmt: skip
def test_composer_itself(tmp_path: Path, command: str, path: str) -> None:
    found = effect(tmp_path, command)
    assert found.role is Role.FETCH
    assert found.writes == (path,)


def test_scripts_and_plugins_may_write_anywhere_in_the_project(tmp_path: Path) -> None:
    scripts = '{"scripts": {"post-install-cmd": "@php artisan x"}}'
    assert effect(tmp_path, "composer install", scripts).writes == ("/app",)
    assert effect(tmp_path, "composer install --no-scripts", scripts).writes == ("/app/vendor",)
    plugins = '{"config": {"allow-plugins": {"symfony/flex": true}}}'
    assert effect(tmp_path, "composer install", plugins).writes == ("/app",)
    assert effect(tmp_path, "composer install --no-plugins", plugins).writes == ("/app/vendor",)
    assert effect(tmp_path, "composer install", "{").writes == ("/app",)


def test_a_console_command_that_is_not_known_is_an_assumption(tmp_path: Path) -> None:
    found = effect(tmp_path, "php artisan shop:import")
    assert found.writes == ("/app",)
    assert found.assumption == "`shop:import` writes nothing outside /app"


def test_names_of_extensions(tmp_path: Path) -> None:
    found = effect(tmp_path, "docker-php-ext-install -j 4 gd $MORE pdo_mysql").detail
    assert isinstance(found, PhpExtension)
    assert found.names == ("gd", None, "pdo_mysql")
    assert effect(tmp_path, "pecl install -f xdebug-3.3.2 apcu").detail.names == ("xdebug", "apcu")


def test_tests_are_gates_and_verification_too(tmp_path: Path) -> None:
    for command in ("vendor/bin/phpunit", "php artisan test", "composer test", "composer validate"):
        assert effect(tmp_path, command).role is Role.GATE
    check = "php -r \"if (hash_file('sha384', 'x') === 'y') { echo 'ok'; } else { unlink('x'); exit(1); }\""
    assert effect(tmp_path, check).role is Role.GATE


def test_headers_of_extensions() -> None:
    assert headers_of("zip", "debian") == ("libzip-dev",)
    assert headers_of("pdo_pgsql", "alpine") == ("postgresql-dev",)
    assert headers_of("bcmath", "debian") == ()
    assert headers_of("acme", "debian") is None
    assert headers_by_options(("--with-freetype", "--with-jpeg=/usr", "--enable-gd")) == (
        "libfreetype6-dev", "libjpeg-dev",
    )  # fmt: skip
