"""Development servers that the container starts: what is refused, and what the build script is taken for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from conftest import MakeFiles
from msrefactor.context import BuildContext, locate
from msrefactor.model import Changed, Outcome, Refused, Risk, View
from msrefactor.parse import parse
from msrefactor.uses import find_uses
from msrefactor_transforms.split_stages import apply

PACKAGE = """{
  "name": "shop",
  "scripts": {
    "react": "react-scripts start",
    "craco": "craco start",
    "dev": "vite --host",
    "local": "vite",
    "serve": "vue-cli-service serve",
    "build": "BUILD"
  },
  "devDependencies": {"vite": "^5.0.0", "@vue/cli-service": "^5.0.0", "react-scripts": "5.0.1"}
}
"""
HEAD = "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm install\n"
VITE, REACT, VUE = "vite build", "react-scripts build", "vue-cli-service build"


def outcome(
    files: MakeFiles, script: str, build: str, more: Mapping[str, str] | None = None, tail: str = ""
) -> Outcome:
    text = f'{HEAD}{tail}CMD ["npm", "run", "{script}"]\n'
    given = {"package.json": PACKAGE.replace("BUILD", build), "Dockerfile": text, "src/main.js": ""}
    root = files({**given, **(more or {})})
    view = View(parse(text), BuildContext.open(root))
    file = root / "Dockerfile"
    return apply(replace(view, uses=find_uses(locate(file, view.dockerfile, None), file)))


MOUNTED = "services:\n  web:\n    build: .\n    volumes:\n      - ./src:/app/src\n"


@pytest.mark.parametrize(
    ("script", "build", "more", "tail", "code"),
    [
        ("react", REACT, {"src/setupProxy.js": "module.exports = (app) => {};"}, "", "compiles-at-start"),
        ("react", REACT, {".env.development": "REACT_APP_API=http://x"}, "", "compiles-at-start"),
        ("react", REACT, {"compose.yaml": MOUNTED}, "", "development-image"),
        ("react", REACT, {}, "USER node\n", "compiles-at-start"),
        ("react", REACT, {}, "ENV PUBLIC_URL=/shop\n", "compiles-at-start"),
        ("react", "node build.js", {}, "", "compiles-at-start"),
        (
            "craco", "craco build", {"craco.config.js": "module.exports = { devServer: { port: 80 } }"}, "",
            "compiles-at-start",
        ),
        (
            "craco", "craco build",
            {"craco.config.js": "module.exports = { webpack: { configure: (c) => { c.output = p } } }"},
            "", "compiles-at-start",
        ),
        ("local", VITE, {}, "", "compiles-at-start"),
        ("dev", VITE, {}, "ENV NODE_ENV=development\n", "compiles-at-start"),
        (
            "dev", VITE,
            {"vite.config.js": "export default { server: { proxy: { '/api': 'https://api' } } }"},
            "", "compiles-at-start",
        ),
        ("dev", VITE, {"vite.config.js": "export default { base: '/shop/' }"}, "", "compiles-at-start"),
        (
            "serve", VUE,
            {"vue.config.js": "module.exports = { devServer: { proxy: 'https://api' } }"},
            "", "compiles-at-start",
        ),
    ],
)  # fmt: skip
def test_what_files_alone_would_not_do_is_refused(
    files: MakeFiles, script: str, build: str, more: Mapping[str, str], tail: str, code: str
) -> None:
    found = outcome(files, script, build, more, tail)
    assert isinstance(found, Refused)
    assert found.code == code


@pytest.mark.parametrize(
    ("tail", "builds"),
    [
        ("RUN npm run build\n", 1),
        ("RUN npm run build\nEXPOSE 3000\n", 1),
        ("RUN npm run build\nENV REACT_APP_X=1\n", 2),
        ("RUN npm run build\nCOPY src src\n", 2),
        ("RUN npm run build\nRUN echo done\n", 2),
        ("RUN npm test\n", 1),
    ],
)
def test_what_is_built_already_is_not_built_again(files: MakeFiles, tail: str, builds: int) -> None:
    found = outcome(files, "react", REACT, {}, tail)
    assert isinstance(found, Changed)
    text = found.dockerfile.render()
    assert text.count("RUN npm run build\n") == builds
    assert "COPY --from=build /app/build /app/build\n" in text


GIVEN = "services:\n  web:\n    build: .\n    environment: [PORT=4000]\n"


@pytest.mark.parametrize(
    ("script", "build", "more", "listens"),
    [
        ("react", REACT, {}, "listen 3000;"),
        ("react", REACT, {".env": "PORT=3005\n"}, "listen 3005;"),
        ("react", REACT, {".env": "PORT=3005\n", ".env.local": "PORT=3006\n"}, "listen 3006;"),
        ("react", REACT, {"compose.yaml": GIVEN}, "listen ${PORT};"),
        ("serve", VUE, {"compose.yaml": GIVEN}, "listen ${PORT};"),
        ("serve", VUE, {"vue.config.js": "module.exports = { devServer: { port: 81 } }"}, "listen 81;"),
        ("dev", VITE, {"compose.yaml": GIVEN, ".env": "PORT=3005\n"}, "listen 5173;"),
    ],
)
def test_the_port(files: MakeFiles, script: str, build: str, more: Mapping[str, str], listens: str) -> None:
    found = outcome(files, script, build, more)
    assert isinstance(found, Changed)
    assert listens in found.dockerfile.render()


def test_a_port_of_the_file_is_kept_by_vue(files: MakeFiles) -> None:
    found = outcome(files, "serve", VUE, {}, "ENV PORT=80\n")
    assert isinstance(found, Changed)
    assert "listen 80;" in found.dockerfile.render()


@pytest.mark.parametrize(
    ("script", "build", "folder", "port"),
    [
        ("react", REACT, "/app/build", 3000),
        ("craco", "craco build", "/app/build", 3000),
        ("dev", VITE, "/app/dist", 5173),
        ("serve", VUE, "/app/dist", 8080),
    ],
)
def test_a_development_server_is_built_beforehand_for_review(
    files: MakeFiles, script: str, build: str, folder: str, port: int
) -> None:
    found = outcome(files, script, build)
    assert isinstance(found, Changed)
    assert found.changes[0].risk is Risk.REVIEW
    assert len(found.changes[0].assumptions) == 4
    text = found.dockerfile.render()
    assert "COPY . .\nRUN npm install\nRUN npm run build\n" in text
    assert f"listen {port};" in text
    assert f"COPY --from=build {folder} {folder}\n" in text


ANGULAR = """{
  "version": 1,
  "projects": {
    "shop": {
      "projectType": "application",
      "architect": {
        "build": {
          "builder": "@angular/build:application",
          "options": {"outputPath": "dist/shop"},
          "configurations": {
            "production": {"fileReplacements": [{"replace": "src/env.ts", "with": "src/env.prod.ts"}]},
            "development": {"sourceMap": true}
          },
          "defaultConfiguration": "production"
        },
        "serve": {
          "builder": "@angular/build:dev-server",
          "options": {OPTIONS},
          "configurations": {
            "production": {"buildTarget": "shop:build:production"},
            "development": {"buildTarget": "shop:build:development"}
          },
          "defaultConfiguration": "development"
        }
      }
    }
  }
}
"""
CLI = PACKAGE.replace("BUILD", "ng build").replace('"vite": "^5.0.0"', '"@angular/cli": "^19.0.0"')
DEVELOPING = "export const env = { production: false, api: '/api' };"
HOST = '"host": "0.0.0.0"'


def angular(files: MakeFiles, options: str, start: str, more: Mapping[str, str] | None = None) -> Outcome:
    text = f"{HEAD}CMD {start}\n"
    root = files(
        {
            "package.json": CLI,
            "Dockerfile": text,
            "angular.json": ANGULAR.replace("OPTIONS", options),
            "src/env.ts": DEVELOPING,
            "src/env.prod.ts": DEVELOPING.replace("false", "true"),
            **(more or {}),
        }
    )
    return apply(View(parse(text), BuildContext.open(root)))


@pytest.mark.parametrize(
    ("options", "start", "more", "why"),
    [
        ("", "ng serve", {}, "ng serve listens on localhost"),
        ("", "ng serve --host 127.0.0.1", {}, "ng serve listens on 127.0.0.1"),
        ("", "ng serve --host 0.0.0.0 --ssl", {}, "what nginx has for ng serve's --ssl isn't known"),
        ('"ssl": true', "ng serve --host 0.0.0.0", {}, "angular.json has `serve.ssl`"),
        (HOST, "ng serve other", {}, "which project of angular.json is served isn't known"),
        (HOST, "ng serve", {"angular.json": "{}"}, "which project of angular.json is served isn't known"),
        (HOST, "ng serve --port 0", {}, "where ng serve listens isn't known"),
        (HOST, "ng serve --proxy-config proxy.js", {}, "proxy.js forwards requests"),
        (
            HOST, "ng serve", {"angular.json": ANGULAR.replace("@angular/build:dev", "@acme/x:dev")},
            "what @acme/x:dev-server serves isn't known",
        ),
    ],
)  # fmt: skip
def test_what_ng_serve_does_beside_handing_out_files_is_refused(
    files: MakeFiles, options: str, start: str, more: Mapping[str, str], why: str
) -> None:
    found = angular(
        files, options, start, {name: text.replace("OPTIONS", HOST) for name, text in more.items()}
    )
    assert isinstance(found, Refused)
    assert found.detail.startswith(why)


@pytest.mark.parametrize(
    ("options", "start", "more", "build", "port"),
    [
        (HOST, "ng serve", {}, "npm run build", 4200),
        ("", "npx ng serve --host=0.0.0.0 --port 80 --poll 500 --open false", {}, "npm run build", 80),
        (HOST + ', "port": 4300', "ng s", {}, "npm run build", 4300),
        (
            HOST, "ng serve", {"src/env.prod.ts": DEVELOPING.replace("/api", "https://api")},
            "npx ng build --configuration development", 4200,
        ),
        (
            HOST, "ng serve -c production", {"src/env.prod.ts": DEVELOPING.replace("/api", "https://api")},
            "npm run build", 4200,
        ),
        (
            HOST, "ng serve", {"package.json": CLI.replace("ng build", "ng build && node after.js")},
            "npx ng build --configuration development", 4200,
        ),
    ],
)  # fmt: skip
def test_what_ng_serve_served_is_built(
    files: MakeFiles, options: str, start: str, more: Mapping[str, str], build: str, port: int
) -> None:
    found = angular(files, options, start, more)
    assert isinstance(found, Changed), found
    text = found.dockerfile.render()
    assert f"RUN npm install\nRUN {build}\n" in text
    assert f"listen {port};" in text
    assert "COPY --from=build /app/dist/shop/browser /app/dist/shop/browser\n" in text
