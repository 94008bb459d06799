"""The proof that a declared server hands out the same files on the same port as the program before it.

It reads the result alone: the configuration that the final stage writes, and the copies it makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msrefactor import shell
from msrefactor.contract import Config, effective_config
from msrefactor.model import Replacement, View
from msrefactor.tree import Dockerfile, Stage

_DEFAULT_PORTS: Mapping[str, frozenset[int]] = {
    "serve": frozenset({3000, 5000}),
    "http-server": frozenset({8080}),
    "vite": frozenset({4173, 5173, 3000}),
    "nginx": frozenset({80}),
    "react-scripts": frozenset({3000}),
    "craco": frozenset({3000}),
    "react-app-rewired": frozenset({3000}),
    "ng": frozenset({4200}),
    "vue-cli-service": frozenset({8080}),
    "docusaurus": frozenset({3000}),
}
"""Where these listen when nobody says."""


def replacement_findings(before: View, after: Dockerfile, replacement: Replacement) -> Iterable[str]:
    """Yield what speaks against the replacement."""
    final = after.final_stage
    old = effective_config(before.dockerfile, len(before.dockerfile.stages) - 1)
    new = effective_config(after, len(after.stages) - 1)
    if new.base is None or new.base.family != "nginx" or replacement.command[:1] != ("nginx",):
        yield "check-failed: what takes the place of the old server isn't nginx"
        return
    if replacement.port not in _known_ports(before, old, replacement):
        yield f"check-failed: nothing says that {replacement.tool} listened on port {replacement.port}"
    lines = [line for text in _written(final, replacement.configuration) for line in text]
    if not lines:
        yield f"check-failed: nothing writes {replacement.configuration}"
        return
    wanted = "${" + replacement.port_variable + "}" if replacement.port_variable else str(replacement.port)
    listens = [line.split()[1].rstrip(";") for line in lines if line.startswith("listen ")]
    if not listens or any(listen.rpartition(":")[2] != wanted for listen in listens):
        yield f"check-failed: nginx listens on {', '.join(listens) or 'no port'} and not on {wanted}"
    if replacement.port_variable and dict(replacement.environment).get(replacement.port_variable) != str(
        replacement.port
    ):
        yield f"check-failed: {replacement.port_variable} isn't {replacement.port}"
    was_root = old.user.split(":")[0] in ("root", "0", "")
    is_other = old.user.replace(":", "").isdigit() and replacement.user not in (None, old.user)
    if was_root != (replacement.user is None) or is_other:
        yield f"check-failed: the user {old.user} became {replacement.user}"
    roots = [line.split()[1].rstrip(";") for line in lines if line.startswith("root ")]
    if roots != [replacement.folder]:
        yield f"check-failed: nginx hands out {', '.join(roots) or 'nothing'} and not {replacement.folder}"
    passed = {word.rstrip(";") for line in lines for word in line.split() if word.startswith("http://")}
    if passed != set(replacement.upstreams):
        yield f"check-failed: nginx forwards to {', '.join(sorted(passed)) or 'nobody'}"
    open_braces = sum(line.count("{") - line.count("}") for line in lines)
    if lines.count("server {") != 1 or open_braces != 0:
        yield "check-failed: the configuration of nginx isn't one server with its braces closed"
    copied = any(
        instruction.keyword == "COPY"
        and instruction.flag("from") is not None
        and instruction.words
        and instruction.words[-1].text == replacement.folder
        for instruction in final.instructions
    )
    if not copied:
        yield f"check-failed: {replacement.folder} isn't copied to the final stage"


def _written(stage: Stage, path: str) -> Iterator[list[str]]:
    """Yield the lines of each printf that writes the file."""
    for instruction in stage.instructions:
        script = shell.parse_script(instruction.arguments) if instruction.keyword == "RUN" else None
        for item in script.items if script is not None else ():
            for command in item.commands:
                targets = [redirect.target.literal for redirect in command.redirects if redirect.target]
                if command.name == "printf" and path in targets:
                    yield [(word.literal or "").strip() for word in command.arguments[1:]]


def _says_where(name: str) -> bool:
    """Whether a file of this name can tell a server its port."""
    return name in ("package.json", "angular.json", ".angular.json") or name.startswith(
        ("vite.config.", "vue.config.", ".env")
    )


def _known_ports(before: View, old: Config, replacement: Replacement) -> frozenset[int]:
    """Return the ports that the file, its scripts, or the old server's manual name."""
    texts = [
        instruction.text
        for instruction in before.dockerfile.all_instructions
        if instruction.keyword in ("CMD", "ENTRYPOINT", "ENV", "ARG")
    ]
    texts.extend(port.partition("/")[0] for port in old.exposed)
    if before.context.known:
        texts.extend(
            before.context.read_text(file) or ""
            for file in before.context.files("")
            if _says_where(file.rpartition("/")[2]) and "node_modules/" not in file
        )
    found = set(_DEFAULT_PORTS.get(replacement.tool.partition(" ")[0], ()))
    for text in texts:
        digits = "".join(char if char.isascii() and char.isdigit() else " " for char in text)
        found.update(int(number) for number in digits.split() if len(number) < 6)
    return frozenset(found)
