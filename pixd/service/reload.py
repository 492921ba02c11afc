"""How the service is told what to do by signals, takes a new configuration, and ends.

Signal handlers set flags and nothing else; the loop looks at the flags between two steps.

| signal | what it asks for |
|---|---|
| SIGTERM, SIGINT | end in order; the second time: at once |
| SIGHUP | read the configuration again |
| SIGUSR1 | look at all folders now |
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pixd.config.load import load
from pixd.system import disk, systemd
from pixd.system.errors import ConfigError, DeviceError, PixdError
from pixd.system.machine import has_gpu

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pixd.config import Settings
    from pixd.service.loop import Service
    from pixd.store.store import Store

STOP_WITHIN_S = 30.0
"""A trainer needs one step and one checkpoint to leave; one that takes longer is killed, and
loses what it did since the last checkpoint."""
STOPPED = "the service stopped"


# -- the configuration -----------------------------------------------------------------------


def check_device(settings: Settings) -> None:
    """Make sure that the device which is asked for is there.

    Raises:
        DeviceError: `device: gpu` and there is none.
    """
    if settings.device == "gpu" and not has_gpu():
        raise DeviceError(
            "device: gpu, but this machine shows no NVIDIA GPU (/dev/nvidia0 is missing)",
            advice="set device: auto, or install the driver; `nvidia-smi` must work",
        )


def make_folders(settings: Settings, store: Store) -> None:
    """Make what folders are missing, but none that had files: its disk may be unmounted.

    Raises:
        PixdError: one cannot be made.
    """
    for pipeline in settings.pipelines:
        for kind, folder in (("training", pipeline.training), ("input", pipeline.input)):
            root = store.holds.root(store.history.repo_id(pipeline.name, kind))
            if root is None or root.path != str(folder):
                _make_folder(folder)
        _make_folder(pipeline.output)


def changed_settings(present: Settings, store: Store) -> Settings:
    """Read the configuration file again, whole and checked.

    Raises:
        ConfigError: it has problems, or asks for what only a restart can do.
        PixdError: it cannot be served: no such device, or a folder cannot be made.
    """
    changed = load(present.path)
    if os.path.realpath(changed.store) != os.path.realpath(present.store):
        raise ConfigError(
            f"{changed.path}: store: a running service cannot change from {present.store}"
            f" to {changed.store}: restart it, or put the old store back",
            advice="`systemctl restart pixd`, or name the old store again",
        )
    check_device(changed)
    make_folders(changed, store)
    return changed


def refusal_text(error: PixdError) -> str:
    """Say in one line why a changed configuration is not in force."""
    first, *more = error.message.splitlines()
    return first + (f" (and {len(more)} more)" if more else "")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PixdError(
            f"the folder {folder} cannot be made: {error.strerror}",
            advice="make it by hand, or name another in config.yaml",
        ) from error


# -- the end ---------------------------------------------------------------------------------


def shut_down(service: Service, tick: Callable[[Service], None] | None) -> None:
    """End in order, so that nothing is lost and the next start has little to do.

    Args:
        service: after its last step.
        tick: called while the trainers are waited for, to draw progress.
    """
    # 1. Whoever asks from now on is told no, and knows why.
    systemd.notify("STOPPING=1")
    service.control.stop()
    # 2. What the translators have answered is published; the image they are at is dropped, its
    #    file stays queued. They end first, so that the trainer has the processor to itself.
    # 3. No more intake. What was read and not committed is read again at the next start.
    # 4. The trainers are asked to checkpoint at their next step and leave.
    now = time.monotonic()
    #    A disk that refuses now leaves a store as after a crash, and no traceback.
    for pipeline in service.pipelines:
        with disk.tolerated(service.warn):
            pipeline.translation.step(now, may_start=False)
        with disk.tolerated(service.warn):
            pipeline.wind_up(STOPPED, now)
    service.inspector.stop()
    # 5. They get thirty seconds. One that has just finished still gets its model published.
    parts = [*service.pipelines, *service.leaving]
    ends_at = now + STOP_WITHIN_S
    while any(not part.is_over for part in parts) and time.monotonic() < ends_at:
        for part in parts:
            with disk.tolerated(service.warn):
                part.follow(time.monotonic())
        if tick:
            tick(service)
        time.sleep(0.05)
    # 6. What is left is killed. Its run is taken up from its last checkpoint.
    for worker in service.workers():
        worker.kill()
    # 7. The heartbeat says that this was no crash, and the lock goes last: whoever gets it
    #    finds a store that nobody writes to any more.
    with disk.tolerated(service.warn):
        service.heartbeat.stop(service.store.heights())
    service.metrics_file.write(service.settings, service.pipelines, service.heartbeat, is_up=False)
    with disk.tolerated(service.warn):
        service.store.close()
