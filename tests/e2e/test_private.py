"""What pixd tells others: nothing. Every call that opens a connection is read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.children import BARE
from tests.support.tiny import Tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
]
CALLS = "connect,sendto,sendmsg,sendmmsg"
ADDRESS = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
HERE = re.compile(r"127\.|::1$|::ffff:127\.")


def told_others(tiny: Tiny, *words: str) -> list[str]:
    """Run a pixd command; return the calls of it and its children that name another machine."""
    trace = tiny.folder / "trace.txt"
    home = tiny.folder / "home"
    home.mkdir(exist_ok=True)
    # Some libraries tell nobody on a machine that builds and tests: a user's has no such variables.
    subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-qq", f"--trace={CALLS}", f"--output={trace}",
         sys.executable, "-m", "pixd", *words],
        check=True, capture_output=True, cwd=tiny.folder, env={**BARE, "HOME": str(home)},
    )  # fmt: skip
    lines = trace.read_text(errors="replace").splitlines()
    assert lines or words[0] == "export"  # its children's calls are seen
    return [
        line for line in lines if any(not HERE.match(address) for address in ADDRESS.findall(line))
    ]


def test_training_translating_and_exporting_tell_no_other_machine(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path)
    tiny.pairs(range(8))
    tiny.inputs(range(2))
    assert told_others(tiny, "run", "--once") == []
    assert len(tiny.outputs()) == 2
    formats = ("onnx", "savedmodel", "litert", "openvino")
    for name in formats:
        assert told_others(tiny, "export", "live", f"made-{name}", "--format", name) == []
    left = {path.name for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert left <= {"keras.json"}  # Keras keeps its settings there
