"""The device worker: ``python -m pixd.pix2pix.device SPEC.json``.

TensorFlow looks for the wanted device here. The result's ``environment`` says which device it
found.
"""

from __future__ import annotations

import sys

from pixd.pix2pix.importing import importing_tensorflow
from pixd.pix2pix.network import hardware
from pixd.system.children import task
from pixd.system.children.child import Events
from pixd.system.children.spec import DeviceSpec


def find_device(spec: DeviceSpec, events: Events) -> None:
    """Find the device and leave the result.

    Raises:
        DeviceError: a GPU is wanted and there is none.
    """
    with importing_tensorflow(events.phase):
        device = hardware.choose_device(spec.device)
    found = {"device": device.kind, "device_name": device.name}
    task.write_result(spec, environment=found)


if __name__ == "__main__":
    sys.exit(task.run(DeviceSpec, find_device))
