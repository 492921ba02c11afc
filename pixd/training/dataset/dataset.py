"""What the head of a training repo amounts to: pairs, and files that are none, with why.

Each content is looked at once by the inspector child; its verdict and measures are kept, so that the
same bytes are never decoded twice. The pairs follow from names and contents alone, their sides from
what is near to what (`pixd.training.dataset.split`), and what is wrong with the set from both (`pixd.training.dataset.findings`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from pixd.store.queries.training_set import KinRow, kin_of
from pixd.store.states import FileState
from pixd.system.digests import canonical_json, digest_of
from pixd.system.errors import ADVICE_DISK, DiskError
from pixd.training.dataset import findings, pairs
from pixd.training.dataset import split as kinship
from pixd.training.dataset.near_duplicates import REVISION, Part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixd.config import PipelineSettings
    from pixd.folders.intake import Intake
    from pixd.store.commits import Commit
    from pixd.store.files import RecordedFile
    from pixd.store.store import Store
    from pixd.store.training_set import Looked
    from pixd.system.children.warm_worker import Answer, WarmWorker
    from pixd.training.dataset.near_duplicates import Parts

AT_ONCE = 64  # requests that the inspector holds; enough to keep it busy
RETRY_S = 10.0  # after contents that could not be read, which says nothing about them
STEP_BUDGET_S = 0.2
"""How long one step may look for near-duplicates, so that nobody is kept waiting for thousands."""


class _Paired(NamedTuple):
    """The head, paired up, while new pairs wait for their sides.

    Attributes:
        of: number of the commit, and the intake's revision.
        files: (name, digest, state, reason) of each.
        looked: what the inspector found, by digest.
        plan: the pairs.
    """

    of: tuple[int, int]
    files: list[RecordedFile]
    looked: dict[str, Looked]
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
        self._layout = pairs.layout_of(pipeline.pairs)
        self._asked: set[str] = set()
        self._retry_at = 0.0
        self._parts: dict[str, Parts] = {}  # by content, as they are asked for
        self._kin: dict[str, kinship.Kin] | None = None
        self._placing: kinship.Placing | None = None
        self._paired: _Paired | None = None
        self._to_admit: list[KinRow] = []
        self._to_meet: list[pairs.Pair] = []
        self.trouble = ""
        self._planned_for: tuple[int, int] | None = None
        self.commit: Commit | None = None
        self.plan: pairs.PairPlan | None = None
        self.split = kinship.Split((), ())
        self.key_inputs: list[str] = []  # digests by which a training's key knows the pairs

    @property
    def is_placing(self) -> bool:
        """Tell whether the next step goes on at once: pairs wait for their sides, and no child."""
        return bool(self._to_admit or self._to_meet)

    def step(self, now: float) -> None:
        """Ask about what is undecided; once all is decided, pair up the head.

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
        _, files, looked, plan = self._paired
        kin = self._place(plan.pairs, head.seq)
        if kin is None:
            return
        refused = refusals({name: looked[digest] for name, digest, _, _ in files}, plan)
        split = kinship.split(plan.pairs, self._pipeline.train.validation, kin)
        with self._store.transaction():
            for name, _, state, reason in files:
                why = refused[name].reason if name in refused else None
                if why is not None and (state, reason) != (FileState.REJECTED, why):
                    self._store.working.set_state(self._repo_id, [name], FileState.REJECTED, why)
                elif why is None and state is FileState.REJECTED:
                    self._store.working.set_state(self._repo_id, [name], FileState.RECORDED)
            self._judge(head, split, kin, refused)
        self.commit, self.plan, self.split = head, plan, split
        self.key_inputs = split.key_inputs(self._pipeline.train.validation)
        self._planned_for = self._paired.of
        self._paired = None

    def _pair_up(self, head: Commit, now: float) -> _Paired | None:
        """Pair up the head, or ask about what is undecided."""
        files = self._store.working.recorded(
            self._repo_id, (FileState.RECORDED, FileState.REJECTED, FileState.SETTLING)
        )
        digests = {digest for _, digest, _, _ in files}
        looked = self._store.care.looked_at(digests, self._layout, REVISION)
        # Contents from before there were measures are looked at once more.
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
        accepted = [(name, digest) for name, digest, _, _ in files if not looked[digest].reason]
        plan = pairs.pair_up(self._pipeline.pairs, accepted)
        return _Paired((head.seq, self._intake.revision), files, looked, plan)

    # -- sides --------------------------------------------------------------------------

    def _place(self, found: Sequence[pairs.Pair], seq: int) -> Mapping[str, kinship.Kin] | None:
        """Return the kin of all pairs; None while new ones still wait for theirs."""
        store, name = self._store, self._pipeline.name
        if self._kin is None:
            rows = kin_of(store.db.conn, name, self._layout)
            self._kin = {row.pair: kinship.Kin(row.anchor, row.touches, row.since) for row in rows}
        new = [pair for pair in found if pair.digest not in self._kin]
        if not new:
            return self._kin
        if self._placing is None:  # kept from the first new pair on: the next ones come soon
            self._placing = kinship.Placing(self._kin)
            self._to_admit = kin_of(store.db.conn, name, self._layout)
        self._to_meet = [pair for pair in new if not self._placing.has_met(pair.digest)]
        ends_at = time.monotonic() + STEP_BUDGET_S
        while self._to_admit and time.monotonic() < ends_at:
            row = self._to_admit.pop()
            if parts := self._parts_of(row.contents):  # none where one was recalled
                self._placing.admit(row.pair, parts)
        while self._to_meet and not self._to_admit and time.monotonic() < ends_at:
            pair = self._to_meet.pop()
            parts = self._parts_of([digest for _, digest in pair.files])
            assert parts is not None  # what has no measures is undecided
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

    # -- findings -----------------------------------------------------------------------

    def _judge(
        self,
        head: Commit,
        split: kinship.Split,
        kin: Mapping[str, kinship.Kin],
        refused: Mapping[str, findings.Refused],
    ) -> None:
        """Keep what is wrong with the set for `status`, unless it was found already."""
        pipeline = self._pipeline
        setting = findings.Setting(
            pipeline.pairs, pipeline.direction, pipeline.image_size, pipeline.train.validation
        )
        basis = digest_of(
            canonical_json([head.version, REVISION, *setting, sorted(refused.items())]).encode()
        )
        if basis == self._store.care.basis(pipeline.name):
            return
        every = (*split.used, *split.left_out)
        parts = {p.digest: self._parts_of([digest for _, digest in p.files]) for p in every}
        judged = findings.judge(
            setting,
            split,
            {digest: found for digest, found in parts.items() if found is not None},
            {digest: one.anchor for digest, one in kin.items()},
            refused,
        )
        self._store.care.note(
            pipeline.name,
            basis,
            (judged.count(findings.WRONG), judged.count(findings.LOOK)),
            judged.worst,
            {"findings": [one.told() for one in judged.findings], "notes": judged.notes},
        )

    # -- the inspector ------------------------------------------------------------------

    def recover(self) -> None:
        """Ask anew after an error of the store's disk: answers may have been lost with it."""
        self._asked.clear()
        self._planned_for = None
        self._kin = self._placing = self._paired = None
        self._to_admit, self._to_meet = [], []

    def hear(self, answer: Answer, now: float) -> None:
        """Take the inspector's answer about one content.

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
        elif event["event"] == "done":
            with self._store.transaction():
                self._store.care.measure(digest, layout, REVISION, event["parts"])
                self._store.working.decide(digest, layout, "", width, height)
        else:
            why = reason or "it cannot be decoded"
            self._store.working.decide(digest, layout, why, width, height)


def is_known(looked: Looked) -> bool:
    """Tell whether all that is asked about a content is known."""
    return bool(looked.reason) or looked.is_measured


def refusals(looked: Mapping[str, Looked], plan: pairs.PairPlan) -> dict[str, findings.Refused]:
    """Return the files that are in no pair, by name.

    Args:
        looked: what the inspector found of each file.
        plan: the pairs of those that it accepted.
    """
    refused = {
        name: findings.Refused(one.reason, "aspect" if one.width else "unusable")
        for name, one in looked.items()
        if one.reason
    }
    for name, why in plan.problems.items():
        refused[name] = findings.Refused(why, "copy" if name in plan.copies else "unpaired")
    return refused
