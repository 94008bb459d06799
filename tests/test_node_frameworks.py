"""What the servers of front-end frameworks need of their folder, and when the folder stays whole."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from conftest import MakeFiles
from msrefactor.context import BuildContext
from msrefactor.model import Changed, Settings, Unchanged, View
from msrefactor.parse import parse
from msrefactor_transforms.split_stages import apply

NUXT = {"scripts": {"build": "nuxt build"}, "dependencies": {"nuxt": "^3.14.0"}}
KIT = {"type": "module", "scripts": {"build": "vite build"}, "devDependencies": {"@sveltejs/kit": "^2.0.0"}}
ADAPTER = "import adapter from '@sveltejs/adapter-node';\nexport default { kit: { adapter: adapter() } };\n"
PLUGIN = "import { sveltekit } from '@sveltejs/kit/vite';\nexport default { plugins: [sveltekit()] };\n"
SVELTE = {"svelte.config.js": ADAPTER, "vite.config.js": PLUGIN}


def final(
    files: MakeFiles, package: Mapping[str, object], more: Mapping[str, str], start: str, user: str = ""
) -> str | None:
    """The final stage; None where nothing is gained."""
    text = (
        "FROM node:20-slim\nWORKDIR /app\nCOPY package.json ./\nRUN npm install\n"
        f"COPY . .\nRUN npm run build\n{user}CMD {start}\n"
    )
    root = files({"package.json": json.dumps(package), "Dockerfile": text, "src/app.html": "", **more})
    found = apply(View(parse(text), BuildContext.open(root)))
    assert isinstance(found, Changed | Unchanged), found
    return found.dockerfile.render().partition("\n\n")[2] if isinstance(found, Changed) else None


@pytest.mark.parametrize(
    ("package", "more", "start"),
    [
        (NUXT, {}, "npx nuxt start"),
        (NUXT, {}, "node -r dotenv/config .output/server/index.mjs"),
        (NUXT, {}, "node server.js"),
        (NUXT, {}, "sh start.sh"),
        (
            NUXT,
            {"nuxt.config.ts": "export default { nitro: { preset: p } }"},
            "node .output/server/index.mjs",
        ),
        (
            NUXT,
            {"server/api/a.ts": "import { readFileSync } from 'fs'; readFileSync('data/a.json')"},
            "node .output/server/index.mjs",
        ),
        (
            NUXT,
            {"server/api/a.ts": "migrate(db, { migrationsFolder: './drizzle' })", "drizzle/1.sql": ""},
            "node .output/server/index.mjs",
        ),
        (
            {**NUXT, "dependencies": {"nuxt": "^3.0.0", "@prisma/client": "^5.0.0"}},
            {},
            "node .output/server/index.mjs",
        ),
        (
            {**NUXT, "dependencies": {"nuxt": "^3.0.0", "sharp": "^0.33.0"}},
            {},
            "node .output/server/index.mjs",
        ),
        (
            {**NUXT, "dependencies": {"nuxt": "^3.0.0", "ui": "file:../ui"}},
            {},
            "node .output/server/index.mjs",
        ),
        ({**NUXT, "dependencies": {"nuxt": "^2.17.0"}}, {}, "npx nuxt start"),
        (
            NUXT,
            {"nuxt.config.ts": "export default { modules: ['@acme/auth'] }"},
            "node .output/server/index.mjs",
        ),
        (NUXT, {"modules/own.ts": "export default (options, nuxt) => {}"}, "node .output/server/index.mjs"),
        (NUXT, {"nuxt.config.ts": "export default { modules: [local] }"}, "node .output/server/index.mjs"),
        (
            NUXT,
            {"nuxt.config.ts": "export default { extends: ['../base'] }"},
            "node .output/server/index.mjs",
        ),
        (KIT, {**SVELTE, "svelte.config.js": "export default {}"}, "node build"),
        (KIT, SVELTE, "node server.js"),
        (KIT, {**SVELTE, "src/hooks.server.js": "import 'dotenv/config'", ".env": "A=1"}, "node -r x build"),
        ({**KIT, "dependencies": {"dotenv": "^16.0.0"}}, SVELTE, "node build"),
        (KIT, {**SVELTE, "src/a.svelte": "<script>import fs from 'fs'</script>"}, "node build"),
    ],
)
def test_the_folder_stays_whole(
    files: MakeFiles, package: Mapping[str, object], more: Mapping[str, str], start: str
) -> None:
    found = final(files, package, more, start)
    assert found is None or "COPY --from=build /app /app\n" in found


@pytest.mark.parametrize(
    ("package", "more", "start", "copies"),
    [
        (NUXT, {}, "node .output/server/index.mjs", [".output"]),
        (
            NUXT,
            {"nuxt.config.ts": "export default { modules: ['@pinia/nuxt', ['@nuxtjs/i18n', {}]] }"},
            "node .output/server/index.mjs",
            [".output"],
        ),
        (NUXT, {}, "node --max-old-space-size=512 ./.output/server/index.mjs", [".output"]),
        (
            {**NUXT, "scripts": {"build": "nuxt build", "start": "node .output/server/index.mjs"}},
            {},
            "npm start",
            [".output", "package.json"],
        ),
        (KIT, SVELTE, "node build", ["build", "package.json"]),
        (KIT, SVELTE, "node ./build/index.js", ["build", "package.json"]),
        (
            KIT,
            {**SVELTE, "svelte.config.js": ADAPTER.replace("adapter()", "adapter({ out: 'dist' })")},
            "node dist",
            ["dist", "package.json"],
        ),
    ],
)
def test_what_the_server_needs_goes_over(
    files: MakeFiles, package: Mapping[str, object], more: Mapping[str, str], start: str, copies: list[str]
) -> None:
    found = final(files, package, more, start)
    assert found is not None
    assert [line for line in found.splitlines() if line.startswith("COPY")] == [
        f"COPY --from=build /app/{name} /app/{name}" for name in copies
    ]


def test_ownership_is_handed_over_behind_the_copy(files: MakeFiles) -> None:
    found = final(files, NUXT, {}, "node .output/server/index.mjs", "RUN chown -R node /app\nUSER node\n")
    assert found is not None
    assert found.index("COPY --from=build") < found.index("RUN chown -R node /app") < found.index("USER node")


def test_what_a_module_loads_is_an_assumption(files: MakeFiles) -> None:
    text = (
        "FROM node:20-slim\nWORKDIR /app\nCOPY . .\nRUN npm install\nRUN npm run build\n"
        "CMD node .output/server/index.mjs\n"
    )
    more = {"nuxt.config.ts": "export default { modules: ['@acme/auth', '@nuxt/ui'] }"}
    root = files({"package.json": json.dumps(NUXT), "Dockerfile": text, **more})
    found = apply(View(parse(text), BuildContext.open(root), settings=Settings(unsafe=True)))
    assert isinstance(found, Changed)
    assert found.changes[0].assumptions == (
        "/app/.output holds every package that the server loads for Nuxt's module @acme/auth",
    )
    assert "COPY --from=build /app/.output /app/.output\n" in found.dockerfile.render()
