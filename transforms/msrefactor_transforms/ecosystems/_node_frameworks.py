"""What the server that a front-end framework builds needs of the project's folder, and what only builds read.

Nitro (Nuxt 3) and Next's `standalone` output carry their packages with them; SvelteKit's adapter-node bundles
devDependencies and imports the others; every other server needs the folder. Sources: the deployment pages of
Nuxt 3, Next 12 to 15 and SvelteKit 1 and 2.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from msrefactor.code.frontend import FrontendBuild, Pages, frontend_build, variants
from msrefactor.code.javascript_values import exported
from msrefactor.code.needs import CodeNeeds
from msrefactor.code.node_package import NodePackage
from msrefactor.facts import Role, StageFacts, is_under, overlaps
from msrefactor.model import Evidence, View
from msrefactor_transforms.ecosystems._node_projects import NodeBuild, NodeInstall, is_test, modules_of
from msrefactor_transforms.ecosystems._static_plan import launched
from msrefactor_transforms.ecosystems._static_starts import Launch
from msrefactor_transforms.knowledge.native import node_native
from msrefactor_transforms.splitting.plan import Artifact

_UNTRACED = frozenset(
    "sharp ipx @nuxt/image @nuxt/image-edge nuxt-og-image @nuxt/content better-sqlite3 puppeteer "
    "puppeteer-core playwright playwright-core canvas onnxruntime-node typeorm sequelize knex mikro-orm "
    "jsdom dotenv dotenv-flow config nconf rc cosmiconfig i18n i18next-fs-backend email-templates pdfkit "
    "pdfmake geoip-lite pug ejs nunjucks".split()
)
"""Packages that load others by names worked out at run time, so that a bundle may lack some of them, or that
read files of the folder the server runs in."""
_PLAIN_MODULES = frozenset(
    "@nuxtjs/tailwindcss @pinia/nuxt @vueuse/nuxt @nuxt/eslint @nuxtjs/eslint-module @nuxt/fonts @nuxt/icon "
    "nuxt-icon @nuxt/scripts @nuxt/ui @nuxtjs/i18n @nuxtjs/color-mode @nuxt/devtools @nuxt/test-utils "
    "@nuxt/test-utils/module @nuxtjs/google-fonts @unocss/nuxt nuxt-primevue @primevue/nuxt-module "
    "@element-plus/nuxt vuetify-nuxt-module @nuxtjs/device nuxt-gtag nuxt-svgo @vee-validate/nuxt "
    "@formkit/nuxt pinia-plugin-persistedstate/nuxt @pinia-plugin-persistedstate/nuxt nuxt-swiper "
    "@nuxtjs/fontaine @nuxtjs/stylelint-module dayjs-nuxt".split()
)
"""Modules of Nuxt that give its server no package which a bundle could lack. `@nuxt/image` does: without its
optional `ipx` the bundle imports it all the same."""
_COMPILED = frozenset(
    "src app pages components layouts server public static assets middleware plugins composables stores "
    "store utils types lib hooks styles tests test e2e node_modules package.json package-lock.json README.md "
    "LICENSE Dockerfile tsconfig.json jsconfig.json".split()
)
"""Entries of a project that the build puts into its output, or that nobody reads."""
_HARMLESS = ("--max", "--enable-source-maps", "--trace", "--no-warnings", "--no-deprecation", "--stack-size")
"""Options of node that load nothing."""
_OWNERSHIP = frozenset({"chown", "chmod", "chgrp"})
"""What is done again where the files are copied to."""
_READS_FILES = ("'fs'", '"fs"', "'node:fs", '"node:fs', "'fs/promises'", '"fs/promises"', "process.cwd(")
_COMPONENTS = (".vue", ".svelte", ".astro")
_SCRIPTS = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")
_WHOLE_MB = 100.0
"""What the packages that a framework builds with weigh at least."""
_CACHE_MB = {"Next": 20.0}
"""What caches weigh at least that nothing but a build reads, whatever is started."""


@dataclass(frozen=True, slots=True)
class FrameworkServer:
    """What is left out of the project's folder."""

    artifacts: tuple[Artifact, ...] = ()
    """All that the server needs of the folder; empty where it needs the folder."""
    dropped: tuple[str, ...] = ()
    unneeded: frozenset[str] = frozenset()
    removed: tuple[str, ...] = ()
    """Folders in it that only the next build would read."""
    has_packages: bool = True
    """Whether node_modules goes over."""
    is_bundled: bool = False
    """Whether what the sources import of devDependencies is in the output."""
    saved_mb: float = 0.0
    what: str = ""
    assumptions: tuple[str, ...] = ()


def framework_server(
    view: View,
    facts: StageFacts,
    package: NodePackage,
    folder: str,
    programs: Sequence[tuple[tuple[str, ...], Evidence]],
    code: CodeNeeds,
) -> FrameworkServer:
    """Return what the server in a project's folder does without."""
    source = facts.end.origin(folder)
    built = _built(facts, folder, source) if source is not None else None
    if built is None or source is None or built.pages is not Pages.SERVER:
        return FrameworkServer()

    def placed(path: str) -> str:
        return posixpath.normpath(posixpath.join(folder, posixpath.relpath(path, source or ".")))

    launch = launched(view, facts)
    output = placed(built.folder)
    start = placed(built.start) if built.start else ""
    is_own = launch is not None and bool(start) and _starts(launch, start)
    kept = FrameworkServer()
    if built.framework in _CACHE_MB and _may_remove(facts, folder):
        removed = tuple(placed(path) for path in built.caches)
        kept = FrameworkServer(removed=removed, saved_mb=_CACHE_MB[built.framework], what=built.framework)
    is_apart = output != folder and is_under(output, folder) and folder != "/"
    if not is_own or not is_apart or built.framework == "Astro":
        return kept  # what Astro builds imports its packages, those of its own packages among them
    if _opens_files(view, facts, code, source) or _needs_more(facts, package, code):
        return kept
    modules = _unproved_modules(facts, folder) if built.framework == "Nuxt" else ()
    if modules and not view.settings.unsafe:
        return kept
    after = _complete(facts, output)
    found = [Artifact(output, after, f"the server that {built.framework} builds")]
    if any(words[:1] in (("npm",), ("yarn",), ("pnpm",)) for words, _ in programs) or not built.is_whole:
        found.append(
            Artifact(
                f"{folder}/package.json", _complete(facts, f"{folder}/package.json"), "its manifest", False
            )
        )
    has_packages = not built.is_whole and bool({**package.dependencies, **package.optional})
    if has_packages:
        place = modules_of(folder)
        found.append(Artifact(place, _complete(facts, place), "the packages that the server imports"))
    writes = {path for _, effect in facts.effects() for path in effect.writes}
    return FrameworkServer(
        tuple(found),
        (folder,),
        frozenset(path for path in writes if is_under(path, folder) and not is_under(path, output)),
        has_packages=has_packages,
        is_bundled=not built.is_whole,
        saved_mb=0.0 if has_packages else _WHOLE_MB,
        what=built.framework,
        assumptions=tuple(
            f"{output} holds every package that the server loads for Nuxt's module {name}" for name in modules
        ),
    )


def _unproved_modules(facts: StageFacts, folder: str) -> tuple[str, ...]:
    """Return the modules of Nuxt of which it isn't known what they load."""
    if any(facts.end.has(posixpath.join(folder, name)) for name in ("modules", "layers")):
        return ("of the project's own",)
    for name in variants("nuxt.config"):
        text = facts.end.read(posixpath.join(folder, name))
        own = exported(text) if text is not None else None
        if text is None:
            continue
        if own is None or own.get("extends") is not None:
            return ("of another layer",)
        found: list[str] = []
        for key in ("modules", "buildModules"):
            listed = own.get(key)
            for one in listed if isinstance(listed, tuple) else ((listed,) if listed is not None else ()):
                first = one[0] if isinstance(one, tuple) and one else one
                found.append(first if isinstance(first, str) else "without a literal name")
        return tuple(one for one in dict.fromkeys(found) if one not in _PLAIN_MODULES)
    return ()


def _built(facts: StageFacts, folder: str, source: str) -> FrontendBuild | None:
    """Return what the build commands leave in the folder, when one of them is a framework's, and is clear."""
    found: list[FrontendBuild] = []
    for fact, effect in facts.effects():
        if not isinstance(effect.detail, NodeBuild) or effect.detail.folder != folder:
            continue
        for words in effect.detail.programs:
            made = frontend_build(facts.end.context, source, words, fact.scope.variables)
            if isinstance(made, FrontendBuild):
                found.append(made)
            elif made is not None:
                return None
    return found[0] if len(found) == 1 else None


def _starts(launch: Launch, file: str) -> bool:
    """Whether node starts a file, or its folder, and nothing is loaded beside it."""
    words = list(launch.words)
    if posixpath.basename(words.pop(0)) != "node":
        return False
    while words and words[0].startswith(_HARMLESS):
        words.pop(0)
    options = launch.environment.get("NODE_OPTIONS", "").split()
    if not words or any(not option.startswith(_HARMLESS) for option in options):
        return False
    path = posixpath.normpath(posixpath.join(launch.cwd, words[0]))
    return path in (file, posixpath.splitext(file)[0]) or posixpath.join(path, "index.js") == file


def _opens_files(view: View, facts: StageFacts, code: CodeNeeds, source: str) -> bool:
    """Whether the sources open or name files, start programs or load modules that the output may lack."""
    places = [place for _, place in (*code.paths, *code.written, *code.commands, *code.libraries)]
    places += [*code.unknown_paths, *code.unknown_commands, *code.unknown_imports, *code.unknown_libraries]
    if any(not _is_of_tools(place.file) for place in places):
        return True
    options = facts.end.variables.get("NODE_OPTIONS", "").split()
    if any(not option.startswith(_HARMLESS) for option in options):
        return True
    files = [file for file in view.context.files(source) if "node_modules/" not in file]
    entries = {posixpath.relpath(file, source or ".").partition("/")[0] for file in files} - _COMPILED
    named = [one for one in entries if ".config." not in one and (one[0] != "." or one.startswith(".env"))]
    marks = tuple(
        f"{quote}{before}{name}{end}"
        for name in sorted(named)
        for quote in "'\"`"
        for before in ("", "./", "/")
        for end in (quote, "/")
    )
    for file in files:
        if not file.endswith((*_COMPONENTS, *_SCRIPTS)) or _is_of_tools(file):
            continue
        text = view.context.read_text(file) or ""
        if any(mark in text for mark in marks):
            return True
        if file.endswith(_COMPONENTS) and any(mark in text for mark in _READS_FILES):
            return True
    return False


def _is_of_tools(file: str) -> bool:
    name = posixpath.basename(file)
    return ".config." in name or is_test(file) or ".stories." in name


def _needs_more(facts: StageFacts, package: NodePackage, code: CodeNeeds) -> bool:
    """Whether a dependency loads what no bundle is sure to hold, or is installed in a way of its own."""
    names = {*package.dependencies, *package.optional, *(code.imports & set(package.dev_dependencies))}
    is_special = any("prisma" in name or node_native(name) is not None for name in names)
    installs = [e.detail for _, e in facts.effects() if isinstance(e.detail, NodeInstall)]
    local = [install for install in installs if not install.is_global]
    is_several = len({install.folder for install in local}) != 1 or bool(package.workspaces)
    is_berry = any(facts.end.has(posixpath.join(one.folder, ".yarnrc.yml")) for one in local)
    return bool(is_special or names & _UNTRACED or is_several or package.local_dependencies or is_berry)


def _complete(facts: StageFacts, path: str) -> int:
    """Return the last instruction that brings or changes something at a path."""
    last = 0
    for fact in facts.facts:
        for effect in fact.effects:
            is_build = isinstance(effect.detail, NodeBuild)
            writes = effect.tool not in _OWNERSHIP and any(overlaps(one, path) for one in effect.writes)
            if effect.role >= Role.SETUP and (writes or is_build):
                last = fact.index
        if any(overlaps(placed.destination, path) for placed in fact.placed):
            last = fact.index
    return last


def _may_remove(facts: StageFacts, folder: str) -> bool:
    """Whether the user of the last build step may remove what the build made."""
    users = [
        fact.scope.user
        for fact, effect in facts.effects()
        if isinstance(effect.detail, NodeBuild) and effect.detail.folder == folder
    ]
    return bool(users) and facts.end.user in ("root", "0", "", users[-1])
