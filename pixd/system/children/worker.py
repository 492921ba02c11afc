"""One child of the service: gets a run spec and sends JSON events. No thread is needed for it.

A child is ``python -m MODULE spec.json`` in a scratch folder of its own. Its standard input
is a pipe (the end of file means that the parent has ended), its standard output carries one
JSON object a line, its standard error is a log. No read or write here blocks. So a child that
hangs, sends too much or sends rubbish costs the service only memory, and that has a limit.

The child itself must make sure that it ends with its parent (`pixd.system.children.child`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.system.children.last_words import last_words
from pixd.system.children.numbers import from_child
from pixd.system.children.spec import PARENT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_LINE_BYTES = 1 << 20
READ_BYTES = 1 << 16
READ_AT_ONCE_BYTES = 4 << 20
"""The most that one `read_events` takes, so that a child that sends much cannot keep the loop."""
PIPE_BYTES = 1 << 18
"""Room for some hundred requests and answers, so that neither side waits for the other. The kernel
gives a pipe 64 kB by itself, and lets anybody have this much (pipe(7))."""
KILL_WITHIN_S = 2.0
"""The longest wait for a killed process: it ends in milliseconds, or it hangs in the kernel."""
LOG_ROTATE_BYTES = 4 << 20
LOG_TAIL_BYTES = 4096


class Identity(NamedTuple):
    """Names one process. A process id alone is used again; with boot and start time it is unique.

    Attributes:
        boot_id: /proc/sys/kernel/random/boot_id.
        pid: process id.
        start_ticks: clock ticks from boot to its start; proc(5), /proc/PID/stat field 22.
    """

    boot_id: str
    pid: int
    start_ticks: int


def identity_of(pid: int) -> Identity | None:
    """Return the identity of a process, or None if it is gone (or dead and not yet reaped)."""
    try:
        about = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The command in brackets may itself hold spaces and brackets, so the last bracket counts.
    fields = about[about.rindex(b")") + 2 :].split()
    if fields[0] in {b"Z", b"X"}:
        return None
    return Identity(_boot_id(), pid, int(fields[19]))


def is_alive(identity: Identity | Mapping[str, Any] | None) -> bool:
    """Tell whether the very process that was noted still runs.

    Args:
        identity: an `Identity`, or a mapping of its fields as read from the store. For None and
            for an incomplete one the answer is no.
    """
    if identity is None:
        return False
    if not isinstance(identity, Identity):
        try:
            identity = Identity(
                str(identity["boot_id"]), int(identity["pid"]), int(identity["start_ticks"])
            )
        except (KeyError, TypeError, ValueError):
            return False
    return identity_of(identity.pid) == identity


class Worker:
    """One child. Made by `start`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, log_start: int) -> None:
        """Follow a process that was started with pipes; use `start`."""
        assert process.stdin is not None  # Popen was given PIPE
        assert process.stdout is not None
        self.pid = process.pid
        self.rubbish_lines = 0
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._log = log
        self._log_start = log_start
        self._read = bytearray()
        self._is_skipping = False  # inside a line that is too long, until its end
        self._has_ended_output = False
        self._to_write = bytearray()
        self._was_killed = False
        self._exit_fd: int | None = None
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe.fileno(), False)
            with contextlib.suppress(OSError):  # the user has too many large pipes already
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        identity = identity_of(process.pid)
        # For a child that has ended already: no process ever starts at tick -1, so none matches.
        self.identity = identity or Identity(_boot_id(), process.pid, -1)

    @classmethod
    def start(
        cls, module: str, spec: Mapping[str, Any], scratch: Path, log: Path, *, nice: int = 0
    ) -> Worker:
        """Start a child.

        Args:
            module: what ``python -m`` runs.
            spec: its run spec, written to ``scratch/spec.json``.
            scratch: a folder that exists; its working directory.
            log: gets its standard error. It is appended to, and emptied first if it is long.
            nice: how much to lower its priority.

        Raises:
            OSError: the spec or log cannot be written, or no process can be made.
        """
        spec_path = scratch / "spec.json"
        spec_path.write_text(json.dumps(spec, ensure_ascii=True), encoding="ascii")
        log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            if os.fstat(log_fd).st_size > LOG_ROTATE_BYTES:
                os.ftruncate(log_fd, 0)
            log_start = os.fstat(log_fd).st_size
            process = subprocess.Popen(
                [sys.executable, "-m", module, str(spec_path)],
                cwd=scratch,
                env={**child_environment(), PARENT_VARIABLE: str(os.getpid())},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_fd,
                bufsize=0,
                # A session of its own, for two reasons: Ctrl-C on the terminal reaches only the
                # service, which ends its children in order; and `kill` also ends what they started.
                start_new_session=True,
            )
        finally:
            os.close(log_fd)
        if nice:
            # Set by the parent: in the child, code between fork and exec can deadlock.
            with contextlib.suppress(OSError):
                lowest = 19  # the kernel takes no more; setpriority(2)
                own = os.getpriority(os.PRIO_PROCESS, 0)
                os.setpriority(os.PRIO_PROCESS, process.pid, min(lowest, own + nice))
        return cls(process, log, log_start)

    def __del__(self) -> None:
        """End the process and close its descriptors."""
        if hasattr(self, "_process"):
            self.kill()
            self.close()

    # -- talking ------------------------------------------------------------------------

    def fileno(self) -> int:
        """Return a descriptor that is readable when there is something to do.

        This is its standard output. After the end of file that would be readable for ever; then
        it is a descriptor that becomes readable when the process has ended.
        """
        if not self._has_ended_output:
            return self._stdout.fileno()
        if self._exit_fd is None:
            self._exit_fd = _exit_descriptor(self.pid)
        return self._exit_fd

    def read_events(self) -> list[dict[str, Any]]:
        """Return the events that have come, without waiting; an incomplete line is kept.

        What is not a JSON object with a text under "event" is counted in `rubbish_lines`.
        NaN and infinities, which JSON does not know, become None.
        """
        events: list[dict[str, Any]] = []
        taken = 0
        while not self._has_ended_output and taken < READ_AT_ONCE_BYTES:
            try:
                chunk = os.read(self._stdout.fileno(), READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                chunk = b""
            if not chunk:
                self._has_ended_output = True
                break
            taken += len(chunk)
            self._take(chunk, events)
        return events

    def _take(self, chunk: bytes, events: list[dict[str, Any]]) -> None:
        *lines, rest = chunk.split(b"\n")
        for end in lines:
            line = bytes(self._read) + end
            self._read.clear()
            if self._is_skipping:
                self._is_skipping = False
                continue
            event = _event(line)
            if event is not None:
                events.append(event)
            elif line.strip():
                self.rubbish_lines += 1
        if self._is_skipping:
            return
        self._read += rest
        if len(self._read) > LONGEST_LINE_BYTES:
            self._read.clear()
            self._is_skipping = True
            self.rubbish_lines += 1

    def send(self, message: Mapping[str, Any]) -> None:
        """Queue one message for the child and write what fits; see `wants_write`."""
        self._to_write += json.dumps(message, ensure_ascii=True).encode("ascii") + b"\n"
        self.flush()

    def flush(self) -> None:
        """Write as much of what is queued as the child takes now."""
        while self._to_write and not self._stdin.closed:
            try:
                count = os.write(self._stdin.fileno(), self._to_write[:READ_BYTES])
            except BlockingIOError:
                return
            except OSError:
                # The child has ended or closed its end. Nobody will read this; `poll` reports it.
                self._to_write.clear()
                return
            del self._to_write[:count]

    def wants_write(self) -> bool:
        """Tell whether something is queued that the child has not taken yet."""
        return bool(self._to_write)

    # -- ending -------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Close its standard input; a child that answers requests then ends by itself."""
        self._to_write.clear()
        with contextlib.suppress(OSError):
            self._stdin.close()

    def terminate(self) -> None:
        """Ask it to end (SIGTERM): a trainer checkpoints first. Returns at once."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and what it started, at once. What it has sent can still be read."""
        if self._process.poll() is None:
            self._was_killed = True
            # start_new_session made the group; it exists as long as the child does.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(KILL_WITHIN_S)
        self.hang_up()

    def _signal(self, number: signal.Signals) -> None:
        # Popen checks first whether the process was reaped, so no other process gets the signal.
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def close(self) -> None:
        """Close the descriptors. Read the child's last output before."""
        self.hang_up()
        with contextlib.suppress(OSError):
            self._stdout.close()
        self._has_ended_output = True
        if self._exit_fd is not None:
            os.close(self._exit_fd)
            self._exit_fd = None

    def poll(self) -> int | None:
        """Return its exit code, or minus the signal that ended it, or None while it runs."""
        return self._process.poll()

    def exit_text(self) -> str:
        """Say for people how it ended, with the last lines of its log."""
        code = self.poll()
        if code is None:
            return "still running"
        if code == -signal.SIGKILL and self._was_killed:
            how = "ended by pixd"
        elif code == -signal.SIGKILL:
            how = "killed by signal 9 (out of memory?)"
        elif code < 0:
            how = f"killed by signal {-code} ({_signal_name(-code)})"
        else:
            how = f"ended with exit code {code}"
        last = self._last_words()
        return f"{how}: {last}" if last else how

    def _last_words(self) -> str:
        try:
            with self._log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(min(self._log_start, size), size - LOG_TAIL_BYTES))
                text = log.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return last_words(text)


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = from_child(line)
    except (ValueError, RecursionError):
        return None
    if isinstance(event, dict) and isinstance(event.get("event"), str):
        return event
    return None


def child_environment() -> dict[str, str]:
    """Return the environment of a child: this one's, with pixd on the path and TensorFlow quiet."""
    package_parent = str(Path(__file__).resolve().parents[3])
    paths = [package_parent, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        # Without it ``-m`` would look for modules in the scratch folder first.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _exit_descriptor(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        # It is reaped already, or there is no such call: return something that is readable at once.
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
