"""The bridge of a pipeline's translators: images go out in batches to several hosts, outputs come back.

The service feeds it newest first, and it keeps that order. A host that is lost loses nothing: what it
held is asked again of another, before everything else, and no image is blamed for it. An image that
ends every child that gets it is found on its host, as it is found on one machine.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixd.cluster.carrier import LostError, RefusedError, SilentError
from pixd.cluster.objects import DamagedObjectError
from pixd.cluster.translator_host import TranslatorHost
from pixd.store.engine_beat import DAMAGED
from pixd.system import backoff
from pixd.system.children.child import Interrupted
from pixd.system.children.spawner import CLUSTER
from pixd.system.children.spec import Result, TranslateSpec
from pixd.system.digests import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixd.cluster.contact import Finder
    from pixd.cluster.order import Order
    from pixd.system.children.child import Events, StopFlag

BATCH: Final = 32
UNDER_WAY: Final = 2 * BATCH  # on one host: one batch is worked on while the next is on its way
GROUP: Final = (
    BATCH // 2
)  # what a busy host gets at once: each call costs as much as several images
LOOK_EVERY_S: Final = 0.25
FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0
SLOW_AFTER_S: Final = 2.0
SLOW_FACTOR: Final = 4.0
"""An image is asked for twice if a host is idle and another has had it for so many times as long as
an image usually takes, and for `SLOW_AFTER_S` seconds."""


@dataclass
class Asked:
    """One request of the service, and when each host that has it got it (monotonic seconds)."""

    message: dict[str, Any]
    held_by: dict[TranslatorHost, float] = field(default_factory=dict)


class TranslatingBridge:
    """The translators of one pipeline on a cluster."""

    def __init__(self, order: Order, finder: Finder, events: Events, stop: StopFlag) -> None:
        """Carry out `order` with hosts of `finder`."""
        assert isinstance(order.spec, TranslateSpec)  # the order of translators
        self._order, self._events, self._stop = order, events, stop
        self._finder, self._roster = finder, finder.roster
        self._inbox: queue.Queue[tuple[Any, Any]] = queue.Queue()
        self._asked: dict[int, Asked] = {}  # by the number that the service gave
        self._waiting: deque[int] = deque()
        self._hosts: list[TranslatorHost] = []
        self._environment: Mapping[str, Any] | None = None  # as the service knows it
        self._took_s = 1.0  # how long an answer takes, a moving mean
        self._failures = 0  # hosts lost or refused since the last answer
        self._start_at = 0.0
        self._told_width = 0

    def run(self) -> Result:
        """Translate until the service hangs up.

        Raises:
            Interrupted: the service wants an end.
            ClusterError: the cluster is away.
        """
        threading.Thread(target=self._read_requests, name="requests", daemon=True).start()
        while True:
            self._stop.check()
            self._start_hosts(time.monotonic())
            try:
                key, told = self._inbox.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                pass
            else:
                self._take(key, told)
                while not self._inbox.empty():
                    self._take(*self._inbox.get_nowait())
            for host in [one for one in self._hosts if one.is_silent()]:
                self._lose(host, SilentError.of(host.name, self._order.silent_s))
            self._feed(time.monotonic())
            if trouble := self._common_trouble():
                return _failed(self._order.spec.run_id, trouble)

    # -- the service ----------------------------------------------------------------------

    def _read_requests(self) -> None:
        try:
            for line in sys.stdin:
                self._inbox.put((None, json.loads(line)))
        finally:
            # The service has ended or wants this process to end. Its hosts end with it.
            os._exit(0)

    def _take(self, key: TranslatorHost | None, told: Any) -> None:
        if key is None:
            self._asked[told["id"]] = Asked(told)
            self._waiting.append(told["id"])
        elif key not in self._hosts:
            return  # given up before: what it says now is nobody's
        elif isinstance(told, Interrupted):
            raise told
        elif isinstance(told, Exception):
            if key.is_at_fault_here(told):
                raise told
            self._lose(key, told)
        else:
            for event in told["events"]:
                self._hear(key, event, told["blobs"])

    # -- hosts ----------------------------------------------------------------------------

    def _start_hosts(self, now: float) -> None:
        """Have as many hosts as there is work for, at least one, at most `most`."""
        wanted = min(self._order.most, max(1, -(-len(self._asked) // UNDER_WAY)))
        # Only one at a time waits for room: the cluster has it, or not.
        is_looking = any(not one.is_up for one in self._hosts)
        if len(self._hosts) >= wanted or is_looking or now < self._start_at:
            return
        host = TranslatorHost(self._order, self._finder, self._inbox, self._beat)
        self._hosts.append(host)
        host.start()

    def _beat(self, said: str) -> None:
        """Say what a host is waiting for, as long as no other can do the work."""
        if self._stop.is_set:
            raise Interrupted
        if any(one.is_ready for one in self._hosts):
            return
        if said:
            self._events.phase(said)
        else:
            self._events.beat()

    def _lose(self, host: TranslatorHost, error: Exception) -> None:
        """Give a host up, for what went wrong; what it held is asked again, first of all."""
        self._hosts.remove(host)
        host.give_up(error.why if isinstance(error, LostError) else DAMAGED)
        again = [number for number, asked in self._asked.items() if asked.held_by.pop(host, None)]
        lonely = [number for number in again if not self._asked[number].held_by]
        self._waiting.extendleft(reversed(lonely))
        self._roster.report.asked_again += len(lonely)
        self._failures += 1
        self._start_at = time.monotonic() + backoff.wait_s(
            self._failures, FIRST_WAIT_S, LONGEST_WAIT_S
        )
        more = f"; {len(lonely)} images are asked again elsewhere" if lonely else ""
        self._events.send("note", level="warning", message=f"{host.name} was lost: {error}{more}")
        self._roster.tell()
        self._tell_width()

    def _common_trouble(self) -> str:
        """Say why no host can load the model, where none is still trying."""
        troubles = [host.trouble for host in self._hosts]
        return troubles[0] if troubles and all(troubles) else ""

    def _tell_width(self) -> None:
        """Ask the service for enough to keep all hosts busy, and to see whether one more would be."""
        hosts = sum(one.is_ready for one in self._hosts)
        if hosts != self._told_width:
            self._told_width = hosts
            times = UNDER_WAY // BATCH * min(hosts + 1, self._order.most)
            self._events.send("width", hosts=hosts, times=times)

    # -- images ---------------------------------------------------------------------------

    def _feed(self, now: float) -> None:
        up = [host for host in self._hosts if host.is_ready]
        if not up:
            return
        for host in sorted(up, key=lambda one: one.held):
            if count := batch_for(host.held, waiting=len(self._waiting), hosts=len(up)):
                self._hand_over(host, count, now)
            elif not self._waiting and not host.held:
                self._ask_twice(host, now)

    def _hand_over(self, host: TranslatorHost, most: int, now: float) -> None:
        numbers: list[int] = []
        while self._waiting and len(numbers) < most:
            number = self._waiting.popleft()
            if number in self._asked:
                numbers.append(number)
        self._ask(host, numbers, now)

    def _ask_twice(self, host: TranslatorHost, now: float) -> None:
        """Have an idle host do too what another has had for very long; the first answer counts."""
        limit_s = max(SLOW_AFTER_S, SLOW_FACTOR * self._took_s)
        slow = [
            number
            for number, asked in self._asked.items()
            if len(asked.held_by) == 1 and now - min(asked.held_by.values()) > limit_s
        ]
        if slow:
            some = slow[: max(1, len(slow) // 2)]
            self._roster.report.asked_again += len(some)
            self._roster.tell()
            self._ask(host, some, now)

    def _ask(self, host: TranslatorHost, numbers: list[int], now: float) -> None:
        for number in numbers:
            self._asked[number].held_by[host] = now
        host.held += len(numbers)
        host.ask([(number, self._asked[number].message) for number in numbers])

    # -- answers --------------------------------------------------------------------------

    def _hear(self, host: TranslatorHost, event: dict[str, Any], blobs: list[bytes]) -> None:
        kind = event["event"]
        if kind == "note":
            self._events.send(
                "note", level=event["level"], message=f"{host.name}: {event['message']}"
            )
        elif kind == "state":
            self._hear_state(host, event)
        elif kind == "progress":
            if event["number"] in self._asked:
                told = {"done": event["done"], "of": event["of"]}
                self._events.send("progress", id=event["number"], **told)
        elif kind == "ended":
            kind = RefusedError if event["refused"] else LostError
            self._lose(host, kind(event["how"]))
        else:
            self._answer(host, event, [blobs[at] for at in event.pop("blobs", [])])

    def _hear_state(self, host: TranslatorHost, event: Mapping[str, Any]) -> None:
        host.trouble = f"{host.name}: {event['trouble']}" if event["trouble"] else ""
        ready = event["ready"]
        if ready and not host.is_ready:
            host.environment = {**ready.get("environment", {}), "node": host.name}
            host.is_ready = True
            host.note_up()
            if self._environment is None:
                self._environment = host.environment
                self._events.answer({**ready, "environment": host.environment}, ())
            else:
                self._events.phase("")  # nothing is waited for any more
            self._tell_width()
        elif event["phase"] and not any(one.is_ready for one in self._hosts):
            self._events.phase(f"{event['phase']} on {host.name}")

    def _answer(self, host: TranslatorHost, event: dict[str, Any], images: list[bytes]) -> None:
        number = event.pop("number")
        host.held = max(0, host.held - 1)
        asked = self._asked.get(number)
        if asked is None or host not in asked.held_by:
            return  # another host was first
        if event["event"] == "done":
            try:
                self._write(asked.message, event, images)
            except DamagedObjectError as error:
                self._ask_again(number, host, str(error))
                return
        now = time.monotonic()
        self._took_s += 0.1 * (now - asked.held_by[host] - self._took_s)
        del self._asked[number]
        self._failures = 0
        host.note_image()
        self._roster.report.received_bytes += sum(map(len, images))
        if host.environment != self._environment:
            event["environment"] = host.environment
        self._events.answer({**event, "id": number}, ())

    def _ask_again(self, number: int, host: TranslatorHost, why: str) -> None:
        self._events.send("note", level="warning", message=f"{host.name}: {why}")
        self._asked[number].held_by.pop(host)
        if not self._asked[number].held_by:
            self._waiting.appendleft(number)
            self._roster.report.asked_again += 1

    def _write(
        self, message: Mapping[str, Any], event: Mapping[str, Any], images: list[bytes]
    ) -> None:
        """Put outputs where the service looks for them; it hashes them again.

        Raises:
            DamagedObjectError: they are not what was named.
        """
        wanted, made = message.get("samples") or [message], event.get("samples") or [event]
        if [digest_of(one) for one in images] != [one.get("sha256") for one in made]:
            raise DamagedObjectError("an output changed on its way")
        for one, data in zip(wanted, images, strict=True):
            Path(one["out"]).write_bytes(data)


def batch_for(held: int, *, waiting: int, hosts: int) -> int:
    """Return how many images a host gets now; 0 for none, or none yet.

    Args:
        held: how many it has.
        waiting: how many wait for a host.
        hosts: how many can be given some.
    """
    if held > BATCH:  # it is busy for long, so what it gets next can wait until it is a group
        return GROUP if waiting >= GROUP and held + GROUP <= UNDER_WAY else 0
    # Towards the end the batches get smaller, so that all hosts end together.
    share = -(-waiting // (2 * hosts)) if hosts > 1 else waiting
    return min(share, BATCH)


def _failed(run_id: str, message: str) -> Result:
    error = {"kind": CLUSTER, "message": message, "advice": ""}
    return Result(run_id=run_id, state="failed", error=error)  # type: ignore[arg-type]
