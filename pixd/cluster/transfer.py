"""Files between a bridge and its host, both ways: by digest, in parts, hashed where they arrive."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.cluster.carrier import SilentError
from pixd.cluster.objects import DamagedObjectError
from pixd.cluster.work_folder import whole_files
from pixd.system import durable
from pixd.system.digests import hash_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pixd.cluster.carrier import Link
    from pixd.cluster.report import Report

PART_BYTES: Final = 8 << 20
AT_ONCE: Final = 256  # files whose places are asked for in one call
TRANSFER_WITHIN_S: Final = 120.0
"""The longest that one part of 8 MiB may take: 70 kB a second."""
PING: Final = "ping"
BEAT_EVERY_S: Final = 0.5
"""How often who waits for a host looks around: is an end wanted, has the host fallen silent?"""
_SEND_TRIES: Final = 3


class Sent(NamedTuple):
    """A file that a host needs: where it is here, its digest, and its place in the attempt's folder."""

    source: Path
    digest: str
    place: str


class Fetched(NamedTuple):
    """A file of a host: its name in the folder that was asked for, its path there, size and digest."""

    name: str
    path: str
    size: int
    sha256: str


class Transfer:
    """The files of one attempt on one host.

    Attributes:
        answered_at: when the host last answered (monotonic seconds).
    """

    def __init__(
        self,
        link: Link,
        attempt: str,
        report: Report,
        beat: Callable[[], object],
        *,
        silent_s: float,
    ) -> None:
        """Send to and fetch from the host of `link`.

        Args:
            link: to the host.
            attempt: whose folder.
            report: counts the bytes.
            beat: called between parts and while one is waited for: it says that the work goes on, and
                may raise to end it.
            silent_s: a host that has not answered for so long is asked whether it is there, and is
                given up if it does not say so within the same time.
        """
        self._link, self._attempt = link, attempt
        self._report, self._beat = report, beat
        self._silent_s = silent_s
        self.answered_at = time.monotonic()

    def call(self, method: str, *arguments: Any, within_s: float = TRANSFER_WITHIN_S) -> Any:
        """Call a method of the host with the attempt as its first argument."""
        return self._ask(method, self._attempt, *arguments, within_s=within_s)

    def _ask(self, method: str, *arguments: Any, within_s: float = TRANSFER_WITHIN_S) -> Any:
        """Call a method of the host, and beat while it is waited for.

        In a thread of its own, and not with a short limit again and again: a carrier may begin anew
        to bring a large answer each time that the wait for it ends.
        """
        answers: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put((self._link.call(method, *arguments, within_s=within_s), None))
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                answers.put((None, error))

        threading.Thread(target=ask, name=f"ask-{method}", daemon=True).start()
        asked_at = time.monotonic()
        while True:
            try:
                value, error = answers.get(timeout=BEAT_EVERY_S)
            except queue.Empty:
                self._beat()
                heard_at = max(asked_at, self.answered_at)
                if method != PING and time.monotonic() - heard_at > self._silent_s:
                    self._check_is_there()
                continue
            if error is not None:
                raise error
            self.answered_at = time.monotonic()
            return value

    def _check_is_there(self) -> None:
        try:
            self._ask(PING, within_s=self._silent_s)
        except SilentError:
            raise SilentError.of("it", 2 * self._silent_s) from None

    # -- there ----------------------------------------------------------------------------

    def send(self, files: Sequence[Sent], *, is_copied: bool = False) -> None:
        """Send what the host lacks, and put all files in their places.

        Args:
            files: what it needs.
            is_copied: whether the child may change them.

        Raises:
            LostError: the host is gone.
            DamagedObjectError: a file here is not the one that its digest names.
            OSError: a file here cannot be read.
        """
        for start in range(0, len(files), AT_ONCE):
            some = files[start : start + AT_ONCE]
            for _ in range(_SEND_TRIES):
                sources = {one.digest: one.source for one in some}
                self._send_lacking(sources)
                places = [(one.place, one.digest) for one in some]
                if not self.call("place", places, is_copied):
                    break
            else:
                raise DamagedObjectError(
                    "what is sent does not stay on the machine: its cache is too small",
                    advice="raise ray.cache_bytes, or free its disk",
                )

    def _send_lacking(self, sources: dict[str, Path]) -> None:
        lacking = self._ask("lacks", list(sources))
        small: list[tuple[str, bytes]] = []
        small_bytes = 0
        for digest in lacking:
            if sources[digest].stat().st_size >= PART_BYTES // 2:
                self._send_large(digest, sources[digest])
                continue
            small.append((digest, sources[digest].read_bytes()))
            small_bytes += len(small[-1][1])
            if small_bytes >= PART_BYTES:
                self._keep(small, small_bytes)
                small, small_bytes = [], 0
        if small:
            self._keep(small, small_bytes)

    def _keep(self, small: list[tuple[str, bytes]], count: int) -> None:
        self._ask("keep", small)
        self._report.sent_bytes += count
        self._beat()

    def _send_large(self, digest: str, source: Path) -> None:
        offset = 0
        with source.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while True:
                data = file.read(PART_BYTES)
                end = offset + len(data)
                is_last = end >= size
                self._ask("keep_part", digest, offset, data, is_last)
                self._report.sent_bytes += len(data)
                offset = end
                self._beat()
                if is_last:
                    return

    # -- back -----------------------------------------------------------------------------

    def files(self, folder: str, *, is_held: bool = False) -> list[Fetched]:
        """Return what is in a folder of the attempt; see `pixd.cluster.host.Host.files`."""
        return [Fetched(**one) for one in self.call("files", folder, is_held)]

    def fetch(self, file: Fetched, target: Path) -> None:
        """Bring a file here, hash it, flush it, and only then give it its name.

        Raises:
            LostError: the host is gone.
            DamagedObjectError: it is not the file that was named.
            OSError: it cannot be written here.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        sha = hashlib.sha256()
        with part.open("wb") as out:
            offset = 0
            while offset < file.size:
                size = min(PART_BYTES, file.size - offset)
                data = self.call("read", file.path, offset, size)
                if not data:
                    break
                sha.update(data)
                out.write(data)
                offset += len(data)
                self._report.received_bytes += len(data)
                self._beat()
            out.flush()
            os.fsync(out.fileno())
        if "sha256:" + sha.hexdigest() != file.sha256:
            part.unlink()
            raise DamagedObjectError(
                f"{file.name} changed on its way", advice="it is fetched again"
            )
        part.replace(target)

    def append(self, file: Fetched, target: Path) -> None:
        """Bring the end of a file that only grows, such as one of TensorBoard's."""
        have = target.stat().st_size if target.exists() else 0
        if have >= file.size:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab") as out:
            while have < file.size:
                data = self.call("read", file.path, have, min(PART_BYTES, file.size - have))
                if not data:
                    return
                out.write(data)
                have += len(data)
                self._report.received_bytes += len(data)
                self._beat()


def in_folder(folder: Path, place: str) -> list[Sent]:
    """Return every file of a folder here, hashed, with its place below `place` there."""
    return [
        Sent(path, hash_file(path), f"{place}/{path.relative_to(folder)}")
        for path in whole_files(folder)
    ]


def sync(folder: Path) -> None:
    """Make the names in a folder, and in those inside it, durable."""
    for inner in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        durable.sync_folder(inner)
