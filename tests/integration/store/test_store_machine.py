"""Whatever is done to a store, in any order and with the power cut at any step, what must hold does.

Hypothesis draws the deeds; `store_world` does them to a real store, `store_ledger` says in plain
Python what must come of them, and after each one everything that can be read is compared.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pixd.store import connection, verify
from pixd.store.states import UNFINISHED_FILES
from pixd.system.digests import digest_of
from pixd.system.errors import PixdError
from tests.support.store_facts import assert_same, read_facts
from tests.support.store_ledger import Ledger
from tests.support.store_world import KINDS, World

IMMUTABLE = (
    "object", "version", "commit", "commit_change", "recipe", "environment", "run_input",
    "run_output", "model", "ref_log",
)  # fmt: skip
# A cut is a copy made between two changes, so that no disk is needed, and none is waited for.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
NAMES = ("a.png", "b.png", "sub/c.jpg")

pipelines = st.sampled_from(("p", "p", "q"))  # q is there for what it shares with p
kinds = st.sampled_from(KINDS)
names = st.sampled_from(NAMES)
images = st.sampled_from([b"image %d" % number for number in range(4)])
cuts = st.just(0) | st.integers(1, 12) | st.integers(1, 40)
filled = st.dictionaries(names, images, min_size=1)
folders = st.dictionaries(names, images | st.none(), min_size=1)


class StoreMachine(RuleBasedStateMachine):
    """A person, a service and a power plant that nobody relies on."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="pixd-machine-", dir=MEMORY))
        self.world = World(self.folder)
        self.ledger = Ledger()
        self.history: dict[str, set[object]] = {table: set() for table in IMMUTABLE}

    def teardown(self) -> None:
        self.world.close()
        shutil.rmtree(self.folder)

    def cut_after(self, changes: int) -> None:
        """Have the power fail before so many changes of the next deed are made; 0 means never."""
        self.world.cut.changes_left = changes

    def do(self, deed: Callable[[], object], after: Ledger) -> bool:
        """Do it, and expect the ledger `after`, or this or the present one if the power was cut.

        Returns:
            Whether it was done to its end.
        """
        self.world.cut.is_counting = True
        deed()
        return self.settle(after)

    def settle(self, after: Ledger) -> bool:
        self.world.cut.is_counting, self.world.cut.changes_left = False, 0
        if not self.world.cut.has_come:
            self.ledger = after
            return True
        self.world.come_back()
        self.ledger = self.ledger.after_a_cut(after, read_facts(self.world))
        return False

    def refuse(self, deed: Callable[[], object]) -> None:
        """Do what must be refused: nothing changes, cut or not."""
        self.world.cut.is_counting = True
        with pytest.raises(PixdError):
            deed()
        self.settle(self.ledger)

    # -- deeds --------------------------------------------------------------------------------

    @initialize(inputs=filled, trainings=st.lists(filled, max_size=2))
    def begin_with_a_pipeline_at_work(
        self, inputs: dict[str, bytes], trainings: list[dict[str, bytes]]
    ) -> None:
        self.change_a_folder("p", "input", {**inputs})
        for files in trainings:
            self.change_a_folder("p", "training", {**dict.fromkeys(NAMES), **files})
            self.train("p", 0)
            self.translate("p")

    @rule(pipeline=pipelines, kind=kinds, files=folders, cut=cuts)
    def change_a_folder(
        self, pipeline: str, kind: str, files: dict[str, bytes | None], cut: int = 0
    ) -> None:
        root = self.world.watched(pipeline, kind)
        for name, data in files.items():
            path = root / name
            if data is not None:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(data)
                self.ledger.folders[pipeline, kind][name] = data
            else:
                path.unlink(missing_ok=True)
                self.ledger.folders[pipeline, kind].pop(name, None)
        self.cut_after(cut)
        self.record(pipeline, kind)

    @rule(pipeline=pipelines, kind=kinds)
    def look_again(self, pipeline: str, kind: str) -> None:
        self.record(pipeline, kind)

    def record(self, pipeline: str, kind: str) -> bool:
        after = self.ledger.copy()
        after.record(pipeline, kind)
        return self.do(lambda: self.world.record(pipeline, kind), after)

    @rule(pipeline=pipelines, seed=st.integers(0, 1))
    def train(self, pipeline: str, seed: int) -> None:
        if self.start(pipeline, seed):
            self.finish(pipeline)

    @rule(pipeline=pipelines, seed=st.integers(0, 1))
    def begin_to_train(self, pipeline: str, seed: int) -> None:
        self.start(pipeline, seed)

    @precondition(lambda self: self.ledger.training)
    @rule(pipeline=pipelines, cut=cuts)
    def finish_training(self, pipeline: str, cut: int) -> None:
        self.cut_after(cut)
        self.finish(pipeline)

    def start(self, pipeline: str, seed: int) -> bool:
        if not self.ledger.head(pipeline, "training") or pipeline in self.ledger.training:
            return False
        after = self.ledger.copy()
        after.start_training(pipeline, seed)
        self.do(lambda: self.world.start_training(pipeline, seed), after)
        return True

    def finish(self, pipeline: str) -> None:
        training = self.ledger.training.get(pipeline)
        if training is None:
            return
        after = self.ledger.copy()
        after.finish_training(pipeline)
        self.do(lambda: self.world.finish_training(pipeline, training.seed), after)

    @rule(pipeline=pipelines, cut=cuts)
    def translate(self, pipeline: str, cut: int = 0) -> None:
        self.record(pipeline, "input")
        self.cut_after(cut)
        after = self.ledger.copy()
        after.translate(pipeline)
        self.do(lambda: self.world.translate(pipeline), after)

    @precondition(lambda self: self.ledger.facts.files)
    @rule(data=st.data(), new=st.none() | st.just(b"by hand"))
    def meddle_with_an_output(self, data: st.DataObject, new: bytes | None) -> None:
        place = data.draw(st.sampled_from(sorted(self.ledger.facts.files)))
        path = self.folder / "output" / place[0] / place[1]
        if new is None:
            path.unlink()
            del self.ledger.facts.files[place]
        else:
            path.write_bytes(new)
            self.ledger.facts.files[place] = digest_of(new)

    @precondition(lambda self: any(self.ledger.trained.values()))
    @rule(pipeline=pipelines, number=st.integers(1, 4), op=st.sampled_from(["promote", "rollback"]))
    def make_live(self, pipeline: str, number: int, op: str) -> None:
        is_there = number <= self.ledger.facts.models[pipeline]
        allowed = is_there and self.ledger.may_go_live(pipeline, number)
        if op == "rollback":
            allowed = allowed and self.ledger.facts.live[pipeline].number is not None
        self.go_live(pipeline, number if allowed else None, op=op, number=number)

    @precondition(lambda self: any(self.ledger.trained.values()))
    @rule(pipeline=pipelines)
    def roll_back(self, pipeline: str) -> None:
        number = self.ledger.before(pipeline)
        if number is not None and not self.ledger.may_go_live(pipeline, number):
            number = None
        self.go_live(pipeline, number, op="rollback")

    def go_live(self, pipeline: str, expected: int | None, **arguments: object) -> None:
        def deed() -> object:
            return self.world.perform(pipeline=pipeline, **arguments)  # type: ignore[arg-type]

        if expected is None:
            self.refuse(deed)
            return
        after = self.ledger.copy()
        goes_back = arguments["op"] == "rollback"
        after.make_live(pipeline, expected, pin=True, goes_back=goes_back)
        self.do(deed, after)

    @precondition(lambda self: any(self.ledger.trained.values()))
    @rule(pipeline=pipelines)
    def unpin(self, pipeline: str) -> None:
        live = self.ledger.facts.live[pipeline]
        if not live.is_pinned:
            self.refuse(lambda: self.world.perform("unpin", pipeline=pipeline))
            return
        after = self.ledger.copy()
        after.make_live(pipeline, live.number, pin=False)
        self.do(lambda: self.world.perform("unpin", pipeline=pipeline), after)

    @rule(pipeline=pipelines, image=images, cut=cuts)
    def recall(self, pipeline: str, image: bytes, cut: int) -> None:
        self.cut_after(cut)
        digest, facts = digest_of(image), self.ledger.facts
        was_there = any(
            digest in head.values() for kind in KINDS for head in facts.commits[pipeline, kind]
        )

        def deed() -> object:
            return self.world.perform(
                "recall", pipeline=pipeline, mode="apply", digest=digest, name="it"
            )

        if not was_there or digest in facts.excluded[pipeline]:
            self.refuse(deed)
            return
        after = self.ledger.copy()
        after.recall(pipeline, digest)
        self.do(deed, after)

    @precondition(lambda self: any(self.ledger.facts.excluded.values()))
    @rule(data=st.data(), pipeline=pipelines)
    def undo_a_recall(self, data: st.DataObject, pipeline: str) -> None:
        excluded = sorted(self.ledger.facts.excluded[pipeline])
        if not excluded:
            return
        digest = data.draw(st.sampled_from(excluded))
        after = self.ledger.copy()
        after.facts.excluded[pipeline].discard(digest)
        self.do(
            lambda: self.world.perform("recall", pipeline=pipeline, mode="undo", digest=digest),
            after,
        )

    @rule(data=st.data(), pipeline=pipelines, kind=kinds)
    def restore(self, data: st.DataObject, pipeline: str, kind: str) -> None:
        commits = self.ledger.facts.commits[pipeline, kind]
        if not commits:
            return
        seq = data.draw(st.integers(1, len(commits)))
        (version,) = self.world.store.db.conn.execute(
            'SELECT version FROM "commit" WHERE repo_id = ? AND seq = ?',
            (self.world.repo(pipeline, kind), seq),
        ).fetchone()
        self.world.restore(pipeline, kind, version)
        self.ledger.restore(pipeline, kind, commits[seq - 1])
        root = self.world.watched(pipeline, kind)
        there = {n: p.read_bytes() for n in self.ledger.folders[pipeline, kind] for p in [root / n]}
        assert there == self.ledger.folders[pipeline, kind]
        self.record(pipeline, kind)

    @rule(cut=cuts)
    def collect_garbage(self, cut: int) -> None:
        self.cut_after(cut)
        after = self.ledger.copy()
        garbage = after.trash()
        told: dict[str, object] = {}
        self.do(lambda: told.update(self.world.perform("gc", mode="apply")), after)
        listed = told["garbage"]
        assert isinstance(listed, list)
        assert {one["digest"] for one in listed} == garbage

    @precondition(lambda self: self.ledger.facts.batches)
    @rule(cut=cuts)
    def bring_back_the_newest_batch(self, cut: int) -> None:
        self.cut_after(cut)
        after = self.ledger.copy()
        after.untrash()
        self.do(lambda: self.world.perform("gc", mode="undo"), after)

    @precondition(lambda self: self.ledger.facts.batches)
    @rule(cut=cuts)
    def empty_the_trash(self, cut: int) -> None:
        self.cut_after(cut)
        after = self.ledger.copy()
        after.empty_trash()
        self.do(lambda: self.world.perform("gc", mode="empty"), after)

    @rule(cut=cuts)
    def restart(self, cut: int) -> None:
        self.cut_after(cut)
        after = self.ledger.copy()
        after.training.clear()
        self.do(self.world.restart, after)

    # -- what must hold -----------------------------------------------------------------------

    @invariant()
    def everything_is_as_the_ledger_says(self) -> None:
        assert_same(read_facts(self.world), self.ledger.facts)

    @invariant()
    def bytes_are_where_their_state_says(self) -> None:
        store = self.world.store
        for digest, state in self.ledger.facts.states.items():
            path = store.objects.path_of(digest)
            if state == "present":
                assert path.read_bytes() == self.ledger.contents[digest], digest
            elif state == "trashed":
                assert not path.exists(), digest
                assert list(store.folder.glob(f"trash/*/{digest[7:9]}/{digest[9:]}")), digest
        was_lost = {d for d in self.ledger.roots() if not self.ledger.is_present(d)}
        # Only what a person had the trash do may be missing from under a root.
        assert all(self.ledger.facts.states.get(d) in {"trashed", "removed"} for d in was_lost)

    @invariant()
    def the_totals_are_a_recount(self) -> None:
        conn = self.world.store.db.conn
        totals = conn.execute("SELECT * FROM object_total WHERE objects <> 0").fetchall()
        counted = conn.execute(
            "SELECT state, count(*), sum(size_bytes) FROM object_bytes JOIN object USING (digest)"
            " GROUP BY state ORDER BY state"
        ).fetchall()
        assert totals == counted
        totals = conn.execute("SELECT * FROM output_total WHERE outputs <> 0").fetchall()
        counted = conn.execute(
            "SELECT pipeline, state, count(*) FROM output GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
        assert totals == counted

    @invariant()
    def history_only_grows(self) -> None:
        for table in IMMUTABLE:
            rows = set(self.world.store.db.conn.execute(f'SELECT * FROM "{table}"'))  # noqa: S608
            assert self.history[table] <= rows, table
            self.history[table] = rows

    @invariant()
    def nothing_that_stands_is_of_what_was_recalled(self) -> None:
        for pipeline, excluded in self.ledger.facts.excluded.items():
            repo = self.world.repo(pipeline, "input")
            due = self.world.store.working.recorded(repo, UNFINISHED_FILES)
            queued = {name for name, *_ in due}
            for digest in excluded:
                proof = self.world.perform("recall", pipeline=pipeline, mode="proof", digest=digest)
                assert proof["live"] is None
                standing = self.ledger.facts.standing
                for path in proof["outputs"]:  # only until its input is translated anew
                    assert standing[pipeline, path].input_path in queued
                    assert standing[pipeline, path].input_digest != digest
                    assert self.ledger.facts.live[pipeline].number is not None

    @invariant()
    def verify_finds_nothing(self) -> None:
        folder = self.world.store.folder
        reader = connection.open_reader(folder)
        found = verify.verify(reader, folder, {}, lambda *_: None)
        reader.close()
        assert found.findings == ()


@pytest.mark.timeout(1500)  # at full size, on a busy machine
def test_no_order_of_deeds_and_cuts_breaks_the_store(pytestconfig: pytest.Config) -> None:
    is_full_size = bool(pytestconfig.getoption("--full-size"))
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(
            max_examples=300 if is_full_size else 60,
            stateful_step_count=50 if is_full_size else 40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
