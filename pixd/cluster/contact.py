"""How a bridge gets a host that may work: it waits for room, asks for versions, and listens.

What is learned of the cluster goes into the roster, and so to the service.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pixd.cluster import versions
from pixd.cluster.carrier import LostError
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    import queue
    from collections.abc import Callable

    from pixd.cluster.carrier import Carrier, Link
    from pixd.cluster.order import Order
    from pixd.cluster.roster import Roster

LOOK_EVERY_S: Final = 0.1
SAY_AFTER_S: Final = 10.0
"""So long nobody is told that room is waited for."""
ANSWER_WITHIN_S: Final = 30.0
NEEDS_FREE_BYTES: Final = 2_000_000_000
GOODBYE_WITHIN_S: Final = 5.0


class Host(NamedTuple):
    """A host that may work: the link to it, where it is, and the attempt that it works for."""

    link: Link
    id: str
    name: str
    attempt: str
    work: str


class Finder:
    """Finds hosts for a bridge. Safe to use from several threads.

    Attributes:
        roster: what is known of the machines.
    """

    def __init__(self, carrier: Carrier, order: Order, roster: Roster) -> None:
        """Ask `carrier` for hosts; what is learned goes into `roster`."""
        self.roster = roster
        self._carrier, self._order = carrier, order
        self._lock = threading.Lock()
        self._count = 0

    def find(self, beat: Callable[[str], object]) -> Host:
        """Wait for a host, and begin an attempt on it.

        Args:
            beat: called while there is none, with what is waited for; it may raise to end it.

        Raises:
            LostError: the host died at once.
            ClusterError: the cluster is away.
        """
        began = time.monotonic()
        while True:
            link, about = self._placed(began, beat)
            node, name = str(about["node_id"]), str(about["host"])
            why = versions.why_not(about, name) or _why_no_room(about, name)
            self.roster.note_about(about, why)
            if why:
                link.kill()
                beat(why)
                continue
            self.roster.note_waits("")
            with self._lock:
                self._count += 1
                # The nonce: no attempt of another bridge, before or after, has the same name.
                attempt = (
                    f"{self._order.spec.run_id or 'translate'}-{self._count}-{secrets.token_hex(6)}"
                )
            try:
                work = link.call("open", attempt, within_s=ANSWER_WITHIN_S)
            except LostError as error:
                self.roster.note_lost(attempt, node, error.why)
                link.kill()
                raise
            return Host(link, node, name, attempt, work)

    def _placed(self, began: float, beat: Callable[[str], object]) -> tuple[Link, dict[str, Any]]:
        """Wait for a host since `began` (monotonic seconds); return it and what it tells."""
        link: Link | None = None
        avoiding: frozenset[str] = frozenset()
        roster = self.roster
        try:
            while True:
                is_long = time.monotonic() - began > SAY_AFTER_S
                # One machine less to avoid, and it may be the only one that has room.
                if link is None or avoiding - roster.avoided(lost=not is_long):
                    if link is not None:
                        link.kill()
                    avoiding = roster.avoided(lost=not is_long)
                    link = self._carrier.host(self._order.needs, avoiding=avoiding)
                if link.is_placed():
                    return link, link.call("about", within_s=ANSWER_WITHIN_S)
                if is_long:
                    roster.note_waits(self._order.needs.text())
                    beat(self._said())
                else:
                    beat("")
                time.sleep(LOOK_EVERY_S)
        except BaseException:
            roster.note_waits("")
            if link is not None:
                link.kill()
            raise

    def _said(self) -> str:
        text = f"waiting for {self._order.needs.text()} on the cluster"
        left_out = self.roster.why_not()
        again = ["what is left out is asked again by itself"] if left_out else []
        return "; ".join([text, *left_out, *again])


class Listener(threading.Thread):
    """Hears a host, and puts what it says into an inbox with its own name."""

    def __init__(self, host: Host, inbox: queue.Queue[tuple[Any, Any]], key: Any) -> None:
        """Listen to `host`; `key` comes with each group, and with the error that ends it."""
        super().__init__(name=f"listen-{host.name}", daemon=True)
        self.heard_at = time.monotonic()
        self._host, self._inbox, self._key = host, inbox, key

    def run(self) -> None:
        """Listen until the child has ended or the host is gone."""
        try:
            for group in self._host.link.stream("listen", self._host.attempt):
                self.heard_at = time.monotonic()
                if group["attempt"] == self._host.attempt:  # another's is nobody's
                    self._inbox.put((self._key, group))
        except PixdError as error:
            self._inbox.put((self._key, error))

    def is_silent(self, silent_s: float) -> bool:
        """Tell whether nothing came for so long that the host is given up."""
        return time.monotonic() - self.heard_at > silent_s


def say_goodbye(host: Host) -> None:
    """End a host that answers: its folder goes first, then its process."""
    with contextlib.suppress(PixdError):
        host.link.call("close", host.attempt, within_s=GOODBYE_WITHIN_S)
    host.link.kill()


def _why_no_room(about: dict[str, Any], name: str) -> str:
    free = int(about.get("free_bytes", 0))
    if free >= NEEDS_FREE_BYTES:
        return ""
    return f"{name} has {free / 1e9:.1f} GB free on the disk of its cache: free some there"
