"""A port that is published and that nothing listens on: the final stage's server has another one.

Sources: the Dockerfile of nginx (default.conf listens on 80), .NET 8's breaking changes (8080 instead of 80).
"""

from __future__ import annotations

from collections.abc import Sequence

from msrefactor.facts import Role, StageFacts
from msrefactor.model import Evidence, Refused, View
from msrefactor_transforms.repairing.kinds import Found, joined, seen

_OF_DOTNET = ("URLS", "HTTP_PORTS", "HTTPS_PORTS", "KESTREL", "ASPNETCORE_ENVIRONMENT_PORT")
_IN_SOURCE = ("UseUrls", "ListenAnyIP", "ListenLocalhost", "UseKestrel", ".Listen(", 'app.Run("', "Urls.Add")


def find(view: View, stages: tuple[StageFacts, ...]) -> Found:
    """Tell it: which of the two ports is meant is the author's business."""
    return joined((_nginx(view, stages), _dotnet(view, stages)))


def _published(view: View) -> list[tuple[str, Evidence]]:
    """Return the container's ports that the project's files publish, each with where."""
    uses = [use for use in view.uses if use.kind == "port" and use.evidence.text.startswith("compose")]
    ports = [((use.value or "").partition("/"), use.evidence) for use in uses]
    return [(port, place) for (port, _, kind), place in ports if port.isdigit() and kind != "udp"]


def _wrong(view: View, stages: Sequence[StageFacts], listens: str, who: str) -> Found:
    ports = _published(view)
    if not ports or any(port == listens for port, _ in ports):
        return Found()
    port, place = ports[0]
    detail = f"port {port} of the container is published, and {who} listens on {listens}"
    evidence = (place, seen(view, stages[-1].facts[0]))
    return Found(told=(Refused("fails-today", detail, evidence, f"publish {listens}"),))


def _nginx(view: View, stages: Sequence[StageFacts]) -> Found:
    final = stages[-1]
    base = final.base
    if base.family != "nginx" or "unprivileged" in base.reference.text:
        return Found()
    for fact in final.facts[1:]:
        if fact.keyword in ("CMD", "ENTRYPOINT") or fact.role is Role.OPAQUE:
            return Found()
        touches = "/etc/nginx" in fact.instruction.source or "/docker-entrypoint" in fact.instruction.source
        if touches or (
            fact.destination in ("/", "/etc", "/etc/") or (fact.destination or "").startswith("/etc")
        ):
            return Found()
    if any(
        use.kind in ("command", "entrypoint") or (use.kind == "bind-mount" and "nginx" in (use.value or ""))
        for use in view.uses
    ):
        return Found()
    return _wrong(view, stages, "80", "nginx as its image configures it")


def _dotnet(view: View, stages: Sequence[StageFacts]) -> Found:
    final = stages[-1]
    base = final.base
    if (
        base.family != "dotnet"
        or base.variant != "aspnet"
        or not (base.version or "").partition(".")[0].isdigit()
    ):
        return Found()
    listens = "8080" if int((base.version or "0").partition(".")[0]) >= 8 else "80"
    own = {name for fact in final.facts if fact.keyword == "ENV" for name, _ in fact.instruction.pairs}
    given = [use.value or "" for use in view.uses if use.kind == "environment"]
    if any(mark in name.upper() for name in (*own, *given) for mark in _OF_DOTNET):
        return Found()
    if any(use.kind in ("command", "entrypoint") for use in view.uses) or not view.context.known:
        return Found()
    if any("--urls" in fact.instruction.source for fact in final.facts):
        return Found()
    for file in view.context.files():
        text = view.context.read_text(file) if file.endswith((".cs", ".fs", ".json")) else None
        if text is None:
            continue
        if file.endswith(".json"):
            is_settings = file.rpartition("/")[2].startswith("appsettings")
            if is_settings and ("Kestrel" in text or '"Urls"' in text or '"urls"' in text or "Ports" in text):
                return Found()
        elif any(mark in text for mark in _IN_SOURCE):
            return Found()
    return _wrong(view, stages, listens, f"ASP.NET Core of {base.reference.text}")
