"""What builds of front ends leave, read from the project's own files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from msrefactor.code.frontend import FrontendBuild, Pages, Unclear, frontend_build
from msrefactor.code.javascript_values import UNKNOWN, Place, exported
from msrefactor.context import BuildContext


def built(
    folder: Path, files: Mapping[str, str], command: str, environment: Mapping[str, str] | None = None
) -> FrontendBuild | Unclear | None:
    """What a command leaves in a project with these files; package.json is made where there is none."""
    for name, text in {"package.json": "{}", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return frontend_build(BuildContext.open(folder), "", command.split(), environment)


def folder_of(found: FrontendBuild | Unclear | None) -> str:
    assert isinstance(found, FrontendBuild), found
    return found.folder


ANGULAR = {
    "version": 1,
    "projects": {
        "shop": {
            "projectType": "application",
            "architect": {
                "build": {
                    "builder": "@angular-devkit/build-angular:browser",
                    "options": {"outputPath": "dist/shop"},
                    "configurations": {"staging": {"outputPath": "dist/staging", "baseHref": "/s/"}},
                }
            },
        }
    },
}


def angular(builder: str, **options: object) -> dict[str, str]:
    document = json.loads(json.dumps(ANGULAR))
    build = document["projects"]["shop"]["architect"]["build"]
    build["builder"] = f"@angular-devkit/build-angular:{builder}"
    build["options"] = options
    return {"angular.json": json.dumps(document)}


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("vite", {}),
        ("vite preview", {}),
        ("react-scripts start", {}),
        ("ng serve", {"angular.json": json.dumps(ANGULAR)}),
        ("next start", {}),
        ("tsc", {}),
    ],
)
def test_no_build(tmp_path: Path, command: str, files: Mapping[str, str]) -> None:
    assert built(tmp_path, files, command) is None


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("vite build", {"vite.config.js": "export default { build: { outDir: process.env.OUT || 'x' } }"}),
        ("vite build", {"vite.config.js": "import b from './base'\nexport default mergeConfig(b, {})"}),
        ("vite build", {"vite.config.ts": "export default { build: { lib: { entry: 'a.ts' } } }"}),
        (
            "vite build",
            {"vite.config.js": "import l from 'laravel-vite-plugin'\nexport default { plugins: [l()] }"},
        ),
        ("vite build --ssr src/server.js", {}),
        ("ng build", {}),
        ("ng build", angular("application", outputPath="dist/shop", ssr=True)),
        ("ng build", angular("server", outputPath="dist/server")),
        ("next build", {"next.config.js": "module.exports = { output: process.env.OUT }"}),
        (
            "react-scripts build",
            {"package.json": '{"scripts": {"build": "BUILD_PATH=x react-scripts build"}}'},
        ),
    ],
)
def test_output_not_written_down(tmp_path: Path, command: str, files: Mapping[str, str]) -> None:
    assert isinstance(built(tmp_path, files, command), Unclear)


@pytest.mark.parametrize(
    ("command", "files", "folder"),
    [
        ("react-scripts build", {}, "build"),
        ("react-scripts build", {".env": "BUILD_PATH=./out\n"}, "out"),
        ("vite build", {}, "dist"),
        ("vite build --outDir=public/app", {}, "public/app"),
        ("vite build --mode staging web", {}, "web/dist"),
        (
            "vite build",
            {"vite.config.js": "export default { root: 'src', build: { outDir: '../out' } }"},
            "out",
        ),
        (
            "vite build",
            {"vite.config.ts": "export default { build: { outDir: path.resolve(__dirname, 'o') } }"},
            "o",
        ),
        ("vue-cli-service build", {"vue.config.js": "module.exports = { outputDir: 'www' }"}, "www"),
        ("vue-cli-service build --dest d", {}, "d"),
        ("ng build", {"angular.json": json.dumps(ANGULAR)}, "dist/shop"),
        ("ng build --configuration=staging", {"angular.json": json.dumps(ANGULAR)}, "dist/staging"),
        ("ng build", angular("application", outputPath="dist/shop"), "dist/shop/browser"),
        ("ng build", angular("application"), "dist/shop/browser"),
        ("ng build", angular("application", outputPath={"base": "out", "browser": ""}), "out"),
        ("ng build shop --output-path www", angular("browser", outputPath="dist/shop"), "www"),
        ("next build", {}, ".next"),
        ("next build", {"next.config.js": "module.exports = { output: 'export' }"}, "out"),
        (
            "next build",
            {"next.config.mjs": "const c = { output: 'standalone' }\nexport default withX(c)"},
            ".next/standalone",
        ),
        ("nuxt build", {"package.json": '{"dependencies": {"nuxt": "^3.8.0"}}'}, ".output"),
        ("nuxt generate", {"package.json": '{"dependencies": {"nuxt": "^3.8.0"}}'}, ".output/public"),
        ("nuxt generate", {"package.json": '{"dependencies": {"nuxt": "^2.15.0"}}'}, "dist"),
        ("astro build", {"astro.config.mjs": "export default defineConfig({ outDir: './site' })"}, "site"),
    ],
)
def test_output(tmp_path: Path, command: str, files: Mapping[str, str], folder: str) -> None:
    assert folder_of(built(tmp_path, files, command)) == folder


def svelte(adapter: str, options: str = "") -> dict[str, str]:
    return {
        "vite.config.js": "import { sveltekit } from '@sveltejs/kit/vite';\n"
        "export default { plugins: [sveltekit()] };",
        "svelte.config.js": f"import adapter from '@sveltejs/{adapter}';\n"
        f"const config = {{ kit: {{ adapter: adapter({options}) }} }};\nexport default config;",
    }


def test_adapters_of_sveltekit(tmp_path: Path) -> None:
    found = built(tmp_path, svelte("adapter-static", "{ fallback: '200.html' }"), "vite build")
    assert isinstance(found, FrontendBuild)
    assert (found.folder, found.pages) == ("build", Pages.SINGLE)
    found = built(tmp_path, svelte("adapter-static"), "vite build")
    assert isinstance(found, FrontendBuild)
    assert found.pages is Pages.FILES
    found = built(tmp_path, svelte("adapter-node", "{ out: 'srv' }"), "vite build")
    assert isinstance(found, FrontendBuild)
    assert (found.start, found.is_whole) == ("srv/index.js", False)
    assert isinstance(built(tmp_path, svelte("adapter-auto"), "vite build"), Unclear)


def test_base_path(tmp_path: Path) -> None:
    found = built(
        tmp_path, {"package.json": '{"homepage": "https://x.github.io/app"}'}, "react-scripts build"
    )
    assert isinstance(found, FrontendBuild)
    assert found.base == "/app/"
    config = "export default { base: './' }"
    found = built(tmp_path, {"vite.config.js": config}, "vite build")
    assert isinstance(found, FrontendBuild)
    assert found.base == ""


def test_values_that_are_not_literals_are_unknown() -> None:
    found = exported("export default { a: f(), b: x ? 1 : 2, c: process.env.C || 'c', d: `x${y}`, ...z }")
    assert found is not None
    assert [found.get(key) is UNKNOWN for key in ("b", "c", "d")] == [True, True, True]
    assert found.get("e") is None
    assert found.get("z") is UNKNOWN


def test_a_value_said_twice_is_unknown() -> None:
    found = exported("const c = { output: 'a' }\nif (x) c.output = 'b'\nmodule.exports = c")
    assert found is not None
    assert found.get("output") is UNKNOWN


def test_what_a_function_returns() -> None:
    found = exported(
        "export default defineConfig(({ mode }) => {\n"
        "  const env = loadEnv(mode, process.cwd())\n"
        "  return { root: resolve(__dirname, 'a', '../b'), f() { return 1 } }\n})"
    )
    assert found is not None
    assert found.get("root") == Place("b")
    found = exported("export default (c) => { if (c) { return { a: 1 } }\n return { a: 2 } }")
    assert found is not None
    assert found.get("a") is UNKNOWN
