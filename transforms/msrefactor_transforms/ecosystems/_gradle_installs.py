"""Exactly which files of the application Gradle reads when it only downloads libraries.

That is every script which Gradle evaluates to know its projects: settings, build scripts, what they apply,
buildSrc and included builds as a whole, the wrapper, the version catalog, the locks. A script is a program:
where it may read another file, or start a program, the download isn't moved above the source.

Sources: docs.gradle.org "Build Lifecycle", "Organizing Gradle Projects", "Composite Builds", "Version
Catalogs", "Dependency Locking", "Gradle Wrapper", "Viewing and Debugging Dependencies".
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from msrefactor.code.gradle import read_build
from msrefactor.code.script_tokens import code_of
from msrefactor.code.tokens import Token
from msrefactor.facts import Dependencies, Scope
from msrefactor.model import Refused

DOWNLOADS = frozenset(
    "dependencies buildEnvironment resolveDependencies downloadDependencies resolveAllDependencies getDeps "
    "resolveConfigurations downloadDeps cacheDependencies deps dependencyReport help tasks projects "
    "properties".split()
)
"""Tasks that evaluate the scripts, resolve libraries, and look at no source."""
_SETTINGS = ("settings.gradle", "settings.gradle.kts")
_BUILDS = ("build.gradle", "build.gradle.kts")
_READING = frozenset(
    "readText readLines readBytes text bytes load newReader newInputStream withReader withInputStream "
    "bufferedReader inputStream reader eachLine useLines forEachLine FileInputStream FileReader Files "
    "exists isFile isDirectory listFiles list eachFile eachDir walk walkTopDown fileContents exec "
    "javaexec execute ProcessBuilder Runtime JsonSlurper ConfigSlurper XmlSlurper XmlParser Yaml Scanner "
    "buildFileName parse flatDir ratchetFrom evaluate Grgit gitVersion versionDetails".split()
)
"""Names by which a script looks into files, starts a program, or takes another script for its own."""
_OF_GIT = frozenset("com.palantir.git-version org.ajoberstar.grgit org.ajoberstar.reckon".split())
"""Plugins that look at .git as soon as they are applied."""
_HERE = frozenset("rootDir rootProject.projectDir project.rootDir settingsDir".split())
_MAX_SCRIPTS = 200


class _Unread(Exception):  # noqa: N818 - carries an expected ending to the one place that returns it
    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.detail)
        self.refused = refused


def of_download(root: str, is_plain: bool, scope: Scope) -> Dependencies:
    """Return what a download reads of the build in `root` (a folder of the image), and what it fills.

    `is_plain`: no option names other scripts. The project's own `.gradle` folder isn't told: it is a cache
    that Gradle checks, and any state of it will do.
    """
    try:
        reads = tuple(dict.fromkeys(_Reading(root, scope).paths(is_plain)))
    except _Unread as unread:
        return Dependencies("Gradle", obstacle=unread.refused)
    return Dependencies("Gradle", reads, (_home(scope),))


def of_wrapper(root: str, scope: Scope) -> Dependencies:
    """Return what `gradlew --version` reads, which fetches Gradle itself and evaluates nothing."""
    reads = (posixpath.join(root, "gradlew"), posixpath.join(root, "gradle/wrapper"))
    return Dependencies("Gradle", reads, (_home(scope),))


def _home(scope: Scope) -> str:
    return scope.path(scope.variables.get("GRADLE_USER_HOME") or posixpath.join(scope.home, ".gradle"))


class _Reading:
    """What is read, gathered script by script."""

    def __init__(self, root: str, scope: Scope) -> None:
        self._root = root
        self._scope = scope
        self._seen: set[str] = set()

    def paths(self, is_plain: bool) -> Iterator[str]:
        """Yield the files and folders that are read; raises `_Unread`."""
        root = self._root
        build = read_build(self._scope.read, root)
        if build is None:
            raise _unread(f"no Gradle script is found in {root}")
        if not is_plain:
            raise _unread("an option names the scripts that Gradle evaluates")
        names = (*_SETTINGS, "gradle.properties", "gradlew", "gradle.lockfile", "settings-gradle.lockfile")
        for name in (*names, "buildscript-gradle.lockfile"):
            yield posixpath.join(root, name)
        yield from (posixpath.join(root, name) for name in ("gradle", "buildSrc"))
        for name in _SETTINGS:
            yield from self._script(posixpath.join(root, name), root)
        for project in build.projects.values():
            scripts = [posixpath.join(project.folder, name) for name in _BUILDS]
            if project.folder != root and not any(map(self._scope.is_file, scripts)):
                raise _unread(f"the project {project.path} has no script, and its folder has to exist")
            if project.unread:
                raise _unread(project.unread[0])
            for script in scripts:
                yield from self._script(script, project.folder)
            if project.folder != root:
                yield from (
                    posixpath.join(project.folder, n) for n in ("gradle.properties", "gradle.lockfile")
                )
        source = self._scope.origin(posixpath.join(root, "buildSrc"))
        for file in self._scope.context.files(source) if source else ():
            if file.endswith((".gradle", ".gradle.kts")):
                inside = posixpath.join(root, "buildSrc", posixpath.relpath(file, source))
                for _ in self._script(inside, root):
                    pass

    def _script(self, path: str, folder: str) -> Iterator[str]:
        """Yield a script, if there is one, and what it brings in."""
        text = self._scope.read(path)
        if text is None or path in self._seen:
            return
        self._seen.add(path)
        if len(self._seen) > _MAX_SCRIPTS:
            raise _unread("the build has too many scripts")
        yield path
        code = code_of(text, "kotlin" if path.endswith(".kts") else "groovy")
        for at, token in enumerate(code):
            place = f"{posixpath.basename(path)}:{token.line}"
            for name in _names(token):
                if name in _READING:
                    raise _unread(f"a script of the build may read other files: {name} ({place})")
            if token.kind == "string" and token.text in _OF_GIT:
                raise _unread(f"a plugin looks at .git: {token.text} ({place})")
            if token.kind != "name":
                continue
            if token.text == "includeBuild":
                yield posixpath.normpath(posixpath.join(self._root, _literal(code, at, place)))
            elif token.text == "include" and posixpath.basename(path) in _SETTINGS:
                _literal(code, at, place)
            elif _is_applied(code, at) or (token.text == "files" and posixpath.basename(path) in _SETTINGS):
                yield from self._brought_in(_literal(code, at, place), folder, place)

    def _brought_in(self, text: str, folder: str, place: str) -> Iterator[str]:
        if text.startswith("/"):
            text, folder = text.lstrip("/"), self._root
        path = posixpath.normpath(posixpath.join(folder, text))
        if not self._scope.is_file(path):
            raise _unread(f"what `{text}` brings in isn't found ({place})")
        yield path
        if path.endswith((".gradle", ".kts")):
            yield from self._script(path, folder)


def _unread(detail: str) -> _Unread:
    return _Unread(
        Refused("install-mode", detail, remedy="copy what Gradle reads before the source yourself")
    )


def _is_applied(code: Sequence[Token], at: int) -> bool:
    """Whether `from` at this place is that of `apply from: "…"` or `apply(from = "…")`."""
    before = code[max(at - 2, 0) : at]
    return code[at].text == "from" and any(one.kind == "name" and one.text == "apply" for one in before)


def _literal(code: Sequence[Token], at: int, place: str) -> str:
    """Return the first string behind a name; one that begins with the root's folder begins with `/`.

    Raises `_Unread` where there is none.
    """
    for token in code[at + 1 : at + 9]:
        if token.kind == "string":
            return token.text
        if token.kind == "template" and len(token.parts) == 3 and token.parts[0] == "":
            inner = token.parts[1]
            shown = "" if isinstance(inner, str) else "".join(one.text for one in inner)
            if shown in _HERE:
                return str(token.parts[2])
        if token.kind not in ("newline", "mark") and token.text not in ("files", "file", "rootDir", "uri"):
            break
    raise _unread(f"what the script takes in isn't a plain name ({place})")


def _names(token: Token) -> Iterator[str]:
    """Yield the names in a token, those of a template's expressions too."""
    if token.kind == "name":
        yield token.text
    for part in token.parts:
        if not isinstance(part, str):
            for inner in part:
                yield from _names(inner)
