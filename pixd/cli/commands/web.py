"""`pixd web`: serve the page, or print its link."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from pixd.cli.configuration import settings_of
from pixd.cli.terminal import warn
from pixd.system.errors import EXIT_OK, PixdError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from pixd.config import Settings

_HIGHEST_PORT = 65535
UP_WITHIN_S = 60.0
NEEDED = ("starlette", "uvicorn", "h11", "anyio")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal; with --link or --new-token print the address and end."""
    if args.port is not None and not 0 <= args.port <= _HIGHEST_PORT:
        raise UsageError(f"{args.port} is no port", advice="0 to 65535; 0 for any that is free")
    check_installed()
    settings = settings_of(args)
    from pixd.web import access  # noqa: PLC0415 - only where the extra is installed

    folder = access.state_folder(settings.path, os.environ)
    if args.link or args.new_token:
        folder = _folder_of_page(settings)
    if args.new_token:
        access.write_new(folder)
    if args.link or args.new_token:
        print(link(settings, folder, may_change=not args.read_only))
        return EXIT_OK
    return _serve(args, settings, folder)


def _folder_of_page(settings: Settings) -> Path:
    """Return the state folder of the page that a person means: of the one that runs, if any does.

    Raises:
        PixdError: only a unit's is there, and this user may not read it.
    """
    from pixd.web import access, listening  # noqa: PLC0415 - as above

    known = access.known_state_folders(settings.path, os.environ)
    for folder in known:
        # Root may have tokens of its own, of before a unit was installed.
        if (where := listening.read_told(folder)) and listening.is_running(where["pid"]):
            return folder
    return known[0]


def check_installed() -> None:
    """Refuse where the extra `web` is not installed.

    Raises:
        PixdError: it is not; the advice is the command that installs it.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PixdError(
            f"the page needs {', '.join(missing)}, which the extra `web` brings",
            advice=f"{sys.executable} -m pip install 'pixd[web]'",
        )


def link(settings: Settings, folder: Path, *, may_change: bool) -> str:
    """Return the address of the page with a token behind the `#`, which no server is sent.

    Raises:
        PixdError: it listens on a Unix socket, which has no such address.
    """
    from pixd.web import access, listening  # noqa: PLC0415 - as above

    secrets = access.Access(folder).secrets
    where = listening.read_told(folder)
    # A page that was killed told an address that may be somebody else's by now.
    is_up = where is not None and listening.is_running(where["pid"])
    url = where["url"] if where and is_up else listening.usual_url(settings.web)
    if not url:
        raise PixdError(
            f"the page listens on the socket {settings.web.listen}, which has no address of its own",
            advice=f"put your proxy's address before #{secrets.full if may_change else secrets.read}",
        )
    return f"{url}#{secrets.full if may_change else secrets.read}"


@contextlib.contextmanager
def page_beside(settings: Settings, log: Path) -> Iterator[str]:
    """Run a page in a process of its own and give its link; it ends with the block.

    It listens where the configuration says, or where another listens there, on any free port.

    Args:
        settings: the checked configuration.
        log: takes what it says.

    Raises:
        PixdError: the extra is missing, or the page does not come up.
    """
    check_installed()
    from pixd.web import access, listening  # noqa: PLC0415 - as above

    folder = access.state_folder(settings.path, os.environ)
    command = [sys.executable, "-m", "pixd", "--config", str(settings.path), "web"]
    if not listening.is_free(settings.web):
        command += ["--port", "0"]
    with log.open("ab") as stderr:
        page = subprocess.Popen(
            [*command, "--beside", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            process_group=0,
        )
    try:
        ends_at = time.monotonic() + UP_WITHIN_S
        while (where := listening.read_told(folder)) is None or where["pid"] != page.pid:
            if page.poll() is not None or time.monotonic() > ends_at:
                raise PixdError("the page does not come up", advice=f"read {log}")
            time.sleep(0.05)
        yield link(settings, folder, may_change=True)
    finally:
        page.terminate()
        page.wait()


def _serve(args: argparse.Namespace, settings: Settings, folder: Path) -> int:
    from pixd.system import libc, systemd  # noqa: PLC0415 - as above
    from pixd.web import access, app, listening, world  # noqa: PLC0415 - as above

    if args.beside:
        libc.die_with_parent(15)
        if os.getppid() != args.beside:
            return EXIT_OK
    libc.keep_memory_small()
    of = world.World(
        settings, access.Access(folder), access.cache_folder(settings.path, os.environ)
    )
    place = listening.listen(settings.web, args.port, os.environ)

    def ready() -> None:
        listening.tell(folder, place)
        systemd.notify("READY=1")
        _say_where(settings, folder)

    served = app.make_app(of, lambda: place.hosts(of.settings.web), place.listens())
    try:
        listening.serve(served, place, ready)
    finally:
        listening.leave(folder, place)
    return EXIT_OK


def _say_where(settings: Settings, folder: Path) -> None:
    """Print the link for a person; a log is read by others, so no token goes there."""
    if not sys.stderr.isatty():
        warn("pixd: the page is up; its address: pixd web --link")
        return
    warn(f"pixd: the page is at {link(settings, folder, may_change=True)}")
