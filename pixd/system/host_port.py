"""The address of a network service, as people write it: ``10.0.0.5:6379``, ``gpu1:6379``, ``[fd00::5]:6379``."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

HIGHEST_PORT: Final = 65535
_NAME: Final = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_WRITTEN: Final = re.compile(
    rf"(?P<name>{_NAME})(:(?P<port>[0-9]{{1,5}}))?|\[(?P<ipv6>[^\]]+)\](:(?P<port6>[0-9]{{1,5}}))?"
)


class HostPort(NamedTuple):
    """An address: the name or IP address of a machine, without brackets, and the port."""

    host: str
    port: int

    @property
    def text(self) -> str:
        """It, as people write it: IPv6 stands in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_ip(self) -> bool:
        """Whether the host is an IP address, not a name."""
        return _as_ip(self.host) is not None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        ip = _as_ip(self.host)
        return ip.is_loopback if ip else self.host.lower() == "localhost"


def split(text: str, *, port: int | None = None) -> HostPort | None:
    """Return the parts of an address; None where it is none.

    Args:
        text: what a person wrote.
        port: where the text has none; without it, the text must have one.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    written = found["port"] or found["port6"]
    number = int(written) if written else port
    host = found["name"] or found["ipv6"]
    ip = _as_ip(host)
    if found["ipv6"] and not isinstance(ip, ipaddress.IPv6Address):
        return None
    if number is None or number > HIGHEST_PORT:
        return None
    return HostPort(str(ip) if ip else host, number)


def _as_ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
