"""PHP source, composer.json and composer.lock: what is written there counts, nothing is guessed."""

import pytest

from msrefactor.code.composer import read_composer, read_composer_lock
from msrefactor.code.php import php_needs


@pytest.mark.parametrize(
    "text",
    [
        "exec('git log');",
        "<?php // exec('git log')\n",
        "<?php # exec('git')\n/* `git` */",
        "<?php $pdo->exec('select 1');",
        "<?php curl_exec($handle);",
        "<?php function exec($x) {}",
        "<?php class A { public function system() {} }",
        "<?php echo 'exec(\"git\")';",
        "<?php $x = <<<SQL\nexec('git')\nSQL;\n",
        "<?php $x = <<<'SQL'\nselect `id`\nSQL;\n",
        "<?php DB::exec('x');",
        "<?php ?> exec('git') <?php echo 1;",
        "<?php $process->run();",
        "<?php #[Attribute]\nclass A {}",
    ],
)
def test_nothing_is_started(text: str) -> None:
    needs = php_needs("a.php", text)
    assert needs.commands == ()
    assert needs.unknown_commands == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<?php exec('git rev-parse HEAD');", "git"),
        ("<?php \\exec('git log', $out);", "git"),
        ('<?php shell_exec("pdftotext $file -");', "pdftotext"),
        ("<?php system('convert ' . $a);", "convert"),
        ("<?php $x = `ffmpeg -version`;", "ffmpeg"),
        ("<?php new Process(['git', 'log']);", "git"),
        ("<?php Process::run('npm run build');", "npm"),
        ("<?php Process::fromShellCommandline('mysqldump x > y');", "mysqldump"),
        ("<?php proc_open(['node', 'x.js'], $d, $p);", "node"),
        ("<p><?= shell_exec('uptime') ?></p>", "uptime"),
    ],
)
def test_programs_by_name(text: str, name: str) -> None:
    needs = php_needs("a.php", text)
    assert [found for found, _ in needs.commands] == [name]
    assert needs.unknown_commands == ()


@pytest.mark.parametrize(
    "text",
    ["<?php\nexec($cmd);", "<?php\n`$tool -v`;", "<?php\nnew Process($words);", '<?php\nsystem("$tool -v");',
     "<?php\nexec('git' . $x);"],
)  # fmt: skip
def test_programs_whose_name_is_not_written_there(text: str) -> None:
    needs = php_needs("a.php", text)
    assert needs.commands == ()
    assert [place.line for place in needs.unknown_commands] == [2]


def test_a_project() -> None:
    project = read_composer(
        '{"require": {"php": "^8.2"}, "repositories": {"a": {"type": "path", "url": "x"}},'
        ' "config": {"vendor-dir": "lib/vendor/", "allow-plugins": {"symfony/flex": true}},'
        ' "scripts": {"post-autoload-dump": "@php artisan", "lint": "phpcs"}}'
    )
    assert project is not None
    assert project.vendor == "lib/vendor"
    assert project.has_path_repositories
    assert project.has_plugins
    assert project.events == {"post-autoload-dump"}
    assert project.scripts == {"post-autoload-dump", "lint"}


def test_what_can_not_be_read() -> None:
    assert read_composer("{") is None
    assert read_composer("[]") is None
    assert read_composer_lock("x") is None
    assert read_composer_lock('{"packages": [{"name": "a/b"}, 3], "packages-dev": null}') == ("a/b",)
