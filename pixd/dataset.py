"""What the head of a training repo amounts to: pairs, and files that are none, with why.

Each content is looked at once by the inspector child; its verdict is kept, so that the same
bytes are never decoded twice. The pairs follow from names and contents alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd import pairs
from pixd.errors import ADVICE_DISK, DiskError

if TYPE_CHECKING:
    from pixd.config import PipelineSettings
    from pixd.intake import Intake
    from pixd.store.history import Commit
    from pixd.store.store import Store
    from pixd.warm import Answer, WarmWorker

AT_ONCE = 64  # requests that the inspector holds; enough to keep it busy
RETRY_S = 10.0  # after contents that could not be read, which says nothing about them


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
        self._layout = "side-by-side" if pipeline.pairs == "side-by-side" else "single"
        self._asked: set[str] = set()
        self._retry_at = 0.0
        self.trouble = ""
        self._planned_for: tuple[int, int] | None = None
        self.commit: Commit | None = None
        self.plan: pairs.PairPlan | None = None

    def step(self, now: float) -> None:
        """Ask about what is undecided; once all is decided, pair up the head.

        Args:
            now: monotonic seconds.
        """
        head = self._store.history.head(self._repo_id)
        if head is None or (head.seq, self._intake.revision) == self._planned_for:
            return
        self.plan = None
        files = self._store.working.recorded(self._repo_id, ("recorded", "rejected", "settling"))
        digests = {digest for _, digest, _, _ in files}
        verdicts = self._store.working.verdicts(digests, self._layout)
        undecided = digests - verdicts.keys()
        if undecided:
            if now < self._retry_at:
                return
            for digest in sorted(undecided - self._asked)[: AT_ONCE - len(self._asked)]:
                self._asked.add(digest)
                image = str(self._store.objects.path_of(digest))
                self._inspector.submit(
                    (self._pipeline.name, self._layout, digest),
                    {"image": image, "layout": self._layout},
                )
            return
        self.trouble = ""
        accepted = [(name, digest) for name, digest, _, _ in files if verdicts[digest][0]]
        plan = pairs.pair_up(self._pipeline.pairs, accepted)
        refused = {name: verdicts[d][1] for name, d, _, _ in files if not verdicts[d][0]}
        refused.update(plan.problems)
        with self._store.transaction():
            for name, _, state, reason in files:
                why = refused.get(name)
                if why is not None and (state, reason) != ("rejected", why):
                    self._store.working.set_state(self._repo_id, [name], "rejected", why)
                elif why is None and state == "rejected":
                    self._store.working.set_state(self._repo_id, [name], "recorded")
        self.commit, self.plan = head, plan
        self._planned_for = (head.seq, self._intake.revision)

    def recover(self) -> None:
        """Ask anew after an error of the store's disk: answers may have been lost with it."""
        self._asked.clear()
        self._planned_for = None

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
        if event.get("kind") == "disk":
            raise DiskError(reason, advice=ADVICE_DISK)
        if event["event"] == "failed":
            if not self.trouble:
                told = f"an image in the store: {reason}; it is tried again"
                self._store.note(self._pipeline.name, "warning", "inspect", told)
            self.trouble = reason
            self._retry_at = now + RETRY_S
        elif event["event"] == "done":
            self._store.working.decide(digest, layout, "", event.get("width"), event.get("height"))
        else:
            why = reason or "it cannot be decoded"
            self._store.working.decide(digest, layout, why, None, None)
