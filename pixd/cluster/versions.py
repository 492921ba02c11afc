"""Which pixd a machine has, so that no work is given to another one.

The version alone is not enough while somebody works on pixd itself: the digest of its source is
compared too.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pixd

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMPUTING = {"tensorflow": "TensorFlow", "onnxruntime": "ONNX Runtime"}
"""What computes: with another release of it the same image may have other bytes."""
_TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-gpu")


@functools.cache
def own() -> dict[str, str]:
    """Return the versions of this machine, without importing what they are of."""
    return {
        "pixd": pixd.__version__,
        "code": _code(),
        "tensorflow": _tensorflow(),
        "onnxruntime": version_of("onnxruntime"),
        "ray": version_of("ray"),
        "python": platform.python_version(),
        "executable": sys.executable,
    }


def why_not(there: Mapping[str, Any], node: str) -> str:
    """Say why a machine with these versions gets no work, and what mends it; or ""."""
    here = own()
    if there.get("pixd") != here["pixd"]:
        return (
            f"{node} has pixd {there.get('pixd')}, {here['pixd']} is here: install pixd"
            f" {here['pixd']} there ({there.get('executable')} -m pip install ...)"
        )
    if there.get("code") != here["code"]:
        return (
            f"{node} has other code under the same version of pixd, {here['pixd']}: install the same"
            " one there"
        )
    for package, name in _COMPUTING.items():
        if there.get(package) != here[package]:
            return (
                f"{node} has {name} {there.get(package) or 'none'}, {here[package]} is here:"
                f" {there.get('executable')} -m pip install {package}=={here[package]}"
            )
    return ""


def _code() -> str:
    package = Path(pixd.__file__).parent
    sha = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        sha.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return sha.hexdigest()


def _tensorflow() -> str:
    return next((found for name in _TENSORFLOWS if (found := version_of(name))), "")


def version_of(name: str) -> str:
    """Return the version of a package that is installed here, or ""."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
