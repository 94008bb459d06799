"""Debian's `adduser` and `addgroup` as `useradd` and `groupadd`, for bases that have only these.

Debian since 13 and Ubuntu since 23.10 have no adduser in their smallest images; `passwd`, with useradd, is in
every one. What adduser does beside is written out: measured with adduser 3.152 and passwd 4.17 on Debian 13,
where both give a home folder of the same mode and the same first number from 1000 on. Numbers of system
accounts differ: adduser takes the lowest free one from 100 on, useradd the highest up to 999.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msrefactor.shell import Command, Word

NAMES = frozenset({"adduser", "addgroup"})

_VALUED = frozenset(
    "--uid --gid --ingroup --home --shell --gecos --comment --firstuid --lastuid --firstgid --lastgid "
    "--conf -c".split()
)
_PLAIN = frozenset(
    "--system --group --disabled-password --disabled-login --no-create-home --quiet -q --force-badname "
    "--allow-badname --allow-bad-names --allow-all-names --debug --verbose".split()
)
_BADNAMES = frozenset("--force-badname --allow-badname --allow-bad-names --allow-all-names".split())


@dataclass(frozen=True, slots=True)
class Account:
    """A command that takes the place of adduser or addgroup."""

    text: str
    name: str = ""
    """The user or group that it makes; empty: none."""
    is_numbered: bool = True
    """Whether the number is the same as adduser would have given it."""


def equal_command(
    command: Command, values: Sequence[str | None], is_there: Callable[[str], bool]
) -> Account | str:
    """Return the equal useradd or groupadd; where there is none, why, as a clause.

    `is_there`: whether a path is a folder already. adduser leaves a home folder that is there as it is.
    """
    tool = posixpath.basename(values[0] or "")
    options: dict[str, Word] = {}
    flags: set[str] = set()
    names: list[Word] = []
    words = list(zip(command.words, values, strict=True))[1:]
    while words:
        word, value = words.pop(0)
        option, equals, _ = (value or word.text).partition("=")
        if option in _VALUED:
            if equals and word.text.startswith(f"{option}="):
                text = word.text[len(option) + 1 :]
                options[option] = Word(
                    text, word.start, word.end, text if word.literal == word.text else None
                )
            elif words and not equals:
                options[option] = words.pop(0)[0]
            else:
                return f"`{word.text}` isn't understood"
        elif option in _PLAIN and not equals:
            flags.add(option)
        elif word.text.startswith("-"):
            return f"what `{word.text}` means for useradd isn't known"
        else:
            names.append(word)
    given = {name: word.text for name, word in options.items()}
    unknown = [name for name in given if name.startswith(("--first", "--last", "--conf", "-c"))]
    if unknown:
        return f"what `{unknown[0]}` means for useradd isn't known"
    if len(names) == 2 and tool == "adduser" and not given and flags <= {"--quiet", "-q"}:
        return Account(f"usermod --append --groups {names[1].text} {names[0].text}")
    if len(names) != 1:
        return "which account it makes isn't understood"
    is_group = tool == "addgroup" or ("--group" in flags and "--system" not in flags)
    is_numbered = "--system" not in flags or bool({"--gid"} & set(given) if is_group else "--uid" in given)
    home = options.get("--home")
    has_home = home is not None and home.literal is not None and is_there(home.literal)
    made = _group(given, flags) if is_group else _user(given, flags, has_home=has_home)
    if flags & _BADNAMES and not is_group:
        made.append("--badname")
    made.append(names[0].text)
    return Account(" ".join(made), names[0].literal or "", is_numbered)


def _group(given: Mapping[str, str], flags: set[str]) -> list[str]:
    words = ["groupadd"]
    if "--system" in flags:
        words.append("--system")
    if "--gid" in given:
        words += ["--gid", given["--gid"]]
    return words


def _user(given: Mapping[str, str], flags: set[str], *, has_home: bool) -> list[str]:
    is_system = "--system" in flags
    words = ["useradd"]
    if is_system:
        words.append("--system")
    if "--uid" in given:
        words += ["--uid", given["--uid"]]
    group = given.get("--ingroup") or given.get("--gid")
    if group:
        words += ["--gid", group]
    elif is_system and "--group" in flags:
        words.append("--user-group")
    elif is_system:
        words += ["--gid", "nogroup"]
    if not is_system:
        words += ["--groups", "users"]
    words += _home(given, flags, is_system=is_system, has_home=has_home)
    has_login = not is_system and "--disabled-login" not in flags
    words += ["--shell", given.get("--shell") or ("/bin/bash" if has_login else "/usr/sbin/nologin")]
    comment = given.get("--gecos") or given.get("--comment") or ""
    if comment.strip("\"'"):
        words += ["--comment", comment]
    return words


def _home(given: Mapping[str, str], flags: set[str], *, is_system: bool, has_home: bool) -> list[str]:
    home = given.get("--home")
    words = ["--home-dir", home] if home else []
    if has_home:
        return words if is_system else [*words, "--no-create-home"]
    if is_system and home is None:
        return ["--home-dir", "/nonexistent"]
    if "--no-create-home" in flags:
        return [*words, "--no-create-home"]
    if is_system:
        # adduser makes the home of a system account empty, and open for reading
        return [*words, "--create-home", "--skel", "/nonexistent", "--key", "HOME_MODE=0755"]
    return [*words, "--create-home"]
