"""What Next and Nuxt leave: files, or a server with or without its packages."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from types import MappingProxyType

from msrefactor.code.frontend import (
    FrontendBuild,
    Pages,
    Project,
    Unclear,
    text_of,
    url_path,
    variants,
)
from msrefactor.code.javascript_values import UNKNOWN


def _next(project: Project) -> FrontendBuild | Unclear | None:
    """Next: files (`output: 'export'`), a server with its packages (`standalone`), or one without."""
    words = [word for word in project.argv[1:] if not word.startswith("-")]
    if words[:1] not in (["build"], ["export"]):
        return None
    folder = project.path(words[1]) if len(words) > 1 else project.folder
    inside = posixpath.relpath(folder or ".", project.folder or ".")
    own = project.configuration(*(posixpath.join(inside, name) for name in variants("next.config")))
    output = own.get("output") if own is not None else None
    dist = text_of(own.get("distDir"), ".next") if own is not None else ".next"
    base = text_of(own.get("basePath"), "/") if own is not None else "/"
    evidence = own.line_of("output") if own is not None else project.evidence("build")
    if dist is None or base is None:
        return Unclear("Next's distDir or basePath isn't written as a literal", evidence)
    if output is UNKNOWN:
        return Unclear("Next's output isn't written as a literal", evidence)
    if output == "export" or words[0] == "export":
        out = project.option("-o", "--outdir") or ("out" if dist == ".next" else dist)
        return FrontendBuild(
            "Next", posixpath.normpath(posixpath.join(folder, out)), Pages.FILES, evidence,
            base=url_path(base), prefixes=("NEXT_PUBLIC_",),
        )  # fmt: skip
    left = posixpath.normpath(posixpath.join(folder, dist))
    # the rest of the cache is of fetched data and images, which the server reads
    caches = tuple(posixpath.join(left, "cache", name) for name in ("webpack", "swc"))
    if output == "standalone":
        whole = posixpath.join(left, "standalone")
        return FrontendBuild(
            "Next", whole, Pages.SERVER, evidence, base=url_path(base),
            start=posixpath.join(whole, "server.js"), is_whole=True, caches=caches,
            prefixes=("NEXT_PUBLIC_",),
        )  # fmt: skip
    return FrontendBuild(
        "Next", left, Pages.SERVER, evidence, base=url_path(base), caches=caches,
        prefixes=("NEXT_PUBLIC_",),
    )  # fmt: skip


def _nuxt(project: Project) -> FrontendBuild | Unclear | None:
    """Nuxt 3 and 4 write .output; Nuxt 2 writes .nuxt, or dist when it generates."""
    words = [word for word in project.argv[1:] if not word.startswith("-")]
    if words[:1] not in (["build"], ["generate"]):
        return None
    version = {**project.package.dependencies, **project.package.dev_dependencies}
    number = version.get("nuxt", "").lstrip("^~>=v ")
    own = project.configuration(*variants("nuxt.config"))
    evidence = project.evidence("build")
    if number.startswith("2") or "nuxt-edge" in version or (not number and "nuxt-start" in version):
        return _nuxt_2(project, words[0])
    place = posixpath.join(project.folder, words[1]) if len(words) > 1 else project.folder
    preset = own.get("nitro", "preset") if own is not None else None
    directory = own.get("nitro", "output", "dir") if own is not None else None
    base = text_of(own.get("app", "baseURL"), "/") if own is not None else "/"
    if project.has("--preset", "--prerender") or "NITRO_PRESET" in project.environment:
        return Unclear("a preset decides what Nuxt builds", evidence)
    if preset not in (None, "node-server", "node_server", "node") or directory is not None or base is None:
        line = own.line_of("preset") if own is not None else evidence
        return Unclear("a preset decides what Nuxt builds", line)
    output = posixpath.normpath(posixpath.join(place, ".output"))
    caches = tuple(posixpath.normpath(posixpath.join(place, name)) for name in (".nuxt",))
    if words[0] == "generate":
        ssr = own.get("ssr") if own is not None else None
        return FrontendBuild(
            "Nuxt", posixpath.join(output, "public"), Pages.SINGLE if ssr is False else Pages.FILES, evidence,
            base=url_path(base), caches=caches,
        )  # fmt: skip
    return FrontendBuild(
        "Nuxt", output, Pages.SERVER, evidence, base=url_path(base), caches=caches,
        start=posixpath.join(output, "server/index.mjs"), is_whole=True,
    )  # fmt: skip


def _nuxt_2(project: Project, action: str) -> FrontendBuild | Unclear:
    own = project.configuration(*variants("nuxt.config", "js", "ts"))
    source = text_of(own.get("srcDir"), "") if own is not None else ""
    built = text_of(own.get("buildDir"), ".nuxt") if own is not None else ".nuxt"
    generated = text_of(own.get("generate", "dir"), "dist") if own is not None else "dist"
    base = text_of(own.get("router", "base"), "/") if own is not None else "/"
    evidence = own.line_of("buildDir") if own is not None else project.evidence("build")
    if source is None or built is None or generated is None or base is None:
        return Unclear("Nuxt's folders aren't written as literals", evidence)
    if action == "generate":
        return FrontendBuild(
            "Nuxt", project.path(generated), Pages.SINGLE, evidence, base=url_path(base),
        )  # fmt: skip
    return FrontendBuild(
        "Nuxt", project.path(built), Pages.SERVER, evidence, base=url_path(base),
    )  # fmt: skip


READERS: Mapping[str, Callable[[Project], FrontendBuild | Unclear | None]] = MappingProxyType(
    {
        "next": _next,
        "nuxt": _nuxt,
        "nuxi": _nuxt,
        "nuxt-ts": _nuxt,
    }
)
"""The commands, and who reads what they leave."""
