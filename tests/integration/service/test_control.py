"""The control socket: what a command asks is done; what a bad client does costs nothing."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pixd.service import control
from pixd.service.control import ControlServer
from pixd.system import control_socket
from pixd.system.errors import PixdError, ServiceNotRunningError, StoreError, UsageError


class Stepped:
    """A server stepped by a thread, as the service's loop does."""

    def __init__(self, store: Path) -> None:
        store.mkdir(parents=True, exist_ok=True)
        self.store = store
        self.asked: list[tuple[str, dict[str, Any], int]] = []
        self.longest_step_s = 0.0
        self.server = ControlServer(store, self.perform)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def perform(self, op: str, arguments: Mapping[str, Any], uid: int) -> dict[str, Any]:
        self.asked.append((op, dict(arguments), uid))
        if op == "refuse":
            raise UsageError("no", advice="ask for something else")
        if op == "fail":
            raise PermissionError(errno.EACCES, "Permission denied", "/srv/output/x.png")
        return {"op": op, "echo": arguments.get("text")}

    def _run(self) -> None:
        while not self._ends.wait(0.005):
            began = time.monotonic()
            self.server.step(began)
            self.longest_step_s = max(self.longest_step_s, time.monotonic() - began)

    def stop(self) -> None:
        self._ends.set()
        self._thread.join()
        self.server.stop()


@pytest.fixture
def stepped(tmp_path: Path) -> Iterator[Stepped]:
    # A path longer than a socket address may be.
    stepped = Stepped(tmp_path / ("deep" * 20) / ("deeper" * 20))
    yield stepped
    stepped.stop()


def connect(stepped: Stepped) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    folder = os.open(stepped.store, os.O_PATH)
    client.connect(f"/proc/self/fd/{folder}/{control_socket.SOCKET}")
    os.close(folder)
    return client


def test_a_request_is_carried_out_with_who_asked(stepped: Stepped) -> None:
    assert control_socket.request(stepped.store, "try", {"text": "x" * 100_000}) == {
        "op": "try",
        "echo": "x" * 100_000,
    }
    assert stepped.asked[0][2] == os.getuid()
    assert (stepped.store / control_socket.SOCKET).stat().st_mode & 0o777 == 0o660


def test_a_refusal_comes_back_as_the_same_error(stepped: Stepped) -> None:
    with pytest.raises(UsageError, match="no") as caught:
        control_socket.request(stepped.store, "refuse", {})
    assert caught.value.advice == "ask for something else"


@pytest.mark.parametrize(
    "line",
    [b"rubbish\n", b"\xff\xfe\n", b"[]\n", b'{"pixd": 99}\n', b"[" * 100_000 + b"\n",
     b'{"pixd": 1, "op": "x", "arguments": 3}\n', b'{"pixd": 1, "op": "\\ud800"}\n'],
)  # fmt: skip
def test_rubbish_is_answered_with_an_error_and_does_nothing(stepped: Stepped, line: bytes) -> None:
    client = connect(stepped)
    client.sendall(line)
    answer = json.loads(client.makefile().readline())
    assert answer["ok"] is False
    assert stepped.asked == []
    client.close()


def test_an_error_of_what_is_asked_is_told_and_not_taken_for_a_client_that_left(
    stepped: Stepped,
) -> None:
    with pytest.raises(PixdError, match="it was not done: "):
        control_socket.request(stepped.store, "fail", {})


def test_a_request_without_end_is_cut_off(stepped: Stepped) -> None:
    client = connect(stepped)
    with pytest.raises(OSError):  # noqa: PT011 - a reset or a broken pipe, as the kernel likes
        client.sendall(b"x" * (100 * control.MAX_REQUEST_BYTES))
    client.close()


def test_silent_and_deaf_clients_do_not_keep_others_waiting(stepped: Stepped) -> None:
    silent = [connect(stepped) for _ in range(5)]
    deaf = connect(stepped)
    request = {"pixd": 1, "op": "big", "arguments": {"text": "x" * 900_000}}
    deaf.sendall(json.dumps(request).encode() + b"\n")  # and never reads the answer
    for number in range(20):
        assert control_socket.request(stepped.store, "n", {"text": number})["echo"] == number
    for client in (*silent, deaf):
        client.close()


def test_a_client_that_waits_too_long_is_dropped(tmp_path: Path) -> None:
    server = ControlServer(tmp_path, lambda *_: {})
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(tmp_path / control_socket.SOCKET))
    server.step(0.0)
    assert len(list(server.interests())) == 2
    assert server.next_at() == control.CLIENT_TIMEOUT_S
    server.step(control.CLIENT_TIMEOUT_S + 1)
    assert server.next_at() == float("inf")
    assert len(list(server.interests())) == 1
    client.close()
    server.stop()
    assert not (tmp_path / control_socket.SOCKET).exists()


def test_half_a_line_is_waited_for_and_then_dropped(tmp_path: Path) -> None:
    asked: list[str] = []

    def perform(op: str, *_: object) -> dict[str, Any]:
        asked.append(op)
        return {}

    server = ControlServer(tmp_path, perform)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for client in clients:
        client.connect(str(tmp_path / control_socket.SOCKET))
        client.sendall(b'{"pixd": 1, "op"')
    assert server.step(0.0) is False
    clients[0].sendall(b': "late"}\n')
    assert server.step(5.0) is True
    assert asked == ["late"]
    server.step(control.CLIENT_TIMEOUT_S + 1)
    assert clients[1].recv(10) == b""
    for client in clients:
        client.close()
    server.stop()


def test_a_full_house_does_not_wake_the_loop_and_makes_room_soon(tmp_path: Path) -> None:
    server = ControlServer(tmp_path, lambda *_: {"done": True})
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(control.MAX_CLIENTS + 4)]
    for client in crowd:
        client.connect(str(tmp_path / control_socket.SOCKET))
    server.step(0.0)
    waited_for = dict(server.interests())
    assert len(waited_for) == control.MAX_CLIENTS  # and not the door: four stand before it
    poll = select.poll()
    for descriptor, events in waited_for.items():
        poll.register(descriptor, events)
    assert poll.poll(0) == []
    assert server.next_at() == control.CROWDED_TIMEOUT_S
    command = crowd[-1]
    command.sendall(b'{"pixd": 1, "op": "x"}\n')
    assert server.step(control.CROWDED_TIMEOUT_S + 0.1) is True
    assert json.loads(command.recv(1000)) == {"ok": True, "result": {"done": True}}
    for client in crowd:
        client.close()
    server.stop()


def test_a_deaf_client_does_not_wake_the_loop(tmp_path: Path) -> None:
    server = ControlServer(tmp_path, lambda *_: {"much": "x" * 900_000})
    deaf = socket.socket(socket.AF_UNIX)
    deaf.connect(str(tmp_path / control_socket.SOCKET))
    deaf.sendall(b'{"pixd": 1, "op": "x"}\n')
    server.step(0.0)
    poll = select.poll()
    for descriptor, events in server.interests():
        poll.register(descriptor, events)
    assert poll.poll(0) == []
    received = deaf.recv(1 << 20)
    assert poll.poll(0) != []  # it reads after all
    while len(received) < 900_000:
        server.step(1.0)
        received += deaf.recv(1 << 20)
    assert len(json.loads(received)["result"]["much"]) == 900_000
    deaf.close()
    server.stop()


def test_fifty_commands_at_once_are_all_answered(stepped: Stepped) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(lambda n: control_socket.request(stepped.store, "n", {"text": n}), range(50))
        )
    assert [answer["echo"] for answer in answers] == list(range(50))


def test_without_a_service_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(ServiceNotRunningError):
        control_socket.request(tmp_path, "promote", {})
    listener = socket.socket(socket.AF_UNIX)  # left behind by a service that was killed
    listener.bind(str(tmp_path / control_socket.SOCKET))
    listener.close()
    with pytest.raises(PixdError):
        control_socket.request(tmp_path, "promote", {})
    ControlServer(tmp_path, lambda *_: {}).stop()  # and it does not hinder the next one


# -- where the store's file system holds no sockets -------------------------------------------------


@pytest.fixture
def socketless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Refuse each socket in a store, as bind(2) does on exFAT (exfat-fuse: EIO)."""

    class Refusing(socket.socket):
        def bind(self, address: Any) -> None:
            if str(address).endswith(control_socket.SOCKET):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            super().bind(address)

    monkeypatch.setattr(socket, "socket", Refusing)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    return tmp_path / "store"


def check(stepped: Stepped) -> None:
    told = control_socket.request(stepped.store, "try", {"text": "hello"})
    assert told == {"op": "try", "echo": "hello"}
    assert stepped.asked[0][2] == os.getuid()


@pytest.mark.parametrize("variable", ["XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY"])
def test_the_socket_may_be_in_a_runtime_folder(
    variable: str, socketless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path / ("run" * 30) / ("deep" * 20)  # longer than an address may be
    runtime.mkdir(parents=True)
    monkeypatch.setenv(variable, str(runtime))
    stepped = Stepped(socketless)
    monkeypatch.delenv(variable)  # a command of another login finds it all the same
    address = Path(control_socket.address_of(socketless))
    assert address.is_relative_to(runtime)
    assert address.stat().st_mode & 0o777 == 0o660
    check(stepped)
    stepped.stop()
    assert not address.exists()
    assert list(socketless.iterdir()) == []


def test_the_socket_may_have_an_abstract_name(socketless: Path) -> None:
    stepped = Stepped(socketless)
    assert control_socket.address_of(socketless).startswith("@pixd/")
    check(stepped)
    stepped.stop()
    with pytest.raises(ServiceNotRunningError):
        control_socket.request(socketless, "try", {})


def test_an_abstract_name_that_somebody_else_took_is_not_believed(
    socketless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepped = Stepped(socketless)
    monkeypatch.setattr(control_socket, "_trusted_uids", lambda _: {4711})
    with pytest.raises(PixdError, match="you may not"):
        control_socket.request(socketless, "try", {})
    assert stepped.asked == []
    stepped.stop()


def test_an_abstract_socket_serves_only_its_own_user(
    socketless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepped = Stepped(socketless)
    monkeypatch.setattr(control_socket, "peer_uid", lambda _: 4711)
    monkeypatch.setattr(control_socket, "_trusted_uids", lambda _: {4711})
    with pytest.raises(PixdError, match="you may not"):
        control_socket.request(socketless, "try", {})
    assert stepped.asked == []
    stepped.stop()


def test_a_store_that_came_to_a_better_disk_has_its_socket_again(
    tmp_path: Path,
) -> None:
    (tmp_path / control_socket.ELSEWHERE).write_text("@pixd/0/of-another-disk\n")
    server = ControlServer(tmp_path, lambda *_: {})
    assert server.is_in_store
    assert control_socket.address_of(tmp_path) == str(tmp_path / control_socket.SOCKET)
    server.stop()


def test_without_any_place_the_error_says_what_to_do(
    socketless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socketless.mkdir()
    monkeypatch.setattr(control_socket, "places", lambda store: [str(store / "control.sock")])
    with pytest.raises(StoreError, match="no place for the control socket") as caught:
        ControlServer(socketless, lambda *_: {})
    assert "config.yaml" in caught.value.advice
