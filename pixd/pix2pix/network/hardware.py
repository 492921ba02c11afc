"""Which device computes, and with which precision.

Both are chosen once, before anything is computed, and the result names them. What ``auto`` chooses
depends on the machine. So it is recorded with a run but is never part of its key: weights are
float32 with every precision, and a run that is resumed on another machine uses what ``auto``
chooses there.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pixd.system import machine
from pixd.system.errors import DeviceError

Capability = tuple[int, int]  # of an NVIDIA GPU: (8, 0) is an A100

POLICIES: Final = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
"""Keras' dtype policies, by the names in config.yaml."""

# Source: NVIDIA CUDA programming guide, "arithmetic instructions": tensor cores take float16
# from compute capability 7.0 (Volta) and bfloat16 from 8.0 (Ampere) on.
_BFLOAT16_SINCE: Final = (8, 0)
_FLOAT16_SINCE: Final = (7, 0)

_GPU_FILES: Final = tuple(Path("/dev") / name for name in ("nvidiactl", "nvhost-gpu", "kfd", "dxg"))

_AMX: Final = "amx_bf16"
_AVX512_BF16: Final = "avx512_bf16"
_AMD: Final = "AuthenticAMD"


@dataclass(frozen=True)
class Processor:
    """A CPU by ``/proc/cpuinfo``: model name, vendor_id and flags; "" for what it does not have."""

    name: str
    vendor: str = ""
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Device:
    """The device that computes.

    Attributes:
        kind: ``cpu`` or ``gpu``.
        name: the hardware's own name.
        fastest: the precision, a key of `POLICIES`, that ``auto`` chooses here.
    """

    kind: str
    name: str
    fastest: str = "float32"


# ---------------------------------------------------------------- device


def choose_device(wanted: str) -> Device:
    """Choose the GPU, if it is wanted and exists, and the cores; call before anything is computed.

    Args:
        wanted: ``auto``, ``gpu`` or ``cpu``.

    Raises:
        DeviceError: ``gpu`` is wanted, and TensorFlow sees none.
    """
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # something was computed before, in a test's process
        # Between operations, TensorFlow's default stays, but for `keep_order`. A training step is one
        # chain of large operations, and each uses all cores by itself.
        tf.config.threading.set_intra_op_parallelism_threads(machine.available())
    gpus = [] if wanted == "cpu" else tf.config.list_physical_devices("GPU")
    if wanted == "cpu":
        with contextlib.suppress(ValueError, RuntimeError):
            tf.config.set_visible_devices([], "GPU")
    if not gpus:
        if wanted == "gpu":
            raise DeviceError(
                "device is gpu, but TensorFlow sees no GPU",
                advice="set device: auto, or install the GPU build: pip install tensorflow[and-cuda]",
            )
        return this_processor()
    for gpu in gpus:
        with contextlib.suppress(ValueError, RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, enable=True)
    details = tf.config.experimental.get_device_details(gpus[0])
    return Device(
        "gpu",
        str(details.get("device_name", gpus[0].name)),
        fastest_on_gpu(details.get("compute_capability")),
    )


def this_processor() -> Device:
    """Return the processor of this machine. Imports no TensorFlow."""
    processor = read_processor(machine.text_of(Path("/proc/cpuinfo")))
    return Device("cpu", cpu_name(processor), fastest_on_cpu(processor.vendor, processor.flags))


def may_have_gpu() -> bool:
    """Tell whether TensorFlow might see a GPU here: if not, it need not be imported to find out.

    Looked for are the device files of NVIDIA's and AMD's drivers and of Windows' subsystem for
    Linux, and plugins of TensorFlow for devices of other makers.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return False
    packages = (Path(one) for one in sys.path if one.endswith("-packages"))
    return (
        machine.has_gpu()
        or any(map(Path.exists, _GPU_FILES))
        or any((folder / "tensorflow-plugins").is_dir() for folder in packages)
    )


def read_processor(cpuinfo: str) -> Processor:
    """Return what ``/proc/cpuinfo`` says about the first core; "" if it is not an x86."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return Processor(
        fields.get("model name") or platform.processor() or platform.machine(),
        fields.get("vendor_id", ""),
        frozenset(fields.get("flags", "").split()),
    )


def cpu_name(processor: Processor) -> str:
    """Return the processor's name, and its features for bfloat16."""
    has = [flag.upper() for flag in (_AMX, _AVX512_BF16) if flag in processor.flags]
    return f"{processor.name} ({', '.join(has)})" if has else processor.name


# ---------------------------------------------------------------- precision


def choose_policy(precision: str, device: Device) -> str:
    """Return the Keras dtype policy for a configured precision on a device.

    Args:
        precision: ``auto`` or a key of `POLICIES`. float16 on a CPU is allowed and slow.
        device: the device that will compute.
    """
    return POLICIES[device.fastest if precision == "auto" else precision]


def fastest_on_gpu(capability: Capability | None) -> str:
    """Return the fastest precision that trains well on a GPU.

    If it has both, bfloat16 is better than float16: it has float32's range and needs no loss scale.

    Args:
        capability: its compute capability; None if the driver does not say.
    """
    if capability is None or tuple(capability) < _FLOAT16_SINCE:
        return "float32"
    return "bfloat16" if tuple(capability) >= _BFLOAT16_SINCE else "float16"


def fastest_on_cpu(vendor: str, flags: Iterable[str]) -> str:
    """Return the fastest precision of a CPU: bfloat16 if its hardware is really faster with it.

    AMX multiplies whole tiles. AMD's AVX512_BF16 does twice the arithmetic of its float32. On an
    Intel without AMX bfloat16 is slower: a training step (ngf 64, 256 px, batch 1) took 0.84 s in
    bfloat16 and 0.60 s in float32, and a 3072^3 product ran at 164 and 315 GFLOP/s.

    Args:
        vendor: ``vendor_id`` of ``/proc/cpuinfo``.
        flags: its ``flags``.
    """
    has = frozenset(flags)
    is_fast = _AMX in has or (_AVX512_BF16 in has and vendor == _AMD)
    return "bfloat16" if is_fast else "float32"


# ---------------------------------------------------------------- reproducible runs, environment


def keep_order(device: Device, policy: str) -> None:
    """Have a training in float32 on a processor run its operations one after the other.

    Call it before anything is computed. With TensorFlow's default, the same training in float32 had
    different weights in different processes, by rounding: at ngf 64 and 256 px, 9 processes had 5
    results after three updates. With one thread between operations there was one result. Each
    operation still uses all cores, so that this costs 2 %. In bfloat16 it would cost 9 %, and 8 of 8
    processes had one result without it.

    Args:
        device: the chosen device.
        policy: the Keras dtype policy of the training.
    """
    import tensorflow as tf

    if device.kind == "cpu" and policy == POLICIES["float32"]:
        # In a test's process, something may have been computed before.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_inter_op_parallelism_threads(1)


def make_deterministic(seed: int) -> None:
    """Make the same run give the same weights: set the seeds and a fixed order of operations."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def describe_environment(device: Device, policy: str) -> dict[str, Any]:
    """Return the libraries and hardware that made a result. They are never part of a run's key.

    Its ``precision`` is the one that was used: what ``auto`` chose. For a run that was resumed, it
    is what ``auto`` chose last.
    """
    import keras
    import tensorflow as tf

    precision = next(word for word, name in POLICIES.items() if name == policy)
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    libraries = {"tensorflow": tf.__version__, "keras": keras.__version__}
    return environment_of(libraries, device, precision, threads)


def environment_of(
    libraries: Mapping[str, str], device: Device, precision: str, threads: int
) -> dict[str, Any]:
    """Return what made a result, with the libraries that computed it and their versions."""
    import numpy as np

    return {
        **libraries,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": importlib.metadata.version("pillow"),
        "platform": platform.platform(),
        "device": device.kind,
        "device_name": device.name,
        "precision": precision,
        "cpu_count": os.cpu_count(),
        "threads": threads,
    }
