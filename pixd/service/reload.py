"""How the service takes a changed configuration: read it whole, check it, make what it names.

What the pipelines then do under other settings is in `pixd.service.pipelines`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pixd.config.load import load
from pixd.system.children.folder_calls import FolderCalls, NotAnsweringError
from pixd.system.errors import ConfigError, DeviceError, PixdError
from pixd.system.machine import has_gpu

if TYPE_CHECKING:
    from pathlib import Path

    from pixd.config import Settings
    from pixd.store.store import Store

MADE_WITHIN_S = 5.0  # on a network file system


def check_device(settings: Settings) -> None:
    """Check that the configured device is there.

    Raises:
        DeviceError: `device: gpu` and there is none.
    """
    if settings.device == "gpu" and not has_gpu():
        raise DeviceError(
            "device: gpu, but this machine shows no NVIDIA GPU (/dev/nvidia0 is missing)",
            advice="set device: auto, or install the driver; `nvidia-smi` must work",
        )


def make_folders(settings: Settings, store: Store) -> None:
    """Make the folders that are missing, but none that had files: its disk may be unmounted.

    Raises:
        PixdError: one cannot be made.
    """
    for pipeline in settings.pipelines:
        for kind, folder in (("training", pipeline.training), ("input", pipeline.input)):
            root = store.holds.root(store.history.repo_id(pipeline.name, kind))
            if root is None or root.path != str(folder):
                _make_folder(folder, store)
        _make_folder(pipeline.output, store)


def changed_settings(present: Settings, store: Store) -> Settings:
    """Read the configuration file again, whole and checked.

    Raises:
        ConfigError: it has problems, or asks for what only a restart can do.
        PixdError: it cannot be served: no such device, or a folder cannot be made.
    """
    changed = load(present.path, asks_network=True)
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


def _make_folder(folder: Path, store: Store) -> None:
    calls = FolderCalls(folder, store=store.folder)
    try:
        calls.call_slow(MADE_WITHIN_S, os.makedirs, folder, exist_ok=True)
    except NotAnsweringError:
        return  # the pipeline waits for it, and the others begin
    except OSError as error:
        raise PixdError(
            f"the folder {folder} cannot be made: {error.strerror}",
            advice="make it by hand, or name another in config.yaml",
        ) from error
    finally:
        calls.close()
