"""OpenVINO, kept from telling anybody that it is used. pixd imports it from here alone.

`import openvino` alone makes an identifier of this user and sends an event to Google Analytics, if
the package `openvino-telemetry` is there, and OpenVINO brings it along. Where that package cannot be
imported, OpenVINO uses a stub of its own that sends nothing (`docs/privacy.md`,
`findings/openvino-import-calls-home.sh`).
"""

import sys

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # Python then finds none

import openvino  # noqa: E402 - after that

__all__ = ["openvino"]
