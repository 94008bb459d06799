"""Write the man page and the shell completions from the command line's own options.

`python integrations/generate.py` writes them; a test says when they aren't current.
"""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from msrefactor.cli import command

HERE = Path(__file__).parent


def generated() -> dict[str, str]:
    """Return the text of each file by its path from this folder."""
    return {
        "completion/msrefactor.bash": ShellComplete.source(BashComplete(command, {}, *_NAMES)),
        "completion/_msrefactor": ShellComplete.source(ZshComplete(command, {}, *_NAMES)),
        "completion/msrefactor.fish": ShellComplete.source(FishComplete(command, {}, *_NAMES)),
        "man/msrefactor.1": man_page(),
    }


_NAMES = ("msrefactor", "_MSREFACTOR_COMPLETE")


def man_page() -> str:
    """Return the manual page in roff."""
    about = [" ".join(paragraph.split()) for paragraph in (command.help or "").split("\n\n")]
    lines = [
        '.TH MSREFACTOR 1 "" "" "User Commands"',
        ".SH NAME",
        "msrefactor \\- rewrite Dockerfiles into proved multi\\-stage ones",
        ".SH SYNOPSIS",
        ".B msrefactor\n[OPTIONS] [PATHS]...",
        ".SH DESCRIPTION",
    ]
    for paragraph in about:
        lines += [_roff(paragraph), ".PP"]
    lines[-1] = ".SH OPTIONS"
    for parameter in command.get_params(click.Context(command)):
        if isinstance(parameter, click.Option):
            lines += [".TP", f"\\fB{_roff(_option(parameter))}\\fR", _roff(parameter.help or "")]
    for block in (command.epilog or "").replace("\b\n", "").strip().split("\n\n"):
        title, _, rest = block.strip().partition("\n")
        if title.endswith(":"):
            lines += [f".SH {title.rstrip(':').upper()}", ".nf", _roff(rest), ".fi"]
        else:
            lines += [".SH ENVIRONMENT", ".nf", _roff(block.strip()), ".fi"]
    lines += [
        ".SH FILES",
        ".nf",
        "msrefactor.toml, .msrefactor.toml, pyproject.toml [tool.msrefactor]",
        ".fi",
    ]
    return "\n".join(lines) + "\n"


def _option(option: click.Option) -> str:
    """Return how an option is written: `--runtime [smallest|slim]`."""
    names = ", ".join([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return names
    if isinstance(option.type, click.Choice):
        return f"{names} [{'|'.join(map(str, option.type.choices))}]"
    return f"{names} {option.metavar or option.type.name.upper()}"


def _roff(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in text.split("\n"))


if __name__ == "__main__":
    for name, text in generated().items():
        (HERE / name).write_text(text, encoding="utf-8")
