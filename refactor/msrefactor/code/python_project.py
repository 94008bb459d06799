"""What pyproject.toml, setup.cfg and setup.py say of a Python project, read and never executed.

Sources: packaging.python.org "pyproject.toml specification"; setuptools "Configuring setuptools using
setup.cfg files" and "Keywords"; the documentation of hatchling, poetry-core, pdm-backend, setuptools-scm.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from msrefactor.code.markers import is_never_on_linux, normalised, requirement
from msrefactor.code.needs import CONTEXT_MARK, SourceReader
from msrefactor.code.python_values import UNKNOWN, Source, Value, walk
from msrefactor.code.statements import statements
from msrefactor.manifests import toml_table

if TYPE_CHECKING:
    import libcst as cst

_SCM = frozenset(
    {"setuptools-scm", "hatch-vcs", "versioneer", "poetry-dynamic-versioning", "versioningit", "dunamai"}
)
_EXTENSION_BACKENDS = (
    "mesonpy", "scikit_build_core", "skbuild", "maturin", "setuptools_rust", "cmake", "pymsbuild", "sipbuild",
    "enscons",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PackageMetadata:
    """A Python project as an install of its directory sees it; paths from the root of the build context."""

    name: str | None
    dependencies: tuple[str, ...]
    """Requirement specifiers, those left out that no Linux system meets."""
    extras: Mapping[str, tuple[str, ...]]
    """Optional dependencies by extra."""
    console_scripts: tuple[str, ...]
    reads: tuple[str, ...]
    """Files besides the packages themselves that an install reads: readme, licence, version file, …"""
    has_extension_modules: bool
    dynamic_version: bool
    """Whether the version comes from git, from code, or from a place that isn't understood."""
    reads_git: bool = False
    """Whether an install asks the version control system."""
    build_backend: str | None = None
    build_requires: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Dependency groups: PEP 735, poetry, pdm, uv; `dev` among them."""
    local_paths: tuple[str, ...] = ()
    """Directories and archives that dependencies name by path, relative to the project."""
    unknown: tuple[str, ...] = ()
    """What isn't written there literally: `dependencies`, `reads`, `console_scripts`, …"""
    has_project: bool = True
    """False when the files configure tools only and nothing can be installed."""
    imports_itself: bool = False
    """Whether setup.py imports the package that it installs."""

    @property
    def distributions(self) -> frozenset[str]:
        """The normalised names of the dependencies."""
        parsed = (requirement(text) for text in self.dependencies)
        return frozenset(one.name for one in parsed if one is not None)


@dataclass(slots=True)
class _Draft:
    directory: str
    name: str | None = None
    dependencies: list[str] = field(default_factory=list)
    extras: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    console_scripts: list[str] = field(default_factory=list)
    reads: dict[str, None] = field(default_factory=dict)
    unknown: dict[str, None] = field(default_factory=dict)
    local_paths: dict[str, None] = field(default_factory=dict)
    build_requires: tuple[str, ...] = ()
    build_backend: str | None = None
    has_extension_modules: bool = False
    dynamic_version: bool = False
    reads_git: bool = False
    has_project: bool = False
    imports_itself: bool = False

    def path(self, relative: str) -> str:
        return posixpath.normpath(posixpath.join(self.directory, relative))

    def read(self, relative: str) -> None:
        path = self.path(relative)
        if not path.startswith(("../", "/")):
            self.reads.setdefault(path)


def read_setup(context: SourceReader, directory: str = "") -> PackageMetadata | None:
    """Return what an install of a directory is told, None without pyproject.toml, setup.cfg and setup.py."""
    draft = _Draft("" if directory in {"", "."} else posixpath.normpath(directory))
    found = False
    for base, read in (("pyproject.toml", _read_pyproject), ("setup.cfg", _read_cfg), ("setup.py", _read_py)):
        text = context.read_text(draft.path(base))
        if text is not None:
            found = True
            draft.read(base)
            read(draft, text)
    if not found:
        return None
    for base in ("MANIFEST.in", "setup.cfg", "setup.py"):
        if draft.has_project and context.is_file(draft.path(base)):
            draft.read(base)
    if draft.reads_git:
        draft.dynamic_version = True
    return PackageMetadata(
        name=draft.name,
        dependencies=tuple(dict.fromkeys(_possible(draft.dependencies))),
        extras=draft.extras,
        console_scripts=tuple(dict.fromkeys(draft.console_scripts)),
        reads=tuple(draft.reads),
        has_extension_modules=draft.has_extension_modules,
        dynamic_version=draft.dynamic_version,
        reads_git=draft.reads_git,
        build_backend=draft.build_backend,
        build_requires=draft.build_requires,
        groups=draft.groups,
        local_paths=tuple(draft.local_paths),
        unknown=tuple(draft.unknown),
        has_project=draft.has_project,
        imports_itself=draft.imports_itself,
    )


def _possible(dependencies: Iterable[str]) -> Iterator[str]:
    for text in dependencies:
        parsed = requirement(text)
        if parsed is None or not is_never_on_linux(parsed.marker):
            yield text.strip()


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _table(value: object, *keys: str) -> Mapping[str, object]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _read_pyproject(draft: _Draft, text: str) -> None:
    document = toml_table(text)
    if document is None:
        draft.unknown.setdefault("pyproject.toml")
        return
    build = _table(document, "build-system")
    backend = build.get("build-backend")
    draft.build_backend = backend if isinstance(backend, str) else None
    draft.build_requires = _texts(build.get("requires"))
    requires = {one.name for one in map(requirement, draft.build_requires) if one is not None}
    compiled = (draft.build_backend or "").startswith(_EXTENSION_BACKENDS)
    if compiled or requires & {"cython", "pybind11", "cffi", "numpy"}:
        draft.has_extension_modules = True
    draft.reads_git = bool(requires & _SCM)
    for path in _texts(build.get("backend-path")):
        draft.read(path)
    _read_project(draft, document)
    _read_groups(draft, document)
    _read_poetry(draft, _table(document, "tool", "poetry"))
    _read_tools(draft, document)
    draft.has_project = draft.has_project or bool(build)


def _read_project(draft: _Draft, document: Mapping[str, object]) -> None:
    project = _table(document, "project")
    if not project:
        return
    draft.has_project = True
    name = project.get("name")
    draft.name = name if isinstance(name, str) else None
    draft.dependencies.extend(_texts(project.get("dependencies")))
    for extra, items in _table(project, "optional-dependencies").items():
        draft.extras[normalised(extra)] = _texts(items)
    draft.console_scripts.extend(_table(project, "scripts"))
    readme = project.get("readme")
    readme = readme.get("file") if isinstance(readme, dict) else readme
    if isinstance(readme, str):
        draft.read(readme)
    licence = project.get("license")
    if isinstance(licence, dict) and isinstance(licence.get("file"), str):
        draft.read(licence["file"])
    for pattern in _texts(project.get("license-files")):
        draft.read(pattern)
    dynamic = _texts(project.get("dynamic"))
    draft.dynamic_version = "version" in dynamic
    settings = _table(document, "tool", "setuptools", "dynamic")
    for key in dynamic:
        source = settings.get(key)
        files = source.get("file") if isinstance(source, dict) else None
        for file in (files,) if isinstance(files, str) else _texts(files):
            draft.read(file)
        if key in {"dependencies", "optional-dependencies"}:
            draft.unknown.setdefault(key)
        if key == "version" and isinstance(source, dict) and isinstance(source.get("attr"), str):
            module = source["attr"].rpartition(".")[0].replace(".", "/")
            draft.read(f"{module}/__init__.py")


def _read_groups(draft: _Draft, document: Mapping[str, object]) -> None:
    for table in (_table(document, "dependency-groups"), _table(document, "tool", "pdm", "dev-dependencies")):
        for group, items in table.items():
            draft.groups[normalised(group)] = _texts(items)
    development = _texts(_table(document, "tool", "uv").get("dev-dependencies"))
    if development:
        draft.groups["dev"] = (*draft.groups.get("dev", ()), *development)
    for source in _table(document, "tool", "uv", "sources").values():
        for one in source if isinstance(source, list) else [source]:
            if isinstance(one, dict) and isinstance(one.get("path"), str):
                draft.local_paths.setdefault(posixpath.normpath(one["path"]))
    for text in draft.dependencies:
        parsed = requirement(text)
        if parsed is not None and parsed.url and parsed.url.startswith("file:"):
            draft.local_paths.setdefault(
                posixpath.normpath(parsed.url.removeprefix("file:").removeprefix("//"))
            )


def _read_poetry(draft: _Draft, poetry: Mapping[str, object]) -> None:
    if not poetry:
        return
    if isinstance(poetry.get("name"), str):
        draft.has_project = True
        draft.name = draft.name or cast(str, poetry["name"])
    if not draft.dependencies:
        draft.dependencies.extend(_poetry_dependencies(draft, _table(poetry, "dependencies")))
    for group, table in _table(poetry, "group").items():
        draft.groups[normalised(group)] = tuple(_poetry_dependencies(draft, _table(table, "dependencies")))
    development = _table(poetry, "dev-dependencies")
    if development:
        draft.groups["dev"] = tuple(_poetry_dependencies(draft, development))
    for extra, items in _table(poetry, "extras").items():
        draft.extras.setdefault(normalised(extra), _texts(items))
    draft.console_scripts.extend(_table(poetry, "scripts"))
    readme = poetry.get("readme")
    for file in (readme,) if isinstance(readme, str) else _texts(readme):
        draft.read(file)
    if poetry.get("build"):
        draft.has_extension_modules = True
        script = poetry["build"].get("script") if isinstance(poetry["build"], dict) else poetry["build"]
        if isinstance(script, str):
            draft.read(script)


def _poetry_dependencies(draft: _Draft, table: Mapping[str, object]) -> Iterator[str]:
    for name, value in table.items():
        if name.lower() == "python":
            continue
        options = value if isinstance(value, dict) else {}
        if isinstance(options.get("path"), str):
            draft.local_paths.setdefault(posixpath.normpath(options["path"]))
        if options.get("optional") is True:
            continue
        version = value if isinstance(value, str) else options.get("version")
        marker = f" ; {options['markers']}" if isinstance(options.get("markers"), str) else ""
        pinned = isinstance(version, str) and version.removeprefix("==").strip()[:1].isdigit()
        exact = (
            f"=={version.removeprefix('==').strip()}"
            if isinstance(version, str) and version.startswith("==")
            else ""
        )
        yield f"{name}{exact if pinned else ''}{marker}"


def _read_tools(draft: _Draft, document: Mapping[str, object]) -> None:
    for key, settings in (
        ("path", _table(document, "tool", "hatch", "version")),
        ("path", _table(document, "tool", "pdm", "version")),
        ("version_file", _table(document, "tool", "setuptools_scm")),
    ):
        file = settings.get(key)
        if isinstance(file, str):
            draft.read(file)
    sources = {
        _table(document, "tool", "hatch", "version").get("source"),
        _table(document, "tool", "pdm", "version").get("source"),
    }
    if sources & {"vcs", "scm"} or "setuptools_scm" in _table(document, "tool"):
        draft.reads_git = True
    if _table(document, "tool", "setuptools").get("ext-modules"):
        draft.has_extension_modules = True
    for hook in _table(document, "tool", "hatch", "build", "hooks"):
        if hook == "custom":
            draft.read("hatch_build.py")
            draft.unknown.setdefault("reads")
    for key, value in _table(document, "tool", "hatch", "build", "targets", "wheel", "force-include").items():
        if isinstance(value, str):
            draft.read(key)


def _read_cfg(draft: _Draft, text: str) -> None:
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except (configparser.Error, RecursionError):
        draft.unknown.setdefault("setup.cfg")
        return

    def entry(section: str, *keys: str) -> str:
        for key in keys:
            if parser.has_option(section, key):
                return parser.get(section, key)
        return ""

    if not parser.has_section("metadata") and not parser.has_section("options"):
        return
    draft.has_project = True
    draft.name = draft.name or entry("metadata", "name").strip() or None
    for value in (
        entry("metadata", key, key.replace("_", "-")) for key in ("version", "long_description", "license")
    ):
        for name in _files_of(value):
            draft.read(name)
    for name in (
        entry("metadata", "license_files", "license-files", "license_file").replace(",", "\n").split()
    ):
        draft.read(name)
    version = entry("metadata", "version")
    if version.startswith("attr:"):
        draft.dynamic_version = True
        draft.read(version[5:].strip().rpartition(".")[0].replace(".", "/") + "/__init__.py")
    for key in ("install_requires", "install-requires"):
        value = entry("options", key)
        files = _files_of(value)
        for name in files:
            draft.read(name)
            draft.unknown.setdefault("dependencies")
        if not files:
            draft.dependencies.extend(line.strip() for line in value.splitlines() if line.strip())
    requires = {
        one.name for one in map(requirement, entry("options", "setup_requires").split()) if one is not None
    }
    draft.reads_git = draft.reads_git or bool(requires & _SCM) or parser.has_section("versioneer")
    if parser.has_section("options.extras_require"):
        for extra, value in parser.items("options.extras_require"):
            draft.extras[normalised(extra)] = tuple(
                line.strip() for line in value.splitlines() if line.strip()
            )
    for line in entry("options.entry_points", "console_scripts").splitlines():
        name, equals, _ = line.partition("=")
        if equals:
            draft.console_scripts.append(name.strip())


def _files_of(value: str) -> tuple[str, ...]:
    if not value.startswith("file:"):
        return ()
    return tuple(name.strip() for name in value[5:].replace("\n", ",").split(",") if name.strip())


def _read_py(draft: _Draft, text: str) -> None:
    """Read setup.py: the arguments of `setup()` as far as they are literal, and every file that it opens."""
    import libcst as cst

    from msrefactor.code.python import python_needs

    path = draft.path("setup.py")
    cut = statements(text)
    needs = python_needs(path, text)
    draft.has_project = True
    if cut is None or needs is None:
        draft.unknown.setdefault("setup.py")
        return
    for name, _ in needs.paths:
        marked = name.startswith(CONTEXT_MARK)
        draft.reads.setdefault(name.removeprefix(CONTEXT_MARK)) if marked else draft.read(name)
    if needs.unknown_paths:
        draft.unknown.setdefault("reads")
    if needs.unknown_commands or any(name == "git" for name, _ in needs.commands):
        draft.reads_git = draft.reads_git or any(name == "git" for name, _ in needs.commands)
    if needs.imports & {"Cython", "pybind11", "cffi", "numpy", "torch", "setuptools_rust", "skbuild"}:
        draft.has_extension_modules = True
    draft.reads_git = draft.reads_git or bool({normalised(name) for name in needs.imports} & _SCM)
    source = Source(path, cut, {})
    for index, statement in enumerate(cut):
        if (
            "ext_modules" in statement.text
            or "Extension(" in statement.text
            or "cffi_modules" in statement.text
        ):
            draft.has_extension_modules = True
        if "setup" not in statement.text or "(" not in statement.text:
            continue
        node = source.parsed(index)
        if node is None:
            draft.unknown.setdefault("setup.py")
            continue
        for call in walk(node):
            if isinstance(call, cst.Call) and (source.dotted(call.func) or "").rpartition(".")[2] == "setup":
                _read_setup_call(draft, source, call)
    own = (draft.name or "").replace("-", "_").partition(".")[0]
    draft.imports_itself = bool(own) and own in needs.imports


def _read_setup_call(draft: _Draft, source: Source, call: cst.Call) -> None:
    for argument in call.args:
        if argument.star:
            draft.unknown.setdefault("setup.py")
        if argument.keyword is None:
            continue
        key = argument.keyword.value
        if key == "name":
            name = source.values(argument.value, -1)[0]
            if isinstance(name, str) and UNKNOWN not in name:
                draft.name = draft.name or name
        elif key == "install_requires":
            dependencies = _literal_list(source, argument.value)
            if dependencies is None:
                draft.unknown.setdefault("dependencies")
            else:
                draft.dependencies.extend(dependencies)
        elif key == "extras_require":
            for extra, node in _literal_table(source, argument.value, draft, "extras"):
                draft.extras[normalised(extra)] = _literal_list(source, node) or ()
        elif key == "entry_points":
            for group, node in _literal_table(source, argument.value, draft, "console_scripts"):
                if group == "console_scripts":
                    scripts = _literal_list(source, node)
                    if scripts is None:
                        draft.unknown.setdefault("console_scripts")
                    draft.console_scripts.extend(item.partition("=")[0].strip() for item in scripts or ())
        elif key == "scripts":
            scripts = _literal_list(source, argument.value)
            for script in scripts or ():
                draft.read(script)
                draft.console_scripts.append(posixpath.basename(script))
            if scripts is None:
                draft.unknown.setdefault("console_scripts")
        elif key == "version":
            version = source.values(argument.value, -1)
            draft.dynamic_version = draft.dynamic_version or not _is_literal(version[0])
        elif key == "use_scm_version":
            draft.reads_git = True
        elif key == "setup_requires":
            names = {one.name for one in map(requirement, _literal_list(source, argument.value) or ()) if one}
            draft.reads_git = draft.reads_git or bool(names & _SCM)


def _is_literal(value: Value) -> bool:
    return isinstance(value, str) and UNKNOWN not in value


def _literal_list(source: Source, node: cst.BaseExpression) -> tuple[str, ...] | None:
    values = source.values(node, -1)
    if len(values) != 1:
        return None
    value = values[0]
    if isinstance(value, str):
        # A text of lines is a list too.
        return (
            tuple(line.strip() for line in value.splitlines() if line.strip())
            if UNKNOWN not in value
            else None
        )
    return value if all(UNKNOWN not in item for item in value) else None


def _literal_table(
    source: Source, node: cst.BaseExpression, draft: _Draft, what: str
) -> Iterator[tuple[str, cst.BaseExpression]]:
    import libcst as cst

    if isinstance(node, cst.Name):
        bindings = [
            one.node for one in source.bindings(node.value) if one.kind == "value" and one.node is not None
        ]
        node = bindings[0] if len(bindings) == 1 else node
    if not isinstance(node, cst.Dict):
        draft.unknown.setdefault(what)
        return
    for element in node.elements:
        key = source.values(element.key, -1)[0] if isinstance(element, cst.DictElement) else UNKNOWN
        if isinstance(key, str) and UNKNOWN not in key:
            yield key, element.value
        else:
            draft.unknown.setdefault(what)
