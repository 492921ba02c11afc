"""OpenCV, where it is imported, changes nothing for the children of that process."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("cv2")

LINES = """\
import os, sys
import numpy as np
os.environ.pop("LD_LIBRARY_PATH", None)
from pixd.images import edges
edges.outlines(np.zeros((32, 32, 3), np.uint8))
print("cv2" in sys.modules, os.environ.get("LD_LIBRARY_PATH"))
"""


def test_children_look_for_libraries_where_they_did_before() -> None:
    command = [sys.executable, "-c", LINES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "True None\n"
