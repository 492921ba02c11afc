"""How a command changes something: through the running service, else under the lock."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from pixd.service import operations
from pixd.store import connection, lock, reserve
from pixd.store.opening import open_store
from pixd.system import control_socket
from pixd.system.errors import CannotTellError, ServiceNotRunningError, StoreBusyError
from pixd.system.users import user_name

if TYPE_CHECKING:
    from pixd.config import Settings

PATIENCE_S = 10.0
"""A service that starts holds the lock before it listens, and so does another command."""


def ask(settings: Settings, op: str, **arguments: Any) -> dict[str, Any]:
    """Have an operation of `pixd.service.operations` carried out and return its result.

    Raises:
        CannotTellError: there is no store yet.
        PixdError: the operation refuses.
    """
    if not connection.has_database(settings.store):
        raise CannotTellError(
            f"no store at {settings.store}",
            advice="if there was one, bring its disk back; else start the service once with"
            " `pixd run`",
        )
    ends_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            if lock.holder_pid(settings.store) is None:
                return _do(settings, op, arguments)
            return control_socket.request(settings.store, op, arguments)
        except (StoreBusyError, ServiceNotRunningError):  # just starting, or just leaving
            if time.monotonic() > ends_at:
                raise
        time.sleep(0.05)


def _do(settings: Settings, op: str, arguments: dict[str, Any]) -> dict[str, Any]:
    if op == "gc":
        reserve.give(settings.store)  # also to open the store takes a little
    store = open_store(settings.store, may_make=False)
    try:
        return operations.perform(store, settings, op, arguments, user_name(os.getuid()))
    finally:
        store.close()
