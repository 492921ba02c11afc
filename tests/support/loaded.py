"""What a command of pixd has loaded when it is done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

_LOADED = "print([name for name in sys.argv[1:] if name in sys.modules])"


def loaded_by(
    words: list[str], heavy: Collection[str], folder: Path, *, prelude: str = "pass"
) -> tuple[str, str]:
    """Run a command in a new Python; return what it printed, and which of `heavy` it loaded.

    Args:
        words: of the command.
        heavy: names of modules.
        folder: where it runs.
        prelude: a line of Python that runs before it.
    """
    code = f"import sys\n{prelude}\nfrom pixd.cli import main\nmain.main({words!r})\n{_LOADED}"
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told, _, found = done.stdout.removesuffix("\n").rpartition("\n")
    return told, found
