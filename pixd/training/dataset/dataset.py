"""The pairs in a training folder's newest commit, kept up to date.

The inspector child looks at each content once. Its verdict and its measures are kept, so that the
same bytes are never decoded twice. New pairs get their sides here, a little at a time.
`pixd.training.dataset.assessment` then assesses the whole set.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from pixd.store.exclusions import EXCLUDED
from pixd.store.queries.files import unread
from pixd.store.queries.training_set import KinRow, kin_of
from pixd.store.states import FileState
from pixd.system.digests import canonical_json, digest_of
from pixd.system.errors import ADVICE_DISK, DiskError
from pixd.training.dataset import findings, pairs
from pixd.training.dataset.assessment import Seen, assess, is_known, pair_up
from pixd.training.dataset.findings import Setting
from pixd.training.dataset.inspector import is_sound
from pixd.training.dataset.near_duplicates import REVISION, Part
from pixd.training.dataset.split import Kin, Placing, Split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixd.config import PipelineSettings
    from pixd.folders.intake import Intake
    from pixd.store.commits import Commit
    from pixd.store.file_rows import RecordedFile
    from pixd.store.store import Store
    from pixd.system.children.warm_worker import Answer, WarmWorker
    from pixd.training.dataset.assessment import Assessment
    from pixd.training.dataset.near_duplicates import Parts

AT_ONCE = 64  # requests that the inspector holds; enough to keep it busy
RETRY_S = 10.0  # then a content that could not be read is tried again: it may be good
STEP_BUDGET_S = 0.2
"""How long one step may look for near-duplicates. With thousands of pairs, the service must not
wait for all of them."""


class _Paired(NamedTuple):
    """The pairs of the head, while new ones wait for their sides.

    Attributes:
        of: number of the commit, and the intake's revision.
        files: (name, digest, state, reason) of each.
        seen: the same, with what the inspector found.
        plan: the pairs.
    """

    of: tuple[int, int]
    files: list[RecordedFile]
    seen: Seen
    plan: pairs.PairPlan


class Dataset:
    """The pairs of one pipeline's training folder."""

    def __init__(
        self, store: Store, pipeline: PipelineSettings, intake: Intake, inspector: WarmWorker
    ) -> None:
        """Follow the repo of `intake`, asking `inspector` about contents not seen before."""
        self._store = store
        self._pipeline = pipeline
        self._intake = intake
        self._repo_id = intake.repo_id
        self._inspector = inspector
        self._setting = Setting.of(pipeline)
        self._layout = pairs.layout_of(pipeline.pairs)
        self._asked: set[str] = set()
        self._retry_at = 0.0
        self._parts: dict[str, Parts] = {}  # by content, filled when they are used
        self._kin: dict[str, Kin] | None = None
        self._placing: Placing | None = None
        self._paired: _Paired | None = None
        self._to_admit: list[KinRow] = []
        self._to_meet: list[pairs.Pair] = []
        self.trouble = ""
        self._planned_for: tuple[int, int] | None = None
        self.commit: Commit | None = None
        self.plan: pairs.PairPlan | None = None
        self.split = Split((), ())
        self.key_inputs: list[str] = []  # the digests of the pairs that go into a training's key

    @property
    def is_placing(self) -> bool:
        """Tell whether pairs wait for their sides. Then the next step need not wait for a child."""
        return bool(self._to_admit or self._to_meet)

    def step(self, now: float) -> None:
        """Ask about contents that are not known yet; when all are known, assess the head.

        Args:
            now: monotonic seconds.
        """
        head = self._store.history.head(self._repo_id)
        if head is None or (head.seq, self._intake.revision) == self._planned_for:
            return
        self.plan = None
        if self._paired is None or self._paired.of != (head.seq, self._intake.revision):
            self._paired = self._pair_up(head, now)
        if self._paired is None:
            return
        of, files, seen, plan = self._paired
        kin = self._place(plan.pairs, head.seq)
        if kin is None:
            return
        found = assess(self._setting, seen, plan, kin, self._parts_of_pair)
        with self._store.transaction():
            for name, _, state, reason in files:
                why = found.refused[name].reason if name in found.refused else None
                if why is not None and (state, reason) != (FileState.REJECTED, why):
                    self._store.working.set_state(self._repo_id, [name], FileState.REJECTED, why)
                elif why is None and state is FileState.REJECTED:
                    self._store.working.set_state(self._repo_id, [name], FileState.RECORDED)
            self._note_findings(head, found)
        split = found.split
        self.commit, self.plan, self.split = head, plan, split
        self.key_inputs = split.key_inputs(self._pipeline.train.validation)
        self._planned_for = of
        self._paired = None

    def _pair_up(self, head: Commit, now: float) -> _Paired | None:
        """Make the pairs of the head; None while some contents are unknown, and ask about these."""
        files = self._store.working.recorded(
            self._repo_id, (FileState.RECORDED, FileState.REJECTED, FileState.SETTLING)
        )
        digests = {digest for _, digest, _, _ in files}
        looked = self._store.care.looked_at(digests, self._layout, REVISION)
        # In an older store contents have no measures, so the inspector looks at them again.
        undecided = {d for d in digests if d not in looked or not is_known(looked[d])}
        if undecided:
            if now < self._retry_at:
                return None
            for digest in sorted(undecided - self._asked)[: AT_ONCE - len(self._asked)]:
                self._asked.add(digest)
                image = str(self._store.objects.path_of(digest))
                self._inspector.submit(
                    (self._pipeline.name, self._layout, digest),
                    {"image": image, "digest": digest, "layout": self._layout},
                )
            return None
        self.trouble = ""
        seen = Seen(
            [(name, digest) for name, digest, _, _ in files],
            looked,
            unread(self._store.db.conn, self._repo_id, but_for=EXCLUDED),
        )
        plan = pair_up(self._setting, seen)
        return _Paired((head.seq, self._intake.revision), files, seen, plan)

    # -- sides --------------------------------------------------------------------------

    def _place(self, found: Sequence[pairs.Pair], seq: int) -> Mapping[str, Kin] | None:
        """Return what was decided about all pairs; None while new ones still wait."""
        store, name = self._store, self._pipeline.name
        if self._kin is None:
            rows = kin_of(store.db.conn, name, self._layout)
            self._kin = {row.pair: Kin(row.anchor, row.touches, row.since) for row in rows}
        new = [pair for pair in found if pair.digest not in self._kin]
        if not new:
            return self._kin
        if self._placing is None:  # made for the first new pair and kept, because more come soon
            self._placing = Placing(self._kin)
            self._to_admit = kin_of(store.db.conn, name, self._layout)
        self._to_meet = [pair for pair in new if not self._placing.has_met(pair.digest)]
        ends_at = time.monotonic() + STEP_BUDGET_S
        while self._to_admit and time.monotonic() < ends_at:
            row = self._to_admit.pop()
            if parts := self._parts_of(row.contents):  # there are none if one was recalled
                self._placing.admit(row.pair, parts)
        while self._to_meet and not self._to_admit and time.monotonic() < ends_at:
            pair = self._to_meet.pop()
            parts = self._parts_of_pair(pair)
            assert parts is not None  # all files of a pair have measures
            self._placing.meet(pair.digest, parts)
        if self.is_placing:
            return None
        given = self._placing.settle(seq, {pair.digest for pair in new})
        contents = {pair.digest: tuple(digest for _, digest in pair.files) for pair in new}
        store.care.add_kin(
            name,
            self._layout,
            [
                KinRow(digest, kin.anchor, kin.touches, contents[digest], kin.since)
                for digest, kin in sorted(given.items())
            ],
        )
        self._kin.update(given)
        return self._kin

    def _parts_of(self, contents: Sequence[str]) -> Parts | None:
        """Return the measured parts of a pair from its contents, in order."""
        found: list[Part] = []
        for digest in contents:
            if digest not in self._parts:
                measured = self._store.care.measured(digest, self._layout, REVISION)
                if measured is None:
                    return None
                self._parts[digest] = tuple(Part.from_json(part) for part in measured)
            found += self._parts[digest]
        return tuple(found)

    def _parts_of_pair(self, pair: pairs.Pair) -> Parts | None:
        return self._parts_of([digest for _, digest in pair.files])

    # -- findings -----------------------------------------------------------------------

    def _note_findings(self, head: Commit, found: Assessment) -> None:
        """Keep what is wrong with the set for `status`, unless it is the same as before."""
        name, refused = self._pipeline.name, sorted(found.refused.items())
        basis = digest_of(
            canonical_json([head.version, REVISION, *self._setting, refused]).encode()
        )
        if basis == self._store.care.basis(name):
            return
        judged = found.judgement
        self._store.care.note(
            name,
            basis,
            (judged.count(findings.WRONG), judged.count(findings.LOOK)),
            judged.worst,
            {"findings": [one.told() for one in judged.findings], "notes": judged.notes},
        )

    # -- the inspector ------------------------------------------------------------------

    def recover(self) -> None:
        """Ask again after an error of the store's disk: answers may have been lost."""
        self._asked.clear()
        self._planned_for = None
        self._kin = self._placing = self._paired = None
        self._to_admit, self._to_meet = [], []

    def hear(self, answer: Answer, now: float) -> None:
        """Keep the inspector's answer about one content.

        Args:
            answer: to a request of `step`.
            now: monotonic seconds.

        Raises:
            DiskError: the inspector could not read the store; that says nothing about the image.
        """
        _, layout, digest = answer.token
        self._asked.discard(digest)
        event = answer.event
        reason = str(event.get("reason") or "")
        width, height = event.get("width"), event.get("height")
        if event.get("kind") == "disk":
            raise DiskError(reason, advice=ADVICE_DISK)
        if event["event"] == "failed":
            if not self.trouble:
                told = f"an image in the store: {reason}; it is tried again"
                self._store.note(self._pipeline.name, "warning", "inspect", told)
            self.trouble = reason
            self._retry_at = now + RETRY_S
        elif event["event"] == "done" and not is_sound(event):
            why = "the inspector's numbers about it make no sense"
            self._store.working.decide(digest, layout, why, None, None)
        elif event["event"] == "done":
            with self._store.transaction():
                self._store.care.measure(digest, layout, REVISION, event["parts"])
                self._store.working.decide(digest, layout, "", width, height)
        else:
            why = reason or "it cannot be decoded"
            sizes = [size if isinstance(size, int) else None for size in (width, height)]
            self._store.working.decide(digest, layout, why, *sizes)
