"""The script that people write instead of pixd, run beside it on a folder of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "peers" / "naive_watcher.py"


class Naive:
    """The running script; `input` is what it watches."""

    def __init__(self, folder: Path) -> None:
        self.input, self.output = folder / "naive-input", folder / "naive-output"
        self._log = folder / "naive.log"

    def __enter__(self) -> Self:
        self.input.mkdir()
        self.output.mkdir()
        with self._log.open("w") as log:
            self._script = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(self.input), str(self.output)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        while "watching" not in self._log.read_text():
            time.sleep(0.02)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._script.kill()
        self._script.wait()

    def translated(self) -> set[str]:
        """Return the names that it says it has translated."""
        lines = self._log.read_text(errors="replace").splitlines()
        return {line.removeprefix("translated ") for line in lines if line.startswith("translated")}

    def rest(self, timeout_s: float = 300.0) -> None:
        """Wait until it has said nothing more for a second."""
        ends_at = time.monotonic() + timeout_s
        size = -1
        while size != self._log.stat().st_size and time.monotonic() < ends_at:
            size = self._log.stat().st_size
            time.sleep(1.0)
