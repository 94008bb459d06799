"""What Gradle scripts say about the files that a build leaves."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from msrefactor.code.gradle import Build, read_build
from msrefactor.code.gradle_project import Project, Unsure


def build_of(files: Mapping[str, str], root: str = "/app") -> Build:
    found = read_build({f"{root}/{name}": text for name, text in files.items()}.get, root)
    assert found is not None
    return found


def project_of(script: str, settings: str = 'rootProject.name = "shop"', **others: str) -> Project:
    name = "build.gradle.kts" if "plugins {\n    java" in script or "val " in script else "build.gradle"
    files = {name: script, "settings.gradle": settings, **others}
    return build_of(files).projects[":"]


def why(value: object) -> str:
    assert isinstance(value, Unsure), value
    return value.why


SHADOW = "plugins { id 'java'\n id 'com.gradleup.shadow' version '8.3.0' }"
KOTLIN = "plugins {\n    java\n}\n"
BOOT = "plugins {\n  id 'java'\n  id 'org.springframework.boot' version '3.2.0'\n}\n"

# ---------------------------------------------------------------------------------- what isn't known


@pytest.mark.parametrize(
    "script",
    [
        "version = System.getenv('VERSION')",
        "version = 'git describe'.execute().text",
        "if (release) { version = '1.0' }",
        "version = project.hasProperty('v') ? v : '1.0'",
        "version = providers.exec { commandLine 'git' }.standardOutput.asText.get()",
        "afterEvaluate { if (x) { version = '2' } }",
        "def nextVersion() { '1' }\nversion = nextVersion()",
        "version = file('VERSION').text.trim()",
        'version = "1.0.${buildNumber}"',
    ],
)
def test_a_version_that_is_computed_is_not_known(script: str) -> None:
    project = project_of(BOOT + script)
    assert "build.gradle:" in why(project.archive("bootJar"))


def test_a_plugin_that_sets_the_version_makes_it_unknown() -> None:
    project = project_of("plugins { id 'java'\n id 'pl.allegro.tech.build.axion-release' version '1.1' }")
    assert "axion-release" in why(project.archive("jar"))


def test_a_root_without_a_name_at_the_root_of_the_image_is_not_known() -> None:
    found = read_build({"/build.gradle": BOOT}.get, "/")
    assert found is not None
    project = found.projects[":"]
    assert "no name in its settings" in why(project.archive("bootJar"))


def test_a_script_from_elsewhere_is_noted() -> None:
    project = project_of("apply plugin: 'java'\napply from: 'https://example.org/x.gradle'")
    assert project.unread == ("what `apply from` brings in isn't known (build.gradle:2)",)


def test_a_setting_in_a_comment_or_a_string_is_none() -> None:
    text = "// version = '9'\n/* version = '8' */\ndef s = '''\nversion = '7'\n'''\nversion='1'"
    project = project_of(BOOT + text)
    assert project.archive("bootJar") == "/app/build/libs/shop-1.jar"


def test_the_version_of_a_publication_is_not_the_project_s() -> None:
    script = "publishing { publications { maven(MavenPublication) { version = '9' } } }"
    assert project_of(BOOT + script).archive("bootJar") == "/app/build/libs/shop.jar"


# ----------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("script", "task", "name"),
    [
        (BOOT + "version = '0.0.1-SNAPSHOT'", "bootJar", "shop-0.0.1-SNAPSHOT.jar"),
        (BOOT + "version = '0.0.1-SNAPSHOT'", "jar", "shop-0.0.1-SNAPSHOT-plain.jar"),
        (BOOT + "version '1.0'", "bootJar", "shop-1.0.jar"),
        (BOOT + "bootJar { archiveFileName = 'app.jar' }", "bootJar", "app.jar"),
        (BOOT + 'bootJar {\n    archiveFileName = "${archiveBaseName.get()}.jar"\n}', "bootJar", None),
        (BOOT + "bootJar.archiveFileName = 'app.jar'", "bootJar", "app.jar"),
        (BOOT + "tasks.named('bootJar') { archiveFileName = 'app.jar' }", "bootJar", "app.jar"),
        (BOOT + "bootJar { archiveBaseName = 'svc'\n archiveVersion = '' }", "bootJar", "svc.jar"),
        (BOOT + "bootJar { baseName = 'svc'; version = '2' }", "bootJar", "svc-2.jar"),
        (BOOT + "archivesBaseName = 'svc'\nversion = '2'", "bootJar", "svc-2.jar"),
        (BOOT + "base { archivesName = 'svc' }", "bootJar", "svc.jar"),
        (BOOT + "bootJar { archiveClassifier = 'boot' }", "bootJar", "shop-boot.jar"),
        (BOOT + "ext { v = '3' }\nversion = v", "bootJar", "shop-3.jar"),
        (BOOT + "def v = '3'\nversion = \"$v-RC\"", "bootJar", "shop-3-RC.jar"),
        (BOOT + "version = rootProject.name + '-1'", "bootJar", "shop-shop-1.jar"),
        ("apply plugin: 'java'\njar { archiveName = 'x.jar' }", "jar", "x.jar"),
        (SHADOW, "shadowJar", "shop-all.jar"),
        ("plugins { id 'java' }\nshadowJar { archiveClassifier.set('') }", "shadowJar", "shop.jar"),
        ("plugins { id 'java' }\ntasks.withType(Jar) { archiveBaseName = 'x' }", "jar", "x.jar"),
    ],
)  # fmt: skip
def test_groovy(script: str, task: str, name: str | None) -> None:
    archive = project_of(script).archive(task)
    assert archive == f"/app/build/libs/{name}" if name else isinstance(archive, Unsure)


@pytest.mark.parametrize(
    ("script", "task", "name"),
    [
        ('version = "1.0"', "jar", "shop-1.0.jar"),
        ('val v = "1.0"\nversion = v', "jar", "shop-1.0.jar"),
        ('val v: String = "1.0"\nversion = "${v}-a"', "jar", "shop-1.0-a.jar"),
        ('tasks.jar { archiveFileName.set("app.jar") }', "jar", "app.jar"),
        ('tasks.named<BootJar>("bootJar") { archiveFileName.set("a.jar") }', "bootJar", "a.jar"),
        ('tasks.getByName<BootJar>("bootJar") { archiveFileName = "a.jar" }', "bootJar", "a.jar"),
        ('tasks { shadowJar { archiveBaseName.set("s")\n archiveVersion = "" } }', "shadowJar", "s-all.jar"),
        ('tasks.withType<ShadowJar> { archiveClassifier.set("fat") }', "shadowJar", "shop-fat.jar"),
        ('val f = task("fatJar", type = Jar::class) { archiveBaseName.set("f") }', "fatJar", "f.jar"),
        ('val fat by tasks.registering(Jar::class) { archiveClassifier.set("x") }', "fat", "shop-x.jar"),
        ('base.archivesName.set("b")', "jar", "b.jar"),
        ('layout.buildDirectory = file("out")', "jar", None),
    ],
)  # fmt: skip
def test_kotlin(script: str, task: str, name: str | None) -> None:
    archive = project_of(KOTLIN + script).archive(task)
    assert archive == (f"/app/build/libs/{name}" if name else "/app/out/libs/shop.jar")


def test_names_from_gradle_properties() -> None:
    build = build_of(
        {
            "settings.gradle": "rootProject.name = projectName",
            "gradle.properties": "projectName=shop\nversion=4.2\n# version=1\n",
            "build.gradle": BOOT,
        }
    )
    assert build.projects[":"].archive("bootJar") == "/app/build/libs/shop-4.2.jar"


def test_without_a_settings_file_the_folder_gives_the_name() -> None:
    build = build_of({"build.gradle": BOOT}, root="/usr/src/myapp")
    assert build.projects[":"].archive("bootJar") == "/usr/src/myapp/build/libs/myapp.jar"


def test_an_old_spring_boot_has_no_plain_jar() -> None:
    old = project_of("plugins { id 'org.springframework.boot' version '2.4.5' }")
    assert not old.boot_has_plain
    assert project_of(BOOT).boot_has_plain


def test_the_plain_jar_can_be_off() -> None:
    assert project_of(BOOT + "jar { enabled = false }").is_enabled("jar") is False
    assert project_of(BOOT + "tasks.named('jar') { enabled = false }").is_enabled("jar") is False
    assert project_of(BOOT + "jar.enabled = false").is_enabled("jar") is False
    assert isinstance(project_of(BOOT + "jar { enabled = isDev }").is_enabled("jar"), Unsure)


# --------------------------------------------------------------------------------------- projects


def test_subprojects_take_what_the_root_sets_for_all() -> None:
    build = build_of(
        {
            "settings.gradle.kts": 'rootProject.name = "all"\ninclude("core", ":web:api")\n',
            "build.gradle.kts": (
                'subprojects {\n    apply(plugin = "java")\n    version = "7"\n}\n'
                'project(":core") { version = "8" }\n'
            ),
            "web/api/build.gradle.kts": "plugins { application }\n",
        }
    )
    assert set(build.projects) == {":", ":core", ":web", ":web:api"}
    assert build.projects[":core"].archive("jar") == "/app/core/build/libs/core-8.jar"
    assert build.projects[":web:api"].archive("jar") == "/app/web/api/build/libs/api-7.jar"
    assert build.projects[":web:api"].is_application
    assert not build.projects[":"].has("java")


def test_plugins_of_a_version_catalog() -> None:
    build = build_of(
        {
            "gradle/libs.versions.toml": (
                '[versions]\nboot = "2.4.1"\n[plugins]\n'
                'spring-boot = { id = "org.springframework.boot", version.ref = "boot" }\n'
                'shadow = "com.gradleup.shadow:8.3.0"\n'
            ),
            "build.gradle.kts": (
                "plugins {\n    alias(libs.plugins.spring.boot)\n    alias(libs.plugins.shadow) apply false\n"
                '    kotlin("jvm") version "2.0.0"\n    `java-library`\n}\n'
            ),
        }
    )
    plugins = build.projects[":"].plugins
    assert plugins == {
        "org.springframework.boot": "2.4.1",
        "org.jetbrains.kotlin.jvm": "2.0.0",
        "java-library": "",
    }


def test_a_convention_plugin_of_buildsrc_is_read() -> None:
    build = build_of(
        {
            "build.gradle.kts": 'plugins { id("our.app") }\n',
            "buildSrc/src/main/kotlin/our.app.gradle.kts": 'plugins { application }\nversion = "5"\n',
        }
    )
    assert build.projects[":"].is_application
    assert build.projects[":"].archive("jar") == "/app/build/libs/app-5.jar"


def test_a_class_path_in_the_manifest_is_seen() -> None:
    script = "apply plugin: 'java'\njar {\n  manifest {\n    attributes 'Class-Path': 'lib/a.jar'\n  }\n}\n"
    assert build_of({"build.gradle": script}).class_path == "build.gradle:4"


def test_the_name_of_a_distribution() -> None:
    assert project_of("plugins { id 'application' }").distribution_name == "shop"
    named = project_of("plugins { id 'application' }\napplication { applicationName = 'run-me' }")
    assert named.distribution_name == "run-me"
