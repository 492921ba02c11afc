"""Where the page listens: on both kinds of loopback or not at all."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pixd.config import WebSettings
from pixd.system.errors import PixdError
from pixd.web import listening


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else has, on IPv6 alone."""
    try:
        other = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with other:
        yield other.getsockname()[1]


def test_a_port_that_is_taken_on_the_other_loopback_is_taken(taken: int) -> None:
    """A browser that is told `localhost` might ask the other one, and hand it the token."""
    web = WebSettings(listen=f"127.0.0.1:{taken}")
    assert not listening.is_free(web)
    with pytest.raises(PixdError, match=rf"cannot listen on \[::1\]:{taken}: Address already"):
        listening.listen(web, None, {})


def test_two_pages_do_not_share_an_address() -> None:
    """Two sockets that are only bound would, and the later would fail when it serves."""
    place = listening.listen(WebSettings(), 0, {})
    try:
        port = place.sockets[0].getsockname()[1]
        with pytest.raises(PixdError, match="already in use"):
            listening.listen(WebSettings(), port, {})
    finally:
        for one in place.sockets:
            one.close()


def test_a_place_tells_the_port_that_it_got_and_takes_new_names() -> None:
    place = listening.listen(WebSettings(), 0, {})
    try:
        port = place.sockets[0].getsockname()[1]
        assert place.listens()[0] == f"127.0.0.1:{port}"
        assert f"127.0.0.1:{port}" in place.hosts(WebSettings())
        added = place.hosts(WebSettings(hosts=("http://pixd.lan", "https://pixd.example.org")))
        assert added - place.hosts(WebSettings()) == {"pixd.lan", "https://pixd.example.org"}
    finally:
        for one in place.sockets:
            one.close()
