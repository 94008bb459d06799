"""What running programs expect of any system: certificates, time zones, locales, /tmp, a home."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from msrefactor.contract import BUILD_ENVIRONMENT
from msrefactor.verification.config import BASE_VARIABLES
from msrefactor.verification.elf import MAGIC
from msrefactor.verification.reach import Reach

BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where programs look for certificate authorities (Go's crypto/x509/root_linux.go)."""
_ASKS_FOR_ROOTS = b"crypto/x509.SystemCertPool"
"""Go's linker leaves a function out that nobody calls."""
_ZONES = "/usr/share/zoneinfo"
_ADDRESS = re.compile(rb"https://((?:[a-z0-9-]+\.)+[a-z]{2,12})(?=[/:\"'\s\0?]|$)")
_ZONE = re.compile(
    rb"\b(?:Africa|America|Antarctica|Asia|Atlantic|Australia|Europe|Indian|Pacific)/"
    rb"[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_]+)?"
)
_OF_DOCUMENTATION = tuple(
    (
        "golang.org go.dev github.com w3.org example.com example.org example.net python.org "
        "rust-lang.org docs.rs crates.io gnu.org debian.org ietf.org rfc-editor.org json-schema.org "
        "openssl.org sourceware.org launchpad.net googlesource.com mozilla.org apache.org unicode.org "
        "wikipedia.org stackoverflow.com nodejs.org npmjs.com reactjs.org sqlite.org curl.se"
    ).split()
)
"""Hosts that programs name in messages; nobody connects to them."""
_LARGEST = 120_000_000
_TLS = frozenset({"ssl", "urllib", "http", "aiohttp", "urllib3", "tornado", "smtplib"})


def system_wants(reach: Reach, application: tuple[str, ...]) -> None:
    """Add what programs need of the system; `application` are the application's own paths."""
    _files_of_variables(reach)
    _folders(reach)
    _locale(reach)
    for path, content in _contents(reach, application):
        hosts = sorted(
            {match.group(1).decode() for match in _ADDRESS.finditer(content)}, key=lambda one: (len(one), one)
        )
        hosts = [one for one in hosts if not one.endswith(_OF_DOCUMENTATION)]
        if _ASKS_FOR_ROOTS in content:
            hosts.insert(0, "… (crypto/x509.SystemCertPool)")
        if hosts and _reads_bundle(reach, path, content):
            _authorities(reach, hosts[0], path)
        for zone in sorted({match.group().decode() for match in _ZONE.finditer(content)})[:20]:
            found = reach.root.resolve(f"{_ZONES}/{zone}")
            if found is None and _has_own_zones(reach, content):
                continue
            reach.want("time zone", zone, path, found)


def _reads_bundle(reach: Reach, path: str, content: bytes) -> bool:
    """Whether a program looks for the system's certificates; others bring their own (webpki-roots)."""
    if not content.startswith(MAGIC):
        return any(b"import " + one.encode() in content for one in _TLS)
    libraries = reach.loader.load(path)[0]
    return b"/etc/ssl/" in content or any(
        one.startswith(("libssl", "libgnutls", "libcurl")) for one in libraries
    )


def _has_own_roots(reach: Reach) -> bool:
    """Whether all that is started is a runtime that brings its certificate authorities along."""
    programs = {posixpath.basename(path) for path in reach.programs}
    families = reach.families() | (programs & {"deno", "bun"})
    return bool(families) and families <= {"node", "java", "deno", "bun"}


def _authorities(reach: Reach, host: str, by: str) -> None:
    """Want a bundle of certificates, for a host that is asked by https."""
    bundle = next((one for one in _bundles(reach) if reach.root.is_file(one)), None)
    reason = "" if bundle is not None else "the image has no bundle of certificates"
    reach.want("certificate authorities", f"for https://{host}", by, bundle, reason)


def _bundles(reach: Reach) -> tuple[str, ...]:
    named = reach.environment.get("SSL_CERT_FILE")
    return (named, *BUNDLES) if named else BUNDLES


def _has_own_zones(reach: Reach, content: bytes) -> bool:
    return b"time/tzdata" in content or any(path.endswith("/tzdata/zoneinfo") for path in reach.root.nodes)


def _contents(reach: Reach, application: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield what is started and is the application's own: compiled programs and the source of scripts."""
    own = frozenset(application)
    for path in (*reach.programs, *(one for one in application if one.endswith((".py", ".rb", ".php")))):
        if path not in own or "site-packages" in path or "node_modules" in path or "/gems/" in path:
            continue
        if reach.root.nodes[path].size <= _LARGEST:
            yield path, reach.root.read(path, _LARGEST) or b""


def _files_of_variables(reach: Reach) -> None:
    for name, value in sorted(reach.environment.items()):
        if name in BUILD_ENVIRONMENT or name in ("PATH", "HOME", "PWD", "GOPATH", "GOROOT") or " " in value:
            continue
        entries = value.split(":") if name.endswith(("PATH", "_DIRS")) else [value]
        for entry in entries:
            if entry.startswith("/") and entry != "/":
                reach.file(entry.rstrip("/"), f"Env {name}")
        if value.startswith("https://") and name not in BASE_VARIABLES and not _has_own_roots(reach):
            _authorities(reach, value.removeprefix("https://").partition("/")[0], f"Env {name}")
        if _ZONE.fullmatch(value.encode()):
            reach.want("time zone", value, f"Env {name}", reach.root.resolve(f"{_ZONES}/{value}"))
    for command in reach.commands:
        for word in filter(lambda one: _ZONE.fullmatch(one.encode()), command.argv):
            reach.want("time zone", word, command.by, reach.root.resolve(f"{_ZONES}/{word}"))
    zone = reach.environment.get("TZ", "")
    if zone and zone not in ("UTC", "UTC0", "GMT") and not zone.startswith(("/", ":")):
        reach.want("time zone", zone, "Env TZ", reach.root.resolve(f"{_ZONES}/{zone}"))
    link = reach.root.nodes.get("/etc/localtime")
    if link is not None and link.kind == "link" and not link.target.endswith("UTC"):
        reach.want("time zone", link.target, "/etc/localtime", reach.root.resolve("/etc/localtime"))


def _folders(reach: Reach) -> None:
    node = reach.root.get("/tmp")
    if node is not None or reach.families():
        is_open = node is not None and node.kind == "folder" and node.mode & 0o1777 == 0o1777
        reason = "" if node is None else f"its mode is {node.mode:04o} and must be 1777"
        reach.want("folder for temporary files", "/tmp", "any program", "/tmp" if is_open else None, reason)
    account = reach.account
    if account is not None and account.uid != 0 and account.home not in ("/", "/nonexistent"):
        reach.want("home folder", account.home, "USER", reach.root.resolve(account.home))
    found = reach.root.resolve(reach.folder)
    reach.want("folder", reach.folder, "WORKDIR", found)


def _locale(reach: Reach) -> None:
    name = reach.environment.get("LC_ALL") or reach.environment.get("LANG") or ""
    if name.partition(".")[0] in ("", "C", "POSIX"):
        return
    language, _, charset = name.partition(".")
    folder = f"/usr/lib/locale/{language}.{charset.lower().replace('-', '')}"
    found = next((one for one in (folder, f"/usr/lib/locale/{name}") if reach.root.is_folder(one)), None)
    archive = reach.root.read("/usr/lib/locale/locale-archive", 300_000_000) or b""
    if found is None and posixpath.basename(folder).encode() in archive:
        found = "/usr/lib/locale/locale-archive"
    reach.want("locale", name, "Env LANG", found)
