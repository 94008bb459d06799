"""The command line's options for a proof by a real build, in a section of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from pathlib import Path

    from msrefactor.verification.plan import Plan

T = TypeVar("T")
_SECTION = "Proof by a real build"
_STORE = "msrefactor.verify"


class _Option(click.Option):
    """An option that is kept beside the command's own parameters."""


class SectionedCommand(click.Command):
    """A command whose help tells the options for a proof after all others."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both sections."""
        sections: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx)
            if record is not None:
                sections[isinstance(one, _Option)].append(record)
        with formatter.section("Options"):
            formatter.write_dl(sections[0])
        with formatter.section(_SECTION):
            formatter.write_dl(sections[1])


def _keep(ctx: click.Context, option: click.Parameter, value: Any) -> Any:
    ctx.meta.setdefault(_STORE, {})[option.name] = value
    return value


def _option(*names: str, **attributes: Any) -> Callable[[T], T]:
    def add(function: T) -> T:
        decorate: Any = click.option(*names, cls=_Option, expose_value=False, callback=_keep, **attributes)
        decorated: T = decorate(function)
        return decorated

    return add


_FILE = click.Path(dir_okay=False)
_OPTIONS = (
    _option(
        "--verify",
        is_flag=True,
        help=(
            "Build the original and the result, and compare them; with --write nothing is "
            "written unless proved."
        ),
    ),
    _option(
        "--images",
        nargs=2,
        metavar="BEFORE.tar AFTER.tar",
        type=click.Path(exists=True, dir_okay=False),
        default=None,
        help="Compare two saved images instead of files; needs no engine.",
    ),
    _option("--engine", type=click.Choice(["docker", "podman"]), help="By default the first that answers."),
    _option("--builder", metavar="NAME", help="Build with this buildx builder (remote, kubernetes, …)."),
    _option(
        "--build-arg",
        "arguments",
        multiple=True,
        metavar="NAME=VALUE",
        help="Passed to both builds, as all down to --network.",
    ),
    _option("--secret", "secrets", multiple=True, metavar="id=…,src=…", help="A build secret."),
    _option("--ssh", "ssh", multiple=True, metavar="ID", help="An SSH agent or key for the builds."),
    _option("--target", metavar="STAGE", help="The stage to build."),
    _option("--platform", metavar="OS/ARCH", help="The platform to build for."),
    _option(
        "--network", metavar="MODE", help="The network of the builds; containers that are run never have one."
    ),
    _option(
        "--build-context",
        "contexts",
        multiple=True,
        metavar="IMAGE=IMAGE",
        help="Another base image in the place of one.",
    ),
    _option("--no-cache", is_flag=True, help="Build from nothing, so that cold build times are told."),
    _option(
        "--touch",
        metavar="FILE",
        help=("Also rebuild after a change of this file of the context, and tell the time."),
    ),
    _option(
        "--run",
        "is_run",
        is_flag=True,
        help=("Also start both images, and compare output, exit code, ports, health, and how they stop."),
    ),
    _option(
        "--http",
        "requests",
        multiple=True,
        metavar="[PORT]/PATH",
        help=("Also ask this, and compare status, type and body; repeat. Implies --run."),
    ),
    _option(
        "--env", "environment", multiple=True, metavar="NAME=VALUE", help="A variable of both containers."
    ),
    _option(
        "--wait",
        "run_seconds",
        type=click.FloatRange(min=0.1),
        default=30,
        show_default=True,
        metavar="SECONDS",
        help="How long a container may take to answer or to end.",
    ),
    _option(
        "--probe-image",
        metavar="IMAGE",
        help=("An image with python3 to ask from; by default one that is there, else python:3-alpine."),
    ),
    _option(
        "--proved-part",
        is_flag=True,
        help=("Where a difference is found, take the largest part of the change that is proved."),
    ),
    _option("--shard", metavar="I/N", help="Verify only the I-th of N parts of the changed files."),
    _option(
        "--resume",
        metavar="FILE",
        type=_FILE,
        help="Note verdicts here, and don't build again what is noted.",
    ),
    _option(
        "--emit-tests",
        "tests_folder",
        metavar="DIR",
        type=click.Path(file_okay=False),
        help="Write tests of each proved image for your own CI: container-structure-test and goss.",
    ),
    _option(
        "--verify-report",
        "reports",
        multiple=True,
        metavar="FILE",
        type=_FILE,
        help="Write JSON, or JUnit to a FILE.xml.",
    ),
)


def verify_options(function: T) -> T:
    """Give a command the options for a proof."""
    for add in reversed(_OPTIONS):
        function = add(function)
    return function


def tests_wanted(ctx: click.Context) -> Path | None:
    """Return the folder that tests for a CI are written to."""
    from pathlib import Path

    folder = ctx.meta[_STORE]["tests_folder"]
    return None if folder is None else Path(folder)


def images_wanted(ctx: click.Context) -> tuple[str, str] | None:
    """Return the two saved images that are to be compared."""
    pair: tuple[str, str] | None = ctx.meta[_STORE]["images"]
    return pair


def plan_wanted(ctx: click.Context) -> Plan | None:
    """Return what the options ask for; None without --verify. Raises UsageError if they can't be meant."""
    values = ctx.meta[_STORE]
    if not values["verify"]:
        given = [
            option.opts[0]
            for option in ctx.command.params
            if isinstance(option, _Option)
            and option.name not in (None, "verify", "images")
            and not (option.name == "tests_folder" and values["images"])
            and ctx.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
        ]
        if given:
            raise click.UsageError(f"{given[0]} is for --verify.")
        return None
    from pathlib import Path

    from msrefactor.verification.plan import Plan, request, shard

    try:
        asked = [request(text) for text in values["requests"]]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--http'") from error
    ports = {port for port, _ in asked if port is not None}
    if len(ports) > 1:
        raise click.BadParameter("all paths have to be asked at one port.", param_hint="'--http'")
    try:
        part = shard(values["shard"]) if values["shard"] else (1, 1)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--shard'") from error
    contexts = []
    for text in values["contexts"]:
        name, sign, image = text.partition("=")
        if not sign or not image:
            raise click.BadParameter(f"{text!r} names no image.", param_hint="'--build-context'")
        contexts.append((name, image.removeprefix("docker-image://")))
    return Plan(
        client=values["engine"],
        builder=values["builder"],
        arguments=values["arguments"],
        secrets=values["secrets"],
        ssh=values["ssh"],
        target=values["target"],
        platform=values["platform"],
        network=values["network"],
        base_images=tuple(contexts),
        is_cached=not values["no_cache"],
        is_run=values["is_run"],
        paths=tuple(path for _, path in asked),
        port=next(iter(ports), None),
        environment=values["environment"],
        run_seconds=values["run_seconds"],
        probe_image=values["probe_image"],
        touch=values["touch"],
        shard=part,
        resume=Path(values["resume"]) if values["resume"] else None,
        reports=tuple(map(Path, values["reports"])),
        takes_part=values["proved_part"],
        tests_folder=Path(values["tests_folder"]) if values["tests_folder"] else None,
    )
