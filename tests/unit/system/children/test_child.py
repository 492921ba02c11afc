"""The protocol keeps to itself, and a child does not outlive its parent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixd.pix2pix.learning.schedule import Schedule
from pixd.system.children import child, task
from pixd.system.children.spec import SCHEMA, ExportSpec, TrainSpec
from pixd.system.errors import DeviceError, PixdError

ROOT = Path(__file__).parents[4]


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )


def test_what_libraries_print_never_enters_the_protocol() -> None:
    ended = run_python(
        "import os; from pixd.system.children import child; events = child.claim_stdout();"
        "print('chatter', flush=True); os.write(1, b'more chatter\\n'); events.phase('x')"
    )
    assert json.loads(ended.stdout) == {"event": "phase", "phase": "x"}
    assert ended.stderr.splitlines() == ["chatter", "more chatter"]


def test_a_child_dies_with_its_parent() -> None:
    child = (
        "from pixd.system.children import child; import time;"
        "child.die_with_parent(leave_at_eof=False, stdin_fd=-1);"
        "print('up', flush=True); time.sleep(60)"
    )
    # The grandchild holds the pipe open: reading to its end waits for the grandchild's death.
    ended = run_python(
        "import os, subprocess, sys;"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE);"
        "child.stdout.readline(); os._exit(0)"
    )
    assert ended.returncode == 0


def test_a_child_ends_whose_parent_died_before_it_could_ask_for_that(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "import os, time\n"
        "from pixd.system.children import child\n"
        "while os.getppid() == int(os.environ[child.PARENT_VARIABLE]): time.sleep(0.01)\n"
        "child.die_with_parent(leave_at_eof=False)\n"  # as a trainer does
        "time.sleep(60)\n"
    )
    # The child's log is the pipe that is read to its end here.
    run_python(
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r}); os.environ['PYTHONPATH'] = {str(tmp_path)!r}\n"
        "from pathlib import Path\n"
        "from pixd.system.children.worker import Worker\n"
        f"worker = Worker.start('late', {{}}, Path({str(tmp_path)!r}), Path('/dev/stderr'))\n"
        "os._exit(0)"
    )


def test_the_end_of_stdin_ends_a_child_that_leaves_at_eof() -> None:
    code = (
        "from pixd.system.children import child; import time;"
        "child.die_with_parent(leave_at_eof=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(timeout=30) == 0


def test_a_spec_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({"schema": SCHEMA, "kind": "export", "model": "m", "files": {}}))
    assert child.read_spec([str(path)], ExportSpec).kind == "export"
    with pytest.raises(PixdError, match="not train"):
        child.read_spec([str(path)], TrainSpec)


def test_every_failure_has_a_kind_and_what_to_do() -> None:
    describe = task.describe_error
    assert describe(MemoryError())["kind"] == "out-of-memory"
    assert "batch_size" in describe(MemoryError())["advice"]
    assert describe(task.NotFiniteError("x", advice="y")) == {
        "kind": "nan",
        "message": "x",
        "advice": "y",
    }
    assert describe(task.DataError("x"))["kind"] == "data"
    assert describe(DeviceError("x"))["kind"] == "device"
    assert describe(KeyError("x")) == {"kind": "internal", "message": "KeyError: 'x'", "advice": ""}


def test_a_heartbeat_is_sent_only_after_silence() -> None:
    reading, writing = os.pipe()
    events = child.Events(writing)
    events.beat()
    events.send("progress", step=1)
    events.close()
    with os.fdopen(reading) as stream:
        assert json.loads(stream.readline())["event"] == "progress"


def test_the_first_checkpoint_is_early_and_the_others_by_time_or_steps() -> None:
    schedule = Schedule(every_s=60, every_steps=1000, step=0, now=0.0)
    assert not schedule.is_due(10, 19.0)
    assert schedule.is_due(10, 20.0)
    schedule.saved(10, 20.0)
    assert not schedule.is_due(500, 79.0)
    assert schedule.is_due(500, 80.0)
    assert schedule.is_due(1010, 21.0)
