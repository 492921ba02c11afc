"""What the head of a training repo amounts to: pairs, and files that are none, with why.

Each content is looked at once by the inspector child; its verdict is kept, so that the same
bytes are never decoded twice. The pairs follow from names and contents alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd import pairs
from pixd.errors import DiskError

if TYPE_CHECKING:
    from pixd.config import PipelineSettings
    from pixd.intake import Intake
    from pixd.store.history import Commit
    from pixd.store.store import Store
    from pixd.warm import Answer, WarmWorker

AT_ONCE = 64  # requests that the inspector holds; enough to keep it busy


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
        self._planned_for: tuple[int, int] | None = None
        self.commit: Commit | None = None
        self.plan: pairs.PairPlan | None = None

    def step(self) -> None:
        """Ask about what is undecided; once all is decided, pair up the head."""
        head = self._store.history.head(self._repo_id)
        if head is None or (head.seq, self._intake.revision) == self._planned_for:
            return
        self.plan = None
        files = self._store.working.recorded(self._repo_id, ("recorded", "rejected", "settling"))
        digests = {digest for _, digest, _, _ in files}
        verdicts = self._store.working.verdicts(digests, self._layout)
        undecided = digests - verdicts.keys()
        if undecided:
            for digest in sorted(undecided - self._asked)[: AT_ONCE - len(self._asked)]:
                self._asked.add(digest)
                image = str(self._store.objects.path_of(digest))
                self._inspector.submit(
                    (self._pipeline.name, digest), {"image": image, "layout": self._layout}
                )
            return
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

    def hear(self, answer: Answer) -> None:
        """Take the inspector's answer about one content.

        Raises:
            DiskError: the inspector could not read the store; that says nothing about the image.
        """
        digest = answer.token[1]
        self._asked.discard(digest)
        event = answer.event
        if event.get("kind") == "disk":
            raise DiskError(str(event["reason"]))
        if event["event"] == "done":
            self._store.working.decide(
                digest, self._layout, "", event.get("width"), event.get("height")
            )
        else:
            reason = str(event.get("reason") or "it cannot be decoded")
            self._store.working.decide(digest, self._layout, reason, None, None)
