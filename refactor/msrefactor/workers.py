"""The same work on many things by forked processes, with the results in the order of the things.

A worker is a copy of this process: it has imported what it needs, and what the work closes over is there. It
is given numbers through one pipe and sends pickled results through another. When this process ends, however
it ends, the kernel ends the workers.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import select
import signal
import struct
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, Generic, NoReturn, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

T = TypeVar("T")

_FEW: Final = 16
"""With fewer things than this, starting a second process takes longer than the work."""
_AHEAD: Final = 64
"""For each worker: how many results may wait for an earlier one, so that memory stays bounded."""
_LARGEST_SHARE: Final = 8
"""Things given to a worker at once. Neighbours are given together: they share what is read of a project."""
_HEAD: Final = struct.Struct("<QQ")  # number of the thing, length of what follows


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def jobs_for(count: int, wanted: int | None = None) -> int:
    """Return how many processes to work with: what is wanted, else one for each core if that pays."""
    if wanted is not None:
        return max(1, min(wanted, count))
    return 1 if count < _FEW else min(cores(), count // (_FEW // 2))


def in_order(
    count: int, work: Callable[[int], T], lost: Callable[[int, str], T], jobs: int
) -> Generator[T, None, None]:
    """Yield work(0), work(1), … work(count - 1).

    With one job nothing is forked. `lost` makes the result of a thing whose worker died, of the reason why.
    Close the iterator to end the workers early; a signal's exception does it as well.
    """
    if not count:
        return
    # The first is done here: what it imports and reads is there for all workers.
    yield work(0)
    if jobs < 2 or count < 2:
        for number in range(1, count):
            yield work(number)
        return
    with _Team(count, work, lost, min(jobs, count - 1)) as team:
        yield from team.results()


class _Worker:
    """One process, and this side's ends of its pipes."""

    __slots__ = ("data", "life", "pid", "results", "tasks", "todo")

    def __init__(self, pid: int, tasks: int, results: int, life: int) -> None:
        self.pid = pid
        self.tasks, self.results, self.life = tasks, results, life
        self.todo: deque[int] = deque()
        """What it was given and has not answered, in its order."""
        self.data = bytearray()

    def close(self) -> str:
        """End the process, and say how it ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        for descriptor in (self.tasks, self.results, self.life):
            os.close(descriptor)
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return f"exit code {code}" if code >= 0 else f"signal {-code}"


class _Team(Generic[T]):
    """The workers, what is left to do, and the results that came too early."""

    def __init__(
        self, count: int, work: Callable[[int], T], lost: Callable[[int, str], T], jobs: int
    ) -> None:
        self.work, self.lost, self.jobs = work, lost, jobs
        self.count = count
        self.head = 1
        """The next result to be yielded."""
        self.next = 1
        """The first thing that nobody was given."""
        self.again: deque[int] = deque()
        """What a dead worker left."""
        self.early: dict[int, T] = {}
        self.workers: list[_Worker] = []
        self.share = max(1, min(_LARGEST_SHARE, count // (jobs * 8)))

    def __enter__(self) -> _Team[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self.workers:
            self.workers.pop().close()

    def results(self) -> Iterator[T]:
        """Yield each result when those before it were."""
        while self.head < self.count:
            if self.head not in self.early:
                self._staff()
                if self.workers:
                    self._receive()
                else:
                    self.early[self.head] = self.work(self.head)
            if self.head in self.early:
                result = self.early.pop(self.head)
                self.head += 1
                yield result

    def _staff(self) -> None:
        """Start workers while there are too few, and give work to those who have little."""
        try:
            while len(self.workers) < self.jobs and (self.again or self.next < self.count):
                self._start()
        except OSError:  # no more processes or pipes are to be had: those that there are do it
            self.jobs = len(self.workers)
        for worker in self.workers:
            if len(worker.todo) <= self.share // 2:
                self._give(worker)

    def _give(self, worker: _Worker) -> None:
        numbers = [self.again.popleft() for _ in range(min(len(self.again), self.share))]
        room = self.head + _AHEAD * self.jobs - self.next
        more = min(self.share - len(numbers), self.count - self.next, room)
        numbers += range(self.next, self.next + max(0, more))
        self.next += max(0, more)
        worker.todo.extend(numbers)
        with suppress(BrokenPipeError):  # it is dead; that is seen when its results end
            if numbers:
                os.write(worker.tasks, b"".join(_HEAD.pack(number, 0) for number in numbers))

    def _receive(self) -> None:
        """Wait for results, and take all that are there."""
        ready, _, _ = select.select([worker.results for worker in self.workers], [], [])
        for worker in [worker for worker in self.workers if worker.results in ready]:
            data = os.read(worker.results, 1 << 20)
            if not data:
                self._bury(worker)
                continue
            worker.data += data
            while len(worker.data) >= _HEAD.size:
                number, length = _HEAD.unpack_from(worker.data)
                end = _HEAD.size + length
                if len(worker.data) < end:
                    break
                self.early[number] = pickle.loads(worker.data[_HEAD.size : end])  # noqa: S301  our own
                worker.todo.remove(number)
                del worker.data[:end]

    def _bury(self, worker: _Worker) -> None:
        """Take the dead worker's first unanswered thing as lost, and the others back."""
        self.workers.remove(worker)
        reason = worker.close()
        if worker.todo:
            number = worker.todo.popleft()
            self.early[number] = self.lost(number, f"the worker process died ({reason})")
            self.again.extendleft(reversed(worker.todo))

    def _start(self) -> None:
        with ExitStack() as opened:
            tasks, our_tasks = _pipe(opened)
            our_results, results = _pipe(opened)
            life, our_life = _pipe(opened)
            pid = os.fork()
            opened.pop_all()
        if pid == 0:
            for descriptor in (our_tasks, our_results, our_life):
                os.close(descriptor)
            for other in self.workers:
                for descriptor in (other.tasks, other.results, other.life):
                    os.close(descriptor)
            _serve(tasks, results, life, self.work, self.lost)
        for descriptor in (tasks, results, life):
            os.close(descriptor)
        self.workers.append(_Worker(pid, our_tasks, our_results, our_life))


def _pipe(opened: ExitStack) -> tuple[int, int]:
    """Return the ends to read from and to write to; both are closed if a later step fails."""
    ends = os.pipe()
    for end in ends:
        opened.callback(os.close, end)
    return ends


def _serve(
    tasks: int, results: int, life: int, work: Callable[[int], T], lost: Callable[[int, str], T]
) -> NoReturn:
    """Work until the pipe of tasks ends; the process ends here, whatever happens."""
    code = 1
    try:
        # Ctrl-C goes to all processes of a terminal; who ends the workers is the one that started them.
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        _die_with(life)
        while head := os.read(tasks, _HEAD.size):
            number = _HEAD.unpack(head)[0]
            try:
                data = pickle.dumps(work(number), pickle.HIGHEST_PROTOCOL)
            except Exception as error:  # noqa: BLE001  a bug of ours must not end a run over many files
                text = f"{type(error).__name__}: {' '.join(str(error).split())}"
                data = pickle.dumps(lost(number, text), pickle.HIGHEST_PROTOCOL)
            _write(results, _HEAD.pack(number, len(data)) + data)
        code = 0
    finally:
        os._exit(code)


def _die_with(life: int) -> None:
    """Let the kernel end this process when the other end of the pipe is closed: when the parent is gone.

    Where it can't, the worker ends after the thing that it is at, when the pipe of tasks ends.
    """
    with suppress(OSError, AttributeError, ValueError):
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
