"""Names of users: the store records who asked for a change."""

from __future__ import annotations

import os
import pwd


def user_name(uid: int | None = None) -> str:
    """Return the login name of a user id (of this process by default), or its number."""
    wanted = os.getuid() if uid is None else uid
    try:
        return pwd.getpwuid(wanted).pw_name
    except KeyError:  # a container's user often has no entry
        return str(wanted)
