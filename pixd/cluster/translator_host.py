"""One host of a bridge of translators, and the thread that starts it and sends it images."""

from __future__ import annotations

import dataclasses
import queue
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pixd.cluster.carrier import ClusterError
from pixd.cluster.contact import Finder, Host, Listener
from pixd.cluster.objects import DamagedObjectError
from pixd.cluster.transfer import Sent, Transfer
from pixd.system.children.child import Interrupted
from pixd.system.children.spec import TranslateSpec, to_json
from pixd.system.digests import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pixd.cluster.order import Order

MODEL: Final = "model"


class TranslatorHost(threading.Thread):
    """A host from its search to its end. What it says goes into the bridge's inbox, with itself.

    Attributes:
        is_up: it was found and its child started.
        is_ready: its child has the model loaded.
        held: how many images it has; kept by the bridge.
        trouble: why its child cannot start, or ""; kept by the bridge.
        environment: what its child ran on; kept by the bridge.
        name: of the machine, once it is known.
    """

    def __init__(
        self,
        order: Order,
        finder: Finder,
        inbox: queue.Queue[tuple[Any, Any]],
        beat: Callable[[str], object],
    ) -> None:
        """Prepare to find a host; `beat` is called with what is waited for."""
        super().__init__(name="a machine", daemon=True)
        assert isinstance(order.spec, TranslateSpec)  # the order of translators
        self.is_up = self.is_ready = False
        self.held = 0
        self.trouble = ""
        self.environment: Mapping[str, Any] = {}
        self._order, self._spec = order, order.spec
        self._finder, self._roster = finder, finder.roster
        self._inbox, self._beat = inbox, beat
        self._to_send: queue.SimpleQueue[list[tuple[int, dict[str, Any]]] | None]
        self._to_send = queue.SimpleQueue()
        self._host: Host | None = None
        self._listener: Listener | None = None
        self._is_given_up = False

    def run(self) -> None:
        """Find a host, send the model, and then images as they are asked for."""
        try:
            self._send_all()
        except (Exception, Interrupted) as error:  # noqa: BLE001 - else nobody would know of its end
            self._inbox.put((self, error))

    def _send_all(self) -> None:
        host = self._host = self._finder.find(self._tell)
        self.name = host.name
        transfer = Transfer(
            *(host.link, host.attempt, self._roster.report, lambda: self._tell("")),
            silent_s=self._order.silent_s,
        )
        self._tell(f"sending the model to {host.name}")
        folder, work = Path(self._spec.model), Path(host.work)
        transfer.send(
            [
                Sent(folder / name, digest, f"{MODEL}/{name}")
                for name, digest in self._spec.files.items()
            ]
        )
        there = dataclasses.replace(
            self._spec, model=str(work / MODEL), scratch=str(work / "scratch")
        )
        order = {"module": self._order.module, "spec": to_json(there), "nice": self._order.nice}
        transfer.call("start", order)
        self._listener = Listener(host, self._inbox, self)
        self._listener.start()
        self.is_up = True
        while (asked := self._to_send.get()) is not None:
            requests, images = [], []
            for number, message in asked:
                data = _bytes_of(message["image"])
                if data is None or digest_of(data) != message["digest"]:
                    self._refuse(number, host)
                    continue
                requests.append({"number": number, "message": _without_paths(message)})
                images.append(data)
            transfer.call("ask", requests, images, within_s=4 * self._order.silent_s)
            self._roster.report.sent_bytes += sum(map(len, images))

    def _refuse(self, number: int, host: Host) -> None:
        event = {
            "event": "failed",
            "number": number,
            "reason": "the image in the store is not the one that was recorded; `pixd verify`",
        }
        self._inbox.put((self, {"attempt": host.attempt, "events": [event], "blobs": []}))

    def _tell(self, said: str) -> None:
        if self._is_given_up:
            raise Interrupted
        self._beat(said)

    def ask(self, requests: list[tuple[int, dict[str, Any]]]) -> None:
        """Have images translated."""
        if requests:
            self._to_send.put(requests)

    def is_silent(self) -> bool:
        """Tell whether it was not heard for too long."""
        return self._listener is not None and self._listener.is_silent(self._order.silent_s)

    def note_up(self) -> None:
        """Note that it works."""
        host, listener = self._host, self._listener
        assert host is not None  # both are there before it says anything
        assert listener is not None
        self._roster.note_up(host.attempt, host.id, lambda: listener.heard_at)

    def note_image(self) -> None:
        """Note that it made an image."""
        assert self._host is not None  # it has answered
        self._roster.note_image(self._host.id)

    def give_up(self, why: str) -> None:
        """Kill the host; what it still says is nobody's. `why` is of `pixd.store.engine_beat`."""
        self._is_given_up = True
        self._to_send.put(None)
        if self._host is not None:
            self._roster.note_lost(self._host.attempt, self._host.id, why)
            self._host.link.kill()

    def is_at_fault_here(self, error: Exception) -> bool:
        """Tell whether another host would not help: the cluster is away, or the model is damaged."""
        is_of_model = isinstance(error, OSError | DamagedObjectError) and not self.is_up
        return isinstance(error, ClusterError) or is_of_model


def _bytes_of(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _without_paths(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request without the paths of this machine; the host puts its own in their place."""
    told = {name: value for name, value in message.items() if name not in {"image", "out", "id"}}
    if "samples" in told:
        told["samples"] = [
            {name: value for name, value in one.items() if name != "out"} for one in told["samples"]
        ]
    return told
