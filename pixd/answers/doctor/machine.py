"""What the machine offers: events, limits, a clock, image formats, a GPU."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shlex
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pixd.answers.doctor.check import Check, fail, ok, warn
from pixd.answers.doctor.store import EVENTS_FOLDER
from pixd.config.pair_kinds import KINDS
from pixd.folders.watch import Watch
from pixd.store import lock
from pixd.system import libc, mounts
from pixd.system.clock import rfc3339, seconds_of
from pixd.system.machine import has_gpu
from pixd.system.users import user_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.config import Settings

SEEN_WITHIN_S = 1.0
FEWEST_OPEN_FILES = 256
"""A service of two pipelines has 13 descriptors open; sixteen clients, the children's pipes and a
burst of files stay far below this."""
COUNT_FOR_S = 0.3
FUTURE_S = 60.0
WRITTEN_AT = 1_735_689_600  # 2025-01-01: an earlier clock is wrong


def user(settings: Settings) -> Check:
    """Compare this user with the store's owner: the checks see this user's permissions."""
    me = user_name(os.geteuid())
    try:
        owner = user_name(settings.store.stat().st_uid)
    except OSError:
        return ok("user", f"asked as {me}")
    if owner == me:
        return ok("user", f"asked as {me}, to whom the store belongs")
    told = f"asked as {me}, and the store belongs to {owner}: what may be read and written differs"
    config = shlex.quote(str(settings.path))
    return warn("user", told, f"sudo -u {owner} {sys.executable} -m pixd --config {config} doctor")


def inotify(settings: Settings) -> Check:
    """Compare what the kernel lets this user watch with what the folders need."""
    name = "inotify limits"
    roots = [root for p in settings.pipelines for root in (p.training, p.input)]
    local = [root for root in roots if not mounts.may_hang(root)]
    needed = sum(_count_folders(local)) + 1
    watches, instances = _limit("watches"), _limit("instances")
    if watches is None or instances is None:
        return warn(name, "hidden here (/proc/sys/fs/inotify)", "ask outside of the container")
    told = f"{needed} watches needed of {watches}, 1 instance of {instances}"
    more = 2 * max(needed, watches)
    if needed > watches:
        return warn(
            name,
            f"{told}: the folders are polled",
            f"sudo sysctl fs.inotify.max_user_watches={more}",
        )
    there = next((root for root in local if os.access(root, os.R_OK)), None)
    refused = libc.inotify_watch_refusal(os.fsencode(there)) if there else 0
    if refused == errno.ENOSPC:
        mend = f"sudo sysctl fs.inotify.max_user_watches={more}"
        return warn(name, f"{told}, and none is left: the folders are polled", mend)
    if refused == errno.EMFILE:
        mend = f"sudo sysctl fs.inotify.max_user_instances={2 * max(instances, 128)}"
        return warn(name, f"{told}, and none is left: the folders are polled", mend)
    return ok(name, told)


def _limit(what: str) -> int | None:
    """Return the smaller of the machine's limit and that of this user namespace.

    Args:
        what: "watches" or "instances".

    Source: inotify(7) "/proc interfaces", namespaces(7) "/proc/sys/user".
    """
    found = []
    for place in (f"/proc/sys/fs/inotify/max_user_{what}", f"/proc/sys/user/max_inotify_{what}"):
        with contextlib.suppress(OSError, ValueError):
            found.append(int(Path(place).read_text("ascii")))
    return min(found, default=None)


def _count_folders(roots: list[Path]) -> Iterator[int]:
    """Yield how many folders each root has, itself included, as far as a short time allows."""
    ends_at = time.monotonic() + COUNT_FOR_S
    for root in roots:
        for _ in os.walk(root):
            yield 1
            if time.monotonic() > ends_at:
                return


def events(store: Path) -> Check:
    """Write a file into a folder in the store and wait for inotify to report it."""
    name = "live event"
    place = store if os.access(store, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryDirectory(prefix=EVENTS_FOLDER, dir=place) as folder:
            return _round_trip(name, Path(folder))
    except OSError as error:
        return fail(name, f"{place}: {error.strerror}", "see the checks of the store")


def _round_trip(name: str, folder: Path) -> Check:
    heard = threading.Event()
    watch = Watch(folder, heard.set)
    watch.start()
    try:
        if watch.kind != "inotify":
            return warn(name, f"none: {watch.why}", "the folders are polled, which is slower")
        began = time.monotonic()
        (folder / "event").write_bytes(b"")
        while (left := began + SEEN_WITHIN_S - time.monotonic()) > 0:
            heard.wait(left)
            heard.clear()
            if watch.drain().closed:
                took_ms = 1000 * (time.monotonic() - began)
                return ok(name, f"seen after {took_ms:.0f} ms in {folder.parent}")
    finally:
        watch.stop()
    told = f"a file in {folder.parent} was written and inotify said nothing for {SEEN_WITHIN_S:g} s"
    return fail(name, told, "the folders are scanned every 30 s all the same; restart the machine")


def open_files(store: Path) -> Check:
    """Check how many files the service may have open; if none runs, this process."""
    pid = lock.holder_pid(store)
    limit = _open_file_limit(pid) if pid else None
    whose = f"the service (pid {pid})" if limit is not None else "you"
    if limit is None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    told = "no limit" if limit == resource.RLIM_INFINITY else f"{whose} may have {limit} open"
    if limit != resource.RLIM_INFINITY and limit < FEWEST_OPEN_FILES:
        mend = "ulimit -n 1024 before pixd run; LimitNOFILE=1024 with systemctl edit pixd"
        return warn("open files", told, mend)
    return ok("open files", told)


def _open_file_limit(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/limits").read_text("ascii").splitlines()
    except OSError:
        return None
    soft = next(line.split()[3] for line in lines if line.startswith("Max open files"))
    return resource.RLIM_INFINITY if soft == "unlimited" else int(soft)


def clock(newest_event_at: str) -> Check:
    """Compare the clock with the newest thing that pixd noted, and with the age of pixd."""
    now = time.time()
    mend = "sudo timedatectl set-ntp true"
    if now < WRITTEN_AT:
        return warn("clock", f"it says {rfc3339(now)}, before pixd was written", mend)
    newest = seconds_of(newest_event_at or None)
    if newest is not None and newest > now + FUTURE_S:
        told = f"the store's newest event is of {newest_event_at}, {newest - now:.0f} s from now"
        return warn("clock", told, f"{mend}; if it is right now, nothing")
    return ok("clock", rfc3339(now))


def image_formats() -> Check:
    """Look whether Pillow was built with all that pixd reads."""
    from pixd.images import decode, formats  # noqa: PLC0415 - Pillow and NumPy take a fifth of a second

    missing = decode.missing_decoders()
    if missing:
        told = f"Pillow was built without {', '.join(missing)}: such files are rejected"
        return warn(
            "image formats", told, "pip install --force-reinstall --only-binary :all: pillow"
        )
    listed = [
        f"no {kind.name} ({kind.extra.install})"
        if kind.extra and not formats.is_available(kind)
        else kind.name
        for kind in formats.FORMATS
    ]
    return ok("image formats", ", ".join(listed))


def outlines(settings: Settings) -> Iterator[Check]:
    """Look whether OpenCV is there, where a pipeline trains on outlines."""
    wanting = [
        pipeline.name for pipeline in settings.pipelines if KINDS[pipeline.pairs].needs_opencv
    ]
    if not wanting:
        return
    from pixd.images import edges  # noqa: PLC0415 - as above

    if edges.is_available():
        yield ok("outlines", f"OpenCV is there for pairs: edges of {', '.join(wanting)}")
    else:
        told = f"OpenCV is not installed: {', '.join(wanting)} (pairs: edges) cannot train"
        yield fail("outlines", told, edges.INSTALL)


def gpu(wanted: str) -> Check:
    """Look whether the NVIDIA driver shows a GPU and this user may use it."""
    if not has_gpu():
        if wanted == "gpu":
            told = "device: gpu, and there is no /dev/nvidia0"
            return fail("gpu", told, "nvidia-smi must work; or set device: auto")
        return ok("gpu", "none (/dev/nvidia0); the processor does the work")
    if wanted == "cpu":
        return ok("gpu", "there is one, and config.yaml says device: cpu")
    if not os.access("/dev/nvidia0", os.R_OK | os.W_OK, effective_ids=True):
        told = "/dev/nvidia0 is there, and you may not use it"
        return (fail if wanted == "gpu" else warn)(
            "gpu", told, "ls -l /dev/nvidia0 names its group"
        )
    return ok("gpu", "/dev/nvidia0 is there")


def metrics_file(path: Path | None) -> Iterator[Check]:
    """Look whether the metrics file can be written where the configuration wants one."""
    if path is None:
        return
    folder = shlex.quote(str(path.parent))
    if not path.parent.is_dir():
        yield warn("metrics", f"{path.parent} is not there", f"sudo mkdir -p {folder}")
    elif not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
        mend = f"sudo setfacl -m u:{user_name(os.geteuid())}:rwx {folder}"
        yield warn("metrics", f"{path.parent} cannot be written", mend)
    else:
        yield ok("metrics", str(path))
