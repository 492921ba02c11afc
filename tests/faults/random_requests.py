"""Random requests to a page, most of them near to good ones, over loopback and by several clients.

Half of an address is from openapi.json and half is awkward; a body has as many bytes as it says, or
not; some requests have a few bytes changed. Several whole ones go over one connection, as a browser
sends them. What is broken has a connection of its own, because the page closes it.
"""

from __future__ import annotations

import json
import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.support.paged import Contract, Served

AWKWARD = (
    *("", "/", "..", "%2e%2e%2f", "%00", "%ff", "%", "%u0041", "a" * 5000, "\u202e", "{}", "-1"),
    *("0", "1", "99999999999999999999", "tiny", "model@1", "sha256:" + "0" * 64, "0" * 64, "1e9"),
    *("' OR 1=1 --", "<script>", "\r\nX: y", "true", "null", "NaN", "live", "training", "input"),
)
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X")
QUERY = ("from", "count", "state", "model", "name", "thing", "k", "size", "pipeline", "level", "x")
KINDS = ("application/json", "image/png", "text/html", "a", "multipart/form-data")
EXTRA = (
    *("Range", "Prefer", "If-None-Match", "Origin", "Expect", "Transfer-Encoding", "Host"),
    *("Sec-Fetch-Site", "Connection", "Authorization", "Content-Length", "X-Forwarded-For"),
)
STREAM = "/api/events"
IN_A_ROW = 10
CLIENTS = 8
PATIENCE_S = 60.0
"""A page that neither answers nor closes for so long hangs."""
_ANSWER = re.compile(rb"HTTP/1\.1 (\d\d\d) ")
_HOLE = re.compile(r"\{(\w+)\}")


class Requests:
    """What is asked, from seeds: the same seed asks the same of the same store."""

    def __init__(self, page: Served, known: dict[str, list[str]]) -> None:
        """Take the addresses that the page says it has, and those of `known`.

        Args:
            page: the page.
            known: what fits into the holes of the addresses, by their names; whole addresses
                under "".
        """
        document: Any = Contract().document
        self._page = page
        self._known = known
        self._paths = [path for path in document["paths"] if path != STREAM]
        self._paths += ["/nowhere", "*", "", *known[""]]

    def whole(self, chance: random.Random, *, is_last: bool) -> bytes:
        """Return a request whose body is as long as it says."""
        head, body = self._parts(chance)
        close = "Connection: close\r\n" if is_last else ""
        return f"{head}Content-Length: {len(body)}\r\n{close}\r\n".encode() + body

    def broken(self, chance: random.Random) -> bytes:
        """Return a request whose body has another length, or with changed bytes, or both."""
        head, body = self._parts(chance)
        length = chance.choice(("", len(body), len(body), len(body) + 7, 0, -1, 10**20, "x"))
        said = "" if length == "" else f"Content-Length: {length}\r\n"
        data = bytearray(f"{head}{said}\r\n".encode() + body)
        for _ in range(chance.choice((0, 1, 1, 3, 30))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data)

    def _parts(self, chance: random.Random) -> tuple[str, bytes]:
        path = _HOLE.sub(lambda hole: self._word(chance, hole[1]), chance.choice(self._paths))
        for mark in "?&"[: chance.choice((0, 0, 1, 1, 2))]:
            path += f"{mark}{chance.choice(QUERY)}={chance.choice(AWKWARD)}"
        if chance.random() < 0.9:  # else the server itself refuses what no browser sends
            path = quote(path, safe="%/?&=:*")
        lines = [f"{chance.choice(METHODS)} {path} HTTP/1.1", f"Host: {self._page.host}"]
        if chance.random() < 0.9:
            lines.append(f"Authorization: Bearer {self._page.secrets.full}")
        if chance.random() < 0.3:
            lines.append(f"Content-Type: {chance.choice(KINDS)}")
        if chance.random() < 0.1:
            lines.append(f"{chance.choice(EXTRA)}: {chance.choice(AWKWARD)}")
        return "\r\n".join([*lines, ""]), self._body(chance)

    def _word(self, chance: random.Random, hole: str) -> str:
        known = self._known.get(hole)
        return chance.choice(known if known and chance.random() < 0.7 else AWKWARD)

    def _body(self, chance: random.Random) -> bytes:
        if chance.random() < 0.2:
            names = ("pipeline", "number", "files", "digest", "name", "input", "target", "mode")
            values: tuple[object, ...] = (
                *AWKWARD,
                1,
                -1,
                1 << 70,
                None,
                True,
                [],
                {},
                {"input": [1]},
                [["a", "b"]],
            )
            said = {name: chance.choice(values) for name in chance.sample(names, 3)}
            return json.dumps(said).encode()
        return chance.randbytes(chance.choice((0, 0, 1, 50, 5000)))


class Told:
    """What came of the requests; several threads count."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.answers: Counter[int] = Counter()
        self.requests = 0
        self.faults: list[str] = []
        self._lock = threading.Lock()

    def add(self, sent: int, answers: list[int], fault: str) -> int:
        """Add what came of some requests; return how many there were so far."""
        with self._lock:
            self.answers.update(answers)
            self.requests += sent
            if fault:
                self.faults.append(fault)
            return self.requests


def ask(
    page: Served, requests: Requests, count: int, seed: int, seen: Callable[[int], None]
) -> Told:
    """Send at least `count` requests.

    Args:
        page: the page.
        requests: makes them.
        count: how many.
        seed: of the first client; the others take the next ones.
        seen: is told now and then how many were sent.
    """
    told = Told()

    def client(number: int) -> None:
        chance = random.Random(seed + number)
        done = 0
        while done < count and not told.faults:
            way = chance.random()
            if way < 0.002:
                sent, answers, fault = _listen(page)
            elif way < 0.6:
                data = requests.broken(chance)
                sent, answers, fault = 1, *_exchange(page, data, ends=True)
            else:
                many = [
                    requests.whole(chance, is_last=n == IN_A_ROW) for n in range(1, IN_A_ROW + 1)
                ]
                answers, fault = _exchange(page, b"".join(many), ends=False)
                sent = len(answers)  # those behind one that closed the connection were not read
            done = told.add(sent, answers, fault)
            if number == 0:
                seen(done)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def _exchange(page: Served, data: bytes, *, ends: bool) -> tuple[list[int], str]:
    """Send bytes and read to the end; return the answers' numbers, and what is wrong or ""."""
    found = bytearray()
    fault = ""
    with socket.create_connection(_address(page), timeout=PATIENCE_S) as connection:
        try:
            connection.sendall(data)
            if ends:  # what lacks bytes would be waited for
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                found += part
        except TimeoutError:
            fault = f"neither answered nor closed: {data[:2000]!r}"
        except OSError:  # closed before all was read, as it may
            pass
    answers = [int(one) for one in _ANSWER.findall(found)]
    if 500 in answers:
        fault = f"an error 500: {data[:20_000]!r}"
    return answers, fault


def _listen(page: Served) -> tuple[int, list[int], str]:
    """Open the stream of events and leave it."""
    head = f"GET {STREAM} HTTP/1.1\r\nHost: {page.host}\r\n"
    with socket.create_connection(_address(page), timeout=PATIENCE_S) as connection:
        connection.sendall(f"{head}Authorization: Bearer {page.secrets.full}\r\n\r\n".encode())
        answers = [int(one) for one in _ANSWER.findall(connection.recv(1 << 16))]
    return 1, answers, "" if answers else "the stream of events did not begin"


def _address(page: Served) -> tuple[str, int]:
    name, _, port = page.host.rpartition(":")
    return name, int(port)
