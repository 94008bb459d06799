"""The proofs of a run: several at a time, in the order of the files, told on the terminal, and cleaned up."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from msrefactor.context import BuildContext, locate
from msrefactor.model import Result, Settings
from msrefactor.parse import parse
from msrefactor.pipeline import refactor_file, where
from msrefactor.verification.commands import Stopping
from msrefactor.verification.engines import Engine
from msrefactor.verification.plan import Plan
from msrefactor.verification.proof import Proof
from msrefactor.verification.verdict import Status, Verdict, as_json, from_json

TICK_SECONDS = 0.2
AHEAD = 2
"""So many changed files a job are refactored before the first of them is proved."""


@dataclass(slots=True)
class Session:
    """Everything that one run with --verify holds."""

    engine: Engine
    plan: Plan
    signals: AbstractContextManager[None]
    """No signal ends what is done within."""
    is_shown: bool = False
    """Progress is told, on a terminal."""
    verdicts: list[tuple[Path, Verdict]] = field(default_factory=list)
    _settings: Mapping[Path, Settings] = field(default_factory=dict)
    _context: Path | None = None
    _doing: dict[str, tuple[str, float]] = field(default_factory=dict)
    _pipeline: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[str, Verdict] = field(default_factory=dict)
    _is_drawn: bool = False
    _seen: int = 0

    def __call__(
        self, results: Iterator[Result], settings: Mapping[Path, Settings], context: Path | None
    ) -> Generator[Result, None, None]:
        """Yield each result in its order, with a verdict if it changes something.

        However the iteration ends, what was made in the engine and on the disk is removed.
        """
        self._settings, self._context = settings, context
        self._read_resumed()
        folder = Path(tempfile.gettempdir(), self.engine.run)
        folder.mkdir(mode=0o700)
        proof = Proof(self.engine, self.plan, folder, self._tell)
        pool = ThreadPoolExecutor(self.plan.jobs, thread_name_prefix="verify")
        waiting: deque[tuple[Result, Future[tuple[Result, Verdict]] | None]] = deque()
        changed = 0
        try:
            is_over = False
            while waiting or not is_over:
                while not is_over and len(waiting) < self.plan.jobs * AHEAD:
                    with self._pipeline:
                        result = next(results, None)
                    if result is None:
                        is_over = True
                        break
                    future = None
                    if result.is_changed:
                        changed += 1
                        if (changed - self.plan.shard[0]) % self.plan.shard[1]:
                            continue  # another machine's part
                        future = pool.submit(self._prove, proof, result)
                    waiting.append((result, future))
                if waiting:
                    yield self._finished(*waiting.popleft())
        finally:
            with self.signals:
                self._hide()
                self.engine.commands.stop()
                pool.shutdown(wait=True, cancel_futures=True)
                self.engine.remove_everything()
                shutil.rmtree(folder, ignore_errors=True)

    def _finished(self, result: Result, future: Future[tuple[Result, Verdict]] | None) -> Result:
        self._seen += 1
        if future is None:
            return result
        while True:
            try:
                taken, verdict = future.result(timeout=TICK_SECONDS)
                break
            except NotYet:
                if future.done():
                    raise
                self._show()
        self._hide()
        if result.path is not None:
            self.verdicts.append((result.path, verdict))
        return replace(taken, verdict=verdict)

    def _prove(self, proof: Proof, result: Result) -> tuple[Result, Verdict]:
        path = result.path
        if path is None:
            return result, Verdict(Status.UNPROVED, reason="a file that isn't on the disk has no context")
        key = self._key(result)
        known = self._known.get(key)
        if known is not None:
            return (self._again(path, frozenset(known.culprits)) if known.takes_part else result), known
        try:
            with self._pipeline:
                context: BuildContext = locate(path, parse(result.before), self._context)
            taken, verdict = proof.prove(result, context, lambda names: self._again(path, names))
        except Stopping:
            raise
        except Exception as error:  # noqa: BLE001  a bug of ours must not end a run over many files
            return result, Verdict(Status.UNPROVED, reason=f"internal error: {where(error)}")
        finally:
            self._doing.pop(str(path), None)
        self._remember(key, path, verdict)
        return taken, verdict

    def _again(self, path: Path, names: frozenset[str]) -> Result:
        """Run the pipeline on a file once more, without these transforms."""
        settings = self._settings[path]
        with self._pipeline:
            return refactor_file(path, replace(settings, ignore=settings.ignore | names), self._context)

    # ---------------------------------------------------------------------------------------------- resuming

    def _key(self, result: Result) -> str:
        plan = replace(self.plan, jobs=1, shard=(1, 1), resume=None, reports=())
        others = [(str(other.path), other.after) for other in result.others]
        text = repr((str(result.path), result.before, result.after, others, plan, self.engine.name))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def _read_resumed(self) -> None:
        if self.plan.resume is None or not self.plan.resume.exists():
            return
        for line in self.plan.resume.read_text(encoding="utf-8").splitlines():
            # a line that a killed run didn't finish is left out
            with suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                self._known[row["key"]] = from_json(row["verdict"])

    def _remember(self, key: str, path: Path, verdict: Verdict) -> None:
        if self.plan.resume is None:
            return
        row = json.dumps({"key": key, "path": str(path), "verdict": as_json(verdict)})
        with self._pipeline, self.plan.resume.open("a", encoding="utf-8") as file:
            file.write(row + "\n")

    # ---------------------------------------------------------------------------------------------- progress

    def _tell(self, path: str, what: str) -> None:
        self._doing[path] = (what, time.monotonic())

    def _show(self) -> None:
        """Tell in one line what is done now, how long it has taken, and how many are finished."""
        if not self.is_shown:
            return
        now = time.monotonic()
        parts = [f"{path}: {what}, {now - since:.0f} s" for path, (what, since) in list(self._doing.items())]
        left = len(self._settings) - self._seen
        line = f"[{len(self.verdicts)} verified, {left} files left] {'; '.join(parts)}"
        limit = max(20, shutil.get_terminal_size().columns - 1)
        line = "".join(char if char.isprintable() else "?" for char in line)[:limit]
        with suppress(OSError, ValueError):
            sys.stderr.write(f"\r{line}\x1b[K")
            sys.stderr.flush()
        self._is_drawn = True

    def _hide(self) -> None:
        if self._is_drawn:
            with suppress(OSError, ValueError):
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()
            self._is_drawn = False
