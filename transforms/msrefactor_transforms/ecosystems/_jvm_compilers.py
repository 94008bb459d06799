"""What the compilers of Kotlin, Scala and Groovy leave when they are called by themselves.

Sources: kotlinlang.org "Kotlin command-line compiler", docs.scala-lang.org `scalac -help`, Groovy "groovyc".
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from msrefactor.facts import Effect, Role, Scope
from msrefactor.model import Refused
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._java_build import JvmBuild, JvmOutput

_COMPILERS = {"kotlinc": "kotlinc", "kotlinc-jvm": "kotlinc", "scalac": "scalac", "groovyc": "groovyc"}
_WITH_VALUE = frozenset(
    "-d -cp -classpath --classpath -class-path -jvm-target -language-version -api-version -module-name -P "
    "-Xplugin -J -encoding -target -release --release -deprecation-file -sourcepath -jdk-home".split()
)


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a compiler writes."""
    name = argv[0] if argv else None
    tool = _COMPILERS.get(posixpath.basename(name)) if name is not None else None
    if tool is None:
        return None
    output = "."
    is_known = True
    for at, word in enumerate(argv):
        if word == "-d":
            following = argv[at + 1] if at + 1 < len(argv) else None
            is_known = following is not None
            output = following or "."
    if len(argv) == 2 and argv[1] in ("-version", "-help"):
        return Effect(Role.NOTHING, tool=tool)
    path = scope.path(output)
    is_jar = path.endswith(".jar")
    needs_runtime = tool != "kotlinc" or "-include-runtime" not in argv
    kept = JvmOutput(path, "jar" if is_jar else "folder", not needs_runtime if is_jar else None)
    why = "" if is_known else f"where {tool} writes isn't known before the build"
    detail = JvmBuild(
        tool=tool,
        project=scope.cwd,
        folders=(path,),
        outputs=(kept,) if is_known else (),
        is_complete=is_known,
        unknown=Refused("unknown-artifact", why) if why else None,
    )
    refusal = None
    if path == scope.cwd:
        detail_text = f"{tool} writes its classes among the sources"
        refusal = Refused("unknown-artifact", detail_text, remedy="name a folder or a jar with -d")
    return Effect(
        Role.BUILD,
        tool=tool,
        reads=(scope.cwd,),
        writes=(path,),
        refusal=refusal,
        why="what is compiled",
        ecosystem="java",
        detail=detail,
    )
