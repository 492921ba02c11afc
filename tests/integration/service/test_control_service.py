"""The control socket of a whole service: bad clients cost it nothing, and asking it or not is one."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pixd.cli import main
from pixd.config.load import load
from pixd.service import control, operations
from pixd.service.loop import Service
from pixd.store import manifests
from pixd.store.edges import Edge
from pixd.store.manifests import Entry
from pixd.store.opening import open_store
from pixd.store.states import RunState
from pixd.store.store import Store
from pixd.system import control_socket
from pixd.system.digests import canonical_json, digest_of
from pixd.system.errors import PixdError
from tests.support.commits import record
from tests.support.status_states import CONFIG
from tests.support.tiny import Tiny

ONE = CONFIG.replace("facades:", "p:")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose store has two models, the second live, and a failed training."""
    folder = tmp_path_factory.mktemp("made") / "p"
    (folder / "training").mkdir(parents=True)
    for name in ("input", "output"):
        (folder / name).mkdir()
    for name in ("a", "b"):
        (folder / "training" / f"{name}.png").write_bytes(name.encode())
    (folder / "config.yaml").write_text(ONE)
    store = open_store(folder / "store")
    repo = store.history.repo_id("p", "training")
    for number, name in enumerate(("a", "b"), 1):
        record(store, repo, {f"{name}.png": name.encode()}, [])
        add_model(store, number)
    recipe = store.runs.add_recipe("train", {"steps": 9})
    run = store.runs.queue(
        "p",
        "train",
        "failed",
        change_id="c3",
        recipe=recipe,
        inputs=[],
        reason="",
        state=RunState.RUNNING,
    )
    store.runs.move(run, (RunState.RUNNING,), RunState.FAILED, reason="no")
    store.close()
    return folder


def add_model(store: Store, number: int) -> None:
    """Write a training on all that is recorded, its export, and make the model live."""
    names = sorted(store.working.head(store.history.repo_id("p", "training")))
    listing = {"train": [[n, [[n, digest_of(n[:1].encode())]]] for n in names], "held_out": []}
    listed = store.objects.add(canonical_json(listing).encode())
    generator = store.objects.add(b"generator %d" % number)
    card = store.objects.add(b'{"image_size": 256, "pairs": "side-by-side"}')
    files = {
        "generator.keras": Entry(generator.digest, generator.size_bytes),
        "model.json": Entry(card.digest, card.size_bytes),
    }
    export = store.objects.add(manifests.render(files))
    store.objects.flush()
    recipe = store.runs.add_recipe("train", {"steps": number})
    with store.transaction():
        store.history.add_objects([listed, generator, card, export], "application/octet-stream")
        run = store.runs.queue(
            "p", "train", f"key {number}", change_id=f"c{number}", recipe=recipe,
            inputs=[Edge("pairs", "pairs", listed.digest)], reason="test", state=RunState.RUNNING,
        )  # fmt: skip
        store.runs.move(run, (RunState.RUNNING,), RunState.SUCCEEDED)
        store.runs.add_outputs(run, [Edge("generator", "generator.keras", generator.digest)])
        version = store.db.execute('SELECT version FROM "commit" WHERE seq = ?', (number,))
        model = store.models.add(
            "p", export.digest, train_run=run, export_run=run, version=version.fetchone()[0],
            commit_seq=number, steps=number, metrics={},
            verdict=canonical_json({"promote": True, "why": "test"}),
        )  # fmt: skip
        store.models.promote(model, who="ada", why="test", change_id=f"c{number}")


class Made(Tiny):
    """The folder that `made` returned, whose pipeline is called p."""

    def part(self) -> dict[str, Any]:
        return dict(self.status()["pipelines"]["p"])


class Rubbish(threading.Thread):
    """Clients that send anything, one after the other, as fast as they can."""

    LINES = (b"rubbish\n", b"\xff" * 70_000, b"[" * 50_000 + b"\n", b'{"pixd": 2}\n', b"\n", b"")

    def __init__(self, store: Path) -> None:
        super().__init__()
        self.store = store
        self.sent = 0
        self.is_over = threading.Event()

    def run(self) -> None:
        while not self.is_over.is_set():
            with client_of(self.store) as client, contextlib.suppress(OSError):
                client.sendall(self.LINES[self.sent % len(self.LINES)])
            self.sent += 1


def client_of(store: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    control_socket.connect(client, store)
    return client


@pytest.mark.alone
def test_no_client_makes_the_service_take_a_step(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(ONE)
    service = Service(load(tmp_path / "config.yaml"), lambda _: None)
    steps: list[float] = []
    rubbish = Rubbish(service.store.folder)

    def disturb() -> None:
        deaf = client_of(service.store.folder)
        deaf.sendall(b'{"pixd": 1, "op": "gc", "arguments": {}}\n')
        half = [client_of(service.store.folder) for _ in range(control.MAX_CLIENTS + 4)]
        for client in half:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # made room already
                client.sendall(b'{"pixd": 1,')
        rubbish.is_over.wait(3.0)
        for client in (deaf, *half):
            client.close()
        rubbish.is_over.set()
        rubbish.join()
        service.signals.stop = "the test is over"
        service.signals.wake.wake()

    disturber = threading.Thread(target=disturb)
    rubbish.start()
    disturber.start()
    service.run(tick=lambda _: steps.append(time.monotonic()))
    disturber.join()
    assert rubbish.sent > 100
    # At most one for each second's canary and scan of the quiet folders, and the gc's.
    assert len(steps) < 20, f"{len(steps)} steps for {rubbish.sent} pieces of rubbish"


@pytest.mark.alone
def test_a_real_service_answers_through_a_crowd_of_bad_clients(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path / "tiny")
    tiny.start()
    assert tiny.service
    store = tiny.folder / "store"
    rubbish = Rubbish(store)
    crowd = [client_of(store) for _ in range(12)]
    for number, client in enumerate(crowd):
        # Silent, with half a line, and deaf.
        client.sendall((b"", b'{"pixd": 1, "op', b'{"pixd": 1, "op": "gc"}\n')[number % 3])
    rubbish.start()
    began = time.monotonic()
    for _ in range(3):
        done = tiny.pixd("gc", "--json")
        assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 10
    rubbish.is_over.set()
    rubbish.join()
    assert tiny.service.poll() is None
    assert tiny.pixd("status").stdout.startswith("OK")
    for client in crowd:
        client.close()
    assert tiny.stop() == 0
    assert "Traceback" not in (tiny.folder / "service.log").read_text()


# -- with and without ---------------------------------------------------------------------------

COMMANDS = (
    ("promote", "model@1"),
    ("unpin",),
    ("unpin",),  # nothing is pinned any more: the same refusal
    ("rollback", "model@7"),
    ("retry",),
    ("recall", "b.png", "--dry-run"),
    ("recall", "b.png", "--yes"),
    ("recall", "b.png", "--undo"),
    ("gc",),
    ("gc", "--apply"),
    ("gc", "--undo"),
)


def outcomes(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[tuple[Any, ...]]:
    """Carry all of them out and return what each said, without what is random."""
    found = []
    for words in COMMANDS:
        capsys.readouterr()
        code = main.main(["--config", str(folder / "config.yaml"), *words, "--json"])
        out, err = capsys.readouterr()
        found.append((words, code, _without_ids(json.loads(out) if out else None), err))
    return found


def _without_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_ids(v) for k, v in value.items() if k not in {"change", "batch"}}
    return [_without_ids(v) for v in value] if isinstance(value, list) else value


def test_commands_do_the_same_with_and_without_a_service(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("with", "without"):
        shutil.copytree(made, tmp_path / name)
    served = Made.at(tmp_path / "with")
    served.start()
    try:
        with_service = outcomes(served.folder, capsys)
    finally:
        served.stop()
    without = outcomes(tmp_path / "without", capsys)
    assert with_service == without
    codes = [code for _, code, _, _ in without]
    assert codes.count(0) == len(COMMANDS) - 2, without
    models = []
    for name in ("with", "without"):
        assert (
            main.main(["--config", str(tmp_path / name / "config.yaml"), "models", "--json"]) == 0
        )
        models.append(_without_times(capsys.readouterr().out))
    assert models[0] == models[1]


def _without_times(text: str) -> Any:
    return [
        {k: v for k, v in model.items() if not k.endswith("_at") and k != "live_since"}
        for model in json.loads(text)
    ]


# -- rubbish that is well formed ----------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip
ARGUMENTS = ("number", "files", "digest", "mode", "name", "batch", "kind")
MODES = ("plan", "apply", "undo", "empty", "proof")


@pytest.fixture(scope="module")
def opened(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Any]]:
    folder = tmp_path_factory.mktemp("opened") / "p"
    shutil.copytree(made, folder)
    store = open_store(folder / "store")
    yield store, load(folder / "config.yaml")
    store.close()


@given(
    op=st.sampled_from([*operations.OPERATIONS, "gc", "nonsense"]),
    given_=st.dictionaries(st.sampled_from(ARGUMENTS), anything),
    mode=st.sampled_from(MODES) | anything,
)
@example(op="expect", given_={}, mode="plan")  # broke on a constraint of the database
def test_an_operation_refuses_arguments_that_it_does_not_understand(
    opened: tuple[Store, Any], op: str, given_: dict[str, Any], mode: Any
) -> None:
    store, settings = opened
    arguments = {"pipeline": "p", **given_, "mode": mode}
    try:
        result = operations.perform(store, settings, op, arguments, "ada")
    except PixdError:
        pass  # any other error would end the service
    else:
        json.dumps(result)
    assert not store.db.conn.in_transaction
