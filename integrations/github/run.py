"""What the GitHub Action does: install msrefactor, run it, and tell the job what was found.

Inputs come by environment variables and are passed on as arguments; no shell sees them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MAX_ANNOTATIONS = 10
"""GitHub shows ten of each kind a step and drops the rest silently."""
MAX_SUMMARY = 1_000_000
"""Bytes; a longer summary is refused as a whole."""
PLACE = re.compile(r"^(?P<file>.+?):(?P<line>\d+):(?:(?P<column>\d+):)? (?P<message>.+)$")


def main() -> int:
    """Run the action and return the step's exit code."""
    given = {
        name: os.environ.get(f"MSREFACTOR_ACTION_{name}", "") for name in ("PATHS", "OPTIONS", "VERSION")
    }
    is_written, fails, sums_up = (is_set(name) for name in ("WRITE", "FAIL", "SUMMARY"))
    python = installed(given["VERSION"], os.environ.get("MSREFACTOR_ACTION_PYTHON") or "python3")
    if python is None:
        return 1
    # Behind `--` a path can't be taken for an option.
    arguments = [*lines(given["OPTIONS"]), "--", *(lines(given["PATHS"]) or ["."])]
    asked = run(python, "--diff", *arguments)
    listed = run(python, "--check", "-q", *arguments)
    tell(asked.stderr)
    patch = Path(os.environ.get("RUNNER_TEMP") or tempfile.gettempdir()) / "msrefactor.patch"
    patch.write_text(asked.stdout, encoding="utf-8", errors="surrogateescape")
    is_changed = bool(asked.stdout)
    append("GITHUB_OUTPUT", f"changed={str(is_changed).lower()}\npatch={patch}\n")
    for text in annotations(listed.stdout, "notice" if is_written else "warning"):
        print(text)
    if sums_up:
        append("GITHUB_STEP_SUMMARY", summary(asked.stdout, asked.stderr))
    if asked.returncode not in (0, 1):
        return asked.returncode
    if is_written:
        written = run(python, "--write", *arguments)
        tell(written.stderr)
        return written.returncode
    return 1 if is_changed and fails else 0


def tell(text: str) -> None:
    """Show what msrefactor said; behind a bar, a file's name can't be a command for the runner."""
    for line in text.splitlines():
        print(f"| {line}", file=sys.stderr)


def is_set(name: str) -> bool:
    """Tell whether an input says true."""
    return os.environ.get(f"MSREFACTOR_ACTION_{name}", "").strip().lower() == "true"


def lines(text: str) -> list[str]:
    """Return the lines that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def installed(version: str, python: str) -> str | None:
    """Install into an environment of its own and return its Python; None if that fails."""
    if version and not re.fullmatch(r"\d+(\.\d+)*((a|b|rc)\d+)?", version):
        print(f"::error title=msrefactor::{escaped(version)} is no version")
        return None
    folder = Path(tempfile.mkdtemp(prefix="msrefactor-"))
    what = f"msrefactor=={version}" if version else str(Path(__file__).parents[2])
    own = folder / "bin/python"
    for command in (
        [python, "-m", "venv", str(folder)],
        [str(own), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", what],
    ):
        if subprocess.run(command, check=False).returncode:
            print("::error title=msrefactor::it can't be installed")
            return None
    return str(own)


def run(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run msrefactor; bytes that are no UTF-8 come through."""
    command = [python, "-I", "-m", "msrefactor", "--no-color", *arguments]
    return subprocess.run(
        command, capture_output=True, check=False, encoding="utf-8", errors="surrogateescape"
    )


def annotations(listed: str, level: str) -> list[str]:
    """Return one command of the runner for each file: what would change, all reasons of a file together."""
    found: dict[str, tuple[str, list[str]]] = {}
    for line in listed.splitlines():
        match = PLACE.match(line)
        if match is not None:
            found.setdefault(match["file"], (match["line"], []))[1].append(match["message"])
    commands = [
        f"::{level} file={escaped(file, is_property=True)},line={line},title=msrefactor::{escaped(text)}"
        for file, (line, messages) in found.items()
        for text in ["\n".join(messages)]
    ]
    if len(commands) > MAX_ANNOTATIONS:
        more = len(commands) - MAX_ANNOTATIONS + 1
        commands[MAX_ANNOTATIONS - 1 :] = [f"::{level} title=msrefactor::{more} more files; see the summary"]
    return commands


def escaped(text: str, *, is_property: bool = False) -> str:
    """Return the text as the runner's commands want it."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if is_property else text


def summary(patch: str, told: str) -> str:
    """Return the Markdown of the job's summary, cut where GitHub would refuse it."""
    text = patch or "Nothing would change.\n"
    last = told.strip().splitlines()[-1] if told.strip() else ""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=2) + 1)
    fence = max(fence, "```", key=len)
    budget = MAX_SUMMARY - len(last.encode("utf-8", "replace")) - 200
    data = text.encode("utf-8", "replace")
    if len(data) > budget:
        text = data[:budget].decode("utf-8", "ignore") + "\n… cut: the whole patch is the output `patch`\n"
    return f"### msrefactor\n\n{html_free(last)}\n\n{fence}diff\n{text}{fence}\n"


def html_free(text: str) -> str:
    """Return a line that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|!&])", r"\\\1", text)


def append(name: str, text: str) -> None:
    """Add to the file that the runner names."""
    file = os.environ.get(name)
    if file:
        with Path(file).open("a", encoding="utf-8", errors="replace") as stream:
            stream.write(text)


if __name__ == "__main__":
    sys.exit(main())
