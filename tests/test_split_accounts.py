"""Users that only the author's base has, and numbers that the new one has given away."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor.context import BuildContext
from msrefactor.model import Changed, Outcome, Refused, Settings
from msrefactor.pipeline import refactor_text

CONTEXT = Path(__file__).parents[1] / "fixtures/split-stages/gradle/spring-boot-jar/context"
BUILD = "WORKDIR /app\nCOPY . .\nRUN gradle bootJar\n"
START = 'CMD ["java", "-jar", "build/libs/orders-0.0.1-SNAPSHOT.jar"]\n'


def outcome(text: str) -> Outcome:
    context = BuildContext.open(CONTEXT)
    result = refactor_text(text, None, context, (), Settings(select=frozenset({"split-stages"})))
    assert result.internal_error is None
    return result.steps[0].outcome


@pytest.mark.parametrize(
    "step",
    ["USER gradle\n", "RUN mkdir /logs && chown -R gradle:gradle /logs\n", "COPY --chown=gradle src /src\n"],
)
def test_a_user_of_the_builders_image_is_refused(step: str) -> None:
    found = outcome("FROM gradle:8.7-jdk17\n" + BUILD + step + START)
    assert isinstance(found, Refused)
    assert (found.code, "gradle:8.7-jdk17" in found.detail) == ("need-not-found", True)


@pytest.mark.parametrize(
    "step",
    ["USER nobody\n", "USER 1000:1000\n", "RUN useradd owner\nUSER owner\n", "USER www-data:www-data\n"],
)
def test_a_user_that_both_have_or_that_is_made_is_not(step: str) -> None:
    assert isinstance(outcome("FROM gradle:8.7-jdk17\n" + BUILD + step + START), Changed)


def test_a_user_that_only_the_build_uses_is_not() -> None:
    text = "FROM gradle:8.7-jdk17\nWORKDIR /app\nCOPY --chown=gradle:gradle . .\nRUN gradle bootJar\n" + START
    assert isinstance(outcome(text), Changed)


@pytest.mark.parametrize("number", ["-u 1000", "--uid=1000", "--uid 1000"])
def test_a_number_that_ubuntu_has_in_use_is_refused(number: str) -> None:
    build = BUILD.replace("gradle ", "./gradlew ")
    text = f"FROM openjdk:17-jdk-slim\n{build}RUN useradd {number} owner\nUSER owner\n{START}"
    found = outcome(text)
    assert isinstance(found, Refused)
    assert "1000" in found.detail
    assert isinstance(outcome(text.replace("1000", "1001")), Changed)
