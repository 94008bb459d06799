"""One engine for the whole run, swept clean however the run ends, and the table of sizes at its end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence

import pytest

from msrefactor.verification.engines import Engine, NoEngine, connect

HEADING = ("case", "before MB", "after MB", "percent", "waste", "rebuild before s", "rebuild after s")
ROWS = pytest.StashKey[list[tuple[str, ...]]]()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker Engine; what the tests make with it is removed, also on failure, Ctrl-C and SIGTERM."""
    try:
        engine = connect("docker")
    except NoEngine as error:
        pytest.exit(
            f"the real-build tests need a Docker Engine: {error}", returncode=pytest.ExitCode.USAGE_ERROR
        )
    before = signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        yield engine
    finally:
        engine.remove_everything()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def add_row(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Adds a row to the table that is printed at the end."""

    def add(*cells: str) -> None:
        assert len(cells) == len(HEADING)
        pytestconfig.stash.setdefault(ROWS, []).append(cells)

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("sizes, and the rebuild after one source file changed")
        terminalreporter.write_line(table([HEADING, *rows]))


def _as_interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns: the first is text, the others are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if at else cell.ljust(w)
            for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
