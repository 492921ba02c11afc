"""A network folder that hangs, without a network: its child is stopped, as its call would be.

For the service a child that SIGSTOP holds and one that waits in a system call are one and the same:
no answer, no processor time. `FuseFolder` is the real thing where the machine has FUSE.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.system import mounts
from pixd.system.children.folder_calls import FolderCalls


def on_network(patch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Let folders seem to be on a network file system. What is asked of them is real."""
    real_find = mounts.find

    def find(
        path: str | os.PathLike[str], *, trusted: frozenset[str] = frozenset()
    ) -> mounts.Place:
        place = real_find(path, trusted=trusted)
        is_far = any(Path(path).is_relative_to(folder) for folder in folders)
        return place._replace(network="nfs4", is_whole=False) if is_far else place

    patch.setattr(mounts, "find", find)


@contextlib.contextmanager
def hanging(calls: FolderCalls) -> Iterator[None]:
    """Let a folder answer nothing for the length of the block. It must have been asked before."""
    assert calls._child is not None
    pid = calls._child.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def fuse_folder(point: Path) -> Iterator[Path]:
    """Mount a FUSE file system whose daemon takes every request and answers none.

    So a call on it waits in the kernel, and SIGKILL does not end it, as where a server is gone.
    Skips the test where mounting is not allowed: it takes root and /dev/fuse.

    Source: linux/fuse.h.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    point.mkdir()
    try:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        pytest.skip(f"no FUSE here: {error}")
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"hanging", os.fsencode(point), b"fuse", 0, options) != 0:
        os.close(device)
        pytest.skip(f"FUSE cannot be mounted: {os.strerror(ctypes.get_errno())}")
    ends = threading.Event()
    daemon = threading.Thread(target=_take_requests, args=(device, ends))
    daemon.start()
    try:
        yield point
    finally:
        ends.set()
        daemon.join()
        os.close(device)  # ends the connection: whoever waits gets an error
        mnt_detach = 2
        libc.umount2(os.fsencode(point), mnt_detach)


def _take_requests(device: int, ends: threading.Event) -> None:
    while not ends.is_set():
        if not select.select([device], [], [], 0.05)[0]:
            continue
        request = os.read(device, 1 << 17)
        _, opcode, unique = struct.unpack_from("=IIQ", request)
        fuse_init = 26
        if opcode == fuse_init:  # without an answer to this, no other request is sent
            body = struct.pack("=IIII", 7, 31, 0, 0) + bytes(48)
            os.write(device, struct.pack("=IiQ", 16 + len(body), 0, unique) + body)
