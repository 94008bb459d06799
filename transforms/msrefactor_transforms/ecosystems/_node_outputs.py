"""Which folder a front end's build fills, where the bundler's own rules and its configuration say so.

Sources: the documentation of Vite (`build.outDir`), Create React App (`BUILD_PATH`), Vue CLI (`outputDir`),
Angular (`outputPath`, `dist/<project>` from version 17 on) and Laravel's Vite plugin (`public/build`).
"""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Sequence

from msrefactor.code.frontend import FrontendBuild, frontend_build
from msrefactor.code.javascript_tokens import javascript_tokens
from msrefactor.code.node_package import NodePackage, read_tsconfig
from msrefactor.code.tokens import Token
from msrefactor.commands import option_value
from msrefactor.facts import Scope
from msrefactor.manifests import json_value

_WRITE_NOTHING = frozenset(
    "rimraf rm del-cli shx npm yarn pnpm bun npx bunx cross-env env-cmd dotenv run-s run-p npm-run-all "
    "concurrently echo mkdirp eslint prettier stylelint vitest jest true".split()
)
"""Runners, checkers, and what only removes or makes folders."""
_PLUGINS = frozenset(
    "vite path url fs os process vite-plugin-pwa vite-tsconfig-paths vite-plugin-svgr vite-svg-loader "
    "vite-plugin-vuetify vite-plugin-compression vite-plugin-compression2 vite-plugin-checker "
    "vite-plugin-eslint vite-plugin-html vite-plugin-vue-devtools vite-plugin-react-remove-attributes "
    "unplugin-auto-import unplugin-vue-components unplugin-icons autoprefixer tailwindcss postcss "
    "rollup-plugin-visualizer vite-plugin-static-copy vite-plugin-node-polyfills".split()
)
"""What a Vite configuration may import without changing where the build goes."""
_SCOPES = ("@vitejs/", "@tailwindcss/", "node:", "unplugin-", "@rollup/plugin-", "@preact/preset-vite")
_LARAVEL = "laravel-vite-plugin"
_VITE_CONFIGS = tuple(f"vite.config.{ending}" for ending in ("ts", "js", "mjs", "mts", "cjs", "cts"))


def outputs(
    programs: Sequence[tuple[str, ...]], folder: str, package: NodePackage, scope: Scope
) -> tuple[str, ...] | None:
    """Return what the commands of a script fill; None where one of them may write anywhere."""
    found: list[str] = []
    for words in programs:
        tool = posixpath.basename(words[0]) if words else ""
        if tool in _WRITE_NOTHING:
            continue
        name = _output(tool, words, folder, package, scope)
        if name is None:
            return None
        if name:
            found.append(posixpath.normpath(posixpath.join(folder, name)))
    if not found or any(path == folder or "node_modules" in path for path in found):
        return None
    return tuple(dict.fromkeys(found))


def _output(tool: str, words: Sequence[str], folder: str, package: NodePackage, scope: Scope) -> str | None:
    """Return the folder that one command fills; "" where it fills none, None where that isn't known."""
    if tool == "vite" and "build" in words[1:2]:
        return _vite(words, folder, scope)
    if tool == "react-scripts" and "build" in words[1:]:
        return _create_react_app(folder, package, scope)
    if tool in ("craco", "react-app-rewired") and "build" in words[1:]:
        return _rewired(words, folder, scope)
    if tool == "vue-cli-service" and "build" in words[1:]:
        return _vue_cli(words, folder, scope)
    if tool == "ng" and words[1:2] in (("build",), ("b",)):
        return _angular(words, folder, scope)
    if tool in ("tsc", "vue-tsc"):
        return _checked_only(words, folder, scope)
    if tool in ("tailwindcss", "esbuild"):
        return option_value(words, "-o", "--output", "--outfile", "--outdir")
    return None


def _vite(words: Sequence[str], folder: str, scope: Scope) -> str | None:
    if option_value(words, "--config", "-c") is not None or len([w for w in words[2:] if w[:1] != "-"]) > 1:
        return None
    given = option_value(words, "--outDir")
    named = [name for name in _VITE_CONFIGS if scope.has(posixpath.join(folder, name))]
    if not named:
        return given or "dist"
    tokens = javascript_tokens(scope.read(posixpath.join(folder, named[0])) or "")
    if tokens is None or "root" in _keys(tokens):
        return None
    imported = {
        token.text.strip("'\"")
        for before, token in itertools.pairwise(tokens)
        if token.kind == "string" and before.text in ("from", "import")
    }
    calls = {
        token.text.strip("'\"")
        for first, mark, token in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if token.kind == "string" and mark.text == "(" and first.text in ("require", "import")
    }
    plugins = {name for name in imported | calls if name not in _PLUGINS and not name.startswith(_SCOPES)}
    default = "dist"
    if plugins == {_LARAVEL}:
        if _keys(tokens) & {"buildDirectory", "publicDirectory"}:
            return None
        default = "public/build"
    elif plugins:
        return None
    configured = _literal(tokens, "outDir", default)
    return given or configured


def _keys(tokens: Sequence[Token]) -> frozenset[str]:
    """Return the names that stand before a colon, as keys of an object do."""
    pairs = itertools.pairwise(tokens)
    return frozenset(first.text.strip("'\"") for first, second in pairs if second.text == ":")


def _literal(tokens: Sequence[Token], key: str, default: str) -> str | None:
    """Return the text that a key has; the default where nothing names it, None where it isn't a text."""
    places = [n for n, token in enumerate(tokens) if token.text.strip("'\"") == key]
    if not places:
        return default
    if len(places) > 1 or len(tokens) <= places[0] + 3:
        return None
    colon, value, end = tokens[places[0] + 1 : places[0] + 4]
    if colon.text != ":" or value.kind != "string" or end.text not in (",", "}"):
        return None
    return value.text.strip("'\"")


def _create_react_app(folder: str, package: NodePackage, scope: Scope) -> str | None:
    texts = [*package.scripts.values()]
    texts += [scope.read(posixpath.join(folder, name)) or "" for name in (".env", ".env.production")]
    if "BUILD_PATH" in scope.variables or any("BUILD_PATH" in text for text in texts):
        return None
    return "build"


def _rewired(words: Sequence[str], folder: str, scope: Scope) -> str | None:
    """Return what Create React App fills whose configuration others change."""
    source = scope.origin(folder)
    found = frontend_build(scope.context, source, words, scope.variables) if source is not None else None
    return posixpath.relpath(found.folder, source or ".") if isinstance(found, FrontendBuild) else None


def _vue_cli(words: Sequence[str], folder: str, scope: Scope) -> str | None:
    given = option_value(words, "--dest")
    if option_value(words, "--target") is not None:
        return None
    path = posixpath.join(folder, "vue.config.js")
    if not scope.has(path):
        return given or "dist"
    tokens = javascript_tokens(scope.read(path) or "")
    if tokens is None or {"output", "pluginOptions"} & {token.text for token in tokens}:
        return None
    return given or _literal(tokens, "outputDir", "dist")


def _angular(words: Sequence[str], folder: str, scope: Scope) -> str | None:
    given = option_value(words, "--output-path")
    if given is not None:
        return given
    try:
        document = json_value(scope.read(posixpath.join(folder, "angular.json")) or "")
        projects = document["projects"]
        named = [word for word in words[2:] if not word.startswith("-") and word in projects]
        name = named[0] if named else document.get("defaultProject") or next(iter(projects))
        if len(projects) > 1 and not named and "defaultProject" not in document:
            return None
        target = (projects[name].get("architect") or projects[name].get("targets"))["build"]
        if any("outputPath" in one for one in target.get("configurations", {}).values()):
            return None
        path = target.get("options", {}).get("outputPath", f"dist/{name}")
        path = path.get("base") if isinstance(path, dict) else path
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return None
    return path if isinstance(path, str) else None


def _checked_only(words: Sequence[str], folder: str, scope: Scope) -> str | None:
    """Return "" where the compiler only checks types."""
    if "--noEmit" in words:
        return ""
    source = scope.origin(folder)
    if source is None:
        return None
    names = [option_value(words, "-p", "--project") or "tsconfig.json"]
    if "-b" in words or "--build" in words:
        names = [
            posixpath.basename(file)
            for file in scope.context.files(source)
            if posixpath.dirname(file) == source
            and posixpath.basename(file).startswith("tsconfig")
            and file.endswith(".json")
        ]
    configs = [read_tsconfig(scope.context, posixpath.join(source, name)) for name in names]
    if not configs or any(one is None or not (one.no_emit or _is_empty(one.path, scope)) for one in configs):
        return None
    return ""


def _is_empty(path: str, scope: Scope) -> bool:
    """Whether a configuration only points to others."""
    text = "".join((scope.context.read_text(path) or "").split())
    return '"files":[]' in text and '"references"' in text
