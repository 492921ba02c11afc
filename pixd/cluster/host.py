"""What runs on a machine of a cluster: starts pixd's real child and relays what it says.

A host belongs to one bridge and works for one attempt. It knows nothing of the carrier that calls
it: its methods take and return what pickles and JSON can hold. Several of them may run at once, each
in a thread of its own, and `listen` runs for as long as the child does.

Every call names its attempt, and a host refuses those of another.
"""

from __future__ import annotations

import hashlib
import os
import queue
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixd.cluster import versions
from pixd.cluster.following import TrainerThread, TranslatorThread
from pixd.cluster.objects import Objects
from pixd.cluster.work_folder import WorkFolder, cache_folder, whole_files
from pixd.system import disk, machine
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME_VARIABLE: Final = "PIXD_NODE"
"""Environment variable with the name of a machine for people, where its host name says nothing."""
HEARTBEAT_S: Final = 2.0
HELD: Final = "held"
"""The folder of hard links to files that a bridge fetches, so that the child may remove its own."""
_LINK_TRIES: Final = 5


class FencedError(PixdError):
    """The host works for another attempt than the one that called."""


class Host:
    """One host. Its carrier makes it on a machine that has room."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Work with `cpus`, `gpus` and `cache_bytes` of `options`."""
        self._options = dict(options)
        os.environ[machine.CORES_VARIABLE] = str(options["cpus"])
        if not options["gpus"]:
            # Ray leaves this as it was, and such a child would see every GPU.
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        folder = cache_folder()
        self._objects = Objects(folder / "objects", int(options["cache_bytes"]))
        self._above = folder / "work"
        self._attempt = ""
        self._work: WorkFolder | None = None
        self._child: TrainerThread | TranslatorThread | None = None

    def ping(self) -> None:
        """Answer: it runs, and is heard."""

    def about(self) -> dict[str, Any]:
        """Return what decides whether this machine gets work: versions, room, GPUs."""
        return {
            **versions.own(),
            "host": os.environ.get(NAME_VARIABLE) or socket.gethostname(),
            "pid": os.getpid(),
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            "free_bytes": disk.free_bytes(cache_folder()),
        }

    # -- what travels ---------------------------------------------------------------------

    def open(self, attempt: str) -> str:
        """Begin an attempt; return the path of its folder on this machine."""
        if self._attempt:
            raise FencedError(f"this host works for {self._attempt}, not for {attempt}")
        self._work = WorkFolder(self._above, attempt)
        self._attempt = attempt
        return str(self._work.path)

    def lacks(self, digests: list[str]) -> list[str]:
        """Return which of these objects must be sent."""
        return self._objects.lacks(digests)

    def keep(self, objects: list[tuple[str, bytes]]) -> None:
        """Keep small objects."""
        for digest, data in objects:
            self._objects.add(digest, data)

    def keep_part(self, digest: str, offset: int, data: bytes, is_last: bool) -> None:  # noqa: FBT001 - carriers pass by position
        """Keep the next part of a large object."""
        self._objects.add_part(digest, offset, data, is_last=is_last)

    def place(self, attempt: str, places: list[tuple[str, str]], is_copied: bool) -> list[str]:  # noqa: FBT001 - as above
        """Put objects into the attempt's folder; return the digests that have gone meanwhile.

        Args:
            attempt: whose folder.
            places: the path inside the folder and the digest of each file.
            is_copied: whether the child may change them; else they are links into the cache.
        """
        work = self._of(attempt)
        missing = []
        for path, digest in places:
            target = work.inside(path)
            if not self._objects.link(digest, target):
                missing.append(digest)
            elif is_copied:
                own = target.with_name(f".{target.name}.copy")
                shutil.copyfile(target, own)
                own.replace(target)
        return missing

    # -- the child ------------------------------------------------------------------------

    def start(self, attempt: str, order: Mapping[str, Any]) -> None:
        """Start the child.

        Args:
            attempt: as in `open`.
            order: `module`, `spec` (whose paths are of this machine), `nice`.
        """
        work = self._of(attempt)
        for folder in ("scratch", "preview"):
            (work.path / folder).mkdir(exist_ok=True)
        is_training = order["spec"]["kind"] == "train"
        child = (
            TrainerThread(work.path, order) if is_training else TranslatorThread(work.path, order)
        )
        self._child = child
        child.start()

    def ask(self, attempt: str, requests: list[dict[str, Any]], images: list[bytes]) -> None:
        """Give requests to a translator, with the bytes of their images."""
        work = self._of(attempt)
        assert isinstance(self._child, TranslatorThread)  # the bridge started it
        self._child.ask(work.path, requests, images)

    def listen(self, attempt: str) -> Iterator[dict[str, Any]]:
        """Yield what the child says, as it says it, in groups; a heartbeat if it says nothing.

        Each group has `attempt`, `events` and `blobs` (bytes that the events name by number). The
        last event of the last group is ``ended``.
        """
        self._of(attempt)
        child = self._child
        assert child is not None  # the bridge started it
        while True:
            events: list[dict[str, Any]] = []
            blobs: list[bytes] = []
            try:
                told = child.told.get(timeout=HEARTBEAT_S)
                while True:
                    for event, data in told:
                        if data is not None:
                            event["blobs"] = list(range(len(blobs), len(blobs) + len(data)))
                            blobs += data
                        events.append(event)
                    told = child.told.get_nowait()
            except queue.Empty:
                pass
            yield {"attempt": attempt, "events": events, "blobs": blobs}
            if events and events[-1]["event"] == "ended":
                return

    def terminate(self, attempt: str) -> None:
        """Ask the child to end: a trainer writes a checkpoint first."""
        self._of(attempt)
        if self._child is not None:
            self._child.terminate()

    def close(self, attempt: str) -> None:
        """End the child at once and remove the attempt's folder."""
        work = self._of(attempt)
        if self._child is not None:
            self._child.kill()
        work.remove()
        self._attempt, self._work, self._child = "", None, None

    # -- what comes back ------------------------------------------------------------------

    def files(self, attempt: str, folder: str, is_held: bool) -> list[dict[str, Any]]:  # noqa: FBT001 - as above
        """Return path (in the attempt's folder), size and digest of every file in a folder of it.

        Args:
            attempt: whose folder.
            folder: inside it.
            is_held: whether to return hard links to them, which stay when the child removes its own.
        """
        work = self._of(attempt)
        source = work.inside(folder)
        if is_held:
            shutil.rmtree(work.path / HELD, ignore_errors=True)
            source = _link_all(source, work.path / HELD)
        found = []
        for path in whole_files(source):
            with path.open("rb") as file:
                digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
            found.append(
                {
                    "name": str(path.relative_to(source)),
                    "path": str(path.relative_to(work.path)),
                    "size": size,
                    "sha256": digest,
                }
            )
        return found

    def read(self, attempt: str, path: str, offset: int, size: int) -> bytes:
        """Return up to `size` bytes of a file of the attempt, from `offset`."""
        with self._of(attempt).inside(path).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def _of(self, attempt: str) -> WorkFolder:
        if attempt != self._attempt or self._work is None:
            raise FencedError(f"this host works for {self._attempt or 'none'}, not for {attempt}")
        return self._work


def _link_all(source: Path, target: Path) -> Path:
    """Make hard links to all files of a folder; again, if some of them go meanwhile."""
    for _ in range(_LINK_TRIES):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        try:
            for path in whole_files(source):
                link = target / path.relative_to(source)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.hardlink_to(path)
        except FileNotFoundError:
            continue
        return target
    raise PixdError(
        f"the files of {source.name} change too fast to be fetched",
        advice="the training goes on from the last checkpoint that was",
    )
