"""The control socket: a Unix socket in the store for commands, one JSON line each way.

A request is ``{"pixd": 1, "op": NAME, "arguments": {...}}`` and its answer ``{"ok": true,
"result": {...}}`` or ``{"ok": false, "error": {"message", "advice", "exit_code"}}``. Then the
connection ends. The socket is ``<store>/control.sock`` with mode 0660: only users who may write
to it may change what the service does. Where the file system holds no sockets, it is elsewhere
(`pixd.system.control_socket.places`). A client that is slow, is silent or sends rubbish does not
delay the loop, because nothing here blocks and what a client may send is bounded.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.system import control_socket, durable
from pixd.system.control_socket import PROTOCOL
from pixd.system.errors import EXIT_FAILED, PixdError, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MODE = 0o660
MAX_REQUEST_BYTES = 1 << 20  # `retry` may name thousands of files
MAX_CLIENTS = 16
QUEUE = 128  # commands that may wait to be accepted
CLIENT_TIMEOUT_S = 10.0
CROWDED_TIMEOUT_S = 1.0
"""The same while every place is taken. A command sends its line at once, so a slower client may be
dropped."""


class _Client:
    """One connection: what it sent so far, or what is still to be sent to it."""

    def __init__(self, connection: socket.socket, now: float) -> None:
        self.connection = connection
        self.came_at = now
        self.received = bytearray()
        self.answer: memoryview | None = None


class ControlServer:
    """The listening end: a `pixd.service.waiting.Listener`, which the service's loop steps."""

    def __init__(
        self, store: Path, perform: Callable[[str, Mapping[str, Any], int], dict[str, Any]]
    ) -> None:
        """Listen in the store, which the caller has locked.

        Args:
            store: the store's folder.
            perform: carries out (operation, arguments, uid of the client) and returns its result;
                a `PixdError` of it becomes the answer.

        Raises:
            StoreError: there is no place for a socket.
        """
        self._perform = perform
        self._clients: list[_Client] = []
        self._has_performed = False
        self._elsewhere = store / control_socket.ELSEWHERE
        self._listener, self.address = _listen(store)
        self._is_abstract = self.address.startswith(control_socket.ABSTRACT)
        if self.is_in_store:
            self._elsewhere.unlink(missing_ok=True)
        else:
            durable.write_file(self._elsewhere, f"{self.address}\n".encode())

    @property
    def is_in_store(self) -> bool:
        """Whether it listens in the store, as it should if the file system holds sockets."""
        return self.address.endswith(f"/{control_socket.SOCKET}")

    def interests(self) -> Iterator[tuple[int, int]]:
        """Yield each descriptor with the poll(2) events that give `step` work.

        A client that sends nothing, or never reads its answer, gives no event.
        """
        if len(self._clients) < MAX_CLIENTS:  # else waiting clients would wake the loop for nothing
            yield self._listener.fileno(), select.POLLIN
        for client in self._clients:
            event = select.POLLIN if client.answer is None else select.POLLOUT
            yield client.connection.fileno(), event

    def next_at(self) -> float:
        """Return the monotonic time at which the first client's time is over."""
        came_at = min((client.came_at for client in self._clients), default=math.inf)
        return came_at + self._patience_s

    @property
    def _patience_s(self) -> float:
        return CLIENT_TIMEOUT_S if len(self._clients) < MAX_CLIENTS else CROWDED_TIMEOUT_S

    def step(self, now: float) -> bool:
        """Accept connections, carry out complete requests, send what can be sent.

        Returns:
            Whether an operation was asked for, so that the store may have changed.
        """
        self._has_performed = False
        self._drop_late(now)
        while len(self._clients) < MAX_CLIENTS:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # nobody waits, or the client is gone already
                break
            connection.setblocking(False)
            self._clients.append(_Client(connection, now))
        for client in list(self._clients):
            try:
                is_done = self._serve(client)
            except OSError:  # the client went away
                is_done = True
            if is_done:
                self._drop(client)
        return self._has_performed

    def _drop_late(self, now: float) -> None:
        late_before = now - self._patience_s
        for client in [c for c in self._clients if c.came_at < late_before]:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        client.connection.close()
        self._clients.remove(client)

    def stop(self) -> None:
        """Close everything and remove the socket."""
        if not self._is_abstract:
            Path(self.address).unlink(missing_ok=True)
        self._elsewhere.unlink(missing_ok=True)
        self._listener.close()
        for client in self._clients:
            client.connection.close()
        self._clients.clear()

    def abandon(self) -> None:
        """Close everything, and leave the name: the store is gone, and another may be there."""
        self._listener.close()
        for client in self._clients:
            client.connection.close()
        self._clients.clear()

    def _serve(self, client: _Client) -> bool:
        """Read from one client or write to it; tell whether it is finished."""
        if client.answer is None:
            try:
                data = client.connection.recv(65536)
            except BlockingIOError:
                return False
            client.received += data
            if b"\n" in data:
                uid = control_socket.peer_uid(client.connection)
                answer = self._answer(bytes(client.received).split(b"\n", 1)[0], uid)
                client.answer = memoryview(json.dumps(answer).encode() + b"\n")
            else:
                return not data or len(client.received) > MAX_REQUEST_BYTES
        with contextlib.suppress(BlockingIOError):
            client.answer = client.answer[client.connection.send(client.answer) :]
        return not client.answer

    def _check_may_ask(self, uid: int) -> None:
        # An abstract socket has no permissions, so the user of the client decides.
        if self._is_abstract and uid not in {0, os.getuid()}:
            told = "you may not change what the service does"
            raise PixdError(told, advice="be the user that runs it")

    def _answer(self, line: bytes, uid: int) -> dict[str, Any]:
        try:
            request = json.loads(line)
            json.dumps(request, ensure_ascii=False).encode()  # half a surrogate pair is no text
            if not isinstance(request, dict) or request.get("pixd") != PROTOCOL:
                raise UsageError(
                    "the service does not understand this command",
                    advice="restart the service, so that both are of one version",
                )
            arguments = request.get("arguments", {})
            if not isinstance(arguments, dict):
                raise UsageError(
                    "the request's arguments are no mapping",
                    advice='send {"pixd": 1, "op": ..., "arguments": {...}}',
                )
            self._check_may_ask(uid)
            self._has_performed = True
            result = self._perform(str(request.get("op")), arguments, uid)
        except PixdError as error:
            told = {"message": error.message, "advice": error.advice, "exit_code": error.exit_code}
            return {"ok": False, "error": told}
        except OSError as error:  # of a folder; no answer would read as if the service had ended
            told = {"message": f"it was not done: {error}", "exit_code": EXIT_FAILED}
            return {"ok": False, "error": told}
        except (ValueError, RecursionError):
            return {"ok": False, "error": {"message": "the request is no JSON", "exit_code": 2}}
        return {"ok": True, "result": result}


def _listen(store: Path) -> tuple[socket.socket, str]:
    """Listen at the first place that takes a socket, and return that place.

    Raises:
        StoreError: none does.
    """
    refused = ""
    for address in control_socket.places(store):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            _listen_at(listener, address)
        except OSError as error:
            listener.close()
            refused = refused or f"{address}: {error.strerror}"
        else:
            return listener, address
    raise StoreError(
        f"there is no place for the control socket ({refused})",
        advice="name another disk with `store` in config.yaml, or set XDG_RUNTIME_DIR",
    )


def _listen_at(listener: socket.socket, address: str) -> None:
    is_path = not address.startswith(control_socket.ABSTRACT)
    path = Path(address)
    if is_path:
        path.unlink(missing_ok=True)  # left by a service that was killed
        if path.name != control_socket.SOCKET:
            path.parent.mkdir(mode=0o700, exist_ok=True)
    with control_socket.short(address) as text:
        try:
            listener.bind(text)
            if is_path:
                path.chmod(MODE)
            listener.listen(QUEUE)
            # Some mounts of containers take a socket, and then nobody can connect to it.
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(text)
                listener.accept()[0].close()
        except OSError:
            if is_path:
                with contextlib.suppress(OSError):
                    path.unlink()
            raise
