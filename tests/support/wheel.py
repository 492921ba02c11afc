"""pixd as the wheel that users get, made from a copy so that the working tree stays as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SOURCES = ("pixd", "systemd", "pyproject.toml", "README.md", "LICENSE")
_PIP_WHEEL = [
    *("pip", "wheel", "--quiet", "--no-index", "--no-deps"),
    "--no-build-isolation",  # the lock has setuptools
]


def build_wheel(folder: Path) -> Path:
    """Build the wheel below `folder` and return its path."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            leave = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=leave)
        else:
            shutil.copy2(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", *_PIP_WHEEL, "--wheel-dir", str(folder), str(source)],
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel
