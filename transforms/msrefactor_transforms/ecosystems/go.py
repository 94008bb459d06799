"""Go: binaries by `go build` and `go install`; scratch where static is proved, else the matching Debian.

A binary is static when cgo is off: by the author's word, because the builder has no C compiler, or because
every source of the build can be seen and none uses C. Files that are opened at run time come along. Sources:
the `go` command's documentation, docker-library/docs golang, DOMAIN notes in docs.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msrefactor.code.needs import EMPTY, CodeNeeds
from msrefactor.commands import PackageCall
from msrefactor.facts import Effect, Fact, Role, Scope, StageFacts, is_under
from msrefactor.knowledge.images import BaseImage, describe, pinned, size_mb
from msrefactor.model import Evidence, Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.knowledge.native import go_native
from msrefactor_transforms.splitting.needs import Wants, wanted
from msrefactor_transforms.splitting.plan import Artifact, Ecosystem, Level, RuntimePackage, SplitPlan

TOOLCHAIN_ENVIRONMENT = frozenset(
    "CGO_ENABLED GO111MODULE GOFLAGS GOOS GOARCH GOARM GOPROXY GOSUMDB GOPRIVATE GONOSUMDB GONOPROXY "
    "GOCACHE GOMODCACHE GOTOOLCHAIN GOEXPERIMENT GOINSECURE".split()
)
"""Variables that the go command reads and a program doesn't."""

_VALUES = frozenset(
    "-o -p -ldflags -gcflags -asmflags -tags -mod -modfile -overlay -pkgdir -toolexec -buildmode "
    "-compiler -gccgoflags -installsuffix -covermode -coverpkg -pgo -C -exec -run -timeout -count "
    "-bench -vet".split()
)
_DEVELOPMENT = frozenset("go air reflex CompileDaemon realize fresh dlv modd gow bee buffalo".split())
_GENERATORS = frozenset(
    "swag templ wire sqlc protoc buf mockgen stringer ent packr packr2 statik rice oapi-codegen".split()
)
_LEAN_PACKAGES = frozenset(["ca-certificates", "tzdata"])


@dataclass(frozen=True, slots=True)
class GoBuild:
    """One command that links a binary."""

    folder: str
    """The folder of the image that the command runs in."""
    output: str
    cgo: bool | None
    """What CGO_ENABLED says; None: it isn't set."""
    tags: str = ""
    is_external: bool = False
    """Whether it is some module's tool and not this project's program."""
    linker_flags: str = ""


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of Go's tools does."""
    name = argv[0]
    if name is None:
        return None
    tool = posixpath.basename(name)
    if tool in ("golangci-lint", "staticcheck", "gofmt", "golint", "govulncheck"):
        return Effect(Role.GATE, tool=tool)
    if tool in _GENERATORS and scope.base.family == "golang":
        return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), why=f"what {tool} generates")
    if tool == "upx" and scope.base.family == "golang":
        return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), why="compresses the binary")
    if tool == "strip" and scope.base.family == "golang":
        return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), why="strips the binary")
    if tool != "go":
        return None
    words = list(argv[1:])
    if words[:1] == ["-C"] and len(words) > 2 and words[1] is not None:
        scope = replace(scope, cwd=scope.path(words[1]))
        words = words[2:]
    action = words[0] if words else None
    rest = words[1:]
    if action in ("build", "install"):
        return _build(action, rest, scope)
    if action == "mod":
        reads = tuple(path for path in (scope.path("go.mod"), scope.path("go.sum")) if scope.is_file(path))
        if rest[:1] in (["download"], ["verify"]):
            if rest[:1] == ["download"] and not _has_local_replacements(scope):
                return Effect(Role.BUILD, tool="go", reads=reads, reads_only=True, why="downloads modules")
            return Effect(Role.BUILD, tool="go", reads=(scope.cwd,), reads_only=True, why="downloads modules")
        return Effect(Role.BUILD, tool="go", reads=(scope.cwd,), reads_only=True, why="tidies the module")
    if action in ("get", "generate", "work", "tool"):
        return Effect(Role.BUILD, tool="go", reads=(scope.cwd,), reads_only=True, why=f"go {action}")
    if action == "env":
        if "-w" in rest:
            sets = tuple(
                (key, value)
                for word in rest
                if word and "=" in word
                for key, _, value in [word.partition("=")]
            )
            return Effect(Role.BUILD, tool="go", reads_only=True, sets=sets, why="configures go")
        return Effect(Role.NOTHING, tool="go")
    if action in ("test", "vet", "fmt", "fix"):
        return Effect(Role.GATE, tool="go", reads=(scope.cwd,), reads_only=True)
    if action in ("version", "list", "help", "doc"):
        return Effect(Role.NOTHING, tool="go")
    if action == "clean":
        return Effect(Role.CLEAN, tool="go")
    return None


def _has_local_replacements(scope: Scope) -> bool:
    text = scope.read(scope.path("go.mod")) or ""
    return bool(re.search(r"=>\s*\.{1,2}/", text)) or scope.is_file(scope.path("go.work"))


def _build(action: str, rest: Sequence[str | None], scope: Scope) -> Effect:
    output: str | None = None
    packages: list[str] = []
    tags = linker = ""
    words = list(rest)
    while words:
        word = words.pop(0)
        if word is None:
            if words or not packages:
                continue
            continue
        option, equals, value = word.partition("=")
        plain = option.replace("--", "-", 1)
        if plain in _VALUES:
            given = value if equals else (words.pop(0) if words else None)
            if plain == "-o":
                if given is None:
                    return _unknown("the name given with -o isn't known before the build", scope)
                output = given
            elif plain == "-tags":
                tags = given or ""
            elif plain == "-ldflags":
                linker = given or ""
            elif plain == "-C" and given:
                scope = replace(scope, cwd=scope.path(given))
        elif word.startswith("-"):
            continue
        else:
            packages.append(word)
    os_name = scope.variables.get("GOOS", "linux")
    if os_name != "linux":
        return _unknown(f"the binary is for {os_name}", scope)
    cgo_text = scope.variables.get("CGO_ENABLED")
    cgo = None if cgo_text is None else cgo_text != "0"
    if action == "install":
        return _installed(packages, scope, cgo, tags, linker)
    names = _binary_names(packages, scope)
    if output is None:
        if names is None or len(names) != 1:
            return _unknown("which binary `go build` writes isn't known", scope)
        path = scope.path(names[0])
    else:
        path = scope.path(output)
        into = (
            output.endswith("/")
            or output in (".", "..")
            or (scope.origin(path) is not None and not scope.is_file(path))
        )
        if into:
            if not names:
                return _unknown("which binary `go build` writes isn't known", scope)
            found = tuple(posixpath.join(path, name) for name in names)
            detail = GoBuild(scope.cwd, found[0], cgo, tags, linker_flags=linker)
            return _linked(found, detail, scope)
    return _linked((path,), GoBuild(scope.cwd, path, cgo, tags, linker_flags=linker), scope)


def _linked(outputs: tuple[str, ...], detail: GoBuild, scope: Scope) -> Effect:
    return Effect(
        Role.BUILD,
        tool="go",
        reads=(scope.cwd,),
        reads_only=True,
        writes=outputs,
        why="the binary",
        detail=detail,
    )


def _unknown(why: str, scope: Scope) -> Effect:
    refusal = Refused("unknown-artifact", why)
    return Effect(
        Role.BUILD,
        tool="go",
        reads=(scope.cwd,),
        why=why,
        refusal=refusal,
        detail=GoBuild(scope.cwd, "", None),
    )


def _installed(packages: Sequence[str], scope: Scope, cgo: bool | None, tags: str, linker: str) -> Effect:
    folder = scope.variables.get("GOBIN") or posixpath.join(
        scope.variables.get("GOPATH", "/go").split(":")[0], "bin"
    )
    if packages and all("@" in package for package in packages):
        names = [_last_element(package.partition("@")[0]) for package in packages]
        path = posixpath.join(folder, names[0])
        detail = GoBuild(scope.cwd, path, cgo, is_external=True)
        return Effect(Role.BUILD, tool="go", reads_only=True, why="a tool", detail=detail)
    names_here = _binary_names(packages, scope)
    if not names_here:
        return _unknown("which binary `go install` writes isn't known", scope)
    outputs = tuple(posixpath.join(folder, name) for name in names_here)
    return _linked(outputs, GoBuild(scope.cwd, outputs[0], cgo, tags, linker_flags=linker), scope)


def _last_element(path: str) -> str:
    """Return the name that Go gives a binary: the last element of its path, a major version skipped."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if len(parts) > 1 and re.fullmatch(r"v[0-9]+", parts[-1]):
        parts.pop()
    return parts[-1] if parts else ""


def _binary_names(packages: Sequence[str], scope: Scope) -> list[str] | None:
    """Return the names of the binaries that these packages give; None where one isn't known."""
    from msrefactor.code.go import main_packages

    root = scope.origin(scope.cwd)
    names: list[str] = []
    for package in packages or ["."]:
        if package.endswith(".go"):
            files = [word for word in packages if word.endswith(".go")]
            return [posixpath.basename(files[0]).removesuffix(".go")]
        if package.endswith("..."):
            start = package.removesuffix("...").rstrip("/").removeprefix("./")
            if root is None:
                return None
            for folder in main_packages(scope.context, root):
                inside = posixpath.relpath(folder or ".", root or ".")
                if scope.origin(posixpath.normpath(posixpath.join(scope.cwd, inside))) is None:
                    continue
                if start in ("", ".") or is_under("/" + inside, "/" + start):
                    names.append(_package_name(inside, scope))
            continue
        if package.startswith((".", "/")):
            inside = posixpath.relpath(scope.path(package), scope.cwd)
            names.append(_package_name(inside, scope))
        else:
            names.append(_last_element(package))
    return names if all(names) else None


def _package_name(inside: str, scope: Scope) -> str:
    if inside not in (".", ""):
        return _last_element(inside)
    text = scope.read(scope.path("go.mod")) or ""
    match = re.search(r"^\s*module\s+\"?([^\s\"]+)", text, re.M)
    return (
        _last_element(match.group(1))
        if match
        else ("" if text == "" and scope.cwd == "/" else posixpath.basename(scope.cwd) if not text else "")
    )


# ------------------------------------------------------------------------------------------------ plan


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that builds Go binaries is split."""
    builds = [(f, e, e.detail) for f, e in facts.effects() if isinstance(e.detail, GoBuild)]
    own = [entry for entry in builds if not entry[2].is_external]
    started = _go_at_start(view, facts)
    if started is not None and (builds or facts.base.family == "golang"):
        return started
    if not own:
        return None
    base = facts.base
    if base.system == "unknown":
        return Refused(
            "base-unknown",
            f"nothing is known about {base.reference.text}",
            (_evidence(view, facts.facts[0]),),
        )
    for fact, effect, _ in own:
        if effect.refusal is not None:
            return replace(effect.refusal, evidence=(_evidence(view, fact),))
    code = _code_needs(view, facts, own)
    wants = wanted(view, facts, code)
    linking = _linking(view, facts, own)
    if isinstance(linking, Refused):
        return linking
    base_choice = _runtime_base(view, facts, wants, linking)
    if isinstance(base_choice, Refused):
        return base_choice
    level, runtime, builder = base_choice
    last = max(fact.index for fact, _, _ in own)
    modules = tuple(dict.fromkeys(build.folder for _, _, build in own))
    outputs = tuple(path for fact, effect, _ in own for path in effect.writes)
    artifacts = [*_run_time_files(view, facts, modules, outputs, code, last)]
    artifacts.extend(_tools_of(builds, wants))
    packages: list[RuntimePackage] = list(linking.packages)
    first = own[0][0]
    if runtime == "scratch" or level is Level.MINIMAL:
        artifacts.extend(_minimal_files(view, facts, wants, last, runtime))
    elif _uses_tls(code) and facts.base.system == "debian" and not _installs(facts, "ca-certificates"):
        packages.append(RuntimePackage("ca-certificates", _evidence(view, first), "the program speaks TLS"))
    moved = _path_prelude(facts, wants, outputs)
    prelude = ("ENV CGO_ENABLED=0\n",) if linking.turns_cgo_off else ()
    return SplitPlan(
        ecosystem="go",
        level=level,
        runtime_image=runtime,
        builder_image=builder,
        build_prelude=prelude,
        prelude_before=_first_go(facts) if prelude else None,
        runtime_prelude=moved,
        artifacts=tuple(artifacts),
        dropped=_dropped(facts, modules),
        packages=tuple(packages),
        code=code,
        provides=lambda command: _provided(command, outputs, artifacts),
        unneeded=_unneeded(wants, outputs),
        build_environment=TOOLCHAIN_ENVIRONMENT,
        explicit_workdir=_needs_workdir(facts, wants),
        reason=f"build in a builder stage; the final stage is {runtime} with the binary{linking.why}",
        evidence=linking.evidence,
        saved_mb=max(0.0, (size_mb(base.reference.text) or 0) - (size_mb(runtime) or 0)),
    )


def _evidence(view: View, fact: Fact) -> Evidence:
    return Evidence(view.name, fact.line, " ".join(fact.instruction.source.split())[:120])


def _go_at_start(view: View, facts: StageFacts) -> Refused | None:
    for name, evidence in wanted(view, facts).commands:
        command = posixpath.basename(name)
        if command in _DEVELOPMENT:
            return Refused(
                "compiles-at-start", f"`{command}` compiles when the container starts", (evidence,)
            )
    return None


@dataclass(frozen=True, slots=True)
class _Linking:
    """What is known of how the binaries are linked."""

    is_static: bool
    turns_cgo_off: bool = False
    packages: tuple[RuntimePackage, ...] = ()
    why: str = ""
    evidence: tuple[Evidence, ...] = ()


def _linking(
    view: View, facts: StageFacts, own: Sequence[tuple[Fact, Effect, GoBuild]]
) -> _Linking | Refused:
    base = facts.base
    fact, _, build = own[-1]
    uses_c = _cgo_use(view, facts, build)
    settings = {build.cgo for _, _, build in own}
    if "-static" in build.linker_flags and build.cgo is not False:
        return _Linking(is_static=False, packages=_cgo_packages(view, facts, build))
    if settings == {False}:
        return _Linking(
            is_static=True, why=", which is static: cgo is off", evidence=(_evidence(view, fact),)
        )
    if (
        base.system == "alpine"
        and settings == {None}
        and not _installs(facts, "gcc", "build-base", "musl-dev", "g++")
    ):
        newer = _at_least(base.version, (1, 20))
        if newer:
            return _Linking(is_static=True, why=", which is static: the builder has no C compiler")
    if uses_c is not None or True in settings:
        return _Linking(is_static=False, packages=_cgo_packages(view, facts, build))
    if settings == {None} and _sees_all_sources(view, facts, build):
        return _Linking(is_static=False)
    return _Linking(is_static=False, packages=_cgo_packages(view, facts, build))


def _at_least(version: str | None, wanted_version: tuple[int, int]) -> bool:
    if version is None:
        return True
    parts = version.split(".")
    try:
        return tuple(int(part) for part in parts[:2]) >= wanted_version
    except ValueError:
        return False


def _module_text(facts: StageFacts, build: GoBuild) -> str:
    return facts.end.read(posixpath.join(build.folder, "go.mod")) or ""


def _required(text: str) -> tuple[str, ...]:
    found = []
    inside = False
    for line in text.splitlines():
        stripped = line.partition("//")[0].strip()
        if stripped.startswith("require ("):
            inside = True
        elif inside and stripped == ")":
            inside = False
        elif inside and stripped:
            found.append(stripped.split()[0])
        elif stripped.startswith("require ") and len(stripped.split()) > 1:
            found.append(stripped.split()[1])
    return tuple(found)


def _sees_all_sources(view: View, facts: StageFacts, build: GoBuild) -> bool:
    if not view.context.known:
        return False
    required = _required(_module_text(facts, build))
    return not required or facts.end.has(posixpath.join(build.folder, "vendor"))


def _cgo_use(view: View, facts: StageFacts, build: GoBuild) -> Evidence | None:
    """Return the first place that needs cgo: a source that imports C, or a module that is known to."""
    for name in _required(_module_text(facts, build)):
        native = go_native(name)
        if native is not None and native.state != "pure":
            return Evidence("go.mod", None, name)
    root = facts.end.origin(build.folder)
    if root is None:
        return None
    for file in view.context.files(root):
        if file.endswith(".go") and not file.endswith("_test.go"):
            text = view.context.read_text(file) or ""
            if 'import "C"' in text or '\n\t"C"\n' in text:
                return Evidence(file, text[: text.find('"C"')].count("\n") + 1, 'import "C"')
    return None


def _cgo_packages(view: View, facts: StageFacts, build: GoBuild) -> tuple[RuntimePackage, ...]:
    found: list[RuntimePackage] = []
    for name in _required(_module_text(facts, build)):
        native = go_native(name)
        if native is None:
            continue
        for package in native.packages(facts.base.system, facts.base.releases) or ():
            found.append(RuntimePackage(package, Evidence("go.mod", None, name), f"{name} is linked with it"))
    return tuple(found)


def _installs(facts: StageFacts, *names: str) -> bool:
    return any(
        name in names
        for _, effect in facts.effects()
        if isinstance(effect.detail, PackageCall) and effect.detail.action == "install"
        for name in effect.detail.names
    )


def _runtime_base(
    view: View, facts: StageFacts, wants: Wants, linking: _Linking
) -> tuple[Level, str, str | None] | Refused:
    """Return the final base, and the builder's where its release has to be written out."""
    base = facts.base
    image = facts.stage.image
    if base.family != "golang":
        return Level.SHARED, image, None
    if linking.is_static and view.settings.runtime != "slim" and _fits_minimal(facts, wants):
        if view.settings.runtime == "distroless":
            return Level.MINIMAL, "gcr.io/distroless/static-debian12", None
        return Level.MINIMAL, "scratch", None
    if base.system == "alpine":
        release = base.release or (base.releases[-1] if base.releases else None)
        if base.release is not None and base.release in (base.reference.tag or ""):
            return Level.RUNTIME, f"alpine:{release}", None
        if linking.is_static and release is not None:
            return Level.RUNTIME, f"alpine:{release}", None
        written = pinned(base.reference.text)
        if written is None or release is None or "$" in image:
            return Refused("unknown-release", f"which Alpine {base.reference.text} is built on isn't known")
        return Level.RUNTIME, f"alpine:{describe(written).release or release}", written
    if base.system != "debian":
        return Level.SHARED, image, None
    if base.release is not None and (linking.is_static or base.release in (base.reference.tag or "")):
        return Level.RUNTIME, f"debian:{base.release}-slim", None
    if linking.is_static:
        newest = base.releases[-1] if base.releases else "bookworm"
        return Level.RUNTIME, f"debian:{newest}-slim", None
    # the binary is linked with the builder's libc: both stages have to name the same release
    written = pinned(base.reference.text)
    if written is None or "$" in image:
        return Refused(
            "unknown-release",
            f"the binary is linked with the libc of {base.reference.text}, and its release isn't known",
            (Evidence(view.name, facts.facts[0].line, " ".join(facts.facts[0].instruction.source.split())),),
        )
    release = describe(written).release
    return Level.RUNTIME, f"debian:{release}-slim", written


def _fits_minimal(facts: StageFacts, wants: Wants) -> bool:
    """Whether nothing but the binaries is started, and nothing has to be run or installed in the final stage."""
    outputs = {path for _, effect in facts.effects() for path in effect.writes}
    for name, _ in wants.commands:
        path = name if name.startswith("/") else None
        if path in outputs:
            continue
        if path is None and any(posixpath.basename(out) == name for out in outputs):
            continue
        return False
    if wants.unknown or wants.code.unknown_commands:
        return False
    for fact in facts.runs():
        for item in fact.items:
            for effect in item.effects:
                if isinstance(effect.detail, PackageCall):
                    if effect.detail.action == "install" and not _is_lean(effect.detail.names, facts.base):
                        return False
                elif (
                    effect.role is Role.SETUP and not _is_user_only(effect) and effect.tool not in _FILE_TOOLS
                ):
                    return False
    return True


_FILE_TOOLS = frozenset({"mkdir", "chown", "chmod", "cp", "mv", "ln", "touch", "install", ""})


def _is_user_only(effect: Effect) -> bool:
    return effect.tool in ("useradd", "adduser", "groupadd", "addgroup", "usermod")


def _is_lean(names: Sequence[str | None], base: BaseImage) -> bool:
    from msrefactor.knowledge import packages as knowledge

    for name in names:
        if name is None:
            return False
        bare = re.split(r"[=<>~]", name)[0]
        if bare in _LEAN_PACKAGES or bare in _BUILD_HELPERS or knowledge.is_build_only(bare, base.system):
            continue
        return False
    return True


_BUILD_HELPERS = frozenset(
    "git mercurial openssh openssh-client bash curl wget upx upx-ucl unzip gnupg file".split()
)
"""Packages that Go builds use to fetch modules and tools; a binary that starts none of them doesn't."""


def _code_needs(view: View, facts: StageFacts, own: Sequence[tuple[Fact, Effect, GoBuild]]) -> CodeNeeds:
    if not view.context.known:
        return EMPTY
    from msrefactor.code.go import go_needs_of

    found = EMPTY
    for folder in dict.fromkeys(build.folder for _, _, build in own):
        root = facts.end.origin(folder)
        if root is not None:
            found = found.merged(go_needs_of(view.context, root))
    return found


def _uses_tls(code: CodeNeeds) -> bool:
    return any(name in code.imports for name in ("net/http", "crypto/tls", "crypto/x509")) or any(
        "." in name.split("/")[0] for name in code.imports
    )


def _run_time_files(
    view: View, facts: StageFacts, modules: Sequence[str], outputs: Sequence[str], code: CodeNeeds, last: int
) -> list[Artifact]:
    """Return the files of the module that the program opens: those it names, or all that aren't source."""
    found: dict[str, Artifact] = {}
    cwd = facts.end.cwd
    scope = facts.end

    def add(path: str, why: str) -> None:
        if _is_source_only(view, scope, path):
            return
        if scope.has(path) and any(is_under(path, module) for module in modules) and path not in outputs:
            found.setdefault(path, Artifact(path, last, why))

    for name, evidence in code.paths:
        literal = name.split("*")[0].rstrip("/") if "*" in name else name
        if not literal or literal.startswith("context:"):
            continue
        path = posixpath.normpath(posixpath.join(cwd, literal))
        if "*" in name and not scope.has(path):
            path = posixpath.dirname(path)
        if path in modules:
            continue
        add(path, f"opened at {evidence.file}:{evidence.line}")
    for words in _start_words(view, facts):
        for word in words[1:]:
            value = word.partition("=")[2] or word
            if value and not value.startswith("-") and ("/" in value or "." in value):
                path = posixpath.normpath(posixpath.join(cwd, value))
                if path not in modules and scope.has(path):
                    add(path, "named by the start command")
    if code.unknown_paths:
        place = code.unknown_paths[0]
        for module in modules:
            if module != cwd and not is_under(cwd, module):
                continue
            for path in _not_source(view, facts, module):
                add(path, f"may be opened at {place.file}:{place.line}")
    kept = list(found.values())
    return [
        one
        for one in kept
        if not any(one.path != other.path and is_under(one.path, other.path) for other in kept)
    ]


def _is_source_only(view: View, scope: Scope, path: str) -> bool:
    """Whether a folder holds nothing but Go source, which a binary doesn't open."""
    source = scope.origin(path)
    if source is None or not view.context.is_dir(source):
        return False
    return all(file.endswith(".go") for file in view.context.files(source))


def _start_words(view: View, facts: StageFacts) -> list[tuple[str, ...]]:
    from msrefactor.contract import starts

    return [start.argv for start in starts(view, facts) if start.argv]


_NOT_RUN_TIME = frozenset(
    "go.mod go.sum go.work go.work.sum Makefile Dockerfile Containerfile LICENSE COPYING NOTICE README "
    "CHANGELOG .git .github .gitignore .gitattributes .dockerignore .editorconfig .golangci.yml "
    ".golangci.yaml .travis.yml .gitlab-ci.yml .goreleaser.yml .goreleaser.yaml docker-compose.yml "
    "docker-compose.yaml compose.yml compose.yaml vendor testdata .vscode .idea .circleci Taskfile.yml "
    "renovate.json .pre-commit-config.yaml CODEOWNERS docs hack scripts test tests examples .air.toml "
    "Jenkinsfile Procfile skaffold.yaml cloudbuild.yaml".split()
)


def _not_source(view: View, facts: StageFacts, module: str) -> list[str]:
    """Return the top-level entries of the module that hold more than Go source."""
    root = facts.end.origin(module)
    if root is None:
        return []
    entries: dict[str, bool] = {}
    for file in view.context.files(root):
        inside = posixpath.relpath(file, root or ".")
        top = inside.split("/")[0]
        is_source = inside.endswith((".go", ".md", ".mod", ".sum", ".s", ".c", ".h", ".proto"))
        entries[top] = entries.get(top, False) or not is_source
    return [
        posixpath.join(module, name)
        for name, has_data in sorted(entries.items())
        if has_data and name not in _NOT_RUN_TIME and not name.startswith(("Dockerfile", "README", "LICENSE"))
    ]


def _tools_of(builds: Sequence[tuple[Fact, Effect, GoBuild]], wants: Wants) -> list[Artifact]:
    started = {posixpath.basename(name) for name, _ in wants.commands}
    return [
        Artifact(build.output, fact.index, "a tool that is started")
        for fact, _, build in builds
        if build.is_external and posixpath.basename(build.output) in started
    ]


def _minimal_files(view: View, facts: StageFacts, wants: Wants, last: int, runtime: str) -> list[Artifact]:
    """Return what scratch lacks and the program uses: certificates, time zones, users, /tmp."""
    found: list[Artifact] = []
    if runtime != "scratch":
        return found
    if _uses_tls(wants.code) and (facts.base.system == "debian" or facts.base.family == "golang"):
        found.append(Artifact("/etc/ssl/certs/ca-certificates.crt", last, "TLS needs the certificates"))
    zones = facts.base.system == "debian" or _installs(facts, "tzdata")
    if zones and (_loads_zones(view, facts) or "TZ" in facts.end.variables):
        found.append(Artifact("/usr/share/zoneinfo", last, "time zones are loaded"))
    if _names_a_user(facts):
        found.append(Artifact("/etc/passwd", last, "USER names a user"))
        found.append(Artifact("/etc/group", last, "USER names a user"))
    if wants.code.writes_temp:
        found.append(Artifact("/tmp", last, "temporary files are made"))
    return found


def _names_a_user(facts: StageFacts) -> bool:
    user = facts.end.user.split(":")[0]
    return bool(user) and not user.isdigit() and user != "root"


def _loads_zones(view: View, facts: StageFacts) -> bool:
    root_files = view.context.files()
    for file in root_files:
        if (
            file.endswith(".go")
            and not file.endswith("_test.go")
            and "LoadLocation" in (view.context.read_text(file) or "")
        ):
            return True
    return False


def _path_prelude(facts: StageFacts, wants: Wants, outputs: Sequence[str]) -> tuple[str, ...]:
    """Return the ENV that keeps a program found by its bare name, where the base's PATH named its folder."""
    for name, _ in wants.commands:
        if "/" in name:
            continue
        for output in outputs:
            folder = posixpath.dirname(output)
            if posixpath.basename(output) == name and folder == "/go/bin":
                return (f'ENV PATH="{folder}:$PATH"\n',)
    return ()


def _first_go(facts: StageFacts) -> int | None:
    return next((fact.index for fact, effect in facts.effects() if effect.tool == "go"), None)


def _dropped(facts: StageFacts, modules: Sequence[str]) -> tuple[str, ...]:
    """Return the folders of the image that hold the modules' source."""
    return tuple(module for module in modules if module != "/")


def _needs_workdir(facts: StageFacts, wants: Wants) -> bool:
    return facts.end.cwd == facts.base.workdir and facts.base.workdir not in ("", "/")


def _unneeded(wants: Wants, outputs: Sequence[str]) -> frozenset[str]:
    """Return the binaries that nothing starts, when something starts another of them."""
    started = {
        output
        for output in outputs
        for name, _ in wants.commands
        if name == output or ("/" not in name and posixpath.basename(output) == name)
    }
    return frozenset(set(outputs) - started) if started else frozenset()


def _provided(command: str, outputs: Sequence[str], artifacts: Sequence[Artifact]) -> str | None:
    for output in (*outputs, *(artifact.path for artifact in artifacts)):
        if command == output or ("/" not in command and posixpath.basename(output) == command):
            return f"{output}, copied"
    return None


ECOSYSTEM = Ecosystem("go", interpret, plan)
