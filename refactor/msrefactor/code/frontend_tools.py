"""What the tools leave that build files to be handed out: one reader for each command.

Create React App 5, Vite 2 to 7, Vue CLI 3 to 5, SvelteKit 1 and 2, Astro. Angular is in `frontend_angular`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from types import MappingProxyType

from msrefactor.code.frontend import (
    Configured,
    FrontendBuild,
    Pages,
    Project,
    Unclear,
    called,
    dotenv_files,
    text_of,
    url_path,
    variants,
)
from msrefactor.code.frontend_angular import angular
from msrefactor.code.javascript_values import UNKNOWN, Place, Settings

_OTHER_OUTPUT = frozenset(
    "laravel-vite-plugin vite-plugin-ruby vite-plugin-symfony vite-plugin-electron vike vite-plugin-ssr "
    "vite-plugin-electron/simple vite-plugin-electron-renderer electron-vite @remix-run/dev vinxi nitro "
    "@react-router/dev/vite @tanstack/react-start/plugin/vite @solidjs/start/config nitropack "
    "@builder.io/qwik-city/vite @builder.io/qwik/optimizer @cloudflare/vite-plugin @analogjs/platform "
    "@crxjs/vite-plugin waku vike/plugin @tanstack/solid-start/plugin/vite nitro/vite".split()
)
"""Modules that make Vite write to other places than its own settings say."""


def _react_scripts(project: Project) -> FrontendBuild | Unclear | None:
    """Create React App; craco and react-app-rewired build with the same paths unless told otherwise."""
    if "build" not in project.argv[1:]:
        return None
    tool = posixpath.basename(project.argv[0])
    own = project.configuration(*variants("craco.config", "js", "ts", "cjs"), "config-overrides.js")
    if tool != "react-scripts" and own is not None and ("paths" in own.text or "output" in own.text):
        return Unclear(f"where {tool} builds may be set by {own.path}", own.line_of("output"))
    environment: dict[str, str] = {}
    for pairs in dotenv_files(project, "production"):
        environment.update(pairs)
    environment.update(project.environment)
    for name, script in project.package.scripts.items():
        if "BUILD_PATH" in script or "PUBLIC_URL" in script:
            return Unclear("a script sets BUILD_PATH or PUBLIC_URL", project.evidence(name))
    folder = environment.get("BUILD_PATH", "build")
    base = url_path(environment.get("PUBLIC_URL") or project.package.homepage or "/")
    return FrontendBuild(
        "Create React App",
        project.path(folder),
        Pages.SINGLE,
        project.evidence("build"),
        base=base,
        prefixes=("REACT_APP_",),
        has_source_maps=environment.get("GENERATE_SOURCEMAP", "true") != "false",
        caches=(project.path("node_modules/.cache"),),
    )


def vite_configuration(project: Project, command: str) -> tuple[Configured | None, str]:
    """Return Vite's configuration file and the root that the command line or the file gives."""
    named = project.option("--config", "-c")
    root = ""
    valued = {"--config", "-c", "--outDir", "--base", "--mode", "-m", "--port", "--host", "--logLevel", "-l"}
    words = list(project.argv[1:])
    if words[:1] == [command]:
        words.pop(0)
    while words:
        word = words.pop(0)
        if word in valued and words and not words[0].startswith("-"):
            words.pop(0)
        elif not word.startswith("-"):
            root = word
    names = (named,) if named else variants("vite.config", "js", "mjs", "ts", "cjs", "mts", "cts")
    return project.configuration(*(posixpath.join(root, name) if not named else name for name in names)), root


def _vite(project: Project) -> FrontendBuild | Unclear | None:
    if project.argv[1:2] != ("build",):
        return None
    own, root = vite_configuration(project, "build")
    modules = set(own.exported.imports.values()) if own is not None and own.exported is not None else set()
    if "@sveltejs/kit/vite" in modules:
        return sveltekit(project)
    for module in sorted(modules & _OTHER_OUTPUT):
        return Unclear(f"{module} decides where Vite builds", (own or _nothing(project)).line_of(module))
    if project.has("--ssr", "--app"):
        return Unclear("Vite builds for a server", project.evidence("build"))
    folder, base, maps = project.option("--outDir"), project.option("--base"), False
    if own is not None:
        for key in ("ssr", "lib", "rollupOptions", "rolldownOptions"):
            value = own.get("build", key)
            if key.startswith("roll") and isinstance(value, Settings) and _dir_of(value) is None:
                continue
            if value is not None and value is not False:
                return Unclear(f"Vite's build.{key} decides what is built", own.line_of(key))
        if own.get("environments") not in (None, UNKNOWN):
            return Unclear("Vite builds for several environments", own.line_of("environments"))
        set_root = text_of(own.get("root"), root)
        if set_root is None:
            return Unclear("Vite's root isn't written as a literal", own.line_of("root"))
        root = set_root
        folder = folder if folder is not None else text_of(own.get("build", "outDir"), "dist")
        base = base if base is not None else text_of(own.get("base"), "/")
        maps = own.get("build", "sourcemap") not in (None, False)
        if folder is None:
            return Unclear("Vite's build.outDir isn't written as a literal", own.line_of("outDir"))
        if base is None:
            return Unclear("Vite's base isn't written as a literal", own.line_of("base"))
    return FrontendBuild(
        "Vite",
        _under(project, root, folder or "dist", own),
        Pages.SINGLE,
        own.line_of("outDir") if own is not None and "outDir" in own.text else project.evidence("build"),
        base=url_path(base or "/"),
        prefixes=_prefixes(own),
        has_source_maps=maps,
        caches=(project.path("node_modules/.vite"),),
    )


def _under(project: Project, root: str, folder: str, own: Configured | None) -> str:
    """Return the output: relative to the root, or to the configuration file where it was worked out there."""
    value = own.get("build", "outDir") if own is not None else None
    if isinstance(value, Place) and own is not None and value.path == folder:
        return posixpath.normpath(posixpath.join(posixpath.dirname(own.path), folder))
    return project.path(root, folder)


def _dir_of(value: Settings) -> object:
    output = value.get("output")
    if isinstance(output, tuple):
        return UNKNOWN
    return output.get("dir") if isinstance(output, Settings) else output


def _prefixes(own: Configured | None) -> tuple[str, ...]:
    value = own.get("envPrefix") if own is not None else None
    if isinstance(value, str):
        return (value,)
    if isinstance(value, tuple):
        return tuple(item for item in value if isinstance(item, str))
    return ("VITE_",)


def _nothing(project: Project) -> Configured:
    return Configured(project.package.path, None, "")


def _vue(project: Project) -> FrontendBuild | Unclear | None:
    if project.argv[1:2] != ("build",):
        return None
    if project.option("--target") not in (None, "app"):
        return Unclear("Vue CLI builds a library", project.evidence("build"))
    own = project.configuration(*variants("vue.config", "js", "cjs", "mjs", "ts"))
    folder = project.option("--dest")
    base: str | None = "/"
    maps = True
    if own is not None:
        folder = folder or text_of(own.get("outputDir"), "dist")
        base = text_of(own.get("publicPath"), "/")
        maps = own.get("productionSourceMap") is not False
        if own.get("pages") not in (None, UNKNOWN):
            return Unclear("Vue CLI builds several pages", own.line_of("pages"))
        if folder is None or base is None:
            return Unclear("outputDir or publicPath isn't written as a literal", own.line_of("outputDir"))
        if own.get("pluginOptions", "ssr") not in (None, UNKNOWN):
            return Unclear("Vue CLI builds for a server", own.line_of("ssr"))
    return FrontendBuild(
        "Vue CLI",
        project.path(folder or "dist"),
        Pages.SINGLE,
        own.line_of("outputDir") if own is not None else project.evidence("build"),
        base=url_path(base or "/"),
        prefixes=("VUE_APP_",),
        has_source_maps=maps,
        caches=(project.path("node_modules/.cache"),),
    )


def _svelte_kit(project: Project) -> FrontendBuild | Unclear | None:
    return sveltekit(project) if project.argv[1:2] == ("build",) else None


def sveltekit(project: Project) -> FrontendBuild | Unclear | None:
    """Return what SvelteKit's adapter writes."""
    own = project.configuration("svelte.config.js", "svelte.config.mjs", "svelte.config.ts")
    if own is None or own.exported is None:
        return Unclear("there is no svelte.config.js that names the adapter", project.evidence("build"))
    adapter = called(own.get("kit", "adapter"))
    module = own.exported.imports.get(adapter.name, "") if adapter is not None else ""
    options = adapter.arguments[0] if adapter is not None and adapter.arguments else None
    given = options if isinstance(options, Settings) else Settings(MappingProxyType({}), options is None)
    base = text_of(own.get("kit", "paths", "base"), "")
    if module == "@sveltejs/adapter-static":
        pages = text_of(given.get("pages"), "build")
        assets = text_of(given.get("assets"), pages or "")
        fallback = text_of(given.get("fallback"), "")
        if pages is None or assets != pages or fallback is None or base is None:
            return Unclear("the options of adapter-static aren't literals", own.line_of("adapter("))
        return FrontendBuild(
            "SvelteKit",
            project.path(pages),
            Pages.SINGLE if fallback else Pages.FILES,
            own.line_of("adapter("),
            base=url_path(base or "/"),
            prefixes=("PUBLIC_", "VITE_"),
            caches=(project.path(".svelte-kit"), project.path("node_modules/.vite")),
        )
    if module == "@sveltejs/adapter-node":
        out = text_of(given.get("out"), "build")
        if out is None:
            return Unclear("where adapter-node writes isn't a literal", own.line_of("adapter("))
        folder = project.path(out)
        return FrontendBuild(
            "SvelteKit",
            folder,
            Pages.SERVER,
            own.line_of("adapter("),
            start=posixpath.join(folder, "index.js"),
            caches=(project.path(".svelte-kit"), project.path("node_modules/.vite")),
        )
    return Unclear(f"what the adapter {module or 'of SvelteKit'} writes isn't known", own.line_of("adapter"))


def _astro(project: Project) -> FrontendBuild | Unclear | None:
    if project.argv[1:2] != ("build",):
        return None
    own = project.configuration(*variants("astro.config", "mjs", "js", "ts", "mts", "cjs"))
    folder: str | None = project.option("--outDir") or "dist"
    base: str | None = "/"
    if own is not None:
        folder = project.option("--outDir") or text_of(own.get("outDir"), "dist")
        base = text_of(own.get("base"), "/")
        output, adapter = own.get("output"), own.get("adapter")
        if folder is None or base is None or output is UNKNOWN or adapter is UNKNOWN:
            return Unclear("Astro's configuration isn't written as literals", own.line_of("output"))
        if adapter is not None:
            found = called(adapter)
            module = own.exported.imports.get(found.name, "") if found and own.exported else ""
            if module != "@astrojs/node":
                return Unclear(f"what the adapter {module} writes isn't known", own.line_of("adapter"))
            out = project.path(folder)
            return FrontendBuild(
                "Astro", out, Pages.SERVER, own.line_of("adapter"), base=url_path(base),
                start=posixpath.join(out, "server/entry.mjs"),
                caches=(project.path("node_modules/.astro"), project.path("node_modules/.vite")),
            )  # fmt: skip
        if output not in (None, "static"):
            return Unclear("Astro renders on demand, and no adapter is set", own.line_of("output"))
    return FrontendBuild(
        "Astro",
        project.path(folder or "dist"),
        Pages.FILES,
        own.line_of("output") if own is not None else project.evidence("build"),
        base=url_path(base or "/"),
        prefixes=("PUBLIC_",),
        caches=(project.path("node_modules/.astro"), project.path("node_modules/.vite")),
    )


READERS: Mapping[str, Callable[[Project], FrontendBuild | Unclear | None]] = MappingProxyType(
    {
        "react-scripts": _react_scripts,
        "craco": _react_scripts,
        "react-app-rewired": _react_scripts,
        "vite": _vite,
        "vue-cli-service": _vue,
        "ng": angular,
        "svelte-kit": _svelte_kit,
        "astro": _astro,
    }
)
"""The commands, and who reads what they leave."""
