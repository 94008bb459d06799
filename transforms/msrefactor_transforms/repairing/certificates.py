"""A Go program on scratch that calls https or loads a time zone: no certificate and no zone is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msrefactor.code.go_tokens import imports_in, tokens
from msrefactor.code.tokens import arguments
from msrefactor.facts import Role, StageFacts
from msrefactor.knowledge.packages import packages_in
from msrefactor.model import Change, Evidence, View
from msrefactor_transforms.ecosystems._go_commands import GoBuild
from msrefactor_transforms.ecosystems._go_sources import sources_of
from msrefactor_transforms.repairing.kinds import (
    Found,
    Place,
    change,
    edited,
    may_bring,
    name_of,
    reached,
)
from msrefactor_transforms.splitting.copies import copied

_CALLS = ("net/http", frozenset({"Get", "Post", "PostForm", "Head", "NewRequest"}))
_ZONE_CALLS = ("time", frozenset({"LoadLocation"}))
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_ZONES = "/usr/share/zoneinfo"


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Copy the certificates and the time zones that the builder has."""
    final, last = stages[-1], len(stages) - 1
    if final.base.system != "scratch" or len(reached(view, stages)) > 1:
        return Found()
    for copy in copied(view, last, final):
        builder = stages[copy.stage]
        builds = [
            (fact, effect, effect.detail)
            for fact, effect in builder.effects()
            if isinstance(effect.detail, GoBuild) and copy.source in effect.writes
        ]
        if not builds or any(build.packages is None for _, _, build in builds):
            continue
        sources = sources_of(view, builds)
        if not sources.is_found:
            continue
        lines: list[str] = []
        changes: list[Change] = []
        name = name_of(view, copy.stage)
        call = _place_of(_CALLS, sources.own, lambda text: text.startswith("https://"))
        roots = any(one.startswith("golang.org/x/crypto/x509roots") for one in sources.imports)
        insecure = sources.mentions("InsecureSkipVerify|RootCAs|SSL_CERT")
        needs = call is not None and not roots and not insecure and _brings_certificates(builder)
        if call is not None and needs and not _has(final, _CERTIFICATES):
            lines.append(f"COPY --from={name} {_CERTIFICATES} /etc/ssl/certs/\n")
            changes.append(change(view, "copy the certificates: the program calls https", copy.fact, call))
        zone = _place_of(_ZONE_CALLS, sources.own, lambda text: text[:1].isupper() and "/" in text)
        embedded = "time/tzdata" in sources.imports or "timetzdata" in str(
            [f.instruction.source for f in builder.facts]
        )
        if zone is not None and not embedded and not _has(final, _ZONES) and builder.base.system == "debian":
            lines.append(f"COPY --from={name} {_ZONES} {_ZONES}\n")
            changes.append(
                change(view, "copy the time zones: the program loads one by its name", copy.fact, zone)
            )
        if lines:
            inserted: Mapping[Place, Sequence[str]] = {(last, copy.fact.index): lines}
            return Found(edited(view, changes, inserted=inserted))
    return Found()


def _place_of(
    calls: tuple[str, frozenset[str]], files: Mapping[str, str], is_meant: Callable[[str], bool]
) -> Evidence | None:
    """Return the first call of a package's functions that is given a literal string that is meant."""
    package, functions = calls
    for path, text in sorted(files.items()):
        code = list(tokens(text))
        names = {name for name, imported in imports_in(code).items() if imported == package}
        for at in range(len(code) - 3) if names and not path.endswith("_test.go") else ():
            first, dot, function, bracket = (token.text for token in code[at : at + 4])
            is_call = first in names and dot == "." and function in functions and bracket == "("
            if not is_call or code[at].kind != "name" or (at and code[at - 1].text == "."):
                continue
            given = [
                group[0].text
                for group in arguments(code, at + 3)[0]
                if len(group) == 1 and group[0].kind == "string"
            ]
            if any(map(is_meant, given)):
                line = code[at].line
                return Evidence(path, line, text.splitlines()[line - 1].strip()[:120])
    return None


def _has(final: StageFacts, path: str) -> bool:
    """Whether something may bring the path to the final stage, or the program is told another one."""
    if (
        "SSL_CERT_FILE" in final.end.variables
        or "SSL_CERT_DIR" in final.end.variables
        or "ZONEINFO" in final.end.variables
    ):
        return True
    for fact in final.facts:
        inside = (path, "/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl", "/etc")
        if any(may_bring(fact, one) and fact.destination != "/" for one in inside):
            return True
        text = fact.instruction.source
        if fact.keyword in ("COPY", "ADD") and (
            "cert" in text or "ssl" in text or "zoneinfo" in text or ".tar" in text
        ):
            return True
        if (fact.destination or "").startswith(path):
            return True
    return False


def _brings_certificates(builder: StageFacts) -> bool:
    """Whether the builder surely has the certificates: the images of Go do."""
    base = builder.base
    if any(effect.role is Role.CLEAN and effect.removes for _, effect in builder.effects()):
        return False
    if base.family != "golang":
        return False
    releases = (base.release,) if base.release else base.releases
    return base.system == "alpine" or all("ca-certificates" in packages_in(base, one) for one in releases)
