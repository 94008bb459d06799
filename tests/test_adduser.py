"""adduser as useradd: what each option becomes, and what isn't translated."""

from __future__ import annotations

import pytest

from msrefactor.shell import parse_script
from msrefactor_transforms.splitting.adduser import Account, equal_command


def _equal(text: str, *folders: str) -> Account | str:
    script = parse_script(text)
    assert script is not None
    command = script.items[0].commands[0]
    return equal_command(command, [word.literal for word in command.words], lambda path: path in folders)


@pytest.mark.parametrize(
    "text",
    [
        "adduser --conf /etc/x app",
        "adduser --firstuid 500 app",
        "adduser -D app",
        "adduser",
        "adduser a b c",
        "addgroup app readers",
        "adduser --system app readers",
    ],
)
def test_not_translated(text: str) -> None:
    assert isinstance(_equal(text), str)


@pytest.mark.parametrize(
    ("text", "equal", "is_numbered"),
    [
        ("addgroup app", "groupadd app", True),
        ("addgroup --system app", "groupadd --system app", False),
        ("addgroup --gid 5 --system app", "groupadd --system --gid 5 app", True),
        ("adduser --group app", "groupadd app", True),
        (
            'adduser --disabled-password --gecos "" app',
            "useradd --groups users --create-home --shell /bin/bash app",
            True,
        ),
        (
            "adduser --disabled-login --no-create-home --gecos 'The App' --uid=$UID app",
            (
                "useradd --uid $UID --groups users --no-create-home --shell /usr/sbin/nologin "
                "--comment 'The App' app"
            ),
            True,
        ),
        (
            "adduser --system app",
            "useradd --system --gid nogroup --home-dir /nonexistent --shell /usr/sbin/nologin app",
            False,
        ),
        (
            "adduser --system --group --no-create-home --home /srv --shell /bin/sh app",
            "useradd --system --user-group --home-dir /srv --no-create-home --shell /bin/sh app",
            False,
        ),
        (
            "adduser --system --uid 7 --ingroup x --home /srv app",
            (
                "useradd --system --uid 7 --gid x --home-dir /srv --create-home --skel /nonexistent "
                "--key HOME_MODE=0755 --shell /usr/sbin/nologin app"
            ),
            True,
        ),
        ("adduser app readers", "usermod --append --groups readers app", True),
    ],
)
def test_equal_commands(text: str, equal: str, is_numbered: bool) -> None:
    made = _equal(text)
    assert isinstance(made, Account)
    assert (made.text, made.is_numbered) == (equal, is_numbered)


def test_a_home_that_is_there_is_left_alone() -> None:
    made = _equal("adduser --system --uid 7 --home /app app", "/app")
    assert isinstance(made, Account)
    assert made.text.startswith("useradd --system --uid 7 --gid nogroup --home-dir /app --shell")
