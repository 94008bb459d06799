"""What the commands of Python's tools do: pip, poetry, pipenv, uv, setup.py, manage.py."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from msrefactor.code.requirements import read_lock, read_requirements
from msrefactor.commands import option_value
from msrefactor.facts import Effect, Role, Scope, is_under
from msrefactor.model import Evidence, Refused
from msrefactor.shell import Command
from msrefactor_transforms.ecosystems import _python_installs as installs

_PIP_VALUES = frozenset(
    "-c --constraint -i --index-url --extra-index-url -f --find-links --trusted-host --cache-dir "
    "--timeout --retries --progress-bar --no-binary --only-binary --python-version --platform --src "
    "--upgrade-strategy --proxy --cert --log --report --global-option --config-settings -C "
    "--install-option --default-timeout --exists-action --use-feature --use-deprecated --implementation "
    "--abi --root-user-action --build-option --python -p --index --default-index --resolution "
    "--prerelease --link-mode --keyring-provider --extra".split()
)
INSTALLERS = frozenset("poetry pipenv uv pip-tools virtualenv pdm hatch pipx tox nox".split())
PLUMBING = frozenset({"pip", "setuptools", "wheel", "setuptools-scm", "build", "cython", "cmake", "ninja"})
_GATES = frozenset(
    "pytest py.test flake8 mypy black isort pylint ruff bandit coverage tox nox pre-commit safety "
    "pyright".split()
)


@dataclass(frozen=True, slots=True)
class Install:
    """One command that brings Python packages into the image."""

    tool: str
    """`pip`, `poetry`, `pipenv`, `uv` or `setup.py`."""
    where: str
    """`system`, or the folder of a virtual environment or prefix."""
    names: tuple[tuple[str, Evidence], ...] = ()
    """Normalised names of what is installed, as far as files and words tell."""
    is_closed: bool = False
    """Whether `names` is everything, transitive dependencies included."""
    unknown: tuple[str, ...] = ()
    """What is installed that could not be read."""
    is_editable: bool = False
    files: tuple[str, ...] = ()
    """The manifests in the image that it reads."""
    drops_system_flag: tuple[int, int] | None = None
    """Span of uv's `--system` in the script; a virtual environment needs it gone."""


@dataclass(frozen=True, slots=True)
class Made:
    """A virtual environment that the author makes."""

    path: str


def interpret(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a command of Python's tools does."""
    name = argv[0]
    if name is None:
        return None
    tool = posixpath.basename(name)
    if tool in (".", "source"):
        return _activated(argv, scope)
    if re.fullmatch(r"python(\d(\.\d+)?)?|pypy3?", tool):
        return _python(command, argv, scope)
    if re.fullmatch(r"pip(\d(\.\d+)?)?", tool):
        return _pip(command, argv, scope, name)
    if tool == "uv":
        return _uv(command, argv, scope)
    if tool == "poetry":
        return _poetry(argv, scope)
    if tool == "pipenv":
        return _pipenv(argv, scope)
    if tool == "virtualenv":
        return _venv(argv[1:], scope)
    if tool in _GATES:
        return Effect(Role.GATE, tool=tool)
    if tool in ("django-admin", "flask"):
        return _manage(argv, scope, tool)
    if tool == "pip-sync":
        files = [word for word in argv[1:] if word is None or not word.startswith("-")]
        words = [part for file in files or ["requirements.txt"] for part in ("-r", file)]
        return _pip(command, ["pip", "install", *words], scope, "pip")
    if tool == "pip-compile":
        return Effect(Role.BUILD, tool=tool, writes=(), why="pins requirements")
    return None


def _activated(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    script = argv[1] if len(argv) > 1 else None
    if script is None or not script.endswith("/bin/activate"):
        return None
    venv = posixpath.dirname(posixpath.dirname(scope.path(script)))
    path = f"{venv}/bin:{scope.variables.get('PATH', '')}"
    return Effect(Role.NAVIGATE, tool=".", sets=(("VIRTUAL_ENV", venv), ("PATH", path)))


def _where(scope: Scope, program: str) -> str:
    """Return the environment that a program installs into: a virtual environment's folder, or `system`."""
    if "/" in program:
        folder = posixpath.dirname(scope.path(program))
        if folder not in ("/usr/bin", "/usr/local/bin", "/bin"):
            return posixpath.dirname(folder)
        return "system"
    if scope.variables.get("VIRTUAL_ENV"):
        return scope.path(scope.variables["VIRTUAL_ENV"])
    for entry in scope.variables.get("PATH", "").split(":"):
        if entry in ("/usr/local/bin", "/usr/bin"):
            break
        last = posixpath.basename(posixpath.dirname(entry))
        if entry.endswith("/bin") and ("venv" in last or last in ("env", ".env", "virtualenv")):
            return posixpath.dirname(entry)
    return "system"


def _python(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    tool = str(argv[0])
    rest = [word for word in argv[1:] if word not in ("-u", "-B", "-O", "-s", "-E", "-I")]
    if rest[:1] == ["-m"] and len(rest) > 1:
        module = rest[1] or ""
        inner = [module, *rest[2:]]
        if module == "pip":
            return _pip(command, inner, scope, tool)
        if module in ("venv", "virtualenv"):
            return _venv(rest[2:], scope)
        if module in ("pytest", "unittest", "flake8", "mypy", "coverage", "doctest"):
            return Effect(Role.GATE, tool=module)
        if module == "compileall":
            paths = tuple(scope.path(word) for word in rest[2:] if word and not word.startswith("-"))
            return Effect(Role.SETUP, reads=paths, writes=paths or (scope.cwd,))
        if module == "ensurepip":
            return Effect(Role.BUILD, tool=tool, reads_only=True, detail=Install("pip", _where(scope, tool)))
        if module == "spacy" and rest[2:3] == ["download"]:
            return Effect(Role.BUILD, tool=tool, reads_only=True, detail=Install("pip", _where(scope, tool)))
        if module in ("nltk.downloader", "textblob.download_corpora"):
            folder = option_value(rest, "-d", "--dir")
            place = scope.path(folder) if folder else f"{scope.home}/nltk_data"
            return Effect(
                Role.BUILD, tool=tool, reads_only=True, writes=(place,), why="downloads language data"
            )
        if module == "build":
            folder = option_value(rest, "-o", "--outdir") or "dist"
            return Effect(
                Role.BUILD, tool=tool, reads=(scope.cwd,), writes=(scope.path(folder),), why="builds a wheel"
            )
        if module in ("poetry", "pipenv", "uv"):
            return interpret(command, inner, scope)
        if module.startswith("django"):
            return _manage(inner, scope, tool)
        return None
    if rest[:1] == ["-c"]:
        return _code(rest[1] if len(rest) > 1 else None, scope)
    if rest[:1] in (["--version"], ["-V"]):
        return Effect(Role.NOTHING, tool=tool)
    script = rest[0] if rest else None
    if script is None:
        return None
    base = posixpath.basename(script)
    if base == "setup.py":
        return _setup_py(rest, scope, tool)
    if base == "manage.py":
        return _manage(rest, scope, tool)
    return None


def _code(text: str | None, scope: Scope) -> Effect | None:
    """`python -c`: an import that proves something, or nltk's download."""
    if text is None:
        return None
    if "nltk.download(" in text and "download_dir" not in text:
        place = f"{scope.home}/nltk_data"
        return Effect(
            Role.BUILD, tool="python", reads_only=True, writes=(place,), why="downloads language data"
        )
    statements = [part.strip() for part in re.split(r"[;\n]", text) if part.strip()]
    if all(part.startswith(("import ", "from ", "print(", "assert ")) for part in statements):
        return Effect(Role.GATE, tool="python")
    return None


def _venv(words: Sequence[str | None], scope: Scope) -> Effect:
    targets = [word for word in words if word is None or not word.startswith("-")]
    if not targets or targets[-1] is None:
        return Effect(Role.OPAQUE, tool="venv", why="where the virtual environment goes isn't known")
    path = scope.path(targets[-1])
    return Effect(
        Role.BUILD,
        tool="python",
        reads_only=True,
        writes=(path,),
        why="the virtual environment",
        detail=Made(path),
    )


def _pip(command: Command, argv: Sequence[str | None], scope: Scope, program: str) -> Effect | None:
    words = list(argv[1:])
    while words and words[0] is not None and words[0].startswith("-"):
        words.pop(0)
    action = words[0] if words else None
    if action in ("list", "show", "check", "freeze", "debug", "help", "index", "inspect"):
        role = Role.GATE if action == "check" else Role.NOTHING
        return Effect(role, tool="pip", reads_only=True)
    if action == "cache":
        return Effect(Role.CLEAN, tool="pip")
    if action == "uninstall":
        return Effect(Role.BUILD, tool="pip", reads_only=True, detail=Install("pip", _where(scope, program)))
    if action == "config":
        return Effect(Role.BUILD, tool="pip", reads_only=True, why="configures pip")
    if action in ("wheel", "download"):
        folder = option_value(argv, "-w", "--wheel-dir", "-d", "--dest") or "."
        install = _requirements(argv, words[1:], scope, "pip", "wheels")
        made = (scope.path(folder),)
        effect = _effect(install, scope, argv)
        known = effect.dependencies
        return replace(
            effect, writes=made, why="the wheels", dependencies=replace(known, writes=made) if known else None
        )
    if action != "install":
        return None
    where = _where(scope, program)
    varies = any(word.variables & scope.arguments for word in command.words)
    target = (
        option_value(argv, "-t", "--target") or option_value(argv, "--prefix") or option_value(argv, "--root")
    )
    if target is not None:
        where = scope.path(target)
    elif "--user" in argv or (where == "system" and scope.user.split(":")[0] not in ("root", "0")):
        where = f"{scope.home}/.local"
    install = _requirements(argv, words[1:], scope, "pip", where)
    if not varies:
        return _effect(install, scope, argv)
    effect = _effect(_any_of_the_folder(install, scope), scope, argv)
    varying = [scope.value(word) for word in command.words if word.variables & scope.arguments]
    chosen = {scope.path(word.partition("=")[2] or word) for word in varying if word} & set(install.files)
    known = installs.of_pip(install.files, install.unknown, where, scope)
    return replace(effect, dependencies=installs.chosen_by_argument(known, tuple(chosen), scope))


def _any_of_the_folder(install: Install, scope: Scope) -> Install:
    """Return an install whose requirements file the caller chooses by a build argument: any beside it."""
    names, files = list(install.names), list(install.files)
    for file in install.files:
        source = scope.origin(file)
        if file.endswith("/") or source is None:
            continue
        folder = posixpath.dirname(source)
        files.append(posixpath.dirname(file) + "/")
        for other in scope.context.files(folder):
            if posixpath.dirname(other) == folder and other.endswith((".txt", ".in")):
                read = read_requirements(scope.context, other)
                names.extend((name, evidence) for name, _, evidence in read.names)
    return replace(install, names=tuple(names), files=tuple(files))


def _requirements(
    argv: Sequence[str | None], words: Sequence[str | None], scope: Scope, tool: str, where: str
) -> Install:
    """Read what `pip install` was given: names, requirement files, folders, URLs."""
    names: list[tuple[str, Evidence]] = []
    unknown: list[str] = []
    files: list[str] = []
    locals_: list[str] = []
    editable = False
    rest = list(words)
    here = Evidence("Dockerfile", None, " ".join(word or "?" for word in argv))
    while rest:
        word = rest.pop(0)
        if word is None:
            unknown.append("a word that isn't known before the build")
            continue
        option, _, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if option in ("-r", "--requirement", "-c", "--constraint") or (
            word[:2] in ("-r", "-c") and len(word) > 2
        ):
            inline = value or (word[2:] if not word.startswith("--") and len(word) > 2 else "")
            given = inline or (rest.pop(0) if rest else None)
            if given is None:
                unknown.append("a requirements file that isn't known before the build")
                continue
            is_constraint = option in ("-c", "--constraint")
            if _read(given, scope, names, unknown, files, locals_, is_constraint=is_constraint):
                editable = True
        elif option in ("-e", "--editable"):
            editable = True
            given = value or (rest.pop(0) if rest else None)
            _local(given, scope, locals_, unknown)
        elif word.startswith("-"):
            if option in _PIP_VALUES and not value and rest and "=" not in word:
                rest.pop(0)
        elif "://" in word or word.startswith("git+"):
            unknown.append(word)
        elif (
            word.startswith((".", "/"))
            or word.endswith((".whl", ".tar.gz", ".zip"))
            or "/" in word.partition("[")[0]
        ):
            _local(word, scope, locals_, unknown)
        else:
            names.append((normalised(word), here))
    for path in locals_:
        if not path.endswith((".whl", ".tar.gz", ".zip")):
            names.extend(_project_names(path, scope))
    return Install(
        tool,
        where,
        tuple(names),
        unknown=tuple(unknown),
        is_editable=editable,
        files=(*files, *(f"{path}/" for path in locals_)),
    )


def normalised(requirement: str) -> str:
    name = re.split(r"[\[<>=!~;@ ]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(
    given: str,
    scope: Scope,
    names: list[tuple[str, Evidence]],
    unknown: list[str],
    files: list[str],
    locals_: list[str],
    is_constraint: bool,
) -> bool:
    """Read a requirements file; say whether it installs something by reference to its source."""
    path = scope.path(given)
    source = scope.origin(path)
    files.append(path)
    if source is None or not scope.context.is_file(source):
        unknown.append(f"{path}, which isn't in the build context")
        return False
    read = read_requirements(scope.context, source)
    root = posixpath.dirname(source)
    for file in read.files:
        image = posixpath.normpath(
            posixpath.join(posixpath.dirname(path), posixpath.relpath(file, root or "."))
        )
        if image not in files:
            files.append(image)
    if is_constraint:
        return False
    names.extend((name, evidence) for name, _, evidence in read.names)
    unknown.extend(str(line) for line in read.unknown)
    locals_.extend(scope.path(local) for local in read.local_paths)
    return read.editable


def _local(given: str | None, scope: Scope, locals_: list[str], unknown: list[str]) -> None:
    if given is None:
        unknown.append("a folder that isn't known before the build")
        return
    text = given.partition("[")[0]
    if "://" in text and not text.startswith("file://"):
        unknown.append(given)
        return
    locals_.append(scope.path(text.removeprefix("file://")))


def _project_names(path: str, scope: Scope) -> Iterable[tuple[str, Evidence]]:
    """Yield the dependencies that the project in a folder of the image declares."""
    source = scope.origin(path)
    if source is None:
        return
    from msrefactor.code.python import read_setup

    read = read_setup(scope.context, source)
    if read is not None:
        for name in (*read.dependencies, *(name for extra in read.extras.values() for name in extra)):
            yield normalised(name), Evidence(posixpath.join(source, "pyproject.toml"), None, name)


def _effect(install: Install, scope: Scope, argv: Sequence[str | None]) -> Effect:
    folders = tuple(file.rstrip("/") for file in install.files if file.endswith("/"))
    reads = tuple(file.rstrip("/") or "/" for file in install.files)
    writes: tuple[str, ...] = ()
    if install.where.startswith("/"):
        writes = (install.where,)
    if install.is_editable:
        # setuptools leaves the project's metadata beside its source
        writes = (*writes, *folders)
    why = "the installed packages"
    return Effect(
        Role.BUILD, tool=install.tool, reads=reads, reads_only=True, writes=writes, why=why, detail=install,
        dependencies=installs.of_pip(install.files, install.unknown, install.where, scope),
    )  # fmt: skip


def _manifests(scope: Scope, *names: str) -> tuple[str, ...]:
    found = []
    for name in names:
        path = scope.path(name)
        if scope.is_file(path):
            found.append(path)
    return tuple(found)


def _locked(scope: Scope, lock: str, *manifests: str) -> tuple[tuple[tuple[str, Evidence], ...], bool]:
    source = scope.origin(scope.path(lock))
    if source is not None and scope.context.is_file(source):
        read = read_lock(scope.context, source)
        return tuple((name, evidence) for name, _, evidence in read.names), not read.unknown
    return (), False


def _uv(command: Command, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = [word for word in argv[1:] if word is None or not word.startswith("-")]
    action = words[0] if words else None
    if action == "pip":
        inner = ["pip", *argv[argv.index("pip") + 1 :]]
        is_system = "--system" in inner or scope.variables.get("UV_SYSTEM_PYTHON") in ("1", "true")
        kept = [word for word in inner if word not in ("--system", "--break-system-packages")]
        effect = _pip(command, kept, scope, "pip")
        if effect is None or not isinstance(effect.detail, Install):
            return effect
        target = option_value(inner, "--python", "-p")
        where = "system" if is_system else effect.detail.where
        if target is not None and target.startswith("/"):
            where = _where(scope, target)
        span = next(((w.start, w.end) for w in command.words if w.text == "--system"), None)
        install = replace(effect.detail, tool="uv", where=where, drops_system_flag=span)
        return _effect(install, scope, argv)
    if action == "venv":
        target = words[1] if len(words) > 1 else ".venv"
        return _venv((target,), scope)
    if action == "sync":
        place = scope.variables.get("UV_PROJECT_ENVIRONMENT") or ".venv"
        names, closed = _locked(scope, "uv.lock")
        files = _manifests(scope, "pyproject.toml", "uv.lock", ".python-version", "README.md", "uv.toml")
        no_project = any(
            w in ("--no-install-project", "--no-install-workspace", "--no-install-local") for w in argv
        )
        install = Install("uv", scope.path(place), names, closed, files=files)
        pinned = (scope.read(scope.path(".python-version")) or "").strip()
        version = scope.base.version or ""
        if pinned and version and not (pinned.startswith(version) or version.startswith(pinned)):
            image = scope.base.reference.text
            detail = f".python-version asks for Python {pinned}, which isn't the one of {image}"
            return Effect(Role.BUILD, tool="uv", refusal=Refused("install-mode", detail), detail=install)
        return Effect(
            Role.BUILD,
            tool="uv",
            reads=files if no_project else (scope.cwd,),
            reads_only=True,
            writes=(scope.path(place),),
            why="the virtual environment",
            detail=install,
            dependencies=installs.of_uv(argv, scope.path(place), scope),
        )
    if action in ("python", "tool", "run", "add", "build", "export", "lock"):
        if action in ("lock", "export"):
            return Effect(Role.BUILD, tool="uv", reads=(scope.cwd,), writes=(), why="pins requirements")
        return None
    return Effect(Role.NOTHING, tool="uv") if action in ("cache", "version", None) else None


def _poetry(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = [word for word in argv[1:] if word is None or not word.startswith("-")]
    action = words[0] if words else None
    if action == "config":
        key = words[1] if len(words) > 1 else ""
        value = words[2] if len(words) > 2 else ""
        sets: tuple[tuple[str, str], ...] = ()
        if key == "virtualenvs.create":
            sets = (("POETRY_VIRTUALENVS_CREATE", str(value)),)
        elif key == "virtualenvs.in-project":
            sets = (("POETRY_VIRTUALENVS_IN_PROJECT", str(value)),)
        return Effect(
            Role.BUILD,
            tool="poetry",
            reads_only=True,
            why="configures poetry",
            sets=sets,
            detail=("poetry", sets),
        )
    if action in ("install", "sync"):
        names, closed = _locked(scope, "poetry.lock")
        files = _manifests(scope, "pyproject.toml", "poetry.lock", "poetry.toml")
        install = Install("poetry", "poetry", names, closed, files=files)
        no_root = "--no-root" in argv
        return Effect(
            Role.BUILD,
            tool="poetry",
            reads=files if no_root else (scope.cwd,),
            reads_only=True,
            why="the installed packages",
            detail=install,
            dependencies=installs.of_poetry(argv, scope),
        )
    if action == "export":
        output = option_value(argv, "-o", "--output")
        files = _manifests(scope, "pyproject.toml", "poetry.lock")
        made = (scope.path(output),) if output else ()
        return Effect(
            Role.BUILD, tool="poetry", reads=files, reads_only=True, writes=made, why="the requirements"
        )
    if action == "build":
        return Effect(
            Role.BUILD, tool="poetry", reads=(scope.cwd,), writes=(scope.path("dist"),), why="builds a wheel"
        )
    if action in ("check", "show", "env", "version", "about", "lock", "self"):
        return Effect(Role.GATE if action == "check" else Role.BUILD, tool="poetry", reads=(scope.cwd,))
    return None


def _pipenv(argv: Sequence[str | None], scope: Scope) -> Effect | None:
    words = [word for word in argv[1:] if word is None or not word.startswith("-")]
    action = words[0] if words else None
    if action not in ("install", "sync"):
        return None
    names, closed = _locked(scope, "Pipfile.lock")
    files = _manifests(scope, "Pipfile", "Pipfile.lock")
    in_project = scope.variables.get("PIPENV_VENV_IN_PROJECT", "") not in ("", "0")
    where = f"{scope.home}/.local/share/virtualenvs"
    if "--system" in argv:
        where = _where(scope, "pipenv")
    elif in_project:
        where = scope.path(".venv")
    install = Install("pipenv", where, names, closed, files=files)
    writes = (where,) if where.startswith("/") else ()
    return Effect(
        Role.BUILD,
        tool="pipenv",
        reads=files,
        reads_only=True,
        writes=writes,
        why="the installed packages",
        detail=install,
        dependencies=installs.of_pipenv(argv, words, where, scope),
    )


def _setup_py(rest: Sequence[str | None], scope: Scope, tool: str) -> Effect:
    words = [word or "" for word in rest]
    names = tuple(_project_names(scope.cwd, scope))
    if "build_ext" in words or "develop" in words:
        install = Install(
            "setup.py", _where(scope, tool) if "develop" in words else "in-place", names, is_editable=True
        )
        return Effect(
            Role.BUILD,
            tool=tool,
            reads=(scope.cwd,),
            writes=(scope.cwd,),
            why="modules built beside the source",
            detail=install,
        )  # fmt: skip
    if "install" in words:
        return Effect(
            Role.BUILD, tool=tool, reads=(scope.cwd,), reads_only=True, why="the installed packages",
            detail=Install("setup.py", _where(scope, tool), names),
        )  # fmt: skip
    return Effect(Role.BUILD, tool=tool, reads=(scope.cwd,), writes=(scope.cwd,), why="what setup.py builds")


def _manage(words: Sequence[str | None], scope: Scope, tool: str) -> Effect | None:
    """Django's and Flask's own commands: they write below the project, or where STATIC_ROOT says."""
    action = next((word for word in words[1:] if word and not word.startswith("-")), None)
    if action in ("check", "test", "makemigrations", "showmigrations", "diffsettings"):
        return Effect(Role.GATE, tool=tool)
    if action in ("collectstatic", "compress"):
        outside = _static_root(scope)
        return Effect(
            Role.BUILD,
            tool=tool,
            reads=(scope.cwd,),
            writes=outside or (scope.cwd,),
            why="the collected static files",
            detail=action,
        )
    if action in (
        "compilemessages",
        "migrate",
        "loaddata",
        "createcachetable",
        "tailwind",
        "digest",
        "assets",
        "db",
    ):
        return Effect(
            Role.BUILD, tool=tool, reads=(scope.cwd,), writes=(scope.cwd,), why=f"what {action} makes"
        )
    if action is not None:
        program = posixpath.basename(str(words[0]))
        return Effect(
            Role.BUILD,
            tool=tool,
            reads=(scope.cwd,),
            writes=(scope.cwd,),
            why=f"what {action} makes",
            assumption=f"`{program} {action}` writes nothing outside {scope.cwd}",
        )
    return None


def _static_root(scope: Scope) -> tuple[str, ...]:
    """Return the absolute folders that the settings name as STATIC_ROOT, if they name any."""
    found: list[str] = []
    for placed in scope.placed:
        if not placed.is_folder:
            continue
        for file in scope.context.files(placed.source):
            if "settings" not in file or not file.endswith(".py"):
                continue
            for line in (scope.context.read_text(file) or "").splitlines():
                if line.strip().startswith("STATIC_ROOT"):
                    match = re.search(r"""["'](/[^"']+)["']""", line)
                    if match and "BASE_DIR" not in line and "join" not in line:
                        found.append(posixpath.normpath(match.group(1)))
    if not found:
        return ()
    inside = scope.cwd
    return (inside,) if any(is_under(path, inside) for path in found) else (inside, *dict.fromkeys(found))
