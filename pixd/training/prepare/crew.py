"""Runs the children of `pixd prepare`: gives them jobs, writes the files, reports problems.

There is one child for each core. Each makes one picture at a time, and has a thread that gives it
jobs. One more thread writes their pictures while they work; it writes some dozens of files
together, with two syncs for all. So memory holds only a few pictures, however many there are.

Promises: a file that crashes or hangs its child is refused by name and disturbs nothing else.
Whenever this ends, each file is whole or absent.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from pixd.system import disk, durable, machine
from pixd.system.children.confined_child import ChildDiedError
from pixd.system.errors import DiskError, ImageRejectedError, PixdError, in_words
from pixd.system.names import path_in
from pixd.training.prepare.listing import Ignored, Job, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pixd.system.children.confined_child import ConfinedChild
    from pixd.system.children.spawner import Spawner
    from pixd.training.prepare.listing import Found
    from pixd.training.prepare.recipe import Task

_GO_ON: Final = "fix that; the same command goes on where it stopped"
_CHILD: Final = "pixd.training.prepare.maker_child"
_AHEAD: Final = 2  # jobs that wait for each child, so that it never waits for a job
_TRIES: Final = 2  # for a job whose child died: the child may have been killed from outside
_FILES_TOGETHER: Final = 64
_BYTES_TOGETHER: Final = 32 << 20
_WRITTEN_AFTER_S: Final = 2.0  # so that a slow operation shows its first results


@dataclass(slots=True)
class Tally:
    """What became of the files so far.

    Attributes:
        made: pictures or pairs that this command made or copied.
        replaced: how many of them took the place of what was made of other sources.
        same: those that were there already.
        refused: files and folders from which nothing could be made.
        ignored: names that were not looked at.
        unplaced: made, but not written yet.
        sets: for `split`, how many are in each set.
    """

    made: int = 0
    replaced: int = 0
    same: int = 0
    refused: int = 0
    ignored: int = 0
    unplaced: int = 0
    sets: dict[str, int] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """How many jobs and problems are finished."""
        return self.made + self.same + self.refused


class _Answer(NamedTuple):
    job: Job
    event: dict[str, Any]
    data: bytes


def work_off(
    found: Iterable[Found],
    task: Task,
    tally: Tally,
    tell: Callable[[Path, str], None],
    progress: Callable[[], None],
    spawner: Spawner,
) -> None:
    """Do all the jobs.

    Args:
        found: the jobs and problems (`pixd.training.prepare.listing`).
        task: what to do with them.
        tally: counts the results.
        tell: called with each refused file and the reason.
        progress: called when the tally has changed.
        spawner: starts the children.

    Raises:
        DiskError: a disk cannot be written; what was made before is kept.
        PixdError: the children cannot work.
        KeyboardInterrupt: a person pressed Ctrl-C; what was made before is kept.
    """
    with _Crew(task, tally, tell, progress, spawner) as crew:
        for item in found:
            crew.take(item)
        crew.finish()


class _Crew:
    """The children, the threads that feed them, and the jobs under way."""

    def __init__(
        self,
        task: Task,
        tally: Tally,
        tell: Callable[[Path, str], None],
        progress: Callable[[], None],
        spawner: Spawner,
    ) -> None:
        self.tally = tally
        self._spawner = spawner
        self._task, self._tell, self._progress = task, tell, progress
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_Answer | BaseException] = queue.SimpleQueue()
        self._pending = 0
        self._children: set[ConfinedChild] = set()
        self._is_stopping = False
        self._batch: list[_Answer] = []
        self._batch_began = time.monotonic()
        self._writer = ThreadPoolExecutor(1)
        self._writing: Future[list[Exception | None]] | None = None
        self._written: list[_Answer] = []
        self._threads = [threading.Thread(target=self._feed) for _ in range(machine.available())]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._is_stopping = True
        for _thread in self._threads:
            self._jobs.put(None)
        if kind:
            for child in list(self._children):
                child.kill()
        for thread in self._threads:
            thread.join()
        # Save finished pictures even after Ctrl-C. A full disk was already reported.
        with contextlib.suppress(DiskError):
            self._write_batch()
            self._end_writing()
        self._writer.shutdown()

    # -- in the main thread ----------------------------------------------------------------

    def take(self, item: Found) -> None:
        """Hand out a job; count or report anything else."""
        match item:
            case Ignored(names):
                self.tally.ignored += names
            case Problem(folder, name, reason):
                self._refuse(folder, name, reason)
            case Job():
                while self._pending >= _AHEAD * len(self._threads):
                    self._receive()
                self._jobs.put(item)
                self._pending += 1

    def finish(self) -> None:
        """Wait for everything that is under way."""
        while self._pending:
            self._receive()
        self._write_batch()
        self._end_writing()

    def _receive(self) -> None:
        answer = self._answers.get()
        self._pending -= 1
        if isinstance(answer, BaseException):
            raise answer
        match answer.event["event"]:
            case "done":
                self._batch.append(answer)
                self.tally.unplaced += 1
                size = sum(len(one.data) for one in self._batch)
                age_s = time.monotonic() - self._batch_began
                if (
                    len(self._batch) >= _FILES_TOGETHER
                    or size >= _BYTES_TOGETHER
                    or age_s >= _WRITTEN_AFTER_S
                ):
                    self._write_batch()
            case "same":
                self.tally.same += 1
                self._count_set(answer)
            case "failed":
                raise PixdError(answer.event["reason"], advice=_GO_ON)
            case _:
                source = answer.event["source"]
                self._refuse(source, answer.job.names[source], answer.event["reason"])
        self._progress()

    def _refuse(self, folder: int, name: str, reason: str) -> None:
        self.tally.refused += 1
        self._tell(path_in(self._task.roots[folder], name), reason)

    def _count_set(self, answer: _Answer) -> None:
        if name := answer.event.get("set"):
            self.tally.sets[name] = self.tally.sets.get(name, 0) + 1

    def _write_batch(self) -> None:
        """Give what was made to the writer, after it has written what it had."""
        self._end_writing()
        batch, self._batch, self._batch_began = self._batch, [], time.monotonic()
        if batch:
            files = [file for answer in batch for file in self._files_of(answer)]
            self._written = batch
            self._writing = self._writer.submit(durable.write_each, files)

    def _files_of(self, answer: _Answer) -> list[tuple[Path, bytes]]:
        files, at = [], 0
        for name, length in answer.event["files"]:
            files.append((path_in(self._task.out, name), answer.data[at : at + length]))
            at += length
        return files

    def _end_writing(self) -> None:
        """Wait for the writer and count what it wrote.

        Raises:
            DiskError: the disk is full, or cannot be written.
        """
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        errors = iter(writing.result())
        self.tally.unplaced -= len(self._written)
        for answer in self._written:
            own = [error for _ in answer.event["files"] if (error := next(errors))]
            if not own:
                self._remove(answer.event["stale"])
                self.tally.made += 1
                self.tally.replaced += bool(answer.event.get("replaces"))
                self._count_set(answer)
            elif why := disk.refusal(own[0]):
                raise DiskError(f"{self._task.out}: {why}", advice=_GO_ON)
            else:
                where = getattr(own[0], "filename", None) or answer.job.target
                self._refuse(0, answer.job.names[0], f"{where}: {in_words(own[0])}")
        self._progress()

    def _remove(self, names: list[str]) -> None:
        """Remove old copies of files that are in another set now; the source has the same bytes."""
        for name in names:
            with contextlib.suppress(OSError):
                path_in(self._task.out, name).unlink()

    # -- in the thread of each child --------------------------------------------------------

    def _feed(self) -> None:
        child: ConfinedChild | None = None
        try:
            child = self._spawner.start_confined(_CHILD, self._task.spec())
            self._children.add(child)
            while (job := self._jobs.get()) is not None and not self._is_stopping:
                self._answers.put(self._asked(child, job))
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            self._answers.put(error)
        finally:
            if child:
                self._children.discard(child)
                child.close()

    def _asked(self, child: ConfinedChild, job: Job) -> _Answer:
        request = {"names": job.names, "target": job.target}
        reason = ""
        for _ in range(_TRIES):
            try:
                return _Answer(job, *child.ask(request))
            except ImageRejectedError as error:
                reason = error.message
                break
            except ChildDiedError as error:
                reason = error.message
                if self._is_stopping:
                    break
        if len(job.names) > 1:  # nobody knows which of the two it was
            reason += f" (this one, or its partner {job.names[1]})"
        return _Answer(job, {"event": "rejected", "source": 0, "reason": reason}, b"")
