"""What the Node programs of an image need: every package that is required, as Node resolves it.

From the started files on, relative imports are followed; packages are looked up in the node_modules folders
above the importing file, and their own `dependencies` in turn (nodejs.org/api/modules.html#all-together).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from msrefactor.code.javascript import javascript_needs, package_of
from msrefactor.code.javascript_tokens import javascript_tokens
from msrefactor.code.tokens import Token
from msrefactor.verification.packages import json_object
from msrefactor.verification.reach import Reach
from msrefactor.verification.source_wants import want_of_source

ENDINGS = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx")
BUILT_IN = frozenset(
    "assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns "
    "domain events fs http http2 https inspector module net os path perf_hooks process punycode querystring "
    "readline repl sea sqlite stream string_decoder sys test timers tls trace_events tty url util v8 vm wasi "
    "worker_threads zlib bun".split()
)
"""Node's own modules (nodejs.org/api, version 22)."""
_MOST_FILES = 2000
_LARGEST = 2_000_000


def node_wants(reach: Reach) -> None:
    """Add what Node needs, where it is started."""
    if "node" not in reach.families():
        return
    started = [path for path in reach.programs if _is_script(reach, path)]
    seen: set[str] = set()
    packages: dict[str, str] = {}
    while started and len(seen) < _MOST_FILES:
        path = started.pop(0)
        if path in seen:
            continue
        seen.add(path)
        text = reach.root.text(path, _LARGEST)
        if text is None:
            continue
        _own_package(reach, path, packages)
        for specifier in sorted(_specifiers(text)):
            if specifier.startswith((".", "/")):
                found = _file(reach, posixpath.normpath(posixpath.join(posixpath.dirname(path), specifier)))
                if found is None and not specifier.endswith(ENDINGS) and "*" in specifier:
                    continue
                reach.want("module", specifier, path, found)
                if found is not None and found.endswith(ENDINGS):
                    started.append(found)
                continue
            name = package_of(specifier)
            if name is None or name.partition("/")[0] in BUILT_IN:
                continue
            folder = _package(reach, posixpath.dirname(path), name)
            reach.want("Node package", name, path, folder)
            if folder is not None:
                packages.setdefault(folder, path)
        if "/node_modules/" not in path:
            needs = javascript_needs(path.lstrip("/"), text)
            if needs is not None:
                want_of_source(reach, path, needs)
    _dependencies(reach, packages)


def _is_script(reach: Reach, path: str) -> bool:
    return path.endswith(ENDINGS) or b"node" in reach.root.head(path, 80).partition(b"\n")[0]


def _specifiers(text: str) -> frozenset[str]:
    """Return the literal specifiers of `require`, `import` and `export … from`."""
    tokens = javascript_tokens(text) if len(text) < 500_000 else None
    return frozenset(_of_tokens(tokens)) if tokens is not None else frozenset()


def _of_tokens(tokens: Sequence[Token]) -> Iterator[str]:
    for index, token in enumerate(tokens):
        for part in token.parts:
            if isinstance(part, tuple):
                yield from _of_tokens(part)
        if token.kind != "string" or index == 0:
            continue
        before = tokens[index - 1]
        called = tokens[index - 2].text if before.text == "(" and index > 1 else ""
        is_member = index > 2 and tokens[index - 3].text == "."
        if (called in ("require", "import") and not is_member) or before.text in ("from", "import"):
            yield token.text


def _file(reach: Reach, place: str) -> str | None:
    for one in (place, *(place + ending for ending in (*ENDINGS, ".json", ".node"))):
        if reach.root.is_file(one):
            return reach.root.resolve(one)
    for stem in (place, place.removesuffix(".js")):  # TypeScript's `./x.js` means x.ts
        for ending in (".ts", ".tsx"):
            if stem != place and reach.root.is_file(stem + ending):
                return reach.root.resolve(stem + ending)
    main = json_object(reach.root.text(f"{place}/package.json")).get("main")
    if isinstance(main, str) and main.strip("./"):
        return _file(reach, posixpath.normpath(posixpath.join(place, main)))
    for ending in ENDINGS:
        if reach.root.is_file(f"{place}/index{ending}"):
            return reach.root.resolve(f"{place}/index{ending}")
    return None


def _package(reach: Reach, folder: str, name: str, top: str = "/") -> str | None:
    """Return a package's folder without links, as Node looks it up from a folder up to `top`."""
    at = folder
    while True:
        if posixpath.basename(at) != "node_modules":
            found = reach.root.resolve(posixpath.join(at, "node_modules", name))
            if found is not None:
                return found
        if at in ("/", top):
            break
        at = posixpath.dirname(at)
    for entry in reach.environment.get("NODE_PATH", "").split(":"):
        if entry and (found := reach.root.resolve(posixpath.join(entry, name))) is not None:
            return found
    return None


def _own_package(reach: Reach, path: str, packages: dict[str, str]) -> None:
    """Note the package that a started file belongs to, if it has its packages beside it."""
    at = posixpath.dirname(path)
    while at != "/":
        if reach.root.is_file(f"{at}/package.json"):
            if reach.root.is_folder(f"{at}/node_modules"):
                packages.setdefault(at, path)
            return
        at = posixpath.dirname(at)


def _dependencies(reach: Reach, packages: dict[str, str]) -> None:
    """Want the dependencies of packages, and the main file of each.

    Only those count that lie in the same tree: what a framework traced (`.next/standalone`) has no more than
    it loads, whatever the folders above hold.
    """
    waiting = list(packages)
    seen: set[str] = set()
    while waiting:
        folder = waiting.pop()
        if folder in seen:
            continue
        seen.add(folder)
        manifest = json_object(reach.root.text(f"{folder}/package.json"))
        main = manifest.get("main")
        if isinstance(main, str) and "node_modules" in folder:
            place = posixpath.normpath(posixpath.join(folder, main))
            reach.want(
                "main file of the package",
                f"{posixpath.basename(folder)}/{main}",
                folder,
                _file(reach, place),
            )
        for field in ("dependencies", "optionalDependencies", "peerDependencies"):
            names = manifest.get(field)
            for name in sorted(names) if isinstance(names, dict) else ():
                found = _package(reach, folder, name, folder.partition("/node_modules/")[0])
                reach.want("Node package", name, folder, found)
                if found is not None:
                    waiting.append(found)
