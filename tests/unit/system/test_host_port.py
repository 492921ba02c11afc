"""Addresses of network services, as people write them."""

from __future__ import annotations

import pytest

from pixd.system.host_port import HostPort, split


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.5:6379", "10.0.0.5", 6379),
        ("gpu1.lan:1", "gpu1.lan", 1),
        ("[fd00::5]:6379", "fd00::5", 6379),
        ("[FD00:0::5]:0", "fd00::5", 0),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert split(text) == split(text, port=9) == HostPort(host, port)


@pytest.mark.parametrize("text", ["10.0.0.5", "gpu1", "[fd00::5]"])
def test_a_port_that_is_not_written_is_the_usual_one_or_missing(text: str) -> None:
    assert split(text) is None
    found = split(text, port=6379)
    assert found
    assert found.text == f"{text}:6379"


@pytest.mark.parametrize(
    "text",
    [
        *("", ":1", "a:", "a:b", "a:-1", "a:70000", "a:²", "a b:1", "-a:1", "http://a:1", "a:1:2"),
        *(
            "fd00::5",
            "fd00::5:6379",
            "[fd00::5",
            "[fd00::5]6379",
            "[10.0.0.5]:1",
            "[gpu1]:1",
            "[]:1",
        ),
    ],
)
def test_what_is_no_address_is_not_guessed_at(text: str) -> None:
    assert split(text, port=6379) is None


@pytest.mark.parametrize(
    ("text", "is_ip", "is_loopback"),
    [
        ("127.8.8.8:1", True, True),
        ("[::1]:1", True, True),
        ("localhost:1", False, True),
        ("0.0.0.0:1", True, False),
        ("[::]:1", True, False),
        ("gpu1:1", False, False),
    ],
)
def test_who_reaches_it_is_known(text: str, *, is_ip: bool, is_loopback: bool) -> None:
    found = split(text)
    assert found
    assert (found.is_ip, found.is_loopback) == (is_ip, is_loopback)
