"""Calls into a folder of the user's that never keep the caller for ever.

A system call on a network file system whose server is gone waits without end, and not even SIGKILL
ends it. So for a folder on such a file system each call is made in a child
(`pixd.system.children.folder_child`), and the caller waits a short while. Then it gets
`NotAnsweringError` and does something else. The call goes on: once it is answered, the same call
made again gets that answer. On a local disk the function is called directly.

Promises: one call at a time is under way for one object, so that a call never overtakes another.
No method waits longer than its time-out, and `close` does not wait for a child that hangs.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar, cast

from pixd.system import mounts
from pixd.system.children.worker import child_environment
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE_S = 0.25
"""How long a call is waited for. Most are answered in milliseconds; the loop picks up the others."""
HUNG_S = 2.0
SILENT_S = 10.0
"""A call that makes no progress for so long is reported: the folder does not answer."""
ONCE_WITHIN_S = 60.0  # a command may wait longer than the loop, while there is progress
LATE_S = 30.0
"""An answer that nobody asked for again within this time is too old to be believed."""
LOOK_S = 0.1
READ_BYTES = 1 << 20
END_WITHIN_S = 0.5
LENGTH = struct.Struct("=Q")  # of the pickled text that follows
_IS_LOCAL_FOR_S = 1.0


class NotAnsweringError(PixdError):
    """A folder has not answered yet. The call is still under way, and nothing is lost."""


class _Answer(NamedTuple):
    at: float
    body: bytes


class FolderCalls:
    """What is asked of one folder."""

    def __init__(self, folder: Path, *, store: Path | None = None) -> None:
        """Ask nothing yet.

        Args:
            folder: what `call` is about. Whether it is on a network file system decides how.
            store: the store's folder. What is on its file system is called directly, because
                nothing works any more where the store does not answer.
        """
        self._folder = folder
        self._trusted = frozenset({mounts.point_of(store)} if store else ())
        self._network = ""
        self._look_at = 0.0  # when it may be on another file system
        self._child: subprocess.Popen[bytes] | None = None
        self._received = bytearray()
        self._to_send = bytearray()
        self._asked: bytes | None = None
        self._silent_since = 0.0
        self._worked_ns = 0
        self._late: dict[bytes, _Answer] = {}

    # -- how it is ----------------------------------------------------------------------

    @property
    def network(self) -> str:
        """The type of the network file system that the folder is on; "" where calls are direct."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _IS_LOCAL_FOR_S
            self._network = mounts.find(self._folder, trusted=self._trusted).network
        return self._network

    def is_waiting(self) -> bool:
        """Tell whether a call is under way. Takes in its answer if it has come."""
        return self._asked is not None and not self._receive(0.0)

    def fileno(self) -> int | None:
        """Return a descriptor that can be read when the call under way is answered, or None."""
        if self._asked is None or self._child is None or self._child.stdout is None:
            return None
        return self._child.stdout.fileno()

    @property
    def trouble(self) -> str:
        """That the folder does not answer, and since when; "" while it does, or is only slow."""
        if self._asked is None:
            return ""
        self._note_progress()
        silent_s = time.monotonic() - self._silent_since
        if silent_s < SILENT_S:
            return ""
        return f"{self._folder} ({self._network}) has not answered for {silent_s:.0f} s"

    # -- asking -------------------------------------------------------------------------

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what `function` returns, and raise what it raises.

        Args:
            function: of a module, so that a child can import it.
            args: what it is called with, and pickle can carry.
            kwargs: likewise.

        Raises:
            NotAnsweringError: the answer has not come within `PATIENCE_S`, or an earlier call is
                under way. Where `is_waiting` no longer says so, the same call gets the answer.
        """
        question = self._pickled_unless_local(function, args, kwargs)
        if question is None:
            return function(*args, **kwargs)
        if self._asked is not None and not self._receive(PATIENCE_S):
            raise self._not_yet()
        late = self._late.pop(question, None)
        if late is not None and time.monotonic() - late.at <= LATE_S:
            return cast("R", _unpacked(late.body))
        return cast("R", self._ask(question, PATIENCE_S))

    def call_slow(
        self, within_s: float, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Do what `call` does, and wait up to `within_s` seconds while the call makes progress.

        One that makes none for `HUNG_S` is waited for no longer. It is always made anew, also where
        an earlier one was answered late: it may change the folder.
        """
        question = self._pickled_unless_local(function, args, kwargs)
        if question is None:
            return function(*args, **kwargs)
        if self._asked is not None and not self._receive(within_s):
            raise self._not_yet()
        return cast("R", self._ask(question, within_s))

    def close(self) -> None:
        """End the child. One that hangs in the kernel is left to end with its call."""
        child, self._child = self._child, None
        self._asked = None
        self._received.clear()
        self._to_send.clear()
        self._late.clear()
        if child is None:
            return
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        with contextlib.suppress(OSError):
            child.kill()
        try:
            child.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.returncode = -signal.SIGKILL  # nobody waits for it any more

    # -- private ------------------------------------------------------------------------

    def _pickled_unless_local(self, function: object, args: object, kwargs: object) -> bytes | None:
        if self._asked is None and not self.network:
            return None
        return pickle.dumps((function, args, kwargs))

    def _ask(self, question: bytes, within_s: float) -> object:
        self._send(question)
        self._receive(within_s)
        answer = self._late.pop(question, None)
        if answer is None:
            raise self._not_yet()
        return _unpacked(answer.body)

    def _not_yet(self) -> NotAnsweringError:
        kind = f" ({self._network})" if self._network else ""
        return NotAnsweringError(
            f"{self._folder}{kind} does not answer",
            advice="see that its server can be reached; it goes on by itself",
        )

    def _send(self, question: bytes) -> None:
        now = time.monotonic()
        self._late = {q: a for q, a in self._late.items() if now - a.at <= LATE_S}
        if self._child is None or self._child.poll() is not None:
            self.close()
            self._child = _start()
        self._asked, self._silent_since, self._worked_ns = question, now, 0
        self._to_send += LENGTH.pack(len(question)) + question

    def _receive(self, within_s: float) -> bool:
        """Exchange with the child what can be; tell whether no call is under way any more."""
        assert self._child is not None
        assert self._child.stdin is not None  # it was given pipes
        assert self._child.stdout is not None
        stdin, stdout = self._child.stdin.fileno(), self._child.stdout.fileno()
        ends_at = time.monotonic() + within_s
        while self._asked is not None:
            poll = select.poll()
            poll.register(stdout, select.POLLIN)
            if self._to_send:
                poll.register(stdin, select.POLLOUT)
            left_s = max(0.0, min(LOOK_S, ends_at - time.monotonic()))
            ready = dict(poll.poll(left_s * 1000))
            try:
                if stdin in ready:
                    del self._to_send[: os.write(stdin, self._to_send)]
                if stdout in ready:
                    part = os.read(stdout, READ_BYTES)
                    self._received += part
                    self._silent_since = time.monotonic()
                    self._take_answer(is_all=not part)
            except OSError:  # it was killed: the same call is made again by another
                self.close()
            if not ready:
                self._note_progress()
                now = time.monotonic()
                if now >= ends_at or now - self._silent_since > HUNG_S:
                    return False
        return True

    def _take_answer(self, *, is_all: bool) -> None:
        if is_all:
            raise BrokenPipeError
        if len(self._received) < LENGTH.size:
            return
        (length,) = LENGTH.unpack_from(self._received)
        if len(self._received) < LENGTH.size + length:
            return
        assert self._asked is not None  # nobody answers unasked
        body = bytes(self._received[LENGTH.size : LENGTH.size + length])
        self._late[self._asked] = _Answer(time.monotonic(), body)
        self._received.clear()
        self._asked = None

    def _note_progress(self) -> None:
        """A slow call works now and then, a hanging one never: see if the child took time."""
        assert self._child is not None
        worked_ns = _worked_ns(self._child.pid)
        if worked_ns != self._worked_ns:
            self._worked_ns = worked_ns
            self._silent_since = time.monotonic()


def ask_once(
    store: Path, folder: Path, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Return what `function` returns of a folder, for a command that asks once.

    Raises:
        NotAnsweringError: the folder does not answer within `ONCE_WITHIN_S`.
    """
    calls = FolderCalls(folder, store=store)
    try:
        return calls.call_slow(ONCE_WITHIN_S, function, *args, **kwargs)
    finally:
        calls.close()


def silence_of(store: Path, folder: Path) -> NotAnsweringError | None:
    """Return the error that a folder which does not answer gives; None if it answers."""
    try:
        ask_once(store, folder, os.path.isdir, folder)
    except NotAnsweringError as error:
        return error
    return None


def _unpacked(body: bytes) -> object:
    """Return the result, or raise the error, that a child sent."""
    is_good, result = pickle.loads(body)  # noqa: S301 - written by our own child
    if is_good:
        return cast("object", result)
    raise result


def _start() -> subprocess.Popen[bytes]:
    # Its working directory is one that never hangs. Ctrl-C does not reach it.
    child = subprocess.Popen(
        [sys.executable, "-m", "pixd.system.children.folder_child"],
        cwd="/",
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    assert child.stdin is not None  # it was given a pipe
    os.set_blocking(child.stdin.fileno(), False)
    return child


def _worked_ns(pid: int) -> int:
    """Return how much processor time a process has taken; 0 if the kernel does not say.

    Source: proc_pid_schedstat, Documentation/scheduler/sched-stats.rst of the kernel; else the
        clock ticks of /proc/PID/stat.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/schedstat").read_bytes().split()[0])
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[11]) + int(fields[12])
    return 0
