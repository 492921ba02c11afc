"""ONNX Runtime, asked to tell nobody that it is used. pixd imports it from here alone.

Since 1.29 its builds for Linux and macOS send their maker events, unless asked not to: the import
alone makes an identifier of this user on the disk and looks for a server. Its own switch,
`disable_telemetry_events`, comes after that; only the variable comes before (`docs/privacy.md`,
`findings/onnxruntime-import-calls-home.sh`).
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

__all__ = ["onnxruntime"]
