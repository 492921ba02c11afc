"""The socket through which a command asks the running service: its address, and one request.

Promises: one line of JSON goes out and one comes back. An error of the service is raised here as
the same class, with the same message, advice and exit code. No request waits for ever.

Leaves to others: answering (`pixd.service.control`), what each operation does
(`pixd.service.operations`), and who may ask, which the permissions of the socket decide.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

from pixd.system.errors import BY_EXIT_CODE, PixdError, ServiceNotRunningError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PROTOCOL = 1  # sent with each request
SOCKET = "control.sock"
ELSEWHERE = "control.address"
"""A file in the store that says where the socket is, if the store's file system holds none."""
ABSTRACT = "@"
ANSWER_TIMEOUT_S = 120.0
"""How long a command waits. The service may first finish a long step (a commit of thousands of
files)."""


def request(store: Path, op: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the running service to do something and return its answer.

    Raises:
        ServiceNotRunningError: no service listens.
        PixdError: the service refuses; its message, advice and exit code are kept.
    """
    line = json.dumps({"pixd": PROTOCOL, "op": op, "arguments": dict(arguments)}).encode() + b"\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_TIMEOUT_S)
        try:
            connect(connection, store)
            connection.sendall(line)
            data = bytearray()
            while not data.endswith(b"\n"):
                part = connection.recv(65536)
                if not part:
                    break
                data += part
        except PermissionError as error:
            raise PixdError(
                f"you may not change what the service does ({address_of(store)})",
                advice="be the user that runs it, or join its group",
            ) from error
        except TimeoutError as error:
            raise PixdError(
                f"the service did not answer within {ANSWER_TIMEOUT_S:.0f} s",
                advice="`pixd status` says what it is doing",
            ) from error
        except OSError as error:
            raise ServiceNotRunningError(
                f"the service cannot be asked: {error.strerror}",
                advice="start it with `pixd run`, or try again",
            ) from error
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise PixdError("the service ended before it answered", advice="try again") from error
    if not answer["ok"]:
        told = answer["error"]
        kind = BY_EXIT_CODE.get(int(told["exit_code"]), PixdError)
        raise kind(str(told["message"]), advice=str(told.get("advice", "")))
    return dict(answer["result"])


def connect(connection: socket.socket, store: Path) -> None:
    """Connect. If too many wait already, wait for a place (unix(7): EAGAIN).

    Raises:
        PermissionError: the user may not, or somebody else listens there.
    """
    ends_at = time.monotonic() + ANSWER_TIMEOUT_S
    address = address_of(store)
    while True:
        try:
            with short(address) as text:
                connection.connect(text)
        except BlockingIOError:
            if time.monotonic() > ends_at:
                raise TimeoutError from None
            time.sleep(0.05)
        else:
            break
    if address.startswith(ABSTRACT) and peer_uid(connection) not in _trusted_uids(store):
        raise PermissionError(errno.EPERM, "somebody else listens there")


# -- where it is -----------------------------------------------------------------------------


def address_of(store: Path) -> str:
    """Return where the service of a store listens: a path, or "@" and an abstract name.

    It is in the store, unless the file system there holds no sockets. Then the service has written
    the place beside it.
    """
    try:
        told = (store / ELSEWHERE).read_text("utf-8").strip()
    except (OSError, ValueError):
        return str(store / SOCKET)
    return told if told.startswith(("/", ABSTRACT)) else str(store / SOCKET)


def places(store: Path) -> Iterator[str]:
    """Yield where a service may listen, the best first.

    The others are for file systems without sockets: exFAT, some FUSE and container mounts. Which
    store it is follows from its real path. The abstract namespace needs no file system at all, but
    is not seen from another network namespace.

    Source: unix(7) "Abstract sockets"; XDG Base Directory Specification; systemd.exec(5),
        RuntimeDirectory=.
    """
    yield str(store / SOCKET)
    name = hashlib.sha256(os.fsencode(os.path.realpath(store))).hexdigest()[:16]
    if runtime := os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]:
        yield f"{runtime}/{name}.sock"
    if runtime := os.environ.get("XDG_RUNTIME_DIR", ""):
        yield f"{runtime}/pixd/{name}.sock"
    yield f"{ABSTRACT}pixd/{os.getuid()}/{name}"


@contextlib.contextmanager
def short(address: str) -> Iterator[str]:
    """Yield a short name for an address: the kernel takes 107 bytes, a path may have 4096.

    Source: unix(7).
    """
    if address.startswith(ABSTRACT):
        yield "\0" + address.removeprefix(ABSTRACT)
        return
    folder = os.open(os.path.dirname(address), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # noqa: PTH120 - text
    try:
        yield f"/proc/self/fd/{folder}/{os.path.basename(address)}"  # noqa: PTH119 - text
    finally:
        os.close(folder)


def peer_uid(connection: socket.socket) -> int:
    """Return the user id of the other end, as the kernel saw it (SO_PEERCRED)."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return int(uid)


def _trusted_uids(store: Path) -> set[int]:
    """Return whose service a client believes: any user may take an abstract name."""
    return {0, os.getuid(), store.stat().st_uid}
