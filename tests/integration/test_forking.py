"""A child that is a copy is given all that a new interpreter is given, and ends as one does."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.system.children.spec import PARENT_VARIABLE
from tests.support import forking
from tests.support.children import BARE, THREADS
from tests.support.forking import ROOT, ForkingPopen, ForkServer, all_fresh

PROGRAM = "tests.support.surroundings"
COMMAND = [sys.executable, "-m", PROGRAM, "a", "ü"]


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[ForkServer]:
    """Start `PROGRAM` and pixd's programs as copies, also where tests run in one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        if not forking.is_possible():
            pytest.skip("no copies can be made here")
        server = ForkingPopen.get_server() or ForkServer.started()
        patch.setattr(subprocess, "Popen", ForkingPopen)
        patch.setattr(ForkingPopen, "get_server", staticmethod(lambda: server))
        patch.setattr(ForkingPopen, "programs", (PROGRAM, *forking.PROGRAMS))
        yield server


def told(folder: Path, **options: Any) -> dict[str, Any]:
    environment = {
        "PATH": os.environ["PATH"],
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        **forking.fixed(os.environ),  # a test may have imported a package that adds some
    }
    done = subprocess.run(
        COMMAND, input=b"\xc3\xbc\n", cwd=folder, env=environment, capture_output=True, check=False,
        **options,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (7, b"")
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    "options", [{}, {"start_new_session": True}, {"process_group": 0}, {"umask": 0o027}]
)
def test_a_copy_finds_what_a_new_interpreter_finds(tmp_path: Path, options: dict[str, Any]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))  # a limit set after the server was started
    try:
        copy = told(tmp_path, **options)
        with all_fresh():
            anew = told(tmp_path, **options)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert (copy.pop("is_copy"), anew.pop("is_copy")) == (True, False)
    assert copy == anew
    assert copy["parent"] == os.getpid()


def test_a_signal_ends_a_copy_and_its_parent_is_told(tmp_path: Path) -> None:
    child = subprocess.Popen(COMMAND, cwd=tmp_path, stdin=subprocess.PIPE)
    child.send_signal(signal.SIGTERM)
    assert child.wait(60) == -signal.SIGTERM
    assert child.stdin is not None
    child.stdin.close()


def test_a_worker_with_a_bare_environment_is_a_copy(server: ForkServer) -> None:
    """Whatever tests have imported before the server was started; `cv2` changes the environment."""
    assert server.suits({**BARE, **THREADS, "OMP_NUM_THREADS": "1"})


def test_what_a_copy_cannot_have_is_started_anew(server: ForkServer) -> None:
    assert server.suits(os.environ)
    assert server.suits({**os.environ, "TF_NUM_INTEROP_THREADS": "3", PARENT_VARIABLE: "1"})
    assert not server.suits({**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"})
    assert not server.suits({**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert not server.suits({**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}/modules"})
    assert forking.kind_of(["/usr/bin/python3", "-m", PROGRAM], (PROGRAM,)) == ""
    assert forking.kind_of([sys.executable, "-m", "pixd", "status"], (PROGRAM,)) == ""


def test_a_command_is_a_new_interpreter_with_a_server_of_its_own(tmp_path: Path) -> None:
    code = (
        "import json, os, subprocess, sys; from pathlib import Path\n"
        "own = [int(p) for p in Path('/proc/self/task').joinpath(str(os.getpid()), 'children')"
        ".read_text().split()]\n"
        "loaded = 'tensorflow' in sys.modules\n"
        "first = Path(f'/proc/{own[0]}/cmdline').read_bytes().decode()\n"
        "print(json.dumps([loaded, len(own), first, type(subprocess.Popen).__name__,"
        " subprocess.Popen.__name__, os.environ.get('PYTHONPATH')]))  # pixd.cli.main"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded, count, first, _, popen, path = json.loads(done.stdout)
    assert (loaded, count, popen) == (False, 1, "ForkingPopen")
    assert "tests.support.fork_server" in first
    assert path == os.environ.get("PYTHONPATH")
