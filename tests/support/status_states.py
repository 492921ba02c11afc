"""Real stores in every state that `pixd status` can find one in, at a fixed time.

The rows are written by the store's own code and the heartbeat has the shape that a real
`Service` gives it; only what a heartbeat says is chosen.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from pixd.answers import status
from pixd.config.load import load
from pixd.service.loop import Service
from pixd.store import connection, heartbeat, place, schema
from pixd.store.engine_beat import LOST, NO_ROOM, WORKING, Engine, Node
from pixd.store.models import Model
from pixd.store.opening import open_store
from pixd.store.outside import Note, OutsideNote
from pixd.store.states import FileState, RunState
from pixd.store.store import Store
from pixd.system.clock import rfc3339
from pixd.system.digests import canonical_json
from pixd.training.dataset.looking import Progress
from tests.support.commits import record
from tests.support.unit_of_page import unit_of_the_page

CONFIG = """\
store: ./store
device: cpu
pipelines:
  facades:
    training: ./training
    input: ./input
    output: ./output
"""
NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0
PID = 4711  # what the page shows
SHA = "sha256:" + "0" * 64

Live = dict[str, Any]


def read_live(store: Path) -> Live:
    """Return the heartbeat in a store as JSON, whose values may be set."""
    found = heartbeat.read(store)
    assert found is not None
    return heartbeat.to_json(found)


def write_live(store: Path, live: Live) -> None:
    """Leave a heartbeat in a store."""
    heartbeat.write(store, heartbeat.from_json(live))


SCORES: Mapping[str, Any] = {"l1": 21.4, "held_out": 12}
EARLY: Mapping[str, Any] = {
    "l1": 49.4, "held_out": 12,
    "baselines": {"mean_target": {"l1": 41.0}, "identity": {"l1": 96.5}},
    "others": {"n": 12, "own_l1": 49.4, "l1": 58.3, "z": 6.4, "z_possible": 10.1},
}  # fmt: skip
"""The scores of hard data after a few minutes."""
DOUBTFUL: Mapping[str, Any] = {
    "l1": 46.2, "held_out": 12,
    "baselines": {"mean_target": {"l1": 41.0}, "identity": {"l1": 96.5}},
    "others": {"n": 12, "own_l1": 46.2, "l1": 46.3, "z": 0.4, "z_possible": 10.1},
}  # fmt: skip
"""The scores of a training on pairs that do not belong together."""


class Clock:
    """The time of day, as the code under test sees it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        patch.setattr(time, "time", lambda: self.now)
        patch.setattr(status, "_free_bytes", lambda _: 212_000_000_000)
        patch.setattr(status, "_store_bytes", lambda *_: 1_840_000_000)


class World:
    """One folder with a configuration, and what a service would have left or be doing there."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.config = folder / "config.yaml"
        if not self.config.exists():
            folder.mkdir(parents=True)
            self.config.write_text(CONFIG)
        self.settings = load(self.config)

    # -- what is in the store -----------------------------------------------------------

    def fill(self) -> None:
        """Record pairs, a model that is live since yesterday, and inputs with their outputs."""
        self.clock.now = NOW - DAY_S
        store = open_store(self.settings.store)
        training = store.history.repo_id("facades", "training")
        pairs = {f"{n:03d}.png": b"pair %d" % n for n in range(120)}
        record(store, training, pairs, [])
        store.working.set_state(
            training, ["007.png"], FileState.REJECTED, "not twice as wide as high"
        )
        told = "007.png: not twice as wide as high (512 x 512)"
        store.note("facades", "warning", "rejected", told, "c1")
        self.add_model(store)
        inputs = store.history.repo_id("facades", "input")
        images = {f"{n:03d}.png": b"image %d" % n for n in range(48)}
        record(store, inputs, images, [])
        store.working.set_state(inputs, images, FileState.TRANSLATED)
        store.db.execute("INSERT INTO output_total VALUES ('facades', 'current', 48)")
        store.close()
        self.clock.now = NOW

    def add_model(
        self,
        store: Store,
        metrics: Mapping[str, Any] = SCORES,
        *,
        early_of: int = 0,
        why_not: str = "",
    ) -> Model:
        """Record a model and make it live, unless `why_not` says why that was refused."""
        export = store.objects.add(b"a generator with %d scores" % len(metrics))
        store.objects.flush()
        recipe = store.runs.add_recipe("train", {})
        with store.transaction():
            store.history.add_objects([export], "application/json")
            run = self.add_run(store, RunState.SUCCEEDED, recipe)
            version = store.db.execute('SELECT version FROM "commit" ORDER BY rowid').fetchone()[0]
            model = store.models.add(
                "facades", export.digest, train_run=run, export_run=run, version=version,
                commit_seq=1, steps=900 if early_of else 24_000, metrics=metrics,
                early_of=early_of,
                verdict=canonical_json({"promote": not why_not, "why": why_not or "the first model"}),
            )  # fmt: skip
        if not why_not:
            store.models.promote(model, who="service", why="the first model", change_id="c1")
        return model

    def add_run(self, store: Store, state: RunState, recipe: str, reason: str = "") -> int:
        run = store.runs.queue(
            "facades", "train", f"key of {state}", change_id="c1", recipe=recipe, inputs=[],
            reason="first training on 120 pairs", state=RunState.RUNNING,
        )  # fmt: skip
        store.runs.move(run, (RunState.RUNNING,), state, **({"reason": reason} if reason else {}))
        return run

    def add_failed_training(self, store: Store) -> None:
        recipe = store.runs.add_recipe("train", {"batch_size": 64})
        reason = "out of memory (lower batch_size, now 64)"
        for attempt in range(3):
            self.clock.now = NOW - (3 - attempt) * 5 * MINUTE_S
            self.add_run(store, RunState.FAILED, recipe, reason)
            store.note("facades", "error", "train", f"training failed: {reason}", "c1")
        self.clock.now = NOW

    def add_inputs(self, store: Store, count: int, state: FileState, reason: str = "") -> None:
        inputs = store.history.repo_id("facades", "input")
        images = {f"new-{n:03d}.png": b"new %d" % n for n in range(count)}
        record(store, inputs, images, [])
        store.working.set_state(inputs, images, state, reason)

    # -- what a service does ------------------------------------------------------------

    @contextmanager
    def running(
        self, change: Callable[[Live], None] = lambda _: None, *, silent_s: float = 0.4
    ) -> Iterator[Store]:
        """Hold the store as a service that started three hours ago, and leave its heartbeat."""
        service = Service(self.settings, lambda _: None)
        service._beat(0.0)
        live: Live = read_live(self.settings.store)
        live["idle"] = True
        live["started_at"] = rfc3339(NOW - 3 * HOUR_S - 12 * MINUTE_S)
        for folder in ("training", "input"):
            seen = live["pipelines"]["facades"][folder]
            seen.update(watch="inotify", last_scan_at=rfc3339(NOW - 7.0))
        train = live["pipelines"]["facades"]["train"]
        train.update(state="idle", reason="the live model is of these pairs and settings")
        change(live)
        live["at"] = rfc3339(NOW - silent_s)
        write_live(self.settings.store, live)
        try:
            yield service.store
        finally:
            service.control.stop()
            service.store.close()
            service.signals.close()

    def ran(self, *, was_stopped: bool) -> None:
        """Leave what a service leaves that ended two hours ago."""
        with self.running():
            pass
        live = read_live(self.settings.store)
        live["at"] = rfc3339(NOW - 2 * HOUR_S)
        if was_stopped:
            live["stopped_at"] = rfc3339(NOW - 2 * HOUR_S)
        write_live(self.settings.store, live)


@contextmanager
def filled_world(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[World]:
    """Give a filled world as the working folder, in a process that stands in for its service."""
    world = World(folder, Clock(patch))
    world.fill()
    patch.chdir(world.folder)
    # `wait` asks the service for a scan by this signal; here the service is this process.
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    yield world
    signal.signal(signal.SIGUSR1, before)


def part(live: Live, name: str) -> Live:
    """Return one part of the heartbeat, whose keys may be set and not added to."""
    found = live["pipelines"]["facades"][name]
    assert isinstance(found, dict)
    return found


def set_part(live: Live, name: str, **values: Any) -> None:
    found = part(live, name)
    strange = set(values) - set(found) - set(heartbeat.NEWER)
    assert not strange, f"a real heartbeat has no {strange}"
    found.update(values)


@contextmanager
def store_of(world: World) -> Iterator[Store]:
    store = open_store(world.settings.store)
    yield store
    store.close()


# -- the states ---------------------------------------------------------------------------------


@contextmanager
def never_run(world: World) -> Iterator[None]:
    shutil.rmtree(world.settings.store)
    yield


@contextmanager
def starting(world: World) -> Iterator[None]:
    world.ran(was_stopped=True)
    live = read_live(world.settings.store)
    live["pid"] = 1  # it was another process
    write_live(world.settings.store, live)
    store = open_store(world.settings.store)
    yield
    store.close()


@contextmanager
def idle(world: World) -> Iterator[None]:
    with world.running():
        yield


@contextmanager
def training_set_is_wrong(world: World) -> Iterator[None]:
    with world.running() as store:
        worst = "1 pair looks the other way round than the other 118, such as 042.png"
        store.care.note("facades", SHA, (1, 2), worst, {})
        yield


@contextmanager
def model_is_doubtful(world: World) -> Iterator[None]:
    with world.running() as store:
        world.add_model(store, DOUBTFUL)
        yield


@contextmanager
def training(world: World) -> Iterator[None]:
    def change(live: Live) -> None:
        live["idle"] = False
        set_part(
            live, "train", state="running", run=2, step=9_120, steps=24_000, images_per_second=6.1,
            eta_seconds=2_440.0, reason="+20 pairs",
            losses={"gen_l1_loss": 18.34, "gen_gan_loss": 0.921, "disc_loss": 0.583},
            validation={"step": 7_200, "l1": 24.06, "psnr": 17.2, "ssim": 0.41, "sharpness": 0.9},
            preview=str(world.settings.store / "previews" / "facades.png"),
            preview_step=7_200,
        )  # fmt: skip

    with world.running(change):
        yield


@contextmanager
def early_model_is_live(world: World) -> Iterator[None]:
    def change(live: Live) -> None:
        live["idle"] = False
        set_part(
            live, "train", state="running", run=2, step=1_140, steps=73_000, images_per_second=2.3,
            eta_seconds=31_240.0, reason="first training on 119 pairs",
            losses={"gen_l1_loss": 24.71, "gen_gan_loss": 1.214, "disc_loss": 0.512},
            validation={"step": 800, "l1": 27.3, "psnr": 16.1, "ssim": 0.37, "sharpness": 0.8},
            best_step=800, stops_at=4_256,
        )  # fmt: skip

    with world.running(change) as store:
        world.add_model(store, EARLY, early_of=73_000)
        store.db.execute("UPDATE file SET state = 'translated' WHERE state = 'queued'")
        yield


@contextmanager
def trying_settings(world: World) -> Iterator[None]:
    def change(live: Live) -> None:
        live["idle"] = False
        set_part(
            live, "train", state="running", run=3, step=1_200, steps=4_000, images_per_second=6.1,
            eta_seconds=459.0, reason="trying 2 of 6: l1_weight 100, ngf 32",
            losses={"gen_l1_loss": 20.18, "gen_gan_loss": 1.032, "disc_loss": 0.561},
        )  # fmt: skip

    with world.running(change):
        yield


@contextmanager
def looking_at_the_images(world: World) -> Iterator[None]:
    def change(live: Live) -> None:
        live["idle"] = False
        far = Progress("images", 4_200, 20_000, 128.0)
        set_part(live, "train", state="idle", reason=far.text(), looking=far._asdict())

    with world.running(change):
        yield


@contextmanager
def translating(world: World) -> Iterator[None]:
    def change(live: Live) -> None:
        live["idle"] = False
        set_part(live, "translate", phase="loading the model")

    with world.running(change) as store:
        world.add_inputs(store, 16, FileState.QUEUED)
        yield


@contextmanager
def translating_in_tiles(world: World) -> Iterator[None]:
    def change(live: Live) -> None:
        live["idle"] = False
        set_part(live, "translate", tiles={"name": "new-000.png", "done": 1_203, "all": 2_961})

    with world.running(change) as store:
        world.add_inputs(store, 3, FileState.QUEUED)
        yield


def machines() -> Live:
    """Return what a heartbeat says of a cluster of four machines, one of which was lost."""
    nodes = {
        "a1": Node(name="gpu1", state=WORKING, gpus=1.0, cpus=8.0, free_bytes=71_000_000_000,
            runs={"training facades": 1}, heard_seconds=1.2),
        "a2": Node(name="gpu2", state=WORKING, gpus=1.0, cpus=8.0, free_bytes=410_000_000_000,
            runs={"translating facades": 1}, images_per_second=31.4, heard_seconds=0.3),
        "a3": Node(name="gpu3", state=LOST, gpus=1.0, cpus=8.0, free_bytes=98_000_000_000,
            lost=1, heard_seconds=190.0),
        "a0": Node(name="desk", state=NO_ROOM, heard_seconds=2.1),
    }  # fmt: skip
    engine = Engine(
        address="10.0.0.5:6379", training="gpu1", translating="gpu2", nodes=nodes,
        waits="1 GPU and 2 CPUs", waiting={"translating facades": "1 GPU and 2 CPUs"},
        wait_seconds=190.0, lost=1, lost_by={"translate": {"died": 1}}, asked_again=32,
        sent_bytes=4_100_000, received_bytes=12_000_000,
    )  # fmt: skip
    return asdict(engine)


@contextmanager
def on_a_cluster(world: World) -> Iterator[None]:
    def change(live: Live) -> None:
        live["idle"] = False
        live["engine"] = machines()
        set_part(
            live, "train", state="running", run=2, step=9_120, steps=24_000, images_per_second=6.1,
            eta_seconds=2_440.0, reason="+20 pairs",
        )  # fmt: skip

    with world.running(change) as store:
        world.add_inputs(store, 160, FileState.QUEUED)
        yield


@contextmanager
def waiting_for_pairs(world: World) -> Iterator[None]:
    shutil.rmtree(world.settings.store)

    def change(live: Live) -> None:
        set_part(live, "train", reason="the training folder is empty")

    with world.running(change) as store:
        world.add_inputs(store, 3, FileState.QUEUED)
        yield


@contextmanager
def training_failed(world: World) -> Iterator[None]:
    reason = "given up after 3 attempts: out of memory (lower batch_size, now 64)"
    with world.running(lambda live: set_part(live, "train", state="failed", reason=reason)) as s:
        world.add_failed_training(s)
        yield


@contextmanager
def inputs_failed(world: World) -> Iterator[None]:
    with world.running() as store:
        reason = "something else stands at output/new-000.png, which pixd did not make"
        world.add_inputs(store, 2, FileState.FAILED, reason)
        store.note("facades", "error", "translate", f"new-000.png: {reason}", "c1")
        yield


@contextmanager
def outputs_to_remove(world: World) -> Iterator[None]:
    with world.running() as store:
        why = "pixd may not write to its folder"
        store.db.execute("INSERT INTO removal VALUES ('facades', '007.png', 1, ?)", [why])
        yield


@contextmanager
def paused(world: World) -> Iterator[None]:
    reason = "by ada; `pixd resume` goes on"
    with world.running(lambda live: set_part(live, "train", state="paused", reason=reason)) as s:
        s.holds.pause("facades", "ada")
        yield


@contextmanager
def blocked(world: World) -> Iterator[None]:
    def change(live: Live) -> None:
        set_part(live, "translate", blocked="the disk of /srv/output is full (12 MB free)")

    with world.running(change) as store:
        world.add_inputs(store, 16, FileState.QUEUED)
        yield


@contextmanager
def on_hold(world: World) -> Iterator[None]:
    with world.running() as store:
        for kind in ("training", "input"):
            folder = Path("/mnt/nas") / kind
            why = f"the folder {folder} cannot be read: No such file or directory: mount it"
            store.holds.hold(store.history.repo_id("facades", kind), folder, why)
        yield


@contextmanager
def not_answering(world: World) -> Iterator[None]:
    def change(live: Live) -> None:
        told = "/mnt/nas/input (nfs4) has not answered for 40 s"
        live["pipelines"]["facades"]["input"]["not_answering"] = told  # it has no such key else
        live["pipelines"]["facades"]["input"]["watch"] = "poll"

    with world.running(change):
        yield


@contextmanager
def page_runs_as_a_unit(world: World) -> Iterator[None]:
    with world.running(), unit_of_the_page(world.settings) as runs:
        runs.symlink_to("0123456789abcdef0123456789abcdef")
        yield


@contextmanager
def unit_of_the_page_is_down(world: World) -> Iterator[None]:
    with world.running(), unit_of_the_page(world.settings):
        yield


@contextmanager
def stuck(world: World) -> Iterator[None]:
    with world.running(silent_s=190.0):
        yield


@contextmanager
def stopped(world: World) -> Iterator[None]:
    world.ran(was_stopped=True)
    yield


@contextmanager
def killed(world: World) -> Iterator[None]:
    world.ran(was_stopped=False)
    with store_of(world) as store:
        world.add_failed_training(store)
    yield


@contextmanager
def newer_store(world: World) -> Iterator[None]:
    _migration(world, "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
               " VALUES ('pixd', 'm999_next_year', '2027')")  # fmt: skip
    yield


@contextmanager
def older_store(world: World) -> Iterator[None]:
    last = connection.MIGRATIONS[-1]
    made: list[dict[str, tuple[str, ...]]] = []
    definitions: dict[str, str] = {}
    for options in ({}, {"stop_before": last}):
        db = Database(memory=True)
        schema.migrations.apply(db, **options)
        made.append({t.name: tuple(column.name for column in t.columns) for t in db.tables})
        definitions = {table.name: table.schema for table in db.tables}
    now, before = made
    with store_of(world) as store:
        store.db.execute("PRAGMA foreign_keys = OFF")  # in whatever order the tables go
        for table in now.keys() - before.keys():
            store.db.execute(f'DROP TABLE "{table}"')
        for table, columns in before.items():
            if columns != now[table]:  # SQLite drops no column of a primary key
                store.db.execute(f'ALTER TABLE "{table}" RENAME TO newer')
                store.db.execute(definitions[table])
                rows = [{name: row[name] for name in columns} for row in store.db["newer"].rows]
                store.db[table].insert_all(rows)  # type: ignore[union-attr]
                store.db.execute("DROP TABLE newer")
        store.db.execute("DELETE FROM _sqlite_migrations WHERE name = ?", [last])
    yield


def _migration(world: World, sql: str) -> None:
    with store_of(world) as store:
        store.db.execute(sql)


@contextmanager
def store_gone(world: World) -> Iterator[None]:
    """The service waits for a store whose disk is away."""
    store = world.settings.store
    note = OutsideNote(world.settings.path)
    note.write(
        Note(
            identity="one",
            path=str(store),
            pid=os.getpid(),
            at=rfc3339(NOW - 0.4),
            blocked=place.say_gone(store),
            advice=place.ADVICE_GONE,
        )
    )
    shutil.rmtree(store)
    yield
    note.close()


STATES = {
    state.__name__.replace("_", " "): state
    for state in (
        never_run, starting, idle, training_set_is_wrong, model_is_doubtful, looking_at_the_images, training, early_model_is_live, trying_settings, translating, translating_in_tiles, on_a_cluster,
        waiting_for_pairs, training_failed,
        inputs_failed, outputs_to_remove, paused, blocked, store_gone, on_hold, not_answering, page_runs_as_a_unit, unit_of_the_page_is_down, stuck, stopped, killed, newer_store, older_store,
    )
}  # fmt: skip
EXIT_CODES = {
    "never run": 3, "starting": 0, "idle": 0, "training set is wrong": 0, "model is doubtful": 1, "looking at the images": 0, "training": 0, "early model is live": 0, "trying settings": 0,
    "translating": 0,
    "translating in tiles": 0, "on a cluster": 0,
    "waiting for pairs": 0, "training failed": 1, "inputs failed": 1, "outputs to remove": 1, "paused": 0, "blocked": 1, "store gone": 1,
    "on hold": 1, "not answering": 1, "page runs as a unit": 0, "unit of the page is down": 1, "stuck": 1, "stopped": 3, "killed": 3, "newer store": 4, "older store": 3,
}  # fmt: skip
