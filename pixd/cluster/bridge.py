"""The bridge: ``python -m pixd.cluster.bridge SPEC.json``, a child like any other.

To the service it is the trainer or the translator. It has a process of its own, because Ray ends the
process of a driver, without an exception, when the head of its cluster dies. So the result that says
"the cluster is away" is written first, and replaced when the work has ended in another way: whatever
ends the bridge, the service reads the truth, and blames neither a pair nor an image.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pixd.cluster import reach
from pixd.cluster.carrier import ClusterError
from pixd.cluster.contact import Finder
from pixd.cluster.fault import START
from pixd.cluster.order import from_document
from pixd.cluster.report import Report, write_report
from pixd.cluster.roster import Roster
from pixd.cluster.training import TrainingBridge
from pixd.cluster.translating import TranslatingBridge
from pixd.system.children import child, task
from pixd.system.children.spawner import CLUSTER
from pixd.system.children.spec import Result, TrainSpec
from pixd.system.children.spec_parts import Problem
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from pixd.cluster.carrier import Carrier
    from pixd.cluster.order import Order
    from pixd.system.children.child import Events, StopFlag

CLOSE_WITHIN_S: Final = 3.0
"""So long the carrier may take to let go: with a head that is frozen, Ray's would take for ever."""

_log = logging.getLogger(__name__)


def main() -> int:
    """Carry out the order named on the command line; return the exit code."""
    events = child.claim_stdout()
    document = json.loads(Path(sys.argv[1]).read_bytes())
    is_training = document["spec"]["kind"] == TrainSpec.kind
    # A training is ended by SIGTERM, which leaves a checkpoint; translators by the end of stdin.
    child.die_with_parent(leave_at_eof=False, stdin_fd=0 if is_training else -1)
    stop = child.StopFlag()
    stop.leaves_at_once = False
    order = from_document(document)
    stage = "train" if is_training else "translate"
    report = Report(stage=stage, pipeline=order.spec.pipeline)
    result = _carry_out(order, report, events, stop)
    _write(order, result)
    return 1 if result.state == "failed" else 0


def _carry_out(order: Order, report: Report, events: Events, stop: StopFlag) -> Result:
    """Work until the end, whatever that is, and say how it ended."""
    carrier: Carrier | None = None
    roster: Roster | None = None
    try:
        _write(order, _away(order, reach.went_away(order.address), START))
        write_report(order.scratch, report)
        events.phase(f"asking the cluster at {order.address}")
        reach.check(order.address, Path(order.token), Path(order.tls) if order.tls else None)
        carrier = _carrier_of(order)
        roster = Roster(carrier, order.scratch, report)
        roster.watch()
        kind = TrainingBridge if report.stage == "train" else TranslatingBridge
        return kind(order, Finder(carrier, order, roster), events, stop).run()
    except child.Interrupted:
        return Result(run_id=order.spec.run_id, state="interrupted")
    except ClusterError as error:
        return _away(order, error.message, error.advice)
    except Exception as error:  # noqa: BLE001 - a child's last resort: the result says it
        _log.exception("the bridge failed")
        problem = task.describe_error(error)
        return Result(run_id=order.spec.run_id, state="failed", error=problem)
    finally:
        if roster is not None:
            roster.end()
        if carrier is not None:
            closing = threading.Thread(target=carrier.close, daemon=True)
            closing.start()
            closing.join(CLOSE_WITHIN_S)


def _carrier_of(order: Order) -> Carrier:
    """Return the carrier that the order names.

    Raises:
        ClusterError: the cluster cannot be joined.
    """
    module, _, name = order.carrier.partition(":")
    try:
        made: Carrier = getattr(importlib.import_module(module), name)(order)
    except ImportError as error:
        raise ClusterError(
            f"engine: ray, and Ray is not installed here ({error})",
            advice=f"{sys.executable} -m pip install 'pixd[ray]'",
        ) from error
    return made


def _away(order: Order, message: str, advice: str) -> Result:
    error: Problem = {"kind": CLUSTER, "message": message, "advice": advice}
    return Result(run_id=order.spec.run_id, state="failed", error=error)


def _write(order: Order, result: Result) -> None:
    fields = {name: getattr(result, name) for name in result.__dataclass_fields__}
    del fields["run_id"]
    task.write_result(order.spec, **fields)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr)
    code = 1
    try:
        code = main()
    except PixdError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - its log
    finally:
        sys.stderr.flush()
        # Not sys.exit: threads of the carrier may wait for a machine that is frozen.
        os._exit(code)
