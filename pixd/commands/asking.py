"""How a command changes something: through the running service, else under the lock."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pixd import control, operations
from pixd.errors import CannotTellError, ServiceNotRunningError, StoreBusyError
from pixd.store import connection
from pixd.store.store import Store
from pixd.users import user_name

if TYPE_CHECKING:
    from pixd.config import Settings

TRIES = 3


def ask(settings: Settings, op: str, **arguments: Any) -> dict[str, Any]:
    """Have an operation of `pixd.operations` carried out and return its result.

    Raises:
        CannotTellError: there is no store yet.
        PixdError: the operation says no.
    """
    if not (settings.store / connection.DATABASE).exists():
        raise CannotTellError(
            f"no store at {settings.store}", advice="start the service once with `pixd run`"
        )
    for left in reversed(range(TRIES)):
        try:
            store = Store(settings.store)
        except StoreBusyError:
            try:
                return control.request(settings.store, op, arguments)
            except ServiceNotRunningError:
                if not left:  # it may have been just starting, or just leaving
                    raise
            continue
        try:
            return operations.perform(store, settings, op, arguments, user_name(os.getuid()))
        finally:
            store.close()
    raise AssertionError  # the loop returns or raises
