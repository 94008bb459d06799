"""One file: both texts are built, both images compared, and a difference is traced to its transform."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from msrefactor.context import BuildContext
from msrefactor.model import Changed, Result
from msrefactor.verification.engines import Build, Engine
from msrefactor.verification.plan import Plan
from msrefactor.verification.trying import CantProve, Trying
from msrefactor.verification.verdict import Status, Verdict

Again: TypeAlias = Callable[[frozenset[str]], Result]
"""Runs the pipeline on the file once more, without these transforms."""


@dataclass(slots=True)
class Proof:
    """One run's tools: the engine, a folder for archives, and where the logs of failures go."""

    engine: Engine
    plan: Plan
    folder: Path
    tell: Callable[[str, str], None] = lambda _path, _what: None
    """Told what is done now for which file."""
    _logs: Path | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prove(self, result: Result, context: BuildContext, again: Again) -> tuple[Result, Verdict]:
        """Return the change that may be made, whole or in part, and what was found out; raises Stopping."""
        name = str(result.path)
        with self._place() as place:
            try:
                trying = Trying(self, result, context, place)
                verdict, build = trying.whole()
            except CantProve as reason:
                return result, Verdict(Status.UNPROVED, reason=str(reason), logs=self._kept(name))
            try:
                if verdict.status is Status.PROVED:
                    return result, verdict
                verdict = replace(verdict, logs=self._keep(name, trying, build, verdict))
                if build is not None and verdict.status is Status.DIFFERENT:
                    return self._in_parts(result, verdict, trying, again)
                return result, verdict
            finally:
                trying.close()

    def _in_parts(
        self, result: Result, verdict: Verdict, trying: Trying, again: Again
    ) -> tuple[Result, Verdict]:
        """Switch steps off from the last until what is left is proved; then without the culprit alone."""
        steps = [step.transform for step in result.steps if isinstance(step.outcome, Changed)]
        culprits = tuple(steps[:1])
        best: tuple[Result, Verdict] | None = None
        for first in range(len(steps) - 1, 0, -1):
            self.tell(str(result.path), f"trying without {', '.join(steps[first:])}")
            part = again(frozenset(steps[first:]))
            found = trying.part(part) if part.is_changed else None
            if found is not None and found.status is Status.PROVED:
                culprits, best = (steps[first],), (part, found)
                break
        if best is None and len(steps) > 1:
            part = again(frozenset(culprits))
            found = trying.part(part) if part.is_changed else None
            best = (part, found) if found is not None and found.status is Status.PROVED else None
        elif best is not None and steps[-1] not in culprits:
            part = again(frozenset(culprits))
            found = trying.part(part) if part.is_changed else None
            if found is not None and found.status is Status.PROVED:
                best = (part, found)
            else:
                culprits = tuple(steps[steps.index(culprits[0]) :])
        verdict = replace(verdict, culprits=culprits, has_part=best is not None)
        if best is None or not self.plan.takes_part:
            return result, verdict
        part, found = best
        return part, replace(
            verdict, takes_part=True, after=found.after, removed=found.removed, notes=found.notes
        )

    @contextmanager
    def _place(self) -> Iterator[Path]:
        place = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    # ------------------------------------------------------------------------------------------------ logs

    def _log_folder(self, name: str) -> Path:
        with self._lock:
            if self._logs is None:
                self._logs = Path(tempfile.mkdtemp(prefix="msrefactor-logs-"))
        folder = self._logs / name.strip("/").replace("/", "-").replace("..", "-")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _kept(self, name: str) -> str:
        folder = self._logs
        place = None if folder is None else folder / name.strip("/").replace("/", "-").replace("..", "-")
        return str(place) if place is not None and place.is_dir() else ""

    def log(self, name: str, what: str, text: str) -> None:
        """Keep a text for whoever asks why something failed."""
        (self._log_folder(name) / what).write_text(text, errors="replace")

    def _keep(self, name: str, trying: Trying, build: Build | None, verdict: Verdict) -> str:
        """Keep all that was said while a difference was found, and return the folder."""
        self.log(name, "Dockerfile.refactored", trying.result.after)
        self.log(
            name, "differences.txt", "".join(f"{one.level.value}: {one}\n" for one in verdict.differences)
        )
        self.log(name, "build-before.log", trying.build.log)
        if build is not None:
            self.log(name, "build-after.log", build.log)
        for side, behaviour in (("before", trying.behaviour), ("after", trying.last_behaviour)):
            if behaviour is not None:
                self.log(name, f"container-{side}.log", f"{behaviour.stdout}\n{behaviour.stderr}")
        return str(self._log_folder(name))
