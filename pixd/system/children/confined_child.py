"""A child process that decodes what strangers wrote, seen from the process that asks it.

The child confines itself (`pixd.system.children.confinement`) and may die of what it is given: then another
takes its place, and the caller learns whether its request is to blame. For one thread at a
time. That thread must live as long as the child is wanted, because the kernel ends the child
with the thread that started it (`pixd.system.libc.die_with_parent`).

Protocol: a JSON object a line in; a JSON object a line out, which may be followed by bytes.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any, Final

from pixd.system.children import confinement
from pixd.system.children.spec import to_json
from pixd.system.errors import ImageRejectedError, PixdError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.system.children.spec import Spec

ANSWER_WITHIN_S: Final = 300.0
"""On the clock. Processor time is bounded at a tenth of it, so that only a child which is
stopped or waits for a dead disk takes so long."""
_END_WITHIN_S: Final = 5.0
_LAST_WORDS: Final = 2000  # bytes of what it wrote to standard error


class ChildDiedError(PixdError):
    """A child ended, and not by what it was given: that may be asked again."""


class ConfinedChild:
    """One such process, started anew where it died.

    Asking and reading raise ImageRejectedError where the child died of what it was asked, and
    ChildDiedError where it died, or does not answer, and the request is not known to be to blame.
    """

    def __init__(
        self,
        module: str,
        spec: Spec,
        *,
        megapixels: int = confinement.MEGAPIXELS,
    ) -> None:
        """Start ``python -m module SPEC``.

        Args:
            module: what to run.
            spec: its run spec, which it gets as JSON: it has no folder of its own.
            megapixels: what it confines itself for.
        """
        self._command = [sys.executable, "-m", module, json.dumps(to_json(spec))]
        self._megapixels = megapixels
        # A file and no pipe: nobody reads it while the child works.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process = self._start()

    def ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Send a request and wait for its answer and as many bytes as its ``bytes`` says."""
        event = self.event(request)
        return event, self.body(int(event.get("bytes", 0)))

    def event(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its answer; the bytes that follow are still to be read."""
        if self._process.poll() is not None:  # while it had nothing to do: nobody's fault
            self.start_anew()
        try:
            return self._ask(request)
        except (OSError, ValueError) as error:
            raise self._died() from error

    def body(self, length: int) -> bytes:
        """Read what follows an answer, or as much of it as is wanted now."""
        data = self._stdout.read(length) if length else b""
        if len(data) < length:
            raise self._died()
        return data

    def start_anew(self) -> None:
        """Put another process in its place: what this one still has to say is not wanted."""
        self._end()
        self._log.truncate(0)
        self._process = self._start()

    def kill(self) -> None:
        """End the process at once; safe from another thread, where `ask` then raises."""
        self._process.kill()

    def close(self) -> None:
        """End the process and let go of everything."""
        self._end()
        self._log.close()

    def _start(self) -> subprocess.Popen[bytes]:
        # Out of the terminal's group: Ctrl-C is for the process that asks, which ends this one.
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            process_group=0,
        )

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        process = self._process
        assert process.stdin is not None  # Popen was given PIPE
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        if not select.select([self._stdout], [], [], ANSWER_WITHIN_S)[0]:
            raise TimeoutError
        event: dict[str, Any] = json.loads(self._stdout.readline())
        return event

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None  # Popen was given PIPE
        return self._process.stdout

    def _died(self) -> PixdError:
        """Put another process in its place and return the error that says how this one ended."""
        try:
            code = self._process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.start_anew()
            return ChildDiedError(f"its decoder did not answer within {ANSWER_WITHIN_S:.0f} s")
        last_words = self._last_words()
        self.start_anew()
        if why := confinement.blame(code, self._megapixels):
            return ImageRejectedError(why)
        return ChildDiedError(f"its decoder ended with exit code {code}{last_words}")

    def _last_words(self) -> str:
        size = self._log.seek(0, 2)
        self._log.seek(max(0, size - _LAST_WORDS))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
