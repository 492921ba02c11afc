"""The translator that belongs to the page: drawings become pictures, beside the service.

It asks a child for the same thing in the same way as the service and `pixd translate` do
(`pixd.translation.translator`), so that a drawing that is saved as an input comes out with the
bytes that its draft had. Nothing of it is recorded.

Drawings are taken in the order they came. Another model needs another child, and that one is not
started before all that was asked of the present one is answered: so two pages that draw with two
models wait for each other, and none of them for ever.

One thread owns the child for as long as it lives: the kernel ends a child with the thread that
started it. The child ends by itself when nobody draws.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import logging
import os
import queue
import select
import shutil
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import connection
from pixd.system import digests
from pixd.system.children.spawner import LocalSpawner
from pixd.system.errors import PixdError
from pixd.translation import due, translator
from pixd.web import replies
from pixd.web.listening import is_running
from pixd.web.replies import RefusalError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config import PipelineSettings, Settings
    from pixd.translation.translator import Apart

MOST_WAITING = 3
"""Drawings that wait or are translated; a page has one on its way at a time."""
KEPT = 16
"""Drafts whose pictures are kept, so that a pair made of one can be compared with it."""
START_WITHIN_S = 120.0
_LOOK_EVERY_S = 1.0
_log = logging.getLogger(__name__)


class Drafted(NamedTuple):
    """A drawing, translated.

    Attributes:
        data: the PNG.
        key: of the run that the service's would be.
        model: name of the model.
        digest: of `data`.
        ms: milliseconds of decoding, inference, encoding, and in all, by name.
    """

    data: bytes
    key: str
    model: str
    digest: str
    ms: Mapping[str, float]


class Told(NamedTuple):
    """How the translator is: off, starting, ready or trouble; what it does; its model's number."""

    state: str
    phase: str
    model: int | None


class _Job(NamedTuple):
    settings: Settings
    pipeline: PipelineSettings
    number: int | None
    data: bytes  # empty: only start the translator
    came_at: float
    answer: Future[Drafted | None]


class _Asked(NamedTuple):
    """A job that the child has, and since when."""

    job: _Job
    key: str
    model: str
    source: Path
    out: Path
    began_at: float


class _Open(NamedTuple):
    """A translator that is started, and what it is for.

    Attributes:
        of: what asks for another one if it differs.
        model: as `translator.model_of` has it.
        apart: the child, and what it translates with.
        has_links: its model is links in the page's folder, not a folder of the store.
    """

    of: tuple[Any, ...]
    model: Mapping[str, Any]
    apart: Apart
    has_links: bool


def clear_left(above: Path) -> None:
    """Remove the folders of pages that were killed; another page may be running."""
    with contextlib.suppress(OSError):
        for folder in above.iterdir():
            if not (folder.name.isdecimal() and is_running(int(folder.name))):
                shutil.rmtree(folder, ignore_errors=True)


class Drafter:
    """The thread, its child, and the drawings that wait for it."""

    def __init__(self, above: Path) -> None:
        """Start nothing yet; below `above` each page makes a folder of its own."""
        self._folder = above / str(os.getpid())
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread: threading.Thread | None = None
        self._open: _Open | None = None
        self._waiting: dict[int, _Asked] = {}
        self._line: collections.deque[_Job] = collections.deque()  # until the child is theirs
        self._numbers = itertools.count(1)
        self._load = 0
        self._lock = threading.Lock()
        self._made: dict[str, Path] = {}  # by the digest of the draft
        self._drawn: dict[str, str] = {}  # the digest of the draft by that of its drawing
        self.is_closing = False

    def told(self, pipeline: str) -> Told:
        """Return how the translator is, as far as this pipeline goes."""
        opened = self._open
        if opened is None or opened.of[0] != pipeline:
            return Told("off", "", None)
        number = int(opened.model["number"])
        worker = opened.apart.worker
        if worker.trouble:
            return Told("trouble", worker.trouble, number)
        if worker.ready is not None:
            return Told("ready", "", number)
        if worker.is_loading or worker.load:
            return Told("starting", worker.phase or "starting", number)
        return Told("off", "", number)

    def ask(
        self, settings: Settings, pipeline: PipelineSettings, number: int | None, data: bytes
    ) -> Future[Drafted | None]:
        """Ask for a drawing's translation; None comes where `data` is empty and it was started.

        The future's error is a `PixdError`.

        Raises:
            RefusalError: too many wait already.
        """
        with self._lock:
            if self._load >= MOST_WAITING:
                raise RefusalError(
                    replies.TOO_MANY,
                    "other drawings are being translated",
                    advice="try again in a moment",
                    headers={"retry-after": "1"},
                )
            self._load += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="drafter", daemon=True)
                self._thread.start()
        answer: Future[Drafted | None] = Future()
        answer.add_done_callback(self._settle)
        self._jobs.put(_Job(settings, pipeline, number, data, time.monotonic(), answer))
        self._stir()
        return answer

    def picture_of(self, digest: str) -> Path | None:
        """Return the file of a draft that was made lately, by its digest."""
        path = self._made.get(digest)
        return path if path is not None and path.exists() else None

    def made_of(self, digest: str) -> Path | None:
        """Return the file of the draft that was made of a drawing lately, by its digest."""
        made = self._drawn.get(digest)
        return self.picture_of(made) if made else None

    def close(self) -> None:
        """End the child and the thread."""
        self.is_closing = True
        if self._thread is not None:
            self._jobs.put(None)
            self._stir()
            self._thread.join(5)
            shutil.rmtree(self._folder, ignore_errors=True)

    def _settle(self, _answer: Future[Drafted | None]) -> None:
        with self._lock:
            self._load -= 1

    def _stir(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._waker, b"\0")

    # -- in the thread --------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self.is_closing:
                try:
                    self._take_jobs()
                    self._step()
                    self._wait()
                except Exception:  # noqa: BLE001 - without this thread nobody draws again
                    _log.exception("the translator of drawings met an error that nobody foresaw")
                    self._end()
        finally:
            self._end()
            for job in self._line:
                self._refuse(job, replies.UNAVAILABLE, "the page ends")

    def _take_jobs(self) -> None:
        with contextlib.suppress(queue.Empty):
            while (job := self._jobs.get_nowait()) is not None:
                if job.answer.set_running_or_notify_cancel():
                    self._line.append(job)
        while self._line:
            job = self._line.popleft()
            try:
                opened = self._opened_for(job)
                if opened is None:
                    self._line.appendleft(job)
                    return
                self._begin(job, opened)
            except PixdError as error:
                job.answer.set_exception(error)
            except OSError as error:
                why = f"a draft cannot be made: {error.strerror}"
                advice = "free some space where the page keeps its cache"
                job.answer.set_exception(RefusalError(replies.UNAVAILABLE, why, advice=advice))
            except Exception:
                self._refuse(job, replies.UNAVAILABLE, "a draft cannot be made")
                raise

    def _begin(self, job: _Job, opened: _Open) -> None:
        worker, prepared = opened.apart
        if not job.data:
            worker.warm()
            worker.step(time.monotonic())
            job.answer.set_result(None)
            return
        number = next(self._numbers)
        digest = digests.digest_of(job.data)
        source = self._folder / "in" / f"{number}.png"
        source.write_bytes(job.data)
        sample = prepared.samples[0]
        key = due.key_of(sample.recipe, digest, opened.model["digest"])
        out = worker.scratch / f"{number}.png"
        wanted = translator.Wanted(key, sample.number, out)
        request = translator.request(
            source,
            [wanted],
            input_digest=digest,
            model_digest=opened.model["digest"],
            version=opened.model["version"],
        )
        name = opened.model["name"]
        self._waiting[number] = _Asked(job, key, name, source, out, time.monotonic())
        worker.submit(number, request)

    def _opened_for(self, job: _Job) -> _Open | None:
        """Return the translator for a job; None while others wait for that of another model."""
        with contextlib.closing(connection.open_reader(job.settings.store)) as reader:
            model = translator.model_of(reader, job.pipeline.name, job.number)
        of = (job.pipeline.name, model["digest"], job.pipeline, job.settings)
        if self._open is not None and self._open.of == of and self._has_its_folders():
            return self._open
        if self._waiting and (self._open is None or self._open.of != of):
            return None
        self._end("the page's cache was cleared meanwhile")
        shutil.rmtree(self._folder, ignore_errors=True)
        (self._folder / "in").mkdir(mode=0o700, parents=True)
        (self._folder / "kept").mkdir(mode=0o700)
        self._made.clear()
        self._drawn.clear()
        apart = translator.start_apart(
            job.settings, job.pipeline, model, self._folder, LocalSpawner()
        )
        has_links = (self._folder / translator.LINKS).exists()
        self._open = _Open(of, model, apart, has_links)
        return self._open

    def _has_its_folders(self) -> bool:
        """Tell whether nobody cleared the cache since: a child cannot do without its folders."""
        assert self._open is not None  # only called with one
        worker = self._open.apart.worker
        needed = [self._folder / "in", self._folder / "kept"]
        if self._open.has_links:
            needed.append(self._folder / translator.LINKS)
        if worker.worker is not None:
            needed.append(worker.scratch)
        return all(folder.is_dir() for folder in needed)

    def _step(self) -> None:
        if self._open is None:
            return
        worker = self._open.apart.worker
        worker.step(time.monotonic())
        for number, event in worker.collect():
            self._finish(int(number), event)
        for number, (job, *_, began_at) in list(self._waiting.items()):
            waited_s = time.monotonic() - began_at
            if worker.is_stuck or waited_s > START_WITHIN_S:
                del self._waiting[number]
                why = worker.trouble or "it takes too long"
                self._refuse(job, replies.UNAVAILABLE, f"the translator does not start: {why}")

    def _finish(self, number: int, event: Mapping[str, Any]) -> None:
        found = self._waiting.pop(number, None)
        if found is None:
            return
        job, key, model, source, out, _ = found
        source.unlink(missing_ok=True)
        if event["event"] != "done":
            status = replies.UNAVAILABLE if event["event"] == "failed" else replies.UNPROCESSABLE
            self._refuse(job, status, str(event.get("reason", "it cannot be translated")))
            return
        ms = dict(translator.timings_of(event))
        ms["total"] = (time.monotonic() - job.came_at) * 1000
        try:
            data = out.read_bytes()
            digest = digests.digest_of(data)
            self._keep(digest, out)
        except OSError as error:
            why = f"the draft cannot be read: {error.strerror}"
            self._refuse(job, replies.UNAVAILABLE, why)
            return
        self._drawn[digests.digest_of(job.data)] = digest
        with contextlib.suppress(Exception):  # cancelled meanwhile
            job.answer.set_result(Drafted(data, key, model, digest, ms))

    def _keep(self, digest: str, out: Path) -> None:
        kept = self._folder / "kept" / digest.removeprefix("sha256:")
        out.rename(kept)
        self._made.pop(digest, None)
        self._made[digest] = kept
        while len(self._made) > KEPT:
            oldest = next(iter(self._made))
            self._made.pop(oldest).unlink(missing_ok=True)
            self._drawn = {of: made for of, made in self._drawn.items() if made in self._made}

    @staticmethod
    def _refuse(job: _Job, status: int, message: str) -> None:
        headers = {"retry-after": "2"} if status == replies.UNAVAILABLE else {}
        with contextlib.suppress(Exception):  # cancelled meanwhile
            advice = "try again; `pixd translate` beside it shows what it meets"
            job.answer.set_exception(RefusalError(status, message, advice=advice, headers=headers))

    def _wait(self) -> None:
        """Wait for a job, for the child, or until it has been idle for long."""
        if self._line and not self._waiting:
            return  # the child is theirs now
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        timeout_s: float | None = None
        if self._open is not None:
            worker = self._open.apart.worker
            if worker.worker is not None:
                descriptor = worker.worker.fileno()
                if descriptor >= 0:
                    wants = select.POLLIN | (select.POLLOUT if worker.worker.wants_write() else 0)
                    poll.register(descriptor, wants)
            if worker.worker is not None or worker.load:
                now = time.monotonic()
                timeout_s = min(_LOOK_EVERY_S, max(0.0, worker.next_at(now) - now))
        poll.poll(None if timeout_s is None else max(1.0, timeout_s * 1000))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake, 4096):
                pass

    def _end(self, why: str = "the translator ended meanwhile") -> None:
        for job, *_ in self._waiting.values():
            self._refuse(job, replies.UNAVAILABLE, why)
        self._waiting.clear()
        if self._open is not None:
            self._open.apart.worker.stop()
            self._open = None
