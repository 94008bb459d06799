"""Build all marked fixtures, and write what was gained as a table and a plot: `make figures`.

    python bench/figures.py [--only PART-OF-A-NAME] [--again]

Each case is built before and after msrefactor with the Docker Engine. The size is the engine's; the rebuild
is timed after one source file was touched: the median of three, one side after the other, on a warm cache.
A case that fails is in the table as failed, and a rebuild that takes longer than its limit as more than that.
Rows are kept in docs/figures.json, so a run that was broken off goes on where it ended; --again measures
anew.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from e2e.builds import glance  # noqa: E402
from e2e.cases import FIXTURES, Case, marked_folders, read  # noqa: E402
from e2e.trial import build  # noqa: E402
from msrefactor.verification.engines import Build, Engine, NoEngine, connect  # noqa: E402

DATA = REPOSITORY / "docs/figures.json"
TABLE = REPOSITORY / "docs/figures.md"
PLOT = REPOSITORY / "docs/figures.svg"
ROUNDS = 3
REBUILD_SECONDS = 120.0
MEGABYTE = 1_000_000
COMMENT = {".py": "#", ".js": "//", ".mjs": "//", ".cjs": "//", ".ts": "//", ".go": "//"}


def main() -> int:
    """Measure what isn't measured yet, and write everything anew after each case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--again", action="store_true", help="measure again what is measured")
    parser.add_argument("--draw", action="store_true", help="only write the table and the plot anew")
    options = parser.parse_args()
    data = json.loads(DATA.read_text()) if DATA.exists() else {"rows": {}}
    if options.draw:
        write(data)
        return 0
    try:
        engine = connect("docker")
    except NoEngine as reason:
        print(f"make figures: {reason}", file=sys.stderr)
        return 2
    version = engine("version", "--format", "{{.Server.Version}}").stdout.strip()
    data["engine"] = f"Docker Engine {version}, {platform.machine()}"
    cases = {name(folder): read(folder) for folder in marked_folders()}
    cases = {
        case_name: case
        for case_name, case in cases.items()
        if case.outcome == "changed" and case.run.original in ("works", "answers-otherwise")
    }
    data["marked"] = len(cases)
    try:
        for case_name, case in cases.items():
            if options.only not in case_name or (case_name in data["rows"] and not options.again):
                continue
            data["rows"][case_name] = row = measured(engine, case)
            row["load"] = round(os.getloadavg()[0], 1)
            row["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
            print(f"{case_name}: {row}", file=sys.stderr)
            write(data)
    finally:
        engine.remove_everything()
    write(data)
    return 0


def name(folder: Path) -> str:
    """Return a case as the table calls it."""
    return folder.relative_to(FIXTURES).as_posix()


def measured(engine: Engine, case: Case) -> dict[str, Any]:
    """Return the row of one case; megabytes and seconds, `failed` if it came to nothing."""
    with tempfile.TemporaryDirectory(prefix="msrefactor-figures-") as place:
        sides: dict[str, Any] = {}
        for side in ("before", "after"):
            context = shutil.copytree(case.context, Path(place, side), symlinks=True)
            if side == "after" and not refactored(context, case):
                return {"failed": "msrefactor did not change it"}
            tag = engine.tag(f"{name(case.folder)}-{side}")
            try:
                first = build(engine, case.run, tag, context, case.dockerfile)
                if not first.succeeded:
                    return {"failed": f"the file {side} the refactoring does not build"}
                sides[side] = round(glance(engine, tag).size / MEGABYTE, 1)
                sides[f"rebuild_{side}"] = rebuilt(engine, case, tag, context)
            finally:
                engine.remove_image(tag)
    return sides


def refactored(context: Path, case: Case) -> bool:
    """Run msrefactor on a context; whether it changed the file."""
    file = context / case.dockerfile
    before = file.read_bytes()
    command = [sys.executable, "-m", "msrefactor", "--write", "--isolated", *case.options, case.dockerfile]
    subprocess.run(command, cwd=context, capture_output=True, check=False, timeout=120)
    return file.read_bytes() != before


def rebuilt(engine: Engine, case: Case, tag: str, context: Path) -> float | None:
    """Return the median seconds of rebuilds after a touched source file; None where the case names none."""
    if case.run.touch is None:
        return None
    source = context / case.run.touch
    comment = COMMENT.get(source.suffix)
    seconds = []
    for number in range(ROUNDS):
        with source.open("a") as end:
            end.write(
                f"\n{comment} {secrets.token_hex(8)}\n" if comment else "\n" * (1 + secrets.randbelow(999))
            )
        again_tag = tag.replace(":", f"-{number}:")
        again: Build = build(engine, case.run, again_tag, context, case.dockerfile, REBUILD_SECONDS)
        engine.remove_image(again_tag)
        if not again.succeeded:
            return REBUILD_SECONDS if again.seconds >= REBUILD_SECONDS else None
        seconds.append(again.seconds)
        if again.seconds > REBUILD_SECONDS / 3:
            break
    return round(statistics.median(seconds), 1)


# ------------------------------------------------------------------------------------------- table and plot


def write(data: Mapping[str, Any]) -> None:
    """Write the rows, the table and the plot."""
    DATA.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
    TABLE.write_text("".join(f"{line}\n" for line in page(data)))
    PLOT.write_text(plot(groups(data["rows"])))


def page(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the page."""
    rows: Mapping[str, Mapping[str, Any]] = data["rows"]
    dates = sorted({row["date"] for row in rows.values()})
    good = [row for row in rows.values() if "failed" not in row]
    rebuilds = [row for row in good if row["rebuild_before"] and row["rebuild_after"]]
    first, last = (dates[0], dates[-1]) if dates else ("never", "never")
    yield "# Figures"
    yield ""
    yield f"Written by `make figures` with {data.get('engine', 'no engine')}, {first} to {last}."
    failed = len(rows) - len(good)
    yield f"{len(rows)} of {data.get('marked', 0)} marked fixtures are measured, {failed} failed."
    yield "The base images are laid out as the official ones, from Debian's packages. Sizes are the engine's."
    yield "A rebuild is the median of three after one source file was touched."
    loads = [row["load"] for row in rows.values() if "load" in row]
    if loads:
        yield f"The machine's load was {min(loads)} to {max(loads)} meanwhile."
    if data.get("note"):
        yield data["note"]
    yield ""
    if good:
        sizes = [_median([row[side] for row in good]) for side in ("before", "after")]
        yield f"- Size: {sizes[0]} MB before, {sizes[1]} MB after (medians of {len(good)} fixtures)."
    if rebuilds:
        times = [_median([row[f"rebuild_{side}"] for row in rebuilds], 1) for side in ("before", "after")]
        yield f"- Rebuild: {times[0]} s before, {times[1]} s after (medians of {len(rebuilds)} fixtures)."
    yield ""
    yield "![sizes before and after, by kind of project](figures.svg)"
    yield ""
    yield "| fixture | MB before | after | rebuild s before | after |"
    yield "|---|---:|---:|---:|---:|"
    for case, row in sorted(rows.items()):
        if "failed" in row:
            yield f"| {case} | failed: {row['failed']} | | | |"
            continue
        cells = [f"{row['before']:.0f}", f"{row['after']:.0f}"]
        cells += [_seconds(row["rebuild_before"]), _seconds(row["rebuild_after"])]
        yield f"| {case} | {' | '.join(cells)} |"


def _median(values: Sequence[float], digits: int = 0) -> str:
    return f"{statistics.median(values):.{digits}f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f">{value:.0f}" if value >= REBUILD_SECONDS else f"{value:.1f}"


def groups(rows: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, int, float, float]]:
    """Return each group's name, number of cases, and median sizes, the largest first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for case, row in rows.items():
        transform, group = case.split("/")[:2]
        if "failed" not in row and transform in ("split-stages", "pipeline", "slim-final-base"):
            found.setdefault(group, []).append(row)
    return sorted(
        (
            (
                group,
                len(cases),
                statistics.median(one["before"] for one in cases),
                statistics.median(one["after"] for one in cases),
            )
            for group, cases in found.items()
        ),
        key=lambda row: -row[2],
    )


ROW, LEFT, WIDTH, RIGHT = 34, 150, 460, 150
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.b{fill:#8c959f}.a{fill:#1a7f37}.q{fill:#59636e}"
    "@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.b{fill:#656c76}.a{fill:#3fb950}.q{fill:#9198a1}}"
)


def plot(rows: Sequence[tuple[str, int, float, float]]) -> str:
    """Return an SVG: two bars for each group, the median sizes before and after."""
    height = 44 + ROW * len(rows)
    most = max((row[2] for row in rows), default=1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" role="img">',
        "<title>Median image size before and after, by kind of project</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="b" x="{LEFT}" y="10" width="12" height="12"/>',
        f'<text x="{LEFT + 18}" y="20">before</text>',
        f'<rect class="a" x="{LEFT + 80}" y="10" width="12" height="12"/>',
        f'<text x="{LEFT + 98}" y="20">after, median MB</text>',
    ]
    for index, (group, count, before, after) in enumerate(rows):
        top = 34 + index * ROW
        parts.append(f'<text x="{LEFT - 10}" y="{top + 17}" text-anchor="end">{group} ({count})</text>')
        for which, value, offset in (("b", before, 0), ("a", after, 13)):
            width = max(1.0, value / most * WIDTH)
            parts.append(
                f'<rect class="{which}" x="{LEFT}" y="{top + offset}" width="{width:.1f}" height="11"/>'
            )
        parts.append(
            f'<text class="q" x="{LEFT + max(1.0, before / most * WIDTH) + 6:.1f}" y="{top + 10}">'
            f"{before:.0f} → {after:.0f}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    sys.exit(main())
