"""Children that are real processes: what they say, how they end, and who they were."""

from __future__ import annotations

import json
import os
import select
import signal
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pixd.system.children import worker as workers
from pixd.system.children.worker import Worker, identity_of, is_alive

WaitUntil = Callable[..., None]
Start = Callable[..., Worker]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return `start(code)`, which starts a child that runs that code."""
    started: list[Worker] = []
    modules = tmp_path / "modules"
    modules.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(modules))

    def start(code: str, spec: dict[str, Any] | None = None, **options: Any) -> Worker:
        module = f"child{len(started)}"
        prelude = "import json, os, signal, sys, time\n"
        (modules / f"{module}.py").write_text(prelude + textwrap.dedent(code))
        scratch = tmp_path / f"scratch{len(started)}"
        scratch.mkdir()
        worker = Worker.start(module, spec or {}, scratch, tmp_path / "child.log", **options)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()
        worker.close()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Heard:
    """All that a child has said so far."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.events: list[dict[str, Any]] = []

    def __call__(self) -> list[dict[str, Any]]:
        self.events += self.worker.read_events()
        return self.events


ECHO = """
print(json.dumps({"event": "ready"}), flush=True)
for line in sys.stdin:
    print(json.dumps({"event": "echo", "of": json.loads(line)}), flush=True)
"""


def test_a_child_gets_its_spec_and_answers(start: Start, wait_until: WaitUntil) -> None:
    worker = start(
        """
        spec = json.load(open(sys.argv[1]))
        where = os.path.realpath(os.getcwd()) == os.path.dirname(os.path.realpath(sys.argv[1]))
        import pixd
        print(json.dumps({"event": "spec", "spec": spec, "in_scratch": where}))
        """,
        {"kind": "test", "name": "ü\udcff"},
    )
    heard = Heard(worker)
    wait_until(heard)
    spec = {"kind": "test", "name": "ü\udcff"}
    assert heard.events == [{"event": "spec", "spec": spec, "in_scratch": True}]
    wait_until(lambda: worker.poll() == 0)
    assert worker.exit_text() == "ended with exit code 0"


def test_messages_go_both_ways(start: Start, wait_until: WaitUntil) -> None:
    worker = start(ECHO)
    heard = Heard(worker)
    for number in range(100):
        worker.send({"id": number})
    wait_until(lambda: len(heard()) == 101)
    assert [event["of"]["id"] for event in heard.events[1:]] == list(range(100))
    worker.hang_up()
    wait_until(lambda: worker.poll() == 0)


@pytest.mark.alone
def test_a_child_that_reads_nothing_never_blocks_the_sender(start: Start) -> None:
    worker = start("time.sleep(600)")
    began = time.monotonic()
    for _ in range(50):
        worker.send({"text": "x" * 100_000})
    assert time.monotonic() - began < 5
    assert worker.wants_write()
    worker.kill()
    assert worker.poll() == -signal.SIGKILL
    assert not worker.wants_write()


def test_what_did_not_fit_is_sent_by_flush(start: Start, wait_until: WaitUntil) -> None:
    worker = start(
        """
        total = 0
        for line in sys.stdin:
            total += len(json.loads(line)["text"])
            print(json.dumps({"event": "total", "total": total}), flush=True)
        """
    )
    heard = Heard(worker)
    for _ in range(50):
        worker.send({"text": "x" * 100_000})

    def is_through() -> bool:
        worker.flush()
        return bool(heard()) and heard.events[-1]["total"] == 5_000_000

    wait_until(is_through)
    assert not worker.wants_write()


def test_rubbish_is_counted_and_does_not_hide_what_follows(
    start: Start, wait_until: WaitUntil
) -> None:
    worker = start(
        r"""
        out = sys.stdout.buffer
        out.write(b"hello\n\n[1]\n{}\n\xff\xfe\n{\"event\": 3}\n" + b"[" * 100000 + b"\n")
        out.write(b"x" * 3_000_000 + b"\n")
        out.write(b'{"event": "nan", "loss": NaN, "eta": Infinity}\n')
        for part in (b'{"event"', b': "parts"', b"}\n"):
            out.write(part); out.flush(); time.sleep(0.02)
        out.write(b'{"event": "cut')
        """
    )
    heard = Heard(worker)
    wait_until(lambda: len(heard()) == 2 and worker.poll() == 0)
    heard()
    assert heard.events == [{"event": "nan", "loss": None, "eta": None}, {"event": "parts"}]
    assert worker.rubbish_lines == 7


def test_a_flood_is_taken_in_portions(start: Start, wait_until: WaitUntil) -> None:
    worker = start(
        """
        line = json.dumps({"event": "flood", "text": "x" * 1000}) + "\\n"
        while True:
            sys.stdout.write(line * 100)
        """
    )
    heard = Heard(worker)
    wait_until(heard)
    for _ in range(20):
        wait_until(heard)
        events = worker.read_events()
        assert len(events) <= 1.1 * workers.READ_AT_ONCE_BYTES / 1000
    assert worker.rubbish_lines == 0


def test_the_descriptor_wakes_for_events_and_then_for_the_end(
    start: Start, wait_until: WaitUntil
) -> None:
    worker = start(
        """
        print(json.dumps({"event": "last"}), flush=True)
        os.close(1)
        sys.stdin.read()
        """
    )
    heard = Heard(worker)
    wait_until(heard)
    # Its output has ended but it has not: nothing is ready, so that a loop does not spin.
    wait_until(lambda: not heard.worker.read_events() and not select.select([worker], [], [], 0)[0])
    assert worker.poll() is None
    worker.hang_up()
    assert select.select([worker], [], [], 10)[0]
    wait_until(lambda: worker.poll() is not None)


def test_a_terminated_child_may_finish_its_work(start: Start, wait_until: WaitUntil) -> None:
    worker = start(
        """
        def leave(*_):
            print(json.dumps({"event": "checkpoint"}), flush=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        print(json.dumps({"event": "ready"}), flush=True)
        while True:
            signal.pause()
        """
    )
    heard = Heard(worker)
    wait_until(heard)
    worker.terminate()
    wait_until(lambda: worker.poll() == 0)
    assert heard()[-1] == {"event": "checkpoint"}
    worker.terminate()  # of one that has ended: nothing


def test_a_killed_child_takes_its_own_children_along(start: Start, wait_until: WaitUntil) -> None:
    worker = start(
        """
        import subprocess
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(json.dumps({"event": "pid", "pid": grandchild.pid}), flush=True)
        time.sleep(600)
        """
    )
    heard = Heard(worker)
    wait_until(heard)
    grandchild = identity_of(heard.events[0]["pid"])
    assert is_alive(grandchild)
    worker.kill()
    assert worker.poll() == -signal.SIGKILL
    assert worker.exit_text() == "ended by pixd"
    wait_until(lambda: not is_alive(grandchild))


def test_what_a_killed_child_had_said_can_still_be_read(
    start: Start, wait_until: WaitUntil
) -> None:
    worker = start(
        """
        print(json.dumps({"event": "done", "id": 1}), flush=True)
        open("said", "w").close()
        time.sleep(600)
        """
    )
    said = Path(f"/proc/{worker.pid}/cwd/said")
    wait_until(said.exists)
    worker.kill()
    assert worker.read_events() == [{"event": "done", "id": 1}]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9 (out of memory?)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by signal 11 (SIGSEGV)"),
        ("sys.exit(3)", "ended with exit code 3"),
        ("print('no \x1b[31mGPU', file=sys.stderr); sys.exit(1)", "ended with exit code 1: no"),
        ("raise ValueError('bad spec')", "ended with exit code 1: "),
    ],
)
def test_the_end_is_said_for_people(
    start: Start, wait_until: WaitUntil, code: str, text: str
) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    start("print('an older child', file=sys.stderr)").kill()
    worker = start(code)
    wait_until(lambda: worker.poll() is not None)
    said = worker.exit_text()
    assert said.startswith(text)
    assert said.isprintable()
    assert "older" not in said
    if "ValueError" in code:
        assert said.endswith("ValueError: bad spec")


def test_a_module_in_the_scratch_folder_is_not_imported(
    start: Start, wait_until: WaitUntil
) -> None:
    worker = start(
        """
        open("json5.py", "w").write("raise SystemExit(9)")
        try:
            import json5
        except ImportError:
            print(json.dumps({"event": "safe"}), flush=True)
        """
    )
    heard = Heard(worker)
    wait_until(heard)
    assert heard.events == [{"event": "safe"}]


def test_a_lower_priority_is_given_and_ctrl_c_does_not_reach_it(
    start: Start, wait_until: WaitUntil
) -> None:
    worker = start(ECHO, nice=10)
    wait_until(worker.read_events)
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == min(
        19, os.getpriority(os.PRIO_PROCESS, 0) + 10
    )
    assert os.getpgid(worker.pid) != os.getpgid(0)
    assert os.getsid(worker.pid) != os.getsid(0)


def test_an_identity_is_that_very_process(start: Start, wait_until: WaitUntil) -> None:
    worker = start(ECHO)
    wait_until(worker.read_events)
    identity = worker.identity
    assert is_alive(identity)
    assert is_alive(json.loads(json.dumps(identity._asdict())))
    assert not is_alive(identity._replace(start_ticks=identity.start_ticks - 1))
    assert not is_alive(identity._replace(boot_id="another boot"))
    assert not is_alive({"pid": identity.pid})
    assert not is_alive({})
    assert not is_alive(None)
    os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(identity), what="dead before it is reaped")
    assert is_alive(identity_of(os.getpid()))


def test_a_child_dies_with_its_parent(start: Start, wait_until: WaitUntil, tmp_path: Path) -> None:
    (tmp_path / "modules" / "orphan.py").write_text(
        "import time\nfrom pixd.system import libc\nassert libc.die_with_parent()\n"
        'print(\'{"event": "ready"}\', flush=True)\ntime.sleep(600)\n'
    )
    (tmp_path / "inner").mkdir()
    parent = start(
        f"""
        from pathlib import Path
        from pixd.system.children.worker import Worker
        inner = Path({str(tmp_path / "inner")!r})
        worker = Worker.start("orphan", {{}}, inner, inner / "log")
        while not worker.read_events():
            time.sleep(0.01)
        print(json.dumps({{"event": "child", **worker.identity._asdict()}}), flush=True)
        time.sleep(600)
        """
    )
    heard = Heard(parent)
    wait_until(heard)
    assert is_alive(heard.events[0])
    os.kill(parent.pid, signal.SIGKILL)  # the parent alone: the child is in its own group
    wait_until(lambda: not is_alive(heard.events[0]))


def test_a_forgotten_worker_leaves_no_process_and_no_descriptor(
    start: Start, tmp_path: Path
) -> None:
    before = open_descriptors()
    (tmp_path / "forgotten").mkdir()
    worker = Worker.start("this", {}, tmp_path / "forgotten", tmp_path / "log")
    identity = worker.identity
    del worker
    assert not is_alive(identity)
    assert open_descriptors() == before


def test_a_log_that_grew_long_is_begun_anew(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    monkeypatch.setattr(workers, "LOG_ROTATE_BYTES", 10)
    (tmp_path / "child.log").write_bytes(b"x" * 100)
    worker = start("print('fresh', file=sys.stderr)")
    wait_until(lambda: worker.poll() is not None)
    assert (tmp_path / "child.log").read_bytes() == b"fresh\n"


def test_pixd_is_found_from_anywhere(start: Start, wait_until: WaitUntil) -> None:
    worker = start("import pixd.system.names\nprint(json.dumps({'event': 'found'}))")
    wait_until(worker.read_events)
