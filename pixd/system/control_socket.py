"""The socket through which a command asks the running service: its address, and one request.

Promises: one line of JSON goes out and one comes back. An error of the service is raised here as
the same class, with the same message, advice and exit code. No request waits for ever.

Leaves to others: answering (`pixd.service.control`), what each operation does
(`pixd.service.operations`), and who may ask, which the permissions of the socket decide.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from pixd.system.errors import BY_EXIT_CODE, PixdError, ServiceNotRunningError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PROTOCOL = 1  # sent with each request
SOCKET = "control.sock"
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
                f"you may not change what the service does ({store / SOCKET})",
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
    """Connect. If too many wait already, wait for a place (unix(7): EAGAIN)."""
    ends_at = time.monotonic() + ANSWER_TIMEOUT_S
    while True:
        try:
            with short_path(store) as address:
                connection.connect(address)
        except BlockingIOError:
            if time.monotonic() > ends_at:
                raise TimeoutError from None
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def short_path(store: Path) -> Iterator[str]:
    """Yield a short name for the socket: an address holds 108 bytes, a path may have 4096.

    Source: unix(7).
    """
    folder = os.open(store, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)
