"""Mutated and generated Dockerfiles through the whole pipeline: `make fuzz`, `bench/fuzz.py --help`.

Each input is made of the seed and its number alone, so a fault can be made again; its build context is that
of the fixture it comes from. A fault is a crash, a hang, a result that a second run changes again or that
BuildKit's parser refuses, and an edit that doesn't give the result. What our own check calls our fault is
counted as `caught`: the file was left alone, with exit code 123, and there is something to mend.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
HANGS_AFTER = 20
"""Seconds of processor time."""

BASES = (
    "python:3.12 python:3.12-slim python:3.9-alpine node:20 node:20-alpine golang:1.22 golang:1.22-alpine "
    "rust:1.75 maven:3.9-eclipse-temurin-21 gradle:8-jdk17 eclipse-temurin:21-jdk openjdk:11 ruby:3.3 "
    "php:8.3-apache php:8.3-fpm composer:2 gcc:13 debian:bookworm ubuntu:22.04 alpine:3.19 nginx:1.25 "
    "mcr.microsoft.com/dotnet/sdk:8.0 elixir:1.16 perl:5.38 swift:5.9 haskell:9 scratch busybox "
    "registry.example.com/team/base:1 $BASE ${IMAGE:-python:3.12} python python@sha256:" + "0" * 64
).split()
LINES = (
    "RUN apt-get update && apt-get install -y gcc libpq-dev curl && rm -rf /var/lib/apt/lists/*",
    "RUN apt-get update",
    "RUN apk add --no-cache build-base git",
    "RUN pip install -r requirements.txt",
    "RUN pip install --no-cache-dir flask gunicorn==21.2.0",
    "RUN python -m venv /opt/venv",
    "RUN npm ci && npm run build",
    "RUN npm install --production",
    "RUN yarn install --frozen-lockfile",
    "RUN go build -o /app ./...",
    "RUN CGO_ENABLED=0 go build -ldflags '-s -w' -o /bin/server .",
    "RUN cargo build --release",
    "RUN mvn -q package -DskipTests",
    "RUN ./gradlew bootJar",
    "RUN bundle install",
    "RUN composer install --no-dev",
    "RUN dotnet publish -c Release -o /out",
    "RUN make && make install",
    "RUN curl -fsSL https://example.com/x.tar.gz | tar xz -C /opt && rm -f /opt/x.tar.gz",
    "RUN useradd -m app && chown -R app /app",
    "RUN if [ -f x ]; then echo y; else cat <<EOF; fi",
    "RUN <<EOF\nset -e\napt-get update\napt-get install -y make\nEOF",
    "RUN --mount=type=cache,target=/root/.cache pip install flask",
    "RUN --mount=type=secret,id=token cat /run/secrets/token",
    'RUN ["sh", "-c", "echo $HOME"]',
    "COPY . .",
    "COPY . /app",
    "COPY --chown=app:app src/ ./src/",
    "COPY requirements.txt package.json ./",
    "COPY --from=0 /app /app",
    "COPY --from=builder /out/ /out/",
    "COPY --from=nginx:1.25 /etc/nginx /etc/nginx",
    "COPY <<EOF /etc/conf\na=b\nEOF",
    "ADD https://example.com/a.tar.gz /tmp/",
    "ADD app.tar.gz /opt",
    "WORKDIR /app",
    "WORKDIR $HOME/src",
    "ENV PATH=/opt/venv/bin:$PATH",
    "ENV A=1 B=\"two words\" C='x'",
    "ENV KEY value with blanks",
    "ARG VERSION=1.0",
    "ARG TOKEN",
    "USER app",
    "USER 1000:1000",
    "EXPOSE 8080",
    "VOLUME /data",
    'ENTRYPOINT ["python", "app.py"]',
    "ENTRYPOINT exec java -jar /app/app.jar",
    'CMD ["./server"]',
    "CMD npm start",
    "HEALTHCHECK CMD curl -f http://localhost/ || exit 1",
    "ONBUILD RUN make",
    'SHELL ["/bin/bash", "-o", "pipefail", "-c"]',
    "STOPSIGNAL SIGINT",
    "LABEL a=b",
    "# syntax=docker/dockerfile:1",
    "# a comment",
    "# msrefactor: ignore[split-stages] it stays",
    "",
)
PIECES = (
    " && ", " || ", "; ", " \\\n", "\\\n", "\n", "\r\n", "\t", " # no comment", "$", "${", "}", "$(", ")",
    "`", "'", '"', "{", "[", "]", "<<EOF", "EOF\n", "--", "=", "*", "..", "/", "\0", "\ufeff", "\u2028", "é",
    "\udce9", "|", "&", ">", "2>&1", "sudo ", "exec ", "env A=b ", "-y", "!", "if ", "; then ", "; fi",
    "for i in a b; do ", "; done", "cd /x && ",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seeds:
    """The Dockerfiles that inputs are made of, and where they lie."""

    files: tuple[tuple[Path, str], ...]

    @staticmethod
    def of_fixtures() -> Seeds:
        """Return those of the fixtures."""
        found = sorted((REPOSITORY / "fixtures").glob("*/**/context/**/*ockerfile*"))
        return Seeds(
            tuple(
                (path, path.read_bytes().decode("utf-8", "surrogateescape"))
                for path in found
                if path.is_file() and path.stat().st_size < 20_000 and not path.name.endswith("ignore")
            )
        )


def made(number: int, seed: int, seeds: Seeds) -> tuple[Path, str]:
    """Return an input: the place where it would lie, and its text."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311
    path, text = chance.choice(seeds.files)
    if number % 4 == 0:
        return path, generated(chance)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        text = chance.choice(MUTATIONS)(text, chance, seeds)
    return path, text


def generated(chance: random.Random) -> str:
    """Return a Dockerfile of lines that make sense by themselves."""
    lines: list[str] = []
    for stage in range(chance.choice((1, 1, 1, 2, 3))):
        name = chance.choice(("", "", " AS builder", " as app", f" AS s{stage}"))
        lines.append(f"FROM {chance.choice(BASES)}{name}")
        lines += chance.choices(LINES, k=chance.randint(0, 14))
    return "\n".join(lines) + chance.choice(("\n", "\n", ""))


def _lines(text: str) -> list[str]:
    return text.split("\n")


def drop(text: str, chance: random.Random, _seeds: Seeds) -> str:
    """Leave out a line."""
    lines = _lines(text)
    del lines[chance.randrange(len(lines))]
    return "\n".join(lines)


def repeat(text: str, chance: random.Random, _seeds: Seeds) -> str:
    """Repeat a few lines elsewhere."""
    lines = _lines(text)
    start = chance.randrange(len(lines))
    some = lines[start : start + chance.randint(1, 4)]
    at = chance.randrange(len(lines) + 1)
    return "\n".join(lines[:at] + some + lines[at:])


def swap(text: str, chance: random.Random, _seeds: Seeds) -> str:
    """Let two lines change places."""
    lines = _lines(text)
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def insert(text: str, chance: random.Random, _seeds: Seeds) -> str:
    """Put a line of the list somewhere."""
    lines = _lines(text)
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(LINES))
    return "\n".join(lines)


def splice(text: str, chance: random.Random, seeds: Seeds) -> str:
    """Go on with the lines of another file."""
    other = _lines(chance.choice(seeds.files)[1])
    lines = _lines(text)
    return "\n".join(lines[: chance.randrange(len(lines)) + 1] + other[chance.randrange(len(other)) :])


def rebase(text: str, chance: random.Random, _seeds: Seeds) -> str:
    """Start from another image."""
    base = chance.choice(BASES)
    return re.sub(r"(?im)^(FROM\s+)\S+", lambda found: f"{found[1]}{base}", text, count=1)


def word(text: str, chance: random.Random, seeds: Seeds) -> str:
    """Put a word of another file in the place of one."""
    words = list(re.finditer(r"\S+", text))
    others = chance.choice(seeds.files)[1].split()
    if not words or not others:
        return text
    place = chance.choice(words)
    return text[: place.start()] + chance.choice(others) + text[place.end() :]


def noise(text: str, chance: random.Random, _seeds: Seeds) -> str:
    """Put something odd somewhere."""
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(PIECES) + text[at:]


def cut(text: str, chance: random.Random, _seeds: Seeds) -> str:
    """Leave out some characters, or the rest."""
    at = chance.randrange(len(text) + 1)
    return text[:at] + (text[at + chance.randint(1, 8) :] if chance.random() < 0.7 else "")


def line_ends(text: str, chance: random.Random, _seeds: Seeds) -> str:
    """Change line ends: all, some, the last."""
    kind = chance.randrange(3)
    if kind == 0:
        return text.replace("\n", "\r\n")
    if kind == 1:
        return text.rstrip("\n")
    return "".join(char if char != "\n" or chance.random() < 0.8 else "\r\n" for char in text)


def joined(text: str, chance: random.Random, _seeds: Seeds) -> str:
    """Make one RUN of two, or break one at its `&&`."""
    if chance.random() < 0.5:
        return re.sub(r"\nRUN ", " && \\\\\n    ", text, count=1)
    return text.replace(
        " && ", chance.choice(("\nRUN ", " \\\n && ", " && \\\n\n  # c\n  ", ";")), chance.randint(1, 3)
    )


def lower(text: str, chance: random.Random, _seeds: Seeds) -> str:
    """Write keywords in lower case."""
    return re.sub(
        r"(?m)^[A-Z]+(?= )", lambda found: found[0].lower() if chance.random() < 0.9 else found[0], text
    )


Mutation = Callable[[str, random.Random, Seeds], str]
MUTATIONS: Sequence[Mutation] = (
    drop, drop, repeat, swap, insert, insert, splice, rebase, word, word, noise, cut, line_ends, joined, lower
)  # fmt: skip


class Hangs(BaseException):
    """The time is over."""


def faults(path: Path, text: str) -> Iterator[tuple[str, str]]:
    """Yield the kind of each fault and what it is; the kind is `changed`, `refused` … where there is none."""
    from msrefactor.errors import BadInput
    from msrefactor.model import Settings
    from msrefactor.parse import parse
    from msrefactor.pipeline import refactor_source
    from msrefactor.report.files import applied, file_report
    from msrefactor.source import encode, source_of

    try:
        if source_of(encode(text), path).text != text:
            yield "FAULT", "the text isn't read as it was written"
            return
    except (BadInput, UnicodeEncodeError):
        yield "no text", ""
        return
    settings = Settings(unsafe=len(text) % 2 == 0)
    result = refactor_source(text, path, settings)
    if result.internal_error is not None:
        is_crash = re.search(r"\w+(Error|Exception|Interrupt)\b.* at \w+\.py:\d+", result.internal_error)
        yield "FAULT" if is_crash else "caught", result.internal_error
        if result.after != text:
            yield "FAULT", "a file with an internal error was changed"
        return
    if result.error is not None:
        if not re.fullmatch(r"\d+:\d+: [^\n]+", result.error) or result.after != text:
            yield "FAULT", f"the error isn't one line: {result.error!r}"
        yield "not parsed", ""
        return
    report = file_report(result, str(path))
    if not result.is_changed:
        if result.after != text:
            yield "FAULT", "an unchanged file was changed"
        yield report.status.value, ""
        return
    if applied(text, report.edits) != result.after:
        yield "FAULT", "the edits don't give the result"
    tree = parse(result.after)
    if tree.render() != result.after:
        yield "FAULT", "the result doesn't print as it was made"
    if is_accepted(text) and not is_accepted(result.after):
        yield "FAULT", "BuildKit's parser accepts the file and refuses the result"
    if not result.others:
        again = refactor_source(result.after, path, settings)
        if again.internal_error is not None or again.after != result.after:
            yield "FAULT", f"a second run: {again.internal_error or 'changes more'}"
    yield "changed", ""


_no_oracle_in: list[int] = []
"""The process that forks the others: the oracle's runtime (Go) has threads, and would not live on in them."""


def is_accepted(text: str) -> bool:
    """Whether BuildKit's parser takes the text; True where it can't be had."""
    if os.getpid() in _no_oracle_in or any("\ud800" <= char <= "\udfff" for char in text):
        return True  # it crashes at what is no UTF-8
    try:
        import dockerfile
    except ImportError:
        return True
    try:
        dockerfile.parse_string(text)
    except dockerfile.GoParseError:
        return False
    return True


def tried(number: int, seed: int, seeds: Seeds) -> list[tuple[str, str]]:
    """Try one input; a crash and a hang are faults, too."""

    def stop(_number: int, _frame: object) -> None:
        raise Hangs

    path, text = made(number, seed, seeds)
    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, HANGS_AFTER)
    try:
        return list(faults(path, text))
    except Hangs:
        return [("FAULT", f"hangs: more than {HANGS_AFTER} seconds")]
    except Exception as error:  # noqa: BLE001  a crash is what is looked for
        return [("FAULT", f"crash: {type(error).__name__}: {error}")]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def run(count: int, seed: int, jobs: int, keep: Path | None, seconds: float | None = None) -> Counter[str]:
    """Try the inputs, print each fault, keep its input, and return how many ended how."""
    from msrefactor.context import shared_projects
    from msrefactor.workers import in_order

    seeds = Seeds.of_fixtures()
    counts: Counter[str] = Counter()
    end = None if seconds is None else time.monotonic() + seconds

    def work(number: int) -> list[tuple[str, str]]:
        return tried(number, seed, seeds)

    def lost(_number: int, reason: str) -> list[tuple[str, str]]:
        return [("FAULT", reason)]

    if jobs > 1:
        _no_oracle_in.append(os.getpid())
    with shared_projects():
        for number, found in enumerate(in_order(count, work, lost, jobs)):
            counts["inputs"] += 1
            for kind, what in found:
                counts[kind] += 1
                if kind in {"FAULT", "caught"}:
                    print(f"{kind}: input {number} of seed {seed}: {what}", flush=True)
                    if keep is not None:
                        keep.mkdir(parents=True, exist_ok=True)
                        path, text = made(number, seed, seeds)
                        name = keep / f"{seed}-{number}.Dockerfile"
                        name.write_bytes(text.encode("utf-8", "surrogatepass"))
                        name.with_suffix(".txt").write_text(f"{path}\n{what}\n")
            if end is not None and time.monotonic() > end:
                break
    return counts


def main() -> int:
    """Run by hand or by make."""
    from msrefactor.workers import cores

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000, help="how many inputs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=cores())
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the inputs with faults there")
    parser.add_argument("--show", type=int, help="print the input of this number, and try only it")
    options = parser.parse_args()
    if options.show is not None:
        seeds = Seeds.of_fixtures()
        path, text = made(options.show, options.seed, seeds)
        print(f"# {path}\n{text}")
        print(tried(options.show, options.seed, seeds))
        return 0
    started = time.monotonic()
    counts = run(options.count, options.seed, options.jobs, options.keep, options.seconds)
    taken = time.monotonic() - started
    print(", ".join(f"{number} {kind}" for kind, number in counts.most_common()), f"in {taken:.0f} s")
    return 1 if counts["FAULT"] else 0


if __name__ == "__main__":
    sys.exit(main())
