"""What the commands of Go's tools do, and which binary they leave where.

Sources: the go command's documentation ("Compile packages and dependencies", "Package lists and patterns"),
the release notes for `go get`, make's manual for the plain recipes that are followed.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msrefactor.facts import Effect, Role, Scope, is_under
from msrefactor.model import Refused
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems._go_installs import FETCH_VARIABLES, fetched_by, of_download

_VALUES = frozenset(
    "-o -p -ldflags -gcflags -asmflags -tags -mod -modfile -overlay -pkgdir -toolexec -buildmode "
    "-compiler -gccgoflags -installsuffix -covermode -coverpkg -pgo -C -exec -run -timeout -count "
    "-bench -vet -buildvcs-value".split()
)
_GATES = frozenset("golangci-lint staticcheck gofmt golint govulncheck gosec revive".split())
_GENERATORS = frozenset(
    "swag templ wire sqlc protoc buf mockgen stringer ent packr packr2 statik rice oapi-codegen".split()
)
_LIBRARY_MODES = frozenset("archive c-archive c-shared shared plugin".split())


@dataclass(frozen=True, slots=True)
class GoBuild:
    """One command that links a binary."""

    folder: str
    """The folder of the image that the command runs in."""
    output: str
    cgo: bool | None
    """What CGO_ENABLED said; None: it isn't set."""
    packages: tuple[str, ...] | None = None
    """The folders of the image that hold the main packages; None: not known."""
    is_external: bool = False
    """Whether it is some module's tool and not this project's program."""
    linker_flags: str = ""
    needs_loader: bool = False
    """Whether the binary asks for a dynamic loader whatever it is linked with (`-buildmode=pie`, `-race`)."""


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of Go's tools does."""
    name = argv[0] if argv else None
    if name is None:
        return None
    tool = posixpath.basename(name)
    if tool in _GATES:
        return Effect(Role.GATE, tool=tool, reads=(scope.cwd,), reads_only=True)
    if tool == "make":
        from msrefactor_transforms.ecosystems._go_make import made

        return made(argv, scope)
    if scope.base.family == "golang" and tool in (*_GENERATORS, "upx", "strip"):
        why = {"upx": "compresses the binary", "strip": "strips the binary"}
        return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), why=why.get(tool, f"what {tool} generates"))
    if tool != "go":
        return None
    effect = _go(list(argv[1:]), scope)
    # a variable that is set for this command alone wouldn't be there when the modules are fetched
    texts = (*(name for name, _ in command.assignments), *(word.text for word in command.words))
    is_alone = any(name.partition("=")[0] in FETCH_VARIABLES for name in texts)
    return replace(effect, fetched_by="") if effect is not None and is_alone else effect


def _go(words: list[str | None], scope: Scope) -> Effect | None:
    if words[:1] == ["-C"] and len(words) > 2 and words[1] is not None:
        scope = replace(scope, cwd=scope.path(words[1]))
        words = words[2:]
    action = words[0] if words else None
    rest = words[1:]
    if action in ("build", "install"):
        effect = _build(action, rest, scope)
        is_tool = isinstance(effect.detail, GoBuild) and effect.detail.is_external
        return effect if is_tool else replace(effect, fetched_by=fetched_by(rest, scope))
    if action == "get" and _get_installs(rest, scope):
        return _build("install", [word for word in rest if word not in ("-u", "-v", "-t")], scope)
    if action == "mod":
        if rest[:1] in (["download"], ["verify"]):
            known = of_download(rest[1:], scope)
            reads: tuple[str, ...] = (scope.cwd,)
            if not has_local_modules(scope):
                reads = tuple(p for p in (scope.path("go.mod"), scope.path("go.sum")) if scope.is_file(p))
            return Effect(
                Role.BUILD, tool="go", reads=reads, reads_only=True, why="downloads modules",
                dependencies=known,
            )  # fmt: skip
        return Effect(Role.BUILD, tool="go", reads=(scope.cwd,), reads_only=True, why="prepares the modules")
    if action in ("get", "generate", "work", "tool"):
        return Effect(Role.BUILD, tool="go", reads=(scope.cwd,), reads_only=True, why=f"go {action}")
    if action == "env":
        return _configure(rest)
    if action in ("test", "vet", "fmt", "fix"):
        fetch = fetched_by(rest, scope) if action in ("test", "vet") else ""
        return Effect(Role.GATE, tool="go", reads=(scope.cwd,), reads_only=True, fetched_by=fetch)
    if action in ("version", "list", "help", "doc"):
        return Effect(Role.NOTHING, tool="go")
    if action == "clean":
        return Effect(Role.CLEAN, tool="go")
    return None


def _configure(rest: Sequence[str | None]) -> Effect:
    """`go env -w`: what it sets holds for later RUNs too, unlike a shell's variables."""
    if "-w" not in rest:
        return Effect(Role.NOTHING, tool="go")
    pairs = [word.partition("=")[::2] for word in rest if word and "=" in word]
    moved = [key for key, _ in pairs if key in ("GOBIN", "GOPATH", "GOOS", "GOARCH", "GOFLAGS")]
    if moved:
        return Effect(Role.OPAQUE, tool="go", why=f"`go env -w {moved[0]}` changes what later builds write")
    return Effect(
        Role.BUILD, tool="go", reads_only=True, sets=tuple((k, v) for k, v in pairs), why="configures go"
    )


def has_local_modules(scope: Scope) -> bool:
    """Whether go.mod or go.work names other modules of the build context."""
    text = scope.read(scope.path("go.mod")) or ""
    return bool(re.search(r"=>\s*\.{1,2}/", text)) or scope.is_file(scope.path("go.work"))


def _get_installs(rest: Sequence[str | None], scope: Scope) -> bool:
    """Whether this `go get` installs binaries, as it did up to Go 1.17 and does without modules."""
    if "-d" in rest:
        return False
    version = version_of(scope)
    if version is None or version >= (1, 18):
        return False
    named = [word for word in rest if word and not word.startswith("-")]
    return bool(named) and not any("..." in word for word in named)


def version_of(scope: Scope) -> tuple[int, int] | None:
    """Return the major and minor version of Go; None where the tag floats or the base isn't Go's."""
    parts = (scope.base.version or "").split(".")
    if scope.base.family != "golang" or len(parts) < 2 or not all(part.isdigit() for part in parts[:2]):
        return None
    return int(parts[0]), int(parts[1])


def _build(action: str, rest: Sequence[str | None], scope: Scope) -> Effect:
    output: str | None = None
    packages: list[str] = []
    linker = mode = ""
    is_race = False
    words = list(rest)
    while words:
        word = words.pop(0)
        if word is None:
            continue
        option, equals, value = word.partition("=")
        plain = option.replace("--", "-", 1)
        if plain in _VALUES:
            given = value if equals else (words.pop(0) if words else None)
            if plain == "-o":
                if given is None:
                    return _unknown("the name given with -o isn't known before the build", scope)
                output = given
            elif plain == "-ldflags":
                linker = given or ""
            elif plain == "-buildmode":
                mode = given or ""
            elif plain == "-C" and given:
                scope = replace(scope, cwd=scope.path(given))
        elif plain == "-race":
            is_race = True
        elif not word.startswith("-"):
            packages.append(word)
    os_name = scope.variables.get("GOOS", "linux")
    if os_name not in ("linux", ""):
        return _unknown(f"the binary is for {os_name}", scope)
    if mode in _LIBRARY_MODES:
        return _unknown(f"a library is built (-buildmode={mode})", scope)
    flags = scope.variables.get("GOFLAGS", "")
    cgo_text = scope.variables.get("CGO_ENABLED")
    detail = GoBuild(
        scope.cwd,
        "",
        None if cgo_text is None else cgo_text != "0",
        _package_folders(packages, scope),
        linker_flags=linker,
        needs_loader=is_race or mode == "pie" or "buildmode" in flags or "-race" in flags,
    )
    if action == "install":
        return _installed(packages, scope, detail)
    return _built(output, packages, scope, detail)


def _built(output: str | None, packages: Sequence[str], scope: Scope, detail: GoBuild) -> Effect:
    names = _binary_names(packages, scope)
    if output is None:
        if any("..." in package for package in packages) and not _is_only_package(scope):
            # several packages are compiled as a check, and nothing is written
            return Effect(Role.GATE, tool="go", reads=(scope.cwd,), reads_only=True)
        if names is None or len(names) != 1:
            return _unknown("which binary `go build` writes isn't known", scope)
        return _linked((scope.path(names[0]),), detail, scope)
    path = scope.path(output)
    is_folder = output.endswith("/") or output in (".", "..")
    if is_folder or (scope.origin(path) is not None and not scope.is_file(path)):
        if not names:
            return _unknown("which binary `go build` writes isn't known", scope)
        return _linked(tuple(posixpath.join(path, name) for name in names), detail, scope)
    return _linked((path,), detail, scope)


def _linked(outputs: tuple[str, ...], detail: GoBuild, scope: Scope) -> Effect:
    return Effect(
        Role.BUILD,
        tool="go",
        reads=(scope.cwd,),
        reads_only=True,
        writes=outputs,
        why="the binary",
        detail=replace(detail, output=outputs[0]),
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


def _installed(packages: Sequence[str], scope: Scope, detail: GoBuild) -> Effect:
    folder = scope.variables.get("GOBIN") or posixpath.join(
        scope.variables.get("GOPATH", "/go").split(":")[0], "bin"
    )
    is_remote = [("@" in package) or _is_remote(package, scope) for package in packages]
    if packages and all(is_remote):
        names = [_last_element(package.partition("@")[0]) for package in packages]
        path = posixpath.join(folder, names[0])
        external = replace(detail, output=path, packages=None, is_external=True)
        return Effect(Role.BUILD, tool="go", reads_only=True, why="a tool", detail=external)
    names_here = _binary_names(packages, scope)
    if not names_here:
        return _unknown("which binary `go install` writes isn't known", scope)
    return _linked(tuple(posixpath.join(folder, name) for name in names_here), detail, scope)


def _is_remote(package: str, scope: Scope) -> bool:
    """Whether an import path is of some other project: its first element has a dot and it isn't here."""
    if package.startswith((".", "/")) or "." not in package.partition("/")[0] or package.endswith(".go"):
        return False
    return package_folder(package, scope) is None


def package_folder(package: str, scope: Scope) -> str | None:
    """Return the folder of the image that an import path means, where it came from the build context."""
    for gopath in scope.variables.get("GOPATH", "/go").split(":"):
        folder = posixpath.normpath(posixpath.join(gopath, "src", package))
        if scope.has(folder):
            return folder
    top = module_folder(scope.cwd, scope)
    module = module_path(scope.read(posixpath.join(top, "go.mod")) or "") if top else ""
    if module and top and (package == module or package.startswith(module + "/")):
        return posixpath.normpath(posixpath.join(top, package.removeprefix(module).lstrip("/")))
    return None


def module_folder(folder: str, scope: Scope) -> str | None:
    """Return the folder of the image with the go.mod that holds for a folder."""
    while True:
        if scope.is_file(posixpath.join(folder, "go.mod")):
            return folder
        if folder == "/":
            return None
        folder = posixpath.dirname(folder)


def module_path(text: str) -> str:
    """Return the path that a go.mod gives its module, or nothing."""
    match = re.search(r"^\s*module\s+\"?([^\s\"]+)", text, re.M)
    return match.group(1) if match else ""


def _last_element(path: str) -> str:
    """Return the name that Go gives a binary: the last element of its path, a major version skipped."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if len(parts) > 1 and re.fullmatch(r"v[0-9]+", parts[-1]):
        parts.pop()
    return parts[-1] if parts else ""


def _package_folders(packages: Sequence[str], scope: Scope) -> tuple[str, ...] | None:
    found: list[str] = []
    for package in packages or ["."]:
        if package.endswith(".go"):
            found.append(posixpath.dirname(scope.path(package)))
        elif "..." in package:
            return None
        elif package.startswith((".", "/")):
            found.append(scope.path(package))
        else:
            folder = package_folder(package, scope)
            if folder is None:
                return None
            found.append(folder)
    return tuple(dict.fromkeys(found))


def _is_only_package(scope: Scope) -> bool:
    from msrefactor.code.go_module import go_files

    root = scope.origin(scope.cwd)
    return root is not None and len(go_files(scope.context, root)) == 1


def _binary_names(packages: Sequence[str], scope: Scope) -> list[str] | None:
    """Return the names of the binaries that these packages give; None where one isn't known."""
    from msrefactor.code.go import main_packages

    root = scope.origin(scope.cwd)
    names: list[str] = []
    for package in packages or ["."]:
        if package.endswith(".go"):
            files = [word for word in packages if word.endswith(".go")]
            first = posixpath.basename(files[0]).removesuffix(".go")
            return None if any(char in first for char in "*?[{") else [first]
        if package.endswith("..."):
            start = package.removesuffix("...").rstrip("/").removeprefix("./")
            if root is None:
                return None
            for folder in main_packages(scope.context, root):
                inside = posixpath.relpath(folder or ".", root or ".")
                if scope.origin(posixpath.normpath(posixpath.join(scope.cwd, inside))) is None:
                    continue
                if start in ("", ".") or is_under("/" + inside, "/" + start):
                    names.append(_package_name(scope.path(inside), scope))
        elif package.startswith((".", "/")):
            names.append(_package_name(scope.path(package), scope))
        else:
            names.append(_last_element(package))
    return names if all(names) else None


def _package_name(folder: str, scope: Scope) -> str:
    """Return the name of the binary of the main package in a folder of the image."""
    if scope.is_file(posixpath.join(folder, "go.mod")):
        return _last_element(module_path(scope.read(posixpath.join(folder, "go.mod")) or ""))
    return posixpath.basename(folder)
