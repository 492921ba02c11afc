"""How the service takes a changed configuration: read it whole, and check it.

What the pipelines then do under other settings is in `pixd.service.pipelines`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pixd.config.load import load
from pixd.system.errors import ConfigError, DeviceError, PixdError
from pixd.system.machine import has_gpu

if TYPE_CHECKING:
    from pixd.config import Settings


def check_device(settings: Settings) -> None:
    """Check that the configured device is there.

    Raises:
        DeviceError: `device: gpu` and there is none.
    """
    if settings.device == "gpu" and settings.engine == "local" and not has_gpu():
        raise DeviceError(
            "device: gpu, but this machine shows no NVIDIA GPU (/dev/nvidia0 is missing)",
            advice="set device: auto, or install the driver; `nvidia-smi` must work",
        )


def changed_settings(present: Settings) -> Settings:
    """Read the configuration file again, whole and checked.

    Raises:
        ConfigError: it has problems, or asks for what only a restart can do.
        PixdError: it cannot be served: no such device.
    """
    changed = load(present.path, asks_network=True)
    if os.path.realpath(changed.store) != os.path.realpath(present.store):
        raise ConfigError(
            f"{changed.path}: store: a running service cannot change from {present.store}"
            f" to {changed.store}: restart it, or put the old store back",
            advice="`systemctl restart pixd`, or name the old store again",
        )
    check_device(changed)
    return changed


def refusal_text(error: PixdError) -> str:
    """Say in one line why a changed configuration is not in force."""
    first, *more = error.message.splitlines()
    return first + (f" (and {len(more)} more)" if more else "")
