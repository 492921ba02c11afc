"""Limits on a child that decodes files from strangers: memory and processor time.

A picture of few bytes and few pixels can still make a decoder take gigabytes or hours (a TIFF
with one giant tile, a JPEG of a thousand scans). No list of such tricks is ever complete. So the
process that decodes has limits that no file can lift, and it may be killed.
"""

from __future__ import annotations

import contextlib
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY_BYTES = 3 << 30
"""In addition to what is mapped when the child begins. The largest accepted picture, of 64
megapixels with transparency and a colour profile, needs 1.7 GB."""
SECONDS_AN_IMAGE = 30
"""Seconds of processor time, so that a good picture is not refused because the machine is busy.
The largest accepted picture needs about six on a server of 2024."""
MEGAPIXELS = 64
"""The picture size that these two limits are for. If larger pictures are accepted, both grow in
proportion."""
FILE_BYTES = 256 << 20
"""Size of the largest accepted file; it grows in the same way."""


def share_of(megapixels: int) -> float:
    """Return how many times the usual memory and time a decoder of pictures this large may take."""
    return max(1.0, megapixels / MEGAPIXELS)


def file_bytes_of(megapixels: int) -> int:
    """Return how large a file may be if pictures of so many megapixels are accepted."""
    return int(FILE_BYTES * share_of(megapixels))


def confine(megapixels: int = MEGAPIXELS) -> None:
    """Limit this process for good: no more memory than allowed, and no core dump.

    Args:
        megapixels: size of the largest accepted picture.
    """
    # Libraries map address space for each core when they are loaded. No file causes that.
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    limit = pages * resource.getpagesize() + round(MEMORY_BYTES * share_of(megapixels))
    _, highest = resource.getrlimit(resource.RLIMIT_AS)
    if highest != resource.RLIM_INFINITY:
        limit = min(limit, highest)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Without a handler the timer ends the process. A decoder that loops in C would run no handler.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def bound_memory(further_bytes: int) -> None:
    """Limit for good how much more memory this process may write to, and leave no core dump.

    Unlike `confine`, it does not count address space: TensorFlow and its like reserve far more of it
    than they use, and more on machines with more cores.

    Args:
        further_bytes: in addition to what it has now.
    """
    status = Path("/proc/self/status").read_text("ascii")
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmData:"))
    limit = int(kilobytes) * 1024 + further_bytes
    _, highest = resource.getrlimit(resource.RLIMIT_DATA)
    if highest != resource.RLIM_INFINITY:
        limit = min(limit, highest)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextlib.contextmanager
def one_image(megapixels: int = MEGAPIXELS) -> Iterator[None]:
    """End this process (SIGPROF) if the block takes more processor time than an image may."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS_AN_IMAGE * share_of(megapixels))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def lift_time() -> None:
    """Let the rest of an `one_image` block take as long as it takes: it decodes no picture."""
    signal.setitimer(signal.ITIMER_PROF, 0)


_BY_ITS_BYTES = {
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGABRT,
    signal.SIGFPE,
    signal.SIGILL,
}


def blame(exit_code: int, megapixels: int = MEGAPIXELS) -> str:
    """Say what an image did to the process that decoded it.

    Args:
        exit_code: of that process; if a signal ended it, minus the signal's number.
        megapixels: the picture size that its limits were for.

    Returns:
        Why the image is refused; "" if it is not to blame (somebody killed the process).
    """
    if exit_code == -signal.SIGPROF:
        seconds = SECONDS_AN_IMAGE * share_of(megapixels)
        return f"decoding it takes more than {seconds:.0f} s of processor time"
    if -exit_code in _BY_ITS_BYTES:
        return f"decoding it crashes the decoder ({signal.Signals(-exit_code).name})"
    return ""
