"""Where the page listens, and the server that runs it until a signal.

On loopback alone, on a Unix socket that only this user's group may open, or on what systemd passes
(sd_listen_fds(3)). uvicorn's own Unix sockets are open to everybody, so this makes them.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import uvicorn

from pixd.config.web_section import split_address
from pixd.system import durable
from pixd.system.errors import PixdError
from pixd.system.host_port import HostPort
from pixd.web.access import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.types import ASGIApp

    from pixd.config import WebSettings

FIRST_PASSED = 3  # SD_LISTEN_FDS_START
BACKLOG = 128
MOST_AT_ONCE = 96
"""Connections and requests at a time; the next is answered with 503 at once."""
LARGEST_HEAD = 32 * 1024
LOOPBACK = ("127.0.0.1", "::1")
_TRIES = 5  # of free ports, until one is free on both


class Place(NamedTuple):
    """What the page listens on: the open sockets, and the names that lead there.

    Attributes:
        sockets: open and bound.
        own: the names that lead there, as a browser sends them; `hosts` of the section adds some.
        url: the best address for a person, without the token; "" for a Unix socket.
        path: of a Unix socket that was made here, or "".
    """

    sockets: list[socket.socket]
    own: frozenset[str]
    url: str
    path: str

    def hosts(self, web: WebSettings) -> frozenset[str]:
        """Return all that may be in the Host header, as the configuration is now."""
        return self.own | {one.removeprefix("http://") for one in web.hosts}

    def listens(self) -> list[str]:
        """Return the addresses, for people."""
        return [_told(one) for one in self.sockets]


def listen(web: WebSettings, port: int | None, environ: Mapping[str, str]) -> Place:
    """Open what the configuration names.

    Args:
        web: the configuration's section.
        port: instead of the configured one; 0 for any that is free.
        environ: where systemd says what it passes.

    Raises:
        PixdError: the address is taken or may not be used.
    """
    passed = _passed(environ)
    if passed:
        return _place_of(passed)
    if web.listen.startswith("/") and port is None:
        return Place([_unix(web.listen)], _names(None), "", web.listen)
    address = split_address(web.listen) or (LOOPBACK[0], 0)
    host, number = address[0], address[1] if port is None else port
    sockets = _opened(host, number)
    number = sockets[0].getsockname()[1]
    return Place(sockets, _names(number, host), _url(host, number), "")


def is_free(web: WebSettings) -> bool:
    """Tell whether nothing listens yet on the address that the configuration names."""
    address = split_address(web.listen)
    if address is None:
        return True
    try:
        for one in _opened(*address):
            one.close()
    except PixdError:
        return False
    return True


def serve(app: ASGIApp, place: Place, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=_LOGGING,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_AT_ONCE,
        backlog=BACKLOG,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=LARGEST_HEAD,
    )
    # uvicorn raises the signal that ended it once more; as it stands, that would end this process
    # before it has tidied up.
    signal.signal(signal.SIGTERM, _end)
    _Server(config, ready).run(sockets=place.sockets)


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


class _Server(uvicorn.Server):
    """uvicorn's server, which tells when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


_LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "pixd web: %(message)s"}},
    "handlers": {"plain": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["plain"], "level": "WARNING"},
}


def tell(folder: Path, place: Place) -> None:
    """Write where the page listens, for `pixd web --link`. Only now does somebody answer there."""
    about = {"pid": os.getpid(), "url": place.url, "socket": place.path}
    durable.write_file(folder / ADDRESS, json.dumps(about).encode(), mode=0o600)


def leave(folder: Path, place: Place) -> None:
    """Forget where the page listened, unless another page has begun there."""
    if (where := read_told(folder)) and where["pid"] == os.getpid():
        (folder / ADDRESS).unlink(missing_ok=True)
    if place.path:
        Path(place.path).unlink(missing_ok=True)


def read_told(folder: Path) -> dict[str, Any] | None:
    """Return pid, url and socket of the page that last began to listen, or None."""
    try:
        found = json.loads((folder / ADDRESS).read_bytes())
        return {"pid": int(found["pid"]), "url": str(found["url"]), "socket": str(found["socket"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_running(pid: int) -> bool:
    """Tell whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # of another user
    return True


def usual_url(web: WebSettings) -> str:
    """Return the address of a page that listens as configured; "" for a Unix socket."""
    address = split_address(web.listen)
    return _url(*address) if address else ""


def _opened(host: str, port: int) -> list[socket.socket]:
    """Listen on an address; of loopback on both kinds.

    Raises:
        PixdError: it may not be used, or it is taken, also where only the other kind of loopback
            is: who opens `localhost` might then hand the token to whoever listens there.
    """
    for left in reversed(range(_TRIES if port == 0 else 1)):
        opened: list[socket.socket] = []
        at = host
        try:
            opened.append(_tcp(host, port))
            if host in LOOPBACK:
                at = LOOPBACK[1 - LOOPBACK.index(host)]
                opened.append(_tcp(at, opened[0].getsockname()[1]))
        except OSError as error:
            if opened and error.errno != errno.EADDRINUSE:
                break  # a machine may have no IPv6
            for one in opened:
                one.close()
            if not (opened and left):
                raise _refused(HostPort(at, port).text, error) from error
        else:
            break
    return opened


def _tcp(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
        # At once: two that are only bound may share an address, and the later one would fail late.
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _unix(path: str) -> socket.socket:
    """Bind a Unix socket that the group may open and others may not.

    The mask is set before it is bound: a mode that is changed afterwards would leave it open for a
    moment.
    """
    place = Path(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(place.lstat().st_mode) and _is_left(path):
                place.unlink()  # of a page that was killed
        made.bind(path)
        made.listen(BACKLOG)  # at once, or another page would take it for one that was left
    except OSError as error:
        made.close()
        raise _refused(path, error) from error
    finally:
        os.umask(before)
    return made


def _is_left(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _refused(where: str, error: OSError) -> PixdError:
    return PixdError(
        f"the page cannot listen on {where}: {error.strerror}",
        advice="another port: pixd web --port 0, or `listen` of `web` in config.yaml; is a page"
        " running already? `pixd web --link` says where",
    )


def _passed(environ: Mapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd passes to this very process."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = environ.get("LISTEN_FDS", "0")
    found = []
    for fd in range(FIRST_PASSED, FIRST_PASSED + (int(count) if count.isdecimal() else 0)):
        os.set_inheritable(fd, False)
        found.append(socket.socket(fileno=fd))
    return found


def _place_of(passed: Sequence[socket.socket]) -> Place:
    hosts: set[str] = set()
    url = ""
    for one in passed:
        if one.family == socket.AF_UNIX:
            hosts |= _names(None)
        else:
            host, port = one.getsockname()[:2]
            hosts |= _names(port, host)
            url = url or _url(host, port)
    return Place(list(passed), frozenset(hosts), url, "")


def _names(port: int | None, host: str = "") -> frozenset[str]:
    """Return the own names with the port, and nothing else."""
    names = {"localhost"}
    if port is not None:
        names = {f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"}
        if host not in {"0.0.0.0", "::", "", *LOOPBACK}:  # noqa: S104 - asks, binds nothing
            names.add(HostPort(host, port).text)
    return frozenset(names)


def _told(one: socket.socket) -> str:
    found = one.getsockname()
    if one.family == socket.AF_UNIX:
        return str(found)
    return HostPort(*found[:2]).text


def _url(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - as above
    return f"http://{HostPort(shown, port).text}/"
