"""The runtime contract: the image's effective configuration, and everything the container starts.

The configuration is evaluated as BuildKit does it, along FROM chains of stages down to the base image, whose
own values come from the table of base images. Two configurations are compared field by field.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from msrefactor import variables
from msrefactor.facts import StageFacts, base_image_text, global_arguments
from msrefactor.knowledge.images import BaseImage, describe
from msrefactor.model import Evidence, Replacement, View
from msrefactor.shell import parse_script
from msrefactor.tree import Dockerfile, Instruction

Launch = tuple[str, ...] | str | None
"""Exec form (a tuple), shell form (a string) or nothing."""


@dataclass(frozen=True, slots=True)
class Config:
    """What `docker image inspect` would show of a stage, as far as the Dockerfile and its base tell."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Only what the Dockerfile sets; what the base sets is `base.env`."""
    workdir: str = "/"
    user: str = "root"
    entrypoint: Launch = None
    cmd: Launch = None
    healthcheck: str | None = None
    stopsignal: str | None = None
    shell: tuple[str, ...] | None = None
    exposed: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    onbuild: tuple[str, ...] = ()
    base: BaseImage | None = None


def stage_index(dockerfile: Dockerfile, reference: str, before: int) -> int | None:
    """Return the index of the stage that a FROM or --from names, among those before `before`."""
    if reference.isdigit():
        return int(reference) if int(reference) < before else None
    wanted = reference.lower()
    for index in range(before - 1, -1, -1):
        if dockerfile.stages[index].name == wanted:
            return index
    return None


def lineage(dockerfile: Dockerfile, index: int) -> tuple[int, ...]:
    """Return a stage and those that it builds on, the first one first: its layers are theirs and its own."""
    found: list[int] = []
    at: int | None = index
    while at is not None:
        found.insert(0, at)
        at = stage_index(dockerfile, base_image_text(dockerfile, dockerfile.stages[at]), at)
    return tuple(found)


def effective_config(dockerfile: Dockerfile, index: int) -> Config:
    """Return the effective configuration of a stage."""
    stage = dockerfile.stages[index]
    parent = stage_index(dockerfile, base_image_text(dockerfile, stage), index)
    if parent is not None:
        config = effective_config(dockerfile, parent)
    else:
        base = describe(base_image_text(dockerfile, stage))
        config = Config(
            workdir=base.workdir or "/",
            user=base.user or "root",
            entrypoint=base.entrypoint,
            cmd=base.cmd,
            stopsignal=base.stopsignal,
            exposed=frozenset(_port(port) for port in base.exposed),
            volumes=frozenset(base.volumes),
            base=base,
        )
    known = dict(config.base.env if config.base else {})
    known.update(config.environment)
    arguments: dict[str, str] = {}
    defaults = global_arguments(dockerfile)
    has_command = False
    for instruction in stage.instructions[1:]:
        scope = {**arguments, **known}
        config = _configured(config, instruction, scope, dockerfile.escape)
        has_command = has_command or instruction.keyword == "CMD"
        if instruction.keyword == "ENTRYPOINT" and not has_command:
            # it resets a CMD of the base image or of the stage that this one builds on
            config = replace(config, cmd=None)
        known.update(config.environment)
        if instruction.keyword == "ARG":
            for name, raw in instruction.pairs:
                if raw is not None:
                    arguments[name] = variables.expand(raw, scope, dockerfile.escape)
                elif name in defaults:
                    arguments[name] = defaults[name]
    return config


def _configured(config: Config, instruction: Instruction, known: Mapping[str, str], escape: str) -> Config:
    def expanded(text: str) -> str:
        return _expanded(text, known, escape)

    match instruction.keyword:
        case "ENV":
            new = {key: expanded(value or "") for key, value in instruction.pairs}
            return replace(config, environment={**config.environment, **new})
        case "LABEL":
            new = {expanded(key): expanded(value or "") for key, value in instruction.pairs}
            return replace(config, labels={**config.labels, **new})
        case "MAINTAINER":
            return replace(config, labels={**config.labels, "maintainer": instruction.arguments})
        case "WORKDIR":
            return replace(
                config,
                workdir=posixpath.normpath(posixpath.join(config.workdir, expanded(instruction.arguments))),
            )
        case "USER":
            return replace(config, user=expanded(instruction.arguments))
        case "STOPSIGNAL":
            return replace(config, stopsignal=expanded(instruction.arguments))
        case "SHELL":
            return replace(config, shell=instruction.exec_form)
        case "ENTRYPOINT":
            return replace(config, entrypoint=_launch(instruction))
        case "CMD":
            return replace(config, cmd=_launch(instruction))
        case "EXPOSE":
            ports = frozenset(_port(expanded(word.text)) for word in instruction.words)
            return replace(config, exposed=config.exposed | ports)
        case "VOLUME":
            paths = instruction.exec_form or tuple(word.text for word in instruction.words)
            return replace(config, volumes=config.volumes | frozenset(expanded(path) for path in paths))
        case "HEALTHCHECK":
            return replace(config, healthcheck=" ".join(instruction.text.split()))
        case "ONBUILD":
            return replace(config, onbuild=(*config.onbuild, instruction.arguments))
        case _:
            return config


def _expanded(text: str, known: Mapping[str, str], escape: str) -> str:
    # a variable nobody gives a value here stays visible, so that two files are compared by their words
    kept = {name: "${" + name + "}" for name in variables.references(text, escape) if name not in known}
    return variables.expand(text, {**known, **kept}, escape)


def _launch(instruction: Instruction) -> Launch:
    return instruction.exec_form if instruction.exec_form is not None else instruction.arguments


def _port(text: str) -> str:
    return text.lower() if "/" in text else f"{text}/tcp"


BUILD_ENVIRONMENT = frozenset(
    "CGO_ENABLED GO111MODULE GOFLAGS GOOS GOARCH GOARM GOPROXY GOSUMDB GOPRIVATE GONOSUMDB GONOPROXY "
    "GOCACHE GOMODCACHE GOTOOLCHAIN GOEXPERIMENT GOINSECURE GOAMD64 GOARM64 GO386 GOBIN GOTMPDIR GOVCS "
    "RUSTFLAGS CARGO_HOME RUSTUP_HOME CARGO_TARGET_DIR CARGO_BUILD_TARGET CARGO_INCREMENTAL CARGO_TERM_COLOR "
    "CARGO_NET_GIT_FETCH_WITH_CLI CARGO_REGISTRIES_CRATES_IO_PROTOCOL CARGO_PROFILE_RELEASE_LTO "
    "CARGO_BUILD_JOBS CARGO_NET_RETRY CARGO_INSTALL_ROOT RUSTC_WRAPPER RUSTUP_TOOLCHAIN RUSTC_BOOTSTRAP "
    "CC CXX CPP FC LD AR RANLIB CFLAGS CXXFLAGS CPPFLAGS LDFLAGS FFLAGS MAKEFLAGS DEBIAN_FRONTEND "
    "MAVEN_OPTS MAVEN_ARGS MAVEN_CONFIG MAVEN_HOME MAVEN_CLI_OPTS GRADLE_OPTS GRADLE_HOME GRADLE_USER_HOME "
    "SBT_OPTS COURSIER_REPOSITORIES COURSIER_CACHE LEIN_ROOT LEIN_HOME LEIN_JVM_OPTS".split()
)
"""Variables that only compilers and package managers read: a final stage without them runs the same."""


def config_differences(before: Config, after: Config) -> tuple[str, ...]:
    """Return what differs between two configurations, in words; empty when they are equal.

    Variables that only the base image sets may come and go with it, `PATH` entries may be added.
    """
    found: list[str] = []
    for name in (
        "workdir",
        "user",
        "entrypoint",
        "cmd",
        "healthcheck",
        "stopsignal",
        "exposed",
        "volumes",
        "onbuild",
    ):
        old, new = getattr(before, name), getattr(after, name)
        if name == "user":
            old, new = old or "root", new or "root"
        elif name == "entrypoint":
            old, new = _starting(before), _starting(after)
        if name in ("entrypoint", "cmd") and _is_without_shell(before) and isinstance(new, tuple):
            old = _words_of(old)
        if old != new:
            found.append(f"{name}: {_shown(old)} became {_shown(new)}")
    uses_shell = isinstance(before.cmd, str) or isinstance(before.entrypoint, str)
    if uses_shell and before.shell != after.shell:
        found.append(f"shell: {_shown(before.shell)} became {_shown(after.shell)}")
    for key, value in before.labels.items():
        if after.labels.get(key) != value:
            found.append(f"label {key} is lost or changed")
    for key, value in before.environment.items():
        if key == "PATH" or (key in BUILD_ENVIRONMENT and key not in after.environment):
            continue
        if key not in after.environment:
            found.append(f"environment variable {key} is lost")
        elif after.environment[key] != value and not _is_path_list(key, value, after.environment[key]):
            found.append(f"environment variable {key} changed")
    inherited = dict(before.base.env) if before.base is not None else {}
    added = {
        key
        for key, value in after.environment.items()
        if key not in before.environment and key != "PATH" and inherited.get(key) != value
    }
    found.extend(f"environment variable {key} is new" for key in sorted(added))
    found.extend(_path_differences(before, after))
    return tuple(found)


def replaced_config(before: Config, after: Config, replacement: Replacement) -> Config:
    """Return what the configuration has to be where a declared server takes the place of the old program.

    The new server brings its image's entrypoint, stop signal and exposed port. Variables may go with the
    program that read them; none may change, and none may come but those that are declared.
    """
    base = after.base
    environment = {key: value for key, value in before.environment.items() if key in after.environment}
    return replace(
        before,
        entrypoint=base.entrypoint if base is not None else None,
        cmd=replacement.command,
        stopsignal=after.stopsignal if before.stopsignal is None else before.stopsignal,
        exposed=before.exposed
        | (frozenset(_port(p) for p in base.exposed) if base is not None else frozenset()),
        environment={**environment, **dict(replacement.environment)},
        user=replacement.user if replacement.user is not None else before.user,
        shell=after.shell if not isinstance(before.healthcheck, str) else before.shell,
    )


def moved_config(before: Config, moved: Sequence[tuple[str, str]]) -> Config:
    """Return what the configuration has to be where declared folders lie at another place."""
    environment = dict(before.environment)
    for old, new in moved:
        for key, value in environment.items():
            entries = value.split(":")
            environment[key] = ":".join(
                new + entry[len(old) :] if entry == old or entry.startswith(f"{old}/") else entry
                for entry in entries
            )
    return replace(before, environment=environment)


def _starting(config: Config) -> Launch:
    """Return the entrypoint; None where it is the base's and only starts the command that it is given."""
    base = config.base
    is_passing = base is not None and base.passes_on and base.entrypoint == config.entrypoint
    return None if is_passing else config.entrypoint


def _is_without_shell(config: Config) -> bool:
    """Whether the image is one without a shell, so that a shell form in it can't start anything."""
    return config.base is not None and config.base.system in ("scratch", "distroless")


def _words_of(launch: Launch) -> Launch:
    """Return the words of a shell form of one plain command; else what it is."""
    script = parse_script(launch) if isinstance(launch, str) else None
    commands = script.commands if script is not None and len(script.items) == 1 else ()
    if len(commands) != 1 or commands[0].assignments or commands[0].redirects:
        return launch
    words = tuple(word.literal for word in commands[0].words if word.literal is not None)
    is_whole = len(words) == len(commands[0].words)
    return (words[1:] if words[:1] == ("exec",) else words) if is_whole else launch


def _shown(value: object) -> str:
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(str(v) for v in value)) + "}"
    return repr(value)


def _is_path_list(key: str, before: str, after: str) -> bool:
    return key.endswith("PATH") and set(before.split(":")) <= set(after.split(":"))


def _path_differences(before: Config, after: Config) -> list[str]:
    if "PATH" not in before.environment:
        return []
    own = [entry for entry in before.environment["PATH"].split(":") if entry and not entry.startswith("${")]
    inherited = set((before.base.env if before.base else {}).get("PATH", "").split(":"))
    now = after.environment.get("PATH", "").split(":")
    lost = [entry for entry in own if entry not in now and entry not in inherited]
    return [f"PATH entry {entry} is lost" for entry in lost]


# ------------------------------------------------------------------------------------------ what is started


@dataclass(frozen=True, slots=True)
class Start:
    """One way a process of the container is started."""

    kind: str
    """`command`, `healthcheck` or `exec`."""
    argv: tuple[str, ...] | None
    """Exec form; None for shell form."""
    shell: str | None
    """Shell form; None for exec form."""
    evidence: Evidence


def starts(view: View, facts: StageFacts) -> tuple[Start, ...]:
    """Return every way the container is started or probed: the Dockerfile's and the project's own."""
    found: list[Start] = []
    last: dict[str, Instruction] = {}
    for instruction in facts.stage.instructions:
        last[instruction.keyword] = instruction
    entry, cmd, health = last.get("ENTRYPOINT"), last.get("CMD"), last.get("HEALTHCHECK")
    base = facts.base
    if entry is not None:
        found.append(_start("command", entry, view.name, _argv_after(entry, cmd)))
        if cmd is not None and entry.exec_form and cmd.exec_form and _is_script(entry.exec_form[-1], facts):
            # a script that ends in exec "$@": the command is a program of its own
            found.append(_start("command", cmd, view.name, cmd.exec_form))
    elif cmd is not None:
        found.append(_start("command", cmd, view.name, _behind(base, cmd.exec_form)))
        if base.entrypoint and not base.passes_on:
            evidence = Evidence(view.name, cmd.line, f"ENTRYPOINT of {base.reference.text}")
            found.append(Start("command", base.entrypoint, None, evidence))
    elif base.cmd:
        evidence = Evidence(view.name, facts.stage.instructions[0].line, f"CMD of {base.reference.text}")
        found.append(Start("command", (*(base.entrypoint or ()), *base.cmd), None, evidence))
    if health is not None:
        command = health.nested
        if command is not None and command.keyword == "CMD":
            launch = command.exec_form
            text = None if launch is not None else command.arguments
            found.append(Start("healthcheck", launch, text, evidence_of(health, view.name)))
        elif health.exec_form is not None:
            found.append(Start("healthcheck", health.exec_form, None, evidence_of(health, view.name)))
        elif health.arguments.upper().startswith("CMD"):
            found.append(
                Start("healthcheck", None, health.arguments[3:].strip(), evidence_of(health, view.name))
            )
    has_entry = entry is not None and not (entry.exec_form and _is_script(entry.exec_form[-1], facts))
    for use in view.uses:
        if not use.argv and not use.shell:
            continue
        if use.kind == "command" and has_entry and use.argv:
            # it only replaces the arguments of ENTRYPOINT
            launch = (*((entry.exec_form if entry is not None else None) or ()), *use.argv)
            found.append(Start("command", launch, None, use.evidence))
        elif use.kind == "command" and entry is None:
            launch = _behind(base, use.argv)
            found.append(Start("command", launch, use.shell if not launch else None, use.evidence))
        elif use.kind in ("command", "entrypoint", "healthcheck", "exec"):
            kind = "healthcheck" if use.kind in ("healthcheck", "exec") else "command"
            found.append(Start(kind, use.argv, use.shell if not use.argv else None, use.evidence))
    return tuple(found)


_SOURCES = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")


def _behind(base: BaseImage, argv: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return a command as the base's entrypoint starts it: `["run", "main.ts"]` is `deno run main.ts`."""
    if not argv or not base.prefix or not base.entrypoint:
        return argv
    word = argv[0]
    is_command = not word.startswith("-") and not word.endswith(_SOURCES) and word not in base.prefixed
    return argv if is_command else (base.prefix, *argv)


def _argv_after(entry: Instruction, cmd: Instruction | None) -> tuple[str, ...] | None:
    if entry.exec_form is None:
        return None
    return (*entry.exec_form, *((cmd.exec_form or ()) if cmd is not None else ()))


def _is_script(word: str, facts: StageFacts) -> bool:
    return word.endswith((".sh", "entrypoint")) or facts.end.is_file(facts.end.path(word))


def _start(kind: str, instruction: Instruction, name: str, argv: tuple[str, ...] | None) -> Start:
    text = instruction.arguments if instruction.exec_form is None else None
    return Start(kind, argv if text is None else None, text, evidence_of(instruction, name))


def evidence_of(instruction: Instruction, name: str) -> Evidence:
    """Return an instruction as evidence: its words in one line, without continuation marks, cut if long."""
    text = " ".join(f"{instruction.keyword_text} {instruction.text}".split())
    return Evidence(name, instruction.line, text if len(text) <= 120 else text[:117] + "...")
