"""The children that decode pictures start often: they import what they need and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "keras", "sqlite_utils", "yaml", "cv2", "asyncio"}
SHARED = {"child", "confinement", "spec", "spec_parts"}


@pytest.mark.parametrize(
    ("module", "most"),
    [
        ("pixd.images.decoder_child", 31),
        ("pixd.training.dataset.inspector_child", 33),
        ("pixd.training.prepare.maker_child", 48),
    ],
)
def test_a_child_that_decodes_imports_little(module: str, most: int) -> None:
    code = f"import sys, json, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    found = set(json.loads(done.stdout))
    assert not found & HEAVY
    own = {name for name in found if name.startswith("pixd")}
    assert len(own) <= most, sorted(own)
    children = {name.rpartition(".")[2] for name in own if name.startswith("pixd.system.children.")}
    assert children == SHARED
