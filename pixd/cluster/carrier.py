"""What a bridge needs of a cluster: hosts on machines that have room, called, heard and killed.

Ray is the first carrier (`pixd.cluster.ray_carrier`), the fake of the tests the second; one over ssh
could be the third. All keep one contract (`tests/support/carrier_contract.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pixd.store.engine_beat import DIED, DISK, SILENT
from pixd.system import disk
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class LostError(PixdError):
    """A host is gone, or does not answer: what it was asked may or may not have been done.

    Attributes:
        why: it is given up, of `LOST_REASONS`.
    """

    why = DIED


class SilentError(LostError):
    """A host says nothing, or has not answered in time; it may be alive."""

    why = SILENT

    @classmethod
    def of(cls, who: str, silent_s: float) -> SilentError:
        """Return the error of a host that said nothing for so many seconds."""
        return cls(f"{who} was silent for {silent_s:.0f} s")


class RefusedError(LostError):
    """The disk of a host's machine is full or fails. On another machine it may well go on."""

    why = DISK

    @classmethod
    def made_of(cls, error: BaseException) -> RefusedError | None:
        """Return what a bridge has to take an error for that a host met; None if it is another."""
        refused = disk.refusal(error)
        return cls(f"its machine refuses: {refused}") if refused else None


class ClusterError(PixdError):
    """The cluster cannot be reached, or refuses; nothing of it is at fault that was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What one host asks of a machine. `memory_bytes` 0 asks for none in particular."""

    gpus: int = 0
    cpus: int = 1
    memory_bytes: int = 0

    def text(self) -> str:
        """Say it for people, as "1 GPU and 2 CPUs"."""
        parts = [f"{self.gpus} GPU{'s' * (self.gpus != 1)}"] if self.gpus else []
        parts.append(f"{self.cpus} CPU{'s' * (self.cpus != 1)}")
        if self.memory_bytes:
            parts.append(f"{self.memory_bytes / 1e9:.3g} GB of memory")
        return " and ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of the cluster, as the carrier sees it.

    Attributes:
        id: names it for the carrier.
        name: names it for people.
        gpus: that it has.
        cpus: that it has.
        labels: whatever else the carrier says of it.
    """

    id: str
    name: str
    gpus: float = 0.0
    cpus: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)


class Link(Protocol):
    """One host, as its bridge holds it."""

    def is_placed(self) -> bool:
        """Tell whether it runs; before that it waits for room.

        Raises:
            LostError: it died before it ran.
        """

    def call(self, method: str, *arguments: Any, within_s: float) -> Any:
        """Call a method of `pixd.cluster.host.Host` and return what it returns.

        Raises:
            LostError: the host is gone, or has not answered within `within_s` seconds.
            RefusedError: the method met a disk that is full or fails.
            PixdError: the method raised it, or something that is not foreseen.
        """

    def stream(self, method: str, *arguments: Any) -> Iterator[Any]:
        """Call a method that yields, and yield what comes; each as soon as it comes.

        Raises:
            LostError: the host is gone.
        """

    def kill(self) -> None:
        """End the host and all that it started; returns at once, even if it does not answer."""


class Carrier(Protocol):
    """A cluster."""

    def host(self, needs: Needs, *, avoiding: frozenset[str] = frozenset()) -> Link:
        """Ask for a host on a machine that has room; returns at once.

        Args:
            needs: what the machine must have free.
            avoiding: ids of machines that will not do.
        """

    def nodes(self) -> list[Node]:
        """Return the machines that are alive.

        Raises:
            ClusterError: the cluster does not answer.
        """

    def close(self) -> None:
        """Kill every host and leave the cluster."""
