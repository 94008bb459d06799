"""What sbt builds and Clojure projects say about the files that they leave."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from msrefactor.code.clojure import read_project, uber_file
from msrefactor.code.sbt import SbtBuild, read_sbt

SCALA = 'scalaVersion := "2.13.1"\n'
TOP = 'lazy val root = (project in file("."))\n  .settings(\n    name := "a",\n'
SHARED = '    inThisBuild(List(scalaVersion := "2.13.1", version := "3"))\n  )\n'
LIB = '(def lib \'my/app)\n(def version "1.2")\n'
COUNTED = '(def version (format "1.%s" (b/git-count-revs nil)))\n'


def build_of(text: str, **others: str) -> SbtBuild:
    files: Mapping[str, str] = {"/app/build.sbt": text, **others}
    found = read_sbt(files.get, "/app")
    assert found is not None
    return found


@pytest.mark.parametrize(
    "line",
    [
        'version := sys.env.getOrElse("V", "1")',
        "version := git.gitHeadCommit.value.get",
        'version := "1." + build',
        'assembly / assemblyJarName := s"app-${gitHash}.jar"',
        'assembly / assemblyOutputPath := file("x.jar")',
        "scalaVersion := Dependencies.scala",
    ],
)
def test_an_assembly_whose_name_is_computed_is_not_known(line: str) -> None:
    assert build_of(f'name := "svc"\nscalaVersion := "2.13.1"\n{line}\n').projects[""].assembly is None


def test_without_a_scala_version_the_folder_is_not_known() -> None:
    assert build_of('name := "svc"\nversion := "1"\n').projects[""].assembly is None


@pytest.mark.parametrize(
    ("text", "jar"),
    [
        ('name := "svc"\nversion := "1"\nscalaVersion := "2.12.20"', "scala-2.12/svc-assembly-1.jar"),
        ('name := "svc"\nversion := "1"\nscalaVersion := "3.6.4"', "scala-3.6.4/svc-assembly-1.jar"),
        ('name := """svc"""\nscalaVersion := "2.13.1"', "scala-2.13/svc-assembly-0.1.0-SNAPSHOT.jar"),
        ('name := "a"\nscalaVersion := "2.13.1"\nassembly / assemblyJarName := "x.jar"', "scala-2.13/x.jar"),
        ('name := "a"\nscalaVersion := "2.13.1"\nassemblyJarName in assembly := "x.jar"', "scala-2.13/x.jar"),
        ('val v = "2"\nname := "a"\nversion := v\nThisBuild / ' + SCALA, "scala-2.13/a-assembly-2.jar"),
        (SCALA + 'name := "a"\nversion := "1"\ncrossPaths := false', "a-assembly-1.jar"),
        (TOP + SHARED, "scala-2.13/a-assembly-3.jar"),
        (
            SCALA + '// name := "b"\nname := "a"\n/* version := "2" */ version := "1"',
            "scala-2.13/a-assembly-1.jar",
        ),
    ],
)  # fmt: skip
def test_the_jar_of_an_assembly(text: str, jar: str) -> None:
    assert build_of(text).projects[""].assembly == f"/app/target/{jar}"


def test_projects_of_a_build() -> None:
    build = build_of(
        'ThisBuild / scalaVersion := "2.13.1"\nThisBuild / version := "1"\n'
        "lazy val core = project\n"
        'lazy val `web-api` = (project in file("modules/api"))\n'
        "  .enablePlugins(JavaAppPackaging)\n"
        '  .settings(name := "Web API")\n'
        "  .dependsOn(core)\n"
        'lazy val root = project.in(file(".")).aggregate(core, `web-api`)\n'
    )
    assert build.projects["core"].folder == "/app/core"
    api = build.projects["web-api"]
    assert (api.folder, api.script_name, api.package_name) == ("/app/modules/api", "web-api", "web-api-1")
    assert api.plugins == {"JavaAppPackaging"}
    assert build.projects[""].name == "root"


@pytest.mark.parametrize(
    ("text", "jar"),
    [
        ('(defproject shop "0.1.0")', "target/shop-0.1.0-standalone.jar"),
        ('(defproject org.x/shop "0.1.0" :uberjar-name "shop.jar")', "target/shop.jar"),
        ('(defproject shop "1" :target-path "target/%s")', "target/uberjar/shop-1-standalone.jar"),
        ('(defproject shop "1" :profiles {:uberjar {:aot :all :uberjar-name "s.jar"}})', "target/s.jar"),
        ('(defproject shop "1" ; :a "b"\n #_[:a "b"] :uberjar-name "s-%s.jar")', "target/s-1.jar"),
        ('(defproject shop "1" :main ^:skip-aot shop.core :uberjar-name "s.jar")', "target/s.jar"),
    ],
)  # fmt: skip
def test_the_uberjar_of_a_project(text: str, jar: str) -> None:
    project = read_project(text)
    assert project is not None
    assert project.uberjar_path("/app") == f"/app/{jar}"


@pytest.mark.parametrize(
    "text",
    [
        '(def v "1") (defproject shop ~v)',
        '(defproject shop (slurp "VERSION"))',
        '(defproject shop "1"',
        "",
    ],
)
def test_a_project_that_is_computed_is_not_read(text: str) -> None:
    assert read_project(text) is None


def test_an_uberjar_name_that_is_computed_is_not_known() -> None:
    project = read_project('(defproject shop "1" :uberjar-name ~(str "a" (rand-int 9) ".jar"))')
    assert project is not None
    assert project.uberjar_path("/app") is None


@pytest.mark.parametrize(
    ("text", "jar"),
    [
        ('(def uber-file "target/app.jar")', "target/app.jar"),
        (
            LIB + '(def uber-file (format "target/%s-%s-standalone.jar" (name lib) version))',
            "target/app-1.2-standalone.jar",
        ),
        (COUNTED + '(def uber-file (str "target/" version ".jar"))', None),
        ('(def class-dir "target/classes")', None),
    ],
)  # fmt: skip
def test_the_jar_of_a_build_script(text: str, jar: str | None) -> None:
    assert uber_file(text) == jar
