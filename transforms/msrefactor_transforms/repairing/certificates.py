"""A Go program on scratch that calls https or loads a time zone: no certificate and no zone is there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

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

_CALL = re.compile(r'\bhttp\.(?:Get|Post|PostForm|Head|NewRequest)\((?:[^()"]*,\s*)?"https://')
_ZONE = re.compile(r'\btime\.LoadLocation\("[A-Z][A-Za-z]+/')
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
        call = _place_of(_CALL, sources.own)
        roots = any(one.startswith("golang.org/x/crypto/x509roots") for one in sources.imports)
        insecure = sources.mentions("InsecureSkipVerify|RootCAs|SSL_CERT")
        needs = call is not None and not roots and not insecure and _brings_certificates(builder)
        if call is not None and needs and not _has(final, _CERTIFICATES):
            lines.append(f"COPY --from={name} {_CERTIFICATES} /etc/ssl/certs/\n")
            changes.append(change(view, "copy the certificates: the program calls https", copy.fact, call))
        zone = _place_of(_ZONE, sources.own)
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


def _place_of(pattern: re.Pattern[str], files: Mapping[str, str]) -> Evidence | None:
    """Return the first line of the source that a pattern matches, comments aside."""
    for path, text in sorted(files.items()):
        for number, line in enumerate(text.splitlines(), 1):
            found = pattern.search(line)
            if found and "//" not in line[: found.start()] and not path.endswith("_test.go"):
                return Evidence(path, number, line.strip()[:120])
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
