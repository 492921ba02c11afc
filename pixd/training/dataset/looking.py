"""Has the inspector look at each content of a training folder that it has not looked at before.

What is still unknown of a folder is read once for each commit and then counted down by the
answers. So looking costs the same for each picture, however many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.store.training_set import Looked
from pixd.system.errors import ADVICE_DISK, DiskError
from pixd.training.dataset.assessment import is_known
from pixd.training.dataset.inspector import is_sound
from pixd.training.dataset.near_duplicates import REVISION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.store.store import Store
    from pixd.system.children.warm_worker import Answer, WarmWorker

FEWEST_AT_ONCE: Final = 64  # requests that the inspector holds; enough to keep it busy
MOST_AT_ONCE: Final = 512
AHEAD: Final = 4
"""The inspector holds so many times as many requests as it answered since it was last heard."""
RETRY_S: Final = 10.0  # then a content that could not be read is tried again: it may be good
TELLING_S: Final = 3.0  # a rate of a shorter time says little
_UNITS: Final = (("h", 3600), ("min", 60), ("s", 1))


class Progress(NamedTuple):
    """How far a work is.

    Attributes:
        phase: "images": each is looked at; "pairs": they are compared with each other.
        done: how many.
        all: of how many.
        eta_seconds: how long it still takes; None where nobody can tell.
    """

    phase: str
    done: int
    all: int
    eta_seconds: float | None

    def text(self) -> str:
        """Say it for people."""
        what = "looking at the images" if self.phase == "images" else "comparing the pairs"
        left = "" if self.eta_seconds is None else f", about {_about(self.eta_seconds)} left"
        return f"{what}: {self.done:,} of {self.all:,}{left}"


class Looking:
    """The contents of one training folder, and what the inspector found in each."""

    def __init__(
        self,
        store: Store,
        pipeline: str,
        layout: str,
        asked: Mapping[str, object],
        inspector: WarmWorker,
    ) -> None:
        """Know of no content yet.

        Args:
            store: the open store.
            pipeline: its name, which comes back with each answer.
            layout: under which measures and verdicts are kept.
            asked: what each request says beside the content.
            inspector: looks at them.
        """
        self._store = store
        self._pipeline = pipeline
        self._layout = layout
        self._request = asked
        self._inspector = inspector
        self._asked: set[str] = set()
        self._at_once = FEWEST_AT_ONCE
        self._heard = 0  # answers since the last `ask`
        self._retry_at = 0.0
        self.looked: dict[str, Looked] = {}
        self._missing: set[str] = set()
        self._outdated: set[str] | None = None  # read when it is first needed
        self._to_ask: list[str] = []
        self._all = 0
        self._pace = Pace()
        self.trouble = ""

    def begin(self, digests: set[str], looked: dict[str, Looked], now: float) -> None:
        """Take the contents of a folder, and what is known of them. `now`: monotonic seconds."""
        if not self._missing:
            self._pace = Pace()
        self.looked = looked
        # In an older store contents have no measures, so the inspector looks at them again.
        self._missing = {d for d in digests if d not in looked or not is_known(looked[d])}
        if self._outdated is None:
            self._outdated = self._store.care.without_values(self._layout, REVISION)
        self._missing |= digests & self._outdated
        self._to_ask = sorted(self._missing - self._asked, reverse=True)
        self._all = len(digests)
        self._pace.note(0, now)

    def ask(self, now: float) -> bool:
        """Ask about what is not known; tell whether all is. `now`: monotonic seconds."""
        if not self._missing:
            self.trouble = ""
            return True
        if now < self._retry_at:
            return False
        self._at_once = min(max(AHEAD * self._heard, FEWEST_AT_ONCE), MOST_AT_ONCE)
        self._heard = 0
        while self._to_ask and len(self._asked) < self._at_once:
            digest = self._to_ask.pop()
            self._asked.add(digest)
            self._inspector.submit(
                (self._pipeline, self._layout, digest),
                {
                    **self._request,
                    "image": str(self._store.objects.path_of(digest)),
                    "digest": digest,
                },
            )
        return False

    def progress(self, now: float) -> Progress | None:
        """Return how far it is; None where all is known. `now`: monotonic seconds."""
        if not self._missing:
            return None
        left = len(self._missing)
        return Progress("images", self._all - left, self._all, self._pace.eta_s(left, now))

    def forget(self) -> None:
        """Ask again about everything that is not known: answers may have been lost."""
        self._asked.clear()
        self._missing.clear()
        self._to_ask.clear()
        self.looked = {}

    def hear(self, answer: Answer, now: float) -> None:
        """Keep the inspector's answer about one content.

        Args:
            answer: to a request of `ask`.
            now: monotonic seconds.

        Raises:
            DiskError: the inspector could not read the store; that says nothing about the image.
        """
        _, layout, digest = answer.token
        self._asked.discard(digest)
        self._heard += 1
        event = answer.event
        reason = str(event.get("reason") or "")
        width, height = event.get("width"), event.get("height")
        if event.get("kind") == "disk":
            raise DiskError(reason, advice=ADVICE_DISK)
        if event["event"] == "failed":
            if not self.trouble:
                told = f"an image in the store: {reason}; it is tried again"
                self._store.note(self._pipeline, "warning", "inspect", told)
            self.trouble = reason
            self._retry_at = now + RETRY_S
            if digest in self._missing:
                self._to_ask.append(digest)
            return
        is_measured = event["event"] == "done" and is_sound(event)
        why = "" if is_measured else reason or "it cannot be decoded"
        if event["event"] == "done" and not is_measured:
            why = "the inspector's numbers about it make no sense"
        width, height = (s if isinstance(s, int) else None for s in (width, height))
        found = Looked(why, width, height, is_measured)
        self._keep(digest, layout, found, event.get("parts"), now)

    def _keep(self, digest: str, layout: str, found: Looked, parts: Any, now: float) -> None:
        """Keep what was found about one content, and its measures if it has some."""
        is_outdated = self._outdated is not None and digest in self._outdated
        stays = is_outdated and not found.is_measured  # it was taken before: it stays in its pair
        with self._store.transaction():
            if found.is_measured:
                self._store.care.measure(digest, layout, REVISION, parts)
            if not stays:
                self._store.working.decide(digest, layout, found.reason, found.width, found.height)
        if layout != self._layout:
            return
        if self._outdated:
            self._outdated.discard(digest)
        if digest in self._missing:
            self._missing.discard(digest)
            if not stays:
                self.looked[digest] = found
            self._pace.note(1, now)


class Pace:
    """How quickly something goes on, from when it began."""

    def __init__(self) -> None:
        """Begin with the first note."""
        self._began_at: float | None = None
        self._done = 0

    def note(self, done: int, now: float) -> None:
        """Note that so many more are done. `now`: monotonic seconds."""
        if self._began_at is None:
            self._began_at = now
        self._done += done

    def eta_s(self, left: int, now: float) -> float | None:
        """Return how many seconds so many more will take; None where it is too early to tell."""
        took_s = now - self._began_at if self._began_at is not None else 0.0
        if not self._done or took_s < TELLING_S:
            return None
        return left * took_s / self._done


def _about(seconds: float) -> str:
    """Write a span of time with its largest unit."""
    for unit, length_s in _UNITS:
        if seconds >= length_s:
            return f"{round(seconds / length_s)} {unit}"
    return "1 s"
