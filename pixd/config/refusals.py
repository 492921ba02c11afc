"""Why a changed configuration is not in force: what the service and the commands say alike."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pixd.system.errors import ConfigError, PixdError

if TYPE_CHECKING:
    from pathlib import Path


def is_same_store(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to the same folder."""
    return os.path.realpath(one) == os.path.realpath(other)


def other_store(config: Path, present: Path, wanted: Path) -> ConfigError:
    """Return the error for a file that names another store than the running service has open."""
    return ConfigError(
        f"{config}: store: a running service cannot change from {present} to {wanted}: restart it,"
        " or put the old store back",
        advice="`systemctl restart pixd`, or name the old store again",
    )


def gone(config: Path) -> ConfigError:
    """Return the error for a file that is not there any more, where a service has read it."""
    return ConfigError(f"{config} is gone", advice="put it back")


def in_one_line(error: PixdError) -> str:
    """Say in one line why a changed configuration is not in force."""
    first, *more = error.message.splitlines()
    return first + (f" (and {len(more)} more)" if more else "")
