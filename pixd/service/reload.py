"""How the service takes a changed configuration: read it whole, and check it.

What the pipelines then do under other settings is in `pixd.service.pipelines`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pixd.config.load import load
from pixd.config.refusals import is_same_store, other_store
from pixd.system import systemd
from pixd.system.errors import DeviceError
from pixd.system.machine import has_gpu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixd.config import Settings
    from pixd.service.signals import Signals


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
    if not is_same_store(present.store, changed.store):
        raise other_store(changed.path, present.store, changed.store)
    check_device(changed)
    return changed


@contextlib.contextmanager
def answered(signals: Signals) -> Iterator[None]:
    """Answer SIGHUP by the block. If an error cuts it off, what was asked for stays to be done.

    systemd is told the end of each try: while it waits for one, it refuses every other request.
    """
    signals.has_asked_to_reload = False
    systemd.notify_reloading()
    try:
        yield
    except BaseException:
        signals.has_asked_to_reload = True
        raise
    finally:
        systemd.notify("READY=1")
