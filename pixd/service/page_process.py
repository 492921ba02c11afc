"""The page of `pixd web`, kept running beside the service when the configuration asks for it.

It is a process of its own with a command of its own. The service starts it, looks now and then
whether it is still there, and starts it again after a growing wait. It never waits for it, imports
nothing of it, and goes on without it; `pixd status` says what is wrong with it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from pixd.system import backoff
from pixd.system.errors import EXIT_CONFIG, EXIT_USAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixd.config import Settings

PAGE, ELSEWHERE = "PIXD_PAGE", "elsewhere"
"""What the units set: there the service has no network, and the page has a unit of its own."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
WELL_AFTER_S = 60.0
"""A page that ran for so long was well: the wait begins anew."""
LONGEST_LOG_BYTES = 1 << 20
_END_WITHIN_S = 3.0
_DIE_WITHIN_S = 1.0
"""So long it is waited for after SIGKILL; a dead disk may hold it for ever, and not the service."""
_LAST_WORDS = 2000


class PageProcess:
    """The process of the page, or none where none is wanted."""

    def __init__(self, *, is_asked: bool) -> None:
        """Start nothing yet.

        Args:
            is_asked: `pixd run --web` was typed, whatever the configuration says.
        """
        self.trouble = ""
        self._is_asked = is_asked
        self._process: subprocess.Popen[bytes] | None = None
        self._of: object = None  # what the running process was started for
        self._ending: subprocess.Popen[bytes] | None = None  # told to end, and not gone yet
        self._kill_at = 0.0
        self._log: Path | None = None
        self._log_from = 0  # where in the log the words of the running process begin
        self._failures = 0
        self._started_at = 0.0
        self._retry_at = 0.0

    def step(self, settings: Settings, now: float) -> str:
        """Start, restart or end the page as the configuration says.

        Args:
            settings: the configuration in force.
            now: monotonic seconds.

        Returns:
            What went wrong since the last step, or "".
        """
        is_wanted = self._is_asked or (settings.web.start and os.environ.get(PAGE) != ELSEWHERE)
        wanted = (settings.path, settings.web) if is_wanted else None
        if wanted != self._of:
            self._let_go(now)
            self._of, self._failures, self._retry_at, self.trouble = wanted, 0, 0.0, ""
        self._see_off(now)
        if wanted is None:
            return ""
        said = ""
        if self._process is not None and (code := self._process.poll()) is not None:
            said = self._bury(code, now)
        elif self._process is not None and now > self._started_at + WELL_AFTER_S:
            self._failures, self.trouble = 0, ""
        # The next one needs the address of the one before.
        if self._process is None and self._ending is None and now >= self._retry_at:
            said = self._start(settings, now) or said
        return said

    def stop(self) -> None:
        """End the page, which holds nothing that is worth waiting for, and wait for it a little."""
        self._let_go(0.0)
        if self._ending is None:
            return
        try:
            self._ending.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._ending.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._ending.wait(_DIE_WITHIN_S)
        self._ending = None

    def _let_go(self, now: float) -> None:
        """Tell the page to end; `_see_off` looks whether it did."""
        if self._process is None:
            return
        self._process.terminate()
        self._ending, self._kill_at = self._process, now + _END_WITHIN_S
        self._process = None

    def _see_off(self, now: float) -> None:
        if self._ending is None:
            return
        if self._ending.poll() is not None:
            self._ending = None
        elif now >= self._kill_at:
            self._ending.kill()

    def _start(self, settings: Settings, now: float) -> str:
        """Start the page and return why it cannot be, if that is news."""
        command = [sys.executable, "-m", "pixd", "--config", str(settings.path), "web"]
        # A person at a terminal is shown the link. A log that others may read holds no token.
        self._log = None if sys.stderr.isatty() else settings.store / "logs" / "web.log"
        try:
            with self._stderr() as stderr:
                self._process = subprocess.Popen(
                    [*command, "--beside", str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    process_group=0,  # Ctrl-C reaches the service, which then ends it
                )
        except OSError as error:
            self._failures += 1
            self._retry_at = now + backoff.wait_s(self._failures, FIRST_WAIT_S, LONGEST_WAIT_S)
            return self._trouble_now(f"the page cannot be started: {error.strerror}")
        self._started_at = now
        return ""

    @contextlib.contextmanager
    def _stderr(self) -> Iterator[int | None]:
        """Open where the page's own words go: its log, or None for the terminal."""
        if self._log is None:
            yield None
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(self._log, flags, 0o640)
        try:
            if os.fstat(fd).st_size > LONGEST_LOG_BYTES:
                os.ftruncate(fd, 0)
            self._log_from = os.fstat(fd).st_size
            yield fd
        finally:
            os.close(fd)

    def _bury(self, code: int, now: float) -> str:
        self._process = None
        self._failures += 1
        wait_s = backoff.wait_s(self._failures, FIRST_WAIT_S, LONGEST_WAIT_S)
        # What it was started with is wrong: it would end in the same way until that is mended.
        if code in {EXIT_CONFIG, EXIT_USAGE}:
            wait_s = LONGEST_WAIT_S
        self._retry_at = now + wait_s
        ended = f"signal {-code} ended it" if code < 0 else f"it ended with exit code {code}"
        return self._trouble_now(f"the page is down: {self._last_words() or ended}")

    def _trouble_now(self, trouble: str) -> str:
        """Keep what is wrong, and return it if it is news."""
        before, self.trouble = self.trouble, trouble
        return "" if trouble == before else trouble

    def _last_words(self) -> str:
        if self._log is None:
            return ""
        try:
            with self._log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_from, size - _LAST_WORDS))
                lines = file.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        said = [line for line in lines if line.startswith("pixd: ") and " is up; " not in line]
        return said[-1].removeprefix("pixd: ") if said else ""
