"""What the Python programs of an image need: distributions, modules, commands, libraries, files.

Importing would run code, so modules are looked up on the paths where the interpreter would look: the folder
of the program, PYTHONPATH, and the site-packages of the interpreters and virtual environments in the image.
"""

from __future__ import annotations

import csv
import posixpath
import sys
from collections.abc import Iterator

from msrefactor.code.needs import CodeNeeds
from msrefactor.code.python import is_skipped, python_needs
from msrefactor.verification.packages import distribution_name, distributions
from msrefactor.verification.reach import Reach
from msrefactor.verification.source_wants import want_of_source

_NOT_LOADED = (".pyc", ".pyi", ".h", ".hpp", ".pxd", ".pyx", ".c", ".cpp", ".txt", ".md", ".rst", ".a", ".1")
_METADATA = (".dist-info/", ".egg-info/", "__pycache__/", "/tests/", "/test/")
_RUNNERS = frozenset(
    "gunicorn uvicorn hypercorn daphne celery uwsgi waitress-serve granian flask django-admin rq "
    "dramatiq".split()
)
_NOT_OF_THE_PROGRAM = frozenset({"setup.py", "noxfile.py", "tasks.py", "fabfile.py", "conf.py"})
_MOST_FILES = 3000
_LARGEST_MODULE = 300_000
_NOT_READ = ("/tests/", "/test/", "/pip/", "/setuptools/", "/pkg_resources/", "/wheel/", "/_distutils_hack/")


def python_wants(reach: Reach) -> None:
    """Add what Python needs, where an interpreter is started."""
    if "python" not in reach.families():
        return
    sites = tuple(_sites(reach))
    _distributions(reach, sites)
    _interpreters(reach)
    _loaded_by_packages(reach, sites)
    folders = (reach.folder, *_pythonpath(reach))
    for name, by in _modules(reach):
        top = name.partition(".")[0]
        reach.want("Python module", top, by, module(reach, top, (*folders, *sites)))
    for path in _own_sources(reach, folders):
        text = reach.root.text(path)
        needs = python_needs(path.lstrip("/"), text) if text is not None else None
        if needs is None:
            continue
        for top in sorted(needs.imports):
            if top in sys.stdlib_module_names:
                _standard(reach, top, path)
            else:
                reach.want(
                    "Python module",
                    top,
                    path,
                    module(reach, top, (posixpath.dirname(path), *folders, *sites)),
                )
        want_of_source(reach, path, needs if top_level(path) else CodeNeeds())


def _loaded_by_packages(reach: Reach, sites: tuple[str, ...]) -> None:
    """Want the shared libraries that installed packages load by name (python-magic, cairocffi)."""
    seen: set[str] = set()
    for site in sites:
        for path in reach.root.below(site):
            inner = path.removeprefix(site)
            if not path.endswith(".py") or path in seen or any(part in inner for part in _NOT_READ):
                continue
            seen.add(path)
            content = reach.root.read(path, _LARGEST_MODULE) or b""
            if b"find_library(" in content or b"CDLL(" in content or b"dlopen(" in content:
                needs = python_needs(path.lstrip("/"), content.decode(errors="replace"))
                if needs is not None:
                    want_of_source(reach, path, CodeNeeds(libraries=needs.libraries))


def top_level(path: str) -> bool:
    """Whether a source file isn't one that only developers start."""
    return posixpath.basename(path) not in _NOT_OF_THE_PROGRAM


def _sites(reach: Reach) -> Iterator[str]:
    """Yield every folder of the image that holds installed packages."""
    for path, node in reach.root.nodes.items():
        if node.kind == "folder" and posixpath.basename(path) in ("site-packages", "dist-packages"):
            yield path
            for name in reach.root.names(path):
                if name.endswith((".pth", ".egg-link")):
                    for line in (reach.root.text(f"{path}/{name}") or "").splitlines():
                        if line.startswith("/"):
                            yield posixpath.normpath(line.strip())


def _pythonpath(reach: Reach) -> tuple[str, ...]:
    entries = reach.environment.get("PYTHONPATH", "").split(":")
    return tuple(posixpath.join(reach.folder, entry) for entry in entries if entry)


def module(reach: Reach, top: str, folders: tuple[str, ...]) -> str | None:
    """Return where a top-level module is, as the import system looks it up."""
    for folder in folders:
        for name in (top, f"{top}.py"):
            if reach.root.get(f"{folder}/{name}") is not None:
                return f"{folder}/{name}"
        start = f"{top}."
        for name in reach.root.names(folder):
            if name.startswith(start) and name.endswith((".so", ".pyc")):
                return f"{folder}/{name}"
    return None


def _distributions(reach: Reach, sites: tuple[str, ...]) -> None:
    """Want what each installed distribution says it consists of, and what it requires."""
    root = reach.root
    known: dict[str, str] = {}
    requiring: list[tuple[str, str]] = []
    for folder, fields in distributions(root):
        name = distribution_name(fields.get("Name", ""))
        if not name or "/_vendor/" in folder or posixpath.dirname(folder) not in sites:
            continue
        known.setdefault(name, folder)
        text = root.text(f"{folder}/METADATA") or ""
        for line in text.partition("\n\n")[0].splitlines():
            field, _, value = line.partition(": ")
            if field == "Requires-Dist" and "extra ==" not in value:
                wanted = value.replace("(", " ").split(";")[0].strip()
                end = next((i for i, c in enumerate(wanted) if not (c.isalnum() or c in "-_.")), len(wanted))
                requiring.append((name, distribution_name(wanted[:end])))
        rows = (root.text(f"{folder}/RECORD", 20_000_000) or "").splitlines()
        for row in csv.reader(rows):
            if not row or row[0].startswith(("../", "/")) or row[0].endswith(_NOT_LOADED):
                continue
            if not any(part in f"/{row[0]}" for part in _METADATA):
                path = posixpath.join(posixpath.dirname(folder), row[0])
                reach.want(
                    "file of the distribution",
                    row[0],
                    name,
                    path if path in root.nodes else root.resolve(path),
                )
    for name, wanted in requiring:
        reach.want("Python distribution", wanted, name, known.get(wanted))


def _interpreters(reach: Reach) -> None:
    """Want the standard library of each interpreter that is started."""
    for path in tuple(reach.programs):
        name = posixpath.basename(path)
        if name.startswith("python3."):
            place = posixpath.join(posixpath.dirname(posixpath.dirname(path)), "lib", name, "os.py")
            reach.want("standard library", f"lib/{name}/os.py", path, reach.root.resolve(place))
    for want in tuple(reach.wants):
        folder = posixpath.dirname(want.found or want.name)
        if want.kind in ("interpreter", "program") and "python" in posixpath.basename(want.name):
            config = posixpath.join(posixpath.dirname(folder), "pyvenv.cfg")
            for line in (reach.root.text(config) or "").splitlines():
                key, _, value = line.partition("=")
                if key.strip() == "home":
                    reach.want(
                        "home of the virtual environment",
                        value.strip(),
                        config,
                        reach.root.resolve(value.strip()),
                    )


def _standard(reach: Reach, top: str, path: str) -> None:
    """Want the libraries behind a module of the standard library that not every image has (`tkinter`)."""
    for program in tuple(reach.programs):
        name = posixpath.basename(program)
        if not name.startswith("python3."):
            continue
        library = posixpath.join(posixpath.dirname(posixpath.dirname(program)), "lib", name)
        if (
            reach.root.resolve(f"{library}/{top}") is None
            and reach.root.resolve(f"{library}/{top}.py") is None
        ):
            continue
        for file in reach.root.names(f"{library}/lib-dynload"):
            if file.partition(".")[0] in (f"_{top}", top):
                reach.libraries(f"{library}/lib-dynload/{file}")


def _modules(reach: Reach) -> Iterator[tuple[str, str]]:
    """Yield the modules that start commands name: `python -m x`, `gunicorn x.wsgi:app`."""
    for name, by in reach.modules:
        yield name, by
    for command in reach.commands:
        if posixpath.basename(command.argv[0]) in _RUNNERS:
            for word in command.argv[1:]:
                name = word.partition(":")[0]
                if ":" in word and all(part.isidentifier() for part in name.split(".")):
                    yield name, command.by


def _own_sources(reach: Reach, folders: tuple[str, ...]) -> Iterator[str]:
    """Yield the program's own source files: those below its folder, without tests and installed packages."""
    roots = {folder for folder in folders if folder.count("/") >= 1 and folder != "/"}
    roots |= {
        posixpath.dirname(path)
        for path in reach.programs
        if path.endswith(".py") and posixpath.dirname(path).count("/") > 1
    }
    count = 0
    for folder in sorted(roots):
        for path in reach.root.below(folder):
            inner = path.removeprefix(folder).lstrip("/")
            if not path.endswith(".py") or is_skipped(inner) or "site-packages" in path:
                continue
            if "node_modules" in inner or not top_level(inner):
                continue
            count += 1
            if count > _MOST_FILES:
                return
            yield path
