"""The `web` key of config.yaml: true, false, or a section of its own.

Leaves to others: listening (`pixd.web.listening`), and which names a request may use
(`pixd.web.gate`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from pixd.config.settings import WebSettings
from pixd.system import host_port

if TYPE_CHECKING:
    from pixd.config.document import Section
    from pixd.system.host_port import HostPort

SOCKET_BYTES = 107
"""The longest path of a Unix socket that the kernel takes (unix(7))."""
_NAME = r"(?=[^:]{1,253}(?::|$))[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
_HOST = re.compile(rf"(https://|http://)?({_NAME}|\[[0-9a-f:.]+\])(:[0-9]{{1,5}})?", re.IGNORECASE)
_LISTEN = "127.0.0.1:8460, another address with its port, or the path of a socket"


def read_web(root: Section) -> WebSettings:
    """Return what the file says of the page; `web: true` is a section without any key."""
    default = WebSettings()
    if "web" not in root or not isinstance(root.entry("web").value, yaml.MappingNode):
        return WebSettings(start=root.boolean("web", default.start))
    section = root.section("web")
    settings = WebSettings(
        start=section.boolean("start", default=True),
        listen=_listen(section, default.listen),
        hosts=_hosts(section),
        uploads=section.boolean("uploads", default.uploads),
    )
    section.finish()
    return settings


def split_address(text: str) -> HostPort | None:
    """Return the IP address and port of ``127.0.0.1:8460`` or ``[::1]:8460``, or None."""
    found = host_port.split(text)
    return found if found and found.is_ip else None


def is_loopback(listen: str) -> bool:
    """Tell whether only this machine reaches what `listen` names."""
    address = split_address(listen)
    return address is None or address.is_loopback


def _listen(section: Section, default: str) -> str:
    text = section.path_text("listen", default, expected=_LISTEN) or default
    if text.startswith("/"):
        if len(text.encode()) > SOCKET_BYTES:
            section.note("listen", f"expected a path of at most {SOCKET_BYTES} bytes, got {text}")
            return default
        return text
    if split_address(text) is None:
        section.note("listen", f'expected {_LISTEN}, got the text "{text}"')
        return default
    return text


def _hosts(section: Section) -> tuple[str, ...]:
    found = section.texts("hosts")
    for text in found:
        if not _HOST.fullmatch(text):
            section.note("hosts", f'expected names such as pixd.lan:8460, got the text "{text}"')
            return ()
    return tuple(text.lower() for text in found)
