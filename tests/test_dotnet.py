"""What is read of .NET projects and sources, and what the `dotnet` command is understood to leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor import shell
from msrefactor.code.csharp import needs_of
from msrefactor.code.dotnet_project import read_project, solution_projects
from msrefactor.context import BuildContext
from msrefactor.facts import Effect, Placed, Role, Scope
from msrefactor.knowledge.images import describe
from msrefactor_transforms.ecosystems._dotnet_base import _image
from msrefactor_transforms.ecosystems._dotnet_commands import DotnetBuild, interpret

WEB = '<Project Sdk="Microsoft.NET.Sdk.Web"><PropertyGroup>{}</PropertyGroup></Project>'


def _context(folder: Path, **files: str) -> BuildContext:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return BuildContext.open(folder)


def _effect(context: BuildContext, text: str, base: str = "mcr.microsoft.com/dotnet/sdk:8.0") -> Effect:
    script = shell.parse_script(text)
    assert script is not None
    scope = Scope(describe(base), context, cwd="/app", placed=(Placed("/app", "", is_folder=True),))
    command = script.items[0].commands[0]
    effect = interpret(command, [word.literal for word in command.words], scope)
    assert effect is not None
    return effect


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<TargetFrameworks>net6.0;net8.0</TargetFrameworks>", "which framework App targets can't be told"),
        (
            "<TargetFramework>net8.0</TargetFramework><PublishDir>x</PublishDir>",
            "publishdir moves the output",
        ),
        (
            "<TargetFramework Condition=\"'$(A)' == ''\">net8.0</TargetFramework>",
            "which framework App targets can't be told",
        ),
        (
            "<TargetFramework>net8.0</TargetFramework><UseArtifactsOutput>true</UseArtifactsOutput>",
            "the artifacts layout isn't read",
        ),
    ],
)
def test_an_output_folder_that_a_project_moves_is_not_guessed(tmp_path: Path, text: str, reason: str) -> None:
    context = _context(tmp_path, **{"App.csproj": WEB.format(text)})
    effect = _effect(context, "dotnet publish -c Release")
    assert effect.refusal is not None
    assert effect.refusal.code == "unknown-artifact"
    assert effect.refusal.detail.startswith(reason)


@pytest.mark.parametrize(
    ("command", "base", "output"),
    [
        ("dotnet publish -c Release -o out", "8.0", "/app/out"),
        ("dotnet publish --output=/srv/app", "8.0", "/srv/app"),
        ("dotnet publish", "8.0", "/app/bin/Release/net8.0/publish"),
        ("dotnet publish", "7.0", "/app/bin/Debug/net8.0/publish"),
        ("dotnet publish /p:Configuration=Staging", "8.0", "/app/bin/Staging/net8.0/publish"),
        ("dotnet publish -c Release -r linux-x64", "8.0", "/app/bin/Release/net8.0/linux-x64/publish"),
        ("dotnet build", "8.0", "/app/bin/Debug/net8.0"),
        ("dotnet publish App.csproj -c Release -p:PublishDir=/o -v q --nologo", "8.0", "/o"),
    ],
)
def test_the_folder_that_a_build_leaves(tmp_path: Path, command: str, base: str, output: str) -> None:
    context = _context(tmp_path, **{"App.csproj": WEB.format("<TargetFramework>net8.0</TargetFramework>")})
    effect = _effect(context, command, f"mcr.microsoft.com/dotnet/sdk:{base}")
    assert effect.refusal is None
    assert effect.writes == (output,)
    assert isinstance(effect.detail, DotnetBuild)
    assert effect.detail.is_self_contained is False


@pytest.mark.parametrize(
    ("options", "text", "alone"),
    [
        ("--self-contained", "", True),
        ("--self-contained false", "<PublishAot>true</PublishAot>", False),
        ("", "<PublishAot>true</PublishAot>", True),
        ("", "<SelfContained Condition=\"'$(A)' == ''\">true</SelfContained>", None),
        ("-r linux-x64", "", False),
    ],
)
def test_whether_a_program_brings_its_runtime(
    tmp_path: Path, options: str, text: str, alone: bool | None
) -> None:
    project = WEB.format("<TargetFramework>net8.0</TargetFramework>" + text)
    context = _context(tmp_path, **{"App.csproj": project})
    detail = _effect(context, f"dotnet publish -o out {options}").detail
    assert isinstance(detail, DotnetBuild)
    assert detail.is_self_contained is alone


def test_tests_are_a_gate_and_runs_are_unknown(tmp_path: Path) -> None:
    context = _context(tmp_path)
    assert _effect(context, "dotnet test --no-build").role is Role.GATE
    script = shell.parse_script("dotnet ef database update")
    assert script is not None
    command = script.items[0].commands[0]
    scope = Scope(describe("mcr.microsoft.com/dotnet/sdk:8.0"), context)
    assert interpret(command, ["dotnet", "ef", "database", "update"], scope) is None


def test_a_project_with_entities_is_not_read(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><Project Sdk="S">&b;</Project>'
    assert read_project(_context(tmp_path, **{"App.csproj": bomb}), "App.csproj") is None


def test_properties_come_from_the_nearest_props_file(tmp_path: Path) -> None:
    context = _context(
        tmp_path,
        **{
            "Directory.Build.props": "<Project><PropertyGroup><A>far</A></PropertyGroup></Project>",
            "src__Directory.Build.props": (
                "<Project><PropertyGroup><TargetFramework>net9.0</TargetFramework>"
                "<AssemblyName>Corp.$(MSBuildProjectName)</AssemblyName></PropertyGroup></Project>"
            ),
            "src__Api__Api.csproj": WEB.format("<Nullable>enable</Nullable>"),
        },
    )
    project = read_project(context, "src/Api/Api.csproj")
    assert project is not None
    assert (project.target, project.assembly, project.value("A")) == ("net9.0", "Corp.Api", "")
    assert project.is_web


def test_projects_of_a_solution(tmp_path: Path) -> None:
    text = (
        'Project("{F}") = "Web", "src\\Web\\Web.csproj", "{1}"\n'
        'Project("{2150E333}") = "docs", "docs", "{2}"\n'
    )
    context = _context(tmp_path, **{"All.sln": text})
    assert solution_projects(context, "All.sln") == ("src/Web/Web.csproj",)


@pytest.mark.parametrize(
    ("written", "kind", "expected"),
    [
        ("mcr.microsoft.com/dotnet/sdk:8.0", "aspnet", "mcr.microsoft.com/dotnet/aspnet:8.0"),
        ("mcr.microsoft.com/dotnet/sdk", "aspnet", "mcr.microsoft.com/dotnet/aspnet"),
        (
            "mcr.microsoft.com/dotnet/sdk:8.0.404-alpine3.20",
            "runtime",
            "mcr.microsoft.com/dotnet/runtime:8.0-alpine3.20",
        ),
        ("mcr.microsoft.com/dotnet/sdk:8.0@sha256:12", "aspnet", None),
    ],
)
def test_the_runtime_image_of_an_sdk_image(written: str, kind: str, expected: str | None) -> None:
    assert _image(written, written, kind) == expected


def test_an_sdk_number_in_a_variable_has_no_runtime_tag() -> None:
    assert (
        _image("mcr.microsoft.com/dotnet/sdk:${V}", "mcr.microsoft.com/dotnet/sdk:8.0.404", "aspnet") is None
    )
    kept = _image("mcr.microsoft.com/dotnet/sdk:${V}", "mcr.microsoft.com/dotnet/sdk:8.0", "aspnet")
    assert kept == "mcr.microsoft.com/dotnet/aspnet:${V}"


def test_what_source_starts_loads_and_opens() -> None:
    needs = needs_of(
        "Program.cs",
        """
// Process.Start("ignored");
/* [DllImport("ignored")] */
var text = "Process.Start(\\"also ignored\\")";
Process.Start("git", "status");
Process.Start(new ProcessStartInfo { FileName = "/usr/bin/convert" });
Process.Start(new ProcessStartInfo("cmd.exe"));
Process.Start($"{tool}");
[DllImport("libgdiplus")] static extern int Start();
File.ReadAllText(@"data\\rates.csv");
File.OpenRead(path);
""",
    )
    assert [name for name, _ in needs.commands] == ["git", "/usr/bin/convert"]
    assert [place.line for place in needs.unknown_commands] == [8]
    assert [name for name, _ in needs.libraries] == ["libgdiplus"]
    assert [name for name, _ in needs.paths] == ["data\\rates.csv"]
    assert [place.line for place in needs.unknown_paths] == [11]


def test_a_reference_may_say_where_its_project_lies(tmp_path: Path) -> None:
    named = r"$(MSBuildThisFileDirectory)..\Lib\L.csproj"
    (tmp_path / "Api").mkdir()
    (tmp_path / "Api/A.csproj").write_text(f'<Project><ProjectReference Include="{named}" /></Project>')
    project = read_project(BuildContext.open(tmp_path), "Api/A.csproj")
    assert project is not None
    assert project.references == ("Lib/L.csproj",)
