"""A child with one task: read the spec, do the work, and leave a result whatever happens."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pixd.system import disk, durable
from pixd.system.children import child
from pixd.system.children.child import Events
from pixd.system.children.spec import RESULT_FILE, Result, S, Spec, result_to_json
from pixd.system.children.spec_parts import Problem
from pixd.system.errors import ADVICE_DISK, DeviceError, PixdError

_log = logging.getLogger(__name__)


class NotFiniteError(PixdError):
    """A loss or a weight is NaN or infinite: training has diverged."""


class DataError(PixdError):
    """A pair that the run needs cannot be used."""


class BeginningError(PixdError):
    """What the run should begin from cannot be used."""


_KINDS = (
    (NotFiniteError, "nan"),
    (DataError, "data"),
    (DeviceError, "device"),
    (BeginningError, "beginning"),
)


def run(kind: type[S], work: Callable[[S, Events], None]) -> int:
    """Run a child that has one task.

    Args:
        kind: the class of its spec.
        work: does the task and leaves the result with `write_result`.

    Returns:
        The exit code: 0 if `work` succeeded, 1 if the result says why it did not.
    """
    spec, events = child.begin(kind)
    try:
        work(spec, events)
    except Exception as error:  # noqa: BLE001 - a child's last resort: the result says it
        _log.exception("%s failed", kind.kind)
        write_result(spec, state="failed", error=describe_error(error))
        return 1
    return 0


def write_result(spec: Spec, **fields: Any) -> None:
    """Leave the result manifest in the scratch folder; its presence means the run has ended.

    Args:
        spec: of the run.
        fields: of `pixd.system.children.spec.Result`.
    """
    result = result_to_json(Result(run_id=spec.run_id, **fields))
    text = json.dumps(result, indent=1, sort_keys=True, allow_nan=False)
    # A child is started in its scratch folder.
    durable.write_file(Path(spec.scratch or ".") / RESULT_FILE, text.encode())


def describe_error(error: BaseException) -> Problem:
    """Turn any failure into the result's ``error``: kind, message and what to do about it."""
    kind, message, advice = "internal", f"{type(error).__name__}: {error}", ""
    is_memory = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if (refused := disk.refusal(error)) and not is_memory:
        kind, message, advice = "disk", refused, ADVICE_DISK
    elif isinstance(error, PixdError):
        kind = next((name for type_, name in _KINDS if isinstance(error, type_)), "internal")
        message, advice = error.message, error.advice
    elif (
        is_memory
        or isinstance(error, MemoryError)
        or type(error).__name__ == "ResourceExhaustedError"
    ):
        kind, message = "out-of-memory", "the model or its batch does not fit into memory"
        advice = "lower train.batch_size, then image_size, then train.ngf and train.ndf"
    return {"kind": kind, "message": message[:2000], "advice": advice}
