"""A carrier whose machines are processes of this one: a fake of a cluster that dies for real.

``$PIXD_MACHINES`` names a folder with a folder for each machine: its cache, the process id of its host
once it runs (``pid``), and what its environment has beside (``environment``, JSON). Run as a program,
this is the host's side. What goes between both sides is pickled frames over pipes, as it could be over
ssh.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pixd.cluster.carrier import LostError, Needs, Node, RefusedError, SilentError
from pixd.cluster.host import Host
from pixd.cluster.order import Order
from pixd.system.errors import PixdError

VARIABLE = "PIXD_MACHINES"
FREEZES_AT = "PIXD_FREEZES_AT"
"""A method at whose call a host freezes, as a machine does whose power manager lays it to sleep."""
CPUS = 1  # of each machine


class ProcessCarrier:
    """The machines of a folder, each with room for hosts of `CPUS` processors together."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._folder = Path(os.environ[VARIABLE])
        self._links: list[ProcessLink] = []

    def nodes(self) -> list[Node]:
        names = sorted(path.name for path in self._folder.iterdir() if path.is_dir())
        return [Node(id=name, name=name, cpus=CPUS) for name in names]

    def host(self, needs: Needs, *, avoiding: frozenset[str] = frozenset()) -> ProcessLink:
        link = ProcessLink(self, needs, avoiding)
        self._links.append(link)
        return link

    def close(self) -> None:
        for link in self._links:
            link.kill()

    def place(
        self, needs: Needs, avoiding: frozenset[str]
    ) -> tuple[str, subprocess.Popen[bytes] | None]:
        """Start a host where there is room, or return None."""
        busy = {link.machine for link in self._links if link.is_alive()}
        free = [one.id for one in self.nodes() if one.id not in busy and one.id not in avoiding]
        free = [name for name in free if not (self._folder / name / "off").exists()]
        if not free or needs.cpus > CPUS or needs.gpus:
            return "", None
        name = free[0]
        cache = self._folder / name
        more = cache / "environment"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.process_carrier", str(self._order.cache_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                **(json.loads(more.read_text()) if more.exists() else {}),
                "XDG_CACHE_HOME": str(cache),
                "PIXD_NODE": name,
            },
            start_new_session=True,
        )
        (cache / "pid").write_text(str(process.pid))
        return name, process


class ProcessLink:
    """One host process."""

    def __init__(self, carrier: ProcessCarrier, needs: Needs, avoiding: frozenset[str]) -> None:
        self.machine = ""
        self._carrier, self._needs, self._avoiding = carrier, needs, avoiding
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: dict[int, queue.Queue[tuple[str, Any]]] = {}
        self._lock = threading.Lock()
        self._next = 0
        self._is_dead = False

    def is_alive(self) -> bool:
        return self._process is not None and not self._is_dead

    def is_placed(self) -> bool:
        if self._is_dead:
            raise LostError("the host was killed")
        if self._process is None:
            self.machine, self._process = self._carrier.place(self._needs, self._avoiding)
            if self._process is not None:
                threading.Thread(target=self._read, daemon=True).start()
        return self._process is not None

    def call(self, method: str, *arguments: Any, within_s: float) -> Any:
        answers = self._ask(method, arguments, is_stream=False)
        try:
            kind, value = answers.get(timeout=within_s)
        except queue.Empty:
            raise SilentError(f"no answer within {within_s:.0f} s") from None
        if kind == "error":
            raise value
        return value

    def stream(self, method: str, *arguments: Any) -> Iterator[Any]:
        answers = self._ask(method, arguments, is_stream=True)
        while True:
            kind, value = answers.get()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value

    def kill(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        self._is_dead = True
        self._lose()

    def _ask(
        self, method: str, arguments: tuple[Any, ...], *, is_stream: bool
    ) -> queue.Queue[tuple[str, Any]]:
        answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        assert self._process is not None
        assert self._process.stdin is not None
        with self._lock:
            if self._is_dead:
                raise LostError("the host is gone")
            number, self._next = self._next, self._next + 1
            self._answers[number] = answers
            try:
                _write(self._process.stdin, (number, method, arguments, is_stream))
            except (OSError, ValueError) as error:
                raise LostError(f"the host is gone: {error}") from error
        return answers

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while (frame := _read(self._process.stdout)) is not None:
            number, kind, value = frame
            self._answers[number].put((kind, value))
        self._process.wait()
        self._is_dead = True
        self._lose()
        self._process.stdout.close()

    def _lose(self) -> None:
        for answers in self._answers.values():
            answers.put(("error", LostError("the host is gone")))


class NamedHost(Host):
    """A host whose machine is named by its environment."""

    def about(self) -> dict[str, Any]:
        return {**super().about(), "node_id": os.environ["PIXD_NODE"]}


def _write(stream: IO[bytes], frame: Any) -> None:
    data = pickle.dumps(frame)
    stream.write(struct.pack(">Q", len(data)) + data)
    stream.flush()


def _read(stream: IO[bytes]) -> Any:
    head = stream.read(8)
    if len(head) < 8:
        return None
    data = stream.read(struct.unpack(">Q", head)[0])
    try:
        return pickle.loads(data)  # noqa: S301 - from a process that this one started
    except (EOFError, pickle.UnpicklingError):
        return None


def main() -> None:
    """Answer calls until the other side ends, and end with it."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lock = threading.Lock()
    host = NamedHost({"cpus": CPUS, "gpus": 0, "cache_bytes": int(sys.argv[1])})

    def send(*frame: Any) -> None:
        with lock, contextlib.suppress(OSError):
            _write(out, frame)

    def answer(number: int, method: str, arguments: tuple[Any, ...], is_stream: bool) -> None:  # noqa: FBT001
        if method == os.environ.get(FREEZES_AT):
            os.kill(os.getpid(), signal.SIGSTOP)
        try:
            found = getattr(host, method)(*arguments)
            if is_stream:
                for one in found:
                    send(number, "item", one)
                send(number, "end", None)
            else:
                send(number, "value", found)
        except PixdError as error:
            send(number, "error", error)
        except Exception as error:  # noqa: BLE001 - the caller is told
            refused = RefusedError.made_of(error)
            send(number, "error", refused or PixdError(f"a host failed: {error}"))

    while (frame := _read(sys.stdin.buffer)) is not None:
        threading.Thread(target=answer, args=frame, daemon=True).start()
    os._exit(0)


if __name__ == "__main__":
    main()
