"""Asks a server over its own loopback and tells what it answered and which ports listen, as JSON.

Runs inside the network namespace of the container under test (given to a Python on standard input), so it
needs no published port and no way into the container, which may hold no shell. Standard library only, and
nothing newer than Python 3.8, because it runs on whatever Python image is there.

    python3 - SPECIFICATION        {"port": 80, "paths": ["/"], "headers": {}, "listen": [80], "wait": 30}

The ports of `listen` are waited for first. Without a port the first of them that listens is asked, or else
whoever listens.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import sys
import time
from pathlib import Path

POLL_SECONDS = 0.1
ANSWER_SECONDS = 10
OTHER_SECONDS = 3
"""So long other ports than those that are waited for have to listen."""
LISTEN = "0A"


def listening_ports() -> list[str]:
    """Return `tcp any:80` for each listening socket of this network namespace, sorted."""
    ports = set()
    for family in ("tcp", "tcp6"):
        table = Path("/proc/net", family)
        for row in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = row.split()
            if fields[3] == LISTEN:
                address, port = fields[1].split(":")
                ports.add(f"{family} {reach(address)}:{int(port, 16)}")
    return sorted(ports)


def reach(address: str) -> str:
    """Return `any`, `loopback` or the address in hexadecimal as the kernel writes it."""
    if not address.strip("0"):
        return "any"
    if address in ("0100007F", "00000000000000000000000001000000"):
        return "loopback"
    return address


def ask(port: int, path: str, headers: dict[str, str], deadline: float) -> dict[str, object]:
    """Return the answer to one request, asked again until somebody listens.

    A path may have another method than GET before it: `HEAD /`. `GZIP /` is a GET that takes gzip.
    """
    method, _, place = path.rpartition(" ")
    if method == "GZIP":
        method, headers = "GET", {**headers, "Accept-Encoding": "gzip"}
    while True:
        connection = http.client.HTTPConnection("localhost", port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method or "GET", place, headers=headers)
            response = connection.getresponse()
            return {
                "path": path,
                "status": response.status,
                "content_type": response.getheader("Content-Type"),
                "cache_control": response.getheader("Cache-Control"),
                "location": response.getheader("Location"),
                "encoding": (encoding := response.getheader("Content-Encoding")),
                "body": base64.b64encode(plain(response.read(), encoding)).decode(),
            }
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline:
                return {"path": path, "error": f"{type(error).__name__}: {error}"}
        finally:
            connection.close()
        time.sleep(POLL_SECONDS)


def plain(body: bytes, encoding: str | None) -> bytes:
    """Return the body as it was before it was compressed."""
    return gzip.decompress(body) if encoding == "gzip" and body else body


def numbers() -> list[int]:
    """Return the numbers of the ports that listen for others than the container itself, then all."""
    ports = sorted(listening_ports(), key=lambda port: " loopback:" in port)
    return [int(port.rpartition(":")[2]) for port in ports]


def await_ports(wanted: list[int], deadline: float) -> None:
    """Wait until all these ports listen, or others have for a while; without any named, until one does."""
    seen = None
    while time.monotonic() < deadline:
        found = numbers()
        if found and all(port in found for port in wanted):
            return
        seen = (seen or time.monotonic()) if found else None
        if seen is not None and time.monotonic() > seen + OTHER_SECONDS:
            return
        time.sleep(POLL_SECONDS)


def main() -> None:
    """Read the specification, ask, and print the report."""
    specification = json.loads(sys.argv[1])
    deadline = time.monotonic() + specification["wait"]
    port, listen = specification.get("port"), specification.get("listen")
    if listen is not None or port is None:
        await_ports(listen or [], deadline)
    listening = numbers()
    named = [one for one in listen or [] if one in listening]
    asked = port or (named or listening or listen or [80])[0]
    answers = [
        ask(asked, path, specification.get("headers") or {}, deadline)
        for path in specification.get("paths") or []
    ]
    json.dump({"answers": answers, "ports": listening_ports()}, sys.stdout)


if __name__ == "__main__":
    main()
