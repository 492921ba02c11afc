"""What every child process of pixd does before and beside its work.

The protocol with the parent is one JSON object a line on the stdout that the process was
started with; `claim_stdout` moves that aside first, so that no library's chatter can ever
enter it. The parent's death ends the child.

Silence: events come from the loop that does the work, never from a thread of its own, so
that a heartbeat proves progress. The longest silence to expect is the import of TensorFlow
and the first step, together well under a minute on two cores.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pixd.system import disk, durable
from pixd.system.children.spec import SCHEMA
from pixd.system.errors import ADVICE_DISK, DeviceError, PixdError

HEARTBEAT_S: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1  # Source: prctl(2)

Spec = Mapping[str, Any]

_log = logging.getLogger(__name__)


class NotFiniteError(PixdError):
    """A loss or a weight is NaN or infinite: training has diverged."""


class DataError(PixdError):
    """A pair that the run needs cannot be used."""


class BeginningError(PixdError):
    """What the run is to begin from cannot be used."""


class Interrupted(Exception):  # noqa: N818 - control flow, not an error
    """SIGTERM or SIGINT arrived; the work stops where it can go on later."""


# ---------------------------------------------------------------- the protocol


class Events:
    """Sends events to the parent; safe to use from several threads."""

    def __init__(self, fd: int) -> None:
        """Send to file descriptor `fd`, which the object then owns."""
        self._stream = os.fdopen(fd, "w", encoding="utf-8")
        self._lock = threading.Lock()
        self._sent_at = time.monotonic()

    def send(self, event: str, **fields: Any) -> None:
        """Send one event. A parent that no longer reads is no error: its death ends us."""
        line = json.dumps({"event": event, **fields}, ensure_ascii=True, allow_nan=False)
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()
            self._sent_at = time.monotonic()

    def phase(self, phase: str) -> None:
        """Tell, in words for people, what is being waited for."""
        self.send("phase", phase=phase)

    def beat(self) -> None:
        """Send a heartbeat if nothing has been sent for `HEARTBEAT_S` seconds."""
        if time.monotonic() - self._sent_at >= HEARTBEAT_S:
            self.send("heartbeat")

    def close(self) -> None:
        """Send nothing any more."""
        self._stream.close()


def claim_stdout() -> Events:
    """Keep fd 1 for events alone; whatever else prints goes to stderr from here on.

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


def read_spec(arguments: list[str], kind: str) -> Spec:
    """Read the run spec named on the command line.

    Raises:
        PixdError: there is none, or it is of another kind or schema.
    """
    if len(arguments) != 1:
        raise PixdError(
            f"a {kind} child takes one argument, the path of its run spec",
            advice="pixd starts it; `pixd run` and `pixd translate` are the ways to it",
        )
    spec: dict[str, Any] = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    if spec.get("schema") != SCHEMA or spec.get("kind") != kind:
        found = f"{spec.get('kind')} of schema {spec.get('schema')}"
        raise PixdError(
            f"the run spec is {found}, not {kind} of schema {SCHEMA}",
            advice="restart the service, so that it and its children are of one version",
        )
    return spec


def write_result(spec: Spec, **fields: Any) -> None:
    """Leave the result manifest in the scratch folder; its presence means the run has ended."""
    result = {
        "schema": SCHEMA,
        "run_id": spec.get("run_id"),
        "state": "succeeded",
        "error": None,
        "outputs": [],
        "metrics": {},
        **fields,
    }
    text = json.dumps(result, indent=1, sort_keys=True, allow_nan=False)
    # The service starts a child in its scratch folder.
    durable.write_file(Path(spec.get("scratch", ".")) / "result.json", text.encode())


def describe_error(error: BaseException) -> dict[str, str]:
    """Turn any failure into the result's ``error``: kind, message and what to do about it."""
    kind, message, advice = "internal", f"{type(error).__name__}: {error}", ""
    is_memory = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if (refused := disk.refusal(error)) and not is_memory:
        kind, message, advice = "disk", refused, ADVICE_DISK
    elif isinstance(error, PixdError):
        kinds = (
            (NotFiniteError, "nan"),
            (DataError, "data"),
            (DeviceError, "device"),
            (BeginningError, "beginning"),
        )
        kind = next((name for type_, name in kinds if isinstance(error, type_)), "internal")
        message, advice = error.message, error.advice
    elif (
        is_memory
        or isinstance(error, MemoryError)
        or type(error).__name__ == "ResourceExhaustedError"
    ):
        kind, message = "out-of-memory", "the model or its batch does not fit into memory"
        advice = "lower train.batch_size, then image_size, then train.ngf and train.ndf"
    return {"kind": kind, "message": message[:2000], "advice": advice}


# ---------------------------------------------------------------- life and death


def die_with_parent(*, leave_at_eof: bool, stdin_fd: int = 0) -> None:
    """End this process at once when its parent is gone.

    The kernel sends SIGKILL when the thread that started us ends. Where it cannot (not Linux,
    or the parent died before we asked), the end of stdin says the same.

    Args:
        leave_at_eof: leave at the end of stdin even while the parent lives.
        stdin_fd: the pipe from the parent; -1 to leave stdin to the caller.
    """
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
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
    # Only a pipe's end means anything; stdin may be /dev/null when a person starts us by hand.
    if leave_at_eof or os.getppid() != parent:
        os._exit(0)


class StopFlag:
    """Set by the first SIGTERM or SIGINT; a second one ends the process at once.

    Attributes:
        is_set: whether one has come.
        leaves_at_once: while nothing has been made that is worth keeping, the signal raises
            `Interrupted` where the process stands: importing TensorFlow, building the networks
            and compiling the first step take longer than a stop may.
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


def run_child(kind: str, work: Callable[[Spec, Events], None]) -> int:
    """Run a child that is asked once: read the spec, work, leave a result whatever happens.

    Returns:
        The exit code: 0 if `work` came through, 1 if the result says why it did not.
    """
    events = claim_stdout()
    die_with_parent(leave_at_eof=True)
    spec = read_spec(sys.argv[1:], kind)
    try:
        events.phase("importing TensorFlow")
        work(spec, events)
    except Exception as error:  # noqa: BLE001 - a child's last resort: the result says it
        _log.exception("%s failed", kind)
        write_result(spec, state="failed", error=describe_error(error))
        return 1
    return 0
