"""The pairs in a training folder's newest commit, kept up to date.

The inspector child looks at each content once (`pixd.training.dataset.looking`). Its verdict and
its measures are kept, so that the same bytes are never decoded twice. Then the pairs get their
sides, and the whole set is assessed (`pixd.training.dataset.assessment`): a large one by the
inspector, too. The files are read once for each commit, and not for each answer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from pixd.config import value_range
from pixd.store.exclusions import EXCLUDED
from pixd.store.queries.files import unread
from pixd.store.queries.training_set import KinRow, kin_of
from pixd.store.states import FileState
from pixd.system.digests import canonical_json, digest_of
from pixd.training.dataset import comparing, pairs
from pixd.training.dataset.assessment import Seen, assess, pair_up, refusals
from pixd.training.dataset.comparison import Comparison
from pixd.training.dataset.finding import LOOK, WRONG, Setting
from pixd.training.dataset.looking import RETRY_S, Looking
from pixd.training.dataset.near_duplicates import REVISION
from pixd.training.dataset.split import Kin, Split, split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.config import PipelineSettings
    from pixd.folders.intake import Intake
    from pixd.store.commits import Commit
    from pixd.store.file_rows import RecordedFile
    from pixd.store.store import Store
    from pixd.system.children.warm_worker import Answer, WarmWorker
    from pixd.training.dataset.assessment import Assessment
    from pixd.training.dataset.finding import Refused
    from pixd.training.dataset.looking import Progress

REST_SHARE = 4
"""After a folder was read and assessed, the next commit is looked at so many times later as that
took. While files trickle into a large folder, it would otherwise be read again for each of them."""
_COMPARED = "compared"  # where the token of a request about a content has the layout
_IN_SET = (FileState.RECORDED, FileState.REJECTED, FileState.SETTLING)


class _Paired(NamedTuple):
    """The pairs of a commit, while they are assessed.

    Attributes:
        head: the commit.
        files: (name, digest, state, reason) of each.
        plan: the pairs.
        refused: the files that are in no pair, by name.
        kin: what was decided about earlier pairs, by digest.
        basis: digest of all that the findings follow from.
        is_new: whether there are pairs about which nothing was decided, or another basis.
    """

    head: Commit
    files: list[RecordedFile]
    plan: pairs.PairPlan
    refused: Mapping[str, Refused]
    kin: Mapping[str, KinRow]
    basis: str
    is_new: bool


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
        self._layout = pairs.kept_as(pipeline.pairs, pipeline.value_range)
        asked = {
            "layout": pairs.layout_of(pipeline.pairs),
            "bits": value_range.bits_of(pipeline.value_range),
        }
        self._looking = Looking(store, pipeline.name, self._layout, asked, inspector)
        self._read_for: tuple[int, int] | None = None  # number of a commit, and intake's revision
        self._files: list[RecordedFile] = []
        self._paired: _Paired | None = None
        self._comparison: Comparison | None = None
        self._began_at = 0.0
        self._rests_until = 0.0
        self._trouble = ""
        self._retry_at = 0.0
        self._planned_for: tuple[int, int] | None = None
        self.commit: Commit | None = None
        self.plan: pairs.PairPlan | None = None
        self.split = Split((), ())
        self.key_inputs: list[str] = []  # the digests of the pairs that go into a training's key

    @property
    def trouble(self) -> str:
        """Why an image cannot be looked at, or the pairs cannot be compared; or ""."""
        return self._looking.trouble or self._trouble

    def progress(self, now: float) -> Progress | None:
        """Return how far the work that is under way is, or None. `now`: monotonic seconds."""
        if self._comparison:
            return self._comparison.progress(now)
        return self._looking.progress(now)

    def next_at(self, now: float) -> float:
        """Return when the next step has work even if the inspector sends nothing."""
        if self._comparison and self._comparison.is_writing:
            return now
        if self.plan is None and now < self._rests_until:
            return self._rests_until
        return now + 3600.0

    def step(self, now: float) -> None:
        """Ask about contents that are not known yet; when all are known, assess the head.

        Args:
            now: monotonic seconds.
        """
        head = self._store.history.head(self._repo_id)
        if head is None or (head.seq, self._intake.revision) == self._planned_for:
            return
        self.plan = None
        present = (head.seq, self._intake.revision)
        if present != self._read_for:
            if self._comparison and self._paired:
                self._end_comparison(self._paired, now)  # it is known what is near to what
                return
            if now < self._rests_until:
                self._looking.ask(now)
                return
            self._read(present, now)
        if not self._looking.ask(now):
            return
        paired = self._paired = self._paired or self._pair_up(head)
        found = self._assess(paired, now) if paired.is_new else None
        if paired.is_new and found is None:
            return
        self._finish(paired, found)
        self._planned_for = present
        self._forget(now)

    def _read(self, present: tuple[int, int], now: float) -> None:
        """Read the files of the head, and what is known of each."""
        self._forget(now)
        began = time.monotonic()
        self._files, looked = self._store.care.folder(
            self._repo_id, _IN_SET, self._layout, REVISION
        )
        self._looking.begin({file.digest for file in self._files}, looked, now)
        self._read_for = present
        self._rests_until = now + REST_SHARE * (time.monotonic() - began)

    def _forget(self, now: float) -> None:
        """Let go of what was read for a commit, and rest for some time."""
        if self._comparison:
            self._comparison.close()
        if self._paired:
            # The inspector's time counts too, because it can do nothing else meanwhile.
            self._rests_until = now + REST_SHARE * (time.monotonic() - self._began_at)
        self._files, self._paired, self._comparison, self._read_for = [], None, None, None

    def _pair_up(self, head: Commit) -> _Paired:
        """Make the pairs of the head. Every content is known."""
        self._began_at = time.monotonic()
        seen = Seen(
            [(file.name, file.digest) for file in self._files],
            self._looking.looked,
            unread(self._store.db.conn, self._repo_id, but_for=EXCLUDED),
        )
        plan = pair_up(self._setting, seen)
        refused = refusals(seen, plan)
        rows = kin_of(self._store.db.conn, self._pipeline.name, self._layout)
        kin = {row.pair: row for row in rows}
        told = [head.version, REVISION, *self._setting, sorted(refused.items())]
        basis = digest_of(canonical_json(told).encode())
        is_new = basis != self._store.care.basis(self._pipeline.name)
        is_new = is_new or any(pair.digest not in kin for pair in plan.pairs)
        return _Paired(head, self._files, plan, refused, kin, basis, is_new)

    # -- assessing ----------------------------------------------------------------------

    def _assess(self, paired: _Paired, now: float) -> Assessment | None:
        """Compare and judge the pairs: a few of them now. Else return None until that is done."""
        if self._comparison:
            return self._compare(self._comparison, now)
        if now < self._retry_at:
            return None
        told = comparing.Told(
            self._setting, paired.head.seq, paired.refused, paired.plan.pairs, paired.kin
        )
        lines = comparing.lines(told, self._measured)
        if max(len(paired.plan.pairs), len(paired.kin)) <= comparing.FEW:
            return assess(comparing.read(lines))
        self._comparison = Comparison(
            self._inspector,
            self._store.scratch,
            (self._pipeline.name, _COMPARED),
            lines,
            sum(pair.digest not in paired.kin for pair in paired.plan.pairs),
        )
        return self._compare(self._comparison, now)

    def _measured(self, digest: str) -> str | None:
        return self._store.care.measured(digest, self._layout, REVISION)

    def _compare(self, comparison: Comparison, now: float) -> Assessment | None:
        """Go on with a comparison; if it failed, another begins later."""
        found = comparison.step()
        if comparison.trouble:
            if not self._trouble:
                told = f"{comparison.trouble}; it is tried again"
                self._store.note(self._pipeline.name, "warning", "inspect", told)
            self._trouble, self._retry_at = comparison.trouble, now + RETRY_S
            comparison.close()
            self._comparison = None
        elif found is not None:
            self._trouble = ""
        return found

    def _end_comparison(self, paired: _Paired, now: float) -> None:
        """Keep what is found of a commit that is no longer the newest: the next finds less new."""
        assert self._comparison is not None  # only called with one
        found = self._compare(self._comparison, now)
        if found is not None:
            with self._store.transaction():
                self._keep(paired, found)
        if found is not None or self._comparison is None:
            self._forget(now)

    def _keep(self, paired: _Paired, found: Assessment) -> None:
        """Keep what was decided and found. Join the caller's transaction."""
        contents = {p.digest: tuple(digest for _, digest in p.files) for p in paired.plan.pairs}
        name, judged = self._pipeline.name, found.judgement
        self._store.care.add_kin(
            name,
            self._layout,
            [
                KinRow(digest, kin.anchor, kin.touches, contents[digest], kin.since)
                for digest, kin in sorted(found.given.items())
            ],
        )
        self._store.care.note(
            name,
            paired.basis,
            (judged.count(WRONG), judged.count(LOOK)),
            judged.worst,
            comparing.told_of(judged),
        )

    def _finish(self, paired: _Paired, found: Assessment | None) -> None:
        """Take the pairs of the head as the set, and keep what was found."""
        refused = paired.refused
        with self._store.transaction():
            if found is not None:
                self._keep(paired, found)
            for name, _, state, reason in paired.files:
                why = refused[name].reason if name in refused else None
                if why is not None and (state, reason) != (FileState.REJECTED, why):
                    self._store.working.set_state(self._repo_id, [name], FileState.REJECTED, why)
                elif why is None and state is FileState.REJECTED:
                    self._store.working.set_state(self._repo_id, [name], FileState.RECORDED)
        kin = {row.pair: Kin(row.anchor, row.touches, row.since) for row in paired.kin.values()}
        kin |= found.given if found is not None else {}
        self.commit, self.plan = paired.head, paired.plan
        self.split = split(paired.plan.pairs, self._setting.validation, kin)
        self.key_inputs = self.split.key_inputs(self._setting.validation)

    # -- the inspector ------------------------------------------------------------------

    def recover(self) -> None:
        """Ask again after an error of the store's disk: answers may have been lost."""
        self._looking.forget()
        self._forget(self._rests_until)
        self._rests_until = 0.0
        self._planned_for = None

    def hear(self, answer: Answer, now: float) -> None:
        """Take the inspector's answer, about one content or about the whole set.

        Args:
            answer: to a request of `step`.
            now: monotonic seconds.

        Raises:
            DiskError: the inspector could not read the store; that says nothing about the image.
        """
        if answer.token[1] != _COMPARED:
            self._looking.hear(answer, now)
        elif self._comparison and answer.token == self._comparison.token:
            self._comparison.hear(answer)
