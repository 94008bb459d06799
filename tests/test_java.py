"""What Java source says that a program needs, and which image runs it."""

from __future__ import annotations

import pytest

from msrefactor.code.java import JavaNeeds, java_needs
from msrefactor_transforms.ecosystems._java_base import java_of
from msrefactor_transforms.ecosystems._java_system import runtime_java


def read(body: str) -> JavaNeeds:
    return java_needs(
        "src/main/java/A.java", f"import java.io.*;\nclass A {{ void a() throws Exception {{\n{body}\n}} }}"
    )


@pytest.mark.parametrize(
    "body",
    [
        '// new File("comment.txt")',
        '/* Runtime.getRuntime().exec("ls") */',
        'String text = "new File(\\"quoted.txt\\")";',
        'getClass().getResourceAsStream("/inside.txt");',
        'statement.exec("select 1");',
        "File file = null;",
        'var text = """\nnew File("block.txt")\n""";',
    ],
)
def test_what_needs_nothing(body: str) -> None:
    needs = read(body)
    assert needs.code.paths == ()
    assert needs.code.unknown_paths == ()
    assert needs.code.commands == ()
    assert needs.needs_jdk is None


def test_files() -> None:
    needs = read('new File("data/a.csv"); Paths.get("conf", "b.yml"); Path.of("c.txt"); new FileReader("d");')
    assert {name for name, _ in needs.code.paths} == {"data/a.csv", "conf/b.yml", "c.txt", "d"}
    assert needs.code.unknown_paths == ()
    assert read("new FileInputStream(name);").code.unknown_paths
    written = read('new FileWriter("out.log");').code
    assert written.paths == ()
    assert {name for name, _ in written.written} == {"out.log"}


def test_programs() -> None:
    found = read(
        'Runtime.getRuntime().exec("convert a b");\n'
        'new ProcessBuilder("git", "log").start();\n'
        'new ProcessBuilder(List.of("ffmpeg", in));\n'
        'Runtime.getRuntime().exec(new String[]{"sh", "-c", "df | sort"});'
    ).code
    assert {"convert", "git", "ffmpeg", "sh"} <= {name for name, _ in found.commands}
    assert read("new ProcessBuilder(command).start();").code.unknown_commands


def test_a_compiler_needs_a_jdk() -> None:
    assert java_needs("A.java", "import javax.tools.JavaCompiler;\nclass A {}").needs_jdk is not None
    assert java_needs("A.java", "import com.sun.net.httpserver.HttpServer;\nclass A {}").needs_jdk is None


def test_awt() -> None:
    assert java_needs("A.java", "import java.awt.image.BufferedImage;\nclass A {}").uses_desktop is not None
    assert java_needs("A.java", "import java.util.List;\nclass A {}").uses_desktop is None


@pytest.mark.parametrize(
    ("image", "vendor", "major", "is_alpine"),
    [
        ("eclipse-temurin:21", "temurin", 21, False),
        ("eclipse-temurin:17.0.6_10-jdk-jammy", "temurin", 17, False),
        ("eclipse-temurin:21-jdk-alpine", "temurin", 21, True),
        ("eclipse-temurin", "temurin", None, False),
        ("openjdk:8-jdk-alpine", "openjdk", 8, True),
        ("openjdk:11.0.3-jdk-slim", "openjdk", 11, False),
        ("openjdk:latest", "openjdk", None, False),
        ("amazoncorretto:17", "corretto", 17, False),
        ("maven:3.9-eclipse-temurin-21", "temurin", 21, False),
        ("maven:3-eclipse-temurin-25-alpine", "temurin", 25, True),
        ("maven:3.6.3-jdk-11-slim", "openjdk", 11, False),
        ("maven:3.8-openjdk-17", "openjdk", 17, False),
        ("maven:3.6.3-adoptopenjdk-8", "openjdk", 8, False),
        ("maven:3.9.7-amazoncorretto-21", "corretto", 21, False),
        ("maven:3.6.2-jdk-11-openj9", "semeru", 11, False),
        ("maven:3.6.3", "unknown", None, False),
        ("maven:latest", "unknown", None, False),
        ("gradle:7.6.0-jdk17", "temurin", 17, False),
        ("gradle:jdk17-alpine", "temurin", 17, True),
        ("gradle:8.5", "temurin", None, False),
    ],
)
def test_the_java_of_an_image(image: str, vendor: str, major: int | None, is_alpine: bool) -> None:
    java = java_of(image)
    assert java is not None
    assert (java.vendor, java.major, java.is_alpine) == (vendor, major, is_alpine)


@pytest.mark.parametrize(
    "image", ["debian:12", "python:3.12", "node:20", "tomcat:10-jdk21", "example/java:17"]
)
def test_images_that_are_none_of_java(image: str) -> None:
    assert java_of(image) is None


@pytest.mark.parametrize(
    ("package", "system", "is_desktop", "expected"),
    [
        ("openjdk-17-jdk", "debian", False, "openjdk-17-jre-headless"),
        ("openjdk-17-jdk", "debian", True, "openjdk-17-jre"),
        ("openjdk-17-jdk-headless", "ubuntu", True, "openjdk-17-jre-headless"),
        ("openjdk-17-jdk=17.0.9*", "ubuntu", False, "openjdk-17-jre-headless"),
        ("default-jdk", "debian", False, "default-jre-headless"),
        ("openjdk17", "alpine", False, "openjdk17-jre-headless"),
        ("openjdk17-jdk", "alpine", True, "openjdk17-jre"),
        ("openjdk8", "alpine", False, "openjdk8-jre"),
        ("java-17-openjdk-devel", "rpm", False, "java-17-openjdk-headless"),
        ("openjdk-17-jre", "debian", False, None),
        ("openjdk17-jre", "alpine", False, None),
        ("maven", "debian", False, None),
    ],
)
def test_packages(package: str, system: str, is_desktop: bool, expected: str | None) -> None:
    assert runtime_java(package, system, is_desktop) == expected
