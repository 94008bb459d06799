"""`vite preview`: what its command line and vite's configuration tell it.

Options and defaults: vite 5 and 6 (`packages/vite/src/node/cli.ts`, `preview.ts`); what `preview` doesn't say
it takes from `server`, but for the port.
"""

from __future__ import annotations

import posixpath

from msrefactor.code.javascript_values import UNKNOWN, Exported, Value, exported
from msrefactor.facts import StageFacts
from msrefactor.model import Refused
from msrefactor_transforms.ecosystems._static_site import Answers, StaticServer
from msrefactor_transforms.ecosystems._static_starts import Launch

_VALUED = {"--port": "port", "--outDir": "outDir", "--host": "host", "-m": "mode", "--mode": "mode"}
_PLAIN = frozenset({"--strictPort", "--open", "--host", "--clearScreen"})
_PLAIN_PLUGINS = (
    "vite", "path", "url", "fs", "os", "process", "node:", "@vitejs/plugin-react", "@vitejs/plugin-vue",
    "@vitejs/plugin-legacy", "@preact/preset-vite", "@sveltejs/vite-plugin-svelte", "@tailwindcss/vite",
    "tailwindcss", "autoprefixer", "unplugin-", "rollup-plugin-visualizer", "@svgr/rollup",
)  # fmt: skip
"""Modules by the beginning of their names that leave `vite preview` as it is."""
_OWN_SERVERS = (
    "vite-plugin-ssr",
    "vite-plugin-mkcert",
    "vite-plugin-mock",
    "vite-plugin-basic-ssl",
    "vite-node",
)
_FRAMEWORKS = (
    "@sveltejs/kit/", "@remix-run/", "@react-router/", "vike", "@solidjs/start", "@tanstack/react-start",
    "@builder.io/qwik-city",
)  # fmt: skip
"""Modules, by the beginning of their names, that give `vite preview` a server of their own."""
_HOOKS = frozenset({"configurePreviewServer", "loadConfigFromFile", "mergeConfig"})
_UNTOLD = (
    ("preview", "proxy"), ("server", "proxy"), ("preview", "https"), ("server", "https"), ("root",),
    ("preview", "headers"), ("server", "headers"), ("preview", "cors"), ("server", "cors"),
)  # fmt: skip
"""Settings that nginx isn't told."""
_EVERY = frozenset({"::", "0.0.0.0"})  # noqa: S104 - what vite is told
_REMEDY = "give the options to `vite preview` on its command line"


def preview(facts: StageFacts, launch: Launch) -> StaticServer | Refused | None:
    """Return the static server that `vite preview` is, or what nginx can't be told of it.

    None: a framework's own server answers instead.
    """
    given: dict[str, str] = {}
    rest = list(launch.words[2:])
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in _VALUED and (equals or (rest and not rest[0].startswith("-"))):
            given[_VALUED[name]] = value if equals else rest.pop(0)
        elif word in _PLAIN:
            given[word.removeprefix("--")] = ""
        else:
            return _refused(launch, f"what nginx has for vite preview's {word} isn't known")
    told = _configuration(facts, launch)
    if isinstance(told, Refused):
        return told
    if told is not None and any(module.startswith(_FRAMEWORKS) for module in told.imports.values()):
        return None
    settings = {name: _setting(told, name) for name in ("port", "host", "outDir")}
    for name, found in settings.items():
        if found is UNKNOWN and name not in given:
            return _refused(launch, f"what vite's configuration says of `{name}` isn't a literal", _REMEDY)
    host = given.get("host", settings["host"])
    address = "::" if host in (True, "", "true") else host
    if address not in _EVERY:
        where = address if isinstance(address, str) else "localhost"
        detail = f"vite preview listens on {where}, and not on every address of the container"
        return _refused(launch, detail, "start it with --host")
    port = str(given.get("port") or settings["port"] or 4173)
    folder = given.get("outDir") or settings["outDir"] or "dist"
    if not port.isdigit() or not 0 < int(port) < 65536 or not isinstance(folder, str):
        return _refused(launch, f"where vite preview listens isn't known: {port}")
    return StaticServer(
        "vite preview",
        posixpath.normpath(posixpath.join(launch.cwd, folder)),
        int(port),
        Answers.PREVIEW,
        launch.evidence,
        address=str(address),
        compresses=True,
        cache_control="no-cache",
    )


def _refused(launch: Launch, detail: str, remedy: str = "") -> Refused:
    return Refused("need-not-found", detail, (launch.evidence,), remedy)


def _configuration(facts: StageFacts, launch: Launch) -> Exported | Refused | None:
    """Return vite's configuration, or what in it would make preview do more than hand out files."""
    for ending in ("js", "mjs", "ts", "cjs", "mts", "cts"):
        text = facts.end.read(posixpath.join(launch.cwd, f"vite.config.{ending}"))
        if text is None:
            continue
        own = exported(text)
        if own is None or own.names & _HOOKS:
            return _refused(launch, "vite's configuration isn't understood")
        if any(module.startswith(_FRAMEWORKS) for module in own.imports.values()):
            return own
        for module in sorted(own.imports.values()):
            if not module.startswith(_PLAIN_PLUGINS) or module.startswith(_OWN_SERVERS):
                return _refused(
                    launch,
                    f"what vite preview does with {module} isn't known",
                    "hand out the files with `serve`",
                )
        for keys in _UNTOLD:
            if own.get(*keys) is not None:
                detail = f"vite's configuration has `{'.'.join(keys)}`, which isn't translated for nginx"
                return _refused(launch, detail)
        if own.get("base") not in (None, "/", "./", "") or own.get("appType") not in (None, "spa"):
            detail = "vite's configuration has `base` or `appType`, which isn't translated for nginx"
            return _refused(launch, detail)
        return own
    return None


def _setting(told: Exported | None, name: str) -> Value:
    if told is None:
        return None
    if name == "outDir":
        return told.get("build", "outDir")
    found = told.get("preview", name)
    return told.get("server", name) if found is None and name == "host" else found
