"""Which of Microsoft's images the final stage starts from, and what it has to be given that the SDK's has.

The SDK image is the ASP.NET image with the SDK, curl, git, wget and PowerShell on top (dotnet/dotnet-docker),
so the ASP.NET image of the same tag always does. The smaller ones are for what is seen to need no more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.contract import evidence_of
from msrefactor.facts import StageFacts, base_image_text
from msrefactor.knowledge.images import describe
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.ecosystems._dotnet_commands import DotnetBuild
from msrefactor_transforms.splitting.plan import Level, RuntimePackage

_WITHOUT_A_SERVER = re.compile(
    r"(microsoft\.extensions\.|system\.|newtonsoft\.json$|serilog(\.sinks\.(console|file))?$|dapper$|npgsql$|"
    r"mysqlconnector$|stackexchange\.redis$|commandlineparser$|polly$|cronos$|yamldotnet$|csvhelper$|"
    r"rabbitmq\.client$|confluent\.kafka$|mongodb\.driver$)"
)
"""Packages that are known not to ask for ASP.NET Core."""
_SDK_PACKAGE = re.compile(r"dotnet-sdk-(\d+\.\d+)$|dotnet(\d+)-sdk$")


@dataclass(frozen=True, slots=True)
class DotnetBase:
    """The final stage's base and what is put into it beside the program."""

    level: Level
    image: str
    prelude: tuple[str, ...] = ()
    packages: tuple[RuntimePackage, ...] = ()
    build_packages: frozenset[str] = frozenset()
    why: str = ""


def base_of(
    view: View, facts: StageFacts, builds: Sequence[DotnetBuild], *, starts_dotnet: bool
) -> DotnetBase | Refused:
    """Return the final stage's base."""
    if facts.base.family == "dotnet":
        return _of_microsoft(view, facts, builds, starts_dotnet=starts_dotnet)
    return _installed(view, facts)


def _of_microsoft(
    view: View, facts: StageFacts, builds: Sequence[DotnetBuild], *, starts_dotnet: bool
) -> DotnetBase | Refused:
    place = (evidence_of(facts.facts[0].instruction, view.name),)
    kind = kind_of(builds, starts_dotnet=starts_dotnet)
    image = _image(facts.stage.image, base_image_text(view.dockerfile, facts.stage), kind)
    if image is None:
        detail = f"which tag of the runtime images belongs to {facts.base.reference.text} isn't known"
        return Refused("unknown-release", detail, place)
    prelude: list[str] = []
    packages: list[RuntimePackage] = []
    runtime = describe(_image(facts.base.reference.text, facts.base.reference.text, kind) or image)
    sets = {key for fact in facts.facts if fact.keyword == "ENV" for key, _ in fact.instruction.pairs}
    for key in ("ASPNETCORE_URLS", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"):
        old = facts.base.env.get(key)
        if key in sets or old is None or runtime.env.get(key) in (old, None):
            continue
        if key == "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT":
            if all(build.source.is_set("InvariantGlobalization") for build in builds):
                continue
            why = "the SDK image has the data of all cultures"
            packages.extend(
                RuntimePackage(name, place[0], why) for name in ("icu-libs", "icu-data-full", "tzdata")
            )
        prelude.append(
            f"# as the SDK image has it; the final stage's base sets {runtime.env[key]}\nENV {key}={old}\n"
        )
    return DotnetBase(Level.RUNTIME, image, tuple(prelude), tuple(packages))


def kind_of(builds: Sequence[DotnetBuild], *, starts_dotnet: bool) -> str:
    """Return which image a program needs at least: `runtime-deps`, `runtime` or `aspnet`."""
    if builds and not starts_dotnet and all(build.is_self_contained for build in builds):
        return "runtime-deps"
    for build in builds:
        for project in build.everything:
            known = all(_WITHOUT_A_SERVER.match(name) for name in project.packages)
            if project.is_web or not project.is_plain or not known:
                return "aspnet"
    return "runtime" if builds else "aspnet"


def _image(written: str, resolved: str, kind: str) -> str | None:
    """Return the SDK image's name with another kind in the place of `sdk`.

    The SDK's own numbers (8.0.404) aren't those of the runtime: then the tag is that of the version.
    """
    if "@" in resolved or written.count("/sdk") != 1:
        return None
    tag = resolved.rpartition("/")[2].partition(":")[2]
    match = re.match(r"(\d+\.\d+)\.(\d+)", tag)
    image = written.replace("/sdk", f"/{kind}")
    if match is None or int(match[2]) < 100:
        return image
    if match[0] not in written:
        return None
    return image.replace(match[0], match[1])


def _installed(view: View, facts: StageFacts) -> DotnetBase | Refused:
    """Return the same image with the ASP.NET runtime's package in the place of the SDK's."""
    from msrefactor_transforms.splitting.packages import bare_name
    from msrefactor_transforms.splitting.question import is_install

    for fact, effect in facts.effects():
        if not is_install(effect):
            continue
        for name in effect.detail.names:
            match = _SDK_PACKAGE.match(bare_name(name or ""))
            if match is None or name is None:
                continue
            runtime = f"aspnetcore-runtime-{match[1]}" if match[1] else f"aspnetcore{match[2]}-runtime"
            package = RuntimePackage(
                runtime, evidence_of(fact.instruction, view.name), "the runtime without the SDK"
            )
            return DotnetBase(Level.SHARED, facts.stage.image, (), (package,), frozenset([bare_name(name)]))
    place: tuple[Evidence, ...] = (evidence_of(facts.facts[0].instruction, view.name),)
    detail = f"where the SDK of {facts.base.reference.text} comes from isn't known"
    return Refused("base-unknown", detail, place)
