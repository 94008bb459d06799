"""Maven's poms and calls: names, versions, plugins; what isn't known stays unknown."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from msrefactor.code.maven import Project, read_pom, read_project
from msrefactor.context import BuildContext
from msrefactor.facts import Placed, Scope
from msrefactor.knowledge.images import describe
from msrefactor_transforms.ecosystems._java_build import JvmBuild
from msrefactor_transforms.ecosystems._maven_commands import maven, read_call

HEAD = "<project><modelVersion>4.0.0</modelVersion><groupId>g</groupId>"
BOOT = (
    "<parent><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-parent</artifactId>"
    "<version>3.3.0</version><relativePath/></parent>"
)
BOOT_PLUGIN = "<plugin><artifactId>spring-boot-maven-plugin</artifactId>{}</plugin>"
LIBRARY = (
    "<dependencies><dependency><groupId>x</groupId><artifactId>y</artifactId></dependency></dependencies>"
)


FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    while FOLDERS:
        FOLDERS.pop().cleanup()


def scope_of(files: dict[str, str], folder: str) -> Scope:
    FOLDERS.append(tempfile.TemporaryDirectory())
    root = Path(FOLDERS[-1].name)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    context = BuildContext.open(root)
    placed = (Placed(folder, "", is_folder=True),)
    return Scope(describe("maven:3.9-eclipse-temurin-21"), context, folder, placed=placed)


def project(pom: str, given: dict[str, str] | None = None, **files: str) -> Project:
    texts = {"/app/pom.xml": pom, **{path.replace("__", "/"): text for path, text in files.items()}}
    found = read_project("/app", texts.get, given or {}, ())
    assert found is not None
    return found


def built(pom: str, *words: str, files: dict[str, str] | None = None) -> JvmBuild:
    scope = scope_of({"pom.xml": pom, **(files or {})}, "/app")
    effect = maven("mvn", ("mvn", *words), scope)
    assert effect is not None
    assert isinstance(effect.detail, JvmBuild)
    return effect.detail


def jars(build: JvmBuild) -> dict[str, bool | None]:
    return {one.path: one.is_runnable for one in build.outputs if one.kind != "folder"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no xml",
        "<project>",
        "<settings/>",
        '<!DOCTYPE project [<!ENTITY a "b">]><project><artifactId>&a;</artifactId></project>',
    ],
)
def test_what_is_no_pom(text: str) -> None:
    assert read_pom(text) is None


def test_a_name_that_hangs_on_something_unknown_is_unknown() -> None:
    assert project(HEAD + "<artifactId>a</artifactId><version>${sha}</version></project>").final_name is None
    named = (
        HEAD
        + "<artifactId>a</artifactId><version>1</version><build><finalName>${n}</finalName></build></project>"
    )
    assert project(named).final_name is None
    assert project(named, {"n": "given"}).final_name == "given"


def test_properties_that_name_themselves_end() -> None:
    text = "<artifactId>a</artifactId><version>${v}</version><properties><v>${v}</v></properties></project>"
    assert project(HEAD + text).final_name is None


def test_names_and_versions() -> None:
    plain = HEAD + "<artifactId>a</artifactId><version>1.0</version></project>"
    assert project(plain).final_name == "a-1.0"
    revision = "<version>${revision}</version><properties><revision>7</revision></properties></project>"
    assert project(HEAD + "<artifactId>a</artifactId>" + revision).final_name == "a-7"
    assert project(HEAD + "<artifactId>a</artifactId>" + revision, {"revision": "8"}).final_name == "a-8"
    boot = f"<project>{BOOT}<artifactId>web</artifactId></project>"
    assert project(boot).final_name == "web-3.3.0"


def test_a_parent_of_the_context_gives_version_and_plugins() -> None:
    child = (
        "<project><parent><groupId>g</groupId><artifactId>top</artifactId><version>2</version></parent>"
        "<artifactId>api</artifactId></project>"
    )
    parent = HEAD + (
        "<artifactId>top</artifactId><version>2</version><packaging>pom</packaging><build><plugins>"
        "<plugin><artifactId>maven-shade-plugin</artifactId></plugin></plugins></build></project>"
    )
    found = read_project("/app/api", {"/app/api/pom.xml": child, "/app/pom.xml": parent}.get, {}, ())
    assert found is not None
    assert found.final_name == "api-2"
    assert found.foreign_parent is None
    assert "maven-shade-plugin" in found.plugin_names


def test_a_jar_with_libraries_elsewhere_does_not_run_alone() -> None:
    pom = HEAD + f"<artifactId>a</artifactId><version>1</version>{LIBRARY}</project>"
    assert jars(built(pom, "package")) == {"/app/target/a-1.jar": False}
    alone = HEAD + "<artifactId>a</artifactId><version>1</version></project>"
    assert jars(built(alone, "package")) == {"/app/target/a-1.jar": True}


def test_a_parent_that_is_not_here_leaves_the_outputs_open() -> None:
    pom = (
        "<project><parent><groupId>c</groupId><artifactId>company-parent</artifactId><version>4</version>"
        "<relativePath/></parent><artifactId>a</artifactId></project>"
    )
    build = built(pom, "package")
    assert not build.is_complete
    assert jars(build) == {"/app/target/a-4.jar": False}


def test_spring_boot_repackages() -> None:
    plugins = "<build><plugins>{}</plugins></build>"
    head = f"<project>{BOOT}<artifactId>web</artifactId><version>1</version>{LIBRARY}"
    build = built(head + plugins.format(BOOT_PLUGIN.format("")) + "</project>", "clean", "install")
    assert jars(build) == {"/app/target/web-1.jar": True}
    assert build.is_complete
    classified = BOOT_PLUGIN.format("<configuration><classifier>exec</classifier></configuration>")
    build = built(head + plugins.format(classified) + "</project>", "package")
    assert jars(build) == {"/app/target/web-1.jar": False, "/app/target/web-1-exec.jar": True}
    skipped = BOOT_PLUGIN.format("<configuration><skip>true</skip></configuration>")
    assert jars(built(head + plugins.format(skipped) + "</project>", "package")) == {
        "/app/target/web-1.jar": False
    }


def test_shade_and_assembly() -> None:
    head = HEAD + f"<artifactId>a</artifactId><version>1</version>{LIBRARY}<build><plugins>"
    tail = "</plugins></build></project>"
    shade = (
        "<plugin><artifactId>maven-shade-plugin</artifactId><executions><execution><goals><goal>shade</goal>"
        "</goals>{}</execution></executions></plugin>"
    )
    assert jars(built(head + shade.format("") + tail, "package")) == {
        "/app/target/a-1.jar": True,
        "/app/target/original-a-1.jar": False,
    }
    attached = "<configuration><shadedArtifactAttached>true</shadedArtifactAttached></configuration>"
    assert jars(built(head + shade.format(attached) + tail, "package"))["/app/target/a-1-shaded.jar"] is True
    assembly = (
        "<plugin><artifactId>maven-assembly-plugin</artifactId><configuration><descriptorRefs>"
        "<descriptorRef>jar-with-dependencies</descriptorRef></descriptorRefs></configuration></plugin>"
    )
    found = jars(built(head + assembly + tail, "compile", "assembly:single"))
    assert found["/app/target/a-1-jar-with-dependencies.jar"] is True
    own = assembly.replace("jar-with-dependencies", "bin")
    assert not built(head + own + tail, "package").is_complete


def test_modules_have_folders_of_their_own() -> None:
    pom = HEAD + (
        "<artifactId>top</artifactId><version>1</version><packaging>pom</packaging>"
        "<modules><module>api</module></modules></project>"
    )
    child = (
        "<project><parent><groupId>g</groupId><artifactId>top</artifactId><version>1</version></parent>"
        "<artifactId>api</artifactId></project>"
    )
    build = built(pom, "package", "-pl", "api", "-am", files={"api/pom.xml": child})
    assert build.folders == ("/app/target", "/app/api/target")
    assert jars(build) == {"/app/api/target/api-1.jar": True}


def test_calls() -> None:
    call = read_call(
        ("mvn", "-B", "-T", "4", "-Drevision=2", "-P", "prod,fast", "-f", "api", "clean", "package")
    )
    assert call.goals == ("clean", "package")
    assert call.properties == {"revision": "2"}
    assert call.profiles == ("prod", "fast")
    assert call.file == "api"
    assert not call.is_unknown
    assert read_call(("mvn", None, "package")).is_unknown


def test_what_runs_the_program_or_makes_images_is_not_followed() -> None:
    scope = scope_of({"pom.xml": HEAD + "<artifactId>a</artifactId><version>1</version></project>"}, "/app")
    for goal in ("spring-boot:run", "exec:java", "spring-boot:build-image", "archetype:generate"):
        effect = maven("mvn", ("mvn", goal), scope)
        assert effect is not None
        assert effect.role.name == "OPAQUE"
    version = maven("mvn", ("mvn", "-v"), scope)
    assert version is not None
    assert version.role.name == "NOTHING"
