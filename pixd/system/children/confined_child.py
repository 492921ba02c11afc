"""The parent's side of a child that decodes files from strangers.

The child limits itself (`pixd.system.children.confinement`), and a file may end it. Then another
child takes its place, and the caller learns whether its request is to blame. Only one thread may
use it at a time. The thread that started the child must run as long as the child is needed,
because the kernel ends the child together with that thread (`pixd.system.libc.die_with_parent`).

Protocol: one JSON object a line in; one JSON object a line out, which bytes may follow.
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
"""Seconds of real time. The limit on processor time is a tenth of this, so only a child that is
stopped or waits for a dead disk takes so long."""
_END_WITHIN_S: Final = 5.0
_LAST_WORDS: Final = 2000  # bytes from the end of its standard error


class ChildDiedError(PixdError):
    """A child ended, and its request is not to blame: the caller may ask again."""


class ConfinedChild:
    """One such process, started again whenever it ended.

    Asking and reading raise ImageRejectedError if the request ended the child. They raise
    ChildDiedError if the child ended or does not answer, and the request may not be to blame.
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
            spec: its run spec, passed as JSON, because the child has no folder of its own.
            megapixels: the picture size that its limits are for.
        """
        self._command = [sys.executable, "-m", module, json.dumps(to_json(spec))]
        self._megapixels = megapixels
        # A file, not a pipe, because nobody reads it while the child works.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process = self._start()

    def ask(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Send a request and wait for its answer, and for as many bytes as its ``bytes`` says."""
        event = self.event(request)
        return event, self.body(int(event.get("bytes", 0)))

    def event(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its answer; the bytes that follow are still to be read."""
        if self._process.poll() is not None:  # it ended while idle: no request is to blame
            self.start_anew()
        try:
            return self._ask(request)
        except (OSError, ValueError) as error:
            raise self._died() from error

    def body(self, length: int) -> bytes:
        """Read the bytes that follow an answer, or as many of them as are wanted now."""
        data = self._stdout.read(length) if length else b""
        if len(data) < length:
            raise self._died()
        return data

    def start_anew(self) -> None:
        """Replace the process by another; what this one still has to send is not wanted."""
        self._end()
        self._log.truncate(0)
        self._process = self._start()

    def kill(self) -> None:
        """End the process at once; safe from another thread, where `ask` then raises."""
        self._process.kill()

    def close(self) -> None:
        """End the process and close everything."""
        self._end()
        self._log.close()

    def _start(self) -> subprocess.Popen[bytes]:
        # Not in the terminal's group: Ctrl-C reaches only the parent, which then ends this child.
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
        """Replace the process by another and return the error that says how this one ended."""
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
