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
    ("script", "build", "folder", "port"),
    [
        ("react", REACT, "/app/build", 3000),
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
