"""The page: whether it can be served, who may reach it, and what the service says of it."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from pixd.answers.doctor.check import Check, ok, warn
from pixd.config.web_section import is_loopback
from pixd.store import heartbeat, lock
from pixd.store.heartbeat import HeartbeatError
from pixd.system.errors import CannotTellError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.config import Settings

NEEDED = ("starlette", "uvicorn")


def checks(settings: Settings) -> Iterator[Check]:
    """Look at the extra, at the address, and at what the running service says."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        told = f"cannot be served: {', '.join(missing)} is not installed"
        mend = f"{sys.executable} -m pip install 'pixd[web]'"
        yield (
            warn("page", told, mend) if settings.web.start else ok("page", f"{told}; not asked for")
        )
        return
    if not is_loopback(settings.web.listen):
        yield warn(
            "page",
            f"it listens on {settings.web.listen}: the network reaches it, except under the"
            " machine's pixd-web.service, and nothing is encrypted",
            "listen: 127.0.0.1:8460, and from elsewhere: ssh -L 8460:127.0.0.1:8460 THIS-MACHINE",
        )
    elif trouble := _trouble(settings):
        yield warn("page", trouble, "pixd web --port 0 in a terminal shows what it meets")
    elif settings.web.start:
        yield ok("page", f"on {settings.web.listen}; its link: pixd web --link")
    else:
        yield ok("page", "config.yaml asks for none; pixd run --web, or pixd web, serves it")


def _trouble(settings: Settings) -> str:
    try:
        if lock.holder_pid(settings.store) is None:
            return ""
        last = heartbeat.read(settings.store)
    except (CannotTellError, HeartbeatError):
        return ""
    return last.web if last else ""
