"""Random requests, bounded, on loopback: no traceback, no answer that is none, no growth."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.support.paged import Contract, Served, served
from tests.support.tiny import Tiny

pytestmark = pytest.mark.slow
AWKWARD = (
    *("", "/", "..", "%2e%2e%2f", "%00", "%ff", "%", "%u0041", "a" * 5000, "\u202e", "{}", "-1"),
    *("0", "1", "99999999999999999999", "tiny", "model@1", "sha256:" + "0" * 64, "0" * 64, "1e9"),
    *("' OR 1=1 --", "<script>", "\r\nX: y", "true", "null", "NaN", "live", "training", "input"),
)
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X")
MOST_GROWTH_KB = 30_000


def rss_kb(page: Served) -> int:
    status = Path(f"/proc/{page.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def request_of(chance: random.Random, page: Served, paths: list[str]) -> bytes:
    """Return the bytes of a request that is near to a good one."""
    path = chance.choice(paths)
    while "{" in path:
        before, _, rest = path.partition("{")
        word = "tiny" if chance.random() < 0.5 else chance.choice(AWKWARD)
        path = before + word + rest.partition("}")[2]
    if chance.random() < 0.5:
        names = ("from", "count", "state", "model", "name", "thing", "k", "size", "pipeline", "x")
        path += f"?{chance.choice(names)}={chance.choice(AWKWARD)}"
    method = chance.choice(METHODS)
    body = chance.randbytes(chance.choice((0, 0, 1, 50, 5000)))
    lines = [f"{method} {path} HTTP/1.1", f"Host: {page.host}"]
    if chance.random() < 0.9:
        lines.append(f"Authorization: Bearer {page.secrets.full}")
    if chance.random() < 0.8:
        lines.append(f"Content-Length: {len(body)}")
    if chance.random() < 0.3:
        kinds = ("application/json", "image/png", "text/html", "a", "multipart/form-data")
        lines.append(f"Content-Type: {chance.choice(kinds)}")
    if chance.random() < 0.2:
        extra = ("Range", "Prefer", "If-None-Match", "Origin", "Expect", "Transfer-Encoding")
        lines.append(f"{chance.choice(extra)}: {chance.choice(AWKWARD)}")
    data = bytearray("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
    for _ in range(chance.choice((0, 0, 0, 1, 3))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def test_random_requests_end_in_no_traceback_and_no_growth(
    ready: Tiny, pytestconfig: pytest.Config
) -> None:
    count = 1_000_000 if pytestconfig.getoption("--full-size") else 3000
    chance = random.Random(7)
    # A stream has no end, and a draft starts TensorFlow.
    paths = [path for path in Contract().document["paths"] if "events" not in path]
    paths = [*(path for path in paths if "draft" not in path), "/nowhere", "*", ""]
    with served(ready.folder) as page:
        name, port = page.host.split(":")
        warm = 0
        for number in range(count):
            if number == count // 3:
                warm = rss_kb(page)
            with socket.create_connection((name, int(port)), timeout=10) as connection:
                try:
                    connection.sendall(request_of(chance, page, paths))
                    connection.settimeout(0.2)  # a body that lacks bytes is waited for
                    answer = connection.recv(65536)
                except OSError:
                    continue
            assert not answer.startswith(b"HTTP/1.1 500"), answer
        assert httpx.get(f"{page.url}/healthz").status_code == 204
        assert rss_kb(page) - warm < MOST_GROWTH_KB
        assert "Traceback" not in page.log.read_text()
    assert [path.name for path in (ready.folder / "output").iterdir()] == []
