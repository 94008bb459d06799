"""What a build tool of the JVM leaves, whichever it is: the words that java.py and the tools' modules share.

A tool's module interprets its commands into an `Effect` whose detail is a `JvmBuild`; java.py's plan works on
these alone. What the tool may leave is in `outputs`; which of it the container uses follows from what is
started.
"""

from __future__ import annotations

from dataclasses import dataclass

from msrefactor.model import Evidence, Refused


@dataclass(frozen=True, slots=True)
class JvmOutput:
    """A jar, war or folder that the build leaves, at its exact path."""

    path: str
    """Absolute path in the image."""
    kind: str = "jar"
    """`jar`, `war` or `folder` (`build/install/app`, `target/quarkus-app`, `target/classes`)."""
    is_runnable: bool | None = None
    """Whether it holds all that it needs: a fat jar, an installed distribution. None: not known."""
    needs: tuple[str, ...] = ()
    """Other paths that it is started with: its Class-Path, the folder of its libraries."""
    evidence: Evidence | None = None
    """Where the build script says so."""


@dataclass(frozen=True, slots=True)
class JvmBuild:
    """One command of a JVM build tool. Give it as `Effect.detail`, with `Effect.ecosystem = "java"`.

    `Effect.writes` should name `folders`: what is under them and used comes along, the rest stays behind.
    """

    tool: str
    """As people call it: `Maven`, `Gradle`, `sbt`, `javac`, `ant`."""
    project: str
    """The folder of the image that holds the sources; copies of the context into it aren't replayed."""
    folders: tuple[str, ...]
    """Folders that hold nothing but what the build leaves: `/app/target`, `/app/api/build`."""
    outputs: tuple[JvmOutput, ...] = ()
    """Those whose names are known."""
    is_complete: bool = False
    """Whether `outputs` names every jar and war that the folders will hold."""
    unknown: Refused | None = None
    """Why the outputs aren't known; it ends the split only where a name is needed."""
    build_names: frozenset[str] = frozenset()
    """Names at the top of the project that only the tool reads: `pom.xml`, `mvnw`, `gradle`."""
    modules: tuple[str, ...] = ()
    """Folders of subprojects below `project`, relative."""
    downloads_mb: float = 0.0
    """About what the tool stores of its own and of libraries beside the project (`~/.m2`, `~/.gradle`)."""
