"""Python: pip, poetry, pipenv and uv; virtual environments; what slim images lack.

Where the author installs into the image's own Python, the builder makes a virtual environment at one fixed
path and the final stage copies it; where paths of `/usr/local` are named somewhere, the packages stay there
and are copied from there. Sources: DOMAIN notes in docs, uv's Docker guide, pip's and poetry's documentation.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from msrefactor import variables
from msrefactor.code.needs import EMPTY, CodeNeeds
from msrefactor.code.requirements import read_lock, read_requirements
from msrefactor.commands import option_value
from msrefactor.contract import stage_index
from msrefactor.facts import (
    Effect,
    Fact,
    Role,
    Scope,
    StageFacts,
    base_image_text,
    global_arguments,
    is_under,
    overlaps,
)
from msrefactor.knowledge.images import size_mb, slim_variant
from msrefactor.model import Evidence, Refused, View
from msrefactor.shell import Command
from msrefactor_transforms.knowledge.native import python_native
from msrefactor_transforms.splitting.copies import Copied, copied, place_of
from msrefactor_transforms.splitting.needs import wanted
from msrefactor_transforms.splitting.plan import (
    Artifact,
    Ecosystem,
    Level,
    Missing,
    RuntimePackage,
    SplitPlan,
)

VENV = "/opt/venv"

_PIP_VALUES = frozenset(
    "-c --constraint -i --index-url --extra-index-url -f --find-links --trusted-host --cache-dir "
    "--timeout --retries --progress-bar --no-binary --only-binary --python-version --platform --src "
    "--upgrade-strategy --proxy --cert --log --report --global-option --config-settings -C "
    "--install-option --default-timeout --exists-action --use-feature --use-deprecated --implementation "
    "--abi --root-user-action --build-option --python -p --index --default-index --resolution "
    "--prerelease --link-mode --keyring-provider --extra".split()
)
_INSTALLERS = frozenset("poetry pipenv uv pip-tools virtualenv pdm hatch pipx tox nox".split())
_PLUMBING = frozenset({"pip", "setuptools", "wheel", "setuptools-scm", "build", "cython", "cmake", "ninja"})
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
        return Effect(Role.GATE if action == "check" else Role.NOTHING, tool="pip")
    if action == "cache":
        return Effect(Role.CLEAN, tool="pip")
    if action == "uninstall":
        return Effect(Role.BUILD, tool="pip", reads_only=True, detail=Install("pip", _where(scope, program)))
    if action == "config":
        return Effect(Role.BUILD, tool="pip", reads_only=True, why="configures pip")
    if action in ("wheel", "download"):
        folder = option_value(argv, "-w", "--wheel-dir", "-d", "--dest") or "."
        install = _requirements(argv, words[1:], scope, "pip", "wheels")
        return replace(_effect(install, scope, argv), writes=(scope.path(folder),), why="the wheels")
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
    if varies:
        install = _any_of_the_folder(install, scope)
    return _effect(install, scope, argv)


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
            _read(
                given, scope, names, unknown, files, locals_, is_constraint=option in ("-c", "--constraint")
            )
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
            names.append((_normalised(word), here))
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


def _normalised(requirement: str) -> str:
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
) -> None:
    path = scope.path(given)
    source = scope.origin(path)
    files.append(path)
    if source is None or not scope.context.is_file(source):
        unknown.append(f"{path}, which isn't in the build context")
        return
    read = read_requirements(scope.context, source)
    root = posixpath.dirname(source)
    for file in read.files:
        image = posixpath.normpath(
            posixpath.join(posixpath.dirname(path), posixpath.relpath(file, root or "."))
        )
        if image not in files:
            files.append(image)
    if is_constraint:
        return
    names.extend((name, evidence) for name, _, evidence in read.names)
    unknown.extend(str(line) for line in read.unknown)
    for local in read.local_paths:
        locals_.append(scope.path(local))


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
            yield _normalised(name), Evidence(posixpath.join(source, "pyproject.toml"), None, name)


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
        Role.BUILD, tool=install.tool, reads=reads, reads_only=True, writes=writes, why=why, detail=install
    )


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
            detail = f".python-version asks for Python {pinned}, which isn't the one of {scope.base.reference.text}"
            return Effect(Role.BUILD, tool="uv", refusal=Refused("install-mode", detail), detail=install)
        return Effect(
            Role.BUILD,
            tool="uv",
            reads=files if no_project else (scope.cwd,),
            reads_only=True,
            writes=(scope.path(place),),
            why="the virtual environment",
            detail=install,
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
    )


def _setup_py(rest: Sequence[str | None], scope: Scope, tool: str) -> Effect:
    words = [word or "" for word in rest]
    names = tuple(_project_names(scope.cwd, scope))
    if "build_ext" in words or "develop" in words:
        install = Install(
            "setup.py", _where(scope, tool) if "develop" in words else "in-place", names, is_editable=True
        )
        return Effect(
            Role.BUILD, tool=tool, reads=(scope.cwd,), writes=(scope.cwd,), why="modules built beside the source",
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
        return Effect(
            Role.BUILD,
            tool=tool,
            reads=(scope.cwd,),
            writes=(scope.cwd,),
            why=f"what {action} makes",
            assumption=f"`{action}` of {posixpath.basename(str(words[0]))} writes nothing outside {scope.cwd}",
        )
    return None


def _static_root(scope: Scope) -> tuple[str, ...]:
    """Return the absolute folders that the settings name as STATIC_ROOT; nothing when it lies in the project."""
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


# ------------------------------------------------------------------------------------------------ plan


def plan(view: View, facts: StageFacts) -> SplitPlan | Refused | None:
    """Return how a stage that installs Python packages is split."""
    installs = _installs(facts)
    if not installs:
        return None
    code = _code_needs(view, facts)
    real = [entry for entry in installs if not _is_tools_only(entry[2], code)]
    if not real:
        return None
    base = facts.base
    if base.system in ("unknown", "windows"):
        return Refused(
            "base-unknown",
            f"nothing is known about {base.reference.text}",
            (_evidence(view, facts.facts[0]),),
        )
    if any("conda" in effect.tool for _, effect in facts.effects()):
        return Refused("install-mode", "conda environments are installed")
    image = facts.stage.image
    level, runtime = _runtime_base(facts, image)
    names = [pair for _, _, install in installs for pair in install.names]
    if level is Level.SLIM:
        unreadable = [text for _, _, install in real for text in install.unknown]
        unseen = [text for text in unreadable if text.endswith("which isn't in the build context")]
        if unseen or (unreadable and not view.context.known):
            return Refused("context-unknown", f"what is installed can't be read: {(unseen or unreadable)[0]}")
    packages: list[RuntimePackage] = []
    commands: list[tuple[str, Evidence]] = []
    if level is Level.SLIM:
        for name, evidence in names:
            native = python_native(name)
            if native is None:
                continue
            libraries = native.packages(base.system, base.releases)
            if libraries is None:
                return Refused(
                    "runtime-library", f"which libraries {name} needs on {runtime} isn't known", (evidence,)
                )
            why = f"{name} loads it" if native.is_wheel else f"{name} is linked with it"
            packages.extend(RuntimePackage(package, evidence, why) for package in libraries)
            commands.extend((command, evidence) for command in native.commands)
    code = replace(code, commands=(*code.commands, *commands))
    if level is Level.SLIM and "tkinter" in code.imports:
        return Refused("need-not-found", "tkinter needs Tk, which slim images lack")
    environment = _environment(view, facts, real)
    if isinstance(environment, Refused):
        return environment
    saved = max(0.0, (size_mb(base.reference.text) or 0) - (size_mb(_filled_in(view, runtime)) or 0))
    build_files = _build_files(view, facts, installs)
    return SplitPlan(
        ecosystem="python",
        level=level,
        runtime_image=runtime,
        build_prelude=environment.prelude,
        prelude_before=environment.before,
        runtime_prelude=environment.runtime_prelude,
        artifacts=environment.artifacts,
        edits=environment.edits or {},
        packages=tuple(packages),
        code=code,
        provides=environment.provides,
        build_files=build_files,
        reason=f"install the packages in a builder stage; the final stage starts from {runtime}",
        saved_mb=saved,
    )


def _installs(facts: StageFacts) -> list[tuple[Fact, Effect, Install]]:
    """Return every install, with the environment that it goes to where PATH leads to one made before."""
    found: list[tuple[Fact, Effect, Install]] = []
    made: list[str] = []
    for fact, effect in facts.effects():
        if isinstance(effect.detail, Made):
            made.append(effect.detail.path)
        if not isinstance(effect.detail, Install):
            continue
        install = effect.detail
        if install.where == "system":
            entries = [entry.rstrip("/") for entry in fact.scope.variables.get("PATH", "").split(":")]
            ahead = itertools.takewhile(lambda entry: entry not in ("/usr/local/bin", "/usr/bin"), entries)
            active = next((path for entry in ahead for path in made if entry == f"{path}/bin"), None)
            install = replace(install, where=active) if active is not None else install
        found.append((fact, effect, install))
    return found


def _filled_in(view: View, image: str) -> str:
    return variables.expand(image, global_arguments(view.dockerfile), view.dockerfile.escape)


def _evidence(view: View, fact: Fact) -> Evidence:
    return Evidence(view.name, fact.line, " ".join(fact.instruction.source.split())[:120])


def _is_tools_only(install: Install, code: CodeNeeds = EMPTY) -> bool:
    """Whether only tools that install others are installed, none of which the source imports."""
    if code.imports & {"setuptools", "pkg_resources", "pip", "wheel"}:
        return False
    if install.tool != "pip" or install.files or install.unknown:
        return False
    names = {name for name, _ in install.names}
    return names <= (_INSTALLERS | _PLUMBING)


def _runtime_base(facts: StageFacts, image: str) -> tuple[Level, str]:
    base = facts.base
    if base.family != "python" or base.variant != "full":
        return Level.SHARED, image
    resolved = base.reference.text
    slim = slim_variant(resolved)
    if slim is None:
        return Level.SHARED, image
    if "$" not in image:
        return Level.SLIM, slim
    if slim.startswith(resolved):
        return Level.SLIM, image + slim[len(resolved) :]
    # the release stands at the end: `python:${V}-bookworm` becomes `python:${V}-slim-bookworm`
    tail = slim[len(_common_prefix(resolved, slim)) :]
    old_tail = resolved[len(_common_prefix(resolved, slim)) :]
    if image.endswith(old_tail):
        return Level.SLIM, image[: len(image) - len(old_tail)] + tail
    return Level.SHARED, image


def _common_prefix(one: str, other: str) -> str:
    return posixpath.commonprefix((one, other))


@dataclass(frozen=True, slots=True)
class _Environment:
    """Where the packages are, and what both stages need for it."""

    artifacts: tuple[Artifact, ...]
    prelude: tuple[str, ...] = ()
    before: int | None = None
    runtime_prelude: tuple[str, ...] = ()
    edits: dict[int, tuple[tuple[int, int, str], ...]] | None = None
    folder: str = ""

    def provides(self, command: str) -> str | None:
        """Say where a command of the packages is."""
        name = posixpath.basename(command)
        if self.folder and command.startswith(self.folder + "/"):
            return f"{command}, copied"
        if self.folder and "/" not in command and name in _KNOWN_SCRIPTS:
            return f"{self.folder}/bin, copied"
        return None


_KNOWN_SCRIPTS = frozenset(
    "gunicorn uvicorn flask celery hypercorn daphne waitress-serve uwsgi alembic django-admin streamlit "
    "fastapi honcho dramatiq rq huey mkdocs ansible scrapy airflow gradio chainlit litestar granian "
    "supervisord supervisorctl python python3".split()
)


def _environment(
    view: View, facts: StageFacts, real: Sequence[tuple[Fact, Effect, Install]]
) -> _Environment | Refused:
    """Choose how the packages reach the final stage."""
    explicit: list[Artifact] = []
    system: list[tuple[Fact, Effect, Install]] = []
    for fact, effect, install in real:
        where = install.where
        if where == "poetry":
            where = _poetry_where(facts, fact)
        if where == "system":
            system.append((fact, effect, install))
        elif where.startswith("/"):
            if not fact.scope.is_home_known and is_under(where, fact.scope.home):
                return Refused(
                    "install-mode",
                    f"the home folder of user {fact.scope.user} isn't known",
                    (_evidence(view, fact),),
                )
            explicit.append(Artifact(where, fact.index, "the installed packages"))
    if not system:
        return _Environment(_latest(explicit), folder=explicit[-1].path if explicit else "")
    last = system[-1][0].index
    if facts.base.family == "pypy":
        return Refused(
            "install-mode",
            f"where {facts.base.reference.text} keeps installed packages isn't known",
            (_evidence(view, system[-1][0]),),
            "install into a virtual environment",
        )
    if (facts.base.version or "").partition(".")[0] == "2":
        return Refused(
            "install-mode",
            f"{facts.base.reference.text} has no module to make virtual environments",
            (_evidence(view, system[-1][0]),),
            "move to Python 3",
        )
    hard = _names_system_paths(view, facts)
    if hard is not None or facts.base.family != "python" or not _path_is_inherited(facts):
        return _system_prefix(view, facts, (*explicit,), last, hard)
    first = _first_install(facts)
    edits: dict[int, tuple[tuple[int, int, str], ...]] = {}
    for fact, _, install in system:
        if install.drops_system_flag is not None:
            if fact.offset is None:
                return Refused(
                    "install-mode", "uv's --system can't be taken out of this RUN", (_evidence(view, fact),)
                )
            start, end = fact.offset(*install.drops_system_flag)
            source = fact.instruction.source
            while start > 0 and source[start - 1] == " ":
                start -= 1
            edits[fact.index] = (*edits.get(fact.index, ()), (start, end, ""))
    python = "python3" if facts.base.family != "python" else "python"
    path = f'ENV PATH="{VENV}/bin:$PATH"\n'
    uses_active = any(install.tool in ("poetry", "pipenv", "uv") for _, _, install in system)
    active = f'ENV VIRTUAL_ENV={VENV} PATH="{VENV}/bin:$PATH"\n' if uses_active else path
    artifact = Artifact(VENV, last, "the virtual environment with the installed packages")
    return _Environment(
        (*_latest(explicit), artifact),
        prelude=(f"RUN {python} -m venv {VENV}\n", active),
        before=first,
        runtime_prelude=(path,),
        edits=edits,
        folder=VENV,
    )


def _latest(artifacts: Sequence[Artifact]) -> tuple[Artifact, ...]:
    found: dict[str, Artifact] = {}
    for artifact in artifacts:
        found[artifact.path] = artifact
    return tuple(found.values())


def _first_install(facts: StageFacts) -> int | None:
    """Return the first instruction that installs into the environment: not the installers themselves."""
    for fact in facts.facts:
        for effect in fact.effects:
            if isinstance(effect.detail, Install):
                names = {name for name, _ in effect.detail.names}
                if not (_is_tools_only(effect.detail) and names & _INSTALLERS):
                    return fact.index
    return None


def _poetry_where(facts: StageFacts, fact: Fact) -> str:
    """Return where poetry installs: the image's own Python, the project, or its own folder of environments."""
    settings = dict(fact.scope.variables)
    for other in facts.facts[: fact.index + 1]:
        for effect in other.effects:
            if isinstance(effect.detail, tuple) and effect.detail[:1] == ("poetry",):
                settings.update(dict(effect.detail[1]))
    # an active environment counts before every setting
    if settings.get("VIRTUAL_ENV"):
        return fact.scope.path(settings["VIRTUAL_ENV"])
    toml = fact.scope.read(fact.scope.path("poetry.toml")) or ""
    create = settings.get("POETRY_VIRTUALENVS_CREATE", "true").lower()
    if create in ("false", "0") or re.search(r"^\s*create\s*=\s*false", toml, re.M):
        return "system"
    in_project = settings.get("POETRY_VIRTUALENVS_IN_PROJECT", "").lower()
    if in_project in ("true", "1") or re.search(r"^\s*in-project\s*=\s*true", toml, re.M):
        return fact.scope.path(".venv")
    folder = settings.get("POETRY_VIRTUALENVS_PATH")
    return fact.scope.path(folder) if folder else f"{fact.scope.home}/.cache/pypoetry/virtualenvs"


def _path_is_inherited(facts: StageFacts) -> bool:
    """Whether every ENV that sets PATH keeps what was in it."""
    for fact in facts.facts:
        if fact.keyword != "ENV":
            continue
        for key, value in fact.instruction.pairs:
            if key == "PATH" and "$PATH" not in (value or "") and "${PATH" not in (value or ""):
                return False
    return True


_SYSTEM_MARKS = ("/usr/local/bin/", "/usr/local/lib/python", "/usr/local/share/")


def _names_system_paths(view: View, facts: StageFacts) -> Evidence | None:
    """Return the first place that names a path of the image's own Python, which a virtual environment moves."""
    own = {placed.destination for fact in facts.facts for placed in fact.placed}
    for fact in facts.facts:
        text = fact.instruction.source
        for mark in _SYSTEM_MARKS:
            for match in re.finditer(re.escape(mark) + r"[\w.\-/]*", text):
                path = match.group(0).rstrip("/")
                known = any(is_under(path, one) or path == one for one in own)
                made = any(is_under(path, w) for _, e in facts.effects() for w in e.writes)
                if (
                    not known
                    and not made
                    and fact.keyword not in ("COPY", "ADD")
                    and path != "/usr/local/bin"
                ):
                    return Evidence(view.name, fact.line, " ".join(text.split())[:120])
    for use in view.uses:
        joined = " ".join((*(use.argv or ()), use.shell or ""))
        if "/usr/local/bin/" in joined or "/usr/local/lib/python" in joined:
            return use.evidence
    starts = wanted(view, facts)
    for name, evidence in starts.commands:
        if name.startswith("/usr/local/bin/") and name not in own:
            return evidence
        if posixpath.basename(name) in ("cron", "crond", "su", "sudo", "runuser", "supervisord"):
            # these start programs with a PATH of their own
            return evidence
    return _shebang(facts)


def _shebang(facts: StageFacts) -> Evidence | None:
    context = facts.end.context
    for file in context.files():
        if not file.endswith((".py", ".sh", ".conf", ".ini", ".cfg")) and "." in posixpath.basename(file):
            continue
        text = context.read_text(file)
        if text is None or "/usr/local/" not in text:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if "/usr/local/bin/python" in line or "/usr/local/lib/python" in line:
                return Evidence(file, number, line.strip()[:120])
    return None


def _system_prefix(
    view: View, facts: StageFacts, explicit: tuple[Artifact, ...], last: int, reason: Evidence | None
) -> _Environment | Refused:
    """Copy the packages from where the image's own Python has them."""
    base = facts.base
    why = "the installed packages"
    if base.family == "python":
        match = re.match(r"3\.\d+", base.version or "")
        if match is None:
            return Refused(
                "install-mode",
                f"which Python {base.reference.text} has isn't written in its tag, and paths of it are named",
                (reason,) if reason else (),
                "write the minor version into the tag, for example python:3.12",
            )
        folder = f"/usr/local/lib/python{match.group(0)}/site-packages"
    elif (base.system == "debian" and base.release in _DEBIAN_PYTHON) or (
        base.system == "ubuntu" and base.release in _DEBIAN_PYTHON
    ):
        folder = f"/usr/local/lib/python{_DEBIAN_PYTHON[base.release]}/dist-packages"
    else:
        return Refused("unknown-release", f"which Python {base.reference.text} has isn't known")
    artifacts = (
        *_latest(explicit),
        Artifact(folder, last, why),
        Artifact("/usr/local/bin", last, "the commands of the installed packages"),
    )
    return _Environment(artifacts, folder="/usr/local")


_DEBIAN_PYTHON = {
    "bullseye": "3.9",
    "bookworm": "3.11",
    "trixie": "3.13",
    "focal": "3.8",
    "jammy": "3.10",
    "noble": "3.12",
}
"""The `python3` of each release, from its package index."""


def _code_needs(view: View, facts: StageFacts) -> CodeNeeds:
    if not view.context.known:
        return EMPTY
    from msrefactor.code.python import python_needs_of

    sources: list[str] = []
    for fact in facts.facts:
        for placed in fact.placed:
            if placed.is_folder:
                sources.extend(f for f in view.context.files(placed.source) if f.endswith(".py"))
            elif placed.source.endswith(".py"):
                sources.append(placed.source)
    return python_needs_of(view.context, tuple(dict.fromkeys(sources)))


def _build_files(
    view: View, facts: StageFacts, installs: Sequence[tuple[Fact, Effect, Install]]
) -> frozenset[str]:
    """Return the manifests that nothing but the install reads: no file that runs names them."""
    wanted_files = {file for _, _, install in installs for file in install.files if not file.endswith("/")}
    wanted_files |= _installer_binaries(view, facts)
    if not view.context.known:
        return frozenset()
    texts: list[tuple[str, str]] = []
    for fact in facts.facts:
        for placed in fact.placed:
            names = view.context.files(placed.source) if placed.is_folder else (placed.source,)
            for name in names:
                if name.endswith((".py", ".sh", ".cfg", ".toml", ".ini")) and len(texts) < 5000:
                    texts.append((name, view.context.read_text(name) or ""))
    kept: set[str] = set()
    for file in wanted_files:
        name = posixpath.basename(file)
        if any(
            name in text
            for source, text in texts
            if posixpath.basename(source) not in (name, "setup.py", "pyproject.toml")
        ):
            continue
        kept.add(file)
    return frozenset(kept)


def _installer_binaries(view: View, facts: StageFacts) -> set[str]:
    """Return uv's own binaries where they are copied from its image and nothing that runs starts uv."""
    if any(posixpath.basename(name) in ("uv", "uvx") for name, _ in wanted(view, facts).commands):
        return set()
    found: set[str] = set()
    for fact in facts.facts:
        if fact.from_stage is not None and "astral-sh/uv" in fact.from_stage and fact.destination:
            for word in fact.instruction.words[:-1]:
                found.add(posixpath.join(fact.destination, posixpath.basename(word.text)))
            found.add(fact.destination)
    return found


# ------------------------------------------------------------------------------------- several stages


def missing(view: View, stages: Sequence[StageFacts]) -> Sequence[Missing] | Refused:
    """Return the packages that an earlier stage installed and the final stage imports but doesn't have."""
    final = stages[-1]
    if final.base.family != "python" or any(
        isinstance(effect.detail, Install)
        for stage in _lineage(view, stages)
        for _, effect in stage.effects()
    ):
        return ()
    copies = copied(view, len(stages) - 1, final)
    from_stages = {copy.stage for copy in copies} or set(range(len(stages) - 1))
    for index in sorted(from_stages):
        facts = stages[index]
        if facts.base.family != "python":
            continue
        real = [entry for entry in _installs(facts) if not _is_tools_only(entry[2])]
        if not real:
            continue
        found = _missing_packages(view, index, facts, final, copies, real)
        if found is not None:
            return found
    return ()


def _lineage(view: View, stages: Sequence[StageFacts]) -> Iterable[StageFacts]:
    """Yield the final stage and the stages that it builds on, one after the other."""
    index: int | None = len(stages) - 1
    while index is not None:
        yield stages[index]
        index = stage_index(view.dockerfile, base_image_text(view.dockerfile, stages[index].stage), index)


def _missing_packages(
    view: View,
    index: int,
    facts: StageFacts,
    final: StageFacts,
    copies: Sequence[Copied],
    real: Sequence[tuple[Fact, Effect, Install]],
) -> Sequence[Missing] | Refused | None:
    environment = _environment(view, facts, real)
    if isinstance(environment, Refused):
        return None
    if all(place_of(artifact.path, index, copies) is not None for artifact in environment.artifacts):
        return None
    wheres = {install.where for _, _, install in real}
    site = ("/usr/local/lib", "/usr/lib", "/usr/local", VENV)
    if "system" in wheres and any(
        copy.stage == index and any(overlaps(copy.source, folder) for folder in site) for copy in copies
    ):
        return None
    explicit = [path for path in wheres if path.startswith("/")]
    if explicit and all(place_of(path, index, copies) is not None for path in explicit):
        return None
    if any("wheel" in (install.where or "") for _, _, install in real):
        return None
    evidence = _import_evidence(view, facts, final, index, copies, real)
    if evidence is None:
        return None
    if facts.base.version != final.base.version or facts.base.system != final.base.system:
        return Refused(
            "unknown-release",
            f"the packages are installed on {facts.base.reference.text} and the final stage is on "
            f"{final.base.reference.text}",
            evidence,
            "use the same Python and the same distribution in both stages",
        )
    found = []
    for artifact in environment.artifacts:
        reason = f"copy the installed packages to the final stage: {evidence[0].text} fails without them"
        destination, flags = _for_its_user(artifact.path, facts, final)
        found.append(
            Missing(
                index,
                artifact.path,
                destination,
                reason,
                evidence,
                flags=flags,
                build_prelude=environment.prelude,
                prelude_before=environment.before if environment.prelude else None,
                runtime_prelude=environment.runtime_prelude,
                edits=environment.edits or {},
            )
        )
        environment = replace(environment, prelude=(), runtime_prelude=(), edits=None)
    return found


def _for_its_user(path: str, facts: StageFacts, final: StageFacts) -> tuple[str, str]:
    """Return where a user's packages go and the flags of the copy: into the home of who runs the program."""
    home, user = final.end.home, final.end.user
    if (
        not path.startswith("/root/")
        or user.split(":")[0] in ("root", "0", "")
        or not final.end.is_home_known
    ):
        return path, ""
    return home + path[len("/root") :], f"--chown={user}"


def _import_evidence(
    view: View,
    facts: StageFacts,
    final: StageFacts,
    index: int,
    copies: Sequence[Copied],
    real: Sequence[tuple[Fact, Effect, Install]],
) -> tuple[Evidence, ...] | None:
    """Return the proof that the final stage needs the packages: an import, or a command of one of them."""
    names = {name: evidence for _, _, install in real for name, evidence in install.names}
    for name, evidence in wanted(view, final).commands:
        command = posixpath.basename(name)
        if _normalised(command) in names:
            return (Evidence(evidence.file, evidence.line, f"`{command}`"), names[_normalised(command)])
    from msrefactor.code.python import python_needs

    for stage in (facts, final):
        for fact in stage.facts:
            for placed in fact.placed:
                if stage is facts and place_of(placed.destination, index, copies) is None:
                    continue
                files = view.context.files(placed.source) if placed.is_folder else (placed.source,)
                for file in files:
                    if not file.endswith(".py"):
                        continue
                    read = python_needs(file, view.context.read_text(file) or "")
                    for module in sorted(read.imports if read else ()):
                        if _normalised(module) in names:
                            place = Evidence(file, _line_of_import(view, file, module), f"import {module}")
                            return (place, names[_normalised(module)])
    return None


def _line_of_import(view: View, file: str, module: str) -> int | None:
    for number, line in enumerate((view.context.read_text(file) or "").splitlines(), 1):
        words = line.split()
        if len(words) > 1 and words[0] in ("import", "from") and words[1].split(".")[0].rstrip(",") == module:
            return number
    return None


ECOSYSTEM = Ecosystem("python", interpret, plan, missing)
