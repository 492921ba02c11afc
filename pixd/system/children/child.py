"""What every child process of pixd shares: its spec, its events, its limits and its end.

A child writes one JSON object a line to the stdout that it was started with. `claim_stdout` moves
that stream aside first, so that nothing a library prints can enter the protocol. A child ends when
its parent ends.

A heartbeat is sent by the loop that does the work and never by a thread of its own. So it proves
progress. The longest silence to expect is the import of TensorFlow and the first step: together
well under a minute on two cores.

This module imports little, because the children that decode pictures start often. What only a
child with one task needs is in `pixd.system.children.task`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixd.system import libc
from pixd.system.children import confinement
from pixd.system.children.spec import PARENT_VARIABLE, S, from_json
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Answer = tuple[Mapping[str, Any], Iterable[bytes]]

HEARTBEAT_S: Final = 5.0


class Interrupted(Exception):  # noqa: N818 - control flow, not an error
    """SIGTERM or SIGINT arrived; the work stops at a point from which it can go on later."""


def begin(kind: type[S], *, leave_at_eof: bool = True, stdin_fd: int = 0) -> tuple[S, Events]:
    """Do what every child does first: claim stdout, end with the parent, read the run spec.

    Args:
        kind: the class of spec that this child takes.
        leave_at_eof: see `die_with_parent`.
        stdin_fd: see `die_with_parent`.

    Raises:
        PixdError: there is no run spec, or it is one for another kind of child.
    """
    events = claim_stdout()
    die_with_parent(leave_at_eof=leave_at_eof, stdin_fd=stdin_fd)
    return read_spec(sys.argv[1:], kind), events


def read_spec(arguments: list[str], kind: type[S]) -> S:
    """Read the run spec named on the command line: the path of a file, or the JSON itself.

    Raises:
        PixdError: there is none, or it is of another kind or schema.
    """
    if len(arguments) != 1:
        raise PixdError(
            f"a {kind.kind} child takes one argument, its run spec",
            advice="pixd starts it by itself: use `pixd run` or `pixd translate`",
        )
    (told,) = arguments
    text = told if told.startswith("{") else Path(told).read_text(encoding="utf-8")
    return from_json(json.loads(text), kind)


# ---------------------------------------------------------------- events


class Events:
    """Sends events to the parent; safe to use from several threads."""

    def __init__(self, fd: int) -> None:
        """Send to file descriptor `fd`, which the object then owns."""
        self._stream = os.fdopen(fd, "wb")
        self._lock = threading.Lock()
        self._sent_at = time.monotonic()

    def send(self, event: str, **fields: Any) -> None:
        """Send one event. A parent that no longer reads is no error: its end ends this process."""
        self.answer({"event": event, **fields}, ())

    def answer(self, event: Mapping[str, Any], parts: Iterable[bytes]) -> None:
        """Send one event, then bytes. Parts that are made only now are sent as soon as they are."""
        line = json.dumps(event, ensure_ascii=True, allow_nan=False).encode("ascii")
        with self._lock, contextlib.suppress(BrokenPipeError):
            if self._stream.closed:
                return
            self._stream.write(line + b"\n")
            self._stream.flush()
            for part in parts:
                self._stream.write(part)
            self._stream.flush()
            self._sent_at = time.monotonic()

    def phase(self, phase: str) -> None:
        """Say, in words for people, what is being waited for."""
        self.send("phase", phase=phase)

    def beat(self) -> None:
        """Send a heartbeat if nothing has been sent for `HEARTBEAT_S` seconds."""
        if time.monotonic() - self._sent_at >= HEARTBEAT_S:
            self.send("heartbeat")

    def close(self) -> None:
        """Send nothing more."""
        self._stream.close()


def claim_stdout() -> Events:
    """Keep fd 1 only for events; everything else that is printed goes to stderr from now on.

    Also quiets TensorFlow, which reads its settings from the environment when imported.
    """
    sys.stdout.flush()
    events = Events(os.dup(1))
    os.dup2(2, 1)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    logging.getLogger("absl").setLevel(logging.ERROR)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return events


def answer_requests(
    events: Events, answer: Callable[[dict[str, Any]], Answer], *, megapixels: int
) -> None:
    """Answer requests one by one until the end of input, each within the limits of one picture.

    Call `confinement.confine` first, after everything large is loaded.

    Args:
        events: where the answers go.
        answer: returns the event that answers a request, and the bytes that follow it.
        megapixels: size of the largest accepted picture; the limits grow with it.
    """
    for line in sys.stdin:
        request = json.loads(line)
        # Sent within the limits too, because some bytes are made while they are sent.
        with confinement.one_image(megapixels):
            events.answer(*answer(request))


# ---------------------------------------------------------------- life and death


def die_with_parent(*, leave_at_eof: bool, stdin_fd: int = 0) -> None:
    """End this process at once when its parent has ended.

    The kernel sends SIGKILL when the thread that started this process ends. If the parent ended
    before this call, the kernel says nothing; but then the parent is not the one that
    `PARENT_VARIABLE` names. Where the kernel cannot (not Linux), the end of stdin shows the same.

    Args:
        leave_at_eof: end at the end of stdin even while the parent runs.
        stdin_fd: the pipe from the parent; -1 to leave stdin to the caller.
    """
    # Taken out, because this process is the parent of what it starts.
    told = os.environ.pop(PARENT_VARIABLE, "")
    parent = int(told) if told.isdecimal() else os.getppid()
    libc.die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    if stdin_fd >= 0:
        threading.Thread(
            target=_watch_stdin,
            args=(stdin_fd, parent),
            kwargs={"leave_at_eof": leave_at_eof},
            daemon=True,
        ).start()


def _watch_stdin(fd: int, parent: int, *, leave_at_eof: bool) -> None:
    with contextlib.suppress(OSError):
        while os.read(fd, 4096):
            pass
    # Only the end of a pipe counts: stdin may be /dev/null if a person starts the child by hand.
    if leave_at_eof or os.getppid() != parent:
        os._exit(0)


class StopFlag:
    """Set by the first SIGTERM or SIGINT; a second one ends the process at once.

    Attributes:
        is_set: whether one has come.
        leaves_at_once: while there is nothing worth keeping yet, the signal raises `Interrupted`
            at once, wherever the process is. Importing TensorFlow, building the networks and
            compiling the first step take longer than a stop may take.
    """

    def __init__(self) -> None:
        """Install the handlers. Main thread only."""
        self.is_set = False
        self.leaves_at_once = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: object) -> None:
        self.is_set = True
        signal.signal(number, signal.SIG_DFL)
        if self.leaves_at_once:
            raise Interrupted

    def check(self) -> None:
        """Raise `Interrupted` once a signal has come."""
        if self.is_set:
            raise Interrupted
