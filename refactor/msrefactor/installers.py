"""Installers that Dockerfiles fetch from the net, by their exact addresses, and archives of known tools.

Nothing is fetched: what each one leaves is written in its own documentation. Sources (read 2025):
rustup.rs (CARGO_HOME, RUSTUP_HOME), github.com/nvm-sh/nvm and tj/n (README), go.dev/doc/install,
nodejs.org/dist (the archive's table of contents), bun.sh, deno.com, pnpm.io and yarnpkg.com (install pages),
golangci-lint.run, maven.apache.org and gradle.org (install pages), and the READMEs of the package sources.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msrefactor.facts import Effect, Role, Scope
from msrefactor.shell import Command, Item


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A package source that is added to the system, and what is installed from there."""

    url: str
    names: tuple[str, ...]
    """Names of packages; one that ends in `-` or `.` is the beginning of names."""

    def has(self, package: str) -> bool:
        """Whether a package comes from here."""
        return any(package == one or (one[-1] in "-." and package.startswith(one)) for one in self.names)


@dataclass(frozen=True, slots=True)
class ToolInstall:
    """Tools of a language that are installed beside the distribution's packages."""

    language: str
    """The ecosystem's name, or the tool's where it serves builds only."""
    places: tuple[str, ...]
    """Everything that it leaves in the image."""
    url: str
    is_exact: bool = True
    """Whether its commands lie in one known folder, whatever version is chosen."""


SOURCE_SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "https://deb.nodesource.com/setup": ("nodejs", "nsolid"),
    "https://rpm.nodesource.com/setup": ("nodejs", "nsolid"),
}
"""Beginnings of the addresses of scripts that add a package source and do nothing else."""
_SOURCE_HOSTS: Mapping[str, tuple[str, ...]] = {
    "deb.nodesource.com": ("nodejs", "nsolid"),
    "rpm.nodesource.com": ("nodejs", "nsolid"),
    "dl.yarnpkg.com": ("yarn",),
    "cli.github.com": ("gh",),
    "dl.google.com/linux": ("google-chrome-",),
    "dl-ssl.google.com/linux": ("google-chrome-",),
    "apt.llvm.org": ("clang-", "lld-", "lldb-", "llvm-", "libc++-", "libclang-", "libomp-"),
    "download.docker.com": ("docker-", "containerd.io"),
    "apt.releases.hashicorp.com": ("terraform", "vault", "consul", "packer", "nomad"),
}
"""Hosts of package sources with all that they have to offer."""
_REPOSITORIES: Mapping[str, tuple[str, ...]] = {
    "ppa:longsleep/golang-backports": ("golang", "golang-"),
    "ppa:git-core/ppa": ("git", "git-"),
    "ppa:deadsnakes/ppa": ("python2.", "python3."),
    "ppa:ubuntu-toolchain-r/test": ("gcc-", "g++-", "cpp-", "gfortran-", "libstdc++", "libgcc-"),
}

_RAW = "https://raw.githubusercontent.com/"
_SCRIPTS: Mapping[str, str] = {
    "https://sh.rustup.rs": "rustup",
    "sh.rustup.rs": "rustup",
    "https://static.rust-lang.org/rustup": "rustup",
    f"{_RAW}nvm-sh/nvm/": "nvm",
    f"{_RAW}creationix/nvm/": "nvm",
    f"{_RAW}tj/n/": "n",
    "https://rustwasm.github.io/wasm-pack/installer/init.sh": "wasm-pack",
    "https://bun.sh/install": "bun",
    "https://bun.com/install": "bun",
    "https://deno.land/install.sh": "deno",
    "https://deno.com/install.sh": "deno",
    "https://deno.land/x/install/install.sh": "deno",
    "https://get.pnpm.io/install.sh": "pnpm",
    "https://fnm.vercel.app/install": "fnm",
    "https://get.volta.sh": "volta",
    f"{_RAW}golangci/golangci-lint/": "golangci-lint",
    "https://golangci-lint.run/install.sh": "golangci-lint",
    "https://taskfile.dev/install.sh": "task",
}
"""Beginnings of addresses of scripts, and the installer that each one is."""


def known_script(url: str) -> str:
    """Return the name of the installer, or the mark of a package source, behind an address; "" for none."""
    for start, name in _SCRIPTS.items():
        if url.startswith(start):
            return name
    return "source" if any(url.startswith(start) for start in SOURCE_SCRIPTS) else ""


def address_in(command: Command) -> str:
    """Return the address that a download names, as it is written; variables stay in it."""
    for word in command.words[1:]:
        text = word.literal if word.literal is not None else word.text.strip("\"'")
        if "://" in text or text.startswith("sh.rustup.rs"):
            return text
    return ""


def run_script(url: str, argv: Sequence[str | None], scope: Scope) -> Effect | None:
    """Return what a known installer does; `argv` are its own words."""
    for start, names in SOURCE_SCRIPTS.items():
        if url.startswith(start):
            return Effect(
                Role.BUILD,
                tool="bash",
                reads_only=True,
                why=f"adds the packages of {url}",
                detail=PackageSource(url, names),
            )
    name = known_script(url)
    if name == "rustup":
        return rustup(scope, url)
    home = scope.home
    if name == "wasm-pack":
        cargo = scope.variables.get("CARGO_HOME", f"{home}/.cargo")
        return _tool(ToolInstall("wasm-pack", (f"{cargo}/bin/wasm-pack",), url))
    if name == "nvm":
        return _tool(ToolInstall("node", (_nvm_folder(scope),), url, is_exact=False))
    if name == "n":
        return _tool(ToolInstall("node", node_places("/usr/local"), url))
    if name in ("fnm", "volta"):
        folder = scope.variables.get("VOLTA_HOME", f"{home}/.volta") if name == "volta" else ""
        return _tool(ToolInstall("node", (folder or f"{home}/.local/share/fnm",), url, is_exact=False))
    if name == "pnpm":
        place = scope.variables.get("PNPM_HOME", f"{home}/.local/share/pnpm")
        return _tool(ToolInstall("node", (place,), url, is_exact=False))
    if name == "bun":
        # what runs on bun is planned with what runs on Node
        root = scope.variables.get("BUN_INSTALL", f"{home}/.bun")
        return _tool(ToolInstall("node", _programs(root, ("bun", "bunx")), url), "bun")
    if name == "deno":
        root = scope.variables.get("DENO_INSTALL", f"{home}/.deno")
        return _tool(ToolInstall("deno", _programs(root, ("deno",)), url))
    if name in ("golangci-lint", "task"):
        words = list(argv)
        at = words.index("-b") if "-b" in words else None
        given = words[at + 1] if at is not None and at + 1 < len(words) else "./bin"
        if given is None:
            return None
        return _tool(ToolInstall(name, (posixpath.join(scope.path(given), name),), url))
    return None


def _programs(root: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return what an installer leaves below a root: the folder, or its programs where others use that too."""
    root = posixpath.normpath(root)
    return tuple(f"{root}/bin/{name}" for name in names) if root in _SHARED else (root,)


def rustup(scope: Scope, url: str = "rustup") -> Effect:
    """Return what rustup leaves: its own folder and Cargo's."""
    places = (
        scope.variables.get("CARGO_HOME", f"{scope.home}/.cargo"),
        scope.variables.get("RUSTUP_HOME", f"{scope.home}/.rustup"),
    )
    return _tool(ToolInstall("rust", places, url))


def version_manager(tool: str, scope: Scope) -> Effect:
    """Return what `nvm install` or `n` does."""
    if tool == "nvm":
        return _tool(ToolInstall("node", (_nvm_folder(scope),), "nvm", is_exact=False))
    return _tool(ToolInstall("node", node_places("/usr/local"), tool))


def _nvm_folder(scope: Scope) -> str:
    return scope.variables.get("NVM_DIR", f"{scope.home}/.nvm").rstrip("/")


def _tool(install: ToolInstall, name: str = "") -> Effect:
    return Effect(
        Role.BUILD,
        tool="installer",
        reads_only=True,
        writes=install.places,
        why=f"installs {name or install.language}",
        ecosystem=install.language,
        detail=install,
    )


def node_places(prefix: str) -> tuple[str, ...]:
    """Return what Node's archive, or `n`, puts below a prefix that holds other things too."""
    names = (
        "bin/node", "bin/npm", "bin/npx", "bin/corepack", "include/node", "lib/node_modules/npm",
        "lib/node_modules/corepack",
    )  # fmt: skip
    return tuple(posixpath.join(prefix, name) for name in names)


_SHARED = frozenset({"/", "/usr", "/usr/local", "/opt", "/root", "/home", "/usr/share", "/usr/lib"})


def archive_of(text: str) -> str:
    """Return the name of the tool in a known archive, by the name of its file; "" for none."""
    name = posixpath.basename(text.partition("?")[0])
    if name.startswith("go") and ".linux-" in name and name.endswith(".tar.gz"):
        return "go"
    if name.startswith("node-v") and "-linux-" in name and ".tar." in name:
        return "node"
    if name.startswith("apache-maven-") and name.endswith(("-bin.tar.gz", "-bin.zip")):
        return "maven"
    if name.startswith("gradle-") and name.endswith(("-bin.zip", "-all.zip")):
        return "gradle"
    return ""


def unpacked(text: str, folder: str, strips: bool) -> Effect | None:
    """Return what unpacking a known archive leaves in a folder; `text` is its name or address.

    `strips`: whether the archive's own top folder is left out.
    """
    tool = archive_of(text)
    name = posixpath.basename(text.partition("?")[0])
    if not tool or (strips and folder in _SHARED and tool != "node"):
        return None
    if strips and folder in _SHARED:
        places: tuple[str, ...] = node_places(folder)
    elif strips:
        places = (folder,)
    elif tool == "go":
        places = (posixpath.join(folder, "go"),)
    elif "$" in name:
        return None
    else:
        top = name.partition(".tar.")[0] if ".tar." in name else name.removesuffix(".zip")
        top = top.removesuffix("-bin").removesuffix("-all")
        places = (posixpath.join(folder, top),)
    return _tool(ToolInstall(tool, places, name))


def source_in(item: Item) -> PackageSource | None:
    """Return the package source that the commands of an item name, where all that it has is known."""
    for command in item.commands:
        for word in command.words:
            text = word.literal if word.literal is not None else word.text
            for host, names in _SOURCE_HOSTS.items():
                if f"://{host}" in text:
                    return PackageSource(host, names)
    return None


def added_repository(argv: Sequence[str | None]) -> Effect:
    """Return what `add-apt-repository` does."""
    named = next((word for word in argv[1:] if word and not word.startswith("-")), "")
    names = _REPOSITORIES.get(named)
    detail = PackageSource(named, names) if names is not None else None
    return Effect(Role.SETUP, tool=str(argv[0]), writes=("/etc/apt/sources.list.d",), detail=detail)
