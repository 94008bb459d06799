"""What Mix and Rebar do, and which release they leave.

Sources: hexdocs.pm/mix "mix release", "mix do"; hexdocs.pm/distillery "Release Configuration"; rebar3.org
"Releases" and relx's README for `mode`.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from msrefactor.facts import Effect, Role, Scope
from msrefactor.model import Refused
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._elixir_installs import of_deps

_PREPARATIONS = re.compile(
    r"(local\.(hex|rebar)|hex\.\w+(\.\w+)?|archive\.install|deps\.(get|compile|unlock|clean|update)|compile|"
    r"loadpaths|loadconfig|phx\.digest(\.clean)?|assets\.(setup|build|deploy)|(tailwind|esbuild|sass|bun)(\.install)?|"
    r"gettext\.\w+|cmd|phx\.gen\.secret|event_store\.init|sentry\.package_source_code|sentry_recompile)$"
)
_GATES = re.compile(r"(test(\.\w+)?|format|credo|dialyzer|sobelow|coveralls(\.\w+)?|xref|doctor|lint)$")


@dataclass(frozen=True, slots=True)
class BeamBuild:
    """One command that assembles a release or an escript."""

    output: str
    """The release's folder, or the escript's file."""
    project: str
    """The folder of the image with mix.exs or rebar.config."""
    kind: str = "release"
    """`release` brings its own Erlang; `bare-release` and `escript` need an installed one."""


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a `mix` or `rebar3` command does."""
    if not argv or argv[0] is None:
        return None
    tool = posixpath.basename(argv[0])
    if tool == "mix":
        return _mix(list(argv[1:]), scope)
    if tool in ("rebar3", "rebar"):
        return _rebar(list(argv[1:]), scope)
    return None


def _mix(words: list[str | None], scope: Scope) -> Effect | None:
    if words[:1] == ["do"]:
        effects = [_task(task, scope) for task in _tasks(words[1:])]
        if not effects or any(effect is None for effect in effects):
            return None
        found = [effect for effect in effects if effect is not None]
        strongest = max(found, key=lambda effect: (bool(effect.detail), effect.role))
        known = strongest.dependencies if all(effect.dependencies for effect in found) else None
        if known is not None and len(found) > 1:
            known = next((e.dependencies for e in found if "deps.compile" in e.why), known)
        writes = tuple(path for effect in found for path in effect.writes)
        return replace(strongest, writes=writes, dependencies=known)
    return _task(words, scope)


def _tasks(words: Sequence[str | None]) -> Iterator[list[str | None]]:
    """Yield the tasks of `mix do`: `a, b` and, from Elixir 1.14 on, `a + b`."""
    task: list[str | None] = []
    for word in words:
        if word == "+":
            yield task
            task = []
        elif word is not None and word.endswith(","):
            yield [*task, word[:-1]]
            task = []
        else:
            task.append(word)
    if task:
        yield task


def _task(words: Sequence[str | None], scope: Scope) -> Effect | None:
    task = words[0] if words else None
    if task is None:
        return None
    if task in ("release", "distillery.release"):
        return _release(list(words[1:]), scope)
    if task == "escript.build":
        return _escript(scope)
    if _GATES.match(task):
        return Effect(Role.GATE, tool="mix", reads=(scope.cwd,), reads_only=True)
    if task == "clean":
        return Effect(Role.CLEAN, tool="mix")
    if task in ("help", "version", "--version", "hex.info", "phx.routes"):
        return Effect(Role.NOTHING, tool="mix")
    if _PREPARATIONS.match(task):
        reads = (scope.cwd,) if not task.startswith(("local.", "hex.", "archive.")) else ()
        known = of_deps(task, scope) if task in ("deps.get", "deps.compile") else None
        why = f"mix {task}"
        return Effect(Role.BUILD, tool="mix", reads=reads, reads_only=True, why=why, dependencies=known)
    return None


def _release(words: list[str | None], scope: Scope) -> Effect:
    settings = scope.read(posixpath.join(scope.cwd, "rel/config.exs"))
    if settings is not None and "Releases.Config" in settings:
        return _distilled(words, _without_comments(settings, "#"), scope)
    name: str | None = None
    path: str | None = None
    while words:
        word = words.pop(0)
        if word is None:
            return _unknown("which release is assembled isn't known before the build", scope)
        if word == "--path" or word.startswith("--path="):
            path = word.partition("=")[2] or (words.pop(0) if words else None)
        elif word in ("--version", "-v"):
            words[:1] = []
        elif not word.startswith("-"):
            name = word
    text = scope.read(posixpath.join(scope.cwd, "mix.exs"))
    if text is None:
        return _unknown(f"no mix.exs is found in {scope.cwd}", scope)
    releases = release_names(text)
    if name is None:
        is_listed = re.search(r"\breleases:", _block(text, "project")) is not None
        application = None if is_listed else application_name(text)
        name = releases[0] if len(releases) == 1 else (application if not releases else None)
    if name is None:
        return _unknown("mix.exs doesn't tell in a plain line which release is assembled", scope)
    if path is None:
        environment = scope.variables.get("MIX_ENV", "dev")
        if "MIX_ENV" in scope.arguments:
            return _unknown("MIX_ENV is a build argument, and the folder is named after it", scope)
        if "build_path" in text or "MIX_BUILD_PATH" in scope.variables or "MIX_BUILD_ROOT" in scope.variables:
            return _unknown("the build folder is moved in mix.exs", scope)
        if re.search(r"\bpath:\s*\"", _block(text, "releases")):
            return _unknown("mix.exs moves the release: name its folder with --path", scope)
        path = f"_build/{environment}/rel/{name}"
    output = scope.path(path)
    kind = "bare-release" if re.search(r"include_erts:\s*false", text) else "release"
    if re.search(r"include_erts:\s*(?!false|true)\S", text):
        return _unknown("mix.exs computes whether the release brings Erlang", scope)
    return _made(output, scope, kind, "the release")


def _distilled(words: Sequence[str | None], settings: str, scope: Scope) -> Effect:
    """Return what `mix release` does where the package Distillery brings it, before Elixir 1.9."""
    if None in words or "MIX_ENV" in scope.arguments:
        return _unknown("which release is assembled isn't known before the build", scope)
    given = {
        option: next((str(w).partition("=")[2] for w in words if str(w).startswith(f"--{option}=")), None)
        for option in ("env", "name", "profile")
    }
    names = re.findall(r"(?m)^\s*release\s+:(\w+)\s+do\b", settings)
    name = given["name"] or (names[0] if len(names) == 1 else None)
    environment = scope.variables.get("MIX_ENV", "dev")
    chosen = given["env"] or environment
    block = re.search(rf"(?ms)^\s*environment\s+:{re.escape(chosen)}\s+do\b(.*?)^\s*end\b", settings)
    text = block[1] if block else ""
    if name is None or given["profile"] or "output_dir" in settings or block is None:
        return _unknown("rel/config.exs doesn't tell in a plain line which release is assembled", scope)
    if re.search(r"\bdev_mode:\s*true", text):
        return _unknown(
            "the release is linked to the sources (dev_mode): assemble it with MIX_ENV=prod", scope
        )
    kind = "bare-release" if re.search(r"\binclude_erts:\s*false", text) else "release"
    return _made(scope.path(f"_build/{environment}/rel/{name}"), scope, kind, "the release")


def _escript(scope: Scope) -> Effect:
    text = scope.read(posixpath.join(scope.cwd, "mix.exs")) or ""
    name = application_name(text)
    if name is None or re.search(r"\b(path|name):", _block(text, "escript")):
        return _unknown("mix.exs doesn't tell in a plain line what the escript is called", scope)
    return _made(posixpath.join(scope.cwd, name), scope, "escript", "the escript")


def _rebar(words: list[str | None], scope: Scope) -> Effect | None:
    profile = "default"
    while words[:1] and words[0] in ("as", "do"):
        if words[0] == "as" and len(words) > 1 and words[1] is not None:
            profile = words[1]
            words = words[2:]
        else:
            words = words[1:]
    tasks = list(_tasks(words))
    names = [task[0] for task in tasks if task]
    if "release" in names or "tar" in names:
        if "tar" in names:
            return _unknown("the release is packed: unpack it in the build, or use `rebar3 release`", scope)
        text = _without_comments(scope.read(posixpath.join(scope.cwd, "rebar.config")) or "", "%")
        release = re.search(r"\{\s*release\s*,\s*\{\s*'?(\w+)'?\s*,", text)
        if release is None or len(re.findall(r"\{\s*release\s*,", text)) != 1:
            return _unknown("rebar.config doesn't tell which release is assembled", scope)
        is_prod = profile == "prod"
        # the profile `prod` means the mode of that name, where it doesn't say another
        mode = _setting(text, profile, "mode", is_own=is_prod) or ("prod" if is_prod else "")
        given = next(task for task in tasks if task[0] == "release")
        chosen = _option(given, "-d", "--dev-mode")
        if chosen != "false" and (
            chosen is not None or mode == "dev" or _setting(text, profile, "dev_mode") == "true"
        ):
            why = "the release holds only links to what was compiled (dev_mode)"
            return _unknown(why, scope, "assemble it with the profile prod (`rebar3 as prod release`)")
        erts = _option(given, "-i", "--include-erts") or _setting(text, profile, "include_erts")
        if erts not in (None, "true", "false"):
            return _unknown("rebar.config names an Erlang to put into the release", scope)
        kind = "bare-release" if erts == "false" or (erts is None and mode == "minimal") else "release"
        return _made(scope.path(f"_build/{profile}/rel/{release[1]}"), scope, kind, "the release")
    if names and all(
        name in ("get-deps", "compile", "deps", "update", "upgrade", "unlock") for name in names
    ):
        if posixpath.basename(scope.cwd) and profile == "default" and "compile" in names:
            writes = (posixpath.join(scope.cwd, "_build"),)
            return Effect(
                Role.BUILD,
                tool="rebar3",
                reads=(scope.cwd,),
                writes=writes,
                reads_only=True,
                why="compiled code",
            )
        return Effect(Role.BUILD, tool="rebar3", reads=(scope.cwd,), reads_only=True, why="rebar3")
    if names and all(name in ("eunit", "ct", "dialyzer", "xref", "proper", "lint", "fmt") for name in names):
        return Effect(Role.GATE, tool="rebar3", reads=(scope.cwd,), reads_only=True)
    return None


def _option(words: Sequence[str | None], *names: str) -> str | None:
    """Return the value that an option of rebar3 is given."""
    for before, word in itertools.pairwise([*words, None]):
        option, equals, value = (before or "").partition("=")
        if option in names:
            return value if equals else word
    return None


def _setting(text: str, profile: str, key: str, *, is_own: bool = False) -> str | None:
    """Return a setting of relx as it holds in a profile: that of the profile, or else the one of all.

    `is_own`: only that of the profile.
    """
    start = re.search(r"\{\s*profiles\s*,", text)
    profiles = _bracketed(text, start.start()) if start is not None else ""
    rest = text.replace(profiles, "") if profiles else text
    own = re.search(rf"\{{\s*{re.escape(profile)}\s*,\s*\[", profiles)
    inside = _bracketed(profiles, own.start()) if own is not None else ""
    for block in (inside,) if is_own else (inside, rest):
        found = re.findall(rf"\{{\s*{key}\s*,\s*(\"[^\"]*\"|\w+)\s*\}}", block)
        if found:
            return str(found[-1])
    return None


def _made(output: str, scope: Scope, kind: str, why: str) -> Effect:
    return Effect(
        Role.BUILD,
        tool="mix",
        reads=(scope.cwd,),
        reads_only=True,
        writes=(output,),
        why=why,
        detail=BeamBuild(output, scope.cwd, kind),
    )


def _unknown(why: str, scope: Scope, remedy: str = "") -> Effect:
    refusal = Refused("unknown-artifact", why, remedy=remedy)
    return Effect(Role.BUILD, tool="mix", reads=(scope.cwd,), why=why, refusal=refusal, detail=why)


def application_name(text: str) -> str | None:
    """Return the `app:` of a mix.exs, where it is written once."""
    found = re.findall(r"\bapp:\s*:(\w+)\s*[,\n]", _block(text, "project"))
    return found[0] if len(set(found)) == 1 else None


def release_names(text: str) -> tuple[str, ...]:
    """Return the names under `releases:` of a mix.exs: its own list, or that of a function it calls."""
    block = _block(text, "releases")
    project = _block(text, "project")
    inline = re.search(r"\breleases:\s*\[", project)
    if inline is not None:
        block = _bracketed(project, inline.end() - 1)[1:]
    elif block:
        opening = block.find("[")
        block = _bracketed(block, opening)[1:] if opening >= 0 else ""
    names: list[str] = []
    depth = 0
    for match in re.finditer(r"[\[{(]|[\]})]|\b(\w+):\s*[\[{]", block):
        if match[1] and depth == 0:
            names.append(match[1])
        if match[0][-1] in "[{(":
            depth += 1
        elif match[0] in "]})":
            depth -= 1
    return tuple(names)


def _bracketed(text: str, start: int) -> str:
    depth = 0
    for at in range(start, len(text)):
        if text[at] in "[{(":
            depth += 1
        elif text[at] in "]})":
            depth -= 1
            if depth == 0:
                return text[start : at + 1]
    return text[start:]


def _block(text: str, name: str) -> str:
    """Return the body of a function of mix.exs, up to the next function."""
    text = _without_comments(text, "#")
    match = re.search(rf"^\s*defp?\s+{name}\b", text, re.M)
    if match is None:
        return ""
    following = re.search(r"^\s*defp?\s+\w+", text[match.end() :], re.M)
    return text[match.start() : match.end() + following.start()] if following else text[match.start() :]


def _without_comments(text: str, mark: str) -> str:
    return re.sub(rf"(?m)^[ \t]*{mark}.*$|(?<=\s){mark}[^\"\n]*$", "", text)
